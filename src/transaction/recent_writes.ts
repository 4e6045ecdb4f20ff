/**
 * The replica writes that a node took lately. A master that dies in the middle of a write may have reached some of its
 * replicas and not others; nobody else knows. So each replica sends on what it has from a master that is gone, and the
 * copies become equal again without a migration.
 *
 * @module
 */

import { RECENT_WRITE_COUNT_MAX } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";

/** A ring of the last writes. */
export class RecentWrites {
  readonly #digests: Uint8Array[] = [];
  readonly #namespaces: Namespace[] = [];
  readonly #senders: NodeId[] = [];
  readonly #times: number[] = [];
  #next = 0;

  /**
   * Notes a write.
   *
   * @param write the digest is kept by reference
   */
  add(write: { from: NodeId; namespace: Namespace; digest: Uint8Array; nowMs: number }): void {
    const at = this.#next;
    this.#next = (at + 1) % RECENT_WRITE_COUNT_MAX;
    this.#digests[at] = write.digest;
    this.#namespaces[at] = write.namespace;
    this.#senders[at] = write.from;
    this.#times[at] = write.nowMs;
  }

  /** Calls `visit` for each write since a time whose sender `isGone`. */
  forEach(
    sinceMs: number,
    visitor: {
      isGone: (node: NodeId) => boolean;
      visit: (namespace: Namespace, digest: Uint8Array) => void;
    },
  ): void {
    for (let at = 0; at < this.#digests.length; at++) {
      if (this.#times[at] < sinceMs || !visitor.isGone(this.#senders[at])) continue;
      visitor.visit(this.#namespaces[at], this.#digests[at]);
    }
  }
}
