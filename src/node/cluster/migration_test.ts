/** Whole nodes: partitions move when nodes join and leave. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { toHex } from "../../base/mod.ts";
import { EntryRef, measureFlat, replaceRecord } from "../../storage/mod.ts";
import { testDigest, TestStore } from "../../storage/testing.ts";
import { makeWorld, type Member, startMember } from "./testing.ts";

const COUNT = 600;
const SEEDS = ["m1", "m2", "m3"];
const NOBODY = { wake: () => {} };

/** The flat record under a number, without what differs between nodes; undefined when there is none. */
function copyOf(store: Member["node"]["namespaces"][number]["store"], number: number): string | undefined {
  const entry = new EntryRef();
  if (!store.find(testDigest(number), 0, entry)) return undefined;
  const bytes = store.arena.block(entry.location);
  const at = store.arena.offset(entry.location);
  const copy = bytes.slice(at, at + measureFlat(bytes, at, at + entry.sizeUnits * 16));
  copy[7] &= 0x03;
  return toHex(copy);
}

function fill({ node }: Member): void {
  const source = new TestStore();
  const { store } = node.namespaces[0];
  for (let number = 1; number <= COUNT; number++) {
    source.put(number, { sizeBytes: number % 50 });
    const entry = new EntryRef();
    assert(source.store.find(testDigest(number), 0, entry));
    const bytes = source.store.arena.block(entry.location);
    const at = source.store.arena.offset(entry.location);
    const options = { rule: "replica", origin: "client", waiter: NOBODY } as const;
    replaceRecord(store, { bytes, at, end: at + entry.sizeUnits * 16 }, options);
  }
  assertEquals(store.objectCount, COUNT);
}

/** Lets time pass until all migrations of a cluster of so many nodes have ended; the virtual time that it took. */
async function settle(members: readonly Member[]): Promise<number> {
  const { simulation } = members[0].machine.world;
  const startMs = simulation.nowUs / 1000;
  const isBusy = () =>
    members.some(({ node: { cluster, migrator } }) =>
      cluster.size !== members.length || migrator.isMigrating
    );
  while (isBusy()) {
    assert(
      simulation.nowUs / 1000 - startMs < 60_000,
      members.flatMap(({ node }) => node.migrator.describe()).join(),
    );
    await simulation.runFor(100);
  }
  return simulation.nowUs / 1000 - startMs;
}

/** Every record is on two of the nodes, alike, and nowhere else. */
function checkCopies(members: readonly Member[]): void {
  for (let number = 1; number <= COUNT; number++) {
    const copies = members.map(({ node }) => copyOf(node.namespaces[0].store, number))
      .filter((copy) => copy !== undefined);
    assertEquals(copies.length, 2, `record ${number}`);
    assertEquals(copies[0], copies[1], `record ${number}`);
  }
}

describe("migrations of nodes", () => {
  it("give a node that joins its share, and rebuild the copies of one that is gone", async () => {
    const world = makeWorld(5);
    const machines = SEEDS.map((name) => world.addMachine(name));
    const first = await startMember(machines[0], { id: "A1", seeds: [] });
    await settle([first]);
    fill(first);
    const members = [first];
    for (const [at, id] of [[1, "A2"], [2, "A3"]] as const) {
      members.push(await startMember(machines[at], { id, seeds: ["m1"] }));
      const tookMs = await settle(members);
      assert(tookMs < 30_000, `took ${tookMs} ms`);
      checkCopies(members);
      assert(members[at].node.namespaces[0].store.objectCount > COUNT / 3);
    }
    members[0].process.kill();
    const rest = members.slice(1);
    const tookMs = await settle(rest);
    assert(tookMs < 30_000, `took ${tookMs} ms`);
    checkCopies(rest);
    for (const { node } of rest) {
      const counts = node.migrator.statistics("test")!;
      assertEquals([counts.remaining, counts.txImbalance], [0, 0]);
    }
  });
});
