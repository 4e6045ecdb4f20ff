/**
 * `aerie sim`: runs the simulator.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import { parseArgs } from "@std/cli/parse-args";
import { createPlatform } from "../src/platform/mod.ts";
import { runBench, type RunnerOptions, type RunnerParts, runSeeds } from "../src/sim/mod.ts";
import { print, printError } from "./terminal.ts";

const HELP = `aerie sim: run real node and client code on simulated time, network and disks, with faults

  aerie sim [--nodes 1] [--seeds N] [--seed S] [--ops N] [--twice] [--bench]

Flags
  --nodes N    nodes of the simulated cluster; only 1 is supported yet
  --seeds N    runs, each with a seed of its own, default 100
  --seed S     run this seed alone, or begin with it when --seeds is given
  --ops N      client operations of each run, default 2000
  --twice      run every seed twice and compare; the first one always is
  --bench      measure the simulator's speed instead
  --help       this text

Seeds that failed once are kept in testdata/seeds/ and run first.
Exit codes: 0 all clean, 1 a run failed, 2 wrong usage

Examples
  aerie sim --nodes 1 --seeds 1000
  aerie sim --seed 42 --ops 500`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;

const SEED_FOLDER = "testdata/seeds";
const SEED_COUNT_DEFAULT = 100;
const OPERATION_COUNT_DEFAULT = 2000;
const SEED_MAX = 0xffff_ffff;

/** Runs the verb; resolves to the exit code. */
export async function runSim(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(HELP);
    return FINE;
  }
  const options = parseOptions(args);
  if (typeof options === "string") {
    printError(`aerie sim: ${options}\nSee "aerie sim --help".`);
    return USAGE;
  }
  const parts: RunnerParts = {
    ports: await createPlatform(),
    settle: () => new Promise((resolve) => setImmediate(resolve)),
    watchRejections,
    print,
    seedFolder: SEED_FOLDER,
  };
  if (options.bench) {
    await runBench(parts);
    return FINE;
  }
  return await runSeeds(parts, options) === 0 ? FINE : FAILED;
}

/** A promise that nobody handles is a bug of the code under test: the run fails, the process goes on. */
function watchRejections(fail: (error: unknown) => void): () => void {
  const listener = (error: unknown) => fail(error);
  process.on("unhandledRejection", listener);
  return () => void process.off("unhandledRejection", listener);
}

/** What the flags ask for, or what is wrong with them. */
function parseOptions(args: string[]): RunnerOptions & { bench: boolean } | string {
  let fault: string | undefined;
  const flags = parseArgs(args, {
    boolean: ["twice", "bench"],
    string: ["nodes", "seeds", "seed", "ops"],
    unknown: (word) => {
      fault ??= `unknown argument "${word}"`;
      return false;
    },
  });
  const number = (name: string, fallback: number, max: number): number => {
    const text = flags[name] as string | undefined;
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0 || value > max || text === "") {
      fault ??= `--${name} is "${text}", expected a whole number from 0 to ${max}`;
    }
    return value;
  };
  const nodes = number("nodes", 1, SEED_MAX);
  const seed = number("seed", 1, SEED_MAX);
  const isSingle = flags.seed !== undefined && flags.seeds === undefined;
  if (nodes !== 1) fault ??= `clusters of ${nodes} nodes can't be simulated yet; use --nodes 1`;
  const options = {
    seed,
    seedCount: number("seeds", isSingle ? 1 : SEED_COUNT_DEFAULT, SEED_MAX),
    operationCount: number("ops", OPERATION_COUNT_DEFAULT, 10_000_000),
    twice: flags.twice === true,
    kept: flags.seed === undefined,
    bench: flags.bench === true,
  };
  return fault ?? options;
}
