/**
 * Bytes to messages and back: framing, record messages, batch, info, security messages, msgpack. Decoders work on views
 * and never copy; nothing here knows what a message means. Read `constants.ts`, then `message.ts`.
 *
 * @module
 */
export * from "./constants.ts";
