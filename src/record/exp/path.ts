/**
 * Expressions inside a path selection: asked for each element that the selection passes, which they see through the
 * loop variables. Source: data type reference, section 4.4.
 *
 * They are evaluated in a scope of their own, because a selection builds its result in the scratch space of the scope
 * around it; work counts for both.
 *
 * @module
 */

import type { ByteBuffer, ResultCode } from "../../base/mod.ts";
import { CLASS, classOf, floatValue, parsed, readInteger, readText, TAG } from "../cdt/value.ts";
import { encodeValue } from "./encode.ts";
import { LOOP } from "./flow.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import type { ExpProgram, Trilean } from "./program.ts";
import type { ExpScope, LoopFrame } from "./scope.ts";
import { ExpValue } from "./value.ts";

/** The element that a selection stands at: ranges of a list or map that has been skipped before. */
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

/** What replaces an element, when it is no value. */
export const REPLACEMENT = { UNKNOWN: -1, REMOVE: -2 } as const;

/** Evaluates the expressions of one path selection. */
export class PathEvaluator implements LoopFrame {
  readonly #scope: ExpScope;
  readonly #out = new ExpValue();
  #element: PathElement | undefined;

  /** @param around the scope of the operation or expression that selects */
  constructor(around: ExpScope) {
    this.#scope = around.inner();
  }

  /** Compiles an expression; a filter has to be a bool. */
  compile(bytes: Uint8Array, at: number, end: number, isFilter: boolean): ExpProgram | ResultCode {
    const { programs } = this.#scope;
    return isFilter ? programs.getFilter(bytes, at, end - at) : programs.get(bytes, at, end - at);
  }

  /** Whether a filter lets an element through. */
  test(program: ExpProgram, element: PathElement): Trilean {
    this.#element = element;
    return program.testLoop(this.#scope, this);
  }

  /**
   * Appends to `out` what an expression makes of an element, as msgpack.
   *
   * @returns its size in bytes, or one of `REPLACEMENT`
   */
  replace(program: ExpProgram, element: PathElement, out: ByteBuffer): number {
    this.#element = element;
    const kind = program.runLoop(this.#scope, this, this.#out);
    if (kind === EXP_TYPE.REMOVE) return REPLACEMENT.REMOVE;
    const at = kind === UNKNOWN ? -1 : encodeValue(out, kind, this.#out);
    return at < 0 ? REPLACEMENT.UNKNOWN : out.length - at;
  }

  /** See {@linkcode LoopFrame}. */
  variable(which: number, out: ExpValue): number {
    const { bytes, keyAt, valueAt, valueEnd, index } = this.#element!;
    if (which === LOOP.VALUE) return giveElement(out, bytes, valueAt, valueEnd);
    if (which === LOOP.KEY) return keyAt < 0 ? UNKNOWN : giveElement(out, bytes, keyAt, valueAt);
    if (index < 0) return UNKNOWN;
    out.high = 0;
    out.low = index;
    return EXP_TYPE.INT;
  }
}

/** Types of texts by their type byte. */
const TYPE_OF_TAG: Readonly<Record<number, number>> = {
  [TAG.STRING]: EXP_TYPE.STRING,
  [TAG.BLOB]: EXP_TYPE.BLOB,
  [TAG.HLL]: EXP_TYPE.HLL,
  [TAG.GEOJSON]: EXP_TYPE.GEOJSON,
};

/** Sets a value from an element of a list or map; its type, UNKNOWN for what expressions don't know. */
export function giveElement(out: ExpValue, bytes: Uint8Array, at: number, end: number): number {
  switch (classOf(bytes, at)) {
    case CLASS.NIL:
      return EXP_TYPE.NIL;
    case CLASS.FALSE:
    case CLASS.TRUE:
      out.high = 0;
      out.low = bytes[at] & 1;
      return EXP_TYPE.BOOL;
    case CLASS.NEGATIVE:
    case CLASS.INTEGER:
      readInteger(bytes, at);
      out.high = parsed.high;
      out.low = parsed.low;
      return EXP_TYPE.INT;
    case CLASS.FLOAT:
      out.float = floatValue(bytes, at);
      return EXP_TYPE.FLOAT;
    case CLASS.LIST:
      out.setRange(bytes, at, end - at);
      return EXP_TYPE.LIST;
    case CLASS.MAP:
      out.setRange(bytes, at, end - at);
      return EXP_TYPE.MAP;
    case CLASS.STRING:
    case CLASS.BYTES:
    case CLASS.GEOJSON: {
      readText(bytes, at);
      if (parsed.textSize === 0) return UNKNOWN;
      const type = TYPE_OF_TAG[bytes[parsed.textAt]] ?? UNKNOWN;
      out.setRange(bytes, parsed.textAt + 1, parsed.textSize - 1);
      return type;
    }
    default:
      return UNKNOWN;
  }
}
