/**
 * Statistics of the places where a namespace's records are: stripes of memory, files, devices. Source: server-operations
 * reference, section 9.2.
 *
 * @module
 */

import { STORAGE_STRIPE_COUNT } from "../config/mod.ts";
import {
  DEVICE_STATE_NAMES,
  DISK_BLOCK,
  type DiskSpace,
  type NamespaceStore,
  type RecordSpace,
} from "../storage/mod.ts";
import type { Statistic } from "./statistics.ts";

/** Statistics per stripe, file or device, and what is told of reads, of the start and of index checkpoints. */
export function deviceStatistics(store: NamespaceStore): Statistic[] {
  const { disk, space } = store;
  if (disk === undefined) return stripeStatistics(space);
  return [
    ...readStatistics(disk),
    ...startStatistics(store),
    ...checkpointStatistics(store),
    ...diskStatistics(disk),
  ];
}

function startStatistics({ start }: NamespaceStore): Statistic[] {
  if (start === undefined) return [];
  const { kind, durationMs, recordCount, blockCount, copyCount } = start;
  return [
    ["start_kind", kind],
    ["start_ms", Math.round(durationMs)],
    ["start_records", recordCount],
    ["start_blocks_read", blockCount],
    ["start_copies_read", copyCount],
  ];
}

function checkpointStatistics({ checkpoint }: NamespaceStore): Statistic[] {
  if (checkpoint === undefined) return [];
  return [
    ["index_checkpoints", checkpoint.completedCount],
    ["index_checkpoint_age_sec", checkpoint.ageS],
    ["index_checkpoint_written_bytes", checkpoint.writtenBytes],
    ["index_checkpoint_dirty_bytes", checkpoint.dirtyPageCount * checkpoint.pageSizeBytes],
  ];
}

/** The stock server splits memory into stripes; here it is one piece, so each stripe is told an equal share of it. */
function stripeStatistics(space: RecordSpace): Statistic[] {
  const blocksOpened = space.blockCountMax - space.freeBlockCount + space.defragmentedBlocks;
  const totals: readonly (readonly [string, number])[] = [
    ["used_bytes", space.usedBytes],
    ["free_wblocks", space.freeBlockCount],
    ["writes", blocksOpened],
    ["defrag_q", space.sparseBlockCount],
    ["defrag_reads", space.defragmentedBlocks],
    ["defrag_writes", 0],
  ];
  const stripes: Statistic[] = [];
  for (let stripe = 0; stripe < STORAGE_STRIPE_COUNT; stripe++) {
    for (const [name, total] of totals) {
      stripes.push([`storage-engine.stripe[${stripe}].${name}`, equalShare(total, stripe)]);
    }
  }
  return stripes;
}

/** Shares of a whole number that add up to it. */
function equalShare(total: number, stripe: number): number {
  return Math.floor((total + STORAGE_STRIPE_COUNT - 1 - stripe) / STORAGE_STRIPE_COUNT);
}

function readStatistics({ cacheHitCount, reader, reports }: DiskSpace): Statistic[] {
  const reads = cacheHitCount + reader.readCount;
  return [
    ["cache_read_pct", reads === 0 ? 0 : Math.floor(cacheHitCount * 100 / reads)],
    ["corrupt_records", reports.corruptCount],
    ["mended_records", reports.mendedCount],
    ["unmended_records", reports.unmendedCount],
  ];
}

function diskStatistics({ blocks, flushers, reports, sparse, watch }: DiskSpace): Statistic[] {
  return blocks.devices.flatMap(({ label, firstBlock, blockCount }, device) => {
    let usedBytes = 0;
    let emptying = 0;
    for (let block = firstBlock; block < firstBlock + blockCount; block++) {
      usedBytes += blocks.usedBytes[block];
      if (blocks.state[block] === DISK_BLOCK.EMPTYING) emptying++;
    }
    const flusher = flushers[device];
    const values: Statistic[] = [
      ["used_bytes", usedBytes],
      ["free_wblocks", blocks.freeCount(device)],
      ["read_errors", reports.readErrors[device]],
      ["write_errors", reports.writeErrors[device]],
      ["write_q", flusher.queueLength],
      ["write_ms_max", Math.round(flusher.roundMaxMs)],
      ["state", DEVICE_STATE_NAMES[watch.states[device]]],
      ["writes", flusher.writeCount - flusher.moveCount],
      ["partial_writes", flusher.partialCount],
      ["defrag_q", sparse.countOf(device)],
      ["defrag_reads", flusher.emptiedCount + emptying],
      ["defrag_writes", flusher.moveCount],
      ["shadow_write_q", 0],
      ["age", -1],
    ];
    return values.map(([name, value]): Statistic => [`storage-engine.${label}.${name}`, value]);
  });
}
