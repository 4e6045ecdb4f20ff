/**
 * Files of a simulated machine. What a program sees is the content as written; what survives a power cut is what was
 * synced, and of each later write all, nothing, or a part in whole sectors. The death of a process alone loses nothing
 * that was written, but a write under way may be cut short.
 *
 * @module
 */
import type { Disk, DiskFile, DiskOpenOptions } from "../port/mod.ts";
import { DiskPages } from "./disk_pages.ts";
import type { SeededRandom } from "./seeded_random.ts";
import { EventKind, type EventOwner, type Simulation } from "./simulation.ts";

/** Smallest unit that a device writes as one. */
const SECTOR_SIZE_BYTES = 512;

/** How the disk behaves; may be changed during a run. */
export interface DiskConditions {
  /** Shortest time of an operation. */
  latencyMinUs: number;
  /** Longest time of an operation. */
  latencyMaxUs: number;
  /** Longest time of a sync. */
  syncMaxUs: number;
  /** Bytes that fit. */
  capacityBytes: number;
  /** Writes and syncs fail. */
  failsWrites: boolean;
  /** Reads fail with EIO. */
  failsReads: boolean;
  /** Code that writes and syncs fail with: EIO, EROFS, ENOSPC. */
  writeFaultCode: string;
  /** A write that fails has reached the disk in part, as a short write does. */
  cutsWrites: boolean;
  /** Faults are of paths that begin so; empty for all. */
  faultyPrefix: string;
}

/** What the codes of faults mean. */
const FAULT_TEXTS: Readonly<Record<string, string>> = {
  EIO: "the device reports an error",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
};

/** A change that a power cut may undo. */
interface Unsynced {
  offset: number;
  /** Bytes written, or undefined for a change of size to `offset`. */
  bytes: Uint8Array | undefined;
}

/** One file. */
class FileContent {
  /** What programs see. */
  written = new DiskPages();
  /** What is there after a power cut whatever comes. */
  synced = new DiskPages();
  unsynced: Unsynced[] = [];
  /** The process that has the file for itself. */
  holder: EventOwner | undefined;

  write(offset: number, source: Uint8Array): void {
    this.written.write(offset, source);
    this.unsynced.push({ offset, bytes: source.slice() });
  }

  resize(sizeBytes: number): void {
    this.written.resize(sizeBytes);
    this.unsynced.push({ offset: sizeBytes, bytes: undefined });
  }

  sync(): void {
    if (this.unsynced.length > 0) this.synced = this.written.copy();
    this.unsynced = [];
  }

  /** Another content, which is synced. */
  replace(content: Uint8Array): void {
    this.written = new DiskPages();
    this.written.write(0, content);
    this.synced = this.written.copy();
    this.unsynced = [];
  }

  losePower(random: SeededRandom): void {
    const content = this.synced;
    for (const { offset, bytes } of this.unsynced) {
      const fate = random.below(3);
      if (fate === 0) continue;
      if (bytes === undefined) content.resize(offset);
      else content.write(offset, fate === 1 ? bytes : torn(offset, bytes, random));
    }
    this.written = content.copy();
    this.unsynced = [];
  }
}

/** The part of a write up to some sector's border. */
function torn(offset: number, bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const first = Math.floor(offset / SECTOR_SIZE_BYTES);
  const last = Math.floor((offset + bytes.length) / SECTOR_SIZE_BYTES);
  const border = random.between(first, last) * SECTOR_SIZE_BYTES;
  return bytes.subarray(0, Math.max(0, border - offset));
}

/** A write that its process has asked for and that has not happened yet. */
interface PendingWrite {
  owner: EventOwner;
  apply: (countBytes: number) => void;
  sizeBytes: number;
}

/** The disk of one machine. */
export class SimDisk {
  /** How it behaves now. */
  readonly conditions: DiskConditions = {
    latencyMinUs: 60,
    latencyMaxUs: 250,
    syncMaxUs: 3000,
    capacityBytes: 1024 * 1024 * 1024,
    failsWrites: false,
    failsReads: false,
    writeFaultCode: "EIO",
    cutsWrites: false,
    faultyPrefix: "",
  };
  readonly #simulation: Simulation;
  readonly #random: SeededRandom;
  readonly #files = new Map<string, FileContent>();
  readonly #folders = new Set<string>(["/"]);
  readonly #pending = new Set<PendingWrite>();

  /** @param name of the machine */
  constructor(simulation: Simulation, name: string) {
    this.#simulation = simulation;
    this.#random = simulation.random.fork(`disk ${name}`);
  }

  /** The disk as one process uses it. */
  portFor(owner: EventOwner): Disk {
    const run = <T>(
      what: string,
      path: string,
      action: () => T,
      maxUs = this.conditions.latencyMaxUs,
    ): Promise<T> => this.#run(owner, what, path, maxUs, action);
    return {
      open: (path, options = {}) =>
        run(
          "open",
          path,
          () => new SimFile(this, owner, path, this.#open(path, options, owner), options.write === true),
        ),
      readFile: (path, sizeMaxBytes) => run("read", path, () => this.#readFile(path, sizeMaxBytes)),
      replaceFile: (path, content) => {
        const copy = content.slice();
        return run("replace", path, () => this.#replace(path, copy), this.conditions.syncMaxUs);
      },
      list: (path) => run("list", path, () => this.#list(path)),
      makeDirectory: (path) => run("create the folder", path, () => this.#makeFolder(path)),
      remove: (path) => run("remove", path, () => void this.#files.delete(path)),
    };
  }

  /** A process has died: of its writes under way, some happen, some in part, some not at all. */
  forgetProcess(owner: EventOwner): void {
    for (const write of this.#pending) {
      if (write.owner !== owner) continue;
      this.#pending.delete(write);
      write.apply(this.#random.below(write.sizeBytes + 1));
    }
  }

  /** Another disk takes the place of the one with the files that begin so: they are gone. Nothing may have them open. */
  wipe(prefix: string): void {
    for (const path of [...this.#files.keys()]) if (path.startsWith(prefix)) this.#files.delete(path);
  }

  /** What is in a file whatever comes: bytes of a range, of which less is synced count as 0. */
  readSynced(path: string, offsetBytes: number, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    this.#files.get(path)?.synced.read(offsetBytes, bytes);
    return bytes;
  }

  /** Whether there is such a file. */
  holds(path: string): boolean {
    return this.#files.has(path);
  }

  /** Turns one bit of a file over, as a worn cell does: seen by reads, and there to stay. */
  corrupt(path: string, offsetBytes: number): void {
    const content = this.#files.get(path);
    if (content === undefined || offsetBytes >= content.synced.sizeBytes) return;
    content.written.flip(offsetBytes);
    content.synced.flip(offsetBytes);
  }

  /** Turns some bits of what was written to a file over, wherever behind an offset. */
  corruptSome(path: string, count: number, fromBytes = 0): void {
    const synced = this.#files.get(path)?.synced;
    const sizeBytes = (synced?.usedEndBytes ?? 0) - fromBytes;
    for (let time = 0; time < count && synced !== undefined && sizeBytes > 0; time++) {
      // Much of a file is empty: from a place at random to what was written.
      this.corrupt(path, synced.findUsed(fromBytes + this.#random.below(sizeBytes), fromBytes));
    }
  }

  /** The power goes: what was not synced is lost, kept or torn. */
  losePower(): void {
    for (const content of this.#files.values()) content.losePower(this.#random);
  }

  /** Whether a path leads to a content; used by {@linkcode SimFile}. */
  has(path: string, content: FileContent): boolean {
    return this.#files.get(path) === content;
  }

  /** Runs an operation of a file after its time; used by {@linkcode SimFile}. */
  operate<T>(owner: EventOwner, what: string, path: string, action: () => T): Promise<T> {
    const { latencyMaxUs, syncMaxUs } = this.conditions;
    return this.#run(owner, what, path, what === "sync" ? syncMaxUs : latencyMaxUs, () => {
      if (what === "sync") this.#mayFailWrite(path);
      if (what === "read" && this.conditions.failsReads) this.#fail(path, "EIO");
      return action();
    });
  }

  /** Runs a write after its time; the source is read only then. Used by {@linkcode SimFile}. */
  async write(
    owner: EventOwner,
    path: string,
    content: FileContent,
    offset: number,
    source: Uint8Array,
  ): Promise<void> {
    const write: PendingWrite = {
      owner,
      sizeBytes: source.length,
      apply: (countBytes) => content.write(offset, source.subarray(0, countBytes)),
    };
    this.#pending.add(write);
    await this.operate(owner, "write", path, () => {
      this.#pending.delete(write);
      const { failsWrites, cutsWrites } = this.conditions;
      if (failsWrites && cutsWrites && this.#isFaulty(path)) write.apply(this.#random.below(source.length));
      this.#mayFailWrite(path);
      const growth = Math.max(0, offset + source.length - content.written.sizeBytes);
      if (this.#usedBytes() + growth > this.conditions.capacityBytes) {
        throw coded("ENOSPC", "the disk is full");
      }
      write.apply(source.length);
    });
  }

  #isFaulty(path: string): boolean {
    return path.startsWith(this.conditions.faultyPrefix);
  }

  #mayFailWrite(path: string): void {
    if (this.conditions.failsWrites) this.#fail(path, this.conditions.writeFaultCode);
  }

  #fail(path: string, code: string): void {
    if (this.#isFaulty(path)) throw coded(code, FAULT_TEXTS[code] ?? code);
  }

  #usedBytes(): number {
    let used = 0;
    for (const { written } of this.#files.values()) used += written.sizeBytes;
    return used;
  }

  #run<T>(owner: EventOwner, what: string, path: string, maxUs: number, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const delayUs = this.#random.between(
        this.conditions.latencyMinUs,
        Math.max(maxUs, this.conditions.latencyMinUs),
      );
      this.#simulation.schedule(delayUs, EventKind.DISK, owner, () => {
        try {
          resolve(action());
        } catch (error) {
          const { code, message } = error as { code?: string; message: string };
          if (code === undefined) reject(error);
          else reject(Object.assign(new Error(`Cannot ${what} "${path}": ${message} (${code})`), { code }));
        }
      });
    });
  }

  #open(path: string, options: DiskOpenOptions, owner?: EventOwner): FileContent {
    const found = this.#files.get(path);
    if (found === undefined && !options.create) throw coded("ENOENT", "there is no such file or folder");
    const content = found ?? this.#create(path);
    if (options.exclusive) {
      if (content.holder?.alive) throw coded("EBUSY", "it is in use by another process");
      content.holder = owner;
    }
    return content;
  }

  #create(path: string): FileContent {
    if (!this.#folders.has(folderOf(path))) throw coded("ENOENT", "there is no such file or folder");
    const created = new FileContent();
    this.#files.set(path, created);
    return created;
  }

  #readFile(path: string, sizeMaxBytes: number): Uint8Array {
    const { written } = this.#open(path, {});
    if (written.sizeBytes > sizeMaxBytes) {
      throw coded("EFBIG", `it has ${written.sizeBytes} bytes, more than the ${sizeMaxBytes} that are read`);
    }
    const bytes = new Uint8Array(written.sizeBytes);
    written.read(0, bytes);
    return bytes;
  }

  #replace(path: string, content: Uint8Array<ArrayBuffer>): void {
    const file = this.#files.get(path) ?? this.#create(path);
    file.replace(content);
  }

  #list(path: string): string[] {
    if (!this.#folders.has(path)) throw coded("ENOENT", "there is no such file or folder");
    const names: string[] = [];
    for (const entry of [...this.#files.keys(), ...this.#folders]) {
      if (entry !== path && folderOf(entry) === path) names.push(entry.slice(entry.lastIndexOf("/") + 1));
    }
    return names.sort();
  }

  #makeFolder(path: string): void {
    for (let folder = path; folder !== "/" && folder !== ""; folder = folderOf(folder)) {
      this.#folders.add(folder);
    }
  }
}

/** A file that a process has opened. */
class SimFile implements DiskFile {
  readonly #disk: SimDisk;
  readonly #owner: EventOwner;
  readonly #path: string;
  readonly #content: FileContent;
  readonly #writable: boolean;

  constructor(disk: SimDisk, owner: EventOwner, path: string, content: FileContent, writable: boolean) {
    this.#disk = disk;
    this.#owner = owner;
    this.#path = path;
    this.#content = content;
    this.#writable = writable;
  }

  read(offset: number, target: Uint8Array): Promise<number> {
    return this.#operate("read", () => this.#content.written.read(offset, target));
  }

  write(offset: number, source: Uint8Array): Promise<void> {
    if (!this.#writable) return this.#operate("write", () => this.#refuseWrite());
    return this.#disk.write(this.#owner, this.#path, this.#content, offset, source);
  }

  sync(): Promise<void> {
    return this.#operate("sync", () => this.#content.sync());
  }

  size(): Promise<number> {
    return this.#operate("read the size of", () => this.#content.written.sizeBytes);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#operate(
      "resize",
      () => this.#writable ? this.#content.resize(sizeBytes) : this.#refuseWrite(),
    );
  }

  isThere(): Promise<boolean> {
    return this.#operate("look at", () => this.#disk.has(this.#path, this.#content));
  }

  close(): Promise<void> {
    return this.#operate("close", () => {
      if (this.#content.holder === this.#owner) this.#content.holder = undefined;
    });
  }

  #operate<T>(what: string, action: () => T): Promise<T> {
    return this.#disk.operate(this.#owner, what, this.#path, action);
  }

  #refuseWrite(): never {
    throw coded("EBADF", "it was not opened for writing");
  }
}

function folderOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
