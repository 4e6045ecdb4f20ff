/**
 * Random values for tests: small and few, so that equal ones meet.
 *
 * @module
 */

import fc from "fast-check";
import { compare, Float, ListModel, MapModel, type Value } from "./model_testing.ts";

/** Scalars of every class. */
export const scalar: fc.Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -2, max: 5 }).map((value): Value => BigInt(value)) },
  fc.constantFrom<Value>(-129n, 200n, 70_000n, 2n ** 40n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n),
  fc.constantFrom<Value>(
    null,
    true,
    false,
    "",
    "a",
    "b",
    "ab",
    new Float(1),
    new Float(-1.5),
    new Float(2.25),
  ),
  fc.constantFrom<Value>(new Uint8Array([]), new Uint8Array([0x61]), new Uint8Array([1, 2])),
);

/** Keys of maps. */
export const key: fc.Arbitrary<Value> = fc.oneof(
  fc.integer({ min: -3, max: 8 }).map((value): Value => BigInt(value)),
  fc.constantFrom<Value>("", "a", "b", "ab", "c", new Uint8Array([0x61]), 300n),
);

/** Whether a list is sorted, as a plain function. */
function sorted(items: Value[]): Value[] {
  return [...items].sort(compare);
}

/** Entries with each key once. */
function unique(entries: [Value, Value][]): [Value, Value][] {
  return entries.filter(([key], index) =>
    entries.findIndex(([other]) => compare(other, key) === 0) === index
  );
}

/** Scalars, lists and maps, nested a little. */
export const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 6, arbitrary: scalar },
    fc.tuple(fc.array(tie("value"), { maxLength: 3 }), fc.boolean())
      .map(([items, ordered]): Value => new ListModel(ordered ? sorted(items) : items, ordered)),
    fc.tuple(fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }), fc.constantFrom(0, 1, 3))
      .map(([entries, flags]): Value => new MapModel(unique(entries), flags)),
  ),
})).value;

/** Lists, sorted ones among them. */
export const list: fc.Arbitrary<ListModel> = fc.tuple(
  fc.oneof(fc.array(value, { maxLength: 9 }), fc.array(scalar, { minLength: 14, maxLength: 40 })),
  fc.boolean(),
).map(([items, ordered]) => new ListModel(ordered ? sorted(items) : items, ordered));

/** Maps of every order. */
export const map: fc.Arbitrary<MapModel> = fc.tuple(
  fc.oneof(
    fc.array(fc.tuple(key, value), { maxLength: 9 }),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 90 }).map((number): Value => BigInt(number)), scalar), {
      minLength: 14,
      maxLength: 60,
    }),
  ),
  fc.constantFrom(0, 1, 3),
).map(([entries, flags]) => new MapModel(unique(entries), flags));

/** Indexes and ranks around what there is. */
export const place: fc.Arbitrary<number> = fc.integer({ min: -12, max: 12 });
/** Counts; none means no limit. */
export const count: fc.Arbitrary<number | undefined> = fc.option(fc.integer({ min: 0, max: 7 }), {
  nil: undefined,
});
