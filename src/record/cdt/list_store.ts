/**
 * List operations that put values in: append, insert, set, increment. Source: data type reference, section 2.8.
 *
 * @module
 */

import { CDT_PAD_COUNT_MAX, CDT_PARAM_COUNT_MAX, ResultCode } from "../../base/mod.ts";
import { compareValues } from "./compare.ts";
import { FLAG } from "./head.ts";
import { addNumbers, isNumber } from "./increment.ts";
import type { CdtMachine } from "./machine.ts";

/** Write flags of lists. */
export const LIST_WRITE = { ADD_UNIQUE: 0x01, INSERT_BOUNDED: 0x02, NO_FAIL: 0x04, PARTIAL: 0x08 } as const;

const CREATE_FLAGS = FLAG.ORDERED | FLAG.PERSIST_INDEX;

/** A new list is ordered when the create flags say so; flags that mean nothing count as none. */
function createFlags(flags: number): number {
  return (flags & 0xff & ~CREATE_FLAGS) === 0 ? flags & CREATE_FLAGS : 0;
}

/** Flags that the list will have after the operation. */
function flagsAfter(machine: CdtMachine, create: number): number {
  return machine.isMissing ? machine.newFlags(createFlags(create)) : machine.view.flags;
}

/** A refusal by write flags: a no-op when they say NO_FAIL. */
function refuse(machine: CdtMachine, flags: number, code: ResultCode, answersCount: boolean): ResultCode {
  if ((flags & LIST_WRITE.NO_FAIL) === 0) return code;
  if (answersCount) machine.result.setInteger(machine.view.count);
  return ResultCode.OK;
}

/** APPEND: `value, [create flags, [write flags]]` */
export function append(machine: CdtMachine): ResultCode {
  const { call, out, view } = machine;
  const flags = flagsAfter(machine, call.flags(1));
  const write = call.flags(2);
  if (flags === 0 && (write & LIST_WRITE.ADD_UNIQUE) === 0) {
    machine.beginNew(view.count + 1, 0).keepBefore(view.count, view.end);
    if (machine.storeParam(0) < 0) return ResultCode.PARAMETER;
    machine.endNew();
    return machine.answerCount(view.count + 1);
  }
  const size = machine.storeParam(0);
  if (size < 0 || !view.locate()) return ResultCode.PARAMETER;
  const at = out.length - size;
  if ((write & LIST_WRITE.ADD_UNIQUE) !== 0 && view.indexOfValue(out.bytes, at) >= 0) {
    return refuse(machine, write, ResultCode.ELEMENT_EXISTS, true);
  }
  const index = (flags & FLAG.ORDERED) !== 0 ? view.entryBound(out.bytes, at, true) : view.count;
  putElement(machine, { index, replaced: 0, flags, at, sizeBytes: size });
  return machine.answerCount(view.count + 1);
}

/** An element of `out` that goes into the list. */
interface Placement {
  /** Index before which it goes. */
  index: number;
  /** Old elements at the index that it replaces, 0 or 1. */
  replaced: number;
  /** Flags of the new list. */
  flags: number;
  /** Offset of the element in `out`. */
  at: number;
  /** Bytes of the element. */
  sizeBytes: number;
  /** Nils before it, when the index is beyond the end. */
  padding?: number;
}

/** Makes the new list with an element that is in `out` already. */
function putElement(machine: CdtMachine, placement: Placement): void {
  const { out, view } = machine;
  const { at, index, sizeBytes } = placement;
  const padding = placement.padding ?? 0;
  const before = index < view.count ? view.entryAt(index) : view.end;
  const after = index + placement.replaced < view.count ? view.entryAt(index + placement.replaced) : view.end;
  const made = machine.beginNew(view.count + padding + 1 - placement.replaced, placement.flags);
  made.keepBefore(Math.min(index, view.count), before);
  made.addNils(padding);
  made.add(out.bytes, at, at + sizeBytes);
  made.keepAfter(index + placement.replaced, after);
  machine.endNew();
}

/** Stores a list parameter's items at the end of `out` and opens them; false when they can't be stored. */
function storeItems(machine: CdtMachine, index: number): boolean {
  const { items, out } = machine;
  const size = machine.storeParam(index);
  if (size < 0 || !items.open(out.bytes, out.length - size, out.length)) return false;
  return items.count <= CDT_PARAM_COUNT_MAX && items.fill();
}

/** Indexes of the items that are to be added, in the order in which they go in. */
let chosen = new Int32Array(64);
let chosenCount = 0;

function beginChosen(count: number): void {
  if (chosen.length < count || chosen.length > 64 * 1024) chosen = new Int32Array(Math.max(64, count));
  chosenCount = 0;
}

/**
 * Chooses the items to add.
 *
 * @returns OK, or the code of a refusal
 */
function chooseItems(machine: CdtMachine, write: number): ResultCode {
  const { items, view } = machine;
  beginChosen(items.count);
  if ((write & LIST_WRITE.ADD_UNIQUE) === 0) {
    for (let index = 0; index < items.count; index++) chosen[chosenCount++] = index;
    return ResultCode.OK;
  }
  const mayDrop = (write & LIST_WRITE.NO_FAIL) !== 0 && (write & LIST_WRITE.PARTIAL) !== 0;
  const order = items.order();
  let refusal: ResultCode = ResultCode.OK;
  machine.selection.clearMask(items.count);
  for (let rank = 0; rank < items.count; rank++) {
    const at = items.entryAt(order[rank]);
    const isRepeated = rank > 0 && items.compareValue(order[rank - 1], items.bytes, at) === 0;
    const isThere = view.count > 0 && isInList(machine, at);
    if (isThere) refusal = ResultCode.ELEMENT_EXISTS;
    else if (isRepeated && refusal === ResultCode.OK) refusal = ResultCode.OP_NOT_APPLICABLE;
    if (isThere || isRepeated) machine.selection.mask[order[rank]] = 1;
  }
  if (refusal !== ResultCode.OK && !mayDrop) return refusal;
  for (let index = 0; index < items.count; index++) {
    if (machine.selection.mask[index] === 0) chosen[chosenCount++] = index;
  }
  return ResultCode.OK;
}

function isInList(machine: CdtMachine, at: number): boolean {
  const { items, view } = machine;
  const rank = view.rankBound(items.bytes, at, false);
  return rank < view.count && view.compareValue(view.order()[rank], items.bytes, at) === 0;
}

/** APPEND_ITEMS: `items, [create flags, [write flags]]` */
export function appendItems(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const flags = flagsAfter(machine, call.flags(1));
  const write = call.flags(2);
  if (!storeItems(machine, 0) || !view.locate()) return ResultCode.PARAMETER;
  const refusal = chooseItems(machine, write);
  if (refusal !== ResultCode.OK) return refuse(machine, write, refusal, true);
  if (chosenCount > 0 || machine.isMissing) {
    if ((flags & FLAG.ORDERED) !== 0) mergeChosen(machine, flags);
    else insertChosen(machine, view.count, { flags, padding: 0 });
  }
  return machine.answerCount(view.count + chosenCount);
}

/** Makes the new list with the chosen items before an index. */
function insertChosen(machine: CdtMachine, index: number, options: { flags: number; padding: number }): void {
  const { items, view } = machine;
  const before = index < view.count ? view.entryAt(index) : view.end;
  const made = machine.beginNew(view.count + options.padding + chosenCount, options.flags);
  made.keepBefore(index, before);
  made.addNils(options.padding);
  for (let at = 0; at < chosenCount; at++) {
    made.add(items.bytes, items.entryAt(chosen[at]), items.entryEnd(chosen[at]));
  }
  made.keepAfter(index, before);
  machine.endNew();
}

/** Makes the new sorted list with the chosen items in their places. */
function mergeChosen(machine: CdtMachine, flags: number): void {
  const { items, view } = machine;
  chosen.subarray(0, chosenCount).sort((left, right) =>
    compareValues(items.bytes, items.entryAt(left), items.bytes, items.entryAt(right)) || left - right
  );
  const made = machine.beginNew(view.count + chosenCount, flags);
  let kept = 0;
  for (let at = 0; at < chosenCount; at++) {
    const itemAt = items.entryAt(chosen[at]);
    const index = view.entryBound(items.bytes, itemAt, true);
    made.keepEntries(kept, index);
    kept = index;
    made.add(items.bytes, itemAt, items.entryEnd(chosen[at]));
  }
  made.keepEntries(kept, view.count);
  machine.endNew();
}

/** Where an insert or set goes. */
const place = { index: 0, padding: 0 };

/** Finds the place for an index that may lie beyond the end; OK, or the code of a refusal. */
function findPlace(machine: CdtMachine, index: number, write: number): ResultCode {
  const { view } = machine;
  if (index < -view.count) return ResultCode.OP_NOT_APPLICABLE;
  place.index = index < 0 ? view.count + index : Math.min(index, view.count);
  place.padding = Math.max(0, index - view.count);
  if (place.padding === 0) return ResultCode.OK;
  if ((write & LIST_WRITE.INSERT_BOUNDED) !== 0) return ResultCode.OP_NOT_APPLICABLE;
  return place.padding > CDT_PAD_COUNT_MAX ? ResultCode.RECORD_TOO_BIG : ResultCode.OK;
}

function isBoundRefusal(machine: CdtMachine, index: number, write: number): boolean {
  return index > machine.view.count && (write & LIST_WRITE.INSERT_BOUNDED) !== 0;
}

/** INSERT: `index, value, [write flags]` */
export function insert(machine: CdtMachine): ResultCode {
  const { call, out, view } = machine;
  const write = call.flags(2);
  const wanted = call.integer(0);
  if (view.isOrdered) return ResultCode.OP_NOT_APPLICABLE;
  const size = machine.storeParam(1);
  if (size < 0 || !view.locate()) return ResultCode.PARAMETER;
  const placed = findPlace(machine, wanted, write);
  if (placed !== ResultCode.OK) {
    return isBoundRefusal(machine, wanted, write) ? refuse(machine, write, placed, true) : placed;
  }
  const at = out.length - size;
  if ((write & LIST_WRITE.ADD_UNIQUE) !== 0 && view.indexOfValue(out.bytes, at) >= 0) {
    return refuse(machine, write, ResultCode.ELEMENT_EXISTS, true);
  }
  const { index, padding } = place;
  putElement(machine, { index, replaced: 0, flags: view.flags, at, sizeBytes: size, padding });
  return machine.answerCount(view.count + padding + 1);
}

/** INSERT_ITEMS: `index, items, [write flags]` */
export function insertItems(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const write = call.flags(2);
  const wanted = call.integer(0);
  if (view.isOrdered) return ResultCode.OP_NOT_APPLICABLE;
  if (!storeItems(machine, 1) || !view.locate()) return ResultCode.PARAMETER;
  const placed = findPlace(machine, wanted, write);
  if (placed !== ResultCode.OK) {
    return isBoundRefusal(machine, wanted, write) ? refuse(machine, write, placed, true) : placed;
  }
  const { index, padding } = place;
  const refusal = chooseItems(machine, write);
  if (refusal !== ResultCode.OK) return refuse(machine, write, refusal, true);
  if (chosenCount === 0 && !machine.isMissing) return machine.answerCount(view.count);
  const usedPadding = chosenCount === 0 ? 0 : padding;
  insertChosen(machine, index, { flags: view.flags, padding: usedPadding });
  return machine.answerCount(view.count + usedPadding + chosenCount);
}

/** SET: `index, value, [write flags]` */
export function set(machine: CdtMachine): ResultCode {
  const { call, out, view } = machine;
  const write = call.flags(2);
  const wanted = call.integer(0);
  if (view.isOrdered) return ResultCode.OP_NOT_APPLICABLE;
  const size = machine.storeParam(1);
  if (size < 0 || !view.locate()) return ResultCode.PARAMETER;
  const placed = findPlace(machine, wanted, write);
  if (placed !== ResultCode.OK) {
    return isBoundRefusal(machine, wanted, write) ? refuse(machine, write, placed, false) : placed;
  }
  const at = out.length - size;
  const { index, padding } = place;
  if ((write & LIST_WRITE.ADD_UNIQUE) !== 0 && isElsewhere(machine, index, at)) {
    return refuse(machine, write, ResultCode.ELEMENT_EXISTS, false);
  }
  const replaced = index < view.count ? 1 : 0;
  putElement(machine, { index, replaced, flags: view.flags, at, sizeBytes: size, padding });
  return ResultCode.OK;
}

/** Whether an element other than the one at `index` equals the value at `at` in `out`. */
function isElsewhere(machine: CdtMachine, index: number, at: number): boolean {
  const { out, view } = machine;
  view.needAll();
  for (let other = 0; other < view.count; other++) {
    if (other !== index && view.compareValue(other, out.bytes, at) === 0) return true;
  }
  return false;
}

/** INCREMENT: `index, [delta, [create flags, [write flags]]]` */
export function increment(machine: CdtMachine): ResultCode {
  const { call, out, view } = machine;
  const flags = flagsAfter(machine, call.flags(2));
  const write = call.flags(3);
  const wanted = call.integer(0);
  if (!view.locate()) return ResultCode.PARAMETER;
  const hasDelta = call.hasValue(1);
  if (hasDelta && !isNumber(call.bytes, call.paramAt[1])) return ResultCode.PARAMETER;
  const placed = findPlace(machine, wanted, write);
  const isRefused = placed !== ResultCode.OK;
  const isOrdered = (flags & FLAG.ORDERED) !== 0;
  if (isRefused && !isOrdered && !isBoundRefusal(machine, wanted, write)) return placed;
  if (isRefused && wanted < 0) return placed;
  if (isRefused && (write & LIST_WRITE.NO_FAIL) === 0 && !isOrdered) return placed;
  const { index } = place;
  const isThere = index < view.count;
  if (isThere && !isNumber(view.bytes, view.valueAt(index))) return ResultCode.PARAMETER;
  const at = addNumbers(machine, {
    valueAt: isThere ? view.valueAt(index) : -1,
    deltaAt: hasDelta ? call.paramAt[1] : -1,
    isNegated: false,
  });
  if (isRefused && !isOrdered) return ResultCode.OK;
  if ((write & LIST_WRITE.ADD_UNIQUE) !== 0 && isElsewhere(machine, isThere ? index : -1, at)) {
    return (write & LIST_WRITE.NO_FAIL) === 0 ? ResultCode.ELEMENT_EXISTS : ResultCode.OK;
  }
  const sizeBytes = out.length - at;
  if (isOrdered) moveElement(machine, { index, replaced: isThere ? 1 : 0, flags, at, sizeBytes });
  else {
    const { padding } = place;
    putElement(machine, { index, replaced: isThere ? 1 : 0, flags, at, sizeBytes, padding });
  }
  return ResultCode.OK;
}

/**
 * Makes the new sorted list in which an element has left its place and a new one, in `out`, is where it belongs.
 *
 * @param placement index of the element that goes, if `replaced` is 1
 */
export function moveElement(machine: CdtMachine, placement: Placement): void {
  const { out, view } = machine;
  const { at, index, replaced, sizeBytes } = placement;
  const gone = replaced === 1 ? index : view.count;
  let target = view.entryBound(out.bytes, at, true);
  if (target === gone + 1) target = gone;
  const made = machine.beginNew(view.count + 1 - replaced, placement.flags);
  if (target <= gone) {
    made.keepEntries(0, target);
    made.add(out.bytes, at, at + sizeBytes);
    made.keepEntries(target, gone);
    made.keepEntries(gone + replaced, view.count);
  } else {
    made.keepEntries(0, gone);
    made.keepEntries(gone + replaced, target);
    made.add(out.bytes, at, at + sizeBytes);
    made.keepEntries(target, view.count);
  }
  machine.endNew();
}
