/**
 * Scans of 100,000 records with one small bin, in process, slice by slice. One iteration is one whole scan.
 *
 * @module
 */

import { bin, encodeTerm, type Term } from "../record/testing.ts";
import { FIELD, INFO1 } from "../wire/mod.ts";
import { scanOf, TestQueries, type TestQuery } from "./testing.ts";

const RECORD_COUNT = 100_000;

const queries = new TestQueries();
for (let number = 0; number < RECORD_COUNT; number++) {
  queries.records.put(number, { set: number % 100 === 0 ? "rare" : "demo" });
}
function filtered(term: Term): TestQuery {
  return scanOf({ fields: [[FIELD.FILTER_EXP, encodeTerm(term)]] });
}

// The test clock stands still: frames end the slices.
const shapes: [string, TestQuery][] = [
  ["all bins", scanOf()],
  ["no bins", scanOf({ info1: INFO1.READ | INFO1.GET_NO_BINS })],
  ["one bin", scanOf({ ops: [{ op: 1, name: "b" }] })],
  ["a set with 1 % of the records", scanOf({ set: "rare" })],
  ["a filter on a bin that lets nothing through", filtered([3, bin(2, "b"), 10_000_000])],
  ["a filter on metadata that lets nothing through", filtered([5, [67], -1])],
];

for (const [name, query] of shapes) {
  Deno.bench(`scan of ${RECORD_COUNT} records, ${name}`, () => {
    const job = queries.startJob(query);
    while (queries.step(job) !== "done");
    queries.frames.length = 0;
  });
}
