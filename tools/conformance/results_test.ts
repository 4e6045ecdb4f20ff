import { assertEquals } from "@std/assert";
import { CLUSTER_EXCEPTIONS } from "./exceptions.ts";
import { mustPass, readStock, regressionsOf, resultsOf, type StockTest } from "./results.ts";
import type { FileRun, ReportLine } from "./run.ts";

const file = "test/a.js";
const stock: StockTest[] = [
  { file, title: "suite one", stock: "pass" },
  { file, title: "suite twice", stock: "pass" },
  { file, title: "suite twice", stock: "pass" },
  { file, title: "suite inner three", stock: "pass" },
  { file, title: "suite four", stock: "pending" },
];

const test = (title: string, state: "pass" | "fail"): ReportLine => ({ type: "test", state, file, title });

const run: FileRun = {
  file,
  elapsedMs: 1,
  lines: [
    test("suite one", "pass"),
    test("suite twice", "pass"),
    test("suite twice", "fail"),
    { type: "hook", state: "fail", file, title: 'suite inner "before all" hook', error: "no UDF" },
    { type: "end", file, title: "" },
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

Deno.test("regressionsOf() reports tests that pass on the stock server and failed or never ran", () => {
  const names = regressionsOf(resultsOf(stock, [run]), {}).map((result) => result.name);
  assertEquals(names, ["suite twice #2", "suite inner three"]);
});

Deno.test("regressionsOf() leaves exceptions out", () => {
  const exceptions = { [file]: { "suite twice #2": "because" } };
  const names = regressionsOf(resultsOf(stock, [run]), exceptions).map((result) => result.name);
  assertEquals(names, ["suite inner three"]);
});

Deno.test("CLUSTER_EXCEPTIONS names only tests that must pass on one node", async () => {
  const results = resultsOf(
    await readStock(),
    Object.keys(CLUSTER_EXCEPTIONS).map((name) => ({ file: name, lines: [], elapsedMs: 0 })),
  );
  for (const [name, tests] of Object.entries(CLUSTER_EXCEPTIONS)) {
    const known = results.filter((result) => result.file === name && mustPass(result, {})).map((result) =>
      result.name
    );
    assertEquals(Object.keys(tests).filter((one) => !known.includes(one)), []);
  }
});
