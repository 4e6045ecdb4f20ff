/**
 * Persisted indexes of lists and maps inside flat records, on their way between nodes: stock nodes get none, because
 * theirs have another form, and what comes from others is checked.
 *
 * @module
 */

import { ByteBuffer, readU32LE, writeU32LE } from "../base/mod.ts";
import { appendPlain, appendReindexed, type IndexedRange, isPersisted, isSoundIndex } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { FLAT_FLAG, FLAT_FLAGS_AT, FlatRecord, UNIT_SIZE_BYTES } from "./flat.ts";
import { measured, measureFlat } from "./flat_check.ts";

const record = new FlatRecord();
/** Bytes of a list's or map's size before it. */
const SIZE_SIZE = 4;
/** Largest record whose size the format can tell. */
const SIZE_MAX_BYTES = (FLAT_FLAG.SIZE_BITS + 1) * UNIT_SIZE_BYTES;

/**
 * A well-formed flat record without persisted indexes.
 *
 * @param flat without padding
 * @returns a new record without padding, or `flat` itself when it has none
 */
export function withoutIndexes(flat: Uint8Array): Uint8Array {
  if (measureFlat(flat, 0, flat.length) < 0 || !measured.hasIndex) return flat;
  return rewritten(flat, 0, flat.length, appendPlain);
}

/**
 * A well-formed flat record from another node whose persisted indexes may be stored here.
 *
 * @returns a new record without padding; undefined when the old one may be kept as it is
 */
export function withSoundIndexes(bytes: Uint8Array, at: number, sizeBytes: number): Uint8Array | undefined {
  const ranges = indexedRanges(bytes, at);
  if (ranges.every(isSoundIndex)) return undefined;
  const mended = rewritten(bytes, at, sizeBytes, appendReindexed);
  // A record may be just small enough without indexes.
  return mended.length <= SIZE_MAX_BYTES ? mended : rewritten(bytes, at, sizeBytes, appendPlain);
}

/** Lists and maps of a record that have a persisted index. */
function indexedRanges(bytes: Uint8Array, at: number): IndexedRange[] {
  const ranges: IndexedRange[] = [];
  record.open(bytes, at);
  record.forEachRange((type, valueAt, end) => {
    const isContainer = type === PARTICLE.LIST || type === PARTICLE.MAP;
    if (isContainer && isPersisted(bytes, valueAt, end - valueAt)) ranges.push({ bytes, at: valueAt, end });
  });
  return ranges;
}

/** Copies a record with other bytes in place of its lists and maps with indexes. */
function rewritten(
  bytes: Uint8Array,
  at: number,
  sizeBytes: number,
  append: (range: IndexedRange, out: ByteBuffer) => void,
): Uint8Array {
  const out = new ByteBuffer(sizeBytes + UNIT_SIZE_BYTES);
  const value = new ByteBuffer();
  let keptAt = at;
  for (const range of indexedRanges(bytes, at)) {
    value.reset();
    append(range, value);
    out.append(bytes, keptAt, range.at);
    writeU32LE(out.bytes, out.length - SIZE_SIZE, value.length);
    out.append(value.bytes, 0, value.length);
    keptAt = range.end;
  }
  out.append(bytes, keptAt, at + sizeBytes);
  const units = Math.ceil(out.length / UNIT_SIZE_BYTES);
  const flags = readU32LE(out.bytes, FLAT_FLAGS_AT) & ~FLAT_FLAG.SIZE_BITS;
  writeU32LE(out.bytes, FLAT_FLAGS_AT, (flags | (units - 1)) >>> 0);
  return out.toBytes();
}
