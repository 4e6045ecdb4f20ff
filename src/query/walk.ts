/**
 * A way through the partitions that a query visits. Between slices only the number of the partition and the digest of
 * the last record dealt with are kept, so that records may come, change and go meanwhile.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId } from "../base/mod.ts";
import { flipSign, type SetIndex, TreeKey } from "../sindex/mod.ts";
import { EntryRef, type PrimaryIndex, type VisitEntry } from "../storage/mod.ts";

/** A way through the records of some partitions. */
export interface QueryWalk {
  /** Partitions in all. */
  readonly count: number;
  /** Partitions that are done. */
  doneCount: number;
  /** Whether all partitions are done. */
  readonly isDone: boolean;
  /** The partition that is visited now. */
  readonly partition: number;
  /** Goes on to the next partition. */
  nextPartition(): void;
  /** Remembers that everything up to this entry is dealt with. */
  passed(entry: EntryRef): void;
  /**
   * Visits what is left of the partition.
   *
   * @param visit returns false to stop; it must have called `passed` for what should not be visited again
   * @returns whether the partition's end was reached
   */
  visit(index: PrimaryIndex, visit: VisitEntry): boolean;
}

/** The value under which an index of a set has its records, but for its lower word: zero. */
const SET_VALUE_HIGH = flipSign(0);
const LAST_OF_SET = { high: SET_VALUE_HIGH, low: 0xffff_ffff };

/** Partitions in the order in which they are visited. */
export class PartitionWalk implements QueryWalk {
  /** See {@linkcode QueryWalk}. */
  readonly count: number;
  /** See {@linkcode QueryWalk}. */
  doneCount = 0;
  readonly #partitions: Uint16Array;
  readonly #digests: Uint8Array;
  readonly #wholeCount: number;
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #setIndex: () => SetIndex | undefined;
  readonly #key = new TreeKey();
  readonly #entry = new EntryRef();
  #hasAfter = false;

  /**
   * @param partitions visited whole
   * @param digests 20 bytes each: partitions visited from after that record, one per partition
   * @param setIndex finds the index of the set that the query names; it may come and go meanwhile
   */
  constructor(
    partitions: Uint16Array,
    digests: Uint8Array,
    setIndex: () => SetIndex | undefined = () => undefined,
  ) {
    this.#setIndex = setIndex;
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

  /** See {@linkcode QueryWalk}. */
  get isDone(): boolean {
    return this.doneCount >= this.count;
  }

  /** See {@linkcode QueryWalk}. */
  get partition(): number {
    return this.#partitions[this.doneCount];
  }

  /** See {@linkcode QueryWalk}. */
  nextPartition(): void {
    this.doneCount++;
    this.#enter();
  }

  /** See {@linkcode QueryWalk}. */
  passed(entry: EntryRef): void {
    entry.copyDigest(this.#after, 0);
    this.#hasAfter = true;
  }

  /** See {@linkcode QueryWalk}. */
  visit(index: PrimaryIndex, visit: VisitEntry): boolean {
    const { partition } = this;
    if (index.partitionEntryCounts[partition] === 0) return true;
    const setIndex = this.#setIndex();
    if (setIndex?.isReady === true) return this.#visitSet(setIndex, index, visit);
    return index.forEach(partition, this.#hasAfter ? this.#after : undefined, visit);
  }

  /** Visits the records of a set; its index has the order of the primary one. */
  #visitSet({ tree }: SetIndex, index: PrimaryIndex, visit: VisitEntry): boolean {
    const key = this.#key;
    key.setStart(this.partition, SET_VALUE_HIGH, 0);
    if (this.#hasAfter) {
      key.setRecord(this.#after, 0, 0);
      key.setValue(SET_VALUE_HIGH, index.sprigOf(this.#after, 0));
    }
    return tree.forEach(key, { after: this.#hasAfter, last: LAST_OF_SET }, (handle) => {
      index.moveTo(this.#entry, handle);
      return visit(this.#entry);
    });
  }

  #enter(): void {
    this.#hasAfter = this.doneCount >= this.#wholeCount && !this.isDone;
    if (!this.#hasAfter) return;
    const at = (this.doneCount - this.#wholeCount) * DIGEST_SIZE_BYTES;
    this.#after.set(this.#digests.subarray(at, at + DIGEST_SIZE_BYTES));
  }
}
