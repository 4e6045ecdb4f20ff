/**
 * What a record is supposed to do, as simply as it can be said: the states of one record, and what an operation makes
 * of a state. The checker compares histories with it; it shares no code with the node.
 *
 * @module
 */
import { ResultCode } from "../base/mod.ts";

/** Values that the workload uses. */
export type ModelValue = number | string;

/** Bins by name. */
export type ModelBins = Readonly<Record<string, ModelValue>>;

/** One state of a record. */
export interface RecordState {
  /** Equal texts mean equal states. */
  readonly text: string;
  /** 0 when the record is absent, {@linkcode UNKNOWN_GENERATION} when it is there with a generation that nobody told. */
  readonly generation: number;
  /** Generation of the tombstone that an absent record has left; 0 for none. */
  readonly buried?: number;
  /** Content. */
  readonly bins: ModelBins;
  /** Bounds of the second in which it expires, Unix time; 0 never. */
  readonly voidMinS: number;
  readonly voidMaxS: number;
  /** Moment since which it may have had that expiry. */
  readonly sinceTick: number;
}

/** What a write does, in order. */
export type Step =
  | { type: "put"; bin: string; value: ModelValue }
  | { type: "add"; bin: string; by: number }
  | { type: "append" | "prepend"; bin: string; text: string }
  | { type: "read"; bin: string }
  | { type: "touch" };

/**
 * What a client asks for; `wipe` is the loss of a record without a trace: when a node without disk dies, or by a
 * truncation; `bury` the removal of a write in doubt by a merge: a tombstone of this generation is where nothing was.
 */
export type Action =
  | { type: "get"; bins?: readonly string[] }
  | { type: "exists" }
  | { type: "seen"; found: boolean }
  | { type: "delete" }
  | { type: "wipe" }
  | { type: "bury"; generation: number }
  | {
    type: "write";
    steps: readonly Step[];
    exists?: "update" | "update-only" | "replace" | "replace-only" | "create-only";
    generation?: number;
    /** Seconds to live; -1 for ever, -2 as before; default for ever. */
    ttlS?: number;
  };

/** What a client was told; absent parts were not told. */
export interface Outcome {
  /** Result code; undefined when there was no certain answer. */
  readonly code: number | undefined;
  /** Generation in the answer. */
  readonly generation?: number | undefined;
  /** Bins in the answer. */
  readonly bins?: ModelBins | undefined;
}

/** One operation of a history. */
export interface Entry {
  /** Who asked. */
  readonly client: string;
  /** Which record. */
  readonly key: string;
  /** For what. */
  readonly action: Action;
  /** Order of events: when it was asked. */
  readonly invokedTick: number;
  /** When the answer came; for operations in doubt, from when on it can no longer take effect. */
  returnedTick: number;
  /** The answer. */
  outcome: Outcome;
}

/** The server's wall clock over a run. */
export interface WallHistory {
  /** Lowest second shown between two moments. */
  lowestS(fromTick: number, toTick: number): number;
  /** Highest second shown between two moments. */
  highestS(fromTick: number, toTick: number): number;
  /** True when it went back at some time. */
  readonly wentBack: boolean;
}

/** Codes that refuse an operation whatever the record is; nothing has been changed then. */
const REFUSALS: ReadonlySet<number> = new Set([
  ResultCode.OUT_OF_SPACE,
  ResultCode.UNAVAILABLE,
  ResultCode.KEY_BUSY,
  ResultCode.DEVICE_OVERLOAD,
]);

/** Generations go from 65535 to 1. */
const GENERATION_MAX = 65535;

/** Some generation. */
export const UNKNOWN_GENERATION = -1;

/** A second for roundings of either side. */
const EXPIRY_SLACK_S = 1;

/** No record. */
export const ABSENT: RecordState = makeState({
  generation: 0,
  bins: {},
  voidMinS: 0,
  voidMaxS: 0,
  sinceTick: 0,
});

/** A state from its parts. */
export function makeState(parts: Omit<RecordState, "text">): RecordState {
  const { generation, buried, bins, voidMinS, voidMaxS, sinceTick } = parts;
  let text = String(generation);
  if (buried !== undefined && buried !== 0) text += ` buried ${buried}`;
  for (const bin of Object.keys(bins).sort()) text += ` ${bin}=${bins[bin]}`;
  if (voidMinS > 0) text += ` expires ${voidMinS}-${voidMaxS} @${sinceTick}`;
  return { ...parts, text };
}

/** Operations on records, as the checker wants them. */
export class RecordModel {
  readonly #wall: WallHistory;
  readonly #keepsTombstones: boolean;
  readonly #mayLoseTombstones: boolean;

  /**
   * @param wall decides when records may and must have expired
   * @param options `keepsTombstones`: a record that is made anew goes on with the generation of its tombstone;
   * `mayLoseTombstones`: unless that is gone
   */
  constructor(wall: WallHistory, options: { keepsTombstones?: boolean; mayLoseTombstones?: boolean } = {}) {
    this.#wall = wall;
    this.#keepsTombstones = options.keepsTombstones ?? false;
    this.#mayLoseTombstones = options.mayLoseTombstones ?? false;
  }

  /** States that may follow when the operation takes effect now with the outcome that it had; none when it can't. */
  successors(state: RecordState, entry: Entry): RecordState[] {
    const { action, outcome } = entry;
    if (action.type === "wipe") {
      return this.#mayLoseTombstones ? [ABSENT, makeAbsent(UNKNOWN_GENERATION)] : [ABSENT];
    }
    if (outcome.code !== undefined && REFUSALS.has(outcome.code)) return [state];
    const found: RecordState[] = [];
    const { mayBeGone, mustBeGone } = this.#expiry(state, entry);
    if (!mustBeGone) this.#apply(state, entry, found);
    if (mayBeGone) {
      const count = found.length;
      // Where tombstones are kept, nobody can tell whether an expired record has left its generation.
      this.#apply(this.#keepsTombstones ? makeAbsent(UNKNOWN_GENERATION) : ABSENT, entry, found);
      // What left nothing behind left the hidden record; a clock that goes back brings it back.
      if (this.#wall.wentBack && found.slice(count).some(({ generation }) => generation === 0)) {
        found.push(state);
      }
    }
    return found;
  }

  #expiry(state: RecordState, entry: Entry): { mayBeGone: boolean; mustBeGone: boolean } {
    if (state.voidMinS === 0) return { mayBeGone: false, mustBeGone: false };
    const highestS = this.#wall.highestS(state.sinceTick, entry.returnedTick);
    const lowestS = this.#wall.lowestS(entry.invokedTick, entry.returnedTick);
    return {
      mayBeGone: highestS + EXPIRY_SLACK_S >= state.voidMinS,
      mustBeGone: lowestS > state.voidMaxS + EXPIRY_SLACK_S,
    };
  }

  /** Adds what follows when the operation sees this state. */
  #apply(seen: RecordState, entry: Entry, found: RecordState[]): void {
    const { action, outcome } = entry;
    switch (action.type) {
      case "get":
      case "exists":
      case "seen":
        if (readMatches(seen, action, outcome)) found.push(seen);
        break;
      case "delete":
        if (codeMatches(outcome, seen.generation === 0 ? ResultCode.NOT_FOUND : ResultCode.OK)) {
          found.push(this.#removed(seen));
        }
        break;
      case "write":
        this.#write(seen, entry, action, found);
        break;
      case "bury":
        // What was there, or deleted, wins over it; what may have expired there has an unknown generation already.
        if (seen.generation === 0 && (seen.buried ?? 0) === 0) found.push(makeAbsent(action.generation));
        break;
      case "wipe":
        break;
    }
  }

  #removed(seen: RecordState): RecordState {
    if (!this.#keepsTombstones || seen.generation === 0) return this.#keepsTombstones ? seen : ABSENT;
    return makeAbsent(this.#mayLoseTombstones ? UNKNOWN_GENERATION : nextGeneration(seen));
  }

  #write(seen: RecordState, entry: Entry, action: Action & { type: "write" }, found: RecordState[]): void {
    const { outcome } = entry;
    const refusal = refusalOf(seen, action);
    if (refusal !== undefined) {
      if (codeMatches(outcome, refusal)) found.push(seen);
      return;
    }
    const replaces = action.exists === "replace" || action.exists === "replace-only";
    const bins: Record<string, ModelValue> = replaces ? {} : { ...seen.bins };
    const answer: Record<string, ModelValue> = {};
    for (const step of action.steps) runStep(step, bins, answer);
    const expected = nextGeneration(seen);
    if (!codeMatches(outcome, ResultCode.OK)) return;
    if (outcome.generation !== undefined && !sameGeneration(outcome.generation, expected)) return;
    const generation = outcome.generation ?? expected;
    if (outcome.bins !== undefined && !sameBins(outcome.bins, answer)) return;
    found.push(makeState({ generation, bins, ...this.#newExpiry(seen, entry, action.ttlS ?? -1) }));
  }

  #newExpiry(seen: RecordState, entry: Entry, ttlS: number) {
    const { voidMinS, voidMaxS, sinceTick } = seen;
    if (ttlS === -2) return { voidMinS, voidMaxS, sinceTick };
    if (ttlS === -1) return { voidMinS: 0, voidMaxS: 0, sinceTick: 0 };
    const { invokedTick, returnedTick } = entry;
    return {
      voidMinS: this.#wall.lowestS(invokedTick, returnedTick) + ttlS,
      voidMaxS: this.#wall.highestS(invokedTick, returnedTick) + ttlS,
      sinceTick: invokedTick,
    };
  }
}

/** An absent record whose tombstone, if any, has this generation. */
export function makeAbsent(buried: number): RecordState {
  return makeState({ generation: 0, buried, bins: {}, voidMinS: 0, voidMaxS: 0, sinceTick: 0 });
}

/** Generation that a write gives. */
function nextGeneration({ generation, buried = 0 }: RecordState): number {
  const last = generation === 0 ? buried : generation;
  if (last === UNKNOWN_GENERATION) return UNKNOWN_GENERATION;
  return last === GENERATION_MAX ? 1 : last + 1;
}

function sameGeneration(told: number, expected: number): boolean {
  return told === expected || expected === UNKNOWN_GENERATION;
}

/** Whether an operation leaves records as they are. */
export function isRead(action: Action): boolean {
  return action.type === "get" || action.type === "exists" || action.type === "seen";
}

function codeMatches(outcome: Outcome, expected: number): boolean {
  return outcome.code === undefined || outcome.code === expected;
}

function readMatches(seen: RecordState, action: Action, outcome: Outcome): boolean {
  if (action.type === "seen" && !action.found) return seen.generation === 0;
  if (seen.generation === 0) return codeMatches(outcome, ResultCode.NOT_FOUND);
  if (!codeMatches(outcome, ResultCode.OK)) return false;
  if (outcome.generation !== undefined && !sameGeneration(outcome.generation, seen.generation)) return false;
  if (outcome.bins === undefined) return true;
  return sameBins(outcome.bins, action.type === "get" ? chosen(seen.bins, action.bins) : seen.bins);
}

function chosen(bins: ModelBins, names: readonly string[] | undefined): ModelBins {
  if (names === undefined) return bins;
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(bins, name)).map((name) => [name, bins[name]]),
  );
}

function sameBins(left: ModelBins, right: ModelBins): boolean {
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && left[name] === right[name]);
}

/** The code with which a policy refuses a write in this state; undefined when it doesn't. */
function refusalOf(seen: RecordState, action: Action & { type: "write" }): number | undefined {
  const present = seen.generation !== 0;
  const { exists, generation, steps } = action;
  if (exists === "create-only" && present) return ResultCode.RECORD_EXISTS;
  if (!present && (exists === "update-only" || exists === "replace-only")) return ResultCode.NOT_FOUND;
  // What only touches does not create.
  if (!present && steps.every((step) => step.type === "touch" || step.type === "read")) {
    return ResultCode.NOT_FOUND;
  }
  if (generation !== undefined && !sameGeneration(generation, seen.generation)) return ResultCode.GENERATION;
  return undefined;
}

function runStep(step: Step, bins: Record<string, ModelValue>, answer: Record<string, ModelValue>): void {
  switch (step.type) {
    case "put":
      bins[step.bin] = step.value;
      break;
    case "add":
      bins[step.bin] = Number(bins[step.bin] ?? 0) + step.by;
      break;
    case "append":
      bins[step.bin] = `${bins[step.bin] ?? ""}${step.text}`;
      break;
    case "prepend":
      bins[step.bin] = `${step.text}${bins[step.bin] ?? ""}`;
      break;
    case "read":
      if (Object.hasOwn(bins, step.bin)) answer[step.bin] = bins[step.bin];
      break;
    case "touch":
      break;
  }
}

/** An operation as a line of a report. */
export function entryText(entry: Entry): string {
  const { client, action, outcome, invokedTick, returnedTick } = entry;
  const answer = outcome.code === undefined ? "in doubt" : `code ${outcome.code}`;
  const generation = outcome.generation === undefined ? "" : ` generation ${outcome.generation}`;
  const bins = outcome.bins === undefined ? "" : ` ${JSON.stringify(outcome.bins)}`;
  return `${invokedTick}-${returnedTick} ${client}: ${
    JSON.stringify(action)
  } -> ${answer}${generation}${bins}`;
}
