/**
 * The partition table of one namespace, as this node sees it: who serves each of the 4,096 partitions, and what clients
 * are told. Every question "is this partition mine" is asked here.
 *
 * A node that is alone owns everything as master. `assignAll` is what the balance of a cluster of one comes to; a
 * cluster's balance sets rows one by one.
 *
 * @module
 */

import { PARTITION_COUNT, ResultCode } from "../base/mod.ts";

/** What this node is for a partition. */
export const ROLE = { NONE: 0, MASTER: 1, PROLE: 2 } as const;

/** Bytes of a bitmap with one bit per partition. */
const BITMAP_SIZE_BYTES = PARTITION_COUNT / 8;

/** Ownership of the partitions of one namespace. */
export class PartitionTable {
  /** Counts changes of ownership; clients fetch the map again when it moves. -1 until there is a first map. */
  generation = -1;
  /** Copies of each record that the cluster keeps in fact. */
  effectiveReplicationFactor = 1;
  /** Nodes that the table was computed for. */
  clusterSize = 0;
  readonly #roles: Uint8Array = new Uint8Array(PARTITION_COUNT);
  readonly #versions: Uint32Array = new Uint32Array(PARTITION_COUNT);

  /** Makes this node the master of every partition: the table of a cluster of one. */
  assignAll(): void {
    this.#roles.fill(ROLE.MASTER);
    this.#versions.fill(1);
    this.clusterSize = 1;
    this.effectiveReplicationFactor = 1;
    this.generation++;
  }

  /** This node's part in a partition. */
  role(partition: number): number {
    return this.#roles[partition];
  }

  /**
   * Whether this node serves clients for a partition.
   *
   * @returns OK to serve here, UNAVAILABLE when nobody can serve
   */
  admit(partition: number): ResultCode {
    return this.#roles[partition] === ROLE.MASTER ? ResultCode.OK : ResultCode.UNAVAILABLE;
  }

  /**
   * Whether an older copy of a partition's records may be somewhere else: on a replica, or on a node that is away.
   * Then a delete must leave a tombstone.
   */
  mayHaveOtherCopies(_partition: number): boolean {
    return this.effectiveReplicationFactor > 1 || this.clusterSize > 1;
  }

  /**
   * A bitmap of the partitions that this node holds as replica number `replica`, most significant bit first.
   *
   * @param replica 0 for master
   */
  bitmap(replica: number): Uint8Array {
    const bits = new Uint8Array(BITMAP_SIZE_BYTES);
    const role = replica === 0 ? ROLE.MASTER : ROLE.PROLE;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (this.#roles[partition] === role) bits[partition >> 3] |= 0x80 >> (partition & 7);
    }
    return bits;
  }
}
