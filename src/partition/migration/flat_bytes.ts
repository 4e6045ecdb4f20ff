/**
 * The bytes of a stored record as they travel: without padding and whatever a device adds.
 *
 * @module
 */

import { type FlatRecord, measureFlat, UNIT_SIZE_BYTES } from "../../storage/mod.ts";
import { contentHash } from "./meta.ts";

/** Offset after the last byte of a record that was loaded; -1 when it can't be understood. */
export function recordEnd({ bytes, at, sizeUnits }: FlatRecord): number {
  const sizeBytes = measureFlat(bytes, at, Math.min(at + sizeUnits * UNIT_SIZE_BYTES, bytes.length));
  return sizeBytes < 0 ? -1 : at + sizeBytes;
}

/** Content hash of a record that was loaded. */
export function recordHash(flat: FlatRecord): number {
  return contentHash(flat.bytes, flat.at, Math.max(recordEnd(flat), flat.at));
}
