/**
 * Scans of 100,000 records with one small bin, in process, slice by slice. One iteration is one whole scan.
 *
 * @module
 */

import { INFO1 } from "../wire/mod.ts";
import { scanOf, TestQueries, type TestQuery } from "./testing.ts";

const RECORD_COUNT = 100_000;

const queries = new TestQueries();
for (let number = 0; number < RECORD_COUNT; number++) {
  queries.records.put(number, { set: number % 100 === 0 ? "rare" : "demo" });
}
// The test clock stands still: frames end the slices.
const shapes: [string, TestQuery][] = [
  ["all bins", scanOf()],
  ["no bins", scanOf({ info1: INFO1.READ | INFO1.GET_NO_BINS })],
  ["one bin", scanOf({ ops: [{ op: 1, name: "b" }] })],
  ["a set with 1 % of the records", scanOf({ set: "rare" })],
];

for (const [name, query] of shapes) {
  Deno.bench(`scan of ${RECORD_COUNT} records, ${name}`, () => {
    const job = queries.startJob(query);
    while (queries.step(job) !== "done");
    queries.frames.length = 0;
  });
}
