/**
 * The stored form of a value: smallest integers and lengths, binary strings as strings, maps sorted by key, header
 * elements without data, nothing that only queries may contain. The stored form is never longer than what was sent, but
 * for the persisted index of a bin's value.
 * Source: data type reference, sections 1.2 to 1.5.
 *
 * @module
 */

import { type ByteBuffer, copyBytes, MSGPACK_DEPTH_MAX, writeU16, writeU32 } from "../../base/mod.ts";
import { appendIndexed } from "./builder.ts";
import { compareValues } from "./compare.ts";
import {
  FLAG,
  type Head,
  isListLead,
  isMapLead,
  isPersisted,
  makeHead,
  readHead,
  writeHead,
} from "./head.ts";
import { CLASS, classOf, isMapKey, parsed, readInteger, readText, skipValue } from "./value.ts";

/** Where the next value goes, while one is written. */
let target: Uint8Array = new Uint8Array(0);
let to = 0;

/** Heads of the containers that are open, by depth. */
const heads: Head[] = [];

/**
 * Appends a value's stored form.
 *
 * @param bytes buffer with the value, whose bytes are all there (it was skipped before)
 * @param out receives the stored form
 * @returns the size of the stored form in bytes, or -1 when the value can't be stored; then `out` is as it was
 */
export function appendStored(bytes: Uint8Array, at: number, end: number, out: ByteBuffer): number {
  const start = out.reserve(end - at);
  target = out.bytes;
  to = start;
  if (storeValue(bytes, at, 0) < 0) return -1;
  out.length = to;
  return to - start;
}

/** Writes one value; the offset after it in `bytes`, or -1. */
function storeValue(bytes: Uint8Array, at: number, depth: number): number {
  const lead = bytes[at];
  if (lead <= 0x7f || lead >= 0xe0) {
    target[to++] = lead;
    return at + 1;
  }
  switch (classOf(bytes, at)) {
    case CLASS.NEGATIVE:
    case CLASS.INTEGER: {
      const isPositive = classOf(bytes, at) === CLASS.INTEGER;
      readInteger(bytes, at);
      to = writeInteger(target, to, parsed.high, parsed.low, isPositive);
      return skipValue(bytes, at, bytes.length);
    }
    case CLASS.STRING:
    case CLASS.BYTES:
    case CLASS.GEOJSON:
      readText(bytes, at);
      to = writeTextHead(target, to, parsed.textSize);
      copyBytes(bytes, parsed.textAt, target, to, parsed.textSize);
      to += parsed.textSize;
      return parsed.textAt + parsed.textSize;
    case CLASS.LIST:
      return depth < MSGPACK_DEPTH_MAX ? storeList(bytes, at, depth) : -1;
    case CLASS.MAP:
      return depth < MSGPACK_DEPTH_MAX ? storeMap(bytes, at, depth) : -1;
    case CLASS.WILDCARD:
    case CLASS.INFINITY:
    case CLASS.INVALID:
      return -1;
    default: {
      const next = skipValue(bytes, at, bytes.length);
      copyBytes(bytes, at, target, to, next - at);
      to += next - at;
      return next;
    }
  }
}

function headAt(depth: number): Head {
  while (heads.length <= depth) heads.push(makeHead());
  return heads[depth];
}

function storeList(bytes: Uint8Array, at: number, depth: number): number {
  const head = headAt(depth);
  readHead(bytes, at, head);
  const count = head.count;
  const isOrdered = (head.flags & FLAG.ORDERED) !== 0;
  to = writeHead(target, to, count, head.flags & FLAG.ORDERED, false);
  at = head.contentAt;
  let before = -1;
  for (let index = 0; index < count; index++) {
    const written = to;
    at = storeValue(bytes, at, depth + 1);
    if (at < 0) return -1;
    if (isOrdered && before >= 0 && compareValues(target, before, target, written) > 0) return -1;
    before = written;
  }
  return at;
}

function storeMap(bytes: Uint8Array, at: number, depth: number): number {
  const head = headAt(depth);
  readHead(bytes, at, head);
  const { count } = head;
  const flags = head.flags & (FLAG.ORDERED | FLAG.VALUE_ORDERED);
  to = writeHead(target, to, count, flags, true);
  at = head.contentAt;
  const contentAt = to;
  let isSorted = true;
  let before = -1;
  for (let index = 0; index < count; index++) {
    if (!isMapKey(bytes, at)) return -1;
    const written = to;
    at = storeValue(bytes, at, depth + 1);
    if (before >= 0 && isSorted) {
      const order = compareValues(target, before, target, written);
      if (order === 0 || (order > 0 && flags !== 0)) return -1;
      isSorted = order < 0;
    }
    before = written;
    at = storeValue(bytes, at, depth + 1);
    if (at < 0) return -1;
  }
  return isSorted || sortEntries(contentAt, count, 2) ? at : -1;
}

/** Room for sorting the entries of one map: begin of each entry, and a copy of all of them. */
let entryAt = new Int32Array(64);
let copy = new Uint8Array(1024);
/** Entries and bytes of sorting room that are kept for the next map. */
const KEPT_COUNT_MAX = 16 * 1024;

function byKey(left: number, right: number): number {
  return compareValues(copy, left, copy, right);
}

/**
 * Sorts the content of a list or map in place: elements by value, or entries by key.
 *
 * @param range the content, which is well-formed
 * @param count elements or entries
 */
export function sortContent(
  range: { bytes: Uint8Array; at: number; end: number },
  count: number,
  isMap: boolean,
): void {
  if (count < 2) return;
  target = range.bytes;
  to = range.end;
  sortEntries(range.at, count, isMap ? 2 : 1);
}

/**
 * Sorts the entries from `contentAt` to the end of what is written.
 *
 * @param valueCount values of an entry: a key and what belongs to it, or an element
 * @returns false when two are equal
 */
function sortEntries(contentAt: number, count: number, valueCount: number): boolean {
  const size = to - contentAt;
  if (entryAt.length < count) entryAt = new Int32Array(count);
  if (copy.length < size) copy = new Uint8Array(size);
  copyBytes(target, contentAt, copy, 0, size);
  let at = 0;
  for (let index = 0; index < count; index++) {
    entryAt[index] = at;
    for (let value = 0; value < valueCount; value++) at = skipValue(copy, at, size);
  }
  const order = entryAt.subarray(0, count).sort(byKey);
  let written = contentAt;
  let isGood = true;
  for (let index = 0; index < count; index++) {
    if (index > 0 && byKey(order[index - 1], order[index]) === 0) isGood = false;
    let next = order[index];
    for (let value = 0; value < valueCount; value++) next = skipValue(copy, next, size);
    copyBytes(copy, order[index], target, written, next - order[index]);
    written += next - order[index];
  }
  if (count > KEPT_COUNT_MAX) entryAt = new Int32Array(64);
  if (size > KEPT_COUNT_MAX * 16) copy = new Uint8Array(1024);
  return isGood;
}

/** Writes the head of a text of `size` bytes, tag included; the offset after it. */
export function writeTextHead(bytes: Uint8Array, at: number, size: number): number {
  if (size < 32) {
    bytes[at] = 0xa0 | size;
    return at + 1;
  }
  if (size < 0x100) {
    bytes[at] = 0xd9;
    bytes[at + 1] = size;
    return at + 2;
  }
  if (size < 0x1_0000) {
    bytes[at] = 0xda;
    writeU16(bytes, at + 1, size);
    return at + 3;
  }
  bytes[at] = 0xdb;
  writeU32(bytes, at + 1, size);
  return at + 5;
}

/**
 * Writes an integer in its smallest form, at most 9 bytes.
 *
 * @param isPositive the words are an unsigned number; else they are one below zero
 * @returns the offset after it
 */
export function writeInteger(
  bytes: Uint8Array,
  at: number,
  high: number,
  low: number,
  isPositive: boolean,
): number {
  if (isPositive ? high !== 0 : high !== -1 || low >= 0) {
    bytes[at] = isPositive ? 0xcf : 0xd3;
    writeU32(bytes, at + 1, high);
    writeU32(bytes, at + 5, low);
    return at + 9;
  }
  const small = isPositive ? low >>> 0 : low;
  if (isPositive ? small < 0x80 : small >= -0x20) {
    bytes[at] = small;
    return at + 1;
  }
  if (isPositive ? small < 0x100 : small >= -0x80) {
    bytes[at] = isPositive ? 0xcc : 0xd0;
    bytes[at + 1] = small;
    return at + 2;
  }
  if (isPositive ? small < 0x1_0000 : small >= -0x8000) {
    bytes[at] = isPositive ? 0xcd : 0xd1;
    writeU16(bytes, at + 1, small);
    return at + 3;
  }
  bytes[at] = isPositive ? 0xce : 0xd2;
  writeU32(bytes, at + 1, small);
  return at + 5;
}

/**
 * Checks a bin value that a client sends and appends its stored form. One that is flagged to have a persisted index gets
 * one; data that came with the flag does not count.
 *
 * @param isMap the bin is to be a map, else a list
 * @returns the size of the stored form in bytes, or -1 when the value can't be stored
 */
export function appendStoredBin(
  range: { bytes: Uint8Array; at: number; end: number },
  isMap: boolean,
  out: ByteBuffer,
): number {
  const { bytes, at, end } = range;
  if (at >= end || !(isMap ? isMapLead(bytes[at]) : isListLead(bytes[at]))) return -1;
  if (skipValue(bytes, at, end) !== end) return -1;
  const start = out.length;
  const size = appendStored(bytes, at, end, out);
  if (size < 0 || !isPersisted(bytes, at, end - at)) return size;
  const indexedSize = appendIndexed({ bytes: out.bytes, at: start, end: out.length }, out);
  // Callers rely on what is stored being all that was appended.
  out.bytes.copyWithin(start, out.length - indexedSize, out.length);
  out.length = start + indexedSize;
  return indexedSize;
}
