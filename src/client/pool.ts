/**
 * The connections to one address: idle ones on a stack, requests that wait for one in a queue, both with limits.
 *
 * @module
 */

import type { Address, Clock, Compute, Connection, Network } from "../port/mod.ts";
import { ClientConnection, type ConnectionOwner } from "./connection.ts";
import { ConnectionError } from "./errors.ts";

/** Wants a connection. */
export interface ConnectionWaiter {
  /** Receives an idle connection; may be called from inside `acquire`. It must send at once. */
  onConnection(connection: ClientConnection): void;
  /** There is none to be had; may be called from inside `acquire`. */
  onNoConnection(error: ConnectionError): void;
}

/** Limits of a pool. */
export interface PoolLimits {
  /** Connections, 1 or more. */
  connectionCountMax: number;
  /** Requests that may wait for one. */
  waiterCountMax: number;
  /** Idle connections are closed after this time; 0 keeps them. */
  idleMaxMs: number;
  /** How long opening a connection may take. */
  connectTimeoutMs: number;
}

/** What a pool works with. */
export interface PoolParts {
  /** TCP. */
  network: Network;
  /** Time. */
  clock: Clock;
  /** Compression, where there is any. */
  compute: Compute | undefined;
  /** Where to. */
  address: Address;
  /** Limits. */
  limits: PoolLimits;
}

/** Connections to one address. */
export class ConnectionPool implements ConnectionOwner {
  /** Name of the node, for error texts; the address until it is known. */
  name: string;
  readonly #parts: PoolParts;
  readonly #idle: ClientConnection[] = [];
  readonly #all: Set<ClientConnection> = new Set();
  readonly #waiters: Set<ConnectionWaiter> = new Set();
  #openingCount = 0;
  #closed = false;

  /** @param parts ports, address and limits */
  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.name = `${parts.address.host}:${parts.address.port}`;
  }

  /** Where the connections go. */
  get address(): Address {
    return this.#parts.address;
  }

  /** Connections that exist, idle ones, and requests that wait. */
  get counts(): { open: number; idle: number; waiting: number } {
    return { open: this.#all.size, idle: this.#idle.length, waiting: this.#waiters.size };
  }

  /** Hands out an idle connection, or opens one, or lets the request wait. */
  acquire(waiter: ConnectionWaiter): void {
    if (this.#closed) {
      waiter.onNoConnection(
        new ConnectionError(`Node ${this.name} has left the cluster`, { node: this.name }),
      );
      return;
    }
    const connection = this.#idle.pop();
    if (connection !== undefined) {
      waiter.onConnection(connection);
      return;
    }
    const { waiterCountMax, connectionCountMax } = this.#parts.limits;
    if (this.#waiters.size >= waiterCountMax) {
      waiter.onNoConnection(
        new ConnectionError(
          `Cannot ask node ${this.name}: all ${connectionCountMax} connections are busy and ${waiterCountMax} ` +
            "requests wait already; send fewer at a time or raise connectionsPerNodeMax",
          { node: this.name },
        ),
      );
      return;
    }
    this.#waiters.add(waiter);
    this.#open();
  }

  /** Takes a request out of the queue. */
  cancel(waiter: ConnectionWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** Closes connections that have been idle for too long. */
  trim(): void {
    const { idleMaxMs } = this.#parts.limits;
    if (idleMaxMs === 0) return;
    const oldestMs = this.#parts.clock.monotonicMs() - idleMaxMs;
    // The stack is ordered by time of use: the longest idle ones are at its bottom.
    let count = 0;
    while (count < this.#idle.length && this.#idle[count].idleSinceMs < oldestMs) count++;
    for (const connection of this.#idle.slice(0, count)) connection.close();
  }

  /** Closes all connections; waiting requests are told, running ones fail as their connections end. */
  close(): void {
    this.#closed = true;
    for (const connection of [...this.#idle]) connection.close();
    for (const connection of [...this.#all]) {
      connection.onClose("local", new Error("the node has left the cluster or the client was closed"));
    }
    this.#failWaiters(new ConnectionError(`Node ${this.name} has left the cluster`, { node: this.name }));
  }

  /** {@inheritDoc ConnectionOwner.onIdle} */
  onIdle(connection: ClientConnection): void {
    const waiter = this.#nextWaiter();
    if (waiter === undefined) this.#idle.push(connection);
    else waiter.onConnection(connection);
  }

  /** {@inheritDoc ConnectionOwner.onGone} */
  onGone(connection: ClientConnection): void {
    this.#all.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#open();
  }

  #nextWaiter(): ConnectionWaiter | undefined {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      return waiter;
    }
    return undefined;
  }

  /** Opens as many connections as requests wait for and the limit allows. */
  #open(): void {
    const { network, address, limits } = this.#parts;
    while (
      !this.#closed && this.#openingCount < this.#waiters.size &&
      this.#all.size + this.#openingCount < limits.connectionCountMax
    ) {
      this.#openingCount++;
      network.connect({ ...address, timeoutMs: limits.connectTimeoutMs }).then(
        (connection) => this.#onOpened(connection),
        (error) => this.#onRefused(error),
      );
    }
  }

  #onOpened(port: Connection): void {
    this.#openingCount--;
    const { clock, compute } = this.#parts;
    const connection = new ClientConnection({ connection: port, clock, owner: this, compute });
    if (this.#closed) {
      connection.close();
      return;
    }
    this.#all.add(connection);
    connection.idleSinceMs = clock.monotonicMs();
    this.onIdle(connection);
  }

  /** An address that refuses one connection refuses them all: every request that waits is better off elsewhere. */
  #onRefused(cause: Error): void {
    this.#openingCount--;
    const error = new ConnectionError(`Cannot connect to node ${this.name}: ${cause.message}`, {
      node: this.name,
      cause,
    });
    if (this.#all.size === 0) this.#failWaiters(error);
    else this.#nextWaiter()?.onNoConnection(error);
    this.#open();
  }

  #failWaiters(error: ConnectionError): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.onNoConnection(error);
  }
}
