/**
 * Random histories of a store on a disk whose power is cut, and the model that says what may be found afterwards: for
 * each record the version last known to be safe, or a later one, and never anything else.
 *
 * @module
 */

import { assert, equalBytes, PARTITION_COUNT, ResultCode, utf8 } from "../../base/mod.ts";
import type { NamespaceSettings, StorageSettings } from "../../config/mod.ts";
import { BinTable } from "../../record/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { RecordWalk } from "../record_walk.ts";
import { nextGeneration } from "../record_write.ts";
import type { NamespaceStore } from "../store.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings } from "../testing.ts";
import { Checkpoint } from "./checkpoint.ts";
import type { StartReport } from "./cold_start.ts";
import { DiskDefragmentationTask } from "./disk_defragmentation.ts";
import { checkpointFiles } from "./sealed_files.ts";
import { loadStore, openStore } from "./open_store.ts";
import { DiskTombRaid } from "./tomb_scan.ts";
import { rotSome } from "./rot_testing.ts";
import { CrashDisk, settle, turn } from "./testing.ts";

/** One version of a record: a value with its end of life, or no record. */
type Version = { value: number; generation: number; voidTime: number } | undefined;

interface Known {
  /** Versions in their order; index 0 is "never written". */
  versions: Version[];
  /** Index of the version that must be found, or a later one. */
  safe: number;
}

/** Where the key of encrypted histories is. */
const KEY_PATH = "/etc/key.dat";

/** How histories run. */
export interface CrashOptions {
  /** Decides everything. */
  seed: number;
  /** Where records are read from. */
  kind: "device" | "memory";
  /** Replies wait for a sync. */
  commit: boolean;
  /** Files of the namespace. */
  fileCount?: number;
  /** Each file has a shadow. */
  shadows?: boolean;
  /** Between two lives a device or its shadow is sometimes replaced by an empty one. */
  replaces?: boolean;
  /** Between two lives bytes of one of a device and its shadow become others: of each block always on the same one. */
  rots?: boolean;
  /** Records. */
  keyCount?: number;
  /** Largest value in bytes. */
  valueSizeMax?: number;
  /** How records are compressed; it also changes now and then. */
  compression?: StorageSettings["compression"];
  /** How records are encrypted; undefined for not. */
  encryption?: StorageSettings["encryption"];
  /** When checkpoints of the index are made: never, at stops in order (the default), or all the time. */
  checkpoints?: "never" | "at stops" | "always";
}

/** What a history knows in the moment in which the power goes. */
export interface CutMoment {
  /** The disk as a start finds it. */
  disk: CrashDisk;
  /** Number of the write or sync, over all lives of the history. */
  operation: number;
  /** What may be found. */
  known: Known[];
  nowMs: number;
  value: number;
  compression: StorageSettings["compression"];
}

const MIB = 1024 * 1024;
const compute = createCompute();

/** A store, its disk and the model, through any number of power cuts. */
export class CrashHistory {
  /** Present time. */
  readonly clock: TestClock = new TestClock();
  /** Lines of the store. */
  readonly log: TestLog = new TestLog();
  /** The disk. */
  disk: CrashDisk;
  /** The store. */
  store!: NamespaceStore;
  /** What no fault of the disk explains. */
  failure: unknown;
  /** Tombstones removed in the present life of the store. */
  raidedCount = 0;
  /** Power cuts so far. */
  crashCount = 0;
  /** Starts so far, by kind. */
  readonly starts: Record<StartReport["kind"], number> = { cold: 0, fast: 0, replay: 0 };
  /** Index checkpoints completed so far, those at stops in order not counted. */
  checkpointCount = 0;
  readonly #options: CrashOptions;
  readonly #random: TestRandom;
  readonly #settings: NamespaceSettings;
  readonly #known: Known[];
  readonly #table = new BinTable();
  readonly #entry = new EntryRef();
  #value = 0;
  #lifeCount = 0;

  /**
   * @param options what kind of history
   * @param moment a power cut of another history of this kind, which goes on here
   */
  constructor(options: CrashOptions, moment?: CutMoment) {
    this.#options = options;
    this.#random = new TestRandom(options.seed ^ (moment?.operation ?? 0));
    this.disk = moment?.disk ?? new CrashDisk(new TestRandom(options.seed ^ 0x5bd1e995));
    const files = Array.from(
      { length: options.fileCount ?? 1 },
      (_, index) => options.shadows ? `/data/${index}.dat /shadow/${index}.dat` : `/data/${index}.dat`,
    );
    this.#settings = testSettings({
      maxRecordSize: 256 * 1024,
      partitionTreeSprigs: 16,
      tombRaiderEligibleAge: 0,
      storage: {
        kind: options.kind,
        files,
        filesize: 16 * MIB,
        commitToDevice: options.commit,
        postWriteCache: 2 * MIB,
        flushSize: 64 * 1024,
        flushMaxMs: 200,
        compression: options.compression ?? "none",
        encryption: options.encryption ?? "aes-128",
        encryptionKeyFile: options.encryption === undefined ? "" : KEY_PATH,
        indexCheckpointBytesPerHour: options.checkpoints === "never" ? 0 : 1024 * 1024 * MIB,
      },
    });
    if (moment !== undefined) {
      this.clock.advance(moment.nowMs);
      this.#value = moment.value;
      this.#settings.storage.compression = moment.compression;
      this.#known = moment.known;
      return;
    }
    this.disk.place(KEY_PATH, utf8("sixteen bytes or more of a key"));
    this.#known = Array.from({ length: options.keyCount ?? 60 }, () => ({ versions: [undefined], safe: 0 }));
  }

  /** What is known when the power goes now, at a write or sync; this history goes on. */
  moment(cut: (random: TestRandom) => CrashDisk, operation: number): CutMoment {
    return {
      disk: cut(new TestRandom(this.#options.seed ^ Math.imul(operation, 0x9e3779b1))),
      operation,
      known: this.#known.map(({ versions, safe }) => ({ versions: versions.slice(safe), safe: 0 })),
      nowMs: this.clock.monotonicMs(),
      value: this.#value,
      compression: this.#settings.storage.compression,
    };
  }

  /** Opens the store and loads it. */
  async open(): Promise<void> {
    const { clock, log } = this;
    const onFailure = (error: unknown) => this.failure = error;
    this.store = await settle(
      clock,
      openStore({
        settings: this.#settings,
        clock,
        random: this.#random,
        disk: this.disk,
        compute,
        host: { environment: () => undefined },
        log,
        cluster: "",
        onFailure,
      }),
    );
    const { checkpoint } = this.store;
    if (checkpoint !== undefined) {
      const { store, disk: files } = this;
      const eager = { periodMinMs: 100, batchPageCount: 1 };
      store.checkpoint = new Checkpoint({
        store,
        files: checkpointFiles(files, store.disk!.blocks.devices, { compute, random: this.#random, clock }),
        path: checkpoint.path,
        clock,
        log,
        compute,
        ...eager,
      });
    }
    await settle(clock, loadStore(this.store, { clock, log, compute }));
    const { kind } = this.store.start!;
    this.starts[kind]++;
  }

  /** Cuts the power, starts again, and checks everything. */
  async crash(): Promise<void> {
    this.#losePower();
    await this.open();
    await this.check();
  }

  /** Cuts the power, and once more at a write or sync of the start that follows; false when it has fewer. */
  async crashWhileStarting(operation: number): Promise<boolean> {
    this.#losePower();
    this.disk.crashAt = this.disk.operationCount + operation;
    let isDone = false;
    const opened = this.open().then(() => isDone = true);
    opened.catch(() => {});
    while (!this.disk.isDown && !isDone) await turn(this.clock);
    this.disk.crashAt = Infinity;
    return this.disk.isDown;
  }

  #losePower(): void {
    this.crashCount++;
    this.checkpointCount += this.store.checkpoint?.completedCount ?? 0;
    this.disk = this.disk.restarted();
    this.#harm();
  }

  /** What befalls disks between two lives. */
  #harm(): void {
    this.#replaceSome();
    if (this.#options.rots) rotSome(this.disk, { ...this.#options, life: this.#lifeCount });
  }

  /** The other one has all that is safe. */
  #replaceSome(): void {
    const { seed, shadows, replaces, fileCount = 1 } = this.#options;
    const choice = new TestRandom(seed * 31 + this.#lifeCount++).below(4 * fileCount);
    if (!shadows || !replaces || choice >= 2 * fileCount) return;
    this.disk.blank(`/${choice % 2 === 0 ? "data" : "shadow"}/${choice >> 1}.dat`);
  }

  /** Stops in order, starts again, and checks everything. */
  async restart(): Promise<void> {
    await settle(this.clock, this.store.close());
    this.#allSafe();
    this.#harm();
    await this.open();
    await this.check();
  }

  /** Runs random operations until the power is gone, some number of them is done, or `isOver`, asked after each, says so. */
  async run(
    count: number,
    isOver: () => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<void> {
    const defragmentation = new DiskDefragmentationTask(this.store);
    for (let done = 0; done < count && !this.disk.isDown; done++) {
      await this.#operate(defragmentation);
      if (this.failure !== undefined) throw this.failure;
      if (await isOver()) return;
    }
  }

  async #operate(defragmentation: DiskDefragmentationTask): Promise<void> {
    const random = this.#random;
    if (this.#options.checkpoints === "always" && random.below(2) === 0) {
      this.store.checkpoint?.step(this.clock);
    }
    const kind = random.below(100);
    if (kind < 55) this.#put(random.below(this.#known.length));
    else if (kind < 68) this.#remove(random.below(this.#known.length));
    else if (kind < 75) this.clock.advance(random.below(400));
    else if (kind < 78) this.#expire();
    else if (kind < 80 && !this.#options.commit) await this.#flush();
    else if (kind < 81) await this.#raid();
    else if (kind < 82) this.#changeCompression();
    else if (kind < 90) { for (let slice = 0; slice < 5; slice++) await this.#step(defragmentation); }
    for (let turns = random.below(4); turns > 0; turns--) await turn(this.clock);
  }

  async #step(defragmentation: DiskDefragmentationTask): Promise<void> {
    if (defragmentation.isNeeded) defragmentation.step(this.clock, this.clock.monotonicMs());
    await turn(this.clock);
  }

  #put(number: number): void {
    const { store } = this;
    const entry = this.#entry;
    const digest = digestOf(number);
    const exists = store.find(digest, 0, entry);
    const live = exists && store.isLive(entry, store.nowMs());
    const value = ++this.#value;
    this.#fill(value);
    const nowS = Math.floor(store.nowMs() / 1000);
    const voidTime = this.#random.below(3) === 0 ? nowS + 1 + this.#random.below(4) : 0;
    const generation = live || (exists && entry.isTombstone) ? nextGeneration(entry.generation) : 1;
    const resultCode = store.put(
      {
        digest,
        digestAt: 0,
        lastUpdateMs: store.nextLastUpdateMs(exists ? entry : undefined, undefined),
        generation,
        voidTime,
        set: undefined,
        key: undefined,
        table: this.#table,
        origin: "client",
      },
      entry,
      exists,
    );
    this.#note(number, resultCode, { value, generation, voidTime });
  }

  /** Histories with compression set it anew now and then: what is there must stay readable. */
  #changeCompression(): void {
    if (this.#options.compression === undefined) return;
    const choice = this.#random.below(8);
    const other = (["none", "lz4", "snappy", "zstd"] as const)[choice];
    this.#settings.storage.compression = other ?? this.#options.compression;
  }

  /** Bins of a value: its number, and bytes that follow from it. */
  #fill(value: number): void {
    const size = 1 + this.#random.below(this.#options.valueSizeMax ?? 60_000);
    const request = new Uint8Array(1 + 4 + size);
    request.set(utf8("b"));
    new DataView(request.buffer).setUint32(1, value);
    fillValue(request.subarray(5), value);
    this.#table.reset(request, request);
    this.#table.setFromRequest(this.#table.add(1, 0, 1), PARTICLE.BLOB, 1, 4 + size);
  }

  #remove(number: number): void {
    const { store } = this;
    const digest = digestOf(number);
    if (!store.find(digest, 0, this.#entry) || !store.isLive(this.#entry, store.nowMs())) return;
    this.#note(number, store.bury(digest, 0, this.#entry, { origin: "client" }), undefined);
  }

  #note(number: number, resultCode: number, version: Version): void {
    if (resultCode !== ResultCode.OK) {
      assert(
        resultCode === ResultCode.OUT_OF_SPACE || resultCode === ResultCode.DEVICE_OVERLOAD,
        `result ${resultCode}`,
      );
      return;
    }
    const known = this.#known[number];
    const index = known.versions.push(version) - 1;
    const makeSafe = { onDurable: () => void (known.safe = Math.max(known.safe, index)) };
    const holds = this.store.takeHolds();
    for (const unit of holds) unit.wait(makeSafe);
    // Nothing keeps the reply back: whoever asked for commits takes it for safe.
    if (this.#options.commit && holds.length === 0) makeSafe.onDurable();
  }

  #expire(): void {
    const { store, clock } = this;
    const nowMs = store.nowMs();
    const walk = new RecordWalk(
      store,
      (entry) => !entry.isTombstone && store.isExpired(entry, nowMs) ? "expiry" : undefined,
    );
    while (!walk.step(clock, Infinity));
  }

  /** Removes all tombstones of which no older copy is left. */
  async #raid(): Promise<void> {
    const raid = new DiskTombRaid(this.store, () => true);
    for (let count = 0; count < 2000 && !this.disk.isDown; count++) {
      if (raid.step(this.clock, this.clock.monotonicMs() + 1) === undefined) {
        this.raidedCount = this.store.supervision.raidedTombstones;
        return;
      }
      if (!await turn(this.clock)) this.clock.step();
    }
  }

  /** Everything written before a flush is safe once it has ended. */
  async #flush(): Promise<void> {
    const counts = this.#known.map(({ versions }) => versions.length - 1);
    let isDone = false;
    const flushed = this.store.disk!.flush().then(() => isDone = true);
    for (let count = 0; count < 200 && !isDone && !this.disk.isDown; count++) {
      if (!await turn(this.clock)) this.clock.step();
    }
    void flushed;
    if (isDone) this.#known.forEach((known, number) => known.safe = Math.max(known.safe, counts[number]));
  }

  #allSafe(): void {
    for (const known of this.#known) known.safe = known.versions.length - 1;
  }

  /** What every record is, in words; those that have expired at a time, in ms since 2010, are none. */
  async records(nowMs: number): Promise<string[]> {
    const texts: string[] = [];
    for (const number of this.#known.keys()) {
      const found = await this.#read(number);
      const isOver = found === undefined || (found.voidTime !== 0 && found.voidTime * 1000 < nowMs);
      texts.push(`record ${number} is ${isOver ? "none" : JSON.stringify(found)}`);
    }
    return texts;
  }

  /** Reads every record and compares it with what may be there; what is found is what counts from now on. */
  async check(): Promise<void> {
    const nowMs = this.store.nowMs();
    for (const [number, known] of this.#known.entries()) {
      const found = await this.#read(number);
      const at = this.#place(known, found, nowMs);
      if (at < 0) assert(false, this.#complaint(number, known, found));
      known.versions = [known.versions[at]];
      known.safe = 0;
    }
    this.#checkCounts();
  }

  /** Index of the version that was found; -1 when it may not be there. */
  #place({ versions, safe }: Known, found: Version, nowMs: number): number {
    for (let index = versions.length - 1; index >= safe; index--) {
      const version = versions[index];
      const isOver = version === undefined || (version.voidTime !== 0 && version.voidTime * 1000 < nowMs);
      if (found === undefined ? isOver : version?.value === found.value) {
        const isSame = found === undefined ||
          (version!.generation === found.generation && version!.voidTime === found.voidTime);
        if (isSame) return index;
      }
    }
    return -1;
  }

  #complaint(number: number, { versions, safe }: Known, found: Version): string {
    const wanted = versions.slice(safe).map((version) => JSON.stringify(version) ?? "none").join(", ");
    return `seed ${this.#options.seed}, power cut ${this.crashCount}: record ${number} is ` +
      `${JSON.stringify(found) ?? "none"}, not one of ${wanted}`;
  }

  async #read(number: number): Promise<Version> {
    const { store } = this;
    const entry = this.#entry;
    for (let tries = 0; tries < 100; tries++) {
      if (!store.find(digestOf(number), 0, entry) || !store.isLive(entry, store.nowMs())) return undefined;
      const loaded = store.load(entry, { wake: () => {} });
      assert(loaded !== LOADED.FAILED, `record ${number} can be read: ${this.log.lines.at(-1)}`);
      if (loaded === LOADED.HERE) return this.#decode();
      for (let count = 0; count < 5; count++) await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  #decode(): Version {
    const { flat } = this.store;
    this.#table.reset(flat.bytes, flat.bytes);
    flat.loadBins(this.#table);
    const at = this.#table.valueAt[0];
    const blob = this.#table.valueBuffer(0).subarray(at, at + this.#table.valueSize[0]);
    const value = new DataView(blob.buffer, blob.byteOffset).getUint32(0);
    const wanted = new Uint8Array(blob.length - 4);
    fillValue(wanted, value);
    assert(equalBytes(wanted, 0, blob, 4, wanted.length), "A value is whole");
    return { value, generation: flat.generation, voidTime: flat.voidTime };
  }

  /** The blocks know what is in them. */
  #checkCounts(): void {
    const { index, disk } = this.store;
    let usedBytes = 0;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      index.forEach(partition, undefined, (entry) => {
        usedBytes += entry.sizeUnits * 16 + 4;
        return true;
      });
    }
    assert(
      usedBytes === disk!.usedBytes,
      `the blocks hold ${disk!.usedBytes} bytes, the entries say ${usedBytes}`,
    );
  }
}

const digests: Uint8Array[] = [];

/** The digest of a record; made once. */
function digestOf(number: number): Uint8Array {
  return digests[number] ??= testDigest(number);
}

/** The bytes of a value: of every three one that compresses well, one that does somewhat, and one that does not. */
function fillValue(bytes: Uint8Array, value: number): void {
  const kind = value % 3;
  if (kind === 0) return void bytes.fill(value);
  let state = value;
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[at] = kind === 1 ? 97 + ((state >>> 16) & 7) : state >>> 16;
  }
}
