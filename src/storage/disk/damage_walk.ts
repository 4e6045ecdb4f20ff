/**
 * Looks for the records of blocks in which damage was met: each is read, and one that can't be read is asked for
 * elsewhere (`NamespaceStore.load`); the others are stored anew. Damage does not say whose records it hit, so
 * all entries are looked at.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "../background.ts";
import { LOADED, type Waiter } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { UNIT_SIZE_BYTES } from "../flat.ts";
import { restoreRecord } from "../replace.ts";
import type { NamespaceStore } from "../store.ts";

/** Entries that are looked at before the time is asked for. */
const BATCH_COUNT = 64;
/** Pause while a record is read or asked for. */
const WAIT_MS = 2;

/** One walk over the blocks that were damaged when it began. */
export class DamageWalk implements BackgroundTask, Waiter {
  readonly #store: NamespaceStore;
  readonly #blocks: ReadonlySet<number>;
  readonly #entry = new EntryRef();
  readonly #after = new Uint8Array(DIGEST_SIZE_BYTES);
  readonly #found: Uint8Array[] = [];
  #partition = 0;
  #isInside = false;
  #isWaiting = false;

  /** @param store whose blocks; it has devices. Those that are to be looked at are taken off its list */
  constructor(store: NamespaceStore) {
    this.#store = store;
    const { blocks } = store.disk!.damage;
    this.#blocks = new Set(blocks);
    blocks.clear();
  }

  /** See {@linkcode Waiter}. */
  wake(): void {
    this.#isWaiting = false;
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    if (this.#isWaiting) return WAIT_MS;
    do {
      if (this.#found.length > 0) {
        if (!this.#check()) return WAIT_MS;
      } else if (this.#partition >= PARTITION_COUNT) return undefined;
      else this.#gather();
    } while (clock.monotonicMs() < deadlineMs);
    return SLICE_PAUSE_MS;
  }

  /** Reads the next of the records that were found; false while it is not here. */
  #check(): boolean {
    const store = this.#store;
    const digest = this.#found[this.#found.length - 1];
    if (store.find(digest, 0, this.#entry) && this.#isConcerned(this.#entry)) {
      const loaded = store.load(this.#entry, this);
      this.#isWaiting = loaded === LOADED.PENDING;
      if (this.#isWaiting) return false;
      // One that was mended at once is elsewhere already.
      if (loaded === LOADED.HERE && this.#isConcerned(this.#entry)) this.#storeAnew(this.#entry);
    }
    this.#found.pop();
    return true;
  }

  /** A record that can be read, perhaps from memory alone, is not left in a damaged block. */
  #storeAnew(entry: EntryRef): void {
    const { bytes, at, sizeUnits } = this.#store.flat;
    restoreRecord(this.#store, { bytes, at, end: at + sizeUnits * UNIT_SIZE_BYTES }, entry);
  }

  #isConcerned(entry: EntryRef): boolean {
    return this.#blocks.has(this.#store.disk!.blocks.blockOf(entry.location));
  }

  #gather(): void {
    const { index } = this.#store;
    let count = 0;
    const after = this.#isInside ? this.#after.slice() : undefined;
    const isEnd = index.partitionEntryCounts[this.#partition] === 0 ||
      index.forEach(this.#partition, after, (entry) => {
        if (this.#isConcerned(entry)) {
          const digest = new Uint8Array(DIGEST_SIZE_BYTES);
          entry.copyDigest(digest, 0);
          this.#found.push(digest);
        }
        if (++count < BATCH_COUNT) return true;
        entry.copyDigest(this.#after, 0);
        return false;
      });
    this.#isInside = !isEnd;
    if (isEnd) this.#partition++;
  }
}
