/**
 * A rolling upgrade under load: three nodes with data files of format version 1, as members without any capability, are
 * restarted one after the other as what they are now, with compression switched on.
 *
 * What it covers: the files are real ones of version 1 (`testdata/storage/format_1.dat.zlib`, written by the release that
 * had it); members with and without capabilities in one cluster, in all mixtures; a file keeps its version until the
 * first record that older programs could not read, and has the new one then. What it does not cover: the code of the
 * earlier release. There is no release yet; where a command that runs one is given (`--earlier`), it is run instead.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { readFile, writeFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import type { LocalCluster, LocalNode } from "../../cmd/local_cluster.ts";
import type { AerieClient } from "../../src/client/mod.ts";
import { createPlatform } from "../../src/platform/mod.ts";
import { DeviceInspection } from "../../src/storage/mod.ts";
import { LoadedCluster, SETTLE_LIMIT_MS, SOURCE_COMMAND } from "./loaded_cluster.ts";
import { msText, pause, type Report, type Scenario, until } from "./scenario.ts";

const NODE_COUNT = 3;
const ENGINE = "--namespace.test.storage-engine";
const GOLDEN_FILE = new URL("../../testdata/storage/format_1.dat.zlib", import.meta.url);
/** Records of the golden file that are neither deleted nor expired. */
const GOLDEN_COUNT = 47;
const GOLDEN_SETS = ["s", "t"];
const EARLIER_MEMBER = new URL("./earlier_member.ts", import.meta.url).pathname;
/** The version that has compressed records. */
const COMPRESSED_VERSION = 2;
/** Load before and between the restarts. */
const LOAD_MS = 1500;

/**
 * The scenario.
 *
 * @param earlier the words that run the earlier release, before its verb; a member without capabilities when absent
 */
export function upgradeScenario(earlier?: readonly string[]): Scenario {
  return {
    name: "three nodes on disk: a rolling upgrade from data files of format version 1, under load",
    run: (report) => upgrade(report, earlier ?? [Deno.execPath(), "run", "-A", EARLIER_MEMBER]),
  };
}

async function upgrade(report: Report, earlier: readonly string[]): Promise<void> {
  const upgraded = new Set<number>();
  const loaded = await LoadedCluster.start(NODE_COUNT, {
    isOnDisk: true,
    commandOf: ({ index }) => upgraded.has(index) ? SOURCE_COMMAND : earlier,
    flags: ({ index }) => upgraded.has(index) ? [`${ENGINE}.compression`, "lz4"] : [],
    beforeStart: ({ folder }) => placeGolden(`${folder}/test.dat`),
  });
  const { cluster } = loaded;
  try {
    const before = await goldenRecords(loaded.client);
    assertEquals(before.size, GOLDEN_COUNT);
    await pause(LOAD_MS);
    for (const node of cluster.nodes) {
      await node.stop();
      const { version, readableBy } = await headerOf(cluster, node);
      assertEquals([version, readableBy], [1, 1], "an earlier member left another version");
      upgraded.add(node.index);
      await node.start();
      const settledMs = await cluster.untilOne(4 * SETTLE_LIMIT_MS, { settled: true });
      report.note(`node ${node.index + 1} is back: one settled cluster`, msText(settledMs));
      assertEquals(await goldenRecords(loaded.client), before, "records of the old files");
      await pause(LOAD_MS);
      await untilCompressed(cluster, node);
    }
    await loaded.assertComplete(2);
    await loaded.finish();
    assertEquals(await goldenRecords(loaded.client), before, "records of the old files");
    report.note("writes acknowledged, none lost", String(loaded.workload.counts.writes));
  } finally {
    await loaded.close();
  }
}

/** The first compressed record has raised the version that readers need. */
async function untilCompressed(cluster: LocalCluster, node: LocalNode): Promise<void> {
  let readableBy = 0;
  const isRaised = async () =>
    (readableBy = (await headerOf(cluster, node)).readableBy) >= COMPRESSED_VERSION;
  await until(isRaised, {
    limitMs: SETTLE_LIMIT_MS,
    describe: () =>
      `node ${node.id} writes compressed records; programs of version ${readableBy} can read it`,
  });
}

async function placeGolden(path: string): Promise<void> {
  await writeFile(path, inflateSync(await readFile(GOLDEN_FILE)));
}

/** What a data file says of itself; only reads. */
async function headerOf(cluster: LocalCluster, node: LocalNode): Promise<DeviceInspection["header"]> {
  const { disk, compute } = await createPlatform();
  const path = `${cluster.folderOf(node)}/test.dat`;
  const file = await disk.open(path);
  try {
    return (await DeviceInspection.open(file, { path, compute })).header;
  } finally {
    await file.close();
  }
}

/** The records that came with the files, by digest. */
async function goldenRecords(client: AerieClient): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const set of GOLDEN_SETS) {
    for await (const { digest, bins } of client.scan({ namespace: "test", set })) {
      const name = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      assert(!found.has(name), `record ${name} was found twice`);
      found.set(name, bins);
    }
  }
  return found;
}
