/**
 * The border at which a failed assertion stops a node and nothing else: every callback that the outside world makes
 * into the node runs inside a guard. What escapes it is a programmer's error or corrupt data, never a client's doing.
 *
 * @module
 */

import type { Address, Clock, Connection, ConnectionHandler, Network, Ports } from "../port/mod.ts";

/** Told of the error that stops the node. */
export type OnFailure = (error: unknown) => void;

/** Ports whose callbacks can't throw into the platform: what they throw goes to `onFailure`. */
export function guardPorts(ports: Ports, onFailure: OnFailure): Ports {
  return {
    ...ports,
    clock: guardClock(ports.clock, onFailure),
    network: guardNetwork(ports.network, onFailure),
  };
}

function guarded(fn: () => void, onFailure: OnFailure): () => void {
  return () => {
    try {
      fn();
    } catch (error) {
      onFailure(error);
    }
  };
}

function guardClock(clock: Clock, onFailure: OnFailure): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, fn) => clock.after(delayMs, guarded(fn, onFailure)),
    nextTurn: (fn) => clock.nextTurn(guarded(fn, onFailure)),
    afterEvents: (fn) => clock.afterEvents(guarded(fn, onFailure)),
  };
}

function guardNetwork(network: Network, onFailure: OnFailure): Network {
  return {
    listen: (options, onConnection) =>
      network.listen(options, (connection) => {
        try {
          onConnection(connection);
        } catch (error) {
          onFailure(error);
        }
      }),
    connect: (options) => network.connect(options),
    ...(network.multicast === undefined ? {} : {
      multicast: (options, onDatagram) =>
        network.multicast!(options, (bytes, from) => {
          try {
            onDatagram(bytes, from);
          } catch (error) {
            onFailure(error);
          }
        }),
    }),
  };
}

/**
 * A network whose connections call their handlers inside the guard: for those who set handlers themselves.
 *
 * @param network guarded already, so that accepting is
 */
export function guardConnections(network: Network, onFailure: OnFailure): Network {
  return {
    ...network,
    listen: (options, onConnection) =>
      network.listen(options, (connection) => onConnection(new GuardedConnection(connection, onFailure))),
    connect: async (options) => new GuardedConnection(await network.connect(options), onFailure),
  };
}

/** Passes everything on; only handlers get a guard. */
class GuardedConnection implements Connection {
  readonly #connection: Connection;
  readonly #onFailure: OnFailure;
  #handler: ConnectionHandler | undefined;

  constructor(connection: Connection, onFailure: OnFailure) {
    this.#connection = connection;
    this.#onFailure = onFailure;
  }

  get remote(): Address {
    return this.#connection.remote;
  }

  get local(): Address {
    return this.#connection.local;
  }

  get handler(): ConnectionHandler {
    return this.#handler!;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
    setGuardedHandler(this.#connection, handler, this.#onFailure);
  }

  write(bytes: Uint8Array): void {
    this.#connection.write(bytes);
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  close(): void {
    this.#connection.close();
  }
}

/** Sets a connection's handler, inside the guard. */
export function setGuardedHandler(
  connection: Connection,
  handler: ConnectionHandler,
  onFailure: OnFailure,
): void {
  connection.handler = {
    onData(bytes) {
      try {
        handler.onData(bytes);
      } catch (error) {
        onFailure(error);
      }
    },
    onWritten() {
      try {
        handler.onWritten();
      } catch (error) {
        onFailure(error);
      }
    },
    onClose(reason, error) {
      try {
        handler.onClose(reason, error);
      } catch (failure) {
        onFailure(failure);
      }
    },
  };
}
