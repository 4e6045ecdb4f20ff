import { assertEquals } from "@std/assert";
import { ByteBuffer, ResultCode } from "../../base/mod.ts";
import { type PathElement, PathEvaluator, REPLACEMENT } from "./path.ts";
import { type ExpProgram, TRILEAN } from "./program.ts";
import { bin, encodeTerm, evaluate, Float, scopeOf, type Term } from "./testing.ts";

const around = scopeOf({ i: 5 });
around.beginWork();
const evaluator = new PathEvaluator(around);

function program(term: Term, isFilter = false): ExpProgram {
  const bytes = encodeTerm(term);
  return evaluator.compile(bytes, 0, bytes.length, isFilter) as ExpProgram;
}

/** An entry of a map, or an element of a list. */
function element(value: Term, place: { key?: Term; index?: number } = {}): PathElement {
  const key = place.key === undefined ? [] : [...encodeTerm(place.key)];
  const bytes = Uint8Array.from([...key, ...encodeTerm(value)]);
  return {
    bytes,
    keyAt: place.key === undefined ? -1 : 0,
    valueAt: key.length,
    valueEnd: bytes.length,
    index: place.index ?? -1,
  };
}

const KEY = 0;
const VALUE = 1;
const INDEX = 2;

Deno.test("PathEvaluator shows each element to the expression through the loop variables", () => {
  const cases: [Term, PathElement, number][] = [
    [[3, [122, 2, VALUE], 3], element(4), TRILEAN.TRUE],
    [[3, [122, 2, VALUE], bin(2, "i")], element(4), TRILEAN.FALSE],
    [[3, [122, 2, VALUE], 3], element("a"), TRILEAN.UNKNOWN],
    [[1, [122, 3, KEY], "k"], element(4, { key: "k" }), TRILEAN.TRUE],
    [[1, [122, 3, KEY], "k"], element(4, { index: 0 }), TRILEAN.UNKNOWN],
    [[1, [122, 2, INDEX], 7], element(4, { index: 7 }), TRILEAN.TRUE],
    [[1, [122, 2, INDEX], 7], element(4, { key: "k" }), TRILEAN.UNKNOWN],
    [[1, [122, 7, VALUE], new Float(1.5)], element(new Float(1.5)), TRILEAN.TRUE],
    [[1, [122, 1, VALUE], true], element(true), TRILEAN.TRUE],
    [[1, [122, 0, VALUE], null], element(null), TRILEAN.TRUE],
    [[3, [127, 2, 0, [16], [122, 4, VALUE]], 1], element([1, 2]), TRILEAN.TRUE],
  ];
  for (const [term, place, expected] of cases) {
    assertEquals(evaluator.test(program(term, true), place), expected, JSON.stringify(term));
  }
  assertEquals(evaluate([1, [122, 2, VALUE], 4], around), "unknown", "outside of a selection");
});

Deno.test("PathEvaluator gives what replaces an element", () => {
  const out = new ByteBuffer(16);
  const double = program([22, [122, 2, VALUE], 2]);
  assertEquals(evaluator.replace(double, element(21), out), 1);
  assertEquals(out.toBytes(), Uint8Array.of(42));
  assertEquals(evaluator.replace(double, element("a"), out), REPLACEMENT.UNKNOWN);
  const drop = program([123, [3, [122, 2, VALUE], 10], [100], [122, 2, VALUE]]);
  assertEquals(evaluator.replace(drop, element(11), out), REPLACEMENT.REMOVE);
  assertEquals(evaluator.replace(drop, element(9), out), 1);
});

Deno.test("PathEvaluator refuses a filter that is no bool", () => {
  const bytes = encodeTerm([122, 2, VALUE]);
  assertEquals(evaluator.compile(bytes, 0, bytes.length, true), ResultCode.PARAMETER);
});
