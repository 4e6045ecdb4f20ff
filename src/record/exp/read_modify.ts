/**
 * EXP_READ and EXP_MODIFY: an expression's value as a reply, or as a bin's new value.
 * Source: the expression reference, sections 8.10 and 8.11.
 *
 * @module
 */

import { copyBytes, ResultCode } from "../../base/mod.ts";
import { type OpCursor, PARTICLE, type ReplyWriter } from "../../wire/mod.ts";
import { appendGeoParticle, isGeometryLoaded } from "../geo/mod.ts";
import { replyValue, storeValue } from "./encode.ts";
import { EXP_FLAG, EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import type { ExpProgram } from "./program.ts";
import { TOKEN, TokenReader } from "./reader.ts";
import type { ExpScope } from "./scope.ts";
import { ExpValue } from "./value.ts";

const READ_FLAGS = EXP_FLAG.EVAL_NO_FAIL;
const MODIFY_FLAGS = EXP_FLAG.CREATE_ONLY | EXP_FLAG.UPDATE_ONLY | EXP_FLAG.ALLOW_DELETE |
  EXP_FLAG.POLICY_NO_FAIL | EXP_FLAG.EVAL_NO_FAIL;

/** The operations can't be applied before `hasGeometry`; nothing has been done. */
export const NEEDS_GEOMETRY = -1;

/** What applying an operation comes to. */
export type Applied = ResultCode | typeof NEEDS_GEOMETRY;

/** Bytes that an evaluation looks at in the time in which one byte is compiled. */
const COMPILE_WORK = 16;

const value = new ExpValue();

/** The expression of the operation last parsed, and its flags. */
const parsed = { flags: 0 };

/** Parses `[expression]` or `[expression, flags]`; the flags are left in `parsed`. Bytes behind the list don't count. */
function parseOp(scope: ExpScope, cursor: OpCursor, allowedFlags: number): ExpProgram | Applied {
  const { bytes, valueAt, valueSize } = cursor;
  const reader = new TokenReader(bytes, valueAt, valueAt + valueSize);
  if (reader.next() !== TOKEN.LIST || reader.low < 1 || reader.low > 2) return ResultCode.PARAMETER;
  const hasFlags = reader.low === 2;
  const at = reader.skip();
  if (at < 0) return ResultCode.PARAMETER;
  const sizeBytes = reader.at - at;
  parsed.flags = 0;
  if (hasFlags) {
    if (!reader.integer() || reader.high !== 0) return ResultCode.PARAMETER;
    parsed.flags = reader.low;
  }
  if ((parsed.flags & ~allowedFlags) !== 0) return ResultCode.PARAMETER;
  if (!scope.spend(sizeBytes * COMPILE_WORK)) return ResultCode.PARAMETER;
  const program = scope.programs.get(bytes, at, sizeBytes);
  return typeof program !== "number" && program.usesGeometry && !isGeometryLoaded()
    ? NEEDS_GEOMETRY
    : program;
}

/**
 * Answers the EXP_READ under the cursor.
 *
 * @param options the open reply, the operation id in it, and whether "no value" is answered too
 */
export function readExpression(
  scope: ExpScope,
  cursor: OpCursor,
  options: { reply: ReplyWriter; op: number; respondAll: boolean },
): Applied {
  const program = parseOp(scope, cursor, READ_FLAGS);
  if (typeof program === "number") return program;
  const mayFail = (parsed.flags & EXP_FLAG.EVAL_NO_FAIL) === 0;
  scope.hasBins = true;
  const kind = program.run(scope, value);
  const isNone = kind === UNKNOWN || kind === EXP_TYPE.REMOVE;
  if (isNone && mayFail) return ResultCode.OP_NOT_APPLICABLE;
  const { op, reply } = options;
  const { bytes, nameAt, nameSize } = cursor;
  if (!isNone && kind === EXP_TYPE.GEOJSON) return replyGeoJson(scope, { ...options, cursor });
  if (!isNone && kind !== EXP_TYPE.NIL) replyValue(reply, { op, bytes, nameAt, nameSize }, kind, value);
  else if (options.respondAll) reply.op(op, PARTICLE.NULL, bytes, nameAt, nameSize, 0);
  return ResultCode.OK;
}

/** Appends a GeoJSON value with its cells; one from a list or map may be none that the database understands. */
function replyGeoJson(
  { scratch }: ExpScope,
  { reply, op, cursor }: { reply: ReplyWriter; op: number; cursor: OpCursor },
): ResultCode {
  const size = appendGeoParticle(scratch, value.bytes, value.at, value.size);
  if (size === 0) return ResultCode.GEO_INVALID_GEOJSON;
  const at = reply.op(op, PARTICLE.GEOJSON, cursor.bytes, cursor.nameAt, cursor.nameSize, size);
  copyBytes(scratch.bytes, scratch.length - size, reply.out.bytes, at, size);
  return ResultCode.OK;
}

/** Writes the bin that the EXP_MODIFY under the cursor names; its name has been checked. */
export function modifyByExpression(scope: ExpScope, cursor: OpCursor): Applied {
  const program = parseOp(scope, cursor, MODIFY_FLAGS);
  if (typeof program === "number") return program;
  const { flags } = parsed;
  const { table } = scope;
  const row = table.find(cursor.bytes, cursor.nameAt, cursor.nameSize);
  const policy = checkPolicy(flags, row >= 0);
  if (policy !== ResultCode.OK) {
    return (flags & EXP_FLAG.POLICY_NO_FAIL) !== 0 ? ResultCode.OK : policy;
  }
  scope.hasBins = true;
  const kind = program.run(scope, value);
  if (kind === EXP_TYPE.REMOVE) return ResultCode.OP_NOT_APPLICABLE;
  if (kind === UNKNOWN) {
    return (flags & EXP_FLAG.EVAL_NO_FAIL) !== 0 ? ResultCode.OK : ResultCode.OP_NOT_APPLICABLE;
  }
  if (kind === EXP_TYPE.NIL) return writeNil(scope, row, flags);
  const { nameAt, nameSize } = cursor;
  return storeValue({ table, row, nameAt, nameSize }, kind, value);
}

function checkPolicy(flags: number, binExists: boolean): ResultCode {
  if (binExists && (flags & EXP_FLAG.CREATE_ONLY) !== 0) return ResultCode.BIN_EXISTS;
  if (!binExists && (flags & EXP_FLAG.UPDATE_ONLY) !== 0) return ResultCode.BIN_NOT_FOUND;
  return ResultCode.OK;
}

/** Nil deletes a bin where that is allowed; without any flag it is an error. */
function writeNil({ table }: ExpScope, row: number, flags: number): ResultCode {
  if (row < 0) return ResultCode.OK;
  if ((flags & EXP_FLAG.ALLOW_DELETE) !== 0) {
    table.remove(row);
    return ResultCode.OK;
  }
  return flags === 0 ? ResultCode.OP_NOT_APPLICABLE : ResultCode.OK;
}
