/**
 * Starts with many records on a device: cold (all blocks are read), fast (from the index checkpoint of a stop in order),
 * and after a crash; and what checkpoints write under a steady load. Each life is a process of its own
 * (`restart_child.ts`); the file is in the folder for temporary files, and was read or written a moment ago.
 *
 * @module
 */

import type { BenchOptions, BenchPart } from "./part.ts";
import { verdict } from "./part.ts";
import { benchFile } from "./processes.ts";

const RECORD_COUNT = 1_000_000;
const RECORD_COUNT_QUICK = 2000;
/** Starts of each kind; the fastest counts, because other work on the machine only slows. */
const ROUND_COUNT = 3;
/** A start after a stop in order, with ten million records. */
const FAST_TARGET_MS = 2000;
const FAST_TARGET_RECORD_COUNT = 10_000_000;
/**
 * Copies that a cold start takes over per second of processor time, where the device is not what limits it: half of what
 * it reads in order is the target, if that is less.
 */
const COLD_TARGET_PER_S = 1_000_000;

/** One start. */
interface Start {
  /** How the index came: `fast`, `replay` or `cold`. */
  kind: string;
  /** Records after it. */
  recordCount: number;
  /** Copies of records that were read. */
  copyCount: number;
  /** What it took. */
  durationMs: number;
  /** Processor time of it, all threads. */
  cpuMs: number;
  /** Most memory that the process had until then. */
  peakBytes?: number;
  /** Reading the same file in order, from the system's cache as far as it is there, in MB per second. */
  rawMbPerS?: number;
  /** Reading it past the cache, in MB per second; undefined where that can't be measured. */
  deviceMbPerS?: number;
  /** Bytes of the blocks that were read. */
  readBytes?: number;
  /** The stop that followed. */
  stopMs: number;
}

/** Checkpoints beside a steady load. */
interface CheckpointLoad {
  putsPerS: number;
  bytesPerHour: number;
  /** Longest piece of a checkpoint's work in ms; on a busy machine it includes the time for which others ran. */
  sliceMaxMs: number;
  dirtyBytes: number;
}

/** What the part found. */
export interface RestartResult {
  /** Records. */
  recordCount: number;
  /** The stop after all were put. */
  firstStopMs: number;
  /** The fastest start of each kind. */
  starts: Start[];
  /** Under load. */
  load: CheckpointLoad;
}

async function live(life: string, folder: string, recordCount: number): Promise<unknown> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", benchFile("restart_child.ts"), life, folder, String(recordCount)],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  const line = new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
  if (!success || !line.startsWith("{")) throw new Error(`A store could not live through "${life}": ${line}`);
  return JSON.parse(line);
}

async function fastest(
  lives: readonly string[],
  { folder, recordCount, roundCount }: { folder: string; recordCount: number; roundCount: number },
): Promise<Start> {
  let best: Start | undefined;
  for (let round = 0; round < roundCount; round++) {
    let last: unknown;
    for (const life of lives) last = await live(life, folder, recordCount);
    const start = last as Start;
    if (best === undefined || start.durationMs < best.durationMs) best = start;
  }
  return best!;
}

/** Reads a file in order past the system's cache, where the file system can; in MB per second. */
async function deviceReadRate(path: string): Promise<number | undefined> {
  // What is not written yet would be written first.
  using file = await Deno.open(path, { write: true });
  await file.syncData();
  const startMs = performance.now();
  try {
    const { success } = await new Deno.Command("dd", {
      args: [`if=${path}`, "of=/dev/null", "bs=1M", "iflag=direct", "status=none"],
      stdin: "null",
      stderr: "null",
    }).output();
    if (!success) return undefined;
  } catch {
    return undefined;
  }
  const { size, blocks } = await Deno.stat(path);
  // Holes of a sparse file cost nothing.
  return Math.min(size, (blocks ?? Infinity) * 512) / 1e3 / (performance.now() - startMs);
}

/** What the target of a cold start is, and why. */
function coldTarget({ copyCount, readBytes, deviceMbPerS }: Start): { perS: number; words: string } {
  if (deviceMbPerS === undefined || readBytes === undefined || copyCount === 0) {
    return { perS: COLD_TARGET_PER_S, words: "the device's rate is not known" };
  }
  const devicePerS = deviceMbPerS * 1e6 / (readBytes / copyCount);
  return {
    perS: Math.min(COLD_TARGET_PER_S, devicePerS / 2),
    words: `the device reads ${Math.round(deviceMbPerS)} MB/s in order, ${
      (devicePerS / 1e6).toFixed(2)
    } M records/s`,
  };
}

function coldLine(start: Start): string {
  const { perS, words } = coldTarget(start);
  const { copyCount, cpuMs } = start;
  return `          ${(copyCount / 1e3 / cpuMs).toFixed(2)} M records per second of processor time, ` +
    `${(cpuMs * 1e6 / copyCount).toFixed(0)} ns each; ${words}; target ${(perS / 1e6).toFixed(2)} M/s`;
}

function startLine(start: Start, quick: boolean): string {
  const { kind, recordCount, copyCount, durationMs, cpuMs, peakBytes, rawMbPerS, stopMs } = start;
  const perS = recordCount * 1000 / durationMs;
  const isFastTarget = kind === "fast" && recordCount >= FAST_TARGET_RECORD_COUNT;
  const words = [
    `${kind.padEnd(7)} ${(durationMs / 1000).toFixed(2)} s`,
    `${(perS / 1e6).toFixed(2)} M records/s`,
    `${(cpuMs / 1000).toFixed(2)} s of processor time`,
    ...(copyCount > 0 ? [`${copyCount} copies read`] : []),
    ...(peakBytes === undefined ? [] : [`peak ${Math.round(peakBytes / 2 ** 20)} MiB`]),
    ...(rawMbPerS === undefined ? [] : [`file read in order from the cache: ${Math.round(rawMbPerS)} MB/s`]),
    `stop ${(stopMs / 1000).toFixed(2)} s`,
  ];
  const target = isFastTarget
    ? verdict(durationMs <= FAST_TARGET_MS, quick)
    : kind === "cold"
    ? verdict(copyCount * 1000 / cpuMs >= coldTarget(start).perS, quick)
    : "";
  return `  ${words.join(", ")}${target}`;
}

async function run(
  { quick, recordCount: wanted }: BenchOptions,
  print: (line: string) => void,
): Promise<RestartResult> {
  const recordCount = wanted ?? (quick ? RECORD_COUNT_QUICK : RECORD_COUNT);
  const roundCount = quick ? 1 : ROUND_COUNT;
  const folder = await Deno.makeTempDir({ prefix: "aerie-restart-" });
  try {
    const sizes = { folder, recordCount, roundCount };
    const { stopMs: firstStopMs } = await live("fill", folder, recordCount) as { stopMs: number };
    print(`  first stop, with the whole index to write: ${(firstStopMs / 1000).toFixed(2)} s`);
    const starts: Start[] = [];
    // A cold start makes no checkpoint: the next start would be cold, too.
    for (const lives of [["start"], ["crash", "start"]]) {
      starts.push(await fastest(lives, sizes));
      print(startLine(starts.at(-1)!, quick));
    }
    const load = await live("load", folder, recordCount) as CheckpointLoad;
    const cold = await fastest(["cold"], sizes);
    const deviceMbPerS = await deviceReadRate(`${folder}/test.dat`);
    if (deviceMbPerS !== undefined) cold.deviceMbPerS = deviceMbPerS;
    starts.push(cold);
    print(startLine(cold, quick));
    print(coldLine(cold));
    print(
      `  checkpoints beside ${load.putsPerS} puts/s: ${
        Math.round(load.bytesPerHour / 2 ** 20)
      } MiB per hour, longest slice ` +
        `${load.sliceMaxMs.toFixed(1)} ms`,
    );
    return { recordCount, firstStopMs, starts, load };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts with many records. */
export const restartPart: BenchPart = {
  name: "restart",
  heading: ({ quick, recordCount }) =>
    `Starts with ${
      recordCount ?? (quick ? RECORD_COUNT_QUICK : RECORD_COUNT)
    } records of 100 bytes on a device`,
  run,
};
