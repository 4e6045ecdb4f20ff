/**
 * Clustering messages (envelope type 6, channel CTRL).
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | protocol version, 0x707c | uint32 |
 * | 1 | message type, 0 … 10 | uint32 |
 * | 2 | hybrid time of sending | uint64 |
 * | 3 | sequence number | uint64 |
 * | 4 | cluster key | uint64 |
 * | 5 | succession list, 8 little-endian bytes per node | buffer |
 * | 6 | proposed principal | uint64 |
 *
 * The connection tells who sent it. Fields are written with the buffer last, so 0, 1, 2, 3, 4, 6, 5.
 * Source: clustering reference, section 8.4; the recording for the version.
 *
 * @module
 */

import type { ByteBuffer } from "../base/mod.ts";
import {
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import type { HybridTime, NodeId } from "./peer_ids.ts";
import { readNodeIdField, writeNodeIdField } from "./peer_node_list.ts";

/** Version that 8.1.2 nodes send in clustering messages and pulses. */
export const CLUSTERING_PROTOCOL_VERSION = 0x707c;

const FIELD = {
  VERSION: 0,
  TYPE: 1,
  TIMESTAMP: 2,
  SEQUENCE: 3,
  CLUSTER_KEY: 4,
  SUCCESSION: 5,
  PRINCIPAL: 6,
} as const;

/** Names of the message types, by number. */
const KINDS = [
  "join-request",
  "join-reject",
  "merge-move",
  "change-applied",
  "prepare",
  "promise",
  "prepare-nack",
  "accept",
  "accepted",
  "accept-nack",
  "learn",
] as const;

/** What every clustering message has. */
export interface ClusteringCommon extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "clustering";
  /** {@link CLUSTERING_PROTOCOL_VERSION}; a message of another version is ignored by the receiver. */
  readonly protocolVersion: number;
  /** Sender's hybrid clock. */
  readonly timestamp: HybridTime;
}

/** An orphan asks to be taken in, or is turned away. */
export interface ClusteringJoin extends ClusteringCommon {
  /** What the message is. */
  readonly kind: "join-request" | "join-reject";
}

/** A principal sends its members to another one. */
export interface ClusteringMergeMove extends ClusteringCommon {
  /** What the message is. */
  readonly kind: "merge-move";
  /** The cluster that is left. */
  readonly clusterKey: number;
  /** The principal to join. */
  readonly principal: NodeId;
}

/** A member has applied a change of the cluster. */
export interface ClusteringChangeApplied extends ClusteringCommon {
  /** What the message is. */
  readonly kind: "change-applied";
  /** Key of the new cluster. */
  readonly clusterKey: number;
  /** Its members, largest id first. */
  readonly succession: readonly NodeId[];
}

/** A step of a round that names it by its sequence number alone. */
export interface ClusteringRound extends ClusteringCommon {
  /** What the message is. */
  readonly kind: "prepare" | "promise" | "prepare-nack" | "accept" | "accepted" | "accept-nack";
  /** The round. */
  readonly sequenceNumber: HybridTime;
}

/** The value of a round. */
export interface ClusteringLearn extends ClusteringCommon {
  /** What the message is. */
  readonly kind: "learn";
  /** The round. */
  readonly sequenceNumber: HybridTime;
  /** Key of the new cluster. */
  readonly clusterKey: number;
  /** Its members, largest id first. */
  readonly succession: readonly NodeId[];
}

/** A clustering message. */
export type ClusteringMessage =
  | ClusteringJoin
  | ClusteringMergeMove
  | ClusteringChangeApplied
  | ClusteringRound
  | ClusteringLearn;

/** Decodes a clustering message from a reader that is opened on a message of type 6. */
export function decodeClustering(reader: PeerReader): ClusteringMessage | PeerFault {
  const number = reader.u32(FIELD.TYPE);
  const kind = KINDS[number];
  if (kind === undefined) return { fault: `clustering: message type ${number}, expected 0 to 10` };
  const common = {
    type: "clustering" as const,
    protocolVersion: reader.u32(FIELD.VERSION),
    timestamp: reader.u64Text(FIELD.TIMESTAMP),
  };
  switch (kind) {
    case "join-request":
    case "join-reject":
      return reader.finish(kind, { ...common, kind });
    case "merge-move":
      return reader.finish(kind, {
        ...common,
        kind,
        clusterKey: reader.clusterKey(FIELD.CLUSTER_KEY),
        principal: reader.nodeId(FIELD.PRINCIPAL),
      });
    case "change-applied":
      return reader.finish(kind, {
        ...common,
        kind,
        clusterKey: reader.clusterKey(FIELD.CLUSTER_KEY),
        succession: readSuccession(reader),
      });
    case "learn":
      return reader.finish(kind, {
        ...common,
        kind,
        sequenceNumber: reader.u64Text(FIELD.SEQUENCE),
        clusterKey: reader.clusterKey(FIELD.CLUSTER_KEY),
        succession: readSuccession(reader),
      });
    default:
      return reader.finish(kind, { ...common, kind, sequenceNumber: reader.u64Text(FIELD.SEQUENCE) });
  }
}

function readSuccession(reader: PeerReader): NodeId[] {
  const nodes = readNodeIdField(reader, FIELD.SUCCESSION);
  if (nodes === undefined) reader.fail("succession list is missing");
  return nodes ?? [];
}

/** Appends a clustering message. */
export function encodeClustering(message: ClusteringMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.CLUSTERING);
  writer.u32(FIELD.VERSION, message.protocolVersion);
  writer.u32(FIELD.TYPE, KINDS.indexOf(message.kind));
  writer.u64Text(FIELD.TIMESTAMP, message.timestamp);
  if ("sequenceNumber" in message) writer.u64Text(FIELD.SEQUENCE, message.sequenceNumber);
  if ("clusterKey" in message) writer.u64(FIELD.CLUSTER_KEY, message.clusterKey);
  if ("principal" in message) writer.u64Text(FIELD.PRINCIPAL, message.principal);
  if ("succession" in message) writeNodeIdField(writer, FIELD.SUCCESSION, message.succession);
  writer.end(message.unknown);
}
