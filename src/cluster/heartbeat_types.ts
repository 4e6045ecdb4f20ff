/**
 * What goes into the heartbeat core and what comes out of it. Plain data; messages are those of the wire codecs.
 *
 * @module
 */

import type { HeartbeatMessage, PeerEndpoint, U64Text } from "../wire/mod.ts";
import type { ClusteringPayload, HeartbeatChange } from "./clustering_types.ts";
import type { HlcTime, HybridClock } from "./hlc.ts";
import type { HeartbeatSettings } from "./heartbeat_timing.ts";
import type { NodeId } from "./node_id.ts";
import type { SeedAddress } from "./seeds.ts";

/** Handle of an open connection; chosen by the caller, never used twice. */
export type ConnectionId = number;

/** Handle of a connect that has not been answered yet; chosen by the core, never used twice. */
export type AttemptId = number;

/** The two clocks at the moment of an event. */
export interface HeartbeatNow {
  /** Never goes back; all waiting is measured with it. */
  readonly monotonicMs: number;
  /** Since 1970; may jump. Only the skew monitor looks at it. */
  readonly wallMs: number;
}

/** What identifies this node to its peers. */
export interface HeartbeatIdentity {
  readonly node: NodeId;
  /** Random number of this process. */
  readonly incarnation: U64Text;
  /** What this node can do beyond the stock protocol. */
  readonly capabilities: number;
}

/** Why a connect failed. `refused`: the other host answered that nobody listens there. */
export type ConnectFailure = "refused" | "timeout" | "unreachable";

/** What the heartbeat reacts to. */
export type HeartbeatEvent =
  | {
    /** Time passed: due at `Heartbeat.dueMs`; more often is harmless. */
    readonly kind: "tick";
  }
  | {
    readonly kind: "opened";
    readonly connection: ConnectionId;
    /** The connect that this answers; absent when the other side connected. */
    readonly attempt?: AttemptId;
    /** Address and port of the other side, for log lines. */
    readonly remote: string;
  }
  | { readonly kind: "connect-failed"; readonly attempt: AttemptId; readonly failure: ConnectFailure }
  | {
    /** The connection ended, or could not take a message in time. Not for those that the core closed. */
    readonly kind: "closed";
    readonly connection: ConnectionId;
  }
  | {
    readonly kind: "message";
    /** Absent in multicast. */
    readonly connection?: ConnectionId;
    readonly message: HeartbeatMessage;
  }
  | {
    /** Bytes that are no heartbeat message. */
    readonly kind: "malformed";
    readonly connection?: ConnectionId;
    /** What was wrong, from the codec. */
    readonly fault: string;
  }
  | {
    /** Answer to a `resolve`; no addresses when the name has none. */
    readonly kind: "resolved";
    readonly name: string;
    readonly addresses: readonly string[];
  }
  | { readonly kind: "tip"; readonly seed: SeedAddress }
  | { readonly kind: "tip-clear"; readonly seeds: readonly Omit<SeedAddress, "tls">[] }
  | { readonly kind: "settings"; readonly settings: HeartbeatSettings }
  | {
    /** Forget everybody and start again. */
    readonly kind: "reset";
  }
  | { readonly kind: "endpoints"; readonly endpoints: readonly PeerEndpoint[] }
  | { readonly kind: "fabric-endpoints"; readonly endpoints: readonly PeerEndpoint[] }
  | {
    /** What pulses say about the cluster from now on. */
    readonly kind: "payload";
    readonly payload: ClusteringPayload;
  }
  | {
    /** The process of a peer has certainly ended. */
    readonly kind: "forget";
    readonly node: NodeId;
  }
  | {
    /** Answer to `drain`: all that had arrived before has been delivered. */
    readonly kind: "drained";
  };

/** What the caller has to do, in this order. */
export type HeartbeatEffect =
  | {
    /** Connect, and answer with `opened` or `connect-failed`. */
    readonly kind: "connect";
    readonly attempt: AttemptId;
    readonly endpoint: PeerEndpoint;
    readonly timeoutMs: number;
  }
  | {
    /** Give a connect up; no answer is wanted, and a connection that it makes is closed. */
    readonly kind: "abandon";
    readonly attempt: AttemptId;
  }
  | {
    /** Close without an answer. */
    readonly kind: "close";
    readonly connection: ConnectionId;
    readonly reason: string;
  }
  | {
    readonly kind: "send";
    readonly connections: readonly ConnectionId[];
    readonly message: HeartbeatMessage;
  }
  | {
    /** Multicast: to every group. */
    readonly kind: "broadcast";
    readonly message: HeartbeatMessage;
  }
  | {
    /** Look a name up, and answer once with `resolved`. */
    readonly kind: "resolve";
    readonly name: string;
  }
  | {
    /** For clustering, and for the fabric, which connects and disconnects by it. */
    readonly kind: "heartbeat";
    readonly changes: readonly HeartbeatChange[];
  }
  | {
    /** For clustering: an adjacent node's pulse that brought no arrival. */
    readonly kind: "pulse";
    readonly node: NodeId;
    readonly payload: ClusteringPayload;
    readonly sendTime: HlcTime;
    /** Whether the payload differs from the node's last one. */
    readonly changed: boolean;
  }
  | {
    /** For the fabric: where a node listens that is about to arrive, or that is adjacent and moved. */
    readonly kind: "fabric-endpoints";
    readonly node: NodeId;
    readonly endpoints: readonly PeerEndpoint[];
  }
  | {
    /** Evidence about a peer's process, for fast death; see {@linkcode PeerLink}. */
    readonly kind: "peer-link";
    readonly node: NodeId;
    readonly link: PeerLink;
  }
  | {
    /** For clustering: another process uses this node's id, or no longer does. */
    readonly kind: "duplicate-id";
    readonly duplicate: boolean;
  }
  | {
    /** The process slept: deliver all that has arrived meanwhile, then `drained`. Nobody expires before. */
    readonly kind: "drain";
  }
  | {
    /** While raised the node answers no client: others may have taken over what it holds. */
    readonly kind: "fence";
    readonly raised: boolean;
    /** How long the node slept; 0 when lowered. */
    readonly sleptMs: number;
  }
  | {
    /** Cluster skew, when it was calculated anew. */
    readonly kind: "skew";
    readonly skewMs: number;
    readonly outliers: readonly NodeId[];
  }
  | {
    /** Answer to `tip` and `tip-clear`. */
    readonly kind: "tip-answer";
    /** Why it was refused; absent when it was done. */
    readonly error?: string;
  }
  | { readonly kind: "log"; readonly level: "warning" | "info" | "debug"; readonly text: string };

/**
 * What the connections say about a peer's process. `lost`: the other side ended the last one. `refused`: it was dialled
 * again after that, and none of its addresses has a listener. `restarted`: another incarnation answered. `up`: there is
 * a connection again.
 */
export type PeerLink = "lost" | "refused" | "restarted" | "up";

/** What a `Heartbeat` needs. */
export interface HeartbeatOptions {
  readonly identity: HeartbeatIdentity;
  /** Shared with fabric and clustering. */
  readonly clock: HybridClock;
  readonly settings: HeartbeatSettings;
  /** Seeds of the configuration; none in multicast. */
  readonly seeds: readonly SeedAddress[];
  /** Where this node's heartbeat listens, as others dial it; empty in multicast. */
  readonly endpoints: readonly PeerEndpoint[];
  /** Where this node's fabric listens, as others dial it. */
  readonly fabricEndpoints: readonly PeerEndpoint[];
  /** What pulses say about the cluster at first. */
  readonly payload: ClusteringPayload;
  /** Nodes of the largest cluster, 1 to 256. */
  readonly nodeCountMax: number;
  readonly now: HeartbeatNow;
}

/** Counters, by the names that tools know, and those of messages that were dropped. */
export interface HeartbeatStatistics {
  /** Own pulses heard; 0 in mesh but for seeds that lead back. */
  readonly heartbeat_received_self: number;
  /** Accepted pulses of others. */
  readonly heartbeat_received_foreign: number;
  /** Open mesh connections. */
  readonly heartbeat_connections: number;
  readonly heartbeat_connections_opened: number;
  readonly heartbeat_connections_closed: number;
  /** Messages dropped by the checks. */
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** Why messages are dropped. */
export type DropReason =
  | "malformed"
  | "flooded"
  | "no endpoints"
  | "cluster name"
  | "other node"
  | "delayed"
  | "full";
