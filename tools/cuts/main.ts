/**
 * Cuts the power at each write and sync of random histories of stores on simulated disks, over all combinations of
 * engine, commit, compression, encryption and number of files, and compares what is there after each start with a model.
 *
 * Example: `deno run -A tools/cuts/main.ts --cuts 100000`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  crashMatrix,
  crashName,
  crashSettings,
  cutPower,
  type CutReport,
} from "../../src/storage/disk/crash_matrix_testing.ts";
import { print } from "../print.ts";

const HELP =
  `Usage: deno run -A tools/cuts/main.ts [--cuts N] [--histories N] [--seed FIRST] [--every N] [--seconds S] [--only WORDS]

--cuts       how many cuts to make; 10,000 unless given. The history in which the last one is runs to its end
--histories  stop after so many histories, however many cuts were made
--seed       number of the first history; 1 unless given. Histories are numbered on from there
--every      cut at every so manieth write or sync; 1 unless given
--seconds    stop after this time, however many cuts were made
--only       histories whose settings have these words alone: "rot", "memory", "checkpoints always"

${crashMatrix.length} histories in a row have all combinations of engine, commit, compression and encryption.
The exit code is 1 when a history did not end as its model says; the line that tells of it names its seed.`;

const PROGRESS_PERIOD_MS = 10_000;
/** Histories after which all settings have been met. */
const SEEDS_OF_ALL_SETTINGS = 20_000;

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["cuts", "histories", "seed", "every", "seconds", "only"],
    boolean: ["help"],
  });
  const historiesWanted = Number(args.histories ?? Infinity);
  const cutsWanted = Number(args.cuts ?? (args.histories === undefined ? 10_000 : Infinity));
  const firstSeed = Number(args.seed ?? 1);
  const every = Number(args.every ?? 1);
  const limitMs = Number(args.seconds ?? Infinity) * 1000;
  const isMeant = (seed: number) => crashName(crashSettings(seed)).includes(args.only ?? "");
  const isWrong = !(cutsWanted > 0) || !(historiesWanted > 0) || !Number.isInteger(firstSeed) ||
    !(every >= 1) || !(limitMs > 0) ||
    !Array.from({ length: SEEDS_OF_ALL_SETTINGS }, (_, seed) => seed).some(isMeant);
  if (args.help || args._.length > 0 || isWrong) {
    print(HELP);
    return args.help ? 0 : 2;
  }
  const startMs = performance.now();
  let historyCount = 0;
  let progressMs = startMs;
  const sum: CutReport = { cutCount: 0, starts: { cold: 0, fast: 0, replay: 0 }, coldCount: 0 };
  let seed = firstSeed;
  const isOver = () =>
    sum.cutCount >= cutsWanted || historyCount >= historiesWanted ||
    performance.now() - startMs >= limitMs;
  for (; !isOver(); seed++) {
    if (!isMeant(seed)) continue;
    try {
      add(sum, await cutPower(seed, { every }));
      historyCount++;
    } catch (error) {
      print((error as Error).message);
      print(`repeat with: deno run -A tools/cuts/main.ts --seed ${seed} --cuts 1 --every ${every}`);
      return 1;
    }
    if (performance.now() - progressMs < PROGRESS_PERIOD_MS) continue;
    progressMs = performance.now();
    print(`${sum.cutCount} cuts, history ${seed} done: ${crashName(crashSettings(seed))}`);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  const { cold, fast, replay } = sum.starts;
  print(
    `${sum.cutCount} cuts in ${historyCount} histories (${firstSeed} to ${
      seed - 1
    }) in ${seconds} s; starts: ` +
      `${cold} cold, ${replay} replayed, ${fast} fast: all records as the models say; after ${sum.coldCount} cuts ` +
      "a cold start was compared with one from the checkpoint",
  );
  return 0;
}

function add(sum: CutReport, { cutCount, starts, coldCount }: CutReport): void {
  sum.cutCount += cutCount;
  sum.coldCount += coldCount;
  for (const kind of ["cold", "fast", "replay"] as const) sum.starts[kind] += starts[kind];
}

if (import.meta.main) Deno.exit(await main());
