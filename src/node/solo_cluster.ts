/**
 * What a node that is alone says of its cluster: it is its only member and its principal. The key is random per start,
 * so that a client or a tool never takes two nodes for members of one cluster.
 *
 * @module
 */

import { toHex } from "../base/mod.ts";
import type { Clock, Random } from "../port/mod.ts";

/** Bytes of a cluster key. */
const CLUSTER_KEY_SIZE_BYTES = 6;

/** A cluster of one. */
export class SoloCluster {
  /** Upper-case hexadecimal, up to 12 digits, without leading zeros. */
  key = "";
  /** Counts changes of the cluster. */
  generation = 0;
  /** Counts rebalances. */
  rebalanceGeneration = 0;
  /** Monotonic time of the last rebalance. */
  rebalancedMs = 0;
  readonly #clock: Clock;
  readonly #random: Random;

  /** @param ports time, and randomness for keys */
  constructor(ports: { clock: Clock; random: Random }) {
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.recluster();
  }

  /** Nodes of the cluster. */
  get size(): number {
    return 1;
  }

  /** Forms the cluster anew, with another key. */
  recluster(): void {
    const bytes = new Uint8Array(CLUSTER_KEY_SIZE_BYTES);
    do this.#random.fill(bytes); while (bytes.every((byte) => byte === 0));
    this.key = toHex(bytes).replace(/^0+/, "").toUpperCase();
    this.generation++;
    this.rebalanceGeneration++;
    this.rebalancedMs = this.#clock.monotonicMs();
  }
}
