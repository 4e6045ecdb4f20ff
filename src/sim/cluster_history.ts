/**
 * What clients asked and were told in one epoch of a cluster, and whether it can be true.
 *
 * In a safe epoch the writes of a record must have happened one after the other, from the state at the last moment of
 * full replication to the one at the next. A read gives what the record was at some moment while it ran, with or without
 * the writes under way, as the replicas get them one after the other. Where a node slept so long that others went on
 * without it, readers may get its old copies until they are merged. After a split no such order exists; then a record holds nothing that was not there before the
 * split or written since, what nobody deleted is there, and what nobody wrote is not.
 *
 * @module
 */
import { ResultCode } from "../base/mod.ts";
import { SIM_WALL_START_MS, wallAheadMs } from "./clock.ts";
import type { SimConnection } from "./connection.ts";
import { checkHistory, type Verdict } from "./linearizability.ts";
import {
  type Action,
  type Entry,
  entryText,
  isRead,
  makeAbsent,
  makeState,
  type Outcome,
  RecordModel,
  type RecordState,
  UNKNOWN_GENERATION,
  type WallHistory,
} from "./record_model.ts";
import { EventKind, type Simulation } from "./simulation.ts";
import type { Recorder } from "./history.ts";
import type { SimMachine } from "./world.ts";

/** One end of the connection that a request was sent by: the request is on its way until it is read there, or lost. */
type ConnectionEnd = Pick<SimConnection, "whenFinished">;

/** A request that its client gave up may have been passed on to other nodes, and takes effect within this time. */
const PASSED_ON_MS = 3000;

/** Lines of a record's history that a report shows. */
const REPORT_ENTRY_COUNT = 40;

/** Void-times are unknown when a state was read: such a record may be gone at any time, and need not be. */
const UNKNOWN_EXPIRY = { voidMinS: 1, voidMaxS: Number.MAX_SAFE_INTEGER, sinceTick: 0 };

/** Wall clocks of all machines of a run: any of them may have decided. */
export class ClusterWall implements WallHistory {
  wentBack = false;
  readonly #simulation: Simulation;
  readonly #timesUs: number[] = [];
  #leastMs = 0;
  #mostMs = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** The next moment. */
  tick(): number {
    return this.#timesUs.push(this.#simulation.nowUs) - 1;
  }

  /** Notes how far a machine's clock is off; to be called before and after each change of it, and at the end. */
  note({ wall }: SimMachine): void {
    const aheadMs = wallAheadMs(wall, this.#simulation.nowUs);
    this.#leastMs = Math.min(this.#leastMs, aheadMs - (wall.stepMs ?? 0));
    this.#mostMs = Math.max(this.#mostMs, aheadMs);
    wall.mostAheadMs = Math.max(wall.mostAheadMs ?? 0, aheadMs);
    // A record that has expired by one node's clock may be there by another's.
    if (this.#leastMs < this.#mostMs) this.wentBack = true;
  }

  /** How far clocks were ever apart, in milliseconds. */
  get spreadMs(): number {
    return this.#mostMs - this.#leastMs;
  }

  lowestS(fromTick: number, _toTick: number): number {
    return Math.floor((SIM_WALL_START_MS + this.#timeMs(fromTick) + this.#leastMs) / 1000) - 1;
  }

  highestS(_fromTick: number, toTick: number): number {
    return Math.floor((SIM_WALL_START_MS + this.#timeMs(toTick) + this.#mostMs) / 1000) + 1;
  }

  /** Virtual time of a moment, in seconds, for a report. */
  secondsText(tick: number): string {
    return (this.#timeMs(tick) / 1000).toFixed(4);
  }

  #timeMs(tick: number): number {
    const last = this.#timesUs.length - 1;
    return this.#timesUs[Math.max(0, Math.min(Math.floor(tick), last))] / 1000;
  }
}

/** History of one epoch. */
export class EpochHistory implements Recorder {
  /** Disks failed: writes may be refused, records may be unreadable. */
  disksFailed = false;
  /** Operations recorded. */
  count = 0;
  /** Writes that have no certain answer. */
  doubtCount = 0;
  /** A node slept or came back with what it had: what was given up may take effect until the end of the epoch. */
  holdsDoubts = false;
  readonly #simulation: Simulation;
  readonly #wall: ClusterWall;
  readonly #entries = new Map<string, Entry[]>();
  readonly #open = new Set<Entry>();
  /** Those that are on their way even after the epoch, with both ends of the connection that they were sent by. */
  readonly #underWay = new Map<Entry, readonly ConnectionEnd[]>();
  /** Records that a truncation without an answer may remove. */
  readonly #vanishing = new Map<symbol, string>();

  constructor(simulation: Simulation, wall: ClusterWall) {
    this.#simulation = simulation;
    this.#wall = wall;
  }

  /** What waits for a disk that fails takes the room of writes. */
  get memoryWasShort(): boolean {
    return this.disksFailed;
  }

  call(client: string, key: string, action: Action): Entry {
    this.count++;
    const invokedTick = this.#wall.tick();
    return { client, key, action, invokedTick, returnedTick: Infinity, outcome: { code: undefined } };
  }

  answer(entry: Entry, outcome: Outcome): void {
    entry.outcome = outcome;
    entry.returnedTick = this.#wall.tick();
    this.#add(entry);
  }

  doubt(entry: Entry, ends: readonly ConnectionEnd[]): void {
    if (isRead(entry.action)) return;
    this.doubtCount++;
    this.#leaveOpen(entry, ends);
  }

  #leaveOpen(entry: Entry, ends: readonly ConnectionEnd[]): void {
    this.#add(entry);
    this.#open.add(entry);
    this.#underWay.set(entry, ends);
    let open = ends.length;
    if (open === 0) this.#closeLater(entry);
    for (const end of ends) {
      end.whenFinished(() => {
        if (--open === 0) this.#closeLater(entry);
      });
    }
  }

  #closeLater(entry: Entry): void {
    this.#simulation.schedule(PASSED_ON_MS * 1000, EventKind.FAULT, undefined, () => {
      this.#underWay.delete(entry);
      if (!this.holdsDoubts) this.#close(entry);
    });
  }

  /** What was given up shortly before the end of the last epoch may take effect in this one. */
  goOnFrom(last: EpochHistory): void {
    for (const key of last.#vanishing.values()) this.#addWipe(key);
    for (const [entry, ends] of last.#underWay) {
      this.#leaveOpen({ ...entry, invokedTick: this.#wall.tick(), returnedTick: Infinity }, ends);
    }
  }

  /**
   * A record may go without a trace, once, until the epoch is over.
   *
   * @returns to be called once it is certain that every node will have heard of it by then; else it may go in the next one
   */
  mayVanish(key: string): () => void {
    const name = Symbol(key);
    this.#vanishing.set(name, key);
    this.#addWipe(key);
    return () => void this.#vanishing.delete(name);
  }

  #addWipe(key: string): void {
    const entry = this.call("truncation", key, { type: "wipe" });
    this.#add(entry);
    this.#open.add(entry);
  }

  /**
   * A merge has removed a record of which the other copies know nothing, and has left a tombstone of this generation: the
   * next write goes on with it, if the node that serves has it.
   */
  mayBeBuried(key: string, generation: number): void {
    const entry = this.call("merge", key, { type: "bury", generation });
    this.#add(entry);
    this.#open.add(entry);
  }

  /** Nothing of this epoch can take effect any more. */
  end(): void {
    for (const entry of [...this.#open]) this.#close(entry);
  }

  #close(entry: Entry): void {
    if (this.#open.delete(entry)) entry.returnedTick = this.#wall.tick();
  }

  #add(entry: Entry): void {
    const entries = this.#entries.get(entry.key);
    if (entries === undefined) this.#entries.set(entry.key, [entry]);
    else entries.push(entry);
  }

  /** Whether a write of a record has no certain answer. */
  isInDoubt(key: string): boolean {
    return this.entriesOf(key).some(({ action, outcome }) =>
      outcome.code === undefined && !isRead(action) && action.type !== "bury"
    );
  }

  /** All operations on a record. */
  entriesOf(key: string): readonly Entry[] {
    return this.#entries.get(key) ?? [];
  }
}

/** State of a record that was read when everything was quiet. */
export function stateOf({ code, generation, bins }: Outcome, key: string): RecordState {
  if (code !== ResultCode.OK) return makeAbsent(UNKNOWN_GENERATION);
  const expiry = key.startsWith("t") ? UNKNOWN_EXPIRY : { voidMinS: 0, voidMaxS: 0, sinceTick: 0 };
  return makeState({ generation: generation!, bins: bins!, ...expiry });
}

/** What {@linkcode checkSafe} counted. */
export interface SafeCounts {
  /** Histories with too many possibilities. */
  unknown: number;
  /** Histories whose reads saw old copies of a node that had slept, while they were merged. */
  stale: number;
}

/**
 * Checks one record of a safe epoch.
 *
 * @param checked `entries`: the last one is the reading at the end; `hadSleeper`: a node slept so long that others went
 * on without it; `mayLoseTombstones`: a member takes none
 * @throws {Error} with the record's history
 */
export function checkSafe(
  { key, entries, initial, hadSleeper, mayLoseTombstones }: {
    key: string;
    entries: readonly Entry[];
    initial: RecordState;
    hadSleeper: boolean;
    mayLoseTombstones: boolean;
  },
  wall: ClusterWall,
  counts: SafeCounts,
): void {
  const model = new RecordModel(wall, { keepsTombstones: true, mayLoseTombstones });
  const verdict = checkHistory(entries, model, { initial, weakReads: true });
  if (verdict.result === "unknown") counts.unknown++;
  if (verdict.result !== "violated") return;
  const last = entries[entries.length - 1];
  if (hadSleeper) {
    const certain = entries.filter((entry) => entry === last || changes(entry));
    const { result } = checkHistory(certain, model, { initial, weakReads: true });
    if (result === "unknown") counts.unknown++;
    if (result !== "violated") {
      counts.stale++;
      return;
    }
  }
  throw new Error(violationText({ key, entries, initial }, verdict, wall));
}

/** Whether an operation has, or may have, changed its record. */
function changes({ action, outcome: { code } }: Entry): boolean {
  return !isRead(action) && (code === undefined || code === ResultCode.OK);
}

function violationText(
  { key, entries, initial }: { key: string; entries: readonly Entry[]; initial: RecordState },
  { entry, states }: Verdict,
  wall: ClusterWall,
): string {
  const text = (one: Entry) =>
    `${wall.secondsText(one.invokedTick)}-${wall.secondsText(one.returnedTick)} ${entryText(one)}`;
  const before = entries.filter((other) => other.invokedTick < entry!.returnedTick);
  const ordered = [...before].sort((left, right) => left.returnedTick - right.returnedTick);
  const lines = ordered.slice(-REPORT_ENTRY_COUNT).map(text);
  return `No order explains what clients were told about ${key}, which was "${initial.text}" at first.\n${
    lines.join("\n")
  }\nCan't be explained: ${text(entry!)}\nPossible before it: ${states!.join(" | ")}`;
}

/**
 * Checks one record after a split.
 *
 * @param checked `last`: reading at the end; `mayBeLost`: as many nodes died as a record has copies
 * @throws {Error} with the record's history
 */
export function checkSplit(
  { key, entries, initial, last, mayBeLost }: {
    key: string;
    entries: readonly Entry[];
    initial: RecordState;
    last: RecordState;
    mayBeLost: boolean;
  },
): void {
  const writes = entries.filter(changes);
  const fail = (what: string) => {
    const lines = writes.slice(-REPORT_ENTRY_COUNT).map(entryText);
    throw new Error(
      `After the split ${key} ${what}; it was "${initial.text}", is "${last.text}".\n${lines.join("\n")}`,
    );
  };
  const mayVanish = mayBeLost || key.startsWith("t") ||
    writes.some(({ action: { type } }) => type === "delete" || type === "wipe");
  const mayAppear = writes.some(({ action }) => action.type === "write");
  if (last.generation === 0) {
    if (initial.generation !== 0 && !mayVanish) fail("is gone, though nobody deleted it");
    if (initial.generation === 0 || mayVanish) return;
    return;
  }
  if (initial.generation === 0 && !mayAppear) fail("is there, though nobody wrote it");
  const known = new Set([...tokensOf(initial.bins.a), ...tokensOf(initial.bins.s)]);
  for (const { action } of writes) {
    if (action.type !== "write") continue;
    for (const step of action.steps) {
      if (step.type === "put") { for (const token of tokensOf(step.value)) known.add(token); }
      if (step.type === "append" || step.type === "prepend") {
        for (const token of tokensOf(step.text)) known.add(token);
      }
    }
  }
  for (const token of [...tokensOf(last.bins.a), ...tokensOf(last.bins.s)]) {
    if (!known.has(token)) fail(`has "${token}", which was superseded before the split`);
  }
}

function tokensOf(value: number | string | undefined): string[] {
  return value === undefined ? [] : String(value).split(",").filter((token) => token !== "");
}
