/**
 * Removal of copies that this node gave up: records go without leaving tombstones, in slices.
 *
 * A partition may come back before its old copy is gone. Then clients wait, transfers are put off, and what replica
 * writes bring stays: it carries the mark of a cluster in which the partition was held again
 * (`NamespaceStore.writeEpoch`), the old copy does not.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES } from "../../base/mod.ts";
import type { Clock } from "../../port/mod.ts";
import { EntryRef } from "../../storage/mod.ts";
import type { SliceTask } from "./slices.ts";
import type { MigrationNamespace, MigrationStatistics } from "./types.ts";

/** Records that are looked at before any is removed. */
const BATCH_COUNT = 64;

interface Drop {
  readonly namespace: MigrationNamespace;
  readonly statistics: MigrationStatistics;
  readonly partition: number;
  isInside: boolean;
  readonly after: Uint8Array;
  /** Write epochs since the partition came back. */
  readonly kept: Set<number>;
}

/** See the head of the file. */
export class CopyDrops implements SliceTask {
  readonly #clock: Clock;
  readonly #wake: (task: SliceTask) => void;
  #queue: Drop[] = [];
  readonly #entry = new EntryRef();
  readonly #doomed = new Uint8Array(BATCH_COUNT * DIGEST_SIZE_BYTES);

  /**
   * @param clock ends slices
   * @param wake asks for a slice
   */
  constructor(clock: Clock, wake: (task: SliceTask) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Copies that wait to be removed, or are being removed. */
  get count(): number {
    return this.#queue.length;
  }

  /** Removes the copy of a partition. */
  add(drop: Pick<Drop, "namespace" | "statistics" | "partition">): void {
    const { namespace, partition } = drop;
    if (namespace.partitions.isDropping(partition)) return;
    namespace.store.dropTree(partition);
    if (namespace.store.index.partitionEntryCounts[partition] === 0) return;
    namespace.partitions.setDropping(partition, true);
    // On a device the records stay for a while; a start must not find them.
    namespace.store.partitionMeta.dropTree(partition);
    this.#queue.push({ ...drop, isInside: false, after: new Uint8Array(DIGEST_SIZE_BYTES), kept: new Set() });
    this.#wake(this);
  }

  /** The cluster changed: what clients wait for goes first, and each copy is walked from its start again. */
  restart(): void {
    const isServed = ({ namespace, partition }: Drop) => namespace.partitions.role(partition) !== 0;
    for (const drop of this.#queue) {
      drop.isInside = false;
      const { store, partitions } = drop.namespace;
      if (partitions.versions.exists(drop.partition)) drop.kept.add(store.writeEpoch);
      else drop.kept.clear();
    }
    this.#queue.sort((a, b) => Number(isServed(b)) - Number(isServed(a)));
    if (this.#queue.length > 0) this.#wake(this);
  }

  /** See {@linkcode SliceTask.step}. */
  step(deadlineMs: number): boolean {
    while (this.#queue.length > 0) {
      const drop = this.#queue[0];
      if (this.#removeBatch(drop)) {
        this.#queue.shift();
        drop.namespace.partitions.setDropping(drop.partition, false);
      }
      if (this.#clock.monotonicMs() >= deadlineMs) break;
    }
    return this.#queue.length > 0;
  }

  /** Removes some records; whether the end was reached. */
  #removeBatch(drop: Drop): boolean {
    const { namespace: { store }, partition } = drop;
    let count = 0;
    let looked = 0;
    const isEnd = store.index.forEach(partition, drop.isInside ? drop.after : undefined, (entry) => {
      if (!drop.kept.has(entry.writeEpoch)) entry.copyDigest(this.#doomed, count++ * DIGEST_SIZE_BYTES);
      if (++looked < BATCH_COUNT) return true;
      entry.copyDigest(drop.after, 0);
      drop.isInside = true;
      return false;
    });
    for (let index = 0; index < count; index++) {
      const at = index * DIGEST_SIZE_BYTES;
      if (store.find(this.#doomed, at, this.#entry)) store.remove(this.#doomed, at, this.#entry, "migration");
    }
    drop.statistics.recordsDropped += count;
    return isEnd;
  }
}
