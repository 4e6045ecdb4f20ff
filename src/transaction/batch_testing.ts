/**
 * Helpers for tests of batches: requests as clients encode them.
 *
 * @module
 */

import { ByteBuffer, fromHex, utf8 } from "../base/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { BATCH_FLAG, FIELD, INFO1, RequestWriter } from "../wire/mod.ts";
import { appendOp, type TestOp } from "./testing.ts";

/** One row; `repeat` takes everything but the digest from the row before. */
export interface TestRow {
  record: number;
  repeat?: boolean;
  info1?: number;
  info2?: number;
  namespace?: string;
  key?: string;
  ops?: readonly TestOp[];
}

/** A row that reads the whole record. */
export const READ_ALL: Pick<TestRow, "info1"> = { info1: INFO1.READ | INFO1.GET_ALL };
/** Flags that let every row be answered. */
export const BATCH_FLAGS: number = BATCH_FLAG.INLINE | BATCH_FLAG.RESPOND_ALL | BATCH_FLAG.REPORT_ROW;

/** Encodes a batch, with its proto header. */
export function encodeBatch(
  rows: readonly TestRow[],
  flags: number = BATCH_FLAGS,
  announced: number = rows.length,
  filter?: Uint8Array,
): Uint8Array {
  const buffer = new ByteBuffer();
  const writer = new RequestWriter(buffer);
  writer.begin({ info1: INFO1.BATCH, info2: 0, info3: 0 });
  if (filter !== undefined) writer.field(FIELD.FILTER_EXP, filter);
  const at = writer.beginField(FIELD.BATCH);
  buffer.appendU32(announced);
  buffer.appendU8(flags);
  rows.forEach((row, index) => {
    if (row.repeat === true) return writer.repeatRow(index, testDigest(row.record));
    const mark = writer.beginRow({
      index,
      digest: testDigest(row.record),
      info1: row.info1 ?? 0,
      info2: row.info2 ?? 0,
      info3: 0,
      generation: undefined,
      recordTtl: 0,
    });
    writer.field(FIELD.NAMESPACE, utf8(row.namespace ?? "test"));
    if (row.key !== undefined) writer.field(FIELD.KEY, fromHex(row.key));
    for (const op of row.ops ?? []) appendOp(buffer, writer, op);
    writer.endRow(mark);
  });
  writer.endField(at);
  writer.finish();
  return buffer.toBytes();
}
