/**
 * Builds a container at the end of a buffer from runs of another one's entries and from new entries. A container with a
 * persisted index gets it from the old one's: offsets of kept runs are copied, moved by what came before them, and only
 * new entries are compared with others. Nothing is walked over again.
 *
 * The index lies before the content and its size is known only when the content is: room for the largest is left, and
 * the head is written so that it ends where the content begins. What is left over lies before the container.
 *
 * @module
 */

import type { ByteBuffer } from "../../base/mod.ts";
import { compareValues } from "./compare.ts";
import {
  FLAG,
  headSize,
  INDEXED_HEAD_SIZE_MAX,
  type IndexedHead,
  indexedHeadSize,
  writeHead,
  writeIndexedHead,
} from "./head.ts";
import { hasOrder, INDEX_DAMAGE, indexSize, widthBelow, writeNumber } from "./offset_index.ts";
import { skipValue } from "./value.ts";
import { ContainerView } from "./view.ts";

const NIL = 0xc0;
/** Bytes of the widest number of an index. */
const WIDTH_MAX = 4;
/** Runs that room is kept for between uses. */
const KEPT_COUNT_MAX = 64 * 1024;
/** In place of an old index: the run is of new entries, one byte apart. */
const ADDED = -1;

/** Builds one container after the other; their state is used again. */
export class ContainerBuilder {
  /** Offset of the container in the buffer, when it has been ended. */
  at = 0;
  /** Its size in bytes. */
  sizeBytes = 0;
  #view: ContainerView = new ContainerView();
  #out!: ByteBuffer;
  #isMap = false;
  #count = 0;
  #flags = 0;
  #contentAt = 0;
  /** The container gets an index. */
  #isIndexed = false;
  /**
   * Runs of entries, in three columns: first index in the old container or ADDED, entries; of new ones the offset in the
   * content, of old ones how far they have moved.
   */
  #runFrom: Int32Array = new Int32Array(64);
  #runCount: Int32Array = new Int32Array(64);
  #runAt: Int32Array = new Int32Array(64);
  #runs = 0;

  /**
   * Begins a container.
   *
   * @param view what it is made from; located, if the new container gets an index
   * @param out receives it, at its end
   * @param count entries that it will have
   * @param flags flags of its header element; with PERSIST_INDEX it gets an index
   */
  begin(view: ContainerView, out: ByteBuffer, count: number, flags: number): void {
    this.#view = view;
    this.#out = out;
    this.#isMap = view.isMap;
    this.#count = count;
    this.#flags = flags;
    this.#isIndexed = (flags & FLAG.PERSIST_INDEX) !== 0;
    const contentSize = view.end - view.contentAt;
    if (!this.#isIndexed) {
      this.at = out.reserve(headSize(count, flags, view.isMap) + contentSize);
      out.length = this.#contentAt = writeHead(out.bytes, this.at, count, flags, view.isMap);
      return;
    }
    this.#runs = 0;
    if (this.#runFrom.length > KEPT_COUNT_MAX) this.#makeRunRoom(64);
    const indexSizeMax = count * WIDTH_MAX * (hasOrder(flags, view.isMap) ? 2 : 1);
    const room = INDEXED_HEAD_SIZE_MAX + indexSizeMax;
    out.length = this.#contentAt = out.reserve(room + contentSize) + room;
  }

  /** Keeps the old entries before `index`, which end at the offset `at`. */
  keepBefore(index: number, at: number): void {
    this.#keep(0, index, this.#view.contentAt, at);
  }

  /** Keeps the old entries from `index` on, which begin at the offset `at`. */
  keepAfter(index: number, at: number): void {
    this.#keep(index, this.#view.count - index, at, this.#view.end);
  }

  /** Keeps the old entries from one index to before another. The view is located. */
  keepEntries(from: number, to: number): void {
    if (to > from) this.#keep(from, to - from, this.#view.entryAt(from), this.#view.entryAt(to));
  }

  #keep(index: number, count: number, from: number, to: number): void {
    if (to <= from) return;
    if (this.#isIndexed) this.#addRun(index, count, this.#newOffset - (from - this.#view.contentAt));
    this.#out.append(this.#view.bytes, from, to);
  }

  /** Adds one new entry: an element, or a key and its value. */
  add(bytes: Uint8Array, at: number, end: number): void {
    if (this.#isIndexed) this.#addRun(ADDED, 1, this.#newOffset);
    this.#out.append(bytes, at, end);
  }

  /** Appends more bytes to the entry that was added last. */
  addMore(bytes: Uint8Array, at: number, end: number): void {
    this.#out.append(bytes, at, end);
  }

  /** Adds `count` elements that are nil. */
  addNils(count: number): void {
    if (count === 0) return;
    if (this.#isIndexed) this.#addRun(ADDED, count, this.#newOffset);
    const at = this.#out.reserve(count);
    this.#out.bytes.fill(NIL, at, at + count);
    this.#out.length = at + count;
  }

  /** Ends the container; `at` and `sizeBytes` tell where it is. */
  end(): void {
    if (this.#isIndexed) this.#writeIndexedHead();
    this.sizeBytes = this.#out.length - this.at;
  }

  /** Offset in the content of what is appended next. */
  get #newOffset(): number {
    return this.#out.length - this.#contentAt;
  }

  #addRun(from: number, count: number, at: number): void {
    const run = this.#runs++;
    if (run === this.#runFrom.length) this.#makeRunRoom(run * 2);
    this.#runFrom[run] = from;
    this.#runCount[run] = count;
    this.#runAt[run] = at;
  }

  #makeRunRoom(count: number): void {
    this.#runFrom = resized(this.#runFrom, count);
    this.#runCount = resized(this.#runCount, count);
    this.#runAt = resized(this.#runAt, count);
  }

  #writeIndexedHead(): void {
    const bytes = this.#out.bytes;
    const count = this.#count;
    const isMap = this.#isMap;
    const contentSize = this.#out.length - this.#contentAt;
    const flags = this.#flags | FLAG.OWN_INDEX;
    const dataSize = indexSize({ count, contentSize, flags, isMap });
    const head: IndexedHead = { count, flags, isMap, dataSize };
    this.at = this.#contentAt - indexedHeadSize(head);
    const dataAt = writeIndexedHead(bytes, this.at, head);
    if (count === 0) return;
    const orderAt = this.#writeOffsets(bytes, dataAt, widthBelow(contentSize));
    if (hasOrder(flags, isMap)) this.#writeOrder(bytes, orderAt);
  }

  /** Writes all offsets but the first; the offset after them. */
  #writeOffsets(bytes: Uint8Array, at: number, width: number): number {
    let total = 0;
    for (let run = 0; run < this.#runs; run++) {
      // The first entry of all needs no offset.
      const skipped = total === 0 ? 1 : 0;
      const count = this.#runCount[run] - skipped;
      const oldFrom = this.#runFrom[run];
      const runAt = this.#runAt[run];
      total += this.#runCount[run];
      if (count === 0) continue;
      if (oldFrom === ADDED) {
        for (let index = 0; index < count; index++) {
          writeNumber(bytes, at + index * width, width, runAt + skipped + index);
        }
      } else {
        this.#view.writeOffsets(bytes, at, { from: oldFrom + skipped, count, shift: runAt, width });
      }
      at += count * width;
    }
    // By a wrong order of ranks an entry is chosen twice, and there are not as many as there should be.
    if (total !== this.#count) throw INDEX_DAMAGE;
    return at;
  }

  /** Writes the indexes of the entries by rank: kept ones in their old order, the new ones where they belong. */
  #writeOrder(bytes: Uint8Array, at: number): void {
    const width = widthBelow(this.#count);
    const moved = this.#movedIndexes();
    const added = this.#addedByRank(moved);
    const oldCount = this.#view.count;
    const order = this.#view.order();
    const end = at + this.#count * width;
    let next = 0;
    for (let rank = 0; rank <= oldCount; rank++) {
      for (; next < added.length && added[next].rank === rank && at < end; next++, at += width) {
        writeNumber(bytes, at, width, added[next].index);
      }
      if (rank === oldCount || moved[order[rank]] < 0 || at === end) continue;
      writeNumber(bytes, at, width, moved[order[rank]]);
      at += width;
    }
    // A wrong index may name an entry twice, and another one never.
    if (at !== end) throw INDEX_DAMAGE;
  }

  /** New index of each old entry; of one that is gone `-1 - index` of the entry that follows it. */
  #movedIndexes(): Int32Array {
    const moved = new Int32Array(this.#view.count);
    let old = 0;
    let index = 0;
    for (let run = 0; run < this.#runs; run++) {
      const from = this.#runFrom[run];
      const count = this.#runCount[run];
      if (from !== ADDED) {
        while (old < from) moved[old++] = -1 - index;
        for (let kept = 0; kept < count; kept++) moved[old++] = index + kept;
      }
      index += count;
    }
    moved.fill(-1 - index, old);
    return moved;
  }

  /** The new entries, sorted, each with the number of old ones, gone ones included, that come before it. */
  #addedByRank(moved: Int32Array): { index: number; valueAt: number; rank: number }[] {
    const { bytes, length } = this.#out;
    const added: { index: number; valueAt: number; rank: number }[] = [];
    let index = 0;
    for (let run = 0; run < this.#runs; run++) {
      if (this.#runFrom[run] === ADDED) {
        const valueAt = skipValue(bytes, this.#contentAt + this.#runAt[run], length);
        added.push({ index, valueAt, rank: this.#rankAmongOld(moved, index, valueAt) });
      }
      index += this.#runCount[run];
    }
    return added.sort((left, right) =>
      compareValues(bytes, left.valueAt, bytes, right.valueAt) || left.index - right.index
    );
  }

  /** Old entries, in their order, that come before a new one: lesser values, and equal ones with a lesser index. */
  #rankAmongOld(moved: Int32Array, index: number, valueAt: number): number {
    const view = this.#view;
    const order = view.order();
    let low = 0;
    let high = view.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const old = order[middle];
      const newIndex = moved[old] < 0 ? -1 - moved[old] : moved[old];
      const comparison = view.compareValue(old, this.#out.bytes, valueAt);
      if (comparison < 0 || (comparison === 0 && newIndex < index)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function resized(array: Int32Array, count: number): Int32Array {
  const other = new Int32Array(count);
  other.set(array.subarray(0, count));
  return other;
}

const plainView = new ContainerView();
const rebuilder = new ContainerBuilder();

/**
 * Appends a container with a persisted index to a buffer.
 *
 * @param range the container; whatever index it has is not used
 * @returns its size in bytes, or -1 when its bytes are damaged
 */
export function appendIndexed(
  range: { bytes: Uint8Array; at: number; end: number },
  out: ByteBuffer,
): number {
  const view = plainView;
  if (!view.open(range.bytes, range.at, range.end) || !view.fill()) return -1;
  rebuilder.begin(view, out, view.count, view.flags | FLAG.PERSIST_INDEX);
  rebuilder.keepEntries(0, view.count);
  rebuilder.end();
  return rebuilder.sizeBytes;
}
