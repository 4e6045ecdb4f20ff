/**
 * Simulated machines with real nodes, for tests of the cluster.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { PARTITION_COUNT } from "../../base/mod.ts";
import { defaultSettings, type Settings } from "../../config/mod.ts";
import type { Ports } from "../../port/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { type NetworkConditions, type SimMachine, type SimProcess, SimWorld } from "../../sim/mod.ts";
import { type AerieNode, createNode } from "../node.ts";

const compute = createCompute();
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A world without machines. */
export function makeWorld(seed: number, conditions: Partial<NetworkConditions> = {}): SimWorld {
  return new SimWorld({ seed, settle, compute, conditions });
}

/** A node on a machine of its own. */
export interface Member {
  machine: SimMachine;
  process: SimProcess;
  node: AerieNode;
  /** What differs in its settings. */
  change: (settings: Settings) => void;
}

/** How a member is started. */
export interface MemberOptions {
  id: string;
  seeds: string[] | "multicast";
  change?: (settings: Settings) => void;
  /** Ports that it gets in place of its process's. */
  wrapPorts?: (ports: Ports) => Ports;
}

/** Makes a node with namespace `test` that is not started. */
export async function prepareMember(machine: SimMachine, options: MemberOptions): Promise<Member> {
  const process = machine.start(options.id);
  const settings = defaultSettings({
    service: { nodeId: options.id },
    network: {
      service: { addresses: ["any"] },
      fabric: { addresses: ["any"] },
      heartbeat: {
        addresses: ["any"],
        ...(options.seeds === "multicast"
          ? { mode: "multicast", multicastGroups: ["239.1.99.222"] }
          : { meshSeedAddressPorts: options.seeds.map((seed) => `${seed} 3002`) }),
      },
    },
    namespaces: [{ name: "test", replicationFactor: 2 }],
  });
  options.change?.(settings);
  const { simulation } = machine.world;
  const node = await simulation.runUntilSettled(createNode({
    settings,
    ports: options.wrapPorts?.(process.ports) ?? process.ports,
    onFailure: (error) => simulation.fail(error),
  }));
  return { machine, process, node, change: options.change ?? (() => {}) };
}

/** Starts a node with namespace `test`. */
export async function startMember(machine: SimMachine, options: MemberOptions): Promise<Member> {
  const member = await prepareMember(machine, options);
  await machine.world.simulation.runUntilSettled(member.node.start());
  return member;
}

/** Three nodes A1, A2, A3 on machines m1, m2, m3, just started. */
export async function startThree(
  seed: number,
  seeds: string[] | "multicast" = ["m1", "m2", "m3"],
  change: (settings: Settings) => void = () => {},
): Promise<{ world: SimWorld; members: Member[] }> {
  const world = makeWorld(seed);
  const machines = ["m1", "m2", "m3"].map((name) => world.addMachine(name));
  const members: Member[] = [];
  for (const [at, machine] of machines.entries()) {
    members.push(await startMember(machine, { id: `A${at + 1}`, seeds, change }));
  }
  return { world, members };
}

/** Nodes that agree on a cluster, by their ids' last digits; throws when they don't. */
export function agreement(members: readonly Member[]): string {
  const texts = members.map(({ node: { cluster } }) =>
    `${cluster.key !== "0"} ${cluster.succession.map((id) => id.slice(-2)).join(" ")}`
  );
  assertEquals(new Set(members.map(({ node }) => node.cluster.key)).size, 1, texts.join(", "));
  return texts[0]!;
}

/** Masters by node, as each node sees it: partitions that have exactly one. */
export function masterCounts(members: readonly Member[]): number[] {
  const counts = members.map(() => 0);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const admitting = members.flatMap(({ node }, at) =>
      node.namespaces[0]!.partitions.admit(partition) === 0 ? [at] : []
    );
    assertEquals(admitting.length, 1, `partition ${partition}: ${admitting.length} masters`);
    counts[admitting[0]!]++;
  }
  return counts;
}
