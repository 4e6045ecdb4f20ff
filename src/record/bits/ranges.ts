/**
 * Reads and changes of a range of bits in a buffer, a byte at a time. Bits are numbered from the most significant bit
 * of byte 0 of the buffer; ranges have been checked by the caller.
 *
 * @module
 */

/** How bits of an operand meet the bits of a range. */
export const COMBINE = { SET: 3, OR: 4, XOR: 5, AND: 6, NOT: 7 } as const;

/** Bits of the byte `at` that belong to the range from `bitAt` up to `bitEnd`. */
function maskOf(at: number, bitAt: number, bitEnd: number): number {
  const from = bitAt - at * 8;
  const spare = at * 8 + 8 - bitEnd;
  return (from > 0 ? 0xff >>> from : 0xff) & (spare > 0 ? 0xff << spare : 0xff);
}

/** An operand of SET, OR, XOR and AND: bits from the start of a byte. */
export interface BitOperand {
  /** One of COMBINE. */
  combine: number;
  /** Buffer of the operand; not looked at by NOT. */
  source: Uint8Array;
  /** Offset of the operand's first byte. */
  sourceAt: number;
}

/** Combines a range of bits, not empty, with an operand of as many bits. */
export function combineBits(bytes: Uint8Array, bitAt: number, sizeBits: number, operand: BitOperand): void {
  const { combine, source, sourceAt } = operand;
  const bitEnd = bitAt + sizeBits;
  const first = bitAt >>> 3;
  const last = (bitEnd - 1) >>> 3;
  const shift = bitAt & 7;
  const sourceEnd = sourceAt + ((sizeBits + 7) >>> 3);
  let previous = 0;
  for (let at = first, from = sourceAt; at <= last; at++, from++) {
    const next = combine !== COMBINE.NOT && from < sourceEnd ? source[from] : 0;
    const operandByte = (((previous << 8) | next) >>> shift) & 0xff;
    previous = next;
    const mask = at === first || at === last ? maskOf(at, bitAt, bitEnd) : 0xff;
    const old = bytes[at];
    bytes[at] = (old & ~mask) | (combineByte(combine, old, operandByte) & mask);
  }
}

function combineByte(combine: number, old: number, operand: number): number {
  switch (combine) {
    case COMBINE.SET:
      return operand;
    case COMBINE.OR:
      return old | operand;
    case COMBINE.XOR:
      return old ^ operand;
    case COMBINE.AND:
      return old & operand;
    default:
      return ~old;
  }
}

/** The eight bits from bit `bitAt`, those outside of [bitStart, bitEnd) as zeros; `bitAt` may lie outside too. */
function eightBits(bytes: Uint8Array, bitAt: number, bitStart: number, bitEnd: number): number {
  if (bitAt >= bitEnd || bitAt + 8 <= bitStart) return 0;
  const at = bitAt >> 3;
  const shift = bitAt & 7;
  const left = at >= 0 && at * 8 + 8 > bitStart ? bytes[at] & maskOf(at, bitStart, bitEnd) : 0;
  if (shift === 0) return left;
  const nextAt = at + 1;
  const right = nextAt * 8 < bitEnd ? bytes[nextAt] & maskOf(nextAt, bitStart, bitEnd) : 0;
  return (((left << 8) | right) >>> (8 - shift)) & 0xff;
}

/** Moves the bits of a range to lower numbers; `count` is at most its size. */
export function shiftBitsLeft(bytes: Uint8Array, bitAt: number, sizeBits: number, count: number): void {
  const bitEnd = bitAt + sizeBits;
  const last = (bitEnd - 1) >>> 3;
  // A byte takes its bits from itself and from bytes behind it, which have not changed yet.
  for (let at = bitAt >>> 3; at <= last; at++) {
    const moved = eightBits(bytes, at * 8 + count, bitAt, bitEnd);
    const mask = maskOf(at, bitAt, bitEnd);
    bytes[at] = (bytes[at] & ~mask) | (moved & mask);
  }
}

/** Moves the bits of a range to higher numbers; `count` is at most its size. */
export function shiftBitsRight(bytes: Uint8Array, bitAt: number, sizeBits: number, count: number): void {
  const bitEnd = bitAt + sizeBits;
  const first = bitAt >>> 3;
  // A byte takes its bits from itself and from bytes before it, which have not changed yet.
  for (let at = (bitEnd - 1) >>> 3; at >= first; at--) {
    const moved = eightBits(bytes, at * 8 - count, bitAt, bitEnd);
    const mask = maskOf(at, bitAt, bitEnd);
    bytes[at] = (bytes[at] & ~mask) | (moved & mask);
  }
}

/** Copies a range of bits to the start of a byte; ⌈size / 8⌉ bytes are written, the spare bits as zeros. */
export function copyBits(
  bytes: Uint8Array,
  bitAt: number,
  sizeBits: number,
  to: { bytes: Uint8Array; at: number },
): void {
  const bitEnd = bitAt + sizeBits;
  if ((bitAt & 7) === 0 && (sizeBits & 7) === 0) {
    const from = bitAt >>> 3;
    to.bytes.set(bytes.subarray(from, from + (sizeBits >>> 3)), to.at);
    return;
  }
  let target = to.at;
  for (let from = bitAt; from < bitEnd; from += 8) to.bytes[target++] = eightBits(bytes, from, bitAt, bitEnd);
}

function countOfByte(value: number): number {
  value -= (value >>> 1) & 0x55;
  value = (value & 0x33) + ((value >>> 2) & 0x33);
  return (value + (value >>> 4)) & 0x0f;
}

/** Number of set bits in a range. */
export function countBits(bytes: Uint8Array, bitAt: number, sizeBits: number): number {
  if (sizeBits === 0) return 0;
  const bitEnd = bitAt + sizeBits;
  const first = bitAt >>> 3;
  const last = (bitEnd - 1) >>> 3;
  let count = countOfByte(bytes[first] & maskOf(first, bitAt, bitEnd));
  for (let at = first + 1; at < last; at++) count += countOfByte(bytes[at]);
  if (last > first) count += countOfByte(bytes[last] & maskOf(last, bitAt, bitEnd));
  return count;
}

/** Position of the first bit of a value in a range, relative to its start; −1 when there is none. */
export function findFirstBit(bytes: Uint8Array, bitAt: number, sizeBits: number, wanted: boolean): number {
  const bitEnd = bitAt + sizeBits;
  const flip = wanted ? 0 : 0xff;
  for (let at = bitAt >>> 3; at * 8 < bitEnd; at++) {
    const found = (bytes[at] ^ flip) & maskOf(at, bitAt, bitEnd);
    if (found !== 0) return at * 8 + Math.clz32(found) - 24 - bitAt;
  }
  return -1;
}

/** Position of the last bit of a value in a range, relative to its start; −1 when there is none. */
export function findLastBit(bytes: Uint8Array, bitAt: number, sizeBits: number, wanted: boolean): number {
  const bitEnd = bitAt + sizeBits;
  const flip = wanted ? 0 : 0xff;
  for (let at = (bitEnd - 1) >> 3; at * 8 + 8 > bitAt; at--) {
    const found = (bytes[at] ^ flip) & maskOf(at, bitAt, bitEnd);
    if (found !== 0) return at * 8 + Math.clz32(found & -found) - 24 - bitAt;
  }
  return -1;
}
