/**
 * Agreement on who is in the cluster, as a step function: an event goes in, effects come out; no clock, timer or
 * socket. The roles:
 *
 * | role | condition | at each decision |
 * | ---- | --------- | ---------------- |
 * | orphan | in no cluster | asks a principal or a larger orphan to be taken in, or forms a cluster |
 * | principal | first of the succession list | starts a round with those who are there, or moves its members to another cluster |
 * | member | another place in the list | leaves when the principal is gone or has left it out |
 *
 * When decisions are due: `clustering_quantum.ts`. What is decided: `clustering_decisions.ts`. How a round goes:
 * `clustering_proposer.ts`, `clustering_acceptor.ts`, `clustering_register.ts`. The caller delivers events in the
 * order in which they happened, and carries out effects in the order given. Source: clustering reference, section 8;
 * docs/cluster.md.
 *
 * @module
 */

import { assert } from "../base/mod.ts";
import type { Random } from "../port/mod.ts";
import { Acceptor } from "./clustering_acceptor.ts";
import {
  decideMember,
  decideOrphan,
  decidePrincipal,
  findDead,
  findFaulty,
  findMergeable,
  isAbandoned,
  isExcluded,
  type PrincipalView,
} from "./clustering_decisions.ts";
import { type ClusteringIntervals, deriveIntervals } from "./clustering_intervals.ts";
import { JoinQueue, JoinRequest } from "./clustering_joins.ts";
import { ClusteringPeers, isOrphanPayload, samePayload, type StaleGuard } from "./clustering_peers.ts";
import { Proposer, type ProposerOutcome } from "./clustering_proposer.ts";
import { type QuantumFault, QuantumSchedule } from "./clustering_quantum.ts";
import { type ClusterMoment, MembershipRegister } from "./clustering_register.ts";
import {
  CLUSTERING_PROTOCOL_VERSION,
  type ClusteringBody,
  type ClusteringEffect,
  type ClusteringEvent,
  type ClusteringMessage,
  type ClusteringPayload,
  type ClusteringSettings,
  type ClusteringStatistic,
  type HeartbeatChange,
  type LearnBody,
  type OrphanReason,
  type ReclusterAnswer,
  TICK_MS,
} from "./clustering_types.ts";
import { hlcPhysicalMs, type HlcTime, type HybridClock } from "./hlc.ts";
import { NO_NODE, type NodeId, nodeIdForLog, sameSuccession } from "./node_id.ts";

/** What a {@linkcode Clustering} needs. */
export interface ClusteringOptions {
  readonly self: NodeId;
  /** Shared with heartbeat and fabric. */
  readonly clock: HybridClock;
  /** For cluster keys. */
  readonly random: Random;
  readonly settings: ClusteringSettings;
  /** Monotonic time of the start. */
  readonly nowMs: number;
}

/** Roles of a node. */
export type ClusteringRole = "orphan" | "principal" | "member";

/** The state, for info commands, the exchange and people. */
export interface ClusteringView {
  readonly role: ClusteringRole;
  /** Below 2^48; 0 of an orphan. */
  readonly clusterKey: number;
  /** Members, largest id first; empty of an orphan. */
  readonly succession: readonly NodeId[];
  readonly principal: NodeId | undefined;
  /** All members have applied this cluster; false of an orphan. */
  readonly isSynced: boolean;
  readonly preferredPrincipal: NodeId;
  /** What waits for the next decision. */
  readonly faults: readonly QuantumFault[];
  /** Monotonic time of the next decision. */
  readonly nextQuantumMs: number;
  /** Orphans that wait to be taken in here. */
  readonly joiners: readonly NodeId[];
  /** Whom this node has asked to be taken in. */
  readonly joinTarget: NodeId | undefined;
}

/** See the head of the file. */
export class Clustering {
  readonly #self: NodeId;
  readonly #clock: HybridClock;
  readonly #random: Random;
  readonly #peers: ClusteringPeers;
  readonly #register: MembershipRegister;
  readonly #schedule: QuantumSchedule;
  readonly #acceptor: Acceptor;
  readonly #proposer: Proposer;
  readonly #request: JoinRequest;
  readonly #queue: JoinQueue;
  #settings: ClusteringSettings;
  #intervals: ClusteringIntervals;
  #nowMs: number;
  #lastTickMs: number;
  #orphanSinceMs: number;
  #movedMs = -Infinity;
  /** The last cluster that was left because its principal is gone; it may be dead. */
  #bereaved: { succession: readonly NodeId[]; clusterKey: number; isDead: boolean } = {
    succession: [],
    clusterKey: 0,
    isDead: false,
  };
  #isDuplicate = false;
  #preferred: NodeId = NO_NODE;
  #payload: ClusteringPayload;
  #effects: ClusteringEffect[] = [];
  /** Messages to itself: the proposer is one of the acceptors. */
  #loopback: ClusteringMessage[] = [];

  constructor(options: ClusteringOptions) {
    this.#self = options.self;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#settings = options.settings;
    this.#intervals = deriveIntervals(options.settings);
    this.#nowMs = this.#lastTickMs = this.#orphanSinceMs = options.nowMs;
    this.#peers = new ClusteringPeers(options.self);
    this.#register = new MembershipRegister(this.#moment());
    this.#schedule = new QuantumSchedule(options.nowMs, options.settings.standalone);
    const send = (to: readonly NodeId[], body: ClusteringBody) => this.#send(to, body);
    this.#acceptor = new Acceptor(send);
    this.#proposer = new Proposer(send);
    this.#request = new JoinRequest(send);
    this.#queue = new JoinQueue(send);
    this.#payload = this.#makePayload();
  }

  /** What pulses carry before the first effect says otherwise. */
  get payload(): ClusteringPayload {
    return this.#payload;
  }

  /** The present state. */
  get view(): ClusteringView {
    const register = this.#register;
    return {
      role: this.#role(),
      clusterKey: register.clusterKey,
      succession: register.succession,
      principal: register.principal,
      isSynced: !register.isOrphan && !register.isSyncing,
      preferredPrincipal: this.#preferred,
      faults: this.#schedule.faults,
      nextQuantumMs: this.#schedule.dueMs(this.#intervals),
      joiners: this.#queue.nodes,
      joinTarget: this.#request.target,
    };
  }

  /** Monotonic time at which the next tick is wanted; ticks in between are harmless. */
  get nextTickMs(): number {
    const regularMs = this.#lastTickMs + TICK_MS;
    const dueMs = this.#schedule.dueMs(this.#intervals);
    return dueMs > this.#lastTickMs ? Math.min(regularMs, dueMs) : regularMs;
  }

  /**
   * Takes one event.
   *
   * @param nowMs monotonic time, not before that of the last step
   * @returns what the caller has to do, in this order
   */
  step(event: ClusteringEvent, nowMs: number): ClusteringEffect[] {
    assert(nowMs >= this.#nowMs, "Monotonic time does not go back");
    this.#nowMs = nowMs;
    this.#effects = [];
    this.#take(event);
    for (let message = this.#loopback.shift(); message !== undefined; message = this.#loopback.shift()) {
      this.#onMessage(this.#self, message);
    }
    const payload = this.#makePayload();
    if (!samePayload(payload, this.#payload)) {
      this.#payload = payload;
      this.#effects.push({ kind: "payload", payload });
    }
    return this.#effects;
  }

  #take(event: ClusteringEvent): void {
    switch (event.kind) {
      case "tick":
        return this.#onTick();
      case "heartbeat":
        return event.changes.forEach((change) => this.#onChange(change));
      case "pulse":
        return this.#onPulse(event.node, event.payload, event.sendTime);
      case "message":
        return this.#onForeignMessage(event.from, event.message);
      case "duplicate-id":
        return this.#onDuplicate(event.duplicate);
      case "confirmed-death":
        return this.#onLost(event.node, this.#deathMs(event.atMs ?? this.#nowMs), true);
      case "recluster":
        return this.#recluster(event.migrationsAllowed);
      case "settings":
        this.#settings = event.settings;
        this.#intervals = deriveIntervals(event.settings);
    }
  }

  // Time.

  #onTick(): void {
    const gapMs = this.#nowMs - this.#lastTickMs;
    this.#lastTickMs = this.#nowMs;
    if (gapMs > this.#intervals.sleepMs) {
      this.#count("sleeps_noticed");
      this.#log("warning", `no turn for ${Math.round(gapMs)} ms: waiting for fresh pulses before deciding`);
      this.#schedule.slept(this.#nowMs);
    }
    this.#checkSynced(this.#register.isSyncing && this.#register.checkPulses(this.#peers));
    this.#checkSize();
    this.#afterRound(this.#proposer.tick(this.#nowMs, this.#intervals, this.#register), "no answer in time");
    this.#acceptor.tick(this.#nowMs, this.#intervals);
    const isQuantum = this.#nowMs >= this.#schedule.dueMs(this.#intervals) && !this.#proposer.isActive;
    if (this.#register.isOrphan) this.#request.tick(this.#nowMs, this.#intervals);
    if (isQuantum) this.#runQuantum();
    else if (this.#register.isOrphan) this.#runOrphan(false);
  }

  #checkSize(): void {
    const { succession, isOrphan, isSyncing } = this.#register;
    if (isOrphan || isSyncing || succession.length >= this.#settings.clusterSizeMin) return;
    this.#becomeOrphan(
      "membership lost",
      `the cluster has fewer than ${this.#settings.clusterSizeMin} nodes`,
    );
  }

  #runQuantum(): void {
    this.#count("quanta");
    const role = this.#role();
    if (role === "principal") return this.#runPrincipal();
    const changed = role === "orphan" ? this.#runOrphan(true) : this.#runMember();
    this.#schedule.finish(this.#nowMs, changed);
  }

  /** Answers whether it tried to form a cluster. */
  #runOrphan(isQuantum: boolean): boolean {
    if (this.#isDuplicate || this.#proposer.isActive || this.#request.target !== undefined) return false;
    const decision = decideOrphan({
      self: this.#self,
      peers: this.#peers,
      joiners: this.#queue.nodes,
      isQuantum,
      isPatient: this.#nowMs - this.#orphanSinceMs < this.#intervals.patienceMs,
      unaware: this.#unaware(),
      clusterSizeMin: this.#settings.clusterSizeMin,
    });
    if (decision.kind === "ask") {
      const node = this.#request.next(decision.nodes, this.#nowMs, this.#intervals);
      if (node !== undefined) this.#ask(node);
    } else if (decision.kind === "form") {
      this.#startRound(decision.succession);
      this.#reject(decision.succession);
      return true;
    }
    return false;
  }

  /**
   * Members of the cluster whose principal is gone that may stand still: they are heard, and show that cluster still. What
   * they alone have would be missing in a cluster without them. They depart in time if they stand still for long. Where
   * the principal may live, for them, only those count that have said nothing since.
   */
  #unaware(): NodeId[] {
    const { succession, clusterKey, isDead } = this.#bereaved;
    const { hears } = this.#peers;
    return succession.filter((node) => {
      const peer = this.#peers.get(node);
      if (peer?.payload?.clusterKey !== clusterKey) return false;
      const isLinked = hears(node, this.#self);
      return isLinked && (isDead || peer.receivedMs <= this.#orphanSinceMs);
    });
  }

  /** Answers whether the node left its cluster. */
  #runMember(): boolean {
    this.#reject();
    const decision = decideMember({
      self: this.#self,
      peers: this.#peers,
      principal: this.#register.principal!,
      guard: this.#guard(),
    });
    this.#preferred = decision.preferred;
    if (decision.leave === undefined) return false;
    this.#becomeOrphan("membership lost", decision.leave);
    return true;
  }

  #runPrincipal(): void {
    const decision = decidePrincipal(this.#principalView());
    if (decision.kind === "postpone") {
      this.#count("quanta_postponed");
      return this.#schedule.postpone(decision.changedMs);
    }
    this.#schedule.finish(this.#nowMs, decision.kind !== "nothing");
    switch (decision.kind) {
      case "orphan":
        this.#becomeOrphan("membership lost", decision.why);
        return;
      case "move":
        this.#move(decision.principal, decision.why);
        return;
      case "round":
        this.#startRound(decision.succession);
        return this.#reject(decision.succession);
      case "nothing":
        return this.#reject();
    }
  }

  // The heartbeat.

  #onChange(change: HeartbeatChange): void {
    const { node, atMs } = change;
    if (change.kind === "departed") return this.#onLost(node, atMs, false);
    const adjacency = new Set(change.adjacency);
    if (change.kind === "adjacency") {
      const peer = this.#peers.get(node);
      if (peer === undefined) return;
      peer.adjacency = adjacency;
      peer.linksChangedMs = this.#nowMs;
      return this.#schedule.note("adjacency changed", atMs);
    }
    const { payload, sendTime = 0n } = change;
    this.#peers.add(node, {
      adjacency,
      linksChangedMs: this.#nowMs,
      payload: undefined,
      sendTime,
      receivedMs: this.#nowMs,
    });
    this.#schedule.note("arrived", atMs);
    if (payload !== undefined) this.#onPulse(node, payload, sendTime);
  }

  #onPulse(node: NodeId, payload: ClusteringPayload, sendTime: HlcTime): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    const isNew = !samePayload(peer.payload, payload);
    peer.payload = payload;
    peer.sendTime = sendTime;
    peer.receivedMs = this.#nowMs;
    const register = this.#register;
    this.#checkSynced(register.isSyncing && register.checkPulses(this.#peers));
    const role = this.#role();
    if (role === "member" && node === register.principal) {
      if (!isExcluded(this.#self, node, this.#peers, this.#guard())) return;
      this.#becomeOrphan("membership lost", "the principal's cluster is without this node");
    } else if (role === "principal" && isNew) this.#noteNews(node, payload);
    if (role === "principal" && isAbandoned(this.#principalView(), register.sequenceNumber)) {
      this.#becomeOrphan("membership lost", "the cluster went on without this node");
    }
  }

  /** A peer tells a principal something new about its cluster. */
  #noteNews(node: NodeId, payload: ClusteringPayload): void {
    if (isOrphanPayload(payload)) {
      if (this.#register.succession.includes(node)) this.#schedule.note("member became orphan", this.#nowMs);
      return;
    }
    if (node > this.#self || !findMergeable(this.#principalView()).includes(node)) return;
    this.#schedule.note("merge candidate seen", this.#nowMs);
  }

  #onLost(node: NodeId, atMs: number, isConfirmed: boolean): void {
    if (!this.#peers.remove(node)) return;
    const { principal, succession, isOrphan } = this.#register;
    const isPrincipal = node === principal;
    if (isOrphan || succession.includes(node)) {
      const silent: QuantumFault = isPrincipal ? "principal departed" : "departed";
      this.#schedule.note(isConfirmed ? "confirmed death" : silent, atMs);
    }
    this.#queue.remove(node);
    this.#request.departed(node);
    this.#afterRound(this.#proposer.departed(node), `${nodeIdForLog(node)} departed`);
    if (!isPrincipal) return;
    this.#bereaved = { succession, clusterKey: this.#register.clusterKey, isDead: isConfirmed };
    this.#becomeOrphan("membership lost", `the principal ${nodeIdForLog(node)} departed`);
  }

  /**
   * A death counts from when the connections were lost: all members have noticed that at the same time. The other members
   * are given a hop from now on all the same, so that they hear of the decision and orphans of a principal can ask.
   */
  #deathMs(lostMs: number): number {
    return Math.max(lostMs, this.#nowMs - this.#intervals.hopMs);
  }

  #onDuplicate(duplicate: boolean): void {
    this.#isDuplicate = duplicate;
    if (!duplicate) return;
    this.#log(
      "warning",
      `another process uses the node id ${nodeIdForLog(this.#self)}: staying out of clusters`,
    );
    this.#reject();
    this.#request.clear();
    this.#afterRound(this.#proposer.fail(), "duplicate node id");
    this.#becomeOrphan("membership lost", "duplicate node id");
  }

  // Messages.

  #onForeignMessage(from: NodeId, message: ClusteringMessage): void {
    if (message.protocolVersion !== CLUSTERING_PROTOCOL_VERSION) {
      this.#count("messages_other_version");
      return;
    }
    const receivedTime = this.#clock.receive(message.timestamp);
    this.#onMessage(from, message, hlcPhysicalMs(receivedTime) - hlcPhysicalMs(message.timestamp));
  }

  #onMessage(from: NodeId, message: ClusteringMessage, delayMs = 0): void {
    const nowMs = this.#nowMs;
    switch (message.kind) {
      case "join-request":
        return this.#onJoinRequest(from, delayMs);
      case "join-reject":
        return this.#request.rejected(from);
      case "merge-move":
        return this.#onMove(from, message.clusterKey, message.principal);
      case "change-applied":
        return this.#checkSynced(this.#register.applied(from, message.clusterKey, message.succession));
      case "prepare":
        return this.#listensTo(from)
          ? this.#acceptor.prepare(from, message.sequenceNumber, nowMs)
          : undefined;
      case "accept":
        return this.#listensTo(from) ? this.#acceptor.accept(from, message.sequenceNumber, nowMs) : undefined;
      case "promise":
        return this.#proposer.promise(from, message.sequenceNumber, nowMs);
      case "accepted":
        return this.#onAccepted(from, message.sequenceNumber);
      case "prepare-nack":
      case "accept-nack": {
        const outcome = this.#proposer.nack(message.kind, message.sequenceNumber);
        return this.#afterRound(outcome, `${nodeIdForLog(from)} refused`);
      }
      case "learn":
        return this.#onLearn(from, message);
    }
  }

  /** An orphan listens to every proposer, a member to its principal alone. */
  #listensTo(proposer: NodeId): boolean {
    return !this.#isDuplicate && (this.#register.isOrphan || proposer === this.#register.principal);
  }

  #onJoinRequest(from: NodeId, delayMs: number): void {
    const isMoving = this.#nowMs - this.#movedMs < this.#intervals.moveRefusalMs;
    const isElsewhere = this.#role() === "member" || this.#request.target !== undefined;
    if (isMoving || isElsewhere || this.#isDuplicate) {
      this.#count("joins_rejected");
      return this.#send([from], { kind: "join-reject" });
    }
    if (this.#queue.nodes.includes(from)) return;
    if (delayMs < 0 || delayMs > this.#intervals.joinStaleMs) return this.#count("joins_stale");
    this.#queue.add(from);
    this.#count("joins_queued");
    this.#log("debug", `${nodeIdForLog(from)} asks to join`);
    this.#schedule.note("join accepted", this.#nowMs);
  }

  #onMove(from: NodeId, clusterKey: number, principal: NodeId): void {
    const register = this.#register;
    if (register.isOrphan || from !== register.principal || clusterKey !== register.clusterKey) return;
    this.#becomeOrphan("attempting merge", `moving to ${nodeIdForLog(principal)}`);
    if (principal !== this.#self && this.#peers.has(principal)) this.#ask(principal);
  }

  #onAccepted(from: NodeId, sequenceNumber: HlcTime): void {
    if (this.#proposer.accepted(from, sequenceNumber) !== "chosen") return;
    this.#count("rounds_chosen");
    this.#proposer.spread(this.#nowMs);
  }

  #onLearn(from: NodeId, body: LearnBody): void {
    const register = this.#register;
    if (body.clusterKey === register.clusterKey) {
      if (sameSuccession(body.succession, register.succession)) return;
      // Keys are random and a round has one value: only a damaged or hostile peer sends this.
      this.#count("learns_conflicting");
      const key = body.clusterKey.toString(16);
      return this.#log("warning", `${nodeIdForLog(from)} gives cluster ${key} other members: ignored`);
    }
    if (!this.#listensTo(from) || !body.succession.includes(this.#self) || body.clusterKey === 0) return;
    if (!this.#acceptor.learn(from, body)) return;
    if (from !== this.#self) this.#afterRound(this.#proposer.fail(), "another round was chosen");
    this.#request.clear();
    this.#preferred = NO_NODE;
    register.learn(body, this.#moment(), (to, applied) => this.#send(to, applied));
    for (const node of body.succession) this.#queue.remove(node);
    if (this.#role() === "member") this.#reject();
    this.#log("info", `applied ${this.#describeCluster()}`);
  }

  // Rounds and membership.

  #startRound(succession: readonly NodeId[]): void {
    const body: LearnBody = {
      kind: "learn",
      sequenceNumber: this.#clock.now(),
      clusterKey: this.#newKey(),
      succession,
    };
    this.#count("rounds_started");
    this.#log("info", `proposing ${succession.map(nodeIdForLog).join(" ")}`);
    this.#proposer.start(body, this.#nowMs);
  }

  /** Turns a failed round's joiners away; they ask again. */
  #afterRound(outcome: ProposerOutcome, why: string): void {
    if (outcome !== "failed") return;
    this.#count("rounds_failed");
    this.#log("info", `the round failed: ${why}`);
    this.#reject();
  }

  #checkSynced(synced: boolean): void {
    if (!synced) return;
    const { clusterKey, succession, sequenceNumber } = this.#register;
    this.#count("clusters_synced");
    this.#log("info", `all members applied ${this.#describeCluster()}`);
    this.#effects.push({ kind: "cluster-changed", clusterKey, succession, sequenceNumber });
  }

  #becomeOrphan(reason: OrphanReason, why: string): void {
    if (this.#register.isOrphan) return;
    this.#register.clear(this.#moment());
    this.#orphanSinceMs = this.#nowMs;
    this.#preferred = NO_NODE;
    this.#count("orphaned");
    this.#log("info", `left the cluster: ${why}`);
    this.#effects.push({ kind: "orphaned", reason });
    this.#afterRound(this.#proposer.fail(), "left the cluster");
  }

  #move(principal: NodeId, why: string): void {
    const { succession, clusterKey } = this.#register;
    this.#movedMs = this.#nowMs;
    this.#count("moves_sent");
    this.#log("info", `moving all members to ${nodeIdForLog(principal)}: ${why}`);
    this.#reject();
    this.#send(succession, { kind: "merge-move", clusterKey, principal });
  }

  #ask(node: NodeId): void {
    this.#reject();
    this.#count("joins_requested");
    this.#log("debug", `asking ${nodeIdForLog(node)} to be taken in`);
    this.#request.ask(node, this.#nowMs);
  }

  #reject(kept: readonly NodeId[] = []): void {
    for (let left = this.#queue.rejectAllBut(kept); left > 0; left--) this.#count("joins_rejected");
  }

  #recluster(migrationsAllowed: boolean): void {
    const answer = this.#reclusterAnswer(migrationsAllowed);
    if (answer === "ok") {
      this.#schedule.markChanged(this.#nowMs);
      this.#startRound(this.#register.succession);
    }
    this.#effects.push({ kind: "recluster-answer", answer });
  }

  #reclusterAnswer(migrationsAllowed: boolean): ReclusterAnswer {
    if (this.#role() !== "principal") return "ignored-by-non-principal";
    const view = this.#principalView();
    const isWhole = findDead(view).length === 0 && findFaulty(view).length === 0;
    const isQuiet = !this.#proposer.isActive && !this.#register.isSyncing && view.joiners.length === 0;
    return isWhole && isQuiet && migrationsAllowed ? "ok" : "busy";
  }

  // Small things.

  #role(): ClusteringRole {
    if (this.#register.isOrphan) return "orphan";
    return this.#register.principal === this.#self ? "principal" : "member";
  }

  #principalView(): PrincipalView {
    return {
      self: this.#self,
      peers: this.#peers,
      succession: this.#register.succession,
      clusterKey: this.#register.clusterKey,
      guard: this.#guard(),
      joiners: this.#queue.nodes,
      settledBeforeMs: this.#schedule.postponable ? this.#nowMs - this.#intervals.hopMs : -Infinity,
      clusterSizeMin: this.#settings.clusterSizeMin,
    };
  }

  #guard(): StaleGuard {
    const { ms, hlc } = this.#register.changed;
    const { staleGuardMs, latencyMaxMs } = this.#intervals;
    return { receivedAfterMs: ms + staleGuardMs, sentAfter: hlc, latencyMaxMs };
  }

  #moment(): ClusterMoment {
    return { ms: this.#nowMs, hlc: this.#clock.now() };
  }

  #makePayload(): ClusteringPayload {
    const { clusterKey, sequenceNumber, succession } = this.#register;
    return {
      protocolVersion: CLUSTERING_PROTOCOL_VERSION,
      clusterKey,
      sequenceNumber,
      preferredPrincipal: this.#preferred,
      succession,
    };
  }

  #newKey(): number {
    for (;;) {
      const key = (this.#random.u32() % 0x1_0000) * 0x1_0000_0000 + this.#random.u32();
      if (key !== 0) return key;
    }
  }

  #send(to: readonly NodeId[], body: ClusteringBody): void {
    const message = {
      ...body,
      protocolVersion: CLUSTERING_PROTOCOL_VERSION,
      timestamp: this.#clock.now(),
    };
    const others = to.filter((node) => node !== this.#self);
    if (others.length > 0) this.#effects.push({ kind: "send", to: others, message });
    if (others.length < to.length) this.#loopback.push(message);
  }

  #describeCluster(): string {
    const { clusterKey, succession } = this.#register;
    return `cluster ${clusterKey.toString(16)}: ${succession.map(nodeIdForLog).join(" ")}`;
  }

  #log(level: "warning" | "info" | "debug", text: string): void {
    this.#effects.push({ kind: "log", level, text });
  }

  #count(statistic: ClusteringStatistic): void {
    this.#effects.push({ kind: "count", statistic });
  }
}
