/**
 * `aerie restore`: backup files of the field's text format into a cluster.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { createReadStream } from "node:fs";
import { open as openFile, readdir, stat } from "node:fs/promises";
import process from "node:process";
import { type AerieClient, connect, parseAddress } from "../src/client/mod.ts";
import { attempt, createPlatform } from "../src/platform/mod.ts";
import type { Ports } from "../src/port/mod.ts";
import { AsbReader } from "./backup/asb_reader.ts";
import { showProgress } from "./backup/progress.ts";
import { RestoreJob, type RestorePolicy } from "./backup/restore_job.ts";
import { addressText } from "./info_fields.ts";
import { countText } from "./status_screen.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie restore: write backup files (.asb 3.1, 3.2) into a cluster

  aerie restore (-d DIRECTORY | -i FILE | -i -) [-h HOST[:PORT]] [FLAGS]

What
  -d, --directory DIR           all .asb files of a directory
  -i, --input-file FILE         one file; - for standard input
  -s, --set SET                 only this set; may be given several times
      --no-records, --no-indexes, --no-udfs

How records are written
  -n, --namespace NS            to this namespace instead of the one they were in
  -u, --unique                  only where the cluster has no record
  -r, --replace                 always; without either, unless the cluster has a record of the same or a higher generation
  -l, --extra-ttl SECONDS       added to each record's time to live
      --ignore-record-error     count records that fail and go on

  -h, --host HOST[:PORT]        any node of the cluster, default 127.0.0.1:3000
  -w, --parallel N              batches at the same time, 1 to 64, default 8
  -L, --records-per-second N    limit, for all nodes together
      --help                    this text

A restore that was interrupted is run again: what it has written is kept then, or written once more.
Records that have expired since the backup are left out. Modules are registered first, indexes made after the
records. Before anything is changed the beginnings of all files are looked at, and whether their namespaces are there.
Exit codes: 0 all was restored, 1 something failed, 2 wrong usage

Examples
  aerie restore -d /backups/test-2026-11-21
  zstd -dc users.asb.zst | aerie restore -i - -n copy --unique
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;
const READ_SIZE_BYTES = 1024 * 1024;
/** Of each file so much is looked at before anything is restored. */
const HEAD_SIZE_BYTES = 64 * 1024;

/** Where text goes; the terminal by default. */
export interface RestoreOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
}

interface RestoreFlags {
  host: string;
  policy: RestorePolicy;
  directory: string | undefined;
  file: string | undefined;
  workerCount: number;
  recordsPerSecond: number;
}

/**
 * Runs the verb.
 *
 * @param args the words after `restore`
 * @returns the exit code: 0 all was restored, 1 something failed, 2 wrong usage
 */
export async function runRestore(
  args: string[],
  output: RestoreOutput = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help")) {
    output.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    output.complain(`aerie restore: ${flags}\nSee "aerie restore --help".`);
    return USAGE;
  }
  let client: AerieClient | undefined;
  try {
    const ports = await createPlatform();
    client = await connect({ hosts: [flags.host], ports, connectTimeoutMs: 5000 });
    return await restore(client, flags, { output, ports });
  } catch (error) {
    output.complain(`aerie restore: ${(error as Error).message}`);
    return FAILED;
  } finally {
    client?.close();
  }
}

async function restore(
  client: AerieClient,
  flags: RestoreFlags,
  { output, ports }: { output: RestoreOutput; ports: Ports },
): Promise<number> {
  const { clock } = ports;
  const { policy, workerCount, recordsPerSecond } = flags;
  const job = await RestoreJob.create({ client, policy, clock, workerCount, recordsPerSecond });
  const startMs = clock.monotonicMs();
  const paths = await inputs(flags);
  const bytes = { read: 0, all: await sizeOf(paths) };
  const endProgress = showProgress((durationMs) => ({
    share: bytes.all === 0 ? undefined : bytes.read / bytes.all,
    text: progressText(job, durationMs),
  }));
  try {
    for (const path of paths) await checkFile(path, job);
    for (const path of paths) await restoreFile(path, job, (count) => bytes.read += count);
    await job.finish();
  } finally {
    await job.settle();
    endProgress();
    summarize(job, { output, durationMs: clock.monotonicMs() - startMs });
  }
  return job.counts.failed === 0 ? FINE : FAILED;
}

function progressText({ counts }: RestoreJob, durationMs: number): string {
  const rate = Math.round(counts.written / Math.max(0.001, durationMs / 1000));
  return `${countText(counts.read)} records read, ${countText(counts.written)} written, ${
    countText(rate)
  } records/s`;
}

/** Bytes of all files together; 0 for standard input. */
async function sizeOf(paths: readonly string[]): Promise<number> {
  let sizeBytes = 0;
  for (const path of paths) {
    if (path !== "-") sizeBytes += (await attempt("open", path, () => stat(path))).size;
  }
  return sizeBytes;
}

async function inputs({ directory, file }: RestoreFlags): Promise<string[]> {
  if (directory === undefined) return [file!];
  const entries = await attempt("read the folder", directory, () => readdir(directory));
  const names = entries.filter((name) => name.endsWith(".asb")).sort();
  if (names.length === 0) throw new Error(`${directory} holds no .asb files`);
  return names.map((name) => `${directory}/${name}`);
}

/** Looks at what a file begins with, before its first record: is it a backup, and can the cluster take it? */
async function checkFile(path: string, job: RestoreJob): Promise<void> {
  // What comes from standard input or a pipe can't be read twice.
  if (path === "-" || !(await attempt("open", path, () => stat(path))).isFile()) return;
  const file = await attempt("open", path, () => openFile(path));
  const reader = new AsbReader();
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD_SIZE_BYTES), 0, HEAD_SIZE_BYTES, 0);
    reader.push(buffer.subarray(0, bytesRead));
    for (let item = reader.next(); item !== undefined && item.kind !== "record"; item = reader.next()) {
      await job.check(item);
    }
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    await file.close();
  }
}

async function restoreFile(
  path: string,
  job: RestoreJob,
  onRead: (sizeBytes: number) => void,
): Promise<void> {
  const source = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: READ_SIZE_BYTES });
  const reader = new AsbReader();
  try {
    for await (const piece of source) {
      reader.push(piece as Uint8Array);
      onRead(piece.length);
      for (let item = reader.next(); item !== undefined; item = reader.next()) await job.take(item);
    }
    reader.end();
  } catch (error) {
    throw new Error(`${path === "-" ? "standard input" : path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function summarize(
  job: RestoreJob,
  { output, durationMs }: { output: RestoreOutput; durationMs: number },
): void {
  const { read, written, expired, filtered, kept, failed, indexes, modules } = job.counts;
  const left = [
    [kept, "kept as the cluster has them"],
    [expired, "expired"],
    [filtered, "of other sets"],
    [failed, "FAILED"],
  ].filter(([count]) => count !== 0).map(([count, what]) => `, ${count} ${what}`).join("");
  output.print(
    `${read} records read, ${written} written${left}; ${indexes} indexes, ${modules} modules; ` +
      `${(durationMs / 1000).toFixed(1)} s (${
        Math.round(written / Math.max(0.001, durationMs / 1000))
      } records/s)`,
  );
  if (job.firstError !== undefined) {
    output.complain(`aerie restore: the first failure: ${job.firstError.message}`);
  }
}

function parseFlags(args: readonly string[]): RestoreFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: [
      "host",
      "namespace",
      "set",
      "directory",
      "input-file",
      "extra-ttl",
      "parallel",
      "records-per-second",
    ],
    boolean: ["no-records", "no-indexes", "no-udfs", "unique", "replace", "ignore-record-error"],
    collect: ["set"],
    alias: {
      host: "h",
      namespace: "n",
      set: "s",
      directory: "d",
      "input-file": "i",
      unique: "u",
      replace: "r",
      "extra-ttl": "l",
      parallel: "w",
      "records-per-second": "L",
    },
    unknown: (word) => void unknown.push(word),
  }) as Record<string, unknown>;
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const text = (name: string) => parsed[name] as string | undefined;
  const [directory, file] = [text("directory"), text("input-file")];
  if ((directory === undefined) === (file === undefined)) return "give either -d DIRECTORY or -i FILE";
  if (parsed["unique"] === true && parsed["replace"] === true) {
    return "give at most one of --unique and --replace";
  }
  const extraTtlS = Number(text("extra-ttl") ?? 0);
  if (!Number.isInteger(extraTtlS) || extraTtlS < 0) return `-l takes seconds, not "${text("extra-ttl")}"`;
  const workerCount = Number(text("parallel") ?? 8);
  if (!Number.isInteger(workerCount) || workerCount < 1 || workerCount > 64) return "-w takes 1 to 64";
  const recordsPerSecond = Number(text("records-per-second") ?? 0);
  if (!Number.isInteger(recordsPerSecond) || recordsPerSecond < 0) {
    return `-L takes records per second, not "${text("records-per-second")}"`;
  }
  try {
    const address = parseAddress(text("host") || "127.0.0.1");
    return {
      host: addressText(address),
      directory,
      file,
      workerCount,
      recordsPerSecond,
      policy: {
        mode: parsed["unique"] === true ? "create" : parsed["replace"] === true ? "replace" : "newer",
        namespace: text("namespace") || undefined,
        sets: new Set((parsed["set"] as string[] | undefined) ?? []),
        extraTtlS,
        hasRecords: parsed["no-records"] !== true,
        hasIndexes: parsed["no-indexes"] !== true,
        hasModules: parsed["no-udfs"] !== true,
        ignoresErrors: parsed["ignore-record-error"] === true,
      },
    };
  } catch (error) {
    return (error as Error).message;
  }
}
