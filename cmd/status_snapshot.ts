/**
 * One look at a cluster: what every node that answers says about itself, and what follows from it. Plain data, also
 * the form of `aerie status --json`.
 *
 * @module
 */

import { decodeBase64 } from "../src/base/mod.ts";
import type { AerieClient } from "../src/client/mod.ts";

/** What one namespace looks like on one node. */
export interface NamespaceOnNode {
  /** Its name. */
  name: string;
  /** Records on this node, replicas included. */
  objects: number;
  /** Records of which this node is master. */
  masterObjects: number;
  /** Deletes that are remembered. */
  tombstones: number;
  /** Memory or device space of the records. */
  dataUsedBytes: number;
  /** How much there is of it. */
  dataTotalBytes: number;
  /** Memory of the primary, set and secondary indexes. */
  indexUsedBytes: number;
  /** Copies that each record is meant to have now. */
  replicationFactor: number;
  /** Copies that the configuration asks for. */
  configuredReplicationFactor: number;
  /** The node gives away its part. */
  isQuiesced: boolean;
  /** It will, or will no longer, with the next recluster. */
  isQuiescePending: boolean;
  /** Partitions that this node serves. */
  masterPartitions: number;
  /** Partitions of which it has a complete copy besides. */
  replicaPartitions: number;
  /** Writes are refused, for whatever reason. */
  stopWrites: boolean;
  /** Writes are refused because of clocks. */
  clockSkewStopWrites: boolean;
  /** Share of the data space at which writes are refused, percent; 0 never. */
  stopWritesUsedPct: number;
  /** Files and devices that are not good. */
  troubledDevices: readonly { path: string; state: string }[];
  /** Times that nobody had a copy of a record that can't be read. */
  unmendedRecords: number;
  /** Partitions that nobody serves. */
  unavailablePartitions: number;
  /** Partitions whose data may be lost. */
  deadPartitions: number;
  /** Partitions that move away from or to this node yet. */
  migratePartitionsRemaining: number;
  /** Reads, and writes with deletes, that clients asked for since the start, whatever their outcome. */
  reads: number;
  /** See {@linkcode NamespaceOnNode.reads}. */
  writes: number;
}

/** What one node says. */
export interface NodeStatus {
  /** Node id. */
  id: string;
  /** Address at which it was asked. */
  address: string;
  /** Machine that it runs on, as it tells its peers; empty when it does not. */
  host: string;
  /** Version of the protocol that it speaks, and its edition. */
  build: string;
  /** See {@linkcode NodeStatus.build}. */
  edition: string;
  /** How many seconds it runs. */
  uptimeS: number;
  /** Members, as this node sees it. */
  clusterSize: number;
  /** Key of its cluster, hexadecimal. */
  clusterKey: string;
  /** Principal of its cluster. */
  principal: string;
  /** All members that its heartbeat hears are in its cluster. */
  clusterIntegrity: boolean;
  /** Ids that two processes use, comma-separated; empty when there are none. */
  duplicateNodes: string;
  /** How far the clocks of the members are apart. */
  clockSkewMs: number;
  /** Connections of clients. */
  clientConnections: number;
  /** Share of the machine's memory that is free. */
  freeMemoryPct: number;
  /** CPU that the process used, percent of one processor. */
  processCpuPct: number;
  /** Migrations may start. */
  migrateAllowed: boolean;
  /** Its settings are not what is advised. */
  failedBestPractices: boolean;
  /** Namespaces in its order. */
  namespaces: NamespaceOnNode[];
}

/** One look at a cluster. */
export interface ClusterStatus {
  /** When: date and time, UTC, as in ISO 8601. */
  time: string;
  /** When, milliseconds of a clock that only goes forward; for differences between two looks of one program. */
  atMs: number;
  /** Name of the cluster; empty when it has none. */
  clusterName: string;
  /** Nodes that answered, by id. */
  nodes: NodeStatus[];
  /** Nodes that the client knows and that did not answer, with the reason. */
  silent: { id: string; address: string; reason: string }[];
  /** What a person should look at, one line each. */
  warnings: string[];
}

/** How to look. */
export interface LookOptions {
  /** Time for the answers of one node. */
  timeoutMs: number;
  /** Time of the look, by the clock that only goes forward. */
  atMs: number;
  /** The same by the wall clock, ms since 1970. */
  wallMs: number;
}

/** Asks every node that the client sees. */
export async function lookAtCluster(client: AerieClient, options: LookOptions): Promise<ClusterStatus> {
  const time = new Date(options.wallMs).toISOString();
  const status: ClusterStatus = {
    time,
    atMs: options.atMs,
    clusterName: "",
    nodes: [],
    silent: [],
    warnings: [],
  };
  await Promise.all(client.nodes.map(async ({ name: id, address }) => {
    try {
      const { node, clusterName } = await askNode(client, { id, address, timeoutMs: options.timeoutMs });
      status.nodes.push(node);
      if (clusterName !== "null") status.clusterName = clusterName;
    } catch (error) {
      status.silent.push({ id, address, reason: (error as Error).message });
    }
  }));
  status.nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
  status.silent.sort((a, b) => (a.id < b.id ? -1 : 1));
  status.warnings = findWarnings(status);
  return status;
}

async function askNode(
  client: AerieClient,
  { id, address, timeoutMs }: { id: string; address: string; timeoutMs: number },
): Promise<{ node: NodeStatus; clusterName: string }> {
  const ask = (command: string) => client.info(command, { node: id, timeoutMs });
  const [statistics, build, edition, clusterName, names, replicas, hosts] = await Promise.all(
    ["statistics", "build", "edition", "cluster-name", "namespaces", "replicas", "hosts"].map(ask),
  );
  const namespaces = await Promise.all(
    names.split(";").filter((name) => name !== "").map(async (name) =>
      readNamespace(name, await ask(`namespace/${name}`), replicas)
    ),
  );
  return {
    node: readNode({ id, address, host: hostOf(id, hosts), build, edition, namespaces }, statistics),
    clusterName,
  };
}

/** Values of a `name=value;...` answer. */
class Values {
  readonly #values = new Map<string, string>();

  constructor(text: string) {
    for (const pair of text.split(";")) {
      const at = pair.indexOf("=");
      if (at > 0) this.#values.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }

  text(name: string): string {
    return this.#values.get(name) ?? "";
  }

  /** 0 when it is missing or no number. */
  number(name: string): number {
    const value = Number(this.#values.get(name) ?? 0);
    return Number.isFinite(value) ? value : 0;
  }

  isTrue(name: string): boolean {
    return this.#values.get(name) === "true";
  }

  /** Values whose name the pattern knows, each with the first part of its name that the pattern captures. */
  matching(pattern: RegExp): { part: string; value: string }[] {
    return [...this.#values].flatMap(([name, value]) => {
      const match = pattern.exec(name);
      return match === null ? [] : [{ part: match[1], value }];
    });
  }

  /** Sum of all values whose name the pattern knows. */
  sum(pattern: RegExp): number {
    let total = 0;
    for (const name of this.#values.keys()) if (pattern.test(name)) total += this.number(name);
    return total;
  }
}

const READS = /^(client|batch_sub)_read_(success|error|timeout|not_found|filtered_out)$/;
const WRITES =
  /^(client|batch_sub)_(write|delete|udf)_(success|complete|error|timeout|not_found|filtered_out)$/;

/**
 * Reads the answer of `namespace/NAME`.
 *
 * @param name of the namespace
 * @param text the answer
 * @param replicas the answer of `replicas`
 */
export function readNamespace(name: string, text: string, replicas = ""): NamespaceOnNode {
  const values = new Values(text);
  const isQuiesced = values.isTrue("effective_is_quiesced");
  return {
    name,
    objects: values.number("objects"),
    masterObjects: values.number("master_objects"),
    tombstones: values.number("tombstones"),
    dataUsedBytes: values.number("data_used_bytes"),
    dataTotalBytes: values.number("data_total_bytes"),
    indexUsedBytes: values.number("index_used_bytes") + values.number("set_index_used_bytes") +
      values.number("sindex_used_bytes"),
    replicationFactor: values.number("effective_replication_factor"),
    configuredReplicationFactor: values.number("replication-factor"),
    isQuiesced,
    isQuiescePending: values.isTrue("pending_quiesce") !== isQuiesced,
    ...countPartitions(name, replicas),
    stopWrites: values.isTrue("stop_writes"),
    clockSkewStopWrites: values.isTrue("clock_skew_stop_writes"),
    stopWritesUsedPct: values.number("storage-engine.stop-writes-used-pct"),
    troubledDevices: values.matching(/^(storage-engine\.(?:file|device)\[\d+\])\.state$/)
      .filter(({ value }) => value !== "good")
      .map(({ part, value }) => ({ path: values.text(part), state: value })),
    unmendedRecords: values.number("unmended_records"),
    unavailablePartitions: values.number("unavailable_partitions"),
    deadPartitions: values.number("dead_partitions"),
    migratePartitionsRemaining: values.number("migrate_tx_partitions_remaining") +
      values.number("migrate_rx_partitions_remaining"),
    reads: values.sum(READS),
    writes: values.sum(WRITES),
  };
}

/** Partitions of a namespace in `NS:REGIME,COUNT,BITMAP,...;...`, of which the first bitmap is the master's. */
function countPartitions(
  name: string,
  replicas: string,
): Pick<NamespaceOnNode, "masterPartitions" | "replicaPartitions"> {
  const own = replicas.split(";").find((one) => one.startsWith(`${name}:`));
  const bitmaps = (own ?? "").split(",").slice(2).map((text) => decodeBase64(text) ?? new Uint8Array());
  const [master, ...others] = bitmaps;
  let masterPartitions = 0;
  let replicaPartitions = 0;
  for (let at = 0; master !== undefined && at < master.length; at++) {
    masterPartitions += bitCount(master[at]);
    // A master also stands in for replicas that are still being filled; that is no copy of its own.
    replicaPartitions += bitCount(others.reduce((bits, bitmap) => bits | bitmap[at], 0) & ~master[at]);
  }
  return { masterPartitions, replicaPartitions };
}

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte & 0xff; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** The machine of a node in `host=HOST:nodes=NODE-ID,...;...`; a host may have colons. */
function hostOf(id: string, hosts: string): string {
  for (const one of hosts.split(";")) {
    const at = one.lastIndexOf(":nodes=");
    if (!one.startsWith("host=") || at < 0) continue;
    const ids = one.slice(at + ":nodes=".length).split(",");
    if (ids.includes(id)) return one.slice("host=".length, at).replace(/^not-told$/, "");
  }
  return "";
}

function readNode(
  known: Pick<NodeStatus, "id" | "address" | "host" | "build" | "edition" | "namespaces">,
  text: string,
): NodeStatus {
  const values = new Values(text);
  const duplicates = values.text("cluster_duplicate_nodes");
  return {
    ...known,
    uptimeS: values.number("uptime"),
    clusterSize: values.number("cluster_size"),
    clusterKey: values.text("cluster_key"),
    principal: values.text("cluster_principal"),
    clusterIntegrity: values.isTrue("cluster_integrity"),
    duplicateNodes: duplicates === "null" ? "" : duplicates,
    clockSkewMs: values.number("cluster_clock_skew_ms"),
    clientConnections: values.number("client_connections"),
    freeMemoryPct: values.number("system_free_mem_pct"),
    processCpuPct: values.number("process_cpu_pct"),
    migrateAllowed: values.isTrue("migrate_allowed"),
    failedBestPractices: values.isTrue("failed_best_practices"),
  };
}

/** From which share of the way to `stop-writes-used-pct` on a namespace is nearly full. */
const NEARLY_FULL = 0.9;
const FREE_MEMORY_PCT_MIN = 10;
/** What states of a device mean. */
const DEVICE_TROUBLES: Readonly<Record<string, string>> = {
  faulty: "can't be written",
  closed: "takes no more writes, it is read still",
  failed: "can't be read and is out of service",
};
const CLOCK_SKEW_WARNING_MS = 1000;

/** What a person should look at. */
export function findWarnings(status: Pick<ClusterStatus, "nodes" | "silent">): string[] {
  const { nodes, silent } = status;
  const warnings = silent.map(({ id, address, reason }) => `${id} (${address}) does not answer: ${reason}`);
  const keys = new Set(nodes.map(({ clusterKey }) => clusterKey));
  if (keys.size > 1) {
    warnings.push(
      `the nodes are in ${keys.size} clusters (keys ${[...keys].join(", ")}): one forms, or a split`,
    );
  }
  const builds = new Set(nodes.map(({ build }) => build));
  if (builds.size > 1) warnings.push(`different versions: ${[...builds].join(", ")}`);
  const sizeMax = Math.max(0, ...nodes.map(({ clusterSize }) => clusterSize));
  const seenCount = nodes.length + silent.length;
  if (sizeMax > seenCount) {
    warnings.push(
      `${
        sizeMax - seenCount
      } of ${sizeMax} members can't be reached from here: they advertise addresses that ` +
        `this machine can't dial; "aerie doctor" on them tells which`,
    );
  }
  warnings.push(...copyWarnings(nodes));
  for (const node of nodes) warnings.push(...nodeWarnings(node));
  return warnings;
}

/** Namespaces with fewer copies than their configuration asks for, although there are nodes enough. */
function copyWarnings(nodes: readonly NodeStatus[]): string[] {
  const found: string[] = [];
  const names = new Set(nodes.flatMap(({ namespaces }) => namespaces.map(({ name }) => name)));
  for (const name of names) {
    const on = nodes.flatMap(({ namespaces }) => namespaces.filter((one) => one.name === name));
    const wanted = Math.max(...on.map((one) => one.configuredReplicationFactor));
    const copies = Math.min(...on.map((one) => one.replicationFactor));
    const activeCount = on.filter(({ isQuiesced }) => !isQuiesced).length;
    const [first] = nodes;
    const isOneCluster = nodes.every(({ clusterKey }) => clusterKey === first.clusterKey);
    if (!isOneCluster || copies === 0 || copies >= Math.min(wanted, activeCount)) continue;
    found.push(
      `namespace ${name}: ${copies} ${
        copies === 1 ? "copy" : "copies"
      } of each record instead of ${wanted}, ` +
        "because nodes share a machine; copies-on-one-host true on all nodes and a recluster allow more",
    );
  }
  return found;
}

function nodeWarnings(node: NodeStatus): string[] {
  const found: string[] = [];
  if (!node.clusterIntegrity) found.push("hears nodes that are not in its cluster");
  if (node.duplicateNodes !== "") found.push(`two processes use the same node id: ${node.duplicateNodes}`);
  if (node.clockSkewMs > CLOCK_SKEW_WARNING_MS) found.push(`clocks are ${node.clockSkewMs} ms apart`);
  const quiesced = node.namespaces.filter(({ isQuiesced }) => isQuiesced);
  if (quiesced.length > 0) {
    const isEmpty = quiesced.every(({ masterPartitions }) => masterPartitions === 0);
    found.push(
      `is quiesced${isEmpty ? " and serves nobody: it can be stopped" : ", and serves some partitions yet"}`,
    );
  }
  if (node.namespaces.some(({ isQuiescePending }) => isQuiescePending)) {
    found.push('a change of its quiescence waits for "recluster:" at the principal');
  }
  if (!node.migrateAllowed) found.push("migrations wait for the cluster to settle");
  if (node.freeMemoryPct < FREE_MEMORY_PCT_MIN) {
    found.push(`only ${node.freeMemoryPct} % of the machine's memory is free`);
  }
  if (node.failedBestPractices) found.push('"best-practices" lists settings that are not advised');
  for (const namespace of node.namespaces) {
    found.push(...namespaceWarnings(namespace).map((text) => `namespace ${namespace.name}: ${text}`));
  }
  return found.map((text) => `${node.id}: ${text}`);
}

function namespaceWarnings(namespace: NamespaceOnNode): string[] {
  const { dataTotalBytes, dataUsedBytes, stopWritesUsedPct } = namespace;
  const found: string[] = [];
  const usedPct = dataTotalBytes === 0 ? 0 : dataUsedBytes / dataTotalBytes * 100;
  if (namespace.clockSkewStopWrites) {
    found.push("writes are refused, the clocks of the nodes differ too much");
  } else if (namespace.stopWrites) {
    const isFaulty = namespace.troubledDevices.some(({ state }) => state === "faulty");
    const why = isFaulty ? "a device can't be written" : `${Math.round(usedPct)} % of the data space is used`;
    found.push(`writes are refused (${why})`);
  } else if (stopWritesUsedPct > 0 && usedPct >= stopWritesUsedPct * NEARLY_FULL) {
    found.push(`${Math.round(usedPct)} % of the data space is used, writes stop at ${stopWritesUsedPct} %`);
  }
  for (const { path, state } of namespace.troubledDevices) {
    found.push(`"${path}" ${DEVICE_TROUBLES[state] ?? `is ${state}`}; the log of its node says why`);
  }
  if (namespace.unmendedRecords > 0) {
    found.push(
      `records that can't be read and that no node has were asked for ${namespace.unmendedRecords} times`,
    );
  }
  if (namespace.unavailablePartitions > 0) {
    found.push(`${namespace.unavailablePartitions} partitions are unavailable`);
  }
  if (namespace.deadPartitions > 0) found.push(`${namespace.deadPartitions} partitions are dead`);
  return found;
}
