/**
 * A small seeded generator, so that every mutation can be made again from its seed and number.
 *
 * @module
 */

/** Uniform pseudo-random numbers from a 32-bit seed (the "mulberry32" generator). */
export class SeededRandom {
  #state: number;

  /** @param seed any integer; its low 32 bits count */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to 2^32 - 1. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer from 0 to `limit` - 1; `limit` is at least 1. */
  below(limit: number): number {
    return this.u32() % limit;
  }

  /** One of the items; the list is not empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** True with a probability of 1 in `odds`. */
  oneIn(odds: number): boolean {
    return this.below(odds) === 0;
  }

  /** Random bytes. */
  bytes(countBytes: number): Uint8Array {
    const bytes = new Uint8Array(countBytes);
    for (let at = 0; at < countBytes; at++) bytes[at] = this.u32();
    return bytes;
  }
}
