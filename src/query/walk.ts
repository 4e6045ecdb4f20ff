/**
 * A way through the partitions that a query visits. Between slices only the number of the partition and the digest of
 * the last record dealt with are kept, so that records may come, change and go meanwhile.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId } from "../base/mod.ts";
import type { EntryRef, PrimaryIndex, VisitEntry } from "../storage/mod.ts";

/** Partitions in the order in which they are visited. */
export class PartitionWalk {
  /** Partitions in all. */
  readonly count: number;
  /** Partitions that are done. */
  doneCount = 0;
  readonly #partitions: Uint16Array;
  readonly #digests: Uint8Array;
  readonly #wholeCount: number;
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  #hasAfter = false;

  /**
   * @param partitions visited whole
   * @param digests 20 bytes each: partitions visited from after that record, one per partition
   */
  constructor(partitions: Uint16Array, digests: Uint8Array) {
    const resumedCount = digests.length / DIGEST_SIZE_BYTES;
    this.#wholeCount = partitions.length;
    this.#digests = digests;
    this.count = partitions.length + resumedCount;
    this.#partitions = new Uint16Array(this.count);
    this.#partitions.set(partitions);
    for (let index = 0; index < resumedCount; index++) {
      this.#partitions[partitions.length + index] = partitionId(digests, index * DIGEST_SIZE_BYTES);
    }
    this.#enter();
  }

  /** Whether all partitions are done. */
  get isDone(): boolean {
    return this.doneCount >= this.count;
  }

  /** The partition that is visited now. */
  get partition(): number {
    return this.#partitions[this.doneCount];
  }

  /** Goes on to the next partition. */
  nextPartition(): void {
    this.doneCount++;
    this.#enter();
  }

  /** Remembers that everything up to this entry is dealt with. */
  passed(entry: EntryRef): void {
    entry.copyDigest(this.#after, 0);
    this.#hasAfter = true;
  }

  /**
   * Visits what is left of the partition.
   *
   * @param visit returns false to stop; it must have called `passed` for what should not be visited again
   * @returns whether the partition's end was reached
   */
  visit(index: PrimaryIndex, visit: VisitEntry): boolean {
    const { partition } = this;
    if (index.partitionEntryCounts[partition] === 0) return true;
    return index.forEach(partition, this.#hasAfter ? this.#after : undefined, visit);
  }

  #enter(): void {
    this.#hasAfter = this.doneCount >= this.#wholeCount && !this.isDone;
    if (!this.#hasAfter) return;
    const at = (this.doneCount - this.#wholeCount) * DIGEST_SIZE_BYTES;
    this.#after.set(this.#digests.subarray(at, at + DIGEST_SIZE_BYTES));
  }
}
