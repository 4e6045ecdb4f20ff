/**
 * Bit operations that change a blob. A change of bits works on a copy in the edit's buffer, or on the value itself
 * when an earlier operation of the same request has built it.
 * Source: collection reference, sections 5.2 and 5.3.
 *
 * @module
 */

import { BITS_BLOB_SIZE_MAX, copyBytes, ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import type { ByteRange, ValueEdit } from "../call.ts";
import { BITS_FLAG, BITS_OP, BitsCall, INTEGER_FLAG, RESIZE_FLAG } from "./call.ts";
import { type ArithmeticMode, BitField } from "./field.ts";
import { type BitOperand, combineBits, shiftBitsLeft, shiftBitsRight } from "./ranges.ts";

const call = new BitsCall();
const field = new BitField();
const operand = new BitField();
const combination: BitOperand = { combine: 0, source: new Uint8Array(0), sourceAt: 0 };
const arithmetic: ArithmeticMode = {
  sizeBits: 0,
  subtracts: false,
  isSigned: false,
  saturates: false,
  wraps: false,
};

/**
 * Applies a modifying bit call.
 *
 * @param range the call, `[code, parameter, …]` without context
 * @param edit the value and where the new one is built; `isChanged` says whether there is a new one
 * @returns OK, or the result code of the refusal; then nothing has changed
 */
export function modifyBits(range: ByteRange, edit: ValueEdit): ResultCode {
  if (!call.decode(range, true)) return ResultCode.PARAMETER;
  const mayFail = (call.flags & BITS_FLAG.NO_FAIL) === 0;
  if (edit.type === PARTICLE.NULL) {
    const creates = call.op <= BITS_OP.INSERT && (call.flags & BITS_FLAG.UPDATE_ONLY) === 0;
    if (!creates) return mayFail ? ResultCode.BIN_NOT_FOUND : ResultCode.OK;
    edit.old.sizeBytes = 0;
    if (call.op === BITS_OP.INSERT && call.offset < 0) return ResultCode.PARAMETER;
  } else {
    if ((call.flags & BITS_FLAG.CREATE_ONLY) !== 0) return mayFail ? ResultCode.BIN_EXISTS : ResultCode.OK;
    if (edit.type !== PARTICLE.BLOB) return ResultCode.INCOMPATIBLE_TYPE;
  }
  if (call.op === BITS_OP.RESIZE) return resize(edit, mayFail);
  const { sizeBytes } = edit.old;
  if (call.offset < 0) {
    call.offset += call.op <= BITS_OP.REMOVE ? sizeBytes : sizeBytes * 8;
    if (call.offset < 0) return ResultCode.PARAMETER;
  }
  if (call.op === BITS_OP.INSERT) return insert(edit);
  if (call.op === BITS_OP.REMOVE) return remove(edit, mayFail);
  return changeRange(edit, mayFail);
}

/** Refuses sizes before anything is allocated. */
function checkSize(edit: ValueEdit, sizeBytes: number): ResultCode {
  return sizeBytes >= BITS_BLOB_SIZE_MAX ? ResultCode.PARAMETER : edit.check(sizeBytes);
}

function resize(edit: ValueEdit, mayFail: boolean): ResultCode {
  const { old, out } = edit;
  const newSize = call.size;
  const forbidden = newSize < old.sizeBytes ? RESIZE_FLAG.GROW_ONLY : RESIZE_FLAG.SHRINK_ONLY;
  if (newSize !== old.sizeBytes && (call.subflags & forbidden) !== 0) {
    return mayFail ? ResultCode.PARAMETER : ResultCode.OK;
  }
  const refusal = checkSize(edit, newSize);
  if (refusal !== ResultCode.OK || newSize === old.sizeBytes) return refusal;
  const at = edit.build(newSize);
  const kept = Math.min(newSize, old.sizeBytes);
  const fromFront = (call.subflags & RESIZE_FLAG.FROM_FRONT) !== 0;
  const keptAt = fromFront ? newSize - kept : 0;
  copyBytes(old.bytes, fromFront ? old.at + old.sizeBytes - kept : old.at, out.bytes, at + keptAt, kept);
  out.bytes.fill(0, fromFront ? at : at + kept, fromFront ? at + keptAt : at + newSize);
  edit.built();
  return ResultCode.OK;
}

function insert(edit: ValueEdit): ResultCode {
  const { old, out } = edit;
  const { offset, bufferSize } = call;
  const kept = Math.min(offset, old.sizeBytes);
  const newSize = Math.max(offset, old.sizeBytes) + bufferSize;
  const refusal = checkSize(edit, newSize);
  if (refusal !== ResultCode.OK) return refusal;
  const at = edit.build(newSize);
  copyBytes(old.bytes, old.at, out.bytes, at, kept);
  out.bytes.fill(0, at + kept, at + offset);
  copyBytes(call.bytes, call.bufferAt, out.bytes, at + offset, bufferSize);
  copyBytes(old.bytes, old.at + kept, out.bytes, at + offset + bufferSize, old.sizeBytes - kept);
  edit.built();
  return ResultCode.OK;
}

function remove(edit: ValueEdit, mayFail: boolean): ResultCode {
  const { old, out } = edit;
  const { offset } = call;
  const left = old.sizeBytes - offset;
  const isPartial = (call.flags & BITS_FLAG.PARTIAL) !== 0;
  if (left <= 0 || (call.size > left && !isPartial)) return mayFail ? ResultCode.PARAMETER : ResultCode.OK;
  const removed = Math.min(call.size, left);
  const refusal = checkSize(edit, old.sizeBytes - removed);
  if (refusal !== ResultCode.OK) return refusal;
  const at = edit.build(old.sizeBytes - removed);
  copyBytes(old.bytes, old.at, out.bytes, at, offset);
  copyBytes(old.bytes, old.at + offset + removed, out.bytes, at + offset, left - removed);
  edit.built();
  return ResultCode.OK;
}

/** Operations that leave the size as it is. */
function changeRange(edit: ValueEdit, mayFail: boolean): ResultCode {
  const sizeBits = edit.old.sizeBytes * 8;
  const left = sizeBits - call.offset;
  const isPartial = (call.flags & BITS_FLAG.PARTIAL) !== 0;
  if (left <= 0 || (call.size > left && !isPartial)) {
    return mayFail ? ResultCode.OP_NOT_APPLICABLE : ResultCode.OK;
  }
  call.size = Math.min(call.size, left);
  const refusal = checkSize(edit, edit.old.sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  if (call.op === BITS_OP.ADD || call.op === BITS_OP.SUBTRACT) return add(edit, mayFail);
  if (call.size === 0) return ResultCode.OK;
  const at = edit.change();
  const bitAt = at * 8 + call.offset;
  const { bytes } = edit.out;
  if (call.op === BITS_OP.SET_INT) {
    field.set(call.high, call.low);
    field.write(bytes, bitAt, call.size);
  } else if (call.op === BITS_OP.LSHIFT) {
    shiftBitsLeft(bytes, bitAt, call.size, Math.min(call.shift, call.size));
  } else if (call.op === BITS_OP.RSHIFT) {
    shiftBitsRight(bytes, bitAt, call.size, Math.min(call.shift, call.size));
  } else {
    combination.combine = call.op;
    combination.source = call.bytes;
    combination.sourceAt = call.bufferAt;
    combineBits(bytes, bitAt, call.size, combination);
  }
  return ResultCode.OK;
}

function add(edit: ValueEdit, mayFail: boolean): ResultCode {
  arithmetic.sizeBits = call.size;
  arithmetic.subtracts = call.op === BITS_OP.SUBTRACT;
  arithmetic.isSigned = (call.subflags & INTEGER_FLAG.SIGNED) !== 0;
  arithmetic.saturates = (call.subflags & INTEGER_FLAG.SATURATE) !== 0;
  arithmetic.wraps = (call.subflags & INTEGER_FLAG.WRAP) !== 0;
  field.read(edit.old.bytes, edit.old.at * 8 + call.offset, call.size);
  operand.set(call.high, call.low);
  operand.mask(call.size);
  if (!field.add(operand, arithmetic)) return mayFail ? ResultCode.OP_NOT_APPLICABLE : ResultCode.OK;
  const at = edit.change();
  field.write(edit.out.bytes, at * 8 + call.offset, call.size);
  return ResultCode.OK;
}
