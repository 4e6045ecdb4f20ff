/**
 * The command behind `aerie sim --nodes 3..7`: runs many seeds of clusters, says what failed and how to see it again in
 * its smallest form, looks for planted bugs, and measures.
 *
 * @module
 */
import { CLUSTER_BUGS, plantBug, type PlantedBug, utf8, utf8Decode } from "../base/mod.ts";
import { benchCluster } from "./cluster_bench.ts";
import { addDevices, noDevices } from "./cluster_devices.ts";
import { PhaseCounters } from "./cluster_phases.ts";
import { type ClusterReport, runCluster } from "./cluster_run.ts";
import { makeSchedule, scheduleText, smallerSchedules } from "./cluster_schedule.ts";
import { measureTimings, timingText } from "./cluster_timing.ts";
import type { ClusterSchedule } from "./cluster_types.ts";
import type { RunnerParts } from "./runner.ts";

/** What is to be run. */
export interface ClusterRunnerOptions {
  /** Nodes at the start of a run: between these. */
  readonly nodeCounts: { readonly min: number; readonly max: number };
  /** First seed. */
  readonly seed: number;
  /** Number of seeds from there on. */
  readonly seedCount: number;
  /** Of every so many seeds only one is run, the others by other processes. */
  readonly part: { readonly index: number; readonly count: number };
  /** Run each seed twice and compare; the first one always is. */
  readonly twice: boolean;
  /** Look for the smallest form of a schedule that fails. */
  readonly shrinks: boolean;
  /** Run kept seeds first. */
  readonly kept: boolean;
  /** Planted bugs that must be found, each by some seed that is clean without it. */
  readonly plants: readonly PlantedBug[];
  /** Print the whole log of a failing run. */
  readonly verbose: boolean;
}

/** A failing schedule as it is kept. */
interface KeptSchedule {
  readonly nodes: string;
  readonly failure: string;
  readonly schedule: ClusterSchedule;
}

const KEPT_SIZE_MAX_BYTES = 1024 * 1024;

/** Failing seeds after which a run of many ends. */
const FAILURE_COUNT_MAX = 5;

/** Runs that making a failing schedule smaller may take. */
const SHRINK_RUN_COUNT_MAX = 60;

/** Times that each kind of fault should meet each phase, over all seeds of a run. */
const PAIR_COUNT_WANTED = 20;
/** Pairs that are named when they met too rarely. */
const PAIR_LINE_COUNT = 30;

/** Seeds between two lines of progress. */
const PROGRESS_EVERY_SEEDS = 20;

/** Names of all bugs that clusters are planted with. */
export function plantedBugs(): readonly string[] {
  return CLUSTER_BUGS;
}

/** Runs seeds of clusters; resolves to the number of failures, or with a planted bug to 0 when it was found. */
export async function runClusterSeeds(parts: RunnerParts, options: ClusterRunnerOptions): Promise<number> {
  return await new ClusterRunner(parts, options).run();
}

/** Measures the simulator itself. */
export async function runClusterBench(parts: RunnerParts): Promise<void> {
  await benchCluster({ ...parts, compute: parts.ports.compute, host: parts.ports.host });
}

/** Asserts the limits in time; resolves to the number of limits that are not kept. */
export async function runClusterTimings(parts: RunnerParts): Promise<number> {
  const limits = await measureTimings({ compute: parts.ports.compute, settle: parts.settle });
  for (const limit of limits) parts.print(timingText(limit));
  return limits.filter(({ isKept }) => !isKept).length;
}

class ClusterRunner {
  readonly #parts: RunnerParts;
  readonly #options: ClusterRunnerOptions;
  readonly #counters = new PhaseCounters();
  readonly #devices = noDevices();
  #runCount = 0;
  #operationCount = 0;
  #troubleCount = 0;
  #faultCount = 0;
  #unknownCount = 0;
  #staleCount = 0;
  #virtualMs = 0;
  #wholeMsMax = 0;
  #failureCount = 0;
  /** What became of seeds without a planted bug. */
  readonly #failures = new Map<number, string | undefined>();

  constructor(parts: RunnerParts, options: ClusterRunnerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async run(): Promise<number> {
    const { seed, seedCount, part, twice, kept, plants } = this.#options;
    const { ports, print } = this.#parts;
    if (plants.length > 0) return await this.#findPlanted();
    const startMs = ports.clock.monotonicMs();
    if (kept && part.index === 0) await this.#runKept();
    for (let at = part.index; at < seedCount && this.#failureCount < FAILURE_COUNT_MAX; at += part.count) {
      await this.#runSeed(seed + at, twice || at === 0);
      if (this.#runCount % PROGRESS_EVERY_SEEDS === 0) {
        const seconds = (ports.clock.monotonicMs() - startMs) / 1000;
        print(`${this.#runCount} seeds in ${seconds.toFixed(0)} s, ${this.#failureCount} failed`);
      }
    }
    this.#printSummary(ports.clock.monotonicMs() - startMs);
    return this.#failureCount;
  }

  /** Looks for planted bugs, each process for some of them; resolves to the number of those that were not found. */
  async #findPlanted(): Promise<number> {
    const { plants, part } = this.#options;
    let missedCount = 0;
    for (const bug of plants.filter((_, at) => at % part.count === part.index)) {
      const found = await this.#findOne(bug);
      this.#parts.print(`Planted bug ${bug}: ${found ?? `NOT FOUND by ${this.#options.seedCount} seeds`}`);
      if (found === undefined) missedCount++;
    }
    return missedCount;
  }

  async #findOne(bug: PlantedBug): Promise<string | undefined> {
    const { seed: first, seedCount, nodeCounts } = this.#options;
    for (let seed = first; seed < first + seedCount; seed++) {
      const schedule = makeSchedule(seed, nodeCounts);
      plantBug(bug);
      const { failure } = await this.#runOnce(schedule);
      plantBug(undefined);
      if (failure === undefined) continue;
      const without = await this.#failureWithout(schedule);
      if (without === undefined) {
        return `found by seed ${seed}, run ${seed - first + 1}: ${firstLine(failure)}`;
      }
      this.#parts.print(`Seed ${seed} fails without the bug ${bug} too: ${firstLine(without)}`);
    }
    return undefined;
  }

  /** How a seed fails by itself, for all bugs that it seems to notice; undefined when it does not. */
  async #failureWithout(schedule: ClusterSchedule): Promise<string | undefined> {
    const { seed } = schedule;
    if (!this.#failures.has(seed)) this.#failures.set(seed, (await this.#runOnce(schedule)).failure);
    return this.#failures.get(seed);
  }

  async #runKept(): Promise<void> {
    for (const { name, kept } of await readKept(this.#parts)) {
      const report = await this.#runOnce(kept.schedule);
      this.#add(report);
      this.#parts.print(`Kept schedule ${name}: ${report.failure === undefined ? "clean" : "FAILED"}`);
      if (report.failure !== undefined) this.#tell(report, kept.schedule);
    }
  }

  async #runSeed(seed: number, twice: boolean): Promise<void> {
    const schedule = makeSchedule(seed, this.#options.nodeCounts);
    const report = await this.#runOnce(schedule);
    this.#add(report);
    if (report.failure !== undefined) {
      await this.#onFailure(report, schedule);
      return;
    }
    if (!twice) return;
    const { hash } = await this.#runOnce(schedule);
    if (hash === report.hash) {
      this.#parts.print(`Seed ${seed} twice: the same hash ${hash}`);
      return;
    }
    const failure = `The same seed gave two different runs: hashes ${report.hash} and ${hash}`;
    this.#tell({ ...report, failure }, schedule);
  }

  #runOnce(schedule: ClusterSchedule): Promise<ClusterReport> {
    const { ports, settle, watchRejections } = this.#parts;
    return runCluster({ schedule, compute: ports.compute, settle, watchRejections });
  }

  #add(report: ClusterReport): void {
    this.#runCount++;
    this.#operationCount += report.operationCount;
    this.#troubleCount += report.troubleCount;
    this.#faultCount += report.faultCount;
    this.#unknownCount += report.checks.unknown;
    this.#staleCount += report.checks.stale;
    this.#virtualMs += report.virtualMs;
    this.#wholeMsMax = Math.max(this.#wholeMsMax, report.wholeMsMax);
    this.#counters.add(report.counters);
    addDevices(this.#devices, report.devices);
  }

  async #onFailure(report: ClusterReport, schedule: ClusterSchedule): Promise<void> {
    const { print, ports, seedFolder } = this.#parts;
    this.#tell(report, schedule);
    const { nodeCounts: { min, max }, shrinks } = this.#options;
    let smallest = schedule;
    let failure = report.failure!;
    if (shrinks) {
      const found = await this.#shrink(schedule, failure);
      ({ smallest, failure } = found);
      print(
        `The smallest schedule that fails, after ${found.runCount} more runs:\n${scheduleText(smallest)}`,
      );
      print(`It fails with: ${firstLine(failure)}`);
    }
    const kept: KeptSchedule = { nodes: `${min}..${max}`, failure: firstLine(failure), schedule: smallest };
    const path = `${seedFolder}/cluster-seed-${report.seed}.json`;
    try {
      await ports.disk.makeDirectory(seedFolder);
      await ports.disk.replaceFile(path, utf8(`${JSON.stringify(kept, undefined, 2)}\n`));
      print(`The schedule is kept in ${path}`);
    } catch (error) {
      print(`The schedule could not be kept: ${(error as Error).message}`);
    }
  }

  #tell({ seed, failure, log, operationCount }: ClusterReport, schedule: ClusterSchedule): void {
    this.#failureCount++;
    const { print } = this.#parts;
    const { nodeCounts: { min, max }, verbose } = this.#options;
    print(`\nSeed ${seed} failed after ${operationCount} operations: ${failure}`);
    if (verbose) print(`${scheduleText(schedule)}\n${log.join("\n")}`);
    print(`To see it again: deno task sim --nodes ${min}..${max} --seed ${seed} --verbose\n`);
  }

  /** Leaves out of a schedule what it can do without, as long as it fails. */
  async #shrink(schedule: ClusterSchedule, failure: string) {
    let smallest = schedule;
    let lastFailure = failure;
    let runCount = 0;
    for (let isSmaller = true; isSmaller;) {
      isSmaller = false;
      for (const candidate of smallerSchedules(smallest)) {
        if (runCount++ >= SHRINK_RUN_COUNT_MAX) return { smallest, failure: lastFailure, runCount };
        const report = await this.#runOnce(candidate);
        if (report.failure === undefined || kindOf(report.failure) !== kindOf(failure)) continue;
        smallest = candidate;
        lastFailure = report.failure;
        isSmaller = true;
        break;
      }
    }
    return { smallest, failure: lastFailure, runCount };
  }

  #printSummary(durationMs: number): void {
    const { print } = this.#parts;
    print(
      `${this.#runCount} runs of clusters, ${this.#operationCount} operations, ${this.#faultCount} faults, ` +
        `${(this.#virtualMs / 1000).toFixed(0)} virtual seconds in ${(durationMs / 1000).toFixed(1)} s`,
    );
    print(
      `  ${this.#troubleCount} operations without a certain answer; a cluster was whole again within ${
        (this.#wholeMsMax / 1000).toFixed(1)
      } s`,
    );
    print(`  ${this.#staleCount} histories in which reads saw old copies of a node that had slept`);
    if (this.#unknownCount > 0) {
      print(`  ${this.#unknownCount} histories had too many possibilities to be checked`);
    }
    const { closed, failed, refilled, refilledRecords } = this.#devices;
    print(
      `  ${closed} devices took no more writes, ${failed} could not be read; ${refilledRecords} records of ${refilled} of ` +
        "these came back from replicas",
    );
    print(this.#counters.table());
    const rare = this.#counters.rarePairs(PAIR_COUNT_WANTED);
    const some = rare.slice(0, PAIR_LINE_COUNT).join(", ");
    print(
      `  ${rare.length} pairs met fewer than ${PAIR_COUNT_WANTED} times${some === "" ? "" : `: ${some}`}`,
    );
    print(this.#failureCount === 0 ? "  all clean" : `  ${this.#failureCount} FAILED`);
  }
}

function firstLine(text: string): string {
  return text.split("\n")[0];
}

/** What failures of the same kind have in common: their first words, without names and numbers. */
function kindOf(failure: string): string {
  return firstLine(failure).split(" ").filter((word) => !/\d/.test(word)).slice(0, 5).join(" ");
}

/** Schedules that once failed. */
async function readKept({ ports, seedFolder }: RunnerParts): Promise<{ name: string; kept: KeptSchedule }[]> {
  let names: string[];
  try {
    names = await ports.disk.list(seedFolder);
  } catch {
    return [];
  }
  const found: { name: string; kept: KeptSchedule }[] = [];
  for (const name of names.sort()) {
    if (!name.startsWith("cluster-") || !name.endsWith(".json")) continue;
    const text = utf8Decode(await ports.disk.readFile(`${seedFolder}/${name}`, KEPT_SIZE_MAX_BYTES));
    found.push({ name, kept: JSON.parse(text) as KeptSchedule });
  }
  return found;
}
