/**
 * HyperLogLog operations that read a sketch. Source: collection reference, section 6.5.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import type { ByteRange, CallResult, ValueEdit } from "../call.ts";
import { HLL_OP, HllCall } from "./call.ts";
import { HllElement } from "./element.ts";
import {
  cardinalityOf,
  fillUnion,
  intersectionCardinality,
  similarityOf,
  unionCardinality,
} from "./estimate.ts";
import { HllView } from "./layout.ts";
import { mayContain } from "./registers.ts";

const call = new HllCall();
const view = new HllView();
const element = new HllElement();

/** Msgpack of a list of two. */
const PAIR_HEADER = 0x92;
const DESCRIPTION_SIZE_BYTES = 3;

/** Sketches of a request up to which the bin may have other minhash bits. */
const PLAIN_INTERSECTION_COUNT_MAX = 2;

/**
 * Answers a reading HyperLogLog call.
 *
 * @param range the call, `[code, parameter, …]` without context
 * @param edit the value; a sketch or list that is returned is built at the end of its `out`
 * @param result the answer
 * @returns OK, or the result code of the refusal
 */
export function readHll(range: ByteRange, edit: ValueEdit, result: CallResult): ResultCode {
  result.setNone();
  if (edit.type === PARTICLE.NULL) return ResultCode.OK;
  if (!call.decodeRead(range)) return ResultCode.PARAMETER;
  if (edit.type !== PARTICLE.HLL) return ResultCode.INCOMPATIBLE_TYPE;
  const { bytes, at, sizeBytes } = edit.old;
  if (!view.decode(bytes, at, sizeBytes)) return ResultCode.PARAMETER;
  const { list } = call;
  switch (call.op) {
    case HLL_OP.COUNT:
      answerCount(result);
      return ResultCode.OK;
    case HLL_OP.GET_UNION:
      list.add(view);
      return answerUnion(edit, result);
    case HLL_OP.UNION_COUNT:
      list.add(view);
      result.setInteger(unionCardinality(list));
      return ResultCode.OK;
    case HLL_OP.INTERSECT_COUNT:
    case HLL_OP.SIMILARITY:
      return answerIntersection(result);
    case HLL_OP.DESCRIBE:
      describe(edit, result);
      return ResultCode.OK;
    default:
      result.setInteger(containsAll() ? 1 : 0);
      return ResultCode.OK;
  }
}

function answerCount(result: CallResult): void {
  const { cacheHigh, cacheLow } = view;
  if (cacheHigh !== 0 || cacheLow !== 0) result.setWords(cacheHigh | 0, cacheLow | 0);
  else result.setInteger(cardinalityOf(view));
}

function answerUnion(edit: ValueEdit, result: CallResult): ResultCode {
  const { out } = edit;
  const set = fillUnion(call.list);
  const { sizeBytes } = set;
  const refusal = edit.check(sizeBytes);
  if (refusal !== ResultCode.OK) return refusal;
  const at = out.reserve(sizeBytes);
  set.write(out.bytes, at);
  out.length = at + sizeBytes;
  result.setRange(PARTICLE.HLL, at, sizeBytes);
  return ResultCode.OK;
}

function answerIntersection(result: CallResult): ResultCode {
  const { list } = call;
  if (list.count > PLAIN_INTERSECTION_COUNT_MAX && list.minhashBits !== view.minhashBits) {
    return ResultCode.OP_NOT_APPLICABLE;
  }
  list.add(view);
  if (call.op === HLL_OP.SIMILARITY) result.setFloat(similarityOf(list));
  else result.setInteger(intersectionCardinality(list));
  return ResultCode.OK;
}

function describe(edit: ValueEdit, result: CallResult): void {
  const { out } = edit;
  const at = out.reserve(DESCRIPTION_SIZE_BYTES);
  out.bytes[at] = PAIR_HEADER;
  out.bytes[at + 1] = view.indexBits;
  out.bytes[at + 2] = view.minhashBits;
  out.length = at + DESCRIPTION_SIZE_BYTES;
  result.setRange(PARTICLE.LIST, at, DESCRIPTION_SIZE_BYTES);
}

function containsAll(): boolean {
  const { elements } = call;
  while (elements.left > 0) {
    elements.next(true);
    element.place(view.indexBits, view.minhashBits);
    if (!mayContain(view, element)) return false;
  }
  return true;
}
