/**
 * One partition's way to another node, seen from where it leaves.
 *
 * | state | leaves when |
 * | ----- | ----------- |
 * | starting | the receiver takes it: receiving-meta, or sending; it says "again": ended, to be tried later; "fail": ended |
 * | receiving-meta | all that the receiver has is known: sending |
 * | sending | the walk over the records has ended: removing with meta records, else draining |
 * | removing | what the receiver has and this node, which has everything, lacks was told: draining |
 * | draining | all inserts were answered: handing-off for an acting master, else finishing |
 * | handing-off | no write of the partition waits for replicas any more, and inserts that followed were answered: finishing |
 * | finishing | the receiver has everything, as durable as it was here: ended |
 *
 * Records that change meanwhile reach the receiver as replica writes. One that did not is told by `resend`, and goes
 * again. Start and done are repeated each second, inserts after `migrate-retransmit-ms`; a record that changed since goes
 * as it is now, one that is gone does not. A change of the cluster ends everything at once: {@linkcode Emigration.stop}.
 *
 * Source: clustering reference, sections 12.3 and 12.6.
 *
 * @module
 */

import { CorruptionError, DIGEST_SIZE_BYTES, PLANTED } from "../../base/mod.ts";
import type { NodeId } from "../../cluster/mod.ts";
import { EntryRef, LOADED, UNIT_SIZE_BYTES, withoutIndexes } from "../../storage/mod.ts";
import {
  FABRIC_CHANNEL,
  MIGRATE_FEATURE_META_MERGE,
  MIGRATE_INFO_REMOVE,
  type MigrateMessage,
  type MigrateMeta,
} from "../../wire/mod.ts";
import { EMIGRATION_FLAG } from "../balance.ts";
import { recordEnd, recordHash } from "./flat_bytes.ts";
import { isSameVersion, META_SIZE_BYTES, metaBatchFault, metaHash, MetaTable } from "./meta.ts";
import { CallWaiter, PartitionWalk, VISIT, type Visit } from "./partition_walk.ts";
import type { Slices, SliceTask } from "./slices.ts";
import type { MigrationNamespace, MigrationStatistics, MigratorOptions } from "./types.ts";
import { InsertWindow } from "./window.ts";

/** Start and done are sent again after this time. */
export const CONTROL_RESEND_MS = 1000;

/** Bytes that are sent before the fabric is asked whether it can take more. */
const SEND_BURST_BYTES = 64 * 1024;

/** Pause that `migrate-sleep` has to add up to before it is made: timers know no shorter one. */
const SLEEP_MIN_US = 1000;

/** A transfer that this node has to make. */
export interface EmigrationPlan {
  readonly id: number;
  readonly namespace: MigrationNamespace;
  readonly partition: number;
  readonly to: NodeId;
  /** Bits of {@linkcode EMIGRATION_FLAG}. */
  readonly flags: number;
}

/** Where an emigration is. */
export type EmigrationState =
  | "starting"
  | "receiving-meta"
  | "sending"
  | "removing"
  | "draining"
  | "handing-off"
  | "finishing"
  | "ended";

/** How an emigration ended: it may be tried again after "again". */
export type EmigrationEnd = "done" | "again" | "fail";

/** What an emigration needs. */
export interface EmigrationHost {
  readonly options: MigratorOptions;
  readonly slices: Slices;
  readonly clusterKey: number;
  /** All members can tell what they have first. */
  readonly delta: boolean;
  /** All members know the form of persisted indexes. */
  readonly takesIndexes: boolean;
  /** Counters of the plan's namespace. */
  readonly statistics: MigrationStatistics;
  onEnd(emigration: Emigration, end: EmigrationEnd): void;
  /** Everything was sent, and only answers are waited for. */
  onSent(): void;
}

/** See the head of the file. */
export class Emigration implements SliceTask {
  readonly plan: EmigrationPlan;
  state: EmigrationState = "starting";
  readonly #host: EmigrationHost;
  readonly #window = new InsertWindow();
  readonly #walk: PartitionWalk;
  readonly #entry = new EntryRef();
  readonly #waiter: CallWaiter;
  readonly #name = new Uint8Array(META_SIZE_BYTES);
  /** Digests that go once more. */
  #again: Uint8Array[] = [];
  #controlMs = 0;
  #burstBytes = 0;
  #sleepDebtUs = 0;
  #isSleeping = false;
  /** The device brings the bytes of a record. */
  #isReading = false;
  #isResendDue = false;
  #isDrained = false;
  #isSent = false;
  #meta: MetaTable | undefined;
  readonly #batches = new Set<number>();
  #batchCount = Infinity;
  #removeAt = 0;

  constructor(plan: EmigrationPlan, host: EmigrationHost) {
    this.plan = plan;
    this.#host = host;
    this.#waiter = new CallWaiter(() => {
      this.#isReading = false;
      host.slices.run(this);
    });
    this.#walk = new PartitionWalk(
      { store: plan.namespace.store, partition: plan.partition },
      (entry) => this.#visit(entry),
    );
    this.#sendStart();
  }

  /** Whether this node has everything that the receiver should have, so that what it lacks is to be removed there. */
  get #isComplete(): boolean {
    const { namespace: { partitions }, partition, flags } = this.plan;
    if (partitions.balance!.selfPlace[partition] === 0) return true;
    return (flags & EMIGRATION_FLAG.ACTING_MASTER) !== 0 && partitions.duplicates(partition).length === 0;
  }

  /** Whether everything was sent, and only answers are waited for. */
  get isWaiting(): boolean {
    return this.state === "draining" || this.state === "handing-off" || this.state === "finishing";
  }

  get #nowMs(): number {
    return this.#host.options.ports.clock.monotonicMs();
  }

  #send(channel: number, message: MigrateMessage): boolean {
    const result = this.#host.options.fabric.send({ node: this.plan.to, channel }, message);
    return result === "sent" || result === "queued";
  }

  #sendStart(): void {
    const { id, namespace, partition } = this.plan;
    const { clusterKey, delta } = this.#host;
    this.#controlMs = this.#nowMs;
    this.#send(FABRIC_CHANNEL.CTRL, {
      type: "migrate",
      kind: "start",
      emigrationId: id,
      namespace: namespace.settings.name,
      partition,
      clusterKey,
      features: delta ? MIGRATE_FEATURE_META_MERGE : 0,
      recordCount: namespace.store.index.partitionEntryCounts[partition],
    });
  }

  #sendDone(): void {
    this.#controlMs = this.#nowMs;
    this.#send(FABRIC_CHANNEL.CTRL, { type: "migrate", kind: "done", emigrationId: this.plan.id });
  }

  // What the receiver says.

  /** The receiver answered a start. */
  onStartAnswer(answer: "start-ok" | "start-again" | "start-fail", features: number): void {
    if (this.state !== "starting") return;
    if (answer !== "start-ok") return this.#end(answer === "start-again" ? "again" : "fail");
    if (this.#host.delta && (features & MIGRATE_FEATURE_META_MERGE) !== 0) this.#expectMeta();
    else this.#beginSending();
  }

  #expectMeta(): void {
    this.state = "receiving-meta";
    this.#meta = new MetaTable();
  }

  #beginSending(): void {
    this.state = "sending";
    this.#host.slices.wake(this);
  }

  /**
   * A batch of what the receiver has. It may overtake the answer to the start, which came by another connection.
   *
   * @returns what is wrong with it; undefined when nothing is
   */
  onMeta(message: MigrateMeta): string | undefined {
    const { sequence, metaRecords, finalFlag } = message;
    if (!this.#host.delta || sequence === undefined || metaRecords === undefined) {
      return "not a batch that was asked for";
    }
    const fault = metaBatchFault(metaRecords, this.plan.partition);
    if (fault !== undefined) return fault;
    if (this.state === "starting") this.#expectMeta();
    this.#send(FABRIC_CHANNEL.BULK, {
      type: "migrate",
      kind: "meta-ack",
      emigrationId: this.plan.id,
      sequence,
    });
    if (this.state !== "receiving-meta" || this.#batches.has(sequence)) return undefined;
    this.#batches.add(sequence);
    if (finalFlag !== undefined && finalFlag !== 0) this.#batchCount = sequence + 1;
    if (this.#meta?.hasRoomFor(metaRecords)) this.#meta.add(metaRecords);
    else this.#meta = undefined;
    if (this.#batches.size >= this.#batchCount) this.#beginSending();
    return undefined;
  }

  /** The receiver has a record. */
  onInsertAck(insertId: number): void {
    if (this.state === "ended" || !this.#window.settle(insertId)) return;
    if (this.state === "draining" || this.state === "handing-off") this.#advance();
    else if (this.state !== "finishing") this.#host.slices.wake(this);
  }

  /** The receiver has everything. */
  onDoneAck(): void {
    if (this.state === "finishing") this.#end("done");
  }

  // What this node does.

  /** A record reached its replicas in doubt: it goes once more, if the transfer has not ended. */
  resend(digest: Uint8Array): void {
    if (this.state === "finishing" || this.state === "ended") return;
    this.#again.push(digest.slice(0, DIGEST_SIZE_BYTES));
    this.#host.slices.wake(this);
  }

  /** Time passed. */
  tick(nowMs: number): void {
    if (this.state === "starting" && nowMs - this.#controlMs >= CONTROL_RESEND_MS) this.#sendStart();
    else if (this.state === "finishing" && nowMs - this.#controlMs >= CONTROL_RESEND_MS) this.#sendDone();
    else if (this.#window.unackedCount > 0) {
      this.#isResendDue = !PLANTED.noInsertResend;
      this.#host.slices.wake(this);
    } else if (this.state === "sending" || this.state === "removing" || this.#again.length > 0) {
      this.#host.slices.wake(this);
    }
  }

  /** The fabric can take more. */
  onDrain(): void {
    if (this.state !== "ended") this.#host.slices.wake(this);
  }

  /** Ends at once, whatever the state; nothing is told to anybody. */
  stop(): void {
    const { namespace, partition } = this.plan;
    if (this.state === "handing-off") namespace.partitions.cancelHandOff(partition);
    this.#leave();
  }

  #end(end: EmigrationEnd): void {
    this.#leave();
    this.#host.onEnd(this, end);
  }

  #leave(): void {
    this.state = "ended";
    this.#waiter.forget();
    this.#host.slices.remove(this);
    this.#meta = undefined;
  }

  /** See {@linkcode SliceTask.step}. */
  step(deadlineMs: number): boolean {
    if (this.state === "ended" || this.#isSleeping || this.#isReading) return false;
    const target = { node: this.plan.to, channel: FABRIC_CHANNEL.BULK };
    if (this.#host.options.fabric.isOverloaded(target)) return false;
    this.#burstBytes = 0;
    const { clock } = this.#host.options.ports;
    if (this.#isResendDue && !this.#resendInserts(deadlineMs)) return true;
    while (this.#again.length > 0) {
      if (this.#sendAgain() !== VISIT.NEXT) return this.#pause();
      if (clock.monotonicMs() >= deadlineMs) return true;
    }
    if (this.state === "sending") {
      const end = this.#walk.step(clock, deadlineMs);
      if (end === "time") return true;
      if (end === "stopped") return this.#pause();
      this.state = this.#removes ? "removing" : "draining";
    }
    if (this.state === "removing" && !this.#removeRest(deadlineMs)) return this.#pause();
    if (this.state === "removing") this.state = "draining";
    const wasSent = this.#isSent;
    this.#isSent = this.state === "draining";
    this.#advance();
    if (this.#isSent && !wasSent && this.isWaiting) this.#host.onSent();
    return false;
  }

  /** The slice ended early: because of `migrate-sleep`, of a full burst, or because something has to come first. */
  #pause(): boolean {
    if (this.#sleepDebtUs >= SLEEP_MIN_US) {
      this.#isSleeping = true;
      this.#host.options.ports.clock.after(this.#sleepDebtUs / 1000, () => {
        this.#isSleeping = false;
        this.#sleepDebtUs = 0;
        if (this.state !== "ended") this.#host.slices.wake(this);
      });
      return false;
    }
    return this.#burstBytes >= SEND_BURST_BYTES;
  }

  #visit(entry: EntryRef): Visit {
    const { store } = this.plan.namespace;
    if (this.#window.isFull) return VISIT.AGAIN;
    if (this.#burstBytes >= SEND_BURST_BYTES || this.#sleepDebtUs >= SLEEP_MIN_US) return VISIT.AGAIN;
    if (store.isTruncated(entry) || (PLANTED.tombstonesStay && entry.isTombstone)) return VISIT.NEXT;
    const meta = this.#meta;
    // What a stock receiver has is not known: an expired record may have an older copy there, which would live on.
    if (meta === undefined) return this.#sendEntry(entry);
    entry.copyDigest(this.#name, 0);
    const metaAt = meta.find(this.#name, 0);
    if (metaAt < 0) return store.isExpired(entry, store.nowMs()) ? VISIT.NEXT : this.#sendEntry(entry);
    meta.match(metaAt);
    if (!isSameVersion(meta.records, metaAt, entry)) return this.#sendEntry(entry);
    if (PLANTED.deltaIgnoresHash) return VISIT.NEXT;
    return this.#compareContent(entry, metaHash(meta.records, metaAt));
  }

  #compareContent(entry: EntryRef, hash: number): Visit {
    const loaded = this.#load(entry);
    if (loaded !== "here") return loaded === "unreadable" ? VISIT.NEXT : VISIT.AGAIN;
    const { flat } = this.plan.namespace.store;
    if (recordHash(flat) !== hash) return this.#sendLoaded(entry);
    this.#host.statistics.recordsSkipped++;
    return VISIT.NEXT;
  }

  #load(entry: EntryRef): "here" | "pending" | "unreadable" {
    const { store, settings } = this.plan.namespace;
    try {
      const loaded = store.load(entry, this.#waiter);
      this.#isReading = loaded === LOADED.PENDING;
      if (this.#isReading) return "pending";
      if (loaded === LOADED.HERE && recordEnd(store.flat) > 0) return "here";
      this.#host.statistics.recordsUnreadable++;
      return "unreadable";
    } catch (error) {
      if (!(error instanceof CorruptionError) || !settings.migrateSkipUnreadable) throw error;
      this.#host.statistics.recordsUnreadable++;
      return "unreadable";
    }
  }

  #sendEntry(entry: EntryRef): Visit {
    const loaded = this.#load(entry);
    if (loaded !== "here") return loaded === "unreadable" ? VISIT.NEXT : VISIT.AGAIN;
    return this.#sendLoaded(entry);
  }

  #sendLoaded(entry: EntryRef): Visit {
    entry.copyDigest(this.#name, 0);
    const sizeBytes = entry.sizeUnits * UNIT_SIZE_BYTES;
    const nowMs = this.#nowMs;
    const insertId = this.#window.add(this.#name, { sizeBytes, nowMs, isRemoval: false });
    if (!this.#sendInsert(insertId)) {
      this.#window.settle(insertId);
      return VISIT.AGAIN;
    }
    this.#host.statistics.recordsTransmitted++;
    this.#note(sizeBytes);
    return VISIT.NEXT;
  }

  #note(sizeBytes: number): void {
    this.#burstBytes += sizeBytes;
    this.#sleepDebtUs += this.plan.namespace.settings.migrateSleep;
  }

  /** Sends the record that was loaded last. */
  #sendInsert(insertId: number): boolean {
    const { flat } = this.plan.namespace.store;
    const stored = flat.bytes.subarray(flat.at, recordEnd(flat));
    const record = this.#host.takesIndexes ? stored : withoutIndexes(stored);
    return this.#send(FABRIC_CHANNEL.BULK, {
      type: "migrate",
      kind: "insert",
      emigrationId: this.plan.id,
      insertId,
      record,
    });
  }

  #sendAgain(): Visit {
    const { store } = this.plan.namespace;
    const digest = this.#again[this.#again.length - 1];
    if (this.#window.isFull || this.#burstBytes >= SEND_BURST_BYTES) return VISIT.AGAIN;
    const visit = store.find(digest, 0, this.#entry) ? this.#sendEntry(this.#entry) : VISIT.NEXT;
    if (visit === VISIT.NEXT) this.#again.pop();
    return visit;
  }

  /** Whether all inserts were looked at that have waited too long. */
  #resendInserts(deadlineMs: number): boolean {
    const { clock } = this.#host.options.ports;
    const { store, settings } = this.plan.namespace;
    const nowMs = clock.monotonicMs();
    for (const id of this.#window.sentBefore(nowMs - settings.migrateRetransmitMs)) {
      const name = this.#window.name(id);
      if (this.#window.isRemoval(id)) {
        if (this.#isHere(name, 0)) this.#window.settle(id);
        else if (!this.#sendRemoval(id, name)) return true;
      } else if (!store.find(name, 0, this.#entry)) {
        this.#window.settle(id);
        this.#takeBack(name);
        continue;
      } else {
        const loaded = this.#load(this.#entry);
        if (loaded === "pending") return true;
        if (loaded === "unreadable") this.#window.settle(id);
        else if (!this.#sendInsert(id)) return true;
      }
      this.#window.resent(id, nowMs);
      this.#host.statistics.recordRetransmits++;
      if (clock.monotonicMs() >= deadlineMs) return false;
    }
    this.#isResendDue = false;
    return true;
  }

  /** Whether the receiver is to lose what this node has no more. */
  get #removes(): boolean {
    return this.#meta !== undefined && this.#isComplete && !PLANTED.deltaKeepsExtras;
  }

  /** A record is gone here that the receiver may not have taken: what that had before goes with the rest. */
  #takeBack(digest: Uint8Array): void {
    const { state } = this;
    if (!this.#removes || (state !== "sending" && state !== "removing" && state !== "draining")) return;
    const metaAt = this.#meta!.find(digest, 0);
    if (metaAt < 0) return;
    this.#meta!.unmatch(metaAt);
    this.#removeAt = Math.min(this.#removeAt, metaAt);
    if (state === "draining") this.state = "removing";
  }

  /** Tells which of the receiver's records this node, which has everything, has no more; whether all were told. */
  #removeRest(deadlineMs: number): boolean {
    const meta = this.#meta!;
    const end = meta.count * META_SIZE_BYTES;
    for (; this.#removeAt < end; this.#removeAt += META_SIZE_BYTES) {
      if (meta.isMatched(this.#removeAt)) continue;
      if (this.#window.isFull || this.#burstBytes >= SEND_BURST_BYTES) return false;
      // A record that was written after the walk passed goes to its replicas by itself.
      if (this.#isHere(meta.records, this.#removeAt)) continue;
      const name = meta.records.subarray(this.#removeAt, this.#removeAt + META_SIZE_BYTES);
      const insertId = this.#window.add(name, {
        sizeBytes: META_SIZE_BYTES,
        nowMs: this.#nowMs,
        isRemoval: true,
      });
      if (!this.#sendRemoval(insertId, name)) {
        this.#window.settle(insertId);
        return false;
      }
      this.#host.statistics.recordsRemoved++;
      this.#note(META_SIZE_BYTES);
      if (this.#nowMs >= deadlineMs) this.#burstBytes = SEND_BURST_BYTES;
    }
    return true;
  }

  /** Whether there is a record that counts: one that a truncation covers is gone, though it may not be removed yet. */
  #isHere(digest: Uint8Array, at: number): boolean {
    const { store } = this.plan.namespace;
    return store.find(digest, at, this.#entry) && !store.isTruncated(this.#entry);
  }

  #sendRemoval(insertId: number, record: Uint8Array): boolean {
    return this.#send(FABRIC_CHANNEL.BULK, {
      type: "migrate",
      kind: "insert",
      emigrationId: this.plan.id,
      insertId,
      record,
      info: MIGRATE_INFO_REMOVE,
    });
  }

  /** Goes on when nothing is unanswered. */
  #advance(): void {
    const isAnswered = this.#window.unackedCount === 0 || PLANTED.doneBeforeAcks;
    if (!isAnswered || this.#again.length > 0) return;
    if (this.state === "draining") this.#afterInserts();
    else if (this.state === "handing-off" && this.#isDrained) this.#finish();
  }

  #afterInserts(): void {
    const { namespace, partition, flags } = this.plan;
    if ((flags & EMIGRATION_FLAG.ACTING_MASTER) === 0) return this.#finish();
    this.state = "handing-off";
    if (!PLANTED.acceptWhileHandingOff) namespace.partitions.beginHandOff(partition);
    const { whenWritesEnded } = this.#host.options;
    const isSkipped = whenWritesEnded === undefined || PLANTED.handOffWithoutDraining;
    const writesEnded = isSkipped ? (_at: unknown, done: () => void) => done() : whenWritesEnded;
    writesEnded({ namespace, partition }, () => {
      if (this.state !== "handing-off") return;
      this.#isDrained = true;
      this.#advance();
    });
  }

  #finish(): void {
    const { namespace, partition, flags } = this.plan;
    this.state = "finishing";
    const isActing = (flags & EMIGRATION_FLAG.ACTING_MASTER) !== 0;
    if (isActing && !PLANTED.acceptWhileHandingOff) namespace.partitions.commitHandOff(partition);
    this.#sendDone();
  }
}
