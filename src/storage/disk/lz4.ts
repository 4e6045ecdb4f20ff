/**
 * LZ4 blocks, as compressed records hold them: without frame, header or checksum.
 *
 * A block is a row of sequences:
 *
 * | bytes | field                                                                                            |
 * | ----- | ------------------------------------------------------------------------------------------------ |
 * | 1     | token: upper 4 bits number of literals, lower 4 bits length of the match less 4; 15: more follows |
 * | v     | rest of the number of literals: bytes that are added, up to and with the first below 255          |
 * | n     | literals                                                                                         |
 * | 2     | how far back the match begins, 1 to 65535, little-endian                                          |
 * | v     | rest of the match's length, in the same way                                                      |
 *
 * The last sequence ends with its literals, at least 5 of them; no match begins in the last 12 bytes.
 * Source: lz4_Block_format.md of the LZ4 project.
 *
 * @module
 */

import { copyBytes, readU32LE } from "../../base/mod.ts";

const MATCH_SIZE_MIN = 4;
const DISTANCE_MAX = 0xffff;
const LAST_LITERAL_COUNT = 5;
/** No match begins so close to the end. */
const MATCH_MARGIN = 12;
const LENGTH_MASK = 15;
const TABLE_BITS_MAX = 14;
const TABLE_BITS_MIN = 8;
/** After 64 places without a match the steps become longer. */
const SKIP_SHIFT = 6;

const table = new Int32Array(1 << TABLE_BITS_MAX);

/** Multiplicative hash of four bytes (Knuth), upper bits. */
function hash(word: number, shift: number): number {
  return Math.imul(word, 0x9e37_79b1) >>> shift;
}

/** Bytes that the result of {@linkcode lz4Compress} has at most. */
export function lz4SizeMax(sizeBytes: number): number {
  return sizeBytes + Math.floor(sizeBytes / 255) + 16;
}

/**
 * Compresses a range of bytes.
 *
 * @param range the bytes: from `start` up to `end`
 * @param out takes the block from offset 0 on; has room for {@linkcode lz4SizeMax}
 * @param acceleration 1 or more: the higher, the faster and the larger
 * @returns bytes of the block
 */
export function lz4Compress(
  { bytes, start, end }: { bytes: Uint8Array; start: number; end: number },
  out: Uint8Array,
  acceleration: number,
): number {
  const bits = tableBits(end - start);
  const shift = 32 - bits;
  table.fill(start - 1, 0, 1 << bits);
  const matchEnd = end - LAST_LITERAL_COUNT;
  const lastStart = end - MATCH_MARGIN;
  let anchor = start;
  let outAt = 0;
  let misses = acceleration << SKIP_SHIFT;
  for (let at = start; at < lastStart;) {
    const word = readU32LE(bytes, at);
    const slot = hash(word, shift);
    let match = table[slot];
    table[slot] = at;
    if (match < start || at - match > DISTANCE_MAX || readU32LE(bytes, match) !== word) {
      at += misses++ >> SKIP_SHIFT;
      continue;
    }
    const distance = at - match;
    const literalCount = at - anchor;
    const matchStart = at;
    at += MATCH_SIZE_MIN;
    match += MATCH_SIZE_MIN;
    while (at < matchEnd && bytes[at] === bytes[match]) {
      at++;
      match++;
    }
    const matchSize = at - matchStart - MATCH_SIZE_MIN;
    outAt = writeLiterals(out, outAt, { bytes, anchor, literalCount, matchSize });
    out[outAt++] = distance;
    out[outAt++] = distance >>> 8;
    if (matchSize >= LENGTH_MASK) outAt = writeLength(out, outAt, matchSize - LENGTH_MASK);
    anchor = at;
    misses = acceleration << SKIP_SHIFT;
  }
  return writeLiterals(out, outAt, { bytes, anchor, literalCount: end - anchor, matchSize: 0 });
}

/** Small inputs get a small table: it must be cleared each time. */
function tableBits(sizeBytes: number): number {
  let bits = TABLE_BITS_MIN;
  while (bits < TABLE_BITS_MAX && 1 << bits < sizeBytes) bits++;
  return bits;
}

/** Writes a token and its literals; the offset after them. */
function writeLiterals(
  out: Uint8Array,
  outAt: number,
  part: { bytes: Uint8Array; anchor: number; literalCount: number; matchSize: number },
): number {
  const { bytes, anchor, literalCount, matchSize } = part;
  out[outAt++] = (Math.min(literalCount, LENGTH_MASK) << 4) | Math.min(matchSize, LENGTH_MASK);
  if (literalCount >= LENGTH_MASK) outAt = writeLength(out, outAt, literalCount - LENGTH_MASK);
  copyBytes(bytes, anchor, out, outAt, literalCount);
  return outAt + literalCount;
}

function writeLength(out: Uint8Array, outAt: number, rest: number): number {
  for (; rest >= 255; rest -= 255) out[outAt++] = 255;
  out[outAt++] = rest;
  return outAt;
}

/**
 * Expands a block.
 *
 * @param block the whole block
 * @param out takes exactly as many bytes as it has
 * @returns false when the block is damaged or has another size; `out` holds anything then
 */
export function lz4Expand(block: Uint8Array, out: Uint8Array): boolean {
  const end = block.length;
  let at = 0;
  let outAt = 0;
  while (at < end) {
    const token = block[at++];
    let literalCount = token >>> 4;
    if (literalCount === LENGTH_MASK) {
      let byte: number;
      do {
        if (at >= end) return false;
        byte = block[at++];
        literalCount += byte;
      } while (byte === 255);
    }
    if (literalCount > end - at || literalCount > out.length - outAt) return false;
    copyBytes(block, at, out, outAt, literalCount);
    at += literalCount;
    outAt += literalCount;
    if (at === end) return outAt === out.length;
    if (at + 2 > end) return false;
    const distance = block[at] | (block[at + 1] << 8);
    at += 2;
    let matchSize = (token & LENGTH_MASK) + MATCH_SIZE_MIN;
    if ((token & LENGTH_MASK) === LENGTH_MASK) {
      let byte: number;
      do {
        if (at >= end) return false;
        byte = block[at++];
        matchSize += byte;
      } while (byte === 255);
    }
    if (distance === 0 || distance > outAt || matchSize > out.length - outAt) return false;
    // Byte by byte: a match may overlap what it makes.
    for (const stop = outAt + matchSize; outAt < stop; outAt++) out[outAt] = out[outAt - distance];
  }
  return false;
}
