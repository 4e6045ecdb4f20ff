/**
 * What a node counts besides its namespaces. The names are the stock server's in camel case.
 *
 * @module
 */

import { Histogram } from "../base/mod.ts";
import { type BatchStats, CompressionStats } from "../transaction/mod.ts";

/** Connections of one kind. */
export interface ConnectionStats {
  /** Opened since the start. */
  opened: number;
  /** Closed since the start. */
  closed: number;
}

/** Counters of a node. */
export class NodeStats {
  /** Service connections. */
  readonly client: ConnectionStats = { opened: 0, closed: 0 };
  /** Connections of the admin port. */
  readonly admin: ConnectionStats = { opened: 0, closed: 0 };
  /** Connections of the plain info port. */
  readonly info: ConnectionStats = { opened: 0, closed: 0 };
  /** Idle connections that were closed. */
  reapedFds = 0;
  /** Connections refused because `proto-fd-max` was reached. */
  refusedFds = 0;
  /** Info requests answered, each with any number of commands. */
  infoComplete = 0;
  /** Info requests that took longer than `info-max-ms`. */
  infoTimeout = 0;
  /** Bad frames and malformed messages. */
  demarshalError = 0;
  /** Requests that failed before their namespace was known. */
  earlyTsvcClientError = 0;
  /** Deprecated info commands, or forms of them, answered. */
  deprecatedRequests = 0;
  /** Batches. */
  readonly batch: BatchStats = { initiated: 0, completed: 0, failed: 0 };
  /** Replies to batches. */
  readonly batchCompression: CompressionStats = new CompressionStats();
  /** Latency of batches. */
  readonly batchIndexHistogram: Histogram = new Histogram();
  /** Latency of info commands. */
  readonly infoHistogram: Histogram = new Histogram();
}
