/**
 * What operations mean: a request's operations applied to the bins of one record, in order, all or nothing. The caller
 * holds the record; a result other than OK means that the table must be thrown away and the reply's operations too.
 * Source: wire-protocol reference, sections 4.11 and 4.12.
 *
 * @module
 */

import {
  assert,
  BIN_COUNT_MAX,
  BIN_NAME_SIZE_MAX,
  OP_COUNT_MAX,
  REPLY_MESSAGE_SIZE_MAX,
  ResultCode,
  SCRATCH_SIZE_MAX,
} from "../base/mod.ts";
import {
  INFO1,
  INFO2,
  INFO3,
  OP,
  OpCursor,
  PARTICLE,
  type RecordRequest,
  type ReplyWriter,
} from "../wire/mod.ts";
import { type BinTable, SOURCE } from "./bin_table.ts";
import { applyCdt, storeContainer } from "./cdt_apply.ts";
import { type Applied, type ExpScope, modifyByExpression, readExpression } from "./exp/mod.ts";
import { appendGeoParticle, geoTextAt } from "./geo/mod.ts";
import { checkParticle, isBlobParticle } from "./particle.ts";
import { modifyByCall, readByCall } from "./value_calls.ts";

const cursor = new OpCursor();

/** What a write message consists of, found before the record is looked at. */
export interface WriteShape {
  /** The message has a TOUCH operation: the record must exist. */
  hasTouch: boolean;
  /** The message has the READ operation with an empty name: return all bins. */
  hasReadAll: boolean;
  /** The message may write a GeoJSON value: geometry must be loaded before it is applied. */
  hasGeoJson: boolean;
}

const shape: WriteShape = { hasTouch: false, hasReadAll: false, hasGeoJson: false };

/** Operations that build on a bin's old value, or remove the record; they contradict "replace". */
function contradictsReplace(op: number): boolean {
  switch (op) {
    case OP.INCR:
    case OP.APPEND:
    case OP.PREPEND:
    case OP.CDT_MODIFY:
    case OP.BITS_MODIFY:
    case OP.HLL_MODIFY:
    case OP.TOUCH:
    case OP.DELETE_ALL:
      return true;
    default:
      return false;
  }
}

function isReadOp(op: number): boolean {
  return op === OP.READ || op === OP.CDT_READ || op === OP.EXP_READ || op === OP.BITS_READ ||
    op === OP.HLL_READ;
}

function producesResult(op: number): boolean {
  return (isReadOp(op) && op !== OP.READ) || op === OP.CDT_MODIFY || op === OP.HLL_MODIFY;
}

/**
 * Checks a write message for contradictions that don't depend on the record.
 *
 * @returns a result code, or the message's shape in an object that the next call overwrites
 */
export function checkWrite(request: RecordRequest): ResultCode | WriteShape {
  if (request.opCount === 0 || request.opCount > OP_COUNT_MAX) return ResultCode.PARAMETER;
  const replaces = (request.info3 & (INFO3.CREATE_OR_REPLACE | INFO3.REPLACE_ONLY)) !== 0;
  const respondAll = (request.info2 & INFO2.RESPOND_ALL_OPS) !== 0;
  const mayRead = (request.info1 & INFO1.READ) !== 0;
  const headerOnly = (request.info1 & INFO1.GET_NO_BINS) !== 0;
  let readAllCount = 0;
  let resultCount = 0;
  shape.hasTouch = false;
  shape.hasGeoJson = false;
  cursor.start(request);
  while (cursor.next()) {
    const op = cursor.op;
    if (isReadOp(op) && !mayRead) return ResultCode.PARAMETER;
    if (op === OP.READ && cursor.nameSize === 0) readAllCount += headerOnly ? 0 : 1;
    else if (op === OP.READ || producesResult(op)) resultCount++;
    if (op === OP.TOUCH) shape.hasTouch = true;
    if (!isReadOp(op) && cursor.particleType === PARTICLE.GEOJSON) shape.hasGeoJson = true;
    if (replaces && (contradictsReplace(op) || (op === OP.WRITE && cursor.particleType === PARTICLE.NULL))) {
      return ResultCode.PARAMETER;
    }
  }
  if ((request.info1 & INFO1.GET_ALL) !== 0 && readAllCount !== 1) return ResultCode.PARAMETER;
  if (readAllCount > 1 || (readAllCount === 1 && (respondAll || resultCount > 0))) {
    return ResultCode.PARAMETER;
  }
  shape.hasReadAll = readAllCount === 1;
  return shape;
}

/**
 * Applies a write message's operations to a table; results go to the open message of `reply`.
 *
 * @param options `scope`: the record as expressions see it, over the same table
 * @returns OK, the code with which the whole message fails, or NEEDS_GEOMETRY; then it must be applied again later
 */
export function applyWrite(
  request: RecordRequest,
  table: BinTable,
  options: { reply: ReplyWriter; scope: ExpScope },
): Applied {
  const respondAll = (request.info2 & INFO2.RESPOND_ALL_OPS) !== 0;
  const headerOnly = (request.info1 & INFO1.GET_NO_BINS) !== 0;
  options.scope.beginWork();
  cursor.start(request);
  while (cursor.next()) {
    // A client that asks for metadata beside its writes sends a read of all bins that is not to be answered.
    if (headerOnly && cursor.op === OP.READ && cursor.nameSize === 0) continue;
    const result = applyOp(table, options, respondAll);
    if (result !== ResultCode.OK) return result;
    if (options.reply.messageSize > REPLY_MESSAGE_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
  }
  return table.binCount > BIN_COUNT_MAX ? ResultCode.PARAMETER : ResultCode.OK;
}

/** Applies the operation under the cursor. */
function applyOp(
  table: BinTable,
  { reply, scope }: { reply: ReplyWriter; scope: ExpScope },
  respondAll: boolean,
): Applied {
  switch (cursor.op) {
    case OP.READ:
      if (cursor.nameSize === 0) {
        replyAllBins(table, reply);
        return ResultCode.OK;
      }
      return replyBin(table, reply, { op: OP.READ, respondAll });
    case OP.CDT_READ:
    case OP.CDT_MODIFY:
      return applyCdt(cursor, table, { reply, op: cursor.op, respondAll, isWrite: true, scope });
    case OP.BITS_READ:
    case OP.HLL_READ:
      return readByCall(table, cursor, { reply, op: cursor.op, respondAll });
    case OP.BITS_MODIFY:
    case OP.HLL_MODIFY: {
      const nameResult = checkBinName();
      return nameResult === ResultCode.OK ? modifyByCall(table, cursor, { reply, respondAll }) : nameResult;
    }
    case OP.EXP_READ:
      return readExpression(scope, cursor, { reply, op: OP.EXP_READ, respondAll: true });
    case OP.EXP_MODIFY: {
      const nameResult = checkBinName();
      const result = nameResult === ResultCode.OK ? modifyByExpression(scope, cursor) : nameResult;
      if (result !== ResultCode.OK) return result;
      break;
    }
    case OP.TOUCH:
      return ResultCode.OK;
    case OP.DELETE_ALL:
      table.clear();
      break;
    case OP.WRITE:
    case OP.INCR:
    case OP.APPEND:
    case OP.PREPEND: {
      const result = applyModify(table);
      if (result !== ResultCode.OK) return result;
      break;
    }
    default:
      return ResultCode.PARAMETER;
  }
  if (respondAll) reply.op(cursor.op, PARTICLE.NULL, cursor.bytes, cursor.nameAt, cursor.nameSize, 0);
  return ResultCode.OK;
}

function applyModify(table: BinTable): ResultCode {
  const nameResult = checkBinName();
  if (nameResult !== ResultCode.OK) return nameResult;
  if (cursor.op === OP.WRITE) return writeBin(table);
  if (cursor.particleType === PARTICLE.NULL) return ResultCode.PARAMETER;
  // Where there is nothing to add to, the value itself is stored, whatever its type.
  if (table.find(cursor.bytes, cursor.nameAt, cursor.nameSize) < 0) return writeBin(table);
  return cursor.op === OP.INCR ? incrementBin(table) : concatenateBin(table);
}

function checkBinName(): ResultCode {
  const { bytes, nameAt, nameSize } = cursor;
  if (nameSize === 0) return ResultCode.PARAMETER;
  if (nameSize > BIN_NAME_SIZE_MAX) return ResultCode.BIN_NAME;
  for (let at = nameAt; at < nameAt + nameSize; at++) if (bytes[at] === 0) return ResultCode.BIN_NAME;
  return ResultCode.OK;
}

function findOrAdd(table: BinTable): number {
  const row = table.find(cursor.bytes, cursor.nameAt, cursor.nameSize);
  return row >= 0 ? row : table.add(SOURCE.REQUEST, cursor.nameAt, cursor.nameSize);
}

function writeBin(table: BinTable): ResultCode {
  const { particleType, bytes, valueAt, valueSize } = cursor;
  if (particleType === PARTICLE.NULL) {
    const row = table.find(bytes, cursor.nameAt, cursor.nameSize);
    if (row >= 0) table.remove(row);
    return ResultCode.OK;
  }
  if (particleType === PARTICLE.LIST || particleType === PARTICLE.MAP) return writeContainer(table);
  if (particleType === PARTICLE.GEOJSON) return writeGeoJson(table);
  const result = checkParticle(particleType, bytes, valueAt, valueSize);
  if (result !== ResultCode.OK) return result;
  table.setFromRequest(findOrAdd(table), particleType, valueAt, valueSize);
  return ResultCode.OK;
}

function writeContainer(table: BinTable): ResultCode {
  const size = storeContainer(table, cursor);
  if (size < 0) return ResultCode.UNKNOWN;
  const { scratch } = table;
  table.setRange(findOrAdd(table), cursor.particleType, SOURCE.SCRATCH, scratch.length - size, size);
  return ResultCode.OK;
}

/** The cells that a client sends are not believed: they are computed from the text. */
function writeGeoJson(table: BinTable): ResultCode {
  const { bytes, valueAt, valueSize } = cursor;
  const { scratch } = table;
  const textAt = geoTextAt(bytes, valueAt, valueSize);
  if (textAt < 0) return ResultCode.GEO_INVALID_GEOJSON;
  if (scratch.length + valueSize > SCRATCH_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
  const size = appendGeoParticle(scratch, bytes, textAt, valueAt + valueSize - textAt);
  if (size === 0) return ResultCode.GEO_INVALID_GEOJSON;
  table.setRange(findOrAdd(table), PARTICLE.GEOJSON, SOURCE.SCRATCH, scratch.length - size, size);
  return ResultCode.OK;
}

const floatView = new DataView(new ArrayBuffer(8));

function wordsToFloat(high: number, low: number): number {
  floatView.setInt32(0, high);
  floatView.setInt32(4, low);
  return floatView.getFloat64(0);
}

function incrementBin(table: BinTable): ResultCode {
  const { particleType, bytes, valueAt, valueSize } = cursor;
  if (particleType !== PARTICLE.INTEGER && particleType !== PARTICLE.FLOAT) {
    return ResultCode.INCOMPATIBLE_TYPE;
  }
  const result = checkParticle(particleType, bytes, valueAt, valueSize);
  if (result !== ResultCode.OK) return result;
  const row = findOrAdd(table);
  const type = table.type[row];
  if (type !== particleType) return ResultCode.INCOMPATIBLE_TYPE;
  const high = table.high[row];
  const low = table.low[row];
  table.setFromRequest(row, particleType, valueAt, valueSize);
  if (type === PARTICLE.FLOAT) {
    floatView.setFloat64(0, wordsToFloat(high, low) + wordsToFloat(table.high[row], table.low[row]));
    table.setNumber(row, type, floatView.getInt32(0), floatView.getInt32(4));
  } else {
    const sum = (low >>> 0) + (table.low[row] >>> 0);
    table.setNumber(row, type, (high + table.high[row] + (sum > 0xffff_ffff ? 1 : 0)) | 0, sum | 0);
  }
  return ResultCode.OK;
}

function concatenateBin(table: BinTable): ResultCode {
  const { op, particleType, bytes, valueAt, valueSize } = cursor;
  if (particleType !== PARTICLE.STRING && !isBlobParticle(particleType)) return ResultCode.INCOMPATIBLE_TYPE;
  const row = findOrAdd(table);
  const type = table.type[row];
  if (type !== particleType) return ResultCode.INCOMPATIBLE_TYPE;
  const scratch = table.scratch;
  const oldAt = table.valueAt[row];
  const oldSize = table.valueSize[row];
  if (scratch.length + oldSize + valueSize > SCRATCH_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
  const at = scratch.reserve(oldSize + valueSize);
  const old = table.valueBuffer(row).subarray(oldAt, oldAt + oldSize);
  const added = bytes.subarray(valueAt, valueAt + valueSize);
  scratch.append(op === OP.APPEND ? old : added);
  scratch.append(op === OP.APPEND ? added : old);
  table.setRange(row, type, SOURCE.SCRATCH, at, oldSize + valueSize);
  return ResultCode.OK;
}

/**
 * Applies a read message's operations.
 *
 * @param options `opOverride`: operation id in all replies (batch reads answer 1), 0 to echo; `scope`: the record as
 *   expressions see it, over the same table
 * @returns OK, the code with which the whole message fails, or NEEDS_GEOMETRY; then it must be applied again later
 */
export function applyRead(
  request: RecordRequest,
  table: BinTable,
  options: { reply: ReplyWriter; opOverride: number; scope: ExpScope },
): Applied {
  const { reply, scope, opOverride } = options;
  const respondAll = (request.info2 & INFO2.RESPOND_ALL_OPS) !== 0;
  scope.beginWork();
  cursor.start(request);
  while (cursor.next()) {
    const result = readOne(table, scope, { reply, op: opOverride || cursor.op, respondAll });
    if (result !== ResultCode.OK) return result;
    if (reply.messageSize > REPLY_MESSAGE_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
  }
  return ResultCode.OK;
}

/** Answers the operation under the cursor, which must be one that only reads. */
function readOne(
  table: BinTable,
  scope: ExpScope,
  answer: { reply: ReplyWriter; op: number; respondAll: boolean },
): Applied {
  switch (cursor.op) {
    case OP.READ:
      return replyBin(table, answer.reply, answer);
    case OP.CDT_READ:
      return applyCdt(cursor, table, { ...answer, isWrite: false, scope });
    case OP.BITS_READ:
    case OP.HLL_READ:
      return readByCall(table, cursor, answer);
    case OP.EXP_READ:
      return readExpression(scope, cursor, answer);
    default:
      return ResultCode.PARAMETER;
  }
}

/** Appends the bin under the cursor, if it is there. */
function replyBin(
  table: BinTable,
  reply: ReplyWriter,
  options: { op: number; respondAll: boolean },
): ResultCode {
  const { bytes, nameAt, nameSize } = cursor;
  if (nameSize > BIN_NAME_SIZE_MAX) return ResultCode.BIN_NAME;
  const row = table.find(bytes, nameAt, nameSize);
  if (row >= 0 && table.type[row] !== PARTICLE.NULL) {
    const size = table.wireSize(row);
    const at = reply.op(options.op, table.type[row], bytes, nameAt, nameSize, size);
    table.writeWire(row, reply.out.bytes, at);
  } else if (options.respondAll) {
    reply.op(options.op, PARTICLE.NULL, bytes, nameAt, nameSize, 0);
  }
  return ResultCode.OK;
}

/** Appends all bins, each as a READ operation. */
export function replyAllBins(table: BinTable, reply: ReplyWriter): void {
  for (let row = 0; row < table.rowCount; row++) {
    if (table.type[row] === PARTICLE.NULL) continue;
    const size = table.wireSize(row);
    const at = reply.op(
      OP.READ,
      table.type[row],
      table.nameBuffer(row),
      table.nameAt[row],
      table.nameSize[row],
      size,
    );
    table.writeWire(row, reply.out.bytes, at);
  }
  assert(table.binCount <= table.rowCount, "A table has at most one bin per row");
}
