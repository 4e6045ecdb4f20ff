/**
 * Reads that lengthen a record's life: when less than a given share of its original TTL is left, the full TTL starts
 * again. The read's reply shows the state before; the touch is a write of its own in a later turn.
 * Source: wire-protocol reference, section 2.7.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, partitionId, ResultCode } from "../base/mod.ts";
import { EntryRef, LOADED, nextGeneration, type Waiter } from "../storage/mod.ts";
import type { Namespace, TransactionContext } from "./context.ts";
import { readTouchPct } from "./ttl.ts";

/** Queues a touch when the record that was just read is near its end. */
export function considerReadTouch(context: TransactionContext, namespace: Namespace, entry: EntryRef): void {
  if (entry.voidTime === 0) return;
  const pct = readTouchPct(context.request.recordTtl, namespace, context.set);
  if (pct <= 0) return;
  const originalMs = entry.voidTime * 1000 - entry.lastUpdateMs;
  const leftMs = entry.voidTime * 1000 - namespace.store.nowMs();
  if (originalMs <= 0 || leftMs * 100 >= originalMs * pct) return;
  const originalS = entry.voidTime - Math.floor(entry.lastUpdateMs / 1000);
  const digest = context.request.bytes.slice(context.digestAt, context.digestAt + DIGEST_SIZE_BYTES);
  const touch = new ReadTouch(namespace, { digest, lastUpdateMs: entry.lastUpdateMs, originalS });
  namespace.clock.nextTurn(() => touch.wake());
}

/** One touch; it holds a digest and the version that was read, and gives up when the record has changed since. */
class ReadTouch implements Waiter {
  readonly #namespace: Namespace;
  readonly #digest: Uint8Array;
  readonly #lastUpdateMs: number;
  readonly #originalS: number;
  readonly #entry = new EntryRef();

  constructor(namespace: Namespace, record: { digest: Uint8Array; lastUpdateMs: number; originalS: number }) {
    this.#namespace = namespace;
    this.#digest = record.digest;
    this.#lastUpdateMs = record.lastUpdateMs;
    this.#originalS = record.originalS;
  }

  wake(): void {
    const { store, table, stats } = this.#namespace;
    const entry = this.#entry;
    const isServed = this.#namespace.partitions.admit(partitionId(this.#digest)) === ResultCode.OK;
    const found = isServed && store.find(this.#digest, 0, entry) && store.isLive(entry, store.nowMs());
    if (
      !found || this.#namespace.inFlight.isHeld(this.#digest, 0) || entry.lastUpdateMs !== this.#lastUpdateMs
    ) {
      stats.readTouchSkip++;
      return;
    }
    const loaded = store.load(entry, this);
    if (loaded === LOADED.PENDING) return;
    if (loaded === LOADED.FAILED) {
      stats.readTouchError++;
      return;
    }
    table.reset(store.flat.bytes, this.#digest);
    store.flat.loadBins(table);
    const set = store.sets.byId(entry.setId);
    const resultCode = store.put(
      {
        digest: this.#digest,
        digestAt: 0,
        lastUpdateMs: store.nextLastUpdateMs(entry, set),
        generation: nextGeneration(entry.generation),
        voidTime: Math.floor(store.nowMs() / 1000) + this.#originalS,
        set,
        key: store.flat.key(),
        table,
        origin: "client",
      },
      entry,
      true,
    );
    if (resultCode === ResultCode.OK) stats.readTouchSuccess++;
    else stats.readTouchError++;
    const { peers, partitions, service } = this.#namespace;
    if (resultCode !== ResultCode.OK || peers === undefined || partitions.clusterSize <= 1) return;
    const record = { namespace: this.#namespace, digest: this.#digest, partition: partitionId(this.#digest) };
    peers.replicateOwn(record, { budgetMs: service.transactionMaxMs }, this);
  }
}
