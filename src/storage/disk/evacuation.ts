/**
 * Moves what waits to be written to a device that is closed to the others: what is current of it is appended there, and
 * waits for their syncs. Until these have ended it counts as not synced, and no block is used again for it.
 *
 * @module
 */

import { EntryRef } from "../entry.ts";
import { flatDigestAt, flatSizeUnits } from "../flat.ts";
import type { PrimaryIndex } from "../index.ts";
import { NO_LOCATION } from "../space.ts";
import type { DiskBlocks } from "./blocks.ts";
import type { Flusher } from "./flusher.ts";
import type { DurableWaiter, FlushUnit } from "./flush_unit.ts";
import { storedSize, UNIT_HEADER_SIZE_BYTES } from "./layout.ts";

/** What an {@linkcode Evacuation} needs of the space. */
export interface EvacuationOptions {
  /** All blocks. */
  blocks: DiskBlocks;
  /** Entries of the records. */
  index: () => PrimaryIndex;
  /** Appends a record to a device that takes it; its location, or NO_LOCATION. */
  append: (source: Uint8Array, sourceAt: number, units: number) => number;
  /** Gives a record's place back. */
  release: (location: number, units: number) => void;
  /** Tells when everything is synced that was appended so far; false when it is. */
  afterSync: (waiter: DurableWaiter) => boolean;
  /** Units need not be written any more. */
  onDurable: (units: readonly FlushUnit[]) => void;
}

/** See the head of the file. */
export class Evacuation {
  /** Units that were moved, and whose copies are not synced yet. */
  readonly units: ReadonlySet<FlushUnit>;
  readonly #units = new Set<FlushUnit>();
  readonly #options: EvacuationOptions;
  readonly #entry = new EntryRef();

  /** @param options the space */
  constructor(options: EvacuationOptions) {
    this.#options = options;
    this.units = this.#units;
  }

  /** Moves what a writer has not synced; whether all of it found room. */
  run(flusher: Flusher): boolean {
    const units = flusher.takeAll();
    for (const unit of units) this.#units.add(unit);
    const moved = units.filter((unit) => this.#move(unit));
    for (const unit of units) {
      if (moved.includes(unit)) continue;
      this.#units.delete(unit);
      flusher.add(unit);
    }
    const end = () => {
      for (const unit of moved) this.#units.delete(unit);
      this.#options.onDurable(moved);
    };
    if (!this.#options.afterSync({ onDurable: end })) end();
    return moved.length === units.length;
  }

  /** Appends what is current in a unit that was not written to other devices; whether all of it found room. */
  #move({ block, startBytes, endBytes, recordCount }: FlushUnit): boolean {
    const { blocks, append, release } = this.#options;
    const index = this.#options.index();
    const bytes = blocks.bytes[block]!;
    const entry = this.#entry;
    let at = startBytes + UNIT_HEADER_SIZE_BYTES;
    for (let count = 0; count < recordCount && at < endBytes; count++) {
      const units = flatSizeUnits(bytes, at);
      const location = blocks.locationOf(block, at);
      if (index.find(bytes, flatDigestAt(at), entry) && entry.location === location) {
        const target = append(bytes, at, units);
        if (target === NO_LOCATION) return false;
        entry.setLocation(target, units);
        index.touch(entry.handle);
        release(location, units);
      }
      at += storedSize(units);
    }
    return true;
  }
}
