/**
 * Heartbeat messages, protocol v3 (envelope type 5).
 *
 * | id | field | type | in |
 * | -- | ----- | ---- | -- |
 * | 0 | protocol id 0x6864 | uint32 | all |
 * | 1 | message type: 0 pulse, 1 info request, 2 info reply | uint32 | all |
 * | 2 | source node | uint64 | all |
 * | 3 | cluster name | string | pulse |
 * | 4 | hybrid time of sending | uint64 | all |
 * | 5 | endpoints of the heartbeat service | buffer | all, mesh only |
 * | 6 | zlib stream of a whole message, its header included | buffer | alone |
 * | 7 | wanted node ids | buffer | info request |
 * | 8 | (node id, endpoint list) … | buffer | info reply |
 * | 9 | endpoints of the fabric service | buffer | pulse |
 * | 10 | adjacency: node ids that the sender hears, without itself | buffer | pulse |
 * | 11 | clustering payload | buffer | pulse |
 * | 12 | wall clock in ms | uint64 | pulse |
 * | 0x7a01 | capability word | uint32 | pulse of an aerie node |
 * | 0x7a02 | incarnation | uint64 | pulse of an aerie node |
 *
 * Clustering payload, all little-endian: protocol version (4), cluster key (8), sequence number (8), preferred principal
 * (8), number of members (4), members (8 each). Fields are written in the order of their ids.
 * Source: clustering reference, sections 5.3 to 5.6; docs/format/peer.md.
 *
 * @module
 */

import {
  type ByteBuffer,
  HEARTBEAT_SIZE_MAX,
  PEER_NODE_COUNT_MAX,
  readU32LE,
  writeU32LE,
} from "../base/mod.ts";
import {
  appendEndpointList,
  type PeerEndpoint,
  readEndpointField,
  readEndpointList,
  writeEndpointField,
} from "./peer_endpoints.ts";
import {
  PEER_CAPABILITY_FIELD,
  PEER_FIELD,
  PEER_INCARNATION_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import {
  CLUSTER_KEY_MAX,
  type HybridTime,
  type NodeId,
  readSafeU64LE,
  readU64TextLE,
  type U64Text,
  writeSafeU64LE,
  writeU64TextLE,
} from "./peer_ids.ts";
import {
  appendNodeIds,
  NODE_ID_SIZE,
  readNodeIdField,
  readNodeIds,
  writeNodeIdField,
} from "./peer_node_list.ts";

/** Protocol id of heartbeat v3. */
export const HEARTBEAT_PROTOCOL_ID = 0x6864;

/** Message types inside the envelope. */
export const HEARTBEAT_TYPE = { PULSE: 0, INFO_REQUEST: 1, INFO_REPLY: 2 } as const;

/** Names of the message types, by number. */
const KINDS = ["pulse", "info-request", "info-reply"] as const;

const FIELD = {
  PROTOCOL: 0,
  TYPE: 1,
  SOURCE: 2,
  CLUSTER_NAME: 3,
  TIMESTAMP: 4,
  ENDPOINTS: 5,
  COMPRESSED: 6,
  INFO_REQUEST: 7,
  INFO_REPLY: 8,
  FABRIC: 9,
  ADJACENCY: 10,
  CLUSTERING: 11,
  PHYSICAL_TIME: 12,
} as const;

const CLUSTERING_HEADER_SIZE = 32;

/** What a pulse says about its sender's cluster. */
export interface ClusteringPayload {
  /** {@link CLUSTERING_PROTOCOL_VERSION} of 8.1.2; other versions are not understood. */
  readonly protocolVersion: number;
  /** Cluster key; 0 of an orphan. */
  readonly clusterKey: number;
  /** Sequence number of the membership round; zero of an orphan. */
  readonly sequenceNumber: HybridTime;
  /** Principal that the sender would rather have; zero when it is content. */
  readonly preferredPrincipal: U64Text;
  /** Members, largest id first; empty of an orphan. */
  readonly succession: readonly NodeId[];
}

/** What every heartbeat message has. */
export interface HeartbeatCommon extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "heartbeat";
  /** Sender. */
  readonly source: NodeId;
  /** Sender's hybrid clock. */
  readonly timestamp: HybridTime;
  /** Where the sender's heartbeat service is; absent in multicast. */
  readonly endpoints?: readonly PeerEndpoint[];
}

/** Sent each interval to all. */
export interface HeartbeatPulse extends HeartbeatCommon {
  /** What the message is. */
  readonly kind: "pulse";
  /** Empty when none is configured. */
  readonly clusterName: string;
  /** Where the sender's fabric service is. */
  readonly fabricEndpoints?: readonly PeerEndpoint[];
  /** Nodes that the sender hears, without itself. */
  readonly adjacency?: readonly NodeId[];
  /** The sender's cluster. */
  readonly clustering?: ClusteringPayload;
  /** Sender's wall clock, ms since 1970. */
  readonly physicalTimeMs?: number;
  /** Capability word of an aerie node. */
  readonly capabilities?: number;
  /** Random number of the sender's process, of an aerie node. */
  readonly incarnation?: U64Text;
}

/** Asks for the endpoints of nodes that the sender knows by id alone. */
export interface HeartbeatInfoRequest extends HeartbeatCommon {
  /** What the message is. */
  readonly kind: "info-request";
  /** The nodes. */
  readonly nodes: readonly NodeId[];
}

/** Answers such a request. */
export interface HeartbeatInfoReply extends HeartbeatCommon {
  /** What the message is. */
  readonly kind: "info-reply";
  /** Nodes and their endpoints; those that the sender doesn't know are left out. */
  readonly nodes: readonly { readonly node: NodeId; readonly endpoints: readonly PeerEndpoint[] }[];
}

/** A heartbeat message. */
export type HeartbeatMessage = HeartbeatPulse | HeartbeatInfoRequest | HeartbeatInfoReply;

/**
 * Expands a zlib stream to at most `sizeMaxBytes`; undefined when it is damaged or larger. The platform's inflate.
 */
export type PeerInflate = (source: Uint8Array, sizeMaxBytes: number) => Uint8Array | undefined;

/**
 * Decodes a heartbeat message, compressed or not.
 *
 * @param reader opened on a message of type 5; when it is compressed, it is left open on the message inside
 * @param inflate expands compressed messages
 */
export function decodeHeartbeat(reader: PeerReader, inflate: PeerInflate): HeartbeatMessage | PeerFault {
  if (reader.find(FIELD.COMPRESSED, PEER_FIELD.BUFFER)) {
    const stream = reader.bytes.subarray(reader.valueAt, reader.valueAt + reader.valueSize);
    const inner = inflate(stream, HEARTBEAT_SIZE_MAX);
    if (inner === undefined) return { fault: "heartbeat: the compressed message is damaged or above 10 MiB" };
    if (!reader.open(inner, 0, inner.length)) return { fault: `heartbeat, compressed: ${reader.fault}` };
    if (reader.messageType !== PEER_MESSAGE.HEARTBEAT || reader.find(FIELD.COMPRESSED, PEER_FIELD.BUFFER)) {
      return { fault: "heartbeat: the compressed message is not a plain heartbeat message" };
    }
  }
  return decodePlain(reader);
}

function decodePlain(reader: PeerReader): HeartbeatMessage | PeerFault {
  const protocol = reader.u32(FIELD.PROTOCOL);
  if (protocol !== HEARTBEAT_PROTOCOL_ID) reader.fail(`protocol id ${protocol}, expected 0x6864`);
  const kind = KINDS[reader.u32(FIELD.TYPE)];
  const source = reader.nodeId(FIELD.SOURCE);
  const timestamp = reader.u64Text(FIELD.TIMESTAMP);
  const endpoints = readEndpointField(reader, FIELD.ENDPOINTS);
  const common: Omit<HeartbeatCommon, "unknown"> = {
    type: "heartbeat",
    source,
    timestamp,
    ...(endpoints === undefined ? {} : { endpoints }),
  };
  switch (kind) {
    case "pulse":
      return reader.finish("pulse", { ...common, kind, ...readPulse(reader) });
    case "info-request":
      return reader.finish(kind, { ...common, kind, nodes: readWanted(reader) });
    case "info-reply":
      return reader.finish(kind, { ...common, kind, nodes: readInfoReply(reader) });
    default:
      return { fault: "heartbeat: message type is none of 0 pulse, 1 info request, 2 info reply" };
  }
}

type PulseOnly = Omit<HeartbeatPulse, keyof HeartbeatCommon | "kind">;

function readPulse(reader: PeerReader): PulseOnly {
  const clusterName = reader.optionalText(FIELD.CLUSTER_NAME);
  if (clusterName === undefined) reader.fail("cluster name is missing");
  const fabricEndpoints = readEndpointField(reader, FIELD.FABRIC);
  const adjacency = readNodeIdField(reader, FIELD.ADJACENCY);
  const clustering = readClusteringPayload(reader);
  const physicalTimeMs = reader.optionalU64(FIELD.PHYSICAL_TIME);
  const capabilities = reader.optionalU32(PEER_CAPABILITY_FIELD);
  const incarnation = reader.optionalU64Text(PEER_INCARNATION_FIELD);
  return {
    clusterName: clusterName ?? "",
    ...(fabricEndpoints === undefined ? {} : { fabricEndpoints }),
    ...(adjacency === undefined ? {} : { adjacency }),
    ...(clustering === undefined ? {} : { clustering }),
    ...(physicalTimeMs === undefined ? {} : { physicalTimeMs }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(incarnation === undefined ? {} : { incarnation }),
  };
}

function readWanted(reader: PeerReader): NodeId[] {
  const nodes = readNodeIdField(reader, FIELD.INFO_REQUEST);
  if (nodes === undefined) reader.fail("list of wanted nodes is missing");
  return nodes ?? [];
}

function readClusteringPayload(reader: PeerReader): ClusteringPayload | undefined {
  if (!reader.find(FIELD.CLUSTERING, PEER_FIELD.BUFFER)) return undefined;
  const { bytes, valueAt: at, valueSize } = reader;
  if (valueSize < CLUSTERING_HEADER_SIZE) {
    reader.fail(`clustering payload has ${valueSize} bytes, expected at least ${CLUSTERING_HEADER_SIZE}`);
    return undefined;
  }
  const clusterKey = readSafeU64LE(bytes, at + 4);
  if (clusterKey < 0 || clusterKey > CLUSTER_KEY_MAX) reader.fail("cluster key has more than 48 bits");
  const listSize = valueSize - CLUSTERING_HEADER_SIZE;
  const succession = readNodeIds(bytes, at + CLUSTERING_HEADER_SIZE, listSize);
  if (succession === undefined || readU32LE(bytes, at + 28) * NODE_ID_SIZE !== listSize) {
    reader.fail(`succession list of ${readU32LE(bytes, at + 28)} nodes has ${listSize} bytes`);
    return undefined;
  }
  return {
    protocolVersion: readU32LE(bytes, at),
    clusterKey,
    sequenceNumber: readU64TextLE(bytes, at + 12),
    preferredPrincipal: readU64TextLE(bytes, at + 20),
    succession,
  };
}

function readInfoReply(reader: PeerReader): { node: NodeId; endpoints: PeerEndpoint[] }[] {
  const items: { node: NodeId; endpoints: PeerEndpoint[] }[] = [];
  if (!reader.find(FIELD.INFO_REPLY, PEER_FIELD.BUFFER)) {
    reader.fail("list of nodes and endpoints is missing");
    return items;
  }
  const end = reader.valueAt + reader.valueSize;
  for (let at = reader.valueAt; at < end;) {
    const read = end - at < NODE_ID_SIZE ? undefined : readEndpointList(reader.bytes, at + NODE_ID_SIZE, end);
    if (read === undefined || items.length === PEER_NODE_COUNT_MAX) {
      reader.fail("list of nodes and endpoints is cut short, or longer than 256 nodes");
      break;
    }
    items.push({ node: readU64TextLE(reader.bytes, at), endpoints: read.endpoints });
    at = read.next;
  }
  return items;
}

/**
 * Appends a heartbeat message.
 *
 * @throws {RangeError} when an endpoint is no IP address
 */
export function encodeHeartbeat(message: HeartbeatMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.HEARTBEAT);
  writer.u32(FIELD.PROTOCOL, HEARTBEAT_PROTOCOL_ID);
  writer.u32(FIELD.TYPE, KINDS.indexOf(message.kind));
  writer.u64Text(FIELD.SOURCE, message.source);
  if (message.kind === "pulse") writer.text(FIELD.CLUSTER_NAME, message.clusterName);
  writer.u64Text(FIELD.TIMESTAMP, message.timestamp);
  writeEndpointField(writer, FIELD.ENDPOINTS, message.endpoints);
  if (message.kind === "pulse") {
    writePulse(writer, message);
  } else if (message.kind === "info-request") {
    writeNodeIdField(writer, FIELD.INFO_REQUEST, message.nodes);
  } else {
    writeInfoReply(writer, message);
  }
  writer.end(message.unknown);
}

function writePulse(writer: PeerWriter, pulse: HeartbeatPulse): void {
  writeEndpointField(writer, FIELD.FABRIC, pulse.fabricEndpoints);
  writeNodeIdField(writer, FIELD.ADJACENCY, pulse.adjacency);
  if (pulse.clustering !== undefined) writeClusteringPayload(writer, pulse.clustering);
  writer.u64(FIELD.PHYSICAL_TIME, pulse.physicalTimeMs);
  writer.u32(PEER_CAPABILITY_FIELD, pulse.capabilities);
  writer.u64Text(PEER_INCARNATION_FIELD, pulse.incarnation);
}

function writeClusteringPayload(writer: PeerWriter, payload: ClusteringPayload): void {
  const { out } = writer;
  writer.beginValue(FIELD.CLUSTERING, PEER_FIELD.BUFFER);
  const at = out.reserve(CLUSTERING_HEADER_SIZE);
  writeU32LE(out.bytes, at, payload.protocolVersion);
  writeSafeU64LE(out.bytes, at + 4, payload.clusterKey);
  writeU64TextLE(out.bytes, at + 12, payload.sequenceNumber);
  writeU64TextLE(out.bytes, at + 20, payload.preferredPrincipal);
  writeU32LE(out.bytes, at + 28, payload.succession.length);
  out.length = at + CLUSTERING_HEADER_SIZE;
  appendNodeIds(out, payload.succession);
  writer.endValue();
}

function writeInfoReply(writer: PeerWriter, reply: HeartbeatInfoReply): void {
  writer.beginValue(FIELD.INFO_REPLY, PEER_FIELD.BUFFER);
  for (const item of reply.nodes) {
    appendNodeIds(writer.out, [item.node]);
    appendEndpointList(writer.out, item.endpoints);
  }
  writer.endValue();
}

/**
 * Appends a heartbeat message that carries another one compressed.
 *
 * @param inner a whole message as {@link encodeHeartbeat} wrote it
 * @param options the platform's deflate, and where the result goes
 */
export function encodeCompressedHeartbeat(
  inner: Uint8Array,
  options: { deflate: (source: Uint8Array) => Uint8Array; out: ByteBuffer },
): void {
  const writer = new PeerWriter(options.out);
  writer.begin(PEER_MESSAGE.HEARTBEAT);
  writer.buffer(FIELD.COMPRESSED, options.deflate(inner));
  writer.end();
}
