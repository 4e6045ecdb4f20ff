/**
 * Turns for migrations: whoever has something to do gets a slice of about a millisecond, one after the other, each in a
 * turn of its own, so that requests are served between them.
 *
 * @module
 */

import { SLICE_MAX_MS } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import type { MigrationFabric } from "./types.ts";

/** Something that works in slices. */
export interface SliceTask {
  /**
   * Works until it is done, has to wait, or the time is over.
   *
   * @param deadlineMs monotonic time at which the slice is over
   * @returns whether it wants another slice; if not, whoever it waits for wakes it
   */
  step(deadlineMs: number): boolean;
}

/** Gives slices to tasks. */
export class Slices {
  readonly #clock: Clock;
  readonly #fabric: MigrationFabric;
  readonly #tasks = new Set<SliceTask>();
  #isTurnPending = false;

  /** @param fabric what a slice sends leaves in few writes */
  constructor(clock: Clock, fabric: MigrationFabric) {
    this.#clock = clock;
    this.#fabric = fabric;
  }

  /** A task has something to do. */
  wake(task: SliceTask): void {
    this.#tasks.add(task);
    this.#arm();
  }

  /** A task gets no slices any more. */
  remove(task: SliceTask): void {
    this.#tasks.delete(task);
  }

  #arm(): void {
    if (this.#isTurnPending || this.#tasks.size === 0) return;
    this.#isTurnPending = true;
    this.#clock.nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnPending = false;
    const [task] = this.#tasks;
    if (task === undefined) return;
    this.run(task);
  }

  /** Gives a task a slice at once: the bytes that it waited for are here until this turn ends. */
  run(task: SliceTask): void {
    // Taken out first: a wake from inside the slice counts.
    this.#tasks.delete(task);
    this.#fabric.hold();
    const wantsMore = task.step(this.#clock.monotonicMs() + SLICE_MAX_MS);
    this.#fabric.release();
    if (wantsMore) this.#tasks.add(task);
    this.#arm();
  }
}
