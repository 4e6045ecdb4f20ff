/**
 * A flush unit while it is filled, waits, and is written: the piece of a block that goes to the device as one.
 *
 * @module
 */

/** Told when a unit is synced. */
export interface DurableWaiter {
  /** The unit is synced; called once, in a later turn. */
  onDurable(): void;
}

/** One flush unit. */
export class FlushUnit {
  /** Block among all blocks of the namespace. */
  readonly block: number;
  /** Offset in the block. */
  readonly startBytes: number;
  /** Number of the first append in it, counted over the namespace. */
  readonly firstPosition: number;
  /** It holds copies of what is synced elsewhere: nobody needs to wait for it. */
  readonly isMove: boolean;
  /** Offset after its padding, once it is sealed. */
  endBytes = 0;
  /** Records in it. */
  recordCount = 0;
  /** It is on the device and synced. */
  isDurable = false;
  readonly #waiters = new Set<DurableWaiter>();

  /** @param place where it begins */
  constructor(place: { block: number; startBytes: number; firstPosition: number; isMove: boolean }) {
    this.block = place.block;
    this.startBytes = place.startBytes;
    this.firstPosition = place.firstPosition;
    this.isMove = place.isMove;
  }

  /**
   * Has a waiter told when the unit is synced.
   *
   * @returns false when it waits for this unit already, or the unit is synced: it will not be told (again) then
   */
  wait(waiter: DurableWaiter): boolean {
    if (this.isDurable || this.#waiters.has(waiter)) return false;
    this.#waiters.add(waiter);
    return true;
  }

  /** The unit is synced. */
  settle(): void {
    this.isDurable = true;
    for (const waiter of this.#waiters) waiter.onDurable();
    this.#waiters.clear();
  }
}
