/**
 * Map operations that put entries in: add, put, replace, increment. Source: data type reference, sections 3.2 and 3.3.
 *
 * @module
 */

import { CDT_PARAM_COUNT_MAX, ResultCode } from "../../base/mod.ts";

import { compareValues } from "./compare.ts";
import { FLAG } from "./head.ts";
import { addNumbers, isNumber } from "./increment.ts";
import type { CdtMachine } from "./machine.ts";
import type { Run } from "./select.ts";
import { isMapKey } from "./value.ts";
import { DAMAGED } from "./view.ts";

/** Write flags of maps. */
export const MAP_WRITE = { NO_OVERWRITE: 0x01, NO_CREATE: 0x02, NO_FAIL: 0x04, PARTIAL: 0x08 } as const;

const ORDER_BITS = FLAG.ORDERED | FLAG.VALUE_ORDERED;

/** A new map has the order that the attributes name; attributes that mean nothing count as none. */
function createFlags(attributes: number): number {
  return (attributes & 0xff & ~(ORDER_BITS | FLAG.PERSIST_INDEX)) === 0 ? attributes & ORDER_BITS : 0;
}

/** How an operation takes its parameters. */
export interface StoreOptions {
  /** Write flags that the operation itself has. */
  write: number;
  /** Index of the parameter with the attributes of a new map, -1 when there is none. */
  attributesIndex: number;
  /** Index of the parameter with write flags, -1 when there is none. */
  writeIndex: number;
}

function flagsAfter(machine: CdtMachine, attributesIndex: number): number {
  if (!machine.isMissing) return machine.view.flags;
  return attributesIndex < 0 ? 0 : createFlags(machine.call.flags(attributesIndex));
}

function writeFlags(machine: CdtMachine, options: StoreOptions): number {
  return options.write | (options.writeIndex < 0 ? 0 : machine.call.flags(options.writeIndex));
}

/** What write flags say about one key: OK, or the code of a refusal. */
function conflict(write: number, isThere: boolean): ResultCode {
  if (isThere && (write & MAP_WRITE.NO_OVERWRITE) !== 0) return ResultCode.ELEMENT_EXISTS;
  if (!isThere && (write & MAP_WRITE.NO_CREATE) !== 0) return ResultCode.ELEMENT_NOT_FOUND;
  return ResultCode.OK;
}

/** A refusal: with NO_FAIL a no-op that answers the count; a map that was missing is there afterwards, empty. */
function refuse(
  machine: CdtMachine,
  code: ResultCode,
  options: { write: number; flags: number },
): ResultCode {
  if ((options.write & MAP_WRITE.NO_FAIL) === 0) return code;
  if (machine.isMissing) {
    machine.beginNew(0, options.flags);
    machine.endNew();
  }
  return machine.answerCount(machine.view.count);
}

/** ADD, PUT and REPLACE: `key, value, ...` */
export function storeOne(options: StoreOptions): Run {
  return (machine) => {
    const { call, out, view } = machine;
    const flags = flagsAfter(machine, options.attributesIndex);
    const write = writeFlags(machine, options);
    if (!isMapKey(call.bytes, call.paramAt[0])) return ResultCode.PARAMETER;
    const at = out.length;
    if (machine.storeParam(0) < 0 || machine.storeParam(1) < 0) return ResultCode.PARAMETER;
    const end = out.length;
    const index = view.findKey(call.bytes, call.paramAt[0]);
    if (index === DAMAGED) return ResultCode.PARAMETER;
    const refusal = conflict(write, index >= 0);
    if (refusal !== ResultCode.OK) return refuse(machine, refusal, { write, flags });
    const count = index >= 0 ? view.count : view.count + 1;
    machine.beginNew(count, flags);
    machine.keep(view.contentAt, view.foundKeyAt);
    out.append(out.bytes, at, end);
    machine.keep(index >= 0 ? view.foundEnd : view.foundKeyAt, view.end);
    machine.endNew();
    return machine.answerCount(count);
  };
}

/** ADD_ITEMS, PUT_ITEMS and REPLACE_ITEMS: `items, ...` */
export function storeItems(options: StoreOptions): Run {
  return (machine) => {
    const { items, out, view } = machine;
    const flags = flagsAfter(machine, options.attributesIndex);
    const write = writeFlags(machine, options);
    const sizeBytes = machine.storeParam(0);
    if (sizeBytes < 0 || !items.open(out.bytes, out.length - sizeBytes, out.length)) {
      return ResultCode.PARAMETER;
    }
    if (items.count > CDT_PARAM_COUNT_MAX || !items.fill() || !view.fill()) return ResultCode.PARAMETER;
    if (machine.isMissing && (write & MAP_WRITE.NO_CREATE) !== 0) {
      return refuse(machine, ResultCode.ELEMENT_NOT_FOUND, { write, flags });
    }
    const refusal = matchItems(machine, write);
    if (refusal !== ResultCode.OK) return refuse(machine, refusal, { write, flags });
    if (storedCount === 0 && !machine.isMissing) return machine.answerCount(view.count);
    mergeItems(machine, view.count + createdCount, flags);
    return machine.answerCount(view.count + createdCount);
  };
}

/** Place of each item: the index of its key, or `-1 - index` of where it goes; SKIPPED for one that write flags refuse. */
let places = new Int32Array(64);
const SKIPPED = -0x8000_0000;
let storedCount = 0;
let createdCount = 0;

/** Finds where the items go; OK, or the code of a refusal of all of them. */
function matchItems(machine: CdtMachine, write: number): ResultCode {
  const { items, view } = machine;
  const maySkip = (write & MAP_WRITE.NO_FAIL) !== 0 && (write & MAP_WRITE.PARTIAL) !== 0;
  if (places.length < items.count || places.length > 64 * 1024) {
    places = new Int32Array(Math.max(64, items.count));
  }
  storedCount = 0;
  createdCount = 0;
  for (let item = 0; item < items.count; item++) {
    const keyAt = items.entryAt(item);
    const index = view.entryBound(items.bytes, keyAt, false);
    const isThere = index < view.count && isKeyAt(machine, index, keyAt);
    const refusal = conflict(write, isThere);
    if (refusal !== ResultCode.OK && !maySkip) return refusal;
    places[item] = refusal !== ResultCode.OK ? SKIPPED : isThere ? index : -1 - index;
    if (refusal !== ResultCode.OK) continue;
    storedCount++;
    if (!isThere) createdCount++;
  }
  return ResultCode.OK;
}

function isKeyAt(machine: CdtMachine, index: number, keyAt: number): boolean {
  const { items, view } = machine;
  return compareValues(view.bytes, view.entryAt(index), items.bytes, keyAt) === 0;
}

/** Makes the new map: the old entries and the items, both sorted by key. */
function mergeItems(machine: CdtMachine, count: number, flags: number): void {
  const { items, out, view } = machine;
  machine.beginNew(count, flags);
  let kept = view.contentAt;
  for (let item = 0; item < items.count; item++) {
    const found = places[item];
    if (found === SKIPPED) continue;
    const index = found >= 0 ? found : -1 - found;
    const before = view.entryAt(index);
    machine.keep(kept, before);
    out.append(items.bytes, items.entryAt(item), items.entryEnd(item));
    kept = found >= 0 ? view.entryEnd(index) : before;
  }
  machine.keep(kept, view.end);
  machine.endNew();
}

/** INCREMENT and DECREMENT: `key, [delta, [attributes]]` */
export function increment(isNegated: boolean): Run {
  return (machine) => {
    const { call, out, view } = machine;
    const flags = flagsAfter(machine, 2);
    if (!isMapKey(call.bytes, call.paramAt[0])) return ResultCode.PARAMETER;
    const deltaAt = call.hasValue(1) ? call.paramAt[1] : -1;
    if (deltaAt >= 0 && !isNumber(call.bytes, deltaAt)) return ResultCode.PARAMETER;
    const index = view.findKey(call.bytes, call.paramAt[0]);
    if (index === DAMAGED) return ResultCode.PARAMETER;
    const { foundKeyAt, foundEnd, foundValueAt } = view;
    if (index >= 0 && !isNumber(view.bytes, foundValueAt)) return ResultCode.PARAMETER;
    const at = out.length;
    if (machine.storeParam(0) < 0) return ResultCode.PARAMETER;
    addNumbers(machine, { valueAt: index >= 0 ? foundValueAt : -1, deltaAt, isNegated });
    const end = out.length;
    machine.beginNew(index >= 0 ? view.count : view.count + 1, flags);
    machine.keep(view.contentAt, foundKeyAt);
    out.append(out.bytes, at, end);
    machine.keep(index >= 0 ? foundEnd : foundKeyAt, view.end);
    machine.endNew();
    return ResultCode.OK;
  };
}

/** SET_TYPE: `attributes` */
export function setType(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const attributes = call.flags(0);
  if ((attributes & ~(ORDER_BITS | FLAG.PERSIST_INDEX)) !== 0) return ResultCode.OP_NOT_APPLICABLE;
  const flags = attributes & ORDER_BITS;
  if (!machine.isMissing && flags === view.flags) return ResultCode.OK;
  machine.beginNew(view.count, flags);
  machine.keep(view.contentAt, view.end);
  machine.endNew();
  return ResultCode.OK;
}
