/**
 * Replicas that did not confirm a write: the record is sent to them again, as it is now, until they have it or are no
 * replicas any more. A replica with a newer copy than ours gives it to us first.
 *
 * While copies of the partition are merged a repair waits: the record takes part in the merge like all others. It waits,
 * too, where a copy that others went on from is to be refilled: what that has alone counts for nothing.
 *
 * Without this two complete copies could differ until the next write of the record: migrations compare copies of
 * different families alone.
 *
 * @module
 */

import {
  PLANTED,
  REPLICA_REPAIR_BURST_COUNT_MAX,
  REPLICA_REPAIR_COUNT_MAX,
  ResultCode,
  toHex,
} from "../base/mod.ts";
import { EntryRef, REPLACED, replaceRecord, type Waiter } from "../storage/mod.ts";
import { type NodeId, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import { CopyRequest } from "./copy_request.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions, RwAsk } from "./peers.ts";
import { fillWrite, isTombstone, readStored, type WrittenRecord } from "./replica_write.ts";

/** The set is looked at this often. */
const LOOK_MS = 250;
/** A record is sent again after this time, doubling. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 16_000;

const entryHere = new EntryRef();

/** Records whose replicas are to be mended. */
export class ReplicaRepairs implements PeerTask {
  /** See {@linkcode PeerTask}. */
  dueMs = Infinity;
  /** Records that found no room here. */
  droppedCount = 0;
  readonly #peers: PeerTransactions;
  readonly #repairs = new Map<string, Repair>();

  /** @param peers sends and answers */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
  }

  /** Records that wait to be mended. */
  get count(): number {
    return this.#repairs.size;
  }

  /** Whether some nodes may lack the present version of a record. */
  has(namespace: Namespace, digest: Uint8Array): boolean {
    return this.#repairs.size > 0 && this.#repairs.has(keyOf(namespace, digest));
  }

  /** Notes that some nodes may lack the present version of a record. */
  add(record: WrittenRecord, nodes: readonly NodeId[]): void {
    if (nodes.length === 0 || PLANTED.noRepair) return;
    const key = keyOf(record.namespace, record.digest);
    let repair = this.#repairs.get(key);
    if (repair === undefined) {
      if (this.#repairs.size >= REPLICA_REPAIR_COUNT_MAX) {
        this.droppedCount++;
        return;
      }
      repair = new Repair(this.#peers, { record, onEnd: () => this.#repairs.delete(key) });
      this.#repairs.set(key, repair);
    }
    repair.want(nodes);
    this.#arm();
  }

  /** See {@linkcode PeerTask}. */
  onDue(nowMs: number): void {
    let sentCount = 0;
    for (const repair of [...this.#repairs.values()]) {
      if (sentCount >= REPLICA_REPAIR_BURST_COUNT_MAX) break;
      if (repair.step(nowMs)) sentCount++;
    }
    this.dueMs = Infinity;
    if (this.#repairs.size > 0) this.#arm();
    else this.#peers.timer.remove(this);
  }

  /** The cluster changed: everything is tried again soon. */
  onCluster(): void {
    for (const repair of this.#repairs.values()) repair.wantAll();
    if (this.#repairs.size > 0) this.#arm();
  }

  #arm(): void {
    if (this.dueMs < Infinity) return;
    this.dueMs = this.#peers.clock.monotonicMs() + LOOK_MS;
    this.#peers.timer.add(this);
  }
}

function keyOf({ settings }: Namespace, digest: Uint8Array): string {
  return `${settings.name}/${toHex(digest)}`;
}

/** One record that some nodes may lack. */
class Repair implements RwAsk, Waiter {
  readonly #peers: PeerTransactions;
  readonly #record: WrittenRecord;
  readonly #onEnd: () => void;
  readonly #nodes = new Set<NodeId>();
  #id = -1;
  #nextMs = 0;
  #retryMs = RETRY_MIN_MS;
  #wantsAll = false;
  #copy: CopyRequest | undefined;

  constructor(peers: PeerTransactions, options: { record: WrittenRecord; onEnd: () => void }) {
    this.#peers = peers;
    this.#record = options.record;
    this.#onEnd = options.onEnd;
  }

  want(nodes: readonly NodeId[]): void {
    for (const node of nodes) this.#nodes.add(node);
    // The record has changed since it was sent: an answer to that says nothing about what these nodes lack.
    this.#peers.forget(this.#id);
    this.#id = -1;
    this.hurry();
  }

  /** The replicas may be others now, and each may lack what one lacked. */
  wantAll(): void {
    this.#wantsAll = true;
    this.hurry();
  }

  hurry(): void {
    this.#nextMs = 0;
    this.#retryMs = RETRY_MIN_MS;
  }

  /** Sends the record when it is time; whether it did. */
  step(nowMs: number): boolean {
    const { namespace, digest, partition } = this.#record;
    const replicas = namespace.partitions.otherReplicas(partition);
    // Without a cluster nobody is a replica; that is no reason to forget.
    if (namespace.partitions.balance === undefined) return false;
    if (this.#wantsAll) { for (const node of replicas) this.#nodes.add(node); }
    this.#wantsAll = false;
    for (const node of this.#nodes) if (!replicas.includes(node)) this.#nodes.delete(node);
    if (this.#nodes.size === 0 || namespace.partitions.isSettledElsewhere(partition)) {
      this.#end();
      return false;
    }
    // Sent as a replica write it would win by time, whatever the merge says; migration carries it.
    if (namespace.partitions.isProvisional(partition)) return false;
    if (nowMs < this.#nextMs || namespace.inFlight.isHeld(digest, 0)) return false;
    if (this.#id >= 0) namespace.peerStats.reReplTimeout++;
    this.#nextMs = nowMs + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MAX_MS, this.#retryMs * 2);
    this.wake();
    return true;
  }

  /** See {@linkcode Waiter}: sends the record as it is now. */
  wake(): void {
    const { namespace, digest } = this.#record;
    const flat = readStored(namespace, digest, this);
    if (flat === "absent" || (flat === undefined && this.#isOver())) return this.#end();
    if (flat === undefined) return;
    const peers = this.#peers;
    peers.forget(this.#id);
    this.#id = peers.expect(this);
    for (const node of this.#nodes) {
      const drop = peers.dropFor(node);
      if (drop === "bare") {
        const isDrop = isTombstone(flat);
        if (isDrop && !this.#mayDrop(node)) {
          this.#nodes.delete(node);
          continue;
        }
        peers.unordered.add(this.#id, this.#record, isDrop);
      }
      const message = peers.rwMessage(namespace, RW_OPERATION.WRITE, this.#id);
      peers.sendRw(node, fillWrite(message, { flat, digest, drop }));
    }
    if (this.#nodes.size === 0) this.#end();
  }

  /** Whether the record's time is over and no node has it any more: it would wait for this repair, and this for it. */
  #isOver(): boolean {
    const { namespace, digest } = this.#record;
    const { store } = namespace;
    const isExpired = store.find(digest, 0, entryHere) && store.isExpired(entryHere, store.nowMs());
    return isExpired && this.#peers.mender.isLost(namespace, digest);
  }

  /**
   * Whether a node may be told to drop the record, without a version. Of several who tell it the order is not known, so
   * the master tells the others; nobody else tells the master.
   */
  #mayDrop(node: NodeId): boolean {
    const { namespace: { partitions }, partition } = this.#record;
    const master = partitions.workingMaster(partition);
    return master === this.#peers.self || master === node;
  }

  /** See {@linkcode RwAsk}. */
  onAck(from: NodeId, message: RwMessage): void {
    const { namespace } = this.#record;
    if (message.operation !== RW_OPERATION.WRITE_ACK || !this.#nodes.has(from)) return;
    if (message.resultCode === ResultCode.OK) {
      this.#nodes.delete(from);
      namespace.peerStats.reReplSuccess++;
      if (this.#nodes.size === 0) this.#end();
      return;
    }
    namespace.peerStats.reReplError++;
    if (message.resultCode === ResultCode.GENERATION) this.#takeCopy(from);
  }

  /**
   * A replica has a newer copy, which is the better one: nobody waits for ours. Unless copies were merged by policy: what the
   * replica has may be a loser that has not been replaced there yet.
   */
  #takeCopy(from: NodeId): void {
    const { namespace, digest } = this.#record;
    this.#copy?.cancel();
    this.#copy = new CopyRequest(this.#peers, {
      namespace,
      digest,
      node: from,
      onRecord: (range) => {
        // The answer may be late: what was given up meanwhile stays gone.
        const { partitions } = namespace;
        const { partition } = this.#record;
        if (!partitions.isReplica(partition) && partitions.admit(partition) !== ResultCode.OK) return;
        this.#peers.noteLastUpdate(range);
        const replaced = replaceRecord(namespace.store, range, {
          rule: partitions.mergesByPolicy(partition) ? "policy" : "replica",
          origin: "replica",
          waiter: NOBODY,
        });
        // Ours is sent again, until the node takes it or has it from the merge.
        if (replaced === REPLACED.LOCAL_BETTER) return;
        // The others may lack what was taken over, too.
        this.want(partitions.otherReplicas(partition));
      },
    });
    this.#copy.begin();
  }

  /** See {@linkcode RwAsk}: what was asked under another key does not count. */
  onCluster(): void {
    this.#peers.forget(this.#id);
    this.#id = -1;
    this.hurry();
  }

  #end(): void {
    this.#peers.forget(this.#id);
    this.#copy?.cancel();
    this.#onEnd();
  }
}

/** Whoever suspends on it is tried again with the next attempt. */
const NOBODY: Waiter = { wake: () => {} };
