/**
 * Datagrams of the heartbeat: sends what is to be broadcast to all groups, and feeds back what is heard. There are no
 * connections: nobody is dialled, and nothing tells of a death but silence.
 *
 * | effect | done here | answer |
 * | ------ | --------- | ------ |
 * | broadcast | encode, compress above the threshold, send | none |
 * | drain | wait until a turn of the event loop brings no more datagrams | drained |
 *
 * A datagram holds one message. Whoever reaches the group can send, so that datagrams above a number per time are dropped
 * unread; it is far more than the largest cluster sends. Source: clustering reference, sections 3.1, 5.1 and 5.2.
 *
 * @module
 */

import { HEARTBEAT_DATAGRAM_COUNT_MAX, HEARTBEAT_DATAGRAM_SIZE_MAX } from "../base/mod.ts";
import type { MulticastSocket, Ports } from "../port/mod.ts";
import {
  decodeHeartbeat,
  type HeartbeatMessage,
  isPeerFault,
  PEER_MESSAGE,
  type PeerFault,
  PeerReader,
} from "../wire/mod.ts";
import { HeartbeatDrain } from "./heartbeat_drain.ts";
import { HeartbeatEncoder } from "./heartbeat_encoding.ts";
import type { HeartbeatEffect, HeartbeatEvent } from "./heartbeat_types.ts";

/** Time in which at most {@linkcode HEARTBEAT_DATAGRAM_COUNT_MAX} datagrams are looked at. */
const FLOOD_WINDOW_MS = 100;

/** What a {@linkcode MulticastTransport} is made of. */
export interface MulticastTransportOptions {
  readonly ports: Pick<Ports, "clock" | "network" | "compute">;
  /** Numeric addresses of the groups. */
  readonly groups: readonly string[];
  /** Routers that a datagram may pass; 0 is the system's default. */
  readonly ttl: number;
  /** Takes an event to the heartbeat; never called from inside {@linkcode MulticastTransport.execute}. */
  readonly onEvent: (event: HeartbeatEvent) => void;
  /** Messages above this size are compressed; asked for each time, because settings change. */
  readonly compressionThresholdBytes: () => number;
}

/** Counters. */
export interface MulticastTransportStatistics {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Messages sent compressed. */
  readonly compressed: number;
  /** Messages too large for a datagram, and datagrams dropped unread because there were too many. */
  readonly refused: number;
}

/** See the head of the file. */
export class MulticastTransport {
  readonly #options: MulticastTransportOptions;
  readonly #encoder: HeartbeatEncoder;
  readonly #drain: HeartbeatDrain;
  readonly #reader = new PeerReader();
  #socket: MulticastSocket | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  #refused = 0;
  #windowMs = -Infinity;
  #windowCount = 0;
  #isStopped = false;

  constructor(options: MulticastTransportOptions) {
    this.#options = options;
    const { clock, compute } = options.ports;
    this.#encoder = new HeartbeatEncoder(compute, options.compressionThresholdBytes);
    this.#drain = new HeartbeatDrain({
      clock,
      receivedBytes: () => this.#receivedBytes,
      hasUnread: () => false,
      onDrained: () => options.onEvent({ kind: "drained" }),
    });
  }

  /**
   * Joins the groups.
   *
   * @param at numeric addresses of the interfaces to use, the "any" addresses for the system's choice, and the port
   * @returns rejects with the port's `Error` when a group can't be joined
   */
  async listen(at: { readonly hosts: readonly string[]; readonly port: number }): Promise<[]> {
    const { ports: { network }, groups, ttl } = this.#options;
    if (network.multicast === undefined) throw new Error("Cannot use multicast: this network has none");
    const isV6 = groups.some((group) => group.includes(":"));
    const isAny = at.hosts.some((host) => host === "0.0.0.0" || host === "::");
    const interfaces = isAny ? [] : at.hosts.filter((host) => host.includes(":") === isV6);
    const socket = await network.multicast(
      { groups, port: at.port, interfaces, ttl },
      (bytes) => this.#onDatagram(bytes),
    );
    if (this.#isStopped) socket.close();
    else this.#socket = socket;
    return [];
  }

  /** Leaves the groups; no event follows. */
  stop(): void {
    this.#isStopped = true;
    this.#drain.stop();
    this.#socket?.close();
  }

  /** Counters. */
  get statistics(): MulticastTransportStatistics {
    return {
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      compressed: this.#encoder.compressedCount,
      refused: this.#refused,
    };
  }

  /**
   * Does what an effect asks for.
   *
   * @returns false when the effect is none of the transport's
   */
  execute(effect: HeartbeatEffect): boolean {
    switch (effect.kind) {
      case "broadcast":
        this.#send(effect.message);
        return true;
      case "drain":
        this.#drain.start();
        return true;
      default:
        return false;
    }
  }

  #send(message: HeartbeatMessage): void {
    const bytes = this.#encoder.encode(message);
    if (bytes.length > HEARTBEAT_DATAGRAM_SIZE_MAX) {
      this.#refused++;
      return;
    }
    this.#sentBytes += bytes.length;
    this.#socket?.send(bytes);
  }

  #onDatagram(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    this.#receivedBytes += bytes.length;
    if (this.#isFlood()) {
      this.#refused++;
      return;
    }
    const message = this.#decode(bytes);
    this.#options.onEvent(
      isPeerFault(message) ? { kind: "malformed", fault: message.fault } : { kind: "message", message },
    );
  }

  #isFlood(): boolean {
    const nowMs = this.#options.ports.clock.monotonicMs();
    if (nowMs - this.#windowMs >= FLOOD_WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#windowCount = 0;
    }
    return ++this.#windowCount > HEARTBEAT_DATAGRAM_COUNT_MAX;
  }

  #decode(bytes: Uint8Array): HeartbeatMessage | PeerFault {
    const reader = this.#reader;
    if (!reader.open(bytes, 0, bytes.length)) return { fault: reader.fault };
    if (reader.messageType !== PEER_MESSAGE.HEARTBEAT) {
      return { fault: `message type ${reader.messageType} in the heartbeat's multicast group` };
    }
    const { compute } = this.#options.ports;
    return decodeHeartbeat(reader, (source, sizeMaxBytes) => compute.inflate(source, sizeMaxBytes));
  }
}
