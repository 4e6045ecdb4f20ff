/**
 * Rows of a batch request (field 41), decoded in place.
 *
 * Payload: u32 row count, u8 flags, rows. Row: u32 index, digest (20), u8 repeat flags, then unless REPEAT is set:
 * info1, [info2 info3], [info4], [generation u16], [TTL u32], u16 field count, u16 op count, fields, ops.
 * Source: wire-protocol reference, section 7.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, readU16, readU32 } from "../base/mod.ts";
import { BATCH_ROW, FIELD, INFO1, INFO3 } from "./constants.ts";
import { opsEnd, type RecordRequest } from "./message.ts";

/** Bytes before the first row. */
const BATCH_HEADER_SIZE = 5;
/** Index, digest and flags of a row. */
const ROW_FIXED_SIZE = 4 + DIGEST_SIZE_BYTES + 1;

/** Walks the rows of a batch; each row is laid out as a request of its own. */
export class BatchCursor {
  /** Rows announced. */
  rowCount = 0;
  /** Flags of the batch. */
  flags = 0;
  /** Index of the present row, to be echoed. */
  rowIndex = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #rowsLeft = 0;
  #parentInfo3 = 0;
  #repeatable = false;

  /**
   * Starts on a batch request.
   *
   * @returns false when the field is absent or too short, or announces no rows
   */
  start(parent: RecordRequest): boolean {
    const type = parent.has(FIELD.BATCH) ? FIELD.BATCH : FIELD.BATCH_WITH_SET;
    const at = parent.fieldAt[type];
    if (at < 0 || parent.fieldSize[type] < BATCH_HEADER_SIZE) return false;
    this.#bytes = parent.bytes;
    this.#at = at + BATCH_HEADER_SIZE;
    this.#end = at + parent.fieldSize[type];
    this.#parentInfo3 = parent.info3 & (INFO3.SC_READ_RELAX | INFO3.SC_READ_TYPE);
    this.rowCount = readU32(parent.bytes, at);
    this.flags = parent.bytes[at + 4];
    this.#rowsLeft = this.rowCount;
    this.#repeatable = false;
    return this.rowCount > 0;
  }

  /** Rows not yet read. */
  get rowsLeft(): number {
    return this.#rowsLeft;
  }

  /**
   * Decodes the next row into `row`; a REPEAT row keeps everything but the digest.
   *
   * @param row request that is reused from row to row; its transaction TTL is left alone
   * @returns false when the row is malformed (the batch ends with result 4)
   */
  next(row: RecordRequest): boolean {
    const bytes = this.#bytes;
    let at = this.#at;
    if (this.#end - at < ROW_FIXED_SIZE) return false;
    this.#rowsLeft--;
    this.rowIndex = readU32(bytes, at);
    const digestAt = at + 4;
    const flags = bytes[digestAt + DIGEST_SIZE_BYTES];
    at += ROW_FIXED_SIZE;
    if ((flags & BATCH_ROW.REPEAT) !== 0) {
      if (!this.#repeatable) return false;
      row.fieldAt[FIELD.DIGEST] = digestAt;
      this.#at = at;
      return true;
    }
    at = this.#decodeBody(row, at, flags);
    if (at < 0) return false;
    row.fieldAt[FIELD.DIGEST] = digestAt;
    row.fieldSize[FIELD.DIGEST] = DIGEST_SIZE_BYTES;
    this.#at = at;
    this.#repeatable = !row.has(FIELD.KEY);
    return true;
  }

  #decodeBody(row: RecordRequest, at: number, flags: number): number {
    const bytes = this.#bytes;
    const optional = ((flags & BATCH_ROW.INFO) !== 0 ? 2 : 0) + ((flags & BATCH_ROW.INFO4) !== 0 ? 1 : 0) +
      ((flags & BATCH_ROW.GENERATION) !== 0 ? 2 : 0) + ((flags & BATCH_ROW.TTL) !== 0 ? 4 : 0);
    if (this.#end - at < 1 + optional + 4) return -1;
    row.bytes = bytes;
    row.end = this.#end;
    row.headerAt = -1;
    row.info1 = bytes[at++] & ~(INFO1.COMPRESS_RESPONSE | INFO1.XDR);
    row.info2 = 0;
    row.info3 = this.#parentInfo3;
    if ((flags & BATCH_ROW.INFO) !== 0) {
      row.info2 = bytes[at++];
      row.info3 = bytes[at++];
    }
    row.info4 = (flags & BATCH_ROW.INFO4) !== 0 ? bytes[at++] : 0;
    row.generation = (flags & BATCH_ROW.GENERATION) !== 0 ? readU16(bytes, at) : 0;
    if ((flags & BATCH_ROW.GENERATION) !== 0) at += 2;
    row.recordTtl = (flags & BATCH_ROW.TTL) !== 0 ? readU32(bytes, at) : 0;
    if ((flags & BATCH_ROW.TTL) !== 0) at += 4;
    const fieldCount = Math.max(1, readU16(bytes, at));
    row.opCount = readU16(bytes, at + 2);
    const opsAt = row.decodeFields(at + 4, fieldCount);
    if (opsAt < 0) return -1;
    row.opsAt = opsAt;
    return opsEnd(bytes, opsAt, { opCount: row.opCount, end: this.#end });
  }
}
