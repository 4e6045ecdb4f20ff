/**
 * Where a backup's bytes go: files of a directory, one file, or standard output. Bytes are gathered and written in large
 * pieces; a file's size counts what is safely in it, so that an interrupted backup can cut it there and go on.
 *
 * @module
 */

import { type FileHandle, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import process from "node:process";
import { ByteBuffer } from "../../src/base/mod.ts";
import { attempt } from "../../src/platform/mod.ts";

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
    // A reader that goes away is told to the write, too; without a listener it would end the process.
    process.stdout.on("error", () => {});
    return new BackupOutput("", undefined, 0);
  }

  /**
   * A new file.
   *
   * @throws {Error} when it exists or can't be made
   */
  static async create(path: string): Promise<BackupOutput> {
    return new BackupOutput(path, await attempt("make", path, () => open(path, "wx")), 0);
  }

  /** A file of an interrupted backup, cut where it was known to be whole. */
  static async resume(path: string, sizeBytes: number): Promise<BackupOutput> {
    const file = await attempt("open", path, () => open(path, "r+"));
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
    await attempt("sync", this.path, async () => await this.#file?.datasync());
  }

  /** Ends the file. */
  async close(): Promise<void> {
    await this.sync();
    await this.#file?.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#file === undefined) {
      const written = () =>
        new Promise<void>((resolve, reject) =>
          void process.stdout.write(bytes, (error) => error ? reject(error) : resolve())
        );
      await attempt("write", "standard output", written);
    } else {
      const file = this.#file;
      await attempt("write", this.path, async () => {
        for (let at = 0; at < bytes.length;) {
          const { bytesWritten } = await file.write(bytes, at, bytes.length - at, this.writtenBytes + at);
          at += bytesWritten;
        }
      });
    }
    this.writtenBytes += bytes.length;
    this.#writingBytes -= bytes.length;
  }
}

/** What is done about backup files that are there already. */
export interface OldFilesOptions {
  /** They are removed. */
  readonly removeFiles: boolean;
}

/**
 * Makes a directory for backup files.
 *
 * @throws {Error} when there are backup files in it, and they are not to be removed
 */
export async function prepareDirectory(path: string, options: OldFilesOptions): Promise<void> {
  await attempt("make the folder", path, () => mkdir(path, { recursive: true }));
  const old = (await readdir(path)).filter((name) => name.endsWith(".asb"));
  if (old.length === 0) return;
  if (!options.removeFiles) {
    throw new Error(`${path} holds a backup of ${old.length} files already; --remove-files removes them`);
  }
  for (const name of old) await unlink(`${path}/${name}`);
}

/**
 * Removes backup files of a directory that an interrupted backup had begun after its state was kept: what is in them is
 * backed up again, into other files.
 *
 * @param kept paths of the files that the state knows
 */
export async function removeLeftovers(directory: string, kept: readonly string[]): Promise<void> {
  const names = new Set(kept.map((path) => path.slice(path.lastIndexOf("/") + 1)));
  const found = await attempt("read the folder", directory, () => readdir(directory));
  for (const name of found) {
    if (name.endsWith(".asb") && !names.has(name)) await unlink(`${directory}/${name}`);
  }
}

/**
 * Makes room for a backup in one file.
 *
 * @throws {Error} when the file is there, and is not to be removed
 */
export async function prepareFile(path: string, options: OldFilesOptions): Promise<void> {
  const old = await stat(path).catch(() => undefined);
  if (old === undefined) return;
  if (!old.isFile()) throw new Error(`${path} is there and no file; to standard output it is -o -`);
  if (!options.removeFiles) throw new Error(`${path} is there already; --remove-files replaces it`);
  await unlink(path);
}
