/**
 * Turns for migrations: who has something to do gets its turn, one after the other, until a slice of about a millisecond
 * is over; requests are served between slices. Tasks that need less share a slice, because a turn of the event loop and
 * a write of their own would cost more than they do.
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
    const deadlineMs = this.#clock.monotonicMs() + SLICE_MAX_MS;
    this.#fabric.hold();
    // Not those that are added meanwhile: who wants another slice waits for the next turn.
    for (const task of [...this.#tasks]) {
      // One that ran before may have removed it.
      if (this.#tasks.has(task)) this.#step(task, deadlineMs);
      if (this.#clock.monotonicMs() >= deadlineMs) break;
    }
    this.#fabric.release();
    this.#arm();
  }

  /** Gives a task a slice at once: the bytes that it waited for are here until this turn ends. */
  run(task: SliceTask): void {
    this.#fabric.hold();
    this.#step(task, this.#clock.monotonicMs() + SLICE_MAX_MS);
    this.#fabric.release();
    this.#arm();
  }

  #step(task: SliceTask, deadlineMs: number): void {
    // Taken out first: a wake from inside the slice counts.
    this.#tasks.delete(task);
    if (task.step(deadlineMs)) this.#tasks.add(task);
  }
}
