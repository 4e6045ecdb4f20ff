/**
 * Takes the records that a start finds on devices over into the index: of each the newest copy.
 *
 * @module
 */

import { isNewer, isOutlived, isSame } from "../copy_order.ts";
import { ENTRY_FLAG, EntryRef } from "../entry.ts";
import { type FlatRecord, UNIT_SIZE_BYTES } from "../flat.ts";
import { NO_SET } from "../sets.ts";
import type { NamespaceStore } from "../store.ts";
import type { DiskSpace } from "./disk_space.ts";

/** See the head of the file. */
export class Adoption {
  readonly #store: NamespaceStore;
  readonly #disk: DiskSpace;
  readonly #entry = new EntryRef();

  /** @param store that is filled; it has devices */
  constructor(store: NamespaceStore) {
    this.#store = store;
    this.#disk = store.disk!;
  }

  /**
   * Takes over a record that was found, if it is the newest of its digest so far.
   *
   * @param record its header; its checksum is right
   * @param isFromShadow the device itself has it damaged
   */
  adopt(record: FlatRecord, location: number, { isFromShadow }: { isFromShadow: boolean }): void {
    const { bytes, digestAt, voidTime, lastUpdateMs, generation, sizeUnits } = record;
    const store = this.#store;
    const disk = this.#disk;
    const set = record.setAt < 0 ? undefined : store.sets.findOrCreate(bytes, record.setAt, record.setSize);
    if (lastUpdateMs <= Math.max(store.truncateLutMs, set?.truncateLutMs ?? 0)) return;
    const entry = this.#entry;
    const exists = store.index.findOrInsert(bytes, digestAt, entry);
    const orderMs = disk.orderTime(record);
    const isUnconfirmed = exists && (entry.flags & ENTRY_FLAG.UNCONFIRMED) !== 0;
    // Of two that are equal the one that was read counts: the block of the other may be in use again, and torn. It is not
    // when the one read was torn itself: a block is used again only when what was moved from it is synced.
    const isUnread = exists && !isFromShadow && disk.blocks.isUnread(entry.location);
    const isUnproven = isUnconfirmed || isUnread;
    const isKnown = isUnproven && orderMs === entry.orderMs && isSame(record, entry);
    if (exists && !isNewer(record, entry, orderMs) && !isKnown) {
      const isOlderLonger = entry.voidTime !== 0 && (voidTime === 0 || voidTime > entry.voidTime);
      if (isOlderLonger) {
        entry.setFlags(ENTRY_FLAG.OUTLIVED, true);
        store.index.touch(entry.handle);
      }
      return;
    }
    const outlived = exists && isOutlived(entry, voidTime);
    if (exists) {
      store.counts.adjust(entry, bytes, digestAt, -1);
      if (!isUnconfirmed) disk.release(entry.location, entry.sizeUnits);
    }
    entry.setLocation(location, sizeUnits);
    entry.setVoidTime(voidTime);
    entry.setSetId(set?.id ?? NO_SET);
    entry.setTreeId(record.treeId);
    const flags = (record.binCount === 0 ? ENTRY_FLAG.TOMBSTONE : 0) |
      (record.keyAt >= 0 ? ENTRY_FLAG.KEY_STORED : 0) | (outlived ? ENTRY_FLAG.OUTLIVED : 0);
    entry.setVersion(lastUpdateMs, generation, flags);
    if (orderMs !== lastUpdateMs) entry.setOrder(orderMs);
    store.index.touch(entry.handle);
    store.counts.adjust(entry, bytes, digestAt, 1);
    disk.claim(location, sizeUnits);
    if (store.changes.isHeard && !store.startsFast) this.#tell(record, entry.handle, exists);
  }

  #tell(record: FlatRecord, handle: number, existed: boolean): void {
    const { bytes, at, sizeUnits } = record;
    const whole = this.#disk.expanded(bytes, at) ?? bytes.subarray(at, at + sizeUnits * UNIT_SIZE_BYTES);
    this.#store.changes.tellFound(record, { record: whole, handle, existed });
  }
}
