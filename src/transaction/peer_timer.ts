/**
 * Tasks by the time at which they are due, with one timer for all of them. Most are over long before: the timer is armed
 * for the earliest and looks again, so that starting and ending a task costs no timer.
 *
 * @module
 */

import { TIMER_DELAY_MAX_MS } from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import type { PeerTask } from "./peer_types.ts";

/** The timer looks at most this often, in ms. */
const LOOK_MIN_MS = 5;

/** Tasks that wait. */
export class PeerTimer {
  readonly #clock: Clock;
  readonly #tasks = new Set<PeerTask>();
  #timer: Timer | undefined;
  #timerMs = Infinity;

  /** @param clock time */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tasks that wait. */
  get count(): number {
    return this.#tasks.size;
  }

  /** Adds a task, or takes note that it is due earlier than before. */
  add(task: PeerTask): void {
    this.#tasks.add(task);
    this.#arm(task.dueMs);
  }

  /** A task is over. */
  remove(task: PeerTask): void {
    this.#tasks.delete(task);
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const delayMs = Math.min(Math.max(LOOK_MIN_MS, dueMs - this.#clock.monotonicMs()), TIMER_DELAY_MAX_MS);
    this.#timer = this.#clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    this.#timerMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    for (const task of [...this.#tasks]) {
      if (task.dueMs <= nowMs && this.#tasks.has(task)) task.onDue(nowMs);
    }
    let nextMs = Infinity;
    for (const task of this.#tasks) nextMs = Math.min(nextMs, task.dueMs);
    if (nextMs < Infinity) this.#arm(nextMs);
  }
}
