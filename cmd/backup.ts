/**
 * `aerie backup`: a namespace into files of the field's own text format, or to standard output.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { ByteBuffer, decodeBase64 } from "../src/base/mod.ts";
import { type AerieClient, connect, parseAddress } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import {
  ALL_PARTITIONS,
  BackupJob,
  type BackupLimits,
  type BackupPlan,
  type BackupState,
} from "./backup/backup_job.ts";
import { countRecords } from "./backup/cluster_items.ts";
import { BackupOutput, prepareDirectory, prepareFile, removeLeftovers } from "./backup/output.ts";
import { showProgress } from "./backup/progress.ts";
import { StateFile } from "./backup/state_file.ts";
import { addressText } from "./info_fields.ts";
import { countText, sizeText } from "./status_screen.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie backup: write a namespace into files, in the format of the stock backup tool (.asb 3.1)

  aerie backup -n NAMESPACE (-d DIRECTORY | -o FILE | -o -) [-h HOST[:PORT]] [FLAGS]

What
  -n, --namespace NS            namespace to back up
  -s, --set SET                 only this set; may be given several times
      --partitions LIST         only these partitions, for example 0-1023,2048
  -a, --modified-after TIME     only records written after it, for example 2026-01-31T12:00:00Z
  -b, --modified-before TIME    only records written before it
  -f, --filter BASE64           only records that this filter expression lets pass
      --no-records, --no-indexes, --no-udfs

Where to
  -d, --directory DIR           files DIR/NAMESPACE_00000.asb and so on
  -o, --output-file FILE        one file; - for standard output
  -F, --file-limit MIB          size of the files of a directory, default 250
  -r, --remove-files            remove backup files that are in the directory, or replace the file
  -C, --compact                 bytes as they are instead of in base64

How
  -h, --host HOST[:PORT]        any node of the cluster, default 127.0.0.1:3000
  -w, --parallel N              scans at the same time, 1 to 64, default 4
  -L, --records-per-second N    limit per node
      --state-file FILE         where an interrupted backup leaves its state, default beside the output
      --continue                go on with an interrupted backup
      --help                    this text

A backup is no snapshot: records that change meanwhile are in it as they were when their turn came. Ctrl-C ends it in
order; --continue goes on. Exit codes: 0 all is there, 1 it failed or was interrupted, 2 wrong usage

Examples
  aerie backup -n test -d /backups/test-2026-11-21
  aerie backup -n test -s users -o - | zstd > users.asb.zst
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;
const MIB = 1024 * 1024;
const CHECKPOINT_INTERVAL_MS = 10_000;

/** Where text goes; the terminal by default. */
export interface BackupStreams {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
  /** Told the way to end the backup in order; returns how to forget it. */
  onStop?(stop: () => void): () => void;
}

interface BackupFlags {
  host: string;
  plan: BackupPlan;
  limits: BackupLimits;
  directory: string | undefined;
  file: string | undefined;
  stateFile: string | undefined;
  removeFiles: boolean;
  continues: boolean;
}

/**
 * Runs the verb.
 *
 * @param args the words after `backup`
 * @returns the exit code: 0 all is there, 1 it failed or was interrupted, 2 wrong usage
 */
export async function runBackup(
  args: string[],
  streams: BackupStreams = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help")) {
    streams.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    streams.complain(`aerie backup: ${flags}\nSee "aerie backup --help".`);
    return USAGE;
  }
  let client: AerieClient | undefined;
  try {
    client = await connect({ hosts: [flags.host], ports: await createPlatform(), connectTimeoutMs: 5000 });
    return await backUp(client, flags, streams);
  } catch (error) {
    streams.complain(`aerie backup: ${(error as Error).message}`);
    return FAILED;
  } finally {
    client?.close();
  }
}

async function backUp(client: AerieClient, flags: BackupFlags, streams: BackupStreams): Promise<number> {
  const { plan, limits, directory } = flags;
  const expected = await countRecords(client, plan.namespace);
  const stateFile = flags.stateFile === undefined ? undefined : new StateFile(flags.stateFile);
  const state = flags.continues ? await readState(stateFile) : undefined;
  if (directory !== undefined && state === undefined) await prepareDirectory(directory, flags);
  const single = directory === undefined ? await openSingle(flags, state) : undefined;
  const job: BackupJob = new BackupJob({
    client,
    plan,
    limits,
    single,
    pathOf: directory === undefined
      ? undefined
      : (number) => `${directory}/${plan.namespace}_${String(number).padStart(5, "0")}.asb`,
    onWarning: (text) => streams.complain(`aerie backup: ${text}`),
    onBegun: async () => await stateFile?.keep(job),
  });
  if (state !== undefined) {
    await job.resume(state);
    if (directory !== undefined) await removeLeftovers(directory, state.files.map(({ path }) => path));
  }
  const startMs = performance.now();
  const outcome = await runJob(job, { stateFile, streams, expected, isPiped: flags.file === "-" });
  if (outcome !== undefined) return await giveUp(job, outcome, { stateFile, streams });
  await stateFile?.remove();
  summarize(job, flags, { streams, durationMs: performance.now() - startMs });
  return FINE;
}

interface RunOptions {
  stateFile: StateFile | undefined;
  streams: BackupStreams;
  /** Records of the namespace. */
  expected: number;
  /** Records go to standard output. */
  isPiped: boolean;
}

/** Runs the job to its end; returns why it did not get there. */
async function runJob(job: BackupJob, options: RunOptions): Promise<string | undefined> {
  const { stateFile, streams, expected, isPiped } = options;
  // Standard output and standard error are often the same terminal.
  const endProgress = showProgress((durationMs) => ({
    share: job.share,
    text: progressText(job, expected, durationMs),
  }), isPiped && process.stdout.isTTY === true ? { isShown: false } : {});
  const checkpoints = setInterval(
    () => void stateFile?.keep(job).catch(() => {}),
    CHECKPOINT_INTERVAL_MS,
  );
  let isStopped = false;
  const forget = (streams.onStop ?? stopBySignal)(() => {
    isStopped = true;
    job.stop();
  });
  try {
    await job.run();
    if (isStopped) return "interrupted";
    await job.close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearInterval(checkpoints);
    forget();
    endProgress();
  }
}

async function giveUp(
  job: BackupJob,
  why: string,
  { stateFile, streams }: Pick<RunOptions, "stateFile" | "streams">,
): Promise<number> {
  if (stateFile === undefined) {
    streams.complain(`aerie backup: ${why}; what was written is no whole backup`);
    return FAILED;
  }
  const failure = await stateFile.keep(job).then(() => undefined, (error: Error) => error);
  const { keptRecords, path } = stateFile;
  // A full disk takes no state either; then what was kept last is there.
  const goesOn = keptRecords === undefined
    ? `its state could not be kept: ${failure?.message}`
    : `--continue goes on ${failure === undefined ? "" : `after record ${keptRecords} `}from ${path}`;
  streams.complain(`aerie backup: ${why} after ${job.counts.records} records; ${goesOn}`);
  await job.close().catch(() => {});
  return FAILED;
}

async function openSingle(flags: BackupFlags, state: BackupState | undefined): Promise<BackupOutput> {
  const path = flags.file!;
  if (path === "-") return BackupOutput.standard();
  if (state !== undefined) return await BackupOutput.resume(path, state.files[0]?.sizeBytes ?? 0);
  await prepareFile(path, flags);
  return await BackupOutput.create(path);
}

async function readState(stateFile: StateFile | undefined): Promise<BackupState> {
  if (stateFile === undefined) throw new Error("a backup to standard output can't go on: it left no state");
  return await stateFile.read();
}

function stopBySignal(stop: () => void): () => void {
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
}

function progressText(job: BackupJob, expected: number, durationMs: number): string {
  const { records, bytes } = job.counts;
  const share = expected === 0 ? "" : ` of about ${countText(expected)}`;
  const rate = Math.round(records / Math.max(0.001, durationMs / 1000));
  return `${countText(records)}${share} records, ${sizeText(bytes)}, ${countText(rate)} records/s`;
}

function summarize(
  job: BackupJob,
  flags: BackupFlags,
  { streams, durationMs }: { streams: BackupStreams; durationMs: number },
): void {
  const { records, indexes, modules, filesUsed } = job.counts;
  const where = flags.directory ?? flags.file!;
  const text =
    `namespace ${flags.plan.namespace}: ${records} records, ${indexes} indexes, ${modules} modules, ` +
    `${sizeText(job.counts.bytes)} in ${filesUsed} file${filesUsed === 1 ? "" : "s"} of ${where}, ` +
    `${(durationMs / 1000).toFixed(1)} s (${
      Math.round(records / Math.max(0.001, durationMs / 1000))
    } records/s)`;
  if (where === "-") streams.complain(text);
  else streams.print(text);
}

function parseFlags(args: readonly string[]): BackupFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: [
      "host",
      "namespace",
      "set",
      "partitions",
      "modified-after",
      "modified-before",
      "filter",
      "directory",
      "output-file",
      "file-limit",
      "parallel",
      "records-per-second",
      "state-file",
    ],
    boolean: ["no-records", "no-indexes", "no-udfs", "remove-files", "compact", "continue"],
    collect: ["set"],
    alias: {
      host: "h",
      namespace: "n",
      set: "s",
      "modified-after": "a",
      "modified-before": "b",
      filter: "f",
      directory: "d",
      "output-file": "o",
      "file-limit": "F",
      "remove-files": "r",
      compact: "C",
      parallel: "w",
      "records-per-second": "L",
    },
    unknown: (word) => void unknown.push(word),
  }) as Record<string, unknown>;
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const text = (name: string) => parsed[name] as string | undefined;
  const namespace = text("namespace");
  const [directory, file] = [text("directory"), text("output-file")];
  if (!namespace) return "-n NAMESPACE is missing";
  if ((directory === undefined) === (file === undefined)) return "give either -d DIRECTORY or -o FILE";
  try {
    const address = parseAddress(text("host") || "127.0.0.1");
    return {
      host: addressText(address),
      plan: {
        namespace,
        sets: (parsed["set"] as string[] | undefined) ?? [],
        partitions: parsePartitions(text("partitions")),
        filter: combineFilters([
          timeFilter("--modified-after", text("modified-after"), EXP_GE),
          timeFilter("--modified-before", text("modified-before"), EXP_LT),
          ownFilter(text("filter")),
        ]),
        hasRecords: parsed["no-records"] !== true,
        hasIndexes: parsed["no-indexes"] !== true,
        hasModules: parsed["no-udfs"] !== true,
      },
      limits: {
        workerCount: number(text("parallel"), { flag: "-w", min: 1, max: 64 }) ?? 4,
        recordsPerSecond: number(text("records-per-second"), { flag: "-L", min: 0, max: 1e9 }) ?? 0,
        fileSizeBytes: (number(text("file-limit"), { flag: "-F", min: 1, max: 1e6 }) ?? 250) * MIB,
        isCompact: parsed["compact"] === true,
      },
      directory,
      file,
      stateFile: text("state-file") ??
        (directory !== undefined
          ? `${directory}/${namespace}.state`
          : file === "-"
          ? undefined
          : `${file}.state`),
      removeFiles: parsed["remove-files"] === true,
      continues: parsed["continue"] === true,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

function number(
  text: string | undefined,
  { flag, min, max }: { flag: string; min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max && text !== "") return value;
  throw new RangeError(`${flag} takes a whole number from ${min} to ${max}, not "${text}"`);
}

/** `0-1023,2048` as numbers, ascending. */
function parsePartitions(text: string | undefined): readonly number[] {
  if (text === undefined) return ALL_PARTITIONS;
  const chosen = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim());
    const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || first > last || last >= ALL_PARTITIONS.length) {
      throw new RangeError(`--partitions takes numbers from 0 to 4095 and ranges as 0-1023, not "${part}"`);
    }
    for (let partition = first; partition <= last; partition++) chosen.add(partition);
  }
  return [...chosen].sort((left, right) => left - right);
}

/** Codes of expressions; data type reference, section 7. */
const EXP_GE = 4;
const EXP_LT = 5;
const EXP_AND = 16;
const EXP_LAST_UPDATE = 66;
const NS_PER_MS = 1_000_000n;

/** Compares the last update time with a moment. */
function timeFilter(flag: string, text: string | undefined, operation: number): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw new RangeError(`${flag} takes a time as 2026-01-31 or 2026-01-31T12:00:00Z, not "${text}"`);
  }
  const out = new ByteBuffer(16);
  for (const byte of [0x93, operation, 0x91, EXP_LAST_UPDATE, 0xd3]) out.appendU8(byte);
  const value = new Uint8Array(8);
  new DataView(value.buffer).setBigInt64(0, BigInt(ms) * NS_PER_MS);
  out.append(value);
  return out.toBytes();
}

function ownFilter(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const bytes = decodeBase64(text);
  if (bytes === undefined || bytes.length === 0) {
    throw new RangeError("-f takes a filter expression in base64");
  }
  return bytes;
}

function combineFilters(filters: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const given = filters.filter((filter) => filter !== undefined);
  if (given.length <= 1) return given[0];
  const out = new ByteBuffer(64);
  out.appendU8(0x90 + given.length + 1);
  out.appendU8(EXP_AND);
  for (const filter of given) out.append(filter);
  return out.toBytes();
}
