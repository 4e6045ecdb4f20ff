/**
 * The cluster that the partition tables follow: the last one of which the exchange was committed.
 *
 * @module
 */

import type { ExchangeResult, NodeId } from "../../cluster/mod.ts";

/** See the head of the file. */
export class CommittedCluster {
  /** What its members agreed on; undefined before the first one, and when nobody is served. */
  committed: ExchangeResult | undefined;
  /** Counts clusters that this node was in. */
  generation = 0;
  /** Counts rebalances. */
  rebalanceGeneration = 0;
  /** Monotonic time of the last rebalance. */
  rebalancedMs = 0;
  /** Migrations may run: false from a change of the cluster until the next balance. */
  migrationsAllowed = false;

  /** Key of the committed cluster, below 2^48; 0 when there is none. */
  get clusterKey(): number {
    return this.committed?.clusterKey ?? 0;
  }

  /** The key as tools print it: upper-case hexadecimal without leading zeros; "0" when there is none. */
  get key(): string {
    return this.clusterKey.toString(16).toUpperCase();
  }

  /** Members of the committed cluster, principal first; empty when there is none. */
  get succession(): readonly NodeId[] {
    return this.committed?.succession ?? [];
  }

  /** Nodes of the committed cluster. */
  get size(): number {
    return this.succession.length;
  }

  /** Principal of the committed cluster. */
  get principal(): NodeId | undefined {
    return this.committed?.principal;
  }
}
