/**
 * Record messages (proto type 3), decoded in place.
 *
 * | offset | bytes | field           |
 * | ------ | ----- | --------------- |
 * | 0      | 1     | header size, 22 |
 * | 1      | 4     | info1 … info4   |
 * | 5      | 1     | result code     |
 * | 6      | 4     | generation      |
 * | 10     | 4     | record TTL      |
 * | 14     | 4     | transaction TTL in ms |
 * | 18     | 2     | number of fields |
 * | 20     | 2     | number of operations |
 *
 * Fields follow (size u32 counting the type byte, type, payload), then operations (size u32, op, particle type, flags,
 * name length, name, value). Everything is big-endian. Source: wire-protocol reference, sections 2 to 4.
 *
 * @module
 */

import { readU16, readU32 } from "../base/mod.ts";
import { AS_MSG_HEADER_SIZE, FIELD, FIELD_HEADER_SIZE, OP_HEADER_SIZE } from "./constants.ts";

/** Field types above this are ignored. */
const FIELD_TYPE_MAX = 47;

const OP_FLAG_HAS_LUT = 0x01;

/**
 * A view of one record request. Made once per connection or job and filled again for each message, so that decoding
 * allocates nothing. All offsets are into `bytes`.
 */
export class RecordRequest {
  /** The buffer that holds the message. */
  bytes: Uint8Array = new Uint8Array(0);
  /** End of the message. */
  end = 0;
  /** Offset of the message's header; -1 of a row of a batch, which has none. */
  headerAt = -1;
  /** Read bits. */
  info1 = 0;
  /** Write bits. */
  info2 = 0;
  /** More bits. */
  info3 = 0;
  /** Transaction bits. */
  info4 = 0;
  /** Expected generation. */
  generation = 0;
  /** TTL of a write, or touch percentage of a read. */
  recordTtl = 0;
  /** Time budget in ms, 0 for the server's default. */
  transactionTtlMs = 0;
  /** Number of operations. */
  opCount = 0;
  /** Offset of the first operation. */
  opsAt = 0;
  /** Payload offset per field type, -1 when the field is absent. */
  readonly fieldAt: Int32Array = new Int32Array(FIELD_TYPE_MAX + 1).fill(-1);
  /** Payload size per field type in bytes. */
  readonly fieldSize: Int32Array = new Int32Array(FIELD_TYPE_MAX + 1);

  /**
   * Decodes a message.
   *
   * @param bytes buffer, kept by reference
   * @param at offset of the 22-byte header
   * @param end end of the message
   * @returns false when the message is malformed (result 4)
   */
  decode(bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at < AS_MSG_HEADER_SIZE) return false;
    this.bytes = bytes;
    this.end = end;
    this.headerAt = at;
    this.info1 = bytes[at + 1];
    this.info2 = bytes[at + 2];
    this.info3 = bytes[at + 3];
    this.info4 = bytes[at + 4];
    this.generation = readU32(bytes, at + 6);
    this.recordTtl = readU32(bytes, at + 10);
    this.transactionTtlMs = readU32(bytes, at + 14);
    const fieldCount = readU16(bytes, at + 18);
    this.opCount = readU16(bytes, at + 20);
    const opsAt = this.decodeFields(at + AS_MSG_HEADER_SIZE, fieldCount);
    if (opsAt < 0) return false;
    this.opsAt = opsAt;
    return opsEnd(bytes, opsAt, { opCount: this.opCount, end }) === end;
  }

  /**
   * Decodes fields that start at `at`; the first of a type wins.
   *
   * @returns the offset after them, or -1 when they overrun the message
   */
  decodeFields(at: number, fieldCount: number): number {
    const bytes = this.bytes;
    this.fieldAt.fill(-1);
    for (let index = 0; index < fieldCount; index++) {
      if (this.end - at < FIELD_HEADER_SIZE) return -1;
      let size = readU32(bytes, at);
      const type = bytes[at + 4];
      const restSize = this.end - at - 4;
      // The Go client counts a filter's bytes to those of the batch behind it; the batch ends where the message does.
      if (size > restSize && type === FIELD.BATCH && index === fieldCount - 1) size = restSize;
      if (size === 0 || size > restSize) return -1;
      if (type <= FIELD_TYPE_MAX && this.fieldAt[type] < 0) {
        this.fieldAt[type] = at + FIELD_HEADER_SIZE;
        this.fieldSize[type] = size - 1;
      }
      at += 4 + size;
    }
    return at;
  }

  /** Whether a field is present. */
  has(fieldType: number): boolean {
    return this.fieldAt[fieldType] >= 0;
  }

  /** A view of a field's payload; undefined when it is absent. */
  field(fieldType: number): Uint8Array | undefined {
    const at = this.fieldAt[fieldType];
    return at < 0 ? undefined : this.bytes.subarray(at, at + this.fieldSize[fieldType]);
  }
}

/**
 * Steps over operations and checks their sizes.
 *
 * @returns the offset after the last one, or -1 when one overruns `end`
 */
export function opsEnd(bytes: Uint8Array, at: number, limits: { opCount: number; end: number }): number {
  const { opCount, end } = limits;
  for (let index = 0; index < opCount; index++) {
    if (end - at < OP_HEADER_SIZE) return -1;
    const size = readU32(bytes, at);
    if (size > end - at - 4) return -1;
    const nameAndLut = bytes[at + 7] + ((bytes[at + 6] & OP_FLAG_HAS_LUT) !== 0 ? 8 : 0);
    if (size < 4 + nameAndLut) return -1;
    at += 4 + size;
  }
  return at;
}

/** Walks the operations of a decoded request. */
export class OpCursor {
  /** The buffer that holds the operations. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Operation id. */
  op = 0;
  /** Particle type byte. */
  particleType = 0;
  /** Offset of the bin name. */
  nameAt = 0;
  /** Bytes of the bin name. */
  nameSize = 0;
  /** Offset of the value. */
  valueAt = 0;
  /** Bytes of the value. */
  valueSize = 0;
  #nextAt = 0;
  #left = 0;

  /** Starts before the first operation of a request. */
  start(request: RecordRequest): void {
    this.bytes = request.bytes;
    this.#nextAt = request.opsAt;
    this.#left = request.opCount;
  }

  /** Moves to the next operation; false when there is none. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    const at = this.#nextAt;
    const bytes = this.bytes;
    this.#nextAt = at + 4 + readU32(bytes, at);
    this.op = bytes[at + 4];
    this.particleType = bytes[at + 5];
    this.nameSize = bytes[at + 7];
    this.nameAt = at + OP_HEADER_SIZE;
    this.valueAt = this.nameAt + this.nameSize + ((bytes[at + 6] & OP_FLAG_HAS_LUT) !== 0 ? 8 : 0);
    this.valueSize = this.#nextAt - this.valueAt;
    return true;
  }
}
