/**
 * What an entry of the operation tables is. Source: data type reference, sections 2.2 and 3.1.
 *
 * @module
 */

import type { ParamKind } from "./call.ts";
import type { Run } from "./select.ts";

/** One operation. */
export interface CdtOperation {
  /** Its name in the reference. */
  name: string;
  /** It may change its container. */
  modifies: boolean;
  /** Kinds of its parameters; none means that parameters don't matter. */
  params: readonly ParamKind[];
  /** Its work. */
  run: Run;
}

/** An operation that may change its container. */
export function modify(name: string, params: readonly ParamKind[], run: Run): CdtOperation {
  return { name, modifies: true, params, run };
}

/** An operation that only reads. */
export function read(name: string, params: readonly ParamKind[], run: Run): CdtOperation {
  return { name, modifies: false, params, run };
}

/** Parameters of operations that choose elements. */
export const PARAMS = {
  /** Return type and index, rank or count. */
  ONE: ["integer", "integer"],
  /** Return type, first, count. */
  RANGE: ["integer", "integer", "?integer"],
  /** Return type and a key or value. */
  VALUE: ["integer", "value"],
  /** Return type, begin, end. */
  INTERVAL: ["integer", "value", "?value"],
  /** Return type and keys or values. */
  LIST: ["integer", "list"],
  /** Return type, key or value, first, count. */
  RELATIVE: ["integer", "value", "integer", "?integer"],
} as const satisfies Readonly<Record<string, readonly ParamKind[]>>;
