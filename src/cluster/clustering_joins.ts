/**
 * Join requests: the one that this node has sent as an orphan, and those that others have sent to it. Source:
 * clustering reference, sections 8.10 and 8.11.
 *
 * @module
 */

import type { ClusteringIntervals } from "./clustering_intervals.ts";
import type { Send } from "./clustering_types.ts";
import { byIdDescending, type NodeId } from "./node_id.ts";

/** The request that this node has sent. */
export class JoinRequest {
  #target: NodeId | undefined;
  #startedMs = 0;
  #sentMs = 0;
  #lastTarget: NodeId | undefined;
  readonly #askedMs = new Map<NodeId, number>();
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Whom this node waits for. */
  get target(): NodeId | undefined {
    return this.#target;
  }

  /** Asks a node to take this one in. */
  ask(target: NodeId, nowMs: number): void {
    this.#target = this.#lastTarget = target;
    this.#startedMs = nowMs;
    this.#askedMs.set(target, nowMs);
    this.#transmit(nowMs);
  }

  /** Sends the request again when it is time, or gives it up. */
  tick(nowMs: number, intervals: ClusteringIntervals): void {
    if (this.#target === undefined) return;
    if (nowMs - this.#startedMs >= intervals.joinTimeoutMs) this.#target = undefined;
    else if (nowMs - this.#sentMs >= intervals.joinRetransmitMs) this.#transmit(nowMs);
  }

  /** The target has refused. */
  rejected(from: NodeId): void {
    if (this.#target === from) this.#target = undefined;
  }

  /** A node is no longer heard. */
  departed(node: NodeId): void {
    this.rejected(node);
    this.#askedMs.delete(node);
  }

  /** The node is a member now. */
  clear(): void {
    this.#target = this.#lastTarget = undefined;
    this.#askedMs.clear();
  }

  /**
   * The next of several nodes to ask: cycles through them, largest id first, and leaves out those that were asked a
   * moment ago. Undefined when none may be asked now.
   */
  next(nodes: readonly NodeId[], nowMs: number, intervals: ClusteringIntervals): NodeId | undefined {
    const sorted = [...nodes].sort(byIdDescending);
    const last = this.#lastTarget;
    const after = last === undefined ? 0 : sorted.findIndex((node) => node < last);
    const start = after < 0 ? 0 : after;
    return [...sorted.slice(start), ...sorted.slice(0, start)].find((node) =>
      nowMs - (this.#askedMs.get(node) ?? -Infinity) >= intervals.joinBlackoutMs
    );
  }

  #transmit(nowMs: number): void {
    this.#send([this.#target!], { kind: "join-request" });
    this.#sentMs = nowMs;
  }
}

/** Orphans that wait to be taken in here. There are at most as many as peers. */
export class JoinQueue {
  readonly #waiting = new Set<NodeId>();
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  get nodes(): NodeId[] {
    return [...this.#waiting];
  }

  /** Queues an orphan; false when it waits already. */
  add(node: NodeId): boolean {
    if (this.#waiting.has(node)) return false;
    this.#waiting.add(node);
    return true;
  }

  /** An orphan no longer waits, or is taken in. */
  remove(node: NodeId): void {
    this.#waiting.delete(node);
  }

  /** Refuses all that wait but those to keep. Answers how many were refused. */
  rejectAllBut(kept: readonly NodeId[] = []): number {
    const rejected = this.nodes.filter((node) => !kept.includes(node));
    for (const node of rejected) this.#waiting.delete(node);
    if (rejected.length > 0) this.#send(rejected, { kind: "join-reject" });
    return rejected.length;
  }
}
