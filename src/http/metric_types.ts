/**
 * Which statistics are gauges; all others only grow and are counters. Source: server-operations reference, section 10.2.
 *
 * @module
 */

/** Kinds of metrics by the middle of their names. */
export type MetricGroup = "node_stats" | "namespace" | "sets" | "sindex";

/** Names whose values look like numbers at times and are none. */
export const NAMES_WITHOUT_METRIC: ReadonlySet<string> = new Set([
  "cluster_key",
  "cluster_principal",
  "paxos_principal",
  "node-id",
  "cluster-name",
]);

const NODE_GAUGES = words(`
  admin_connections batch_index_proto_compression_ratio batch_index_proto_uncompressed_pct batch_index_queue
  batch_index_unused_buffers client_connections cluster_clock_skew_ms cluster_clock_skew_stop_writes_sec
  cluster_integrity cluster_is_member cluster_max_compatibility_id cluster_min_compatibility_id cluster_size
  fabric_bulk_recv_rate fabric_bulk_send_rate fabric_connections fabric_ctrl_recv_rate fabric_ctrl_send_rate
  fabric_meta_recv_rate fabric_meta_send_rate fabric_rw_recv_rate fabric_rw_send_rate failed_best_practices
  heap_active_kbytes heap_allocated_kbytes heap_efficiency_pct heap_mapped_kbytes heap_site_count
  heartbeat_connections host_free_mem_kbytes host_free_mem_pct info_queue long_queries_active migrate_allowed
  migrate_partitions_remaining objects process_cpu_pct proxy_in_progress rw_in_progress system_free_mem_kbytes
  system_free_mem_pct system_kernel_cpu_pct system_thp_mem_kbytes system_total_cpu_pct system_user_cpu_pct
  threads_detached threads_joinable threads_pool_active threads_pool_total time_since_rebalance tombstones
  tree_gc_queue uptime`);

const NAMESPACE_GAUGES = words(`
  appeals_rx_active appeals_tx_active appeals_tx_remaining auto_revived_partitions cache_read_pct
  clock_skew_stop_writes current_time data_avail_pct data_compression_ratio data_total_bytes data_used_bytes
  data_used_pct dead_partitions effective_active_rack effective_is_quiesced effective_prefer_uniform_balance
  effective_replication_factor evict_ttl evict_void_time fail_mrt_blocked fail_mrt_version_mismatch
  geo_region_query_falsepos geo_region_query_points hwm_breached index_used_bytes indexes_memory_used_pct
  master_objects master_tombstones migrate_fresh_partitions migrate_rx_instances migrate_rx_partitions_active
  migrate_rx_partitions_initial migrate_rx_partitions_remaining migrate_signals_active migrate_signals_remaining
  migrate_tx_instances migrate_tx_partitions_active migrate_tx_partitions_imbalance migrate_tx_partitions_initial
  migrate_tx_partitions_lead_remaining migrate_tx_partitions_remaining mrt_monitor_roll_back_error
  mrt_monitor_roll_back_success mrt_monitor_roll_back_timeout mrt_monitor_roll_forward_error
  mrt_monitor_roll_forward_success mrt_monitor_roll_forward_timeout mrt_monitor_roll_tombstone_creates mrt_monitors
  mrt_monitors_active mrt_provisionals mrt_roll_back_error mrt_roll_back_success mrt_roll_back_timeout
  mrt_roll_forward_error mrt_roll_forward_success mrt_roll_forward_timeout mrt_verify_read_error
  mrt_verify_read_success mrt_verify_read_timeout nodes_quiesced non_expirable_objects non_replica_objects
  non_replica_tombstones ns_cluster_size nsup_cycle_deleted_pct nsup_cycle_duration objects pending_quiesce
  prole_objects prole_tombstones query_proto_compression_ratio query_proto_uncompressed_pct
  record_proto_compression_ratio record_proto_uncompressed_pct set_index_used_bytes sindex_used_bytes
  smd_evict_void_time stop_writes storage-engine.device.age storage-engine.device.defrag_q
  storage-engine.device.free_wblocks storage-engine.device.used_bytes storage-engine.device.write_q
  storage-engine.device.shadow_write_q storage-engine.file.age storage-engine.file.defrag_q
  storage-engine.file.free_wblocks storage-engine.file.shadow_write_q storage-engine.file.used_bytes
  storage-engine.file.write_q storage-engine.stripe.defrag_q storage-engine.stripe.free_wblocks
  storage-engine.stripe.used_bytes tombstones truncate_lut truncating ttl_reductions_applied ttl_reductions_ignored
  unavailable_partitions unreplicated_records xdr_bin_cemeteries xdr_tombstones xmem_id`);

const GAUGES: Readonly<Record<MetricGroup, ReadonlySet<string> | undefined>> = {
  node_stats: NODE_GAUGES,
  namespace: NAMESPACE_GAUGES,
  // All that a set tells is a present value.
  sets: undefined,
  sindex: undefined,
};

/** Whether a statistic may go down as well as up. */
export function isGauge(group: MetricGroup, name: string): boolean {
  return GAUGES[group]?.has(name) ?? true;
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}
