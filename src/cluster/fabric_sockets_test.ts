import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createPlatform } from "../platform/mod.ts";
import type { Ports } from "../port/mod.ts";
import { Fabric } from "./fabric.ts";
import { FABRIC_CHANNEL, FABRIC_DEFAULTS, testMessage } from "./fabric_testing.ts";
import type { NodeId } from "./node_id.ts";

const WAIT_MAX_MS = 10_000;

interface Peer {
  node: NodeId;
  incarnation: string;
  fabric: Fabric;
  port: number;
  received: number[];
  links: string[];
}

async function makePeer(ports: Ports, node: NodeId): Promise<Peer> {
  const received: number[] = [];
  const links: string[] = [];
  const incarnation = `${node.slice(8)}00000001`;
  const fabric = new Fabric({
    ports,
    node,
    incarnation,
    settings: FABRIC_DEFAULTS,
    ipv6: false,
    handler: {
      onMessage: (_from, _channel, reader) => void received.push(reader.u32(0)),
      onLink: (_node, link) => void links.push(link),
    },
  });
  const [address] = await fabric.listen({ hosts: ["127.0.0.1"], port: 0 });
  return { node, incarnation, fabric, port: address!.port, received, links };
}

/** Waits turn by turn of the event loop, not for a time. */
async function until(ports: Ports, condition: () => boolean): Promise<void> {
  const endMs = ports.clock.monotonicMs() + WAIT_MAX_MS;
  while (!condition()) {
    if (ports.clock.monotonicMs() > endMs) throw new Error("What is waited for has not come");
    await new Promise<void>((resolve) => void ports.clock.after(1, resolve));
  }
}

function hear(self: Peer, peer: Peer): void {
  const endpoints = [{ address: "127.0.0.1", port: peer.port, capabilities: 0 }];
  self.fabric.arrive(peer.node, { endpoints, incarnation: peer.incarnation });
}

describe("Fabric on the platform's sockets", () => {
  it("delivers every message on all channels, and notices the end of a peer at once", async () => {
    const ports = await createPlatform();
    const a = await makePeer(ports, "00000000000000b1");
    const b = await makePeer(ports, "00000000000000b2");
    try {
      hear(a, b);
      hear(b, a);
      await until(
        ports,
        () => a.fabric.statistics.connections === 24 && b.fabric.statistics.connections === 24,
      );
      for (let number = 0; number < 4000; number++) {
        const sizeBytes = number % 500 === 0 ? 1_000_000 : number % 200;
        const target = { node: number % 3 === 0 ? a.node : b.node, channel: number % 4 };
        (number % 3 === 0 ? b : a).fabric.send(target, testMessage(number, sizeBytes));
      }
      await until(ports, () => a.received.length + b.received.length >= 4000);
      const all = [...a.received, ...b.received].sort((x, y) => x - y);
      assertEquals(all, Array.from({ length: 4000 }, (_, number) => number));
      assertEquals(a.fabric.send({ node: a.node, channel: FABRIC_CHANNEL.CTRL }, testMessage(1)), "sent");
      b.fabric.stop();
      // The state changes first; handlers hear of it in a turn of their own.
      await until(ports, () => a.links.includes("refused"));
      assertEquals(a.fabric.link(b.node), "refused");
      assertEquals(a.links, ["up", "lost", "refused"]);
    } finally {
      a.fabric.stop();
      b.fabric.stop();
    }
    await until(ports, () => a.fabric.statistics.connections + b.fabric.statistics.connections === 0);
  });
});
