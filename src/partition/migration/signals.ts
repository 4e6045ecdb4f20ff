/**
 * Signals of a final master to those who had or have a copy of a partition: all its migrations have ended, whoever is no
 * replica may drop its copy. Repeated each second until they are answered. Source: clustering reference, section 12.2.
 *
 * @module
 */

import type { NodeId } from "../../cluster/mod.ts";
import { FABRIC_CHANNEL } from "../../wire/mod.ts";
import { CONTROL_RESEND_MS } from "./emigration.ts";
import type { MigrationNamespace, MigrationStatistics, MigratorOptions } from "./types.ts";

interface Signal {
  readonly id: number;
  readonly namespace: MigrationNamespace;
  readonly statistics: MigrationStatistics;
  readonly partition: number;
  readonly to: NodeId;
  sentMs: number;
}

/** Signals that were not answered. */
export class Signals {
  readonly #options: MigratorOptions;
  readonly #byId = new Map<number, Signal>();
  #clusterKey = 0;

  /** @param options of the node */
  constructor(options: MigratorOptions) {
    this.#options = options;
  }

  /** Whether any waits for its answer. */
  get isEmpty(): boolean {
    return this.#byId.size === 0;
  }

  /** Forgets all of the last cluster. */
  begin(clusterKey: number): void {
    this.#byId.clear();
    this.#clusterKey = clusterKey;
  }

  /** Tells a node that all migrations of a partition have ended. */
  send(signal: Omit<Signal, "sentMs">): void {
    const sent = { ...signal, sentMs: 0 };
    this.#byId.set(signal.id, sent);
    signal.statistics.signalsActive++;
    this.#send(sent);
  }

  #send(signal: Signal): void {
    signal.sentMs = this.#options.ports.clock.monotonicMs();
    this.#options.fabric.send({ node: signal.to, channel: FABRIC_CHANNEL.CTRL }, {
      type: "migrate",
      kind: "all-done",
      emigrationId: signal.id,
      namespace: signal.namespace.settings.name,
      partition: signal.partition,
      clusterKey: this.#clusterKey,
    });
  }

  /** A signal was answered. */
  onAck(from: NodeId, id: number): void {
    const signal = this.#byId.get(id);
    if (signal?.to !== from) return;
    this.#byId.delete(id);
    signal.statistics.signalsActive--;
    signal.statistics.signalsRemaining--;
  }

  /** Time passed. */
  tick(nowMs: number): void {
    for (const signal of this.#byId.values()) {
      if (nowMs - signal.sentMs >= CONTROL_RESEND_MS) this.#send(signal);
    }
  }
}
