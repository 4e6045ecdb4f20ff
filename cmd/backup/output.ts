/**
 * Where a backup's bytes go: files of a directory, one file, or standard output. Bytes are gathered and written in large
 * pieces; a file's size counts what is safely in it, so that an interrupted backup can cut it there and go on.
 *
 * @module
 */

import { type FileHandle, mkdir, open, readdir, unlink } from "node:fs/promises";
import process from "node:process";
import { ByteBuffer } from "../../src/base/mod.ts";

const WRITE_SIZE_BYTES = 1024 * 1024;

/** A file of a backup, or standard output. */
export class BackupOutput {
  /** Its path; empty for standard output. */
  readonly path: string;
  /** What waits to be written. */
  readonly buffer: ByteBuffer = new ByteBuffer(64 * 1024);
  /** Bytes that are written. */
  writtenBytes: number;
  readonly #file: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();
  /** Bytes that are being written. */
  #writingBytes = 0;

  private constructor(path: string, file: FileHandle | undefined, writtenBytes: number) {
    this.path = path;
    this.#file = file;
    this.writtenBytes = writtenBytes;
  }

  /** Standard output. */
  static standard(): BackupOutput {
    return new BackupOutput("", undefined, 0);
  }

  /**
   * A new file.
   *
   * @throws {Error} when it exists or can't be made
   */
  static async create(path: string): Promise<BackupOutput> {
    return new BackupOutput(path, await open(path, "wx"), 0);
  }

  /** A file of an interrupted backup, cut where it was known to be whole. */
  static async resume(path: string, sizeBytes: number): Promise<BackupOutput> {
    const file = await open(path, "r+");
    if ((await file.stat()).size < sizeBytes) {
      await file.close();
      throw new Error(`${path} is shorter than when the backup was interrupted`);
    }
    await file.truncate(sizeBytes);
    return new BackupOutput(path, file, sizeBytes);
  }

  /** Size with what waits and what is being written. */
  get sizeBytes(): number {
    return this.writtenBytes + this.#writingBytes + this.buffer.length;
  }

  /** Enough waits to be written. */
  get isFull(): boolean {
    return this.buffer.length >= WRITE_SIZE_BYTES;
  }

  /** Writes what waits. */
  flush(): Promise<void> {
    const bytes = this.buffer.toBytes();
    this.buffer.reset(2 * WRITE_SIZE_BYTES);
    this.#writingBytes += bytes.length;
    this.#writing = this.#writing.then(() => this.#write(bytes));
    return this.#writing;
  }

  /** Writes what waits and brings it to the disk. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#file?.datasync();
  }

  /** Ends the file. */
  async close(): Promise<void> {
    await this.sync();
    await this.#file?.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#file === undefined) {
      await new Promise<void>((resolve, reject) =>
        process.stdout.write(bytes, (error) => error ? reject(error) : resolve())
      );
    } else {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.writtenBytes + at);
        at += bytesWritten;
      }
    }
    this.writtenBytes += bytes.length;
    this.#writingBytes -= bytes.length;
  }
}

/**
 * Makes a directory for backup files.
 *
 * @param options `removeFiles`: backup files in it are removed
 * @throws {Error} when there are backup files in it
 */
export async function prepareDirectory(
  path: string,
  options: { readonly removeFiles: boolean },
): Promise<void> {
  await mkdir(path, { recursive: true });
  const old = (await readdir(path)).filter((name) => name.endsWith(".asb"));
  if (old.length === 0) return;
  if (!options.removeFiles) {
    throw new Error(`${path} holds a backup of ${old.length} files already; --remove-files removes them`);
  }
  for (const name of old) await unlink(`${path}/${name}`);
}
