/**
 * Duplicate resolution: before a write, or a read that asks for it, a working master takes the better copies of the
 * record from nodes that may have them. All are asked in parallel; the transaction is suspended and starts again when
 * all have answered. That it has been resolved, and under which cluster key, is remembered with its hold on the record.
 *
 * Records written since the last balance need no question: every write since then has asked.
 * Source: clustering reference, section 14.6.
 *
 * @module
 */

import { PLANTED, ResultCode } from "../base/mod.ts";
import {
  EntryRef,
  isLeftOver,
  removeLeftOver,
  REPLACED,
  replaceRecord,
  type Waiter,
} from "../storage/mod.ts";
import { type NodeId, RW_OPERATION, type RwMessage } from "../wire/mod.ts";
import type { WrittenRecord } from "./replica_write.ts";
import { HeldRecord } from "./replica_receiver.ts";
import { retransmitSlot } from "./peer_stats.ts";
import type { PeerTask } from "./peer_types.ts";
import type { PeerTransactions, RwAsk } from "./peers.ts";
import type { WriteNote } from "./replica_write.ts";
import { ORIGIN } from "./stats.ts";

/** A node that can't answer yet is asked again after this time. */
const REFUSED_RETRY_MS = 20;

const entryHere = new EntryRef();

/** What is resolved, and for whom. */
export interface ResolutionOptions {
  /** The record. */
  readonly record: WrittenRecord;
  /** Nodes that may have a better copy; not empty. */
  readonly nodes: readonly NodeId[];
  /** Whose transaction; it holds the record. */
  readonly waiter: Waiter;
  /** For counters, and how long it may take. */
  readonly note: WriteNote;
}

/** The resolution of one record's duplicates. */
export class DuplicateResolution implements PeerTask, RwAsk {
  /** See {@linkcode PeerTask}. */
  dueMs = 0;
  readonly #peers: PeerTransactions;
  readonly #options: ResolutionOptions;
  readonly #clusterKey: number;
  readonly #waiting: Set<NodeId>;
  readonly #deadlineMs: number;
  #retryMs: number;
  #heldCount = 0;
  #id = -1;
  #isOver = false;

  /** @param options what is resolved, and for whom */
  constructor(peers: PeerTransactions, options: ResolutionOptions) {
    this.#peers = peers;
    this.#options = options;
    this.#clusterKey = peers.clusterKey;
    this.#waiting = new Set(options.nodes);
    const nowMs = peers.clock.monotonicMs();
    this.#deadlineMs = nowMs + options.note.budgetMs;
    this.#retryMs = options.record.namespace.service.transactionRetryMs;
    this.dueMs = Math.min(this.#deadlineMs, nowMs + this.#retryMs);
  }

  /** Asks all duplicates. */
  begin(): void {
    this.#options.record.namespace.peerStats.dupResAsk++;
    this.#id = this.#peers.expect(this);
    this.#ask();
    this.#peers.timer.add(this);
  }

  #ask(): void {
    const { namespace, digest, partition } = this.#options.record;
    const { store, partitions } = namespace;
    const isSuperseded = partitions.isSuperseded(partition);
    const counts = store.find(digest, 0, entryHere) && !store.isTruncated(entryHere) &&
      !isLeftOver(store, entryHere, isSuperseded);
    for (const node of this.#waiting) {
      const message = this.#peers.rwMessage(namespace, RW_OPERATION.DUPLICATE, this.#id);
      message.digest.set(digest);
      if (counts) {
        message.generation = entryHere.generation;
        message.lutMs = entryHere.lastUpdateMs;
      }
      this.#peers.sendRw(node, message);
    }
  }

  /** See {@linkcode RwAsk}. */
  onAck(from: NodeId, message: RwMessage): void {
    if (message.operation !== RW_OPERATION.DUPLICATE_ACK || !this.#waiting.has(from)) return;
    if (!this.#serves()) return this.onCluster();
    switch (message.resultCode) {
      case ResultCode.OK:
        if (message.record.isPresent && !this.#merge(from, message.record)) return this.#askAgain();
        break;
      case ResultCode.NOT_FOUND:
      case ResultCode.RECORD_EXISTS:
      case ResultCode.GENERATION:
        break;
      default:
        return this.#askAgain();
    }
    this.#waiting.delete(from);
    this.#endWhenDone();
  }

  /** What comes after this node has handed the partition off is the new master's to take; the copy here may be gone. */
  #serves(): boolean {
    const { namespace: { partitions }, partition } = this.#options.record;
    return partitions.admit(partition) === ResultCode.OK;
  }

  #askAgain(): void {
    this.dueMs = Math.min(this.dueMs, this.#peers.clock.monotonicMs() + REFUSED_RETRY_MS);
    this.#peers.timer.add(this);
  }

  /** Takes a copy; false when a better one can't be stored for the moment, and whatever is written next would be without it. */
  #merge(from: NodeId, record: { bytes: Uint8Array; at: number; end: number }): boolean {
    const { namespace, digest, partition } = this.#options.record;
    const { partitions } = namespace;
    if (PLANTED.dupResMergesWrongly && namespace.store.find(digest, 0, entryHere)) return true;
    const held = new HeldRecord();
    const outcome = replaceRecord(namespace.store, record, {
      rule: partitions.mergesByTime(partition) ? "time" : "policy",
      isSuperseded: partitions.isSuperseded(partition),
      origin: "replica",
      waiter: held,
    });
    if (outcome === REPLACED.SUSPENDED) {
      this.#heldCount++;
      held.hold(record, () => {
        this.#heldCount--;
        if (this.#isOver) return;
        if (!this.#serves()) return this.onCluster();
        if (this.#merge(from, held.record)) return this.#endWhenDone();
        this.#waiting.add(from);
        this.#askAgain();
      });
    } else if (outcome !== REPLACED.MALFORMED) {
      this.#peers.noteLastUpdate(record);
    }
    return outcome !== REPLACED.OUT_OF_SPACE;
  }

  #endWhenDone(): void {
    if (this.#isOver || this.#waiting.size > 0 || this.#heldCount > 0) return;
    const { record, waiter } = this.#options;
    this.#removeLeftOver();
    record.namespace.inFlight.setResolved(record.digest, 0, { waiter, clusterKey: this.#clusterKey });
    this.#end();
    waiter.wake();
  }

  /** What is left over from before the merge, and nobody else has, is gone. */
  #removeLeftOver(): void {
    const { namespace: { store, partitions }, digest, partition } = this.#options.record;
    if (!partitions.isSuperseded(partition)) return;
    if (!store.find(digest, 0, entryHere) || entryHere.isTombstone) return;
    if (isLeftOver(store, entryHere, true)) removeLeftOver(store, digest, 0, entryHere);
  }

  #end(): void {
    this.#isOver = true;
    this.#peers.forget(this.#id);
    this.#peers.timer.remove(this);
  }

  /** See {@linkcode PeerTask}. */
  onDue(nowMs: number): void {
    // Whoever waits has a limit of his own, and may have given up.
    if (nowMs >= this.#deadlineMs) return this.#end();
    const { record, note } = this.#options;
    record.namespace.peerStats.dupResRetransmits[retransmitSlot(note.origin ?? ORIGIN.CLIENT, note.kind)]++;
    this.#retryMs *= 2;
    this.dueMs = Math.min(this.#deadlineMs, nowMs + this.#retryMs);
    this.#ask();
  }

  /** See {@linkcode RwAsk}: the transaction starts again and finds out what it needs now, or who serves. */
  onCluster(): void {
    if (this.#isOver) return;
    this.#end();
    this.#options.waiter.wake();
  }
}
