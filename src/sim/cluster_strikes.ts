/**
 * Lets the faults of an epoch happen: each at its time, or when the cluster is in the phase that the fault waits for.
 * What lasts is undone after its time, and everything is undone at the end of the epoch.
 *
 * @module
 */
import { costsCopies, damages, isSplit, secondOf, struckBy } from "./cluster_fault_kinds.ts";
import { failDisk, killDevice, type LastingFault, mendDisk, rot, slowDisk } from "./cluster_disk_faults.ts";
import { LeftBehind } from "./cluster_left_behind.ts";
import { CLUSTER_FABRIC_PORT, type ClusterMember, type ClusterMembers } from "./cluster_members.ts";
import {
  canMeet,
  isInPhase,
  isInQuiescedPlace,
  isQuiesced,
  memberIsIn,
  type PhaseCounters,
} from "./cluster_phases.ts";
import { changeWishes, isMisplaced } from "./cluster_placement.ts";
import { DEVICE_STATE } from "../storage/mod.ts";
import { PhaseWaits } from "./cluster_waits.ts";
import type { ClusterPhase, Epoch, PlannedFault } from "./cluster_types.ts";
import { EventKind } from "./simulation.ts";
import type { SimMachine, SimWorld } from "./world.ts";

/** A fault that waits for a phase strikes anyway after this time. */
const PHASE_WAIT_MS = 2500;
/** How often it looks; a look for a hand-off goes over whole tables. */
const PHASE_LOOK_US = 700;
const HAND_OFF_LOOK_US = 3000;

/** Without a sign of its phase after this time, something is done that brings the phase on. */
const PROVOKE_AFTER_MS = 400;
/** What is done for that lasts so long. */
const PROVOCATION_MS = 1500;

/** A node is left behind when it is not heard for this share of the node timeout; merging takes some time after it. */
const LEFT_BEHIND_SHARE = 1.3;
const MERGE_MS = 2000;

/** Pause of migrations after each record, and for how long, while a fault waits for duplicates to be asked. */
const SLOW_MIGRATE_SLEEP_US = 250_000;
const SLOW_MIGRATIONS_MS = 5000;

/** While a node is away a set is truncated after this share of the time, once in so many times. */
const TRUNCATE_SHARE = 0.6;
const TRUNCATE_EVERY = 3;

/** The command to make the cluster anew may be refused, and is given again. */
const RECLUSTER_AGAIN_MS = 2000;
const RECLUSTER_COUNT_MAX = 10;

/** The power is off for longer than any call of a client takes. */
const BLACKOUT_MS = 4000;
const SLOW_BEFORE_BLACKOUT_MS = 600;
/** As the amount of a slow disk: the second of three. */
const SLOW_BEFORE_BLACKOUT = 1;
const RESUME_LOOK_MS = 100;
/** Disks stay slow until a power cut everywhere has met its phase, or longer. */
const SLOW_UNTIL_BLACKOUT_MS = 6500;

/** A node that died alone is back after this time. */
const ALONE_AWAY_MS = 300;

/** A node that is to meet a fault when it has started is looked at this often. */
const UP_LOOK_MS = 20;

/** A device that failed is written to again within this time. */
const WRITE_AGAIN_MS = 2500;

/** What was sent over a slow or cut link arrives so long after it works again, at most. */
const LATE_MAX_MS = 250;

/** Connections that break after they stood still do so when this share of the time is over. */
const STICK_BREAK_SHARE = 0.9;

/** A fault that would take the last copy waits for full replication this long, then it is left out. */
const BUDGET_WAIT_MS = 9000;
const BUDGET_LOOK_MS = 100;

/** Phases that come where there is one copy of each record, too. */
const PHASES_OF_ONE_COPY: readonly ClusterPhase[] = ["paxos", "exchange", "migration", "hand-off"];

/** What strikes act on. */
export interface StrikeTargets {
  readonly world: SimWorld;
  readonly members: ClusterMembers;
  readonly clients: readonly SimMachine[];
  /** Copies of each record. */
  readonly replicationFactor: number;
  readonly counters: PhaseCounters;
  /** Faults that waited for a phase strike a node that is in it. */
  readonly aimsAtPhases: boolean;
  /** They strike in an event of that phase. */
  readonly strikesInPhases: boolean;
  /** See `ClusterShape`. */
  readonly leavesBehind: boolean;
  readonly isPatient: boolean;
  /** A node that is not heard for so long is left behind. */
  readonly nodeTimeoutMs: number;
  /** Whether the cluster is whole and has as many copies of everything as it should. */
  isWhole(): boolean;
  /** A node is left behind, with writes that it has not finished. */
  noteLeftBehind(): void;
  /** A node gives its masterships up, but keeps what it has. */
  noteQuiesce(): void;
  /** Clients ask nothing, until they are told to go on. */
  pauseClients(isPaused: boolean): void;
  /** A client truncates the set that is there for it. */
  truncate(): void;
  /** Nodes with damage on their disks, from this epoch or one before: nobody knows whether all of it was met and mended. */
  readonly rotten: Set<ClusterMember>;
  /** Reads and writes of disks fail: requests may be refused for that. */
  noteDiskFault(): void;
  /** Nodes may have and may keep what was given up: it can take effect until the epoch is over. */
  holdDoubts(): void;
  /** Something begins or ends to go wrong, of which something is left for a while. */
  noteTrouble(lastsMs?: number): void;
  /** A machine's clock is changed by this call. */
  changeClock(machine: SimMachine, change: () => void): void;
}

/** The faults of one epoch. */
export class Strikes {
  readonly #targets: StrikeTargets;
  readonly #epoch: Epoch;
  /** Nodes that have lost their data, or were away, since the last moment of full replication. */
  readonly #failed: Set<ClusterMember>;
  /** Nodes that can't read all that they have now, whether they have met it yet or not. */
  readonly #losing = new Set<ClusterMember>();
  readonly #undo = new Set<() => void>();
  readonly #waits: PhaseWaits;
  /** A node was cut off for a phase that only a merge brings on, or has just come back. */
  #isLeftBehind = false;
  readonly #leftBehind: LeftBehind;
  #ended = false;
  /** Faults that have happened. */
  count = 0;
  /** Processes that ended, with what they had in memory. */
  deathCount = 0;

  constructor(targets: StrikeTargets, epoch: Epoch) {
    this.#targets = targets;
    this.#epoch = epoch;
    this.#failed = new Set(targets.rotten);
    this.#leftBehind = new LeftBehind(targets);
    this.#waits = new PhaseWaits({
      simulation: targets.world.simulation,
      strikeIn: (fault, member) => this.#strikeNow(fault, member),
      strikeAnyway: (fault) => this.#strike(fault, this.#nowMs() + BUDGET_WAIT_MS),
      provoke: (phase, choice) => this.#provoke(phase, choice),
      isComing: (phase) =>
        targets.isPatient && phase === "duplicate resolution" &&
        (this.#leftBehind.isAny || this.#isLeftBehind),
    });
  }

  /** Begins. */
  start(): void {
    for (const fault of this.#epoch.faults) this.#later(fault.atMs, () => this.#begin(fault));
  }

  /** An event of a node has happened. */
  look(member: ClusterMember): void {
    if (!this.#ended) this.#waits.look(member);
  }

  /** All that failed is made good, as far as is known here. */
  noteWhole(): void {
    if (this.#targets.strikesInPhases) this.#failToRotten();
  }

  /** Whether it matters that the cluster is whole. */
  get hasFailed(): boolean {
    return this.#failed.size > 0;
  }

  /** Whether something goes wrong now, as far as it is known here. */
  get isStriking(): boolean {
    return this.#undo.size > 0 || this.#leftBehind.isAny;
  }

  /** Undoes everything: the network is whole, all nodes run and none sleeps. */
  end(): void {
    this.#ended = true;
    this.#waits.clear();
    const { world } = this.#targets;
    for (const undo of [...this.#undo]) undo();
    if (this.#targets.members.up.some(isMisplaced)) this.#recluster(RECLUSTER_COUNT_MAX);
    Object.assign(world.network.conditions, {
      cutChance: 0,
      slowChance: 0,
      resetChance: 0,
      bandwidthBytesPerSecond: 0,
    });
  }

  #begin(fault: PlannedFault): void {
    if (this.#ended) return;
    const phase = this.#phaseOf(fault);
    if (phase === undefined || !this.#targets.strikesInPhases) {
      return this.#await(fault, { sinceMs: this.#nowMs(), isProvoked: false });
    }
    // Much is to be not synced yet when the power goes.
    if (fault.kind === "blackout") {
      for (const member of this.#targets.members.up) {
        this.#slowDisk(member, SLOW_UNTIL_BLACKOUT_MS, SLOW_BEFORE_BLACKOUT);
      }
    }
    this.#waits.add(fault, phase);
  }

  /** Instead of a phase that can't come another one is waited for. */
  #phaseOf({ phase, kind, amount }: PlannedFault): ClusterPhase | undefined {
    const { replicationFactor, isPatient } = this.#targets;
    if (!isPatient || phase === undefined) return phase;
    const isAlone = replicationFactor === 1 &&
      (phase === "replica write" || (phase === "duplicate resolution" && this.#epoch.kind === "safe"));
    return isAlone || !canMeet(kind, phase) ? PHASES_OF_ONE_COPY[amount % PHASES_OF_ONE_COPY.length] : phase;
  }

  #await(fault: PlannedFault, wait: { readonly sinceMs: number; isProvoked: boolean }): void {
    if (this.#ended) return;
    const { members } = this.#targets;
    const { phase } = fault;
    const waitedMs = this.#nowMs() - wait.sinceMs;
    if (phase === undefined || waitedMs >= PHASE_WAIT_MS || isInPhase(phase, members.all)) {
      this.#strike(fault, this.#nowMs() + BUDGET_WAIT_MS);
      return;
    }
    if (waitedMs >= PROVOKE_AFTER_MS && !wait.isProvoked) {
      wait.isProvoked = true;
      this.#provoke(phase, fault.other);
    }
    this.#targets.world.simulation.schedule(
      phase === "hand-off" ? HAND_OFF_LOOK_US : PHASE_LOOK_US,
      EventKind.LOOK,
      undefined,
      () => this.#await(fault, wait),
    );
  }

  #slowDisk({ machine: { disk } }: ClusterMember, durationMs: number, amount: number): void {
    const { lateMs, undo } = slowDisk(disk, amount);
    this.#undoLater(durationMs, () => {
      this.#targets.noteTrouble(lateMs);
      undo();
    });
  }

  #failDisk(fault: PlannedFault, member: ClusterMember): void {
    this.#targets.noteDiskFault();
    if (fault.kind === "bad-reads") this.#losing.add(member);
    this.#breakDisk(member, failDisk(member.machine.disk, fault, lostDevice(member)));
  }

  #breakDisk(member: ClusterMember, { lastsMs, undo }: LastingFault): void {
    this.#undoLater(lastsMs, () => {
      this.#losing.delete(member);
      this.#targets.noteTrouble(WRITE_AGAIN_MS);
      undo();
    });
  }

  /** One of two devices dies; or does so soon after a start: then what it has is not in memory besides. */
  #killDevice(fault: PlannedFault, member: ClusterMember): void {
    this.#targets.noteDiskFault();
    const kill = () => {
      this.#targets.noteTrouble();
      this.#losing.add(member);
      this.#breakDisk(member, killDevice(member.machine.disk, fault, lostDevice(member)));
    };
    if (fault.amount % 4 === 0) return kill();
    this.deathCount++;
    member.die(false);
    this.#undoLater(ALONE_AWAY_MS, () => {
      this.#start(member);
      // Another node may have failed meanwhile.
      const act = () => {
        if (this.#mayLose(member)) kill();
      };
      this.#whenUp(member, { isWhole: fault.amount % 4 !== 1, act });
    });
  }

  /** When a node has started, or also the cluster has put everything in its place. */
  #whenUp(member: ClusterMember, then: { readonly isWhole: boolean; readonly act: () => void }): void {
    if (this.#ended) return;
    if (member.isUp && (!then.isWhole || this.#targets.isWhole())) return then.act();
    this.#later(UP_LOOK_MS, () => this.#whenUp(member, then));
  }

  #rot(member: ClusterMember, amount: number): void {
    this.#targets.rotten.add(member);
    this.#targets.noteDiskFault();
    rot(member.machine.disk, amount);
  }

  /** Disks become slow, so that much is not synced yet, and then the power goes. */
  #blackOutSoon(up: readonly ClusterMember[]): void {
    for (const member of up) this.#slowDisk(member, SLOW_BEFORE_BLACKOUT_MS, SLOW_BEFORE_BLACKOUT);
    this.#later(SLOW_BEFORE_BLACKOUT_MS, () => {
      if (!this.#ended && this.#mayBlackOut()) this.#blackOut(this.#targets.members.up);
    });
  }

  /**
   * The power goes everywhere at once, and clients wait until the cluster is whole again: a node that is back before the
   * others would serve what it has, and go a way of its own.
   */
  #blackOut(up: readonly ClusterMember[]): void {
    const { pauseClients } = this.#targets;
    pauseClients(true);
    for (const member of up) member.die(true);
    const resume = () => {
      if (this.#ended || this.#targets.isWhole()) pauseClients(false);
      else this.#later(RESUME_LOOK_MS, resume);
    };
    this.#undoLater(BLACKOUT_MS, () => {
      for (const member of up) this.#start(member);
      resume();
    });
  }

  /**
   * Brings a phase on by what costs no copies: the cluster is made anew, or a node gives its masterships up. False when
   * a node should be left behind, which may be possible soon: making the cluster anew would put that off.
   */
  #provoke(phase: ClusterPhase, choice: number): boolean {
    const { up } = this.#targets.members;
    const member = up[choice % Math.max(1, up.length)];
    if (phase === "replica write" || member === undefined) return true;
    const { leavesBehind, strikesInPhases, replicationFactor, isPatient } = this.#targets;
    const isMerge = leavesBehind && phase === "duplicate resolution";
    const isSplit = strikesInPhases && this.#epoch.kind === "split";
    const isLeaving = isMerge && !isSplit && !this.#leftBehind.isAny;
    const isRefused = isLeaving && !this.#leaveBehind(member, choice);
    if (isRefused && isPatient && replicationFactor > 1 && up.length > 2) return false;
    this.#targets.noteTrouble();
    // Where it is refused they would put off the moment at which it is not.
    if (isMerge && (!isRefused || !isPatient)) this.#slowMigrations();
    if (isSplit && needsCopies(phase)) this.#provokeMerge(member, choice);
    else if (!isMerge || !this.#leftBehind.isAny) this.#disturb(phase, member);
    return true;
  }

  /** In some epochs nobody is quiesced: what has expired is judged there alone. */
  #disturb(phase: ClusterPhase, member: ClusterMember): void {
    const { amount } = this.#epoch.faults[0];
    const mayQuiesce = this.#targets.strikesInPhases ? amount % 4 !== 0 : amount % 2 === 0;
    if (phase === "paxos" || phase === "exchange" || !mayQuiesce) member.node!.cluster.recluster();
    else this.#quiesce(member, PROVOCATION_MS);
  }

  /** A node is left behind, unless one is already, and comes back with what it had: copies differ, and are merged. */
  #provokeMerge(member: ClusterMember, choice: number): void {
    const { members, nodeTimeoutMs } = this.#targets;
    if (this.#isLeftBehind) return;
    this.#isLeftBehind = true;
    this.#targets.holdDoubts();
    const awayMs = nodeTimeoutMs * LEFT_BEHIND_SHARE;
    const others = members.up.filter((one) => one !== member);
    this.#block(others.map((one) => [member.machine, one.machine]), awayMs);
    this.#truncateMeanwhile(awayMs, choice);
    this.#later(awayMs + MERGE_MS, () => void (this.#isLeftBehind = false));
  }

  /** Merges last, so that many requests meet them. */
  #slowMigrations(): void {
    const usual = this.#targets.members.up.map(({ node }) => node!.namespaces[0].settings)
      .filter(({ migrateSleep }) => migrateSleep < SLOW_MIGRATE_SLEEP_US)
      .map((settings) => ({ settings, migrateSleep: settings.migrateSleep }));
    for (const { settings } of usual) settings.migrateSleep = SLOW_MIGRATE_SLEEP_US;
    this.#undoLater(SLOW_MIGRATIONS_MS, () => {
      for (const { settings, migrateSleep } of usual) settings.migrateSleep = migrateSleep;
    });
  }

  /** The same where the network may not split: clients can't reach the node either. False when that costs too much. */
  #leaveBehind(member: ClusterMember, choice: number): boolean {
    const { members: { up }, nodeTimeoutMs } = this.#targets;
    if (up.length < 3 || isQuiesced(member) || !this.#mayLose(member)) return false;
    this.#targets.holdDoubts();
    this.#targets.noteLeftBehind();
    this.#leftBehind.begin(member);
    const awayMs = nodeTimeoutMs * LEFT_BEHIND_SHARE;
    this.#truncateMeanwhile(awayMs, choice);
    this.#undoLater(awayMs, () => this.#leftBehind.reunite());
    return true;
  }

  /** What a node that is away has of a set is truncated before it comes back, sometimes. */
  #truncateMeanwhile(awayMs: number, choice: number): void {
    if (!this.#targets.leavesBehind || choice % TRUNCATE_EVERY !== 0) return;
    this.#later(awayMs * TRUNCATE_SHARE, () => {
      if (!this.#ended) this.#targets.truncate();
    });
  }

  #strike(fault: PlannedFault, deadlineMs: number): void {
    if (this.#ended) return;
    const { up } = this.#targets.members;
    if (up.length === 0 || this.#strikeNow(fault, this.#aim(fault, up))) return;
    if (this.#nowMs() < deadlineMs) this.#later(BUDGET_LOOK_MS, () => this.#strike(fault, deadlineMs));
  }

  /** Lets a fault happen; false when too much would be lost by it. */
  #strikeNow(fault: PlannedFault, member: ClusterMember): boolean {
    const { members: { up }, counters } = this.#targets;
    if (up.length < 2 && isSplit(fault)) return false;
    // What the only copy has lost by damage nobody can give back.
    if (damages(fault) && this.#targets.replicationFactor === 1) return false;
    const isLeft = fault.kind === "blackout"
      ? !this.#mayBlackOut()
      : costsCopies(fault) && !this.#mayLose(member);
    if (isLeft) return false;
    counters.note(fault.kind, struckBy(fault, member, up));
    this.#targets.noteTrouble();
    this.count++;
    this.#happen(fault, member, up);
    return true;
  }

  /** The node that is struck: of those in the phase that was waited for, if any are. */
  #aim({ node, phase }: PlannedFault, up: readonly ClusterMember[]): ClusterMember {
    const inPhase = phase === undefined || !this.#targets.aimsAtPhases
      ? []
      : up.filter((one) => memberIsIn(phase, one));
    const choices = inPhase.length > 0 ? inPhase : up;
    return choices[node % choices.length];
  }

  /** Whether all nodes run, none is behind, and the epoch allows for the time that it takes. */
  #mayBlackOut(): boolean {
    const { members } = this.#targets;
    this.#forgetFailed();
    return this.#failed.size === 0 &&
      members.all.every((one) => one.startCount === 0 || (one.isUp && !one.isFrozen && !isQuiesced(one)));
  }

  /**
   * In a whole cluster all that failed is made good, but for damage that nobody has met. One whose nodes don't miss the one
   * that is being left behind yet is not whole.
   */
  #forgetFailed(): void {
    if (this.#leftBehind.isAny || !this.#targets.isWhole()) return;
    this.#failToRotten();
  }

  #failToRotten(): void {
    this.#failed.clear();
    for (const member of [...this.#targets.rotten, ...this.#losing]) this.#failed.add(member);
  }

  /** Whether acknowledged writes survive when this node goes too. */
  #mayLose(member: ClusterMember): boolean {
    const { replicationFactor, members } = this.#targets;
    if (members.up.length < 2) return false;
    if (this.#epoch.kind === "split") return true;
    this.#forgetFailed();
    if (!this.#hasReplicasWithout(member)) return false;
    const others = this.#failed.has(member) ? this.#failed.size - 1 : this.#failed.size;
    if (others + 1 >= replicationFactor) return false;
    this.#failed.add(member);
    return true;
  }

  /** Whether there are as many copies as there should be when this node gives up its own; a quiesced one has none that count. */
  #hasReplicasWithout(member: ClusterMember): boolean {
    const { members, replicationFactor } = this.#targets;
    const isAnyQuiesced = members.up.some(isQuiesced);
    const others = members.up.filter((other) => other !== member && !isQuiesced(other));
    return !isAnyQuiesced || others.length >= replicationFactor;
  }

  #happen(fault: PlannedFault, member: ClusterMember, up: readonly ClusterMember[]): void {
    const { durationMs, amount, other } = fault;
    const { world, clients } = this.#targets;
    const { network } = world;
    const second = secondOf(fault, member, up);
    switch (fault.kind) {
      case "slow":
        network.conditions.slowChance = [0.01, 0.1, 0.3][amount % 3];
        network.conditions.slowMaxUs = [2000, 20_000, 200_000][other % 3];
        return this.#undoLater(durationMs, () => {
          this.#targets.noteTrouble(LATE_MAX_MS);
          network.conditions.slowChance = 0;
        });
      case "stall":
      case "blink":
        return this.#block([[member.machine, second.machine]], durationMs);
      case "clog":
        network.clog(member.machine, second.machine, 1000 + amount * 200);
        return this.#undoLater(durationMs, () => {
          this.#targets.noteTrouble(LATE_MAX_MS);
          network.clog(member.machine, second.machine, 0);
        });
      case "reset":
        return this.#reset(member, second, amount);
      case "stick":
        return this.#stick([member, second], durationMs, amount);
      case "cut-bytes":
        network.conditions.cutChance = [0.05, 0.3, 1][amount % 3];
        return this.#undoLater(durationMs, () => void (network.conditions.cutChance = 0));
      case "jump":
        return this.#jump(member, amount, other);
      case "drift":
        return this.#drift(member, amount, other);
      case "slow-disk":
        return this.#slowDisk(member, durationMs, amount);
      case "bad-reads":
      case "bad-writes":
        return this.#failDisk(fault, member);
      case "dead-disk":
        return this.#killDevice(fault, member);
      case "rot":
        return this.#rot(member, amount);
      case "blackout":
        return this.#targets.strikesInPhases && fault.phase !== undefined
          ? this.#blackOut(up)
          : this.#blackOutSoon(up);
      case "skew":
        return this.#skew(member, amount, other);
      case "truncate":
        return this.#targets.truncate();
      case "recluster":
        return void member.node!.cluster.recluster();
      case "re-rack":
        changeWishes(fault, member, up);
        return this.#recluster(RECLUSTER_COUNT_MAX);
      case "quiesce":
        return this.#quiesce(member, durationMs);
      case "client-cut":
        return this.#block([[member.machine, clients[other % clients.length]]], durationMs);
      case "isolate":
      case "halves":
      case "partial":
      case "one-way":
        return this.#split(fault, member, up);
      default:
        return this.#fell(fault, member);
    }
  }

  /** A node that starts finds its disk in order: what an operator has to see to else is not looked at here. */
  #start(member: ClusterMember): void {
    mendDisk(member.machine.disk);
    this.#targets.members.start(member);
  }

  /** A process stands still, or ends and comes back. */
  #fell({ kind, durationMs, amount }: PlannedFault, member: ClusterMember): void {
    const { members } = this.#targets;
    const startAgain = () => this.#undoLater(durationMs, () => this.#start(member));
    if (kind !== "freeze" && kind !== "sleep" && kind !== "join") this.deathCount++;
    switch (kind) {
      case "freeze":
        return this.#freeze(member, durationMs);
      case "sleep":
        this.#targets.holdDoubts();
        this.#truncateMeanwhile(durationMs, amount);
        return this.#freeze(member, durationMs);
      case "kill":
      case "vanish":
        member.die(kind === "vanish");
        return startAgain();
      case "lonely":
        return this.#dieAlone(member, durationMs);
      case "corrupt":
        this.#rot(member, amount);
        member.die(true);
        return startAgain();
      case "stop":
        return member.stop(startAgain);
      case "join": {
        const spare = members.all.find((other) => other.startCount === 0);
        if (spare !== undefined) members.start(spare);
        return;
      }
      default:
        throw new TypeError(`No fault of the name ${kind}`);
    }
  }

  /** What a node waited for while it stood still ends before anything else, when it goes on. */
  #freeze(member: ClusterMember, durationMs: number): void {
    this.#later(durationMs, () => this.#targets.noteTrouble());
    member.freeze(durationMs);
  }

  /** Nobody but clients hears a node for a while; then it dies, with what it alone has written, and is soon back. */
  #dieAlone(member: ClusterMember, durationMs: number): void {
    const { members } = this.#targets;
    const others = members.up.filter((one) => one !== member);
    this.#block(others.map((one) => [member.machine, one.machine]), durationMs);
    const { process } = member;
    // It counts as failed from now on, though the others have not noticed yet.
    member.isWanted = false;
    this.#undoLater(durationMs, () => {
      // What there was when a split ends is known by then.
      if (this.#ended && this.#epoch.kind === "split") return void (member.isWanted = true);
      if (member.process === process) member.die(false);
      this.#undoLater(ALONE_AWAY_MS, () => this.#start(member));
    });
  }

  #split(
    { kind, durationMs, other }: PlannedFault,
    member: ClusterMember,
    up: readonly ClusterMember[],
  ): void {
    const others = up.filter((one) => one !== member);
    const { network } = this.#targets.world;
    this.#targets.holdDoubts();
    switch (kind) {
      case "isolate":
        return this.#block(others.map((one) => [member.machine, one.machine]), durationMs);
      case "halves": {
        const left = up.filter((_, at) => ((other >> (at % 6)) & 1) === 1 || at === other % up.length);
        const right = up.filter((one) => !left.includes(one));
        return this.#block(left.flatMap((a) => right.map((b): Pair => [a.machine, b.machine])), durationMs);
      }
      case "partial":
        return this.#block([[member.machine, others[other % others.length].machine]], durationMs);
      default: {
        const deaf = other % 2 === 0 ? others : [others[other % others.length]];
        for (const one of deaf) network.blockWay(member.machine, one.machine);
        return this.#undoLater(durationMs, () => {
          this.#targets.noteTrouble(LATE_MAX_MS);
          for (const one of deaf) network.unblock(member.machine, one.machine);
        });
      }
    }
  }

  #block(pairs: readonly Pair[], durationMs: number): void {
    const { network } = this.#targets.world;
    for (const [left, right] of pairs) network.block(left, right);
    this.#undoLater(durationMs, () => {
      this.#targets.noteTrouble(LATE_MAX_MS);
      for (const [left, right] of pairs) {
        if (!this.#leftBehind.holds(left, right)) network.unblock(left, right);
      }
    });
  }

  /** Breaks connections between two nodes, or of a node, or for a while some of those that are used. */
  #reset(member: ClusterMember, second: ClusterMember, amount: number): void {
    const { network } = this.#targets.world;
    if (amount % 3 === 0) {
      network.conditions.resetChance = [0.0005, 0.002, 0.01][amount % 7 % 3];
      return this.#undoLater(500 + amount, () => void (network.conditions.resetChance = 0));
    }
    for (const connection of [...network.connections]) {
      if (connection.closed || connection.process.machine !== member.machine) continue;
      if (amount % 3 === 1 && connection.peer.process.machine !== second.machine) continue;
      network.reset(connection);
    }
  }

  /** Some of the connections between two nodes stand still, as after a lost packet; then they go on or break. */
  #stick([member, second]: readonly ClusterMember[], durationMs: number, amount: number): void {
    const { network } = this.#targets.world;
    const stuck = [...network.connections].filter((one) =>
      one.remote.port === CLUSTER_FABRIC_PORT && !one.closed &&
      (one.process.machine === member.machine || one.process.machine === second.machine) &&
      (one.peer.process.machine === member.machine || one.peer.process.machine === second.machine)
    ).filter((_, at) => ((amount >> (at % 7)) & 1) === 1);
    for (const one of stuck) {
      one.stall(durationMs * 1000);
      one.peer.stall(durationMs * 1000);
    }
    const breaks = amount % 3 !== 0;
    const untilMs = this.#nowMs() + durationMs;
    this.#undoLater(durationMs * (breaks ? STICK_BREAK_SHARE : 1), () => {
      // Those that go on do so when their time has come, also when the epoch ends before.
      if (!breaks) return this.#targets.noteTrouble(Math.max(0, untilMs - this.#nowMs()));
      for (const one of stuck) if (!one.closed) network.reset(one);
    });
  }

  #jump({ machine }: ClusterMember, amount: number, other: number): void {
    const stepMs = [20, 200, 800, 1500][amount % 4] * (other % 2 === 0 ? 1 : -1);
    this.#targets.changeClock(machine, () => void (machine.wall.offsetMs += stepMs));
  }

  /** A clock is far off, but by less than what stops writes, with two of them on different sides. */
  #skew({ machine }: ClusterMember, amount: number, other: number): void {
    const offsetMs = [3000, 6000, 12_000, 15_000][amount % 4] * (other % 2 === 0 ? 1 : -1);
    this.#targets.changeClock(machine, () => void (machine.wall.offsetMs = offsetMs));
  }

  #drift({ machine }: ClusterMember, amount: number, other: number): void {
    const { wall } = machine;
    const { nowUs } = this.#targets.world.simulation;
    this.#targets.changeClock(machine, () => {
      wall.offsetMs += ((nowUs - (wall.driftSinceUs ?? nowUs)) * (wall.driftPpm ?? 0)) / 1e9;
      wall.driftSinceUs = nowUs;
      wall.driftPpm = (other % 2 === 0 ? 1 : -1) * amount * 10;
    });
  }

  #quiesce(member: ClusterMember, durationMs: number): void {
    const { members } = this.#targets;
    const set = (isQuiescePending: boolean) => {
      if (member.isUp) member.node!.cluster.own.isQuiescePending = isQuiescePending;
      this.#recluster(RECLUSTER_COUNT_MAX);
    };
    const others = members.up.filter((other) => other !== member && !isQuiesced(other));
    if (this.#epoch.kind === "safe" && others.length < this.#targets.replicationFactor) return set(false);
    this.#targets.noteQuiesce();
    set(true);
    this.#undoLater(durationMs, () => set(false));
  }

  /** As an operator does: again, as long as a node does not have the part that it should have, or wishes another. */
  #recluster(countMax: number): void {
    const { up } = this.#targets.members;
    for (const { node } of up) node!.cluster.recluster();
    if (countMax <= 1) return;
    this.#later(RECLUSTER_AGAIN_MS, () => {
      const isLate = (one: ClusterMember) =>
        one.node!.cluster.own.isQuiescePending !== isInQuiescedPlace(one) || isMisplaced(one);
      if (this.#targets.members.up.some(isLate)) this.#recluster(countMax - 1);
    });
  }

  #undoLater(afterMs: number, undo: () => void): void {
    const once = () => {
      if (!this.#undo.delete(once)) return;
      this.#targets.noteTrouble();
      undo();
    };
    this.#undo.add(once);
    if (this.#ended) once();
    else this.#later(afterMs, once);
  }

  #nowMs(): number {
    return this.#targets.world.simulation.nowUs / 1000;
  }

  #later(delayMs: number, fn: () => void): void {
    this.#targets.world.simulation.schedule(delayMs * 1000, EventKind.FAULT, undefined, fn);
  }
}

type Pair = readonly [SimMachine, SimMachine];

/** Whether a phase needs copies that move or differ. */
function needsCopies(phase: ClusterPhase): boolean {
  return phase === "migration" || phase === "hand-off" || phase === "duplicate resolution";
}

/** Number of a device that a node has lost; -1 for none. */
function lostDevice({ store }: ClusterMember): number {
  return store.disk?.watch.states.indexOf(DEVICE_STATE.FAILED) ?? -1;
}
