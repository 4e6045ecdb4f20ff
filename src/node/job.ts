/**
 * Jobs: requests that take longer than a slice (batches, scans). The scheduler gives each job that is ready one slice
 * per turn of the event loop, so that many jobs together hold the loop no longer than one.
 *
 * @module
 */

import { SLICE_MAX_MS } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";

/** How a slice ended: all done; ready for more; waiting for its waiter to be woken. */
export type JobStep = "done" | "more" | "suspended";

/** A request that runs in slices. */
export interface Job {
  /**
   * Runs for a while.
   *
   * @param deadlineMs monotonic time at which the slice is over
   */
  step(clock: Clock, deadlineMs: number): JobStep;
  /** The connection is gone: releases what the job holds. */
  cancel?(): void;
}

/** Runs jobs in turn. */
export class JobScheduler {
  readonly #clock: Clock;
  readonly #ready: (() => void)[] = [];
  #running = false;

  /** @param clock turns of the event loop */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Monotonic time at which a slice that begins now is over. */
  deadlineMs(): number {
    return this.#clock.monotonicMs() + SLICE_MAX_MS;
  }

  /** Calls `run` in a later turn, after those that were ready before. */
  schedule(run: () => void): void {
    this.#ready.push(run);
    this.#ensureTurn();
  }

  #ensureTurn(): void {
    if (this.#running || this.#ready.length === 0) return;
    this.#running = true;
    this.#clock.nextTurn(() => {
      this.#running = false;
      const run = this.#ready.shift();
      this.#ensureTurn();
      run?.();
    });
  }
}
