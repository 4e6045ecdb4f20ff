/**
 * Index checkpoints: writes the pages of the primary index that have changed to a file, a few at a time under a budget of
 * bytes per hour, and then the map that says what belongs together. At a stop in order it writes the rest at once.
 * What a checkpoint promises, and why a start may believe it, is in docs/format/checkpoint.md; `fast_start.ts` reads it.
 *
 * Phases: idle → pages (taken one by one, in the order of their numbers) → drain (until everything is synced that the
 * pages tell of) → commit (page file synced, map replaced) → idle. What fails is tried again in the next round: pages
 * whose writing is in doubt count as changed again.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import type { Clock, Compute, Disk, DiskFile, Log } from "../../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "../background.ts";
import { PAGE_MARK, PAGE_WORD_COUNT } from "../index.ts";
import type { NamespaceStore } from "../store.ts";
import { DISK_BLOCK } from "./blocks.ts";
import { FRAME_SIZE_BYTES, FrameTable } from "./checkpoint_frames.ts";
import { type CheckpointMap, type CompleteState, decodeMap, encodeMap } from "./checkpoint_map.ts";
import type { DiskSpace } from "./disk_space.ts";

/** Largest map that is read: room for the pages of four thousand million records. */
const MAP_SIZE_MAX_BYTES = 1024 * 1024 * 1024;
/** Shortest time from one checkpoint to the next. */
const PERIOD_MIN_MS = 60_000;
/** Time between two looks at whether there is something to do, or whether settings have changed. */
const IDLE_MS = 1000;
/** Pause while a write is under way, or a sync is waited for. */
const WAIT_MS = 5;
const DRAIN_WAIT_MS = 50;
/** What has not been flushed by itself after this time (`flush-max-ms 0`) is flushed for the checkpoint. */
const DRAIN_PATIENCE_MS = 5000;
/** Pages that are written at a time: in the background, and when the node stops. */
const BATCH_PAGE_COUNT = 32;
const FINISH_BATCH_PAGE_COUNT = 1024;
/** Marks that are looked at in a slice. */
const LOOK_COUNT_MAX = 64 * 1024;
const MS_PER_HOUR = 3_600_000;
/** Stands in a map for the use of a block that can't be read. */
export const BAD_BLOCK_USE = 0xffff_ffff;

/** What a checkpoint needs. */
export interface CheckpointOptions {
  /** The records; they are on devices. */
  store: NamespaceStore;
  /** Files. */
  files: Disk;
  /** Path of the page file; the map's is `-map` longer. */
  path: string;
  /** Time. */
  clock: Clock;
  /** Lines about what can't be written. */
  log: Log;
  /** Checksums. */
  compute: Compute;
  /** Shortest time from one checkpoint to the next in ms; tests shorten it. */
  periodMinMs?: number;
  /** Pages that are written at a time in the background; tests take them one by one. */
  batchPageCount?: number;
}

type Phase = "idle" | "pages" | "drain" | "commit";

/** See the head of the file. */
export class Checkpoint implements BackgroundTask {
  /** Checkpoints completed in this run. */
  completedCount = 0;
  /** Bytes written by checkpoints in this run. */
  writtenBytes = 0;
  /** Bytes of a page of the index. */
  readonly pageSizeBytes: number = FRAME_SIZE_BYTES;
  #completedMs: number;
  readonly #options: CheckpointOptions;
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  #file: DiskFile | undefined;
  #frames = new FrameTable();
  #number = 0;
  #phase: Phase = "idle";
  #isReady = false;
  #isStopped = false;
  #isWaiting = false;
  #work: Promise<void> = Promise.resolve();
  #nextMs: number;
  #allowedMs = 0;
  #drainMs = 0;
  #failedCount = 0;
  // Of the checkpoint under way.
  #mark = -1;
  #openBlocks: readonly number[] = [];
  #page = 0;
  #endPage = 0;
  #position = 0;
  #unsynced: number[] = [];

  /** @param options the store and the ports */
  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#disk = options.store.disk!;
    this.#completedMs = options.clock.monotonicMs();
    this.#nextMs = this.#completedMs + this.#periodMinMs;
  }

  /** Path of the page file. */
  get path(): string {
    return this.#options.path;
  }

  /** Seconds since the last one was completed in this run, or since the start. */
  get ageS(): number {
    return Math.floor((this.#options.clock.monotonicMs() - this.#completedMs) / 1000);
  }

  /** Bytes that checkpoints may write per hour, 0 for none. */
  get bytesPerHour(): number {
    return this.#store.settings.storage.indexCheckpointBytesPerHour;
  }

  /** Pages that wait to be written. */
  get dirtyPageCount(): number {
    const { pageMarks, pageCount } = this.#store.index;
    let count = 0;
    for (let page = 0; page < pageCount; page++) if ((pageMarks[page] & PAGE_MARK.CONTENT) !== 0) count++;
    return count;
  }

  /** The checkpoint on the disk: undefined when there is none, a text when it is no use. */
  async read(): Promise<CheckpointMap | string | undefined> {
    const { files, compute } = this.#options;
    try {
      return decodeMap(await files.readFile(this.#mapPath, MAP_SIZE_MAX_BYTES), compute);
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return undefined;
      return (error as Error).message;
    }
  }

  /** Makes the checkpoint on the disk one of this run, which replays from the same mark if it does not get further. */
  async renew(map: CheckpointMap): Promise<void> {
    this.#number = map.number;
    this.#frames = new FrameTable(map.pageFrames, map.pageChecksums);
    await this.#write({ ...map, runId: this.#runId, complete: undefined });
  }

  /** The page file; made when it is missing. */
  async open(): Promise<DiskFile> {
    return this.#file ??= await this.#options.files.open(this.path, { write: true, create: true });
  }

  /** Deletes the checkpoint on the disk; nothing happens when there is none. */
  async discard(): Promise<void> {
    const { files } = this.#options;
    this.#frames = new FrameTable();
    // A folder may forget a deletion when the power goes, a replacement it does not.
    await files.replaceFile(this.#mapPath, new Uint8Array(0)).catch(() => {});
    // One that stays is no use to the next start either: it is of another run.
    await files.remove(this.#mapPath).catch((error: Error) => this.#log("warning", error.message));
  }

  /** The store is loaded: checkpoints may be made from now on. */
  begin(): void {
    this.#isReady = true;
  }

  /**
   * The index has turned out to be wrong, and so the checkpoint that it came from: none is left, none is made, and the
   * next start reads everything.
   */
  distrust(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#log(
      "critical",
      `the index, which came from the checkpoint "${this.path}", does not match the records on the devices; the ` +
        "checkpoint is deleted. Restart the node: it then reads all records anew",
    );
    this.#work = this.#work.then(() => this.discard());
  }

  /** See {@linkcode BackgroundTask.step}; never done before the end. */
  step(clock: Clock): number | undefined {
    if (this.#isStopped || !this.#isReady) return undefined;
    if (this.#isWaiting) return WAIT_MS;
    const nowMs = clock.monotonicMs();
    switch (this.#phase) {
      case "idle":
        return this.#idle(nowMs);
      case "pages":
        return this.#takePages(nowMs);
      case "drain":
        return this.#drain(nowMs);
      case "commit":
        this.#wait(this.#commit(undefined).then(() => this.#end(clock.monotonicMs())));
        return WAIT_MS;
    }
  }

  /** The node stops: writes what is left, and a map that says that nothing is missing. Nothing may change any more. */
  async finish(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#work;
    const { fault, durablePosition, position, hasUnsyncedPages } = this.#disk;
    const isWhole = fault === "" && durablePosition === position && !hasUnsyncedPages;
    if (this.#isReady && this.bytesPerHour > 0 && isWhole) {
      await this.#writeAll().catch((error: Error) => this.#noteFailure(error));
    }
    await this.#file?.close();
  }

  async #writeAll(): Promise<void> {
    await this.open();
    this.#beginRound();
    while (this.#page < this.#endPage) {
      const batch = this.#gather(PAGE_MARK.CONTENT | PAGE_MARK.LINKS, FINISH_BATCH_PAGE_COUNT);
      await this.#writeBatch(batch);
    }
    await this.#commit(this.#completeState());
  }

  get #mapPath(): string {
    return `${this.path}-map`;
  }

  get #runId(): Uint8Array {
    return this.#disk.blocks.devices[0].header.runId;
  }

  get #periodMinMs(): number {
    return this.#options.periodMinMs ?? PERIOD_MIN_MS;
  }

  #idle(nowMs: number): number {
    if (this.bytesPerHour === 0 || nowMs < this.#nextMs || nowMs < this.#allowedMs) return IDLE_MS;
    if (this.#disk.blocks.lastSequence === this.#mark && this.dirtyPageCount === 0) return IDLE_MS;
    this.#beginRound();
    this.#phase = "pages";
    this.#wait(this.open().then(() => {}));
    return WAIT_MS;
  }

  #beginRound(): void {
    const { blocks } = this.#disk;
    this.#mark = blocks.lastSequence;
    this.#openBlocks = blocks.openBlocks();
    this.#page = 0;
    this.#endPage = this.#store.index.pageCount;
    this.#frames.rewind();
  }

  #takePages(nowMs: number): number {
    if (nowMs < this.#allowedMs) return Math.min(IDLE_MS, Math.ceil(this.#allowedMs - nowMs));
    const countMax = this.#options.batchPageCount ?? BATCH_PAGE_COUNT;
    const batch = this.#gather(PAGE_MARK.CONTENT, countMax);
    if (batch.runs.length > 0) {
      this.#wait(this.#writeBatch(batch));
      this.#spend(batch.bytes.length, nowMs);
    } else if (this.#page >= this.#endPage) {
      this.#position = this.#disk.position;
      this.#drainMs = nowMs;
      this.#phase = "drain";
    }
    return SLICE_PAUSE_MS;
  }

  #spend(countBytes: number, nowMs: number): void {
    const bytesPerMs = Math.max(1, this.bytesPerHour) / MS_PER_HOUR;
    this.#allowedMs = Math.max(nowMs, this.#allowedMs) + countBytes / bytesPerMs;
  }

  /** Copies changed pages, gives them frames, and says where which bytes go. */
  #gather(marks: number, countMax: number): Batch {
    const { index } = this.#store;
    const { pageMarks } = index;
    const bytes = new Uint8Array(countMax * FRAME_SIZE_BYTES);
    const words = new Uint32Array(bytes.buffer);
    const runs: Batch["runs"] = [];
    let count = 0;
    const lookEnd = Math.min(this.#endPage, this.#page + LOOK_COUNT_MAX);
    for (; this.#page < lookEnd && count < countMax; this.#page++) {
      if ((pageMarks[this.#page] & marks) === 0) continue;
      words.set(index.page(this.#page), count * PAGE_WORD_COUNT);
      const at = count++ * FRAME_SIZE_BYTES;
      const checksum = this.#options.compute.crc32(bytes.subarray(at, at + FRAME_SIZE_BYTES));
      const frame = this.#frames.place(this.#page, checksum);
      pageMarks[this.#page] = 0;
      this.#unsynced.push(this.#page);
      const last = runs.at(-1);
      if (last !== undefined && last.frame + last.count === frame) last.count++;
      else runs.push({ frame, at, count: 1 });
    }
    return { bytes: bytes.subarray(0, count * FRAME_SIZE_BYTES), runs };
  }

  async #writeBatch({ bytes, runs }: Batch): Promise<void> {
    for (const { frame, at, count } of runs) {
      await this.#file!.write(frame * FRAME_SIZE_BYTES, bytes.subarray(at, at + count * FRAME_SIZE_BYTES));
    }
    this.writtenBytes += bytes.length;
  }

  /** Waits until everything is synced that was appended before the last page was copied. */
  #drain(nowMs: number): number {
    const { durablePosition, hasUnsyncedPages } = this.#disk;
    if (durablePosition >= this.#position && !hasUnsyncedPages) {
      this.#phase = "commit";
      return 0;
    }
    if (nowMs - this.#drainMs >= DRAIN_PATIENCE_MS) {
      this.#drainMs = nowMs;
      this.#disk.sealAll();
    }
    return DRAIN_WAIT_MS;
  }

  async #commit(complete: CompleteState | undefined): Promise<void> {
    await this.#file!.sync();
    await this.#disk.syncWritten();
    const { blocks } = this.#disk;
    const { devices, blockSizeBytes } = blocks;
    this.#number++;
    await this.#write({
      number: this.#number,
      runId: this.#runId,
      setId: devices[0].header.setId,
      mark: this.#mark,
      blockSizeBytes,
      seeds: this.#store.index.seeds,
      devices: devices.map(({ header, blockCount }) => ({ id: header.deviceId, blockCount })),
      openBlocks: this.#openBlocks,
      setNames: [...this.#store.sets].map(({ nameBytes }) => nameBytes),
      pageFrames: this.#frames.pageFrames.subarray(0, this.#frames.pageCount),
      pageChecksums: this.#frames.pageChecksums.subarray(0, this.#frames.pageCount),
      complete,
    });
    this.#unsynced = [];
  }

  async #write(map: CheckpointMap): Promise<void> {
    const bytes = encodeMap(map, this.#options.compute);
    this.#frames.hold();
    await this.#options.files.replaceFile(this.#mapPath, bytes);
    this.#frames.release();
    this.writtenBytes += bytes.length;
    this.#spend(bytes.length, this.#options.clock.monotonicMs());
  }

  #end(nowMs: number): void {
    this.#phase = "idle";
    this.#nextMs = nowMs + this.#periodMinMs;
    this.completedCount++;
    this.#completedMs = nowMs;
    if (this.#failedCount > 0) this.#log("info", `index checkpoint "${this.path}" is written again`);
    this.#failedCount = 0;
  }

  #wait(work: Promise<void>): void {
    this.#isWaiting = true;
    this.#work = work.catch((error: Error) => this.#noteFailure(error)).finally(() =>
      this.#isWaiting = false
    );
  }

  /** Nobody knows what of this round is on the disk: all its pages are written once more. */
  #noteFailure(error: Error): void {
    const { pageMarks } = this.#store.index;
    for (const page of this.#unsynced) pageMarks[page] |= PAGE_MARK.CONTENT;
    this.#unsynced = [];
    this.#phase = "idle";
    this.#mark = -1;
    this.#nextMs = this.#options.clock.monotonicMs() + this.#periodMinMs;
    if (this.#failedCount++ > 0) return;
    this.#log(
      "warning",
      `the index checkpoint can't be written: ${error.message}. The next start may have to read all records`,
    );
  }

  #completeState(): CompleteState {
    const store = this.#store;
    const { blocks } = this.#disk;
    const blockUsedBytes = blocks.usedBytes.slice();
    for (let block = 0; block < blocks.count; block++) {
      if (blocks.state[block] === DISK_BLOCK.BAD) blockUsedBytes[block] = BAD_BLOCK_USE;
    }
    const { frame } = store.index;
    assert(store.index.pageCount <= this.#frames.pageCount, "All pages are written");
    return {
      frame,
      nonExpirableCount: store.counts.nonExpirable,
      partitionTombstoneCounts: store.counts.partitionTombstones,
      sets: [...store.sets],
      blockSequences: blocks.sequence,
      blockUsedBytes,
    };
  }

  #log(level: "info" | "warning" | "critical", message: string): void {
    this.#options.log.write(level, "drv_ssd", `{${this.#store.settings.name}} ${message}`);
  }
}

interface Batch {
  bytes: Uint8Array;
  /** Frames in a row, with the offset of the first one's content in `bytes`. */
  runs: { frame: number; at: number; count: number }[];
}
