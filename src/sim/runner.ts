/**
 * The command behind `aerie sim`: runs seeds, reports what failed and how to see it again, measures speed.
 *
 * @module
 */
import { utf8, utf8Decode } from "../base/mod.ts";
import type { Ports } from "../port/mod.ts";
import { type OneNodeOptions, type OneNodeReport, runOneNode } from "./one_node.ts";

/** What the runner needs from outside. */
export interface RunnerParts {
  /** Real ports: files, CPU time, computations. */
  ports: Ports;
  /** A turn of the real event loop. */
  settle: () => Promise<void>;
  /** See {@linkcode OneNodeOptions}. */
  watchRejections: NonNullable<OneNodeOptions["watchRejections"]>;
  /** Takes a line. */
  print: (line: string) => void;
  /** Folder in which failing seeds are kept. */
  seedFolder: string;
}

/** What is to be run. */
export interface RunnerOptions {
  /** First seed. */
  seed: number;
  /** Number of seeds from there on. */
  seedCount: number;
  /** Operations of each run. */
  operationCount: number;
  /** Run each seed twice and compare; the first one always is. */
  twice: boolean;
  /** Run kept seeds first. */
  kept: boolean;
}

/** A failing seed as it is kept. */
interface KeptSeed {
  nodes: number;
  seed: number;
  operations: number;
  failure: string;
}

const KEPT_SIZE_MAX_BYTES = 1024 * 1024;

/** Failing seeds after which a run of many ends. */
const FAILURE_COUNT_MAX = 10;

/** Seeds between two lines of progress. */
const PROGRESS_EVERY_SEEDS = 100;

/** Operations of the runs of {@linkcode runBench}: the first lets the compiler warm up. */
const BENCH_WARM_OPERATION_COUNT = 20_000;
const BENCH_OPERATION_COUNT = 100_000;

/** Runs seeds; resolves to the number of failures. */
export async function runSeeds(parts: RunnerParts, options: RunnerOptions): Promise<number> {
  return await new Runner(parts, options).run();
}

/** Measures simulated client operations per second of CPU: without faults, and with all of them. */
export async function runBench(parts: RunnerParts): Promise<void> {
  const { ports, settle, watchRejections, print } = parts;
  const run = (operationCount: number, faults: OneNodeOptions["faults"]) => {
    const options: OneNodeOptions = {
      seed: 1,
      operationCount,
      compute: ports.compute,
      settle,
      watchRejections,
    };
    return runOneNode(faults === undefined ? options : { ...options, faults });
  };
  await run(BENCH_WARM_OPERATION_COUNT, []);
  for (
    const [name, faults] of [["no faults", []], ["faults", [
      "cut",
      "slow",
      "reset",
      "clog",
      "block",
    ]]] as const
  ) {
    const before = ports.host.cpu();
    const { operationCount, eventCount, virtualMs, failure } = await run(BENCH_OPERATION_COUNT, faults);
    const after = ports.host.cpu();
    const cpuS = (after.userUs + after.systemUs - before.userUs - before.systemUs) / 1e6;
    print(
      `${name}: ${Math.round(operationCount / cpuS)} client operations, ${
        Math.round(eventCount / cpuS)
      } events and ` +
        `${(virtualMs / 1000 / cpuS).toFixed(1)} virtual seconds per second of CPU` +
        (failure === undefined ? "" : `; the run failed: ${failure}`),
    );
  }
}

class Runner {
  readonly #parts: RunnerParts;
  readonly #options: RunnerOptions;
  readonly #faults = new Map<string, number>();
  #operationCount = 0;
  #troubleCount = 0;
  #refusalCount = 0;
  #unknownCount = 0;
  #failureCount = 0;
  #runCount = 0;

  constructor(parts: RunnerParts, options: RunnerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async run(): Promise<number> {
    const { seed, seedCount, operationCount, twice, kept } = this.#options;
    const { ports, print } = this.#parts;
    const startMs = ports.clock.monotonicMs();
    if (kept) await this.#runKept();
    for (let at = 0; at < seedCount && this.#failureCount < FAILURE_COUNT_MAX; at++) {
      await this.#runSeed(seed + at, operationCount, twice || at === 0);
      if ((at + 1) % PROGRESS_EVERY_SEEDS === 0) print(`${at + 1} seeds, ${this.#failureCount} failed`);
    }
    this.#printSummary(ports.clock.monotonicMs() - startMs);
    return this.#failureCount;
  }

  async #runKept(): Promise<void> {
    for (const { seed, operations } of await readKeptSeeds(this.#parts)) {
      this.#parts.print(`Kept seed ${seed} with ${operations} operations`);
      await this.#runSeed(seed, operations, false);
    }
  }

  async #runSeed(seed: number, operationCount: number, twice: boolean): Promise<void> {
    const report = await this.#runOnce(seed, operationCount);
    this.#add(report);
    if (report.failure !== undefined) return await this.#onFailure(report, operationCount);
    if (!twice) return;
    const { hash } = await this.#runOnce(seed, operationCount);
    if (hash === report.hash) {
      this.#parts.print(`Seed ${seed} twice: the same hash ${hash}`);
      return;
    }
    const failure = `The same seed gave two different runs: hashes ${report.hash} and ${hash}`;
    await this.#onFailure({ ...report, failure }, operationCount);
  }

  #runOnce(seed: number, operationCount: number): Promise<OneNodeReport> {
    const { ports, settle, watchRejections } = this.#parts;
    return runOneNode({ seed, operationCount, compute: ports.compute, settle, watchRejections });
  }

  #add(report: OneNodeReport): void {
    this.#runCount++;
    this.#operationCount += report.operationCount;
    this.#troubleCount += report.troubleCount;
    this.#refusalCount += report.refusalCount;
    this.#unknownCount += report.unknownCount;
    for (const [fault, count] of report.faults) {
      this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + count);
    }
  }

  async #onFailure(report: OneNodeReport, operations: number): Promise<void> {
    this.#failureCount++;
    const { print, ports, seedFolder } = this.#parts;
    const { seed, failure, log } = report;
    print(`\nSeed ${seed} failed after ${report.operationCount} operations: ${failure}`);
    if (log.length > 0) print(`Last log lines of the node:\n${log.join("\n")}`);
    print(`To see it again: deno task sim --nodes 1 --seed ${seed} --ops ${operations}\n`);
    const kept: KeptSeed = { nodes: 1, seed, operations, failure: failure!.split("\n")[0] };
    const path = `${seedFolder}/nodes-1-seed-${seed}.json`;
    try {
      await ports.disk.makeDirectory(seedFolder);
      await ports.disk.replaceFile(path, utf8(`${JSON.stringify(kept, undefined, 2)}\n`));
      print(`The seed is kept in ${path}`);
    } catch (error) {
      print(`The seed could not be kept: ${(error as Error).message}`);
    }
  }

  #printSummary(durationMs: number): void {
    const faults = [...this.#faults].sort().map(([fault, count]) => `${fault} ${count}`).join(", ");
    const { print } = this.#parts;
    print(
      `${this.#runCount} runs, ${this.#operationCount} operations in ${(durationMs / 1000).toFixed(1)} s`,
    );
    print(
      `  ${this.#troubleCount} operations without a certain answer, ${this.#refusalCount} writes refused for want of memory`,
    );
    print(`  faults: ${faults || "none"}`);
    if (this.#unknownCount > 0) {
      print(`  ${this.#unknownCount} histories had too many possibilities to be checked`);
    }
    print(this.#failureCount === 0 ? "  all clean" : `  ${this.#failureCount} FAILED`);
  }
}

/** Seeds that once failed. */
async function readKeptSeeds({ ports, seedFolder }: RunnerParts): Promise<KeptSeed[]> {
  let names: string[];
  try {
    names = await ports.disk.list(seedFolder);
  } catch {
    return [];
  }
  const seeds: KeptSeed[] = [];
  for (const name of names.filter((name) => name.startsWith("nodes-1-") && name.endsWith(".json"))) {
    const text = utf8Decode(await ports.disk.readFile(`${seedFolder}/${name}`, KEPT_SIZE_MAX_BYTES));
    seeds.push(JSON.parse(text) as KeptSeed);
  }
  return seeds;
}
