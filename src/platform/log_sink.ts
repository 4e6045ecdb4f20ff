/**
 * Log sinks that write to a file: lines are collected and written in the background, so that a slow disk or
 * a reader of standard error that has stopped does not hold the event loop.
 *
 * @module
 */
import { ByteBuffer, LOG_CONTEXTS } from "../base/mod.ts";
import type { LogLevel, LogSink } from "../port/mod.ts";
import { type LogFile, openLogFile, openStderr, renameLogFile } from "./log_file.ts";

/** Severity of each level, most severe first. */
export const levelRanks: Readonly<Record<LogLevel, number>> = {
  critical: 0,
  warning: 1,
  info: 2,
  debug: 3,
  detail: 4,
};

/** Lines that wait for a slow sink may use this much memory; more are dropped and counted. */
export const LOG_WAITING_SIZE_MAX_BYTES = 1024 * 1024;

const LINE_FEED = 0x0a;

/** When a log file is put aside, and how many such files stay. */
export interface LogRotation {
  /** Size from which a file is put aside, in bytes; 0 means never. */
  sizeBytes: number;
  /** Files put aside that are kept, as `PATH.1` (the youngest) to `PATH.N`; 1 or more. */
  keepCount: number;
}

/** One destination with its levels. */
export class FileSink implements LogSink {
  readonly name: string;
  readonly #path: string | undefined;
  readonly #levels = new Map<string, LogLevel>();
  readonly #rotation: LogRotation;
  #file: LogFile;
  /** Bytes of the present file; a file that grows by others' hands is not looked at. */
  #sizeBytes = 0;
  #waiting = new ByteBuffer(4096);
  #dropped = 0;
  /** Those of them that the bytes being written tell of. */
  #noted = 0;
  #writing = false;
  #idle: (() => void)[] = [];

  /**
   * @param path of the log file, or undefined for standard error
   * @param rotation when the file is put aside; never, without it
   * @throws {Error} when the file can't be opened; the message names path and cause
   */
  constructor(path: string | undefined, rotation: LogRotation = { sizeBytes: 0, keepCount: 1 }) {
    this.#path = path;
    this.#rotation = rotation;
    this.name = path ?? "stderr";
    this.#file = path === undefined ? openStderr() : this.#open(path);
    this.setLevel("any", "critical");
  }

  /** Lines that were dropped and that nothing in the file tells of yet. */
  get droppedCount(): number {
    return this.#dropped;
  }

  levels(): ReadonlyMap<string, LogLevel> {
    return this.#levels;
  }

  setLevel(context: string, level: LogLevel): boolean {
    if (context === "any") {
      for (const name of LOG_CONTEXTS) this.#levels.set(name, level);
      return true;
    }
    if (!this.#levels.has(context)) return false;
    this.#levels.set(context, level);
    return true;
  }

  /** Rank of the least severe level that is kept; lines of a context that nobody knows are kept like `misc`. */
  rankKept(context: string): number {
    return levelRanks[this.#levels.get(context) ?? this.#levels.get("misc") ?? "critical"];
  }

  /** Takes a line, with its line feed. */
  append(line: string): void {
    if (this.#waiting.length + line.length > LOG_WAITING_SIZE_MAX_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting.appendText(line);
    if (this.#writing) return;
    this.#writing = true;
    queueMicrotask(() => this.#writeWaiting());
  }

  /** Writes what waits before it returns: for the last lines of a process. */
  flushNow(): void {
    const bytes = this.#take();
    try {
      for (let at = 0; at < bytes.length;) at += this.#file.writeNow(bytes.subarray(at));
    } catch {
      // There is nowhere left to report it.
    }
  }

  /** Resolves when nothing waits any more. */
  flush(): Promise<void> {
    return this.#writing ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  /**
   * Opens the file anew; goes on with the old one when that fails.
   *
   * @returns why it failed, undefined when it did not
   */
  reopen(): string | undefined {
    if (this.#path === undefined) return undefined;
    this.flushNow();
    const old = this.#file;
    try {
      this.#file = this.#open(this.#path);
    } catch (error) {
      return (error as Error).message;
    }
    // A write that is under way still uses the old one.
    if (this.#writing) this.#idle.push(() => old.close());
    else old.close();
    return undefined;
  }

  #open(path: string): LogFile {
    const file = openLogFile(path);
    this.#sizeBytes = file.sizeBytes;
    return file;
  }

  #take(): Uint8Array {
    this.#noted = 0;
    // Without another line the next one brings it: where nothing can be written this would never end.
    if (this.#dropped > 0 && this.#waiting.length > 0) {
      this.#noted = this.#dropped;
      this.#waiting.appendText(
        `(${this.#dropped} lines dropped here: "${this.name}" was too slow, or full)\n`,
      );
      this.#dropped = 0;
    }
    const bytes = this.#waiting.toBytes();
    this.#waiting.reset();
    return bytes;
  }

  #writeWaiting(): void {
    const { sizeBytes } = this.#rotation;
    if (
      this.#waiting.length > 0 && this.#path !== undefined && sizeBytes > 0 && this.#sizeBytes >= sizeBytes
    ) {
      return this.#putAside(this.#path, this.#rotation.keepCount);
    }
    const bytes = this.#take();
    if (bytes.length === 0) {
      this.#writing = false;
      const idle = this.#idle;
      this.#idle = [];
      for (const fn of idle) fn();
      return;
    }
    void this.#writeAll(this.#file, bytes);
  }

  async #writeAll(file: LogFile, bytes: Uint8Array): Promise<void> {
    let at = 0;
    try {
      while (at < bytes.length) {
        const count = await file.write(bytes.subarray(at));
        this.#sizeBytes += count;
        at += count;
      }
    } catch {
      // A full disk must not end the node: the rest of these lines is lost, later ones are tried again.
      const lineCount = bytes.subarray(at).reduce((count, byte) => byte === LINE_FEED ? count + 1 : count, 0);
      this.#dropped += this.#noted === 0 ? lineCount : lineCount - 1 + this.#noted;
    }
    this.#writeWaiting();
  }

  /** Renames `PATH.N-1` to `PATH.N` and so on, `PATH` to `PATH.1`, then begins a new file; the oldest is overwritten. */
  #putAside(path: string, age: number): void {
    renameLogFile(age === 1 ? path : `${path}.${age - 1}`, `${path}.${age}`, () => {
      // One that isn't there leaves a gap; where nothing can be renamed the file grows by another such part.
      if (age > 1) return this.#putAside(path, age - 1);
      const old = this.#file;
      try {
        this.#file = this.#open(path);
        old.close();
      } catch {
        // The old file still takes lines.
      }
      if (this.#sizeBytes >= this.#rotation.sizeBytes) this.#sizeBytes = 0;
      this.#writeWaiting();
    });
  }
}
