/**
 * The mesh: one connection to every node that anybody knows, found through seeds and through what peers say whom they
 * hear.
 *
 * | state of a peer | meaning | leaves when |
 * | --------------- | ------- | ----------- |
 * | endpoint-unknown | its id was in a peer's adjacency list | an info reply tells its endpoints -> inactive; node timeout -> forgotten |
 * | inactive | endpoints known, no connection | dialled at the next tend -> pending; 10 node timeouts without a connection -> forgotten |
 * | pending | being dialled | first message -> active; all endpoints failed, or the connection ended -> inactive |
 * | active | has a connection | its last connection ended -> inactive, and dialled at once |
 *
 * Source: clustering reference, sections 5.7, 5.8 and 5.10.
 *
 * @module
 */

import {
  HEARTBEAT_CONNECTION_COUNT_MAX,
  HEARTBEAT_DIAL_COUNT_MAX,
  HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX,
  HEARTBEAT_MESSAGES_PER_INTERVAL_MAX,
} from "../base/mod.ts";
import type { HeartbeatInfoReply, PeerEndpoint } from "../wire/mod.ts";
import { dialable, endpointsText, endpointText, hasEndpoint, sameEndpoints } from "./heartbeat_endpoints.ts";
import type { AttemptId, ConnectFailure, ConnectionId } from "./heartbeat_types.ts";
import { type DialPurpose, findLosers, type MeshConnection } from "./mesh_connections.ts";
import type { BindResult, Dial, MeshCounts, MeshHost, MeshPeer, MeshSender } from "./mesh_types.ts";
import { type NodeId, nodeIdForLog } from "./node_id.ts";
import { markSelf, seedText, targetAnswered, targetFailed } from "./seeds.ts";

/** Peers and connections of one node. */
export class Mesh {
  /** Counters. */
  readonly counts: MeshCounts = { opened: 0, closed: 0, flooded: 0 };
  readonly #host: MeshHost;
  readonly #peers = new Map<NodeId, MeshPeer>();
  readonly #connections = new Map<ConnectionId, MeshConnection>();
  readonly #dials = new Map<AttemptId, Dial>();
  #nextAttempt: AttemptId = 1;
  #tendMs = 0;
  #idleCheckMs = 0;
  /** Something happened that the next tend should not wait for. */
  #isUrgent = true;

  constructor(host: MeshHost) {
    this.#host = host;
  }

  /** Open connections. */
  get connections(): ConnectionId[] {
    return [...this.#connections.keys()];
  }

  /** Known nodes, for people and tests. */
  get peers(): MeshPeer[] {
    return [...this.#peers.values()];
  }

  /** Monotonic time at which {@linkcode tend} has something to do. */
  get dueMs(): number {
    let dueMs = Math.min(this.#tendMs, this.#idleCheckMs);
    for (const dial of this.#dials.values()) dueMs = Math.min(dueMs, dial.deadlineMs);
    return dueMs;
  }

  get #nowMs(): number {
    return this.#host.out.nowMs;
  }

  /** A connection exists. @returns whether it is kept */
  opened(id: ConnectionId, from: { readonly attempt?: AttemptId; readonly remote: string }): boolean {
    const dial = from.attempt === undefined ? undefined : this.#dials.get(from.attempt);
    if (from.attempt !== undefined) this.#dials.delete(from.attempt);
    const isStale = from.attempt !== undefined && dial === undefined;
    if (isStale || this.#connections.size >= HEARTBEAT_CONNECTION_COUNT_MAX) {
      if (dial !== undefined) this.#failed(dial.purpose);
      this.#host.out.push({
        kind: "close",
        connection: id,
        reason: isStale ? "given up" : "too many connections",
      });
      return false;
    }
    this.counts.opened++;
    this.#connections.set(id, {
      id,
      direction: from.attempt === undefined ? "inbound" : "outbound",
      remote: from.remote,
      purpose: dial?.purpose,
      node: undefined,
      incarnation: undefined,
      endpoints: [],
      receivedMs: this.#nowMs,
      wonUntilMs: -Infinity,
      windowMs: this.#nowMs,
      messageCount: 0,
      replyCount: 0,
      askedMs: -Infinity,
    });
    return true;
  }

  /** A connect failed: the next endpoint is tried, or the peer or seed waits for the next tend. */
  connectFailed(attempt: AttemptId, failure: ConnectFailure): void {
    const dial = this.#dials.get(attempt);
    if (dial === undefined) return;
    this.#dials.delete(attempt);
    const onlyRefused = dial.onlyRefused && failure === "refused";
    if (dial.rest.length > 0) return this.#dial(dial.purpose, dial.rest, onlyRefused);
    const { purpose } = dial;
    this.#failed(purpose);
    const peer = purpose.kind === "peer" ? this.#peers.get(purpose.node) : undefined;
    const whom = purpose.kind === "peer"
      ? `node ${nodeIdForLog(purpose.node)}`
      : `seed ${seedText(purpose.target.seed.address)}`;
    this.#host.out.logSeldom(
      `connect ${whom}`,
      "warning",
      `could not create heartbeat connection to ${whom} at ${endpointText(dial.endpoint)}: ${failure}`,
    );
    if (onlyRefused && peer?.isLost) {
      peer.isLost = false;
      this.#host.out.push({ kind: "peer-link", node: peer.node, link: "refused" });
    }
  }

  /** The other side ended a connection. */
  closed(id: ConnectionId): void {
    const connection = this.#remove(id);
    const peer = connection?.node === undefined ? undefined : this.#peers.get(connection.node);
    if (peer === undefined || peer.connections.size > 0) return;
    peer.isLost = true;
    this.#host.out.push({ kind: "peer-link", node: peer.node, link: "lost" });
  }

  /**
   * Whether a message of a connection is looked at; a connection that floods is not listened to.
   *
   * @param isUnlimited after a sleep many messages of each peer wait
   */
  admits(id: ConnectionId, isUnlimited: boolean): boolean {
    const connection = this.#connections.get(id);
    if (connection === undefined) return false;
    if (this.#nowMs - connection.windowMs >= this.#host.times.pulseIntervalMs) {
      connection.windowMs = this.#nowMs;
      connection.messageCount = connection.replyCount = 0;
    }
    if (isUnlimited || ++connection.messageCount <= HEARTBEAT_MESSAGES_PER_INTERVAL_MAX) return true;
    this.counts.flooded++;
    this.#host.out.logSeldom(
      `flood ${connection.remote}`,
      "warning",
      `${connection.remote} sends more than ${HEARTBEAT_MESSAGES_PER_INTERVAL_MAX} heartbeat messages per interval; the rest is ignored`,
    );
    return false;
  }

  /** Takes the sender of a connection's message for its other end. */
  bind(id: ConnectionId, sender: MeshSender): BindResult {
    const { node, endpoints } = sender;
    const connection = this.#connections.get(id);
    if (connection === undefined) return "closed";
    if (connection.node !== undefined && connection.node !== node) return "other-node";
    const peer = node === this.#host.self ? undefined : this.#learn(node, true);
    if (peer === undefined && node !== this.#host.self) return "full";
    connection.receivedMs = this.#nowMs;
    connection.incarnation ??= sender.incarnation;
    connection.endpoints = endpoints;
    if (peer !== undefined && !sameEndpoints(peer.endpoints, endpoints)) peer.endpoints = endpoints;
    if (connection.node === node) return "bound";
    connection.node = node;
    this.#arrived(connection, node);
    if (peer === undefined) return this.#bindTwin(connection);
    peer.connections.add(id);
    if (peer.state !== "active") this.#host.out.push({ kind: "peer-link", node, link: "up" });
    peer.state = "active";
    peer.isLost = false;
    this.#resolveDuplicates(peer, connection);
    return this.#connections.has(id) ? "bound" : "closed";
  }

  /** A connection leads to this very process: it and what led there are dropped. */
  dropSelf(id: ConnectionId): void {
    const connection = this.#connections.get(id);
    if (connection?.purpose?.kind === "seed") markSelf(connection.purpose.target);
    else if (connection !== undefined) this.#arrived(connection, this.#host.self);
    this.#close(id, "leads to this node itself");
    this.#isUrgent = true;
  }

  /** Asks the sender of an adjacency list for the endpoints of nodes that nobody here knows. */
  mentioned(id: ConnectionId, nodes: readonly NodeId[]): void {
    const wanted = nodes.filter((node) =>
      node !== this.#host.self && this.#learn(node)?.state === "endpoint-unknown"
    );
    const connection = this.#connections.get(id);
    if (wanted.length === 0 || connection === undefined) return;
    if (this.#nowMs - connection.askedMs < this.#host.times.tendMs / 2) return;
    connection.askedMs = this.#nowMs;
    this.#host.out.push({ kind: "send", connections: [id], message: this.#host.askFor(wanted) });
  }

  /** Endpoints of the nodes that a peer asked for; undefined when it asks too often. */
  answer(id: ConnectionId, nodes: readonly NodeId[]): HeartbeatInfoReply["nodes"] | undefined {
    const connection = this.#connections.get(id)!;
    if (++connection.replyCount > HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX) {
      this.counts.flooded++;
      return undefined;
    }
    const endpointsOf = (node: NodeId) =>
      node === this.#host.self ? this.#host.endpoints : this.#peers.get(node)?.endpoints ?? [];
    return [...new Set(nodes)].map((node) => ({ node, endpoints: endpointsOf(node) }))
      .filter((item) => item.endpoints.length > 0);
  }

  /** Takes endpoints of nodes that have no connection; others tell theirs themselves. */
  told(items: HeartbeatInfoReply["nodes"]): void {
    for (const { node, endpoints } of items) {
      if (node === this.#host.self) this.#dialTwin(endpoints);
      const peer = this.#peers.get(node);
      if (peer === undefined || endpoints.length === 0) continue;
      if (peer.state === "endpoint-unknown") {
        peer.state = "inactive";
        peer.sinceMs = this.#nowMs;
        this.#isUrgent = true;
      } else if (peer.state !== "inactive") continue;
      peer.endpoints = endpoints;
    }
  }

  /**
   * Two processes use one id. They need not know each other, so each is told where the other is: a pulse of its own id is
   * what shows a process that it has a double. Stock nodes are told nothing.
   */
  introduce(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined || this.#nowMs - peer.introducedMs < this.#host.times.nodeTimeoutMs) return;
    const ends = [...peer.connections].map((id) => this.#connections.get(id)!)
      .filter(({ incarnation }) => incarnation !== undefined);
    for (const { id, incarnation } of ends) {
      const twin = ends.find((one) => one.incarnation !== incarnation);
      if (twin === undefined) return;
      peer.introducedMs = this.#nowMs;
      const message = this.#host.tell([{ node, endpoints: twin.endpoints }]);
      this.#host.out.push({ kind: "send", connections: [id], message });
    }
  }

  /** Closes a node's connections: its process has ended. */
  forget(node: NodeId): void {
    for (const id of this.#peers.get(node)?.connections ?? []) this.#close(id, "its process has ended");
  }

  /** Closes everything and forgets everybody. */
  reset(): void {
    for (const id of this.connections) this.#close(id, "heartbeat reset");
    for (const attempt of this.#dials.keys()) this.#host.out.push({ kind: "abandon", attempt });
    this.#dials.clear();
    this.#peers.clear();
    this.#isUrgent = true;
  }

  /** The settings or the seeds changed: what is due is found out anew. */
  hurry(): void {
    this.#isUrgent = true;
  }

  /** After a sleep: nobody had a chance to be heard, so that connections are as good as new. */
  spare(): void {
    for (const connection of this.#connections.values()) connection.receivedMs = this.#nowMs;
  }

  /** Does what is due: dials, looks names up, closes idle connections, forgets. */
  tend(): void {
    const nowMs = this.#nowMs;
    const { times } = this.#host;
    for (const [attempt, dial] of [...this.#dials]) {
      if (nowMs < dial.deadlineMs) continue;
      this.#host.out.push({ kind: "abandon", attempt });
      this.connectFailed(attempt, "timeout");
    }
    if (nowMs >= this.#idleCheckMs) this.#closeIdle();
    if (!this.#isUrgent && nowMs < this.#tendMs) return;
    this.#isUrgent = false;
    this.#tendMs = nowMs + times.tendMs;
    this.#forgetPeers();
    this.#dialDue();
  }

  #closeIdle(): void {
    const { times, out } = this.#host;
    this.#idleCheckMs = this.#nowMs + times.idleCheckMs;
    for (const connection of [...this.#connections.values()]) {
      if (this.#nowMs - connection.receivedMs < times.idleMs) continue;
      const who = connection.node === undefined ? "nobody yet" : `node ${nodeIdForLog(connection.node)}`;
      out.log("debug", `heartbeat connection with ${connection.remote} (${who}) was idle`);
      this.#close(connection.id, "idle");
    }
  }

  #forgetPeers(): void {
    const { endpointUnknownMs, forgetMs } = this.#host.times;
    for (const peer of this.peers) {
      const limitMs = peer.state === "endpoint-unknown" ? endpointUnknownMs : forgetMs;
      if (peer.state === "active" || peer.state === "pending") continue;
      if (this.#nowMs - peer.sinceMs < limitMs) continue;
      this.#peers.delete(peer.node);
      this.#host.out.log(
        "debug",
        `node ${nodeIdForLog(peer.node)} is forgotten: no connection, ${endpointsText(peer.endpoints)}`,
      );
    }
  }

  /** Dials peers and seeds; who waits longest comes first when there are too many. */
  #dialDue(): void {
    const { seeds, out, settings } = this.#host;
    // Most tends have nothing to dial.
    let found: Map<string, NodeId> | undefined;
    const publishers = () => found ??= this.#publishers();
    const work = seeds.tend(this.#nowMs, {
      isActive: (node) => this.#isActive(node),
      publishers,
      isOwn: (endpoint) => hasEndpoint(this.#host.endpoints, endpoint),
    });
    for (const name of work.resolve) out.push({ kind: "resolve", name });
    for (const { address } of work.removed) {
      out.log("info", `seed ${seedText(address)} is this node itself and is left out`);
    }
    const due: { dialMs: number; purpose: DialPurpose; endpoints: readonly PeerEndpoint[] }[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.state !== "inactive" || this.#nowMs < peer.dialMs) continue;
      const purpose = { kind: "peer", node: peer.node } as const;
      due.push({ dialMs: peer.dialMs, purpose, endpoints: this.#promising(peer, publishers()) });
    }
    for (const target of work.dial) {
      const endpoints = dialable([target.endpoint], settings);
      due.push({ dialMs: target.dialMs, purpose: { kind: "seed", target }, endpoints });
    }
    due.sort((a, b) => a.dialMs - b.dialMs);
    for (const { purpose, endpoints } of due) this.#start(purpose, endpoints);
  }

  #start(purpose: DialPurpose, endpoints: readonly PeerEndpoint[]): void {
    if (this.#dials.size >= HEARTBEAT_DIAL_COUNT_MAX || endpoints.length === 0) return;
    const subject = purpose.kind === "seed" ? purpose.target : this.#peers.get(purpose.node)!;
    subject.state = "pending";
    subject.dialMs = this.#nowMs + this.#host.times.tendMs;
    this.#dial(purpose, endpoints, true);
  }

  #dial(purpose: DialPurpose, endpoints: readonly PeerEndpoint[], onlyRefused: boolean): void {
    const attempt = this.#nextAttempt++;
    const [endpoint, ...rest] = endpoints as [PeerEndpoint, ...PeerEndpoint[]];
    const timeoutMs = this.#host.times.connectMs;
    this.#dials.set(attempt, { purpose, endpoint, rest, deadlineMs: this.#nowMs + timeoutMs, onlyRefused });
    this.#host.out.push({ kind: "connect", attempt, endpoint, timeoutMs });
  }

  #dialTwin(endpoints: readonly PeerEndpoint[]): void {
    const { self, settings, endpoints: own } = this.#host;
    const others = dialable(endpoints, settings).filter((endpoint) => !hasEndpoint(own, endpoint));
    const isKnown = this.#isActive(self) || this.#isDialled(self);
    if (others.length === 0 || isKnown || this.#dials.size >= HEARTBEAT_DIAL_COUNT_MAX) return;
    this.#dial({ kind: "peer", node: self }, others, true);
  }

  /** A dial, or the connection that it made, came to nothing. */
  #failed(purpose: DialPurpose): void {
    if (purpose.kind === "seed") return targetFailed(purpose.target);
    const peer = this.#peers.get(purpose.node);
    if (peer?.state === "pending") peer.state = "inactive";
  }

  /** The first message of a dialled connection tells whether it is whom it was meant for. */
  #arrived(connection: MeshConnection, node: NodeId): void {
    const { purpose, remote } = connection;
    connection.purpose = undefined;
    if (purpose?.kind === "seed") {
      targetAnswered(purpose.target, node);
      this.#checkPublished(purpose.target.endpoint, node);
    } else if (purpose !== undefined && purpose.node !== node) {
      this.#failed(purpose);
      const peer = this.#peers.get(purpose.node);
      if (peer !== undefined) peer.dialMs = this.#nowMs + this.#host.times.nodeTimeoutMs;
      const [wanted, found] = [nodeIdForLog(purpose.node), nodeIdForLog(node)];
      this.#host.out.logSeldom(
        `wrong ${remote}`,
        "warning",
        `node ${wanted} published ${remote}, but node ${found} answers there: either ${wanted} is gone, or the heartbeat.address of one of them is wrong`,
      );
    }
  }

  #checkPublished(target: PeerEndpoint, node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined || hasEndpoint(peer.endpoints, target)) return;
    this.#host.out.logSeldom(
      `published ${node}`,
      "info",
      `seed ${endpointText(target)} is node ${nodeIdForLog(node)}, which publishes ${
        endpointsText(peer.endpoints)
      }: other nodes dial that`,
    );
  }

  /** Connections to another process with the own id are kept, so that both go on noticing each other. */
  #bindTwin(connection: MeshConnection): BindResult {
    const older = [...this.#connections.values()].some((one) =>
      one !== connection && one.node === this.#host.self && one.direction === connection.direction
    );
    if (!older) return "bound";
    this.#close(connection.id, "duplicate");
    return "closed";
  }

  #resolveDuplicates(peer: MeshPeer, { incarnation }: MeshConnection): void {
    const connections = [...peer.connections].map((id) => this.#connections.get(id)!)
      .filter((connection) => connection.incarnation === incarnation);
    const losers = findLosers(connections, {
      self: this.#host.self,
      node: peer.node,
      nowMs: this.#nowMs,
      graceMs: this.#host.times.duplicateGraceMs,
    });
    for (const loser of losers) this.#close(loser.id, "duplicate");
  }

  #close(id: ConnectionId, reason: string): void {
    if (this.#remove(id) === undefined) return;
    this.#host.out.push({ kind: "close", connection: id, reason });
  }

  /** Takes a connection out of the table; its peer is dialled at once when it was the last. */
  #remove(id: ConnectionId): MeshConnection | undefined {
    const connection = this.#connections.get(id);
    if (connection === undefined) return undefined;
    this.#connections.delete(id);
    this.counts.closed++;
    if (connection.purpose !== undefined) this.#failed(connection.purpose);
    const peer = connection.node === undefined ? undefined : this.#peers.get(connection.node);
    peer?.connections.delete(id);
    if (peer !== undefined && peer.connections.size === 0) {
      peer.state = this.#isDialled(peer.node) ? "pending" : "inactive";
      peer.sinceMs = this.#nowMs;
      this.#isUrgent = true;
    }
    return connection;
  }

  #isDialled(node: NodeId): boolean {
    const isFor = (purpose: DialPurpose | undefined) => purpose?.kind === "peer" && purpose.node === node;
    return [...this.#dials.values()].some((dial) => isFor(dial.purpose)) ||
      [...this.#connections.values()].some((connection) => isFor(connection.purpose));
  }

  #isActive(node: NodeId): boolean {
    if (node !== this.#host.self) return this.#peers.get(node)?.state === "active";
    return [...this.#connections.values()].some((connection) => connection.node === node);
  }

  /** A peer's endpoints that this node can dial, and at which nobody else is known to be. */
  #promising(peer: MeshPeer, publishers: ReadonlyMap<string, NodeId>): PeerEndpoint[] {
    const { settings, endpoints: own, self, out } = this.#host;
    return dialable(peer.endpoints, settings).filter((endpoint) => {
      const publisher = publishers.get(endpointText(endpoint));
      const holder = hasEndpoint(own, endpoint) ? self : publisher;
      if (holder === undefined || holder === peer.node || !(holder === self || this.#isActive(holder))) {
        return true;
      }
      const [wanted, found] = [nodeIdForLog(peer.node), nodeIdForLog(holder)];
      out.logSeldom(
        `taken ${peer.node}`,
        "warning",
        `node ${wanted} published ${
          endpointText(endpoint)
        }, which is the address of node ${found}: either ${wanted} is gone, or the heartbeat.address of one of them is wrong`,
      );
      return false;
    });
  }

  /** Who publishes which endpoint; of those who are not connected what is dialled anyway. */
  #publishers(): Map<string, NodeId> {
    const found = new Map<string, NodeId>();
    for (const isActive of [false, true]) {
      for (const peer of this.#peers.values()) {
        if ((peer.state === "active") !== isActive) continue;
        const endpoints = isActive ? peer.endpoints : dialable(peer.endpoints, this.#host.settings);
        for (const endpoint of endpoints) found.set(endpointText(endpoint), peer.node);
      }
    }
    return found;
  }

  /** The peer of an id; undefined when there is no room. One that speaks displaces one that is only talked about. */
  #learn(node: NodeId, speaks = false): MeshPeer | undefined {
    const known = this.#peers.get(node);
    if (known !== undefined) return known;
    if (speaks && this.#peers.size >= this.#host.nodeCountMax) {
      const silent = this.peers.find((peer) =>
        peer.state === "endpoint-unknown" || peer.state === "inactive"
      );
      if (silent !== undefined) this.#peers.delete(silent.node);
    }
    if (this.#peers.size >= this.#host.nodeCountMax) {
      this.#host.out.logSeldom(
        "full",
        "warning",
        `node ${nodeIdForLog(node)} is ignored: this node knows ${this.#peers.size} others, the most it can`,
      );
      return undefined;
    }
    const peer: MeshPeer = {
      node,
      state: "endpoint-unknown",
      endpoints: [],
      connections: new Set(),
      sinceMs: this.#nowMs,
      dialMs: this.#nowMs,
      introducedMs: -Infinity,
      isLost: false,
    };
    this.#peers.set(node, peer);
    return peer;
  }
}
