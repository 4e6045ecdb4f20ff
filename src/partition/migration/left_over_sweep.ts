/**
 * Removes from a final master's copy what it had before a merge and no copy that was merged has: its copy was a subset of
 * one of them, so that these records were deleted or have expired there. In slices.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { EntryRef, isLeftOver, type NamespaceStore, removeLeftOver } from "../../storage/mod.ts";
import type { SliceTask } from "./slices.ts";

/** Records that are looked at before any is removed. */
const BATCH_COUNT = 64;

/** What a {@linkcode LeftOverSweep} needs. */
export interface LeftOverSweepOptions {
  readonly store: NamespaceStore;
  readonly partition: number;
  readonly clock: Clock;
  /** Whether nobody waits for it any more. */
  isOver(): boolean;
  /** All are removed. */
  onEnd(removedCount: number): void;
}

/** See the head of the file. */
export class LeftOverSweep implements SliceTask {
  readonly #options: LeftOverSweepOptions;
  readonly #entry = new EntryRef();
  readonly #doomed = new Uint8Array(BATCH_COUNT * DIGEST_SIZE_BYTES);
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  #isInside = false;
  #removedCount = 0;

  /** @param options where, and whom to tell */
  constructor(options: LeftOverSweepOptions) {
    this.#options = options;
  }

  /** See {@linkcode SliceTask.step}. */
  step(deadlineMs: number): boolean {
    const { clock, isOver, onEnd } = this.#options;
    while (!isOver()) {
      if (this.#sweepBatch()) {
        onEnd(this.#removedCount);
        return false;
      }
      if (clock.monotonicMs() >= deadlineMs) return true;
    }
    return false;
  }

  /** Removes some records; whether the end was reached. */
  #sweepBatch(): boolean {
    const { store, partition } = this.#options;
    let count = 0;
    let looked = 0;
    const after = this.#isInside ? this.#after : undefined;
    const isEnd = store.index.forEach(partition, after, (entry) => {
      const isDoomed = !entry.isTombstone && isLeftOver(store, entry, true);
      if (isDoomed) entry.copyDigest(this.#doomed, count++ * DIGEST_SIZE_BYTES);
      if (++looked < BATCH_COUNT) return true;
      entry.copyDigest(this.#after, 0);
      this.#isInside = true;
      return false;
    });
    for (let index = 0; index < count; index++) {
      const at = index * DIGEST_SIZE_BYTES;
      const isThere = store.find(this.#doomed, at, this.#entry);
      if (isThere && removeLeftOver(store, this.#doomed, at, this.#entry)) this.#removedCount++;
    }
    return isEnd;
  }
}
