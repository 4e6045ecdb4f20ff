/**
 * Messages of the cluster-wide metadata (SMD; envelope type 15, channel META).
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | transaction id | uint64 |
 * | 1 | version | uint32 |
 * | 2 | cluster key | uint64 |
 * | 3 | operation, 0 … 10 | uint32 |
 * | 4 | module, 0 … 7 | uint32 |
 * | 10 | timestamps of a full list | array of uint64, big-endian |
 * | 13 | versions of all modules: module, committed cluster key, transaction id, one after the other | msgpack list |
 * | 15, 16 | keys and values of a full list; nil is a deleted value | msgpack lists of byte strings |
 * | 17 | generations of a full list | msgpack list of integers |
 * | 18, 19 | key and value of one item; no value means deleted | string |
 * | 20, 21 | generation and timestamp of one item | uint32, uint64 |
 * | 22 | cluster key of the last committed change | uint64 |
 *
 * Numbers are written first, by id, then the others by id. Full lists (10, 15 to 17) were not recorded: the byte order of
 * 10 and nil for a deleted value are inferences. Source: clustering reference, section 17; the recording.
 *
 * @module
 */

import { type ByteBuffer, readU32, SMD_ITEM_COUNT_MAX, utf8, utf8Decode, writeU64 } from "../base/mod.ts";
import {
  PEER_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";
import { CLUSTER_KEY_MAX, readSafeU64 } from "./peer_ids.ts";
import { readBlobList, readUintList, writeBlobList, writeUintList } from "./peer_msgpack.ts";

/** Modules of SMD, by number. */
export const SMD_MODULE = {
  EVICT: 0,
  ROSTER: 1,
  SECURITY: 2,
  SINDEX: 3,
  TRUNCATE: 4,
  UDF: 5,
  XDR: 6,
  MASKING: 7,
} as const;

/** Modules that a list of versions may name; more than stock nodes have, fewer than a message could hold. */
const MODULE_COUNT_MAX = 64;

const FIELD = {
  TRANSACTION: 0,
  VERSION: 1,
  CLUSTER_KEY: 2,
  OPERATION: 3,
  MODULE: 4,
  TIMESTAMPS: 10,
  VERSIONS: 13,
  KEYS: 15,
  VALUES: 16,
  GENERATIONS: 17,
  KEY: 18,
  VALUE: 19,
  GENERATION: 20,
  TIMESTAMP: 21,
  COMMITTED_KEY: 22,
} as const;

/** What an SMD message does; the operation's number is the place in this list. */
export type SmdKind =
  | "set-to-principal"
  | "report-all-versions"
  | "report-version"
  | "full-to-principal"
  | "ack-to-principal"
  | "set-from-principal"
  | "request-version"
  | "full-from-principal"
  | "request-full"
  | "set-ack"
  | "set-nack";

/** Names of the operations, by number. */
const KINDS: readonly SmdKind[] = [
  "set-to-principal",
  "report-all-versions",
  "report-version",
  "full-to-principal",
  "ack-to-principal",
  "set-from-principal",
  "request-version",
  "full-from-principal",
  "request-full",
  "set-ack",
  "set-nack",
];

/** One item of a module. */
export interface SmdItem {
  /** Key. */
  readonly key: string;
  /** Value; null when the item was deleted. */
  readonly value: string | null;
  /** How often the item was set; absent in a request to set it. */
  readonly generation?: number;
  /** When it was set last, ms since 2010; absent in a request to set it. */
  readonly timestampMs?: number;
}

/** The last committed change of a module. */
export interface SmdModuleVersion {
  /** One of {@link SMD_MODULE}. */
  readonly module: number;
  /** Cluster in which it was committed; 0 when there was none. */
  readonly clusterKey: number;
  /** Its number in that cluster. */
  readonly transactionId: number;
}

/** An SMD message. Which properties it has follows from its kind. */
export interface SmdMessage extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "smd";
  /** What the message is. */
  readonly kind: SmdKind;
  /** Number of the change. */
  readonly transactionId?: number;
  /** Field 1, which was not recorded. */
  readonly version?: number;
  /** The cluster that the message belongs to. */
  readonly clusterKey?: number;
  /** One of {@link SMD_MODULE}. */
  readonly module?: number;
  /** The item that is set. */
  readonly item?: SmdItem;
  /** All items of the module. */
  readonly items?: readonly SmdItem[];
  /** Versions of all modules. */
  readonly versions?: readonly SmdModuleVersion[];
  /** Cluster key of the last committed change. */
  readonly committedClusterKey?: number;
}

type Draft = { -readonly [Name in keyof SmdMessage]: SmdMessage[Name] };

/** Decodes an SMD message from a reader that is opened on a message of type 15. */
export function decodeSmd(reader: PeerReader): SmdMessage | PeerFault {
  const operation = reader.u32(FIELD.OPERATION);
  const kind = KINDS[operation];
  if (kind === undefined) return { fault: `smd: operation ${operation}, expected 0 to 10` };
  const draft: Draft = { type: "smd", kind };
  set(draft, "transactionId", reader.optionalU64(FIELD.TRANSACTION));
  set(draft, "version", reader.optionalU32(FIELD.VERSION));
  set(draft, "clusterKey", reader.optionalClusterKey(FIELD.CLUSTER_KEY));
  set(draft, "module", reader.optionalU32(FIELD.MODULE));
  set(draft, "item", readItem(reader));
  set(draft, "items", readItems(reader));
  set(draft, "versions", readVersions(reader));
  set(draft, "committedClusterKey", reader.optionalClusterKey(FIELD.COMMITTED_KEY));
  return reader.finish(`smd ${kind}`, draft);
}

function set<Name extends keyof Draft>(draft: Draft, name: Name, value: Draft[Name] | undefined): void {
  if (value !== undefined) draft[name] = value as Draft[Name];
}

function readItem(reader: PeerReader): SmdItem | undefined {
  const key = reader.optionalText(FIELD.KEY);
  if (key === undefined) return undefined;
  const value = reader.optionalText(FIELD.VALUE);
  const generation = reader.optionalU32(FIELD.GENERATION);
  const timestampMs = reader.optionalU64(FIELD.TIMESTAMP);
  return {
    key,
    value: value ?? null,
    ...(generation === undefined ? {} : { generation }),
    ...(timestampMs === undefined ? {} : { timestampMs }),
  };
}

function readItems(reader: PeerReader): SmdItem[] | undefined {
  const keys = readBlobList(reader, FIELD.KEYS, SMD_ITEM_COUNT_MAX);
  if (keys === undefined) return undefined;
  const values = readBlobList(reader, FIELD.VALUES, SMD_ITEM_COUNT_MAX);
  const generations = readUintList(reader, FIELD.GENERATIONS, SMD_ITEM_COUNT_MAX);
  const timestamps = readTimestamps(reader);
  const counts = [keys, values, generations, timestamps].map((list) => list?.length);
  if (counts.some((count) => count !== keys.length)) {
    reader.fail(`lists of keys, values, generations and timestamps have ${counts.join(", ")} values`);
    return undefined;
  }
  return keys.map((key, index) => {
    const value = values![index];
    if (generations![index] > 0xffff_ffff) reader.fail("a generation is above 32 bits");
    return {
      key: key === null ? "" : utf8Decode(key),
      value: value === null ? null : utf8Decode(value),
      generation: generations![index],
      timestampMs: timestamps![index],
    };
  });
}

function readTimestamps(reader: PeerReader): number[] | undefined {
  if (!reader.find(FIELD.TIMESTAMPS, PEER_FIELD.UINT64_ARRAY)) return undefined;
  const { bytes, valueAt, valueSize } = reader;
  if (valueSize % 8 !== 0 || valueSize > SMD_ITEM_COUNT_MAX * 8) {
    reader.fail(`list of timestamps has ${valueSize} bytes`);
    return undefined;
  }
  const timestamps: number[] = [];
  for (let at = valueAt; at < valueAt + valueSize; at += 8) {
    if (readU32(bytes, at) > 0x1f_ffff) reader.fail("a timestamp is 2^53 or more");
    timestamps.push(readSafeU64(bytes, at));
  }
  return timestamps;
}

function readVersions(reader: PeerReader): SmdModuleVersion[] | undefined {
  const values = readUintList(reader, FIELD.VERSIONS, MODULE_COUNT_MAX * 3);
  if (values === undefined) return undefined;
  if (values.length % 3 !== 0) {
    reader.fail(`list of versions has ${values.length} values, expected 3 per module`);
  }
  const versions: SmdModuleVersion[] = [];
  for (let at = 0; at + 2 < values.length; at += 3) {
    if (values[at + 1] > CLUSTER_KEY_MAX) reader.fail("a committed cluster key has more than 48 bits");
    versions.push({ module: values[at], clusterKey: values[at + 1], transactionId: values[at + 2] });
  }
  return versions;
}

/** Appends an SMD message. */
export function encodeSmd(message: SmdMessage, out: ByteBuffer): void {
  const { item, items } = message;
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.SMD);
  writer.u64(FIELD.TRANSACTION, message.transactionId);
  writer.u32(FIELD.VERSION, message.version);
  writer.u64(FIELD.CLUSTER_KEY, message.clusterKey);
  writer.u32(FIELD.OPERATION, KINDS.indexOf(message.kind));
  writer.u32(FIELD.MODULE, message.module);
  writer.u32(FIELD.GENERATION, item?.generation);
  writer.u64(FIELD.TIMESTAMP, item?.timestampMs);
  writer.u64(FIELD.COMMITTED_KEY, message.committedClusterKey);
  if (items !== undefined) writeTimestamps(writer, items);
  writeUintList(
    writer,
    FIELD.VERSIONS,
    message.versions?.flatMap((each) => [each.module, each.clusterKey, each.transactionId]),
  );
  writeBlobList(writer, FIELD.KEYS, items?.map((each) => utf8(each.key)));
  writeBlobList(writer, FIELD.VALUES, items?.map((each) => each.value === null ? null : utf8(each.value)));
  writeUintList(writer, FIELD.GENERATIONS, items?.map((each) => each.generation ?? 0));
  writer.text(FIELD.KEY, item?.key);
  writer.text(FIELD.VALUE, item?.value ?? undefined);
  writer.end(message.unknown);
}

function writeTimestamps(writer: PeerWriter, items: readonly SmdItem[]): void {
  const { out } = writer;
  writer.beginValue(FIELD.TIMESTAMPS, PEER_FIELD.UINT64_ARRAY);
  let at = out.reserve(items.length * 8);
  for (const item of items) {
    writeU64(out.bytes, at, item.timestampMs ?? 0);
    at += 8;
  }
  out.length = at;
  writer.endValue();
}
