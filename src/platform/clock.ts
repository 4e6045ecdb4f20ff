/**
 * Clock of the machine.
 *
 * @module
 */
import type { Clock } from "../port/mod.ts";

/** @param nextTurn how this runtime gives I/O a turn */
export function createClock(nextTurn: (fn: () => void) => void): Clock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    after(delayMs, fn) {
      const id = setTimeout(fn, delayMs);
      return { cancel: () => clearTimeout(id) };
    },
    nextTurn,
  };
}
