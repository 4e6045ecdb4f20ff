/**
 * A request whose reply is a stream of messages: one node's part of a batch or of a scan. One attempt; its owner
 * decides what to ask again.
 *
 * @module
 */

import { WireError } from "../base/mod.ts";
import type { Clock, Timer } from "../port/mod.ts";
import { decodeMessage, type Frame, INFO3, isRecordFrame, ReplyMessage } from "../wire/mod.ts";
import type { ClientConnection, ReplyReceiver, SendTimes } from "./connection.ts";
import { type ClientError, ConnectionError, TimeoutError } from "./errors.ts";
import type { ClientNode } from "./node.ts";
import type { ConnectionWaiter } from "./pool.ts";

/** How a stream ended. */
export interface StreamEnd {
  /** Result code of the last message; undefined when the stream broke off. */
  resultCode: number | undefined;
  /** Why it broke off. */
  error: ClientError | undefined;
  /** Whether the request went out. */
  sent: boolean;
}

/** A request with a stream of messages as reply. */
export interface StreamRequest {
  /** Who is asked. */
  node: ClientNode;
  /** The whole message. */
  bytes: Uint8Array;
  /** Time limits. */
  times: SendTimes;
  /** Time. */
  clock: Clock;
  /** Whether a message is the last although LAST isn't set. */
  isEnd: (message: ReplyMessage) => boolean;
  /**
   * Receives each message before the last; must copy what it keeps.
   *
   * @throws {WireError} when the message makes no sense; the stream breaks off
   */
  onMessage: (message: ReplyMessage, connection: ClientConnection) => void;
}

/** Shared by all streams: a message is looked at only during the call that decodes it. */
const message = new ReplyMessage();

/** One attempt at a stream. */
export class StreamCommand implements ConnectionWaiter, ReplyReceiver {
  /** Resolves when the stream has ended, in whatever way. */
  readonly ended: Promise<StreamEnd>;
  readonly #request: StreamRequest;
  #settle!: (end: StreamEnd) => void;
  #connection: ClientConnection | undefined;
  #timer: Timer | undefined;
  #waiting = false;
  #sent = false;

  /** @param request is sent as soon as there is a connection */
  constructor(request: StreamRequest) {
    this.#request = request;
    this.ended = new Promise((resolve) => this.#settle = resolve);
    this.#waiting = true;
    request.node.pool.acquire(this);
    if (this.#waiting && request.times.deadlineMs !== Infinity) this.#limitWait();
  }

  /** Breaks the stream off. */
  abort(): void {
    this.#request.node.pool.cancel(this);
    this.#stopWaiting();
    this.#connection?.close();
    this.#fail(new ConnectionError("The request was given up", { node: this.#request.node.name }));
  }

  /** Reads on after a pause. */
  resume(): void {
    this.#connection?.resume();
  }

  /** {@inheritDoc ConnectionWaiter.onConnection} */
  onConnection(connection: ClientConnection): void {
    this.#stopWaiting();
    this.#connection = connection;
    this.#sent = true;
    connection.send(this.#request.bytes, this, this.#request.times);
  }

  /** {@inheritDoc ConnectionWaiter.onNoConnection} */
  onNoConnection(error: ConnectionError): void {
    this.#stopWaiting();
    this.#fail(error);
  }

  /** {@inheritDoc ReplyReceiver.onFrame} */
  onFrame(frame: Frame, connection: ClientConnection): boolean {
    if (!isRecordFrame(frame)) {
      throw new WireError(`The server answered with a message of type ${frame.type}`);
    }
    let at = frame.start;
    while (at < frame.end) {
      at = decodeMessage(frame, at, message);
      if ((message.info3 & INFO3.LAST) !== 0 || this.#request.isEnd(message)) {
        if (at !== frame.end) throw new WireError("The server sent messages behind the last one");
        this.#connection = undefined;
        this.#settle({ resultCode: message.resultCode, error: undefined, sent: true });
        return true;
      }
      this.#request.onMessage(message, connection);
    }
    return false;
  }

  /** {@inheritDoc ReplyReceiver.onFailure} */
  onFailure(error: ConnectionError | TimeoutError): void {
    this.#fail(error);
  }

  #fail(error: ClientError): void {
    this.#connection = undefined;
    this.#settle({ resultCode: undefined, error, sent: this.#sent });
  }

  #limitWait(): void {
    const { clock, times, node } = this.#request;
    this.#timer = clock.after(Math.max(0, times.deadlineMs - clock.monotonicMs()), () => {
      node.pool.cancel(this);
      this.#fail(
        new TimeoutError(`No connection to node ${node.name} became free in time`, { node: node.name }),
      );
    });
  }

  #stopWaiting(): void {
    this.#waiting = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

/** Waits. */
export function sleep(clock: Clock, durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (durationMs === 0) clock.nextTurn(resolve);
    else clock.after(durationMs, resolve);
  });
}
