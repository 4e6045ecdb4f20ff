/**
 * The times of the clustering, derived from the settings. Source: clustering reference, sections 8.3 and 8.9.
 *
 * @module
 */

import { type ClusteringSettings, TICK_MS } from "./clustering_types.ts";

/** All derived times, in milliseconds. */
export interface ClusteringIntervals {
  /** Spacing between decisions to change the membership. */
  readonly quantumMs: number;
  /** One heartbeat and its way here. */
  readonly hopMs: number;
  readonly joinTimeoutMs: number;
  readonly joinRetransmitMs: number;
  /** A principal is not asked again before. */
  readonly joinBlackoutMs: number;
  /** No joins are accepted for so long after a merge-move. */
  readonly moveRefusalMs: number;
  /** Older join requests are ignored. */
  readonly joinStaleMs: number;
  readonly proposalTimeoutMs: number;
  readonly paxosRetransmitMs: number;
  /** What peers say about their cluster counts only so long after a change of the own. */
  readonly staleGuardMs: number;
  readonly latencyMaxMs: number;
  readonly nodeTimeoutMs: number;
  /** Wait for further joins after the last one. */
  readonly joinAcceptedMs: number;
  /** A gap between ticks above this means that the process slept. */
  readonly sleepMs: number;
  /** An orphan that found no cluster for so long no longer waits for others. */
  readonly patienceMs: number;
}

/** Consecutive quanta that may be postponed. */
export const QUANTUM_POSTPONED_COUNT_MAX = 2;

/** Quantum intervals after which a quantum runs, whatever speaks against it. */
export const QUANTUM_DELAY_COUNT_MAX = 3;

const QUANTUM_MS_MAX = 5000;
const PAXOS_RETRANSMIT_MS_MAX = 100;
const PATIENCE_QUANTUM_COUNT = 3;
const SLEEP_INTERVAL_COUNT = 2;

/** Calculates the times from the settings. */
export function deriveIntervals(settings: ClusteringSettings): ClusteringIntervals {
  const { heartbeatIntervalMs: interval, nodeTimeoutMs, latencyMaxMs: latency } = settings;
  const hopMs = interval + latency;
  const quantumMs = Math.max(
    8 * latency,
    Math.min(Math.max(QUANTUM_MS_MAX, 2 * interval), nodeTimeoutMs + 2 * hopMs),
  );
  const joinTimeoutMs = 2.5 * quantumMs;
  return {
    quantumMs,
    hopMs,
    joinTimeoutMs,
    joinRetransmitMs: Math.min(interval / 2, quantumMs / 2),
    joinBlackoutMs: Math.min(joinTimeoutMs, quantumMs / 2, 2 * interval),
    moveRefusalMs: quantumMs,
    joinStaleMs: 2 * interval + latency,
    proposalTimeoutMs: Math.max(quantumMs / 2, 2 * latency),
    paxosRetransmitMs: Math.max(Math.min(quantumMs / 4, PAXOS_RETRANSMIT_MS_MAX), 2 * latency),
    staleGuardMs: 2 * hopMs,
    latencyMaxMs: latency,
    nodeTimeoutMs,
    joinAcceptedMs: TICK_MS + hopMs,
    sleepMs: Math.max(SLEEP_INTERVAL_COUNT * interval, 2 * TICK_MS),
    patienceMs: PATIENCE_QUANTUM_COUNT * quantumMs,
  };
}
