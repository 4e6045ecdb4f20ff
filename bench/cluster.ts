/**
 * The parts of the benchmark about clusters: requests and migration, and what idle clusters cost.
 *
 * @module
 */

import { type ClusterHeartbeatResult, measureClusterHeartbeat } from "./cluster_heartbeat.ts";
import { type ClusterMigrationResult, measureClusterMigration } from "./cluster_migration.ts";
import { type ClusterWritesResult, measureClusterWrites } from "./cluster_writes.ts";
import type { BenchOptions, BenchPart } from "./part.ts";
import { clusterHeartbeatLine, clusterMigrationLines, clusterWritesLines } from "./report.ts";

/** Everything that was measured. */
export interface ClusterResult {
  /** What requests cost. */
  writes: ClusterWritesResult[];
  /** How fast records migrate. */
  migration: ClusterMigrationResult;
}

/** Idle nodes use little: it takes a while to count. */
const HEARTBEAT_RUN_MS = 10_000;
const CONNECTION_COUNT = 32;
const VALUE_SIZE_BYTES = 100;

async function run(
  { quick, macro, executable }: BenchOptions,
  print: (line: string) => void,
): Promise<ClusterResult> {
  const { roundCount, runMs, warmUpMs } = macro;
  const command = executable === undefined ? {} : { executable };
  const writes = await measureClusterWrites({
    recordCount: quick ? 200 : 10_000,
    connectionCount: quick ? 4 : CONNECTION_COUNT,
    roundCount,
    runMs,
    warmUpMs,
    ...command,
  });
  for (const result of writes) for (const line of clusterWritesLines(result, quick)) print(line);
  const recordCount = quick ? 2000 : 200_000;
  print(`An empty node joins one with ${recordCount} records of ${VALUE_SIZE_BYTES} bytes`);
  const migration = await measureClusterMigration({
    recordCount,
    valueSizeBytes: VALUE_SIZE_BYTES,
    connectionCount: 8,
    roundCount,
    runMs,
    ...command,
  });
  for (const line of clusterMigrationLines(migration)) print(line);
  return { writes, migration };
}

/** See the head of the file. */
export const clusterPart: BenchPart = {
  name: "cluster",
  heading: () =>
    "Requests in clusters, in turns; clients ask the owner of a record; CPU is that of all nodes",
  run,
};

/** What idle clusters of several sizes cost. */
export const heartbeatPart: BenchPart = {
  name: "heartbeat",
  heading: () => "Idle clusters on loopback: CPU and memory of each node",
  run: ({ quick, macro: { runMs }, nodeCounts, executable }, print): Promise<ClusterHeartbeatResult[]> =>
    measureClusterHeartbeat(
      {
        nodeCounts,
        runMs: quick ? runMs : HEARTBEAT_RUN_MS,
        ...(executable === undefined ? {} : { executable }),
      },
      (result) => print(clusterHeartbeatLine(result)),
    ),
};
