import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import {
  fromHex,
  partitionId,
  ResultCode,
  SESSION_OUTPUT_HIGH_WATER_BYTES,
  toHex,
  utf8,
} from "../base/mod.ts";
import { PendingDevice } from "../storage/mod.ts";
import { testDigest, TestRandom } from "../storage/testing.ts";
import { FIELD, INFO1, INFO2, INFO3, OP } from "../wire/mod.ts";
import { ALL_PARTITIONS, digestsOf, scanOf, testDigests, TestQueries } from "./testing.ts";

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Queries over `count` records of set `demo`. */
function filled(count: number, queries = new TestQueries()): TestQueries {
  for (const number of range(0, count)) queries.put(number, { set: "demo" });
  return queries;
}

const PUT_OF_REFERENCE =
  "020300000000005a1600010000000000000000000000000003e800040001000000050074657374000000050164656d6f0000001504a933ee0e" +
  "8f82c106697150d15e504f08b2b2e01d0000000402036b320000000d02020001624004000000000000";
const SCAN_OF_REFERENCE =
  "16010004000000000000ffffffff0000000000050000000000050074657374000000050164656d6f00000005090000753000000009071b8829" +
  "6fd55b3694000000030ba903";
const REPLY_OF_REFERENCE =
  "020300000000005a160000000000000000010000000000000000000400010000000500746573740000001504a933ee0e8f82c106697150d15e" +
  "504f08b2b2e01d000000050164656d6f0000000402036b320000000d01020001624004000000000000" +
  "020300000000001616000001000000000000000000000000000000000000";

Deno.test("ScanJob answers the reference's scan byte for byte", () => {
  const queries = new TestQueries();
  assertEquals(queries.write(fromHex(PUT_OF_REFERENCE)), 0);
  queries.query(fromHex(SCAN_OF_REFERENCE));
  assertEquals(queries.frames.map((frame) => toHex(frame)).join(""), REPLY_OF_REFERENCE);
});

Deno.test("ScanJob sends every record of set or namespace once", () => {
  const queries = filled(500);
  for (const number of range(500, 700)) queries.put(number, { set: "other" });
  for (const number of range(700, 750)) queries.put(number);
  const cases: [string | undefined, number[]][] = [
    [undefined, range(0, 750)],
    ["", range(0, 750)],
    ["demo", range(0, 500)],
    ["other", range(500, 700)],
    ["unknown", []],
  ];
  for (const [set, numbers] of cases) {
    const messages = queries.query(scanOf(set === undefined ? {} : { set }));
    assertEquals(digestsOf(messages).sort(), testDigests(numbers), `set ${set}`);
    const last = messages.at(-1)!;
    assertEquals([last.info3, last.resultCode, messages.length], [INFO3.LAST, 0, numbers.length + 1]);
  }
});

Deno.test("ScanJob leaves out expired and truncated records and tombstones", () => {
  const queries = filled(20);
  for (const number of range(20, 40)) queries.records.put(number, { ttlS: 10 });
  for (const number of range(40, 60)) queries.records.put(number, { tombstone: true });
  for (const number of range(60, 80)) queries.put(number, { set: "old" });
  const { store, clock } = queries.records;
  clock.advance(11_000);
  store.sets.byName("old")!.truncateLutMs = store.nowMs();
  clock.advance(10);
  queries.put(80, { set: "old" });
  assertEquals(digestsOf(queries.query(scanOf())).sort(), testDigests([...range(0, 20), 80]));
});

Deno.test("ScanJob sends fields in the stock order and keys when they are stored", () => {
  const queries = new TestQueries();
  queries.put(1, { set: "demo", key: true });
  queries.put(2, { key: true });
  queries.put(3, { set: "demo" });
  const byDigest = new Map(queries.query(scanOf()).map((message) => [message.digest, message.fieldTypes]));
  assertEquals(byDigest.get(toHex(testDigest(1))), [FIELD.NAMESPACE, FIELD.DIGEST, FIELD.SET, FIELD.KEY]);
  assertEquals(byDigest.get(toHex(testDigest(2))), [FIELD.NAMESPACE, FIELD.DIGEST, FIELD.KEY]);
  assertEquals(byDigest.get(toHex(testDigest(3))), [FIELD.NAMESPACE, FIELD.DIGEST, FIELD.SET]);
});

Deno.test("ScanJob sends headers only when bins are not wanted", () => {
  const queries = filled(10);
  queries.put(10, { key: true });
  const records = queries.query(scanOf({ info1: INFO1.READ | INFO1.GET_NO_BINS })).slice(0, -1);
  assertEquals(records.length, 11);
  for (const { info1, bins, generation } of records) {
    assertEquals([info1, bins, generation], [INFO1.GET_NO_BINS, {}, 1]);
  }
});

Deno.test("ScanJob sends the chosen bins and passes over records that have none of them", () => {
  const queries = new TestQueries();
  queries.put(1, { bins: { a: 1, b: 2, c: 3 } });
  queries.put(2, { bins: { b: 4 } });
  queries.put(3, { bins: { d: 5 } });
  const list = fromHex("02" + "01" + toHex(utf8("a")) + "01" + toHex(utf8("b")));
  const forms = [
    scanOf({ ops: [{ op: OP.READ, name: "a" }, { op: OP.READ, name: "b" }] }),
    scanOf({ fields: [[FIELD.QUERY_BINLIST, list]] }),
  ];
  for (const form of forms) {
    const bins = new Map(queries.query(form).slice(0, -1).map((message) => [message.digest, message.bins]));
    assertEquals(bins.size, 2);
    assertEquals(bins.get(toHex(testDigest(1))), { a: "0000000000000001", b: "0000000000000002" });
    assertEquals(bins.get(toHex(testDigest(2))), { b: "0000000000000004" });
  }
  const none = queries.query(scanOf({ ops: [{ op: OP.READ, name: "zz" }] }));
  assertEquals(none.length, 1);
});

Deno.test("ScanJob sends exactly the smaller of what there is and the limit", () => {
  const queries = filled(100);
  for (const limit of [1, 2, 33, 99, 100, 101, 5000]) {
    const messages = queries.query(scanOf({ set: "demo", maxRecords: limit }));
    assertEquals(new Set(digestsOf(messages)).size, Math.min(limit, 100));
    assertEquals(messages.at(-1)!.info3, INFO3.LAST);
  }
});

Deno.test("ScanJob goes on strictly after a digest, whether or not its record is there", () => {
  const queries = filled(3000);
  const byPartition = Map.groupBy(
    digestsOf(queries.query(scanOf())),
    (digest) => partitionId(fromHex(digest)),
  );
  const busiest = [...byPartition.values()].reduce((a, b) => b.length > a.length ? b : a);
  assertGreater(busiest.length, 2);
  for (let index = 0; index < busiest.length; index++) {
    assertEquals(digestsOf(queries.query({ digests: [busiest[index]] })), busiest.slice(index + 1));
  }
  const gone = range(0, 3000).find((number) => toHex(testDigest(number)) === busiest[1])!;
  queries.records.remove(gone);
  assertEquals(digestsOf(queries.query({ digests: [busiest[1]] })), busiest.slice(2));
});

Deno.test("ScanJob answers 11 for partitions that are not served here, and the rest as usual", () => {
  const queries = filled(2000);
  const lost = [0, 7, 4095];
  queries.namespace.partitions.admitQuery = (partition) =>
    lost.includes(partition) ? ResultCode.UNAVAILABLE : ResultCode.OK;
  const messages = queries.query(scanOf());
  const refused = messages.filter(({ info3 }) => info3 === INFO3.PARTITION_DONE);
  assertEquals(refused.map(({ generation }) => generation), lost);
  assert(refused.every(({ resultCode }) => resultCode === ResultCode.UNAVAILABLE));
  const served = range(0, 2000).filter((number) => !lost.includes(partitionId(testDigest(number))));
  assertEquals(digestsOf(messages).sort(), testDigests(served));
});

Deno.test("ScanJob answers 11 for a partition that is lost while it is visited; the client goes on elsewhere", () => {
  const queries = filled(2000);
  queries.sliceMs = 0;
  let isLost = false;
  queries.namespace.partitions.admitQuery = () => isLost ? ResultCode.UNAVAILABLE : ResultCode.OK;
  const partitions = range(0, 4096);
  let slices = 0;
  const messages = queries.run(queries.startJob(scanOf({ partitions })), () => isLost = ++slices >= 10);
  const refused = new Set(
    messages.filter(({ info3 }) => info3 === INFO3.PARTITION_DONE).map(({ generation }) => generation),
  );
  assertGreater(refused.size, 0);
  const sent = digestsOf(messages);
  const missing = testDigests(range(0, 2000)).filter((digest) => !sent.includes(digest));
  // What was not sent belongs to partitions that the client was told of.
  assert(missing.length > 0 && missing.every((digest) => refused.has(partitionId(fromHex(digest), 0))));
});

Deno.test("ScanJob asks for whole partitions, but for short queries and where the client relaxes it", () => {
  const queries = filled(10);
  const asked: boolean[] = [];
  queries.namespace.partitions.admitQuery = (_, isRelaxed) => {
    asked.push(isRelaxed);
    return ResultCode.OK;
  };
  const partitions = [1];
  queries.query(scanOf({ partitions }));
  queries.query(scanOf({ partitions, info2: INFO2.RELAX_AP_LONG_QUERY }));
  queries.query(scanOf({ partitions, info1: INFO1.READ | INFO1.SHORT_QUERY }));
  assertEquals(asked, [false, true, true]);
});

/** Adds and removes records other than the first `stableCount`. */
function churn(queries: TestQueries, random: TestRandom, stableCount: number): void {
  for (let count = random.below(4); count > 0; count--) {
    const number = stableCount + random.below(300);
    if (!queries.records.remove(number)) queries.put(number);
  }
}

Deno.test("ScanJob sends stable records exactly once when others come and go between slices", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const queries = filled(400);
    const random = new TestRandom(seed);
    queries.records.clock.readCostMs = 0.2;
    queries.stepCount = 0;
    const messages = queries.run(queries.startJob(scanOf()), () => churn(queries, random, 400));
    assertGreater(queries.stepCount, 20);
    expectStable(digestsOf(messages), 400);
  }
});

Deno.test("ScanJob sends stable records exactly once over random pages while others come and go", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const queries = filled(400);
    const random = new TestRandom(seed);
    const after = new Map<number, string>();
    const seen: string[] = [];
    for (let page = 0;; page++) {
      assertLess(page, 400);
      const maxRecords = 1 + random.below(60);
      const whole = ALL_PARTITIONS.filter((pid) => !after.has(pid));
      const digests = digestsOf(
        queries.query({ partitions: whole, digests: [...after.values()], maxRecords }),
      );
      for (const digest of digests) after.set(partitionId(fromHex(digest)), digest);
      seen.push(...digests);
      if (digests.length < maxRecords) break;
      churn(queries, random, 400);
    }
    expectStable(seen, 400);
  }
});

/** No digest twice, and all of the first `stableCount` records. */
function expectStable(seen: string[], stableCount: number): void {
  assertEquals(new Set(seen).size, seen.length);
  const stable = testDigests(range(0, stableCount));
  const found = new Set(seen);
  assertEquals(stable.filter((digest) => !found.has(digest)), []);
}

Deno.test("ScanJob waits for each record's bytes on a device that answers later", () => {
  let device: PendingDevice | undefined;
  const queries = filled(
    0,
    new TestQueries({ wrapDevice: (inner, clock) => device = new PendingDevice(inner, clock, 2) }),
  );
  for (const number of range(0, 200)) queries.records.put(number);
  const random = new TestRandom(3);
  const churnRecords = () => {
    const number = 200 + random.below(50);
    if (!queries.records.remove(number)) queries.records.put(number);
  };
  const messages = queries.run(queries.startJob(scanOf()), churnRecords);
  assertGreater(device!.pendingCount, 199);
  expectStable(digestsOf(messages), 200);
});

Deno.test("ScanJob keeps to the records per second, and to one timer per record at most", () => {
  const queries = filled(100);
  const { clock } = queries.records;
  queries.stepCount = 0;
  const startMs = clock.monotonicMs();
  const messages = queries.query(scanOf({ recordsPerSecond: 50 }));
  const tookMs = clock.monotonicMs() - startMs;
  assertEquals(digestsOf(messages).length, 100);
  assertGreater(tookMs, 1900);
  assertLess(tookMs, 2200);
  assertLess(queries.stepCount, 103);
});

Deno.test("ScanJob ends its slice soon after the deadline, and its frame at 128 KiB", () => {
  const queries = filled(2000);
  queries.sliceMs = 0;
  const job = queries.startJob(scanOf());
  queries.frames.length = 0;
  let most = 0;
  for (let before = 0; queries.step(job) !== "done";) {
    const count = digestsOf(queries.messages()).length;
    most = Math.max(most, count - before);
    before = count;
  }
  assertLess(most, 30);

  for (const number of range(0, 300)) queries.records.put(number, { sizeBytes: 3000 });
  queries.sliceMs = 1000;
  const second = queries.startJob(scanOf());
  let largest = 0;
  for (let outcome = ""; outcome !== "done";) {
    outcome = queries.step(second);
    largest = Math.max(largest, queries.stepSizeBytes);
  }
  assertGreater(largest, 128 * 1024);
  assertLess(largest, 128 * 1024 + 4000);
});

Deno.test("ScanJob gives up a client that takes nothing for the socket timeout, and only then", () => {
  const queries = filled(2000);
  const { clock } = queries.records;
  queries.sliceMs = 0;
  const job = queries.startJob(scanOf({ socketTimeoutMs: 1000, trid: 5 }));
  for (let count = 0; count < 3; count++) {
    assertEquals(queries.step(job), "more");
    clock.advance(900);
  }
  assertEquals(queries.closeCount, 0);
  assertEquals(queries.step(job), "more");
  clock.advance(2000);
  assertEquals(queries.closeCount, 1);
  job.cancel();
  assertEquals(queries.jobs.find("5")?.status, "done(abandoned-response-timeout)");
  assertEquals(queries.jobs.stats("test").primary.count(1, 1), 1);
  assertEquals(clock.pendingCount, 0);
});

Deno.test("ScanJob adds nothing to replies beyond the high-water mark, however often it is woken", () => {
  const queries = filled(0);
  for (const number of range(0, 1000)) queries.records.put(number, { sizeBytes: 4000 });
  queries.clientReads = false;
  const job = queries.startJob(scanOf());
  for (let count = 0; count < 1000; count++) assertEquals(queries.step(job), "more");
  assertGreater(queries.stepSizeBytes, SESSION_OUTPUT_HIGH_WATER_BYTES);
  assertLess(queries.stepSizeBytes, SESSION_OUTPUT_HIGH_WATER_BYTES + 150 * 1024);
  queries.clientReads = true;
  assertEquals(digestsOf(queries.run(job)).sort(), testDigests(range(0, 1000)));
});

Deno.test("ScanJob of a short query joins the end to its records and is not listed", () => {
  const queries = filled(50);
  const job = queries.startJob(scanOf({ info1: INFO1.READ | INFO1.SHORT_QUERY, trid: 9 }));
  assertEquals([queries.jobs.list().length, queries.jobs.activeShortCount], [0, 1]);
  const messages = queries.run(job);
  assertEquals([messages.length, messages[50].info3, queries.jobs.activeShortCount], [51, INFO3.LAST, 0]);
  assertEquals(queries.frames.length, 1);
  assertEquals(Number(BigInt(`0x${toHex(queries.frames[0], 2, 8)}`)), queries.frames[0].length - 8);
  assertEquals(queries.jobs.list(), []);
});

Deno.test("ScanJob of a short query answers 9 when its time is over", () => {
  const queries = filled(2000);
  queries.sliceMs = 0;
  const job = queries.startJob(scanOf({ info1: INFO1.READ | INFO1.SHORT_QUERY, transactionTtlMs: 30 }));
  const messages = queries.run(job, () => queries.records.clock.advance(10));
  assertEquals(messages.at(-1)!.resultCode, ResultCode.TIMEOUT);
  assertLess(messages.length, 1000);
  assertEquals(queries.jobs.stats("test").primary.count(0, 3), 1);
});
