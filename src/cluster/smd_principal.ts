/**
 * What the principal does for one module. One thing at a time; whatever is not answered is repeated.
 *
 * ```text
 * off ──cluster change──▶ versions ──all equal──────────────────────────▶ idle ──a set──▶ acks ──all──▶ idle
 *                            └─they differ─▶ fulls ──merged, sent──▶ acks ──all──▶ idle
 * ```
 *
 * | state | waits for |
 * | ----- | --------- |
 * | off | being principal of a cluster |
 * | versions | the version of each member, which has kept it |
 * | fulls | the content of one member for each version that differs from the own one |
 * | acks | each member to have kept a merged content, or one changed item |
 * | idle | sets |
 *
 * Any cluster change ends all of this, and the next principal begins with versions. What was sent and not confirmed is
 * then at some members and not at others: their versions differ, and the merge settles it. That is why a version names
 * the cluster key: two principals can't give out the same one.
 *
 * @module
 */

import { SMD_ITEM_COUNT_MAX } from "../base/mod.ts";
import type { SmdItem, SmdMessage } from "../wire/mod.ts";
import type { NodeId } from "./node_id.ts";
import { changeItem, mergeContents, type SmdChange } from "./smd_merge.ts";
import { sameVersion, type SmdModule } from "./smd_module.ts";
import {
  SMD_DONE_COUNT_MAX,
  SMD_MODULE_NAMES,
  SMD_NO_VERSION,
  SMD_PRINCIPAL_RETRANSMIT_MS,
  SMD_QUEUE_COUNT_MAX,
  type SmdContent,
  type SmdEffect,
  type SmdStoredItem,
  type SmdVersion,
} from "./smd_types.ts";

/** See the head of the file. */
export type SmdPhase = "off" | "versions" | "fulls" | "acks" | "idle";

/** A set that somebody asked for. */
export interface SmdAsked extends SmdChange {
  /** Who asked. */
  readonly from: NodeId;
  /** The number of the request there. */
  readonly transactionId: number;
}

/** The node around the module. */
export interface SmdSurroundings {
  /** This node. */
  readonly self: NodeId;
  /** Where effects go. */
  readonly emit: (effect: SmdEffect) => void;
  /** Milliseconds since 2010. */
  readonly timestampMs: () => number;
  /** Confirms or declines a set to whoever asked, who may be this node. */
  readonly answer: (asked: Pick<SmdAsked, "from" | "transactionId">, module: number, ok: boolean) => void;
}

/** See the head of the file. */
export class SmdPrincipal {
  /** When to repeat, monotonic; Infinity when nothing is open. */
  retransmitAtMs = Infinity;
  readonly #module: SmdModule;
  readonly #around: SmdSurroundings;
  #phase: SmdPhase = "off";
  #clusterKey = 0;
  #members: readonly NodeId[] = [];
  /** Numbers changes within a cluster. */
  #transactionId = 0;
  readonly #waiting = new Set<NodeId>();
  readonly #versions = new Map<NodeId, SmdVersion>();
  readonly #fulls: Pick<SmdContent, "items">[] = [];
  #sent: SmdMessage | undefined;
  #current: SmdAsked | undefined;
  readonly #queue: SmdAsked[] = [];
  readonly #done = new Set<string>();

  /** @param module what it is for */
  constructor(module: SmdModule, around: SmdSurroundings) {
    this.#module = module;
    this.#around = around;
  }

  /** Where it stands. */
  get phase(): SmdPhase {
    return this.#phase;
  }

  /** Members of which something is missing. */
  get waiting(): readonly NodeId[] {
    return [...this.#waiting];
  }

  /** Another node is principal, or none. */
  stop(): void {
    this.#phase = "off";
    this.#clear();
  }

  /** This node has become principal, or is principal of another cluster now. */
  start(clusterKey: number, members: readonly NodeId[], nowMs: number): void {
    this.#clear();
    this.#phase = "versions";
    this.#clusterKey = clusterKey;
    this.#members = members.filter((node) => node !== this.#around.self);
    this.#transactionId = 0;
    // What this node has and has not kept yet would be confirmed to whoever asks for it again.
    this.#wait(this.#module.isPersisted ? this.#members : [...this.#members, this.#around.self], nowMs);
    this.#afterVersions(nowMs);
  }

  /** A member told its version; undefined when it doesn't have the module at all, and takes no part in it. */
  versionReported(from: NodeId, version: SmdVersion | undefined, nowMs: number): void {
    if (this.#phase !== "versions" || !this.#waiting.delete(from)) return;
    if (version !== undefined) this.#versions.set(from, version);
    this.#afterVersions(nowMs);
  }

  /** A member told its content. */
  fullReported(from: NodeId, items: readonly SmdItem[], nowMs: number): void {
    if (this.#phase !== "fulls" || !this.#waiting.delete(from)) return;
    this.#fulls.push({ items: items.map(storedItem) });
    this.#afterFulls(nowMs);
  }

  /** A member has kept a change. */
  acknowledged(from: NodeId, transactionId: number, nowMs: number): void {
    if (this.#phase !== "acks" || transactionId !== this.#transactionId) return;
    this.#waiting.delete(from);
    this.#afterAcks(nowMs);
  }

  /** This node has kept a change. */
  persisted(nowMs: number): void {
    if (!this.#module.isPersisted || !this.#waiting.delete(this.#around.self)) return;
    if (this.#phase === "versions") this.#afterVersions(nowMs);
    else if (this.#phase === "acks") this.#afterAcks(nowMs);
  }

  /** Somebody wants an item set. */
  ask(asked: SmdAsked, nowMs: number): void {
    const id = askedId(asked);
    if (this.#done.has(id)) return this.#around.answer(asked, this.#module.module, true);
    if (this.#current !== undefined && askedId(this.#current) === id) return;
    if (this.#queue.some((one) => askedId(one) === id)) return;
    if (this.#phase === "off" || this.#queue.length >= SMD_QUEUE_COUNT_MAX) {
      return this.#around.answer(asked, this.#module.module, false);
    }
    this.#queue.push(asked);
    this.#next(nowMs);
  }

  /** Repeats what was not answered. */
  retransmit(nowMs: number): void {
    if (nowMs < this.retransmitAtMs) return;
    this.retransmitAtMs = nowMs + SMD_PRINCIPAL_RETRANSMIT_MS;
    const open = [...this.#waiting].filter((node) => node !== this.#around.self);
    if (open.length === 0) return;
    this.#around.emit({ kind: "count", statistic: "retransmits" });
    if (this.#phase === "versions") this.#send(open, { type: "smd", kind: "request-version" });
    else if (this.#phase === "fulls") this.#send(open, { type: "smd", kind: "request-full" });
    else if (this.#phase === "acks") this.#around.emit({ kind: "send", to: open, message: this.#sent! });
  }

  #clear(): void {
    this.#waiting.clear();
    this.#versions.clear();
    this.#fulls.length = 0;
    this.#queue.length = 0;
    this.#done.clear();
    this.#sent = undefined;
    this.#current = undefined;
    this.retransmitAtMs = Infinity;
  }

  #wait(nodes: readonly NodeId[], nowMs: number): void {
    this.#waiting.clear();
    for (const node of nodes) this.#waiting.add(node);
    this.retransmitAtMs = nodes.length === 0 ? Infinity : nowMs + SMD_PRINCIPAL_RETRANSMIT_MS;
  }

  #send(to: readonly NodeId[], message: SmdMessage): SmdMessage {
    const whole = { ...message, clusterKey: this.#clusterKey, module: this.#module.module };
    if (to.length > 0) this.#around.emit({ kind: "send", to, message: whole });
    return whole;
  }

  /** All versions are there: they are equal, or one member of each other version is asked for its content. */
  #afterVersions(nowMs: number): void {
    if (this.#waiting.size > 0) return;
    const own = this.#module.version;
    if ([...this.#versions.values()].every((version) => sameVersion(version, own))) return this.#idle(nowMs);
    this.#phase = "fulls";
    const asked = new Map<string, NodeId>();
    for (const [node, version] of this.#versions) {
      // What was never changed is empty.
      if (sameVersion(version, own) || sameVersion(version, SMD_NO_VERSION)) continue;
      const name = `${version.clusterKey}/${version.transactionId}`;
      if (!asked.has(name)) asked.set(name, node);
    }
    const nodes = [...asked.values()];
    this.#wait(nodes, nowMs);
    this.#send(nodes, { type: "smd", kind: "request-full" });
    this.#afterFulls(nowMs);
  }

  #afterFulls(nowMs: number): void {
    if (this.#waiting.size > 0) return;
    const { module } = this.#module;
    const items = mergeContents(module, [this.#module.content, ...this.#fulls]);
    this.#fulls.length = 0;
    if (items.length > SMD_ITEM_COUNT_MAX) {
      const text =
        `${SMD_MODULE_NAMES[module]}: ${items.length} items together, more than ${SMD_ITEM_COUNT_MAX} ` +
        "can't be sent; the members keep what they have";
      this.#around.emit({ kind: "log", level: "warning", text });
      return this.#idle(nowMs);
    }
    this.#around.emit({ kind: "count", statistic: "merges" });
    const version = this.#nextVersion();
    const message: SmdMessage = {
      type: "smd",
      kind: "full-from-principal",
      transactionId: version.transactionId,
      items,
      committedClusterKey: version.clusterKey,
    };
    this.#distribute([...this.#versions.keys()], message, nowMs);
    this.#module.commitAll(version, items);
  }

  #nextVersion(): SmdVersion {
    return { clusterKey: this.#clusterKey, transactionId: ++this.#transactionId };
  }

  #distribute(members: readonly NodeId[], message: SmdMessage, nowMs: number): void {
    this.#phase = "acks";
    this.#wait([...members, this.#around.self], nowMs);
    this.#sent = this.#send(members, message);
  }

  #afterAcks(nowMs: number): void {
    if (this.#waiting.size > 0) return;
    const asked = this.#current;
    this.#current = undefined;
    this.#sent = undefined;
    if (asked !== undefined) this.#confirm(asked);
    this.#idle(nowMs);
  }

  #confirm(asked: SmdAsked): void {
    if (this.#done.size >= SMD_DONE_COUNT_MAX) this.#done.delete(this.#done.values().next().value!);
    this.#done.add(askedId(asked));
    this.#around.answer(asked, this.#module.module, true);
  }

  #idle(nowMs: number): void {
    this.#phase = "idle";
    this.retransmitAtMs = Infinity;
    this.#next(nowMs);
  }

  /** Takes the next set; those that change nothing are confirmed at once. */
  #next(nowMs: number): void {
    while (this.#phase === "idle" && this.#queue.length > 0) {
      const asked = this.#queue.shift()!;
      const { module } = this.#module;
      const before = this.#module.item(asked.key);
      const item = changeItem(module, asked, { before, nowMs: this.#around.timestampMs() });
      if (item === undefined) this.#confirm(asked);
      else if (before === undefined && this.#module.itemCount >= SMD_ITEM_COUNT_MAX) {
        this.#around.answer(asked, module, false);
      } else this.#set(asked, item, nowMs);
    }
  }

  #set(asked: SmdAsked, item: SmdStoredItem, nowMs: number): void {
    this.#current = asked;
    const version = this.#nextVersion();
    const { transactionId } = version;
    const members = this.#versions.size > 0 ? [...this.#versions.keys()] : [];
    this.#distribute(members, { type: "smd", kind: "set-from-principal", transactionId, item }, nowMs);
    this.#module.commitItem(version, item);
  }
}

function askedId({ from, transactionId }: SmdAsked): string {
  return `${from} ${transactionId}`;
}

/** An item of a message, complete. */
export function storedItem({ key, value, generation = 0, timestampMs = 0 }: SmdItem): SmdStoredItem {
  return { key, value, generation, timestampMs };
}
