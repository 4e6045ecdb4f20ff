/**
 * How far the clocks of the cluster are apart, and what follows from it.
 *
 * A node whose clock is behind the fastest has a hybrid clock that runs ahead of its wall clock. Each pulse shows both,
 * so the lag is known without a round trip: delta = hybrid physical part - wall clock, at the moment of sending. A
 * node's delta is the largest of its last pulses; the skew is the largest minus the smallest delta of the members.
 * Source: clustering reference, sections 7.2 and 7.3.
 *
 * @module
 */

import type { HeartbeatTimes } from "./heartbeat_timing.ts";
import type { NodeId } from "./node_id.ts";

/** Samples kept per node, at most. */
export const SKEW_SAMPLE_COUNT_MAX = 100;

const BAD_SAMPLE_COUNT_MAX = 5;
const RECOMPUTE_MS_MAX = 2000;
const OUTLIER_DEVIATION_COUNT = 2;

/** One pulse as the monitor sees it. */
export interface SkewSample {
  /** Physical part of the hybrid clock when it was sent, ms since 1970. */
  readonly hybridMs: number;
  /** Wall clock when it was sent, ms since 1970. */
  readonly physicalMs: number;
  /** Physical part of this node's hybrid clock before it took over the sender's. */
  readonly ownHybridMs: number;
}

/** The result of a calculation. */
export interface Skew {
  /** 0 of an orphan or a single node. */
  readonly skewMs: number;
  /** Nodes whose clock is far from the others'; empty while the skew is below a quantum interval. */
  readonly outliers: readonly NodeId[];
}

/** What bounds windows and says when to calculate. */
export interface SkewTimes {
  readonly times: HeartbeatTimes;
  /** `heartbeat.timeout`: samples of a node's window. */
  readonly windowCount: number;
  readonly quantumMs: number;
}

interface Window {
  readonly deltas: number[];
  /** Consecutive samples that were replaced. */
  badCount: number;
}

/** Deltas of this node and of those that it hears. */
export class SkewMonitor {
  readonly #self: NodeId;
  readonly #windows = new Map<NodeId, Window>();
  #calculatedMs = -Infinity;
  #skew: Skew = { skewMs: 0, outliers: [] };

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** Result of the last calculation. */
  get skew(): Skew {
    return this.#skew;
  }

  /** Takes a pulse, a received one or the own. */
  sample(node: NodeId, sample: SkewSample, by: SkewTimes): void {
    const window = this.#windows.get(node) ?? { deltas: [], badCount: 0 };
    this.#windows.set(node, window);
    let deltaMs = sample.hybridMs - sample.physicalMs;
    const isFar = Math.abs(sample.hybridMs - sample.ownHybridMs) > by.times.nodeTimeoutMs;
    // A node that has just joined has not taken over the others' hybrid time: its delta says nothing for some pulses.
    if (node !== this.#self && isFar && window.badCount < badSampleCountMax(by.windowCount)) {
      window.badCount++;
      deltaMs = this.#deltaMs(this.#self);
    } else if (!isFar) window.badCount = 0;
    window.deltas.push(deltaMs);
    const countMax = Math.min(by.windowCount, SKEW_SAMPLE_COUNT_MAX);
    if (window.deltas.length > countMax) window.deltas.splice(0, window.deltas.length - countMax);
  }

  /** A node is no longer heard. */
  remove(node: NodeId): void {
    this.#windows.delete(node);
  }

  /** Forgets all. */
  clear(): void {
    this.#windows.clear();
  }

  /** Whether enough time has passed for another calculation. */
  isDue(nowMs: number, quantumMs: number): boolean {
    return nowMs - this.#calculatedMs >= Math.min(RECOMPUTE_MS_MAX, quantumMs / 2);
  }

  /**
   * Calculates the skew; at each exchange commit, and when it is due.
   *
   * @param members of the cluster, this node among them; empty of an orphan
   */
  calculate(members: readonly NodeId[], now: { readonly nowMs: number; readonly quantumMs: number }): Skew {
    this.#calculatedMs = now.nowMs;
    const known = members.filter((node) => this.#windows.has(node));
    const deltas = known.map((node) => this.#deltaMs(node));
    const skewMs = known.length < 2 ? 0 : Math.max(...deltas) - Math.min(...deltas);
    const outliers = skewMs >= now.quantumMs ? known.filter((_, at) => isOutlier(deltas[at]!, deltas)) : [];
    this.#skew = { skewMs, outliers };
    return this.#skew;
  }

  #deltaMs(node: NodeId): number {
    return Math.max(...this.#windows.get(node)?.deltas ?? [0]);
  }
}

function badSampleCountMax(windowCount: number): number {
  return Math.min(BAD_SAMPLE_COUNT_MAX, Math.max(3, Math.floor(windowCount / 2)));
}

function isOutlier(delta: number, all: readonly number[]): boolean {
  const middle = median(all);
  const deviation = median(all.map((one) => Math.abs(one - middle)));
  return Math.abs(delta - middle) > OUTLIER_DEVIATION_COUNT * deviation;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[at]! : (sorted[at - 1]! + sorted[at]!) / 2;
}

/** What a namespace makes of the skew. */
export type SkewConsequence = "none" | "warn" | "stop-writes";

/** Limits of one namespace, in ms; infinite where the skew does not matter. */
export interface SkewLimits {
  readonly warnMs: number;
  readonly stopMs: number;
}

const AP_WARN_MS = 30_000;
const AP_STOP_MS = 40_000;
/** With default settings; eleven quantum intervals. */
const SC_STOP_MS = 20_000;
const SC_WARN_SHARE = 0.75;
const QUANTUM_MS_DEFAULT = 1810;

/**
 * When a namespace warns and stops.
 *
 * An AP namespace cares only when it expires records. The limit of a strongly consistent one grows with the quantum
 * interval: regimes are compared under the assumption that clocks are less than fifteen quantum intervals apart (27 s with
 * default settings), and a quarter of that is kept in reserve.
 */
export function skewLimits(
  namespace: { readonly strongConsistency: boolean; readonly nsupPeriodS: number },
  quantumMs: number,
): SkewLimits {
  if (namespace.strongConsistency) {
    const stopMs = Math.round(SC_STOP_MS * quantumMs / QUANTUM_MS_DEFAULT);
    return { warnMs: stopMs * SC_WARN_SHARE, stopMs };
  }
  if (namespace.nsupPeriodS === 0) return { warnMs: Infinity, stopMs: Infinity };
  return { warnMs: AP_WARN_MS, stopMs: AP_STOP_MS };
}

/** What follows from a skew. */
export function skewConsequence(skewMs: number, limits: SkewLimits): SkewConsequence {
  if (skewMs > limits.stopMs) return "stop-writes";
  return skewMs > limits.warnMs ? "warn" : "none";
}
