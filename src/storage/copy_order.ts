/**
 * Which of several copies of a record on a device a start takes for the newest.
 *
 * @module
 */

import { ENTRY_FLAG, type EntryRef } from "./entry.ts";
import type { FlatRecord } from "./flat.ts";

/**
 * Order time that a record needs so that a start takes it for newer than the copy whose place it takes; 0 when its last
 * update time says so.
 */
export function orderOver(
  { lastUpdateMs, generation, voidTime }: Pick<FlatRecord, "lastUpdateMs" | "generation" | "voidTime">,
  entry: EntryRef,
): number {
  const { orderMs } = entry;
  if (lastUpdateMs > orderMs) return 0;
  const isLater = lastUpdateMs === orderMs && orderMs === entry.lastUpdateMs &&
    (generation > entry.generation || (generation === entry.generation && voidTime > entry.voidTime));
  return isLater ? 0 : orderMs + 1;
}

/** Whether a record that was found is the version that its digest has. */
export function isSame(record: FlatRecord, entry: EntryRef): boolean {
  return record.lastUpdateMs === entry.lastUpdateMs && record.generation === entry.generation &&
    record.voidTime === entry.voidTime;
}

/** Whether a record that was found is newer than the one its digest has; of two that are equal either will do. */
export function isNewer(record: FlatRecord, entry: EntryRef, orderMs: number): boolean {
  const { lastUpdateMs, generation } = record;
  if (orderMs !== entry.orderMs) return orderMs > entry.orderMs;
  if (lastUpdateMs !== entry.lastUpdateMs) return lastUpdateMs > entry.lastUpdateMs;
  if (generation !== entry.generation) return generation > entry.generation;
  return record.voidTime > entry.voidTime;
}

/** Whether a copy of an entry's record, or one that is older still, would outlive a new version. */
export function isOutlived(entry: EntryRef, voidTime: number): boolean {
  if (voidTime === 0) return false;
  return entry.voidTime === 0 || entry.voidTime > voidTime || (entry.flags & ENTRY_FLAG.OUTLIVED) !== 0;
}
