/**
 * Bytes to messages and back: framing, record messages, batch, info, security messages, msgpack. Decoders work on views
 * and never copy; nothing here knows what a message means. Read `constants.ts`, then `message.ts` and `reply.ts`.
 *
 * @module
 */
export * from "./batch.ts";
export * from "./constants.ts";
export * from "./info.ts";
export * from "./message.ts";
export * from "./msgpack.ts";
export * from "./peer_clustering.ts";
export * from "./peer_endpoints.ts";
export * from "./peer_envelope.ts";
export * from "./peer_evidence.ts";
export * from "./peer_recluster.ts";
export * from "./peer_exchange.ts";
export * from "./peer_fabric.ts";
export * from "./peer_heartbeat.ts";
export * from "./peer_ids.ts";
export * from "./peer_message.ts";
export * from "./peer_lineage.ts";
export * from "./peer_migrate.ts";
export * from "./peer_msgpack.ts";
export * from "./peer_node_list.ts";
export * from "./peer_partition_version.ts";
export * from "./peer_proxy.ts";
export * from "./peer_rw.ts";
export * from "./peer_smd.ts";
export * from "./peer_truncation.ts";
export * from "./proto.ts";
export * from "./reply.ts";
export * from "./reply_decode.ts";
export * from "./request_encode.ts";
export * from "./security.ts";
