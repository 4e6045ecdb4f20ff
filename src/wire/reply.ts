/**
 * Replies to record messages, written straight into a connection's output buffer. A reply is one proto frame with one
 * or more 22-byte messages; sizes and counts are patched when they are known.
 *
 * @module
 */

import { type ByteBuffer, copyBytes, writeU16, writeU32 } from "../base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD_HEADER_SIZE,
  OP_HEADER_SIZE,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
} from "./constants.ts";
import { writeProtoHeader } from "./proto.ts";

/** What a message header says besides its counts. */
export interface MessageHeader {
  /** Result code. */
  resultCode: number;
  /** Record generation. */
  generation?: number;
  /** Void-time in seconds since 2010, 0 for never. */
  voidTime?: number;
  /** Row index of a batch reply. */
  rowIndex?: number;
  /** info1 bits. */
  info1?: number;
  /** info3 bits. */
  info3?: number;
}

/** Offset of the result code in a message header. */
const RESULT_CODE_AT = 5;

/** Appends proto frames with record messages to a buffer. */
export class ReplyWriter {
  /** Where the frames go; may be replaced between frames. */
  out: ByteBuffer;
  #protoAt = -1;
  #messageAt = -1;
  #fieldCount = 0;
  #opCount = 0;

  /** @param out buffer that frames are appended to; owned by the caller */
  constructor(out: ByteBuffer) {
    this.out = out;
  }

  /** Opens a frame. */
  beginProto(): void {
    this.#protoAt = this.out.reserve(PROTO_HEADER_SIZE);
    this.out.length = this.#protoAt + PROTO_HEADER_SIZE;
  }

  /** Closes the frame: its size is known now. */
  endProto(): void {
    writeProtoHeader(this.out.bytes, this.#protoAt, {
      type: PROTO_TYPE_AS_MSG,
      bodySizeBytes: this.out.length - this.#protoAt - PROTO_HEADER_SIZE,
    });
    this.#protoAt = -1;
  }

  /** Drops the open frame altogether. */
  dropProto(): void {
    this.out.length = this.#protoAt;
    this.#protoAt = -1;
  }

  /** Bytes in the open frame's body so far. */
  protoBodySize(): number {
    return this.out.length - this.#protoAt - PROTO_HEADER_SIZE;
  }

  /** Opens a message with zero fields and operations; the header's other values are set by `endMessage`. */
  beginMessage(): void {
    const at = this.out.reserve(AS_MSG_HEADER_SIZE);
    this.out.bytes.fill(0, at, at + AS_MSG_HEADER_SIZE);
    this.out.length = at + AS_MSG_HEADER_SIZE;
    this.#messageAt = at;
    this.#fieldCount = 0;
    this.#opCount = 0;
  }

  /** Forgets the fields and operations of the open message. */
  rewindMessage(): void {
    this.out.length = this.#messageAt + AS_MSG_HEADER_SIZE;
    this.#fieldCount = 0;
    this.#opCount = 0;
  }

  /** Drops the open message altogether. */
  dropMessage(): void {
    this.out.length = this.#messageAt;
    this.#messageAt = -1;
  }

  /** Takes the message last written out again; a copy. */
  takeMessage(): Uint8Array {
    const message = this.out.bytes.slice(this.#messageAt, this.out.length);
    this.dropMessage();
    return message;
  }

  /** Appends a message that was encoded before to the open frame, with another row index. */
  putMessage(message: Uint8Array, rowIndex: number): void {
    this.#messageAt = this.out.length;
    this.out.append(message);
    writeU32(this.out.bytes, this.#messageAt + 14, rowIndex);
  }

  /** Closes the message. */
  endMessage(resultCode: number, generation: number, voidTime: number, rowIndex: number): void {
    const bytes = this.out.bytes;
    const at = this.#messageAt;
    bytes[at] = AS_MSG_HEADER_SIZE;
    bytes[at + RESULT_CODE_AT] = resultCode;
    writeU32(bytes, at + 6, generation);
    writeU32(bytes, at + 10, voidTime);
    writeU32(bytes, at + 14, rowIndex);
    writeU16(bytes, at + 18, this.#fieldCount);
    writeU16(bytes, at + 20, this.#opCount);
  }

  /** Sets info1 of the open message. */
  setInfo1(info1: number): void {
    this.out.bytes[this.#messageAt + 1] = info1;
  }

  /** Bytes of the open message so far. */
  get messageSize(): number {
    return this.out.length - this.#messageAt;
  }

  /** Operations in the open message. */
  get opCount(): number {
    return this.#opCount;
  }

  /** Appends a whole message without fields and operations to the open frame. */
  message(header: MessageHeader): void {
    this.beginMessage();
    this.out.bytes[this.#messageAt + 1] = header.info1 ?? 0;
    this.out.bytes[this.#messageAt + 3] = header.info3 ?? 0;
    this.endMessage(header.resultCode, header.generation ?? 0, header.voidTime ?? 0, header.rowIndex ?? 0);
  }

  /** Appends a frame with one message that has neither fields nor operations. */
  frame(header: MessageHeader): void {
    this.beginProto();
    this.message(header);
    this.endProto();
  }

  /** Appends a field to the open message; fields come before operations. */
  field(type: number, source: Uint8Array, start: number, sizeBytes: number): void {
    const out = this.out;
    const at = out.reserve(FIELD_HEADER_SIZE + sizeBytes);
    writeU32(out.bytes, at, sizeBytes + 1);
    out.bytes[at + 4] = type;
    copyBytes(source, start, out.bytes, at + FIELD_HEADER_SIZE, sizeBytes);
    out.length = at + FIELD_HEADER_SIZE + sizeBytes;
    this.#fieldCount++;
  }

  /**
   * Opens room for an operation's value. Positional, because it is called once per bin and must not allocate.
   *
   * @param op operation id to echo
   * @param particleType type of the value
   * @param source buffer that holds the bin name
   * @param nameAt offset of the name in it
   * @param nameSize bytes of the name
   * @param valueSizeBytes bytes that the caller writes
   * @returns the offset at which the value must be written into `out.bytes`
   */
  op(
    op: number,
    particleType: number,
    source: Uint8Array,
    nameAt: number,
    nameSize: number,
    valueSizeBytes: number,
  ): number {
    const out = this.out;
    const at = out.reserve(OP_HEADER_SIZE + nameSize + valueSizeBytes);
    const bytes = out.bytes;
    writeU32(bytes, at, 4 + nameSize + valueSizeBytes);
    bytes[at + 4] = op;
    bytes[at + 5] = particleType;
    bytes[at + 6] = 0;
    bytes[at + 7] = nameSize;
    copyBytes(source, nameAt, bytes, at + OP_HEADER_SIZE, nameSize);
    out.length = at + OP_HEADER_SIZE + nameSize + valueSizeBytes;
    this.#opCount++;
    return at + OP_HEADER_SIZE + nameSize;
  }
}
