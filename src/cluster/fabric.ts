/**
 * The fabric: messages between this node and its peers, over several connections per peer and channel.
 *
 * What it promises: a message that `send` took goes to a connection of its channel as soon as one is idle; if that breaks
 * before the system has all of it, the message is sent again by another one. What was with the system when a connection
 * broke may be lost, and what is sent again may arrive twice: the protocols above number and repeat their messages.
 * Messages of one connection stay in order; a peer has several, so that messages of a channel may overtake each other.
 *
 * A peer is in one of these states:
 *
 * | state | connections | leaves when |
 * | ----- | ----------- | ----------- |
 * | stranger | those that it opened | `arrive` -> adjacent; its last one ends -> forgotten |
 * | adjacent | all that the options ask for are kept up | `depart` -> everything is closed and dropped |
 * | adjacent, probing | none; one attempt at a time, on the control channel | one answers -> adjacent |
 *
 * Connections of another incarnation than the one that arrived are parked: a restarted process is a departure and an
 * arrival, so nothing of it is read before both have happened. `fabric_turns.ts` tells how messages share the event loop,
 * `fabric_death.ts` what follows from `onLink`. Source: clustering reference, section 6; docs/cluster.md.
 *
 * @module
 */

import {
  assert,
  FABRIC_ACCEPTED_PER_CHANNEL_MAX,
  FABRIC_HANDSHAKE_TIMEOUT_MS,
  FABRIC_PARKED_TIMEOUT_MS,
  FABRIC_PARTIAL_SIZE_MAX,
  FABRIC_PENDING_COUNT_MAX,
  FABRIC_WRITE_SIZE_MAX,
  PEER_NODE_COUNT_MAX,
} from "../base/mod.ts";
import type { Address, CloseReason, Connection, Listener, Timer } from "../port/mod.ts";
import { FABRIC_CHANNEL_COUNT, type FabricHandshake, type PeerMessage, PeerReader } from "../wire/mod.ts";
import { FabricDepartures } from "./fabric_departures.ts";
import { FabricDialer } from "./fabric_dialer.ts";
import { FabricLoopback } from "./fabric_loopback.ts";
import { type FabricLane, FabricPeer } from "./fabric_peer.ts";
import type { FabricChunk, FabricPayload } from "./fabric_queue.ts";
import { FabricSocket, type FabricSocketHost } from "./fabric_socket.ts";
import { FabricTurns } from "./fabric_turns.ts";
import type {
  FabricArrival,
  FabricChannelCounts,
  FabricOptions,
  FabricStatistics,
  FabricTarget,
  SendResult,
} from "./fabric_types.ts";
import { dialable } from "./heartbeat_endpoints.ts";
import type { PeerLink } from "./heartbeat_types.ts";
import { type NodeId, nodeIdForLog } from "./node_id.ts";

/** Time between two looks at connections whose handshake is late. */
const SWEEP_MS = 250;

/** See the head of the file. */
export class Fabric {
  readonly #options: FabricOptions;
  readonly #turns: FabricTurns;
  readonly #departures: FabricDepartures;
  readonly #reader = new PeerReader();
  readonly #dialer: FabricDialer;
  readonly #host: FabricSocketHost;
  readonly #loopbacks: readonly FabricLoopback[];
  readonly #peers = new Map<NodeId, FabricPeer>();
  /** All connections, and the lane of those that are ready or were dialled for one. */
  readonly #sockets = new Map<FabricSocket, FabricLane | undefined>();
  /** Connections that are not ready, oldest first. */
  readonly #pending = new Set<FabricSocket>();
  readonly #listeners: Listener[] = [];
  readonly #channels: FabricChannelCounts[];
  readonly #counts = { opened: 0, closed: 0, requeued: 0, dropped: 0, refused: 0, malformed: 0 };
  readonly #links: { peer: FabricPeer; link: PeerLink }[] = [];
  #partialBytes = 0;
  #sweepTimer: Timer | undefined;
  #isStopped = false;

  constructor(options: FabricOptions) {
    this.#options = options;
    this.#turns = new FabricTurns(options.ports.clock);
    this.#departures = new FabricDepartures(options.ports.clock, (lane) => this.#flush(lane));
    this.#channels = Array.from(
      { length: FABRIC_CHANNEL_COUNT },
      () => ({ sentCount: 0, sentBytes: 0, receivedCount: 0, receivedBytes: 0 }),
    );
    this.#loopbacks = this.#channels.map((_, channel) =>
      new FabricLoopback(channel, this.#turns, (_channel, { bytes, at, end }) => {
        assert(this.#reader.open(bytes, at, end), "A message to this node itself is well-formed");
        this.#deliver({ node: options.node, channel }, end - at);
      })
    );
    this.#dialer = new FabricDialer({
      ports: options.ports,
      peers: () => this.#peers.values(),
      onConnected: (lane, connection) => this.#onConnected(lane, connection),
      onFailed: (lane, isRefused) => this.#onDialFailed(lane, isRefused),
    });
    this.#host = this.#makeHost();
  }

  #makeHost(): FabricSocketHost {
    return {
      turns: this.#turns,
      reader: this.#reader,
      hold: () => this.hold(),
      release: () => this.release(),
      onHandshake: (socket, handshake) => this.#onHandshake(socket, handshake),
      onMessage: (socket, sizeBytes) => this.#deliver(socket, sizeBytes),
      isReceiving: (socket) => this.#sockets.get(socket)?.isReceiving ?? true,
      onWritten: (socket, chunk) => this.#onWritten(socket, chunk),
      onClosed: (socket, reason, unsent) => this.#onClosed(socket, reason, unsent),
      onKept: (changeBytes) => {
        this.#partialBytes += changeBytes;
        return changeBytes <= 0 || this.#partialBytes <= FABRIC_PARTIAL_SIZE_MAX;
      },
      onMalformed: (socket, fault) => {
        this.#counts.malformed++;
        const whom = socket.node === "" ? "nobody yet" : `node ${nodeIdForLog(socket.node)}`;
        const { host, port } = socket.connection.remote;
        this.#log("warning", `fabric connection from ${host}:${port} (${whom}) is closed: ${fault}`);
        socket.close();
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
        (connection) => this.#onAccepted(connection),
      );
      if (this.#isStopped) listener.close();
      else this.#listeners.push(listener);
    }
    return this.#listeners.map((listener) => listener.address);
  }

  /** Ends everything; what waits is lost. */
  stop(): void {
    this.#isStopped = true;
    this.#dialer.stop();
    this.#sweepTimer?.cancel();
    for (const listener of this.#listeners) listener.close();
    for (const node of [...this.#peers.keys()]) this.depart(node);
    for (const socket of this.#sockets.keys()) socket.close();
    for (const loopback of this.#loopbacks) loopback.clear();
  }

  /**
   * A peer is heard: connections to it are opened and kept up. May be called again when its endpoints changed. With
   * another incarnation than before it departs first.
   */
  arrive(node: NodeId, arrival: FabricArrival): void {
    if (node === this.#options.node || this.#isStopped) return;
    const known = this.#peers.get(node)?.incarnation;
    const { incarnation = known } = arrival;
    if (known !== undefined && known !== incarnation) this.depart(node);
    const peer = this.#peers.get(node) ?? this.#add(node);
    peer.isAdjacent = true;
    peer.endpoints = dialable(arrival.endpoints, { ipv6: this.#options.ipv6, tls: false });
    peer.endpointAt = 0;
    peer.incarnation = incarnation;
    for (const lane of peer.lanes) lane.dialMs = -Infinity;
    for (const socket of [...this.#pending]) {
      if (socket.state === "parked" && socket.node === node && socket.incarnation === peer.incarnation) {
        this.#admit(socket, peer);
      }
    }
    if (peer.openCount > 0) this.#setLink(peer, "up");
    this.#dialer.tendSoon();
  }

  /** A peer is gone: its connections are closed and what waits for it is dropped. */
  depart(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    this.#peers.delete(node);
    peer.isGone = true;
    for (const lane of peer.lanes) this.#counts.dropped += lane.queue.clear();
    for (const [socket, lane] of [...this.#sockets]) if (lane?.peer === peer) socket.close();
  }

  /**
   * Sends a message. To this node itself it is delivered in a later turn.
   *
   * @param message encoded at once, or bytes with header, which are copied
   */
  send(target: FabricTarget, message: PeerMessage | Uint8Array): SendResult {
    if (target.node === this.#options.node) return this.#sendToSelf(target.channel, message);
    const lane = this.#laneOf(target);
    if (lane === undefined) return "unknown-node";
    const sizeBytes = lane.queue.add(message);
    if (sizeBytes === 0) {
      this.#counts.refused++;
      return "full";
    }
    if (!lane.hasIdle) return "queued";
    if (lane.queue.sizeBytes >= FABRIC_WRITE_SIZE_MAX) this.#flush(lane);
    else this.#departures.add(lane);
    return "sent";
  }

  #sendToSelf(channel: number, message: FabricPayload): SendResult {
    if (this.#loopbacks[channel]!.add(message) > 0) return "sent";
    this.#counts.refused++;
    return "full";
  }

  /**
   * Until {@linkcode release} messages are collected, so that those of one event leave in one write. The fabric does so
   * itself around the messages of each event that it delivers.
   */
  hold(): void {
    this.#departures.hold();
  }

  /** Ends a {@linkcode hold}: what was collected leaves, control messages first. */
  release(): void {
    this.#departures.release();
  }

  /** Whether so much waits for a peer and channel that a sender should wait for its peer's acknowledgements. */
  isOverloaded(target: FabricTarget): boolean {
    if (target.node === this.#options.node) return false;
    return this.#laneOf(target)?.isOverloaded ?? false;
  }

  /** Messages that wait for a peer and channel. */
  queuedCount(target: FabricTarget): number {
    if (target.node === this.#options.node) return this.#loopbacks[target.channel]!.count;
    return this.#laneOf(target)?.queue.count ?? 0;
  }

  /**
   * Takes no more messages of a peer and channel, or takes them again; at most the rest of one read is kept meanwhile,
   * and the peer's queue grows instead. Not for CTRL in the long run: clustering needs it.
   */
  setReceiving(target: FabricTarget, isReceiving: boolean): void {
    const lane = this.#laneOf(target);
    if (lane === undefined || lane.isReceiving === isReceiving) return;
    lane.isReceiving = isReceiving;
    if (isReceiving) { for (const socket of [...lane.dialled, ...lane.accepted]) socket.resume(); }
  }

  /** Whether messages to a node would find a connection of a channel. */
  isConnected(target: FabricTarget): boolean {
    const lane = this.#laneOf(target);
    return lane !== undefined && lane.dialled.length + lane.accepted.length > 0;
  }

  /** What the connections say about a peer's process; undefined of a peer that has not arrived or was never connected. */
  link(node: NodeId): PeerLink | undefined {
    return this.#peers.get(node)?.link;
  }

  /** Whether a peer has a connection here that it opened itself: it can dial what it is told. */
  isDialledBy(node: NodeId): boolean {
    return this.#peers.get(node)?.lanes.some(({ accepted }) => accepted.length > 0) ?? false;
  }

  /** Known peers. */
  get peers(): NodeId[] {
    return [...this.#peers.keys()];
  }

  /** Counters. */
  get statistics(): FabricStatistics {
    let queued = 0;
    for (const peer of this.#peers.values()) for (const lane of peer.lanes) queued += lane.queue.count;
    return {
      ...this.#counts,
      channels: this.#channels,
      connections: this.#sockets.size,
      dialsFailed: this.#dialer.failedCount,
      queued,
      partialBytes: this.#partialBytes,
    };
  }

  #laneOf(target: FabricTarget): FabricLane | undefined {
    return this.#peers.get(target.node)?.lanes[target.channel];
  }

  #add(node: NodeId): FabricPeer {
    const peer = new FabricPeer(node, this.#options.settings);
    this.#peers.set(node, peer);
    return peer;
  }

  #deliver(from: FabricTarget, sizeBytes: number): void {
    const counts = this.#channels[from.channel]!;
    counts.receivedCount++;
    counts.receivedBytes += sizeBytes;
    this.#options.handler.onMessage(from.node, from.channel, this.#reader);
  }

  #flush(lane: FabricLane): void {
    while (lane.queue.count > 0) {
      const socket = lane.takeIdle();
      if (socket === undefined) return;
      socket.send(lane.queue.take()!);
    }
  }

  #onWritten(socket: FabricSocket, chunk: FabricChunk | undefined): void {
    const lane = this.#sockets.get(socket);
    if (lane === undefined || socket.state !== "ready") return;
    if (chunk !== undefined) {
      const counts = this.#channels[lane.channel]!;
      counts.sentCount += chunk.messageCount;
      counts.sentBytes += chunk.buffer.length;
      lane.queue.recycle(chunk);
    }
    this.#flush(lane);
    if (lane.takeDrained()) this.#options.handler.onDrain?.(lane.peer.node, lane.channel);
  }

  #onAccepted(connection: Connection): void {
    const socket = this.#open(connection, { direction: "accepted", state: "greeting" });
    if (this.#isStopped) return socket.close();
    if (this.#pending.size <= FABRIC_PENDING_COUNT_MAX) return;
    for (const oldest of this.#pending) {
      if (oldest.direction === "accepted") return oldest.close();
    }
  }

  #onConnected(lane: FabricLane, connection: Connection): void {
    const { peer, channel } = lane;
    // An aerie node answers with its own handshake, which tells whether it is the process that is meant.
    const state = peer.incarnation === undefined ? "ready" : "awaiting-reply";
    const target = { node: peer.node, channel };
    const socket = this.#open(connection, { direction: "dialled", state, target });
    this.#sockets.set(socket, lane);
    socket.greet(this.#handshake(channel));
    if (state === "ready") this.#admit(socket, peer);
  }

  #open(
    connection: Connection,
    options: Pick<ConstructorParameters<typeof FabricSocket>[2], "direction" | "state" | "target">,
  ): FabricSocket {
    const deadlineMs = this.#options.ports.clock.monotonicMs() + FABRIC_HANDSHAKE_TIMEOUT_MS;
    const socket = new FabricSocket(connection, this.#host, { ...options, deadlineMs });
    this.#counts.opened++;
    this.#sockets.set(socket, undefined);
    this.#wait(socket);
    return socket;
  }

  #wait(socket: FabricSocket): void {
    this.#pending.add(socket);
    this.#sweepTimer ??= this.#options.ports.clock.after(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#sweepTimer = undefined;
    const nowMs = this.#options.ports.clock.monotonicMs();
    for (const socket of [...this.#pending]) if (nowMs >= socket.deadlineMs) socket.close();
    if (this.#pending.size > 0) {
      this.#sweepTimer = this.#options.ports.clock.after(SWEEP_MS, () => this.#sweep());
    }
  }

  #handshake(channel: number): FabricHandshake {
    const { node, incarnation } = this.#options;
    return { type: "handshake", source: node, channel, incarnation };
  }

  #onHandshake(socket: FabricSocket, handshake: FabricHandshake): void {
    if (handshake.source === this.#options.node) {
      this.#log(
        "warning",
        `fabric connection with this node's own id ${nodeIdForLog(handshake.source)} is closed`,
      );
      return socket.close();
    }
    if (socket.direction === "dialled") return this.#onReply(socket, handshake);
    socket.node = handshake.source;
    socket.channel = handshake.channel;
    socket.incarnation = handshake.incarnation;
    const peer = this.#peerOf(handshake);
    if (peer === undefined) return socket.close();
    if (peer.incarnation === undefined) peer.incarnation = handshake.incarnation;
    if (peer.incarnation === handshake.incarnation) return this.#admit(socket, peer);
    socket.state = "parked";
    socket.deadlineMs = this.#options.ports.clock.monotonicMs() + FABRIC_PARKED_TIMEOUT_MS;
    this.#setLink(peer, "restarted");
  }

  /** The peer that a handshake comes from; undefined when there is no room for another. */
  #peerOf({ source, incarnation }: FabricHandshake): FabricPeer | undefined {
    const known = this.#peers.get(source);
    if (known !== undefined && !known.isAdjacent && known.incarnation !== incarnation) this.depart(source);
    const peer = this.#peers.get(source);
    if (peer !== undefined || this.#peers.size < PEER_NODE_COUNT_MAX) return peer ?? this.#add(source);
    return undefined;
  }

  #onReply(socket: FabricSocket, handshake: FabricHandshake): void {
    const lane = this.#sockets.get(socket);
    if (lane === undefined) return;
    const { peer } = lane;
    if (handshake.source !== peer.node || handshake.channel !== lane.channel) {
      const { host, port } = socket.connection.remote;
      this.#log(
        "warning",
        `node ${nodeIdForLog(handshake.source)} answers at ${host}:${port}, which node ${
          nodeIdForLog(peer.node)
        } publishes; check fabric.address of both`,
      );
      return socket.close();
    }
    if (peer.incarnation === undefined) peer.incarnation = handshake.incarnation;
    if (peer.incarnation !== handshake.incarnation) {
      this.#setLink(peer, "restarted");
      return socket.close();
    }
    if (socket.state === "awaiting-reply") this.#admit(socket, peer);
  }

  /** A connection has said who it is: it carries messages from now on. */
  #admit(socket: FabricSocket, peer: FabricPeer): void {
    const lane = peer.lanes[socket.channel]!;
    this.#pending.delete(socket);
    this.#sockets.set(socket, lane);
    socket.readyMs = this.#options.ports.clock.monotonicMs();
    if (socket.direction === "dialled") {
      lane.dialingCount--;
      lane.failureCount = 0;
      lane.dialled.push(socket);
    } else {
      if (lane.accepted.length >= FABRIC_ACCEPTED_PER_CHANNEL_MAX) lane.accepted.shift()!.close();
      lane.accepted.push(socket);
      if (socket.incarnation !== undefined) socket.greet(this.#handshake(socket.channel));
    }
    peer.isProbing = false;
    socket.makeReady();
    this.#setLink(peer, "up");
    this.#flush(lane);
    this.#dialer.tendSoon();
  }

  #onDialFailed({ peer }: FabricLane, isRefused: boolean): void {
    if (peer.openCount > 0) return;
    peer.isProbing = true;
    if (isRefused) this.#setLink(peer, "refused");
  }

  #onClosed(socket: FabricSocket, reason: CloseReason, unsent: FabricChunk | undefined): void {
    const lane = this.#sockets.get(socket);
    const wasPending = this.#pending.delete(socket);
    this.#sockets.delete(socket);
    this.#counts.closed++;
    if (lane === undefined || lane.peer.isGone) {
      this.#counts.dropped += unsent?.messageCount ?? 0;
      return;
    }
    if (wasPending) return this.#dialer.failed(lane, false);
    lane.remove(socket);
    this.#resend(lane, unsent);
    this.#afterLoss(socket, lane, reason);
  }

  #resend(lane: FabricLane, unsent: FabricChunk | undefined): void {
    if (unsent === undefined) return;
    const { messageCount } = unsent;
    if (lane.queue.putBack(unsent)) this.#counts.requeued += messageCount;
    else this.#counts.dropped += messageCount;
    this.#flush(lane);
  }

  /** Dials again: at once when it was the last connection, because others want to know why it ended. */
  #afterLoss(socket: FabricSocket, lane: FabricLane, reason: CloseReason): void {
    const { peer } = lane;
    const { clock, random } = this.#options.ports;
    if (socket.direction === "dialled") {
      lane.noteLoss(socket, clock.monotonicMs());
      lane.backOff(clock.monotonicMs(), random.u32() / 0x1_0000_0000);
    }
    if (peer.openCount === 0) {
      if (!peer.isAdjacent) {
        this.#counts.dropped += peer.lanes.reduce((sum, one) => sum + one.queue.clear(), 0);
        peer.isGone = true;
        this.#peers.delete(peer.node);
      } else {
        peer.isProbing = true;
        if (reason !== "local") this.#setLink(peer, "lost");
      }
    }
    this.#dialer.tendSoon();
  }

  /** Tells what the connections say, in a turn of its own. */
  #setLink(peer: FabricPeer, link: PeerLink): void {
    if (!peer.isAdjacent || peer.link === link || peer.link === "restarted") return;
    if (link === "refused" && peer.link === undefined) return;
    peer.link = link;
    this.#links.push({ peer, link });
    if (this.#links.length > 1) return;
    this.#options.ports.clock.nextTurn(() => {
      for (const one of this.#links.splice(0)) {
        if (!one.peer.isGone) this.#options.handler.onLink?.(one.peer.node, one.link);
      }
    });
  }

  #log(level: "warning" | "info", text: string): void {
    this.#options.ports.log.write(level, "fabric", text);
  }
}
