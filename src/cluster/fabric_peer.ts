/**
 * A peer as the fabric sees it: four lanes, one per channel, each with its connections and its queue.
 *
 * @module
 */

import { FABRIC_BACKOFF_MAX_MS, FABRIC_OVERLOAD_COUNT } from "../base/mod.ts";
import { FABRIC_CHANNEL, type PeerEndpoint, type U64Text } from "../wire/mod.ts";
import { FabricQueue } from "./fabric_queue.ts";
import type { FabricSocket } from "./fabric_socket.ts";
import type { FabricSettings } from "./fabric_types.ts";
import type { PeerLink } from "./heartbeat_types.ts";
import type { NodeId } from "./node_id.ts";

/** Wait before the second attempt to connect; doubles with each further one. */
const BACKOFF_FIRST_MS = 25;
/** A connection that ended earlier than this counts as a failed attempt. */
const SHORT_LIFE_MS = 1000;

/** A queue that was overloaded has room again at this many messages. */
const DRAINED_COUNT = FABRIC_OVERLOAD_COUNT / 2;

/** One channel of a peer. */
export class FabricLane {
  readonly peer: FabricPeer;
  readonly channel: number;
  /** Connections that this node opens. */
  readonly wantedCount: number;
  readonly queue: FabricQueue = new FabricQueue();
  /** Connections that this node opened and that are ready; they are sent on first. */
  readonly dialled: FabricSocket[] = [];
  /**
   * Connections that the peer opened. All are read; the first `wantedCount` are sent on as well when no dialled one is
   * idle; the surplus replaces those that end.
   */
  readonly accepted: FabricSocket[] = [];
  /** Connects under way. */
  dialingCount = 0;
  /** Connects that failed since the last one that did not. */
  failureCount = 0;
  /** Times in a row that connections ended soon after they were made; those that end together count once. */
  shortLivedCount = 0;
  /** Monotonic time of the last of them. */
  shortLossMs = -Infinity;
  /** Monotonic time before which nothing is dialled. */
  dialMs = -Infinity;
  /** Whether messages are taken; the other side waits while not. */
  isReceiving = true;
  /** Has messages that leave at the end of the present event. */
  isDirty = false;
  #wasOverloaded = false;
  #turn = 0;

  constructor(peer: FabricPeer, channel: number, wantedCount: number) {
    this.peer = peer;
    this.channel = channel;
    this.wantedCount = wantedCount;
  }

  /** Whether a message would leave at once. */
  get hasIdle(): boolean {
    return this.#findIdle() !== undefined;
  }

  /** A connection to send on; each gets its turn. */
  takeIdle(): FabricSocket | undefined {
    const socket = this.#findIdle();
    if (socket !== undefined) this.#turn++;
    return socket;
  }

  #findIdle(): FabricSocket | undefined {
    const { dialled, accepted } = this;
    return findIdle(dialled, this.#turn, dialled.length) ??
      findIdle(accepted, this.#turn, Math.min(accepted.length, this.wantedCount));
  }

  /** Whether so much waits that a sender should hold back. */
  get isOverloaded(): boolean {
    if (this.queue.count < FABRIC_OVERLOAD_COUNT || this.hasIdle) return false;
    this.#wasOverloaded = true;
    return true;
  }

  /** Whether the lane was overloaded and is so no longer; true once. */
  takeDrained(): boolean {
    if (!this.#wasOverloaded || this.queue.count > DRAINED_COUNT) return false;
    this.#wasOverloaded = false;
    return true;
  }

  /** Takes a connection out. */
  remove(socket: FabricSocket): void {
    const list = socket.direction === "dialled" ? this.dialled : this.accepted;
    const at = list.indexOf(socket);
    if (at >= 0) list.splice(at, 1);
  }

  /** A connection that this node opened has ended: whether connections last decides when to dial again. */
  noteLoss({ readyMs }: { readonly readyMs: number }, nowMs: number): void {
    if (nowMs - readyMs >= SHORT_LIFE_MS) {
      this.shortLivedCount = 0;
      // One that was made before the last loss says nothing that is not counted already.
    } else if (readyMs >= this.shortLossMs) {
      this.shortLivedCount++;
      this.shortLossMs = nowMs;
    }
  }

  /** How many more connects should be under way now. */
  get missingCount(): number {
    const { peer } = this;
    if (!peer.isAdjacent || peer.endpoints.length === 0) return 0;
    const missing = this.wantedCount - this.dialled.length - this.dialingCount;
    // A peer that can't be reached is tried with one connection, not with all.
    if (peer.isProbing) return this.channel === FABRIC_CHANNEL.CTRL ? 1 - this.dialingCount : 0;
    return this.failureCount + this.shortLivedCount > 0 ? Math.min(missing, 1 - this.dialingCount) : missing;
  }

  /**
   * Decides when to dial again.
   *
   * @param random 0 up to 1: spreads the nodes of a cluster, which all lose the same peer at the same time
   */
  backOff(nowMs: number, random: number): void {
    const step = this.failureCount + this.shortLivedCount;
    const waitMs = step === 0 ? 0 : Math.min(FABRIC_BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (step - 1));
    this.dialMs = nowMs + waitMs * (0.5 + random / 2);
  }
}

function findIdle(list: readonly FabricSocket[], turn: number, count: number): FabricSocket | undefined {
  for (let step = 0; step < count; step++) {
    const socket = list[(turn + step) % count]!;
    if (socket.isIdle) return socket;
  }
  return undefined;
}

/** A peer. */
export class FabricPeer {
  readonly node: NodeId;
  /** By channel. */
  readonly lanes: readonly FabricLane[];
  /** It is heard: connections to it are kept up. False of one that has only connected by itself. */
  isAdjacent = false;
  /** Where its fabric listens. */
  endpoints: readonly PeerEndpoint[] = [];
  /** Which of them answered last. */
  endpointAt = 0;
  /** Its process, when it is an aerie node. */
  incarnation: U64Text | undefined;
  /** All connections were lost, or none could be made: one attempt at a time until one answers. */
  isProbing = false;
  /** What was said last about its process. */
  link: PeerLink | undefined;
  /** Departed: what still ends in its name means nothing. */
  isGone = false;

  constructor(node: NodeId, settings: FabricSettings) {
    this.node = node;
    const counts = [
      settings.channelRwFds,
      settings.channelCtrlFds,
      settings.channelBulkFds,
      settings.channelMetaFds,
    ];
    this.lanes = counts.map((count, channel) => new FabricLane(this, channel, count));
  }

  /** Connections that are ready. */
  get openCount(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.dialled.length + lane.accepted.length, 0);
  }
}
