/**
 * Runs a heartbeat on the clock and the sockets of a process: ticks when it is due, takes its effects to the transport and
 * the rest to whoever listens.
 *
 * @module
 */

import { TIMER_DELAY_MAX_MS } from "../base/mod.ts";
import type { Address, Ports, Timer } from "../port/mod.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { HeartbeatEffect, HeartbeatEvent } from "./heartbeat_types.ts";
import { MeshTransport, type MeshTransportStatistics } from "./mesh_transport.ts";

/** What a {@linkcode HeartbeatRunner} is made of. */
export interface HeartbeatRunnerOptions {
  readonly ports: Pick<Ports, "clock" | "network" | "compute" | "host" | "log">;
  readonly heartbeat: Heartbeat;
  /**
   * Takes the effects that are for clustering, fabric and people. May call {@linkcode HeartbeatRunner.step}: the event
   * is taken once all effects of the present one are done.
   */
  readonly onEffect: (effect: HeartbeatEffect) => void;
}

/** See the head of the file. */
export class HeartbeatRunner {
  readonly #options: HeartbeatRunnerOptions;
  readonly #transport: MeshTransport;
  readonly #events: HeartbeatEvent[] = [];
  #isStepping = false;
  #isStopped = false;
  #timer: Timer | undefined;
  #timerMs = Infinity;

  constructor(options: HeartbeatRunnerOptions) {
    this.#options = options;
    this.#transport = new MeshTransport({
      ports: options.ports,
      onEvent: (event) => this.step(event),
      compressionThresholdBytes: () => options.heartbeat.times.compressionThresholdBytes,
    });
  }

  /** Listens and begins to send; see {@linkcode MeshTransport.listen}. */
  async start(at: { readonly hosts: readonly string[]; readonly port: number }): Promise<Address[]> {
    const addresses = await this.#transport.listen(at);
    this.step({ kind: "tick" });
    return addresses;
  }

  /** Ends it; peers notice after the node timeout, or at once when they redial. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#transport.stop();
  }

  /** Counters of the sockets. */
  get transport(): MeshTransportStatistics {
    return this.#transport.statistics;
  }

  /** Takes an event to the heartbeat and does what follows. */
  step(event: HeartbeatEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#run(next);
    } finally {
      this.#isStepping = false;
    }
    this.#schedule();
  }

  #run(event: HeartbeatEvent): void {
    if (this.#isStopped) return;
    const { ports, heartbeat, onEffect } = this.#options;
    const now = { monotonicMs: ports.clock.monotonicMs(), wallMs: ports.clock.wallMs() };
    for (const effect of heartbeat.step(event, now)) {
      if (this.#transport.execute(effect)) continue;
      if (effect.kind === "log") ports.log.write(effect.level, "hb", effect.text);
      else onEffect(effect);
    }
  }

  /** A timer that is too early only ticks once more; so most events leave it alone. */
  #schedule(): void {
    const dueMs = this.#options.heartbeat.dueMs;
    if (this.#isStopped || dueMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const waitMs = Math.max(0, dueMs - this.#options.ports.clock.monotonicMs());
    this.#timer = this.#options.ports.clock.after(Math.min(waitMs, TIMER_DELAY_MAX_MS), () => {
      this.#timerMs = Infinity;
      this.step({ kind: "tick" });
    });
  }
}
