/**
 * The records that a background job by index will write, one partition at a time. A write may move its record to a
 * higher value of the same range; since a partition is gathered whole before its first record is written, none is
 * written twice for that.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, ResultCode } from "../base/mod.ts";
import { hasGeometry } from "../record/mod.ts";
import { type EntryRef, LOADED, type Waiter } from "../storage/mod.ts";
import { EntryFacts, type Namespace } from "../transaction/mod.ts";
import { IndexMatch, needsMatch } from "./index_match.ts";
import { fillGeoRanges, type IndexQuery } from "./index_range.ts";
import { IndexWalk } from "./index_walk.ts";

/** Entries that are looked at in one slice. */
const PASSED_COUNT_MAX = 512;
/** Entries that are looked at in the time of one that is compared with a shape. */
const PASSED_PER_SHAPE = 32;

/** How a step of gathering ended. */
export type GatherOutcome =
  /** A partition is gathered; there is at least one record. */
  | "ready"
  /** There is more to look at. */
  | "more"
  /** Something must be waited for. */
  | "pending"
  /** The index was removed meanwhile. */
  | "lost"
  /** All partitions are gathered. */
  | "done";

/** What is gathered for. */
export interface GatherOptions {
  /** Namespace asked. */
  namespace: Namespace;
  /** Woken when a step that had to wait may be made again. */
  waiter: Waiter;
  /** Partitions. */
  partitions: Uint16Array;
  /** Whether a record of the index is wanted, by what its entry tells. */
  isWanted: (entry: EntryRef) => boolean;
}

/** Gathers digests. */
export class IndexGather {
  /** Digests of the partition that was gathered last, 20 bytes each. */
  digests: Uint8Array = new Uint8Array(64 * DIGEST_SIZE_BYTES);
  /** How many there are. */
  count = 0;
  /** The way through the index. */
  readonly walk: IndexWalk;
  readonly #options: GatherOptions;
  readonly #query: IndexQuery;
  readonly #match: IndexMatch | undefined;
  readonly #facts: EntryFacts;
  #passedCount = 0;
  #isPending = false;

  /** @param query what is asked of the index */
  constructor(query: IndexQuery, options: GatherOptions) {
    const { namespace, partitions } = options;
    this.#options = options;
    this.#query = query;
    this.#match = needsMatch(query) ? new IndexMatch(query, namespace) : undefined;
    this.#facts = new EntryFacts(namespace.store, namespace.entry);
    this.walk = new IndexWalk(query, { partitions, digests: NOTHING, values: NOTHING });
  }

  /** Forgets the records that were gathered; the next step begins with the next partition. */
  clear(): void {
    this.count = 0;
  }

  /** Gathers for a while. */
  step(): GatherOutcome {
    const { namespace, waiter } = this.#options;
    if (!this.#query.index.isReady) return "lost";
    if (this.#query.shape !== undefined) {
      if (!hasGeometry(waiter)) return "pending";
      fillGeoRanges(this.#query, namespace);
    }
    this.#passedCount = 0;
    this.#isPending = false;
    const { walk } = this;
    while (!walk.isDone) {
      const isServed = namespace.partitions.admit(walk.partition) === ResultCode.OK;
      if (isServed && !walk.visit(namespace.store.index, this.#visit)) {
        return this.#isPending ? "pending" : "more";
      }
      walk.nextPartition();
      if (this.count > 0) return "ready";
      if (this.#passedCount++ >= PASSED_COUNT_MAX) return "more";
    }
    return "done";
  }

  readonly #visit = (entry: EntryRef): boolean => {
    const { isWanted, namespace: { store }, waiter } = this.#options;
    if (isWanted(entry)) {
      const match = this.#match;
      const loaded = match === undefined ? LOADED.HERE : store.load(entry, waiter);
      if (loaded === LOADED.PENDING) {
        this.#isPending = true;
        return false;
      }
      const isRight = loaded === LOADED.HERE && (match === undefined || this.#isRight(match, entry));
      if (isRight) this.#keep(entry);
    }
    this.walk.passed(entry);
    this.#passedCount += this.#query.shape === undefined ? 1 : PASSED_PER_SHAPE;
    return this.#passedCount < PASSED_COUNT_MAX;
  };

  #isRight(match: IndexMatch, entry: EntryRef): boolean {
    const { namespace: { store, table } } = this.#options;
    this.#facts.entry = entry;
    table.reset(store.flat.bytes, store.flat.bytes);
    store.flat.loadBins(table);
    return match.matches({ table, digestTail: this.#facts.digestTail }, this.walk.value);
  }

  #keep(entry: EntryRef): void {
    const at = this.count++ * DIGEST_SIZE_BYTES;
    if (at === this.digests.length) {
      const digests = new Uint8Array(at * 2);
      digests.set(this.digests);
      this.digests = digests;
    }
    entry.copyDigest(this.digests, at);
  }
}

const NOTHING = new Uint8Array(0);
