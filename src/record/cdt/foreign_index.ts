/**
 * Persisted indexes that come from other nodes. One of this form is kept when its numbers can be right: whether they are
 * is checked whenever one is used, and equal records must stay equal byte for byte on all nodes. Every other one is
 * replaced by one made from the content.
 *
 * @module
 */

import type { ByteBuffer } from "../../base/mod.ts";
import { appendIndexed } from "./builder.ts";
import { isMapLead, makeHead, plainSize, readHead, writePlain } from "./head.ts";
import { OffsetIndex } from "./offset_index.ts";

const head = makeHead();
const index = new OffsetIndex();

/** The value of a bin, a list or map with a persisted index. */
export interface IndexedRange {
  /** Buffer that holds it. */
  bytes: Uint8Array;
  /** Its offset. */
  at: number;
  /** Offset after it. */
  end: number;
}

/** Whether the index of a list or map may be kept as it is. */
export function isSoundIndex({ at, bytes, end }: IndexedRange): boolean {
  readHead(bytes, at, head);
  const contentSize = end - head.contentAt;
  if (contentSize < head.count) return false;
  const { count, flags } = head;
  const isMap = isMapLead(bytes[at]);
  return index.open(bytes, head, { count, flags, isMap, contentSize }) && index.isSound();
}

/** Appends a list or map without its index to a buffer. */
export function appendPlain({ at, bytes, end }: IndexedRange, out: ByteBuffer): void {
  const sizeBytes = plainSize(bytes, at, end - at);
  const to = out.reserve(sizeBytes);
  writePlain(bytes, at, end - at, out.bytes, to);
  out.length = to + sizeBytes;
}

/** Appends a list or map with an index made anew to an empty buffer; without one if its content is damaged. */
export function appendReindexed(range: IndexedRange, out: ByteBuffer): void {
  const sizeBytes = appendIndexed(range, out);
  if (sizeBytes < 0) return appendPlain(range, out);
  out.consume(out.length - sizeBytes);
}
