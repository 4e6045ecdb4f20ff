/**
 * The replica writes that a node took lately. A master that dies in the middle of a write may have reached some of its
 * replicas and not others; nobody else knows. One that is no replica any more gives up its copy, and with it what it had
 * to mend. So each replica sends on what it has from a master that is gone, and the copies become equal again without a
 * migration.
 *
 * Each replica write comes by here, so the ring has no objects of its own: what stays for a while in the heap costs the
 * garbage collector more than the write itself.
 *
 * @module
 */

import { copyBytes, DIGEST_SIZE_BYTES, partitionId, RECENT_WRITE_COUNT_MAX } from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import type { WrittenRecord } from "./replica_write.ts";

/** Places that the ring has at first; it doubles until it has all. */
const PLACE_COUNT_FIRST = 256;

/** A ring of the last writes. */
export class RecentWrites {
  #digests = new Uint8Array(PLACE_COUNT_FIRST * DIGEST_SIZE_BYTES);
  #times = new Float64Array(PLACE_COUNT_FIRST);
  readonly #namespaces: Namespace[] = [];
  readonly #senders: NodeId[] = [];
  #next = 0;

  /**
   * Notes a write.
   *
   * @param write the digest is copied
   */
  add(write: { from: NodeId; namespace: Namespace; digest: Uint8Array; nowMs: number }): void {
    if (this.#next === this.#times.length) this.#makeRoom();
    const at = this.#next++;
    copyBytes(write.digest, 0, this.#digests, at * DIGEST_SIZE_BYTES, DIGEST_SIZE_BYTES);
    this.#times[at] = write.nowMs;
    this.#namespaces[at] = write.namespace;
    this.#senders[at] = write.from;
  }

  /** Doubles the ring, or goes on at its begin. */
  #makeRoom(): void {
    const placeCount = Math.min(this.#times.length * 2, RECENT_WRITE_COUNT_MAX);
    if (placeCount === this.#times.length) {
      this.#next = 0;
      return;
    }
    const digests = new Uint8Array(placeCount * DIGEST_SIZE_BYTES);
    digests.set(this.#digests);
    this.#digests = digests;
    const times = new Float64Array(placeCount);
    times.set(this.#times);
    this.#times = times;
  }

  /** Calls `visit` for each write since a time whose sender `isGone`; the digest is the callee's. */
  forEach(
    sinceMs: number,
    visitor: {
      isGone: (node: NodeId, at: { namespace: Namespace; partition: number }) => boolean;
      visit: (record: WrittenRecord) => void;
    },
  ): void {
    for (let at = 0; at < this.#namespaces.length; at++) {
      if (this.#times[at] < sinceMs) continue;
      const namespace = this.#namespaces[at];
      const digestAt = at * DIGEST_SIZE_BYTES;
      const partition = partitionId(this.#digests, digestAt);
      if (!visitor.isGone(this.#senders[at], { namespace, partition })) continue;
      const digest = this.#digests.slice(digestAt, digestAt + DIGEST_SIZE_BYTES);
      visitor.visit({ namespace, digest, partition });
    }
  }
}
