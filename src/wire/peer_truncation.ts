/**
 * Truncation marks in an exchange: what an aerie node has of the metadata's module of truncations, the latest first when
 * there are too many. A byte string for each, little-endian:
 *
 * | bytes | meaning |
 * | ----- | ------- |
 * | 4 | generation of the item |
 * | 8 | when it was set last, ms since 2010 |
 * | 8 | the mark, ms since 2010; 0: it was undone |
 * | the rest | key, UTF-8: `namespace` or `namespace\|set` |
 *
 * @module
 */

import {
  EXCHANGE_TRUNCATION_COUNT_MAX,
  EXCHANGE_TRUNCATION_KEY_SIZE_MAX,
  readU32LE,
  utf8,
  utf8Decode,
  writeU32LE,
} from "../base/mod.ts";
import { PEER_TRUNCATIONS_FIELD, type PeerReader, type PeerWriter } from "./peer_envelope.ts";
import { readSafeU64LE } from "./peer_ids.ts";
import { readBlobList, writeBlobList } from "./peer_msgpack.ts";
import type { SmdItem } from "./peer_smd.ts";

/** An item of the module of truncations, complete. */
export type TruncationItem = Required<SmdItem>;

const HEAD_SIZE = 20;
const TWO_32 = 0x1_0000_0000;

/** A mark that a node may have: a number of ms that is not 0, or null. */
const MARK = /^[1-9]\d{0,14}$/;

/**
 * Those of a node's items that it tells in an exchange: all that are truncations, and of more than
 * {@linkcode EXCHANGE_TRUNCATION_COUNT_MAX} those that were set last.
 */
export function truncationsToTell(items: readonly TruncationItem[]): TruncationItem[] {
  const told = items.filter(({ key, value }) =>
    key !== "" && utf8(key).length <= EXCHANGE_TRUNCATION_KEY_SIZE_MAX && (value === null || MARK.test(value))
  );
  if (told.length <= EXCHANGE_TRUNCATION_COUNT_MAX) return told;
  const times = Float64Array.from(told, ({ timestampMs }) => timestampMs).sort();
  const sinceMs = times[times.length - EXCHANGE_TRUNCATION_COUNT_MAX];
  const latest = told.filter(({ timestampMs }) => timestampMs > sinceMs);
  const same = told.filter(({ timestampMs }) => timestampMs === sinceMs);
  return [...latest, ...same.slice(0, EXCHANGE_TRUNCATION_COUNT_MAX - latest.length)];
}

/** Writes the field of an exchange message. */
export function writeTruncations(writer: PeerWriter, items: readonly TruncationItem[]): void {
  const blobs = items.map(({ key, value, generation, timestampMs }) => {
    const name = utf8(key);
    const blob = new Uint8Array(HEAD_SIZE + name.length);
    writeU32LE(blob, 0, generation);
    writeTime(blob, 4, timestampMs);
    writeTime(blob, 12, Number(value ?? 0));
    blob.set(name, HEAD_SIZE);
    return blob;
  });
  writeBlobList(writer, PEER_TRUNCATIONS_FIELD, blobs);
}

function writeTime(blob: Uint8Array, at: number, timeMs: number): void {
  writeU32LE(blob, at, timeMs % TWO_32);
  writeU32LE(blob, at + 4, Math.floor(timeMs / TWO_32));
}

/** Reads the field of an exchange message; undefined when it is absent. */
export function readTruncations(reader: PeerReader): TruncationItem[] | undefined {
  const blobs = readBlobList(reader, PEER_TRUNCATIONS_FIELD, EXCHANGE_TRUNCATION_COUNT_MAX);
  return blobs?.map((blob) => {
    const item = blob === null ? undefined : readItem(blob);
    if (item === undefined) reader.fail(`field ${PEER_TRUNCATIONS_FIELD}: a truncation is malformed`);
    return item ?? { key: "", value: null, generation: 0, timestampMs: 0 };
  });
}

function readItem(blob: Uint8Array): TruncationItem | undefined {
  const keySize = blob.length - HEAD_SIZE;
  if (keySize < 1 || keySize > EXCHANGE_TRUNCATION_KEY_SIZE_MAX) return undefined;
  const generation = readU32LE(blob, 0);
  const timestampMs = readSafeU64LE(blob, 4);
  const mark = readSafeU64LE(blob, 12);
  if (timestampMs < 0 || mark < 0) return undefined;
  return {
    key: utf8Decode(blob.subarray(HEAD_SIZE)),
    value: mark === 0 ? null : String(mark),
    generation,
    timestampMs,
  };
}
