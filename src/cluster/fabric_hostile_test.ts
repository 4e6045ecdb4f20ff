import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ByteBuffer,
  FABRIC_HANDSHAKE_SIZE_MAX,
  FABRIC_HANDSHAKE_TIMEOUT_MS,
  FABRIC_PENDING_COUNT_MAX,
  fromHex,
  PEER_NODE_COUNT_MAX,
} from "../base/mod.ts";
import type { Connection } from "../port/mod.ts";
import { SeededRandom, type SimProcess, type SimWorld } from "../sim/mod.ts";
import { encodeHandshake } from "../wire/mod.ts";
import { recordedPeerMessages } from "../wire/peer_testing.ts";
import {
  FABRIC_CHANNEL,
  FABRIC_PORT,
  makeNodes,
  makeWorld,
  testMessage,
  type TestNode,
} from "./fabric_testing.ts";

const { RW, CTRL, BULK } = FABRIC_CHANNEL;

/** A connection of somebody who need not follow any rule. */
class Raw {
  closed = "";
  received = new ByteBuffer();
  #connection!: Connection;
  #waiting: Uint8Array[] = [];

  static async open(process: SimProcess, host: string): Promise<Raw> {
    const raw = new Raw();
    const options = { host, port: FABRIC_PORT, timeoutMs: 1000 };
    const { simulation } = process.machine.world;
    raw.#connection = await simulation.runUntilSettled(process.ports.network.connect(options));
    raw.#connection.handler = {
      onData: (bytes) => raw.received.append(bytes),
      onWritten: () => {
        raw.#waiting.shift();
        if (raw.#waiting.length > 0) raw.#connection.write(raw.#waiting[0]!);
      },
      onClose: (reason) => raw.closed = reason,
    };
    return raw;
  }

  send(bytes: Uint8Array): void {
    if (this.#waiting.push(bytes) === 1) this.#connection.write(bytes);
  }
}

function handshake(source: string, channel: number, incarnation?: string): Uint8Array {
  const out = new ByteBuffer();
  const base = { type: "handshake", source, channel } as const;
  encodeHandshake(incarnation === undefined ? base : { ...base, incarnation }, out);
  return out.toBytes();
}

async function setUp(
  seed: number,
): Promise<{ world: SimWorld; a: TestNode; b: TestNode; stranger: SimProcess }> {
  const world = makeWorld(seed);
  const [a, b] = await makeNodes(world, 2) as [TestNode, TestNode];
  return { world, a, b, stranger: world.addMachine("stranger").start("stranger") };
}

async function works(world: SimWorld, a: TestNode, b: TestNode): Promise<void> {
  b.received = [];
  a.fabric.send({ node: b.node, channel: CTRL }, testMessage(99));
  await world.simulation.runFor(20);
  assertEquals(b.received, ["b1 1 99"]);
}

describe("Fabric under hostile bytes", () => {
  it("closes connections that begin with anything but a handshake", async () => {
    const { world, a, b, stranger } = await setUp(1);
    const random = new SeededRandom(7);
    const noise = () => Uint8Array.from({ length: random.between(1, 3000) }, () => random.below(256));
    const first = [
      testMessage(1),
      fromHex("ffffffff0000"),
      fromHex("000000000000"),
      fromHex("00000012000000000300000000000000000005010000000000"),
      fromHex("00000012000000000300000000000000b3000501000000ff"),
      handshake(b.node, RW),
      new Uint8Array(FABRIC_HANDSHAKE_SIZE_MAX * 2).fill(1),
      ...Array.from({ length: 200 }, noise),
    ];
    for (const bytes of first) {
      const raw = await Raw.open(stranger, b.machine.name);
      raw.send(bytes);
    }
    await world.simulation.runFor(FABRIC_HANDSHAKE_TIMEOUT_MS + 500);
    assertEquals(b.fabric.statistics.connections, 24);
    assertEquals(b.fabric.statistics.partialBytes, 0);
    assertEquals(b.received, []);
    await works(world, a, b);
  });

  it("closes connections that say nothing, and keeps only so many of them", async () => {
    const { world, a, b, stranger } = await setUp(2);
    const raws: Raw[] = [];
    for (let at = 0; at < FABRIC_PENDING_COUNT_MAX + 50; at++) raws.push(await Raw.open(stranger, "m2"));
    await world.simulation.runFor(10);
    assertEquals(b.fabric.statistics.connections, 24 + FABRIC_PENDING_COUNT_MAX);
    assert(raws.slice(0, 50).every((raw) => raw.closed !== ""));
    await works(world, a, b);
    await world.simulation.runFor(FABRIC_HANDSHAKE_TIMEOUT_MS + 500);
    assertEquals(b.fabric.statistics.connections, 24);
    assert(raws.every((raw) => raw.closed !== ""));
  });

  it("closes a connection at a second handshake", async () => {
    const { world, b, stranger } = await setUp(7);
    const raw = await Raw.open(stranger, "m2");
    raw.send(handshake("00000000000000c7", RW));
    raw.send(testMessage(5));
    await world.simulation.runFor(10);
    assertEquals(b.received, ["c7 0 5"]);
    raw.send(handshake("00000000000000c8", CTRL));
    await world.simulation.runFor(10);
    assert(raw.closed !== "");
    assertEquals(b.fabric.peers.length, 1);
  });

  it("answers the handshake of an aerie node with its own, and that of a stock node with nothing", async () => {
    const { world, b, stranger } = await setUp(8);
    const stock = await Raw.open(stranger, "m2");
    stock.send(handshake("00000000000000c7", CTRL));
    const aerie = await Raw.open(stranger, "m2");
    aerie.send(handshake("00000000000000c8", CTRL, "00000000deadbeef"));
    await world.simulation.runFor(10);
    assertEquals(stock.received.length, 0);
    assertEquals(aerie.received.toBytes(), handshake(b.node, CTRL, b.incarnation));
  });

  it("takes invented nodes only up to the largest cluster, and forgets them", async () => {
    const { world, a, b, stranger } = await setUp(3);
    for (let at = 1; at <= PEER_NODE_COUNT_MAX + 20; at++) {
      const raw = await Raw.open(stranger, "m2");
      raw.send(handshake(`000000000001${at.toString(16).padStart(4, "0")}`, at % 4));
    }
    await world.simulation.runFor(50);
    assertEquals(b.fabric.peers.length, PEER_NODE_COUNT_MAX);
    await works(world, a, b);
    stranger.kill();
    await world.simulation.runFor(50);
    assertEquals(b.fabric.peers, [a.node]);
  });

  it("reserves no memory for what is announced, and survives changed recorded streams", async () => {
    const { world, a, b, stranger } = await setUp(4);
    const random = new SeededRandom(8);
    const messages: Uint8Array[] = [];
    for (const message of recordedPeerMessages()) {
      if (message.port === "fabric" && message.type !== 0 && random.chance(0.02)) {
        messages.push(fromHex(message.hex));
      }
    }
    for (let round = 0; round < 150; round++) {
      const raw = await Raw.open(stranger, "m2");
      raw.send(handshake("00000000000000c7", random.below(4)));
      for (let count = 0; count < 10; count++) {
        const bytes = messages[random.below(messages.length)]!.slice();
        for (let flips = random.below(4); flips > 0; flips--) {
          bytes[random.below(bytes.length)] = random.below(256);
        }
        raw.send(bytes);
      }
      await world.simulation.runFor(2);
    }
    assert(b.fabric.statistics.malformed > 20);
    assert(b.fabric.statistics.partialBytes < 1_000_000);
    stranger.kill();
    await world.simulation.runFor(50);
    assertEquals(b.fabric.statistics.partialBytes, 0);
    await works(world, a, b);
  });

  it("parks connections that claim to be a new process of a member", async () => {
    const { world, a, b, stranger } = await setUp(5);
    const raw = await Raw.open(stranger, "m2");
    raw.send(handshake(a.node, RW, "00000000deadbeef"));
    raw.send(testMessage(66));
    await world.simulation.runFor(1000);
    assertEquals(b.received, []);
    assertEquals(raw.closed, "");
    assertEquals(b.links.at(-1), "b1 restarted");
    await works(world, a, b);
    await world.simulation.runFor(10_000);
    assertEquals(raw.closed, "peer");
  });

  it("a flood on one channel delays control messages by no more than the shares of a few turns", async () => {
    const { world, a, b } = await setUp(6);
    // Each message costs 0.1 ms: a megabyte of them would hold the loop for seconds.
    let [event, inEvent, inEventMax] = [0, 0, 0];
    b.onMessage = (_from, channel) => {
      inEvent = event === world.simulation.eventCount ? inEvent + 1 : 1;
      event = world.simulation.eventCount;
      inEventMax = Math.max(inEventMax, inEvent);
      if (channel === CTRL) return;
      const { clock } = b.process.ports;
      for (let reading = 0; reading < 100; reading++) clock.monotonicMs();
    };
    for (let number = 0; number < 20_000; number++) {
      a.fabric.send({ node: b.node, channel: number % 2 === 0 ? RW : BULK }, testMessage(number, 40));
    }
    await world.simulation.runFor(5);
    const before = b.received.length;
    assert(before < 20_000);
    const startUs = world.simulation.nowUs;
    a.fabric.send({ node: b.node, channel: CTRL }, testMessage(1));
    await world.simulation.runWhile(() => !b.received.includes("b1 1 1"));
    assert(world.simulation.nowUs - startUs < 15_000, String(world.simulation.nowUs - startUs));
    await world.simulation.runFor(5000);
    assertEquals(b.received.length, 20_001);
    // The shares of RW and BULK, and of each up to 16 messages more before the clock is read.
    assert(inEventMax <= 10 + 16 + 5 + 16 + 1, String(inEventMax));
  });
});
