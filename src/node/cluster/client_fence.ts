/**
 * Clients wait while a node's tables may be of a time that the others have left behind.
 *
 * | Reason | From | Until |
 * | ------ | ---- | ----- |
 * | slept | the heartbeat finds that the node stood still for longer than the node timeout | a majority of the present cluster has confirmed it, and the tables follow that cluster |
 * | merged | half of a new cluster or more was in another one than this node, and the others may commit it: this node is ready to | the tables follow a new cluster |
 *
 * The second one lasts milliseconds. Without it a node that comes back after a cut would answer by what it knew on its
 * own when clients have heard already that it is a member again: they would read what was superseded long ago, and lose
 * what they write, since the larger side has written more.
 *
 * @module
 */

import { PLANTED } from "../../base/mod.ts";

/** Why clients wait. */
export type FenceReason = "slept" | "merged";

/** Whoever has clients that wait. */
export type FenceWaiter = () => void;

/** See the head of the file. */
export class ClientFence {
  readonly #reasons = new Set<FenceReason>();
  readonly #waiters = new Set<FenceWaiter>();

  /** No client may be answered. */
  get isRaised(): boolean {
    return this.#reasons.size > 0;
  }

  /** Whether clients wait for this reason, among others perhaps. */
  has(reason: FenceReason): boolean {
    return this.#reasons.has(reason);
  }

  /** Clients must wait from now on. */
  raise(reason: FenceReason): void {
    if (reason === "slept" ? PLANTED.answersAfterSleep : PLANTED.answersBeforeMerge) return;
    this.#reasons.add(reason);
  }

  /** A reason is over; without any other clients may be answered again. */
  lower(reason: FenceReason): void {
    if (!this.#reasons.delete(reason) || this.isRaised) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter();
  }

  /** Calls once when the fence is lowered; the same function is kept once. */
  wait(waiter: FenceWaiter): void {
    this.#waiters.add(waiter);
  }

  /** Forgets somebody who waits. */
  forget(waiter: FenceWaiter): void {
    this.#waiters.delete(waiter);
  }
}
