/**
 * Scans, index queries and background jobs: requests without a digest.
 *
 * @module
 */

import { ResultCode } from "../base/mod.ts";
import type { Address, Clock } from "../port/mod.ts";
import type { Waiter } from "../storage/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import type { RecordRequest, ReplyWriter } from "../wire/mod.ts";

/** Queries of a node. */
export class QueryRegistry {
  /** Long queries that run. */
  readonly activeCount: number = 0;
}

/** What a query needs. */
export interface QueryOptions {
  /** Namespace asked. */
  namespace: Namespace;
  /** Where replies go. */
  reply: ReplyWriter;
  /** Woken when a suspended query may go on. */
  waiter: Waiter;
  /** Time. */
  clock: Clock;
  /** The node's queries. */
  jobs: QueryRegistry;
  /** Who asks. */
  remote: Address;
  /** Closes the connection of a client that does not read. */
  close: () => void;
}

/** A query that runs in slices. */
export interface QueryJob {
  /** Runs for a while. */
  step(clock: Clock, deadlineMs: number): "done" | "more" | "suspended";
  /** The connection is gone. */
  cancel(): void;
}

/** Starts a query, or answers the result code of its refusal. */
export function startQuery(_request: RecordRequest, _options: QueryOptions): QueryJob | number {
  return ResultCode.UNSUPPORTED_FEATURE;
}
