/**
 * HyperLogLog operations that change a sketch. Source: collection reference, section 6.5.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import type { ByteRange, CallResult, ValueEdit } from "../call.ts";
import { BITS_UNSET, HLL_FLAG, HLL_OP, HllCall } from "./call.ts";
import { HllElement } from "./element.ts";
import { cardinalityOf, fillUnion } from "./estimate.ts";
import { areHllBits, hllSizeBytes, HllView, writeCache, writeEmptyHll } from "./layout.ts";
import { addElement, type RegisterSet, unionSet } from "./registers.ts";

const call = new HllCall();
const view = new HllView();
const element = new HllElement();

/**
 * Applies a modifying HyperLogLog call.
 *
 * @param range the call, `[code, parameter, …]` without context
 * @param edit the value and where the new one is built; `isChanged` says whether there is a new one
 * @param result the answer, if there is one
 * @returns OK, or the result code of the refusal; then nothing has changed
 */
export function modifyHll(range: ByteRange, edit: ValueEdit, result: CallResult): ResultCode {
  result.setNone();
  if (!call.decodeModify(range)) return ResultCode.PARAMETER;
  const mayFail = (call.flags & HLL_FLAG.NO_FAIL) === 0;
  const exists = edit.type !== PARTICLE.NULL;
  if (exists) {
    if ((call.flags & HLL_FLAG.CREATE_ONLY) !== 0) return mayFail ? ResultCode.BIN_EXISTS : ResultCode.OK;
    if (edit.type !== PARTICLE.HLL) return ResultCode.INCOMPATIBLE_TYPE;
    const { bytes, at, sizeBytes } = edit.old;
    if (!view.decode(bytes, at, sizeBytes)) return ResultCode.PARAMETER;
  } else {
    edit.old.sizeBytes = 0;
    if (call.op === HLL_OP.UPDATE_COUNT || call.op === HLL_OP.FOLD) return ResultCode.BIN_NOT_FOUND;
    if ((call.flags & HLL_FLAG.UPDATE_ONLY) !== 0) return mayFail ? ResultCode.BIN_NOT_FOUND : ResultCode.OK;
  }
  switch (call.op) {
    case HLL_OP.INIT:
      return init(edit, exists);
    case HLL_OP.ADD:
      return add(edit, exists, result);
    case HLL_OP.SET_UNION:
      return setUnion(edit, exists);
    case HLL_OP.UPDATE_COUNT:
      return updateCount(edit, result);
    default:
      return fold(edit);
  }
}

/** Builds an empty sketch; what the call leaves open comes from the old one. */
function init(edit: ValueEdit, exists: boolean): ResultCode {
  let { indexBits, minhashBits } = call;
  if (indexBits === BITS_UNSET) {
    if (!exists) return ResultCode.OP_NOT_APPLICABLE;
    indexBits = view.indexBits;
  }
  if (minhashBits === BITS_UNSET) minhashBits = exists ? view.minhashBits : 0;
  if (!areHllBits(indexBits, minhashBits)) return ResultCode.OP_NOT_APPLICABLE;
  const sizeBytes = hllSizeBytes(indexBits, minhashBits);
  const refusal = edit.check(sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  const at = edit.build(sizeBytes);
  writeEmptyHll(edit.out.bytes, at, { indexBits, minhashBits });
  edit.built();
  return ResultCode.OK;
}

function add(edit: ValueEdit, exists: boolean, result: CallResult): ResultCode {
  const refusal = exists ? edit.check(edit.old.sizeBytes) : init(edit, false);
  if (refusal !== ResultCode.OK) return refusal;
  const at = exists ? edit.change() : edit.newAt;
  view.decode(edit.out.bytes, at, edit.newSizeBytes);
  const { elements } = call;
  let changedCount = 0;
  while (elements.left > 0) {
    elements.next(true);
    element.place(view.indexBits, view.minhashBits);
    if (addElement(view, element)) changedCount++;
  }
  result.setInteger(changedCount);
  return ResultCode.OK;
}

function setUnion(edit: ValueEdit, exists: boolean): ResultCode {
  const { list } = call;
  if (!exists) return writeUnion(edit, fillUnion(list));
  if ((call.flags & HLL_FLAG.ALLOW_FOLD) !== 0) {
    list.add(view);
    return writeUnion(edit, fillUnion(list));
  }
  const losesMinhash = view.minhashBits !== 0 && view.minhashBits !== list.minhashBits;
  if (view.indexBits > list.indexBits || losesMinhash) return ResultCode.OP_NOT_APPLICABLE;
  const set = unionSet();
  set.reset(view.indexBits, view.minhashBits);
  set.merge(view);
  list.rewind();
  while (list.next()) set.merge(list.view);
  return writeUnion(edit, set);
}

function writeUnion(edit: ValueEdit, set: RegisterSet): ResultCode {
  const { sizeBytes } = set;
  const refusal = edit.check(sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  const at = edit.build(sizeBytes);
  set.write(edit.out.bytes, at);
  edit.built();
  return ResultCode.OK;
}

function updateCount(edit: ValueEdit, result: CallResult): ResultCode {
  const { cacheHigh, cacheLow } = view;
  if (cacheHigh !== 0 || cacheLow !== 0) {
    result.setWords(cacheHigh | 0, cacheLow | 0);
    return ResultCode.OK;
  }
  const refusal = edit.check(edit.old.sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  const cardinality = cardinalityOf(view);
  const at = edit.change();
  writeCache(edit.out.bytes, at, cardinality);
  result.setInteger(cardinality);
  return ResultCode.OK;
}

function fold(edit: ValueEdit): ResultCode {
  if (view.minhashBits !== 0 || call.indexBits > view.indexBits) return ResultCode.OP_NOT_APPLICABLE;
  if (call.indexBits === view.indexBits) return ResultCode.OK;
  const set = unionSet();
  set.reset(call.indexBits, 0);
  set.merge(view);
  return writeUnion(edit, set);
}
