/**
 * One client request from arrival to reply: read, write, delete, operate, batch. A transaction runs to its end in one
 * go or is suspended, and then starts again from its request. Leaves out where records are (storage), who owns them
 * (partition) and how requests arrive (node). Read `run.ts`, then `write.ts` and `context.ts`.
 *
 * @module
 */
export * from "./batch.ts";
export * from "./causes.ts";
export * from "./context.ts";
export * from "./deferral.ts";
export * from "./filter.ts";
export * from "./in_flight.ts";
export * from "./peer_stats.ts";
export * from "./peer_types.ts";
export * from "./peers.ts";
export * from "./read.ts";
export * from "./refusal_log.ts";
export type { ReplicaWrite } from "./replica_write.ts";
export * from "./remove.ts";
export * from "./run.ts";
export * from "./stats.ts";
export * from "./ttl.ts";
export { argumentsOf, FAILURE, isArgumentList, liveRecord, runUdf, SUCCESS } from "./udf.ts";
export { runWrite } from "./write.ts";
