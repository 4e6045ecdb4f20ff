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

import { type ByteBuffer, CDT_INDEX_NUMBER_COUNT_MAX } from "../../base/mod.ts";
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
import { ADDED, writeOrder } from "./rank_order.ts";
import { ContainerView } from "./view.ts";

const NIL = 0xc0;
/** Bytes of the widest number of an index. */
const WIDTH_MAX = 4;
/** Runs that room is kept for between uses. */
const KEPT_COUNT_MAX = 64 * 1024;

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
   * Runs of entries, in three columns: first index in the old container or ADDED, entries; of new ones, which are one
   * byte apart if there are more, the offset in the content, of old ones how far they have moved.
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
   * @param flags flags of its header element; with PERSIST_INDEX it gets an index, if that is not larger than a record
   */
  begin(view: ContainerView, out: ByteBuffer, count: number, flags: number): void {
    this.#view = view;
    this.#out = out;
    this.#isMap = view.isMap;
    this.#count = count;
    const numberCount = count * (hasOrder(flags, view.isMap) ? 2 : 1);
    if (numberCount > CDT_INDEX_NUMBER_COUNT_MAX) flags &= ~FLAG.PERSIST_INDEX;
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
    const room = INDEXED_HEAD_SIZE_MAX + numberCount * WIDTH_MAX;
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
    if (!hasOrder(flags, isMap)) return;
    writeOrder({
      view: this.#view,
      bytes,
      end: this.#out.length,
      contentAt: this.#contentAt,
      count,
      runFrom: this.#runFrom,
      runCount: this.#runCount,
      runAt: this.#runAt,
      runs: this.#runs,
    }, orderAt);
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
