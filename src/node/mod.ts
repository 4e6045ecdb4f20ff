/**
 * Puts a node together: order of start and stop, connections, dispatch, info commands, statistics. Read `node.ts`, then
 * `session.ts` and `dispatch.ts`.
 *
 * @module
 */
export * from "./cluster/mod.ts";
export * from "./identity.ts";
export { serviceEndpoints } from "./info_addresses.ts";
export { userAgentCounts } from "./info_cluster.ts";
export { sindexStatistics } from "./info_sindex.ts";
export * from "./info_commands.ts";
export * from "./info_reference.ts";
export * from "./info_row.ts";
export * from "./job.ts";
export * from "./latencies.ts";
export * from "./listeners.ts";
export * from "./node.ts";
export * from "./node_stats.ts";
export * from "./session.ts";
export * from "./statistics.ts";
export * from "./statistics_namespace.ts";
export * from "./statistics_sets.ts";
