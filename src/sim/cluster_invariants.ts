/**
 * What must hold at every step of a cluster, looked at after each event of a node in which its table or its cluster
 * changed: at most one node accepts writes of a partition under one cluster key, a key has one succession list and one
 * placement, and a node never goes back to a cluster that it has left.
 *
 * @module
 */
import { PARTITION_COUNT, ResultCode } from "../base/mod.ts";
import type { ExchangeResult } from "../cluster/mod.ts";
import type { PartitionTable } from "../partition/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";

/** What a node was, the last time that it was looked at. */
interface Seen {
  startCount: number;
  generation: number;
  committed: ExchangeResult | undefined;
  table: PartitionTable | undefined;
  /** Partitions that the node has begun to serve, or serves again, by a migration since then. */
  readonly taken: number[];
}

/** A cluster as the first of its members committed it. */
interface KnownCluster {
  succession: string;
  rows: number;
}

/** Checks at every step; see the head of the file. */
export class ClusterInvariants {
  readonly #members: readonly ClusterMember[];
  readonly #seen: Seen[];
  readonly #clusters = new Map<number, KnownCluster>();
  /** Looks that found something changed. */
  lookCount = 0;
  /** A node that runs was left out of a cluster: for a while there were two. */
  hadSplit = false;
  /** A node that slept was left out, and came back with what it had. */
  hadSleeper = false;

  constructor(members: readonly ClusterMember[]) {
    this.#members = members;
    this.#seen = members.map(() => ({
      startCount: 0,
      generation: -2,
      committed: undefined,
      table: undefined,
      taken: [],
    }));
  }

  /**
   * Looks at a node after an event of its process.
   *
   * @throws {Error} when an invariant does not hold
   */
  look(member: ClusterMember): void {
    const seen = this.#seen[member.index];
    if (!member.isUp) return;
    const { partitions } = member;
    if (seen.startCount !== member.startCount || seen.table !== partitions) this.#watch(member, seen);
    const { committed } = member.node!.cluster;
    if (partitions.generation === seen.generation && committed === seen.committed) return;
    this.lookCount++;
    seen.generation = partitions.generation;
    const { clusterKey } = member.node!.cluster;
    if (committed !== seen.committed) {
      seen.committed = committed;
      if (committed !== undefined) {
        this.#checkCluster(member, committed);
        this.#noteLeftOut(member, committed);
      }
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        this.#checkMaster(member, partition, clusterKey);
      }
    } else for (const partition of seen.taken) this.#checkMaster(member, partition, clusterKey);
    seen.taken.length = 0;
  }

  /** Hears of each partition of a table that changes hands: thousands do after a rebalance, and each is looked at. */
  #watch(member: ClusterMember, seen: Seen): void {
    const { partitions } = member;
    seen.startCount = member.startCount;
    seen.generation = -2;
    seen.committed = undefined;
    seen.table = partitions;
    seen.taken.length = 0;
    const endImmigration = partitions.endImmigration.bind(partitions);
    partitions.endImmigration = (partition, from) => {
      endImmigration(partition, from);
      seen.taken.push(partition);
    };
  }

  /**
   * Looks at all nodes together: finds what changed without a change of a table's generation.
   *
   * @throws {Error} when an invariant does not hold
   */
  lookAtAll(): void {
    for (const member of this.#members) {
      if (!member.isUp || member.node!.cluster.clusterKey === 0) continue;
      const { clusterKey } = member.node!.cluster;
      const isShared = this.#members.some((other) =>
        other.index > member.index && other.isUp && other.node!.cluster.clusterKey === clusterKey
      );
      if (!isShared) continue;
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        this.#checkMaster(member, partition, clusterKey);
      }
    }
  }

  #noteLeftOut(member: ClusterMember, { succession }: ExchangeResult): void {
    // What nobody can ask is no side of a split.
    if (member.isCutOff && succession.length < this.#members.filter(({ isUp }) => isUp).length) {
      this.hadSleeper = true;
      return;
    }
    for (const other of this.#members) {
      if (!other.isUp) continue;
      const { cluster } = other.node!;
      if (cluster.clusterKey === 0 || succession.includes(cluster.self)) continue;
      if (other.isFrozen || cluster.isFenced || other.isCutOff) this.hadSleeper = true;
      else this.hadSplit = true;
    }
  }

  #checkCluster(member: ClusterMember, { clusterKey, succession }: ExchangeResult): void {
    const rows = hashRows(member);
    const text = succession.join(" ");
    const known = this.#clusters.get(clusterKey);
    if (known === undefined) {
      this.#clusters.set(clusterKey, { succession: text, rows });
      return;
    }
    const key = clusterKey.toString(16);
    expect(
      known.succession === text,
      `cluster ${key} is "${known.succession}" and, on ${member.id}, "${text}"`,
    );
    expect(
      known.rows === rows,
      `nodes of cluster ${key} (${text}) computed different rows; one is ${member.id}`,
    );
  }

  #checkMaster(member: ClusterMember, partition: number, clusterKey: number): void {
    if (clusterKey === 0 || member.partitions.admit(partition) !== ResultCode.OK) return;
    for (const other of this.#members) {
      if (other === member || !other.isUp || other.node!.cluster.clusterKey !== clusterKey) continue;
      if (other.partitions.admit(partition) !== ResultCode.OK) continue;
      throw new Error(
        `Both ${other.id} and ${member.id} accept writes of partition ${partition} in cluster ${
          clusterKey.toString(16)
        }: ${partText(other, partition)}; ${partText(member, partition)}`,
      );
    }
  }
}

/** A node's part in a partition, for a report. */
function partText({ id, partitions }: ClusterMember, partition: number): string {
  const { balance } = partitions;
  const place = balance?.selfPlace[partition] ?? 0;
  return `${id} at place ${place} waits for ${partitions.pendingImmigrations(partition)} and sends ${
    partitions.pendingEmigrations(partition)
  } transfers, working master is ${partitions.workingMaster(partition)}`;
}

/** A number that nodes with the same rows, working masters and number of copies have in common. */
function hashRows(member: ClusterMember): number {
  const { balance, effectiveReplicationFactor } = member.partitions;
  let hash = effectiveReplicationFactor;
  if (balance === undefined) return hash;
  for (const places of [balance.placement.rows.order, balance.workingPlace]) {
    for (let at = 0; at < places.length; at++) hash = Math.imul(hash ^ places[at], 0x01000193);
  }
  return hash >>> 0;
}

function expect(condition: boolean, found: string): void {
  if (!condition) throw new Error(`An invariant of the cluster does not hold: ${found}`);
}
