/**
 * Requests that involve other nodes: replica writes, duplicates, requests that are sent on. One object per node.
 *
 * | what | where |
 * | ---- | ----- |
 * | the master's side of a write | `replica_write.ts`, `replica_repair.ts` |
 * | the replica's side, and answers about duplicates | `replica_receiver.ts` |
 * | duplicates before a write or read | `duplicates.ts` |
 * | requests sent on, and those of others | `proxy_sender.ts`, `proxy_receiver.ts` |
 *
 * Transaction ids find the question to an answer. They are never used again within a process and begin at a random
 * number, so that answers to a former process find nothing.
 *
 * @module
 */

import { equalBytes, partitionId, PLANTED, ResultCode } from "../base/mod.ts";
import { CAPABILITY } from "../cluster/mod.ts";
import type { Clock } from "../port/mod.ts";
import { type Waiter, withoutIndexes } from "../storage/mod.ts";
import {
  type ByteSpan,
  FABRIC_CHANNEL,
  INFO1,
  INFO2,
  INFO3,
  type NodeId,
  type PeerReader,
  RW_OPERATION,
  RwMessage,
} from "../wire/mod.ts";
import { type Namespace, STEP, type Step, type TransactionContext } from "./context.ts";
import { lastUpdateOf } from "./copy_request.ts";
import { Deferral } from "./deferral.ts";
import type { Admission } from "./in_flight.ts";
import { DuplicateResolution } from "./duplicates.ts";
import { PeerTimer } from "./peer_timer.ts";
import type { PeerOptions, PeerView } from "./peer_types.ts";
import { RecordMender } from "./record_mender.ts";
import { UnorderedWrites } from "./unordered_writes.ts";
import { keepUnsettled } from "./unsettled_records.ts";
import { ProxyReceiver } from "./proxy_receiver.ts";
import { ProxySender } from "./proxy_sender.ts";
import { RecentWrites } from "./recent_writes.ts";
import { ReplicaOrder } from "./replica_order.ts";
import { ReplicaReceiver } from "./replica_receiver.ts";
import { ReplicaRepairs } from "./replica_repair.ts";
import {
  type DropKind,
  ReplicaWrite,
  sendWithoutWaiting,
  type WriteNote,
  type WrittenRecord,
} from "./replica_write.ts";
import { KIND, type Kind } from "./stats.ts";

/** Waits for answers to one question. */
export interface RwAsk {
  /** An answer came; the message is lent until the call returns. */
  onAck(from: NodeId, message: RwMessage): void;
  /** The cluster changed. */
  onCluster(): void;
}

/** A partition of a namespace. */
export interface PartitionAt {
  /** The namespace, by its table. */
  readonly namespace: Pick<Namespace, "partitions">;
  /** The partition. */
  readonly partition: number;
}

/**
 * Writes from a master that is gone are sent on when they are at most this old: longer than a dead master goes unnoticed
 * and a new cluster takes to form.
 */
const RECENT_WRITE_AGE_MS = 15_000;

/** Times ahead of this node's clock that it follows: writes stop at a larger skew than this. */
const AHEAD_MAX_MS = 40_000;

const ID_LIMIT = 0x1_0000_0000;

/** See the head of the file. */
export class PeerTransactions {
  /** This node. */
  readonly self: NodeId;
  /** Time. */
  readonly clock: Clock;
  /** What waits for its time. */
  readonly timer: PeerTimer;
  /** Replicas that are to be mended. */
  readonly repairs: ReplicaRepairs;
  /** Records that can't be read here. */
  readonly mender: RecordMender;
  /** Replica writes that this node took lately. */
  readonly recent: RecentWrites = new RecentWrites();
  /** Requests that are sent on. */
  readonly proxies: ProxySender;
  /** Requests of other nodes. */
  readonly proxied: ProxyReceiver;
  /** Namespaces in their configured order. */
  readonly namespaces: readonly Namespace[];
  /** Whether tombstones may be sent: all members know them. */
  takesTombstones = true;
  /** Whether records may be sent with persisted indexes: all members know their form. */
  #takesIndexes = true;
  /** Members that know tombstones, whatever the others do. */
  readonly #knowTombstones = new Set<NodeId>();
  /** Records written after this time, in ms since 2010, need no question for duplicates. */
  cutOffMs = 0;
  readonly #options: PeerOptions;
  readonly #receiver: ReplicaReceiver;
  readonly #asks = new Map<number, RwAsk>();
  readonly #writes = new Set<ReplicaWrite>();
  readonly #writeWaiters: { at: PartitionAt; done: () => void }[] = [];
  #order: ReplicaOrder | undefined;
  #unordered: UnorderedWrites | undefined;
  readonly #in = new RwMessage();
  readonly #out = new RwMessage();
  #nextId: number | undefined;
  #latestUpdateMs = 0;
  /** Aerie nodes, which are told the cluster key; none where this node is one that tells nothing of itself. */
  readonly #ours = new Set<NodeId>();
  #members: ReadonlySet<NodeId> = new Set();
  /** Nodes that left since the last balance, some of which may be back. */
  readonly #departed = new Set<NodeId>();

  /** @param options the node's parts; its namespaces are told of this object */
  constructor(options: PeerOptions) {
    this.#options = options;
    this.self = options.self;
    this.clock = options.clock;
    this.namespaces = options.namespaces;
    this.timer = new PeerTimer(options.clock);
    this.repairs = new ReplicaRepairs(this);
    this.mender = new RecordMender(this);
    keepUnsettled(this, RECENT_WRITE_AGE_MS);
    this.#receiver = new ReplicaReceiver(this);
    this.proxies = new ProxySender(this);
    this.proxied = new ProxyReceiver(this);
    for (const namespace of options.namespaces) namespace.peers = this;
  }

  /** Key of the cluster that the partition tables belong to; 0 for none. */
  get clusterKey(): number {
    return this.#options.clusterKey();
  }

  /** Whether the node may serve nobody for the moment; looks first whether it has just slept. */
  get isFenced(): boolean {
    return this.#options.isFenced();
  }

  // What transactions ask for.

  /**
   * Sends a record that was just changed here to its other replicas. The reply is complete.
   *
   * @returns DONE when nobody waits for them, else DEFERRED
   */
  replicate(context: TransactionContext, namespace: Namespace, kind: Kind): Step {
    const { request, digestAt } = context;
    const partition = partitionId(request.bytes, digestAt);
    if (!namespace.partitions.hasOtherReplicas(partition)) return this.#endAtOnce(context, namespace, kind);
    const digest = request.bytes.slice(digestAt, digestAt + 20);
    const record = { namespace, digest, partition };
    if (PLANTED.ackBeforeReplica || this.#answersAtOnce(context, record)) {
      if (sendWithoutWaiting(this, record, context.waiter)) return this.#endAtOnce(context, namespace, kind);
    }
    const deferral = context.deferral = new Deferral();
    const note = { origin: context.origin, kind, budgetMs: this.budgetMs(context, namespace) };
    const write = this.#start({ record, note, deferral });
    namespace.inFlight.transfer(digest, 0, { from: context.waiter, to: write });
    write.begin();
    return STEP.DEFERRED;
  }

  /** Sends a record that the node itself has changed to its other replicas; its waiter holds the record, or nobody. */
  replicateOwn(record: WrittenRecord, note: WriteNote, waiter: Waiter): void {
    if (!record.namespace.partitions.hasOtherReplicas(record.partition)) return;
    const write = this.#start({ record, note, deferral: new Deferral() });
    record.namespace.inFlight.transfer(record.digest, 0, { from: waiter, to: write });
    write.begin();
  }

  #start(options: ConstructorParameters<typeof ReplicaWrite>[1]): ReplicaWrite {
    const write = new ReplicaWrite(this, options);
    this.#writes.add(write);
    return write;
  }

  #endAtOnce(context: TransactionContext, namespace: Namespace, kind: Kind): Step {
    namespace.stats.add(context.origin, kind, ResultCode.OK);
    return STEP.DONE;
  }

  /** Commit level "master", unless a replica's queue is so long that writers should wait. */
  #answersAtOnce({ request }: TransactionContext, { namespace, partition }: WrittenRecord): boolean {
    const { writeCommitLevelOverride } = namespace.settings;
    const wantsMaster = writeCommitLevelOverride === "off"
      ? (request.info3 & INFO3.COMMIT_MASTER) !== 0
      : writeCommitLevelOverride === "master";
    return wantsMaster &&
      namespace.partitions.otherReplicas(partition).every((node) =>
        !this.#options.fabric.isOverloaded({ node, channel: FABRIC_CHANNEL.RW })
      );
  }

  /** Milliseconds that a request may take. */
  budgetMs({ request }: TransactionContext, { service }: Namespace): number {
    const wantedMs = request.transactionTtlMs || service.transactionMaxMs;
    return wantedMs === 0 ? Number.MAX_SAFE_INTEGER : wantedMs;
  }

  /**
   * Takes the better copies of a record from its duplicates, if there may be any.
   *
   * @returns true to go on; false when the transaction is suspended and holds the record
   */
  resolve(context: TransactionContext, namespace: Namespace, kind: Kind): boolean {
    const { request, digestAt, waiter } = context;
    const partition = partitionId(request.bytes, digestAt);
    const { partitions, inFlight, store, entry, settings } = namespace;
    if (!partitions.mayHaveDuplicates(partition) || PLANTED.noDupRes) return true;
    if (kind === KIND.READ ? !mustSeeAll(context, namespace, partition) : settings.disableWriteDupRes) {
      return true;
    }
    const nodes = partitions.duplicates(partition);
    if (nodes.length === 0) return true;
    const { clusterKey } = this;
    if (inFlight.isResolved(request.bytes, digestAt, { waiter, clusterKey })) return true;
    if (store.find(request.bytes, digestAt, entry) && entry.lastUpdateMs > this.cutOffMs) return true;
    inFlight.hold(request.bytes, digestAt, waiter);
    const digest = request.bytes.slice(digestAt, digestAt + 20);
    new DuplicateResolution(this, {
      record: { namespace, digest, partition },
      nodes,
      waiter,
      note: { origin: context.origin, kind, budgetMs: this.budgetMs(context, namespace) },
    }).begin();
    return false;
  }

  /**
   * Whether a read may go on: one that must see the duplicates takes its turn among the writes of its record, and waits
   * for them.
   */
  admitRead(context: TransactionContext, namespace: Namespace): Admission {
    const { request, digestAt, waiter } = context;
    const { partitions, inFlight, settings } = namespace;
    const partition = partitionId(request.bytes, digestAt);
    if (!partitions.mayHaveDuplicates(partition) || !mustSeeAll(context, namespace, partition)) return "go";
    const admission = inFlight.admit(request.bytes, digestAt, waiter, settings.transactionPendingLimit);
    if (admission !== "go") return admission;
    return this.resolve(context, namespace, KIND.READ) ? "go" : "queued";
  }

  /**
   * What to do with a request for a partition that this node does not serve as master.
   *
   * @returns undefined to serve it here all the same, else how the transaction's step ended
   */
  route(context: TransactionContext, namespace: Namespace): Step | undefined {
    const { request } = context;
    const partition = partitionId(request.bytes, context.digestAt);
    const { partitions } = namespace;
    const isRead = (request.info2 & INFO2.WRITE) === 0;
    if (isRead && !wantsAll(context, namespace)) {
      const isHere = partitions.isComplete(partition) ||
        (PLANTED.incompleteProleServes && partitions.isReplica(partition));
      if (isHere) return undefined;
    }
    if (context.isProxied) {
      context.isReturned = true;
      context.refuse(ResultCode.UNAVAILABLE, 0, 0);
      return STEP.DONE;
    }
    return this.proxies.begin(context, namespace, partition);
  }

  /** Calls `done` once no write of a partition waits for its replicas any more. */
  whenWritesEnded(at: PartitionAt, done: () => void): void {
    if (!this.#hasWrites(at)) return done();
    this.#writeWaiters.push({ at, done });
  }

  #hasWrites({ namespace, partition }: PartitionAt): boolean {
    for (const { record } of this.#writes) {
      if (record.partition === partition && record.namespace.partitions === namespace.partitions) return true;
    }
    return false;
  }

  /** Records that some replica may not have yet: writes that wait to be confirmed, and repairs. */
  get unconfirmedCount(): number {
    return this.#writes.size + this.repairs.count;
  }

  /** Whether a client's write waits for its replicas. */
  get isWriting(): boolean {
    return this.#writes.size > 0;
  }

  /** Whether a request waits for what other nodes have of its record. */
  get isResolving(): boolean {
    for (const ask of this.#asks.values()) if (ask instanceof DuplicateResolution) return true;
    return false;
  }

  /** A write no longer waits for its replicas. */
  onWriteEnded(write: ReplicaWrite): void {
    this.#writes.delete(write);
    for (let index = this.#writeWaiters.length - 1; index >= 0; index--) {
      const { at, done } = this.#writeWaiters[index];
      if (this.#hasWrites(at)) continue;
      this.#writeWaiters.splice(index, 1);
      done();
    }
  }

  // Messages.

  /** Takes an rw message. */
  onRw(from: NodeId, reader: PeerReader): void {
    const message = this.#in;
    if (!message.decode(reader)) return;
    switch (message.operation) {
      case RW_OPERATION.WRITE:
      case RW_OPERATION.DUPLICATE:
        return this.#receiver.take(from, message);
      case RW_OPERATION.WRITE_ACK:
      case RW_OPERATION.DUPLICATE_ACK:
        this.#asks.get(message.transactionId ?? -1)?.onAck(from, message);
        if (message.operation === RW_OPERATION.WRITE_ACK) this.#unordered?.onAck(from, message);
        return;
      default:
        return;
    }
  }

  /** Takes a proxy message. */
  onProxy(from: NodeId, reader: PeerReader): void {
    this.proxied.take(from, reader);
  }

  /** An id that was not used before. */
  nextId(): number {
    const id = this.#nextId ?? this.#options.random.u32();
    this.#nextId = (id + 1) % ID_LIMIT;
    return id;
  }

  /** Lets somebody wait for answers; his id. */
  expect(ask: RwAsk): number {
    const id = this.nextId();
    this.#asks.set(id, ask);
    return id;
  }

  /** Answers with an id are not wanted any more. */
  forget(id: number): void {
    this.#asks.delete(id);
  }

  /** A message to fill and send before the next is asked for. */
  rwMessage(namespace: Namespace, operation: number, transactionId: number): RwMessage {
    const message = this.emptyRwMessage();
    message.operation = operation;
    message.namespaceIndex = this.namespaces.indexOf(namespace);
    message.transactionId = transactionId;
    message.namespace.set(namespace.nameBytes);
    message.clusterKey = this.clusterKey;
    return message;
  }

  /** The same without anything in it. */
  emptyRwMessage(): RwMessage {
    this.#out.reset();
    return this.#out;
  }

  /**
   * Sends an rw message; its record goes without persisted indexes where not all members know them, and without the
   * cluster key to a stock node.
   */
  sendRw(node: NodeId, message: RwMessage): string {
    const { record } = message;
    if (!this.#ours.has(node)) message.clusterKey = undefined;
    if (!this.#takesIndexes && record.isPresent) record.set(withoutIndexes(record.view()));
    return this.#options.fabric.send({ node, channel: FABRIC_CHANNEL.RW }, message);
  }

  /** Sends any other message by the same channel. */
  send(node: NodeId, message: Parameters<PeerOptions["fabric"]["send"]>[1]): string {
    return this.#options.fabric.send({ node, channel: FABRIC_CHANNEL.RW }, message);
  }

  /** How a node is told that a record is gone: some member takes no tombstones, but this one may know their versions. */
  dropFor(node: NodeId): DropKind {
    if (this.takesTombstones) return "none";
    return this.#knowTombstones.has(node) ? "versioned" : "bare";
  }

  /** A namespace by its name. */
  findNamespace(name: ByteSpan): Namespace | undefined {
    const { sizeBytes } = name;
    for (const namespace of this.namespaces) {
      const { nameBytes } = namespace;
      if (nameBytes.length !== sizeBytes) continue;
      if (equalBytes(nameBytes, 0, name.bytes, name.at, sizeBytes)) return namespace;
    }
    return undefined;
  }

  /** Remembers the latest time of records from other nodes: what is written after a balance must be later. */
  noteLastUpdate(record: { bytes: Uint8Array; at: number }): void {
    this.#latestUpdateMs = Math.max(this.#latestUpdateMs, lastUpdateOf(record));
  }

  /** The order of replica writes, beside members that take no tombstones. */
  get order(): ReplicaOrder {
    return this.#order ??= new ReplicaOrder();
  }

  /** Writes that were sent to stock replicas. */
  get unordered(): UnorderedWrites {
    return this.#unordered ??= new UnorderedWrites(this);
  }

  // The cluster.

  /** A member of the cluster. */
  isMember(node: NodeId): boolean {
    return this.#members.has(node);
  }

  /** The partition tables follow a new balance. */
  onBalanced(view: PeerView): void {
    this.#members = new Set(view.succession);
    this.takesTombstones = (view.capabilities & CAPABILITY.TOMBSTONES) !== 0;
    this.#takesIndexes = (view.capabilities & CAPABILITY.PERSISTED_INDEX) !== 0;
    this.#knowTombstones.clear();
    this.#ours.clear();
    for (const { node, capabilities } of view.members) {
      if (capabilities === undefined) continue;
      this.#ours.add(node);
      if ((capabilities & CAPABILITY.TOMBSTONES) !== 0) this.#knowTombstones.add(node);
    }
    if (!this.#ours.has(this.self)) this.#ours.clear();
    for (const { store } of this.namespaces) {
      const latestMs = Math.max(this.#latestUpdateMs, this.#options.latestMs());
      this.cutOffMs = Math.max(this.cutOffMs, Math.min(latestMs, store.nowMs() + AHEAD_MAX_MS));
      store.lastUpdateFloorMs = this.cutOffMs + 1;
    }
    for (const ask of [...this.#asks.values()]) ask.onCluster();
    this.proxies.onCluster();
    this.repairs.onCluster();
    this.mender.onCluster();
    this.#sendOnFromTheGone();
  }

  /** A master that is gone, or is no replica any more, may have reached this replica and not the others. */
  #sendOnFromTheGone(): void {
    this.recent.forEach(this.clock.monotonicMs() - RECENT_WRITE_AGE_MS, {
      isGone: (node, { namespace, partition }) =>
        this.#departed.has(node) || !namespace.partitions.isOtherReplica(partition, node),
      visit: (record) =>
        this.repairs.add(record, record.namespace.partitions.otherReplicas(record.partition)),
    });
    this.#departed.clear();
  }

  /** A node is not heard any more: its next process begins with ids of its own. */
  onDeparted(node: NodeId): void {
    this.#departed.add(node);
    this.proxies.onDeparted(node);
    this.#order?.forget(node);
    this.proxied.onDeparted(node);
  }
}

/**
 * Whether a read at the working master must see the duplicates. Copies that are merged by time have one history, parts of
 * which any of them may lack: what was acknowledged last may be a duplicate's alone. The sides of a split, which are
 * merged by policy, each have the whole of their own, unless it is a superseded copy that waits for them.
 */
function mustSeeAll(context: TransactionContext, namespace: Namespace, partition: number): boolean {
  if (namespace.settings.readConsistencyLevelOverride === "one") return false;
  const { partitions } = namespace;
  return wantsAll(context, namespace) || partitions.mergesByTime(partition) ||
    partitions.isSuperseded(partition);
}

/** Whether a client wants to read what the duplicates have, too. */
function wantsAll({ request }: TransactionContext, { settings }: Namespace): boolean {
  const { readConsistencyLevelOverride } = settings;
  if (readConsistencyLevelOverride !== "off") return readConsistencyLevelOverride === "all";
  return (request.info1 & INFO1.READ_MODE_AP_ALL) !== 0;
}
