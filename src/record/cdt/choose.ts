/**
 * How get and remove operations choose elements: by index, rank, value, key, ranges and lists of them. Each function
 * fills the machine's selection from a filled view. Source: data type reference, sections 2.5, 2.6, 3.4 and 3.5.
 *
 * @module
 */

import { CDT_ANSWER_COUNT_MAX, CDT_PARAM_COUNT_MAX, ResultCode } from "../../base/mod.ts";
import { needsIndexes } from "./answer.ts";
import { compareValues } from "./compare.ts";
import type { CdtMachine } from "./machine.ts";
import { clampRange, clampRelative, EMPTY_RANGE, KIND, range } from "./selection.ts";
import type { ContainerView } from "./view.ts";

/** Fills a selection from the call's parameters; `wantsIndexes`: the indexes are needed, not only their number. */
export type Chooser = (machine: CdtMachine, wantsIndexes: boolean) => ResultCode;

function selectIndexRun(machine: CdtMachine, start: number, count: number): void {
  const { selection, view } = machine;
  selection.begin(KIND.INDEX_RUN);
  selection.start = start;
  selection.count = count;
  selection.hasRankRange = view.isSortedList;
  selection.emptyRange = view.isMap ? EMPTY_RANGE.START : EMPTY_RANGE.START_ALWAYS;
}

function selectRankRun(machine: CdtMachine, wantsIndexes: boolean): void {
  const { selection, view } = machine;
  const { start, count } = range;
  if (view.isSortedList) return selectIndexRun(machine, start, count);
  selection.begin(KIND.RANK_RUN);
  selection.start = start;
  selection.count = count;
  selection.isByRank = true;
  selection.emptyRange = view.isMap ? EMPTY_RANGE.START : EMPTY_RANGE.START_ALWAYS;
  if (!wantsIndexes || count === 0) return;
  const indexes = selection.reserve(count);
  for (let at = 0; at < count; at++) indexes[at] = view.indexByRank(start + at);
}

/** `index, [count]` */
export function byIndexRange(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  clampRange(view.count, call.integer(1), call.count(2));
  selectIndexRun(machine, range.start, range.count);
  return ResultCode.OK;
}

/** `rank, [count]` */
export function byRankRange(machine: CdtMachine, wantsIndexes: boolean): ResultCode {
  const { call, view } = machine;
  clampRange(view.count, call.integer(1), call.count(2));
  selectRankRun(machine, wantsIndexes);
  return ResultCode.OK;
}

/** `value, rank, [count]` */
export function byRelativeRank(machine: CdtMachine, wantsIndexes: boolean): ResultCode {
  const { call, view } = machine;
  const base = view.hasRanks
    ? view.rankBound(call.bytes, call.paramAt[1], false)
    : countLess(view, call.bytes, call.paramAt[1]);
  clampRelative(view.count, base, call.integer(2), call.count(3));
  selectRankRun(machine, wantsIndexes);
  return ResultCode.OK;
}

function countLess(view: ContainerView, other: Uint8Array, otherAt: number): number {
  let count = 0;
  view.needAll();
  for (let index = 0; index < view.count; index++) {
    if (view.compareValue(index, other, otherAt) < 0) count++;
  }
  return count;
}

/** `value` */
export function byValue(machine: CdtMachine, wantsIndexes: boolean): ResultCode {
  const { call, view } = machine;
  const at = call.paramAt[1];
  if (view.isSortedList) {
    const start = view.entryBound(call.bytes, at, false);
    selectIndexRun(machine, start, view.entryBound(call.bytes, at, true) - start);
    return ResultCode.OK;
  }
  if (selectByRank(machine, wantsIndexes, false)) return ResultCode.OK;
  selectByValue(machine, wantsIndexes, (comparison) => comparison === 0);
  return ResultCode.OK;
}

/** `begin, [end]` */
export function byValueInterval(machine: CdtMachine, wantsIndexes: boolean): ResultCode {
  const { call, selection, view } = machine;
  if (view.isSortedList) {
    selectEntriesBetween(machine);
    selection.hasRankRange = true;
    selection.emptyRange = EMPTY_RANGE.FORMULA;
    return ResultCode.OK;
  }
  if (selectByRank(machine, wantsIndexes, true)) return ResultCode.OK;
  const endAt = call.has(2) ? call.paramAt[2] : -1;
  selectByValue(
    machine,
    wantsIndexes,
    (comparison, at) =>
      comparison >= 0 && (endAt < 0 || compareValues(view.bytes, at, call.bytes, endAt) < 0),
  );
  return ResultCode.OK;
}

/** From this part of all elements on, one pass over them is faster than sorting those that were found. */
const SORTED_PART_MAX = 1 / 8;

/** Selects equal values, or those of an interval, where ranks are known; false when a pass is the better way. */
function selectByRank(machine: CdtMachine, wantsIndexes: boolean, isInterval: boolean): boolean {
  const { call, selection, view } = machine;
  if (!view.hasRanks) return false;
  const { bytes, paramAt } = call;
  const start = view.rankBound(bytes, paramAt[1], false);
  const end = !isInterval
    ? view.rankBound(bytes, paramAt[1], true)
    : call.has(2)
    ? view.rankBound(bytes, paramAt[2], false)
    : view.count;
  const count = Math.max(0, end - start);
  if (wantsIndexes && count > view.count * SORTED_PART_MAX) return false;
  selection.begin(KIND.RANK_RUN);
  if (view.isMap) selection.emptyRange = EMPTY_RANGE.START;
  selection.start = start;
  selection.count = count;
  if (!wantsIndexes) return true;
  const indexes = selection.reserve(count);
  for (let at = 0; at < count; at++) indexes[at] = view.indexByRank(start + at);
  indexes.subarray(0, count).sort();
  return true;
}

/** Selects in one pass by how elements compare with the first value; that also tells the rank of the first one. */
function selectByValue(
  machine: CdtMachine,
  wantsIndexes: boolean,
  isChosen: (comparison: number, at: number) => boolean,
): void {
  const { call, selection, view } = machine;
  const at = call.paramAt[1];
  selection.begin(KIND.RANK_RUN);
  if (view.isMap) selection.emptyRange = EMPTY_RANGE.START;
  const indexes = wantsIndexes ? selection.reserve(view.count) : selection.indexes;
  view.needAll();
  let less = 0;
  let count = 0;
  for (let index = 0; index < view.count; index++) {
    const comparison = view.compareValue(index, call.bytes, at);
    if (comparison < 0) less++;
    if (!isChosen(comparison, view.valueAt(index))) continue;
    if (wantsIndexes) indexes[count] = index;
    count++;
  }
  selection.start = less;
  selection.count = count;
}

/** Selects the keys, or the elements of a sorted list, between the first and the second value. */
function selectEntriesBetween(machine: CdtMachine): void {
  const { call, view } = machine;
  const start = view.entryBound(call.bytes, call.paramAt[1], false);
  const end = call.has(2) ? view.entryBound(call.bytes, call.paramAt[2], false) : view.count;
  selectIndexRun(machine, start, Math.max(0, end - start));
}

/** `begin, [end]` */
export function byKeyInterval(machine: CdtMachine): ResultCode {
  selectEntriesBetween(machine);
  if (!machine.view.isOrdered) machine.selection.emptyRange = EMPTY_RANGE.FORMULA;
  return ResultCode.OK;
}

/** `key, index, [count]` */
export function byRelativeIndex(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const base = view.entryBound(call.bytes, call.paramAt[1], false);
  clampRelative(view.count, base, call.integer(2), call.count(3));
  selectIndexRun(machine, range.start, range.count);
  return ResultCode.OK;
}

/** Opens the list of keys or values that is the second parameter. */
function openRequested(machine: CdtMachine): boolean {
  const { call, items } = machine;
  return items.open(call.bytes, call.paramAt[1], call.paramAt[2]) && items.count <= CDT_PARAM_COUNT_MAX &&
    items.fill();
}

/** `keys`: INDEX follows the request, keys and values come by key. */
export function byKeyList(machine: CdtMachine): ResultCode {
  const { items, selection, view } = machine;
  if (!openRequested(machine)) return ResultCode.PARAMETER;
  selection.begin(KIND.SCATTER);
  selection.clearMask(view.count);
  for (let at = 0; at < items.count; at++) {
    const keyAt = items.entryAt(at);
    const index = view.entryBound(items.bytes, keyAt, false);
    if (index === view.count || selection.mask[index] !== 0) continue;
    if (compareValues(view.bytes, view.entryAt(index), items.bytes, keyAt) !== 0) continue;
    selection.mask[index] = 1;
    selection.list(index);
  }
  selection.count = selection.listedCount;
  return ResultCode.OK;
}

/** `values`: in a sorted list all follows the request; elsewhere only RANK does. */
export function byValueList(machine: CdtMachine): ResultCode {
  const { items, selection, view } = machine;
  if (!openRequested(machine)) return ResultCode.PARAMETER;
  selection.begin(KIND.SCATTER);
  selection.clearMask(view.count);
  const isSorted = view.isSortedList;
  const order = items.count > 0 ? view.order() : selection.indexes;
  for (let at = 0; at < items.count; at++) {
    const start = view.rankBound(items.bytes, items.entryAt(at), false);
    const end = view.rankBound(items.bytes, items.entryAt(at), true);
    for (let rank = start; rank < end; rank++) {
      const index = order[rank];
      if (selection.mask[index] !== 0 && !isSorted) continue;
      if (selection.mask[index] === 0) selection.count++;
      selection.mask[index] = 1;
      selection.list(index);
      selection.listRank(isSorted ? at : rank);
    }
    if (selection.listedCount > CDT_ANSWER_COUNT_MAX) return ResultCode.PARAMETER;
  }
  selection.isRunPerRequest = isSorted;
  if (!isSorted) selection.indexes.subarray(0, selection.listedCount).sort();
  return ResultCode.OK;
}

/** Whether the answer of a return type, or a removal, needs the indexes of what was chosen. */
export function wantsIndexes(type: number, isInverted: boolean, isRemoval: boolean): boolean {
  return isRemoval || isInverted || needsIndexes(type);
}
