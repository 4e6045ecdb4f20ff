/**
 * Expressions the slow way, over values of JavaScript: integers are bigints, lists are arrays. Written from the
 * reference alone, for tests to compare with.
 *
 * @module
 */

import { Float, type Name, type Term } from "./testing.ts";

/** No value. */
export const NOTHING = Symbol("unknown");

/** What the model knows: a value, or nothing. */
export type ModelValue = null | boolean | bigint | Float | string | Term[] | typeof NOTHING;

/** What a model is asked over. */
export interface ModelRecord {
  /** Bins by name. */
  bins: Readonly<Record<string, ModelValue>>;
  /** Variables by name. */
  variables: ReadonlyMap<string, ModelValue>;
}

const TYPE_OF: Readonly<Record<number, (value: ModelValue) => boolean>> = {
  1: (value) => typeof value === "boolean",
  2: (value) => typeof value === "bigint",
  3: (value) => typeof value === "string",
  4: (value) => Array.isArray(value),
  7: (value) => value instanceof Float,
};

/** Evaluates a term. */
export function model(term: Term, record: ModelRecord): ModelValue {
  if (!Array.isArray(term)) return typeof term === "number" ? BigInt.asIntN(64, BigInt(term)) : literal(term);
  const [code, ...args] = term as [number, ...Term[]];
  switch (code) {
    case 0:
      return NOTHING;
    case 81: {
      const value = record.bins[(args[1] as Name).text];
      return value !== undefined && TYPE_OF[args[0] as number](value) ? value : NOTHING;
    }
    case 123:
      return modelCond(args, record);
    case 124:
      return record.variables.get((args[0] as Name).text)!;
    case 125:
      return modelLet(args, record);
    case 126:
      return args[0] as Term[];
    case 16:
    case 17:
      return modelAndOr(code === 17, args.map((arg) => model(arg, record)));
    case 19:
      return modelExclusive(args.map((arg) => model(arg, record)));
    default: {
      const values = args.map((arg) => model(arg, record));
      return values.includes(NOTHING) ? NOTHING : apply(code, values);
    }
  }
}

function literal(term: Term): ModelValue {
  return typeof term === "bigint" ? BigInt.asIntN(64, term) : term as ModelValue;
}

function modelCond(args: readonly Term[], record: ModelRecord): ModelValue {
  for (let index = 0; index + 1 < args.length; index += 2) {
    const condition = model(args[index], record);
    if (condition === NOTHING) return NOTHING;
    if (condition === true) return model(args[index + 1], record);
  }
  return model(args[args.length - 1], record);
}

function modelLet(args: readonly Term[], record: ModelRecord): ModelValue {
  const variables = new Map(record.variables);
  for (let index = 0; index + 1 < args.length; index += 2) {
    variables.set((args[index] as Name).text, model(args[index + 1], { ...record, variables }));
  }
  return model(args[args.length - 1], { ...record, variables });
}

function modelAndOr(decisive: boolean, values: readonly ModelValue[]): ModelValue {
  if (values.includes(decisive)) return decisive;
  return values.includes(NOTHING) ? NOTHING : !decisive;
}

function modelExclusive(values: readonly ModelValue[]): ModelValue {
  let count = 0;
  for (const value of values) {
    if (value === NOTHING) return NOTHING;
    if (value === true && ++count > 1) return false;
  }
  return count === 1;
}

function apply(code: number, values: ModelValue[]): ModelValue {
  if (code >= 1 && code <= 6) return compare(code, values[0], values[1]);
  if (code === 9) return (values[1] as Term[]).some((item) => sameElement(item, values[0]));
  if (code === 18) return !values[0];
  return values[0] instanceof Float ? applyFloats(code, values as Float[]) : applyIntegers(code, values);
}

function sameElement(item: Term, value: ModelValue): boolean {
  // Within lists a NaN counts as equal to every float.
  if (value instanceof Float) {
    return item instanceof Float &&
      (item.value === value.value || Number.isNaN(item.value) || Number.isNaN(value.value));
  }
  if (typeof value === "bigint") {
    return (typeof item === "bigint" || typeof item === "number") &&
      BigInt.asIntN(64, BigInt(item)) === value;
  }
  return item === value;
}

function compare(code: number, left: ModelValue, right: ModelValue): boolean {
  const [a, b] = (left instanceof Float ? [left.value, (right as Float).value] : [left, right]) as [
    string,
    string,
  ];
  switch (code) {
    case 1:
      return a === b;
    case 2:
      return a !== b;
    case 3:
      return a > b;
    case 4:
      return a >= b;
    case 5:
      return a < b;
    default:
      return a <= b;
  }
}

function applyFloats(code: number, floats: readonly Float[]): ModelValue {
  const [first, ...rest] = floats.map((float) => float.value);
  const product = rest.reduce((all, next) => all * next, 1);
  switch (code) {
    case 20:
      return new Float(rest.reduce((sum, next) => sum + next, first));
    case 21:
      return new Float(rest.length === 0 ? -first : rest.reduce((sum, next) => sum - next, first));
    case 22:
      return new Float(rest.reduce((all, next) => all * next, first));
    case 23:
      return new Float(rest.length === 0 ? 1 / first : first / product);
    case 27:
      return new Float(Math.abs(first));
    case 28:
      return new Float(Math.floor(first));
    case 29:
      return new Float(Math.ceil(first));
    case 30: {
      const whole = Math.trunc(first);
      return whole >= -(2 ** 63) && whole < 2 ** 63 ? BigInt(whole) : -(2n ** 63n);
    }
    case 50:
      return new Float(Math.min(first, ...rest));
    default:
      return new Float(Math.max(first, ...rest));
  }
}

function applyIntegers(code: number, values: readonly ModelValue[]): ModelValue {
  const wrap = (value: bigint) => BigInt.asIntN(64, value);
  const [first, ...rest] = values as bigint[];
  const fold = (combine: (left: bigint, right: bigint) => bigint) => wrap(rest.reduce(combine, first));
  const bits = BigInt.asUintN(64, first).toString(2).padStart(64, "0");
  const by = typeof rest[0] === "bigint" ? BigInt.asUintN(6, rest[0]) : 0n;
  switch (code) {
    case 20:
      return fold((left, right) => left + right);
    case 21:
      return rest.length === 0 ? wrap(-first) : fold((left, right) => left - right);
    case 22:
      return fold((left, right) => left * right);
    case 23: {
      const divisor = wrap(rest.length === 0 ? first : rest.reduce((all, next) => wrap(all * next)));
      return divisor === 0n ? NOTHING : wrap((rest.length === 0 ? 1n : first) / divisor);
    }
    case 26:
      return rest[0] === 0n ? NOTHING : wrap(first % rest[0]);
    case 27:
      return wrap(first < 0n ? -first : first);
    case 31:
      return new Float(Number(first));
    case 32:
      return fold((left, right) => left & right);
    case 33:
      return fold((left, right) => left | right);
    case 34:
      return fold((left, right) => left ^ right);
    case 35:
      return ~first;
    case 36:
      return wrap(first << by);
    case 37:
      return wrap(BigInt.asUintN(64, first) >> by);
    case 38:
      return wrap(first >> by);
    case 39:
      return BigInt(bits.replaceAll("0", "").length);
    case 40:
      return BigInt(bits.indexOf(values[1] === true ? "1" : "0"));
    case 41:
      return BigInt(bits.lastIndexOf(values[1] === true ? "1" : "0"));
    case 50:
      return fold((left, right) => right < left ? right : left);
    default:
      return fold((left, right) => right > left ? right : left);
  }
}
