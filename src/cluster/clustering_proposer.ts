/**
 * The proposer of membership rounds.
 *
 * | state | event | next | action |
 * | ----- | ----- | ---- | ------ |
 * | idle | start | prepare-sent | prepare to all acceptors |
 * | idle | retransmit time passed, the own round's membership is not synced | idle | learn again |
 * | prepare-sent | promises of a majority | accept-sent | accept to all |
 * | prepare-sent, accept-sent | retransmit time passed | same | again to those who have not answered |
 * | accept-sent | accepted by all | idle | learn to all |
 * | prepare-sent, accept-sent | nack, acceptor departed, timeout, own membership changed | idle | failed |
 *
 * The acceptors are exactly the proposed members. Source: clustering reference, sections 8.5 and 8.6.
 *
 * @module
 */

import type { ClusteringIntervals } from "./clustering_intervals.ts";
import type { ClusteringBody, LearnBody, Send } from "./clustering_types.ts";
import type { HlcTime } from "./hlc.ts";
import type { MembershipRegister } from "./clustering_register.ts";
import type { NodeId } from "./node_id.ts";

/** States of the proposer. */
export type ProposerState = "idle" | "prepare-sent" | "accept-sent";

/** What an event did to the running round. */
export type ProposerOutcome = "goes on" | "failed" | "chosen";

/** See the head of the file. */
export class Proposer {
  #state: ProposerState = "idle";
  #proposal: LearnBody | undefined;
  #answered = new Set<NodeId>();
  #startedMs = 0;
  #sentMs = 0;
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  get state(): ProposerState {
    return this.#state;
  }

  get isActive(): boolean {
    return this.#state !== "idle";
  }

  /** Begins a round. A membership of an earlier round of this proposer is no longer spread. */
  start(proposal: LearnBody, nowMs: number): void {
    this.#proposal = proposal;
    this.#startedMs = nowMs;
    this.#enter("prepare-sent", nowMs);
  }

  /** An acceptor promises. */
  promise(from: NodeId, sequenceNumber: HlcTime, nowMs: number): void {
    if (!this.#counts("prepare-sent", from, sequenceNumber)) return;
    const majority = Math.floor(this.#proposal!.succession.length / 2) + 1;
    if (this.#answered.size >= majority) this.#enter("accept-sent", nowMs);
  }

  /** An acceptor has accepted. After "chosen" the caller checks what it must, and calls {@linkcode spread}. */
  accepted(from: NodeId, sequenceNumber: HlcTime): ProposerOutcome {
    if (!this.#counts("accept-sent", from, sequenceNumber)) return "goes on";
    if (this.#answered.size < this.#proposal!.succession.length) return "goes on";
    this.#state = "idle";
    return "chosen";
  }

  /** An acceptor refuses. */
  nack(kind: "prepare-nack" | "accept-nack", sequenceNumber: HlcTime): ProposerOutcome {
    const concerned = kind === "prepare-nack" ? "prepare-sent" : "accept-sent";
    if (this.#state !== concerned || this.#proposal!.sequenceNumber !== sequenceNumber) return "goes on";
    return this.fail();
  }

  /** A node is no longer heard. */
  departed(node: NodeId): ProposerOutcome {
    return this.isActive && this.#proposal!.succession.includes(node) ? this.fail() : "goes on";
  }

  /** Ends the running round, and the spreading of an earlier one. */
  fail(): ProposerOutcome {
    const wasActive = this.isActive;
    this.#state = "idle";
    this.#proposal = undefined;
    return wasActive ? "failed" : "goes on";
  }

  /** Sends the chosen membership. */
  spread(nowMs: number): void {
    this.#send(this.#proposal!.succession, this.#proposal!);
    this.#sentMs = nowMs;
  }

  /** Sends again what is due. */
  tick(nowMs: number, intervals: ClusteringIntervals, register: MembershipRegister): ProposerOutcome {
    if (this.#proposal === undefined) return "goes on";
    if (this.isActive && nowMs - this.#startedMs >= intervals.proposalTimeoutMs) return this.fail();
    if (!this.isActive && !(register.clusterKey === this.#proposal.clusterKey && register.isSyncing)) {
      this.#proposal = undefined;
      return "goes on";
    }
    if (nowMs - this.#sentMs < intervals.paxosRetransmitMs) return "goes on";
    if (this.isActive) this.#ask(nowMs);
    else this.spread(nowMs);
    return "goes on";
  }

  #enter(state: "prepare-sent" | "accept-sent", nowMs: number): void {
    this.#state = state;
    this.#answered.clear();
    this.#ask(nowMs);
  }

  #ask(nowMs: number): void {
    const { succession, sequenceNumber } = this.#proposal!;
    const kind = this.#state === "prepare-sent" ? "prepare" : "accept";
    const body: ClusteringBody = { kind, sequenceNumber };
    this.#send(succession.filter((node) => !this.#answered.has(node)), body);
    this.#sentMs = nowMs;
  }

  #counts(state: ProposerState, from: NodeId, sequenceNumber: HlcTime): boolean {
    const proposal = this.#proposal;
    if (this.#state !== state || proposal?.sequenceNumber !== sequenceNumber) return false;
    if (!proposal.succession.includes(from)) return false;
    this.#answered.add(from);
    return true;
  }
}
