/**
 * What membership costs a node that does nothing else: CPU of idle clusters of several sizes, all nodes on loopback,
 * with the default interval.
 *
 * @module
 */

import { LocalCluster } from "../cmd/local_cluster.ts";
import { SOURCE_COMMAND } from "../tools/system/loaded_cluster.ts";
import { cpuTimeUs, residentBytes } from "./processes.ts";

/** How large and how long. */
export interface ClusterHeartbeatOptions {
  /** Numbers of nodes. */
  nodeCounts: readonly number[];
  /** Measuring time, milliseconds. */
  runMs: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** One idle cluster. */
export interface ClusterHeartbeatResult {
  /** Nodes. */
  nodeCount: number;
  /** CPU per node, in percent of a core; undefined where the system does not tell. */
  cpuPercent: number | undefined;
  /** Resident memory per node in bytes. */
  residentBytes: number | undefined;
}

const SETTLE_LIMIT_MS = 120_000;
/** Nodes that start at the same time: more take so much of a small machine that none of them gets anywhere. */
const GROUP_SIZE = 8;
/**
 * Intervals of silence after which a node is given up: pulses are as many as by default, but nodes that wait for a busy
 * machine are not given up while others start.
 */
const TIMEOUT_COUNT = 60;
/** After the start: collections of garbage, the last connections, and pulses that come to be sent together. */
const REST_MS = 6000;

/** Measures one cluster after the other. */
export async function measureClusterHeartbeat(
  options: ClusterHeartbeatOptions,
  onResult: (result: ClusterHeartbeatResult) => void,
): Promise<ClusterHeartbeatResult[]> {
  const results: ClusterHeartbeatResult[] = [];
  for (const nodeCount of options.nodeCounts) {
    const result = await measureOne(nodeCount, options);
    results.push(result);
    onResult(result);
  }
  return results;
}

async function measureOne(
  nodeCount: number,
  { runMs, executable }: ClusterHeartbeatOptions,
): Promise<ClusterHeartbeatResult> {
  const command = executable === undefined ? SOURCE_COMMAND : [executable];
  const cluster = await LocalCluster.start(Math.min(nodeCount, GROUP_SIZE), {
    command,
    dataSize: "16M",
    flags: () => ["--network.heartbeat.timeout", String(TIMEOUT_COUNT)],
  });
  try {
    while (cluster.nodes.length < nodeCount) {
      await cluster.addAll(Math.min(nodeCount - cluster.nodes.length, GROUP_SIZE));
      await cluster.untilOne(SETTLE_LIMIT_MS);
    }
    await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
    await pause(Math.min(REST_MS, runMs));
    const pids = cluster.nodes.map(({ pid }) => pid!);
    const before = sum(pids.map((pid) => cpuTimeUs(pid)));
    const startMs = performance.now();
    await pause(runMs);
    const tookMs = performance.now() - startMs;
    const after = sum(pids.map((pid) => cpuTimeUs(pid)));
    const resident = sum(pids.map((pid) => residentBytes(pid)));
    return {
      nodeCount,
      cpuPercent: before === undefined || after === undefined
        ? undefined
        : (after - before) / (tookMs * 1000) / nodeCount * 100,
      residentBytes: resident === undefined ? undefined : resident / nodeCount,
    };
  } finally {
    await cluster.close();
  }
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  let total = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
