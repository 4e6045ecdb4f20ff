import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { key, list, map, place, value } from "./arbitrary_testing.ts";
import {
  callOf,
  compare,
  encode,
  Float,
  type Form,
  ListModel,
  MapModel,
  type Outcome,
  run,
  type Value,
} from "./model_testing.ts";
import {
  appendModel,
  incrementModel,
  insertModel,
  listTypeModel,
  mapIncrementModel,
  mapTypeModel,
  type Maybe,
  putModel,
  setModel,
  sortModel,
} from "./store_model_testing.ts";

const flags = fc.nat({ max: 15 });
const created = fc.constantFrom(0, 1, 2, 3, 0x10, 0x11, 0x13, 8, 0x20);
const delta: fc.Arbitrary<Value> = fc.oneof(
  fc.integer({ min: -3, max: 3 }).map((number): Value => BigInt(number)),
  fc.constantFrom<Value>(2n ** 63n - 1n, -(2n ** 63n), new Float(1.9), new Float(-1.9), "a"),
);
const maybeList: fc.Arbitrary<Maybe<ListModel>> = fc.option(list, { nil: undefined, freq: 8 });
const maybeMap: fc.Arbitrary<Maybe<MapModel>> = fc.option(map, { nil: undefined, freq: 8 });
const entries = fc.uniqueArray(fc.tuple(key, value), {
  maxLength: 5,
  comparator: (left, right) => compare(left[0], right[0]) === 0,
});

/** A call, and what plain code makes of it. */
type Step = [code: number, params: Value[], expected: Outcome];

function check(before: Maybe<ListModel | MapModel>, isMap: boolean, wide: Form, steps: Step[]): void {
  for (const [code, params, expected] of steps) {
    const bytes = before === undefined ? undefined : encode(before);
    const got = run(bytes, callOf(code, params, wide), { mayModify: true, isMap });
    assertEquals(got, expected, `code ${code}`);
  }
}

/** Items of which some are in the list. */
function itemsFor(before: Maybe<ListModel>, items: Value[], takes: number[]): Value[] {
  const there = before?.items ?? [];
  return items.map((item, index) => takes[index] < there.length ? there[takes[index]] : item);
}

describe("list operations that store", () => {
  it("do what plain code does", () => {
    const input = fc.record({
      before: maybeList,
      items: fc.array(value, { maxLength: 4 }),
      takes: fc.array(fc.nat({ max: 12 }), { minLength: 4, maxLength: 4 }),
      first: place,
      write: flags,
      create: created,
      by: delta,
      wide: fc.constantFrom<Form>(false, true, "shuffled"),
    });
    fc.assert(
      fc.property(input, ({ before, items, takes, first, write, create, by, wide }) => {
        const [index, createFlags, writeFlags] = [BigInt(first), BigInt(create), BigInt(write)];
        const all = itemsFor(before, items, takes);
        const one = all[0] ?? 1n;
        const many = new ListModel(all);
        const single = { write, single: true };
        const multi = { write, single: false };
        check(before, false, wide, [
          [1, [one, createFlags, writeFlags], appendModel(before, [one], { create, ...single })],
          [1, [one], appendModel(before, [one], { create: 0, write: 0, single: true })],
          [2, [many, createFlags, writeFlags], appendModel(before, all, { create, ...multi })],
          [3, [index, one, writeFlags], insertModel(before, [one], { index: first, ...single })],
          [4, [index, many, writeFlags], insertModel(before, all, { index: first, ...multi })],
          [9, [index, one, writeFlags], setModel(before, one, { index: first, write })],
          [12, [index, by, createFlags], incrementModel(before, by, { create, index: first })],
          [0, [createFlags], listTypeModel(before, create)],
        ]);
        if (before !== undefined) check(before, false, wide, [[13, [writeFlags], sortModel(before, write)]]);
      }),
      { numRuns: 1500 },
    );
  });

  it("refuse a sum that is elsewhere, and answer it without storing it when they may not fail", () => {
    const before = encode(new ListModel([1n, 2n]));
    const call = (write: bigint) => callOf(12, [0n, 1n, 0n, write]);
    assertEquals(run(before, call(1n), { mayModify: true }), { code: 24, answer: "", after: "920102" });
    assertEquals(run(before, call(5n), { mayModify: true }), {
      code: 0,
      answer: "1:0000000000000002",
      after: "920102",
    });
  });
});

describe("map operations that store", () => {
  it("do what plain code does", () => {
    const input = fc.record({
      before: maybeMap,
      items: entries,
      one: fc.tuple(key, value),
      write: flags,
      attributes: created,
      by: delta,
      wide: fc.constantFrom<Form>(false, true, "shuffled"),
    });
    fc.assert(
      fc.property(input, ({ before, items, one, write, attributes, by, wide }) => {
        const [given, writeFlags] = [BigInt(attributes), BigInt(write)];
        const many = new MapModel(items);
        const single = { attributes, single: true };
        const multi = { attributes, single: false };
        check(before, true, wide, [
          [65, [...one, given], putModel(before, [one], { ...single, write: 1 })],
          [66, [many, given], putModel(before, items, { ...multi, write: 1 })],
          [67, [...one, given, writeFlags], putModel(before, [one], { ...single, write })],
          [67, [...one], putModel(before, [one], { attributes: 0, single: true, write: 0 })],
          [68, [many, given, writeFlags], putModel(before, items, { ...multi, write })],
          [69, [...one], putModel(before, [one], { ...single, write: 2 })],
          [70, [many], putModel(before, items, { ...multi, write: 2 })],
          [
            73,
            [one[0], by, given],
            mapIncrementModel(before, one[0], { delta: by, attributes, negated: false }),
          ],
          [
            74,
            [one[0], by, given],
            mapIncrementModel(before, one[0], { delta: by, attributes, negated: true }),
          ],
          [64, [given], mapTypeModel(before, attributes)],
        ]);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("lists and maps without a bin", () => {
  it("are read as nothing whatever the call, and are not there after a removal", () => {
    for (const call of ["9110", "", "c1", "9361000a", "93ccff921001921100"]) {
      const bytes = new Uint8Array(call.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
      assertEquals(run(undefined, bytes, { mayModify: false }), { code: 0, answer: "", after: "" });
    }
    for (
      const [code, params] of [[5, [0n]], [8, [0n]], [10, [0n, 1n]], [11, []], [32, [7n, 0n]], [76, [
        7n,
        "a",
      ]]] as const
    ) {
      assertEquals(run(undefined, callOf(code, [...params]), { mayModify: true }), {
        code: 0,
        answer: "",
        after: "",
      });
    }
    assertEquals(run(undefined, callOf(13, []), { mayModify: true }).code, 12);
  });
});
