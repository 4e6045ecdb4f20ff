/**
 * Rows: for each partition all nodes in order of preference. A pure function of the members' ids, by rendezvous hashing:
 * a node that leaves changes nothing in the order of the others, one that joins is only put between them.
 *
 * Order of a partition's nodes: descending Jenkins one-at-a-time hash (64 bits) of 16 bytes, the FNV-1a hash of the node
 * id (its 8 bytes, little-endian) and that of the partition number (4 bytes); the lowest 3 bits (8 bits in clusters of
 * more than 8 nodes) are replaced by the node's position in the succession list, which breaks ties.
 * Source: clustering reference, sections 10.1 and 10.2.
 *
 * 64-bit numbers are held as two 32-bit halves: this runs for each of 4,096 partitions and each node. The hash of a
 * node and a partition depends on no third, so {@linkcode RowHashes} keeps it from one rebalance to the next.
 *
 * @module
 */

import { assert, PARTITION_COUNT, PEER_NODE_COUNT_MAX } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { runWhole, type Sliced, SLICED_PARTITION_COUNT } from "./sliced.ts";

/** A 64-bit number. */
interface Halves {
  low: number;
  high: number;
}

const FNV_BASIS: Readonly<Halves> = { low: 0x84222325, high: 0xcbf29ce4 };
const FNV_PRIME_LOW = 0x1b3;
const TWO_32 = 0x1_0000_0000;

/** Nodes of the largest cluster whose ties stock Community nodes break: 3 bits. */
const SMALL_CLUSTER_COUNT_MAX = 8;

/** One round of FNV-1a. The prime is 2^40 + 0x1b3. */
function fnvAdd(hash: Halves, byte: number): void {
  const low = (hash.low ^ byte) >>> 0;
  const product = low * FNV_PRIME_LOW;
  hash.high = (hash.high * FNV_PRIME_LOW + Math.floor(product / TWO_32) + (low << 8)) >>> 0;
  hash.low = product >>> 0;
}

function fnvAddWord(hash: Halves, word: number): void {
  for (let shift = 0; shift < 32; shift += 8) fnvAdd(hash, (word >>> shift) & 0xff);
}

/** FNV-1a of a node id. */
export function hashNode(node: NodeId): { readonly low: number; readonly high: number } {
  const hash = { ...FNV_BASIS };
  fnvAddWord(hash, parseInt(node.slice(8), 16));
  fnvAddWord(hash, parseInt(node.slice(0, 8), 16));
  return hash;
}

/** FNV-1a of a partition's number. */
export function hashPartition(partition: number): { readonly low: number; readonly high: number } {
  const hash = { ...FNV_BASIS };
  fnvAddWord(hash, partition);
  return hash;
}

/** Adds the 4 bytes of a word to a Jenkins hash, lowest byte first. */
function jenkinsAddWord(hash: Halves, word: number): void {
  let { low, high } = hash;
  for (let shift = 0; shift < 32; shift += 8) {
    let sum = low + ((word >>> shift) & 0xff);
    high = (high + (sum >= TWO_32 ? 1 : 0)) >>> 0;
    low = sum >>> 0;
    sum = low + ((low << 10) >>> 0);
    high = (high + ((high << 10) | (low >>> 22)) + (sum >= TWO_32 ? 1 : 0)) >>> 0;
    low = sum >>> 0;
    low = (low ^ ((low >>> 6) | (high << 26))) >>> 0;
    high = (high ^ (high >>> 6)) >>> 0;
  }
  hash.low = low;
  hash.high = high;
}

function jenkinsFinish(hash: Halves): void {
  let { low, high } = hash;
  let sum = low + ((low << 3) >>> 0);
  high = (high + ((high << 3) | (low >>> 29)) + (sum >= TWO_32 ? 1 : 0)) >>> 0;
  low = sum >>> 0;
  low = (low ^ ((low >>> 11) | (high << 21))) >>> 0;
  high = (high ^ (high >>> 11)) >>> 0;
  sum = low + ((low << 15) >>> 0);
  hash.high = (high + ((high << 15) | (low >>> 17)) + (sum >= TWO_32 ? 1 : 0)) >>> 0;
  hash.low = sum >>> 0;
}

/** Hashes of all partitions with one node: low and high half by turns. */
function hashAllPartitions(node: NodeId, partitionHashes: Uint32Array): Uint32Array {
  const hashes = new Uint32Array(PARTITION_COUNT * 2);
  const nodeHash = hashNode(node);
  const prefix = { low: 0, high: 0 };
  jenkinsAddWord(prefix, nodeHash.low);
  jenkinsAddWord(prefix, nodeHash.high);
  const hash = { low: 0, high: 0 };
  for (let at = 0; at < hashes.length; at += 2) {
    hash.low = prefix.low;
    hash.high = prefix.high;
    jenkinsAddWord(hash, partitionHashes[at]);
    jenkinsAddWord(hash, partitionHashes[at + 1]);
    jenkinsFinish(hash);
    hashes[at] = hash.low;
    hashes[at + 1] = hash.high;
  }
  return hashes;
}

/** Hashes of the partitions' numbers: low and high half by turns. */
function hashPartitionNumbers(): Uint32Array {
  const hashes = new Uint32Array(PARTITION_COUNT * 2);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const { low, high } = hashPartition(partition);
    hashes[partition * 2] = low;
    hashes[partition * 2 + 1] = high;
  }
  return hashes;
}

/** Rows of all partitions over some nodes. */
export interface Rows {
  /** The nodes, largest id first; rows name them by index. */
  readonly nodes: readonly NodeId[];
  /** Row of partition p: `order[p * nodes.length]` and the next ones, indexes into `nodes`. */
  readonly order: Uint8Array;
}

/** Hashes of nodes seen so far. One per process is enough; it holds 32 KiB per node of the present cluster. */
export class RowHashes {
  #partitions: Uint32Array | undefined;
  readonly #byNode = new Map<NodeId, Uint32Array>();

  /** Hashes of all partitions with a node: low and high half by turns. Not to be changed. */
  of(node: NodeId): Uint32Array {
    let hashes = this.#byNode.get(node);
    if (hashes === undefined) {
      hashes = hashAllPartitions(node, this.#partitions ??= hashPartitionNumbers());
      this.#byNode.set(node, hashes);
    }
    return hashes;
  }

  /** Forgets all nodes but these. */
  keepOnly(nodes: readonly NodeId[]): void {
    const kept = new Set(nodes);
    for (const node of this.#byNode.keys()) if (!kept.has(node)) this.#byNode.delete(node);
  }
}

/** What rows depend on. */
export interface RowOptions {
  /** The members that have the namespace, in the order of the succession list; by default all. */
  readonly nodes?: readonly NodeId[];
  /** A cache. */
  readonly hashes?: RowHashes;
}

/**
 * Computes the rows of all partitions.
 *
 * @param succession all members of the cluster, largest id first, at most 256
 */
export function computeRows(succession: readonly NodeId[], options: RowOptions = {}): Rows {
  return runWhole(computeRowsSliced(succession, options));
}

/** The same in slices. */
export function* computeRowsSliced(succession: readonly NodeId[], options: RowOptions = {}): Sliced<Rows> {
  assert(succession.length <= PEER_NODE_COUNT_MAX, `a cluster has at most ${PEER_NODE_COUNT_MAX} nodes`);
  const nodes = options.nodes ?? succession;
  const cache = options.hashes ?? new RowHashes();
  const tieMask = succession.length <= SMALL_CLUSTER_COUNT_MAX ? 0x07 : 0xff;
  const count = nodes.length;
  const ties = nodes.map((node) => succession.indexOf(node));
  assert(!ties.includes(-1), "every node of a namespace is in the succession list");
  const order = new Uint8Array(PARTITION_COUNT * count);
  // A node alone is first everywhere; the first start of most nodes needs no hash.
  if (count === 1) return { nodes, order };
  const hashes: Uint32Array[] = [];
  for (const node of nodes) {
    hashes.push(cache.of(node));
    yield;
  }
  const lows = new Uint32Array(count);
  const highs = new Uint32Array(count);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (partition % SLICED_PARTITION_COUNT === 0) yield;
    const base = partition * count;
    for (let index = 0; index < count; index++) {
      const high = hashes[index][partition * 2 + 1];
      const low = ((hashes[index][partition * 2] & ~tieMask) | ties[index]) >>> 0;
      let place = index;
      while (place > 0 && (highs[place - 1] < high || (highs[place - 1] === high && lows[place - 1] < low))) {
        highs[place] = highs[place - 1];
        lows[place] = lows[place - 1];
        order[base + place] = order[base + place - 1];
        place--;
      }
      highs[place] = high;
      lows[place] = low;
      order[base + place] = index;
    }
  }
  return { nodes, order };
}
