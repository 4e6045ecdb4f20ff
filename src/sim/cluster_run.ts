/**
 * A run of a cluster: real nodes and real clients on virtual time, faults as a schedule says, and the question at every
 * step and after each epoch whether what was promised was kept. See `cluster_types.ts` for what a run consists of.
 *
 * @module
 */
import { createDigester, ResultCode, setPartitionCount } from "../base/mod.ts";
import type { Compute } from "../port/mod.ts";
import { CalmWatch } from "./cluster_calm.ts";
import { ClusterClients } from "./cluster_clients.ts";
import {
  checkPolicy,
  checkReplicas,
  collectCopies,
  type CopiesByDigest,
  partitionOf,
  readStored,
  type StoredBytes,
} from "./cluster_copies.ts";
import {
  checkSafe,
  checkSplit,
  ClusterWall,
  EpochHistory,
  type SafeCounts,
  stateOf,
} from "./cluster_history.ts";
import { ClusterDevices, type DeviceCounts } from "./cluster_devices.ts";
import { FenceWatch } from "./cluster_fence_watch.ts";
import { checkIndexes, hasIndex } from "./cluster_indexes.ts";
import { ClusterInvariants } from "./cluster_invariants.ts";
import { type ClusterMember, ClusterMembers, DATA_FOLDER } from "./cluster_members.ts";
import { checkPlacement, isMisplaced } from "./cluster_placement.ts";
import { hasMigrations, isQuiesced, PhaseCounters } from "./cluster_phases.ts";
import { RetryWatch } from "./cluster_retry_watch.ts";
import { Strikes } from "./cluster_strikes.ts";
import { checkTruncated, isTruncated, truncationMark, whyNotTruncated } from "./cluster_truncation.ts";
import type { ClusterSchedule, Epoch } from "./cluster_types.ts";
import { ClusterWatch } from "./cluster_watch.ts";
import type { Entry, RecordState } from "./record_model.ts";
import { ABSENT } from "./record_model.ts";
import type { SimEvent } from "./simulation.ts";
import { mayBeTruncated } from "./workload.ts";
import { type SimMachine, SimWorld } from "./world.ts";

/** What a run of a cluster is told. */
export interface ClusterRunOptions {
  readonly schedule: ClusterSchedule;
  /** Pure computations. */
  readonly compute: Compute;
  /** Lets promises go on; see `SimulationOptions`. */
  readonly settle: () => Promise<void>;
  /** See `OneNodeOptions`. */
  readonly watchRejections?: (fail: (error: unknown) => void) => () => void;
  /** Virtual time that a run takes at least; 120 s by default. */
  readonly runMinMs?: number;
  /** Operations of clients that a run has at least; 5,000 by default. */
  readonly operationCountMin?: number;
}

/** What became of a run. */
export interface ClusterReport {
  readonly seed: number;
  /** Equal for equal runs. */
  readonly hash: string;
  readonly operationCount: number;
  /** Operations that ended without a certain answer. */
  readonly troubleCount: number;
  /** Faults that struck. */
  readonly faultCount: number;
  readonly eventCount: number;
  readonly virtualMs: number;
  readonly counters: PhaseCounters;
  readonly checks: Readonly<SafeCounts>;
  /** Devices that went out of service. */
  readonly devices: Readonly<DeviceCounts>;
  /** Longest time until a cluster was whole again after everything was repaired, in milliseconds. */
  readonly wholeMsMax: number;
  /** What went wrong; undefined when nothing did. */
  readonly failure: string | undefined;
  /** Last log lines of the nodes, when something went wrong. */
  readonly log: readonly string[];
}

/** Once everything is repaired, the cluster must be whole again within this time. */
const WHOLE_MAX_MS = 40_000;
/** How often that is looked at. */
const WHOLE_LOOK_MS = 50;
/** All nodes are looked at together this often, in microseconds. */
const LOOK_AT_ALL_US = 250_000;
/** Clients' calls must have ended this long after they were told to rest. */
const REST_MAX_MS = 10_000;
/** A whole run lasts at least this long, and has at least so many operations and faults. */
const RUN_MIN_MS = 120_000;
const OPERATION_COUNT_MIN = 5000;
const FAULT_COUNT_MIN = 10;
/** Clients work for so long once more, while faults or operations are missing. */
const MORE_WORK_MS = 2000;
/** Partitions of a cluster that is not a small model. */
const PARTITION_COUNT_FULL = 4096;
/** When clocks are further apart, expired records are not judged. */
const CLOCK_SPREAD_MAX_MS = 1000;
/** A write that is not confirmed must have met trouble within this share of its time. */
const CALM_SHARE = 0.6;
/** Log lines of each node in a report. */
const REPORT_LINE_COUNT = 40;

/** Runs a schedule. */
export async function runCluster(options: ClusterRunOptions): Promise<ClusterReport> {
  // Loading the hash function takes real time, which must not happen within the run.
  await createDigester();
  setPartitionCount(options.schedule.shape.partitionCount ?? PARTITION_COUNT_FULL);
  const run = new ClusterRun(options);
  const stopWatching = options.watchRejections?.((error) => run.fail(error));
  let failure: string | undefined;
  try {
    await run.run();
  } catch (error) {
    failure = error instanceof Error ? error.stack ?? error.message : String(error);
  }
  stopWatching?.();
  setPartitionCount(PARTITION_COUNT_FULL);
  return run.report(failure);
}

class ClusterRun {
  readonly #schedule: ClusterSchedule;
  readonly #runMinMs: number;
  readonly #operationCountMin: number;
  readonly #world: SimWorld;
  readonly #members: ClusterMembers;
  readonly #clients: ClusterClients;
  readonly #invariants: ClusterInvariants;
  readonly #watch: ClusterWatch;
  readonly #fences: FenceWatch;
  readonly #retries = new RetryWatch();
  readonly #devices = new ClusterDevices();
  readonly #wall: ClusterWall;
  readonly #counters = new PhaseCounters();
  readonly #checks: SafeCounts = { unknown: 0, stale: 0 };
  /** What each record was at the last moment of full replication. */
  readonly #states = new Map<string, RecordState>();
  /** Records that some replicas had alone then, where nobody tells them, or where they have not expired yet. */
  #strays: ReadonlySet<string> = new Set();
  #history: EpochHistory;
  #wholeMsMax = 0;
  #faultCount = 0;
  #nextLookUs = 0;
  #strikes: Strikes | undefined;
  readonly #calm: CalmWatch;
  #wantsIndex = false;
  #hadQuiesced = false;
  #hadLeftBehind = false;
  /** See {@linkcode StrikeTargets}. */
  readonly #rotten = new Set<ClusterMember>();

  constructor(options: ClusterRunOptions) {
    const { schedule, compute, settle } = options;
    const { seed, shape } = schedule;
    this.#schedule = schedule;
    this.#runMinMs = options.runMinMs ?? RUN_MIN_MS;
    this.#operationCountMin = options.operationCountMin ?? OPERATION_COUNT_MIN;
    this.#world = new SimWorld({ seed, compute, settle });
    const { simulation } = this.#world;
    this.#calm = new CalmWatch(() => simulation.nowUs);
    this.#members = new ClusterMembers(this.#world, shape);
    for (const { machine } of this.#members.all) {
      if (shape.clockStepMs !== undefined) machine.wall.stepMs = shape.clockStepMs;
    }
    this.#invariants = new ClusterInvariants(this.#members.all);
    this.#wall = new ClusterWall(simulation);
    this.#history = new EpochHistory(simulation, this.#wall);
    this.#clients = new ClusterClients({
      world: this.#world,
      shape,
      hosts: this.#members.hosts,
      random: simulation.random.fork("clients"),
      recorder: this.#history,
    });
    this.#watch = new ClusterWatch(this.#members.all, this.#clients.names);
    this.#watch.onUnconfirmed = (name) => this.#checkUnconfirmed(name);
    this.#watch.onLeftOver = (name, generation) => this.#history.mayBeBuried(name, generation);
    this.#watch.disksFailed = () => this.#history.disksFailed || this.#rotten.size > 0;
    this.#fences = new FenceWatch(this.#members.all);
    simulation.afterEvent = (event) => this.#afterEvent(event);
  }

  async run(): Promise<void> {
    const { simulation } = this.#world;
    const { shape, epochs, moreFaults = [] } = this.#schedule;
    for (const member of this.#members.all.slice(0, shape.nodeCount)) this.#members.start(member);
    await this.#becomeWhole("at the start");
    await simulation.runUntilSettled(this.#clients.start());
    if (shape.hasIndex) {
      await simulation.runUntilSettled(this.#clients.createIndex());
      this.#wantsIndex = true;
      await this.#becomeWhole("after the index was created");
    }
    for (const [index, epoch] of epochs.entries()) {
      await this.#runEpoch(epoch, `epoch ${index}`);
      if (shape.replacesDisks) await this.#replaceDisks();
    }
    for (const fault of moreFaults) {
      if (this.#faultCount >= FAULT_COUNT_MIN) break;
      await this.#runEpoch({ kind: "safe", durationMs: MORE_WORK_MS, faults: [fault] }, "one more fault");
    }
    const restMs = this.#runMinMs - simulation.nowUs / 1000;
    if (restMs > 0) await this.#runQuiet(restMs);
    while (this.#clients.doneCount < this.#operationCountMin) {
      await this.#runEpoch({ kind: "safe", durationMs: MORE_WORK_MS, faults: [] }, "more work");
    }
  }

  fail(error: unknown): void {
    this.#world.simulation.fail(error);
  }

  report(failure: string | undefined): ClusterReport {
    const { simulation } = this.#world;
    return {
      seed: this.#schedule.seed,
      hash: simulation.hash.toString(),
      operationCount: this.#clients.doneCount,
      troubleCount: this.#clients.troubleCount,
      faultCount: this.#faultCount,
      eventCount: simulation.eventCount,
      virtualMs: simulation.nowUs / 1000,
      counters: this.#counters,
      checks: this.#checks,
      devices: this.#devices.counts,
      wholeMsMax: this.#wholeMsMax,
      failure: failure === undefined
        ? undefined
        : `${failure}\nat ${(simulation.nowUs / 1e6).toFixed(6)} s; ${this.#stateText()}`,
      log: failure === undefined ? [] : this.#log(),
    };
  }

  /** The last lines of all nodes, in the order of time. */
  #log(): string[] {
    return this.#members.all.flatMap((member) => member.log(REPORT_LINE_COUNT)).sort((left, right) =>
      parseFloat(left) - parseFloat(right)
    );
  }

  #afterEvent({ owner }: SimEvent): void {
    if (owner === undefined) return;
    const { nowUs } = this.#world.simulation;
    if (nowUs >= this.#nextLookUs) {
      this.#nextLookUs = nowUs + LOOK_AT_ALL_US;
      this.#invariants.lookAtAll();
      this.#devices.look(this.#members.all);
      const isCalm = this.#isCalm();
      this.#calm.look(isCalm);
      if (isCalm && this.#strikes?.hasFailed === true && this.#whyNotWhole() === undefined) {
        this.#strikes.noteWhole();
      }
    }
    const member = this.#members.ofProcess(owner.id);
    if (member?.process !== owner) return;
    if (member.isUp) {
      this.#watch.watch(member);
      this.#fences.watch(member);
      this.#retries.watch(member);
      this.#strikes?.look(member);
    }
    this.#invariants.look(member);
  }

  async #runEpoch(epoch: Epoch, name: string): Promise<void> {
    const { simulation } = this.#world;
    this.#beginHistory();
    const strikes = this.#strikes = new Strikes(this.#targets(), epoch);
    this.#clients.isWorking = true;
    this.#clients.isPaused = false;
    strikes.start();
    await simulation.runFor(epoch.durationMs);
    let before: CopiesByDigest | undefined;
    if (epoch.kind === "split") {
      await this.#rest();
      // What a node that is down has in its files may win too, and can't be seen here.
      const isHidden = this.#schedule.shape.hasFiles &&
        this.#members.all.some((one) => one.startCount > 0 && !one.isUp);
      this.#watch.merges.forgetRules();
      before = isHidden ? undefined : collectCopies(this.#members.up, await this.#readStored());
      strikes.end();
    } else {
      strikes.end();
      await simulation.runFor(this.#schedule.shape.calmWorkMs ?? 0);
      await this.#rest();
    }
    this.#faultCount += strikes.count;
    await this.#becomeWhole(`after ${name}`);
    await this.#check(epoch, before);
  }

  #beginHistory(): void {
    const history = new EpochHistory(this.#world.simulation, this.#wall);
    history.goOnFrom(this.#history);
    this.#clients.recorder = this.#history = history;
    this.#invariants.hadSplit = this.#invariants.hadSleeper = false;
    this.#hadQuiesced = this.#hadLeftBehind = false;
  }

  /** What is damaged and was not met yet is gone with its disk, one node after the other. */
  async #replaceDisks(): Promise<void> {
    const { simulation } = this.#world;
    for (const member of this.#rotten) {
      let isStopped = false;
      member.stop(() => void (isStopped = true));
      await simulation.runWhile(() => !isStopped);
      member.machine.disk.wipe(DATA_FOLDER);
      this.#members.start(member);
      await this.#becomeWhole(`after ${member.id} got a new disk`);
      this.#rotten.delete(member);
    }
  }

  /** Time passes in which nobody asks for anything; nothing may change by it but that records expire. */
  async #runQuiet(durationMs: number): Promise<void> {
    const { simulation } = this.#world;
    this.#beginHistory();
    await simulation.runFor(durationMs);
    await this.#becomeWhole("after a quiet time");
    await this.#check({ kind: "safe", durationMs, faults: [] }, undefined);
  }

  /** Nothing goes wrong, and the cluster has nothing to decide or to move. */
  #isCalm(): boolean {
    return this.#strikes?.isStriking !== true && this.#whyNotSettled() === undefined;
  }

  /** A write that replicas have not confirmed, although nothing was wrong for most of its time. */
  #checkUnconfirmed(name: string): void {
    const { timeoutMs, transactionRetryMs } = this.#schedule.shape;
    const { calmMs } = this.#calm;
    // With a longer pause nothing that was lost is sent again in time.
    if (transactionRetryMs === undefined || calmMs < timeoutMs * CALM_SHARE || !this.#isCalm()) return;
    throw new Error(
      `A write of ${name} was not confirmed within ${timeoutMs} ms, though nothing was wrong for ${
        calmMs.toFixed(0)
      } ms`,
    );
  }

  #targets() {
    return {
      world: this.#world,
      members: this.#members,
      clients: this.#clients.machines,
      replicationFactor: this.#schedule.shape.replicationFactor,
      counters: this.#counters,
      aimsAtPhases: this.#schedule.shape.aimsAtPhases === true,
      rotten: this.#rotten,
      nodeTimeoutMs: this.#schedule.shape.heartbeatIntervalMs * this.#schedule.shape.heartbeatTimeoutCount,
      strikesInPhases: this.#schedule.shape.strikesInPhases === true,
      leavesBehind: this.#schedule.shape.leavesBehind === true,
      isPatient: this.#schedule.shape.isPatient === true,
      noteLeftBehind: () => void (this.#hadLeftBehind = true),
      noteDiskFault: () => void (this.#history.disksFailed = true),
      noteTrouble: (lastsMs?: number) => this.#calm.noteTrouble(lastsMs),
      pauseClients: (isPaused: boolean) => void (this.#clients.isPaused = isPaused),
      noteQuiesce: () => void (this.#hadQuiesced = true),
      truncate: () => void this.#clients.truncate().catch((error) => this.fail(error)),
      isWhole: () => this.#whyNotWhole() === undefined,
      holdDoubts: () => void (this.#history.holdsDoubts = true),
      changeClock: (machine: SimMachine, change: () => void) => {
        this.#wall.note(machine);
        change();
        this.#wall.note(machine);
      },
    };
  }

  /** Clients stop to ask, and all that they have asked ends. */
  async #rest(): Promise<void> {
    const { simulation } = this.#world;
    this.#clients.isWorking = false;
    const limitUs = simulation.nowUs + REST_MAX_MS * 1000;
    await simulation.runWhile(() => this.#clients.busyCount > 0 && simulation.nowUs < limitUs);
    if (this.#clients.busyCount > 0) {
      throw new Error(`${this.#clients.busyCount} calls have not ended within ${REST_MAX_MS} ms`);
    }
  }

  async #becomeWhole(when: string): Promise<void> {
    const { simulation } = this.#world;
    const startUs = simulation.nowUs;
    for (;;) {
      await simulation.runFor(WHOLE_LOOK_MS);
      const why = this.#whyNotWhole();
      const spentMs = (simulation.nowUs - startUs) / 1000;
      if (why === undefined) {
        this.#wholeMsMax = Math.max(this.#wholeMsMax, spentMs);
        this.#devices.noteWhole();
        return;
      }
      if (spentMs > WHOLE_MAX_MS) {
        throw new Error(`The cluster is not whole ${WHOLE_MAX_MS} ms ${when}: ${why}`);
      }
    }
  }

  /** What is missing for a whole cluster: all nodes in it, nothing to exchange, to move or to mend; undefined for nothing. */
  #whyNotWhole(): string | undefined {
    const started = this.#members.all.filter(({ startCount }) => startCount > 0);
    const why = this.#whyNotSettled();
    if (why !== undefined) return why;
    const mending = started.find(({ node }) => node!.peers.unconfirmedCount > 0);
    if (mending !== undefined) return `${mending.id} has records that a replica may lack`;
    // What a device does not take stops the writes soon: the node looks for it every so often.
    const refusing = started.find(({ store }) => store.stopWrites || (store.disk?.fault ?? "") !== "");
    if (refusing !== undefined) return `${refusing.id} refuses writes`;
    const refilling = this.#devices.whyNotRefilled(this.#members.all, this.#clients.names);
    if (refilling !== undefined) return refilling;
    const unready = this.#wantsIndex ? started.find((member) => !hasIndex(member)) : undefined;
    return unready === undefined ? whyNotTruncated(started) : `${unready.id} has no complete index`;
  }

  /** The same without what writes change: a node missing, an exchange or a migration; undefined for nothing. */
  #whyNotSettled(): string | undefined {
    const started = this.#members.all.filter(({ startCount }) => startCount > 0);
    const down = started.find((member) => !member.isUp || !member.isWanted || member.isFrozen);
    if (down !== undefined) return `${down.id} does not run`;
    const [first] = started;
    for (const { id, node } of started) {
      const { cluster } = node!;
      if (cluster.clusterKey === 0 || cluster.clusterKey !== first.node!.cluster.clusterKey) {
        return `${id} is in cluster ${cluster.key}, ${first.id} in ${first.node!.cluster.key}`;
      }
      if (cluster.size !== started.length) return `${id} is in a cluster of ${cluster.size}`;
      if (cluster.exchange.state !== "rest" || cluster.clustering.clusterKey !== cluster.clusterKey) {
        return `${id} exchanges`;
      }
      if (cluster.isFenced) return `${id} is fenced`;
    }
    const quiesced = started.find(isQuiesced);
    if (quiesced !== undefined) return `${quiesced.id} is quiesced`;
    const misplaced = started.find(isMisplaced);
    if (misplaced !== undefined) return `${misplaced.id} wishes another placement`;
    const busy = started.find(hasMigrations);
    return busy === undefined ? undefined : `${busy.id} has migrations left`;
  }

  async #check(epoch: Epoch, before: CopiesByDigest | undefined): Promise<void> {
    const { simulation } = this.#world;
    const members = this.#members.up;
    for (const { machine } of this.#members.all) this.#wall.note(machine);
    const { names, keys } = this.#clients;
    const { conflictPolicy: policy, stockLikeNode } = this.#schedule.shape;
    checkPlacement(members);
    const stored = await this.#readStored();
    const inDoubt = (key: string) => this.#history.isInDoubt(key);
    const strays = new Set<string>();
    const after = checkReplicas(members, {
      names,
      hasStockLike: stockLikeNode >= 0,
      stored,
      mayBeStray: (name) => inDoubt(name) || this.#strays.has(name),
      noteStray: (name) => void strays.add(name),
    });
    checkTruncated(members, after, names);
    const markMs = truncationMark(members[0]);
    if (before !== undefined) {
      checkPolicy({ before, after }, {
        policy,
        members,
        names,
        inDoubt,
        hasStockLike: stockLikeNode >= 0,
        isTruncated: (name, copy) => isTruncated(name, copy, markMs),
        hadBothRules: (key) => this.#watch.merges.hadBothRules(partitionOf(key)),
      });
    }
    this.#history.end();
    const finals = new Map<string, Entry>();
    for (const key of keys) finals.set(key, this.#history.call("end", key, { type: "get" }));
    const outcomes = await simulation.runUntilSettled(this.#clients.readAll());
    if (this.#wantsIndex) checkIndexes(members, after, { names, outcomes, strays });
    for (const key of keys) {
      this.#checkKey(epoch, key, { final: finals.get(key)!, outcome: outcomes.get(key)! });
    }
    // By the clock of its master a record has expired, and by that of a replica, which may be read, not yet.
    for (const [digest, copies] of after) {
      const name = names.get(digest) ?? "";
      const isThere = copies.some(({ isTombstone }) => !isTombstone);
      if (name.startsWith("t") && isThere && outcomes.get(name)?.code !== ResultCode.OK) strays.add(name);
    }
    this.#strays = strays;
  }

  /** What nodes have on their devices alone. */
  #readStored(): Promise<StoredBytes> | undefined {
    if (!this.#schedule.shape.isOnDevice) return undefined;
    return this.#world.simulation.runUntilSettled(readStored(this.#members.up));
  }

  #checkKey(
    epoch: Epoch,
    key: string,
    { final, outcome }: { final: Entry; outcome: Entry["outcome"] },
  ): void {
    this.#history.answer(final, outcome);
    const entries = this.#history.entriesOf(key);
    const initial = this.#states.get(key) ?? ABSENT;
    const last = stateOf(outcome, key);
    const { hadSplit, hadSleeper } = this.#invariants;
    const { hasFiles, stockLikeNode, replicationFactor } = this.#schedule.shape;
    // What has expired leaves no trace. An older copy on a node that was away, or one that takes no tombstones, comes back;
    // so does what has expired by one clock alone.
    const isFarApart = this.#wall.spreadMs > CLOCK_SPREAD_MAX_MS;
    const mayReturn = key.startsWith("t") &&
      (hadSleeper || hadSplit || hasFiles || isFarApart || this.#hadQuiesced);
    // What a replica had alone is read there, and comes back with it when it becomes the master.
    const isStray = this.#strays.has(key);
    if (mayReturn || isStray || (stockLikeNode >= 0 && (hadSleeper || hadSplit))) {
      this.#states.set(key, last);
      return;
    }
    // What a node had not finished when it was left behind competes with what the others have done since.
    const hadRival = this.#hadLeftBehind && this.#history.isInDoubt(key);
    const isSafe = epoch.kind === "safe" && !hadSplit && !hadRival;
    const mayLoseTombstones = stockLikeNode >= 0 || mayBeTruncated(key);
    if (isSafe) checkSafe({ key, entries, initial, hadSleeper, mayLoseTombstones }, this.#wall, this.#checks);
    else {
      // In a safe epoch nobody may die before there are enough copies again.
      const mayBeLost = epoch.kind === "split" && this.#strikes!.deathCount >= replicationFactor;
      checkSplit({ key, entries, initial, last, mayBeLost });
    }
    this.#states.set(key, last);
  }

  #stateText(): string {
    return this.#members.all.map((member) => {
      if (!member.isUp) return `${member.id} ${member.process === undefined ? "is down" : "starts"}`;
      const { cluster } = member.node!;
      const { role } = cluster.clustering;
      return `${member.id}${
        member.isFrozen ? " (frozen)" : ""
      } ${role} of ${cluster.key} with ${cluster.size}, ${cluster.exchange.state}`;
    }).join("; ");
  }
}
