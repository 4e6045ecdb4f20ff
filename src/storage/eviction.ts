/**
 * Eviction: when a namespace uses more than it should, the records that are nearest to the end of their life go first,
 * a small share per cycle. Records without a void-time, and those of protected sets, stay.
 * Source: server-operations reference, section 17.
 *
 * @module
 */

import type { NamespaceSettings } from "../config/mod.ts";
import type { EntryRef } from "./entry.ts";
import { LinearHistogram } from "./linear_histogram.ts";
import { NO_SET, type SetTable } from "./sets.ts";
import type { NamespaceStore } from "./store.ts";

/** How far an eviction goes, or why it can't. */
export type EvictionDepth = { ttlS: number } | { refusal: string };

/**
 * Which mark for eviction is exceeded.
 *
 * @returns its description, or undefined when none is
 */
export function breachedMark(store: NamespaceStore): string | undefined {
  const { settings } = store;
  const { evictUsedPct } = settings.storage;
  if (evictUsedPct > 0 && store.space.usedBytes * 100 > store.space.totalBytes * evictUsedPct) {
    return `data use is above evict-used-pct (${evictUsedPct})`;
  }
  const { evictIndexesMemoryPct, indexesMemoryBudget } = settings;
  if (
    evictIndexesMemoryPct > 0 && indexesMemoryBudget > 0 &&
    store.indexesUsedBytes * 100 > indexesMemoryBudget * evictIndexesMemoryPct
  ) {
    return `index memory is above evict-indexes-memory-pct (${evictIndexesMemoryPct})`;
  }
  return undefined;
}

/** A histogram of remaining lives, fine enough to choose a small share of the records. */
export function evictionHistogram(settings: NamespaceSettings): LinearHistogram {
  return new LinearHistogram(settings.evictHistBuckets, { bucketWidth: 1, adapts: true });
}

/**
 * The remaining life below which at most `tenthsPct` tenths of a percent of the records lie.
 *
 * @param lives remaining lives of the records that may be evicted, in seconds
 */
export function evictionDepth(lives: LinearHistogram, tenthsPct: number): EvictionDepth {
  if (lives.total === 0) return { refusal: "no record has a void-time and is in a set that may be evicted" };
  if (tenthsPct >= 1000) return { refusal: "evict-tenths-pct asks for everything; lower it" };
  const countMax = Math.floor(lives.total * tenthsPct / 1000);
  let bucket = 0;
  for (let count = 0; bucket < lives.buckets.length; bucket++) {
    count += lives.buckets[bucket];
    if (count > countMax) break;
  }
  const isEmpty = lives.buckets.subarray(0, bucket).every((count) => count === 0);
  if (!isEmpty) return { ttlS: bucket * lives.bucketWidth };
  return {
    refusal: `${lives.buckets[bucket]} of ${lives.total} records share the shortest life (within ` +
      `${lives.bucketWidth} s), which is more than evict-tenths-pct (${tenthsPct}) allows; raise it or evict-hist-buckets`,
  };
}

/** Tells which entries may be evicted; the answer about a set is kept for the life of the object. */
export class Evictable {
  readonly #protectedSets = new Set<number>();

  /** @param options sets and their settings */
  constructor(options: { sets: SetTable; settings: NamespaceSettings }) {
    for (const set of options.sets) {
      if (options.settings.sets.get(set.name)?.disableEviction === true) this.#protectedSets.add(set.id);
    }
  }

  /** Whether a record may be evicted once its turn comes. */
  has(entry: EntryRef): boolean {
    if (entry.isTombstone || entry.voidTime === 0) return false;
    const { setId } = entry;
    return setId === NO_SET || this.#protectedSets.size === 0 || !this.#protectedSets.has(setId);
  }
}
