/**
 * Simulated nodes with a heartbeat and a fabric on the sockets of their process, for tests.
 *
 * @module
 */

import type { SimMachine, SimProcess, SimWorld } from "../sim/mod.ts";
import { U64_ZERO } from "../wire/mod.ts";
import { Fabric } from "./fabric.ts";
import { combineEvidence, type ProcessEvidence } from "./fabric_death.ts";
import { FABRIC_DEFAULTS, FABRIC_PORT } from "./fabric_testing.ts";
import { Heartbeat } from "./heartbeat.ts";
import { DEFAULT_HEARTBEAT_SETTINGS, ORPHAN_PAYLOAD } from "./heartbeat_testing.ts";
import type { HeartbeatSettings } from "./heartbeat_timing.ts";
import type { HeartbeatEffect, PeerLink } from "./heartbeat_types.ts";
import { HybridClock } from "./hlc.ts";
import { HeartbeatRunner } from "./mesh_transport_runner.ts";
import type { NodeId } from "./node_id.ts";

/** Heartbeat port of all simulated nodes. */
export const HEARTBEAT_PORT = 3002;

/** A node with heartbeat and fabric. */
export class MeshNode {
  readonly machine: SimMachine;
  readonly node: NodeId;
  process!: SimProcess;
  heartbeat!: Heartbeat;
  runner!: HeartbeatRunner;
  fabric!: Fabric;
  incarnation = U64_ZERO;
  /** Arrivals and departures: `+b2`, `-b2`. */
  changes: string[] = [];
  /** Other effects than changes, by kind. */
  effects: HeartbeatEffect[] = [];
  received: string[] = [];
  readonly #settings: HeartbeatSettings;
  /** Groups when the mode is multicast. */
  groups: readonly string[] = ["239.1.99.222"];
  #links = new Map<NodeId, PeerLink>();
  #startCount = 0;

  constructor(machine: SimMachine, node: NodeId, settings: Partial<HeartbeatSettings> = {}) {
    this.machine = machine;
    this.node = node;
    this.#settings = { ...DEFAULT_HEARTBEAT_SETTINGS, ...settings };
  }

  /** Starts a process that knows one machine. */
  async start(seed: string): Promise<void> {
    const { simulation } = this.machine.world;
    this.process = this.machine.start(this.node);
    const { ports } = this.process;
    this.incarnation = `${this.node.slice(-2)}${String(++this.#startCount).padStart(14, "0")}`;
    this.changes = [];
    this.#links.clear();
    const address = this.machine.addresses[0]!;
    const isMesh = this.#settings.mode === "mesh";
    this.heartbeat = new Heartbeat({
      identity: { node: this.node, incarnation: this.incarnation, capabilities: 1 },
      clock: new HybridClock(() => ports.clock.wallMs()),
      settings: this.#settings,
      seeds: isMesh ? [{ host: seed, port: HEARTBEAT_PORT, tls: false }] : [],
      endpoints: isMesh ? [{ address, port: HEARTBEAT_PORT, capabilities: 0 }] : [],
      fabricEndpoints: [{ address, port: FABRIC_PORT, capabilities: 0 }],
      payload: ORPHAN_PAYLOAD,
      nodeCountMax: 256,
      now: { monotonicMs: ports.clock.monotonicMs(), wallMs: ports.clock.wallMs() },
    });
    this.fabric = new Fabric({
      ports,
      node: this.node,
      incarnation: this.incarnation,
      settings: FABRIC_DEFAULTS,
      ipv6: false,
      handler: {
        onMessage: (from, _channel, reader) => this.received.push(`${from.slice(-2)} ${reader.u32(0)}`),
      },
    });
    this.runner = new HeartbeatRunner({
      ports,
      heartbeat: this.heartbeat,
      ...(isMesh ? {} : { multicast: { groups: this.groups, ttl: 0 } }),
      onEffect: (effect) => this.#onEffect(effect),
    });
    await simulation.runUntilSettled(this.fabric.listen({ hosts: ["0.0.0.0"], port: FABRIC_PORT }));
    await simulation.runUntilSettled(this.runner.start({ hosts: ["0.0.0.0"], port: HEARTBEAT_PORT }));
  }

  /** What this node knows about a peer's process. */
  evidence(peer: MeshNode): ProcessEvidence {
    return combineEvidence({ fabric: this.fabric.link(peer.node), heartbeat: this.#links.get(peer.node) });
  }

  #onEffect(effect: HeartbeatEffect): void {
    if (effect.kind === "peer-link") this.#links.set(effect.node, effect.link);
    if (effect.kind !== "heartbeat") return void this.effects.push(effect);
    for (const change of effect.changes) {
      if (change.kind === "adjacency") continue;
      this.changes.push(`${change.kind === "arrived" ? "+" : "-"}${change.node.slice(-2)}`);
      if (change.kind === "departed") this.fabric.depart(change.node);
      else {
        const { fabricEndpoints: endpoints, incarnation } = this.heartbeat.node(change.node)!;
        this.fabric.arrive(
          change.node,
          incarnation === undefined ? { endpoints } : { endpoints, incarnation },
        );
      }
    }
  }
}

/** So many nodes that know the first one's name, once they hear each other. */
export async function makeMesh(
  world: SimWorld,
  count: number,
  settings: Partial<HeartbeatSettings> = {},
): Promise<MeshNode[]> {
  const nodes = Array.from(
    { length: count },
    (_, at) => new MeshNode(world.addMachine(`m${at + 1}`), `00000000000000b${at + 1}`, settings),
  );
  for (const node of nodes) await node.start("m1");
  await world.simulation.runFor(1500);
  return nodes;
}
