import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode, utf8 } from "../base/mod.ts";
import { FIELD, INFO1, INFO2 } from "../wire/mod.ts";
import { TestNamespace, type TestRequestShape, textHex, writeInteger } from "./testing.ts";

const CHANGES: Record<string, TestRequestShape> = {
  write: { record: 1, info2: INFO2.WRITE, ops: [writeInteger("a", 2)] },
  delete: { record: 1, info2: INFO2.WRITE | INFO2.DELETE },
  function: {
    record: 1,
    info2: INFO2.WRITE,
    fields: [[FIELD.UDF_FILENAME, textHex("m")], [FIELD.UDF_FUNCTION, textHex("set")], [
      FIELD.UDF_ARGLIST,
      "90",
    ]],
  },
};

/** A namespace with one record and a function that changes it. */
function makeNamespace(): TestNamespace {
  const ns = new TestNamespace();
  ns.namespace.udf.set("m.lua", utf8("function set(rec) rec.a = 2 return aerospike:update(rec) end"));
  ns.write(1, [writeInteger("a", 1)]);
  return ns;
}

/** Result code of a change; a refusal leaves the record and counts. */
function run(ns: TestNamespace, shape: TestRequestShape): number {
  const before = ns.read(1);
  const { code } = ns.run(shape);
  if (code !== ResultCode.OK) assertEquals(ns.read(1), before, "a refusal changes nothing");
  return code;
}

describe("checkGates()", () => {
  for (const [name, shape] of Object.entries(CHANGES)) {
    it(`refuses a ${name} of a client with reject-non-xdr-writes, and takes one that another cluster ships`, () => {
      const ns = makeNamespace();
      ns.namespace.settings.rejectNonXdrWrites = true;
      assertEquals(run(ns, shape), ResultCode.FORBIDDEN);
      assertEquals(ns.namespace.stats.failXdrForbidden, 1);
      assertMatch(ns.log.lines.join("\n"), /reject-non-xdr-writes is set/);
      assertEquals(run(ns, { ...shape, info1: INFO1.XDR }), ResultCode.OK);
    });

    it(`refuses a ${name} that another cluster ships with reject-xdr-writes, and takes one of a client`, () => {
      const ns = makeNamespace();
      ns.namespace.settings.rejectXdrWrites = true;
      assertEquals(run(ns, { ...shape, info1: INFO1.XDR }), ResultCode.FORBIDDEN);
      assertEquals(run(ns, shape), ResultCode.OK);
    });

    it(`refuses a ${name} while clocks are too far apart`, () => {
      const ns = makeNamespace();
      ns.namespace.store.clockSkewStopsWrites = true;
      assertEquals(run(ns, shape), ResultCode.FORBIDDEN);
      assertMatch(ns.log.lines.join("\n"), /clocks of the cluster are too far apart/);
      ns.namespace.store.clockSkewStopsWrites = false;
      assertEquals(run(ns, shape), ResultCode.OK);
    });
  }
});
