/**
 * Reads of single records from devices. Whoever asks first starts the read, others join; when it ends, all are woken
 * while the bytes are held. They stay a little longer, because a transaction may ask more than once.
 *
 * A record is given out only when its checksum is right and the block still has the life in which it was asked for.
 *
 * @module
 */

import {
  CorruptionError,
  READ_STAGE_SIZE_MAX_BYTES,
  READS_IN_FLIGHT_MAX,
  readU32LE,
} from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { LOADED, type Loaded, type Waiter } from "../device.ts";
import { UNIT_SIZE_BYTES } from "../flat.ts";
import type { DiskBlocks } from "./blocks.ts";
import { recordChecksum, storedSize } from "./layout.ts";
import { isCompressed, type RecordCompression } from "./record_compression.ts";

/** A read that failed is not tried again for so long. */
const FAILED_KEEP_MS = 1000;

interface StagedRead {
  location: number;
  block: number;
  sequence: number;
  units: number;
  /** The record with its trailer, and once it is checked the record alone, decrypted and expanded. */
  bytes: Uint8Array;
  waiters: Waiter[] | undefined;
  failed: boolean;
}

/** What a reader tells. */
export interface BlockReaderOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** Expands records. */
  compression: RecordCompression;
  /** Ends the memory of failed reads. */
  clock: Clock;
  /** A record could not be read, or is damaged. */
  onFault: (error: Error, block: number) => void;
  /** A record is damaged, and was read from the shadow of its device. */
  onMended: (block: number) => void;
  /** What is thrown by those who are woken. */
  onFailure: (error: unknown) => void;
}

/** See the head of the file. */
export class BlockReader {
  /** The record last loaded. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Reads begun. */
  readCount = 0;
  /** Reads that have ended and the time that they took in all, per device. */
  readonly times: readonly { sumMs: number; count: number }[];
  readonly #options: BlockReaderOptions;
  readonly #staged = new Map<number, StagedRead>();
  readonly #queue: StagedRead[] = [];
  readonly #settled: StagedRead[] = [];
  #stagedBytes = 0;
  #runningCount = 0;

  /** @param options blocks, and whom to tell */
  constructor(options: BlockReaderOptions) {
    this.#options = options;
    this.times = options.blocks.devices.map(() => ({ sumMs: 0, count: 0 }));
  }

  /**
   * Asks for a record.
   *
   * @param waiter woken when the answer is PENDING
   */
  load(location: number, units: number, waiter: Waiter): Loaded {
    const { blocks } = this.#options;
    const block = blocks.blockOf(location);
    const staged = this.#staged.get(location);
    const isCurrent = staged !== undefined && staged.sequence === blocks.sequence[block] &&
      staged.units === units;
    if (!isCurrent) {
      this.#start(location, block, units, waiter);
      return LOADED.PENDING;
    }
    if (staged.waiters !== undefined) {
      if (!staged.waiters.includes(waiter)) staged.waiters.push(waiter);
      return LOADED.PENDING;
    }
    if (staged.failed) return LOADED.FAILED;
    this.bytes = staged.bytes;
    return LOADED.HERE;
  }

  /** The bytes of a record that was read a moment ago. */
  peek(location: number): Uint8Array | undefined {
    const read = this.#staged.get(location);
    const isCurrent = read !== undefined && read.waiters === undefined && !read.failed &&
      read.sequence === this.#options.blocks.sequence[read.block];
    return isCurrent ? read.bytes : undefined;
  }

  #start(location: number, block: number, units: number, waiter: Waiter): void {
    const sequence = this.#options.blocks.sequence[block];
    const bytes = new Uint8Array(storedSize(units));
    const read: StagedRead = { location, block, sequence, units, bytes, waiters: [waiter], failed: false };
    // A read of an earlier life of the block goes on, but nobody finds it any more.
    this.#staged.set(location, read);
    this.#queue.push(read);
    this.#pump();
  }

  #pump(): void {
    while (this.#runningCount < READS_IN_FLIGHT_MAX) {
      const read = this.#queue.shift();
      if (read === undefined) return;
      this.#runningCount++;
      this.readCount++;
      this.#run(read).catch(this.#options.onFailure);
    }
  }

  async #run(read: StagedRead): Promise<void> {
    const { blocks, clock, onFault } = this.#options;
    const { file } = blocks.device(read.block);
    const offset = blocks.deviceOffset(read.block) + blocks.offsetOf(read.location);
    const startMs = clock.monotonicMs();
    try {
      const countBytes = await file.read(offset, read.bytes);
      // When the block has begun another life meanwhile, those who waited find the record elsewhere.
      if (blocks.sequence[read.block] === read.sequence) this.#verify(read, offset, countBytes);
    } catch (error) {
      onFault(error as Error, read.block);
      read.failed = !await this.#readShadow(read, offset);
    }
    const time = this.times[blocks.deviceOf[read.block]];
    time.sumMs += clock.monotonicMs() - startMs;
    time.count++;
    this.#runningCount--;
    this.#finish(read);
    this.#pump();
  }

  /** Reads a damaged record from the shadow of its device; whether it is there and sound. */
  async #readShadow(read: StagedRead, offset: number): Promise<boolean> {
    const { blocks, onMended } = this.#options;
    const { block, sequence } = read;
    const { file } = blocks.device(block);
    if (file.readShadow === undefined) return false;
    read.bytes = new Uint8Array(storedSize(read.units));
    try {
      const countBytes = await file.readShadow(offset, read.bytes);
      if (blocks.sequence[block] !== sequence) return true;
      this.#verify(read, offset, countBytes);
    } catch {
      // What is wrong with the device itself is told.
      return false;
    }
    onMended(block);
    return true;
  }

  /** Checks the bytes of a record, and makes them what readers want. */
  #verify(read: StagedRead, offset: number, countBytes: number): void {
    const { blocks, compression } = this.#options;
    const { bytes, block, location, units, sequence } = read;
    const end = units * UNIT_SIZE_BYTES;
    const expected = readU32LE(bytes, end);
    const offsetBytes = blocks.offsetOf(location);
    const found = recordChecksum(bytes, 0, end, { seed: blocks.seed[block], offsetBytes });
    if (countBytes === bytes.length && found === expected) {
      blocks.cipher(block)?.openRecord(bytes, units, { sequence, offsetBytes });
      const record = isCompressed(bytes, 0) ? compression.expand(bytes, 0) : bytes.subarray(0, end);
      if (record === undefined) throw notExpandable(blocks.device(block).path, offset);
      read.bytes = record;
      return;
    }
    throw new CorruptionError({
      device: blocks.device(block).path,
      offsetBytes: offset,
      expected: `a record of ${bytes.length} bytes with checksum ${hex(expected)}`,
      found: countBytes < bytes.length ? `${countBytes} bytes` : `bytes with checksum ${hex(found)}`,
    });
  }

  #finish(read: StagedRead): void {
    const waiters = read.waiters!;
    read.waiters = undefined;
    for (const waiter of waiters) waiter.wake();
    if (read.failed) return void this.#options.clock.after(FAILED_KEEP_MS, () => this.#forget(read));
    this.#stagedBytes += read.bytes.length;
    this.#settled.push(read);
    while (this.#stagedBytes > READ_STAGE_SIZE_MAX_BYTES) {
      const oldest = this.#settled.shift()!;
      this.#stagedBytes -= oldest.bytes.length;
      this.#forget(oldest);
    }
  }

  #forget(read: StagedRead): void {
    if (this.#staged.get(read.location) === read) this.#staged.delete(read.location);
  }
}

/** The report of a record whose checksum is right and whose compressed bins are not. */
export function notExpandable(device: string, offsetBytes: number): CorruptionError {
  return new CorruptionError({
    device,
    offsetBytes,
    expected: "compressed bins that expand to the size that their record names",
    found: "others, or a method that this platform does not have",
  });
}

function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
