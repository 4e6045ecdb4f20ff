/**
 * Writes the sealed units of one device, and syncs: group commit. While a round is under way, what is sealed gathers for
 * the next one; each round writes all that is there and syncs once.
 *
 * A round that fails is done again from the beginning, writes and all: after a failed sync nobody knows which bytes the
 * system has kept. Until a round succeeds the device counts as faulty; `device_watch.ts` says what follows.
 *
 * @module
 */

import type { Clock } from "../../port/mod.ts";
import type { BlockCipher } from "./block_cipher.ts";
import type { DiskBlocks } from "./blocks.ts";
import type { FlushUnit } from "./flush_unit.ts";
import type { PartitionPages } from "./partition_pages.ts";
import type { OpenDevice } from "./device_file.ts";

/** Pause before a failed round is done again. */
const RETRY_PAUSE_MS = 1000;
/** So long a stop waits for the last try of a failed round. */
const LAST_TRY_MAX_MS = 5000;
/** A round that takes longer is told of. */
const SLOW_ROUND_MS = 1000;

/** What a flusher needs. */
export interface FlusherOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** Number of the device. */
  device: number;
  /** Writes the partition pages, before records. */
  pages: PageWriter;
  /** Pauses. */
  clock: Clock;
  /** Seals what must be part of the next round. */
  gather: () => void;
  /** Bytes of a full unit. */
  unitSizeBytes: () => number;
  /** Whether rounds end with a sync. */
  syncs: () => boolean;
  /** Units are on the device. */
  onDurable: (units: readonly FlushUnit[], wasFaulty: boolean) => void;
  /** A round has failed. */
  onFault: (error: Error) => void;
  /** A round has taken long. */
  onSlow: (durationMs: number) => void;
  /** Something went wrong that is no fault of the disk. */
  onFailure: (error: unknown) => void;
}

/** What a {@linkcode PageWriter} writes, and where to. */
export interface PageWriterOptions {
  /** What is written. */
  pages: PartitionPages;
  /** Where to. */
  devices: readonly OpenDevice[];
  /** Whether a device is to have the pages; absent: all are. */
  isUsed?: (device: number) => boolean;
  /** A device did not take them, but others did. */
  onFault?: (device: number, error: Error) => void;
}

/**
 * Writes changed partition pages to all devices; flushers of several devices share one. The pages are safe when one of
 * the devices has them: at a start the newest count, and a device that is missing then empties them.
 */
export class PageWriter {
  readonly #options: PageWriterOptions;
  readonly #pages: PartitionPages;
  #writing: Promise<void> | undefined;

  /** @param options what is written, and where to */
  constructor(options: PageWriterOptions) {
    this.#options = options;
    this.#pages = options.pages;
  }

  /** Whether there is something to write, or a write is under way that records must come after. */
  get isNeeded(): boolean {
    return this.#pages.isDirty || this.#writing !== undefined;
  }

  /** Resolves when all that was changed before the call is synced; rejects when that failed. */
  async write(): Promise<void> {
    while (this.isNeeded) {
      this.#writing ??= this.#writeDirty().finally(() => this.#writing = undefined);
      await this.#writing;
    }
  }

  async #writeDirty(): Promise<void> {
    const { devices, isUsed = () => true, onFault } = this.#options;
    const numbers = this.#pages.takeDirty();
    const errors = new Map<number, Error>();
    let writtenCount = 0;
    for (const [device, { file, header }] of devices.entries()) {
      if (!isUsed(device)) continue;
      try {
        await allEnded(numbers.map((number) => {
          const { offsetBytes, bytes } = this.#pages.encode(number, header.deviceId);
          return file.write(offsetBytes, bytes);
        }));
        await file.sync();
        writtenCount++;
      } catch (error) {
        errors.set(device, error as Error);
      }
    }
    if (writtenCount === 0) {
      this.#pages.markDirty(numbers);
      throw errors.values().next().value ?? new Error("No device takes the partition pages");
    }
    for (const [device, error] of errors) onFault?.(device, error);
  }
}

/** See the head of the file. */
export class Flusher {
  /** Why the last round failed; empty when it did not. */
  fault = "";
  /** Bytes that are sealed and not synced. */
  pendingBytes = 0;
  /** Units written. */
  writeCount = 0;
  /** Those of them with what defragmentation moved. */
  moveCount = 0;
  /** Those of them that were written before they were full. */
  partialCount = 0;
  /** Blocks of the device that defragmentation has emptied. */
  emptiedCount = 0;
  /** Rounds that failed. */
  errorCount = 0;
  /** Longest round, in ms. */
  roundMaxMs = 0;
  /** Monotonic time at which the round under way began; Infinity when there is none. */
  roundStartMs = Infinity;
  /** The device takes nothing: nothing is written, and faults of what was under way don't count. */
  isClosed = false;
  readonly #options: FlusherOptions;
  readonly #queue: FlushUnit[] = [];
  #round: readonly FlushUnit[] = [];
  #running: Promise<void> | undefined;
  #wanted = false;
  #stopped = false;
  /** Ends the pause after a failed round. */
  #endPause: (() => void) | undefined;
  /** Told that a round has ended, well or not. */
  #onRoundEnd: (() => void) | undefined;

  /** @param options the device and whom to tell */
  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  /** Units that are sealed and not synced. */
  get queueLength(): number {
    return this.#queue.length + this.#round.length;
  }

  /** Takes a sealed unit; it is written in the next round. */
  add(unit: FlushUnit): void {
    this.#queue.push(unit);
    this.pendingBytes += unit.endBytes - unit.startBytes;
    this.kick();
  }

  /** The unit with a byte of a block, if it is not synced. */
  pendingUnit(block: number, offsetBytes: number): FlushUnit | undefined {
    const covers = (unit: FlushUnit) =>
      unit.block === block && unit.startBytes <= offsetBytes && offsetBytes < unit.endBytes;
    return this.#queue.find(covers) ?? this.#round.find(covers);
  }

  /** The unit that was sealed last, if it is not synced. */
  get lastUnit(): FlushUnit | undefined {
    return this.#queue.at(-1) ?? this.#round.at(-1);
  }

  /** Number of the first append that is sealed and not synced, Infinity when all are. */
  get firstPosition(): number {
    let first = Infinity;
    for (const units of [this.#round, this.#queue]) {
      for (const { firstPosition } of units) first = Math.min(first, firstPosition);
    }
    return first;
  }

  /** Starts a round, in a later turn, so that what comes in this one is part of it. */
  kick(): void {
    this.#wanted = true;
    if (this.#running !== undefined || this.#stopped || this.isClosed) return;
    this.#running = new Promise((resolve) => {
      this.#options.clock.nextTurn(() => {
        this.#run().catch(this.#options.onFailure).finally(() => {
          this.#running = undefined;
          if (this.#wanted) this.kick();
          resolve();
        });
      });
    });
  }

  /** Resolves when nothing is left to write, or at once when the device is faulty. */
  async drain(): Promise<void> {
    while (this.#running !== undefined && this.fault === "" && !this.isClosed) await this.#running;
  }

  /** Does a round that has failed again at once; resolves when that has ended, well or not, or takes too long. */
  async tryAgain(): Promise<void> {
    if (this.fault === "" || this.isClosed || this.#running === undefined) return;
    await new Promise<void>((resolve) => {
      const limit = this.#options.clock.after(LAST_TRY_MAX_MS, resolve);
      this.#onRoundEnd = () => {
        limit.cancel();
        resolve();
      };
      this.#endPause?.();
    });
    this.#onRoundEnd = undefined;
  }

  /** Gives up all units that are not synced, for who brings them elsewhere. */
  takeAll(): FlushUnit[] {
    const units = [...this.#round, ...this.#queue.splice(0)];
    this.#round = [];
    this.pendingBytes = 0;
    this.fault = "";
    this.#wanted = false;
    return units;
  }

  /** No further round is begun. */
  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      this.#options.gather();
      // What was sealed since goes with a round that is done again: nobody else would write it.
      if (this.#queue.length > 0) this.#round = [...this.#round, ...this.#queue.splice(0)];
      if (this.#round.length === 0 && !this.#options.pages.isNeeded) continue;
      const startMs = this.roundStartMs = this.#options.clock.monotonicMs();
      const round = this.#round;
      try {
        await this.#writeRound();
      } catch (error) {
        this.roundStartMs = Infinity;
        if (this.isClosed) continue;
        this.#noteFault(error as Error);
        this.#onRoundEnd?.();
        await this.#pause();
        continue;
      }
      this.roundStartMs = Infinity;
      this.#noteTime(this.#options.clock.monotonicMs() - startMs);
      // What was under way when the device was closed is elsewhere by now.
      if (this.#round === round) this.#settleRound();
      this.#onRoundEnd?.();
    }
  }

  async #writeRound(): Promise<void> {
    const { blocks, device, pages, syncs } = this.#options;
    const { file } = blocks.devices[device];
    if (pages.isNeeded) await pages.write();
    const round = this.#round;
    if (round.length === 0) return;
    for (const units of syncs() ? beginningsFirst(round) : [round]) {
      await this.#writeUnits(units, round);
      // When the device was closed meanwhile, the units are elsewhere by now, and the blocks may be others.
      if (this.#round !== round) return;
      if (syncs()) await file.sync();
      if (this.#round !== round) return;
    }
  }

  async #writeUnits(units: readonly FlushUnit[], round: readonly FlushUnit[]): Promise<void> {
    const { blocks, device } = this.#options;
    const { file, cipher } = blocks.devices[device];
    if (cipher !== undefined) return await this.#writeEncrypted(cipher, units, round);
    await allEnded(
      units.map(({ block, startBytes, endBytes }) =>
        file.write(
          blocks.deviceOffset(block) + startBytes,
          blocks.bytes[block]!.subarray(startBytes, endBytes),
        )
      ),
    );
  }

  #noteTime(durationMs: number): void {
    this.roundMaxMs = Math.max(this.roundMaxMs, durationMs);
    if (durationMs >= SLOW_ROUND_MS) this.#options.onSlow(durationMs);
  }

  /** One unit after the other, so that a single encrypted copy is in memory at a time. */
  async #writeEncrypted(
    cipher: BlockCipher,
    units: readonly FlushUnit[],
    round: readonly FlushUnit[],
  ): Promise<void> {
    const { blocks, device, clock } = this.#options;
    const { file } = blocks.devices[device];
    const turn = () => new Promise<void>((resolve) => clock.nextTurn(resolve));
    for (const { block, startBytes, endBytes } of units) {
      if (this.#round !== round) return;
      const bytes = blocks.bytes[block]!;
      const sequence = blocks.sequence[block];
      const seed = blocks.seed[block];
      const sealed = await cipher.seal({ bytes, startBytes, endBytes, sequence, seed }, turn);
      if (this.#round !== round) return;
      await file.write(blocks.deviceOffset(block) + startBytes, sealed);
    }
  }

  #settleRound(): void {
    const units = this.#round;
    this.#round = [];
    const wasFaulty = this.fault !== "";
    this.fault = "";
    this.writeCount += units.length;
    for (const { startBytes, endBytes, isMove } of units) {
      this.pendingBytes -= endBytes - startBytes;
      if (isMove) this.moveCount++;
      if (endBytes - startBytes < this.#options.unitSizeBytes()) this.partialCount++;
    }
    this.#options.onDurable(units, wasFaulty);
  }

  #noteFault(error: Error): void {
    this.fault = error.message;
    this.errorCount++;
    this.#wanted = true;
    this.#options.onFault(error);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const pause = this.#options.clock.after(RETRY_PAUSE_MS, () => this.#endPause?.());
      this.#endPause = () => {
        pause.cancel();
        this.#endPause = undefined;
        resolve();
      };
    });
  }
}

/**
 * Waits until all writes have ended, and then rejects if one has failed: what is written again must not be overtaken by a
 * late write of before.
 */
async function allEnded(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
}

/**
 * The units of a round in the order in which they are synced: a later unit of a block's life is written when the first one
 * is safe. A start with a checkpoint knows a new life by its first unit alone, and a cold one would find the others too.
 */
function beginningsFirst(round: readonly FlushUnit[]): (readonly FlushUnit[])[] {
  const goOn = new Set<number>();
  for (const { block, startBytes } of round) if (startBytes > 0) goOn.add(block);
  const isEarly = ({ block, startBytes }: FlushUnit) => startBytes === 0 && goOn.has(block);
  const early = round.filter(isEarly);
  return early.length === 0 ? [round] : [early, round.filter((unit) => !isEarly(unit))];
}
