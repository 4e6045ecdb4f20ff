/**
 * From a query's message to a job that runs in slices.
 *
 * @module
 */

import { FIELD, INFO3, type RecordRequest, type ReplyWriter } from "../wire/mod.ts";
import { ResultCode, utf8Decode } from "../base/mod.ts";
import type { Address, Clock } from "../port/mod.ts";
import { AggregationJob } from "./aggregation.ts";
import { BackgroundJob } from "./background.ts";
import type { ForegroundOptions } from "./foreground.ts";
import { planQuery, QUERY_JOB, type QueryJobKind, type QueryPlan } from "./plan.ts";
import { type QueryJobType, QueryProgress } from "./progress.ts";
import { ScanJob } from "./scan.ts";

/** What a query needs. */
export interface QueryOptions extends Omit<ForegroundOptions, "progress"> {
  /** Runs a slice in a later turn, in turn with the jobs of all connections; it is told when its time is over. */
  schedule: (run: (deadlineMs: number) => void) => void;
  /** Who asks. */
  remote: Address;
  /** Closes the connection of a client that does not read. */
  close: () => void;
}

/** A query that runs in slices. */
export interface QueryJob {
  /**
   * Runs for a while.
   *
   * @param deadlineMs monotonic time at which the slice is over
   */
  step(clock: Clock, deadlineMs: number): "done" | "more" | "suspended";
  /** The connection is gone. */
  cancel(): void;
}

/**
 * Starts a query.
 *
 * @param message the decoded request: it begins at offset 0 of its buffer, which stays as it is until the query is done
 * @returns a job, or the result code of a refusal
 */
export function startQuery(message: RecordRequest, options: QueryOptions): QueryJob | number {
  const { namespace, jobs, clock } = options;
  const plan = planQuery(message, namespace);
  if (typeof plan === "number") return plan;
  if (!plan.isShort && plan.trid !== "" && jobs.isActive(plan.trid)) return ResultCode.PARAMETER;
  if (jobs.activeCount + jobs.activeShortCount >= namespace.service.queryThreadsLimit) {
    return ResultCode.FORBIDDEN;
  }
  const progress = new QueryProgress(identityOf(plan, options), clock.monotonicMs());
  if (plan.kind === QUERY_JOB.BASIC) return new ScanJob(plan, { ...options, progress });
  if (plan.kind === QUERY_JOB.AGGREGATION) return new AggregationJob(plan, { ...options, progress });
  const refusal = BackgroundJob.start(plan, { ...options, progress });
  return refusal === ResultCode.OK ? new Acknowledgement(options.reply, progress) : refusal;
}

/** Names of jobs in `query-show`, by kind. */
const JOB_TYPES: Readonly<Record<QueryJobKind, QueryJobType>> = {
  [QUERY_JOB.BASIC]: "basic",
  [QUERY_JOB.AGGREGATION]: "aggregation",
  [QUERY_JOB.UDF_BACKGROUND]: "background-udf",
  [QUERY_JOB.OPS_BACKGROUND]: "background-ops",
};

function functionOf(request: RecordRequest): { fileName: string; functionName: string } {
  return {
    fileName: utf8Decode(request.field(FIELD.UDF_FILENAME)!),
    functionName: utf8Decode(request.field(FIELD.UDF_FUNCTION)!),
  };
}

function identityOf(plan: QueryPlan, options: QueryOptions): QueryProgress["identity"] {
  const { namespace, remote, jobs } = options;
  return {
    trid: plan.trid === "" ? jobs.nextTrid() : plan.trid,
    namespaceName: namespace.settings.name,
    setName: plan.setName,
    indexName: plan.index?.index.name ?? "",
    jobType: JOB_TYPES[plan.kind],
    udf: plan.kind === QUERY_JOB.UDF_BACKGROUND ? functionOf(plan.request) : undefined,
    recordsPerSecond: plan.recordsPerSecond,
    pidsRequested: plan.partitions.length,
    digestsRequested: plan.digests.length / 20,
    socketTimeoutMs: plan.socketTimeoutMs,
    from: `${remote.host}:${remote.port}`,
  };
}

/** Tells the client of a background job that it has begun. */
class Acknowledgement implements QueryJob {
  readonly #reply: ReplyWriter;
  readonly #progress: QueryProgress;

  constructor(reply: ReplyWriter, progress: QueryProgress) {
    this.#reply = reply;
    this.#progress = progress;
  }

  step(): "done" {
    const { out } = this.#reply;
    const sizeBefore = out.length;
    this.#reply.frame({ resultCode: ResultCode.OK, info3: INFO3.LAST });
    this.#progress.netIoBytes += out.length - sizeBefore;
    return "done";
  }

  cancel(): void {}
}
