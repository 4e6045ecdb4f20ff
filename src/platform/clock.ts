/**
 * Clock of the machine.
 *
 * @module
 */
import type { Clock } from "../port/mod.ts";

/** How a runtime lets code wait for its events. */
export interface RuntimeTurns {
  /** See {@linkcode Clock.nextTurn}. */
  nextTurn(fn: () => void): void;
  /** See {@linkcode Clock.afterEvents}. */
  afterEvents(fn: () => void): void;
}

/** @param turns of this runtime */
export function createClock(turns: RuntimeTurns): Clock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    after(delayMs, fn) {
      const id = setTimeout(fn, delayMs);
      return { cancel: () => clearTimeout(id) };
    },
    ...turns,
  };
}
