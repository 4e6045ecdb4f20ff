import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { ResultCode, utf8 } from "../base/mod.ts";
import { FIELD, INFO1, INFO2, INFO3 } from "../wire/mod.ts";
import { KIND, ORIGIN, OUTCOME } from "../transaction/mod.ts";
import { QUERY_KIND, QUERY_OUTCOME } from "./mod.ts";
import { scanOf, type TestMessage, TestQueries, type TestQuery } from "./testing.ts";

const SOURCE = `
  function double(rec) rec.n = rec.n * 2 aerospike:update(rec) end
  function odd(rec) if rec.n % 2 == 1 then error("odd") end end
  function gone(rec) aerospike:remove(rec) end
  function count(stream)
    return stream : map(function() return 1 end) : reduce(function(a, b) return a + b end)
  end
  function even(stream, limit)
    return stream : filter(function(rec) return rec.n % 2 == 0 and rec.n < limit end)
      : map(function(rec) return rec.n end)
  end
  function sums(stream)
    local function add(m, rec) m.sum = (m.sum or 0) + rec.n m.count = (m.count or 0) + 1 return m end
    return stream : aggregate(map(), add) : reduce(function(a, b) return a end)
      : map(function() error("on the client") end)
  end
  function groups(stream) return stream : map(function(rec) return rec.n end) : groupby(function(n) return n % 2 end) end
  function broken(stream) return stream : map(function(rec) error("broken", 0) end) end
  function writes(stream) return stream : map(function(rec) aerospike:update(rec) end) end
  function none(stream) return 1 end
  function endless(stream) return stream : map(function() while true do end end) end
`;

function makeQueries(count: number): TestQueries {
  const queries = new TestQueries();
  queries.namespace.udf.set("m.lua", utf8(SOURCE));
  for (let number = 0; number < count; number++) queries.put(number, { set: "demo" });
  return queries;
}

function udf(op: number, name: string, argumentList = [0x90], changes: TestQuery = {}): TestQuery {
  const fields: [number, Uint8Array][] = [
    [FIELD.UDF_OP, Uint8Array.of(op)],
    [FIELD.UDF_FILENAME, utf8("m")],
    [FIELD.UDF_FUNCTION, utf8(name)],
    [FIELD.UDF_ARGLIST, Uint8Array.from(argumentList)],
  ];
  return { set: "demo", trid: 11, recordTtl: 0, ...changes, fields: [...fields, ...changes.fields ?? []] };
}

const background = (name: string, changes?: TestQuery) =>
  udf(2, name, [0x90], { info1: 0, info2: INFO2.WRITE, info3: 0, ...changes });
const aggregation = (name: string, argumentList?: number[]) =>
  udf(1, name, argumentList, { info1: INFO1.READ });

function finish(queries: TestQueries): void {
  while (queries.jobs.activeCount > 0 && queries.records.clock.step());
}

function results(messages: TestMessage[]): string[] {
  assertEquals(messages.at(-1)!.info3, INFO3.LAST);
  assertEquals(messages.at(-1)!.resultCode, 0);
  return messages.slice(0, -1).map(({ bins }) => bins.SUCCESS ?? `failed: ${bins.FAILURE}`);
}

const sum = (values: string[]) => values.reduce((total, value) => total + parseInt(value, 16), 0);

Deno.test("BackgroundJob answers at once, then calls a function on every record", () => {
  const queries = makeQueries(300);
  const messages = queries.query(background("double"));
  assertEquals(messages.map(({ info3, resultCode }) => [info3, resultCode]), [[INFO3.LAST, 0]]);
  finish(queries);
  const values = queries.query(scanOf()).slice(0, -1).map(({ bins }) => parseInt(bins.n, 16));
  assertEquals(values.sort((a, b) => a - b), Array.from({ length: 300 }, (_, number) => number * 2));
  const { primary } = queries.jobs.stats("test");
  assertEquals(primary.count(QUERY_KIND.UDF_BACKGROUND, QUERY_OUTCOME.COMPLETE), 1);
  assertEquals(queries.namespace.stats.count(ORIGIN.QUERY_UDF, KIND.UDF, OUTCOME.SUCCESS), 300);
  assertMatch(
    queries.jobs.find("11")!.describe(0),
    /:recs-succeeded=300:recs-failed=0:.*:job-type=background-udf:net-io-bytes=30:socket-timeout=10000:udf-filename=m:udf-function=double:udf-active=0$/,
  );
});

Deno.test("BackgroundJob counts the records on which the function failed, and may remove records", () => {
  const queries = makeQueries(10);
  queries.query(background("odd"));
  finish(queries);
  assertMatch(queries.jobs.find("11")!.describe(0), /:recs-succeeded=5:recs-failed=5:/);
  queries.query(background("gone"));
  finish(queries);
  assertEquals(queries.query(scanOf()).length, 1);
});

Deno.test("AggregationJob sends a result per partition that has records", () => {
  const queries = makeQueries(500);
  const counts = results(queries.query(aggregation("count")));
  assertEquals(sum(counts), 500);
  assertGreater(counts.length, 400);
  const { primary } = queries.jobs.stats("test");
  assertEquals(primary.count(QUERY_KIND.AGGREGATION, QUERY_OUTCOME.COMPLETE), 1);
  assertMatch(queries.jobs.find("11")!.describe(0), /:recs-succeeded=500:.*:job-type=aggregation:/);
});

Deno.test("AggregationJob filters and maps with arguments", () => {
  const queries = makeQueries(100);
  const values = results(queries.query(aggregation("even", [0x91, 10]))).map((value) => parseInt(value, 16));
  assertEquals(values.sort((a, b) => a - b), [0, 2, 4, 6, 8]);
});

Deno.test("AggregationJob runs a stream up to the first reduce, anew for each partition", () => {
  const queries = makeQueries(300);
  const maps = results(queries.query(aggregation("sums")));
  assertGreater(maps.length, 200);
  const ones = maps.filter((value) => value.includes("a603636f756e7401"));
  assertGreater(ones.length, 200, "most partitions have one record");
  assertEquals(results(queries.query(aggregation("groups"))).length, maps.length);
});

Deno.test("AggregationJob answers a failure as one message and ends", () => {
  const queries = makeQueries(20);
  const failures: [string, RegExp][] = [
    ["broken", /^broken$/],
    ["writes", /a stream function can't change records/],
    ["none", /a stream function returns a stream/],
    ["absent", /function not found/],
    ["endless", /the call was stopped/],
  ];
  for (const [name, expected] of failures) {
    const [failure, ...others] = results(queries.query(aggregation(name)));
    assertEquals(others, []);
    const hex = failure.replace("failed: ", "");
    const text = String.fromCharCode(...hex.match(/../g)!.map((pair) => parseInt(pair, 16)));
    assertMatch(text, expected);
    assertEquals(queries.jobs.activeCount, 0);
  }
});

Deno.test("planQuery() refuses functions that can't be called", () => {
  const queries = makeQueries(1);
  const code = (query: TestQuery) => queries.start(query);
  assertEquals(code(udf(3, "count")), ResultCode.PARAMETER);
  assertEquals(code(udf(1, "count", [0x92, 1])), ResultCode.PARAMETER);
  assertEquals(code(udf(1, "count", [0x90], { set: "unknown" })), ResultCode.NOT_FOUND);
  queries.namespace.service.disableUdfExecution = true;
  assertEquals(code(aggregation("count")), ResultCode.FORBIDDEN);
  assertEquals(code(background("double")), ResultCode.FORBIDDEN);
});
