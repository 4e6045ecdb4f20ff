/**
 * Settings of the heartbeat and the times that follow from them. Source: clustering reference, section 5.1.
 *
 * @module
 */

/** Heartbeat settings; all may change while the node runs, but `mode`. */
export interface HeartbeatSettings {
  /** How pulses travel; fixed at start. */
  readonly mode: "mesh" | "multicast";
  /** `none` silences the node: it neither sends nor listens, and its peers expire. */
  readonly protocol: "v3" | "none";
  /** `service.cluster-name`; nodes of another name are ignored. */
  readonly clusterName: string;
  /** `heartbeat.interval`, 50 to 600,000. */
  readonly intervalMs: number;
  /** `heartbeat.timeout` in intervals, 3 and more. */
  readonly timeoutIntervalCount: number;
  /** `heartbeat.connect-timeout-ms`. */
  readonly connectTimeoutMs: number;
  /** `heartbeat.mtu`, or the interface's when that is 0. */
  readonly mtuBytes: number;
  /** `fabric.latency-max-ms`. */
  readonly latencyMaxMs: number;
  /** Whether addresses of IPv6 are dialled. */
  readonly ipv6: boolean;
  /** Whether this node has a heartbeat port with TLS; without, endpoints with TLS are not dialled. */
  readonly tls: boolean;
}

/** Times and counts of the heartbeat. */
export interface HeartbeatTimes {
  /** A node is gone after so long without a pulse. */
  readonly nodeTimeoutMs: number;
  /** Spacing of pulses. */
  readonly pulseIntervalMs: number;
  /** A connection without a valid message for so long is closed. */
  readonly idleMs: number;
  readonly idleCheckMs: number;
  /** Spacing of dials to the same peer or seed. */
  readonly tendMs: number;
  /** A connect that takes longer is given up. */
  readonly connectMs: number;
  /** A node whose address nobody tells is forgotten. */
  readonly endpointUnknownMs: number;
  /** A node that can't be reached is forgotten. */
  readonly forgetMs: number;
  /** Spacing of look-ups of a name that never had an address. */
  readonly resolveRetryMs: number;
  /** Spacing of look-ups of a name that has addresses, but not all of them answer. */
  readonly resolveRefreshMs: number;
  /** The survivor of two connections is safe from a third for so long. */
  readonly duplicateGraceMs: number;
  /** Pulses without a change after which changed fabric endpoints, or a new incarnation, are trusted. */
  readonly changeWindowCount: number;
  /** How long another process with the own id is remembered. */
  readonly duplicateIdMs: number;
  /** Messages above this size are sent compressed. */
  readonly compressionThresholdBytes: number;
  /** A silence of the own event loop above this means that the process slept. */
  readonly sleepMs: number;
}

/** More consecutive mismatches of the cluster name make a node depart. */
export const NAME_MISMATCH_COUNT_MAX = 2;

/** Part of the MTU above which messages are compressed. */
export const COMPRESSION_MTU_SHARE = 0.6;

const PULSE_INTERVAL_MS_MIN = 50;
const RESOLVE_REFRESH_MS = 60_000;
const FORGET_TIMEOUT_COUNT = 10;
const DUPLICATE_GRACE_INTERVAL_COUNT = 3;
const SLEEP_INTERVAL_COUNT = 2;

/** Calculates the times from the settings. */
export function deriveHeartbeatTimes(settings: HeartbeatSettings): HeartbeatTimes {
  const { intervalMs, timeoutIntervalCount } = settings;
  const nodeTimeoutMs = intervalMs * timeoutIntervalCount;
  const idleMs = intervalMs * Math.max(2, Math.floor(timeoutIntervalCount / 3));
  const changeWindowCount = Math.max(3, Math.floor(timeoutIntervalCount / 2));
  return {
    nodeTimeoutMs,
    pulseIntervalMs: Math.max(intervalMs, PULSE_INTERVAL_MS_MIN),
    idleMs,
    idleCheckMs: idleMs / 2,
    tendMs: intervalMs,
    connectMs: settings.connectTimeoutMs,
    endpointUnknownMs: nodeTimeoutMs,
    forgetMs: FORGET_TIMEOUT_COUNT * nodeTimeoutMs,
    resolveRetryMs: nodeTimeoutMs,
    resolveRefreshMs: RESOLVE_REFRESH_MS,
    duplicateGraceMs: DUPLICATE_GRACE_INTERVAL_COUNT * intervalMs,
    changeWindowCount,
    duplicateIdMs: changeWindowCount * intervalMs,
    compressionThresholdBytes: Math.floor(COMPRESSION_MTU_SHARE * settings.mtuBytes),
    sleepMs: SLEEP_INTERVAL_COUNT * intervalMs,
  };
}

/** Part of an interval by which one pulse may come earlier or later than an interval after the last. */
const PHASE_STEP_SHARE = 1 / 30;

/**
 * How much a pulse should be moved, so that all nodes come to send at the same moments: at multiples of the interval by
 * the wall clock, as far as their clocks agree. What arrives together is read in one turn of the event loop. To be woken
 * costs several times what a pulse does, and in a large cluster pulses are all that an idle node does.
 *
 * @param wallMs wall time at which the pulse is due
 */
export function phaseShiftMs(wallMs: number, intervalMs: number): number {
  const lateMs = wallMs % intervalMs;
  const shiftMs = lateMs > intervalMs / 2 ? intervalMs - lateMs : -lateMs;
  const stepMs = Math.ceil(intervalMs * PHASE_STEP_SHARE);
  return Math.max(-stepMs, Math.min(stepMs, shiftMs));
}

const MULTICAST_OVERHEAD_BYTES = 50;
/** Header, all fields of a pulse without their lists and names, and the fixed part of the clustering payload. */
const PULSE_FIXED_SIZE_BYTES = 132;
const PULSE_NODE_SIZE_BYTES = 16;

/**
 * Nodes whose pulse fits into one datagram: an id in the adjacency and one in the succession list for each.
 *
 * @param mtuBytes of the sending interface
 * @param pulse sizes of what differs from node to node: cluster name and fabric endpoint list
 */
export function multicastNodeCountMax(
  mtuBytes: number,
  pulse: { readonly nameSizeBytes: number; readonly endpointsSizeBytes: number },
): number {
  const fixed = PULSE_FIXED_SIZE_BYTES + pulse.nameSizeBytes + pulse.endpointsSizeBytes;
  const room = (mtuBytes - MULTICAST_OVERHEAD_BYTES) / COMPRESSION_MTU_SHARE - fixed;
  return Math.max(1, Math.floor(room / PULSE_NODE_SIZE_BYTES));
}
