/**
 * Filters: which records a request may touch at all, as an expression over the record.
 *
 * A filter is asked first by what the index entry tells. Only when that leaves it open is the record loaded and the
 * filter asked again; what is open then is filtered out. A record that is not there is not filtered.
 * Source: expression reference, section 8.5.
 *
 * @module
 */

import { readU32LE, type ResultCode } from "../base/mod.ts";
import {
  type ExpProgram,
  type ExpScope,
  hasGeometry,
  NO_FACTS,
  type RecordFacts,
  TRILEAN,
} from "../record/mod.ts";
import {
  ENTRY_FLAG,
  type EntryRef,
  LOADED,
  type NamespaceStore,
  NO_SET,
  UNIT_SIZE_BYTES,
  WORD,
} from "../storage/mod.ts";
import { FIELD, type RecordRequest } from "../wire/mod.ts";
import type { Namespace, TransactionContext } from "./context.ts";

/** Where bytes 16 to 19 of a digest are. */
const DIGEST_TAIL_AT = 16;

/** What an index entry tells about its record; of a record that is being created, what its request tells. */
export class EntryFacts implements RecordFacts {
  /** See {@linkcode RecordFacts}; records are kept in memory, whatever else they are kept in. */
  readonly isInMemory = true;
  /** The entry; moved from record to record by its owner. */
  entry: EntryRef;
  /** The request that creates the record; undefined when `entry` is the record's. */
  creator: RecordRequest | undefined;
  readonly #store: NamespaceStore;

  /** @param entry of the record, whichever that is at the time of a question */
  constructor(store: NamespaceStore, entry: EntryRef) {
    this.#store = store;
    this.entry = entry;
  }

  /** See {@linkcode RecordFacts}. */
  get lastUpdateMs(): number {
    return this.creator === undefined ? this.entry.lastUpdateMs : NO_FACTS.lastUpdateMs;
  }

  /** See {@linkcode RecordFacts}. */
  get voidTime(): number {
    return this.creator === undefined ? this.entry.voidTime : NO_FACTS.voidTime;
  }

  /** See {@linkcode RecordFacts}. */
  get isTombstone(): boolean {
    return this.creator === undefined && this.entry.isTombstone;
  }

  /** See {@linkcode RecordFacts}. */
  get hasKey(): boolean {
    return this.creator === undefined && (this.entry.flags & ENTRY_FLAG.KEY_STORED) !== 0;
  }

  /** See {@linkcode RecordFacts}. */
  get sizeBytes(): number {
    return this.creator === undefined ? this.entry.sizeUnits * UNIT_SIZE_BYTES : NO_FACTS.sizeBytes;
  }

  /** See {@linkcode RecordFacts}. */
  get setName(): Uint8Array {
    if (this.creator !== undefined) return this.creator.field(FIELD.SET) ?? NO_FACTS.setName;
    const { setId } = this.entry;
    return setId === NO_SET ? NO_FACTS.setName : this.#store.sets.byId(setId)!.nameBytes;
  }

  /** See {@linkcode RecordFacts}. */
  get digestTail(): number {
    const { creator, entry } = this;
    if (creator !== undefined) {
      return readU32LE(creator.bytes, creator.fieldAt[FIELD.DIGEST] + DIGEST_TAIL_AT);
    }
    return reverseBytes(entry.words[entry.base + WORD.DIGEST + DIGEST_TAIL_AT / 4]);
  }

  /** See {@linkcode RecordFacts}. */
  get nowMs(): number {
    return this.#store.nowMs();
  }

  /** See {@linkcode RecordFacts}. */
  key(): Uint8Array | undefined {
    return this.hasKey ? this.#store.flat.key() : undefined;
  }
}

function reverseBytes(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/** The request's filter, undefined for none; PARAMETER or another result code when it is no good. */
export function filterOf(request: RecordRequest, scope: ExpScope): ExpProgram | undefined | ResultCode {
  if (!request.has(FIELD.FILTER_EXP)) return undefined;
  return scope.programs.getFilter(
    request.bytes,
    request.fieldAt[FIELD.FILTER_EXP],
    request.fieldSize[FIELD.FILTER_EXP],
  );
}

/** What a filter comes to. */
export const FILTERED = {
  /** The request may touch the record. */
  IN: 0,
  /** It may not. */
  OUT: 1,
  /** The record's bytes, or geometry, are not here yet; the waiter will be woken. */
  PENDING: 2,
  /** The record's bytes can't be had. */
  FAILED: 3,
} as const;

/**
 * Asks a filter about the live record under `namespace.entry`. The namespace's table may hold its bins afterwards.
 *
 * @returns one of `FILTERED`
 */
export function askFilter(filter: ExpProgram, context: TransactionContext, namespace: Namespace): number {
  const { scope, store, table } = namespace;
  if (filter.usesGeometry && !hasGeometry(context.waiter)) return FILTERED.PENDING;
  const byFacts = filter.testFacts(scope);
  if (byFacts !== TRILEAN.UNKNOWN) return byFacts === TRILEAN.TRUE ? FILTERED.IN : FILTERED.OUT;
  const loaded = store.load(namespace.entry, context.waiter);
  if (loaded !== LOADED.HERE) return loaded === LOADED.PENDING ? FILTERED.PENDING : FILTERED.FAILED;
  table.reset(store.flat.bytes, context.request.bytes);
  store.flat.loadBins(table);
  return filter.testBins(scope) === TRILEAN.TRUE ? FILTERED.IN : FILTERED.OUT;
}
