/**
 * Everything that goes wrong in a run of one node: a plan that the seed decides.
 *
 * @module
 */
import type { History } from "./history.ts";
import { EventKind } from "./simulation.ts";
import type { SeededRandom } from "./seeded_random.ts";
import type { SimMachine, SimWorld } from "./world.ts";

/** Kinds of faults; a run has some of them. */
export const FAULTS = [
  "cut",
  "slow",
  "reset",
  "clog",
  "block",
  "freeze",
  "kill",
  "stop",
  "jump",
  "memory",
] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = (typeof FAULTS)[number];

/** What faults act on. */
export interface FaultTargets {
  /** Everything. */
  world: SimWorld;
  /** Where the node runs. */
  server: SimMachine;
  /** Where clients run. */
  clients: readonly SimMachine[];
  /** Time that the run would take without faults. */
  expectedUs: number;
  /** Moves the wall clock. */
  history: History;
  /** Lets the node's process stand still. */
  freeze(durationUs: number): void;
  /** Ends the node at once and starts it again. */
  kill(downUs: number): void;
  /** Ends the node in order and starts it again. */
  stop(downUs: number): void;
}

/** A run has about this many faults, however long it takes. */
const FAULTS_PER_RUN = 20;

/** Longest duration of a fault that passes. */
const DURATION_MAX_US = 1_000_000;

/** The kinds of faults that a seed has: none for one in eight. */
export function chooseFaults(random: SeededRandom): Fault[] {
  if (random.chance(1 / 8)) return [];
  const likelihood = random.pick([0.2, 0.5, 0.8]);
  return FAULTS.filter(() => random.chance(likelihood));
}

/** Lets faults happen until it is told to stop. */
export class FaultPlan {
  /** Faults that have happened, by kind. */
  readonly counts = new Map<Fault, number>();
  readonly #targets: FaultTargets;
  readonly #random: SeededRandom;
  readonly #kinds: readonly Fault[];
  readonly #pauseUs: number;
  #ended = false;

  /** @param kinds that may happen */
  constructor(targets: FaultTargets, kinds: readonly Fault[], random: SeededRandom) {
    this.#targets = targets;
    this.#kinds = kinds;
    this.#random = random;
    this.#pauseUs = targets.expectedUs / FAULTS_PER_RUN;
  }

  /** Starts. */
  start(): void {
    if (this.#kinds.length === 0) return;
    this.#later(this.#random.unit() * 2 * this.#pauseUs, () => this.#strike());
  }

  /** Ends all faults; what was blocked goes on. */
  end(): void {
    this.#ended = true;
    const { world, server, clients } = this.#targets;
    Object.assign(world.network.conditions, { cutChance: 0, slowChance: 0, resetChance: 0 });
    for (const client of clients) {
      world.network.unblock(server, client);
      world.network.clog(server, client, 0);
    }
    this.#relieveMemory();
  }

  #strike(): void {
    if (this.#ended) return;
    const kind = this.#random.pick(this.#kinds);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#happen(kind);
    this.start();
  }

  #happen(kind: Fault): void {
    const random = this.#random;
    const { world, server, history } = this.#targets;
    const { network } = world;
    const durationUs = random.between(1000, Math.min(this.#pauseUs * 3, DURATION_MAX_US));
    const client = random.pick(this.#targets.clients);
    switch (kind) {
      case "cut":
        network.conditions.cutChance = random.pick([0, 0.05, 0.5, 1]);
        break;
      case "slow":
        network.conditions.slowChance = random.pick([0, 0.01, 0.1]);
        network.conditions.slowMaxUs = random.pick([2000, 20_000, 200_000]);
        break;
      case "reset":
        this.#reset();
        break;
      case "clog":
        network.clog(server, client, random.between(1000, 300_000));
        this.#later(durationUs, () => network.clog(server, client, 0));
        break;
      case "block":
        network.block(server, client);
        this.#later(durationUs, () => network.unblock(server, client));
        break;
      case "freeze":
        this.#targets.freeze(durationUs);
        break;
      case "kill":
        this.#targets.kill(durationUs);
        break;
      case "stop":
        this.#targets.stop(durationUs);
        break;
      case "jump":
        history.jump(random.pick([1, -1]) * random.pick([500, 2000, 60_000, 3_600_000]));
        break;
      case "memory":
        history.memoryWasShort = true;
        server.memory.systemFreeBytes = Math.floor(server.memory.systemTotalBytes / 100);
        this.#later(durationUs * 2, () => this.#relieveMemory());
        break;
    }
  }

  /** Breaks all connections, or one, or for a while some of those that are used. */
  #reset(): void {
    const random = this.#random;
    const { network } = this.#targets.world;
    const connections = [...network.connections].filter((connection) => !connection.closed);
    switch (random.below(3)) {
      case 0:
        for (const connection of connections) network.reset(connection);
        break;
      case 1:
        if (connections.length > 0) network.reset(random.pick(connections));
        break;
      default:
        network.conditions.resetChance = random.pick([0, 0.002, 0.02]);
    }
  }

  #relieveMemory(): void {
    const { memory } = this.#targets.server;
    memory.systemFreeBytes = Math.floor(memory.systemTotalBytes * 0.75);
  }

  #later(delayUs: number, fn: () => void): void {
    this.#targets.world.simulation.schedule(delayUs, EventKind.FAULT, undefined, fn);
  }
}
