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
export * from "./proto.ts";
export * from "./reply.ts";
export * from "./reply_decode.ts";
export * from "./request_encode.ts";
export * from "./security.ts";
