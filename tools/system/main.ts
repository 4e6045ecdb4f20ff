/**
 * Runs the system tests: real processes on loopback and in network namespaces. What must be true is asserted; times are
 * printed.
 *
 * Example: `deno task test:system --only frozen`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { print } from "../print.ts";
import { failoverScenarios } from "./failover.ts";
import { failureScenarios } from "./failures.ts";
import { formationScenarios } from "./formation.ts";
import { linkScenarios } from "./links.ts";
import { upgradeScenario } from "./rolling_upgrade.ts";
import { type Scenario, Skipped } from "./scenario.ts";
import { storageScenarios } from "./storage_faults.ts";

const HELP = `Usage: deno task test:system [--only TEXT]... [--repeats N] [--kills N] [--earlier COMMAND]

Runs node processes through formation, deaths, freezes, restarts and cut links, and prints what it took.
--only      only scenarios whose name contains TEXT; can be repeated
--repeats   how often each fail-over is measured; default 3
--kills     how often a node that writes is killed; default 4
--earlier   what runs an earlier release, for the rolling upgrade, for example "deno run -A ../old/cmd/main.ts"
Exit code 1 when a scenario fails.`;

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["only", "repeats", "kills", "earlier"],
    boolean: ["help"],
    collect: ["only"],
  }) as unknown as { only?: string[]; repeats?: string; kills?: string; earlier?: string; help: boolean };
  if (args.help) {
    print(HELP);
    return 0;
  }
  const all = [
    ...formationScenarios,
    ...failureScenarios,
    ...linkScenarios,
    ...storageScenarios(Number(args.kills ?? 4)),
    upgradeScenario(args.earlier?.split(" ")),
    ...failoverScenarios(Number(args.repeats ?? 3)),
  ];
  const chosen = all.filter(({ name }) =>
    !args.only?.length || args.only.some((part) => name.includes(part))
  );
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const scenario of chosen) counts[await runOne(scenario)]++;
  print(`${counts.skipped} skipped`);
  print(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

async function runOne(scenario: Scenario): Promise<"passed" | "failed" | "skipped"> {
  const startMs = performance.now();
  const notes: string[] = [];
  const report = { note: (what: string, figure: string) => void notes.push(`      ${what}: ${figure}`) };
  let outcome: "passed" | "failed" | "skipped" = "passed";
  let why = "";
  try {
    await scenario.run(report);
  } catch (error) {
    outcome = error instanceof Skipped ? "skipped" : "failed";
    why = (error as Error).message;
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const mark = { passed: "ok     ", failed: "FAILED ", skipped: "skipped" }[outcome];
  print(`${mark} ${scenario.name} (${seconds} s)`);
  for (const note of notes) print(note);
  if (why !== "") print(why.split("\n").map((line) => `      ${line}`).join("\n"));
  return outcome;
}

if (import.meta.main) Deno.exit(await main());
