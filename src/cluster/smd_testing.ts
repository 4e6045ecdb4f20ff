/**
 * A small laboratory for tests of the cluster-wide metadata: nodes on virtual time, disks that take their time, a
 * network that delays, loses, repeats and reorders real bytes. Clusters are made by hand: a test says who is in one.
 *
 * @module
 */

import { ByteBuffer } from "../base/mod.ts";
import { decodePeerBytes, encodePeerMessage, isPeerFault, SMD_MODULE, type SmdMessage } from "../wire/mod.ts";
import { labNodeId, TestRandom } from "./clustering_testing.ts";
import { type NodeId, nodeIdForLog, toSuccession } from "./node_id.ts";
import { Smd } from "./smd.ts";
import { decodeSmdFile, encodeSmdFile } from "./smd_store.ts";
import {
  SMD_COMMUNITY_MODULES,
  SMD_MODULE_NAMES,
  type SmdContent,
  type SmdEffect,
  type SmdEvent,
  type SmdSetResult,
  type SmdTold,
} from "./smd_types.ts";

const WALL_START_MS = 500_000_000_000;

/** One node. */
export interface SmdLabNode {
  readonly id: NodeId;
  smd: Smd;
  isAlive: boolean;
  /** Counts starts; what was scheduled for an earlier start is void. */
  life: number;
  /** Files by module; survive a crash. */
  readonly disk: Map<number, Uint8Array>;
  /** What the effects `apply` made of the module, by module and key. */
  applied: Map<string, string>;
  /** Members of its cluster. */
  succession: readonly NodeId[];
  /** Wall clock against the true one. */
  skewMs: number;
}

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** See the head of the file. */
export class SmdLab {
  nowMs = 0;
  readonly random: TestRandom;
  readonly nodes = new Map<NodeId, SmdLabNode>();
  readonly conditions = { delayMinMs: 1, delayMaxMs: 1, lossRate: 0, repeatRate: 0, diskMs: 2 };
  /** Messages to lose yet, by kind. */
  readonly drops = new Map<string, number>();
  /** Results of sets, by request. */
  readonly results = new Map<number, SmdSetResult>();
  /** Counts of events by name, for coverage. */
  readonly counts = new Map<string, number>();
  trace: (line: string) => void = () => {};
  /** Told of each confirmed set. */
  confirmed: (node: SmdLabNode, request: number) => void = () => {};
  #order = 0;
  #request = 0;
  #queue: Scheduled[] = [];
  readonly #keyNames = new Map<number, string>();

  constructor(seed: number) {
    this.random = new TestRandom(seed);
  }

  /** Starts a node, for the first time or again with what its disk has. */
  start(n: number, skewMs = 0): SmdLabNode {
    const id = labNodeId(n);
    const former = this.nodes.get(id);
    const disk = former?.disk ?? new Map<number, Uint8Array>();
    const kept = new Map([...disk].map(([module, bytes]) => [module, decodeSmdFile(bytes)]));
    const node: SmdLabNode = {
      id,
      smd: new Smd({
        self: id,
        kept,
        timestampMs: () => WALL_START_MS + Math.floor(this.nowMs) + node.skewMs,
      }),
      isAlive: true,
      life: (former?.life ?? 0) + 1,
      disk,
      applied: new Map(),
      succession: [],
      skewMs: former?.skewMs ?? skewMs,
    };
    for (const [module, { items }] of kept) this.#apply(node, module, items);
    this.nodes.set(id, node);
    this.#say(node, "starts");
    return node;
  }

  /** Node number `n`. */
  node(n: number): SmdLabNode {
    return this.nodes.get(labNodeId(n))!;
  }

  /** Nodes that run. */
  get alive(): SmdLabNode[] {
    return [...this.nodes.values()].filter(({ isAlive }) => isAlive);
  }

  /** Ends a process. */
  crash(n: number): void {
    this.node(n).isAlive = false;
    this.#say(this.node(n), "crashes");
  }

  /**
   * Makes one cluster of these nodes, each of which hears of it a little later than the others.
   *
   * @param tells whether members leave their former clusters at once and tell truncations in the exchange
   */
  cluster(numbers: readonly number[], jitterMs = 0, tells = false): void {
    const succession = toSuccession(numbers.map(labNodeId));
    const told = tells ? succession.map((id) => this.#tell(this.nodes.get(id)!)) : [];
    const clusterKey = (this.random.u32() % 0xffff) * 0x1_0000_0000 + this.random.u32() + 1;
    for (const id of succession) {
      const { life } = this.nodes.get(id)!;
      this.#schedule(jitterMs === 0 ? 0 : this.random.below(jitterMs), () => {
        const node = this.nodes.get(id)!;
        if (node.life !== life || !node.isAlive) return;
        this.#say(node, `CLUSTER ${this.keyName(clusterKey)} [${succession.map(nodeIdForLog).join(" ")}]`);
        node.succession = succession;
        this.step(node, { kind: "cluster-changed", clusterKey, succession, told });
      });
    }
  }

  #tell(node: SmdLabNode): SmdTold {
    this.step(node, { kind: "orphaned" });
    return { module: SMD_MODULE.TRUNCATE, items: node.smd.content(SMD_MODULE.TRUNCATE)!.items };
  }

  /** A node asks for an item to be set; returns the number of the request. */
  set(n: number, change: { module: number; key: string; value: string | null; timeoutMs?: number }): number {
    const request = ++this.#request;
    const { module, key, value } = change;
    this.#say(this.node(n), `wants ${SMD_MODULE_NAMES[module]} ${key} = ${value ?? "deleted"}`);
    this.step(this.node(n), { kind: "set", request, ...change });
    return request;
  }

  /** Runs until `durationMs` have passed. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = endMs;
  }

  /** Gives a node an event, and carries out what it answers. */
  step(node: SmdLabNode, event: SmdEvent): void {
    for (const effect of node.smd.step(event, this.nowMs)) this.#perform(node, effect);
    const { nextTickMs } = node.smd;
    if (nextTickMs === Infinity) return;
    const { life } = node;
    this.#schedule(Math.max(0, nextTickMs - this.nowMs), () => {
      if (node.isAlive && node.life === life && node.smd.nextTickMs <= this.nowMs) {
        this.step(node, { kind: "tick" });
      }
    });
  }

  /** The content of a module on each node, one line each. */
  show(module: number): string[] {
    return [...this.nodes.values()].map((node) => {
      const name = nodeIdForLog(node.id);
      return node.isAlive ? `${name}: ${this.#describe(node.smd.content(module)!)}` : `${name}: down`;
    });
  }

  /** A short name for a cluster key. */
  keyName(clusterKey: number): string {
    if (clusterKey === 0) return "k0";
    const name = this.#keyNames.get(clusterKey) ?? `k${this.#keyNames.size + 1}`;
    this.#keyNames.set(clusterKey, name);
    return name;
  }

  /** Counts one occurrence of something. */
  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  #describe({ version, items }: SmdContent): string {
    const texts = items.map(({ key, value, generation }) => `${key}=${value ?? "deleted"} (${generation})`)
      .sort();
    return [`${this.keyName(version.clusterKey)}/${version.transactionId}`, ...texts].join("  ");
  }

  #perform(node: SmdLabNode, effect: SmdEffect): void {
    switch (effect.kind) {
      case "send":
        this.#saySend(node, effect.to, effect.message);
        return effect.to.forEach((to) => this.#transmit(node, to, effect.message));
      case "apply": {
        this.#apply(node, effect.module, effect.items);
        const items = effect.items.map(({ key, value }) => `${key}=${value ?? "deleted"}`).sort().join(" ");
        return this.#say(node, `APPLIES ${SMD_MODULE_NAMES[effect.module]} ${items}`);
      }
      case "persist":
        return this.#persist(node, effect.module, effect.revision);
      case "set-done":
        this.results.set(effect.request, effect.result);
        if (effect.result === "ok") this.confirmed(node, effect.request);
        return this.#say(node, `DONE: ${effect.result}`);
      case "log":
        return this.#say(node, `(${effect.text})`);
      case "count":
        return this.count(effect.statistic);
    }
  }

  #apply(node: SmdLabNode, module: number, items: SmdContent["items"]): void {
    for (const { key, value } of items) {
      if (value === null) node.applied.delete(`${module} ${key}`);
      else node.applied.set(`${module} ${key}`, value);
    }
  }

  /** Writing takes time; a crash before its end leaves the old file. */
  #persist(node: SmdLabNode, module: number, revision: number): void {
    const bytes = encodeSmdFile(node.smd.content(module)!);
    const { life } = node;
    this.#schedule(this.conditions.diskMs, () => {
      if (!node.isAlive || node.life !== life) return;
      node.disk.set(module, bytes);
      this.step(node, { kind: "persisted", module, revision });
    });
  }

  #transmit(from: SmdLabNode, to: NodeId, message: SmdMessage): void {
    const left = this.drops.get(message.kind) ?? 0;
    if (left > 0) {
      this.drops.set(message.kind, left - 1);
      return this.#say(from, `   ${message.kind} to ${nodeIdForLog(to)} is lost`);
    }
    const { lossRate, repeatRate } = this.conditions;
    if (lossRate > 0 && this.random.chance(lossRate)) return;
    this.#deliver(from, to, message);
    if (repeatRate > 0 && this.random.chance(repeatRate)) this.#deliver(from, to, message);
  }

  #deliver(from: SmdLabNode, to: NodeId, message: SmdMessage): void {
    const { delayMinMs, delayMaxMs } = this.conditions;
    const out = new ByteBuffer(256);
    encodePeerMessage(message, out);
    const bytes = out.bytes.slice(0, out.length);
    const life = this.nodes.get(to)?.life;
    this.#schedule(delayMinMs + this.random.below(delayMaxMs - delayMinMs + 1), () => {
      const node = this.nodes.get(to);
      if (node === undefined || !node.isAlive || node.life !== life) return;
      const decoded = decodePeerBytes(bytes, () => undefined);
      if (isPeerFault(decoded)) throw new Error(`smd ${message.kind}: ${decoded.fault}`);
      this.count(`received ${message.kind}`);
      this.step(node, { kind: "message", from: from.id, message: decoded as SmdMessage });
    });
  }

  #saySend(node: SmdLabNode, to: readonly NodeId[], message: SmdMessage): void {
    const { kind, module, transactionId, item, items, versions } = message;
    const parts: (string | undefined)[] = [
      kind,
      module === undefined ? undefined : SMD_MODULE_NAMES[module],
      transactionId === undefined ? undefined : `#${transactionId}`,
      item && `${item.key}=${item.value ?? "deleted"}`,
      items && `[${items.map(({ key, value }) => `${key}=${value ?? "deleted"}`).sort().join(" ")}]`,
      versions?.filter((one) => one.clusterKey !== 0)
        .map((one) => `${SMD_MODULE_NAMES[one.module]} ${this.keyName(one.clusterKey)}/${one.transactionId}`)
        .join(" ") ||
      undefined,
      kind === "report-version" ? this.keyName(message.committedClusterKey ?? 0) : undefined,
    ];
    const text = parts.filter((part) => part !== undefined).join(" ");
    this.#say(node, `-> ${to.map(nodeIdForLog).join(" ")}: ${text}`);
  }

  #say(node: SmdLabNode, text: string): void {
    this.trace(`${String(this.nowMs).padStart(6)}  ${nodeIdForLog(node.id)}  ${text}`);
  }

  #schedule(delayMs: number, run: () => void): void {
    const entry = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    const at = this.#queue.findIndex((one) => one.atMs > entry.atMs);
    if (at < 0) this.#queue.push(entry);
    else this.#queue.splice(at, 0, entry);
  }

  #next(endMs: number): Scheduled | undefined {
    return this.#queue.length > 0 && this.#queue[0].atMs <= endMs ? this.#queue.shift() : undefined;
  }
}

/** Modules of the laboratory's nodes. */
export const LAB_MODULES: readonly number[] = SMD_COMMUNITY_MODULES;

/** Numbers of modules by their names in transcripts. */
export const LAB_MODULE_BY_NAME: Readonly<Record<string, number>> = {
  truncate: SMD_MODULE.TRUNCATE,
  evict: SMD_MODULE.EVICT,
  sindex: SMD_MODULE.SINDEX,
  UDF: SMD_MODULE.UDF,
};
