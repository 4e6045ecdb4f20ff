import { assert, assertEquals, assertGreater } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, toHex } from "../../base/mod.ts";
import { type AerieClient, connect } from "../../client/mod.ts";
import { EntryRef } from "../../storage/mod.ts";
import type { SimWorld } from "../../sim/mod.ts";
import { agreement, type Member, startThree } from "./testing.ts";

const RECORD_COUNT = 60;
const NOBODY = { wake: () => {} };

interface Cluster {
  world: SimWorld;
  members: Member[];
  /** A client that knows the partition map. */
  client: AerieClient;
}

async function startCluster(seed: number): Promise<Cluster> {
  const { world, members } = await startThree(seed);
  await world.simulation.runFor(3000);
  assertEquals(agreement(members), "true a3 a2 a1");
  const { ports } = world.addMachine("c1").start("c1");
  const hosts = ["m1:3000", "m2:3000", "m3:3000"];
  const client = await world.simulation.runUntilSettled(connect({ hosts, ports, tendIntervalMs: 200 }));
  return { world, members, client };
}

/** A client whose every connection leads to one node. */
async function clientOf({ world }: Cluster, { node, process }: Member): Promise<AerieClient> {
  const ports = { ...process.ports, network: node.inProcessNetwork() };
  return await world.simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
}

function keyOf(number: number) {
  return { namespace: "test", set: "people", key: `k${number}` };
}

/** Copies of a record by node, in hexadecimal. */
function copies(members: readonly Member[], digest: Uint8Array): string[] {
  return members.flatMap(({ node }) => {
    const { store } = node.namespaces[0]!;
    const entry = new EntryRef();
    if (!store.find(digest, 0, entry)) return [];
    store.load(entry, NOBODY);
    const { bytes, at, sizeUnits } = store.flat;
    // The tree id is each node's own.
    const copy = bytes.slice(at, at + sizeUnits * 16);
    copy[7] &= 3;
    return [toHex(copy)];
  });
}

async function putAll(cluster: Cluster, client: AerieClient = cluster.client): Promise<void> {
  const { simulation } = cluster.world;
  for (let number = 0; number < RECORD_COUNT; number++) {
    await simulation.runUntilSettled(client.put(keyOf(number), { a: number }));
  }
}

describe("a cluster of three nodes", () => {
  it("has every acknowledged write and delete on both replicas, byte for byte", async () => {
    const cluster = await startCluster(5);
    const { client, members, world } = cluster;
    await putAll(cluster);
    const check = (isThere: boolean) => {
      for (let number = 0; number < RECORD_COUNT; number++) {
        const found = copies(members, client.digest(keyOf(number)).digest);
        assertEquals(found.length, 2, `copies of record ${number}`);
        assertEquals(found[0], found[1]);
        assertEquals((fromHex(found[0])[6] & 0x40) !== 0, isThere);
      }
    };
    check(true);
    for (let number = 0; number < RECORD_COUNT; number++) {
      await world.simulation.runUntilSettled(client.delete(keyOf(number)));
    }
    check(false);
  });

  it("serves every record after a node was killed", async () => {
    const cluster = await startCluster(6);
    const { client, members, world } = cluster;
    await putAll(cluster);
    members[1]!.process.kill();
    await world.simulation.runFor(3000);
    for (let number = 0; number < RECORD_COUNT; number++) {
      const record = await world.simulation.runUntilSettled(client.get(keyOf(number)));
      assertEquals(record?.bins, { a: number });
    }
  });

  it("serves all records at any node: others are asked on the client's behalf", async () => {
    const cluster = await startCluster(7);
    const { simulation } = cluster.world;
    const [first] = cluster.members;
    const client = await clientOf(cluster, first!);
    await putAll(cluster, client);
    const keys = Array.from({ length: RECORD_COUNT }, (_, number) => keyOf(number));
    for (const key of keys) {
      await simulation.runUntilSettled(client.increment(key, { a: 100 }));
    }
    const rows = await simulation.runUntilSettled(client.getMany(keys));
    assertEquals(rows.map((row) => row?.bins), keys.map((_, number) => ({ a: number + 100 })));
    const { peerStats } = first!.node.namespaces[0]!;
    assertGreater(peerStats.clientProxy.complete, RECORD_COUNT);
    assertGreater(peerStats.batchSubProxy.complete, 5);
    for (const key of keys) assertEquals(copies(cluster.members, client.digest(key).digest).length, 2);
  });

  it("finishes writes that run when a node is stopped in order", async () => {
    const cluster = await startCluster(9);
    const { client, members, world } = cluster;
    const writes = Array.from(
      { length: RECORD_COUNT },
      (_, number) => client.put(keyOf(number), { a: number }),
    );
    const outcomes = Promise.allSettled(writes);
    await world.simulation.runFor(1);
    await world.simulation.runUntilSettled(members[0]!.node.stop());
    const failed = (await world.simulation.runUntilSettled(outcomes)).filter(({ status }) =>
      status === "rejected"
    );
    assertEquals(failed, []);
    await world.simulation.runFor(3000);
    for (let number = 0; number < RECORD_COUNT; number++) {
      const found = copies(members.slice(1), client.digest(keyOf(number)).digest);
      assertGreater(found.length, 0, `copies of record ${number} on the nodes that are left`);
    }
  });

  it("has nothing left to wait for once all writes are answered", async () => {
    const cluster = await startCluster(8);
    await putAll(cluster);
    const sums = cluster.members.map(({ node }) => node.namespaces[0]!.peers!.timer.count);
    assert(sums.every((count) => count === 0));
  });
});
