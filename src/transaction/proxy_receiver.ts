/**
 * Requests that other nodes sent on to this one. What can't be served here goes back to its sender with the node that
 * serves, as far as this node knows; it is never sent on again. Source: clustering reference, section 14.2.
 *
 * @module
 */

import { partitionId, PLANTED, PROXIED_COUNT_MAX } from "../base/mod.ts";
import {
  decodeProxy,
  isPeerFault,
  type NodeId,
  type PeerReader,
  type ProxyMessage,
  turnClientMessage,
} from "../wire/mod.ts";
import { Errand } from "./errand.ts";
import { PeerIds } from "./peer_ids.ts";
import type { PeerTransactions } from "./peers.ts";
import { proxyTarget } from "./proxy_sender.ts";
import { ORIGIN } from "./stats.ts";

/** Takes proxy messages. */
export class ProxyReceiver {
  readonly #peers: PeerTransactions;
  readonly #ids = new PeerIds();
  #runningCount = 0;

  /** @param peers sends the answers */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
  }

  /** Requests of other nodes that run here. */
  get count(): number {
    return this.#runningCount;
  }

  /** Takes a message; the reader is lent until the call returns. */
  take(from: NodeId, reader: PeerReader): void {
    const message = decodeProxy(reader);
    if (isPeerFault(message)) return;
    if (message.kind !== "request") return this.#peers.proxies.onAnswer(from, message);
    this.#run(from, message);
  }

  /** A node is not heard any more. */
  onDeparted(node: NodeId): void {
    this.#ids.forget(node);
  }

  #run(from: NodeId, message: ProxyMessage): void {
    const { transactionId, digest } = message;
    const frame = message.message?.slice();
    if (digest === undefined || frame === undefined || !turnClientMessage(frame, "little")) return;
    if (!this.#ids.add(from, transactionId)) return;
    if (this.#peers.isFenced || this.#runningCount >= PROXIED_COUNT_MAX) {
      return this.#return(from, transactionId, from);
    }
    this.#runningCount++;
    const copy = PLANTED.proxyRunsTwice ? frame.slice() : undefined;
    new Errand(this.#peers, {
      frame,
      origin: ORIGIN.FROM_PROXY,
      deadlineMs: Infinity,
      onReply: (reply) => {
        this.#runningCount--;
        this.#peers.send(from, { type: "proxy", kind: "response", transactionId, message: reply });
      },
      onReturned: (namespace) => {
        this.#runningCount--;
        this.#return(from, transactionId, proxyTarget(this.#peers, namespace, partitionId(digest)) ?? from);
      },
    }).begin();
    if (copy !== undefined) this.#runAgain(copy);
  }

  #return(to: NodeId, transactionId: number, redirect: NodeId): void {
    this.#peers.send(to, { type: "proxy", kind: "return", transactionId, redirect });
  }

  #runAgain(frame: Uint8Array): void {
    const nobody = () => {};
    new Errand(this.#peers, {
      frame,
      origin: ORIGIN.FROM_PROXY,
      deadlineMs: Infinity,
      onReply: nobody,
      onReturned: nobody,
    }).begin();
  }
}
