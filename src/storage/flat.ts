/**
 * The flat record: how one record is stored, replicated and migrated. Integers are little-endian.
 *
 * | bytes | field                                                                                        |
 * | ----- | -------------------------------------------------------------------------------------------- |
 * | 4     | magic 0x037AF201                                                                              |
 * | 4     | bits 0-18: size in 16-byte units, less 1; 19 has void-time; 20 has set; 21 has key; 22 has bins; 23 compressed; 24 written by XDR; 25 has extra flags; 26-31 tree id |
 * | 20    | digest                                                                                        |
 * | 5     | last update time, ms since 2010                                                               |
 * | 2     | generation                                                                                    |
 * | 4     | void-time, seconds since 2010 (if flagged)                                                    |
 * | 1 + n | set name (if flagged)                                                                         |
 * | v + n | user key: size as a variable-length integer, particle type, value (if flagged)                |
 * | v     | number of bins as a variable-length integer (if flagged)                                      |
 * | …     | bins: name size and name, particle type, value                                                |
 *
 * Values: integer a size byte (1, 2, 4, 8) and that many bytes, zero-extended; float 8 bytes; bool 1 byte; all others a
 * 4-byte size and bytes. A bin whose byte after the name has its top bit set carries metadata: flags, then 5 bytes (0x01) and 1 byte (0x02).
 * A tombstone has no bins. Variable-length integers are groups of 7 bits, highest first, top bit set on all but the
 * last. Records are padded to 16 bytes. Source: server-operations reference, section 15, and recorded replica writes.
 *
 * @module
 */

import {
  type ByteBuffer,
  copyBytes,
  CorruptionError,
  DIGEST_SIZE_BYTES,
  readU16LE,
  readU32LE,
  writeU32LE,
} from "../base/mod.ts";
import { type BinTable, isNumberParticle, SOURCE } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";

/** First word of every flat record. */
export const FLAT_MAGIC = 0x037a_f201;
/** Flat records are padded to multiples of this many bytes; locations count such units. */
export const UNIT_SIZE_BYTES = 16;

/** Bytes that every flat record begins with. */
export const FLAT_HEADER_SIZE = 35;
/** Offset of the generation in a flat record. */
export const FLAT_GENERATION_AT = 33;
/** Offset of a flat record's second word. */
export const FLAT_FLAGS_AT = 4;
/** Bits of a flat record's second word. */
export const FLAT_FLAG = {
  SIZE_BITS: 0x0007_ffff,
  VOID_TIME: 1 << 19,
  SET: 1 << 20,
  KEY: 1 << 21,
  BINS: 1 << 22,
  COMPRESSED: 1 << 23,
  EXTRA: 1 << 25,
} as const;
/** Bits of the second word that differ from node to node: the tree id. */
const TREE_ID_BITS = 0xfc00_0000;

/** Offset of the digest in a flat record. */
export const FLAT_DIGEST_AT = 8;
const DIGEST_AT = FLAT_DIGEST_AT;
const LUT_AT = 28;
const GENERATION_AT = FLAT_GENERATION_AT;
const SIZE_BITS = FLAT_FLAG.SIZE_BITS;
const HAS_VOID_TIME = FLAT_FLAG.VOID_TIME;
const HAS_SET = FLAT_FLAG.SET;
const HAS_KEY = FLAT_FLAG.KEY;
const HAS_BINS = FLAT_FLAG.BINS;
const HAS_EXTRA = FLAT_FLAG.EXTRA;
const TREE_ID_SHIFT = 26;
const BIN_HAS_METADATA = 0x80;
const BIN_METADATA_LUT = 0x01;
const BIN_METADATA_SOURCE = 0x02;
/** Largest bytes of one bin besides name and value: sizes and type. */
const BIN_OVERHEAD_MAX = 8;

/** What a flat record says besides its bins. */
export interface FlatMeta {
  /** Generation, 1 to 65535. */
  generation: number;
  /** Last update time in ms since 2010. */
  lastUpdateMs: number;
  /** Void-time in seconds since 2010, 0 for never. */
  voidTime: number;
  /** Set name; empty for none. */
  set: Uint8Array;
  /** User key with its particle type byte; undefined when it is not stored. Lent. */
  key: Uint8Array | undefined;
  /** Tree id of the partition, 0 to 63; 0 when it is not given. */
  treeId?: number;
}

/** A view of one flat record; made once and moved from record to record. */
export class FlatRecord {
  /** The buffer that holds the record. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the record. */
  at = 0;
  /** Offset of the set name, -1 when there is none. */
  setAt = -1;
  /** Bytes of the set name. */
  setSize = 0;
  /** Offset of the user key, -1 when it is not stored. */
  keyAt = -1;
  /** Bytes of the user key, its particle type byte included. */
  keySize = 0;
  /** Number of bins; 0 for a tombstone. */
  binCount = 0;
  /** Void-time in seconds since 2010, 0 for never. */
  voidTime = 0;
  #binsAt = 0;

  /**
   * Reads a record's header.
   *
   * @param bytes buffer, kept by reference
   * @throws {CorruptionError} when there is no record at `at`
   */
  open(bytes: Uint8Array, at: number): void {
    const magic = readU32LE(bytes, at);
    if (magic !== FLAT_MAGIC) {
      throw new CorruptionError({
        device: "memory",
        offsetBytes: at,
        expected: `record magic ${FLAT_MAGIC.toString(16)}`,
        found: magic.toString(16),
      });
    }
    this.bytes = bytes;
    this.at = at;
    const flags = readU32LE(bytes, at + 4);
    let next = at + FLAT_HEADER_SIZE + ((flags & HAS_EXTRA) !== 0 ? 1 : 0);
    this.voidTime = (flags & HAS_VOID_TIME) !== 0 ? readU32LE(bytes, next) : 0;
    if ((flags & HAS_VOID_TIME) !== 0) next += 4;
    this.setAt = -1;
    this.setSize = 0;
    if ((flags & HAS_SET) !== 0) {
      this.setSize = bytes[next];
      this.setAt = next + 1;
      next = this.setAt + this.setSize;
    }
    this.keyAt = -1;
    this.keySize = 0;
    if ((flags & HAS_KEY) !== 0) {
      this.keySize = readVariable(bytes, next);
      this.keyAt = next + variableSize(this.keySize);
      next = this.keyAt + this.keySize;
    }
    this.binCount = (flags & HAS_BINS) !== 0 ? readVariable(bytes, next) : 0;
    this.#binsAt = (flags & HAS_BINS) !== 0 ? next + variableSize(this.binCount) : next;
  }

  /** Shows no record: header without bins, set and key. What was open before is not shown by mistake. */
  clear(): void {
    this.open(NO_RECORD, 0);
  }

  /** Generation. */
  get generation(): number {
    return readU16LE(this.bytes, this.at + GENERATION_AT);
  }

  /** Last update time in ms since 2010. */
  get lastUpdateMs(): number {
    return readU32LE(this.bytes, this.at + LUT_AT) + this.bytes[this.at + LUT_AT + 4] * 0x1_0000_0000;
  }

  /** Offset of the digest. */
  get digestAt(): number {
    return this.at + DIGEST_AT;
  }

  /** Size in 16-byte units. */
  get sizeUnits(): number {
    return flatSizeUnits(this.bytes, this.at);
  }

  /** Tree id of the record's partition when it was stored. */
  get treeId(): number {
    return readU32LE(this.bytes, this.at + 4) >>> TREE_ID_SHIFT;
  }

  /** Offset of the bins; of a record without bins, of its padding. */
  get binsAt(): number {
    return this.#binsAt;
  }

  /** A view of the user key, undefined when it is not stored. */
  key(): Uint8Array | undefined {
    return this.keyAt < 0 ? undefined : this.bytes.subarray(this.keyAt, this.keyAt + this.keySize);
  }

  /** Visits the bins whose values are bytes: particle type, offset, and offset after the value. */
  forEachRange(visit: (type: number, at: number, end: number) => void): void {
    const bytes = this.bytes;
    let at = this.#binsAt;
    for (let index = 0; index < this.binCount; index++) {
      at = skipMetadata(bytes, at + 1 + bytes[at]);
      const type = bytes[at];
      if (type === PARTICLE.INTEGER) at += 2 + bytes[at + 1];
      else if (type === PARTICLE.FLOAT) at += 9;
      else if (type === PARTICLE.BOOL) at += 2;
      else {
        const valueAt = at + 5;
        at = valueAt + readU32LE(bytes, at + 1);
        visit(type, valueAt, at);
      }
    }
  }

  /** Appends the record's bins to a table that was reset with this record's buffer as its stored bytes. */
  loadBins(table: BinTable): void {
    const bytes = this.bytes;
    let at = this.#binsAt;
    for (let index = 0; index < this.binCount; index++) {
      const nameSize = bytes[at];
      const row = table.add(SOURCE.STORED, at + 1, nameSize);
      at = skipMetadata(bytes, at + 1 + nameSize);
      at = loadValue(bytes, at, table, row);
    }
  }
}

const NO_RECORD = new Uint8Array(3 * UNIT_SIZE_BYTES);
writeU32LE(NO_RECORD, 0, FLAT_MAGIC);
writeU32LE(NO_RECORD, FLAT_FLAGS_AT, 2);

/** Offset of the digest of the flat record at an offset. */
export function flatDigestAt(at: number): number {
  return at + DIGEST_AT;
}

/** Size of the flat record at an offset, in 16-byte units. */
export function flatSizeUnits(bytes: Uint8Array, at: number): number {
  return (readU32LE(bytes, at + 4) & SIZE_BITS) + 1;
}

function skipMetadata(bytes: Uint8Array, at: number): number {
  const flags = bytes[at];
  if ((flags & BIN_HAS_METADATA) === 0) return at;
  return at + 1 + ((flags & BIN_METADATA_LUT) !== 0 ? 5 : 0) + ((flags & BIN_METADATA_SOURCE) !== 0 ? 1 : 0);
}

/** Loads the value at `at`, which begins with the particle type; the offset after it. */
function loadValue(bytes: Uint8Array, at: number, table: BinTable, row: number): number {
  const type = bytes[at];
  switch (type) {
    case PARTICLE.INTEGER: {
      const size = bytes[at + 1];
      const low = size === 1
        ? bytes[at + 2]
        : size === 2
        ? readU16LE(bytes, at + 2)
        : readU32LE(bytes, at + 2);
      table.setNumber(row, type, size === 8 ? readU32LE(bytes, at + 6) : 0, low);
      return at + 2 + size;
    }
    case PARTICLE.FLOAT:
      table.setNumber(row, type, readU32LE(bytes, at + 5), readU32LE(bytes, at + 1));
      return at + 9;
    case PARTICLE.BOOL:
      table.setNumber(row, type, 0, bytes[at + 1]);
      return at + 2;
    default: {
      const size = readU32LE(bytes, at + 1);
      table.setRange(row, type, SOURCE.STORED, at + 5, size);
      return at + 5 + size;
    }
  }
}

/**
 * Writes a record in flat form at the end of a buffer, padded to 16 bytes.
 *
 * @param digest buffer that holds the digest
 * @param digestAt offset of the digest
 * @param meta header values
 * @param table the bins; with none the record is a tombstone
 * @returns size in 16-byte units
 */
export function encodeFlat(
  out: ByteBuffer,
  digest: Uint8Array,
  digestAt: number,
  meta: FlatMeta,
  table: BinTable,
): number {
  const start = out.length;
  const keySize = meta.key?.length ?? 0;
  let at = out.reserve(flatSizeMax(meta, table));
  const bytes = out.bytes;
  let flags = 0;
  copyBytes(digest, digestAt, bytes, at + DIGEST_AT, DIGEST_SIZE_BYTES);
  writeU32LE(bytes, at + LUT_AT, meta.lastUpdateMs % 0x1_0000_0000);
  bytes[at + LUT_AT + 4] = Math.floor(meta.lastUpdateMs / 0x1_0000_0000);
  bytes[at + GENERATION_AT] = meta.generation;
  bytes[at + GENERATION_AT + 1] = meta.generation >>> 8;
  at += FLAT_HEADER_SIZE;
  if (meta.voidTime !== 0) {
    flags |= HAS_VOID_TIME;
    writeU32LE(bytes, at, meta.voidTime);
    at += 4;
  }
  if (meta.set.length > 0) {
    flags |= HAS_SET;
    bytes[at] = meta.set.length;
    copyBytes(meta.set, 0, bytes, at + 1, meta.set.length);
    at += 1 + meta.set.length;
  }
  if (meta.key !== undefined) {
    flags |= HAS_KEY;
    at = writeVariable(bytes, at, keySize);
    copyBytes(meta.key, 0, bytes, at, keySize);
    at += keySize;
  }
  if (table.binCount > 0) {
    flags |= HAS_BINS;
    at = writeVariable(bytes, at, table.binCount);
    at = writeBins(bytes, at, table);
  }
  const units = Math.ceil((at - start) / UNIT_SIZE_BYTES);
  bytes.fill(0, at, start + units * UNIT_SIZE_BYTES);
  out.length = start + units * UNIT_SIZE_BYTES;
  writeU32LE(bytes, start, FLAT_MAGIC);
  writeU32LE(bytes, start + 4, flags | ((meta.treeId ?? 0) << TREE_ID_SHIFT) | ((units - 1) & SIZE_BITS));
  return units;
}

/**
 * Appends a flat record from another node as it is stored here: padded, and with this node's tree id.
 *
 * @param source buffer and offset of the record, which was measured before, and its bytes without padding
 * @param treeId tree id of the partition, 0 to 63
 * @returns size in 16-byte units
 */
export function copyFlat(
  out: ByteBuffer,
  source: { bytes: Uint8Array; at: number; sizeBytes: number },
  treeId: number,
): number {
  const { bytes, at, sizeBytes } = source;
  const units = Math.ceil(sizeBytes / UNIT_SIZE_BYTES);
  const start = out.reserve(units * UNIT_SIZE_BYTES);
  copyBytes(bytes, at, out.bytes, start, sizeBytes);
  out.bytes.fill(0, start + sizeBytes, start + units * UNIT_SIZE_BYTES);
  const flags = readU32LE(out.bytes, start + 4) & ~TREE_ID_BITS;
  writeU32LE(out.bytes, start + 4, (flags | (treeId << TREE_ID_SHIFT)) >>> 0);
  out.length = start + units * UNIT_SIZE_BYTES;
  return units;
}

/** Changes the last update time of a flat record in place; ms since 2010. */
export function setFlatLastUpdate(bytes: Uint8Array, at: number, lastUpdateMs: number): void {
  writeU32LE(bytes, at + LUT_AT, lastUpdateMs % 0x1_0000_0000);
  bytes[at + LUT_AT + 4] = Math.floor(lastUpdateMs / 0x1_0000_0000);
}

/** Upper bound of a flat record's size in bytes, padding included. */
function flatSizeMax(meta: FlatMeta, table: BinTable): number {
  let size = FLAT_HEADER_SIZE + 4 + 1 + meta.set.length + 5 + (meta.key?.length ?? 0) + 5 + UNIT_SIZE_BYTES;
  for (let row = 0; row < table.rowCount; row++) {
    const valueSize = isNumberParticle(table.type[row]) ? 0 : table.valueSize[row];
    size += table.nameSize[row] + BIN_OVERHEAD_MAX + Math.max(9, valueSize);
  }
  return size;
}

function writeBins(bytes: Uint8Array, at: number, table: BinTable): number {
  for (let row = 0; row < table.rowCount; row++) {
    const type = table.type[row];
    if (type === PARTICLE.NULL) continue;
    const nameSize = table.nameSize[row];
    bytes[at] = nameSize;
    copyBytes(table.nameBuffer(row), table.nameAt[row], bytes, at + 1, nameSize);
    at += 1 + nameSize;
    bytes[at++] = type;
    at = isNumberParticle(type) ? writeNumber(bytes, at, table, row) : writeRange(bytes, at, table, row);
  }
  return at;
}

function writeNumber(bytes: Uint8Array, at: number, table: BinTable, row: number): number {
  const type = table.type[row];
  const low = table.low[row];
  if (type === PARTICLE.BOOL) {
    bytes[at] = low;
    return at + 1;
  }
  if (type === PARTICLE.FLOAT) {
    writeU32LE(bytes, at, low);
    writeU32LE(bytes, at + 4, table.high[row]);
    return at + 8;
  }
  const size = table.high[row] !== 0 ? 8 : (low & 0xffff_0000) !== 0 ? 4 : (low & 0xff00) !== 0 ? 2 : 1;
  bytes[at++] = size;
  for (let shift = 0; shift < Math.min(4, size); shift++) bytes[at + shift] = low >>> (shift * 8);
  if (size === 8) writeU32LE(bytes, at + 4, table.high[row]);
  return at + size;
}

function writeRange(bytes: Uint8Array, at: number, table: BinTable, row: number): number {
  const size = table.valueSize[row];
  writeU32LE(bytes, at, size);
  copyBytes(table.valueBuffer(row), table.valueAt[row], bytes, at + 4, size);
  return at + 4 + size;
}

function readVariable(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (;; at++) {
    value = value * 128 + (bytes[at] & 0x7f);
    if ((bytes[at] & 0x80) === 0) return value;
  }
}

function variableSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

function writeVariable(bytes: Uint8Array, at: number, value: number): number {
  const size = variableSize(value);
  for (let index = size - 1; index >= 0; index--) {
    bytes[at + index] = (value & 0x7f) | (index === size - 1 ? 0 : 0x80);
    value >>>= 7;
  }
  return at + size;
}
