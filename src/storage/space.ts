/**
 * Where a namespace's flat records go: memory (`arena.ts`) or devices (`disk/`).
 *
 * @module
 */

import type { ChangeOrigin } from "../port/mod.ts";

/** Room for flat records. A location is a number above 0 that is valid until it is released. */
export interface RecordSpace {
  /** Removed and overwritten records stay behind, and would be found at the next start. */
  readonly keepsOldCopies: boolean;
  /** Size of the largest record in 16-byte units. */
  readonly recordUnitsMax: number;
  /** Room in all, in bytes. */
  readonly totalBytes: number;
  /** Room that records take, in bytes. */
  readonly usedBytes: number;
  /** Room that new records can get, in bytes. */
  readonly availableBytes: number;
  /** Blocks in all. */
  readonly blockCountMax: number;
  /** Blocks that hold nothing. */
  readonly freeBlockCount: number;
  /** Blocks waiting to be defragmented. */
  readonly sparseBlockCount: number;
  /** Blocks emptied by defragmentation since the start. */
  readonly defragmentedBlocks: number;
  /** Called when defragmentation may be needed. */
  onPressure: (() => void) | undefined;
  /** Changes the use below which blocks are emptied, in percent. */
  setLowWater(lowWaterPct: number): void;
  /**
   * Stores a record.
   *
   * @param source begins with the record
   * @param units its size
   * @returns its location, NO_LOCATION when there is no room, OVERLOADED when too much waits to be written
   */
  append(source: Uint8Array, units: number, origin: ChangeOrigin): number;
  /** Size in 16-byte units that the record last appended takes where it is now. */
  readonly appendedUnits: number;
  /** Gives the room of a record back. */
  release(location: number, units: number): void;
  /** The bytes of a record, expanded, if they are in memory; lent until the turn ends. */
  peek(location: number, units: number): Uint8Array | undefined;
}

/** No place: what `append` answers when there is no room. Location 0 is never given out. */
export const NO_LOCATION = 0;
/** What `append` answers when more waits to be written than `max-write-cache` allows. */
export const OVERLOADED = -1;
