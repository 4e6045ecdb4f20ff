/**
 * The migrations of one node: gives partitions to other nodes, takes them, tells when all is done, and drops copies that
 * are not needed any more. It begins with each balance and is stopped by each change of the cluster; what was half done
 * then begins anew, and finds most records where they should be (`meta.ts`).
 *
 * | step | where |
 * | ---- | ----- |
 * | which transfer is next | `emigration_queue.ts` |
 * | a transfer, from its source | `emigration.ts` |
 * | a transfer, at its receiver | `immigrations.ts` |
 * | the final master tells that a partition is settled | `signals.ts` |
 * | copies that nobody needs | `copy_drops.ts` |
 *
 * Duties of the caller: give messages of type migrate, `onDrain` of the fabric, `stop` before versions are told in an
 * exchange, `begin` after the tables follow their balance and the stores have begun a write epoch.
 * Source: clustering reference, sections 10.8 to 10.12 and 12; docs/cluster.md.
 *
 * @module
 */

import { PARTITION_COUNT, PLANTED } from "../../base/mod.ts";
import { CAPABILITY, type NodeId, nodeIdForLog } from "../../cluster/mod.ts";
import type { Timer } from "../../port/mod.ts";
import {
  decodeMigrate,
  FABRIC_CHANNEL,
  isPeerFault,
  type MigrateMessage,
  type PeerReader,
} from "../../wire/mod.ts";
import { EMIGRATION_FLAG } from "../balance.ts";
import { CopyDrops } from "./copy_drops.ts";
import { Emigration, type EmigrationEnd, type EmigrationPlan } from "./emigration.ts";
import { EmigrationQueue } from "./emigration_queue.ts";
import { Immigrations, type ReceivingNamespace } from "./immigrations.ts";
import { Signals } from "./signals.ts";
import { Slices } from "./slices.ts";
import {
  type MigrationNamespace,
  MigrationStatistics,
  type MigrationView,
  type MigratorOptions,
} from "./types.ts";

/** Time between two looks at what has to be sent again. */
const TICK_MS = 250;

/** A transfer whose receiver said "again" waits so long. */
const AGAIN_MS = 1000;
/** Just after a balance it waits for the next tick after this time: the receiver may not follow the balance yet. */
const AGAIN_SOON_MS = 100;

/** Records of a partition that is sent in about a slice. */
const SMALL_COUNT_MAX = 512;

/** Transfers that a node takes at once from all others together, by default: a further one is put off for a second. */
const INCOMING_COUNT = 4;

const TWO_32 = 0x1_0000_0000;

/** See the head of the file. */
export class Migrator {
  readonly #options: MigratorOptions;
  readonly #slices: Slices;
  readonly #namespaces = new Map<string, ReceivingNamespace>();
  readonly #queue = new EmigrationQueue();
  readonly #emigrations = new Map<number, Emigration>();
  readonly #immigrations: Immigrations;
  readonly #signals: Signals;
  readonly #drops: CopyDrops;
  #view: MigrationView | undefined;
  #nextId: number | undefined;
  #balancedMs = 0;
  #tickTimer: Timer | undefined;
  #isComplete = true;
  #malformedCount = 0;

  constructor(options: MigratorOptions) {
    this.#options = options;
    const { ports: { clock }, fabric, namespaces } = options;
    this.#slices = new Slices(clock, fabric);
    for (const namespace of namespaces) {
      this.#namespaces.set(namespace.settings.name, {
        namespace,
        statistics: new MigrationStatistics(),
      });
    }
    this.#immigrations = new Immigrations({
      options,
      slices: this.#slices,
      find: (name) => this.#find(name),
      onEnd: (at, partition) => this.#onReceived(at, partition),
    });
    this.#signals = new Signals(options);
    this.#drops = new CopyDrops(clock, (task) => this.#slices.wake(task));
  }

  // What others see.

  /** Counters of a namespace; undefined when there is none of that name. */
  statistics(namespace: string): MigrationStatistics | undefined {
    return this.#namespaces.get(namespace)?.statistics;
  }

  /** Transfers to and from others that have not ended, of all namespaces. */
  get partitionsRemaining(): number {
    let remaining = 0;
    for (const { statistics } of this.#namespaces.values()) {
      remaining += statistics.txRemaining + statistics.rxRemaining;
    }
    return remaining;
  }

  /** Whether migrations run, or wait for their turn. Tombstones must stay as long. */
  get isMigrating(): boolean {
    return !this.#isComplete || this.#drops.count > 0;
  }

  /** Copies that this node gave up and whose records are still being removed. */
  get dropCount(): number {
    return this.#drops.count;
  }

  /** Messages that could not be understood. */
  get malformedCount(): number {
    return this.#malformedCount;
  }

  /** Transfers of a namespace in memory, waiting ones included. */
  instances(namespace: string): { readonly tx: number; readonly rx: number } {
    const counts = this.#namespaces.get(namespace)?.statistics;
    return { tx: counts?.txRemaining ?? 0, rx: counts?.rxActive ?? 0 };
  }

  /** What runs, one line per transfer, for a dump. */
  describe(): string[] {
    const lines = [...this.#emigrations.values()].map(({ plan, state }) =>
      `{${plan.namespace.settings.name}} emigration ${plan.id}: partition ${plan.partition} to ` +
      `${nodeIdForLog(plan.to)}, ${state}`
    );
    for (const [name, { statistics }] of this.#namespaces) {
      const { txRemaining, rxRemaining, signalsRemaining, txActive, rxActive, signalsActive } = statistics;
      lines.push(
        `{${name}} remaining (${txRemaining},${rxRemaining},${signalsRemaining}) ` +
          `active (${txActive},${rxActive},${signalsActive})`,
      );
    }
    return lines;
  }

  // The cluster.

  /** The cluster changes: everything ends at once, and no version changes until {@linkcode Migrator.begin}. */
  stop(): void {
    this.#view = undefined;
    this.#tickTimer?.cancel();
    this.#tickTimer = undefined;
    for (const emigration of this.#emigrations.values()) emigration.stop();
    this.#emigrations.clear();
    this.#queue.clear();
    this.#immigrations.stop();
    this.#signals.begin(0);
    for (const { statistics } of this.#namespaces.values()) statistics.endRunning();
  }

  /** All tables follow the balance of a new cluster. */
  begin(view: MigrationView): void {
    this.stop();
    this.#view = view;
    this.#balancedMs = this.#options.ports.clock.monotonicMs();
    this.#signals.begin(view.clusterKey);
    for (const at of this.#namespaces.values()) {
      if (this.#isCurrent(at.namespace)) this.#plan(at);
    }
    this.#immigrations.begin(view.clusterKey, { delta: this.#isDelta });
    this.#drops.restart();
    this.#isComplete = !this.#isRemaining;
    if (this.#isComplete) this.#options.onComplete?.();
    this.#pump();
  }

  get #isRemaining(): boolean {
    return [...this.#namespaces.values()].some(({ statistics }) => statistics.remaining > 0);
  }

  get #isDelta(): boolean {
    return this.#view !== undefined && (this.#view.capabilities & CAPABILITY.DELTA_MIGRATION) !== 0;
  }

  #isCurrent({ partitions }: MigrationNamespace): boolean {
    return this.#view !== undefined && partitions.balance?.clusterKey === this.#view.clusterKey;
  }

  #find(name: string): ReceivingNamespace | undefined {
    const at = this.#namespaces.get(name);
    return at !== undefined && this.#isCurrent(at.namespace) ? at : undefined;
  }

  #plan(at: ReceivingNamespace): void {
    const { namespace, statistics } = at;
    const balance = namespace.partitions.balance!;
    const { emigrations, nodes } = balance;
    let txLead = 0;
    for (let index = 0; index < emigrations.length; index++) {
      const flags = emigrations.flags[index];
      if ((flags & EMIGRATION_FLAG.LEAD) !== 0) txLead++;
      const to = nodes[emigrations.receivers[index]];
      this.#queue.add({ id: this.#newId(), namespace, partition: emigrations.partitions[index], to, flags });
    }
    const { immigrationCount: rx, signalCount: signals } = balance;
    statistics.begin({ tx: emigrations.length, txLead, rx, signals });
    statistics.freshPartitions = balance.freshCount;
    this.#dropUnneeded(at);
  }

  #dropUnneeded({ namespace, statistics }: ReceivingNamespace): void {
    const { partitions, store } = namespace;
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (partitions.versions.exists(partition) || store.index.partitionEntryCounts[partition] === 0) {
        continue;
      }
      this.#drops.add({ namespace, statistics, partition });
    }
  }

  #newId(): number {
    // Numbers of an earlier process must not be taken for ours.
    const id = this.#nextId ?? this.#options.ports.random.u32();
    this.#nextId = (id + 1) % TWO_32;
    return id;
  }

  // Transfers to others.

  #pump(): void {
    if (this.#view === undefined) return;
    const { settings, ports: { clock } } = this.#options;
    const nowMs = clock.monotonicMs();
    const fillMs = this.#balancedMs + settings.migrateFillDelay * 1000;
    while (this.#mayStart(settings.migrateThreads) && this.#queue.count > 0) {
      const plan = this.#queue.take({ nowMs, fillMs });
      if (plan === undefined) break;
      this.#startEmigration(plan);
    }
    this.#armTick();
  }

  /**
   * While one transfer waits for its last answers another may begin. Small ones do little else than wait for answers, so
   * there are as many of them at once as the receivers will take.
   */
  #mayStart(threadCount: number): boolean {
    if (threadCount === 0) return false;
    let sendingCount = 0;
    let isSmall = true;
    for (const { isWaiting, plan: { namespace, partition } } of this.#emigrations.values()) {
      if (!isWaiting) sendingCount++;
      if (namespace.store.index.partitionEntryCounts[partition] > SMALL_COUNT_MAX) isSmall = false;
    }
    const smallCount = isSmall ? Math.floor(INCOMING_COUNT / this.#otherCount) : 0;
    return this.#emigrations.size < Math.max(threadCount + 1, smallCount) &&
      sendingCount < Math.max(threadCount, smallCount);
  }

  get #otherCount(): number {
    return Math.max(1, this.#view!.succession.length - 1);
  }

  #startEmigration(plan: EmigrationPlan): void {
    const { statistics } = this.#namespaces.get(plan.namespace.settings.name)!;
    statistics.txActive++;
    const emigration = new Emigration(plan, {
      options: this.#options,
      slices: this.#slices,
      clusterKey: this.#view!.clusterKey,
      delta: this.#isDelta,
      takesIndexes: (this.#view!.capabilities & CAPABILITY.PERSISTED_INDEX) !== 0,
      statistics,
      onEnd: (ended, end) => this.#onEmigrationEnd(ended, end),
      onSent: () => this.#pump(),
    });
    this.#emigrations.set(plan.id, emigration);
  }

  #onEmigrationEnd({ plan }: Emigration, end: EmigrationEnd): void {
    const { namespace, partition, to, flags } = plan;
    const at = this.#namespaces.get(namespace.settings.name)!;
    const { statistics } = at;
    this.#emigrations.delete(plan.id);
    statistics.txActive--;
    if (end === "again") {
      // The same number, as stock sources do: the receiver may have taken a repetition of the start meanwhile.
      const nowMs = this.#options.ports.clock.monotonicMs();
      const isSoon = nowMs - this.#balancedMs < AGAIN_MS;
      this.#queue.add(plan, nowMs + (isSoon ? AGAIN_SOON_MS : AGAIN_MS));
    } else {
      statistics.txRemaining--;
      if ((flags & EMIGRATION_FLAG.LEAD) !== 0) statistics.txLeadRemaining--;
      if (end === "fail") this.#noteImbalance(plan, statistics);
      else {
        namespace.partitions.endEmigration(partition, to);
        if (PLANTED.dropBeforeAllDone) this.#drop(at, partition);
        this.#signalIfSettled(at, partition);
      }
    }
    this.#pump();
    this.#noteProgress();
  }

  #noteImbalance({ namespace, partition, to }: EmigrationPlan, statistics: MigrationStatistics): void {
    statistics.txImbalance++;
    this.#options.ports.log.write(
      "warning",
      "migrate",
      `{${namespace.settings.name}} emigrate: partition ${partition} failed: node ${
        nodeIdForLog(to)
      } does not expect it`,
    );
  }

  /**
   * A record that was written while its partition moved may not have reached a node: it goes once more with the transfer
   * to that node, if one is under way. Whoever got no answer from a replica calls this.
   *
   * @returns whether a transfer takes it
   */
  resend(
    at: { readonly namespace: string; readonly partition: number; readonly to: NodeId },
    digest: Uint8Array,
  ): boolean {
    for (const emigration of this.#emigrations.values()) {
      const { namespace, partition, to } = emigration.plan;
      if (partition !== at.partition || to !== at.to || namespace.settings.name !== at.namespace) continue;
      if (emigration.state === "finishing") return false;
      emigration.resend(digest);
      return true;
    }
    return false;
  }

  // Transfers from others.

  #onReceived(at: ReceivingNamespace, partition: number): void {
    this.#queue.onReceived(at.namespace, partition);
    this.#signalIfSettled(at, partition);
    this.#pump();
    this.#noteProgress();
  }

  #signalIfSettled({ namespace, statistics }: ReceivingNamespace, partition: number): void {
    const { partitions } = namespace;
    if (partitions.pendingImmigrations(partition) > 0 || partitions.pendingEmigrations(partition) > 0) return;
    for (const to of partitions.witnesses(partition)) {
      this.#signals.send({ id: this.#newId(), namespace, statistics, partition, to });
    }
    this.#armTick();
  }

  #onAllDone(from: NodeId, message: MigrateMessage & { readonly kind: "start" | "all-done" }): void {
    const at = this.#find(message.namespace);
    if (at === undefined || message.clusterKey !== this.#view?.clusterKey) return;
    const { partitions } = at.namespace;
    if (!partitions.isFinalMaster(message.partition, from)) return;
    this.#inferDone(from, message.partition, at.namespace);
    const answer = partitions.allDone(message.partition);
    if (answer === "refused") return;
    if (answer === "drop") this.#drop(at, message.partition);
    this.#options.fabric.send(
      { node: from, channel: FABRIC_CHANNEL.CTRL },
      { type: "migrate", kind: "all-done-ack", emigrationId: message.emigrationId },
    );
  }

  /** Who says that all is done has this node's transfer too, even if its answer is still on the way. */
  #inferDone(from: NodeId, partition: number, namespace: MigrationNamespace): void {
    for (const emigration of this.#emigrations.values()) {
      const { plan } = emigration;
      if (plan.partition === partition && plan.to === from && plan.namespace === namespace) {
        emigration.onDoneAck();
      }
    }
  }

  #drop({ namespace, statistics }: ReceivingNamespace, partition: number): void {
    if (PLANTED.dropBeforeAllDone && namespace.partitions.role(partition) !== 0) return;
    this.#drops.add({ namespace, statistics, partition });
  }

  // Messages and time.

  /** Takes a message of type migrate; it is lent until the call returns. */
  onMessage(from: NodeId, reader: PeerReader): void {
    const message = decodeMigrate(reader);
    if (!isPeerFault(message)) return this.#take(from, message);
    this.#refuse(from, message.fault);
  }

  #refuse(from: NodeId, fault: string): void {
    this.#malformedCount++;
    const text = `message of node ${nodeIdForLog(from)} is dropped: ${fault}`;
    this.#options.ports.log.write("warning", "migrate", text);
  }

  #take(from: NodeId, message: MigrateMessage): void {
    switch (message.kind) {
      case "start":
        this.#immigrations.onStart(from, message);
        return this.#armTick();
      case "insert":
        return this.#immigrations.onInsert(from, message);
      case "meta-ack":
        return this.#immigrations.onMetaAck(from, message);
      case "done":
        return this.#immigrations.onDone(from, message.emigrationId);
      case "all-done":
        return this.#onAllDone(from, message);
      case "all-done-ack":
        this.#signals.onAck(from, message.emigrationId);
        return this.#noteProgress();
      default:
        return this.#answerTo(from, message);
    }
  }

  /** An answer counts when it comes from the node that the transfer goes to. */
  #answerTo(from: NodeId, message: MigrateMessage): void {
    const emigration = this.#emigrations.get(message.emigrationId);
    if (emigration === undefined || emigration.plan.to !== from) return;
    switch (message.kind) {
      case "start-ok":
      case "start-again":
      case "start-fail":
        return emigration.onStartAnswer(message.kind, message.features ?? 0);
      case "insert-ack":
        return emigration.onInsertAck(message.insertId);
      case "done-ack":
        return emigration.onDoneAck();
      case "meta": {
        const fault = emigration.onMeta(message);
        if (fault !== undefined) this.#refuse(from, fault);
        return;
      }
      default:
        return;
    }
  }

  /** A peer and channel that was overloaded has room again. */
  onDrain(node: NodeId): void {
    for (const emigration of this.#emigrations.values()) {
      if (emigration.plan.to === node) emigration.onDrain();
    }
  }

  #armTick(): void {
    if (this.#tickTimer !== undefined || this.#view === undefined || !this.#isWaiting) return;
    this.#tickTimer = this.#options.ports.clock.after(TICK_MS, () => {
      this.#tickTimer = undefined;
      this.#tick();
    });
  }

  get #isWaiting(): boolean {
    return this.#emigrations.size > 0 || this.#queue.count > 0 || this.#immigrations.runningCount > 0 ||
      !this.#signals.isEmpty;
  }

  #tick(): void {
    const nowMs = this.#options.ports.clock.monotonicMs();
    for (const emigration of this.#emigrations.values()) emigration.tick(nowMs);
    this.#immigrations.tick(nowMs);
    this.#signals.tick(nowMs);
    this.#pump();
    this.#armTick();
  }

  #noteProgress(): void {
    if (this.#isComplete || this.#view === undefined || this.#isRemaining) return;
    this.#isComplete = true;
    this.#options.ports.log.write("info", "migrate", "migrations: complete");
    this.#options.onComplete?.();
  }
}
