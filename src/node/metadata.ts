/**
 * The node's part in the cluster-wide metadata. What the items of a module mean is the business of its handler
 * (`smd_truncate.ts`, `smd_evict.ts`, `smd_sindex.ts`, `smd_udf.ts`). Items are kept in the work directory, so
 * that a mark or an index is there again after a restart, before any record is.
 *
 * A node acts on what the cluster has agreed on and on nothing else, also when it is the one that asks: what is not
 * agreed upon in time may never be, and a node that had removed records by a mark of its own would differ from the other
 * copies for ever. The answer to a command waits until all members have the item and their disks have kept it.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S } from "../base/mod.ts";
import {
  type ExchangeResult,
  Smd,
  type SmdContent,
  type SmdEffect,
  type SmdEvent,
  type SmdSetResult,
  SmdStore,
} from "../cluster/mod.ts";
import type { Settings } from "../config/mod.ts";
import type { Ports, Timer } from "../port/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import type { UdfModules } from "../udf/mod.ts";
import { decodeSmd, FABRIC_CHANNEL, PEER_MESSAGE, SMD_MODULE } from "../wire/mod.ts";
import type { ClusterRuntime } from "./cluster/mod.ts";
import type { SmdModuleHandler } from "./smd_module_handler.ts";
import { EvictModule } from "./smd_evict.ts";
import { SindexModule } from "./smd_sindex.ts";
import { TruncateModule } from "./smd_truncate.ts";
import { UdfModule } from "./smd_udf.ts";

/**
 * How long an item that an operator sets is tried. All members bring it to their disks first, and a tool that makes ten
 * indexes in a row gives up everything when one takes longer: small hosts that are busy need more than the stock 2 s, and
 * a message that was lost is sent again after 3 s.
 */
const SET_TIMEOUT_MS = 5000;

const MODULES = [SMD_MODULE.EVICT, SMD_MODULE.SINDEX, SMD_MODULE.TRUNCATE, SMD_MODULE.UDF];

/**
 * Reads what an earlier run of the node kept.
 *
 * @throws {Error} when there is a file that can't be read or understood
 */
export function loadMetadata(settings: Settings, ports: Ports): Promise<Map<number, SmdContent>> {
  return new SmdStore(ports.disk, settings.service.workDirectory).load(MODULES);
}

/** What {@linkcode NodeMetadata} stands on. */
export interface NodeMetadataOptions {
  /** The cluster, in which all members agree. */
  cluster: ClusterRuntime;
  /** What was kept. */
  kept: ReadonlyMap<number, SmdContent>;
  /** Settings of the node. */
  settings: Settings;
  /** The outside world. */
  ports: Ports;
  /** Whose marks and indexes are kept. */
  namespaces: readonly Namespace[];
  /** Modules of functions. */
  udf: UdfModules;
}

/** An item that this node is setting. */
interface Asked {
  module: number;
  onDone?: (result: SmdSetResult) => void;
}

/** See the head of the file. */
export class NodeMetadata {
  readonly #smd: Smd;
  readonly #store: SmdStore;
  readonly #ports: Ports;
  readonly #cluster: ClusterRuntime;
  readonly #handlers = new Map<number, SmdModuleHandler>();
  #timer: Timer | undefined;
  #timerMs = Infinity;
  #isStopped = false;
  /** Settles when the last write that was begun is over. */
  #writing: Promise<void> = Promise.resolve();
  #request = 0;
  /** What commands of this node set, by request, until it is known everywhere or time is up. */
  readonly #asked = new Map<number, Asked>();

  /** Acts on what was kept. */
  constructor(options: NodeMetadataOptions) {
    const { ports, settings, namespaces, kept, cluster } = options;
    this.#ports = ports;
    this.#cluster = cluster;
    this.#store = new SmdStore(ports.disk, settings.service.workDirectory);
    this.#smd = new Smd({
      self: cluster.self,
      modules: MODULES,
      kept,
      timestampMs: () => Math.max(0, Math.floor(ports.clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000),
    });
    const handlers = [
      new SindexModule(namespaces, ports.log),
      new TruncateModule(namespaces),
      new EvictModule(namespaces),
      new UdfModule(options.udf, ports.log),
    ];
    for (const handler of handlers) {
      this.#handlers.set(handler.module, handler);
      handler.apply(kept.get(handler.module)?.items.filter(({ value }) => value !== null) ?? []);
    }
    cluster.own.truncations = () => this.#smd.content(SMD_MODULE.TRUNCATE)!.items;
    cluster.addListener({
      // What this node tells of its marks holds until the commit: the former cluster sets none here any more.
      onExchange: () => this.#step({ kind: "orphaned" }),
      onBalanced: (view) => this.#changeCluster(view),
      onOrphaned: () => this.#step({ kind: "orphaned" }),
    });
    cluster.messages.registerDecoded(PEER_MESSAGE.SMD, decodeSmd, (from, message) => {
      this.#step({ kind: "message", from, message });
    });
  }

  /**
   * Sets an item of a module, null removes it.
   *
   * @param onDone told how it ended, once: at the latest after {@linkcode SET_TIMEOUT_MS}. With "ok" all members act on it
   */
  set(module: number, key: string, value: string | null, onDone?: (result: SmdSetResult) => void): void {
    const request = ++this.#request;
    this.#asked.set(request, { module, ...(onDone === undefined ? {} : { onDone }) });
    this.#step({ kind: "set", request, module, key, value, timeoutMs: SET_TIMEOUT_MS });
  }

  /** Resolves when everything that was to be kept has been, or could not be. */
  async flush(): Promise<void> {
    let writing: Promise<void> | undefined;
    while (writing !== this.#writing) {
      writing = this.#writing;
      await writing;
    }
  }

  /** Takes part no longer; what was to be kept is. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #changeCluster({ clusterKey, succession, members }: ExchangeResult): void {
    const told = this.#cluster.own.tellsTruncations
      ? members.map(({ truncations: items }) => ({ module: SMD_MODULE.TRUNCATE, items }))
      : [];
    this.#step({ kind: "cluster-changed", clusterKey, succession, told });
  }

  #step(event: SmdEvent): void {
    for (const effect of this.#smd.step(event, this.#ports.clock.monotonicMs())) this.#perform(effect);
    this.#schedule();
  }

  /** A timer that is too early only ticks once more. */
  #schedule(): void {
    const dueMs = this.#smd.nextTickMs;
    if (this.#isStopped || dueMs >= this.#timerMs) return;
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const { clock } = this.#ports;
    this.#timer = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#timerMs = Infinity;
      this.#step({ kind: "tick" });
    });
  }

  #perform(effect: SmdEffect): void {
    switch (effect.kind) {
      case "persist":
        this.#writing = this.#writing.then(() => this.#persist(effect.module, effect.revision));
        return;
      case "set-done":
        return this.#setDone(effect);
      case "log":
        return this.#ports.log.write(effect.level === "debug" ? "debug" : effect.level, "smd", effect.text);
      case "apply":
        return this.#handlers.get(effect.module)!.apply(effect.items);
      case "send":
        for (const node of effect.to) {
          this.#cluster.send({ node, channel: FABRIC_CHANNEL.META }, effect.message);
        }
        return;
      case "count":
        return;
    }
  }

  #setDone({ request, result }: Extract<SmdEffect, { kind: "set-done" }>): void {
    const { module, onDone } = this.#asked.get(request)!;
    this.#asked.delete(request);
    onDone?.(result);
    if (result !== "refused") return;
    const { subject } = this.#handlers.get(module)!;
    this.#ports.log.write("warning", "smd", `${subject} is not set: too many at once, or a name too long`);
  }

  async #persist(module: number, revision: number): Promise<void> {
    try {
      await this.#store.save(module, this.#smd.content(module)!);
    } catch (error) {
      this.#warn(module, (error as Error).message);
    }
    this.#step({ kind: "persisted", module, revision });
  }

  #warn(module: number, reason: string): void {
    const { subject } = this.#handlers.get(module)!;
    const text = `${subject} is not kept in ${this.#store.path(module)} and ends with this run: ${reason}`;
    this.#ports.log.write("warning", "smd", text);
  }
}
