/**
 * The total order of values: what ordered lists and maps, ranks, intervals and find-by-value go by.
 * Source: data type reference, section 1.6.
 *
 * @module
 */

import { MSGPACK_DEPTH_MAX } from "../../base/mod.ts";
import { listHead, mapHead, readHead } from "./head.ts";
import { CLASS, classOf, floatValue, parsed, readInteger, readText, skipValue } from "./value.ts";

/** Offsets of what is compared next, on either side. */
let leftAt = 0;
let rightAt = 0;
/** A wildcard was met: the whole comparison ends with "equal". */
let wildcardMet = false;

/**
 * Compares two values that have been skipped before, so that all their bytes are there.
 *
 * @returns below 0, 0 or above 0
 */
export function compareValues(
  left: Uint8Array,
  leftStart: number,
  right: Uint8Array,
  rightStart: number,
): number {
  const first = left[leftStart];
  const second = right[rightStart];
  if (first <= 0x7f && second <= 0x7f) return first - second;
  leftAt = leftStart;
  rightAt = rightStart;
  wildcardMet = false;
  return compareHere(left, right, 0);
}

/** Compares the values under the two offsets; when they are equal, both offsets have moved behind them. */
function compareHere(left: Uint8Array, right: Uint8Array, depth: number): number {
  const kind = classOf(left, leftAt);
  const otherKind = classOf(right, rightAt);
  if (kind === CLASS.WILDCARD || otherKind === CLASS.WILDCARD) {
    wildcardMet = true;
    return 0;
  }
  if (kind !== otherKind) return kind - otherKind;
  switch (kind) {
    case CLASS.NEGATIVE:
    case CLASS.INTEGER:
      return compareIntegers(left, right);
    case CLASS.STRING:
    case CLASS.BYTES:
    case CLASS.GEOJSON:
      return compareTexts(left, right);
    case CLASS.FLOAT:
      return compareFloats(left, right);
    case CLASS.LIST:
      return depth < MSGPACK_DEPTH_MAX ? compareLists(left, right, depth) : compareRaw(left, right);
    case CLASS.MAP:
      return depth < MSGPACK_DEPTH_MAX ? compareMaps(left, right, depth) : compareRaw(left, right);
    case CLASS.EXT:
      return compareRaw(left, right);
    default:
      leftAt = skipValue(left, leftAt, left.length);
      rightAt = skipValue(right, rightAt, right.length);
      return 0;
  }
}

/** Within one class two's complement words compare as unsigned, negatives too. */
function compareIntegers(left: Uint8Array, right: Uint8Array): number {
  readInteger(left, leftAt);
  const high = parsed.high >>> 0;
  const low = parsed.low >>> 0;
  readInteger(right, rightAt);
  const otherHigh = parsed.high >>> 0;
  const otherLow = parsed.low >>> 0;
  if (high !== otherHigh) return high < otherHigh ? -1 : 1;
  if (low !== otherLow) return low < otherLow ? -1 : 1;
  leftAt = skipValue(left, leftAt, left.length);
  rightAt = skipValue(right, rightAt, right.length);
  return 0;
}

function compareTexts(left: Uint8Array, right: Uint8Array): number {
  readText(left, leftAt);
  const textAt = parsed.textAt;
  const size = parsed.textSize;
  readText(right, rightAt);
  const otherAt = parsed.textAt;
  const otherSize = parsed.textSize;
  const common = size < otherSize ? size : otherSize;
  for (let index = 0; index < common; index++) {
    const difference = left[textAt + index] - right[otherAt + index];
    if (difference !== 0) return difference;
  }
  leftAt = textAt + size;
  rightAt = otherAt + otherSize;
  return size - otherSize;
}

function compareFloats(left: Uint8Array, right: Uint8Array): number {
  const value = floatValue(left, leftAt);
  const other = floatValue(right, rightAt);
  if (value < other) return -1;
  if (value > other) return 1;
  leftAt += left[leftAt] === 0xca ? 5 : 9;
  rightAt += right[rightAt] === 0xca ? 5 : 9;
  return 0;
}

function compareLists(left: Uint8Array, right: Uint8Array, depth: number): number {
  readHead(left, leftAt, listHead);
  leftAt = listHead.contentAt;
  const count = listHead.count;
  readHead(right, rightAt, listHead);
  rightAt = listHead.contentAt;
  const otherCount = listHead.count;
  const common = count < otherCount ? count : otherCount;
  for (let index = 0; index < common; index++) {
    const order = compareHere(left, right, depth + 1);
    if (order !== 0 || wildcardMet) return order;
  }
  return count - otherCount;
}

function compareMaps(left: Uint8Array, right: Uint8Array, depth: number): number {
  readHead(left, leftAt, mapHead);
  leftAt = mapHead.contentAt;
  const count = mapHead.count;
  readHead(right, rightAt, mapHead);
  rightAt = mapHead.contentAt;
  if (count !== mapHead.count) return count - mapHead.count;
  for (let index = 0; index < count * 2; index++) {
    const order = compareHere(left, right, depth + 1);
    if (order !== 0 || wildcardMet) return order;
  }
  return 0;
}

/** Compares the encoded bytes. */
function compareRaw(left: Uint8Array, right: Uint8Array): number {
  const size = skipValue(left, leftAt, left.length) - leftAt;
  const otherSize = skipValue(right, rightAt, right.length) - rightAt;
  const common = size < otherSize ? size : otherSize;
  for (let index = 0; index < common; index++) {
    const difference = left[leftAt + index] - right[rightAt + index];
    if (difference !== 0) return difference;
  }
  leftAt += size;
  rightAt += otherSize;
  return size - otherSize;
}
