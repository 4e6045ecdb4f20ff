/**
 * A server process under the smoke test: started, watched until it says that it is ready, and ended.
 *
 * @module
 */

/** How long a start and a stop may take. Generous: the machine may be busy, and the times are printed. */
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 15_000;

const READY = /\bready in \d+(\.\d+)? ms\b/;

/** A server that has said that it is ready. */
export interface Server {
  /** Time from the start of the process to its ready line, in milliseconds. */
  readyMs: number;
  /** Resident memory in MB, where the system tells. */
  residentMb(): Promise<string>;
  /** Sends SIGTERM and waits for the end; throws when it doesn't come in time. */
  stop(): Promise<Stopped>;
  /** Ends the process at once if it still runs. */
  kill(): void;
}

/** How a server ended. */
export interface Stopped {
  /** Exit code. */
  code: number;
  /** Time from the signal to the end, in milliseconds. */
  stopMs: number;
  /** All that it printed. */
  output: string;
}

/** Where a server runs. */
export interface ServerOptions {
  /** Working directory. */
  cwd: string;
  /** Its whole environment; this process's when absent. */
  env?: Readonly<Record<string, string>>;
}

/** Starts a server and waits for its ready line; throws with its output when that doesn't come. */
export async function startServer(command: readonly string[], options: ServerOptions): Promise<Server> {
  const [program, ...args] = command;
  const startedMs = performance.now();
  const child = new Deno.Command(program!, {
    args,
    cwd: options.cwd,
    ...(options.env === undefined ? {} : { env: { ...options.env }, clearEnv: true }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const printed = new Printed();
  const pipes = Promise.all([printed.collect(child.stdout), printed.collect(child.stderr)]);
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const kill = () => {
    if (!ended) child.kill("SIGKILL");
  };
  try {
    const end = status.then(({ code }) =>
      Promise.reject(new Error(`it ended with ${code} before it was ready`))
    );
    end.catch(() => {});
    await within(START_LIMIT_MS, "its ready line", Promise.race([printed.waitFor(READY), end]));
  } catch (error) {
    kill();
    await pipes;
    throw new Error(`${command.join(" ")}: ${(error as Error).message}; it said:\n${printed.text}`);
  }
  return {
    readyMs: performance.now() - startedMs,
    residentMb: () => residentMb(child.pid),
    kill,
    async stop() {
      const stopStartedMs = performance.now();
      child.kill("SIGTERM");
      const { code } = await within(STOP_LIMIT_MS, "its end after SIGTERM", status);
      const stopMs = performance.now() - stopStartedMs;
      await pipes;
      return { code, stopMs, output: printed.text };
    },
  };
}

/** What a process has printed so far. */
class Printed {
  text = "";
  #wanted: RegExp | undefined;
  #found: (() => void) | undefined;

  waitFor(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = pattern;
      this.#found = resolve;
      this.#look();
    });
  }

  async collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      this.text += decoder.decode(bytes, { stream: true });
      this.#look();
    }
  }

  #look(): void {
    if (this.#wanted?.test(this.text)) this.#found?.();
  }
}

/** Rejects when a promise takes longer than `limitMs`. */
async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function residentMb(pid: number): Promise<string> {
  try {
    const match = /VmRSS:\s+(\d+) kB/.exec(await Deno.readTextFile(`/proc/${pid}/status`));
    return match === null ? "unknown" : (Number(match[1]) / 1000).toFixed(0);
  } catch {
    return "unknown";
  }
}
