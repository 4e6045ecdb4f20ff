/**
 * What membership costs a node that does nothing else: CPU of idle clusters of several sizes, all nodes on loopback,
 * with default settings.
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
/** After the start: collections of garbage and the last connections. */
const REST_MS = 2000;

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
  const cluster = await LocalCluster.start(nodeCount, { command, dataSize: "16M" });
  try {
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
