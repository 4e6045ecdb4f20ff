/**
 * Policies: how a request is sent, how long it may take, when it is tried again. Every field has a default; a call's
 * policy is laid over the client's.
 *
 * @module
 */

/** Which replica is asked. `sequence`: the master first, the next replica on each retry. */
export type ReplicaChoice = "sequence" | "master" | "any";

/** What all requests have. */
export interface BasePolicy {
  /** The whole request, retries included, in milliseconds; 0 for no limit. */
  totalTimeoutMs?: number;
  /** One attempt, in milliseconds (scans: the longest silence); 0 for no limit of its own. */
  socketTimeoutMs?: number;
  /** Attempts after the first. */
  maxRetries?: number;
  /** Pause before each retry, in milliseconds. */
  sleepBetweenRetriesMs?: number;
  /** Which replica is asked. */
  replica?: ReplicaChoice;
  /** A filter expression as msgpack bytes; a record that it turns down answers 27. */
  filter?: Uint8Array;
  /** Compress requests above 128 bytes and accept compressed replies. Needs the port `compute`. */
  compress?: boolean;
  /** Send the user's key along: writes store it, reads check it. */
  sendKey?: boolean;
}

/** Policy of reads. */
export interface ReadPolicy extends BasePolicy {
  /** 1 to 100: renew a record of which less than this share of its TTL is left; -1 never; 0 as the server is set. */
  readTouchTtlPercent?: number;
  /** Ask all replicas that may differ (namespaces without strong consistency). */
  readModeAll?: boolean;
  /** Reads of strongly consistent namespaces. */
  readMode?: "session" | "linearize" | "allow-replica" | "allow-unavailable";
}

/** What to do when the record exists or doesn't. */
export type ExistsAction = "update" | "update-only" | "replace" | "replace-only" | "create-only";

/** Policy of writes. */
export interface WritePolicy extends BasePolicy {
  /** Seconds to live; 0 the namespace's default, -1 for ever, -2 keep the present expiry. */
  ttlS?: number;
  /** Generation that `generationPolicy` compares with. */
  generation?: number;
  /** `equal`: only when the stored generation is the given one; `greater`: only when the given one is greater. */
  generationPolicy?: "none" | "equal" | "greater";
  /** What to do when the record exists or doesn't. */
  exists?: ExistsAction;
  /** When the server answers: after all replicas or after the master. */
  commitLevel?: "all" | "master";
  /** A deletion leaves a tombstone. */
  durableDelete?: boolean;
}

/** Policy of operate: a write policy, and what its reads need. */
export interface OperatePolicy extends WritePolicy, ReadPolicy {
  /** One result per operation, null where there is none. */
  respondAllOps?: boolean;
}

/** Policy of batches. */
export interface BatchPolicy extends ReadPolicy {
  /** Keep going after a row that failed. */
  respondAllKeys?: boolean;
  /** Let the server work on rows of in-memory namespaces at once. */
  allowInline?: boolean;
  /** Let the server work on rows of other namespaces at once. */
  allowInlineSsd?: boolean;
}

/** Policy of scans. */
export interface ScanPolicy extends BasePolicy {
  /** Stop after this many records; 0 for all. */
  maxRecords?: number;
  /** Records per second and node; 0 for no limit. */
  recordsPerSecond?: number;
  /** Nodes asked at the same time; 0 for all. */
  concurrentNodesMax?: number;
}

/** Base settings with every field that has a default. */
export interface ResolvedPolicy extends BasePolicy {
  /** Whole request in milliseconds; 0 for no limit. */
  totalTimeoutMs: number;
  /** One attempt in milliseconds; 0 for no limit. */
  socketTimeoutMs: number;
  /** Attempts after the first. */
  maxRetries: number;
  /** Pause before each retry in milliseconds. */
  sleepBetweenRetriesMs: number;
  /** Which replica is asked. */
  replica: ReplicaChoice;
}

/** Defaults of reads. */
export const READ_DEFAULTS: ResolvedPolicy = {
  totalTimeoutMs: 1000,
  socketTimeoutMs: 0,
  maxRetries: 2,
  sleepBetweenRetriesMs: 0,
  replica: "sequence",
};

/** Defaults of writes: no retry, because the first attempt may have been applied. */
export const WRITE_DEFAULTS: ResolvedPolicy = { ...READ_DEFAULTS, maxRetries: 0 };

/** Defaults of scans. */
export const SCAN_DEFAULTS: ResolvedPolicy = {
  totalTimeoutMs: 0,
  socketTimeoutMs: 30_000,
  maxRetries: 5,
  sleepBetweenRetriesMs: 100,
  replica: "sequence",
};

/** Default policies of a client. */
export interface DefaultPolicies {
  /** Single reads. */
  read?: ReadPolicy;
  /** Single writes, deletes, touches. */
  write?: WritePolicy;
  /** Batches. */
  batch?: BatchPolicy;
  /** Scans. */
  scan?: ScanPolicy;
}

/**
 * Lays policies over each other; a field that is absent or undefined in a later one keeps the earlier value.
 *
 * @throws {RangeError} when a number is negative or not finite
 */
export function resolvePolicy<P extends BasePolicy>(
  defaults: ResolvedPolicy,
  client: P | undefined,
  call: P | undefined,
): ResolvedPolicy & P {
  if (client === undefined && call === undefined) return defaults as ResolvedPolicy & P;
  const merged = { ...defaults, ...defined(client), ...defined(call) } as ResolvedPolicy & P;
  for (const name of ["totalTimeoutMs", "socketTimeoutMs", "maxRetries", "sleepBetweenRetriesMs"] as const) {
    if (!(merged[name] >= 0)) throw new RangeError(`Cannot use ${name} ${merged[name]}: expected 0 or more`);
  }
  return merged;
}

function defined<P extends object>(policy: P | undefined): Partial<P> {
  if (policy === undefined) return {};
  const found: Partial<P> = {};
  for (const name in policy) {
    if (Object.hasOwn(policy, name) && policy[name] !== undefined) found[name] = policy[name];
  }
  return found;
}

/** Milliseconds that the server is given: the tighter of total and socket timeout; 0 leaves it to the server. */
export function serverBudgetMs(policy: ResolvedPolicy): number {
  const { totalTimeoutMs, socketTimeoutMs } = policy;
  const budget = totalTimeoutMs === 0 || (socketTimeoutMs > 0 && socketTimeoutMs < totalTimeoutMs)
    ? socketTimeoutMs
    : totalTimeoutMs;
  return Math.min(budget, 0xffff_ffff) >>> 0;
}
