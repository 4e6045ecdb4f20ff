/**
 * Room for the nodes of index trees, off the JavaScript heap. All indexes of a namespace share one pool: an empty index
 * takes no room, and what one index gives back another may use. Memory of nodes is kept once it was taken.
 *
 * @module
 */

import { assert } from "../base/mod.ts";

/** 32-bit words of a node. */
export const NODE_WORD_COUNT = 256;
/** Bytes of a node. */
export const NODE_SIZE_BYTES = NODE_WORD_COUNT * 4;
/** Number of no node. */
export const NO_NODE = 0;

const CHUNK_NODE_BITS = 8;
const CHUNK_NODE_COUNT = 1 << CHUNK_NODE_BITS;
const CHUNK_NODE_MASK = CHUNK_NODE_COUNT - 1;

/** Nodes in use and free ones. */
export class NodePool {
  /** Nodes in use. */
  usedCount = 0;
  readonly #chunks: Uint32Array[] = [];
  /** Free nodes are chained through their first word. */
  #freeHead = NO_NODE;
  #nextFresh = 1;

  /** Memory of nodes in use, in bytes. */
  get usedBytes(): number {
    return this.usedCount * NODE_SIZE_BYTES;
  }

  /** Memory that was taken, in bytes. */
  get allocatedBytes(): number {
    return this.#chunks.length * CHUNK_NODE_COUNT * NODE_SIZE_BYTES;
  }

  /** The words that a node is among. */
  words(node: number): Uint32Array {
    return this.#chunks[node >>> CHUNK_NODE_BITS];
  }

  /** Index of a node's first word in `words`. */
  base(node: number): number {
    return (node & CHUNK_NODE_MASK) * NODE_WORD_COUNT;
  }

  /** Takes a node, whose words hold anything. */
  take(): number {
    this.usedCount++;
    const free = this.#freeHead;
    if (free !== NO_NODE) {
      this.#freeHead = this.words(free)[this.base(free)];
      return free;
    }
    const node = this.#nextFresh++;
    assert(node < 0xffff_ffff, "A pool holds fewer than 2^32 nodes");
    if (node >>> CHUNK_NODE_BITS === this.#chunks.length) {
      this.#chunks.push(new Uint32Array(CHUNK_NODE_COUNT * NODE_WORD_COUNT));
    }
    return node;
  }

  /** Gives a node back. */
  give(node: number): void {
    this.words(node)[this.base(node)] = this.#freeHead;
    this.#freeHead = node;
    this.usedCount--;
  }
}
