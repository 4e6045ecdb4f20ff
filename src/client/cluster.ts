/**
 * What the client knows about the cluster, and how it keeps that up to date.
 *
 * Every second each node is asked for its name and the generations of its peers and its partitions; what has changed
 * is fetched. Nodes are tended independently, so that a frozen one delays nobody. A request that fails for want of a
 * connection or of an owner makes the tends come every 100 ms for a few seconds.
 *
 * A node leaves when it doesn't answer and no node that answers lists it, or when it has not answered for several
 * tends, or when another node answers at its address. With no node left the seeds are asked again.
 *
 * @module
 */

import { CLIENT_NODE_COUNT_MAX } from "../base/mod.ts";
import type { Address, Clock, Compute, Network, Random, Timer } from "../port/mod.ts";
import { parseBuild, parseInfoError, parsePeers, parseReplicas, type Peer } from "./cluster_info.ts";
import { ConnectionError, ServerError } from "./errors.ts";
import { infoValue, requestInfo } from "./info_request.ts";
import { ClientNode } from "./node.ts";
import { PartitionMap } from "./partition_map.ts";
import type { ReplicaChoice } from "./policy.ts";
import { ConnectionPool, type PoolLimits, type PoolParts } from "./pool.ts";

/** Tends that may fail in a row before a node leaves although others still list it. */
const TEND_FAILURE_COUNT_MAX = 5;
/** Pause between tends while the cluster seems to be changing. */
const TEND_FAST_INTERVAL_MS = 100;
/** How long tends stay fast after the last sign of a change. */
const TEND_FAST_PERIOD_MS = 5000;
/** Oldest major version that has partition queries and writes in batches. */
const BUILD_MAJOR_MIN = 6;

/** What a cluster needs from outside. */
export interface ClientPorts {
  /** TCP. */
  network: Network;
  /** Time. */
  clock: Clock;
  /** Randomness. */
  random: Random;
  /** Compression; without it neither side compresses. */
  compute?: Compute | undefined;
}

/** Settings of a cluster. */
export interface ClusterOptions {
  /** Where to start. */
  seeds: readonly Address[];
  /** Refuse nodes whose cluster has another name; undefined accepts any. */
  clusterName: string | undefined;
  /** Pause between tends in milliseconds. */
  tendIntervalMs: number;
  /** How long a tend may take. */
  tendTimeoutMs: number;
  /** How long the first contact may take. */
  connectTimeoutMs: number;
  /** Use the alternate addresses that nodes announce. */
  useAlternateAddresses: boolean;
  /** Limits of each node's connections. */
  limits: PoolLimits;
}

/** Nodes and partitions, kept up to date. */
export class Cluster {
  /** Ports. */
  readonly ports: ClientPorts;
  /** Who owns what. */
  readonly partitions: PartitionMap<ClientNode> = new PartitionMap();
  readonly #options: ClusterOptions;
  readonly #nodes: Map<string, ClientNode> = new Map();
  readonly #joining: Set<string> = new Set();
  #list: readonly ClientNode[] = [];
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #fastUntilMs = -Infinity;
  #seeding = false;
  #closed = false;

  /** @param ports what it stands on */
  constructor(ports: ClientPorts, options: ClusterOptions) {
    this.ports = ports;
    this.#options = options;
  }

  /** Active nodes. */
  get nodes(): readonly ClientNode[] {
    return this.#list;
  }

  /** Whether the client was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Makes first contact: a seed, then all nodes it lists.
   *
   * @throws {ConnectionError} when no seed answers in time; the message tells why for each
   */
  async open(): Promise<void> {
    const { clock } = this.ports;
    const deadlineMs = clock.monotonicMs() + this.#options.connectTimeoutMs;
    for (;;) {
      const failures = await this.#trySeeds();
      if (this.#list.length > 0) break;
      if (clock.monotonicMs() + TEND_FAST_INTERVAL_MS >= deadlineMs) {
        this.close();
        throw new ConnectionError(`Cannot reach the cluster. ${failures.join("; ")}`);
      }
      await new Promise<void>((resolve) => clock.after(TEND_FAST_INTERVAL_MS, resolve));
    }
    await Promise.all(this.#adoptPeers());
    this.#schedule(this.#options.tendIntervalMs);
  }

  /** Stops tending and closes all connections; requests under way fail. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const node of this.#list) node.leave();
    this.#nodes.clear();
    this.#list = [];
  }

  /**
   * The node to ask for a partition.
   *
   * @param sequence number of the attempt, from 0
   * @returns undefined when no node is known at all
   */
  route(
    partition: { namespace: string; id: number },
    replica: ReplicaChoice,
    sequence: number,
  ): ClientNode | undefined {
    const { namespace, id } = partition;
    const owner = replica === "master"
      ? this.partitions.master(namespace, id)
      : this.partitions.owner(namespace, id, replica === "any" ? this.ports.random.u32() : sequence);
    return owner ?? this.anyNode();
  }

  /** Any active node; a node forwards what it doesn't own. */
  anyNode(): ClientNode | undefined {
    const list = this.#list;
    return list.length < 2 ? list[0] : list[this.ports.random.u32() % list.length];
  }

  /** A node by its id. */
  node(name: string): ClientNode | undefined {
    return this.#nodes.get(name);
  }

  /** Tells that a request met a sign of change: the next tends come early. */
  disturb(): void {
    if (this.#closed) return;
    this.#fastUntilMs = this.ports.clock.monotonicMs() + TEND_FAST_PERIOD_MS;
    this.#schedule(TEND_FAST_INTERVAL_MS);
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    const { clock } = this.ports;
    const atMs = clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#timerAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.after(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    const fast = this.ports.clock.monotonicMs() < this.#fastUntilMs;
    this.#schedule(fast ? TEND_FAST_INTERVAL_MS : this.#options.tendIntervalMs);
    if (this.#list.length === 0) void this.#trySeeds();
    for (const node of this.#list) {
      node.trim();
      if (!node.tending) void this.#tend(node);
    }
    this.#adoptPeers();
  }

  /** Asks the seeds in order until one answers; returns why the others didn't. */
  async #trySeeds(): Promise<string[]> {
    if (this.#seeding) return [];
    this.#seeding = true;
    const failures: string[] = [];
    try {
      for (const seed of this.#options.seeds) {
        try {
          await this.#join([seed], undefined);
          break;
        } catch (error) {
          failures.push((error as Error).message);
        }
      }
    } finally {
      this.#seeding = false;
    }
    return failures;
  }

  /** Joins nodes that others list and that aren't known yet. */
  #adoptPeers(): Promise<void>[] {
    const joins: Promise<void>[] = [];
    for (const node of this.#list) {
      for (const peer of node.peers) {
        if (this.#nodes.has(peer.id) || this.#joining.has(peer.id) || peer.endpoints.length === 0) continue;
        if (this.#nodes.size + this.#joining.size >= CLIENT_NODE_COUNT_MAX) return joins;
        joins.push(this.#adopt(peer));
      }
    }
    return joins;
  }

  async #adopt(peer: Peer): Promise<void> {
    this.#joining.add(peer.id);
    try {
      await this.#join(peer.endpoints, peer.id);
    } catch {
      // The node is listed and can't be reached yet; the next tend tries again.
    } finally {
      this.#joining.delete(peer.id);
    }
  }

  /** Tries a node's addresses in order; the first that answers becomes the node's. */
  async #join(endpoints: readonly Address[], expectedName: string | undefined): Promise<void> {
    let failure: unknown;
    for (const endpoint of endpoints) {
      try {
        const node = await this.#contact(endpoint, expectedName);
        await this.#refresh(node);
        this.#add(node);
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #contact(address: Address, expectedName: string | undefined): Promise<ClientNode> {
    const { limits, clusterName, tendTimeoutMs } = this.#options;
    const { network, clock, compute } = this.ports;
    const parts: PoolParts = { network, clock, compute, address, limits };
    const tendPool = new ConnectionPool({
      ...parts,
      limits: { ...limits, connectionCountMax: 1, idleMaxMs: 0 },
    });
    try {
      const commands = ["node", "partition-generation", "build"];
      if (clusterName !== undefined) commands.push("cluster-name");
      const answers = await requestInfo(tendPool, commands, { clock, timeoutMs: tendTimeoutMs });
      const [name, generation, build, cluster] = answers.map((value) => infoValue(value, tendPool.name));
      const node = new ClientNode({ name, build: checkBuild(build, name) }, { ...parts, tendPool });
      if (expectedName !== undefined && name !== expectedName) {
        throw new ConnectionError(
          `Node ${name} answers at ${node.addressText}, where ${expectedName} is expected`,
        );
      }
      if (clusterName !== undefined && cluster !== clusterName) {
        throw new ConnectionError(
          `Node ${name} belongs to the cluster "${cluster}", not to "${clusterName}"`,
        );
      }
      if (generation === "-1") {
        throw new ConnectionError(`Node ${name} is not ready: it has no partitions yet`);
      }
      return node;
    } catch (error) {
      tendPool.close();
      throw error;
    }
  }

  #add(node: ClientNode): void {
    if (this.#closed || this.#nodes.has(node.name)) {
      node.leave();
      return;
    }
    this.#nodes.set(node.name, node);
    this.#list = [...this.#nodes.values()];
  }

  #remove(node: ClientNode): void {
    if (this.#nodes.get(node.name) !== node) return;
    this.#nodes.delete(node.name);
    this.#list = [...this.#nodes.values()];
    node.leave();
    this.partitions.remove(node);
    this.disturb();
  }

  async #tend(node: ClientNode): Promise<void> {
    node.tending = true;
    try {
      const commands = ["node", "peers-generation", "partition-generation"];
      const [name, peers, partitions] = await node.tendInfo(commands, this.#options.tendTimeoutMs);
      if (name !== node.name) {
        this.#remove(node);
        return;
      }
      await this.#refresh(node, { peers: Number(peers), partitions: Number(partitions) });
      node.failureCount = 0;
    } catch {
      if (this.#closed || !node.active) return;
      node.failureCount++;
      this.disturb();
      if (this.#isLost(node)) this.#remove(node);
    } finally {
      node.tending = false;
    }
  }

  #isLost(node: ClientNode): boolean {
    if (node.failureCount >= TEND_FAILURE_COUNT_MAX) return true;
    const answering = this.#list.filter((other) => other !== node && other.failureCount === 0);
    return answering.length > 0 &&
      answering.every((other) => other.peers.every((peer) => peer.id !== node.name));
  }

  /** Fetches what has changed; everything when the generations aren't given. */
  async #refresh(node: ClientNode, generations?: { peers: number; partitions: number }): Promise<void> {
    if (generations === undefined || generations.peers !== node.peersGeneration) {
      await this.#refreshPeers(node);
    }
    const changed = generations === undefined ||
      (generations.partitions !== node.partitionGeneration && generations.partitions !== -1);
    if (changed) await this.#refreshPartitions(node);
  }

  async #refreshPeers(node: ClientNode): Promise<void> {
    const command = this.#options.useAlternateAddresses ? "peers-clear-alt" : "peers-clear-std";
    const [answer] = await node.tendInfo([command], this.#options.tendTimeoutMs);
    const list = parsePeers(infoValue(answer, node.name));
    if (node.peersGeneration !== -1) this.disturb();
    node.peers = list.peers;
    node.peersGeneration = list.generation;
    for (const other of this.#list) {
      if (other.failureCount > 0 && this.#isLost(other)) this.#remove(other);
    }
  }

  async #refreshPartitions(node: ClientNode): Promise<void> {
    const commands = ["partition-generation", "replicas"];
    const [generation, replicas] = await node.tendInfo(commands, this.#options.tendTimeoutMs);
    const claims = parseReplicas(infoValue(replicas, node.name));
    if (node.partitionGeneration !== -1) this.disturb();
    this.partitions.apply(node, claims);
    node.partitionGeneration = Number(generation);
  }
}

function checkBuild(text: string, node: string): number[] {
  const error = parseInfoError(text);
  const build = error === undefined ? parseBuild(text) : undefined;
  if (build === undefined) throw new ServerError(4, { node, detail: `it tells no version but "${text}"` });
  if (build[0] < BUILD_MAJOR_MIN) {
    throw new ConnectionError(
      `Node ${node} has version ${text}: this client needs ${BUILD_MAJOR_MIN}.0 or later`,
    );
  }
  return build;
}
