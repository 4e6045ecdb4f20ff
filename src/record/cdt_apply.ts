/**
 * List and map operations on the bins of a record: from an operation of a message to a call, and back to a bin and an
 * entry of the reply. Source: data type reference, section 0.5.
 *
 * @module
 */

import { BIN_NAME_SIZE_MAX, ResultCode, SCRATCH_SIZE_MAX } from "../base/mod.ts";
import { OP, type OpCursor, PARTICLE, type ReplyWriter } from "../wire/mod.ts";
import { type BinTable, SOURCE } from "./bin_table.ts";
import { appendStoredBin, CdtMachine, type CdtRequest, type CdtTarget, runCdt } from "./cdt/mod.ts";
import { type Applied, type ExpProgram, type ExpScope, NEEDS_GEOMETRY, PathEvaluator } from "./exp/mod.ts";
import { isGeometryLoaded } from "./geo/mod.ts";

const machine = new CdtMachine();
const target: CdtTarget = { type: PARTICLE.NULL, bytes: new Uint8Array(0), at: 0, end: 0 };
const request: CdtRequest = { bytes: target.bytes, at: 0, end: 0, mayModify: false };

/** Where answers go, and how. */
export interface CdtReply {
  /** Receives the answer. */
  reply: ReplyWriter;
  /** Operation id in the answer. */
  op: number;
  /** Answer operations that have nothing to say, too. */
  respondAll: boolean;
  /** The message is a write: a read that finds nothing in a bin that is there says so. */
  isWrite: boolean;
  /** The record as expressions see it. */
  scope: ExpScope;
}

/** The scope of the operation that is applied. */
let scope: ExpScope | undefined;
/** The operation has an expression that can't be evaluated before geometry is there. */
let needsGeometry = false;

/** Evaluates the expressions of a selection by path, once geometry is there if they need it. */
class OperationEvaluator extends PathEvaluator {
  override compile(bytes: Uint8Array, at: number, end: number, isFilter: boolean): ExpProgram | ResultCode {
    const program = super.compile(bytes, at, end, isFilter);
    if (typeof program === "number" || !program.usesGeometry || isGeometryLoaded()) return program;
    needsGeometry = true;
    return ResultCode.UNSUPPORTED_FEATURE;
  }
}

machine.makeExpressions = () => {
  scope!.hasBins = true;
  return new OperationEvaluator(scope!);
};

/**
 * Applies the CDT_READ or CDT_MODIFY operation under a cursor.
 *
 * @param table the record's bins; must be thrown away when the operation fails
 * @returns OK, the code with which the whole message fails, or NEEDS_GEOMETRY; then it must be applied again later
 */
export function applyCdt(cursor: OpCursor, table: BinTable, options: CdtReply): Applied {
  const { bytes, nameAt, nameSize } = cursor;
  if (nameSize > BIN_NAME_SIZE_MAX) return ResultCode.BIN_NAME;
  for (let at = nameAt; at < nameAt + nameSize; at++) if (bytes[at] === 0) return ResultCode.BIN_NAME;
  const row = table.find(bytes, nameAt, nameSize);
  setTarget(table, row);
  const isMissing = target.type === PARTICLE.NULL;
  request.bytes = bytes;
  request.at = cursor.valueAt;
  request.end = cursor.valueAt + cursor.valueSize;
  request.mayModify = cursor.op === OP.CDT_MODIFY;
  if (table.scratch.length > SCRATCH_SIZE_MAX) return ResultCode.RECORD_TOO_BIG;
  scope = options.scope;
  needsGeometry = false;
  const result = runCdt(machine, target, request, table.scratch);
  if (result !== ResultCode.OK) return needsGeometry ? NEEDS_GEOMETRY : result;
  if (machine.isChanged) {
    const changed = row >= 0 ? row : table.add(SOURCE.REQUEST, nameAt, nameSize);
    const type = machine.newIsMap ? PARTICLE.MAP : PARTICLE.LIST;
    table.setRange(changed, type, SOURCE.SCRATCH, machine.newAt, machine.newSize);
  }
  const saysNothing = cursor.op === OP.CDT_READ && options.isWrite && !isMissing;
  if (machine.result.type !== PARTICLE.NULL || options.respondAll || saysNothing) {
    replyResult(cursor, options);
  }
  return ResultCode.OK;
}

function setTarget(table: BinTable, row: number): void {
  target.type = row < 0 ? PARTICLE.NULL : table.type[row];
  if (target.type !== PARTICLE.LIST && target.type !== PARTICLE.MAP) return;
  target.bytes = table.valueBuffer(row);
  target.at = table.valueAt[row];
  target.end = target.at + table.valueSize[row];
}

function replyResult(cursor: OpCursor, options: CdtReply): void {
  const { result } = machine;
  const { reply } = options;
  const size = result.wireSize();
  const at = reply.op(options.op, result.type, cursor.bytes, cursor.nameAt, cursor.nameSize, size);
  result.writeWire(reply.out.bytes, at);
}

/**
 * Brings a list or map that a client writes into its stored form, at the end of the table's scratch space.
 *
 * @returns its size in bytes, or -1 when it can't be stored
 */
export function storeContainer(table: BinTable, cursor: OpCursor): number {
  const { bytes, valueAt, valueSize } = cursor;
  const value = { bytes, at: valueAt, end: valueAt + valueSize };
  return appendStoredBin(value, cursor.particleType === PARTICLE.MAP, table.scratch);
}
