import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { model, type ModelRecord, type ModelValue, NOTHING } from "./model_testing.ts";
import {
  bin,
  type BinValue,
  evaluate,
  Float,
  Name,
  type Outcome,
  quote,
  scopeOf,
  type Term,
} from "./testing.ts";

const EDGES = [
  0n,
  1n,
  -1n,
  2n ** 31n,
  2n ** 32n,
  -(2n ** 32n),
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const integer = fc.oneof(
  fc.constantFrom(...EDGES),
  fc.bigInt(-100n, 100n),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
);
const float = fc.oneof(fc.constantFrom(0, -0, 1, -2.5, 1e300, Infinity, NaN), fc.double()).map((value) =>
  new Float(value)
);
const text = fc.string({ maxLength: 6, unit: fc.constantFrom("a", "b", "é") });
const list = fc.array(fc.oneof(integer, text, float, fc.boolean()), { maxLength: 20 });

const integerFold = fc.constantFrom(20, 21, 22, 23, 32, 33, 34, 50, 51);

function many(term: fc.Arbitrary<Term>, minLength: number): fc.Arbitrary<Term[]> {
  return fc.array(term, { minLength, maxLength: 4 });
}

const { bool } = fc.letrec<{ bool: Term; int: Term; float: Term; text: Term; list: Term }>((tie) => {
  /** Operations that exist for every type. */
  const general = (type: "bool" | "int" | "float" | "text" | "list") => [
    fc.tuple(tie("bool"), tie(type), tie(type)).map((args): Term => [123, ...args]),
    fc.tuple(tie(type), tie(type)).map(([value, other]): Term => [
      125,
      new Name("unused"),
      other,
      [123, [0], value, value],
    ]),
  ];
  const pair = (op: number, left: "int" | "text" | "float" | "bool") =>
    fc.tuple(tie(left), tie(left)).map((args): Term => [op, ...args]);
  const comparison = fc.integer({ min: 1, max: 6 });
  return {
    bool: fc.oneof(
      { maxDepth: 4 },
      fc.boolean() as fc.Arbitrary<Term>,
      fc.constant(bin(1, "b")),
      fc.constant([0] as Term),
      ...(["int", "text", "float", "bool"] as const).map((type) => comparison.chain((op) => pair(op, type))),
      fc.tuple(fc.constantFrom(16, 17, 19), many(tie("bool"), 2)).map(([op, args]): Term => [op, ...args]),
      tie("bool").map((arg): Term => [18, arg]),
      fc.tuple(fc.oneof(tie("int"), tie("text"), tie("float"), tie("bool")), tie("list")).map((
        args,
      ): Term => [9, ...args]),
      fc.tuple(tie("int"), tie("int")).map(([value, other]): Term => [
        125,
        new Name("x"),
        value,
        [3, [20, [124, new Name("x")], other], [124, new Name("x")]],
      ]),
    ),
    int: fc.oneof(
      { maxDepth: 4 },
      integer as fc.Arbitrary<Term>,
      fc.constantFrom(bin(2, "i"), bin(2, "j"), bin(2, "f")),
      fc.tuple(integerFold, many(tie("int"), 1)).map(([op, args]): Term => [op, ...args]),
      fc.constantFrom(26, 36, 37, 38).chain((op) => pair(op, "int")),
      fc.tuple(fc.constantFrom(27, 35, 39), tie("int")).map((args): Term => [...args]),
      fc.tuple(fc.constantFrom(40, 41), tie("int"), tie("bool")).map((args): Term => [...args]),
      tie("float").map((arg): Term => [30, arg]),
      ...general("int").slice(0, 1),
    ),
    float: fc.oneof(
      { maxDepth: 3 },
      float as fc.Arbitrary<Term>,
      fc.constant(bin(7, "f")),
      fc.tuple(fc.constantFrom(20, 21, 22, 23), many(tie("float"), 1)).map((
        [op, args],
      ): Term => [op, ...args]),
      fc.tuple(fc.constantFrom(27, 28, 29), tie("float")).map((args): Term => [...args]),
      tie("int").map((arg): Term => [31, arg]),
    ),
    text: fc.oneof(
      { maxDepth: 3 },
      text as fc.Arbitrary<Term>,
      fc.constant(bin(3, "s")),
      ...general("text").slice(0, 1),
    ),
    list: fc.oneof({ maxDepth: 2 }, list.map((items) => quote(...items)), fc.constant(bin(4, "l"))),
  };
});

/** Gives every "let" a name of its own: a name that is visible must not be defined again. */
function withOwnNames(term: Term, visible: ReadonlyMap<string, Name>, state: { count: number }): Term {
  if (!Array.isArray(term) || term[0] === 126) return term;
  if (term[0] === 124) return [124, visible.get((term[1] as Name).text)!];
  if (term[0] !== 125) return term.map((item) => withOwnNames(item, visible, state));
  const name = new Name(`x${state.count++}`);
  const definition = withOwnNames(term[2], visible, state);
  const inner = new Map(visible).set((term[1] as Name).text, name);
  return [125, name, definition, withOwnNames(term[3], inner, state)];
}

/** What an evaluation should give, in the form of `evaluate`. */
function outcomeOf(expected: ModelValue): Outcome {
  return expected === NOTHING ? "unknown" : expected as Outcome;
}

const bins = fc.record(
  { i: integer, j: integer, f: float, s: text, b: fc.boolean(), l: list },
  { requiredKeys: [] },
);

Deno.test("expressions give what the model gives, over random records", () => {
  fc.assert(
    fc.property(bool, bins, (drawn, values) => {
      const term = withOwnNames(drawn, new Map(), { count: 0 });
      const record: ModelRecord = { bins: values as Record<string, ModelValue>, variables: new Map() };
      const expected = model(term, record);
      const found = evaluate(term, scopeOf(values as Record<string, BinValue>));
      assertEquals(found, outcomeOf(expected));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("integer arithmetic gives what bigints give, wrapped to 64 bits", () => {
  const codes = [20, 21, 22, 23, 26, 32, 33, 34, 36, 37, 38, 50, 51];
  for (const code of codes) {
    fc.assert(
      fc.property(integer, integer, (left, right) => {
        const term = [code, left, right];
        const expected = model(term, { bins: {}, variables: new Map() });
        assertEquals(evaluate(term, scopeOf({})), outcomeOf(expected), String(code));
      }),
      { numRuns: 300 },
    );
  }
});
