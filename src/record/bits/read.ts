/**
 * Bit operations that read a blob. Source: collection reference, sections 5.1 and 5.2.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import type { ByteRange, CallResult, ValueEdit } from "../call.ts";
import { BITS_OP, BitsCall, INTEGER_FLAG } from "./call.ts";
import { BitField } from "./field.ts";
import { copyBits, countBits, findFirstBit, findLastBit } from "./ranges.ts";

const call = new BitsCall();
const field = new BitField();
const target: { bytes: Uint8Array; at: number } = { bytes: new Uint8Array(0), at: 0 };

/**
 * Answers a reading bit call.
 *
 * @param range the call, `[code, parameter, …]` without context
 * @param edit the value; bits that are returned are built at the end of its `out`
 * @param result the answer
 * @returns OK, or the result code of the refusal
 */
export function readBits(range: ByteRange, edit: ValueEdit, result: CallResult): ResultCode {
  result.setNone();
  if (edit.type === PARTICLE.NULL) return ResultCode.OK;
  if (!call.decode(range, false)) return ResultCode.PARAMETER;
  if (edit.type !== PARTICLE.BLOB) return ResultCode.INCOMPATIBLE_TYPE;
  const sizeBits = edit.old.sizeBytes * 8;
  if (call.offset < 0) call.offset += sizeBits;
  if (call.offset < 0) return ResultCode.PARAMETER;
  const left = sizeBits - call.offset;
  if (left <= 0 || call.size > left) return ResultCode.OP_NOT_APPLICABLE;
  return answer(edit, result);
}

function answer(edit: ValueEdit, result: CallResult): ResultCode {
  const { bytes } = edit.old;
  const bitAt = edit.old.at * 8 + call.offset;
  switch (call.op) {
    case BITS_OP.GET:
      return get(edit, result);
    case BITS_OP.COUNT:
      result.setInteger(countBits(bytes, bitAt, call.size));
      return ResultCode.OK;
    case BITS_OP.LSCAN:
      result.setInteger(findFirstBit(bytes, bitAt, call.size, call.wanted));
      return ResultCode.OK;
    case BITS_OP.RSCAN:
      result.setInteger(findLastBit(bytes, bitAt, call.size, call.wanted));
      return ResultCode.OK;
    default:
      field.read(bytes, bitAt, call.size);
      if ((call.subflags & INTEGER_FLAG.SIGNED) !== 0) field.extendSign(call.size);
      result.setWords(field.high, field.low);
      return ResultCode.OK;
  }
}

function get(edit: ValueEdit, result: CallResult): ResultCode {
  const { out, old } = edit;
  const sizeBytes = (call.size + 7) >>> 3;
  const refusal = edit.check(sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  target.at = out.reserve(sizeBytes);
  target.bytes = out.bytes;
  copyBits(old.bytes, old.at * 8 + call.offset, call.size, target);
  out.length = target.at + sizeBytes;
  result.setRange(PARTICLE.BLOB, target.at, sizeBytes);
  return ResultCode.OK;
}
