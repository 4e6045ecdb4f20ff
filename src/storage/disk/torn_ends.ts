/**
 * Tells what a power cut leaves from damage, as far as a file alone says it. What was being written in that moment, and
 * was not synced, may have arrived in part: the last unit of a block that was among the newest of its run. Nobody was
 * told that it is safe, and it stays as it is until the block is used again.
 *
 * Runs are told apart by block sequences: each start goes on far above the highest that was found. A run that ended in
 * order leaves nothing torn, but only that of the last run is known. What can't be told apart is called damage.
 *
 * @module
 */

import type { BlockUnit } from "./block_scan.ts";
import { SEQUENCE_STEP_OF_STARTS, UNIT_FLAG } from "./layout.ts";

/** Blocks of one kind that are written to at a time, at most, or nearly so. */
const OPEN_BLOCKS_MAX = 16;

/** What the first unit of a block says. */
export interface BlockBeginning {
  /** Number of the block. */
  block: number;
  /** Its life. */
  sequence: number;
  /** Flags of the unit. */
  flags: number;
}

/**
 * The blocks whose last unit may have been torn.
 *
 * @param beginnings of all blocks that have a sound first unit
 * @param isStoppedInOrder the last run ended so
 */
export function findTornBlocks(
  beginnings: readonly BlockBeginning[],
  isStoppedInOrder: boolean,
): ReadonlySet<number> {
  const sorted = [...beginnings].sort((a, b) => b.sequence - a.sequence);
  const torn = new Set<number>();
  let counts = [0, 0];
  let isLastRun = true;
  for (const [place, { block, sequence, flags }] of sorted.entries()) {
    if (place > 0 && sorted[place - 1].sequence - sequence >= SEQUENCE_STEP_OF_STARTS) {
      counts = [0, 0];
      isLastRun = false;
    }
    const kind = flags & UNIT_FLAG.DEFRAGMENTATION;
    if (isLastRun && isStoppedInOrder) continue;
    if (counts[kind]++ < OPEN_BLOCKS_MAX) torn.add(block);
  }
  return torn;
}

/** Whether a place of a block is in the unit that was written last. */
export function isInLastUnit(units: readonly BlockUnit[], offsetBytes: number): boolean {
  const last = units.at(-1);
  return last !== undefined && offsetBytes >= last.offsetBytes;
}
