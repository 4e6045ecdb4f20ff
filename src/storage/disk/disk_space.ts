/**
 * Records on devices: a log of write blocks. Every record is appended; the index alone knows which copy is current. What
 * is being filled, what waits to be written and what was written lately is in memory, everything else is read.
 *
 * The engine that keeps records in memory with files behind it is the same with all blocks kept in memory.
 *
 * An append returns at once. Whoever must not answer before it is synced takes the units touched (`takeHolds`) and
 * waits for them. See `blocks.ts` for when a place is used again, `flusher.ts` for how writing goes on after a fault.
 *
 * @module
 */

import { assert, readU32 } from "../../base/mod.ts";
import type { StorageSettings } from "../../config/mod.ts";
import type { ChangeOrigin, Clock, Compute, Log, Random, Timer } from "../../port/mod.ts";
import { LOADED, type Loaded, type RecordDevice, type Waiter } from "../device.ts";
import { FlatRecord, UNIT_SIZE_BYTES } from "../flat.ts";
import type { PrimaryIndex } from "../index.ts";
import { NO_LOCATION, OVERLOADED, type RecordSpace } from "../space.ts";
import { BlockCache } from "./block_cache.ts";
import { BlockReader, notExpandable } from "./block_reader.ts";
import { BlockTurnover } from "./block_turnover.ts";
import { DISK_BLOCK, DiskBlocks } from "./blocks.ts";
import { CommitHolds } from "./commit_holds.ts";
import { DamageNotes } from "./damage_notes.ts";
import type { OpenDevice } from "./device_file.ts";
import { writeHeader } from "./device_runs.ts";
import { DEVICE_STATE, DeviceWatch } from "./device_watch.ts";
import { DiskReports } from "./disk_reports.ts";
import { Evacuation } from "./evacuation.ts";
import { Flusher, PageWriter } from "./flusher.ts";
import type { DurableWaiter, FlushUnit } from "./flush_unit.ts";
import { FormatUpgrade } from "./format_upgrade.ts";
import {
  FORMAT_VERSION_OF_CODED_RECORDS,
  FORMAT_VERSION_OF_ORDER_TIMES,
  HEADER_FLAG,
  SEQUENCE_STEP_OF_STARTS,
  storedSize,
  TRAILER_SIZE_BYTES,
  UNIT_FLAG,
  UNIT_HEADER_SIZE_BYTES,
} from "./layout.ts";
import type { PartitionPages } from "./partition_pages.ts";
import { isCompressed, orderTime, RecordCompression } from "./record_compression.ts";
import { SparseQueue } from "./sparse_queue.ts";
import { WriteStream } from "./write_stream.ts";

/** Offset of the digest's last word in a flat record; it chooses the device. */
const DEVICE_WORD_AT = 24;
/** Free blocks that only defragmentation may use: without one it could not make others free. */
const RESERVED_BLOCK_COUNT = 2;
/** Writes for other nodes may go so far beyond `max-write-cache`: they were accepted by a master already. */
const REPLICA_CACHE_FACTOR = 4;

/** What a space stands on. */
export interface DiskSpaceOptions {
  /** Name of the namespace, for log lines. */
  namespace: string;
  /** Settings of the engine; read again and again. */
  settings: StorageSettings;
  /** The devices, from `openDevices`. */
  devices: readonly OpenDevice[];
  /** The partition pages, from the same. */
  pages: PartitionPages;
  /** Timers. */
  clock: Clock;
  /** Compresses. */
  compute: Compute;
  /** Keeps key streams apart. */
  random: Random;
  /** Lines about faults. */
  log: Log;
  /** Told of what no fault of a disk explains. */
  onFailure: (error: unknown) => void;
}

/** Records on devices. */
export class DiskSpace implements RecordSpace, RecordDevice {
  /** See {@linkcode RecordSpace.keepsOldCopies}. */
  readonly keepsOldCopies = true;
  /** See {@linkcode RecordSpace.recordUnitsMax}. */
  readonly recordUnitsMax: number;
  /** All blocks. */
  readonly blocks: DiskBlocks;
  /** What is remembered per partition. */
  readonly pages: PartitionPages;
  /** Blocks below the low-water mark. */
  readonly sparse: SparseQueue;
  /** Faults, counted and reported. */
  readonly reports: DiskReports;
  /** What was found damaged. */
  readonly damage: DamageNotes;
  /** Reads of single records. */
  readonly reader: BlockReader;
  /** Compresses records, and expands them. */
  readonly compression: RecordCompression;
  /** Raises the format version before the first record of a newer form. */
  readonly upgrade: FormatUpgrade;
  /** See {@linkcode RecordSpace.appendedUnits}. */
  appendedUnits = 0;
  /** See {@linkcode RecordSpace.defragmentedBlocks}. */
  defragmentedBlocks = 0;
  /** See {@linkcode RecordSpace.onPressure}. */
  onPressure: (() => void) | undefined;
  /** See {@linkcode RecordDevice.bytes}. */
  bytes: Uint8Array = new Uint8Array(0);
  /** See {@linkcode RecordDevice.at}. */
  at = 0;
  /** The record last loaded was read from its device, not from a block in memory. */
  isFromDevice = false;
  /** Records that were found in memory when they were asked for. */
  cacheHitCount = 0;
  /** What must be synced before the present transaction may be answered. */
  readonly holds: CommitHolds;
  /** Header of a record that background work looks at. */
  readonly scanned: FlatRecord = new FlatRecord();
  /** Which devices can be used. */
  readonly watch: DeviceWatch;
  /** Entries of the records; the store sets it. */
  index: PrimaryIndex | undefined;
  /** Told when the records of a device can't be read any more. */
  onLoss: ((device: number) => void) | undefined;
  /** Writers of the devices, in their order. */
  readonly flushers: readonly Flusher[];
  readonly #settings: StorageSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #streams: readonly WriteStream[];
  readonly #moves: readonly WriteStream[];
  readonly #turnover: BlockTurnover;
  readonly #evacuation: Evacuation;
  readonly #pageWriter: PageWriter;
  #position = 0;
  #flushTimer: Timer | undefined;

  /** @param options devices and settings */
  constructor(options: DiskSpaceOptions) {
    const { settings, clock, pages } = options;
    this.#settings = settings;
    this.#clock = clock;
    const keepsAll = settings.kind === "memory";
    this.#random = options.random;
    this.pages = pages;
    const blocks = this.blocks = new DiskBlocks(options.devices);
    this.recordUnitsMax = Math.floor(
      (blocks.blockSizeBytes - UNIT_HEADER_SIZE_BYTES - TRAILER_SIZE_BYTES) / UNIT_SIZE_BYTES,
    );
    this.sparse = new SparseQueue(blocks, settings.defragLwmPct);
    this.#turnover = new BlockTurnover({
      blocks,
      cache: new BlockCache(blocks, () => keepsAll ? Infinity : settings.postWriteCache),
      sparse: this.sparse,
      position: () => this.#position,
      durablePosition: () => this.durablePosition,
      onPressure: () => this.onPressure?.(),
    });
    this.reports = new DiskReports(options);
    this.damage = new DamageNotes(blocks, this.reports);
    this.compression = new RecordCompression(settings, options.compute);
    this.upgrade = new FormatUpgrade(
      options.devices,
      (error, device) => this.reports.writeFault(error, device, "none"),
    );
    const { onFailure } = options;
    const onFault = (error: Error, block: number) => this.watch.onReadFault(blocks.deviceOf[block], error);
    const onMended = (block: number) => this.damage.noteShadowRead(block);
    this.reader = new BlockReader({
      blocks,
      compression: this.compression,
      clock,
      onFault,
      onMended,
      onFailure,
    });
    const writer = this.#pageWriter = new PageWriter({
      pages,
      devices: options.devices,
      isUsed: (device) => !this.flushers[device].isClosed,
      onFault: (device, error) => this.watch.onWriteFault(device, error),
    });
    this.flushers = options.devices.map((_, device) => this.#makeFlusher(device, writer, options));
    this.watch = new DeviceWatch({
      ...options,
      blocks,
      flushers: this.flushers,
      reports: this.reports,
      evacuate: (device) => this.#evacuate(device),
      onLoss: (device) => {
        this.damage.noteLost(device);
        this.onLoss?.(device);
      },
    });
    this.#streams = options.devices.map((_, device) => this.#makeStream(device, RESERVED_BLOCK_COUNT, 0));
    this.#moves = options.devices.map((_, device) => this.#makeStream(device, 0, UNIT_FLAG.DEFRAGMENTATION));
    this.holds = new CommitHolds({
      blocks,
      streams: this.#streams,
      flushers: this.flushers,
      pendingUnits: this.#turnover.pendingUnits,
    });
    this.#evacuation = new Evacuation({
      blocks,
      index: () => this.index!,
      append: (source, at, units) => {
        const stream = this.#streamFor(source, at, units);
        return stream === undefined ? NO_LOCATION : this.#appendTo(stream, source, at, units);
      },
      release: (location, units) => this.release(location, units),
      afterSync: (waiter) => this.afterSync(waiter),
      onDurable: (units) => this.#turnover.noteDurable(units),
    });
    pages.onDirty = () => this.flushers[0].kick();
    if (pages.isDirty) this.flushers[0].kick();
  }

  /** See {@linkcode RecordSpace.totalBytes}. */
  get totalBytes(): number {
    return this.blocks.count * this.blocks.blockSizeBytes;
  }

  /** See {@linkcode RecordSpace.usedBytes}. */
  get usedBytes(): number {
    return this.blocks.usedBytesTotal;
  }

  /** See {@linkcode RecordSpace.availableBytes}: blocks that are free, or about to be. */
  get availableBytes(): number {
    return (this.blocks.freeCount() + this.blocks.waitingCount) * this.blocks.blockSizeBytes;
  }

  /** See {@linkcode RecordSpace.blockCountMax}. */
  get blockCountMax(): number {
    return this.blocks.count;
  }

  /** See {@linkcode RecordSpace.freeBlockCount}. */
  get freeBlockCount(): number {
    return this.blocks.freeCount();
  }

  /** See {@linkcode RecordSpace.sparseBlockCount}. */
  get sparseBlockCount(): number {
    return this.sparse.length;
  }

  /** Why writing does not get on; empty when some device is good. */
  get fault(): string {
    return this.watch.fault;
  }

  /** Whether all that was sealed is synced. */
  get isAllSynced(): boolean {
    return this.flushers.every(({ queueLength, fault }) => queueLength === 0 && fault === "");
  }

  /** Bytes that are sealed and not synced. */
  get pendingBytes(): number {
    let bytes = 0;
    for (const flusher of this.flushers) bytes += flusher.pendingBytes;
    return bytes;
  }

  /** Whether replies wait until what they tell of is synced. */
  get commits(): boolean {
    return this.#settings.commitToDevice;
  }

  /** Where the log of this run has got to: the number of the last append. */
  get position(): number {
    return this.#position;
  }

  /** See {@linkcode RecordSpace.setLowWater}. */
  setLowWater(lowWaterPct: number): void {
    this.sparse.setLowWater(lowWaterPct);
  }

  /** See {@linkcode RecordSpace.append}. */
  append(record: Uint8Array, recordUnits: number, origin: ChangeOrigin): number {
    if (this.#isOverloaded(origin)) return OVERLOADED;
    let source = record;
    let units = recordUnits;
    if (this.compression.isOn && this.upgrade.isDone(FORMAT_VERSION_OF_CODED_RECORDS)) {
      units = this.compression.compress(record, recordUnits);
      source = this.compression.bytes;
    }
    return this.#appendCoded(source, units, origin);
  }

  /**
   * Stores a record in place of a later copy, which a start must not take for the newest.
   *
   * @param record begins with the record
   * @param recordUnits its size
   * @returns as of {@linkcode DiskSpace.append}; OVERLOADED also until older programs are kept from reading the device
   */
  appendOverruling(
    record: Uint8Array,
    recordUnits: number,
    { orderMs, origin }: { orderMs: number; origin: ChangeOrigin },
  ): number {
    const isRefused = this.#isOverloaded(origin) || !this.upgrade.isDone(FORMAT_VERSION_OF_ORDER_TIMES);
    if (isRefused) return OVERLOADED;
    const units = this.compression.addOrder(record, recordUnits, orderMs);
    return this.#appendCoded(this.compression.bytes, units, origin);
  }

  /** Time by which a start compares a record that was found, in ms since 2010. */
  orderTime(record: FlatRecord): number {
    return orderTime(record);
  }

  #appendCoded(source: Uint8Array, units: number, origin: ChangeOrigin): number {
    this.appendedUnits = units;
    const stream = this.#streamFor(source, 0, units);
    if (stream === undefined) return NO_LOCATION;
    const location = this.#appendTo(stream, source, 0, units);
    assert(location !== NO_LOCATION, "There is room where there was a moment ago");
    if (this.commits) this.holds.holdAppended(stream, origin);
    return location;
  }

  /** The digest chooses the device; one that can't take the record is passed over. */
  #streamFor(source: Uint8Array, at: number, units: number): WriteStream | undefined {
    const streams = this.#streams;
    const first = readU32(source, at + DEVICE_WORD_AT) % streams.length;
    for (let count = 0; count < streams.length; count++) {
      const device = (first + count) % streams.length;
      if (this.watch.takes(device) && streams[device].hasRoom(storedSize(units))) return streams[device];
    }
    return undefined;
  }

  /**
   * Appends a copy of a record that defragmentation moves.
   *
   * @returns its location, or NO_LOCATION
   */
  move(source: Uint8Array, sourceAt: number, units: number, block: number): number {
    const device = this.blocks.deviceOf[block];
    const target = this.watch.takes(device)
      ? device
      : this.#moves.findIndex((_, other) => this.watch.takes(other));
    return target < 0 ? NO_LOCATION : this.#appendTo(this.#moves[target], source, sourceAt, units);
  }

  /** See {@linkcode RecordSpace.release}. */
  release(location: number, units: number): void {
    const { blocks } = this;
    const block = blocks.blockOf(location);
    blocks.dropUse(block, units);
    if (blocks.state[block] === DISK_BLOCK.CLOSED) this.#turnover.consider(block);
  }

  /** Whether a device has a shadow, from which damaged records are read. */
  get hasShadows(): boolean {
    return this.blocks.devices.some(({ file }) => file.readShadow !== undefined);
  }

  /** Counts a record that was found at the start as current. */
  claim(location: number, units: number): void {
    this.blocks.addUse(this.blocks.blockOf(location), units);
  }

  /** See {@linkcode RecordSpace.peek}. */
  peek(location: number, units: number): Uint8Array | undefined {
    const at = this.blocks.offsetOf(location);
    const bytes = this.blocks.bytes[this.blocks.blockOf(location)];
    if (bytes === undefined) return this.reader.peek(location);
    return this.expanded(bytes, at) ?? bytes.subarray(at, at + units * UNIT_SIZE_BYTES);
  }

  /** The record at an offset, expanded, when it is compressed and can be; a copy. */
  expanded(bytes: Uint8Array, at: number): Uint8Array | undefined {
    return isCompressed(bytes, at) ? this.compression.expand(bytes, at) : undefined;
  }

  /** See {@linkcode RecordDevice.load}. */
  load(location: number, units: number, waiter: Waiter): Loaded {
    const { blocks, reader } = this;
    const block = blocks.blockOf(location);
    const bytes = blocks.bytes[block];
    if (bytes !== undefined) {
      this.bytes = bytes;
      this.at = blocks.offsetOf(location);
      this.isFromDevice = false;
      this.cacheHitCount++;
      if (this.commits) this.holds.holdPending(block, this.at);
      return isCompressed(bytes, this.at) ? this.#expandHere(block) : LOADED.HERE;
    }
    if (this.isOnFailed(location)) return LOADED.FAILED;
    const loaded = reader.load(location, units, waiter);
    if (loaded === LOADED.HERE) {
      this.bytes = reader.bytes;
      this.at = 0;
      this.isFromDevice = true;
    }
    return loaded;
  }

  /** Whether the device of a record can't be read any more; the block may be in memory still. */
  isOnFailed(location: number): boolean {
    const { blocks, watch } = this;
    return watch.states[blocks.deviceOf[blocks.blockOf(location)]] === DEVICE_STATE.FAILED;
  }

  /** Puts the expanded record in place of the one just found. */
  #expandHere(block: number): Loaded {
    const { blocks, reports } = this;
    const record = this.compression.expand(this.bytes, this.at);
    if (record === undefined) {
      const offset = blocks.deviceOffset(block) + this.at;
      reports.readFault(notExpandable(blocks.device(block).path, offset), blocks.deviceOf[block]);
      return LOADED.FAILED;
    }
    this.bytes = record;
    this.at = 0;
    return LOADED.HERE;
  }

  /** The units that must be synced before what was done since the last call may be told; the list is emptied by the caller. */
  takeHolds(): readonly FlushUnit[] {
    return this.holds.units.splice(0);
  }

  /**
   * Tells when everything is synced that was appended so far, and has it written at once. Not told while a device is
   * faulty.
   *
   * @returns false when all is synced already: the waiter is not told then
   */
  afterSync(waiter: DurableWaiter): boolean {
    const units = this.flushers.map((flusher, device) => this.#streams[device].unit ?? flusher.lastUnit)
      .filter((unit) => unit !== undefined && !unit.isDurable);
    let left = units.length;
    const barrier: DurableWaiter = { onDurable: () => void (--left === 0 && waiter.onDurable()) };
    for (const unit of units) unit!.wait(barrier);
    if (left > 0) this.sealAll();
    return left > 0;
  }

  /** Has everything written that was appended so far; resolves when it is synced, or a device is faulty. */
  async flush(): Promise<void> {
    this.sealAll();
    for (const flusher of this.flushers) {
      flusher.kick();
      await flusher.drain();
    }
  }

  /** For a stop: as `flush`, but faulty devices are tried once more, and what they don't take goes to good ones. */
  async finishWrites(): Promise<void> {
    await this.flush();
    if (this.flushers.every(({ fault }) => fault === "")) return;
    for (const flusher of this.flushers) await flusher.tryAgain();
    this.watch.giveUpFaulty();
    await this.flush();
  }

  /** Hands all units that are being filled to the writers. */
  sealAll(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    for (const stream of [...this.#streams, ...this.#moves]) stream.seal();
  }

  /** Whether partition pages wait to be synced. */
  get hasUnsyncedPages(): boolean {
    return this.#pageWriter.isNeeded;
  }

  /** Syncs the devices where flushes don't (`disable-odsync`). */
  async syncWritten(): Promise<void> {
    if (this.commits || !this.#settings.disableOdsync) return;
    for (const [device, { file }] of this.blocks.devices.entries()) {
      if (!this.flushers[device].isClosed) await file.sync();
    }
  }

  /** After the scan at the start: sorts the blocks by what is in them. */
  sortOut(): void {
    const { blocks } = this;
    // What was begun in the last moments of an earlier run may have left no trace; its numbers are not used again.
    blocks.lastSequence += SEQUENCE_STEP_OF_STARTS;
    // Of two that go on from copies of one encrypted file, each gets numbers, and so key streams, of its own.
    if (blocks.devices.some(({ cipher }) => cipher !== undefined)) blocks.lastSequence += this.#random.u32();
    blocks.sortOut();
    for (let block = 0; block < blocks.count; block++) {
      if (blocks.state[block] === DISK_BLOCK.CLOSED) this.sparse.consider(block);
    }
  }

  /** Defragmentation gives a block up, or is done with it. */
  endEmptying(block: number): void {
    this.blocks.state[block] = DISK_BLOCK.CLOSED;
    this.#turnover.consider(block);
  }

  /** Writes all that is left, marks the devices as stopped in order, and closes them. */
  async close(): Promise<void> {
    await this.flush();
    await this.upgrade.settle();
    for (const [device, { pendingBytes, fault }] of this.flushers.entries()) {
      if (pendingBytes > 0) this.reports.lostAtStop(device, pendingBytes, fault);
    }
    for (const flusher of this.flushers) flusher.stop();
    this.#flushTimer?.cancel();
    for (const [index, device] of this.blocks.devices.entries()) {
      const flags = device.header.flags | HEADER_FLAG.STOPPED_IN_ORDER;
      const isGood = this.watch.states[index] === DEVICE_STATE.GOOD && !this.watch.hasFailed;
      try {
        if (isGood) await writeHeader(device, { flags });
        await device.file.close();
      } catch (error) {
        this.reports.writeFault(error as Error, index, "none");
      }
    }
  }

  #appendTo(stream: WriteStream, source: Uint8Array, sourceAt: number, units: number): number {
    const offset = stream.append(source, sourceAt, units, ++this.#position);
    if (offset < 0) return NO_LOCATION;
    this.blocks.addUse(stream.block, units);
    const location = this.blocks.locationOf(stream.block, offset);
    if (stream.openBytes >= this.#settings.flushSize) stream.seal();
    else this.#flushLater();
    return location;
  }

  #flushLater(): void {
    const { flushMaxMs } = this.#settings;
    if (this.#flushTimer !== undefined || flushMaxMs === 0) return;
    this.#flushTimer = this.#clock.after(flushMaxMs, () => this.sealAll());
  }

  #isOverloaded(origin: ChangeOrigin): boolean {
    const { maxWriteCache } = this.#settings;
    const pendingBytes = this.pendingBytes;
    return pendingBytes > maxWriteCache &&
      (origin === "client" || pendingBytes > maxWriteCache * REPLICA_CACHE_FACTOR);
  }

  #makeStream(device: number, reservedBlockCount: number, unitFlags: number): WriteStream {
    return new WriteStream({
      blocks: this.blocks,
      device,
      unitFlags,
      reservedBlockCount,
      onSealed: (unit) => {
        this.#turnover.noteSealed(unit);
        this.flushers[device].add(unit);
      },
      onClosed: (block) => this.#turnover.noteClosed(block),
    });
  }

  #makeFlusher(device: number, writer: PageWriter, { clock, onFailure, pages }: DiskSpaceOptions): Flusher {
    return new Flusher({
      blocks: this.blocks,
      device,
      pages: writer,
      clock,
      gather: () => {
        if (this.commits) this.#streams[device].seal();
      },
      unitSizeBytes: () => this.#settings.flushSize,
      syncs: () => this.commits || !this.#settings.disableOdsync,
      onDurable: (units, wasFaulty) => {
        // A round without units may have written pages to the other devices alone.
        const isWritten = units.length > 0 || wasFaulty;
        // A device that was faulty may lack pages that the others have.
        if (isWritten && this.watch.onWritten(device)) pages.markAllDirty();
        this.#turnover.noteDurable(units);
      },
      onFault: (error) => this.watch.onWriteFault(device, error),
      onSlow: (durationMs) => this.reports.slow(device, durationMs),
      onFailure,
    });
  }

  /** Moves what waits to be written to a device to the others; whether all of it found room. */
  #evacuate(device: number): boolean {
    this.#streams[device].close();
    this.#moves[device].close();
    return this.#evacuation.run(this.flushers[device]);
  }

  /** Number of the append up to which everything is synced; without syncs (`disable-odsync`), written. */
  get durablePosition(): number {
    let first = Infinity;
    for (const { firstPosition } of this.flushers) first = Math.min(first, firstPosition);
    // What was moved to another device counts as not synced until the copies are.
    for (const { firstPosition } of this.#evacuation.units) first = Math.min(first, firstPosition);
    for (const streams of [this.#streams, this.#moves]) {
      for (const { unit } of streams) if (unit !== undefined) first = Math.min(first, unit.firstPosition);
    }
    return first === Infinity ? this.#position : first - 1;
  }
}
