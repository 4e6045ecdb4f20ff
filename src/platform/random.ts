/**
 * Randomness from the system's generator, fetched in blocks.
 *
 * @module
 */
import type { Random } from "../port/mod.ts";

/** Words fetched at once: one system call for many numbers. */
const POOL_WORD_COUNT = 256;

/** Most bytes that `crypto.getRandomValues` fills in one call. */
const FILL_SIZE_MAX_BYTES = 65536;

/** Cryptographically strong randomness. */
export function createRandom(): Random {
  const pool = new Uint32Array(POOL_WORD_COUNT);
  let next = POOL_WORD_COUNT;
  return {
    u32() {
      if (next === POOL_WORD_COUNT) {
        crypto.getRandomValues(pool);
        next = 0;
      }
      const value = pool[next];
      // A number that was given away is not kept where a later leak could show it.
      pool[next++] = 0;
      return value;
    },
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += FILL_SIZE_MAX_BYTES) {
        crypto.getRandomValues(bytes.subarray(at, at + FILL_SIZE_MAX_BYTES) as Uint8Array<ArrayBuffer>);
      }
    },
  };
}
