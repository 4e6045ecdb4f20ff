/**
 * The persisted index of a list or map that is the value of a bin: where each entry begins, so that any of them is found
 * without a look at those before it. It is the data of the header element (`head.ts`), before the content.
 *
 * | bytes         | what                                                                                        |
 * | ------------- | ------------------------------------------------------------------------------------------- |
 * | (n - 1) × w   | offsets of all entries but the first, from the begin of the content, ascending              |
 * | n × v         | maps ordered by key and value: indexes of the entries by rank, that is by value, then index |
 *
 * Big-endian. `w` is the smallest of 1 to 4 bytes that holds every offset below the content's size, `v` the smallest
 * that holds every index below `n`; so the content and the flags alone decide what the index is, byte for byte, and two
 * nodes with the same value have the same record.
 *
 * An index is never believed: data of another size than it must have is none, and whoever follows an offset checks that
 * a whole entry stands there which ends where the next one begins (`view.ts`). A wrong index costs a walk over the
 * content; it leads nobody astray.
 *
 * @module
 */

import { FLAG, type Head } from "./head.ts";

/**
 * Thrown where an index turns out to be wrong, which is where its container must be read without it. Nobody but the
 * begin of a call or a search catches it.
 */
export const INDEX_DAMAGE: Error = new Error("A persisted index does not fit its list or map");

const ORDER_FLAGS = FLAG.ORDERED | FLAG.VALUE_ORDERED;

/** Whether an index with these flags has the entries by rank, too. */
export function hasOrder(flags: number, isMap: boolean): boolean {
  return isMap && (flags & ORDER_FLAGS) === ORDER_FLAGS;
}

/** Bytes that hold every number below a limit. */
export function widthBelow(limit: number): number {
  return limit <= 0x100 ? 1 : limit <= 0x1_0000 ? 2 : limit <= 0x100_0000 ? 3 : 4;
}

/** What an index's size depends on. */
export interface Indexed {
  /** Elements of the list or entries of the map. */
  count: number;
  /** Bytes of the content. */
  contentSize: number;
  /** Flags of the header element. */
  flags: number;
  /** It is a map. */
  isMap: boolean;
}

/** Bytes of an index. */
export function indexSize({ contentSize, count, flags, isMap }: Indexed): number {
  if (count === 0) return 0;
  return (count - 1) * widthBelow(contentSize) + (hasOrder(flags, isMap) ? count * widthBelow(count) : 0);
}

/** Reads a number of 1 to 4 bytes. */
export function readNumber(bytes: Uint8Array, at: number, width: number): number {
  switch (width) {
    case 1:
      return bytes[at];
    case 2:
      return (bytes[at] << 8) | bytes[at + 1];
    case 3:
      return (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    default:
      return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  }
}

/** Writes a number of 1 to 4 bytes. */
export function writeNumber(bytes: Uint8Array, at: number, width: number, value: number): void {
  if (width > 3) bytes[at++] = value >>> 24;
  if (width > 2) bytes[at++] = value >>> 16;
  if (width > 1) bytes[at++] = value >>> 8;
  bytes[at] = value;
}

/** Some numbers of the same width. */
interface Numbers {
  bytes: Uint8Array;
  at: number;
  width: number;
}

/** Copies `count` numbers, and adds `shift` to those that are not below `pivot`. */
function copyNumbers(
  source: Numbers,
  target: Numbers,
  { count, pivot, shift }: { count: number; pivot: number; shift: number },
): void {
  const { bytes: from, width } = source;
  const to = target.bytes;
  const end = source.at + count * width;
  let at = target.at;
  if (width !== target.width) {
    for (let next = source.at; next < end; next += width, at += target.width) {
      const value = readNumber(from, next, width);
      writeNumber(to, at, target.width, value < pivot ? value : value + shift);
    }
  } else if (shift === 0) {
    to.set(from.subarray(source.at, end), at);
  } else if (width === 2) {
    for (let next = source.at; next < end; next += 2, at += 2) {
      const value = (from[next] << 8) | from[next + 1];
      const moved = value < pivot ? value : value + shift;
      to[at] = moved >>> 8;
      to[at + 1] = moved;
    }
  } else if (width === 3) {
    for (let next = source.at; next < end; next += 3, at += 3) {
      const value = (from[next] << 16) | (from[next + 1] << 8) | from[next + 2];
      const moved = value < pivot ? value : value + shift;
      to[at] = moved >>> 16;
      to[at + 1] = moved >>> 8;
      to[at + 2] = moved;
    }
  } else {
    for (let next = source.at; next < end; next += width, at += width) {
      const value = readNumber(from, next, width);
      writeNumber(to, at, width, value < pivot ? value : value + shift);
    }
  }
}

/** The index of one container; made once and opened again for each. */
export class OffsetIndex {
  /** Bytes of an offset. */
  width = 1;
  /** It has the entries by rank. */
  hasOrder = false;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the offset of the entry 0 would be. */
  #offsetsAt = 0;
  #count = 0;
  #contentSize = 0;
  #orderAt = 0;
  #orderWidth = 1;

  /**
   * Opens the index of a container.
   *
   * @param head its head
   * @param indexed what was read from it
   * @returns false when there is none of this form
   */
  open(bytes: Uint8Array, head: Head, indexed: Indexed): boolean {
    const wanted = FLAG.PERSIST_INDEX | FLAG.OWN_INDEX;
    if ((head.flags & wanted) !== wanted || head.dataSize !== indexSize(indexed)) return false;
    const { contentSize, count } = indexed;
    this.#bytes = bytes;
    this.#count = count;
    this.#contentSize = contentSize;
    this.width = widthBelow(contentSize);
    this.#offsetsAt = head.dataAt - this.width;
    this.hasOrder = hasOrder(indexed.flags, indexed.isMap);
    this.#orderAt = head.dataAt + (count - 1) * this.width;
    this.#orderWidth = widthBelow(count);
    return true;
  }

  /** Offset of an entry in the content; of the content's end for the index that is the count. Not checked. */
  offset(index: number): number {
    if (index === 0) return 0;
    if (index === this.#count) return this.#contentSize;
    return readNumber(this.#bytes, this.#offsetsAt + index * this.width, this.width);
  }

  /**
   * Index of the entry with a rank.
   *
   * @throws {Error} INDEX_DAMAGE when there is no such entry
   */
  indexAt(rank: number): number {
    const index = readNumber(this.#bytes, this.#orderAt + rank * this.#orderWidth, this.#orderWidth);
    if (index >= this.#count) throw INDEX_DAMAGE;
    return index;
  }

  /**
   * Reads the indexes of all entries by rank.
   *
   * @throws {Error} INDEX_DAMAGE when one is of no entry
   */
  readOrder(target: Int32Array): void {
    const bytes = this.#bytes;
    const width = this.#orderWidth;
    const count = this.#count;
    let at = this.#orderAt;
    for (let rank = 0; rank < count; rank++) {
      const index = readNumber(bytes, at, width);
      if (index >= count) throw INDEX_DAMAGE;
      target[rank] = index;
      at += width;
    }
  }

  /** Writes the indexes of entries by rank into an index whose numbers have another width, or entries have moved. */
  writeMovedOrder(target: Uint8Array, at: number, options: MovedOrder): void {
    const { from, pivot, shift, to, width } = options;
    if (to <= from) return;
    const oldWidth = this.#orderWidth;
    const sourceAt = this.#orderAt + from * oldWidth;
    copyNumbers({ bytes: this.#bytes, at: sourceAt, width: oldWidth }, { bytes: target, at, width }, {
      count: to - from,
      pivot,
      shift,
    });
  }

  /** Whether offsets ascend inside the content, and the order names entries that there are. */
  isSound(): boolean {
    const { width } = this;
    const bytes = this.#bytes;
    let before = 0;
    for (let index = 1; index < this.#count; index++) {
      const offset = readNumber(bytes, this.#offsetsAt + index * width, width);
      if (offset <= before) return false;
      before = offset;
    }
    if (this.#count > 0 && before >= this.#contentSize) return false;
    for (let rank = 0; this.hasOrder && rank < this.#count; rank++) {
      if (readNumber(bytes, this.#orderAt + rank * this.#orderWidth, this.#orderWidth) >= this.#count) {
        return false;
      }
    }
    return true;
  }

  /** Writes the offsets of `count` entries from `from` on into an index whose offsets have another width, or moved. */
  writeMoved(target: Uint8Array, at: number, options: MovedOffsets): void {
    const { shift, width } = options;
    let { count, from } = options;
    if (from === 0 && count > 0) {
      writeNumber(target, at, width, shift);
      at += width;
      from++;
      count--;
    }
    const source = { bytes: this.#bytes, at: this.#offsetsAt + from * this.width, width: this.width };
    copyNumbers(source, { bytes: target, at, width }, { count, pivot: 0, shift });
  }
}

/** A part of the order by rank that an index takes over from another one. */
export interface MovedOrder {
  /** First rank. */
  from: number;
  /** Rank after the last. */
  to: number;
  /** First index that has moved. */
  pivot: number;
  /** Added to each index from there on. */
  shift: number;
  /** Bytes of an index in the new order. */
  width: number;
}

/** Offsets that an index takes over from another one. */
export interface MovedOffsets {
  /** First entry. */
  from: number;
  /** Entries. */
  count: number;
  /** Added to each offset. */
  shift: number;
  /** Bytes of an offset in the new index. */
  width: number;
}
