/**
 * The records of one namespace on this node: primary index, flat records, sets, truncation marks, and what is counted.
 * What counts as there, and the times of writes, are in `record_life.ts`.
 *
 * @module
 */

import {
  assert,
  BUILD_BUFFER_KEEP_BYTES,
  ByteBuffer,
  DIGEST_SIZE_BYTES,
  partitionId,
  readU32LE,
  ResultCode,
  toHex,
} from "../base/mod.ts";
import type { NamespaceSettings } from "../config/mod.ts";
import type { ChangeOrigin, Clock, Random } from "../port/mod.ts";
import { BinTable } from "../record/mod.ts";
import { Arena } from "./arena.ts";
import { LOADED, type Loaded, MemoryDevice, type Mender, type RecordDevice, type Waiter } from "./device.ts";
import type { Checkpoint } from "./disk/checkpoint.ts";
import type { StartReport } from "./disk/cold_start.ts";
import type { DiskSpace } from "./disk/disk_space.ts";
import type { DurableWaiter, FlushUnit } from "./disk/flush_unit.ts";
import { PartitionPages } from "./disk/partition_pages.ts";
import { ChangeFeed } from "./change_feed.ts";
import { isOutlived, orderOver } from "./copy_order.ts";
import { ENTRY_FLAG, type EntryRef } from "./entry.ts";
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
import { RecordCounts } from "./record_counts.ts";
import { RecordLife } from "./record_life.ts";
import { nextGeneration, type PlacedRecord, type RecordWrite, type TombstoneCause } from "./record_write.ts";
import { SizeHistograms } from "./size_histograms.ts";
import { NO_SET, type SetInfo } from "./sets.ts";
import { NO_LOCATION, type RecordSpace } from "./space.ts";
import { Supervision } from "./supervision.ts";

const WRITE_EPOCH_MAX = 0x7f;
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

/** Records of one namespace. */
export class NamespaceStore extends RecordLife {
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
  /** Numbers of records and tombstones. */
  readonly counts: RecordCounts = new RecordCounts(this.sets);
  /** Tells of changes. */
  readonly changes: ChangeFeed;
  /** Header of the record last loaded. */
  readonly flat: FlatRecord = new FlatRecord();
  /** Client writes are refused: memory or space is short. Kept up to date by the supervisor. */
  stopWrites = false;
  /** The clocks of the cluster are so far apart that client writes are refused, and nothing expires. */
  clockSkewStopsWrites = false;
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
  /** Gets records that can't be read from other nodes; undefined of a store that knows of none. */
  mender: Mender | undefined;
  /**
   * Whether other nodes may not have the present version of a record yet: background work leaves it then, because what is
   * gone without a trace can't take an older version's place there. Undefined of a store that knows of no others.
   */
  isUnsettled: ((entry: EntryRef, cause: ChangeOrigin) => boolean) | undefined;
  /** Random number for hash tables of names that clients choose. */
  readonly hashSeed: number;
  readonly #device: RecordDevice;
  readonly #encoded = new ByteBuffer(4096);
  readonly #taken: FlatRecord = new FlatRecord();
  readonly #meta: FlatMeta;
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #noBins = new BinTable(1);

  /** @param options settings and ports */
  constructor(options: StoreOptions) {
    super(options.clock);
    this.settings = options.settings;
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
    this.changes = new ChangeFeed(this.space);
    this.#device = options.wrapDevice?.(device, options.clock) ?? device;
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

  /** Live records and those that wait to be removed. */
  get objectCount(): number {
    return this.index.entryCount - this.counts.tombstones;
  }

  /** Tombstones. */
  get tombstoneCount(): number {
    return this.counts.tombstones;
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
   * Gives up a partition's copy on devices: at the next start its records are passed over. Those in the index are the
   * caller's to remove; what is stored from now on belongs to the next copy.
   */
  dropTree(partition: number): void {
    if (this.disk !== undefined) this.partitionMeta.dropTree(partition);
  }

  /** Whether a change needs the bytes of the record before, because somebody is told of them and they may be on a device. */
  get needsOldBytes(): boolean {
    return this.disk !== undefined && this.changes.isHeard;
  }

  /** Whether the reply to the present transaction must wait for something to be synced. */
  get hasHolds(): boolean {
    return this.disk !== undefined && this.disk.holds.units.length > 0;
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

  /**
   * The same for who is sent another copy, or may be: what is left in memory alone of a device that has failed counts as
   * unreadable, so that it is stored anew on a device that lasts.
   */
  loadLasting(entry: EntryRef, waiter: Waiter): Loaded {
    if (this.disk === undefined || !this.disk.isOnFailed(entry.location)) return this.loadHere(entry, waiter);
    this.flat.clear();
    return LOADED.FAILED;
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
    this.disk!.damage.noteMismatch(entry.location, {
      expected: name(toHex(this.#digest), entry),
      found: name(toHex(flat.bytes, flat.digestAt, flat.digestAt + DIGEST_SIZE_BYTES), flat),
    });
    this.checkpoint?.distrust();
    flat.clear();
    return LOADED.FAILED;
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
    if (exists) this.counts.adjust(entry, write.digest, write.digestAt, -1);
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
    this.counts.adjust(entry, write.digest, write.digestAt, 1);
    this.changes.publish(write.digest, write.digestAt, {
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
    this.counts.adjust(entry, digest, at, -1);
    this.index.remove(digest, at);
    this.changes.publish(digest, at, {
      oldLocation: location,
      oldUnits: units,
      location: NO_LOCATION,
      units: 0,
      handle,
      origin,
    });
    this.space.release(location, units);
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
}

const NO_BYTES = new Uint8Array(0);
