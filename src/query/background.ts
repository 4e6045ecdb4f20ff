/**
 * Background jobs: write operations, or a function, applied to every record of a set or namespace, each as a transaction
 * of its own. The client is answered at once; how the job stands is seen in `query-show`.
 * Source: wire-protocol reference, section 8.7.
 *
 * Records are gathered first, then written (see `record_gather.ts`). Those that disappear in between are passed over. A
 * write that is suspended suspends the job.
 *
 * @module
 */

import {
  BACKGROUND_DEFERRED_COUNT_MAX,
  ByteBuffer,
  DIGEST_SIZE_BYTES,
  ResultCode,
  SLICE_BESIDE_REQUESTS_MAX_MS,
} from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import { checkWrite } from "../record/mod.ts";
import type { Waiter } from "../storage/mod.ts";
import {
  type Deferral,
  type Namespace,
  ORIGIN,
  runTransaction,
  STEP,
  TransactionContext,
} from "../transaction/mod.ts";
import {
  AS_MSG_HEADER_SIZE,
  FIELD,
  INFO1,
  INFO2,
  INFO3,
  OP,
  OpCursor,
  PROTO_HEADER_SIZE,
  ReplyWriter,
} from "../wire/mod.ts";
import { QUERY_JOB, type QueryPlan } from "./plan.ts";
import type { QueryProgress, QueryStatus } from "./progress.ts";
import { RateLimit } from "./rate_limit.ts";
import { RecordGather } from "./record_gather.ts";
import type { QueryRegistry } from "./registry.ts";
import { QUERY_KIND, QUERY_OUTCOME, type QueryOutcome } from "./stats.ts";

/** Offset of the result code in a reply's frame. */
const RESULT_CODE_AT = PROTO_HEADER_SIZE + 5;

/** What a background job needs besides its plan. */
export interface BackgroundOptions {
  /** Namespace asked. */
  namespace: Namespace;
  /** Time. */
  clock: Clock;
  /** Runs a slice in a later turn; it is told when its time is over. */
  schedule: (run: (deadlineMs: number) => void) => void;
  /** The node's queries. */
  jobs: QueryRegistry;
  /** What is known about the job. */
  progress: QueryProgress;
}

/** A job that applies operations or a function to records. */
export class BackgroundJob implements Waiter {
  readonly #namespace: Namespace;
  readonly #options: BackgroundOptions;
  readonly #clock: Clock;
  readonly #progress: QueryProgress;
  readonly #gather: RecordGather;
  readonly #rate: RateLimit;
  readonly #context: TransactionContext;
  readonly #plan: QueryPlan;
  #writtenCount = 0;
  #waits = false;
  #deferredCount = 0;
  #timer: Timer | undefined;

  /**
   * Starts a job.
   *
   * @returns OK, or the result code of a refusal; then nothing has begun
   */
  static start(plan: QueryPlan, options: BackgroundOptions): number {
    const refusal = plan.kind === QUERY_JOB.UDF_BACKGROUND ? ResultCode.OK : checkOps(plan);
    if (refusal !== ResultCode.OK) return refusal;
    const job = new BackgroundJob(plan, options);
    options.schedule((deadlineMs) => job.#run(deadlineMs));
    return ResultCode.OK;
  }

  private constructor(plan: QueryPlan, options: BackgroundOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#namespace = options.namespace;
    this.#clock = options.clock;
    this.#progress = options.progress;
    this.#gather = new RecordGather(plan, { ...options, waiter: this });
    this.#rate = new RateLimit(plan.recordsPerSecond, options.progress.startMs);
    const reply = new ReplyWriter(new ByteBuffer(256));
    this.#context = new TransactionContext({ reply, waiter: this });
    this.#context.origin = this.#isUdf ? ORIGIN.QUERY_UDF : ORIGIN.QUERY_OPS;
    const message = recordMessage(plan, this.#namespace);
    this.#context.request.decode(message, 0, message.length);
    this.#progress.onAbort = () => this.#finish("done(user-aborted)", QUERY_OUTCOME.ABORT);
    options.jobs.start(this.#progress, { isListed: true });
  }

  /** See {@linkcode Waiter}: the suspended write, or the next record, may go on. */
  wake(): void {
    if (!this.#waits) return;
    this.#waits = false;
    // At once: bytes that were waited for stay no longer than the call.
    this.#run(this.#clock.monotonicMs() + SLICE_BESIDE_REQUESTS_MAX_MS);
  }

  /** Runs a slice and arranges for the next. */
  #run(deadlineMs: number): void {
    if (!this.#progress.isActive) return;
    this.#rate.fill(this.#clock.monotonicMs());
    this.#gather.beginSlice();
    for (;;) {
      if (this.#writtenCount === this.#gather.count) {
        const outcome = this.#gather.step();
        this.#writtenCount = 0;
        if (outcome === "more") break;
        this.#waits = outcome === "pending" || (outcome === "done" && this.#deferredCount > 0);
        if (this.#waits) return;
        if (outcome === "lost") return this.#finish("done(abandoned-unknown)", QUERY_OUTCOME.ERROR);
        if (outcome === "done") return this.#finish("done(ok)", QUERY_OUTCOME.COMPLETE);
      }
      if (!this.#rate.hasToken) {
        this.#waits = true;
        this.#timer = this.#clock.after(this.#rate.waitMs(), () => this.wake());
        return;
      }
      if (this.#deferredCount >= BACKGROUND_DEFERRED_COUNT_MAX || !this.#writeNext()) {
        this.#waits = true;
        return;
      }
      if (this.#clock.monotonicMs() >= deadlineMs) break;
    }
    this.#options.schedule((deadlineMs) => this.#run(deadlineMs));
  }

  /** Writes the next of the gathered records; false when the write is suspended. */
  #writeNext(): boolean {
    const context = this.#context;
    const { reply, request } = context;
    const at = this.#writtenCount * DIGEST_SIZE_BYTES;
    request.bytes.set(this.#gather.digests.subarray(at, at + DIGEST_SIZE_BYTES), context.digestAt);
    reply.out.reset();
    reply.beginProto();
    reply.beginMessage();
    const step = runTransaction(context, this.#namespace);
    if (step === STEP.SUSPENDED) return false;
    this.#writtenCount++;
    this.#rate.take();
    this.#progress.recordsThrottled++;
    if (step === STEP.DONE) this.#count(context.resultCode);
    else this.#defer(context.takeDeferral());
    return true;
  }

  /** The write's replicas have not confirmed it yet; the job goes on with the next records meanwhile. */
  #defer(deferral: Deferral): void {
    this.#deferredCount++;
    deferral.whenSettled(() => {
      this.#deferredCount--;
      const { frame, resultCode } = deferral;
      this.#count(frame === undefined ? resultCode! : frame[RESULT_CODE_AT]);
      this.wake();
    });
  }

  #count(resultCode: number): void {
    if (resultCode === ResultCode.OK) this.#progress.recordsSucceeded++;
    else if (resultCode === ResultCode.FILTERED_OUT) this.#progress.recordsFilteredBins++;
    else if (resultCode === ResultCode.NOT_FOUND) this.#progress.recordsFilteredMeta++;
    else this.#progress.recordsFailed++;
  }

  #finish(status: QueryStatus, outcome: QueryOutcome): void {
    if (!this.#progress.isActive) return;
    this.#waits = false;
    this.#timer?.cancel();
    this.#namespace.inFlight.abandon(this);
    const { jobs } = this.#options;
    const doneCountMax = this.#namespace.service.queryMaxDone;
    jobs.finish(this.#progress, { status, nowMs: this.#clock.monotonicMs(), isListed: true, doneCountMax });
    const { primary, secondary } = jobs.stats(this.#namespace.settings.name);
    const kind = this.#isUdf ? QUERY_KIND.UDF_BACKGROUND : QUERY_KIND.OPS_BACKGROUND;
    (this.#gather.isByIndex ? secondary : primary).add(kind, outcome);
  }

  get #isUdf(): boolean {
    return this.#plan.kind === QUERY_JOB.UDF_BACKGROUND;
  }
}

const cursor = new OpCursor();

/** Refusals that don't depend on a record: only operations that write. */
function checkOps(plan: QueryPlan): number {
  const { request } = plan;
  if (request.opCount === 0 || (request.info1 & INFO1.READ) !== 0) return ResultCode.PARAMETER;
  cursor.start(request);
  while (cursor.next()) {
    switch (cursor.op) {
      case OP.WRITE:
      case OP.INCR:
      case OP.APPEND:
      case OP.PREPEND:
      case OP.TOUCH:
      case OP.DELETE_ALL:
      case OP.EXP_MODIFY:
      case OP.CDT_MODIFY:
      case OP.BITS_MODIFY:
      case OP.HLL_MODIFY:
        break;
      default:
        return ResultCode.PARAMETER;
    }
  }
  const shape = checkWrite(request);
  return typeof shape === "number" ? shape : ResultCode.OK;
}

/** The message that writes one record: header, namespace, set, digest (filled in per record), operations or function. */
function recordMessage(plan: QueryPlan, namespace: Namespace): Uint8Array {
  const { request } = plan;
  const out = new ByteBuffer(256);
  out.append(request.bytes, 0, AS_MSG_HEADER_SIZE);
  out.bytes[1] = 0;
  out.bytes[2] = INFO2.WRITE | (request.info2 & INFO2.DURABLE_DELETE);
  const isUdf = plan.kind === QUERY_JOB.UDF_BACKGROUND;
  out.bytes[3] = isUdf ? 0 : INFO3.UPDATE_ONLY;
  out.bytes.fill(0, 6, 10);
  const fields: [number, Uint8Array][] = [[FIELD.NAMESPACE, namespace.nameBytes]];
  if (plan.set !== undefined) fields.push([FIELD.SET, plan.set.nameBytes]);
  const filter = request.field(FIELD.FILTER_EXP);
  if (filter !== undefined) fields.push([FIELD.FILTER_EXP, filter]);
  fields.push([FIELD.DIGEST, new Uint8Array(DIGEST_SIZE_BYTES)]);
  for (const field of isUdf ? [FIELD.UDF_FILENAME, FIELD.UDF_FUNCTION, FIELD.UDF_ARGLIST] : []) {
    const payload = request.field(field);
    if (payload !== undefined) fields.push([field, payload]);
  }
  for (const [type, payload] of fields) {
    out.appendU32(payload.length + 1);
    out.appendU8(type);
    out.append(payload);
  }
  out.bytes[18] = 0;
  out.bytes[19] = fields.length;
  if (isUdf) out.bytes.fill(0, 20, 22);
  else out.append(request.bytes, request.opsAt, request.end);
  return out.toBytes();
}
