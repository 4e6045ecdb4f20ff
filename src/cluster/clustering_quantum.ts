/**
 * When the next decision about the membership is due. Each kind of fault asks for a wait of its own, so that what
 * belongs together (several arrivals, a death and the adjacency changes that it causes) is decided once.
 *
 * | fault | earliest decision |
 * | ----- | ----------------- |
 * | arrived | half the spread of arrivals + 2 hops + Q/2 after the first, at most Q |
 * | departed | N + 2 hops + Q/4 after the (backdated) departure, at most Q |
 * | principal departed | N + 2 hops + the larger of Q/4 and the wait for joins, at most Q |
 * | adjacency changed | a hop, at most Q |
 * | join accepted | the spread of joins + tick + hop after the first, at most Q |
 * | merge candidate seen | Q |
 * | member became orphan | Q |
 * | confirmed death | 2 hops after the connections were lost, a hop after the confirmation at least |
 * | slept | 2 hops |
 *
 * A hop is the heartbeat interval plus the latency, N the node timeout, Q the quantum interval. The latest of all
 * waits counts, but a confirmed death is acted upon when its own is over, so that a process that restarts at once does
 * not leave its partitions unserved until its join is due. At least Q/2 pass after a decision that changed something, and
 * at most 3 Q after the last one.
 * Without a fault, the next decision is Q after the last. The stock server spaces faults from every decision; here
 * one that changed nothing does not delay the next. Source: clustering reference, section 8.9.
 *
 * @module
 */

import {
  type ClusteringIntervals,
  QUANTUM_DELAY_COUNT_MAX,
  QUANTUM_POSTPONED_COUNT_MAX,
} from "./clustering_intervals.ts";

/** Reasons to decide. */
export type QuantumFault =
  | "arrived"
  | "departed"
  | "principal departed"
  | "adjacency changed"
  | "join accepted"
  | "merge candidate seen"
  | "member became orphan"
  | "confirmed death"
  | "slept";

/** First and last time of a fault since the last decision. */
interface FaultSpan {
  firstMs: number;
  lastMs: number;
}

/**
 * How long after its first occurrence a fault is acted upon.
 *
 * @param spreadMs time between the first and the last occurrence
 */
export function faultWaitMs(fault: QuantumFault, intervals: ClusteringIntervals, spreadMs: number): number {
  const { quantumMs, hopMs, nodeTimeoutMs, joinAcceptedMs } = intervals;
  const atMostQuantum = (waitMs: number) => Math.min(quantumMs, waitMs);
  switch (fault) {
    case "arrived":
      return atMostQuantum(spreadMs / 2 + 2 * hopMs + quantumMs / 2);
    case "departed":
      return atMostQuantum(nodeTimeoutMs + 2 * hopMs + quantumMs / 4);
    case "principal departed":
      return atMostQuantum(nodeTimeoutMs + 2 * hopMs + Math.max(quantumMs / 4, joinAcceptedMs));
    case "adjacency changed":
      return atMostQuantum(hopMs);
    case "join accepted":
      return atMostQuantum(spreadMs + joinAcceptedMs);
    case "merge candidate seen":
    case "member became orphan":
      return quantumMs;
    case "confirmed death":
    case "slept":
      return 2 * hopMs;
  }
}

/** Faults since the last decision, and the time of the next. */
export class QuantumSchedule {
  #faults = new Map<QuantumFault, FaultSpan>();
  #lastMs: number;
  #changedMs = -Infinity;
  #postponedCount = 0;
  #first: boolean;

  /**
   * @param nowMs monotonic time of the start
   * @param atOnce the first decision is due at once
   */
  constructor(nowMs: number, atOnce: boolean) {
    this.#lastMs = nowMs;
    this.#first = atOnce;
  }

  /** Faults that wait, for people. */
  get faults(): QuantumFault[] {
    return [...this.#faults.keys()];
  }

  /** Notes a fault. `atMs` may lie in the past. */
  note(fault: QuantumFault, atMs: number): void {
    const span = this.#faults.get(fault);
    if (span === undefined) this.#faults.set(fault, { firstMs: atMs, lastMs: atMs });
    else {
      span.firstMs = Math.min(span.firstMs, atMs);
      span.lastMs = Math.max(span.lastMs, atMs);
    }
  }

  /** Monotonic time of the next decision, as things stand. */
  dueMs(intervals: ClusteringIntervals): number {
    if (this.#first) return this.#lastMs;
    const { quantumMs } = intervals;
    if (this.#faults.size === 0) return this.#lastMs + quantumMs;
    let dueMs = this.#changedMs + quantumMs / 2;
    for (const [fault, { firstMs, lastMs }] of this.#faults) {
      dueMs = Math.max(dueMs, firstMs + faultWaitMs(fault, intervals, lastMs - firstMs));
    }
    return Math.min(dueMs, this.#lastMs + QUANTUM_DELAY_COUNT_MAX * quantumMs, this.#deathDueMs(intervals));
  }

  /** What a dead node served is served by nobody: nothing that comes after the death delays the decision. */
  #deathDueMs(intervals: ClusteringIntervals): number {
    const death = this.#faults.get("confirmed death");
    if (death === undefined) return Infinity;
    const waitMs = faultWaitMs("confirmed death", intervals, death.lastMs - death.firstMs);
    return Math.max(death.firstMs + waitMs, this.#changedMs + intervals.quantumMs / 2);
  }

  /** Whether a decision that is due may be postponed. */
  get postponable(): boolean {
    return !this.#first && this.#postponedCount < QUANTUM_POSTPONED_COUNT_MAX;
  }

  /** The process slept: what it knows is old, so the next decision waits for fresh pulses. */
  slept(nowMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, nowMs);
    this.note("slept", nowMs);
  }

  /** The decision was postponed until a fault that began at `faultMs` is seen by all. */
  postpone(faultMs: number): void {
    this.#postponedCount++;
    const span = this.#faults.get("adjacency changed");
    if (span !== undefined) span.firstMs = span.lastMs = faultMs;
    else this.note("adjacency changed", faultMs);
  }

  /** The membership is being changed outside a decision. */
  markChanged(nowMs: number): void {
    this.#changedMs = nowMs;
  }

  /** The decision was taken. `changed` says whether it tried to change the membership. */
  finish(nowMs: number, changed: boolean): void {
    this.#first = false;
    this.#faults.clear();
    this.#postponedCount = 0;
    this.#lastMs = nowMs;
    if (changed) this.#changedMs = nowMs;
  }
}
