/**
 * Removal of old tombstones from devices. A tombstone may go only when no older copy of its record is on any device: not
 * in a block in use, and not in one that is free and was not written again. Source: server-operations reference, section
 * 18.1; design decision 9.
 *
 * A pass: mark the tombstones that are old enough → write out what is in memory → read every block that was ever written, and take the mark away from
 * those of which another copy is met → wait until all is synced that was appended during the pass, so that no block can
 * fall back to what it held → remove those that still have the mark. A tombstone that is written anew loses the mark.
 *
 * @module
 */

import { PLANTED } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "../background.ts";
import { ENTRY_FLAG, EntryRef } from "../entry.ts";
import { flatDigestAt } from "../flat.ts";
import { RecordWalk } from "../record_walk.ts";
import type { NamespaceStore } from "../store.ts";
import { type BlockVisitor, BlockWalk, findLives } from "./block_scan.ts";
import type { DiskSpace } from "./disk_space.ts";

const STEP_RECORD_COUNT = 256;
/** Pause while a block is read. */
const WAIT_MS = 5;

type Phase = "mark" | "write" | "scan" | "sync" | "remove";

/** One pass over the tombstones of a store with devices. */
export class DiskTombRaid implements BackgroundTask, BlockVisitor {
  readonly #store: NamespaceStore;
  readonly #space: DiskSpace;
  readonly #mayRaid: () => boolean;
  readonly #entry = new EntryRef();
  readonly #mark: RecordWalk;
  readonly #remove: RecordWalk;
  #phase: Phase = "mark";
  #markedCount = 0;
  #block = -1;
  #walks: BlockWalk[] = [];
  #isWaiting = false;
  #hasFailed = false;

  /**
   * @param store whose tombstones; it has devices
   * @param mayRaid whether no older copy is on its way; the pass ends when it says no
   */
  constructor(store: NamespaceStore, mayRaid: () => boolean) {
    this.#store = store;
    this.#space = store.disk!;
    this.#mayRaid = mayRaid;
    const ageMs = PLANTED.tombstoneTooYoung ? 0 : store.settings.tombRaiderEligibleAge * 1000;
    const oldestMs = store.nowMs() - ageMs;
    this.#mark = new RecordWalk(store, (entry) => {
      const isDoomed = entry.isTombstone && entry.lastUpdateMs <= oldestMs;
      if (isDoomed) this.#markedCount++;
      entry.setFlags(ENTRY_FLAG.DOOMED, isDoomed);
      return undefined;
    });
    this.#remove = new RecordWalk(
      store,
      (entry) => entry.isTombstone && (entry.flags & ENTRY_FLAG.DOOMED) !== 0 ? "tomb-raider" : undefined,
    );
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    // Older copies on a device that can't be read can't be looked for.
    if (!this.#mayRaid() || this.#hasFailed || this.#space.watch.hasFailed) return undefined;
    if (this.#isWaiting) return WAIT_MS;
    switch (this.#phase) {
      case "mark":
        if (!this.#mark.step(clock, deadlineMs)) return SLICE_PAUSE_MS;
        if (this.#markedCount === 0) return undefined;
        this.#phase = "write";
        return 0;
      case "write":
        return this.#flush("scan");
      case "scan":
        return this.#scan(clock, deadlineMs);
      case "sync":
        return this.#flush("remove");
      case "remove": {
        const before = this.#remove.removedCount;
        const isEnd = this.#remove.step(clock, deadlineMs);
        this.#store.supervision.raidedTombstones += this.#remove.removedCount - before;
        return isEnd ? undefined : SLICE_PAUSE_MS;
      }
    }
  }

  /** See {@linkcode BlockVisitor.record}: a copy that is not the current one keeps its tombstone. */
  record(at: number, _units: number, bytes: Uint8Array): void {
    const entry = this.#entry;
    if (!this.#store.index.find(bytes, flatDigestAt(at), entry)) return;
    if ((entry.flags & ENTRY_FLAG.DOOMED) === 0) return;
    if (entry.location === this.#space.blocks.locationOf(this.#block, at)) return;
    if (this.#isTombstoneCopy(bytes, at)) return;
    entry.setFlags(ENTRY_FLAG.DOOMED, false);
  }

  /** See {@linkcode BlockVisitor.damage}: what can't be read can't come back either. */
  damage(): void {}

  /** A copy without bins can bring nothing back. */
  #isTombstoneCopy(bytes: Uint8Array, at: number): boolean {
    this.#space.scanned.open(bytes, at);
    return this.#space.scanned.binCount === 0;
  }

  /** Goes on to the next phase once everything is synced. */
  #flush(next: Phase): number {
    this.#wait(
      this.#space.flush().then(() => {
        if (this.#space.isAllSynced) this.#phase = next;
        else this.#hasFailed = true;
      }),
    );
    return WAIT_MS;
  }

  #scan(clock: Clock, deadlineMs: number): number {
    do {
      const walk = this.#walks[0];
      if (walk === undefined) return this.#nextBlock();
      if (walk.step(this, STEP_RECORD_COUNT)) this.#walks.shift();
    } while (clock.monotonicMs() < deadlineMs);
    return Math.max(SLICE_PAUSE_MS, this.#store.settings.storage.tombRaiderSleep / 1000);
  }

  #nextBlock(): number {
    const { blocks } = this.#space;
    do {
      if (++this.#block >= blocks.count) {
        this.#phase = "sync";
        return 0;
      }
    } while (blocks.sequence[this.#block] === 0);
    this.#wait(this.#read(this.#block));
    return WAIT_MS;
  }

  async #read(block: number): Promise<void> {
    const { blocks } = this.#space;
    const { file, path } = blocks.device(block);
    const place = { ...blocks.place(block), path, deviceOffset: blocks.deviceOffset(block) };
    const copies = [new Uint8Array(blocks.blockSizeBytes)];
    await file.read(place.deviceOffset, copies[0]);
    // What is damaged here and whole on a shadow is found by the next start.
    if (file.readShadow !== undefined) {
      copies.push(new Uint8Array(blocks.blockSizeBytes));
      await file.readShadow(place.deviceOffset, copies[1]);
    }
    // Left-overs of earlier lives count, too: they are there again if the present life was not synced.
    this.#walks = copies.flatMap((bytes) =>
      findLives(bytes, place).map((content) =>
        new BlockWalk(bytes, content, { place, checks: true, cipher: blocks.cipher(block) })
      )
    );
  }

  #wait(work: Promise<void>): void {
    this.#isWaiting = true;
    work.catch((error: Error) => {
      this.#hasFailed = true;
      this.#space.reports.readFault(error, this.#space.blocks.deviceOf[Math.max(0, this.#block)]);
    }).finally(() => this.#isWaiting = false);
  }
}
