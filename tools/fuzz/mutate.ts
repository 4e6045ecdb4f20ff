/**
 * Mutations of request frames. Most keep the frame's own size right, so that the damage reaches the decoder behind the
 * framing and many of them can share a connection; those that break the framing are marked, for a connection can carry
 * nothing after them. Mutation `index` of a seed is always the same bytes.
 *
 * @module
 */

import { readU16, readU32, utf8, writeU16, writeU32 } from "../../src/base/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD,
  PROTO_HEADER_SIZE,
  PROTO_TYPE_AS_MSG,
  PROTO_TYPE_INFO,
} from "../../src/wire/mod.ts";
import { concat, frameBody, frameOf, frameType } from "../replay/message.ts";
import { compressedMutation } from "./compressed.ts";
import { SeededRandom } from "./random.ts";
import type { Shape } from "./shapes.ts";

/** A mutated request. */
export interface Mutation {
  /** Its number under the seed. */
  index: number;
  /** What was done. */
  kind: string;
  /** The bytes to send. */
  bytes: Uint8Array;
  /** The frame's header tells the right size and an acceptable type, so that another frame may follow. */
  framed: boolean;
}

type Mutator = (random: SeededRandom, body: Uint8Array) => Uint8Array;

/** Values that length and count fields are set to. */
const INTERESTING_NUMBERS: readonly number[] = [
  0,
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0xffff,
  0x10000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fffb,
  0xffff_fffc,
  0xffff_ffff,
];

/** First bytes of msgpack containers, extensions and strings with long sizes, and Aerospike's own marks. */
const MSGPACK_HEADS: readonly (readonly number[])[] = [
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xc7, 0x00, 0x01],
  [0xc7, 0xff, 0xff],
  [0x9f],
  [0x8f],
  [0xc1],
  [0xd4, 0xff, 0x01],
  [0xcc],
  [0xd9],
];

/** Where the parts of a record message begin. */
interface Layout {
  /** Offsets of the u32 size of each field. */
  fields: number[];
  /** Offsets of the u32 size of each operation. */
  ops: number[];
}

function layoutOf(body: Uint8Array): Layout {
  const layout: Layout = { fields: [], ops: [] };
  if (body.length < AS_MSG_HEADER_SIZE) return layout;
  let at = AS_MSG_HEADER_SIZE;
  const walk = (list: number[], count: number) => {
    for (; count > 0 && at + 4 <= body.length; count--) {
      list.push(at);
      at += 4 + readU32(body, at);
    }
  };
  walk(layout.fields, readU16(body, 18));
  walk(layout.ops, readU16(body, 20));
  return layout;
}

function flipBits(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  for (let count = 1 + random.below(8); count > 0 && copy.length > 0; count--) {
    copy[random.below(copy.length)] ^= 1 << random.below(8);
  }
  return copy;
}

function flipHeaderBits(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  for (let count = 1 + random.below(4); count > 0; count--) {
    copy[random.below(Math.min(copy.length, AS_MSG_HEADER_SIZE))] ^= 1 << random.below(8);
  }
  return copy;
}

function lieAboutLength(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const { fields, ops } = layoutOf(body);
  const places = [...fields, ...ops].filter((at) => at + 8 <= copy.length);
  if (places.length === 0) return flipBits(random, body);
  const at = random.pick(places);
  if (ops.includes(at) && random.oneIn(3)) {
    copy[at + 7] = random.pick(INTERESTING_NUMBERS);
  } else {
    const near = readU32(copy, at) + random.below(9) - 4;
    writeU32(copy, at, random.oneIn(2) ? near : random.pick(INTERESTING_NUMBERS));
  }
  return copy;
}

function truncate(random: SeededRandom, body: Uint8Array): Uint8Array {
  return body.slice(0, random.below(body.length + 1));
}

function extend(random: SeededRandom, body: Uint8Array): Uint8Array {
  return concat([body, random.bytes(1 + random.below(64))]);
}

/** Repeating adds at most this many bytes: larger frames test nothing more and cost time. */
const REPEATED_SIZE_MAX = 64 * 1024;

function repeatCount(part: Uint8Array, wanted: number): number {
  return Math.min(wanted, Math.ceil(REPEATED_SIZE_MAX / part.length));
}

function repeatField(random: SeededRandom, body: Uint8Array): Uint8Array {
  const { fields } = layoutOf(body);
  if (fields.length === 0) return flipBits(random, body);
  const at = random.pick(fields);
  const part = body.subarray(at, at + 4 + readU32(body, at));
  const times = repeatCount(part, random.oneIn(8) ? 200 : 1 + random.below(3));
  const copy = concat([body.subarray(0, at), ...new Array(times).fill(part), body.subarray(at)]);
  writeU16(copy, 18, readU16(body, 18) + times);
  return copy;
}

function dropField(random: SeededRandom, body: Uint8Array): Uint8Array {
  const { fields } = layoutOf(body);
  if (fields.length === 0) return flipBits(random, body);
  const at = random.pick(fields);
  const copy = concat([body.subarray(0, at), body.subarray(at + 4 + readU32(body, at))]);
  writeU16(copy, 18, readU16(body, 18) - 1);
  return copy;
}

function repeatOps(random: SeededRandom, body: Uint8Array): Uint8Array {
  const { ops } = layoutOf(body);
  if (ops.length === 0) return flipBits(random, body);
  const part = body.subarray(ops[0]);
  const times = repeatCount(part, random.oneIn(8) ? 1000 : 1 + random.below(4));
  const copy = concat([body, ...new Array(times).fill(part)]);
  writeU16(copy, 20, Math.min(0xffff, readU16(body, 20) * (times + 1)));
  return copy;
}

function hugeCount(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  if (copy.length < AS_MSG_HEADER_SIZE) return copy;
  writeU16(copy, random.pick([18, 20]), random.pick([0, 1, 2, 64, 255, 32767, 32768, 65535]));
  return copy;
}

function swapOp(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const places = layoutOf(body).ops.filter((at) => at + 8 <= copy.length);
  if (places.length === 0) return flipHeaderBits(random, body);
  const at = random.pick(places);
  if (random.oneIn(2)) copy[at + 4] = random.oneIn(4) ? random.below(256) : random.below(20);
  else copy[at + 5] = random.oneIn(4) ? random.below(256) : random.below(26);
  return copy;
}

function swapFieldType(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const places = layoutOf(body).fields.filter((at) => at + 5 <= copy.length);
  if (places.length === 0) return flipHeaderBits(random, body);
  copy[random.pick(places) + 4] = random.below(48);
  return copy;
}

/** Damage at the place where the values of operations and fields are: containers that lie, and deep nesting. */
function damageMsgpack(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const { fields, ops } = layoutOf(body);
  const places = [...ops.map((at) => at + 8), ...fields.map((at) => at + 5)].filter((at) => at < copy.length);
  if (places.length === 0) return flipBits(random, body);
  const start = random.pick(places);
  const at = start + random.below(Math.min(64, copy.length - start));
  const damage = random.oneIn(6)
    ? new Array(1 + random.below(64)).fill(random.pick([0x91, 0x81, 0x92, 0x93]))
    : random.pick(MSGPACK_HEADS);
  copy.set(damage.slice(0, copy.length - at), at);
  return copy;
}

/** Replaces the last operation's value by containers nested as deep as a frame can hold cheaply. */
function nestDeeply(random: SeededRandom, body: Uint8Array): Uint8Array {
  const at = layoutOf(body).ops.at(-1);
  if (at === undefined || at + 8 > body.length) return flipBits(random, body);
  const depth = random.pick([200, 255, 256, 257, 1000, 20_000]);
  const head = body.slice(at, at + 8 + body[at + 7]);
  head[5] = random.pick([4, 19, 20]);
  const value = new Uint8Array(depth).fill(random.pick([0x91, 0x81, 0x92]));
  writeU32(head, 0, head.length - 4 + depth);
  return concat([body.subarray(0, at), head, value]);
}

/** Damage in the rows of a batch: their count, and anything in them. */
function damageBatch(random: SeededRandom, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  const at = layoutOf(body).fields.find((field) => copy[field + 4] === FIELD.BATCH);
  if (at === undefined || at + 9 > copy.length) return damageMsgpack(random, body);
  if (random.oneIn(3)) writeU32(copy, at + 5, random.pick(INTERESTING_NUMBERS));
  else copy[at + 9 + random.below(Math.max(1, copy.length - at - 9))] = random.u32();
  return copy;
}

/** Replaces a field's value by one of another size, the field's size being right. */
function resizeField(random: SeededRandom, body: Uint8Array): Uint8Array {
  const { fields } = layoutOf(body);
  if (fields.length === 0) return flipBits(random, body);
  const at = random.pick(fields);
  const value = random.bytes(random.pick([0, 1, 2, 3, 4, 7, 8, 19, 20, 21, 40, 8190, 8191, 8194, 20_000]));
  const head = new Uint8Array(5);
  writeU32(head, 0, value.length + 1);
  head[4] = body[at + 4];
  return concat([body.subarray(0, at), head, value, body.subarray(at + 4 + readU32(body, at))]);
}

function damageText(random: SeededRandom, body: Uint8Array): Uint8Array {
  const at = random.below(body.length + 1);
  const pieces = [
    "\n",
    "\t",
    ";",
    ":",
    "=",
    "/",
    "\0",
    "\u{1f600}",
    "%s%n",
    "=".repeat(3000),
    "a".repeat(20_000),
  ];
  const damage = random.oneIn(4) ? random.bytes(1 + random.below(32)) : utf8(random.pick(pieces));
  const rest = body.subarray(at + (random.oneIn(2) ? random.below(8) : 0));
  return concat([body.subarray(0, at), damage, rest]);
}

const RECORD_MUTATORS: readonly Mutator[] = [
  flipBits,
  flipBits,
  flipHeaderBits,
  lieAboutLength,
  lieAboutLength,
  truncate,
  extend,
  repeatField,
  dropField,
  repeatOps,
  hugeCount,
  swapOp,
  swapOp,
  swapFieldType,
  damageMsgpack,
  damageMsgpack,
  nestDeeply,
  damageBatch,
  resizeField,
];

const INFO_MUTATORS: readonly Mutator[] = [flipBits, truncate, damageText, damageText];

/** One in this many mutations breaks the framing. */
const BROKEN_FRAME_ODDS = 40;
/** One in this many is a compressed message. */
const COMPRESSED_ODDS = 50;
/** One in this many takes the body of one type under the header of another. */
const WRONG_TYPE_ODDS = 60;

/**
 * Makes a mutation.
 *
 * @param shapes what to mutate
 * @param choice seed and number of the mutation
 */
export async function mutate(
  shapes: readonly Shape[],
  choice: { seed: number; index: number },
): Promise<Mutation> {
  const { index } = choice;
  const random = new SeededRandom(Math.imul(choice.seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  const frame = random.pick(shapes[index % shapes.length].frames);
  if (random.oneIn(COMPRESSED_ODDS)) {
    return { index, ...await compressedMutation(random, frame), framed: true };
  }
  const body = mutatedBody(random, frame);
  if (random.oneIn(WRONG_TYPE_ODDS)) {
    const type = random.pick([PROTO_TYPE_INFO, 2, PROTO_TYPE_AS_MSG]);
    return { index, kind: `wrong type ${type}`, bytes: frameOf(body.bytes, type), framed: true };
  }
  const whole = frameOf(body.bytes, frameType(frame));
  if (random.oneIn(BROKEN_FRAME_ODDS)) return { index, ...breakFrame(random, whole), framed: false };
  return { index, kind: body.kind, bytes: whole, framed: true };
}

function mutatedBody(random: SeededRandom, frame: Uint8Array): { bytes: Uint8Array; kind: string } {
  const mutators = frameType(frame) === PROTO_TYPE_INFO ? INFO_MUTATORS : RECORD_MUTATORS;
  let bytes = frameBody(frame);
  const kinds: string[] = [];
  for (let count = random.oneIn(4) ? 2 : 1; count > 0; count--) {
    const mutator = random.pick(mutators);
    bytes = mutator(random, bytes);
    kinds.push(mutator.name);
  }
  return { bytes, kind: kinds.join(", ") };
}

function breakFrame(random: SeededRandom, frame: Uint8Array): { bytes: Uint8Array; kind: string } {
  const bytes = frame.slice();
  switch (random.below(6)) {
    case 0:
      bytes[0] = random.pick([0, 1, 3, 22, 255]);
      return { bytes, kind: "wrong version" };
    case 1:
      bytes[1] = random.pick([0, 5, 6, 7, 255]);
      return { bytes, kind: "wrong type" };
    case 2:
      bytes.set(random.bytes(6), 2);
      return { bytes, kind: "random size" };
    case 3:
      writeU32(bytes, 4, readU32(bytes, 4) + 1 + random.below(1000));
      return { bytes, kind: "size too large" };
    case 4:
      return { bytes: bytes.slice(0, random.below(bytes.length)), kind: "cut" };
    default:
      return { bytes: random.bytes(PROTO_HEADER_SIZE + random.below(500)), kind: "garbage" };
  }
}
