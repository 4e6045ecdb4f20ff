/**
 * Info commands about where copies are: racks, and nodes that hand their partitions to others. Source: clustering
 * reference, sections 11.2 and 11.4.
 *
 * @module
 */

import type { ExchangeMember } from "../cluster/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { shownNodeId } from "./identity.ts";
import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

/** Nodes by rack, racks in ascending order. */
function racksOf(namespace: Namespace, members: readonly ExchangeMember[]): string {
  const racks = new Map<number, string[]>();
  for (const { node, namespaces } of members) {
    const told = namespaces.get(namespace.settings.name);
    if (told === undefined) continue;
    const rackId = told.rackId ?? 0;
    racks.set(rackId, [...racks.get(rackId) ?? [], shownNodeId(node)]);
  }
  return [...racks].sort(([a], [b]) => a - b).map(([rackId, nodes]) => `rack_${rackId}=${nodes.join(",")}`)
    .join(":");
}

function racks(context: InfoContext): string {
  const { node } = context;
  const members = node.cluster.committed?.members ?? [];
  if (context.get("namespace") !== undefined) {
    const { value, error } = context.namespace();
    return error ?? racksOf(value, members);
  }
  return node.namespaces.map((namespace) => `ns=${namespace.settings.name}:${racksOf(namespace, members)}`)
    .join(";");
}

/** Nodes by the machine that they run on; stock members don't tell theirs. */
function hosts({ node }: InfoContext): string {
  const found = new Map<string, string[]>();
  for (const { node: id, host } of node.cluster.committed?.members ?? []) {
    const name = host ?? "not-told";
    found.set(name, [...found.get(name) ?? [], shownNodeId(id)]);
  }
  return [...found].map(([host, ids]) => `host=${host}:nodes=${ids.join(",")}`).join(";");
}

function quiesce({ node }: InfoContext, isWanted: boolean): string {
  const { own } = node.cluster;
  if (node.settings.service.stayQuiesced) return "ERROR:22:stay-quiesced is set";
  own.isQuiescePending = isWanted;
  const text = isWanted
    ? "this node hands its partitions to others"
    : "this node takes its part of the partitions again";
  node.ports.log.write("info", "info", `${text} with the next recluster`);
  return OK;
}

/** See the module's text. */
export const placementCommands: readonly InfoRow[] = [
  {
    name: "racks",
    parameters: "[namespace=NS]",
    reply: "ns=NS:rack_N=NODE-ID,...:...;... | rack_N=NODE-ID,...:...",
    doc: "nodes of the cluster by rack",
    askedBy: "rack-aware clients, asadm",
    answer: racks,
  },
  {
    name: "rack-ids",
    reply: "NS:NUMBER;...",
    doc: "racks of this node",
    askedBy: "rack-aware clients",
    answer: ({ node }) =>
      node.namespaces.map(({ settings }) => `${settings.name}:${settings.rackId}`).join(";"),
  },
  {
    name: "hosts",
    reply: "host=HOST:nodes=NODE-ID,...;...",
    doc: "nodes of the cluster by the machine that they run on; copies avoid sharing one",
    askedBy: "aerie status",
    answer: hosts,
  },
  {
    name: "quiesce",
    reply: "ok | ERROR:22:stay-quiesced is set",
    doc: "hand all partitions to other nodes, with the next recluster",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: (context) => quiesce(context, true),
  },
  {
    name: "quiesce-undo",
    reply: "ok | ERROR:22:stay-quiesced is set",
    doc: "take partitions again, with the next recluster",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: (context) => quiesce(context, false),
  },
];
