/**
 * Cuts the power under random histories of stores on simulated disks, over all combinations of engine, commit,
 * compression, encryption and number of files, and compares what is there after each start with a model.
 *
 * Example: `deno run -A tools/cuts/main.ts --cuts 100000`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { crashName, crashSettings, cutPower } from "../../src/storage/disk/crash_matrix_testing.ts";
import { print } from "../print.ts";

const HELP = `Usage: deno run -A tools/cuts/main.ts [--cuts N] [--seed FIRST] [--seconds S]

--cuts       how many cuts to make; 10,000 unless given
--seed       number of the first history; 1 unless given. Histories are numbered on from there
--seconds    stop after this time, however many cuts were made

The exit code is 1 when a history did not end as its model says; the line that tells of it names its seed.`;

const PROGRESS_PERIOD_MS = 10_000;

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, { string: ["cuts", "seed", "seconds"], boolean: ["help"] });
  const cutsWanted = Number(args.cuts ?? 10_000);
  const firstSeed = Number(args.seed ?? 1);
  const limitMs = Number(args.seconds ?? Infinity) * 1000;
  if (args.help || args._.length > 0 || !(cutsWanted > 0) || !Number.isInteger(firstSeed) || !(limitMs > 0)) {
    print(HELP);
    return args.help ? 0 : 2;
  }
  const startMs = performance.now();
  let progressMs = startMs;
  let cutCount = 0;
  let seed = firstSeed;
  for (; cutCount < cutsWanted && performance.now() - startMs < limitMs; seed++) {
    try {
      cutCount += await cutPower(seed);
    } catch (error) {
      print((error as Error).message);
      print(`repeat with: deno run -A tools/cuts/main.ts --seed ${seed} --cuts 1`);
      return 1;
    }
    if (performance.now() - progressMs < PROGRESS_PERIOD_MS) continue;
    progressMs = performance.now();
    print(`${cutCount} cuts, history ${seed} done: ${crashName(crashSettings(seed))}`);
  }
  const seconds = (performance.now() - startMs) / 1000;
  print(
    `${cutCount} cuts in ${seed - firstSeed} histories (${firstSeed} to ${seed - 1}) in ${
      seconds.toFixed(0)
    } s: ` +
      "all records as the models say",
  );
  return 0;
}

if (import.meta.main) Deno.exit(await main());
