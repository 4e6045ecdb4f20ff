/**
 * Partition balance: from what the members of a cluster exchanged to who holds which partition, who serves it meanwhile,
 * and what has to move. A pure function: every member computes the same. Nothing here waits or keeps state.
 *
 * For each partition (positions are places in the row, 0 is the final master, replicas are the first ones):
 *
 * 1. Working master: the first position whose version has the master flag, otherwise the best version; then an earlier
 *    position that has the same data takes over at once. Nobody has data: the partition is fresh.
 * 2. Duplicates: copies whose records the working master may lack.
 * 3. Immigrators: replicas that must receive data. Without any, the partition is settled at once.
 * 4. The new version of this node's copy, and what it sends and receives.
 *
 * Read `balance_partition.ts` for these steps, `lineage.ts` for what is merged and how, `row.ts` and `racks.ts` for the rows.
 * Source: clustering reference, section 10; docs/cluster.md.
 *
 * @module
 */

import { assert, PARTITION_COUNT } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { PartitionDecider } from "./balance_partition.ts";
import { placeCopiesSliced, type Placement, type PlacementFeatures, type PlacementMember } from "./racks.ts";
import type { LineageTable } from "./lineage.ts";
import { computeRowsSliced, type RowHashes } from "./row.ts";
import { runWhole, type Sliced, SLICED_PARTITION_COUNT } from "./sliced.ts";
import type { VersionTable } from "./version.ts";

/** What a balance depends on. Order of `members` does not matter. */
export interface BalanceInput {
  /** All members of the cluster, largest id first. */
  readonly succession: readonly NodeId[];
  /** This node; one of `members`. */
  readonly self: NodeId;
  /** Key of the cluster, 1 to 2^48 - 1. */
  readonly clusterKey: number;
  /** Members that have the namespace. */
  readonly members: readonly PlacementMember[];
  /** Configured `replication-factor`, equal on all. */
  readonly replicationFactor: number;
  /** What all members support. */
  readonly features: PlacementFeatures;
  /** All members are aerie nodes, so that what the reference leaves open may be decided our way. */
  readonly allOurs: boolean;
  /** Where the copies of each member come from; absent unless all members tell it. */
  readonly lineages?: ReadonlyMap<NodeId, LineageTable>;
  /** A cache of hashes. */
  readonly hashes?: RowHashes;
}

/** Bits of {@linkcode EmigrationList.flags}; the values are the stock server's. */
export const EMIGRATION_FLAG = {
  /** The sender serves the partition. */
  ACTING_MASTER: 1,
  /** The final master needs it, or it merges copies that differ; the others only restore the number of copies. */
  LEAD: 2,
  /** Starts when this node has received everything that it waits for. */
  CONTINGENT: 4,
} as const;

/** Transfers that a node has to make, in ascending order of partitions. */
export class EmigrationList {
  /** Number of transfers; the arrays are longer. */
  length = 0;
  /** Partition of each. */
  partitions = new Uint16Array(PARTITION_COUNT);
  /** Index of the node that each goes to. */
  receivers = new Uint8Array(PARTITION_COUNT);
  /** Bits of {@linkcode EMIGRATION_FLAG} of each. */
  flags = new Uint8Array(PARTITION_COUNT);

  /** Appends a transfer. */
  push(partition: number, receiver: number, flags: number): void {
    if (this.length === this.partitions.length) this.#grow();
    this.partitions[this.length] = partition;
    this.receivers[this.length] = receiver;
    this.flags[this.length++] = flags;
  }

  #grow(): void {
    const longer = <List extends Uint8Array | Uint16Array>(list: List, twice: List): List => {
      twice.set(list);
      return twice;
    };
    this.partitions = longer(this.partitions, new Uint16Array(this.length * 2));
    this.receivers = longer(this.receivers, new Uint8Array(this.length * 2));
    this.flags = longer(this.flags, new Uint8Array(this.length * 2));
  }
}

/** A set of places per partition. */
export class PlaceSets {
  readonly #words: Uint32Array;
  readonly #wordCount: number;

  /** @param placeCount places of a row */
  constructor(placeCount: number) {
    this.#wordCount = Math.ceil(placeCount / 32);
    this.#words = new Uint32Array(PARTITION_COUNT * this.#wordCount);
  }

  /** Adds a place. */
  add(partition: number, place: number): void {
    this.#words[partition * this.#wordCount + (place >>> 5)] |= 1 << (place & 31);
  }

  /** Removes a place. */
  remove(partition: number, place: number): void {
    this.#words[partition * this.#wordCount + (place >>> 5)] &= ~(1 << (place & 31));
  }

  /** Whether a place is in the set. */
  has(partition: number, place: number): boolean {
    return (this.#words[partition * this.#wordCount + (place >>> 5)] & (1 << (place & 31))) !== 0;
  }

  /** Number of places in a partition's set. */
  size(partition: number): number {
    let count = 0;
    for (let index = 0; index < this.#wordCount; index++) {
      let word = this.#words[partition * this.#wordCount + index];
      for (; word !== 0; word &= word - 1) count++;
    }
    return count;
  }
}

/** What all nodes of a namespace agree on after a rebalance, and what this one has to do. */
export interface Balance {
  readonly clusterKey: number;
  /** Nodes of the namespace, largest id first; rows name them by index. */
  readonly nodes: readonly NodeId[];
  /** Index of this node. */
  readonly selfIndex: number;
  /** Where the copies go. */
  readonly placement: Placement;
  /** 1 for quiesced nodes, by index. */
  readonly quiesced: Uint8Array;
  /** Place of the working master in each row. */
  readonly workingPlace: Uint8Array;
  /** Place of this node in each row. */
  readonly selfPlace: Uint8Array;
  /** Places that may have records which the working master lacks. */
  readonly duplicates: PlaceSets;
  /** Replicas that must receive data. */
  readonly immigrators: PlaceSets;
  /** Places that are told when all migrations of the partition have ended. */
  readonly witnesses: PlaceSets;
  /** 1 where records written after the rebalance need no duplicate resolution some time later. */
  readonly hasCutoff: Uint8Array;
  /** Versions of this node's copies from now on. */
  readonly versions: VersionTable;
  /** Where they come from. */
  readonly lineages: LineageTable;
  /** Where complete copies come from once migrations have ended. */
  readonly mergedLineages: LineageTable;
  /** How copies are merged: bits of `MERGE_RULE`. */
  readonly mergeRules: Uint8Array;
  /** Where this node is a superseded final master: place of the copy that has all of its own. */
  readonly supersedingPlace: Uint8Array;
  /** Transfers that this node receives, per partition. */
  readonly immigrationCounts: Uint16Array;
  /** Transfers that this node makes. */
  readonly emigrations: EmigrationList;
  /** Partitions that nobody had. */
  readonly freshCount: number;
  /** Sum of `immigrationCounts`. */
  readonly immigrationCount: number;
  /** Witnesses that this node tells. */
  readonly signalCount: number;
  /** For the log. */
  readonly warnings: readonly string[];
}

/** The node at a place of a partition's row. */
export function nodeAt(balance: Balance, partition: number, place: number): NodeId {
  return balance.nodes[balance.placement.rows.order[partition * balance.nodes.length + place]];
}

/**
 * Computes the balance of one namespace.
 *
 * @param input `self` is among `members`, all of which are in `succession`
 */
export function computeBalance(input: BalanceInput): Balance {
  return runWhole(computeBalanceSliced(input));
}

/** The same in slices. */
export function* computeBalanceSliced(input: BalanceInput): Sliced<Balance> {
  const byNode = new Map(input.members.map((member) => [member.node, member]));
  const nodes = input.succession.filter((node) => byNode.has(node));
  assert(nodes.length === input.members.length, "members are different nodes of the succession list");
  const selfIndex = nodes.indexOf(input.self);
  assert(selfIndex >= 0, "this node has the namespace");
  const members = nodes.map((node) => byNode.get(node)!);
  const { features, replicationFactor, hashes } = input;
  const rows = yield* computeRowsSliced(input.succession, {
    nodes,
    ...(hashes === undefined ? {} : { hashes }),
  });
  const placement = yield* placeCopiesSliced(rows, { members, replicationFactor, features });
  const decider = new PartitionDecider({
    clusterKey: input.clusterKey,
    nodes,
    selfIndex,
    placement,
    versions: members.map((member) => member.versions),
    lineages: input.lineages && nodes.map((node) => input.lineages!.get(node)!),
    quiesced: Uint8Array.from(members, (member) => features.placement && member.isQuiesced ? 1 : 0),
    allOurs: input.allOurs,
  });
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (partition % SLICED_PARTITION_COUNT === 0) yield;
    decider.decide(partition);
  }
  return decider.finish();
}
