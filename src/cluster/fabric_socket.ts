/**
 * One fabric connection.
 *
 * | state | meaning | next |
 * | ----- | ------- | ---- |
 * | greeting | accepted: nobody has said yet who connects | ready, parked; closed when the handshake is late |
 * | awaiting-reply | dialled, to an aerie node: its handshake must come back before anything is sent | ready; closed |
 * | parked | of another incarnation than the peer's present one: nothing is read | ready when the peer has arrived anew; closed |
 * | ready | carries messages of its channel both ways | closed |
 *
 * The connecting side sends one handshake. An aerie node that accepts a handshake with an incarnation answers with its
 * own, so that the connecting side knows whom it has reached; stock nodes send no incarnation and get no answer.
 * Source: clustering reference, section 6.3; docs/format/peer.md.
 *
 * @module
 */

import { ByteBuffer, FABRIC_BODY_SIZE_MAX, FABRIC_HANDSHAKE_SIZE_MAX } from "../base/mod.ts";
import type { CloseReason, Connection, ConnectionHandler } from "../port/mod.ts";
import {
  decodeHandshake,
  encodeHandshake,
  FABRIC_CHANNEL,
  type FabricHandshake,
  isPeerFault,
  PEER_MESSAGE,
  type PeerReader,
  type U64Text,
} from "../wire/mod.ts";
import { PeerFrames } from "./fabric_frames.ts";
import type { FabricChunk } from "./fabric_queue.ts";
import { type FabricTurns, MESSAGES_PER_CLOCK_READING, type TurnWork } from "./fabric_turns.ts";
import type { NodeId } from "./node_id.ts";

/** See the head of the file. */
export type FabricSocketState = "greeting" | "awaiting-reply" | "parked" | "ready" | "closed";

/** What a connection needs from the fabric that owns it. */
export interface FabricSocketHost {
  readonly turns: FabricTurns;
  /** One for all connections: messages are looked at one after the other. */
  readonly reader: PeerReader;
  /** What handlers send between the two leaves together. */
  hold(): void;
  release(): void;
  /** A handshake came; the host decides what becomes of the connection. */
  onHandshake(socket: FabricSocket, handshake: FabricHandshake): void;
  onMessage(socket: FabricSocket, sizeBytes: number): void;
  /** Whether messages of this connection are wanted now. */
  isReceiving(socket: FabricSocket): boolean;
  /** The connection takes bytes again. `chunk` is what was written; absent for a handshake. */
  onWritten(socket: FabricSocket, chunk: FabricChunk | undefined): void;
  /** The connection ended; `unsent` was not with the system yet. */
  onClosed(socket: FabricSocket, reason: CloseReason, unsent: FabricChunk | undefined): void;
  /**
   * The bytes of unfinished messages changed.
   *
   * @returns false when there are too many
   */
  onKept(changeBytes: number): boolean;
  /** Bytes that are not what they should be. */
  onMalformed(socket: FabricSocket, fault: string): void;
}

const EMPTY = new Uint8Array(0);

/** See the head of the file. */
export class FabricSocket implements ConnectionHandler, TurnWork {
  readonly connection: Connection;
  /** Who connected. */
  readonly direction: "dialled" | "accepted";
  state: FabricSocketState;
  /** The other end; empty while unknown. */
  node: NodeId;
  channel: number;
  /** Of the other end, when it told. */
  incarnation: U64Text | undefined;
  /** Monotonic time at which a connection that is not ready is closed. */
  deadlineMs: number;
  /** Monotonic time since which it carries messages. */
  readyMs = 0;
  readonly #host: FabricSocketHost;
  readonly #frames: PeerFrames;
  #handshakeCount = 0;
  #writing: FabricChunk | undefined;
  #accountedBytes = 0;
  #isWriting = false;
  #isDeferred = false;
  #isPaused = false;

  constructor(
    connection: Connection,
    host: FabricSocketHost,
    options: {
      readonly direction: "dialled" | "accepted";
      readonly state: FabricSocketState;
      readonly deadlineMs: number;
      readonly target?: { readonly node: NodeId; readonly channel: number };
    },
  ) {
    this.connection = connection;
    this.#host = host;
    this.direction = options.direction;
    this.state = options.state;
    this.deadlineMs = options.deadlineMs;
    this.node = options.target?.node ?? "";
    this.channel = options.target?.channel ?? FABRIC_CHANNEL.RW;
    const isKnown = options.state === "ready";
    this.#frames = new PeerFrames(isKnown ? FABRIC_BODY_SIZE_MAX : FABRIC_HANDSHAKE_SIZE_MAX);
    connection.handler = this;
  }

  /** Whether it can take messages at once. */
  get isIdle(): boolean {
    return this.state === "ready" && !this.#isWriting;
  }

  /** Says who this node is. */
  greet(handshake: FabricHandshake): void {
    const out = new ByteBuffer(64);
    encodeHandshake(handshake, out);
    this.#isWriting = true;
    this.connection.write(out.view());
  }

  /** Sends messages; only when {@linkcode isIdle}. */
  send(chunk: FabricChunk): void {
    this.#writing = chunk;
    this.#isWriting = true;
    this.connection.write(chunk.buffer.view());
  }

  /** The handshake was accepted: messages may come and go. */
  makeReady(): void {
    this.state = "ready";
    this.#frames.bodySizeMaxBytes = FABRIC_BODY_SIZE_MAX;
    this.resume();
  }

  /** Messages are wanted again. */
  resume(): void {
    if (this.state === "closed" || this.#isDeferred) return;
    this.#isDeferred = true;
    this.#host.turns.defer(this.channel, this);
  }

  /** Ends the connection; nothing more is told but `onClosed`. */
  close(): void {
    this.#forget();
    this.connection.close();
  }

  onData(bytes: Uint8Array): void {
    if (this.state === "closed") return;
    if (!this.#isDeferred && !this.#isPaused) {
      return this.#take(bytes, this.#host.turns.deadlineMs(this.channel));
    }
    this.#frames.open(bytes);
    this.#frames.close();
    this.#account();
  }

  onWritten(): void {
    const chunk = this.#writing;
    this.#writing = undefined;
    this.#isWriting = false;
    if (this.state !== "closed") this.#host.onWritten(this, chunk);
  }

  onClose(reason: CloseReason): void {
    const unsent = this.#writing;
    this.#writing = undefined;
    this.#forget();
    this.#host.onClosed(this, reason, unsent);
  }

  work(deadlineMs: number): void {
    this.#isDeferred = false;
    if (this.state === "closed" || this.state === "parked") return;
    if (this.#isPaused) {
      this.#isPaused = false;
      this.connection.resume();
    }
    this.#take(EMPTY, deadlineMs);
  }

  #take(bytes: Uint8Array, deadlineMs: number): void {
    this.#frames.open(bytes);
    this.#host.hold();
    let left: "no" | "later" | "unwanted";
    try {
      left = this.#deliver(deadlineMs);
    } finally {
      this.#host.release();
    }
    if (this.#isGone) return;
    this.#frames.close();
    this.#account();
    if (this.#isGone || left === "no") return;
    if (!this.#isPaused) {
      this.#isPaused = true;
      this.connection.pause();
    }
    if (left === "later") this.resume();
  }

  /** Shows messages until there are none, or the time is over, or they are not wanted. */
  #deliver(deadlineMs: number): "no" | "later" | "unwanted" {
    const { turns, reader } = this.#host;
    for (let count = 1;; count++) {
      if (this.state === "parked" || !this.#host.isReceiving(this)) return "unwanted";
      const result = this.#frames.next();
      if (result === "more") return "no";
      if (result === "too-large") return this.#refuse("a message announces more bytes than are allowed");
      const { bytes, at, end } = this.#frames;
      if (!reader.open(bytes, at, end)) return this.#refuse(reader.fault);
      if (reader.messageType === PEER_MESSAGE.HANDSHAKE) this.#onHandshake();
      else if (this.state !== "ready") return this.#refuse("a message before the handshake");
      else this.#host.onMessage(this, end - at);
      if (this.#isGone) return "no";
      if (count % MESSAGES_PER_CLOCK_READING === 0 && turns.isOver(deadlineMs)) return "later";
    }
  }

  #onHandshake(): void {
    const handshake = decodeHandshake(this.#host.reader);
    if (isPeerFault(handshake)) return void this.#refuse(handshake.fault);
    if (++this.#handshakeCount > 1) return void this.#refuse("a second handshake");
    this.#host.onHandshake(this, handshake);
  }

  #refuse(fault: string): "no" {
    this.#host.onMalformed(this, fault);
    return "no";
  }

  #account(): void {
    const changeBytes = this.#frames.keptBytes - this.#accountedBytes;
    this.#accountedBytes += changeBytes;
    if (changeBytes === 0 || this.#host.onKept(changeBytes)) return;
    this.#refuse("too many bytes of unfinished messages");
  }

  /** Read through a method: calls of the host may have closed the connection. */
  get #isGone(): boolean {
    return this.state === "closed";
  }

  #forget(): void {
    this.state = "closed";
    this.#frames.clear();
    this.#account();
  }
}
