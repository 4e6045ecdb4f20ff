/**
 * The primary index: digest to entry, off the JavaScript heap.
 *
 * Each partition has a power of two of sprigs, chosen by digest bits; each sprig is a treap, a binary search tree by
 * digest that is also a heap by priority. Priorities are a keyed hash (HalfSipHash) of the whole digest, computed once
 * and kept in the entry: a client that chooses its digests can't unbalance a tree without knowing the key. Trees, rather
 * than hash tables, keep the records of a partition in a stable order that a scan can leave and resume by digest, even
 * when the record at which it stopped is gone.
 *
 * Order within a partition: the sprig number (bits of digest bytes 2 to 5), then digest bytes 4-19, then bytes 0-3.
 *
 * Entries live in chunks of 1 MiB; handle 0 means none; free entries are chained through their left child, and have size
 * 0. For checkpoints (`disk/checkpoint.ts`) entries are counted in pages of 64, each with a mark that says whether it was
 * changed since it was last written, and the whole index can be put together again from its pages.
 *
 * @module
 */

import { assert, DIGEST_SIZE_BYTES, PARTITION_COUNT, partitionId, readU32 } from "../base/mod.ts";
import { ENTRY_SIZE_BYTES, ENTRY_WORD_COUNT, EntryRef, WORD } from "./entry.ts";
import { keyedHash } from "./keyed_hash.ts";

const CHUNK_ENTRY_BITS = 14;
const CHUNK_ENTRY_COUNT = 1 << CHUNK_ENTRY_BITS;
const CHUNK_ENTRY_MASK = CHUNK_ENTRY_COUNT - 1;
/** A treap of n entries is deeper than 4 log2 n with vanishing probability; 2^32 entries stay far below this. */
const TREE_DEPTH_MAX = 512;
/** Sprigs are told apart by at most 16 digest bits, more would cost more memory in roots than they save in depth. */
const SPRIG_BITS_MAX = 16;

/** Digests that {@linkcode PrimaryIndex.warm} takes at a time. */
export const WARM_COUNT_MAX = 64;
const PAGE_ENTRY_BITS = 6;
/** Entries of a page: what checkpoints write at a time. */
export const PAGE_ENTRY_COUNT: number = 1 << PAGE_ENTRY_BITS;
/** Words of a page. */
export const PAGE_WORD_COUNT: number = PAGE_ENTRY_COUNT * ENTRY_WORD_COUNT;
const PAGES_PER_CHUNK = CHUNK_ENTRY_COUNT / PAGE_ENTRY_COUNT;
/** What has changed in a page since it was last written. */
export const PAGE_MARK = {
  /** An entry. */
  CONTENT: 1,
  /** Nothing but links between entries. */
  LINKS: 2,
} as const;

/** How to build an index. */
export interface PrimaryIndexOptions {
  /** Trees per partition, a power of two. */
  sprigsPerPartition: number;
  /** Key of the priorities, random per process: two 32-bit integers. */
  seeds: readonly [number, number];
}

/** What an index is besides its entries: all that a complete image of it needs. */
export interface IndexFrame {
  /** Binary logarithm of the trees per partition. */
  sprigBits: number;
  /** First free entry, 0 for none. */
  freeHead: number;
  /** Next entry that was never used. */
  nextFresh: number;
  /** Entries per partition. */
  partitionEntryCounts: Uint32Array;
  /** Root of each tree, 0 for none. */
  roots: Uint32Array;
}

/** Tells a visit whether to go on. */
export type VisitEntry = (entry: EntryRef) => boolean;

/** Digest to entry. */
export class PrimaryIndex {
  /** Entries per partition. */
  readonly partitionEntryCounts: Uint32Array = new Uint32Array(PARTITION_COUNT);
  /** Entries in all. */
  entryCount = 0;
  readonly #sprigBits: number;
  #seeds: readonly [number, number];
  readonly #roots: Uint32Array;
  readonly #chunks: Uint32Array[] = [];
  #freeHead = 0;
  #nextFresh = 1;
  // The path from a root to the entry last searched, for rotations: handles, and which child was taken.
  readonly #path = new Uint32Array(TREE_DEPTH_MAX);
  #lastSide: number = WORD.LEFT;
  readonly #warmHandles = new Uint32Array(WARM_COUNT_MAX);
  #met = 0;
  readonly #visit = new EntryRef();
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  #pageMarks = new Uint8Array(PAGES_PER_CHUNK);

  /** @param options shape of the trees and key of their balance */
  constructor(options: PrimaryIndexOptions) {
    const bits = Math.min(SPRIG_BITS_MAX, Math.floor(Math.log2(options.sprigsPerPartition)));
    this.#sprigBits = Math.max(0, bits);
    this.#seeds = options.seeds;
    this.#roots = new Uint32Array(PARTITION_COUNT << this.#sprigBits);
  }

  /** Memory that entries in use take, in bytes. */
  get usedBytes(): number {
    return this.entryCount * ENTRY_SIZE_BYTES;
  }

  /** Entries that there is room for without asking for memory again; memory of removed entries is kept. */
  get handleCount(): number {
    return this.#nextFresh - 1;
  }

  /** Steps from the root to a digest, or to where it would be. */
  depth(digest: Uint8Array, at: number): number {
    let depth = 0;
    let handle = this.#roots[this.#rootOf(digest, at)];
    for (; handle !== 0; depth++) {
      const order = this.#compare(digest, at, handle);
      if (order === 0) break;
      handle = this.#child(handle, order < 0 ? WORD.LEFT : WORD.RIGHT);
    }
    return depth;
  }

  /**
   * Finds an entry.
   *
   * @param digest buffer that holds the digest
   * @param at offset of the digest
   * @param entry moved to the entry when there is one
   * @returns whether there is one
   */
  find(digest: Uint8Array, at: number, entry: EntryRef): boolean {
    let handle = this.#roots[this.#rootOf(digest, at)];
    const key1 = readU32(digest, at + 4);
    while (handle !== 0) {
      const words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
      const base = (handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT;
      const word1 = words[base + 1];
      const order = key1 !== word1 ? (key1 < word1 ? -1 : 1) : compareRest(digest, at, words, base);
      if (order === 0) {
        entry.handle = handle;
        entry.words = words;
        entry.base = base;
        return true;
      }
      handle = words[base + (order < 0 ? WORD.LEFT : WORD.RIGHT)];
    }
    return false;
  }

  /**
   * Adds an entry for a digest that is not in the index; all words but the digest are zero.
   *
   * @param entry moved to the new entry
   */
  insert(digest: Uint8Array, at: number, entry: EntryRef): void {
    const depth = this.#descend(digest, at);
    assert(depth >= 0, "A digest that is inserted is not in the index");
    this.#insertAt(depth, digest, at, entry);
  }

  /**
   * Finds the entry of a digest, or adds one, in one descent.
   *
   * @param entry moved to the entry
   * @returns whether it was there
   */
  findOrInsert(digest: Uint8Array, at: number, entry: EntryRef): boolean {
    const depth = this.#descend(digest, at);
    if (depth >= 0) this.#insertAt(depth, digest, at, entry);
    else this.moveTo(entry, this.#met);
    return depth < 0;
  }

  /**
   * Brings the ways to some digests into the processor's caches, side by side: in a large index waiting for memory, one
   * entry after the other, takes longer than everything else.
   *
   * @param bytes buffer that holds the digests
   * @param digestAts offsets of the digests
   * @param count how many, at most {@linkcode WARM_COUNT_MAX}
   */
  warm(bytes: Uint8Array, digestAts: Uint32Array, count: number): void {
    const handles = this.#warmHandles;
    for (let place = 0; place < count; place++) {
      handles[place] = this.#roots[this.#rootOf(bytes, digestAts[place])];
    }
    for (let left = count; left > 0;) {
      left = 0;
      for (let place = 0; place < count; place++) {
        const handle = handles[place];
        if (handle === 0) continue;
        const words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
        const base = (handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT;
        const side = readU32(bytes, digestAts[place] + 4) < words[base + 1] ? WORD.LEFT : WORD.RIGHT;
        handles[place] = words[base + side];
        left++;
      }
    }
  }

  #insertAt(depth: number, digest: Uint8Array, at: number, entry: EntryRef): void {
    const isReused = this.#freeHead !== 0;
    const handle = this.#allocate();
    this.moveTo(entry, handle);
    const { words, base } = entry;
    // Entries that were never used are zero.
    if (isReused) words.fill(0, base, base + ENTRY_WORD_COUNT);
    for (let word = 0; word < 5; word++) words[base + word] = readU32(digest, at + word * 4);
    words[base + WORD.PRIORITY] = keyedHash(words, base, this.#seeds);
    this.touch(handle);
    this.#hang(handle, depth, digest, at);
  }

  /** Hangs an entry without children where the last descent ended. */
  #hang(handle: number, depth: number, digest: Uint8Array, at: number): void {
    const root = this.#rootOf(digest, at);
    if (depth === 0) this.#roots[root] = handle;
    else this.#setSide(this.#path[depth - 1], this.#lastSide, handle);
    this.#liftUp(handle, root, depth);
    this.entryCount++;
    this.partitionEntryCounts[partitionId(digest, at)]++;
  }

  /** Removes the entry of a digest, which must be in the index. */
  remove(digest: Uint8Array, at: number): void {
    const root = this.#rootOf(digest, at);
    let parent = 0;
    let handle = this.#roots[root];
    for (;;) {
      assert(handle !== 0, "A digest that is removed is in the index");
      const order = this.#compare(digest, at, handle);
      if (order === 0) break;
      parent = handle;
      handle = this.#child(handle, order < 0 ? WORD.LEFT : WORD.RIGHT);
    }
    this.#replaceChild(root, parent, handle, this.#merge(handle));
    this.#free(handle);
    this.entryCount--;
    this.partitionEntryCounts[partitionId(digest, at)]--;
  }

  /**
   * Visits the entries of a partition in order. The index must not change during the visit.
   *
   * @param partition 0 to 4095
   * @param after digest after which to start, whether or not it is in the index; undefined for the beginning
   * @param visit returns false to stop
   * @returns whether the end was reached
   */
  forEach(partition: number, after: Uint8Array | undefined, visit: VisitEntry): boolean {
    const firstSprig = after === undefined ? 0 : this.sprigOf(after, 0);
    for (let sprig = firstSprig; sprig < 1 << this.#sprigBits; sprig++) {
      const root = this.#roots[(partition << this.#sprigBits) + sprig];
      if (root !== 0 && !this.#walk(root, sprig === firstSprig ? after : undefined, visit)) return false;
    }
    return true;
  }

  /** In-order walk over one tree, leaving out everything up to and including `after`. */
  #walk(root: number, after: Uint8Array | undefined, visit: VisitEntry): boolean {
    const stack: number[] = [];
    let handle = root;
    for (;;) {
      while (handle !== 0) {
        if (after !== undefined && this.#compare(after, 0, handle) >= 0) {
          handle = this.#child(handle, WORD.RIGHT);
        } else {
          stack.push(handle);
          handle = this.#child(handle, WORD.LEFT);
        }
      }
      const next = stack.pop();
      if (next === undefined) return true;
      this.moveTo(this.#visit, next);
      if (!visit(this.#visit)) return false;
      handle = this.#child(next, WORD.RIGHT);
    }
  }

  /** Number of the tree within its partition that a digest belongs to: what entries of a partition are ordered by first. */
  sprigOf(digest: Uint8Array, at: number): number {
    return this.#sprigBits === 0 ? 0 : readU32(digest, at + 2) >>> (32 - this.#sprigBits);
  }

  #rootOf(digest: Uint8Array, at: number): number {
    return (partitionId(digest, at) << this.#sprigBits) + this.sprigOf(digest, at);
  }

  /** Points `entry` at the entry with a handle, which must be in use. */
  moveTo(entry: EntryRef, handle: number): void {
    entry.handle = handle;
    entry.words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
    entry.base = (handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT;
  }

  /** Notes that an entry was changed; whoever changes more than its links says so. */
  touch(handle: number): void {
    this.#pageMarks[handle >>> PAGE_ENTRY_BITS] |= PAGE_MARK.CONTENT;
  }

  /** Pages with entries that were ever used. */
  get pageCount(): number {
    return this.#chunks.length === 0 ? 0 : Math.ceil(this.#nextFresh / PAGE_ENTRY_COUNT);
  }

  /** Bits of {@linkcode PAGE_MARK}, by page; whoever writes a page clears them. Valid until the index grows. */
  get pageMarks(): Uint8Array {
    return this.#pageMarks;
  }

  /** The words of a page. */
  page(page: number): Uint32Array {
    const at = (page % PAGES_PER_CHUNK) * PAGE_WORD_COUNT;
    return this.#chunks[Math.floor(page / PAGES_PER_CHUNK)].subarray(at, at + PAGE_WORD_COUNT);
  }

  /** Key of the priorities. */
  get seeds(): readonly [number, number] {
    return this.#seeds;
  }

  /** What the index is besides its entries; the arrays are its own. */
  get frame(): IndexFrame {
    return {
      sprigBits: this.#sprigBits,
      freeHead: this.#freeHead,
      nextFresh: this.#nextFresh,
      partitionEntryCounts: this.partitionEntryCounts,
      roots: this.#roots,
    };
  }

  /** Makes room for the pages of an image in an index without entries; they are then filled in place. */
  reserve(pageCount: number, seeds: readonly [number, number]): void {
    assert(this.entryCount === 0, "An image is loaded into an empty index");
    this.#seeds = seeds;
    while (this.#chunks.length * PAGES_PER_CHUNK < pageCount) this.#addChunk();
    this.#nextFresh = Math.max(1, pageCount * PAGE_ENTRY_COUNT);
  }

  /** Takes over the rest of an image of which the pages are there: links and all. */
  restore(frame: IndexFrame): void {
    assert(frame.sprigBits === this.#sprigBits, "An image has as many trees as the index");
    this.#roots.set(frame.roots);
    this.#freeHead = frame.freeHead;
    this.#nextFresh = frame.nextFresh;
    this.partitionEntryCounts.set(frame.partitionEntryCounts);
    this.entryCount = frame.partitionEntryCounts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Puts an entry into its tree that an image has brought.
   *
   * @param known moved to the entry that has its digest already
   * @returns whether it is in the tree now; false when there is another one
   */
  link(entry: EntryRef, known: EntryRef): boolean {
    const { words, base, handle } = entry;
    entry.copyDigest(this.#digest, 0);
    const depth = this.#descend(this.#digest, 0);
    if (depth < 0) {
      this.moveTo(known, this.#met);
      return false;
    }
    words[base + WORD.LEFT] = 0;
    words[base + WORD.RIGHT] = 0;
    this.#hang(handle, depth, this.#digest, 0);
    return true;
  }

  /** Gives up an entry that an image has brought and that is in no tree. */
  discard(handle: number): void {
    this.#free(handle);
  }

  /** Forgets all entries. */
  clear(): void {
    this.#chunks.length = 0;
    this.#pageMarks = new Uint8Array(PAGES_PER_CHUNK);
    this.#roots.fill(0);
    this.#freeHead = 0;
    this.#nextFresh = 1;
    this.entryCount = 0;
    this.partitionEntryCounts.fill(0);
  }

  #child(handle: number, side: number): number {
    return this.#chunks[handle >>> CHUNK_ENTRY_BITS][(handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT + side];
  }

  #setSide(handle: number, side: number, child: number): void {
    this.#chunks[handle >>> CHUNK_ENTRY_BITS][(handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT + side] = child;
    this.#pageMarks[handle >>> PAGE_ENTRY_BITS] |= PAGE_MARK.LINKS;
  }

  #replaceChild(root: number, parent: number, child: number, replacement: number): void {
    if (parent === 0) this.#roots[root] = replacement;
    else {this.#setSide(
        parent,
        this.#child(parent, WORD.LEFT) === child ? WORD.LEFT : WORD.RIGHT,
        replacement,
      );}
  }

  #compare(digest: Uint8Array, at: number, handle: number): number {
    const words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
    const base = (handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT;
    const key = readU32(digest, at + 4);
    const word = words[base + 1];
    return key !== word ? (key < word ? -1 : 1) : compareRest(digest, at, words, base);
  }

  #priority(handle: number): number {
    return this.#child(handle, WORD.PRIORITY);
  }

  /** Fills the path down to where a digest belongs; its length, or -1 when the digest is there already. */
  #descend(digest: Uint8Array, at: number): number {
    const key1 = readU32(digest, at + 4);
    let depth = 0;
    let handle = this.#roots[this.#rootOf(digest, at)];
    while (handle !== 0) {
      const words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
      const base = (handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT;
      const word1 = words[base + 1];
      const order = key1 !== word1 ? (key1 < word1 ? -1 : 1) : compareRest(digest, at, words, base);
      if (order === 0) {
        this.#met = handle;
        return -1;
      }
      assert(depth < TREE_DEPTH_MAX, "A treap stays shallow");
      this.#path[depth++] = handle;
      this.#lastSide = order < 0 ? WORD.LEFT : WORD.RIGHT;
      handle = words[base + this.#lastSide];
    }
    return depth;
  }

  /** Rotates a new leaf up until its parent has the higher priority. */
  #liftUp(handle: number, root: number, depth: number): void {
    const priority = this.#priority(handle);
    while (depth > 0) {
      const parent = this.#path[depth - 1];
      if (this.#priority(parent) >= priority) return;
      if (this.#child(parent, WORD.LEFT) === handle) {
        this.#setSide(parent, WORD.LEFT, this.#child(handle, WORD.RIGHT));
        this.#setSide(handle, WORD.RIGHT, parent);
      } else {
        this.#setSide(parent, WORD.RIGHT, this.#child(handle, WORD.LEFT));
        this.#setSide(handle, WORD.LEFT, parent);
      }
      depth--;
      this.#replaceChild(root, depth === 0 ? 0 : this.#path[depth - 1], parent, handle);
    }
  }

  /** Joins the two children of an entry into one tree and returns its root. */
  #merge(handle: number): number {
    let left = this.#child(handle, WORD.LEFT);
    let right = this.#child(handle, WORD.RIGHT);
    let top = 0;
    let tail = 0;
    let tailSide: number = WORD.LEFT;
    for (;;) {
      const takeLeft = right === 0 || (left !== 0 && this.#priority(left) >= this.#priority(right));
      const next = takeLeft ? left : right;
      if (tail === 0) top = next;
      else this.#setSide(tail, tailSide, next);
      if (left === 0 || right === 0) return top;
      tail = next;
      tailSide = takeLeft ? WORD.RIGHT : WORD.LEFT;
      if (takeLeft) left = this.#child(next, WORD.RIGHT);
      else right = this.#child(next, WORD.LEFT);
    }
  }

  #allocate(): number {
    if (this.#freeHead !== 0) {
      const handle = this.#freeHead;
      this.#freeHead = this.#child(handle, WORD.LEFT);
      return handle;
    }
    const handle = this.#nextFresh++;
    assert(handle < 0xffff_ffff, "The index holds at most 2^32 entries");
    if (handle >>> CHUNK_ENTRY_BITS === this.#chunks.length) this.#addChunk();
    return handle;
  }

  #addChunk(): void {
    this.#chunks.push(new Uint32Array(CHUNK_ENTRY_COUNT * ENTRY_WORD_COUNT));
    const pageCount = this.#chunks.length * PAGES_PER_CHUNK;
    if (pageCount <= this.#pageMarks.length) return;
    const marks = new Uint8Array(pageCount * 2);
    marks.set(this.#pageMarks);
    this.#pageMarks = marks;
  }

  #free(handle: number): void {
    this.touch(handle);
    const words = this.#chunks[handle >>> CHUNK_ENTRY_BITS];
    words[(handle & CHUNK_ENTRY_MASK) * ENTRY_WORD_COUNT + WORD.SIZE] = 0;
    this.reuse(handle);
  }

  /** Takes an entry of an image that is free already. */
  reuse(handle: number): void {
    this.#setSide(handle, WORD.LEFT, this.#freeHead);
    this.#freeHead = handle;
  }
}

/** Compares digest words 2, 3, 4 and 0, after word 1 was found equal. */
function compareRest(digest: Uint8Array, at: number, words: Uint32Array, base: number): number {
  for (let word = 2; word < 5; word++) {
    const key = readU32(digest, at + word * 4);
    if (key !== words[base + word]) return key < words[base + word] ? -1 : 1;
  }
  const key = readU32(digest, at);
  return key === words[base] ? 0 : key < words[base] ? -1 : 1;
}
