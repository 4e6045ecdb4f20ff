/**
 * From a committed exchange to the balance of a namespace.
 *
 * @module
 */

import { assert } from "../base/mod.ts";
import { CAPABILITY, type ExchangeMember, type ExchangeResult } from "../cluster/mod.ts";
import { type ExchangeNamespace, type NodeId, REBALANCE_FLAG } from "../wire/mod.ts";
import type { BalanceInput } from "./balance.ts";
import { LineageTable } from "./lineage.ts";
import type { PlacementFeatures, PlacementMember } from "./racks.ts";
import type { RowHashes } from "./row.ts";
import { VersionTable } from "./version.ts";

/** What members can do together, of what bears on where copies go. */
export function placementFeatures(capabilities: number): PlacementFeatures {
  return {
    placement: (capabilities & CAPABILITY.PLACEMENT) !== 0,
    hostSpread: (capabilities & CAPABILITY.HOST_SPREAD) !== 0,
    sharedHosts: (capabilities & CAPABILITY.SHARED_HOSTS) !== 0,
  };
}

/**
 * What the balance of a namespace depends on.
 *
 * @param options `namespace`: name of one that `self` has
 */
export function balanceInput(
  result: ExchangeResult,
  options: { readonly namespace: string; readonly self: NodeId; readonly hashes?: RowHashes },
): BalanceInput {
  const { namespace, self, hashes } = options;
  const having = result.members.filter(({ namespaces }) => namespaces.has(namespace));
  assert(having.some(({ node }) => node === self), "this node has the namespace");
  const hasLineages = (result.capabilities & CAPABILITY.LINEAGE) !== 0;
  const factor = having[0].namespaces.get(namespace)!.replicationFactor ?? 1;
  return {
    succession: result.succession,
    self,
    clusterKey: result.clusterKey,
    members: having.map((member) => placementMember(member, member.namespaces.get(namespace)!)),
    replicationFactor: Math.max(factor, 1),
    features: placementFeatures(result.capabilities),
    allOurs: result.allOurs,
    ...(hasLineages ? { lineages: lineagesOf(having, namespace) } : {}),
    ...(hashes === undefined ? {} : { hashes }),
  };
}

function lineagesOf(members: readonly ExchangeMember[], namespace: string): Map<NodeId, LineageTable> {
  return new Map(
    members.map(({ node, namespaces }) => [
      node,
      LineageTable.fromGroups(namespaces.get(namespace)!.lineages ?? []),
    ]),
  );
}

/** A node that does not know its host counts as being alone on one. */
function placementMember(member: ExchangeMember, namespace: ExchangeNamespace): PlacementMember {
  const { node, host } = member;
  const flags = namespace.rebalanceFlags ?? 0;
  return {
    node,
    rackId: namespace.rackId ?? 0,
    host: host === undefined ? `node ${node}` : `host ${host}`,
    isQuiesced: (flags & REBALANCE_FLAG.QUIESCED) !== 0,
    prefersUniform: (flags & REBALANCE_FLAG.UNIFORM) !== 0,
    activeRack: namespace.activeRack ?? 0,
    versions: VersionTable.fromGroups(namespace.versions),
  };
}
