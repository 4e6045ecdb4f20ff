/**
 * The table of info commands, by topic; `help` and the reference page come from it.
 *
 * @module
 */

import { addressCommands } from "./info_addresses.ts";
import { clusterCommands } from "./info_cluster.ts";
import { configCommands } from "./info_config.ts";
import { diagnosticCommands } from "./info_diagnostics.ts";
import { enterpriseCommands } from "./info_enterprise.ts";
import { identityCommands } from "./info_identity.ts";
import { latencyCommands } from "./info_latencies.ts";
import { logCommands } from "./info_logs.ts";
import { partitionCommands } from "./info_partitions.ts";
import { placementCommands } from "./info_placement.ts";
import { queryCommands } from "./info_queries.ts";
import type { InfoRow } from "./info_row.ts";
import { sindexCommands } from "./info_sindex.ts";
import { statisticsCommands } from "./info_statistics.ts";
import { truncateCommands } from "./info_truncate.ts";
import { udfCommands } from "./info_udf.ts";

const help: InfoRow = {
  name: "help",
  reply: "NAME;NAME;...",
  doc: "names of the commands for people",
  askedBy: "operators",
  answer: () =>
    [...infoCommands.values()].filter((row) => !row.hidden).map((row) => row.name).sort().join(";"),
};

/** Commands by topic, in the order of the reference page. */
export const infoTopics: readonly (readonly [topic: string, rows: readonly InfoRow[]])[] = [
  ["Identity", [...identityCommands, help]],
  ["Cluster", [...clusterCommands, ...placementCommands]],
  ["Addresses", addressCommands],
  ["Statistics", statisticsCommands],
  ["Configuration", configCommands],
  ["Latencies and histograms", latencyCommands],
  ["Log", logCommands],
  ["Truncation and eviction", truncateCommands],
  ["Queries", queryCommands],
  ["Indexes and user-defined functions", [...sindexCommands, ...udfCommands]],
  ["Looking for faults", [...diagnosticCommands, ...partitionCommands]],
  ["Enterprise edition", enterpriseCommands],
];

/** Commands by name. */
export const infoCommands: ReadonlyMap<string, InfoRow> = new Map(
  infoTopics.flatMap(([, rows]) => rows.map((row) => [row.name, row])),
);
