/**
 * Opens the sockets that peers use: the fabric first, because the heartbeat tells where it listens.
 *
 * @module
 */

import {
  type ClusteringPayload,
  type Fabric,
  Heartbeat,
  type HeartbeatEffect,
  HeartbeatRunner,
  type HybridClock,
  type NodeId,
} from "../../cluster/mod.ts";
import type { Settings } from "../../config/mod.ts";
import type { Host, Ports, Timer } from "../../port/mod.ts";
import type { PeerEndpoint, U64Text } from "../../wire/mod.ts";
import type { ToldEndpoints } from "./address_watch.ts";
import { bindHosts, publishedEndpoints } from "./cluster_endpoints.ts";
import { configuredSeeds, heartbeatSettings, multicastGroups } from "./cluster_settings.ts";

/** Nodes of the largest cluster. */
const NODE_COUNT_MAX = 256;

/** How often the addresses of the machine are looked at. */
const REFRESH_MS = 5000;

/** What the sockets are opened for. */
export interface ClusterSocketsOptions {
  readonly settings: Settings;
  readonly ports: Ports;
  readonly self: NodeId;
  readonly incarnation: U64Text;
  readonly capabilities: number;
  readonly hybridClock: HybridClock;
  readonly fabric: Fabric;
  /** What the first pulses say. */
  readonly payload: ClusteringPayload;
  readonly onEffect: (effect: HeartbeatEffect) => void;
  /** Hears what peers are told, at first and after each change. */
  readonly onTold: (told: ToldEndpoints) => void;
}

/** A heartbeat that runs; see the head of the file. */
export class ClusterSockets {
  readonly heartbeat: Heartbeat;
  readonly runner: HeartbeatRunner;
  readonly #options: ClusterSocketsOptions;
  readonly #fabricPort: number;
  #heartbeatPort: number;
  #published = "";
  #timer: Timer | undefined;
  #isStopped = false;

  private constructor(
    options: ClusterSocketsOptions,
    parts: { fabricPort: number; endpoints: PeerEndpoint[]; fabricEndpoints: PeerEndpoint[] },
  ) {
    this.#options = options;
    this.#fabricPort = parts.fabricPort;
    const { settings, ports, self, incarnation, capabilities } = options;
    this.#heartbeatPort = settings.network.heartbeat.port;
    this.heartbeat = new Heartbeat({
      identity: { node: self, incarnation, capabilities },
      clock: options.hybridClock,
      settings: heartbeatSettings(settings),
      seeds: configuredSeeds(settings),
      endpoints: parts.endpoints,
      fabricEndpoints: parts.fabricEndpoints,
      payload: options.payload,
      nodeCountMax: NODE_COUNT_MAX,
      now: { monotonicMs: ports.clock.monotonicMs(), wallMs: ports.clock.wallMs() },
    });
    const multicast = multicastGroups(settings);
    this.runner = new HeartbeatRunner({
      ports,
      heartbeat: this.heartbeat,
      ...(multicast === undefined ? {} : { multicast }),
      onEffect: options.onEffect,
    });
  }

  /**
   * Listens for the fabric, and makes a heartbeat that does not listen yet.
   *
   * @throws {Error} that names address, port and cause
   */
  static async open(options: ClusterSocketsOptions): Promise<ClusterSockets> {
    const { settings, ports: { host }, fabric } = options;
    const hosts = await bindHosts(settings, "fabric", host);
    const bound = await fabric.listen({ hosts, port: settings.network.fabric.port });
    const fabricPort = bound[0]?.port ?? 0;
    const heartbeatPort = settings.network.heartbeat.port;
    return new ClusterSockets(options, {
      fabricPort,
      endpoints: await heartbeatEndpoints(settings, heartbeatPort, host),
      fabricEndpoints: await publishedEndpoints(settings, { service: "fabric", port: fabricPort }, host),
    });
  }

  /**
   * The heartbeat listens and begins to send.
   *
   * @throws {Error} that names address, port and cause
   */
  async start(): Promise<void> {
    const { settings, ports: { host } } = this.#options;
    const hosts = await bindHosts(settings, "heartbeat", host);
    const bound = await this.runner.start({ hosts, port: settings.network.heartbeat.port });
    this.#heartbeatPort = bound[0]?.port ?? 0;
    this.#published = "";
    await this.refresh();
    this.#refreshLater();
  }

  /** Ends the heartbeat. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.runner.stop();
  }

  /** Machines at the edge change their addresses while they run. */
  #refreshLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.ports.clock.after(REFRESH_MS, () => {
      this.refresh().catch((error: Error) => {
        const text = `peers are told the addresses from before: ${error.message}`;
        this.#options.ports.log.write("warning", "hb", text);
      }).then(() => this.#refreshLater());
    });
  }

  /** Tells peers other addresses when those of the machine, or what is to be told of them, changed. */
  async refresh(): Promise<void> {
    const { settings, ports: { host } } = this.#options;
    const fabric = { service: "fabric", port: this.#fabricPort } as const;
    const endpoints = await heartbeatEndpoints(settings, this.#heartbeatPort, host);
    const fabricEndpoints = await publishedEndpoints(settings, fabric, host);
    const text = textOf({ endpoints, fabricEndpoints });
    if (text === this.#published || this.#isStopped) return;
    this.#published = text;
    this.#options.onTold({ endpoints, fabricEndpoints });
    this.runner.step({ kind: "endpoints", endpoints });
    this.runner.step({ kind: "fabric-endpoints", endpoints: fabricEndpoints });
  }
}

/** Where the heartbeat can be dialled: nowhere with multicast. */
async function heartbeatEndpoints(settings: Settings, port: number, host: Host): Promise<PeerEndpoint[]> {
  if (settings.network.heartbeat.mode === "multicast") return [];
  return await publishedEndpoints(settings, { service: "heartbeat", port }, host);
}

function textOf(
  { endpoints, fabricEndpoints }: Record<"endpoints" | "fabricEndpoints", PeerEndpoint[]>,
): string {
  return [...endpoints, ...fabricEndpoints].map(({ address, port }) => `${address} ${port}`).join("\n");
}
