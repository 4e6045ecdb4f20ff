/**
 * The balance of one partition after the other: working master, duplicates, immigrators, witnesses, this node's new
 * version and migrations. One decider serves all partitions, so that little is allocated per partition. What depends on
 * where copies come from is in `balance_lineage.ts`. Source: clustering reference, sections 10.5 to 10.10.
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import { type NodeId, VERSION_FAMILY_UNIQUE } from "../wire/mod.ts";
import { type Balance, EMIGRATION_FLAG, EmigrationList, PlaceSets } from "./balance.ts";
import { LineageDecider } from "./balance_lineage.ts";
import type { LineageTable } from "./lineage.ts";
import type { Placement } from "./racks.ts";
import {
  isUniqueFamily,
  VERSION_BIT,
  VERSION_LINEAGE_MASK,
  versionHigh,
  versionLow,
  VersionTable,
} from "./version.ts";

const { MASTER, SUBSET, EVADE } = VERSION_BIT;
const NOWHERE = -1;
const UNMATCHED = VERSION_FAMILY_UNIQUE;

/** What a {@linkcode PartitionDecider} works on. */
export interface DeciderInput {
  readonly clusterKey: number;
  readonly nodes: readonly NodeId[];
  readonly selfIndex: number;
  readonly placement: Placement;
  /** Versions of each node, by index. */
  readonly versions: readonly VersionTable[];
  /** Where the copies of each node come from, by index; undefined unless all members tell it. */
  readonly lineages: readonly LineageTable[] | undefined;
  /** 1 for quiesced nodes, by index. */
  readonly quiesced: Uint8Array;
  readonly allOurs: boolean;
}

/** Decides partitions in ascending order and collects the results. */
export class PartitionDecider {
  readonly #input: DeciderInput;
  readonly #count: number;
  readonly #replicas: number;
  readonly #keyLow: number;
  /** Versions of the partition at hand, by place. */
  readonly #lows: Uint32Array;
  readonly #highs: Uint32Array;
  /** Place that founds each family of the partition at hand; NOWHERE when nobody has its data. */
  readonly #founders: number[] = [];
  #self = 0;
  #working = 0;
  #duplicateCount = 0;
  readonly #workingPlace = new Uint8Array(PARTITION_COUNT);
  readonly #selfPlace = new Uint8Array(PARTITION_COUNT);
  readonly #hasCutoff = new Uint8Array(PARTITION_COUNT);
  readonly #supersedingPlace = new Uint8Array(PARTITION_COUNT);
  readonly #immigrationCounts = new Uint16Array(PARTITION_COUNT);
  readonly #next = new VersionTable();
  readonly #emigrations = new EmigrationList();
  readonly #duplicates: PlaceSets;
  readonly #immigrators: PlaceSets;
  readonly #witnesses: PlaceSets;
  readonly #lineage: LineageDecider;
  #freshCount = 0;
  #immigrationCount = 0;
  #signalCount = 0;

  constructor(input: DeciderInput) {
    const count = input.nodes.length;
    this.#input = input;
    this.#count = count;
    this.#replicas = input.placement.replicaCount;
    this.#keyLow = versionLow(input.clusterKey);
    this.#lows = new Uint32Array(count);
    this.#highs = new Uint32Array(count);
    this.#duplicates = new PlaceSets(count);
    this.#immigrators = new PlaceSets(count);
    this.#witnesses = new PlaceSets(count);
    this.#lineage = new LineageDecider({
      clusterKey: input.clusterKey,
      lineages: input.lineages,
      lows: this.#lows,
      highs: this.#highs,
    });
  }

  /** What was decided. */
  finish(): Balance {
    const { clusterKey, nodes, selfIndex, placement, quiesced } = this.#input;
    return {
      clusterKey,
      nodes,
      selfIndex,
      placement,
      quiesced,
      workingPlace: this.#workingPlace,
      selfPlace: this.#selfPlace,
      duplicates: this.#duplicates,
      immigrators: this.#immigrators,
      witnesses: this.#witnesses,
      hasCutoff: this.#hasCutoff,
      versions: this.#next,
      lineages: this.#lineage.next,
      mergedLineages: this.#lineage.merged,
      mergeRules: this.#lineage.rules,
      supersedingPlace: this.#supersedingPlace,
      immigrationCounts: this.#immigrationCounts,
      emigrations: this.#emigrations,
      freshCount: this.#freshCount,
      immigrationCount: this.#immigrationCount,
      signalCount: this.#signalCount,
      warnings: placement.warnings,
    };
  }

  /** Decides a partition. */
  decide(partition: number): void {
    this.#load(partition);
    const found = this.#findWorking();
    this.#working = Math.max(found, 0);
    this.#workingPlace[partition] = this.#working;
    if (found === NOWHERE) {
      this.#freshCount++;
      this.#settle(partition);
      return;
    }
    this.#findDuplicates(partition);
    if (!this.#findImmigrators(partition)) {
      this.#lineage.follow(partition, this.#working);
      this.#settle(partition);
      return;
    }
    this.#foundFamilies(partition);
    this.#decideMerge(partition);
    this.#advance(partition);
    this.#findWitnesses(partition);
    this.#planMigrations(partition);
  }

  #load(partition: number): void {
    const { placement, versions, selfIndex } = this.#input;
    const base = partition * this.#count;
    for (let place = 0; place < this.#count; place++) {
      const index = placement.rows.order[base + place];
      this.#lows[place] = versions[index].low[partition];
      this.#highs[place] = versions[index].high[partition];
      if (index === selfIndex) this.#self = place;
    }
    this.#selfPlace[partition] = this.#self;
    this.#lineage.load(partition, (place) => placement.rows.order[base + place]);
  }

  /** By which rule copies are merged, and where this node's copy comes from meanwhile. */
  #decideMerge(partition: number): void {
    const self = this.#self;
    if (this.#duplicateCount === 0) return this.#lineage.follow(partition, this.#working);
    const merging = [this.#working];
    for (let place = 0; place < this.#count; place++) {
      if (this.#duplicates.has(partition, place)) merging.push(place);
    }
    const isSuperseded = self === 0 && this.#exists(self) && !merging.includes(self);
    if (isSuperseded) {
      const place = merging.find((other) => !this.#isSubset(other) && this.#areKin(other, self));
      this.#supersedingPlace[partition] = place ?? this.#working;
    }
    const family = this.#familyOf(self);
    const founder = family === UNMATCHED ? self : this.#founders[family];
    this.#lineage.merge(partition, {
      merging,
      familyCount: this.#founders.length,
      founder: founder === NOWHERE || !this.#exists(founder) ? undefined : founder,
      isFollower: family !== UNMATCHED || self < this.#replicas,
      isSuperseded,
    });
  }

  #exists(place: number): boolean {
    return this.#lows[place] !== 0 || this.#highs[place] !== 0;
  }

  #isSubset(place: number): boolean {
    return (this.#highs[place] & SUBSET) !== 0;
  }

  /** Whether two places have copies of one rebalance and family; a unique family is shared with nobody. */
  #areKin(a: number, b: number): boolean {
    if (a === b) return true;
    return this.#lows[a] === this.#lows[b] && !isUniqueFamily(this.#highs[a]) &&
      ((this.#highs[a] ^ this.#highs[b]) & VERSION_LINEAGE_MASK) === 0;
  }

  /** Place of the working master; NOWHERE when nobody has data. */
  #findWorking(): number {
    let best = NOWHERE;
    let bestScore = NOWHERE;
    for (let place = 0; place < this.#count; place++) {
      if (!this.#exists(place)) continue;
      const high = this.#highs[place];
      const score = (high & MASTER) !== 0
        ? 4
        : 3 - ((high & EVADE) !== 0 ? 2 : 0) - ((high & SUBSET) !== 0 ? 1 : 0);
      if (score > bestScore) {
        best = place;
        bestScore = score;
      }
    }
    return best <= 0 || this.#isSubset(best) ? best : this.#shiftWorking(best);
  }

  /** An earlier place with the same complete data can serve at once, which saves a transfer. */
  #shiftWorking(working: number): number {
    for (let place = 0; place < working; place++) {
      if (this.#exists(place) && !this.#isSubset(place) && this.#areKin(place, working)) return place;
    }
    return working;
  }

  #findDuplicates(partition: number): void {
    this.#duplicateCount = 0;
    const differs = this.#haveDifferentKeys();
    for (let place = 0; place < this.#count; place++) {
      if (place === this.#working || !this.#exists(place)) continue;
      const isCovered = this.#isSubset(place)
        ? this.#hasFullKin(place, this.#count)
        : this.#hasFullKin(place, place);
      if (isCovered) continue;
      this.#duplicates.add(partition, place);
      this.#duplicateCount++;
    }
    const wasMaster = (this.#highs[this.#working] & MASTER) !== 0;
    if (differs || !wasMaster) this.#hasCutoff[partition] = 1;
  }

  #haveDifferentKeys(): boolean {
    for (let place = 0; place < this.#count; place++) {
      if (!this.#exists(place)) continue;
      const isSame = this.#lows[place] === this.#lows[this.#working] &&
        ((this.#highs[place] ^ this.#highs[this.#working]) & 0xffff) === 0;
      if (!isSame) return true;
    }
    return false;
  }

  /** Whether one of the places before `end`, other than `place`, has a full copy of its family. */
  #hasFullKin(place: number, end: number): boolean {
    for (let other = 0; other < end; other++) {
      if (other !== place && this.#exists(other) && !this.#isSubset(other) && this.#areKin(other, place)) {
        return true;
      }
    }
    return false;
  }

  #findImmigrators(partition: number): boolean {
    let isAny = false;
    for (let place = 0; place < this.#replicas; place++) {
      const lacks = place !== this.#working && (!this.#exists(place) || this.#isSubset(place));
      if (this.#duplicateCount === 0 && !lacks) continue;
      this.#immigrators.add(partition, place);
      isAny = true;
    }
    return isAny;
  }

  /** Nothing has to move: replicas are done, others drop what they have, quiesced ones keep it to return quickly. */
  #settle(partition: number): void {
    if (this.#self < this.#replicas) this.#setNext(partition, 0, this.#self === 0 ? MASTER : 0);
    else if (this.#input.quiesced[this.#input.selfIndex] === 1 && this.#exists(this.#self)) {
      this.#setNext(partition, 0, SUBSET);
    }
  }

  #setNext(partition: number, family: number, bits: number): void {
    this.#next.setWords(partition, this.#keyLow, versionHigh(this.#input.clusterKey, { family, bits }));
  }

  /**
   * Numbers the families that live on: 0 the final master's (the working master's when nothing is to be merged), 1 the
   * working master's, then further duplicates among the replicas.
   *
   * Which number a further family gets is known for sure only when there is one and the final master is not the working
   * master. Two nodes that gave one number to different data would lose records, so that beside stock members such
   * copies stay unique: they are merged once more than needed.
   */
  #foundFamilies(partition: number): void {
    const founders = this.#founders;
    founders.length = 0;
    if (this.#duplicateCount === 0) {
      founders.push(this.#working);
      return;
    }
    founders.push(this.#exists(0) ? 0 : NOWHERE);
    if (this.#working !== 0) founders.push(this.#working);
    const knownCount = founders.length;
    for (let place = 1; place < this.#replicas; place++) {
      if (this.#duplicates.has(partition, place) && this.#familyOf(place) === UNMATCHED) founders.push(place);
    }
    const isInDoubt = founders.length > knownCount + 1 || this.#working === 0;
    if (!this.#input.allOurs && isInDoubt) founders.length = knownCount;
    if (founders.length > VERSION_FAMILY_UNIQUE) founders.length = VERSION_FAMILY_UNIQUE;
  }

  /**
   * The family that a copy goes on in. Only a founder whose copy was complete takes others in: it will count as complete,
   * and a copy that becomes its subset is no longer merged, so that it must not have records which the founder lacks.
   */
  #familyOf(place: number): number {
    for (let family = 0; family < this.#founders.length; family++) {
      const founder = this.#founders[family];
      if (founder === place) return family;
      if (founder !== NOWHERE && !this.#isSubset(founder) && this.#areKin(founder, place)) return family;
    }
    return UNMATCHED;
  }

  /** This node's version while data moves. */
  #advance(partition: number): void {
    const self = this.#self;
    const merges = this.#duplicateCount > 0;
    const kept = this.#highs[self] & EVADE;
    if (self === this.#working) {
      this.#setNext(partition, self === 0 || !merges ? 0 : 1, MASTER);
    } else if (self === 0) {
      // A copy that lacks something is to be served by whoever is complete, should the merge be interrupted.
      const lacks = !this.#exists(0) || (merges && this.#isSubset(0));
      this.#setNext(partition, 0, (merges ? 0 : SUBSET) | (lacks ? EVADE : kept));
    } else if (self < this.#replicas) {
      this.#advanceProle(partition, { merges, kept });
    } else if (this.#exists(self)) {
      const family = this.#familyOf(self);
      const hasParent = family !== UNMATCHED &&
        (!this.#isSubset(self) || this.#hasFullKin(self, this.#count));
      if (hasParent) this.#setNext(partition, family, SUBSET | kept);
      else this.#next.setWords(partition, this.#lows[self], this.#highs[self]);
    }
  }

  #advanceProle(partition: number, { merges, kept }: { merges: boolean; kept: number }): void {
    const self = this.#self;
    if (!this.#exists(self)) {
      this.#setNext(partition, 0, SUBSET | EVADE);
      return;
    }
    const family = this.#familyOf(self);
    const isSubset = this.#isSubset(self) || (merges && family === 0);
    this.#setNext(partition, family, kept | (isSubset ? SUBSET : 0));
  }

  #findWitnesses(partition: number): void {
    for (let place = 1; place < this.#count; place++) {
      if (place < this.#replicas || this.#exists(place)) this.#witnesses.add(partition, place);
    }
  }

  #planMigrations(partition: number): void {
    const self = this.#self;
    if (self === 0) {
      this.#planFinalMaster(partition);
      return;
    }
    if (this.#immigrators.has(partition, self)) this.#expect(partition, 1);
    const { ACTING_MASTER, LEAD } = EMIGRATION_FLAG;
    if (self === this.#working) this.#emigrate(partition, 0, ACTING_MASTER | LEAD);
    else if (this.#duplicates.has(partition, self)) this.#emigrate(partition, 0, LEAD);
  }

  #planFinalMaster(partition: number): void {
    const others = this.#duplicateCount - (this.#duplicates.has(partition, 0) ? 1 : 0);
    const expected = others + (this.#working === 0 ? 0 : 1);
    this.#expect(partition, expected);
    for (let place = 1; place < this.#replicas; place++) {
      if (!this.#immigrators.has(partition, place)) continue;
      const merges = this.#duplicateCount > 0 && this.#exists(place);
      const flags = (expected > 0 ? EMIGRATION_FLAG.CONTINGENT : 0) | (merges ? EMIGRATION_FLAG.LEAD : 0);
      this.#emigrate(partition, place, flags);
    }
    this.#signalCount += this.#witnesses.size(partition);
  }

  #expect(partition: number, count: number): void {
    this.#immigrationCounts[partition] += count;
    this.#immigrationCount += count;
  }

  #emigrate(partition: number, place: number, flags: number): void {
    const receiver = this.#input.placement.rows.order[partition * this.#count + place];
    this.#emigrations.push(partition, receiver, flags);
  }
}
