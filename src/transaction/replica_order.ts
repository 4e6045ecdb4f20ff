/**
 * The order of what a node was sent about a record, beside members that take no tombstones. A drop has no version: one
 * that comes late, by a connection that stood still, would remove what was written since, and a write that comes after
 * the drop would bring back what was deleted. But transaction ids count up at their sender, a stock one's too, and each
 * is drawn when the record is read: of two messages of one node the one with the smaller id is the older one.
 *
 * The table has one place for several digests, and forgets: what is forgotten is taken as it comes, but a drop that comes
 * twice. It has no objects of its own, because all replica writes of a mixed cluster come by here.
 *
 * @module
 */

import {
  copyBytes,
  DIGEST_SIZE_BYTES,
  equalBytes,
  readU32LE,
  REPLICA_ORDER_PLACE_COUNT,
} from "../base/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import type { Namespace } from "./context.ts";
import { PeerIds } from "./peer_ids.ts";

/** Nothing is on its way for longer; ids of a former process of the sender are gone by then. */
const AGE_MAX_MS = 30_000;

/** Where the digest's bytes are that choose a place: the first ones are the partition's. */
const HASH_AT = 8;

/** A message about one record. */
export interface ReplicaOrderKey {
  /** Its sender. */
  readonly from: NodeId;
  /** The record's namespace. */
  readonly namespace: Namespace;
  /** The record's digest. */
  readonly digest: Uint8Array;
  /** Its transaction id. */
  readonly id: number;
  /** When it came, by the monotonic clock. */
  readonly nowMs: number;
}

/** See the head of the file. */
export class ReplicaOrder {
  readonly #dropsTaken = new PeerIds();
  readonly #digests = new Uint8Array(REPLICA_ORDER_PLACE_COUNT * DIGEST_SIZE_BYTES);
  readonly #ids = new Uint32Array(REPLICA_ORDER_PLACE_COUNT);
  readonly #timesMs = new Float64Array(REPLICA_ORDER_PLACE_COUNT);
  readonly #drops = new Uint8Array(REPLICA_ORDER_PLACE_COUNT);
  readonly #senders: (NodeId | undefined)[] = new Array(REPLICA_ORDER_PLACE_COUNT).fill(undefined);
  readonly #namespaces: (Namespace | undefined)[] = new Array(REPLICA_ORDER_PLACE_COUNT).fill(undefined);

  /** Whether a drop without a version counts; it is noted then. */
  takeDrop(key: ReplicaOrderKey): boolean {
    if (!this.#dropsTaken.add(key.from, key.id) || this.#isLate(key)) return false;
    this.#note(key, true);
    return true;
  }

  /** Notes a drop that told a version, and is taken. */
  noteDrop(key: ReplicaOrderKey): void {
    if (!this.#isLate(key)) this.#note(key, true);
  }

  /** Whether a record counts: its sender has not dropped it since. It is noted then. */
  takeRecord(key: ReplicaOrderKey): boolean {
    if (this.#isLate(key)) return this.#drops[placeOf(key.digest)] === 0;
    this.#note(key, false);
    return true;
  }

  /** Forgets a sender: its next process begins with ids of its own. */
  forget(node: NodeId): void {
    this.#dropsTaken.forget(node);
    for (let place = 0; place < this.#senders.length; place++) {
      if (this.#senders[place] === node) this.#senders[place] = undefined;
    }
  }

  #note({ from, namespace, digest, id, nowMs }: ReplicaOrderKey, isDrop: boolean): void {
    const place = placeOf(digest);
    copyBytes(digest, 0, this.#digests, place * DIGEST_SIZE_BYTES, DIGEST_SIZE_BYTES);
    this.#ids[place] = id;
    this.#timesMs[place] = nowMs;
    this.#drops[place] = isDrop ? 1 : 0;
    this.#senders[place] = from;
    this.#namespaces[place] = namespace;
  }

  /** Whether the sender of a message has sent a newer one about the record, which came. */
  #isLate({ from, namespace, digest, id, nowMs }: ReplicaOrderKey): boolean {
    const place = placeOf(digest);
    return isBefore(id, this.#ids[place]) && this.#senders[place] === from &&
      this.#namespaces[place] === namespace && nowMs - this.#timesMs[place] < AGE_MAX_MS &&
      equalBytes(this.#digests, place * DIGEST_SIZE_BYTES, digest, 0, DIGEST_SIZE_BYTES);
  }
}

function placeOf(digest: Uint8Array): number {
  return readU32LE(digest, HASH_AT) % REPLICA_ORDER_PLACE_COUNT;
}

/** Order of two ids, which may have wrapped around. */
function isBefore(first: number, second: number): boolean {
  return ((first - second) | 0) < 0;
}
