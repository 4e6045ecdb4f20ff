/**
 * The records that a job of scripts or operations goes through, as digests, some at a time: the index must not change
 * while it is walked, and no handle may outlive a slice. By a secondary index a partition is gathered at a time.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT, ResultCode } from "../base/mod.ts";
import type { QueryProgress } from "./progress.ts";
import { ExpScope, TRILEAN } from "../record/mod.ts";
import type { EntryRef, VisitEntry, Waiter } from "../storage/mod.ts";
import { EntryFacts, type Namespace } from "../transaction/mod.ts";
import { type GatherOutcome, IndexGather } from "./index_gather.ts";
import type { QueryPlan } from "./plan.ts";
import { PartitionWalk, type QueryWalk } from "./walk.ts";

/** Records that are gathered before they are dealt with. */
const GATHER_COUNT_MAX = 64;
/** Entries that are passed over before the job leaves the loop to others. */
const PASSED_COUNT_MAX = 4096;

/** What is gathered for whom. */
export interface RecordGatherOptions {
  /** Namespace asked. */
  namespace: Namespace;
  /** Woken when a step that had to wait may be made again. */
  waiter: Waiter;
  /** Told how far it is. */
  progress: QueryProgress;
}

/** Gathers the live records of all partitions that a plan wants, as far as their entries tell. */
export class RecordGather {
  /** Digests that were gathered last, 20 bytes each. */
  digests: Uint8Array = new Uint8Array(GATHER_COUNT_MAX * DIGEST_SIZE_BYTES);
  /** How many there are. */
  count = 0;
  readonly #plan: QueryPlan;
  readonly #namespace: Namespace;
  readonly #progress: QueryProgress;
  readonly #walk: QueryWalk;
  readonly #byIndex: IndexGather | undefined;
  readonly #facts: EntryFacts;
  readonly #scope: ExpScope;
  /** What the index gave has been taken over. */
  #isTaken = false;
  #passedCount = 0;
  #nowMs = 0;

  /** @param plan what is wanted */
  constructor(plan: QueryPlan, options: RecordGatherOptions) {
    const { namespace, waiter, progress } = options;
    this.#plan = plan;
    this.#namespace = namespace;
    this.#progress = progress;
    this.#facts = new EntryFacts(namespace.store, namespace.entry);
    this.#scope = new ExpScope(this.#facts, namespace.table);
    const partitions = Uint16Array.from({ length: PARTITION_COUNT }, (_, partition) => partition);
    this.#byIndex = plan.index === undefined ? undefined : new IndexGather(plan.index, {
      namespace,
      waiter,
      partitions,
      isWanted: (entry) => this.#isWanted(entry),
    });
    this.#walk = this.#byIndex?.walk ?? new PartitionWalk(
      partitions,
      new Uint8Array(0),
      () => plan.namesSet ? namespace.indexes.setIndex(plan.setName) : undefined,
    );
    progress.partitionCount = this.#walk.count;
  }

  /** Whether a secondary index is asked. */
  get isByIndex(): boolean {
    return this.#byIndex !== undefined;
  }

  /** Begins a slice. */
  beginSlice(): void {
    this.#passedCount = 0;
    this.#nowMs = this.#namespace.store.nowMs();
  }

  /** Gathers the next records. */
  step(): GatherOutcome {
    this.count = 0;
    const outcome = this.#byIndex === undefined ? this.#gather() : this.#gatherByIndex(this.#byIndex);
    this.#progress.partitionsDone = this.#walk.doneCount;
    return outcome;
  }

  #gather(): GatherOutcome {
    const walk = this.#walk;
    const { store: { index }, partitions } = this.#namespace;
    while (!walk.isDone) {
      const isServed = partitions.admit(walk.partition) === ResultCode.OK;
      if (isServed && !walk.visit(index, this.#visit)) break;
      walk.nextPartition();
      if (this.#passedCount++ >= PASSED_COUNT_MAX) break;
    }
    return this.count > 0 ? "ready" : walk.isDone ? "done" : "more";
  }

  #gatherByIndex(gather: IndexGather): GatherOutcome {
    if (this.#isTaken) gather.clear();
    const outcome = gather.step();
    this.#isTaken = outcome === "ready";
    if (this.#isTaken) {
      this.digests = gather.digests;
      this.count = gather.count;
    }
    return outcome;
  }

  readonly #visit: VisitEntry = (entry: EntryRef): boolean => {
    this.#passedCount++;
    if (this.#isWanted(entry)) entry.copyDigest(this.digests, this.count++ * DIGEST_SIZE_BYTES);
    if (this.count < GATHER_COUNT_MAX && this.#passedCount < PASSED_COUNT_MAX) return true;
    this.#walk.passed(entry);
    return false;
  };

  #isWanted(entry: EntryRef): boolean {
    const { store } = this.#namespace;
    const { namesSet, set } = this.#plan;
    const inSet = !namesSet || entry.setId === set?.id;
    return inSet && store.isLive(entry, this.#nowMs) && this.#passesByFacts(entry);
  }

  /** Asks the filter what can be known without the record's bytes; who deals with the record asks it again. */
  #passesByFacts(entry: EntryRef): boolean {
    const { filter } = this.#plan;
    if (filter === undefined) return true;
    this.#facts.entry = entry;
    if (filter.testFacts(this.#scope) !== TRILEAN.FALSE) return true;
    this.#progress.recordsFilteredMeta++;
    return false;
  }
}
