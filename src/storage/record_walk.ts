/**
 * A walk over all entries of a namespace in slices, which may remove what it sees. Records that clients add or remove
 * between slices are met or not, each at most once; the walk's place is a digest.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT } from "../base/mod.ts";
import type { ChangeOrigin, Clock } from "../port/mod.ts";
import { EntryRef } from "./entry.ts";
import type { NamespaceStore } from "./store.ts";

/** Entries that are looked at before the time is asked for. */
const BATCH_ENTRY_COUNT = 64;

/** Looks at an entry: the cause for which it must be removed, or undefined to keep it. Must not change the store. */
export type WalkVisit = (entry: EntryRef) => ChangeOrigin | undefined;

/** One walk. */
export class RecordWalk {
  /** Entries looked at. */
  visitedCount = 0;
  /** Entries removed. */
  removedCount = 0;
  readonly #store: NamespaceStore;
  readonly #visit: WalkVisit;
  readonly #entry = new EntryRef();
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  /** Made when something is to be removed: most walks remove nothing. */
  #doomed: Uint8Array | undefined;
  readonly #origins: ChangeOrigin[] = [];
  #partition = 0;
  #isInside = false;
  #batchCount = 0;

  /**
   * @param store the records
   * @param visit judges each entry
   */
  constructor(store: NamespaceStore, visit: WalkVisit) {
    this.#store = store;
    this.#visit = visit;
  }

  /**
   * Walks on for a while.
   *
   * @param deadlineMs monotonic time at which to stop
   * @returns whether the end was reached
   */
  step(clock: Clock, deadlineMs: number): boolean {
    const { index } = this.#store;
    for (let emptyCount = 0; this.#partition < PARTITION_COUNT;) {
      if (index.partitionEntryCounts[this.#partition] === 0) {
        this.#nextPartition();
        if ((++emptyCount & 0xff) !== 0) continue;
      } else if (this.#walkBatch()) {
        this.#nextPartition();
      }
      if (clock.monotonicMs() >= deadlineMs) return this.#partition === PARTITION_COUNT;
    }
    return true;
  }

  #nextPartition(): void {
    this.#partition++;
    this.#isInside = false;
  }

  /** Looks at some entries of the present partition, then removes; whether its end was reached. */
  #walkBatch(): boolean {
    this.#batchCount = 0;
    this.#origins.length = 0;
    const after = this.#isInside ? this.#after : undefined;
    const isEnd = this.#store.index.forEach(this.#partition, after, this.#judge);
    this.#isInside = true;
    this.#removeDoomed();
    return isEnd;
  }

  readonly #judge = (entry: EntryRef): boolean => {
    this.visitedCount++;
    const origin = this.#visit(entry);
    if (origin !== undefined) {
      this.#doomed ??= new Uint8Array(BATCH_ENTRY_COUNT * DIGEST_SIZE_BYTES);
      entry.copyDigest(this.#doomed, this.#origins.length * DIGEST_SIZE_BYTES);
      this.#origins.push(origin);
    }
    if (++this.#batchCount < BATCH_ENTRY_COUNT) return true;
    entry.copyDigest(this.#after, 0);
    return false;
  };

  #removeDoomed(): void {
    const store = this.#store;
    const doomed = this.#doomed;
    if (doomed === undefined) return;
    for (let place = 0; place < this.#origins.length; place++) {
      const at = place * DIGEST_SIZE_BYTES;
      if (!store.find(doomed, at, this.#entry)) continue;
      if (store.expunge(doomed, at, this.#entry, { origin: this.#origins[place] })) this.removedCount++;
    }
  }
}
