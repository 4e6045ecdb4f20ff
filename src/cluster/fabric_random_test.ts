import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FABRIC_BACKOFF_MAX_MS, FABRIC_CONNECT_TIMEOUT_MS } from "../base/mod.ts";
import { SeededRandom, type SimWorld } from "../sim/mod.ts";
import { makeWorld, testMessage } from "./fabric_testing.ts";
import { makeMesh, type MeshNode } from "./mesh_transport_testing.ts";

/** Connections of a node to two peers: those that each side opens. */
const CONNECTION_COUNT = 2 * 2 * (8 + 1 + 2 + 1);

const ROUND_COUNT = 25;
const SEED_COUNT = 12;

/** Everything is well again within this time: the longest wait and a connect, and what the heartbeat needs before. */
const HEAL_MS = FABRIC_BACKOFF_MAX_MS + FABRIC_CONNECT_TIMEOUT_MS + 3000;

/** What the sender still repeats, as protocols do: until the receiver has it. */
class Repeater {
  readonly #from: MeshNode;
  readonly #to: MeshNode;
  readonly #open = new Set<number>();
  #next = 0;

  constructor(from: MeshNode, to: MeshNode) {
    this.#from = from;
    this.#to = to;
  }

  get openCount(): number {
    return this.#open.size;
  }

  start(count: number): void {
    for (; count > 0; count--) this.#open.add(this.#next++);
  }

  /** Sends again what has not arrived. */
  repeat(): void {
    const name = this.#from.node.slice(-2);
    for (const line of this.#to.received) {
      const [from, number] = line.split(" ");
      if (from === name) this.#open.delete(Number(number));
    }
    if (!this.#from.process.alive) return;
    for (const number of this.#open) {
      const channel = number % 4;
      this.#from.fabric.send({ node: this.#to.node, channel }, testMessage(number, (number % 7) * 300));
    }
  }
}

async function run(seed: number): Promise<string> {
  const world = makeWorld(seed, { cutChance: 0.3 });
  const random = new SeededRandom(seed);
  const nodes = await makeMesh(world, 3);
  const repeaters = nodes.flatMap((from) =>
    nodes.filter((to) => to !== from).map((to) => new Repeater(from, to))
  );
  let cut: (() => void)[] = [];
  for (let round = 0; round < ROUND_COUNT; round++) {
    for (const one of repeaters) {
      one.start(random.below(20));
      one.repeat();
    }
    cut.push(...await fault(world, nodes, random));
    await world.simulation.runFor(random.between(10, 400));
    if (random.chance(0.3)) {
      for (const mend of cut) mend();
      cut = [];
    }
    for (const { fabric, process } of nodes) {
      if (process.alive) assert(fabric.statistics.partialBytes < 2_000_000);
    }
  }
  for (const mend of cut) mend();
  for (const node of nodes) if (!node.process.alive) await node.start("m1");
  await world.simulation.runFor(HEAL_MS);
  for (let round = 0; round < 3; round++) {
    for (const one of repeaters) one.repeat();
    await world.simulation.runFor(200);
  }
  for (const one of repeaters) {
    one.repeat();
    assertEquals(one.openCount, 0, `seed ${seed}`);
  }
  for (const { fabric } of nodes) {
    assertEquals(fabric.statistics.connections, CONNECTION_COUNT, `seed ${seed}`);
    assertEquals([fabric.statistics.queued, fabric.statistics.partialBytes], [0, 0]);
    assertEquals(fabric.statistics.malformed, 0);
  }
  return world.simulation.hash.toString();
}

/** Does some harm. @returns what mends it */
async function fault(
  world: SimWorld,
  nodes: readonly MeshNode[],
  random: SeededRandom,
): Promise<(() => void)[]> {
  const [left, right] = [nodes[random.below(3)]!, nodes[random.below(3)]!];
  const { network } = world;
  switch (random.below(6)) {
    case 0:
      for (const connection of [...network.connections]) if (random.chance(0.3)) network.reset(connection);
      return [];
    case 1:
      network.clog(left.machine, right.machine, random.below(300_000));
      return [() => network.clog(left.machine, right.machine, 0)];
    case 2:
      if (left === right) return [];
      network.block(left.machine, right.machine);
      return [() => network.unblock(left.machine, right.machine)];
    case 3:
      if (left.process.alive) left.process.kill();
      else await left.start("m1");
      return [];
    case 4:
      left.process.freeze(random.below(800_000));
      return [];
    default:
      network.conditions.windowSizeBytes = random.between(1000, 300_000);
      return [];
  }
}

describe("fabric and heartbeat under faults", () => {
  it("every message that is repeated arrives, and all connections are back in bounded time", async () => {
    for (let seed = 1; seed <= SEED_COUNT; seed++) await run(seed);
  });

  it("the same seed gives the same run", async () => {
    assertEquals(await run(77), await run(77));
  });
});
