/**
 * What a selection by path makes of the elements: `[254, path, flags]`, or `[254, path, 4, expression]` to replace them.
 * Source: data type reference, section 4.4.
 *
 * @module
 */

import { copyBytes, ResultCode } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { HEAD_SIZE_MAX, headSize, isListLead, isMapLead, isPersisted, writeHead } from "./head.ts";
import type { CdtMachine, CdtTarget } from "./machine.ts";
import { appendStored } from "./normalize.ts";
import { addIndex } from "./persisted.ts";
import { isContainerType, type PathProgram, PathWalk } from "./path.ts";
import { isInteger, skipValue } from "./value.ts";
import { ContainerView } from "./view.ts";

/** What to make of the elements: the lower four bits of the flags. */
const MAKE = { TREE: 0, VALUES: 1, KEYS: 2, KEYS_AND_VALUES: 3, REPLACE: 4 } as const;
const MAKE_BITS = 0x0f;
const NO_FAIL = 0x10;

/** Answers of `replace` that are no size. */
const UNKNOWN = -1;

/** One selection at work; one that runs while another does needs its own. */
export class PathSelect {
  readonly #walk = new PathWalk();
  readonly #sorted = new ContainerView();
  readonly #machine: CdtMachine;
  #make = 0;
  /** Elements that were listed, or replaced. */
  #count = 0;
  #program: PathProgram = {};

  /** @param machine the call's state, which answers and new containers go to */
  constructor(machine: CdtMachine) {
    this.#machine = machine;
  }

  /** Runs the selection that the machine's call is. */
  run(target: CdtTarget): ResultCode {
    const { call, makeExpressions, mayModify } = this.#machine;
    if (call.paramCount < 2 || call.paramCount > 3) return ResultCode.PARAMETER;
    if (!isListLead(call.bytes[call.paramAt[0]]) || !isInteger(call.bytes, call.paramAt[1])) {
      return ResultCode.PARAMETER;
    }
    const flags = call.flags(1);
    this.#make = flags & MAKE_BITS;
    const replaces = this.#make === MAKE.REPLACE;
    if (this.#make > MAKE.REPLACE || (replaces && !mayModify) || call.paramCount !== (replaces ? 3 : 2)) {
      return ResultCode.PARAMETER;
    }
    const walk = this.#walk;
    walk.isTolerant = (flags & NO_FAIL) !== 0;
    const read = walk.read(call, makeExpressions?.());
    if (read !== ResultCode.OK) return read;
    if (replaces) {
      const program = walk.compileProgram(call.paramAt[2], call.paramAt[3], false);
      if (typeof program === "number") return program;
      this.#program = program;
    }
    if (target.type === PARTICLE.NULL && !replaces) return ResultCode.OK;
    if (!isContainerType(target.type)) return ResultCode.INCOMPATIBLE_TYPE;
    const result = this.#runOn(target);
    walk.end();
    return result;
  }

  #runOn(target: CdtTarget): ResultCode {
    const { bytes, at, end, type } = target;
    const machine = this.#machine;
    const { out } = machine;
    this.#count = 0;
    if (this.#make === MAKE.REPLACE) {
      const start = out.length;
      const result = this.#replace(0, bytes, at, end);
      if (result !== ResultCode.OK || this.#count === 0) return result;
      machine.isChanged = true;
      machine.newAt = start;
      machine.newSize = out.length - start;
      if (isPersisted(bytes, at, end - at)) addIndex(machine);
      machine.newIsMap = type === PARTICLE.MAP;
      return ResultCode.OK;
    }
    const start = out.length;
    if (this.#make === MAKE.TREE) {
      const result = this.#copyTree(0, bytes, at, end);
      machine.result.setBuilt(type, start, out.length - start);
      return result;
    }
    out.length = out.reserve(HEAD_SIZE_MAX) + HEAD_SIZE_MAX;
    const result = this.#listElements(0, bytes, at, end);
    const size = headSize(this.#count, 0, false);
    const listAt = start + HEAD_SIZE_MAX - size;
    writeHead(out.bytes, listAt, this.#count, 0, false);
    machine.result.setBuilt(PARTICLE.LIST, listAt, out.length - listAt);
    return result;
  }

  /** Appends the elements that a step and those after it lead to. */
  #listElements(step: number, bytes: Uint8Array, at: number, end: number): ResultCode {
    const walk = this.#walk;
    const first = walk.chosenCount;
    const result = walk.choose(step, bytes, at, end);
    if (result !== ResultCode.OK) return result;
    const view = walk.viewOf(step);
    const after = walk.chosenCount;
    if (step === walk.stepCount - 1) {
      const listed = this.#listChosen(view, first, after);
      walk.chosenCount = first;
      return listed;
    }
    for (let position = first; position < after; position++) {
      const index = walk.chosen[position];
      const valueAt = view.valueAt(index);
      if (!isContainer(bytes, valueAt)) continue;
      const inner = this.#listElements(step + 1, bytes, valueAt, view.entryEnd(index));
      if (inner !== ResultCode.OK) return inner;
    }
    walk.chosenCount = first;
    return ResultCode.OK;
  }

  #listChosen(view: ContainerView, first: number, after: number): ResultCode {
    const { out } = this.#machine;
    const withKeys = this.#make !== MAKE.VALUES;
    if (withKeys && !view.isMap) {
      return this.#walk.isTolerant ? ResultCode.OK : ResultCode.INCOMPATIBLE_TYPE;
    }
    for (let position = first; position < after; position++) {
      const index = this.#walk.chosen[position];
      const from = withKeys ? view.entryAt(index) : view.valueAt(index);
      const to = this.#make === MAKE.KEYS ? view.valueAt(index) : view.entryEnd(index);
      out.append(view.bytes, from, to);
    }
    this.#count += (after - first) * (this.#make === MAKE.KEYS_AND_VALUES ? 2 : 1);
    return ResultCode.OK;
  }

  /** Appends the container with nothing but the branches that lead to chosen elements. */
  #copyTree(step: number, bytes: Uint8Array, at: number, end: number): ResultCode {
    const { out } = this.#machine;
    const walk = this.#walk;
    const first = walk.chosenCount;
    const result = walk.choose(step, bytes, at, end);
    if (result !== ResultCode.OK) return result;
    const view = walk.viewOf(step);
    const after = walk.chosenCount;
    const headAt = out.reserve(HEAD_SIZE_MAX);
    out.length = writeHead(out.bytes, headAt, after - first, 0, view.isMap);
    for (let position = first; position < after; position++) {
      const index = walk.chosen[position];
      const valueAt = view.valueAt(index);
      if (step === walk.stepCount - 1 || !isContainer(bytes, valueAt)) {
        out.append(bytes, view.entryAt(index), view.entryEnd(index));
        continue;
      }
      out.append(bytes, view.entryAt(index), valueAt);
      const inner = this.#copyTree(step + 1, bytes, valueAt, view.entryEnd(index));
      if (inner !== ResultCode.OK) return inner;
    }
    walk.chosenCount = first;
    return ResultCode.OK;
  }

  /** Appends the container with new values in the places of those that a step and those after it lead to. */
  #replace(step: number, bytes: Uint8Array, at: number, end: number): ResultCode {
    const { out } = this.#machine;
    const walk = this.#walk;
    const first = walk.chosenCount;
    const result = walk.choose(step, bytes, at, end);
    if (result !== ResultCode.OK) return result;
    const view = walk.viewOf(step);
    const after = walk.chosenCount;
    const start = out.reserve(HEAD_SIZE_MAX);
    out.length = start + HEAD_SIZE_MAX;
    let keptAt = view.contentAt;
    let count = view.count;
    for (let position = first; position < after; position++) {
      const index = walk.chosen[position];
      const valueAt = view.valueAt(index);
      const valueEnd = view.entryEnd(index);
      if (step === walk.stepCount - 1) {
        const replaced = this.#replaceElement(step, index, keptAt);
        if (replaced !== ResultCode.OK) return replaced;
        if (this.#isRemoved) count--;
        keptAt = valueEnd;
      } else if (isContainer(bytes, valueAt)) {
        out.append(bytes, keptAt, valueAt);
        const inner = this.#replace(step + 1, bytes, valueAt, valueEnd);
        if (inner !== ResultCode.OK) return inner;
        keptAt = valueEnd;
      }
    }
    out.append(bytes, keptAt, end);
    walk.chosenCount = first;
    this.#closeHead(start, count, view);
    return ResultCode.OK;
  }

  #isRemoved = false;

  /** Appends what stands before an element and what replaces it. */
  #replaceElement(step: number, index: number, keptAt: number): ResultCode {
    const { out } = this.#machine;
    const walk = this.#walk;
    const view = walk.viewOf(step);
    const start = out.length;
    const size = walk.replace(this.#program, { step, index }, out);
    this.#isRemoved = false;
    if (size === UNKNOWN) {
      out.length = start;
      if (!walk.isTolerant) return ResultCode.UNKNOWN;
      out.append(view.bytes, keptAt, view.entryEnd(index));
      return ResultCode.OK;
    }
    this.#count++;
    this.#isRemoved = size < 0;
    const value = this.#isRemoved ? NOTHING : out.bytes.slice(start, start + size);
    out.length = start;
    out.append(view.bytes, keptAt, this.#isRemoved ? view.entryAt(index) : view.valueAt(index));
    if (this.#isRemoved) return ResultCode.OK;
    if (skipValue(value, 0, size) !== size) return ResultCode.INCOMPATIBLE_TYPE;
    return appendStored(value, 0, size, out) < 0 ? ResultCode.INCOMPATIBLE_TYPE : ResultCode.OK;
  }

  /** Writes the head before content that begins `HEAD_SIZE_MAX` after `start`, and closes the gap. */
  #closeHead(start: number, count: number, view: ContainerView): void {
    const { out } = this.#machine;
    const size = headSize(count, view.flags, view.isMap);
    out.bytes.copyWithin(start + size, start + HEAD_SIZE_MAX, out.length);
    out.length -= HEAD_SIZE_MAX - size;
    writeHead(out.bytes, start, count, view.flags, view.isMap);
    if (view.isSortedList) this.#sort(start, start + size);
  }

  /** Sorts the list that was built from `start` to the end of the buffer; its elements begin at `contentAt`. */
  #sort(start: number, contentAt: number): void {
    const { out } = this.#machine;
    const sorted = this.#sorted;
    const copy = out.bytes.slice(start, out.length);
    sorted.open(copy, 0, copy.length);
    sorted.flags = 0;
    sorted.fill();
    const order = sorted.order();
    let at = contentAt;
    for (let rank = 0; rank < sorted.count; rank++) {
      const from = sorted.entryAt(order[rank]);
      const size = sorted.entryEnd(order[rank]) - from;
      copyBytes(copy, from, out.bytes, at, size);
      at += size;
    }
  }
}

const NOTHING = new Uint8Array(0);

function isContainer(bytes: Uint8Array, at: number): boolean {
  return isListLead(bytes[at]) || isMapLead(bytes[at]);
}
