/**
 * From a committed exchange to the balance of a namespace.
 *
 * @module
 */

import { assert, PLANTED } from "../base/mod.ts";
import { CAPABILITY, type ExchangeMember, type ExchangeResult } from "../cluster/mod.ts";
import { type ExchangeNamespace, type NodeId, REBALANCE_FLAG } from "../wire/mod.ts";
import type { BalanceInput } from "./balance.ts";
import { LineageTable } from "./lineage.ts";
import type { PlacementFeatures, PlacementMember } from "./racks.ts";
import type { RowHashes } from "./row.ts";
import { runWhole, type Sliced } from "./sliced.ts";
import { VersionTable } from "./version.ts";

/** What members can do together, of what bears on where copies go. */
export function placementFeatures(capabilities: number): PlacementFeatures {
  return {
    placement: (capabilities & CAPABILITY.PLACEMENT) !== 0,
    hostSpread: (capabilities & CAPABILITY.HOST_SPREAD) !== 0,
    sharedHosts: (capabilities & CAPABILITY.SHARED_HOSTS) !== 0,
  };
}

/** Whose balance it is. */
export interface BalanceInputOptions {
  /** Name of a namespace that `self` has. */
  readonly namespace: string;
  readonly self: NodeId;
  /** A cache. */
  readonly hashes?: RowHashes;
}

/** What the balance of a namespace depends on. */
export function balanceInput(result: ExchangeResult, options: BalanceInputOptions): BalanceInput {
  return runWhole(balanceInputSliced(result, options));
}

/** The same in slices. */
export function* balanceInputSliced(
  result: ExchangeResult,
  options: BalanceInputOptions,
): Sliced<BalanceInput> {
  const { namespace, self, hashes } = options;
  const having = result.members.filter(({ namespaces }) => namespaces.has(namespace));
  const ours = having.find(({ node }) => node === self);
  assert(ours !== undefined, "this node has the namespace");
  const hasLineages = (result.capabilities & CAPABILITY.LINEAGE) !== 0;
  const members: PlacementMember[] = [];
  const lineages = new Map<NodeId, LineageTable>();
  for (const member of having) {
    const own = member.namespaces.get(namespace)!;
    const wished = PLANTED.ownWishesPlace ? ours.namespaces.get(namespace)! : own;
    members.push(placementMember(member, own, wished));
    if (hasLineages) lineages.set(member.node, LineageTable.fromGroups(own.lineages ?? []));
    yield;
  }
  const capabilities = PLANTED.ownCapabilitiesPlace ? ours.capabilities ?? 0 : result.capabilities;
  const factor = having[0].namespaces.get(namespace)!.replicationFactor ?? 1;
  return {
    succession: result.succession,
    self,
    clusterKey: result.clusterKey,
    members,
    replicationFactor: Math.max(factor, 1),
    features: placementFeatures(capabilities),
    allOurs: result.allOurs,
    ...(hasLineages ? { lineages } : {}),
    ...(hashes === undefined ? {} : { hashes }),
  };
}

/** A node that does not know its host counts as being alone on one. */
function placementMember(
  { node, host }: ExchangeMember,
  namespace: ExchangeNamespace,
  wished: ExchangeNamespace,
): PlacementMember {
  const flags = namespace.rebalanceFlags ?? 0;
  return {
    node,
    rackId: namespace.rackId ?? 0,
    host: host === undefined ? `node ${node}` : `host ${host}`,
    isQuiesced: (flags & REBALANCE_FLAG.QUIESCED) !== 0,
    prefersUniform: ((wished.rebalanceFlags ?? 0) & REBALANCE_FLAG.UNIFORM) !== 0,
    activeRack: wished.activeRack ?? 0,
    versions: VersionTable.fromGroups(namespace.versions),
  };
}
