/**
 * Fabric handshake (envelope type 0), the first message on each connection, and the exchange of service addresses
 * (type 8) that `peers-*` and `services` are answered from.
 *
 * | message | id | field | type |
 * | ------- | -- | ----- | ---- |
 * | handshake | 0 | connecting node | uint64 |
 * | | 5 | channel: 0 RW, 1 CTRL, 2 BULK, 3 META | uint32 |
 * | | 0x7a02 | incarnation, of an aerie node | uint64 |
 * | info | 0 | operation: 0 update, 1 ack, 2 request | uint32 |
 * | | 1 | generation of the sender's addresses | uint32 |
 * | | 2 … 7 | address lists, `host:port` joined by `,` | string |
 * | | 8 | TLS name | string |
 *
 * Source: clustering reference, sections 6.2, 6.3, 18.3; the recording for the ids 2 and 4 of info. Which lists the ids
 * 3 and 5 to 8 hold is not recorded; their names here are an inference from the order of the others.
 *
 * @module
 */

import type { ByteBuffer } from "../base/mod.ts";
import {
  PEER_INCARNATION_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import type { NodeId, U64Text } from "./peer_ids.ts";

/** Channels of fabric. */
export const FABRIC_CHANNEL = { RW: 0, CTRL: 1, BULK: 2, META: 3 } as const;

/** Number of channels. */
export const FABRIC_CHANNEL_COUNT = 4;

const HANDSHAKE_FIELD = { NODE: 0, CHANNEL: 5 } as const;

/** Tells who connects, and for which channel. */
export interface FabricHandshake extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "handshake";
  /** The connecting node. */
  readonly source: NodeId;
  /** One of {@link FABRIC_CHANNEL}. */
  readonly channel: number;
  /** Random number of the sender's process, of an aerie node. */
  readonly incarnation?: U64Text;
}

/** Decodes a handshake from a reader that is opened on a message of type 0. */
export function decodeHandshake(reader: PeerReader): FabricHandshake | PeerFault {
  const source = reader.nodeId(HANDSHAKE_FIELD.NODE);
  const channel = reader.u32(HANDSHAKE_FIELD.CHANNEL);
  if (channel >= FABRIC_CHANNEL_COUNT) reader.fail(`channel ${channel}, expected 0 to 3`);
  const incarnation = reader.optionalU64Text(PEER_INCARNATION_FIELD);
  return reader.finish("fabric handshake", {
    type: "handshake" as const,
    source,
    channel,
    ...(incarnation === undefined ? {} : { incarnation }),
  });
}

/** Appends a handshake. */
export function encodeHandshake(message: FabricHandshake, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.HANDSHAKE);
  writer.u64Text(HANDSHAKE_FIELD.NODE, message.source);
  writer.u32(HANDSHAKE_FIELD.CHANNEL, message.channel);
  writer.u64Text(PEER_INCARNATION_FIELD, message.incarnation);
  writer.end(message.unknown);
}

const INFO_FIELD = { OPERATION: 0, GENERATION: 1 } as const;

/** Address lists of an info message and their field ids, in the order in which they are written. */
const INFO_TEXTS = [
  ["services", 2],
  ["servicesAlternate", 3],
  ["clearStandard", 4],
  ["tlsStandard", 5],
  ["clearAlternate", 6],
  ["tlsAlternate", 7],
  ["tlsName", 8],
] as const;

/** Names of the operations, by number. */
const INFO_KINDS = ["update", "ack", "request"] as const;

/** The lists of service addresses; a list that is empty is absent. */
export interface PeerServiceAddresses {
  /** Addresses in the form of the old `services` command. */
  readonly services?: string;
  /** Alternate addresses in that form. */
  readonly servicesAlternate?: string;
  /** Addresses without TLS. */
  readonly clearStandard?: string;
  /** Addresses with TLS. */
  readonly tlsStandard?: string;
  /** Alternate addresses without TLS. */
  readonly clearAlternate?: string;
  /** Alternate addresses with TLS. */
  readonly tlsAlternate?: string;
  /** Name in the node's certificate. */
  readonly tlsName?: string;
}

/** Tells a peer where clients reach the sender, asks for the same, or acknowledges. */
export interface PeerInfoMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "info";
  /** What the message is. */
  readonly kind: "update" | "ack" | "request";
  /** Generation of the addresses: of an ack, the one that it acknowledges. */
  readonly generation?: number;
  /** Addresses of an update or a request. */
  readonly addresses: PeerServiceAddresses;
}

/** Decodes an info message from a reader that is opened on a message of type 8. */
export function decodePeerInfo(reader: PeerReader): PeerInfoMessage | PeerFault {
  const operation = reader.u32(INFO_FIELD.OPERATION);
  const kind = INFO_KINDS[operation];
  if (kind === undefined) return { fault: `peer info: operation ${operation}, expected 0, 1 or 2` };
  const generation = reader.optionalU32(INFO_FIELD.GENERATION);
  const addresses: { -readonly [Name in keyof PeerServiceAddresses]: PeerServiceAddresses[Name] } = {};
  for (const [name, id] of INFO_TEXTS) {
    const text = reader.optionalText(id);
    if (text !== undefined) addresses[name] = text;
  }
  return reader.finish("peer info", {
    type: "info" as const,
    kind,
    ...(generation === undefined ? {} : { generation }),
    addresses,
  });
}

/** Appends an info message. */
export function encodePeerInfo(message: PeerInfoMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.INFO);
  writer.u32(INFO_FIELD.OPERATION, INFO_KINDS.indexOf(message.kind));
  writer.u32(INFO_FIELD.GENERATION, message.generation);
  for (const [name, id] of INFO_TEXTS) writer.text(id, message.addresses[name]);
  writer.end(message.unknown);
}
