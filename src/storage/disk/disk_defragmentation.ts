/**
 * Defragmentation of blocks on devices: reads a block, appends the records that are current to another one, and leaves
 * the block to wait until the copies are synced. Source: server-operations reference, section 13.6.
 *
 * Blocks below `defrag-lwm-pct` go first. When few blocks are free the least used ones follow, whatever their use, and
 * nothing is paused for. After every `flush-size` bytes walked the task sleeps `defrag-sleep` microseconds; while more
 * waits to be written than `max-write-cache` allows it does nothing.
 *
 * @module
 */

import type { CorruptionError } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { type BackgroundTask, SLICE_PAUSE_MS } from "../background.ts";
import { EntryRef } from "../entry.ts";
import { flatDigestAt, UNIT_SIZE_BYTES } from "../flat.ts";
import { NO_LOCATION } from "../space.ts";
import type { NamespaceStore } from "../store.ts";
import { type BlockVisitor, BlockWalk, findUnits, type ScanPlace } from "./block_scan.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { DiskSpace } from "./disk_space.ts";

/** Records that are walked before the time is asked for. */
const STEP_RECORD_COUNT = 64;
/** Blocks are scarce when fewer than this share of them is free, in percent, but at least some and at most many. */
const SCARCE_PCT = 5;
const SCARCE_BLOCK_COUNT_MIN = 3;
const SCARCE_BLOCK_COUNT_MAX = 16;
/** Pause while writing lags behind, or a block is read. */
const WAIT_MS = 5;

/** Empties blocks until none needs it. */
export class DiskDefragmentationTask implements BackgroundTask, BlockVisitor {
  readonly #store: NamespaceStore;
  readonly #space: DiskSpace;
  readonly #entry = new EntryRef();
  #block = -1;
  #walk: BlockWalk | undefined;
  #isReading = false;
  #isFull = false;
  #isDamaged = false;
  #walkedBytes = 0;

  /** @param store whose blocks; it has devices */
  constructor(store: NamespaceStore) {
    this.#store = store;
    this.#space = store.disk!;
  }

  /** Whether there may be something to do. */
  get isNeeded(): boolean {
    const { sparse } = this.#space;
    return this.#block >= 0 || sparse.length > this.#store.settings.storage.defragQueueMin || this.#isScarce;
  }

  /** See {@linkcode BackgroundTask.step}. */
  step(clock: Clock, deadlineMs: number): number | undefined {
    const { storage } = this.#store.settings;
    if (this.#space.pendingBytes > storage.maxWriteCache || this.#isReading) return WAIT_MS;
    if (this.#block < 0 && !this.#nextBlock()) return this.#end();
    if (this.#walk === undefined) return WAIT_MS;
    do {
      if (this.#walk.step(this, STEP_RECORD_COUNT) || this.#isFull) {
        if (!this.#finishBlock()) return undefined;
        break;
      }
    } while (clock.monotonicMs() < deadlineMs && this.#walkedBytes < storage.flushSize);
    if (this.#isScarce) return 0;
    if (this.#walkedBytes < storage.flushSize) return SLICE_PAUSE_MS;
    this.#walkedBytes = 0;
    return Math.max(SLICE_PAUSE_MS, storage.defragSleep / 1000);
  }

  /** See {@linkcode BlockVisitor.record}: moves it if it is current. */
  record(at: number, units: number, bytes: Uint8Array): void {
    if (this.#isFull) return;
    this.#walkedBytes += units * UNIT_SIZE_BYTES;
    const entry = this.#entry;
    const location = this.#space.blocks.locationOf(this.#block, at);
    const isCurrent = this.#store.index.find(bytes, flatDigestAt(at), entry) && entry.location === location;
    if (!isCurrent) return;
    if (!this.#walk!.isSound(at, units)) return this.damage(this.#walk!.damageAt(at, units));
    const target = this.#space.move(bytes, at, units, this.#block);
    if (target === NO_LOCATION) {
      this.#isFull = true;
      return;
    }
    entry.setLocation(target, units);
    this.#store.index.touch(entry.handle);
    this.#space.release(location, units);
  }

  /** See {@linkcode BlockVisitor.damage}: what can't be read stays where it is. */
  damage(error: CorruptionError): void {
    this.#isDamaged = true;
    this.#space.reports.readFault(error, this.#space.blocks.deviceOf[this.#block]);
  }

  #nextBlock(): boolean {
    const { sparse, blocks } = this.#space;
    let block = sparse.length > this.#store.settings.storage.defragQueueMin ? sparse.take() : -1;
    if (block < 0 && this.#isScarce) block = sparse.takeLeastUsed();
    if (block < 0) return false;
    blocks.state[block] = DISK_BLOCK.EMPTYING;
    this.#block = block;
    this.#isFull = false;
    this.#isDamaged = false;
    const bytes = blocks.bytes[block];
    if (bytes === undefined) this.#read(block);
    else this.#open(bytes, { isFromDevice: false });
    return true;
  }

  #read(block: number): void {
    const { blocks, watch } = this.#space;
    const bytes = new Uint8Array(blocks.blockSizeBytes);
    this.#isReading = true;
    blocks.device(block).file.read(blocks.deviceOffset(block), bytes).then(
      () => this.#open(bytes, { isFromDevice: true }),
      (error: Error) => {
        watch.onReadFault(blocks.deviceOf[block], error);
        this.#isDamaged = true;
        this.#finishBlock();
      },
    ).finally(() => this.#isReading = false);
  }

  #open(bytes: Uint8Array, { isFromDevice }: { isFromDevice: boolean }): void {
    const { blocks } = this.#space;
    const block = this.#block;
    const place: ScanPlace = {
      ...blocks.place(block),
      path: blocks.device(block).path,
      deviceOffset: blocks.deviceOffset(block),
    };
    const content = findUnits(bytes, place);
    // A sequence that differs says that the block's first units can't be read: nothing is found then.
    if (content.sequence !== blocks.sequence[block]) content.units = [];
    const cipher = blocks.cipher(block);
    // In memory records are in the clear, and trailers that were read go with the encrypted bytes.
    this.#walk = new BlockWalk(bytes, content, {
      place,
      checks: false,
      cipher: isFromDevice ? cipher : undefined,
      isTrusted: !isFromDevice && cipher !== undefined,
    });
  }

  /** Ends with a block; whether another one may be tried. */
  #finishBlock(): boolean {
    const { blocks, sparse } = this.#space;
    const block = this.#block;
    this.#block = -1;
    this.#walk = undefined;
    const isEmpty = blocks.usedBytes[block] === 0;
    if (isEmpty) {
      this.#space.defragmentedBlocks++;
      this.#space.flushers[blocks.deviceOf[block]].emptiedCount++;
    }
    if (!isEmpty && (!this.#isFull || this.#isDamaged)) sparse.giveUp(block);
    // All that could be read was moved: what is left can't be.
    if (!isEmpty && (!this.#isFull || this.#isDamaged)) this.#space.damage.blocks.add(block);
    this.#space.endEmptying(block);
    if (this.#isScarce) this.#space.sealAll();
    return isEmpty || !this.#isFull;
  }

  /** Nothing more to empty; what waits for a sync is helped along when blocks are scarce. */
  #end(): undefined {
    if (this.#isScarce && this.#space.blocks.waitingCount > 0) this.#space.sealAll();
    return undefined;
  }

  get #isScarce(): boolean {
    const { blocks } = this.#space;
    const share = Math.ceil(blocks.count * SCARCE_PCT / 100);
    const wanted = Math.min(SCARCE_BLOCK_COUNT_MAX, Math.max(SCARCE_BLOCK_COUNT_MIN, share));
    return blocks.freeCount() + blocks.waitingCount <= wanted;
  }
}
