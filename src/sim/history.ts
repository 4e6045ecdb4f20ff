/**
 * What clients asked and were told during a run, in the order of events, with the server's wall clock beside it.
 *
 * @module
 */
import { assert } from "../base/mod.ts";
import type { Action, Entry, Outcome, WallHistory } from "./record_model.ts";
import { SIM_WALL_START_MS, type WallClock } from "./clock.ts";
import type { Simulation } from "./simulation.ts";

/**
 * A write that its client has given up may still take effect for this long: longer than any delay that faults cause.
 */
export const IN_DOUBT_MAX_US = 5_000_000;

/** An operation under way. */
export interface OpenEntry extends Entry {
  /** Virtual time from which on it can't take effect any more; Infinity as long as that is not known. */
  closesAtUs: number;
}

/** A change of the wall clock. */
interface Jump {
  tick: number;
  beforeMs: number;
  afterMs: number;
}

/** The history of one run. */
export class History implements WallHistory {
  readonly #simulation: Simulation;
  readonly #wall: WallClock;
  readonly #entries = new Map<string, OpenEntry[]>();
  /** Virtual time of each tick. */
  readonly #timesUs: number[] = [];
  readonly #jumps: Jump[] = [];
  #count = 0;

  /** @param wall of the machine that the server runs on */
  constructor(simulation: Simulation, wall: WallClock) {
    this.#simulation = simulation;
    this.#wall = wall;
  }

  /** Operations recorded. */
  get count(): number {
    return this.#count;
  }

  get wentBack(): boolean {
    return this.#jumps.some(({ beforeMs, afterMs }) => afterMs < beforeMs);
  }

  /** Names of records that were touched. */
  get keys(): string[] {
    return [...this.#entries.keys()];
  }

  /** The next moment. */
  tick(): number {
    return this.#timesUs.push(this.#simulation.nowUs) - 1;
  }

  /** An operation is asked for. */
  call(client: string, key: string, action: Action): OpenEntry {
    this.#count++;
    const invokedTick = this.tick();
    return {
      client,
      key,
      action,
      invokedTick,
      returnedTick: Infinity,
      outcome: { code: undefined },
      closesAtUs: Infinity,
    };
  }

  /** An operation was answered; without a code it is in doubt. */
  answer(entry: OpenEntry, outcome: Outcome): void {
    entry.outcome = outcome;
    entry.returnedTick = this.tick();
    if (outcome.code === undefined) entry.closesAtUs = this.#simulation.nowUs + IN_DOUBT_MAX_US;
    this.#add(entry);
  }

  /** A node without a disk died: all its records are gone, and what clients had given up comes to nothing. */
  wipe(keys: readonly string[]): void {
    for (const entries of this.#entries.values()) {
      for (const entry of entries) entry.closesAtUs = Math.min(entry.closesAtUs, this.#simulation.nowUs);
    }
    for (const key of keys) {
      const entry = this.call("death", key, { type: "wipe" });
      this.answer(entry, { code: 0 });
    }
  }

  /** Moves the wall clock. */
  jump(byMs: number): void {
    const beforeMs = this.#wall.offsetMs;
    this.#wall.offsetMs += byMs;
    this.#jumps.push({ tick: this.tick(), beforeMs, afterMs: this.#wall.offsetMs });
  }

  /** All operations on a record, those in doubt with the end of their doubt. */
  entriesOf(key: string): Entry[] {
    const entries = this.#entries.get(key) ?? [];
    for (const entry of entries) {
      if (entry.outcome.code === undefined) {
        entry.returnedTick = this.#tickAt(entry.closesAtUs, entry.returnedTick);
      }
    }
    return entries;
  }

  lowestS(fromTick: number, toTick: number): number {
    let lowest = Math.min(this.#wallMs(fromTick), this.#wallMs(toTick));
    for (const { tick, afterMs } of this.#jumps) {
      if (tick >= fromTick && tick <= toTick) lowest = Math.min(lowest, this.#timeMs(tick) + afterMs);
    }
    return Math.floor((SIM_WALL_START_MS + lowest) / 1000);
  }

  highestS(fromTick: number, toTick: number): number {
    let highest = Math.max(this.#wallMs(fromTick), this.#wallMs(toTick));
    for (const { tick, beforeMs } of this.#jumps) {
      if (tick >= fromTick && tick <= toTick) highest = Math.max(highest, this.#timeMs(tick) + beforeMs);
    }
    return Math.floor((SIM_WALL_START_MS + highest) / 1000);
  }

  #add(entry: OpenEntry): void {
    const entries = this.#entries.get(entry.key);
    if (entries === undefined) this.#entries.set(entry.key, [entry]);
    else entries.push(entry);
  }

  #timeMs(tick: number): number {
    return this.#timesUs[Math.min(Math.floor(tick), this.#timesUs.length - 1)] / 1000;
  }

  #wallMs(tick: number): number {
    let offsetMs = this.#jumps.length === 0 ? this.#wall.offsetMs : this.#jumps[0].beforeMs;
    for (const jump of this.#jumps) if (jump.tick <= tick) offsetMs = jump.afterMs;
    return this.#timeMs(tick) + offsetMs;
  }

  /** The last moment before a time, at least `leastTick`, as a fraction that no other moment has. */
  #tickAt(timeUs: number, leastTick: number): number {
    const times = this.#timesUs;
    let low = leastTick;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= timeUs) low = middle + 1;
      else high = middle;
    }
    assert(low >= leastTick, "Doubt ends after it begins");
    return low - 0.5;
  }
}
