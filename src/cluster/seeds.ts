/**
 * Seeds: the addresses from which a mesh node starts. A seed is a host and a port; a host that is a name is looked up,
 * and each of its addresses is a target of its own, so that one name for a whole cluster finds every node behind it and
 * mends a split.
 *
 * | state of a target | leaves when |
 * | ----------------- | ----------- |
 * | inactive | the mesh dials it -> pending |
 * | pending | its connection's first message -> active; connect or connection failed -> inactive |
 * | active | the node that it leads to has no connection any more, or publishes other endpoints -> inactive |
 * | self | it leads to this node; a seed that is an address is removed, one that is a name is looked up again |
 *
 * A target leads to a node whose published endpoints contain it, or that answered when it was dialled: behind a port
 * mapping or a service address the published endpoints are others, and without the second rule such a seed would be
 * dialled for ever. Source: clustering reference, section 5.8.
 *
 * @module
 */

import { HEARTBEAT_SEED_ADDRESS_COUNT_MAX, HEARTBEAT_SEED_COUNT_MAX } from "../base/mod.ts";
import { ENDPOINT_TLS, parseIpAddress, type PeerEndpoint } from "../wire/mod.ts";
import { endpointText } from "./heartbeat_endpoints.ts";
import type { HeartbeatTimes } from "./heartbeat_timing.ts";
import type { NodeId } from "./node_id.ts";

/** Where a seed is. */
export interface SeedAddress {
  /** Name or IP address. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
  /** Whether the port speaks TLS. */
  readonly tls: boolean;
}

/** One address of a seed. */
export interface SeedTarget {
  readonly seed: Seed;
  readonly endpoint: PeerEndpoint;
  state: "inactive" | "pending" | "active" | "self";
  /** Where it leads to, when known. */
  node: NodeId | undefined;
  /** Whether the node answered here; else its published endpoints contain the target. */
  hasAnswered: boolean;
  /** Not dialled before; monotonic. */
  dialMs: number;
}

/** A seed and its targets. */
export interface Seed {
  readonly address: SeedAddress;
  /** The host is an IP address. */
  readonly isLiteral: boolean;
  targets: SeedTarget[];
  isResolving: boolean;
  /** Not looked up before; monotonic. */
  resolveMs: number;
}

/** What the seeds must know about the mesh. */
export interface SeedView {
  /** Whether there is a connection to a node. */
  readonly isActive: (node: NodeId) => boolean;
  /**
   * The known node that publishes an endpoint, by {@linkcode endpointText}. While it is not connected the mesh dials it,
   * so that the seed need not.
   */
  publishers(): ReadonlyMap<string, NodeId>;
  /** Whether this node itself publishes it. */
  readonly isOwn: (endpoint: PeerEndpoint) => boolean;
}

/** What is due. */
export interface SeedWork {
  readonly resolve: readonly string[];
  readonly dial: readonly SeedTarget[];
  /** Seeds that turned out to be this node. */
  readonly removed: readonly Seed[];
}

/** A seed as a text, for people. */
export function seedText({ host, port, tls }: SeedAddress): string {
  return `${endpointText({ address: host, port })}${tls ? " (TLS)" : ""}`;
}

/** The seeds of one node. */
export class SeedList {
  readonly #seeds = new Map<string, Seed>();

  /** All seeds, in the order in which they were added. */
  get all(): Seed[] {
    return [...this.#seeds.values()];
  }

  /**
   * Adds a seed.
   *
   * @returns why it was refused; undefined when it was added
   */
  add(address: SeedAddress, nowMs: number): string | undefined {
    const text = `Cannot add seed "${seedText(address)}"`;
    if (address.host === "") return `${text}: the host is empty`;
    if (!Number.isInteger(address.port) || address.port < 1 || address.port > 65_535) {
      return `${text}: port ${address.port} is outside 1 to 65535`;
    }
    if (this.#seeds.has(seedKey(address))) return `${text}: it is a seed already`;
    if (this.#seeds.size >= HEARTBEAT_SEED_COUNT_MAX) {
      return `${text}: there are ${HEARTBEAT_SEED_COUNT_MAX} seeds, the most that a node has; remove some with tip-clear`;
    }
    const isLiteral = parseIpAddress(address.host) !== undefined;
    const seed: Seed = { address, isLiteral, targets: [], isResolving: false, resolveMs: nowMs };
    if (isLiteral) seed.targets.push(makeTarget(seed, address.host, nowMs));
    this.#seeds.set(seedKey(address), seed);
    return undefined;
  }

  /** Removes the seeds of a host and port, with TLS and without. Connections stay. @returns whether there was one */
  remove(address: Omit<SeedAddress, "tls">): boolean {
    const plain = this.#seeds.delete(seedKey({ ...address, tls: false }));
    return this.#seeds.delete(seedKey({ ...address, tls: true })) || plain;
  }

  /** Takes the answer to a look-up; an empty one keeps the addresses known so far. */
  resolved(name: string, addresses: readonly string[], now: { nowMs: number; times: HeartbeatTimes }): void {
    for (const seed of this.#seeds.values()) {
      if (seed.address.host !== name || !seed.isResolving) continue;
      seed.isResolving = false;
      const isKnown = addresses.length > 0 || seed.targets.length > 0;
      seed.resolveMs = now.nowMs + (isKnown ? now.times.resolveRefreshMs : now.times.resolveRetryMs);
      if (addresses.length === 0) continue;
      const wanted = [...new Set(addresses)].slice(0, HEARTBEAT_SEED_ADDRESS_COUNT_MAX);
      seed.targets = wanted.map((address) =>
        seed.targets.find((target) => target.endpoint.address === address) ??
          makeTarget(seed, address, now.nowMs)
      );
    }
  }

  /** Brings the states up to date with the mesh. @returns what is due; the caller dials or says that it did not */
  tend(nowMs: number, view: SeedView): SeedWork {
    const work = { resolve: new Set<string>(), dial: [] as SeedTarget[], removed: [] as Seed[] };
    for (const seed of this.all) {
      for (const target of seed.targets) {
        if (target.state !== "self" && view.isOwn(target.endpoint)) markSelf(target);
        if (target.state === "self" || target.state === "pending") continue;
        const leadsThere = target.node !== undefined && view.isActive(target.node) && target.hasAnswered;
        if (leadsThere) continue;
        target.node = view.publishers().get(endpointText(target.endpoint));
        target.hasAnswered = false;
        target.state = target.node !== undefined && view.isActive(target.node) ? "active" : "inactive";
        if (target.node === undefined && nowMs >= target.dialMs) work.dial.push(target);
      }
      if (seed.isLiteral) {
        if (seed.targets[0]!.state !== "self") continue;
        this.#seeds.delete(seedKey(seed.address));
        work.removed.push(seed);
      } else if (!seed.isResolving && nowMs >= seed.resolveMs && !isSatisfied(seed)) {
        seed.isResolving = true;
        work.resolve.add(seed.address.host);
      }
    }
    return { ...work, resolve: [...work.resolve] };
  }

  /** Forgets what was learnt, but not the seeds. */
  reset(nowMs: number): void {
    const addresses = this.all.map((seed) => seed.address);
    this.#seeds.clear();
    for (const address of addresses) this.add(address, nowMs);
  }
}

/** The node that answered at a target. */
export function targetAnswered(target: SeedTarget, node: NodeId): void {
  target.state = "active";
  target.node = node;
  target.hasAnswered = true;
}

/** This node answered at a target. */
export function markSelf(target: SeedTarget): void {
  target.state = "self";
  target.node = undefined;
}

/** Connecting to a target, or its connection, failed before anybody answered. */
export function targetFailed(target: SeedTarget): void {
  if (target.state === "pending") target.state = "inactive";
}

/** The more is known about a name, the less it needs to be looked up. */
function isSatisfied(seed: Seed): boolean {
  return seed.targets.some((target) => target.state === "active") &&
    seed.targets.every((target) => target.state === "active" || target.state === "self");
}

function makeTarget(seed: Seed, address: string, nowMs: number): SeedTarget {
  const { port, tls } = seed.address;
  const endpoint = { address, port, capabilities: tls ? ENDPOINT_TLS : 0 };
  return { seed, endpoint, state: "inactive", node: undefined, hasAnswered: false, dialMs: nowMs };
}

function seedKey({ host, port, tls }: SeedAddress): string {
  return `${host.toLowerCase()} ${port} ${tls}`;
}
