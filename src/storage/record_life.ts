/**
 * Which records are there, and what times writes get.
 *
 * A record is live when it is not a tombstone, its void-time has not passed, and it is newer than the truncation marks
 * of its set and namespace. Records that are not live are absent for clients at once; the supervisor removes them later.
 *
 * Last update times never go back: a write gets max(now, stored + 1), and is newer than any truncation mark.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, PLANTED } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import type { EntryRef } from "./entry.ts";
import type { FlatRecord } from "./flat.ts";
import { NO_SET, type SetInfo, SetTable } from "./sets.ts";

/** See the head of the file; `store.ts` stands on it. */
export class RecordLife {
  /** Sets. */
  readonly sets: SetTable = new SetTable();
  /** Records last updated up to this many ms since 2010 are truncated; 0 for none. */
  truncateLutMs = 0;
  /** Writes are later than this, in ms since 2010: what the cluster has seen at its last change; 0 alone. */
  lastUpdateFloorMs = 0;
  /** A truncation of the whole namespace has not yet removed all its records. */
  truncating = false;
  /** Called when a truncation mark was set; the supervisor then removes records. */
  onTruncate: (() => void) | undefined;
  readonly #clock: Clock;

  /** @param clock time */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Present time in ms since 2010. */
  nowMs(): number {
    return Math.floor(this.#clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000;
  }

  /**
   * Makes records invisible that were last updated up to a time. A mark never moves back.
   *
   * @param set whose records; undefined for the whole namespace
   * @param lutMs ms since 2010, not in the future
   */
  truncate(set: SetInfo | undefined, lutMs: number): void {
    const target = set ?? this;
    target.truncateLutMs = Math.max(target.truncateLutMs, lutMs);
    target.truncating = true;
    this.onTruncate?.();
  }

  /** Forgets a mark: records that are not removed yet are visible again. */
  undoTruncate(set: SetInfo | undefined): void {
    (set ?? this).truncateLutMs = 0;
  }

  /** All truncated records are removed. */
  endTruncation(): void {
    this.truncating = false;
    for (const set of this.sets) set.truncating = false;
  }

  /** Whether a record is there for clients. */
  isLive(entry: EntryRef, nowMs: number): boolean {
    return !entry.isTombstone && !this.isExpired(entry, nowMs) && !this.isTruncated(entry);
  }

  /** Whether the second of a record's void-time has passed. */
  isExpired(entry: EntryRef, nowMs: number): boolean {
    const voidTime = entry.voidTime;
    return voidTime !== 0 && (voidTime + 1) * 1000 <= nowMs;
  }

  /** Whether a record is older than a truncation mark. */
  isTruncated(entry: EntryRef): boolean {
    const { lastUpdateMs } = entry;
    if (lastUpdateMs <= this.truncateLutMs) return true;
    const setId = entry.setId;
    return setId !== NO_SET && lastUpdateMs <= this.sets.byId(setId)!.truncateLutMs;
  }

  /** Whether a copy of a record with a last update time is covered by a truncation; the record says which set it is in. */
  isTruncatedTime(lastUpdateMs: number, record: FlatRecord): boolean {
    if (lastUpdateMs <= this.truncateLutMs) return true;
    if (record.setSize === 0) return false;
    const set = this.sets.find(record.bytes, record.setAt, record.setSize);
    return set !== undefined && lastUpdateMs <= set.truncateLutMs;
  }

  /** The last update time for a write: now, but later than the stored one and than every truncation mark. */
  nextLastUpdateMs(entry: EntryRef | undefined, set: SetInfo | undefined): number {
    let lastUpdateMs = Math.max(this.nowMs(), this.truncateLutMs + 1, this.lastUpdateFloorMs);
    if (entry !== undefined && !PLANTED.noLutRule) {
      lastUpdateMs = Math.max(lastUpdateMs, entry.orderMs + 1);
    }
    if (set !== undefined) lastUpdateMs = Math.max(lastUpdateMs, set.truncateLutMs + 1);
    return lastUpdateMs;
  }
}
