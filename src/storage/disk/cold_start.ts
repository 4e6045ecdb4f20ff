/**
 * Cold start: reads every block of every device and takes over the newest version of each record. Devices are read side
 * by side, each a block ahead of what is looked at; memory beyond the index is a few blocks per device.
 *
 * @module
 */

import { isBlank, partitionId } from "../../base/mod.ts";
import type { Clock, Log } from "../../port/mod.ts";
import { FlatRecord } from "../flat.ts";
import { RecordWalk } from "../record_walk.ts";
import type { NamespaceStore } from "../store.ts";
import { type BlockVisitor, BlockWalk, findUnits, type ScanPlace } from "./block_scan.ts";
import { DISK_BLOCK } from "./blocks.ts";
import type { OpenDevice } from "./device_file.ts";
import type { DiskSpace } from "./disk_space.ts";
import { PAGE_SIZE_BYTES } from "./layout.ts";

/** Nothing is served during a cold start, so that slices may be longer than those of background work. */
const SLICE_MS = 5;
const RECORDS_PER_CLOCK_READ = 64;
const PROGRESS_PERIOD_MS = 5000;

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

/** Fills a store from its devices; resolves when it is complete. */
export async function coldStart(options: ColdStartOptions): Promise<void> {
  await new ColdStart(options).run();
}

class ColdStart {
  readonly #options: ColdStartOptions;
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  readonly #record = new FlatRecord();
  #blockCount = 0;
  #recordCount = 0;
  #damageCount = 0;
  #progressMs = 0;
  #sliceEndMs = 0;

  constructor(options: ColdStartOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#disk = options.store.disk!;
  }

  async run(): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    this.#progressMs = startMs;
    this.#sliceEndMs = startMs + SLICE_MS;
    const { devices } = this.#disk.blocks;
    await Promise.all(devices.filter(({ isNew }) => !isNew).map((device) => this.#readDevice(device)));
    this.#disk.sortOut();
    if (this.#options.keepsBytes) this.#dropUnused();
    const expiredCount = await this.#removeExpired();
    if (this.#recordCount === 0 && this.#damageCount === 0) return;
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    this.#write(
      "info",
      `cold start done: ${this.#store.index.entryCount} records of ${this.#recordCount} copies in ${
        seconds.toFixed(1)
      } s, ${expiredCount} expired, ${this.#damageCount} damaged`,
    );
  }

  async #readDevice(device: OpenDevice): Promise<void> {
    let next = this.#readBlock(device, 0);
    for (let block = 0; block < device.blockCount; block++) {
      const bytes = await next;
      if (block + 1 < device.blockCount) next = this.#readBlock(device, block + 1);
      if (bytes !== undefined) await this.#take(device, block, bytes);
      this.#blockCount++;
      this.#tellProgress();
    }
  }

  /** The bytes of a block, undefined when it was never used or can't be read. Never rejects. */
  async #readBlock(device: OpenDevice, block: number): Promise<Uint8Array | undefined> {
    const { blocks, watch } = this.#disk;
    const number = device.firstBlock + block;
    const offset = blocks.deviceOffset(number);
    try {
      const first = new Uint8Array(PAGE_SIZE_BYTES);
      await device.file.read(offset, first);
      if (isBlank(first)) return undefined;
      const bytes = new Uint8Array(blocks.blockSizeBytes);
      bytes.set(first);
      await device.file.read(offset + PAGE_SIZE_BYTES, bytes.subarray(PAGE_SIZE_BYTES));
      return bytes;
    } catch (error) {
      watch.onReadFault(blocks.deviceOf[number], error as Error);
      blocks.state[number] = DISK_BLOCK.BAD;
      return undefined;
    }
  }

  async #take(device: OpenDevice, block: number, bytes: Uint8Array): Promise<void> {
    const { blocks } = this.#disk;
    const number = device.firstBlock + block;
    const place: ScanPlace = {
      ...blocks.place(number),
      path: device.path,
      deviceOffset: blocks.deviceOffset(number),
    };
    const content = findUnits(bytes, place);
    if (content.sequence === 0) return;
    blocks.found(number, content.sequence);
    const walk = new BlockWalk(bytes, content, { place, checks: true, cipher: device.cipher });
    if (this.#options.keepsBytes) blocks.bytes[number] = walk.plain;
    const visitor = this.#visitor(number);
    while (!walk.step(visitor, RECORDS_PER_CLOCK_READ)) await this.#breathe();
  }

  #visitor(block: number): BlockVisitor {
    const { blocks, reports, pages } = this.#disk;
    return {
      record: (at, _units, bytes) => {
        this.#recordCount++;
        this.#record.open(bytes, at);
        const partition = partitionId(bytes, this.#record.digestAt);
        if (this.#record.treeId !== pages.treeId(partition)) return;
        this.#store.adopt(this.#record, blocks.locationOf(block, at));
      },
      damage: (error) => {
        this.#damageCount++;
        reports.readFault(error, blocks.deviceOf[block]);
      },
    };
  }

  /** The bytes of blocks in which nothing is current are not needed. */
  #dropUnused(): void {
    const { blocks } = this.#disk;
    for (let block = 0; block < blocks.count; block++) {
      if (blocks.state[block] !== DISK_BLOCK.CLOSED) blocks.bytes[block] = undefined;
    }
  }

  async #removeExpired(): Promise<number> {
    const { clock } = this.#options;
    const store = this.#store;
    const nowMs = store.nowMs();
    const walk = new RecordWalk(
      store,
      (entry) => !entry.isTombstone && store.isExpired(entry, nowMs) ? "expiry" : undefined,
    );
    while (!walk.step(clock, clock.monotonicMs() + SLICE_MS)) await this.#turn();
    return walk.removedCount;
  }

  async #breathe(): Promise<void> {
    if (this.#options.clock.monotonicMs() < this.#sliceEndMs) return;
    await this.#turn();
    this.#sliceEndMs = this.#options.clock.monotonicMs() + SLICE_MS;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.nextTurn(resolve));
  }

  #tellProgress(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#progressMs < PROGRESS_PERIOD_MS) return;
    this.#progressMs = nowMs;
    const pct = Math.floor(this.#blockCount * 100 / this.#disk.blocks.count);
    this.#write(
      "info",
      `cold start: ${pct} % read, ${this.#recordCount} copies, ${this.#store.index.entryCount} records`,
    );
  }

  #write(level: "info", message: string): void {
    this.#options.log.write(level, "drv_ssd", `{${this.#store.settings.name}} ${message}`);
  }
}
