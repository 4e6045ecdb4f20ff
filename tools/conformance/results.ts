/**
 * Outcomes of tests: those of the stock server, those of a run, and which of them must pass.
 *
 * @module
 */

import type { FileRun } from "./run.ts";

/** How a test came out; `missing` when it never ran because a hook failed or its process ended. */
export type Outcome = "pass" | "fail" | "pending" | "missing";

/** One test of the suite with what the stock server does. */
export interface StockTest {
  /** File. */
  file: string;
  /** Full title; some titles appear more than once in a file. */
  title: string;
  /** Outcome on the stock server. */
  stock: "pass" | "fail" | "pending";
  /** Why it is pending there. */
  why?: string;
  /** It failed there once in several runs. */
  flaky?: boolean;
}

/** One test of the suite with both outcomes. */
export interface TestResult extends StockTest {
  /** Name that is unique: the title, with `#2` and so on for repeated titles of a file. */
  name: string;
  /** Outcome of the run. */
  outcome: Outcome;
  /** Why it failed or never ran. */
  error?: string;
  /** It failed first. */
  passedAtSecondTry?: boolean;
}

const STOCK_RESULTS = new URL(
  "../../testdata/conformance/stock-client-suite-results.json",
  import.meta.url,
);

/** Reads the outcomes of the stock server, in file order. */
export async function readStock(): Promise<StockTest[]> {
  return JSON.parse(await Deno.readTextFile(STOCK_RESULTS));
}

/** Gives each test of a list a name that is unique in its file. */
export function uniqueNames(tests: readonly { file: string; title: string }[]): string[] {
  const seen = new Map<string, number>();
  return tests.map(({ file, title }) => {
    const key = `${file}\n${title}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? title : `${title} #${count}`;
  });
}

/**
 * Puts the outcomes of a run beside those of the stock server.
 *
 * @param stock the stock server's outcomes
 * @param runs one entry per file that was run; tests of other files are left out
 */
export function resultsOf(stock: readonly StockTest[], runs: readonly FileRun[]): TestResult[] {
  const byFile = new Map(runs.map((run) => [run.file, outcomesOf(run)]));
  const names = uniqueNames(stock);
  return stock.flatMap((test, index) => {
    const outcomes = byFile.get(test.file);
    if (outcomes === undefined) return [];
    const found = outcomes.tests.get(names[index]);
    const fallback = { outcome: "missing" as const, error: outcomes.brokenBy };
    return [{ ...test, name: names[index], ...(found ?? fallback) }];
  });
}

interface FileOutcomes {
  tests: Map<string, { outcome: Outcome; error?: string }>;
  brokenBy: string;
}

function outcomesOf(run: FileRun): FileOutcomes {
  const lines = run.lines.filter((line) => line.type === "test" && line.state !== undefined);
  const names = uniqueNames(lines);
  const tests = new Map(lines.map((line, index) => {
    const outcome = line.state as Outcome;
    return [names[index], line.error === undefined ? { outcome } : { outcome, error: line.error }];
  }));
  const hooks = run.lines.filter((line) => line.type === "hook" && line.state === "fail");
  const hookErrors = hooks.map((line) => `${line.title}: ${line.error}`);
  return { tests, brokenBy: [run.brokenBy, ...hookErrors].filter(Boolean).join("; ") || "never ran" };
}

/** Tests that need not pass, by file and name, with their reasons. */
export type Exceptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Whether a test must pass: it passes on the stock server and is no exception. */
export function mustPass(test: TestResult, exceptions: Exceptions): boolean {
  return test.stock === "pass" && exceptions[test.file]?.[test.name] === undefined;
}

/** Tests that did not pass and must. */
export function regressionsOf(results: readonly TestResult[], exceptions: Exceptions): TestResult[] {
  return results.filter((test) => mustPass(test, exceptions) && test.outcome !== "pass");
}
