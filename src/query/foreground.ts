/**
 * What queries that answer their client with records or results have in common.
 *
 * @module
 */

import type { Clock } from "../port/mod.ts";
import type { Waiter } from "../storage/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import type { ReplyWriter } from "../wire/mod.ts";
import type { QueryProgress } from "./progress.ts";
import type { QueryRegistry } from "./registry.ts";

/** What such a query needs besides its plan. */
export interface ForegroundOptions {
  /** Namespace asked. */
  namespace: Namespace;
  /** Where replies go. */
  reply: ReplyWriter;
  /** Woken when the suspended query may go on. */
  waiter: Waiter;
  /** Time. */
  clock: Clock;
  /** The node's queries. */
  jobs: QueryRegistry;
  /** What is known about the query. */
  progress: QueryProgress;
}
