/**
 * The table of list operations, and those that put nothing in. Source: data type reference, sections 2.2 to 2.8.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import {
  byIndexRange,
  byRankRange,
  byRelativeRank,
  byValue,
  byValueInterval,
  byValueList,
} from "./choose.ts";
import { FLAG } from "./head.ts";
import { append, appendItems, increment, insert, insertItems, set } from "./list_store.ts";
import type { CdtMachine } from "./machine.ts";
import { answerMany, removeSelected, RETURN } from "./answer.ts";
import { type CdtOperation, modify, PARAMS, read } from "./operation.ts";
import { findByIndex, findByRank, findByValue, many, one, type Run } from "./select.ts";
import { clampRange, KIND, range, resolveIndex } from "./selection.ts";

const SORT_DESCENDING = 0x01;
const SORT_DROP_DUPLICATES = 0x02;

/** SET_TYPE: `create flags` */
function setType(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const wanted = call.flags(0) & 0xff;
  if ((wanted & ~(FLAG.ORDERED | FLAG.PERSIST_INDEX)) !== 0) return ResultCode.OP_NOT_APPLICABLE;
  const flags = machine.newFlags(wanted);
  if (!machine.isMissing && flags === view.flags) return ResultCode.OK;
  if (!view.fill()) return ResultCode.PARAMETER;
  if ((flags & FLAG.ORDERED) === 0 || view.count === 0) {
    machine.beginNew(view.count, flags).keepBefore(view.count, view.end);
    machine.endNew();
  } else {
    writeSorted(machine, { flags, isDescending: false, dropsDuplicates: false });
  }
  return ResultCode.OK;
}

/** SORT: `[sort flags]` */
function sort(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  if (machine.isMissing) return ResultCode.INCOMPATIBLE_TYPE;
  if (!view.fill()) return ResultCode.PARAMETER;
  const flags = call.flags(0);
  const dropsDuplicates = (flags & SORT_DROP_DUPLICATES) !== 0;
  if (view.isOrdered && !dropsDuplicates) return ResultCode.OK;
  const isDescending = (flags & SORT_DESCENDING) !== 0 && !view.isOrdered;
  writeSorted(machine, { flags: view.flags, isDescending, dropsDuplicates });
  return ResultCode.OK;
}

function writeSorted(
  machine: CdtMachine,
  options: { flags: number; isDescending: boolean; dropsDuplicates: boolean },
): void {
  const { view } = machine;
  const order = view.order();
  let count = view.count;
  if (options.dropsDuplicates) {
    let kept = 0;
    for (let rank = 0; rank < count; rank++) {
      const at = view.valueAt(order[rank]);
      if (kept === 0 || view.compareValue(order[kept - 1], view.bytes, at) !== 0) order[kept++] = order[rank];
    }
    count = kept;
  }
  const made = machine.beginNew(count, options.flags);
  for (let rank = 0; rank < count; rank++) {
    const index = order[options.isDescending ? count - 1 - rank : rank];
    made.keepEntries(index, index + 1);
  }
  machine.endNew();
}

/** CLEAR; the flags stay. */
export function clear(machine: CdtMachine): ResultCode {
  if (machine.isMissing || machine.view.count === 0) return ResultCode.OK;
  machine.beginNew(0, machine.view.flags);
  machine.endNew();
  return ResultCode.OK;
}

/** SIZE */
export function size(machine: CdtMachine): ResultCode {
  return machine.answerCount(machine.view.count);
}

/** GET: `index` */
function get(machine: CdtMachine): ResultCode {
  const { call, result, view } = machine;
  const index = resolveIndex(view.count, call.integer(0));
  if (index < 0) return ResultCode.OP_NOT_APPLICABLE;
  if (!view.seek(index)) return ResultCode.PARAMETER;
  return result.setElement(view.bytes, view.foundValueAt, view.foundEnd);
}

/** POP and REMOVE: `index` */
function removeOne(answersValue: boolean): Run {
  return (machine) => {
    const { call, result, selection, view } = machine;
    if (machine.isMissing) return ResultCode.OK;
    if (!view.locate()) return ResultCode.PARAMETER;
    const index = resolveIndex(view.count, call.integer(0));
    if (index < 0) return ResultCode.OP_NOT_APPLICABLE;
    selection.begin(KIND.INDEX_RUN);
    selection.start = index;
    selection.count = 1;
    if (answersValue) {
      const answered = result.setElement(view.bytes, view.entryAt(index), view.entryEnd(index));
      if (answered !== ResultCode.OK) return answered;
    } else {
      result.setInteger(1);
    }
    removeSelected(machine, false);
    return ResultCode.OK;
  };
}

/** GET_RANGE, POP_RANGE, REMOVE_RANGE and TRIM: `index, [count]`; TRIM keeps the range and removes the rest. */
function withRange(type: number, options: { isRemoval: boolean; isInverted: boolean }): Run {
  return (machine) => {
    const { call, selection, view } = machine;
    if (machine.isMissing) return ResultCode.OK;
    if (!view.locate()) return ResultCode.PARAMETER;
    clampRange(view.count, call.integer(0), call.count(1));
    selection.begin(KIND.INDEX_RUN);
    selection.start = range.start;
    selection.count = range.count;
    const answered = answerMany(machine, type, options.isInverted);
    if (answered === ResultCode.OK && options.isRemoval) removeSelected(machine, options.isInverted);
    return answered;
  };
}

const STORE = ["value", "?integer", "?integer"] as const;
const STORE_ITEMS = ["list", "?integer", "?integer"] as const;
const GET_RANGE = { isRemoval: false, isInverted: false };
const REMOVE_RANGE = { isRemoval: true, isInverted: false };
const KEEP_RANGE = { isRemoval: true, isInverted: true };

/** List operations by code. */
export const LIST_OPERATIONS: Readonly<Record<number, CdtOperation>> = {
  0: modify("SET_TYPE", ["integer"], setType),
  1: modify("APPEND", STORE, append),
  2: modify("APPEND_ITEMS", STORE_ITEMS, appendItems),
  3: modify("INSERT", ["integer", "value", "?integer"], insert),
  4: modify("INSERT_ITEMS", ["integer", "list", "?integer"], insertItems),
  5: modify("POP", ["integer"], removeOne(true)),
  6: modify("POP_RANGE", ["integer", "?integer"], withRange(RETURN.VALUE, REMOVE_RANGE)),
  7: modify("REMOVE", ["integer"], removeOne(false)),
  8: modify("REMOVE_RANGE", ["integer", "?integer"], withRange(RETURN.COUNT, REMOVE_RANGE)),
  9: modify("SET", ["integer", "value", "?integer"], set),
  10: modify("TRIM", ["integer", "integer"], withRange(RETURN.COUNT, KEEP_RANGE)),
  11: modify("CLEAR", [], clear),
  12: modify("INCREMENT", ["integer", "?value", "?integer", "?integer"], increment),
  13: modify("SORT", ["?integer"], sort),
  16: read("SIZE", [], size),
  17: read("GET", ["integer"], get),
  18: read("GET_RANGE", ["integer", "?integer"], withRange(RETURN.VALUE, GET_RANGE)),
  19: read("GET_BY_INDEX", PARAMS.ONE, one(findByIndex, false)),
  20: read("GET_BY_VALUE", PARAMS.VALUE, one(findByValue, false)),
  21: read("GET_BY_RANK", PARAMS.ONE, one(findByRank, false)),
  22: read("GET_ALL_BY_VALUE", PARAMS.VALUE, many(byValue, false)),
  23: read("GET_BY_VALUE_LIST", PARAMS.LIST, many(byValueList, false)),
  24: read("GET_BY_INDEX_RANGE", PARAMS.RANGE, many(byIndexRange, false)),
  25: read("GET_BY_VALUE_INTERVAL", PARAMS.INTERVAL, many(byValueInterval, false)),
  26: read("GET_BY_RANK_RANGE", PARAMS.RANGE, many(byRankRange, false)),
  27: read("GET_BY_VALUE_REL_RANK_RANGE", PARAMS.RELATIVE, many(byRelativeRank, false)),
  32: modify("REMOVE_BY_INDEX", PARAMS.ONE, one(findByIndex, true)),
  33: modify("REMOVE_BY_VALUE", PARAMS.VALUE, one(findByValue, true)),
  34: modify("REMOVE_BY_RANK", PARAMS.ONE, one(findByRank, true)),
  35: modify("REMOVE_ALL_BY_VALUE", PARAMS.VALUE, many(byValue, true)),
  36: modify("REMOVE_BY_VALUE_LIST", PARAMS.LIST, many(byValueList, true)),
  37: modify("REMOVE_BY_INDEX_RANGE", PARAMS.RANGE, many(byIndexRange, true)),
  38: modify("REMOVE_BY_VALUE_INTERVAL", PARAMS.INTERVAL, many(byValueInterval, true)),
  39: modify("REMOVE_BY_RANK_RANGE", PARAMS.RANGE, many(byRankRange, true)),
  40: modify("REMOVE_BY_VALUE_REL_RANK_RANGE", PARAMS.RELATIVE, many(byRelativeRank, true)),
};
