/**
 * Foreground scans and index queries: records of the chosen partitions, sent as they are found.
 * Source: wire-protocol reference, sections 8.4 to 8.6.
 *
 * States of a scan: running (a slice per turn) → waiting (for a record's bytes, or for its records per second; woken by
 * device or timer) → running … → over. While the client does not read, the session gives no slices; when that lasts
 * longer than the socket timeout, the scan closes the connection.
 *
 * A slice ends when its time is over or when its frame has reached FRAME_SIZE_BYTES. Records are visited in the index's
 * order; between slices the scan holds a digest, so every record that is there all the time is sent exactly once,
 * whatever is written meanwhile.
 *
 * @module
 */

import {
  DIGEST_SIZE_BYTES,
  ResultCode,
  SESSION_OUTPUT_HIGH_WATER_BYTES,
  TIMER_DELAY_MAX_MS,
  writeU32LE,
} from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import { applyRead, ExpScope, hasGeometry, NEEDS_GEOMETRY, replyAllBins, TRILEAN } from "../record/mod.ts";
import { flipSign } from "../sindex/mod.ts";
import {
  ENTRY_FLAG,
  type EntryRef,
  LOADED,
  type NamespaceStore,
  NO_SET,
  type VisitEntry,
  type Waiter,
} from "../storage/mod.ts";
import { EntryFacts, type Namespace } from "../transaction/mod.ts";
import { FIELD, INFO1, INFO3, type ReplyWriter } from "../wire/mod.ts";
import type { ForegroundOptions } from "./foreground.ts";
import type { QueryPlan } from "./plan.ts";
import type { QueryProgress, QueryStatus } from "./progress.ts";
import { RateLimit } from "./rate_limit.ts";
import { QUERY_KIND, QUERY_OUTCOME, type QueryOutcome } from "./stats.ts";
import { fillGeoRanges, type IndexQuery } from "./index_range.ts";
import { IndexMatch, needsMatch } from "./index_match.ts";
import { IndexWalk } from "./index_walk.ts";
import { PartitionWalk, type QueryWalk } from "./walk.ts";

/** A frame that has reached this size is sent; it ends the slice. */
const FRAME_SIZE_BYTES = 128 * 1024;
/** Work between two looks at the clock: an entry passed over counts 1. */
const WORK_PER_CLOCK_READ = 64;
/** Work of sending one record, in entries passed over. */
const RECORD_WORK = 4;
/** Work of asking a filter, in entries passed over. */
const FILTER_WORK = 2;
/** Bytes that a filter looks at in the time of an entry passed over. */
const BYTES_PER_WORK = 256;
/** Units of a record's size whose values are compared in the time of an entry passed over. */
const UNITS_PER_WORK = 16;
/** Work of visiting a partition, in entries passed over. */
const PARTITION_WORK = 4;

/** Why a visit of a partition was left before its end. */
const STOP = { NONE: 0, SLICE_OVER: 1, PENDING: 2, RATE: 3, ENOUGH: 4 } as const;

/** What a scan needs besides its plan. */
export interface ScanOptions extends ForegroundOptions {
  /** Closes the connection of a client that does not read. */
  close: () => void;
}

/** One foreground scan. */
export class ScanJob implements Waiter {
  readonly #plan: QueryPlan;
  readonly #options: ScanOptions;
  readonly #namespace: Namespace;
  readonly #store: NamespaceStore;
  readonly #reply: ReplyWriter;
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #clock: Clock;
  readonly #progress: QueryProgress;
  readonly #walk: QueryWalk;
  /** The walk over a secondary index, if it is one. */
  readonly #indexWalk: IndexWalk | undefined;
  readonly #match: IndexMatch | undefined;
  readonly #indexValue = new Uint8Array(8);
  readonly #rate: RateLimit;
  readonly #setId: number;
  readonly #facts: EntryFacts;
  readonly #scope: ExpScope;
  readonly #applyOptions: { reply: ReplyWriter; opOverride: number; scope: ExpScope };
  readonly #budgetEndMs: number;
  #left: number;
  #protoOpen = false;
  #stop: number = STOP.NONE;
  #work = 0;
  #deadlineMs = 0;
  #nowMs = 0;
  #nowMonotonicMs = 0;
  #over = false;
  #endCode: number = ResultCode.OK;
  #rateTimer: Timer | undefined;
  #socketTimer: Timer | undefined;
  #lastStepMs: number;
  #waitsForPeer = false;

  /** @param plan checked; the scan begins to count in `options.jobs` */
  constructor(plan: QueryPlan, options: ScanOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#namespace = options.namespace;
    this.#store = options.namespace.store;
    this.#reply = options.reply;
    this.#clock = options.clock;
    this.#progress = options.progress;
    const startMs = options.progress.startMs;
    this.#indexWalk = plan.index === undefined ? undefined : indexWalkOf(plan, plan.index);
    this.#walk = this.#indexWalk ?? new PartitionWalk(
      plan.partitions,
      plan.digests,
      () => plan.namesSet ? options.namespace.indexes.setIndex(plan.setName) : undefined,
    );
    this.#match = plan.index !== undefined && needsMatch(plan.index)
      ? new IndexMatch(plan.index, options.namespace)
      : undefined;
    this.#rate = new RateLimit(plan.recordsPerSecond, startMs);
    this.#setId = plan.set?.id ?? -1;
    const { store, table, entry } = options.namespace;
    this.#facts = new EntryFacts(store, entry);
    this.#scope = new ExpScope(this.#facts, table);
    this.#applyOptions = { reply: options.reply, opOverride: 0, scope: this.#scope };
    this.#left = plan.recordCountMax;
    this.#lastStepMs = startMs;
    this.#budgetEndMs = plan.isShort
      ? startMs + (plan.request.transactionTtlMs || this.#namespace.service.transactionMaxMs || Infinity)
      : Infinity;
    options.progress.partitionCount = this.#walk.count;
    options.progress.onAbort = () => this.#abort();
    options.jobs.start(options.progress, { isListed: !plan.isShort });
    if (plan.socketTimeoutMs > 0) this.#watchPeer(plan.socketTimeoutMs);
  }

  /**
   * Runs a slice.
   *
   * @param deadlineMs monotonic time at which the slice is over
   */
  step(_clock: Clock, deadlineMs: number): "done" | "more" | "suspended" {
    const reply = this.#reply;
    this.#lastStepMs = this.#nowMonotonicMs = this.#clock.monotonicMs();
    this.#deadlineMs = deadlineMs;
    const sizeBefore = reply.out.length;
    const outcome = this.#slice();
    this.#progress.netIoBytes += reply.out.length - sizeBefore;
    this.#waitsForPeer = outcome === "more";
    return outcome;
  }

  /** The connection is gone. */
  cancel(): void {
    this.#finish("done(abandoned-response-error)", QUERY_OUTCOME.ERROR);
    this.#leave();
  }

  /** See {@linkcode Waiter}. */
  wake(): void {
    if (!this.#over) this.#options.waiter.wake();
  }

  #slice(): "done" | "more" | "suspended" {
    if (this.#endCode !== ResultCode.OK) return this.#end(this.#endCode);
    if (this.#nowMonotonicMs >= this.#budgetEndMs) {
      this.#finish("done(abandoned-unknown)", QUERY_OUTCOME.TIMEOUT);
      return this.#end(ResultCode.TIMEOUT);
    }
    if (this.#reply.out.length > SESSION_OUTPUT_HIGH_WATER_BYTES) return "more";
    if (this.#plan.index?.index.isReady === false) {
      this.#finish("done(abandoned-unknown)", QUERY_OUTCOME.ERROR);
      return this.#end(ResultCode.SINDEX_NOT_FOUND);
    }
    this.#nowMs = this.#store.nowMs();
    this.#rate.fill(this.#nowMonotonicMs);
    this.#work = 0;
    this.#stop = STOP.NONE;
    const walk = this.#walk;
    if (this.#plan.index?.shape !== undefined) {
      if (!this.#awaitGeometry()) return this.#leaveSlice();
      fillGeoRanges(this.#plan.index, this.#namespace);
    }
    while (!walk.isDone) {
      if (!this.#visitPartition()) break;
      walk.nextPartition();
      this.#work += PARTITION_WORK;
      if (this.#isSliceOver() && !walk.isDone) this.#stop = STOP.SLICE_OVER;
      if (this.#stop !== STOP.NONE) break;
    }
    this.#progress.partitionsDone = walk.doneCount;
    return this.#leaveSlice();
  }

  /** Ends a slice in the way that `#stop` tells. */
  #leaveSlice(): "done" | "more" | "suspended" {
    switch (this.#stop) {
      case STOP.SLICE_OVER:
        this.#closeProto();
        return "more";
      case STOP.RATE:
        this.#rateTimer?.cancel();
        this.#rateTimer = this.#clock.after(this.#rate.waitMs(), () => this.wake());
        this.#closeProto();
        return "suspended";
      case STOP.PENDING:
        this.#closeProto();
        return "suspended";
      default:
        this.#finish("done(ok)", QUERY_OUTCOME.COMPLETE);
        return this.#end(ResultCode.OK);
    }
  }

  /** Visits what is left of a partition; false when it was left before its end, for the reason in `#stop`. */
  #visitPartition(): boolean {
    const { partition } = this.#walk;
    const admitted = this.#namespace.partitions.admitQuery(partition, this.#plan.isRelaxed);
    if (admitted !== ResultCode.OK) {
      this.#openProto();
      this.#reply.message({ resultCode: admitted, info3: INFO3.PARTITION_DONE, generation: partition });
      return true;
    }
    const { namesSet, set } = this.#plan;
    if (namesSet && (set === undefined || set.objects === 0)) return true;
    return this.#walk.visit(this.#store.index, this.#visit);
  }

  /** Deals with one entry of the index; false to leave. */
  readonly #visit: VisitEntry = (entry: EntryRef): boolean => {
    this.#work++;
    const inSet = !this.#plan.namesSet || entry.setId === this.#setId;
    const wanted = inSet && this.#store.isLive(entry, this.#nowMs);
    if (wanted && !this.#sendRecord(entry)) return false;
    const isOver = this.#isSliceOver();
    // The digest is copied only when it may be needed: after a record that must not be sent again, and on leaving.
    if (wanted || isOver) this.#walk.passed(entry);
    if (this.#left <= 0) this.#stop = STOP.ENOUGH;
    else if (isOver) this.#stop = STOP.SLICE_OVER;
    return this.#stop === STOP.NONE;
  };

  /** Whether it is time to let others run; looks at the clock only when enough was done since the last time. */
  #isSliceOver(): boolean {
    if (this.#protoOpen && this.#reply.protoBodySize() >= FRAME_SIZE_BYTES) return true;
    if (this.#work < WORK_PER_CLOCK_READ) return false;
    this.#work = 0;
    this.#nowMonotonicMs = this.#clock.monotonicMs();
    return this.#nowMonotonicMs >= this.#deadlineMs;
  }

  /** Sends a record; false when it must wait, for the reason in `#stop`. */
  #sendRecord(entry: EntryRef): boolean {
    const { headerOnly, filter } = this.#plan;
    this.#facts.entry = entry;
    if (filter?.usesGeometry === true && !this.#awaitGeometry()) return false;
    const byFacts = filter === undefined ? TRILEAN.TRUE : filter.testFacts(this.#scope);
    if (byFacts === TRILEAN.FALSE) {
      this.#work += FILTER_WORK;
      this.#progress.recordsFilteredMeta++;
      return true;
    }
    const asksBins = byFacts === TRILEAN.UNKNOWN;
    const hasKey = (entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
    if (this.#rate.isLimited && !this.#rate.hasToken) {
      this.#stop = STOP.RATE;
      return false;
    }
    const match = this.#match;
    if (hasKey || !headerOnly || asksBins || match !== undefined) {
      const loaded = this.#store.load(entry, this);
      if (loaded === LOADED.PENDING) {
        this.#stop = STOP.PENDING;
        return false;
      }
      if (loaded === LOADED.FAILED) {
        this.#work += RECORD_WORK;
        this.#progress.recordsFailed++;
        return true;
      }
    }
    if (match !== undefined && !this.#isRightEntry(match)) return true;
    if (this.#rate.isLimited) {
      this.#rate.take();
      this.#progress.recordsThrottled++;
    }
    this.#work += RECORD_WORK;
    if (asksBins && !this.#passesByBins()) {
      this.#progress.recordsFilteredBins++;
      return true;
    }
    this.#openProto();
    this.#reply.beginMessage();
    this.#writeFields(entry, hasKey);
    if (headerOnly) this.#reply.setInfo1(INFO1.GET_NO_BINS);
    else if (!this.#writeBins(asksBins)) {
      this.#reply.dropMessage();
      return this.#stop === STOP.NONE;
    }
    this.#reply.endMessage(ResultCode.OK, entry.generation, entry.voidTime, 0);
    this.#progress.recordsSucceeded++;
    this.#left--;
    return true;
  }

  #writeFields(entry: EntryRef, hasKey: boolean): void {
    const { nameBytes } = this.#namespace;
    const { flat, sets } = this.#store;
    const reply = this.#reply;
    reply.field(FIELD.NAMESPACE, nameBytes, 0, nameBytes.length);
    entry.copyDigest(this.#digest, 0);
    reply.field(FIELD.DIGEST, this.#digest, 0, DIGEST_SIZE_BYTES);
    if (entry.setId !== NO_SET) {
      const name = sets.byId(entry.setId)!.nameBytes;
      reply.field(FIELD.SET, name, 0, name.length);
    }
    if (hasKey) reply.field(FIELD.KEY, flat.bytes, flat.keyAt, flat.keySize);
    if (this.#indexWalk === undefined) return;
    writeU32LE(this.#indexValue, 0, this.#indexWalk.value.low);
    writeU32LE(this.#indexValue, 4, flipSign(this.#indexWalk.value.high));
    reply.field(FIELD.BVAL_ARRAY, this.#indexValue, 0, this.#indexValue.length);
  }

  #loadBins(): void {
    const { table } = this.#namespace;
    const { flat } = this.#store;
    table.reset(flat.bytes, this.#plan.request.bytes);
    flat.loadBins(table);
  }

  /** Whether the record that is loaded is to be sent for the entry of the index under visit. */
  #isRightEntry(match: IndexMatch): boolean {
    this.#loadBins();
    const isGeo = this.#plan.index?.shape !== undefined;
    this.#work += isGeo ? WORK_PER_CLOCK_READ : FILTER_WORK + this.#store.flat.sizeUnits / UNITS_PER_WORK;
    const { digestTail } = this.#facts;
    return match.matches({ table: this.#namespace.table, digestTail }, this.#indexWalk!.value);
  }

  /** Asks the filter about the record that is loaded; what a long evaluation takes counts as work of the slice. */
  #passesByBins(): boolean {
    this.#loadBins();
    const passes = this.#plan.filter!.testBins(this.#scope) === TRILEAN.TRUE;
    this.#work += FILTER_WORK + this.#scope.spentBytes / BYTES_PER_WORK;
    return passes;
  }

  /**
   * Writes the record's bins; false when it has none of those that were chosen, when an operation on them fails, or when
   * it must wait, for the reason in `#stop`.
   */
  #writeBins(isLoaded: boolean): boolean {
    const { table } = this.#namespace;
    const { projection } = this.#plan;
    if (!isLoaded) this.#loadBins();
    if (projection === undefined) {
      replyAllBins(table, this.#reply);
      return true;
    }
    const applied = applyRead(projection, table, this.#applyOptions);
    if (applied === ResultCode.OK) return this.#reply.opCount > 0;
    if (applied === NEEDS_GEOMETRY) this.#awaitGeometry();
    else this.#progress.recordsFailed++;
    return false;
  }

  /** Whether geometry is loaded; if not, the scan waits for it. */
  #awaitGeometry(): boolean {
    if (hasGeometry(this)) return true;
    this.#stop = STOP.PENDING;
    return false;
  }

  #openProto(): void {
    if (this.#protoOpen) return;
    this.#reply.beginProto();
    this.#protoOpen = true;
  }

  #closeProto(): void {
    if (!this.#protoOpen) return;
    if (this.#reply.protoBodySize() > 0) this.#reply.endProto();
    else this.#reply.dropProto();
    this.#protoOpen = false;
  }

  /** Sends the last message: for a short query behind the records, else in a frame of its own. */
  #end(resultCode: number): "done" {
    if (!this.#plan.isShort) this.#closeProto();
    this.#openProto();
    this.#reply.message({ resultCode, info3: INFO3.LAST });
    this.#closeProto();
    const scale = this.#namespace.service.microsecondHistograms ? 1000 : 1;
    const tookMs = this.#clock.monotonicMs() - this.#progress.startMs;
    const { piQuery, siQuery } = this.#namespace.stats.histograms;
    (this.#indexWalk === undefined ? piQuery : siQuery).add(tookMs * scale);
    this.#leave();
    return "done";
  }

  /** Ends the scan from outside; the client is told when the scan may send again. */
  #abort(): void {
    this.#endCode = ResultCode.QUERY_ABORT;
    this.#finish("done(user-aborted)", QUERY_OUTCOME.ABORT);
    this.#clock.nextTurn(() => this.wake());
  }

  /** Counts the scan's end and moves it to those that are done; later calls do nothing. */
  #finish(status: QueryStatus, outcome: QueryOutcome): void {
    if (!this.#progress.isActive) return;
    const { jobs } = this.#options;
    const { isShort } = this.#plan;
    const nowMs = this.#clock.monotonicMs();
    jobs.finish(this.#progress, {
      status,
      nowMs,
      isListed: !isShort,
      doneCountMax: this.#namespace.service.queryMaxDone,
    });
    const kind = isShort ? QUERY_KIND.SHORT_BASIC : QUERY_KIND.LONG_BASIC;
    const { primary, secondary } = jobs.stats(this.#namespace.settings.name);
    (this.#indexWalk === undefined ? primary : secondary).add(kind, outcome);
  }

  /** Stops all timers: no step follows. */
  #leave(): void {
    this.#over = true;
    this.#rateTimer?.cancel();
    this.#socketTimer?.cancel();
  }

  /** Closes the connection when the scan has waited for its client for the whole socket timeout. */
  #watchPeer(delayMs: number): void {
    this.#socketTimer = this.#clock.after(Math.min(delayMs, TIMER_DELAY_MAX_MS), () => {
      const { socketTimeoutMs } = this.#plan;
      const idleMs = this.#waitsForPeer ? this.#clock.monotonicMs() - this.#lastStepMs : 0;
      if (idleMs < socketTimeoutMs) return this.#watchPeer(socketTimeoutMs - idleMs);
      this.#finish("done(abandoned-response-timeout)", QUERY_OUTCOME.ERROR);
      this.#leave();
      this.#options.close();
    });
  }
}

function indexWalkOf(plan: QueryPlan, index: IndexQuery): IndexWalk {
  const { partitions, digests, request } = plan;
  return new IndexWalk(index, { partitions, digests, values: request.field(FIELD.BVAL_ARRAY) ?? NO_VALUES });
}

const NO_VALUES = new Uint8Array(0);
