/**
 * Messages that wait for a connection of one peer and channel. They lie encoded one after the other in chunks, of which
 * a connection takes one at a time, so that many small messages leave in one write without being copied again.
 *
 * Membership messages (clustering, exchange) have a row of their own, which goes first: thousands of migration messages
 * on the same channel must not delay them, nor use up their room.
 *
 * @module
 */

import {
  assert,
  ByteBuffer,
  FABRIC_QUEUE_COUNT_MAX,
  FABRIC_QUEUE_SIZE_MAX,
  FABRIC_RESEND_COUNT_MAX,
  FABRIC_SPARE_CHUNK_COUNT_MAX,
  FABRIC_WRITE_SIZE_MAX,
  readU32,
} from "../base/mod.ts";
import {
  encodePeerMessage,
  PEER_HEADER_SIZE,
  PEER_MESSAGE,
  type PeerMessage,
  peerMessageType,
} from "../wire/mod.ts";

/** Messages that leave in one write. */
export interface FabricChunk {
  /** Whole messages, one after the other. */
  readonly buffer: ByteBuffer;
  /** How many. */
  messageCount: number;
  /** Times that a connection broke while it sent them. */
  resendCount: number;
  /** Of the row that goes first. */
  isUrgent: boolean;
}

interface Row {
  chunks: FabricChunk[];
  count: number;
  sizeBytes: number;
}

/** A message, or its bytes with the header. */
export type FabricPayload = PeerMessage | Uint8Array;

/** See the head of the file. */
export class FabricQueue {
  readonly #urgent: Row = { chunks: [], count: 0, sizeBytes: 0 };
  readonly #plain: Row = { chunks: [], count: 0, sizeBytes: 0 };
  readonly #spare: FabricChunk[] = [];

  /** Messages that wait. */
  get count(): number {
    return this.#urgent.count + this.#plain.count;
  }

  /** Their bytes. */
  get sizeBytes(): number {
    return this.#urgent.sizeBytes + this.#plain.sizeBytes;
  }

  /**
   * Adds a message; bytes are copied.
   *
   * @returns its size, 0 when the queue is full
   */
  add(payload: FabricPayload): number {
    const isUrgent = isMembership(payload);
    const row = isUrgent ? this.#urgent : this.#plain;
    if (row.count >= FABRIC_QUEUE_COUNT_MAX || row.sizeBytes >= FABRIC_QUEUE_SIZE_MAX) return 0;
    const chunk = this.#open(row, isUrgent);
    const { buffer } = chunk;
    const before = buffer.length;
    if (payload instanceof Uint8Array) {
      assert(readU32(payload, 0) === payload.length - PEER_HEADER_SIZE, "A payload is one whole message");
      buffer.append(payload);
    } else encodePeerMessage(payload, buffer);
    chunk.messageCount++;
    row.count++;
    row.sizeBytes += buffer.length - before;
    return buffer.length - before;
  }

  /** Takes what goes next; undefined when nothing waits. */
  take(): FabricChunk | undefined {
    const row = this.#urgent.chunks.length > 0 ? this.#urgent : this.#plain;
    const chunk = row.chunks.shift();
    if (chunk !== undefined) count(row, chunk, -1);
    return chunk;
  }

  /**
   * Puts messages first in their row again: their connection broke before they were with the system.
   *
   * @returns false when they were sent often enough and are dropped
   */
  putBack(chunk: FabricChunk): boolean {
    if (++chunk.resendCount > FABRIC_RESEND_COUNT_MAX) {
      this.recycle(chunk);
      return false;
    }
    const row = chunk.isUrgent ? this.#urgent : this.#plain;
    row.chunks.unshift(chunk);
    count(row, chunk, 1);
    return true;
  }

  /** Gives the memory of messages back that are sent. */
  recycle(chunk: FabricChunk): void {
    if (this.#spare.length >= FABRIC_SPARE_CHUNK_COUNT_MAX) return;
    chunk.buffer.reset(FABRIC_WRITE_SIZE_MAX);
    chunk.messageCount = chunk.resendCount = 0;
    this.#spare.push(chunk);
  }

  /** Drops everything. @returns how many messages that were */
  clear(): number {
    const dropped = this.count;
    for (const row of [this.#urgent, this.#plain]) {
      row.chunks = [];
      row.count = row.sizeBytes = 0;
    }
    this.#spare.length = 0;
    return dropped;
  }

  #open(row: Row, isUrgent: boolean): FabricChunk {
    const last = row.chunks.at(-1);
    if (last !== undefined && last.resendCount === 0 && last.buffer.length < FABRIC_WRITE_SIZE_MAX) {
      return last;
    }
    const chunk = this.#spare.pop() ??
      { buffer: new ByteBuffer(256), messageCount: 0, resendCount: 0, isUrgent };
    chunk.isUrgent = isUrgent;
    row.chunks.push(chunk);
    return chunk;
  }
}

function count(row: Row, chunk: FabricChunk, sign: 1 | -1): void {
  row.count += sign * chunk.messageCount;
  row.sizeBytes += sign * chunk.buffer.length;
}

function isMembership(payload: FabricPayload): boolean {
  if (!(payload instanceof Uint8Array)) return payload.type === "clustering" || payload.type === "exchange";
  const type = peerMessageType(payload, 0);
  return type === PEER_MESSAGE.CLUSTERING || type === PEER_MESSAGE.EXCHANGE;
}
