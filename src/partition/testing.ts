/**
 * For tests of placement and balance: clusters of made-up nodes.
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { type Balance, computeBalance } from "./balance.ts";
import type { LineageTable } from "./lineage.ts";
import { placeCopies, type Placement, type PlacementFeatures, type PlacementMember } from "./racks.ts";
import { computeRows, RowHashes } from "./row.ts";
import { VERSION_BIT, versionHigh, versionLow, VersionTable } from "./version.ts";

/** All features that aerie nodes have among themselves. */
export const ALL_FEATURES: PlacementFeatures = { placement: true, hostSpread: true, sharedHosts: false };

const hashes = new RowHashes();

/** Node id number `number` of a test. */
export function testNode(number: number): NodeId {
  return (0xb90_0000 + number * 0x1_0007).toString(16).padStart(16, "0");
}

/** A member without wishes or copies; `changes` override. */
export function testMember(number: number, changes: Partial<PlacementMember> = {}): PlacementMember {
  const node = testNode(number);
  return {
    node,
    rackId: 0,
    host: node,
    isQuiesced: false,
    prefersUniform: false,
    activeRack: 0,
    versions: new VersionTable(),
    ...changes,
  };
}

/** Members in the order of a succession list. */
export function inOrder(members: readonly PlacementMember[]): PlacementMember[] {
  return members.toSorted((a, b) => (a.node < b.node ? 1 : -1));
}

/** Places copies. */
export function place(
  members: readonly PlacementMember[],
  options: { replicationFactor?: number; features?: PlacementFeatures } = {},
): Placement {
  const ordered = inOrder(members);
  const rows = computeRows(ordered.map(({ node }) => node), { hashes });
  const { replicationFactor = 2, features = ALL_FEATURES } = options;
  return placeCopies(rows, { members: ordered, replicationFactor, features });
}

/** Nodes that hold a partition, in order. */
export function holders(placement: Placement, partition: number): NodeId[] {
  const { nodes, order } = placement.rows;
  const base = partition * nodes.length;
  return Array.from(order.subarray(base, base + placement.replicaCount), (index) => nodes[index]);
}

/** How many partitions each node holds; with `column`, in this column alone. */
export function countCopies(placement: Placement, column?: number): Map<NodeId, number> {
  const counts = new Map(placement.rows.nodes.map((node) => [node, 0]));
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const nodes = holders(placement, partition);
    for (const node of column === undefined ? nodes : [nodes[column]]) {
      counts.set(node, counts.get(node)! + 1);
    }
  }
  return counts;
}

/** Copies that `after` has where `before` had none. */
export function countMoved(before: Placement, after: Placement): number {
  let moved = 0;
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const had = new Set(holders(before, partition));
    moved += holders(after, partition).filter((node) => !had.has(node)).length;
  }
  return moved;
}

/** The members with complete copies as a placement has them; new members have none. */
export function settled(members: readonly PlacementMember[], placement: Placement): PlacementMember[] {
  const tables = new Map(members.map(({ node }) => [node, new VersionTable()]));
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    for (const [column, node] of holders(placement, partition).entries()) {
      const bits = column === 0 ? VERSION_BIT.MASTER : 0;
      tables.get(node)?.setWords(partition, versionLow(1), versionHigh(1, { family: 0, bits }));
    }
  }
  return members.map((member) => ({ ...member, versions: tables.get(member.node)! }));
}

/** Computes the balance of one node of a cluster. */
export function balance(
  members: readonly PlacementMember[],
  options: {
    self: NodeId;
    clusterKey?: number;
    replicationFactor?: number;
    features?: PlacementFeatures;
    allOurs?: boolean;
    lineages?: ReadonlyMap<NodeId, LineageTable>;
  },
): Balance {
  const { self, clusterKey = 0x99, replicationFactor = 2, features = ALL_FEATURES, allOurs = true } = options;
  const { lineages } = options;
  const succession = inOrder(members).map(({ node }) => node);
  return computeBalance({
    succession,
    self,
    clusterKey,
    members,
    replicationFactor,
    features,
    allOurs,
    ...(lineages === undefined ? {} : { lineages }),
    hashes,
  });
}
