/**
 * One connection of the heartbeat mesh: bytes to messages and back.
 *
 * @module
 */

import {
  HEARTBEAT_FAULT_COUNT_MAX,
  HEARTBEAT_SEND_COUNT_MAX,
  HEARTBEAT_SIZE_MAX,
  HEARTBEAT_WRITE_TIMEOUT_MS,
} from "../base/mod.ts";
import type { Clock, Connection, ConnectionHandler } from "../port/mod.ts";
import {
  decodeHeartbeat,
  FABRIC_CHANNEL,
  type HeartbeatMessage,
  isPeerFault,
  PEER_MESSAGE,
  type PeerFault,
  type PeerInflate,
  type PeerReader,
} from "../wire/mod.ts";
import { PeerFrames } from "./fabric_frames.ts";
import type { FabricTurns, TurnWork } from "./fabric_turns.ts";
import type { ConnectionId } from "./heartbeat_types.ts";

/** Heartbeats have the share of control messages. */
const SHARE_CHANNEL = FABRIC_CHANNEL.CTRL;

/** A message on its way out. */
export interface MeshOutgoing {
  readonly bytes: Uint8Array;
  /** Replaced by a newer one while it waits. */
  readonly isPulse: boolean;
}

/** What a connection needs from the transport that owns it. */
export interface MeshSocketHost {
  readonly clock: Clock;
  readonly turns: FabricTurns;
  /** One for all connections. */
  readonly reader: PeerReader;
  readonly counts: { sentBytes: number; receivedBytes: number; replaced: number; refused: number };
  readonly inflate: PeerInflate;
  onMessage(socket: MeshSocket, message: HeartbeatMessage): void;
  onMalformed(socket: MeshSocket, fault: string): void;
  /** The connection ended, and not by {@linkcode MeshSocket.close}. */
  onClosed(socket: MeshSocket): void;
  /** The bytes of unfinished messages changed. @returns false when there are too many */
  onKept(changeBytes: number): boolean;
}

const EMPTY = new Uint8Array(0);

/** See the head of the file. */
export class MeshSocket implements ConnectionHandler, TurnWork {
  readonly id: ConnectionId;
  readonly #connection: Connection;
  readonly #host: MeshSocketHost;
  readonly #frames = new PeerFrames(HEARTBEAT_SIZE_MAX);
  readonly #waiting: MeshOutgoing[] = [];
  #writing: MeshOutgoing | undefined;
  #writingSinceMs = 0;
  #accountedBytes = 0;
  #faultCount = 0;
  #isDeferred = false;
  /** `lost`: to be told to the core; `closed`: the core knows. */
  #state: "open" | "lost" | "closed" = "open";

  constructor(id: ConnectionId, connection: Connection, host: MeshSocketHost) {
    this.id = id;
    this.#connection = connection;
    this.#host = host;
    connection.handler = this;
  }

  /** Whether messages that have arrived wait for a later turn. */
  get hasUnread(): boolean {
    return this.#isDeferred;
  }

  /** Sends a message, now or after the one that is under way. */
  send(message: MeshOutgoing): void {
    if (this.#state !== "open") return;
    if (this.#writing === undefined) return this.#write(message);
    if (this.#host.clock.monotonicMs() - this.#writingSinceMs > HEARTBEAT_WRITE_TIMEOUT_MS) {
      return this.#lose();
    }
    const older = message.isPulse ? this.#waiting.findIndex((one) => one.isPulse) : -1;
    if (older < 0 && this.#waiting.length < HEARTBEAT_SEND_COUNT_MAX) return void this.#waiting.push(message);
    this.#host.counts.replaced++;
    if (older >= 0) this.#waiting[older] = message;
  }

  /** Ends the connection; nothing more is told. */
  close(): void {
    this.#end("closed");
    this.#connection.close();
  }

  onData(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#host.counts.receivedBytes += bytes.length;
    if (!this.#isDeferred) return this.#take(bytes, this.#host.turns.deadlineMs(SHARE_CHANNEL));
    this.#frames.open(bytes);
    this.#frames.close();
    this.#account();
  }

  onWritten(): void {
    this.#host.counts.sentBytes += this.#writing?.bytes.length ?? 0;
    this.#writing = undefined;
    const next = this.#waiting.shift();
    if (next !== undefined && this.#state === "open") this.#write(next);
  }

  onClose(): void {
    if (this.#state === "closed") return;
    this.#end("closed");
    this.#host.onClosed(this);
  }

  work(deadlineMs: number): void {
    this.#isDeferred = false;
    if (this.#state !== "open") return;
    this.#connection.resume();
    this.#take(EMPTY, deadlineMs);
  }

  #write(message: MeshOutgoing): void {
    this.#writing = message;
    this.#writingSinceMs = this.#host.clock.monotonicMs();
    this.#connection.write(message.bytes);
  }

  #take(bytes: Uint8Array, deadlineMs: number): void {
    this.#frames.open(bytes);
    const isLeft = this.#deliver(deadlineMs);
    if (this.#isGone) return;
    this.#frames.close();
    this.#account();
    if (this.#isGone || !isLeft) return;
    this.#isDeferred = true;
    this.#connection.pause();
    this.#host.turns.defer(SHARE_CHANNEL, this);
  }

  /** Looks at messages; a compressed one may take long, so that the clock is read after each. @returns whether more is left */
  #deliver(deadlineMs: number): boolean {
    for (;;) {
      const result = this.#frames.next();
      if (result === "more") return false;
      if (result === "too-large") {
        this.#refuse("a message announces more than 10 MiB");
        return false;
      }
      const message = this.#decode();
      if (isPeerFault(message)) this.#onFault(message.fault);
      else {
        this.#faultCount = 0;
        this.#host.onMessage(this, message);
      }
      if (this.#isGone) return false;
      if (this.#host.turns.isOver(deadlineMs)) return true;
    }
  }

  #decode(): HeartbeatMessage | PeerFault {
    const { reader, inflate } = this.#host;
    const { bytes, at, end } = this.#frames;
    if (!reader.open(bytes, at, end)) return { fault: reader.fault };
    if (reader.messageType === PEER_MESSAGE.HEARTBEAT) return decodeHeartbeat(reader, inflate);
    return { fault: `message type ${reader.messageType} on the heartbeat port; is fabric's port seeded?` };
  }

  #onFault(fault: string): void {
    if (++this.#faultCount >= HEARTBEAT_FAULT_COUNT_MAX) this.#refuse(fault);
    else this.#host.onMalformed(this, fault);
  }

  #refuse(fault: string): void {
    this.#host.onMalformed(this, fault);
    if (!this.#isGone) this.#lose();
  }

  /** Ends the connection; the core is told in a later turn. */
  #lose(): void {
    this.#host.counts.refused++;
    this.#end("lost");
    this.#connection.close();
  }

  #account(): void {
    const changeBytes = this.#frames.keptBytes - this.#accountedBytes;
    this.#accountedBytes += changeBytes;
    if (changeBytes !== 0 && !this.#host.onKept(changeBytes)) {
      this.#refuse("too many bytes of unfinished messages");
    }
  }

  /** Read through a method: the core may have closed the connection. */
  get #isGone(): boolean {
    return this.#state !== "open";
  }

  #end(state: "lost" | "closed"): void {
    this.#state = state;
    this.#waiting.length = 0;
    this.#isDeferred = false;
    this.#frames.clear();
    this.#account();
  }
}
