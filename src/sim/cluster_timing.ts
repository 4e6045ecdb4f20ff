/**
 * How long clusters take, in virtual time and with default settings: to form, and to serve again after a process died,
 * froze or was cut off; as the nodes see it and as a client does.
 *
 * @module
 */
import { createDigester } from "../base/mod.ts";
import { type AerieClient, connect } from "../client/mod.ts";
import type { Compute } from "../port/mod.ts";
import { type ClusterMember, ClusterMembers } from "./cluster_members.ts";
import type { ClusterShape } from "./cluster_types.ts";
import { SeededRandom } from "./seeded_random.ts";
import { WORKLOAD_NAMESPACE, WORKLOAD_SET } from "./workload.ts";
import { type SimProcess, SimWorld } from "./world.ts";

/** What happens to a node. */
export const TIMED_FAULTS = ["killed", "frozen", "cut off"] as const;

/** One of {@linkcode TIMED_FAULTS}. */
export type TimedFault = (typeof TIMED_FAULTS)[number];

/** A figure and what it must not exceed; milliseconds. */
export interface TimingLimit {
  readonly name: string;
  readonly limitMs: number;
  /** Sorted. */
  readonly valuesMs: readonly number[];
  readonly medianMs: number;
  readonly isKept: boolean;
}

/** Limits of the design, in milliseconds: formation, and for each fault as nodes and as a client see it. */
const FORMATION_MAX_MS = 2500;
const SERVED_MAX_MS: Readonly<Record<TimedFault, number>> = {
  "killed": 400,
  "frozen": 2200,
  "cut off": 2200,
};
const CLIENT_MAX_MS: Readonly<Record<TimedFault, number>> = {
  "killed": 600,
  "frozen": 2500,
  "cut off": 2500,
};

/** Runs behind each median. */
export const TIMED_RUN_COUNT = 20;

/** Anything that takes longer than this never ends. */
const WAIT_MAX_MS = 20_000;
const LOOK_MS = 2;

/** How long nodes are in peace before something happens; a random part is added. */
const PEACE_MIN_MS = 4000;
const PEACE_SPREAD_MS = 2000;

/** Requests of the client that measures: one per key and round. */
const PROBE_KEY_COUNT = 64;
const PROBE_TIMEOUT_MS = 200;

/** Measures everything, with seeds 1 to `runCount` for each figure. */
export async function measureTimings(
  parts: { compute: Compute; settle: () => Promise<void> },
  runCount: number = TIMED_RUN_COUNT,
): Promise<TimingLimit[]> {
  await createDigester();
  const formation: number[] = [];
  const limits: TimingLimit[] = [];
  for (const fault of TIMED_FAULTS) {
    const served: number[] = [];
    const seen: number[] = [];
    for (let seed = 1; seed <= runCount; seed++) {
      const run = new TimedRun({ ...parts, seed });
      const times = await run.run(fault);
      formation.push(times.formedMs);
      served.push(times.servedMs);
      seen.push(times.clientMs);
    }
    limits.push(limit(`a node is ${fault}: every survivor serves the new map`, SERVED_MAX_MS[fault], served));
    limits.push(limit(`a node is ${fault}: last failed request of a client`, CLIENT_MAX_MS[fault], seen));
  }
  return [limit("a cluster forms from cold", FORMATION_MAX_MS, formation), ...limits];
}

function limit(name: string, limitMs: number, values: readonly number[]): TimingLimit {
  const valuesMs = [...values].sort((left, right) => left - right);
  const medianMs = valuesMs[valuesMs.length >> 1];
  return { name, limitMs, valuesMs, medianMs, isKept: medianMs <= limitMs };
}

/** A line for people. */
export function timingText({ name, limitMs, valuesMs, medianMs, isKept }: TimingLimit): string {
  const [least, most] = [valuesMs[0], valuesMs[valuesMs.length - 1]];
  const verdict = isKept ? "kept" : "NOT KEPT";
  return `${name}: median ${medianMs.toFixed(0)} ms (${least.toFixed(0)} to ${
    most.toFixed(0)
  }), limit ${limitMs} ms: ${verdict}`;
}

class TimedRun {
  readonly #world: SimWorld;
  readonly #members: ClusterMembers;
  readonly #random: SeededRandom;
  #lastFailureUs = 0;
  #faultUs = Infinity;

  constructor({ seed, compute, settle }: { seed: number; compute: Compute; settle: () => Promise<void> }) {
    this.#random = new SeededRandom(seed).fork("timing");
    this.#world = new SimWorld({ seed, compute, settle });
    this.#members = new ClusterMembers(this.#world, defaultShape(3 + (seed % 5)));
  }

  async run(fault: TimedFault): Promise<{ formedMs: number; servedMs: number; clientMs: number }> {
    const { simulation } = this.#world;
    for (const member of this.#members.all) this.#members.start(member);
    const formedMs = await this.#until(() => isServed(this.#members.all, this.#members.all.length));
    const process = this.#world.addMachine("client").start("client");
    const client = await simulation.runUntilSettled(
      connect({ hosts: this.#members.hosts, ports: process.ports }),
    );
    this.#probe(client, process).catch((error) => simulation.fail(error));
    await simulation.runFor(PEACE_MIN_MS + this.#random.below(PEACE_SPREAD_MS));
    const victim = this.#random.pick(this.#members.all);
    this.#faultUs = this.#lastFailureUs = simulation.nowUs;
    this.#happen(fault, victim, process);
    const others = this.#members.all.filter((member) => member !== victim);
    const servedMs = await this.#until(() => isServed(others, others.length));
    await simulation.runFor(PEACE_MIN_MS);
    return { formedMs, servedMs, clientMs: (this.#lastFailureUs - this.#faultUs) / 1000 };
  }

  #happen(fault: TimedFault, victim: ClusterMember, client: SimProcess): void {
    if (fault === "killed") return victim.die(false);
    if (fault === "frozen") return victim.freeze(WAIT_MAX_MS * 10);
    const { network } = this.#world;
    for (const other of this.#members.all) if (other !== victim) network.block(other.machine, victim.machine);
    network.block(client.machine, victim.machine);
  }

  /** Reads and writes all the time; notes when the last request failed. */
  async #probe(client: AerieClient, { ports: { clock } }: SimProcess): Promise<void> {
    const { simulation } = this.#world;
    const policy = { totalTimeoutMs: PROBE_TIMEOUT_MS, maxRetries: 0 };
    const note = () => void (this.#lastFailureUs = Math.max(this.#lastFailureUs, simulation.nowUs));
    for (let at = 0;; at++) {
      await new Promise<void>((resolve) => void clock.after(2, resolve));
      const key = { namespace: WORKLOAD_NAMESPACE, set: WORKLOAD_SET, key: `p${at % PROBE_KEY_COUNT}` };
      if (at % 2 === 0) client.put(key, { a: at }, policy).catch(note);
      else client.get(key, { policy }).catch(note);
    }
  }

  async #until(condition: () => boolean): Promise<number> {
    const { simulation } = this.#world;
    const startUs = simulation.nowUs;
    while (!condition()) {
      await simulation.runFor(LOOK_MS);
      if (simulation.nowUs - startUs > WAIT_MAX_MS * 1000) return Infinity;
    }
    return (simulation.nowUs - startUs) / 1000;
  }
}

function isServed(members: readonly ClusterMember[], size: number): boolean {
  return members.every((member) => {
    if (!member.isUp) return false;
    const { cluster } = member.node!;
    return cluster.size === size && cluster.clusterKey === members[0].node!.cluster.clusterKey;
  });
}

function defaultShape(nodeCount: number): ClusterShape {
  return {
    nodeCount,
    spareCount: 0,
    replicationFactor: 2,
    heartbeatIntervalMs: 150,
    heartbeatTimeoutCount: 10,
    conflictPolicy: "generation",
    stockLikeNode: -1,
    hasFiles: false,
    keyCount: 0,
    clientCount: 0,
    loopsPerClient: 0,
    thinkMaxMs: 0,
    timeoutMs: 0,
  };
}
