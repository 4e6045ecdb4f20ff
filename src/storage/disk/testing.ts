/**
 * Helpers for tests of devices: a disk whose power can be cut at any operation, and a store on it that remembers what
 * may be found after a start.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import type { Disk, DiskFile } from "../../port/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import type { OpenStoreOptions } from "./open_store.ts";
import { PagedBytes } from "./paged_bytes_testing.ts";
import type { TestClock, TestRandom } from "../testing.ts";

const SECTOR_SIZE_BYTES = 512;

/** Ports that tests of stores don't vary: compression and ciphers of the platform, an empty environment. */
export const testPorts: Pick<OpenStoreOptions, "compute" | "host"> = {
  compute: createCompute(),
  host: { environment: () => undefined },
};

/** Changes bytes in place. */
export type Harm = (bytes: Uint8Array) => void;

interface FileState {
  bytes: PagedBytes;
  durable: PagedBytes;
  unsynced: { offset: number; bytes: Uint8Array }[];
}

/** A disk whose power goes at a chosen operation; what was not synced is then kept, lost or torn, each on its own. */
export class CrashDisk implements Disk {
  /** Writes and syncs so far. */
  operationCount = 0;
  /** Operation at which the power goes. */
  crashAt = Infinity;
  /** The power is gone: nothing ends any more. */
  isDown = false;
  /** Code of the error that writes and syncs fail with; empty when they don't. */
  writeError = "";
  /** Code of the error that reads fail with; empty when they don't. */
  readError = "";
  /** The file that errors are of; empty for all. */
  faultyPath = "";
  /** Reads and writes of the faulty file don't end while this is set. */
  hangs = false;
  /** Reads that were asked for. */
  readCount = 0;
  /** Bytes that were read. */
  readBytes = 0;
  /**
   * Called at each write and sync before it changes anything. The argument gives the disk as it is when the power goes
   * in that moment; this disk goes on. The disk after a power cut has it, too.
   */
  onOperation: ((cut: (random: TestRandom) => CrashDisk) => void) | undefined;
  readonly #files: Map<string, FileState>;
  readonly #random: TestRandom;

  /** @param random decides what becomes of unsynced writes */
  constructor(random: TestRandom, files: Map<string, FileState> = new Map()) {
    this.#random = random;
    this.#files = files;
  }

  /** The disk after the power came back. */
  restarted(): CrashDisk {
    this.isDown = true;
    for (const file of this.#files.values()) this.#losePower(file);
    const disk = new CrashDisk(this.#random, this.#files);
    disk.onOperation = this.onOperation;
    return disk;
  }

  /** Another disk with the same content, as after a power cut. */
  copy(random: TestRandom): CrashDisk {
    return this.#cut(random, () => {});
  }

  /** Paths of all files. */
  get paths(): string[] {
    return [...this.#files.keys()];
  }

  /** Content of a file, to look at or to damage. */
  content(path: string): Uint8Array {
    return this.#files.get(path)!.bytes.flat();
  }

  /** Puts an empty file in the place of one that is there. */
  blank(path: string): void {
    const { length } = this.#files.get(path)!.bytes;
    this.#files.set(path, { bytes: new PagedBytes(length), durable: new PagedBytes(length), unsynced: [] });
  }

  /** Bytes of a file become others by themselves: both those that are read now and those that are safe. */
  rot(path: string, { offset, sizeBytes }: { offset: number; sizeBytes: number }, harm: Harm): void {
    const { bytes, durable } = this.#files.get(path)!;
    const part = new Uint8Array(sizeBytes);
    durable.read(offset, part);
    harm(part);
    bytes.write(offset, part);
    durable.write(offset, part);
  }

  /** Bytes of a file. */
  sizeOf(path: string): number {
    return this.#files.get(path)!.bytes.length;
  }

  open(path: string, options: { create?: boolean } = {}): Promise<DiskFile> {
    let file = this.#files.get(path);
    if (file === undefined) {
      if (options.create !== true) return Promise.reject(coded("ENOENT", path));
      file = { bytes: new PagedBytes(), durable: new PagedBytes(), unsynced: [] };
      this.#files.set(path, file);
    }
    return Promise.resolve(this.#handle(path, file));
  }

  async readFile(path: string): Promise<Uint8Array> {
    await this.#never();
    const file = this.#files.get(path);
    if (file === undefined) throw coded("ENOENT", path);
    const bytes = new Uint8Array(file.bytes.length);
    file.bytes.read(0, bytes);
    return bytes;
  }

  /** Puts a file there that is safe at once: a key. */
  place(path: string, bytes: Uint8Array): void {
    this.#files.set(path, safeFile(bytes));
  }

  replaceFile(path: string, content: Uint8Array): Promise<void> {
    const bytes = content.slice();
    return this.#change(path, (files) => void files.set(path, safeFile(bytes)));
  }

  list(): Promise<string[]> {
    throw new Error("Not used by storage");
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    return this.#change(path, (files) => void files.delete(path));
  }

  #handle(path: string, file: FileState): DiskFile {
    return {
      read: (offset, target) => this.#read(path, file, offset, target),
      write: (offset, source) => {
        const bytes = source.slice();
        return this.#changeFile(path, file, (state) => {
          state.bytes.write(offset, bytes);
          state.unsynced.push({ offset, bytes });
        });
      },
      sync: () =>
        this.#changeFile(path, file, (state) => {
          for (const { offset, bytes } of state.unsynced) state.durable.write(offset, bytes);
          state.unsynced = [];
        }),
      size: () => Promise.resolve(file.bytes.length),
      truncate: (sizeBytes) => {
        file.bytes.resize(sizeBytes);
        file.durable.resize(sizeBytes);
        return Promise.resolve();
      },
      close: () => this.#never() ?? Promise.resolve(),
    };
  }

  async #read(path: string, file: FileState, offset: number, target: Uint8Array): Promise<number> {
    this.readCount++;
    await this.#never();
    const isFaulty = this.faultyPath === "" || this.faultyPath === path;
    if (this.hangs && isFaulty) await new Promise(() => {});
    if (this.readError !== "" && isFaulty) throw coded(this.readError, path);
    const count = file.bytes.read(offset, target);
    this.readBytes += count;
    return count;
  }

  /** A change of a file that is open: also when it has no name any more. */
  #changeFile(path: string, file: FileState, apply: (state: FileState) => void): Promise<void> {
    return this.#change(path, (files) => {
      const isNamed = this.#files.get(path) === file;
      const state = files === this.#files ? file : isNamed ? files.get(path) : undefined;
      if (state !== undefined) apply(state);
    });
  }

  async #change(path: string, apply: (files: Map<string, FileState>) => void): Promise<void> {
    if (this.isDown) await this.#never();
    this.operationCount++;
    this.onOperation?.((random) => this.#cut(random, apply));
    // The operation at which the power goes may have reached the device or not.
    if (this.operationCount >= this.crashAt) {
      if (this.#random.below(2) === 0) apply(this.#files);
      this.isDown = true;
      await this.#never();
    }
    await Promise.resolve();
    if (this.isDown) await this.#never();
    const isFaulty = this.faultyPath === "" || this.faultyPath === path;
    if (this.hangs && isFaulty) await new Promise(() => {});
    if (this.writeError !== "" && isFaulty) throw coded(this.writeError, path);
    apply(this.#files);
  }

  /** A copy of the disk whose power went during a change. */
  #cut(random: TestRandom, apply: (files: Map<string, FileState>) => void): CrashDisk {
    const files = new Map<string, FileState>();
    for (const [path, { bytes, durable, unsynced }] of this.#files) {
      files.set(path, { bytes: bytes.copy(), durable: durable.copy(), unsynced: unsynced.slice() });
    }
    if (random.below(2) === 0) apply(files);
    return new CrashDisk(random, files).restarted();
  }

  /** A promise that never settles once the power is gone. */
  #never(): Promise<void> | undefined {
    return this.isDown ? new Promise(() => {}) : undefined;
  }

  #losePower(file: FileState): void {
    for (const { offset, bytes } of file.unsynced) {
      const fate = this.#random.below(3);
      if (fate === 0) continue;
      if (fate === 1) file.durable.write(offset, bytes);
      else this.#tear(file.durable, offset, bytes);
    }
    if (file.unsynced.length > 0) file.bytes = file.durable.copy();
    file.unsynced = [];
  }

  /** Each sector of a torn write arrives or does not. */
  #tear(target: PagedBytes, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += SECTOR_SIZE_BYTES) {
      if (this.#random.below(2) === 0) target.write(offset + at, bytes.subarray(at, at + SECTOR_SIZE_BYTES));
    }
  }
}

function safeFile(content: Uint8Array): FileState {
  const durable = new PagedBytes();
  durable.write(0, content);
  return { bytes: durable.copy(), durable, unsynced: [] };
}

function coded(code: string, path: string): Error {
  return Object.assign(new Error(`Cannot use "${path}": as the test wants it (${code})`), { code });
}

/** Turns of the microtask queue that any chain of promises in storage needs at most. */
const MICROTASK_TURNS = 20;

/** Lets promises run, then what is due on the clock. */
export async function turn(clock: TestClock): Promise<boolean> {
  for (let count = 0; count < MICROTASK_TURNS; count++) await Promise.resolve();
  return clock.step(0);
}

/** Runs the clock until a promise is settled; fails when nothing is left to do. */
export async function settle<T>(clock: TestClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const watched = promise.finally(() => isSettled = true);
  watched.catch(() => {});
  for (let count = 0; !isSettled; count++) {
    assert(count < 100_000, "The promise settles in the end");
    const hasRun = await turn(clock);
    if (!hasRun && !isSettled) {
      for (let more = 0; more < MICROTASK_TURNS; more++) await Promise.resolve();
      if (!isSettled) clock.step();
    }
  }
  return await watched;
}
