/**
 * Removal of old tombstones. A tombstone keeps older copies of its record from coming back; when no such copy can exist
 * any more, it only takes memory. Source: server-operations reference, section 18.1; design decision 9.
 *
 * In memory there is no older copy on a device. Copies on nodes that were away are the reason for the age: a node that
 * was away longer must return empty. One that a replica may lack stays until it is mended. Whether migrations are running is asked again in every slice.
 *
 * @module
 */

import { PLANTED } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "./background.ts";
import { RecordWalk } from "./record_walk.ts";
import type { NamespaceStore } from "./store.ts";

/** One pass over the tombstones. */
export class TombRaid implements BackgroundTask {
  readonly #store: NamespaceStore;
  readonly #mayRaid: () => boolean;
  readonly #walk: RecordWalk;

  /**
   * @param store whose tombstones
   * @param mayRaid whether no older copy is on its way; the pass ends when it says no
   */
  constructor(store: NamespaceStore, mayRaid: () => boolean) {
    this.#store = store;
    this.#mayRaid = mayRaid;
    const ageMs = PLANTED.tombstoneTooYoung ? 0 : store.settings.tombRaiderEligibleAge * 1000;
    const oldestMs = store.nowMs() - ageMs;
    this.#walk = new RecordWalk(store, (entry) => {
      const isOld = entry.isTombstone && entry.lastUpdateMs <= oldestMs;
      return isOld && store.isUnsettled?.(entry, "tomb-raider") !== true ? "tomb-raider" : undefined;
    });
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    const before = this.#walk.removedCount;
    const isEnd = !this.#mayRaid() || this.#walk.step(clock, deadlineMs);
    this.#store.supervision.raidedTombstones += this.#walk.removedCount - before;
    return isEnd ? undefined : SLICE_PAUSE_MS;
  }
}
