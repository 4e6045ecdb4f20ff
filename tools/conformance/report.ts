/**
 * What a run of the suite found, as text.
 *
 * @module
 */

import { type Exceptions, mustPass, type Outcome, type TestResult } from "./results.ts";
import type { FileRun } from "./run.ts";

/** What a report is made of. */
export interface ReportInput {
  /** All outcomes. */
  results: readonly TestResult[];
  /** Tests that must pass and did not. */
  regressions: readonly TestResult[];
  /** Tests that need not pass. */
  exceptions: Exceptions;
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

/** The report: by area, then totals and regressions. */
export function printableReport(input: ReportInput): string {
  const { results, regressions, exceptions, runs } = input;
  const lines = [
    row(["area", "passed", "failed", "pending", "not run", "stock: passed", "failed", "pending"]),
  ];
  for (const [file, tests] of Map.groupBy(results, (test) => test.file)) {
    lines.push(countsRow(file.replace(/^test\/|\.js$/g, ""), countsOf(tests)));
  }
  lines.push(countsRow("all", countsOf(results)));
  for (const run of runs) if (run.brokenBy !== undefined) lines.push(`${run.file}: ${run.brokenBy}`);
  const secondsTotal = runs.reduce((sum, run) => sum + run.elapsedMs, 0) / 1000;
  const { outcome } = countsOf(results);
  lines.push(
    `${results.filter((test) => mustPass(test, exceptions)).length} tests must pass; ${
      secondsTotal.toFixed(0)
    } s`,
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
