/**
 * Files by `node:fs/promises`, under Node; `deno_file.ts` says why not under Deno, which has it too.
 *
 * @module
 */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import type { DiskFile, DiskOpenOptions } from "../port/mod.ts";
import type { WholeFiles } from "./disk.ts";
import { attempt, folderOf, isFolderRefusal, tooLarge } from "./disk_error.ts";
import { lockFile, type Unlock } from "./file_lock.ts";

type FileHandle = Awaited<ReturnType<typeof fs.open>>;

async function readAll(handle: FileHandle, target: Uint8Array, offset: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function writeAll(handle: FileHandle, source: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < source.length) {
    const { bytesWritten } = await handle.write(source, done, source.length - done, offset + done);
    done += bytesWritten;
  }
}

class PlatformFile implements DiskFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #unlock: Unlock | undefined;
  #closed = false;

  constructor(path: string, handle: FileHandle, unlock: Unlock | undefined) {
    this.#path = path;
    this.#handle = handle;
    this.#unlock = unlock;
  }

  read(offset: number, target: Uint8Array): Promise<number> {
    return attempt("read", this.#path, () => readAll(this.#handle, target, offset));
  }

  write(offset: number, source: Uint8Array): Promise<void> {
    return attempt("write", this.#path, () => writeAll(this.#handle, source, offset));
  }

  sync(): Promise<void> {
    return attempt("sync", this.#path, () => this.#handle.datasync());
  }

  size(): Promise<number> {
    return attempt("read the size of", this.#path, async () => {
      const stat = await this.#handle.stat();
      return stat.isBlockDevice() ? await blockDeviceSize(this.#path) : stat.size;
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return attempt("resize", this.#path, () => this.#handle.truncate(sizeBytes));
  }

  reserve(sizeBytes: number): Promise<void> {
    return this.write(0, new Uint8Array(sizeBytes));
  }

  isThere(): Promise<boolean> {
    return attempt("look at", this.#path, async () => (await this.#handle.stat()).nlink > 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await attempt("close", this.#path, async () => {
      await this.#handle.close();
      await this.#unlock?.();
    });
  }
}

/** Sectors of a block device have this size in sysfs, whatever the device's own is. */
const SYSFS_SECTOR_SIZE_BYTES = 512;

/** Bytes of a raw device; its file tells 0. Linux has the number in sysfs, for partitions too. */
async function blockDeviceSize(path: string): Promise<number> {
  const real = await fs.realpath(path);
  const name = real.slice(real.lastIndexOf("/") + 1);
  return Number(await fs.readFile(`/sys/class/block/${name}/size`, "utf8")) * SYSFS_SECTOR_SIZE_BYTES;
}

function openFlags(options: DiskOpenOptions): number {
  const access = options.write ? constants.O_RDWR : constants.O_RDONLY;
  return options.create ? access | constants.O_CREAT : access;
}

async function readWhole(path: string, sizeMaxBytes: number): Promise<Uint8Array> {
  const handle = await fs.open(path, "r");
  try {
    const { size } = await handle.stat();
    if (size > sizeMaxBytes) throw tooLarge(size, sizeMaxBytes);
    const content = new Uint8Array(size);
    return content.subarray(0, await readAll(handle, content, 0));
  } finally {
    await handle.close();
  }
}

/** Makes a rename survive a power cut. Not every system lets a folder be opened; there the rename is durable itself. */
async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await fs.open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isFolderRefusal(error)) throw error;
  }
}

async function replace(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await fs.open(temporary, "w");
  try {
    await writeAll(handle, content, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(temporary, path);
  await syncFolder(folderOf(path));
}

/** Opens a file for reading and writing at offsets. */
export async function openFile(path: string, options: DiskOpenOptions): Promise<PlatformFile> {
  const handle = await fs.open(path, openFlags(options), 0o644);
  try {
    return new PlatformFile(path, handle, options.exclusive ? await lockFile(path) : undefined);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whole files and folders. */
export const nodeFiles: WholeFiles = {
  readFile: readWhole,
  replaceFile: replace,
  list: (path) => fs.readdir(path),
  makeDirectory: async (path) => void (await fs.mkdir(path, { recursive: true })),
  remove: (path) => fs.rm(path, { force: true }),
};
