/**
 * Registers of sketches: adding to packed ones, and an unpacked working set for unions and intersections. Two working
 * sets are made at the first need and kept: a node does one operation at a time.
 * Source: collection reference, sections 6.1 and 6.4.
 *
 * @module
 */

import { BitField } from "../bits/field.ts";
import type { HllElement } from "./element.ts";
import {
  clearCache,
  HLL_HEADER_SIZE,
  hllSizeBytes,
  type HllView,
  INDEX_BITS_MAX,
  RANK_BITS,
  writeEmptyHll,
} from "./layout.ts";

const field = new BitField();

/** Whether an unsigned 64-bit integer is larger than another. */
function isAbove(high: number, low: number, otherHigh: number, otherLow: number): boolean {
  return high !== otherHigh ? high >>> 0 > otherHigh >>> 0 : low >>> 0 > otherLow >>> 0;
}

/** Whether an element's value is above that of its register. */
function raises(view: HllView, element: HllElement): boolean {
  field.read(view.bytes, view.registersBitAt + element.register * view.registerBits, view.registerBits);
  return isAbove(element.high, element.low, field.high, field.low);
}

/** Whether an element may have been added to a sketch. */
export function mayContain(view: HllView, element: HllElement): boolean {
  return !raises(view, element);
}

/**
 * Adds an element to a sketch, in place.
 *
 * @returns whether a register has changed; then the cached cardinality is forgotten
 */
export function addElement(view: HllView, element: HllElement): boolean {
  if (!raises(view, element)) return false;
  field.set(element.high, element.low);
  field.write(view.bytes, view.registersBitAt + element.register * view.registerBits, view.registerBits);
  clearCache(view.bytes, view.at);
  return true;
}

/** Ranks of a histogram: 0 to 64. */
export const RANK_COUNT = 65;

/** Counts the registers of a packed sketch by rank. */
export function countRanks(view: HllView, counts: Int32Array): void {
  counts.fill(0);
  const { bytes, registerBits, registerCount } = view;
  let bitAt = view.registersBitAt;
  for (let register = 0; register < registerCount; register++) {
    const at = bitAt >>> 3;
    const shift = bitAt & 7;
    // The rank's 6 bits lie in one byte or in two; the second exists then.
    const window = shift <= 2 ? bytes[at] << 8 : (bytes[at] << 8) | bytes[at + 1];
    counts[(window >>> (10 - shift)) & 0x3f]++;
    bitAt += registerBits;
  }
}

/** Registers as two words each. */
export class RegisterSet {
  /** Index bits. */
  indexBits = 0;
  /** Minhash bits. */
  minhashBits = 0;
  readonly #high = new Int32Array(1 << INDEX_BITS_MAX);
  readonly #low = new Int32Array(1 << INDEX_BITS_MAX);

  /** Starts with empty registers. */
  reset(indexBits: number, minhashBits: number): void {
    this.indexBits = indexBits;
    this.minhashBits = minhashBits;
    this.#high.fill(0, 0, 1 << indexBits);
    this.#low.fill(0, 0, 1 << indexBits);
  }

  /**
   * Keeps the larger of each register and those of a sketch that fold into it. The sketch has at least as many index
   * bits; without minhash bits of our own only ranks are looked at.
   */
  merge(view: HllView): void {
    const { bytes, registerBits, registerCount } = view;
    const mask = (1 << this.indexBits) - 1;
    const readBits = this.minhashBits === 0 ? RANK_BITS : registerBits;
    let bitAt = view.registersBitAt;
    for (let register = 0; register < registerCount; register++) {
      field.read(bytes, bitAt, readBits);
      const target = register & mask;
      if (isAbove(field.high, field.low, this.#high[target], this.#low[target])) {
        this.#high[target] = field.high;
        this.#low[target] = field.low;
      }
      bitAt += registerBits;
    }
  }

  /** Empties each register that differs from one of a sketch that folds into it; the minhash bits are the same. */
  intersect(view: HllView): void {
    const { bytes, registerBits, registerCount } = view;
    const mask = (1 << this.indexBits) - 1;
    let bitAt = view.registersBitAt;
    for (let register = 0; register < registerCount; register++) {
      field.read(bytes, bitAt, registerBits);
      const target = register & mask;
      if (field.high !== this.#high[target] || field.low !== this.#low[target]) {
        this.#high[target] = 0;
        this.#low[target] = 0;
      }
      bitAt += registerBits;
    }
  }

  /** Number of registers that are not empty. */
  countUsed(): number {
    let count = 0;
    for (let register = 0; register < 1 << this.indexBits; register++) {
      if ((this.#high[register] | this.#low[register]) !== 0) count++;
    }
    return count;
  }

  /** Counts the registers by rank. */
  countRanks(counts: Int32Array): void {
    counts.fill(0);
    const { minhashBits } = this;
    for (let register = 0; register < 1 << this.indexBits; register++) {
      const high = this.#high[register];
      const low = this.#low[register];
      const rank = minhashBits >= 32
        ? high >>> (minhashBits - 32)
        : minhashBits === 0
        ? low
        : (low >>> minhashBits) | (high << (32 - minhashBits));
      counts[rank & 0x3f]++;
    }
  }

  /** Bytes of the sketch that `write` writes. */
  get sizeBytes(): number {
    return hllSizeBytes(this.indexBits, this.minhashBits);
  }

  /** Writes a sketch whose cardinality is not cached. */
  write(bytes: Uint8Array, at: number): void {
    writeEmptyHll(bytes, at, this);
    const registerBits = RANK_BITS + this.minhashBits;
    let bitAt = (at + HLL_HEADER_SIZE) * 8;
    for (let register = 0; register < 1 << this.indexBits; register++) {
      field.set(this.#high[register], this.#low[register]);
      field.write(bytes, bitAt, registerBits);
      bitAt += registerBits;
    }
  }
}

let union: RegisterSet | undefined;
let intersection: RegisterSet | undefined;

/** The working set for unions. */
export function unionSet(): RegisterSet {
  return union ??= new RegisterSet();
}

/** The working set for intersections. */
export function intersectionSet(): RegisterSet {
  return intersection ??= new RegisterSet();
}
