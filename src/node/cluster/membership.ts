/**
 * Clustering and exchange of one node on its clock: events are taken one after the other, whoever brings them from inside
 * another event's effects waits. What has to happen elsewhere is the host's.
 *
 * A change of the cluster, in order: the cluster changed or was lost (`onPause`) → the host tells what the node has
 * (`own`) → exchange → `onReady` → `onCommit`, or after a long time without a cluster `onBlocked`.
 *
 * @module
 */

import {
  Clustering,
  type ClusteringEffect,
  type ClusteringEvent,
  type ClusteringMessage,
  type ClusteringPayload,
  type ClusteringStatistic,
  type ClusteringView,
  Exchange,
  EXCHANGE_TICK_MS,
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeOwn,
  type ExchangeResult,
  type ExchangeStatistic,
  type ExchangeView,
  type HybridClock,
  type NodeId,
  type ReclusterAnswer,
  TICK_MS,
} from "../../cluster/mod.ts";
import type { Settings } from "../../config/mod.ts";
import type { Ports, Timer } from "../../port/mod.ts";
import type { ExchangeMessage } from "../../wire/mod.ts";
import { clusteringSettings, exchangeSettings } from "./cluster_settings.ts";

/** What a {@linkcode Membership} needs from its node. */
export interface MembershipHost {
  /** Sends to other nodes, on the control channel. */
  send(to: readonly NodeId[], message: ClusteringMessage | ExchangeMessage): void;
  /** Pulses carry this from now on; one is sent at once. */
  setPayload(payload: ClusteringPayload): void;
  /** The cluster changed or was lost: migrations stop, and versions stay as they are until the next commit. */
  onPause(): void;
  /** What this node tells in an exchange. */
  own(): ExchangeOwn;
  /** Others may commit the cluster of these members from now on, before this node hears of it. */
  onReady(succession: readonly NodeId[]): void;
  /** All members know the same: balance. */
  onCommit(result: ExchangeResult): void;
  /** The node is in no cluster. */
  onOrphaned(): void;
  /** In no cluster for too long: nobody is served. */
  onBlocked(): void;
  /** The clock's turn comes, at the monotonic time. */
  onTurn(nowMs: number): void;
}

/** What a {@linkcode Membership} is made of. */
export interface MembershipOptions {
  readonly self: NodeId;
  readonly settings: Settings;
  readonly ports: Pick<Ports, "clock" | "random" | "log">;
  /** Shared with heartbeat and fabric. */
  readonly hybridClock: HybridClock;
  readonly host: MembershipHost;
}

type MembershipEvent = { readonly clustering: ClusteringEvent } | { readonly exchange: ExchangeEvent };

/** See the head of the file. */
export class Membership {
  readonly #options: MembershipOptions;
  #clustering: Clustering;
  readonly #exchange: Exchange;
  readonly #events: MembershipEvent[] = [];
  readonly #counts = new Map<ClusteringStatistic | ExchangeStatistic, number>();
  #canMeet = false;
  #isRunning = false;
  #isStopped = false;
  #timer: Timer | undefined;
  #answer: ReclusterAnswer = "busy";

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#clustering = this.#makeClustering();
    const { self, settings } = options;
    this.#exchange = new Exchange({ self, settings: exchangeSettings(settings) });
  }

  #makeClustering(): Clustering {
    const { self, settings, ports, hybridClock } = this.#options;
    return new Clustering({
      self,
      clock: hybridClock,
      random: ports.random,
      settings: clusteringSettings(settings, this.#canMeet),
      nowMs: ports.clock.monotonicMs(),
    });
  }

  /** What pulses carry at first. */
  get payload(): ClusteringPayload {
    return this.#clustering.payload;
  }

  /** State of the clustering. */
  get clustering(): ClusteringView {
    return this.#clustering.view;
  }

  /** State of the exchange. */
  get exchange(): ExchangeView {
    return this.#exchange.view;
  }

  /** Things that were counted. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /**
   * Gets ready, before the first heartbeat.
   *
   * @param canMeet whether the node has a heartbeat and a fabric
   */
  prepare(canMeet: boolean): void {
    this.#canMeet = canMeet;
    this.#clustering = this.#makeClustering();
  }

  /** Begins to decide. A node that can't meet others is a cluster of its own when this returns. */
  start(): void {
    this.#tick();
    this.#schedule();
  }

  /** Stops; no call to the host follows. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Takes an event; at once, or after those that are being taken. */
  take(event: MembershipEvent): void {
    this.#events.push(event);
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#run(next);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Looks at the settings again. */
  settingsChanged(): void {
    const { settings } = this.#options;
    this.take({ clustering: { kind: "settings", settings: clusteringSettings(settings, this.#canMeet) } });
    this.take({ exchange: { kind: "settings", settings: exchangeSettings(settings) } });
  }

  /** Forms the cluster anew; the answer of the principal's command. */
  recluster(migrationsAllowed: boolean): ReclusterAnswer {
    this.#answer = "busy";
    this.take({ clustering: { kind: "recluster", migrationsAllowed } });
    if (!this.#canMeet) this.#tick();
    return this.#answer;
  }

  #tick(): void {
    this.take({ clustering: { kind: "tick" } });
    this.take({ exchange: { kind: "tick" } });
  }

  /** A node that nobody can meet has nothing to wait for. */
  #schedule(): void {
    if (!this.#canMeet || this.#isStopped) return;
    const { clock } = this.#options.ports;
    const waitMs = Math.min(this.#clustering.nextTickMs - clock.monotonicMs(), TICK_MS, EXCHANGE_TICK_MS);
    this.#timer = clock.after(Math.max(0, waitMs), () => {
      this.#options.host.onTurn(clock.monotonicMs());
      this.#tick();
      this.#schedule();
    });
  }

  #run(event: MembershipEvent): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    if ("clustering" in event) {
      for (const effect of this.#clustering.step(event.clustering, nowMs)) this.#perform(effect);
    } else this.#stepExchange(event.exchange);
  }

  #stepExchange(event: ExchangeEvent): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    for (const effect of this.#exchange.step(event, nowMs)) this.#performExchange(effect);
  }

  #perform(effect: ClusteringEffect): void {
    const { host } = this.#options;
    switch (effect.kind) {
      case "send":
        return host.send(effect.to, effect.message);
      case "payload":
        return host.setPayload(effect.payload);
      case "cluster-changed": {
        const { clusterKey, succession } = effect;
        host.onPause();
        return this.#stepExchange({ kind: "cluster-changed", clusterKey, succession, own: host.own() });
      }
      case "orphaned":
        host.onPause();
        this.#stepExchange({ kind: "orphaned" });
        return host.onOrphaned();
      case "recluster-answer":
        this.#answer = effect.answer;
        return;
      case "log":
        return this.#options.ports.log.write(effect.level, "clustering", effect.text);
      case "count":
        return this.#count(effect.statistic);
    }
  }

  #performExchange(effect: ExchangeEffect): void {
    const { host } = this.#options;
    switch (effect.kind) {
      case "forbid-migrations":
        // The pause before the exchange has done that.
        return;
      case "send":
        return host.send(effect.to, effect.message);
      case "ready":
        return host.onReady(effect.succession);
      case "commit":
        return host.onCommit(effect.result);
      case "block-clients":
        return host.onBlocked();
      case "log":
        return this.#options.ports.log.write(effect.level, "exchange", effect.text);
      case "count":
        return this.#count(effect.statistic);
    }
  }

  #count(statistic: ClusteringStatistic | ExchangeStatistic): void {
    this.#counts.set(statistic, (this.#counts.get(statistic) ?? 0) + 1);
  }
}
