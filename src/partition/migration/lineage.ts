/**
 * Where copies of partitions come from: for each copy the keys of the clusters that it was part of. It tells whether two
 * copies went different ways (both sides of a split wrote) or one is what the other once was (a node that was away).
 *
 * Why it matters: generations may be compared between the sides of a split, but not between a copy and what it once was.
 * A record that was deleted and made anew has a low generation; the stale copy of a node that was away has a high one.
 *
 * The chain of a copy begins with the key of its version and goes back in time. A copy that follows a balance takes the
 * working master's chain. What was merged into it is noted as such: of conflicts with those copies the outcome is here
 * already, and deciding them once more by another rule would undo it. The chain is in memory alone: after a
 * restart a copy claims to be incomplete, and of such a copy nobody can say that its side of a split went on, so that it
 * counts as an ancestor's. Source: issue of split-brain merges; clustering reference, sections 10.3, 10.4 and 13.1.
 *
 * @module
 */

import { MIGRATE_ANCESTOR_COUNT_MAX, PARTITION_COUNT } from "../../base/mod.ts";
import type { ExchangeMember, NodeId } from "../../cluster/mod.ts";
import type { ReplaceOptions } from "../../storage/mod.ts";
import { MIGRATE_ANCESTOR_MERGED } from "../../wire/mod.ts";
import { type Balance, nodeAt } from "../balance.ts";
import { isUniqueFamily, VERSION_BIT, VERSION_LINEAGE_MASK, VersionTable } from "../version.ts";

/** What a copy is to another one; see `src/storage/replace.ts`. */
export type CopyRelation = ReplaceOptions["lineage"];

type Chain = readonly number[];

const NO_CHAIN: Chain = [];
const KEY_HIGH_MASK = 0xffff;

/** Clusters that copies come from, of one namespace on one node. */
export class Lineage {
  readonly #self: NodeId;
  /** What the members told of their copies before the present balance. */
  #told = new Map<NodeId, VersionTable>();
  /** Chains of the copies that this node told of; the first key is that of the version. */
  readonly #before: Chain[] = new Array(PARTITION_COUNT).fill(NO_CHAIN);
  /** Chains of what the copies become in the present cluster, without its key. */
  readonly #after: Chain[] = new Array(PARTITION_COUNT).fill(NO_CHAIN);
  #clusterKey = 0;

  /** @param self this node */
  constructor(self: NodeId) {
    this.#self = self;
  }

  /** Follows a balance that was computed from what the members told. */
  begin(
    namespace: string,
    view: { readonly members: readonly ExchangeMember[]; readonly balance: Balance },
  ): void {
    const { members, balance } = view;
    this.#told = new Map();
    for (const { node, namespaces } of members) {
      const told = namespaces.get(namespace);
      if (told !== undefined) this.#told.set(node, VersionTable.fromGroups(told.versions));
    }
    const shared = new Map<string, Chain>();
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      this.#follow(partition, balance, shared);
    }
    this.#clusterKey = balance.clusterKey;
  }

  /** Equal chains are one array: thousands of partitions have the same. */
  #follow(partition: number, balance: Balance, shared: Map<string, Chain>): void {
    const own = this.#keyOf(this.#self, partition);
    let before = this.#before[partition];
    if (own === 0) before = NO_CHAIN;
    else if (own === this.#clusterKey) before = join([own], this.#after[partition]);
    else if (before[0] !== own) before = [own];
    this.#before[partition] = share(before, shared);
    const working = this.#keyOf(nodeAt(balance, partition, balance.workingPlace[partition]), partition);
    // A copy that goes its own way beside the working master's keeps its past: after one more change of the cluster it
    // must still be told from a copy of that past.
    const isOwnWay = own !== 0 && balance.duplicates.has(partition, balance.selfPlace[partition]);
    const after = working === own || isOwnWay ? before : working === 0 ? NO_CHAIN : [working];
    this.#after[partition] = share(after, shared);
  }

  #keyOf(node: NodeId, partition: number): number {
    const table = this.#told.get(node);
    if (table === undefined) return 0;
    return (table.high[partition] & KEY_HIGH_MASK) * 0x1_0000_0000 + table.low[partition];
  }

  /** Clusters that this node's copy comes from, as it tells receivers. */
  chain(partition: number): readonly number[] {
    return this.#before[partition];
  }

  /** What came from a source whose copy has a chain is part of this node's copy now. */
  merge(partition: number, chain: readonly number[]): void {
    const merged = chain.map((key) => key >= MIGRATE_ANCESTOR_MERGED ? key : key + MIGRATE_ANCESTOR_MERGED);
    this.#after[partition] = join(this.#after[partition], merged);
  }

  /** This node's copy has everything: its own past is part of the cluster's. */
  mergeOwn(partition: number): void {
    this.merge(partition, this.#before[partition]);
  }

  /**
   * What the copy of a source is to this node's.
   *
   * @param source `chain`: what it told of its copy; empty of a stock node
   */
  relation(
    partition: number,
    source: { readonly node: NodeId; readonly chain: readonly number[] },
  ): CopyRelation {
    const own = this.#told.get(this.#self);
    const other = this.#told.get(source.node);
    const isBoth = own?.exists(partition) === true && other?.exists(partition) === true;
    if (!isBoth) return "ancestor";
    const ownKey = this.#keyOf(this.#self, partition);
    const otherKey = this.#keyOf(source.node, partition);
    const ownHigh = own.high[partition];
    const otherHigh = other.high[partition];
    const before = this.#before[partition];
    if (ownKey === otherKey) {
      const isKin = ((ownHigh ^ otherHigh) & VERSION_LINEAGE_MASK) === 0 && !isUniqueFamily(ownHigh);
      return isKin || isPast(before, source.chain) || isPast(source.chain, before) ? "ancestor" : "divergent";
    }
    if (source.chain.includes(ownKey) || before.includes(otherKey)) return "ancestor";
    if (source.chain.includes(ownKey + MIGRATE_ANCESTOR_MERGED)) return "successor";
    if (before.includes(otherKey + MIGRATE_ANCESTOR_MERGED)) return "predecessor";
    return ((ownHigh | otherHigh) & VERSION_BIT.SUBSET) === 0 ? "divergent" : "ancestor";
  }
}

/** Whether what one copy was before the cluster that both were in is part of the other's past. */
function isPast(one: Chain, other: Chain): boolean {
  return one.length > 1 && other.length > 1 && other.indexOf(one[1], 2) > 1;
}

function join(first: Chain, second: Chain): Chain {
  const keys = [...first];
  for (const key of second) {
    if (!keys.includes(key) && !keys.includes(key - MIGRATE_ANCESTOR_MERGED)) keys.push(key);
  }
  return keys.slice(0, MIGRATE_ANCESTOR_COUNT_MAX);
}

function share(chain: Chain, shared: Map<string, Chain>): Chain {
  const name = chain.join();
  const known = shared.get(name);
  if (known !== undefined) return known;
  shared.set(name, chain);
  return chain;
}
