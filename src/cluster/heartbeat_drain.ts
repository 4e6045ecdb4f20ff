/**
 * Waits until all that had arrived at the sockets of a heartbeat is delivered: until a turn of the event loop brings
 * nothing more. The first turn says nothing: it may have been due already when the process stood still, so that it comes
 * before the sockets are looked at.
 *
 * @module
 */

import { HEARTBEAT_DRAIN_TURN_COUNT_MAX } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";

/** What a {@linkcode HeartbeatDrain} looks at. */
export interface HeartbeatDrainOptions {
  readonly clock: Clock;
  /** Bytes that have arrived so far. */
  readonly receivedBytes: () => number;
  /** Whether bytes that arrived wait for a later turn. */
  readonly hasUnread: () => boolean;
  /** Called at the end. */
  readonly onDrained: () => void;
}

/** See the head of the file. */
export class HeartbeatDrain {
  readonly #options: HeartbeatDrainOptions;
  #isDraining = false;
  #isStopped = false;

  constructor(options: HeartbeatDrainOptions) {
    this.#options = options;
  }

  /** Begins, unless it is under way. */
  start(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#options.clock.nextTurn(() => this.#turn(HEARTBEAT_DRAIN_TURN_COUNT_MAX));
  }

  /** No call follows. */
  stop(): void {
    this.#isStopped = true;
  }

  #turn(turnsLeft: number): void {
    const { clock, receivedBytes, hasUnread, onDrained } = this.#options;
    const before = receivedBytes();
    clock.nextTurn(() => {
      if (this.#isStopped) return;
      const isQuiet = receivedBytes() === before && !hasUnread();
      if (!isQuiet && turnsLeft > 0) return this.#turn(turnsLeft - 1);
      this.#isDraining = false;
      onDrained();
    });
  }
}
