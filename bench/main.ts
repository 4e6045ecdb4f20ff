/**
 * `deno task bench`: measures aerie, prints a report, and with `--json FILE` writes the figures.
 *
 * @module
 */

import { resolve } from "node:path";
import { parseArgs } from "@std/cli/parse-args";
import { print } from "../tools/print.ts";
import { type DataModelOptions, type DataModelResult, runDataModel } from "./data_model.ts";
import { type MacroOptions, type MacroResult, runMacro } from "./macro.ts";
import { type MicroOptions, type MicroResult, runMicro } from "./micro.ts";
import {
  dataPrinter,
  interferenceLine,
  machineLine,
  macroHeading,
  macroLines,
  microLine,
  startLine,
} from "./report.ts";
import {
  type InterferenceOptions,
  type InterferenceResult,
  measureInterference,
} from "./scan_interference.ts";
import { measureStart, type StartResult } from "./start_time.ts";
import { WORKLOADS } from "./workloads.ts";

const HELP = `deno task bench: measure aerie

  --quick               everything once and short: shows that the benchmarks work, not how fast aerie is
  --only PART,...       micro, data, macro, scan, start (default: all)
  --workload NAME,...   ${WORKLOADS.map(({ name }) => name).join(", ")} (default: all)
  --connections N,...   numbers of connections of the macro part (default 1,8,32,128)
  --rounds N            turns of each server; the middle one counts (default 3)
  --seconds N           measuring time of a turn (default 1.5)
  --loaders N           processes that generate load (default: cores less one, at most 4)
  --executable PATH     run this instead of the sources in the macro and start parts
  --json FILE           write all figures

Example
  deno task bench --only macro --workload get,put --connections 32`;

const PARTS = ["micro", "data", "macro", "scan", "start"];

/** Everything that was measured. */
interface Report {
  quick: boolean;
  machine: string;
  micro?: MicroResult[];
  data?: DataModelResult[];
  macro?: MacroResult[];
  scan?: InterferenceResult;
  start?: StartResult[];
}

const MICRO: MicroOptions = {
  sampleMs: 200,
  sampleCount: 5,
  indexEntryCounts: [100_000, 1_000_000],
  recordCount: 100_000,
};
const MICRO_QUICK: MicroOptions = {
  sampleMs: 2,
  sampleCount: 1,
  indexEntryCounts: [1000],
  recordCount: 1000,
};

const DATA: DataModelOptions = {
  sampleMs: 200,
  sampleCount: 3,
  elementCounts: [10, 1000, 100_000],
  scanRecordCount: 100_000,
};
const DATA_QUICK: DataModelOptions = {
  sampleMs: 2,
  sampleCount: 1,
  elementCounts: [10, 1000],
  scanRecordCount: 1000,
};

const SCAN: InterferenceOptions = { recordCount: 1_000_000, connectionCount: 8, roundCount: 3, runMs: 2000 };
const SCAN_QUICK: InterferenceOptions = { recordCount: 1000, connectionCount: 2, roundCount: 1, runMs: 100 };

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
    string: ["only", "workload", "connections", "rounds", "seconds", "loaders", "executable", "json"],
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
  const parts = chosen(list(flags.only), PARTS, "only");
  return { help: flags.help, quick, parts, macro, executable, json: flags.json };
}

async function runAll(options: ReturnType<typeof readArguments>): Promise<Report> {
  const { quick, parts, macro, executable } = options;
  const report: Report = { quick, machine: machineLine() };
  print(report.machine);
  if (parts.includes("micro")) {
    print("\nNanoseconds per operation, no sockets: middle sample, fastest sample, target");
    report.micro = await runMicro(quick ? MICRO_QUICK : MICRO, (result) => print(microLine(result, quick)));
  }
  if (parts.includes("data")) {
    print(
      "\nLists, maps and filters, whole requests without sockets: ns, of get, of put, bytes of the container",
    );
    report.data = await runDataModel(quick ? DATA_QUICK : DATA, dataPrinter());
  }
  if (parts.includes("macro")) {
    print(macroHeading(macro));
    report.macro = await runMacro(macro, (result) => {
      for (const line of macroLines(result, quick)) print(line);
    });
  }
  if (parts.includes("scan")) {
    const scan = { ...(quick ? SCAN_QUICK : SCAN), ...(executable === undefined ? {} : { executable }) };
    print(`\nGets on ${scan.connectionCount} connections while a scan of ${scan.recordCount} records runs`);
    report.scan = await measureInterference(scan);
    print(interferenceLine(report.scan, quick));
  }
  if (parts.includes("start")) {
    print("\nStart of an empty node to its first answer");
    report.start = [await measureStart(quick ? 1 : 7, executable)];
    for (const result of report.start) print(startLine(result, quick));
  }
  return report;
}

async function main(args: string[]): Promise<number> {
  try {
    const options = readArguments(args);
    if (options.help) {
      print(HELP);
      return 0;
    }
    const report = await runAll(options);
    if (options.json !== undefined) {
      await Deno.writeTextFile(options.json, JSON.stringify(report, undefined, 2) + "\n");
    }
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    print(`deno task bench: ${error.message}\n\n${HELP}`);
    return 2;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
