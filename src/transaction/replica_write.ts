/**
 * The master's side of a replicated write. The record is stored here already; the same flat bytes go to all other
 * replicas, and the client is answered when all have confirmed.
 *
 * | answer of a replica | what follows |
 * | ------------------- | ------------ |
 * | 0 | it is done |
 * | 3: its copy is newer | its copy is asked for; the write is raised above it and sent to all again |
 * | 7: not a replica in its view, or in another cluster; any other error | asked again soon |
 * | none | asked again after `transaction-retry-ms`, doubling |
 *
 * A refusal never counts as done. When the write's time is over, or this node no longer serves the partition, the client
 * is told TIMEOUT, which means "in doubt", and what is missing is mended later. An answer counts under the cluster key
 * of its question alone: transaction ids belong to a key, and after a change of the cluster everybody is asked anew.
 * Source: clustering reference, section 14.7.
 *
 * @module
 */

import { copyBytes, PLANTED, REPLICA_RAISE_COUNT_MAX, ResultCode } from "../base/mod.ts";
import {
  EntryRef,
  LOADED,
  measureFlat,
  type NamespaceStore,
  REPLACED,
  replaceRecord,
  setFlatLastUpdate,
  type Waiter,
} from "../storage/mod.ts";
import { type NodeId, RW_INFO, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import type { Namespace } from "./context.ts";
import { CopyRequest, lastUpdateOf, versionOf } from "./copy_request.ts";
import type { Deferral } from "./deferral.ts";
import { whenDurable } from "./durable.ts";
import { retransmitSlot } from "./peer_stats.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions, RwAsk } from "./peers.ts";
import { KIND, type Kind, ORIGIN, type Origin } from "./stats.ts";

/** A replica that refused is asked again after this time, doubling. */
const REFUSED_RETRY_MS = 20;

/** What a write was, for the counters. */
export interface WriteNote {
  /** Where it came from; undefined of what the node does by itself, which is counted elsewhere. */
  readonly origin?: Origin;
  /** Its kind. */
  readonly kind?: Kind;
  /** Milliseconds that it may take from now on. */
  readonly budgetMs: number;
}

/** Where the record is. */
export interface WrittenRecord {
  /** Its namespace. */
  readonly namespace: Namespace;
  /** Its digest; a copy. */
  readonly digest: Uint8Array;
  /** Its partition. */
  readonly partition: number;
}

const entryHere = new EntryRef();
const NOBODY: readonly NodeId[] = [];

/** One write on its way to its replicas. */
export class ReplicaWrite implements PeerTask, RwAsk, Waiter {
  /** See {@linkcode PeerTask}. */
  dueMs = Infinity;
  /** The record. */
  readonly record: WrittenRecord;
  /** When it began, in monotonic milliseconds. */
  readonly beginMs: number;
  /** How it ended; undefined while it runs. */
  resultCode: number | undefined;
  readonly #peers: PeerTransactions;
  readonly #note: WriteNote;
  readonly #deferral: Deferral;
  readonly #deadlineMs: number;
  /** The flat record without padding; undefined of a record that is gone, and until its bytes were read. */
  #flat: Uint8Array | undefined;
  #isGone = false;
  #isOver = false;
  #id = -1;
  #clusterKey = -1;
  #retryMs: number;
  #refusedMs = REFUSED_RETRY_MS;
  #retryAtMs = Infinity;
  #raiseCount = 0;
  /** Of what was raised, how much is not synced here yet. */
  #unsyncedCount = 0;
  /** Who was asked under the present cluster key. */
  #replicas: readonly NodeId[] = NOBODY;
  /** Who has confirmed. */
  #done: readonly NodeId[] = NOBODY;
  /** Newer copies that are asked for; undefined while there are none. */
  #copies: Map<NodeId, CopyRequest> | undefined;

  /** @param options what was written, and who waits for it */
  constructor(
    peers: PeerTransactions,
    options: { record: WrittenRecord; note: WriteNote; deferral: Deferral },
  ) {
    this.#peers = peers;
    this.record = options.record;
    this.#note = options.note;
    this.#deferral = options.deferral;
    const nowMs = this.beginMs = peers.clock.monotonicMs();
    this.#deadlineMs = nowMs + options.note.budgetMs;
    this.#retryMs = options.record.namespace.service.transactionRetryMs;
    this.#retryAtMs = nowMs + this.#retryMs;
  }

  /** Sends the record as it is stored now; a record that is not there was removed. */
  begin(): void {
    this.#isGone = !this.#find();
    if (this.#isGone || this.#read()) this.#ask();
    else this.#arm();
  }

  /** See {@linkcode Waiter}: the record's bytes are here. */
  wake(): void {
    if (this.#isOver || this.#flat !== undefined) return;
    this.#isGone = !this.#find();
    if (this.#isGone || this.#read()) this.#ask();
  }

  #find(): boolean {
    return this.record.namespace.store.find(this.record.digest, 0, entryHere);
  }

  #read(): boolean {
    this.#flat = readFlat(this.record.namespace, this);
    return this.#flat !== undefined;
  }

  /** Asks every replica that has not confirmed under the present cluster key. */
  #ask(): void {
    const peers = this.#peers;
    const { namespace } = this.record;
    const { clusterKey } = peers;
    if (clusterKey !== this.#clusterKey) {
      if (!PLANTED.noClusterKeyCheck) {
        peers.forget(this.#id);
        this.#done = NOBODY;
      }
      this.#clusterKey = clusterKey;
      this.#id = peers.expect(this);
    }
    // Without a table nobody is a replica, and that confirms nothing.
    if (namespace.partitions.balance === undefined) return this.#endInDoubt();
    this.#replicas = namespace.partitions.otherReplicas(this.record.partition);
    const waiting = this.#waiting();
    if (waiting.length === 0) return this.#endConfirmed();
    for (const node of waiting) {
      const message = peers.rwMessage(namespace, RW_OPERATION.WRITE, this.#id);
      const drop = peers.dropFor(node);
      this.#fill(message, drop);
      if (drop === "bare") peers.unordered.add(this.#id, this.record, !message.record.isPresent);
      peers.sendRw(node, message);
    }
    this.#arm();
  }

  #fill(message: RwMessage, drop: DropKind): RwMessage {
    return fillWrite(message, {
      flat: this.#isGone ? undefined : this.#flat,
      digest: this.record.digest,
      drop,
    });
  }

  #waiting(): readonly NodeId[] {
    const done = this.#done;
    return done.length === 0 ? this.#replicas : this.#replicas.filter((node) => !done.includes(node));
  }

  #arm(): void {
    this.dueMs = Math.min(this.#deadlineMs, this.#retryAtMs);
    this.#peers.timer.add(this);
  }

  /** See {@linkcode RwAsk}. */
  onAck(from: NodeId, message: RwMessage): void {
    if (message.operation !== RW_OPERATION.WRITE_ACK || this.#isOver) return;
    const resultCode = message.resultCode ?? ResultCode.UNKNOWN;
    if (resultCode === ResultCode.OK || PLANTED.refusalCountsAsDone) {
      if (!this.#done.includes(from)) this.#done = [...this.#done, from];
      const { service, peerStats } = this.record.namespace;
      if (service.enableHealthCheck) {
        peerStats.noteReplicaTime(from, this.#peers.clock.monotonicMs() - this.beginMs);
      }
      this.#endConfirmed();
    } else if (resultCode === ResultCode.GENERATION) {
      this.#askCopy(from);
    } else {
      this.#retryAtMs = Math.min(this.#retryAtMs, this.#peers.clock.monotonicMs() + this.#refusedMs);
      this.#refusedMs *= 2;
      this.#arm();
    }
  }

  /** A replica has a newer copy: finds out how new. */
  #askCopy(from: NodeId): void {
    if (this.#copies?.has(from) || this.#raiseCount >= REPLICA_RAISE_COUNT_MAX) return;
    const request = new CopyRequest(this.#peers, {
      namespace: this.record.namespace,
      digest: this.record.digest,
      node: from,
      onRecord: (range) => this.#raise(lastUpdateOf(range)),
    });
    this.#copies ??= new Map();
    this.#copies.set(from, request);
    request.begin();
  }

  /** Writes the record anew, later than a copy that a replica has. */
  #raise(lastUpdateMs: number): void {
    this.#copies = undefined;
    if (this.#isOver || this.#flat === undefined) return;
    // The newer copy may be what the others have acknowledged while this node slept.
    if (this.#peers.isFenced) return this.#endInDoubt();
    this.#raiseCount++;
    const { namespace, digest } = this.record;
    const { store } = namespace;
    if (!store.find(digest, 0, entryHere)) return;
    // Whoever changed the record here has not asked this write: its outcome is no longer what it was.
    if (!this.#isOwn()) return this.#endInDoubt();
    const set = store.sets.byId(entryHere.setId);
    const raised = this.#flat.slice();
    setFlatLastUpdate(raised, 0, Math.max(store.nextLastUpdateMs(entryHere, set), lastUpdateMs + 1));
    const outcome = replaceRecord(store, { bytes: raised, at: 0, end: raised.length }, {
      rule: "replica",
      origin: "client",
      waiter: this,
    });
    if (outcome !== REPLACED.APPLIED) return;
    this.#flat = raised;
    this.#done = NOBODY;
    // A confirmation of what was sent before is none of this.
    this.#peers.forget(this.#id);
    this.#id = this.#peers.expect(this);
    this.#unsyncedCount++;
    whenDurable(store, () => {
      this.#unsyncedCount--;
      this.#endConfirmed();
    });
    this.#ask();
  }

  /** See {@linkcode PeerTask}. */
  onDue(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) return this.#endInDoubt();
    this.#retryMs *= 2;
    this.#retryAtMs = nowMs + this.#retryMs;
    this.#copies = undefined;
    const { origin = ORIGIN.CLIENT, kind = KIND.WRITE } = this.#note;
    this.record.namespace.peerStats.replWriteRetransmits[retransmitSlot(origin, kind)]++;
    if (PLANTED.noRetransmit || (this.#flat === undefined && !this.#isGone)) this.#arm();
    else this.#ask();
  }

  /** See {@linkcode RwAsk}: everybody is asked anew, or somebody else serves now. */
  onCluster(): void {
    const { namespace, partition } = this.record;
    if (namespace.partitions.admit(partition) !== ResultCode.OK) return this.#endInDoubt();
    if (this.#flat === undefined && !this.#isGone) return;
    // The replicas take it for a write of this cluster, and so must whoever merges copies here.
    if (this.#find() && this.#isOwn()) namespace.store.markWritten(entryHere);
    this.#ask();
  }

  /** Whether the record under the shared entry is what this write has stored. */
  #isOwn(): boolean {
    return this.#flat !== undefined && entryHere.lastUpdateMs === lastUpdateOf({ bytes: this.#flat, at: 0 });
  }

  /** Ends well when all replicas have confirmed, and this node needs no sync for it any more. */
  #endConfirmed(): void {
    if (this.#unsyncedCount === 0 && this.#waiting().length === 0) this.#end(ResultCode.OK);
  }

  #endInDoubt(): void {
    const { namespace, partition } = this.record;
    // After a change of the cluster the replicas may be others than those that were asked.
    const present = namespace.partitions.otherReplicas(partition).filter((node) =>
      !this.#replicas.includes(node)
    );
    this.#peers.repairs.add(this.record, [...this.#waiting(), ...present]);
    namespace.peerStats.inDoubt++;
    this.#end(namespace.refusals.note(CAUSE.inDoubt));
  }

  #end(resultCode: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.resultCode = resultCode;
    const { namespace, digest } = this.record;
    this.#peers.forget(this.#id);
    this.#peers.timer.remove(this);
    namespace.inFlight.release(digest, 0, this);
    const { origin, kind = KIND.WRITE } = this.#note;
    if (origin !== undefined) namespace.stats.add(origin, kind, resultCode);
    this.#deferral.settle(resultCode);
    this.#peers.onWriteEnded(this);
  }
}

/** What a replica write carries. */
export interface WriteContent {
  /** The flat record; undefined when it is gone. */
  readonly flat: Uint8Array | undefined;
  /** Its digest. */
  readonly digest: Uint8Array;
  /** Whether and how the receiver is told to drop the record in place of a tombstone. */
  readonly drop: DropKind;
}

/**
 * How a replica is told that a record is gone: by the tombstone ("none"), by its digest and the tombstone's version, or
 * by its digest alone as stock nodes are.
 */
export type DropKind = "none" | "versioned" | "bare";

/** Fills a replica write. */
export function fillWrite(message: RwMessage, { flat, digest, drop }: WriteContent): RwMessage {
  if (flat !== undefined && (drop === "none" || !isTombstone(flat))) {
    message.record.set(flat);
    return message;
  }
  message.digest.set(digest);
  if (flat !== undefined && drop === "versioned") {
    const { generation, lastUpdateMs } = versionOf({ bytes: flat, at: 0 });
    message.generation = generation;
    message.lutMs = lastUpdateMs;
  }
  return message;
}

/** Sends a record once, without waiting for anybody; what can't be sent is mended later. */
export function sendWithoutWaiting(peers: PeerTransactions, record: WrittenRecord, waiter: Waiter): boolean {
  const { namespace, digest, partition } = record;
  const isGone = !namespace.store.find(digest, 0, entryHere);
  const flat = isGone ? undefined : readFlat(namespace, waiter);
  if (flat === undefined && !isGone) return false;
  const missed: NodeId[] = [];
  for (const node of namespace.partitions.otherReplicas(partition)) {
    const message = peers.rwMessage(namespace, RW_OPERATION.WRITE, peers.nextId());
    message.info = RW_INFO.NO_ACK;
    const result = peers.sendRw(
      node,
      fillWrite(message, { flat, digest, drop: peers.dropFor(node) }),
    );
    if (result === "full" || result === "unknown-node") missed.push(node);
  }
  if (missed.length > 0) peers.repairs.add(record, missed);
  return true;
}

/** A copy of the record under the shared entry, without padding; undefined until its bytes are here. */
function readFlat({ store }: Namespace, waiter: Waiter): Uint8Array | undefined {
  return store.load(entryHere, waiter) === LOADED.HERE ? copyLoaded(store) : undefined;
}

/** A copy of the record last loaded, without padding. */
export function copyLoaded({ flat }: NamespaceStore): Uint8Array {
  const { bytes, at, sizeUnits } = flat;
  return copyRecord(bytes, at, measureFlat(bytes, at, at + sizeUnits * 16));
}

/** Small records share blocks: a buffer of its own for each costs more than its copy. */
const COPY_BLOCK_SIZE_BYTES = 64 * 1024;
const COPY_SHARED_SIZE_MAX_BYTES = 2048;
let copyBlock = new Uint8Array(0);
let copyAt = 0;

function copyRecord(bytes: Uint8Array, at: number, sizeBytes: number): Uint8Array {
  if (sizeBytes > COPY_SHARED_SIZE_MAX_BYTES) return bytes.slice(at, at + sizeBytes);
  if (copyAt + sizeBytes > copyBlock.length) {
    copyBlock = new Uint8Array(COPY_BLOCK_SIZE_BYTES);
    copyAt = 0;
  }
  const from = copyAt;
  copyAt += sizeBytes;
  copyBytes(bytes, at, copyBlock, from, sizeBytes);
  return copyBlock.subarray(from, copyAt);
}

/** Reads a stored record; see {@linkcode ReplicaWrite}. "absent" when there is none, undefined when it is not here yet. */
export function readStored(
  namespace: Namespace,
  digest: Uint8Array,
  waiter: Waiter,
): Uint8Array | "absent" | undefined {
  if (!namespace.store.find(digest, 0, entryHere)) return "absent";
  return readFlat(namespace, waiter);
}

/** Whether a flat record at the begin of a buffer is a tombstone. */
export function isTombstone(flat: Uint8Array): boolean {
  return (flat[FLAT_BINS_BYTE] & FLAT_BINS_BIT) === 0;
}

/** Where the flag "has bins" is in a flat record. */
const FLAT_BINS_BYTE = 6;
const FLAT_BINS_BIT = 0x40;
