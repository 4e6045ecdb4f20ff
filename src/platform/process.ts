/**
 * Processes started by this one, and how to start this executable again. For the executable's verbs alone: a node starts
 * nothing.
 *
 * @module
 */
import { builtin, isDeno } from "./builtin.ts";
import { readTextIfAny } from "./machine.ts";
import { thisMachine } from "./host.ts";

/** Longest line of a process that is passed on in one piece. */
export const PROCESS_LINE_SIZE_MAX = 64 * 1024;

/** Signals that a process can be sent. */
export type ProcessSignal = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR2" | "SIGKILL" | "SIGSTOP" | "SIGCONT";

/** How a process ended. */
export interface ProcessEnd {
  /** Exit code; undefined when a signal ended it. */
  code: number | undefined;
  /** The signal that ended it. */
  signal: string | undefined;
}

/** A process that runs. */
export interface RunningProcess {
  /** Process id. */
  readonly pid: number;
  /** Resolves when it has ended and its output was read. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal; does nothing when it has ended. */
  signal(signal: ProcessSignal): void;
}

/** How to start a process. */
export interface StartProcessOptions {
  /** Its lines of standard output and error, without their ends. */
  onLine: (line: string, stream: "output" | "error") => void;
  /** Working directory; this process's when absent. */
  cwd?: string;
  /** What is added to this process's environment. */
  env?: Readonly<Record<string, string>>;
}

/**
 * Starts a program. Its standard input stays open and empty for as long as this process lives, so that its end tells the
 * program that this process is gone.
 *
 * @param command the program and its arguments
 * @throws {Error} when it can't be started
 */
export function startProcess(
  command: readonly string[],
  options: StartProcessOptions,
): Promise<RunningProcess> {
  return isDeno ? startWithDeno(command, options) : startWithNode(command, options);
}

function startWithDeno(command: readonly string[], options: StartProcessOptions): Promise<RunningProcess> {
  const [program, ...args] = command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    return Promise.reject(startFailure(command, error as Error));
  }
  const pipes = (["stdout", "stderr"] as const).map(async (name) => {
    const lines = new Lines((line) => options.onLine(line, name === "stdout" ? "output" : "error"));
    for await (const bytes of child[name]) lines.take(bytes);
    lines.end();
  });
  let alive = true;
  const ended = child.status.then(async ({ code, signal }) => {
    alive = false;
    await Promise.allSettled([...pipes, child.stdin.close()]);
    return { code: signal === null ? code : undefined, signal: signal ?? undefined };
  });
  return Promise.resolve({
    pid: child.pid,
    ended,
    signal(signal) {
      if (alive) trySignal(() => child.kill(signal));
    },
  });
}

function startWithNode(command: readonly string[], options: StartProcessOptions): Promise<RunningProcess> {
  const [program, ...args] = command;
  const { spawn } = builtin<typeof import("node:child_process")>("node:child_process");
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...nodeProcess().env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  for (const name of ["stdout", "stderr"] as const) {
    const lines = new Lines((line) => options.onLine(line, name === "stdout" ? "output" : "error"));
    child[name].on("data", (bytes: Uint8Array) => lines.take(bytes));
    child[name].on("end", () => lines.end());
  }
  let alive = true;
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.on("exit", () => {
      alive = false;
      child.stdin.destroy();
    });
    child.on("close", (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  child.stdin.on("error", () => {});
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(startFailure(command, error)));
    child.on("spawn", () =>
      resolve({
        pid: child.pid!,
        ended,
        signal(signal) {
          if (alive) trySignal(() => void child.kill(signal));
        },
      }));
  });
}

function startFailure([program]: readonly string[], cause: Error): Error {
  return new Error(`Cannot start "${program}": ${cause.message}`, { cause });
}

/** Between the end of a process and the news of it, a signal finds nobody. */
function trySignal(send: () => void): void {
  try {
    send();
  } catch {
    // It has ended by itself.
  }
}

/** Cuts a stream of bytes into lines. */
class Lines {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  take(bytes: Uint8Array): void {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = parts.pop()!;
    for (const line of parts) this.#onLine(line);
    if (this.#rest.length > PROCESS_LINE_SIZE_MAX) this.end();
  }

  end(): void {
    if (this.#rest !== "") this.#onLine(this.#rest);
    this.#rest = "";
  }
}

function nodeProcess(): typeof import("node:process") {
  return builtin("node:process");
}

/**
 * What Deno is started with. By itself V8 lets the space of new objects grow to 48 MiB, which an edge machine can use
 * better: a node holds hardly any object for longer than a request, so that a small space costs it no time.
 */
export const DENO_FLAGS: readonly string[] = ["--v8-flags=--max-semi-space-size=2"];

/**
 * The words that start this program again, before its arguments: the executable alone, or the runtime with the program's
 * main file.
 */
export function ownCommand(): string[] {
  if (isDeno) {
    const program = Deno.execPath();
    return Deno.build.standalone ? [program] : [program, "run", "-A", ...DENO_FLAGS, Deno.mainModule];
  }
  const { execPath, execArgv, argv } = nodeProcess();
  const isExecutable = builtin<{ isSea?: () => boolean } | undefined>("node:sea")?.isSea?.() === true;
  return isExecutable ? [execPath] : [execPath, ...execArgv, argv[1]];
}

/** Calls `fn` once when the standard input of this process ends. */
export function onInputEnd(fn: () => void): void {
  if (isDeno) {
    void untilInputEnd().then(fn);
    return;
  }
  const { stdin } = nodeProcess();
  stdin.once("end", fn);
  stdin.once("error", fn);
  stdin.resume();
}

async function untilInputEnd(): Promise<void> {
  const ignored = new Uint8Array(64);
  try {
    while (await Deno.stdin.read(ignored) !== null);
  } catch {
    // What can't be read has ended.
  }
}

/** Number of processors that this process may use: those of the machine, or what its container's quota comes to. */
export function usableCpuCount(): number {
  const quotas = [...controlGroups()].map(readQuota).filter((count) => count !== undefined);
  return Math.max(1, Math.floor(Math.min(availableCpuCount(), ...quotas) + 0.01));
}

function availableCpuCount(): number {
  return isDeno
    ? navigator.hardwareConcurrency
    : builtin<typeof import("node:os")>("node:os").availableParallelism();
}

/** Files that may hold a quota: of this process's control group and those around it, version 2. */
function* controlGroups(): Generator<string> {
  const own = /^0::(.*)$/m.exec(readText("/proc/self/cgroup") ?? "")?.[1] ?? "/";
  for (let path = own; path !== "" && path !== "/"; path = path.slice(0, path.lastIndexOf("/"))) {
    yield `/sys/fs/cgroup${path}/cpu.max`;
  }
  yield "/sys/fs/cgroup/cpu.max";
}

/** `100000 100000` is one processor; `max 100000` is no limit. */
function readQuota(file: string): number | undefined {
  const [quota, period] = (readText(file) ?? "").trim().split(" ").map(Number);
  return quota > 0 && period > 0 ? quota / period : undefined;
}

function readText(path: string): string | undefined {
  return readTextIfAny(thisMachine(), path);
}
