/**
 * Encryption of records on a device: AES in counter mode, under the device's own data key.
 *
 * Every byte of a device has a place in the key stream of its block's life: the counter block is the block's sequence
 * (8 bytes) and the offset in the block divided by 16 (8 bytes), both big-endian. A byte of a block is written once per
 * life, and no two lives have the same sequence, so no part of a key stream is used twice; a piece that is written again
 * after a fault is the same piece.
 *
 * In the clear stay the headers of units, and of each record its first 8 bytes (magic, size, flags) and its trailer, so
 * that a file can be checked without the key. The trailer's checksum is that of the encrypted record. In memory records
 * are not encrypted, and their trailers are those of the plain bytes.
 *
 * @module
 */

import { readU32LE, utf8, writeU32LE } from "../../base/mod.ts";
import type { Compute } from "../../port/mod.ts";
import { flatSizeUnits, UNIT_SIZE_BYTES } from "../flat.ts";
import { recordChecksum, storedSize, TRAILER_SIZE_BYTES, UNIT_HEADER_SIZE_BYTES } from "./layout.ts";

/** Bytes of a record that stay in the clear. */
export const CLEAR_SIZE_BYTES = 8;
/** Encrypted in one go: well below a millisecond. */
const CHUNK_SIZE_BYTES = 128 * 1024;
const AES_BLOCK_SIZE = 16;
const UNIT_RECORD_BYTES_AT = 32;
const TWO_TO_32 = 0x1_0000_0000;

/** A unit of a block that is to be encrypted. */
export interface UnitToSeal {
  /** The block's bytes. */
  bytes: Uint8Array;
  /** Offset of the unit in the block. */
  startBytes: number;
  /** Offset after its padding. */
  endBytes: number;
  /** Life of the block. */
  sequence: number;
  /** What checksums in the block begin with. */
  seed: number;
}

/** Encrypts and decrypts what is on one device. */
export class BlockCipher {
  readonly #compute: Compute;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(AES_BLOCK_SIZE);
  readonly #nonceView = new DataView(this.#nonce.buffer);

  /**
   * @param compute has AES
   * @param key the device's data key, of 16 or 32 bytes
   */
  constructor(compute: Compute, key: Uint8Array) {
    this.#compute = compute;
    this.#key = key;
  }

  /** A key of 32 bytes for something else that belongs to the device. */
  derive(label: string): Uint8Array {
    const name = utf8(label);
    const bytes = new Uint8Array(name.length + this.#key.length);
    bytes.set(name);
    bytes.set(this.#key, name.length);
    return this.#compute.sha256(bytes);
  }

  /**
   * Encrypts a unit, a slice at a time.
   *
   * @param turn resolves in a later turn
   * @returns a copy of the unit as it goes to the device
   */
  async seal(unit: UnitToSeal, turn: () => Promise<void>): Promise<Uint8Array> {
    const { bytes, startBytes, endBytes, sequence } = unit;
    const out = bytes.slice(startBytes, endBytes);
    const first = startBytes + UNIT_HEADER_SIZE_BYTES;
    const last = first + readU32LE(bytes, startBytes + UNIT_RECORD_BYTES_AT);
    for (let at = first; at < last; at += CHUNK_SIZE_BYTES) {
      const end = Math.min(last, at + CHUNK_SIZE_BYTES);
      out.set(this.#apply(bytes.subarray(at, end), sequence, at), at - startBytes);
      if (end < last) await turn();
    }
    await this.#sumUp(unit, out, turn);
    return out;
  }

  /** Puts back what stays in the clear, and writes the trailers. */
  async #sumUp(
    { bytes, startBytes, seed }: UnitToSeal,
    out: Uint8Array,
    turn: () => Promise<void>,
  ): Promise<void> {
    const first = startBytes + UNIT_HEADER_SIZE_BYTES;
    const last = first + readU32LE(bytes, startBytes + UNIT_RECORD_BYTES_AT);
    const range = { seed, offsetBytes: 0 };
    let turnAt = first + CHUNK_SIZE_BYTES;
    for (let at = first; at < last;) {
      const size = storedSize(flatSizeUnits(bytes, at));
      const outAt = at - startBytes;
      const trailerAt = outAt + size - TRAILER_SIZE_BYTES;
      for (let index = 0; index < CLEAR_SIZE_BYTES; index++) out[outAt + index] = bytes[at + index];
      range.offsetBytes = at;
      writeU32LE(out, trailerAt, recordChecksum(out, outAt, trailerAt, range));
      at += size;
      if (at < turnAt) continue;
      turnAt = at + CHUNK_SIZE_BYTES;
      await turn();
    }
  }

  /**
   * Decrypts a stretch of a block. What is in the clear on the device is not, in the result.
   *
   * @param sealed the block's bytes
   * @param range from where to where, multiples of 16, and the life of the block
   * @param plain takes the result, at the same offsets
   */
  open(
    sealed: Uint8Array,
    { startBytes, endBytes, sequence }: { startBytes: number; endBytes: number; sequence: number },
    plain: Uint8Array,
  ): void {
    plain.set(this.#apply(sealed.subarray(startBytes, endBytes), sequence, startBytes), startBytes);
  }

  /**
   * Decrypts one record in place.
   *
   * @param record begins with the record; its trailer is left as it is
   * @param units its size
   * @param place where it is
   */
  openRecord(
    record: Uint8Array,
    units: number,
    { sequence, offsetBytes }: { sequence: number; offsetBytes: number },
  ): void {
    const skip = offsetBytes % AES_BLOCK_SIZE;
    const end = units * UNIT_SIZE_BYTES;
    const padded = new Uint8Array(skip + end);
    padded.set(record.subarray(0, end), skip);
    const plain = this.#apply(padded, sequence, offsetBytes - skip);
    record.set(plain.subarray(skip + CLEAR_SIZE_BYTES), CLEAR_SIZE_BYTES);
  }

  #apply(source: Uint8Array, sequence: number, offsetBytes: number): Uint8Array {
    const view = this.#nonceView;
    view.setUint32(0, Math.floor(sequence / TWO_TO_32));
    view.setUint32(4, sequence % TWO_TO_32);
    view.setUint32(12, offsetBytes / AES_BLOCK_SIZE);
    return this.#compute.aesCtr(source, { key: this.#key, nonce: this.#nonce });
  }
}
