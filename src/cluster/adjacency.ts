/**
 * Who is heard: one entry per node whose pulses arrive, and the events that follow from them.
 *
 * | state | event | next | what is told |
 * | ----- | ----- | ---- | ------------ |
 * | absent | pulse | adjacent | arrived |
 * | adjacent | pulse | adjacent | adjacency, when its list changed |
 * | adjacent | pulse, fabric endpoints changed, incarnation unknown or new | probation | departed now |
 * | adjacent | pulse of a new incarnation | adjacent | departed now, arrived |
 * | adjacent | a second new incarnation within the window | probation | departed now |
 * | probation | a second change within the window | probation, contested | |
 * | probation | as many equal pulses as the window has | adjacent | arrived |
 * | any | no pulse for the node timeout | absent | departed a node timeout ago, if adjacent |
 * | any | third pulse in a row with another cluster name | absent | departed now, if adjacent |
 *
 * Probation is for two processes that use one id: their pulses alternate. The incarnation is an addition of ours: with it
 * a restart within the node timeout is a departure and a join, never a continuation, and a process whose fabric endpoints
 * change is known to be the same.
 * Source: clustering reference, sections 5.6 and 5.9.
 *
 * @module
 */

import { HEARTBEAT_ARRIVALS_NODE_COUNT_MAX } from "../base/mod.ts";
import type { HeartbeatPulse, PeerEndpoint } from "../wire/mod.ts";
import type { ClusteringPayload, HeartbeatChange } from "./clustering_types.ts";
import { samePayload } from "./clustering_peers.ts";
import { sameEndpoints } from "./heartbeat_endpoints.ts";
import { type HeartbeatTimes, NAME_MISMATCH_COUNT_MAX } from "./heartbeat_timing.ts";
import { hlcPhysicalMs, type HlcTime } from "./hlc.ts";
import type { NodeId } from "./node_id.ts";

/** Weight of the newest sample in the average of latencies. */
const LATENCY_WEIGHT = 0.65;

/** What is known about a node that is heard. */
export interface AdjacentNode {
  readonly node: NodeId;
  /** False on probation. */
  adjacent: boolean;
  /** Monotonic time of the last pulse. */
  receivedMs: number;
  /** Hybrid time at which the last pulse was sent. */
  sendTime: HlcTime;
  /** Average way of a pulse by the hybrid clock; at least 0. */
  latencyMs: number;
  /** Nodes that it hears. */
  adjacency: readonly NodeId[];
  /** Where its fabric listens. */
  fabricEndpoints: readonly PeerEndpoint[];
  /** Where it listened before that; undefined when it never changed. */
  formerFabricEndpoints: readonly PeerEndpoint[] | undefined;
  payload: ClusteringPayload | undefined;
  incarnation: string | undefined;
  /** Capability word; undefined for a stock node. */
  capabilities: number | undefined;
}

interface Entry extends AdjacentNode {
  /** Consecutive pulses with another cluster name. */
  mismatchCount: number;
  /** Pulses since fabric endpoints or incarnation last changed. */
  settledCount: number;
  /** Changes since the last time that there were none for a whole window. */
  changeCount: number;
}

/** What became of a pulse. */
export type PulseOutcome =
  | { readonly result: "delayed" | "repeated" | "full" }
  | {
    readonly result: "accepted";
    readonly node: AdjacentNode;
    readonly changes: readonly HeartbeatChange[];
    /** It arrived, or its fabric endpoints are others than when it arrived. */
    readonly fabricChanged: boolean;
    readonly payloadChanged: boolean;
    /** A new process took the place of one that was adjacent. */
    readonly restarted: boolean;
    /** Two processes use the id. */
    readonly contested: boolean;
  };

/** What a pulse is judged by. */
export interface PulseContext {
  readonly nowMs: number;
  /** Hybrid time at which it was sent, as the pulse tells. */
  readonly sendTime: HlcTime;
  /** Hybrid time of the receipt. */
  readonly receiveTime: HlcTime;
  readonly times: HeartbeatTimes;
  /** The pulse's payload with hybrid times as numbers. */
  readonly payload: ClusteringPayload | undefined;
}

/** The adjacency table of one node. */
export class Adjacency {
  readonly #entries = new Map<NodeId, Entry>();
  readonly #arrivals = new Map<NodeId, number>();
  readonly #nodeCountMax: number;
  /** No entry expires earlier: pulses only move their entry's expiry away. */
  #expiryMs = Infinity;

  /** @param nodeCountMax nodes besides this one */
  constructor(nodeCountMax: number) {
    this.#nodeCountMax = nodeCountMax;
  }

  /** Ids of adjacent nodes, smallest first. */
  ids(): NodeId[] {
    return [...this.#entries.values()].filter((entry) => entry.adjacent).map((entry) => entry.node).sort();
  }

  /** A node that is heard, on probation or not. */
  get(node: NodeId): AdjacentNode | undefined {
    return this.#entries.get(node);
  }

  /** Nodes on probation that changed more than once: two processes use the id. Smallest first. */
  get contested(): NodeId[] {
    return [...this.#entries.values()].filter(isContested).map((entry) => entry.node).sort();
  }

  /** Arrivals of each node since the start; for the health counter `node_arrivals`. */
  get arrivals(): ReadonlyMap<NodeId, number> {
    return this.#arrivals;
  }

  /** Monotonic time before which nobody expires. */
  get expiryMs(): number {
    return this.#expiryMs;
  }

  /** Takes a pulse that has passed all checks of its sender. */
  pulse(pulse: HeartbeatPulse, context: PulseContext): PulseOutcome {
    const { sendTime } = context;
    const known = this.#entries.get(pulse.source);
    if (known === undefined) {
      if (this.#entries.size >= this.#nodeCountMax) return { result: "full" };
      return this.#insert(pulse, context);
    }
    if (sendTime < known.sendTime) return { result: "delayed" };
    if (sendTime === known.sendTime) return { result: "repeated" };
    return this.#refresh(known, pulse, context);
  }

  /** A node spoke with another cluster name. */
  mismatch(node: NodeId, nowMs: number): HeartbeatChange[] {
    const entry = this.#entries.get(node);
    if (entry === undefined || ++entry.mismatchCount <= NAME_MISMATCH_COUNT_MAX) return [];
    return this.remove(node, nowMs);
  }

  /** Removes nodes that were silent for the node timeout. */
  expire(nowMs: number, times: HeartbeatTimes): HeartbeatChange[] {
    if (nowMs < this.#expiryMs) return [];
    const changes: HeartbeatChange[] = [];
    this.#expiryMs = Infinity;
    for (const entry of [...this.#entries.values()]) {
      const expiryMs = entry.receivedMs + times.nodeTimeoutMs;
      if (nowMs >= expiryMs) changes.push(...this.remove(entry.node, nowMs - times.nodeTimeoutMs));
      else this.#expiryMs = Math.min(this.#expiryMs, expiryMs);
    }
    return changes;
  }

  /** After a sleep: those who were not heard meanwhile get some time more. */
  spare(nowMs: number, times: HeartbeatTimes): void {
    for (const entry of this.#entries.values()) {
      entry.receivedMs = Math.max(entry.receivedMs, nowMs - times.nodeTimeoutMs + times.sleepMs);
    }
  }

  /** Removes a node; tells of it when it was adjacent. */
  remove(node: NodeId, atMs: number): HeartbeatChange[] {
    const entry = this.#entries.get(node);
    this.#entries.delete(node);
    return entry?.adjacent ? [{ kind: "departed", node, atMs }] : [];
  }

  /** Removes all nodes. */
  clear(nowMs: number): HeartbeatChange[] {
    return [...this.#entries.keys()].flatMap((node) => this.remove(node, nowMs));
  }

  /** The node timeout changed: expiries are calculated anew at the next look. */
  reschedule(): void {
    this.#expiryMs = this.#entries.size === 0 ? Infinity : 0;
  }

  #insert(pulse: HeartbeatPulse, context: PulseContext): PulseOutcome {
    const entry: Entry = {
      node: pulse.source,
      adjacent: true,
      receivedMs: context.nowMs,
      sendTime: context.sendTime,
      latencyMs: latencySampleMs(context),
      adjacency: canonicalList(pulse),
      fabricEndpoints: pulse.fabricEndpoints ?? [],
      formerFabricEndpoints: undefined,
      payload: context.payload,
      incarnation: pulse.incarnation,
      capabilities: pulse.capabilities,
      mismatchCount: 0,
      settledCount: context.times.changeWindowCount,
      changeCount: 0,
    };
    this.#entries.set(entry.node, entry);
    this.#expiryMs = Math.min(this.#expiryMs, context.nowMs + context.times.nodeTimeoutMs);
    return this.#accepted(entry, {
      changes: [this.#arrived(entry, context.nowMs)],
      fabricChanged: true,
      payloadChanged: entry.payload !== undefined,
      restarted: false,
      contested: false,
    });
  }

  #refresh(entry: Entry, pulse: HeartbeatPulse, context: PulseContext): PulseOutcome {
    const { nowMs, times } = context;
    const fabricEndpoints = pulse.fabricEndpoints ?? [];
    const fabricChanged = !sameEndpoints(entry.fabricEndpoints, fabricEndpoints);
    const restarted = pulse.incarnation !== undefined && entry.incarnation !== undefined &&
      pulse.incarnation !== entry.incarnation;
    const payloadChanged = context.payload !== undefined && !samePayload(entry.payload, context.payload);
    const adjacency = canonicalList(pulse);
    const listChanged = adjacency.length !== entry.adjacency.length ||
      adjacency.some((node, at) => node !== entry.adjacency[at]);
    const wasSettled = entry.settledCount >= times.changeWindowCount;
    const wasAdjacent = entry.adjacent;
    entry.receivedMs = nowMs;
    entry.sendTime = context.sendTime;
    entry.latencyMs = LATENCY_WEIGHT * latencySampleMs(context) +
      (1 - LATENCY_WEIGHT) * entry.latencyMs;
    entry.adjacency = adjacency;
    if (fabricChanged) entry.formerFabricEndpoints = entry.fabricEndpoints;
    entry.fabricEndpoints = fabricEndpoints;
    entry.payload = context.payload ?? entry.payload;
    const isSame = entry.incarnation !== undefined && pulse.incarnation === entry.incarnation;
    const isSuspect = restarted || (fabricChanged && !isSame);
    entry.settledCount = isSuspect ? 0 : Math.min(entry.settledCount + 1, times.changeWindowCount);
    if (isSuspect) entry.changeCount++;
    else if (entry.settledCount >= times.changeWindowCount) entry.changeCount = 0;
    entry.incarnation = pulse.incarnation;
    entry.capabilities = pulse.capabilities;
    entry.mismatchCount = 0;
    const changes: HeartbeatChange[] = [];
    if (isSuspect) {
      const trusted = restarted && !fabricChanged && wasSettled;
      if (wasAdjacent) changes.push({ kind: "departed", node: entry.node, atMs: nowMs });
      if (trusted && wasAdjacent) changes.push(this.#arrived(entry, nowMs));
      else entry.adjacent = false;
    } else if (!wasAdjacent && entry.settledCount >= times.changeWindowCount) {
      entry.adjacent = true;
      changes.push(this.#arrived(entry, nowMs));
    } else if (wasAdjacent && listChanged) {
      changes.push({ kind: "adjacency", node: entry.node, atMs: nowMs, adjacency });
    }
    const hasArrived = changes.some((change) => change.kind === "arrived");
    return this.#accepted(entry, {
      changes,
      fabricChanged: hasArrived || (fabricChanged && entry.adjacent),
      payloadChanged,
      restarted: restarted && wasAdjacent,
      contested: isContested(entry),
    });
  }

  #accepted(
    entry: Entry,
    what: Omit<Extract<PulseOutcome, { result: "accepted" }>, "result" | "node">,
  ): PulseOutcome {
    return { result: "accepted", node: entry, ...what };
  }

  #arrived(entry: Entry, nowMs: number): HeartbeatChange {
    const count = this.#arrivals.get(entry.node);
    if (count !== undefined || this.#arrivals.size < HEARTBEAT_ARRIVALS_NODE_COUNT_MAX) {
      this.#arrivals.set(entry.node, (count ?? 0) + 1);
    }
    const { node, adjacency, payload, sendTime } = entry;
    return {
      kind: "arrived",
      node,
      atMs: nowMs,
      adjacency,
      ...(payload === undefined ? {} : { payload, sendTime }),
    };
  }
}

function isContested({ adjacent, changeCount }: Entry): boolean {
  return !adjacent && changeCount > 1;
}

/** The nodes that the sender hears, smallest first, without itself: some senders list themselves. */
function canonicalList(pulse: HeartbeatPulse): NodeId[] {
  return (pulse.adjacency ?? []).filter((node) => node !== pulse.source).sort();
}

function latencySampleMs({ sendTime, receiveTime }: PulseContext): number {
  return Math.max(0, hlcPhysicalMs(receiveTime) - hlcPhysicalMs(sendTime));
}
