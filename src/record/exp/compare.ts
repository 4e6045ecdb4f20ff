/**
 * Comparisons. Source: the expression reference, section 8.6.
 *
 * @module
 */

import { compareValues } from "../cdt/mod.ts";
import { compareIntegers } from "./integer.ts";
import { type ExpNode, giveBool, type MaybeNode, type Run } from "./node.ts";
import { EXP, EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { compareRanges, ExpValue } from "./value.ts";
import { hasUnorderedMap } from "./containers.ts";

/** Whether an operation holds for the order of its sides: negative, 0 or positive. NaN fits "not equal" alone. */
function holds(op: number, order: number): boolean {
  switch (op) {
    case EXP.EQ:
      return order === 0;
    case EXP.NE:
      return order !== 0;
    case EXP.GT:
      return order > 0;
    case EXP.GE:
      return order >= 0;
    case EXP.LT:
      return order < 0;
    default:
      return order <= 0;
  }
}

/** The order of two values of one type, or NaN when they have none. */
type Order = (left: ExpValue, right: ExpValue) => number;

function compareFloats(left: ExpValue, right: ExpValue): number {
  if (left.float === right.float) return 0;
  return left.float < right.float ? -1 : left.float > right.float ? 1 : NaN;
}

const ORDERS: Readonly<Record<number, Order>> = {
  [EXP_TYPE.NIL]: () => 0,
  [EXP_TYPE.BOOL]: (left, right) => left.low - right.low,
  [EXP_TYPE.INT]: compareIntegers,
  [EXP_TYPE.FLOAT]: compareFloats,
  [EXP_TYPE.STRING]: compareRanges,
  [EXP_TYPE.BLOB]: compareRanges,
};

/** Makes a comparison; both sides have one type, which is neither GeoJSON nor HLL. */
export function compareNode(op: number, args: readonly ExpNode[]): MaybeNode {
  const [left, right] = args;
  if (left.type !== right.type) return undefined;
  if (left.type === EXP_TYPE.LIST || left.type === EXP_TYPE.MAP) {
    return { type: EXP_TYPE.BOOL, run: compareContainers(op, left, right) };
  }
  const order = ORDERS[left.type];
  if (order === undefined) return undefined;
  return {
    type: EXP_TYPE.BOOL,
    run: left.type === EXP_TYPE.INT
      ? compareInts(op, left, right)
      : compareScalars(op, { left, right, order }),
  };
}

/** The most frequent comparison has code of its own, so that the engine can inline it. */
function compareInts(op: number, left: ExpNode, right: ExpNode): Run {
  const first = new ExpValue();
  const second = new ExpValue();
  return (scope, out) => {
    if (left.run(scope, first) !== EXP_TYPE.INT || right.run(scope, second) !== EXP_TYPE.INT) return UNKNOWN;
    return giveBool(out, holds(op, compareIntegers(first, second)));
  };
}

function compareScalars(op: number, sides: { left: ExpNode; right: ExpNode; order: Order }): Run {
  const { left, right, order } = sides;
  const { type } = left;
  const first = new ExpValue();
  const second = new ExpValue();
  return (scope, out) => {
    if (left.run(scope, first) !== type || right.run(scope, second) !== type) return UNKNOWN;
    if (!scope.spend(Math.min(first.size, second.size))) return UNKNOWN;
    return giveBool(out, holds(op, order(first, second)));
  };
}

function compareContainers(op: number, left: ExpNode, right: ExpNode): Run {
  const { type } = left;
  const first = new ExpValue();
  const second = new ExpValue();
  return (scope, out) => {
    if (left.run(scope, first) !== type || right.run(scope, second) !== type) return UNKNOWN;
    if (!scope.spend(2 * (first.size + second.size))) return UNKNOWN;
    if (hasUnorderedMap(first) || hasUnorderedMap(second)) return UNKNOWN;
    return giveBool(out, holds(op, compareValues(first.bytes, first.at, second.bytes, second.at)));
  };
}
