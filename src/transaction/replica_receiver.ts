/**
 * What a node does for others: it takes replica writes, and answers questions for its copy of a record.
 *
 * | replica write | answer |
 * | ------------- | ------ |
 * | unknown namespace | 20 |
 * | sender in another cluster, or not a replica in this node's view | 7 |
 * | the copy here is newer, also than a drop that tells the version of what it stands for | 3 |
 * | no room | 8 |
 * | not a record | 4 |
 * | stored, the same here already, or truncated | 0 |
 *
 * Source: clustering reference, sections 14.6 and 14.8.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId, PLANTED, ResultCode } from "../base/mod.ts";
import {
  compareVersions,
  EntryRef,
  FLAT_DIGEST_AT,
  forgottenAfterMs,
  LOADED,
  REPLACED,
  type Replaced,
  replaceRecord,
  type Waiter,
} from "../storage/mod.ts";
import { ByteSpan, type NodeId, RW_INFO, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import { whenDurable } from "./durable.ts";
import type { PeerTransactions } from "./peers.ts";
import type { ReplicaOrderKey } from "./replica_order.ts";
import { copyLoaded } from "./replica_write.ts";

const entryHere = new EntryRef();
const NO_DIGEST = new Uint8Array(DIGEST_SIZE_BYTES);

/** Takes what other nodes send about single records. */
export class ReplicaReceiver {
  readonly #peers: PeerTransactions;
  /** Waits for nothing: most writes wait for nothing, and share it. */
  #spare: HeldRecord | undefined;

  /** @param peers sends the answers */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
  }

  /** Takes a replica write or a question; the message is lent until the call returns. */
  take(from: NodeId, message: RwMessage): void {
    const namespace = this.#peers.findNamespace(message.namespace);
    const isWrite = message.operation === RW_OPERATION.WRITE;
    const request: ReplicaRequest = {
      from,
      operation: isWrite ? RW_OPERATION.WRITE_ACK : RW_OPERATION.DUPLICATE_ACK,
      transactionId: message.transactionId,
      namespaceIndex: message.namespaceIndex,
      wantsAck: !isWrite || ((message.info ?? 0) & RW_INFO.NO_ACK) === 0,
      digest: NO_DIGEST,
    };
    const span = message.digest.isPresent ? message.digest : message.record;
    const digestAt = message.digest.isPresent ? span.at : span.at + FLAT_DIGEST_AT;
    if (!span.isPresent || digestAt + DIGEST_SIZE_BYTES > span.end) {
      return this.#answer(request, ResultCode.PARAMETER);
    }
    request.digest = span.bytes.slice(digestAt, digestAt + DIGEST_SIZE_BYTES);
    if (namespace === undefined) return this.#answer(request, ResultCode.NAMESPACE);
    if (this.#isOfAnotherCluster(from, message) && !PLANTED.noClusterKeyCheck) {
      return this.#answer(request, ResultCode.CLUSTER_KEY_MISMATCH);
    }
    if (isWrite) this.#takeWrite(namespace, request, message);
    else this.#takeQuestion(namespace, request, message);
  }

  /** A stock node tells no key: what is known is whether it is a member here. */
  #isOfAnotherCluster(from: NodeId, { clusterKey }: RwMessage): boolean {
    return clusterKey === undefined ? !this.#peers.isMember(from) : clusterKey !== this.#peers.clusterKey;
  }

  #takeWrite(namespace: Namespace, request: ReplicaRequest, message: RwMessage): void {
    const { partitions, store } = namespace;
    if (!partitions.isReplica(partitionId(request.digest)) && !PLANTED.replicaIgnoresOwnView) {
      return this.#answer(request, ResultCode.CLUSTER_KEY_MISMATCH);
    }
    if (message.record.isPresent) {
      if (this.#isDroppedSince(namespace, request)) return this.#answer(request, ResultCode.OK);
      return this.#apply(namespace, request, message.record);
    }
    if (!this.#drop(namespace, request, message)) return this.#answer(request, ResultCode.GENERATION);
    whenDurable(store, () => this.#answer(request, ResultCode.OK));
  }

  /** Whether the sender of a record has dropped it since; all but stock nodes tell a version with that. */
  #isDroppedSince(namespace: Namespace, request: ReplicaRequest): boolean {
    const peers = this.#peers;
    return !peers.takesTombstones && !peers.order.takeRecord(this.#orderKey(namespace, request));
  }

  #orderKey(namespace: Namespace, { from, digest, transactionId: id = 0 }: ReplicaRequest): ReplicaOrderKey {
    return { from, namespace, digest, id, nowMs: this.#peers.clock.monotonicMs() };
  }

  /** Removes a record; false when the copy here is newer than what was removed at the master. */
  #drop(namespace: Namespace, request: ReplicaRequest, message: RwMessage): boolean {
    const { store } = namespace;
    const { generation, lutMs } = message;
    if (generation === undefined || lutMs === undefined) {
      this.#dropUnseen(namespace, request);
      return true;
    }
    if (!store.find(request.digest, 0, entryHere)) {
      // Nothing is left to tell the version of: an older write that comes late is known by its id.
      this.#peers.order.noteDrop(this.#orderKey(namespace, request));
      return true;
    }
    const version = { generation, lastUpdateMs: lutMs };
    const order = compareVersions(entryHere, version, "last-update-time");
    if (order > 0) return false;
    if (entryHere.isTombstone && order === 0) return true;
    // A tombstone, also in memory and over an older one: an older write that comes late must not bring the record back.
    const cause = { origin: "replica", version } as const;
    if (store.bury(request.digest, 0, entryHere, cause) !== ResultCode.OK) {
      store.expunge(request.digest, 0, entryHere, cause);
    }
    this.#noteRecent(namespace, request);
    this.#tellOn(namespace, request.digest);
    return true;
  }

  /** Removes a record whatever its version is, unless the sender of the drop can't have meant this one. */
  #dropUnseen(namespace: Namespace, request: ReplicaRequest): void {
    const { store, partitions } = namespace;
    const { digest } = request;
    const peers = this.#peers;
    // A message that comes twice, or late, must not remove what was written in between.
    if (!peers.order.takeDrop(this.#orderKey(namespace, request))) return;
    if (!store.find(digest, 0, entryHere)) return;
    const isOwnWrite = partitions.admit(partitionId(digest)) === ResultCode.OK &&
      entryHere.writeEpoch === store.writeEpoch;
    if (!isOwnWrite) store.expunge(digest, 0, entryHere, { origin: "replica" });
  }

  /** Another replica has told this master of a delete: those that take no tombstones believe a master alone. */
  #tellOn(namespace: Namespace, digest: Uint8Array): void {
    const { partitions } = namespace;
    const peers = this.#peers;
    const partition = partitionId(digest);
    if (partitions.admit(partition) !== ResultCode.OK) return;
    const nodes = partitions.otherReplicas(partition).filter((node) => peers.dropFor(node) === "bare");
    peers.repairs.add({ namespace, digest, partition }, nodes);
  }

  #apply(namespace: Namespace, request: ReplicaRequest, record: ByteSpan): void {
    const waiter = this.#spare ?? new HeldRecord();
    this.#spare = undefined;
    const outcome = replaceRecord(namespace.store, record, {
      rule: "replica",
      origin: "replica",
      waiter,
    });
    if (outcome === REPLACED.SUSPENDED) {
      waiter.hold(record, () => this.#apply(namespace, request, waiter.record));
      return;
    }
    this.#spare = waiter;
    if (outcome !== REPLACED.MALFORMED) this.#peers.noteLastUpdate(record);
    if (outcome === REPLACED.APPLIED) this.#noteRecent(namespace, request);
    if (!request.wantsAck) return;
    whenDurable(namespace.store, () => this.#answer(request, RESULT_OF[outcome]));
  }

  #noteRecent(namespace: Namespace, { from, digest }: ReplicaRequest): void {
    this.#peers.recent.add({ from, namespace, digest, nowMs: this.#peers.clock.monotonicMs() });
  }

  #takeQuestion(namespace: Namespace, request: ReplicaRequest, message: RwMessage): void {
    const { store, peerStats } = namespace;
    const { generation, lutMs } = message;
    if (!store.find(request.digest, 0, entryHere)) {
      peerStats.dupResRespondNoRead++;
      return this.#answer(request, ResultCode.NOT_FOUND);
    }
    if (generation !== undefined && lutMs !== undefined) {
      const asked = { generation, lastUpdateMs: lutMs };
      const isByTime = namespace.partitions.mergesByTime(partitionId(request.digest));
      const policy = isByTime ? "last-update-time" : store.settings.conflictResolutionPolicy;
      const order = compareVersions(entryHere, asked, policy);
      // Whether what was asked for is a tombstone is not known here.
      const mayOutlive = entryHere.lastUpdateMs - lutMs > forgottenAfterMs(store);
      if (order <= 0 && !mayOutlive) {
        peerStats.dupResRespondNoRead++;
        return this.#answer(request, order === 0 ? ResultCode.RECORD_EXISTS : ResultCode.GENERATION);
      }
    }
    peerStats.dupResRespondRead++;
    this.#sendCopy(namespace, request);
  }

  #sendCopy(namespace: Namespace, request: ReplicaRequest): void {
    const { store } = namespace;
    const waiter: Waiter = { wake: () => this.#sendCopy(namespace, request) };
    if (!store.find(request.digest, 0, entryHere)) return this.#answer(request, ResultCode.NOT_FOUND);
    const loaded = store.loadHere(entryHere, waiter);
    if (loaded === LOADED.PENDING) return;
    if (loaded === LOADED.HERE) return this.#answer(request, ResultCode.OK, copyLoaded(store));
    // Two nodes that can't read a record must not wait for each other.
    this.#answer(request, ResultCode.UNKNOWN);
    if (store.find(request.digest, 0, entryHere)) store.mender?.mend(entryHere, undefined);
  }

  #answer(request: ReplicaRequest, resultCode: number, flat?: Uint8Array): void {
    if (!request.wantsAck) return;
    const message = this.#peers.emptyRwMessage();
    message.operation = request.operation;
    message.resultCode = resultCode;
    message.namespaceIndex = request.namespaceIndex;
    message.transactionId = request.transactionId;
    message.digest.set(request.digest);
    if (flat !== undefined) message.record.set(flat);
    this.#peers.sendRw(request.from, message);
  }
}

/** What an answer needs of its question. */
interface ReplicaRequest {
  readonly from: NodeId;
  readonly operation: number;
  readonly transactionId: number | undefined;
  readonly namespaceIndex: number | undefined;
  readonly wantsAck: boolean;
  digest: Uint8Array;
}

/** A record whose place here could not be looked at yet: a copy, and what to do when it can. */
export class HeldRecord implements Waiter {
  /** The record, once it is held. */
  readonly record: ByteSpan = new ByteSpan();
  #run: (() => void) | undefined;

  /** Copies the record; `run` is called when the waiter is woken. */
  hold(record: { bytes: Uint8Array; at: number; end: number }, run: () => void): void {
    if (record !== this.record) this.record.set(record.bytes.slice(record.at, record.end));
    this.#run = run;
  }

  /** See {@linkcode Waiter}. */
  wake(): void {
    const run = this.#run;
    this.#run = undefined;
    run?.();
  }
}

const RESULT_OF: Readonly<Record<Replaced, number>> = {
  [REPLACED.APPLIED]: ResultCode.OK,
  [REPLACED.SAME]: ResultCode.OK,
  [REPLACED.TRUNCATED]: ResultCode.OK,
  [REPLACED.LOCAL_BETTER]: ResultCode.GENERATION,
  [REPLACED.OUT_OF_SPACE]: ResultCode.OUT_OF_SPACE,
  [REPLACED.MALFORMED]: ResultCode.PARAMETER,
  [REPLACED.NO_SET]: ResultCode.FORBIDDEN,
  [REPLACED.SUSPENDED]: ResultCode.UNKNOWN,
};
