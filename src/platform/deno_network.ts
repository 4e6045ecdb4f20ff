/**
 * TCP on Deno: `Deno.listen` and one read loop per connection.
 *
 * States of a connection: open; ending (the peer has finished sending, a write of ours is still under way); closed.
 * open → ending on end of stream during a write; open or ending → closed on the last write's end, an error or `close`.
 *
 * @module
 */
import { assert } from "../base/mod.ts";
import type {
  Address,
  CloseReason,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
} from "../port/mod.ts";
import {
  connectError,
  connectTimeoutError,
  listenError,
  multicast,
  plainAddress,
  ReadBuffer,
  reportBug,
} from "./network_common.ts";

/** Connections that the kernel queues before they are accepted. */
const ACCEPT_BACKLOG = 1024;

/** Pause before accepting again when the system has no file descriptor left. */
const ACCEPT_RETRY_MS = 50;

/** Reads of one connection in a row without a turn for the others, when data is there each time. */
const READ_STREAK_MAX = 16;

class DenoConnection implements Connection {
  readonly remote: Address;
  readonly local: Address;
  readonly #conn: Deno.TcpConn;
  readonly #turn: () => Promise<void>;
  readonly #buffer = new ReadBuffer();
  readonly #wrote: (count: number) => void;
  readonly #writeFailed: (error: unknown) => void;
  #handler: ConnectionHandler | undefined;
  #closed = false;
  #ended = false;
  #paused = false;
  #reading = false;
  #writing: Uint8Array | undefined;
  #written = 0;

  constructor(conn: Deno.TcpConn, turn: () => Promise<void>) {
    this.#conn = conn;
    this.#turn = turn;
    this.remote = plainAddress(conn.remoteAddr.hostname, conn.remoteAddr.port);
    this.local = plainAddress(conn.localAddr.hostname, conn.localAddr.port);
    this.#wrote = (count) => this.#onWrote(count);
    this.#writeFailed = (error) => this.#finish("error", error);
    conn.setNoDelay(true);
    conn.setKeepAlive(true);
  }

  get handler(): ConnectionHandler {
    assert(this.#handler !== undefined, "A connection's handler is set before it is used");
    return this.#handler;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    this.#startReading();
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    assert(this.#writing === undefined, "One write of a connection is under way at a time");
    this.#writing = bytes;
    this.#written = 0;
    this.#conn.write(bytes).then(this.#wrote, this.#writeFailed);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#startReading();
  }

  close(): void {
    if (this.#closed) return;
    this.#shut();
    queueMicrotask(() => this.#tellClosed("local", undefined));
  }

  #onWrote(count: number): void {
    if (this.#closed) return;
    const bytes = this.#writing!;
    this.#written += count;
    if (this.#written < bytes.length) {
      this.#conn.write(bytes.subarray(this.#written)).then(this.#wrote, this.#writeFailed);
      return;
    }
    this.#writing = undefined;
    try {
      this.#handler!.onWritten();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#ended && this.#writing === undefined) this.#finish("peer", undefined);
  }

  #startReading(): void {
    if (this.#reading || this.#paused || this.#closed || this.#ended || this.#handler === undefined) return;
    this.#reading = true;
    this.#readLoop();
  }

  async #readLoop(): Promise<void> {
    try {
      let streak = 0;
      while (!this.#paused) {
        const bytes = this.#buffer.bytes;
        const count = await this.#conn.read(bytes);
        if (this.#closed) return;
        if (count === null) return this.#onEnd();
        this.#deliver(bytes, count);
        if (this.#closed) return;
        this.#buffer.took(count);
        streak = count === bytes.length ? streak + 1 : 0;
        if (streak >= READ_STREAK_MAX) {
          streak = 0;
          await this.#turn();
          if (this.#closed) return;
        }
      }
    } catch (error) {
      this.#finish("error", error);
    } finally {
      this.#reading = false;
    }
  }

  #deliver(bytes: Uint8Array, count: number): void {
    try {
      this.#handler!.onData(bytes.subarray(0, count));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A peer may finish sending and still wait for the reply that is on its way. */
  #onEnd(): void {
    this.#ended = true;
    if (this.#writing === undefined) this.#finish("peer", undefined);
  }

  #fail(error: unknown): void {
    reportBug(error);
    this.close();
  }

  #finish(reason: CloseReason, error: unknown): void {
    if (this.#closed) return;
    this.#shut();
    this.#tellClosed(reason, error);
  }

  #shut(): void {
    this.#closed = true;
    this.#buffer.release();
    try {
      this.#conn.close();
    } catch {
      // The runtime has closed it already.
    }
  }

  #tellClosed(reason: CloseReason, error: unknown): void {
    try {
      if (error === undefined) this.#handler?.onClose(reason);
      else this.#handler?.onClose(reason, error instanceof Error ? error : new Error(String(error)));
    } catch (bug) {
      reportBug(bug);
    }
  }
}

class DenoListener implements Listener {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  #closed = false;

  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.address = { host: listener.addr.hostname, port: listener.addr.port };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }

  async acceptLoop(onConnection: (connection: Connection) => void, turn: () => Promise<void>): Promise<void> {
    while (!this.#closed) {
      let conn: Deno.TcpConn;
      try {
        conn = await this.#listener.accept();
      } catch {
        if (this.#closed) return;
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
        continue;
      }
      receive(conn, onConnection, turn);
    }
  }
}

function receive(
  conn: Deno.TcpConn,
  onConnection: (connection: Connection) => void,
  turn: () => Promise<void>,
): void {
  let connection: Connection;
  try {
    connection = new DenoConnection(conn, turn);
  } catch {
    // The peer was gone before its options could be set.
    conn.close();
    return;
  }
  try {
    onConnection(connection);
  } catch (error) {
    reportBug(error);
    connection.close();
  }
}

/**
 * TCP by `Deno.listen` and `Deno.connect`.
 *
 * @param nextTurn gives other connections a turn when one has data without end
 */
export function createDenoNetwork(nextTurn: (fn: () => void) => void): Network {
  const turn = () => new Promise<void>((resolve) => nextTurn(resolve));
  return {
    listen({ host, port }: ListenOptions, onConnection): Promise<Listener> {
      try {
        const listener = new DenoListener(Deno.listen({ hostname: host, port, tcpBacklog: ACCEPT_BACKLOG }));
        listener.acceptLoop(onConnection, turn).catch(reportBug);
        return Promise.resolve(listener);
      } catch (error) {
        return Promise.reject(listenError(host, port, error));
      }
    },

    async connect({ host, port, timeoutMs }: ConnectOptions): Promise<Connection> {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), timeoutMs);
      let conn: Deno.TcpConn | undefined;
      try {
        conn = await Deno.connect({ hostname: host, port, signal: abort.signal });
        return new DenoConnection(conn, turn);
      } catch (error) {
        conn?.close();
        if (abort.signal.aborted) throw connectTimeoutError(host, port, timeoutMs);
        throw connectError(host, port, error);
      } finally {
        clearTimeout(timer);
      }
    },

    multicast,
  };
}
