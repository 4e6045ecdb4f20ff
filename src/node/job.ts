/**
 * Jobs: requests that take longer than a slice (batches, scans). The scheduler gives each job that is ready one slice
 * per turn of the event loop, so that many jobs together hold the loop no longer than one. While other requests come in
 * the slices are short: each of those requests may have to wait for one.
 *
 * @module
 */

import { SLICE_BESIDE_REQUESTS_MAX_MS, SLICE_MAX_MS } from "../base/mod.ts";
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

/** Slices that stay short after a request was seen: some 20 ms, in which the next is likely to come. */
const SHORT_SLICE_COUNT = 64;

/** Runs jobs in turn. */
export class JobScheduler {
  readonly #clock: Clock;
  readonly #ready: ((deadlineMs: number) => void)[] = [];
  #running = false;
  /** Slices that will be short from now on. */
  #shortCount = 0;

  /** @param clock turns of the event loop */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request that is not a job was served: others like it may be waiting while a slice runs. */
  noteRequest(): void {
    this.#shortCount = SHORT_SLICE_COUNT;
  }

  /** Monotonic time at which a slice that begins now is over. */
  deadlineMs(): number {
    const isShort = this.#shortCount > 0;
    if (isShort) this.#shortCount--;
    return this.#clock.monotonicMs() + (isShort ? SLICE_BESIDE_REQUESTS_MAX_MS : SLICE_MAX_MS);
  }

  /** Calls `run` in a later turn, after those that were ready before, with the monotonic time at which its slice is over. */
  schedule(run: (deadlineMs: number) => void): void {
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
      run?.(this.deadlineMs());
    });
  }
}
