/**
 * Cold start: reads every block of every device and takes over the newest version of each record. Memory beyond the index
 * is a few blocks per device.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import type { Clock, Log } from "../../port/mod.ts";
import { EntryRef } from "../entry.ts";
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

/** Fills a store from its devices; resolves when it is complete. */
export async function coldStart(options: ColdStartOptions): Promise<StartReport> {
  return await new ColdStart(options).run();
}

/** Removes the records that have expired, in the order in which their entries are in memory; how many there were. */
export async function removeExpired(store: NamespaceStore, clock: Clock): Promise<number> {
  const { index } = store;
  const entry = new EntryRef();
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  const nowMs = store.nowMs();
  let count = 0;
  let sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
  for (let page = 0; page < index.pageCount; page++) {
    for (let place = 0; place < PAGE_ENTRY_COUNT; place++) {
      index.moveTo(entry, page * PAGE_ENTRY_COUNT + place);
      if (entry.sizeUnits === 0 || entry.isTombstone || !store.isExpired(entry, nowMs)) continue;
      entry.copyDigest(digest, 0);
      if (store.expunge(digest, 0, entry, { origin: "expiry" })) count++;
    }
    if (page % PAGES_PER_CLOCK_READ !== 0 || clock.monotonicMs() < sliceEndMs) continue;
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
    sliceEndMs = clock.monotonicMs() + START_SLICE_MS;
  }
  return count;
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
    const expiredCount = await removeExpired(this.#store, clock);
    const { blockCount, copyCount, damageCount } = this.#loader;
    const recordCount = this.#store.index.entryCount;
    const durationMs = clock.monotonicMs() - startMs;
    if (copyCount > 0 || damageCount > 0) {
      const seconds = (durationMs / 1000).toFixed(1);
      this.#write(
        `cold start done: ${recordCount} records of ${copyCount} copies in ${seconds} s, ${expiredCount} expired, ` +
          `${damageCount} damaged`,
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
    this.#write(`cold start: ${pct} % read, ${copyCount} copies, ${this.#store.index.entryCount} records`);
  }

  #write(message: string): void {
    this.#options.log.write("info", "drv_ssd", `{${this.#store.settings.name}} ${message}`);
  }
}
