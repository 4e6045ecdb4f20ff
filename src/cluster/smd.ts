/**
 * Cluster-wide metadata (SMD): small modules of keys and values (truncation marks, definitions of indexes, UDFs, ...)
 * that all members agree on. A step function like the rest of the cluster.
 *
 * Who wants an item set sends it to the principal, and again until it is confirmed or time is up. The principal gives
 * it a number, sends it to all members, and confirms when all have kept it. When the cluster changes, members report
 * the version of each module, and the principal merges those that differ (`smd_principal.ts`, `smd_merge.ts`). A node
 * alone is its own principal and has nobody to wait for but its disk. What members have told of a module in the exchange
 * holds on all of them from the change on, without any message (`SmdModule.takeTold`).
 *
 * A confirmed set survives as long as one node that was a member survives with its disk, or runs on.
 *
 * Where this differs from what the recorded stock nodes do: a report that overtakes the principal's own cluster change
 * is kept until that change, instead of being lost and asked for again after 3 s.
 *
 * Source: clustering reference, section 17.
 *
 * @module
 */

import { assert, PEER_NODE_COUNT_MAX } from "../base/mod.ts";
import type { SmdMessage } from "../wire/mod.ts";
import type { NodeId } from "./node_id.ts";
import { SmdModule } from "./smd_module.ts";
import { type SmdAsked, type SmdPhase, SmdPrincipal, storedItem } from "./smd_principal.ts";
import {
  SMD_COMMUNITY_MODULES,
  SMD_KEY_SIZE_MAX,
  SMD_ORIGINATOR_RETRANSMIT_MS,
  SMD_REPORT_DELAY_MS,
  SMD_REQUEST_COUNT_MAX,
  SMD_SET_TIMEOUT_MS,
  SMD_VALUE_SIZE_MAX,
  type SmdContent,
  type SmdEffect,
  type SmdEvent,
  type SmdSetResult,
} from "./smd_types.ts";

/** What {@linkcode Smd} is made of. */
export interface SmdOptions {
  /** This node. */
  readonly self: NodeId;
  /** Modules; {@linkcode SMD_COMMUNITY_MODULES} by default. A member without a module takes no part in it. */
  readonly modules?: readonly number[];
  /** What was kept of them, by module. */
  readonly kept?: ReadonlyMap<number, SmdContent>;
  /** The wall clock in ms since 2010; may jump. */
  readonly timestampMs: () => number;
}

/** A set that this node wants. */
interface Request {
  readonly request: number;
  readonly transactionId: number;
  readonly module: number;
  readonly key: string;
  readonly value: string | null;
  readonly deadlineMs: number;
  sendAtMs: number;
}

interface Parts {
  readonly module: SmdModule;
  readonly principal: SmdPrincipal;
  /** A change of the principal that is to be acknowledged when it has been kept. */
  ackTransactionId: number | undefined;
}

/** See the head of the file. */
export class Smd {
  readonly #self: NodeId;
  readonly #parts = new Map<number, Parts>();
  readonly #requests = new Map<number, Request>();
  /** Reports of clusters that this node has not heard of yet; the last of each node. */
  readonly #early = new Map<NodeId, SmdMessage>();
  #clusterKey = 0;
  #succession: readonly NodeId[] = [];
  #reportAtMs = Infinity;
  #transactionId = 0;
  #nowMs = 0;
  #effects: SmdEffect[] = [];

  /** @param options who it is, and what it kept */
  constructor(options: SmdOptions) {
    this.#self = options.self;
    const emit = (effect: SmdEffect) => void this.#effects.push(effect);
    for (const number of options.modules ?? SMD_COMMUNITY_MODULES) {
      const module = new SmdModule({ module: number, content: options.kept?.get(number), emit });
      const principal = new SmdPrincipal(module, {
        self: options.self,
        emit,
        timestampMs: options.timestampMs,
        answer: (asked, of, ok) => this.#answer(asked, of, ok),
      });
      this.#parts.set(number, { module, principal, ackTransactionId: undefined });
    }
  }

  /** When the next tick is due, monotonic; Infinity when none is. */
  get nextTickMs(): number {
    let nextMs = this.#isPersisted ? this.#reportAtMs : Infinity;
    for (const { principal } of this.#parts.values()) nextMs = Math.min(nextMs, principal.retransmitAtMs);
    for (const { deadlineMs, sendAtMs } of this.#requests.values()) {
      nextMs = Math.min(nextMs, deadlineMs, sendAtMs);
    }
    return nextMs;
  }

  /** Numbers of the modules. */
  get modules(): number[] {
    return [...this.#parts.keys()];
  }

  /** A module's content; undefined when this node does not have the module. */
  content(module: number): SmdContent | undefined {
    return this.#parts.get(module)?.module.content;
  }

  /** Where the principal stands with a module; "off" on other members. */
  phase(module: number): SmdPhase {
    return this.#parts.get(module)?.principal.phase ?? "off";
  }

  /**
   * Reacts to an event.
   *
   * @param event what happened
   * @param nowMs monotonic time
   * @returns what is to be done, in this order
   */
  step(event: SmdEvent, nowMs: number): SmdEffect[] {
    this.#nowMs = nowMs;
    this.#react(event);
    this.#tick();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #react(event: SmdEvent): void {
    switch (event.kind) {
      case "tick":
        return;
      case "cluster-changed":
        return this.#changeCluster(event);
      case "orphaned":
        return this.#leaveCluster();
      case "message":
        return this.#receive(event.from, event.message);
      case "set":
        return this.#request(event);
      case "persisted":
        return this.#persisted(event.module, event.revision);
    }
  }

  /** A version is told only when its content has been kept: equal versions count as confirmed everywhere. */
  get #isPersisted(): boolean {
    return [...this.#parts.values()].every(({ module }) => module.isPersisted);
  }

  get #isPrincipal(): boolean {
    return this.#succession[0] === this.#self;
  }

  #leaveCluster(): void {
    this.#clusterKey = 0;
    this.#succession = [];
    this.#reportAtMs = Infinity;
    for (const parts of this.#parts.values()) {
      parts.principal.stop();
      parts.ackTransactionId = undefined;
    }
  }

  #changeCluster(event: Extract<SmdEvent, { kind: "cluster-changed" }>): void {
    const { clusterKey, succession, told = [] } = event;
    assert(clusterKey !== 0 && succession.includes(this.#self), "a cluster has a key, and this node in it");
    this.#leaveCluster();
    this.#clusterKey = clusterKey;
    this.#succession = succession;
    for (const { module } of this.#parts.values()) {
      module.takeTold(clusterKey, told.filter((one) => one.module === module.module));
    }
    // What waits for a confirmation goes to the new principal.
    for (const request of this.#requests.values()) request.sendAtMs = this.#nowMs;
    if (!this.#isPrincipal) {
      this.#reportAtMs = this.#nowMs + SMD_REPORT_DELAY_MS;
      this.#early.clear();
      return;
    }
    for (const { principal } of this.#parts.values()) principal.start(clusterKey, succession, this.#nowMs);
    for (const [from, message] of this.#early) {
      if (message.clusterKey !== clusterKey) continue;
      this.#early.delete(from);
      this.#receive(from, message);
    }
  }

  #tick(): void {
    if (this.#nowMs >= this.#reportAtMs && this.#isPersisted) this.#report();
    for (const { principal } of this.#parts.values()) principal.retransmit(this.#nowMs);
    for (const request of this.#requests.values()) {
      if (this.#nowMs >= request.deadlineMs) this.#finish(request, "timeout");
      else if (this.#nowMs >= request.sendAtMs) this.#forward(request);
    }
  }

  #report(): void {
    this.#reportAtMs = Infinity;
    const versions = [...this.#parts.values()].map(({ module }) => ({
      module: module.module,
      ...module.version,
    }));
    this.#send([this.#succession[0]], { type: "smd", kind: "report-all-versions", versions });
  }

  #send(to: readonly NodeId[], message: SmdMessage): void {
    this.#effects.push({ kind: "send", to, message: { ...message, clusterKey: this.#clusterKey } });
  }

  #count(statistic: Extract<SmdEffect, { kind: "count" }>["statistic"]): void {
    this.#effects.push({ kind: "count", statistic });
  }

  #request(event: Extract<SmdEvent, { kind: "set" }>): void {
    const { request, module, key, value, timeoutMs = SMD_SET_TIMEOUT_MS } = event;
    const isTooLarge = key.length > SMD_KEY_SIZE_MAX || (value?.length ?? 0) > SMD_VALUE_SIZE_MAX;
    if (isTooLarge || !this.#parts.has(module) || this.#requests.size >= SMD_REQUEST_COUNT_MAX) {
      this.#effects.push({ kind: "set-done", request, result: "refused" });
      return this.#count("sets_refused");
    }
    const transactionId = ++this.#transactionId;
    const deadlineMs = this.#nowMs + timeoutMs;
    const sendAtMs = this.#clusterKey === 0 ? Infinity : this.#nowMs;
    this.#requests.set(transactionId, { request, transactionId, module, key, value, deadlineMs, sendAtMs });
  }

  #forward(request: Request): void {
    const { module, key, value, transactionId } = request;
    if (this.#clusterKey === 0) {
      request.sendAtMs = Infinity;
      return;
    }
    request.sendAtMs = this.#nowMs + SMD_ORIGINATOR_RETRANSMIT_MS;
    if (this.#isPrincipal) {
      return this.#parts.get(module)!.principal.ask(
        { from: this.#self, transactionId, key, value },
        this.#nowMs,
      );
    }
    const item = { key, value };
    this.#send([this.#succession[0]], { type: "smd", kind: "set-to-principal", transactionId, module, item });
  }

  #finish(request: Request, result: SmdSetResult): void {
    this.#requests.delete(request.transactionId);
    this.#effects.push({ kind: "set-done", request: request.request, result });
    this.#count(result === "ok" ? "sets_done" : "sets_timed_out");
  }

  #answer(asked: Pick<SmdAsked, "from" | "transactionId">, module: number, ok: boolean): void {
    const { from, transactionId } = asked;
    if (from !== this.#self) {
      return this.#send([from], { type: "smd", kind: ok ? "set-ack" : "set-nack", transactionId, module });
    }
    const request = this.#requests.get(transactionId);
    if (request !== undefined && ok) this.#finish(request, "ok");
  }

  #persisted(number: number, revision: number): void {
    const parts = this.#parts.get(number);
    if (parts === undefined) return;
    parts.module.persisted(revision);
    this.#acknowledge(parts);
    parts.principal.persisted(this.#nowMs);
  }

  #acknowledge(parts: Parts): void {
    const transactionId = parts.ackTransactionId;
    if (transactionId === undefined || !parts.module.isPersisted) return;
    parts.ackTransactionId = undefined;
    const { module } = parts.module;
    this.#send([this.#succession[0]], { type: "smd", kind: "ack-to-principal", transactionId, module });
  }

  #receive(from: NodeId, message: SmdMessage): void {
    if (message.clusterKey !== this.#clusterKey || this.#clusterKey === 0) {
      return this.#receiveOther(from, message);
    }
    if (!this.#succession.includes(from)) return this.#count("messages_unexpected");
    if (message.kind === "report-all-versions") return this.#receiveReport(from, message);
    const parts = this.#parts.get(message.module ?? -1);
    if (parts === undefined) return this.#count("messages_unexpected");
    if (isForPrincipal(message)) {
      if (!this.#isPrincipal) return this.#count("messages_unexpected");
      return this.#receiveAsPrincipal(from, message, parts);
    }
    if (from !== this.#succession[0]) return this.#count("messages_unexpected");
    this.#receiveFromPrincipal(message, parts);
  }

  /** Reports may come before this node's own cluster change; everything else is repeated by its sender. */
  #receiveOther(from: NodeId, message: SmdMessage): void {
    const hasRoom = this.#early.has(from) || this.#early.size < PEER_NODE_COUNT_MAX;
    if (message.kind === "report-all-versions" && hasRoom) this.#early.set(from, message);
    this.#count("messages_other_cluster");
  }

  #receiveReport(from: NodeId, { versions = [] }: SmdMessage): void {
    if (!this.#isPrincipal) return this.#count("messages_unexpected");
    for (const [number, { principal }] of this.#parts) {
      principal.versionReported(from, versions.find(({ module }) => module === number), this.#nowMs);
    }
  }

  #receiveAsPrincipal(from: NodeId, message: SmdMessage, { principal }: Parts): void {
    const { transactionId = 0, item, items } = message;
    switch (message.kind) {
      case "set-to-principal":
        if (item === undefined) return this.#count("messages_unexpected");
        return principal.ask({ from, transactionId, key: item.key, value: item.value }, this.#nowMs);
      case "report-version": {
        const version = { clusterKey: message.committedClusterKey ?? 0, transactionId };
        return principal.versionReported(from, version, this.#nowMs);
      }
      case "full-to-principal":
        return principal.fullReported(from, items ?? [], this.#nowMs);
      case "ack-to-principal":
        return principal.acknowledged(from, transactionId, this.#nowMs);
    }
  }

  #receiveFromPrincipal(message: SmdMessage, parts: Parts): void {
    const { transactionId = 0 } = message;
    const { module, version } = parts.module;
    const principal = this.#succession[0];
    switch (message.kind) {
      case "request-version":
        if (!parts.module.isPersisted) return;
        return this.#send([principal], {
          type: "smd",
          kind: "report-version",
          transactionId: version.transactionId,
          module,
          committedClusterKey: version.clusterKey,
        });
      case "request-full":
        return this.#send([principal], {
          type: "smd",
          kind: "full-to-principal",
          module,
          items: parts.module.content.items,
        });
      case "set-from-principal":
      case "full-from-principal":
        return this.#receiveChange(message, parts);
      case "set-ack":
      case "set-nack": {
        // One that was declined is tried again when its turn comes.
        const request = this.#requests.get(transactionId);
        if (request !== undefined && message.kind === "set-ack") this.#finish(request, "ok");
      }
    }
  }

  /** Takes a change over unless it is here already; a repetition of the last one is acknowledged again. */
  #receiveChange({ kind, transactionId = 0, item, items = [] }: SmdMessage, parts: Parts): void {
    const { module } = parts;
    const own = module.version.clusterKey === this.#clusterKey ? module.version.transactionId : 0;
    if (transactionId < own || transactionId === 0) return this.#count("messages_unexpected");
    parts.ackTransactionId = transactionId;
    if (transactionId > own) {
      const version = { clusterKey: this.#clusterKey, transactionId };
      if (kind === "full-from-principal") module.commitAll(version, items.map(storedItem));
      else if (item !== undefined) module.commitItem(version, storedItem(item));
    }
    this.#acknowledge(parts);
  }
}

function isForPrincipal({ kind }: SmdMessage): boolean {
  return kind === "set-to-principal" || kind === "report-version" || kind === "full-to-principal" ||
    kind === "ack-to-principal";
}
