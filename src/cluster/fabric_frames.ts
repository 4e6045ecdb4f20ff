/**
 * Cuts a stream of bytes into peer messages, wherever the stream was cut before. A message that arrived whole is shown
 * where it lies; only what is left over is copied, and never more room is made than for bytes that are there.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import { peerFrameEnd } from "../wire/mod.ts";

/** Room that a connection keeps for the rest of a message while it waits. */
const KEPT_ROOM_BYTES = 2048;

/** What {@linkcode PeerFrames.next} found: a whole message, no more of them, or an announcement above the limit. */
export type FrameResult = "message" | "more" | "too-large";

/**
 * The messages of one stream. Use: `open(bytes)`, `next()` until it gives no message, `close()`; in between `bytes`,
 * `at` and `end` show the message.
 */
export class PeerFrames {
  /** Holds the message; lent until `close`. */
  bytes: Uint8Array = EMPTY;
  /** Start of the message. */
  at = 0;
  /** End of the message. */
  end = 0;
  readonly #kept = new ByteBuffer(0);
  /** One object for all messages: this runs for each of them. */
  readonly #limits: { end: number; bodySizeMaxBytes: number };
  #next = 0;
  #isLent = false;

  /** @param bodySizeMaxBytes largest body that is taken */
  constructor(bodySizeMaxBytes: number) {
    this.#limits = { end: 0, bodySizeMaxBytes };
  }

  /** Largest body that is taken; may be changed between messages. */
  set bodySizeMaxBytes(sizeBytes: number) {
    this.#limits.bodySizeMaxBytes = sizeBytes;
  }

  /** Bytes that wait for the rest of a message, or to be looked at. */
  get keptBytes(): number {
    return this.#kept.length;
  }

  /**
   * Looks at what was kept, and at new bytes after it.
   *
   * @param bytes lent until `close`
   */
  open(bytes: Uint8Array): void {
    this.#isLent = this.#kept.length === 0;
    if (!this.#isLent) this.#kept.append(bytes);
    this.bytes = this.#isLent ? bytes : this.#kept.bytes;
    this.#limits.end = this.#isLent ? bytes.length : this.#kept.length;
    this.#next = 0;
  }

  /** Goes to the next message. */
  next(): FrameResult {
    const end = peerFrameEnd(this.bytes, this.#next, this.#limits);
    if (end <= 0) return end === 0 ? "more" : "too-large";
    this.at = this.#next;
    this.end = this.#next = end;
    return "message";
  }

  /** Keeps what was not shown. */
  close(): void {
    if (this.#isLent) this.#kept.append(this.bytes, this.#next, this.#limits.end);
    else this.#kept.consume(this.#next);
    if (this.#kept.length === 0) this.#kept.reset(KEPT_ROOM_BYTES);
    this.bytes = EMPTY;
    this.#limits.end = this.#next = 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#kept.reset(0);
    this.bytes = EMPTY;
    this.#limits.end = this.#next = 0;
    this.#isLent = false;
  }
}

const EMPTY = new Uint8Array(0);
