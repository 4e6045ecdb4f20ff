/**
 * What a node does when it has lost records of a namespace for good, because a device has failed: its copies no longer
 * claim to be complete, which it tells in the next exchange, and it asks for one at once. The balance that follows lets a
 * node with a complete copy serve, and fills this node again.
 *
 * Until then the node serves as before: it still knows which records it had, takes each from a replica when it is asked
 * for (`transaction/record_mender.ts`), and never says "not found" of one that it lost.
 *
 * Versions must not change between an exchange and its commit. A loss in between is told in one more exchange.
 *
 * @module
 */

import { type ExchangeResult, type NodeId, nodeIdForLog } from "../../cluster/mod.ts";
import type { Clock, Log, Timer } from "../../port/mod.ts";
import type { Namespace } from "../../transaction/mod.ts";
import type { ReclusterMessage } from "../../wire/mod.ts";
import type { ClusterListener } from "./cluster_listener.ts";

/** The principal is asked again after this time. */
const RETRY_MS = 1000;

/** What a {@linkcode DataLoss} stands on. */
export interface DataLossOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly log: Log;
  /** The present cluster. */
  readonly cluster: () => ExchangeResult | undefined;
  /** Forms the cluster anew, if this node is its principal. */
  readonly recluster: () => void;
  /** Sends to a member on the control channel. */
  readonly send: (to: NodeId, message: ReclusterMessage) => void;
}

/** See the head of the file. */
export class DataLoss implements ClusterListener {
  readonly #options: DataLossOptions;
  /** Namespaces whose loss no committed exchange has told of. */
  readonly #untold = new Set<Namespace>();
  /** Those that the exchange under way tells of. */
  #telling: readonly Namespace[] = [];
  #timer: Timer | undefined;
  #isWarned = false;

  constructor(options: DataLossOptions) {
    this.#options = options;
  }

  /** Records of a namespace are lost here. */
  lose(namespace: Namespace): void {
    this.#untold.add(namespace);
    this.#ask();
  }

  /** See {@linkcode ClusterListener}: copies claim less from now on. */
  onExchange(): void {
    this.#telling = [...this.#untold];
    for (const { partitions } of this.#telling) partitions.loseData();
  }

  /** See {@linkcode ClusterListener}. */
  onBalanced(): void {
    for (const namespace of this.#telling) this.#untold.delete(namespace);
    this.#telling = [];
    if (this.#untold.size > 0) this.#ask();
  }

  /** A member wishes an exchange. */
  receive(from: NodeId, { clusterKey }: ReclusterMessage): void {
    const cluster = this.#options.cluster();
    const isMember = cluster?.succession.includes(from) === true;
    if (!isMember || cluster.clusterKey !== Number.parseInt(clusterKey, 16)) return;
    this.#options.log.write(
      "info",
      "clustering",
      `${nodeIdForLog(from)} has lost data: the cluster forms anew`,
    );
    this.#options.recluster();
  }

  /** No message follows. */
  stop(): void {
    this.#untold.clear();
    this.#timer?.cancel();
  }

  #ask(): void {
    this.#timer?.cancel();
    if (this.#untold.size === 0) return;
    this.#timer = this.#options.clock.after(RETRY_MS, () => this.#ask());
    const { self, cluster, recluster, send } = this.#options;
    const present = cluster();
    // In no cluster: the next exchange tells it anyway.
    if (present === undefined) return;
    const { principal, clusterKey, members } = present;
    if (principal === self) return recluster();
    if (members.find(({ node }) => node === principal)?.capabilities === undefined) {
      return this.#warn(principal);
    }
    send(principal, { type: "recluster", clusterKey: clusterKey.toString(16).padStart(16, "0") });
  }

  /** A stock principal knows no such wish. */
  #warn(principal: NodeId): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    this.#options.log.write(
      "warning",
      "clustering",
      `this node has lost data, and its principal ${
        nodeIdForLog(principal)
      } can't be asked for a new exchange: run ` +
        "recluster: there, so that the data is copied here again",
    );
  }
}
