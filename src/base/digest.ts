/**
 * Digests: the 20 bytes that identify a record, and the partition that they name.
 * Source: wire-protocol reference, section 5.
 *
 * @module
 */

import { readU16LE } from "./bytes.ts";
import { PARTITION_COUNT } from "./limits.ts";

/**
 * The partition of a digest: the low 12 bits of its first two bytes, little-endian.
 *
 * @param digest a buffer that holds the digest
 * @param at offset of the digest in it
 * @returns 0 to 4095
 */
export function partitionId(digest: Uint8Array, at = 0): number {
  return readU16LE(digest, at) & (PARTITION_COUNT - 1);
}

/** Computes digests; made by {@linkcode createDigester}. */
export interface Digester {
  /**
   * The digest of a key: RIPEMD-160 of set, particle type and value.
   *
   * @param set set name as UTF-8, empty for none
   * @param key particle type byte followed by the value as on the wire
   * @returns 20 fresh bytes
   */
  digest(set: Uint8Array, key: Uint8Array): Uint8Array;
}

let loaded: Promise<Digester> | undefined;

/**
 * Loads the hash function, once; the digester that it resolves to is synchronous. After the first load has ended, later
 * calls resolve within the same turn, which keeps simulated runs repeatable.
 */
export function createDigester(): Promise<Digester> {
  return loaded ??= loadDigester();
}

async function loadDigester(): Promise<Digester> {
  // A node is sent digests and never computes one: it starts faster and smaller without the package.
  const { createRIPEMD160 } = await import("hash-wasm");
  const ripemd = await createRIPEMD160();
  return {
    digest(set, key) {
      ripemd.init();
      if (set.length > 0) ripemd.update(set);
      ripemd.update(key);
      return ripemd.digest("binary");
    },
  };
}
