/**
 * Checks flat records that came from elsewhere, before anything relies on what they say.
 *
 * @module
 */

import { BIN_COUNT_MAX, BIN_NAME_SIZE_MAX, readU16LE, readU32LE, SET_NAME_SIZE_MAX } from "../base/mod.ts";
import { isPersisted } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { FLAT_FLAG, FLAT_GENERATION_AT, FLAT_HEADER_SIZE, FLAT_MAGIC, UNIT_SIZE_BYTES } from "./flat.ts";

const BIN_HAS_METADATA = 0x80;
const BIN_METADATA_LUT = 0x01;
const BIN_METADATA_SOURCE = 0x02;
/** Bytes of the longest variable-length integer that a record may have. */
const VARIABLE_SIZE_MAX = 5;

/** A cursor that can't be moved past its end: `at` is -1 from the first fault on. */
class Cursor {
  at: number;

  constructor(readonly bytes: Uint8Array, at: number, readonly end: number) {
    this.at = at;
  }

  skip(count: number): void {
    if (this.at >= 0) this.at = count <= this.end - this.at ? this.at + count : -1;
  }

  byte(): number {
    const value = this.at >= 0 && this.at < this.end ? this.bytes[this.at] : -1;
    this.skip(1);
    return value;
  }

  u32(): number {
    const at = this.at;
    this.skip(4);
    return this.at < 0 ? -1 : readU32LE(this.bytes, at);
  }

  variable(): number {
    let value = 0;
    for (let count = 0; count < VARIABLE_SIZE_MAX; count++) {
      const byte = this.byte();
      if (byte < 0) return -1;
      value = value * 128 + (byte & 0x7f);
      if ((byte & 0x80) === 0) return value;
    }
    this.at = -1;
    return -1;
  }

  fail(): void {
    this.at = -1;
  }
}

/** What `measureFlat` found besides the size; valid until the next call. */
export const measured = {
  /** A list or map of the record has a persisted index. */
  hasIndex: false,
};

/**
 * Bytes of a flat record without its padding, or -1 when it is malformed. Compressed records are refused: nobody here
 * can read them.
 *
 * @param bytes buffer that holds the record
 * @param at offset of the record
 * @param end offset after the last byte that may belong to it
 */
export function measureFlat(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < FLAT_HEADER_SIZE || readU32LE(bytes, at) !== FLAT_MAGIC) return -1;
  const flags = readU32LE(bytes, at + 4);
  if ((flags & FLAT_FLAG.COMPRESSED) !== 0) return -1;
  if (readU16LE(bytes, at + FLAT_GENERATION_AT) === 0) return -1;
  const cursor = new Cursor(bytes, at + FLAT_HEADER_SIZE, end);
  measured.hasIndex = false;
  if ((flags & FLAT_FLAG.EXTRA) !== 0) cursor.skip(1);
  if ((flags & FLAT_FLAG.VOID_TIME) !== 0) cursor.skip(4);
  if ((flags & FLAT_FLAG.SET) !== 0) skipSized(cursor, cursor.byte(), SET_NAME_SIZE_MAX);
  if ((flags & FLAT_FLAG.KEY) !== 0) skipSized(cursor, cursor.variable(), end - at);
  if ((flags & FLAT_FLAG.BINS) !== 0) skipBins(cursor);
  if (cursor.at < 0) return -1;
  const sizeBytes = cursor.at - at;
  const units = (flags & FLAT_FLAG.SIZE_BITS) + 1;
  return Math.ceil(sizeBytes / UNIT_SIZE_BYTES) === units ? sizeBytes : -1;
}

function skipSized(cursor: Cursor, size: number, sizeMax: number): void {
  if (size < 1 || size > sizeMax) cursor.fail();
  else cursor.skip(size);
}

function skipBins(cursor: Cursor): void {
  const count = cursor.variable();
  if (count < 1 || count > BIN_COUNT_MAX) return cursor.fail();
  for (let index = 0; index < count && cursor.at >= 0; index++) {
    skipSized(cursor, cursor.byte(), BIN_NAME_SIZE_MAX);
    let type = cursor.byte();
    if (type >= 0 && (type & BIN_HAS_METADATA) !== 0) {
      cursor.skip(((type & BIN_METADATA_LUT) !== 0 ? 5 : 0) + ((type & BIN_METADATA_SOURCE) !== 0 ? 1 : 0));
      type = cursor.byte();
    }
    skipValue(cursor, type);
  }
}

function skipValue(cursor: Cursor, type: number): void {
  switch (type) {
    case -1:
    case PARTICLE.NULL:
      return cursor.fail();
    case PARTICLE.INTEGER: {
      const size = cursor.byte();
      if (size !== 1 && size !== 2 && size !== 4 && size !== 8) return cursor.fail();
      return cursor.skip(size);
    }
    case PARTICLE.FLOAT:
      return cursor.skip(8);
    case PARTICLE.BOOL:
      return cursor.skip(1);
    default: {
      const size = cursor.u32();
      const { at } = cursor;
      if (size < 0) return cursor.fail();
      cursor.skip(size);
      const isContainer = type === PARTICLE.LIST || type === PARTICLE.MAP;
      if (isContainer && cursor.at >= 0 && isPersisted(cursor.bytes, at, size)) measured.hasIndex = true;
    }
  }
}
