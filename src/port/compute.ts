/**
 * Port: compute.
 *
 * @module
 */

/** What AES needs besides the bytes. */
export interface AesKey {
  /** 16 bytes for AES-128, 32 for AES-256. */
  key: Uint8Array;
  /** The first counter block (CTR, 16 bytes), or the nonce (GCM, 12 bytes). */
  nonce: Uint8Array;
}

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
  /** Whether the platform has zstd; without it the two calls below throw. */
  hasZstd(): boolean;
  /**
   * Compresses into a zstd frame (RFC 8878).
   *
   * @param level 1 to 22
   */
  zstdCompress(source: Uint8Array, level: number): Uint8Array;
  /**
   * Expands a zstd frame.
   *
   * @param sizeBytes size of the result, 1 or more
   * @returns the bytes, or undefined when the frame is damaged, cut short, or expands to another size
   */
  zstdExpand(source: Uint8Array, sizeBytes: number): Uint8Array | undefined;
  /** Encrypts or decrypts with AES in counter mode: as many bytes as went in. The counter is big-endian, of 128 bits. */
  aesCtr(source: Uint8Array, key: AesKey): Uint8Array;
  /** Encrypts with AES-GCM: the bytes, then a tag of 16. `context` is authenticated, not contained. */
  aesGcmSeal(source: Uint8Array, key: AesKey, context: Uint8Array): Uint8Array;
  /** Decrypts what `aesGcmSeal` made; undefined when key, nonce, context or bytes are others than there. */
  aesGcmOpen(source: Uint8Array, key: AesKey, context: Uint8Array): Uint8Array | undefined;
  /** CRC-32 (the zlib polynomial) of some bytes, continuing from `seed`. */
  crc32(source: Uint8Array, seed?: number): number;
  /** Lower-case hexadecimal SHA-1. */
  sha1Hex(source: Uint8Array): string;
  /** SHA-256, 32 bytes. */
  sha256(source: Uint8Array): Uint8Array;
}
