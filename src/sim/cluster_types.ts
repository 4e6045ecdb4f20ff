/**
 * What a run of a cluster consists of, as plain data: settings, and phases of faults. The seed makes it; a run that
 * fails is made smaller by leaving parts out.
 *
 * A run is a row of epochs. In each, clients work while faults happen; then everything is repaired, clients rest, the
 * cluster must become whole within a bounded time, and what the clients were told is compared with what there is. A
 * `safe` epoch has no split of the network and never loses as many nodes as there are copies between two moments of full
 * replication: nothing that was acknowledged may be lost. In a `split` epoch everything may happen; then each record
 * must have the value that the conflict policy names.
 *
 * @module
 */

/** Kinds of faults. */
export const CLUSTER_FAULTS = [
  "slow",
  "stall",
  "clog",
  "reset",
  "cut-bytes",
  "stick",
  "blink",
  "isolate",
  "halves",
  "partial",
  "one-way",
  "freeze",
  "sleep",
  "kill",
  "vanish",
  "lonely",
  "stop",
  "join",
  "jump",
  "drift",
  "skew",
  "recluster",
  "quiesce",
  "client-cut",
  "truncate",
  "re-rack",
  "slow-disk",
  "bad-reads",
  "bad-writes",
  "dead-disk",
  "rot",
  "corrupt",
  "blackout",
] as const;

/** One of {@linkcode CLUSTER_FAULTS}. */
export type ClusterFault = (typeof CLUSTER_FAULTS)[number];

/** What the cluster was doing when a fault struck. */
export const CLUSTER_PHASES = [
  "paxos",
  "exchange",
  "migration",
  "hand-off",
  "duplicate resolution",
  "replica write",
] as const;

/** One of {@linkcode CLUSTER_PHASES}. */
export type ClusterPhase = (typeof CLUSTER_PHASES)[number];

/** A fault of a plan. */
export interface PlannedFault {
  /** When, counted from the start of the epoch. */
  readonly atMs: number;
  readonly kind: ClusterFault;
  /** Which node, or the first of two; modulo the nodes that there are. */
  readonly node: number;
  /** The second node, or a pattern of bits. */
  readonly other: number;
  /** How long it lasts. */
  readonly durationMs: number;
  /** How much of it; what that means depends on the kind. */
  readonly amount: number;
  /** It waits for this phase, for a while. */
  readonly phase?: ClusterPhase;
}

/** Clients work and faults happen; then everything is repaired and compared. */
export interface Epoch {
  readonly kind: "safe" | "split";
  readonly durationMs: number;
  readonly faults: readonly PlannedFault[];
}

/** What operators wish of where copies go, by index of the node. */
export interface PlacementWishes {
  /** `rack-id`. */
  readonly rackIds: readonly number[];
  /** `prefer-uniform-balance`. */
  readonly prefersUniform: readonly boolean[];
  /** `active-rack`. */
  readonly activeRacks: readonly number[];
  /** The index of a node of a release that knows nothing of it; -1 for none. */
  readonly earlierNode: number;
  /** That node can do it from its second start on. */
  readonly isUpgraded: boolean;
}

/** Settings of a run. */
export interface ClusterShape {
  /** Nodes at the start, 3 to 7. */
  readonly nodeCount: number;
  /** Machines on which nodes may join later. */
  readonly spareCount: number;
  readonly replicationFactor: number;
  /** Absent when copies go where hashing says. */
  readonly wishes?: PlacementWishes;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutCount: number;
  readonly conflictPolicy: "generation" | "last-update-time";
  /** The index of a node that has no capability word, as a stock one; -1 for none. */
  readonly stockLikeNode: number;
  /** That node has no capability word either, as a stock one: messages carry no cluster key beside it. */
  readonly stockTellsNothing?: boolean;
  /** Nodes keep what they have in files, and find it when they start again; else they start empty. */
  readonly hasFiles: boolean;
  /** Records are in files alone, not in memory besides; only with files. */
  readonly isOnDevice?: boolean;
  /** Records are in two files of each node, one of which may fail; only with records in files alone. */
  readonly hasTwoDevices?: boolean;
  /** What was written lately is not kept in memory: it is read from the files. */
  readonly readsDevices?: boolean;
  /** Size of a bin that makes records large, so that blocks are full and used again within a run. */
  readonly fillerBytes?: number;
  /** Replies wait until what they tell of is synced; only with records in files alone. */
  readonly commits?: boolean;
  /** Partitions, 4096 by default; fewer make a run cheap. */
  readonly partitionCount?: number;
  readonly keyCount: number;
  /** Records, of those, in the set that is truncated now and then. */
  readonly truncatedKeyCount?: number;
  /** There is an index on an integer bin. */
  readonly hasIndex?: boolean;
  /** Wall clocks show multiples of so many milliseconds, so that writes of two nodes often have the same time. */
  readonly clockStepMs?: number;
  /** First pause before a replica is asked again, 1002 ms by default: longer than most calls may take. */
  readonly transactionRetryMs?: number;
  /** Later turns of nodes come after so long at most, as in a busy process: requests come between slices of long work. */
  readonly turnMaxUs?: number;
  /** Pause of a migration after each record, so that migrations last while clients work. */
  readonly migrateSleepUs?: number;
  /** Clients work on for so long after the faults of a safe epoch. */
  readonly calmWorkMs?: number;
  /** Faults that waited for a phase strike a node that is in it. */
  readonly aimsAtPhases?: boolean;
  /** They strike in an event of that phase, and wait for it longer. */
  readonly strikesInPhases?: boolean;
  /** Faults wait longer for a merge that is on its way, and for no phase that can't come. */
  readonly isPatient?: boolean;
  /** A node is left behind in safe epochs too, where that brings a phase on; sets are truncated while one is away. */
  readonly leavesBehind?: boolean;
  /** A damaged disk is replaced by an empty one between two epochs. */
  readonly replacesDisks?: boolean;
  /** Share of the requests that are for a few of the records. */
  readonly hotShare?: number;
  readonly clientCount: number;
  /** How often each client asks the nodes for news; 1 s by default. */
  readonly tendIntervalMs?: number;
  readonly loopsPerClient: number;
  readonly thinkMaxMs: number;
  readonly timeoutMs: number;
}

/** A whole run. */
export interface ClusterSchedule {
  readonly seed: number;
  readonly shape: ClusterShape;
  readonly epochs: readonly Epoch[];
  /** Faults that strike after the epochs, one after the other, as long as fewer than ten have struck. */
  readonly moreFaults?: readonly PlannedFault[];
}
