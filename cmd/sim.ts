/**
 * `aerie sim`: runs the simulator.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { setImmediate } from "node:timers";
import { parseArgs } from "@std/cli/parse-args";
import { createPlatform } from "../src/platform/mod.ts";
import type { PlantedBug } from "../src/base/mod.ts";
import {
  type ClusterRunnerOptions,
  plantedBugs,
  runBench,
  runClusterBench,
  runClusterSeeds,
  runClusterTimings,
  type RunnerOptions,
  type RunnerParts,
  runSeeds,
} from "../src/sim/mod.ts";
import { print, printError } from "./terminal.ts";

const HELP = `aerie sim: run real node and client code on simulated time, network and disks, with faults

  aerie sim [--nodes N|N..M] [--seeds N] [--seed S] [--ops N] [--twice] [--jobs N] [--no-shrink] [--plant NAME] [--bench] [--timings]

Flags
  --nodes N     1: one node; 3..7: clusters of three to seven nodes; default 1
  --seeds N     runs, each with a seed of its own, default 100
  --seed S      run this seed alone, or begin with it when --seeds is given
  --ops N       client operations of each run of one node, default 2000
  --twice       run every seed twice and compare; the first one always is
  --jobs N      processes that share the seeds of clusters, default 1
  --no-shrink   keep the schedule of a failing cluster as it is, instead of looking for its smallest form by up to 60 runs
  --plant NAMES planted bugs of clusters, each of which must be found: one, several with commas, or "all"; "list" prints them
  --timings     check the limits in time of clusters instead
  --bench       measure the simulator's speed instead
  --verbose     print schedule and logs of a failing run
  --help        this text

Seeds and schedules that failed once are kept in testdata/seeds/ and run first.
Exit codes: 0 all clean, 1 a run failed (with --plant: the bug was not found), 2 wrong usage

Examples
  aerie sim --nodes 1 --seeds 1000
  aerie sim --nodes 3..7 --seeds 300 --jobs 2
  aerie sim --nodes 3..7 --seed 42 --verbose`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;

const SEED_FOLDER = "testdata/seeds";
const SEED_COUNT_DEFAULT = 100;
const OPERATION_COUNT_DEFAULT = 2000;
const SEED_MAX = 0xffff_ffff;
const JOB_COUNT_MAX = 64;
const CLUSTER_NODES_MIN = 3;
const CLUSTER_NODES_MAX = 7;

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
  if (!options.isCluster) {
    if (!options.bench) return await runSeeds(parts, options) === 0 ? FINE : FAILED;
    await runBench(parts);
    return FINE;
  }
  if (options.listBugs) {
    for (const name of plantedBugs()) print(name);
    return FINE;
  }
  if (options.bench) {
    await runClusterBench(parts);
    return FINE;
  }
  if (options.timings) return await runClusterTimings(parts) === 0 ? FINE : FAILED;
  if (options.jobCount > 1) return await runJobs(args, options.jobCount);
  return await runClusterSeeds(parts, options) === 0 ? FINE : FAILED;
}

/** Shares the seeds among processes; their lines come as they are printed. */
async function runJobs(args: readonly string[], jobCount: number): Promise<number> {
  const script = process.argv[1];
  const before = script !== undefined && /\.[cm]?[jt]s$/.test(script)
    ? [...process.execArgv, ...runtimeArgs(), script]
    : [];
  const codes = await Promise.all(Array.from({ length: jobCount }, (_, index) => {
    const job = ["sim", ...args, "--jobs", "1", "--part", `${index}/${jobCount}`];
    return new Promise<number>((resolve, reject) => {
      const child = spawn(process.execPath, [...before, ...job], { stdio: ["ignore", "inherit", "inherit"] });
      child.on("error", reject);
      child.on("exit", (code) => resolve(code ?? FAILED));
    });
  }));
  return codes.every((code) => code === FINE) ? FINE : FAILED;
}

/** What stands between the runtime's name and the script: Deno's own command. */
function runtimeArgs(): string[] {
  return process.versions.deno === undefined ? [] : ["run", "-A"];
}

/** A promise that nobody handles is a bug of the code under test: the run fails, the process goes on. */
function watchRejections(fail: (error: unknown) => void): () => void {
  const listener = (error: unknown) => fail(error);
  process.on("unhandledRejection", listener);
  return () => void process.off("unhandledRejection", listener);
}

/** What the flags ask for. */
type SimOptions = RunnerOptions & ClusterRunnerOptions & {
  readonly bench: boolean;
  readonly timings: boolean;
  readonly listBugs: boolean;
  readonly isCluster: boolean;
  readonly jobCount: number;
};

/** What the flags ask for, or what is wrong with them. */
function parseOptions(args: string[]): SimOptions | string {
  let fault: string | undefined;
  const flags = parseArgs(args, {
    boolean: ["twice", "bench", "timings", "verbose", "no-shrink"],
    string: ["nodes", "seeds", "seed", "ops", "jobs", "plant", "part"],
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
  const nodeCounts = parseNodes(flags.nodes as string | undefined);
  if (nodeCounts === undefined) {
    fault ??= `--nodes is "${flags.nodes}", expected 1, 3 to 7, or a range as 3..7`;
  }
  const part = /^(\d+)\/(\d+)$/.exec((flags.part as string | undefined) ?? "0/1");
  if (part === null) fault ??= `--part is "${flags.part}", expected a number and a count as 0/2`;
  const bug = flags.plant as string | undefined;
  const bugs = bug === "all" ? plantedBugs() : bug === undefined || bug === "list" ? [] : bug.split(",");
  const unknownBug = bugs.find((name) => !plantedBugs().includes(name));
  if (unknownBug !== undefined) fault ??= `"${unknownBug}" is no planted bug; see --plant list`;
  const isSingle = flags.seed !== undefined && flags.seeds === undefined;
  const options: SimOptions = {
    nodeCounts: nodeCounts ?? { min: 1, max: 1 },
    isCluster: (nodeCounts?.max ?? 1) > 1,
    seed: number("seed", 1, SEED_MAX),
    seedCount: number("seeds", isSingle ? 1 : SEED_COUNT_DEFAULT, SEED_MAX),
    operationCount: number("ops", OPERATION_COUNT_DEFAULT, 10_000_000),
    jobCount: number("jobs", 1, JOB_COUNT_MAX),
    part: { index: Number(part?.[1]), count: Number(part?.[2]) },
    twice: flags.twice === true,
    shrinks: flags["no-shrink"] !== true,
    kept: flags.seed === undefined,
    bench: flags.bench === true,
    timings: flags.timings === true,
    verbose: flags.verbose === true,
    plants: bugs as PlantedBug[],
    listBugs: bug === "list",
  };
  return fault ?? options;
}

/** Nodes of a run: one number, or the least and the most of them; undefined when the text is something else. */
function parseNodes(text = "1"): { min: number; max: number } | undefined {
  const [, least, most] = /^(\d)(?:\.\.(\d))?$/.exec(text) ?? [];
  const min = Number(least);
  const max = Number(most ?? least);
  if (min === 1 && max === 1) return { min, max };
  return min >= CLUSTER_NODES_MIN && max >= min && max <= CLUSTER_NODES_MAX ? { min, max } : undefined;
}
