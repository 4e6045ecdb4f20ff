/**
 * Fabrics of simulated processes, for tests.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { ByteBuffer } from "../base/mod.ts";
import { createCompute } from "../platform/mod.ts";
import { type NetworkConditions, type SimMachine, type SimProcess, SimWorld } from "../sim/mod.ts";
import { FABRIC_CHANNEL, PEER_MESSAGE, PeerWriter } from "../wire/mod.ts";
import { Fabric } from "./fabric.ts";
import type { FabricHandler, FabricSettings } from "./fabric_types.ts";
import type { PeerLink } from "./heartbeat_types.ts";
import type { NodeId } from "./node_id.ts";

export { FABRIC_CHANNEL };

const compute = createCompute();

/** Fabric port of all simulated nodes. */
export const FABRIC_PORT = 3001;

/** The options' defaults. */
export const FABRIC_DEFAULTS: FabricSettings = {
  channelRwFds: 8,
  channelCtrlFds: 1,
  channelBulkFds: 2,
  channelMetaFds: 1,
};

/** A world in virtual time. */
export function makeWorld(seed: number, conditions: Partial<NetworkConditions> = {}): SimWorld {
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return new SimWorld({ seed, settle, compute, conditions });
}

/** A message of a type without codec that carries a number and as many bytes as are wanted. */
export function testMessage(number: number, sizeBytes = 0): Uint8Array {
  const out = new ByteBuffer();
  const writer = new PeerWriter(out);
  writer.begin(PEER_MESSAGE.APPEAL);
  writer.u32(0, number);
  writer.buffer(1, new Uint8Array(sizeBytes).fill(number));
  writer.end();
  return out.toBytes();
}

/** A node with a fabric and nothing else. */
export class TestNode {
  readonly machine: SimMachine;
  readonly node: NodeId;
  readonly settings: FabricSettings;
  process!: SimProcess;
  fabric!: Fabric;
  incarnation = "";
  /** `from channel number`, in the order of arrival. */
  received: string[] = [];
  links: string[] = [];
  drained: string[] = [];
  onMessage: FabricHandler["onMessage"] | undefined;
  #count = 0;

  constructor(machine: SimMachine, node: NodeId, settings: FabricSettings = FABRIC_DEFAULTS) {
    this.machine = machine;
    this.node = node;
    this.settings = settings;
  }

  /** Starts a process; with a new incarnation each time. */
  async start(): Promise<void> {
    this.process = this.machine.start(this.node);
    this.incarnation = `${this.node.slice(-2)}${String(++this.#count).padStart(14, "0")}`;
    this.fabric = new Fabric({
      ports: this.process.ports,
      node: this.node,
      incarnation: this.incarnation,
      settings: this.settings,
      ipv6: false,
      handler: {
        onMessage: (from, channel, reader) => {
          this.onMessage?.(from, channel, reader);
          this.received.push(`${from.slice(-2)} ${channel} ${reader.u32(0)}`);
        },
        onLink: (node, link: PeerLink) => this.links.push(`${node.slice(-2)} ${link}`),
        onDrain: (node, channel) => this.drained.push(`${node.slice(-2)} ${channel}`),
      },
    });
    const listening = this.fabric.listen({ hosts: ["0.0.0.0"], port: FABRIC_PORT });
    await this.machine.world.simulation.runUntilSettled(listening);
  }

  /** Hears a peer, as the heartbeat would tell. */
  hear(peer: TestNode, incarnation: string | undefined = peer.incarnation): void {
    const endpoints = [{ address: peer.machine.addresses[0]!, port: FABRIC_PORT, capabilities: 0 }];
    this.fabric.arrive(peer.node, incarnation === "" ? { endpoints } : { endpoints, incarnation });
  }
}

/** So many nodes that hear each other, once all are connected. */
export async function makeNodes(
  world: SimWorld,
  count: number,
  settings?: FabricSettings,
): Promise<TestNode[]> {
  const nodes = Array.from(
    { length: count },
    (_, at) => new TestNode(world.addMachine(`m${at + 1}`), `00000000000000b${at + 1}`, settings),
  );
  for (const node of nodes) await node.start();
  for (const node of nodes) for (const peer of nodes) if (peer !== node) node.hear(peer);
  await world.simulation.runFor(100);
  return nodes;
}
