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
import { MulticastTransport } from "./multicast_transport.ts";
import { MeshTransport, type MeshTransportStatistics } from "./mesh_transport.ts";

/** Multicast groups. */
export interface HeartbeatGroups {
  /** Numeric addresses, all IPv4 or all IPv6. */
  readonly groups: readonly string[];
  /** Routers that a datagram may pass; 0 is the system's default. */
  readonly ttl: number;
}

/** What a {@linkcode HeartbeatRunner} is made of. */
export interface HeartbeatRunnerOptions {
  readonly ports: Pick<Ports, "clock" | "network" | "compute" | "host" | "log">;
  readonly heartbeat: Heartbeat;
  /** Where pulses go when the heartbeat's mode is multicast; absent with mesh. */
  readonly multicast?: HeartbeatGroups;
  /**
   * Takes the effects that are for clustering, fabric and people. May call {@linkcode HeartbeatRunner.step}: the event
   * is taken once all effects of the present one are done.
   */
  readonly onEffect: (effect: HeartbeatEffect) => void;
}

/** See the head of the file. */
export class HeartbeatRunner {
  readonly #options: HeartbeatRunnerOptions;
  readonly #transport: MeshTransport | MulticastTransport;
  readonly #events: HeartbeatEvent[] = [];
  #isStepping = false;
  #isStopped = false;
  #timer: Timer | undefined;
  #timerMs = Infinity;

  constructor(options: HeartbeatRunnerOptions) {
    this.#options = options;
    const { ports, multicast } = options;
    const common = {
      ports,
      onEvent: (event: HeartbeatEvent) => this.step(event),
      compressionThresholdBytes: () => options.heartbeat.times.compressionThresholdBytes,
    };
    this.#transport = multicast === undefined
      ? new MeshTransport(common)
      : new MulticastTransport({ ...common, ...multicast });
  }

  /**
   * Listens and begins to send; see {@linkcode MeshTransport.listen} and {@linkcode MulticastTransport.listen}.
   *
   * @returns addresses that are listened on; none with multicast
   */
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
    return { connections: 0, replaced: 0, partialBytes: 0, ...this.#transport.statistics };
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
