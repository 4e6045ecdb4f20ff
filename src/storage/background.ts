/**
 * Background work in slices: each task gets a slice of at most SLICE_MAX_MS in a turn of its own, tasks take turns, and
 * requests are served between slices. A task keeps digests and numbers between slices, never handles or views.
 *
 * @module
 */

import { SLICE_MAX_MS } from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";

/** Pause between two slices of work that is not urgent: at most half of the event loop's time is taken. */
export const SLICE_PAUSE_MS = 1;

/** Work that is done in slices. */
export interface BackgroundTask {
  /**
   * Does some work.
   *
   * @param deadlineMs monotonic time at which the slice is over
   * @returns ms until the next slice, 0 for the next turn; undefined when the task is done
   */
  step(clock: Clock, deadlineMs: number): number | undefined;
}

/** Runs tasks until they are done. */
export class BackgroundRunner {
  readonly #clock: Clock;
  readonly #ready: BackgroundTask[] = [];
  readonly #pauses = new Map<BackgroundTask, Timer>();
  #turnPending = false;
  #stopped = false;

  /** @param clock turns and pauses */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a task has not finished yet. */
  isRunning(task: BackgroundTask): boolean {
    return this.#ready.includes(task) || this.#pauses.has(task);
  }

  /** Starts a task, unless it runs already. */
  start(task: BackgroundTask): void {
    if (this.#stopped || this.isRunning(task)) return;
    this.#enqueue(task);
  }

  /** Stops everything where it is. */
  stop(): void {
    this.#stopped = true;
    this.#ready.length = 0;
    for (const timer of this.#pauses.values()) timer.cancel();
    this.#pauses.clear();
  }

  #enqueue(task: BackgroundTask): void {
    this.#ready.push(task);
    if (this.#turnPending) return;
    this.#turnPending = true;
    this.#clock.nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#turnPending = false;
    const task = this.#ready[0];
    if (task === undefined) return;
    // The task stays at the head during its slice, so that a start from inside it does nothing.
    const pauseMs = task.step(this.#clock, this.#clock.monotonicMs() + SLICE_MAX_MS);
    if (this.#stopped) return;
    this.#ready.shift();
    if (pauseMs === 0) this.#enqueue(task);
    else if (pauseMs !== undefined) this.#pause(task, pauseMs);
    if (this.#ready.length === 0 || this.#turnPending) return;
    this.#turnPending = true;
    this.#clock.nextTurn(() => this.#turn());
  }

  #pause(task: BackgroundTask, pauseMs: number): void {
    const timer = this.#clock.after(pauseMs, () => {
      this.#pauses.delete(task);
      if (!this.#stopped) this.#enqueue(task);
    });
    this.#pauses.set(task, timer);
  }
}
