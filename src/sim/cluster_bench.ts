/**
 * How fast the simulator of clusters is: virtual seconds of an idle cluster, and client operations, per second of CPU.
 *
 * @module
 */
import type { Compute, Host } from "../port/mod.ts";
import { runCluster } from "./cluster_run.ts";
import { ClusterMembers } from "./cluster_members.ts";
import type { ClusterSchedule, ClusterShape } from "./cluster_types.ts";
import { SimWorld } from "./world.ts";

/** Virtual time of the idle cluster: the first run lets the compiler warm up. */
const IDLE_WARM_MS = 50_000;
const IDLE_MS = 300_000;

const WORK_WARM_MS = 10_000;
const WORK_MS = 20_000;

const SHAPE: ClusterShape = {
  nodeCount: 5,
  spareCount: 0,
  replicationFactor: 2,
  heartbeatIntervalMs: 150,
  heartbeatTimeoutCount: 10,
  conflictPolicy: "generation",
  stockLikeNode: -1,
  hasFiles: false,
  keyCount: 400,
  clientCount: 3,
  loopsPerClient: 4,
  thinkMaxMs: 4,
  timeoutMs: 1000,
};

/** What measuring needs. */
export interface BenchParts {
  readonly compute: Compute;
  readonly host: Host;
  readonly settle: () => Promise<void>;
  readonly print: (line: string) => void;
}

/** Measures, and prints a line for each figure. */
export async function benchCluster(parts: BenchParts): Promise<void> {
  await benchIdle(parts);
  await benchWork(parts);
}

async function benchIdle({ compute, settle, host, print }: BenchParts): Promise<void> {
  const world = new SimWorld({ seed: 1, compute, settle });
  const members = new ClusterMembers(world, SHAPE);
  for (const member of members.all) members.start(member);
  await world.simulation.runFor(IDLE_WARM_MS);
  const before = cpuS(host);
  const events = world.simulation.eventCount;
  await world.simulation.runFor(IDLE_MS);
  const spentS = cpuS(host) - before;
  print(
    `idle cluster of 5 nodes: ${(IDLE_MS / 1000 / spentS).toFixed(0)} virtual seconds and ${
      Math.round((world.simulation.eventCount - events) / spentS)
    } events per second of CPU`,
  );
}

async function benchWork({ compute, settle, host, print }: BenchParts): Promise<void> {
  const run = (durationMs: number) => {
    const schedule: ClusterSchedule = {
      seed: 1,
      shape: SHAPE,
      epochs: [{ kind: "safe", durationMs, faults: [] }],
    };
    return runCluster({ schedule, compute, settle, runMinMs: 0, operationCountMin: 0 });
  };
  await run(WORK_WARM_MS);
  const before = cpuS(host);
  const { operationCount, failure } = await run(WORK_MS);
  const spentS = cpuS(host) - before;
  print(
    `cluster of 5 nodes with 2 copies at work: ${
      Math.round(operationCount / spentS)
    } client operations per second of CPU` +
      (failure === undefined ? "" : `; the run failed: ${failure}`),
  );
}

function cpuS(host: Host): number {
  const { userUs, systemUs } = host.cpu();
  return (userUs + systemUs) / 1e6;
}
