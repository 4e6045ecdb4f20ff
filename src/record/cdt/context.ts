/**
 * Calls with a context: steps that lead from a bin's value to the list or map inside it that the call is for. What the
 * call changes there is put back in its place, and sorted lists on the way are sorted again. A step may name something
 * that is not there and have it created.
 *
 * | bits of a step's type | meaning                                                                                |
 * | --------------------- | -------------------------------------------------------------------------------------- |
 * | 0x0f                  | 0 index, 1 rank, 2 key, 3 value                                                        |
 * | 0x30                  | 0x10 in a list, 0x20 in a map, 0 in either                                             |
 * | 0xc0                  | create; list: 0x40 without gaps, 0x80 gaps are nil, 0xc0 sorted; map: 0x40 unordered, 0x80 by key, 0xc0 by key and value |
 * | 0x100                 | persisted index, at the top level                                                      |
 *
 * Source: data type reference, section 4.1.
 *
 * @module
 */

import {
  CDT_CONTEXT_STEP_COUNT_MAX,
  CDT_PAD_COUNT_MAX,
  CDT_WALK_WORK_MAX_BYTES,
  ResultCode,
} from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { FLAG, headSize, isListLead, isMapLead, isPersisted, writeHead } from "./head.ts";
import { moveElement } from "./list_store.ts";
import type { CdtMachine, CdtTarget } from "./machine.ts";
import { appendStored } from "./normalize.ts";
import { addIndex, againWithoutIndex } from "./persisted.ts";
import { resolveIndex } from "./selection.ts";
import { integerValue, isInteger, isMapKey, skipValue } from "./value.ts";
import { ContainerView, DAMAGED } from "./view.ts";

/** Code of a call with a context. */
export const CONTEXT_CODE = 255;

/** What a step names. */
export const STEP = { INDEX: 0, RANK: 1, KEY: 2, VALUE: 3, EXPRESSION: 4, KEY_LIST: 10 } as const;
/** Bits of a step's type. */
export const STEP_BITS = {
  BASE: 0x0f,
  LIST: 0x10,
  MAP: 0x20,
  CONTAINER: 0x30,
  CREATE: 0xc0,
  PERSIST: 0x100,
  AND: 0x200,
} as const;

/** Largest type of a step in the context of an index: key, in a map, by value. */
const INDEX_STEP_MAX = STEP_BITS.MAP | STEP.VALUE;
const CREATE_GAPS = 0x80;
const CREATE_ORDERED = 0xc0;
const KEY_OF_MAP = STEP.KEY | STEP_BITS.MAP;
const INDEX_OF_LIST = STEP.INDEX | STEP_BITS.LIST;
const NIL = 0xc0;
/** Room of intermediate containers that is worth moving the last one for. */
const DROPPED_SIZE_MIN_BYTES = 1024 * 1024;

/** A context and the containers on its way; made once and filled again for each call. */
export class ContextWalk {
  /** Steps of the context. */
  stepCount = 0;
  /** Type of each step. */
  readonly stepType: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Offset of each step's value in the call's bytes. */
  readonly stepValueAt: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Containers that were found, the outermost first; each step looks into one. */
  levelCount = 0;
  /** Offset of each container. */
  readonly levelAt: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Offset after each container. */
  readonly levelEnd: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Index of the element that the step chose. */
  readonly childIndex: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Offset of that element, or of its value in a map. */
  readonly childAt: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** Offset after it. */
  readonly childEnd: Int32Array = new Int32Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** 1 for a sorted list. */
  readonly isSorted: Uint8Array = new Uint8Array(CDT_CONTEXT_STEP_COUNT_MAX);
  /** The container that a step looks into. */
  readonly view: ContainerView = new ContainerView();
  /** Bytes that steps by rank may still look at. */
  workLeft = 0;
  /** First step that has to create what it names; `stepCount` when none has. */
  createFrom = 0;
  /** What the last step leads to. */
  readonly found: CdtTarget = { type: PARTICLE.NULL, bytes: new Uint8Array(0), at: 0, end: 0 };

  /**
   * Reads the steps of a context.
   *
   * @returns false when it is no list of pairs whose first is an integer, or has too many of them
   */
  readSteps(bytes: Uint8Array, at: number, end: number): boolean {
    const { view } = this;
    if (!view.open(bytes, at, end) || view.isMap || view.count === 0 || view.count % 2 !== 0) return false;
    this.stepCount = view.count / 2;
    if (this.stepCount > CDT_CONTEXT_STEP_COUNT_MAX) return false;
    at = view.contentAt;
    for (let step = 0; step < this.stepCount; step++) {
      if (!isInteger(bytes, at)) return false;
      const type = integerValue(bytes, at);
      this.stepType[step] = type >= 0 && type <= 0xffff ? type : 0xffff;
      this.stepValueAt[step] = skipValue(bytes, at, end);
      at = skipValue(bytes, this.stepValueAt[step], end);
    }
    return true;
  }
}

/** Runs the operation that was parsed last on a container. */
export type InnerRun = (machine: CdtMachine, target: CdtTarget) => ResultCode;

/** Runs a call with a context: `[255, [type, value, ...], [code, parameter, ...]]`. */
export function runInContext(machine: CdtMachine, target: CdtTarget, run: InnerRun): ResultCode {
  const { call, walk } = machine;
  if (call.paramCount !== 2) return ResultCode.PARAMETER;
  const innerAt = call.paramAt[1];
  const end = call.paramAt[2];
  if (!isListLead(call.bytes[innerAt])) return ResultCode.PARAMETER;
  if (!walk.readSteps(call.bytes, call.paramAt[0], innerAt)) return ResultCode.PARAMETER;
  const isContainer = target.type === PARTICLE.LIST || target.type === PARTICLE.MAP;
  if (target.type !== PARTICLE.NULL && !isContainer) return ResultCode.PARAMETER;
  const walked = walkSteps(machine, target);
  if (walked !== ResultCode.OK) return walked;
  machine.isBin = false;
  if (!call.parse(call.bytes, innerAt, end) || call.code === CONTEXT_CODE) return ResultCode.PARAMETER;
  const result = run(machine, walk.found);
  if (result !== ResultCode.OK || !machine.isChanged) return result;
  return putBack(machine, target) ? ResultCode.OK : ResultCode.PARAMETER;
}

/**
 * Finds what a context leads to, for those who only look.
 *
 * @param machine its call is overwritten
 * @param context msgpack of the steps
 * @returns what is there, good until the machine is used again; undefined when nothing is
 */
export function findInContext(
  machine: CdtMachine,
  target: CdtTarget,
  context: Uint8Array,
): CdtTarget | undefined {
  machine.call.bytes = context;
  machine.mayModify = false;
  if (!machine.walk.readSteps(context, 0, context.length)) return undefined;
  let walked: ResultCode;
  try {
    walked = walkSteps(machine, target);
  } catch (error) {
    walked = againWithoutIndex(machine, error, () => walkSteps(machine, target));
  }
  return walked === ResultCode.OK ? machine.walk.found : undefined;
}

/** Whether some msgpack is a context that an index may have: steps that create nothing and need no expression. */
export function isIndexContext(bytes: Uint8Array): boolean {
  const walk = new ContextWalk();
  if (skipValue(bytes, 0, bytes.length) !== bytes.length || !walk.readSteps(bytes, 0, bytes.length)) {
    return false;
  }
  return walk.stepType.subarray(0, walk.stepCount).every((type) => type <= INDEX_STEP_MAX && isStep(type));
}

/** Follows the steps as far as there is something; finds out whether the rest may be created. */
function walkSteps(machine: CdtMachine, target: CdtTarget): ResultCode {
  const { walk } = machine;
  const { found, view } = walk;
  const { bytes, end } = target;
  found.bytes = bytes;
  found.type = PARTICLE.NULL;
  walk.levelCount = 0;
  walk.createFrom = walk.stepCount;
  walk.workLeft = CDT_WALK_WORK_MAX_BYTES;
  if (target.type === PARTICLE.NULL) return startCreating(machine, 0);
  let { at } = target;
  for (let step = 0; step < walk.stepCount; step++) {
    // The end of a container inside another is not known, and is looked for only where that can't be helped.
    if (!isStep(walk.stepType[step])) return ResultCode.OP_NOT_APPLICABLE;
    const isOpen = step === 0 ? view.openBin(bytes, at, end, machine.usesIndex) : view.open(bytes, at, end);
    if (!isOpen) return ResultCode.OP_NOT_APPLICABLE;
    const container = walk.stepType[step] & STEP_BITS.CONTAINER;
    if (container !== 0 && (container === STEP_BITS.MAP) !== view.isMap) return ResultCode.OP_NOT_APPLICABLE;
    walk.levelAt[step] = at;
    walk.isSorted[step] = view.isSortedList ? 1 : 0;
    walk.levelCount = step + 1;
    const index = resolveStep(machine, step);
    if (index === DAMAGED) return ResultCode.PARAMETER;
    if (index < 0) return startCreating(machine, step);
    walk.childIndex[step] = index;
    walk.childAt[step] = at = view.foundValueAt;
  }
  const lead = bytes[at];
  // What is neither list nor map has a type that no operation takes.
  found.type = isListLead(lead) ? PARTICLE.LIST : isMapLead(lead) ? PARTICLE.MAP : PARTICLE.STRING;
  found.at = at;
  found.end = skipValue(bytes, at, end);
  return found.end < 0 ? ResultCode.PARAMETER : ResultCode.OK;
}

/** Whether a step's type is one of a context. */
function isStep(type: number): boolean {
  if ((type & STEP_BITS.BASE) > STEP.VALUE || type > (STEP_BITS.PERSIST | 0xff)) return false;
  const container = type & STEP_BITS.CONTAINER;
  if (container === STEP_BITS.CONTAINER) return false;
  if (container === 0 && (type & (STEP_BITS.CREATE | STEP_BITS.PERSIST)) !== 0) return false;
  return !((type & STEP_BITS.BASE) === STEP.KEY && container === STEP_BITS.LIST);
}

/** Finds what a step names in the walk's view; its index, -1 when it is not there, or DAMAGED. */
function resolveStep(machine: CdtMachine, step: number): number {
  const { call: { bytes }, walk } = machine;
  const { view } = walk;
  const base = walk.stepType[step] & STEP_BITS.BASE;
  const at = walk.stepValueAt[step];
  if (base === STEP.KEY) return view.isMap ? view.findKeyStart(bytes, at) : -1;
  if (base === STEP.VALUE) return view.findValueStart(bytes, at);
  if (!isInteger(bytes, at)) return -1;
  const place = resolveIndex(view.count, integerValue(bytes, at));
  if (place < 0) return -1;
  let index = place;
  if (base === STEP.RANK && view.isIndexed && view.hasRanks) {
    index = view.indexOfRank(place);
  } else if (base === STEP.RANK && !view.isSortedList) {
    const end = skipValue(view.bytes, view.at, view.end);
    walk.workLeft -= end - view.at;
    if (end < 0 || walk.workLeft < 0 || !view.open(view.bytes, view.at, end) || !view.fill()) return DAMAGED;
    index = view.indexOfRank(place);
  }
  return view.seekStart(index) ? index : DAMAGED;
}

/**
 * Finds one element of a filled view and leaves its offsets in it.
 *
 * @param base what the value is: index, rank, key or value
 * @returns its index, -1 when there is none, or DAMAGED
 */
export function resolveIn(
  view: ContainerView,
  base: number,
  value: { bytes: Uint8Array; at: number },
): number {
  const { at, bytes } = value;
  if (base === STEP.KEY) {
    if (!view.isMap) return -1;
    const index = view.findKey(bytes, at);
    return index === DAMAGED ? DAMAGED : Math.max(-1, index);
  }
  if (base === STEP.VALUE) return view.indexOfValue(bytes, at);
  const place = isInteger(bytes, at) ? resolveIndex(view.count, integerValue(bytes, at)) : -1;
  return place >= 0 && base === STEP.RANK ? view.indexOfRank(place) : place;
}

/** Whether what a step names may be created, and all that follows; nothing is created yet. */
function startCreating(machine: CdtMachine, from: number): ResultCode {
  const { walk } = machine;
  if (!machine.mayModify || (walk.stepType[from] & STEP_BITS.CREATE) === 0) {
    return ResultCode.OP_NOT_APPLICABLE;
  }
  walk.createFrom = from;
  const isNewBin = walk.levelCount === 0;
  for (let step = from; step < walk.stepCount; step++) {
    const isNew = step > from || isNewBin;
    if (!mayCreate(machine, step, isNew)) return ResultCode.OP_NOT_APPLICABLE;
  }
  return ResultCode.OK;
}

function mayCreate(machine: CdtMachine, step: number, isNew: boolean): boolean {
  const { call: { bytes }, walk } = machine;
  const type = walk.stepType[step];
  const at = walk.stepValueAt[step];
  if (!isStep(type)) return false;
  const kind = type & (STEP_BITS.BASE | STEP_BITS.CONTAINER);
  if (kind === KEY_OF_MAP) return isMapKey(bytes, at);
  if (kind !== INDEX_OF_LIST || !isInteger(bytes, at)) return false;
  const count = isNew ? 0 : walk.view.count;
  const index = integerValue(bytes, at);
  if (index === count || (index === -1 && count === 0)) return true;
  if (index < count || index - count > CDT_PAD_COUNT_MAX) return false;
  const create = type & STEP_BITS.CREATE;
  return isNew ? create >= CREATE_GAPS : create === CREATE_GAPS || walk.view.isSortedList;
}

/** Flags of a container that a step creates. */
function flagsOfNew(type: number): number {
  const create = type & STEP_BITS.CREATE;
  if ((type & STEP_BITS.CONTAINER) === STEP_BITS.LIST) return create === CREATE_ORDERED ? FLAG.ORDERED : 0;
  return create === CREATE_ORDERED
    ? FLAG.ORDERED | FLAG.VALUE_ORDERED
    : create === CREATE_GAPS
    ? FLAG.ORDERED
    : 0;
}

/**
 * Puts the container that the call has made into those around it.
 *
 * Where each of those ends is found from the inside out: what is behind an element is looked at once, so that a deeply
 * nested value costs one pass, not one for each level.
 *
 * @returns false when the bytes around are damaged
 */
function putBack(machine: CdtMachine, target: CdtTarget): boolean {
  const { walk } = machine;
  const { bytes, end } = target;
  let above = walk.levelCount - 1;
  if (walk.createFrom < walk.stepCount) {
    const lastNew = target.type === PARTICLE.NULL ? walk.createFrom : walk.createFrom + 1;
    for (let step = walk.stepCount - 1; step >= lastNew; step--) wrapInNew(machine, step);
    if (target.type === PARTICLE.NULL) {
      if ((walk.stepType[0] & STEP_BITS.PERSIST) !== 0) addIndex(machine);
      return true;
    }
    walk.levelEnd[above] = above === 0 ? end : skipValue(bytes, walk.levelAt[above], end);
    if (walk.levelEnd[above] < 0 || !putNewChild(machine, target, walk.createFrom)) return false;
    above = walk.createFrom - 1;
    if (above >= 0) walk.childEnd[above] = walk.levelEnd[above + 1];
  } else {
    walk.childEnd[above] = walk.found.end;
  }
  const base = machine.newAt;
  let inner = above;
  for (let level = above; level >= 0; level--) {
    if (!findLevelEnd(walk, target, level)) return false;
    if (level > 0) walk.childEnd[level - 1] = walk.levelEnd[level];
    if (walk.isSorted[level] === 1) {
      if (!resort(machine, target, level)) return false;
      inner = level - 1;
    } else if (level === 0 && isPersisted(bytes, target.at, end - target.at)) {
      if (!spliceBin(machine, target, inner)) return false;
    } else if (level === 0 || walk.isSorted[level - 1] === 1) {
      splice(machine, target, { outer: level, inner });
      inner = level - 1;
    }
    dropBefore(machine, base);
  }
  machine.newIsMap = target.type === PARTICLE.MAP;
  return true;
}

/** Finds where a container ends from where the element that the step chose ends. */
function findLevelEnd(walk: ContextWalk, target: CdtTarget, level: number): boolean {
  const { view } = walk;
  if (level === 0) {
    walk.levelEnd[0] = target.end;
    return true;
  }
  view.open(target.bytes, walk.levelAt[level], target.end);
  const left = (view.count - 1 - walk.childIndex[level]) * (view.isMap ? 2 : 1);
  let at = walk.childEnd[level];
  for (let value = 0; value < left && at >= 0; value++) at = skipValue(target.bytes, at, target.end);
  walk.levelEnd[level] = at;
  return at >= 0;
}

/** Moves the container that was made last to where the first one was, when those between take much room. */
function dropBefore(machine: CdtMachine, base: number): void {
  const { newAt, newSize, out } = machine;
  if (newAt - base < DROPPED_SIZE_MIN_BYTES) return;
  out.bytes.copyWithin(base, newAt, newAt + newSize);
  out.length = base + newSize;
  machine.newAt = base;
}

/** Makes a new container around the one that was made last. */
function wrapInNew(machine: CdtMachine, step: number): void {
  const { call: { bytes }, newAt, newSize, out, walk } = machine;
  const type = walk.stepType[step];
  const valueAt = walk.stepValueAt[step];
  const isMap = (type & STEP_BITS.CONTAINER) === STEP_BITS.MAP;
  const flags = flagsOfNew(type);
  const padding = isMap || flags !== 0 ? 0 : Math.max(0, integerValue(bytes, valueAt));
  const at = out.reserve(headSize(padding + 1, flags, isMap) + padding + newSize);
  out.length = writeHead(out.bytes, at, padding + 1, flags, isMap);
  if (isMap) appendStored(bytes, valueAt, skipValue(bytes, valueAt, bytes.length), out);
  appendNils(machine, padding);
  out.append(out.bytes, newAt, newAt + newSize);
  machine.newAt = at;
  machine.newSize = out.length - at;
  machine.newIsMap = isMap;
}

function appendNils(machine: CdtMachine, count: number): void {
  const { out } = machine;
  const at = out.reserve(count);
  out.bytes.fill(NIL, at, at + count);
  out.length = at + count;
}

/** Adds the container that was made last to one that exists, under the key or index that a step names. */
function putNewChild(machine: CdtMachine, target: CdtTarget, step: number): boolean {
  const { call: { bytes }, newAt, newSize, out, view, walk } = machine;
  const valueAt = walk.stepValueAt[step];
  machine.openView(target.bytes, walk.levelAt[step], walk.levelEnd[step], step === 0);
  if (!view.locate()) return false;
  if (view.isSortedList) {
    moveElement(machine, { index: 0, replaced: 0, flags: view.flags, at: newAt, sizeBytes: newSize });
    return true;
  }
  if (view.isMap) {
    const index = -1 - view.findKey(bytes, valueAt);
    const keySize = appendStored(bytes, valueAt, skipValue(bytes, valueAt, bytes.length), out);
    const keyEnd = out.length;
    const made = machine.beginNew(view.count + 1, view.flags);
    made.keepBefore(index, view.foundKeyAt);
    made.add(out.bytes, keyEnd - keySize, keyEnd);
    made.addMore(out.bytes, newAt, newAt + newSize);
    made.keepAfter(index, view.foundKeyAt);
  } else {
    const padding = Math.max(0, integerValue(bytes, valueAt) - view.count);
    const made = machine.beginNew(view.count + padding + 1, view.flags);
    made.keepBefore(view.count, view.end);
    made.addNils(padding);
    made.add(out.bytes, newAt, newAt + newSize);
  }
  machine.endNew();
  return true;
}

/** Puts the container that was made last into a sorted list, in place of the element that it was. */
function resort(machine: CdtMachine, target: CdtTarget, level: number): boolean {
  const { newAt, newSize, view, walk } = machine;
  machine.openView(target.bytes, walk.levelAt[level], walk.levelEnd[level], level === 0);
  const index = walk.childIndex[level];
  if (!view.isIndexed && !view.fill(index, walk.childEnd[level])) return false;
  moveElement(machine, { index, replaced: 1, flags: view.flags, at: newAt, sizeBytes: newSize });
  return true;
}

/** As `splice`, for the value of a bin that has a persisted index; false when its bytes are damaged. */
function spliceBin(machine: CdtMachine, target: CdtTarget, inner: number): boolean {
  const { newAt, newSize, out, view, walk } = machine;
  if (!machine.openView(target.bytes, target.at, target.end, true)) return false;
  const index = walk.childIndex[0];
  const entryAt = view.entryAt(index);
  const made = machine.beginNew(view.count, view.flags);
  made.keepBefore(index, entryAt);
  made.add(target.bytes, entryAt, walk.childAt[inner]);
  made.addMore(out.bytes, newAt, newAt + newSize);
  made.addMore(target.bytes, walk.childEnd[inner], walk.childEnd[0]);
  made.keepAfter(index + 1, walk.childEnd[0]);
  machine.endNew();
  return true;
}

/** Copies the container of level `outer` with the one that was made last in place of what step `inner` chose. */
function splice(machine: CdtMachine, target: CdtTarget, levels: { outer: number; inner: number }): void {
  const { newAt, newSize, out, walk } = machine;
  const from = walk.levelAt[levels.outer];
  const to = walk.levelEnd[levels.outer];
  const at = out.reserve(to - from + newSize);
  out.append(target.bytes, from, walk.childAt[levels.inner]);
  out.append(out.bytes, newAt, newAt + newSize);
  out.append(target.bytes, walk.childEnd[levels.inner], to);
  machine.newAt = at;
  machine.newSize = out.length - at;
}
