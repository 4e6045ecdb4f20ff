import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode, TTL_MAX_S } from "../base/mod.ts";
import { defaultSet } from "../config/mod.ts";
import { loadGeometry } from "../record/mod.ts";
import { FIELD, INFO1, INFO2, INFO3, INFO4, OP, PARTICLE, TTL_KEEP, TTL_NEVER } from "../wire/mod.ts";
import {
  integerHex,
  TestNamespace,
  type TestOp,
  type TestRequestShape,
  textHex,
  writeInteger,
} from "./testing.ts";

// A request with a GeoJSON value is suspended until this is there.
await loadGeometry();

const NOW_S = 500_000_000;
const ONE = writeInteger("a", 1);

function codeOf(shape: Partial<TestRequestShape>, prepare: (ns: TestNamespace) => void = () => {}): number {
  const ns = new TestNamespace();
  prepare(ns);
  const before = ns.read(1);
  const reply = ns.run({ record: 1, info2: INFO2.WRITE, ops: [ONE], ...shape });
  if (reply.code !== ResultCode.OK) {
    assertEquals(reply.ops, [], "a refusal carries no operations");
    assertEquals(ns.read(1), before, "a refusal changes nothing");
  }
  return reply.code;
}

const withRecord = (ns: TestNamespace) => {
  ns.write(1, [writeInteger("a", 5), [OP.WRITE, "s", PARTICLE.STRING, textHex("x")]], {
    set: "s",
    key: "0301",
  });
};

describe("runWrite()", () => {
  it("creates, updates and counts generations", () => {
    const ns = new TestNamespace();
    assertEquals(ns.write(1, [ONE]), { code: 0, generation: 1, voidTime: 0, ops: [] });
    assertEquals(ns.write(1, [writeInteger("b", 2)]), { code: 0, generation: 2, voidTime: 0, ops: [] });
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(1)}`, `1:1:b=${integerHex(2)}`]);
  });

  it("starts again at generation 1 after 65535", () => {
    const ns = new TestNamespace();
    for (let count = 0; count < 65_534; count++) ns.write(1, [ONE]);
    assertEquals(ns.write(1, [ONE]).generation, 65_535);
    assertEquals(ns.write(1, [ONE]).generation, 1);
  });

  it("gives every write a later last update time, whatever the clock says", () => {
    const ns = new TestNamespace();
    const { store } = ns.namespace;
    let last = 0;
    for (let count = 0; count < 100; count++) {
      ns.write(1, [ONE]);
      ns.read(1);
      assert(ns.namespace.entry.lastUpdateMs > last);
      last = ns.namespace.entry.lastUpdateMs;
    }
    store.truncate(undefined, store.nowMs() + 50);
    assertEquals(ns.read(1).code, ResultCode.OK, "written after what the clock shows");
    ns.write(2, [ONE]);
    assertEquals(ns.read(2).code, ResultCode.OK);
  });

  it("refuses messages that contradict themselves with PARAMETER", () => {
    const read: TestOp = [OP.READ, "a"];
    const all: TestOp = [OP.READ, ""];
    const cases: [string, Partial<TestRequestShape>][] = [
      ["no operations", { ops: [] }],
      ["read without the READ bit", { ops: [ONE, read] }],
      ["GET_ALL without read-all", { info1: INFO1.READ | INFO1.GET_ALL, ops: [ONE] }],
      ["two read-alls", { info1: INFO1.READ, ops: [ONE, all, all] }],
      ["read-all and respond-all", { info1: INFO1.READ, info2: 0x81, ops: [ONE, all] }],
      ["read-all and read", { info1: INFO1.READ, ops: [ONE, all, read] }],
      ["unknown operation", { ops: [[6, "a"]] }],
      ["operation above all", { ops: [[99, "a"]] }],
      ["replace with touch", { info3: INFO3.CREATE_OR_REPLACE, ops: [ONE, [OP.TOUCH, ""]] }],
      ["replace with increment", { info3: INFO3.CREATE_OR_REPLACE, ops: [[OP.INCR, "a", 1, integerHex(1)]] }],
      ["replace with append", { info3: INFO3.REPLACE_ONLY, ops: [[OP.APPEND, "s", 3, "61"]] }],
      ["replace with removal", { info3: INFO3.CREATE_OR_REPLACE, ops: [ONE, [OP.WRITE, "b"]] }],
      ["replace with delete-all", { info3: INFO3.CREATE_OR_REPLACE, ops: [[OP.DELETE_ALL, ""], ONE] }],
      ["no bin name", { ops: [[OP.WRITE, "", 1, integerHex(1)]] }],
      ["integer of three bytes", { ops: [[OP.WRITE, "a", PARTICLE.INTEGER, "010203"]] }],
      ["bool of 2", { ops: [[OP.WRITE, "a", PARTICLE.BOOL, "02"]] }],
      ["float of four bytes", { ops: [[OP.WRITE, "a", PARTICLE.FLOAT, "00000000"]] }],
      ["unknown particle type", { ops: [[OP.WRITE, "a", 99, "00"]] }],
      ["TTL above ten years", { recordTtl: TTL_MAX_S + 1 }],
    ];
    for (const [what, shape] of cases) assertEquals(codeOf(shape), ResultCode.PARAMETER, what);
  });

  it("refuses with the code of the first condition that does not hold", () => {
    const exists: [string, number, Partial<TestRequestShape>][] = [
      ["create-only", ResultCode.RECORD_EXISTS, { info2: INFO2.WRITE | INFO2.CREATE_ONLY }],
      ["other generation", ResultCode.GENERATION, { info2: INFO2.WRITE | INFO2.GENERATION, generation: 2 }],
      ["generation not greater", ResultCode.GENERATION, {
        info2: INFO2.WRITE | INFO2.GENERATION_GT,
        generation: 1,
      }],
      ["other set", ResultCode.PARAMETER, { set: "other" }],
      ["other key", ResultCode.KEY_MISMATCH, { key: "0302" }],
      ["empty key", ResultCode.UNSUPPORTED_FEATURE, { key: "" }],
      ["integer key of 2 bytes", ResultCode.UNSUPPORTED_FEATURE, { key: "010203" }],
      ["bin name of 16", ResultCode.BIN_NAME, { ops: [writeInteger("x".repeat(16), 1)] }],
      ["bin name with NUL", ResultCode.BIN_NAME, { ops: [writeInteger("a\0b", 1)] }],
      ["add to a string", ResultCode.INCOMPATIBLE_TYPE, { ops: [[OP.INCR, "s", 1, integerHex(1)]] }],
      ["add a float to an integer", ResultCode.INCOMPATIBLE_TYPE, {
        ops: [[OP.INCR, "a", 2, integerHex(0)]],
      }],
      ["append to an integer", ResultCode.INCOMPATIBLE_TYPE, { ops: [[OP.APPEND, "a", 3, "61"]] }],
      ["append a blob to a string", ResultCode.INCOMPATIBLE_TYPE, { ops: [[OP.APPEND, "s", 4, "61"]] }],
      ["broken list", ResultCode.UNKNOWN, { ops: [[OP.WRITE, "l", PARTICLE.LIST, "9201"]] }],
      ["map as list", ResultCode.UNKNOWN, { ops: [[OP.WRITE, "l", PARTICLE.LIST, "80"]] }],
      ["bad GeoJSON", ResultCode.GEO_INVALID_GEOJSON, {
        ops: [[OP.WRITE, "g", 23, "000000" + textHex("{}")]],
      }],
      ["record too big", ResultCode.RECORD_TOO_BIG, {
        ops: [[OP.WRITE, "b", PARTICLE.BLOB, "00".repeat(1024 * 1024)]],
      }],
      ["malformed list operation", ResultCode.PARAMETER, { ops: [[OP.CDT_MODIFY, "l", 4, "00"]] }],
      ["transaction", ResultCode.ENTERPRISE_ONLY, { fields: [[FIELD.MRT_ID, "0000000000000001"]] }],
      ["transaction bits", ResultCode.ENTERPRISE_ONLY, { info4: INFO4.MRT_VERIFY_READ }],
    ];
    for (const [what, code, shape] of exists) {
      assertEquals(codeOf({ set: "s", ...shape }, withRecord), code, what);
    }
    const absent: [string, number, Partial<TestRequestShape>][] = [
      ["update-only", ResultCode.NOT_FOUND, { info3: INFO3.UPDATE_ONLY }],
      ["replace-only", ResultCode.NOT_FOUND, { info3: INFO3.REPLACE_ONLY }],
      ["touch", ResultCode.NOT_FOUND, { ops: [[OP.TOUCH, ""]] }],
      ["only removals", ResultCode.NOT_FOUND, { ops: [[OP.WRITE, "a"]] }],
      ["generation", ResultCode.GENERATION, { info2: INFO2.WRITE | INFO2.GENERATION, generation: 1 }],
    ];
    for (const [what, code, shape] of absent) assertEquals(codeOf(shape), code, what);
  });

  it("carries generation and void-time with a refusal when the record is there", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { recordTtl: 100 });
    ns.write(1, [ONE], { recordTtl: 100 });
    const reply = ns.write(1, [ONE], { info2: INFO2.GENERATION, generation: 9 });
    assertEquals(reply, { code: ResultCode.GENERATION, generation: 2, voidTime: NOW_S + 100, ops: [] });
  });

  it("applies operations in order and answers reads with what the earlier ones left", () => {
    const ns = new TestNamespace();
    const reply = ns.run({
      record: 1,
      info1: INFO1.READ,
      info2: INFO2.WRITE,
      ops: [
        writeInteger("a", 0xff_ffff_ffffn),
        [OP.READ, "a"],
        [OP.INCR, "a", PARTICLE.INTEGER, integerHex(-1)],
        [OP.READ, "a"],
        [OP.WRITE, "s", PARTICLE.STRING, textHex("b")],
        [OP.APPEND, "s", PARTICLE.STRING, textHex("c")],
        [OP.PREPEND, "s", PARTICLE.STRING, textHex("a")],
        [OP.READ, "s"],
        [OP.READ, "none"],
        [OP.DELETE_ALL, ""],
        [OP.READ, "a"],
        [OP.INCR, "f", PARTICLE.FLOAT, "3ff8000000000000"],
        [OP.INCR, "f", PARTICLE.FLOAT, "3ff8000000000000"],
        [OP.READ, "f"],
      ],
    });
    assertEquals(reply, {
      code: 0,
      generation: 1,
      voidTime: 0,
      ops: [
        `1:1:a=${integerHex(0xff_ffff_ffffn)}`,
        `1:1:a=${integerHex(0xff_ffff_fffen)}`,
        `1:3:s=${textHex("abc")}`,
        "1:2:f=4008000000000000",
      ],
    });
    assertEquals(ns.read(1).ops, ["1:2:f=4008000000000000"]);
  });

  it("adds to a bin that is not there by storing the value, whatever its type", () => {
    const ns = new TestNamespace();
    const cases: [number, number, string][] = [
      [OP.INCR, PARTICLE.STRING, textHex("x")],
      [OP.INCR, PARTICLE.LIST, "9101"],
      [OP.APPEND, PARTICLE.MAP, "810102"],
      [OP.PREPEND, PARTICLE.INTEGER, integerHex(4)],
    ];
    for (const [op, type, hex] of cases) {
      assertEquals(ns.write(1, [[OP.DELETE_ALL, ""], [op, "a", type, hex]]).code, 0);
      assertEquals(ns.read(1).ops, [`1:${type}:a=${hex}`]);
      assertEquals(ns.write(1, [[op, "a"]]).code, ResultCode.PARAMETER, "null");
    }
    assertEquals(
      ns.write(1, [[OP.INCR, "a", PARTICLE.STRING, textHex("x")]]).code,
      ResultCode.INCOMPATIBLE_TYPE,
    );
  });

  it("answers no bins to a read of all bins when only metadata is wanted", () => {
    const ns = new TestNamespace();
    const run = (info1: number) =>
      ns.run({ record: 1, info1, info2: INFO2.WRITE, ops: [ONE, [OP.READ, ""]] }).ops.length;
    assertEquals([run(INFO1.READ | INFO1.GET_NO_BINS), run(INFO1.READ)], [0, 1]);
  });

  it("wraps integers at 64 bits and carries between the words", () => {
    const ns = new TestNamespace();
    const add = (value: bigint) => {
      ns.write(1, [[OP.INCR, "a", PARTICLE.INTEGER, integerHex(value)]]);
      return ns.read(1).ops[0].slice(6);
    };
    assertEquals(add(0x7fff_ffff_ffff_ffffn), integerHex(0x7fff_ffff_ffff_ffffn));
    assertEquals(add(1n), integerHex(-0x8000_0000_0000_0000n));
    assertEquals(add(-1n), integerHex(0x7fff_ffff_ffff_ffffn));
    ns.write(2, [writeInteger("a", 0xffff_ffff)]);
    ns.write(2, [[OP.INCR, "a", PARTICLE.INTEGER, "01"]]);
    assertEquals(ns.read(2).ops, [`1:1:a=${integerHex(0x1_0000_0000)}`]);
  });

  it("answers every operation but TOUCH when all responses are wanted", () => {
    const ns = new TestNamespace();
    const reply = ns.run({
      record: 1,
      info1: INFO1.READ,
      info2: INFO2.WRITE | INFO2.RESPOND_ALL_OPS,
      ops: [ONE, [OP.READ, "a"], [OP.READ, "none"], [OP.WRITE, "a"], writeInteger("b", 1)],
    });
    assertEquals(reply.ops, ["2:0:a=", `1:1:a=${integerHex(1)}`, "1:0:none=", "2:0:a=", "2:0:b="]);
  });

  it("deletes the record when its last bin goes", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE]);
    assertEquals(ns.write(1, [[OP.WRITE, "a"]]), { code: 0, generation: 0, voidTime: 0, ops: [] });
    assertEquals([ns.read(1).code, ns.namespace.store.objectCount], [ResultCode.NOT_FOUND, 0]);
    assertEquals(ns.namespace.stats.deletedLastBin, 1);
  });

  it("replaces all bins with CREATE_OR_REPLACE and keeps the stored key", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE, writeInteger("b", 2)], { key: "0361" });
    ns.write(1, [writeInteger("c", 3)], { info3: INFO3.CREATE_OR_REPLACE });
    assertEquals(ns.read(1).ops, [`1:1:c=${integerHex(3)}`]);
    assertEquals(ns.read(1, { key: "0362" }).code, ResultCode.KEY_MISMATCH);
  });

  it("gives void-times as the TTL says", () => {
    const ns = new TestNamespace({ settings: { defaultTtl: 500 } });
    ns.namespace.settings.sets.set("own", { ...defaultSet(), defaultTtl: 700 });
    ns.namespace.settings.sets.set("never", { ...defaultSet(), defaultTtl: -1 });
    assertEquals(ns.write(1, [ONE], { recordTtl: 100 }).voidTime, NOW_S + 100);
    assertEquals(ns.write(1, [ONE], { recordTtl: TTL_KEEP }).voidTime, NOW_S + 100);
    assertEquals(ns.write(1, [ONE]).voidTime, NOW_S + 500);
    assertEquals(ns.write(1, [ONE], { recordTtl: TTL_NEVER }).voidTime, 0);
    assertEquals(ns.write(2, [ONE], { recordTtl: TTL_KEEP }).voidTime, NOW_S + 500);
    assertEquals(ns.write(3, [ONE], { set: "own" }).voidTime, NOW_S + 700);
    assertEquals(ns.write(4, [ONE], { set: "never" }).voidTime, 0);
    ns.namespace.settings.applyTtlReductions = false;
    assertEquals(ns.write(3, [ONE], { set: "own", recordTtl: 10 }).voidTime, NOW_S + 700);
    assertEquals(ns.namespace.stats.ttlReductionsIgnored, 1);
    ns.namespace.settings.nsupPeriod = 0;
    assertEquals(ns.write(5, [ONE], { recordTtl: 10 }).code, ResultCode.FORBIDDEN);
    assertEquals(ns.log.lines.filter((line) => line.includes("TTL sent while nsup-period is 0")).length, 1);
  });

  it("starts an expired record anew", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { recordTtl: 1 });
    ns.write(1, [ONE], { recordTtl: 1 });
    ns.clock.advance(2500);
    assertEquals(ns.read(1).code, ResultCode.NOT_FOUND);
    assertEquals(ns.run({ record: 1, info2: INFO2.WRITE | INFO2.DELETE }).code, ResultCode.NOT_FOUND);
    assertEquals(ns.write(1, [writeInteger("b", 1)], { info2: INFO2.CREATE_ONLY }).generation, 1);
    assertEquals(ns.read(1).ops, [`1:1:b=${integerHex(1)}`]);
    assertEquals(ns.namespace.store.objectCount, 1);
  });

  it("stops at the limits of namespace and set, and says why once", () => {
    const ns = new TestNamespace();
    const { settings, store } = ns.namespace;
    settings.sets.set("few", { ...defaultSet(), stopWritesCount: 1 });
    settings.sets.set("small", { ...defaultSet(), stopWritesSize: 10 });
    assertEquals(ns.write(1, [ONE], { set: "few" }).code, 0);
    assertEquals(ns.write(2, [ONE], { set: "few" }).code, ResultCode.FORBIDDEN);
    assertEquals(ns.write(1, [ONE], { set: "few" }).code, 0);
    assertEquals(ns.write(3, [ONE], { set: "small" }).code, 0);
    assertEquals(ns.write(3, [ONE], { set: "small" }).code, ResultCode.FORBIDDEN);
    store.stopWrites = true;
    for (let count = 0; count < 5; count++) assertEquals(ns.write(9, [ONE]).code, ResultCode.OUT_OF_SPACE);
    assertEquals(ns.run({ record: 1, info2: INFO2.WRITE | INFO2.DELETE }).code, 0);
    assertEquals(ns.log.lines.filter((line) => line.includes("stop-writes: answered 8")).length, 1);
    store.stopWrites = false;
    settings.disallowNullSetname = true;
    assertEquals(ns.write(10, [ONE]).code, ResultCode.PARAMETER);
  });

  it("answers OUT_OF_SPACE when data-size is used up, and works again after a removal", () => {
    const ns = new TestNamespace({ settings: { storage: { dataSize: 16 * 1024 * 1024 } } });
    const big: TestOp = [OP.WRITE, "b", PARTICLE.BLOB, "00".repeat(1_000_000)];
    let record = 0;
    while (ns.write(record, [big]).code === 0) record++;
    assertEquals(record, 16);
    assertEquals(
      ns.write(3, [big]).code,
      ResultCode.OUT_OF_SPACE,
      "an overwrite needs room before it gives some back",
    );
    assertEquals(ns.read(3).generation, 1);
    ns.run({ record: 0, info2: INFO2.WRITE | INFO2.DELETE });
    assertEquals(ns.write(3, [big]).generation, 2);
  });
});

describe("runDelete()", () => {
  it("removes the record and its counts", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { set: "s", recordTtl: 100 });
    const set = ns.namespace.store.sets.byName("s")!;
    assertEquals([set.objects, set.dataUsedBytes > 0], [1, true]);
    const remove = { record: 1, info2: INFO2.WRITE | INFO2.DELETE };
    assertEquals(ns.run({ ...remove, set: "other" }).code, ResultCode.PARAMETER);
    assertEquals(ns.run({ ...remove, info2: remove.info2 | INFO2.GENERATION, generation: 5 }).code, 3);
    assertEquals(ns.run(remove), { code: 0, generation: 0, voidTime: 0, ops: [] });
    assertEquals(ns.run(remove).code, ResultCode.NOT_FOUND);
    assertEquals([set.objects, set.dataUsedBytes, ns.namespace.store.arena.usedUnits], [0, 0, 0]);
  });

  it("leaves a tombstone when the delete is durable; a new record continues its generation", () => {
    const ns = new TestNamespace();
    const { store } = ns.namespace;
    ns.write(1, [ONE], { set: "s" });
    ns.write(1, [ONE], { set: "s" });
    assertEquals(ns.run({ record: 1, info2: INFO2.WRITE | INFO2.DELETE | INFO2.DURABLE_DELETE }).code, 0);
    assertEquals([store.tombstoneCount, store.objectCount, ns.read(1).code], [1, 0, ResultCode.NOT_FOUND]);
    assertEquals(store.sets.byName("s")!.tombstones, 1);
    assertEquals(ns.write(1, [ONE], { set: "s" }).generation, 4);
    assertEquals([store.tombstoneCount, store.objectCount, store.counts.nonExpirable], [0, 1, 1]);
  });

  it("checks the stored key", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { key: "0361" });
    assertEquals(
      ns.run({ record: 1, key: "0362", info2: INFO2.WRITE | INFO2.DELETE }).code,
      ResultCode.KEY_MISMATCH,
    );
    assertEquals(ns.run({ record: 1, key: "0361", info2: INFO2.WRITE | INFO2.DELETE }).code, 0);
  });
});

describe("runRead()", () => {
  it("answers the whole record, its header, or chosen bins", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE, [OP.WRITE, "s", PARTICLE.STRING, textHex("x")], [OP.WRITE, "t", PARTICLE.BOOL, "01"]]);
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(1)}`, "1:3:s=78", "1:17:t=01"]);
    assertEquals(ns.run({ record: 1, info1: INFO1.READ | INFO1.GET_NO_BINS }), {
      code: 0,
      generation: 1,
      voidTime: 0,
      ops: [],
    });
    const some: TestOp[] = [[OP.READ, "t"], [OP.READ, "none"], [OP.READ, "t"]];
    assertEquals(ns.run({ record: 1, info1: INFO1.READ, ops: some }).ops, ["1:17:t=01", "1:17:t=01"]);
    const all = ns.run({ record: 1, info1: INFO1.READ, info2: INFO2.RESPOND_ALL_OPS, ops: some });
    assertEquals(all.ops, ["1:17:t=01", "1:0:none=", "1:17:t=01"]);
    assertEquals(ns.run({ record: 1, info1: INFO1.READ }).code, ResultCode.PARAMETER);
    assertEquals(ns.read(2).code, ResultCode.NOT_FOUND);
    assertEquals(ns.read(1, { set: "other" }).code, ResultCode.PARAMETER);
    assertEquals(
      ns.run({ record: 1, info1: INFO1.READ, ops: [writeInteger("a", 1)] }).code,
      ResultCode.PARAMETER,
    );
  });

  it("lengthens the record's life when less than the wanted share is left", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { recordTtl: 1000 });
    ns.clock.advance(100_000);
    ns.read(1, { recordTtl: 80 });
    ns.clock.advance(0);
    assertEquals(ns.read(1).voidTime, NOW_S + 1000);
    ns.clock.advance(200_000);
    assertEquals(ns.read(1, { recordTtl: 80 }).voidTime, NOW_S + 1000, "the reply shows the state before");
    ns.clock.advance(0);
    const after = ns.read(1);
    assertEquals([after.voidTime, after.generation, after.ops.length], [NOW_S + 300 + 1000, 2, 1]);
    assertEquals(ns.namespace.stats.readTouchSuccess, 1);
    assertEquals(ns.read(1, { recordTtl: 101 }).code, ResultCode.PARAMETER);
  });

  it("finds a record until the second of its void-time is over, and reckons its share in milliseconds", () => {
    const ns = new TestNamespace();
    ns.write(1, [ONE], { recordTtl: 2 });
    ns.clock.advance(1100);
    ns.read(1, { recordTtl: 50 });
    ns.clock.advance(0);
    assertEquals(ns.read(1).voidTime, NOW_S + 3);
    ns.clock.advance(2899);
    assertEquals(ns.read(1).code, 0);
    ns.clock.advance(1);
    assertEquals(ns.read(1).code, ResultCode.NOT_FOUND);
  });
});

describe("runTransaction()", () => {
  it("refuses a reply that repeats a large bin without end", () => {
    const ns = new TestNamespace();
    ns.write(1, [[OP.WRITE, "a", PARTICLE.BLOB, "07".repeat(512 * 1024)]]);
    const ops: TestOp[] = Array.from({ length: 100 }, () => [OP.READ, "a"]);
    const tooBig = { code: ResultCode.RECORD_TOO_BIG, ops: [] };
    const { code, ops: read } = ns.run({ record: 1, info1: INFO1.READ, ops });
    assertEquals({ code, ops: read }, tooBig);
    const written = ns.run({ record: 1, info1: INFO1.READ, info2: INFO2.WRITE, ops: [...ops, ONE] });
    assertEquals({ code: written.code, ops: written.ops }, tooBig);
    assertEquals(ns.run({ record: 1, info1: INFO1.READ, ops: [[OP.READ, "a"]] }).generation, 1);
  });

  it("refuses a digest of the wrong size, and messages that neither read nor write", () => {
    const ns = new TestNamespace();
    assertEquals(ns.run({ record: 1 }).code, ResultCode.PARAMETER);
    assertEquals(
      ns.run({ record: 1, info1: INFO1.READ | INFO1.GET_ALL, fields: [[FIELD.DIGEST, "0102"]] }).code,
      4,
    );
  });
});
