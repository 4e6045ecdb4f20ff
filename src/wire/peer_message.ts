/**
 * Any peer message: the envelope's type chooses the codec; a type that has none (appeal, and what comes later) is kept as
 * fields. Hot paths open a reader themselves and decode into an {@link RwMessage} that they keep.
 *
 * @module
 */

import type { ByteBuffer } from "../base/mod.ts";
import { type ClusteringMessage, decodeClustering, encodeClustering } from "./peer_clustering.ts";
import {
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerField,
  PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import { decodeRecluster, encodeRecluster, type ReclusterMessage } from "./peer_recluster.ts";
import { decodeEvidence, encodeEvidence, type EvidenceMessage } from "./peer_evidence.ts";
import { decodeExchange, encodeExchange, type ExchangeMessage } from "./peer_exchange.ts";
import {
  decodeHandshake,
  decodePeerInfo,
  encodeHandshake,
  encodePeerInfo,
  type FabricHandshake,
  type PeerInfoMessage,
} from "./peer_fabric.ts";
import {
  decodeHeartbeat,
  encodeHeartbeat,
  type HeartbeatMessage,
  type PeerInflate,
} from "./peer_heartbeat.ts";
import { decodeMigrate, encodeMigrate, type MigrateMessage } from "./peer_migrate.ts";
import { decodeProxy, encodeProxy, type ProxyMessage } from "./peer_proxy.ts";
import { RwMessage } from "./peer_rw.ts";
import { decodeSmd, encodeSmd, type SmdMessage } from "./peer_smd.ts";

/** A message of a type that has no codec. */
export interface GenericPeerMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "generic";
  /** Message type of the envelope. */
  readonly messageType: number;
  /** All its fields. */
  readonly unknown: readonly PeerField[];
}

/** Any peer message; `type` tells which. */
export type PeerMessage =
  | FabricHandshake
  | MigrateMessage
  | ProxyMessage
  | HeartbeatMessage
  | ClusteringMessage
  | RwMessage
  | PeerInfoMessage
  | ExchangeMessage
  | SmdMessage
  | EvidenceMessage
  | ReclusterMessage
  | GenericPeerMessage;

/**
 * Decodes the message that `reader` is opened on.
 *
 * @param inflate expands compressed heartbeats
 */
export function decodePeerMessage(reader: PeerReader, inflate: PeerInflate): PeerMessage | PeerFault {
  switch (reader.messageType) {
    case PEER_MESSAGE.HANDSHAKE:
      return decodeHandshake(reader);
    case PEER_MESSAGE.MIGRATE:
      return decodeMigrate(reader);
    case PEER_MESSAGE.PROXY:
      return decodeProxy(reader);
    case PEER_MESSAGE.HEARTBEAT:
      return decodeHeartbeat(reader, inflate);
    case PEER_MESSAGE.CLUSTERING:
      return decodeClustering(reader);
    case PEER_MESSAGE.RW: {
      const message = new RwMessage();
      return message.decode(reader) ? message : { fault: `rw: ${reader.fault}` };
    }
    case PEER_MESSAGE.INFO:
      return decodePeerInfo(reader);
    case PEER_MESSAGE.EXCHANGE:
      return decodeExchange(reader);
    case PEER_MESSAGE.SMD:
      return decodeSmd(reader);
    case PEER_MESSAGE.EVIDENCE:
      return decodeEvidence(reader);
    case PEER_MESSAGE.RECLUSTER:
      return decodeRecluster(reader);
    default:
      return { type: "generic", messageType: reader.messageType, unknown: reader.unknownFields() ?? [] };
  }
}

/**
 * Decodes one whole message.
 *
 * @param bytes exactly one message with its header
 * @param inflate expands compressed heartbeats
 */
export function decodePeerBytes(bytes: Uint8Array, inflate: PeerInflate): PeerMessage | PeerFault {
  const reader = new PeerReader();
  return reader.open(bytes, 0, bytes.length) ? decodePeerMessage(reader, inflate) : { fault: reader.fault };
}

/**
 * Appends any peer message.
 *
 * @throws {RangeError} when an endpoint is no IP address, or there are more than 255
 */
export function encodePeerMessage(message: PeerMessage, out: ByteBuffer): void {
  switch (message.type) {
    case "handshake":
      return encodeHandshake(message, out);
    case "migrate":
      return encodeMigrate(message, out);
    case "proxy":
      return encodeProxy(message, out);
    case "heartbeat":
      return encodeHeartbeat(message, out);
    case "clustering":
      return encodeClustering(message, out);
    case "rw":
      return message.encode(new PeerWriter(out));
    case "info":
      return encodePeerInfo(message, out);
    case "exchange":
      return encodeExchange(message, out);
    case "smd":
      return encodeSmd(message, out);
    case "evidence":
      return encodeEvidence(message, out);
    case "recluster":
      return encodeRecluster(message, out);
    case "generic": {
      const writer = new PeerWriter(out);
      writer.begin(message.messageType);
      return writer.end(message.unknown);
    }
  }
}
