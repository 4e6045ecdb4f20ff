/**
 * What requests that involve other nodes need from the node.
 *
 * @module
 */

import type { FabricTarget, SendResult } from "../cluster/mod.ts";
import type { Clock, Random } from "../port/mod.ts";
import type { NodeId, PeerMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";

/** Messages to peers; the methods are those of `Fabric`. */
export interface PeerSender {
  /** Sends a message; what it points at is copied before the call returns. */
  send(target: FabricTarget, message: PeerMessage | Uint8Array): SendResult;
  /** Whether so much waits for a peer that a sender should wait too. */
  isOverloaded(target: FabricTarget): boolean;
}

/** What a `PeerTransactions` is made of. */
export interface PeerOptions {
  /** This node. */
  readonly self: NodeId;
  /** Namespaces in their configured order. */
  readonly namespaces: readonly Namespace[];
  /** Messages to peers. */
  readonly fabric: PeerSender;
  /** Key of the cluster that the partition tables belong to; 0 for none. */
  readonly clusterKey: () => number;
  /**
   * Whether the node may serve nobody for the moment: it slept long, which it finds out when it is asked, or its tables are
   * of a cluster that is past.
   */
  readonly isFenced: () => boolean;
  /** The latest time that this node or any that it heard of has seen, in ms since 2010. */
  readonly latestMs: () => number;
  /** Time. */
  readonly clock: Clock;
  /** First transaction id. */
  readonly random: Random;
}

/** What must be known of a cluster. */
export interface PeerView {
  /** Key of the cluster. */
  readonly clusterKey: number;
  /** Its members. */
  readonly succession: readonly NodeId[];
  /** Bits of `CAPABILITY` that all of them have. */
  readonly capabilities: number;
  /** Bits of `CAPABILITY` that each has; undefined for a stock node. */
  readonly members: readonly { readonly node: NodeId; readonly capabilities: number | undefined }[];
}

/** Something that waits for answers, and is looked at when its time comes. */
export interface PeerTask {
  /** Monotonic time at which `onDue` is called. */
  dueMs: number;
  /** The time has come. */
  onDue(nowMs: number): void;
}
