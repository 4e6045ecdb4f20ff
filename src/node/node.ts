/**
 * A node: namespaces, listeners, background work, and the order in which they start and stop.
 *
 * Start: identity → metadata → devices → namespaces → records of the devices → background work → fabric and heartbeat →
 * listeners; then the node is ready. A node without seeds serves at once, another one once it belongs to a cluster.
 * Stop: listeners close → sessions finish what runs → sessions close → the node leaves its cluster → background work
 * ends → devices are written out and closed.
 *
 * A failed assertion anywhere in the node fails it: listeners and sessions close at once, and whoever made the node is
 * told. The executable ends then; a host program that embeds the node lives on.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S } from "../base/mod.ts";
import { hlcPhysicalMs, type SmdContent } from "../cluster/mod.ts";
import type { Settings } from "../config/mod.ts";
import { Migrator, PartitionTable, VersionPages } from "../partition/mod.ts";
import type { Clock, Network, Ports } from "../port/mod.ts";
import { QueryRegistry } from "../query/mod.ts";
import {
  loadStore,
  type NamespaceStore,
  NamespaceSupervisor,
  openStore,
  type RecordDevice,
} from "../storage/mod.ts";
import { Namespace, PeerTransactions } from "../transaction/mod.ts";
import { UdfModules } from "../udf/mod.ts";
import { PEER_MESSAGE, SMD_MODULE } from "../wire/mod.ts";
import { ClusterRuntime } from "./cluster/mod.ts";
import { HealthMonitor } from "./health.ts";
import { CpuSampler } from "./cpu_sampler.ts";
import { Dispatcher } from "./dispatch.ts";
import { guardConnections, guardPorts } from "./guard.ts";
import { findNodeIdentity, type NodeIdentity, peerNodeId } from "./identity.ts";
import { logClientAddresses, peerServiceAddresses } from "./info_addresses.ts";
import { Listeners } from "./listeners.ts";
import { loadMetadata, NodeMetadata } from "./metadata.ts";
import { LatencyReporter } from "./latencies.ts";
import { NodeStats } from "./node_stats.ts";
import { createPipeNetwork } from "./pipe.ts";
import { Ticker } from "./ticker.ts";

/** How long a stopping node waits for requests that run. */
const DRAIN_TIME_MAX_MS = 5000;
const DRAIN_POLL_MS = 5;

/** What a node is made of. */
export interface NodeOptions {
  /** Settings; `set-config` changes them in place. */
  settings: Settings;
  /** The outside world. */
  ports: Ports;
  /** Puts another device between stores and their records; tests use it. */
  wrapDevice?: (device: RecordDevice, clock: Clock) => RecordDevice;
  /** Told when an assertion failed and the node has closed itself. */
  onFailure?: (error: unknown) => void;
}

/** Life of a node. */
export type NodeState = "starting" | "ready" | "stopping" | "stopped" | "failed";

/** One node. */
export class AerieNode {
  /** Settings. */
  readonly settings: Settings;
  /** The outside world. */
  readonly ports: Ports;
  /** Id and where it came from. */
  readonly identity: NodeIdentity;
  /** Namespaces in their configured order. */
  readonly namespaces: readonly Namespace[];
  /** Background work of each namespace, in the same order. */
  readonly supervisors: readonly NamespaceSupervisor[];
  /** Modules of functions in Lua. */
  readonly udf: UdfModules;
  /** Counters. */
  readonly stats: NodeStats = new NodeStats();
  /** Scans and other queries. */
  readonly queries: QueryRegistry = new QueryRegistry();
  /** Listeners and sessions. */
  readonly listeners: Listeners;
  /** Runs frames. */
  readonly dispatcher: Dispatcher;
  /** This node's part in its cluster. */
  readonly cluster: ClusterRuntime;
  /** Moves partitions to and from other nodes. */
  readonly migrator: Migrator;
  /** Requests that involve other nodes. */
  readonly peers: PeerTransactions;
  /** Truncation marks in the work directory. */
  readonly metadata: NodeMetadata;
  /** Latencies of the last slice. */
  readonly latencies: LatencyReporter;
  /** How busy machine and process are. */
  readonly cpu: CpuSampler;
  /** Devices and peers that stand out. */
  readonly health: HealthMonitor;
  /** Monotonic time of the start. */
  readonly startedMs: number;
  /** Where in its life the node is. */
  state: NodeState = "starting";
  readonly #ticker: Ticker;
  readonly #onFailure: ((error: unknown) => void) | undefined;

  /** Use {@linkcode createNode}. */
  constructor(options: NodeOptions, parts: NodeParts) {
    const { identity, kept, stores } = parts;
    this.#onFailure = options.onFailure;
    this.settings = options.settings;
    this.settings.service.nodeId = identity.id;
    this.ports = parts.ports;
    parts.onFailure = (error) => this.fail(error);
    this.identity = identity;
    this.startedMs = parts.startedMs;
    this.udf = new UdfModules({ ...this.ports, settings: this.settings.modLua });
    this.namespaces = stores.map((store) =>
      createNamespace(store, { ...options, ports: this.ports }, this.udf)
    );
    const { clock, host, log } = this.ports;
    this.supervisors = this.namespaces.map(({ store }) =>
      new NamespaceSupervisor({
        store,
        clock,
        host,
        log,
        mayRaidTombstones: () => !this.migrator.isMigrating,
        agreeEviction: (voidTime) =>
          this.metadata.set(SMD_MODULE.EVICT, store.settings.name, String(voidTime)),
      })
    );
    this.listeners = new Listeners({
      ports: this.ports,
      settings: this.settings,
      stats: this.stats,
      onFailure: (error) => this.fail(error),
    });
    this.dispatcher = new Dispatcher(this);
    const { settings, ports, namespaces } = this;
    this.cluster = new ClusterRuntime({
      self: peerNodeId(identity.id),
      settings,
      ports: { ...ports, network: guardConnections(ports.network, (error) => this.fail(error)) },
      namespaces,
      ownServices: () => peerServiceAddresses(this),
    });
    // Before those that compare records: what members have told of truncations holds first.
    this.metadata = new NodeMetadata({
      cluster: this.cluster,
      kept,
      settings,
      ports,
      namespaces,
      udf: this.udf,
    });
    this.peers = createPeers(this);
    this.migrator = createMigrator(this);
    this.#tellOfLosses();
    this.cpu = new CpuSampler(this.ports);
    const health = this.health = new HealthMonitor({ settings: settings.service, namespaces });
    this.cluster.addListener({ onAdjacent: (node, isAdjacent) => health.onAdjacent(node, isAdjacent) });
    const { batchIndexHistogram: batchIndex, infoHistogram: info } = this.stats;
    this.latencies = new LatencyReporter({ namespaces: this.namespaces, batchIndex, info }, this.ports.clock);
    this.#ticker = new Ticker(this);
  }

  /** Factor from milliseconds to the unit of latency histograms. */
  get latencyScale(): number {
    return this.settings.service.microsecondHistograms ? 1000 : 1;
  }

  /** A namespace by name. */
  namespace(name: string): Namespace | undefined {
    return this.namespaces.find((namespace) => namespace.settings.name === name);
  }

  /**
   * Reads what is on devices, starts background work, joins or forms the cluster, and opens the listeners. A node that
   * has seeds is ready before it belongs to a cluster; until then it serves no record.
   *
   * @param options `listen`: false opens no listeners, for a node that only its own process uses
   * @throws {Error} when a listener can't be opened; the node is stopped then
   */
  async start(options: { listen?: boolean } = {}): Promise<void> {
    const listen = options.listen ?? true;
    const { clock, log, compute } = this.ports;
    await Promise.all(this.namespaces.map(({ store }) => loadStore(store, { clock, log, compute })));
    for (const { indexes, store } of this.namespaces) if (store.startsFast) indexes.rebuild();
    for (const supervisor of this.supervisors) supervisor.start();
    for (const { indexes } of this.namespaces) indexes.followSettings();
    try {
      await this.cluster.start({ listen });
      await this.listeners.start(this.dispatcher, listen);
    } catch (error) {
      this.cluster.stop();
      this.#stopSupervisors();
      this.state = "stopped";
      await this.#closeStores();
      throw error;
    }
    this.state = "ready";
    if (listen) logClientAddresses(this);
    this.#ticker.start();
  }

  /**
   * Stops in order: no new connections, requests that run are finished, then everything is closed.
   *
   * @returns milliseconds that it took
   */
  async stop(): Promise<number> {
    const startMs = this.ports.clock.monotonicMs();
    if (this.state === "stopped") return 0;
    this.state = "stopping";
    this.#ticker.stop();
    this.listeners.stopAccepting();
    await this.#drain(startMs + DRAIN_TIME_MAX_MS);
    this.listeners.closeSessions();
    this.queries.abortAll();
    this.cluster.stop();
    this.migrator.stop();
    this.metadata.stop();
    this.#stopSupervisors();
    await this.metadata.flush();
    await this.#closeStores();
    this.state = "stopped";
    return this.ports.clock.monotonicMs() - startMs;
  }

  /** An assertion failed: closes everything at once. Calling it again does nothing. */
  fail(error: unknown): void {
    if (this.state === "failed" || this.state === "stopped") return;
    this.state = "failed";
    this.#ticker.stop();
    this.#stopSupervisors();
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.ports.log.write("critical", "as", `the node stops: ${text.replaceAll("\n", " ")}`);
    this.cluster.stop();
    this.migrator.stop();
    this.metadata.stop();
    this.listeners.stopAccepting();
    this.listeners.closeSessions();
    this.queries.abortAll();
    this.#onFailure?.(error);
  }

  /** A network on which every connection leads to this node, without sockets. */
  inProcessNetwork(): Network {
    return createPipeNetwork(this.ports.clock, (connection) => {
      if (this.state !== "ready") throw new Error(`The node is ${this.state}: it takes no connections`);
      this.listeners.accept(connection, "service");
    });
  }

  #tellOfLosses(): void {
    for (const namespace of this.namespaces) {
      const { disk } = namespace.store;
      if (disk !== undefined) disk.onLoss = () => this.cluster.losses.lose(namespace);
    }
  }

  async #closeStores(): Promise<void> {
    await Promise.all(this.namespaces.map(({ store }) => store.close()));
  }

  #stopSupervisors(): void {
    for (const supervisor of this.supervisors) supervisor.stop();
    for (const { indexes } of this.namespaces) indexes.stop();
  }

  #drain(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const poll = () => {
        const busy = [...this.listeners.sessions].some((session) => !session.isIdle);
        if (!busy || this.ports.clock.monotonicMs() >= deadlineMs) resolve();
        else this.ports.clock.after(DRAIN_POLL_MS, poll);
      };
      poll();
    });
  }
}

/** What {@linkcode createNode} prepares. */
interface NodeParts {
  identity: NodeIdentity;
  kept: ReadonlyMap<number, SmdContent>;
  stores: readonly NamespaceStore[];
  ports: Ports;
  startedMs: number;
  /** Where failures go; the node puts itself in. */
  onFailure: (error: unknown) => void;
}

/**
 * Makes a node; `start` opens it.
 *
 * @throws {Error} when metadata that an earlier run kept can't be read, or a device can't be opened
 */
export async function createNode(options: NodeOptions): Promise<AerieNode> {
  const { settings } = options;
  const startedMs = options.ports.clock.monotonicMs();
  const identity = await findNodeIdentity(settings, options.ports);
  const kept = await loadMetadata(settings, options.ports);
  const onFailure = (error: unknown) => parts.onFailure(error);
  const ports = guardPorts(options.ports, onFailure);
  const parts: NodeParts = {
    identity,
    kept,
    ports,
    startedMs,
    stores: [],
    onFailure: (error) => {
      throw error;
    },
  };
  parts.stores = await openStores({ ...options, ports }, onFailure);
  return new AerieNode(options, parts);
}

/** Requests that involve other nodes. */
function createPeers({ cluster, ports, namespaces }: AerieNode): PeerTransactions {
  const { clock, random } = ports;
  const peers = new PeerTransactions({
    self: cluster.self,
    namespaces,
    fabric: cluster.fabric,
    clusterKey: () => cluster.clusterKey,
    isFenced: () => cluster.holdsClients(clock.monotonicMs()),
    latestMs: () => hlcPhysicalMs(cluster.hybridClock.now()) - CITRUSLEAF_EPOCH_S * 1000,
    clock,
    random,
  });
  cluster.register(PEER_MESSAGE.RW, (from, reader) => peers.onRw(from, reader));
  cluster.register(PEER_MESSAGE.PROXY, (from, reader) => peers.onProxy(from, reader));
  cluster.addListener({
    onBalanced: (view) => peers.onBalanced(view),
    onAdjacent: (node, isAdjacent) => isAdjacent || peers.onDeparted(node),
  });
  return peers;
}

/** Migrations, which follow the cluster that the node is in. */
function createMigrator({ cluster, peers, ports, settings, namespaces }: AerieNode): Migrator {
  const { fabric } = cluster;
  const migrator = new Migrator({
    ports,
    settings: settings.service,
    namespaces,
    fabric,
    whenFlushed: ({ namespace }, done) => {
      if (!namespace.store.afterSync({ onDurable: done })) done();
    },
    whenWritesEnded: (at, done) => peers.whenWritesEnded(at, done),
  });
  cluster.register(PEER_MESSAGE.MIGRATE, (from, reader) => migrator.onMessage(from, reader));
  cluster.addListener({
    onPause: () => migrator.stop(),
    onBalanced: (view) => migrator.begin(view),
    onBlocked: () => migrator.stop(),
    onDrain: ({ node }) => migrator.onDrain(node),
  });
  return migrator;
}

/** Opens the stores of all namespaces; when one can't be opened the others are closed again. */
async function openStores(
  { settings, ports, wrapDevice }: NodeOptions,
  onFailure: (error: unknown) => void,
): Promise<NamespaceStore[]> {
  const { clusterName: cluster, workDirectory } = settings.service;
  const stores: NamespaceStore[] = [];
  try {
    for (const namespace of settings.namespaces) {
      const wrap = wrapDevice === undefined ? {} : { wrapDevice };
      stores.push(
        await openStore({ ...ports, settings: namespace, cluster, workDirectory, onFailure, ...wrap }),
      );
    }
    return stores;
  } catch (error) {
    await Promise.all(stores.map((store) => store.close()));
    throw error;
  }
}

function createNamespace(store: NamespaceStore, options: NodeOptions, udf: UdfModules): Namespace {
  const { clock, log } = options.ports;
  const service = options.settings.service;
  const keeper = store.disk === undefined ? undefined : new VersionPages(store.partitionMeta);
  return new Namespace({
    settings: store.settings,
    service,
    store,
    partitions: new PartitionTable(keeper),
    udf,
    clock,
    log,
  });
}
