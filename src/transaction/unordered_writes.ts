/**
 * Writes that were sent to stock replicas. A drop has no version there, so that the order in which drops and records
 * come decides what stays: a drop that comes late, by a connection that stood still, removes what was written since, and
 * a record that comes late brings back what was deleted. The answer tells that a message came; when it was of the other
 * kind than what is here now, that replica is sent the record, or the drop, once more.
 *
 * Ids count up, so that the last ones have a ring without objects: all replica writes of a mixed cluster come by here.
 *
 * @module
 */

import {
  copyBytes,
  DIGEST_SIZE_BYTES,
  partitionId,
  ResultCode,
  UNORDERED_WRITE_COUNT_MAX,
} from "../base/mod.ts";
import { EntryRef } from "../storage/mod.ts";
import type { NodeId, RwMessage } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import type { PeerTransactions } from "./peers.ts";
import type { WrittenRecord } from "./replica_write.ts";

const entryHere = new EntryRef();

/** The last writes; answered ones too, because a message may come twice. */
export class UnorderedWrites {
  readonly #peers: PeerTransactions;
  readonly #ids = new Uint32Array(UNORDERED_WRITE_COUNT_MAX);
  readonly #digests = new Uint8Array(UNORDERED_WRITE_COUNT_MAX * DIGEST_SIZE_BYTES);
  readonly #drops = new Uint8Array(UNORDERED_WRITE_COUNT_MAX);
  readonly #namespaces: (Namespace | undefined)[] = new Array(UNORDERED_WRITE_COUNT_MAX).fill(undefined);

  /** @param peers sends again */
  constructor(peers: PeerTransactions) {
    this.#peers = peers;
  }

  /** Notes a write that is sent with a transaction id. */
  add(id: number, { namespace, digest }: WrittenRecord, isDrop: boolean): void {
    const place = id % UNORDERED_WRITE_COUNT_MAX;
    copyBytes(digest, 0, this.#digests, place * DIGEST_SIZE_BYTES, DIGEST_SIZE_BYTES);
    this.#ids[place] = id;
    this.#drops[place] = isDrop ? 1 : 0;
    this.#namespaces[place] = namespace;
  }

  /** A stock replica has taken a write. */
  onAck(from: NodeId, { transactionId: id = -1, resultCode }: RwMessage): void {
    if (resultCode !== ResultCode.OK || id < 0) return;
    const place = id % UNORDERED_WRITE_COUNT_MAX;
    const namespace = this.#namespaces[place];
    if (namespace === undefined || this.#ids[place] !== id || this.#peers.dropFor(from) !== "bare") return;
    const digestAt = place * DIGEST_SIZE_BYTES;
    const isHere = namespace.store.find(this.#digests, digestAt, entryHere) && !entryHere.isTombstone;
    if (isHere !== (this.#drops[place] === 1)) return;
    const digest = this.#digests.slice(digestAt, digestAt + DIGEST_SIZE_BYTES);
    this.#peers.repairs.add({ namespace, digest, partition: partitionId(digest) }, [from]);
  }
}
