/**
 * The order by rank in the index of a map that was made from another one: kept entries stay in their old order, new ones
 * go where they belong. When one entry is put in, replaced or taken out the old order is copied in two or three pieces;
 * otherwise the two orders are merged.
 *
 * @module
 */

import { compareValues } from "./compare.ts";
import { INDEX_DAMAGE, widthBelow, writeNumber } from "./offset_index.ts";
import { skipValue } from "./value.ts";
import type { ContainerView } from "./view.ts";

/** In place of an old index: the run is of new entries. */
export const ADDED = -1;

/** What a map was made from. */
export interface MapChange {
  /** The old map, located. */
  view: ContainerView;
  /** Buffer of the new map, which is complete but for the order. */
  bytes: Uint8Array;
  /** Offset after it. */
  end: number;
  /** Offset of its content. */
  contentAt: number;
  /** Entries of it. */
  count: number;
  /** Runs that it consists of: index of the first entry in the old map, or ADDED. */
  runFrom: Int32Array;
  /** Entries of each run. */
  runCount: Int32Array;
  /** Of runs of new entries, the offset in the content. */
  runAt: Int32Array;
  /** Number of runs. */
  runs: number;
}

/** A new entry: its index, the offset of its value, and how many old ones, gone ones included, come before it by rank. */
interface AddedEntry {
  index: number;
  valueAt: number;
  rank: number;
}

/**
 * Writes the indexes of a new map's entries by rank.
 *
 * @throws {Error} INDEX_DAMAGE when the old order is wrong
 */
export function writeOrder(change: MapChange, at: number): void {
  if (change.view.isIndexed && change.view.hasRanks && readSplice(change)) writeSpliced(change, at);
  else writeMerged(change, at);
}

/** One place at which an entry is gone, new, or both. */
const splice = { index: 0, gone: 0, added: 0, addedAt: 0 };

/** Reads what happened as a splice; false when more than one entry is gone or new. */
function readSplice({ contentAt, runAt, runCount, runFrom, runs, view }: MapChange): boolean {
  splice.gone = splice.added = 0;
  splice.index = view.count;
  let old = 0;
  for (let run = 0; run <= runs; run++) {
    const from = run === runs ? view.count : runFrom[run];
    if (from === ADDED) {
      // A new entry that stands before a gone one has its index, and one behind it is another place.
      if (splice.gone + splice.added > 0) return false;
      splice.added = runCount[run];
      splice.index = old;
      splice.addedAt = contentAt + runAt[run];
      continue;
    }
    if (from > old) {
      if (splice.gone > 0 || (splice.added > 0 && splice.index !== old)) return false;
      splice.gone = from - old;
      splice.index = old;
    }
    old = from + (run === runs ? 0 : runCount[run]);
  }
  return splice.gone <= 1 && splice.added <= 1;
}

/** Copies the old order around what is gone and what is new. */
function writeSpliced({ bytes, count, end, view }: MapChange, at: number): void {
  const { added, gone, index } = splice;
  const width = widthBelow(count);
  const goneRank = gone === 1 ? view.rankOf(index) : view.count;
  if (gone === 1 && view.indexByRank(goneRank) !== index) throw INDEX_DAMAGE;
  const valueAt = added === 1 ? skipValue(bytes, splice.addedAt, end) : 0;
  const newRank = added === 1 ? rankAmongOld(view, bytes, valueAt, index) : view.count;
  const moved = { pivot: index, shift: added - gone, width };
  const keep = (from: number, to: number): void => {
    view.writeOrder(bytes, at, { ...moved, from, to });
    at += Math.max(0, to - from) * width;
  };
  const put = (): void => {
    if (added === 0) return;
    writeNumber(bytes, at, width, index);
    at += width;
  };
  if (newRank <= goneRank) {
    keep(0, newRank);
    put();
    keep(newRank, goneRank);
    keep(goneRank + gone, view.count);
  } else {
    keep(0, goneRank);
    keep(goneRank + gone, newRank);
    put();
    keep(newRank, view.count);
  }
}

/** Old entries, in their order, that come before a new one: lesser values, and equal ones with a lesser index. */
function rankAmongOld(view: ContainerView, bytes: Uint8Array, valueAt: number, index: number): number {
  let low = 0;
  let high = view.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const old = view.indexByRank(middle);
    if ((view.compareValue(old, bytes, valueAt) || (old < index ? -1 : 1)) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function writeMerged(change: MapChange, at: number): void {
  const { bytes, count, view } = change;
  const width = widthBelow(count);
  const moved = movedIndexes(change);
  const order = view.order();
  const added = addedByRank(change, moved);
  const end = at + count * width;
  let next = 0;
  for (let rank = 0; rank <= view.count; rank++) {
    for (; next < added.length && added[next].rank === rank && at < end; next++, at += width) {
      writeNumber(bytes, at, width, added[next].index);
    }
    if (rank === view.count || moved[order[rank]] < 0 || at === end) continue;
    writeNumber(bytes, at, width, moved[order[rank]]);
    at += width;
  }
  // A wrong index may name an entry twice, and another one never.
  if (at !== end) throw INDEX_DAMAGE;
}

/** New index of each old entry; of one that is gone `-1 - index` of the entry that follows it. */
function movedIndexes({ runCount, runFrom, runs, view }: MapChange): Int32Array {
  const moved = new Int32Array(view.count);
  let old = 0;
  let index = 0;
  for (let run = 0; run < runs; run++) {
    const from = runFrom[run];
    const count = runCount[run];
    if (from !== ADDED) {
      while (old < from) moved[old++] = -1 - index;
      for (let kept = 0; kept < count; kept++) moved[old++] = index + kept;
    }
    index += count;
  }
  moved.fill(-1 - index, old);
  return moved;
}

/** The new entries, sorted. */
function addedByRank(change: MapChange, moved: Int32Array): AddedEntry[] {
  const { bytes, contentAt, end, runAt, runCount, runFrom, runs, view } = change;
  const added: AddedEntry[] = [];
  let index = 0;
  for (let run = 0; run < runs; run++) {
    if (runFrom[run] === ADDED) {
      const valueAt = skipValue(bytes, contentAt + runAt[run], end);
      // Places of old entries among the new ones rise with their indexes, so the first old one behind it is enough.
      added.push({ index, valueAt, rank: rankAmongOld(view, bytes, valueAt, oldIndexAt(moved, index)) });
    }
    index += runCount[run];
  }
  return added.sort((left, right) =>
    compareValues(bytes, left.valueAt, bytes, right.valueAt) || left.index - right.index
  );
}

/** Index of the first old entry that stands, or would stand, at a new index or behind it. */
function oldIndexAt(moved: Int32Array, index: number): number {
  let low = 0;
  let high = moved.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = moved[middle] < 0 ? -1 - moved[middle] : moved[middle];
    if (at < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
