/**
 * Removal of truncated records in the background. They are invisible from the moment the mark is set; this gives their
 * memory back. A mark that is set while a walk is under way gets a walk of its own afterwards.
 * Source: server-operations reference, section 18.2.
 *
 * @module
 */

import type { Clock } from "../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "./background.ts";
import { RecordWalk } from "./record_walk.ts";
import type { NamespaceStore } from "./store.ts";

/** Removes what is older than the marks of sets and namespace. */
export class TruncationTask implements BackgroundTask {
  readonly #store: NamespaceStore;
  #walk: RecordWalk | undefined;
  #again = false;

  /** @param store whose records */
  constructor(store: NamespaceStore) {
    this.#store = store;
  }

  /** A mark has been set. */
  noteMark(): void {
    this.#again = true;
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    if (this.#walk === undefined) {
      this.#again = false;
      this.#walk = new RecordWalk(
        this.#store,
        (entry) => this.#store.isTruncated(entry) ? "truncate" : undefined,
      );
    }
    if (!this.#walk.step(clock, deadlineMs)) return SLICE_PAUSE_MS;
    this.#store.supervision.truncatedObjects += this.#walk.removedCount;
    this.#walk = undefined;
    if (this.#again) return SLICE_PAUSE_MS;
    this.#store.endTruncation();
    return undefined;
  }
}
