/**
 * Refusals that a person should hear of: results 9, 14, 18, 22 and writes in doubt. Each cause gets at most one line per
 * interval, with the number of refusals since the last; the line names the phase, the cause and what to change.
 *
 * @module
 */

import { resultCodeName } from "../base/mod.ts";
import type { Clock, Log } from "../port/mod.ts";

const INTERVAL_MS = 10_000;

/** Why a request was refused; one constant object per cause. */
export interface RefusalCause {
  /** Result code of the answer. */
  code: number;
  /** Where in the request's way, for example "ttl" or "set limit". */
  phase: string;
  /** What happened and what to change. */
  text: string;
}

/** Rate-limited lines about refusals of one namespace. */
export class RefusalLog {
  readonly #namespace: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #states = new Map<RefusalCause, { nextMs: number; count: number }>();

  /** @param options whose refusals, and where the lines go */
  constructor(options: { namespace: string; clock: Clock; log: Log }) {
    this.#namespace = options.namespace;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Counts a refusal and writes a line when it is time; returns the cause's code. */
  note(cause: RefusalCause): number {
    const nowMs = this.#clock.monotonicMs();
    let state = this.#states.get(cause);
    if (state === undefined) this.#states.set(cause, state = { nextMs: 0, count: 0 });
    state.count++;
    if (nowMs >= state.nextMs) {
      this.#log.write(
        "warning",
        "rw",
        `{${this.#namespace}} ${cause.phase}: answered ${cause.code} (${resultCodeName(cause.code)}) ` +
          `to ${state.count} request${state.count === 1 ? "" : "s"}: ${cause.text}`,
      );
      state.nextMs = nowMs + INTERVAL_MS;
      state.count = 0;
    }
    return cause.code;
  }
}
