/**
 * What copies of partitions come from, and the blob in which an aerie node tells it of its own copies in an exchange.
 *
 * A lineage id is a cluster key with the family in bits 48-51: it names the copies that shared a rebalance.
 *
 * Blob, little-endian: number of groups (4), then for each
 *
 * | bytes | meaning |
 * | ----- | ------- |
 * | 1 | bit 0: nothing was left out; bit 1: what was left out is in the filter; neither: anything may have been |
 * | 1, 1, 1 | numbers of ids: contained, kindred, rivals |
 * | 8 each | the ids, in this order |
 * | 256 | with bit 1: the filter |
 * | 4 | number of partitions |
 * | 2 each | the partitions |
 *
 * @module
 */

import {
  LINEAGE_FILTER_SIZE_BYTES,
  LINEAGE_ID_COUNT_MAX,
  PARTITION_COUNT,
  readU16LE,
  readU32LE,
  writeU32LE,
} from "../base/mod.ts";

/** Where a copy comes from; each list begins with the latest. */
export interface CopyLineage {
  /** Lineages whose records are all here, in this or a later state, if the copy is complete. */
  readonly contained: readonly number[];
  /** Lineages that the copy shares records with; conflicts with them are decided by time. */
  readonly kindred: readonly number[];
  /** Lineages that are being merged with this one by the namespace's policy. */
  readonly rivals: readonly number[];
  /**
   * Filter of what was left out of `contained` and `kindred`, {@linkcode LINEAGE_FILTER_SIZE_BYTES} long; empty when they
   * go back to where the partition was empty, all bits set when nothing is known.
   */
  readonly forgotten: Uint8Array;
}

/** Partitions of a node whose copies come from the same. */
export interface LineageGroup {
  /** Where they come from. */
  readonly lineage: CopyLineage;
  /** The partitions, each 0 to 4095. */
  readonly partitions: Uint16Array;
}

/** Filter of a copy that remembers all. */
export const NOTHING_FORGOTTEN: Uint8Array = new Uint8Array(0);

/** Filter of a copy of which nothing is known. */
export const ANYTHING_FORGOTTEN: Uint8Array = new Uint8Array(LINEAGE_FILTER_SIZE_BYTES).fill(0xff);

const ID_SIZE = 8;
const HEAD_SIZE = 4;
const ID_END = 0x10_0000_0000_0000;
const TWO_32 = 0x1_0000_0000;
const FLAG = { WHOLE: 1, FILTER: 2 } as const;

/** Makes a blob of lineages. */
export function encodeLineages(groups: readonly LineageGroup[]): Uint8Array {
  let sizeBytes = 4;
  for (const { lineage, partitions } of groups) {
    const { contained, kindred, rivals } = lineage;
    const idCount = contained.length + kindred.length + rivals.length;
    const filterSize = hasFilter(lineage) ? LINEAGE_FILTER_SIZE_BYTES : 0;
    sizeBytes += HEAD_SIZE + idCount * ID_SIZE + filterSize + 4 + partitions.length * 2;
  }
  const blob = new Uint8Array(sizeBytes);
  writeU32LE(blob, 0, groups.length);
  let at = 4;
  for (const { lineage, partitions } of groups) {
    const lists = [lineage.contained, lineage.kindred, lineage.rivals];
    const { forgotten } = lineage;
    blob[at++] = forgotten.length === 0 ? FLAG.WHOLE : hasFilter(lineage) ? FLAG.FILTER : 0;
    for (const list of lists) blob[at++] = list.length;
    for (const id of lists.flat()) {
      writeU32LE(blob, at, id % TWO_32);
      writeU32LE(blob, at + 4, Math.floor(id / TWO_32));
      at += ID_SIZE;
    }
    if (hasFilter(lineage)) {
      blob.set(forgotten, at);
      at += LINEAGE_FILTER_SIZE_BYTES;
    }
    writeU32LE(blob, at, partitions.length);
    at += 4;
    for (const partition of partitions) {
      blob[at++] = partition;
      blob[at++] = partition >>> 8;
    }
  }
  return blob;
}

function hasFilter({ forgotten }: CopyLineage): boolean {
  return forgotten.length > 0 && forgotten.some((byte) => byte !== 0xff);
}

/**
 * Reads a blob of lineages.
 *
 * @returns the groups; undefined when the blob is cut short, names what can't be, or has bytes after its last group
 */
export function readLineages(blob: Uint8Array): LineageGroup[] | undefined {
  if (blob.length < 4) return undefined;
  const groupCount = readU32LE(blob, 0);
  if (groupCount > PARTITION_COUNT) return undefined;
  const groups: LineageGroup[] = [];
  let at = 4;
  for (let index = 0; index < groupCount; index++) {
    const read = readGroup(blob, at);
    if (read === undefined) return undefined;
    groups.push(read.group);
    at = read.end;
  }
  return at === blob.length ? groups : undefined;
}

function readGroup(blob: Uint8Array, start: number): { group: LineageGroup; end: number } | undefined {
  if (blob.length - start < HEAD_SIZE) return undefined;
  let at = start + HEAD_SIZE;
  const lists: number[][] = [];
  for (let list = 0; list < 3; list++) {
    const count = blob[start + 1 + list];
    if (count > LINEAGE_ID_COUNT_MAX || blob.length - at < count * ID_SIZE) return undefined;
    const ids: number[] = [];
    for (let index = 0; index < count; index++, at += ID_SIZE) {
      const id = readU32LE(blob, at + 4) * TWO_32 + readU32LE(blob, at);
      if (id >= ID_END) return undefined;
      ids.push(id);
    }
    lists.push(ids);
  }
  const flags = blob[start];
  let forgotten = (flags & FLAG.WHOLE) !== 0 ? NOTHING_FORGOTTEN : ANYTHING_FORGOTTEN;
  if ((flags & FLAG.FILTER) !== 0) {
    forgotten = blob.slice(at, at + LINEAGE_FILTER_SIZE_BYTES);
    at += LINEAGE_FILTER_SIZE_BYTES;
  }
  if (blob.length - at < 4) return undefined;
  const partitionCount = readU32LE(blob, at);
  at += 4;
  if (partitionCount > PARTITION_COUNT || partitionCount * 2 > blob.length - at) return undefined;
  const partitions = new Uint16Array(partitionCount);
  for (let index = 0; index < partitionCount; index++) {
    partitions[index] = readU16LE(blob, at + index * 2);
    if (partitions[index] >= PARTITION_COUNT) return undefined;
  }
  const [contained, kindred, rivals] = lists;
  const group = { lineage: { contained, kindred, rivals, forgotten }, partitions };
  return { group, end: at + partitionCount * 2 };
}
