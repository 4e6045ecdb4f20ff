/**
 * Info commands by which clients follow a cluster, and tools look at it and change it. Source: wire-protocol reference,
 * sections 9.4 and 9.12.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "../base/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import { parseSeed, type PeerService, remainingMigrations } from "./cluster/mod.ts";
import { shownNodeId } from "./identity.ts";
import type { AerieNode } from "./node.ts";
import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

/** Port of which peers lists say that endpoints without a port have it. */
const DEFAULT_PORT = 3000;

/** A user agent in base64 is shorter than this. */
const USER_AGENT_SIZE_MAX = 88;
/** Kinds of user agents that `user-agents` tells apart; those of further connections are left out. */
const USER_AGENT_KIND_COUNT_MAX = 1000;

/** Moves when the map of any namespace does. */
function partitionGeneration({ namespaces }: AerieNode): number {
  const generations = namespaces.map(({ partitions }) => partitions.generation);
  return generations.some((generation) => generation < 0)
    ? -1
    : generations.reduce((sum, one) => sum + one, 0);
}

function replicas(context: InfoContext): string {
  const limit = Number(context.get("max") ?? Infinity);
  return context.node.namespaces.map(({ partitions, settings }) => {
    const factor = partitions.effectiveReplicationFactor;
    const maps = bitmaps(partitions, Math.max(1, limit > 0 ? Math.min(factor, limit) : factor));
    return `${settings.name}:0,${maps.length},${maps.join(",")}`;
  }).join(";");
}

function bitmaps(partitions: AerieNode["namespaces"][number]["partitions"], count: number): string[] {
  return Array.from({ length: count }, (_, replica) => encodeBase64(partitions.bitmap(replica)));
}

function replicasAll({ node }: InfoContext): string {
  return node.namespaces.map(({ partitions, settings }) => {
    const factor = partitions.effectiveReplicationFactor;
    return `${settings.name}:${factor},${bitmaps(partitions, factor).join(",")}`;
  }).join(";");
}

function replicasMaster({ node }: InfoContext): string {
  return node.namespaces.map(({ partitions, settings }) => `${settings.name}:${bitmaps(partitions, 1)}`)
    .join(";");
}

/** Whether all that is heard is in the cluster, and the cluster has settled. */
function isStable(node: AerieNode, ignoreMigrations: boolean, namespaces: readonly Namespace[]): boolean {
  if (node.state !== "ready" || !node.cluster.hasIntegrity) return false;
  if (ignoreMigrations) return true;
  return node.cluster.migrationsAllowed &&
    namespaces.every(({ partitions }) => remainingMigrations(partitions).total === 0);
}

function clusterStable(context: InfoContext): string {
  const { node } = context;
  const size = context.get("size");
  if (size !== undefined && !/^\d+$/.test(size)) return "ERROR:4:bad size";
  const ignore = context.get("ignore-migrations");
  if (ignore !== undefined && ignore !== "true" && ignore !== "false") {
    return "ERROR:4:bad ignore-migrations";
  }
  let { namespaces } = node;
  if (context.get("namespace") !== undefined) {
    const { value, error } = context.namespace();
    if (error !== undefined) return error;
    namespaces = [value];
  }
  if (!isStable(node, ignore === "true", namespaces)) return "ERROR:7:unstable cluster";
  if (size !== undefined && Number(size) !== node.cluster.size) return "ERROR:7:cluster not specified size";
  return node.cluster.key;
}

function setUserAgent(context: InfoContext): string {
  const { session } = context;
  const { value, error } = context.need("value", { sizeMaxBytes: USER_AGENT_SIZE_MAX - 1 });
  if (error !== undefined) return error;
  if (session.userAgent !== undefined) return "ERROR:4:already set";
  if (decodeBase64(value) === undefined) return "ERROR:4:'value' invalid base64";
  session.userAgent = value;
  return OK;
}

/** Open connections by what their clients say they are, in base64. */
export function userAgentCounts(node: AerieNode): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { userAgent } of node.listeners.sessions) {
    if (userAgent === undefined) continue;
    const count = counts.get(userAgent) ?? 0;
    if (count > 0 || counts.size < USER_AGENT_KIND_COUNT_MAX) counts.set(userAgent, count + 1);
  }
  return counts;
}

function userAgents({ node }: InfoContext): string {
  return [...userAgentCounts(node)].map(([agent, count]) => `user-agent=${agent}:count=${count}`).join(";");
}

/** Heartbeat's address as one of the two modes has it. */
function heartbeatAddress({ node }: InfoContext, mode: "mesh" | "multicast"): string {
  const { heartbeat } = node.settings.network;
  if (heartbeat.mode !== mode) return `ERROR:4:heartbeat is in ${heartbeat.mode} mode`;
  const addresses = mode === "mesh" ? heartbeat.addresses : heartbeat.multicastGroups;
  return (addresses.length === 0 ? ["any"] : addresses).map((one) => `${one}:${heartbeat.port}`).join(",");
}

function recluster({ node }: InfoContext): string {
  const answer = node.cluster.recluster();
  if (answer === "busy") {
    return "ERROR:4:a change of the cluster is under way, or migrations are not allowed yet";
  }
  return answer === "ok" ? OK : answer;
}

/** A list of nodes: which nodes, and which of their addresses. */
interface PeerListForm {
  of: "members" | "alumni";
  which: "standard" | "alternate";
}

function peerText({ node, ...addresses }: PeerService, which: PeerListForm["which"]): string {
  const texts = addresses[which].map((text) => text.replace(new RegExp(`:${DEFAULT_PORT}$`), ""));
  return `[${shownNodeId(node)},,[${texts.join(",")}]]`;
}

function peers(context: InfoContext, form: PeerListForm): string {
  const { services } = context.node.cluster;
  const since = context.get("generation");
  const texts: string[] = [];
  if (since === undefined || !/^\d{1,9}$/.test(since)) {
    texts.push(...services[form.of].map((service) => peerText(service, form.which)));
  } else {
    const { changed, gone } = services.changesSince(Number(since));
    texts.push(...changed.map((service) => peerText(service, form.which)));
    texts.push(...gone.map((node) => `[${shownNodeId(node)},,]`));
  }
  return `${services.generation},${DEFAULT_PORT},[${texts.join(",")}]`;
}

function peerList(name: string, doc: string, form: PeerListForm): InfoRow {
  return {
    name,
    parameters: "[generation=NUMBER]",
    reply: "GENERATION,PORT,[[NODE-ID,,[HOST:PORT,...]],...]",
    doc,
    askedBy: "clients, asadm",
    answer: (context) => peers(context, form),
  };
}

function tip(context: InfoContext): string {
  const host = context.need("host");
  if (host.error !== undefined) return host.error;
  const port = context.need("port");
  if (port.error !== undefined) return port.error;
  if (!/^\d{1,5}$/.test(port.value)) return "ERROR:4:bad port";
  if (context.get("tls") === "true") return "ERROR:4:TLS is not supported yet";
  return tipReply(context.node.cluster.tip({ host: host.value, port: Number(port.value), tls: false }));
}

function tipClear(context: InfoContext): string {
  const { value, error } = context.need("host-port-list");
  if (error !== undefined) return error;
  if (value === "all") return tipReply(context.node.cluster.tipClear(undefined));
  const seeds = value.split(",").map(parseSeed).filter((seed) => seed !== undefined);
  if (seeds.length < value.split(",").length) return "ERROR:4:bad host-port-list";
  return tipReply(context.node.cluster.tipClear(seeds));
}

function tipReply(refused: string | undefined): string {
  return refused === undefined ? OK : `ERROR:4:${refused}`;
}

/** Whom this node hears, whether it reaches their fabric, and whether they reach this node's. */
function links({ node: { cluster } }: InfoContext): string {
  return (cluster.heartbeat?.adjacent ?? []).map((node) =>
    `node=${shownNodeId(node)}:reached=${cluster.fabric.link(node) === "up"}:` +
    `reaches-this=${cluster.fabric.isDialledBy(node)}`
  ).join(";");
}

/** See the module's text. */
export const clusterCommands: readonly InfoRow[] = [
  {
    name: "partition-generation",
    reply: "NUMBER, -1 before the node is ready",
    doc: "changes with the partition map",
    askedBy: "clients",
    answer: ({ node }) => String(partitionGeneration(node)),
  },
  {
    name: "peers-generation",
    reply: "NUMBER",
    doc: "changes with the list of peers",
    askedBy: "clients",
    answer: ({ node }) => String(node.cluster.services.generation),
  },
  {
    name: "rebalance-generation",
    reply: "NUMBER",
    doc: "counts rebalances",
    askedBy: "rack-aware clients",
    hidden: true,
    answer: ({ node }) => String(node.cluster.rebalanceGeneration),
  },
  {
    name: "replicas",
    parameters: "[max=N]",
    reply: "NS:REGIME,FACTOR,BITMAP,...;...",
    doc: "partitions of this node: a base64 bitmap per replica",
    askedBy: "clients",
    hidden: true,
    answer: replicas,
  },
  {
    name: "replicas-all",
    reply: "NS:FACTOR,BITMAP,...;...",
    doc: "the same without regime",
    askedBy: "old clients",
    deprecated: "replicas",
    hidden: true,
    answer: replicasAll,
  },
  {
    name: "replicas-master",
    reply: "NS:BITMAP;...",
    doc: "partitions of which this node is master",
    askedBy: "old clients",
    deprecated: "replicas",
    hidden: true,
    answer: replicasMaster,
  },
  peerList("peers-clear-std", "other nodes of the cluster", { of: "members", which: "standard" }),
  peerList("peers-clear-alt", "other nodes, by their alternate addresses", {
    of: "members",
    which: "alternate",
  }),
  peerList("alumni-clear-std", "nodes that were ever seen", { of: "alumni", which: "standard" }),
  peerList("alumni-clear-alt", "nodes that were ever seen, by their alternate addresses", {
    of: "alumni",
    which: "alternate",
  }),
  {
    name: "cluster-stable",
    parameters: "[size=N][;ignore-migrations=true|false][;namespace=NS]",
    reply: "CLUSTER-KEY | ERROR:7:unstable cluster | ERROR:7:cluster not specified size",
    doc: "key of the cluster when it has its size and has settled",
    askedBy: "scripts, operators",
    answer: clusterStable,
  },
  {
    name: "user-agent-set",
    parameters: "value=BASE64",
    reply: "ok | ERROR:4:already set",
    doc: "the client says what it is, once per connection",
    askedBy: "clients",
    hidden: true,
    answer: setUserAgent,
  },
  {
    name: "user-agents",
    reply: "user-agent=BASE64:count=N;...",
    doc: "what the connected clients say they are, with their connections",
    askedBy: "asadm, exporter",
    answer: userAgents,
  },
  {
    name: "mesh",
    reply: "HOST:PORT,... | ERROR:4:heartbeat is in multicast mode",
    doc: "configured heartbeat addresses",
    askedBy: "old tools",
    deprecated: "get-config",
    hidden: true,
    answer: (context) => heartbeatAddress(context, "mesh"),
  },
  {
    name: "mcast",
    reply: "HOST:PORT,... | ERROR:4:heartbeat is in mesh mode",
    doc: "configured heartbeat groups",
    askedBy: "old tools",
    deprecated: "get-config",
    hidden: true,
    answer: (context) => heartbeatAddress(context, "multicast"),
  },
  {
    name: "tip",
    parameters: "host=HOST;port=PORT[;tls=false]",
    reply: "ok | ERROR:4:...",
    doc: "name another node to form a cluster with; until the next start",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: tip,
  },
  {
    name: "tip-clear",
    parameters: "host-port-list=all|HOST:PORT,...",
    reply: "ok | ERROR:4:...",
    doc: "forget seeds, of the configuration too; connections stay",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: tipClear,
  },
  {
    name: "recluster",
    reply: "ok | ignored-by-non-principal | ERROR:4:...",
    doc: "form the cluster anew, with a new key; racks and quiesced nodes take effect",
    askedBy: "operators",
    permission: "service-ctrl",
    answer: recluster,
  },
  {
    name: "links",
    reply: "node=NODE-ID:reached=true|false:reaches-this=true|false;...",
    doc: "other nodes that are heard, and which of the two can dial the other's fabric",
    askedBy: "aerie doctor",
    answer: links,
  },
  {
    name: "get-sl",
    reply: "NODE-ID,...",
    doc: "succession list of the cluster, principal first",
    askedBy: "people who look for faults",
    answer: ({ node }) => node.cluster.succession.map(shownNodeId).join(","),
  },
];
