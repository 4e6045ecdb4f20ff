/**
 * A value that an evaluation gives: a number in words, or a range of a buffer that is lent for the evaluation.
 *
 * @module
 */

import { UNKNOWN } from "./opcodes.ts";

const NO_BYTES = new Uint8Array(0);
const view = new DataView(new ArrayBuffer(8));

/** Place for a value. Made when an expression is compiled and filled at each evaluation. */
export class ExpValue {
  /** Type of the value, for those who keep it; whoever evaluates gets the type as the result. */
  kind: number = UNKNOWN;
  /** Upper word of an integer. */
  high = 0;
  /** Lower word of an integer; 0 or 1 for a bool. */
  low = 0;
  /** A float. */
  float = 0;
  /** Buffer of everything else: text and blobs without type byte, lists and maps as msgpack, GeoJSON as text. */
  bytes: Uint8Array = NO_BYTES;
  /** Offset in the buffer. */
  at = 0;
  /** Bytes. */
  size = 0;

  /** Takes over a range. */
  setRange(bytes: Uint8Array, at: number, size: number): void {
    this.bytes = bytes;
    this.at = at;
    this.size = size;
  }

  /** Takes over another value, without its kind. */
  copy(other: ExpValue): void {
    this.high = other.high;
    this.low = other.low;
    this.float = other.float;
    this.bytes = other.bytes;
    this.at = other.at;
    this.size = other.size;
  }

  /** A view of the range. */
  range(): Uint8Array {
    return this.bytes.subarray(this.at, this.at + this.size);
  }
}

/** The double with these IEEE bits. */
export function wordsToFloat(high: number, low: number): number {
  view.setInt32(0, high);
  view.setInt32(4, low);
  return view.getFloat64(0);
}

/** The float of four bytes at an offset. */
export function readFloat32(bytes: Uint8Array, at: number): number {
  for (let index = 0; index < 4; index++) view.setUint8(index, bytes[at + index]);
  return view.getFloat32(0);
}

/** Writes a double, 8 bytes in network order. */
export function writeFloat(bytes: Uint8Array, at: number, value: number): void {
  view.setFloat64(0, value);
  for (let index = 0; index < 8; index++) bytes[at + index] = view.getUint8(index);
}

/** Upper and lower word of a double's IEEE bits. */
export function floatWords(value: number): [high: number, low: number] {
  view.setFloat64(0, value);
  return [view.getInt32(0), view.getInt32(4)];
}

/** Order of two ranges of bytes: by bytes, then by length. */
export function compareRanges(left: ExpValue, right: ExpValue): number {
  const count = Math.min(left.size, right.size);
  const { bytes, at } = left;
  const otherAt = right.at;
  const other = right.bytes;
  for (let index = 0; index < count; index++) {
    const difference = bytes[at + index] - other[otherAt + index];
    if (difference !== 0) return difference;
  }
  return left.size - right.size;
}
