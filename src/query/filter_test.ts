import { assertEquals } from "@std/assert";
import { bin, encodeTerm, Name, type Term } from "../record/testing.ts";
import { PendingDevice } from "../storage/mod.ts";
import { FIELD, INFO1, INFO2, OP, PARTICLE } from "../wire/mod.ts";
import { scanOf, TestQueries, type TestQuery } from "./testing.ts";

/** 200 records: the even ones in set `even`; bin `n` is the record's number. */
function filled(queries = new TestQueries()): TestQueries {
  for (let number = 0; number < 200; number++) {
    queries.put(number, { set: number % 2 === 0 ? "even" : "odd" });
  }
  return queries;
}

function filter(term: Term): TestQuery {
  return { fields: [[FIELD.FILTER_EXP, encodeTerm(term)]], trid: 5 };
}

function counts(queries: TestQueries): number[] {
  const progress = queries.jobs.find("5")!;
  return [progress.recordsSucceeded, progress.recordsFilteredMeta, progress.recordsFilteredBins];
}

/** The numbers of the records that a scan sends. */
function numbers(queries: TestQueries, query: TestQuery): number[] {
  return queries.query(scanOf(query)).slice(0, -1).map(({ bins }) => parseInt(bins.n, 16)).sort((a, b) =>
    a - b
  );
}

const IS_SMALL: Term = [5, bin(2, "n"), 10];
const IS_EVEN: Term = [1, [70], "even"];

Deno.test("ScanJob sends the records that the filter lets through, and counts the others by what told", () => {
  const queries = filled();
  assertEquals(numbers(queries, filter(IS_SMALL)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(counts(queries), [10, 0, 190]);
  assertEquals(numbers(filled(), filter([16, IS_EVEN, IS_SMALL])), [0, 2, 4, 6, 8]);
  const byFacts = filled();
  assertEquals(numbers(byFacts, filter(IS_EVEN)).length, 100);
  assertEquals(counts(byFacts), [100, 100, 0]);
});

Deno.test("ScanJob compiles its filter once", () => {
  const queries = filled();
  numbers(queries, filter(IS_SMALL));
  assertEquals(queries.namespace.scope.programs.compiledCount, 1);
});

Deno.test("ScanJob counts records after the filter against the wanted number", () => {
  const queries = filled();
  assertEquals(numbers(queries, { ...filter(IS_SMALL), maxRecords: 4 }).length, 4);
});

Deno.test("ScanJob asks a filter of bins although it sends none, and waits for their bytes", () => {
  const queries = filled(
    new TestQueries({ wrapDevice: (inner, clock) => new PendingDevice(inner, clock, 1) }),
  );
  const query = { ...filter(IS_SMALL), info1: INFO1.READ | INFO1.GET_NO_BINS };
  const messages = queries.query(scanOf(query)).slice(0, -1);
  assertEquals(messages.map(({ bins }) => Object.keys(bins).length), new Array(10).fill(0));
});

Deno.test("BackgroundJob changes the records that the filter lets through", () => {
  const queries = filled();
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0, 3, 0xe8);
  const ops = [{ op: OP.INCR, name: "n", particleType: PARTICLE.INTEGER, value }];
  const job: TestQuery = { info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops };
  queries.query({ ...job, ...filter([16, IS_EVEN, IS_SMALL]) });
  while (queries.jobs.activeCount > 0 && queries.records.clock.step());
  assertEquals(counts(queries), [5, 100, 95]);
  assertEquals(numbers(queries, filter([4, bin(2, "n"), 1000])), [1000, 1002, 1004, 1006, 1008]);
});

Deno.test("BackgroundJob writes what an expression gives", () => {
  const queries = filled();
  const value = encodeTerm([[125, new Name("n"), bin(2, "n"), [22, [124, new Name("n")], 3]], 0]);
  const ops = [{ op: OP.EXP_MODIFY, name: "n", particleType: PARTICLE.BLOB, value }];
  queries.query({ info1: 0, info2: INFO2.WRITE, info3: 0, recordTtl: 0, ops, trid: 5 });
  while (queries.jobs.activeCount > 0 && queries.records.clock.step());
  assertEquals(numbers(queries, {}).slice(0, 4), [0, 3, 6, 9]);
});
