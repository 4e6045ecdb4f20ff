/**
 * A small laboratory for tests of the clustering: nodes on virtual time, a network that delays, loses and cuts, and a
 * heartbeat that is just enough to feed them. A seed decides everything.
 *
 * @module
 */

import { Clustering } from "./clustering.ts";
import type {
  ClusteringEffect,
  ClusteringEvent,
  ClusteringMessage,
  ClusteringPayload,
  ClusteringSettings,
  HeartbeatChange,
} from "./clustering_types.ts";
import { type HlcTime, HybridClock } from "./hlc.ts";
import { type NodeId, nodeIdForLog } from "./node_id.ts";

/** The stock server's defaults. */
export const DEFAULT_CLUSTERING_SETTINGS: ClusteringSettings = {
  heartbeatIntervalMs: 150,
  nodeTimeoutMs: 1500,
  latencyMaxMs: 5,
  clusterSizeMin: 1,
  standalone: false,
};

const WALL_START_MS = 1_762_304_000_000;
const EXPIRY_CHECK_MS = 50;
const CONFIRMATION_MS = 10;

/** Numbers that a seed decides (mulberry32). */
export class TestRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.u32();
  }

  /** 0 up to, not including, `limit`. */
  below(limit: number): number {
    return this.u32() % limit;
  }

  chance(probability: number): boolean {
    return this.u32() < probability * 0x1_0000_0000;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

/** The id of node number `n`. */
export function labNodeId(n: number): NodeId {
  return n.toString(16).padStart(16, "0");
}

interface Pulse {
  readonly adjacency: readonly NodeId[];
  readonly payload: ClusteringPayload;
  readonly sendTime: HlcTime;
}

interface HeardPeer {
  heardMs: number;
  adjacency: readonly NodeId[];
  sendTime: HlcTime;
}

/** One node of the laboratory. */
export interface LabNode {
  readonly id: NodeId;
  clustering: Clustering;
  clock: HybridClock;
  payload: ClusteringPayload;
  heard: Map<NodeId, HeardPeer>;
  isAlive: boolean;
  /** Counts starts; what was scheduled for an earlier start is void. */
  life: number;
  /** Virtual time until which the process does nothing. */
  sleepsUntilMs: number;
  /** Whether the wake-up work is scheduled. */
  wakes: boolean;
  inbox: (() => void)[];
  settings: ClusteringSettings;
  skewMs: number;
  /** What it last sent, as a transcript says it; empty after it received something. */
  lastSend: string;
  /** Last cluster that it published, and whether it still holds. */
  published: { readonly clusterKey: number; readonly succession: readonly NodeId[] } | undefined;
}

/** What the network does to everything that is sent. */
export interface LabConditions {
  delayMinMs: number;
  delayMaxMs: number;
  lossRate: number;
}

/** Something that a node did, for checks. */
export type LabObserver = (node: LabNode, effect: ClusteringEffect) => void;

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** See the head of the file. */
export class ClusteringLab {
  nowMs = 0;
  readonly random: TestRandom;
  readonly nodes = new Map<NodeId, LabNode>();
  readonly conditions: LabConditions = { delayMinMs: 1, delayMaxMs: 1, lossRate: 0 };
  /** Directed links that pass nothing, as "from>to". */
  readonly cut = new Set<string>();
  /** Messages to lose yet, by kind. */
  readonly drops = new Map<string, number>();
  /** Counts of events by name, for coverage. */
  readonly counts = new Map<string, number>();
  /** Pulses are sent at once when the payload changes, as well as each interval. */
  pulseOnChange = false;
  trace: (line: string) => void = () => {};
  observe: LabObserver = () => {};
  #order = 0;
  #queue: Scheduled[] = [];
  readonly #keyNames = new Map<number, string>();
  readonly #roundNames = new Map<HlcTime, string>();

  constructor(seed: number) {
    this.random = new TestRandom(seed);
  }

  /** Starts a node, for the first time or again. */
  start(
    n: number,
    options: { settings?: ClusteringSettings; skewMs?: number; phaseMs?: number } = {},
  ): LabNode {
    const id = labNodeId(n);
    const former = this.nodes.get(id);
    const settings = options.settings ?? former?.settings ?? DEFAULT_CLUSTERING_SETTINGS;
    const skewMs = options.skewMs ?? former?.skewMs ?? 0;
    const clock = new HybridClock(() => WALL_START_MS + this.nowMs + skewMs);
    const clustering = new Clustering({ self: id, clock, random: this.random, settings, nowMs: this.nowMs });
    const node: LabNode = {
      id,
      clustering,
      clock,
      payload: clustering.payload,
      heard: new Map(),
      isAlive: true,
      life: (former?.life ?? 0) + 1,
      sleepsUntilMs: 0,
      wakes: false,
      inbox: [],
      settings,
      skewMs,
      lastSend: "",
      published: undefined,
    };
    this.nodes.set(id, node);
    this.#say(node, "starts");
    const phaseMs = options.phaseMs ?? (n * 20) % settings.heartbeatIntervalMs;
    this.#every(node, { phaseMs, periodMs: settings.heartbeatIntervalMs }, () => this.#pulse(node));
    this.#every(node, { phaseMs: 0, periodMs: EXPIRY_CHECK_MS }, () => this.#expire(node));
    this.#scheduleTick(node);
    return node;
  }

  /** Node number `n`. */
  node(n: number): LabNode {
    return this.nodes.get(labNodeId(n))!;
  }

  /** Nodes that run. */
  get alive(): LabNode[] {
    return [...this.nodes.values()].filter((node) => node.isAlive);
  }

  /**
   * Ends a process; with `confirmed` the others know soon that it is gone, with a number after so many ms and since when.
   */
  crash(n: number, confirmed: boolean | number = false): void {
    const node = this.node(n);
    node.isAlive = false;
    this.#say(node, "crashes");
    if (confirmed === false) return;
    const since = confirmed === true ? {} : { atMs: this.nowMs };
    for (const other of this.alive) {
      this.#schedule(confirmed === true ? CONFIRMATION_MS : confirmed, () =>
        this.#deliver(other, () => {
          if (!other.heard.delete(node.id)) return;
          this.#say(other, `death of ${nodeIdForLog(node.id)} confirmed`);
          this.step(other, { kind: "confirmed-death", node: node.id, ...since });
        }));
    }
  }

  /** Freezes a process. */
  sleep(n: number, durationMs: number): void {
    const node = this.node(n);
    node.sleepsUntilMs = this.nowMs + durationMs;
    this.#say(node, `sleeps for ${durationMs} ms`);
  }

  /** Cuts the network into groups; without groups, all links work again. */
  split(...groups: number[][]): void {
    this.cut.clear();
    for (const group of groups) {
      for (const other of groups) {
        if (group === other) continue;
        for (const a of group) for (const b of other) this.cut.add(`${labNodeId(a)}>${labNodeId(b)}`);
      }
    }
  }

  /** Cuts one direction of one link. */
  cutLink(from: number, to: number): void {
    this.cut.add(`${labNodeId(from)}>${labNodeId(to)}`);
  }

  /** Runs until `durationMs` have passed. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }

  /** Gives a node an event, and carries out what it answers. */
  step(node: LabNode, event: ClusteringEvent): void {
    for (const effect of node.clustering.step(event, this.nowMs)) {
      this.#perform(node, effect);
      this.observe(node, effect);
    }
  }

  /** A short name for a cluster key. */
  keyName(clusterKey: number): string {
    if (clusterKey === 0) return "orphan";
    const name = this.#keyNames.get(clusterKey) ?? `k${this.#keyNames.size + 1}`;
    this.#keyNames.set(clusterKey, name);
    return name;
  }

  /** The state of all nodes, one line each. */
  show(): string[] {
    return [...this.nodes.values()].map((node) => {
      const { role, clusterKey, succession, isSynced } = node.clustering.view;
      const name = nodeIdForLog(node.id);
      if (!node.isAlive) return `${name}: down`;
      if (role === "orphan") return `${name}: orphan`;
      return `${name}: ${role} of ${this.keyName(clusterKey)} [${names(succession)}]${
        isSynced ? "" : ", syncing"
      }`;
    });
  }

  #perform(node: LabNode, effect: ClusteringEffect): void {
    switch (effect.kind) {
      case "send":
        this.#saySend(node, effect.to, effect.message);
        return effect.to.forEach((to) => this.#transmit(node, to, effect.message));
      case "payload":
        node.payload = effect.payload;
        if (this.pulseOnChange) this.#pulse(node);
        return;
      case "cluster-changed":
        node.published = effect;
        return this.#say(
          node,
          `CLUSTER CHANGED to ${this.keyName(effect.clusterKey)} [${names(effect.succession)}]`,
        );
      case "orphaned":
        node.published = undefined;
        return this.#say(node, `ORPHANED: ${effect.reason}`);
      case "recluster-answer":
        return this.#say(node, `recluster: ${effect.answer}`);
      case "log": {
        const text = effect.text.replace(
          /cluster ([0-9a-f]+):/,
          (_, key) => `cluster ${this.keyName(parseInt(key, 16))}:`,
        );
        return effect.level === "debug" ? undefined : this.#say(node, `(${text})`);
      }
      case "count":
        this.count(effect.statistic);
    }
  }

  /** Counts one occurrence of something. */
  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  #transmit(from: LabNode, to: NodeId, message: ClusteringMessage): void {
    const left = this.drops.get(message.kind) ?? 0;
    if (left > 0) {
      this.drops.set(message.kind, left - 1);
      return this.#say(from, `   ${message.kind} to ${nodeIdForLog(to)} is lost`);
    }
    this.#travel(from, to, (node) => {
      node.lastSend = "";
      this.count(`received ${message.kind} as ${node.clustering.view.role}`);
      this.step(node, { kind: "message", from: from.id, message });
    });
  }

  #travel(from: LabNode, to: NodeId, arrive: (node: LabNode) => void): void {
    const { delayMinMs, delayMaxMs, lossRate } = this.conditions;
    if (this.cut.has(`${from.id}>${to}`) || (lossRate > 0 && this.random.chance(lossRate))) return;
    const delayMs = delayMinMs +
      (delayMaxMs > delayMinMs ? this.random.below(delayMaxMs - delayMinMs + 1) : 0);
    const life = this.nodes.get(to)?.life;
    this.#schedule(delayMs, () => {
      const node = this.nodes.get(to);
      if (node?.life === life && node?.isAlive) this.#deliver(node, () => arrive(node));
    });
  }

  /** A sleeping process finds everything when it wakes. */
  #deliver(node: LabNode, run: () => void): void {
    if (this.nowMs >= node.sleepsUntilMs && !node.wakes) return run();
    node.inbox.push(run);
    this.#scheduleWake(node);
  }

  #scheduleWake(node: LabNode): void {
    if (node.wakes) return;
    node.wakes = true;
    this.#schedule(Math.max(0, node.sleepsUntilMs - this.nowMs), () => {
      node.wakes = false;
      if (!node.isAlive) return;
      this.#say(node, "wakes");
      for (const run of node.inbox.splice(0)) run();
    });
  }

  #pulse(node: LabNode): void {
    const pulse: Pulse = {
      adjacency: [...node.heard.keys()],
      payload: node.payload,
      sendTime: node.clock.now(),
    };
    for (const other of this.nodes.values()) {
      if (other !== node) this.#travel(node, other.id, (receiver) => this.#hear(receiver, node.id, pulse));
    }
  }

  #hear(node: LabNode, from: NodeId, pulse: Pulse): void {
    node.clock.receive(pulse.sendTime);
    const { adjacency, payload, sendTime } = pulse;
    const known = node.heard.get(from);
    if (known !== undefined && sendTime <= known.sendTime) return;
    node.heard.set(from, { heardMs: this.nowMs, adjacency, sendTime });
    const common = { node: from, atMs: this.nowMs, adjacency };
    if (known === undefined) {
      this.#say(node, `hears ${nodeIdForLog(from)}`);
      const change: HeartbeatChange = { kind: "arrived", ...common, payload, sendTime };
      return this.step(node, { kind: "heartbeat", changes: [change] });
    }
    if (known.adjacency.join() !== adjacency.join()) {
      this.step(node, { kind: "heartbeat", changes: [{ kind: "adjacency", ...common }] });
    }
    this.step(node, { kind: "pulse", node: from, payload, sendTime });
  }

  #expire(node: LabNode): void {
    const { nodeTimeoutMs } = node.settings;
    const changes: HeartbeatChange[] = [];
    for (const [peer, { heardMs }] of node.heard) {
      if (this.nowMs - heardMs <= nodeTimeoutMs) continue;
      node.heard.delete(peer);
      this.#say(node, `no longer hears ${nodeIdForLog(peer)}`);
      changes.push({ kind: "departed", node: peer, atMs: this.nowMs - nodeTimeoutMs });
    }
    if (changes.length > 0) this.step(node, { kind: "heartbeat", changes });
  }

  #every(node: LabNode, times: { phaseMs: number; periodMs: number }, run: () => void): void {
    const { life } = node;
    const again = () => {
      if (!node.isAlive || node.life !== life) return;
      if (this.nowMs < node.sleepsUntilMs || node.wakes) {
        this.#scheduleWake(node);
        return this.#schedule(Math.max(1, node.sleepsUntilMs - this.nowMs), again);
      }
      run();
      this.#schedule(times.periodMs, again);
    };
    this.#schedule(times.phaseMs, again);
  }

  #scheduleTick(node: LabNode): void {
    const again = () => {
      if (!node.isAlive || this.nodes.get(node.id) !== node) return;
      if (this.nowMs < node.sleepsUntilMs || node.wakes) {
        this.#scheduleWake(node);
        return this.#schedule(Math.max(1, node.sleepsUntilMs - this.nowMs), again);
      }
      this.step(node, { kind: "tick" });
      this.#scheduleTick(node);
    };
    this.#schedule(Math.max(1, Math.ceil(node.clustering.nextTickMs - this.nowMs)), again);
  }

  #describe(message: ClusteringMessage): string {
    if ("succession" in message) {
      return `${message.kind} ${this.keyName(message.clusterKey)} [${names(message.succession)}]`;
    }
    if ("sequenceNumber" in message) return `${message.kind} ${this.#roundName(message.sequenceNumber)}`;
    return message.kind === "merge-move" ? `merge-move to ${nodeIdForLog(message.principal)}` : message.kind;
  }

  #roundName(sequenceNumber: HlcTime): string {
    const name = this.#roundNames.get(sequenceNumber) ?? `#${this.#roundNames.size + 1}`;
    this.#roundNames.set(sequenceNumber, name);
    return name;
  }

  /** Repetitions of a join request are left out. */
  #saySend(node: LabNode, to: readonly NodeId[], message: ClusteringMessage): void {
    const text = `-> ${names(to)}: ${this.#describe(message)}`;
    if (message.kind !== "join-request" || node.lastSend !== text) this.#say(node, text);
    node.lastSend = text;
  }

  #say(node: LabNode, text: string): void {
    this.trace(`${String(this.nowMs).padStart(6)}  ${nodeIdForLog(node.id)}  ${text}`);
  }

  #schedule(delayMs: number, run: () => void): void {
    const entry = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let low = 0;
    let high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#queue[middle].atMs > entry.atMs) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, entry);
  }

  #next(endMs: number): Scheduled | undefined {
    const last = this.#queue.at(-1);
    return last !== undefined && last.atMs <= endMs ? this.#queue.pop() : undefined;
  }
}

function names(nodes: readonly NodeId[]): string {
  return nodes.map(nodeIdForLog).join(" ");
}
