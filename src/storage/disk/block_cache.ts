/**
 * The post-write cache: blocks that were written lately stay in memory, so that fresh records are read from there. The
 * oldest go first. An engine that keeps its records in memory keeps all.
 *
 * @module
 */

import type { DiskBlocks } from "./blocks.ts";

/** See the head of the file. */
export class BlockCache {
  readonly #blocks: DiskBlocks;
  readonly #sizeMaxBytes: () => number;
  readonly #order = new Set<number>();

  /**
   * @param blocks whose bytes
   * @param sizeMaxBytes how much may stay, asked again each time; Infinity for all
   */
  constructor(blocks: DiskBlocks, sizeMaxBytes: () => number) {
    this.#blocks = blocks;
    this.#sizeMaxBytes = sizeMaxBytes;
  }

  /** Bytes of the blocks kept. */
  get usedBytes(): number {
    return this.#order.size * this.#blocks.blockSizeBytes;
  }

  /** Keeps a block that is on the device, and lets older ones go. */
  add(block: number): void {
    this.#order.add(block);
    const sizeMaxBytes = this.#sizeMaxBytes();
    for (const oldest of this.#order) {
      if (this.usedBytes <= sizeMaxBytes) break;
      this.drop(oldest);
    }
  }

  /** Lets a block go. */
  drop(block: number): void {
    this.#order.delete(block);
    this.#blocks.dropBytes(block);
  }
}
