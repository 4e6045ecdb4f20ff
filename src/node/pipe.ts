/**
 * Connections without sockets: a client in the same process talks to a node through a pair of pipes. It is the same
 * client and the same sessions as over TCP, so embedding has no code path of its own to go wrong.
 *
 * @module
 */

import type { Address, Clock, CloseReason, Connection, ConnectionHandler, Network } from "../port/mod.ts";

const HERE: Address = { host: "127.0.0.1", port: 0 };

const unset: ConnectionHandler = { onData() {}, onWritten() {}, onClose() {} };

/** One end of a pipe; what is written arrives at the other end in a later turn. */
class PipeEnd implements Connection {
  readonly remote: Address = HERE;
  readonly local: Address = HERE;
  handler: ConnectionHandler = unset;
  #peer: PipeEnd | undefined;
  readonly #clock: Clock;
  #closed = false;
  #paused = false;
  #arrived: Uint8Array | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  join(peer: PipeEnd): void {
    this.#peer = peer;
  }

  write(bytes: Uint8Array): void {
    this.#clock.nextTurn(() => {
      if (this.#closed) return;
      this.#peer?.arrive(bytes);
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const bytes = this.#arrived;
    if (bytes === undefined) return;
    this.#arrived = undefined;
    this.#clock.nextTurn(() => this.arrive(bytes));
  }

  close(): void {
    this.#end("local");
    this.#peer?.end("peer");
  }

  /** The other end closed. */
  end(reason: CloseReason): void {
    this.#end(reason);
  }

  /** Bytes of the peer; it may write again once they were taken. */
  arrive(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#paused) {
      this.#arrived = bytes;
      return;
    }
    this.handler.onData(bytes);
    this.#peer?.taken();
  }

  taken(): void {
    this.#clock.nextTurn(() => {
      if (!this.#closed) this.handler.onWritten();
    });
  }

  #end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clock.nextTurn(() => this.handler.onClose(reason));
  }
}

/**
 * A network on which every connection leads to one node.
 *
 * @param accept takes the node's end of each new connection, and must set its handler at once
 */
export function createPipeNetwork(clock: Clock, accept: (connection: Connection) => void): Network {
  return {
    listen: () => Promise.reject(new Error("Cannot listen: this network leads to one node only")),
    connect: () => {
      const near = new PipeEnd(clock);
      const far = new PipeEnd(clock);
      near.join(far);
      far.join(near);
      try {
        accept(far);
      } catch (error) {
        return Promise.reject(error);
      }
      return Promise.resolve(near);
    },
  };
}
