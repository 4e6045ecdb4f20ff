/**
 * TCP on Node by `node:net`. The same states as `deno_network.ts`: open, ending (the peer has finished sending, a
 * write of ours is under way), closed.
 *
 * @module
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
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
  reportBug,
} from "./network_common.ts";

/** Connections that the kernel queues before they are accepted. */
const ACCEPT_BACKLOG = 1024;

class NodeConnection implements Connection {
  readonly remote: Address;
  readonly local: Address;
  readonly #socket: Socket;
  readonly #onWrote: (error?: Error | null) => void;
  #handler: ConnectionHandler | undefined;
  #closed = false;
  #ended = false;
  #paused = false;
  #writing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remote = plainAddress(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    this.local = plainAddress(socket.localAddress ?? "", socket.localPort ?? 0);
    this.#onWrote = (error) => this.#wrote(error);
    socket.pause();
    socket.on("data", (bytes: Uint8Array) => this.#data(bytes));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => this.#finish("error", error));
    socket.on("close", () => this.#finish("peer", undefined));
  }

  get handler(): ConnectionHandler {
    assert(this.#handler !== undefined, "A connection's handler is set before it is used");
    return this.#handler;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    if (!this.#paused && !this.#closed) this.#socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    assert(!this.#writing, "One write of a connection is under way at a time");
    this.#writing = true;
    this.#socket.write(bytes, this.#onWrote);
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#closed && this.#handler !== undefined) this.#socket.resume();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    queueMicrotask(() => this.#tellClosed("local", undefined));
  }

  #data(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#call(() => this.#handler!.onData(bytes));
  }

  #wrote(error: Error | null | undefined): void {
    // A failed write is followed by the socket's "error", which closes the connection.
    if (this.#closed || error) return;
    this.#writing = false;
    this.#call(() => this.#handler!.onWritten());
    if (this.#ended && !this.#writing) this.#finish("peer", undefined);
  }

  #end(): void {
    this.#ended = true;
    if (!this.#writing) this.#finish("peer", undefined);
  }

  #call(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      reportBug(error);
      this.close();
    }
  }

  #finish(reason: CloseReason, error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#tellClosed(reason, error);
  }

  #tellClosed(reason: CloseReason, error: Error | undefined): void {
    try {
      if (error === undefined) this.#handler?.onClose(reason);
      else this.#handler?.onClose(reason, error);
    } catch (bug) {
      reportBug(bug);
    }
  }
}

class NodeListener implements Listener {
  readonly address: Address;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    const bound = server.address();
    assert(bound !== null && typeof bound === "object", "A server that listens has an address");
    this.address = { host: bound.address, port: bound.port };
  }

  close(): void {
    this.#server.close();
  }
}

function receive(socket: Socket, onConnection: (connection: Connection) => void): void {
  const connection = new NodeConnection(socket);
  try {
    onConnection(connection);
  } catch (error) {
    reportBug(error);
    connection.close();
  }
}

function listen(options: ListenOptions, onConnection: (connection: Connection) => void): Promise<Listener> {
  const { host, port } = options;
  const serverOptions = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true };
  return new Promise((resolve, reject) => {
    const server = createServer(serverOptions, (socket) => receive(socket, onConnection));
    const failed = (error: Error) => reject(listenError(host, port, error));
    server.once("error", failed);
    try {
      server.listen({ host, port, backlog: ACCEPT_BACKLOG }, () => {
        server.off("error", failed);
        // Accepting can fail for want of file descriptors; the server goes on by itself.
        server.on("error", () => {});
        resolve(new NodeListener(server));
      });
    } catch (error) {
      reject(listenError(host, port, error));
    }
  });
}

function connect({ host, port, timeoutMs }: ConnectOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let socket: Socket;
    try {
      socket = createConnection({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    } catch (error) {
      return reject(connectError(host, port, error));
    }
    const timer = setTimeout(() => {
      socket.destroy();
      reject(connectTimeoutError(host, port, timeoutMs));
    }, timeoutMs);
    const failed = (error: Error) => {
      clearTimeout(timer);
      reject(connectError(host, port, error));
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", failed);
      resolve(new NodeConnection(socket));
    });
  });
}

/** TCP by `node:net`. */
export function createNodeNetwork(): Network {
  return { listen, connect, multicast };
}
