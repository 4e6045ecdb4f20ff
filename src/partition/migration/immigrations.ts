/**
 * Partitions that come from other nodes.
 *
 * | message | rule |
 * | ------- | ---- |
 * | start | of another cluster, above the limit of incoming transfers, while an old copy is being dropped: "again"; not expected from that node: "fail"; else "ok". One that was taken before is answered alike |
 * | insert | applied by the rule below, and acknowledged; ignored when it could not be applied now |
 * | meta ack | goes on with what this node has |
 * | done | once what is here is durable the table moves on; then, and whenever it is asked again, acknowledged |
 *
 * What is here is more than what this transfer brought: one that a change of the cluster interrupted, or a replica write,
 * may have brought the same before, and is not sent again. The source drops what it has once it is told that all is here.
 *
 * What is not known is not acknowledged: the source of an earlier cluster would take it for its own.
 *
 * Which copy of a record wins depends on the source: see `replace.ts` for what the rules mean.
 *
 * | the source | rule |
 * | ---------- | ---- |
 * | has everything: the final master for others, a working master when there is nothing to merge | successor |
 * | another, of copies that went different ways | policy |
 * | another | time |
 *
 * In a merge the copy that this node had before may be a subset of one of those that come: it is superseded. When the last
 * transfer has ended, what it had alone is removed, before the copy claims to be complete.
 * Source: clustering reference, sections 12.5 and 13.
 *
 * @module
 */

import {
  DIGEST_SIZE_BYTES,
  MIGRATE_META_COUNT_MAX,
  MIGRATE_WAITING_COUNT_MAX,
  PARTITION_COUNT,
  partitionId,
  PLANTED,
} from "../../base/mod.ts";
import type { NodeId } from "../../cluster/mod.ts";
import {
  EntryRef,
  LOADED,
  removeLeftOver,
  REPLACED,
  type ReplaceOptions,
  replaceRecord,
  type Waiter,
} from "../../storage/mod.ts";
import {
  FABRIC_CHANNEL,
  MIGRATE_FEATURE_META_MERGE,
  MIGRATE_INFO_REMOVE,
  type MigrateInsert,
  type MigratePartition,
  type MigrateSignal,
} from "../../wire/mod.ts";
import { recordHash } from "./flat_bytes.ts";
import { isSameVersion, META_SIZE_BYTES, metaHash } from "./meta.ts";
import { LeftOverSweep } from "./left_over_sweep.ts";
import { MetaSender } from "./meta_sender.ts";
import type { Slices } from "./slices.ts";
import type { MigrationNamespace, MigrationStatistics, MigratorOptions } from "./types.ts";

/** Offset of the digest in a flat record, and the smallest record that has one. */
const FLAT_DIGEST_AT = 8;
const FLAT_SIZE_MIN = FLAT_DIGEST_AT + DIGEST_SIZE_BYTES;

/** What receiving knows of a namespace. */
export interface ReceivingNamespace {
  readonly namespace: MigrationNamespace;
  readonly statistics: MigrationStatistics;
}

/** What receiving needs. */
export interface ImmigrationsHost {
  readonly options: MigratorOptions;
  readonly slices: Slices;
  /** By name; undefined when there is none, or it takes no part in the present cluster. */
  find(namespace: string): ReceivingNamespace | undefined;
  /** A partition has received a transfer. */
  onEnd(at: ReceivingNamespace, partition: number): void;
}

/** What became of an insert: the source may forget it, it waits for the bytes of the record here, or it is refused. */
type Taken = "taken" | "suspended" | "refused";

interface Insert {
  readonly immigration: Immigration;
  readonly insertId: number;
  /** Lent, unless the insert waits. */
  readonly record: Uint8Array;
  readonly isRemoval: boolean;
}

/** Waits for the bytes of a record that another one may replace. */
class InsertWaiter implements Waiter {
  insert: Insert | undefined;
  readonly #retake: (insert: Insert) => void;

  constructor(retake: (insert: Insert) => void) {
    this.#retake = retake;
  }

  wake(): void {
    const { insert } = this;
    this.insert = undefined;
    if (insert !== undefined) this.#retake(insert);
  }
}

interface Immigration {
  readonly at: ReceivingNamespace;
  readonly partition: number;
  readonly from: NodeId;
  readonly id: number;
  readonly features: number;
  readonly rule: ReplaceOptions["rule"];
  readonly isSuperseded: boolean;
  readonly meta: MetaSender | undefined;
  state: "receiving" | "flushing" | "ended";
}

/** See the head of the file. */
export class Immigrations {
  readonly #host: ImmigrationsHost;
  readonly #byName = new Map<string, Immigration>();
  /** Partitions of which copies had to be merged when the balance began, by namespace. */
  readonly #merging = new Map<MigrationNamespace, Uint8Array>();
  readonly #entry = new EntryRef();
  #clusterKey = 0;
  #delta = false;
  #runningCount = 0;
  /** Given to the device with the next record that has to be read. */
  #waiter: InsertWaiter | undefined;
  #waitingCount = 0;

  /** @param host what it needs */
  constructor(host: ImmigrationsHost) {
    this.#host = host;
  }

  /** Transfers that run. */
  get runningCount(): number {
    return this.#runningCount;
  }

  /** Takes transfers of a cluster from now on. */
  begin(clusterKey: number, options: { readonly delta: boolean }): void {
    this.stop();
    this.#clusterKey = clusterKey;
    this.#delta = options.delta;
    for (const { settings } of this.#host.options.namespaces) {
      const at = this.#host.find(settings.name);
      if (at !== undefined) this.#noteMerges(at.namespace);
    }
  }

  #noteMerges(namespace: MigrationNamespace): void {
    const merging = new Uint8Array(PARTITION_COUNT);
    const { duplicates } = namespace.partitions.balance!;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      merging[partition] = duplicates.size(partition) > 0 ? 1 : 0;
    }
    this.#merging.set(namespace, merging);
  }

  /** Takes none any more, and forgets all. */
  stop(): void {
    for (const immigration of this.#byName.values()) {
      immigration.state = "ended";
      immigration.meta?.stop();
    }
    this.#byName.clear();
    this.#merging.clear();
    this.#clusterKey = 0;
    this.#runningCount = 0;
  }

  /** Time passed. */
  tick(nowMs: number): void {
    for (const { meta } of this.#byName.values()) if (meta !== undefined && !meta.isDone) meta.tick(nowMs);
  }

  /** A source asks to begin. */
  onStart(from: NodeId, message: MigratePartition): void {
    const known = this.#byName.get(nameOf(from, message.emigrationId));
    if (known !== undefined) {
      return this.#answer(from, message, { kind: "start-ok", features: known.features });
    }
    const at = this.#host.find(message.namespace);
    const isCurrent = this.#clusterKey !== 0 && message.clusterKey === this.#clusterKey;
    if (!isCurrent && !PLANTED.noClusterKeyCheck) return this.#answer(from, message, { kind: "start-again" });
    if (at === undefined || !at.namespace.partitions.expectsFrom(message.partition, from)) {
      return this.#answer(from, message, { kind: "start-fail" });
    }
    const isFull = this.#runningCount >= this.#host.options.settings.migrateMaxNumIncoming;
    const { partitions } = at.namespace;
    if (
      isFull || partitions.isDropping(message.partition) || partitions.comesLater(message.partition, from)
    ) {
      return this.#answer(from, message, { kind: "start-again" });
    }
    const { features } = this.#accept(at, from, message);
    this.#answer(from, message, { kind: "start-ok", features });
  }

  #answer(
    to: NodeId,
    message: MigratePartition,
    answer: { readonly kind: MigrateSignal["kind"]; readonly features?: number },
  ): void {
    const { emigrationId } = message;
    this.#host.options.fabric.send(
      { node: to, channel: FABRIC_CHANNEL.CTRL },
      { type: "migrate", emigrationId, ...answer },
    );
  }

  #accept(at: ReceivingNamespace, from: NodeId, message: MigratePartition): Immigration {
    const { namespace, statistics } = at;
    const { partition, emigrationId: id } = message;
    namespace.partitions.beginImmigration(partition);
    statistics.rxActive++;
    this.#runningCount++;
    const ownCount = namespace.store.index.partitionEntryCounts[partition];
    const rule = this.#ruleOf(at, partition, from);
    const isSuperseded = rule !== "successor" && namespace.partitions.isSuperseded(partition);
    // What is the same here would not be sent, and would then count as left over from before the merge.
    const wantsMeta = this.#delta && !isSuperseded &&
      ((message.features ?? 0) & MIGRATE_FEATURE_META_MERGE) !== 0 &&
      ownCount > 0 && ownCount <= MIGRATE_META_COUNT_MAX;
    const { options, slices } = this.#host;
    const immigration: Immigration = {
      at,
      partition,
      from,
      id,
      features: wantsMeta ? MIGRATE_FEATURE_META_MERGE : 0,
      rule,
      isSuperseded,
      meta: wantsMeta
        ? new MetaSender({ options, slices, namespace, partition, to: from, emigrationId: id })
        : undefined,
      state: "receiving",
    };
    this.#byName.set(nameOf(from, id), immigration);
    return immigration;
  }

  #ruleOf(at: ReceivingNamespace, partition: number, source: NodeId): ReplaceOptions["rule"] {
    const { partitions } = at.namespace;
    const isProle = partitions.balance!.selfPlace[partition] !== 0;
    const merges = this.#merging.get(at.namespace)?.[partition] === 1;
    const isWorkingMaster = partitions.workingMaster(partition) === source;
    const isSuccessor = isProle || (isWorkingMaster && !merges);
    if (isSuccessor && !PLANTED.mergeDecidedTwice) return "successor";
    return partitions.mergesByTime(partition) ? "time" : "policy";
  }

  /** A source has what this node told in a batch. */
  onMetaAck(from: NodeId, message: { readonly emigrationId: number; readonly sequence?: number }): void {
    const immigration = this.#byName.get(nameOf(from, message.emigrationId));
    if (message.sequence !== undefined) immigration?.meta?.onAck(message.sequence);
  }

  /** A record comes. */
  onInsert(from: NodeId, message: MigrateInsert): void {
    const { emigrationId, insertId, record } = message;
    const immigration = this.#byName.get(nameOf(from, emigrationId));
    if (immigration === undefined) return;
    immigration.at.statistics.recordReceives++;
    const isRemoval = ((message.info ?? 0) & MIGRATE_INFO_REMOVE) !== 0;
    this.#take({ immigration, insertId, record, isRemoval });
  }

  #take(insert: Insert): void {
    const waiter = this.#waiter ?? new InsertWaiter((waiting) => this.#retake(waiting));
    this.#waiter = waiter;
    const taken = insert.isRemoval ? this.#remove(insert, waiter) : this.#apply(insert, waiter);
    if (taken === "suspended") {
      // The waiter is the device's now; without room it is woken for nothing, and the source sends again.
      this.#waiter = undefined;
      if (this.#waitingCount >= MIGRATE_WAITING_COUNT_MAX) return;
      this.#waitingCount++;
      waiter.insert = { ...insert, record: insert.record.slice() };
    } else if (taken === "taken") {
      const { immigration: { from, id }, insertId } = insert;
      this.#host.options.fabric.send(
        { node: from, channel: FABRIC_CHANNEL.BULK },
        { type: "migrate", kind: "insert-ack", emigrationId: id, insertId },
      );
    }
  }

  #retake(insert: Insert): void {
    this.#waitingCount--;
    if (this.#byName.get(nameOf(insert.immigration.from, insert.immigration.id)) === insert.immigration) {
      this.#take(insert);
    }
  }

  /** "taken" when the source may forget a record. */
  #apply({ immigration, record }: Insert, waiter: Waiter): Taken {
    const { at, partition, rule, isSuperseded, state } = immigration;
    if (record.length < FLAT_SIZE_MIN || partitionId(record, FLAT_DIGEST_AT) !== partition) {
      at.statistics.recordsRefused++;
      return "refused";
    }
    // A repetition that comes after the end must not undo what was written since.
    if (state === "ended") return "taken";
    const replaced = replaceRecord(
      at.namespace.store,
      { bytes: record, at: 0, end: record.length },
      { rule, isSuperseded, origin: "migration", waiter },
    );
    switch (replaced) {
      case REPLACED.APPLIED:
      case REPLACED.SAME:
      case REPLACED.LOCAL_BETTER:
      case REPLACED.TRUNCATED:
        return "taken";
      case REPLACED.SUSPENDED:
        return "suspended";
      case REPLACED.MALFORMED:
        at.statistics.recordsRefused++;
        return "refused";
      default:
        return "refused";
    }
  }

  /** Removes a record that the source, which has everything, has no more, if it is still what this node told. */
  #remove({ immigration, record: meta }: Insert, waiter: Waiter): Taken {
    const { at, partition, rule, state } = immigration;
    const { store } = at.namespace;
    const entry = this.#entry;
    if (meta.length !== META_SIZE_BYTES || partitionId(meta, 0) !== partition || rule !== "successor") {
      at.statistics.recordsRefused++;
      return "refused";
    }
    if (state === "ended" || !store.find(meta, 0, entry) || !isSameVersion(meta, 0, entry)) return "taken";
    const loaded = store.load(entry, waiter);
    if (loaded === LOADED.PENDING) return "suspended";
    // What can't be read here can't be compared, and stays.
    if (loaded === LOADED.FAILED) return "taken";
    const isSame = recordHash(store.flat) === metaHash(meta, 0);
    return !isSame || removeLeftOver(store, meta, 0, entry) ? "taken" : "refused";
  }

  /** The source has sent everything. */
  onDone(from: NodeId, emigrationId: number): void {
    const immigration = this.#byName.get(nameOf(from, emigrationId));
    if (immigration === undefined) return;
    if (immigration.state === "ended") return this.#sendDoneAck(immigration);
    if (immigration.state === "flushing") return;
    immigration.state = "flushing";
    this.#whenDurable(immigration, () => this.#sweepOrEnd(immigration));
  }

  /** Goes on when all that the partition has here is durable. */
  #whenDurable(immigration: Immigration, next: () => void): void {
    const { partition, at: { namespace } } = immigration;
    const whenFlushed = this.#host.options.whenFlushed;
    const isEmpty = namespace.store.index.partitionEntryCounts[partition] === 0;
    if (whenFlushed === undefined || isEmpty || PLANTED.doneBeforeDurable) return next();
    whenFlushed({ namespace, partition }, () => {
      if (immigration.state === "flushing") next();
    });
  }

  #sweepOrEnd(immigration: Immigration): void {
    const { partition, isSuperseded, at: { namespace, statistics } } = immigration;
    const isLast = namespace.partitions.pendingImmigrations(partition) === 1;
    if (!isSuperseded || !isLast) return this.#end(immigration);
    const { slices, options: { ports: { clock } } } = this.#host;
    slices.wake(
      new LeftOverSweep({
        store: namespace.store,
        partition,
        clock,
        isOver: () => immigration.state !== "flushing",
        onEnd: (removedCount) => {
          statistics.recordsRemoved += removedCount;
          // The removals must be durable, too: the copy is complete from now on.
          this.#whenDurable(immigration, () => this.#end(immigration));
        },
      }),
    );
  }

  #end(immigration: Immigration): void {
    const { at, partition, from } = immigration;
    const { namespace: { partitions }, statistics } = at;
    immigration.state = "ended";
    immigration.meta?.stop();
    this.#runningCount--;
    statistics.rxActive--;
    statistics.rxRemaining--;
    partitions.endImmigration(partition, from);
    this.#sendDoneAck(immigration);
    this.#host.onEnd(at, partition);
  }

  #sendDoneAck({ from, id }: Immigration): void {
    this.#host.options.fabric.send(
      { node: from, channel: FABRIC_CHANNEL.CTRL },
      { type: "migrate", kind: "done-ack", emigrationId: id },
    );
  }
}

function nameOf(from: NodeId, emigrationId: number): string {
  return `${from}.${emigrationId}`;
}
