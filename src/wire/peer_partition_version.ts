/**
 * Partition versions: what a copy of a partition is worth, and the blob in which a node tells its own.
 *
 * Version word, little-endian: bits 0-47 cluster key, 48-51 family (15 unique), 52-59 unused, 60 revived, 61 master,
 * 62 subset, 63 evade. Blob, little-endian: number of distinct versions (4), then for each the word (8), the number of
 * partitions (4) and their ids (2 each). Partitions with the null version are left out.
 * Source: clustering reference, sections 9.6 and 10.3.
 *
 * @module
 */

import { PARTITION_COUNT, readU16LE, readU32LE, writeU32LE } from "../base/mod.ts";
import { readU48LE } from "./peer_ids.ts";

/** Family of a version that was shared with nobody. */
export const VERSION_FAMILY_UNIQUE = 15;

/** Version of a copy of a partition; a copy that does not exist has none. */
export interface PartitionVersion {
  /** Cluster key under which the copy was last known good. */
  readonly clusterKey: number;
  /** Copies of one key and family shared a rebalance; {@link VERSION_FAMILY_UNIQUE} shares with nobody. */
  readonly family: number;
  /** Whether the copy was revived (strong consistency). */
  readonly isRevived: boolean;
  /** Whether it was the working master. */
  readonly isMaster: boolean;
  /** Whether it may lack records that its parent has. */
  readonly isSubset: boolean;
  /** Whether it was made empty and has not been filled, or is not trusted. */
  readonly isEvade: boolean;
  /** Bits 52-59, which 8.1.2 leaves 0; absent when they are. */
  readonly reserved?: number;
}

/** Partitions of a node that have the same version. */
export interface PartitionVersionGroup {
  /** The version. */
  readonly version: PartitionVersion;
  /** The partitions, each 0 to 4095. */
  readonly partitions: Uint16Array;
}

const WORD_SIZE = 8;
const GROUP_HEADER_SIZE = WORD_SIZE + 4;

/** Reads a version word; the caller has checked that 8 bytes are there. */
export function readPartitionVersion(bytes: Uint8Array, at: number): PartitionVersion {
  const top = readU16LE(bytes, at + 6);
  const reserved = (top >>> 4) & 0xff;
  return {
    clusterKey: readU48LE(bytes, at),
    family: top & 0x0f,
    isRevived: (top & 0x1000) !== 0,
    isMaster: (top & 0x2000) !== 0,
    isSubset: (top & 0x4000) !== 0,
    isEvade: (top & 0x8000) !== 0,
    ...(reserved === 0 ? {} : { reserved }),
  };
}

/** Writes a version word. */
export function writePartitionVersion(bytes: Uint8Array, at: number, version: PartitionVersion): void {
  const top = (version.family & 0x0f) | ((version.reserved ?? 0) << 4) | (version.isRevived ? 0x1000 : 0) |
    (version.isMaster ? 0x2000 : 0) | (version.isSubset ? 0x4000 : 0) | (version.isEvade ? 0x8000 : 0);
  const keyHigh = Math.floor(version.clusterKey / 0x1_0000_0000);
  writeU32LE(bytes, at, version.clusterKey >>> 0);
  writeU32LE(bytes, at + 4, ((top << 16) | keyHigh) >>> 0);
}

/** A version as people see it: key, family (`U` unique), `m`aster, `s`ubset or `p`arent, `e`vade or `r`evived. */
export function partitionVersionText(version: PartitionVersion): string {
  const key = version.clusterKey.toString(16).padStart(12, "0");
  const family = version.family === VERSION_FAMILY_UNIQUE ? "U" : version.family.toString(16);
  const state = version.isEvade ? "e" : version.isRevived ? "r" : "-";
  return `${key}.${family}.${version.isMaster ? "m" : "-"}${version.isSubset ? "s" : "p"}${state}`;
}

/**
 * Reads a blob of versions.
 *
 * @returns the groups in their order on the wire; undefined when the blob is cut short, names a partition that does not
 *   exist, or has bytes after its last group
 */
export function readPartitionVersions(blob: Uint8Array): PartitionVersionGroup[] | undefined {
  if (blob.length < 4) return undefined;
  const groupCount = readU32LE(blob, 0);
  if (groupCount > PARTITION_COUNT || groupCount > (blob.length - 4) / GROUP_HEADER_SIZE) return undefined;
  const groups: PartitionVersionGroup[] = [];
  let at = 4;
  for (let index = 0; index < groupCount; index++) {
    if (blob.length - at < GROUP_HEADER_SIZE) return undefined;
    const partitionCount = readU32LE(blob, at + WORD_SIZE);
    const listAt = at + GROUP_HEADER_SIZE;
    if (partitionCount > PARTITION_COUNT || partitionCount * 2 > blob.length - listAt) return undefined;
    const partitions = new Uint16Array(partitionCount);
    for (let item = 0; item < partitionCount; item++) {
      partitions[item] = readU16LE(blob, listAt + item * 2);
      if (partitions[item] >= PARTITION_COUNT) return undefined;
    }
    groups.push({ version: readPartitionVersion(blob, at), partitions });
    at = listAt + partitionCount * 2;
  }
  return at === blob.length ? groups : undefined;
}

/** Makes a blob of versions. */
export function encodePartitionVersions(groups: readonly PartitionVersionGroup[]): Uint8Array {
  let sizeBytes = 4;
  for (const group of groups) sizeBytes += GROUP_HEADER_SIZE + group.partitions.length * 2;
  const blob = new Uint8Array(sizeBytes);
  writeU32LE(blob, 0, groups.length);
  let at = 4;
  for (const { version, partitions } of groups) {
    writePartitionVersion(blob, at, version);
    writeU32LE(blob, at + WORD_SIZE, partitions.length);
    at += GROUP_HEADER_SIZE;
    for (const partition of partitions) {
      blob[at++] = partition;
      blob[at++] = partition >>> 8;
    }
  }
  return blob;
}
