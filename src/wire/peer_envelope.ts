/**
 * The frame that heartbeat and fabric share, read in place and written.
 *
 * | offset | bytes | field |
 * | ------ | ----- | ----- |
 * | 0 | 4 | body size, big-endian: bytes after this header |
 * | 4 | 2 | message type, big-endian |
 * | 6 | … | fields |
 *
 * A field: id (2, big-endian), type (1), then 4 bytes of a uint32, or 8 of a uint64, both big-endian, or for any other
 * type a big-endian length (4) and as many bytes. The first field of an id counts; one of another type than expected
 * counts as absent. Fields that no codec took are kept and written again after the known ones.
 * Source: clustering reference, section 3; docs/format/peer.md.
 *
 * @module
 */

import {
  type ByteBuffer,
  PEER_FIELD_COUNT_MAX,
  readU16,
  readU32,
  utf8Decode,
  writeU16,
  writeU32,
  writeU64,
} from "../base/mod.ts";
import {
  CLUSTER_KEY_MAX,
  readSafeU64,
  readU64Text,
  U64_ZERO,
  type U64Text,
  writeU64Text,
} from "./peer_ids.ts";

/** Bytes of the header before the fields. */
export const PEER_HEADER_SIZE = 6;

/** Message types of heartbeat and fabric. */
export const PEER_MESSAGE = {
  HANDSHAKE: 0,
  MIGRATE: 3,
  PROXY: 4,
  HEARTBEAT: 5,
  CLUSTERING: 6,
  RW: 7,
  INFO: 8,
  EXCHANGE: 9,
  APPEAL: 10,
  SMD: 15,
  /** Of aerie nodes alone. */
  EVIDENCE: 122,
  /** Of aerie nodes alone. */
  RECLUSTER: 123,
} as const;

/** Types of fields. */
export const PEER_FIELD = {
  UINT32: 1,
  UINT64: 3,
  STRING: 5,
  BUFFER: 6,
  UINT32_ARRAY: 7,
  UINT64_ARRAY: 8,
  BUFFER_ARRAY: 9,
  STRING_ARRAY: 10,
  MSGPACK: 11,
} as const;

/** Field id of the capability word in pulses and exchange data; stock nodes skip it. */
export const PEER_CAPABILITY_FIELD = 0x7a01;

/** Field id of the sender's incarnation in pulses, handshakes and exchange data; stock nodes skip it. */
export const PEER_INCARNATION_FIELD = 0x7a02;

/** Field id of the sender's cluster key in rw messages; stock nodes skip it. */
export const PEER_CLUSTER_KEY_FIELD = 0x7a04;

/** Field id of where copies come from, in exchange data; stock nodes skip it. */
export const PEER_LINEAGES_FIELD = 0x7a05;

/** Field id of truncation marks, in exchange data; stock nodes skip it. */
export const PEER_TRUNCATIONS_FIELD = 0x7a06;

/** Why some bytes are not a message; the text is for the log. */
export interface PeerFault {
  /** What was read, what was found and what was expected. */
  readonly fault: string;
}

/** A field whose meaning nobody here knows. */
export interface PeerField {
  /** Field id, 0 to 65,535. */
  readonly id: number;
  /** One of {@link PEER_FIELD}, or a number that 8.1.2 does not use. */
  readonly type: number;
  /** The value as it is on the wire, without its length; a copy. */
  readonly bytes: Uint8Array;
}

/** What every decoded message has. */
export interface PeerExtra {
  /** Fields that the codec does not know; written after the others. Absent when there are none. */
  readonly unknown?: readonly PeerField[];
}

/** Whether a decoder refused. */
export function isPeerFault(result: object): result is PeerFault {
  return "fault" in result;
}

/**
 * Where the message at `at` ends.
 *
 * @param bytes received bytes, valid up to `limits.end`
 * @param limits end of what was received, and the largest body that is taken
 * @returns the offset after the message, 0 when more bytes are needed, -1 when the announced size is above the limit
 */
export function peerFrameEnd(
  bytes: Uint8Array,
  at: number,
  limits: { end: number; bodySizeMaxBytes: number },
): number {
  if (limits.end - at < PEER_HEADER_SIZE) return 0;
  const sizeBytes = readU32(bytes, at);
  if (sizeBytes > limits.bodySizeMaxBytes) return -1;
  const end = at + PEER_HEADER_SIZE + sizeBytes;
  return end > limits.end ? 0 : end;
}

/** Message type of the frame at `at`. */
export function peerMessageType(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 4);
}

/**
 * A view of one message. Made once per connection and opened again for each message, so that reading allocates nothing.
 * The first thing that is wrong is kept in `fault`; readers go on with zeros, and the codec asks once at the end.
 */
export class PeerReader {
  /** The buffer that holds the message. */
  bytes: Uint8Array = new Uint8Array(0);
  /** End of the message. */
  end = 0;
  /** Message type, one of {@link PEER_MESSAGE}. */
  messageType = 0;
  /** What is wrong; empty while nothing is. */
  fault = "";
  /** Offset of the value that {@link PeerReader.find} found last. */
  valueAt = 0;
  /** Bytes of that value. */
  valueSize = 0;
  #fieldCount = 0;
  #taken = 0;
  readonly #ids = new Uint16Array(PEER_FIELD_COUNT_MAX);
  readonly #types = new Uint8Array(PEER_FIELD_COUNT_MAX);
  readonly #ats = new Uint32Array(PEER_FIELD_COUNT_MAX);
  readonly #sizes = new Uint32Array(PEER_FIELD_COUNT_MAX);
  readonly #isTaken = new Uint8Array(PEER_FIELD_COUNT_MAX);

  /**
   * Finds the fields of a message.
   *
   * @param bytes buffer, kept by reference
   * @param at offset of the header
   * @param end end of the message, as {@link peerFrameEnd} told
   * @returns false when the message is malformed; `fault` says why
   */
  open(bytes: Uint8Array, at: number, end: number): boolean {
    this.bytes = bytes;
    this.end = end;
    this.fault = "";
    this.#fieldCount = 0;
    this.#taken = 0;
    this.messageType = 0;
    if (end > bytes.length || end - at < PEER_HEADER_SIZE) return this.#refuse("peer message is cut short");
    if (readU32(bytes, at) !== end - at - PEER_HEADER_SIZE) {
      return this.#refuse(`peer message announces ${readU32(bytes, at)} bytes and has ${end - at - 6}`);
    }
    this.messageType = readU16(bytes, at + 4);
    let fieldAt = at + PEER_HEADER_SIZE;
    while (fieldAt < end) {
      fieldAt = this.#scanField(fieldAt);
      if (fieldAt < 0) return false;
    }
    return true;
  }

  #refuse(fault: string): false {
    this.fail(fault);
    return false;
  }

  #scanField(at: number): number {
    const { bytes, end } = this;
    const index = this.#fieldCount;
    if (index === PEER_FIELD_COUNT_MAX) {
      this.fail(`peer message has more than ${PEER_FIELD_COUNT_MAX} fields`);
      return -1;
    }
    if (end - at < 3) {
      this.fail("peer message ends inside a field's header");
      return -1;
    }
    const type = bytes[at + 2];
    const isFixed = type === PEER_FIELD.UINT32 || type === PEER_FIELD.UINT64;
    const valueAt = isFixed ? at + 3 : at + 7;
    if (valueAt > end) {
      this.fail("peer message ends inside a field's header");
      return -1;
    }
    const size = isFixed ? (type === PEER_FIELD.UINT32 ? 4 : 8) : readU32(bytes, at + 3);
    if (size > end - valueAt) {
      this.fail(`field ${readU16(bytes, at)} announces ${size} bytes, ${end - valueAt} are left`);
      return -1;
    }
    this.#ids[index] = readU16(bytes, at);
    this.#types[index] = type;
    this.#ats[index] = valueAt;
    this.#sizes[index] = size;
    this.#isTaken[index] = 0;
    this.#fieldCount = index + 1;
    return valueAt + size;
  }

  /** Keeps the first thing that is wrong. */
  fail(fault: string): void {
    if (this.fault === "") this.fault = fault;
  }

  /** Number of fields. */
  get fieldCount(): number {
    return this.#fieldCount;
  }

  /**
   * Looks for a field and takes it: it is not among the unknown ones any more.
   *
   * @returns whether it is there with this type; then `valueAt` and `valueSize` say where
   */
  find(id: number, type: number): boolean {
    for (let index = 0; index < this.#fieldCount; index++) {
      if (this.#ids[index] !== id) continue;
      if (this.#types[index] !== type) return false;
      if (this.#isTaken[index] === 0) {
        this.#isTaken[index] = 1;
        this.#taken++;
      }
      this.valueAt = this.#ats[index];
      this.valueSize = this.#sizes[index];
      return true;
    }
    return false;
  }

  /** A uint32 that may be absent. */
  optionalU32(id: number): number | undefined {
    return this.find(id, PEER_FIELD.UINT32) ? readU32(this.bytes, this.valueAt) : undefined;
  }

  /** A uint32 that must be there. */
  u32(id: number): number {
    return this.optionalU32(id) ?? this.#missing(id, 0);
  }

  /** A uint64 below 2^53 that may be absent. */
  optionalU64(id: number): number | undefined {
    if (!this.find(id, PEER_FIELD.UINT64)) return undefined;
    const value = readSafeU64(this.bytes, this.valueAt);
    if (value < 0) this.fail(`field ${id} is 2^53 or more`);
    return value < 0 ? 0 : value;
  }

  /** A uint64 below 2^53 that must be there. */
  u64(id: number): number {
    return this.optionalU64(id) ?? this.#missing(id, 0);
  }

  /** A cluster key that may be absent. */
  optionalClusterKey(id: number): number | undefined {
    const key = this.optionalU64(id);
    if (key !== undefined && key > CLUSTER_KEY_MAX) {
      this.fail(`field ${id}: a cluster key has at most 48 bits`);
    }
    return key;
  }

  /** A cluster key that must be there. */
  clusterKey(id: number): number {
    return this.optionalClusterKey(id) ?? this.#missing(id, 0);
  }

  /** A uint64 of any size that may be absent. */
  optionalU64Text(id: number): U64Text | undefined {
    return this.find(id, PEER_FIELD.UINT64) ? readU64Text(this.bytes, this.valueAt) : undefined;
  }

  /** A uint64 of any size that must be there. */
  u64Text(id: number): U64Text {
    return this.optionalU64Text(id) ?? this.#missing(id, U64_ZERO);
  }

  /** A node id that must be there and not be zero. */
  nodeId(id: number): U64Text {
    const value = this.u64Text(id);
    if (value === U64_ZERO) this.fail(`field ${id}: a node id is not zero`);
    return value;
  }

  /** A text with its terminating zero, which may be absent. */
  optionalText(id: number): string | undefined {
    if (!this.find(id, PEER_FIELD.STRING)) return undefined;
    const textEnd = this.valueAt + this.valueSize - 1;
    if (this.valueSize === 0 || this.bytes.indexOf(0, this.valueAt) !== textEnd) {
      this.fail(`field ${id}: a text ends with its only zero byte`);
      return "";
    }
    return utf8Decode(this.bytes.subarray(this.valueAt, textEnd));
  }

  /** A buffer as a view into the message, which may be absent. */
  optionalView(id: number): Uint8Array | undefined {
    if (!this.find(id, PEER_FIELD.BUFFER)) return undefined;
    return this.bytes.subarray(this.valueAt, this.valueAt + this.valueSize);
  }

  #missing<Value>(id: number, stand: Value): Value {
    this.fail(`field ${id} is missing or has another type`);
    return stand;
  }

  /** Copies of the fields that were not taken; undefined when there are none. */
  unknownFields(): PeerField[] | undefined {
    if (this.#taken === this.#fieldCount) return undefined;
    const fields: PeerField[] = [];
    for (let index = 0; index < this.#fieldCount; index++) {
      if (this.#isTaken[index] !== 0) continue;
      const at = this.#ats[index];
      const bytes = this.bytes.slice(at, at + this.#sizes[index]);
      fields.push({ id: this.#ids[index], type: this.#types[index], bytes });
    }
    return fields;
  }

  /**
   * Ends a decoder: its message with the unknown fields, or what was wrong.
   *
   * @param name what was read, for the fault's text
   * @param message what was decoded; used only when nothing was wrong
   */
  finish<Message extends object>(name: string, message: Message): (Message & PeerExtra) | PeerFault {
    if (this.fault !== "") return { fault: `${name}: ${this.fault}` };
    const unknown = this.unknownFields();
    return unknown === undefined ? message : { ...message, unknown };
  }
}

/** Appends one message to a buffer. Numbers of absent fields are `undefined` and write nothing. */
export class PeerWriter {
  /** Where the message goes. */
  readonly out: ByteBuffer;
  #startAt = 0;
  #lengthAt = 0;

  /**
   * Writes to a buffer.
   *
   * @param out buffer that is appended to; the caller owns it
   */
  constructor(out: ByteBuffer) {
    this.out = out;
  }

  /** Starts a message. */
  begin(messageType: number): void {
    const at = this.out.reserve(PEER_HEADER_SIZE);
    this.#startAt = at;
    writeU32(this.out.bytes, at, 0);
    writeU16(this.out.bytes, at + 4, messageType);
    this.out.length = at + PEER_HEADER_SIZE;
  }

  /** Ends the message: unknown fields are written, then its size. */
  end(unknown?: readonly PeerField[]): void {
    if (unknown !== undefined) { for (const field of unknown) this.field(field); }
    writeU32(this.out.bytes, this.#startAt, this.out.length - this.#startAt - PEER_HEADER_SIZE);
  }

  #header(id: number, type: number, roomBytes: number): number {
    const { out } = this;
    const at = out.reserve(3 + roomBytes);
    writeU16(out.bytes, at, id);
    out.bytes[at + 2] = type;
    out.length = at + 3 + roomBytes;
    return at + 3;
  }

  /** Writes a uint32. */
  u32(id: number, value: number | undefined): void {
    if (value !== undefined) {
      const at = this.#header(id, PEER_FIELD.UINT32, 4);
      writeU32(this.out.bytes, at, value);
    }
  }

  /** Writes a uint64 that is a non-negative safe integer. */
  u64(id: number, value: number | undefined): void {
    if (value !== undefined) {
      const at = this.#header(id, PEER_FIELD.UINT64, 8);
      writeU64(this.out.bytes, at, value);
    }
  }

  /** Writes a uint64 of any size. */
  u64Text(id: number, value: U64Text | undefined): void {
    if (value !== undefined) {
      const at = this.#header(id, PEER_FIELD.UINT64, 8);
      writeU64Text(this.out.bytes, at, value);
    }
  }

  /** Writes a text with a terminating zero. */
  text(id: number, value: string | undefined): void {
    if (value === undefined) return;
    this.beginValue(id, PEER_FIELD.STRING);
    this.out.appendText(value);
    this.out.appendU8(0);
    this.endValue();
  }

  /** Writes some bytes as a buffer. */
  buffer(id: number, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.range(id, { bytes, at: 0, end: bytes.length });
  }

  /** Writes a range of bytes as a buffer. */
  range(id: number, range: { bytes: Uint8Array; at: number; end: number }): void {
    const sizeBytes = range.end - range.at;
    const at = this.#header(id, PEER_FIELD.BUFFER, 4);
    writeU32(this.out.bytes, at, sizeBytes);
    this.out.append(range.bytes, range.at, range.end);
  }

  /** Writes a field as it was read. */
  field(field: PeerField): void {
    const isFixed = field.type === PEER_FIELD.UINT32 || field.type === PEER_FIELD.UINT64;
    const at = this.#header(field.id, field.type, isFixed ? 0 : 4);
    if (!isFixed) writeU32(this.out.bytes, at, field.bytes.length);
    this.out.append(field.bytes);
  }

  /** Starts a value whose length is not known yet; append to `out`, then call {@link PeerWriter.endValue}. */
  beginValue(id: number, type: number): void {
    this.#lengthAt = this.#header(id, type, 4);
  }

  /** Ends such a value. */
  endValue(): void {
    writeU32(this.out.bytes, this.#lengthAt, this.out.length - this.#lengthAt - 4);
  }
}
