import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { count, list, map, place } from "./arbitrary_testing.ts";
import {
  answerOf,
  callOf,
  encode,
  ListModel,
  MapModel,
  type Outcome,
  run,
  type Value,
} from "./model_testing.ts";
import { ResultCode, toHex } from "../../base/mod.ts";

/** What remains of a list, and what is answered; no value when it is refused. */
type Done = { after: Value[]; answer: Value } | undefined;

function outcomeOf(before: ListModel, done: Done): Outcome {
  if (done === undefined) {
    return { code: ResultCode.OP_NOT_APPLICABLE, answer: "", after: toHex(encode(before)) };
  }
  const after = new ListModel(done.after, before.ordered);
  return { code: ResultCode.OK, answer: answerOf(done.answer), after: toHex(encode(after)) };
}

const integer = (number: number): Value => BigInt(number);

/** The element at an index that counts from the end when it is negative; its place, or -1. */
function placeOf(items: readonly Value[], index: number): number {
  const at = index < 0 ? index + items.length : index;
  return at >= 0 && at < items.length ? at : -1;
}

/** A range as places of its begin and end; what lies before the list counts. */
function rangeOf(items: readonly Value[], first: number, limit = Infinity): [begin: number, end: number] {
  const from = first < 0 ? first + items.length : first;
  const clamp = (at: number) => Math.min(items.length, Math.max(0, at));
  return [clamp(from), Math.max(clamp(from), clamp(from + limit))];
}

/** Operations with one element. */
function single(before: ListModel, index: number): [code: number, done: Done][] {
  const { items } = before;
  const at = placeOf(items, index);
  if (at < 0) return [[5, undefined], [7, undefined], [17, undefined]];
  const others = items.toSpliced(at, 1);
  return [
    [5, { after: others, answer: items[at] }],
    [7, { after: others, answer: 1n }],
    [17, { after: items, answer: items[at] }],
  ];
}

/** Operations with a range. */
function several(before: ListModel, range: [begin: number, end: number]): [code: number, done: Done][] {
  const { items } = before;
  const chosen = items.slice(...range);
  const others = items.toSpliced(range[0], range[1] - range[0]);
  return [
    [6, { after: others, answer: new ListModel(chosen) }],
    [8, { after: others, answer: integer(chosen.length) }],
    [10, { after: chosen, answer: integer(others.length) }],
    [18, { after: items, answer: new ListModel(chosen) }],
  ];
}

/** Opcodes that only read. */
const READS: readonly number[] = [16, 17, 18, 96];
const TRIM = 10;

describe("list operations by index", () => {
  it("do what an array does", () => {
    fc.assert(
      fc.property(list, place, count, (before, index, limit) => {
        const check = (code: number, params: Value[], done: Done) => {
          const got = run(encode(before), callOf(code, params), { mayModify: !READS.includes(code) });
          assertEquals(got, outcomeOf(before, done), `code ${code}, ${params}`);
        };
        for (const [code, done] of single(before, index)) check(code, [integer(index)], done);
        for (const [code, done] of several(before, rangeOf(before.items, index, limit))) {
          if (limit === undefined && code === TRIM) continue;
          check(code, limit === undefined ? [integer(index)] : [integer(index), integer(limit)], done);
        }
        check(16, [], { after: before.items, answer: integer(before.items.length) });
        check(11, [], { after: [], answer: null });
      }),
      { numRuns: 1500 },
    );
  });
});

describe("SIZE and CLEAR of maps", () => {
  it("count the entries, and keep the flags alone", () => {
    fc.assert(
      fc.property(map, (before) => {
        const bytes = encode(before);
        assertEquals(run(bytes, callOf(96, []), { mayModify: false }), {
          code: ResultCode.OK,
          answer: answerOf(integer(before.entries.length)),
          after: toHex(bytes),
        });
        assertEquals(run(bytes, callOf(75, []), { mayModify: true }), {
          code: ResultCode.OK,
          answer: "",
          after: toHex(encode(new MapModel([], before.flags))),
        });
      }),
      { numRuns: 300 },
    );
  });
});
