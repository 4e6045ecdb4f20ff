/**
 * Partition versions of one node, held as two 32-bit words per partition, in the layout of the wire: what each copy is
 * worth. A zero word means that there is no copy.
 *
 * | word | bits | meaning |
 * | ---- | ---- | ------- |
 * | low | 0-31 | cluster key, low part |
 * | high | 0-15 | cluster key, high part |
 * | high | 16-19 | family; 15 is unique |
 * | high | 28-31 | revived, master, subset, evade |
 *
 * Source: clustering reference, sections 9.6, 10.3 and 10.4.
 *
 * @module
 */

import { PARTITION_COUNT, readU32LE } from "../base/mod.ts";
import {
  type PartitionVersion,
  type PartitionVersionGroup,
  VERSION_FAMILY_UNIQUE,
  writePartitionVersion,
} from "../wire/mod.ts";

/** Bits of the high word of a version. */
export const VERSION_BIT = {
  REVIVED: 0x1000_0000,
  MASTER: 0x2000_0000,
  SUBSET: 0x4000_0000,
  EVADE: 0x8000_0000,
} as const;

/** Bits of the high word that, with the low word, say which rebalance and family a copy comes from. */
export const VERSION_LINEAGE_MASK = 0x000f_ffff;

const FAMILY_SHIFT = 16;
const FAMILY_MASK = 0x000f_0000;
const UNIQUE_BITS = VERSION_FAMILY_UNIQUE << FAMILY_SHIFT;

/** Low word of versions under a cluster key. */
export function versionLow(clusterKey: number): number {
  return clusterKey >>> 0;
}

/** High word of a version under a cluster key: `bits` are of {@linkcode VERSION_BIT}, family 0 to 15. */
export function versionHigh(clusterKey: number, options: { family: number; bits: number }): number {
  const keyHigh = Math.floor(clusterKey / 0x1_0000_0000);
  return (keyHigh | (options.family << FAMILY_SHIFT) | options.bits) >>> 0;
}

/** Whether a high word has the family that is shared with nobody. */
export function isUniqueFamily(high: number): boolean {
  return (high & FAMILY_MASK) === UNIQUE_BITS;
}

/** The versions of all partitions of one namespace on one node. */
export class VersionTable {
  /** Low words. */
  readonly low: Uint32Array;
  /** High words. */
  readonly high: Uint32Array;

  /** A table without copies, or a copy of another table. */
  constructor(other?: VersionTable) {
    this.low = other === undefined ? new Uint32Array(PARTITION_COUNT) : other.low.slice();
    this.high = other === undefined ? new Uint32Array(PARTITION_COUNT) : other.high.slice();
  }

  /** Reads what a node told in an exchange. Of two versions for one partition the later counts. */
  static fromGroups(groups: readonly PartitionVersionGroup[]): VersionTable {
    const table = new VersionTable();
    for (const { version, partitions } of groups) {
      const bytes = new Uint8Array(8);
      writePartitionVersion(bytes, 0, version);
      const low = readU32LE(bytes, 0);
      const high = readU32LE(bytes, 4);
      for (const partition of partitions) table.setWords(partition, low, high);
    }
    return table;
  }

  /** Whether there is a copy. */
  exists(partition: number): boolean {
    return this.low[partition] !== 0 || this.high[partition] !== 0;
  }

  /** The version of a partition, undefined without a copy. */
  get(partition: number): PartitionVersion | undefined {
    if (!this.exists(partition)) return undefined;
    const high = this.high[partition];
    const reserved = (high >>> 20) & 0xff;
    return {
      clusterKey: (high & 0xffff) * 0x1_0000_0000 + this.low[partition],
      family: (high >>> FAMILY_SHIFT) & 0x0f,
      isRevived: (high & VERSION_BIT.REVIVED) !== 0,
      isMaster: (high & VERSION_BIT.MASTER) !== 0,
      isSubset: (high & VERSION_BIT.SUBSET) !== 0,
      isEvade: (high & VERSION_BIT.EVADE) !== 0,
      ...(reserved === 0 ? {} : { reserved }),
    };
  }

  /** Sets the version of a partition; undefined means no copy. */
  set(partition: number, version: PartitionVersion | undefined): void {
    const bytes = new Uint8Array(8);
    if (version !== undefined) writePartitionVersion(bytes, 0, version);
    this.setWords(partition, readU32LE(bytes, 0), readU32LE(bytes, 4));
  }

  /** Sets both words. */
  setWords(partition: number, low: number, high: number): void {
    this.low[partition] = low;
    this.high[partition] = high;
  }

  /** All copies, grouped by version in the order in which the versions appear: the payload of an exchange. */
  toGroups(): PartitionVersionGroup[] {
    const groups = new Map<string, number[]>();
    let list: number[] = [];
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (!this.exists(partition)) continue;
      // Neighbours mostly have the same version: no key is made for those.
      if (list.length === 0 || !this.#isSame(partition, list[0])) {
        const key = `${this.low[partition]}.${this.high[partition]}`;
        list = groups.get(key) ?? [];
        if (list.length === 0) groups.set(key, list);
      }
      list.push(partition);
    }
    return [...groups.values()].map((list) => ({
      version: this.get(list[0])!,
      partitions: Uint16Array.from(list),
    }));
  }

  #isSame(one: number, other: number): boolean {
    return this.low[one] === this.low[other] && this.high[one] === this.high[other];
  }

  /**
   * Notes that this node was away, at a start or after clients were blocked: no copy claims to be master or complete.
   */
  isolate(): void {
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (!this.exists(partition)) continue;
      this.high[partition] = (this.high[partition] & ~VERSION_BIT.MASTER) | VERSION_BIT.SUBSET;
    }
  }
}
