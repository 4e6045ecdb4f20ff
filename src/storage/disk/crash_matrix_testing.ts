/**
 * Power cuts over all combinations of engine, commit, compression, encryption, number of files and index checkpoints. Each cut goes into a
 * random history, is followed by a start, and all records are compared with the model.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import { CrashHistory, type CrashOptions } from "./crash_testing.ts";

/** A combination of settings. */
export type CrashSettings = Omit<CrashOptions, "seed">;

const CUTS_PER_HISTORY = 8;
const OPERATIONS_MAX = 4000;
/** Writes and syncs between two cuts at most; without commit each stands for many more changes. */
const CUT_WITHIN = { commit: 200, noCommit: 40 } as const;

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
  { kind, commit, fileCount = 1, compression, encryption, checkpoints }: CrashSettings,
): string {
  return [
    kind,
    commit ? "commit" : "no commit",
    `${fileCount} files`,
    `compression ${compression ?? "none"}`,
    `encryption ${encryption ?? "none"}`,
    `checkpoints ${checkpoints ?? "at stops"}`,
  ].join(", ");
}

/** The history of a seed: its settings follow from the seed, so that successive seeds go through all combinations. */
export function crashSettings(seed: number): CrashSettings {
  const round = Math.floor(seed / crashMatrix.length);
  const settings = crashMatrix[seed % crashMatrix.length];
  return {
    ...settings,
    checkpoints: (["always", "at stops", "never"] as const)[Math.floor(round / 2) % 3],
    fileCount: 1 + round % 2,
    // Large values fill blocks, so that these are emptied and written again.
    valueSizeMax: [5000, 30_000, 1000][round % 3],
  };
}

/**
 * Runs one history with some power cuts.
 *
 * @returns number of cuts
 * @throws {AssertionError} when anything is not as the model says; the message has seed and settings
 */
export async function cutPower(seed: number): Promise<number> {
  const settings = crashSettings(seed);
  const history = new CrashHistory({ ...settings, seed });
  const within = settings.commit ? CUT_WITHIN.commit : CUT_WITHIN.noCommit;
  try {
    await history.open();
    for (let cut = 0; cut < CUTS_PER_HISTORY; cut++) {
      const distance = 1 + (Math.imul(seed, 7919) + cut * 104_729 >>> 0) % within;
      history.disk.crashAt = history.disk.operationCount + distance;
      await history.run(OPERATIONS_MAX);
      if (cut % 5 === 4 && !history.disk.isDown) await history.restart();
      else await history.crash();
    }
  } catch (error) {
    assert(false, `${crashName(settings)}, seed ${seed}: ${(error as Error).message}`);
  }
  return history.crashCount;
}
