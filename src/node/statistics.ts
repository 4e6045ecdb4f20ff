/**
 * What a node counts and measures, under the stock server's names and in its order: the answer to `statistics`, and the
 * `aerospike_node_stats_*` metrics. Names that have no meaning on one event loop are kept, with the value that is true
 * here. Source: wire-protocol reference, appendix C.1, and the recorded reply.
 *
 * @module
 */

import { RATE_CHANNELS, remainingMigrations } from "./cluster/mod.ts";
import { shownNodeId } from "./identity.ts";
import type { AerieNode } from "./node.ts";
import type { ConnectionStats } from "./node_stats.ts";
import { COMPATIBILITY_ID } from "../base/mod.ts";

/** One statistic. Numbers with a fixed count of decimals are texts. */
export type Statistic = readonly [name: string, value: number | boolean | string];

/** Bytes of a kilobyte in statistics. */
const KBYTE = 1024;

/** `name=value` items joined by `;`. */
export function statisticsText(statistics: readonly Statistic[]): string {
  return statistics.map(([name, value]) => `${name}=${value}`).join(";");
}

/** Statistics with the value 0: of things that don't happen here. */
export function zeros(prefix: string, names: string): Statistic[] {
  return names.split(" ").map((name) => [prefix + name, 0]);
}

/** Checks of `best-practices` that fail. */
export function failedBestPractices(node: AerieNode): string[] {
  const dataBytes = node.namespaces.reduce((sum, { store }) => sum + store.space.totalBytes, 0);
  return dataBytes > node.ports.host.memory().systemTotalBytes ? ["memory"] : [];
}

/** All statistics of the node, in the stock server's order. */
export function nodeStatistics(node: AerieNode): Statistic[] {
  return [
    ["failed_best_practices", failedBestPractices(node).length > 0],
    ...clusterStatistics(node),
    ...hostStatistics(node),
    ...processStatistics(node),
    ["objects", sum(node, ({ store }) => store.objectCount)],
    ["tombstones", sum(node, ({ store }) => store.tombstoneCount)],
    ["info_queue", 0],
    ["rw_in_progress", sum(node, ({ inFlight }) => inFlight.heldCount)],
    ["proxy_in_progress", node.peers.proxies.count],
    ["tree_gc_queue", 0],
    ...connectionStatistics(node),
    ...requestStatistics(node),
    ["paxos_principal", shownNodeId(node.cluster.principal ?? "0")],
    ["time_since_rebalance", secondsSince(node, node.cluster.rebalancedMs)],
    ["migrate_allowed", node.cluster.migrationsAllowed],
    ["migrate_partitions_remaining", sum(node, ({ partitions }) => remainingMigrations(partitions).total)],
    ...fabricRates(node),
    ["deprecated_requests", node.stats.deprecatedRequests],
  ];
}

/** Names of nodes as tools read them; `null` for none. */
function nodeNames(nodes: readonly string[]): string {
  return nodes.map(shownNodeId).join(",") || "null";
}

function fabricRates({ cluster }: AerieNode): Statistic[] {
  return RATE_CHANNELS.flatMap(([name, channel]): Statistic[] => {
    const { sent, received } = cluster.rates.of(channel);
    return [[`fabric_${name}_send_rate`, sent], [`fabric_${name}_recv_rate`, received]];
  });
}

function clusterStatistics({ cluster }: AerieNode): Statistic[] {
  const { committed, heartbeat } = cluster;
  const skew = heartbeat?.skew ?? { skewMs: 0, outliers: [] };
  return [
    ["cluster_size", cluster.size],
    ["cluster_key", cluster.key],
    ["cluster_generation", cluster.generation],
    ["cluster_principal", shownNodeId(cluster.principal ?? "0")],
    ["cluster_min_compatibility_id", committed?.compatibilityIdMin ?? COMPATIBILITY_ID],
    ["cluster_max_compatibility_id", committed?.compatibilityIdMax ?? COMPATIBILITY_ID],
    ["cluster_integrity", cluster.hasIntegrity],
    ["cluster_is_member", cluster.clustering.role !== "orphan"],
    ["cluster_duplicate_nodes", nodeNames(heartbeat?.duplicates ?? [])],
    ["cluster_clock_skew_stop_writes_sec", 0],
    ["cluster_clock_skew_ms", Math.round(skew.skewMs)],
    ["cluster_clock_skew_outliers", nodeNames(skew.outliers)],
  ];
}

function hostStatistics(node: AerieNode): Statistic[] {
  const { systemTotalBytes, systemFreeBytes } = node.ports.host.memory();
  const load = node.cpu.sample();
  const freeKbytes = Math.floor(systemFreeBytes / KBYTE);
  const freePct = Math.floor(systemFreeBytes * 100 / systemTotalBytes);
  return [
    ["uptime", secondsSince(node, node.startedMs)],
    ["system_total_cpu_pct", load.systemTotalPct],
    ["system_user_cpu_pct", load.systemUserPct],
    ["system_kernel_cpu_pct", load.systemKernelPct],
    ["system_free_mem_kbytes", freeKbytes],
    ["system_free_mem_pct", freePct],
    ["host_free_mem_kbytes", freeKbytes],
    ["host_free_mem_pct", freePct],
    ["system_thp_mem_kbytes", 0],
    ["process_cpu_pct", load.processPct],
  ];
}

/** One event loop counts as a pool of one thread; "active" is what the runtime has reserved, "mapped" what is resident. */
function processStatistics(node: AerieNode): Statistic[] {
  const memory = node.ports.host.memory();
  const allocated = memory.heapUsedBytes + memory.externalBytes;
  const active = memory.heapTotalBytes + memory.externalBytes;
  return [
    ...zeros("threads_", "joinable detached"),
    ["threads_pool_total", 1],
    ["threads_pool_active", 1],
    ["heap_allocated_kbytes", Math.floor(allocated / KBYTE)],
    ["heap_active_kbytes", Math.floor(active / KBYTE)],
    ["heap_mapped_kbytes", Math.floor(Math.max(active, memory.residentBytes) / KBYTE)],
    ["heap_efficiency_pct", Math.round(allocated * 100 / active)],
    ["heap_site_count", 0],
  ];
}

function connectionStatistics({ stats, cluster }: AerieNode): Statistic[] {
  const heartbeat = cluster.heartbeat?.statistics;
  return [
    ...connections("client", stats.client),
    ...connections("admin", stats.admin),
    ["heartbeat_connections", heartbeat?.heartbeat_connections ?? 0],
    ["heartbeat_connections_opened", heartbeat?.heartbeat_connections_opened ?? 0],
    ["heartbeat_connections_closed", heartbeat?.heartbeat_connections_closed ?? 0],
    ...connections("fabric", cluster.fabric.statistics),
    ["heartbeat_received_self", heartbeat?.heartbeat_received_self ?? 0],
    ["heartbeat_received_foreign", heartbeat?.heartbeat_received_foreign ?? 0],
    ["reaped_fds", stats.reapedFds],
  ];
}

function connections(kind: string, { opened, closed }: Readonly<ConnectionStats>): Statistic[] {
  return [
    [`${kind}_connections`, opened - closed],
    [`${kind}_connections_opened`, opened],
    [`${kind}_connections_closed`, closed],
  ];
}

function requestStatistics(node: AerieNode): Statistic[] {
  const { stats, queries } = node;
  const { initiated, completed, failed } = stats.batch;
  return [
    ["info_complete", stats.infoComplete],
    ["info_timeout", stats.infoTimeout],
    ["demarshal_error", stats.demarshalError],
    ["early_tsvc_client_error", stats.earlyTsvcClientError],
    ...zeros("early_tsvc_from_proxy_", "error batch_sub_error"),
    ["long_queries_active", queries.activeCount],
    ["batch_index_initiate", initiated],
    ["batch_index_queue", `0:${initiated - completed - failed}`],
    ["batch_index_complete", completed],
    ["batch_index_error", failed],
    ...zeros("batch_index_", "timeout delay unused_buffers huge_buffers created_buffers destroyed_buffers"),
    ["batch_index_proto_uncompressed_pct", stats.batchCompression.uncompressedPct.toFixed(3)],
    ["batch_index_proto_compression_ratio", stats.batchCompression.ratio.toFixed(3)],
  ];
}

function secondsSince(node: AerieNode, ms: number): number {
  return Math.floor((node.ports.clock.monotonicMs() - ms) / 1000);
}

function sum(node: AerieNode, of: (namespace: AerieNode["namespaces"][number]) => number): number {
  return node.namespaces.reduce((total, namespace) => total + of(namespace), 0);
}
