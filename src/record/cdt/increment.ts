/**
 * Adding numbers inside lists and maps: the element's type wins; integers wrap at 64 bits.
 * Source: data type reference, sections 2.8 and 3.3.
 *
 * @module
 */

import { PARTICLE } from "../../wire/mod.ts";
import type { CdtMachine } from "./machine.ts";
import { writeInteger } from "./normalize.ts";
import { CLASS, classOf, floatValue, integerValue, parsed, readInteger, splitFloat } from "./value.ts";

const WORD = 0x1_0000_0000;
/** Bytes of the longest number. */
const NUMBER_SIZE_MAX = 9;

/** Whether a value is an integer or a float. */
export function isNumber(bytes: Uint8Array, at: number): boolean {
  const kind = classOf(bytes, at);
  return kind === CLASS.INTEGER || kind === CLASS.NEGATIVE || kind === CLASS.FLOAT;
}

/** What is added. */
export interface Sum {
  /** Offset of the old value in the view's bytes, -1 when there is none: the sum is the delta, then. */
  valueAt: number;
  /** Offset of the delta in the call's bytes, -1 for one. */
  deltaAt: number;
  /** The delta is subtracted. */
  isNegated: boolean;
}

/**
 * Adds, answers the sum and appends its stored form to `out`.
 *
 * @returns the offset of the stored form in `out`
 */
export function addNumbers(machine: CdtMachine, sum: Sum): number {
  const { call, out, result, view } = machine;
  const { deltaAt, isNegated, valueAt } = sum;
  const isFloat = valueAt >= 0
    ? classOf(view.bytes, valueAt) === CLASS.FLOAT
    : deltaAt >= 0 && classOf(call.bytes, deltaAt) === CLASS.FLOAT;
  const at = out.reserve(NUMBER_SIZE_MAX);
  if (isFloat) {
    const delta = deltaAt < 0 ? 1 : numberValue(call.bytes, deltaAt);
    splitFloat((valueAt < 0 ? 0 : floatValue(view.bytes, valueAt)) + (isNegated ? -delta : delta));
    result.setWords(PARTICLE.FLOAT, parsed.high, parsed.low);
    out.length = writeFloat(out.bytes, at, parsed.high, parsed.low);
    return at;
  }
  readDelta(call.bytes, deltaAt);
  let { high, low } = parsed;
  if (isNegated) {
    low = -low | 0;
    high = (~high + (low === 0 ? 1 : 0)) | 0;
  }
  if (valueAt >= 0) {
    readInteger(view.bytes, valueAt);
    const lowSum = (low >>> 0) + (parsed.low >>> 0);
    high = (high + parsed.high + (lowSum >= WORD ? 1 : 0)) | 0;
    low = lowSum | 0;
  }
  result.setWords(PARTICLE.INTEGER, high, low);
  out.length = writeInteger(out.bytes, at, high, low, high >= 0);
  return at;
}

/** Reads an integer delta into `parsed`; a float loses what is behind its point. */
function readDelta(bytes: Uint8Array, at: number): void {
  if (at < 0) {
    parsed.high = 0;
    parsed.low = 1;
  } else if (classOf(bytes, at) === CLASS.FLOAT) {
    const whole = Math.trunc(floatValue(bytes, at));
    const clamped = Number.isNaN(whole) ? 0 : Math.min(Math.max(whole, -(2 ** 63)), 2 ** 63);
    parsed.high = Math.floor(clamped / WORD) | 0;
    parsed.low = (clamped - Math.floor(clamped / WORD) * WORD) | 0;
  } else {
    readInteger(bytes, at);
  }
}

/** The value of any number as a double. */
function numberValue(bytes: Uint8Array, at: number): number {
  if (classOf(bytes, at) === CLASS.FLOAT) return floatValue(bytes, at);
  const value = integerValue(bytes, at);
  return value < 0 && classOf(bytes, at) === CLASS.INTEGER ? value + 2 ** 64 : value;
}

function writeFloat(bytes: Uint8Array, at: number, high: number, low: number): number {
  bytes[at] = 0xcb;
  for (let index = 0; index < 4; index++) {
    bytes[at + 1 + index] = high >>> (24 - index * 8);
    bytes[at + 5 + index] = low >>> (24 - index * 8);
  }
  return at + NUMBER_SIZE_MAX;
}
