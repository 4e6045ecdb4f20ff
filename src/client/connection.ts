/**
 * One connection to a node: a request at a time, replies cut into frames, a deadline.
 *
 * A connection is `idle` or `busy`. `send` makes it busy. It is idle again when the receiver has said that the reply
 * is complete and the request's bytes are with the system. A reply that misses its deadline, a damaged frame or bytes
 * nobody asked for close it: what arrives later could not be told from the next reply.
 *
 * @module
 */

import { ByteBuffer, WireError } from "../base/mod.ts";
import type { Clock, CloseReason, Compute, Connection, ConnectionHandler, Timer } from "../port/mod.ts";
import { type Frame, FrameReader, inflateFrame, PROTO_TYPE_AS_MSG_COMPRESSED } from "../wire/mod.ts";
import { ConnectionError, TimeoutError } from "./errors.ts";

/** Receives the frames of one reply. */
export interface ReplyReceiver {
  /**
   * A frame arrived.
   *
   * @param frame lent until the call returns
   * @returns true when the reply is complete
   * @throws {WireError} when the frame makes no sense; the connection is closed and `onFailure` follows
   */
  onFrame(frame: Frame, connection: ClientConnection): boolean;
  /** The reply will not be completed; the connection is gone. */
  onFailure(error: ConnectionError | TimeoutError): void;
}

/** Whose connection it is. */
export interface ConnectionOwner {
  /** Name of the node, for error texts. */
  readonly name: string;
  /** The connection can take the next request. */
  onIdle(connection: ClientConnection): void;
  /** The connection is gone. */
  onGone(connection: ClientConnection): void;
}

/** When a reply is overdue. All in milliseconds of the monotonic clock. */
export interface SendTimes {
  /** Moment at which the whole request is over; Infinity for never. */
  deadlineMs: number;
  /** Longest wait for the next bytes; Infinity for no limit. */
  silenceMs: number;
}

/** A connection to a node. */
export class ClientConnection implements ConnectionHandler {
  /** When it became idle, in milliseconds of the monotonic clock. */
  idleSinceMs = 0;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #compute: Compute | undefined;
  readonly #owner: ConnectionOwner;
  readonly #reader = new FrameReader();
  readonly #out = new ByteBuffer(512);
  #receiver: ReplyReceiver | undefined;
  #writing = false;
  #closed = false;
  #paused = false;
  #deadlineMs = Infinity;
  #silenceMs = Infinity;
  #dueMs = Infinity;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  /** @param parts the port's connection (this becomes its handler), clock, owner, and compression where there is any */
  constructor(
    parts: { connection: Connection; clock: Clock; owner: ConnectionOwner; compute: Compute | undefined },
  ) {
    this.#connection = parts.connection;
    this.#clock = parts.clock;
    this.#owner = parts.owner;
    this.#compute = parts.compute;
    parts.connection.handler = this;
  }

  /** Name of the node. */
  get nodeName(): string {
    return this.#owner.name;
  }

  /** Whether it is gone. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends a request. The connection must be idle.
   *
   * @param request is copied
   * @param receiver receives the reply
   */
  send(request: Uint8Array, receiver: ReplyReceiver, times: SendTimes): void {
    this.#receiver = receiver;
    this.#writing = true;
    this.#deadlineMs = times.deadlineMs;
    this.#silenceMs = times.silenceMs;
    this.#out.reset();
    this.#out.append(request);
    this.#expect();
    this.#connection.write(this.#out.view());
  }

  /** Stops reading, and the clock of the silence with it. */
  pause(): void {
    if (this.#paused || this.#closed) return;
    this.#paused = true;
    this.#setDue(this.#deadlineMs);
    this.#connection.pause();
  }

  /** Reads again. */
  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#expect();
    this.#connection.resume();
  }

  /** Ends the connection; a receiver is not told. */
  close(): void {
    this.#receiver = undefined;
    this.#end();
  }

  /** {@inheritDoc ConnectionHandler.onData} */
  onData(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#reader.push(bytes, (frame) => this.#onFrame(frame));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#fail(new ConnectionError(error.message, { node: this.nodeName, cause: error }));
      return;
    }
    if (this.#closed) return;
    if (this.#receiver === undefined) {
      if (this.#reader.pendingBytes > 0) this.close();
      else this.#release();
    } else if (!this.#paused) this.#expect();
  }

  /** {@inheritDoc ConnectionHandler.onWritten} */
  onWritten(): void {
    this.#writing = false;
    if (this.#receiver === undefined && !this.#closed) this.#release();
  }

  /** {@inheritDoc ConnectionHandler.onClose} */
  onClose(reason: CloseReason, error?: Error): void {
    this.#writing = false;
    const why = error?.message ?? (reason === "local" ? "closed here" : "closed by the server");
    this.#fail(
      new ConnectionError(
        `The connection to node ${this.nodeName} broke before the reply was complete: ${why}`,
        {
          node: this.nodeName,
          cause: error,
        },
      ),
    );
  }

  #onFrame(frame: Frame): void {
    if (this.#closed) return;
    const receiver = this.#receiver;
    if (receiver === undefined) throw new WireError("The server sent more than one reply to a request");
    if (frame.type === PROTO_TYPE_AS_MSG_COMPRESSED) {
      const compute = this.#compute;
      if (compute === undefined) {
        throw new WireError("The server sent a compressed reply that was not asked for");
      }
      frame = inflateFrame(frame, (source, sizeMaxBytes) => compute.inflate(source, sizeMaxBytes));
    }
    if (receiver.onFrame(frame, this)) this.#receiver = undefined;
  }

  #release(): void {
    if (this.#writing) return;
    if (this.#paused) {
      this.#paused = false;
      this.#connection.resume();
    }
    this.#dueMs = Infinity;
    this.idleSinceMs = this.#clock.monotonicMs();
    this.#owner.onIdle(this);
  }

  #fail(error: ConnectionError | TimeoutError): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#end();
    receiver?.onFailure(error);
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#dueMs = Infinity;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#connection.close();
    this.#owner.onGone(this);
  }

  /** Sets when the next bytes are due. */
  #expect(): void {
    if (this.#deadlineMs === Infinity && this.#silenceMs === Infinity) this.#setDue(Infinity);
    else this.#setDue(Math.min(this.#deadlineMs, this.#clock.monotonicMs() + this.#silenceMs));
  }

  /**
   * A timer per request would cost more than the request. One timer stays set while requests come and go; when it
   * fires too early for the present request, it is set again for the rest.
   */
  #setDue(dueMs: number): void {
    this.#dueMs = dueMs;
    if (dueMs < this.#timerAtMs) this.#setTimer(dueMs);
  }

  #setTimer(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    const delayMs = Math.min(Math.max(0, atMs - this.#clock.monotonicMs()), 0x7fff_ffff);
    this.#timer = this.#clock.after(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.#closed || this.#dueMs === Infinity) return;
    if (this.#clock.monotonicMs() < this.#dueMs) {
      this.#setTimer(this.#dueMs);
      return;
    }
    this.#fail(new TimeoutError(`Node ${this.nodeName} did not answer in time`, { node: this.nodeName }));
  }
}
