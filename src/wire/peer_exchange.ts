/**
 * Exchange messages (envelope type 9, channel CTRL): what members tell each other after a change of the cluster.
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | protocol id, 1 | uint32 |
 * | 1 | message type: 0 data, 1 ack, 2 nack, 3 ready to commit, 4 commit | uint32 |
 * | 2 | cluster key | uint64 |
 * | 3 | namespace names | msgpack list of byte strings |
 * | 4 | partition versions, one blob per namespace | msgpack list of byte strings |
 * | 5 | rack ids | msgpack list of integers |
 * | 6 | roster generations | the same |
 * | 7 | rosters: 8 little-endian bytes per node | msgpack list of byte strings |
 * | 8 | roster rack ids: 4 little-endian bytes per node | the same |
 * | 9, 10 | eventual regimes, rebalance regimes | msgpack list of integers |
 * | 11 | rebalance flags: bit 0 uniform balance, bit 1 quiesced | the same |
 * | 12 | compatibility id, 15 | uint32 |
 * | 13 | replication factors | msgpack list of integers |
 * | 14, 15 | active racks, roster active racks | the same |
 * | 0x7a01 | capability word, of an aerie node | uint32 |
 * | 0x7a02 | incarnation, of an aerie node | uint64 |
 * | 0x7a05 | where copies come from, one blob per namespace, of an aerie node | msgpack list of byte strings |
 * | 0x7a06 | truncation marks, of an aerie node; `peer_truncation.ts` | msgpack list of byte strings |
 *
 * The n-th value of each list belongs to the n-th namespace. Lists of zeros may be left out. Numbers are written first
 * (0, 1, 2, 12), then lists by id, then the fields of an aerie node. Source: clustering reference, sections 9.4 to 9.6.
 *
 * @module
 */

import {
  type ByteBuffer,
  PEER_NAMESPACE_COUNT_MAX,
  PEER_NODE_COUNT_MAX,
  readU32LE,
  utf8,
  utf8Decode,
  writeU32LE,
} from "../base/mod.ts";
import {
  PEER_CAPABILITY_FIELD,
  PEER_INCARNATION_FIELD,
  PEER_LINEAGES_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import { type NodeId, type U64Text, writeU64TextLE } from "./peer_ids.ts";
import { readBlobList, readUintList, writeBlobList, writeUintList } from "./peer_msgpack.ts";
import { encodeLineages, type LineageGroup, readLineages } from "./peer_lineage.ts";
import { NODE_ID_SIZE, readNodeIds } from "./peer_node_list.ts";
import { readTruncations, type TruncationItem, writeTruncations } from "./peer_truncation.ts";
import {
  encodePartitionVersions,
  type PartitionVersionGroup,
  readPartitionVersions,
} from "./peer_partition_version.ts";

/** Protocol id of exchange messages. */
export const EXCHANGE_PROTOCOL_ID = 1;

/** Compatibility id of 8.1.2. */
export const EXCHANGE_COMPATIBILITY_ID = 15;

/** Bits of the rebalance flags. */
export const REBALANCE_FLAG = { UNIFORM: 0x01, QUIESCED: 0x02 } as const;

const FIELD = {
  PROTOCOL: 0,
  TYPE: 1,
  CLUSTER_KEY: 2,
  NAMESPACES: 3,
  VERSIONS: 4,
  RACK_IDS: 5,
  ROSTER_GENERATIONS: 6,
  ROSTERS: 7,
  ROSTER_RACK_IDS: 8,
  EVENTUAL_REGIMES: 9,
  REBALANCE_REGIMES: 10,
  REBALANCE_FLAGS: 11,
  COMPATIBILITY: 12,
  REPLICATION_FACTORS: 13,
  ACTIVE_RACKS: 14,
  ROSTER_ACTIVE_RACKS: 15,
} as const;

/** Names of the message types, by number. */
const KINDS = ["data", "ack", "nack", "ready-to-commit", "commit"] as const;

/** What a member says of one namespace. A property that is absent was in a list that was left out: zero or empty. */
export interface ExchangeNamespace {
  /** Name. */
  readonly name: string;
  /** Versions of the copies that the member has. */
  readonly versions: readonly PartitionVersionGroup[];
  /** Configured `rack-id`. */
  readonly rackId?: number;
  /** Generation of the member's roster (strong consistency). */
  readonly rosterGeneration?: number;
  /** The roster. */
  readonly roster?: readonly NodeId[];
  /** Rack of each node of the roster. */
  readonly rosterRackIds?: readonly number[];
  /** Regime that the next rebalance has. */
  readonly eventualRegime?: number;
  /** Regime of the last rebalance; 0 means no strong consistency. */
  readonly rebalanceRegime?: number;
  /** Bits of {@link REBALANCE_FLAG}. */
  readonly rebalanceFlags?: number;
  /** Configured replication factor. */
  readonly replicationFactor?: number;
  /** Configured active rack. */
  readonly activeRack?: number;
  /** Active rack of the roster. */
  readonly rosterActiveRack?: number;
  /** Where the copies come from; absent of a stock node. */
  readonly lineages?: readonly LineageGroup[];
}

/** Properties that are lists of integers, with their field ids. */
const UINT_LISTS = [
  ["rackId", FIELD.RACK_IDS],
  ["rosterGeneration", FIELD.ROSTER_GENERATIONS],
  ["eventualRegime", FIELD.EVENTUAL_REGIMES],
  ["rebalanceRegime", FIELD.REBALANCE_REGIMES],
  ["rebalanceFlags", FIELD.REBALANCE_FLAGS],
  ["replicationFactor", FIELD.REPLICATION_FACTORS],
  ["activeRack", FIELD.ACTIVE_RACKS],
  ["rosterActiveRack", FIELD.ROSTER_ACTIVE_RACKS],
] as const;

/** What a member has, sent to all members. */
export interface ExchangeData extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "exchange";
  /** What the message is. */
  readonly kind: "data";
  /** The cluster that the exchange belongs to. */
  readonly clusterKey: number;
  /** Sender's compatibility id; absent of releases before 4.5.1. */
  readonly compatibilityId?: number;
  /** Sender's namespaces in its own order. */
  readonly namespaces: readonly ExchangeNamespace[];
  /** Capability word of an aerie node. */
  readonly capabilities?: number;
  /** Random number of the sender's process, of an aerie node. */
  readonly incarnation?: U64Text;
  /** Truncations that the sender knows, undone ones included, of an aerie node. */
  readonly truncations?: readonly TruncationItem[];
}

/** The other messages, which carry the cluster key alone. */
export interface ExchangeSignal extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "exchange";
  /** What the message is. */
  readonly kind: "ack" | "nack" | "ready-to-commit" | "commit";
  /** The cluster that the exchange belongs to. */
  readonly clusterKey: number;
}

/** An exchange message. */
export type ExchangeMessage = ExchangeData | ExchangeSignal;

/** Decodes an exchange message from a reader that is opened on a message of type 9. */
export function decodeExchange(reader: PeerReader): ExchangeMessage | PeerFault {
  const protocol = reader.u32(FIELD.PROTOCOL);
  if (protocol !== EXCHANGE_PROTOCOL_ID) {
    reader.fail(`protocol id ${protocol}, expected ${EXCHANGE_PROTOCOL_ID}`);
  }
  const number = reader.u32(FIELD.TYPE);
  const kind = KINDS[number];
  const clusterKey = reader.clusterKey(FIELD.CLUSTER_KEY);
  if (kind === undefined) return { fault: `exchange: message type ${number}, expected 0 to 4` };
  if (kind !== "data") {
    return reader.finish(`exchange ${kind}`, { type: "exchange" as const, kind, clusterKey });
  }
  const compatibilityId = reader.optionalU32(FIELD.COMPATIBILITY);
  const namespaces = readNamespaces(reader);
  const capabilities = reader.optionalU32(PEER_CAPABILITY_FIELD);
  const incarnation = reader.optionalU64Text(PEER_INCARNATION_FIELD);
  const truncations = readTruncations(reader);
  return reader.finish("exchange data", {
    type: "exchange" as const,
    kind,
    clusterKey,
    ...(compatibilityId === undefined ? {} : { compatibilityId }),
    namespaces,
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(truncations === undefined ? {} : { truncations }),
  });
}

type Draft = { -readonly [Name in keyof ExchangeNamespace]: ExchangeNamespace[Name] };

function readNamespaces(reader: PeerReader): ExchangeNamespace[] {
  const names = readBlobList(reader, FIELD.NAMESPACES, PEER_NAMESPACE_COUNT_MAX);
  if (names === undefined) {
    reader.fail("list of namespaces is missing");
    return [];
  }
  const drafts: Draft[] = names.map((name) => ({
    name: utf8Decode(name ?? new Uint8Array(0)),
    versions: [],
  }));
  if (!readBlobs(reader, FIELD.VERSIONS, { drafts, take: takeVersions })) {
    reader.fail("partition versions are missing");
  }
  readBlobs(reader, FIELD.ROSTERS, { drafts, take: takeRoster });
  readBlobs(reader, FIELD.ROSTER_RACK_IDS, { drafts, take: takeRosterRackIds });
  readBlobs(reader, PEER_LINEAGES_FIELD, { drafts, take: takeLineages });
  for (const [name, id] of UINT_LISTS) {
    const values = readUintList(reader, id, PEER_NAMESPACE_COUNT_MAX);
    if (values === undefined) continue;
    checkCount(reader, id, { count: values.length, wanted: drafts.length });
    values.forEach((value, index) => {
      if (value > 0xffff_ffff) reader.fail(`field ${id} has a value above 32 bits`);
      if (index < drafts.length) drafts[index][name] = value;
    });
  }
  return drafts;
}

/** Reads a list with a blob per namespace; false when it is absent. */
function readBlobs(
  reader: PeerReader,
  id: number,
  options: { drafts: Draft[]; take: (draft: Draft, blob: Uint8Array) => boolean },
): boolean {
  const blobs = readBlobList(reader, id, PEER_NAMESPACE_COUNT_MAX);
  if (blobs === undefined) return false;
  const { drafts, take } = options;
  checkCount(reader, id, { count: blobs.length, wanted: drafts.length });
  for (let index = 0; index < Math.min(blobs.length, drafts.length); index++) {
    if (!take(drafts[index], blobs[index] ?? new Uint8Array(0))) {
      reader.fail(`field ${id}: the value of namespace "${drafts[index].name}" is malformed`);
    }
  }
  return true;
}

function checkCount(reader: PeerReader, id: number, counts: { count: number; wanted: number }): void {
  const { count, wanted } = counts;
  if (count !== wanted) reader.fail(`field ${id} has ${count} values for ${wanted} namespaces`);
}

function takeVersions(draft: Draft, blob: Uint8Array): boolean {
  const versions = readPartitionVersions(blob);
  draft.versions = versions ?? [];
  return versions !== undefined;
}

function takeLineages(draft: Draft, blob: Uint8Array): boolean {
  const lineages = readLineages(blob);
  draft.lineages = lineages ?? [];
  return lineages !== undefined;
}

function takeRoster(draft: Draft, blob: Uint8Array): boolean {
  const roster = readNodeIds(blob, 0, blob.length);
  draft.roster = roster ?? [];
  return roster !== undefined;
}

function takeRosterRackIds(draft: Draft, blob: Uint8Array): boolean {
  if (blob.length % 4 !== 0 || blob.length > PEER_NODE_COUNT_MAX * 4) return false;
  draft.rosterRackIds = Array.from({ length: blob.length / 4 }, (_, index) => readU32LE(blob, index * 4));
  return true;
}

/** Appends an exchange message. */
export function encodeExchange(message: ExchangeMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.EXCHANGE);
  writer.u32(FIELD.PROTOCOL, EXCHANGE_PROTOCOL_ID);
  writer.u32(FIELD.TYPE, KINDS.indexOf(message.kind));
  writer.u64(FIELD.CLUSTER_KEY, message.clusterKey);
  if (message.kind === "data") writeData(writer, message);
  writer.end(message.unknown);
}

function writeData(writer: PeerWriter, data: ExchangeData): void {
  const { namespaces } = data;
  writer.u32(FIELD.COMPATIBILITY, data.compatibilityId);
  writeBlobList(writer, FIELD.NAMESPACES, namespaces.map((namespace) => utf8(namespace.name)));
  writeBlobList(writer, FIELD.VERSIONS, namespaces.map((each) => encodePartitionVersions(each.versions)));
  for (let id: number = FIELD.RACK_IDS; id <= FIELD.ROSTER_ACTIVE_RACKS; id++) {
    if (id === FIELD.ROSTERS) {
      writeOptionalBlobs(writer, id, namespaces.map((each) => each.roster && rosterBlob(each.roster)));
    } else if (id === FIELD.ROSTER_RACK_IDS) {
      writeOptionalBlobs(
        writer,
        id,
        namespaces.map((each) => each.rosterRackIds && u32Blob(each.rosterRackIds)),
      );
    } else {
      writeUints(writer, id, namespaces);
    }
  }
  writer.u32(PEER_CAPABILITY_FIELD, data.capabilities);
  writer.u64Text(PEER_INCARNATION_FIELD, data.incarnation);
  if (namespaces.some((each) => each.lineages !== undefined)) {
    writeBlobList(writer, PEER_LINEAGES_FIELD, namespaces.map((each) => encodeLineages(each.lineages ?? [])));
  }
  if (data.truncations !== undefined) writeTruncations(writer, data.truncations);
}

/** Writes the list of integers with this id when a namespace has a value; the others get 0. */
function writeUints(writer: PeerWriter, id: number, namespaces: readonly ExchangeNamespace[]): void {
  const list = UINT_LISTS.find((entry) => entry[1] === id);
  if (list === undefined) return;
  const values = namespaces.map((namespace) => namespace[list[0]]);
  if (values.some((value) => value !== undefined)) {
    writeUintList(
      writer,
      id,
      values.map((value) => value ?? 0),
    );
  }
}

function writeOptionalBlobs(writer: PeerWriter, id: number, blobs: (Uint8Array | undefined)[]): void {
  if (blobs.every((blob) => blob === undefined)) return;
  writeBlobList(writer, id, blobs.map((blob) => blob ?? new Uint8Array(0)));
}

function rosterBlob(nodes: readonly NodeId[]): Uint8Array {
  const blob = new Uint8Array(nodes.length * NODE_ID_SIZE);
  nodes.forEach((node, index) => writeU64TextLE(blob, index * NODE_ID_SIZE, node));
  return blob;
}

function u32Blob(values: readonly number[]): Uint8Array {
  const blob = new Uint8Array(values.length * 4);
  values.forEach((value, index) => writeU32LE(blob, index * 4, value));
  return blob;
}
