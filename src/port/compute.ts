/**
 * Port: compute.
 *
 * @module
 */

/** Computations that the platform does faster than we could. All are synchronous and pure. */
export interface Compute {
  /** Compresses into a zlib stream (RFC 1950), level 1. */
  deflate(source: Uint8Array): Uint8Array;
  /**
   * Expands a zlib stream.
   *
   * @param sizeMaxBytes largest result
   * @returns the bytes, or undefined when the stream is damaged, cut short, or expands beyond `sizeMaxBytes`
   */
  inflate(source: Uint8Array, sizeMaxBytes: number): Uint8Array | undefined;
  /** CRC-32 (the zlib polynomial) of some bytes, continuing from `seed`. */
  crc32(source: Uint8Array, seed?: number): number;
  /** Lower-case hexadecimal SHA-1. */
  sha1Hex(source: Uint8Array): string;
}
