/**
 * Files that are read and written at offsets, by Deno's own interface. Node's, as Deno has it, writes on the thread of the
 * event loop, and does one thing with a file at a time: a device that needs a second for a write would hold the whole node
 * up, and reads would wait for each other and for syncs.
 *
 * Here each operation runs on a thread of the runtime, with a handle that nothing else uses meanwhile, because a handle has
 * one position. Reads, writes and syncs have handles of their own, so that none waits behind another kind; a failed write
 * back is told once to each handle that syncs, so that there is one. All are opened with the file: later its name may be
 * another file's.
 *
 * @module
 */
import type { DiskFile, DiskOpenOptions } from "../port/mod.ts";
import { attempt } from "./disk_error.ts";
import { lockFile, type Unlock } from "./file_lock.ts";

/** Reads of one file at a time. */
const READ_HANDLE_COUNT = 8;
/** Writes to one file at a time. */
const WRITE_HANDLE_COUNT = 4;

/** Handles of one file, each used by one operation at a time. */
class HandlePool {
  readonly #handles: readonly Deno.FsFile[];
  readonly #idle: Deno.FsFile[];
  readonly #waiting: ((handle: Deno.FsFile) => void)[] = [];

  constructor(handles: readonly Deno.FsFile[]) {
    this.#handles = handles;
    this.#idle = [...handles];
  }

  /** Does something with a handle as soon as one is idle. */
  async use<T>(action: (handle: Deno.FsFile) => Promise<T>): Promise<T> {
    const handle = this.#idle.pop() ??
      await new Promise<Deno.FsFile>((resolve) => this.#waiting.push(resolve));
    try {
      return await action(handle);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(handle);
      else next(handle);
    }
  }

  close(): void {
    for (const handle of this.#handles) handle.close();
  }
}

/** Moves a handle's position, which touches no device. */
function moveTo(handle: Deno.FsFile, offset: number): void {
  handle.seekSync(offset, Deno.SeekMode.Start);
}

class DenoFile implements DiskFile {
  readonly #path: string;
  readonly #readers: HandlePool;
  readonly #writers: HandlePool;
  readonly #syncer: HandlePool;
  readonly #unlock: Unlock | undefined;
  #closed = false;

  constructor(path: string, handles: readonly Deno.FsFile[], unlock: Unlock | undefined) {
    this.#path = path;
    this.#syncer = new HandlePool(handles.slice(0, 1));
    this.#readers = new HandlePool(handles.slice(1, 1 + READ_HANDLE_COUNT));
    const writers = handles.slice(1 + READ_HANDLE_COUNT);
    // A file that was opened to be read alone says so when it is written.
    this.#writers = writers.length === 0 ? this.#syncer : new HandlePool(writers);
    this.#unlock = unlock;
  }

  read(offset: number, target: Uint8Array): Promise<number> {
    return attempt("read", this.#path, () =>
      this.#readers.use(async (handle) => {
        moveTo(handle, offset);
        let done = 0;
        while (done < target.length) {
          const count = await handle.read(target.subarray(done));
          if (count === null) break;
          done += count;
        }
        return done;
      }));
  }

  write(offset: number, source: Uint8Array): Promise<void> {
    return attempt("write", this.#path, () =>
      this.#writers.use(async (handle) => {
        moveTo(handle, offset);
        for (let done = 0; done < source.length;) done += await handle.write(source.subarray(done));
      }));
  }

  sync(): Promise<void> {
    return attempt("sync", this.#path, () => this.#syncer.use((handle) => handle.syncData()));
  }

  size(): Promise<number> {
    return attempt("read the size of", this.#path, async () => {
      const stat = await this.#stat();
      return stat.isBlockDevice ? await blockDeviceSize(this.#path) : stat.size;
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return attempt("resize", this.#path, () => this.#writers.use((handle) => handle.truncate(sizeBytes)));
  }

  reserve(sizeBytes: number): Promise<void> {
    return this.write(0, new Uint8Array(sizeBytes));
  }

  isThere(): Promise<boolean> {
    return attempt("look at", this.#path, async () => ((await this.#stat()).nlink ?? 1) > 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await attempt("close", this.#path, async () => {
      for (const pool of new Set([this.#readers, this.#writers, this.#syncer])) pool.close();
      await this.#unlock?.();
    });
  }

  #stat(): Promise<Deno.FileInfo> {
    return this.#readers.use((handle) => handle.stat());
  }
}

/** Sectors of a block device have this size in sysfs, whatever the device's own is. */
const SYSFS_SECTOR_SIZE_BYTES = 512;

/** Bytes of a raw device; its file tells 0. Linux has the number in sysfs, for partitions too. */
async function blockDeviceSize(path: string): Promise<number> {
  const real = await Deno.realPath(path);
  const name = real.slice(real.lastIndexOf("/") + 1);
  return Number(await Deno.readTextFile(`/sys/class/block/${name}/size`)) * SYSFS_SECTOR_SIZE_BYTES;
}

/** Opens a file for reading and writing at offsets. */
export async function openFile(path: string, options: DiskOpenOptions): Promise<DiskFile> {
  const { write = false, create = false } = options;
  const handles = [await Deno.open(path, { read: true, write, create: write && create, mode: 0o644 })];
  try {
    const count = READ_HANDLE_COUNT + (write ? WRITE_HANDLE_COUNT : 0);
    for (let more = 0; more < count; more++) handles.push(await Deno.open(path, { read: true, write }));
    return new DenoFile(path, handles, options.exclusive ? await lockFile(path) : undefined);
  } catch (error) {
    for (const handle of handles) handle.close();
    throw error;
  }
}
