/**
 * For tests of the exchange: nodes on a network in virtual time, with settings that tests change.
 *
 * @module
 */

import type { ExchangeMessage, ExchangeNamespace } from "../wire/mod.ts";
import { Exchange } from "./exchange.ts";
import {
  CAPABILITY,
  EXCHANGE_TICK_MS,
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeOwn,
  type ExchangeResult,
} from "./exchange_types.ts";
import { type NodeId, toSuccession } from "./node_id.ts";

/** Id of node number `number`. */
export function exchangeNodeId(number: number): NodeId {
  return number.toString(16).padStart(16, "0");
}

const shortId = (node: NodeId) => parseInt(node, 16).toString();

/** Names of the capabilities in a word. */
export function capabilityNames(word: number): string {
  const names = Object.entries(CAPABILITY).filter(([, bit]) => (word & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? "none" : names.join(" ");
}

/** A node of the lab. */
export class ExchangeLabNode {
  readonly id: NodeId;
  readonly exchange: Exchange;
  /** Replaced by tests before a round. */
  own: ExchangeOwn;
  migrationsAllowed = false;
  isServing = false;
  readonly commits: ExchangeResult[] = [];
  readonly counts = new Map<string, number>();

  constructor(id: NodeId) {
    this.id = id;
    this.exchange = new Exchange({ self: id, settings: { heartbeatIntervalMs: 150, quantumMs: 1810 } });
    const namespace: ExchangeNamespace = { name: "test", versions: [], replicationFactor: 2 };
    this.own = {
      namespaces: [namespace],
      capabilities: CAPABILITY.DELTA_MIGRATION | CAPABILITY.PLACEMENT,
      incarnation: id,
      host: `host${shortId(id)}`,
    };
  }
}

interface Delivery {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Nodes, their network and their time. */
export class ExchangeLab {
  readonly nodes = new Map<NodeId, ExchangeLabNode>();
  nowMs = 0;
  trace: (line: string) => void = () => {};
  /** Kinds of messages that are lost, and how many of them still are. */
  readonly drops = new Map<string, number>();
  /** Delays of a message: none is a loss, two a repetition. */
  delays: (message: ExchangeMessage) => number[] = () => [1];
  #queue: Delivery[] = [];
  #order = 0;
  #key = 0;

  /** The node with this number; made when it is new. */
  node(number: number): ExchangeLabNode {
    const id = exchangeNodeId(number);
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = new ExchangeLabNode(id);
      this.nodes.set(id, node);
      this.#tickLater(node);
    }
    return node;
  }

  #tickLater(node: ExchangeLabNode): void {
    this.at(this.nowMs + EXCHANGE_TICK_MS, () => {
      this.step(node, { kind: "tick" });
      this.#tickLater(node);
    });
  }

  /** Runs something at a time. */
  at(atMs: number, run: () => void): void {
    this.#queue.push({ atMs, order: this.#order++, run });
  }

  /** Lets the clustering of nodes publish a new cluster of them, each `delayMs(node)` from now; returns its key. */
  form(numbers: readonly number[], delayMs: (number: number) => number = () => 0): number {
    const clusterKey = ++this.#key;
    const succession = toSuccession(numbers.map(exchangeNodeId));
    for (const number of numbers) {
      const node = this.node(number);
      this.at(this.nowMs + delayMs(number), () => {
        this.trace(this.#line(node, `(cluster k${clusterKey}: ${succession.map(shortId).join(" ")})`));
        this.step(node, { kind: "cluster-changed", clusterKey, succession, own: node.own });
      });
    }
    return clusterKey;
  }

  /** Gives an event to a node and does what it asks for. */
  step(node: ExchangeLabNode, event: ExchangeEvent): void {
    for (const effect of node.exchange.step(event, this.nowMs)) this.#do(node, effect);
  }

  #do(node: ExchangeLabNode, effect: ExchangeEffect): void {
    switch (effect.kind) {
      case "forbid-migrations":
        node.migrationsAllowed = false;
        break;
      case "ready":
        break;
      case "send":
        this.#send(node, effect.to, effect.message);
        break;
      case "commit":
        node.commits.push(effect.result);
        node.migrationsAllowed = true;
        node.isServing = true;
        this.trace(
          this.#line(
            node,
            `(commits k${effect.result.clusterKey}, capabilities: ${
              capabilityNames(effect.result.capabilities)
            })`,
          ),
        );
        break;
      case "block-clients":
        node.isServing = false;
        this.trace(this.#line(node, "(blocks clients)"));
        break;
      case "log":
        this.trace(this.#line(node, `${effect.level}: ${effect.text}`));
        break;
      case "count":
        node.counts.set(effect.statistic, (node.counts.get(effect.statistic) ?? 0) + 1);
        break;
    }
  }

  #send(from: ExchangeLabNode, to: readonly NodeId[], message: ExchangeMessage): void {
    const text = `${message.kind} k${message.clusterKey}`;
    this.trace(this.#line(from, `-> ${to.map(shortId).join(" ")}: ${text}`));
    for (const id of to) {
      const left = this.drops.get(message.kind) ?? 0;
      if (left > 0) {
        this.drops.set(message.kind, left - 1);
        this.trace(this.#line(from, `-> ${shortId(id)}: ${text} is lost`));
        continue;
      }
      for (const delay of this.delays(message)) {
        this.at(this.nowMs + delay, () => {
          const node = this.nodes.get(id);
          if (node !== undefined) this.step(node, { kind: "message", from: from.id, message });
        });
      }
    }
  }

  #line(node: ExchangeLabNode, text: string): string {
    return `${String(this.nowMs).padStart(6)}  ${shortId(node.id)}  ${text}`;
  }

  /** Lets time pass. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      let next = -1;
      for (const [index, { atMs, order }] of this.#queue.entries()) {
        if (atMs > endMs) continue;
        const best = this.#queue[next];
        if (best === undefined || atMs < best.atMs || (atMs === best.atMs && order < best.order)) {
          next = index;
        }
      }
      if (next < 0) break;
      const [delivery] = this.#queue.splice(next, 1);
      this.nowMs = delivery.atMs;
      delivery.run();
    }
    this.nowMs = endMs;
  }

  /** One line per node. */
  show(): string[] {
    return [...this.nodes.values()].map((node) => {
      const { state, clusterKey, unacked, missing, unready, problems } = node.exchange.view;
      const lists = [["not acked", unacked], ["missing", missing], ["not ready", unready]] as const;
      const waits = lists.filter(([, list]) => list.length > 0)
        .map(([name, list]) => `, ${name}: ${list.map(shortId).join(" ")}`);
      const refusal = problems.map((problem) => `, ${problem}`).join("");
      const serves = node.isServing ? "" : ", serves nobody";
      return `${shortId(node.id)}: ${state}${clusterKey === 0 ? "" : ` k${clusterKey}`}${
        waits.join("")
      }${refusal}${serves}`;
    });
  }
}
