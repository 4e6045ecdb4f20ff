/**
 * The screen of `aerie status`: a look at the cluster as text.
 *
 * @module
 */

import type { ClusterStatus, NamespaceOnNode, NodeStatus } from "./status_snapshot.ts";
import { type Column, table } from "./table.ts";

/** A namespace over all nodes. */
interface NamespaceSum extends NamespaceOnNode {
  /** Nodes that have it. */
  nodeCount: number;
  /** Nodes that refuse writes to it. */
  stopWritesCount: number;
}

/** Namespaces over all nodes, in the order of their first appearance. */
export function sumNamespaces(nodes: readonly NodeStatus[]): NamespaceSum[] {
  const sums = new Map<string, NamespaceSum>();
  for (const one of nodes.flatMap(({ namespaces }) => namespaces)) {
    const refuses = one.stopWrites || one.clockSkewStopWrites ? 1 : 0;
    const sum = sums.get(one.name);
    if (sum === undefined) {
      sums.set(one.name, { ...one, nodeCount: 1, stopWritesCount: refuses });
      continue;
    }
    sum.nodeCount++;
    sum.stopWritesCount += refuses;
    for (const name of SUMMED) sum[name] += one[name];
    sum.replicationFactor = Math.max(sum.replicationFactor, one.replicationFactor);
  }
  return [...sums.values()];
}

const SUMMED = [
  "objects",
  "masterObjects",
  "tombstones",
  "dataUsedBytes",
  "dataTotalBytes",
  "indexUsedBytes",
  "unavailablePartitions",
  "deadPartitions",
  "migratePartitionsRemaining",
  "masterPartitions",
  "replicaPartitions",
  "reads",
  "writes",
] as const;

/**
 * The whole screen.
 *
 * @param status the look
 * @param before an earlier look, from which rates are counted; without it there are none
 */
export function statusScreen(status: ClusterStatus, before?: ClusterStatus): string {
  const { nodes, warnings } = status;
  const parts = [headline(status), table(nodes, nodeColumns(nodes))];
  const sums = sumNamespaces(nodes);
  const earlier = before === undefined ? undefined : { before, elapsedS: (status.atMs - before.atMs) / 1000 };
  if (sums.length > 0) parts.push(table(sums, namespaceColumns(rates(sums, earlier))));
  parts.push(warnings.length === 0 ? ["No warnings."] : warnings.map((text) => `! ${text}`));
  return parts.map((lines) => lines.join("\n")).join("\n\n");
}

function headline({ clusterName, nodes, silent }: ClusterStatus): string[] {
  const name = clusterName === "" ? "cluster without a name" : `cluster ${clusterName}`;
  const count = nodes.length + silent.length;
  const first = nodes[0];
  const agreed = first !== undefined && nodes.every(({ clusterKey }) => clusterKey === first.clusterKey);
  const state = agreed
    ? `key ${first.clusterKey}, principal ${first.principal}`
    : "the nodes don't agree on a cluster";
  return [
    `${name}: ${count} ${count === 1 ? "node" : "nodes"}${hostsText(nodes)}, ${state}, ${migrations(nodes)}`,
  ];
}

/** How many machines the nodes are on; nothing when not all tell theirs. */
function hostsText(nodes: readonly NodeStatus[]): string {
  if (nodes.length < 2 || nodes.some(({ host }) => host === "")) return "";
  const count = new Set(nodes.map(({ host }) => host)).size;
  return ` on ${count} ${count === 1 ? "host" : "hosts"}`;
}

/** Hosts without the hardware address where that tells them apart nonetheless. */
function shortHosts(nodes: readonly NodeStatus[]): Map<string, string> {
  const hosts = [...new Set(nodes.map(({ host }) => host))];
  const shorten = (host: string) => host.slice(host.indexOf("/") + 1);
  const isClear = new Set(hosts.map(shorten)).size === hosts.length;
  return new Map(hosts.map((host) => [host, isClear ? shorten(host) : host]));
}

function sumOf(
  { namespaces }: NodeStatus,
  field: "masterPartitions" | "replicaPartitions",
): number {
  return namespaces.reduce((sum, namespace) => sum + namespace[field], 0);
}

function migrations(nodes: readonly NodeStatus[]): string {
  let remaining = 0;
  for (const { namespaces } of nodes) {
    for (const { migratePartitionsRemaining } of namespaces) remaining += migratePartitionsRemaining;
  }
  return remaining === 0 ? "no migrations" : `${remaining} partition migrations to go`;
}

function nodeColumns(nodes: readonly NodeStatus[]): Column<NodeStatus>[] {
  const edition = ({ edition }: NodeStatus) => edition.replace(/^Aerospike | Edition$/g, "");
  const isOneCluster = new Set(nodes.map(({ clusterKey }) => clusterKey)).size <= 1;
  const shortOf = shortHosts(nodes);
  const hosts: Column<NodeStatus>[] = shortOf.size <= 1
    ? []
    : [{ title: "host", align: "left", cell: ({ host }) => shortOf.get(host) ?? host }];
  const key: Column<NodeStatus>[] = isOneCluster
    ? []
    : [{ title: "cluster key", align: "left", cell: ({ clusterKey }) => clusterKey }];
  return [
    { title: "node", align: "left", cell: ({ id, principal }) => id === principal ? `${id} *` : id },
    { title: "address", align: "left", cell: ({ address }) => address },
    ...hosts,
    ...key,
    { title: "version", align: "left", cell: (node) => `${node.build} ${edition(node)}` },
    { title: "up", align: "right", cell: ({ uptimeS }) => durationText(uptimeS) },
    { title: "members", align: "right", cell: ({ clusterSize }) => String(clusterSize) },
    {
      title: "master + copy",
      align: "right",
      cell: (node) => `${sumOf(node, "masterPartitions")} + ${sumOf(node, "replicaPartitions")}`,
    },
    { title: "clients", align: "right", cell: ({ clientConnections }) => String(clientConnections) },
    { title: "cpu", align: "right", cell: ({ processCpuPct }) => `${processCpuPct} %` },
    { title: "mem free", align: "right", cell: ({ freeMemoryPct }) => `${freeMemoryPct} %` },
  ];
}

/** Requests per second of each namespace; undefined when there was no earlier look. */
type Rates = (namespace: NamespaceSum) => { reads: string; writes: string };

function rates(
  sums: readonly NamespaceSum[],
  earlier: { before: ClusterStatus; elapsedS: number } | undefined,
): Rates {
  const former = new Map(sumNamespaces(earlier?.before.nodes ?? []).map((one) => [one.name, one]));
  const current = new Map(sums.map((one) => [one.name, one]));
  return ({ name }) => {
    const then = former.get(name);
    const now = current.get(name)!;
    if (earlier === undefined || then === undefined || !(earlier.elapsedS > 0)) {
      return { reads: "-", writes: "-" };
    }
    // A node that left or restarted takes its counts along; that is no negative rate.
    const perSecond = (more: number) => countText(Math.max(0, more) / earlier.elapsedS);
    return { reads: perSecond(now.reads - then.reads), writes: perSecond(now.writes - then.writes) };
  };
}

function namespaceColumns(rateOf: Rates): Column<NamespaceSum>[] {
  return [
    { title: "namespace", align: "left", cell: ({ name }) => name },
    { title: "nodes", align: "right", cell: ({ nodeCount }) => String(nodeCount) },
    { title: "copies", align: "right", cell: ({ replicationFactor }) => String(replicationFactor) },
    { title: "records", align: "right", cell: ({ masterObjects }) => countText(masterObjects) },
    { title: "with copies", align: "right", cell: ({ objects }) => countText(objects) },
    { title: "data", align: "right", cell: ({ dataUsedBytes }) => sizeText(dataUsedBytes) },
    { title: "of", align: "right", cell: ({ dataTotalBytes }) => sizeText(dataTotalBytes) },
    { title: "index", align: "right", cell: ({ indexUsedBytes }) => sizeText(indexUsedBytes) },
    { title: "reads/s", align: "right", cell: (namespace) => rateOf(namespace).reads },
    { title: "writes/s", align: "right", cell: (namespace) => rateOf(namespace).writes },
    {
      title: "writes",
      align: "left",
      cell: ({ stopWritesCount, nodeCount }) =>
        stopWritesCount === 0 ? "accepted" : `REFUSED by ${stopWritesCount} of ${nodeCount}`,
    },
    {
      title: "to migrate",
      align: "right",
      cell: (namespace) => String(namespace.migratePartitionsRemaining),
    },
  ];
}

/** A count with at most four digits and a unit: `812`, `81.2 k`, `3.4 M`. */
export function countText(count: number): string {
  if (count < 9999.5) return String(Math.round(count));
  for (const [unit, factor] of [["k", 1e3], ["M", 1e6], ["G", 1e9]] as const) {
    if (count < factor * 999.95 || unit === "G") return `${(count / factor).toFixed(1)} ${unit}`;
  }
  return String(count);
}

/** A size in the largest unit that leaves a number of 1 or more: `512 B`, `1.5 GiB`. */
export function sizeText(sizeBytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = sizeBytes;
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** `42 s`, `7 min`, `5 h 12 min`, `3 d 4 h`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
