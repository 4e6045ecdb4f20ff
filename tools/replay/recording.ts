/**
 * Recorded client traffic: gzip-compressed JSON Lines, one exchange per line, bytes in hexadecimal.
 *
 * @module
 */

import { equalBytes, fromHex, readU32 } from "../../src/base/mod.ts";
import { INFO2, PROTO_HEADER_SIZE, PROTO_TYPE_AS_MSG } from "../../src/wire/mod.ts";

/** One request and the frames that answered it. */
export interface Exchange {
  /** Position in the order of requests, from 1. */
  seq: number;
  /** Which connection carried it. */
  conn: number;
  /** The request frame with its 8-byte header. */
  request: Uint8Array;
  /** The reply frames with their headers, in the order of arrival. */
  replies: Uint8Array[];
}

interface Line {
  seq: number;
  conn: number;
  q: string;
  r: string[];
}

/** The recording of the official Node client's own test suite against a stock Community node. */
export const CLIENT_SUITE_RECORDING: URL = new URL(
  "../../testdata/captures/stock-client-suite.jsonl.gz",
  import.meta.url,
);

/**
 * Reads a recording.
 *
 * @param path file in the format above
 * @returns the exchanges in the order in which the server took the requests, as far as the recording shows it
 */
export async function readRecording(path: string | URL): Promise<Exchange[]> {
  const file = await Deno.open(path);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  const exchanges = text.trimEnd().split("\n").map((line) => {
    const { seq, conn, q, r } = JSON.parse(line) as Line;
    return { seq, conn, request: fromHex(q), replies: r.map(fromHex) };
  });
  return asServed(exchanges.sort((left, right) => left.seq - right.seq));
}

/**
 * Requests that were under way at the same time on several connections may have been served in another order than they
 * were sent. For equal writes of one record the generations of their replies tell that order.
 */
function asServed(exchanges: readonly Exchange[]): Exchange[] {
  const ordered: Exchange[] = [];
  for (let from = 0; from < exchanges.length;) {
    let to = from + 1;
    while (to < exchanges.length && isSameRequest(exchanges[from], exchanges[to])) to++;
    const run = exchanges.slice(from, to);
    ordered.push(...(run.every(isWrite) ? run.sort((a, b) => generationOf(a) - generationOf(b)) : run));
    from = to;
  }
  return ordered;
}

function isSameRequest(left: Exchange, right: Exchange): boolean {
  const sizeBytes = left.request.length;
  return sizeBytes === right.request.length && equalBytes(left.request, 0, right.request, 0, sizeBytes);
}

const INFO2_AT = PROTO_HEADER_SIZE + 2;
const GENERATION_AT = PROTO_HEADER_SIZE + 6;

function isWrite(exchange: Exchange): boolean {
  return exchange.request[1] === PROTO_TYPE_AS_MSG && (exchange.request[INFO2_AT] & INFO2.WRITE) !== 0;
}

function generationOf(exchange: Exchange): number {
  return readU32(exchange.replies[0], GENERATION_AT);
}
