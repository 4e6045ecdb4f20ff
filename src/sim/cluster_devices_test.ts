import { setImmediate } from "node:timers";
import { assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import { runCluster } from "./cluster_run.ts";
import type { ClusterSchedule, PlannedFault } from "./cluster_types.ts";

const compute = createCompute();

/** A node starts again, and when the cluster is whole one of its disks dies. */
const DEAD: PlannedFault = {
  atMs: 1000,
  kind: "dead-disk",
  node: 1,
  other: 0,
  durationMs: 10_000,
  amount: 2,
};

/** Many records with few writes: some are not written while their disk is dying. */
const SCHEDULE: ClusterSchedule = {
  seed: 1,
  shape: {
    nodeCount: 3,
    spareCount: 0,
    replicationFactor: 2,
    heartbeatIntervalMs: 150,
    heartbeatTimeoutCount: 10,
    conflictPolicy: "generation",
    stockLikeNode: -1,
    hasFiles: true,
    isOnDevice: true,
    commits: true,
    hasTwoDevices: true,
    readsDevices: true,
    partitionCount: 128,
    keyCount: 200,
    clientCount: 2,
    loopsPerClient: 2,
    thinkMaxMs: 250,
    timeoutMs: 1000,
  },
  epochs: [{ kind: "safe", durationMs: 15_000, faults: [] }, {
    kind: "safe",
    durationMs: 12_000,
    faults: [DEAD],
  }],
};

describe("a node one of whose two devices dies", () => {
  it("serves on, and has what was there again from replicas", async () => {
    const report = await runCluster({
      schedule: SCHEDULE,
      compute,
      settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
      runMinMs: 0,
      operationCountMin: 0,
    });
    assertEquals(report.failure, undefined);
    assertEquals([report.devices.failed, report.devices.refilled], [1, 1]);
    assertGreater(report.devices.refilledRecords, 5);
  });
});
