import { assertEquals } from "@std/assert";
import { needsOf, reasonFor } from "./observer.ts";
import { updatedList } from "./report.ts";
import { CLUSTER_EXCEPTIONS } from "./judged.ts";
import { exceptForClusters, readMustPass, regressionsOf, resultsOf, type StockTest } from "./results.ts";
import type { FileRun, ReportLine } from "./run.ts";

const file = "test/a.js";
const stock: StockTest[] = [
  { file, title: "suite one", stock: "pass" },
  { file, title: "suite twice", stock: "pass" },
  { file, title: "suite twice", stock: "pass" },
  { file, title: "suite inner three", stock: "pass" },
  { file, title: "suite four", stock: "pending" },
];

const test = (title: string, state: "pass" | "fail", startMs: number): ReportLine => ({
  type: "test",
  state,
  file,
  title,
  suite: "suite",
  startMs,
  endMs: startMs + 10,
});

const hook = (suite: string, startMs: number): ReportLine => ({
  type: "hook",
  file,
  title: `${suite} "before all" hook`,
  suite,
  startMs,
  endMs: startMs + 10,
});

const run: FileRun = {
  file,
  elapsedMs: 1,
  lines: [
    test("suite one", "pass", 100),
    test("suite twice", "pass", 200),
    test("suite twice", "fail", 300),
    { ...hook("suite inner", 400), state: "fail", error: "no UDF" },
    { type: "end", file, title: "", suite: "", endMs: 500 },
  ],
};

Deno.test("resultsOf() pairs repeated titles in order and names why a test never ran", () => {
  const results = resultsOf(stock, [run]);
  assertEquals(results.map((result) => [result.name, result.outcome]), [
    ["suite one", "pass"],
    ["suite twice", "pass"],
    ["suite twice #2", "fail"],
    ["suite inner three", "missing"],
    ["suite four", "missing"],
  ]);
  assertEquals(results[3].error, 'suite inner "before all" hook: no UDF');
});

Deno.test("regressionsOf() reports listed tests that failed or never ran", () => {
  const results = resultsOf(stock, [run]);
  const list = { [file]: ["suite one", "suite twice #2", "suite inner three"] };
  const names = regressionsOf(results, list).map((result) => result.name);
  assertEquals(names, ["suite twice #2", "suite inner three"]);
});

Deno.test("updatedList() makes an exception of a test only when it or a hook around it sent what is missing", () => {
  const needs = needsOf(run.lines, [
    { atMs: 205, feature: "background query" },
    { atMs: 250, feature: "background query" },
    { atMs: 405, feature: "background query" },
  ]);
  const list = updatedList(resultsOf(stock, [run]), new Map([[file, needs]]));
  assertEquals(list.mustPass, { [file]: ["suite one"] });
  assertEquals(list.exceptions[file], {
    "suite twice": "uses background query",
    "suite twice #2": "uses background query",
    "suite inner three": "a hook around it uses background query",
  });
});

Deno.test("reasonFor() does not take a suite for another whose title it begins with", () => {
  const needs = { tests: new Map(), suites: new Map([["suite", new Set(["background query" as const])]]) };
  assertEquals(reasonFor({ title: "suites other", outcome: "fail" }, needs), undefined);
  assertEquals(
    reasonFor({ title: "suite other", outcome: "missing" }, needs),
    "a hook around it uses background query",
  );
  assertEquals(reasonFor({ title: "suite other", outcome: "pass" }, needs), undefined);
});

Deno.test("exceptForClusters() makes exceptions of the named tests and keeps the others", () => {
  const list = {
    mustPass: { [file]: ["one", "two"] },
    exceptions: {},
    withoutSetup: { [file]: ["one", "three"] },
  };
  assertEquals(exceptForClusters(list, { [file]: { one: "because" } }), {
    mustPass: { [file]: ["two"] },
    exceptions: { [file]: { one: "because" } },
    withoutSetup: { [file]: ["three"] },
  });
});

Deno.test("CLUSTER_EXCEPTIONS names only tests that must pass on one node", async () => {
  const { mustPass, withoutSetup } = await readMustPass();
  for (const [name, tests] of Object.entries(CLUSTER_EXCEPTIONS)) {
    const known = [...mustPass[name] ?? [], ...withoutSetup[name] ?? []];
    assertEquals(Object.keys(tests).filter((one) => !known.includes(one)), []);
  }
});
