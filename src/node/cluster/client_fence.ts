/**
 * Clients of a node that slept wait until it is known that the others have not gone on without it.
 *
 * The heartbeat raises the fence and says when a majority of the present cluster has confirmed it. That cluster may be
 * another than the one that the partition tables follow, so the fence stays until the tables follow it too.
 *
 * @module
 */

/** Whoever has clients that wait. */
export type FenceWaiter = () => void;

/** See the head of the file. */
export class ClientFence {
  /** No client may be answered. */
  isRaised = false;
  readonly #waiters = new Set<FenceWaiter>();

  /** The node slept for longer than the node timeout. */
  raise(): void {
    this.isRaised = true;
  }

  /** Clients may be answered again. */
  lower(): void {
    if (!this.isRaised) return;
    this.isRaised = false;
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
