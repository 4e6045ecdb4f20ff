/**
 * Virtual time: a queue of events, run one after the other. After each event everything that it set off among promises
 * is done before the next one starts, so that a run depends on its seed alone.
 *
 * @module
 */
import { assert } from "../base/mod.ts";
import { EventHash } from "./event_hash.ts";
import { EventQueue, type QueuedEvent } from "./event_queue.ts";
import { SeededRandom } from "./seeded_random.ts";

/** What an event is, as it enters the hash. */
export const EventKind = {
  TIMER: 1,
  TURN: 2,
  CONNECT: 3,
  ACCEPT: 4,
  SEND: 5,
  ARRIVE: 6,
  DELIVER: 7,
  CLOSE: 8,
  RESET: 9,
  DISK: 10,
  HOST: 11,
  SIGNAL: 12,
  FAULT: 13,
  NETWORK: 14,
  LOOK: 15,
} as const;

/** One of {@linkcode EventKind}. */
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** What owns an event: when it is dead, the event does not happen. */
export interface EventOwner {
  /** Number of the process, for the hash. */
  readonly id: number;
  /** False after a kill. */
  readonly alive: boolean;
  /** Virtual time until which it stands still; its events happen then, in their order. */
  readonly frozenUntilUs: number;
  /**
   * So many turns of promises after each event will do for what runs there; without it all that can go on goes on, which
   * takes a turn of the real event loop.
   */
  readonly promiseTurnCount?: number | undefined;
  /** A later turn that it asks for comes after so many microseconds at most, when much else is to be done before. */
  readonly turnMaxUs?: number | undefined;
}

/** What {@linkcode EventOwner.promiseTurnCount} has left undone is done before so much time passes without an event. */
const PROMISE_WAIT_MAX_US = 5000;

/** Events in which no program runs: what they do is heard of in events of their own. */
const SILENT = flags([EventKind.ARRIVE, EventKind.LOOK]);

/** Events that settle promises of the program under test: the ports' answers. */
const SETTLING = flags([
  EventKind.CONNECT,
  EventKind.ACCEPT,
  EventKind.DISK,
  EventKind.HOST,
  EventKind.SIGNAL,
  EventKind.FAULT,
  EventKind.NETWORK,
]);

/** 1 at the place of each of these kinds. */
function flags(kinds: readonly EventKind[]): Uint8Array {
  const flags = new Uint8Array(Math.max(...Object.values(EventKind)) + 1);
  for (const kind of kinds) flags[kind] = 1;
  return flags;
}

/** Something that will happen in virtual time. */
export class SimEvent implements QueuedEvent {
  slot = -1;
  atUs: number;
  sequence: number;
  readonly kind: EventKind;
  readonly owner: EventOwner | undefined;
  readonly run: () => void;
  /** @param atUs virtual time, microseconds */
  constructor(
    atUs: number,
    sequence: number,
    kind: EventKind,
    owner: EventOwner | undefined,
    run: () => void,
  ) {
    this.atUs = atUs;
    this.sequence = sequence;
    this.kind = kind;
    this.owner = owner;
    this.run = run;
  }
}

/** What {@linkcode Simulation} is made of. */
export interface SimulationOptions {
  /** Decides everything. */
  seed: number;
  /** Resolves when all promises that can go on have gone on: a turn of the real event loop. */
  settle: () => Promise<void>;
}

/** Events without an end in view: a run that does not stop by itself is stopped and reported as a failure. */
export const SIM_EVENT_COUNT_MAX = 200_000_000;

/** Virtual time and the events in it. */
export class Simulation {
  /** Everything that happened. */
  readonly hash: EventHash = new EventHash();
  /** Root of all randomness; parts take forks of it. */
  readonly random: SeededRandom;
  /** Virtual time since the start, in microseconds. */
  nowUs = 0;
  /** Events run so far. */
  eventCount = 0;
  /** Called after each event that was run; throws when an invariant does not hold. */
  afterEvent: ((event: SimEvent) => void) | undefined;

  readonly #queue = new EventQueue<SimEvent>();
  readonly #settle: () => Promise<void>;
  #sequence = 0;
  #failure: { error: unknown } | undefined;

  /** Starts at time 0 with nothing to do. */
  constructor({ seed, settle }: SimulationOptions) {
    this.random = new SeededRandom(seed);
    this.#settle = settle;
  }

  /**
   * Lets something happen later.
   *
   * @param delayUs microseconds from now, at least 0
   * @param run what happens; never called from inside this call
   */
  schedule(delayUs: number, kind: EventKind, owner: EventOwner | undefined, run: () => void): SimEvent {
    assert(delayUs >= 0, "Events are in the future");
    const event = new SimEvent(this.nowUs + Math.round(delayUs), this.#sequence++, kind, owner, run);
    this.#queue.push(event);
    return event;
  }

  /** Takes an event back; does nothing when it has happened already. */
  cancel(event: SimEvent): void {
    this.#queue.remove(event);
  }

  /** Ends the run: the program under test has a bug. The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Runs events until the promise settles; gives its value or throws its error. */
  async runUntilSettled<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => void (settled = true);
    promise.then(done, done);
    await this.runWhile(() => !settled);
    if (!settled) throw new Error("Nothing is left to happen, but what is waited for has not come");
    return promise;
  }

  /** Runs events for so many milliseconds of virtual time. */
  async runFor(durationMs: number): Promise<void> {
    const endUs = this.nowUs + Math.round(durationMs * 1000);
    await this.runWhile(() => (this.#queue.peek()?.atUs ?? Infinity) <= endUs);
    this.nowUs = Math.max(this.nowUs, endUs);
  }

  /**
   * Runs events as long as the condition holds and there are any.
   *
   * @throws what failed: an error of a callback or of `afterEvent`
   */
  async runWhile(condition: () => boolean): Promise<void> {
    await this.#settle();
    let owesTurns = false;
    while (condition()) {
      if (owesTurns && (this.#queue.peek()?.atUs ?? Infinity) - this.nowUs >= PROMISE_WAIT_MAX_US) {
        owesTurns = false;
        await this.#settle();
        // What was left to do may have made events that come first.
        continue;
      }
      const event = this.#queue.pop();
      if (event === undefined) break;
      this.#advance(event);
      const { owner } = event;
      if (owner !== undefined && !owner.alive) continue;
      if (owner !== undefined && owner.frozenUntilUs > this.nowUs) {
        this.#postpone(event, owner);
        continue;
      }
      this.#run(event);
      const { kind } = event;
      if (SILENT[kind] === 0) {
        const turnCount = owner?.promiseTurnCount;
        owesTurns = turnCount !== undefined && SETTLING[kind] === 0;
        if (!owesTurns) await this.#settle();
        else for (let turn = 0; turn < turnCount!; turn++) await undefined;
      }
      this.#check(event);
    }
    this.#check();
  }

  #advance(event: SimEvent): void {
    this.nowUs = event.atUs;
    assert(++this.eventCount < SIM_EVENT_COUNT_MAX, "A simulation ends");
    this.hash.mix(event.atUs >>> 0);
    this.hash.mix((event.kind << 16) | (event.owner?.id ?? 0));
  }

  #postpone(event: SimEvent, owner: EventOwner): void {
    event.atUs = owner.frozenUntilUs;
    event.sequence = this.#sequence++;
    this.#queue.push(event);
  }

  #run(event: SimEvent): void {
    try {
      event.run();
    } catch (error) {
      this.fail(error);
    }
  }

  #check(event?: SimEvent): void {
    if (event !== undefined && this.#failure === undefined && this.afterEvent !== undefined) {
      try {
        this.afterEvent(event);
      } catch (error) {
        this.fail(error);
      }
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
