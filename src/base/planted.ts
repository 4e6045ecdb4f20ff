/**
 * Planted bugs: switches that turn single rules of cluster and storage off, so that a test of the tests can see whether the
 * simulator notices. All are off; only tests and the simulator may turn one on, and the code asks with one property read.
 *
 * @module
 */

/** One switch per rule; true breaks the rule. */
export const PLANTED = {
  /** A write is acknowledged before its replicas have it. */
  ackBeforeReplica: false,
  /** Acknowledgements count whatever the cluster key they were asked under. */
  noClusterKeyCheck: false,
  /** A write takes the clock's time even when the stored record is newer. */
  noLutRule: false,
  /** Of two copies with equal generation and time each node keeps its own. */
  wrongTieBreak: false,
  /** A replica's refusal counts as done. */
  refusalCountsAsDone: false,
  /** Writes and reads never ask duplicates. */
  noDupRes: false,
  /** Of the copies that duplicates send the last one to arrive wins. */
  dupResMergesWrongly: false,
  /** A request that was proxied here runs twice. */
  proxyRunsTwice: false,
  /** A node that is no replica in its own view takes replica writes. */
  replicaIgnoresOwnView: false,
  /** A replica write replaces a newer record. */
  replicaTakesOlder: false,
  /** Generations decide between a record and its ancestor too. */
  generationAgainstAncestor: false,
  /** A record that is created over a tombstone begins at generation 1. */
  recreationRestartsGeneration: false,
  /** Deletes leave no tombstone. */
  deleteLeavesNoTombstone: false,
  /** Records from other nodes come back after a truncation. */
  replaceIgnoresTruncation: false,
  /** A replica that did not answer is not mended later. */
  noRepair: false,
  /** A lost replica write is not sent again. */
  noRetransmit: false,
  /** A replica that still waits for data serves reads. */
  incompleteProleServes: false,
  /** A transfer counts as ended before what came is durable. */
  doneBeforeDurable: false,
  /** A copy is dropped as soon as its own transfer has ended. */
  dropBeforeAllDone: false,
  /** An acting master goes on serving until the final master has answered. */
  acceptWhileHandingOff: false,
  /** An acting master does not wait for its writes that run before it says that everything was sent. */
  handOffWithoutDraining: false,
  /** Records of which generation and time are equal count as equal. */
  deltaIgnoresHash: false,
  /** What the receiver of a complete copy has too much stays there. */
  deltaKeepsExtras: false,
  /** Inserts are not sent again. */
  noInsertResend: false,
  /** A transfer ends before its inserts were answered. */
  doneBeforeAcks: false,
  /** Tombstones do not migrate. */
  tombstonesStay: false,
  /** A merged record is decided again by each replica. */
  mergeDecidedTwice: false,
  /** A start takes the index from a checkpoint without reading what was written since. */
  staleCheckpointTrusted: false,
  /** Replies do not wait for the flush that they should wait for. */
  ackBeforeFlush: false,
  /** A block of which nothing is current is free before what replaced its records is synced. */
  freedDeadBlock: false,
  /** Tombstones are removed whatever their age. */
  tombstoneTooYoung: false,
  /** A node that slept answers clients at once. */
  answersAfterSleep: false,
  /** A node that comes into a cluster of others answers clients before its tables follow it. */
  answersBeforeMerge: false,
  /** Each node places copies by what it can do itself. */
  ownCapabilitiesPlace: false,
  /** Each node places copies as it prefers itself, whatever the others prefer. */
  ownWishesPlace: false,
};

/** Name of a switch of {@linkcode PLANTED}. */
export type PlantedBug = keyof typeof PLANTED;

/** Names of all switches. */
export const PLANTED_BUGS: readonly PlantedBug[] = Object.keys(PLANTED) as PlantedBug[];

/** Bugs of one node's devices, for the histories of a store with power cuts (`storage/disk/crash_test.ts`). */
const DEVICE_BUGS: readonly PlantedBug[] = ["staleCheckpointTrusted", "freedDeadBlock"];

/** Names of the switches that break rules of the cluster. */
export const CLUSTER_BUGS: readonly PlantedBug[] = PLANTED_BUGS.filter((bug) => !DEVICE_BUGS.includes(bug));

/**
 * Turns one switch on and all others off; undefined turns all off. For tests only.
 *
 * @param bug the switch
 */
export function plantBug(bug: PlantedBug | undefined): void {
  for (const name of PLANTED_BUGS) PLANTED[name] = name === bug;
}
