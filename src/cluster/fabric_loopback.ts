/**
 * Messages of a node to itself: no connection, but the same order, limits and share of the event loop as those of others,
 * and never delivered inside the call that sends them.
 *
 * @module
 */

import { FABRIC_BODY_SIZE_MAX } from "../base/mod.ts";
import { PeerFrames } from "./fabric_frames.ts";
import { type FabricChunk, type FabricPayload, FabricQueue } from "./fabric_queue.ts";
import type { FabricTurns, TurnWork } from "./fabric_turns.ts";

/** One channel of a node to itself. */
export class FabricLoopback implements TurnWork {
  readonly #queue = new FabricQueue();
  readonly #frames = new PeerFrames(FABRIC_BODY_SIZE_MAX);
  readonly #channel: number;
  readonly #turns: FabricTurns;
  readonly #deliver: (channel: number, frames: PeerFrames) => void;
  /** The chunk that is being delivered; a turn may end within it. */
  #chunk: FabricChunk | undefined;
  #isDeferred = false;

  constructor(
    channel: number,
    turns: FabricTurns,
    deliver: (channel: number, frames: PeerFrames) => void,
  ) {
    this.#channel = channel;
    this.#turns = turns;
    this.#deliver = deliver;
  }

  /** Messages that wait. */
  get count(): number {
    return this.#queue.count;
  }

  /** Adds a message. @returns its size, 0 when too many wait */
  add(payload: FabricPayload): number {
    const sizeBytes = this.#queue.add(payload);
    if (sizeBytes > 0) this.#defer();
    return sizeBytes;
  }

  /** Drops what waits. */
  clear(): void {
    this.#queue.clear();
    this.#frames.clear();
    this.#chunk = undefined;
  }

  work(deadlineMs: number): void {
    this.#isDeferred = false;
    do {
      if (this.#chunk === undefined) {
        this.#chunk = this.#queue.take();
        if (this.#chunk === undefined) return;
        this.#frames.open(this.#chunk.buffer.view());
      }
      const chunk = this.#chunk;
      if (this.#frames.next() === "message") this.#deliver(this.#channel, this.#frames);
      else {
        this.#frames.close();
        this.#chunk = undefined;
        this.#queue.recycle(chunk);
      }
    } while (!this.#turns.isOver(deadlineMs));
    this.#defer();
  }

  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#turns.defer(this.#channel, this);
  }
}
