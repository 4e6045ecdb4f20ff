/**
 * What a node must remember of each partition: up to 64 bytes that storage does not look into (the cluster's version
 * of the partition), and the tree id, which changes when the partition's records are dropped. Kept in the header area
 * of every device of the namespace; a namespace without devices forgets it. Layout: docs/format/device.md.
 *
 * @module
 */

import { assert, isBlank, PARTITION_COUNT, readU32LE, writeU32LE } from "../../base/mod.ts";
import { ID_SIZE_BYTES, isPageSound, PAGE_SIZE_BYTES, readU64LE, sealPage, writeU64LE } from "./layout.ts";

/** Largest number of bytes kept for a partition. */
export const PARTITION_BYTES_MAX = 64;
const PAGE_MAGIC = 0x4741_5041;
const ENTRIES_AT = 32;
const ENTRY_SIZE = 2 + PARTITION_BYTES_MAX;
const ENTRIES_PER_PAGE = 61;
/** Pages of the table. */
export const PARTITION_PAGE_COUNT: number = Math.ceil(PARTITION_COUNT / ENTRIES_PER_PAGE);
const PAGES_AT = 2 * PAGE_SIZE_BYTES;
/** Tree ids have six bits in a flat record. */
const TREE_ID_COUNT = 64;
/** Of a page that was never written, in place of its sequence. */
const UNUSED = -2;
/** Of a page without a sound copy. */
const DAMAGED = -1;

/** A page as it goes to a device. */
export interface PageWrite {
  /** Number of the page. */
  page: number;
  /** Offset on the device. */
  offsetBytes: number;
  /** Content. */
  bytes: Uint8Array;
}

/** Per-partition memory of one namespace. */
export class PartitionPages {
  /** Called when something was changed that is not on the devices yet. */
  onDirty: (() => void) | undefined;
  readonly #values: (Uint8Array | undefined)[] = [];
  readonly #treeIds = new Uint8Array(PARTITION_COUNT);
  readonly #sequences = new Float64Array(PARTITION_PAGE_COUNT);
  readonly #dirty = new Set<number>();

  /** The bytes kept for a partition, undefined when there are none. Not to be changed. */
  get(partition: number): Uint8Array | undefined {
    return this.#values[partition];
  }

  /**
   * Keeps bytes for a partition: synced before any record that is stored from now on.
   *
   * @param bytes at most 64; undefined or none forgets what was kept
   */
  set(partition: number, bytes: Uint8Array | undefined): void {
    assert(partition >= 0 && partition < PARTITION_COUNT, "There is such a partition");
    assert((bytes?.length ?? 0) <= PARTITION_BYTES_MAX, "At most 64 bytes are kept for a partition");
    this.#values[partition] = bytes === undefined || bytes.length === 0 ? undefined : bytes.slice();
    this.#touch(partition);
  }

  /** The tree id that the records of a partition must carry, 0 to 63. */
  treeId(partition: number): number {
    return this.#treeIds[partition];
  }

  /** Drops a partition's records on the devices: they carry the old tree id, and the next start passes them over. */
  dropTree(partition: number): void {
    this.#treeIds[partition] = (this.#treeIds[partition] + 1) % TREE_ID_COUNT;
    this.#touch(partition);
  }

  /** Drops the records of all partitions on the devices, and forgets all bytes. */
  dropAllTrees(): void {
    for (let partition = 0; partition < PARTITION_COUNT; partition++) this.dropTree(partition);
    this.forgetAll();
  }

  /** Forgets all bytes, because records may be missing; tree ids stay. */
  forgetAll(): void {
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (this.#values[partition] !== undefined) this.set(partition, undefined);
    }
  }

  /** Partitions for which bytes are kept. */
  get keptCount(): number {
    return this.#values.reduce((count, value) => value === undefined ? count : count + 1, 0);
  }

  /** Whether something waits to be written. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** The changed pages; they count as clean from now on, and must be given to `markDirty` when a write fails. */
  takeDirty(): number[] {
    const pages = [...this.#dirty];
    this.#dirty.clear();
    for (const page of pages) this.#sequences[page]++;
    return pages;
  }

  /** Pages that could not be written: the next attempt goes to the same copies, so that the others stay whole. */
  markDirty(pages: readonly number[]): void {
    for (const page of pages) {
      this.#sequences[page]--;
      this.#dirty.add(page);
    }
  }

  /** Has all pages written, for a device that lacks them. */
  markAllDirty(): void {
    for (let page = 0; page < PARTITION_PAGE_COUNT; page++) this.#dirty.add(page);
  }

  /** A page as a device gets it: in place of its older copy. */
  encode(page: number, deviceId: Uint8Array): PageWrite {
    const bytes = new Uint8Array(PAGE_SIZE_BYTES);
    const sequence = this.#sequences[page];
    writeU32LE(bytes, 0, PAGE_MAGIC);
    writeU64LE(bytes, 8, sequence);
    writeU32LE(bytes, 16, page);
    bytes.set(deviceId, 20);
    for (let index = 0; index < ENTRIES_PER_PAGE; index++) {
      const partition = page * ENTRIES_PER_PAGE + index;
      const value = this.#values[partition];
      const at = ENTRIES_AT + index * ENTRY_SIZE;
      bytes[at] = value?.length ?? 0;
      bytes[at + 1] = this.#treeIds[partition] ?? 0;
      if (value !== undefined) bytes.set(value, at + 2);
    }
    sealPage(bytes, 4);
    return { page, offsetBytes: offsetOf(page, sequence % 2), bytes };
  }

  /**
   * Takes over the pages of a device, as far as they are newer. A page that its shadow has otherwise will be written anew.
   *
   * @param areas the first bytes of the device, up to the end of the pages, and those of its shadow
   * @returns pages of which no sound copy was there although something was
   */
  load(areas: readonly Uint8Array[], deviceId: Uint8Array): number {
    let damagedCount = 0;
    for (let page = 0; page < PARTITION_PAGE_COUNT; page++) {
      const sequences = areas.map((area) => this.#loadPage(page, area, deviceId));
      if (Math.max(...sequences) === DAMAGED) damagedCount++;
      if (sequences.some((sequence) => sequence !== sequences[0])) this.#dirty.add(page);
    }
    return damagedCount;
  }

  /** Takes over a page; its newest sequence, or {@linkcode UNUSED}, or {@linkcode DAMAGED}. */
  #loadPage(page: number, area: Uint8Array, deviceId: Uint8Array): number {
    let newest = UNUSED;
    for (const copy of [0, 1]) {
      const at = offsetOf(page, copy);
      const bytes = area.subarray(at, at + PAGE_SIZE_BYTES);
      if (isBlank(bytes)) continue;
      if (!isPageOf(bytes, page, deviceId)) {
        if (newest === UNUSED) newest = DAMAGED;
        continue;
      }
      newest = Math.max(newest, readU64LE(bytes, 8));
      this.#take(page, bytes);
    }
    return newest;
  }

  #take(page: number, bytes: Uint8Array): void {
    const sequence = readU64LE(bytes, 8);
    if (sequence <= this.#sequences[page]) return;
    this.#sequences[page] = sequence;
    for (let index = 0; index < ENTRIES_PER_PAGE; index++) {
      const partition = page * ENTRIES_PER_PAGE + index;
      if (partition >= PARTITION_COUNT) return;
      const at = ENTRIES_AT + index * ENTRY_SIZE;
      const size = Math.min(bytes[at], PARTITION_BYTES_MAX);
      this.#values[partition] = size === 0 ? undefined : bytes.slice(at + 2, at + 2 + size);
      this.#treeIds[partition] = bytes[at + 1] % TREE_ID_COUNT;
    }
  }

  #touch(partition: number): void {
    this.#dirty.add(Math.floor(partition / ENTRIES_PER_PAGE));
    this.onDirty?.();
  }
}

/** Bytes from the device's start to the end of the pages. */
export const PARTITION_PAGES_END_BYTES: number = PAGES_AT + PARTITION_PAGE_COUNT * 2 * PAGE_SIZE_BYTES;

/** A copy of a page on a device. */
export interface PageState {
  /** Number of the page. */
  page: number;
  /** Offset on the device. */
  offsetBytes: number;
  /** Whether it can be used. */
  state: "sound" | "unused" | "damaged";
  /** The page's other copy is not sound. */
  isOnly: boolean;
}

/**
 * Looks at all copies of all pages.
 *
 * @param area the first bytes of a device, up to the end of the pages
 */
export function pageStates(area: Uint8Array, deviceId: Uint8Array): PageState[] {
  const states: PageState[] = [];
  for (let page = 0; page < PARTITION_PAGE_COUNT; page++) {
    const copies = [0, 1].map((copy) => {
      const offsetBytes = offsetOf(page, copy);
      const bytes = area.subarray(offsetBytes, offsetBytes + PAGE_SIZE_BYTES);
      const state = isBlank(bytes) ? "unused" : isPageOf(bytes, page, deviceId) ? "sound" : "damaged";
      return { page, offsetBytes, state } as const;
    });
    states.push(...copies.map((copy, index) => ({ ...copy, isOnly: copies[1 - index].state !== "sound" })));
  }
  return states;
}

function offsetOf(page: number, copy: number): number {
  return PAGES_AT + (page * 2 + copy) * PAGE_SIZE_BYTES;
}

function isPageOf(bytes: Uint8Array, page: number, deviceId: Uint8Array): boolean {
  if (readU32LE(bytes, 0) !== PAGE_MAGIC || readU32LE(bytes, 16) !== page) return false;
  for (let at = 0; at < ID_SIZE_BYTES; at++) if (bytes[20 + at] !== deviceId[at]) return false;
  return isPageSound(bytes, 4);
}
