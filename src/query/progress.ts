/**
 * What is known about one query while it runs and afterwards, and how `query-show` prints it.
 * Source: wire-protocol reference, section 9.7, and recorded answers.
 *
 * @module
 */

import { safeText } from "../wire/mod.ts";

/** How a query stands. */
export type QueryStatus =
  | "active(ok)"
  | "done(ok)"
  | "done(user-aborted)"
  | "done(abandoned-unknown)"
  | "done(abandoned-response-error)"
  | "done(abandoned-response-timeout)";

/** Types of job that `query-show` tells apart. */
export type QueryJobType = "basic" | "aggregation" | "background-udf" | "background-ops";

/** What is known about a query from its start. */
export interface QueryIdentity {
  /** Task id, an unsigned 64-bit number in decimal. */
  trid: string;
  /** Namespace. */
  namespaceName: string;
  /** Set, empty for the whole namespace. */
  setName: string;
  /** Secondary index, empty for none. */
  indexName: string;
  /** Kind of job. */
  jobType: QueryJobType;
  /** Records per second, 0 for no limit. */
  recordsPerSecond: number;
  /** Partitions that the client named; 0 when it named none. */
  pidsRequested: number;
  /** Digests to go on from. */
  digestsRequested: number;
  /** Socket timeout in ms. */
  socketTimeoutMs: number;
  /** Function of a background UDF job, undefined for others. */
  udf?: { fileName: string; functionName: string } | undefined;
  /** Who asks, as address and port. */
  from: string;
}

/** One query's progress. */
export class QueryProgress {
  /** What was known from the start. */
  readonly identity: QueryIdentity;
  /** Monotonic time of the start. */
  readonly startMs: number;
  /** Monotonic time of the end, undefined while it runs. */
  endMs: number | undefined;
  /** How it stands. */
  status: QueryStatus = "active(ok)";
  /** Partitions to visit. */
  partitionCount = 0;
  /** Partitions that are done. */
  partitionsDone = 0;
  /** Records that passed the limit per second. */
  recordsThrottled = 0;
  /** Records that a filter excluded by their metadata. */
  recordsFilteredMeta = 0;
  /** Records that a filter excluded by their bins. */
  recordsFilteredBins = 0;
  /** Records sent, or written by a background job. */
  recordsSucceeded = 0;
  /** Records that could not be read or written. */
  recordsFailed = 0;
  /** Bytes of replies. */
  netIoBytes = 0;
  /** Ends the query from outside; set by the job. */
  onAbort: () => void = () => {};

  /** @param identity known from the start */
  constructor(identity: QueryIdentity, startMs: number) {
    this.identity = identity;
    this.startMs = startMs;
  }

  /** Whether the query runs. */
  get isActive(): boolean {
    return this.endMs === undefined;
  }

  /** The query as `query-show` prints it. */
  describe(nowMs: number): string {
    const { identity } = this;
    const endMs = this.endMs ?? nowMs;
    const isDone = this.endMs !== undefined;
    const share = this.partitionCount === 0 ? 0 : this.partitionsDone / this.partitionCount;
    const parts = [`trid=${identity.trid}`, `ns=${identity.namespaceName}`];
    if (identity.setName !== "") parts.push(`set=${safeText(identity.setName)}`);
    if (identity.indexName !== "") parts.push(`sindex-name=${safeText(identity.indexName)}`);
    if (identity.pidsRequested + identity.digestsRequested > 0) {
      parts.push(
        `n-pids-requested=${identity.pidsRequested}`,
        `n-keyds-requested=${identity.digestsRequested}`,
      );
    }
    parts.push(
      `rps=${identity.recordsPerSecond}`,
      `active-threads=${isDone ? 0 : 1}`,
      `status=${this.status}`,
      `job-progress=${(isDone ? 100 : share * 100).toFixed(2)}`,
      `run-time=${Math.round(endMs - this.startMs)}`,
      `time-since-done=${isDone ? Math.round(nowMs - endMs) : 0}`,
      `recs-throttled=${this.recordsThrottled}`,
      `recs-filtered-meta=${this.recordsFilteredMeta}`,
      `recs-filtered-bins=${this.recordsFilteredBins}`,
      `recs-succeeded=${this.recordsSucceeded}`,
      `recs-failed=${this.recordsFailed}`,
      `from=${identity.from.replaceAll(":", "+")}`,
      `job-type=${identity.jobType}`,
      `net-io-bytes=${this.netIoBytes}`,
    );
    if (identity.jobType === "basic" || identity.jobType === "aggregation") parts.push("net-io-time=0");
    parts.push(`socket-timeout=${identity.socketTimeoutMs}`);
    if (identity.jobType === "background-ops") parts.push("ops-active=0");
    if (identity.udf !== undefined) {
      const { fileName, functionName } = identity.udf;
      parts.push(
        `udf-filename=${safeText(fileName)}`,
        `udf-function=${safeText(functionName)}`,
        "udf-active=0",
      );
    }
    return parts.join(":");
  }
}
