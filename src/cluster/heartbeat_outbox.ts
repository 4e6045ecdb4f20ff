/**
 * Collects what a step of the heartbeat asks its caller to do, and keeps repeated log lines from flooding the log.
 *
 * @module
 */

import { HEARTBEAT_CHANGE_COUNT_MAX, HEARTBEAT_LOG_KEY_COUNT_MAX } from "../base/mod.ts";
import type { HeartbeatChange } from "./clustering_types.ts";
import type { HeartbeatEffect } from "./heartbeat_types.ts";

/** A log line with the same key is written at most once in this time. */
export const LOG_REPEAT_MS = 10_000;

type LogLevel = Extract<HeartbeatEffect, { kind: "log" }>["level"];

/** Effects of the step that runs. */
export class HeartbeatOutbox {
  /** Monotonic time of the step. */
  nowMs = 0;
  #effects: HeartbeatEffect[] = [];
  readonly #loggedMs = new Map<string, number>();

  /** Asks for something. */
  push(effect: HeartbeatEffect): void {
    this.#effects.push(effect);
  }

  /** Tells of changes, in batches of bounded size. */
  changes(changes: readonly HeartbeatChange[]): void {
    for (let at = 0; at < changes.length; at += HEARTBEAT_CHANGE_COUNT_MAX) {
      this.push({ kind: "heartbeat", changes: changes.slice(at, at + HEARTBEAT_CHANGE_COUNT_MAX) });
    }
  }

  /** Writes a log line. */
  log(level: LogLevel, text: string): void {
    this.push({ kind: "log", level, text });
  }

  /** Writes a log line unless one with this key was written a moment ago. */
  logSeldom(key: string, level: LogLevel, text: string): void {
    const lastMs = this.#loggedMs.get(key);
    if (lastMs !== undefined && this.nowMs - lastMs < LOG_REPEAT_MS) return;
    if (lastMs === undefined && this.#loggedMs.size >= HEARTBEAT_LOG_KEY_COUNT_MAX) this.#loggedMs.clear();
    this.#loggedMs.set(key, this.nowMs);
    this.log(level, text);
  }

  /** The effects so far; the outbox is empty afterwards. */
  take(): HeartbeatEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
