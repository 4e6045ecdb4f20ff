/**
 * Meta records: what a receiver has already, so that a source sends only what differs. Between aerie nodes alone.
 *
 * | bytes | field |
 * | ----- | ----- |
 * | 20 | digest |
 * | 2 | generation |
 * | 5 | last update time, ms since 2010 |
 * | 1 | flags; 1: tombstone |
 * | 4 | content hash: FNV-1a over the 32-bit words of the flat record, without size, tree id and padding |
 *
 * Integers are little-endian. A batch is some of them one after the other. Source: docs/format/peer.md.
 *
 * @module
 */

import {
  assert,
  copyBytes,
  DIGEST_SIZE_BYTES,
  MIGRATE_META_BATCH_COUNT_MAX,
  MIGRATE_META_COUNT_MAX,
  partitionId,
  readU32LE,
  writeU32LE,
} from "../../base/mod.ts";
import type { EntryRef } from "../../storage/mod.ts";

/** Bytes of a meta record. */
export const META_SIZE_BYTES = 32;

const GENERATION_AT = 20;
const LUT_AT = 22;
const FLAGS_AT = 27;
const HASH_AT = 28;
const FLAG_TOMBSTONE = 0x01;

/** Bits of a flat record's second word that say how it is kept and not what it is: size and tree id. */
const KEEPING_BITS = 0xfc07_ffff;

/**
 * Content hash of a flat record: equal records have equal hashes on all nodes, however they are padded.
 *
 * @param bytes buffer that goes on to a multiple of four bytes after `at`
 * @param endAt end of the record, padding included or not
 */
export function contentHash(bytes: Uint8Array, at: number, endAt: number): number {
  let end = endAt;
  while (end > at && bytes[end - 1] === 0) end--;
  let hash = 0x811c9dc5;
  for (let next = at; next < end; next += 4) {
    let word = readU32LE(bytes, next);
    if (next + 4 > end) word &= 0xffff_ffff >>> ((next + 4 - end) * 8);
    if (next === at + 4) word &= ~KEEPING_BITS;
    hash = Math.imul(hash ^ word, 0x01000193);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** Writes the meta record of an entry. */
export function writeMeta(
  target: Uint8Array,
  at: number,
  record: { readonly entry: EntryRef; readonly hash: number },
): void {
  const { entry, hash } = record;
  entry.copyDigest(target, at);
  const { generation, lastUpdateMs } = entry;
  target[at + GENERATION_AT] = generation;
  target[at + GENERATION_AT + 1] = generation >>> 8;
  writeU32LE(target, at + LUT_AT, lastUpdateMs % 0x1_0000_0000);
  target[at + LUT_AT + 4] = Math.floor(lastUpdateMs / 0x1_0000_0000);
  target[at + FLAGS_AT] = entry.isTombstone ? FLAG_TOMBSTONE : 0;
  writeU32LE(target, at + HASH_AT, hash);
}

/** Whether generation, last update time and kind of an entry are those of a meta record with the same digest. */
export function isSameVersion(meta: Uint8Array, at: number, entry: EntryRef): boolean {
  const { lastUpdateMs, generation } = entry;
  return (meta[at + GENERATION_AT] | (meta[at + GENERATION_AT + 1] << 8)) === generation &&
    readU32LE(meta, at + LUT_AT) === lastUpdateMs % 0x1_0000_0000 &&
    meta[at + LUT_AT + 4] === Math.floor(lastUpdateMs / 0x1_0000_0000) &&
    ((meta[at + FLAGS_AT] & FLAG_TOMBSTONE) !== 0) === entry.isTombstone;
}

/** Content hash of a meta record. */
export function metaHash(meta: Uint8Array, at: number): number {
  return readU32LE(meta, at + HASH_AT);
}

/** What is wrong with a batch of meta records for a partition; undefined when nothing is. */
export function metaBatchFault(batch: Uint8Array, partition: number): string | undefined {
  if (batch.length % META_SIZE_BYTES !== 0) return `${batch.length} bytes are no whole meta records`;
  if (batch.length > MIGRATE_META_BATCH_COUNT_MAX * META_SIZE_BYTES) {
    return `${batch.length / META_SIZE_BYTES} meta records, expected at most ${MIGRATE_META_BATCH_COUNT_MAX}`;
  }
  for (let at = 0; at < batch.length; at += META_SIZE_BYTES) {
    if (partitionId(batch, at) !== partition) return "a meta record is of another partition";
  }
  return undefined;
}

/** Most partitions of small clusters have few records, and each transfer has a table. */
const COUNT_FIRST = 16;
const NONE = -1;

/** The meta records of one partition, found by digest: an open hash table. */
export class MetaTable {
  /** Meta records. */
  count = 0;
  #records = new Uint8Array(COUNT_FIRST * META_SIZE_BYTES);
  /** Number of the meta record of each slot, plus one; twice as many slots as records. */
  #slots = new Uint32Array(COUNT_FIRST * 2);
  #isMatched = new Uint8Array(COUNT_FIRST);

  /** The meta records, one after the other. */
  get records(): Uint8Array {
    return this.#records;
  }

  /** Whether another batch may still be taken. */
  hasRoomFor(batch: Uint8Array): boolean {
    return this.count + batch.length / META_SIZE_BYTES <= MIGRATE_META_COUNT_MAX;
  }

  /** Adds a batch; of two meta records of one digest the first counts. */
  add(batch: Uint8Array): void {
    for (let at = 0; at < batch.length; at += META_SIZE_BYTES) {
      if (this.find(batch, at) !== NONE) continue;
      if (this.count * META_SIZE_BYTES === this.#records.length) this.#grow();
      copyBytes(batch, at, this.#records, this.count * META_SIZE_BYTES, META_SIZE_BYTES);
      this.#link(this.count++);
    }
  }

  /**
   * Offset of a digest's meta record in `records`; -1 when there is none.
   *
   * @param digest buffer that holds the digest at `at`
   */
  find(digest: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = readU32LE(digest, at + 4) & mask;; slot = (slot + 1) & mask) {
      const number = this.#slots[slot];
      if (number === 0) return NONE;
      const recordAt = (number - 1) * META_SIZE_BYTES;
      if (this.#hasDigest(recordAt, digest, at)) return recordAt;
    }
  }

  /** Notes that the source has the record at an offset. */
  match(recordAt: number): void {
    this.#isMatched[recordAt / META_SIZE_BYTES] = 1;
  }

  /** Notes that it has it no more. */
  unmatch(recordAt: number): void {
    this.#isMatched[recordAt / META_SIZE_BYTES] = 0;
  }

  /** Whether the source has the record at an offset. */
  isMatched(recordAt: number): boolean {
    return this.#isMatched[recordAt / META_SIZE_BYTES] === 1;
  }

  #hasDigest(recordAt: number, digest: Uint8Array, at: number): boolean {
    for (let place = 0; place < DIGEST_SIZE_BYTES; place++) {
      if (this.#records[recordAt + place] !== digest[at + place]) return false;
    }
    return true;
  }

  #link(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = readU32LE(this.#records, number * META_SIZE_BYTES + 4) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  #grow(): void {
    assert(this.count < MIGRATE_META_COUNT_MAX, "whoever adds meta records asks for room first");
    const records = new Uint8Array(this.#records.length * 2);
    records.set(this.#records);
    this.#records = records;
    const isMatched = new Uint8Array(this.#isMatched.length * 2);
    isMatched.set(this.#isMatched);
    this.#isMatched = isMatched;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.count; number++) this.#link(number);
  }
}
