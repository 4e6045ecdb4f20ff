/**
 * What a deferred transaction waits for: its replicas, or the node that it was sent on to.
 *
 * @module
 */

import { assert } from "../base/mod.ts";

/** The outcome of one deferred transaction; settled once. */
export class Deferral {
  /** OK: the reply may leave. Else it must be replaced by this result. Undefined until it is settled. */
  resultCode: number | undefined;
  /** Another node's reply, a whole frame, in place of the one that was written; undefined when there is none. */
  frame: Uint8Array | undefined;
  #onSettled: (() => void) | undefined;

  /** Whether the outcome is known. */
  get isSettled(): boolean {
    return this.resultCode !== undefined;
  }

  /** Tells the outcome; a second one is ignored. */
  settle(resultCode: number, frame?: Uint8Array): void {
    if (this.isSettled) return;
    this.resultCode = resultCode;
    this.frame = frame;
    this.#onSettled?.();
  }

  /** Calls `fn` when the outcome is known: at once when it is. There is one listener. */
  whenSettled(fn: () => void): void {
    assert(this.#onSettled === undefined, "a deferral has one listener");
    this.#onSettled = fn;
    if (this.isSettled) fn();
  }
}
