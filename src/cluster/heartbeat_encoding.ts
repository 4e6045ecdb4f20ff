/**
 * Heartbeat messages as bytes to send: plain, or compressed above a threshold when that makes them smaller.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import type { Compute } from "../port/mod.ts";
import {
  encodeCompressedHeartbeat,
  encodeHeartbeat,
  type HeartbeatMessage,
  PEER_HEADER_SIZE,
} from "../wire/mod.ts";

/** See the head of the file. */
export class HeartbeatEncoder {
  /** Messages that were compressed. */
  compressedCount = 0;
  readonly #compute: Compute;
  readonly #thresholdBytes: () => number;
  readonly #scratch = new ByteBuffer();

  /** @param thresholdBytes messages above this size are compressed; asked for each time, because settings change */
  constructor(compute: Compute, thresholdBytes: () => number) {
    this.#compute = compute;
    this.#thresholdBytes = thresholdBytes;
  }

  /** Each message has bytes of its own: sockets hold them until the system has them. */
  encode(message: HeartbeatMessage): Uint8Array {
    const scratch = this.#scratch;
    scratch.reset();
    encodeHeartbeat(message, scratch);
    const plainBytes = scratch.length;
    if (plainBytes <= this.#thresholdBytes() || plainBytes <= PEER_HEADER_SIZE) return scratch.toBytes();
    const out = new ByteBuffer(plainBytes);
    encodeCompressedHeartbeat(scratch.view(), { deflate: (source) => this.#compute.deflate(source), out });
    if (out.length >= plainBytes) return scratch.toBytes();
    this.compressedCount++;
    return out.view();
  }
}
