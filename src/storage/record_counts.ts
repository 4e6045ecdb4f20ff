/**
 * How many records and tombstones a namespace, its partitions and its sets have.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT, partitionId } from "../base/mod.ts";
import type { EntryRef } from "./entry.ts";
import { UNIT_SIZE_BYTES } from "./flat.ts";
import { NO_SET, type SetTable } from "./sets.ts";

/** See the head of the file; counted with each change of an entry. */
export class RecordCounts {
  /** Tombstones per partition. */
  readonly partitionTombstones: Uint32Array = new Uint32Array(PARTITION_COUNT);
  /** Tombstones. */
  tombstones = 0;
  /** Live records without a void-time. */
  nonExpirable = 0;
  readonly #sets: SetTable;
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);

  /** @param sets their counts are kept in them */
  constructor(sets: SetTable) {
    this.#sets = sets;
  }

  /** Counts an entry as it is now (`delta` 1), or no longer counts it (-1). */
  adjust(entry: EntryRef, digest: Uint8Array, at: number, delta: 1 | -1): void {
    const isTombstone = entry.isTombstone;
    if (isTombstone) {
      this.tombstones += delta;
      this.partitionTombstones[partitionId(digest, at)] += delta;
    } else if (entry.voidTime === 0) {
      this.nonExpirable += delta;
    }
    const setId = entry.setId;
    if (setId === NO_SET) return;
    const set = this.#sets.byId(setId)!;
    if (isTombstone) set.tombstones += delta;
    else set.objects += delta;
    set.dataUsedBytes += delta * entry.sizeUnits * UNIT_SIZE_BYTES;
  }

  /** The same for one whose digest is not at hand. */
  adjustEntry(entry: EntryRef, delta: 1 | -1): void {
    entry.copyDigest(this.#digest, 0);
    this.adjust(entry, this.#digest, 0, delta);
  }

  /** Nothing is there any more. */
  clear(): void {
    this.tombstones = 0;
    this.partitionTombstones.fill(0);
    this.nonExpirable = 0;
    for (const set of this.#sets) set.objects = set.tombstones = set.dataUsedBytes = 0;
  }
}
