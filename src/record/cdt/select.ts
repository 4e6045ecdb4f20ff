/**
 * Get and remove operations: choose, answer, and make the container without what was chosen.
 * Source: data type reference, sections 2.4 to 2.8 and 3.4 to 3.6.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import {
  answerMany,
  answerOne,
  type Found,
  INVERTED,
  isRangeType,
  isReturnType,
  needsRanks,
  removeSelected,
  RETURN,
} from "./answer.ts";
import { byKeyList, type Chooser, wantsIndexes } from "./choose.ts";
import type { CdtMachine } from "./machine.ts";
import { EMPTY_RANGE, KIND, resolveIndex } from "./selection.ts";
import { DAMAGED } from "./view.ts";

/** Lower bits of the return parameter. */
const TYPE_BITS = 0xffff;

/** An operation's work on an open container. */
export type Run = (machine: CdtMachine) => ResultCode;

/** An operation that chooses any number of elements. */
export function many(choose: Chooser, isRemoval: boolean): Run {
  return (machine) => {
    const { call, view } = machine;
    const returns = call.flags(0);
    const type = returns & TYPE_BITS;
    const isInverted = (returns & INVERTED) !== 0;
    if (!isReturnType(type, view.isMap)) return ResultCode.OP_NOT_APPLICABLE;
    if (isInverted && isRangeType(type)) return ResultCode.OP_NOT_APPLICABLE;
    if (choose === byKeyList && needsRanks(type)) return ResultCode.OP_NOT_APPLICABLE;
    if (machine.isMissing) return ResultCode.OK;
    if (!view.locate()) return ResultCode.PARAMETER;
    const chosen = choose(machine, wantsIndexes(type, isInverted, isRemoval));
    if (chosen !== ResultCode.OK) return chosen;
    const answered = answerMany(machine, type, isInverted);
    if (answered === ResultCode.OK && isRemoval) removeSelected(machine, isInverted);
    return answered;
  };
}

const found: Found = { index: -1, rank: -1, missingStart: 0 };

/** Finds one element; `type` tells what will be answered. Leaves its answer in `found`. */
type Finder = (machine: CdtMachine, type: number) => ResultCode;

/** An operation that chooses one element. */
export function one(find: Finder, isRemoval: boolean): Run {
  return (machine) => {
    const { call, selection, view } = machine;
    const returns = call.flags(0);
    const type = returns & TYPE_BITS;
    if (!isReturnType(type, view.isMap) || (returns & INVERTED) !== 0) return ResultCode.OP_NOT_APPLICABLE;
    if (machine.isMissing) return ResultCode.OK;
    if (!view.locate()) return ResultCode.PARAMETER;
    found.index = -1;
    found.rank = -1;
    found.missingStart = 0;
    const result = find(machine, type);
    if (result !== ResultCode.OK) return result;
    const answered = answerOne(machine, type, found);
    if (answered !== ResultCode.OK || !isRemoval || found.index < 0) return answered;
    selection.begin(KIND.INDEX_RUN);
    selection.start = found.index;
    selection.count = 1;
    removeSelected(machine, false);
    return ResultCode.OK;
  };
}

/** `index` */
export function findByIndex(machine: CdtMachine): ResultCode {
  const { call, selection, view } = machine;
  selection.begin(KIND.INDEX_RUN);
  selection.hasRankRange = view.isSortedList;
  found.index = resolveIndex(view.count, call.integer(1));
  return found.index < 0 ? ResultCode.OP_NOT_APPLICABLE : ResultCode.OK;
}

/** `rank` */
export function findByRank(machine: CdtMachine): ResultCode {
  const { call, selection, view } = machine;
  selection.begin(KIND.RANK_RUN);
  selection.hasIndexRange = view.isSortedList;
  found.rank = resolveIndex(view.count, call.integer(1));
  if (found.rank < 0) return ResultCode.OP_NOT_APPLICABLE;
  found.index = view.indexOfRank(found.rank);
  return ResultCode.OK;
}

/** `value`: the first element that equals it. */
export function findByValue(machine: CdtMachine, type: number): ResultCode {
  const { call, selection, view } = machine;
  const at = call.paramAt[1];
  selection.begin(KIND.RANK_RUN);
  if (view.isSortedList) {
    selection.hasIndexRange = true;
    selection.emptyRange = EMPTY_RANGE.START_ALWAYS;
    found.index = view.indexOfValue(call.bytes, at);
    found.rank = found.index;
    return ResultCode.OK;
  }
  if (view.isMap) selection.emptyRange = EMPTY_RANGE.START;
  const wantsRank = needsRanks(type) || isRangeType(type);
  if (view.hasRanks) {
    found.missingStart = view.rankBound(call.bytes, at, false);
    found.index = view.indexOfValue(call.bytes, at);
    found.rank = found.index < 0 ? -1 : found.missingStart;
    return ResultCode.OK;
  }
  view.needAll();
  let less = 0;
  for (let index = 0; index < view.count; index++) {
    const comparison = view.compareValue(index, call.bytes, at);
    if (comparison < 0) less++;
    if (comparison === 0 && found.index < 0) {
      found.index = index;
      if (!wantsRank) return ResultCode.OK;
    }
  }
  found.rank = found.index < 0 ? -1 : less;
  found.missingStart = less;
  return ResultCode.OK;
}

/** GET_BY_KEY and REMOVE_BY_KEY: `return type, key`. Offsets of other entries are found only where an answer needs them. */
export function oneByKey(isRemoval: boolean): Run {
  return (machine) => {
    const { call, result, selection, view } = machine;
    const returns = call.flags(0);
    const type = returns & TYPE_BITS;
    if (!isReturnType(type, true) || (returns & INVERTED) !== 0) return ResultCode.OP_NOT_APPLICABLE;
    if (machine.isMissing) return ResultCode.OK;
    const index = view.findKey(call.bytes, call.paramAt[1]);
    if (index === DAMAGED) return ResultCode.PARAMETER;
    const { foundKeyAt, foundEnd } = view;
    let answered: ResultCode;
    if (index >= 0 && type === RETURN.VALUE) {
      answered = result.setElement(view.bytes, view.foundValueAt, foundEnd);
    } else {
      if (type !== RETURN.NONE && type !== RETURN.EXISTS && !view.locate()) return ResultCode.PARAMETER;
      found.index = Math.max(-1, index);
      found.rank = -1;
      found.missingStart = -1;
      selection.begin(KIND.INDEX_RUN);
      selection.emptyRange = EMPTY_RANGE.START;
      answered = answerOne(machine, type, found);
    }
    if (answered !== ResultCode.OK || !isRemoval || index < 0) return answered;
    const made = machine.beginNew(view.count - 1, view.flags);
    made.keepBefore(index, foundKeyAt);
    made.keepAfter(index + 1, foundEnd);
    machine.endNew();
    return ResultCode.OK;
  };
}
