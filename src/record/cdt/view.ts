/**
 * A list or map in some bytes: its head, and the offsets of its elements once somebody needs them. Made once and opened
 * again for each container. There are two ways to an offset, and those who ask need not know which it is:
 *
 * * found in one pass over the bytes (`fill`), in an array that is used again;
 * * read from the persisted index of a bin's value, each checked against the bytes when it is used. What reads all
 *   elements anyway goes over the bytes even so (`needAll`).
 *
 * Maps are stored sorted by key, "unordered" ones too, so a key is found by binary search in every map.
 *
 * @module
 */

import { compareValues } from "./compare.ts";
import { FLAG, type Head, isListLead, isMapLead, makeHead, readHead } from "./head.ts";
import {
  INDEX_DAMAGE,
  type MovedOffsets,
  type MovedOrder,
  OffsetIndex,
  writeNumber,
} from "./offset_index.ts";
import { skipValue } from "./value.ts";

/** Offsets that a view keeps room for between uses. */
const KEPT_COUNT_MAX = 64 * 1024;
/** Up to this many entries a key is searched one after the other, without looking for offsets first. */
const LINEAR_SEARCH_COUNT_MAX = 32;

/** Answer of `findKey` when a container's bytes are damaged. */
export const DAMAGED = -0x8000_0000;

/** A look at one container. */
export class ContainerView {
  /** Buffer that holds the container. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the container. */
  at = 0;
  /** Offset after it. */
  end = 0;
  /** It is a map. */
  isMap = false;
  /** Elements of the list or entries of the map. */
  count = 0;
  /** Flags of the header element; PERSIST_INDEX of the value of a bin alone. */
  flags = 0;
  /** Offset of the first element. */
  contentAt = 0;
  /** The container has an index that fits it by its size. */
  isIndexed = false;
  readonly #head: Head = makeHead();
  /** Values per element: 1 in a list, 2 in a map. */
  #stride = 1;
  #offsets: Int32Array = new Int32Array(256);
  #isFilled = false;
  #order: Int32Array = new Int32Array(64);
  #isSorted = false;
  readonly #index: OffsetIndex = new OffsetIndex();
  /** Entry whose offsets were read from the index and checked last: where it is, and where its value begins. */
  #checked = -1;
  #checkedAt = 0;
  #checkedValueAt = 0;
  #checkedEnd = 0;
  /** The value of that entry was checked, too. */
  #isValueChecked = false;
  readonly #byRank = (left: number, right: number): number =>
    compareValues(this.bytes, this.valueAt(left), this.bytes, this.valueAt(right)) || left - right;

  /**
   * Looks at the container from `at` to `end`.
   *
   * @returns false when there is neither a list nor a map, or less than its head says
   */
  open(bytes: Uint8Array, at: number, end: number): boolean {
    const lead = bytes[at];
    this.isMap = isMapLead(lead);
    if (at >= end || !(this.isMap || isListLead(lead))) return false;
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.#stride = this.isMap ? 2 : 1;
    this.#isFilled = false;
    this.#isSorted = false;
    this.isIndexed = false;
    const head = this.#head;
    readHead(bytes, at, head);
    this.count = head.count;
    this.flags = head.flags & ~(FLAG.PERSIST_INDEX | FLAG.OWN_INDEX);
    this.contentAt = head.contentAt;
    return head.contentAt + head.count * this.#stride <= end;
  }

  /**
   * As `open`, for the whole value of a bin, which may have a persisted index.
   *
   * @param usesIndex the index may be used; if not, it is as if it did not fit
   */
  openBin(bytes: Uint8Array, at: number, end: number, usesIndex: boolean): boolean {
    if (!this.open(bytes, at, end)) return false;
    if ((this.#head.flags & FLAG.PERSIST_INDEX) === 0) return true;
    this.flags |= FLAG.PERSIST_INDEX;
    const { count, flags, isMap } = this;
    const indexed = { count, flags, isMap, contentSize: end - this.contentAt };
    this.#checked = -1;
    this.isIndexed = usesIndex && this.#index.open(bytes, this.#head, indexed);
    return true;
  }

  /** Looks at nothing: an empty container without flags. */
  openMissing(isMap: boolean): void {
    this.isMap = isMap;
    this.#stride = isMap ? 2 : 1;
    this.bytes = NOTHING;
    this.at = 0;
    this.end = 0;
    this.count = 0;
    this.flags = 0;
    this.contentAt = 0;
    this.#isFilled = false;
    this.#isSorted = false;
    this.isIndexed = false;
  }

  /** The list is sorted, or the map is flagged as sorted by key. */
  get isOrdered(): boolean {
    return (this.flags & FLAG.ORDERED) !== 0;
  }

  /** Index and rank are the same. */
  get isSortedList(): boolean {
    return !this.isMap && (this.flags & FLAG.ORDERED) !== 0;
  }

  /**
   * Finds the offsets of all elements.
   *
   * @param knownIndex index of an element of a list whose end is known already, so that it need not be looked at
   * @param knownEnd end of that element
   * @returns false when the bytes are damaged
   */
  fill(knownIndex = -1, knownEnd = 0): boolean {
    if (this.#isFilled) return true;
    const total = this.count * this.#stride;
    if (this.#offsets.length <= total) this.#offsets = new Int32Array(Math.max(256, total * 2));
    else if (this.#offsets.length > KEPT_COUNT_MAX && total < KEPT_COUNT_MAX) {
      this.#offsets = new Int32Array(KEPT_COUNT_MAX);
    }
    const { bytes, end } = this;
    const offsets = this.#offsets;
    let at = this.contentAt;
    for (let index = 0; index < total; index++) {
      offsets[index] = at;
      at = index === knownIndex ? knownEnd : skipValue(bytes, at, end);
      if (at < 0) return false;
    }
    offsets[total] = at;
    this.#isFilled = at === end;
    return this.#isFilled;
  }

  /**
   * Makes the offsets of elements available: from the index, if there is one.
   *
   * @returns false when the bytes are damaged
   */
  locate(): boolean {
    return this.isIndexed || this.fill();
  }

  /**
   * Finds the offsets of all elements of a located view, for who looks at all of them.
   *
   * @throws {Error} INDEX_DAMAGE when the bytes are damaged
   */
  needAll(): void {
    if (!this.fill()) throw INDEX_DAMAGE;
  }

  /** Ranks are known without a look at all elements. */
  get hasRanks(): boolean {
    return this.isSortedList || (this.isIndexed && this.#index.hasOrder);
  }

  /** Offset of an element or key; `index` may be the count: then the end. Located views only. */
  entryAt(index: number): number {
    return this.#isFilled ? this.#offsets[index * this.#stride] : this.#indexedEntryAt(index);
  }

  /** Offset after an element or entry. Located views only. */
  entryEnd(index: number): number {
    if (this.#isFilled) return this.#offsets[(index + 1) * this.#stride];
    this.#checkValue(index);
    return this.#checkedEnd;
  }

  /** Offset of a list's element or a map's value. Located views only. */
  valueAt(index: number): number {
    return this.#isFilled
      ? this.#offsets[index * this.#stride + this.#stride - 1]
      : this.#indexedValueAt(index);
  }

  #indexedEntryAt(index: number): number {
    if (index === this.count) return this.end;
    this.#check(index);
    return this.#checkedAt;
  }

  #indexedValueAt(index: number): number {
    this.#checkValue(index);
    return this.#checkedValueAt;
  }

  /** Reads where an entry is from the index, and checks that a list's element or a map's key is there. */
  #check(index: number): void {
    if (index === this.#checked) return;
    const { bytes, contentAt, isMap } = this;
    const at = contentAt + this.#index.offset(index);
    const end = contentAt + this.#index.offset(index + 1);
    if (end > this.end) throw INDEX_DAMAGE;
    const firstEnd = skipValue(bytes, at, end);
    if (firstEnd < 0 || (isMap ? firstEnd >= end : firstEnd !== end)) throw INDEX_DAMAGE;
    this.#checked = index;
    this.#checkedAt = at;
    this.#checkedValueAt = isMap ? firstEnd : at;
    this.#checkedEnd = end;
    this.#isValueChecked = !isMap;
  }

  /** As `#check`, and that a map's value ends where the next entry begins. */
  #checkValue(index: number): void {
    this.#check(index);
    if (this.#isValueChecked) return;
    if (skipValue(this.bytes, this.#checkedValueAt, this.#checkedEnd) !== this.#checkedEnd) {
      throw INDEX_DAMAGE;
    }
    this.#isValueChecked = true;
  }

  /** Writes offsets of neighbouring entries into an index of another container. Located views only. */
  writeOffsets(target: Uint8Array, at: number, options: MovedOffsets): void {
    if (!this.#isFilled) return this.#index.writeMoved(target, at, options);
    const { count, from, shift, width } = options;
    const moved = shift - this.contentAt;
    for (let index = from; index < from + count; index++) {
      writeNumber(target, at, width, this.#offsets[index * this.#stride] + moved);
      at += width;
    }
  }

  /** As `writeOffsets`, for indexes of entries by rank. Views whose index has them only. */
  writeOrder(target: Uint8Array, at: number, options: MovedOrder): void {
    this.#index.writeMovedOrder(target, at, options);
  }

  /** Compares the value of an element with another value. Located views only. */
  compareValue(index: number, other: Uint8Array, otherAt: number): number {
    return compareValues(this.bytes, this.valueAt(index), other, otherAt);
  }

  /**
   * Indexes of all elements by rank: sorted by value, equal values by index. Located views only.
   *
   * @returns an array that the view owns, at least `count` long
   */
  order(): Int32Array {
    if (this.#isSorted) return this.#order;
    const { count } = this;
    if (this.#order.length < count || this.#order.length > KEPT_COUNT_MAX) {
      this.#order = new Int32Array(Math.max(64, count));
    }
    const order = this.#order;
    if (this.isIndexed && this.#index.hasOrder) {
      this.#index.readOrder(order);
    } else {
      for (let index = 0; index < count; index++) order[index] = index;
      if (!this.isSortedList) {
        this.needAll();
        order.subarray(0, count).sort(this.#byRank);
      }
    }
    this.#isSorted = true;
    return order;
  }

  /** Index of the element with a rank, where ranks are known. */
  #indexAtRank(rank: number): number {
    return this.isSortedList ? rank : this.#isSorted ? this.#order[rank] : this.#index.indexAt(rank);
  }

  /** Index of the element with a rank, for who needs neighbouring ones. Located views only. */
  indexByRank(rank: number): number {
    return this.hasRanks ? this.#indexAtRank(rank) : this.order()[rank];
  }

  /** Number of elements in rank order that are less than a value (`orEqual`: less or equal). Located views only. */
  rankBound(other: Uint8Array, otherAt: number, orEqual: boolean): number {
    if (!this.hasRanks) this.order();
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const result = this.compareValue(this.#indexAtRank(middle), other, otherAt);
      if (result < 0 || (orEqual && result === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Rank of an element: elements that are less, and equal ones before it. Where ranks are known. */
  rankOf(index: number): number {
    if (this.isSortedList) return index;
    const { bytes } = this;
    const at = this.valueAt(index);
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#indexAtRank(middle);
      if ((this.compareValue(other, bytes, at) || other - index) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Number of keys of a map, or elements of an ordered list, less than a value. Located views only. */
  entryBound(other: Uint8Array, otherAt: number, orEqual: boolean): number {
    const { bytes } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const result = compareValues(bytes, this.entryAt(middle), other, otherAt);
      if (result < 0 || (orEqual && result === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the first element or map value equal to a value, -1 when there is none. Located views only. */
  indexOfValue(other: Uint8Array, otherAt: number): number {
    if (this.isSortedList) {
      const index = this.entryBound(other, otherAt, false);
      return index < this.count && this.compareValue(index, other, otherAt) === 0 ? index : -1;
    }
    if (this.hasRanks) {
      const rank = this.rankBound(other, otherAt, false);
      const index = rank < this.count ? this.#indexAtRank(rank) : -1;
      return index >= 0 && this.compareValue(index, other, otherAt) === 0 ? index : -1;
    }
    this.needAll();
    for (let index = 0; index < this.count; index++) {
      if (this.compareValue(index, other, otherAt) === 0) return index;
    }
    return -1;
  }

  /** Index of the element with a rank; the lowest and the highest one are found in one pass. Located views only. */
  indexOfRank(rank: number): number {
    if (this.hasRanks) return this.#indexAtRank(rank);
    if (rank > 0 && rank < this.count - 1) return this.order()[rank];
    this.needAll();
    let best = 0;
    for (let index = 1; index < this.count; index++) {
      const comparison = this.compareValue(index, this.bytes, this.valueAt(best));
      if (rank === 0 ? comparison < 0 : comparison >= 0) best = index;
    }
    return best;
  }

  /** Offset of the key that `findKey` found, or of the first one above; of the end when there is none. */
  foundKeyAt = 0;
  /** Offset of the value that belongs to the key that was found. */
  foundValueAt = 0;
  /** Offset after the entry that was found. */
  foundEnd = 0;

  /**
   * Finds a key of a map and leaves its offsets in the three fields above.
   *
   * @returns its index; `-1 - index` when there is none and it would be put at `index`; DAMAGED when the bytes are
   */
  findKey(key: Uint8Array, keyAt: number): number {
    if (this.isIndexed || this.count > LINEAR_SEARCH_COUNT_MAX) return this.#findKeyBySearch(key, keyAt);
    const { bytes, end } = this;
    let at = this.contentAt;
    for (let index = 0; index < this.count; index++) {
      const valueAt = skipValue(bytes, at, end);
      if (valueAt < 0) return DAMAGED;
      const order = compareValues(bytes, at, key, keyAt);
      if (order >= 0) {
        this.foundKeyAt = at;
        this.foundValueAt = valueAt;
        this.foundEnd = skipValue(bytes, valueAt, end);
        return this.foundEnd < 0 ? DAMAGED : order === 0 ? index : -1 - index;
      }
      at = skipValue(bytes, valueAt, end);
      if (at < 0) return DAMAGED;
    }
    this.foundKeyAt = at;
    return -1 - this.count;
  }

  /**
   * Finds an element by its index, which is below the count, and leaves its offsets as `findKey` does.
   *
   * @returns false when the bytes are damaged
   */
  seek(index: number): boolean {
    if (!this.seekStart(index)) return false;
    this.foundEnd = this.isIndexed
      ? this.entryEnd(index)
      : skipValue(this.bytes, this.foundValueAt, this.end);
    return this.foundEnd >= 0;
  }

  /**
   * As `seek`, without looking at the value or behind it: `foundEnd` stays as it was. Like the next two, it may be used
   * on a container whose end is not known, with an `end` that is behind it.
   */
  seekStart(index: number): boolean {
    const { bytes, end } = this;
    const isLocated = this.#isFilled || this.isIndexed;
    let at = isLocated ? this.entryAt(index) : this.contentAt;
    const skipped = isLocated ? 0 : index * this.#stride;
    for (let value = 0; value < skipped; value++) {
      at = skipValue(bytes, at, end);
      if (at < 0) return false;
    }
    return this.#foundEntry(at);
  }

  /** Notes the entry at an offset as found; false when its bytes are damaged. */
  #foundEntry(at: number): boolean {
    this.foundKeyAt = at;
    this.foundValueAt = this.isMap ? skipValue(this.bytes, at, this.end) : at;
    return this.foundValueAt >= 0;
  }

  /**
   * Finds a key as `findKey` does, without looking at its value or behind it: one after the other, if there is no index.
   *
   * @returns its index, -1 when there is none, or DAMAGED
   */
  findKeyStart(key: Uint8Array, keyAt: number): number {
    if (this.isIndexed) return Math.max(-1, this.#findKeyBySearch(key, keyAt));
    return this.#findStart(key, keyAt, false);
  }

  /** Finds the first element or map value equal to another value, without looking behind it. */
  findValueStart(other: Uint8Array, otherAt: number): number {
    if (!this.isIndexed || !this.hasRanks) return this.#findStart(other, otherAt, true);
    const index = this.indexOfValue(other, otherAt);
    return index < 0 || this.seekStart(index) ? index : DAMAGED;
  }

  #findStart(other: Uint8Array, otherAt: number, byValue: boolean): number {
    const { bytes, end } = this;
    const isSorted = !byValue || this.isSortedList;
    let at = this.contentAt;
    for (let index = 0; index < this.count; index++) {
      // A wildcard compares with anything, so what it compares with must have been looked at.
      if (!this.#foundEntry(at)) return DAMAGED;
      const next = skipValue(bytes, byValue || !this.isMap ? this.foundValueAt : at, end);
      if (next < 0) return DAMAGED;
      const order = compareValues(bytes, byValue ? this.foundValueAt : at, other, otherAt);
      if (order === 0) return index;
      if (isSorted && order > 0) return -1;
      at = byValue || !this.isMap ? next : skipValue(bytes, this.foundValueAt, end);
      if (at < 0) return DAMAGED;
    }
    return -1;
  }

  #findKeyBySearch(key: Uint8Array, keyAt: number): number {
    if (!this.locate()) return DAMAGED;
    const index = this.entryBound(key, keyAt, false);
    this.foundKeyAt = this.entryAt(index);
    if (index === this.count) return -1 - index;
    this.foundValueAt = this.valueAt(index);
    this.foundEnd = this.entryEnd(index);
    return compareValues(this.bytes, this.foundKeyAt, key, keyAt) === 0 ? index : -1 - index;
  }
}

const NOTHING = new Uint8Array(0);
