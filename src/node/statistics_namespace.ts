/**
 * What a namespace counts and measures, under the stock server's names and in its order: the first part of the answer
 * to `namespace/NAME`, and the `aerospike_namespace_*` metrics. Source: wire-protocol reference, appendix C.2, and the
 * recorded reply.
 *
 * @module
 */

import { PARTITION_COUNT } from "../base/mod.ts";
import { ROLE } from "../partition/mod.ts";
import {
  KIND,
  type Kind,
  type Namespace,
  ORIGIN,
  type Origin,
  OUTCOME,
  type ProxyCounts,
  retransmitSlot,
} from "../transaction/mod.ts";
import type { AerieNode } from "./node.ts";
import { type Statistic, zeros } from "./statistics.ts";
import { deviceStatistics } from "./statistics_devices.ts";

/** All statistics of a namespace, in the stock server's order. */
export function namespaceStatistics(node: AerieNode, namespace: Namespace): Statistic[] {
  return [
    ...objectStatistics(namespace),
    ...lifeStatistics(namespace),
    ...memoryStatistics(namespace),
    ...placementStatistics(node, namespace),
    ...migrationStatistics(node, namespace),
    ...requestStatistics(namespace),
    ...repeatStatistics(namespace),
    ...queryStatistics(node, namespace),
    ...otherStatistics(namespace),
  ];
}

/** Records and tombstones by what this node is for their partition. */
function countByRole(
  { partitions, store }: Namespace,
): Record<"master" | "prole" | "none", [number, number]> {
  const counts: ReturnType<typeof countByRole> = { master: [0, 0], prole: [0, 0], none: [0, 0] };
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const entryCount = store.index.partitionEntryCounts[partition];
    if (entryCount === 0) continue;
    const tombstoneCount = store.counts.partitionTombstones[partition];
    const role = partitions.role(partition);
    const count = counts[role === ROLE.MASTER ? "master" : role === ROLE.PROLE ? "prole" : "none"];
    count[0] += entryCount - tombstoneCount;
    count[1] += tombstoneCount;
  }
  return counts;
}

function objectStatistics(namespace: Namespace): Statistic[] {
  const { partitions, store } = namespace;
  const { master, prole, none } = countByRole(namespace);
  return [
    ["ns_cluster_size", partitions.clusterSize],
    ["effective_replication_factor", partitions.effectiveReplicationFactor],
    ["objects", store.objectCount],
    ["tombstones", store.tombstoneCount],
    ...zeros("", "xdr_tombstones xdr_bin_cemeteries mrt_provisionals"),
    ["master_objects", master[0]],
    ["master_tombstones", master[1]],
    ["prole_objects", prole[0]],
    ["prole_tombstones", prole[1]],
    ["non_replica_objects", none[0]],
    ["non_replica_tombstones", none[1]],
    ...zeros("", "unreplicated_records dead_partitions"),
    ["unavailable_partitions", unavailableCount(partitions)],
    ["auto_revived_partitions", 0],
  ];
}

/** All partitions of a node that is in no cluster. */
function unavailableCount({ clusterSize }: Namespace["partitions"]): number {
  return clusterSize === 0 ? PARTITION_COUNT : 0;
}

function lifeStatistics({ store }: Namespace): Statistic[] {
  const { supervision } = store;
  return [
    ["clock_skew_stop_writes", store.clockSkewStopsWrites],
    ["stop_writes", store.stopWrites],
    ["hwm_breached", supervision.hwmBreached],
    ["current_time", Math.floor(store.nowMs() / 1000)],
    ["non_expirable_objects", store.counts.nonExpirable],
    ["expired_objects", supervision.expiredObjects],
    ["evicted_objects", supervision.evictedObjects],
    ["evict_ttl", supervision.evictTtlS],
    ["evict_void_time", supervision.evictVoidTime],
    ["smd_evict_void_time", supervision.smdEvictVoidTime],
    ["nsup_cycle_duration", Math.floor(supervision.nsupCycleMs / 1000)],
    ["nsup_cycle_deleted_pct", supervision.nsupCycleDeletedPct.toFixed(2)],
    ["nsup_xdr_key_busy", 0],
    ["truncate_lut", store.truncateLutMs],
    ["truncating", store.truncating || [...store.sets].some((set) => set.truncating)],
    ["sindex_gc_cleaned", 0],
    ...zeros("mrt_", "monitors monitors_active"),
  ];
}

function memoryStatistics({ indexes, store, settings, stats }: Namespace): Statistic[] {
  const { space, index } = store;
  const budgetBytes = settings.indexesMemoryBudget;
  const indexShare: Statistic[] = budgetBytes === 0
    ? []
    : [["indexes_memory_used_pct", Math.floor(store.indexesUsedBytes * 100 / budgetBytes)]];
  return [
    ["xmem_id", 0],
    ["index_used_bytes", index.usedBytes],
    ["set_index_used_bytes", indexes.setIndexUsedBytes],
    ["sindex_used_bytes", indexes.usedBytes],
    ...indexShare,
    ["data_total_bytes", space.totalBytes],
    ["data_used_bytes", space.usedBytes],
    ["data_used_pct", store.dataUsedPct],
    ["data_avail_pct", store.dataAvailPct],
    ["data_compression_ratio", (store.disk?.compression.ratio ?? 1).toFixed(3)],
    ...deviceStatistics(store),
    ["record_proto_uncompressed_pct", stats.compression.uncompressedPct.toFixed(3)],
    ["record_proto_compression_ratio", stats.compression.ratio.toFixed(3)],
    ["query_proto_uncompressed_pct", "0.000"],
    ["query_proto_compression_ratio", "1.000"],
  ];
}

function placementStatistics({ cluster }: AerieNode, { partitions }: Namespace): Statistic[] {
  const { balance } = partitions;
  const placement = balance?.placement;
  const quiescedCount = balance === undefined ? 0 : balance.nodes.length - balance.placement.activeCount;
  return [
    ["pending_quiesce", cluster.own.isQuiesced],
    ["effective_is_quiesced", quiescedCount > 0 && balance?.quiesced[balance.selfIndex] === 1],
    ["nodes_quiesced", quiescedCount],
    ["effective_prefer_uniform_balance", placement?.isUniform ?? false],
    ["effective_active_rack", placement?.activeRack ?? 0],
  ];
}

function migrationStatistics({ migrator }: AerieNode, { settings }: Namespace): Statistic[] {
  const counts = migrator.statistics(settings.name)!;
  const { tx: txInstances, rx: rxInstances } = migrator.instances(settings.name);
  return [
    ["migrate_tx_partitions_imbalance", counts.txImbalance],
    ["migrate_tx_instances", txInstances],
    ["migrate_rx_instances", rxInstances],
    ["migrate_tx_partitions_active", counts.txActive],
    ["migrate_rx_partitions_active", counts.rxActive],
    ["migrate_tx_partitions_initial", counts.txInitial],
    ["migrate_tx_partitions_remaining", counts.txRemaining],
    ["migrate_tx_partitions_lead_remaining", counts.txLeadRemaining],
    ["migrate_rx_partitions_initial", counts.rxInitial],
    ["migrate_rx_partitions_remaining", counts.rxRemaining],
    ["migrate_records_skipped", counts.recordsSkipped],
    ["migrate_records_transmitted", counts.recordsTransmitted],
    ["migrate_record_retransmits", counts.recordRetransmits],
    ["migrate_record_receives", counts.recordReceives],
    ["migrate_records_unreadable", counts.recordsUnreadable],
    ["migrate_signals_active", counts.signalsActive],
    ["migrate_signals_remaining", counts.signalsRemaining],
    ["migrate_fresh_partitions", counts.freshPartitions],
    ...zeros("appeals_", "tx_active rx_active tx_remaining records_exonerated"),
  ];
}

const LANG = "read_success write_success delete_success error";
const XDR_DELETE = "success error timeout not_found";
const READ = "success error timeout not_found filtered_out";
const WRITE = "success error timeout filtered_out";
const UDF = "complete error timeout filtered_out";

function requestStatistics(namespace: Namespace): Statistic[] {
  const client = counted(namespace, ORIGIN.CLIENT, "client_");
  const batch = counted(namespace, ORIGIN.BATCH, "batch_sub_");
  const queryOps = counted(namespace, ORIGIN.QUERY_OPS, "ops_sub_");
  const queryUdf = counted(namespace, ORIGIN.QUERY_UDF, "udf_sub_");
  const fromProxy = counted(namespace, ORIGIN.FROM_PROXY, "from_proxy_");
  return [
    ...client.tsvc(),
    ...proxyCounts("client_proxy_", namespace.peerStats.clientProxy),
    ...client.of("read_", KIND.READ, READ),
    ...client.of("write_", KIND.WRITE, WRITE),
    ...zeros("xdr_client_write_", "success error timeout"),
    ...client.of("delete_", KIND.DELETE, READ),
    ...zeros("xdr_client_delete_", XDR_DELETE),
    ...client.of("udf_", KIND.UDF, UDF),
    ...client.language(),
    ...fromProxy.tsvc(),
    ...fromProxy.of("read_", KIND.READ, READ),
    ...fromProxy.of("write_", KIND.WRITE, WRITE),
    ...zeros("xdr_from_proxy_write_", "success error timeout"),
    ...fromProxy.of("delete_", KIND.DELETE, READ),
    ...zeros("xdr_from_proxy_delete_", XDR_DELETE),
    ...fromProxy.of("udf_", KIND.UDF, UDF),
    ...fromProxy.language(),
    ...batch.tsvc(),
    ...proxyCounts("batch_sub_proxy_", namespace.peerStats.batchSubProxy),
    ...batch.of("read_", KIND.READ, READ),
    ...batch.of("write_", KIND.WRITE, WRITE),
    ...batch.of("delete_", KIND.DELETE, READ),
    ...batch.of("udf_", KIND.UDF, UDF),
    ...batch.language(),
    ...zeros("from_proxy_batch_sub_tsvc_", "error timeout"),
    ...zeros("from_proxy_batch_sub_read_", READ),
    ...zeros("from_proxy_batch_sub_write_", WRITE),
    ...zeros("from_proxy_batch_sub_delete_", READ),
    ...zeros("from_proxy_batch_sub_udf_", UDF),
    ...zeros("from_proxy_batch_sub_lang_", LANG),
    ...queryUdf.tsvc(),
    ...queryUdf.of("udf_", KIND.UDF, UDF),
    ...queryUdf.language(),
    ...queryOps.tsvc(),
    ...queryOps.of("write_", KIND.WRITE, WRITE),
  ];
}

const OUTCOMES: Readonly<Record<string, number>> = {
  success: OUTCOME.SUCCESS,
  complete: OUTCOME.SUCCESS,
  error: OUTCOME.ERROR,
  timeout: OUTCOME.TIMEOUT,
  not_found: OUTCOME.NOT_FOUND,
  filtered_out: OUTCOME.FILTERED_OUT,
};

function counted({ stats }: Namespace, origin: Origin, prefix: string) {
  return {
    tsvc: (): Statistic[] => [
      [`${prefix}tsvc_error`, stats.tsvcError[origin]],
      [`${prefix}tsvc_timeout`, stats.tsvcTimeout[origin]],
    ],
    language: (): Statistic[] => [
      [`${prefix}lang_read_success`, stats.udfLanguage.read[origin]],
      [`${prefix}lang_write_success`, stats.udfLanguage.write[origin]],
      [`${prefix}lang_delete_success`, stats.udfLanguage.delete[origin]],
      [`${prefix}lang_error`, stats.udfLanguage.error[origin]],
    ],
    of: (name: string, kind: Kind, outcomes: string): Statistic[] =>
      outcomes.split(" ").map((
        outcome,
      ) => [prefix + name + outcome, stats.count(origin, kind, OUTCOMES[outcome])]),
  };
}

function proxyCounts(prefix: string, { complete, error, timeout }: ProxyCounts): Statistic[] {
  return [[`${prefix}complete`, complete], [`${prefix}error`, error], [`${prefix}timeout`, timeout]];
}

/** Kinds of requests in the names of retransmits. */
const KIND_NAMES = [["read", KIND.READ], ["write", KIND.WRITE], ["delete", KIND.DELETE], [
  "udf",
  KIND.UDF,
]] as const;

function repeatStatistics({ peerStats }: Namespace): Statistic[] {
  const { dupResRetransmits: dupRes, replWriteRetransmits: replWrite } = peerStats;
  const { CLIENT, BATCH, QUERY_OPS, QUERY_UDF, FROM_PROXY } = ORIGIN;
  // Requests that other nodes sent on count among those of clients.
  const all = (counts: Float64Array, kind: Kind) =>
    counts[retransmitSlot(CLIENT, kind)] + counts[retransmitSlot(FROM_PROXY, kind)];
  const kinds = (prefix: string, suffix: string, count: (kind: Kind) => number, from: number): Statistic[] =>
    KIND_NAMES.slice(from).map(([name, kind]) => [`retransmit_${prefix}${name}_${suffix}`, count(kind)]);
  return [
    ["dup_res_ask", peerStats.dupResAsk],
    ["dup_res_respond_read", peerStats.dupResRespondRead],
    ["dup_res_respond_no_read", peerStats.dupResRespondNoRead],
    ...kinds("all_", "dup_res", (kind) => all(dupRes, kind), 0),
    ...kinds("all_batch_sub_", "dup_res", (kind) => dupRes[retransmitSlot(BATCH, kind)], 0),
    ["retransmit_udf_sub_dup_res", dupRes[retransmitSlot(QUERY_UDF, KIND.UDF)]],
    ["retransmit_ops_sub_dup_res", dupRes[retransmitSlot(QUERY_OPS)]],
    ...zeros("retransmit_", "all_read_repl_ping all_batch_sub_read_repl_ping"),
    ...kinds("all_", "repl_write", (kind) => all(replWrite, kind), 1),
    ...kinds("all_batch_sub_", "repl_write", (kind) => replWrite[retransmitSlot(BATCH, kind)], 1),
    ["retransmit_udf_sub_repl_write", replWrite[retransmitSlot(QUERY_UDF, KIND.UDF)]],
    ["retransmit_ops_sub_repl_write", replWrite[retransmitSlot(QUERY_OPS)]],
  ];
}

function queryStatistics({ queries }: AerieNode, { indexes, settings }: Namespace): Statistic[] {
  const counts = queries.stats(settings.name).entries();
  const geo = Object.entries(indexes.geoStats);
  return [...counts, ...geo.map(([name, count]): Statistic => [`geo_region_query_${name}`, count])];
}

function otherStatistics({ stats, peerStats }: Namespace): Statistic[] {
  return [
    ...zeros("read_touch_", "tsvc_error tsvc_timeout"),
    ["read_touch_success", stats.readTouchSuccess],
    ["read_touch_error", stats.readTouchError],
    ["read_touch_timeout", 0],
    ["read_touch_skip", stats.readTouchSkip],
    ...zeros("re_repl_", "tsvc_error tsvc_timeout"),
    ["re_repl_success", peerStats.reReplSuccess],
    ["re_repl_error", peerStats.reReplError],
    ["re_repl_timeout", peerStats.reReplTimeout],
    ...["verify_read", "roll_forward", "monitor_roll_forward", "roll_back", "monitor_roll_back"].flatMap((
      step,
    ) => zeros(`mrt_${step}_`, "success error timeout")),
    ["fail_xdr_forbidden", stats.failXdrForbidden],
    ["fail_key_busy", stats.failKeyBusy],
    ["fail_xdr_key_busy", 0],
    ["fail_generation", stats.failGeneration],
    ["fail_record_too_big", stats.failRecordTooBig],
    ...zeros("fail_", "client_lost_conflict xdr_lost_conflict mrt_blocked mrt_version_mismatch"),
    ["deleted_last_bin", stats.deletedLastBin],
    ["mrt_monitor_roll_tombstone_creates", 0],
    ["ttl_reductions_ignored", stats.ttlReductionsIgnored],
    ["ttl_reductions_applied", stats.ttlReductionsApplied],
  ];
}
