/**
 * What a request costs in a cluster: CPU of all nodes per operation, of one node, of two with one copy of each record,
 * and of two with two copies. Clients go straight to the owner of a record, as smart clients do. The clusters are
 * loaded in turns, so that whatever else the machine does hits all alike.
 *
 * @module
 */

import { LocalCluster, type LocalNode } from "../cmd/local_cluster.ts";
import { createDigester, partitionId } from "../src/base/mod.ts";
import { SOURCE_COMMAND } from "../tools/system/loaded_cluster.ts";
import { joinLoads, middle } from "./macro.ts";
import type { MacroFigures } from "./macro.ts";
import { Loader } from "./loader.ts";
import { NAMESPACE, RequestMaker } from "./requests.ts";
import { WORKLOADS } from "./workloads.ts";

/** How large and how long. */
export interface ClusterWritesOptions {
  /** Records that requests are spread over. */
  recordCount: number;
  /** Connections to all nodes together; one request is under way on each. */
  connectionCount: number;
  /** Turns of each cluster. */
  roundCount: number;
  /** Measuring time of each turn, and the time before it that does not count; milliseconds. */
  runMs: number;
  /** See {@linkcode ClusterWritesOptions.runMs}. */
  warmUpMs: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** Clusters that are compared: nodes and copies. */
const SHAPES = [
  { name: "1 node", nodeCount: 1, replicationFactor: 1 },
  { name: "2 nodes, 1 copy", nodeCount: 2, replicationFactor: 1 },
  { name: "2 nodes, 2 copies", nodeCount: 2, replicationFactor: 2 },
] as const;

/** Name of one of the clusters. */
export type ClusterShapeName = (typeof SHAPES)[number]["name"];

/** All clusters under one workload. */
export interface ClusterWritesResult {
  /** `get` or `put`. */
  workload: string;
  /** Middle of the turns. */
  figures: Record<ClusterShapeName, MacroFigures>;
}

const WORKLOAD_NAMES = ["get", "put"];
const SETTLE_LIMIT_MS = 60_000;
/** Connections of one node are shared by as many load processes as the other clusters have. */
const LOADER_COUNT = 2;

/** Whom one load process asks for what. */
interface Share {
  node: LocalNode;
  records: readonly number[];
}

/** Runs the turns. */
export async function measureClusterWrites(options: ClusterWritesOptions): Promise<ClusterWritesResult[]> {
  const command = options.executable === undefined ? SOURCE_COMMAND : [options.executable];
  const clusters: LocalCluster[] = [];
  try {
    const shares = new Map<ClusterShapeName, Share[]>();
    for (const { name, nodeCount, replicationFactor } of SHAPES) {
      const cluster = await LocalCluster.start(nodeCount, { command, replicationFactor, dataSize: "256M" });
      clusters.push(cluster);
      await cluster.untilOne(SETTLE_LIMIT_MS, { settled: true });
      shares.set(name, await sharesOf(cluster, options.recordCount));
    }
    const results: ClusterWritesResult[] = [];
    for (const workload of WORKLOAD_NAMES) results.push(await runTurns(workload, shares, options));
    return results;
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

async function runTurns(
  workload: string,
  shares: ReadonlyMap<ClusterShapeName, Share[]>,
  options: ClusterWritesOptions,
): Promise<ClusterWritesResult> {
  const samples = new Map<ClusterShapeName, MacroFigures[]>([...shares.keys()].map((name) => [name, []]));
  // The first turn is the compiler's.
  for (const parts of shares.values()) await runTurn(workload, parts, options);
  for (let round = 0; round < options.roundCount; round++) {
    for (const [name, parts] of shares) samples.get(name)!.push(await runTurn(workload, parts, options));
  }
  const figures = [...samples].map(([name, values]) => [name, middle(values)] as const);
  return { workload, figures: Object.fromEntries(figures) as ClusterWritesResult["figures"] };
}

async function runTurn(
  workloadName: string,
  shares: readonly Share[],
  { connectionCount, recordCount, warmUpMs, runMs }: ClusterWritesOptions,
): Promise<MacroFigures> {
  const loaders: Loader[] = [];
  try {
    for (const { node, records } of shares) {
      loaders.push(
        await Loader.start({
          server: { protocol: "aerie", port: node.place.ports.service, pid: node.pid! },
          workload: WORKLOADS.find(({ name }) => name === workloadName)!,
          connectionCount: connectionCount / shares.length,
          recordCount,
          records,
          fill: true,
          warmUpMs,
          runMs,
        }),
      );
    }
    const loads = await Promise.all(loaders.map((loader) => loader.run()));
    return joinLoads(loads, new Set(shares.map(({ node }) => node)).size);
  } finally {
    for (const loader of loaders) await loader.stop();
  }
}

/** Splits the records by the nodes that own them; of one node into halves. */
async function sharesOf({ nodes }: LocalCluster, recordCount: number): Promise<Share[]> {
  const numbers = Array.from({ length: recordCount }, (_, record) => record);
  if (nodes.length === 1) {
    return Array.from({ length: LOADER_COUNT }, (_, part) => ({
      node: nodes[0],
      records: numbers.filter((record) => record % LOADER_COUNT === part),
    }));
  }
  const maker = new RequestMaker(await createDigester());
  return await Promise.all(nodes.map(async (node) => {
    const owned = await mastersOf(node);
    const isOwned = (partition: number) => (owned[partition >> 3] & (0x80 >> (partition & 7))) !== 0;
    return { node, records: numbers.filter((record) => isOwned(partitionId(maker.digest(record)))) };
  }));
}

/** Bitmap of the partitions that a node is the master of. */
async function mastersOf(node: LocalNode): Promise<Uint8Array> {
  const [replicas] = await node.ask(["replicas"]);
  const bitmap = replicas.split(";").find((one) => one.startsWith(`${NAMESPACE}:`))?.split(",")[2];
  if (bitmap === undefined) throw new Error(`node ${node.id} says nothing of its partitions: ${replicas}`);
  return Uint8Array.from(atob(bitmap), (one) => one.charCodeAt(0));
}
