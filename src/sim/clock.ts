/**
 * Clock of a simulated process: virtual time for durations, and a wall clock that may be wrong and may jump.
 *
 * @module
 */
import type { Clock, Timer } from "../port/mod.ts";
import { EventKind, type EventOwner, type Simulation } from "./simulation.ts";

/** Wall clock of a machine at the start of each simulation: 2026-01-01. */
export const SIM_WALL_START_MS = 1_767_225_600_000;

/**
 * Virtual time that passes with each reading of the monotonic clock within one event. Code that works until a slice is
 * over sees its slice end, as on a real machine.
 */
const READ_COST_US = 1;

/** Timers of a real machine are late by up to this much. */
const TIMER_LATE_MAX_US = 300;

/** A later turn of the event loop is this far away. */
const TURN_MIN_US = 2;
const TURN_MAX_US = 40;

/** Events of the same moment are handled by then. */
const AFTER_EVENTS_US = 1;

/** The wall clock that processes of one machine share. */
export interface WallClock {
  /** How far it is ahead of the true time, in milliseconds; change it to let it jump. */
  offsetMs: number;
  /** How much faster than the true time it goes, in millionths; default 0. */
  driftPpm?: number;
  /** Virtual time since which it drifts, in microseconds. */
  driftSinceUs?: number;
  /** The most that it was ever ahead of the true time, in milliseconds, as far as somebody noted it. */
  mostAheadMs?: number;
  /** It shows multiples of so many milliseconds; 1 by default. */
  stepMs?: number;
}

/** How far a wall clock is ahead of the true time, in milliseconds, drift included. */
export function wallAheadMs(wall: WallClock, nowUs: number): number {
  const { offsetMs, driftPpm, driftSinceUs } = wall;
  if (driftPpm === undefined) return offsetMs;
  return offsetMs + ((nowUs - (driftSinceUs ?? 0)) * driftPpm) / 1e9;
}

/** Ports clock on virtual time. */
export class SimClock implements Clock {
  readonly #simulation: Simulation;
  readonly #owner: EventOwner;
  readonly #wall: WallClock;
  #readUs = 0;

  /** @param wall of the machine that the process runs on */
  constructor(simulation: Simulation, owner: EventOwner, wall: WallClock) {
    this.#simulation = simulation;
    this.#owner = owner;
    this.#wall = wall;
  }

  monotonicMs(): number {
    this.#readUs = Math.max(this.#simulation.nowUs, this.#readUs + READ_COST_US);
    return this.#readUs / 1000;
  }

  wallMs(): number {
    const { nowUs } = this.#simulation;
    const stepMs = this.#wall.stepMs ?? 1;
    return Math.floor((SIM_WALL_START_MS + nowUs / 1000 + wallAheadMs(this.#wall, nowUs)) / stepMs) * stepMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const simulation = this.#simulation;
    const lead = Math.max(0, this.#readUs - simulation.nowUs);
    const delayUs = lead + delayMs * 1000 + simulation.random.below(TIMER_LATE_MAX_US);
    const event = simulation.schedule(delayUs, EventKind.TIMER, this.#owner, fn);
    return { cancel: () => simulation.cancel(event) };
  }

  nextTurn(fn: () => void): void {
    this.#turns.push(fn);
    if (this.#turns.length > 1) return;
    const delayUs = this.#simulation.random.between(TURN_MIN_US, this.#owner.turnMaxUs ?? TURN_MAX_US);
    this.#simulation.schedule(delayUs, EventKind.TURN, this.#owner, () => this.#runTurns());
  }

  afterEvents(fn: () => void): void {
    this.#simulation.schedule(AFTER_EVENTS_US, EventKind.TURN, this.#owner, fn);
  }

  #turns: (() => void)[] = [];

  #runTurns(): void {
    const batch = this.#turns;
    this.#turns = [];
    for (const fn of batch) fn();
  }
}
