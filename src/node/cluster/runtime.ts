/**
 * A node's part in its cluster: heartbeat, fabric, clustering and exchange on the ports of the process, and what follows
 * for the namespaces.
 *
 * | from | to | what |
 * | ---- | -- | ---- |
 * | heartbeat | clustering, fabric | arrivals, departures, pulses |
 * | clustering | heartbeat | what pulses say about the cluster; sent at once |
 * | clustering | exchange | the cluster changed or was lost |
 * | exchange | namespaces | balance; then listeners are told |
 * | fabric | all | messages, by their type |
 *
 * Read this file, then `membership.ts` and `rebalance.ts`. The cores are in `src/cluster/`; docs/cluster.md.
 *
 * @module
 */

import { assert } from "../../base/mod.ts";
import {
  clusteringFromWire,
  type ClusteringMessage,
  type ClusteringPayload,
  clusteringToWire,
  type ClusteringView,
  type ExchangeOwn,
  type ExchangeResult,
  type ExchangeView,
  Fabric,
  type FabricTarget,
  Heartbeat,
  type HeartbeatChange,
  type HeartbeatEffect,
  type HeartbeatEvent,
  HeartbeatRunner,
  HybridClock,
  type NodeId,
  type ReclusterAnswer,
  type SeedAddress,
  type SendResult,
} from "../../cluster/mod.ts";
import type { Settings } from "../../config/mod.ts";
import type { Ports } from "../../port/mod.ts";
import type { Namespace } from "../../transaction/mod.ts";
import {
  decodeClustering,
  decodeExchange,
  decodePeerInfo,
  type ExchangeMessage,
  FABRIC_CHANNEL,
  isPeerFault,
  PEER_MESSAGE,
  type PeerFault,
  type PeerMessage,
  type PeerReader,
  type PeerServiceAddresses,
  U64_ZERO,
} from "../../wire/mod.ts";
import { bindHosts, publishedEndpoints } from "./cluster_endpoints.ts";
import { configuredSeeds, heartbeatSettings } from "./cluster_settings.ts";
import { FabricRates } from "./fabric_rates.ts";
import { hostIdentity } from "./host_identity.ts";
import { Membership } from "./membership.ts";
import { OwnState } from "./own_state.ts";
import { PeerServices } from "./peer_services.ts";
import { exchangeNamespaces, Rebalancer } from "./rebalance.ts";

/** Nodes of the largest cluster. */
const NODE_COUNT_MAX = 256;

/** Told what becomes of the cluster; calls come in the order of registration. */
export interface ClusterListener {
  /**
   * The cluster changed or was lost: migrations stop at once, and partition versions stay as they are until the next
   * `onBalanced` or `onBlocked`.
   */
  onPause?(): void;
  /** The exchange was committed and all partition tables follow their new balance; migrations may begin. */
  onBalanced?(view: ExchangeResult): void;
  /** The node is in no cluster; it serves from its old tables for a while. */
  onOrphaned?(): void;
  /** In no cluster for too long: the tables were blocked and serve nobody. */
  onBlocked?(): void;
  /** A node is heard, or no longer. */
  onAdjacent?(node: NodeId, isAdjacent: boolean): void;
}

/** Takes messages of one type. A message is lent until the call returns. */
export type PeerMessageHandler = (from: NodeId, reader: PeerReader) => void;

/** What a {@linkcode ClusterRuntime} is made of. */
export interface ClusterRuntimeOptions {
  /** This node: 16 lower-case hexadecimal digits. */
  readonly self: NodeId;
  readonly settings: Settings;
  readonly ports: Ports;
  readonly namespaces: readonly Namespace[];
  /** Where clients reach this node at this moment. */
  readonly ownServices: () => PeerServiceAddresses;
}

/** See the head of the file. */
export class ClusterRuntime {
  /** This node. */
  readonly self: NodeId;
  /** Random number of this process: 16 hexadecimal digits. */
  readonly incarnation: string;
  /** Orders events across nodes. */
  readonly hybridClock: HybridClock;
  /** Messages to and from peers. */
  readonly fabric: Fabric;
  /** What this node tells of itself. */
  readonly own: OwnState;
  /** Bytes per second of the fabric. */
  readonly rates: FabricRates;
  /** Where clients reach the other members. */
  readonly services: PeerServices;
  /** Counts clusters that this node was in. */
  generation = 0;
  /** Counts rebalances. */
  rebalanceGeneration = 0;
  /** Monotonic time of the last rebalance. */
  rebalancedMs = 0;
  /** Migrations may run: false from a change of the cluster until the next balance. */
  migrationsAllowed = false;
  readonly #options: ClusterRuntimeOptions;
  readonly #membership: Membership;
  readonly #rebalancer: Rebalancer;
  readonly #listeners: ClusterListener[] = [];
  readonly #handlers = new Map<number, PeerMessageHandler>();
  #heartbeat: Heartbeat | undefined;
  #runner: HeartbeatRunner | undefined;
  #committed: ExchangeResult | undefined;
  #tipError: string | undefined;

  constructor(options: ClusterRuntimeOptions) {
    this.#options = options;
    const { self, ports } = options;
    this.self = self;
    this.incarnation = randomIncarnation(ports);
    this.hybridClock = new HybridClock(
      () => ports.clock.wallMs(),
      (jumpMs) => ports.log.write("warning", "hb", `a peer's clock is ${Math.round(jumpMs)} ms ahead`),
    );
    this.rates = new FabricRates(ports.clock.monotonicMs());
    this.own = new OwnState(options.settings.service);
    this.services = new PeerServices({
      clock: ports.clock,
      own: options.ownServices,
      send: (node, message) => void this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, message),
    });
    this.#membership = this.#makeMembership();
    this.#rebalancer = new Rebalancer({ self, log: ports.log });
    const { settings } = options;
    this.fabric = new Fabric({
      ports,
      node: self,
      incarnation: this.incarnation,
      settings: settings.network.fabric,
      ipv6: settings.service.advertiseIpv6,
      handler: { onMessage: (from, _channel, reader) => this.#onMessage(from, reader) },
    });
    this.register(PEER_MESSAGE.CLUSTERING, (from, reader) => this.#onClustering(from, reader));
    this.register(PEER_MESSAGE.EXCHANGE, (from, reader) => this.#onExchange(from, reader));
    this.register(PEER_MESSAGE.INFO, (from, reader) => this.#onPeerInfo(from, reader));
  }

  #makeMembership(): Membership {
    const { self, settings, ports } = this.#options;
    return new Membership({
      self,
      settings,
      ports,
      hybridClock: this.hybridClock,
      host: {
        send: (to, message) => this.#sendControl(to, message),
        setPayload: (payload) => this.#setPayload(payload),
        onPause: () => this.#onPause(),
        own: () => this.#exchangeOwn(),
        onCommit: (result) => this.#onCommit(result),
        onOrphaned: () => this.#tell((listener) => listener.onOrphaned?.()),
        onBlocked: () => this.#onBlocked(),
      },
    });
  }

  // What others see.

  /** Key of the committed cluster, below 2^48; 0 when there is none. */
  get clusterKey(): number {
    return this.#committed?.clusterKey ?? 0;
  }

  /** The key as tools print it: upper-case hexadecimal without leading zeros; "0" when there is none. */
  get key(): string {
    return this.clusterKey.toString(16).toUpperCase();
  }

  /** The committed exchange; undefined before the first one, and when nobody is served. */
  get committed(): ExchangeResult | undefined {
    return this.#committed;
  }

  /** Members of the committed cluster, principal first; empty when there is none. */
  get succession(): readonly NodeId[] {
    return this.#committed?.succession ?? [];
  }

  /** Nodes of the committed cluster. */
  get size(): number {
    return this.succession.length;
  }

  /** Principal of the committed cluster. */
  get principal(): NodeId | undefined {
    return this.#committed?.principal;
  }

  /** State of the clustering. */
  get clustering(): ClusteringView {
    return this.#membership.clustering;
  }

  /** State of the exchange. */
  get exchange(): ExchangeView {
    return this.#membership.exchange;
  }

  /** Every node that is heard is a member, all members have applied the cluster, and the exchange is committed. */
  get hasIntegrity(): boolean {
    const { isSynced, succession } = this.clustering;
    if (!isSynced || this.exchange.state !== "rest") return false;
    const adjacent = this.#heartbeat?.adjacent ?? [];
    return adjacent.length + 1 === succession.length && adjacent.every((node) => succession.includes(node));
  }

  /** What clustering and exchange counted. */
  get counts(): ReadonlyMap<string, number> {
    return this.#membership.counts;
  }

  /** The heartbeat; undefined of a node without one. */
  get heartbeat(): Heartbeat | undefined {
    return this.#heartbeat;
  }

  /** Whether the node slept so long that it may answer no client yet. */
  get isFenced(): boolean {
    return this.#heartbeat?.isFenced ?? false;
  }

  // Life.

  /** Lets somebody take the messages of a type; of one type there is one taker. */
  register(messageType: number, handler: PeerMessageHandler): void {
    assert(!this.#handlers.has(messageType), `messages of type ${messageType} have one taker`);
    this.#handlers.set(messageType, handler);
  }

  /** Tells somebody what becomes of the cluster. */
  addListener(listener: ClusterListener): void {
    this.#listeners.push(listener);
  }

  /** Sends a message by a fabric channel; see {@linkcode Fabric.send}. */
  send(target: FabricTarget, message: PeerMessage | Uint8Array): SendResult {
    return this.fabric.send(target, message);
  }

  /**
   * Begins. A node that can't meet others, or has no seeds, is a cluster of its own when this resolves.
   *
   * @param options `listen`: false opens no sockets, for a node that only its own process uses
   * @throws {Error} when heartbeat or fabric can't be opened; everything is closed then
   */
  async start({ listen }: { readonly listen: boolean }): Promise<void> {
    this.#membership.prepare(listen);
    try {
      if (listen) await this.#listen();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#membership.start();
  }

  /** Leaves: peers find its ports closed. */
  stop(): void {
    this.#membership.stop();
    this.services.stop();
    this.#runner?.stop();
    this.fabric.stop();
    this.migrationsAllowed = false;
  }

  /** Looks at the settings again, after any of them changed. */
  settingsChanged(): void {
    this.#membership.settingsChanged();
    this.#runner?.step({ kind: "settings", settings: heartbeatSettings(this.#options.settings) });
  }

  /**
   * Adds a seed.
   *
   * @returns why it was refused; undefined when it was added
   */
  tip(seed: SeedAddress): string | undefined {
    return this.#tipAnswer({ kind: "tip", seed });
  }

  /**
   * Removes seeds; all without any.
   *
   * @returns why it was refused; undefined when it was done
   */
  tipClear(seeds: readonly Omit<SeedAddress, "tls">[] | undefined): string | undefined {
    const all = this.#heartbeat?.seeds.map(({ address }) => address) ?? [];
    return this.#tipAnswer({ kind: "tip-clear", seeds: seeds ?? all });
  }

  #tipAnswer(event: HeartbeatEvent): string | undefined {
    if (this.#runner === undefined) return "Cannot change seeds: this node has no heartbeat";
    this.#tipError = undefined;
    this.#runner.step(event);
    return this.#tipError;
  }

  /** Forgets all peers, as `set-config` with protocol `reset` asks for. */
  resetHeartbeat(): void {
    this.#runner?.step({ kind: "reset" });
  }

  /** Forms the cluster anew, with another key; only the principal does. */
  recluster(): ReclusterAnswer {
    return this.#membership.recluster(this.migrationsAllowed);
  }

  async #listen(): Promise<void> {
    const { settings, ports } = this.#options;
    const { host } = ports;
    const fabric = await this.fabric.listen({
      hosts: await bindHosts(settings, "fabric", host),
      port: settings.network.fabric.port,
    });
    const fabricPort = fabric[0]?.port ?? 0;
    const fabricEndpoints = await publishedEndpoints(settings, { service: "fabric", port: fabricPort }, host);
    const { port } = settings.network.heartbeat;
    const heartbeat = this.#heartbeat = new Heartbeat({
      identity: { node: this.self, incarnation: this.incarnation, capabilities: this.own.capabilities },
      clock: this.hybridClock,
      settings: heartbeatSettings(settings),
      seeds: configuredSeeds(settings),
      endpoints: await publishedEndpoints(settings, { service: "heartbeat", port }, host),
      fabricEndpoints,
      payload: this.#membership.payload,
      nodeCountMax: NODE_COUNT_MAX,
      now: { monotonicMs: ports.clock.monotonicMs(), wallMs: ports.clock.wallMs() },
    });
    const runner = this.#runner = new HeartbeatRunner({
      ports,
      heartbeat,
      onEffect: (effect) => this.#onHeartbeat(effect),
    });
    const bound = await runner.start({ hosts: await bindHosts(settings, "heartbeat", host), port });
    if (port === 0) {
      const at = { service: "heartbeat", port: bound[0]?.port ?? 0 } as const;
      runner.step({ kind: "endpoints", endpoints: await publishedEndpoints(settings, at, host) });
    }
  }

  // The heartbeat.

  #onHeartbeat(effect: HeartbeatEffect): void {
    switch (effect.kind) {
      case "heartbeat":
        effect.changes.forEach((change) => this.#onChange(change));
        return this.#membership.take({ clustering: effect });
      case "pulse":
      case "duplicate-id":
        return this.#membership.take({ clustering: effect });
      case "fabric-endpoints":
        if (this.#heartbeat?.adjacent.includes(effect.node)) {
          this.fabric.arrive(effect.node, { endpoints: effect.endpoints });
        }
        return;
      case "tip-answer":
        this.#tipError = effect.error;
        return;
      default:
        return;
    }
  }

  #onChange(change: HeartbeatChange): void {
    if (change.kind === "adjacency") return;
    const { node, kind } = change;
    if (kind === "departed") this.fabric.depart(node);
    else {
      const { fabricEndpoints: endpoints, incarnation } = this.#heartbeat!.node(node)!;
      this.fabric.arrive(node, incarnation === undefined ? { endpoints } : { endpoints, incarnation });
    }
    this.#tell((listener) => listener.onAdjacent?.(node, kind === "arrived"));
  }

  #setPayload(payload: ClusteringPayload): void {
    this.#runner?.step({ kind: "payload", payload });
  }

  // The fabric.

  #onMessage(from: NodeId, reader: PeerReader): void {
    this.#handlers.get(reader.messageType)?.(from, reader);
  }

  #onClustering(from: NodeId, reader: PeerReader): void {
    const message = decodeClustering(reader);
    if (isPeerFault(message)) return this.#refuse(from, message);
    this.#membership.take({ clustering: { kind: "message", from, message: clusteringFromWire(message) } });
  }

  #onExchange(from: NodeId, reader: PeerReader): void {
    const message = decodeExchange(reader);
    if (isPeerFault(message)) return this.#refuse(from, message);
    this.#membership.take({ exchange: { kind: "message", from, message } });
  }

  #onPeerInfo(from: NodeId, reader: PeerReader): void {
    const message = decodePeerInfo(reader);
    if (isPeerFault(message)) return this.#refuse(from, message);
    this.services.receive(from, message);
  }

  #refuse(from: NodeId, { fault }: PeerFault): void {
    this.#options.ports.log.write("warning", "fabric", `message of node ${from} is dropped: ${fault}`);
  }

  #sendControl(to: readonly NodeId[], message: ClusteringMessage | ExchangeMessage): void {
    const encoded = "type" in message ? message : clusteringToWire(message);
    for (const node of to) this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, encoded);
  }

  // The cluster.

  #onPause(): void {
    this.migrationsAllowed = false;
    this.#tell((listener) => listener.onPause?.());
  }

  #exchangeOwn(): ExchangeOwn {
    return {
      namespaces: exchangeNamespaces(this.#options.namespaces, () => this.own.isQuiesced),
      capabilities: this.own.capabilities,
      incarnation: this.incarnation,
      host: hostIdentity(this.#options.ports.host),
    };
  }

  #onCommit(result: ExchangeResult): void {
    this.#committed = result;
    this.generation++;
    this.#heartbeat?.calculateSkew();
    this.#rebalancer.apply(result, this.#options.namespaces);
    this.rebalanceGeneration++;
    this.rebalancedMs = this.#options.ports.clock.monotonicMs();
    this.migrationsAllowed = true;
    this.services.setMembers(result.succession.filter((node) => node !== this.self));
    this.#tell((listener) => listener.onBalanced?.(result));
  }

  #onBlocked(): void {
    this.#committed = undefined;
    this.services.setMembers([]);
    for (const { partitions } of this.#options.namespaces) partitions.block();
    this.#tell((listener) => listener.onBlocked?.());
  }

  #tell(call: (listener: ClusterListener) => void): void {
    for (const listener of this.#listeners) call(listener);
  }
}

function randomIncarnation({ random }: Pick<Ports, "random">): string {
  for (;;) {
    const text = [random.u32(), random.u32()].map((word) => word.toString(16).padStart(8, "0")).join("");
    if (text !== U64_ZERO) return text;
  }
}
