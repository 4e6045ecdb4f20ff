/**
 * A server that answers from a recording: what the tests of the replay talk to, so that the replay itself is proved
 * before it judges anybody. Time is moved: void-times in its answers are as if the recording were made now.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, toHex } from "../../src/base/mod.ts";
import { isQuery } from "./request_kinds.ts";
import { INFO3, PROTO_HEADER_SIZE, PROTO_TYPE_AS_MSG } from "../../src/wire/mod.ts";
import {
  concat,
  decodeMessages,
  encodeMessage,
  frameBody,
  frameOf,
  frameSizeBytes,
  frameType,
} from "./message.ts";
import type { Exchange } from "./recording.ts";

/** A running stub. */
export interface StubServer {
  /** Where it listens. */
  port: number;
  /** Stops listening and ends all connections. */
  close(): void;
}

/** Changes an answer before it is sent. */
export type Damage = (exchange: Exchange, frames: Uint8Array[]) => Uint8Array[];

/**
 * Listens on a free port of loopback and answers each request with the next recorded answer to the same bytes.
 *
 * @param exchanges the recording
 * @param options by how many seconds to move void-times, as a function of the request; damage to do
 */
export function serveRecording(
  exchanges: readonly Exchange[],
  options: { shiftS: (seq: number) => number; damage?: Damage },
): StubServer {
  const queues = Map.groupBy(exchanges, (exchange) => withoutLut(exchange.request));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const answer = (request: Uint8Array): Uint8Array => {
    const exchange = queues.get(withoutLut(request))?.shift();
    if (exchange === undefined) throw new Error("request is not in the recording");
    const frames = withLast(exchange).map((frame) => shifted(frame, options.shiftS(exchange.seq)));
    return concat(options.damage?.(exchange, frames) ?? frames);
  };
  const serve = async () => {
    for await (const conn of listener) {
      connections.add(conn);
      void serveConnection(conn, answer).catch(() => {}).finally(() => {
        if (connections.delete(conn)) conn.close();
      });
    }
  };
  void serve();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    close() {
      listener.close();
      for (const conn of connections) conn.close();
      connections.clear();
    },
  };
}

/** The seconds of now in the epoch of void-times. */
export function voidTimeNowS(): number {
  return Math.floor(Date.now() / 1000) - CITRUSLEAF_EPOCH_S;
}

function withoutLut(request: Uint8Array): string {
  if (frameType(request) === PROTO_TYPE_AS_MSG) return toHex(request);
  return new TextDecoder().decode(frameBody(request)).replace(/lut=\d+/, "lut=");
}

/** The recorded client left some scans before they ended; a server ends them. */
function withLast(exchange: Exchange): Uint8Array[] {
  if (frameType(exchange.request) !== PROTO_TYPE_AS_MSG) return exchange.replies;
  const [request] = decodeMessages(frameBody(exchange.request));
  if (!isQuery(request)) return exchange.replies;
  const last = decodeMessages(frameBody(exchange.replies[exchange.replies.length - 1])).at(-1);
  if (last === undefined || (last.info3 & INFO3.LAST) !== 0 || last.result !== 0) return exchange.replies;
  const end = { ...last, info3: INFO3.LAST, generation: 0, ttl: 0, fields: [], ops: [] };
  return [...exchange.replies, frameOf(encodeMessage(end))];
}

function shifted(frame: Uint8Array, shiftS: number): Uint8Array {
  if (frameType(frame) !== PROTO_TYPE_AS_MSG) return frame;
  const messages = decodeMessages(frameBody(frame)).map((message) =>
    encodeMessage(message.ttl === 0 ? message : { ...message, ttl: message.ttl + shiftS })
  );
  return frameOf(concat(messages));
}

async function serveConnection(
  conn: Deno.Conn,
  answer: (request: Uint8Array) => Uint8Array,
): Promise<void> {
  let input = new Uint8Array();
  const chunk = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await conn.read(chunk);
    if (count === null) return;
    input = concat([input, chunk.slice(0, count)]) as Uint8Array<ArrayBuffer>;
    while (input.length >= PROTO_HEADER_SIZE && input.length >= frameSizeBytes(input)) {
      const sizeBytes = frameSizeBytes(input);
      const reply = answer(input.slice(0, sizeBytes));
      input = input.slice(sizeBytes);
      for (let at = 0; at < reply.length;) at += await conn.write(reply.subarray(at));
    }
  }
}
