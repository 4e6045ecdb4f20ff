/**
 * How nodes become a cluster. Each protocol is a step function: an event and the time go in, effects come out; no
 * clocks, timers or sockets there. The connections between nodes are `fabric.ts` and `mesh_transport.ts`, on the ports.
 * Leaves out bytes (`wire/` has the codecs) and what follows from a membership (`partition/`). Read docs/cluster.md, then
 * `clustering.ts` and `clustering_decisions.ts`.
 *
 * @module
 */
export type { AdjacentNode } from "./adjacency.ts";
export * from "./clique.ts";
export {
  Clustering,
  type ClusteringOptions,
  type ClusteringRole,
  type ClusteringView,
} from "./clustering.ts";
export { type ClusteringIntervals, deriveIntervals } from "./clustering_intervals.ts";
export type { QuantumFault } from "./clustering_quantum.ts";
export * from "./clustering_types.ts";
export { clusteringFromWire, clusteringToWire } from "./clustering_wire.ts";
export { Exchange, type ExchangeOptions } from "./exchange.ts";
export * from "./exchange_types.ts";
export { Fabric } from "./fabric.ts";
export {
  combineEvidence,
  type DeathDecision,
  type DeathQuestion,
  decideDeath,
  type EvidenceReport,
  type ProcessEvidence,
} from "./fabric_death.ts";
export type * from "./fabric_types.ts";
export { Heartbeat } from "./heartbeat.ts";
export {
  deriveHeartbeatTimes,
  type HeartbeatSettings,
  type HeartbeatTimes,
  multicastNodeCountMax,
} from "./heartbeat_timing.ts";
export type {
  AttemptId,
  ConnectFailure,
  ConnectionId,
  DropReason,
  HeartbeatEffect,
  HeartbeatEvent,
  HeartbeatIdentity,
  HeartbeatNow,
  HeartbeatOptions,
  HeartbeatStatistics,
  PeerLink,
} from "./heartbeat_types.ts";
export * from "./hlc.ts";
export { MeshTransport, type MeshTransportOptions, type MeshTransportStatistics } from "./mesh_transport.ts";
export {
  type HeartbeatGroups,
  HeartbeatRunner,
  type HeartbeatRunnerOptions,
} from "./mesh_transport_runner.ts";
export type { MeshPeer } from "./mesh_types.ts";
export * from "./node_id.ts";
export { type Seed, type SeedAddress, type SeedTarget, seedText } from "./seeds.ts";
export { type Skew, type SkewConsequence, skewConsequence, type SkewLimits, skewLimits } from "./skew.ts";
export { Smd, type SmdOptions } from "./smd.ts";
export { changeItem, mergeContents, mergeItems, type SmdChange } from "./smd_merge.ts";
export type { SmdPhase } from "./smd_principal.ts";
export { decodeSmdFile, encodeSmdFile, SmdStore } from "./smd_store.ts";
export * from "./smd_types.ts";
