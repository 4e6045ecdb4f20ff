/**
 * What goes into the clustering core and what comes out of it: events, effects, messages, settings. Plain data, with
 * the field names of the wire codecs. Source: clustering reference, sections 5.5, 8.4 and 8.15.
 *
 * @module
 */

import type { HlcTime } from "./hlc.ts";
import type { NodeId } from "./node_id.ts";

/** Version that 8.1.2 nodes put into clustering messages and pulses; the vendor calls it v5. */
export const CLUSTERING_PROTOCOL_VERSION = 0x707c;

/** What a node's pulses say about its cluster. */
export interface ClusteringPayload {
  /** {@linkcode CLUSTERING_PROTOCOL_VERSION}; a node of another version is never taken in. */
  readonly protocolVersion: number;
  /** Below 2^48; 0 of an orphan. */
  readonly clusterKey: number;
  /** Number of the membership round, a hybrid time; zero of an orphan. */
  readonly sequenceNumber: HlcTime;
  /** Principal that the sender would rather have; `NO_NODE` when it is content. */
  readonly preferredPrincipal: NodeId;
  /** Members, largest id first; empty of an orphan. */
  readonly succession: readonly NodeId[];
}

/** A message without what all messages have. */
export type ClusteringBody =
  | { readonly kind: "join-request" | "join-reject" }
  | { readonly kind: "merge-move"; readonly clusterKey: number; readonly principal: NodeId }
  | { readonly kind: "change-applied"; readonly clusterKey: number; readonly succession: readonly NodeId[] }
  | {
    readonly kind: "prepare" | "promise" | "prepare-nack" | "accept" | "accepted" | "accept-nack";
    readonly sequenceNumber: HlcTime;
  }
  | LearnBody;

/** The value of a round. */
export interface LearnBody {
  readonly kind: "learn";
  /** The round. */
  readonly sequenceNumber: HlcTime;
  /** Key of the new cluster, 1 to 2^48 - 1. */
  readonly clusterKey: number;
  /** Its members, largest id first. */
  readonly succession: readonly NodeId[];
}

/** A clustering message; the transport tells who sent it. */
export type ClusteringMessage = ClusteringBody & {
  /** {@linkcode CLUSTERING_PROTOCOL_VERSION}; other messages are ignored. */
  readonly protocolVersion: number;
  /** Sender's hybrid clock when it sent. */
  readonly timestamp: HlcTime;
};

/** One thing that the heartbeat noticed about a peer. */
export type HeartbeatChange =
  | {
    /** First valid pulse. */
    readonly kind: "arrived";
    readonly node: NodeId;
    /** Monotonic time. */
    readonly atMs: number;
    /** Nodes that the peer hears; whether it lists itself does not matter. */
    readonly adjacency: readonly NodeId[];
    /** Of the same pulse. */
    readonly payload?: ClusteringPayload;
    /** Hybrid time at which that pulse was sent. */
    readonly sendTime?: HlcTime;
  }
  | {
    /** No longer heard. */
    readonly kind: "departed";
    readonly node: NodeId;
    /** Monotonic time, backdated to the last pulse when the peer fell silent. */
    readonly atMs: number;
  }
  | {
    /** A peer hears other nodes than before. */
    readonly kind: "adjacency";
    readonly node: NodeId;
    /** Monotonic time. */
    readonly atMs: number;
    readonly adjacency: readonly NodeId[];
  };

/** Heartbeat and fabric settings that time the clustering. */
export interface ClusteringSettings {
  /** `heartbeat.interval`. */
  readonly heartbeatIntervalMs: number;
  /** `heartbeat.timeout` × interval. */
  readonly nodeTimeoutMs: number;
  /** `fabric.latency-max-ms`. */
  readonly latencyMaxMs: number;
  /** `min-cluster-size`. */
  readonly clusterSizeMin: number;
  /** The node can't meet others (no seeds, no multicast): it forms its cluster at the first tick. */
  readonly standalone: boolean;
}

/** What the clustering reacts to. */
export type ClusteringEvent =
  | {
    /** Time passed. At least every {@linkcode TICK_MS}; more often is harmless. */
    readonly kind: "tick";
  }
  | { readonly kind: "heartbeat"; readonly changes: readonly HeartbeatChange[] }
  | {
    /** A pulse of an adjacent node was accepted. Each one counts, also when its payload is the same as before. */
    readonly kind: "pulse";
    readonly node: NodeId;
    readonly payload: ClusteringPayload;
    /** Hybrid time at which it was sent. */
    readonly sendTime: HlcTime;
  }
  | { readonly kind: "message"; readonly from: NodeId; readonly message: ClusteringMessage }
  | {
    /** Another process uses this node's id, or no longer does. */
    readonly kind: "duplicate-id";
    readonly duplicate: boolean;
  }
  | {
    /** A peer's process has certainly ended. The heartbeat must forget the peer as well. */
    readonly kind: "confirmed-death";
    readonly node: NodeId;
    /** Monotonic time since which it can't be reached; now when absent. */
    readonly atMs?: number;
  }
  | { readonly kind: "recluster"; readonly migrationsAllowed: boolean }
  | { readonly kind: "settings"; readonly settings: ClusteringSettings };

/** Answers to `recluster:`. */
export type ReclusterAnswer = "ok" | "ignored-by-non-principal" | "busy";

/** Why a node belongs to no cluster any more. */
export type OrphanReason = "membership lost" | "attempting merge";

/** Things that are counted. */
export type ClusteringStatistic =
  | "rounds_started"
  | "rounds_failed"
  | "rounds_chosen"
  | "clusters_synced"
  | "orphaned"
  | "quanta"
  | "quanta_postponed"
  | "joins_requested"
  | "joins_queued"
  | "joins_rejected"
  | "joins_stale"
  | "moves_sent"
  | "sleeps_noticed"
  | "learns_conflicting"
  | "messages_other_version";

/** What the caller has to do, in this order. */
export type ClusteringEffect =
  | { readonly kind: "send"; readonly to: readonly NodeId[]; readonly message: ClusteringMessage }
  | {
    /** From now on pulses carry this. Sending one at once shortens every change of the cluster. */
    readonly kind: "payload";
    readonly payload: ClusteringPayload;
  }
  | {
    /** All members agree on this cluster: for exchange. */
    readonly kind: "cluster-changed";
    readonly clusterKey: number;
    readonly succession: readonly NodeId[];
    readonly sequenceNumber: HlcTime;
  }
  | {
    /** The node belongs to no cluster: for exchange. */
    readonly kind: "orphaned";
    readonly reason: OrphanReason;
  }
  | { readonly kind: "recluster-answer"; readonly answer: ReclusterAnswer }
  | { readonly kind: "log"; readonly level: "warning" | "info" | "debug"; readonly text: string }
  | { readonly kind: "count"; readonly statistic: ClusteringStatistic };

/** Longest time between two ticks. */
export const TICK_MS = 75;

/** How the parts of the clustering speak to others: as ids of nodes, of which one may be the node itself. */
export type Send = (to: readonly NodeId[], body: ClusteringBody) => void;
