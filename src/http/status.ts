/**
 * What `/status` tells.
 *
 * @module
 */

import { AERIE_VERSION, SERVER_BUILD, SERVER_EDITION } from "../base/mod.ts";
import { type AerieNode, setsOf, shownNodeId } from "../node/mod.ts";

/** State of a node as plain data. */
export interface NodeStatus {
  /** Version of aerie. */
  version: string;
  /** Release whose protocol is spoken. */
  build: string;
  /** Edition whose rules apply. */
  edition: string;
  /** Id of the node. */
  nodeId: string;
  /** Where in its life the node is. */
  state: string;
  /** Seconds since the start. */
  uptimeS: number;
  /** The cluster as this node sees it. */
  cluster: { name: string | null; size: number; key: string; principal: string };
  /** Open listeners. */
  listeners: { kind: string; host: string; port: number }[];
  /** Client connections: open now, opened and closed since the start. */
  connections: { open: number; opened: number; closed: number };
  /** Namespaces. */
  namespaces: NamespaceStatus[];
  /** Memory in bytes. */
  memory: Readonly<Record<string, number>>;
}

/** State of a namespace. */
export interface NamespaceStatus {
  /** Name. */
  name: string;
  /** Records. */
  objects: number;
  /** Tombstones. */
  tombstones: number;
  /** Sets. */
  sets: number;
  /** Bytes of the primary index. */
  indexUsedBytes: number;
  /** Bytes of records. */
  dataUsedBytes: number;
  /** Bytes that records may take. */
  dataTotalBytes: number;
  /** Percent of that which new records can get. */
  dataAvailPct: number;
  /** Why writes are refused; null when they are not. */
  stopWrites: string | null;
}

/** State of a node, for `/status`. */
export function statusOf(node: AerieNode): NodeStatus {
  const { opened, closed } = node.stats.client;
  return {
    version: AERIE_VERSION,
    build: SERVER_BUILD,
    edition: SERVER_EDITION,
    nodeId: node.identity.id,
    state: node.state,
    uptimeS: Math.floor((node.ports.clock.monotonicMs() - node.startedMs) / 1000),
    cluster: {
      name: node.settings.service.clusterName || null,
      size: node.cluster.size,
      key: node.cluster.key,
      principal: shownNodeId(node.cluster.principal ?? "0"),
    },
    listeners: node.listeners.open.map(({ kind, host, port }) => ({ kind, host, port })),
    connections: { open: opened - closed, opened, closed },
    namespaces: node.namespaces.map(namespaceStatus),
    memory: { ...node.ports.host.memory() },
  };
}

function namespaceStatus(namespace: AerieNode["namespaces"][number]): NamespaceStatus {
  const { settings, store } = namespace;
  return {
    name: settings.name,
    objects: store.objectCount,
    tombstones: store.tombstoneCount,
    sets: setsOf(namespace).length,
    indexUsedBytes: store.index.usedBytes,
    dataUsedBytes: store.space.usedBytes,
    dataTotalBytes: store.space.totalBytes,
    dataAvailPct: store.dataAvailPct,
    stopWrites: store.stopWrites ? store.supervision.stopWritesReason : null,
  };
}
