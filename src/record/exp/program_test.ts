import { assert, assertEquals } from "@std/assert";
import {
  EXP_DEPTH_MAX,
  EXP_NODE_COUNT_MAX,
  EXP_SIZE_MAX_BYTES,
  EXP_WORK_MAX_BYTES,
  readU32LE,
  ResultCode,
  utf8,
} from "../../base/mod.ts";
import { compileExpression, TRILEAN } from "./program.ts";
import { ProgramCache } from "./program_cache.ts";
import {
  bin,
  compiled,
  encodeTerm,
  evaluate,
  Float,
  Name,
  quote,
  Raw,
  scopeOf,
  type Term,
  TestMap,
} from "./testing.ts";

const { PARAMETER } = ResultCode;

function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const NONE = scopeOf({});

function refusal(term: Term): number | undefined {
  const program = compileExpression(encodeTerm(term));
  return typeof program === "number" ? program : undefined;
}

const WILDCARD = new Raw(Uint8Array.of(0xd4, 0xff, 0x00));

Deno.test("compileExpression() refuses wrong types, counts and literals", () => {
  const wrong: Term[] = [
    [],
    [200, 1],
    [15, 1, 2],
    ["a"],
    [1, 1],
    [1, 1, 2, 3],
    [1, 1, new Float(1)],
    [1, bin(8, "g"), bin(8, "g")],
    [1, bin(9, "h"), bin(9, "h")],
    [16, true],
    [16, true, 1],
    [18, 1],
    [20],
    [20, 1, new Float(1)],
    [20, 1, [0]],
    [20, "a"],
    [24, 2, 2],
    [26, new Float(1), new Float(1)],
    [32, new Float(1)],
    [40, 1, 1],
    [64, 0],
    [64, new Float(1)],
    [66, 1],
    [80, 1],
    [81, 10, new Name("a")],
    [81, -1, new Name("a")],
    [81, 2, new Name("a2345678901234567")],
    [81, 2],
    [122, 3, 2],
    [122, 2, 3],
    [123, true, 1],
    [123, true, 1, new Float(1)],
    [123, true, 1, false, 2],
    [123, 1, 1, 2],
    [124, new Name("x")],
    [125, new Name("x"), [124, new Name("x")], 1],
    [125, new Name("1x"), 1, 1],
    [125, new Name("x-y"), 1, 1],
    [125, new Name(""), 1, 1],
    [125, new Name("x"), 1, new Name("x"), 2, 1],
    [125, new Name("x"), 1, [125, new Name("x"), 2, 1]],
    [126, 1],
    [126, [1], [2]],
    [127, 2, 0, [16], 1],
    [127, 10, 0, [16], bin(4, "l")],
    [127, 2, 3, [16], bin(4, "l")],
    [127, 2, 0, [], bin(4, "l")],
    [127, 2, 0, [18, [200]], bin(4, "l")],
    [127, 2, 1, [50, 0, 8], bin(4, "l")],
    WILDCARD,
    [7, 0, new Name("a{"), 1],
    [7, 1, new Name("a{"), "a"],
    [9, 1, "a"],
    new Name(""),
    new Name("\x05a"),
    new Name("\x17not json"),
  ];
  for (const term of wrong) assertEquals(refusal(term), PARAMETER, JSON.stringify(term));
  const whole = encodeTerm([3, bin(2, "i"), 3]);
  for (let end = 0; end < whole.length; end++) {
    assertEquals(compileExpression(whole.slice(0, end)), PARAMETER);
  }
  assertEquals(compileExpression(concatBytes(whole, Uint8Array.of(0))), PARAMETER);
});

Deno.test("an expression names variables once per scope, and sees those of the scopes around it", () => {
  const x = new Name("x");
  const y = new Name("_y1");
  const v = (name: Name): Term => [124, name];
  assertEquals(evaluate([125, x, 2, y, [22, v(x), 3], [20, v(x), v(y)]], NONE), 8n);
  assertEquals(evaluate([20, [125, x, 1, v(x)], [125, x, 2, v(x)]], NONE), 3n);
  assertEquals(evaluate([125, x, bin(2, "none"), 5], NONE), 5n);
  assertEquals(evaluate([125, x, bin(2, "none"), v(x)], NONE), "unknown");
});

Deno.test("cond takes the first true condition, and ends at an unknown one", () => {
  const i = (least: number): Term => [3, bin(2, "i"), least];
  const term: Term = [123, i(10), "big", i(5), "some", [0]];
  assertEquals(evaluate(term, scopeOf({ i: 11 })), { text: "big" });
  assertEquals(evaluate(term, scopeOf({ i: 6 })), { text: "some" });
  assertEquals(evaluate(term, scopeOf({ i: 1 })), "unknown");
  assertEquals(evaluate(term, NONE), "unknown");
});

Deno.test("lists and maps are compared by the order of values, unless one has an unordered map", () => {
  const list = scopeOf({ l: [3, 4, 5], m: new TestMap([["a", 1]]), u: new TestMap([["a", 1]], false) });
  assertEquals(evaluate([1, bin(4, "l"), quote(3, WILDCARD)], list), true);
  assertEquals(evaluate([5, bin(4, "l"), quote(3, 5)], list), true);
  assertEquals(evaluate([1, bin(5, "m"), new TestMap([["a", 1]])], list), true);
  assertEquals(evaluate([1, bin(5, "m"), bin(5, "u")], list), "unknown");
  assertEquals(evaluate([1, bin(4, "l"), quote(new TestMap([], false))], list), "unknown");
});

Deno.test("map keys and map values give lists, in the map's order", () => {
  const scope = scopeOf({ m: new TestMap([[1, "a"], [2, "b"]]), i: 1 });
  assertEquals(evaluate([9, 2, [101, bin(5, "m")]], scope), true);
  assertEquals(evaluate([9, "b", [102, bin(5, "m")]], scope), true);
  assertEquals(evaluate([9, 3, [101, bin(5, "m")]], scope), false);
  assertEquals(evaluate([101, bin(2, "i")], scope), "unknown");
  assertEquals(evaluate([9, new Float(1), [101, new TestMap([])]], scope), false);
});

Deno.test("calls reach lists, maps, bits and HLLs; what goes wrong inside is unknown", () => {
  const scope = scopeOf({ l: [3, 1, 2], m: new TestMap([["a", 1]]), b: Uint8Array.of(0xff, 0x0f) });
  const l = bin(4, "l");
  assertEquals(evaluate([127, 2, 0, [16], l], scope), 3n);
  assertEquals(evaluate([127, 2, 0, [17, [26, 5, 3]], l], scope), 2n, "a parameter that is an expression");
  assertEquals(
    evaluate([127, 2, 0, [23, 5, quote(1, 9)], l], scope),
    1n,
    "a parameter that is a literal list",
  );
  assertEquals(evaluate([127, 2, 0, [97, 7, "a"], bin(5, "m")], scope), 1n);
  assertEquals(evaluate([127, 3, 0, [97, 7, "a"], bin(5, "m")], scope), "unknown", "another type");
  assertEquals(evaluate([127, 0, 0, [97, 7, "b"], bin(5, "m")], scope), null);
  assertEquals(evaluate([127, 2, 0, [97, 7, "b"], bin(5, "m")], scope), "unknown", "no value");
  assertEquals(evaluate([127, 2, 0, [17, 9], l], scope), "unknown", "an operation that fails");
  assertEquals(evaluate([127, 2, 0, [17, bin(2, "none")], l], scope), "unknown", "an unknown parameter");
  assertEquals(evaluate([127, 2, 0, [1, 7], l], scope), "unknown", "a change where a read is asked");
  assertEquals(evaluate([127, 2, 0, [16], [127, 4, 64, [1, 7], l]], scope), 4n, "a call on a call");
  assertEquals(evaluate([127, 2, 0, [16], bin(4, "none")], scope), "unknown");
  assertEquals(evaluate([127, 2, 1, [51, 0, 16], bin(6, "b")], scope), 12n);
  const flipped = evaluate([127, 6, 65, [5, 0, 8, Uint8Array.of(0x0f), 0], bin(6, "b")], scope);
  assertEquals(flipped, Uint8Array.of(0xf0, 0x0f));
});

Deno.test("a list that doubles again and again is unknown once no record could hold it", () => {
  // let x0 = l, x1 = x0 with all of x0 appended, and so on; then the count of the last.
  const doubled = (times: number): Term => {
    const names = Array.from({ length: times + 1 }, (_, at) => new Name(`x${at}`));
    const v = (at: number): Term => [124, names[at]!];
    const doublings = names.slice(1).flatMap((name, at): Term[] => [name, [127, 4, 64, [2, v(at)], v(at)]]);
    return [125, names[0]!, bin(4, "l"), ...doublings, [127, 2, 0, [16], v(times)]];
  };
  const scope = scopeOf({ l: [1, 2, 3, 4] });
  assertEquals(evaluate(doubled(10), scope), 4096n);
  assertEquals(evaluate(doubled(40), scope), "unknown");
});

Deno.test("a call on nil builds what is not there", () => {
  const built = evaluate([127, 4, 64, [1, 9], null], NONE);
  assertEquals(built, Uint8Array.of(0x91, 9));
});

Deno.test("metadata is given in the units of the reference", () => {
  const scope = scopeOf({}, {
    lastUpdateMs: 1000,
    voidTime: 20,
    nowMs: 4500,
    sizeBytes: 64,
    setName: utf8("demo"),
    hasKey: true,
    digestTail: readU32LE(Uint8Array.of(0xfe, 0xff, 0xff, 0xff), 0),
    key: () => Uint8Array.of(3, 0x61),
  });
  assertEquals(evaluate([66], scope), 1_262_304_001_000_000_000n);
  assertEquals(evaluate([67], scope), 3500n);
  assertEquals(evaluate([68], scope), 1_262_304_020_000_000_000n);
  assertEquals(evaluate([69], scope), 16n);
  assertEquals(evaluate([70], scope), { text: "demo" });
  assertEquals(evaluate([71], scope), true);
  assertEquals(evaluate([72], scope), false);
  assertEquals(evaluate([74], scope), 64n);
  assertEquals(evaluate([64, 10], scope), 4n);
  assertEquals(evaluate([80, 3], scope), { text: "a" });
  assertEquals(evaluate([80, 2], scope), "unknown");
  assertEquals(evaluate([68], NONE), -1n);
  assertEquals(evaluate([69], NONE), -1n);
  assertEquals(evaluate([82, new Name("l")], scopeOf({ l: [1] })), 20n);
  assertEquals(evaluate([82, new Name("l")], NONE), 0n);
});

Deno.test("ExpProgram decides by what is known without bins where it can", () => {
  const scope = scopeOf({ i: 5 }, { voidTime: 20, setName: utf8("demo") });
  const onBin: Term = [1, bin(2, "i"), 5];
  const inSet: Term = [1, [70], "demo"];
  const cases: [Term, number, number][] = [
    [onBin, TRILEAN.UNKNOWN, TRILEAN.TRUE],
    [inSet, TRILEAN.TRUE, TRILEAN.TRUE],
    [[16, [18, inSet], onBin], TRILEAN.FALSE, TRILEAN.FALSE],
    [[17, inSet, onBin], TRILEAN.TRUE, TRILEAN.TRUE],
    [[16, inSet, onBin], TRILEAN.UNKNOWN, TRILEAN.TRUE],
    [[16, false, onBin], TRILEAN.FALSE, TRILEAN.FALSE],
    [[1, [80, 2], 1], TRILEAN.UNKNOWN, TRILEAN.UNKNOWN],
    [[0], TRILEAN.UNKNOWN, TRILEAN.UNKNOWN],
  ];
  for (const [term, byFacts, byBins] of cases) {
    const program = compiled(term);
    assertEquals(
      [program.testFacts(scope), program.testBins(scope)],
      [byFacts, byBins],
      JSON.stringify(term),
    );
  }
});

Deno.test("compileExpression() refuses what is too deep, too large or has too many nodes", () => {
  const nested = (depth: number): Term => {
    let term: Term = true;
    for (let count = 1; count < depth; count++) term = [18, term];
    return term;
  };
  assertEquals(refusal(nested(EXP_DEPTH_MAX)), undefined);
  assertEquals(refusal(nested(EXP_DEPTH_MAX + 1)), PARAMETER);
  const many = (count: number) => encodeList([17, ...new Array<Term>(count).fill(true)]);
  assert(typeof compileExpression(many(EXP_NODE_COUNT_MAX - 1)) !== "number");
  assertEquals(compileExpression(many(EXP_NODE_COUNT_MAX)), PARAMETER);
  const large = concatBytes(
    Uint8Array.of(0xdb, EXP_SIZE_MAX_BYTES >>> 24, EXP_SIZE_MAX_BYTES >>> 16, EXP_SIZE_MAX_BYTES >>> 8, 0, 3),
    new Uint8Array(EXP_SIZE_MAX_BYTES - 1),
  );
  assertEquals(compileExpression(large), PARAMETER);
});

/** A list with a count of 32 bits. */
function encodeList(items: readonly Term[]): Uint8Array {
  const count = items.length;
  return concatBytes(
    Uint8Array.of(0xdd, count >>> 24, count >>> 16, count >>> 8, count),
    ...items.map((item) => encodeTerm(item)),
  );
}

Deno.test("an evaluation that looks at too many bytes is unknown", () => {
  const items = new Array<Term>(50_000).fill(1);
  const search: Term = [9, 2, bin(4, "l")];
  const times = Math.ceil(EXP_WORK_MAX_BYTES / items.length);
  const once = evaluate(search, scopeOf({ l: items }));
  assertEquals(once, false);
  assertEquals(evaluate([17, ...new Array<Term>(times + 1).fill(search)], scopeOf({ l: items })), "unknown");
});

Deno.test("ProgramCache compiles once, and forgets the oldest", () => {
  const cache = new ProgramCache();
  const bytesOf = (least: number) => encodeTerm([3, bin(2, "i"), least]);
  const first = bytesOf(1000);
  assertEquals(
    cache.get(first, 0, first.length),
    cache.get(concatBytes(Uint8Array.of(1), first), 1, first.length),
  );
  assertEquals(cache.compiledCount, 1);
  for (let least = 2000; least < 4000; least++) cache.get(bytesOf(least), 0, first.length);
  assert(cache.count <= 256);
  cache.get(first, 0, first.length);
  assertEquals(cache.compiledCount, 2002);
  assertEquals(cache.getFilter(encodeTerm(1), 0, 1), PARAMETER);
});
