/**
 * Cold start: reads every block of every device and takes over the newest version of each record. Memory beyond the index
 * is a few blocks per device.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import type { Clock, Log } from "../../port/mod.ts";
import { EntryRef } from "../entry.ts";
import { Evictable } from "../eviction.ts";
import { PAGE_ENTRY_COUNT } from "../index.ts";
import type { NamespaceStore } from "../store.ts";
import { BlockLoader, START_SLICE_MS } from "./block_loader.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { DiskSpace } from "./disk_space.ts";

/** Time between two lines about how far a start has got. */
export const PROGRESS_PERIOD_MS = 5000;
const PAGES_PER_CLOCK_READ = 32;

/** What a cold start needs. */
export interface ColdStartOptions {
  /** The store that is filled; it has devices. */
  store: NamespaceStore;
  /** Slices. */
  clock: Clock;
  /** Progress. */
  log: Log;
  /** Keeps the bytes of all blocks. */
  keepsBytes: boolean;
}

/** What a start has done. */
export interface StartReport {
  /** `cold`: all blocks were read. `fast`: the checkpoint was complete. `replay`: blocks that are newer were read, too. */
  kind: "cold" | "fast" | "replay";
  /** Records after it, tombstones among them. */
  recordCount: number;
  /** Blocks read. */
  blockCount: number;
  /** Copies of records found in them. */
  copyCount: number;
  /** Milliseconds that it took. */
  durationMs: number;
}

/** How many records and tombstones a store has, in words. */
export function contentText({ objectCount, tombstoneCount }: NamespaceStore): string {
  return `${objectCount} records and ${tombstoneCount} tombstones`;
}

/** Fills a store from its devices; resolves when it is complete. */
export async function coldStart(options: ColdStartOptions): Promise<StartReport> {
  return await new ColdStart(options).run();
}

/** What a start has removed. */
export interface RemovedCounts {
  /** Records whose void-time has passed. */
  expiredCount: number;
  /** Records that had been evicted, or would have been, as deep as the nodes have agreed. */
  evictedCount: number;
}

/**
 * Removes, before anything is served, the records that have expired and those that evictions had removed: an eviction
 * leaves no tombstone, so that their copies are found again. Goes in the order in which entries are in memory.
 */
export async function removeOver(store: NamespaceStore, clock: Clock): Promise<RemovedCounts> {
  const { index } = store;
  const judge = new EndJudge(store);
  const entry = new EntryRef();
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  const counts: RemovedCounts = { expiredCount: 0, evictedCount: 0 };
  let sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
  for (let page = 0; page < index.pageCount; page++) {
    for (let place = 0; place < PAGE_ENTRY_COUNT; place++) {
      index.moveTo(entry, page * PAGE_ENTRY_COUNT + place);
      if (entry.sizeUnits === 0 || entry.isTombstone) continue;
      const origin = judge.originOf(entry);
      if (origin === undefined) continue;
      entry.copyDigest(digest, 0);
      if (!store.expunge(digest, 0, entry, { origin })) continue;
      if (origin === "expiry") counts.expiredCount++;
      else counts.evictedCount++;
    }
    if (page % PAGES_PER_CLOCK_READ !== 0 || clock.monotonicMs() < sliceEndMs) continue;
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
    sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
  }
  if (judge.evicts) store.supervision.evictVoidTime = store.supervision.smdEvictVoidTime;
  store.supervision.evictedObjects += counts.evictedCount;
  return counts;
}

/** Why a record that a start has found is removed. */
class EndJudge {
  /** Evictions reached beyond what has expired. */
  readonly evicts: boolean;
  readonly #store: NamespaceStore;
  readonly #nowMs: number;
  readonly #evictVoidTime: number;
  readonly #evictable: Evictable;

  constructor(store: NamespaceStore) {
    this.#store = store;
    this.#nowMs = store.nowMs();
    this.#evictVoidTime = store.supervision.smdEvictVoidTime;
    this.#evictable = new Evictable(store);
    this.evicts = this.#evictVoidTime * 1000 > this.#nowMs;
  }

  originOf(entry: EntryRef): "expiry" | "eviction" | undefined {
    if (this.#store.isExpired(entry, this.#nowMs)) return "expiry";
    if (!this.evicts || entry.voidTime > this.#evictVoidTime) return undefined;
    return this.#evictable.has(entry) ? "eviction" : undefined;
  }
}

class ColdStart {
  readonly #options: ColdStartOptions;
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  readonly #loader: BlockLoader;
  #progressMs = 0;

  constructor(options: ColdStartOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#disk = options.store.disk!;
    this.#loader = new BlockLoader({ ...options, onProgress: () => this.#tellProgress() });
  }

  async run(): Promise<StartReport> {
    const { clock, keepsBytes } = this.#options;
    const startMs = clock.monotonicMs();
    this.#progressMs = startMs;
    await this.#loader.load(this.#oldBlocks());
    this.#disk.sortOut();
    if (keepsBytes) this.#dropUnused();
    const { expiredCount, evictedCount } = await removeOver(this.#store, clock);
    const { blockCount, copyCount, damageCount } = this.#loader;
    const recordCount = this.#store.index.entryCount;
    const durationMs = clock.monotonicMs() - startMs;
    if (copyCount > 0 || damageCount > 0) {
      const seconds = (durationMs / 1000).toFixed(1);
      this.#write(
        `cold start done: ${
          contentText(this.#store)
        } of ${copyCount} copies in ${seconds} s, ${expiredCount} expired, ` +
          `${evictedCount} evicted, ${damageCount} damaged`,
      );
    }
    return { kind: "cold", recordCount, blockCount, copyCount, durationMs };
  }

  #oldBlocks(): number[] {
    const blocks: number[] = [];
    for (const { firstBlock, blockCount, isNew } of this.#disk.blocks.devices) {
      for (let block = 0; block < blockCount && !isNew; block++) blocks.push(firstBlock + block);
    }
    return blocks;
  }

  /** The bytes of blocks in which nothing is current are not needed. */
  #dropUnused(): void {
    const { blocks } = this.#disk;
    for (let block = 0; block < blocks.count; block++) {
      if (blocks.state[block] !== DISK_BLOCK.CLOSED) blocks.bytes[block] = undefined;
    }
  }

  #tellProgress(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#progressMs < PROGRESS_PERIOD_MS) return;
    this.#progressMs = nowMs;
    const { blockCount, copyCount } = this.#loader;
    const pct = Math.floor(blockCount * 100 / this.#disk.blocks.count);
    this.#write(`cold start: ${pct} % read, ${copyCount} copies, ${contentText(this.#store)}`);
  }

  #write(message: string): void {
    this.#options.log.write("info", "drv_ssd", `{${this.#store.settings.name}} ${message}`);
  }
}
