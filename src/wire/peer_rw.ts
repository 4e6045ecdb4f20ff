/**
 * Messages about single records between master and replicas (envelope type 7, channel RW): replica writes, duplicate
 * resolution, pings.
 *
 * | id | field | type |
 * | -- | ----- | ---- |
 * | 0 | operation | uint32 |
 * | 1 | result code | uint32 |
 * | 2 | namespace name | buffer |
 * | 3 | sender's namespace index | uint32 |
 * | 4 | generation | uint32 |
 * | 5 | digest | buffer, 20 bytes |
 * | 6 | record, flat format; its digest is inside | buffer |
 * | 7 | original record | buffer |
 * | 10 | transaction id | uint32 |
 * | 12 | info bits; 0x2: no ack wanted, 0x200: unreplicated | uint32 |
 * | 16 | LUT | uint64 |
 * | 19 | regime | uint32 |
 * | 0x7a04 | cluster key that the sender is in, between aerie nodes | uint64 |
 *
 * Numbers are written first, by id, then buffers by id. A message is decoded into an object that is used again for the
 * next one, so that a replica write allocates nothing. Source: clustering reference, sections 14.5 to 14.8.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../base/mod.ts";
import {
  PEER_CLUSTER_KEY_FIELD,
  PEER_FIELD,
  PEER_MESSAGE,
  type PeerExtra,
  type PeerField,
  type PeerReader,
  type PeerWriter,
} from "./peer_envelope.ts";

/** Operations of rw messages. */
export const RW_OPERATION = {
  WRITE_ACK: 2,
  DUPLICATE: 3,
  DUPLICATE_ACK: 4,
  REPLICATION_CONFIRM: 5,
  PING: 6,
  PING_ACK: 7,
  WRITE: 8,
} as const;

/** Bits of the info field. */
export const RW_INFO = {
  NO_ACK: 0x02,
  UNREPLICATED: 0x200,
} as const;

const OPERATION_MIN = RW_OPERATION.WRITE_ACK;
const OPERATION_MAX = RW_OPERATION.WRITE;

const FIELD = {
  OPERATION: 0,
  RESULT: 1,
  NAMESPACE: 2,
  NAMESPACE_INDEX: 3,
  GENERATION: 4,
  DIGEST: 5,
  RECORD: 6,
  ORIGINAL_RECORD: 7,
  TRANSACTION: 10,
  INFO: 12,
  LUT: 16,
  REGIME: 19,
  CLUSTER_KEY: PEER_CLUSTER_KEY_FIELD,
} as const;

const NO_BYTES = new Uint8Array(0);

/** A range of bytes that may be absent; filled again and again. */
export class ByteSpan {
  /** The buffer. */
  bytes: Uint8Array = NO_BYTES;
  /** First byte; -1 when the range is absent. */
  at = -1;
  /** Offset after the last byte. */
  end = -1;

  /** Whether there is a range. */
  get isPresent(): boolean {
    return this.at >= 0;
  }

  /** Bytes in the range; 0 when it is absent. */
  get sizeBytes(): number {
    return this.end - this.at;
  }

  /** Names a range; the buffer is kept by reference. */
  set(bytes: Uint8Array, at = 0, end: number = bytes.length): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Makes it absent. */
  clear(): void {
    this.set(NO_BYTES, -1, -1);
  }

  /** The range as a view; empty when it is absent. */
  view(): Uint8Array {
    return this.at < 0 ? NO_BYTES : this.bytes.subarray(this.at, this.end);
  }
}

/**
 * One rw message. Decode into it as often as needed; spans point into the received bytes and are valid as long as those.
 * To send one, `reset` it, fill what the operation needs, and encode.
 */
export class RwMessage implements PeerExtra {
  /** Tells it from other peer messages. */
  readonly type = "rw";
  /** One of {@link RW_OPERATION}. */
  operation = 0;
  /** Result code of an ack. */
  resultCode: number | undefined;
  /** Index of the namespace at the sender. */
  namespaceIndex: number | undefined;
  /** Generation of the sender's copy in duplicate resolution. */
  generation: number | undefined;
  /** Number by which the sender finds the request when the ack comes. */
  transactionId: number | undefined;
  /** Bits of {@link RW_INFO}. */
  info: number | undefined;
  /** LUT of the sender's copy, ms since 2010. */
  lutMs: number | undefined;
  /** Regime (strong consistency). */
  regime: number | undefined;
  /** Cluster key that the sender is in, below 2^48; absent of stock nodes. */
  clusterKey: number | undefined;
  /** Namespace name. */
  readonly namespace: ByteSpan = new ByteSpan();
  /** Digest, 20 bytes; absent when there is a record. */
  readonly digest: ByteSpan = new ByteSpan();
  /** Flat record. */
  readonly record: ByteSpan = new ByteSpan();
  /** Original flat record of a transaction. */
  readonly originalRecord: ByteSpan = new ByteSpan();
  /** Fields that the codec does not know. */
  unknown: readonly PeerField[] = [];

  /** Forgets everything. */
  reset(): void {
    this.operation = 0;
    this.resultCode = undefined;
    this.namespaceIndex = undefined;
    this.generation = undefined;
    this.transactionId = undefined;
    this.info = undefined;
    this.lutMs = undefined;
    this.regime = undefined;
    this.clusterKey = undefined;
    this.namespace.clear();
    this.digest.clear();
    this.record.clear();
    this.originalRecord.clear();
    this.unknown = [];
  }

  /**
   * Decodes a message.
   *
   * @param reader opened on a message of type 7
   * @returns false when the message is malformed; `reader.fault` says why
   */
  decode(reader: PeerReader): boolean {
    this.operation = reader.u32(FIELD.OPERATION);
    if (this.operation < OPERATION_MIN || this.operation > OPERATION_MAX) {
      reader.fail(`rw operation ${this.operation}, expected 2 to 8`);
    }
    this.resultCode = reader.optionalU32(FIELD.RESULT);
    this.namespaceIndex = reader.optionalU32(FIELD.NAMESPACE_INDEX);
    this.generation = reader.optionalU32(FIELD.GENERATION);
    this.transactionId = reader.optionalU32(FIELD.TRANSACTION);
    this.info = reader.optionalU32(FIELD.INFO);
    this.lutMs = reader.optionalU64(FIELD.LUT);
    this.regime = reader.optionalU32(FIELD.REGIME);
    this.clusterKey = reader.optionalClusterKey(FIELD.CLUSTER_KEY);
    readSpan(reader, FIELD.NAMESPACE, this.namespace);
    readSpan(reader, FIELD.DIGEST, this.digest);
    readSpan(reader, FIELD.RECORD, this.record);
    readSpan(reader, FIELD.ORIGINAL_RECORD, this.originalRecord);
    this.unknown = reader.unknownFields() ?? NO_FIELDS;
    if (this.digest.isPresent && this.digest.sizeBytes !== DIGEST_SIZE_BYTES) {
      reader.fail(`rw digest has ${this.digest.sizeBytes} bytes, expected ${DIGEST_SIZE_BYTES}`);
    }
    return reader.fault === "";
  }

  /** Appends the message. */
  encode(writer: PeerWriter): void {
    writer.begin(PEER_MESSAGE.RW);
    writer.u32(FIELD.OPERATION, this.operation);
    writer.u32(FIELD.RESULT, this.resultCode);
    writer.u32(FIELD.NAMESPACE_INDEX, this.namespaceIndex);
    writer.u32(FIELD.GENERATION, this.generation);
    writer.u32(FIELD.TRANSACTION, this.transactionId);
    writer.u32(FIELD.INFO, this.info);
    writer.u64(FIELD.LUT, this.lutMs);
    writer.u32(FIELD.REGIME, this.regime);
    writer.u64(FIELD.CLUSTER_KEY, this.clusterKey);
    if (this.namespace.isPresent) writer.range(FIELD.NAMESPACE, this.namespace);
    if (this.digest.isPresent) writer.range(FIELD.DIGEST, this.digest);
    if (this.record.isPresent) writer.range(FIELD.RECORD, this.record);
    if (this.originalRecord.isPresent) writer.range(FIELD.ORIGINAL_RECORD, this.originalRecord);
    writer.end(this.unknown);
  }
}

const NO_FIELDS: readonly PeerField[] = [];

function readSpan(reader: PeerReader, id: number, span: ByteSpan): void {
  if (reader.find(id, PEER_FIELD.BUFFER)) {
    span.set(reader.bytes, reader.valueAt, reader.valueAt + reader.valueSize);
  } else {
    span.clear();
  }
}
