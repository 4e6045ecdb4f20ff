/**
 * The heartbeat of one node, as a step function: an event and the time go in, effects come out; no clock, timer,
 * socket or name look-up here.
 *
 * What happens to a message, in this order; the first that does not hold drops it:
 *
 * | check | else |
 * | ----- | ---- |
 * | the connection is open and does not flood | counted |
 * | the source is a node id | counted |
 * | mesh: endpoints are there | logged |
 * | pulse: the cluster name is ours | counted per node; the third in a row makes it depart |
 * | the source is not this node | this process: connection and seed are dropped; another: duplicate id |
 * | mesh: the source is who spoke on this connection before | logged |
 * | pulse: sent later than the last one of that node | ignored |
 * | pulse: the table has room | logged |
 *
 * Parts: `adjacency.ts` who is heard; `mesh.ts` and `seeds.ts` connections; `skew.ts` clocks; `heartbeat_sleep.ts` a node
 * that slept; `heartbeat_composer.ts` what is sent. Duties of the caller: docs/cluster.md. Source: clustering reference, section 5.
 *
 * @module
 */

import { assert, HEARTBEAT_PROMPT_PULSES_PER_INTERVAL_MAX, PEER_NODE_COUNT_MAX } from "../base/mod.ts";
import { type HeartbeatMessage, type HeartbeatPulse, U64_ZERO } from "../wire/mod.ts";
import { Adjacency, type AdjacentNode } from "./adjacency.ts";
import { deriveIntervals } from "./clustering_intervals.ts";
import type { HeartbeatChange } from "./clustering_types.ts";
import { HeartbeatComposer, type HeartbeatFace, payloadFromWire, senderOf } from "./heartbeat_composer.ts";
import { endpointsText } from "./heartbeat_endpoints.ts";
import { HeartbeatOutbox } from "./heartbeat_outbox.ts";
import { SleepWatch } from "./heartbeat_sleep.ts";
import {
  deriveHeartbeatTimes,
  type HeartbeatSettings,
  type HeartbeatTimes,
  phaseShiftMs,
} from "./heartbeat_timing.ts";
import type {
  ConnectionId,
  DropReason,
  HeartbeatEffect,
  HeartbeatEvent,
  HeartbeatIdentity,
  HeartbeatNow,
  HeartbeatOptions,
  HeartbeatStatistics,
} from "./heartbeat_types.ts";
import { hlcFromText, hlcPhysicalMs, type HybridClock } from "./hlc.ts";
import { Mesh } from "./mesh.ts";
import type { MeshPeer } from "./mesh_types.ts";
import { type NodeId, nodeIdForLog } from "./node_id.ts";
import { type Seed, type SeedAddress, SeedList } from "./seeds.ts";
import { type Skew, SkewMonitor, type SkewTimes } from "./skew.ts";

/** While sockets are read after a sleep, what is overdue is looked at this often. */
const DRAIN_TICK_MS = 10;

/** See the head of the file. */
export class Heartbeat {
  readonly #identity: HeartbeatIdentity;
  readonly #clock: HybridClock;
  readonly #out = new HeartbeatOutbox();
  readonly #adjacency: Adjacency;
  readonly #seeds = new SeedList();
  readonly #mesh: Mesh;
  readonly #skew: SkewMonitor;
  readonly #sleep: SleepWatch;
  readonly #counts = { self: 0, foreign: 0 };
  readonly #dropped: Record<Exclude<DropReason, "flooded">, number> = {
    "malformed": 0,
    "no endpoints": 0,
    "cluster name": 0,
    "other node": 0,
    "delayed": 0,
    "full": 0,
  };
  readonly #face: HeartbeatFace;
  readonly #composer: HeartbeatComposer;
  #times: HeartbeatTimes;
  #quantumMs: number;
  #now: HeartbeatNow;
  #pulseMs: number;
  /** There is news that should not wait for the next regular pulse. */
  #hasNews = false;
  #promptCount = 0;
  #duplicateUntilMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    const { identity, settings, endpoints, fabricEndpoints, payload, now } = options;
    this.#identity = identity;
    this.#clock = options.clock;
    this.#face = { settings, endpoints, fabricEndpoints, payload };
    this.#composer = new HeartbeatComposer(identity, options.clock, this.#face);
    this.#times = deriveHeartbeatTimes(settings);
    this.#quantumMs = quantumOf(settings, this.#times);
    this.#now = now;
    this.#pulseMs = now.monotonicMs;
    const othersMax = Math.min(options.nodeCountMax, PEER_NODE_COUNT_MAX) - 1;
    this.#adjacency = new Adjacency(othersMax);
    this.#skew = new SkewMonitor(identity.node);
    this.#sleep = new SleepWatch(identity.node, now.monotonicMs);
    this.#mesh = this.#makeMesh(othersMax);
    for (const seed of options.seeds) {
      const refused = this.#seeds.add(seed, now.monotonicMs);
      if (refused !== undefined) this.#out.log("warning", refused);
    }
  }

  #makeMesh(nodeCountMax: number): Mesh {
    const face = this.#face;
    const times = () => this.#times;
    return new Mesh({
      self: this.#identity.node,
      nodeCountMax,
      out: this.#out,
      seeds: this.#seeds,
      askFor: (nodes) => this.#composer.infoRequest(nodes),
      tell: (nodes) => this.#composer.infoReply(nodes),
      get settings() {
        return face.settings;
      },
      get times() {
        return times();
      },
      get endpoints() {
        return face.endpoints;
      },
    });
  }

  /** Times that follow from the settings. */
  get times(): HeartbeatTimes {
    return this.#times;
  }

  /** Monotonic time at which the next tick is due; changes with every step. */
  get dueMs(): number {
    let dueMs = Math.min(this.#pulseMs, this.#adjacency.expiryMs, this.#duplicateUntilMs ?? Infinity);
    if (this.#isMesh) dueMs = Math.min(dueMs, this.#mesh.dueMs);
    return this.#sleep.isDraining ? Math.max(dueMs, this.#now.monotonicMs + DRAIN_TICK_MS) : dueMs;
  }

  /** Adjacent nodes, smallest id first. */
  get adjacent(): NodeId[] {
    return this.#adjacency.ids();
  }

  /** A node that is heard, on probation or not. */
  node(node: NodeId): Readonly<AdjacentNode> | undefined {
    return this.#adjacency.get(node);
  }

  /** Nodes that the mesh knows, for people. */
  get peers(): readonly Readonly<MeshPeer>[] {
    return this.#mesh.peers;
  }

  /** Seeds, for people. */
  get seeds(): readonly Readonly<Seed>[] {
    return this.#seeds.all;
  }

  /** The skew as last calculated. */
  get skew(): Skew {
    return this.#skew.skew;
  }

  /** Whether the node slept and must not answer clients yet. */
  get isFenced(): boolean {
    return this.#sleep.isRaised;
  }

  /** Another process uses this node's id. */
  get isDuplicate(): boolean {
    return this.#duplicateUntilMs !== undefined;
  }

  /** Ids that two processes use, as far as this node hears, its own among them; smallest first. */
  get duplicates(): NodeId[] {
    return [...this.#adjacency.contested, ...(this.isDuplicate ? [this.#identity.node] : [])].sort();
  }

  /** Arrivals of each node since the start, for the health counter `node_arrivals`. */
  get arrivals(): ReadonlyMap<NodeId, number> {
    return this.#adjacency.arrivals;
  }

  /** Counters. */
  get statistics(): HeartbeatStatistics {
    const { opened, closed, flooded } = this.#mesh.counts;
    return {
      heartbeat_received_self: this.#counts.self,
      heartbeat_received_foreign: this.#counts.foreign,
      heartbeat_connections: this.#mesh.connections.length,
      heartbeat_connections_opened: opened,
      heartbeat_connections_closed: closed,
      dropped: { ...this.#dropped, flooded },
    };
  }

  /** Calculates the skew anew; the exchange asks for it at each commit. */
  calculateSkew(): Skew {
    const by = { nowMs: this.#now.monotonicMs, quantumMs: this.#quantumMs };
    return this.#skew.calculate(this.#face.payload.succession, by);
  }

  /**
   * Takes one event.
   *
   * @param now the clocks; monotonic time not before that of the last step
   * @returns what the caller has to do, in this order
   */
  step(event: HeartbeatEvent, now: HeartbeatNow): HeartbeatEffect[] {
    assert(now.monotonicMs >= this.#now.monotonicMs, "Monotonic time does not go back");
    this.#now = now;
    this.#out.nowMs = now.monotonicMs;
    this.#noticeSleep();
    this.#take(event);
    this.#tend();
    return this.#out.take();
  }

  get #isMesh(): boolean {
    return this.#face.settings.mode === "mesh" && !this.#isSilent;
  }

  get #isSilent(): boolean {
    return this.#face.settings.protocol === "none";
  }

  #noticeSleep(): void {
    const gapMs = this.#sleep.begin(this.#now.monotonicMs, this.#times);
    if (gapMs === 0) return;
    this.#out.log("warning", `this node stood still for ${Math.round(gapMs)} ms`);
    if (gapMs > this.#times.nodeTimeoutMs) {
      this.#sleep.raise(gapMs, this.#clock.now());
      this.#out.push({ kind: "fence", raised: true, sleptMs: gapMs });
    }
    this.#out.push({ kind: "drain" });
  }

  #take(event: HeartbeatEvent): void {
    switch (event.kind) {
      case "tick":
        return;
      case "opened":
        return this.#onOpened(event.connection, event);
      case "connect-failed":
        return this.#mesh.connectFailed(event.attempt, event.failure);
      case "closed":
        return this.#mesh.closed(event.connection);
      case "message":
        return this.#onMessage(event.message, event.connection);
      case "malformed":
        this.#dropped.malformed++;
        return this.#out.logSeldom("malformed", "warning", `heartbeat message dropped: ${event.fault}`);
      case "resolved": {
        const by = { nowMs: this.#now.monotonicMs, times: this.#times };
        this.#seeds.resolved(event.name, event.addresses, by);
        if (event.addresses.length === 0) {
          this.#out.logSeldom(
            `resolve ${event.name}`,
            "warning",
            `seed name "${event.name}" has no address; check it and the name service`,
          );
        }
        return this.#mesh.hurry();
      }
      case "drained":
        return this.#sleep.drained();
      default:
        return this.#onChange(event);
    }
  }

  #onChange(
    event: Extract<
      HeartbeatEvent,
      {
        kind:
          | "tip"
          | "tip-clear"
          | "settings"
          | "reset"
          | "endpoints"
          | "fabric-endpoints"
          | "payload"
          | "forget";
      }
    >,
  ): void {
    switch (event.kind) {
      case "tip":
        return this.#answerTip(this.#onTip(event.seed));
      case "tip-clear":
        return this.#answerTip(this.#onTipClear(event.seeds));
      case "settings":
        return this.#onSettings(event.settings);
      case "reset":
        return this.#onReset();
      case "endpoints":
        this.#face.endpoints = event.endpoints;
        this.#mesh.hurry();
        break;
      case "fabric-endpoints":
        this.#face.fabricEndpoints = event.endpoints;
        break;
      case "payload":
        this.#face.payload = event.payload;
        break;
      case "forget":
        this.#mesh.forget(event.node);
        this.#publish(this.#adjacency.remove(event.node, this.#now.monotonicMs), "departed");
    }
    this.#hasNews = true;
  }

  #onTip(seed: SeedAddress): string | undefined {
    if (this.#face.settings.mode !== "mesh") return "Cannot add a seed: the heartbeat's mode is multicast";
    const refused = this.#seeds.add(seed, this.#now.monotonicMs);
    this.#mesh.hurry();
    return refused;
  }

  #onTipClear(seeds: readonly Omit<SeedAddress, "tls">[]): string | undefined {
    if (this.#face.settings.mode !== "mesh") return "Cannot remove seeds: the heartbeat's mode is multicast";
    const unknown = seeds.filter((seed) => !this.#seeds.remove(seed));
    if (unknown.length === 0) return undefined;
    const names = unknown.map(({ host, port }) => `${host}:${port}`).join(", ");
    return `Cannot remove ${names}: not among the seeds; dump-hb shows those that there are`;
  }

  #answerTip(error: string | undefined): void {
    this.#out.push(error === undefined ? { kind: "tip-answer" } : { kind: "tip-answer", error });
  }

  #onSettings(settings: HeartbeatSettings): void {
    const wasSilent = this.#isSilent;
    this.#face.settings = settings;
    this.#times = deriveHeartbeatTimes(settings);
    this.#quantumMs = quantumOf(settings, this.#times);
    this.#pulseMs = Math.min(this.#pulseMs, this.#now.monotonicMs + this.#times.pulseIntervalMs);
    this.#adjacency.reschedule();
    this.#mesh.hurry();
    if (wasSilent !== this.#isSilent) this.#forgetMesh();
  }

  #onReset(): void {
    this.#out.log("info", "heartbeat reset: everybody is forgotten");
    this.#forgetMesh();
    this.#publish(this.#adjacency.clear(this.#now.monotonicMs), "departed");
    this.#skew.clear();
    this.#duplicate(undefined);
    this.#pulseMs = this.#now.monotonicMs;
  }

  #forgetMesh(): void {
    this.#mesh.reset();
    this.#seeds.reset(this.#now.monotonicMs);
  }

  #onOpened(connection: ConnectionId, from: Extract<HeartbeatEvent, { kind: "opened" }>): void {
    if (!this.#isMesh) {
      this.#out.push({ kind: "close", connection, reason: "the heartbeat is silent" });
    } else if (this.#mesh.opened(connection, from)) {
      this.#out.push({
        kind: "send",
        connections: [connection],
        message: this.#composer.pulse(this.#adjacency.ids(), this.#now.wallMs),
      });
    }
  }

  #onMessage(message: HeartbeatMessage, connection: ConnectionId | undefined): void {
    if (this.#isSilent) return;
    if (connection !== undefined && !this.#mesh.admits(connection, this.#sleep.isDraining)) return;
    if (message.source === U64_ZERO) {
      this.#dropped.malformed++;
      return;
    }
    if (connection !== undefined && (message.endpoints?.length ?? 0) === 0) {
      return this.#drop("no endpoints", `message of node ${nodeIdForLog(message.source)} has no endpoints`);
    }
    if (message.kind === "pulse" && message.clusterName !== this.#face.settings.clusterName) {
      return this.#onOtherName(message);
    }
    if (message.source === this.#identity.node) return this.#onOwnId(message, connection);
    if (connection !== undefined) {
      const bound = this.#mesh.bind(connection, senderOf(message));
      if (bound === "other-node") {
        const source = nodeIdForLog(message.source);
        return this.#drop("other node", `node ${source} speaks on the connection of another node`);
      }
      if (bound === "full") {
        this.#dropped.full++;
        return;
      }
    }
    this.#onChecked(message, connection);
  }

  #drop(reason: Exclude<DropReason, "flooded">, text: string): void {
    this.#dropped[reason]++;
    this.#out.logSeldom(`drop ${text}`, "warning", `heartbeat message dropped: ${text}`);
  }

  #onOtherName(pulse: HeartbeatPulse): void {
    const source = nodeIdForLog(pulse.source);
    this.#drop(
      "cluster name",
      `node ${source} belongs to cluster "${pulse.clusterName}", this node to "${this.#face.settings.clusterName}"`,
    );
    this.#publish(this.#adjacency.mismatch(pulse.source, this.#now.monotonicMs), "expired");
  }

  #onOwnId(message: HeartbeatMessage, connection: ConnectionId | undefined): void {
    if (message.kind !== "pulse") return;
    if (message.incarnation === this.#identity.incarnation) {
      this.#counts.self++;
      if (connection !== undefined) this.#mesh.dropSelf(connection);
      return;
    }
    if (connection !== undefined) this.#mesh.bind(connection, senderOf(message));
    this.#duplicate(this.#now.monotonicMs + this.#times.duplicateIdMs);
  }

  #duplicate(untilMs: number | undefined): void {
    const was = this.isDuplicate;
    this.#duplicateUntilMs = untilMs;
    if (was === this.isDuplicate) return;
    this.#out.push({ kind: "duplicate-id", duplicate: this.isDuplicate });
    const node = nodeIdForLog(this.#identity.node);
    if (was) this.#out.log("info", `no other process uses node-id ${node} any more`);
    else this.#out.log("warning", `duplicate node-id: another process uses ${node}; give each node its own`);
  }

  #onChecked(message: HeartbeatMessage, connection: ConnectionId | undefined): void {
    const ownHybridMs = hlcPhysicalMs(this.#clock.now());
    const sendTime = hlcFromText(message.timestamp);
    const receiveTime = this.#clock.receive(sendTime);
    switch (message.kind) {
      case "pulse": {
        const payload = message.clustering === undefined ? undefined : payloadFromWire(message.clustering);
        const nowMs = this.#now.monotonicMs;
        const outcome = this.#adjacency.pulse(message, {
          nowMs,
          sendTime,
          receiveTime,
          times: this.#times,
          payload,
        });
        if (outcome.result === "accepted") this.#onAccepted(message, { ...outcome, connection, ownHybridMs });
        else if (outcome.result !== "repeated") this.#dropped[outcome.result]++;
        return;
      }
      case "info-request": {
        if (connection === undefined) return;
        const nodes = this.#mesh.answer(connection, message.nodes);
        if (nodes === undefined || nodes.length === 0) return;
        const reply = this.#composer.infoReply(nodes);
        return this.#out.push({ kind: "send", connections: [connection], message: reply });
      }
      case "info-reply":
        if (connection !== undefined) this.#mesh.told(message.nodes);
    }
  }

  #onAccepted(
    pulse: HeartbeatPulse,
    outcome: Extract<ReturnType<Adjacency["pulse"]>, { result: "accepted" }> & {
      readonly connection: ConnectionId | undefined;
      readonly ownHybridMs: number;
    },
  ): void {
    const { node, changes, connection } = outcome;
    this.#counts.foreign++;
    if (pulse.physicalTimeMs !== undefined) {
      const hybridMs = hlcPhysicalMs(node.sendTime);
      const sample = { hybridMs, physicalMs: pulse.physicalTimeMs, ownHybridMs: outcome.ownHybridMs };
      this.#skew.sample(node.node, sample, this.#skewTimes());
    }
    if (outcome.restarted) this.#out.push({ kind: "peer-link", node: node.node, link: "restarted" });
    if (outcome.fabricChanged) {
      const { fabricEndpoints: endpoints } = node;
      this.#out.push({ kind: "fabric-endpoints", node: node.node, endpoints });
    }
    this.#publish(changes, "departed");
    if (outcome.contested) this.#onContested(node);
    const hasArrived = changes.some((change) => change.kind === "arrived");
    if (node.adjacent && !hasArrived && node.payload !== undefined) {
      const { payload, sendTime } = node;
      this.#out.push({ kind: "pulse", node: node.node, payload, sendTime, changed: outcome.payloadChanged });
    }
    this.#sleep.heard(node.node, node.sendTime, node.payload?.clusterKey ?? 0);
    if (connection !== undefined) this.#mesh.mentioned(connection, node.adjacency);
  }

  #onContested({ node, fabricEndpoints, formerFabricEndpoints = [] }: AdjacentNode): void {
    const places = [fabricEndpoints, formerFabricEndpoints].map(endpointsText).sort().join(" and at ");
    const id = nodeIdForLog(node);
    this.#out.logSeldom(
      `contested ${node}`,
      "warning",
      `duplicate node-id: two processes use ${id}, with their fabric at ${places}; neither can be a member until each has its own`,
    );
    this.#mesh.introduce(node);
  }

  #publish(changes: readonly HeartbeatChange[], word: "expired" | "departed"): void {
    for (const change of changes) {
      if (change.kind === "adjacency") continue;
      this.#hasNews = true;
      if (change.kind === "departed") this.#skew.remove(change.node);
      const what = change.kind === "arrived" ? change.kind : word;
      this.#out.log("info", `node ${what} ${nodeIdForLog(change.node)}`);
    }
    this.#out.changes(changes);
  }

  /** What is due at the end of each step. */
  #tend(): void {
    const nowMs = this.#now.monotonicMs;
    if (this.#sleep.hasDrained()) this.#onDrained();
    if (!this.#sleep.isDraining) {
      if (this.#isMesh) this.#mesh.tend();
      this.#publish(this.#adjacency.expire(nowMs, this.#times), "expired");
    }
    if (this.#duplicateUntilMs !== undefined && nowMs >= this.#duplicateUntilMs) this.#duplicate(undefined);
    if (this.#sleep.lower(this.#face.payload)) this.#out.push({ kind: "fence", raised: false, sleptMs: 0 });
    if (nowMs >= this.#pulseMs) this.#onPulseTime();
    else if (this.#hasNews && this.#promptCount < HEARTBEAT_PROMPT_PULSES_PER_INTERVAL_MAX) {
      this.#promptCount++;
      this.#sendPulse();
    }
  }

  /** What was waiting since before the wake is read. */
  #onDrained(): void {
    this.#sleep.restart(this.#clock.now());
    this.#mesh.spare();
    this.#adjacency.spare(this.#now.monotonicMs, this.#times);
  }

  #onPulseTime(): void {
    const nowMs = this.#now.monotonicMs;
    const { pulseIntervalMs } = this.#times;
    this.#pulseMs += pulseIntervalMs;
    if (this.#pulseMs <= nowMs) this.#pulseMs = nowMs + pulseIntervalMs;
    this.#pulseMs += phaseShiftMs(this.#now.wallMs + this.#pulseMs - nowMs, pulseIntervalMs);
    this.#promptCount = 0;
    this.#sendPulse();
    if (!this.#skew.isDue(nowMs, this.#quantumMs)) return;
    const before = this.#skew.skew;
    const { skewMs, outliers } = this.calculateSkew();
    if (before.skewMs !== skewMs || before.outliers.join() !== outliers.join()) {
      this.#out.push({ kind: "skew", skewMs, outliers });
    }
  }

  #sendPulse(): void {
    this.#hasNews = false;
    if (this.#isSilent) return;
    const message = this.#composer.pulse(this.#adjacency.ids(), this.#now.wallMs);
    const hybridMs = hlcPhysicalMs(hlcFromText(message.timestamp));
    const sample = { hybridMs, physicalMs: message.physicalTimeMs!, ownHybridMs: hybridMs };
    this.#skew.sample(this.#identity.node, sample, this.#skewTimes());
    const { connections } = this.#mesh;
    if (this.#face.settings.mode === "multicast") {
      const breach = this.#composer.mtuBreach(this.adjacent.length + 1);
      if (breach !== undefined) this.#out.logSeldom("mtu", "warning", breach);
      this.#out.push({ kind: "broadcast", message });
    } else if (connections.length > 0) this.#out.push({ kind: "send", connections, message });
  }

  #skewTimes(): SkewTimes {
    const { timeoutIntervalCount: windowCount } = this.#face.settings;
    return { times: this.#times, windowCount, quantumMs: this.#quantumMs };
  }
}

function quantumOf(settings: HeartbeatSettings, times: HeartbeatTimes): number {
  return deriveIntervals({
    heartbeatIntervalMs: settings.intervalMs,
    nodeTimeoutMs: times.nodeTimeoutMs,
    latencyMaxMs: settings.latencyMaxMs,
    clusterSizeMin: 1,
    standalone: false,
  }).quantumMs;
}
