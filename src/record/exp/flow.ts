/**
 * Alternatives and variables. Source: the expression reference, sections 8.4 and 8.9.
 *
 * @module
 */

import type { ExpNode, MaybeNode, Run } from "./node.ts";
import { EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import type { ExpValue } from "./value.ts";

/** "Unknown". */
export const UNKNOWN_NODE: ExpNode = { type: EXP_TYPE.BOOL, run: () => UNKNOWN, isUnknown: true };

/** "Remove", the result by which a path selection drops an element. */
export const REMOVE_NODE: ExpNode = { type: EXP_TYPE.REMOVE, run: () => EXP_TYPE.REMOVE, isUnknown: true };

/** Makes "cond": conditions and values in turn, the default last. */
export function condNode(args: readonly ExpNode[]): MaybeNode {
  const conditions = args.filter((_, index) => index % 2 === 0 && index < args.length - 1);
  const values = args.filter((_, index) => index % 2 === 1 || index === args.length - 1);
  if (conditions.some((node) => node.type !== EXP_TYPE.BOOL)) return undefined;
  const typed = values.filter((node) => node.isUnknown !== true);
  const { type } = typed.length > 0 ? typed[0] : values[0];
  if (typed.some((node) => node.type !== type)) return undefined;
  const run: Run = (scope, out) => {
    for (let index = 0; index < conditions.length; index++) {
      if (conditions[index].run(scope, out) !== EXP_TYPE.BOOL) return UNKNOWN;
      if (out.low === 1) return values[index].run(scope, out);
    }
    return values[conditions.length].run(scope, out);
  };
  return { type, run };
}

/** A variable while the expression in which it is visible is compiled. */
export interface Variable {
  /** Name. */
  readonly name: string;
  /** Type of its definition. */
  readonly type: number;
  /** Its value, with its kind, once the definition is evaluated. */
  readonly slot: ExpValue;
}

/** Makes "let": definitions in order, then the body. */
export function letNode(definitions: readonly { slot: ExpValue; node: ExpNode }[], body: ExpNode): ExpNode {
  const run: Run = (scope, out) => {
    for (let index = 0; index < definitions.length; index++) {
      const { slot, node } = definitions[index];
      slot.kind = node.run(scope, slot);
    }
    return body.run(scope, out);
  };
  return { type: body.type, run };
}

/** Makes the use of a variable. */
export function variableNode({ slot, type }: Variable): ExpNode {
  const run: Run = (_scope, out) => {
    out.copy(slot);
    return slot.kind;
  };
  return { type, run };
}

/** Loop variables: key, value, index. */
export const LOOP = { KEY: 0, VALUE: 1, INDEX: 2 } as const;

/** Makes a loop variable; unknown outside a path selection and when the element is of another type. */
export function loopNode(type: number, which: number): MaybeNode {
  if (type > EXP_TYPE.HLL || which > LOOP.INDEX) return undefined;
  if (which === LOOP.INDEX && type !== EXP_TYPE.INT) return undefined;
  const run: Run = (scope, out) => {
    const kind = scope.loop === undefined ? UNKNOWN : scope.loop.variable(which, out);
    return kind === type ? kind : UNKNOWN;
  };
  return { type, run };
}
