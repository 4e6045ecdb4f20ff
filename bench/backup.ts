/**
 * Backup and restore as processes of their own: a node is backed up, an empty one restored, and backed up again; both
 * backups must hold the same records.
 *
 * @module
 */

import { Loader } from "./loader.ts";
import type { BenchPart } from "./part.ts";
import { cpuTimeUs, type ServerProcess, startAerie } from "./processes.ts";
import { NAMESPACE } from "./requests.ts";
import type { Workload } from "./workloads.ts";

const FILL: Workload = { name: "put", readShare: 0, value: 128 };
const RECORDS = 1_000_000;
const RECORDS_QUICK = 1000;

/** One run of a verb. */
interface VerbResult {
  /** Which. */
  name: string;
  /** Records per second, with the start of the process. */
  recordsPerS: number;
  /** CPU of the server per record in microseconds; undefined where the system does not tell. */
  serverCpuUs: number | undefined;
  /** Bytes of the backup. */
  sizeBytes: number;
}

/** What a backup holds, whatever the order of its records. */
interface Content {
  recordCount: number;
  sizeBytes: number;
  /** Sum of a hash of each record, without its generation, which a restore begins anew. */
  sum: number;
}

/** Runs a verb of the sources, or of the executable, on a server. */
async function runVerb(
  words: readonly string[],
  server: ServerProcess,
  executable?: string,
): Promise<{ tookS: number; serverCpuUs: number | undefined }> {
  const main = new URL("../cmd/main.ts", import.meta.url).pathname;
  const [program, ...before] = executable === undefined
    ? [Deno.execPath(), "run", "-A", "--no-check", main]
    : [executable];
  const startMs = performance.now();
  const cpuBefore = cpuTimeUs(server.pid);
  const { success, stderr } = await new Deno.Command(program, {
    args: [...before, ...words, "-h", `127.0.0.1:${server.port}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`aerie ${words[0]} failed: ${new TextDecoder().decode(stderr)}`);
  const cpuAfter = cpuTimeUs(server.pid);
  const known = cpuBefore !== undefined && cpuAfter !== undefined;
  return {
    tookS: (performance.now() - startMs) / 1000,
    serverCpuUs: known ? cpuAfter - cpuBefore : undefined,
  };
}

/** Reads the files of a backup. */
async function contentOf(directory: string): Promise<Content> {
  const content: Content = { recordCount: 0, sizeBytes: 0, sum: 0 };
  for await (const { name } of Deno.readDir(directory)) {
    if (!name.endsWith(".asb")) continue;
    const path = `${directory}/${name}`;
    content.sizeBytes += (await Deno.stat(path)).size;
    addFile(content, await Deno.readTextFile(path));
  }
  return content;
}

function addFile(content: Content, text: string): void {
  let hash = 0;
  let at = 0;
  while (at < text.length) {
    let end = text.indexOf("\n", at);
    if (end === -1) end = text.length;
    const isRecordLine = text[at] === "+" || text[at] === "-";
    if (text.startsWith("+ n", at)) {
      content.recordCount++;
      content.sum = (content.sum + hash) % Number.MAX_SAFE_INTEGER;
      hash = 0;
    }
    if (isRecordLine && !text.startsWith("+ g", at)) {
      for (let index = at; index < end; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) >>> 0;
    }
    at = end + 1;
  }
  content.sum = (content.sum + hash) % Number.MAX_SAFE_INTEGER;
}

async function fill({ protocol, port, pid }: ServerProcess, recordCount: number): Promise<void> {
  const loader = await Loader.start({
    server: { protocol, port, pid },
    workload: FILL,
    connectionCount: 16,
    recordCount,
    fill: true,
    warmUpMs: 0,
    runMs: 1,
  });
  await loader.stop();
}

/** Backup and restore. */
export const backupPart: BenchPart = {
  name: "backup",
  heading: ({ quick }) =>
    `Backup of ${
      quick ? RECORDS_QUICK : RECORDS
    } records of 128 bytes, restore into an empty node, second backup`,
  async run({ quick, executable }, print) {
    const recordCount = quick ? RECORDS_QUICK : RECORDS;
    const folder = await Deno.makeTempDir({ prefix: "aerie-backup-" });
    const first = await startAerie(executable);
    const second = await startAerie(executable);
    try {
      await fill(first, recordCount);
      const results: VerbResult[] = [];
      const contents: Content[] = [];
      const steps = [["backup", first, "a"], ["restore", second, "a"], ["backup", second, "b"]] as const;
      for (const [verb, server, name] of steps) {
        const directory = `${folder}/${name}`;
        const words = verb === "backup" ? [verb, "-n", NAMESPACE, "-d", directory] : [verb, "-d", directory];
        const { tookS, serverCpuUs } = await runVerb(words, server, executable);
        if (verb === "backup") contents.push(await contentOf(directory));
        const result = {
          name: verb,
          recordsPerS: recordCount / tookS,
          serverCpuUs: serverCpuUs === undefined ? undefined : serverCpuUs / recordCount,
          sizeBytes: contents[contents.length - 1].sizeBytes,
        };
        results.push(result);
        print(
          `  ${verb.padEnd(8)} ${result.recordsPerS.toFixed(0).padStart(8)} records/s, ` +
            `${(result.sizeBytes / tookS / 2 ** 20).toFixed(1)} MiB/s, ` +
            `${result.serverCpuUs?.toFixed(2) ?? "?"} µs of server CPU per record`,
        );
      }
      const [before, after] = contents;
      const isSame = before.recordCount === recordCount && after.recordCount === recordCount &&
        before.sum === after.sum;
      if (!isSame) {
        throw new Error(`The backups differ: ${JSON.stringify(before)} and ${JSON.stringify(after)}`);
      }
      print(`  both backups hold the same ${recordCount} records`);
      return results;
    } finally {
      await first.stop();
      await second.stop();
      await Deno.remove(folder, { recursive: true });
    }
  },
};
