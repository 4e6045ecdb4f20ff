/**
 * The decisions about membership, as pure functions of what a node knows: as an orphan, as principal, as another
 * member. Source: clustering reference, sections 8.10, 8.12 and 8.13; where this differs, docs/cluster.md says why.
 *
 * @module
 */

import { evictToClique, isClique } from "./clique.ts";
import type { ClusteringPeers, StaleGuard } from "./clustering_peers.ts";
import { CLUSTERING_PROTOCOL_VERSION } from "./clustering_types.ts";
import type { HlcTime } from "./hlc.ts";
import { NO_NODE, type NodeId, sameSuccession, toSuccession } from "./node_id.ts";

/** What an orphan knows. */
export interface OrphanView {
  readonly self: NodeId;
  readonly peers: ClusteringPeers;
  /** Who waits to be taken in here. */
  readonly joiners: readonly NodeId[];
  /** A decision is due; else only requests are sent. */
  readonly isQuantum: boolean;
  /** The node has not been an orphan for long: it still waits for others. */
  readonly isPatient: boolean;
  /** Members of the cluster that this node has left who are heard and don't seem to know yet that it is over. */
  readonly unaware: readonly NodeId[];
  readonly clusterSizeMin: number;
}

/** What an orphan does. */
export type OrphanDecision =
  | { readonly kind: "wait" }
  | {
    /** Ask one of these to be taken in, or wait until one may be asked. Who does not hear this node is not among them. */
    readonly kind: "ask";
    readonly nodes: readonly NodeId[];
  }
  | { readonly kind: "form"; readonly succession: readonly NodeId[] };

const WAIT: OrphanDecision = { kind: "wait" };

/**
 * Decides for an orphan. A patient one asks every principal that it hears, waits for every orphan that it could be
 * with, also for one that will be an orphan as soon as it notices, and never forms a cluster alone beside other orphans.
 * One that has lost patience leaves out principals whose clusters it can't be a full member of, and orphans that don't
 * ask; so nobody stays an orphan for ever because of links between others.
 */
export function decideOrphan(view: OrphanView): OrphanDecision {
  const { self, peers, isPatient } = view;
  const principals = peers.principals().filter(({ succession }) =>
    isPatient || isClique(toSuccession([...succession, self]), peers.hears)
  );
  if (principals.length > 0) {
    const nodes = principals.map(({ node }) => node).filter((node) => peers.hears(node, self));
    return { kind: "ask", nodes };
  }
  const orphans = peers.orphans();
  const { kept } = evictToClique(orphans, self, peers.hears);
  const isFirst = kept[0] === self;
  if (!isFirst && (isPatient || !view.isQuantum)) return { kind: "ask", nodes: [kept[0]] };
  if (!view.isQuantum) return WAIT;
  return decideForming(view, orphans, kept);
}

function decideForming(
  view: OrphanView,
  orphans: readonly NodeId[],
  clique: readonly NodeId[],
): OrphanDecision {
  const { self, peers, joiners, isPatient } = view;
  const asked = (node: NodeId) => node === self || joiners.includes(node);
  if (isPatient) {
    const isAloneBesideOthers = clique.length === 1 && orphans.length > 0;
    if (isAloneBesideOthers || !clique.every(asked) || view.unaware.length > 0) return WAIT;
  }
  const succession = isPatient ? clique : evictToClique(orphans.filter(asked), self, peers.hears).kept;
  return succession.length < view.clusterSizeMin ? WAIT : { kind: "form", succession };
}

/** What a principal knows. */
export interface PrincipalView {
  readonly self: NodeId;
  readonly peers: ClusteringPeers;
  /** Present members, largest id first. */
  readonly succession: readonly NodeId[];
  readonly clusterKey: number;
  readonly guard: StaleGuard;
  /** Who waits to be taken in here. */
  readonly joiners: readonly NodeId[];
  /** Link changes after this monotonic time may be half of a story; -Infinity when nothing may be postponed. */
  readonly settledBeforeMs: number;
  readonly clusterSizeMin: number;
}

/** What a principal does. */
export type PrincipalDecision =
  | { readonly kind: "nothing" }
  | { readonly kind: "orphan"; readonly why: string }
  | {
    /** Look again when the change of links at this time has been seen by all. */
    readonly kind: "postpone";
    readonly changedMs: number;
  }
  | { readonly kind: "move"; readonly principal: NodeId; readonly why: string }
  | { readonly kind: "round"; readonly succession: readonly NodeId[] };

/** Members that are not heard. */
export function findDead(view: Pick<PrincipalView, "self" | "peers" | "succession">): NodeId[] {
  return view.succession.filter((node) => node !== view.self && !view.peers.has(node));
}

/** Members whose fresh pulses show another cluster, none, or another protocol version. */
export function findFaulty(
  view: Pick<PrincipalView, "self" | "peers" | "succession" | "clusterKey" | "guard">,
): NodeId[] {
  return view.succession.filter((node) => {
    if (node === view.self) return false;
    const payload = view.peers.freshPayload(node, view.guard);
    if (payload === undefined) return false;
    if (payload.protocolVersion !== CLUSTERING_PROTOCOL_VERSION) return true;
    return payload.clusterKey !== view.clusterKey || !sameSuccession(payload.succession, view.succession);
  });
}

/**
 * Whether the cluster went on without its principal, which has slept: no other member is left, and at least one is in
 * a newer cluster without it.
 */
export function isAbandoned(
  view: Pick<PrincipalView, "self" | "peers" | "succession" | "clusterKey" | "guard">,
  sequenceNumber: HlcTime,
): boolean {
  const faulty = findFaulty(view);
  if (findDead(view).length + faulty.length + 1 < view.succession.length) return false;
  return faulty.some((node) => {
    const { payload } = view.peers.get(node)!;
    return payload!.sequenceNumber > sequenceNumber && !payload!.succession.includes(view.self);
  });
}

/** Decides for a principal. */
export function decidePrincipal(view: PrincipalView): PrincipalDecision {
  const { self, peers, succession } = view;
  const dead = findDead(view);
  const faulty = findFaulty(view);
  const joiners = view.joiners.filter((node) => peers.isOrphan(node));
  const lost = new Set([...dead, ...faulty]);
  const remaining = succession.filter((node) => !lost.has(node));
  const { kept: candidate, evicted } = evictToClique([...remaining, ...joiners], self, peers.hears);
  const unsettledMs = latestLinkChange(view, evicted);
  if (unsettledMs > view.settledBeforeMs) return { kind: "postpone", changedMs: unsettledMs };
  if (lost.size === 0) {
    const move = decideMove(view);
    if (move !== undefined) return move;
    if (sameSuccession(candidate, succession)) return { kind: "nothing" };
  }
  if (faulty.length > 0 && candidate.length === 1) {
    return { kind: "orphan", why: "no member is with us any more" };
  }
  if (candidate.length < view.clusterSizeMin) {
    return { kind: "orphan", why: `${candidate.length} of at least ${view.clusterSizeMin} nodes are left` };
  }
  return { kind: "round", succession: candidate };
}

/** When a link of the evicted nodes last changed; -Infinity when nobody is evicted or nothing may be postponed. */
function latestLinkChange(view: PrincipalView, evicted: readonly NodeId[]): number {
  if (view.settledBeforeMs === -Infinity || evicted.length === 0) return -Infinity;
  const concerned = new Set([...view.succession, ...evicted]);
  let latestMs = -Infinity;
  for (const node of concerned) {
    latestMs = Math.max(latestMs, view.peers.get(node)?.linksChangedMs ?? -Infinity);
  }
  return latestMs;
}

function decideMove(view: PrincipalView): PrincipalDecision | undefined {
  const vote = countVotes(view);
  if (vote !== undefined && vote.node !== view.self && canTake(view, vote)) {
    return { kind: "move", principal: vote.node, why: "two thirds of the members prefer it" };
  }
  const larger = findMergeable(view).filter((node) => node > view.self);
  const principal = toSuccession(larger)[0];
  if (principal === undefined) return undefined;
  return { kind: "move", principal, why: "its cluster and ours can be one" };
}

/** Members that prefer another principal. */
export interface PrincipalVote {
  readonly node: NodeId;
  readonly voters: readonly NodeId[];
}

/** The node that at least two thirds of all members prefer as principal, if there is one. */
export function countVotes(
  view: Pick<PrincipalView, "peers" | "succession" | "clusterKey" | "guard">,
): PrincipalVote | undefined {
  const votes = new Map<NodeId, NodeId[]>();
  for (const member of view.succession) {
    const payload = view.peers.freshPayload(member, view.guard);
    if (payload?.clusterKey !== view.clusterKey || payload.preferredPrincipal === NO_NODE) continue;
    votes.set(payload.preferredPrincipal, [...votes.get(payload.preferredPrincipal) ?? [], member]);
  }
  for (const [node, voters] of votes) {
    if (voters.length * 3 >= view.succession.length * 2) return { node, voters };
  }
  return undefined;
}

/**
 * Whether moving would change something for good: those who prefer a node must be able to stay with it, and when it
 * is one of us, something must be wrong between them and us. Otherwise they would be back here after a while, and
 * prefer it again.
 */
function canTake(view: PrincipalView, { node, voters }: PrincipalVote): boolean {
  const other = view.peers.principals().find((principal) => principal.node === node);
  const isOurs = other === undefined && view.succession.includes(node);
  if (!isOurs && other === undefined) return false;
  if (isOurs && isClique(toSuccession([view.self, ...voters]), view.peers.hears)) return false;
  return isClique(toSuccession([...other?.succession ?? [node], ...voters]), view.peers.hears);
}

/**
 * Other principals that are heard and whose clusters form one full clique with ours. A cluster that shares members
 * with ours is none of them: one of the two is a thing of the past, and its principal is about to notice.
 */
export function findMergeable(view: Pick<PrincipalView, "self" | "peers" | "succession">): NodeId[] {
  return view.peers.principals()
    .filter(({ succession }) =>
      !succession.some((node) => view.succession.includes(node)) &&
      isClique([...succession, ...view.succession], view.peers.hears)
    )
    .map(({ node }) => node);
}

/** What a member that is not the principal does. */
export interface MemberDecision {
  /** Principal that it would rather have; `NO_NODE` when it is content. */
  readonly preferred: NodeId;
  /** Why it leaves the cluster; undefined when it stays. */
  readonly leave: string | undefined;
}

/** Whether the fresh payload of the principal shows a cluster without this node. */
export function isExcluded(
  self: NodeId,
  principal: NodeId,
  peers: ClusteringPeers,
  guard: StaleGuard,
): boolean {
  const payload = peers.freshPayload(principal, guard);
  if (payload === undefined) return false;
  return payload.protocolVersion !== CLUSTERING_PROTOCOL_VERSION || !payload.succession.includes(self);
}

/** Decides for a member. */
export function decideMember(
  view: Pick<PrincipalView, "self" | "peers" | "guard"> & { readonly principal: NodeId },
): MemberDecision {
  const { self, peers, principal, guard } = view;
  const { kept } = evictToClique(peers.ids, self, peers.hears);
  const preferred = kept.includes(principal) ? NO_NODE : kept[0];
  if (!peers.has(principal)) return { preferred, leave: "the principal is not heard" };
  const leave = isExcluded(self, principal, peers, guard) ? "evicted by the principal" : undefined;
  return { preferred, leave };
}
