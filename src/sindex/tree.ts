/**
 * The entries of one index: a B+ tree in nodes of 1 KiB, ordered by partition, value and digest (`tree_key.ts`).
 *
 * | node  | words of the head                  | then                                                            |
 * | ----- | ---------------------------------- | --------------------------------------------------------------- |
 * | leaf  | count, level 0, next leaf, previous | up to 63 entries of 4 words: partition (12 bits) and digest bits (20), value upper, value lower, handle |
 * | inner | count, level, 0, 0                 | up to 28 children of 9 words: node, lower bound (partition and digest bits, value upper, value lower, five digest words) |
 *
 * An entry takes 16 bytes; leaves are two thirds full after random inserts, and inner nodes add a thirtieth: 24 to 26
 * bytes per entry, 17 when values only grow.
 *
 * An entry names its record by the handle of the primary index. That is exact because the index hears of every change
 * in the turn in which it happens: an entry is gone before its handle is used again. Lower bounds of inner nodes outlive
 * the records that they come from, so they hold whole digests. Nobody keeps a handle across a turn: scans stop at a value
 * and a digest, and go on from there whatever has happened meanwhile.
 *
 * A leaf that is less than a quarter full is joined with a neighbour when both fit into three quarters of a node.
 *
 * @module
 */

import { assert, PARTITION_COUNT } from "../base/mod.ts";
import { EntryRef, type PrimaryIndex } from "../storage/mod.ts";
import type { KeyList } from "./key_list.ts";
import { NO_NODE, NODE_SIZE_BYTES, NODE_WORD_COUNT, type NodePool } from "./node_pool.ts";
import { DIGEST_WORD_COUNT, DIGEST_WORD_ORDER, flipSign, STUB_BITS, STUB_MASK, TreeKey } from "./tree_key.ts";

const HEAD_WORDS = 4;
const COUNT = 0;
const LEVEL = 1;
const NEXT = 2;
const PREVIOUS = 3;

const ENTRY_WORDS = 4;
const ENTRY_COUNT_MAX = (NODE_WORD_COUNT - HEAD_WORDS) / ENTRY_WORDS;
const CHILD_WORDS = 9;
const CHILD_COUNT_MAX = (NODE_WORD_COUNT - HEAD_WORDS) / CHILD_WORDS;
/** Levels of a tree with 2^32 entries whose nodes are all a quarter full are fewer. */
const LEVEL_COUNT_MAX = 24;

/** Looks at an entry; false to stop. The tree must not change meanwhile. */
export type VisitIndexEntry = (handle: number, high: number, low: number) => boolean;

/** Where a scan ends: the last value, in words as {@linkcode TreeKey} has them. */
export interface LastValue {
  /** Upper word, top bit turned over. */
  high: number;
  /** Lower word. */
  low: number;
}

const LAST_VALUE: LastValue = { high: 0xffff_ffff, low: 0xffff_ffff };

/** Entries of one index. */
export class IndexTree {
  /** Entries. */
  entryCount = 0;
  /** Nodes. */
  nodeCount = 0;
  /** Entries per partition. */
  readonly partitionEntryCounts: Uint32Array = new Uint32Array(PARTITION_COUNT);
  readonly #pool: NodePool;
  readonly #primary: PrimaryIndex;
  readonly #record = new EntryRef();
  readonly #from = new TreeKey();
  #root = NO_NODE;
  // The way from the root to a leaf: nodes, and which child was taken in each.
  readonly #pathNode = new Uint32Array(LEVEL_COUNT_MAX);
  readonly #pathChild = new Int32Array(LEVEL_COUNT_MAX);
  #pathLength = 0;
  #leaf = NO_NODE;
  #place = 0;
  #isFound = false;
  // The way of the last search may be used again: no node has been made or given back since.
  #isWayKnown = false;
  /** Inner node with the least bound above the leaf, NO_NODE when there is none, and which child's bound it is. */
  #upperNode = NO_NODE;
  #upperChild = 0;
  readonly #last = { partition: 0, handle: 0, high: 0, low: 0 };

  /**
   * @param pool room for nodes
   * @param primary tells digests by handle
   */
  constructor(pool: NodePool, primary: PrimaryIndex) {
    this.#pool = pool;
    this.#primary = primary;
  }

  /** Memory of the entries, in bytes. */
  get usedBytes(): number {
    return this.nodeCount * NODE_SIZE_BYTES;
  }

  /** Adds an entry; false when it is there already. */
  insert(key: TreeKey): boolean {
    if (this.#root === NO_NODE) this.#root = this.#newNode(0);
    this.#search(key);
    if (this.#isFound) return false;
    const pool = this.#pool;
    if (pool.words(this.#leaf)[pool.base(this.#leaf) + COUNT] === ENTRY_COUNT_MAX) this.#splitLeaf();
    const words = pool.words(this.#leaf);
    const base = pool.base(this.#leaf);
    const at = base + HEAD_WORDS + this.#place * ENTRY_WORDS;
    words.copyWithin(at + ENTRY_WORDS, at, base + HEAD_WORDS + words[base + COUNT] * ENTRY_WORDS);
    words[at] = ((key.partition << STUB_BITS) | key.stub) >>> 0;
    words[at + 1] = key.high;
    words[at + 2] = key.low;
    words[at + 3] = key.handle;
    words[base + COUNT]++;
    this.entryCount++;
    this.partitionEntryCounts[key.partition]++;
    return true;
  }

  /** Removes an entry; false when it is not there. */
  remove(key: TreeKey): boolean {
    if (this.#root === NO_NODE) return false;
    this.#search(key);
    if (!this.#isFound) return false;
    const pool = this.#pool;
    const words = pool.words(this.#leaf);
    const base = pool.base(this.#leaf);
    const at = base + HEAD_WORDS + this.#place * ENTRY_WORDS;
    words.copyWithin(at, at + ENTRY_WORDS, base + HEAD_WORDS + words[base + COUNT] * ENTRY_WORDS);
    const left = --words[base + COUNT];
    this.entryCount--;
    this.partitionEntryCounts[key.partition]--;
    if (left < ENTRY_COUNT_MAX >>> 2) this.#shrink(this.#leaf, this.#pathLength - 1);
    return true;
  }

  /** Whether an entry is there. */
  has(key: TreeKey): boolean {
    if (this.#root === NO_NODE) return false;
    this.#search(key);
    return this.#isFound;
  }

  /**
   * Visits the entries of the key's partition from the key on, up to a value.
   *
   * @param options `after`: leaves out what is equal to the key; `last`: the last value
   * @returns whether the end was reached
   */
  forEach(key: TreeKey, options: { after: boolean; last: LastValue }, visit: VisitIndexEntry): boolean {
    if (this.partitionEntryCounts[key.partition] === 0) return true;
    this.#search(key);
    const pool = this.#pool;
    const { high: lastHigh, low: lastLow } = options.last;
    let node = this.#leaf;
    let place = this.#place + (this.#isFound && options.after ? 1 : 0);
    for (; node !== NO_NODE; place = 0) {
      const words = pool.words(node);
      const base = pool.base(node);
      const end = base + HEAD_WORDS + words[base + COUNT] * ENTRY_WORDS;
      for (let at = base + HEAD_WORDS + place * ENTRY_WORDS; at < end; at += ENTRY_WORDS) {
        const high = words[at + 1];
        const low = words[at + 2];
        if (words[at] >>> STUB_BITS !== key.partition) return true;
        if (high > lastHigh || (high === lastHigh && low > lastLow)) return true;
        if (!visit(words[at + 3], high, low)) return false;
      }
      node = words[base + NEXT];
    }
    return true;
  }

  /**
   * Finds the values under which a record is in the tree, by a look at all entries of its partition.
   *
   * @param key holds the record
   * @param values filled in ascending order
   */
  valuesOf(key: TreeKey, values: KeyList): void {
    values.clear();
    const { handle, partition } = key;
    if (this.partitionEntryCounts[partition] === 0) return;
    this.#from.setStart(partition, 0, 0);
    this.forEach(this.#from, { after: false, last: LAST_VALUE }, (other, high, low) => {
      if (other === handle) values.add(flipSign(high), low);
      return true;
    });
  }

  /**
   * Gives nodes back, for an index that is removed: the tree is empty at once for everybody else.
   *
   * @param countMax nodes to give back now
   * @returns whether all are given back
   */
  dispose(countMax: number): boolean {
    this.entryCount = 0;
    this.partitionEntryCounts.fill(0);
    const pool = this.#pool;
    for (let count = 0; count < countMax; count++) {
      if (this.#root === NO_NODE) return true;
      // The path leads down along last children: what is given back is always the last child of what is left.
      let node = this.#root;
      let parent = NO_NODE;
      while (pool.words(node)[pool.base(node) + LEVEL] > 0) {
        const children = pool.words(node)[pool.base(node) + COUNT];
        if (children === 0) break;
        parent = node;
        node = this.#child(node, children - 1);
      }
      if (parent === NO_NODE) this.#root = NO_NODE;
      else pool.words(parent)[pool.base(parent) + COUNT]--;
      this.#freeNode(node);
    }
    return this.#root === NO_NODE;
  }

  /** Checks every rule of the tree; tests call it. */
  check(): void {
    let count = 0;
    if (this.#root !== NO_NODE) count = this.#checkNode(this.#root, this.#level(this.#root));
    assert(count === this.entryCount, "The tree counts its entries");
  }

  #checkNode(node: number, level: number): number {
    const count = this.#count(node);
    assert(this.#level(node) === level, "All leaves are equally deep");
    if (level === 0) return count;
    assert(count > 0, "An inner node has children");
    let entries = 0;
    for (let child = 0; child < count; child++) {
      entries += this.#checkNode(this.#child(node, child), level - 1);
    }
    return entries;
  }

  #count(node: number): number {
    return this.#pool.words(node)[this.#pool.base(node) + COUNT];
  }

  #level(node: number): number {
    return this.#pool.words(node)[this.#pool.base(node) + LEVEL];
  }

  #child(node: number, place: number): number {
    return this.#pool.words(node)[this.#pool.base(node) + HEAD_WORDS + place * CHILD_WORDS];
  }

  #newNode(level: number): number {
    this.#isWayKnown = false;
    const node = this.#pool.take();
    const base = this.#pool.base(node);
    this.#pool.words(node).fill(0, base, base + HEAD_WORDS);
    this.#pool.words(node)[base + LEVEL] = level;
    this.nodeCount++;
    return node;
  }

  #freeNode(node: number): void {
    this.#isWayKnown = false;
    this.#pool.give(node);
    this.nodeCount--;
  }

  /** Finds the leaf and the place of a key, and notes the way. */
  #search(key: TreeKey): void {
    if (!this.#isInLeaf(key)) this.#findLeaf(key);
    const last = this.#last;
    last.partition = key.partition;
    last.handle = key.handle;
    last.high = key.high;
    last.low = key.low;
    this.#searchLeaf(key);
  }

  /** Whether a key belongs to the leaf of the last search. It is only seen of a greater value of the same record. */
  #isInLeaf(key: TreeKey): boolean {
    const last = this.#last;
    if (!this.#isWayKnown || key.handle !== last.handle || key.partition !== last.partition) return false;
    if (key.high < last.high || (key.high === last.high && key.low <= last.low)) return false;
    const upper = this.#upperNode;
    if (upper === NO_NODE) return true;
    const pool = this.#pool;
    const boundAt = pool.base(upper) + HEAD_WORDS + this.#upperChild * CHILD_WORDS + 1;
    return compareBound(pool.words(upper), boundAt, key) > 0;
  }

  #findLeaf(key: TreeKey): void {
    const pool = this.#pool;
    this.#isWayKnown = true;
    this.#upperNode = NO_NODE;
    let node = this.#root;
    let depth = 0;
    while (pool.words(node)[pool.base(node) + LEVEL] > 0) {
      const words = pool.words(node);
      const base = pool.base(node);
      // The first child's bound is never asked: what is below the second is its.
      let low = 1;
      let high = words[base + COUNT];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compareBound(words, base + HEAD_WORDS + middle * CHILD_WORDS + 1, key) <= 0) low = middle + 1;
        else high = middle;
      }
      if (low < words[base + COUNT]) {
        this.#upperNode = node;
        this.#upperChild = low;
      }
      this.#pathNode[depth] = node;
      this.#pathChild[depth++] = low - 1;
      node = words[base + HEAD_WORDS + (low - 1) * CHILD_WORDS];
    }
    this.#pathLength = depth;
    this.#leaf = node;
  }

  #searchLeaf(key: TreeKey): void {
    const words = this.#pool.words(this.#leaf);
    const base = this.#pool.base(this.#leaf);
    let low = 0;
    let high = words[base + COUNT];
    this.#isFound = false;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compareEntry(words, base + HEAD_WORDS + middle * ENTRY_WORDS, key);
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
        if (order === 0) this.#isFound = true;
      }
    }
    this.#place = low;
  }

  /** Order of an entry against a key. */
  #compareEntry(words: Uint32Array, at: number, key: TreeKey): number {
    const partition = words[at] >>> STUB_BITS;
    if (partition !== key.partition) return partition - key.partition;
    if (words[at + 1] !== key.high) return words[at + 1] < key.high ? -1 : 1;
    if (words[at + 2] !== key.low) return words[at + 2] < key.low ? -1 : 1;
    const stub = words[at] & STUB_MASK;
    if (stub !== key.stub) return stub - key.stub;
    const handle = words[at + 3];
    return handle === key.handle ? 0 : this.#compareDigest(handle, key);
  }

  #compareDigest(handle: number, key: TreeKey): number {
    const record = this.#record;
    this.#primary.moveTo(record, handle);
    for (let word = 0; word < DIGEST_WORD_COUNT; word++) {
      const value = record.words[record.base + DIGEST_WORD_ORDER[word]];
      if (value !== key.digest[word]) return value < key.digest[word] ? -1 : 1;
    }
    return 0;
  }

  /** Splits the full leaf of the last search in two; the leaf and the place are brought up to date. */
  #splitLeaf(): void {
    const pool = this.#pool;
    const left = this.#leaf;
    const right = this.#newNode(0);
    const words = pool.words(left);
    const base = pool.base(left);
    const toWords = pool.words(right);
    const toBase = pool.base(right);
    const next = words[base + NEXT];
    // Entries that only grow fill their leaves; all others split in the middle.
    const isAppend = next === NO_NODE && this.#place === ENTRY_COUNT_MAX;
    const kept = isAppend ? ENTRY_COUNT_MAX - 1 : (ENTRY_COUNT_MAX + 1) >>> 1;
    const from = base + HEAD_WORDS + kept * ENTRY_WORDS;
    toWords.set(words.subarray(from, base + NODE_WORD_COUNT), toBase + HEAD_WORDS);
    words[base + COUNT] = kept;
    toWords[toBase + COUNT] = ENTRY_COUNT_MAX - kept;
    toWords[toBase + NEXT] = next;
    toWords[toBase + PREVIOUS] = left;
    words[base + NEXT] = right;
    if (next !== NO_NODE) pool.words(next)[pool.base(next) + PREVIOUS] = right;
    this.#noteBound(toWords, toBase + HEAD_WORDS);
    this.#addChild(this.#pathLength - 1, left, right);
    if (this.#place > kept) {
      this.#leaf = right;
      this.#place -= kept;
    }
  }

  /** Words of the lower bound that the next new child gets. */
  readonly #bound = new Uint32Array(CHILD_WORDS - 1);

  #noteBound(words: Uint32Array, at: number): void {
    for (let word = 0; word < 3; word++) this.#bound[word] = words[at + word];
    const record = this.#record;
    this.#primary.moveTo(record, words[at + 3]);
    for (let word = 0; word < DIGEST_WORD_COUNT; word++) {
      this.#bound[3 + word] = record.words[record.base + DIGEST_WORD_ORDER[word]];
    }
  }

  /** Puts a new node behind its left neighbour into the parent, which is `depth` steps below the root. */
  #addChild(depth: number, left: number, right: number): void {
    if (depth < 0) {
      const root = this.#newNode(this.#level(left) + 1);
      const base = this.#pool.base(root);
      const words = this.#pool.words(root);
      words.fill(0, base + HEAD_WORDS, base + HEAD_WORDS + CHILD_WORDS);
      words[base + HEAD_WORDS] = left;
      words[base + COUNT] = 1;
      this.#root = root;
      this.#putChild(root, 1, right);
      return;
    }
    let node = this.#pathNode[depth];
    let place = this.#pathChild[depth] + 1;
    if (this.#count(node) === CHILD_COUNT_MAX) {
      const bound = this.#bound.slice();
      const kept = CHILD_COUNT_MAX >>> 1;
      const other = this.#splitInner(node, kept);
      this.#addChild(depth - 1, node, other);
      this.#bound.set(bound);
      if (place > kept) {
        node = other;
        place -= kept;
      }
    }
    this.#putChild(node, place, right);
  }

  #putChild(node: number, place: number, child: number): void {
    const words = this.#pool.words(node);
    const base = this.#pool.base(node);
    const at = base + HEAD_WORDS + place * CHILD_WORDS;
    words.copyWithin(at + CHILD_WORDS, at, base + HEAD_WORDS + words[base + COUNT] * CHILD_WORDS);
    words[at] = child;
    words.set(this.#bound, at + 1);
    words[base + COUNT]++;
  }

  /** Moves the upper children of a node into a new one, whose lower bound is noted. */
  #splitInner(node: number, kept: number): number {
    const other = this.#newNode(this.#level(node));
    const words = this.#pool.words(node);
    const from = this.#pool.base(node) + HEAD_WORDS + kept * CHILD_WORDS;
    const count = words[this.#pool.base(node) + COUNT];
    const to = this.#pool.words(other);
    const toBase = this.#pool.base(other);
    to.set(words.subarray(from, from + (count - kept) * CHILD_WORDS), toBase + HEAD_WORDS);
    to[toBase + COUNT] = count - kept;
    words[this.#pool.base(node) + COUNT] = kept;
    this.#bound.set(to.subarray(toBase + HEAD_WORDS + 1, toBase + HEAD_WORDS + CHILD_WORDS));
    return other;
  }

  /** Joins a node that has become small with a neighbour, or removes it when it is empty. */
  #shrink(node: number, depth: number): void {
    this.#isWayKnown = false;
    const count = this.#count(node);
    if (depth < 0) {
      if (count === 0) {
        this.#freeNode(node);
        this.#root = NO_NODE;
      } else if (count === 1 && this.#level(node) > 0) {
        this.#root = this.#child(node, 0);
        this.#freeNode(node);
        this.#shrink(this.#root, -1);
      }
      return;
    }
    const parent = this.#pathNode[depth];
    const place = this.#pathChild[depth];
    if (count === 0) {
      this.#unlink(node);
      this.#freeNode(node);
      this.#dropChild(parent, place);
    } else if (!this.#join(parent, place) && !(place > 0 && this.#join(parent, place - 1))) {
      return;
    }
    if (this.#count(parent) < CHILD_COUNT_MAX >>> 2) this.#shrink(parent, depth - 1);
  }

  /** Joins a child with the one after it, if there is one and both fit into three quarters of a node. */
  #join(parent: number, place: number): boolean {
    if (place + 1 >= this.#count(parent)) return false;
    const left = this.#child(parent, place);
    const right = this.#child(parent, place + 1);
    const isLeaf = this.#level(left) === 0;
    const most = ((isLeaf ? ENTRY_COUNT_MAX : CHILD_COUNT_MAX) * 3) >>> 2;
    const kept = this.#count(left);
    const moved = this.#count(right);
    if (kept + moved > most) return false;
    const size = isLeaf ? ENTRY_WORDS : CHILD_WORDS;
    const pool = this.#pool;
    const from = pool.base(right) + HEAD_WORDS;
    const to = pool.base(left) + HEAD_WORDS + kept * size;
    pool.words(left).set(pool.words(right).subarray(from, from + moved * size), to);
    if (!isLeaf) {
      // The first child of a node may have no bound of its own; the node's bound is its.
      const boundAt = pool.base(parent) + HEAD_WORDS + (place + 1) * CHILD_WORDS + 1;
      pool.words(left).set(pool.words(parent).subarray(boundAt, boundAt + CHILD_WORDS - 1), to + 1);
    }
    pool.words(left)[pool.base(left) + COUNT] = kept + moved;
    this.#unlink(right);
    this.#freeNode(right);
    this.#dropChild(parent, place + 1);
    return true;
  }

  #dropChild(parent: number, place: number): void {
    const words = this.#pool.words(parent);
    const base = this.#pool.base(parent);
    const at = base + HEAD_WORDS + place * CHILD_WORDS;
    words.copyWithin(at, at + CHILD_WORDS, base + HEAD_WORDS + words[base + COUNT] * CHILD_WORDS);
    words[base + COUNT]--;
  }

  /** Takes a leaf out of the chain of leaves. */
  #unlink(node: number): void {
    const pool = this.#pool;
    const words = pool.words(node);
    const base = pool.base(node);
    if (words[base + LEVEL] > 0) return;
    const next = words[base + NEXT];
    const previous = words[base + PREVIOUS];
    if (next !== NO_NODE) pool.words(next)[pool.base(next) + PREVIOUS] = previous;
    if (previous !== NO_NODE) pool.words(previous)[pool.base(previous) + NEXT] = next;
  }
}

/** Order of a lower bound against a key. */
function compareBound(words: Uint32Array, at: number, key: TreeKey): number {
  const partition = words[at] >>> STUB_BITS;
  if (partition !== key.partition) return partition - key.partition;
  if (words[at + 1] !== key.high) return words[at + 1] < key.high ? -1 : 1;
  if (words[at + 2] !== key.low) return words[at + 2] < key.low ? -1 : 1;
  for (let word = 0; word < DIGEST_WORD_COUNT; word++) {
    const value = words[at + 3 + word];
    if (value !== key.digest[word]) return value < key.digest[word] ? -1 : 1;
  }
  return 0;
}
