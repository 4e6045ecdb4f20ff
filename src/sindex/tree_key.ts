/**
 * What entries of an index are ordered by: partition, value, digest.
 *
 * A value is a signed 64-bit number in two words; the upper one has its top bit turned over, so that both compare as
 * unsigned. Digests are ordered as in the primary index within one of its trees: bytes 4 to 19, then 0 to 3. Of the
 * first of these words an entry keeps 20 bits, beside its partition; the rest is asked of the primary index, and only
 * when two records of one partition have one value and these bits in common.
 *
 * @module
 */

import { partitionId, readU32 } from "../base/mod.ts";

/** Bits of a digest that are kept in an entry. */
export const STUB_BITS = 20;
/** Mask of these bits in the word that they share with the partition. */
export const STUB_MASK = (1 << STUB_BITS) - 1;
/** Words of a digest in the order in which they are compared, as places in an index entry. */
export const DIGEST_WORD_ORDER: readonly number[] = [1, 2, 3, 4, 0];
/** Words of a digest. */
export const DIGEST_WORD_COUNT = 5;

/** Top bit of a value's upper word. */
const SIGN = 0x8000_0000;

/** A word as it is compared: signed to unsigned, or back. */
export function flipSign(high: number): number {
  return (high ^ SIGN) >>> 0;
}

/** A place in the order of entries; made once and set again for each search. */
export class TreeKey {
  /** Partition. */
  partition = 0;
  /** First bits of the digest. */
  stub = 0;
  /** Upper word of the value, top bit turned over. */
  high = 0;
  /** Lower word of the value. */
  low = 0;
  /** Handle of the record's entry in the primary index; 0 when there need not be a record. */
  handle = 0;
  /** The digest's words in the order in which they are compared. */
  readonly digest: Uint32Array = new Uint32Array(DIGEST_WORD_COUNT);

  /** Takes over a record. */
  setRecord(digest: Uint8Array, at: number, handle: number): void {
    this.partition = partitionId(digest, at);
    for (let word = 0; word < DIGEST_WORD_COUNT; word++) {
      this.digest[word] = readU32(digest, at + DIGEST_WORD_ORDER[word] * 4);
    }
    this.stub = this.digest[0] >>> (32 - STUB_BITS);
    this.handle = handle;
  }

  /** Takes over a value. */
  setValue(high: number, low: number): void {
    this.high = high;
    this.low = low;
  }

  /** Points before all records of a partition with a value. */
  setStart(partition: number, high: number, low: number): void {
    this.partition = partition;
    this.high = high;
    this.low = low;
    this.stub = 0;
    this.handle = 0;
    this.digest.fill(0);
  }
}
