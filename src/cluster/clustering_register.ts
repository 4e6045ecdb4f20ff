/**
 * The membership that this node has learnt.
 *
 * | state | meaning |
 * | ----- | ------- |
 * | orphan | key 0, no members |
 * | syncing | a membership is applied here; not all members are known to have applied it |
 * | synced | all have: exchange may begin |
 *
 * | state | event | next | action |
 * | ----- | ----- | ---- | ------ |
 * | any | learn | syncing | store; tell all members, twice |
 * | syncing | applied message or pulse of a member with the same key and list | same, synced after the last | |
 * | any | applied message with an unknown key | same | remember the senders of the newest such key |
 * | any | become orphan | orphan | |
 *
 * Source: clustering reference, section 8.8.
 *
 * @module
 */

import type { ClusteringPeers } from "./clustering_peers.ts";
import type { LearnBody, Send } from "./clustering_types.ts";
import { HLC_ZERO, type HlcTime } from "./hlc.ts";
import { type NodeId, sameSuccession } from "./node_id.ts";

/** The applied message is the fast way to agreement, pulses the sure one; a lost message costs up to an interval. */
const APPLIED_SEND_COUNT = 2;

/** Members that have applied a cluster that is not known here yet. */
interface EarlyApplied {
  readonly clusterKey: number;
  readonly succession: readonly NodeId[];
  readonly nodes: Set<NodeId>;
}

/** A time on both clocks. */
export interface ClusterMoment {
  /** Monotonic. */
  readonly ms: number;
  /** Of the hybrid clock. */
  readonly hlc: HlcTime;
}

/** See the head of the file. */
export class MembershipRegister {
  #clusterKey = 0;
  #succession: readonly NodeId[] = [];
  #sequenceNumber: HlcTime = HLC_ZERO;
  #changed: ClusterMoment;
  #pending = new Set<NodeId>();
  #early: EarlyApplied | undefined;

  /** @param start when the node became an orphan for the first time */
  constructor(start: ClusterMoment) {
    this.#changed = start;
  }

  /** 0 of an orphan. */
  get clusterKey(): number {
    return this.#clusterKey;
  }

  /** Members, largest id first; empty of an orphan. */
  get succession(): readonly NodeId[] {
    return this.#succession;
  }

  /** Round that led to this membership; zero of an orphan. */
  get sequenceNumber(): HlcTime {
    return this.#sequenceNumber;
  }

  /** When the membership was learnt or lost. */
  get changed(): ClusterMoment {
    return this.#changed;
  }

  get isOrphan(): boolean {
    return this.#clusterKey === 0;
  }

  /** Whether members are missing that have applied the membership. */
  get isSyncing(): boolean {
    return this.#pending.size > 0;
  }

  /** First of the members. */
  get principal(): NodeId | undefined {
    return this.#succession[0];
  }

  /** Applies a learnt membership and tells the members. */
  learn(body: LearnBody, moment: ClusterMoment, send: Send): void {
    this.#clusterKey = body.clusterKey;
    this.#succession = body.succession;
    this.#sequenceNumber = body.sequenceNumber;
    this.#changed = moment;
    this.#pending = new Set(body.succession);
    const early = this.#early;
    if (early?.clusterKey === body.clusterKey && sameSuccession(early.succession, body.succession)) {
      for (const node of early.nodes) this.#pending.delete(node);
      this.#early = undefined;
    }
    const { clusterKey, succession } = body;
    for (let count = 0; count < APPLIED_SEND_COUNT; count++) {
      send(succession, { kind: "change-applied", clusterKey, succession });
    }
  }

  /** A member says that it has applied a membership. Answers whether ours is synced by that. */
  applied(from: NodeId, clusterKey: number, succession: readonly NodeId[]): boolean {
    if (clusterKey !== this.#clusterKey) {
      this.#rememberEarly(from, clusterKey, succession);
      return false;
    }
    return sameSuccession(succession, this.#succession) && this.#confirm(from);
  }

  /** Credits members whose pulses show our membership. Answers whether it is synced by that. */
  checkPulses(peers: ClusteringPeers): boolean {
    let synced = false;
    for (const node of [...this.#pending]) {
      const payload = peers.get(node)?.payload;
      if (payload?.clusterKey !== this.#clusterKey) continue;
      if (sameSuccession(payload.succession, this.#succession)) synced = this.#confirm(node);
    }
    return synced;
  }

  /** Forgets the membership. */
  clear(moment: ClusterMoment): void {
    this.#clusterKey = 0;
    this.#succession = [];
    this.#sequenceNumber = HLC_ZERO;
    this.#changed = moment;
    this.#pending.clear();
  }

  #confirm(node: NodeId): boolean {
    return this.#pending.delete(node) && this.#pending.size === 0;
  }

  #rememberEarly(from: NodeId, clusterKey: number, succession: readonly NodeId[]): void {
    const early = this.#early;
    if (early?.clusterKey === clusterKey && sameSuccession(early.succession, succession)) {
      early.nodes.add(from);
    } else this.#early = { clusterKey, succession, nodes: new Set([from]) };
  }
}
