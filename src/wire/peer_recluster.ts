/**
 * A member's wish for an exchange of what all have (envelope type 123, channel CTRL), sent to the principal: its copies
 * are worth less than it told. Only between aerie nodes; no stock node uses the type.
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | key of the cluster in which it was told | uint64 |
 *
 * Source: docs/format/device.md, "When a device fails".
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
import type { U64Text } from "./peer_ids.ts";

const FIELD = { CLUSTER_KEY: 0 } as const;

/** A wish for a new exchange. */
export interface ReclusterMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "recluster";
  /** Cluster that is to be formed anew. */
  readonly clusterKey: U64Text;
}

/** Decodes from a reader that is opened on a message of type 123. */
export function decodeRecluster(reader: PeerReader): ReclusterMessage | PeerFault {
  const clusterKey = reader.u64Text(FIELD.CLUSTER_KEY);
  return reader.finish("recluster", { type: "recluster" as const, clusterKey });
}

/** Appends a wish. */
export function encodeRecluster(message: ReclusterMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.RECLUSTER);
  writer.u64Text(FIELD.CLUSTER_KEY, message.clusterKey);
  writer.end(message.unknown);
}
