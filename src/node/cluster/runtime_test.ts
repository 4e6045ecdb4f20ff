import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT } from "../../base/mod.ts";
import { nodeAt } from "../../partition/mod.ts";
import { SMD_MODULE } from "../../wire/mod.ts";
import { agreement, makeWorld, masterCounts, type Member, startMember, startThree } from "./testing.ts";

describe("ClusterRuntime", () => {
  it("makes a cluster of three nodes within 2.5 s and balances it anew when one is killed", async () => {
    for (const seed of [1, 2, 3]) {
      const { world, members } = await startThree(seed);
      await world.simulation.runFor(2500 - world.simulation.nowUs / 1000);
      assertEquals(agreement(members), "true a3 a2 a1");
      for (const count of masterCounts(members)) assert(count > 1200 && count < 1500, String(count));
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        const rows = members.map(({ node }) => {
          const { balance } = node.namespaces[0]!.partitions;
          return [0, 1, 2].map((place) => nodeAt(balance!, partition, place)).join(" ");
        });
        assertEquals(new Set(rows).size, 1);
      }
      assertEquals(
        members[0]!.node.cluster.services.members.map(({ node, standard }) =>
          `${node.slice(-2)} ${standard.join()}`
        ),
        ["a3 10.0.0.3:3000", "a2 10.0.0.2:3000"],
      );
      const [dead, ...left] = [members[2]!, members[0]!, members[1]!];
      const generations = left.map(({ node }) => node.namespaces[0]!.partitions.generation);
      dead.process.kill();
      // Its connections are refused, so nobody waits for the heartbeat's timeout.
      await world.simulation.runFor(400);
      assertEquals(agreement(left), "true a2 a1");
      left.forEach(({ node }, at) => {
        const { partitions } = node.namespaces[0]!;
        assert(partitions.generation > generations[at]!);
        assertEquals(partitions.clusterSize, 2);
      });
      masterCounts(left);
      assertEquals(left.map(({ node }) => node.cluster.services.members.length), [1, 1]);
      assertEquals(left.map(({ node }) => node.cluster.services.alumni.length), [2, 2]);
    }
  });

  it("makes a cluster by multicast, and balances it anew when a node is killed", async () => {
    const { world, members } = await startThree(2, "multicast");
    await world.simulation.runFor(2500);
    assertEquals(agreement(members), "true a3 a2 a1");
    members[2]!.process.kill();
    await world.simulation.runFor(5000);
    assertEquals(agreement(members.slice(0, 2)), "true a2 a1");
    assertEquals(masterCounts(members.slice(0, 2)).reduce((sum, count) => sum + count), PARTITION_COUNT);
  });

  it("lets a node without seeds serve at once, and others join it later", async () => {
    const world = makeWorld(4);
    const [first, second] = ["m1", "m2"].map((name) => world.addMachine(name));
    const alone = await startMember(first!, { id: "A1", seeds: [] });
    assertEquals(alone.node.cluster.size, 1);
    assertEquals(masterCounts([alone]), [PARTITION_COUNT]);
    await world.simulation.runFor(5000);
    const joiner = await startMember(second!, { id: "A2", seeds: ["m1"] });
    assertEquals(joiner.node.cluster.size, 0);
    await world.simulation.runFor(3000);
    assertEquals(agreement([alone, joiner]), "true a2 a1");
  });

  it("makes one cluster of three nodes, one with a seed and one that is told by tip, within 2.5 s", async () => {
    const times: number[] = [];
    for (const seed of [8, 9, 10, 11]) {
      const world = makeWorld(seed);
      const machines = ["m1", "m2", "m3"].map((name) => world.addMachine(name));
      const members: Member[] = [];
      for (const [at, machine] of machines.entries()) {
        members.push(await startMember(machine, { id: `A${at + 1}`, seeds: at === 1 ? ["m1"] : [] }));
      }
      await world.simulation.runFor(world.simulation.random.between(0, 4000));
      const startMs = world.simulation.nowUs / 1000;
      assertEquals(members[2]!.node.cluster.tip({ host: "m1", port: 3002, tls: false }), undefined);
      await world.simulation.runWhile(() =>
        members.some(({ node }) => node.cluster.size < 3) && world.simulation.nowUs < 20_000_000
      );
      await world.simulation.runFor(50);
      assertEquals(agreement(members), "true a3 a2 a1");
      times.push(Math.round(world.simulation.nowUs / 1000 - startMs));
    }
    assert(Math.max(...times) <= 2550, times.join(" "));
  });

  it("takes a node that restarts at once for a departure and an arrival", async () => {
    const { world, members } = await startThree(5);
    await world.simulation.runFor(3000);
    const key = members[0]!.node.cluster.key;
    members[1]!.process.kill();
    members[1] = await startMember(members[1]!.machine, { id: "A2", seeds: ["m1"] });
    await world.simulation.runFor(2500);
    assertEquals(agreement(members), "true a3 a2 a1");
    assert(members[0]!.node.cluster.key !== key);
  });

  it("tells clients to do without a member that is not heard, before the cluster goes on without it", async () => {
    const { world, members } = await startThree(6);
    await world.simulation.runFor(3000);
    const [slept, ...others] = [members[0]!, members[1]!, members[2]!];
    const listed = () => others.map(({ node }) => node.cluster.services.members.length);
    const generations = () => others.map(({ node }) => node.cluster.services.generation);
    const before = generations();
    slept.process.freeze(1_300_000);
    await world.simulation.runFor(550);
    assertEquals([listed(), generations()], [[2, 2], before]);
    await world.simulation.runFor(500);
    assertEquals(listed(), [1, 1]);
    assertEquals(agreement(members), "true a3 a2 a1");
    await world.simulation.runFor(500);
    assertEquals([listed(), agreement(members)], [[2, 2], "true a3 a2 a1"]);
  });

  it("holds the clients of a node that slept until it belongs to a cluster again", async () => {
    const { world, members } = await startThree(6);
    await world.simulation.runFor(3000);
    const [slept, ...others] = [members[0]!, members[1]!, members[2]!];
    slept.process.freeze(5_000_000);
    await world.simulation.runFor(4900);
    assertEquals(agreement(others), "true a3 a2");
    assertEquals(slept.node.cluster.isFenced, false);
    // Whatever comes first after the wake finds the fence raised.
    await world.simulation.runWhile(() => world.simulation.nowUs < slept.process.frozenUntilUs);
    assert(slept.node.cluster.holdsClients(slept.process.ports.clock.monotonicMs()));
    await world.simulation.runFor(100);
    assertEquals(slept.node.cluster.isFenced, true);
    await world.simulation.runWhile(() =>
      slept.node.cluster.isFenced && world.simulation.nowUs < slept.process.frozenUntilUs + 6_000_000
    );
    assertEquals(slept.node.cluster.isFenced, false);
    await world.simulation.runFor(50);
    assertEquals(agreement(members), "true a3 a2 a1");
    assertEquals(slept.node.namespaces[0]!.partitions.clusterSize, 3);
  });

  it("sets cluster-wide metadata on all members, and answers when they have it", async () => {
    const { world, members } = await startThree(7);
    await world.simulation.runFor(3000);
    // The smallest id is no principal: it forwards.
    const results: string[] = [];
    const mark = String(members[0]!.node.namespaces[0]!.store.nowMs());
    members[0]!.node.metadata.set(SMD_MODULE.TRUNCATE, "test|demo", mark, (result) => results.push(result));
    assertEquals(results, []);
    await world.simulation.runFor(100);
    assertEquals(results, ["ok"]);
    const marks = () =>
      members.map(({ node }) => node.namespaces[0]!.store.sets.byName("demo")?.truncateLutMs ?? 0);
    assertEquals(marks(), [Number(mark), Number(mark), Number(mark)]);
    // One that was away is told when it returns with an empty disk.
    members[1]!.process.kill();
    await world.simulation.runFor(1000);
    members[1] = await startMember(world.addMachine("m4"), { id: "A4", seeds: ["m1"] });
    await world.simulation.runFor(4000);
    assertEquals(agreement(members), "true a4 a3 a1");
    assertEquals(marks(), [Number(mark), Number(mark), Number(mark)]);
  });
});
