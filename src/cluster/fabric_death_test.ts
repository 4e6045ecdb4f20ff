import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  combineEvidence,
  type DeathDecision,
  decideDeath,
  type EvidenceReport,
  type ProcessEvidence,
} from "./fabric_death.ts";
import { FABRIC_CHANNEL, makeNodes, makeWorld, testMessage, type TestNode } from "./fabric_testing.ts";

const SUSPECT = "00000000000000bf";
const INCARNATION = "1111111111111111";

/** The decision of a cluster of the suspect and one member per word. */
function decide(...evidence: (ProcessEvidence | "silent")[]): DeathDecision {
  const names = evidence.map((_, at) => `00000000000000a${at.toString(16)}`);
  const reports: EvidenceReport[] = [];
  for (const [at, one] of evidence.entries()) {
    if (one !== "silent") reports.push({ by: names[at]!, incarnation: INCARNATION, evidence: one });
  }
  return decideDeath({ suspect: SUSPECT, incarnation: INCARNATION, members: [SUSPECT, ...names], reports });
}

describe("combineEvidence()", () => {
  it("is reachable while a connection of either kind is there", () => {
    for (const other of ["lost", "refused", "restarted", undefined] as const) {
      assertEquals(combineEvidence({ fabric: "up", heartbeat: other }), "reachable");
      assertEquals(combineEvidence({ fabric: other, heartbeat: "up" }), "reachable");
    }
  });

  it("is refused only when both services were refused", () => {
    assertEquals(combineEvidence({ fabric: "refused", heartbeat: "refused" }), "refused");
    for (const other of ["lost", undefined] as const) {
      assertEquals(combineEvidence({ fabric: "refused", heartbeat: other }), "unknown");
      assertEquals(combineEvidence({ fabric: other, heartbeat: "refused" }), "unknown");
    }
  });

  it("is restarted when another incarnation answered either", () => {
    assertEquals(combineEvidence({ fabric: "lost", heartbeat: "restarted" }), "restarted");
    assertEquals(combineEvidence({ fabric: "restarted", heartbeat: "refused" }), "restarted");
    assertEquals(combineEvidence({}), "unknown");
  });
});

describe("decideDeath()", () => {
  it("takes the survivor's word when there are two nodes", () => {
    assertEquals(decide("refused"), "dead");
    assertEquals(decide("restarted"), "restarted");
    assertEquals(decide("unknown"), "undecided");
    assertEquals(decide("reachable"), "alive");
    assertEquals(decide("silent"), "undecided");
  });

  it("needs a majority of the other members", () => {
    assertEquals(decide("refused", "silent"), "undecided");
    assertEquals(decide("refused", "refused"), "dead");
    assertEquals(decide("refused", "refused", "unknown"), "dead");
    assertEquals(decide("refused", "unknown", "silent"), "undecided");
    assertEquals(decide("refused", "refused", "silent", "silent"), "undecided");
    assertEquals(decide("refused", "restarted", "refused", "silent"), "restarted");
  });

  it("never splits a cluster in which one member still reaches the suspect", () => {
    const words: ProcessEvidence[] = ["refused", "restarted", "unknown"];
    for (const first of words) {
      for (const second of words) assertEquals(decide(first, second, "refused", "reachable"), "alive");
    }
  });

  it("ignores strangers, the suspect itself and reports about earlier processes", () => {
    const members = [SUSPECT, "00000000000000a1", "00000000000000a2"];
    const report = (by: string, incarnation = INCARNATION) => ({
      by,
      incarnation,
      evidence: "refused" as const,
    });
    const ask = (...reports: EvidenceReport[]) =>
      decideDeath({ suspect: SUSPECT, incarnation: INCARNATION, members, reports });
    assertEquals(ask(report("00000000000000a1"), report("00000000000000ee")), "undecided");
    assertEquals(ask(report("00000000000000a1"), report(SUSPECT)), "undecided");
    assertEquals(ask(report("00000000000000a1"), report("00000000000000a1")), "undecided");
    assertEquals(ask(report("00000000000000a1"), report("00000000000000a2", "22")), "undecided");
    assertEquals(ask(report("00000000000000a1"), report("00000000000000a2")), "dead");
  });

  it("decides nothing about a node that is no member", () => {
    const reports = [{ by: "00000000000000a1", incarnation: INCARNATION, evidence: "refused" as const }];
    const members = ["00000000000000a1"];
    assertEquals(decideDeath({ suspect: SUSPECT, incarnation: INCARNATION, members, reports }), "undecided");
  });
});

describe("Fabric as a witness of deaths", () => {
  it("says refused soon after a peer's process was killed", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = makeWorld(seed);
      const [a, b, c] = await makeNodes(world, 3) as [TestNode, TestNode, TestNode];
      c.process.kill();
      await world.simulation.runFor(60);
      assertEquals(a.links.filter((link) => link.startsWith("b3")), ["b3 up", "b3 lost", "b3 refused"]);
      assertEquals(a.fabric.link(b.node), "up");
      assertEquals(b.fabric.link(c.node), "refused");
      await world.simulation.runFor(10_000);
      assertEquals(b.fabric.link(c.node), "refused");
    }
  });

  it("says lost, and no more, when a peer's machine lost its power", async () => {
    const world = makeWorld(3);
    const [a, _b, c] = await makeNodes(world, 3) as [TestNode, TestNode, TestNode];
    c.machine.cutPower();
    for (const connection of [...world.network.connections]) {
      if (connection.peer.process === c.process) world.network.reset(connection);
    }
    await world.simulation.runFor(10_000);
    assertEquals(a.links, ["b2 up", "b3 up", "b3 lost"]);
  });

  it("says nothing of a peer that was never connected", async () => {
    const world = makeWorld(4);
    const [a] = await makeNodes(world, 2) as [TestNode];
    const [address] = a.machine.addresses as [string];
    const endpoints = [{ address, port: 3999, capabilities: 0 }];
    a.fabric.arrive("00000000000000cc", { endpoints, incarnation: "0000000000000001" });
    await world.simulation.runFor(5000);
    assert(a.fabric.statistics.dialsFailed > 5);
    assertEquals(a.links, ["b2 up"]);
  });

  it("says refused only when all endpoints refuse", async () => {
    const world = makeWorld(5);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    const [address] = b.machine.addresses as [string];
    const dark = world.addMachine("dark", ["10.9.9.9"]);
    world.network.block(a.machine, dark);
    const endpoints = [
      { address: "10.9.9.9", port: 3001, capabilities: 0 },
      { address, port: 3001, capabilities: 0 },
    ];
    a.fabric.arrive(b.node, { endpoints, incarnation: b.incarnation });
    b.process.kill();
    await world.simulation.runFor(10_000);
    assertEquals(a.links, ["b2 up", "b2 lost"]);
  });

  it("says up again, never refused, when a firewall resets connections", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = makeWorld(seed);
      const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
      for (const connection of [...world.network.connections]) world.network.reset(connection);
      await world.simulation.runFor(1000);
      assertEquals(a.links, ["b2 up", "b2 lost", "b2 up"]);
      assertEquals(b.links, ["b1 up", "b1 lost", "b1 up"]);
    }
  });

  it("says nothing when some connections break and others live", async () => {
    const world = makeWorld(5);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    let spared = 0;
    for (const connection of [...world.network.connections]) {
      if (connection.process === a.process && spared++ > 0) world.network.reset(connection);
    }
    await world.simulation.runFor(1000);
    assertEquals([a.links, b.links], [["b2 up"], ["b1 up"]]);
  });

  it("says restarted when another incarnation answers or connects, and reads nothing of it before it arrived", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = makeWorld(seed);
      const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
      const old = b.incarnation;
      b.process.kill();
      await b.start();
      b.hear(a);
      await world.simulation.runFor(300);
      assertEquals(a.fabric.link(b.node), "restarted", a.links.join());
      const target = { node: a.node, channel: FABRIC_CHANNEL.CTRL };
      b.fabric.send(target, testMessage(5));
      a.hear(b, old);
      await world.simulation.runFor(300);
      assertEquals(a.received, []);
      a.fabric.depart(b.node);
      a.hear(b);
      await world.simulation.runFor(3000);
      b.fabric.send(target, testMessage(6));
      await world.simulation.runFor(10);
      assertEquals(a.received.at(-1), "b2 1 6");
      assertEquals(a.links.at(-1), "b2 up");
      assertEquals(a.fabric.statistics.connections, b.fabric.statistics.connections);
      assert(a.fabric.isConnected({ node: b.node, channel: FABRIC_CHANNEL.META }));
    }
  });
});
