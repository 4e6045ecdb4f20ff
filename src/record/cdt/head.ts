/**
 * The head of a list or map: number of elements and, in an ordered one, the header element.
 *
 * | part           | list                        | map                                   |
 * | -------------- | --------------------------- | ------------------------------------- |
 * | count          | `90`-`9f`, `dc`, `dd`       | `80`-`8f`, `de`, `df`                 |
 * | header element | `c7 00 FLAGS`, if there are | `c7 00 FLAGS c0`, if there are flags  |
 * |                | flags; counted              |                                       |
 *
 * The header element may carry data: the offsets of a persisted index, see `offset_index.ts`.
 * Source: data type reference, section 1.4.
 *
 * @module
 */

import { readU16, readU32, writeU16, writeU32 } from "../../base/mod.ts";
import { skipValue } from "./value.ts";

/** Flags of the header element. */
export const FLAG = {
  /** Sorted list, or map sorted by key. */
  ORDERED: 0x01,
  /** Map that is also to be found by value; counts only together with ORDERED. */
  VALUE_ORDERED: 0x02,
  /** In results: the client must keep the entries' order. */
  PRESERVE_ORDER: 0x08,
  /** The header element carries the elements' offsets. Never shown to a client. */
  PERSIST_INDEX: 0x10,
} as const;

/** What a head says. */
export interface Head {
  /** Elements of a list or entries of a map, without the header. */
  count: number;
  /** Flags of the header element, 0 without one. */
  flags: number;
  /** Offset of the header element's data. */
  dataAt: number;
  /** Bytes of the header element's data. */
  dataSize: number;
  /** Offset of the first element or key. */
  contentAt: number;
}

/** Makes an empty head. */
export function makeHead(): Head {
  return { count: 0, flags: 0, dataAt: 0, dataSize: 0, contentAt: 0 };
}

/** Heads for short use: each belongs to the function that fills it, until it calls another one. */
export const listHead: Head = makeHead();
/** As `listHead`, for maps. */
export const mapHead: Head = makeHead();

/** Whether a map's first byte stands at an offset. */
export function isMapLead(lead: number): boolean {
  return (lead & 0xf0) === 0x80 || lead === 0xde || lead === 0xdf;
}

/** Whether a list's first byte stands at an offset. */
export function isListLead(lead: number): boolean {
  return (lead & 0xf0) === 0x90 || lead === 0xdc || lead === 0xdd;
}

/**
 * Reads the head of the list or map at `at`, whose bytes are there up to the first element.
 *
 * @param head receives what was read
 */
export function readHead(bytes: Uint8Array, at: number, head: Head): void {
  const lead = bytes[at];
  let count: number;
  if (lead < 0xa0) {
    count = lead & 0x0f;
    at += 1;
  } else if (lead === 0xdc || lead === 0xde) {
    count = readU16(bytes, at + 1);
    at += 3;
  } else {
    count = readU32(bytes, at + 1);
    at += 5;
  }
  head.flags = 0;
  head.dataSize = 0;
  const first = bytes[at];
  if (count > 0 && first >= 0xc7 && first <= 0xc9 && !isSpecialForm(bytes, at)) {
    count--;
    at = readHeaderElement(bytes, at, head);
    if (isMapLead(lead)) at = bytes[at] === 0xc0 ? at + 1 : skipValue(bytes, at, bytes.length);
  }
  head.count = count;
  head.contentAt = at;
}

/** The long form of wildcard and infinity looks like a header element with one byte of data. */
function isSpecialForm(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xc7 && bytes[at + 1] === 1 && bytes[at + 2] === 0xff;
}

function readHeaderElement(bytes: Uint8Array, at: number, head: Head): number {
  const lead = bytes[at];
  const dataSize = lead === 0xc7
    ? bytes[at + 1]
    : lead === 0xc8
    ? readU16(bytes, at + 1)
    : readU32(bytes, at + 1);
  const flagsAt = at + (lead === 0xc7 ? 2 : lead === 0xc8 ? 3 : 5);
  head.flags = bytes[flagsAt];
  head.dataAt = flagsAt + 1;
  head.dataSize = dataSize;
  return flagsAt + 1 + dataSize;
}

/** Bytes of a head with `count` elements; the flags need a header element unless they are 0. */
export function headSize(count: number, flags: number, isMap: boolean): number {
  const total = flags === 0 ? count : count + 1;
  return (total < 16 ? 1 : total < 0x1_0000 ? 3 : 5) + (flags === 0 ? 0 : isMap ? 4 : 3);
}

/** Bytes that a head without data needs at most. */
export const HEAD_SIZE_MAX = 9;

/**
 * Writes a head.
 *
 * @returns the offset after it
 */
export function writeHead(
  target: Uint8Array,
  at: number,
  count: number,
  flags: number,
  isMap: boolean,
): number {
  const total = flags === 0 ? count : count + 1;
  if (total < 16) {
    target[at++] = (isMap ? 0x80 : 0x90) | total;
  } else if (total < 0x1_0000) {
    target[at] = isMap ? 0xde : 0xdc;
    writeU16(target, at + 1, total);
    at += 3;
  } else {
    target[at] = isMap ? 0xdf : 0xdd;
    writeU32(target, at + 1, total);
    at += 5;
  }
  if (flags === 0) return at;
  target[at] = 0xc7;
  target[at + 1] = 0;
  target[at + 2] = flags;
  if (isMap) target[at + 3] = 0xc0;
  return at + (isMap ? 4 : 3);
}
