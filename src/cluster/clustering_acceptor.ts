/**
 * The acceptor of membership rounds.
 *
 * | state | event | next | action |
 * | ----- | ----- | ---- | ------ |
 * | idle, accepted | prepare with a higher id | promised | promise |
 * | promised | prepare with a higher or equal id | promised | promise |
 * | any | other prepare | same | prepare-nack |
 * | any | accept with an id not below the last | accepted | accepted |
 * | any | other accept | same | accept-nack |
 * | accepted | learn with exactly the last id | idle | the register takes it |
 * | any | other learn | same | ignored |
 * | promised, accepted | retransmit time passed | same | promise or accepted again |
 * | promised, accepted | proposal timeout | idle | |
 *
 * An id is (sequence number, proposer). The last id is kept in idle, so that a late message of an older round is
 * refused. Who may propose at all (orphans listen to everybody, members to their principal) is for the caller.
 * Unlike in textbook Paxos the value comes with learn only, and an accepted value is not reported to later proposers:
 * a newer round simply replaces an older one. Source: clustering reference, sections 8.5 and 8.7.
 *
 * @module
 */

import type { ClusteringIntervals } from "./clustering_intervals.ts";
import type { LearnBody, Send } from "./clustering_types.ts";
import { HLC_ZERO, type HlcTime } from "./hlc.ts";
import { NO_NODE, type NodeId } from "./node_id.ts";

/** States of the acceptor. */
export type AcceptorState = "idle" | "promised" | "accepted";

/** See the head of the file. */
export class Acceptor {
  #state: AcceptorState = "idle";
  #sequenceNumber: HlcTime = HLC_ZERO;
  #proposer: NodeId = NO_NODE;
  #startedMs = 0;
  #sentMs = 0;
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  get state(): AcceptorState {
    return this.#state;
  }

  /** A proposer asks for a promise. */
  prepare(from: NodeId, sequenceNumber: HlcTime, nowMs: number): void {
    const order = this.#compare(sequenceNumber, from);
    const isPromised = order > 0 || (order === 0 && this.#state === "promised");
    if (!isPromised) return this.#send([from], { kind: "prepare-nack", sequenceNumber });
    this.#enter("promised", { from, sequenceNumber, nowMs });
  }

  /** A proposer has a majority of promises. */
  accept(from: NodeId, sequenceNumber: HlcTime, nowMs: number): void {
    if (this.#compare(sequenceNumber, from) < 0) {
      return this.#send([from], { kind: "accept-nack", sequenceNumber });
    }
    this.#enter("accepted", { from, sequenceNumber, nowMs });
  }

  /** All have accepted. Answers whether the membership is to be applied. */
  learn(from: NodeId, body: LearnBody): boolean {
    if (this.#state !== "accepted" || this.#compare(body.sequenceNumber, from) !== 0) return false;
    this.#state = "idle";
    return true;
  }

  /** Sends the last answer again, or forgets the round. */
  tick(nowMs: number, intervals: ClusteringIntervals): void {
    if (this.#state === "idle") return;
    if (nowMs - this.#startedMs >= intervals.proposalTimeoutMs) this.#state = "idle";
    else if (nowMs - this.#sentMs >= intervals.paxosRetransmitMs) this.#answer(nowMs);
  }

  #enter(
    state: "promised" | "accepted",
    round: { from: NodeId; sequenceNumber: HlcTime; nowMs: number },
  ): void {
    const isSame = this.#state === state && this.#compare(round.sequenceNumber, round.from) === 0;
    if (!isSame) this.#startedMs = round.nowMs;
    this.#state = state;
    this.#sequenceNumber = round.sequenceNumber;
    this.#proposer = round.from;
    this.#answer(round.nowMs);
  }

  #answer(nowMs: number): void {
    const kind = this.#state === "promised" ? "promise" : "accepted";
    this.#send([this.#proposer], { kind, sequenceNumber: this.#sequenceNumber });
    this.#sentMs = nowMs;
  }

  #compare(sequenceNumber: HlcTime, proposer: NodeId): number {
    if (sequenceNumber !== this.#sequenceNumber) return sequenceNumber > this.#sequenceNumber ? 1 : -1;
    return proposer === this.#proposer ? 0 : proposer > this.#proposer ? 1 : -1;
  }
}
