/**
 * Migration messages (envelope type 3): control on channel CTRL, records on BULK.
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | operation | uint32 |
 * | 2 | emigration id, per sender | uint32 |
 * | 3 | namespace name | buffer |
 * | 4 | partition | uint32 |
 * | 7 | record, flat format | buffer |
 * | 8 | cluster key | uint64 |
 * | 9 | original record | buffer |
 * | 13 | info bits; 4: unreplicated; 0x100: aerie's, see below | uint32 |
 * | 20 | features; bit 0: meta merge | uint32 |
 * | 22 | meta records | buffer |
 * | 23, 24 | meta sequence number, final flag | uint32 |
 * | 25 | records in the source's tree | uint64 |
 * | 29 | insert id | uint64 |
 *
 * Numbers are written first, by id, then buffers by id. Source: clustering reference, section 12.2.
 *
 * @module
 */

import { type ByteBuffer, PARTITION_COUNT, utf8, utf8Decode } from "../base/mod.ts";
import {
  PEER_MESSAGE,
  type PeerExtra,
  type PeerFault,
  type PeerReader,
  PeerWriter,
} from "./peer_envelope.ts";

/** Feature bit of start and its ack: the receiver may send meta records first. */
export const MIGRATE_FEATURE_META_MERGE = 0x01;

/** Info bit of an insert, between aerie nodes: the record is to be removed, if it is still what the meta record says. */
export const MIGRATE_INFO_REMOVE = 0x100;

/** Info bit of an insert: the record has not reached all its replicas. */
export const MIGRATE_INFO_UNREPLICATED = 0x04;

const FIELD = {
  OPERATION: 0,
  EMIGRATION: 2,
  NAMESPACE: 3,
  PARTITION: 4,
  RECORD: 7,
  CLUSTER_KEY: 8,
  ORIGINAL_RECORD: 9,
  INFO: 13,
  FEATURES: 20,
  META_RECORDS: 22,
  META_SEQUENCE: 23,
  META_FINAL: 24,
  RECORD_COUNT: 25,
  INSERT: 29,
} as const;

const OPERATION = {
  "insert-ack": 2,
  "start": 3,
  "start-ok": 4,
  "start-again": 5,
  "start-fail": 6,
  "insert": 7,
  "done": 8,
  "done-ack": 9,
  "meta": 11,
  "meta-ack": 12,
  "all-done": 13,
  "all-done-ack": 14,
} as const;

/** What a migration message does. */
export type MigrateKind = keyof typeof OPERATION;

const KINDS = new Map<number, MigrateKind>(
  (Object.entries(OPERATION) as [MigrateKind, number][]).map(([kind, operation]) => [operation, kind]),
);

/** What every migration message has. */
export interface MigrateCommon extends PeerExtra {
  /** Tells it from other peer messages. */
  readonly type: "migrate";
  /** The emigration, numbered by its source. */
  readonly emigrationId: number;
}

/** Asks to take a partition, or tells a witness that its migrations are over. */
export interface MigratePartition extends MigrateCommon {
  /** What the message is. */
  readonly kind: "start" | "all-done";
  /** Namespace name. */
  readonly namespace: string;
  /** Partition, 0 to 4095. */
  readonly partition: number;
  /** The cluster that the migration belongs to. */
  readonly clusterKey: number;
  /** Feature bits of a start. */
  readonly features?: number;
  /** Records that the source of a start has. */
  readonly recordCount?: number;
}

/** Answers a start, or begins or answers the end. */
export interface MigrateSignal extends MigrateCommon {
  /** What the message is. */
  readonly kind: "start-ok" | "start-again" | "start-fail" | "done" | "done-ack" | "all-done-ack";
  /** Feature bits that the receiver of a start agrees to. */
  readonly features?: number;
}

/** Brings one record. */
export interface MigrateInsert extends MigrateCommon {
  /** What the message is. */
  readonly kind: "insert";
  /** Number of the insert, for its ack. */
  readonly insertId: number;
  /** Flat record, or the meta record of one to be removed; after decoding a view into the received bytes. */
  readonly record: Uint8Array;
  /** Original flat record of a transaction; a view as well. */
  readonly originalRecord?: Uint8Array;
  /** Info bits. */
  readonly info?: number;
}

/** Says that a record has been taken, or that the receiver's is as good. */
export interface MigrateInsertAck extends MigrateCommon {
  /** What the message is. */
  readonly kind: "insert-ack";
  /** Number of the insert. */
  readonly insertId: number;
}

/** Tells what the receiver has already; the content of the batch is not this codec's. */
export interface MigrateMeta extends MigrateCommon {
  /** What the message is. */
  readonly kind: "meta" | "meta-ack";
  /** Batch of meta records; after decoding a view into the received bytes. */
  readonly metaRecords?: Uint8Array;
  /** Number of the batch. */
  readonly sequence?: number;
  /** Not 0 when it is the last batch. */
  readonly finalFlag?: number;
}

/** A migration message. */
export type MigrateMessage =
  | MigratePartition
  | MigrateSignal
  | MigrateInsert
  | MigrateInsertAck
  | MigrateMeta;

/** Decodes a migration message from a reader that is opened on a message of type 3. */
export function decodeMigrate(reader: PeerReader): MigrateMessage | PeerFault {
  const operation = reader.u32(FIELD.OPERATION);
  const kind = KINDS.get(operation);
  if (kind === undefined) return { fault: `migrate: operation ${operation} is not known` };
  const type = "migrate" as const;
  const emigrationId = reader.u32(FIELD.EMIGRATION);
  switch (kind) {
    case "insert":
      return decodeInsert(reader, emigrationId);
    case "insert-ack":
      return reader.finish(kind, { type, kind, emigrationId, insertId: reader.u64(FIELD.INSERT) });
    case "start":
    case "all-done":
      return decodePartition(reader, { kind, emigrationId });
    case "meta":
    case "meta-ack":
      return decodeMeta(reader, { kind, emigrationId });
    default: {
      const features = reader.optionalU32(FIELD.FEATURES);
      return reader.finish(kind, {
        type,
        kind,
        emigrationId,
        ...(features === undefined ? {} : { features }),
      });
    }
  }
}

function decodeInsert(reader: PeerReader, emigrationId: number): MigrateInsert | PeerFault {
  const insertId = reader.u64(FIELD.INSERT);
  const record = reader.optionalView(FIELD.RECORD);
  const originalRecord = reader.optionalView(FIELD.ORIGINAL_RECORD);
  const info = reader.optionalU32(FIELD.INFO);
  if (record === undefined) return { fault: "insert: the record is missing" };
  return reader.finish("insert", {
    type: "migrate" as const,
    kind: "insert" as const,
    emigrationId,
    insertId,
    record,
    ...(originalRecord === undefined ? {} : { originalRecord }),
    ...(info === undefined ? {} : { info }),
  });
}

function decodePartition(
  reader: PeerReader,
  head: { kind: MigratePartition["kind"]; emigrationId: number },
): MigratePartition | PeerFault {
  const namespace = reader.optionalView(FIELD.NAMESPACE);
  if (namespace === undefined) reader.fail("the namespace is missing");
  const partition = reader.u32(FIELD.PARTITION);
  if (partition >= PARTITION_COUNT) reader.fail(`partition ${partition}, expected 0 to 4095`);
  const clusterKey = reader.clusterKey(FIELD.CLUSTER_KEY);
  const features = reader.optionalU32(FIELD.FEATURES);
  const recordCount = reader.optionalU64(FIELD.RECORD_COUNT);
  return reader.finish(head.kind, {
    type: "migrate" as const,
    ...head,
    namespace: namespace === undefined ? "" : utf8Decode(namespace),
    partition,
    clusterKey,
    ...(features === undefined ? {} : { features }),
    ...(recordCount === undefined ? {} : { recordCount }),
  });
}

function decodeMeta(
  reader: PeerReader,
  head: { kind: MigrateMeta["kind"]; emigrationId: number },
): MigrateMeta | PeerFault {
  const metaRecords = reader.optionalView(FIELD.META_RECORDS);
  const sequence = reader.optionalU32(FIELD.META_SEQUENCE);
  const finalFlag = reader.optionalU32(FIELD.META_FINAL);
  return reader.finish(head.kind, {
    type: "migrate" as const,
    ...head,
    ...(metaRecords === undefined ? {} : { metaRecords }),
    ...(sequence === undefined ? {} : { sequence }),
    ...(finalFlag === undefined ? {} : { finalFlag }),
  });
}

/** Appends a migration message. */
export function encodeMigrate(message: MigrateMessage, out: ByteBuffer): void {
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.MIGRATE);
  writer.u32(FIELD.OPERATION, OPERATION[message.kind]);
  writer.u32(FIELD.EMIGRATION, message.emigrationId);
  switch (message.kind) {
    case "insert":
      writer.u32(FIELD.INFO, message.info);
      writer.u64(FIELD.INSERT, message.insertId);
      writer.buffer(FIELD.RECORD, message.record);
      writer.buffer(FIELD.ORIGINAL_RECORD, message.originalRecord);
      break;
    case "insert-ack":
      writer.u64(FIELD.INSERT, message.insertId);
      break;
    case "start":
    case "all-done":
      writer.u32(FIELD.PARTITION, message.partition);
      writer.u64(FIELD.CLUSTER_KEY, message.clusterKey);
      writer.u32(FIELD.FEATURES, message.features);
      writer.u64(FIELD.RECORD_COUNT, message.recordCount);
      writer.buffer(FIELD.NAMESPACE, utf8(message.namespace));
      break;
    case "meta":
    case "meta-ack":
      writer.u32(FIELD.META_SEQUENCE, message.sequence);
      writer.u32(FIELD.META_FINAL, message.finalFlag);
      writer.buffer(FIELD.META_RECORDS, message.metaRecords);
      break;
    default:
      writer.u32(FIELD.FEATURES, message.features);
  }
  writer.end(message.unknown);
}
