/**
 * What the mesh keeps and what it shares with the heartbeat. Read `mesh.ts` first.
 *
 * @module
 */

import type { HeartbeatInfoReply, HeartbeatMessage, PeerEndpoint } from "../wire/mod.ts";
import type { HeartbeatOutbox } from "./heartbeat_outbox.ts";
import type { HeartbeatSettings, HeartbeatTimes } from "./heartbeat_timing.ts";
import type { ConnectionId } from "./heartbeat_types.ts";
import type { DialPurpose } from "./mesh_connections.ts";
import type { NodeId } from "./node_id.ts";
import type { SeedList } from "./seeds.ts";

/** A node that the mesh knows of. */
export interface MeshPeer {
  readonly node: NodeId;
  /** See the head of `mesh.ts`. */
  state: "endpoint-unknown" | "inactive" | "pending" | "active";
  /** Where its heartbeat listens; empty while unknown. */
  endpoints: readonly PeerEndpoint[];
  /** Its connections; more than one only while duplicates are resolved. */
  readonly connections: Set<ConnectionId>;
  /** Monotonic time since which it has had no connection. */
  sinceMs: number;
  /** Not dialled before. */
  dialMs: number;
  /** Monotonic time at which processes with this one id were told of each other. */
  introducedMs: number;
  /** The other side ended its last connection, and no redial has been answered or refused since. */
  isLost: boolean;
}

/** A connect under way. */
export interface Dial {
  readonly purpose: DialPurpose;
  /** Endpoints still to be tried after this one. */
  readonly rest: readonly PeerEndpoint[];
  readonly endpoint: PeerEndpoint;
  readonly deadlineMs: number;
  /** Every endpoint so far was refused. */
  readonly onlyRefused: boolean;
}

/** What the mesh shares with the heartbeat that owns it; settings and endpoints may change between steps. */
export interface MeshHost {
  readonly self: NodeId;
  readonly nodeCountMax: number;
  readonly out: HeartbeatOutbox;
  readonly seeds: SeedList;
  readonly settings: HeartbeatSettings;
  readonly times: HeartbeatTimes;
  /** Where this node's heartbeat listens. */
  readonly endpoints: readonly PeerEndpoint[];
  /** An info request from this node. */
  readonly askFor: (nodes: readonly NodeId[]) => HeartbeatMessage;
  /** An info reply from this node. */
  readonly tell: (nodes: HeartbeatInfoReply["nodes"]) => HeartbeatMessage;
}

/** Who sent a message. */
export interface MeshSender {
  readonly node: NodeId;
  /** Where it says that it listens. */
  readonly endpoints: readonly PeerEndpoint[];
  /** Random number of its process; undefined for a stock node, and in messages other than pulses. */
  readonly incarnation: string | undefined;
}

/** What a message's sender turned out to be. */
export type BindResult = "bound" | "other-node" | "full" | "closed";

/** Counters of connections. */
export interface MeshCounts {
  opened: number;
  closed: number;
  /** Messages beyond the limit per interval, and info requests beyond theirs. */
  flooded: number;
}
