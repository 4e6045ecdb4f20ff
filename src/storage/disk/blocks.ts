/**
 * The write blocks of all devices of a namespace, numbered through: their states, use and lives, and the bytes of those
 * that are in memory.
 *
 * Life of a block: free → open (appended to) → closed (all is on the device) → waiting (nothing in it is current) →
 * free. A closed block that defragmentation empties is "emptying" in between. A waiting block becomes free when
 * everything is synced that was appended up to the moment at which it began to wait: only then is what replaced its
 * records safe, and its place may be written again. A block that can't be read at the start is bad: it is left alone.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import type { BlockCipher } from "./block_cipher.ts";
import type { OpenDevice } from "./device_file.ts";
import {
  type BlockPlace,
  blockSeed,
  HEADER_AREA_SIZE_BYTES,
  PLACE_SIZE_BYTES,
  storedSize,
} from "./layout.ts";

/** States of a block. */
export const DISK_BLOCK = { FREE: 0, OPEN: 1, CLOSED: 2, EMPTYING: 3, WAITING: 4, BAD: 5 } as const;

/** All blocks of a namespace. */
export class DiskBlocks {
  /** The devices, in their order. */
  readonly devices: readonly OpenDevice[];
  /** Bytes of a block. */
  readonly blockSizeBytes: number;
  /** Places of a block, 4 bytes each: a location is the number of a place, counted over all blocks. */
  readonly placesPerBlock: number;
  /** Blocks of all devices. */
  readonly count: number;
  /** Bytes of current records with their trailers, per block. */
  readonly usedBytes: Uint32Array;
  /** One of {@linkcode DISK_BLOCK}, per block. */
  readonly state: Uint8Array;
  /** Life of each block, 0 before the first. */
  readonly sequence: Float64Array;
  /** What the checksums of a block's records begin with. */
  readonly seed: Uint32Array;
  /** Bytes of blocks that are in memory. */
  readonly bytes: (Uint8Array | undefined)[] = [];
  /** Bytes of current records with their trailers in all. */
  usedBytesTotal = 0;
  /** Last block sequence that was given out or found. */
  lastSequence = 0;
  /**
   * While a start replays: not 0 for blocks that are read as a whole. What is said of records in the others comes from the
   * index checkpoint, and was not compared with them.
   */
  replayed: Uint8Array | undefined;
  /** Device of each block. */
  readonly deviceOf: Uint8Array;
  readonly #free: number[][];
  readonly #usable: boolean[];
  readonly #waiting: { block: number; position: number }[] = [];
  readonly #spareBuffers: Uint8Array[] = [];

  /** @param devices open devices with equal block sizes */
  constructor(devices: readonly OpenDevice[]) {
    this.devices = devices;
    this.blockSizeBytes = devices[0].header.blockSizeBytes;
    this.placesPerBlock = this.blockSizeBytes / PLACE_SIZE_BYTES;
    this.count = devices.reduce((sum, { blockCount }) => sum + blockCount, 0);
    this.usedBytes = new Uint32Array(this.count);
    this.state = new Uint8Array(this.count);
    this.sequence = new Float64Array(this.count);
    this.seed = new Uint32Array(this.count);
    this.deviceOf = new Uint8Array(this.count);
    for (const [index, { firstBlock, blockCount }] of devices.entries()) {
      this.deviceOf.fill(index, firstBlock, firstBlock + blockCount);
    }
    this.#free = devices.map(() => []);
    this.#usable = devices.map(() => true);
  }

  /** The block of a location. */
  blockOf(location: number): number {
    return Math.floor(location / this.placesPerBlock);
  }

  /** Offset of a location in its block, in bytes. */
  offsetOf(location: number): number {
    return (location % this.placesPerBlock) * PLACE_SIZE_BYTES;
  }

  /** The location of an offset in a block. */
  locationOf(block: number, offsetBytes: number): number {
    return block * this.placesPerBlock + offsetBytes / PLACE_SIZE_BYTES;
  }

  /** The device of a block. */
  device(block: number): OpenDevice {
    return this.devices[this.deviceOf[block]];
  }

  /** Offset of a block on its device. */
  deviceOffset(block: number): number {
    return HEADER_AREA_SIZE_BYTES + (block - this.device(block).firstBlock) * this.blockSizeBytes;
  }

  /** What checksums in a block are seeded with. */
  place(block: number): BlockPlace {
    const device = this.device(block);
    return { deviceId: device.header.deviceId, block: block - device.firstBlock };
  }

  /** Whether a record is known from the index checkpoint alone: its block is not read by the start under way. */
  isUnread(location: number): boolean {
    return this.replayed !== undefined && this.replayed[this.blockOf(location)] === 0;
  }

  /** Decrypts what is on the device of a block, undefined when it is not encrypted. */
  cipher(block: number): BlockCipher | undefined {
    return this.device(block).cipher;
  }

  /** Free blocks of a device, or of all; those of a device that takes nothing don't count. */
  freeCount(device?: number): number {
    if (device !== undefined) return this.#usable[device] ? this.#free[device].length : 0;
    let count = 0;
    for (let each = 0; each < this.#free.length; each++) count += this.freeCount(each);
    return count;
  }

  /** A free block of a device, which stays free; -1 when there is none. */
  someFree(device: number): number {
    return this.#free[device].at(-1) ?? -1;
  }

  /** Whether blocks of a device may be opened and emptied. */
  isUsable(device: number): boolean {
    return this.#usable[device];
  }

  /** A device takes nothing any more, or takes something again. */
  setUsable(device: number, isUsable: boolean): void {
    this.#usable[device] = isUsable;
  }

  /** Blocks that wait to become free. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** A block has a life that was found on its device. */
  found(block: number, sequence: number): void {
    this.#live(block, sequence);
    this.lastSequence = Math.max(this.lastSequence, sequence);
  }

  /** Blocks that are being appended to. */
  openBlocks(): number[] {
    const blocks: number[] = [];
    for (let block = 0; block < this.count; block++) {
      if (this.state[block] === DISK_BLOCK.OPEN) blocks.push(block);
    }
    return blocks;
  }

  /** Takes over the use of a block from a checkpoint. */
  restoreUse(block: number, usedBytes: number): void {
    this.usedBytes[block] = usedBytes;
    this.usedBytesTotal += usedBytes;
  }

  /** After a start: blocks in use are closed, all others free. The lowest numbers are used first. */
  sortOut(): void {
    for (let block = this.count - 1; block >= 0; block--) {
      if (this.state[block] === DISK_BLOCK.BAD) continue;
      if (this.usedBytes[block] > 0) this.state[block] = DISK_BLOCK.CLOSED;
      else this.#free[this.deviceOf[block]].push(block);
    }
  }

  /** Takes a free block and begins a new life of it, -1 when the device has none. */
  open(device: number): number {
    const block = this.#usable[device] ? this.#free[device].pop() : undefined;
    if (block === undefined) return -1;
    assert(this.usedBytes[block] === 0, "A free block holds nothing that is current");
    this.state[block] = DISK_BLOCK.OPEN;
    this.#live(block, ++this.lastSequence);
    this.bytes[block] = this.#spareBuffers.pop() ?? new Uint8Array(this.blockSizeBytes);
    return block;
  }

  /** Counts a record that is current. */
  addUse(block: number, units: number): void {
    const sizeBytes = storedSize(units);
    this.usedBytes[block] += sizeBytes;
    this.usedBytesTotal += sizeBytes;
  }

  /** Counts a record that is not current any more. */
  dropUse(block: number, units: number): void {
    const sizeBytes = storedSize(units);
    assert(this.usedBytes[block] >= sizeBytes, "A block does not hold less than nothing");
    this.usedBytes[block] -= sizeBytes;
    this.usedBytesTotal -= sizeBytes;
  }

  /** Nothing in a closed block is current; it becomes free once all up to `position` is synced. */
  wait(block: number, position: number): void {
    this.state[block] = DISK_BLOCK.WAITING;
    this.#waiting.push({ block, position });
  }

  /**
   * Everything up to `position` is synced.
   *
   * @returns blocks that became free
   */
  settleWaiting(position: number): number {
    let count = 0;
    while (this.#waiting.length > 0 && this.#waiting[0].position <= position) {
      const { block } = this.#waiting.shift()!;
      this.state[block] = DISK_BLOCK.FREE;
      this.#free[this.deviceOf[block]].push(block);
      count++;
    }
    return count;
  }

  /** Forgets the bytes of a block; the buffer is used again. */
  dropBytes(block: number): void {
    const bytes = this.bytes[block];
    if (bytes === undefined) return;
    this.bytes[block] = undefined;
    // Defragmentation may be walking over these bytes still.
    if (this.state[block] === DISK_BLOCK.EMPTYING) return;
    if (this.#spareBuffers.length < SPARE_BUFFER_COUNT_MAX) this.#spareBuffers.push(bytes);
  }

  #live(block: number, sequence: number): void {
    this.sequence[block] = sequence;
    this.seed[block] = blockSeed(this.place(block), sequence);
  }
}

/** Buffers kept for the next blocks: a fresh one costs the system's zeroing. */
const SPARE_BUFFER_COUNT_MAX = 4;
