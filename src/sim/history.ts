/**
 * What clients asked and were told during a run, in the order of events, with the server's wall clock beside it.
 *
 * @module
 */
import type { Action, Entry, Outcome, WallHistory } from "./record_model.ts";
import { SIM_WALL_START_MS, type WallClock } from "./clock.ts";
import type { SimConnection } from "./connection.ts";
import type { Simulation } from "./simulation.ts";

/** Takes down what clients ask and are told. */
export interface Recorder {
  /** Memory of a server was short at some time. */
  readonly memoryWasShort: boolean;
  /** Records may be unreadable, and answers may say so. */
  readonly disksFailed?: boolean;
  /** An operation is asked for. */
  call(client: string, key: string, action: Action): Entry;
  /** An operation was answered. */
  answer(entry: Entry, outcome: Outcome): void;
  /**
   * An operation has no certain answer.
   *
   * @param ends of the connections that the client has given up
   */
  doubt(entry: Entry, ends: readonly SimConnection[]): void;
}

/** A change of the wall clock. */
interface Jump {
  tick: number;
  beforeMs: number;
  afterMs: number;
}

/** The history of one run. */
export class History implements WallHistory, Recorder {
  readonly #simulation: Simulation;
  readonly #wall: WallClock;
  readonly #entries = new Map<string, Entry[]>();
  /** Virtual time of each tick. */
  readonly #timesUs: number[] = [];
  readonly #jumps: Jump[] = [];
  /** Memory of the server's machine was short at some time. */
  memoryWasShort = false;
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
  call(client: string, key: string, action: Action): Entry {
    this.#count++;
    const invokedTick = this.tick();
    return { client, key, action, invokedTick, returnedTick: Infinity, outcome: { code: undefined } };
  }

  /** An operation was answered. */
  answer(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome;
    entry.returnedTick = this.tick();
    this.#add(entry);
  }

  /**
   * An operation has no certain answer: it may take effect as long as the server can still come upon the bytes that
   * its client has left behind.
   *
   * @param ends of the connections that the client has given up
   */
  doubt(entry: Entry, ends: readonly SimConnection[]): void {
    this.#add(entry);
    let open = ends.length;
    const close = () => void (entry.returnedTick = this.tick());
    if (open === 0) close();
    for (const end of ends) {
      end.whenFinished(() => {
        if (--open === 0) close();
      });
    }
  }

  /** A node without a disk died: all its records are gone. */
  wipe(keys: readonly string[]): void {
    for (const key of keys) this.answer(this.call("death", key, { type: "wipe" }), { code: 0 });
  }

  /** Moves the wall clock. */
  jump(byMs: number): void {
    const beforeMs = this.#wall.offsetMs;
    this.#wall.offsetMs += byMs;
    this.#jumps.push({ tick: this.tick(), beforeMs, afterMs: this.#wall.offsetMs });
  }

  /** All operations on a record. */
  entriesOf(key: string): readonly Entry[] {
    return this.#entries.get(key) ?? [];
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

  #add(entry: Entry): void {
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
}
