/**
 * What a get or remove operation chose among the elements of a container. Three kinds:
 *
 * * INDEX_RUN: neighbours. Chosen by index or key; in a sorted list by value and rank, too.
 * * RANK_RUN: neighbours in rank order. Chosen by value or rank.
 * * SCATTER: one by one, chosen by a list of keys or values.
 *
 * Source: data type reference, sections 2.5 to 2.7, 3.5 and 3.6.
 *
 * @module
 */

/** Kinds of a selection. */
export const KIND = { INDEX_RUN: 0, RANK_RUN: 1, SCATTER: 2 } as const;

/** How an empty selection is reported as a range. */
export const EMPTY_RANGE = {
  /** By the usual formula: the reverse start is `count - start`. */
  FORMULA: 0,
  /** The start, also where a reverse start is asked for. */
  START: 1,
  /** As START, also in range types that the selector does not have otherwise. */
  START_ALWAYS: 2,
} as const;

/** Elements that selections keep room for between uses. */
const KEPT_COUNT_MAX = 64 * 1024;

/** A chosen set of elements; made once and filled again for each call. */
export class Selection {
  /** One of `KIND`. */
  kind: number = KIND.INDEX_RUN;
  /** Index or rank of the first chosen element, as the kind says. */
  start = 0;
  /** Chosen elements. */
  count = 0;
  /** Result as index range is possible. */
  hasIndexRange = false;
  /** Result as rank range is possible. */
  hasRankRange = false;
  /** One of `EMPTY_RANGE`. */
  emptyRange: number = EMPTY_RANGE.FORMULA;
  /** RANK_RUN: `indexes` are in rank order, not in index order. */
  isByRank = false;
  /** Indexes of the chosen elements, for kinds other than INDEX_RUN; in the order in which INDEX lists them. */
  indexes: Int32Array = new Int32Array(64);
  /** SCATTER: how many `indexes` there are; a sorted list repeats an element that was asked for twice. */
  listedCount = 0;
  /** SCATTER: ranks in the order in which RANK lists them. */
  ranks: Int32Array = new Int32Array(0);
  /** SCATTER: how many `ranks` there are. */
  rankCount = 0;
  /** SCATTER: bounds of the runs in `indexes` that one requested value has chosen, for reverse numbers. */
  isRunPerRequest = false;
  /** One byte per element of the container: 1 when it was chosen. Filled by `mark`. */
  mask: Uint8Array = new Uint8Array(64);

  /** Begins a selection. */
  begin(kind: number): void {
    this.kind = kind;
    this.start = 0;
    this.count = 0;
    this.listedCount = 0;
    this.rankCount = 0;
    this.hasIndexRange = kind === KIND.INDEX_RUN;
    this.hasRankRange = kind === KIND.RANK_RUN;
    this.emptyRange = EMPTY_RANGE.FORMULA;
    this.isByRank = false;
    this.isRunPerRequest = false;
  }

  /** Makes room for `count` indexes. */
  reserve(count: number): Int32Array {
    this.indexes = roomFor(this.indexes, count);
    return this.indexes;
  }

  /** Makes room for `count` ranks. */
  reserveRanks(count: number): Int32Array {
    this.ranks = roomFor(this.ranks, count);
    return this.ranks;
  }

  /** Adds an index to a SCATTER. */
  list(index: number): void {
    if (this.listedCount === this.indexes.length) this.indexes = doubled(this.indexes);
    this.indexes[this.listedCount++] = index;
  }

  /** Adds a rank to a SCATTER. */
  listRank(rank: number): void {
    if (this.rankCount === this.ranks.length) this.ranks = doubled(this.ranks);
    this.ranks[this.rankCount++] = rank;
  }

  /** Clears the mask for a container of `count` elements. */
  clearMask(count: number): void {
    if (this.mask.length < count) this.mask = new Uint8Array(count);
    else if (this.mask.length > KEPT_COUNT_MAX && count < KEPT_COUNT_MAX) {
      this.mask = new Uint8Array(KEPT_COUNT_MAX);
    }
    this.mask.fill(0, 0, count);
  }

  /** Fills the mask for a container of `count` elements. */
  mark(count: number): void {
    this.clearMask(count);
    if (this.kind === KIND.INDEX_RUN) {
      this.mask.fill(1, this.start, this.start + this.count);
      return;
    }
    const listed = this.kind === KIND.SCATTER ? this.listedCount : this.count;
    for (let at = 0; at < listed; at++) this.mask[this.indexes[at]] = 1;
  }
}

function roomFor(array: Int32Array, count: number): Int32Array {
  if (array.length < count) return new Int32Array(Math.max(64, count));
  return array.length > KEPT_COUNT_MAX && count < KEPT_COUNT_MAX ? new Int32Array(KEPT_COUNT_MAX) : array;
}

function doubled(array: Int32Array): Int32Array {
  const larger = new Int32Array(Math.max(64, array.length * 2));
  larger.set(array);
  return larger;
}

/** Result of `clampRange`, valid until the next call. */
export const range = { start: 0, count: 0 };

/** Cuts a range of indexes or ranks to what is there; a negative start counts from the end. */
export function clampRange(total: number, start: number, count: number): void {
  if (start < -total) {
    count += total + start;
    start = 0;
  } else if (start < 0) {
    start += total;
  }
  if (start > total) start = total;
  range.start = start;
  range.count = Math.max(0, Math.min(count, total - start));
}

/** As `clampRange`, for a start that counts from `base`. */
export function clampRelative(total: number, base: number, offset: number, count: number): void {
  let start = base + offset;
  if (start < 0) {
    count = Math.max(0, count + start);
    start = 0;
  }
  clampRange(total, start, count);
}

/** Index of an element from a parameter that may count from the end; -1 when there is none. */
export function resolveIndex(count: number, index: number): number {
  if (index >= count || index < -count) return -1;
  return index < 0 ? count + index : index;
}
