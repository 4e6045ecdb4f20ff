/**
 * The partition table of one namespace, as this node sees it: who serves each of the 4,096 partitions, and what clients
 * are told. Every question "is this partition mine" is asked here.
 *
 * A node that is alone owns everything as master: `assignAll`. In a cluster a balance is applied, and then migrations
 * change the table, partition by partition:
 *
 * | event | at | change |
 * | ----- | -- | ------ |
 * | immigration began | any but the working master | the copy belongs to the new cluster, as a subset |
 * | immigration ended | final master, from the working master | this node serves |
 * | | final master, from a duplicate | one duplicate less |
 * | | last one | the copy is complete |
 * | hand-off began | acting master | it serves no longer, and has told nobody yet |
 * | hand-off committed | acting master | its copy claims no longer to be the master's; "done" may be sent |
 * | emigration ended | final master | one immigrator less |
 * | | others | the copy belongs to the final master's family; an acting master serves no longer |
 * | all done | not a replica | the copy goes |
 *
 * Source: clustering reference, sections 10.9, 10.11, 10.12, 14.1 and 18.1.
 *
 * @module
 */

import { assert, PARTITION_COUNT, ResultCode } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import { type Balance, nodeAt } from "./balance.ts";
import { lineageAfter, lineageId, LineageTable, MERGE_RULE } from "./lineage.ts";
import type { PartitionVersionKeeper } from "./version_keeper.ts";
import { VERSION_BIT, versionHigh, versionLow, VersionTable } from "./version.ts";

/** What this node is for a partition. */
export const ROLE = { NONE: 0, MASTER: 1, PROLE: 2 } as const;

/** Why a partition that is this node's serves nobody for the moment; bits. */
const CLOSED = {
  /** What this node served is about to be the final master's. */
  HANDING_OFF: 1,
  /** The final master may serve it already. */
  HANDED_OFF: 2,
  /** Records of a copy that this node gave up are still being removed. */
  DROPPING: 4,
} as const;

/** Ownership of the partitions of one namespace. */
export class PartitionTable {
  /** Counts changes of ownership; clients fetch the map again when it moves. -1 until there is a first map. */
  generation = -1;
  /** Copies of each record that the cluster keeps in fact. */
  effectiveReplicationFactor = 1;
  /** Nodes that the table was computed for. */
  clusterSize = 0;
  /** Once it was in a cluster of more than one node, which may have copies that this one can't see now. */
  #hadPeers = false;
  /** What this node's copies are worth; storage keeps it. */
  versions: VersionTable = new VersionTable();
  /** Where they come from; in memory alone. */
  lineages: LineageTable = new LineageTable();
  readonly #keeper: PartitionVersionKeeper | undefined;
  /** The balance that the table follows; undefined for a node on its own and while nobody is served. */
  balance: Balance | undefined;
  readonly #roles: Uint8Array = new Uint8Array(PARTITION_COUNT);
  /** Place of the working master in each row. */
  readonly #workingPlace: Uint8Array = new Uint8Array(PARTITION_COUNT);
  #immigrations: Uint16Array = new Uint16Array(PARTITION_COUNT);
  readonly #emigrations: Uint16Array = new Uint16Array(PARTITION_COUNT);
  /** Bits of {@linkcode CLOSED}. */
  readonly #closed: Uint8Array = new Uint8Array(PARTITION_COUNT);
  /** Some of them may be set. */
  #isAnyClosed = false;

  /**
   * A table of a node that serves nobody yet. Versions that were kept are isolated: a node that was away can't claim that
   * its copies are complete.
   *
   * @param keeper keeps versions; absent when records don't outlive the process
   */
  constructor(keeper?: PartitionVersionKeeper) {
    this.#keeper = keeper;
    const kept = keeper?.load();
    if (kept === undefined) return;
    kept.isolate();
    this.versions = kept;
  }

  /** Makes this node the master of every partition: the table of a cluster of one. */
  assignAll(): void {
    this.#roles.fill(ROLE.MASTER);
    this.#endHandOffs();
    this.#immigrations.fill(0);
    this.#emigrations.fill(0);
    this.balance = undefined;
    this.clusterSize = 1;
    this.effectiveReplicationFactor = 1;
    this.generation++;
  }

  /** Follows a new balance. The table changes its sets of duplicates and immigrators as data moves. */
  apply(balance: Balance): void {
    this.balance = balance;
    this.#endHandOffs();
    this.versions = balance.versions;
    this.lineages = balance.lineages;
    this.clusterSize = balance.nodes.length;
    if (this.clusterSize > 1) this.#hadPeers = true;
    this.effectiveReplicationFactor = balance.placement.replicaCount;
    this.#workingPlace.set(balance.workingPlace);
    this.#immigrations = balance.immigrationCounts.slice();
    this.#emigrations.fill(0);
    for (let index = 0; index < balance.emigrations.length; index++) {
      this.#emigrations[balance.emigrations.partitions[index]]++;
    }
    for (let partition = 0; partition < PARTITION_COUNT; partition++) this.#findRole(partition, balance);
    this.generation++;
    this.#keeper?.save(this.versions, undefined);
  }

  /** Serves nobody any more: the node is in no cluster for too long. Its copies can't claim to be complete later. */
  block(): void {
    this.#roles.fill(ROLE.NONE);
    this.#endHandOffs();
    this.#immigrations.fill(0);
    this.#emigrations.fill(0);
    this.versions.isolate();
    this.balance = undefined;
    this.clusterSize = 0;
    this.generation++;
    this.#keeper?.save(this.versions, undefined);
  }

  /** Records were lost here: no copy claims to be complete any more. Not between an exchange and its commit. */
  loseData(): void {
    this.versions.isolate();
    this.#keeper?.save(this.versions, undefined);
  }

  #findRole(partition: number, balance: Balance): void {
    const place = balance.selfPlace[partition];
    if (place === this.#workingPlace[partition]) this.#roles[partition] = ROLE.MASTER;
    else this.#roles[partition] = place < this.effectiveReplicationFactor ? ROLE.PROLE : ROLE.NONE;
  }

  /** This node's part in a partition: of {@linkcode ROLE}. A node that is no replica may be the working master. */
  role(partition: number): number {
    return this.#roles[partition];
  }

  /**
   * Whether this node serves clients for a partition.
   *
   * @returns OK to serve here, UNAVAILABLE when nobody can serve
   */
  admit(partition: number): ResultCode {
    const serves = this.#roles[partition] === ROLE.MASTER && this.#closed[partition] === 0;
    return serves ? ResultCode.OK : ResultCode.UNAVAILABLE;
  }

  /**
   * Whether this node answers queries for a partition: as its master or as a replica, if it has all of its records.
   * Clients that prefer a replica ask those, and ask another node, or again, for what is refused.
   * Source: clustering reference, section 18.2.
   *
   * @param isRelaxed a master answers although others may have records which it lacks
   * @returns OK or UNAVAILABLE
   */
  admitQuery(partition: number, isRelaxed: boolean): ResultCode {
    if (this.#roles[partition] === ROLE.PROLE) {
      const isFull = this.#closed[partition] === 0 && this.isComplete(partition);
      return isFull ? ResultCode.OK : ResultCode.UNAVAILABLE;
    }
    const lacks = !isRelaxed && this.mayHaveDuplicates(partition) && this.duplicates(partition).length > 0;
    return lacks ? ResultCode.UNAVAILABLE : this.admit(partition);
  }

  /**
   * Whether this node has stopped serving a partition because the final master is about to take over, or has. Requests
   * wait for the next change of the table, or go to the final master.
   */
  isHandingOff(partition: number): boolean {
    return (this.#closed[partition] & (CLOSED.HANDING_OFF | CLOSED.HANDED_OFF)) !== 0;
  }

  /** Whether records of a copy that this node gave up earlier are still being removed. */
  isDropping(partition: number): boolean {
    return (this.#closed[partition] & CLOSED.DROPPING) !== 0;
  }

  /** Removal of a given-up copy begins or has ended. */
  setDropping(partition: number, isDropping: boolean): void {
    if (isDropping) this.#close(partition, CLOSED.DROPPING);
    else this.#closed[partition] &= ~CLOSED.DROPPING;
  }

  /** An acting master stops serving: nothing that it acknowledges from now on could reach the final master. */
  beginHandOff(partition: number): void {
    assert(this.#roles[partition] === ROLE.MASTER, "only the working master hands off");
    this.#close(partition, CLOSED.HANDING_OFF);
  }

  /** The hand-off is given up before it was committed: this node serves on. */
  cancelHandOff(partition: number): void {
    this.#closed[partition] &= ~CLOSED.HANDING_OFF;
  }

  /**
   * The final master is about to be told that it has everything. Whether it hears of it will be known only by its answer,
   * which may be lost with the cluster; so from here on this copy must not claim to be the master's.
   */
  commitHandOff(partition: number): void {
    assert(this.isHandingOff(partition), "a hand-off begins before it is committed");
    this.#close(partition, CLOSED.HANDED_OFF);
    this.#leaveMastership(partition);
  }

  #close(partition: number, bit: number): void {
    this.#closed[partition] |= bit;
    this.#isAnyClosed = true;
  }

  #endHandOffs(): void {
    if (!this.#isAnyClosed) return;
    this.#isAnyClosed = false;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      this.#closed[partition] &= CLOSED.DROPPING;
      if (this.#closed[partition] !== 0) this.#isAnyClosed = true;
    }
  }

  /** Whether this node is a replica that has received everything. */
  isComplete(partition: number): boolean {
    return this.#immigrations[partition] === 0 && this.#isReplica(partition);
  }

  /** Whether this node keeps a copy of a partition for good. */
  isReplica(partition: number): boolean {
    return this.#isReplica(partition);
  }

  #isReplica(partition: number): boolean {
    if (this.balance === undefined) return this.#roles[partition] !== ROLE.NONE;
    return this.balance.selfPlace[partition] < this.effectiveReplicationFactor;
  }

  /** Node that serves a partition, as far as this node knows; undefined on its own and when nobody does. */
  workingMaster(partition: number): NodeId | undefined {
    return this.balance && nodeAt(this.balance, partition, this.#workingPlace[partition]);
  }

  /** Node that serves a partition once all migrations have ended; undefined on its own. */
  finalMaster(partition: number): NodeId | undefined {
    return this.balance && nodeAt(this.balance, partition, 0);
  }

  /** Whether a write of a partition is sent to anybody. */
  hasOtherReplicas(partition: number): boolean {
    const { balance } = this;
    return balance !== undefined &&
      (this.effectiveReplicationFactor > 1 ||
        balance.selfPlace[partition] >= this.effectiveReplicationFactor);
  }

  /** Whether `duplicates` is worth asking: they end with the transfers that bring them. */
  mayHaveDuplicates(partition: number): boolean {
    return this.#immigrations[partition] > 0 || this.#emigrations[partition] > 0;
  }

  /** The replicas of a partition but this node, in order: where a write is sent. */
  otherReplicas(partition: number): NodeId[] {
    const { balance } = this;
    const nodes: NodeId[] = [];
    for (let place = 0; balance !== undefined && place < this.effectiveReplicationFactor; place++) {
      if (place !== balance.selfPlace[partition]) nodes.push(nodeAt(balance, partition, place));
    }
    return nodes;
  }

  /** Whether another node is one of its replicas. */
  isOtherReplica(partition: number, node: NodeId): boolean {
    const { balance } = this;
    for (let place = 0; balance !== undefined && place < this.effectiveReplicationFactor; place++) {
      if (place !== balance.selfPlace[partition] && nodeAt(balance, partition, place) === node) return true;
    }
    return false;
  }

  /** The other nodes that have a copy of a partition, or may have one. */
  otherHolders(partition: number): NodeId[] {
    const { balance } = this;
    if (balance === undefined) return [];
    const isHolder = (place: number) =>
      place < this.effectiveReplicationFactor || place === this.#workingPlace[partition] ||
      balance.duplicates.has(partition, place);
    return this.#nodesOf(balance, partition, isHolder);
  }

  /** All other members of a partition's cluster, in the order of its row; some keep what they once had. */
  others(partition: number): NodeId[] {
    return this.balance === undefined ? [] : this.#nodesOf(this.balance, partition, () => true);
  }

  /** Nodes that may have records which this node, as working or final master, lacks. */
  duplicates(partition: number): NodeId[] {
    const { balance } = this;
    if (balance === undefined) return [];
    const place = balance.selfPlace[partition];
    if (place !== 0 && place !== this.#workingPlace[partition]) return [];
    return this.#nodesOf(balance, partition, (other) => balance.duplicates.has(partition, other));
  }

  /** Whether copies of a record are merged by time, whatever the policy. All members of the cluster know the same. */
  mergesByTime(partition: number): boolean {
    return ((this.balance?.mergeRules[partition] ?? 0) & MERGE_RULE.BY_TIME) !== 0;
  }

  /** Whether they are merged by `conflict-resolution-policy`. */
  mergesByPolicy(partition: number): boolean {
    const rules = this.balance?.mergeRules[partition] ?? 0;
    return (rules & (MERGE_RULE.MERGES | MERGE_RULE.BY_TIME)) === MERGE_RULE.MERGES;
  }

  /**
   * Whether what this node alone has of a partition may lose yet: copies are to be merged, or another one contains this one,
   * and this node has not received the result.
   */
  isProvisional(partition: number): boolean {
    if (!this.versions.exists(partition) || this.isComplete(partition)) return false;
    if (this.isMerging(partition)) return true;
    const isWorkingMaster = this.balance?.selfPlace[partition] === this.#workingPlace[partition];
    return !isWorkingMaster && (this.versions.high[partition] & VERSION_BIT.SUBSET) !== 0;
  }

  /** Whether copies of a partition are being merged, and this node, which has one, has not received the result. */
  isMerging(partition: number): boolean {
    const rules = this.balance?.mergeRules[partition] ?? 0;
    const isUnderWay = (rules & (MERGE_RULE.MERGES | MERGE_RULE.SETTLED)) === MERGE_RULE.MERGES;
    return isUnderWay && this.versions.exists(partition) && !this.isComplete(partition);
  }

  /** Whether the replicas of a partition have all that counts of this node's copy, and it is none of them. */
  isSettledElsewhere(partition: number): boolean {
    return ((this.balance?.mergeRules[partition] ?? 0) & MERGE_RULE.SETTLED) !== 0;
  }

  /** Whether what this final master had before it received anything is a subset of what it receives. */
  isSuperseded(partition: number): boolean {
    return ((this.balance?.mergeRules[partition] ?? 0) & MERGE_RULE.SUPERSEDED) !== 0;
  }

  /**
   * Whether another transfer has to come before one from `from`: what a superseded final master has is of no account beside
   * the copy that contains it, but until that is here it may be all that is left of it.
   */
  comesLater(partition: number, from: NodeId): boolean {
    const { balance } = this;
    if (balance === undefined || !this.isSuperseded(partition)) return false;
    const superseding = nodeAt(balance, partition, balance.supersedingPlace[partition]);
    return from !== superseding && this.expectsFrom(partition, superseding);
  }

  /** Nodes to tell, as final master, that all migrations of a partition have ended. */
  witnesses(partition: number): NodeId[] {
    const { balance } = this;
    if (balance === undefined || balance.selfPlace[partition] !== 0) return [];
    return this.#nodesOf(balance, partition, (other) => balance.witnesses.has(partition, other));
  }

  #nodesOf(balance: Balance, partition: number, has: (place: number) => boolean): NodeId[] {
    const nodes: NodeId[] = [];
    for (let place = 0; place < balance.nodes.length; place++) {
      if (place !== balance.selfPlace[partition] && has(place)) nodes.push(nodeAt(balance, partition, place));
    }
    return nodes;
  }

  /** Transfers of a partition that this node still waits for. */
  pendingImmigrations(partition: number): number {
    return this.#immigrations[partition];
  }

  /** Transfers of a partition that this node still has to make. */
  pendingEmigrations(partition: number): number {
    return this.#emigrations[partition];
  }

  /**
   * Whether data of a partition is expected from a node: by the final master from the working master and from duplicates,
   * by other replicas from the final master.
   */
  expectsFrom(partition: number, node: NodeId): boolean {
    const { balance } = this;
    if (balance === undefined || this.#immigrations[partition] === 0) return false;
    if (balance.selfPlace[partition] !== 0) return nodeAt(balance, partition, 0) === node;
    return node === this.workingMaster(partition) || this.duplicates(partition).includes(node);
  }

  /** Whether a node is the one that a partition is on its way to, the first of its row. */
  isFinalMaster(partition: number, node: NodeId): boolean {
    return this.balance !== undefined && nodeAt(this.balance, partition, 0) === node;
  }

  /** The first bytes of a transfer have arrived. */
  beginImmigration(partition: number): void {
    const balance = this.#expectBalance();
    const isFinal = balance.selfPlace[partition] === 0;
    if (this.#roles[partition] === ROLE.MASTER) return;
    // A final master that merges is no subset of anybody, and evades until it has what the working master has.
    const merges = isFinal && (this.versions.high[partition] & VERSION_BIT.SUBSET) === 0;
    if (!merges) this.#setVersion(partition, VERSION_BIT.SUBSET);
  }

  /** A transfer is complete, and what it brought is as durable here as it was where it came from. */
  endImmigration(partition: number, from: NodeId): void {
    const balance = this.#expectBalance();
    assert(this.expectsFrom(partition, from), "the transfer was expected");
    const isFinal = balance.selfPlace[partition] === 0;
    this.#immigrations[partition]--;
    if (isFinal && from === this.workingMaster(partition)) {
      this.#workingPlace[partition] = 0;
      this.#roles[partition] = ROLE.MASTER;
      this.#setVersion(partition, VERSION_BIT.MASTER);
      this.generation++;
    } else if (isFinal) {
      balance.duplicates.remove(partition, this.#placeOf(balance, partition, from));
    }
    if (this.#immigrations[partition] > 0) return;
    this.#setVersion(partition, isFinal ? VERSION_BIT.MASTER : 0);
    this.lineages.set(partition, balance.mergedLineages.get(partition));
    if (isFinal) balance.duplicates.remove(partition, 0);
    else this.generation++;
  }

  /** A transfer to `to` is complete. A node that served the partition must have stopped before. */
  endEmigration(partition: number, to: NodeId): void {
    const balance = this.#expectBalance();
    assert(this.#emigrations[partition] > 0, "the transfer was planned");
    this.#emigrations[partition]--;
    if (balance.selfPlace[partition] === 0) {
      balance.immigrators.remove(partition, this.#placeOf(balance, partition, to));
      this.generation++;
      return;
    }
    this.#leaveMastership(partition);
    if (this.#roles[partition] !== ROLE.MASTER) return;
    this.#closed[partition] &= CLOSED.DROPPING;
    this.#workingPlace[partition] = 0;
    this.#roles[partition] = this.#isReplica(partition) ? ROLE.PROLE : ROLE.NONE;
    this.generation++;
  }

  /**
   * What a copy is worth once all that it has is the final master's, which need not know it yet: the lineage of a subset
   * says what its complete kin contain.
   */
  #leaveMastership(partition: number): void {
    const { clusterKey } = this.#expectBalance();
    const low = this.versions.low[partition];
    const high = this.versions.high[partition];
    const isKin = lineageId(low, high) ===
      lineageId(versionLow(clusterKey), versionHigh(clusterKey, { family: 0, bits: 0 }));
    if (!isKin) {
      this.lineages.set(partition, lineageAfter({ low, high, lineage: this.lineages.get(partition) }));
    }
    const expects = this.#immigrations[partition] > 0 || !this.#isReplica(partition);
    this.#setVersion(partition, expects ? VERSION_BIT.SUBSET : 0);
  }

  /**
   * The final master says that all migrations of a partition have ended.
   *
   * @returns "refused" while this node still has to send, "drop" when its copy is not needed any more, else "keep"
   */
  allDone(partition: number): "refused" | "drop" | "keep" {
    const balance = this.#expectBalance();
    if (this.#emigrations[partition] > 0) return "refused";
    if (this.#isReplica(partition)) return "keep";
    balance.mergeRules[partition] |= MERGE_RULE.SETTLED;
    if (balance.quiesced[balance.selfIndex] === 1 && this.versions.exists(partition)) {
      this.#setVersion(partition, VERSION_BIT.SUBSET);
      return "keep";
    }
    this.versions.set(partition, undefined);
    this.#keeper?.save(this.versions, partition);
    return "drop";
  }

  #expectBalance(): Balance {
    assert(this.balance !== undefined, "there are no migrations without a balance");
    return this.balance;
  }

  #placeOf(balance: Balance, partition: number, node: NodeId): number {
    for (let place = 0; place < balance.nodes.length; place++) {
      if (nodeAt(balance, partition, place) === node) return place;
    }
    return balance.nodes.length;
  }

  #setVersion(partition: number, bits: number): void {
    const { clusterKey } = this.#expectBalance();
    this.versions.setWords(partition, versionLow(clusterKey), versionHigh(clusterKey, { family: 0, bits }));
    this.#keeper?.save(this.versions, partition);
  }

  /**
   * Whether an older copy of a partition's records may be somewhere else: on a replica, or on a node that is away.
   * Then a delete must leave a tombstone. A node that was ever in a cluster may be alone because of a split.
   */
  mayHaveOtherCopies(_partition: number): boolean {
    return this.effectiveReplicationFactor > 1 || this.#hadPeers;
  }

  /**
   * A bitmap of the partitions that this node claims as replica number `replica`, most significant bit first. Clients
   * find a complete copy in each column: the working master stands in for replicas that are still being filled.
   *
   * @param replica 0 for master
   */
  bitmap(replica: number): Uint8Array {
    const bits = new Uint8Array(PARTITION_COUNT / 8);
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (this.#claims(partition, replica)) bits[partition >> 3] |= 0x80 >> (partition & 7);
    }
    return bits;
  }

  #claims(partition: number, replica: number): boolean {
    const role = this.#roles[partition];
    if (replica === 0 || role === ROLE.NONE) return replica === 0 && role === ROLE.MASTER;
    const { balance } = this;
    if (balance === undefined || replica >= this.effectiveReplicationFactor) return false;
    const isOwn = balance.selfPlace[partition] === replica;
    if (role === ROLE.MASTER) return isOwn || balance.immigrators.has(partition, replica);
    return isOwn && this.#immigrations[partition] === 0;
  }
}
