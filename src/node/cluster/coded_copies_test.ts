/** Whole nodes: copies are alike, however each node keeps them. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { toHex, utf8 } from "../../base/mod.ts";
import { connect } from "../../client/mod.ts";
import type { StorageSettings } from "../../config/mod.ts";
import type { SimMachine } from "../../sim/mod.ts";
import { EntryRef, LOADED, measureFlat } from "../../storage/mod.ts";
import { makeWorld, type Member, startMember } from "./testing.ts";

const COUNT = 150;
const SEEDS = ["m1", "m2", "m3"];
const MIB = 1024 * 1024;

async function startCoded(
  machine: SimMachine,
  id: string,
  storage: Partial<StorageSettings>,
): Promise<Member> {
  const { simulation } = machine.world;
  const { disk } = machine.start("somebody with a key").ports;
  await simulation.runUntilSettled(disk.makeDirectory("/data"));
  await simulation.runUntilSettled(disk.replaceFile("/data/key", utf8(`a key of sixteen bytes for ${id}`)));
  return await startMember(machine, {
    id,
    seeds: SEEDS,
    change: ({ namespaces: [namespace] }) => {
      namespace.maxRecordSize = 100_000;
      Object.assign(namespace.storage, {
        kind: "device",
        files: ["/data/a.dat"],
        filesize: 16 * MIB,
        postWriteCache: 0,
        flushMaxMs: 50,
        encryptionKeyFile: "/data/key",
        ...storage,
      });
    },
  });
}

/** All records of a node by digest: their flat bytes without what differs between nodes. */
async function copiesOf({ node, machine }: Member): Promise<Map<string, string>> {
  const { store } = node.namespaces[0];
  const digests: Uint8Array[] = [];
  for (let partition = 0; partition < 4096; partition++) {
    store.index.forEach(partition, undefined, (entry) => {
      const digest = new Uint8Array(20);
      entry.copyDigest(digest, 0);
      digests.push(digest);
      return true;
    });
  }
  const copies = new Map<string, string>();
  const entry = new EntryRef();
  for (const digest of digests) {
    for (let tries = 0;; tries++) {
      assert(tries < 100 && store.find(digest, 0, entry));
      const loaded = store.load(entry, { wake: () => {} });
      assert(loaded !== LOADED.FAILED);
      if (loaded === LOADED.HERE) break;
      await machine.world.simulation.runFor(20);
    }
    const { bytes, at, sizeUnits } = store.flat;
    const copy = bytes.slice(at, at + measureFlat(bytes, at, at + sizeUnits * 16));
    copy[7] &= 0x03;
    copies.set(toHex(digest), toHex(copy));
  }
  return copies;
}

async function checkCopies(members: readonly Member[]): Promise<void> {
  const all = await Promise.all(members.map(copiesOf));
  const digests = new Set(all.flatMap((copies) => [...copies.keys()]));
  assertEquals(digests.size, COUNT);
  for (const digest of digests) {
    const copies = all.map((each) => each.get(digest)).filter((copy) => copy !== undefined);
    assertEquals([copies.length, new Set(copies).size], [2, 1], digest);
  }
}

describe("nodes that compress and encrypt in their own ways", () => {
  it("send each other the same records, by replication and by migration", async () => {
    const world = makeWorld(17);
    const [m1, m2, m3] = SEEDS.map((name) => world.addMachine(name));
    const members = [
      await startMember(m1, { id: "A1", seeds: SEEDS }),
      await startCoded(m2, "A2", { compression: "lz4" }),
    ];
    const settle = async (count: number) => {
      const isBusy = () =>
        members.some(({ node: { cluster, migrator } }) => cluster.size !== count || migrator.isMigrating);
      for (let tries = 0; isBusy(); tries++) {
        assert(tries < 600, "The cluster comes to rest");
        await world.simulation.runFor(100);
      }
    };
    await settle(2);
    const { node, process } = members[0];
    const client = await world.simulation.runUntilSettled(
      connect({ hosts: ["127.0.0.1:3000"], ports: { ...process.ports, network: node.inProcessNetwork() } }),
    );
    for (let number = 0; number < COUNT; number++) {
      const key = { namespace: "test", set: "s", key: number };
      const put = client.put(key, { n: number, text: `number ${number}, `.repeat(number) }, {
        sendKey: true,
      });
      await world.simulation.runUntilSettled(put);
    }
    await world.simulation.runFor(500);
    await checkCopies(members);
    const { disk } = members[1].node.namespaces[0].store;
    assert(disk!.compression.ratio < 0.9, "A2 has compressed something");

    members.push(await startCoded(m3, "A3", { compression: "zstd", encryption: "aes-256" }));
    await settle(3);
    await world.simulation.runFor(500);
    await checkCopies(members);
    assert(members[2].node.namespaces[0].store.objectCount > COUNT / 3);
    client.close();
    await world.simulation.runUntilSettled(Promise.all(members.map((member) => member.node.stop())));
  });
});
