/**
 * What clients may take of the event loop, so that no flood of theirs keeps heartbeats, peers and timers waiting.
 *
 * A client that sends many requests at once would have all that one readable event brings run in one go, and with many
 * such clients a turn of the loop would last for hundreds of milliseconds: the node would be taken for dead. So one run of
 * requests of a connection stops after a millisecond, and all together after some; what is left stays in the input of
 * its session and goes on in later turns, first come first served. Clients that send one request and wait never notice.
 *
 * @module
 */

import { CLIENT_RUN_MAX_MS, CLIENT_TURN_MAX_MS } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";

/** Somebody with requests left over. */
export interface TurnTaker {
  /** His turn has come: he may run requests. */
  onTurn(): void;
}

/** Below this much use nobody needs to begin a new count. */
const COUNT_FROM_MS = 1;

/** See the head of the file. */
export class ClientTurns {
  readonly #clock: Clock;
  readonly #waiting: TurnTaker[] = [];
  /** What clients have used since the count began. */
  #usedMs = 0;
  #isScheduled = false;

  /** @param clock turns of the event loop */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * How long a run of requests that begins now may last.
   *
   * @returns milliseconds; 0 or less when the turn is used up
   */
  get shareMs(): number {
    return Math.min(CLIENT_RUN_MAX_MS, CLIENT_TURN_MAX_MS - this.#usedMs);
  }

  /** A run of requests took some time. */
  use(tookMs: number): void {
    this.#usedMs += tookMs;
    if (this.#usedMs >= COUNT_FROM_MS) this.#schedule();
  }

  /** Lets somebody go on in a later turn, after those who wait already. */
  defer(taker: TurnTaker): void {
    this.#waiting.push(taker);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.nextTurn(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    this.#usedMs = 0;
    // Not those that are added meanwhile: who has still more left waits for the next turn.
    for (let count = this.#waiting.length; count > 0 && this.shareMs > 0; count--) {
      this.#waiting.shift()!.onTurn();
    }
    if (this.#waiting.length > 0) this.#schedule();
  }
}
