/**
 * What a cluster is doing at a moment: the phases in which faults are wanted, and counted.
 *
 * @module
 */
import { PARTITION_COUNT } from "../base/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { CLUSTER_FAULTS, CLUSTER_PHASES, type ClusterFault, type ClusterPhase } from "./cluster_types.ts";

/** Whether some node of a cluster is in a phase. */
export function isInPhase(phase: ClusterPhase, members: readonly ClusterMember[]): boolean {
  return members.some((member) => member.isUp && memberIsIn(phase, member));
}

/** Whether a node, which is up, is in a phase. */
export function memberIsIn(phase: ClusterPhase, member: ClusterMember): boolean {
  const { cluster } = member.node!;
  switch (phase) {
    case "paxos": {
      const { role, isSynced, joiners } = cluster.clustering;
      return role === "orphan" || !isSynced || joiners.length > 0;
    }
    case "exchange":
      return cluster.exchange.state === "exchanging" || cluster.exchange.state === "ready-to-commit";
    case "migration":
      return member.node!.migrator.partitionsRemaining > 0;
    case "hand-off":
      return member.node!.migrator.partitionsRemaining > 0 && isHandingOff(member);
    case "duplicate resolution":
      return isHeld(member) && member.node!.migrator.partitionsRemaining > 0;
    case "replica write":
      return isHeld(member);
  }
}

/** As {@linkcode memberIsIn}, but of requests only those that wait for other nodes count. */
export function isMeeting(phase: ClusterPhase, member: ClusterMember): boolean {
  const { peers } = member.node!;
  if (phase === "duplicate resolution") return peers.isResolving;
  if (phase === "replica write") return peers.isWriting;
  return memberIsIn(phase, member);
}

/** Whether records are held: their writes wait for replicas, or for duplicates while copies are merged. */
function isHeld({ node }: ClusterMember): boolean {
  return node!.namespaces[0].inFlight.heldCount > 0;
}

function isHandingOff({ partitions }: ClusterMember): boolean {
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (partitions.isHandingOff(partition)) return true;
  }
  return false;
}

/** Whether a node still sends partitions, waits for them or removes what it has given up. */
export function hasMigrations({ partitions, node }: ClusterMember): boolean {
  if (node!.migrator.isMigrating) return true;
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if (partitions.pendingImmigrations(partition) > 0 || partitions.pendingEmigrations(partition) > 0) {
      return true;
    }
  }
  return false;
}

/** Whether a node gives its masterships up, or the present balance was made while it did. */
export function isQuiesced(member: ClusterMember): boolean {
  return member.node!.cluster.own.isQuiescePending || isInQuiescedPlace(member);
}

/** Whether the present balance was made while a node gave its masterships up. */
export function isInQuiescedPlace({ partitions: { balance } }: ClusterMember): boolean {
  return balance !== undefined && balance.quiesced[balance.selfIndex] === 1;
}

/**
 * Pairs that do not meet: the power goes everywhere only while the cluster is whole and nothing has failed since it was,
 * so that copies don't differ and nobody asks for them.
 */
const APART: ReadonlySet<string> = new Set(["blackout/duplicate resolution"]);

/** Whether a kind of fault and a phase can meet. */
export function canMeet(fault: ClusterFault, phase: ClusterPhase): boolean {
  return !APART.has(`${fault}/${phase}`);
}

/** How often each kind of fault met each phase. */
export class PhaseCounters {
  readonly #counts = new Map<string, number>();

  /**
   * Notes that a fault struck now.
   *
   * @param struck the nodes that it struck
   */
  note(fault: ClusterFault, struck: readonly ClusterMember[]): void {
    this.#add(fault, "");
    for (const phase of CLUSTER_PHASES) {
      if (struck.some((member) => member.isUp && isMeeting(phase, member))) this.#add(fault, phase);
    }
  }

  /** Adds what another run counted. */
  add(other: PhaseCounters): void {
    for (const [key, count] of other.#counts) this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }

  /** How often a kind of fault struck, in a phase or, when none is given, at all. */
  count(fault: ClusterFault, phase?: ClusterPhase): number {
    return this.#counts.get(`${fault}/${phase ?? ""}`) ?? 0;
  }

  /** A table for people. */
  table(): string {
    const head = ["fault", "all", ...CLUSTER_PHASES];
    const rows = CLUSTER_FAULTS.filter((fault) => this.count(fault) > 0).map((fault) => [
      fault,
      String(this.count(fault)),
      ...CLUSTER_PHASES.map((phase) => canMeet(fault, phase) ? String(this.count(fault, phase)) : "-"),
    ]);
    const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at].length)));
    return [head, ...rows].map((row) => row.map((cell, at) => cell.padStart(widths[at])).join("  ")).join(
      "\n",
    );
  }

  /** The pairs of a fault that struck and a phase that met fewer times than this, the rarest first. */
  rarePairs(countMin: number): string[] {
    const pairs: { text: string; count: number }[] = [];
    for (const fault of CLUSTER_FAULTS) {
      if (this.count(fault) === 0) continue;
      for (const phase of CLUSTER_PHASES) {
        const count = this.count(fault, phase);
        if (count < countMin && canMeet(fault, phase)) {
          pairs.push({ text: `${fault} × ${phase} ${count}`, count });
        }
      }
    }
    return pairs.sort((left, right) => left.count - right.count).map(({ text }) => text);
  }

  #add(fault: ClusterFault, phase: ClusterPhase | ""): void {
    const key = `${fault}/${phase}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
}
