/**
 * Members that clients had better do without: not heard for half the node timeout, while this node heard others or at
 * least was awake. They stay members until clustering decides; but lists of peers leave them out, because official
 * clients wait a second and more for a node that does not answer, each time they look at the cluster, until they find
 * that no other node lists it. A node that answers its clients loses none of them by that: clients keep what answers.
 *
 * @module
 */

import type { NodeId } from "../../cluster/mod.ts";

/** Heartbeat options in milliseconds. */
export interface SilenceTimes {
  /** Time between two pulses. */
  readonly intervalMs: number;
  /** Silence after which a node departs. */
  readonly nodeTimeoutMs: number;
}

/** See the head of the file. */
export class SilenceWatch {
  readonly #receivedMs: (node: NodeId) => number | undefined;
  #lookedMs: number;
  #awakeMs: number;

  /**
   * @param receivedMs monotonic time of a node's last pulse; undefined when the heartbeat has given it up
   * @param nowMs monotonic time
   */
  constructor(receivedMs: (node: NodeId) => number | undefined, nowMs: number) {
    this.#receivedMs = receivedMs;
    this.#lookedMs = this.#awakeMs = nowMs;
  }

  /**
   * The silent ones of some nodes. To be asked each interval or more often: what others said while this node stood
   * still may not be read yet, so that their silence counts from its wake.
   */
  silent(nodes: readonly NodeId[], times: SilenceTimes & { readonly nowMs: number }): NodeId[] {
    const { nowMs } = times;
    if (nowMs - this.#lookedMs > 2 * times.intervalMs) this.#awakeMs = nowMs;
    this.#lookedMs = nowMs;
    const sinceMs = nowMs - times.nodeTimeoutMs / 2;
    return nodes.filter((node) => {
      const receivedMs = this.#receivedMs(node);
      return receivedMs === undefined || Math.max(receivedMs, this.#awakeMs) < sinceMs;
    });
  }
}
