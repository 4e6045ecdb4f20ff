/**
 * The scanner: a process that scans the benchmark's set again and again and looks at the replies only as far as it must
 * to find their end, so that what it costs is the server's work and not its own.
 *
 * `scan_client.ts PORT` scans once, prints the bytes of that scan, and from then on answers each line on standard input
 * with a line: `go` with `going`, `stop` with the bytes received since.
 *
 * @module
 */

import { readU48 } from "../src/base/mod.ts";
import { AS_MSG_HEADER_SIZE, INFO3, PROTO_HEADER_SIZE } from "../src/wire/mod.ts";
import { benchFile } from "./processes.ts";
import { queryRequest } from "./requests.ts";

const READ_SIZE_BYTES = 1024 * 1024;
/** Offset of the third byte of flags in a frame. */
const INFO3_AT = PROTO_HEADER_SIZE + 3;

/** Follows the frames of an answer. */
export class AnswerEnd {
  readonly #head = new Uint8Array(PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE);
  #headCount = 0;
  #skip = 0;

  /** Takes the next bytes; whether the answer's last message was among them. */
  take(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, bytes.length - at);
        this.#skip -= count;
        at += count;
        continue;
      }
      const count = Math.min(this.#head.length - this.#headCount, bytes.length - at);
      this.#head.set(bytes.subarray(at, at + count), this.#headCount);
      this.#headCount += count;
      at += count;
      if (this.#headCount < this.#head.length) return false;
      this.#headCount = 0;
      this.#skip = PROTO_HEADER_SIZE + readU48(this.#head, 2) - this.#head.length;
      if ((this.#head[INFO3_AT] & INFO3.LAST) !== 0) return true;
    }
    return false;
  }
}

/** One scanner, in a process of its own that yields to all others. */
export class Scanner {
  /** Bytes of one whole scan. */
  readonly scanBytes: number;
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(child: Deno.ChildProcess, lines: AsyncIterator<string>, scanBytes: number) {
    this.#child = child;
    this.#lines = lines;
    this.#writer = child.stdin.getWriter();
    this.scanBytes = scanBytes;
  }

  /** Starts it and waits until it has scanned once. */
  static async start(port: number): Promise<Scanner> {
    const scan = [Deno.execPath(), "run", "-A", "--no-check", benchFile("scan_client.ts"), String(port)];
    const [program, ...args] = Deno.build.os === "windows" ? scan : ["nice", "-n", "5", ...scan];
    const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
      .spawn();
    const lines = linesOf(child.stdout);
    return new Scanner(child, lines, Number(await nextLine(lines)));
  }

  /** Begins to scan. */
  async go(): Promise<void> {
    await this.#say("go");
  }

  /** Ends the scan that runs; bytes received since `go`. */
  async stop(): Promise<number> {
    return Number(await this.#say("stop"));
  }

  /** Ends the process. */
  async close(): Promise<void> {
    this.#writer.releaseLock();
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }

  async #say(word: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${word}\n`));
    return await nextLine(this.#lines);
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { done, value } = await lines.next();
  if (done) throw new Error("The scanner ended; its message is above");
  return value;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream() as unknown as TextDecoding)) {
    const lines = (text + part).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

type TextDecoding = ReadableWritablePair<string, Uint8Array>;

class ScanLoop {
  receivedBytes = 0;
  readonly #port: number;
  readonly #request = queryRequest(undefined);
  readonly #buffer = new Uint8Array(READ_SIZE_BYTES);
  #conn: Deno.Conn | undefined;
  #isStopped = true;

  constructor(port: number) {
    this.#port = port;
  }

  /** Scans once. */
  async once(): Promise<void> {
    this.#conn ??= await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    await this.#conn.write(this.#request);
    const end = new AnswerEnd();
    for (;;) {
      const count = await this.#conn.read(this.#buffer);
      if (count === null) throw new Error("The server closed the scanner's connection");
      this.receivedBytes += count;
      if (end.take(this.#buffer.subarray(0, count))) return;
    }
  }

  /** Scans until it is stopped. */
  async run(): Promise<void> {
    this.#isStopped = false;
    this.receivedBytes = 0;
    try {
      while (!this.#isStopped) await this.once();
    } catch (error) {
      if (!this.#isStopped) throw error;
    }
  }

  /** Ends the scan by closing its connection. */
  stop(): void {
    this.#isStopped = true;
    this.#conn?.close();
    this.#conn = undefined;
  }
}

async function scanForEver(port: number): Promise<void> {
  const loop = new ScanLoop(port);
  await loop.once();
  write(loop.receivedBytes);
  let running = Promise.resolve();
  for await (const line of linesOf(Deno.stdin.readable)) {
    if (line === "go") {
      running = loop.run();
      write("going");
    } else {
      loop.stop();
      await running;
      write(loop.receivedBytes);
    }
  }
}

function write(value: number | string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${value}\n`));
}

if (import.meta.main) await scanForEver(Number(Deno.args[0]));
