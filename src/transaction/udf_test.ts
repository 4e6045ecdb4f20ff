import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, ResultCode, utf8, utf8Decode } from "../base/mod.ts";
import { FIELD, INFO2, INFO3, TTL_NEVER } from "../wire/mod.ts";
import { KIND, ORIGIN, OUTCOME } from "./mod.ts";
import {
  integerHex,
  TestNamespace,
  type TestReply,
  type TestRequestShape,
  textHex,
  writeInteger,
} from "./testing.ts";

const SOURCE = `
  function echo(rec, a) return a end
  function get(rec, bin) return rec[bin] end
  function put(rec, bin, value)
    rec[bin] = value
    if aerospike:exists(rec) then return aerospike:update(rec) end
    return aerospike:create(rec)
  end
  function remove(rec) return aerospike:remove(rec) end
  function again(rec) aerospike:remove(rec) rec.n = 1 return aerospike:create(rec) end
  function forget(rec) rec.a = 1 end
  function ttl(rec, s) record.set_ttl(rec, s) return aerospike:update(rec) end
  function drop(rec) record.drop_key(rec) return aerospike:update(rec) end
  function fail(rec) rec.a = 9 aerospike:update(rec) error("boom", 0) end
  function geo(rec) rec.g = GeoJSON('{"type":"Point","coordinates":[1,2]}') aerospike:update(rec) end
  function long(rec) rec[("x"):rep(16)] = 1 aerospike:update(rec) end
  function key(rec) return record.key(rec) end
`;

function makeNamespace(options: ConstructorParameters<typeof TestNamespace>[0] = {}): TestNamespace {
  const ns = new TestNamespace(options);
  ns.namespace.udf.set("m.lua", utf8(SOURCE));
  return ns;
}

function call(
  functionName: string,
  argumentHex = "90",
  shape: Partial<TestRequestShape> = {},
): TestRequestShape {
  return {
    record: 1,
    info2: INFO2.WRITE,
    ...shape,
    fields: [
      [FIELD.UDF_FILENAME, textHex("m")],
      [FIELD.UDF_FUNCTION, textHex(functionName)],
      [FIELD.UDF_ARGLIST, argumentHex],
      ...shape.fields ?? [],
    ],
  };
}

/** Arguments: the name of a bin, and 7. */
const A_7 = "92a2036107";
const SUCCESS_0 = [`1:1:SUCCESS=${integerHex(0)}`];

function brief({ code, generation, ops }: TestReply): unknown {
  return [code, generation, ops];
}

describe("runUdf()", () => {
  it("reads, creates, updates and removes a record", () => {
    const ns = makeNamespace();
    assertEquals(brief(ns.run(call("get", "91a20361"))), [0, 0, ["1:0:SUCCESS="]], "no record");
    assertEquals(brief(ns.run(call("put", A_7, { set: "s" }))), [0, 1, SUCCESS_0]);
    assertEquals(brief(ns.run(call("get", "91a20361"))), [0, 1, [`1:1:SUCCESS=${integerHex(7)}`]]);
    assertEquals(brief(ns.run(call("put", "92a20362a20378"))), [0, 2, SUCCESS_0]);
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(7)}`, `1:3:b=${textHex("x")}`]);
    assertEquals(brief(ns.run(call("put", "92a20361c0"))), [0, 3, SUCCESS_0]);
    assertEquals(ns.read(1).ops, [`1:3:b=${textHex("x")}`], "nil removes a bin");
    assertEquals(brief(ns.run(call("remove"))), [0, 0, SUCCESS_0]);
    assertEquals(ns.read(1).code, ResultCode.NOT_FOUND);
    assertEquals(brief(ns.run(call("remove"))), [0, 0, [`1:1:SUCCESS=${integerHex(1)}`]]);
    const { stats } = ns.namespace;
    assertEquals(stats.count(ORIGIN.CLIENT, KIND.UDF, OUTCOME.SUCCESS), 7);
    const { read, write, delete: removed } = stats.udfLanguage;
    assertEquals([read[0], write[0], removed[0]], [3, 3, 1]);
  });

  it("stores nothing without aerospike:update, and nothing of a script that fails", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    const before = ns.read(1);
    assertEquals(brief(ns.run(call("forget"))), [0, 1, ["1:0:SUCCESS="]]);
    assertEquals(brief(ns.run(call("fail"))), [100, 1, [`1:3:FAILURE=${textHex("boom")}`]]);
    assertEquals(brief(ns.run(call("absent"))), [100, 1, [`1:3:FAILURE=${textHex("function not found")}`]]);
    assertEquals(ns.read(1), before);
    assertEquals(ns.namespace.stats.udfLanguage.error[0], 2);
  });

  it("replaces a record that was removed in the same call", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    assertEquals(brief(ns.run(call("again"))), [0, 2, SUCCESS_0]);
    assertEquals(ns.read(1).ops, [`1:1:n=${integerHex(1)}`]);
  });

  it("removes a record whose last bin goes", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    assertEquals(brief(ns.run(call("put", "92a20361c0"))), [0, 0, SUCCESS_0]);
    assertEquals(ns.read(1).code, ResultCode.NOT_FOUND);
  });

  it("sets the TTL that the script asks for, else the request's", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    const nowS = Math.floor(ns.records.store.nowMs() / 1000);
    assertEquals(ns.run(call("ttl", "91cd03e8")).voidTime, nowS + 1000);
    assertEquals(ns.run(call("ttl", "91fe")).voidTime, nowS + 1000, "-2 keeps it");
    assertEquals(ns.run(call("ttl", "91ff")).voidTime, 0, "-1 is never");
    assertEquals(ns.run(call("put", A_7, { recordTtl: 60 })).voidTime, nowS + 60);
    assertEquals(ns.run(call("put", A_7, { recordTtl: TTL_NEVER })).voidTime, 0);
  });

  it("gives and drops the key", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)], { key: "036b" });
    assertEquals(ns.run(call("key")).ops, ["1:3:SUCCESS=6b"]);
    assertEquals(ns.run(call("echo", "90", { key: "0378" })).code, ResultCode.KEY_MISMATCH);
    assertEquals(ns.run(call("drop")).code, 0);
    assertEquals(ns.run(call("key")).ops, ["1:0:SUCCESS="]);
  });

  it("answers the code of a write that can't be", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    assertEquals(brief(ns.run(call("long"))), [ResultCode.BIN_NAME, 1, []]);
    ns.namespace.service.disableUdfExecution = true;
    assertEquals(ns.run(call("echo")).code, ResultCode.FORBIDDEN);
  });

  it("refuses calls that make no sense", () => {
    const ns = makeNamespace();
    const { PARAMETER } = ResultCode;
    assertEquals(ns.run(call("echo", "05")).code, PARAMETER, "no list");
    assertEquals(ns.run(call("echo", "92ff")).code, PARAMETER, "a list that is cut");
    assertEquals(ns.run(call("echo", "90", { ops: [writeInteger("a", 1)] })).code, PARAMETER);
    assertEquals(ns.run(call("echo", "90", { info2: INFO2.WRITE | INFO2.GENERATION })).code, PARAMETER);
    assertEquals(ns.run(call("echo", "90", { info3: INFO3.UPDATE_ONLY })).code, PARAMETER);
    const unknown = ns.run({
      ...call("echo"),
      fields: [[FIELD.UDF_FILENAME, textHex("x")], [FIELD.UDF_FUNCTION, "66"]],
    });
    assertEquals(unknown.code, ResultCode.UDF_EXECUTION);
    assertMatch(utf8Decode(fromHex(unknown.ops[0].split("=")[1])), /register it/);
  });

  it("asks the filter first", () => {
    const ns = makeNamespace();
    ns.write(1, [writeInteger("a", 5)]);
    const isSix: [number, string] = [FIELD.FILTER_EXP, "93019351" + "02a1610600".slice(0, 8)];
    const filtered = ns.run(call("put", A_7, { fields: [isSix] }));
    assertEquals([filtered.code, filtered.ops], [ResultCode.FILTERED_OUT, []]);
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(5)}`]);
  });

  it("waits for the record's bytes, and for geometry", async () => {
    const ns = makeNamespace({ pending: true });
    ns.write(1, [writeInteger("a", 5)]);
    assertEquals(ns.run(call("get", "91a20361")).ops, [`1:1:SUCCESS=${integerHex(5)}`]);
    const request = ns.start(call("geo"));
    while (request.reply === undefined) {
      if (!ns.clock.step()) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertEquals(request.reply.code, 0);
    assertMatch(ns.read(1).ops[1], /^1:23:g=00/);
  });
});
