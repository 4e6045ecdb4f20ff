/**
 * A way through the entries of an index that a query visits: partition by partition, in each by value and digest.
 * Between slices the number of the partition, a value and a digest are kept, so that records may come, change and go.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId, readU32LE } from "../base/mod.ts";
import { EntryRef, type PrimaryIndex, type VisitEntry } from "../storage/mod.ts";
import { flipSign, TreeKey } from "../sindex/mod.ts";
import type { IndexQuery, ValueRange } from "./index_range.ts";
import type { QueryWalk } from "./walk.ts";

const VALUE_SIZE_BYTES = 8;

/** Where partitions are entered. */
export interface IndexWalkStart {
  /** Partitions visited whole. */
  partitions: Uint16Array;
  /** Digests of the records after which partitions are visited, 20 bytes each. */
  digests: Uint8Array;
  /** Values of these records, 8 bytes each, little-endian. */
  values: Uint8Array;
}

/** Entries of an index in the order in which they are visited. */
export class IndexWalk implements QueryWalk {
  /** See {@linkcode QueryWalk}. */
  readonly count: number;
  /** See {@linkcode QueryWalk}. */
  doneCount = 0;
  /** Value of the entry under visit, upper word with its top bit turned over. */
  readonly value: { high: number; low: number } = { high: 0, low: 0 };
  readonly #query: IndexQuery;
  readonly #start: IndexWalkStart;
  readonly #wholeCount: number;
  readonly #key = new TreeKey();
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #entry = new EntryRef();
  #hasAfter = false;
  #afterHigh = 0;
  #afterLow = 0;

  /** @param query its ranges may come later, before the first visit */
  constructor(query: IndexQuery, start: IndexWalkStart) {
    this.#query = query;
    this.#start = start;
    this.#wholeCount = start.partitions.length;
    this.count = this.#wholeCount + start.digests.length / DIGEST_SIZE_BYTES;
    this.#enter();
  }

  /** See {@linkcode QueryWalk}. */
  get isDone(): boolean {
    return this.doneCount >= this.count;
  }

  /** See {@linkcode QueryWalk}. */
  get partition(): number {
    const { partitions, digests } = this.#start;
    if (this.doneCount < this.#wholeCount) return partitions[this.doneCount];
    return partitionId(digests, (this.doneCount - this.#wholeCount) * DIGEST_SIZE_BYTES);
  }

  /** See {@linkcode QueryWalk}. */
  nextPartition(): void {
    this.doneCount++;
    this.#enter();
  }

  /** See {@linkcode QueryWalk}. */
  passed(entry: EntryRef): void {
    entry.copyDigest(this.#after, 0);
    this.#afterHigh = this.value.high;
    this.#afterLow = this.value.low;
    this.#hasAfter = true;
  }

  /** See {@linkcode QueryWalk}. */
  visit(primary: PrimaryIndex, visit: VisitEntry): boolean {
    const { index: { tree }, ranges } = this.#query;
    const { partition, value } = this;
    const key = this.#key;
    const entry = this.#entry;
    for (const range of ranges) {
      const resumes = this.#hasAfter && this.#isAfterBehind(range.fromHigh, range.fromLow);
      if (resumes && !this.#isAfterUpTo(range)) continue;
      key.setStart(partition, range.fromHigh, range.fromLow);
      if (resumes) {
        key.setRecord(this.#after, 0, 0);
        key.setValue(this.#afterHigh, this.#afterLow);
      }
      const isEnd = tree.forEach(
        key,
        { after: resumes, last: { high: range.toHigh, low: range.toLow } },
        (handle, high, low) => {
          value.high = high;
          value.low = low;
          primary.moveTo(entry, handle);
          return visit(entry);
        },
      );
      if (!isEnd) return false;
    }
    return true;
  }

  /** Whether the place that was reached is at a value or behind it. */
  #isAfterBehind(high: number, low: number): boolean {
    return this.#afterHigh > high || (this.#afterHigh === high && this.#afterLow >= low);
  }

  /** Whether the place that was reached is not behind a range. */
  #isAfterUpTo({ toHigh, toLow }: ValueRange): boolean {
    return this.#afterHigh < toHigh || (this.#afterHigh === toHigh && this.#afterLow <= toLow);
  }

  #enter(): void {
    this.#hasAfter = this.doneCount >= this.#wholeCount && !this.isDone;
    if (!this.#hasAfter) return;
    const { digests, values } = this.#start;
    const place = this.doneCount - this.#wholeCount;
    const at = place * DIGEST_SIZE_BYTES;
    this.#after.set(digests.subarray(at, at + DIGEST_SIZE_BYTES));
    const valueAt = place * VALUE_SIZE_BYTES;
    const { ranges, text } = this.#query;
    if (text !== undefined) {
      // Equal texts have one value, whatever another node, with another hash, has told the client.
      this.#afterHigh = ranges[0].fromHigh;
      this.#afterLow = ranges[0].fromLow;
      return;
    }
    this.#afterLow = readU32LE(values, valueAt);
    this.#afterHigh = flipSign(readU32LE(values, valueAt + 4));
  }
}
