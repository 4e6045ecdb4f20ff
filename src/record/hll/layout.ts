/**
 * The HyperLogLog particle.
 *
 * | offset | bytes | field                                                                        |
 * | ------ | ----- | ---------------------------------------------------------------------------- |
 * | 0      | 1     | flags, 0                                                                     |
 * | 1      | 1     | index bits i, 4 to 16                                                        |
 * | 2      | 1     | minhash bits m, 0 or 4 to 51; i + m is at most 64                            |
 * | 3      | 8     | cached cardinality, little-endian; 0 when it is not cached                   |
 * | 11     | rest  | 2^i registers of 6 + m bits (rank, minhash), one after the other, big-endian |
 *
 * Source: collection reference, section 6.1.
 *
 * @module
 */

import { readU32LE, writeU32LE } from "../../base/mod.ts";

/** Bytes before the registers. */
export const HLL_HEADER_SIZE = 11;
/** Bits of a register's rank. */
export const RANK_BITS = 6;
/** Fewest index bits. */
export const INDEX_BITS_MIN = 4;
/** Most index bits. */
export const INDEX_BITS_MAX = 16;
/** Fewest minhash bits, if there are any. */
export const MINHASH_BITS_MIN = 4;
/** Most minhash bits. */
export const MINHASH_BITS_MAX = 51;

const CACHE_AT = 3;

/** Whether a sketch may have these bits. */
export function areHllBits(indexBits: number, minhashBits: number): boolean {
  return isIndexBits(indexBits) && isMinhashBits(minhashBits) && indexBits + minhashBits <= 64;
}

/** Whether a sketch may have that many index bits. */
export function isIndexBits(bits: number): boolean {
  return bits >= INDEX_BITS_MIN && bits <= INDEX_BITS_MAX;
}

/** Whether a sketch may have that many minhash bits. */
export function isMinhashBits(bits: number): boolean {
  return bits === 0 || (bits >= MINHASH_BITS_MIN && bits <= MINHASH_BITS_MAX);
}

/** Bytes of a sketch. */
export function hllSizeBytes(indexBits: number, minhashBits: number): number {
  return HLL_HEADER_SIZE + Math.ceil(((RANK_BITS + minhashBits) * 2 ** indexBits) / 8);
}

/** Whether some bytes are a sketch. */
export function isHll(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
  return sizeBytes >= HLL_HEADER_SIZE && bytes[at] === 0 && areHllBits(bytes[at + 1], bytes[at + 2]) &&
    sizeBytes === hllSizeBytes(bytes[at + 1], bytes[at + 2]);
}

/** Writes an empty sketch. */
export function writeEmptyHll(
  bytes: Uint8Array,
  at: number,
  bits: { indexBits: number; minhashBits: number },
): void {
  bytes.fill(0, at, at + hllSizeBytes(bits.indexBits, bits.minhashBits));
  bytes[at + 1] = bits.indexBits;
  bytes[at + 2] = bits.minhashBits;
}

/** Forgets the cached cardinality of a sketch. */
export function clearCache(bytes: Uint8Array, at: number): void {
  bytes.fill(0, at + CACHE_AT, at + HLL_HEADER_SIZE);
}

/** Caches a sketch's cardinality. */
export function writeCache(bytes: Uint8Array, at: number, cardinality: number): void {
  writeU32LE(bytes, at + CACHE_AT, cardinality >>> 0);
  writeU32LE(bytes, at + CACHE_AT + 4, Math.floor(cardinality / 0x1_0000_0000));
}

/** A sketch in a buffer. */
export class HllView {
  /** The buffer. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the sketch. */
  at = 0;
  /** Index bits. */
  indexBits = 0;
  /** Minhash bits. */
  minhashBits = 0;

  /** Points to a sketch; false when the bytes are none. */
  decode(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
    if (!isHll(bytes, at, sizeBytes)) return false;
    this.bytes = bytes;
    this.at = at;
    this.indexBits = bytes[at + 1];
    this.minhashBits = bytes[at + 2];
    return true;
  }

  /** Number of registers. */
  get registerCount(): number {
    return 1 << this.indexBits;
  }

  /** Bits of one register. */
  get registerBits(): number {
    return RANK_BITS + this.minhashBits;
  }

  /** Bit of the buffer at which the registers begin. */
  get registersBitAt(): number {
    return (this.at + HLL_HEADER_SIZE) * 8;
  }

  /** Upper word of the cached cardinality. */
  get cacheHigh(): number {
    return readU32LE(this.bytes, this.at + CACHE_AT + 4);
  }

  /** Lower word of the cached cardinality. */
  get cacheLow(): number {
    return readU32LE(this.bytes, this.at + CACHE_AT);
  }
}
