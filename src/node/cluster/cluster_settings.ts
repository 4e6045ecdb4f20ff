/**
 * From the options of a node to the settings of heartbeat, clustering, exchange and fabric.
 *
 * @module
 */

import type {
  ClusteringSettings,
  ExchangeSettings,
  HeartbeatGroups,
  HeartbeatSettings,
  SeedAddress,
} from "../../cluster/mod.ts";
import { deriveIntervals } from "../../cluster/mod.ts";
import type { Settings } from "../../config/mod.ts";

/** MTU that is assumed when `heartbeat.mtu` is 0: the host port does not tell the interface's. */
const MTU_BYTES_DEFAULT = 1500;

/** Settings of the heartbeat. */
export function heartbeatSettings({ network, service }: Settings): HeartbeatSettings {
  const { heartbeat, fabric } = network;
  return {
    mode: heartbeat.mode,
    protocol: heartbeat.protocol,
    clusterName: service.clusterName,
    intervalMs: heartbeat.interval,
    timeoutIntervalCount: heartbeat.timeout,
    connectTimeoutMs: heartbeat.connectTimeoutMs,
    mtuBytes: heartbeat.mtu || MTU_BYTES_DEFAULT,
    latencyMaxMs: fabric.latencyMaxMs,
    ipv6: service.advertiseIpv6,
    tls: false,
  };
}

/** Whether a node looks for others by itself; without, it waits for others to find it. */
function findsOthers({ mode, meshSeedAddressPorts }: Settings["network"]["heartbeat"]): boolean {
  return mode === "multicast" || meshSeedAddressPorts.length > 0;
}

/** Where pulses go; undefined with mesh. */
export function multicastGroups({ network }: Settings): HeartbeatGroups | undefined {
  const { mode, multicastGroups: groups, multicastTtl: ttl } = network.heartbeat;
  return mode === "multicast" ? { groups, ttl } : undefined;
}

/**
 * Settings of the clustering.
 *
 * @param canMeet whether others can reach this node, or it them
 */
export function clusteringSettings(settings: Settings, canMeet: boolean): ClusteringSettings {
  const { heartbeat, fabric } = settings.network;
  return {
    heartbeatIntervalMs: heartbeat.interval,
    nodeTimeoutMs: heartbeat.interval * heartbeat.timeout,
    latencyMaxMs: fabric.latencyMaxMs,
    clusterSizeMin: canMeet ? settings.service.minClusterSize : 1,
    standalone: !canMeet || !findsOthers(heartbeat) || heartbeat.protocol === "none",
  };
}

/** Settings of the exchange. */
export function exchangeSettings(settings: Settings): ExchangeSettings {
  return { heartbeatIntervalMs: settings.network.heartbeat.interval, quantumMs: quantumMs(settings) };
}

/** The quantum interval. */
export function quantumMs(settings: Settings): number {
  return deriveIntervals(clusteringSettings(settings, true)).quantumMs;
}

/**
 * The seeds of the configuration.
 *
 * @throws {Error} when one is not a host and a port
 */
export function configuredSeeds({ network }: Settings): SeedAddress[] {
  if (network.heartbeat.mode === "multicast") return [];
  return network.heartbeat.meshSeedAddressPorts.map((text) => {
    const seed = parseSeed(text);
    if (seed !== undefined) return seed;
    throw new Error(`mesh-seed-address-port is "${text}", expected a host and a port from 1 to 65535`);
  });
}

/** A seed as `host port` or `host:port`, IPv6 hosts with or without brackets; undefined when it is something else. */
export function parseSeed(text: string): SeedAddress | undefined {
  const [, host, portText] = /^\s*(\S+?)(?:\s+|:)(\d{1,5})\s*$/.exec(text) ?? [];
  const port = Number(portText);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port, tls: false };
}
