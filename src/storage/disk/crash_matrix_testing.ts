/**
 * Power cuts over all combinations of engine, commit, compression, encryption, number of files and index checkpoints. Each cut goes into a
 * random history, is followed by a start, and all records are compared with the model.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import { TestRandom } from "../testing.ts";
import type { StartReport } from "./cold_start.ts";
import { CrashHistory, type CrashOptions, type CutMoment } from "./crash_testing.ts";

/** A combination of settings. */
export type CrashSettings = Omit<CrashOptions, "seed">;

/** Lives of a history: each ends with a power cut or a stop in order. */
const LIFE_COUNT = 8;
/** Writes and syncs of a life at most; without commit each stands for many more changes. */
const LIFE_OPERATIONS_MAX = { commit: 200, noCommit: 40 } as const;
/** Operations on records in a life at most. */
const RECORD_OPERATIONS_MAX = 4000;
/** After one of so many cuts the store is used again, and the power goes once more. */
const SECOND_CUT_PERIOD = 16;
/** Reading all records takes less. */
const COMPARISON_MAX_MS = 10_000;
/** After one of so many cuts a start with a checkpoint is compared with one that reads everything. */
const COLD_START_PERIOD = 4;

/** All combinations. */
export const crashMatrix: readonly CrashSettings[] = (["device", "memory"] as const).flatMap((kind) =>
  [true, false].flatMap((commit) =>
    (["none", "lz4", "snappy", "zstd"] as const).flatMap((compression) =>
      ([undefined, "aes-128", "aes-256"] as const).map((encryption) => ({
        kind,
        commit,
        compression,
        ...(encryption === undefined ? {} : { encryption }),
      }))
    )
  )
);

/** A combination in words. */
export function crashName(
  { kind, commit, fileCount = 1, shadows, replaces, rots, compression, encryption, checkpoints }:
    CrashSettings,
): string {
  const harm = replaces ? " that are replaced" : rots ? ", parts of which rot" : "";
  return [
    kind,
    commit ? "commit" : "no commit",
    `${fileCount} files${shadows ? ` with shadows${harm}` : ""}`,
    `compression ${compression ?? "none"}`,
    `encryption ${encryption ?? "none"}`,
    `checkpoints ${checkpoints ?? "at stops"}`,
  ].join(", ");
}

/**
 * The settings of a seed's history: successive seeds go through all combinations, and what is not in them varies, so that
 * each meets everything in time.
 */
export function crashSettings(seed: number): CrashSettings {
  const round = Math.floor(seed / crashMatrix.length);
  const vary = <T>(values: readonly T[], period: number): T =>
    values[(Math.floor(seed / period) + round) % values.length];
  const shadows = vary([false, false, false, true], 11);
  const replaces = vary([false, true], 17);
  return {
    ...crashMatrix[seed % crashMatrix.length],
    checkpoints: vary(["always", "at stops", "never"] as const, 3),
    fileCount: vary([1, 2], 5),
    shadows,
    // What rots on one of two is lost when the other one is replaced.
    replaces: shadows && replaces,
    rots: shadows && !replaces,
    // Large values fill blocks, so that these are emptied and written again.
    valueSizeMax: vary([5000, 30_000, 1000], 7),
  };
}

/** What became of a history. */
export interface CutReport {
  /** Power cuts. */
  cutCount: number;
  /** Starts after them, by kind. */
  starts: Record<StartReport["kind"], number>;
  /** Cold starts that found the same as a start with a checkpoint from the same disk. */
  coldCount: number;
}

/** How often the power goes. */
export interface CutOptions {
  /** At each write and sync whose number is a multiple of this; 1 unless given. */
  every?: number;
  /** Settings that differ from those of the seed. */
  changes?: Partial<CrashSettings>;
}

/**
 * Runs one history of several lives. In the moment of each write and sync, those of starts and stops among them, the
 * power goes on a copy of the disk: a store is started from it, and all its records are compared with the model.
 *
 * @throws {AssertionError} when anything is not as the model says; the message has seed and settings
 */
export async function cutPower(seed: number, options: CutOptions = {}): Promise<CutReport> {
  try {
    return await new CutHistory(seed, options).run();
  } catch (error) {
    assert(false, `${crashName(crashSettings(seed))}, seed ${seed}: ${(error as Error).message}`);
  }
}

class CutHistory {
  readonly #options: CrashOptions;
  readonly #every: number;
  readonly #history: CrashHistory;
  readonly #report: CutReport = { cutCount: 0, starts: { cold: 0, fast: 0, replay: 0 }, coldCount: 0 };
  readonly #moments: CutMoment[] = [];
  #operation = 0;

  constructor(seed: number, { every = 1, changes }: CutOptions) {
    this.#options = { ...crashSettings(seed), ...changes, seed };
    this.#every = every;
    this.#history = new CrashHistory(this.#options);
  }

  async run(): Promise<CutReport> {
    const history = this.#history;
    const { seed, commit } = this.#options;
    const max = commit ? LIFE_OPERATIONS_MAX.commit : LIFE_OPERATIONS_MAX.noCommit;
    this.#watch();
    await history.open();
    await this.#cutAll();
    for (let life = 0; life < LIFE_COUNT; life++) {
      const { disk } = history;
      const end = disk.operationCount + 1 + (Math.imul(seed, 7919) + life * 104_729 >>> 0) % max;
      const stops = (seed + life) % 3 === 0;
      if (!stops) disk.crashAt = end;
      await history.run(RECORD_OPERATIONS_MAX, async () => {
        await this.#cutAll();
        return disk.operationCount >= end;
      });
      if (stops) await history.restart();
      else await history.crash();
      await this.#cutAll();
    }
    this.#add(history);
    return this.#report;
  }

  /** Notes the moment of each write and sync, through all lives. */
  #watch(): void {
    this.#history.disk.onOperation = (cut) => {
      const operation = ++this.#operation;
      if (operation % this.#every === 0) this.#moments.push(this.#history.moment(cut, operation));
    };
  }

  async #cutAll(): Promise<void> {
    for (const moment of this.#moments.splice(0)) {
      const history = new CrashHistory(this.#options, moment);
      const cold = this.#report.cutCount % COLD_START_PERIOD === 0 ? this.#coldHistory(moment) : undefined;
      try {
        await history.open();
        if (cold !== undefined) await this.#compare(history, cold);
        await history.check();
        this.#report.cutCount++;
        if (this.#report.cutCount % SECOND_CUT_PERIOD === 0) {
          await history.run(10);
          await history.crash();
        }
      } catch (error) {
        assert(false, `write or sync ${moment.operation}: ${(error as Error).message}`);
      }
      this.#add(history);
    }
  }

  /** The same moment without a checkpoint. */
  #coldHistory(moment: CutMoment): CrashHistory | undefined {
    const { kind, seed, checkpoints } = this.#options;
    if (kind !== "device" || checkpoints === "never") return undefined;
    const disk = moment.disk.copy(new TestRandom(seed));
    return new CrashHistory({ ...this.#options, checkpoints: "never" }, { ...moment, disk });
  }

  /** A start that reads all blocks finds the same records: which kind of start it is must not matter. */
  async #compare(history: CrashHistory, cold: CrashHistory): Promise<void> {
    await cold.open();
    // The two clocks are not the same: what has expired by one of them counts for nothing.
    const nowMs = Math.max(history.store.nowMs(), cold.store.nowMs()) + COMPARISON_MAX_MS;
    const [found, coldFound] = [await history.records(nowMs), await cold.records(nowMs)];
    const differing = found.findIndex((record, number) => record !== coldFound[number]);
    assert(
      differing < 0,
      `after a ${history.store.start!.kind} start ${found[differing]}, after a cold one ${
        coldFound[differing]
      }`,
    );
    this.#report.coldCount++;
  }

  #add({ starts, crashCount }: CrashHistory): void {
    this.#report.cutCount += crashCount;
    for (const kind of ["cold", "fast", "replay"] as const) this.#report.starts[kind] += starts[kind];
  }
}
