/**
 * What this node knows about the nodes that it hears: their adjacency, what their pulses say about their cluster, and
 * when that was sent and received. Source: clustering reference, sections 5.9 and 8.3 (stale-data guard).
 *
 * @module
 */

import type { Hears } from "./clique.ts";
import { CLUSTERING_PROTOCOL_VERSION, type ClusteringPayload } from "./clustering_types.ts";
import { hlcOrder, type HlcTime } from "./hlc.ts";
import { type NodeId, sameSuccession } from "./node_id.ts";

/** A node that is heard. */
export interface Peer {
  /** Nodes that it hears. */
  adjacency: ReadonlySet<NodeId>;
  /** Monotonic time at which it arrived or its adjacency last changed. */
  linksChangedMs: number;
  /** From its last pulse; undefined until one had it. */
  payload: ClusteringPayload | undefined;
  /** Hybrid time at which that pulse was sent. */
  sendTime: HlcTime;
  /** Monotonic time at which it was received. */
  receivedMs: number;
}

/** A moment after which what peers say counts. */
export interface StaleGuard {
  /** Monotonic time of the last change of the own cluster, plus the guard. */
  readonly receivedAfterMs: number;
  /** Hybrid time of that change. */
  readonly sentAfter: HlcTime;
  readonly latencyMaxMs: number;
}

/** Whether the payload is that of a node of our version that belongs to no cluster. */
export function isOrphanPayload(payload: ClusteringPayload | undefined): boolean {
  return payload !== undefined && payload.protocolVersion === CLUSTERING_PROTOCOL_VERSION &&
    payload.clusterKey === 0;
}

/** Whether two payloads say the same. */
export function samePayload(a: ClusteringPayload | undefined, b: ClusteringPayload): boolean {
  return a === b || (a !== undefined && a.clusterKey === b.clusterKey &&
    a.sequenceNumber === b.sequenceNumber && a.preferredPrincipal === b.preferredPrincipal &&
    a.protocolVersion === b.protocolVersion && sameSuccession(a.succession, b.succession));
}

/** The nodes that are heard, by id. */
export class ClusteringPeers {
  readonly #self: NodeId;
  readonly #peers = new Map<NodeId, Peer>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** Ids of all peers. */
  get ids(): NodeId[] {
    return [...this.#peers.keys()];
  }

  has(node: NodeId): boolean {
    return this.#peers.has(node);
  }

  get(node: NodeId): Peer | undefined {
    return this.#peers.get(node);
  }

  /** A peer is heard. */
  add(node: NodeId, peer: Peer): void {
    this.#peers.set(node, peer);
  }

  /** A peer is no longer heard; false when it was not. */
  remove(node: NodeId): boolean {
    return this.#peers.delete(node);
  }

  /** Whether `listener` hears `speaker`, as far as this node knows. */
  readonly hears: Hears = (listener, speaker) =>
    listener === this.#self ? this.#peers.has(speaker) : this.#peers.get(listener)?.adjacency.has(speaker) ??
      false;

  /** Peers that belong to no cluster. */
  orphans(): NodeId[] {
    return this.ids.filter((node) => this.isOrphan(node));
  }

  /** Whether a peer says that it belongs to no cluster. */
  isOrphan(node: NodeId): boolean {
    return isOrphanPayload(this.#peers.get(node)?.payload);
  }

  /** Peers that say that they are principals, with their clusters. */
  principals(): { readonly node: NodeId; readonly succession: readonly NodeId[] }[] {
    const found = [];
    for (const [node, { payload }] of this.#peers) {
      if (payload?.protocolVersion !== CLUSTERING_PROTOCOL_VERSION) continue;
      if (payload.clusterKey !== 0 && payload.succession[0] === node) {
        found.push({ node, succession: payload.succession });
      }
    }
    return found;
  }

  /** A peer's payload, of whatever version, if it was sent and received after the guard; else undefined. */
  freshPayload(node: NodeId, guard: StaleGuard): ClusteringPayload | undefined {
    const peer = this.#peers.get(node);
    if (peer?.payload === undefined || peer.receivedMs <= guard.receivedAfterMs) return undefined;
    const order = hlcOrder(peer.sendTime, guard.sentAfter, guard.latencyMaxMs);
    return order === "after" ? peer.payload : undefined;
  }
}
