/**
 * How fast partitions migrate, and what clients notice: a node with all records serves reads; an empty one joins and is
 * given copies of them. Joins without load and with it take turns with load alone.
 *
 * @module
 */

import { LocalCluster, type LocalNode, valueOf } from "../cmd/local_cluster.ts";
import { SOURCE_COMMAND } from "../tools/system/loaded_cluster.ts";
import type { LoadResult } from "./load.ts";
import { Loader } from "./loader.ts";
import { cpuTimeUs } from "./processes.ts";
import { median } from "./samples.ts";

/** How large and how long. */
export interface ClusterMigrationOptions {
  /** Records that migrate. */
  recordCount: number;
  /** Size of each record's value in bytes. */
  valueSizeBytes: number;
  /** Connections that read, each with a pause between requests. */
  connectionCount: number;
  /** Rounds of all three. */
  roundCount: number;
  /** Longest measuring time of a load, in milliseconds. */
  runMs: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** What was found: the middle of the rounds. */
export interface ClusterMigrationResult {
  /** Records per second that arrive without load. */
  recordsPerS: number;
  /** The same under load. */
  recordsPerSUnderLoad: number;
  /** CPU of both nodes per record in microseconds, without load; undefined where the system does not tell. */
  cpuUsPerRecord: number | undefined;
  /** Reads per second while nothing migrates. */
  readsPerS: number;
  /** 99th percentile of reads in microseconds while nothing migrates. */
  p99Us: number;
  /** The same during migration. */
  p99MigratingUs: number;
}

const PAUSE_MS = 1;
const LIMIT_MS = 120_000;
const POLL_MS = 5;

/** Runs the rounds. */
export async function measureClusterMigration(
  options: ClusterMigrationOptions,
): Promise<ClusterMigrationResult> {
  const command = options.executable === undefined ? SOURCE_COMMAND : [options.executable];
  const cluster = await LocalCluster.start(1, { command, dataSize: "1G" });
  try {
    const [first] = cluster.nodes;
    const filler = await startLoader(first, options, { fill: true, runMs: 1 });
    await filler.run();
    await filler.stop();
    const second = await cluster.add();
    const quiet: LoadResult[] = [];
    const alone: Transfer[] = [];
    const loaded: (Transfer & { load: LoadResult })[] = [];
    for (let round = 0; round < options.roundCount; round++) {
      alone.push(await measureJoin(cluster, second, round === 0));
      const loader = await startLoader(first, options, { fill: false, runMs: options.runMs });
      quiet.push(await loader.run());
      await loader.stop();
      loaded.push(await measureLoadedJoin(cluster, second, options));
    }
    const cpu = alone.flatMap(({ cpuUsPerRecord }) => cpuUsPerRecord ?? []);
    return {
      recordsPerS: median(alone.map(({ recordsPerS }) => recordsPerS)),
      recordsPerSUnderLoad: median(loaded.map(({ recordsPerS }) => recordsPerS)),
      cpuUsPerRecord: cpu.length === 0 ? undefined : median(cpu),
      readsPerS: median(quiet.map(({ opsPerS }) => opsPerS)),
      p99Us: median(quiet.map(({ p99Us }) => p99Us)),
      p99MigratingUs: median(loaded.map(({ load }) => load.p99Us)),
    };
  } finally {
    await cluster.close();
  }
}

/** One join. */
interface Transfer {
  recordsPerS: number;
  cpuUsPerRecord: number | undefined;
}

/** Lets the second node join anew and waits until it has its copies. */
async function measureJoin(
  cluster: LocalCluster,
  second: LocalNode,
  isFresh: boolean,
  onBegin: () => void = () => {},
): Promise<Transfer> {
  const [first] = cluster.nodes;
  // The counter goes on over all joins.
  const countBefore = await transmittedCount(first);
  if (!isFresh) {
    await second.kill();
    await cluster.untilOne(LIMIT_MS);
    await second.start();
  }
  while ((await first.membership())?.size !== 2) await pause(POLL_MS);
  onBegin();
  const pids = [first.pid!, second.pid!];
  const cpuBefore = sumOf(pids);
  const startMs = performance.now();
  await untilMoved(first);
  const tookS = (performance.now() - startMs) / 1000;
  const cpuAfter = sumOf(pids);
  const count = await transmittedCount(first) - countBefore;
  return {
    recordsPerS: count / tookS,
    cpuUsPerRecord: cpuBefore === undefined || cpuAfter === undefined
      ? undefined
      : (cpuAfter - cpuBefore) / count,
  };
}

async function measureLoadedJoin(
  cluster: LocalCluster,
  second: LocalNode,
  options: ClusterMigrationOptions,
): Promise<Transfer & { load: LoadResult }> {
  const loader = await startLoader(cluster.nodes[0], options, { fill: false, runMs: options.runMs });
  try {
    let load: Promise<LoadResult> | undefined;
    const transfer = await measureJoin(cluster, second, false, () => load = loader.run());
    return { ...transfer, load: await load! };
  } finally {
    await loader.stop();
  }
}

/** Records that a node has sent since it started. */
async function transmittedCount(node: LocalNode): Promise<number> {
  const [text] = await node.ask(["namespace/test"]);
  return Number(valueOf(text, "migrate_records_transmitted"));
}

/** Waits until nothing is left to send. */
async function untilMoved(node: LocalNode): Promise<void> {
  const limitMs = performance.now() + LIMIT_MS;
  for (;;) {
    const [text] = await node.ask(["namespace/test"]);
    const number = (name: string) => Number(valueOf(text, name));
    if (number("migrate_tx_partitions_remaining") === 0 && number("migrate_rx_partitions_remaining") === 0) {
      return;
    }
    if (performance.now() > limitMs) throw new Error(`partitions still migrate after ${LIMIT_MS} ms`);
    await pause(POLL_MS);
  }
}

async function startLoader(
  { place, pid }: LocalNode,
  { recordCount, connectionCount, valueSizeBytes }: ClusterMigrationOptions,
  run: { fill: boolean; runMs: number },
): Promise<Loader> {
  return await Loader.start({
    server: { protocol: "aerie", port: place.ports.service, pid: pid! },
    workload: { name: "get", readShare: 1, value: valueSizeBytes },
    connectionCount,
    recordCount,
    pauseMs: PAUSE_MS,
    warmUpMs: 0,
    ...run,
  });
}

function sumOf(pids: readonly number[]): number | undefined {
  const times = pids.map((pid) => cpuTimeUs(pid));
  return times.includes(undefined) ? undefined : times.reduce((sum, one) => sum! + one!, 0);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
