import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  FABRIC_BACKOFF_MAX_MS,
  FABRIC_CONNECT_TIMEOUT_MS,
  FABRIC_OVERLOAD_COUNT,
  FABRIC_QUEUE_COUNT_MAX,
  FABRIC_RESEND_COUNT_MAX,
} from "../base/mod.ts";
import type { SimWorld } from "../sim/mod.ts";
import {
  FABRIC_CHANNEL,
  FABRIC_DEFAULTS,
  makeNodes,
  makeWorld,
  testMessage,
  TestNode,
} from "./fabric_testing.ts";

const { RW, CTRL, BULK, META } = FABRIC_CHANNEL;
const SOCKETS_PER_PAIR = 2 * (8 + 1 + 2 + 1);

/** Sends numbered messages from one node to another, a few per millisecond. */
async function talk(
  world: SimWorld,
  options: { from: TestNode; to: TestNode; channel: number; count: number; first?: number },
): Promise<void> {
  const { from, to, channel, count, first = 0 } = options;
  for (let number = first; number < first + count; number++) {
    from.fabric.send({ node: to.node, channel }, testMessage(number));
    if (number % 4 === 3) await world.simulation.runFor(1);
  }
}

function numbers(node: TestNode, channel: number): number[] {
  return node.received.map((line) => line.split(" ")).filter((part) => part[1] === String(channel))
    .map((part) => Number(part[2]));
}

function missing(node: TestNode, channel: number, count: number): number[] {
  const seen = new Set(numbers(node, channel));
  return Array.from({ length: count }, (_, number) => number).filter((number) => !seen.has(number));
}

describe("Fabric", () => {
  it("arrive() opens all connections of all channels, from both sides", async () => {
    const world = makeWorld(1);
    const nodes = await makeNodes(world, 3);
    for (const { fabric, links } of nodes) {
      assertEquals(fabric.statistics.connections, 2 * SOCKETS_PER_PAIR);
      assertEquals(fabric.statistics.opened, 2 * SOCKETS_PER_PAIR);
      assertEquals(links.length, 2);
      assert(links.every((link) => link.endsWith(" up")));
    }
    await world.simulation.runFor(5000);
    assertEquals(nodes[0]!.fabric.statistics.opened, 2 * SOCKETS_PER_PAIR);
  });

  it("send() delivers every message once on all channels while connected, whatever is cut", async () => {
    for (const seed of [1, 2, 3]) {
      const world = makeWorld(seed, { cutChance: 0.5, slowChance: 0.05, slowMaxUs: 20_000 });
      const [a, b, c] = await makeNodes(world, 3) as [TestNode, TestNode, TestNode];
      for (const channel of [RW, CTRL, BULK, META]) {
        for (const [from, to] of [[a, b], [b, a], [a, c], [c, b]] as const) {
          await talk(world, { from, to, channel, count: 60 });
        }
      }
      await world.simulation.runFor(500);
      for (const channel of [RW, CTRL, BULK, META]) {
        assertEquals(numbers(b, channel).sort((x, y) => x - y), twice(60), `seed ${seed} channel ${channel}`);
        assertEquals(missing(a, channel, 60), []);
        assertEquals(missing(c, channel, 60), []);
      }
      assertEquals(a.fabric.statistics.requeued, 0);
      assertEquals(a.fabric.statistics.partialBytes, 0);
    }
  });

  it("send() keeps the order of a channel with one connection", async () => {
    const world = makeWorld(4, { cutChance: 0.7 });
    const one = { ...FABRIC_DEFAULTS, channelRwFds: 1 };
    const a = new TestNode(world.addMachine("a"), "00000000000000b1", one);
    const b = new TestNode(world.addMachine("b"), "00000000000000b2", one);
    await a.start();
    await b.start();
    a.hear(b);
    await world.simulation.runFor(50);
    for (let number = 0; number < 500; number++) {
      a.fabric.send({ node: b.node, channel: RW }, testMessage(number, number % 50));
    }
    await world.simulation.runFor(500);
    assertEquals(numbers(b, RW), Array.from({ length: 500 }, (_, number) => number));
  });

  it("send() to the node itself delivers in order in a later turn", async () => {
    const world = makeWorld(5);
    const [a] = await makeNodes(world, 2) as [TestNode, TestNode];
    for (let number = 0; number < 300; number++) {
      assertEquals(a.fabric.send({ node: a.node, channel: CTRL }, testMessage(number, 300)), "sent");
    }
    assertEquals(a.received, []);
    await world.simulation.runFor(50);
    assertEquals(numbers(a, CTRL), Array.from({ length: 300 }, (_, number) => number));
  });

  it("send() carries a message of many megabytes", async () => {
    const world = makeWorld(6, { cutChance: 0.3 });
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    let sizeBytes = 0;
    b.onMessage = (_from, _channel, reader) => void (sizeBytes = reader.optionalView(1)!.length);
    a.fabric.send({ node: b.node, channel: BULK }, testMessage(7, 9_000_000));
    a.fabric.send({ node: b.node, channel: CTRL }, testMessage(8));
    await world.simulation.runFor(3);
    assertEquals(numbers(b, CTRL), [8]);
    b.received = [];
    await world.simulation.runFor(2000);
    assertEquals(numbers(b, BULK), [7]);
    assertEquals(sizeBytes, 9_000_000);
  });

  it("send() says unknown-node to a node that nobody heard", async () => {
    const world = makeWorld(7);
    const [a] = await makeNodes(world, 2) as [TestNode, TestNode];
    assertEquals(a.fabric.send({ node: "00000000000000ff", channel: RW }, testMessage(1)), "unknown-node");
  });

  it("isOverloaded() is raised at 16 queued messages, queues end at their limit, and drain is told", async () => {
    const world = makeWorld(8);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    const target = { node: b.node, channel: CTRL };
    world.network.conditions.windowSizeBytes = 1000;
    world.network.block(a.machine, b.machine);
    // The windows of both connections fill; everything else waits here.
    for (let number = 0; number < 2; number++) a.fabric.send(target, testMessage(number, 5000));
    await world.simulation.runFor(10);
    let number = 2;
    for (; number < 2 + FABRIC_OVERLOAD_COUNT; number++) {
      assertEquals(a.fabric.isOverloaded(target), false);
      assertEquals(a.fabric.send(target, testMessage(number)), "queued");
    }
    assert(a.fabric.isOverloaded(target));
    assertEquals(a.fabric.isOverloaded({ node: b.node, channel: RW }), false);
    let refused = "";
    for (; refused !== "full"; number++) refused = a.fabric.send(target, testMessage(number));
    assertEquals(a.fabric.queuedCount(target), FABRIC_QUEUE_COUNT_MAX);
    assertEquals(a.fabric.statistics.refused, 1);
    // Membership has room of its own.
    const membership = { type: "exchange", kind: "ack", clusterKey: 7 } as const;
    assertEquals(a.fabric.send(target, membership), "queued");
    world.network.conditions.windowSizeBytes = 256 * 1024;
    world.network.unblock(a.machine, b.machine);
    await world.simulation.runFor(20_000);
    assertEquals(a.fabric.queuedCount(target), 0);
    assertEquals(a.drained, ["b2 1"]);
    assertEquals(new Set(b.received).size, 2 + FABRIC_QUEUE_COUNT_MAX);
    assert(!a.fabric.isOverloaded(target));
  });

  it("setReceiving() lets the sender's queue grow, and nothing is lost when it is taken back", async () => {
    const world = makeWorld(9, { windowSizeBytes: 4096, cutChance: 0.2 });
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    const target = { node: b.node, channel: BULK };
    b.fabric.setReceiving({ node: a.node, channel: BULK }, false);
    for (let number = 0; number < 200; number++) a.fabric.send(target, testMessage(number, 1000));
    await talk(world, { from: a, to: b, channel: CTRL, count: 20 });
    await world.simulation.runFor(1000);
    assertEquals(numbers(b, BULK), []);
    assertEquals(missing(b, CTRL, 20), []);
    assert(b.fabric.statistics.partialBytes < 4 * 4096 * 2, String(b.fabric.statistics.partialBytes));
    b.fabric.setReceiving({ node: a.node, channel: BULK }, true);
    await world.simulation.runFor(1000);
    assertEquals(missing(b, BULK, 200), []);
    assertEquals(b.fabric.statistics.partialBytes, 0);
  });

  it("hold() lets the messages of one event leave in one write", async () => {
    const world = makeWorld(10);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    const reads: number[] = [];
    b.onMessage = () => void reads.push(world.simulation.nowUs);
    a.fabric.hold();
    for (let number = 0; number < 10; number++) {
      assertEquals(
        a.fabric.send({ node: b.node, channel: FABRIC_CHANNEL.BULK }, testMessage(number)),
        "sent",
      );
    }
    await world.simulation.runFor(5);
    assertEquals(b.received, []);
    a.fabric.release();
    await world.simulation.runFor(5);
    assertEquals(numbers(b, FABRIC_CHANNEL.BULK).length, 10);
    assertEquals(new Set(reads).size, 1);
  });

  it("send() lets what several events send on RW leave in one write", async () => {
    const world = makeWorld(10);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    const reads: number[] = [];
    b.onMessage = () => void reads.push(world.simulation.eventCount);
    for (let number = 0; number < 10; number++) {
      assertEquals(a.fabric.send({ node: b.node, channel: RW }, testMessage(number)), "sent");
    }
    await world.simulation.runFor(5);
    assertEquals(numbers(b, RW).length, 10);
    assertEquals(new Set(reads).size, 1);
  });

  it("what handlers send during one event leaves in one write", async () => {
    const world = makeWorld(16);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    b.onMessage = (from, channel, reader) => {
      b.fabric.send({ node: from, channel }, testMessage(reader.u32(0)));
    };
    const events = new Set<number>();
    a.onMessage = () => void events.add(world.simulation.eventCount);
    a.fabric.hold();
    for (let number = 0; number < 10; number++) {
      a.fabric.send({ node: b.node, channel: RW }, testMessage(number));
    }
    a.fabric.release();
    await world.simulation.runFor(10);
    assertEquals(numbers(a, RW), Array.from({ length: 10 }, (_, number) => number));
    assertEquals(events.size, 1);
  });

  it("connections that reset are made again, and messages are lost only with them", async () => {
    const world = makeWorld(11);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    for (let round = 0; round < 20; round++) {
      await talk(world, { from: a, to: b, channel: RW, count: 20, first: round * 20 });
      const open = [...world.network.connections];
      world.network.reset(open[world.simulation.random.below(open.length)]!);
    }
    await world.simulation.runFor(2000);
    assert(missing(b, RW, 400).length <= 20);
    assertEquals(a.fabric.statistics.connections, SOCKETS_PER_PAIR);
    assertEquals(b.fabric.statistics.connections, SOCKETS_PER_PAIR);
    assert(a.links.every((link) => link === "b2 up"), a.links.join());
  });

  it("connections that are all reset soon after they were made count as one that did not last", async () => {
    const world = makeWorld(17);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    for (const connection of [...world.network.connections]) world.network.reset(connection);
    await world.simulation.runFor(1);
    a.fabric.send({ node: b.node, channel: RW }, testMessage(0));
    await world.simulation.runFor(50);
    assertEquals(missing(b, RW, 1), []);
  });

  it("a write that a broken connection cut short is sent again on another", async () => {
    const world = makeWorld(12, { windowSizeBytes: 2000 });
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    world.network.block(a.machine, b.machine);
    for (let number = 0; number < 8; number++) {
      a.fabric.send({ node: b.node, channel: RW }, testMessage(number, 10_000));
    }
    await world.simulation.runFor(10);
    const busy = [...world.network.connections].filter((one) => one.process === a.process);
    for (const connection of busy.slice(0, 4)) world.network.reset(connection);
    world.network.unblock(a.machine, b.machine);
    await world.simulation.runFor(3000);
    assert(a.fabric.statistics.requeued > 0);
    assertEquals(missing(b, RW, 8), []);
  });

  it("what is sent again goes before what waits", async () => {
    const world = makeWorld(17, { windowSizeBytes: 2000 });
    const one = { ...FABRIC_DEFAULTS, channelRwFds: 1 };
    const a = new TestNode(world.addMachine("a"), "00000000000000b1", one);
    const b = new TestNode(world.addMachine("b"), "00000000000000b2", one);
    await a.start();
    await b.start();
    a.hear(b);
    await world.simulation.runFor(50);
    world.network.block(a.machine, b.machine);
    for (let number = 0; number < 8; number++) {
      a.fabric.send({ node: b.node, channel: RW }, testMessage(number, 70_000));
    }
    await world.simulation.runFor(10);
    for (const connection of [...world.network.connections]) world.network.reset(connection);
    world.network.unblock(a.machine, b.machine);
    await world.simulation.runFor(3000);
    assertEquals(a.fabric.statistics.requeued, 1);
    assertEquals(numbers(b, RW), [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("messages that break every connection are given up", async () => {
    const world = makeWorld(18, { windowSizeBytes: 2000 });
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    world.network.block(a.machine, b.machine);
    a.fabric.send({ node: b.node, channel: CTRL }, testMessage(1, 100_000));
    for (let round = 0; round < 10; round++) {
      await world.simulation.runFor(10);
      for (const connection of [...world.network.connections]) world.network.reset(connection);
      world.network.unblock(a.machine, b.machine);
      await world.simulation.runWhile(() => !a.fabric.isConnected({ node: b.node, channel: CTRL }));
      world.network.block(a.machine, b.machine);
    }
    const { requeued, dropped } = a.fabric.statistics;
    assertEquals([requeued, dropped], [FABRIC_RESEND_COUNT_MAX, 1]);
    assertEquals(a.fabric.queuedCount({ node: b.node, channel: CTRL }), 0);
  });

  it("arrive() tries all endpoints of a peer", async () => {
    const world = makeWorld(19);
    const a = new TestNode(world.addMachine("a"), "00000000000000b1");
    const b = new TestNode(world.addMachine("b"), "00000000000000b2");
    await a.start();
    await b.start();
    const [address] = b.machine.addresses as [string];
    const endpoints = [
      { address: "2001:db8::1", port: 3001, capabilities: 0 },
      { address, port: 3999, capabilities: 0 },
      { address, port: 3001, capabilities: 0 },
    ];
    a.fabric.arrive(b.node, { endpoints, incarnation: b.incarnation });
    await world.simulation.runFor(100);
    assertEquals(a.fabric.statistics.connections, SOCKETS_PER_PAIR / 2);
  });

  it("depart() closes everything and drops what waits", async () => {
    const world = makeWorld(13);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    b.fabric.depart(a.node);
    a.fabric.depart(b.node);
    await world.simulation.runFor(100);
    assertEquals(a.fabric.statistics.connections, 0);
    assertEquals(b.fabric.statistics.connections, 0);
    assertEquals(a.fabric.peers, []);
    assertEquals(a.links, ["b2 up"]);
  });

  it("a peer that is cut off is reached again within the longest wait after the cut ends", async () => {
    const world = makeWorld(14);
    const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
    for (const connection of [...world.network.connections]) world.network.reset(connection);
    world.network.block(a.machine, b.machine);
    await world.simulation.runFor(30_000);
    assert(a.fabric.statistics.dialsFailed < 60, String(a.fabric.statistics.dialsFailed));
    world.network.unblock(a.machine, b.machine);
    const startUs = world.simulation.nowUs;
    await world.simulation.runWhile(() => !a.fabric.isConnected({ node: b.node, channel: RW }));
    const tookMs = (world.simulation.nowUs - startUs) / 1000;
    assert(tookMs <= FABRIC_BACKOFF_MAX_MS + FABRIC_CONNECT_TIMEOUT_MS, String(tookMs));
    await world.simulation.runFor(2000);
    assertEquals(a.fabric.statistics.connections, SOCKETS_PER_PAIR);
    assertEquals(a.links, ["b2 up", "b2 lost", "b2 up"]);
  });

  it("a surplus connection of the peer replaces one that ends", async () => {
    const world = makeWorld(15);
    const a = new TestNode(world.addMachine("a"), "00000000000000b1", {
      ...FABRIC_DEFAULTS,
      channelRwFds: 16,
    });
    const b = new TestNode(world.addMachine("b"), "00000000000000b2", {
      ...FABRIC_DEFAULTS,
      channelRwFds: 1,
    });
    await a.start();
    await b.start();
    a.hear(b);
    await world.simulation.runFor(100);
    assertEquals(b.fabric.statistics.connections, 16 + 4);
    for (const connection of [...world.network.connections]) {
      if (connection.process !== b.process) continue;
      world.network.reset(connection);
      b.fabric.send({ node: a.node, channel: RW }, testMessage(1));
      await world.simulation.runFor(1);
    }
    await world.simulation.runFor(500);
    assert(a.received.length >= 15, String(a.received.length));
  });
});

function twice(count: number): number[] {
  return Array.from({ length: 2 * count }, (_, at) => Math.floor(at / 2));
}
