/**
 * What `dump-cluster`, `dump-hb`, `dump-fabric`, `dump-skew` and `dump-hlc` write into the log.
 *
 * @module
 */

import { hlcPhysicalMs, type NodeId, nodeIdForLog, seedText } from "../cluster/mod.ts";
import { endpointText } from "../config/mod.ts";
import type { AerieNode } from "./node.ts";
import { RATE_CHANNELS } from "./cluster/mod.ts";

function names(nodes: readonly NodeId[]): string {
  return nodes.map(nodeIdForLog).join(" ") || "none";
}

/** Membership and exchange. */
export function clusterLines({ cluster }: AerieNode): string[] {
  const { clustering, exchange, committed } = cluster;
  const principal = committed === undefined ? "none" : nodeIdForLog(committed.principal);
  const members = committed?.members.map(({ node, host, capabilities, compatibilityId }) =>
    `member ${nodeIdForLog(node)}: host ${host ?? "not told"}, ` +
    `capabilities ${capabilities === undefined ? "none (stock)" : `0x${capabilities.toString(16)}`}, ` +
    `compatibility ${compatibilityId}`
  );
  return [
    `cluster of ${cluster.size}: key ${cluster.key}, principal ${principal}, generation ${cluster.generation}`,
    `clustering: ${clustering.role}, key ${clustering.clusterKey.toString(16)}, members ${
      names(clustering.succession)
    }, ` +
    `${clustering.isSynced ? "applied by all" : "not applied by all"}; faults ${
      clustering.faults.join(", ") || "none"
    }; ` +
    `joiners ${names(clustering.joiners)}; asked ${
      clustering.joinTarget === undefined ? "nobody" : nodeIdForLog(clustering.joinTarget)
    }`,
    `exchange: ${exchange.state}; no data from ${names(exchange.missing)}; not acknowledged by ${
      names(exchange.unacked)
    }; ` +
    `not ready ${names(exchange.unready)}; problems: ${exchange.problems.join("; ") || "none"}`,
    ...members ?? [],
    ...[...cluster.counts].map(([name, count]) => `${name} ${count}`),
  ];
}

/** Peers and seeds of the heartbeat. */
export function heartbeatLines({ cluster }: AerieNode): string[] {
  const { heartbeat } = cluster;
  if (heartbeat === undefined) return ["no heartbeat"];
  const peers = heartbeat.peers.map(({ node, state, endpoints, connections }) =>
    `peer ${nodeIdForLog(node)}: ${state}, ${
      endpoints.map(({ address, port }) => endpointText({ host: address, port })).join(", ") || "no address"
    }, connections ${connections.size}`
  );
  const seeds = heartbeat.seeds.map(({ address, targets }) =>
    `seed ${seedText(address)}: ${
      targets.map(({ endpoint, state }) => `${endpoint.address} ${state}`).join(", ") || "not resolved"
    }`
  );
  const { dropped, ...counts } = heartbeat.statistics;
  const drops = Object.entries(dropped).filter(([, count]) => count > 0);
  return [
    `adjacent: ${names(heartbeat.adjacent)}`,
    ...peers,
    ...seeds,
    Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", "),
    `messages dropped: ${drops.map(([why, count]) => `${why} ${count}`).join(", ") || "none"}`,
  ];
}

/** Connections and channels of the fabric. */
export function fabricLines({ cluster }: AerieNode): string[] {
  const { channels, ...counts } = cluster.fabric.statistics;
  return [
    Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", "),
    ...RATE_CHANNELS.map(([name, channel]) => {
      const { sentCount, sentBytes, receivedCount, receivedBytes } = channels[channel];
      return `channel ${name}: sent ${sentCount} messages, ${sentBytes} bytes; ` +
        `received ${receivedCount} messages, ${receivedBytes} bytes`;
    }),
    ...(cluster.heartbeat?.adjacent ?? []).map((node) =>
      `peer ${nodeIdForLog(node)}: ${cluster.fabric.link(node) ?? "never connected"}, ` +
      `${cluster.fabric.isDialledBy(node) ? "connects here" : "does not connect here"}`
    ),
  ];
}

/** Distance of the clocks. */
export function skewLines({ cluster }: AerieNode): string[] {
  const { skewMs, outliers } = cluster.heartbeat?.skew ?? { skewMs: 0, outliers: [] };
  return [`skew ${Math.round(skewMs)} ms, outliers ${names(outliers)}`];
}

/** The hybrid clock. */
export function clockLines({ cluster, ports }: AerieNode): string[] {
  const wallMs = Math.floor(ports.clock.wallMs());
  const hybridMs = hlcPhysicalMs(cluster.hybridClock.now());
  return [`wall clock ${wallMs} ms since 1970`, `hybrid clock ${hybridMs - wallMs} ms ahead of it`];
}
