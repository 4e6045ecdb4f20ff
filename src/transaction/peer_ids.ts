/**
 * Ids of messages that came, per peer: a message may come twice when a connection broke, and what it asks for must not be
 * done twice.
 *
 * @module
 */

import { PROXY_ID_COUNT_MAX } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";

/** Remembers the last ids of each peer. */
export class PeerIds {
  readonly #peers = new Map<NodeId, Set<number>>();

  /** Remembers an id; false when it was known. */
  add(node: NodeId, id: number): boolean {
    let ids = this.#peers.get(node);
    if (ids === undefined) this.#peers.set(node, ids = new Set());
    if (ids.has(id)) return false;
    ids.add(id);
    if (ids.size > PROXY_ID_COUNT_MAX) {
      // A set keeps the order of insertion: the first is the oldest.
      for (const oldest of ids) {
        ids.delete(oldest);
        break;
      }
    }
    return true;
  }

  /** Forgets a peer. */
  forget(node: NodeId): void {
    this.#peers.delete(node);
  }
}
