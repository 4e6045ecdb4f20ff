/**
 * What a run of the suite found, as text, and the list of tests that must pass, made from it.
 *
 * @module
 */

import { JUDGED } from "./judged.ts";
import { type Needs, reasonFor } from "./observer.ts";
import type { MustPass, Outcome, TestResult } from "./results.ts";
import type { FileRun } from "./run.ts";

/** What a report is made of. */
export interface ReportInput {
  /** All outcomes. */
  results: readonly TestResult[];
  /** Tests that must pass and did not. */
  regressions: readonly TestResult[];
  /** The list. */
  list: MustPass;
  /** The runs of the files. */
  runs: readonly FileRun[];
}

/** Counts of one file or of all. */
interface Counts {
  total: number;
  outcome: Record<Outcome, number>;
  stock: Record<"pass" | "fail" | "pending", number>;
}

function countsOf(results: readonly TestResult[]): Counts {
  const counts: Counts = {
    total: results.length,
    outcome: { pass: 0, fail: 0, pending: 0, missing: 0 },
    stock: { pass: 0, fail: 0, pending: 0 },
  };
  for (const test of results) {
    counts.outcome[test.outcome]++;
    counts.stock[test.stock]++;
  }
  return counts;
}

/** The report: by area, then totals, regressions, and exceptions that pass already. */
export function printableReport(input: ReportInput): string {
  const { results, regressions, list, runs } = input;
  const lines = [
    row(["area", "passed", "failed", "pending", "not run", "stock: passed", "failed", "pending"]),
  ];
  for (const [file, tests] of Map.groupBy(results, (test) => test.file)) {
    lines.push(countsRow(file.replace(/^test\/|\.js$/g, ""), countsOf(tests)));
  }
  lines.push(countsRow("all", countsOf(results)));
  for (const run of runs) if (run.brokenBy !== undefined) lines.push(`${run.file}: ${run.brokenBy}`);
  const secondsTotal = runs.reduce((sum, run) => sum + run.elapsedMs, 0) / 1000;
  const early = results.filter((test) =>
    list.exceptions[test.file]?.[test.name] !== undefined && test.outcome === "pass"
  );
  const count = (names: Record<string, string[]>) => Object.values(names).flat().length;
  const { outcome } = countsOf(results);
  lines.push(
    `${early.length} exceptions pass already; ${secondsTotal.toFixed(0)} s`,
    `${count(list.mustPass)} tests must pass, and ${
      count(list.withoutSetup)
    } when hooks that need missing features ` +
      "do nothing",
    `${outcome.pass} passed, ${outcome.fail} failed, ${outcome.pending} pending, ${outcome.missing} not run`,
  );
  for (const test of results) {
    if (test.passedAtSecondTry) lines.push(`passed at the second try: ${test.file} ${test.name}`);
  }
  lines.push(regressions.length === 0 ? "no regression" : `${regressions.length} regressions:`);
  for (const test of regressions) {
    lines.push(`  ${test.file} ${test.name} (${test.outcome}): ${(test.error ?? "").split("\n")[0]}`);
  }
  return lines.join("\n");
}

function countsRow(name: string, counts: Counts): string {
  const { outcome, stock } = counts;
  const figures = [outcome.pass, outcome.fail, outcome.pending, outcome.missing];
  return row([name, ...figures.map(String), String(stock.pass), String(stock.fail), String(stock.pending)]);
}

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => index === 0 ? cell.padEnd(30) : cell.padStart(index === 5 ? 15 : 8)).join(
    " ",
  );
}

/**
 * The list of tests that must pass: all that pass on the stock server but for those that send what is missing.
 *
 * @param results of a run of the whole suite
 * @param needs by file, from the observed run
 */
export function updatedList(results: readonly TestResult[], needs: ReadonlyMap<string, Needs>): MustPass {
  const list: MustPass = { mustPass: {}, exceptions: {}, withoutSetup: {} };
  for (const test of results) {
    if (test.stock !== "pass") continue;
    const fileNeeds = needs.get(test.file);
    const seen = fileNeeds === undefined ? undefined : reasonFor(test, fileNeeds);
    const reason = JUDGED[test.file]?.[test.name] ?? seen;
    if (reason === undefined) (list.mustPass[test.file] ??= []).push(test.name);
    else (list.exceptions[test.file] ??= {})[test.name] = reason;
  }
  return list;
}

/** How the reason of an exception begins that only a hook around the test causes. */
const HOOK_REASON = "a hook around it";

/** Files with exceptions that only a hook causes. */
export function filesWithHookExceptions(list: MustPass): string[] {
  return Object.entries(list.exceptions)
    .filter(([, names]) => Object.values(names).some((reason) => reason.startsWith(HOOK_REASON)))
    .map(([file]) => file);
}

/**
 * The tests that must pass when hooks that register UDFs or create indexes do nothing: those that such a hook made an
 * exception and that send nothing missing themselves.
 *
 * @param results of a run with such hooks doing nothing
 * @param list made from a run as it is
 * @param needs by file, from the first of the two
 */
export function withoutSetupList(
  results: readonly TestResult[],
  list: MustPass,
  needs: ReadonlyMap<string, Needs>,
): MustPass["withoutSetup"] {
  const names: MustPass["withoutSetup"] = {};
  for (const test of results) {
    const fileNeeds = needs.get(test.file);
    const isHookException = list.exceptions[test.file]?.[test.name]?.startsWith(HOOK_REASON);
    if (!isHookException || fileNeeds === undefined || reasonFor(test, fileNeeds) !== undefined) continue;
    (names[test.file] ??= []).push(test.name);
  }
  return names;
}
