/**
 * Evidence about a peer's process (envelope type 122, channel CTRL): what a member's connections say. Only between aerie
 * nodes that have told the capability; no stock node uses the type.
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | the node that it is about | uint64 |
 * | 1 | the incarnation that it is about | uint64 |
 * | 2 | evidence: 0 unknown, 1 reachable, 2 refused, 3 restarted | uint32 |
 * | 3 | 1 when the receiver's evidence is asked for | uint32 |
 *
 * Source: docs/cluster.md.
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
import type { NodeId, U64Text } from "./peer_ids.ts";

const FIELD = { SUSPECT: 0, INCARNATION: 1, EVIDENCE: 2, ASKS: 3 } as const;

/** Names of the evidences, by number. */
const EVIDENCES = ["unknown", "reachable", "refused", "restarted"] as const;

/** What a member says about another's process. */
export interface EvidenceMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "evidence";
  /** The node that it is about. */
  readonly suspect: NodeId;
  /** The process that it is about. */
  readonly incarnation: U64Text;
  /** What the sender's connections say. */
  readonly evidence: (typeof EVIDENCES)[number];
  /** The receiver is to tell its own. */
  readonly asks: boolean;
}

/** Decodes from a reader that is opened on a message of type 122. */
export function decodeEvidence(reader: PeerReader): EvidenceMessage | PeerFault {
  const suspect = reader.nodeId(FIELD.SUSPECT);
  const incarnation = reader.u64Text(FIELD.INCARNATION);
  const number = reader.u32(FIELD.EVIDENCE);
  const evidence = EVIDENCES[number];
  if (evidence === undefined) return { fault: `evidence ${number}, expected 0 to 3` };
  const asks = reader.optionalU32(FIELD.ASKS) === 1;
  return reader.finish("evidence", { type: "evidence" as const, suspect, incarnation, evidence, asks });
}

/** Appends an evidence message. */
export function encodeEvidence(message: EvidenceMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.EVIDENCE);
  writer.u64Text(FIELD.SUSPECT, message.suspect);
  writer.u64Text(FIELD.INCARNATION, message.incarnation);
  writer.u32(FIELD.EVIDENCE, EVIDENCES.indexOf(message.evidence));
  writer.u32(FIELD.ASKS, message.asks ? 1 : undefined);
  writer.end(message.unknown);
}
