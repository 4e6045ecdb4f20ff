/**
 * HyperLogLog calls `[code, parameter, …]` and what they may ask for.
 * Source: collection reference, section 6.5.
 *
 * @module
 */

import { type ByteRange, CallReader } from "../call.ts";
import { ElementReader } from "./element.ts";
import { isIndexBits, isMinhashBits } from "./layout.ts";
import { HllList } from "./list.ts";

/** Codes of HyperLogLog operations. */
export const HLL_OP = {
  INIT: 0,
  ADD: 1,
  SET_UNION: 2,
  UPDATE_COUNT: 3,
  FOLD: 4,
  COUNT: 50,
  GET_UNION: 51,
  UNION_COUNT: 52,
  INTERSECT_COUNT: 53,
  SIMILARITY: 54,
  DESCRIBE: 55,
  MAY_CONTAIN: 56,
} as const;

/** Flags of modifying calls. */
export const HLL_FLAG = { CREATE_ONLY: 1, UPDATE_ONLY: 2, NO_FAIL: 4, ALLOW_FOLD: 8 } as const;

/** Bits of a sketch that a call leaves open. */
export const BITS_UNSET = -1;

const FLAGS_INIT = HLL_FLAG.CREATE_ONLY | HLL_FLAG.UPDATE_ONLY | HLL_FLAG.NO_FAIL;
const FLAGS_ADD = HLL_FLAG.CREATE_ONLY | HLL_FLAG.NO_FAIL;
const FLAGS_UNION = FLAGS_INIT | HLL_FLAG.ALLOW_FOLD;

/** Most sketches besides the bin's of which an intersection is taken without minhash bits. */
const PLAIN_INTERSECTION_COUNT_MAX = 2;

/** A decoded call; made once and filled again. */
export class HllCall {
  /** One of HLL_OP. */
  op = 0;
  /** Index bits, or BITS_UNSET. */
  indexBits = BITS_UNSET;
  /** Minhash bits, or BITS_UNSET. */
  minhashBits = BITS_UNSET;
  /** Bits of HLL_FLAG. */
  flags = 0;
  /** Elements to add or to look for, before the first one. */
  readonly elements: ElementReader = new ElementReader();
  /** Sketches of the request. */
  readonly list: HllList = new HllList();
  readonly #reader = new CallReader();

  /**
   * Decodes a modifying call.
   *
   * @returns false when it is malformed (PARAMETER)
   */
  decodeModify(call: ByteRange): boolean {
    if (!this.#open(call)) return false;
    const { left } = this.#reader;
    switch (this.op) {
      case HLL_OP.INIT:
        return left <= 3 && this.#options(FLAGS_INIT);
      case HLL_OP.ADD:
        return left >= 1 && left <= 4 && this.#elements() && this.#options(FLAGS_ADD);
      case HLL_OP.SET_UNION:
        return left >= 1 && left <= 2 && this.#sketches() && this.#flags(FLAGS_UNION);
      case HLL_OP.UPDATE_COUNT:
        return left === 0;
      case HLL_OP.FOLD:
        return left === 1 && this.#bits() && this.indexBits !== BITS_UNSET;
      default:
        return false;
    }
  }

  /**
   * Decodes a reading call.
   *
   * @returns false when it is malformed (PARAMETER)
   */
  decodeRead(call: ByteRange): boolean {
    if (!this.#open(call)) return false;
    const { left } = this.#reader;
    switch (this.op) {
      case HLL_OP.COUNT:
      case HLL_OP.DESCRIBE:
        return left === 0;
      case HLL_OP.GET_UNION:
      case HLL_OP.UNION_COUNT:
        return left === 1 && this.#sketches();
      case HLL_OP.INTERSECT_COUNT:
      case HLL_OP.SIMILARITY:
        return left === 1 && this.#sketches() &&
          (this.list.count <= PLAIN_INTERSECTION_COUNT_MAX || this.list.minhashBits > 0);
      case HLL_OP.MAY_CONTAIN:
        return left === 1 && this.#elements();
      default:
        return false;
    }
  }

  #open(call: ByteRange): boolean {
    const reader = this.#reader;
    this.indexBits = BITS_UNSET;
    this.minhashBits = BITS_UNSET;
    this.flags = 0;
    if (!reader.open(call.bytes, call.at, call.sizeBytes) || !reader.integer()) return false;
    this.op = reader.value;
    return true;
  }

  /** All elements are looked at before anything is done with one of them. */
  #elements(): boolean {
    const reader = this.#reader;
    const { elements } = this;
    if (!reader.any() || !elements.open(reader.bytes, reader.dataAt, reader.dataSize)) return false;
    while (elements.left > 0) if (!elements.next(false)) return false;
    return elements.open(reader.bytes, reader.dataAt, reader.dataSize);
  }

  #sketches(): boolean {
    const reader = this.#reader;
    return reader.any() && this.list.open(reader.bytes, reader.dataAt, reader.dataSize);
  }

  /** Index bits, minhash bits and flags, all of which may be left out from the end. */
  #options(flags: number): boolean {
    return this.#bits() && this.#flags(flags);
  }

  #bits(): boolean {
    const reader = this.#reader;
    if (reader.left === 0) return true;
    if (!reader.integer()) return false;
    this.indexBits = reader.value;
    if (this.indexBits !== BITS_UNSET && !isIndexBits(this.indexBits)) return false;
    if (reader.left === 0) return true;
    if (!reader.integer()) return false;
    this.minhashBits = reader.value;
    if (this.minhashBits !== BITS_UNSET && !isMinhashBits(this.minhashBits)) return false;
    return this.indexBits + this.minhashBits <= 64;
  }

  #flags(allowed: number): boolean {
    const reader = this.#reader;
    if (reader.left === 0) return true;
    if (!reader.integer()) return false;
    this.flags = reader.value;
    const both = HLL_FLAG.CREATE_ONLY | HLL_FLAG.UPDATE_ONLY;
    return this.flags >= 0 && this.flags <= allowed && (this.flags & ~allowed) === 0 &&
      (this.flags & both) !== both;
  }
}
