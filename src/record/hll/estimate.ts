/**
 * Estimates: cardinality of one sketch and of a union, intersection, similarity.
 *
 * Cardinality is the "improved raw estimator" (O. Ertl, arXiv 1702.01284, algorithm 6) with 64 ranks and the classic
 * constants. Source: collection reference, sections 6.3 and 6.4.
 *
 * @module
 */

import { HllView } from "./layout.ts";
import type { HllList } from "./list.ts";
import { countRanks, intersectionSet, RANK_COUNT, type RegisterSet, unionSet } from "./registers.ts";

const counts = new Int32Array(RANK_COUNT);
const RANK_MAX = RANK_COUNT - 1;

function alphaOf(indexBits: number): number {
  switch (indexBits) {
    case 4:
      return 0.673;
    case 5:
      return 0.697;
    case 6:
      return 0.709;
    default:
      return 0.7213 / (1 + 1.079 / 2 ** indexBits);
  }
}

/** Correction for registers that are full; stops when the sum no longer changes. */
function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  for (let before = -1; before !== z;) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

/** Correction for registers that are empty; stops when the sum no longer changes. */
function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  for (let before = -1; before !== z;) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

/** The estimate that belongs to `counts`. */
function estimate(indexBits: number): number {
  const registerCount = 2 ** indexBits;
  let z = registerCount * tau(counts[RANK_MAX] / registerCount);
  for (let rank = RANK_MAX; rank > 0; rank--) z = 0.5 * (z + counts[rank]);
  z += registerCount * sigma(counts[0] / registerCount);
  return Math.round((alphaOf(indexBits) * registerCount * registerCount) / z);
}

/** Cardinality of a sketch: the cached one, or an estimate; above 2^53 the nearest double. */
export function cardinalityOf(view: HllView): number {
  const { cacheHigh, cacheLow } = view;
  if (cacheHigh !== 0 || cacheLow !== 0) return cacheHigh * 0x1_0000_0000 + cacheLow;
  countRanks(view, counts);
  return estimate(view.indexBits);
}

/** Cardinality of a working set. */
export function cardinalityOfSet(set: RegisterSet): number {
  set.countRanks(counts);
  return estimate(set.indexBits);
}

/** Cardinality of the union of sketches. */
export function unionCardinality(list: HllList): number {
  return cardinalityOfSet(fillUnion(list));
}

/** The union of sketches in the working set, with the bits that all of them have. */
export function fillUnion(list: HllList): RegisterSet {
  const set = unionSet();
  set.reset(list.indexBits, list.minhashBits);
  list.rewind();
  while (list.next()) set.merge(list.view);
  return set;
}

/** Cardinality of the intersection of sketches: two or three without common minhash bits, any number with them. */
export function intersectionCardinality(list: HllList): number {
  if (list.minhashBits > 0) {
    const count = Math.round(unionCardinality(list) * similarityByMinhash(list));
    return Number.isNaN(count) ? 0 : count;
  }
  const union = unionCardinality(list);
  list.load(0, first);
  list.load(1, second);
  const sum = cardinalityOf(first) + cardinalityOf(second);
  if (list.count === 2) return Math.max(0, sum - union);
  list.load(2, third);
  const pairs = pairIntersection(list, 0, 1) + pairIntersection(list, 1, 2) + pairIntersection(list, 0, 2);
  return Math.max(0, union - (sum + cardinalityOf(third) - pairs));
}

function pairIntersection(list: HllList, left: number, right: number): number {
  return intersectionCardinality(list.pair(left, right));
}

const first = new HllView();
const second = new HllView();
const third = new HllView();

/** How similar sketches are (Jaccard), 0 to 1; NaN when all are empty. */
export function similarityOf(list: HllList): number {
  return list.minhashBits > 0
    ? similarityByMinhash(list)
    : intersectionCardinality(list) / unionCardinality(list);
}

function similarityByMinhash(list: HllList): number {
  let emptyCount = 0;
  list.rewind();
  while (list.next()) if (cardinalityOf(list.view) === 0) emptyCount++;
  if (emptyCount === list.count) return NaN;
  if (emptyCount > 0) return 0;
  const usedCount = fillUnion(list).countUsed();
  const common = intersectionSet();
  common.reset(list.indexBits, list.minhashBits);
  list.rewind();
  if (list.next()) common.merge(list.view);
  while (list.next()) common.intersect(list.view);
  const chance = list.count === 2 ? expectedCollisions(list) : 0;
  return Math.max(0, (common.countUsed() - chance) / usedCount);
}

/** Registers of two sketches that are expected to be equal by chance. */
function expectedCollisions(list: HllList): number {
  list.load(0, first);
  list.load(1, second);
  const leftCount = cardinalityOf(first);
  const rightCount = cardinalityOf(second);
  const registerCount = 2 ** list.indexBits;
  let sum = 0;
  for (let rank = 1; rank <= RANK_MAX; rank++) {
    const upper = rank === RANK_MAX ? 0 : 2 ** -rank / registerCount;
    const lower = 2 ** (1 - rank) / registerCount;
    const left = (1 - upper) ** leftCount - (1 - lower) ** leftCount;
    const right = (1 - upper) ** rightCount - (1 - lower) ** rightCount;
    sum += left * right;
  }
  return (registerCount / 2 ** list.minhashBits) * sum;
}
