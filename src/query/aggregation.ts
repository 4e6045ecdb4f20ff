/**
 * Aggregations: the records of a query go through a stream function, partition by partition, and each result is sent as
 * a message with a bin SUCCESS. The client puts the results of all partitions and nodes together. A failure is one
 * message with a bin FAILURE, and ends the query. Source: wire-protocol reference, section 8.8, and recorded answers.
 *
 * The stream function is called anew for each partition that has records, in a Lua state of the query's own, so that
 * what it gathers for one partition is small and other calls of the module don't meddle.
 *
 * @module
 */

import {
  DIGEST_SIZE_BYTES,
  partitionId,
  ResultCode,
  SESSION_OUTPUT_HIGH_WATER_BYTES,
  utf8,
} from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import { LOADED, type Waiter } from "../storage/mod.ts";
import { argumentsOf, FAILURE, liveRecord, type Namespace, SUCCESS } from "../transaction/mod.ts";
import type { Script, UdfValue } from "../udf/mod.ts";
import { FIELD, INFO3, OP, PARTICLE } from "../wire/mod.ts";
import type { ForegroundOptions } from "./foreground.ts";
import type { QueryPlan } from "./plan.ts";
import type { QueryStatus } from "./progress.ts";
import { RateLimit } from "./rate_limit.ts";
import { RecordGather } from "./record_gather.ts";
import { QUERY_KIND, QUERY_OUTCOME, type QueryOutcome } from "./stats.ts";

/** No partition. */
const NONE = -1;

/** One aggregation. */
export class AggregationJob implements Waiter {
  readonly #plan: QueryPlan;
  readonly #options: ForegroundOptions;
  readonly #namespace: Namespace;
  readonly #gather: RecordGather;
  readonly #rate: RateLimit;
  #script: Script | undefined;
  #doneCount = 0;
  /** Partition whose stream is open. */
  #partition = NONE;
  #endCode: number = ResultCode.OK;
  #timer: Timer | undefined;

  /** @param plan checked; the query begins to count in `options.jobs` */
  constructor(plan: QueryPlan, options: ForegroundOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#namespace = options.namespace;
    this.#gather = new RecordGather(plan, { ...options, waiter: this });
    this.#rate = new RateLimit(plan.recordsPerSecond, options.progress.startMs);
    options.progress.onAbort = () => this.#abort();
    options.jobs.start(options.progress, { isListed: true });
  }

  /** See {@linkcode Waiter}. */
  wake(): void {
    if (this.#options.progress.isActive || this.#endCode !== ResultCode.OK) this.#options.waiter.wake();
  }

  /** The connection is gone. */
  cancel(): void {
    this.#finish("done(abandoned-response-error)", QUERY_OUTCOME.ERROR);
  }

  /**
   * Runs a slice.
   *
   * @param deadlineMs monotonic time at which the slice is over
   */
  step(clock: Clock, deadlineMs: number): "done" | "more" | "suspended" {
    const { out } = this.#options.reply;
    const sizeBefore = out.length;
    const outcome = this.#slice(clock, deadlineMs);
    this.#options.progress.netIoBytes += out.length - sizeBefore;
    return outcome;
  }

  #slice(clock: Clock, deadlineMs: number): "done" | "more" | "suspended" {
    if (this.#endCode !== ResultCode.OK) return this.#end(this.#endCode);
    this.#script ??= this.#open();
    if (this.#script === undefined) return this.#end(ResultCode.OK);
    this.#gather.beginSlice();
    this.#rate.fill(clock.monotonicMs());
    while (this.#options.reply.out.length <= SESSION_OUTPUT_HIGH_WATER_BYTES) {
      if (this.#doneCount === this.#gather.count) {
        const outcome = this.#gather.step();
        this.#doneCount = 0;
        if (outcome === "more") return "more";
        if (outcome === "pending") return "suspended";
        if (outcome === "lost") return this.#loseIndex();
        if (outcome === "done") return this.#complete();
      }
      if (!this.#rate.hasToken) {
        this.#timer = clock.after(this.#rate.waitMs(), () => this.wake());
        return "suspended";
      }
      const fed = this.#feedNext();
      if (fed !== "more") return fed;
      if (clock.monotonicMs() >= deadlineMs) return "more";
    }
    return "more";
  }

  /** The script of the query; undefined when there is none, and the client has been told. */
  #open(): Script | undefined {
    const opened = this.#namespace.udf.openScript(this.#plan.request.field(FIELD.UDF_FILENAME)!);
    if (typeof opened !== "string") return opened;
    this.#fail(opened);
    return undefined;
  }

  /** Gives the next of the gathered records to the stream of its partition. */
  #feedNext(): "done" | "more" | "suspended" {
    const { store, entry, table } = this.#namespace;
    const at = this.#doneCount * DIGEST_SIZE_BYTES;
    const digest = this.#gather.digests.subarray(at, at + DIGEST_SIZE_BYTES);
    const { namesSet, set } = this.#plan;
    const isThere = store.find(digest, 0, entry) && store.isLive(entry, store.nowMs()) &&
      (!namesSet || entry.setId === set?.id);
    if (isThere) {
      const loaded = store.load(entry, this);
      if (loaded === LOADED.PENDING) return "suspended";
      if (loaded === LOADED.FAILED) {
        this.#options.progress.recordsFailed++;
        this.#doneCount++;
        return "more";
      }
      table.reset(store.flat.bytes, store.flat.bytes);
      store.flat.loadBins(table);
      const fault = this.#feed(digest);
      if (fault !== undefined) return this.#end(this.#fail(fault));
      this.#options.progress.recordsSucceeded++;
    }
    this.#rate.take();
    this.#options.progress.recordsThrottled++;
    this.#doneCount++;
    return "more";
  }

  #feed(digest: Uint8Array): string | undefined {
    const partition = partitionId(digest, 0);
    const record = liveRecord(this.#namespace, digest);
    return this.#run((script) => {
      if (partition !== this.#partition) {
        const fault = this.#closeStream(script) ?? this.#openStream(script);
        if (fault !== undefined) return fault;
        this.#partition = partition;
      }
      return script.feedStream(record, this.#emit);
    });
  }

  #openStream(script: Script): string | undefined {
    const { request } = this.#plan;
    return script.openStream(request.field(FIELD.UDF_FUNCTION)!, argumentsOf(request));
  }

  #closeStream(script: Script): string | undefined {
    if (this.#partition === NONE) return undefined;
    this.#partition = NONE;
    return script.endStream(this.#emit);
  }

  /** Runs a step of the script; what is wrong in the machine itself drops the script as well. */
  #run(run: (script: Script) => string | undefined): string | undefined {
    const script = this.#script!;
    return this.#namespace.udf.guarded(() => run(script), (text) => {
      this.#script = undefined;
      return text;
    });
  }

  readonly #emit = ({ type, bytes }: UdfValue): void => {
    this.#send(SUCCESS, type, bytes);
  };

  #send(name: Uint8Array, type: number, bytes: Uint8Array): void {
    const { reply } = this.#options;
    reply.beginProto();
    reply.beginMessage();
    const at = reply.op(OP.READ, type, name, 0, name.length, bytes.length);
    reply.out.bytes.set(bytes, at);
    reply.endMessage(ResultCode.OK, 0, 0, 0);
    reply.endProto();
  }

  /** Tells the client of a failure; the result code that the query ends with. */
  #fail(text: string): number {
    this.#send(FAILURE, PARTICLE.STRING, utf8(text));
    this.#finish("done(abandoned-unknown)", QUERY_OUTCOME.ERROR);
    return ResultCode.OK;
  }

  #complete(): "done" {
    const fault = this.#run((script) => this.#closeStream(script));
    if (fault !== undefined) return this.#end(this.#fail(fault));
    this.#finish("done(ok)", QUERY_OUTCOME.COMPLETE);
    return this.#end(ResultCode.OK);
  }

  #loseIndex(): "done" {
    this.#finish("done(abandoned-unknown)", QUERY_OUTCOME.ERROR);
    return this.#end(ResultCode.SINDEX_NOT_FOUND);
  }

  #end(resultCode: number): "done" {
    this.#options.reply.frame({ resultCode, info3: INFO3.LAST });
    return "done";
  }

  /** Ends the query from outside; the client is told when the query may send again. */
  #abort(): void {
    this.#endCode = ResultCode.QUERY_ABORT;
    this.#finish("done(user-aborted)", QUERY_OUTCOME.ABORT);
    this.#options.clock.nextTurn(() => this.wake());
  }

  /** Counts the query's end and frees its script; later calls do nothing. */
  #finish(status: QueryStatus, outcome: QueryOutcome): void {
    const { jobs, progress, clock } = this.#options;
    if (!progress.isActive) return;
    this.#timer?.cancel();
    if (this.#script !== undefined) {
      this.#run((script) => {
        script.close();
        return undefined;
      });
      this.#script = undefined;
    }
    const doneCountMax = this.#namespace.service.queryMaxDone;
    jobs.finish(progress, { status, nowMs: clock.monotonicMs(), isListed: true, doneCountMax });
    const { primary, secondary } = jobs.stats(this.#namespace.settings.name);
    (this.#gather.isByIndex ? secondary : primary).add(QUERY_KIND.AGGREGATION, outcome);
  }
}
