/**
 * MurmurHash3, the 128-bit form for 64-bit machines, seed 0, in 32-bit words without bigints.
 * Source: collection reference, section 6.2; the hash function is in the public domain (Austin Appleby).
 *
 * @module
 */

import { readU32LE } from "../../base/mod.ts";

/** Upper word of the unsigned product of two words. */
function multiplyHigh(left: number, right: number): number {
  const leftLow = left & 0xffff;
  const leftHigh = left >>> 16;
  const rightLow = right & 0xffff;
  const rightHigh = right >>> 16;
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >>> 16);
  const other = leftLow * rightHigh + (middle & 0xffff);
  return leftHigh * rightHigh + (middle >>> 16) + (other >>> 16);
}

/** An unsigned 64-bit integer that is changed in place. */
export class Word64 {
  /** Upper word. */
  high = 0;
  /** Lower word. */
  low = 0;

  /** Sets both words. */
  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low | 0;
  }

  /** Multiplies modulo 2^64. */
  multiply(high: number, low: number): void {
    const upper = Math.imul(this.high, low) + Math.imul(this.low, high) + multiplyHigh(this.low, low);
    this.high = upper | 0;
    this.low = Math.imul(this.low, low);
  }

  /** Adds modulo 2^64. */
  add(high: number, low: number): void {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    this.low = sum | 0;
  }

  /** Exclusive or. */
  xor(high: number, low: number): void {
    this.high ^= high;
    this.low ^= low;
  }

  /** Rotates to the left by 1 to 63 bits other than 32. */
  rotate(bits: number): void {
    const { high, low } = this;
    const shift = bits & 31;
    const first = bits < 32 ? high : low;
    const second = bits < 32 ? low : high;
    this.high = (first << shift) | (second >>> (32 - shift));
    this.low = (second << shift) | (first >>> (32 - shift));
  }

  /** Mixes the bits at the end of the hash. */
  finish(): void {
    this.low ^= this.high >>> 1;
    this.multiply(0xff51afd7, 0xed558ccd);
    this.low ^= this.high >>> 1;
    this.multiply(0xc4ceb9fe, 0x1a85ec53);
    this.low ^= this.high >>> 1;
  }
}

const BLOCK_SIZE_BYTES = 16;

/** A hash function whose last result stays in its two halves. */
export class Murmur3 {
  /** First half of the hash. */
  readonly first: Word64 = new Word64();
  /** Second half of the hash. */
  readonly second: Word64 = new Word64();
  readonly #part = new Word64();

  /** Hashes some bytes. */
  hash(bytes: Uint8Array, at: number, sizeBytes: number): void {
    const { first, second } = this;
    first.set(0, 0);
    second.set(0, 0);
    const end = at + sizeBytes;
    for (; end - at >= BLOCK_SIZE_BYTES; at += BLOCK_SIZE_BYTES) {
      this.#mixFirst(readU32LE(bytes, at + 4), readU32LE(bytes, at));
      first.rotate(27);
      first.add(second.high, second.low);
      first.multiply(0, 5);
      first.add(0, 0x52dce729);
      this.#mixSecond(readU32LE(bytes, at + 12), readU32LE(bytes, at + 8));
      second.rotate(31);
      second.add(first.high, first.low);
      second.multiply(0, 5);
      second.add(0, 0x38495ab5);
    }
    if (end - at > 8) this.#mixSecond(readTail(bytes, at + 12, end), readTail(bytes, at + 8, end));
    if (end > at) this.#mixFirst(readTail(bytes, at + 4, end), readTail(bytes, at, end));
    first.xor(0, sizeBytes);
    second.xor(0, sizeBytes);
    first.add(second.high, second.low);
    second.add(first.high, first.low);
    first.finish();
    second.finish();
    first.add(second.high, second.low);
    second.add(first.high, first.low);
  }

  #mixFirst(high: number, low: number): void {
    const part = this.#part;
    part.set(high, low);
    part.multiply(0x87c37b91, 0x114253d5);
    part.rotate(31);
    part.multiply(0x4cf5ad43, 0x2745937f);
    this.first.xor(part.high, part.low);
  }

  #mixSecond(high: number, low: number): void {
    const part = this.#part;
    part.set(high, low);
    part.multiply(0x4cf5ad43, 0x2745937f);
    part.rotate(33);
    part.multiply(0x87c37b91, 0x114253d5);
    this.second.xor(part.high, part.low);
  }
}

/** Up to four bytes before `end`, the first as the lowest. */
function readTail(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let index = 0; index < 4 && at + index < end; index++) word |= bytes[at + index] << (index * 8);
  return word;
}
