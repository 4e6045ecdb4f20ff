/**
 * Records on a device: what a commit costs next to the bare sync of the same disk, how much more is written than
 * clients send, and what defragmentation does to gets. The device is a file in the folder for temporary files.
 *
 * @module
 */

import { askInfo } from "../tools/node_process.ts";
import type { LoadResult } from "./load.ts";
import { Loader } from "./loader.ts";
import type { BenchOptions, BenchPart } from "./part.ts";
import { type ServerProcess, startAerie, writtenBytes } from "./processes.ts";
import { median } from "./samples.ts";
import type { Workload } from "./workloads.ts";

const PUT_SMALL: Workload = { name: "put", readShare: 0, value: "integer" };
const PUT_1K: Workload = { name: "put 1 KiB", readShare: 0, value: 1024 };
const GET_1K: Workload = { name: "get 1 KiB", readShare: 1, value: 1024 };
/** Bytes of a record with a value of 1 KiB on the device: header, bin, padding, checksum. */
const RECORD_1K_BYTES = 1092;
const RAW_WRITE_BYTES = 4096;

/** How large and how long. */
interface Sizes {
  connectionCounts: readonly number[];
  rounds: number;
  runMs: number;
  /** Records of 1 KiB that are overwritten; the file is sized by them. */
  recordCount: number;
  /** Block size in MiB and `defrag-lwm-pct`. */
  shapes: readonly (readonly [number, number])[];
}

const FULL: Sizes = {
  connectionCounts: [1, 8, 64],
  rounds: 3,
  runMs: 2000,
  recordCount: 100_000,
  shapes: [[1, 30], [1, 50], [1, 70], [8, 50], [8, 70]],
};
const QUICK: Sizes = { connectionCounts: [4], rounds: 1, runMs: 100, recordCount: 1000, shapes: [[1, 50]] };

/** Commits per second of one load. */
interface CommitResult {
  connectionCount: number;
  /** Acknowledged writes per second under `commit-to-device`. */
  putsPerS: number;
  /** Write and fdatasync of 4 KiB, one after the other, per second, on a file of the same file system. */
  rawPerS: number;
  p99Us: number;
}

/** Overwrites at one shape of the device. */
interface AmplificationResult {
  blockMib: number;
  lwmPct: number;
  putsPerS: number;
  /** Bytes written to the device per byte of the records put; undefined where the system does not tell. */
  amplification: number | undefined;
}

/** Gets beside puts. */
interface InterferenceResult {
  /** 99th percentile of gets in µs while another process overwrites records in memory. */
  p99MemoryUs: number;
  /** The same with records on a device that is defragmented meanwhile. */
  p99DeviceUs: number;
}

/** Loads a server once. */
async function load(
  server: ServerProcess,
  task: { workload: Workload; connectionCount: number; recordCount: number; runMs: number; fill: boolean },
): Promise<LoadResult> {
  const { protocol, port, pid } = server;
  const loader = await Loader.start({ ...task, server: { protocol, port, pid }, warmUpMs: task.runMs / 4 });
  try {
    return await loader.run();
  } finally {
    await loader.stop();
  }
}

/** Writes and syncs 4 KiB again and again; how many per second. */
function rawSyncsPerS(runMs: number): number {
  const path = Deno.makeTempFileSync({ prefix: "aerie-raw-" });
  const file = Deno.openSync(path, { write: true });
  try {
    const bytes = new Uint8Array(RAW_WRITE_BYTES).fill(1);
    const startMs = performance.now();
    let count = 0;
    let tookMs = 0;
    while ((tookMs = performance.now() - startMs) < runMs) {
      file.writeSync(bytes);
      file.syncDataSync();
      count++;
    }
    return count / tookMs * 1000;
  } finally {
    file.close();
    Deno.removeSync(path);
  }
}

/** Commits of several connections and the bare sync, in turns. */
async function measureCommits(
  { connectionCounts, rounds, runMs }: Sizes,
  executable?: string,
): Promise<CommitResult[]> {
  const server = await startAerie(executable, { dataSize: "1G", deviceLines: ["commit-to-device true"] });
  try {
    const results: CommitResult[] = [];
    for (const connectionCount of connectionCounts) {
      const puts: LoadResult[] = [];
      const raw: number[] = [];
      for (let round = 0; round < rounds; round++) {
        raw.push(rawSyncsPerS(runMs / 2));
        const task = { workload: PUT_SMALL, connectionCount, recordCount: 1000, runMs, fill: false };
        puts.push(await load(server, task));
      }
      results.push({
        connectionCount,
        putsPerS: median(puts.map(({ opsPerS }) => opsPerS)),
        rawPerS: median(raw),
        p99Us: median(puts.map(({ p99Us }) => p99Us)),
      });
    }
    return results;
  } finally {
    await server.stop();
  }
}

/** A file in which the records take a good half of the room. */
function fileSize(recordCount: number, blockMib: number): string {
  const wantedMib = recordCount * RECORD_1K_BYTES / 2 ** 20 * 1.8;
  return `${Math.max(16, Math.ceil(wantedMib / blockMib) * blockMib) + 16 * blockMib}M`;
}

function deviceOptions(recordCount: number, blockMib: number, lwmPct: number) {
  return {
    dataSize: fileSize(recordCount, blockMib),
    namespaceLines: [`max-record-size ${blockMib * 512}K`],
    deviceLines: [`defrag-lwm-pct ${lwmPct}`, "defrag-sleep 0"],
  };
}

/** Writes of clients that succeeded since the node's start. */
async function putCount({ port }: ServerProcess): Promise<number> {
  const statistics = await askInfo({ host: "127.0.0.1", port }, "namespace/test");
  return Number(/client_write_success=(\d+)/.exec(statistics)?.[1]);
}

async function measureAmplification(
  [blockMib, lwmPct]: readonly [number, number],
  { recordCount, runMs }: Sizes,
  executable?: string,
): Promise<AmplificationResult> {
  const server = await startAerie(executable, deviceOptions(recordCount, blockMib, lwmPct));
  try {
    const task = { workload: PUT_1K, connectionCount: 16, recordCount };
    // Until every block has been used, nothing has to be moved.
    await load(server, { ...task, runMs: runMs * 2, fill: true });
    const [bytesBefore, putsBefore] = [writtenBytes(server.pid), await putCount(server)];
    const { opsPerS } = await load(server, { ...task, runMs: runMs * 2, fill: false });
    const [bytesAfter, putsAfter] = [writtenBytes(server.pid), await putCount(server)];
    const known = bytesBefore !== undefined && bytesAfter !== undefined;
    return {
      blockMib,
      lwmPct,
      putsPerS: opsPerS,
      amplification: known
        ? (bytesAfter - bytesBefore) / ((putsAfter - putsBefore) * RECORD_1K_BYTES)
        : undefined,
    };
  } finally {
    await server.stop();
  }
}

/** Gets beside overwrites, in memory and on a device that is defragmented, in turns. */
async function measureInterference(sizes: Sizes, executable?: string): Promise<InterferenceResult> {
  const { recordCount, rounds, runMs } = sizes;
  const memory = await startAerie(executable, { dataSize: "1G" });
  const device = await startAerie(executable, deviceOptions(recordCount, 1, 70));
  try {
    const p99Us: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      for (const [index, server] of [memory, device].entries()) {
        const task = { connectionCount: 8, recordCount, runMs };
        if (round === 0) await load(server, { ...task, workload: PUT_1K, fill: true });
        const [gets] = await Promise.all([
          load(server, { ...task, workload: GET_1K, fill: false }),
          load(server, { ...task, workload: PUT_1K, runMs: runMs * 2, fill: false }),
        ]);
        p99Us[index].push(gets.p99Us);
      }
    }
    return { p99MemoryUs: median(p99Us[0]), p99DeviceUs: median(p99Us[1]) };
  } finally {
    await memory.stop();
    await device.stop();
  }
}

/** Records on a device. */
export const storagePart: BenchPart = {
  name: "storage",
  heading: () => "Records on a device: a file in the folder for temporary files",
  async run({ quick, executable }: BenchOptions, print) {
    const sizes = quick ? QUICK : FULL;
    const commits = await measureCommits(sizes, executable);
    for (const { connectionCount, putsPerS, rawPerS, p99Us } of commits) {
      print(
        `  commit-to-device, ${connectionCount} connections: ${putsPerS.toFixed(0)} puts/s, ` +
          `${(putsPerS / rawPerS).toFixed(2)} x the bare write and sync (${rawPerS.toFixed(0)}/s), ` +
          `p99 ${p99Us.toFixed(0)} µs`,
      );
    }
    const amplifications: AmplificationResult[] = [];
    for (const shape of sizes.shapes) {
      const result = await measureAmplification(shape, sizes, executable);
      amplifications.push(result);
      print(
        `  overwrites of 1 KiB, block ${result.blockMib} MiB, defrag-lwm-pct ${result.lwmPct}: ` +
          `${result.putsPerS.toFixed(0)} puts/s, ${
            result.amplification?.toFixed(2) ?? "?"
          } bytes written per byte put`,
      );
    }
    const interference = await measureInterference(sizes, executable);
    const { p99MemoryUs, p99DeviceUs } = interference;
    print(
      `  gets beside overwrites: p99 ${p99DeviceUs.toFixed(0)} µs while the device is defragmented, ` +
        `${(p99DeviceUs / p99MemoryUs).toFixed(2)} x that in memory`,
    );
    return { commits, amplifications, interference };
  },
};
