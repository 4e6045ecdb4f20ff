/**
 * What the builds for Node and for Deno share: the locked packages, names as `deno.json` maps them, and checks of what
 * comes out.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { print } from "./print.ts";

/** Folder of the repository. */
export const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** Runs a program and returns its standard output; throws with all it said when it fails. */
export async function run(program: string, args: string[], cwd: string): Promise<string> {
  const command = new Deno.Command(program, { args, cwd, stdin: "null", stdout: "piped", stderr: "piped" });
  const { success, code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(
      `${program} ${args.join(" ")} ended with ${code}:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`,
    );
  }
  return decoder.decode(stdout);
}

/** The import map of `deno.json`. */
export function readImports(): Record<string, string> {
  const config = JSON.parse(Deno.readTextFileSync(`${root}/deno.json`)) as {
    imports: Record<string, string>;
  };
  return config.imports;
}

/** Installs the packages of the lock file, and nothing newer, into `folder/node_modules`. */
export async function installPackages(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports: readImports() }));
  await Deno.copyFile(`${root}/deno.lock`, `${folder}/deno.lock`);
  await run(Deno.execPath(), ["install", "--node-modules-dir=auto"], folder);
}

/** Marks a name that has been through the import map, so that it is not mapped again. */
const RESOLVED = Symbol("resolved");

/** Resolves what esbuild doesn't know: the import map and `npm:` specifiers. */
export function denoResolver(packagesFolder: string): esbuild.Plugin {
  const imports = readImports();
  return {
    name: "deno",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, (args) => {
        if (args.pluginData === RESOLVED) return undefined;
        const target = imports[args.path] ?? args.path;
        if (target.startsWith("./")) return { path: `${root}/${target.slice(2)}` };
        const match = /^npm:\/?((?:@[^/]+\/)?[^/@]+)(?:@[^/]+)?(\/.*)?$/.exec(target);
        if (match === null) return undefined;
        const name = `${match[1]}${match[2] ?? ""}`;
        return build.resolve(name, { kind: args.kind, resolveDir: packagesFolder, pluginData: RESOLVED });
      });
      build.onLoad({ filter: /./ }, (args) => {
        if (args.with["type"] !== "text") return undefined;
        return { contents: Deno.readTextFileSync(args.path), loader: "text" };
      });
    },
  };
}

/** A path of the machine that built it has no business in what is shipped. */
export function refuseLocalPaths(file: string): void {
  const text = Deno.readTextFileSync(file);
  for (const path of [root, Deno.env.get("HOME"), Deno.env.get("DENO_DIR")]) {
    if (path === undefined || path.length < 5) continue;
    const at = text.indexOf(`${path}/`);
    if (at !== -1) throw new Error(`${file} contains a path of this machine: "${text.slice(at, at + 80)}"`);
  }
}

/** Prints how large a file is; returns it. */
export function report(file: string): number {
  const sizeBytes = Deno.statSync(file).size;
  print(
    `${file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file}: ${(sizeBytes / 1e6).toFixed(1)} MB`,
  );
  return sizeBytes;
}

/** A path as seen from the working directory, whole. */
export function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

/** Runs a tool that uses esbuild: what went wrong is printed and makes the exit code 1. */
export async function runTool(tool: () => Promise<void>): Promise<void> {
  try {
    await tool();
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    Deno.exitCode = 1;
  } finally {
    await esbuild.stop();
  }
}
