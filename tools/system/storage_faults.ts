/**
 * Scenarios of storage: nodes that are killed while they write, and data files that are damaged.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LocalCluster, type LocalNode, valueOf } from "../../cmd/local_cluster.ts";
import { type AerieClient, connect } from "../../src/client/mod.ts";
import { KillHistory } from "./kill_history.ts";
import { SETTLE_LIMIT_MS, SOURCE_COMMAND } from "./loaded_cluster.ts";
import { msText, pause, type Report, type Scenario, until } from "./scenario.ts";

const ENGINE = "--namespace.test.storage-engine";
/** Without a sync per reply a kill may lose what was not handed to the system: `flush-max-ms`, and a flush. */
const WINDOW_MS = 1000 + 500;
const RECORD_COUNT = 1200;
const BLOB_SIZE = 8000;
/** Places of a file that are overwritten, and how much of each. */
const DAMAGE_COUNT = 40;
const DAMAGE_SIZE_KIB = 16;
/** Where write blocks begin, and more than what the records of a node take. */
const HEADER_KIB = 1024;
const USED_KIB = 20 * 1024;

/** A node is killed while 24 connections write and delete. */
function kills(count: number, options: { commit: boolean }): Scenario {
  const { commit } = options;
  return {
    name: `one node on disk ${
      commit ? "with" : "without"
    } commit-to-device: killed ${count} times under load`,
    run: async (report) => {
      const flags = () => [`${ENGINE}.commit-to-device`, String(commit), `${ENGINE}.flush-size`, "128K"];
      const cluster = await LocalCluster.start(1, { command: SOURCE_COMMAND, isOnDisk: true, flags });
      try {
        await killAgainAndAgain(cluster, { count, windowMs: commit ? 0 : WINDOW_MS, report });
      } finally {
        await cluster.close();
      }
    },
  };
}

async function killAgainAndAgain(
  cluster: LocalCluster,
  { count, windowMs, report }: { count: number; windowMs: number; report: Report },
): Promise<void> {
  const [node] = cluster.nodes;
  const client = await connect({ hosts: cluster.hosts, ports: cluster.ports });
  const history = new KillHistory(client);
  try {
    for (let round = 0; round < count; round++) {
      history.start();
      // Kills hit all moments of a flush, a block's end and defragmentation.
      await pause(200 + round * 137 % 900);
      const killMs = performance.now();
      await node.kill();
      await history.stop();
      await node.start();
      await untilServed(client);
      await history.check(killMs, windowMs);
    }
  } finally {
    await history.stop();
    client.close();
  }
  assert(history.ackedCount > count * 20, `only ${history.ackedCount} writes were acknowledged`);
  report.note("acknowledged writes and deletes", String(history.ackedCount));
  report.note("of them lost", `${history.lostCount}, at most ${msText(history.lostAgeMaxMs)} before a kill`);
  if (windowMs === 0) assertEquals(history.lostCount, 0);
}

async function untilServed(client: AerieClient): Promise<void> {
  const read = () =>
    client.get({ namespace: "test", set: "kills", key: "none" }).then(() => true, () => false);
  await until(read, { limitMs: SETTLE_LIMIT_MS, describe: () => "the node answers after its restart" });
}

/** A data file is overwritten with random bytes while its node is down, then while it runs. */
const damaged: Scenario = {
  name: "three nodes on disk: random bytes over parts of a data file, of a stopped and of a running node",
  run: async (report) => {
    // Without index checkpoints a start reads all records, and finds the damage.
    const options = { "post-write-cache": 0, "defrag-lwm-pct": 1, "index-checkpoint-bytes-per-hour": 0 };
    const flags = () => Object.entries(options).flatMap(([name, value]) => [`${ENGINE}.${name}`, `${value}`]);
    const cluster = await LocalCluster.start(3, { command: SOURCE_COMMAND, isOnDisk: true, flags });
    try {
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      await damageAndRead(cluster, report);
    } finally {
      await cluster.close();
    }
  },
};

async function damageAndRead(cluster: LocalCluster, report: Report): Promise<void> {
  const client = await connect({ hosts: cluster.hosts, ports: cluster.ports });
  try {
    for (let number = 0; number < RECORD_COUNT; number++) {
      await client.put(keyOf(number), { b: blobOf(number) });
    }
    const victim = cluster.nodes[1];
    await victim.stop();
    await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
    await overwrite(cluster, victim, 5);
    await returns(cluster, victim);
    const found = await countOf(victim, "corrupt_records");
    report.note("stopped node", `${found} damaged places found while it was filled again`);
    assert(found > 0, "the damage was not found");
    await readAll(client);
    // Once more from the start, so that the records are read from the file.
    await victim.stop();
    await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
    await returns(cluster, victim);
    await overwrite(cluster, victim, 261);
    await readAll(client);
    await readAll(client);
    const mended = await countOf(victim, "mended_records");
    report.note("running node", `${await countOf(victim, "corrupt_records")} damaged, ${mended} mended`);
    assert(mended > 0, "nothing was mended");
    assertEquals(await countOf(victim, "unmended_records"), 0);
    assert(
      victim.lines.some((text) => text.includes('Corrupt data on "')),
      "the log says what was damaged",
    );
  } finally {
    client.close();
  }
}

async function countOf(node: LocalNode, name: string): Promise<number> {
  const [statistics] = await node.ask(["namespace/test"]);
  return Number(valueOf(statistics, name));
}

async function returns(cluster: LocalCluster, victim: LocalNode): Promise<void> {
  await victim.start();
  await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
}

/** Random bytes over places of a node's data file, spread over what is in use, the first one `fromKib` behind the header. */
async function overwrite(cluster: LocalCluster, node: LocalNode, fromKib: number): Promise<void> {
  for (let count = 0; count < DAMAGE_COUNT; count++) {
    const placeKib = HEADER_KIB + fromKib + Math.floor(USED_KIB * count / DAMAGE_COUNT);
    const { success } = await new Deno.Command("dd", {
      args: [
        "if=/dev/urandom",
        `of=${cluster.folderOf(node)}/test.dat`,
        "bs=1024",
        `count=${DAMAGE_SIZE_KIB}`,
        `seek=${placeKib}`,
        "conv=notrunc",
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    assert(success, "dd works");
  }
}

async function readAll(client: AerieClient): Promise<void> {
  for (let number = 0; number < RECORD_COUNT; number++) {
    const record = await client.get(keyOf(number));
    assert(record !== undefined, `record ${number} is missing`);
    assertEquals(record.bins.b, blobOf(number), `record ${number} is another`);
  }
}

function keyOf(number: number) {
  return { namespace: "test", set: "blobs", key: `b${number}` };
}

function blobOf(number: number): Uint8Array {
  return new Uint8Array(BLOB_SIZE).fill(number).fill(number >> 8, 0, BLOB_SIZE / 2);
}

/** Two processes are given one file. */
const shared: Scenario = {
  name: "two processes with one data file: the second is refused",
  run: async () => {
    const flags = ({ index, folder }: { index: number; folder: string }) =>
      index === 0 ? [] : [`${ENGINE}.file`, folder.replace("node-1", "node-0") + "/test.dat"];
    const cluster = await LocalCluster.start(1, { command: SOURCE_COMMAND, isOnDisk: true, flags });
    try {
      const [first] = cluster.nodes;
      const refused = await cluster.add().then(() => "", (error: Error) => error.message);
      assert(refused.includes(`it is in use by process ${first.pid}`), `the second node said:\n${refused}`);
      // The lock ends with the process.
      await first.kill();
      await first.start();
    } finally {
      await cluster.close();
    }
  },
};

/** All of them. */
export function storageScenarios(killCount: number): readonly Scenario[] {
  return [
    damaged,
    shared,
    kills(killCount, { commit: true }),
    kills(Math.max(1, Math.ceil(killCount / 3)), { commit: false }),
  ];
}
