/**
 * Fast death: when a peer's process has certainly ended, without waiting for the heartbeat timeout.
 *
 * Each node looks at its own connections with the peer, those of fabric and those of the heartbeat. When the last one has
 * ended it dials both again at once. What comes of it is this node's evidence:
 *
 * | evidence | when |
 * | -------- | ---- |
 * | reachable | there is a connection of one kind at least |
 * | refused | all connections ended, and both services were dialled and have no listener |
 * | restarted | another incarnation answered, and nothing of the old one is connected |
 * | unknown | anything else: no answer, a dial under way, never connected |
 *
 * No single node decides by its evidence when there are others, because a firewall that resets connections looks to one
 * node like a death. The members other than the suspect decide:
 *
 * | the other members | decision |
 * | ----------------- | -------- |
 * | one reaches it | alive, whatever the rest says: a dead process answers nobody |
 * | a majority says refused or restarted | dead; restarted when one saw the new process |
 * | anything else | undecided: the heartbeat timeout decides |
 *
 * With two nodes the survivor is the only other member, so that its evidence suffices. Reports are about one incarnation:
 * one about an earlier process says nothing about the present one. Stock members report nothing and count as silent.
 *
 * @module
 */

import type { U64Text } from "../wire/mod.ts";
import type { PeerLink } from "./heartbeat_types.ts";
import type { NodeId } from "./node_id.ts";

/** What a node knows about a peer's process. */
export type ProcessEvidence = "reachable" | "refused" | "restarted" | "unknown";

/**
 * This node's evidence.
 *
 * @param links what each service said last; absent while it never was connected
 */
export function combineEvidence(
  links: { readonly fabric?: PeerLink | undefined; readonly heartbeat?: PeerLink | undefined },
): ProcessEvidence {
  const { fabric, heartbeat } = links;
  if (fabric === "up" || heartbeat === "up") return "reachable";
  if (fabric === "restarted" || heartbeat === "restarted") return "restarted";
  return fabric === "refused" && heartbeat === "refused" ? "refused" : "unknown";
}

/** What a member says about the suspect. */
export interface EvidenceReport {
  readonly by: NodeId;
  /** The process that it is about. */
  readonly incarnation: U64Text;
  readonly evidence: ProcessEvidence;
}

/** What is to be decided. */
export interface DeathQuestion {
  readonly suspect: NodeId;
  /** Incarnation with which it is a member. */
  readonly incarnation: U64Text;
  /** Members of the present cluster, the suspect and this node among them. */
  readonly members: readonly NodeId[];
  /** The latest report of each member, this node's own among them; those of others than members do not count. */
  readonly reports: readonly EvidenceReport[];
}

/** See the head of the file. */
export type DeathDecision = "dead" | "restarted" | "alive" | "undecided";

/** Decides whether a member's process has ended. Every node that has the same reports decides the same. */
export function decideDeath(question: DeathQuestion): DeathDecision {
  const { suspect, incarnation, members, reports } = question;
  const others = new Set(members.filter((node) => node !== suspect));
  if (others.size === 0 || others.size === members.length) return "undecided";
  const latest = new Map<NodeId, ProcessEvidence>();
  for (const report of reports) {
    if (others.has(report.by) && report.incarnation === incarnation) latest.set(report.by, report.evidence);
  }
  const evidence = [...latest.values()];
  if (evidence.includes("reachable")) return "alive";
  const restartedCount = evidence.filter((one) => one === "restarted").length;
  const endedCount = restartedCount + evidence.filter((one) => one === "refused").length;
  if (endedCount < Math.floor(others.size / 2) + 1) return "undecided";
  return restartedCount > 0 ? "restarted" : "dead";
}
