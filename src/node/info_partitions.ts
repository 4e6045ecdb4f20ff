/**
 * The info command that shows all partitions. Source: clustering reference, section 18.1.
 *
 * | state | the node |
 * | ----- | -------- |
 * | S | is a replica and has everything |
 * | D | is a replica and waits for data |
 * | Z | is none but has data |
 * | A | has nothing |
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import { type PartitionTable, ROLE, VERSION_BIT, versionHigh, versionLow } from "../partition/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { shownNodeId } from "./identity.ts";
import type { InfoContext, InfoRow } from "./info_row.ts";

const HEADER = "namespace:partition:state:n_replicas:replica:succession:n_dupl:working_master:proxy_dst:" +
  "emigrates:lead_emigrates:immigrates:records:tombstones:regime:tree_id:version:final_version";

/** What column `replica` says where this node holds none; readers take the column for a number. */
const NO_REPLICA = -1;

function partitionInfo({ node }: InfoContext): string {
  const rows = [HEADER];
  for (const namespace of node.namespaces) {
    for (let partition = 0; partition < PARTITION_COUNT; partition++) rows.push(rowOf(namespace, partition));
  }
  return rows.join(";");
}

function rowOf({ settings, partitions, store }: Namespace, partition: number): string {
  const { balance, effectiveReplicationFactor, versions } = partitions;
  const tombstoneCount = store.counts.partitionTombstones[partition];
  const place = balance?.selfPlace[partition] ?? 0;
  const master = partitions.workingMaster(partition);
  const isMaster = partitions.role(partition) === ROLE.MASTER;
  return [
    settings.name,
    partition,
    stateOf(partitions, partition),
    effectiveReplicationFactor,
    place < effectiveReplicationFactor ? place : NO_REPLICA,
    place,
    partitions.duplicates(partition).length,
    master === undefined ? 0 : shownNodeId(master),
    isMaster || master === undefined ? 0 : shownNodeId(master),
    partitions.pendingEmigrations(partition),
    isMaster ? partitions.pendingEmigrations(partition) : 0,
    partitions.pendingImmigrations(partition),
    store.index.partitionEntryCounts[partition] - tombstoneCount,
    tombstoneCount,
    0,
    0,
    versionText(versions.low[partition], versions.high[partition]),
    finalVersion(partitions, partition),
  ].join(":");
}

function stateOf(partitions: PartitionTable, partition: number): "S" | "D" | "A" | "Z" {
  const place = partitions.balance?.selfPlace[partition] ?? Infinity;
  if (place >= partitions.effectiveReplicationFactor) {
    return partitions.versions.exists(partition) ? "Z" : "A";
  }
  return partitions.isComplete(partition) ? "S" : "D";
}

/** The version word in hexadecimal; 0 when there is no copy. */
function versionText(low: number, high: number): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString(16);
}

/** The version that this node's copy has when all migrations have ended. */
function finalVersion({ balance, effectiveReplicationFactor }: PartitionTable, partition: number): string {
  if (balance === undefined || balance.selfPlace[partition] >= effectiveReplicationFactor) return "0";
  const { clusterKey } = balance;
  const bits = balance.selfPlace[partition] === 0 ? VERSION_BIT.MASTER : 0;
  return versionText(versionLow(clusterKey), versionHigh(clusterKey, { family: 0, bits }));
}

/** See the module's text. */
export const partitionCommands: readonly InfoRow[] = [
  {
    name: "partition-info",
    reply: "header and one row per namespace and partition, joined by ;",
    doc: "state of all partitions",
    askedBy: "people who look for faults",
    hidden: true,
    answer: partitionInfo,
  },
];
