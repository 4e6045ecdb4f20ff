/**
 * 64-bit integers as two signed 32-bit words, with the wrapping of the machine. Operations leave their result in the
 * `ExpValue` they are given, so that nothing is allocated; `BigInt` is used only where doubles can't be exact.
 *
 * @module
 */

import type { ExpValue } from "./value.ts";

const TWO_TO_32 = 0x1_0000_0000;

/** The nearest double of an integer. */
export function toDouble(high: number, low: number): number {
  return high * TWO_TO_32 + (low >>> 0);
}

/** Whether a double holds the integer exactly: its size is at most 2^53. */
function isSafe(high: number): boolean {
  return high >= -0x20_0000 && high < 0x20_0000;
}

/** Sets an integer from a whole double between -2^63 and 2^63. */
export function setWhole(out: ExpValue, whole: number): void {
  const high = Math.floor(whole / TWO_TO_32);
  out.high = high | 0;
  out.low = (whole - high * TWO_TO_32) | 0;
}

/** Sets an integer from a double as x86 converts: toward zero; -2^63 for what does not fit. */
export function setTruncated(out: ExpValue, value: number): void {
  const whole = Math.trunc(value);
  if (whole >= -0x8000_0000_0000_0000 && whole < 0x8000_0000_0000_0000) return setWhole(out, whole);
  out.high = -0x8000_0000;
  out.low = 0;
}

function toBig(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function setBig(out: ExpValue, value: bigint): void {
  out.high = Number(BigInt.asIntN(32, value >> 32n));
  out.low = Number(BigInt.asIntN(32, value));
}

/** Order of two integers: negative, 0 or positive. */
export function compareIntegers(left: ExpValue, right: ExpValue): number {
  if (left.high !== right.high) return left.high < right.high ? -1 : 1;
  return (left.low >>> 0) - (right.low >>> 0);
}

/** out += other. */
export function addTo(out: ExpValue, other: ExpValue): void {
  const sum = (out.low >>> 0) + (other.low >>> 0);
  out.high = (out.high + other.high + (sum >= TWO_TO_32 ? 1 : 0)) | 0;
  out.low = sum | 0;
}

/** out = -out. */
export function negate(out: ExpValue): void {
  out.high = (~out.high + (out.low === 0 ? 1 : 0)) | 0;
  out.low = -out.low | 0;
}

/** out -= other. */
export function subtractFrom(out: ExpValue, other: ExpValue): void {
  const difference = (out.low >>> 0) - (other.low >>> 0);
  out.high = (out.high - other.high - (difference < 0 ? 1 : 0)) | 0;
  out.low = difference | 0;
}

/** out *= other. */
export function multiplyBy(out: ExpValue, other: ExpValue): void {
  const { high, low } = out;
  const cross = Math.imul(high, other.low) + Math.imul(low, other.high);
  const a1 = low >>> 16;
  const a0 = low & 0xffff;
  const b1 = other.low >>> 16;
  const b0 = other.low & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const middle2 = a0 * b1 + (middle % 0x1_0000);
  out.high = (a1 * b1 + Math.floor(middle / 0x1_0000) + Math.floor(middle2 / 0x1_0000) + cross) | 0;
  out.low = Math.imul(low, other.low);
}

/** out = out / other toward zero; `other` is not 0. -2^63 / -1 wraps to itself. */
export function divideBy(out: ExpValue, other: ExpValue): void {
  if (isSafe(out.high) && isSafe(other.high)) {
    // Whole numbers of at most 53 bits: the rounded quotient never reaches the next whole number.
    setWhole(out, Math.trunc(toDouble(out.high, out.low) / toDouble(other.high, other.low)));
  } else {
    setBig(out, toBig(out.high, out.low) / toBig(other.high, other.low));
  }
}

/** out = out % other with the sign of `out`; `other` is not 0. */
export function remainderBy(out: ExpValue, other: ExpValue): void {
  if (isSafe(out.high) && isSafe(other.high)) {
    setWhole(out, toDouble(out.high, out.low) % toDouble(other.high, other.low));
  } else {
    setBig(out, toBig(out.high, out.low) % toBig(other.high, other.low));
  }
}

/** out <<= count; the count is taken modulo 64. */
export function shiftLeft(out: ExpValue, count: number): void {
  const by = count & 63;
  if (by >= 32) {
    out.high = out.low << (by - 32);
    out.low = 0;
  } else if (by > 0) {
    out.high = (out.high << by) | (out.low >>> (32 - by));
    out.low <<= by;
  }
}

/**
 * out >>= count; the count is taken modulo 64.
 *
 * @param fill what comes in from the left: 0, or -1 for the sign of a negative number
 */
export function shiftRight(out: ExpValue, count: number, fill: number): void {
  const by = count & 63;
  if (by === 0) return;
  const { high } = out;
  const wide = by & 31;
  const shifted = wide === 0 ? high : ((high >>> wide) | (fill << (32 - wide)));
  if (by >= 32) {
    out.low = shifted;
    out.high = fill;
  } else {
    out.low = (out.low >>> wide) | (high << (32 - wide));
    out.high = shifted;
  }
}

function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** Number of ones. */
export function countOnes(value: ExpValue): number {
  return ones(value.high) + ones(value.low);
}

/** Position of the first bit that is `bit`, counted from the left; -1 when there is none. */
export function scanFromLeft(value: ExpValue, bit: number): number {
  const high = bit === 0 ? ~value.high : value.high;
  const low = bit === 0 ? ~value.low : value.low;
  if (high !== 0) return Math.clz32(high);
  return low !== 0 ? 32 + Math.clz32(low) : -1;
}

/** Position of the last bit that is `bit`, counted from the left; -1 when there is none. */
export function scanFromRight(value: ExpValue, bit: number): number {
  const high = bit === 0 ? ~value.high : value.high;
  const low = bit === 0 ? ~value.low : value.low;
  if (low !== 0) return 32 + Math.clz32(low & -low);
  return high !== 0 ? Math.clz32(high & -high) : -1;
}
