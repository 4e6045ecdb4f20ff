/**
 * `deno task bench`: measures aerie, prints a report, and with `--json FILE` writes the figures.
 *
 * @module
 */

import { resolve } from "node:path";
import { parseArgs } from "@std/cli/parse-args";
import { print } from "../tools/print.ts";
import type { MacroOptions } from "./macro.ts";
import type { BenchOptions } from "./part.ts";
import { PARTS } from "./parts.ts";
import { machineLine } from "./report.ts";
import { WORKLOADS } from "./workloads.ts";

const HELP = `deno task bench: measure aerie

  --quick               everything once and short: shows that the benchmarks work, not how fast aerie is
  --only PART,...       ${PARTS.map(({ name }) => name).join(", ")} (default: all)
  --workload NAME,...   ${WORKLOADS.map(({ name }) => name).join(", ")} (default: all)
  --connections N,...   numbers of connections of the macro part (default 1,8,32,128)
  --rounds N            turns of each server; the middle one counts (default 3)
  --seconds N           measuring time of a turn (default 1.5)
  --loaders N           processes that generate load (default: cores less one, at most 4)
  --records N           records of the restart part (default 1000000)
  --nodes N,...         sizes of the idle clusters of the heartbeat part (default 3,8,32)
  --executable PATH     run this instead of the sources in the parts with processes
  --json FILE           write all figures

Example
  deno task bench --only macro --workload get,put --connections 32`;

function list(text: string | undefined): string[] | undefined {
  return text?.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

/** A wrong use of the command line; the message says what is right. */
class UsageError extends Error {}

function positive(text: string | undefined, flag: string, standard: number): number {
  if (text === undefined) return standard;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${flag} "${text}": expected a number above 0`);
  return value;
}

function chosen(words: string[] | undefined, known: readonly string[], flag: string): readonly string[] {
  const wrong = words?.find((word) => !known.includes(word));
  if (wrong !== undefined) throw new UsageError(`--${flag} "${wrong}": expected some of ${known.join(", ")}`);
  return words ?? known;
}

function readArguments(args: string[]) {
  const flags = parseArgs(args, {
    boolean: ["quick", "help"],
    string: [
      "only",
      "workload",
      "connections",
      "rounds",
      "seconds",
      "loaders",
      "nodes",
      "records",
      "executable",
      "json",
    ],
    unknown: (word: string) => {
      throw new UsageError(`unknown option "${word}"`);
    },
  });
  const quick = flags.quick;
  // Nodes are started in directories of their own.
  const executable = flags.executable === undefined ? undefined : resolve(flags.executable);
  const names = chosen(list(flags.workload), WORKLOADS.map(({ name }) => name), "workload");
  const macro: MacroOptions = {
    workloads: WORKLOADS.filter(({ name }) => names.includes(name)),
    connectionCounts: (list(flags.connections) ?? (quick ? ["4"] : ["1", "8", "32", "128"]))
      .map((text) => Math.ceil(positive(text, "connections", 1))),
    roundCount: Math.ceil(positive(flags.rounds, "rounds", quick ? 1 : 3)),
    runMs: positive(flags.seconds, "seconds", quick ? 0.1 : 1.5) * 1000,
    warmUpMs: quick ? 20 : 500,
    recordCount: quick ? 100 : 10_000,
    loaderCount: Math.ceil(
      positive(flags.loaders, "loaders", Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1))),
    ),
    ...(executable === undefined ? {} : { executable }),
  };
  const only = chosen(list(flags.only), PARTS.map(({ name }) => name), "only");
  const nodeCounts = (list(flags.nodes) ?? (quick ? ["3"] : ["3", "8", "32"]))
    .map((text) => Math.ceil(positive(text, "nodes", 1)));
  const options: BenchOptions = {
    quick,
    macro,
    nodeCounts,
    ...(flags.records === undefined ? {} : { recordCount: Math.ceil(positive(flags.records, "records", 1)) }),
    ...(executable === undefined ? {} : { executable }),
  };
  return {
    help: flags.help,
    parts: PARTS.filter(({ name }) => only.includes(name)),
    options,
    json: flags.json,
  };
}

async function main(args: string[]): Promise<number> {
  try {
    const { help, parts, options, json } = readArguments(args);
    if (help) {
      print(HELP);
      return 0;
    }
    const report: Record<string, unknown> = { quick: options.quick, machine: machineLine() };
    print(machineLine());
    for (const part of parts) {
      print(`\n${part.heading(options)}`);
      report[part.name] = await part.run(options, print);
    }
    if (json !== undefined) await Deno.writeTextFile(json, JSON.stringify(report, undefined, 2) + "\n");
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(`deno task bench: ${error.message}\n\n${HELP}`);
    return 2;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
