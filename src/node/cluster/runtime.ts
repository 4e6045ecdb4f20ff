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
  type Heartbeat,
  type HeartbeatChange,
  type HeartbeatEffect,
  type HeartbeatEvent,
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
  decodeEvidence,
  decodeExchange,
  decodePeerInfo,
  decodeRecluster,
  type ExchangeMessage,
  FABRIC_CHANNEL,
  PEER_MESSAGE,
  type PeerMessage,
  type PeerServiceAddresses,
  U64_ZERO,
} from "../../wire/mod.ts";
import { AddressWatch } from "./address_watch.ts";
import { ClientFence } from "./client_fence.ts";
import { heartbeatSettings } from "./cluster_settings.ts";
import { ClusterSockets } from "./cluster_sockets.ts";
import type { ClusterListener } from "./cluster_listener.ts";
import { CommittedCluster } from "./committed_cluster.ts";
import { DataLoss } from "./data_loss.ts";
import { DeathWatch } from "./death_watch.ts";
import { FabricRates } from "./fabric_rates.ts";
import { hostIdentity } from "./host_identity.ts";
import { Membership } from "./membership.ts";
import { OwnState } from "./own_state.ts";
import { type PeerMessageHandler, PeerMessages } from "./peer_messages.ts";
import { PeerServices } from "./peer_services.ts";
import { SilenceWatch } from "./silence_watch.ts";
import { SkewWatch } from "./skew_watch.ts";
import { exchangeNamespaces, Rebalancer } from "./rebalance.ts";

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
export class ClusterRuntime extends CommittedCluster {
  /** This node. */
  readonly self: NodeId;
  /** Random number of this process: 16 hexadecimal digits. */
  readonly incarnation: string;
  /** Orders events across nodes. */
  readonly hybridClock: HybridClock;
  /** Messages to and from peers. */
  readonly fabric: Fabric;
  /** Who takes which messages. */
  readonly messages: PeerMessages;
  /** What this node tells of itself. */
  readonly own: OwnState;
  /** Bytes per second of the fabric. */
  readonly rates: FabricRates;
  /** Holds clients back after a long sleep, and while this node joins a larger cluster. */
  readonly fence: ClientFence = new ClientFence();
  /** Clocks of the cluster. */
  readonly skew: SkewWatch;
  /** Where clients reach the other members. */
  readonly services: PeerServices;
  /** Records that this node has lost. */
  readonly losses: DataLoss;
  readonly #options: ClusterRuntimeOptions;
  readonly #membership: Membership;
  readonly #deaths: DeathWatch;
  readonly #addresses: AddressWatch;
  readonly #rebalancer: Rebalancer;
  readonly #silence: SilenceWatch;
  readonly #listeners: ClusterListener[] = [];
  #sockets: ClusterSockets | undefined;
  #turnMs: number;
  #sleepMs = Infinity;
  #tipError: string | undefined;

  constructor(options: ClusterRuntimeOptions) {
    super();
    this.#options = options;
    const { self, ports } = options;
    this.self = self;
    this.incarnation = randomIncarnation(ports);
    this.hybridClock = new HybridClock(
      () => ports.clock.wallMs(),
      (jumpMs) => ports.log.write("warning", "hb", `a peer's clock is ${Math.round(jumpMs)} ms ahead`),
    );
    this.messages = new PeerMessages(ports.log);
    this.rates = new FabricRates(ports.clock.monotonicMs());
    this.own = new OwnState(options.settings.service);
    this.services = new PeerServices({
      clock: ports.clock,
      own: options.ownServices,
      send: (node, message) => void this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, message),
    });
    this.skew = new SkewWatch({ settings: options.settings, namespaces: options.namespaces, log: ports.log });
    this.losses = new DataLoss({
      self,
      clock: ports.clock,
      log: ports.log,
      cluster: () => this.committed,
      recluster: () => void this.recluster(),
      send: (node, message) => void this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, message),
    });
    this.addListener(this.losses);
    this.#turnMs = ports.clock.monotonicMs();
    this.#silence = new SilenceWatch((node) => this.heartbeat?.node(node)?.receivedMs, this.#turnMs);
    this.#membership = this.#makeMembership();
    this.#deaths = this.#makeDeathWatch();
    this.#addresses = new AddressWatch({
      settings: options.settings,
      clock: ports.clock,
      log: ports.log,
      adjacent: () => this.heartbeat?.adjacent ?? [],
      isDuplicate: () => this.heartbeat?.isDuplicate ?? false,
      fabricEndpoints: (node) => this.heartbeat?.node(node)?.fabricEndpoints ?? [],
      fabricLink: (node) => this.fabric.link(node),
      isDialledBy: (node) => this.fabric.isDialledBy(node),
    });
    this.#rebalancer = new Rebalancer({
      self,
      clock: ports.clock,
      log: ports.log,
      namespaces: options.namespaces,
      onFollowed: (result) => this.#onFollowed(result),
    });
    const { settings } = options;
    this.fabric = new Fabric({
      ports,
      node: self,
      incarnation: this.incarnation,
      settings: settings.network.fabric,
      ipv6: settings.service.advertiseIpv6,
      handler: {
        onMessage: (from, _channel, reader) => this.messages.deliver(from, reader),
        onLink: (node) => this.#deaths.onFabricLink(node),
        onDrain: (node, channel) => this.#tell((listener) => listener.onDrain?.({ node, channel })),
      },
    });
    this.#takeMessages();
  }

  #makeDeathWatch(): DeathWatch {
    const { clock, log } = this.#options.ports;
    return new DeathWatch({
      self: this.self,
      clock,
      log,
      send: (node, message) => void this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, message),
      fabricLink: (node) => this.fabric.link(node),
      incarnation: (node) => this.heartbeat?.node(node)?.incarnation,
      cluster: () => this.committed,
      onDeath: (node, atMs) => {
        this.#membership.take({ clustering: { kind: "confirmed-death", node, atMs } });
        this.#sockets?.runner.step({ kind: "forget", node });
      },
    });
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
        onReady: (succession) => this.#onReady(succession),
        onCommit: (result) => this.#rebalancer.begin(result),
        onOrphaned: () => this.#tell((listener) => listener.onOrphaned?.()),
        onBlocked: () => this.#onBlocked(),
        onTurn: (nowMs) => {
          this.holdsClients(nowMs);
          this.#lookForSilence(nowMs);
        },
      },
    });
  }

  // What others see.

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
    if (!isSynced || this.exchange.state !== "rest" || this.#rebalancer.isWorking) return false;
    const adjacent = this.heartbeat?.adjacent ?? [];
    return adjacent.length + 1 === succession.length && adjacent.every((node) => succession.includes(node));
  }

  /** What clustering and exchange counted. */
  get counts(): ReadonlyMap<string, number> {
    return this.#membership.counts;
  }

  /** The heartbeat; undefined of a node without one. */
  get heartbeat(): Heartbeat | undefined {
    return this.#sockets?.heartbeat;
  }

  /** Whether the node slept so long that it may answer no client yet. */
  get isFenced(): boolean {
    return this.fence.has("slept");
  }

  // Life.

  /** Lets somebody take the messages of a type; of one type there is one taker. */
  register(messageType: number, handler: PeerMessageHandler): void {
    this.messages.register(messageType, handler);
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
    this.#deriveTimes();
    try {
      if (listen) await this.#listen();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#membership.start();
    this.#rebalancer.finish();
  }

  /** Leaves: peers find its ports closed. */
  stop(): void {
    this.#membership.stop();
    this.#rebalancer.stop();
    this.services.stop();
    this.losses.stop();
    this.#deaths.stop();
    this.#addresses.stop();
    this.#sockets?.stop();
    this.fabric.stop();
    this.migrationsAllowed = false;
  }

  /** Looks at the settings again, after any of them changed. */
  settingsChanged(): void {
    this.#deriveTimes();
    this.#membership.settingsChanged();
    this.#sockets?.runner.step({ kind: "settings", settings: heartbeatSettings(this.#options.settings) });
    this.#refreshAddresses();
  }

  #refreshAddresses(): void {
    const { log } = this.#options.ports;
    this.#sockets?.refresh().catch((error: Error) => {
      log.write("warning", "hb", `peers are told the addresses from before: ${error.message}`);
    });
  }

  #deriveTimes(): void {
    const { interval, timeout } = this.#options.settings.network.heartbeat;
    this.#sleepMs = interval * timeout;
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
    const all = this.heartbeat?.seeds.map(({ address }) => address) ?? [];
    return this.#tipAnswer({ kind: "tip-clear", seeds: seeds ?? all });
  }

  #tipAnswer(event: HeartbeatEvent): string | undefined {
    if (this.#sockets === undefined) return "Cannot change seeds: this node has no heartbeat";
    this.#tipError = undefined;
    this.#sockets.runner.step(event);
    return this.#tipError;
  }

  /** Forgets all peers, as `set-config` with protocol `reset` asks for. */
  resetHeartbeat(): void {
    this.#sockets?.runner.step({ kind: "reset" });
  }

  /** Forms the cluster anew, with another key; only the principal does. */
  recluster(): ReclusterAnswer {
    return this.#membership.recluster(this.migrationsAllowed);
  }

  async #listen(): Promise<void> {
    const { settings, ports } = this.#options;
    const sockets = this.#sockets = await ClusterSockets.open({
      settings,
      ports,
      self: this.self,
      incarnation: this.incarnation,
      capabilities: this.own.capabilities ?? 0,
      hybridClock: this.hybridClock,
      fabric: this.fabric,
      payload: this.#membership.payload,
      onEffect: (effect) => this.#onHeartbeat(effect),
      onTold: (told) => this.#addresses.tell(told),
    });
    await sockets.start();
  }

  /**
   * Somebody is about to act for clients: when nothing of the cluster had a turn for longer than the node timeout, the
   * heartbeat looks first, because what arrived for a client may be read before the heartbeat's timer.
   *
   * @param nowMs monotonic time
   * @returns whether clients must wait
   */
  holdsClients(nowMs: number): boolean {
    if (nowMs - this.#turnMs > this.#sleepMs) this.#sockets?.runner.step({ kind: "tick" });
    this.#turnMs = nowMs;
    return this.fence.isRaised;
  }

  #lookForSilence(nowMs: number): void {
    const { interval, timeout } = this.#options.settings.network.heartbeat;
    const times = { nowMs, intervalMs: interval, nodeTimeoutMs: interval * timeout };
    const others = this.committed?.succession.filter((node) => node !== this.self) ?? [];
    this.services.setSilent(this.#silence.silent(others, times));
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
        if (this.heartbeat?.adjacent.includes(effect.node)) {
          this.fabric.arrive(effect.node, { endpoints: effect.endpoints });
        }
        return;
      case "peer-link":
        return this.#deaths.onHeartbeatLink(effect.node, effect.link);
      case "fence":
        return this.#onFence(effect.raised, effect.sleptMs);
      case "skew":
        return this.skew.update(effect);
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
    if (kind === "departed") {
      this.fabric.depart(node);
      this.#deaths.departed(node);
    } else {
      const { fabricEndpoints: endpoints, incarnation } = this.heartbeat!.node(node)!;
      this.fabric.arrive(node, incarnation === undefined ? { endpoints } : { endpoints, incarnation });
    }
    if (kind === "arrived") this.#addresses.onArrived(node);
    this.#tell((listener) => listener.onAdjacent?.(node, kind === "arrived"));
  }

  #onFence(raised: boolean, sleptMs: number): void {
    const { log } = this.#options.ports;
    if (!raised) return this.#lowerFence();
    this.fence.raise("slept");
    const text = `clients wait: this node stood still for ${
      Math.round(sleptMs)
    } ms, and the others may have gone on`;
    log.write("warning", "clustering", text);
  }

  /** The tables must follow the cluster that a majority has confirmed. */
  #lowerFence(): void {
    if (!this.isFenced || this.heartbeat?.isFenced === true) return;
    if (this.committed !== undefined && this.clustering.clusterKey !== this.clusterKey) return;
    this.fence.lower("slept");
    this.#options.ports.log.write("info", "clustering", "clients are answered again");
  }

  #setPayload(payload: ClusteringPayload): void {
    this.#sockets?.runner.step({ kind: "payload", payload });
  }

  // The fabric.

  #takeMessages(): void {
    const { CLUSTERING, EXCHANGE, EVIDENCE, RECLUSTER, INFO } = PEER_MESSAGE;
    this.messages.registerDecoded(CLUSTERING, decodeClustering, (from, coded) => {
      const message = clusteringFromWire(coded);
      this.#membership.take({ clustering: { kind: "message", from, message } });
    });
    this.messages.registerDecoded(EXCHANGE, decodeExchange, (from, message) => {
      this.#membership.take({ exchange: { kind: "message", from, message } });
    });
    this.messages.registerDecoded(EVIDENCE, decodeEvidence, (from, message) => {
      this.#deaths.receive(from, message);
    });
    this.messages.registerDecoded(RECLUSTER, decodeRecluster, (from, message) => {
      this.losses.receive(from, message);
    });
    this.messages.registerDecoded(INFO, decodePeerInfo, (from, message) => {
      this.services.receive(from, message);
    });
  }

  #sendControl(to: readonly NodeId[], message: ClusteringMessage | ExchangeMessage): void {
    const encoded = "type" in message ? message : clusteringToWire(message);
    for (const node of to) this.fabric.send({ node, channel: FABRIC_CHANNEL.CTRL }, encoded);
  }

  // The cluster.

  #onPause(): void {
    this.#rebalancer.finish();
    this.migrationsAllowed = false;
    this.#tell((listener) => listener.onPause?.());
  }

  #exchangeOwn(): ExchangeOwn {
    this.#tell((listener) => listener.onExchange?.());
    return {
      namespaces: exchangeNamespaces(this.#options.namespaces, () => this.own.isQuiesced),
      capabilities: this.own.capabilities,
      incarnation: this.incarnation,
      host: hostIdentity(this.#options.ports.host),
      truncations: this.own.tellsTruncations ? this.own.truncations() : undefined,
    };
  }

  /** The others may serve by the new cluster before the commit reaches this node. */
  #onReady(succession: readonly NodeId[]): void {
    const fellows = this.committed?.succession ?? succession;
    const others = succession.filter((node) => !fellows.includes(node));
    if (others.length * 2 >= succession.length) this.fence.raise("merged");
  }

  /** The tables follow the balance of a committed exchange. */
  #onFollowed(result: ExchangeResult): void {
    this.committed = result;
    this.generation++;
    const skew = this.heartbeat?.calculateSkew();
    if (skew !== undefined) this.skew.update(skew);
    this.rebalanceGeneration++;
    this.rebalancedMs = this.#options.ports.clock.monotonicMs();
    this.migrationsAllowed = true;
    this.services.setMembers(result.succession.filter((node) => node !== this.self));
    this.#tell((listener) => listener.onBalanced?.(result));
    this.fence.lower("merged");
    this.#lowerFence();
  }

  #onBlocked(): void {
    this.committed = undefined;
    this.services.setMembers([]);
    for (const { partitions } of this.#options.namespaces) partitions.block();
    this.#tell((listener) => listener.onBlocked?.());
    this.fence.lower("merged");
    this.#lowerFence();
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
