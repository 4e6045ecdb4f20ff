/**
 * How many transfers a node still waits for or has to make.
 *
 * @module
 */

import { PARTITION_COUNT } from "../../base/mod.ts";
import type { PartitionTable } from "../../partition/mod.ts";

/** Transfers of one namespace on one node. */
export interface RemainingMigrations {
  /** To other nodes. */
  readonly sent: number;
  /** From other nodes. */
  readonly received: number;
  /** Both. */
  readonly total: number;
}

/** Counts the transfers that a table still waits for. */
export function remainingMigrations(partitions: PartitionTable): RemainingMigrations {
  let sent = 0;
  let received = 0;
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    sent += partitions.pendingEmigrations(partition);
    received += partitions.pendingImmigrations(partition);
  }
  return { sent, received, total: sent + received };
}
