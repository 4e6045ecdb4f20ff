import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, HEARTBEAT_DATAGRAM_COUNT_MAX } from "../base/mod.ts";
import type { MulticastSocket } from "../port/mod.ts";
import type { SimProcess } from "../sim/mod.ts";
import { recordedPeerMessages } from "../wire/peer_testing.ts";
import { FABRIC_CHANNEL, makeWorld, testMessage } from "./fabric_testing.ts";
import { HEARTBEAT_PORT, makeMesh, type MeshNode } from "./mesh_transport_testing.ts";

type Three = [MeshNode, MeshNode, MeshNode];

const MULTICAST = { mode: "multicast" } as const;
const ALL_HEAR_ALL = ["b2 b3", "b1 b3", "b1 b2"];

function adjacency(nodes: readonly MeshNode[]): string[] {
  return nodes.map((node) => node.heartbeat.adjacent.map((id) => id.slice(-2)).join(" "));
}

async function stranger(process: SimProcess): Promise<MulticastSocket> {
  return await process.machine.world.simulation.runUntilSettled(
    process.ports.network.multicast!(
      { groups: ["239.1.99.222"], port: HEARTBEAT_PORT, interfaces: [], ttl: 0 },
      () => {},
    ),
  );
}

describe("HeartbeatRunner with multicast", () => {
  it("lets nodes find each other without seeds, and their fabrics connect", async () => {
    const world = makeWorld(1);
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    assertEquals(adjacency(nodes), ALL_HEAR_ALL);
    const [a, , c] = nodes;
    assertEquals(a.runner.transport.connections, 0);
    assert(a.heartbeat.statistics.heartbeat_received_self > 5, "own datagrams come back");
    a.fabric.send({ node: c.node, channel: FABRIC_CHANNEL.CTRL }, testMessage(5));
    await world.simulation.runFor(10);
    assertEquals(c.received, ["b1 5"]);
    await world.simulation.runFor(10_000);
    assertEquals(nodes.map((node) => node.changes.length), [2, 2, 2]);
  });

  it("keeps everybody when a fifth of the datagrams is lost and as many come twice", async () => {
    const world = makeWorld(2, { datagramLossChance: 0.2 });
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    await world.simulation.runFor(30_000);
    assertEquals(adjacency(nodes), ALL_HEAR_ALL);
    assertEquals(nodes.map((node) => node.changes.length), [2, 2, 2]);
  });

  it("expires a node that is cut off, and hears it again afterwards", async () => {
    const world = makeWorld(3);
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    const [a, b, c] = nodes;
    for (const one of [a, b]) world.network.block(one.machine, c.machine);
    await world.simulation.runFor(3000);
    assertEquals(adjacency(nodes), ["b2", "b1", ""]);
    for (const one of [a, b]) world.network.unblock(one.machine, c.machine);
    await world.simulation.runFor(3000);
    assertEquals(adjacency(nodes), ALL_HEAR_ALL);
  });

  it("reads what has arrived before it expires anyone when the process stood still", async () => {
    const world = makeWorld(4);
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    nodes[0].process.freeze(1_000_000);
    await world.simulation.runFor(5000);
    assertEquals(nodes.map((node) => node.changes.length), [2, 2, 2]);
  });

  it("compresses pulses above the threshold", async () => {
    const world = makeWorld(5);
    const nodes = await makeMesh(world, 3, { ...MULTICAST, clusterName: "lab".repeat(300) }) as Three;
    assertEquals(adjacency(nodes), ALL_HEAR_ALL);
    assert(nodes[0].runner.transport.compressed > 5);
  });

  it("counts hostile datagrams and goes on", async () => {
    const world = makeWorld(6);
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    const socket = await stranger(world.addMachine("stranger").start("stranger"));
    const { random } = world.simulation;
    let count = 0;
    for (const { port, hex } of recordedPeerMessages()) {
      if (port !== "heartbeat" || ++count > 200) continue;
      // Under other names: the protocol can't tell a member from somebody who uses its name.
      const changed = fromHex(hex.replaceAll("00000000000000b", "00000000000000c"));
      changed[random.below(changed.length)] ^= 1 << random.below(8);
      socket.send(changed.subarray(0, random.below(changed.length + 1)));
    }
    socket.send(new Uint8Array(0));
    await world.simulation.runFor(2000);
    assert(nodes[0].heartbeat.statistics.dropped.malformed > 50);
    for (const [at, text] of ALL_HEAR_ALL.entries()) {
      for (const id of text.split(" ")) assert(adjacency(nodes)[at].includes(id), adjacency(nodes)[at]);
    }
  });

  it("drops a flood unread and recovers from it", async () => {
    const world = makeWorld(7);
    const nodes = await makeMesh(world, 3, MULTICAST) as Three;
    const socket = await stranger(world.addMachine("stranger").start("stranger"));
    for (let at = 0; at < 3 * HEARTBEAT_DATAGRAM_COUNT_MAX; at++) socket.send(Uint8Array.of(at & 0xff));
    await world.simulation.runFor(1000);
    const { refused } = nodes[0].runner.transport;
    assert(refused >= HEARTBEAT_DATAGRAM_COUNT_MAX, String(refused));
    assertEquals(adjacency(nodes), ALL_HEAR_ALL);
  });
});
