/**
 * A decoder of record messages that stands on its own: it shares nothing but constants with the server's, so that a
 * mistake in one shows in the comparison. Header of 22 bytes, fields (u32 size, type, value), operations (u32 size,
 * op, particle type, flags, name length, name, value).
 *
 * @module
 */

import {
  readU16,
  readU32,
  readU48,
  toHex,
  utf8,
  utf8Decode,
  writeU16,
  writeU32,
} from "../../src/base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  BATCH_ROW,
  FIELD,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
} from "../../src/wire/mod.ts";

/** One field. */
export interface Field {
  /** One of `FIELD`. */
  type: number;
  /** The value, without header. */
  value: Uint8Array;
}

/** One operation, or one bin of a reply. */
export interface Operation {
  /** One of `OP`. */
  op: number;
  /** One of `PARTICLE`. */
  particle: number;
  /** The byte after the particle type. */
  flags: number;
  /** Bin name. */
  name: string;
  /** The value. */
  value: Uint8Array;
}

/** A record message. */
export interface Message {
  /** First byte of the header; 22 everywhere. */
  headerSize: number;
  /** Read bits. */
  info1: number;
  /** Write bits. */
  info2: number;
  /** More bits. */
  info3: number;
  /** Transaction bits. */
  info4: number;
  /** Result code. */
  result: number;
  /** Generation. */
  generation: number;
  /** TTL of a request, void-time of a reply. */
  ttl: number;
  /** Time budget of a request, row of a batch reply. */
  transactionTtl: number;
  /** Fields in order. */
  fields: Field[];
  /** Operations in order. */
  ops: Operation[];
}

/** Protocol type of a frame. */
export function frameType(frame: Uint8Array): number {
  return frame[1];
}

/** Body of a frame. */
export function frameBody(frame: Uint8Array): Uint8Array {
  return frame.subarray(PROTO_HEADER_SIZE);
}

/** Size of a whole frame, from its header. */
export function frameSizeBytes(header: Uint8Array): number {
  return PROTO_HEADER_SIZE + readU48(header, 2);
}

/**
 * Puts a proto header before a body.
 *
 * @param body what follows the header
 * @param type protocol type; record message unless given
 */
export function frameOf(body: Uint8Array, type: number = PROTO_TYPE_AS_MSG): Uint8Array {
  const frame = new Uint8Array(PROTO_HEADER_SIZE + body.length);
  frame[0] = 2;
  frame[1] = type;
  writeU32(frame, 4, body.length);
  frame.set(body, PROTO_HEADER_SIZE);
  return frame;
}

/**
 * Decodes fields and operations.
 *
 * @param bytes a buffer
 * @param at where the first field begins
 * @param counts how many fields and operations follow
 * @returns both lists and the offset behind them
 * @throws {RangeError} when an element reaches over the end
 */
export function decodeElements(
  bytes: Uint8Array,
  at: number,
  counts: { fields: number; ops: number },
): { fields: Field[]; ops: Operation[]; end: number } {
  const fields: Field[] = [];
  const ops: Operation[] = [];
  const take = (): Uint8Array => {
    const end = at + 4 + readU32(bytes, at);
    if (!(end <= bytes.length)) {
      throw new RangeError(`element at byte ${at} ends at ${end} of ${bytes.length}`);
    }
    const element = bytes.subarray(at + 4, end);
    at = end;
    return element;
  };
  for (let index = 0; index < counts.fields; index++) {
    const element = take();
    fields.push({ type: element[0], value: element.subarray(1) });
  }
  for (let index = 0; index < counts.ops; index++) {
    const element = take();
    const nameEnd = 4 + element[3];
    ops.push({
      op: element[0],
      particle: element[1],
      flags: element[2],
      name: utf8Decode(element.subarray(4, nameEnd)),
      value: element.subarray(nameEnd),
    });
  }
  return { fields, ops, end: at };
}

/**
 * Decodes all messages of a body.
 *
 * @param body one or more messages, one behind the other
 * @throws {RangeError} when a message is cut
 */
export function decodeMessages(body: Uint8Array): Message[] {
  const messages: Message[] = [];
  let at = 0;
  while (at < body.length) {
    if (at + AS_MSG_HEADER_SIZE > body.length) throw new RangeError(`message header cut at byte ${at}`);
    const counts = { fields: readU16(body, at + 18), ops: readU16(body, at + 20) };
    const { fields, ops, end } = decodeElements(body, at + AS_MSG_HEADER_SIZE, counts);
    messages.push({
      headerSize: body[at],
      info1: body[at + 1],
      info2: body[at + 2],
      info3: body[at + 3],
      info4: body[at + 4],
      result: body[at + 5],
      generation: readU32(body, at + 6),
      ttl: readU32(body, at + 10),
      transactionTtl: readU32(body, at + 14),
      fields,
      ops,
    });
    at = end;
  }
  return messages;
}

/** Encodes a message; the reverse of {@linkcode decodeMessages}. */
export function encodeMessage(message: Message): Uint8Array {
  const parts: Uint8Array[] = [];
  const header = new Uint8Array(AS_MSG_HEADER_SIZE);
  header.set([
    message.headerSize,
    message.info1,
    message.info2,
    message.info3,
    message.info4,
    message.result,
  ]);
  writeU32(header, 6, message.generation);
  writeU32(header, 10, message.ttl);
  writeU32(header, 14, message.transactionTtl);
  writeU16(header, 18, message.fields.length);
  writeU16(header, 20, message.ops.length);
  parts.push(header);
  for (const field of message.fields) parts.push(element([field.type], field.value));
  for (const op of message.ops) {
    const name = utf8(op.name);
    parts.push(element([op.op, op.particle, op.flags, name.length, ...name], op.value));
  }
  return concat(parts);
}

function element(head: number[], value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + head.length + value.length);
  writeU32(bytes, 0, head.length + value.length);
  bytes.set(head, 4);
  bytes.set(value, 4 + head.length);
  return bytes;
}

/** Joins byte arrays. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The value of the first field of a type. */
export function fieldOf(message: { fields: Field[] }, type: number): Uint8Array | undefined {
  return message.fields.find((field) => field.type === type)?.value;
}

/** One row of a batch request, written out as the single-record request that it stands for. */
export interface BatchRow {
  /** Index that the reply names. */
  index: number;
  /** The row as a message; repeated rows carry what they repeat, and the digest is a field. */
  message: Message;
}

/**
 * Decodes the rows of field 41.
 *
 * @throws {RangeError} when a row is cut
 */
export function decodeBatchRows(payload: Uint8Array): BatchRow[] {
  const rows: BatchRow[] = [];
  let at = 5;
  let previous: Message | undefined;
  for (let count = readU32(payload, 0); count > 0; count--) {
    const index = readU32(payload, at);
    const digest = payload.subarray(at + 4, at + 24);
    const flags = payload[at + 24];
    at += 25;
    if ((flags & BATCH_ROW.REPEAT) === 0) {
      const decoded = decodeRowBody(payload, at, flags);
      previous = decoded.message;
      at = decoded.end;
    }
    if (previous === undefined) throw new RangeError("first row of a batch repeats");
    const fields = [...previous.fields, { type: FIELD.DIGEST, value: digest }];
    rows.push({ index, message: { ...previous, fields } });
  }
  return rows;
}

function decodeRowBody(
  payload: Uint8Array,
  start: number,
  flags: number,
): { message: Message; end: number } {
  let at = start;
  const byte = () => payload[at++];
  const info1 = byte();
  const [info2, info3] = flags & BATCH_ROW.INFO ? [byte(), byte()] : [0, 0];
  const info4 = flags & BATCH_ROW.INFO4 ? byte() : 0;
  let generation = 0;
  let ttl = 0;
  if (flags & BATCH_ROW.GENERATION) {
    generation = readU16(payload, at);
    at += 2;
  }
  if (flags & BATCH_ROW.TTL) {
    ttl = readU32(payload, at);
    at += 4;
  }
  const counts = { fields: readU16(payload, at), ops: readU16(payload, at + 2) };
  const { fields, ops, end } = decodeElements(payload, at + 4, counts);
  const message = {
    headerSize: AS_MSG_HEADER_SIZE,
    info1,
    info2,
    info3,
    info4,
    result: 0,
    generation,
    ttl,
    transactionTtl: 0,
    fields,
    ops,
  };
  return { message, end };
}

/** What {@linkcode messageText} hides. */
export interface TextOptions {
  /** Print a generation other than 0 as `*`. */
  maskGeneration?: boolean;
  /** Print a void-time other than 0 as `T`. */
  maskVoidTime?: boolean;
  /** Print the value by which an index ordered a record as `*`. */
  maskIndexValue?: boolean;
  /** Cut values at this many bytes, for people. */
  valueSizeMax?: number;
}

/**
 * A message as text: equal texts without options mean equal bytes.
 *
 * @param message what to print
 * @param options what to leave out
 */
export function messageText(message: Message, options: TextOptions = {}): string {
  const info = [message.info1, message.info2, message.info3, message.info4]
    .map((bits) => bits.toString(16).padStart(2, "0")).join(".");
  const generation = options.maskGeneration && message.generation !== 0 ? "*" : message.generation;
  const ttl = options.maskVoidTime && message.ttl !== 0 ? "T" : message.ttl;
  const head =
    `${message.headerSize === AS_MSG_HEADER_SIZE ? "" : `size ${message.headerSize} `}info ${info} ` +
    `result ${message.result} gen ${generation} ttl ${ttl} tt ${message.transactionTtl}`;
  const fields = message.fields.map((field) => `${field.type}:${fieldText(field, options)}`).join(" ");
  const ops = message.ops.map((op) => opText(op, options)).join(", ");
  return `${head}${fields && ` {${fields}}`}${ops && ` [${ops}]`}`;
}

function fieldText(field: Field, options: TextOptions): string {
  if (field.type === FIELD.NAMESPACE || field.type === FIELD.SET) {
    return JSON.stringify(utf8Decode(field.value));
  }
  if (field.type === FIELD.BVAL_ARRAY && options.maskIndexValue === true) return "*";
  return valueText(field.value, options);
}

function opText(op: Operation, options: TextOptions): string {
  const flags = op.flags === 0 ? "" : `/${op.flags}`;
  return `${op.op}/${op.particle}${flags} ${JSON.stringify(op.name)}=${valueText(op.value, options)}`;
}

function valueText(value: Uint8Array, options: TextOptions): string {
  const sizeMax = options.valueSizeMax ?? Infinity;
  return value.length <= sizeMax ? toHex(value) : `${toHex(value, 0, sizeMax)}..(${value.length} bytes)`;
}
