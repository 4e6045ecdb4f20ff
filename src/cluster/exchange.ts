/**
 * The exchange: after a change of the cluster each member tells all others which copies of partitions it has, and what
 * bears on the balance; then the principal lets all of them commit.
 *
 * | state | event | next | action |
 * | ----- | ----- | ---- | ------ |
 * | any | cluster changed | exchanging | forget the last round, forbid migrations, send own data to all |
 * | any | orphaned | orphaned | forbid migrations |
 * | any in the round | data of a member | same | store, acknowledge; again when the acknowledgement was lost |
 * | exchanging | acknowledged by all, received from all, nothing wrong | ready-to-commit | tell the principal, and the node that others may commit |
 * | exchanging | tick | same | send data again to those that have not acknowledged |
 * | any but orphaned | ready, at the principal | same | remember; when all are ready, commit everywhere |
 * | ready-to-commit | commit of the principal | rest | commit |
 * | ready-to-commit | tick | same | tell the principal again |
 * | rest | ready, at the principal | rest | send commit again to that member |
 * | orphaned | tick, five quantum intervals without a commit | orphaned | block clients |
 *
 * All members have the same data when the principal commits: each is ready only when it has everything, so that each can
 * compute the balance by itself. A commit that is lost is asked for again; a member that never gets it has no map of the
 * new cluster and holds on to the old one, which no other member accepts any more: replicas check the cluster key.
 *
 * Two things differ from the stock server, neither visible to it. A member that learns of the new cluster a moment after
 * the others keeps the data that came too early, instead of waiting until it is sent again. And the time until clients
 * are blocked counts from the loss of the last committed cluster, not from the last of several failed attempts.
 *
 * Source: clustering reference, section 9; docs/cluster.md.
 *
 * @module
 */

import { EXCHANGE_EARLY_COUNT_MAX } from "../base/mod.ts";
import type { ExchangeData, ExchangeMessage, ExchangeSignal } from "../wire/mod.ts";
import { findDataFault, findProblems } from "./exchange_checks.ts";
import { makeExchangeData, readExchangeData } from "./exchange_data.ts";
import {
  EXCHANGE_TICK_MS,
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeMember,
  type ExchangeResult,
  type ExchangeSettings,
  type ExchangeState,
  type ExchangeStatistic,
  type ExchangeView,
} from "./exchange_types.ts";
import { type NodeId, nodeIdForLog } from "./node_id.ts";

/** Quantum intervals without a cluster after which clients are blocked. */
const ORPHAN_QUANTUM_COUNT = 5;

/** Ticks come when they come: what is due before the middle to the next one is sent now. */
const SLACK_MS = EXCHANGE_TICK_MS / 2;

/** Resends become rarer by one base interval after each such time. */
const RESEND_STEP_MS = 1000;
const RESEND_INTERVAL_MAX_MS = 30_000;

/** What {@linkcode Exchange} is made with. */
export interface ExchangeOptions {
  readonly self: NodeId;
  readonly settings: ExchangeSettings;
}

/** One attempt to exchange and commit. */
interface Round {
  readonly clusterKey: number;
  readonly succession: readonly NodeId[];
  readonly data: ExchangeData;
  readonly startedMs: number;
  /** When data, or "ready", was sent last. */
  sentMs: number;
  readonly unacked: Set<NodeId>;
  readonly received: Map<NodeId, ExchangeMember>;
  /** Members that the principal knows to be ready. */
  readonly ready: Set<NodeId>;
  /** Members whose data was refused; that is said once. */
  readonly refused: Set<NodeId>;
  /** What was found wrong when everything was there; undefined before. */
  problems: string[] | undefined;
}

/** The exchange of one node: a step function. */
export class Exchange {
  readonly #self: NodeId;
  #settings: ExchangeSettings;
  #state: ExchangeState = "orphaned";
  #round: Round | undefined;
  /** When the last committed cluster was lost; undefined in one, and when clients are blocked already. */
  #lostMs: number | undefined;
  /** Messages for a cluster that is not known here yet, by sender and kind. */
  readonly #early = new Map<string, { readonly from: NodeId; readonly message: ExchangeMessage }>();
  #effects: ExchangeEffect[] = [];
  #nowMs = 0;

  /** Starts without a cluster and with nothing to block. */
  constructor(options: ExchangeOptions) {
    this.#self = options.self;
    this.#settings = options.settings;
  }

  /** How things stand. */
  get view(): ExchangeView {
    const round = this.#round;
    const members = round?.succession ?? [];
    const isPrincipal = members[0] === this.#self && this.#state !== "rest";
    return {
      state: this.#state,
      clusterKey: round?.clusterKey ?? 0,
      unacked: [...round?.unacked ?? []],
      missing: members.filter((node) => !round!.received.has(node)),
      unready: isPrincipal ? members.filter((node) => !round!.ready.has(node)) : [],
      problems: round?.problems ?? [],
    };
  }

  /**
   * Takes an event.
   *
   * @param nowMs monotonic time
   * @returns what to do, in this order
   */
  step(event: ExchangeEvent, nowMs: number): ExchangeEffect[] {
    this.#effects = [];
    this.#nowMs = nowMs;
    switch (event.kind) {
      case "tick":
        this.#tick();
        break;
      case "cluster-changed":
        this.#begin(event);
        break;
      case "orphaned":
        this.#orphan();
        break;
      case "message":
        this.#receive(event.from, event.message);
        break;
      case "settings":
        this.#settings = event.settings;
        break;
    }
    return this.#effects;
  }

  #begin(event: Extract<ExchangeEvent, { kind: "cluster-changed" }>): void {
    const { clusterKey, succession, own } = event;
    const data = makeExchangeData(clusterKey, own);
    const others = succession.filter((node) => node !== this.#self);
    // A cluster that takes the place of a committed one without a time as orphan counts as its loss, too.
    if (this.#state === "rest") this.#lostMs = this.#nowMs;
    this.#state = "exchanging";
    this.#round = {
      clusterKey,
      succession,
      data,
      startedMs: this.#nowMs,
      sentMs: this.#nowMs,
      unacked: new Set(others),
      received: new Map([[this.#self, readExchangeData(this.#self, data)]]),
      ready: new Set(),
      refused: new Set(),
      problems: undefined,
    };
    this.#count("exchanges_started");
    this.#effects.push({ kind: "forbid-migrations" });
    this.#send(others, data);
    const early = [...this.#early.values()].filter(({ message }) => message.clusterKey === clusterKey);
    this.#early.clear();
    for (const { from, message } of early) this.#receive(from, message);
    this.#advance();
  }

  #orphan(): void {
    if (this.#state === "rest") this.#lostMs = this.#nowMs;
    this.#state = "orphaned";
    this.#round = undefined;
    this.#effects.push({ kind: "forbid-migrations" });
  }

  #tick(): void {
    switch (this.#state) {
      case "exchanging":
        this.#resendData();
        break;
      case "ready-to-commit":
        if (this.#nowMs - this.#round!.sentMs >= EXCHANGE_TICK_MS - SLACK_MS) this.#tellReady();
        break;
      case "orphaned":
        this.#blockWhenLate();
        break;
      case "rest":
        break;
    }
  }

  #resendData(): void {
    const round = this.#round!;
    if (round.unacked.size === 0) return;
    const baseMs = Math.max(EXCHANGE_TICK_MS, this.#settings.heartbeatIntervalMs / 2);
    const steps = 1 + Math.floor((this.#nowMs - round.startedMs) / RESEND_STEP_MS);
    const intervalMs = Math.min(baseMs * steps, RESEND_INTERVAL_MAX_MS);
    if (this.#nowMs - round.sentMs < intervalMs - SLACK_MS) return;
    round.sentMs = this.#nowMs;
    this.#count("exchange_data_resent");
    this.#send([...round.unacked], round.data);
  }

  #blockWhenLate(): void {
    if (this.#lostMs === undefined) return;
    if (this.#nowMs - this.#lostMs < ORPHAN_QUANTUM_COUNT * this.#settings.quantumMs) return;
    const seconds = Math.round((this.#nowMs - this.#lostMs) / 1000);
    this.#lostMs = undefined;
    this.#log("warning", `in no cluster for ${seconds} s: clients are not served until there is one`);
    this.#count("clients_blocked");
    this.#effects.push({ kind: "block-clients" });
  }

  #receive(from: NodeId, message: ExchangeMessage): void {
    const round = this.#round;
    if (round === undefined || message.clusterKey !== round.clusterKey) {
      this.#keepEarly(from, message);
      return;
    }
    if (!round.succession.includes(from) || from === this.#self) {
      this.#count("exchange_messages_refused");
      return;
    }
    switch (message.kind) {
      case "data":
        this.#takeData(from, message);
        break;
      case "ack":
        round.unacked.delete(from);
        this.#advance();
        break;
      case "ready-to-commit":
        this.#takeReady(from);
        break;
      case "commit":
        if (this.#state === "ready-to-commit" && from === round.succession[0]) this.#commit();
        break;
      case "nack":
        break;
    }
  }

  /** Acknowledgements and commits for another cluster are late; data and "ready" may be early. */
  #keepEarly(from: NodeId, message: ExchangeMessage): void {
    this.#count("exchange_messages_other_cluster");
    if (message.kind !== "data" && message.kind !== "ready-to-commit") return;
    const key = `${from} ${message.kind}`;
    if (this.#early.size >= EXCHANGE_EARLY_COUNT_MAX && !this.#early.has(key)) return;
    this.#early.set(key, { from, message });
  }

  #takeData(from: NodeId, data: ExchangeData): void {
    const round = this.#round!;
    const known = round.received.get(from);
    const fault = known === undefined
      ? findDataFault(data)
      : known.incarnation !== data.incarnation
      ? "it comes from another process than before"
      : undefined;
    if (fault !== undefined) {
      this.#count("exchange_messages_refused");
      if (!round.refused.has(from)) {
        this.#log("warning", `data of node ${nodeIdForLog(from)} is refused: ${fault}`);
      }
      round.refused.add(from);
      return;
    }
    if (known === undefined) round.received.set(from, readExchangeData(from, data));
    this.#sendSignal([from], "ack");
    this.#advance();
  }

  /** A member that is ready has our data, whatever became of its acknowledgement. */
  #takeReady(from: NodeId): void {
    const round = this.#round!;
    if (round.succession[0] !== this.#self) return;
    if (this.#state === "rest") {
      this.#sendSignal([from], "commit");
      return;
    }
    round.ready.add(from);
    round.unacked.delete(from);
    this.#advance();
  }

  /** Goes on to the next state when nothing is missing any more. */
  #advance(): void {
    const round = this.#round!;
    if (this.#state === "exchanging") {
      const isComplete = round.unacked.size === 0 && round.received.size === round.succession.length;
      if (!isComplete || round.problems !== undefined) return;
      round.problems = findProblems(this.#members(round));
      if (round.problems.length > 0) {
        this.#refuse(round.problems);
        return;
      }
      this.#state = "ready-to-commit";
      this.#effects.push({ kind: "ready", succession: round.succession });
      round.ready.add(this.#self);
      this.#tellReady();
    }
    const isPrincipal = round.succession[0] === this.#self;
    if (this.#state !== "ready-to-commit" || !isPrincipal || round.ready.size < round.succession.length) {
      return;
    }
    this.#sendSignal(round.succession.filter((node) => node !== this.#self), "commit");
    this.#commit();
  }

  #refuse(problems: readonly string[]): void {
    this.#count("exchanges_refused");
    for (const problem of problems) {
      this.#log("warning", `${problem}. Until then partitions stay as they were before the cluster changed`);
    }
  }

  #tellReady(): void {
    const round = this.#round!;
    round.sentMs = this.#nowMs;
    if (round.succession[0] !== this.#self) this.#sendSignal([round.succession[0]], "ready-to-commit");
  }

  #commit(): void {
    const round = this.#round!;
    this.#state = "rest";
    this.#lostMs = undefined;
    this.#count("exchanges_committed");
    this.#effects.push({ kind: "commit", result: this.#result(round) });
  }

  #members(round: Round): ExchangeMember[] {
    return round.succession.map((node) => round.received.get(node)!);
  }

  #result(round: Round): ExchangeResult {
    const { clusterKey, succession } = round;
    const members = this.#members(round);
    const ids = members.map(({ compatibilityId }) => compatibilityId);
    return {
      clusterKey,
      succession,
      principal: succession[0],
      members,
      compatibilityIdMin: Math.min(...ids),
      compatibilityIdMax: Math.max(...ids),
      capabilities: members.reduce((word, member) => word & (member.capabilities ?? 0), ~0),
      allOurs: members.every(({ capabilities }) => capabilities !== undefined),
    };
  }

  #sendSignal(to: readonly NodeId[], kind: ExchangeSignal["kind"]): void {
    this.#send(to, { type: "exchange", kind, clusterKey: this.#round!.clusterKey });
  }

  #send(to: readonly NodeId[], message: ExchangeMessage): void {
    if (to.length > 0) this.#effects.push({ kind: "send", to, message });
  }

  #log(level: "warning" | "info" | "debug", text: string): void {
    this.#effects.push({ kind: "log", level, text });
  }

  #count(statistic: ExchangeStatistic): void {
    this.#effects.push({ kind: "count", statistic });
  }
}
