/**
 * The queries of a node: those that run, the last ones that are done, and how queries of each namespace ended.
 *
 * @module
 */

import { assert } from "../base/mod.ts";
import type { QueryProgress, QueryStatus } from "./progress.ts";
import { QueryStats } from "./stats.ts";

/** End of a query. */
export interface QueryEnd {
  /** How it ended. */
  status: QueryStatus;
  /** Monotonic time. */
  nowMs: number;
  /** Whether it was listed. */
  isListed: boolean;
  /** Queries that are done to keep. */
  doneCountMax: number;
}

/** Queries of a node. Short queries are counted while they run, but neither listed nor aborted. */
export class QueryRegistry {
  /** Short queries that run. */
  activeShortCount = 0;
  readonly #active = new Map<string, QueryProgress>();
  readonly #done: QueryProgress[] = [];
  readonly #stats = new Map<string, QueryStats>();
  #lastTrid = 0;

  /** Long queries that run, background jobs included. */
  get activeCount(): number {
    return this.#active.size;
  }

  /** Counters of a namespace. */
  stats(namespaceName: string): QueryStats {
    let stats = this.#stats.get(namespaceName);
    if (stats === undefined) this.#stats.set(namespaceName, stats = new QueryStats());
    return stats;
  }

  /** A task id for a query that brought none. */
  nextTrid(): string {
    do this.#lastTrid++; while (this.#active.has(String(this.#lastTrid)));
    return String(this.#lastTrid);
  }

  /** Whether a query with this task id runs. */
  isActive(trid: string): boolean {
    return this.#active.has(trid);
  }

  /**
   * Takes in a query that begins.
   *
   * @param options `isListed`: false for short queries; no listed query with its task id may run
   */
  start(progress: QueryProgress, options: { isListed: boolean }): void {
    if (options.isListed) this.#active.set(progress.identity.trid, progress);
    else this.activeShortCount++;
  }

  /**
   * Ends a query that runs.
   *
   * @param end how it ended, at which monotonic time, whether it was listed, how many queries that are done to keep
   */
  finish(progress: QueryProgress, end: QueryEnd): void {
    assert(progress.isActive, "A query ends once");
    progress.status = end.status;
    progress.endMs = end.nowMs;
    if (!end.isListed) {
      this.activeShortCount--;
      return;
    }
    this.#active.delete(progress.identity.trid);
    this.#done.push(progress);
    const surplus = this.#done.length - end.doneCountMax;
    if (surplus > 0) this.#done.splice(0, surplus);
  }

  /** Queries that run, then those that are done, oldest first. */
  list(): QueryProgress[] {
    return [...this.#active.values(), ...this.#done];
  }

  /** A query by task id in decimal; the latest when several had it. */
  find(trid: string): QueryProgress | undefined {
    return this.#active.get(trid) ?? this.#done.findLast((progress) => progress.identity.trid === trid);
  }

  /** Ends a query by task id; false when none runs. */
  abort(trid: string): boolean {
    const progress = this.#active.get(trid);
    progress?.onAbort();
    return progress !== undefined;
  }

  /** Ends all queries; how many there were. */
  abortAll(): number {
    const running = [...this.#active.values()];
    for (const progress of running) progress.onAbort();
    return running.length;
  }
}
