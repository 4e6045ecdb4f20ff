/**
 * How fast partitions migrate between two nodes, and what clients notice.
 *
 * `deno run -A bench/migration.ts [--records 200000] [--bytes 100] [--sleep 1]`
 *
 * Both nodes and the client run in one process, on loopback: one event loop does the work of three. A node with all
 * records serves reads alone; then an empty one joins, takes its share, and reads go on. At last the second node is given
 * its copy once more after an interrupted cluster, so that delta migration finds everything there.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { connect } from "../client.ts";
import { DIGEST_SIZE_BYTES, writeU32 } from "../src/base/mod.ts";
import { defaultSettings } from "../src/config/mod.ts";
import { type AerieNode, createNode } from "../src/node/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import { BinTable } from "../src/record/mod.ts";
import { EntryRef } from "../src/storage/mod.ts";
import { PARTICLE } from "../src/wire/mod.ts";
import { print } from "../tools/print.ts";
import { LatencyHistogram } from "./samples.ts";

const arguments_ = parseArgs(Deno.args, { string: ["records", "bytes", "sleep"] });
const recordCount = Number(arguments_.records ?? 200_000);
const sizeBytes = Number(arguments_.bytes ?? 100);
const sleepUs = Number(arguments_.sleep ?? 1);
if (!(recordCount >= 1) || !(sizeBytes >= 1) || !(sleepUs >= 0)) {
  print("usage: bench/migration.ts [--records N] [--bytes N] [--sleep µs]; all are numbers");
  Deno.exit(2);
}

/** Reads that are under way at a time. */
const READ_COUNT = 4;
const ALONE_MS = 3000;

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

interface BenchNode {
  readonly node: AerieNode;
  readonly servicePort: number;
  readonly heartbeatPort: number;
}

async function startNode(id: string, seeds: readonly number[]): Promise<BenchNode> {
  const [servicePort, heartbeatPort] = [freePort(), freePort()];
  const settings = defaultSettings({
    service: { nodeId: id },
    network: {
      service: { addresses: ["127.0.0.1"], port: servicePort },
      fabric: { addresses: ["127.0.0.1"], port: freePort() },
      heartbeat: {
        addresses: ["127.0.0.1"],
        port: heartbeatPort,
        meshSeedAddressPorts: seeds.map((port) => `127.0.0.1 ${port}`),
      },
      admin: { port: 0 },
      info: { port: freePort() },
    },
    namespaces: [{ name: "test", replicationFactor: 2, migrateSleep: sleepUs }],
  });
  const onFailure = (error: unknown) => {
    throw error;
  };
  const node = await createNode({ settings, ports: await createPlatform(), onFailure });
  await node.start();
  return { node, servicePort, heartbeatPort };
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function fill({ namespaces: [{ store }] }: AerieNode): void {
  const table = new BinTable();
  const entry = new EntryRef();
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  const request = new Uint8Array(1 + sizeBytes).fill(0x61);
  for (let number = 0; number < recordCount; number++) {
    for (let word = 0; word < 5; word++) writeU32(digest, word * 4, mix(number + word * 0x9e3779b9));
    table.reset(request, request);
    table.setFromRequest(table.add(1, 0, 1), PARTICLE.BLOB, 1, sizeBytes);
    store.put(
      {
        digest,
        digestAt: 0,
        lastUpdateMs: store.nextLastUpdateMs(undefined, undefined),
        generation: 1,
        voidTime: 0,
        set: undefined,
        key: undefined,
        table,
        origin: "client",
      },
      entry,
      false,
    );
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => boolean): Promise<void> {
  for (let count = 0; !condition(); count++) {
    if (count > 120_000) throw new Error("What is waited for has not come");
    await pause(1);
  }
}

/** Reads until told to stop, and counts how long each took. */
function readOn(
  client: Awaited<ReturnType<typeof connect>>,
  histogram: LatencyHistogram,
): () => Promise<void> {
  let goesOn = true;
  const runs = Array.from({ length: READ_COUNT }, async (_, index) => {
    while (goesOn) {
      const startMs = performance.now();
      await client.get({ namespace: "test", set: "bench", key: index });
      histogram.add((performance.now() - startMs) * 1e6);
    }
  });
  return async () => {
    goesOn = false;
    await Promise.all(runs);
  };
}

function latencies(name: string, histogram: LatencyHistogram, durationMs: number): void {
  const us = (share: number) => (histogram.percentile(share) / 1000).toFixed(0);
  print(
    `  ${name.padEnd(28)} ${(histogram.count / durationMs * 1000).toFixed(0).padStart(7)} reads/s   ` +
      `p50 ${us(0.5)} µs   p99 ${us(0.99)} µs   p99.9 ${us(0.999)} µs`,
  );
}

const first = await startNode("A1", []);
fill(first.node);
print(`${recordCount} records of ${sizeBytes} bytes, migrate-sleep ${sleepUs} µs`);
const client = await connect({ hosts: [`127.0.0.1:${first.servicePort}`] });
for (let key = 0; key < READ_COUNT; key++) {
  await client.put({ namespace: "test", set: "bench", key }, { a: 1 });
}
const alone = new LatencyHistogram();
const stopAlone = readOn(client, alone);
await pause(ALONE_MS);
await stopAlone();
latencies("no migration", alone, ALONE_MS);

const second = await startNode("A2", [first.heartbeatPort]);
await until(() => second.node.cluster.size === 2);
const migrating = new LatencyHistogram();
const stopMigrating = readOn(client, migrating);
const startMs = performance.now();
const startCpu = process.cpuUsage();
await until(() => [first, second].every(({ node }) => !node.migrator.isMigrating));
const tookMs = performance.now() - startMs;
await stopMigrating();
const { user, system } = process.cpuUsage(startCpu);
latencies("during migration", migrating, tookMs);
const counts = first.node.migrator.statistics("test")!;
const rate = counts.recordsTransmitted / tookMs * 1000;
print(
  `  ${counts.recordsTransmitted} records in ${(tookMs / 1000).toFixed(2)} s: ${
    rate.toFixed(0)
  } records/s, ` +
    `${(rate * sizeBytes / 1e6).toFixed(1)} MB/s, ` +
    `${
      ((user + system) / counts.recordsTransmitted).toFixed(1)
    } µs of CPU each for both nodes and the reads, ` +
    `the process had ${((user + system) / tookMs / 10).toFixed(0)} % of a core`,
);
await client.close();
await second.node.stop();
await first.node.stop();
Deno.exit(0);
