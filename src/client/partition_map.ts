/**
 * Who owns which partition, as the nodes claim it.
 *
 * Each node tells only its own partitions. For every partition and replica number the last node that claimed it is
 * kept, except that a claim of a lower regime never replaces one of a higher. A claim that is withdrawn without a
 * successor stays: the node forwards what it no longer owns.
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import type { NamespaceReplicas } from "./cluster_info.ts";

/** What the map needs to know about a node. */
export interface PartitionOwner {
  /** False once the node has left the cluster. */
  readonly active: boolean;
}

interface NamespacePartitions<Owner> {
  /** Owners by replica number, then partition. */
  replicas: (Owner | undefined)[][];
  /** Regime of the claims by partition. */
  regimes: Uint32Array;
}

/** Owners of all partitions of all namespaces. */
export class PartitionMap<Owner extends PartitionOwner> {
  readonly #namespaces: Map<string, NamespacePartitions<Owner>> = new Map();

  /** Names of the namespaces that some node has named. */
  get namespaces(): string[] {
    return [...this.#namespaces.keys()];
  }

  /** Takes over what a node claims. */
  apply(owner: Owner, claims: readonly NamespaceReplicas[]): void {
    for (const claim of claims) {
      let table = this.#namespaces.get(claim.namespace);
      if (table === undefined) {
        table = { replicas: [], regimes: new Uint32Array(PARTITION_COUNT) };
        this.#namespaces.set(claim.namespace, table);
      }
      applyClaim(table, owner, claim);
    }
  }

  /**
   * Who to ask.
   *
   * @param sequence 0 for the master; higher numbers walk through the replicas, and around
   * @returns an active owner, or undefined when none is known
   */
  owner(namespace: string, partition: number, sequence: number): Owner | undefined {
    const replicas = this.#namespaces.get(namespace)?.replicas;
    if (replicas === undefined) return undefined;
    for (let step = 0; step < replicas.length; step++) {
      const owner = replicas[(sequence + step) % replicas.length][partition];
      if (owner !== undefined && owner.active) return owner;
    }
    return undefined;
  }

  /** The master alone, when it is known and active. */
  master(namespace: string, partition: number): Owner | undefined {
    const owner = this.#namespaces.get(namespace)?.replicas[0]?.[partition];
    return owner?.active ? owner : undefined;
  }

  /** Number of replicas that are known of a namespace. */
  replicaCount(namespace: string): number {
    return this.#namespaces.get(namespace)?.replicas.length ?? 0;
  }

  /** Forgets a node. */
  remove(owner: Owner): void {
    for (const table of this.#namespaces.values()) {
      for (const row of table.replicas) {
        for (let partition = 0; partition < PARTITION_COUNT; partition++) {
          if (row[partition] === owner) row[partition] = undefined;
        }
      }
    }
  }
}

function applyClaim<Owner extends PartitionOwner>(
  table: NamespacePartitions<Owner>,
  owner: Owner,
  claim: NamespaceReplicas,
): void {
  while (table.replicas.length < claim.bitmaps.length) {
    table.replicas.push(new Array(PARTITION_COUNT).fill(undefined));
  }
  for (let replica = 0; replica < claim.bitmaps.length; replica++) {
    const bitmap = claim.bitmaps[replica];
    const row = table.replicas[replica];
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if ((bitmap[partition >>> 3] & (0x80 >>> (partition & 7))) === 0) continue;
      if (claim.regime < table.regimes[partition] && row[partition]?.active) continue;
      table.regimes[partition] = claim.regime;
      row[partition] = owner;
    }
  }
}
