/**
 * Arithmetic and bits. Integers wrap at 64 bits, floats are IEEE doubles. Source: the expression reference, section 8.4.
 *
 * @module
 */

import {
  addTo,
  compareIntegers,
  countOnes,
  divideBy,
  multiplyBy,
  negate,
  remainderBy,
  scanFromLeft,
  scanFromRight,
  setTruncated,
  shiftLeft,
  shiftRight,
  subtractFrom,
  toDouble,
} from "./integer.ts";
import { type ExpNode, giveFloat, giveSmall, type MaybeNode, type Run } from "./node.ts";
import { EXP, EXP_TYPE, UNKNOWN } from "./opcodes.ts";
import { ExpValue } from "./value.ts";

const { INT, FLOAT, BOOL } = EXP_TYPE;

/** Combines the value so far with the next one. */
type Combine = (out: ExpValue, next: ExpValue) => void;

const INTEGER_FOLDS: Readonly<Record<number, Combine>> = {
  [EXP.ADD]: addTo,
  [EXP.SUB]: subtractFrom,
  [EXP.MUL]: multiplyBy,
  [EXP.INT_AND]: (out, next) => {
    out.high &= next.high;
    out.low &= next.low;
  },
  [EXP.INT_OR]: (out, next) => {
    out.high |= next.high;
    out.low |= next.low;
  },
  [EXP.INT_XOR]: (out, next) => {
    out.high ^= next.high;
    out.low ^= next.low;
  },
  [EXP.MIN]: (out, next) => compareIntegers(next, out) < 0 ? out.copy(next) : undefined,
  [EXP.MAX]: (out, next) => compareIntegers(next, out) > 0 ? out.copy(next) : undefined,
};

const FLOAT_FOLDS: Readonly<Record<number, (sum: number, next: number) => number>> = {
  [EXP.ADD]: (sum, next) => sum + next,
  [EXP.SUB]: (sum, next) => sum - next,
  [EXP.MUL]: (sum, next) => sum * next,
  [EXP.MIN]: (least, next) => next < least ? next : least,
  [EXP.MAX]: (most, next) => next > most ? next : most,
};

/** Makes an operation on one or more numbers of one type. */
export function foldNode(op: number, args: readonly ExpNode[]): MaybeNode {
  const { type } = args[0];
  if (args.some((node) => node.type !== type)) return undefined;
  if (type === INT) {
    if (op === EXP.DIV) return { type, run: divideIntegers(args) };
    if (op === EXP.SUB && args.length === 1) return { type, run: negateInteger(args[0]) };
    const combine = INTEGER_FOLDS[op];
    return { type, run: foldIntegers(args, combine) };
  }
  if (type !== FLOAT) return undefined;
  if (op === EXP.DIV) return { type, run: divideFloats(args) };
  if (op === EXP.SUB && args.length === 1) return { type, run: onFloat(args[0], (value) => -value) };
  const combine = FLOAT_FOLDS[op];
  return combine === undefined ? undefined : { type, run: foldFloats(args, combine) };
}

function foldIntegers(args: readonly ExpNode[], combine: Combine): Run {
  const next = new ExpValue();
  const [first] = args;
  return (scope, out) => {
    if (first.run(scope, out) !== INT) return UNKNOWN;
    for (let index = 1; index < args.length; index++) {
      if (args[index].run(scope, next) !== INT) return UNKNOWN;
      combine(out, next);
    }
    return INT;
  };
}

function foldFloats(args: readonly ExpNode[], combine: (sum: number, next: number) => number): Run {
  const [first] = args;
  return (scope, out) => {
    if (first.run(scope, out) !== FLOAT) return UNKNOWN;
    let sum = out.float;
    for (let index = 1; index < args.length; index++) {
      if (args[index].run(scope, out) !== FLOAT) return UNKNOWN;
      sum = combine(sum, out.float);
    }
    return giveFloat(out, sum);
  };
}

function negateInteger(arg: ExpNode): Run {
  return (scope, out) => {
    if (arg.run(scope, out) !== INT) return UNKNOWN;
    negate(out);
    return INT;
  };
}

/** The first by the product of the rest; 1 by the only one. */
function divideIntegers(args: readonly ExpNode[]): Run {
  const dividend = new ExpValue();
  const divisor = new ExpValue();
  const rest = foldIntegers(args.length === 1 ? args : args.slice(1), multiplyBy);
  return (scope, out) => {
    if (args.length === 1) giveSmall(dividend, 1);
    else if (args[0].run(scope, dividend) !== INT) return UNKNOWN;
    if (rest(scope, divisor) !== INT || (divisor.high | divisor.low) === 0) return UNKNOWN;
    out.copy(dividend);
    divideBy(out, divisor);
    return INT;
  };
}

function divideFloats(args: readonly ExpNode[]): Run {
  const rest = foldFloats(args.length === 1 ? args : args.slice(1), FLOAT_FOLDS[EXP.MUL]);
  return (scope, out) => {
    if (args.length > 1 && args[0].run(scope, out) !== FLOAT) return UNKNOWN;
    const dividend = args.length > 1 ? out.float : 1;
    return rest(scope, out) === FLOAT ? giveFloat(out, dividend / out.float) : UNKNOWN;
  };
}

function onFloat(arg: ExpNode, change: (value: number) => number): Run {
  return (scope, out) => arg.run(scope, out) === FLOAT ? giveFloat(out, change(out.float)) : UNKNOWN;
}

function onInteger(arg: ExpNode, change: (out: ExpValue) => void): Run {
  return (scope, out) => {
    if (arg.run(scope, out) !== INT) return UNKNOWN;
    change(out);
    return INT;
  };
}

/** Makes an operation on one number. */
export function unaryNode(op: number, [arg]: readonly ExpNode[]): MaybeNode {
  switch (op) {
    case EXP.ABS:
      if (arg.type === FLOAT) return { type: FLOAT, run: onFloat(arg, Math.abs) };
      return arg.type === INT ? { type: INT, run: onInteger(arg, absolute) } : undefined;
    case EXP.FLOOR:
      return arg.type === FLOAT ? { type: FLOAT, run: onFloat(arg, Math.floor) } : undefined;
    case EXP.CEIL:
      return arg.type === FLOAT ? { type: FLOAT, run: onFloat(arg, Math.ceil) } : undefined;
    case EXP.TO_INT:
      return arg.type === FLOAT ? { type: INT, run: toInteger(arg) } : undefined;
    case EXP.TO_FLOAT:
      return arg.type === INT ? { type: FLOAT, run: toFloat(arg) } : undefined;
    case EXP.INT_NOT:
      return arg.type === INT ? { type: INT, run: onInteger(arg, invert) } : undefined;
    default:
      return arg.type === INT ? { type: INT, run: onInteger(arg, count) } : undefined;
  }
}

function absolute(out: ExpValue): void {
  if (out.high < 0) negate(out);
}

function invert(out: ExpValue): void {
  out.high = ~out.high;
  out.low = ~out.low;
}

function count(out: ExpValue): void {
  giveSmall(out, countOnes(out));
}

function toInteger(arg: ExpNode): Run {
  return (scope, out) => {
    if (arg.run(scope, out) !== FLOAT) return UNKNOWN;
    setTruncated(out, out.float);
    return INT;
  };
}

function toFloat(arg: ExpNode): Run {
  return (scope, out) => arg.run(scope, out) === INT ? giveFloat(out, toDouble(out.high, out.low)) : UNKNOWN;
}

/** Makes pow or log: two floats. */
export function floatPairNode(op: number, [left, right]: readonly ExpNode[]): MaybeNode {
  if (left.type !== FLOAT || right.type !== FLOAT) return undefined;
  const run: Run = (scope, out) => {
    if (left.run(scope, out) !== FLOAT) return UNKNOWN;
    const first = out.float;
    if (right.run(scope, out) !== FLOAT) return UNKNOWN;
    return giveFloat(out, op === EXP.POW ? power(first, out.float) : Math.log(first) / Math.log(out.float));
  };
  return { type: FLOAT, run };
}

/** As the C library: 1 to any power is 1, and so is -1 to an infinite one. */
function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Infinity)) return 1;
  return Math.pow(base, exponent);
}

const INTEGER_PAIRS: Readonly<Record<number, Combine>> = {
  [EXP.MOD]: remainderBy,
  [EXP.LSHIFT]: (out, by) => shiftLeft(out, by.low),
  [EXP.RSHIFT]: (out, by) => shiftRight(out, by.low, 0),
  [EXP.ARSHIFT]: (out, by) => shiftRight(out, by.low, out.high >> 31),
  [EXP.LSCAN]: (out, bit) => void giveSmall(out, scanFromLeft(out, bit.low)),
  [EXP.RSCAN]: (out, bit) => void giveSmall(out, scanFromRight(out, bit.low)),
};

/** Makes mod, a shift or a scan: an integer, and an integer or bool that says how. */
export function integerPairNode(op: number, [left, right]: readonly ExpNode[]): MaybeNode {
  const how = op === EXP.LSCAN || op === EXP.RSCAN ? BOOL : INT;
  if (left.type !== INT || right.type !== how) return undefined;
  const combine = INTEGER_PAIRS[op];
  const second = new ExpValue();
  const run: Run = (scope, out) => {
    if (left.run(scope, out) !== INT || right.run(scope, second) !== how) return UNKNOWN;
    if (op === EXP.MOD && (second.high | second.low) === 0) return UNKNOWN;
    combine(out, second);
    return INT;
  };
  return { type: INT, run };
}
