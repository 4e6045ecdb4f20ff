/**
 * Placement: which nodes of a row hold the copies of a partition. Without any wish these are the first nodes of the row,
 * as in a stock cluster. In this order, each on the result of the one before:
 *
 * 1. Quiesced nodes go to the end of every row.
 * 2. Spread: replica k is the node, in row order, whose rack holds the fewest copies so far, and among those whose host
 *    does. So copies are in as many racks as there are, then on as many hosts, and further ones are spread evenly.
 * 3. Uniform balance, in `uniform.ts`.
 * 4. Active rack: the replica of that rack comes first; with uniform balance step 3 has seen to it.
 *
 * All of it depends on what members exchanged and on nothing else: every node computes the same.
 * Source: clustering reference, section 11; docs/cluster.md.
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import type { Rows } from "./row.ts";
import { runWhole, type Sliced } from "./sliced.ts";
import { makeUniform } from "./uniform.ts";
import { VERSION_BIT, type VersionTable } from "./version.ts";

/** What a node says that bears on where copies go. */
export interface PlacementMember {
  readonly node: NodeId;
  /** `rack-id`; 0 when there are no racks. */
  readonly rackId: number;
  /** Names the machine that the node runs on; nodes with equal names share it. */
  readonly host: string;
  /** The node gives away its part and takes none. */
  readonly isQuiesced: boolean;
  /** `prefer-uniform-balance`. */
  readonly prefersUniform: boolean;
  /** `active-rack`; 0 is none. */
  readonly activeRack: number;
  /** Its copies. */
  readonly versions: VersionTable;
}

/** What all members support; a stock member supports none of it. */
export interface PlacementFeatures {
  /** Racks, active rack, uniform balance, quiesced nodes. */
  readonly placement: boolean;
  /** Copies avoid sharing a host. */
  readonly hostSpread: boolean;
  /** There may be more copies than hosts. */
  readonly sharedHosts: boolean;
}

/** Community rules: rows as they are. */
export const NO_PLACEMENT: PlacementFeatures = { placement: false, hostSpread: false, sharedHosts: false };

/** Where the copies go. */
export interface Placement {
  /** The rows, rearranged: the first `replicaCount` nodes of each hold the copies. */
  readonly rows: Rows;
  /** Effective replication factor. */
  readonly replicaCount: number;
  /** Nodes that are not quiesced. */
  readonly activeCount: number;
  /** Whether uniform balance was applied. */
  readonly isUniform: boolean;
  /** Whether copies were spread over racks. */
  readonly isRackAware: boolean;
  /** Rack that holds all masters; 0 is none. */
  readonly activeRack: number;
  /** What was asked for and could not be had, for the log. */
  readonly warnings: readonly string[];
}

/** Numbers that say where each node is; the uniform balance works on them. */
export interface Sites {
  /** Rack of each node, numbered from 0. */
  readonly racks: Uint16Array;
  /** Host of each node, numbered from 0. */
  readonly hosts: Uint16Array;
  /** 1 for nodes that take copies. */
  readonly active: Uint8Array;
  /** Number of nodes that take copies; they come first in every row. */
  readonly activeCount: number;
}

/** Numbers equal values equally, in the order of their first appearance. */
function numberOff(values: readonly unknown[]): Uint16Array {
  const numbers = new Map<unknown, number>();
  return Uint16Array.from(values, (value) => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  });
}

function findSites(members: readonly PlacementMember[], features: PlacementFeatures): Sites {
  const quiesces = features.placement && members.some((member) => !member.isQuiesced);
  const active = Uint8Array.from(members, (member) => quiesces && member.isQuiesced ? 0 : 1);
  return {
    racks: numberOff(members.map((member) => features.placement ? member.rackId : 0)),
    hosts: numberOff(members.map((member) => features.hostSpread ? member.host : member.node)),
    active,
    activeCount: active.reduce((sum, each) => sum + each, 0),
  };
}

/** Number of different values among the nodes that take copies. */
function countDistinct(values: Uint16Array, active: Uint8Array): number {
  return new Set(values.filter((_, index) => active[index] === 1)).size;
}

/** Moves quiesced nodes behind the others; each group keeps its order. */
function moveQuiesced(order: Uint8Array, sites: Sites): void {
  const count = sites.active.length;
  const row = new Uint8Array(count);
  for (let base = 0; base < order.length; base += count) {
    let front = 0;
    let back = sites.activeCount;
    for (let place = 0; place < count; place++) {
      const node = order[base + place];
      row[sites.active[node] === 1 ? front++ : back++] = node;
    }
    order.set(row, base);
  }
}

/** Moves the node at `from` forward to `to`; those between move back by one. */
export function moveForward(order: Uint8Array, from: number, to: number): void {
  const node = order[from];
  order.copyWithin(to + 1, to, from);
  order[to] = node;
}

/** Puts the replicas of each row on different racks and hosts as far as there are enough. */
function spread(order: Uint8Array, sites: Sites, replicaCount: number): void {
  const { racks, hosts, activeCount } = sites;
  const count = racks.length;
  const rackUse = new Uint16Array(count);
  const hostUse = new Uint16Array(count);
  for (let base = 0; base < order.length; base += count) {
    rackUse.fill(0);
    hostUse.fill(0);
    for (let replica = 0; replica < replicaCount; replica++) {
      let best = base + replica;
      let bestUse = Infinity;
      for (let place = base + replica; place < base + activeCount; place++) {
        const use = rackUse[racks[order[place]]] * PARTITION_COUNT + hostUse[hosts[order[place]]];
        if (use >= bestUse) continue;
        best = place;
        bestUse = use;
        if (use === 0) break;
      }
      rackUse[racks[order[best]]]++;
      hostUse[hosts[order[best]]]++;
      moveForward(order, best, base + replica);
    }
  }
}

/** Puts the first replica that is in the active rack to the front of its row. */
function favourRack(
  order: Uint8Array,
  racks: Uint16Array,
  options: { rack: number; replicas: number },
): void {
  const count = racks.length;
  for (let base = 0; base < order.length; base += count) {
    for (let replica = 0; replica < options.replicas; replica++) {
      if (racks[order[base + replica]] !== options.rack) continue;
      moveForward(order, base + replica, base);
      break;
    }
  }
}

/** The active rack that members agree on and that can be had; 0 is none. */
function agreeActiveRack(
  members: readonly PlacementMember[],
  options: { rackCount: number; replicaCount: number; active: Uint8Array; warnings: string[] },
): number {
  const { rackCount, replicaCount, active, warnings } = options;
  const wanted = members[0].activeRack;
  const other = members.find((member) => member.activeRack !== wanted);
  if (other !== undefined) {
    warnings.push(
      `active-rack is ignored: node ${
        members[0].node
      } has ${wanted}, node ${other.node} has ${other.activeRack}; ` +
        "set the same on all nodes",
    );
    return 0;
  }
  if (wanted === 0) return 0;
  if (rackCount > replicaCount) {
    warnings.push(
      `active-rack ${wanted} is ignored: there are ${rackCount} racks and ${replicaCount} copies, so that some ` +
        "partitions have no copy in it; raise the replication factor",
    );
    return 0;
  }
  if (!members.some((member, index) => active[index] === 1 && member.rackId === wanted)) {
    warnings.push(`active-rack ${wanted} is ignored: no active node has this rack-id`);
    return 0;
  }
  return wanted;
}

/** What {@linkcode placeCopies} depends on beside the rows. */
export interface PlacementOptions {
  /** In the order of the rows' nodes. */
  readonly members: readonly PlacementMember[];
  /** As configured, at least 1. */
  readonly replicationFactor: number;
  readonly features: PlacementFeatures;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * Places the copies of all partitions.
 *
 * @param rows rows of the namespace's nodes; not changed
 */
export function placeCopies(rows: Rows, options: PlacementOptions): Placement {
  return runWhole(placeCopiesSliced(rows, options));
}

/** The same in slices. */
export function* placeCopiesSliced(rows: Rows, options: PlacementOptions): Sliced<Placement> {
  const { members, replicationFactor, features } = options;
  const warnings: string[] = [];
  const sites = findSites(members, features);
  const { racks, active, activeCount } = sites;
  const rackCount = countDistinct(racks, active);
  const hostCount = countDistinct(sites.hosts, active);
  const copyCountMax = features.sharedHosts ? activeCount : hostCount;
  const replicaCount = Math.min(replicationFactor, copyCountMax);
  if (replicaCount < Math.min(replicationFactor, activeCount)) {
    warnings.push(
      `${counted(replicaCount, "copy", "copies")} instead of ${replicationFactor}: the nodes are on ` +
        `${counted(hostCount, "host", "hosts")}, and two copies on one host are lost together; ` +
        "copies-on-one-host true on all nodes allows it, after a recluster",
    );
  }
  const activeRack = features.placement
    ? agreeActiveRack(members, { rackCount, replicaCount, active, warnings })
    : 0;
  const isUniform = features.placement && members.every((member) => member.prefersUniform);
  const order = rows.order.slice();
  yield;
  if (activeCount < members.length) moveQuiesced(order, sites);
  if (rackCount > 1 || hostCount < activeCount) spread(order, sites, replicaCount);
  yield;
  const rack = activeRack === 0 ? -1 : racks[members.findIndex((member) => member.rackId === activeRack)];
  const hasData = (node: number, partition: number) => {
    const { versions } = members[node];
    return versions.exists(partition) && (versions.high[partition] & VERSION_BIT.EVADE) === 0;
  };
  if (isUniform) {
    yield* makeUniform(order, { natural: rows.order, sites, replicaCount, activeRack: rack, hasData });
  } else if (rack >= 0) favourRack(order, racks, { rack, replicas: replicaCount });
  return {
    rows: { nodes: rows.nodes, order },
    replicaCount,
    activeCount,
    isUniform,
    isRackAware: rackCount > 1,
    activeRack,
    warnings,
  };
}
