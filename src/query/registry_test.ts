import { assertEquals, assertMatch } from "@std/assert";
import { ResultCode, utf8 } from "../base/mod.ts";
import { FIELD, INFO1, INFO2, INFO3, OP } from "../wire/mod.ts";
import { QUERY_KIND, QUERY_OUTCOME } from "./mod.ts";
import { ALL_PARTITIONS, digestsOf, scanOf, TestQueries, type TestQuery } from "./testing.ts";

function filled(count: number): TestQueries {
  const queries = new TestQueries();
  for (let number = 0; number < count; number++) queries.put(number, { set: "demo" });
  return queries;
}

const { PARAMETER, UNSUPPORTED_FEATURE, SINDEX_NOT_FOUND, NOT_FOUND, ENTERPRISE_ONLY } = ResultCode;
const INTEGER_RANGE = "01" + "0162" + "01" + "00000008" + "0000000000000001" + "00000008" +
  "0000000000000064";
const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

Deno.test("startQuery refuses what can't be served, with the stock server's codes", () => {
  const digest = "00".repeat(20);
  const refused: [string, TestQuery, number][] = [
    ["partition results not understood", scanOf({ info3: 0 }), UNSUPPORTED_FEATURE],
    ["no partitions", {}, UNSUPPORTED_FEATURE],
    ["partition out of range", { partitions: [4096] }, PARAMETER],
    ["partition twice", { partitions: [1, 2, 1] }, PARAMETER],
    ["partition of a digest twice", { partitions: [0], digests: [digest] }, PARAMETER],
    ["digests cut", { fields: [[FIELD.DIGEST_ARRAY, new Uint8Array(19)]] }, PARAMETER],
    ["partitions cut", { fields: [[FIELD.PID_ARRAY, new Uint8Array(3)]] }, PARAMETER],
    ["no partition", { fields: [[FIELD.PID_ARRAY, new Uint8Array(0)]] }, PARAMETER],
    ["too many partitions", { partitions: [...ALL_PARTITIONS, 0] }, PARAMETER],
    ["values without digests", scanOf({ fields: [[FIELD.BVAL_ARRAY, new Uint8Array(8)]] }), PARAMETER],
    ["task id's size", scanOf({ fields: [[FIELD.TRID, new Uint8Array(4)]] }), PARAMETER],
    ["socket timeout's size", scanOf({ fields: [[FIELD.SOCKET_TIMEOUT, new Uint8Array(8)]] }), PARAMETER],
    ["rate's size", scanOf({ fields: [[FIELD.RECS_PER_SEC, new Uint8Array(3)]] }), PARAMETER],
    ["limit's size", scanOf({ fields: [[FIELD.SAMPLE_MAX, new Uint8Array(4)]] }), PARAMETER],
    ["set's name", scanOf({ set: "s".repeat(64) }), PARAMETER],
    ["short and rate", scanOf({ info1: INFO1.READ | INFO1.SHORT_QUERY, recordsPerSecond: 5 }), PARAMETER],
    ["operations and bin list", {
      ...scanOf({ ops: [{ op: OP.READ, name: "a" }] }),
      fields: [[FIELD.QUERY_BINLIST, hex("010161")]],
    }, PARAMETER],
    ["bin list cut", scanOf({ fields: [[FIELD.QUERY_BINLIST, hex("020161")]] }), PARAMETER],
    ["write as projection", scanOf({ ops: [{ op: OP.WRITE, name: "a" }] }), PARAMETER],
    ["list change as projection", scanOf({ ops: [{ op: OP.CDT_MODIFY, name: "a" }] }), PARAMETER],
    ["filter that is no bool", scanOf({ fields: [[FIELD.FILTER_EXP, hex("01")]] }), PARAMETER],
    ["transaction", scanOf({ fields: [[FIELD.MRT_ID, new Uint8Array(8)]] }), ENTERPRISE_ONLY],
    ["index by range", scanOf({ fields: [[FIELD.INDEX_RANGE, hex(INTEGER_RANGE)]] }), SINDEX_NOT_FOUND],
    ["index range cut", scanOf({ fields: [[FIELD.INDEX_RANGE, hex(INTEGER_RANGE.slice(2))]] }), PARAMETER],
    ["name and context", {
      ...scanOf(),
      fields: [[FIELD.INDEX_NAME, utf8("i")], [FIELD.INDEX_RANGE, hex(INTEGER_RANGE)], [
        FIELD.INDEX_CONTEXT,
        hex("90"),
      ]],
    }, PARAMETER],
    ["UDF without kind", { fields: [[FIELD.UDF_FILENAME, utf8("m")]] }, PARAMETER],
    [
      "UDF of unknown kind",
      { fields: [[FIELD.UDF_FILENAME, utf8("m")], [FIELD.UDF_OP, hex("03")]] },
      PARAMETER,
    ],
    [
      "aggregation without a function",
      { fields: [[FIELD.UDF_FILENAME, utf8("m")], [FIELD.UDF_OP, hex("01")]] },
      PARAMETER,
    ],
    ["background UDF over an unknown set", {
      set: "nope",
      fields: [[FIELD.UDF_FILENAME, utf8("m")], [FIELD.UDF_OP, hex("02")]],
    }, NOT_FOUND],
    ["background job over an unknown set and without its index", {
      info1: 0,
      info2: INFO2.WRITE,
      set: "nope",
      fields: [[FIELD.INDEX_RANGE, hex(INTEGER_RANGE)]],
      ops: [{ op: OP.TOUCH }],
    }, NOT_FOUND],
    ["background job over an unknown set", {
      info1: 0,
      info2: INFO2.WRITE,
      set: "nope",
      ops: [{ op: OP.TOUCH }],
    }, NOT_FOUND],
    ["background job without operations", { info1: 0, info2: INFO2.WRITE }, PARAMETER],
    ["background read", { info1: 0, info2: INFO2.WRITE, ops: [{ op: OP.READ, name: "a" }] }, PARAMETER],
    ["background job too fast", {
      info1: 0,
      info2: INFO2.WRITE,
      recordsPerSecond: 10_001,
      ops: [{ op: OP.TOUCH }],
    }, PARAMETER],
  ];
  const queries = filled(1);
  for (const [what, query, code] of refused) assertEquals(queries.start(query), code, what);
  assertEquals(queries.jobs.list(), []);
});

Deno.test("startQuery refuses a task id that runs, and more queries than query-threads-limit", () => {
  const queries = filled(10);
  queries.namespace.service.queryThreadsLimit = 2;
  const job = queries.startJob(scanOf({ trid: 7 }));
  assertEquals(queries.start(scanOf({ trid: 7 })), ResultCode.PARAMETER);
  queries.startJob(scanOf());
  assertEquals(queries.start(scanOf()), ResultCode.FORBIDDEN);
  assertEquals(digestsOf(queries.run(job)).length, 10);
  assertEquals(digestsOf(queries.query(scanOf({ trid: 7 }))).length, 10);
});

Deno.test("QueryRegistry.list() prints what query-show prints", () => {
  const queries = filled(10);
  const { clock } = queries.records;
  const job = queries.startJob(
    scanOf({ trid: 77, set: "demo", socketTimeoutMs: 30000, recordsPerSecond: 5000 }),
  );
  clock.advance(12);
  const active = queries.jobs.list().map((progress) => progress.describe(clock.monotonicMs()));
  assertEquals(active, [
    "trid=77:ns=test:set=demo:n-pids-requested=4096:n-keyds-requested=0:rps=5000:active-threads=1:status=active(ok):" +
    "job-progress=0.00:run-time=12:time-since-done=0:recs-throttled=0:recs-filtered-meta=0:recs-filtered-bins=0:" +
    "recs-succeeded=0:recs-failed=0:from=127.0.0.1+40000:job-type=basic:net-io-bytes=0:net-io-time=0:" +
    "socket-timeout=30000",
  ]);
  queries.run(job);
  clock.advance(500);
  const done = queries.jobs.find("77")!.describe(clock.monotonicMs());
  assertMatch(
    done,
    /status=done\(ok\):job-progress=100.00:run-time=12:time-since-done=500:recs-throttled=10:/,
  );
  assertMatch(done, /recs-succeeded=10:recs-failed=0:.*:net-io-bytes=[1-9]/);
});

Deno.test("QueryRegistry.finish() keeps the last query-max-done queries", () => {
  const queries = filled(1);
  queries.namespace.service.queryMaxDone = 3;
  for (let trid = 1; trid <= 5; trid++) queries.query(scanOf({ trid }));
  assertEquals(queries.jobs.list().map(({ identity }) => identity.trid), ["3", "4", "5"]);
  assertEquals(queries.jobs.find("2"), undefined);
  assertEquals(queries.jobs.stats("test").primary.count(QUERY_KIND.LONG_BASIC, QUERY_OUTCOME.COMPLETE), 5);
  const entries = new Map(queries.jobs.stats("test").entries());
  assertEquals(entries.get("pi_query_long_basic_complete"), 5);
  assertEquals(entries.size, 30);
});

Deno.test("QueryRegistry.abort() ends a scan with 15, also one that waits", () => {
  const queries = filled(100);
  const job = queries.startJob(scanOf({ trid: 3, recordsPerSecond: 1 }));
  assertEquals(queries.jobs.abort("4"), false);
  let aborted = false;
  const messages = queries.run(job, () => {
    if (!aborted) aborted = queries.jobs.abort("3");
  });
  const last = messages.at(-1)!;
  assertEquals([last.info3, last.resultCode], [INFO3.LAST, ResultCode.QUERY_ABORT]);
  assertEquals(messages.length < 5, true);
  assertEquals(queries.jobs.find("3")!.status, "done(user-aborted)");
  assertEquals(queries.jobs.abort("3"), false);
  assertEquals(queries.jobs.stats("test").primary.count(QUERY_KIND.LONG_BASIC, QUERY_OUTCOME.ABORT), 1);
});

Deno.test("QueryRegistry.abortAll() ends all queries that run, and cancel() the query of a lost connection", () => {
  const queries = filled(10);
  const first = queries.startJob(scanOf({ trid: 1 }));
  const second = queries.startJob(scanOf({ trid: 2 }));
  const lost = queries.startJob(scanOf({ trid: 3 }));
  lost.cancel();
  assertEquals(queries.jobs.find("3")!.status, "done(abandoned-response-error)");
  assertEquals(queries.jobs.abortAll(), 2);
  assertEquals(queries.jobs.activeCount, 0);
  for (const job of [first, second]) {
    assertEquals(queries.run(job).at(-1)!.resultCode, ResultCode.QUERY_ABORT);
  }
  queries.records.clock.advance(1000);
  assertEquals(queries.records.clock.pendingCount, 0);
});
