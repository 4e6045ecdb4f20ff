/**
 * Port: random.
 *
 * @module
 */

/** Randomness. The platform's is cryptographically strong; the simulator's comes from the seed. */
export interface Random {
  /** A uniformly distributed unsigned 32-bit integer. */
  u32(): number;
  /** Fills the whole array with random bytes. */
  fill(bytes: Uint8Array): void;
}
