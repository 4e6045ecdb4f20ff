/**
 * For tests of migrations: nodes with real stores, tables and migrators in virtual time, a network that delays, loses,
 * repeats and reorders, and writes that reach replicas in the simplest right way. Clusters are formed by decree.
 *
 * @module
 */

import { assert, ByteBuffer, PARTITION_COUNT, partitionId, ResultCode, toHex } from "../../base/mod.ts";
import { CAPABILITY, type ExchangeMember, type NodeId, toSuccession } from "../../cluster/mod.ts";
import type { SettingsOverrides } from "../../config/mod.ts";
import type { Clock, Timer } from "../../port/mod.ts";
import {
  EntryRef,
  measureFlat,
  type RecordDevice,
  replaceRecord,
  UNIT_SIZE_BYTES,
} from "../../storage/mod.ts";
import {
  TestClock,
  testDigest,
  TestLog,
  TestRandom,
  testSettings,
  TestStore,
} from "../../storage/testing.ts";
import { encodeMigrate, type MigrateMessage, PeerReader } from "../../wire/mod.ts";
import { computeBalance } from "../balance.ts";
import { balanceInput } from "../balance_input.ts";
import { RowHashes } from "../row.ts";
import { PartitionTable } from "../table.ts";
import { testNode } from "../testing.ts";
import { Migrator } from "./migrator.ts";

const hashes = new RowHashes();
const NOBODY = { wake: () => {} };

/** The clock of one node: the shared one with a wall clock that may be wrong. */
class NodeClock extends TestClock {
  offsetMs = 0;

  constructor(readonly shared: TestClock) {
    super();
  }

  override monotonicMs(): number {
    return this.shared.monotonicMs();
  }

  override wallMs(): number {
    return this.shared.wallMs() + this.offsetMs;
  }

  override after(delayMs: number, fn: () => void): Timer {
    return this.shared.after(delayMs, fn);
  }

  override nextTurn(fn: () => void): void {
    this.shared.nextTurn(fn);
  }
}

/** How bad the network is. */
export interface TestNetwork {
  delayMinMs: number;
  delayMaxMs: number;
  /** Share of the messages that is lost, 0 to 1. */
  lossRate: number;
  /** Share of the messages that arrives twice. */
  repeatRate: number;
}

/** What a test cluster is made of. */
export interface TestClusterOptions {
  readonly seed?: number;
  readonly count?: number;
  readonly replicationFactor?: number;
  readonly network?: Partial<TestNetwork>;
  readonly namespace?: Omit<NonNullable<SettingsOverrides["namespaces"]>[number], "name">;
  /** Capabilities of all members; default all. */
  readonly capabilities?: number;
  /** Partitions that exist; the others stay fresh for ever, which saves time. */
  readonly partitions?: readonly number[];
  readonly wrapDevice?: (device: RecordDevice, clock: Clock) => RecordDevice;
}

/** A write that some replica has not acknowledged. */
interface PendingWrite {
  readonly number: number;
  readonly clusterKey: number;
  readonly waiting: Set<NodeId>;
  readonly onAcked: () => void;
}

/** One node. */
export class TestMember {
  readonly node: NodeId;
  readonly clock: NodeClock;
  readonly log: TestLog = new TestLog();
  it!: TestStore;
  partitions!: PartitionTable;
  migrator!: Migrator;
  clusterKey = 0;
  isUp = true;
  /** Counts restarts; messages of another process are lost. */
  incarnation = 0;
  /** Set to hold back "flushed" until called. */
  flushes: (() => void)[] | undefined;
  readonly settings: { migrateThreads: number; migrateMaxNumIncoming: number; migrateFillDelay: number } = {
    migrateThreads: 1,
    migrateMaxNumIncoming: 4,
    migrateFillDelay: 0,
  };
  readonly writes: Set<PendingWrite> = new Set();
  #drained: { partition: number; done: () => void }[] = [];

  constructor(readonly cluster: TestCluster, number: number) {
    this.node = testNode(number);
    this.clock = new NodeClock(cluster.clock);
    this.start();
  }

  /** Starts the process: empty, or with its data. */
  start(options: { readonly keepData?: boolean } = {}): void {
    const { clock } = this;
    this.isUp = true;
    this.incarnation++;
    this.clusterKey = 0;
    this.writes.clear();
    this.#drained = [];
    const { wrapDevice } = this.cluster.options;
    if (options.keepData !== true) {
      const settings = testSettings(this.cluster.options.namespace ?? {});
      this.it = new TestStore({ settings, clock, ...(wrapDevice === undefined ? {} : { wrapDevice }) });
      this.partitions = new PartitionTable();
    } else {
      const { versions } = this.partitions;
      this.partitions = new PartitionTable();
      this.partitions.versions = versions;
      versions.isolate();
    }
    this.migrator = new Migrator({
      ports: { clock, random: this.cluster.random, log: this.log },
      settings: this.settings,
      namespaces: [{ settings: this.it.store.settings, store: this.it.store, partitions: this.partitions }],
      fabric: {
        send: ({ node }, message) => this.cluster.send(this, node, message),
        isOverloaded: ({ node }) => this.cluster.isOverloaded(this.node, node),
        hold: () => {},
        release: () => {},
      },
      whenFlushed: (_at, done) => this.flushes === undefined ? done() : void this.flushes.push(done),
      whenWritesEnded: ({ partition }, done) => {
        this.#drained.push({ partition, done });
        this.noteWritesEnded();
      },
    });
  }

  /** Ends the process. */
  kill(): void {
    this.migrator.stop();
    this.isUp = false;
    this.incarnation++;
  }

  /** Calls whoever waits for the writes of a partition. */
  noteWritesEnded(): void {
    for (const waiting of [...this.#drained]) {
      const isBusy = [...this.writes].some(({ number }) => partitionOf(number) === waiting.partition);
      if (isBusy) continue;
      this.#drained = this.#drained.filter((other) => other !== waiting);
      waiting.done();
    }
  }

  /** Bytes of a record without padding, undefined when there is none. */
  flat(number: number): Uint8Array | undefined {
    const { store } = this.it;
    const entry = new EntryRef();
    if (!store.find(testDigest(number), 0, entry)) return undefined;
    const at = store.arena.offset(entry.location);
    const bytes = store.arena.block(entry.location);
    const size = measureFlat(bytes, at, at + entry.sizeUnits * UNIT_SIZE_BYTES);
    const copy = bytes.slice(at, at + size);
    // The tree id says how often the node gave the partition up; it differs from node to node.
    copy[7] &= 0x03;
    return copy;
  }

  /** Generation, time and kind of a record. */
  version(number: number): { generation: number; lastUpdateMs: number; isTombstone: boolean } | undefined {
    const entry = new EntryRef();
    if (!this.it.store.find(testDigest(number), 0, entry)) return undefined;
    const { generation, lastUpdateMs, isTombstone } = entry;
    return { generation, lastUpdateMs, isTombstone };
  }

  /** Counters of the migrator. */
  get statistics(): NonNullable<ReturnType<Migrator["statistics"]>> {
    return this.migrator.statistics("test")!;
  }
}

/** Partition of a test's record. */
export function partitionOf(number: number): number {
  return partitionId(testDigest(number), 0);
}

/** Numbers of `count` records that lie in some partitions. */
export function numbersIn(partitions: readonly number[], count: number): number[] {
  const wanted = new Set(partitions);
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number++) {
    if (wanted.has(partitionOf(number))) numbers.push(number);
  }
  return numbers;
}

/** See the head of the file. */
export class TestCluster {
  readonly clock: TestClock = new TestClock();
  readonly random: TestRandom;
  readonly members: TestMember[];
  readonly network: TestNetwork;
  readonly options: TestClusterOptions;
  /** Messages of migrations so far, as `from>to kind`. */
  readonly sent: string[] = [];
  /** Returns true to lose a message. */
  loses: (from: TestMember, to: TestMember, message: MigrateMessage) => boolean = () => false;
  readonly #reader = new PeerReader();
  readonly #inFlight = new Map<string, number>();
  #nextKey = 1;

  constructor(options: TestClusterOptions = {}) {
    this.options = options;
    this.random = new TestRandom(options.seed ?? 1);
    this.clock.readCostMs = 0.001;
    this.network = { delayMinMs: 0.1, delayMaxMs: 0.3, lossRate: 0, repeatRate: 0, ...options.network };
    this.members = Array.from({ length: options.count ?? 3 }, (_, index) => new TestMember(this, index + 1));
  }

  /** True once in `1 / rate` calls. */
  chance(rate: number): boolean {
    return rate > 0 && this.random.u32() / 0x1_0000_0000 < rate;
  }

  /** The member of an id. */
  member(node: NodeId): TestMember {
    return this.members.find((member) => member.node === node)!;
  }

  /** Sends a migration message through the network. */
  send(from: TestMember, node: NodeId, message: MigrateMessage): "sent" {
    const to = this.member(node);
    this.sent.push(`${this.members.indexOf(from)}>${this.members.indexOf(to)} ${message.kind}`);
    if (this.loses(from, to, message)) return "sent";
    const out = new ByteBuffer();
    encodeMigrate(message, out);
    const bytes = out.toBytes();
    const lane = `${from.node}>${node}`;
    this.deliver(from, to, () => {
      assert(this.#reader.open(bytes, 0, bytes.length), "an encoded message is well-formed");
      to.migrator.onMessage(from.node, this.#reader);
    }, lane);
    return "sent";
  }

  /** Runs something at another node after a while, unless it is lost on its way. */
  deliver(from: TestMember, to: TestMember, run: () => void, lane?: string): void {
    const { delayMinMs, delayMaxMs, lossRate, repeatRate } = this.network;
    const times = this.chance(lossRate) ? 0 : this.chance(repeatRate) ? 2 : 1;
    const incarnations = [from.incarnation, to.incarnation];
    for (let time = 0; time < times; time++) {
      const delayMs = delayMinMs + (delayMaxMs - delayMinMs) * this.random.u32() / 0x1_0000_0000;
      if (lane !== undefined) this.#inFlight.set(lane, (this.#inFlight.get(lane) ?? 0) + 1);
      this.clock.after(delayMs, () => {
        if (lane !== undefined) this.#landed(lane, from);
        const isSame = from.incarnation === incarnations[0] && to.incarnation === incarnations[1];
        if (isSame && to.isUp) run();
      });
    }
  }

  #landed(lane: string, from: TestMember): void {
    const count = this.#inFlight.get(lane)! - 1;
    this.#inFlight.set(lane, count);
    if (count === 16 && from.isUp) this.clock.nextTurn(() => from.migrator.onDrain(lane.split(">")[1]));
  }

  /** Whether a sender should wait. */
  isOverloaded(from: NodeId, to: NodeId): boolean {
    return (this.#inFlight.get(`${from}>${to}`) ?? 0) > 64;
  }

  /**
   * Makes some nodes a cluster: migrations stop, versions are told, tables follow the balance, migrations begin. With
   * `spreadMs` these happen at different moments on different nodes.
   */
  form(members: readonly TestMember[] = this.members, spreadMs = 0): number {
    const clusterKey = this.#nextKey++ * 0x1_0001;
    const later = (run: () => void) =>
      spreadMs === 0 ? run() : this.clock.after(this.random.below(spreadMs), run);
    for (const member of members) later(() => member.migrator.stop());
    if (spreadMs > 0) this.clock.advance(spreadMs);
    const view = this.#exchange(members, clusterKey);
    for (const member of members) later(() => this.#follow(member, view));
    if (spreadMs > 0) this.clock.advance(spreadMs);
    return clusterKey;
  }

  #exchange(members: readonly TestMember[], clusterKey: number) {
    const { replicationFactor = 2, capabilities = CAPABILITY.DELTA_MIGRATION | CAPABILITY.LINEAGE } =
      this.options;
    const succession = toSuccession(members.map(({ node }) => node));
    const told = succession.map((node): ExchangeMember => ({
      node,
      compatibilityId: 15,
      capabilities,
      incarnation: undefined,
      host: undefined,
      truncations: [],
      namespaces: new Map([["test", {
        name: "test",
        versions: this.member(node).partitions.versions.toGroups(),
        lineages: this.member(node).partitions.lineages.toGroups(this.member(node).partitions.versions),
        replicationFactor,
      }]]),
    }));
    return {
      clusterKey,
      succession,
      principal: succession[0],
      members: told,
      compatibilityIdMin: 15,
      compatibilityIdMax: 15,
      capabilities,
      allOurs: capabilities !== 0,
    };
  }

  #follow(member: TestMember, view: Parameters<typeof balanceInput>[0]): void {
    if (!member.isUp) return;
    member.migrator.stop();
    const balance = computeBalance(balanceInput(view, { namespace: "test", self: member.node, hashes }));
    const kept = this.options.partitions;
    for (let partition = 0; kept !== undefined && partition < PARTITION_COUNT; partition++) {
      if (!kept.includes(partition)) balance.versions.set(partition, undefined);
    }
    member.it.store.beginWriteEpoch();
    member.partitions.apply(balance);
    member.clusterKey = view.clusterKey;
    const unfinished = [...member.writes];
    member.writes.clear();
    member.noteWritesEnded();
    member.migrator.begin(view);
    for (const { number } of unfinished) this.#replicate(member, number, () => {});
  }

  /** The node that serves a partition, of some; undefined when none does. */
  master(partition: number, members: readonly TestMember[] = this.members): TestMember | undefined {
    return members.find(({ isUp, clusterKey, partitions }) =>
      isUp && clusterKey !== 0 && partitions.admit(partition) === ResultCode.OK
    );
  }

  /**
   * Writes a record at its master.
   *
   * @param options `onAcked` is called when all replicas have it
   * @returns the version that was written, undefined when nobody serves
   */
  write(
    number: number,
    options: {
      readonly remove?: boolean;
      readonly sizeBytes?: number;
      readonly ttlS?: number;
      readonly members?: readonly TestMember[];
      readonly onAcked?: () => void;
    } = {},
  ): { generation: number; lastUpdateMs: number } | undefined {
    const master = this.master(partitionOf(number), options.members);
    if (master === undefined) return undefined;
    const { sizeBytes = 8, ttlS, remove = false, onAcked = () => {} } = options;
    const result = master.it.put(number, {
      sizeBytes,
      tombstone: remove,
      ...(ttlS === undefined ? {} : { ttlS }),
    });
    assert(result === ResultCode.OK, "there is room");
    this.#replicate(master, number, onAcked);
    return master.version(number)!;
  }

  #replicate(master: TestMember, number: number, onAcked: () => void): void {
    const { clusterKey, partitions } = master;
    const waiting = new Set(partitions.otherReplicas(partitionOf(number)));
    const working = partitions.workingMaster(partitionOf(number));
    if (working !== undefined && working !== master.node) waiting.add(working);
    if (waiting.size === 0) return onAcked();
    const write: PendingWrite = { number, clusterKey, waiting, onAcked };
    master.writes.add(write);
    this.#sendWrite(master, write);
  }

  /** Repeated until all have it or the cluster changes; then the write is in doubt, and mended in the next cluster. */
  #sendWrite(master: TestMember, write: PendingWrite): void {
    if (!master.isUp || !master.writes.has(write)) return;
    const bytes = master.flat(write.number)!;
    for (const node of write.waiting) {
      const replica = this.member(node);
      this.deliver(master, replica, () => {
        if (replica.clusterKey !== write.clusterKey) return;
        replaceRecord(replica.it.store, { bytes, at: 0, end: bytes.length }, {
          rule: "replica",
          origin: "replica",
          waiter: NOBODY,
        });
        this.deliver(replica, master, () => this.#onWritten(master, write, node));
      });
    }
    this.clock.after(50, () => this.#sendWrite(master, write));
  }

  #onWritten(master: TestMember, write: PendingWrite, node: NodeId): void {
    if (!master.writes.has(write)) return;
    write.waiting.delete(node);
    if (write.waiting.size > 0) return;
    master.writes.delete(write);
    write.onAcked();
    master.noteWritesEnded();
  }

  /** Lets time pass until all migrations have ended; fails after `limitMs`. */
  settle(members: readonly TestMember[] = this.members, limitMs = 120_000): number {
    const startMs = this.clock.monotonicMs();
    const isBusy = () =>
      members.some(({ isUp, migrator, writes }) => isUp && (migrator.isMigrating || writes.size > 0));
    while (isBusy()) {
      assert(this.clock.monotonicMs() - startMs < limitMs, `migrations end: ${this.#unfinished(members)}`);
      this.clock.advance(5);
    }
    return this.clock.monotonicMs() - startMs;
  }

  #unfinished(members: readonly TestMember[]): string {
    return members.flatMap(({ migrator, node }) => migrator.describe().map((line) => `${node} ${line}`)).join(
      "; ",
    );
  }

  /** What is wrong with the copies once all is quiet; empty when they are all as they should be. */
  faults(members: readonly TestMember[], numbers: readonly number[]): string[] {
    const faults: string[] = [];
    for (const number of numbers) {
      const partition = partitionOf(number);
      const holders = members.filter(({ partitions }) => partitions.isComplete(partition));
      const copies = new Set(holders.map((holder) => {
        const bytes = holder.flat(number);
        return bytes === undefined ? "none" : toHex(bytes);
      }));
      const replicas = Math.min(this.options.replicationFactor ?? 2, members.length);
      if (holders.length !== replicas) faults.push(`partition ${partition} has ${holders.length} copies`);
      if (copies.size > 1) faults.push(`record ${number} differs: ${[...copies].join(" and ")}`);
      for (const member of members) {
        if (!holders.includes(member) && member.flat(number) !== undefined) {
          faults.push(`record ${number} is still at ${member.node}`);
        }
      }
    }
    return [...new Set(faults)];
  }
}
