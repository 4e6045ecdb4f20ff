/**
 * What is known of a fault by its kind: whom it strikes, and what it costs.
 *
 * @module
 */
import type { ClusterMember } from "./cluster_members.ts";
import type { PlannedFault } from "./cluster_types.ts";

/** The second of two nodes that a fault strikes. */
export function secondOf(
  { other }: PlannedFault,
  member: ClusterMember,
  up: readonly ClusterMember[],
): ClusterMember {
  return up[(up.indexOf(member) + 1 + (other % Math.max(1, up.length - 1))) % up.length];
}

/** Nodes that a fault strikes: one, two, or all of them. */
export function struckBy(
  fault: PlannedFault,
  member: ClusterMember,
  up: readonly ClusterMember[],
): readonly ClusterMember[] {
  switch (fault.kind) {
    case "slow":
    case "cut-bytes":
    case "halves":
    case "join":
    case "truncate":
    case "recluster":
    case "blackout":
      return up;
    case "stall":
    case "blink":
    case "clog":
    case "stick":
      return [member, secondOf(fault, member, up)];
    default:
      return [member];
  }
}

/** Whether a fault cuts the network between nodes. */
export function isSplit({ kind }: PlannedFault): boolean {
  return kind === "isolate" || kind === "halves" || kind === "partial" || kind === "one-way";
}

/** Whether a node loses its records, or others go on without it. */
export function costsCopies(fault: PlannedFault): boolean {
  const { kind } = fault;
  return kind === "lonely" || kind === "kill" || kind === "vanish" || kind === "stop" || kind === "sleep" ||
    kind === "bad-reads" || kind === "dead-disk" || damages(fault);
}

/** Whether what a disk has kept is damaged. */
export function damages({ kind }: PlannedFault): boolean {
  return kind === "corrupt" || kind === "rot";
}
