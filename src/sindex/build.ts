/**
 * The walk that builds an index over the records that are there already, in slices. Its place is a digest; records that
 * come or change meanwhile are taken in by the index itself, whether the walk has passed them or not.
 *
 * A record that can't be read, because its device fails, is passed over. The index is ready without it, and the walk comes
 * again after a while, until it has read them all.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT, SLICE_MAX_MS } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { hasGeometry } from "../record/mod.ts";
import type { BackgroundTask, EntryRef, NamespaceStore, Waiter } from "../storage/mod.ts";
import { ENTRY_FLAG, LOADED, NO_SET, SLICE_PAUSE_MS } from "../storage/mod.ts";
import type { SecondaryIndex } from "./secondary_index.ts";
import { ValueIndex } from "./secondary_index.ts";

/** Records between two looks at the clock. */
const RECORDS_PER_CLOCK_READ = 16;

/** Pause before a walk that comes again for what could not be read, doubling. */
const AGAIN_MIN_MS = 5000;
const AGAIN_MAX_MS = 600_000;

/** What a build needs. */
export interface BuildOptions {
  /** The records. */
  store: NamespaceStore;
  /** Time. */
  clock: Clock;
  /** Adds a record, whose bytes are in `store.flat`, to the index. */
  add: (index: SecondaryIndex, entry: EntryRef) => void;
  /** Goes on with the task in later turns. */
  resume: (task: BackgroundTask) => void;
}

/** Builds one index. */
export class IndexBuild implements BackgroundTask, Waiter {
  /** What is built. */
  readonly index: SecondaryIndex;
  readonly #options: BuildOptions;
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #startMs: number;
  #isInside = false;
  #partition = 0;
  #count = 0;
  #deadlineMs = 0;
  #isCancelled = false;
  #waits = false;
  #unreadCount = 0;
  #againMs = 0;
  #againPauseMs = AGAIN_MIN_MS;

  /** @param index is not ready */
  constructor(index: SecondaryIndex, options: BuildOptions) {
    this.index = index;
    this.#options = options;
    this.#startMs = options.clock.monotonicMs();
  }

  /** The index is removed. */
  cancel(): void {
    this.#isCancelled = true;
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    if (this.#isCancelled) return undefined;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#againMs) return this.#againMs - nowMs;
    const { index } = this;
    this.#deadlineMs = deadlineMs;
    this.#waits = index instanceof ValueIndex && index.needsGeometry && !hasGeometry(this);
    if (this.#waits) return undefined;
    const { store } = this.#options;
    while (this.#partition < PARTITION_COUNT) {
      const after = this.#isInside ? this.#after : undefined;
      const isEmpty = store.index.partitionEntryCounts[this.#partition] === 0;
      if (!isEmpty && !store.index.forEach(this.#partition, after, this.#visit)) {
        return this.#waits ? undefined : SLICE_PAUSE_MS;
      }
      this.#isInside = false;
      this.#partition++;
      if ((this.#partition & 0xff) === 0 && clock.monotonicMs() >= deadlineMs) break;
    }
    if (!index.isReady) index.loadPct = Math.floor(this.#partition * 100 / PARTITION_COUNT);
    if (this.#partition < PARTITION_COUNT) return SLICE_PAUSE_MS;
    if (!index.isReady) index.loadMs = Math.round(clock.monotonicMs() - this.#startMs);
    index.isReady = true;
    index.hasGaps = this.#unreadCount > 0;
    return index.hasGaps ? this.#comeAgain(clock) : undefined;
  }

  /** Begins at the first record again, later; the pause until then. */
  #comeAgain(clock: Clock): number {
    const pauseMs = this.#againPauseMs;
    this.#againPauseMs = Math.min(AGAIN_MAX_MS, pauseMs * 2);
    this.#againMs = clock.monotonicMs() + pauseMs;
    this.#partition = 0;
    this.#unreadCount = 0;
    return pauseMs;
  }

  /** See {@linkcode Waiter}: what was asked for is here until this call returns. */
  wake(): void {
    if (!this.#waits || this.#isCancelled) return;
    const { clock, resume } = this.#options;
    const pauseMs = this.step(clock, clock.monotonicMs() + SLICE_MAX_MS);
    if (pauseMs !== undefined) resume(this);
  }

  readonly #visit = (entry: EntryRef): boolean => {
    const { add, clock, store } = this.#options;
    const { definition } = this.index;
    const { setName } = definition;
    const isInSet = setName === undefined ||
      (entry.setId !== NO_SET && store.sets.byId(entry.setId)!.name === setName);
    if (isInSet && (entry.flags & ENTRY_FLAG.TOMBSTONE) === 0) {
      const loaded = definition.kind === "value" ? store.load(entry, this) : LOADED.HERE;
      if (loaded === LOADED.PENDING) {
        this.#waits = true;
        return false;
      }
      if (loaded === LOADED.HERE) add(this.index, entry);
      else this.#unreadCount++;
    }
    entry.copyDigest(this.#after, 0);
    this.#isInside = true;
    return ++this.#count % RECORDS_PER_CLOCK_READ !== 0 || clock.monotonicMs() < this.#deadlineMs;
  };
}
