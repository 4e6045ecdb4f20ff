/**
 * What must hold when copies of a partition meet, looked at in the step that decides it:
 *
 * | when | what |
 * | ---- | ---- |
 * | a cluster is committed | a copy that a complete one contains is no duplicate: it is not merged |
 * | a write of a client is stored while there are duplicates | what it was made from is no worse than what any of them has |
 * | a replica has a transfer from the final master | what it had before and does not have from it is the same there |
 * | any transfer has ended | what it brought is on the disk as it will be found after a power cut |
 * | a replica write is acknowledged | the node is a replica in its own view |
 * | a tombstone is removed for its age | it has that age |
 *
 * All nodes are in one process, so that what others have is looked up there.
 *
 * @module
 */
import { partitionId, ResultCode } from "../base/mod.ts";
import { CAPABILITY } from "../cluster/mod.ts";
import { balanceInput, covers, MERGE_RULE, nodeAt } from "../partition/mod.ts";
import type { RecordChange } from "../port/mod.ts";
import {
  compareVersions,
  EntryRef,
  FLAT_DIGEST_AT,
  FlatRecord,
  type NamespaceStore,
} from "../storage/mod.ts";
import { type NodeId, RW_OPERATION } from "../wire/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { truncationMark } from "./cluster_truncation.ts";
import { mayBeTruncated, WORKLOAD_NAMESPACE } from "./workload.ts";

/** Clocks of two nodes are apart by less than this, and go back by less. */
const CLOCK_CHANGE_MAX_MS = 31_000;

/** Offset of the byte with the tree id, in a flat record: each node's own. */
const TREE_ID_AT = 7;

/** What the checks need to know of the run. */
export interface MergeWatchOptions {
  readonly members: readonly ClusterMember[];
  /** Names of records by digest, as text. */
  readonly names: ReadonlyMap<string, string>;
  /** Whether data on disks may be damaged, or unreadable. */
  readonly disksFailed: () => boolean;
}

/** A record that a transfer brought, where it was put. */
interface Brought {
  readonly digest: Uint8Array;
  readonly location: number;
  readonly lastUpdateMs: number;
}

/** Checks each step; see the head of the file. */
export class MergeWatch {
  /** Writes, and records after transfers, that were compared. */
  writeCount = 0;
  transferredCount = 0;
  readonly #options: MergeWatchOptions;
  readonly #digests = new Map<number, Uint8Array[]>();
  readonly #clusters = new Set<number>();
  /** Whether time decided, of the merges of a partition. */
  readonly #rules = new Map<number, Set<boolean>>();
  readonly #brought = new Map<ClusterMember, Map<number, Brought[]>>();
  readonly #here = new EntryRef();
  readonly #there = new EntryRef();
  readonly #base = new FlatRecord();
  readonly #written = new FlatRecord();

  /** @param options what the checks need to know of the run */
  constructor(options: MergeWatchOptions) {
    this.#options = options;
  }

  /** Listens to a node that has started, or starts again; `check` takes what a check throws. */
  watch(member: ClusterMember, check: (run: () => void) => void): void {
    this.#brought.set(member, new Map());
    const { partitions, store } = member;
    const endImmigration = partitions.endImmigration.bind(partitions);
    partitions.endImmigration = (partition, from) => {
      check(() => this.#checkTransfer(member, partition, from));
      endImmigration(partition, from);
    };
    const remove = store.remove.bind(store);
    store.remove = (digest, at, entry, origin) => {
      if (origin === "tomb-raider") check(() => checkAge(member, entry));
      remove(digest, at, entry, origin);
    };
    this.#watchAnswers(member, check);
  }

  /** A replica answers within the event that brought the write, or later when it waits for its disk. */
  #watchAnswers(member: ClusterMember, check: (run: () => void) => void): void {
    const { peers } = member.node!;
    let isTaking = false;
    const onRw = peers.onRw.bind(peers);
    peers.onRw = (from, reader) => {
      isTaking = true;
      onRw(from, reader);
      isTaking = false;
    };
    const sendRw = peers.sendRw.bind(peers);
    peers.sendRw = (node, message) => {
      const { operation, resultCode, digest } = message;
      if (isTaking && operation === RW_OPERATION.WRITE_ACK && resultCode === ResultCode.OK) {
        const partition = partitionId(digest.bytes, digest.at);
        check(() => checkOwnView(member, partition));
      }
      return sendRw(node, message);
    };
  }

  /** What merges there were does not count any more, but for those under way. */
  forgetRules(): void {
    this.#rules.clear();
    for (const member of this.#options.members) {
      if (!member.isUp) continue;
      const { partitions } = member;
      this.#noteRules(member, (partition) => partitions.pendingImmigrations(partition) > 0);
    }
  }

  /** Whether copies of a partition were merged in several steps since, some by policy and some by time. */
  hadBothRules(partition: number): boolean {
    return this.#rules.get(partition)?.size === 2;
  }

  #noteRules({ partitions: { balance } }: ClusterMember, isNoted: (partition: number) => boolean): void {
    for (const partition of this.#partitions()) {
      const rule = balance?.mergeRules[partition] ?? 0;
      if ((rule & MERGE_RULE.MERGES) === 0 || !isNoted(partition)) continue;
      const rules = this.#rules.get(partition) ?? new Set();
      this.#rules.set(partition, rules.add((rule & MERGE_RULE.BY_TIME) !== 0));
    }
  }

  /** A node's cluster has changed. */
  onCommitted(member: ClusterMember): void {
    const { partitions, node } = member;
    const { balance } = partitions;
    const { committed } = node!.cluster;
    if (committed === undefined || balance?.clusterKey !== committed.clusterKey) return;
    if (this.#clusters.has(committed.clusterKey)) return;
    this.#clusters.add(committed.clusterKey);
    this.#noteRules(member, () => true);
    const { members, lineages } = balanceInput(committed, {
      namespace: WORKLOAD_NAMESPACE,
      self: node!.cluster.self,
    });
    if (lineages === undefined) return;
    for (const partition of this.#partitions()) {
      const copies = members.map(({ node, versions: { low, high } }) => ({
        node,
        low: low[partition],
        high: high[partition],
        lineage: lineages.get(node)!.get(partition),
      })).filter(({ low, high }) => low !== 0 || high !== 0);
      for (const one of copies) {
        const owner = copies.find((other) => covers(other, one) && !covers(one, other));
        if (owner === undefined || !isDuplicate(member, partition, one.node)) continue;
        throw new Error(
          `The copy of partition ${partition} on ${one.node} is merged, though the one on ${owner.node} contains it`,
        );
      }
    }
  }

  /** A record has changed: remembers what a transfer brought, and looks at what a write was made from. */
  onChange(member: ClusterMember, change: RecordChange): void {
    const { digest, digestAt, origin } = change;
    if (change.new === undefined) return;
    if (origin === "client") return this.#checkBase(member, change);
    if (origin !== "migration" || member.store.disk === undefined) return;
    const entry = this.#here;
    if (!member.store.find(digest, digestAt, entry)) return;
    const partition = partitionId(digest, digestAt);
    const byPartition = this.#brought.get(member)!;
    const list = byPartition.get(partition) ?? [];
    byPartition.set(partition, list);
    const { location, lastUpdateMs } = entry;
    list.push({ digest: digest.slice(digestAt, digestAt + 20), location, lastUpdateMs });
  }

  #checkBase(member: ClusterMember, change: RecordChange): void {
    const { partitions } = member;
    const { peers, cluster } = member.node!;
    const { digest, digestAt } = change;
    const partition = partitionId(digest, digestAt);
    if (!partitions.mayHaveDuplicates(partition)) return;
    if (partitions.balance?.clusterKey !== cluster.clusterKey) return;
    // What was written since the last change of the cluster has seen all of them.
    const isUnread = change.existed && change.old === undefined;
    if (isUnread) return;
    if (change.old !== undefined) this.#base.open(change.old, 0);
    const base = change.old === undefined ? undefined : this.#base;
    // A write that waits for its replicas is raised above what a change of the cluster has brought.
    this.#written.open(change.new!, 0);
    if (base?.generation === this.#written.generation) return;
    if (base !== undefined && base.lastUpdateMs > peers.cutOffMs) return;
    for (const id of partitions.duplicates(partition)) {
      const other = this.#find(id, cluster.clusterKey);
      const entry = this.#there;
      if (other === undefined || !other.store.find(digest, digestAt, entry)) continue;
      if (entry.voidTime !== 0 || this.#isTruncated([member, other], { digest, digestAt, entry })) continue;
      this.writeCount++;
      const isBetter = base === undefined ||
        (compareVersions(entry, base, "last-update-time") > 0 &&
          compareVersions(entry, base, "generation") > 0);
      if (!isBetter) continue;
      const found = base === undefined ? "nothing" : `generation ${base.generation} LUT ${base.lastUpdateMs}`;
      throw new Error(
        `${member.id} wrote ${this.#nameOf(digest, digestAt)} from ${found}, though its duplicate ` +
          `${other.id} has generation ${entry.generation} LUT ${entry.lastUpdateMs}`,
      );
    }
  }

  #checkTransfer(member: ClusterMember, partition: number, from: NodeId): void {
    const { partitions } = member;
    // Which of several transfers brought a record is not known.
    if (partitions.pendingImmigrations(partition) === 1) this.#checkDurable(member, partition);
    const { clusterKey } = member.node!.cluster;
    const source = this.#find(from, clusterKey);
    const { balance } = partitions;
    if (source === undefined || balance === undefined || balance.selfPlace[partition] === 0) return;
    if (this.#options.disksFailed()) return;
    // Where no delta tells what a replica has, it keeps what the others have lost without a trace.
    const isTold = (member.node!.cluster.committed!.capabilities & CAPABILITY.DELTA_MIGRATION) !== 0;
    for (const digest of this.#digestsOf(partition)) {
      if (isTold || !mayBeTruncated(this.#nameOf(digest, 0))) {
        this.#compare(member, source, { digest, isTold });
      }
    }
  }

  /** What a replica had before must be what the source has, which has everything; what is written since may differ. */
  #compare(
    member: ClusterMember,
    source: ClusterMember,
    { digest, isTold }: { digest: Uint8Array; isTold: boolean },
  ): void {
    const here = this.#here;
    const there = this.#there;
    const { store } = member;
    if (!store.find(digest, 0, here) || here.writeEpoch === store.writeEpoch) return;
    const record = { digest, digestAt: 0, entry: here };
    if (here.voidTime !== 0 || this.#isTruncated([member, source], record)) return;
    this.transferredCount++;
    const has = source.store.find(digest, 0, there);
    if (has && there.voidTime !== 0) return;
    const isWritten = has && there.writeEpoch === source.store.writeEpoch;
    if (isWritten && there.lastUpdateMs > here.lastUpdateMs) return;
    // A device keeps tombstones, because a start would find what was before them.
    if (!has && (here.isTombstone || !isTold)) return;
    const isSame = has && here.generation === there.generation && here.lastUpdateMs === there.lastUpdateMs &&
      sameBytes(member.store, source.store, { here, there });
    if (isSame) return;
    const text = has ? `generation ${there.generation} LUT ${there.lastUpdateMs}` : "none";
    throw new Error(
      `${member.id} has all of ${source.id}, and ${this.#nameOf(digest, 0)} still with generation ` +
        `${here.generation} LUT ${here.lastUpdateMs}, of which that has ${text}`,
    );
  }

  #checkDurable(member: ClusterMember, partition: number): void {
    const byPartition = this.#brought.get(member)!;
    const list = byPartition.get(partition) ?? [];
    byPartition.delete(partition);
    if (this.#options.disksFailed()) return;
    for (const { digest, location, lastUpdateMs } of list) {
      const entry = this.#here;
      const isThere = member.store.find(digest, 0, entry) && entry.location === location &&
        entry.lastUpdateMs === lastUpdateMs;
      if (!isThere || isDurable(member, location, digest)) continue;
      throw new Error(
        `${member.id} says that it has all of a transfer of partition ${partition}, but ${
          this.#nameOf(digest, 0)
        } is not synced`,
      );
    }
  }

  #find(id: NodeId, clusterKey: number): ClusterMember | undefined {
    return this.#options.members.find(({ isUp, node }) =>
      isUp && node!.cluster.self === id && node!.cluster.clusterKey === clusterKey
    );
  }

  #partitions(): Iterable<number> {
    this.#readNames();
    return this.#digests.keys();
  }

  #digestsOf(partition: number): readonly Uint8Array[] {
    this.#readNames();
    return this.#digests.get(partition) ?? [];
  }

  /** Names come when clients start, and stay. */
  #readNames(): void {
    if (this.#digests.size > 0) return;
    for (const key of this.#options.names.keys()) {
      const digest = Uint8Array.from(key.match(/../g)!, (text) => parseInt(text, 16));
      const partition = partitionId(digest, 0);
      this.#digests.set(partition, [...this.#digests.get(partition) ?? [], digest]);
    }
  }

  /** Whether one of the nodes truncates a record, or soon will. */
  #isTruncated(
    members: readonly ClusterMember[],
    { digest, digestAt, entry }: { digest: Uint8Array; digestAt: number; entry: EntryRef },
  ): boolean {
    return mayBeTruncated(this.#nameOf(digest, digestAt)) &&
      members.some((member) => entry.lastUpdateMs <= truncationMark(member));
  }

  #nameOf(digest: Uint8Array, at: number): string {
    let key = "";
    for (const byte of digest.subarray(at, at + 20)) key += byte.toString(16).padStart(2, "0");
    return this.#options.names.get(key) ?? "a record";
  }
}

function isDuplicate({ partitions: { balance } }: ClusterMember, partition: number, node: NodeId): boolean {
  for (let place = 0; place < balance!.nodes.length; place++) {
    if (nodeAt(balance!, partition, place) === node) return balance!.duplicates.has(partition, place);
  }
  return false;
}

/** Whether two nodes have a record with the same bytes, as far as both have it in memory. */
function sameBytes(
  one: NamespaceStore,
  other: NamespaceStore,
  entries: { here: EntryRef; there: EntryRef },
): boolean {
  const { here, there } = entries;
  const left = one.space.peek(here.location, here.sizeUnits);
  const right = other.space.peek(there.location, there.sizeUnits);
  if (left === undefined || right === undefined) return true;
  return left.length === right.length && left.every((byte, at) => at === TREE_ID_AT || byte === right[at]);
}

/** Whether what is at a location would be found there after a power cut. */
function isDurable(
  { machine: { disk }, store }: ClusterMember,
  location: number,
  digest: Uint8Array,
): boolean {
  const { blocks } = store.disk!;
  const block = blocks.blockOf(location);
  const offset = blocks.deviceOffset(block) + blocks.offsetOf(location) + FLAT_DIGEST_AT;
  const found = disk.readSynced(blocks.device(block).path, offset, digest.length);
  return found.every((byte, at) => byte === digest[at]);
}

function checkOwnView({ id, partitions }: ClusterMember, partition: number): void {
  if (partitions.isReplica(partition)) return;
  throw new Error(`${id} acknowledges a replica write of partition ${partition}, of which it is no replica`);
}

function checkAge({ id, store }: ClusterMember, entry: EntryRef): void {
  const ageMs = store.nowMs() - entry.lastUpdateMs;
  if (ageMs >= store.settings.tombRaiderEligibleAge * 1000 - CLOCK_CHANGE_MAX_MS) return;
  throw new Error(`${id} removes a tombstone that is ${ageMs} ms old`);
}
