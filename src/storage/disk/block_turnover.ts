/**
 * What becomes of a block that takes no more records: once all of it is synced it may stay in memory for a while; when
 * nothing in it is current any more, it waits until all that replaced its records is synced, and is free then; when little
 * is, defragmentation may empty it.
 *
 * @module
 */

import { PLANTED } from "../../base/mod.ts";
import type { BlockCache } from "./block_cache.ts";
import { DISK_BLOCK, type DiskBlocks } from "./blocks.ts";
import type { FlushUnit } from "./flush_unit.ts";
import type { SparseQueue } from "./sparse_queue.ts";

/** What a {@linkcode BlockTurnover} needs of the space. */
export interface BlockTurnoverOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** Blocks in memory. */
  cache: BlockCache;
  /** Blocks below the low-water mark. */
  sparse: SparseQueue;
  /** Number of the last append. */
  position: () => number;
  /** Number of the append up to which everything is synced. */
  durablePosition: () => number;
  /** There is something to do for defragmentation, or room again. */
  onPressure: () => void;
}

/** See the head of the file. */
export class BlockTurnover {
  /** Units per block that are sealed and not synced. */
  readonly pendingUnits: Uint16Array;
  readonly #options: BlockTurnoverOptions;

  /** @param options the space */
  constructor(options: BlockTurnoverOptions) {
    this.#options = options;
    this.pendingUnits = new Uint16Array(options.blocks.count);
  }

  /** A unit waits to be written. */
  noteSealed({ block }: FlushUnit): void {
    this.pendingUnits[block]++;
  }

  /** A block takes nothing more; its last units may still wait to be written. */
  noteClosed(block: number): void {
    this.#options.blocks.state[block] = DISK_BLOCK.CLOSED;
    if (this.pendingUnits[block] === 0) this.#settle(block);
    this.#options.onPressure();
  }

  /** Units are synced, or need not be written any more. */
  noteDurable(units: readonly FlushUnit[]): void {
    const { state } = this.#options.blocks;
    for (const unit of units) {
      unit.settle();
      const left = --this.pendingUnits[unit.block];
      if (left === 0 && state[unit.block] === DISK_BLOCK.CLOSED) this.#settle(unit.block);
    }
    this.#settleWaiting();
  }

  /** A closed block may be empty or sparse now. */
  consider(block: number): void {
    if (this.pendingUnits[block] > 0) return;
    const { blocks, cache, sparse, position, onPressure } = this.#options;
    if (blocks.usedBytes[block] === 0) {
      cache.drop(block);
      sparse.forget(block);
      blocks.wait(block, PLANTED.freedDeadBlock ? 0 : position());
      this.#settleWaiting();
      onPressure();
    } else if (sparse.consider(block)) {
      onPressure();
    }
  }

  /** All of a closed block is synced. */
  #settle(block: number): void {
    this.#options.cache.add(block);
    this.consider(block);
  }

  #settleWaiting(): void {
    const { blocks, durablePosition } = this.#options;
    blocks.settleWaiting(durablePosition());
  }
}
