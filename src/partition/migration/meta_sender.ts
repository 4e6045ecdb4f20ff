/**
 * Tells a source what this node has of a partition, before the source sends anything: meta records in batches, of which
 * some may be on their way at once. A batch is repeated each second until it is acknowledged.
 *
 * @module
 */

import {
  CorruptionError,
  MIGRATE_META_BATCH_COUNT_MAX,
  MIGRATE_META_UNACKED_COUNT_MAX,
} from "../../base/mod.ts";
import type { NodeId } from "../../cluster/mod.ts";
import { type EntryRef, LOADED } from "../../storage/mod.ts";
import { FABRIC_CHANNEL } from "../../wire/mod.ts";
import { recordHash } from "./flat_bytes.ts";
import { META_SIZE_BYTES, writeMeta } from "./meta.ts";
import { CallWaiter, PartitionWalk, VISIT, type Visit } from "./partition_walk.ts";
import type { Slices, SliceTask } from "./slices.ts";
import type { MigrationNamespace, MigratorOptions } from "./types.ts";

const RESEND_MS = 1000;

interface Batch {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
  sentMs: number;
}

/** Most partitions of small clusters have few records; a batch grows to {@linkcode MIGRATE_META_BATCH_COUNT_MAX}. */
const FILLING_COUNT_FIRST = 16;

/** What a {@linkcode MetaSender} needs. */
export interface MetaSenderOptions {
  readonly options: MigratorOptions;
  readonly slices: Slices;
  readonly namespace: MigrationNamespace;
  readonly partition: number;
  /** The source. */
  readonly to: NodeId;
  readonly emigrationId: number;
}

/** See the head of the file. */
export class MetaSender implements SliceTask {
  readonly #of: MetaSenderOptions;
  readonly #walk: PartitionWalk;
  readonly #waiter: CallWaiter;
  readonly #unacked = new Map<number, Batch>();
  #filling = new Uint8Array(FILLING_COUNT_FIRST * META_SIZE_BYTES);
  #filledCount = 0;
  #sequence = 0;
  #isWalked = false;
  /** The device brings the bytes of a record. */
  #isReading = false;

  constructor(of: MetaSenderOptions) {
    this.#of = of;
    this.#waiter = new CallWaiter(() => {
      this.#isReading = false;
      of.slices.run(this);
    });
    this.#walk = new PartitionWalk(
      { store: of.namespace.store, partition: of.partition },
      (entry) => this.#visit(entry),
    );
    of.slices.wake(this);
  }

  /** Whether everything was told and acknowledged. */
  get isDone(): boolean {
    return this.#isWalked && this.#unacked.size === 0;
  }

  /** Stops where it is. */
  stop(): void {
    this.#waiter.forget();
    this.#of.slices.remove(this);
    this.#unacked.clear();
    this.#isWalked = true;
  }

  /** The source has a batch. */
  onAck(sequence: number): void {
    if (this.#unacked.delete(sequence) && !this.#isWalked) this.#of.slices.wake(this);
  }

  /** Time passed. */
  tick(nowMs: number): void {
    for (const [sequence, batch] of this.#unacked) {
      if (nowMs - batch.sentMs >= RESEND_MS) this.#send(sequence, batch);
    }
  }

  /** See {@linkcode SliceTask.step}. */
  step(deadlineMs: number): boolean {
    if (this.#isWalked || this.#isReading) return false;
    const end = this.#walk.step(this.#of.options.ports.clock, deadlineMs);
    if (end === "time") return true;
    if (end === "end") {
      this.#isWalked = true;
      this.#close(true);
      return false;
    }
    if (this.#filledCount < MIGRATE_META_BATCH_COUNT_MAX) return false;
    if (this.#unacked.size >= MIGRATE_META_UNACKED_COUNT_MAX) return false;
    this.#close(false);
    return true;
  }

  #visit(entry: EntryRef): Visit {
    const { store, settings } = this.#of.namespace;
    if (this.#filledCount === MIGRATE_META_BATCH_COUNT_MAX) return VISIT.AGAIN;
    try {
      // What can't be read here is told as absent, and comes anew: there is no need to ask for it.
      const loaded = store.loadLasting(entry, this.#waiter);
      this.#isReading = loaded === LOADED.PENDING;
      if (this.#isReading) return VISIT.AGAIN;
      if (loaded === LOADED.FAILED) return VISIT.NEXT;
    } catch (error) {
      if (!(error instanceof CorruptionError) || !settings.migrateSkipUnreadable) throw error;
      return VISIT.NEXT;
    }
    const hash = recordHash(store.flat);
    if (this.#filledCount * META_SIZE_BYTES === this.#filling.length) this.#grow();
    writeMeta(this.#filling, this.#filledCount++ * META_SIZE_BYTES, { entry, hash });
    return VISIT.NEXT;
  }

  #grow(): void {
    const longer = new Uint8Array(this.#filling.length * 2);
    longer.set(this.#filling);
    this.#filling = longer;
  }

  #close(isLast: boolean): void {
    const batch: Batch = {
      bytes: this.#filling.slice(0, this.#filledCount * META_SIZE_BYTES),
      isLast,
      sentMs: 0,
    };
    this.#filledCount = 0;
    const sequence = this.#sequence++;
    this.#unacked.set(sequence, batch);
    this.#send(sequence, batch);
  }

  #send(sequence: number, batch: Batch): void {
    const { options, to, emigrationId } = this.#of;
    batch.sentMs = options.ports.clock.monotonicMs();
    options.fabric.send({ node: to, channel: FABRIC_CHANNEL.BULK }, {
      type: "migrate",
      kind: "meta",
      emigrationId,
      sequence,
      finalFlag: batch.isLast ? 1 : 0,
      metaRecords: batch.bytes,
    });
  }
}
