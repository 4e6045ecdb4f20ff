/**
 * Good words when addresses are wrong, the most frequent trouble of those who run clusters: what peers are told and why,
 * and a warning when a peer tells addresses that lead nowhere.
 *
 * @module
 */

import { type NodeId, nodeIdForLog, type PeerLink } from "../../cluster/mod.ts";
import { advertisedReason, endpointText, isLoopbackAddress, type Settings } from "../../config/mod.ts";
import type { Clock, Log, Timer } from "../../port/mod.ts";
import type { PeerEndpoint } from "../../wire/mod.ts";
import { configuredAddresses } from "./cluster_endpoints.ts";
import { configuredSeeds } from "./cluster_settings.ts";

/** A peer's fabric that is not connected for so long after its first pulse is worth a word. */
const PATIENCE_MS = 3000;
/** The same peer is spoken of this often at most. */
const REPEAT_MS = 60_000;

/** What peers are told of both services. */
export interface ToldEndpoints {
  readonly endpoints: readonly PeerEndpoint[];
  readonly fabricEndpoints: readonly PeerEndpoint[];
}

/** What {@linkcode AddressWatch} stands on. */
export interface AddressWatchOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  /** Nodes that are heard. */
  readonly adjacent: () => readonly NodeId[];
  /** Whether another process uses this node's id: then nobody takes its connections, and addresses are not to blame. */
  readonly isDuplicate: () => boolean;
  /** Where a node's fabric listens, as it says. */
  readonly fabricEndpoints: (node: NodeId) => readonly PeerEndpoint[];
  /** What the fabric's connections to a node said last. */
  readonly fabricLink: (node: NodeId) => PeerLink | undefined;
  /** Whether a node has connected to this node's fabric. */
  readonly isDialledBy: (node: NodeId) => boolean;
}

/** See the head of the file. */
export class AddressWatch {
  readonly #options: AddressWatchOptions;
  readonly #saidMs = new Map<NodeId, number>();
  #told: ToldEndpoints = { endpoints: [], fabricEndpoints: [] };
  #timer: Timer | undefined;

  constructor(options: AddressWatchOptions) {
    this.#options = options;
  }

  /** Says what peers are told, and what is wrong with it. */
  tell(told: ToldEndpoints): void {
    this.#told = told;
    const { settings, log } = this.#options;
    for (const service of ["heartbeat", "fabric"] as const) {
      const list = service === "heartbeat" ? told.endpoints : told.fabricEndpoints;
      // With multicast nobody dials the heartbeat.
      if (list.length === 0) continue;
      const addresses = configuredAddresses(settings, service);
      const why = advertisedReason(`network.${service}`, { addresses });
      log.write("info", service === "heartbeat" ? "hb" : "fabric", `peers are told ${textOf(list)} (${why})`);
    }
    const outer = configuredSeeds(settings).find(({ host }) => !isLoopbackAddress(host));
    if (outer === undefined || !told.fabricEndpoints.every(({ address }) => isLoopbackAddress(address))) {
      return;
    }
    log.write(
      "warning",
      "fabric",
      `the seed ${outer.host}:${outer.port} is on another machine, but peers are told a loopback address, which ` +
        "nobody there can dial; set network.fabric.address and network.heartbeat.address to an address of this machine",
    );
  }

  /** A node is heard for the first time. */
  onArrived(node: NodeId): void {
    const endpoints = this.#options.fabricEndpoints(node);
    const isLoopback = endpoints.length > 0 && endpoints.every(({ address }) => isLoopbackAddress(address));
    const isOwnLoopback = this.#told.fabricEndpoints.every(({ address }) => isLoopbackAddress(address));
    if (isLoopback && !isOwnLoopback) {
      this.#say(
        node,
        `node ${nodeIdForLog(node)} tells its peers ${
          textOf(endpoints)
        }, which leads each of them to itself; ` +
          "set network.fabric.address there to an address that this machine can dial",
      );
    }
    this.#timer ??= this.#options.clock.after(PATIENCE_MS, () => this.#look());
  }

  /** No line follows. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const { adjacent, fabricLink, fabricEndpoints, clock, isDuplicate, isDialledBy } = this.#options;
    const unreached = adjacent().filter((node) => fabricLink(node) !== "up");
    const silent = adjacent().filter((node) => !unreached.includes(node) && !isDialledBy(node));
    for (const node of isDuplicate() ? [] : silent) {
      this.#say(
        node,
        `node ${
          nodeIdForLog(node)
        } is heard, but does not connect to this node's fabric, of which it is told ${
          textOf(this.#told.fabricEndpoints)
        }; check that network.fabric.address here is one that it can dial, and that no firewall is between`,
      );
    }
    for (const node of isDuplicate() ? [] : unreached) {
      this.#say(
        node,
        `node ${nodeIdForLog(node)} is heard, but its fabric can't be reached at ${
          textOf(fabricEndpoints(node))
        }; ` +
          "check that network.fabric.address there is one that this machine can dial, and that no firewall is between",
      );
    }
    if (unreached.length + silent.length > 0) this.#timer = clock.after(PATIENCE_MS, () => this.#look());
  }

  #say(node: NodeId, text: string): void {
    const { clock, log, adjacent } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#saidMs.get(node) ?? -Infinity) < REPEAT_MS) return;
    for (const known of this.#saidMs.keys()) if (!adjacent().includes(known)) this.#saidMs.delete(known);
    this.#saidMs.set(node, nowMs);
    log.write("warning", "fabric", text);
  }
}

function textOf(endpoints: readonly PeerEndpoint[]): string {
  return endpoints.map(({ address, port }) => endpointText({ host: address, port })).join(", ") ||
    "no address";
}
