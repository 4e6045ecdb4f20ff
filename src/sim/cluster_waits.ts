/**
 * Faults that wait for a phase. After each event of a node the phases of that node are looked at, and a fault that waits
 * for one of them strikes that node before its next event: phases of a millisecond are met, too. Some faults let a few
 * events of their phase go by, so that not all strike at its beginning.
 *
 * @module
 */
import type { ClusterMember } from "./cluster_members.ts";
import { isMeeting } from "./cluster_phases.ts";
import type { ClusterPhase, PlannedFault } from "./cluster_types.ts";
import { EventKind, type Simulation } from "./simulation.ts";

/** A fault strikes anyway when its phase has not come after this time. */
const WAIT_MAX_MS = 7500;

/** Without its phase something is done that brings it on, after this time and again at these intervals. */
const PROVOKE_AFTER_MS = 400;
const PROVOKE_AGAIN_MS = 2200;
/** What could not be done now is tried again soon, and a phase that is on its way is waited for longer. */
const PROVOKE_SOON_MS = 300;
const COMING_WAIT_MS = 1000;
const COMING_COUNT_MAX = 4;

/** Events of its phase that a fault lets go by, and for how long it is so patient. */
const PASS_COUNTS = [0, 0, 0, 2, 6, 20];
const PATIENCE_MS = 2500;

/** What waits ask of the faults. */
export interface WaitTargets {
  readonly simulation: Simulation;
  /** Lets a fault happen to a node that is in its phase; false when it may not happen now. */
  strikeIn(fault: PlannedFault, member: ClusterMember): boolean;
  /** Lets a fault happen whose phase has not come. */
  strikeAnyway(fault: PlannedFault): void;
  /** Brings a phase on; false when that costs too much now. */
  provoke(phase: ClusterPhase, choice: number): boolean;
  /** Whether what was done for a phase is under way still. */
  isComing(phase: ClusterPhase): boolean;
}

interface Wait {
  readonly fault: PlannedFault;
  readonly phase: ClusterPhase;
  readonly sinceUs: number;
  passCount: number;
  isCalled: boolean;
}

/** See the head of the file. */
export class PhaseWaits {
  readonly #targets: WaitTargets;
  readonly #waits = new Set<Wait>();

  constructor(targets: WaitTargets) {
    this.#targets = targets;
  }

  /** A fault waits for a phase from now on. */
  add(fault: PlannedFault, phase: ClusterPhase): void {
    const { simulation } = this.#targets;
    const passCount = PASS_COUNTS[fault.amount % PASS_COUNTS.length];
    const wait: Wait = { fault, phase, sinceUs: simulation.nowUs, passCount, isCalled: false };
    this.#waits.add(wait);
    this.#later(PROVOKE_AFTER_MS, () => this.#provoke(wait));
    this.#later(WAIT_MAX_MS, () => this.#giveUp(wait, COMING_COUNT_MAX));
  }

  /** Nothing strikes any more. */
  clear(): void {
    this.#waits.clear();
  }

  /** An event of a node has happened. */
  look(member: ClusterMember): void {
    for (const wait of this.#waits) {
      if (wait.isCalled || !isMeeting(wait.phase, member)) continue;
      const isPatient = this.#targets.simulation.nowUs - wait.sinceUs < PATIENCE_MS * 1000;
      if (isPatient && wait.passCount-- > 0) continue;
      wait.isCalled = true;
      this.#later(0, () => this.#strike(wait, member));
    }
  }

  #strike(wait: Wait, member: ClusterMember): void {
    wait.isCalled = false;
    if (!this.#waits.has(wait) || !member.isUp || !isMeeting(wait.phase, member)) return;
    if (this.#targets.strikeIn(wait.fault, member)) this.#waits.delete(wait);
  }

  #provoke(wait: Wait): void {
    if (!this.#waits.has(wait)) return;
    const isDone = this.#targets.provoke(wait.phase, wait.fault.other);
    this.#later(isDone ? PROVOKE_AGAIN_MS : PROVOKE_SOON_MS, () => this.#provoke(wait));
  }

  /** The fault strikes without its phase, unless that is about to come. */
  #giveUp(wait: Wait, leftCount: number): void {
    if (!this.#waits.has(wait)) return;
    if (leftCount > 0 && this.#targets.isComing(wait.phase)) {
      this.#later(COMING_WAIT_MS, () => this.#giveUp(wait, leftCount - 1));
      return;
    }
    this.#waits.delete(wait);
    this.#targets.strikeAnyway(wait.fault);
  }

  #later(delayMs: number, fn: () => void): void {
    this.#targets.simulation.schedule(delayMs * 1000, EventKind.FAULT, undefined, fn);
  }
}
