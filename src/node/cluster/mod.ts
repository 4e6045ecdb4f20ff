/**
 * A node's part in its cluster: the protocols of `src/cluster/` on the ports of the process, and what follows for the
 * namespaces. Leaves out replicas (`transaction/`) and migrations (`partition/migration/`), which register their
 * messages and listen here. Read `runtime.ts`, then `membership.ts`.
 *
 * @module
 */
export { ClientFence, type FenceReason, type FenceWaiter } from "./client_fence.ts";
export type { ClusterListener } from "./cluster_listener.ts";
export { CommittedCluster } from "./committed_cluster.ts";
export { parseSeed } from "./cluster_settings.ts";
export { type ChannelRate, FabricRates, RATE_CHANNELS } from "./fabric_rates.ts";
export { type RemainingMigrations, remainingMigrations } from "./migration_counts.ts";
export { OwnState } from "./own_state.ts";
export { type PeerMessageHandler, PeerMessages } from "./peer_messages.ts";
export { type PeerService, PeerServices, type PeerServicesOptions } from "./peer_services.ts";
export { ClusterRuntime, type ClusterRuntimeOptions } from "./runtime.ts";
