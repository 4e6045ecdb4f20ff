/**
 * The process as a verb needs it: arguments, environment, exit, and small files. Under Deno by its own interface, so that
 * a server does not load Node's modules for them.
 *
 * @module
 */

/** Whether this is Deno; else it is Node. */
const isDeno = "Deno" in globalThis;

interface NodeProcess {
  argv: string[];
  argv0: string;
  env: Record<string, string | undefined>;
  pid: number;
  exit(code: number): never;
}

/** Node's view of the process; Deno loads its own copy of it at the first use. */
function nodeProcess(): NodeProcess {
  return (globalThis as unknown as { process: NodeProcess }).process;
}

/** The name by which the program was called; the runtime's when it runs from its sources. */
export function programName(): string {
  if (!isDeno) return nodeProcess().argv0;
  if (!Deno.build.standalone) return Deno.execPath();
  try {
    return Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1)[0];
  } catch {
    return nodeProcess().argv0;
  }
}

/** The words behind the program's name. */
export function programArguments(): string[] {
  return isDeno ? [...Deno.args] : nodeProcess().argv.slice(2);
}

/** All variables of the environment. */
export function environment(): Record<string, string | undefined> {
  return isDeno ? Deno.env.toObject() : nodeProcess().env;
}

/** This process. */
export function processId(): number {
  return isDeno ? Deno.pid : nodeProcess().pid;
}

/** Ends the process. */
export function exit(code: number): never {
  return isDeno ? Deno.exit(code) : nodeProcess().exit(code);
}

/** A file as text; rejects with the runtime's error. */
export async function readText(path: string): Promise<string> {
  if (isDeno) return await Deno.readTextFile(path);
  return await (await import("node:fs/promises")).readFile(path, "utf8");
}

/** Writes a file anew. */
export async function writeText(path: string, text: string): Promise<void> {
  if (isDeno) return await Deno.writeTextFile(path, text);
  await (await import("node:fs/promises")).writeFile(path, text);
}

/** Removes a file, if it is there. */
export async function removeFile(path: string): Promise<void> {
  if (!isDeno) return await (await import("node:fs/promises")).rm(path, { force: true });
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
