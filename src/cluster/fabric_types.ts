/**
 * What the fabric is told and what it tells.
 *
 * @module
 */

import type { Ports } from "../port/mod.ts";
import type { PeerEndpoint, PeerReader, U64Text } from "../wire/mod.ts";
import type { PeerLink } from "./heartbeat_types.ts";
import type { NodeId } from "./node_id.ts";

/** Options of `network.fabric` that the sockets need. */
export interface FabricSettings {
  /** `channel-rw-fds`, 1 to 128: connections to each peer. */
  readonly channelRwFds: number;
  /** `channel-ctrl-fds`. */
  readonly channelCtrlFds: number;
  /** `channel-bulk-fds`. */
  readonly channelBulkFds: number;
  /** `channel-meta-fds`. */
  readonly channelMetaFds: number;
}

/** What a {@linkcode Fabric} is made of. */
export interface FabricOptions {
  readonly ports: Pick<Ports, "clock" | "random" | "network" | "log">;
  /** This node. */
  readonly node: NodeId;
  /** Random number of this process, not zero. */
  readonly incarnation: U64Text;
  readonly settings: FabricSettings;
  /** Whether addresses of IPv6 are dialled. */
  readonly ipv6: boolean;
  readonly handler: FabricHandler;
}

/** Receives what peers say. All calls come in turns of their own, never from inside a call of the fabric's methods. */
export interface FabricHandler {
  /**
   * A message arrived. Messages of one connection come in order; a peer has several, so that messages of a channel may
   * overtake each other. A message may come twice when a connection broke.
   *
   * @param reader opened on the message; it and everything in it is lent until the call returns
   */
  onMessage(from: NodeId, channel: number, reader: PeerReader): void;
  /** A peer and channel that was overloaded has room again. */
  onDrain?(node: NodeId, channel: number): void;
  /** What the connections say about an adjacent peer's process changed. */
  onLink?(node: NodeId, link: PeerLink): void;
}

/** Where a message goes. */
export interface FabricTarget {
  readonly node: NodeId;
  /** One of `FABRIC_CHANNEL`. */
  readonly channel: number;
}

/**
 * What became of a message. `sent`: a connection has it, or will have it at the end of this event. `queued`: it waits.
 * `full`: refused, the queue is at its limit. `unknown-node`: refused, there is no such peer.
 */
export type SendResult = "sent" | "queued" | "full" | "unknown-node";

/** What the fabric must know to reach a peer. */
export interface FabricArrival {
  /** Where its fabric listens, from its pulse. */
  readonly endpoints: readonly PeerEndpoint[];
  /** Its incarnation, from its pulse; absent of a stock node. */
  readonly incarnation?: U64Text;
}

/** Counters of one channel. */
export interface FabricChannelCounts {
  /** Messages that connections took. */
  sentCount: number;
  sentBytes: number;
  receivedCount: number;
  receivedBytes: number;
}

/** Counters of the fabric. */
export interface FabricStatistics {
  /** By channel. */
  readonly channels: readonly Readonly<FabricChannelCounts>[];
  /** Connections open now, handshakes under way included. */
  readonly connections: number;
  readonly opened: number;
  readonly closed: number;
  /** Connects that failed. */
  readonly dialsFailed: number;
  /** Messages that were sent again after a broken connection. */
  readonly requeued: number;
  /** Messages that were given up: sent again too often, or their peer departed. */
  readonly dropped: number;
  /** Messages that were refused because a queue was full. */
  readonly refused: number;
  /** Connections that were closed because of what they sent. */
  readonly malformed: number;
  /** Messages that wait now. */
  readonly queued: number;
  /** Bytes of unfinished messages now. */
  readonly partialBytes: number;
}
