import { assertEquals } from "@std/assert";
import { toHex } from "../base/mod.ts";
import { bin, encodeTerm, Name, type Term, TestMap } from "../record/testing.ts";
import { FIELD, INFO1, INFO2, INFO3, OP, PARTICLE } from "../wire/mod.ts";
import {
  integerHex,
  TestNamespace,
  type TestOp,
  type TestRequestShape,
  textHex,
  writeInteger,
} from "./testing.ts";

function filter(term: Term): Partial<TestRequestShape> {
  return { fields: [[FIELD.FILTER_EXP, toHex(encodeTerm(term))]] };
}

function expression(op: number, name: string, term: Term, flags = 0): TestOp {
  return [op, name, PARTICLE.BLOB, toHex(encodeTerm([term, flags]))];
}

const I_IS_5: Term = [1, bin(2, "i"), 5];
const I_IS_6: Term = [1, bin(2, "i"), 6];
const UNKNOWN: Term = [1, bin(2, "none"), 5];

function withRecord(pending = false): TestNamespace {
  const ns = new TestNamespace({ pending });
  ns.write(1, [writeInteger("i", 5), [OP.WRITE, "s", PARTICLE.STRING, textHex("abc")]], { set: "demo" });
  return ns;
}

Deno.test("a filter that is false or unknown keeps reads, writes and deletes from the record", () => {
  const ns = withRecord();
  for (const term of [I_IS_6, UNKNOWN, false]) {
    const rest = filter(term);
    assertEquals(ns.read(1, rest), { code: 27, generation: 1, voidTime: 0, ops: [] });
    assertEquals(ns.run({ ...rest, record: 1, info1: INFO1.READ | INFO1.GET_NO_BINS }).code, 27);
    assertEquals(ns.write(1, [writeInteger("i", 9)], rest).code, 27);
    assertEquals(ns.write(1, [writeInteger("i", 9)], { ...rest, info3: INFO3.CREATE_OR_REPLACE }).code, 27);
    const deleted = ns.run({ ...rest, record: 1, info2: INFO2.WRITE | INFO2.DELETE });
    assertEquals(deleted, { code: 27, generation: 0, voidTime: 0, ops: [] });
  }
  assertEquals(ns.read(1).ops[0], `1:1:i=${integerHex(5)}`);
});

Deno.test("a filter that is true lets requests through, whether or not it needs the bins", () => {
  for (const term of [I_IS_5, [1, [70], "demo"], true] as Term[]) {
    const ns = withRecord();
    const rest = filter(term);
    assertEquals(ns.read(1, rest).ops.length, 2);
    assertEquals(ns.write(1, [writeInteger("i", 5)], rest).code, 0);
    assertEquals(ns.run({ ...rest, record: 1, info2: INFO2.WRITE | INFO2.DELETE }).code, 0);
  }
});

Deno.test("a filter sees nothing where there is no record: reads answer 2, writes create", () => {
  const ns = withRecord();
  const rest = filter(I_IS_6);
  assertEquals(ns.read(2, rest).code, 2);
  assertEquals(ns.run({ ...rest, record: 2, info2: INFO2.WRITE | INFO2.DELETE }).code, 2);
  assertEquals(ns.write(2, [writeInteger("i", 1)], rest).code, 0);
});

Deno.test("a filter that is malformed or no bool refuses the request with 4, record or not", () => {
  const ns = withRecord();
  for (
    const hex of ["", "01", "c1", "93", toHex(encodeTerm(I_IS_5)) + "00", toHex(encodeTerm(bin(2, "i")))]
  ) {
    const rest: Partial<TestRequestShape> = { fields: [[FIELD.FILTER_EXP, hex]] };
    for (const record of [1, 2]) {
      assertEquals(ns.read(record, rest).code, 4, hex);
      assertEquals(ns.write(record, [writeInteger("i", 1)], rest).code, 4, hex);
      assertEquals(ns.run({ ...rest, record, info2: INFO2.WRITE | INFO2.DELETE }).code, 4, hex);
    }
  }
});

Deno.test("a filter waits for a record's bytes only when it needs them", () => {
  const ns = withRecord(true);
  const rest = filter([18, [71]]);
  const byFacts = ns.start({ ...rest, record: 1, info1: INFO1.READ | INFO1.GET_NO_BINS });
  assertEquals([byFacts.reply?.code, byFacts.suspendedCount], [0, 0]);
  const byBins = ns.start({ ...filter(I_IS_6), record: 1, info1: INFO1.READ | INFO1.GET_NO_BINS });
  assertEquals([byBins.reply, byBins.suspendedCount], [undefined, 1]);
  while (byBins.reply === undefined && ns.clock.step());
  assertEquals(byBins.reply!.code, 27);
});

Deno.test("EXP_READ answers under the name that it is given", () => {
  const ns = withRecord();
  const read = (op: TestOp, rest: Partial<TestRequestShape> = {}) =>
    ns.run({ record: 1, info1: INFO1.READ, ops: [op], ...rest });
  assertEquals(read(expression(OP.EXP_READ, "x", [20, bin(2, "i"), 1])).ops, [`7:1:x=${integerHex(6)}`]);
  assertEquals(read(expression(OP.EXP_READ, "x", bin(3, "s"))).ops, [`7:3:x=${textHex("abc")}`]);
  assertEquals(read(expression(OP.EXP_READ, "x", I_IS_5)).ops, ["7:17:x=01"]);
  assertEquals(read(expression(OP.EXP_READ, "x", null)).ops, []);
  assertEquals(read(expression(OP.EXP_READ, "x", UNKNOWN)).code, 26);
  assertEquals(read(expression(OP.EXP_READ, "x", UNKNOWN, 16)), {
    code: 0,
    generation: 1,
    voidTime: 0,
    ops: [],
  });
  assertEquals(read(expression(OP.EXP_READ, "x", UNKNOWN, 16), { info2: INFO2.RESPOND_ALL_OPS }).ops, [
    "7:0:x=",
  ]);
  assertEquals(read(expression(OP.EXP_READ, "x", 1, 1)).code, 4);
  assertEquals(read([OP.EXP_READ, "x", 4, "90"]).code, 4);
  assertEquals(read([OP.EXP_READ, "x", 4, "9301"]).code, 4);
  assertEquals(
    read([OP.EXP_READ, "x", 4, "910100"]).ops,
    [`7:1:x=${integerHex(1)}`],
    "bytes behind the list",
  );
});

Deno.test("EXP_MODIFY writes the bin as its flags allow", () => {
  const cases: [what: string, op: TestOp, code: number, bins?: string[]][] = [
    ["new bin", expression(OP.EXP_MODIFY, "n", [20, bin(2, "i"), 1]), 0, ["i", "s", `n=${integerHex(6)}`]],
    ["other type", expression(OP.EXP_MODIFY, "s", 7), 0, ["i", `s=${integerHex(7)}`]],
    ["create only", expression(OP.EXP_MODIFY, "i", 7, 1), 6],
    ["create only, no fail", expression(OP.EXP_MODIFY, "i", 7, 9), 0, ["i", "s"]],
    ["update only", expression(OP.EXP_MODIFY, "n", 7, 2), 17],
    ["update only, no fail", expression(OP.EXP_MODIFY, "n", 7, 10), 0, ["i", "s"]],
    ["nil", expression(OP.EXP_MODIFY, "i", null), 26],
    ["nil where nothing is", expression(OP.EXP_MODIFY, "n", null), 0, ["i", "s"]],
    ["nil that deletes", expression(OP.EXP_MODIFY, "i", null, 4), 0, ["s"]],
    ["nil with another flag", expression(OP.EXP_MODIFY, "i", null, 2), 0, ["i", "s"]],
    ["unknown", expression(OP.EXP_MODIFY, "i", [0]), 26],
    ["unknown, no fail", expression(OP.EXP_MODIFY, "i", [0], 16), 0, ["i", "s"]],
    ["remove", expression(OP.EXP_MODIFY, "i", [100], 20), 26],
    ["flag beyond", expression(OP.EXP_MODIFY, "i", 1, 32), 4],
    ["unordered keys", expression(OP.EXP_MODIFY, "m", new TestMap([[2, 0], [1, 0]], false)), 0, [
      "i",
      "s",
      "m=8201000200",
    ]],
    ["key twice", expression(OP.EXP_MODIFY, "m", new TestMap([[1, 0], [1, 0]], false)), 4],
    ["long name", expression(OP.EXP_MODIFY, "a234567890123456", 1), 21],
  ];
  for (const [what, op, code, bins] of cases) {
    const ns = withRecord();
    assertEquals(ns.write(1, [op]).code, code, what);
    if (bins === undefined) continue;
    const found = ns.read(1).ops.map((text) => text.split(":")[2]);
    assertEquals(
      found.map((text, index) => bins[index]?.includes("=") ? text : text.split("=")[0]),
      bins,
      what,
    );
  }
});

Deno.test("EXP_MODIFY and EXP_READ see what the operations before them have done", () => {
  const ns = withRecord();
  const ops = [
    writeInteger("i", 40),
    expression(OP.EXP_MODIFY, "j", [20, bin(2, "i"), 2]),
    expression(OP.EXP_READ, "x", [22, bin(2, "j"), 2]),
  ];
  const reply = ns.run({ record: 1, info1: INFO1.READ, info2: INFO2.WRITE, ops });
  assertEquals(reply.ops, [`7:1:x=${integerHex(84)}`]);
});

Deno.test("EXP_MODIFY creates a record with a value, and none without", () => {
  const ns = new TestNamespace();
  assertEquals(ns.write(3, [expression(OP.EXP_MODIFY, "n", null)]).code, 2);
  const facts: Term = [125, new Name("set"), [70], [123, [71], "key", [124, new Name("set")]]];
  assertEquals(ns.write(3, [expression(OP.EXP_MODIFY, "n", facts)], { set: "demo" }).code, 0);
  assertEquals(ns.read(3).ops, [`1:3:n=${textHex("demo")}`]);
});
