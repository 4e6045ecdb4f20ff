/**
 * The keyed hash that balances the primary index: whoever chooses digests can't foresee it without the key.
 *
 * @module
 */

const DIGEST_WORD_COUNT = 5;
const FINAL_ROUND_COUNT = 3;

/**
 * HalfSipHash-1-3 of a digest's five words. Source: Aumasson and Bernstein, "SipHash".
 *
 * @param words begin with the digest at `base`
 * @param seeds the key, two 32-bit integers
 * @returns unsigned 32-bit integer
 */
export function keyedHash(words: Uint32Array, base: number, seeds: readonly [number, number]): number {
  let v0 = seeds[0] | 0;
  let v1 = seeds[1] | 0;
  let v2 = v0 ^ 0x6c796765;
  let v3 = v1 ^ 0x74656462;
  for (let round = 0; round < DIGEST_WORD_COUNT + FINAL_ROUND_COUNT; round++) {
    const word = round < DIGEST_WORD_COUNT ? words[base + round] : 0;
    if (round === DIGEST_WORD_COUNT) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
