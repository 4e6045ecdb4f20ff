/**
 * Replies of the client protocol, from the client's side: frames out of a stream of bytes, record messages out of
 * frames, fields and operations out of messages. Nothing is copied; sizes are checked before they are used.
 * Source: wire-protocol reference, sections 1 to 4 and 9.1.
 *
 * @module
 */

import {
  ByteBuffer,
  PROTO_BODY_SIZE_MAX,
  readU16,
  readU32,
  readU48,
  readU64,
  utf8Decode,
  WireError,
} from "../base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD_HEADER_SIZE,
  OP_HEADER_SIZE,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
  PROTO_TYPE_AS_MSG_COMPRESSED,
  PROTO_TYPE_INFO,
  PROTO_VERSION,
} from "./constants.ts";

/** A whole frame: the body of one proto message, lent until the call that delivers it returns. */
export interface Frame {
  /** Proto type. */
  type: number;
  /** Buffer that holds the body. */
  bytes: Uint8Array;
  /** Offset of the body. */
  start: number;
  /** Offset behind the body. */
  end: number;
}

/**
 * Cuts a stream of bytes into frames. Pieces may end anywhere. A frame that arrives in one piece is delivered in
 * place; only what is incomplete is kept.
 */
export class FrameReader {
  readonly #rest = new ByteBuffer(0);
  readonly #frame: Frame = { type: 0, bytes: new Uint8Array(0), start: 0, end: 0 };
  readonly #bodySizeMaxBytes: number;

  /** @param bodySizeMaxBytes larger frames are an error */
  constructor(bodySizeMaxBytes: number = PROTO_BODY_SIZE_MAX) {
    this.#bodySizeMaxBytes = bodySizeMaxBytes;
  }

  /** Bytes of an incomplete frame that are being kept. */
  get pendingBytes(): number {
    return this.#rest.length;
  }

  /**
   * Takes the next piece.
   *
   * @param piece lent until the call returns
   * @param onFrame receives each whole frame; the object is reused
   * @throws {WireError} when a header can't be a server's, or announces too large a body
   */
  push(piece: Uint8Array, onFrame: (frame: Frame) => void): void {
    if (this.#rest.length === 0) {
      const used = this.#cut(piece, piece.length, onFrame);
      if (used < piece.length) this.#rest.append(piece, used);
      return;
    }
    this.#rest.append(piece);
    if (this.#rest.length < PROTO_HEADER_SIZE) return;
    const used = this.#cut(this.#rest.bytes, this.#rest.length, onFrame);
    if (used === this.#rest.length) this.#rest.reset();
    else this.#rest.consume(used);
  }

  #cut(bytes: Uint8Array, length: number, onFrame: (frame: Frame) => void): number {
    let at = 0;
    while (length - at >= PROTO_HEADER_SIZE) {
      const bodySize = this.#checkHeader(bytes, at);
      const start = at + PROTO_HEADER_SIZE;
      if (length - start < bodySize) break;
      const frame = this.#frame;
      frame.type = bytes[at + 1];
      frame.bytes = bytes;
      frame.start = start;
      frame.end = start + bodySize;
      at = frame.end;
      onFrame(frame);
    }
    return at;
  }

  #checkHeader(bytes: Uint8Array, at: number): number {
    const version = bytes[at];
    const type = bytes[at + 1];
    if (version !== PROTO_VERSION || type < PROTO_TYPE_INFO || type > PROTO_TYPE_AS_MSG_COMPRESSED) {
      throw new WireError(
        `The server sent a header of version ${version}, type ${type}: expected version ${PROTO_VERSION}, type ` +
          `${PROTO_TYPE_INFO} to ${PROTO_TYPE_AS_MSG_COMPRESSED} (is this an Aerospike service port without TLS?)`,
      );
    }
    const bodySize = readU48(bytes, at + 2);
    if (bodySize > this.#bodySizeMaxBytes) {
      throw new WireError(
        `The server announced a message of ${bodySize} bytes: at most ${this.#bodySizeMaxBytes}`,
      );
    }
    return bodySize;
  }
}

/** A view of one record message; filled by {@linkcode decodeMessage} and reused. */
export class ReplyMessage {
  /** Buffer that holds the message. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the message's header. */
  at = 0;
  /** Offset of the first operation. */
  opsAt = 0;
  /** Offset behind the message. */
  end = 0;

  /** Read bits. */
  get info1(): number {
    return this.bytes[this.at + 1];
  }
  /** More bits: LAST, PARTITION_DONE. */
  get info3(): number {
    return this.bytes[this.at + 3];
  }
  /** Result code. */
  get resultCode(): number {
    return this.bytes[this.at + 5];
  }
  /** Generation; the partition id of a partition message. */
  get generation(): number {
    return readU32(this.bytes, this.at + 6);
  }
  /** Seconds since 2010-01-01 at which the record expires; 0 never. */
  get voidTime(): number {
    return readU32(this.bytes, this.at + 10);
  }
  /** Row index of a batch reply. */
  get batchIndex(): number {
    return readU32(this.bytes, this.at + 14);
  }
  /** Number of fields. */
  get fieldCount(): number {
    return readU16(this.bytes, this.at + 18);
  }
  /** Number of operations. */
  get opCount(): number {
    return readU16(this.bytes, this.at + 20);
  }

  /** Calls `visit` with the type and the range of each field's payload. */
  forEachField(visit: (type: number, start: number, end: number) => void): void {
    let at = this.at + AS_MSG_HEADER_SIZE;
    for (let count = this.fieldCount; count > 0; count--) {
      const end = at + 4 + readU32(this.bytes, at);
      visit(this.bytes[at + 4], at + FIELD_HEADER_SIZE, end);
      at = end;
    }
  }
}

/**
 * Reads one record message and checks that its fields and operations lie inside the frame.
 *
 * @param frame the frame
 * @param at offset of the message in the frame's buffer
 * @param message is filled
 * @returns offset behind the message
 * @throws {WireError} when something reaches over the end
 */
export function decodeMessage(frame: Frame, at: number, message: ReplyMessage): number {
  const { bytes, end } = frame;
  if (end - at < AS_MSG_HEADER_SIZE) throw cut("a message header", end - at, AS_MSG_HEADER_SIZE);
  message.bytes = bytes;
  message.at = at;
  let next = at + AS_MSG_HEADER_SIZE;
  for (let count = message.fieldCount; count > 0; count--) {
    if (end - next < FIELD_HEADER_SIZE) throw cut("a field header", end - next, FIELD_HEADER_SIZE);
    const size = readU32(bytes, next);
    if (size < 1 || size > end - next - 4) throw cut("a field", end - next - 4, size);
    next += 4 + size;
  }
  message.opsAt = next;
  for (let count = message.opCount; count > 0; count--) {
    if (end - next < OP_HEADER_SIZE) throw cut("an operation header", end - next, OP_HEADER_SIZE);
    const size = readU32(bytes, next);
    if (size < 4 + bytes[next + 7] || size > end - next - 4) throw cut("an operation", end - next - 4, size);
    next += 4 + size;
  }
  message.end = next;
  return next;
}

function cut(what: string, haveBytes: number, wantBytes: number): WireError {
  return new WireError(`The server sent ${what} of ${wantBytes} bytes where ${haveBytes} bytes are left`);
}

/** A view of one operation of a reply. */
export interface ReplyOp {
  /** Operation id. */
  op: number;
  /** Particle type of the value. */
  particleType: number;
  /** Bin name. */
  name: string;
  /** Offset of the value. */
  valueAt: number;
  /** Offset behind the value, which is the next operation. */
  end: number;
}

/**
 * Reads the operation at an offset of a message that {@linkcode decodeMessage} has checked.
 *
 * @param bytes the message's buffer
 * @param at offset of the operation
 * @param op is filled
 * @returns offset of the next operation
 */
export function decodeOp(bytes: Uint8Array, at: number, op: ReplyOp): number {
  const nameAt = at + OP_HEADER_SIZE;
  const valueAt = nameAt + bytes[at + 7];
  op.op = bytes[at + 4];
  op.particleType = bytes[at + 5];
  op.name = decodeName(bytes, nameAt, valueAt);
  op.valueAt = valueAt;
  op.end = at + 4 + readU32(bytes, at);
  return op.end;
}

function decodeName(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) {
    if (bytes[at] >= 0x80) return utf8Decode(bytes.subarray(start, end));
    text += String.fromCharCode(bytes[at]);
  }
  return text;
}

/** One answer of an info reply. */
export interface InfoAnswer {
  /** The command as the server repeats it; empty when the server answers without repeating. */
  command: string;
  /** The answer. */
  value: string;
}

/**
 * Reads the body of an info reply, line by line.
 *
 * @param body text of the frame's body
 * @returns one answer per line; a line without a tab has an empty command
 */
export function parseInfoReply(body: string): InfoAnswer[] {
  const answers: InfoAnswer[] = [];
  for (const line of body.split("\n")) {
    if (line === "") continue;
    const tab = line.indexOf("\t");
    answers.push(
      tab < 0 ? { command: "", value: line } : { command: line.slice(0, tab), value: line.slice(tab + 1) },
    );
  }
  return answers;
}

/**
 * Opens a compressed frame.
 *
 * @param frame a frame of type 4
 * @param inflate expands a zlib stream up to a size, or returns undefined
 * @returns the frame inside
 * @throws {WireError} when the stream is damaged or its content is not one record message of the announced size
 */
export function inflateFrame(
  frame: Frame,
  inflate: (source: Uint8Array, sizeMaxBytes: number) => Uint8Array | undefined,
): Frame {
  if (frame.end - frame.start < 8) throw cut("a compressed message", frame.end - frame.start, 8);
  const sizeBytes = readU64(frame.bytes, frame.start);
  if (sizeBytes < PROTO_HEADER_SIZE || sizeBytes > PROTO_BODY_SIZE_MAX + PROTO_HEADER_SIZE) {
    throw new WireError(`The server announced a compressed message of ${sizeBytes} bytes`);
  }
  const bytes = inflate(frame.bytes.subarray(frame.start + 8, frame.end), sizeBytes);
  if (bytes === undefined || bytes.length !== sizeBytes) {
    throw new WireError(`The server sent a compressed message that does not expand to ${sizeBytes} bytes`);
  }
  if (
    bytes[0] !== PROTO_VERSION || bytes[1] !== PROTO_TYPE_AS_MSG ||
    readU48(bytes, 2) !== sizeBytes - PROTO_HEADER_SIZE
  ) {
    throw new WireError("The server compressed something that is not one record message");
  }
  return { type: PROTO_TYPE_AS_MSG, bytes, start: PROTO_HEADER_SIZE, end: bytes.length };
}

/** Whether a frame is of the kind that answers record messages (never info or security). */
export function isRecordFrame(frame: Frame): boolean {
  return frame.type === PROTO_TYPE_AS_MSG || frame.type === PROTO_TYPE_AS_MSG_COMPRESSED;
}
