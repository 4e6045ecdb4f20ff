/**
 * Sockets of the heartbeat mesh: does what the heartbeat's effects ask for on the network port, and feeds back what comes
 * of it. Knows bytes and connections; who is a peer, which connection survives and when to dial is the core's.
 *
 * | effect | done here | answer |
 * | ------ | --------- | ------ |
 * | connect | dial | opened, connect-failed |
 * | abandon | a connection that it makes is closed | none |
 * | close | close | none |
 * | send | encode once, compress above the threshold, write to each | closed when a connection takes nothing |
 * | resolve | look up | resolved |
 * | drain | wait until a turn of the event loop brings no more bytes | drained |
 *
 * A connection has one write under way; what comes meanwhile waits, and a newer pulse takes the place of an older one,
 * because only the latest says something. Messages of one event are looked at for at most 1 ms; the rest waits for a later
 * turn. Source: clustering reference, sections 3.1, 5.1 and 5.2.
 *
 * @module
 */

import { HEARTBEAT_CONNECTION_COUNT_MAX, HEARTBEAT_PARTIAL_SIZE_MAX } from "../base/mod.ts";
import type { Address, Connection, Listener, Ports } from "../port/mod.ts";
import { type HeartbeatMessage, PeerReader } from "../wire/mod.ts";
import { FabricTurns } from "./fabric_turns.ts";
import { HeartbeatDrain } from "./heartbeat_drain.ts";
import { HeartbeatEncoder } from "./heartbeat_encoding.ts";
import type {
  AttemptId,
  ConnectFailure,
  ConnectionId,
  HeartbeatEffect,
  HeartbeatEvent,
} from "./heartbeat_types.ts";
import { MeshSocket, type MeshSocketHost } from "./mesh_transport_socket.ts";

/** What a {@linkcode MeshTransport} is made of. */
export interface MeshTransportOptions {
  readonly ports: Pick<Ports, "clock" | "network" | "compute" | "host">;
  /** Takes an event to the heartbeat; never called from inside {@linkcode MeshTransport.execute}. */
  readonly onEvent: (event: HeartbeatEvent) => void;
  /** Messages above this size are compressed; asked for each time, because settings change. */
  readonly compressionThresholdBytes: () => number;
}

/** Counters. */
export interface MeshTransportStatistics {
  /** Open connections. */
  readonly connections: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Messages sent compressed. */
  readonly compressed: number;
  /** Pulses and other messages that gave way to newer ones. */
  readonly replaced: number;
  /** Connections closed because they took nothing, or for what they sent. */
  readonly refused: number;
  /** Bytes of unfinished messages now. */
  readonly partialBytes: number;
}

/** See the head of the file. */
export class MeshTransport {
  readonly #options: MeshTransportOptions;
  readonly #host: MeshSocketHost;
  readonly #sockets = new Map<ConnectionId, MeshSocket>();
  readonly #dials = new Set<AttemptId>();
  readonly #listeners: Listener[] = [];
  readonly #encoder: HeartbeatEncoder;
  readonly #drain: HeartbeatDrain;
  readonly #counts = { sentBytes: 0, receivedBytes: 0, replaced: 0, refused: 0 };
  #nextId: ConnectionId = 1;
  #partialBytes = 0;
  #isStopped = false;

  constructor(options: MeshTransportOptions) {
    this.#options = options;
    const { clock, compute } = options.ports;
    this.#encoder = new HeartbeatEncoder(compute, options.compressionThresholdBytes);
    this.#drain = new HeartbeatDrain({
      clock,
      receivedBytes: () => this.#counts.receivedBytes,
      hasUnread: () => this.#hasUnread,
      onDrained: () => options.onEvent({ kind: "drained" }),
    });
    this.#host = {
      clock,
      turns: new FabricTurns(clock),
      reader: new PeerReader(),
      counts: this.#counts,
      inflate: (source, sizeMaxBytes) => compute.inflate(source, sizeMaxBytes),
      onMessage: (socket, message) => options.onEvent({ kind: "message", connection: socket.id, message }),
      onMalformed: (socket, fault) => options.onEvent({ kind: "malformed", connection: socket.id, fault }),
      onClosed: (socket) => this.#onClosed(socket),
      onKept: (changeBytes) => {
        this.#partialBytes += changeBytes;
        return changeBytes <= 0 || this.#partialBytes <= HEARTBEAT_PARTIAL_SIZE_MAX;
      },
    };
  }

  /**
   * Accepts connections.
   *
   * @param at numeric addresses to bind, and the port; 0 lets the system choose
   * @returns the addresses that are bound in fact, or rejects with the port's `Error` when one can't be
   */
  async listen(at: { readonly hosts: readonly string[]; readonly port: number }): Promise<Address[]> {
    for (const host of at.hosts) {
      const listener = await this.#options.ports.network.listen(
        { host, port: at.port },
        (connection) => this.#onOpened(connection),
      );
      if (this.#isStopped) listener.close();
      else this.#listeners.push(listener);
    }
    return this.#listeners.map((listener) => listener.address);
  }

  /** Closes everything; no event follows. */
  stop(): void {
    this.#isStopped = true;
    this.#drain.stop();
    for (const listener of this.#listeners) listener.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#dials.clear();
  }

  /** Counters. */
  get statistics(): MeshTransportStatistics {
    const { compressedCount: compressed } = this.#encoder;
    return { ...this.#counts, compressed, connections: this.#sockets.size, partialBytes: this.#partialBytes };
  }

  /**
   * Does what an effect asks for.
   *
   * @returns false when the effect is none of the transport's
   */
  execute(effect: HeartbeatEffect): boolean {
    switch (effect.kind) {
      case "connect":
        this.#connect(effect);
        return true;
      case "abandon":
        this.#dials.delete(effect.attempt);
        return true;
      case "close":
        this.#close(effect.connection);
        return true;
      case "send":
        this.#send(effect.connections, effect.message);
        return true;
      case "resolve":
        this.#resolve(effect.name);
        return true;
      case "drain":
        this.#drain.start();
        return true;
      default:
        return false;
    }
  }

  #connect({ attempt, endpoint, timeoutMs }: Extract<HeartbeatEffect, { kind: "connect" }>): void {
    this.#dials.add(attempt);
    const { network } = this.#options.ports;
    network.connect({ host: endpoint.address, port: endpoint.port, timeoutMs }).then(
      (connection) => {
        if (this.#dials.delete(attempt)) this.#onOpened(connection, attempt);
        else refuse(connection);
      },
      (error) => {
        if (!this.#dials.delete(attempt)) return;
        this.#options.onEvent({ kind: "connect-failed", attempt, failure: connectFailure(error) });
      },
    );
  }

  #onOpened(connection: Connection, attempt?: AttemptId): void {
    // The core closes those above its own limit; this one holds should it be slow to do so.
    if (this.#isStopped || this.#sockets.size > HEARTBEAT_CONNECTION_COUNT_MAX) {
      refuse(connection);
      if (attempt !== undefined && !this.#isStopped) {
        this.#options.onEvent({ kind: "connect-failed", attempt, failure: "unreachable" });
      }
      return;
    }
    const socket = new MeshSocket(this.#nextId++, connection, this.#host);
    this.#sockets.set(socket.id, socket);
    const { host, port } = connection.remote;
    const remote = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const event = { kind: "opened", connection: socket.id, remote } as const;
    this.#options.onEvent(attempt === undefined ? event : { ...event, attempt });
  }

  #close(id: ConnectionId): void {
    this.#sockets.get(id)?.close();
    this.#sockets.delete(id);
  }

  #onClosed(socket: MeshSocket): void {
    if (this.#sockets.delete(socket.id)) this.#options.onEvent({ kind: "closed", connection: socket.id });
  }

  #send(connections: readonly ConnectionId[], message: HeartbeatMessage): void {
    const bytes = this.#encoder.encode(message);
    const isPulse = message.kind === "pulse";
    for (const id of connections) this.#sockets.get(id)?.send({ bytes, isPulse });
  }

  #resolve(name: string): void {
    const answer = (addresses: readonly string[]) => {
      if (!this.#isStopped) this.#options.onEvent({ kind: "resolved", name, addresses });
    };
    this.#options.ports.host.resolve(name).then(answer, () => answer([]));
  }

  get #hasUnread(): boolean {
    for (const socket of this.#sockets.values()) if (socket.hasUnread) return true;
    return false;
  }
}

function refuse(connection: Connection): void {
  connection.handler = { onData() {}, onWritten() {}, onClose() {} };
  connection.close();
}

function connectFailure(error: unknown): ConnectFailure {
  const code = (error as { code?: string } | undefined)?.code;
  return code === "ECONNREFUSED" ? "refused" : code === "ETIMEDOUT" ? "timeout" : "unreachable";
}
