/**
 * Which item wins: when one is set, and when two clusters that lived apart become one.
 *
 * | module | set | merge |
 * | ------ | --- | ----- |
 * | truncate | a mark that is not larger changes nothing | the larger mark |
 * | evict | replaces | the larger depth |
 * | others | replaces | the higher generation, then the later time, then the larger text |
 *
 * A deletion (an undone truncation) counts by generation and time in every module: it beats what it deleted, also when
 * a node that was away still has that, and loses against what was set later. A merged mark has the highest generation
 * of all that took part, so that whoever has one of them takes the result.
 *
 * Source: clustering reference, section 17.5.
 *
 * @module
 */

import { SMD_MODULE } from "../wire/mod.ts";
import type { SmdContent, SmdStoredItem } from "./smd_types.ts";

/** The larger value wins in a merge: both are numbers that must never go back. */
function isLargerValueModule(module: number): boolean {
  return module === SMD_MODULE.TRUNCATE || module === SMD_MODULE.EVICT;
}

/** A decimal value; -1 when it is none. */
function numberOf(value: string | null): number {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

/** Larger than 0 when `a` is the later state of the item; never 0 for different items. */
function compareAge(a: SmdStoredItem, b: SmdStoredItem): number {
  if (a.generation !== b.generation) return a.generation - b.generation;
  if (a.timestampMs !== b.timestampMs) return a.timestampMs - b.timestampMs;
  if (a.value === b.value) return 0;
  if (a.value === null) return -1;
  return b.value === null || a.value > b.value ? 1 : -1;
}

function latest(items: readonly SmdStoredItem[]): SmdStoredItem | undefined {
  return items.reduce<SmdStoredItem | undefined>(
    (best, one) => best === undefined || compareAge(one, best) > 0 ? one : best,
    undefined,
  );
}

/**
 * The item that is left of several with the same key. The order of the items does not matter.
 *
 * @param module whose rule applies
 * @param items at least one
 */
export function mergeItems(module: number, items: readonly SmdStoredItem[]): SmdStoredItem {
  if (!isLargerValueModule(module)) return latest(items)!;
  const deletion = latest(items.filter(({ value }) => value === null));
  const marks = items.filter((one) =>
    one.value !== null && (deletion === undefined || compareAge(one, deletion) > 0)
  );
  const winner = marks.reduce<SmdStoredItem | undefined>((best, one) => {
    if (best === undefined) return one;
    const difference = numberOf(one.value) - numberOf(best.value);
    return difference > 0 || (difference === 0 && compareAge(one, best) > 0) ? one : best;
  }, undefined) ?? deletion!;
  const { generation, timestampMs } = latest(items)!;
  return { ...winner, generation, timestampMs: Math.max(winner.timestampMs, timestampMs) };
}

/**
 * All items of several contents of one module.
 *
 * @param module whose rule applies
 * @param contents in any order
 */
export function mergeContents(
  module: number,
  contents: readonly Pick<SmdContent, "items">[],
): SmdStoredItem[] {
  const byKey = new Map<string, SmdStoredItem[]>();
  for (const { items } of contents) {
    for (const item of items) {
      const same = byKey.get(item.key);
      if (same === undefined) byKey.set(item.key, [item]);
      else same.push(item);
    }
  }
  return [...byKey.values()].map((items) => items.length === 1 ? items[0] : mergeItems(module, items));
}

/** A value that is to be set. */
export interface SmdChange {
  /** Key. */
  readonly key: string;
  /** Null deletes. */
  readonly value: string | null;
}

/**
 * The item as a set makes it; undefined when it changes nothing: what is not there can't be deleted, and a truncation
 * mark never goes back.
 *
 * @param module whose rule applies
 * @param change what is wanted
 * @param options the item so far, and the time in ms since 2010; the item's time never goes back either
 */
export function changeItem(
  module: number,
  change: SmdChange,
  { before, nowMs }: { before: SmdStoredItem | undefined; nowMs: number },
): SmdStoredItem | undefined {
  const { key, value } = change;
  if (value === null && (before === undefined || before.value === null)) return undefined;
  if (
    module === SMD_MODULE.TRUNCATE && value !== null && before !== undefined && before.value !== null &&
    numberOf(value) <= numberOf(before.value)
  ) return undefined;
  const generation = before === undefined ? 1 : Math.min(before.generation + 1, 0xffff_ffff);
  return { key, value, generation, timestampMs: Math.max(nowMs, (before?.timestampMs ?? 0) + 1) };
}
