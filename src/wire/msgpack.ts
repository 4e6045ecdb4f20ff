/**
 * Structure of msgpack without its meaning: where a value ends, and whether some bytes are exactly one list or map.
 * Values are skipped without recursion and without allocation, so hostile nesting costs nothing.
 * Source: the msgpack format; wire-protocol reference, section 4.6.
 *
 * @module
 */

import { readU16, readU32 } from "../base/mod.ts";

/**
 * Skips values.
 *
 * @param bytes buffer
 * @param at offset of the first value
 * @param limits end of the buffer's valid part, and how many values to skip
 * @returns the offset after them, or -1 when they overrun `end` or contain the unused type byte c1
 */
export function msgpackSkip(bytes: Uint8Array, at: number, limits: { end: number; count?: number }): number {
  const end = limits.end;
  let pending = limits.count ?? 1;
  while (pending > 0) {
    if (at >= end) return -1;
    pending--;
    const type = bytes[at];
    if (type <= 0x7f || type >= 0xe0) {
      at += 1;
    } else if (type <= 0x8f) {
      pending += (type & 0x0f) * 2;
      at += 1;
    } else if (type <= 0x9f) {
      pending += type & 0x0f;
      at += 1;
    } else if (type <= 0xbf) {
      at += 1 + (type & 0x1f);
    } else {
      const size = headerSize(type);
      if (size === 0 || end - at < size) return -1;
      pending += childCount(bytes, at);
      at += size + dataSize(bytes, at);
    }
    // Every pending value needs at least one byte: a count that promises more than is left is caught here at once.
    if (at > end || pending > end - at) return -1;
  }
  return at;
}

/** Bytes of type and length, for types c0 to df; 0 for the unused one. */
function headerSize(type: number): number {
  switch (type) {
    case 0xc1:
      return 0;
    case 0xc4:
    case 0xd9:
      return 2;
    case 0xc5:
    case 0xda:
    case 0xdc:
    case 0xde:
      return 3;
    case 0xc6:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return 5;
    case 0xc7:
      return 3;
    case 0xc8:
      return 4;
    case 0xc9:
      return 6;
    default:
      return 1;
  }
}

/** Bytes of data after the header, for types c0 to df. */
function dataSize(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0xc4:
    case 0xd9:
    case 0xc7:
      return bytes[at + 1];
    case 0xc5:
    case 0xda:
    case 0xc8:
      return readU16(bytes, at + 1);
    case 0xc6:
    case 0xdb:
    case 0xc9:
      return readU32(bytes, at + 1);
    case 0xcc:
    case 0xd0:
      return 1;
    case 0xcd:
    case 0xd1:
      return 2;
    case 0xca:
    case 0xce:
    case 0xd2:
      return 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 8;
    case 0xd4:
      return 2;
    case 0xd5:
      return 3;
    case 0xd6:
      return 5;
    case 0xd7:
      return 9;
    case 0xd8:
      return 17;
    default:
      return 0;
  }
}

/** Values inside a list or map with a long header. */
function childCount(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0xdc:
      return readU16(bytes, at + 1);
    case 0xdd:
      return readU32(bytes, at + 1);
    case 0xde:
      return readU16(bytes, at + 1) * 2;
    case 0xdf:
      return readU32(bytes, at + 1) * 2;
    default:
      return 0;
  }
}

/** Whether a type byte opens a list. */
export function isMsgpackList(type: number): boolean {
  return (type >= 0x90 && type <= 0x9f) || type === 0xdc || type === 0xdd;
}

/** Whether a type byte opens a map. */
export function isMsgpackMap(type: number): boolean {
  return (type >= 0x80 && type <= 0x8f) || type === 0xde || type === 0xdf;
}
