import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT, ResultCode, utf8Decode } from "../../base/mod.ts";
import { ROLE } from "../../partition/mod.ts";
import { encodeInfoRequest, PROTO_HEADER_SIZE } from "../../wire/mod.ts";
import { agreement, type Member, prepareMember, startThree } from "./testing.ts";

function masterCount({ node }: Member): number {
  const { partitions } = node.namespaces[0]!;
  let count = 0;
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (partitions.role(partition) === ROLE.MASTER) count++;
  }
  return count;
}

describe("ClusterRuntime under changes", () => {
  it("serves from the old map for five quanta when there is no cluster, then nobody", async () => {
    const { world, members } = await startThree(21, undefined, (settings) => {
      settings.service.minClusterSize = 2;
    });
    const { simulation } = world;
    await simulation.runFor(3000);
    const [left, ...others] = [members[0]!, members[1]!, members[2]!];
    const { partitions } = left.node.namespaces[0]!;
    const owned = masterCount(left);
    for (const { process } of others) process.machine.cutPower();
    await simulation.runFor(8000);
    assertEquals(left.node.cluster.clustering.role, "orphan");
    assertEquals(masterCount(left), owned);
    assertEquals(left.node.cluster.hasIntegrity, false);
    await simulation.runFor(6000);
    assertEquals([masterCount(left), partitions.admit(0)], [0, ResultCode.UNAVAILABLE]);
    assertEquals([left.node.cluster.key, left.node.cluster.size], ["0", 0]);
  });

  it("moves the partitions of a quiesced node to others with the next recluster, and back", async () => {
    const { world, members } = await startThree(22);
    const { simulation } = world;
    await simulation.runFor(4000);
    const [first, , principal] = members;
    first!.node.cluster.own.isQuiescePending = true;
    assertEquals(first!.node.cluster.recluster(), "ignored-by-non-principal");
    assertEquals(principal!.node.cluster.recluster(), "ok");
    await simulation.runFor(8000);
    assertEquals(masterCount(first!), 0);
    first!.node.cluster.own.isQuiescePending = false;
    assertEquals(principal!.node.cluster.recluster(), "ok");
    await simulation.runFor(8000);
    assert(masterCount(first!) > 1000);
  });

  it("follows another heartbeat interval and timeout without a restart", async () => {
    const { world, members } = await startThree(23);
    const { simulation } = world;
    await simulation.runFor(4000);
    for (const { node } of members) {
      Object.assign(node.settings.network.heartbeat, { interval: 100, timeout: 5 });
      node.cluster.settingsChanged();
    }
    await simulation.runFor(2000);
    assertEquals(agreement(members), "true a3 a2 a1");
    assertEquals(members[0]!.node.cluster.heartbeat!.times.nodeTimeoutMs, 500);
    members[1]!.machine.cutPower();
    await simulation.runFor(1400);
    assertEquals(agreement([members[0]!, members[2]!]), "true a3 a1");
  });

  it("does not answer what a client asked while the node slept before it is in a cluster again", async () => {
    const { world, members } = await startThree(24);
    const { simulation } = world;
    await simulation.runFor(3000);
    const slept = members[0]!;
    const client = world.addMachine("client").start("client");
    const connection = await simulation.runUntilSettled(
      client.ports.network.connect({ host: "m1", port: 3000, timeoutMs: 1000 }),
    );
    const answers: { ms: number; text: string }[] = [];
    connection.handler = {
      onData: (bytes) => {
        const text = utf8Decode(bytes.subarray(PROTO_HEADER_SIZE));
        answers.push({ ms: simulation.nowUs / 1000, text });
      },
      onWritten() {},
      onClose() {},
    };
    slept.process.freeze(4_000_000);
    const wokeMs = slept.process.frozenUntilUs / 1000;
    await simulation.runFor(1000);
    connection.write(encodeInfoRequest(["node"]));
    await simulation.runFor(3200);
    assertEquals(answers, []);
    assert(slept.node.cluster.isFenced);
    await simulation.runWhile(() => answers.length === 0 && simulation.nowUs / 1000 < wokeMs + 6000);
    assertEquals(answers.map(({ text }) => text), ["node\tA1\n"]);
    assertEquals(slept.node.cluster.isFenced, false);
    assertEquals(slept.node.cluster.size, 3);
  });

  it("lets clients of a node that comes back wait while others may have committed, until its tables follow", async () => {
    const { world, members } = await startThree(28);
    const { simulation } = world;
    await simulation.runFor(4000);
    assertEquals(agreement(members), "true a3 a2 a1");
    const cut = members[0]!;
    const others = members.slice(1);
    const links = others.map(({ machine }) => [cut.machine, machine] as const);
    for (const [from, to] of links) world.network.block(from, to);
    await simulation.runFor(6000);
    assertEquals([cut.node.cluster.size, agreement(others)], [1, "true a3 a2"]);
    for (const [from, to] of links) world.network.unblock(from, to);
    let heldTurns = 0;
    let readyTurns = 0;
    await simulation.runWhile(() => {
      const { cluster } = cut.node;
      if (cluster.exchange.state === "ready-to-commit") {
        readyTurns++;
        assert(cluster.fence.isRaised, "the lonely node served while the others may have committed");
      }
      const isHeld = cluster.holdsClients(cut.process.ports.clock.monotonicMs());
      assert(!isHeld || cluster.size === 1, "clients wait although the tables follow");
      assert(others.every(({ node }) => !node.cluster.fence.isRaised), "the larger side serves all the time");
      if (isHeld) heldTurns++;
      return cluster.size === 1;
    });
    assert(readyTurns > 0, "the cut node is no principal, and waits for the commit");
    assert(heldTurns > 0, "the lonely node served until its tables followed");
    assertEquals(cut.node.cluster.fence.isRaised, false);
  });

  it("knows after a restart which copies it had on its device, and that others may be newer", async () => {
    const { world, members } = await startThree(25, undefined, (settings) => {
      const { storage } = settings.namespaces[0]!;
      Object.assign(storage, { kind: "device", files: ["/data/test.dat"], filesize: 64 * 2 ** 20 });
    });
    const { simulation } = world;
    await simulation.runFor(6000);
    const { node, machine, process } = members[0]!;
    const { versions } = node.namespaces[0]!.partitions;
    const copies = [...versions.low].filter((low) => low !== 0).length;
    assert(copies > 2000 && copies < PARTITION_COUNT);
    await simulation.runUntilSettled(node.stop());
    process.kill();
    const again = await prepareMember(machine, { id: "A1", seeds: ["m1"], change: members[0]!.change });
    const kept = again.node.namespaces[0]!.partitions.versions;
    assertEquals(kept.low, versions.low);
    const known = Array.from({ length: PARTITION_COUNT }, (_, partition) => kept.get(partition));
    assertEquals(known.some((version) => version?.isMaster), false);
    assertEquals(known.every((version) => version?.isSubset ?? true), true);
  });

  it("refuses writes while the clocks of the cluster are too far apart", async () => {
    const { world, members } = await startThree(26);
    const { simulation } = world;
    await simulation.runFor(4000);
    const stores = members.map(({ node }) => node.namespaces[0]!.store);
    members[1]!.machine.wall.offsetMs = -50_000;
    await simulation.runFor(5000);
    assertEquals(stores.map((store) => store.clockSkewStopsWrites), [true, true, true]);
    assert(members[0]!.process.log.lines.some((line) => line.includes("set the clocks, those of a2 first")));
    members[1]!.machine.wall.offsetMs = 0;
    await simulation.runFor(5000);
    assertEquals(stores.map((store) => store.clockSkewStopsWrites), [false, false, false]);
  });
});
