/**
 * A node that slept: its process was stopped, its machine was suspended, or its event loop stood still.
 *
 * | state | event | next |
 * | ----- | ----- | ---- |
 * | awake | a gap of more than two intervals between two steps | draining |
 * | draining | all that had arrived is read, or an interval has passed | awake; the others get two intervals more |
 * | lowered | a gap of more than the node timeout | raised |
 * | raised | a majority of the present cluster says, after the wake, that it is in the same cluster | lowered |
 *
 * While draining nobody expires: the pulses of those who are well wait in the sockets. While the fence is raised the node
 * answers no client, because the others may have gone on without it. A pulse counts when it was sent after the wake by
 * the hybrid clock, which a peer's clock passes at the latest when it receives this node's first pulse after the wake.
 * A cluster that this node joins, or forms, after the wake counts as well, as soon as a majority of it says the same:
 * all of its members have then agreed to it. A cluster of one needs nobody, so a lone node is never fenced.
 *
 * @module
 */

import type { ClusteringPayload } from "./clustering_types.ts";
import type { HeartbeatTimes } from "./heartbeat_timing.ts";
import { HLC_ZERO, type HlcTime } from "./hlc.ts";
import type { NodeId } from "./node_id.ts";

/** Watches for gaps between the steps of one node. */
export class SleepWatch {
  readonly #self: NodeId;
  #lastMs: number;
  #drainUntilMs = -Infinity;
  #isDraining = false;
  #hasDrained = false;
  #isRaised = false;
  #sleptMs = 0;
  #wokeTime: HlcTime = HLC_ZERO;
  readonly #confirmed = new Set<NodeId>();
  #clusterKey = 0;

  constructor(self: NodeId, nowMs: number) {
    this.#self = self;
    this.#lastMs = nowMs;
  }

  /** Whether expiries have to wait. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Whether the node must not answer clients. */
  get isRaised(): boolean {
    return this.#isRaised;
  }

  /** Length of the sleep that raised the fence. */
  get sleptMs(): number {
    return this.#sleptMs;
  }

  /**
   * A step begins.
   *
   * @returns the gap since the last one when it is a sleep, else 0
   */
  begin(nowMs: number, times: HeartbeatTimes): number {
    const gapMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (gapMs > times.sleepMs) {
      this.#isDraining = true;
      this.#drainUntilMs = nowMs + times.pulseIntervalMs;
      return gapMs;
    }
    if (nowMs >= this.#drainUntilMs) this.drained();
    return 0;
  }

  /** All that had arrived before the wake is read. */
  drained(): void {
    this.#hasDrained ||= this.#isDraining;
    this.#isDraining = false;
  }

  /** Whether draining ended since this was last asked. */
  hasDrained(): boolean {
    const had = this.#hasDrained;
    this.#hasDrained = false;
    return had;
  }

  /**
   * The sleep was longer than the node timeout.
   *
   * @param wokeTime hybrid time of the wake
   */
  raise(sleptMs: number, wokeTime: HlcTime): void {
    this.#isRaised = true;
    this.#sleptMs = sleptMs;
    this.restart(wokeTime);
  }

  /** What was heard so far does not count: it may have been sent before the wake. */
  restart(wokeTime: HlcTime): void {
    this.#wokeTime = wokeTime;
    this.#confirmed.clear();
  }

  /** A member's pulse. */
  heard(node: NodeId, sendTime: HlcTime, clusterKey: number): void {
    if (!this.#isRaised) return;
    this.#confirmed.delete(node);
    if (sendTime > this.#wokeTime && clusterKey === this.#clusterKey) this.#confirmed.add(node);
  }

  /**
   * Lowers the fence if it may be.
   *
   * @param own what this node's pulses say
   * @returns whether it was lowered just now
   */
  lower(own: ClusteringPayload): boolean {
    if (own.clusterKey !== this.#clusterKey) {
      this.#clusterKey = own.clusterKey;
      this.#confirmed.clear();
    }
    if (!this.#isRaised || this.#isDraining || own.clusterKey === 0) return false;
    const agreeing = own.succession.filter((node) => node === this.#self || this.#confirmed.has(node)).length;
    if (agreeing < Math.floor(own.succession.length / 2) + 1) return false;
    this.#isRaised = false;
    return true;
  }
}
