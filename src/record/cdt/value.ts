/**
 * One msgpack value inside a list, a map or a call: where it ends, which class of the total order it belongs to, and
 * its number or text. Values are read where they lie; functions that give more than one number leave them in `parsed`.
 * Source: data type reference, sections 1.1, 1.2 and 1.6.
 *
 * @module
 */

import { readU16, readU32 } from "../../base/mod.ts";
import { msgpackSkip } from "../../wire/mod.ts";

/** Classes of the total order, ascending. `WILDCARD` has no place in it: it equals everything. */
export const CLASS = {
  INVALID: 0,
  NIL: 1,
  FALSE: 2,
  TRUE: 3,
  NEGATIVE: 4,
  INTEGER: 5,
  STRING: 6,
  LIST: 7,
  MAP: 8,
  BYTES: 9,
  FLOAT: 10,
  GEOJSON: 11,
  EXT: 12,
  INFINITY: 13,
  WILDCARD: 14,
} as const;

/** First byte of a tagged string: what the rest is. */
export const TAG = { STRING: 3, BLOB: 4, HLL: 18, GEOJSON: 23 } as const;

/** Classes that need more than the first byte. */
const SIGNED = 100;
const TEXT = 101;
const EXTENSION = 102;

/** Class by first byte. */
const CLASS_OF_LEAD = new Uint8Array(256);
/** Bytes of a value that has neither children nor a length, by first byte; 0 for all others. */
const SCALAR_SIZE = new Uint8Array(256);

for (let lead = 0; lead < 256; lead++) {
  CLASS_OF_LEAD[lead] = classOfLead(lead);
  SCALAR_SIZE[lead] = scalarSize(lead);
}

function classOfLead(lead: number): number {
  if (lead <= 0x7f || (lead >= 0xcc && lead <= 0xcf)) return CLASS.INTEGER;
  if (lead >= 0xe0) return CLASS.NEGATIVE;
  if (lead <= 0x8f || lead >= 0xde) return CLASS.MAP;
  if (lead <= 0x9f || lead >= 0xdc) return CLASS.LIST;
  if (lead <= 0xbf || lead >= 0xd9 || (lead >= 0xc4 && lead <= 0xc6)) return TEXT;
  if (lead >= 0xd4 || (lead >= 0xc7 && lead <= 0xc9)) return EXTENSION;
  if (lead >= 0xd0) return SIGNED;
  if (lead >= 0xca) return CLASS.FLOAT;
  return lead === 0xc0 ? CLASS.NIL : lead === 0xc2 ? CLASS.FALSE : lead === 0xc3 ? CLASS.TRUE : CLASS.INVALID;
}

function scalarSize(lead: number): number {
  if (lead <= 0x7f || lead >= 0xe0 || lead === 0xc0 || lead === 0xc2 || lead === 0xc3) return 1;
  if (lead >= 0xa0 && lead <= 0xbf) return 1 + (lead & 0x1f);
  if (lead === 0xca) return 5;
  if (lead === 0xcb) return 9;
  if (lead >= 0xcc && lead <= 0xd3) return 1 + (1 << (lead & 3));
  return 0;
}

/** Where functions of this file leave what they read; valid until the next call. */
export const parsed = {
  /** Offset of a text's tag byte. */
  textAt: 0,
  /** Bytes of a text, its tag included. */
  textSize: 0,
  /** Upper word of an integer, signed. */
  high: 0,
  /** Lower word of an integer, signed. */
  low: 0,
};

const skipLimits = { end: 0, count: 1 };

/**
 * Skips one value.
 *
 * @returns the offset after it, or -1 when it overruns `end` or is malformed
 */
export function skipValue(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const size = SCALAR_SIZE[bytes[at]];
  if (size > 0) return size <= end - at ? at + size : -1;
  skipLimits.end = end;
  return msgpackSkip(bytes, at, skipLimits);
}

/** Class of the value at `at`, which has been skipped before: its bytes are there. */
export function classOf(bytes: Uint8Array, at: number): number {
  const kind = CLASS_OF_LEAD[bytes[at]];
  if (kind < SIGNED) return kind;
  if (kind === SIGNED) return bytes[at + 1] < 0x80 ? CLASS.INTEGER : CLASS.NEGATIVE;
  if (kind === TEXT) return classOfText(bytes, at);
  return classOfExtension(bytes, at);
}

function classOfText(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead <= 0xbf) return lead === 0xa0 ? CLASS.BYTES : classOfTag(bytes[at + 1]);
  readText(bytes, at);
  return parsed.textSize === 0 ? CLASS.BYTES : classOfTag(bytes[parsed.textAt]);
}

function classOfTag(tag: number): number {
  return tag === TAG.STRING ? CLASS.STRING : tag === TAG.GEOJSON ? CLASS.GEOJSON : CLASS.BYTES;
}

function classOfExtension(bytes: Uint8Array, at: number): number {
  const special = bytes[at] === 0xd4
    ? bytes[at + 1] === 0xff ? bytes[at + 2] : -1
    : bytes[at] === 0xc7 && bytes[at + 1] === 1 && bytes[at + 2] === 0xff
    ? bytes[at + 3]
    : -1;
  return special === 0 ? CLASS.WILDCARD : special === 1 ? CLASS.INFINITY : CLASS.EXT;
}

/** Whether the value at `at` is a wildcard or infinity in any of their forms. */
export function isSpecial(bytes: Uint8Array, at: number): boolean {
  const kind = classOf(bytes, at);
  return kind === CLASS.WILDCARD || kind === CLASS.INFINITY;
}

/** Whether the value is an integer, of whatever size. */
export function isInteger(bytes: Uint8Array, at: number): boolean {
  const kind = classOf(bytes, at);
  return kind === CLASS.INTEGER || kind === CLASS.NEGATIVE;
}

/** Whether a map may have the value as a key: integer, string or blob. */
export function isMapKey(bytes: Uint8Array, at: number): boolean {
  const kind = classOf(bytes, at);
  if (kind === CLASS.INTEGER || kind === CLASS.NEGATIVE || kind === CLASS.STRING) return true;
  if (kind !== CLASS.BYTES) return false;
  readText(bytes, at);
  return parsed.textSize > 0 && bytes[parsed.textAt] === TAG.BLOB;
}

/** Reads where a text's bytes are, tag included, into `parsed`. The value is one: its class says so. */
export function readText(bytes: Uint8Array, at: number): void {
  const lead = bytes[at];
  if (lead <= 0xbf) {
    parsed.textAt = at + 1;
    parsed.textSize = lead & 0x1f;
  } else if (lead === 0xd9 || lead === 0xc4) {
    parsed.textAt = at + 2;
    parsed.textSize = bytes[at + 1];
  } else if (lead === 0xda || lead === 0xc5) {
    parsed.textAt = at + 3;
    parsed.textSize = readU16(bytes, at + 1);
  } else {
    parsed.textAt = at + 5;
    parsed.textSize = readU32(bytes, at + 1);
  }
}

/** Reads an integer's two words into `parsed`. */
export function readInteger(bytes: Uint8Array, at: number): void {
  const lead = bytes[at];
  if (lead <= 0x7f || lead >= 0xe0) {
    setSmall(lead <= 0x7f ? lead : lead - 0x100);
    return;
  }
  switch (lead) {
    case 0xcc:
      return setSmall(bytes[at + 1]);
    case 0xcd:
      return setSmall(readU16(bytes, at + 1));
    case 0xce:
      parsed.high = 0;
      parsed.low = readU32(bytes, at + 1) | 0;
      return;
    case 0xd0:
      return setSmall((bytes[at + 1] << 24) >> 24);
    case 0xd1:
      return setSmall((readU16(bytes, at + 1) << 16) >> 16);
    case 0xd2:
      return setSmall(readU32(bytes, at + 1) | 0);
    default:
      parsed.high = readU32(bytes, at + 1) | 0;
      parsed.low = readU32(bytes, at + 5) | 0;
  }
}

function setSmall(value: number): void {
  parsed.high = value < 0 ? -1 : 0;
  parsed.low = value;
}

/** An integer as a signed number: exact up to 2^53, nearest double beyond. */
export function integerValue(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  if (lead <= 0x7f) return lead;
  readInteger(bytes, at);
  return parsed.high * 0x1_0000_0000 + (parsed.low >>> 0);
}

const floatBytes = new Uint8Array(8);
const floatView = new DataView(floatBytes.buffer);

/** The value of a float of either size. */
export function floatValue(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 0xca) {
    for (let index = 0; index < 4; index++) floatBytes[index] = bytes[at + 1 + index];
    return floatView.getFloat32(0);
  }
  for (let index = 0; index < 8; index++) floatBytes[index] = bytes[at + 1 + index];
  return floatView.getFloat64(0);
}

/** Splits a double into two words, which it leaves in `parsed`. */
export function splitFloat(value: number): void {
  floatView.setFloat64(0, value);
  parsed.high = floatView.getInt32(0);
  parsed.low = floatView.getInt32(4);
}
