/**
 * Closed blocks whose use fell below the low-water mark, in the order in which they did.
 *
 * @module
 */

import { DISK_BLOCK, type DiskBlocks } from "./blocks.ts";

/** Blocks that are fuller than this are not emptied even when blocks are scarce: too much moving for too little room. */
const SCARCITY_USED_PCT_MAX = 95;

/** See the head of the file. */
export class SparseQueue {
  readonly #blocks: DiskBlocks;
  readonly #queue = new Set<number>();
  // Blocks that can't be emptied, because something in them is damaged.
  readonly #givenUp = new Set<number>();
  #lowWaterBytes = 0;

  /**
   * @param blocks all blocks
   * @param lowWaterPct use below which they are emptied, in percent
   */
  constructor(blocks: DiskBlocks, lowWaterPct: number) {
    this.#blocks = blocks;
    this.setLowWater(lowWaterPct);
  }

  /** Blocks that wait. */
  get length(): number {
    return this.#queue.size;
  }

  /** Blocks of one device that wait. */
  countOf(device: number): number {
    let count = 0;
    for (const block of this.#queue) if (this.#blocks.deviceOf[block] === device) count++;
    return count;
  }

  /** Changes the mark; acts on blocks that are closed already, too. */
  setLowWater(lowWaterPct: number): void {
    const bytes = Math.floor(this.#blocks.blockSizeBytes * lowWaterPct / 100);
    const rises = bytes > this.#lowWaterBytes;
    this.#lowWaterBytes = bytes;
    for (let block = 0; rises && block < this.#blocks.count; block++) this.consider(block);
  }

  /** Takes a block in if it is sparse; whether it did. */
  consider(block: number): boolean {
    const { state, usedBytes, deviceOf } = this.#blocks;
    if (state[block] !== DISK_BLOCK.CLOSED || this.#queue.has(block) || this.#givenUp.has(block)) {
      return false;
    }
    if (!this.#blocks.isUsable(deviceOf[block])) return false;
    if (usedBytes[block] === 0 || usedBytes[block] >= this.#lowWaterBytes) return false;
    this.#queue.add(block);
    return true;
  }

  /** The next block to be emptied, -1 for none. */
  take(): number {
    for (const block of this.#queue) {
      this.#queue.delete(block);
      const { state, usedBytes, deviceOf } = this.#blocks;
      if (!this.#blocks.isUsable(deviceOf[block])) continue;
      if (
        state[block] === DISK_BLOCK.CLOSED && usedBytes[block] > 0 && usedBytes[block] < this.#lowWaterBytes
      ) {
        return block;
      }
    }
    return -1;
  }

  /** The least used closed block although it may be above the mark, -1 when none is worth it. */
  takeLeastUsed(): number {
    const { state, usedBytes, blockSizeBytes, count, deviceOf } = this.#blocks;
    let least = -1;
    let leastBytes = Math.floor(blockSizeBytes * SCARCITY_USED_PCT_MAX / 100);
    for (let block = 0; block < count; block++) {
      if (state[block] !== DISK_BLOCK.CLOSED || this.#givenUp.has(block)) continue;
      if (!this.#blocks.isUsable(deviceOf[block])) continue;
      if (usedBytes[block] === 0 || usedBytes[block] >= leastBytes) continue;
      least = block;
      leastBytes = usedBytes[block];
    }
    if (least >= 0) this.#queue.delete(least);
    return least;
  }

  /** Nothing in a block is current: what could not be moved out of it was stored anew. */
  forget(block: number): void {
    this.#givenUp.delete(block);
  }

  /** A block is not to be emptied any more in this run. */
  giveUp(block: number): void {
    this.#queue.delete(block);
    this.#givenUp.add(block);
  }
}
