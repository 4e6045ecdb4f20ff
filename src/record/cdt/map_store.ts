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

const ATTRIBUTES = FLAG.ORDERED | FLAG.VALUE_ORDERED | FLAG.PERSIST_INDEX;

/** A new map has the order that the attributes name; attributes that mean nothing count as none. */
function createFlags(attributes: number): number {
  return (attributes & 0xff & ~ATTRIBUTES) === 0 ? attributes & ATTRIBUTES : 0;
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
  return attributesIndex < 0 ? 0 : machine.newFlags(createFlags(machine.call.flags(attributesIndex)));
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
    putEntry(machine, { index, count, flags, at, end });
    return machine.answerCount(count);
  };
}

/** An entry of `out` that goes into the map. */
interface Placement {
  /** Answer of the view's last `findKey`: index of the entry that it replaces, or `-1 - index` of where it goes. */
  index: number;
  /** Entries of the new map. */
  count: number;
  /** Flags of the new map. */
  flags: number;
  /** Offset of the entry in `out`. */
  at: number;
  /** Offset after it. */
  end: number;
}

/** Makes the new map with an entry that is in `out` already. */
function putEntry(machine: CdtMachine, { index, count, flags, at, end }: Placement): void {
  const { out, view } = machine;
  const { foundEnd, foundKeyAt } = view;
  const isThere = index >= 0;
  const place = isThere ? index : -1 - index;
  const made = machine.beginNew(count, flags);
  made.keepBefore(place, foundKeyAt);
  made.add(out.bytes, at, end);
  if (isThere) made.keepAfter(place + 1, foundEnd);
  else made.keepAfter(place, foundKeyAt);
  machine.endNew();
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
    if (items.count > CDT_PARAM_COUNT_MAX || !items.fill() || !view.locate()) return ResultCode.PARAMETER;
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
  const { items, view } = machine;
  const made = machine.beginNew(count, flags);
  let kept = 0;
  for (let item = 0; item < items.count; item++) {
    const found = places[item];
    if (found === SKIPPED) continue;
    const index = found >= 0 ? found : -1 - found;
    made.keepEntries(kept, index);
    made.add(items.bytes, items.entryAt(item), items.entryEnd(item));
    kept = found >= 0 ? index + 1 : index;
  }
  made.keepEntries(kept, view.count);
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
    const { foundValueAt } = view;
    if (index >= 0 && !isNumber(view.bytes, foundValueAt)) return ResultCode.PARAMETER;
    const at = out.length;
    if (machine.storeParam(0) < 0) return ResultCode.PARAMETER;
    addNumbers(machine, { valueAt: index >= 0 ? foundValueAt : -1, deltaAt, isNegated });
    const end = out.length;
    putEntry(machine, { index, count: index >= 0 ? view.count : view.count + 1, flags, at, end });
    return ResultCode.OK;
  };
}

/** SET_TYPE: `attributes` */
export function setType(machine: CdtMachine): ResultCode {
  const { call, view } = machine;
  const attributes = call.flags(0);
  if ((attributes & ~ATTRIBUTES) !== 0) return ResultCode.OP_NOT_APPLICABLE;
  const flags = machine.newFlags(attributes & ATTRIBUTES);
  if (!machine.isMissing && flags === view.flags) return ResultCode.OK;
  if ((flags & FLAG.PERSIST_INDEX) !== 0 && !view.locate()) return ResultCode.PARAMETER;
  machine.beginNew(view.count, flags).keepBefore(view.count, view.end);
  machine.endNew();
  return ResultCode.OK;
}
