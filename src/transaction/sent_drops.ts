/**
 * Drops that were sent to replicas that take no tombstones. A drop has no version: one that comes late, by a connection
 * that stood still, removes there what was written since. Its answer says so, and the record is sent to that replica
 * again.
 *
 * @module
 */

import { SENT_DROP_COUNT_MAX } from "../base/mod.ts";
import { EntryRef } from "../storage/mod.ts";
import type { NodeId } from "../wire/mod.ts";
import type { ReplicaRepairs } from "./replica_repair.ts";
import type { WrittenRecord } from "./replica_write.ts";

const entryHere = new EntryRef();

/** The last drops that were sent; answered ones too, because a message may come twice. */
export class SentDrops {
  readonly #repairs: ReplicaRepairs;
  readonly #records = new Map<number, WrittenRecord>();

  /** @param repairs sends records again */
  constructor(repairs: ReplicaRepairs) {
    this.#repairs = repairs;
  }

  /**
   * Notes a drop.
   *
   * @param id its transaction id
   */
  add(id: number, record: WrittenRecord): void {
    this.#records.set(id, record);
    if (this.#records.size <= SENT_DROP_COUNT_MAX) return;
    // A map keeps the order of insertion: the first is the oldest.
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      break;
    }
  }

  /** A replica has confirmed a write; if that was a drop, it may have removed what was written here since. */
  onAck(from: NodeId, id: number): void {
    if (this.#records.size === 0) return;
    const record = this.#records.get(id);
    if (record === undefined) return;
    const { namespace: { store }, digest } = record;
    if (store.find(digest, 0, entryHere) && !entryHere.isTombstone) this.#repairs.add(record, [from]);
  }
}
