import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { partitionId, ResultCode, toHex, utf8, writeU32LE } from "../base/mod.ts";
import { loadGeometry } from "../record/mod.ts";
import { Raw, TestMap } from "../record/testing.ts";
import { COLLECTION } from "../sindex/mod.ts";
import { LOADED, PendingDevice } from "../storage/mod.ts";
import { testDigest, TestRandom } from "../storage/testing.ts";
import { FIELD, INFO1, INFO2, INFO3, OP, PARTICLE } from "../wire/mod.ts";
import {
  createIndex,
  definitionOf,
  encodeRange,
  integersOf,
  storeRecord,
  TestGeo,
  valueOf,
} from "./index_testing.ts";
import { QUERY_KIND, QUERY_OUTCOME } from "./mod.ts";
import { digestsOf, scanOf, testDigests, TestQueries, type TestQuery } from "./testing.ts";

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Records whose bin `n` is their number, and an index of it. */
function filled(count: number, queries = new TestQueries()): TestQueries {
  createIndex(queries, "idx", definitionOf());
  for (const number of range(0, count)) storeRecord(queries, number, { set: "demo", bins: { n: number } });
  return queries;
}

function numbersOf(queries: TestQueries, query: TestQuery): number[] {
  const found = queries.query(query).filter(({ digest }) => digest !== "");
  return found.map(({ bins }) => parseInt(bins.n, 16)).sort((a, b) => a - b);
}

Deno.test("queries by index send the records in a range, with namespace, digest, set and value", () => {
  const queries = filled(200);
  const messages = queries.query(integersOf("n", [50, 59], { set: "demo" }));
  assertEquals(digestsOf(messages).sort(), testDigests(range(50, 60)));
  assertEquals(messages[0].fieldTypes, [FIELD.NAMESPACE, FIELD.DIGEST, FIELD.SET, FIELD.BVAL_ARRAY]);
  assertEquals(numbersOf(queries, integersOf("n", [-5n, 2n])), [0, 1, 2]);
  assertEquals(numbersOf(queries, integersOf("n", [-(2n ** 63n), 2n ** 63n - 1n])), range(0, 200));
  assertEquals(numbersOf(queries, integersOf("n", [5, 9], { set: "unknown" })), []);
  const { primary, secondary } = queries.jobs.stats("test");
  assertEquals(secondary.count(QUERY_KIND.LONG_BASIC, QUERY_OUTCOME.COMPLETE), 4);
  assertEquals(primary.count(QUERY_KIND.LONG_BASIC, QUERY_OUTCOME.COMPLETE), 0);
});

Deno.test("an index is ready without records that can't be read, and has them once they can, or are written", () => {
  const queries = new TestQueries();
  for (const number of range(0, 20)) storeRecord(queries, number, { bins: { n: number } });
  const { store } = queries.namespace;
  const unreadable = new Set([3, 4, 5].map((number) => toHex(testDigest(number))));
  const load = store.load.bind(store);
  store.load = (entry, waiter) => {
    const digest = new Uint8Array(20);
    entry.copyDigest(digest, 0);
    return unreadable.has(toHex(digest)) ? LOADED.FAILED : load(entry, waiter);
  };
  createIndex(queries, "idx", definitionOf());
  const found = () => numbersOf(queries, integersOf("n", [0, 19]));
  const without = (...missing: number[]) => range(0, 20).filter((number) => !missing.includes(number));
  assertEquals(found(), without(3, 4, 5));
  // What had been there before the walk tells nothing: the same value must come into the index.
  unreadable.delete(toHex(testDigest(3)));
  storeRecord(queries, 3, { bins: { n: 3 } });
  assertEquals(found(), without(4, 5));
  unreadable.delete(toHex(testDigest(4)));
  queries.records.clock.advance(6000);
  assertEquals(found(), without(5));
  unreadable.clear();
  queries.records.clock.advance(11_000);
  assertEquals(found(), range(0, 20));
  assertEquals(queries.namespace.indexes.byName("idx")!.recordCount, 20);
  assertEquals(queries.namespace.indexes.byName("idx")!.isWhole, true);
});

Deno.test("queries by index go on after value and digest, one page after the other", () => {
  const queries = new TestQueries();
  createIndex(queries, "idx", definitionOf({ binName: "l", collection: COLLECTION.LIST }));
  const random = new TestRandom(3);
  for (const number of range(0, 600)) {
    storeRecord(queries, number, { bins: { l: range(0, 3).map(() => random.below(9)), n: number } });
  }
  const type: [number, Uint8Array] = [FIELD.INDEX_TYPE, Uint8Array.of(COLLECTION.LIST)];
  const partitions = [...new Set(range(0, 600).map((number) => partitionId(testDigest(number), 0)))];
  const whole = digestsOf(queries.query(integersOf("l", [2, 6], { fields: [type], partitions })));
  assertEquals(new Set(whole).size, whole.length);
  const paged: string[] = [];
  // The last digest and value of each partition, as clients keep them.
  const last = new Map<number, { digest: string; value: Uint8Array }>();
  for (let page = 0;; page++) {
    const resumed = [...last.values()];
    const fields: [number, Uint8Array][] = [type];
    if (resumed.length > 0) {
      fields.push([FIELD.BVAL_ARRAY, Uint8Array.from(resumed.flatMap(({ value }) => [...value]))]);
    }
    const query = integersOf("l", [2, 6], {
      fields,
      partitions: partitions.filter((partition) => !last.has(partition)),
      digests: resumed.map(({ digest }) => digest),
      maxRecords: 37,
    });
    const found = queries.query(query).filter(({ digest }) => digest !== "");
    for (const { digest, fields: values } of found) {
      paged.push(digest);
      const bytes = Uint8Array.from(digest.match(/../g)!, (pair) => parseInt(pair, 16));
      last.set(partitionId(bytes, 0), { digest, value: values.get(FIELD.BVAL_ARRAY)! });
    }
    if (found.length === 0) break;
    assertGreater(100, page);
  }
  assertEquals(paged.sort(), whole.sort());
});

Deno.test("queries by index find equal texts; texts of more than 2,048 bytes are in no index", () => {
  const queries = new TestQueries();
  createIndex(queries, "idx", definitionOf({ binName: "s", type: PARTICLE.STRING }));
  storeRecord(queries, 1, { bins: { s: "apple" } });
  assertEquals(digestsOf(queries.query(valueOf("s", "apple"))), testDigests([1]));
  assertEquals(digestsOf(queries.query(valueOf("s", "appld"))), []);
  storeRecord(queries, 2, { bins: { s: "x".repeat(2048) } });
  storeRecord(queries, 3, { bins: { s: "x".repeat(2049) } });
  assertEquals(queries.namespace.indexes.byName("idx")!.tree.entryCount, 2);
  assertEquals(queries.start(valueOf("s", "x".repeat(2048))), ResultCode.PARAMETER);
});

Deno.test("queries by index find regions around a point and points in a region", async () => {
  await loadGeometry();
  const queries = new TestQueries();
  createIndex(queries, "geo", definitionOf({ binName: "g", type: PARTICLE.GEOJSON }));
  const point = (x: number, y: number) => new TestGeo(`{"type":"Point","coordinates":[${x},${y}]}`);
  const circle = (x: number, y: number, radiusM: number) =>
    new TestGeo(`{"type":"AeroCircle","coordinates":[[${x},${y}],${radiusM}]}`);
  for (const number of range(0, 100)) {
    storeRecord(queries, number, { bins: { g: point(number % 10, Math.floor(number / 10)) } });
    storeRecord(queries, number + 100, {
      bins: { g: circle(number % 10, Math.floor(number / 10), 30_000 + number) },
    });
  }
  const square = new TestGeo(
    '{"type":"Polygon","coordinates":[[[1.5,1.5],[4.5,1.5],[4.5,3.5],[1.5,3.5],[1.5,1.5]]]}',
  );
  assertEquals(digestsOf(queries.query(valueOf("g", square))).sort(), testDigests([22, 23, 24, 32, 33, 34]));
  assertEquals(digestsOf(queries.query(valueOf("g", point(3.1, 4.1)))).sort(), testDigests([143]));
  assertEquals(digestsOf(queries.query(valueOf("g", point(3.5, 4.5)))), []);
  const { geoStats } = queries.namespace.indexes;
  assertEquals([geoStats.reqs, geoStats.points], [1, 6]);
  assertEquals(queries.start(valueOf("g", new TestGeo('{"type":"LineString"}'))), ResultCode.PARAMETER);
});

Deno.test("queries by index are refused when index or range are no good", () => {
  const queries = filled(10);
  const integer = (value: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, value);
  const field = (bytes: Uint8Array, ...more: [number, Uint8Array][]): TestQuery =>
    scanOf({ fields: [[FIELD.INDEX_RANGE, bytes], ...more] });
  const good = encodeRange("n", PARTICLE.INTEGER, integer(1), integer(2));
  const named: [number, Uint8Array] = [FIELD.INDEX_NAME, utf8("idx")];
  const anonymous = encodeRange("", PARTICLE.INTEGER, integer(1), integer(2));
  const cases: [string, TestQuery, number][] = [
    ["another bin", integersOf("m", [1, 2]), ResultCode.SINDEX_NOT_FOUND],
    ["a text", valueOf("n", "x"), ResultCode.SINDEX_NOT_FOUND],
    ["another collection", field(good, [FIELD.INDEX_TYPE, Uint8Array.of(1)]), ResultCode.SINDEX_NOT_FOUND],
    ["an unknown collection", field(good, [FIELD.INDEX_TYPE, Uint8Array.of(9)]), ResultCode.SINDEX_NOT_FOUND],
    [
      "another context",
      field(good, [FIELD.INDEX_CONTEXT, Uint8Array.of(0x92, 0, 0)]),
      ResultCode.SINDEX_NOT_FOUND,
    ],
    ["an unknown name", field(anonymous, [FIELD.INDEX_NAME, utf8("none")]), ResultCode.SINDEX_NOT_FOUND],
    ["bin and name", field(good, named), ResultCode.PARAMETER],
    ["neither bin nor name", field(anonymous), ResultCode.PARAMETER],
    ["begin above end", integersOf("n", [2, 1]), ResultCode.PARAMETER],
    ["two ranges", field(Uint8Array.of(2, ...good.subarray(1))), ResultCode.PARAMETER],
    ["a float", field(encodeRange("n", PARTICLE.FLOAT, integer(1))), ResultCode.PARAMETER],
    [
      "a long bin name",
      field(encodeRange("n".repeat(16), PARTICLE.INTEGER, integer(1))),
      ResultCode.PARAMETER,
    ],
    ["short integers", field(encodeRange("n", PARTICLE.INTEGER, Uint8Array.of(1))), ResultCode.PARAMETER],
    [
      "digests without values",
      { ...integersOf("n", [1, 2]), partitions: [], digests: [toHex(testDigest(1))] },
      ResultCode.PARAMETER,
    ],
  ];
  for (let size = 0; size < good.length; size++) {
    cases.push([`cut at ${size}`, field(good.subarray(0, size)), ResultCode.PARAMETER]);
  }
  for (const [name, query, expected] of cases) assertEquals(queries.start(query), expected, name);
  assertEquals(numbersOf(queries, field(Uint8Array.of(...good, 1, 2, 3))), [1, 2], "bytes after the range");
  assertEquals(numbersOf(queries, field(anonymous, named)), [1, 2], "by name");
});

Deno.test("queries by index are refused while the index is built", () => {
  const queries = new TestQueries();
  for (const number of range(0, 50)) storeRecord(queries, number, { bins: { n: number } });
  // A slow clock has the walk leave after its first look at the time.
  queries.records.clock.readCostMs = 2;
  queries.namespace.indexes.create(definitionOf(), "idx");
  queries.records.clock.readCostMs = 0;
  assertEquals(queries.start(integersOf("n", [1, 2])), ResultCode.SINDEX_NOT_READABLE);
  createIndex(queries, "idx", definitionOf());
  assertEquals(numbersOf(queries, integersOf("n", [1, 2])), [1, 2]);
  assertEquals(queries.namespace.indexes.byName("idx")!.loadPct, 100);
});

Deno.test("background operations by index change each record of the range once, though it moves on", () => {
  for (const isPending of [false, true]) {
    const queries = filled(
      300,
      new TestQueries(isPending ? { wrapDevice: (inner, clock) => new PendingDevice(inner, clock) } : {}),
    );
    createIndex(queries, "list", definitionOf({ binName: "l", collection: COLLECTION.LIST }));
    const value = Uint8Array.of(0, 0, 0, 0, 0, 0, 3, 0xe8);
    const ops = [{ op: OP.INCR, name: "n", particleType: PARTICLE.INTEGER, value }];
    const job = { info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops, trid: 9 };
    queries.query({ ...integersOf("n", [100, 5000], job), partitions: [] });
    while (queries.jobs.activeCount > 0 && queries.records.clock.step());
    assertEquals(numbersOf(queries, integersOf("n", [0, 999])), range(0, 100));
    assertEquals(numbersOf(queries, integersOf("n", [1000, 9999])), range(1100, 1300));
    const progress = queries.jobs.find("9")!;
    assertEquals(progress.recordsSucceeded, 200);
    assertMatch(progress.describe(0), /:ns=test:sindex-name=idx:.*:job-type=background-ops:/);
    const { secondary } = queries.jobs.stats("test");
    assertEquals(secondary.count(QUERY_KIND.OPS_BACKGROUND, QUERY_OUTCOME.COMPLETE), 1);
  }
});

Deno.test("background operations by index change a record with several values once", () => {
  const queries = new TestQueries();
  createIndex(queries, "idx", definitionOf({ binName: "m", collection: COLLECTION.MAP_VALUES }));
  for (const number of range(0, 50)) {
    storeRecord(queries, number, { bins: { m: new TestMap([["a", 1], ["b", 2], ["c", number]]), n: 0 } });
  }
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1);
  const ops = [{ op: OP.INCR, name: "n", particleType: PARTICLE.INTEGER, value }];
  const fields: [number, Uint8Array][] = [[FIELD.INDEX_TYPE, Uint8Array.of(COLLECTION.MAP_VALUES)]];
  queries.query({
    ...integersOf("m", [0, 60], { info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops, fields }),
    partitions: [],
  });
  while (queries.jobs.activeCount > 0 && queries.records.clock.step());
  const numbers = queries.query(scanOf()).slice(0, -1).map(({ bins }) => parseInt(bins.n, 16));
  assertEquals(numbers, new Array(50).fill(1));
});

Deno.test("short queries, filters, limits and pauses hold for queries by index", () => {
  const queries = filled(
    300,
    new TestQueries({ wrapDevice: (inner, clock) => new PendingDevice(inner, clock) }),
  );
  assertEquals(numbersOf(queries, integersOf("n", [0, 299], { maxRecords: 7 })).length, 7);
  const short = integersOf("n", [10, 12], { info1: INFO1.READ | INFO1.SHORT_QUERY });
  assertEquals(numbersOf(queries, short), [10, 11, 12]);
  const { clock } = queries.records;
  const startMs = clock.monotonicMs();
  assertEquals(numbersOf(queries, integersOf("n", [0, 299], { recordsPerSecond: 100 })).length, 300);
  assertGreater(clock.monotonicMs() - startMs, 2500);
});

Deno.test("an index of a set has scans of the set visit its records only, in the same order", () => {
  const queries = new TestQueries();
  for (const number of range(0, 400)) queries.put(number, { set: number % 40 === 0 ? "rare" : "demo" });
  const before = digestsOf(queries.query(scanOf({ set: "rare" })));
  createIndex(queries, "sx", { kind: "set", setName: "rare" });
  assertEquals(digestsOf(queries.query(scanOf({ set: "rare" }))), before);
  for (const number of range(400, 410)) queries.put(number, { set: "rare" });
  for (const number of [0, 40]) queries.records.remove(number);
  const found = digestsOf(queries.query(scanOf({ set: "rare" }))).sort();
  const expected = [...range(2, 10).map((place) => place * 40), ...range(400, 410)];
  assertEquals(found, testDigests(expected));
  assertEquals(queries.namespace.indexes.setIndex("rare")!.tree.entryCount, expected.length);
  const rest = digestsOf(queries.query({ set: "rare", digests: [found[0]] }));
  assertEquals(rest.includes(found[0]), false);
  assertEquals(rest.every((digest) => found.includes(digest)), true);
});

Deno.test("BVAL_ARRAY holds the integer itself, little-endian", () => {
  const queries = filled(5);
  const [message] = queries.query(integersOf("n", [3, 3]));
  const wanted = new Uint8Array(8);
  writeU32LE(wanted, 0, 3);
  assertEquals(message.fields.get(FIELD.BVAL_ARRAY), wanted);
});

Deno.test("an index takes in no more GeoJSON of one record than it has time for, and says the same when asked", async () => {
  await loadGeometry();
  const queries = new TestQueries();
  createIndex(
    queries,
    "geo",
    definitionOf({ binName: "l", type: PARTICLE.GEOJSON, collection: COLLECTION.LIST }),
  );
  const text = (x: number) => `{"type":"AeroCircle","coordinates":[[${x},10],1000]}`;
  // In lists GeoJSON is a text with a byte of its own before it.
  const element = (x: number) => new Raw(Uint8Array.of(0xd9, text(x).length + 1, 23, ...utf8(text(x))));
  storeRecord(queries, 1, { bins: { l: range(0, 70).map(element) } });
  const around = (x: number) => {
    const point = new TestGeo(`{"type":"Point","coordinates":[${x},10]}`);
    const fields: [number, Uint8Array][] = [[FIELD.INDEX_TYPE, Uint8Array.of(COLLECTION.LIST)]];
    return digestsOf(queries.query(valueOf("l", point, { fields }))).length;
  };
  assertEquals([around(0), around(63), around(64)], [1, 1, 0]);
  assertEquals(queries.namespace.indexes.byName("geo")!.recordCount, 1);
});

Deno.test("queries by index end with 201 when their index is removed while they run", () => {
  const queries = filled(3000);
  queries.sliceMs = 0;
  const job = queries.startJob(integersOf("n", [0, 3000], { set: "demo" }));
  while (digestsOf(queries.messages()).length === 0) assertEquals(queries.step(job), "more");
  const { indexes } = queries.namespace;
  indexes.remove(indexes.byName("idx")!.key);
  const messages = queries.run(job);
  assertEquals(messages.map(({ resultCode, info3 }) => [resultCode, info3 & INFO3.LAST]), [[
    ResultCode.SINDEX_NOT_FOUND,
    INFO3.LAST,
  ]]);
  const { secondary } = queries.jobs.stats("test");
  assertEquals(secondary.count(QUERY_KIND.LONG_BASIC, QUERY_OUTCOME.ERROR), 1);
});

Deno.test("background operations by index end in error when their index is removed while they run", () => {
  const queries = filled(300);
  const ops = [{ op: OP.INCR, name: "n", particleType: PARTICLE.INTEGER, value: new Uint8Array(8) }];
  const job = { info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops, trid: 21, recordsPerSecond: 100 };
  queries.query({ ...integersOf("n", [0, 300], { set: "demo", ...job }), partitions: [] });
  queries.records.clock.advance(500);
  const { indexes } = queries.namespace;
  indexes.remove(indexes.byName("idx")!.key);
  queries.records.clock.advance(10_000);
  const progress = queries.jobs.find("21")!;
  assertEquals(progress.status, "done(abandoned-unknown)");
  assertGreater(300, progress.recordsSucceeded);
});
