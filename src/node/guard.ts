/**
 * The border at which a failed assertion stops a node and nothing else: every callback that the outside world makes
 * into the node runs inside a guard. What escapes it is a programmer's error or corrupt data, never a client's doing.
 *
 * @module
 */

import type { Clock, Connection, ConnectionHandler, Network, Ports } from "../port/mod.ts";

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
  };
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
