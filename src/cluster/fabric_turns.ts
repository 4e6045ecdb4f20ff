/**
 * How the messages of peers share the event loop with each other and with clients.
 *
 * An event of a connection looks at messages for at most its channel's share of time. What is left waits, with the
 * connection paused, for a later turn; the runtime serves every socket that is ready in between, so that no flood on one
 * connection keeps heartbeats or others waiting for longer than its share. In such a later turn the channels come in the
 * order of the table, each for its share: control before everything, bulk last, and none of them never.
 *
 * | channel | share of a turn, ms |
 * | ------- | ------------------- |
 * | CTRL | 1 |
 * | META | 0.25 |
 * | RW | 1 |
 * | BULK | 0.5 |
 *
 * @module
 */

import type { Clock } from "../port/mod.ts";
import { FABRIC_CHANNEL } from "../wire/mod.ts";

/** Time that one event of a channel may take, and one turn of all that waits on it; by channel. */
export const FABRIC_SHARE_MS: readonly number[] = [1, 1, 0.5, 0.25];

/** Channels in the order in which they come. */
export const FABRIC_CHANNEL_ORDER: readonly number[] = [
  FABRIC_CHANNEL.CTRL,
  FABRIC_CHANNEL.META,
  FABRIC_CHANNEL.RW,
  FABRIC_CHANNEL.BULK,
];

/** Messages between two looks at the clock. */
export const MESSAGES_PER_CLOCK_READING = 16;

/** Something that has messages left to look at. */
export interface TurnWork {
  /**
   * Looks at messages.
   *
   * @param deadlineMs monotonic time at which it should stop; what is left it defers again
   */
  work(deadlineMs: number): void;
}

/** Runs what was left over, turn by turn. */
export class FabricTurns {
  readonly #clock: Clock;
  readonly #waiting: TurnWork[][] = FABRIC_SHARE_MS.map(() => []);
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Monotonic time at which an event of a channel that begins now should stop. */
  deadlineMs(channel: number): number {
    return this.#clock.monotonicMs() + FABRIC_SHARE_MS[channel]!;
  }

  /** Whether a deadline has passed. */
  isOver(deadlineMs: number): boolean {
    return this.#clock.monotonicMs() >= deadlineMs;
  }

  /** Lets some work go on in a later turn. */
  defer(channel: number, work: TurnWork): void {
    this.#waiting[channel]!.push(work);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.nextTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    for (const channel of FABRIC_CHANNEL_ORDER) this.#runChannel(channel);
    if (this.#waiting.some((list) => list.length > 0)) this.#schedule();
  }

  #runChannel(channel: number): void {
    const list = this.#waiting[channel]!;
    if (list.length === 0) return;
    const deadlineMs = this.deadlineMs(channel);
    do list.shift()!.work(deadlineMs); while (list.length > 0 && !this.isOver(deadlineMs));
  }
}
