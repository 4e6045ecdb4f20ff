/**
 * Bit and HyperLogLog calls on bins: finds the value that a call is about, and puts a new one in its place.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import { OP, type OpCursor, PARTICLE, type ReplyWriter } from "../wire/mod.ts";
import { type BinTable, SOURCE } from "./bin_table.ts";
import { modifyBits, readBits } from "./bits/mod.ts";
import { ByteRange, CallResult, ValueEdit } from "./call.ts";
import { modifyHll, readHll } from "./hll/mod.ts";

const call = new ByteRange();
const result = new CallResult();
let edit: ValueEdit | undefined;

/** The edit of one bin, which `row` tells, or of a bin that is not there. */
function editOf(table: BinTable, row: number): ValueEdit {
  edit ??= new ValueEdit(table.scratch);
  edit.out = table.scratch;
  if (row < 0) {
    edit.old.sizeBytes = 0;
    edit.start(PARTICLE.NULL, false, table.valueSizeMaxBytes);
  } else {
    edit.old.set(table.valueBuffer(row), table.valueAt[row], table.valueSize[row]);
    edit.start(table.type[row], table.ownsScratchEnd(row), table.valueSizeMaxBytes);
  }
  return edit;
}

/**
 * Answers the reading call under the cursor.
 *
 * @param table the record's bins
 * @param cursor at the operation BITS_READ or HLL_READ
 * @param options the open reply, the operation id in it, and whether a bin that is not there is answered too
 */
export function readByCall(
  table: BinTable,
  cursor: OpCursor,
  options: { reply: ReplyWriter; op: number; respondAll: boolean },
): ResultCode {
  const { bytes, nameAt, nameSize } = cursor;
  const row = table.find(bytes, nameAt, nameSize);
  if (row < 0) {
    if (options.respondAll) options.reply.op(options.op, PARTICLE.NULL, bytes, nameAt, nameSize, 0);
    return ResultCode.OK;
  }
  if (cursor.op === OP.BITS_READ && cursor.particleType !== PARTICLE.BLOB) {
    return ResultCode.INCOMPATIBLE_TYPE;
  }
  call.set(bytes, cursor.valueAt, cursor.valueSize);
  const { scratch } = table;
  const scratchEnd = scratch.length;
  const edited = editOf(table, row);
  const resultCode = cursor.op === OP.BITS_READ
    ? readBits(call, edited, result)
    : readHll(call, edited, result);
  if (resultCode !== ResultCode.OK) return resultCode;
  writeResult(table, cursor, options);
  scratch.length = scratchEnd;
  return ResultCode.OK;
}

/**
 * Applies the modifying call under the cursor; the bin's name has been checked.
 *
 * @param table the record's bins
 * @param cursor at the operation BITS_MODIFY or HLL_MODIFY
 * @param options the open reply, and whether calls without an answer are answered too
 */
export function modifyByCall(
  table: BinTable,
  cursor: OpCursor,
  options: { reply: ReplyWriter; respondAll: boolean },
): ResultCode {
  const { op, bytes, nameAt, nameSize } = cursor;
  if (op === OP.BITS_MODIFY && cursor.particleType !== PARTICLE.BLOB) return ResultCode.INCOMPATIBLE_TYPE;
  call.set(bytes, cursor.valueAt, cursor.valueSize);
  let row = table.find(bytes, nameAt, nameSize);
  const edited = editOf(table, row);
  result.setNone();
  const isBits = op === OP.BITS_MODIFY;
  const resultCode = isBits ? modifyBits(call, edited) : modifyHll(call, edited, result);
  if (resultCode !== ResultCode.OK) return resultCode;
  if (edited.isChanged) {
    if (row < 0) row = table.add(SOURCE.REQUEST, nameAt, nameSize);
    const type = isBits ? PARTICLE.BLOB : PARTICLE.HLL;
    table.setRange(row, type, SOURCE.SCRATCH, edited.newAt, edited.newSizeBytes);
  }
  if (result.type !== PARTICLE.NULL || options.respondAll) {
    writeResult(table, cursor, { reply: options.reply, op });
  }
  return ResultCode.OK;
}

function writeResult(table: BinTable, cursor: OpCursor, options: { reply: ReplyWriter; op: number }): void {
  const { reply, op } = options;
  const { bytes, nameAt, nameSize } = cursor;
  const at = reply.op(op, result.type, bytes, nameAt, nameSize, result.wireSize());
  result.writeWire(table.scratch, reply.out.bytes, at);
}
