/**
 * A cluster of processes with a workload on it, as most scenarios want it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LocalCluster, type LocalClusterOptions, type LocalNode } from "../../cmd/local_cluster.ts";
import { Workload } from "../../cmd/workload.ts";
import { type AerieClient, connect } from "../../src/client/mod.ts";
import { PARTITION_COUNT } from "../../src/base/mod.ts";

/** Longest wait for a cluster to form or to settle. Generous: times are reported. */
export const SETTLE_LIMIT_MS = 60_000;

const MAIN = new URL("../../cmd/main.ts", import.meta.url).pathname;

/** The sources under Deno. */
export const SOURCE_COMMAND: readonly string[] = [Deno.execPath(), "run", "-A", MAIN];

/** A cluster's options, and how heavy the load is. */
export interface LoadOptions extends LocalClusterOptions {
  /** Pause of each of the 16 workers after a request, in milliseconds; 2 when absent. */
  pauseMs?: number;
}

/** See the head of the file. */
export class LoadedCluster {
  readonly cluster: LocalCluster;
  readonly client: AerieClient;
  readonly workload: Workload;

  private constructor(cluster: LocalCluster, client: AerieClient, pauseMs: number) {
    this.cluster = cluster;
    this.client = client;
    this.workload = new Workload({ client, clock: cluster.ports.clock, pauseMs, keysPerWorker: 96 });
  }

  /** Starts nodes, waits until they are one cluster, and lets the workload write. */
  static async start(nodeCount: number, options: LoadOptions = {}): Promise<LoadedCluster> {
    const cluster = await LocalCluster.start(nodeCount, { command: SOURCE_COMMAND, ...options });
    try {
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      const client = await connect({ hosts: cluster.hosts, ports: cluster.ports });
      const loaded = new LoadedCluster(cluster, client, options.pauseMs ?? 2);
      loaded.workload.start();
      return loaded;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Stops the workload and checks that every acknowledged write is there. */
  async finish(): Promise<void> {
    await this.workload.stop();
    const stale = this.workload.counts.staleCount;
    const failed = await this.workload.verify();
    const { lost, lostCount, staleCount, writes } = this.workload.counts;
    assert(writes > 0, "the workload wrote nothing");
    assertEquals(failed, 0, `${failed} reads failed while all keys were read at the end`);
    assertEquals(staleCount, stale, "a settled cluster answered with stale records");
    assertEquals(
      lostCount,
      0,
      `${lostCount} reads lacked acknowledged writes, among them:\n${lost.join("\n")}`,
    );
  }

  /** Every partition has exactly one master, and the copies that are wanted. */
  async assertComplete(replicationFactor: number): Promise<void> {
    const nodes = this.cluster.running;
    const counts = await Promise.all(nodes.map(partitionCounts));
    assertEquals(counts.reduce((sum, { masters }) => sum + masters, 0), PARTITION_COUNT);
    assertEquals(
      counts.reduce((sum, { copies }) => sum + copies, 0),
      PARTITION_COUNT * (Math.min(replicationFactor, nodes.length) - 1),
    );
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const stopped = this.workload.stop();
    this.client.close();
    await stopped;
    await this.cluster.close();
  }
}

/** Partitions that a node claims. */
export async function partitionCounts(node: LocalNode): Promise<{ masters: number; copies: number }> {
  const [replicas] = await node.ask(["replicas"]);
  const bitmaps = replicas.slice(replicas.indexOf(":") + 1).split(";")[0].split(",").slice(2);
  const counts = bitmaps.map((text) =>
    Array.from(atob(text), (one) => one.charCodeAt(0).toString(2).replaceAll("0", "").length)
      .reduce((sum, count) => sum + count, 0)
  );
  return { masters: counts[0] ?? 0, copies: counts.slice(1).reduce((sum, count) => sum + count, 0) };
}

/** Runs something with a loaded cluster, which is gone afterwards. */
export async function withLoad(
  nodeCount: number,
  options: LoadOptions,
  body: (loaded: LoadedCluster) => Promise<void>,
): Promise<void> {
  const loaded = await LoadedCluster.start(nodeCount, options);
  try {
    await body(loaded);
  } finally {
    await loaded.close();
  }
}

/** The time from a fault to the last request that failed; 0 when none failed. */
export function lastErrorAfter(loaded: LoadedCluster, faultMs: number): number {
  return Math.max(0, loaded.workload.counts.lastErrorMs - faultMs);
}
