/**
 * A walk over the records of one partition in slices. Its place is a digest, so that records may come and go between
 * slices; each that is there all the time is met once. A record whose bytes are not here yet stops the walk until they
 * are.
 *
 * @module
 */

import { copyBytes, DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import type { EntryRef, NamespaceStore, Waiter } from "../../storage/mod.ts";

/** Records that are looked at before the time is asked for. */
const BATCH_COUNT = 16;

/** What a visit says: go on, stop before the next record, or stop here and visit this record again later. */
export const VISIT = { NEXT: 0, STOP: 1, AGAIN: 2 } as const;

/** One of {@linkcode VISIT}. */
export type Visit = (typeof VISIT)[keyof typeof VISIT];

/** Why a walk stopped. */
export type WalkEnd = "end" | "time" | "stopped";

/** See the head of the file. */
export class PartitionWalk {
  readonly #store: NamespaceStore;
  readonly #partition: number;
  readonly #visit: (entry: EntryRef) => Visit;
  /** The record last visited, and the one after which the present batch began. */
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #start = new Uint8Array(DIGEST_SIZE_BYTES);
  #isInside = false;
  #count = 0;
  #last: Visit = VISIT.NEXT;

  /**
   * @param at the records
   * @param visit looks at one record; it must not change the store
   */
  constructor(
    at: { readonly store: NamespaceStore; readonly partition: number },
    visit: (entry: EntryRef) => Visit,
  ) {
    this.#store = at.store;
    this.#partition = at.partition;
    this.#visit = visit;
  }

  /** Walks on until the end, the deadline, or a visit that stops it. */
  step(clock: Clock, deadlineMs: number): WalkEnd {
    for (;;) {
      this.#count = 0;
      this.#last = VISIT.NEXT;
      if (this.#isInside) copyBytes(this.#after, 0, this.#start, 0, DIGEST_SIZE_BYTES);
      const start = this.#isInside ? this.#start : undefined;
      if (this.#store.index.forEach(this.#partition, start, this.#onEntry)) return "end";
      if (this.#last !== VISIT.NEXT) return "stopped";
      if (clock.monotonicMs() >= deadlineMs) return "time";
    }
  }

  readonly #onEntry = (entry: EntryRef): boolean => {
    this.#last = this.#visit(entry);
    if (this.#last === VISIT.AGAIN) return false;
    entry.copyDigest(this.#after, 0);
    this.#isInside = true;
    return this.#last === VISIT.NEXT && ++this.#count < BATCH_COUNT;
  };
}

/** A waiter that calls a function, unless it was told to forget it. */
export class CallWaiter implements Waiter {
  #call: (() => void) | undefined;

  /** @param call called by each wake */
  constructor(call: () => void) {
    this.#call = call;
  }

  /** See {@linkcode Waiter.wake}. */
  wake(): void {
    this.#call?.();
  }

  /** Calls nothing any more. */
  forget(): void {
    this.#call = undefined;
  }
}
