/**
 * Port: clock.
 *
 * @module
 */

/** Identifies a running timer. */
export interface Timer {
  /** Stops the timer; does nothing when it has fired already. */
  cancel(): void;
}

/** Time and timers. All callbacks run in their own turn of the event loop, never inside the call that set them. */
export interface Clock {
  /** Milliseconds since some fixed moment, with fraction; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump either way. */
  wallMs(): number;
  /**
   * Calls `fn` once.
   *
   * @param delayMs at least this long from now, 0 to 2^31-1
   */
  after(delayMs: number, fn: () => void): Timer;
  /**
   * Calls `fn` in a later turn of the event loop, after the I/O that is ready now has been served. Background work
   * uses it between slices.
   */
  nextTurn(fn: () => void): void;
  /**
   * Calls `fn` when the events that are ready now have been handled, before others are waited for. What several events
   * have in common is done once there, for example writing to a connection.
   */
  afterEvents(fn: () => void): void;
}
