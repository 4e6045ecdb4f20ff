/**
 * Load generators as processes of their own.
 *
 * @module
 */

import type { LoadResult, LoadTask } from "./load.ts";
import { benchFile } from "./processes.ts";

/** One load generator, in a process of its own. */
export class Loader {
  readonly #child: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reader = child.stdout.getReader();
  }

  /** Starts it and waits until it is ready. */
  static async start(task: LoadTask): Promise<Loader> {
    const args = ["run", "-A", "--no-check", benchFile("load.ts"), JSON.stringify(task)];
    const loader = new Loader(
      new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn(),
    );
    const { done } = await loader.#reader.read();
    if (done) throw new Error("The load generator ended before it was ready; its message is above");
    return loader;
  }

  /** Lets it run; resolves to what it measured. */
  async run(): Promise<LoadResult> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("go\n"));
    writer.releaseLock();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    if (text === "") throw new Error("The load generator ended without a result; its message is above");
    return JSON.parse(text);
  }

  /** Ends it. */
  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    await this.#child.stdin.abort().catch(() => {});
    await this.#child.status;
  }
}
