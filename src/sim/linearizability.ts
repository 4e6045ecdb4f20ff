/**
 * Checks that a history of operations on one record could have happened one after the other: that there is an order in
 * which each operation takes effect between its call and its answer, and each answer is the one that a simple record
 * would have given.
 *
 * The history is gone through in the order of time, with the set of all configurations that are possible so far: a
 * state of the record, and which of the operations under way have taken effect in it. When an answer arrives, every
 * configuration in which that operation has not taken effect yet is extended by operations under way, in all orders,
 * until it has. No configuration left means no order exists. Reads that fit a state are taken at once, which never
 * hurts; an operation in doubt may have taken effect or not, until the moment when it no longer can.
 * Source: Lowe, "Testing for linearizability" (just-in-time linearization); Wing and Gong, "Testing and verifying
 * concurrent objects".
 *
 * @module
 */
import { ResultCode } from "../base/mod.ts";
import { ABSENT, type Entry, isRead, type RecordModel, type RecordState } from "./record_model.ts";

/** Operations on one record that may be under way at the same time. */
const SLOT_COUNT_MAX = 31;

/** More configurations than this are not followed; the verdict then is "unknown". */
const CONFIGURATION_COUNT_MAX = 20_000;

/** What {@linkcode checkHistory} found. */
export interface Verdict {
  /** `unknown` when there were too many possibilities to follow. */
  result: "linearizable" | "violated" | "unknown";
  /** The operation whose answer no order explains. */
  entry?: Entry;
  /** States that were possible before that answer. */
  states?: string[];
}

/** A possible state and the slots of the operations under way that have taken effect in it. */
interface Configuration {
  state: RecordState;
  done: number;
}

/** Something in the history: an operation is called, or answered. */
interface Moment {
  tick: number;
  entry: Entry;
  isCall: boolean;
}

/**
 * Checks the history of one record.
 *
 * @param entries all operations on the record, in any order; ticks are unique
 * @param options `initial`: what the record is at first, absent by default. `weakReads`: a read, or a refusal, may give
 * what any replica had while it ran: each must fit by itself, and two of them need no order while a write is under way.
 */
export function checkHistory(
  entries: readonly Entry[],
  model: RecordModel,
  options: { initial?: RecordState; weakReads?: boolean } = {},
): Verdict {
  const moments: Moment[] = [];
  for (const entry of entries) {
    moments.push({ tick: entry.invokedTick, entry, isCall: true });
    moments.push({ tick: entry.returnedTick, entry, isCall: false });
  }
  // A call and an answer of the same moment are at the same time: the call comes first.
  moments.sort((left, right) => left.tick - right.tick || Number(right.isCall) - Number(left.isCall));
  return new Check(model, options).run(moments);
}

class Check {
  readonly #model: RecordModel;
  readonly #slots: (Entry | undefined)[] = [];
  readonly #weakReads: boolean;
  /** Weak reads under way that no state has explained yet. */
  readonly #unexplained = new Set<Entry>();
  #configurations: Configuration[];

  constructor(model: RecordModel, options: { initial?: RecordState; weakReads?: boolean }) {
    this.#model = model;
    this.#weakReads = options.weakReads ?? false;
    this.#configurations = [{ state: options.initial ?? ABSENT, done: 0 }];
  }

  run(moments: readonly Moment[]): Verdict {
    for (const { entry, isCall } of moments) {
      if (this.#weakReads && !mayChange(entry)) {
        if (isCall) {
          this.#unexplained.add(entry);
          if (!this.#explain()) return { result: "unknown", entry };
        } else if (this.#unexplained.delete(entry)) return this.#violated(entry, this.#configurations);
        continue;
      }
      if (isCall) {
        if (!this.#call(entry) || !this.#explain()) return { result: "unknown", entry };
        continue;
      }
      const before = this.#configurations;
      const possible = this.#answer(entry);
      if (!possible) return { result: "unknown", entry };
      if (this.#configurations.length === 0) return this.#violated(entry, before);
    }
    return { result: "linearizable" };
  }

  #violated(entry: Entry, before: readonly Configuration[]): Verdict {
    return { result: "violated", entry, states: [...new Set(before.map(({ state }) => state.text))] };
  }

  /** Finds weak reads that fit a state which there may be now; false when there were too many. */
  #explain(): boolean {
    if (this.#unexplained.size === 0) return true;
    const seen = new Set<string>();
    const open = [...this.#configurations];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const read of this.#unexplained) {
        if (this.#model.successors(next.state, read).length > 0) this.#unexplained.delete(read);
      }
      if (this.#unexplained.size === 0) return true;
      for (const follower of this.#followers(next)) {
        const key = keyOf(follower);
        if (seen.has(key)) continue;
        if (seen.size >= CONFIGURATION_COUNT_MAX) return false;
        seen.add(key);
        open.push(follower);
      }
    }
    return true;
  }

  #call(entry: Entry): boolean {
    let slot = this.#slots.indexOf(undefined);
    if (slot < 0) slot = this.#slots.length;
    if (slot >= SLOT_COUNT_MAX) return false;
    this.#slots[slot] = entry;
    if (isRead(entry.action)) {
      for (const configuration of this.#configurations) this.#takeRead(configuration, slot);
    }
    return true;
  }

  /** Keeps the configurations that explain the answer; false when there were too many. */
  #answer(entry: Entry): boolean {
    const slot = this.#slots.indexOf(entry);
    const bit = 1 << slot;
    const inDoubt = entry.outcome.code === undefined;
    const explained = this.#extend(bit);
    if (explained === undefined) return false;
    this.#slots[slot] = undefined;
    const kept = inDoubt && !isRead(entry.action) ? [...this.#configurations, ...explained] : explained;
    const unique = new Map<string, Configuration>();
    for (const { state, done } of kept) {
      const configuration = { state, done: done & ~bit };
      unique.set(keyOf(configuration), configuration);
    }
    this.#configurations = [...unique.values()];
    return true;
  }

  /** All configurations with that operation done, each as early as can be; undefined when there are too many. */
  #extend(bit: number): Configuration[] | undefined {
    const explained: Configuration[] = [];
    const seen = new Set<string>();
    const open = [...this.#configurations];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if ((next.done & bit) !== 0) {
        explained.push(next);
        continue;
      }
      for (const follower of this.#followers(next)) {
        const key = keyOf(follower);
        if (seen.has(key)) continue;
        if (seen.size >= CONFIGURATION_COUNT_MAX) return undefined;
        seen.add(key);
        open.push(follower);
      }
    }
    return explained;
  }

  #followers({ state, done }: Configuration): Configuration[] {
    const followers: Configuration[] = [];
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const entry = this.#slots[slot];
      if (entry === undefined || (done & (1 << slot)) !== 0) continue;
      for (const next of this.#model.successors(state, entry)) {
        const follower = { state: next, done: done | (1 << slot) };
        for (let other = 0; other < this.#slots.length; other++) this.#takeRead(follower, other);
        followers.push(follower);
      }
    }
    return followers;
  }

  /** Lets a read that fits take effect now, when that leaves the state as it is. */
  #takeRead(configuration: Configuration, slot: number): void {
    const entry = this.#slots[slot];
    if (entry === undefined || (configuration.done & (1 << slot)) !== 0 || !isRead(entry.action)) return;
    const { state } = configuration;
    if (this.#model.successors(state, entry).some((next) => next.text === state.text)) {
      configuration.done |= 1 << slot;
    }
  }
}

/** Whether an operation has changed its record, or may have. */
function mayChange({ action, outcome: { code } }: Entry): boolean {
  return !isRead(action) && (code === undefined || code === ResultCode.OK);
}

function keyOf({ state, done }: Configuration): string {
  return `${done} ${state.text}`;
}
