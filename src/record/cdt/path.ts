/**
 * Selection by path: steps that each may choose many elements, and what to make of those that the last one chose: the
 * tree that leads to them, a list of them or of their keys, or new values in their places.
 * Source: data type reference, section 4.4.
 *
 * @module
 */

import {
  type ByteBuffer,
  CDT_PARAM_COUNT_MAX,
  CDT_PATH_STEP_COUNT_MAX,
  CDT_WALK_WORK_MAX_BYTES,
  ResultCode,
} from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import type { CdtCall } from "./call.ts";
import { resolveIn, STEP, STEP_BITS } from "./context.ts";
import { isListLead } from "./head.ts";
import { integerValue, isInteger, skipValue } from "./value.ts";
import { ContainerView, DAMAGED } from "./view.ts";

/** An element that a path has come to. */
export interface PathElement {
  /** Buffer of key and value. */
  bytes: Uint8Array;
  /** Offset of the map key, -1 in a list. */
  keyAt: number;
  /** Offset of the value; where a key ends. */
  valueAt: number;
  /** Offset after the value. */
  valueEnd: number;
  /** Place in the list, -1 in a map. */
  index: number;
}

/** What a filter says about an element; other numbers mean that it can't tell. */
export const VERDICT = { FALSE: 0, TRUE: 1 } as const;

/** An expression that was compiled for a path; opaque here. */
export type PathProgram = object;

/** Who compiles and evaluates the expressions of a path. */
export interface PathExpressions {
  /** Compiles an expression, or says why not; a filter has to be a bool. */
  compile(bytes: Uint8Array, at: number, end: number, isFilter: boolean): PathProgram | ResultCode;
  /** What a filter says about an element, as in `VERDICT`. */
  test(program: PathProgram, element: PathElement): number;
  /** Appends what replaces an element to `out`; its size in bytes, -1 for unknown, -2 for its removal. */
  replace(program: PathProgram, element: PathElement, out: ByteBuffer): number;
}

/** Type of a step that filters further what the step before it has chosen. */
const AND_EXPRESSION = STEP_BITS.AND | STEP.EXPRESSION;
const TRUE = 0xc3;

/** One step. */
interface PathStep {
  /** What it names, of `STEP`. */
  base: number;
  /** Bits of the container that it looks into, 0 for either. */
  container: number;
  /** Offset of its value. */
  valueAt: number;
  /** Offset after its value. */
  valueEnd: number;
  /** Filter of the elements. */
  filter: PathProgram | undefined;
  /** The container that it looks into at the moment. */
  readonly view: ContainerView;
}

/** The steps of one call, and the elements that they have chosen. */
export class PathWalk {
  /** Steps of the path. */
  stepCount = 0;
  /** Indexes of elements that steps have chosen, those of deeper steps above; `choose` adds to it. */
  chosen: Int32Array = new Int32Array(256);
  /** Indexes in `chosen`. */
  chosenCount = 0;
  /** What can't be told counts as false. */
  isTolerant = false;
  readonly #steps: PathStep[] = [];
  readonly #element: PathElement = {
    bytes: new Uint8Array(0),
    keyAt: 0,
    valueAt: 0,
    valueEnd: 0,
    index: 0,
  };
  #bytes: Uint8Array = new Uint8Array(0);
  #workLeft = 0;
  #expressions: PathExpressions | undefined;

  /**
   * Reads the steps of a call's path.
   *
   * @returns OK, or the code of the refusal
   */
  read(call: CdtCall, expressions: PathExpressions | undefined): ResultCode {
    this.#bytes = call.bytes;
    this.#expressions = expressions;
    this.stepCount = 0;
    this.chosenCount = 0;
    this.#workLeft = CDT_WALK_WORK_MAX_BYTES;
    const pairs = this.#stepAt(0).view;
    if (!pairs.open(call.bytes, call.paramAt[0], call.paramAt[1]) || pairs.isMap) return ResultCode.PARAMETER;
    const { count } = pairs;
    if (count === 0 || count % 2 !== 0 || count > CDT_PATH_STEP_COUNT_MAX * 2) return ResultCode.PARAMETER;
    let at = pairs.contentAt;
    for (let pair = 0; pair < count / 2; pair++) {
      const valueAt = skipValue(call.bytes, at, call.bytes.length);
      const valueEnd = skipValue(call.bytes, valueAt, call.bytes.length);
      if (!isInteger(call.bytes, at)) return ResultCode.PARAMETER;
      const type = integerValue(call.bytes, at);
      const result = type === AND_EXPRESSION
        ? this.#addFilter(valueAt, valueEnd)
        : this.#addStep(type, valueAt, valueEnd);
      if (result !== ResultCode.OK) return result;
      at = valueEnd;
    }
    return ResultCode.OK;
  }

  #stepAt(index: number): PathStep {
    while (this.#steps.length <= index) {
      this.#steps.push({
        base: 0,
        container: 0,
        valueAt: 0,
        valueEnd: 0,
        filter: undefined,
        view: new ContainerView(),
      });
    }
    return this.#steps[index];
  }

  #addStep(type: number, valueAt: number, valueEnd: number): ResultCode {
    const base = type & STEP_BITS.BASE;
    const container = type & STEP_BITS.CONTAINER;
    if (type < 0 || type > 0x3f || container === STEP_BITS.CONTAINER) return ResultCode.PARAMETER;
    if (base > STEP.EXPRESSION && base !== STEP.KEY_LIST) return ResultCode.PARAMETER;
    const needsMap = base === STEP.KEY || base === STEP.KEY_LIST;
    if (needsMap && container === STEP_BITS.LIST) return ResultCode.PARAMETER;
    const isPlace = base === STEP.INDEX || base === STEP.RANK;
    if (isPlace && !isInteger(this.#bytes, valueAt)) return ResultCode.PARAMETER;
    if (base === STEP.KEY_LIST && !isListLead(this.#bytes[valueAt])) return ResultCode.PARAMETER;
    const step = this.#stepAt(this.stepCount++);
    step.base = base;
    step.container = needsMap ? STEP_BITS.MAP : container;
    step.valueAt = valueAt;
    step.valueEnd = valueEnd;
    step.filter = undefined;
    return base === STEP.EXPRESSION ? this.#compile(step, valueAt, valueEnd) : ResultCode.OK;
  }

  #addFilter(valueAt: number, valueEnd: number): ResultCode {
    if (this.stepCount === 0) return ResultCode.PARAMETER;
    const step = this.#stepAt(this.stepCount - 1);
    if (step.base === STEP.EXPRESSION || step.filter !== undefined) return ResultCode.PARAMETER;
    return this.#compile(step, valueAt, valueEnd);
  }

  /** Compiles a filter; a plain `true` lets everything through. */
  #compile(step: PathStep, at: number, end: number): ResultCode {
    if (this.#bytes[at] === TRUE) return ResultCode.OK;
    if (!isListLead(this.#bytes[at])) return ResultCode.PARAMETER;
    const program = this.compileProgram(at, end, true);
    if (typeof program === "number") return program;
    step.filter = program;
    return ResultCode.OK;
  }

  /** Compiles an expression among the call's bytes. */
  compileProgram(at: number, end: number, isFilter: boolean): PathProgram | ResultCode {
    const expressions = this.#expressions;
    return expressions === undefined
      ? ResultCode.UNSUPPORTED_FEATURE
      : expressions.compile(this.#bytes, at, end, isFilter);
  }

  /** The container that a step looks into; valid until the step's next `choose`. */
  viewOf(step: number): ContainerView {
    return this.#steps[step].view;
  }

  /** An element of the container that a step looks into; overwritten by the next call. */
  elementOf(step: number, index: number): PathElement {
    const { view } = this.#steps[step];
    const element = this.#element;
    element.bytes = view.bytes;
    element.keyAt = view.isMap ? view.entryAt(index) : -1;
    element.valueAt = view.valueAt(index);
    element.valueEnd = view.entryEnd(index);
    element.index = view.isMap ? -1 : index;
    return element;
  }

  /**
   * Opens the container from `at` to `end` and appends what a step chooses in it to `chosen`, ascending.
   *
   * @returns OK, or the code with which the call fails
   */
  choose(step: number, bytes: Uint8Array, at: number, end: number): ResultCode {
    const { base, container, filter, valueAt, view } = this.#steps[step];
    if (!view.open(bytes, at, end)) return ResultCode.PARAMETER;
    if (container !== 0 && (container === STEP_BITS.MAP) !== view.isMap) return ResultCode.PARAMETER;
    this.#workLeft -= end - at;
    if (this.#workLeft < 0 || !view.fill()) return ResultCode.PARAMETER;
    const start = this.chosenCount;
    if (base === STEP.EXPRESSION) {
      for (let index = 0; index < view.count; index++) this.#push(index);
    } else if (base === STEP.KEY_LIST) {
      if (!this.#chooseKeys(step)) return ResultCode.PARAMETER;
    } else {
      const index = resolveIn(view, base, { bytes: this.#bytes, at: valueAt });
      if (index === DAMAGED) return ResultCode.PARAMETER;
      if (index >= 0) this.#push(index);
    }
    return filter === undefined ? ResultCode.OK : this.#filter(step, filter, start);
  }

  #push(index: number): void {
    if (this.chosenCount === this.chosen.length) {
      const larger = new Int32Array(this.chosen.length * 2);
      larger.set(this.chosen);
      this.chosen = larger;
    }
    this.chosen[this.chosenCount++] = index;
  }

  /** Chooses the entries with the listed keys, in the map's order and each once. */
  #chooseKeys(step: number): boolean {
    const { valueAt, valueEnd, view } = this.#steps[step];
    const keys = this.#keys;
    if (!keys.open(this.#bytes, valueAt, valueEnd) || keys.count > CDT_PARAM_COUNT_MAX || !keys.fill()) {
      return false;
    }
    const start = this.chosenCount;
    for (let at = 0; at < keys.count; at++) {
      const index = view.findKey(this.#bytes, keys.entryAt(at));
      if (index >= 0) this.#push(index);
    }
    const found = this.chosen.subarray(start, this.chosenCount).sort();
    let kept = 0;
    for (let at = 0; at < found.length; at++) {
      if (kept === 0 || found[kept - 1] !== found[at]) found[kept++] = found[at];
    }
    this.chosenCount = start + kept;
    return true;
  }

  readonly #keys = new ContainerView();

  /** Drops what a filter does not let through from those chosen since `start`. */
  #filter(step: number, filter: PathProgram, start: number): ResultCode {
    let kept = start;
    for (let at = start; at < this.chosenCount; at++) {
      const index = this.chosen[at];
      const verdict = this.#expressions!.test(filter, this.elementOf(step, index));
      if (verdict !== VERDICT.TRUE && verdict !== VERDICT.FALSE && !this.isTolerant) {
        return ResultCode.PARAMETER;
      }
      if (verdict === VERDICT.TRUE) this.chosen[kept++] = index;
    }
    this.chosenCount = kept;
    return ResultCode.OK;
  }

  /** Appends what replaces the element of a step to `out`; its size, or why there is none. */
  replace(program: PathProgram, at: { step: number; index: number }, out: ByteBuffer): number {
    return this.#expressions!.replace(program, this.elementOf(at.step, at.index), out);
  }

  /** Gives room back after a large selection. */
  end(): void {
    if (this.chosen.length > KEPT_COUNT_MAX) this.chosen = new Int32Array(256);
  }
}

/** Chosen elements that room is kept for between calls. */
const KEPT_COUNT_MAX = 64 * 1024;

/** Whether a particle type is one that a path can lead into. */
export function isContainerType(type: number): boolean {
  return type === PARTICLE.LIST || type === PARTICLE.MAP;
}
