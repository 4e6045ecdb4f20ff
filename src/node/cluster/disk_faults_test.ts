import { assert, assertEquals, assertGreater, assertNotEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Settings } from "../../config/mod.ts";
import { type AerieClient, connect } from "../../client/mod.ts";
import { DEVICE_STATE, DISK_BLOCK, EntryRef } from "../../storage/mod.ts";
import type { SimWorld } from "../../sim/mod.ts";
import { agreement, makeWorld, type Member, startMember, startThree } from "./testing.ts";

const RECORD_COUNT = 40;
const MIB = 1024 * 1024;
/** Large, so that what was read lately does not stay in memory for long. */
const VALUE = "x".repeat(70_000);
const SEEDS = ["m1", "m2", "m3"];

function onFiles(files: string[], { postWriteCache = 0 } = {}): (settings: Settings) => void {
  return ({ namespaces: [namespace] }) => {
    namespace.maxRecordSize = 100_000;
    Object.assign(namespace.storage, {
      kind: "device",
      files,
      filesize: 16 * MIB,
      postWriteCache,
      flushMaxMs: 100,
      // Blocks that are nearly empty stay where they are, so that records are read from the files.
      defragLwmPct: 1,
    });
  };
}

interface Cluster {
  world: SimWorld;
  members: Member[];
  client: AerieClient;
}

async function startCluster(
  seed: number,
  files = ["/data/a.dat"],
  options?: { postWriteCache: number },
): Promise<Cluster> {
  const { world, members } = await startThree(seed, SEEDS, onFiles(files, options));
  await world.simulation.runFor(4000);
  assertEquals(agreement(members), "true a3 a2 a1");
  const { ports } = world.addMachine("c1").start("c1");
  const hosts = SEEDS.map((name) => `${name}:3000`);
  const client = await world.simulation.runUntilSettled(connect({ hosts, ports, tendIntervalMs: 200 }));
  return { world, members, client };
}

function keyOf(number: number) {
  return { namespace: "test", set: "people", key: `k${number}` };
}

async function putAll({ world, client }: Cluster): Promise<void> {
  for (let number = 0; number < RECORD_COUNT; number++) {
    await world.simulation.runUntilSettled(client.put(keyOf(number), { a: number, b: VALUE }));
  }
}

/** Stops a node in order and starts it again, so that it reads from its files alone. */
async function restart(cluster: Cluster, at: number): Promise<void> {
  const { simulation } = cluster.world;
  const { machine, process, node, change } = cluster.members[at];
  await simulation.runUntilSettled(node.stop());
  process.kill();
  await simulation.runFor(3000);
  cluster.members[at] = await startMember(machine, { id: `A${at + 1}`, seeds: SEEDS, change });
  await settle(cluster);
}

async function settle({ world, members }: Cluster): Promise<void> {
  for (let looks = 0; looks < 100; looks++) {
    await world.simulation.runFor(200);
    const busy = members.some(({ node }) =>
      node.migrator.isMigrating || node.cluster.size !== members.length
    );
    if (!busy) return;
  }
  throw new Error("The cluster settles");
}

/** Where a node has a record. */
function locationOf({ client }: Cluster, { node }: Member, number: number): number | undefined {
  const entry = new EntryRef();
  const isThere = node.namespaces[0].store.find(client.digest(keyOf(number)).digest, 0, entry);
  return isThere ? entry.location : undefined;
}

/** Damages a node's copy of a record; whether it has one. */
function damage(cluster: Cluster, member: Member, number: number): boolean {
  const location = locationOf(cluster, member, number);
  if (location === undefined) return false;
  const { node, machine } = member;
  const { blocks } = node.namespaces[0].store.disk!;
  const block = blocks.blockOf(location);
  const offset = blocks.deviceOffset(block) + blocks.offsetOf(location) + 60;
  machine.disk.corrupt(blocks.device(block).path, offset);
  return true;
}

function statistic({ node }: Member, name: "mended" | "unmended" | "corrupt"): number {
  const { reports } = node.namespaces[0].store.disk!;
  return {
    mended: reports.mendedCount,
    unmended: reports.unmendedCount,
    corrupt: reports.corruptCount,
  }[name];
}

describe("damaged records in a cluster", () => {
  it("are reported, mended from a replica and never answered with anything else", async () => {
    const cluster = await startCluster(11);
    const { world, client, members } = cluster;
    const { simulation } = world;
    await putAll(cluster);
    for (const at of [0, 1, 2]) await restart(cluster, at);
    let damagedCount = 0;
    for (let number = 0; number < RECORD_COUNT; number++) {
      if (damage(cluster, members[0], number)) damagedCount++;
    }
    assertGreater(damagedCount, 5);
    // Every record is asked for at the node whose copies are damaged.
    const ports = { ...members[0].process.ports, network: members[0].node.inProcessNetwork() };
    const local = await simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
    for (const asked of [local, client]) {
      for (let number = 0; number < RECORD_COUNT; number++) {
        const record = await simulation.runUntilSettled(asked.get(keyOf(number)));
        assertEquals(record?.bins.a, number);
      }
    }
    const corrupt = statistic(members[0], "corrupt");
    assertGreater(corrupt, 0);
    assertEquals(statistic(members[0], "mended"), corrupt);
    const lines = members[0].process.log.lines.join("\n");
    assertStringIncludes(lines, 'Corrupt data on "/data/a.dat" at byte ');
    assertStringIncludes(lines, 'a record of "/data/a.dat" that could not be read was taken from node a');
    assertEquals(statistic(members[0], "unmended"), 0);
  });

  it("without a good copy get an error, not 'not found', until they are replaced or deleted", async () => {
    const cluster = await startCluster(12);
    const { world, client, members } = cluster;
    const { simulation } = world;
    await putAll(cluster);
    for (const at of [0, 1, 2]) await restart(cluster, at);
    // What was read while the nodes returned is forgotten when enough else is read.
    for (const { node, process } of members) {
      const ports = { ...process.ports, network: node.inProcessNetwork() };
      const local = await simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
      for (let number = 3; number < RECORD_COUNT; number++) {
        await simulation.runUntilSettled(local.get(keyOf(number)));
      }
    }
    for (const number of [1, 2]) {
      const count = members.filter((member) => damage(cluster, member, number)).length;
      assertEquals(count, 2);
      const error = await simulation.runUntilSettled(
        client.get(keyOf(number)).then(
          () => undefined,
          (reason: unknown) => reason as { resultCode?: number },
        ),
      );
      assertEquals(error?.resultCode, 1);
    }
    assertGreater(members.reduce((sum, member) => sum + statistic(member, "unmended"), 0), 0);
    await simulation.runUntilSettled(client.put(keyOf(1), { a: 100 }, { exists: "replace" }));
    assertEquals((await simulation.runUntilSettled(client.get(keyOf(1))))?.bins, { a: 100 });
    assert(await simulation.runUntilSettled(client.delete(keyOf(2))));
    assertEquals(await simulation.runUntilSettled(client.get(keyOf(2))), undefined);
  });

  it("are found by defragmentation and mended, without anybody asking for them", async () => {
    const cluster = await startCluster(13);
    const { world, members } = cluster;
    await putAll(cluster);
    for (const at of [0, 1, 2]) await restart(cluster, at);
    const { store } = members[0].node.namespaces[0];
    const { blocks } = store.disk!;
    // A place may be used again, in another life of its block.
    const places = new Map<number, string>();
    const placeOf = (location = 0) => `${location} ${blocks.sequence[blocks.blockOf(location)]}`;
    for (let number = 0; number < RECORD_COUNT; number++) {
      const location = locationOf(cluster, members[0], number);
      if (location === undefined || blocks.state[blocks.blockOf(location)] !== DISK_BLOCK.CLOSED) continue;
      damage(cluster, members[0], number);
      places.set(number, placeOf(location));
    }
    assertGreater(places.size, 5);
    // Blocks that are less full than this are emptied now.
    store.settings.storage.defragLwmPct = 98;
    await world.simulation.runFor(8000);
    assertGreater(statistic(members[0], "corrupt"), 0);
    assertGreater(statistic(members[0], "mended"), 0);
    for (const [number, place] of places) {
      assertNotEquals(placeOf(locationOf(cluster, members[0], number)), place, `record ${number}`);
    }
  });
});

/** All records that a node has are on one of its devices. */
function assertAllOn(cluster: Cluster, { victim, device }: { victim: Member; device: number }): void {
  const { blocks } = victim.node.namespaces[0].store.disk!;
  for (let number = 0; number < RECORD_COUNT; number++) {
    const location = locationOf(cluster, victim, number);
    if (location === undefined) continue;
    assertEquals(blocks.deviceOf[blocks.blockOf(location)], device, `record ${number}`);
  }
}

describe("a device of two that fails in a cluster", () => {
  it("is out of service: its records come from replicas, the node is filled again, and says so", async () => {
    const cluster = await startCluster(21, ["/a/a.dat", "/b/b.dat"]);
    const { world, client, members } = cluster;
    const { simulation } = world;
    await putAll(cluster);
    for (const at of [0, 1, 2]) await restart(cluster, at);
    const victim = members[0];
    const { store, partitions } = victim.node.namespaces[0];
    const countBefore = store.index.entryCount;
    const keyBefore = victim.node.cluster.clusterKey;
    Object.assign(victim.machine.disk.conditions, {
      failsReads: true,
      failsWrites: true,
      faultyPrefix: "/b/",
    });
    const ports = { ...victim.process.ports, network: victim.node.inProcessNetwork() };
    const local = await simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
    // From the first failed read until the cluster has copied everything back no record is ever missing.
    for (let round = 0; round < 4; round++) {
      for (const asked of [local, client]) {
        for (let number = 0; number < RECORD_COUNT; number++) {
          const record = await simulation.runUntilSettled(asked.get(keyOf(number)));
          assertEquals(record?.bins.a, number, `record ${number} in round ${round}`);
        }
      }
      await simulation.runFor(1000);
    }
    await settle(cluster);
    assertNotEquals(victim.node.cluster.clusterKey, keyBefore, "the loss was told in a new exchange");
    assertEquals([...store.disk!.watch.states], [DEVICE_STATE.GOOD, DEVICE_STATE.FAILED]);
    assertEquals(store.index.entryCount, countBefore);
    assertAllOn(cluster, { victim, device: 0 });
    assertEquals(
      Array.from({ length: 4096 }, (_, each) => partitions.versions.get(each)).some((one) => one?.isSubset),
      false,
    );
    assertStringIncludes(
      victim.process.log.lines.join("\n"),
      '"/b/b.dat" can\'t be read and is out of service',
    );
    // Writes go on.
    for (let number = 0; number < RECORD_COUNT; number++) {
      await simulation.runUntilSettled(client.put(keyOf(number), { a: number + 1 }));
    }
  });

  it("is filled again with what is in memory still, which the next start would not find", async () => {
    const cluster = await startCluster(23, ["/a/a.dat", "/b/b.dat"], { postWriteCache: 16 * MIB });
    const { world: { simulation }, client, members: [victim] } = cluster;
    await putAll(cluster);
    await simulation.runFor(2000);
    const { disk } = victim.node.namespaces[0].store;
    assertEquals(disk!.pendingBytes, 0);
    Object.assign(victim.machine.disk.conditions, {
      failsReads: true,
      failsWrites: true,
      faultyPrefix: "/b/",
    });
    // Nobody reads from the device: its faults show when something is written to it.
    for (let round = 0; round < 100 && disk!.watch.states[1] !== DEVICE_STATE.FAILED; round++) {
      await simulation.runUntilSettled(client.put(keyOf(RECORD_COUNT + round), { a: round }));
      await simulation.runFor(200);
    }
    assertEquals([...disk!.watch.states], [DEVICE_STATE.GOOD, DEVICE_STATE.FAILED]);
    await settle(cluster);
    assertAllOn(cluster, { victim, device: 0 });
  });

  it("on a node without replicas: what it had gets an error, everything else is served", async () => {
    const world = makeWorld(22);
    const machine = world.addMachine("m1");
    const change = onFiles(["/a/a.dat", "/b/b.dat"]);
    const cluster: Cluster = { world, members: [], client: undefined! };
    const { simulation } = world;
    const start = async () => {
      const member = await startMember(machine, { id: "A1", seeds: [], change });
      cluster.members[0] = member;
      const ports = { ...member.process.ports, network: member.node.inProcessNetwork() };
      cluster.client = await simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
    };
    await start();
    await putAll(cluster);
    await simulation.runUntilSettled(cluster.members[0].node.stop());
    cluster.members[0].process.kill();
    await start();
    const { client, members: [{ node }] } = cluster;
    Object.assign(machine.disk.conditions, { failsReads: true, failsWrites: true, faultyPrefix: "/b/" });
    const answers = async () => {
      const counts = { right: 0, failed: 0 };
      for (let number = 0; number < RECORD_COUNT; number++) {
        const answer = await simulation.runUntilSettled(
          client.get(keyOf(number)).then(
            (record) => record?.bins.a,
            (error: { resultCode?: number }) => error,
          ),
        );
        if (answer === number) counts.right++;
        else {
          assertEquals((answer as { resultCode?: number } | undefined)?.resultCode, 1, `record ${number}`);
          counts.failed++;
        }
      }
      return counts;
    };
    const before = await answers();
    assertGreater(before.failed, 5);
    assertGreater(before.right, 5);
    await simulation.runFor(8000);
    assertEquals(node.namespaces[0].store.disk!.watch.states[1], DEVICE_STATE.FAILED);
    assertEquals(await answers(), before);
    for (let number = 0; number < RECORD_COUNT; number++) {
      await simulation.runUntilSettled(client.put(keyOf(number), { a: number }, { exists: "replace" }));
    }
    assertEquals(await answers(), { right: RECORD_COUNT, failed: 0 });
  });
});
