/**
 * Where copies of partitions come from, and what follows from it when a cluster changes: which copies have nothing that
 * another lacks, and by which rule the records of those that remain are merged.
 *
 * A *lineage* is a cluster key and a family: the copies that shared a rebalance. Each copy remembers
 *
 * | list | lineages | a copy of one of them, met again |
 * | ---- | -------- | -------------------------------- |
 * | contained | whose records are all here, in this or a later state: what this copy was before, and what it has merged | is a subset of this one, if this one is complete: it is not merged |
 * | kindred | that this copy shares records with, without having them all | is merged by time |
 * | rivals | that a merge by policy has begun with, and may not have ended | is merged by policy |
 *
 * What a subset contains, all complete copies of its lineage contain, and it may be the first to know: so they learn it
 * from it when a balance is computed.
 *
 * All members tell them in the exchange, so that all come to the same decisions, for each partition once per change of
 * the cluster: {@linkcode decidesByTime}. Within one merge there is one rule alone, which is a total order of the copies
 * of a record; so it makes no difference in what order and how often they meet. A merge that a further change of the
 * cluster interrupts goes on by the same rule, because the copies remember each other as kindred or as rivals. Rivals
 * that part before the merge has ended stay rivals: each of them is remembered by what it was.
 *
 * Why two rules: generations may be compared between the sides of a split, which both served, but not between a copy and
 * what it once was. A record that expired or was lost and made anew has a low generation; the stale copy of a node that
 * was away has a high one. Time is right in both cases as far as acknowledged writes go, so that it decides whenever
 * anything is in doubt.
 *
 * What falls off the end of a list goes into a filter, which says of any lineage that it was certainly not there, or may
 * have been. Copies that certainly are not what the other one was have gone different ways.
 *
 * The lists are in memory alone. After a start a copy claims to be incomplete: it contains nothing then, and is merged by
 * time, also when it was in a merge by policy that others remember. Source: clustering reference, sections 10.3 to 10.6 and 13.1; docs/cluster.md.
 *
 * @module
 */

import { LINEAGE_FILTER_SIZE_BYTES, LINEAGE_ID_COUNT_MAX, PARTITION_COUNT } from "../base/mod.ts";
import { ANYTHING_FORGOTTEN, type CopyLineage, type LineageGroup, NOTHING_FORGOTTEN } from "../wire/mod.ts";
import { isUniqueFamily, VERSION_BIT, VERSION_LINEAGE_MASK, type VersionTable } from "./version.ts";

const TWO_32 = 0x1_0000_0000;
const NONE: readonly number[] = [];

/** Bits of `Balance.mergeRules`. */
export const MERGE_RULE = {
  /** The later copy of a record stays, whatever the policy. */
  BY_TIME: 1,
  /** The final master's own copy is a subset of one that is merged: what comes stays. */
  SUPERSEDED: 2,
  /** There are copies to be merged. */
  MERGES: 4,
  /** They have been, and this node, which is no replica, has nothing that counts any more. */
  SETTLED: 8,
} as const;

/** Of a copy that began empty. */
export const FRESH_LINEAGE: CopyLineage = {
  contained: NONE,
  kindred: NONE,
  rivals: NONE,
  forgotten: NOTHING_FORGOTTEN,
};

/** Of a copy of which nothing is known. */
export const UNKNOWN_LINEAGE: CopyLineage = {
  contained: NONE,
  kindred: NONE,
  rivals: NONE,
  forgotten: ANYTHING_FORGOTTEN,
};

/** The lineage that the words of a version name. */
export function lineageId(low: number, high: number): number {
  return (high & VERSION_LINEAGE_MASK) * TWO_32 + low;
}

/** A copy that takes part in a merge. */
export interface MergingCopy {
  /** Words of its version. */
  readonly low: number;
  readonly high: number;
  readonly lineage: CopyLineage;
}

/** Whether a copy has everything that a copy of another lineage has. */
export function covers(copy: MergingCopy, other: { readonly low: number; readonly high: number }): boolean {
  if ((copy.high & VERSION_BIT.SUBSET) !== 0 || isUniqueFamily(other.high)) return false;
  return copy.lineage.contained.includes(lineageId(other.low, other.high));
}

/**
 * Whether the copies of a partition are merged by time, whatever the policy: unless they all went different ways.
 *
 * @param copies those that are merged, none of which covers another
 */
export function decidesByTime(copies: readonly MergingCopy[]): boolean {
  for (let index = 0; index < copies.length; index++) {
    for (let other = 0; other < index; other++) if (!areRivals(copies[index], copies[other])) return true;
  }
  return false;
}

/** Whether two copies are certain to have gone different ways since they were one, if they ever were. */
function areRivals(one: MergingCopy, other: MergingCopy): boolean {
  const oneId = lineageId(one.low, one.high);
  const otherId = lineageId(other.low, other.high);
  if (oneId === otherId) return false;
  if (one.lineage.kindred.includes(otherId) || other.lineage.kindred.includes(oneId)) return false;
  if (isUnknown(one.lineage) || isUnknown(other.lineage)) return false;
  if (one.lineage.rivals.includes(otherId) || other.lineage.rivals.includes(oneId)) return true;
  if (((one.high | other.high) & VERSION_BIT.SUBSET) !== 0) return false;
  if (!mayHaveForgotten(one.lineage, otherId) && !mayHaveForgotten(other.lineage, oneId)) return true;
  if (isRivalOfPast(one, other) || isRivalOfPast(other, one)) return true;
  const known = new Set([...one.lineage.contained, ...one.lineage.kindred]);
  return [...other.lineage.contained, ...other.lineage.kindred].some((id) => known.has(id));
}

/**
 * Whether a copy was loaded at a start and has been in no merge since. A start may find what was removed before it, such as
 * a tombstone that had reached its age, whose generation says nothing beside that of a record made anew.
 */
function isUnknown({ contained, kindred, rivals, forgotten }: CopyLineage): boolean {
  if (contained.length > 0 || kindred.length > 0 || rivals.length > 0 || forgotten.length === 0) return false;
  return forgotten === ANYTHING_FORGOTTEN || forgotten.every((byte) => byte === 0xff);
}

/** Whether one copy's merge by policy began with what the other was: the other has gone on by itself before it ended. */
function isRivalOfPast(one: MergingCopy, other: MergingCopy): boolean {
  return one.lineage.rivals.some((id) => other.lineage.contained.includes(id));
}

/** What a copy's successors come from: those that go on from it in a new cluster. */
export function lineageAfter(copy: MergingCopy): CopyLineage {
  const { contained, kindred, rivals, forgotten } = copy.lineage;
  const own = [lineageId(copy.low, copy.high)];
  const isComplete = (copy.high & VERSION_BIT.SUBSET) === 0 && !isUniqueFamily(copy.high);
  return bounded(
    isComplete
      ? { contained: interleave([own, contained]), kindred, rivals, forgotten }
      : { contained: NONE, kindred: interleave([own, contained, kindred]), rivals, forgotten },
  );
}

/** The same lineage while it is merged with others. */
export function lineageAmong(
  lineage: CopyLineage,
  others: { readonly ids: readonly number[]; readonly isByTime: boolean },
): CopyLineage {
  const { kindred, rivals } = lineage;
  return bounded(
    others.isByTime
      ? { ...lineage, kindred: interleave([others.ids, kindred]) }
      : { ...lineage, rivals: interleave([others.ids, rivals]) },
  );
}

/** What a copy comes from that has all that another one had. */
export function lineageContaining(lineage: CopyLineage, other: CopyLineage): CopyLineage {
  return bounded({
    contained: interleave([other.contained, lineage.contained]),
    kindred: interleave([lineage.kindred, other.kindred]),
    rivals: lineage.rivals,
    forgotten: filterOfBoth(lineage.forgotten, other.forgotten),
  });
}

/**
 * What a copy comes from into which others were merged.
 *
 * @param copies those that were merged
 * @param families lineages that went on from them while they were merged
 */
export function lineageOfMerge(copies: readonly MergingCopy[], families: readonly number[]): CopyLineage {
  const all = copies.map(lineageAfter);
  return bounded({
    contained: interleave([families, ...all.map(({ contained }) => contained)]),
    kindred: interleave(all.map(({ kindred }) => kindred)),
    rivals: interleave(all.map(({ rivals }) => rivals)),
    forgotten: all.map(({ forgotten }) => forgotten).reduce(filterOfBoth, NOTHING_FORGOTTEN),
  });
}

/** What is contained is no conflict any more, and lists have an end. */
function bounded({ contained, kindred, rivals, forgotten }: CopyLineage): CopyLineage {
  const known = new Set(contained);
  const near = kindred.filter((id) => !known.has(id));
  for (const id of near) known.add(id);
  const far = rivals.filter((id) => !known.has(id));
  return {
    contained: contained.slice(0, LINEAGE_ID_COUNT_MAX),
    kindred: near.slice(0, LINEAGE_ID_COUNT_MAX),
    rivals: far.slice(0, LINEAGE_ID_COUNT_MAX),
    forgotten: filterWith(forgotten, [
      ...contained.slice(LINEAGE_ID_COUNT_MAX),
      ...near.slice(LINEAGE_ID_COUNT_MAX),
    ]),
  };
}

/** Whether a lineage may be among those that are no longer on the lists. */
function mayHaveForgotten({ forgotten }: CopyLineage, id: number): boolean {
  return forgotten.length > 0 &&
    filterBits(id).every((bit) => (forgotten[bit >>> 3] & (1 << (bit & 7))) !== 0);
}

function filterWith(filter: Uint8Array, ids: readonly number[]): Uint8Array {
  if (ids.length === 0) return filter;
  const changed = new Uint8Array(LINEAGE_FILTER_SIZE_BYTES);
  changed.set(filter);
  for (const bit of ids.flatMap(filterBits)) changed[bit >>> 3] |= 1 << (bit & 7);
  return changed;
}

function filterOfBoth(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0 || one === other) return other;
  return other.length === 0 ? one : one.map((byte, at) => byte | other[at]);
}

/** The two bits that stand for a lineage. Keys are random; tests have small ones. */
function filterBits(id: number): number[] {
  const mixed = Math.imul((id % TWO_32) ^ Math.imul(Math.floor(id / TWO_32), 0x9e37_79b1), 0x85eb_ca6b);
  const hash = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35);
  const mask = LINEAGE_FILTER_SIZE_BYTES * 8 - 1;
  return [hash & mask, (hash >>> 16) & mask];
}

/** The first of each list, then the second of each: what is latest stays when the end is cut off. */
function interleave(lists: readonly (readonly number[])[]): readonly number[] {
  const ids = new Set<number>();
  const countMax = Math.max(0, ...lists.map(({ length }) => length));
  for (let index = 0; index < countMax; index++) {
    for (const list of lists) if (index < list.length) ids.add(list[index]);
  }
  return [...ids];
}

/** Where the copies of one node come from. */
export class LineageTable {
  readonly #lineages: CopyLineage[] = new Array(PARTITION_COUNT).fill(UNKNOWN_LINEAGE);

  /** Reads what a node told in an exchange. */
  static fromGroups(groups: readonly LineageGroup[]): LineageTable {
    const table = new LineageTable();
    for (const { lineage, partitions } of groups) {
      for (const partition of partitions) table.#lineages[partition] = lineage;
    }
    return table;
  }

  /** Where the copy of a partition comes from; of no meaning without a copy. */
  get(partition: number): CopyLineage {
    return this.#lineages[partition];
  }

  /** Sets it. */
  set(partition: number, lineage: CopyLineage): void {
    this.#lineages[partition] = lineage;
  }

  /** All lineages of copies, each of them once, for an exchange. */
  toGroups(versions: VersionTable): LineageGroup[] {
    const groups = new Map<CopyLineage, number[]>();
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      const lineage = this.#lineages[partition];
      if (!versions.exists(partition) || lineage === UNKNOWN_LINEAGE) continue;
      const list = groups.get(lineage);
      if (list === undefined) groups.set(lineage, [partition]);
      else list.push(partition);
    }
    const byText = new Map<string, LineageGroup>();
    for (const [lineage, list] of groups) {
      const { contained, kindred, rivals, forgotten } = lineage;
      const text = `${contained.join()};${kindred.join()};${rivals.join()};${forgotten.join()}`;
      const partitions = Uint16Array.from([...byText.get(text)?.partitions ?? [], ...list]);
      byText.set(text, { lineage, partitions });
    }
    return [...byText.values()];
  }
}
