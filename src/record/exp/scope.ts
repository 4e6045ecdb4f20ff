/**
 * What an evaluation can see: one record, what is known of it besides its bins, and the loop of a path selection.
 *
 * @module
 */

import { ByteBuffer, EXP_WORK_MAX_BYTES } from "../../base/mod.ts";
import { BinTable } from "../bin_table.ts";
import { ProgramCache } from "./program_cache.ts";
import type { ExpValue } from "./value.ts";

/** What is known of a record without its bins. */
export interface RecordFacts {
  /** Last update time in ms since 2010; 0 for a record that is being created. */
  readonly lastUpdateMs: number;
  /** Void-time in seconds since 2010, 0 for never. */
  readonly voidTime: number;
  /** Whether the record is a tombstone. */
  readonly isTombstone: boolean;
  /** Whether the user's key is stored with the record. */
  readonly hasKey: boolean;
  /** Size of the stored record. */
  readonly sizeBytes: number;
  /** Name of the record's set; empty for none. */
  readonly setName: Uint8Array;
  /** Bytes 16 to 19 of the digest as an unsigned little-endian number. */
  readonly digestTail: number;
  /** Present time in ms since 2010. */
  readonly nowMs: number;
  /** Whether the namespace keeps its records in memory. */
  readonly isInMemory: boolean;
  /** The stored key, particle type first; asked only when the record's bytes are loaded. */
  key(): Uint8Array | undefined;
}

/** The element that a path selection stands at. */
export interface LoopFrame {
  /**
   * Sets a loop variable.
   *
   * @param which 0 key, 1 value, 2 index
   * @returns type of the value, UNKNOWN when there is none
   */
  variable(which: number, out: ExpValue): number;
}

/** The record that expressions are evaluated over. Made once per namespace and pointed at record after record. */
export class ExpScope {
  /** Expressions compiled before. */
  readonly programs: ProgramCache;
  /** What is known of the record. */
  facts: RecordFacts;
  /** The record's bins; they count only while `hasBins`. */
  table: BinTable;
  /** Bins and key are there; without them everything that needs them is unknown. */
  hasBins = false;
  /** The innermost loop of a path selection. */
  loop: LoopFrame | undefined;
  /** Values built by the evaluation. */
  readonly scratch: ByteBuffer = new ByteBuffer(256);
  readonly #around: ExpScope | undefined;
  #inner: ExpScope | undefined;
  #workLeft = EXP_WORK_MAX_BYTES;

  /**
   * @param facts of the record, whichever it is at the time of an evaluation
   * @param around the scope whose evaluation this one's are part of
   */
  constructor(facts: RecordFacts, table: BinTable, around?: ExpScope) {
    this.facts = facts;
    this.table = table;
    this.#around = around;
    this.programs = around?.programs ?? new ProgramCache();
  }

  /** A scope over the same record for evaluations within an evaluation; made once, brought up to date at each call. */
  inner(): ExpScope {
    this.#inner ??= new ExpScope(this.facts, this.table, this);
    const inner = this.#inner;
    inner.facts = this.facts;
    inner.table = this.table;
    inner.hasBins = this.hasBins;
    return inner;
  }

  /** Begins an evaluation: what an earlier one has built is gone. */
  begin(): void {
    this.scratch.reset();
    this.loop = undefined;
  }

  /** Begins what is limited in work: a filter's look at one record, or the operations of one message. */
  beginWork(): void {
    this.#workLeft = EXP_WORK_MAX_BYTES;
  }

  /** Bytes that were looked at since `beginWork`. */
  get spentBytes(): number {
    return EXP_WORK_MAX_BYTES - this.#workLeft;
  }

  /** Takes note of work; false when the evaluation has done too much. */
  spend(sizeBytes: number): boolean {
    if (this.#around !== undefined) return this.#around.spend(sizeBytes);
    this.#workLeft -= sizeBytes;
    return this.#workLeft >= 0;
  }
}

/** What is known of no record at all: before one is chosen. */
export const NO_FACTS: RecordFacts = {
  lastUpdateMs: 0,
  voidTime: 0,
  isTombstone: false,
  hasKey: false,
  sizeBytes: 0,
  setName: new Uint8Array(0),
  digestTail: 0,
  nowMs: 0,
  isInMemory: true,
  key: () => undefined,
};

/** A scope without a record. */
export function emptyScope(): ExpScope {
  return new ExpScope(NO_FACTS, new BinTable(1));
}
