/**
 * Elements of sketches: the shortest msgpack form of a value, its hash, and the register value that it stands for.
 * Source: collection reference, section 6.2.
 *
 * @module
 */

import { ByteBuffer, copyBytes, writeU16, writeU32 } from "../../base/mod.ts";
import { CallReader, stringHeaderSize } from "../call.ts";
import { Murmur3 } from "./hash.ts";

/** Room for elements that are not sent in their shortest form. */
const shortest = new ByteBuffer(64);
const murmur = new Murmur3();

/** Where one element goes in a sketch, and with what value. */
export class HllElement {
  /** Register. */
  register = 0;
  /** Upper word of the register value. */
  high = 0;
  /** Lower word of the register value. */
  low = 0;

  /** Takes the hash of the element that was read last. */
  place(indexBits: number, minhashBits: number): void {
    const { first, second } = murmur;
    this.register = first.low & ((1 << indexBits) - 1);
    const minhashLow = (first.low >>> indexBits) | (first.high << (32 - indexBits));
    const minhashHigh = first.high >>> indexBits;
    const rank = trailingZeroCount(second.high, second.low) + 1;
    if (minhashBits === 0) {
      this.high = 0;
      this.low = rank;
    } else if (minhashBits < 32) {
      this.high = rank >>> (32 - minhashBits);
      this.low = (rank << minhashBits) | (minhashLow & ((1 << minhashBits) - 1));
    } else {
      const highBits = minhashBits - 32;
      this.high = (rank << highBits) | (minhashHigh & ((1 << highBits) - 1));
      this.low = minhashLow;
    }
  }
}

function trailingZeroCount(high: number, low: number): number {
  if (low !== 0) return 31 - Math.clz32(low & -low);
  return high !== 0 ? 63 - Math.clz32(high & -high) : 64;
}

/** Reads the elements of a list. */
export class ElementReader {
  readonly #reader = new CallReader();

  /** Opens a list of elements; false when the bytes are none, or an empty one. */
  open(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
    return this.#reader.open(bytes, at, sizeBytes) && this.#reader.left > 0;
  }

  /** Elements that have not been read. */
  get left(): number {
    return this.#reader.left;
  }

  /**
   * Reads the next element.
   *
   * @param hashes whether it is hashed too
   * @returns false when it can't be an element: a list, a map, an extension, or cut off
   */
  next(hashes: boolean): boolean {
    const reader = this.#reader;
    if (reader.at >= reader.end) return false;
    const type = reader.bytes[reader.at];
    if (type <= 0x7f || type >= 0xe0 || (type >= 0xcc && type <= 0xd3)) {
      if (!reader.integer()) return false;
      if (hashes) hashInteger(reader.high, reader.low, type < 0xd0 || reader.high >= 0);
      return true;
    }
    const headerSize = stringHeaderSize(type);
    if (headerSize > 0) {
      if (!reader.string()) return false;
      if (hashes) hashString(reader, headerSize);
      return true;
    }
    const isScalar = type === 0xc0 || type === 0xc2 || type === 0xc3 || type === 0xca || type === 0xcb;
    if (!isScalar || !reader.any()) return false;
    if (hashes) murmur.hash(reader.bytes, reader.dataAt, reader.dataSize);
    return true;
  }
}

/** Bytes of the shortest form of an integer, the type byte included. */
function hashInteger(high: number, low: number, isUnsigned: boolean): void {
  const { bytes } = shortest;
  let sizeBytes = 1;
  if (isUnsigned) {
    if (high !== 0) sizeBytes = 9;
    else if (low >>> 0 > 0xffff) sizeBytes = 5;
    else if (low > 0xff) sizeBytes = 3;
    else if (low > 0x7f) sizeBytes = 2;
    bytes[0] = sizeBytes === 1 ? low : UNSIGNED_TYPES[sizeBytes];
  } else {
    if (high !== -1 || low >= 0) sizeBytes = 9;
    else if (low < -0x8000) sizeBytes = 5;
    else if (low < -0x80) sizeBytes = 3;
    else if (low < -0x20) sizeBytes = 2;
    bytes[0] = sizeBytes === 1 ? low : UNSIGNED_TYPES[sizeBytes] + 4;
  }
  if (sizeBytes === 9) {
    writeU32(bytes, 1, high);
    writeU32(bytes, 5, low);
  } else if (sizeBytes === 5) writeU32(bytes, 1, low);
  else if (sizeBytes === 3) writeU16(bytes, 1, low);
  else if (sizeBytes === 2) bytes[1] = low;
  murmur.hash(bytes, 0, sizeBytes);
}

/** Type byte by the size of the whole. */
const UNSIGNED_TYPES: readonly number[] = [0, 0, 0xcc, 0xcd, 0, 0xce, 0, 0, 0, 0xcf];

/** Hashes the string that has just been read, with the shortest header. */
function hashString(reader: CallReader, headerSize: number): void {
  const { bytes, dataAt, dataSize } = reader;
  const shortestSize = dataSize < 32 ? 1 : dataSize < 0x100 ? 2 : dataSize < 0x1_0000 ? 3 : 5;
  if (headerSize === shortestSize && !isBinary(bytes[dataAt - headerSize])) {
    murmur.hash(bytes, dataAt - headerSize, headerSize + dataSize);
    return;
  }
  shortest.length = 0;
  shortest.reserve(shortestSize + dataSize);
  const to = shortest.bytes;
  to[0] = shortestSize === 1 ? 0xa0 | dataSize : shortestSize === 2 ? 0xd9 : shortestSize === 3 ? 0xda : 0xdb;
  if (shortestSize === 2) to[1] = dataSize;
  else if (shortestSize === 3) writeU16(to, 1, dataSize);
  else if (shortestSize === 5) writeU32(to, 1, dataSize);
  copyBytes(bytes, dataAt, to, shortestSize, dataSize);
  murmur.hash(to, 0, shortestSize + dataSize);
  shortest.reset();
}

function isBinary(type: number): boolean {
  return type >= 0xc4 && type <= 0xc6;
}
