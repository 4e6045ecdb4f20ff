import { assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { ResultCode } from "../base/mod.ts";
import { PendingDevice } from "../storage/mod.ts";
import { INFO2, INFO3, OP, PARTICLE } from "../wire/mod.ts";
import { KIND, ORIGIN, OUTCOME } from "../transaction/mod.ts";
import { QUERY_KIND, QUERY_OUTCOME } from "./mod.ts";
import { scanOf, TestQueries, type TestQuery } from "./testing.ts";

/** A background job that adds 5 to bin `n`. */
function addFive(changes: TestQuery = {}): TestQuery {
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5);
  const ops = [{ op: OP.INCR, name: "n", particleType: PARTICLE.INTEGER, value }];
  return { info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops, trid: 11, ...changes };
}

/** Values of bin `n` in ascending order. */
function values(queries: TestQueries, set: string): number[] {
  const messages = queries.query(scanOf({ set })).slice(0, -1);
  return messages.map(({ bins }) => parseInt(bins.n, 16)).sort((a, b) => a - b);
}

function finish(queries: TestQueries): number {
  const { clock } = queries.records;
  const startMs = clock.monotonicMs();
  while (queries.jobs.activeCount > 0 && clock.step());
  return clock.monotonicMs() - startMs;
}

Deno.test("BackgroundJob answers at once, then changes every record of the set", () => {
  const queries = new TestQueries();
  for (let number = 0; number < 300; number++) {
    queries.put(number, { set: number % 2 === 0 ? "demo" : "other" });
  }
  const messages = queries.query(addFive({ set: "demo" }));
  assertEquals(messages.map(({ info3, resultCode }) => [info3, resultCode]), [[INFO3.LAST, 0]]);
  assertEquals(queries.jobs.activeCount, 1);
  finish(queries);
  assertEquals(values(queries, "demo"), Array.from({ length: 150 }, (_, index) => index * 2 + 5));
  assertEquals(values(queries, "other"), Array.from({ length: 150 }, (_, index) => index * 2 + 1));
  const { primary } = queries.jobs.stats("test");
  assertEquals(primary.count(QUERY_KIND.OPS_BACKGROUND, QUERY_OUTCOME.COMPLETE), 1);
  assertEquals(queries.namespace.stats.count(ORIGIN.QUERY_OPS, KIND.WRITE, OUTCOME.SUCCESS), 150);
  assertMatch(
    queries.jobs.find("11")!.describe(queries.records.clock.monotonicMs()),
    /^trid=11:ns=test:set=demo:rps=10000:active-threads=0:status=done\(ok\):job-progress=100.00:.*:recs-succeeded=150:recs-failed=0:from=127.0.0.1\+40000:job-type=background-ops:net-io-bytes=30:socket-timeout=10000:ops-active=0$/,
  );
});

Deno.test("BackgroundJob changes lists, and a scan reads them by an operation", () => {
  const queries = new TestQueries();
  for (let number = 0; number < 3; number++) queries.put(number);
  const append = Uint8Array.of(0x92, 1, 7);
  const size = Uint8Array.of(0x91, 16);
  const { BLOB } = PARTICLE;
  queries.query(addFive({ ops: [{ op: OP.CDT_MODIFY, name: "l", particleType: BLOB, value: append }] }));
  finish(queries);
  const read = [{ op: OP.CDT_READ, name: "l", particleType: BLOB, value: size }];
  const messages = queries.query(scanOf({ ops: read })).slice(0, -1);
  assertEquals(
    messages.map(({ bins }) => bins),
    Array.from({ length: 3 }, () => ({ l: "0000000000000001" })),
  );
});

Deno.test("QueryProgress.describe() stays one item when the set's name would break it", () => {
  const queries = new TestQueries();
  queries.query(scanOf({ set: "a;b\nc", trid: 12 }));
  const text = queries.jobs.find("12")!.describe(0);
  assertMatch(text, /^trid=12:ns=test:set=a\?b\?c:[^;\n]*$/);
});

Deno.test("BackgroundJob keeps to the records per second", () => {
  const queries = new TestQueries();
  for (let number = 0; number < 100; number++) queries.put(number);
  queries.query(addFive({ recordsPerSecond: 100 }));
  const tookMs = finish(queries);
  assertGreater(tookMs, 900);
  assertLess(tookMs, 1100);
});

Deno.test("BackgroundJob writes every record once on a device that answers later", () => {
  const queries = new TestQueries({ wrapDevice: (inner, clock) => new PendingDevice(inner, clock, 1) });
  for (let number = 0; number < 100; number++) queries.put(number, { set: "demo" });
  queries.query(addFive({ set: "demo" }));
  finish(queries);
  assertEquals(values(queries, "demo"), Array.from({ length: 100 }, (_, index) => index + 5));
  assertEquals(queries.namespace.inFlight.heldCount, 0);
});

Deno.test("BackgroundJob counts records it can't change, and passes over those that are gone", () => {
  const queries = new TestQueries();
  for (let number = 0; number < 40; number++) queries.put(number, { set: "demo" });
  for (let number = 40; number < 50; number++) queries.records.put(number, { set: "demo" });
  const ops = [{ op: OP.INCR, name: "b", particleType: PARTICLE.INTEGER, value: new Uint8Array(8) }];
  queries.query(addFive({ set: "demo", ops, recordsPerSecond: 1000 }));
  queries.records.clock.advance(5);
  for (let number = 0; number < 40; number++) queries.records.remove(number);
  finish(queries);
  const progress = queries.jobs.find("11")!;
  assertEquals(progress.recordsFailed, 10);
  assertLess(progress.recordsSucceeded, 40);
  assertGreater(progress.recordsFilteredMeta, 0);
});

Deno.test("QueryRegistry.abort() stops a background job", () => {
  const queries = new TestQueries();
  for (let number = 0; number < 100; number++) queries.put(number, { set: "demo" });
  queries.query(addFive({ recordsPerSecond: 10 }));
  queries.records.clock.advance(1000);
  assertEquals(queries.jobs.abort("11"), true);
  queries.records.clock.advance(10_000);
  assertEquals(queries.records.clock.pendingCount, 0);
  const progress = queries.jobs.find("11")!;
  assertEquals(progress.status, "done(user-aborted)");
  assertLess(progress.recordsSucceeded, 13);
  assertEquals(
    queries.start(addFive({ ops: [{ op: OP.CDT_READ, name: "n" }] })),
    ResultCode.PARAMETER,
  );
});

Deno.test("BackgroundJob has no client to wait for, whatever socket timeout the client asks for", () => {
  const queries = new TestQueries();
  queries.put(1, { set: "demo" });
  queries.query(addFive({ socketTimeoutMs: 30_000 }));
  finish(queries);
  assertEquals(queries.jobs.find("11")!.identity.socketTimeoutMs, 10_000);
});
