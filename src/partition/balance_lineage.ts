/**
 * What a balance decides from where the copies of a partition come from: copies that another one covers count as its
 * subsets, and the others are merged by one rule. See `lineage.ts`.
 *
 * Beside stock members nothing is known of lineages, and complete copies are merged by policy, others by time.
 *
 * @module
 */

import { PARTITION_COUNT, PLANTED } from "../base/mod.ts";
import { type CopyLineage, VERSION_FAMILY_UNIQUE } from "../wire/mod.ts";
import {
  covers,
  decidesByTime,
  FRESH_LINEAGE,
  lineageAfter,
  lineageAmong,
  lineageContaining,
  lineageId,
  lineageOfMerge,
  LineageTable,
  MERGE_RULE,
  type MergingCopy,
  UNKNOWN_LINEAGE,
} from "./lineage.ts";
import { isUniqueFamily, VERSION_BIT, VERSION_LINEAGE_MASK, versionHigh, versionLow } from "./version.ts";

const NOWHERE = -1;

/** What a {@linkcode LineageDecider} works on. */
export interface LineageInput {
  readonly clusterKey: number;
  /** By node; undefined unless all members tell them. */
  readonly lineages: readonly LineageTable[] | undefined;
  /** Words of the versions of the partition at hand, by place; changed. */
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
}

/** A partition whose copies are merged. */
export interface Merge {
  /** Places whose copies are merged. */
  readonly merging: readonly number[];
  /** Families that the new cluster begins with. */
  readonly familyCount: number;
  /** Place of the copy that this node's goes on from; undefined when that began empty. */
  readonly founder: number | undefined;
  /** This node's copy belongs to the new cluster. */
  readonly isFollower: boolean;
  /** See {@linkcode MERGE_RULE}. */
  readonly isSuperseded: boolean;
}

type Copy = { -readonly [Name in keyof MergingCopy]: MergingCopy[Name] };

interface Decision {
  readonly isByTime: boolean;
  readonly next: CopyLineage;
  readonly merged: CopyLineage;
}

/** Decides partitions in ascending order, beside `PartitionDecider`. */
export class LineageDecider {
  /** Where this node's copies come from, from now on. */
  readonly next: LineageTable = new LineageTable();
  /** Where they come from once migrations have ended. */
  readonly merged: LineageTable = new LineageTable();
  /** Bits of {@linkcode MERGE_RULE}. */
  readonly rules: Uint8Array = new Uint8Array(PARTITION_COUNT);
  readonly #input: LineageInput;
  /** By place; used again for each partition. */
  readonly #copies: Copy[];
  readonly #coverers: number[] = [];
  readonly #known = new Map<string, unknown>();
  readonly #numbers = new Map<CopyLineage, number>();

  /** @param input what it works on */
  constructor(input: LineageInput) {
    this.#input = input;
    this.#copies = Array.from(input.lows, () => ({ low: 0, high: 0, lineage: UNKNOWN_LINEAGE }));
  }

  /**
   * Reads the copies of a partition, whose words were loaded.
   *
   * @param nodeAt index of the node at a place
   */
  load(partition: number, nodeAt: (place: number) => number): void {
    const { lineages, lows, highs } = this.#input;
    let isMixed = false;
    let first: Copy | undefined;
    for (let place = 0; place < lows.length; place++) {
      const copy = this.#copies[place];
      copy.low = lows[place];
      copy.high = highs[place];
      copy.lineage = lineages?.[nodeAt(place)].get(partition) ?? UNKNOWN_LINEAGE;
      if (!exists(copy)) continue;
      first ??= copy;
      if (!isOneLineage(copy, first)) isMixed = true;
    }
    if (isMixed && lineages !== undefined && !PLANTED.generationAgainstAncestor) {
      for (const copy of this.#copies) if (isSubset(copy)) this.#tellKin(copy);
      this.#cover();
    }
    this.next.set(partition, FRESH_LINEAGE);
    this.merged.set(partition, FRESH_LINEAGE);
  }

  /**
   * What a subset contained its complete kin contain. A master that has handed everything off is such a subset; of the
   * final master's copy nothing says so yet when the cluster changes before its answer.
   */
  #tellKin(subset: Copy): void {
    const { contained } = subset.lineage;
    if (contained.length === 0 || isUniqueFamily(subset.high)) return;
    for (const copy of this.#copies) {
      if (!exists(copy) || isSubset(copy) || !isOneLineage(copy, subset)) continue;
      if (copy.lineage.contained.includes(contained[0])) continue;
      copy.lineage = this.#once(
        `${this.#nameOf(copy)}<${this.#nameOf(subset)}`,
        () => lineageContaining(copy.lineage, subset.lineage),
      );
    }
  }

  /** Copies that have nothing of their own become subsets of the complete one that covers them. */
  #cover(): void {
    const copies = this.#copies;
    for (let place = 0; place < copies.length; place++) this.#coverers[place] = this.#covererOf(place);
    for (let place = 0; place < copies.length; place++) {
      let coverer = this.#coverers[place];
      if (coverer === NOWHERE) continue;
      for (let step = 0; step < copies.length && this.#coverers[coverer] !== NOWHERE; step++) {
        coverer = this.#coverers[coverer];
      }
      if (coverer === place) continue;
      this.#becomeSubset(place, coverer);
    }
  }

  #covererOf(place: number): number {
    const copies = this.#copies;
    if (!exists(copies[place])) return NOWHERE;
    return copies.findIndex((copy, other) => other !== place && exists(copy) && covers(copy, copies[place]));
  }

  #becomeSubset(place: number, coverer: number): void {
    const { lows, highs } = this.#input;
    const { low, high, lineage } = this.#copies[coverer];
    const copy = this.#copies[place];
    lows[place] = low;
    highs[place] =
      ((highs[place] & VERSION_BIT.EVADE) | (high & VERSION_LINEAGE_MASK) | VERSION_BIT.SUBSET) >>> 0;
    copy.low = low;
    copy.high = highs[place];
    copy.lineage = lineage;
  }

  /** All copies come from the working master's. */
  follow(partition: number, working: number): void {
    const lineage = this.#after(working);
    this.next.set(partition, lineage);
    this.merged.set(partition, lineage);
  }

  #after(place: number): CopyLineage {
    if (this.#input.lineages === undefined) return UNKNOWN_LINEAGE;
    const copy = this.#copies[place];
    return this.#once(this.#nameOf(copy), () => lineageAfter(copy));
  }

  /** Copies are merged. */
  merge(partition: number, merge: Merge): void {
    const copies = merge.merging.map((place) => this.#copies[place]);
    const own = merge.founder === undefined ? undefined : this.#copies[merge.founder];
    const name = `${copies.map((copy) => this.#nameOf(copy)).join()};${own && this.#nameOf(own)};` +
      `${merge.familyCount};${merge.isFollower}`;
    const { isByTime, next, merged } = this.#once(name, () => this.#decide(copies, own, merge));
    const { BY_TIME, SUPERSEDED, MERGES } = MERGE_RULE;
    this.rules[partition] = MERGES | (isByTime ? BY_TIME : 0) | (merge.isSuperseded ? SUPERSEDED : 0);
    this.next.set(partition, next);
    this.merged.set(partition, merged);
  }

  #decide(copies: readonly MergingCopy[], own: MergingCopy | undefined, merge: Merge): Decision {
    const isByTime = this.#isByTime(copies);
    if (this.#input.lineages === undefined) {
      return { isByTime, next: UNKNOWN_LINEAGE, merged: UNKNOWN_LINEAGE };
    }
    const { clusterKey } = this.#input;
    const families = Array.from(
      { length: merge.familyCount },
      (_, family) => lineageId(versionLow(clusterKey), versionHigh(clusterKey, { family, bits: 0 })),
    );
    const ids = [
      ...families,
      lineageId(versionLow(clusterKey), versionHigh(clusterKey, { family: VERSION_FAMILY_UNIQUE, bits: 0 })),
      ...copies.map(({ low, high }) => lineageId(low, high)),
    ];
    const base = own === undefined ? FRESH_LINEAGE : merge.isFollower ? lineageAfter(own) : own.lineage;
    const ownId = own === undefined ? undefined : lineageId(own.low, own.high);
    // A subset that parts from its complete kin meets that again by the rule of this merge.
    const isOwnWay = own !== undefined && merge.isFollower && !copies.includes(own);
    const others = { ids: ids.filter((id) => id !== ownId), isByTime };
    return {
      isByTime,
      next: isOwnWay
        ? lineageAmong(withoutOwn(lineageAfter(own), ownId), { ids, isByTime })
        : lineageAmong(base, others),
      merged: lineageOfMerge(copies, families.slice(1)),
    };
  }

  /** Thousands of partitions have the same copies. */
  #once<Result>(name: string, decide: () => Result): Result {
    const known = this.#known.get(name);
    if (known !== undefined) return known as Result;
    const result = decide();
    this.#known.set(name, result);
    return result;
  }

  #nameOf({ low, high, lineage }: MergingCopy): string {
    let number = this.#numbers.get(lineage);
    if (number === undefined) this.#numbers.set(lineage, number = this.#numbers.size);
    return `${low}.${high}.${number}`;
  }

  #isByTime(copies: readonly MergingCopy[]): boolean {
    if (PLANTED.generationAgainstAncestor) return false;
    if (this.#input.lineages !== undefined) return decidesByTime(copies);
    return copies.some(({ high }) => (high & VERSION_BIT.SUBSET) !== 0);
  }
}

function withoutOwn(lineage: CopyLineage, id: number | undefined): CopyLineage {
  return { ...lineage, kindred: lineage.kindred.filter((other) => other !== id) };
}

function exists({ low, high }: MergingCopy): boolean {
  return low !== 0 || high !== 0;
}

function isSubset({ high }: MergingCopy): boolean {
  return (high & VERSION_BIT.SUBSET) !== 0;
}

function isOneLineage(one: MergingCopy, other: MergingCopy): boolean {
  return one.low === other.low && ((one.high ^ other.high) & VERSION_LINEAGE_MASK) === 0;
}
