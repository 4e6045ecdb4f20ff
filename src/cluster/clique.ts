/**
 * Reduces a set of nodes to one in which everybody hears everybody. Greedy approximation of the smallest set of nodes
 * to leave out (minimum vertex cover of the graph of missing links); equal input gives the equal answer on every
 * node. Source: clustering reference, section 5.11.
 *
 * @module
 */

import { type NodeId, toSuccession } from "./node_id.ts";

/** Whether `listener` hears `speaker`'s heartbeats. */
export type Hears = (listener: NodeId, speaker: NodeId) => boolean;

/** What {@linkcode evictToClique} found. */
export interface Clique {
  /** Those who all hear each other, largest id first. */
  readonly kept: NodeId[];
  /** The others, in the order in which they were left out. */
  readonly evicted: NodeId[];
}

/**
 * Leaves out nodes until all that remain hear each other. `self` is never left out: first goes everybody who has no
 * link to it; then, while links are missing, the node that misses most, the smaller id when several do.
 *
 * @param candidates the nodes; `self` is taken as one of them
 * @param self the node that asks
 */
export function evictToClique(candidates: Iterable<NodeId>, self: NodeId, hears: Hears): Clique {
  const linked = (a: NodeId, b: NodeId) => hears(a, b) && hears(b, a);
  const all = toSuccession([...candidates, self]);
  const evicted = all.filter((node) => node !== self && !linked(self, node));
  const kept = new Set(all.filter((node) => !evicted.includes(node)));
  const missing = new Map<NodeId, Set<NodeId>>();
  const others = [...kept];
  for (const [at, node] of others.entries()) {
    for (const other of others.slice(at + 1)) {
      if (linked(node, other)) continue;
      link(missing, node, other);
      link(missing, other, node);
    }
  }
  for (let worst = findWorst(missing); worst !== undefined; worst = findWorst(missing)) {
    for (const other of missing.get(worst)!) missing.get(other)!.delete(worst);
    missing.delete(worst);
    kept.delete(worst);
    evicted.push(worst);
  }
  return { kept: [...kept], evicted };
}

/** Whether all nodes hear each other. */
export function isClique(nodes: readonly NodeId[], hears: Hears): boolean {
  return nodes.every((node) => nodes.every((other) => other === node || hears(node, other)));
}

function link(missing: Map<NodeId, Set<NodeId>>, from: NodeId, to: NodeId): void {
  const known = missing.get(from);
  if (known === undefined) missing.set(from, new Set([to]));
  else known.add(to);
}

function findWorst(missing: Map<NodeId, Set<NodeId>>): NodeId | undefined {
  let worst: NodeId | undefined;
  let worstCount = 0;
  for (const [node, others] of missing) {
    if (others.size > worstCount || (others.size === worstCount && worst !== undefined && node < worst)) {
      worst = node;
      worstCount = others.size;
    }
  }
  return worstCount > 0 ? worst : undefined;
}
