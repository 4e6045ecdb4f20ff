/**
 * When messages leave: those that belong together share one write of a connection.
 *
 * | channel | leave |
 * | ------- | ----- |
 * | RW | when the events that are ready have been handled: what many clients write, and the answers to many writes |
 * | others | at once; between `hold` and `release` at the end of these |
 *
 * @module
 */

import { assert } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { FABRIC_CHANNEL } from "../wire/mod.ts";
import type { FabricLane } from "./fabric_peer.ts";
import { FABRIC_CHANNEL_ORDER } from "./fabric_turns.ts";

/** See the head of the file. */
export class FabricDepartures {
  readonly #clock: Clock;
  readonly #flush: (lane: FabricLane) => void;
  #held: FabricLane[] = [];
  /** Lanes of RW with messages for the end of the present events. */
  #late: FabricLane[] = [];
  #holdDepth = 0;

  /** @param flush gives what waits to idle connections */
  constructor(clock: Clock, flush: (lane: FabricLane) => void) {
    this.#clock = clock;
    this.#flush = flush;
  }

  /** A lane with an idle connection has something to send. */
  add(lane: FabricLane): void {
    const isLate = lane.channel === FABRIC_CHANNEL.RW;
    if (!isLate && this.#holdDepth === 0) return this.#flush(lane);
    if (lane.isDirty) return;
    lane.isDirty = true;
    if (!isLate) this.#held.push(lane);
    else if (this.#late.push(lane) === 1) this.#clock.afterEvents(this.#endEvents);
  }

  readonly #endEvents = (): void => {
    const late = this.#late;
    this.#late = [];
    for (const lane of late) this.#clean(lane);
  };

  #clean(lane: FabricLane): void {
    lane.isDirty = false;
    this.#flush(lane);
  }

  /** See {@linkcode Fabric.hold}. */
  hold(): void {
    this.#holdDepth++;
  }

  /** See {@linkcode Fabric.release}. */
  release(): void {
    assert(this.#holdDepth > 0, "release() follows hold()");
    if (--this.#holdDepth > 0 || this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const channel of FABRIC_CHANNEL_ORDER) {
      for (const lane of held) if (lane.channel === channel) this.#clean(lane);
    }
  }
}
