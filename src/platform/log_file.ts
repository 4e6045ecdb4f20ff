/**
 * Where lines of a log go in the end: standard error, or a file that is appended to. By Deno's own interface under
 * Deno, by `node:fs` else.
 *
 * @module
 */
import { builtin, isDeno } from "./builtin.ts";
import { diskError } from "./disk_error.ts";

type Fs = typeof import("node:fs");

/** An open log file, or standard error. */
export interface LogFile {
  /** Bytes that the file had when it was opened. */
  readonly sizeBytes: number;
  /** Writes some of the bytes; resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** The same before it returns. */
  writeNow(bytes: Uint8Array): number;
  /** Closes it. */
  close(): void;
}

/** Mode of a new log file. */
const FILE_MODE = 0o644;

const STDERR_DESCRIPTOR = 2;

/** Standard error. */
export function openStderr(): LogFile {
  if (!isDeno) return nodeFile(STDERR_DESCRIPTOR, 0);
  const { stderr } = Deno;
  return {
    sizeBytes: 0,
    write: (bytes) => stderr.write(bytes),
    writeNow: (bytes) => stderr.writeSync(bytes),
    close() {},
  };
}

/**
 * A file to append to, made when it is not there.
 *
 * @throws {Error} when it can't be opened; the message names path and cause
 */
export function openLogFile(path: string): LogFile {
  try {
    return isDeno ? openWithDeno(path) : openWithNode(path);
  } catch (error) {
    throw diskError("open the log file", path, error);
  }
}

/** Renames a file; calls `done` when it has, and also when it can't be. */
export function renameLogFile(from: string, to: string, done: () => void): void {
  if (isDeno) Deno.rename(from, to).then(done, done);
  else builtin<Fs>("node:fs").rename(from, to, done);
}

function openWithDeno(path: string): LogFile {
  const file = Deno.openSync(path, { append: true, create: true, mode: FILE_MODE });
  const { size: sizeBytes } = file.statSync();
  return {
    sizeBytes,
    write: (bytes) => file.write(bytes),
    writeNow: (bytes) => file.writeSync(bytes),
    close: () => file.close(),
  };
}

function openWithNode(path: string): LogFile {
  const { fstatSync, openSync } = builtin<Fs>("node:fs");
  const descriptor = openSync(path, "a", FILE_MODE);
  return nodeFile(descriptor, fstatSync(descriptor).size);
}

function nodeFile(descriptor: number, sizeBytes: number): LogFile {
  const { closeSync, write, writeSync } = builtin<Fs>("node:fs");
  return {
    sizeBytes,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        write(descriptor, bytes, 0, bytes.length, null, (error, count) => {
          if (error === null) resolve(count);
          else reject(error);
        });
      }),
    writeNow: (bytes) => writeSync(descriptor, bytes),
    close: () => closeSync(descriptor),
  };
}
