/**
 * What must hold of single records and copies whenever a node changes them, heard from the nodes' own parts:
 *
 * | when | what |
 * | ---- | ---- |
 * | a write of a client is stored | its last update time is later than that of the version before |
 * | a record from another node is stored | no truncation mark of this node covers it |
 * | the same | the node is a replica of its partition, or has a copy of it |
 * | a write was confirmed, before its client hears | each replica has what the master has, or something later, or truncates it |
 * | a write is in doubt | replicas that lack it are noted, to be mended later |
 * | a node that is not the master answers a read | it has the partition whole |
 * | an acting master commits a hand-off | no write of the partition waits for replicas: the new master has all of them |
 * | a node is told that its copy of a partition is not needed | each replica has the partition whole |
 * | a node removes its copy of a partition | it has given up the version first: nobody takes it for a complete one |
 *
 * Comparing copies when all is quiet finds less: the next write of a record, or the next migration, hides what went wrong.
 *
 * @module
 */
import { partitionId, ResultCode } from "../base/mod.ts";
import type { AerieNode } from "../node/mod.ts";
import type { RecordChange } from "../port/mod.ts";
import { EntryRef, FlatRecord } from "../storage/mod.ts";
import type { ReplicaWrite } from "../transaction/mod.ts";
import { digestKey } from "./cluster_copies.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { MergeWatch } from "./cluster_merge_watch.ts";

/** Checks each change; see the head of the file. */
export class ClusterWatch {
  /** Confirmed writes whose copies were compared. */
  confirmedCount = 0;
  /** Hears of each write that replicas have not confirmed in its time, by the name of its record. */
  onUnconfirmed: (name: string) => void = () => {};
  /** Hears of each record that a merge removes as left over, with the generation of the tombstone that it leaves. */
  onLeftOver: (name: string, generation: number) => void = () => {};
  /** Whether data on disks may be damaged, or unreadable. */
  disksFailed: () => boolean = () => false;
  readonly #members: readonly ClusterMember[];
  readonly #names: ReadonlyMap<string, string>;
  readonly #watched = new WeakSet<AerieNode>();
  /** What becomes of copies that meet. */
  readonly merges: MergeWatch;
  readonly #committed = new WeakMap<AerieNode, unknown>();
  readonly #old = new FlatRecord();
  readonly #new = new FlatRecord();
  readonly #entry = new EntryRef();
  readonly #other = new EntryRef();

  /**
   * @param members the nodes
   * @param names of records by digest
   */
  constructor(members: readonly ClusterMember[], names: ReadonlyMap<string, string>) {
    this.#members = members;
    this.#names = names;
    this.merges = new MergeWatch({ members, names, disksFailed: () => this.disksFailed() });
  }

  /** Looks at a node after an event of its process; listens to it from then on. */
  watch(member: ClusterMember): void {
    const node = member.node!;
    if (!this.#watched.has(node)) this.#listen(member, node);
    const { committed } = node.cluster;
    if (committed === undefined || this.#committed.get(node) === committed) return;
    this.#committed.set(node, committed);
    this.merges.onCommitted(member);
  }

  #listen(member: ClusterMember, node: AerieNode): void {
    this.#watched.add(node);
    this.merges.watch(member, (check) => this.#fail(member, check));
    const { peers } = node;
    const onWriteEnded = peers.onWriteEnded.bind(peers);
    peers.onWriteEnded = (write) => {
      if (write.resultCode === ResultCode.OK) this.#checkConfirmed(member, write);
      if (write.resultCode === ResultCode.TIMEOUT) {
        this.#checkMended(member, write);
        this.onUnconfirmed(this.#nameOf(write.record.digest));
      }
      onWriteEnded(write);
    };
    const route = peers.route.bind(peers);
    peers.route = (context, namespace) => {
      const step = route(context, namespace);
      const partition = partitionId(context.request.bytes, context.digestAt);
      if (step === undefined) this.#fail(member, () => checkComplete(member, partition));
      return step;
    };
    this.#watchTable(member);
    this.#watchLeftOver(member);
    member.store.changes.subscribe((change) => this.#fail(member, () => this.#checkChange(member, change)));
  }

  /** A tombstone that comes from another node is stored as it is; a merge makes its own for what it removes alone. */
  #watchLeftOver({ store }: ClusterMember): void {
    const bury = store.bury.bind(store);
    store.bury = (digest, at, entry, cause) => {
      const resultCode = bury(digest, at, entry, cause);
      const isLeftOver = cause.origin === "migration" && resultCode === ResultCode.OK;
      if (isLeftOver) this.onLeftOver(this.#nameOf(digest.subarray(at)), entry.generation);
      return resultCode;
    };
  }

  #fail({ machine }: ClusterMember, check: () => void): void {
    try {
      check();
    } catch (error) {
      machine.world.simulation.fail(error);
    }
  }

  #checkChange(member: ClusterMember, change: RecordChange): void {
    this.merges.onChange(member, change);
    const { origin, digest, digestAt } = change;
    if (change.new === undefined) return;
    if (origin === "replica" || origin === "migration") {
      const { store, partitions } = member;
      const partition = partitionId(digest, digestAt);
      if (!partitions.isReplica(partition) && !partitions.versions.exists(partition)) {
        throw new Error(
          `${member.id} took a record of partition ${partition}, of which it is to have no copy`,
        );
      }
      const isThere = store.find(digest, digestAt, this.#entry);
      if (!isThere || !store.isTruncated(this.#entry)) return;
      throw new Error(
        `${member.id} took ${this.#nameOf(digest.subarray(digestAt))}, which was truncated before`,
      );
    }
    if (origin !== "client" || change.old === undefined) return;
    const before = this.#old;
    const after = this.#new;
    before.open(change.old, 0);
    after.open(change.new, 0);
    if (after.lastUpdateMs > before.lastUpdateMs) return;
    throw new Error(
      `${member.id} wrote ${
        this.#nameOf(change.digest.subarray(change.digestAt))
      } at ${after.lastUpdateMs}, ` +
        `no later than the version before, of ${before.lastUpdateMs}`,
    );
  }

  #checkConfirmed(member: ClusterMember, { record }: ReplicaWrite): void {
    const { namespace: { store, partitions }, digest, partition } = record;
    const { clusterKey } = member.node!.cluster;
    const entry = this.#entry;
    // What a merge has brought since is none of this write.
    const isThere = store.find(digest, 0, entry) && entry.writeEpoch === store.writeEpoch &&
      !mayGo(member, entry);
    if (!isThere || partitions.balance?.clusterKey !== clusterKey) return;
    this.confirmedCount++;
    for (const id of partitions.otherReplicas(partition)) {
      const other = this.#members.find((one) => one.isUp && one.node!.cluster.self === id);
      if (other === undefined || other.node!.cluster.clusterKey !== clusterKey) continue;
      const has = other.store.find(digest, 0, this.#other);
      if (has && this.#other.lastUpdateMs >= entry.lastUpdateMs) continue;
      if (hasTruncated(other, member, entry)) continue;
      const found = has ? `has the version of ${this.#other.lastUpdateMs}` : "has none";
      throw new Error(
        `A write of ${this.#nameOf(digest)} at ${entry.lastUpdateMs} was confirmed by ${member.id}, ` +
          `but its replica ${other.id} ${found}`,
      );
    }
  }

  /** What is in doubt must come to the replicas that lack it later. */
  #checkMended(member: ClusterMember, { record }: ReplicaWrite): void {
    const { namespace: { store, partitions }, digest, partition } = record;
    const { cluster: { clusterKey }, peers } = member.node!;
    const entry = this.#entry;
    if (peers.repairs.count > 0 || !store.find(digest, 0, entry)) return;
    for (const id of partitions.otherReplicas(partition)) {
      const other = this.#members.find((one) => one.isUp && one.node!.cluster.self === id);
      if (other === undefined || other.node!.cluster.clusterKey !== clusterKey) continue;
      if (other.store.find(digest, 0, this.#other) && this.#other.lastUpdateMs >= entry.lastUpdateMs) {
        continue;
      }
      throw new Error(
        `A write of ${
          this.#nameOf(digest)
        } at ${member.id} is in doubt, ${other.id} lacks it, and nobody mends it`,
      );
    }
  }

  #watchTable(member: ClusterMember): void {
    const { partitions } = member;
    const commitHandOff = partitions.commitHandOff.bind(partitions);
    partitions.commitHandOff = (partition) => {
      this.#fail(member, () => checkDrained(member, partition));
      commitHandOff(partition);
    };
    const allDone = partitions.allDone.bind(partitions);
    partitions.allDone = (partition) => {
      const answer = allDone(partition);
      if (answer === "drop") this.#fail(member, () => this.#checkWhole(member, partition));
      return answer;
    };
    const setDropping = partitions.setDropping.bind(partitions);
    partitions.setDropping = (partition, isDropping) => {
      if (isDropping && partitions.versions.exists(partition)) {
        const error = new Error(
          `${member.id} removes its copy of partition ${partition} and still claims it`,
        );
        member.machine.world.simulation.fail(error);
      }
      setDropping(partition, isDropping);
    };
  }

  #checkWhole(member: ClusterMember, partition: number): void {
    const { clusterKey } = member.node!.cluster;
    for (const other of this.#members) {
      if (!other.isUp || other.node!.cluster.clusterKey !== clusterKey) continue;
      const { partitions } = other;
      if (!partitions.isReplica(partition) || partitions.isComplete(partition)) continue;
      throw new Error(
        `${member.id} may remove its copy of partition ${partition}, which ${other.id} has not got whole`,
      );
    }
  }

  #nameOf(digest: Uint8Array): string {
    return this.#names.get(digestKey(digest)) ?? "a record";
  }
}

/** Only the master, and replicas that have everything, answer reads. */
function checkComplete({ id, partitions }: ClusterMember, partition: number): void {
  if (partitions.isComplete(partition)) return;
  throw new Error(`${id} answers a read of partition ${partition}, of which it has not got everything yet`);
}

function checkDrained({ id, node, partitions }: ClusterMember, partition: number): void {
  let isDrained = false;
  node!.peers.whenWritesEnded({ namespace: { partitions }, partition }, () => void (isDrained = true));
  if (!isDrained) {
    throw new Error(`${id} hands partition ${partition} off while a write of it waits for replicas`);
  }
}

/** Whether other nodes may have removed a record by their own clocks and marks, or soon remove it. */
function mayGo({ store }: ClusterMember, entry: EntryRef): boolean {
  return entry.voidTime !== 0 || entry.isTombstone || store.isTruncated(entry);
}

/**
 * Whether a node truncates a record of another one, that may not know the mark yet: marks come to the nodes one after the
 * other, and a write that is older than a replica's mark is confirmed without being kept. The master removes it too, once
 * the mark has come.
 */
function hasTruncated({ store }: ClusterMember, master: ClusterMember, entry: EntryRef): boolean {
  const { name } = master.store.sets.byId(entry.setId) ?? {};
  const setMark = name === undefined ? 0 : store.sets.byName(name)?.truncateLutMs ?? 0;
  return entry.lastUpdateMs <= Math.max(store.truncateLutMs, setMark);
}
