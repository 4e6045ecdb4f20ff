/**
 * Writes that are suspended, by digest. While a write waits (for its record's bytes, a flush, a replica), later writes
 * of the same record queue behind it, so that each sees what the one before it has done. A queue that reaches
 * `transaction-pending-limit` answers KEY_BUSY. Reads don't queue: they see the state before the suspended write.
 *
 * Nothing is suspended in the common case, and then this table costs one comparison.
 *
 * @module
 */

import { assert, equalBytes, readU32 } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import type { Waiter } from "../storage/mod.ts";

interface Holder {
  digest: Uint8Array;
  owner: Waiter;
  queue: Waiter[];
  /** Cluster key under which duplicates were merged for the owner; 0 while they were not. */
  resolvedKey: number;
}

/** Whether a write may go on. */
export type Admission = "go" | "queued" | "busy";

/** Suspended writes of one namespace. */
export class InFlightTable {
  /** Records that are held. */
  heldCount = 0;
  readonly #clock: Clock;
  readonly #holders = new Map<number, Holder[]>();

  /** @param clock wakes those whose turn has come */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Asks whether a write of a record may run now.
   *
   * @param waiter woken when its turn has come, if the answer is "queued"
   * @param pendingMax writes that may wait for one record, 0 for no limit
   */
  admit(digest: Uint8Array, at: number, waiter: Waiter, pendingMax: number): Admission {
    const holder = this.#find(digest, at);
    if (holder === undefined || holder.owner === waiter) return "go";
    if (holder.queue.includes(waiter)) return "queued";
    if (pendingMax > 0 && holder.queue.length >= pendingMax) return "busy";
    holder.queue.push(waiter);
    return "queued";
  }

  /** Whether a write of a record is suspended. */
  isHeld(digest: Uint8Array, at: number): boolean {
    return this.#find(digest, at) !== undefined;
  }

  /** Holds a record for a write that is about to be suspended; does nothing when it holds it already. */
  hold(digest: Uint8Array, at: number, owner: Waiter): void {
    const existing = this.#find(digest, at);
    if (existing !== undefined) {
      assert(existing.owner === owner, "A record is held by one write at a time");
      return;
    }
    const key = readU32(digest, at + 4);
    const holder = { digest: digest.slice(at, at + 20), owner, queue: [], resolvedKey: 0 };
    const bucket = this.#holders.get(key);
    if (bucket === undefined) this.#holders.set(key, [holder]);
    else bucket.push(holder);
    this.heldCount++;
  }

  /**
   * Gives a record to another holder, who keeps it until its own `release`: a write whose replicas are not asked yet
   * outlives the request that began it.
   *
   * @param from who holds it, if anybody does
   */
  transfer(digest: Uint8Array, at: number, holders: { from: Waiter; to: Waiter }): void {
    const { from, to } = holders;
    this.hold(digest, at, from);
    const holder = this.#find(digest, at)!;
    holder.owner = to;
  }

  /** The duplicates of a record that is held were merged under a cluster key. */
  setResolved(digest: Uint8Array, at: number, owner: { waiter: Waiter; clusterKey: number }): void {
    const holder = this.#find(digest, at);
    if (holder?.owner === owner.waiter) holder.resolvedKey = owner.clusterKey;
  }

  /** Whether they were, for the transaction that holds the record now. */
  isResolved(digest: Uint8Array, at: number, owner: { waiter: Waiter; clusterKey: number }): boolean {
    const holder = this.#find(digest, at);
    return holder?.owner === owner.waiter && holder.resolvedKey === owner.clusterKey;
  }

  /** A transaction of a record is done: it passes the record on if it held it, and leaves the queue if it was in it. */
  release(digest: Uint8Array, at: number, waiter: Waiter): void {
    const holder = this.#find(digest, at);
    if (holder !== undefined) this.#leave(holder, waiter);
  }

  /** Forgets a waiter whose connection is gone or whose time is over, wherever it holds or queues. */
  abandon(waiter: Waiter): void {
    for (const bucket of [...this.#holders.values()]) {
      for (const holder of [...bucket]) this.#leave(holder, waiter);
    }
  }

  #leave(holder: Holder, waiter: Waiter): void {
    const place = holder.queue.indexOf(waiter);
    if (place >= 0) holder.queue.splice(place, 1);
    if (holder.owner === waiter) this.#pass(holder);
  }

  #pass(holder: Holder): void {
    const next = holder.queue.shift();
    if (next !== undefined) {
      holder.owner = next;
      holder.resolvedKey = 0;
      this.#clock.nextTurn(() => {
        if (holder.owner === next) next.wake();
      });
      return;
    }
    const key = readU32(holder.digest, 4);
    const bucket = this.#holders.get(key)!;
    bucket.splice(bucket.indexOf(holder), 1);
    if (bucket.length === 0) this.#holders.delete(key);
    this.heldCount--;
  }

  #find(digest: Uint8Array, at: number): Holder | undefined {
    if (this.heldCount === 0) return undefined;
    return this.#holders.get(readU32(digest, at + 4))?.find((holder) =>
      equalBytes(holder.digest, 0, digest, at, 20)
    );
  }
}
