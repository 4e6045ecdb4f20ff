/**
 * A node: namespaces, listeners, background work, and the order in which they start and stop.
 *
 * Start: identity → namespaces → partition table → background work → listeners; only then is the node ready.
 * Stop: listeners close → sessions finish what runs → sessions close → background work ends.
 *
 * @module
 */

import type { NamespaceSettings, Settings } from "../config/mod.ts";
import { PartitionTable } from "../partition/mod.ts";
import type { Clock, Ports } from "../port/mod.ts";
import { QueryRegistry } from "../query/mod.ts";
import { NamespaceStore, type RecordDevice } from "../storage/mod.ts";
import { Namespace } from "../transaction/mod.ts";
import { Dispatcher } from "./dispatch.ts";
import { findNodeIdentity, type NodeIdentity } from "./identity.ts";
import { Listeners } from "./listeners.ts";
import { NodeStats } from "./node_stats.ts";

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
}

/** Life of a node. */
export type NodeState = "starting" | "ready" | "stopping" | "stopped";

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
  /** Counters. */
  readonly stats: NodeStats = new NodeStats();
  /** Scans and other queries. */
  readonly queries: QueryRegistry = new QueryRegistry();
  /** Listeners and sessions. */
  readonly listeners: Listeners;
  /** Runs frames. */
  readonly dispatcher: Dispatcher;
  /** Monotonic time of the start. */
  readonly startedMs: number;
  /** Where in its life the node is. */
  state: NodeState = "starting";

  /** Use {@linkcode createNode}. */
  constructor(options: NodeOptions, identity: NodeIdentity) {
    this.settings = options.settings;
    this.ports = options.ports;
    this.identity = identity;
    this.startedMs = options.ports.clock.monotonicMs();
    this.namespaces = options.settings.namespaces.map((namespace) => createNamespace(namespace, options));
    this.listeners = new Listeners({ ports: this.ports, settings: this.settings, stats: this.stats });
    this.dispatcher = new Dispatcher(this);
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
   * Takes ownership of the partitions, starts background work and opens the listeners.
   *
   * @throws {Error} when a listener can't be opened; the node is stopped then
   */
  async start(): Promise<void> {
    for (const namespace of this.namespaces) namespace.partitions.assignAll();
    try {
      await this.listeners.start(this.dispatcher);
    } catch (error) {
      this.state = "stopped";
      throw error;
    }
    this.state = "ready";
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
    this.listeners.stopAccepting();
    await this.#drain(startMs + DRAIN_TIME_MAX_MS);
    this.listeners.closeSessions();
    this.state = "stopped";
    return this.ports.clock.monotonicMs() - startMs;
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

/** Makes a node; `start` opens it. */
export async function createNode(options: NodeOptions): Promise<AerieNode> {
  return new AerieNode(options, await findNodeIdentity(options.settings, options.ports));
}

function createNamespace(settings: NamespaceSettings, options: NodeOptions): Namespace {
  const { clock, random, log } = options.ports;
  const store = new NamespaceStore({
    settings,
    clock,
    random,
    ...(options.wrapDevice === undefined ? {} : { wrapDevice: options.wrapDevice }),
  });
  const service = options.settings.service;
  return new Namespace({ settings, service, store, partitions: new PartitionTable(), clock, log });
}
