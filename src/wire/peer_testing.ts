/**
 * The recording of a stock cluster, for tests and for the tool that prints it.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { gunzipSync, inflateSync } from "node:zlib";

/** One line of the recording. */
export interface RecordedPeerMessage {
  /** Seconds since the first node started. */
  t: number;
  /** Connection number. */
  conn: number;
  /** Which service the connection belongs to. */
  port: "heartbeat" | "fabric";
  /** The node that listens, when it receives. */
  to?: string;
  /** The node that listens, when it sends. */
  from?: string;
  /** Which way. */
  dir: "to-listener" | "from-listener";
  /** Message type of the envelope. */
  type: number;
  /** Whole message with its header. */
  hex: string;
}

/** Where the recording is. */
export const STOCK_CLUSTER_RECORDING: URL = new URL(
  "../../testdata/captures/stock-cluster.jsonl.gz",
  import.meta.url,
);

/** All messages of a recording in their order. */
export function* recordedPeerMessages(
  file: URL | string = STOCK_CLUSTER_RECORDING,
): Generator<RecordedPeerMessage> {
  for (const line of gunzipSync(readFileSync(file)).toString().split("\n")) {
    if (line !== "") yield JSON.parse(line);
  }
}

/** Inflate with a limit, as the platform's. */
export function testInflate(source: Uint8Array, sizeMaxBytes: number): Uint8Array | undefined {
  try {
    return inflateSync(source, { maxOutputLength: sizeMaxBytes });
  } catch {
    return undefined;
  }
}
