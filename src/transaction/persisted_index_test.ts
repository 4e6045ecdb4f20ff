import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { toHex, utf8 } from "../base/mod.ts";
import { FIELD, INFO1, INFO2, OP, PARTICLE } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { TestNamespace, type TestOp, type TestReply, textHex } from "./testing.ts";

/** Sixty entries' worth of small numbers, ascending. */
const NUMBERS = Array.from({ length: 60 }, (_, at) => (at + 0x10).toString(16)).join("");
/** Bins as a client sends them, and as a client gets them. */
const BINS: readonly { name: string; type: number; sent: string; seen: string }[] = [
  {
    name: "sorted",
    type: PARTICLE.LIST,
    sent: `dc003dc70011${NUMBERS}`,
    seen: `dc003dc70001${NUMBERS}`,
  },
  { name: "plain", type: PARTICLE.LIST, sent: `dc003dc70010${NUMBERS}`, seen: `dc003c${NUMBERS}` },
  { name: "map", type: PARTICLE.MAP, sent: `de001fc70013c0${NUMBERS}`, seen: `de001fc70003c0${NUMBERS}` },
];
const PUTS = BINS.map(({ name, type, sent }): TestOp => [OP.WRITE, name, type, sent]);
const SEEN = BINS.map(({ name, type, seen }) => `1:${type}:${name}=${seen}`);
/** How the head of the stored map begins: flags of a persisted index of this form, between its data. */
const STORED_MAP_HEAD = /de001fc73b93/;

/** A bin's value as an expression that an operation carries. */
function binExpression(name: string, type: number): string {
  const expressionType = type === PARTICLE.LIST ? "04" : "05";
  return `929351${expressionType}${(0xa0 | name.length).toString(16)}${textHex(name)}00`;
}

describe("a persisted index", () => {
  it("is seen in no reply, whatever asks for the bin", () => {
    const ns = new TestNamespace();
    const reads = BINS.map(({ name }): TestOp => [OP.READ, name]);
    assertEquals(ns.write(1, [...PUTS, ...reads], { info1: INFO1.READ }).ops, SEEN);
    assertEquals(ns.read(1).ops, SEEN);
    const read = (ops: TestOp[]) => ns.run({ record: 1, info1: INFO1.READ, ops }).ops;
    assertEquals(read(reads), SEEN);
    const expressions = BINS.map((
      { name, type },
    ): TestOp => [OP.EXP_READ, name, 4, binExpression(name, type)]);
    assertEquals(read(expressions), SEEN.map((op) => `7${op.slice(1)}`));
    // One entry of the map, by key, through an expression's call; all, as a tree of a path.
    assertEquals(read([[OP.CDT_READ, "map", 4, "93610714"]]), ["3:1:map=0000000000000015"]);
    assertEquals(read([[OP.CDT_READ, "map", 4, "93ccfe9204c300"]]), [`3:19:map=de001e${NUMBERS}`]);
  });

  it("goes with a value that an expression writes to another bin, and is not shown there either", () => {
    const ns = new TestNamespace();
    ns.write(1, PUTS);
    const [, , map] = BINS;
    assertEquals(ns.write(1, [[OP.EXP_MODIFY, "copy", 4, binExpression(map.name, map.type)]]).code, 0);
    assertEquals(ns.read(1).ops, [...SEEN, `1:19:copy=${map.seen}`]);
  });

  it("makes no difference to a Lua function, and outlives its assignments", () => {
    const ns = new TestNamespace();
    ns.namespace.udf.set(
      "m.lua",
      utf8(`
      function get(rec, bin) return rec[bin] end
      function add(rec)
        local values = rec.plain
        list.append(values, 1)
        rec.plain = values
        local numbers = rec.map
        numbers[1] = 1
        rec.map = numbers
        local sorted = rec.sorted
        list.append(sorted, 2)
        rec.sorted = sorted
        return aerospike:update(rec)
      end
    `),
    );
    ns.write(1, PUTS);
    const call = (name: string, argumentHex: string): TestReply =>
      ns.run({
        record: 1,
        info2: INFO2.WRITE,
        fields: [
          [FIELD.UDF_FILENAME, textHex("m")],
          [FIELD.UDF_FUNCTION, textHex(name)],
          [FIELD.UDF_ARGLIST, argumentHex],
        ],
      });
    assertEquals(call("get", `91a603${textHex("plain")}`).ops, [`1:20:SUCCESS=dc003c${NUMBERS}`]);
    assertEquals(call("add", "90").code, 0);
    assertEquals(ns.read(1).ops, [
      `1:20:sorted=dc003ec7000102${NUMBERS}`,
      `1:20:plain=dc003d${NUMBERS}01`,
      `1:19:map=de0020c70003c00101${NUMBERS}`,
    ]);
  });
});

/** The flat record of a node as text, from the generation on. */
function flatText(peer: TestPeer): string {
  return toHex(peer.flat(1)!);
}

describe("a replica", () => {
  it("gets the index as the master has it, when all members know its form", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    assertEquals(it.run(master, { record: 1, info2: INFO2.WRITE, ops: PUTS }).code, 0);
    assert(STORED_MAP_HEAD.test(flatText(master)), flatText(master));
    assertEquals(flatText(prole), flatText(master));
  });

  it("gets none beside stock members, and answers the same", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.form(2, { allOurs: false });
    assertEquals(it.run(master, { record: 1, info2: INFO2.WRITE, ops: PUTS }).code, 0);
    assert(STORED_MAP_HEAD.test(flatText(master)));
    for (const { seen } of BINS) assert(flatText(prole).includes(seen));
    const reply = prole.test.read(1);
    assertEquals(reply.ops, SEEN);
  });
});
