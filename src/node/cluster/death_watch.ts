/**
 * Fast death among aerie nodes: members tell each other what their connections say about a member that can't be reached,
 * and when a majority says that its process has ended, it is gone at once, without waiting for the heartbeat's timeout.
 *
 * 1. A node's evidence about a member becomes "refused" or "restarted": it tells all other members and asks for theirs.
 * 2. Whoever is asked answers; whose evidence changes while a member is in question tells all again.
 * 3. Each node decides by itself from what it was told (`decideDeath`). A member that reaches the suspect outweighs all.
 *
 * While the question is open it is asked again each 100 ms; it is closed when the suspect is gone or reachable again.
 * Source: docs/cluster.md, "Evidence of a death".
 *
 * @module
 */

import {
  CAPABILITY,
  combineEvidence,
  decideDeath,
  type EvidenceReport,
  type ExchangeResult,
  type NodeId,
  nodeIdForLog,
  type PeerLink,
  type ProcessEvidence,
} from "../../cluster/mod.ts";
import type { Clock, Log, Timer } from "../../port/mod.ts";
import type { EvidenceMessage, U64Text } from "../../wire/mod.ts";

const RETRY_MS = 100;

/** What {@linkcode DeathWatch} stands on. */
export interface DeathWatchOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends to a member on the control channel. */
  readonly send: (to: NodeId, message: EvidenceMessage) => void;
  /** What the fabric's connections said last. */
  readonly fabricLink: (node: NodeId) => PeerLink | undefined;
  /** The process of a node that is heard; undefined of a stock node, and of one that is not heard. */
  readonly incarnation: (node: NodeId) => U64Text | undefined;
  /** The present cluster. */
  readonly cluster: () => ExchangeResult | undefined;
  /** A member's process has ended; `sinceMs` is the monotonic time at which the last connection was lost here. */
  readonly onDeath: (node: NodeId, sinceMs: number) => void;
}

/** A member whose end is in question. */
interface Question {
  readonly incarnation: U64Text;
  readonly reports: Map<NodeId, EvidenceReport>;
  /** What was told to the others last. */
  told: ProcessEvidence | undefined;
}

/** See the head of the file. */
export class DeathWatch {
  readonly #options: DeathWatchOptions;
  readonly #heartbeatLinks = new Map<NodeId, PeerLink>();
  readonly #questions = new Map<NodeId, Question>();
  /** Monotonic time since which members can't be reached. */
  readonly #lostMs = new Map<NodeId, number>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: DeathWatchOptions) {
    this.#options = options;
  }

  /** Members whose end is in question. */
  get suspects(): NodeId[] {
    return [...this.#questions.keys()];
  }

  /** The heartbeat's connections say something new about a peer. */
  onHeartbeatLink(node: NodeId, link: PeerLink): void {
    this.#heartbeatLinks.set(node, link);
    this.#look(node);
  }

  /** The fabric's connections do. */
  onFabricLink(node: NodeId): void {
    this.#look(node);
  }

  /** A node is not heard any more. */
  departed(node: NodeId): void {
    this.#heartbeatLinks.delete(node);
    this.#questions.delete(node);
    this.#lostMs.delete(node);
  }

  /** Takes what a member says. */
  receive(from: NodeId, message: EvidenceMessage): void {
    const { suspect, incarnation, evidence, asks } = message;
    if (!this.#isVoter(from) || !this.#isVoter(suspect) || suspect === this.#options.self) return;
    if (this.#options.incarnation(suspect) !== incarnation) return;
    // An answer to a question that was closed meanwhile opens no other.
    if (!asks && this.#questions.get(suspect)?.incarnation !== incarnation) return;
    const question = this.#question(suspect, incarnation);
    question.reports.set(from, { by: from, incarnation, evidence });
    const own = this.#evidence(suspect);
    if (asks) {
      this.#options.send(from, { type: "evidence", suspect, incarnation, evidence: own, asks: false });
    }
    this.#decide(suspect, question);
  }

  /** No message follows. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #look(suspect: NodeId): void {
    const incarnation = this.#options.incarnation(suspect);
    if (incarnation === undefined || !this.#isVoter(suspect)) return;
    const evidence = this.#evidence(suspect);
    if (evidence === "reachable") this.#lostMs.delete(suspect);
    else if (!this.#lostMs.has(suspect)) this.#lostMs.set(suspect, this.#options.clock.monotonicMs());
    const hasEnded = evidence === "refused" || evidence === "restarted";
    if (!hasEnded && !this.#questions.has(suspect)) return;
    const question = this.#question(suspect, incarnation);
    if (question.told !== evidence) this.#tell(suspect, question);
    this.#decide(suspect, question);
  }

  #evidence(node: NodeId): ProcessEvidence {
    return combineEvidence({
      fabric: this.#options.fabricLink(node),
      heartbeat: this.#heartbeatLinks.get(node),
    });
  }

  /** A member that takes part, and this node itself. */
  #isVoter(node: NodeId): boolean {
    const member = this.#options.cluster()?.members.find((one) => one.node === node);
    return ((member?.capabilities ?? 0) & CAPABILITY.FAST_DEATH) !== 0;
  }

  #question(suspect: NodeId, incarnation: U64Text): Question {
    let question = this.#questions.get(suspect);
    if (question?.incarnation !== incarnation) {
      question = { incarnation, reports: new Map(), told: undefined };
      this.#questions.set(suspect, question);
      this.#schedule();
    }
    return question;
  }

  #tell(suspect: NodeId, question: Question): void {
    const evidence = question.told = this.#evidence(suspect);
    const { incarnation } = question;
    const asks = evidence === "refused" || evidence === "restarted";
    for (const node of this.#options.cluster()?.succession ?? []) {
      if (node === suspect || node === this.#options.self || !this.#isVoter(node)) continue;
      this.#options.send(node, { type: "evidence", suspect, incarnation, evidence, asks });
    }
  }

  #decide(suspect: NodeId, question: Question): void {
    const { self, clock, cluster, log, onDeath } = this.#options;
    const { incarnation, reports } = question;
    const evidence = this.#evidence(suspect);
    reports.set(self, { by: self, incarnation, evidence });
    const members = cluster()?.succession ?? [];
    const decision = decideDeath({ suspect, incarnation, members, reports: [...reports.values()] });
    if (decision !== "dead" && decision !== "restarted") return;
    this.#questions.delete(suspect);
    const told = [...reports.values()].map((report) => `${nodeIdForLog(report.by)} ${report.evidence}`);
    const what = decision === "dead" ? "has ended" : "was started anew";
    log.write("info", "clustering", `the process of ${nodeIdForLog(suspect)} ${what}: ${told.join(", ")}`);
    onDeath(suspect, this.#lostMs.get(suspect) ?? clock.monotonicMs());
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = this.#options.clock.after(RETRY_MS, () => {
      this.#timer = undefined;
      for (const [suspect, question] of [...this.#questions]) this.#tend(suspect, question);
      if (this.#questions.size > 0) this.#schedule();
    });
  }

  #tend(suspect: NodeId, question: Question): void {
    if (this.#options.incarnation(suspect) !== question.incarnation || !this.#isVoter(suspect)) {
      this.#questions.delete(suspect);
      return;
    }
    const evidence = this.#evidence(suspect);
    // Nobody here doubts any more, and whoever else does asks again.
    if (evidence === "reachable") this.#questions.delete(suspect);
    else if (evidence !== "unknown") this.#tell(suspect, question);
  }
}
