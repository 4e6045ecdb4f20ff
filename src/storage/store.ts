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
  BUILD_BUFFER_KEEP_BYTES,
  ByteBuffer,
  CITRUSLEAF_EPOCH_S,
  copyBytes,
  DIGEST_SIZE_BYTES,
  PARTITION_COUNT,
  partitionId,
  PLANTED,
  readU32LE,
  ResultCode,
  toHex,
} from "../base/mod.ts";
import type { NamespaceSettings } from "../config/mod.ts";
import type { ChangeOrigin, Clock, Random, RecordChange, RecordChangeSubscriber } from "../port/mod.ts";
import { BinTable } from "../record/mod.ts";
import { Arena } from "./arena.ts";
import { LOADED, type Loaded, MemoryDevice, type Mender, type RecordDevice, type Waiter } from "./device.ts";
import type { Checkpoint } from "./disk/checkpoint.ts";
import type { StartReport } from "./disk/cold_start.ts";
import type { DiskSpace } from "./disk/disk_space.ts";
import type { DurableWaiter, FlushUnit } from "./disk/flush_unit.ts";
import { PartitionPages } from "./disk/partition_pages.ts";
import { isNewer, isSame, orderOver } from "./copy_order.ts";
import { ENTRY_FLAG, EntryRef } from "./entry.ts";
import {
  copyFlat,
  encodeFlat,
  FLAT_FLAG,
  FLAT_FLAGS_AT,
  flatDigestAt,
  type FlatMeta,
  FlatRecord,
  UNIT_SIZE_BYTES,
} from "./flat.ts";
import { PrimaryIndex } from "./index.ts";
import { SizeHistograms } from "./size_histograms.ts";
import { NO_SET, type SetInfo, SetTable } from "./sets.ts";
import { NO_LOCATION, type RecordSpace } from "./space.ts";
import { Supervision } from "./supervision.ts";

const GENERATION_MAX = 0xffff;
const WRITE_EPOCH_MAX = 0x7f;

/** Why a record goes. */
export interface TombstoneCause {
  /** Cause of the change. */
  readonly origin: ChangeOrigin;
  /** Version that a tombstone gets; absent: one after the record's, now. */
  readonly version?: { readonly generation: number; readonly lastUpdateMs: number };
}

/** Added to the epoch of records that were merged in it. */
const MERGED_EPOCH_BIT = 0x80;

/** What a store needs. */
export interface StoreOptions {
  /** Settings of the namespace; read again and again, so that changes act at once. */
  settings: NamespaceSettings;
  /** Time. */
  clock: Clock;
  /** Key of the index's balance. */
  random: Random;
  /** Open devices with the records; without them records are kept in memory alone. */
  disk?: DiskSpace;
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
  /** Where flat records are. */
  readonly space: RecordSpace;
  /** The devices, undefined when records are in memory alone. */
  readonly disk: DiskSpace | undefined;
  /** What a cluster has to remember of each partition; on the devices, if there are any. */
  readonly partitionMeta: PartitionPages;
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
  /** Writes are later than this, in ms since 2010: what the cluster has seen at its last change; 0 alone. */
  lastUpdateFloorMs = 0;
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
  /** Memory of secondary indexes and indexes of sets, in bytes; set by who keeps them. */
  otherIndexesUsedBytes: () => number = () => 0;
  /** What background work has done. */
  readonly supervision: Supervision = new Supervision();
  /** Histograms of life and size, as last collected. */
  readonly histograms: SizeHistograms = new SizeHistograms();
  /** The index came from a checkpoint: of its records nobody was told. */
  startsFast = false;
  /** How the start went; undefined before it has ended, and without devices. */
  start: StartReport | undefined;
  /** Keeps the index on the devices, too; see `disk/checkpoint.ts`. */
  checkpoint: Checkpoint | undefined;
  /** Called when a truncation mark was set; the supervisor then removes records. */
  onTruncate: (() => void) | undefined;
  /** Gets records that can't be read from other nodes; undefined of a store that knows of none. */
  mender: Mender | undefined;
  /**
   * Whether other nodes may not have the present version of a record yet: background work leaves it then, because what is
   * gone without a trace can't take an older version's place there. Undefined of a store that knows of no others.
   */
  isUnsettled: ((entry: EntryRef, cause: ChangeOrigin) => boolean) | undefined;
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
  readonly #noBins = new BinTable(1);

  /** @param options settings and ports */
  constructor(options: StoreOptions) {
    this.settings = options.settings;
    this.#clock = options.clock;
    this.index = new PrimaryIndex({
      sprigsPerPartition: options.settings.partitionTreeSprigs,
      seeds: [options.random.u32(), options.random.u32()],
    });
    this.hashSeed = options.random.u32();
    const { storage } = options.settings;
    this.disk = options.disk;
    this.partitionMeta = options.disk?.pages ?? new PartitionPages();
    let device: RecordDevice;
    if (options.disk === undefined) {
      const arena = new Arena(storage.dataSize, storage.defragLwmPct);
      this.space = arena;
      device = new MemoryDevice(arena);
    } else {
      this.space = device = options.disk;
      options.disk.index = this.index;
    }
    this.#device = options.wrapDevice?.(device, options.clock) ?? device;
    this.#change = {
      digest: this.#digest,
      digestAt: 0,
      handle: 0,
      existed: false,
      old: undefined,
      new: undefined,
      origin: "client",
    };
    this.#meta = {
      generation: 0,
      lastUpdateMs: 0,
      voidTime: 0,
      set: new Uint8Array(0),
      key: undefined,
      treeId: 0,
    };
  }

  /** The blocks in memory; only for a namespace that has no devices. */
  get arena(): Arena {
    assert(this.space instanceof Arena, "The namespace keeps its records in memory alone");
    return this.space;
  }

  /** Present time in ms since 2010. */
  nowMs(): number {
    return Math.floor(this.#clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000;
  }

  /** Live records and those that wait to be removed. */
  get objectCount(): number {
    return this.index.entryCount - this.tombstoneCount;
  }

  /** Memory of all indexes, in bytes. */
  get indexesUsedBytes(): number {
    return this.index.usedBytes + this.otherIndexesUsedBytes();
  }

  /** Share of the room for data that records take, in whole percent. */
  get dataUsedPct(): number {
    return Math.floor(this.space.usedBytes * 100 / this.space.totalBytes);
  }

  /** Share of the room for data that new records can get, in whole percent; see `stop_writes.ts`. */
  get dataAvailPct(): number {
    return Math.floor(this.space.availableBytes * 100 / this.space.totalBytes);
  }

  /** The write epoch of records that came in the present cluster, from copies that are merged. */
  get mergedEpoch(): number {
    return this.writeEpoch | MERGED_EPOCH_BIT;
  }

  /** A record that was written before is sent to the replicas of the present cluster, which take it for written in it. */
  markWritten(entry: EntryRef): void {
    entry.setWriteEpoch(this.writeEpoch);
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

  /**
   * Gives up a partition's copy on devices: at the next start its records are passed over. Those in the index are the
   * caller's to remove; what is stored from now on belongs to the next copy.
   */
  dropTree(partition: number): void {
    if (this.disk !== undefined) this.partitionMeta.dropTree(partition);
  }

  /** Whether a change needs the bytes of the record before, because somebody is told of them and they may be on a device. */
  get needsOldBytes(): boolean {
    return this.disk !== undefined && this.#subscribers.length > 0;
  }

  /** Whether the reply to the present transaction must wait for something to be synced. */
  get hasHolds(): boolean {
    return this.disk !== undefined && this.disk.holds.length > 0;
  }

  /** What must be synced before the present transaction may be answered; each is told once. */
  takeHolds(): readonly FlushUnit[] {
    return this.disk?.takeHolds() ?? [];
  }

  /** Whether replies, and acknowledgements to other nodes, must wait for a sync (`commit-to-device`). */
  get commits(): boolean {
    return this.disk !== undefined && this.disk.commits;
  }

  /**
   * Tells when everything is synced that was stored so far, and has it written at once: for acknowledgements to other
   * nodes. In memory nothing is ever synced, and nothing needs to be.
   *
   * @returns false when there is nothing to wait for: the waiter is not told then
   */
  afterSync(waiter: DurableWaiter): boolean {
    return this.disk !== undefined && this.disk.afterSync(waiter);
  }

  /** Writes out what waits, and closes the devices. */
  async close(): Promise<void> {
    await this.disk?.finishWrites();
    await this.checkpoint?.finish();
    await this.disk?.close();
  }

  /** Finds the entry of a digest; whether it is live is another question. */
  find(digest: Uint8Array, at: number, entry: EntryRef): boolean {
    return this.index.find(digest, at, entry);
  }

  /** Whether a record is there for clients. */
  isLive(entry: EntryRef, nowMs: number): boolean {
    return !entry.isTombstone && !this.isExpired(entry, nowMs) && !this.isTruncated(entry);
  }

  /** Whether the second of a record's void-time has passed. */
  isExpired(entry: EntryRef, nowMs: number): boolean {
    const voidTime = entry.voidTime;
    return voidTime !== 0 && (voidTime + 1) * 1000 <= nowMs;
  }

  /** Whether a record is older than a truncation mark. */
  isTruncated(entry: EntryRef): boolean {
    const { lastUpdateMs } = entry;
    if (lastUpdateMs <= this.truncateLutMs) return true;
    const setId = entry.setId;
    return setId !== NO_SET && lastUpdateMs <= this.sets.byId(setId)!.truncateLutMs;
  }

  /**
   * Opens a record's bytes in `flat`. One that can't be read is asked for elsewhere first.
   *
   * @param waiter woken in a later turn when the answer is PENDING
   * @returns whether the bytes are here
   */
  load(entry: EntryRef, waiter: Waiter): Loaded {
    const loaded = this.loadHere(entry, waiter);
    return loaded === LOADED.FAILED && this.mender !== undefined ? this.mender.mend(entry, waiter) : loaded;
  }

  /** The same without asking elsewhere: for who has another copy at hand, or asks for another node. */
  loadHere(entry: EntryRef, waiter: Waiter): Loaded {
    const device = this.#device;
    const loaded = device.load(entry.location, entry.sizeUnits, waiter);
    if (loaded === LOADED.HERE) this.flat.open(device.bytes, device.at);
    else this.flat.clear();
    if (loaded !== LOADED.HERE || this.disk === undefined || !this.disk.isFromDevice) return loaded;
    return this.#isOf(entry) ? loaded : this.#refuse(entry);
  }

  /** Whether the record in `flat` is the one that an entry stands for. */
  #isOf(entry: EntryRef): boolean {
    const { flat } = this;
    return entry.hasDigest(flat.bytes, flat.digestAt) && flat.lastUpdateMs === entry.lastUpdateMs &&
      flat.generation === entry.generation;
  }

  /** A record that is whole, but another one than its entry says: the checkpoint from which the entry came was wrong. */
  #refuse(entry: EntryRef): Loaded {
    const { flat } = this;
    entry.copyDigest(this.#digest, 0);
    const name = (digest: string, { lastUpdateMs, generation }: EntryRef | FlatRecord) =>
      `record ${digest}, last update ${lastUpdateMs}, generation ${generation}`;
    this.disk!.reportMismatch(entry.location, {
      expected: name(toHex(this.#digest), entry),
      found: name(toHex(flat.bytes, flat.digestAt, flat.digestAt + DIGEST_SIZE_BYTES), flat),
    });
    this.checkpoint?.distrust();
    flat.clear();
    return LOADED.FAILED;
  }

  /** Whether a copy of a record with a last update time is covered by a truncation; the record says which set it is in. */
  isTruncatedTime(lastUpdateMs: number, record: FlatRecord): boolean {
    if (lastUpdateMs <= this.truncateLutMs) return true;
    if (record.setSize === 0) return false;
    const set = this.sets.find(record.bytes, record.setAt, record.setSize);
    return set !== undefined && lastUpdateMs <= set.truncateLutMs;
  }

  /** The last update time for a write: now, but later than the stored one and than every truncation mark. */
  nextLastUpdateMs(entry: EntryRef | undefined, set: SetInfo | undefined): number {
    let lastUpdateMs = Math.max(this.nowMs(), this.truncateLutMs + 1, this.lastUpdateFloorMs);
    if (entry !== undefined && !PLANTED.noLutRule) {
      lastUpdateMs = Math.max(lastUpdateMs, entry.orderMs + 1);
    }
    if (set !== undefined) lastUpdateMs = Math.max(lastUpdateMs, set.truncateLutMs + 1);
    return lastUpdateMs;
  }

  /**
   * Stores a record in place of what the digest had.
   *
   * @param entry the digest's entry (moved to the new one when `exists` is false)
   * @param exists whether the digest has an entry, live or not
   * @returns OK, RECORD_TOO_BIG, OUT_OF_SPACE or DEVICE_OVERLOAD; nothing has changed unless it is OK
   */
  put(write: RecordWrite, entry: EntryRef, exists: boolean): ResultCode {
    const units = this.#encode(write);
    if (units * UNIT_SIZE_BYTES > this.settings.maxRecordSize || units > this.space.recordUnitsMax) {
      return ResultCode.RECORD_TOO_BIG;
    }
    return this.#place(write, { entry, exists, writeEpoch: this.writeEpoch });
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
    this.#encoded.reset(BUILD_BUFFER_KEEP_BYTES);
    const treeId = this.partitionMeta.treeId(partitionId(bytes, flatDigestAt(at)));
    copyFlat(this.#encoded, { bytes, at, sizeBytes }, treeId);
    this.#taken.open(this.#encoded.bytes, 0);
    return this.#taken;
  }

  /**
   * Stores the record last taken in place of what its digest had.
   *
   * @param entry the digest's entry (moved to the new one when `exists` is false)
   * @param record whether the digest has an entry, the record's set, the cause of the change, its write epoch, and whether
   * what it takes the place of can't be read
   * @returns OK, RECORD_TOO_BIG, OUT_OF_SPACE or DEVICE_OVERLOAD; nothing has changed unless it is OK
   */
  putTaken(
    entry: EntryRef,
    record: {
      exists: boolean;
      set: SetInfo | undefined;
      origin: ChangeOrigin;
      writeEpoch: number;
      isMended?: boolean;
    },
  ): ResultCode {
    const flat = this.#taken;
    if (flat.sizeUnits > this.space.recordUnitsMax) return ResultCode.RECORD_TOO_BIG;
    const placed: PlacedRecord = {
      digest: flat.bytes,
      digestAt: flat.digestAt,
      lastUpdateMs: flat.lastUpdateMs,
      generation: flat.generation,
      voidTime: flat.voidTime,
      set: record.set,
      origin: record.origin,
    };
    return this.#place(placed, { entry, ...record });
  }

  /** Stores the encoded record and lets the entry point at it. */
  #place(
    write: PlacedRecord,
    { entry, exists, writeEpoch, isMended = false }: {
      entry: EntryRef;
      exists: boolean;
      writeEpoch: number;
      isMended?: boolean;
    },
  ): ResultCode {
    const flatFlags = readU32LE(this.#encoded.bytes, FLAT_FLAGS_AT);
    const units = (flatFlags & FLAT_FLAG.SIZE_BITS) + 1;
    const { space } = this;
    const orderMs = exists && space.keepsOldCopies && !isMended ? orderOver(write, entry) : 0;
    const location = orderMs === 0
      ? space.append(this.#encoded.bytes, units, write.origin)
      : this.disk!.appendOverruling(this.#encoded.bytes, units, { orderMs, origin: write.origin });
    if (location <= NO_LOCATION) {
      return location === NO_LOCATION ? ResultCode.OUT_OF_SPACE : ResultCode.DEVICE_OVERLOAD;
    }
    const outlived = space.keepsOldCopies && exists && isOutlived(entry, write.voidTime);
    const oldLocation = exists ? entry.location : NO_LOCATION;
    const oldUnits = exists ? entry.sizeUnits : 0;
    if (exists) this.#uncount(entry, write.digest, write.digestAt);
    else this.index.insert(write.digest, write.digestAt, entry);
    // On a device the record may be compressed.
    const storedUnits = space.appendedUnits;
    entry.setLocation(location, storedUnits);
    entry.setVoidTime(write.voidTime);
    entry.setSetId(write.set?.id ?? NO_SET);
    entry.setTreeId(this.partitionMeta.treeId(partitionId(write.digest, write.digestAt)));
    const flags = ((flatFlags & FLAT_FLAG.BINS) === 0 ? ENTRY_FLAG.TOMBSTONE : 0) |
      ((flatFlags & FLAT_FLAG.KEY) !== 0 ? ENTRY_FLAG.KEY_STORED : 0) | (outlived ? ENTRY_FLAG.OUTLIVED : 0);
    entry.setVersion(write.lastUpdateMs, write.generation, flags);
    if (orderMs !== 0) entry.setOrder(orderMs);
    entry.setWriteEpoch(writeEpoch);
    this.index.touch(entry.handle);
    this.#count(entry, write.digest, write.digestAt);
    this.#publish(write.digest, write.digestAt, {
      oldLocation,
      oldUnits,
      location,
      units: storedUnits,
      handle: entry.handle,
      origin: write.origin,
    });
    if (oldLocation !== NO_LOCATION) space.release(oldLocation, oldUnits);
    return ResultCode.OK;
  }

  /**
   * Removes a record that is over, or that another node says is gone. Where an older copy on a device would come back at
   * the next start, a tombstone takes its place; when there is no room for one the record stays, invisible. A tombstone
   * that is there already stays: a node that says "gone" once more knows of no reason to forget the delete.
   *
   * @param cause why; `version` is that of the tombstone, where another node has told it
   * @returns false when it stays
   */
  expunge(digest: Uint8Array, at: number, entry: EntryRef, cause: TombstoneCause): boolean {
    const { origin } = cause;
    const isOver = origin === "expiry" || origin === "eviction";
    // A later copy that it overrules may not be covered by the truncation.
    const isOverruling = origin === "truncate" && (entry.flags & ENTRY_FLAG.OVERRULES) !== 0;
    const mayComeBack = isOver
      ? (entry.flags & ENTRY_FLAG.OUTLIVED) !== 0
      : origin === "replica" || isOverruling;
    if (mayComeBack && this.space.keepsOldCopies) {
      if (!entry.isTombstone) return this.bury(digest, at, entry, cause) === ResultCode.OK;
      if (origin === "replica") return false;
    }
    this.remove(digest, at, entry, origin);
    return true;
  }

  /**
   * Puts a tombstone in a record's place. One for an expired record is hardly newer than the record: each node makes it by
   * its own clock, and where a client has written since, by another clock, that write counts. So is one for a record that
   * another node says is gone, without telling since when: what that node writes next must be newer, by its own clock.
   */
  bury(digest: Uint8Array, at: number, entry: EntryRef, { origin, version }: TombstoneCause): ResultCode {
    const set = this.sets.byId(entry.setId);
    const isOver = origin === "expiry" || origin === "eviction";
    const isHardlyNewer = isOver || origin === "replica";
    const lastUpdateMs = isHardlyNewer ? entry.lastUpdateMs + 1 : this.nextLastUpdateMs(entry, set);
    const { writeEpoch } = entry;
    const resultCode = this.put(
      {
        digest,
        digestAt: at,
        lastUpdateMs: version?.lastUpdateMs ?? lastUpdateMs,
        generation: version?.generation ?? nextGeneration(entry.generation),
        voidTime: 0,
        set,
        key: undefined,
        table: this.#noBins,
        origin,
      },
      entry,
      true,
    );
    // What ends by itself was not written: whatever was to take the record's place still does.
    if (isOver && resultCode === ResultCode.OK) entry.setWriteEpoch(writeEpoch);
    return resultCode;
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
    this.space.release(location, units);
  }

  /**
   * Takes over a record that was found on a device at the start, if it is the newest of its digest so far.
   *
   * @param record its header; its checksum is right
   * @param isFromShadow the device itself has it damaged
   */
  adopt(record: FlatRecord, location: number, { isFromShadow }: { isFromShadow: boolean }): void {
    const { bytes, digestAt, voidTime, lastUpdateMs, generation, sizeUnits } = record;
    const set = record.setAt < 0 ? undefined : this.sets.findOrCreate(bytes, record.setAt, record.setSize);
    if (lastUpdateMs <= Math.max(this.truncateLutMs, set?.truncateLutMs ?? 0)) return;
    const entry = this.#moveEntry;
    const exists = this.index.findOrInsert(bytes, digestAt, entry);
    const orderMs = this.disk!.orderTime(record);
    const isUnconfirmed = exists && (entry.flags & ENTRY_FLAG.UNCONFIRMED) !== 0;
    // Of two that are equal the one that was read counts: the block of the other may be in use again, and torn. It is not
    // when the one read was torn itself: a block is used again only when what was moved from it is synced.
    const isUnread = exists && !isFromShadow && this.disk!.blocks.isUnread(entry.location);
    const isUnproven = isUnconfirmed || isUnread;
    const isKnown = isUnproven && orderMs === entry.orderMs && isSame(record, entry);
    if (exists && !isNewer(record, entry, orderMs) && !isKnown) {
      const isOlderLonger = entry.voidTime !== 0 && (voidTime === 0 || voidTime > entry.voidTime);
      if (isOlderLonger) {
        entry.setFlags(ENTRY_FLAG.OUTLIVED, true);
        this.index.touch(entry.handle);
      }
      return;
    }
    const outlived = exists && isOutlived(entry, voidTime);
    if (exists) {
      this.#uncount(entry, bytes, digestAt);
      if (!isUnconfirmed) this.space.release(entry.location, entry.sizeUnits);
    }
    entry.setLocation(location, sizeUnits);
    entry.setVoidTime(voidTime);
    entry.setSetId(set?.id ?? NO_SET);
    entry.setTreeId(record.treeId);
    const flags = (record.binCount === 0 ? ENTRY_FLAG.TOMBSTONE : 0) |
      (record.keyAt >= 0 ? ENTRY_FLAG.KEY_STORED : 0) | (outlived ? ENTRY_FLAG.OUTLIVED : 0);
    entry.setVersion(lastUpdateMs, generation, flags);
    if (orderMs !== lastUpdateMs) entry.setOrder(orderMs);
    this.index.touch(entry.handle);
    this.#count(entry, bytes, digestAt);
    this.disk!.claim(location, sizeUnits);
    if (this.#subscribers.length > 0 && !this.startsFast) this.#tell(record, entry.handle, exists);
  }

  /** Counts an entry that a checkpoint has brought, or (`delta` -1) no longer counts it. */
  countEntry(entry: EntryRef, delta: 1 | -1): void {
    entry.copyDigest(this.#digest, 0);
    this.#adjustCounts(entry, this.#digest, 0, delta);
  }

  /** Forgets all entries and counts: what was taken over from a checkpoint turned out to be damaged. */
  forgetEntries(): void {
    this.index.clear();
    this.tombstoneCount = 0;
    this.partitionTombstoneCounts.fill(0);
    this.nonExpirableCount = 0;
    for (const set of this.sets) set.objects = set.tombstones = set.dataUsedBytes = 0;
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
   * Moves a record out of a block in memory that is being emptied.
   *
   * @param location where it is
   * @returns false when there is no room elsewhere
   */
  relocate(location: number): boolean {
    const { arena } = this;
    const bytes = arena.block(location);
    const at = arena.offset(location);
    const record = this.flat;
    record.open(bytes, at);
    const units = record.sizeUnits;
    const entry = this.#moveEntry;
    const isCurrent = this.index.find(bytes, record.digestAt, entry) && entry.location === location;
    assert(isCurrent, "Every record in memory is the one its entry points at");
    const target = arena.allocate(units);
    if (target === NO_LOCATION) return false;
    copyBytes(bytes, at, arena.block(target), arena.offset(target), units * UNIT_SIZE_BYTES);
    entry.setLocation(target, units);
    arena.release(location, units);
    return true;
  }

  #encode(write: RecordWrite): number {
    this.#encoded.reset(BUILD_BUFFER_KEEP_BYTES);
    const meta = this.#meta;
    meta.generation = write.generation;
    meta.lastUpdateMs = write.lastUpdateMs;
    meta.voidTime = write.voidTime;
    meta.set = write.set?.nameBytes ?? NO_BYTES;
    meta.key = write.key;
    meta.treeId = this.partitionMeta.treeId(partitionId(write.digest, write.digestAt));
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
    this.#change.existed = change.oldLocation !== NO_LOCATION;
    this.#change.origin = change.origin;
    for (const subscriber of this.#subscribers) subscriber(this.#change);
  }

  /** Tells of a record that was found at the start. */
  #tell({ bytes, at, digestAt, sizeUnits }: FlatRecord, handle: number, existed: boolean): void {
    copyBytes(bytes, digestAt, this.#digest, 0, DIGEST_SIZE_BYTES);
    const change = this.#change;
    change.handle = handle;
    change.existed = existed;
    change.old = undefined;
    change.new = this.disk!.expanded(bytes, at) ?? bytes.subarray(at, at + sizeUnits * UNIT_SIZE_BYTES);
    change.origin = "cold-start";
    for (const subscriber of this.#subscribers) subscriber(change);
  }

  #recordView(location: number, units: number): Uint8Array | undefined {
    return location === NO_LOCATION ? undefined : this.space.peek(location, units);
  }
}

/** Whether a copy of an entry's record, or one that is older still, would outlive a new version. */
export function isOutlived(entry: EntryRef, voidTime: number): boolean {
  if (voidTime === 0) return false;
  return entry.voidTime === 0 || entry.voidTime > voidTime || (entry.flags & ENTRY_FLAG.OUTLIVED) !== 0;
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
