/**
 * Batch requests: rows one after the other, each a transaction of its own, replies in chunks, then a trailer.
 * Source: wire-protocol reference, section 7.
 *
 * A batch is a job: it runs in slices, stops when the client does not read, and can be suspended in any row. Rows are
 * processed in their order. A deferred row (one that waits for other nodes) does not stop those after it; its reply goes
 * out when it is known, with its index, so replies may leave in another order.
 *
 * @module
 */

import { BATCH_DEFERRED_COUNT_MAX, type Histogram, ResultCode, TIMER_DELAY_MAX_MS } from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import type { Waiter } from "../storage/mod.ts";
import {
  BATCH_FLAG,
  BatchCursor,
  FIELD,
  INFO3,
  PROTO_HEADER_SIZE,
  type RecordRequest,
  type ReplyWriter,
} from "../wire/mod.ts";
import { CAUSE } from "./causes.ts";
import { type Namespace, STEP, type Step, TransactionContext } from "./context.ts";
import type { Deferral } from "./deferral.ts";
import { filterOf } from "./filter.ts";
import { ORIGIN } from "./stats.ts";
import { findNamespace, runTransaction } from "./run.ts";

/** Offset of the result code in a reply's frame. */
const RESULT_CODE_AT = PROTO_HEADER_SIZE + 5;
/** Replies are sent when this much has gathered, as the stock server does. */
const CHUNK_SIZE_BYTES = 128 * 1024;

/** How a slice of a batch ended. */
export type BatchStep = "done" | "more" | "suspended";

/** Counters of batches, per node. */
export interface BatchStats {
  /** Batches begun. */
  initiated: number;
  /** Batches that ended well. */
  completed: number;
  /** Batches that were refused or cut short. */
  failed: number;
}

/** What a batch needs. */
export interface BatchOptions {
  /** Where replies go. */
  reply: ReplyWriter;
  /** Woken when a suspended batch may go on. */
  waiter: Waiter;
  /** What there is to ask. */
  namespaces: readonly Namespace[];
  /** Counters. */
  stats: BatchStats;
  /** Rows that one batch may have, 0 for no limit. */
  rowCountMax: number;
  /** Told of each frame with rows, the last in the reply's buffer, by its offset there. */
  onFrame?: ((frameAt: number) => void) | undefined;
}

/** A row whose reply waits for other nodes. */
interface DeferredRow {
  readonly rowIndex: number;
  readonly deferral: Deferral;
  /** The reply's message; undefined when another node writes it. */
  readonly message: Uint8Array | undefined;
  readonly histogram: Histogram;
  readonly latencyScale: number;
  readonly startMs: number;
}

/** One batch request while it runs. */
export class BatchJob {
  readonly #cursor = new BatchCursor();
  readonly #row: TransactionContext;
  readonly #reply: ReplyWriter;
  readonly #options: BatchOptions;
  readonly #parentFilterAt: number;
  #suspendedRow: Namespace | undefined;
  #overall: number = ResultCode.OK;
  readonly #parentFilterSize: number;
  #refused: number = ResultCode.OK;
  #protoOpen = false;
  #protoAt = 0;
  #deferredCount = 0;
  readonly #settled: DeferredRow[] = [];
  /** The batch can do nothing but wait for deferred rows. */
  #waitsForRows = false;
  #isTimeOver = false;
  #rowTimer: Timer | undefined;
  // Asking for the time costs as much as a small row: the end of one row is the start of the next.
  #nowMs = 0;

  /**
   * @param parent the decoded request; its bytes must stay until the job is done
   * @param options where replies go, who is woken, what there is to ask
   */
  constructor(parent: RecordRequest, options: BatchOptions) {
    this.#options = options;
    this.#reply = options.reply;
    this.#row = new TransactionContext({ reply: options.reply, waiter: options.waiter });
    this.#row.origin = ORIGIN.BATCH;
    this.#row.request.transactionTtlMs = parent.transactionTtlMs;
    this.#parentFilterAt = parent.fieldAt[FIELD.FILTER_EXP];
    this.#parentFilterSize = parent.fieldSize[FIELD.FILTER_EXP];
    options.stats.initiated++;
    if (!this.#cursor.start(parent)) this.#refused = ResultCode.PARAMETER;
    else if (options.rowCountMax !== 0 && this.#cursor.rowCount > options.rowCountMax) {
      this.#refused = ResultCode.BATCH_MAX_REQUESTS;
    } else {
      const filter = filterOf(parent, options.namespaces[0].scope);
      if (typeof filter === "number") this.#refused = filter;
    }
  }

  /**
   * Runs rows until the slice's time is over, the reply has reached a chunk, a row is suspended or all are done.
   *
   * @param clock tells when the slice is over
   * @param deadlineMs monotonic time at which it is
   */
  step(clock: Clock, deadlineMs: number): BatchStep {
    if (this.#refused !== ResultCode.OK) {
      this.#reply.frame({ resultCode: this.#refused, info3: INFO3.LAST });
      this.#options.stats.failed++;
      return "done";
    }
    this.#nowMs = clock.monotonicMs();
    this.#waitsForRows = false;
    for (let count = 0;; count++) {
      if (count > 0 && this.#nowMs >= deadlineMs) return this.#pause();
      if (this.#settled.length > 0) this.#replySettled(this.#settled.shift()!);
      else if (this.#isBegun || this.#hasRowsLeft) {
        if (this.#deferredCount >= BATCH_DEFERRED_COUNT_MAX && !this.#isBegun) return this.#pauseForRows();
        if (!this.#runRow(clock)) return this.#pauseSuspended(clock);
      } else if (this.#deferredCount > 0) return this.#pauseForRows();
      else break;
      if (this.#protoOpen && this.#reply.protoBodySize() >= CHUNK_SIZE_BYTES) return this.#pause();
    }
    this.#closeProto();
    this.#reply.frame({ resultCode: this.#overall, info3: INFO3.LAST });
    if (this.#overall === ResultCode.OK) this.#options.stats.completed++;
    else this.#options.stats.failed++;
    return "done";
  }

  /** A row was suspended and runs again. */
  get #isBegun(): boolean {
    return this.#suspendedRow !== undefined;
  }

  get #hasRowsLeft(): boolean {
    return this.#cursor.rowsLeft > 0 && this.#overall === ResultCode.OK;
  }

  /** The connection is gone; there is no step after this. */
  cancel(): void {
    this.#rowTimer?.cancel();
    this.#options.stats.failed++;
  }

  #pause(): BatchStep {
    this.#closeProto();
    return "more";
  }

  /** A row waits for its record: not for ever. */
  #pauseSuspended(clock: Clock): BatchStep {
    this.#closeProto();
    this.#rowTimer ??= clock.after(this.#budgetMs(), () => {
      this.#isTimeOver = true;
      this.#options.waiter.wake();
    });
    return "suspended";
  }

  #budgetMs(): number {
    const namespace = this.#suspendedRow!;
    const wantedMs = this.#row.request.transactionTtlMs || namespace.service.transactionMaxMs;
    return wantedMs === 0 ? TIMER_DELAY_MAX_MS : Math.min(wantedMs, TIMER_DELAY_MAX_MS);
  }

  #pauseForRows(): BatchStep {
    this.#closeProto();
    this.#waitsForRows = true;
    return "suspended";
  }

  #closeProto(): void {
    if (!this.#protoOpen) return;
    // The only row may have been suspended, or have failed in a batch that does not report it.
    if (this.#reply.protoBodySize() === 0) this.#reply.dropProto();
    else {
      this.#reply.endProto();
      this.#options.onFrame?.(this.#protoAt);
    }
    this.#protoOpen = false;
  }

  #openProto(): void {
    if (this.#protoOpen) return;
    this.#protoAt = this.#reply.out.length;
    this.#reply.beginProto();
    this.#protoOpen = true;
  }

  /** Runs the next row, or the suspended one again; false when it is suspended. */
  #runRow(clock: Clock): boolean {
    const namespace = this.#suspendedRow ?? this.#nextRow();
    if (namespace === undefined) return true;
    this.#openProto();
    const isWrite = (this.#row.request.info2 & 1) !== 0;
    this.#row.rowIndex = this.#cursor.rowIndex;
    this.#reply.beginMessage();
    const step = this.#isTimeOver ? this.#giveUp(namespace) : runTransaction(this.#row, namespace);
    if (step === STEP.SUSPENDED) {
      this.#reply.dropMessage();
      this.#suspendedRow = namespace;
      return false;
    }
    this.#suspendedRow = undefined;
    this.#rowTimer?.cancel();
    this.#rowTimer = undefined;
    this.#isTimeOver = false;
    const { batchSubRead, batchSubWrite, batchSubUdf } = namespace.stats.histograms;
    const isUdf = isWrite && this.#row.request.has(FIELD.UDF_FILENAME);
    const histogram = isUdf ? batchSubUdf : isWrite ? batchSubWrite : batchSubRead;
    const startMs = this.#nowMs;
    this.#nowMs = clock.monotonicMs();
    const { latencyScale } = namespace;
    if (step === STEP.DEFERRED) {
      this.#defer({ histogram, latencyScale, startMs });
      return true;
    }
    histogram.add((this.#nowMs - startMs) * latencyScale);
    this.#judgeRow(this.#row.resultCode);
    return true;
  }

  /** The suspended row's time is over; nothing was changed. */
  #giveUp(namespace: Namespace): Step {
    namespace.inFlight.abandon(this.#options.waiter);
    namespace.stats.tsvcTimeout[this.#row.origin]++;
    this.#row.refuse(namespace.refusals.note(CAUSE.suspendedTimeout), 0, 0);
    return STEP.DONE;
  }

  #defer(timing: Pick<DeferredRow, "histogram" | "latencyScale" | "startMs">): void {
    const deferral = this.#row.takeDeferral();
    const row: DeferredRow = {
      ...timing,
      rowIndex: this.#row.rowIndex,
      deferral,
      message: this.#reply.takeMessage(),
    };
    this.#deferredCount++;
    deferral.whenSettled(() => {
      this.#settled.push(row);
      if (this.#waitsForRows) this.#options.waiter.wake();
    });
  }

  /** Writes the reply of a row that waited for other nodes. */
  #replySettled(row: DeferredRow): void {
    this.#deferredCount--;
    this.#openProto();
    const { resultCode, frame } = row.deferral;
    if (resultCode !== ResultCode.OK) {
      this.#reply.message({ resultCode: resultCode!, rowIndex: row.rowIndex });
    } else if (frame === undefined) {
      this.#reply.putMessage(row.message!, row.rowIndex);
    } else {
      this.#reply.putMessage(frame.subarray(PROTO_HEADER_SIZE), row.rowIndex);
    }
    row.histogram.add((this.#nowMs - row.startMs) * row.latencyScale);
    const isOk = resultCode === ResultCode.OK;
    this.#judgeRow(!isOk ? resultCode! : frame === undefined ? ResultCode.OK : frame[RESULT_CODE_AT]);
  }

  /** Decodes the next row; undefined, with the overall result set, when the batch ends here. */
  #nextRow(): Namespace | undefined {
    const { request } = this.#row;
    if (this.#cursor.next(request)) {
      if (this.#parentFilterAt >= 0 && !request.has(FIELD.FILTER_EXP)) {
        request.fieldAt[FIELD.FILTER_EXP] = this.#parentFilterAt;
        request.fieldSize[FIELD.FILTER_EXP] = this.#parentFilterSize;
      }
      const namespace = findNamespace(request, this.#options.namespaces);
      if (namespace !== undefined) return namespace;
    }
    this.#overall = ResultCode.PARAMETER;
    return undefined;
  }

  /** Without "respond to all", the first real error ends the batch. */
  #judgeRow(resultCode: number): void {
    if (resultCode === ResultCode.OK || (this.#cursor.flags & BATCH_FLAG.RESPOND_ALL) !== 0) return;
    if (resultCode === ResultCode.NOT_FOUND || resultCode === ResultCode.FILTERED_OUT) return;
    if (this.#overall === ResultCode.OK) this.#overall = resultCode;
    if ((this.#cursor.flags & BATCH_FLAG.REPORT_ROW) === 0) this.#reply.dropMessage();
  }
}
