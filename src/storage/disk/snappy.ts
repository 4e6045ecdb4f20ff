/**
 * Snappy, as compressed records hold it: the raw format, without framing or checksum.
 *
 * | bytes | field                                                                                     |
 * | ----- | ----------------------------------------------------------------------------------------- |
 * | v     | size when expanded, groups of 7 bits, lowest first                                         |
 * | …     | elements; the lower 2 bits of the first byte tell which                                    |
 *
 * | kind | element                                                                                              |
 * | ---- | ---------------------------------------------------------------------------------------------------- |
 * | 0    | literals: upper 6 bits count less 1; 60 to 63: 1 to 4 bytes with it follow                            |
 * | 1    | copy: 3 bits size less 4, 3 upper bits of the distance, 1 byte with its lower bits                    |
 * | 2    | copy: 6 bits size less 1, 2 bytes distance                                                           |
 * | 3    | copy: 6 bits size less 1, 4 bytes distance                                                           |
 *
 * Source: format_description.txt of the Snappy project.
 *
 * @module
 */

import { copyBytes, readU16LE, readU32LE } from "../../base/mod.ts";

/** Matches are looked for within pieces of this size, so that distances fit two bytes. */
const FRAGMENT_SIZE = 1 << 16;
const TABLE_BITS_MAX = 14;
const TABLE_BITS_MIN = 8;
/** No match is looked for so close to the end. */
const MARGIN = 15;
const MATCH_SIZE_MIN = 4;
const COPY_SIZE_MAX = 64;
const SKIP_SHIFT = 5;

const KIND = { LITERAL: 0, COPY_1: 1, COPY_2: 2 } as const;

const table = new Int32Array(1 << TABLE_BITS_MAX);

/** Bytes that the result of {@linkcode snappyCompress} has at most. */
export function snappySizeMax(sizeBytes: number): number {
  return 32 + sizeBytes + Math.ceil(sizeBytes / 6);
}

/**
 * Compresses a range of bytes.
 *
 * @param range the bytes: from `start` up to `end`
 * @param out takes the result from offset 0 on; has room for {@linkcode snappySizeMax}
 * @returns bytes of the result
 */
export function snappyCompress(
  { bytes, start, end }: { bytes: Uint8Array; start: number; end: number },
  out: Uint8Array,
): number {
  let outAt = 0;
  let size = end - start;
  for (; size >= 0x80; size >>>= 7) out[outAt++] = (size & 0x7f) | 0x80;
  out[outAt++] = size;
  for (let at = start; at < end; at += FRAGMENT_SIZE) {
    outAt = compressFragment({ bytes, start: at, end: Math.min(end, at + FRAGMENT_SIZE) }, out, outAt);
  }
  return outAt;
}

function compressFragment(
  { bytes, start, end }: { bytes: Uint8Array; start: number; end: number },
  out: Uint8Array,
  outAt: number,
): number {
  const bits = tableBits(end - start);
  const shift = 32 - bits;
  table.fill(start - 1, 0, 1 << bits);
  let anchor = start;
  let misses = 1 << SKIP_SHIFT;
  for (let at = start; at < end - MARGIN;) {
    const word = readU32LE(bytes, at);
    const slot = Math.imul(word, 0x1e35_a7bd) >>> shift;
    let match = table[slot];
    table[slot] = at;
    if (match < start || readU32LE(bytes, match) !== word) {
      at += misses++ >> SKIP_SHIFT;
      continue;
    }
    if (at > anchor) outAt = writeLiterals(out, outAt, bytes.subarray(anchor, at));
    const distance = at - match;
    const matchStart = at;
    at += MATCH_SIZE_MIN;
    match += MATCH_SIZE_MIN;
    while (at < end && bytes[at] === bytes[match]) {
      at++;
      match++;
    }
    outAt = writeCopies(out, outAt, { distance, sizeBytes: at - matchStart });
    anchor = at;
    misses = 1 << SKIP_SHIFT;
  }
  return anchor < end ? writeLiterals(out, outAt, bytes.subarray(anchor, end)) : outAt;
}

/** Small inputs get a small table: it must be cleared each time. */
function tableBits(sizeBytes: number): number {
  let bits = TABLE_BITS_MIN;
  while (bits < TABLE_BITS_MAX && 1 << bits < sizeBytes) bits++;
  return bits;
}

/** At most a fragment of literals. */
function writeLiterals(out: Uint8Array, outAt: number, literals: Uint8Array): number {
  const count = literals.length - 1;
  if (count < 60) {
    out[outAt++] = count << 2;
  } else if (count < 256) {
    out[outAt++] = 60 << 2;
    out[outAt++] = count;
  } else {
    out[outAt++] = 61 << 2;
    out[outAt++] = count;
    out[outAt++] = count >>> 8;
  }
  copyBytes(literals, 0, out, outAt, literals.length);
  return outAt + literals.length;
}

function writeCopies(
  out: Uint8Array,
  outAt: number,
  { distance, sizeBytes }: { distance: number; sizeBytes: number },
): number {
  let left = sizeBytes;
  while (left > 0) {
    // What is left after a piece must be a size that a short copy can have, too.
    const size = left <= COPY_SIZE_MAX ? left : left < COPY_SIZE_MAX + MATCH_SIZE_MIN ? 60 : COPY_SIZE_MAX;
    if (size >= MATCH_SIZE_MIN && size < 12 && distance < 2048) {
      out[outAt++] = KIND.COPY_1 | ((size - 4) << 2) | ((distance >>> 8) << 5);
      out[outAt++] = distance;
    } else {
      out[outAt++] = KIND.COPY_2 | ((size - 1) << 2);
      out[outAt++] = distance;
      out[outAt++] = distance >>> 8;
    }
    left -= size;
  }
  return outAt;
}

/**
 * Expands.
 *
 * @param source the whole of what was compressed
 * @param out takes exactly as many bytes as it has
 * @returns false when the source is damaged or has another size; `out` holds anything then
 */
export function snappyExpand(source: Uint8Array, out: Uint8Array): boolean {
  const end = source.length;
  let at = 0;
  let size = 0;
  for (let shift = 0;; shift += 7) {
    if (at >= end || shift > 28) return false;
    size += (source[at] & 0x7f) * 2 ** shift;
    if (source[at++] < 0x80) break;
  }
  if (size !== out.length) return false;
  let outAt = 0;
  while (at < end) {
    const head = source[at++];
    const kind = head & 3;
    const headBytes = kind === KIND.LITERAL ? Math.max(0, (head >>> 2) - 59) : kind === 3 ? 4 : kind;
    if (headBytes > end - at) return false;
    let distance = 0;
    let count = (head >>> 2) + 1;
    if (kind === KIND.LITERAL) {
      if (headBytes > 0) count = readLittle(source, at, headBytes) + 1;
    } else if (kind === KIND.COPY_1) {
      count = ((head >>> 2) & 7) + MATCH_SIZE_MIN;
      distance = source[at] | ((head >>> 5) << 8);
    } else {
      distance = kind === KIND.COPY_2 ? readU16LE(source, at) : readU32LE(source, at);
    }
    at += headBytes;
    if (count > out.length - outAt) return false;
    if (kind === KIND.LITERAL) {
      if (count > end - at) return false;
      copyBytes(source, at, out, outAt, count);
      at += count;
      outAt += count;
    } else {
      if (distance === 0 || distance > outAt) return false;
      // Byte by byte: a copy may overlap what it makes.
      for (const stop = outAt + count; outAt < stop; outAt++) out[outAt] = out[outAt - distance];
    }
  }
  return outAt === out.length;
}

function readLittle(source: Uint8Array, at: number, sizeBytes: number): number {
  let value = 0;
  for (let index = sizeBytes - 1; index >= 0; index--) value = value * 256 + source[at + index];
  return value;
}
