/**
 * Three-valued logic. Source: the expression reference, sections 8.4 and 8.5.
 *
 * @module
 */

import { type ExpNode, giveBool, type MaybeNode, type Run } from "./node.ts";
import { EXP, EXP_TYPE, UNKNOWN } from "./opcodes.ts";

function areBools(args: readonly ExpNode[]): boolean {
  return args.every((node) => node.type === EXP_TYPE.BOOL);
}

/** Makes "and", "or", "not" or "exclusive". */
export function logicNode(op: number, args: readonly ExpNode[]): MaybeNode {
  if (!areBools(args)) return undefined;
  switch (op) {
    case EXP.AND:
      return { type: EXP_TYPE.BOOL, run: decidedBy(args, 0) };
    case EXP.OR:
      return { type: EXP_TYPE.BOOL, run: decidedBy(args, 1) };
    case EXP.NOT:
      return { type: EXP_TYPE.BOOL, run: not(args[0]) };
    default:
      return { type: EXP_TYPE.BOOL, run: exclusive(args) };
  }
}

/** "and" is decided by the first false, "or" by the first true; one unknown among the others makes it unknown. */
function decidedBy(args: readonly ExpNode[], decisive: number): Run {
  return (scope, out) => {
    let isKnown = true;
    for (let index = 0; index < args.length; index++) {
      if (args[index].run(scope, out) !== EXP_TYPE.BOOL) isKnown = false;
      else if (out.low === decisive) return EXP_TYPE.BOOL;
    }
    return isKnown ? giveBool(out, decisive === 0) : UNKNOWN;
  };
}

function not(arg: ExpNode): Run {
  return (scope, out) => arg.run(scope, out) === EXP_TYPE.BOOL ? giveBool(out, out.low === 0) : UNKNOWN;
}

/** Exactly one is true; an unknown one before the second true leaves it open. */
function exclusive(args: readonly ExpNode[]): Run {
  return (scope, out) => {
    let trueCount = 0;
    for (let index = 0; index < args.length; index++) {
      if (args[index].run(scope, out) !== EXP_TYPE.BOOL) return UNKNOWN;
      if (out.low === 1 && ++trueCount === 2) return giveBool(out, false);
    }
    return giveBool(out, trueCount === 1);
  };
}
