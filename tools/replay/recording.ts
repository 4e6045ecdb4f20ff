/**
 * Recorded client traffic: gzip-compressed JSON Lines, one exchange per line, bytes in hexadecimal.
 *
 * @module
 */

import { fromHex } from "../../src/base/mod.ts";

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
 * @returns the exchanges in the order in which the requests were sent
 */
export async function readRecording(path: string | URL): Promise<Exchange[]> {
  const file = await Deno.open(path);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  const exchanges = text.trimEnd().split("\n").map((line) => {
    const { seq, conn, q, r } = JSON.parse(line) as Line;
    return { seq, conn, request: fromHex(q), replies: r.map(fromHex) };
  });
  return exchanges.sort((left, right) => left.seq - right.seq);
}
