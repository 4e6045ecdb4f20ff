/**
 * Scenarios in which nodes die, freeze, restart and return while clients work.
 *
 * @module
 */

import { assert } from "@std/assert";
import { PARTITION_COUNT } from "../../src/base/mod.ts";
import { encodeInfoRequest } from "../../src/wire/mod.ts";
import {
  lastErrorAfter,
  type LoadedCluster,
  partitionCounts,
  SETTLE_LIMIT_MS,
  withLoad,
} from "./loaded_cluster.ts";
import { msText, pause, type Report, type Scenario } from "./scenario.ts";

/** Load before the first fault, so that there is something to lose. */
const WARM_UP_MS = 1500;

const now = (loaded: LoadedCluster) => loaded.cluster.ports.clock.monotonicMs();

/** One node of four dies, and returns empty. */
const fourNodes: Scenario = {
  name:
    "four nodes: one is killed, others serve its partitions and rebuild copies; it returns and takes its share",
  run: (report) =>
    withLoad(4, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      await loaded.assertComplete(2);
      const victim = cluster.nodes[2];
      const before = (await partitionCounts(victim)).masters;
      const faultMs = now(loaded);
      await victim.kill();
      report.note("killed: survivors are one cluster", msText(await cluster.untilOne(SETTLE_LIMIT_MS)));
      report.note("copies rebuilt", msText(await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true })));
      report.note("last failed request after the kill", msText(lastErrorAfter(loaded, faultMs)));
      await loaded.assertComplete(2);
      await goesOn(loaded);
      await victim.start();
      report.note("it returns: one cluster", msText(await cluster.untilOne(SETTLE_LIMIT_MS)));
      report.note("its share is back", msText(await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true })));
      await loaded.assertComplete(2);
      const after = (await partitionCounts(victim)).masters;
      assert(
        after === before && after > PARTITION_COUNT / 8,
        `master of ${before} before and ${after} after`,
      );
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** A node stands still for longer than the node timeout. */
const frozen: Scenario = {
  name: "three nodes: one is frozen for 4 s, then goes on",
  run: (report) =>
    withLoad(3, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      const victim = cluster.nodes[0];
      const faultMs = now(loaded);
      victim.freeze();
      report.note("frozen: survivors are one cluster", msText(await cluster.untilOne(SETTLE_LIMIT_MS)));
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      await pause(Math.max(0, 4000 - (now(loaded) - faultMs)));
      report.note("last failed request after the freeze", msText(lastErrorAfter(loaded, faultMs)));
      await goesOn(loaded);
      victim.thaw();
      const settled = await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      report.note("it goes on: one settled cluster", msText(settled));
      await loaded.assertComplete(2);
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** A pause that is shorter than the node timeout changes nothing. */
const napping: Scenario = {
  name: "three nodes: one stands still for 0.7 s, and stays a member",
  run: (report) =>
    withLoad(3, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      const key = (await cluster.nodes[0].membership())?.key;
      cluster.nodes[1].freeze();
      await pause(700);
      cluster.nodes[1].thaw();
      await pause(1500);
      const says = await cluster.nodes[0].membership();
      assert(says?.size === 3 && says.key === key, `cluster ${key} became ${says?.key} of ${says?.size}`);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** Clients send far more than a node can do, all at once: heartbeats have their share of each turn nonetheless. */
const flooded: Scenario = {
  name: "three nodes: one is flooded with pipelined requests, and stays a member",
  run: (report) =>
    withLoad(3, {}, async (loaded) => {
      const { cluster } = loaded;
      const keyOf = async () => (await loaded.client.info("cluster-stable:ignore-migrations=true")).trim();
      const before = await keyOf();
      const { host, ports } = cluster.nodes[0].place;
      const repliesBytes = await flood({ hostname: host, port: ports.service }, FLOOD_MS);
      report.note(
        "replies to the flood",
        `${Math.round(repliesBytes / 2 ** 20)} MiB in ${FLOOD_MS / 1000} s`,
      );
      assert(repliesBytes > 0, "the flood was answered");
      const after = await keyOf();
      assert(after === before, `the cluster changed from ${before} to ${after}`);
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

const FLOOD_MS = 5000;
const FLOOD_CONNECTION_COUNT = 32;

/** Sends requests without waiting for their answers; bytes of the answers. */
async function flood(address: { hostname: string; port: number }, forMs: number): Promise<number> {
  // An info request is the cheapest to make here and no cheaper there than a read.
  const one = encodeInfoRequest(["partition-generation", "peers-generation", "node"]);
  const block = new Uint8Array(one.length * 512);
  for (let at = 0; at < block.length; at += one.length) block.set(one, at);
  const endMs = performance.now() + forMs;
  let receivedBytes = 0;
  const run = async () => {
    const connection = await Deno.connect(address);
    const reading = (async () => {
      for await (const bytes of connection.readable) receivedBytes += bytes.length;
    })().catch(() => {});
    const writer = connection.writable.getWriter();
    while (performance.now() < endMs) await writer.write(block);
    connection.close();
    await reading;
  };
  await Promise.all(Array.from({ length: FLOOD_CONNECTION_COUNT }, () => run()));
  return receivedBytes;
}

/** All nodes are restarted, one after the other. */
const rolling: Scenario = {
  name: "three nodes: each is stopped and started in turn, under load",
  run: (report) =>
    withLoad(3, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      const startMs = now(loaded);
      for (const node of cluster.nodes) {
        await node.stop();
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
        await node.start();
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      }
      report.note("all three restarted", msText(now(loaded) - startMs));
      await loaded.assertComplete(2);
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** A service manager starts a dead process again before the others have agreed without it. */
const quickRestart: Scenario = {
  name: "three nodes: one is killed and started again at once, three times",
  run: (report) =>
    withLoad(3, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      for (let round = 1; round <= 3; round++) {
        const faultMs = now(loaded);
        await cluster.nodes[0].kill();
        await cluster.nodes[0].start();
        await cluster.untilOne(SETTLE_LIMIT_MS);
        const agreed = msText(now(loaded) - faultMs);
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
        const lastError = msText(lastErrorAfter(loaded, faultMs));
        report.note(`kill ${round}`, `one cluster after ${agreed}, last failed request after ${lastError}`);
        await loaded.assertComplete(2);
      }
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** Faults while copies are being moved. */
const unsettled: Scenario = {
  name: "four nodes: one returns and is killed again while it is filled, then another dies",
  run: (report) =>
    withLoad(4, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      const [first, , second] = cluster.nodes;
      await first.kill();
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      for (let round = 0; round < 2; round++) {
        await first.start();
        await cluster.untilOne(SETTLE_LIMIT_MS);
        await pause(150 * (round + 1));
        await first.kill();
      }
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      await second.kill();
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      await loaded.assertComplete(2);
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** The cluster grows and shrinks. */
const growing: Scenario = {
  name: "two nodes become four under load, and two again",
  run: (report) =>
    withLoad(2, {}, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      for (let count = 3; count <= 4; count++) {
        await cluster.add();
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
        await loaded.assertComplete(2);
      }
      for (const node of cluster.nodes.slice(0, 2)) {
        await node.stop();
        await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
        await loaded.assertComplete(2);
      }
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** A killed node returns with its file. */
const withData: Scenario = {
  name: "three nodes on disk: one is killed and returns with its data",
  run: (report) =>
    withLoad(3, { isOnDisk: true }, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      const victim = cluster.nodes[1];
      await victim.kill();
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      await goesOn(loaded);
      await victim.start();
      const settled = await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      report.note("it returns: one settled cluster", msText(settled));
      await loaded.assertComplete(2);
      await goesOn(loaded);
      noteErrors(loaded, report);
      await loaded.finish();
    }),
};

/** The whole cluster is stopped in order and started again. */
const allRestart: Scenario = {
  name: "three nodes on disk: all are stopped and started again with their data",
  run: (report) =>
    withLoad(3, { isOnDisk: true }, async (loaded) => {
      const { cluster } = loaded;
      await pause(WARM_UP_MS);
      await loaded.workload.stop();
      for (const node of cluster.nodes) await node.stop();
      const startMs = now(loaded);
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      report.note("from start to one settled cluster", msText(now(loaded) - startMs));
      await loaded.assertComplete(2);
      loaded.workload.start();
      await goesOn(loaded);
      await loaded.finish();
    }),
};

/** Clients go on: reads and writes succeed. */
async function goesOn(loaded: LoadedCluster): Promise<void> {
  const { counts } = loaded.workload;
  const { reads, writes } = counts;
  await pause(500);
  assert(counts.reads > reads && counts.writes > writes, "no request succeeds any more");
}

function noteErrors(loaded: LoadedCluster, report: Report): void {
  const { errors, errorCount, staleCount, reads, writes } = loaded.workload.counts;
  const kinds = [...errors].map(([what, count]) => `${count} ${what}`).join(", ");
  report.note("failed requests", `${errorCount} of ${reads + writes + errorCount}${kinds && ` (${kinds})`}`);
  if (staleCount > 0) report.note("stale reads while copies were merged", String(staleCount));
}

/** All of them. */
export const failureScenarios: readonly Scenario[] = [
  fourNodes,
  frozen,
  napping,
  flooded,
  rolling,
  quickRestart,
  unsettled,
  growing,
  withData,
  allRestart,
];
