/**
 * Return types: the answer of a get or remove operation from what it chose. The order of a list's answer follows the
 * stock server, which differs by operation. Source: data type reference, sections 2.4, 2.6, 2.7, 3.4 to 3.6.
 *
 * @module
 */

import { ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { FLAG, headSize, writeHead } from "./head.ts";
import type { CdtMachine } from "./machine.ts";
import { writeInteger } from "./normalize.ts";
import { EMPTY_RANGE, KIND } from "./selection.ts";

/** Return types: the lower 16 bits of the parameter. */
export const RETURN = {
  NONE: 0,
  INDEX: 1,
  REVERSE_INDEX: 2,
  RANK: 3,
  REVERSE_RANK: 4,
  COUNT: 5,
  KEY: 6,
  VALUE: 7,
  KEY_VALUE: 8,
  INDEX_RANGE: 9,
  REVERSE_INDEX_RANGE: 10,
  RANK_RANGE: 11,
  REVERSE_RANK_RANGE: 12,
  EXISTS: 13,
  UNORDERED_MAP: 16,
  ORDERED_MAP: 17,
} as const;

/** Bit of the parameter: choose everything that the operation would not. */
export const INVERTED = 0x10000;

/** Whether a return type is one that the kind of container has. */
export function isReturnType(type: number, isMap: boolean): boolean {
  if (type <= RETURN.COUNT || type === RETURN.VALUE) return true;
  if (type >= RETURN.INDEX_RANGE && type <= RETURN.EXISTS) return true;
  return isMap && (type === RETURN.KEY || type === RETURN.KEY_VALUE || isMapType(type));
}

function isMapType(type: number): boolean {
  return type === RETURN.KEY_VALUE || type === RETURN.UNORDERED_MAP || type === RETURN.ORDERED_MAP;
}

/** Whether the type is one of the four ranges. */
export function isRangeType(type: number): boolean {
  return type >= RETURN.INDEX_RANGE && type <= RETURN.REVERSE_RANK_RANGE;
}

/** Whether an answer of this type needs to know which elements were chosen, not only how many and where. */
export function needsIndexes(type: number): boolean {
  return type === RETURN.INDEX || type === RETURN.REVERSE_INDEX || type === RETURN.KEY ||
    type === RETURN.VALUE || isMapType(type);
}

/** Whether an answer of this type needs ranks. */
export function needsRanks(type: number): boolean {
  return type === RETURN.RANK || type === RETURN.REVERSE_RANK;
}

/** Numbers that are kept room for between uses. */
const KEPT_COUNT_MAX = 64 * 1024;

/** Numbers that are to be answered, or indexes of elements. */
let sequence = new Int32Array(64);
let sequenceCount = 0;

function beginSequence(count: number): void {
  if (sequence.length < count || sequence.length > KEPT_COUNT_MAX && count < KEPT_COUNT_MAX) {
    sequence = new Int32Array(Math.max(64, count));
  }
  sequenceCount = 0;
}

function pushRun(start: number, count: number): void {
  for (let index = 0; index < count; index++) sequence[sequenceCount++] = start + index;
}

/**
 * Answers a selection of any number of elements.
 *
 * @param type return type without the bit INVERTED
 * @returns OK, or OP_NOT_APPLICABLE when the selector has no such answer
 */
export function answerMany(machine: CdtMachine, type: number, isInverted: boolean): ResultCode {
  const { selection, result, view } = machine;
  const count = isInverted ? view.count - selection.count : selection.count;
  switch (type) {
    case RETURN.NONE:
      return ResultCode.OK;
    case RETURN.COUNT:
      result.setInteger(count);
      return ResultCode.OK;
    case RETURN.EXISTS:
      result.setBool(count > 0);
      return ResultCode.OK;
    case RETURN.INDEX:
    case RETURN.REVERSE_INDEX:
      if (isInverted) listOtherIndexes(machine, type === RETURN.REVERSE_INDEX);
      else listIndexes(machine, type === RETURN.REVERSE_INDEX);
      answerNumbers(machine);
      return ResultCode.OK;
    case RETURN.RANK:
    case RETURN.REVERSE_RANK:
      if (isInverted) listOtherRanks(machine, type === RETURN.REVERSE_RANK);
      else listRanks(machine, type === RETURN.REVERSE_RANK);
      answerNumbers(machine);
      return ResultCode.OK;
    case RETURN.INDEX_RANGE:
    case RETURN.REVERSE_INDEX_RANGE:
    case RETURN.RANK_RANGE:
    case RETURN.REVERSE_RANK_RANGE:
      return isInverted ? ResultCode.OP_NOT_APPLICABLE : answerRange(machine, type);
    default:
      if (isInverted) listOthers(machine);
      else listElements(machine);
      answerElements(machine, type);
      return ResultCode.OK;
  }
}

/** Turns numbers from `from` on into those that count from the other end. */
function reverseFrom(machine: CdtMachine, from: number): void {
  const last = machine.view.count - 1;
  for (let at = from; at < sequenceCount; at++) sequence[at] = last - sequence[at];
}

/** A run of numbers; counted from the end it is the same run, ascending. */
function pushRunEitherWay(machine: CdtMachine, start: number, count: number, isReverse: boolean): void {
  pushRun(isReverse ? machine.view.count - start - count : start, count);
}

function listIndexes(machine: CdtMachine, isReverse: boolean): void {
  const { selection, view } = machine;
  if (selection.kind === KIND.INDEX_RUN) {
    beginSequence(selection.count);
    pushRunEitherWay(machine, selection.start, selection.count, isReverse);
    return;
  }
  const count = selection.kind === KIND.SCATTER ? selection.listedCount : selection.count;
  beginSequence(count);
  for (let at = 0; at < count; at++) sequence[sequenceCount++] = selection.indexes[at];
  if (selection.isByRank && !view.isMap) sequence.subarray(0, count).sort();
  if (isReverse && selection.isRunPerRequest) reverseRuns(machine);
  else if (isReverse) reverseFrom(machine, 0);
}

/** Neighbouring ascending indexes are one run: counted from the end, they ascend as well. */
function reverseRuns(machine: CdtMachine): void {
  const last = machine.view.count - 1;
  let start = 0;
  while (start < sequenceCount) {
    let end = start + 1;
    while (end < sequenceCount && machine.selection.ranks[end] === machine.selection.ranks[start]) end++;
    for (let left = start, right = end - 1; left <= right; left++, right--) {
      const first = sequence[left];
      sequence[left] = last - sequence[right];
      sequence[right] = last - first;
    }
    start = end;
  }
}

/** Indexes of elements in the order in which VALUE and KEY list them. */
function listElements(machine: CdtMachine): void {
  const { selection, view } = machine;
  if (selection.kind === KIND.INDEX_RUN) {
    beginSequence(selection.count);
    pushRun(selection.start, selection.count);
    return;
  }
  const count = selection.kind === KIND.SCATTER ? selection.listedCount : selection.count;
  beginSequence(count);
  for (let at = 0; at < count; at++) sequence[sequenceCount++] = selection.indexes[at];
  if (selection.kind === KIND.SCATTER) {
    if (!selection.isRunPerRequest) sequence.subarray(0, count).sort();
  } else if (selection.isByRank && !view.isMap) {
    const tail = view.count - selection.start - count;
    if (selection.start <= tail) sequence.subarray(0, count).reverse();
  }
}

/** Indexes of the elements that were not chosen: ascending, but in rank order where a map was asked by rank. */
function listOthers(machine: CdtMachine): void {
  const { selection, view } = machine;
  beginSequence(view.count);
  if (selection.kind === KIND.RANK_RUN && selection.isByRank && view.isMap) {
    const order = view.order();
    const end = selection.start + selection.count;
    for (let rank = 0; rank < view.count; rank++) {
      if (rank < selection.start || rank >= end) sequence[sequenceCount++] = order[rank];
    }
    return;
  }
  selection.mark(view.count);
  for (let index = 0; index < view.count; index++) {
    if (selection.mask[index] === 0) sequence[sequenceCount++] = index;
  }
}

function listOtherIndexes(machine: CdtMachine, isReverse: boolean): void {
  const { selection, view } = machine;
  if (selection.kind !== KIND.INDEX_RUN) {
    listOthers(machine);
    if (isReverse) reverseFrom(machine, 0);
    return;
  }
  beginSequence(view.count);
  const after = selection.start + selection.count;
  pushRunEitherWay(machine, 0, selection.start, isReverse);
  pushRunEitherWay(machine, after, view.count - after, isReverse);
}

function listRanks(machine: CdtMachine, isReverse: boolean): void {
  const { selection, view } = machine;
  if (
    selection.kind === KIND.RANK_RUN || (view.isSortedList && selection.kind === KIND.INDEX_RUN)
  ) {
    beginSequence(selection.count);
    pushRunEitherWay(machine, selection.start, selection.count, isReverse);
  } else if (selection.isRunPerRequest) {
    listIndexes(machine, isReverse);
  } else if (selection.kind === KIND.SCATTER) {
    beginSequence(selection.rankCount);
    for (let at = 0; at < selection.rankCount; at++) sequence[sequenceCount++] = selection.ranks[at];
    if (isReverse) reverseFrom(machine, 0);
  } else {
    beginSequence(selection.count);
    pushRun(selection.start, selection.count);
    ranksOfSequence(machine, isReverse);
  }
}

function listOtherRanks(machine: CdtMachine, isReverse: boolean): void {
  const { selection, view } = machine;
  if (view.isSortedList) {
    listOtherIndexes(machine, isReverse);
  } else if (selection.kind === KIND.RANK_RUN) {
    beginSequence(view.count);
    const after = selection.start + selection.count;
    pushRunEitherWay(machine, 0, selection.start, isReverse);
    pushRunEitherWay(machine, after, view.count - after, isReverse);
  } else {
    listOthers(machine);
    ranksOfSequence(machine, false);
    // What a list of values left over comes in rank order.
    if (selection.kind === KIND.SCATTER) sequence.subarray(0, sequenceCount).sort();
    if (isReverse) reverseFrom(machine, 0);
  }
}

/** Rank by index, while the ranks of many elements of a map are looked for. */
let rankByIndex = new Int32Array(0);

/** Replaces the indexes in the sequence by their ranks: in a map ties count by key, in a list not at all. */
function ranksOfSequence(machine: CdtMachine, isReverse: boolean): void {
  const { view } = machine;
  if (sequenceCount === 1) {
    sequence[0] = rankOf(machine, sequence[0]);
  } else if (view.isMap) {
    const order = view.order();
    if (rankByIndex.length < view.count) rankByIndex = new Int32Array(view.count);
    for (let rank = 0; rank < view.count; rank++) rankByIndex[order[rank]] = rank;
    for (let at = 0; at < sequenceCount; at++) sequence[at] = rankByIndex[sequence[at]];
    if (rankByIndex.length > KEPT_COUNT_MAX) rankByIndex = new Int32Array(0);
  } else {
    for (let at = 0; at < sequenceCount; at++) {
      sequence[at] = view.rankBound(view.bytes, view.valueAt(sequence[at]), false);
    }
  }
  if (isReverse) reverseFrom(machine, 0);
}

/** Rank of one element, found in one pass if need be: in a map ties count by key, in a list not at all. */
export function rankOf(machine: CdtMachine, index: number): number {
  const { view } = machine;
  if (view.hasRanks) return view.rankOf(index);
  view.needAll();
  const at = view.valueAt(index);
  let rank = 0;
  for (let other = 0; other < view.count; other++) {
    if (other === index) continue;
    const comparison = view.compareValue(other, view.bytes, at);
    if (comparison < 0 || (comparison === 0 && view.isMap && other < index)) rank++;
  }
  return rank;
}

/** Answers the numbers of the sequence as a list. */
function answerNumbers(machine: CdtMachine): void {
  const { out, result } = machine;
  const start = out.reserve(headSize(sequenceCount, 0, false) + sequenceCount * 5);
  let at = writeHead(out.bytes, start, sequenceCount, 0, false);
  for (let index = 0; index < sequenceCount; index++) {
    at = writeInteger(out.bytes, at, 0, sequence[index], true);
  }
  out.length = at;
  result.setBuilt(PARTICLE.LIST, start, at - start);
}

/** Answers the elements of the sequence as a list of keys, a list of values, or a map. */
function answerElements(machine: CdtMachine, type: number): void {
  const { out, result, view } = machine;
  const asMap = isMapType(type);
  if (type === RETURN.ORDERED_MAP) sequence.subarray(0, sequenceCount).sort();
  const flags = type === RETURN.KEY_VALUE
    ? FLAG.PRESERVE_ORDER
    : type === RETURN.ORDERED_MAP
    ? FLAG.ORDERED
    : 0;
  const start = out.reserve(headSize(sequenceCount, flags, asMap));
  out.length = writeHead(out.bytes, start, sequenceCount, flags, asMap);
  for (let at = 0; at < sequenceCount; at++) {
    const index = sequence[at];
    const from = type === RETURN.VALUE ? view.valueAt(index) : view.entryAt(index);
    out.append(view.bytes, from, type === RETURN.KEY ? view.valueAt(index) : view.entryEnd(index));
  }
  result.setBuilt(asMap ? PARTICLE.MAP : PARTICLE.LIST, start, out.length - start);
}

function answerRange(machine: CdtMachine, type: number): ResultCode {
  const { selection, view } = machine;
  const isIndex = type === RETURN.INDEX_RANGE || type === RETURN.REVERSE_INDEX_RANGE;
  const isReverse = type === RETURN.REVERSE_INDEX_RANGE || type === RETURN.REVERSE_RANK_RANGE;
  const isEmpty = selection.count === 0;
  if (!(isIndex ? selection.hasIndexRange : selection.hasRankRange)) {
    if (!isEmpty || selection.emptyRange !== EMPTY_RANGE.START_ALWAYS) return ResultCode.OP_NOT_APPLICABLE;
  }
  const start = !isReverse || (isEmpty && selection.emptyRange !== EMPTY_RANGE.FORMULA)
    ? selection.start
    : view.count - selection.start - selection.count;
  answerPair(machine, start, selection.count);
  return ResultCode.OK;
}

/** Answers `[start, count]`; a start of -1 says that nothing was found. */
function answerPair(machine: CdtMachine, start: number, count: number): void {
  const { out, result } = machine;
  const at = out.reserve(11);
  out.bytes[at] = 0x92;
  let next = writeInteger(out.bytes, at + 1, start < 0 ? -1 : 0, start, start >= 0);
  next = writeInteger(out.bytes, next, 0, count, true);
  out.length = next;
  result.setBuilt(PARTICLE.LIST, at, next - at);
}

/** What an operation that chooses one element has found. */
export interface Found {
  /** Index of the element, -1 when there is none. */
  index: number;
  /** Rank of the element, -1 when it has not been looked for. */
  rank: number;
  /** Start of a range when there is none. */
  missingStart: number;
}

/** Answers a selection of at most one element; the machine's selection says which ranges it has. */
export function answerOne(machine: CdtMachine, type: number, found: Found): ResultCode {
  const { result, selection, view } = machine;
  const isFound = found.index >= 0;
  switch (type) {
    case RETURN.NONE:
      return ResultCode.OK;
    case RETURN.INDEX:
      result.setInteger(found.index);
      return ResultCode.OK;
    case RETURN.REVERSE_INDEX:
      result.setInteger(isFound ? view.count - 1 - found.index : -1);
      return ResultCode.OK;
    case RETURN.RANK:
    case RETURN.REVERSE_RANK: {
      const rank = !isFound ? -1 : found.rank >= 0 ? found.rank : rankOf(machine, found.index);
      result.setInteger(isFound && type === RETURN.REVERSE_RANK ? view.count - 1 - rank : rank);
      return ResultCode.OK;
    }
    case RETURN.COUNT:
      result.setInteger(isFound ? 1 : 0);
      return ResultCode.OK;
    case RETURN.EXISTS:
      result.setBool(isFound);
      return ResultCode.OK;
    case RETURN.KEY:
    case RETURN.VALUE:
      if (!isFound) return ResultCode.OK;
      return type === RETURN.KEY
        ? result.setElement(view.bytes, view.entryAt(found.index), view.valueAt(found.index))
        : result.setElement(view.bytes, view.valueAt(found.index), view.entryEnd(found.index));
    case RETURN.KEY_VALUE:
    case RETURN.UNORDERED_MAP:
    case RETURN.ORDERED_MAP:
      beginSequence(1);
      if (isFound) pushRun(found.index, 1);
      answerElements(machine, type);
      return ResultCode.OK;
    default: {
      const isRank = type === RETURN.RANK_RANGE || type === RETURN.REVERSE_RANK_RANGE;
      selection.count = isFound ? 1 : 0;
      selection.start = !isFound
        ? found.missingStart
        : !isRank
        ? found.index
        : found.rank >= 0
        ? found.rank
        : selection.hasRankRange
        ? rankOf(machine, found.index)
        : 0;
      return answerRange(machine, type);
    }
  }
}

/** Makes the new container of a remove operation: without what was chosen, or with it alone. */
export function removeSelected(machine: CdtMachine, isInverted: boolean): void {
  const { selection, view } = machine;
  const removedCount = isInverted ? view.count - selection.count : selection.count;
  if (removedCount === 0) return;
  const made = machine.beginNew(view.count - removedCount, view.flags);
  if (selection.kind === KIND.INDEX_RUN) {
    const { start } = selection;
    const after = start + selection.count;
    if (isInverted) {
      made.keepEntries(start, after);
    } else {
      made.keepEntries(0, start);
      made.keepEntries(after, view.count);
    }
  } else {
    selection.mark(view.count);
    keepMarked(machine, isInverted ? 1 : 0);
  }
  machine.endNew();
}

/** Copies the elements whose mark is `wanted`, neighbours at once. */
function keepMarked(machine: CdtMachine, wanted: number): void {
  const { selection: { mask }, view } = machine;
  let index = 0;
  while (index < view.count) {
    if (mask[index] !== wanted) {
      index++;
      continue;
    }
    const from = index;
    while (index < view.count && mask[index] === wanted) index++;
    machine.made.keepEntries(from, index);
  }
}
