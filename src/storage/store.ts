/**
 * The records of one namespace on this node: primary index, flat records, sets, truncation marks, and what is counted.
 *
 * A record is live when it is not a tombstone, its void-time has not passed, and it is newer than the truncation marks
 * of its set and namespace. Records that are not live are absent for clients at once; the supervisor removes them later.
 *
 * Last update times never go back: a write gets max(now, stored + 1), and is newer than any truncation mark.
 *
 * @module
 */

import {
  assert,
  ByteBuffer,
  CITRUSLEAF_EPOCH_S,
  copyBytes,
  DIGEST_SIZE_BYTES,
  PARTITION_COUNT,
  partitionId,
  readU32LE,
  ResultCode,
} from "../base/mod.ts";
import type { NamespaceSettings } from "../config/mod.ts";
import type { ChangeOrigin, Clock, Random, RecordChange, RecordChangeSubscriber } from "../port/mod.ts";
import type { BinTable } from "../record/mod.ts";
import { Arena, BLOCK_SIZE_BYTES, NO_LOCATION } from "./arena.ts";
import { MemoryDevice, type RecordDevice, type Waiter } from "./device.ts";
import { ENTRY_FLAG, EntryRef } from "./entry.ts";
import {
  copyFlat,
  encodeFlat,
  FLAT_FLAG,
  FLAT_FLAGS_AT,
  type FlatMeta,
  FlatRecord,
  UNIT_SIZE_BYTES,
} from "./flat.ts";
import { PrimaryIndex } from "./index.ts";
import { SizeHistograms } from "./size_histograms.ts";
import { NO_SET, type SetInfo, SetTable } from "./sets.ts";
import { Supervision } from "./supervision.ts";

const GENERATION_MAX = 0xffff;
const WRITE_EPOCH_MAX = 0xff;

/** What a store needs. */
export interface StoreOptions {
  /** Settings of the namespace; read again and again, so that changes act at once. */
  settings: NamespaceSettings;
  /** Time. */
  clock: Clock;
  /** Key of the index's balance. */
  random: Random;
  /** Puts another device between the store and its records; tests use it. */
  wrapDevice?: (device: RecordDevice, clock: Clock) => RecordDevice;
}

/** A record that is about to be stored. */
export interface RecordWrite {
  /** Buffer that holds the digest. */
  digest: Uint8Array;
  /** Offset of the digest. */
  digestAt: number;
  /** Last update time in ms since 2010. */
  lastUpdateMs: number;
  /** Generation. */
  generation: number;
  /** Void-time in seconds since 2010, 0 for never. */
  voidTime: number;
  /** Set, undefined for none. */
  set: SetInfo | undefined;
  /** User key with its particle type, undefined when it is not stored. */
  key: Uint8Array | undefined;
  /** The bins; none makes a tombstone. */
  table: BinTable;
  /** Cause of the change. */
  origin: ChangeOrigin;
}

/** A record whose bytes are known already. */
type PlacedRecord = Omit<RecordWrite, "key" | "table">;

/** The generation after a given one: after 65535 comes 1, because 0 means "no record". */
export function nextGeneration(generation: number): number {
  return generation >= GENERATION_MAX ? 1 : generation + 1;
}

/** Records of one namespace. */
export class NamespaceStore {
  /** Settings of the namespace. */
  readonly settings: NamespaceSettings;
  /** Digest to entry. */
  readonly index: PrimaryIndex;
  /** Blocks of flat records. */
  readonly arena: Arena;
  /** Sets. */
  readonly sets: SetTable = new SetTable();
  /** Header of the record last loaded. */
  readonly flat: FlatRecord = new FlatRecord();
  /** Tombstones per partition. */
  readonly partitionTombstoneCounts: Uint32Array = new Uint32Array(PARTITION_COUNT);
  /** Tombstones. */
  tombstoneCount = 0;
  /** Live records without a void-time. */
  nonExpirableCount = 0;
  /** Records last updated up to this many ms since 2010 are truncated; 0 for none. */
  truncateLutMs = 0;
  /** Client writes are refused: memory or space is short. Kept up to date by the supervisor. */
  stopWrites = false;
  /** The clocks of the cluster are so far apart that client writes are refused, and nothing expires. */
  clockSkewStopsWrites = false;
  /** A truncation of the whole namespace has not yet removed all its records. */
  truncating = false;
  /**
   * Counts the clusters that this node is in, 1 to 255, then 1 again: entries remember in which one they were written, so
   * that what comes from copies of earlier clusters does not take their place.
   */
  writeEpoch = 1;
  /** What background work has done. */
  readonly supervision: Supervision = new Supervision();
  /** Histograms of life and size, as last collected. */
  readonly histograms: SizeHistograms = new SizeHistograms();
  /** Called when a truncation mark was set; the supervisor then removes records. */
  onTruncate: (() => void) | undefined;
  /** Random number for hash tables of names that clients choose. */
  readonly hashSeed: number;
  readonly #clock: Clock;
  readonly #device: RecordDevice;
  readonly #encoded = new ByteBuffer(4096);
  readonly #taken: FlatRecord = new FlatRecord();
  readonly #subscribers: RecordChangeSubscriber[] = [];
  readonly #change: RecordChange;
  readonly #meta: FlatMeta;
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #moveEntry = new EntryRef();

  /** @param options settings and ports */
  constructor(options: StoreOptions) {
    this.settings = options.settings;
    this.#clock = options.clock;
    this.index = new PrimaryIndex({
      sprigsPerPartition: options.settings.partitionTreeSprigs,
      seeds: [options.random.u32(), options.random.u32()],
    });
    this.hashSeed = options.random.u32();
    const storage = options.settings.storage;
    this.arena = new Arena(storage.dataSize, storage.defragLwmPct);
    const device = new MemoryDevice(this.arena);
    this.#device = options.wrapDevice?.(device, options.clock) ?? device;
    this.#change = {
      digest: this.#digest,
      digestAt: 0,
      handle: 0,
      old: undefined,
      new: undefined,
      origin: "client",
    };
    this.#meta = { generation: 0, lastUpdateMs: 0, voidTime: 0, set: new Uint8Array(0), key: undefined };
  }

  /** Present time in ms since 2010. */
  nowMs(): number {
    return Math.floor(this.#clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000;
  }

  /** Live records and those that wait to be removed. */
  get objectCount(): number {
    return this.index.entryCount - this.tombstoneCount;
  }

  /** Share of the data memory that records take, in whole percent. */
  get dataUsedPct(): number {
    return Math.floor(this.arena.usedBytes * 100 / this.arena.totalBytes);
  }

  /** Share of the data memory that new records can get, in whole percent; see `stop_writes.ts`. */
  get dataAvailPct(): number {
    return Math.floor(this.arena.availableBytes * 100 / this.arena.totalBytes);
  }

  /** A new cluster begins: what is written from now on is told from what was there. */
  beginWriteEpoch(): void {
    this.writeEpoch = this.writeEpoch % WRITE_EPOCH_MAX + 1;
  }

  /**
   * Makes records invisible that were last updated up to a time. A mark never moves back.
   *
   * @param set whose records; undefined for the whole namespace
   * @param lutMs ms since 2010, not in the future
   */
  truncate(set: SetInfo | undefined, lutMs: number): void {
    const target = set ?? this;
    target.truncateLutMs = Math.max(target.truncateLutMs, lutMs);
    target.truncating = true;
    this.onTruncate?.();
  }

  /** Forgets a mark: records that are not removed yet are visible again. */
  undoTruncate(set: SetInfo | undefined): void {
    (set ?? this).truncateLutMs = 0;
  }

  /** All truncated records are removed. */
  endTruncation(): void {
    this.truncating = false;
    for (const set of this.sets) set.truncating = false;
  }

  /** Finds the entry of a digest; whether it is live is another question. */
  find(digest: Uint8Array, at: number, entry: EntryRef): boolean {
    return this.index.find(digest, at, entry);
  }

  /** Whether a record is there for clients. */
  isLive(entry: EntryRef, nowMs: number): boolean {
    return !entry.isTombstone && !this.isExpired(entry, nowMs) && !this.isTruncated(entry);
  }

  /** Whether a record's void-time has passed. */
  isExpired(entry: EntryRef, nowMs: number): boolean {
    const voidTime = entry.voidTime;
    return voidTime !== 0 && voidTime * 1000 < nowMs;
  }

  /** Whether a record is older than a truncation mark. */
  isTruncated(entry: EntryRef): boolean {
    const lastUpdateMs = entry.lastUpdateMs;
    if (lastUpdateMs <= this.truncateLutMs) return true;
    const setId = entry.setId;
    return setId !== NO_SET && lastUpdateMs <= this.sets.byId(setId)!.truncateLutMs;
  }

  /**
   * Opens a record's bytes in `flat`.
   *
   * @param waiter woken in a later turn when the answer is false
   * @returns whether the bytes are here
   */
  load(entry: EntryRef, waiter: Waiter): boolean {
    const device = this.#device;
    if (!device.load(entry.location, waiter)) return false;
    this.flat.open(device.bytes, device.at);
    return true;
  }

  /** The last update time for a write: now, but later than the stored one and than every truncation mark. */
  nextLastUpdateMs(entry: EntryRef | undefined, set: SetInfo | undefined): number {
    let lastUpdateMs = Math.max(this.nowMs(), this.truncateLutMs + 1);
    if (entry !== undefined) lastUpdateMs = Math.max(lastUpdateMs, entry.lastUpdateMs + 1);
    if (set !== undefined) lastUpdateMs = Math.max(lastUpdateMs, set.truncateLutMs + 1);
    return lastUpdateMs;
  }

  /**
   * Stores a record in place of what the digest had.
   *
   * @param entry the digest's entry (moved to the new one when `exists` is false)
   * @param exists whether the digest has an entry, live or not
   * @returns OK, RECORD_TOO_BIG or OUT_OF_SPACE; then nothing has changed
   */
  put(write: RecordWrite, entry: EntryRef, exists: boolean): ResultCode {
    const units = this.#encode(write);
    if (units * UNIT_SIZE_BYTES > Math.min(this.settings.maxRecordSize, BLOCK_SIZE_BYTES - UNIT_SIZE_BYTES)) {
      return ResultCode.RECORD_TOO_BIG;
    }
    return this.#place(write, { entry, exists, isCurrent: true });
  }

  /**
   * Takes a flat record that came from elsewhere; `putTaken` stores it.
   *
   * @param bytes buffer that holds the record, measured by `measureFlat`
   * @param at offset of the record
   * @param sizeBytes bytes of the record without padding
   * @returns its header, and its bytes as they would be stored; good until the next call of `take` or `put`
   */
  take(bytes: Uint8Array, at: number, sizeBytes: number): FlatRecord {
    this.#encoded.reset();
    copyFlat(this.#encoded, bytes, at, sizeBytes);
    this.#taken.open(this.#encoded.bytes, 0);
    return this.#taken;
  }

  /**
   * Stores the record last taken in place of what its digest had.
   *
   * @param entry the digest's entry (moved to the new one when `exists` is false)
   * @param record whether the digest has an entry, the record's set, the cause of the change, and whether the record
   * was written in the present cluster
   * @returns OK, RECORD_TOO_BIG or OUT_OF_SPACE; then nothing has changed
   */
  putTaken(
    entry: EntryRef,
    record: { exists: boolean; set: SetInfo | undefined; origin: ChangeOrigin; isCurrent: boolean },
  ): ResultCode {
    const flat = this.#taken;
    if (flat.sizeUnits * UNIT_SIZE_BYTES > BLOCK_SIZE_BYTES - UNIT_SIZE_BYTES) {
      return ResultCode.RECORD_TOO_BIG;
    }
    const placed: PlacedRecord = {
      digest: flat.bytes,
      digestAt: flat.digestAt,
      lastUpdateMs: flat.lastUpdateMs,
      generation: flat.generation,
      voidTime: flat.voidTime,
      set: record.set,
      origin: record.origin,
    };
    return this.#place(placed, { entry, exists: record.exists, isCurrent: record.isCurrent });
  }

  /** Stores the encoded record and lets the entry point at it. */
  #place(
    write: PlacedRecord,
    { entry, exists, isCurrent }: { entry: EntryRef; exists: boolean; isCurrent: boolean },
  ): ResultCode {
    const flatFlags = readU32LE(this.#encoded.bytes, FLAT_FLAGS_AT);
    const units = (flatFlags & FLAT_FLAG.SIZE_BITS) + 1;
    const location = this.arena.allocate(units);
    if (location === NO_LOCATION) return ResultCode.OUT_OF_SPACE;
    copyBytes(
      this.#encoded.bytes,
      0,
      this.arena.block(location),
      this.arena.offset(location),
      units * UNIT_SIZE_BYTES,
    );
    const oldLocation = exists ? entry.location : NO_LOCATION;
    const oldUnits = exists ? entry.sizeUnits : 0;
    if (exists) this.#uncount(entry, write.digest, write.digestAt);
    else this.index.insert(write.digest, write.digestAt, entry);
    entry.setLocation(location, units);
    entry.setVoidTime(write.voidTime);
    entry.setSetId(write.set?.id ?? NO_SET);
    const flags = ((flatFlags & FLAT_FLAG.BINS) === 0 ? ENTRY_FLAG.TOMBSTONE : 0) |
      ((flatFlags & FLAT_FLAG.KEY) !== 0 ? ENTRY_FLAG.KEY_STORED : 0);
    entry.setVersion(write.lastUpdateMs, write.generation, flags);
    entry.setWriteEpoch(isCurrent ? this.writeEpoch : 0);
    this.#count(entry, write.digest, write.digestAt);
    this.#publish(write.digest, write.digestAt, {
      oldLocation,
      oldUnits,
      location,
      units,
      handle: entry.handle,
      origin: write.origin,
    });
    if (oldLocation !== NO_LOCATION) this.arena.release(oldLocation, oldUnits);
    return ResultCode.OK;
  }

  /** Removes a record and its entry. */
  remove(digest: Uint8Array, at: number, entry: EntryRef, origin: ChangeOrigin): void {
    const location = entry.location;
    const units = entry.sizeUnits;
    const handle = entry.handle;
    this.#uncount(entry, digest, at);
    this.index.remove(digest, at);
    this.#publish(digest, at, {
      oldLocation: location,
      oldUnits: units,
      location: NO_LOCATION,
      units: 0,
      handle,
      origin,
    });
    this.arena.release(location, units);
  }

  /** Hears of every change from now on. */
  subscribe(subscriber: RecordChangeSubscriber): void {
    this.#subscribers.push(subscriber);
  }

  /** Hears of no more changes; not from within a subscriber. */
  unsubscribe(subscriber: RecordChangeSubscriber): void {
    const place = this.#subscribers.indexOf(subscriber);
    if (place >= 0) this.#subscribers.splice(place, 1);
  }

  /**
   * Moves a record out of a block that is being emptied.
   *
   * @param location where it is
   * @returns false when there is no room elsewhere
   */
  relocate(location: number): boolean {
    const bytes = this.arena.block(location);
    const at = this.arena.offset(location);
    const record = this.flat;
    record.open(bytes, at);
    const units = record.sizeUnits;
    const entry = this.#moveEntry;
    const isCurrent = this.index.find(bytes, record.digestAt, entry) && entry.location === location;
    assert(isCurrent, "Every record in memory is the one its entry points at");
    const target = this.arena.allocate(units);
    if (target === NO_LOCATION) return false;
    copyBytes(bytes, at, this.arena.block(target), this.arena.offset(target), units * UNIT_SIZE_BYTES);
    entry.setLocation(target, units);
    this.arena.release(location, units);
    return true;
  }

  #encode(write: RecordWrite): number {
    this.#encoded.reset();
    const meta = this.#meta;
    meta.generation = write.generation;
    meta.lastUpdateMs = write.lastUpdateMs;
    meta.voidTime = write.voidTime;
    meta.set = write.set?.nameBytes ?? NO_BYTES;
    meta.key = write.key;
    return encodeFlat(this.#encoded, write.digest, write.digestAt, meta, write.table);
  }

  #count(entry: EntryRef, digest: Uint8Array, at: number): void {
    this.#adjustCounts(entry, digest, at, 1);
  }

  #uncount(entry: EntryRef, digest: Uint8Array, at: number): void {
    this.#adjustCounts(entry, digest, at, -1);
  }

  #adjustCounts(entry: EntryRef, digest: Uint8Array, at: number, delta: number): void {
    const isTombstone = entry.isTombstone;
    if (isTombstone) {
      this.tombstoneCount += delta;
      this.partitionTombstoneCounts[partitionId(digest, at)] += delta;
    } else if (entry.voidTime === 0) {
      this.nonExpirableCount += delta;
    }
    const setId = entry.setId;
    if (setId === NO_SET) return;
    const set = this.sets.byId(setId)!;
    if (isTombstone) set.tombstones += delta;
    else set.objects += delta;
    set.dataUsedBytes += delta * entry.sizeUnits * UNIT_SIZE_BYTES;
  }

  #publish(digest: Uint8Array, at: number, change: PublishedChange): void {
    if (this.#subscribers.length === 0) return;
    copyBytes(digest, at, this.#digest, 0, DIGEST_SIZE_BYTES);
    this.#change.old = this.#recordView(change.oldLocation, change.oldUnits);
    this.#change.new = this.#recordView(change.location, change.units);
    this.#change.handle = change.handle;
    this.#change.origin = change.origin;
    for (const subscriber of this.#subscribers) subscriber(this.#change);
  }

  #recordView(location: number, units: number): Uint8Array | undefined {
    if (location === NO_LOCATION) return undefined;
    const at = this.arena.offset(location);
    return this.arena.block(location).subarray(at, at + units * UNIT_SIZE_BYTES);
  }
}

const NO_BYTES = new Uint8Array(0);

interface PublishedChange {
  oldLocation: number;
  oldUnits: number;
  location: number;
  units: number;
  handle: number;
  origin: ChangeOrigin;
}
