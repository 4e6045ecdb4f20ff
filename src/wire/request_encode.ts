/**
 * Requests of the client protocol, from the client's side: record messages, batch rows and info requests.
 * Source: wire-protocol reference, sections 1 to 4, 7.1 and 9.1.
 *
 * A record message:
 *
 * | Offset | Bytes | What                                                                  |
 * | ------ | ----- | --------------------------------------------------------------------- |
 * | 0      | 8     | proto header: version 2, type 3, u48 size of what follows             |
 * | 8      | 22    | message header: info bits, generation, TTL, budget, counts            |
 * | 30     |       | fields: u32 size (type and payload), u8 type, payload                 |
 * |        |       | operations: u32 size, op, particle type, flags, name length, name, value |
 *
 * All numbers are big-endian except the array of partition ids.
 *
 * @module
 */

import {
  BIN_NAME_SIZE_MAX,
  type ByteBuffer,
  DIGEST_SIZE_BYTES,
  OP_COUNT_MAX,
  PROTO_BODY_SIZE_MAX,
  utf8,
  writeU16,
  writeU32,
  writeU48,
  writeU64,
} from "../base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  BATCH_ROW,
  FIELD_HEADER_SIZE,
  OP_HEADER_SIZE,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
  PROTO_TYPE_AS_MSG_COMPRESSED,
  PROTO_TYPE_INFO,
  PROTO_VERSION,
} from "./constants.ts";

/** What the header of a record message says. Absent numbers are 0. */
export interface RequestHeader {
  /** Read bits. */
  info1: number;
  /** Write bits. */
  info2: number;
  /** More bits. */
  info3: number;
  /** Transaction bits. */
  info4?: number;
  /** Expected generation. */
  generation?: number;
  /** TTL in seconds or one of the TTL constants, as u32. */
  recordTtl?: number;
  /** Time budget of the server; 0 leaves it to the server. */
  transactionTtlMs?: number;
}

/** What the header of a batch row says. */
export interface BatchRowHeader {
  /** Position of the row in the caller's list; comes back in the reply. */
  index: number;
  /** Digest of the record. */
  digest: Uint8Array;
  /** Read bits. */
  info1: number;
  /** Write bits. */
  info2: number;
  /** More bits. */
  info3: number;
  /** Expected generation as u16; undefined leaves it out. */
  generation: number | undefined;
  /** TTL as u32. */
  recordTtl: number;
}

const FIELD_COUNT_AT = PROTO_HEADER_SIZE + 18;

/** Writes one record message after another into a buffer. */
export class RequestWriter {
  /** Where the bytes go; the caller resets it. */
  readonly buffer: ByteBuffer;
  #startAt = 0;
  #countsAt = 0;
  #fieldCount = 0;
  #opCount = 0;

  /** @param buffer receives the messages behind what it holds already */
  constructor(buffer: ByteBuffer) {
    this.buffer = buffer;
  }

  /** Starts a message. */
  begin(header: RequestHeader): void {
    const buffer = this.buffer;
    const at = buffer.reserve(PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE);
    const bytes = buffer.bytes;
    bytes.fill(0, at, at + PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE);
    bytes[at] = PROTO_VERSION;
    bytes[at + 1] = PROTO_TYPE_AS_MSG;
    bytes[at + 8] = AS_MSG_HEADER_SIZE;
    bytes[at + 9] = header.info1;
    bytes[at + 10] = header.info2;
    bytes[at + 11] = header.info3;
    bytes[at + 12] = header.info4 ?? 0;
    writeU32(bytes, at + 14, header.generation ?? 0);
    writeU32(bytes, at + 18, header.recordTtl ?? 0);
    writeU32(bytes, at + 22, header.transactionTtlMs ?? 0);
    buffer.length = at + PROTO_HEADER_SIZE + AS_MSG_HEADER_SIZE;
    this.#startAt = at;
    this.#countsAt = at + FIELD_COUNT_AT;
    this.#fieldCount = 0;
    this.#opCount = 0;
  }

  /**
   * Ends the message: fills in the counts and the size.
   *
   * @throws {RangeError} when the message is larger than the protocol allows
   */
  finish(): void {
    this.#writeCounts();
    const sizeBytes = this.buffer.length - this.#startAt - PROTO_HEADER_SIZE;
    if (sizeBytes > PROTO_BODY_SIZE_MAX) {
      throw new RangeError(`Cannot send a message of ${sizeBytes} bytes: at most ${PROTO_BODY_SIZE_MAX}`);
    }
    writeU48(this.buffer.bytes, this.#startAt + 2, sizeBytes);
  }

  /** Appends operations that are encoded already. */
  rawOps(bytes: Uint8Array, opCount: number): void {
    this.buffer.append(bytes);
    this.#opCount += opCount;
  }

  /** Appends a field with a ready payload. */
  field(type: number, payload: Uint8Array): void {
    const at = this.beginField(type);
    this.buffer.append(payload);
    this.endField(at);
  }

  /** Appends a field that holds text. */
  textField(type: number, text: string): void {
    const at = this.beginField(type);
    this.buffer.appendText(text);
    this.endField(at);
  }

  /** Appends a field that holds an unsigned 32-bit number. */
  u32Field(type: number, value: number): void {
    const at = this.beginField(type);
    this.buffer.appendU32(value);
    this.endField(at);
  }

  /** Appends a field that holds an unsigned 64-bit number, up to 2^53. */
  u64Field(type: number, value: number): void {
    const at = this.beginField(type);
    const valueAt = this.buffer.reserve(8);
    writeU64(this.buffer.bytes, valueAt, value);
    this.buffer.length = valueAt + 8;
    this.endField(at);
  }

  /** Starts a field whose payload the caller appends to the buffer; give the result to {@linkcode endField}. */
  beginField(type: number): number {
    const at = this.buffer.reserve(FIELD_HEADER_SIZE);
    this.buffer.bytes[at + 4] = type;
    this.buffer.length = at + FIELD_HEADER_SIZE;
    return at;
  }

  /** Ends a field. */
  endField(at: number): void {
    writeU32(this.buffer.bytes, at, this.buffer.length - at - 4);
    this.#fieldCount++;
  }

  /**
   * Starts an operation whose value the caller appends to the buffer; give the result to {@linkcode endOp}.
   *
   * @throws {RangeError} when the bin's name is longer than 15 bytes or there are too many operations
   */
  beginOp(op: number, name: string): number {
    const buffer = this.buffer;
    const at = buffer.reserve(OP_HEADER_SIZE + BIN_NAME_SIZE_MAX);
    buffer.bytes[at + 4] = op;
    buffer.bytes[at + 5] = 0;
    buffer.bytes[at + 6] = 0;
    const nameSize = writeBinName(buffer.bytes, at + OP_HEADER_SIZE, name);
    buffer.bytes[at + 7] = nameSize;
    buffer.length = at + OP_HEADER_SIZE + nameSize;
    if (++this.#opCount > OP_COUNT_MAX) {
      throw new RangeError(`Cannot send more than ${OP_COUNT_MAX} operations in one request`);
    }
    return at;
  }

  /** Ends an operation; `particleType` tells what its value is. */
  endOp(at: number, particleType: number): void {
    this.buffer.bytes[at + 5] = particleType;
    writeU32(this.buffer.bytes, at, this.buffer.length - at - 4);
  }

  /** Appends a row header that takes everything but the digest from the row before. */
  repeatRow(index: number, digest: Uint8Array): void {
    this.#rowStart(index, digest);
    this.buffer.appendU8(BATCH_ROW.REPEAT);
  }

  /** Starts a batch row inside a batch field; its fields and operations follow, then {@linkcode endRow}. */
  beginRow(row: BatchRowHeader): RowMark {
    this.#rowStart(row.index, row.digest);
    const withGeneration = row.generation !== undefined;
    const flags = BATCH_ROW.INFO | BATCH_ROW.TTL | (withGeneration ? BATCH_ROW.GENERATION : 0);
    this.buffer.appendU8(flags);
    this.buffer.appendU8(row.info1);
    this.buffer.appendU8(row.info2);
    this.buffer.appendU8(row.info3);
    if (withGeneration) this.buffer.appendU16(row.generation as number);
    this.buffer.appendU32(row.recordTtl);
    const mark: RowMark = { countsAt: this.#countsAt, fieldCount: this.#fieldCount, opCount: this.#opCount };
    this.#countsAt = this.buffer.length;
    this.#fieldCount = 0;
    this.#opCount = 0;
    this.buffer.appendU32(0);
    return mark;
  }

  /** Ends a batch row. */
  endRow(mark: RowMark): void {
    this.#writeCounts();
    this.#countsAt = mark.countsAt;
    this.#fieldCount = mark.fieldCount;
    this.#opCount = mark.opCount;
  }

  #rowStart(index: number, digest: Uint8Array): void {
    this.buffer.appendU32(index);
    this.buffer.append(digest, 0, DIGEST_SIZE_BYTES);
  }

  #writeCounts(): void {
    writeU16(this.buffer.bytes, this.#countsAt, this.#fieldCount);
    writeU16(this.buffer.bytes, this.#countsAt + 2, this.#opCount);
  }
}

/** What {@linkcode RequestWriter.beginRow} hands to `endRow`: where the counts of the message stand. */
export interface RowMark {
  /** Offset of the message's counts. */
  countsAt: number;
  /** Fields of the message so far. */
  fieldCount: number;
  /** Operations of the message so far. */
  opCount: number;
}

/** Writes a bin's name; returns its size in bytes. There is room for the longest name at `at`. */
function writeBinName(bytes: Uint8Array, at: number, name: string): number {
  let ascii = name.length <= BIN_NAME_SIZE_MAX;
  for (let i = 0; ascii && i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x80 || code === 0) ascii = false;
    else bytes[at + i] = code;
  }
  if (ascii) return name.length;
  const encoded = utf8(name);
  if (encoded.length > BIN_NAME_SIZE_MAX || encoded.includes(0)) {
    throw new RangeError(
      `Cannot use "${name}" as a bin's name: at most ${BIN_NAME_SIZE_MAX} bytes of UTF-8 without NUL`,
    );
  }
  bytes.set(encoded, at);
  return encoded.length;
}

/**
 * An info request. Commands go out unchanged, one per line.
 *
 * @param commands lines without line feed; none asks for the server's summary
 * @throws {TypeError} when a command contains a line feed
 */
export function encodeInfoRequest(commands: readonly string[]): Uint8Array {
  for (const command of commands) {
    if (command.includes("\n")) {
      throw new TypeError(`Cannot send the info command ${JSON.stringify(command)}: it contains a line feed`);
    }
  }
  const body = utf8(commands.map((command) => `${command}\n`).join(""));
  const frame = new Uint8Array(PROTO_HEADER_SIZE + body.length);
  frame[0] = PROTO_VERSION;
  frame[1] = PROTO_TYPE_INFO;
  writeU48(frame, 2, body.length);
  frame.set(body, PROTO_HEADER_SIZE);
  return frame;
}

/**
 * Wraps a whole record message into a compressed one.
 *
 * @param messageSizeBytes size of the message with its proto header
 * @param stream the message as a zlib stream
 */
export function encodeCompressedRequest(messageSizeBytes: number, stream: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PROTO_HEADER_SIZE + 8 + stream.length);
  frame[0] = PROTO_VERSION;
  frame[1] = PROTO_TYPE_AS_MSG_COMPRESSED;
  writeU48(frame, 2, 8 + stream.length);
  writeU64(frame, PROTO_HEADER_SIZE, messageSizeBytes);
  frame.set(stream, PROTO_HEADER_SIZE + 8);
  return frame;
}
