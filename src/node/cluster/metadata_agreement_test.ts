/** Whole nodes: what one of them asks for counts when the cluster has agreed on it, and not before. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createDigester } from "../../base/mod.ts";
import { connect } from "../../client/mod.ts";
import { SMD_MODULE } from "../../wire/mod.ts";
import { agreement, type Member, startThree } from "./testing.ts";

function marks(members: readonly Member[]): number[] {
  return members.map(({ node }) => node.namespaces[0]!.store.sets.byName("demo")?.truncateLutMs ?? 0);
}

/** Sets a mark of now for the set `demo`, and notes how that ended. */
function truncate({ node }: Member, results: string[]): number {
  const lutMs = node.namespaces[0]!.store.nowMs();
  node.metadata.set(SMD_MODULE.TRUNCATE, "test|demo", String(lutMs), (result) => results.push(result));
  return lutMs;
}

describe("NodeMetadata.set()", () => {
  it("leaves a node that can't reach its principal without a mark of its own", async () => {
    const { world, members } = await startThree(41, undefined, (settings) => {
      settings.network.heartbeat.timeout = 60;
    });
    const { simulation, network } = world;
    await simulation.runFor(3000);
    const [asker, ...others] = [members[0]!, members[1]!, members[2]!];
    for (const other of others) network.blockWay(asker.machine, other.machine);
    const results: string[] = [];
    const lutMs = truncate(asker, results);
    await simulation.runFor(4900);
    assertEquals([results, marks(members)], [[], [0, 0, 0]]);
    await simulation.runFor(200);
    assertEquals([results, marks(members)], [["timeout"], [0, 0, 0]]);
    assertEquals(agreement(members), "true a3 a2 a1");
    // What it sent arrives after all: then the mark holds everywhere.
    for (const other of others) network.unblock(asker.machine, other.machine);
    await simulation.runFor(2000);
    assertEquals([results, marks(members)], [["timeout"], [lutMs, lutMs, lutMs]]);
  });

  it("waits for a member that stands still for a while", async () => {
    const { world, members } = await startThree(43, undefined, (settings) => {
      settings.network.heartbeat.timeout = 60;
    });
    const { simulation } = world;
    await simulation.runFor(3000);
    members[1]!.process.freeze(3_500_000);
    const results: string[] = [];
    const lutMs = truncate(members[0]!, results);
    await simulation.runFor(3000);
    assertEquals(results, []);
    await simulation.runFor(1900);
    assertEquals([results, marks(members)], [["ok"], [lutMs, lutMs, lutMs]]);
  });

  it("lets the later of two marks hold everywhere that two nodes ask for at the same time, in whatever order they come", async () => {
    for (const slowOne of [0, 1]) {
      const { world, members } = await startThree(44);
      const { simulation, network } = world;
      await simulation.runFor(3000);
      const principal = members[2]!;
      const askers = [members[0]!, members[1]!];
      network.blockWay(askers[slowOne]!.machine, principal.machine);
      const results: string[] = [];
      const firstMs = truncate(askers[0]!, results);
      await simulation.runFor(5);
      const laterMs = truncate(askers[1]!, results);
      assertEquals(laterMs > firstMs, true);
      await simulation.runFor(300);
      network.unblock(askers[slowOne]!.machine, principal.machine);
      await simulation.runFor(2000);
      assertEquals([results, marks(members)], [["ok", "ok"], [laterMs, laterMs, laterMs]], `slow ${slowOne}`);
    }
  });

  it("gives a node that was cut off for good the marks of the others, and them its own", async () => {
    const { world, members } = await startThree(42);
    const { simulation, network } = world;
    await simulation.runFor(3000);
    const [asker, ...others] = [members[0]!, members[1]!, members[2]!];
    for (const other of others) network.block(asker.machine, other.machine);
    await simulation.runFor(6000);
    assertEquals(agreement([asker]), "true a1");
    const results: string[] = [];
    truncate(others[0]!, results);
    await simulation.runFor(1000);
    const lutMs = truncate(asker, results);
    await simulation.runFor(1000);
    assertEquals(results, ["ok", "ok"]);
    for (const other of others) network.unblock(asker.machine, other.machine);
    await simulation.runFor(8000);
    assertEquals(agreement(members), "true a3 a2 a1");
    assertEquals(marks(members), [lutMs, lutMs, lutMs]);
  });

  it("keeps a mark of a set that the node has no record of, when others may have some", async () => {
    const { world, members } = await startThree(43);
    const { simulation, network } = world;
    await createDigester();
    await simulation.runFor(3000);
    const [asker, ...others] = [members[0]!, members[1]!, members[2]!];
    for (const other of others) network.block(asker.machine, other.machine);
    await simulation.runFor(6000);
    const { ports } = asker.machine.start("c1");
    const client = await simulation.runUntilSettled(connect({ hosts: ["m1:3000"], ports }));
    await simulation.runUntilSettled(client.truncate({ namespace: "test", set: "demo" }));
    const [mark] = marks([asker]);
    for (const other of others) network.unblock(asker.machine, other.machine);
    await simulation.runFor(8000);
    assertEquals([mark! > 0, marks(members)], [true, [mark, mark, mark]]);
    client.close();
  });
});

describe("truncations in the exchange", () => {
  /** Three nodes, of which the first is cut off and one of the sides is told a mark. */
  async function parted(seed: number, toldAt: number) {
    const { world, members } = await startThree(seed);
    const { simulation, network } = world;
    await simulation.runFor(3000);
    const [first, ...others] = [members[0]!, members[1]!, members[2]!];
    for (const other of others) network.block(first.machine, other.machine);
    await simulation.runFor(6000);
    const lutMs = truncate(members[toldAt]!, []);
    await simulation.runFor(1000);
    const heal = async () => {
      for (const other of others) network.unblock(first.machine, other.machine);
      await simulation.runFor(8000);
      assertEquals(agreement(members), "true a3 a2 a1");
    };
    return { members, lutMs, heal };
  }

  it("let all members know a mark of one side before a record of the new cluster is compared", async () => {
    for (const toldAt of [0, 1]) {
      const { members, lutMs, heal } = await parted(47, toldAt);
      const seen: (number | undefined)[][] = [];
      for (const member of members) {
        member.node.cluster.addListener({
          onBalanced: ({ succession }) => {
            if (succession.length === 3) seen.push(marks([member]));
          },
        });
      }
      await heal();
      assertEquals(seen, [[lutMs], [lutMs], [lutMs]], `told at ${toldAt}`);
      const contents = members.map(({ node }) => node.cluster.own.truncations());
      assertEquals(new Set(contents.map((content) => JSON.stringify(content))).size, 1);
    }
  });

  it("say all marks that the node has until the commit: it takes none in between", async () => {
    const { members, lutMs, heal } = await parted(48, 1);
    const principal = members[2]!;
    const results: string[] = [];
    const seen: number[] = [];
    let laterMs = 0;
    principal.node.cluster.addListener({
      onExchange: () => {
        laterMs = truncate(principal, results);
        seen.push(...marks([principal]));
      },
    });
    await heal();
    assertEquals(new Set(seen), new Set([lutMs]));
    assertEquals(laterMs > lutMs, true);
    assertEquals([new Set(results), marks(members)], [new Set(["ok"]), [laterMs, laterMs, laterMs]]);
  });

  it("are not told by a node that behaves as an earlier release", async () => {
    const { members, heal } = await parted(49, 0);
    members[0]!.node.cluster.own.withheldCapabilities = -1;
    const seen: number[] = [];
    members[1]!.node.cluster.addListener({
      onBalanced: ({ succession }) => {
        if (succession.length === 3) seen.push(...marks([members[1]!]));
      },
    });
    await heal();
    assertEquals(seen[0], 0);
    assertEquals(new Set(marks(members)).size, 1);
  });
});
