/**
 * Fast start: takes the index from its checkpoint. After a stop in order nothing else is read; after a crash the blocks
 * that are newer than the checkpoint's mark are read as a whole. Why that is enough is in docs/format/checkpoint.md.
 *
 * Steps: judge the map → make it one of this run → (crash) read the first unit of each block → read the pages → (stop in
 * order) take over trees and counts, or (crash) hang every entry into its tree, replay blocks, drop what was not
 * confirmed. Nothing but the index is changed before all pages are known to be sound.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, PARTITION_COUNT, PLANTED } from "../../base/mod.ts";
import type { Clock, Compute, Log } from "../../port/mod.ts";
import { EntryRef, WORD } from "../entry.ts";
import { NO_SET } from "../sets.ts";
import type { NamespaceStore } from "../store.ts";
import { BlockLoader } from "./block_loader.ts";
import { NEVER_USED, readBlockHeads, UNCLEAR, UNREADABLE } from "./block_heads.ts";
import { DISK_BLOCK } from "./blocks.ts";
import { BAD_BLOCK_USE, type Checkpoint } from "./checkpoint.ts";
import { FRAME_SIZE_BYTES } from "./checkpoint_frames.ts";
import { CheckpointImage } from "./checkpoint_image.ts";
import type { CheckpointMap, CompleteState } from "./checkpoint_map.ts";
import { contentText, PROGRESS_PERIOD_MS, removeOver, type StartReport } from "./cold_start.ts";
import type { DiskSpace } from "./disk_space.ts";
import { EntryLinker } from "./entry_linker.ts";
import { idText } from "./layout.ts";

const PAGES_PER_PROGRESS = 64;

/** What a fast start needs. */
export interface FastStartOptions {
  /** The store that is filled; it has devices. */
  store: NamespaceStore;
  /** Its checkpoint. */
  checkpoint: Checkpoint;
  /** Slices. */
  clock: Clock;
  /** Progress, and why not. */
  log: Log;
  /** Checksums. */
  compute: Compute;
}

/** Fills a store from its checkpoint; undefined when all blocks must be read: the store is as empty as before then. */
export async function fastStart(options: FastStartOptions): Promise<StartReport | undefined> {
  return await new FastStart(options).run();
}

class FastStart {
  readonly #options: FastStartOptions;
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  readonly #loader: BlockLoader;
  readonly #digest = new Uint8Array(DIGEST_SIZE_BYTES);
  /** Set ids of this run by those of the map. */
  readonly #setIds: number[] = [NO_SET];
  #isRenumbered = false;
  #heads: Float64Array;
  /** Blocks that are read as a whole: 1. */
  readonly #replayed: Uint8Array;
  /** The trees are taken over with the pages. */
  #keepsTrees = false;
  /** Entries in those trees that don't count. */
  readonly #dropped: number[] = [];
  #progressMs = 0;

  constructor(options: FastStartOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#disk = options.store.disk!;
    const { count } = this.#disk.blocks;
    this.#heads = new Float64Array(count);
    this.#replayed = new Uint8Array(count);
    this.#loader = new BlockLoader({
      ...options,
      keepsBytes: false,
      onProgress: () => this.#tell(`${this.#loader.blockCount} blocks replayed`),
    });
  }

  async run(): Promise<StartReport | undefined> {
    const { checkpoint, clock } = this.#options;
    const startMs = clock.monotonicMs();
    this.#progressMs = startMs;
    const map = await checkpoint.read();
    if (map === undefined) return undefined;
    const objection = typeof map === "string" ? map : this.#objection(map);
    if (typeof map === "string" || objection !== undefined) return await this.#refuse(objection!);
    const wasStopped = this.#disk.blocks.devices.every(({ wasStoppedInOrder }) => wasStoppedInOrder);
    const complete = wasStopped ? map.complete : undefined;
    const damage = await this.#read(map, complete).catch((error: Error) => error.message);
    if (damage !== undefined) return await this.#refuse(damage);
    return await this.#load(map, { complete, startMs });
  }

  /** Why a checkpoint does not belong to the devices, or is not of their last run. */
  #objection(map: CheckpointMap): string | undefined {
    const { devices, blockSizeBytes } = this.#disk.blocks;
    if (idText(map.setId) !== idText(devices[0].header.setId) || map.blockSizeBytes !== blockSizeBytes) {
      return "it belongs to other devices";
    }
    if (map.devices.length !== devices.length) {
      return `it was made of ${map.devices.length} devices, here are ${devices.length}`;
    }
    for (const [index, { header, blockCount, path, lastRunId }] of devices.entries()) {
      const known = map.devices[index];
      if (idText(known.id) !== idText(header.deviceId)) {
        return `"${path}" was not in this place when it was made`;
      }
      if (known.blockCount !== blockCount) {
        return `"${path}" had ${known.blockCount} blocks when it was made, now it has ${blockCount}`;
      }
      if (idText(lastRunId) !== idText(map.runId)) {
        return `"${path}" was last used by run ${idText(lastRunId)}, it was made by run ${idText(map.runId)}`;
      }
    }
    return undefined;
  }

  async #refuse(reason: string): Promise<undefined> {
    const { checkpoint } = this.#options;
    this.#write(
      "warning",
      `the index checkpoint "${checkpoint.path}" is not used: ${reason}. All blocks are read`,
    );
    this.#store.index.clear();
    this.#store.counts.clear();
    await checkpoint.discard();
    return undefined;
  }

  /** Reads the index; why it is no use, undefined when it is sound. */
  async #read(map: CheckpointMap, complete: CompleteState | undefined): Promise<string | undefined> {
    await this.#options.checkpoint.renew(map);
    this.#matchSets(map);
    this.#keepsTrees = complete?.frame.sprigBits === this.#store.index.frame.sprigBits;
    if (complete === undefined) await this.#findReplayed(map);
    else this.#heads = complete.blockSequences;
    return await this.#readImage(map);
  }

  /** Fills the store with what was read. */
  async #load(
    map: CheckpointMap,
    { complete, startMs }: { complete: CompleteState | undefined; startMs: number },
  ): Promise<StartReport> {
    const { clock } = this.#options;
    this.#store.startsFast = true;
    this.#takeBlocks(map, complete);
    if (complete !== undefined && this.#keepsTrees) this.#takeOver(complete);
    else await this.#replay();
    this.#disk.sortOut();
    // A complete checkpoint has the index as it was: what had been evicted is not in it.
    const removed = complete === undefined ? await removeOver(this.#store, clock) : undefined;
    const { blockCount, copyCount, damageCount } = this.#loader;
    const recordCount = this.#store.index.entryCount;
    const durationMs = clock.monotonicMs() - startMs;
    const replayed = complete !== undefined
      ? ""
      : `; ${blockCount} newer blocks with ${copyCount} copies replayed, ${removed?.expiredCount} expired, ` +
        `${removed?.evictedCount} evicted, ${damageCount} damaged`;
    this.#write(
      "info",
      `fast start done: ${contentText(this.#store)} from the index checkpoint in ${
        (durationMs / 1000).toFixed(1)
      } s${replayed}`,
    );
    return {
      kind: complete === undefined ? "replay" : "fast",
      recordCount,
      blockCount,
      copyCount,
      durationMs,
    };
  }

  /** Sets may have got other ids in this run: truncation marks came before. */
  #matchSets({ setNames }: CheckpointMap): void {
    for (const [place, name] of setNames.entries()) {
      const set = this.#store.sets.findOrCreate(name, 0, name.length);
      if (set === undefined) throw new Error("its sets are too many");
      this.#setIds.push(set.id);
      if (set.id !== place + 1) this.#isRenumbered = true;
    }
  }

  /** Finds the blocks that must be read, and what is known of the others. */
  async #findReplayed({ mark, openBlocks }: CheckpointMap): Promise<void> {
    const { blocks } = this.#disk;
    this.#heads = await readBlockHeads(this.#disk);
    if (PLANTED.staleCheckpointTrusted) return;
    for (const block of openBlocks) this.#replayed[block] = 1;
    for (let block = 0; block < blocks.count; block++) {
      const head = this.#heads[block];
      if (head > mark || head === UNCLEAR || head === NEVER_USED) this.#replayed[block] = 1;
      if (head === UNREADABLE) this.#replayed[block] = 0;
    }
  }

  async #readImage(map: CheckpointMap): Promise<string | undefined> {
    const { checkpoint, clock, compute } = this.#options;
    const file = await checkpoint.open();
    if (
      (await file.size()) <
        FRAME_SIZE_BYTES * map.pageFrames.reduce((most, frame) => Math.max(most, frame), 0)
    ) {
      return "the page file is too short";
    }
    const { index } = this.#store;
    index.reserve(map.pageFrames.length, map.seeds);
    const image = new CheckpointImage({
      map,
      file,
      index,
      clock,
      compute,
      take: (entry) => this.#take(entry),
      onProgress: (pct) => this.#tell(`${pct} % of the index read`),
    });
    return await image.read();
  }

  /** Looks at an entry that was read; false when there can't be such an entry. */
  #take(entry: EntryRef): boolean {
    const { blocks, pages } = this.#disk;
    const block = blocks.blockOf(entry.location);
    if (block >= blocks.count || entry.setId >= this.#setIds.length) return false;
    if (this.#heads[block] === NEVER_USED && this.#replayed[block] !== 1) return false;
    if (this.#isRenumbered) {
      entry.setSetId(this.#setIds[entry.setId]);
      this.#store.index.touch(entry.handle);
    }
    const word = entry.words[entry.base + WORD.DIGEST];
    const partition = ((word >>> 24) | ((word >>> 8) & 0xff00)) % PARTITION_COUNT;
    if (entry.treeId !== pages.treeId(partition)) this.#drop(entry);
    return true;
  }

  /** The copy that the record belonged to was given up. */
  #drop(entry: EntryRef): void {
    if (this.#keepsTrees) {
      this.#dropped.push(entry.handle);
      return;
    }
    entry.setLocation(0, 0);
    this.#store.index.touch(entry.handle);
  }

  /** Takes over what is known of the blocks that are not replayed. */
  #takeBlocks({ mark }: CheckpointMap, complete: CompleteState | undefined): void {
    const { blocks } = this.#disk;
    blocks.lastSequence = Math.max(blocks.lastSequence, mark);
    for (let block = 0; block < blocks.count; block++) {
      if (this.#heads[block] > 0 && this.#replayed[block] === 0) blocks.found(block, this.#heads[block]);
      if (complete?.blockUsedBytes[block] === BAD_BLOCK_USE) blocks.state[block] = DISK_BLOCK.BAD;
    }
  }

  /** After a stop in order: trees and counts are there. */
  #takeOver(state: CompleteState): void {
    const store = this.#store;
    const { blocks } = this.#disk;
    store.index.restore(state.frame);
    for (let block = 0; block < blocks.count; block++) {
      const usedBytes = state.blockUsedBytes[block];
      if (usedBytes !== BAD_BLOCK_USE) blocks.restoreUse(block, usedBytes);
    }
    const { counts } = store;
    counts.nonExpirable = state.nonExpirableCount;
    counts.partitionTombstones.set(state.partitionTombstoneCounts);
    counts.tombstones = state.partitionTombstoneCounts.reduce((sum, count) => sum + count, 0);
    for (const [place, { objects, tombstones, dataUsedBytes }] of state.sets.entries()) {
      Object.assign(store.sets.byId(this.#setIds[place + 1])!, { objects, tombstones, dataUsedBytes });
    }
    const entry = new EntryRef();
    for (const handle of this.#dropped) {
      store.index.moveTo(entry, handle);
      entry.copyDigest(this.#digest, 0);
      store.counts.adjustEntry(entry, -1);
      this.#disk.release(entry.location, entry.sizeUnits);
      store.index.remove(this.#digest, 0);
    }
  }

  /** After a crash: trees and counts are made anew, and what is newer than the mark is read. */
  async #replay(): Promise<void> {
    const { clock } = this.#options;
    const { index } = this.#store;
    const { blocks } = this.#disk;
    const linker = new EntryLinker(this.#store, this.#replayed);
    for (let page = 0; page < index.pageCount; page++) {
      linker.takePage(page);
      if (page % PAGES_PER_PROGRESS !== 0) continue;
      await this.#loader.breathe();
      this.#tell(`${Math.floor(page * 100 / index.pageCount)} % of the entries put in their places`);
    }
    const newer: number[] = [];
    for (const [block, isReplayed] of this.#replayed.entries()) {
      if (isReplayed !== 0 && this.#heads[block] !== NEVER_USED) newer.push(block);
    }
    blocks.replayed = this.#replayed;
    await this.#loader.load(newer);
    blocks.replayed = undefined;
    linker.dropUnconfirmed();
    this.#progressMs = clock.monotonicMs();
  }

  #tell(progress: string): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#progressMs < PROGRESS_PERIOD_MS) return;
    this.#progressMs = nowMs;
    this.#write("info", `fast start: ${progress}`);
  }

  #write(level: "info" | "warning", message: string): void {
    this.#options.log.write(level, "drv_ssd", `{${this.#store.settings.name}} ${message}`);
  }
}
