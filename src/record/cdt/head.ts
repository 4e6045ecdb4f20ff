/**
 * The head of a list or map: number of elements and, in an ordered one, the header element.
 *
 * | part           | list                        | map                                   |
 * | -------------- | --------------------------- | ------------------------------------- |
 * | count          | `90`-`9f`, `dc`, `dd`       | `80`-`8f`, `de`, `df`                 |
 * | header element | `c7 00 FLAGS`, if there are | `c7 00 FLAGS c0`, if there are flags  |
 * |                | flags; counted              |                                       |
 *
 * In a stored bin the header element may carry data, the persisted index: `c7 SIZE FLAGS data`, `c8` and `c9` for sizes
 * of two and four bytes. The data is described in `offset_index.ts`; no client ever sees it, nor the flags that go with
 * it: `plainSize` and `writePlain` take them off.
 * Source: data type reference, section 1.4.
 *
 * @module
 */

import { copyBytes, readU16, readU32, writeU16, writeU32 } from "../../base/mod.ts";
import { skipValue } from "./value.ts";

/** Flags of the header element. */
export const FLAG = {
  /** Sorted list, or map sorted by key. */
  ORDERED: 0x01,
  /** Map that is also to be found by value; counts only together with ORDERED. */
  VALUE_ORDERED: 0x02,
  /** In results: the client must keep the entries' order. */
  PRESERVE_ORDER: 0x08,
  /** The container has a persisted index, or is to have one. Only the value of a bin; never shown to a client. */
  PERSIST_INDEX: 0x10,
  /** The header element's data is an index of the form of `offset_index.ts`; other nodes' indexes have other forms. */
  OWN_INDEX: 0x80,
} as const;

/** Flags that a client may see. */
const CLIENT_FLAGS = ~(FLAG.PERSIST_INDEX | FLAG.OWN_INDEX);

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
  at = writeCount(target, at, flags === 0 ? count : count + 1, isMap);
  if (flags === 0) return at;
  target[at] = 0xc7;
  target[at + 1] = 0;
  target[at + 2] = flags;
  if (isMap) target[at + 3] = 0xc0;
  return at + (isMap ? 4 : 3);
}

/** Writes the number of elements or entries, the header element included; the offset after it. */
function writeCount(target: Uint8Array, at: number, total: number, isMap: boolean): number {
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
  return at;
}

/** A head whose header element carries data. */
export interface IndexedHead {
  /** Elements of the list or entries of the map. */
  count: number;
  /** Flags of the header element. */
  flags: number;
  /** It is a map's. */
  isMap: boolean;
  /** Bytes of the data. */
  dataSize: number;
}

/** Bytes of a head with data, at most, without the data. */
export const INDEXED_HEAD_SIZE_MAX = 12;

/** Bytes of a head with data, the data included. */
export function indexedHeadSize({ count, dataSize, isMap }: IndexedHead): number {
  const total = count + 1;
  const lengthSize = dataSize < 0x100 ? 1 : dataSize < 0x1_0000 ? 2 : 4;
  return (total < 16 ? 1 : total < 0x1_0000 ? 3 : 5) + 2 + lengthSize + dataSize + (isMap ? 1 : 0);
}

/**
 * Writes a head whose data the caller writes.
 *
 * @returns the offset of the data
 */
export function writeIndexedHead(target: Uint8Array, at: number, head: IndexedHead): number {
  const { count, dataSize, flags, isMap } = head;
  at = writeCount(target, at, count + 1, isMap);
  if (dataSize < 0x100) {
    target[at] = 0xc7;
    target[at + 1] = dataSize;
    at += 2;
  } else if (dataSize < 0x1_0000) {
    target[at] = 0xc8;
    writeU16(target, at + 1, dataSize);
    at += 3;
  } else {
    target[at] = 0xc9;
    writeU32(target, at + 1, dataSize);
    at += 5;
  }
  target[at++] = flags;
  if (isMap) target[at + dataSize] = 0xc0;
  return at;
}

/** Whether the value of a bin, a list or map of `sizeBytes`, has a persisted index, whatever that may hold. */
export function isPersisted(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
  const lead = bytes[at];
  const headerAt = at + (lead < 0xa0 ? 1 : (lead & 1) === 0 ? 3 : 5);
  const size = bytes[headerAt] - 0xc7;
  // An empty container has no header element; a byte that looks like one is outside then.
  if (size < 0 || size > 2 || lead === 0x80 || lead === 0x90) return false;
  const flagsAt = headerAt + (size === 0 ? 2 : size === 1 ? 3 : 5);
  return flagsAt < at + sizeBytes && (bytes[flagsAt] & FLAG.PERSIST_INDEX) !== 0 &&
    !isSpecialForm(bytes, headerAt);
}

const plainHead: Head = makeHead();

/** Bytes of a list or map as the value of a bin, without its persisted index. */
export function plainSize(bytes: Uint8Array, at: number, sizeBytes: number): number {
  if (!isPersisted(bytes, at, sizeBytes)) return sizeBytes;
  readHead(bytes, at, plainHead);
  const contentSize = at + sizeBytes - plainHead.contentAt;
  // What says that it is longer than it is goes out as it is.
  if (contentSize < 0) return sizeBytes;
  return headSize(plainHead.count, plainHead.flags & CLIENT_FLAGS, isMapLead(bytes[at])) + contentSize;
}

/** Writes a list or map of `sizeBytes` without its persisted index; `plainSize` bytes. */
export function writePlain(
  bytes: Uint8Array,
  at: number,
  sizeBytes: number,
  target: Uint8Array,
  targetAt: number,
): void {
  const end = at + sizeBytes;
  if (isPersisted(bytes, at, sizeBytes)) {
    readHead(bytes, at, plainHead);
    const { contentAt, count, flags } = plainHead;
    if (contentAt <= end) {
      targetAt = writeHead(target, targetAt, count, flags & CLIENT_FLAGS, isMapLead(bytes[at]));
      at = contentAt;
    }
  }
  copyBytes(bytes, at, target, targetAt, end - at);
}
