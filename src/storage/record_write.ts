/**
 * What is stored, and what is removed, as the store is told of it.
 *
 * @module
 */

import type { ChangeOrigin } from "../port/mod.ts";
import type { BinTable } from "../record/mod.ts";
import type { SetInfo } from "./sets.ts";

const GENERATION_MAX = 0xffff;

/** Why a record goes. */
export interface TombstoneCause {
  /** Cause of the change. */
  readonly origin: ChangeOrigin;
  /** Version that a tombstone gets; absent: one after the record's, now. */
  readonly version?: { readonly generation: number; readonly lastUpdateMs: number };
}

/** A record that is about to be stored. */
export interface RecordWrite {
  /** Buffer that holds the digest. */
  digest: Uint8Array;
  /** Offset of the digest. */
  digestAt: number;
  /** Last update time in ms since 2010. */
  lastUpdateMs: number;
  /** Generation. */
  generation: number;
  /** Void-time in seconds since 2010, 0 for never. */
  voidTime: number;
  /** Set, undefined for none. */
  set: SetInfo | undefined;
  /** User key with its particle type, undefined when it is not stored. */
  key: Uint8Array | undefined;
  /** The bins; none makes a tombstone. */
  table: BinTable;
  /** Cause of the change. */
  origin: ChangeOrigin;
}

/** A record whose bytes are known already. */
export type PlacedRecord = Omit<RecordWrite, "key" | "table">;

/** The generation after a given one: after 65535 comes 1, because 0 means "no record". */
export function nextGeneration(generation: number): number {
  return generation >= GENERATION_MAX ? 1 : generation + 1;
}
