/**
 * Defragmentation: empties blocks whose use fell below `defrag-lwm-pct`, and, when few empty blocks are left, the least
 * used ones whatever their use. Source: server-operations reference, section 13.6.
 *
 * Work goes block by block in slices. After every `flush-size` bytes walked the task sleeps `defrag-sleep`
 * microseconds, as the stock server does; when blocks are scarce it does not pause at all.
 *
 * @module
 */

import { assert, copyBytes } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "./background.ts";
import { EntryRef } from "./entry.ts";
import { UNIT_SIZE_BYTES } from "./flat.ts";
import { NO_LOCATION } from "./space.ts";
import type { NamespaceStore } from "./store.ts";

/** Slots and records that are walked before the time is asked for, and the bytes after which it is asked anyway. */
const STEP_SLOT_COUNT = 64;
const STEP_UNIT_COUNT = 128 * 1024 / UNIT_SIZE_BYTES;

/** Blocks are scarce when fewer than this share of them are empty, in percent, but at least one and at most some. */
const SCARCE_PCT = 5;
const SCARCE_BLOCK_COUNT_MAX = 16;

/** Empties blocks until none needs it. */
export class DefragmentationTask implements BackgroundTask {
  readonly #store: NamespaceStore;
  readonly #move: (location: number) => boolean;
  #block = -1;
  #cursor = 0;
  #walkedBytes = 0;

  /** @param store whose blocks */
  constructor(store: NamespaceStore) {
    this.#store = store;
    this.#move = (location) => relocate(store, location);
  }

  /** Whether there may be something to do. */
  get isNeeded(): boolean {
    const { arena, settings } = this.#store;
    return this.#block >= 0 || arena.sparseBlockCount > settings.storage.defragQueueMin || this.#isScarce;
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    const { arena, settings } = this.#store;
    do {
      if (this.#block < 0 && !this.#nextBlock()) return undefined;
      const before = this.#cursor;
      this.#cursor = arena.sweep(this.#block, before, {
        move: this.#move,
        slotCountMax: STEP_SLOT_COUNT,
        unitCountMax: STEP_UNIT_COUNT,
      });
      if (this.#cursor < 0) this.#block = -1;
      else this.#walkedBytes += (this.#cursor - before) * UNIT_SIZE_BYTES;
    } while (clock.monotonicMs() < deadlineMs && this.#walkedBytes < settings.storage.flushSize);
    if (this.#isScarce) return 0;
    if (this.#walkedBytes < settings.storage.flushSize) return SLICE_PAUSE_MS;
    this.#walkedBytes = 0;
    return Math.max(SLICE_PAUSE_MS, settings.storage.defragSleep / 1000);
  }

  #nextBlock(): boolean {
    const { arena, settings } = this.#store;
    let block = arena.sparseBlockCount > settings.storage.defragQueueMin ? arena.startEmptying() : -1;
    if (block < 0 && this.#isScarce) block = arena.startEmptyingForRoom();
    this.#block = block;
    this.#cursor = 0;
    return block >= 0;
  }

  get #isScarce(): boolean {
    const { arena } = this.#store;
    const wanted = Math.ceil(arena.blockCountMax * SCARCE_PCT / 100);
    return arena.freeBlockCount < Math.min(SCARCE_BLOCK_COUNT_MAX, wanted);
  }
}

const entry = new EntryRef();

/**
 * Moves a record out of a block in memory that is being emptied.
 *
 * @param location where it is
 * @returns false when there is no room elsewhere
 */
export function relocate(store: NamespaceStore, location: number): boolean {
  const { arena, flat: record } = store;
  const bytes = arena.block(location);
  const at = arena.offset(location);
  record.open(bytes, at);
  const units = record.sizeUnits;
  const isCurrent = store.index.find(bytes, record.digestAt, entry) && entry.location === location;
  assert(isCurrent, "Every record in memory is the one its entry points at");
  const target = arena.allocate(units);
  if (target === NO_LOCATION) return false;
  copyBytes(bytes, at, arena.block(target), arena.offset(target), units * UNIT_SIZE_BYTES);
  entry.setLocation(target, units);
  arena.release(location, units);
  return true;
}
