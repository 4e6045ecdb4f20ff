/**
 * Outcomes of tests: those of the stock server, those of a run, and the list of tests that must pass.
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

/** The list in `testdata/conformance/must_pass.json`; names by file. */
export interface MustPass {
  /** Tests that must pass. */
  mustPass: Record<string, string[]>;
  /** Tests that pass on the stock server but need not here, each with its reason. */
  exceptions: Record<string, Record<string, string>>;
  /** Exceptions only for a hook around them, which must pass when such hooks do nothing. */
  withoutSetup: Record<string, string[]>;
}

/**
 * The list for a cluster: without the tests that need not pass there, which become exceptions.
 *
 * @param list of one node
 * @param exceptions by file and name, with their reasons
 */
export function exceptForClusters(list: MustPass, exceptions: MustPass["exceptions"]): MustPass {
  const keep = (names: Record<string, string[]>) =>
    Object.fromEntries(
      Object.entries(names).map(([file, all]) => [
        file,
        all.filter((name) => exceptions[file]?.[name] === undefined),
      ]),
    );
  const merged = { ...list.exceptions };
  for (const [file, names] of Object.entries(exceptions)) merged[file] = { ...merged[file], ...names };
  return { mustPass: keep(list.mustPass), exceptions: merged, withoutSetup: keep(list.withoutSetup) };
}

const TESTDATA = new URL("../../testdata/conformance/", import.meta.url);

/** Where the list of tests that must pass is. */
export const MUST_PASS_FILE: URL = new URL("must_pass.json", TESTDATA);

/** Reads the outcomes of the stock server, in file order. */
export async function readStock(): Promise<StockTest[]> {
  return JSON.parse(await Deno.readTextFile(new URL("stock-client-suite-results.json", TESTDATA)));
}

/** Reads the list of tests that must pass; an empty one when there is none yet. */
export async function readMustPass(): Promise<MustPass> {
  try {
    return JSON.parse(await Deno.readTextFile(MUST_PASS_FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { mustPass: {}, exceptions: {}, withoutSetup: {} };
    throw error;
  }
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

/**
 * Tests that did not pass and must.
 *
 * @param results of a run
 * @param names the tests that must pass, by file
 */
export function regressionsOf(results: readonly TestResult[], names: MustPass["mustPass"]): TestResult[] {
  const wanted = new Map(Object.entries(names).map(([file, list]) => [file, new Set(list)]));
  return results.filter((test) => wanted.get(test.file)?.has(test.name) && test.outcome !== "pass");
}
