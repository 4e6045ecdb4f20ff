/**
 * Randomness that a seed decides: xoshiro128**, seeded through SplitMix32. Each part of a simulation has a stream of
 * its own, derived from the seed and a label, so that one part's appetite does not change another part's numbers.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators".
 *
 * @module
 */
import { assert } from "../base/mod.ts";
import type { Random } from "../port/mod.ts";

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Next value of SplitMix32. */
function splitMix(state: number): number {
  let mixed = state | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Mixes a text into a 32-bit number. */
function mixLabel(seed: number, label: string): number {
  let mixed = seed;
  for (let at = 0; at < label.length; at++) {
    mixed = splitMix(mixed ^ Math.imul(label.charCodeAt(at) + 1, 0x9e3779b1));
  }
  return mixed;
}

/** A stream of numbers that its seed decides. Not for secrets. */
export class SeededRandom implements Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any 32-bit integer */
  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#a = splitMix(this.#seed + 0x9e3779b9);
    this.#b = splitMix(this.#a + 0x9e3779b9);
    this.#c = splitMix(this.#b + 0x9e3779b9);
    this.#d = splitMix(this.#c + 0x9e3779b9) | 1;
  }

  /** A stream of its own for one part; depends on this stream's seed and the label alone. */
  fork(label: string): SeededRandom {
    return new SeededRandom(mixLabel(this.#seed, label));
  }

  u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 4) {
      const word = this.u32();
      for (let byte = 0; byte < 4 && at + byte < bytes.length; byte++) bytes[at + byte] = word >>> (byte * 8);
    }
  }

  /** A number from 0 up to, not including, 1. */
  unit(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** An integer from 0 up to, not including, `limit`, which is 1 to 2^32. */
  below(limit: number): number {
    assert(limit >= 1, "There is something to choose from");
    return Math.floor(this.unit() * limit);
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with this probability, 0 to 1. */
  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** An index, each as likely as its weight says. */
  pickWeighted(weights: readonly number[]): number {
    let left = this.unit() * weights.reduce((sum, weight) => sum + weight, 0);
    for (let index = 0; index < weights.length; index++) {
      left -= weights[index];
      if (left < 0) return index;
    }
    return weights.length - 1;
  }
}
