/**
 * Helpers for tests of records: a clock that is moved by hand, numbers that a seed decides, and short ways to put
 * records into a store.
 *
 * @module
 */

import { DIGEST_SIZE_BYTES, ResultCode, utf8, writeU32 } from "../base/mod.ts";
import { defaultSettings, type NamespaceSettings, type SettingsOverrides } from "../config/mod.ts";
import type { ChangeOrigin, Clock, Log, LogLevel, Random, Timer } from "../port/mod.ts";
import { BinTable } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { EntryRef } from "./entry.ts";
import { LOADED, type RecordDevice } from "./device.ts";
import { nextGeneration } from "./record_write.ts";
import { NamespaceStore } from "./store.ts";

/** Wall time at which every {@linkcode TestClock} starts: 2025-11-05, 500,000,000 s after 2010. */
export const TEST_WALL_START_MS = 1_762_304_000_000;

interface PendingCall {
  atMs: number;
  order: number;
  fn: () => void;
}

/** A clock that stands still until it is moved; callbacks run in the order of their times. */
export class TestClock implements Clock {
  /** Virtual ms that each reading of the monotonic clock costs, so that slices end. */
  readCostMs = 0;
  #nowMs = 0;
  #order = 0;
  #calls: PendingCall[] = [];

  monotonicMs(): number {
    this.#nowMs += this.readCostMs;
    return this.#nowMs;
  }

  wallMs(): number {
    return TEST_WALL_START_MS + Math.floor(this.#nowMs);
  }

  after(delayMs: number, fn: () => void): Timer {
    const call = { atMs: this.#nowMs + delayMs, order: this.#order++, fn };
    this.#calls.push(call);
    return { cancel: () => void (this.#calls = this.#calls.filter((other) => other !== call)) };
  }

  nextTurn(fn: () => void): void {
    this.after(0, fn);
  }

  afterEvents(fn: () => void): void {
    this.after(0, fn);
  }

  /** Callbacks that wait. */
  get pendingCount(): number {
    return this.#calls.length;
  }

  /** Runs the next callback, if it is due within `withinMs`; false when there is none. */
  step(withinMs = Infinity): boolean {
    const next = this.#calls.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
    if (next === undefined || next.atMs > this.#nowMs + withinMs) return false;
    this.#calls.shift();
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.fn();
    return true;
  }

  /** Moves the clock on, running what falls due. */
  advance(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    while (this.#nowMs <= endMs && this.step(endMs - this.#nowMs));
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }
}

/** Numbers that a seed decides (SplitMix32). */
export class TestRandom implements Random {
  #state: number;

  /** @param seed any integer */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.u32();
  }

  /** An integer from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.u32() / 0x1_0000_0000 * limit);
  }
}

/** A log that keeps its lines. */
export class TestLog implements Log {
  /** Lines as `level context message`. */
  readonly lines: string[] = [];

  enabled(): boolean {
    return true;
  }

  write(level: LogLevel, context: string, message: string): void {
    this.lines.push(`${level} ${context} ${message}`);
  }
}

/** The digest of record number `number`: spread over all partitions. */
export function testDigest(number: number): Uint8Array {
  const digest = new Uint8Array(DIGEST_SIZE_BYTES);
  const random = new TestRandom(number * 7919);
  for (let at = 0; at < DIGEST_SIZE_BYTES; at += 4) writeU32(digest, at, random.u32());
  writeU32(digest, 16, number);
  return digest;
}

/** Settings of a namespace `test` with changes. */
export function testSettings(
  overrides: Omit<NonNullable<SettingsOverrides["namespaces"]>[number], "name"> = {},
): NamespaceSettings {
  return defaultSettings({ namespaces: [{ ...overrides, name: "test" }] }).namespaces[0];
}

/** A store with short ways to fill it and to look into it. */
export class TestStore {
  /** The store. */
  readonly store: NamespaceStore;
  /** Moved by hand. */
  readonly clock: TestClock;
  readonly #table = new BinTable();
  readonly #entry = new EntryRef();

  /** @param options what differs from a namespace of 1 GiB in memory */
  constructor(
    options: {
      settings?: NamespaceSettings;
      clock?: TestClock;
      wrapDevice?: (device: RecordDevice, clock: Clock) => RecordDevice;
      store?: NamespaceStore;
    } = {},
  ) {
    this.clock = options.clock ?? new TestClock();
    this.store = options.store ?? new NamespaceStore({
      settings: options.settings ?? testSettings(),
      clock: this.clock,
      random: new TestRandom(1),
      ...(options.wrapDevice === undefined ? {} : { wrapDevice: options.wrapDevice }),
    });
  }

  /** Stores a blob of `sizeBytes` bytes, each with the low byte of `number`, under record number `number`. */
  put(
    number: number,
    options: { sizeBytes?: number; ttlS?: number; set?: string; origin?: ChangeOrigin; tombstone?: boolean } =
      {},
  ): ResultCode {
    const { store } = this;
    const digest = testDigest(number);
    const name = utf8("b");
    const value = new Uint8Array(options.sizeBytes ?? 8).fill(number);
    const request = new Uint8Array(name.length + value.length);
    request.set(name);
    request.set(value, name.length);
    this.#table.reset(request, request);
    if (options.tombstone !== true) {
      this.#table.setFromRequest(
        this.#table.add(1, 0, name.length),
        PARTICLE.BLOB,
        name.length,
        value.length,
      );
    }
    const setName = utf8(options.set ?? "");
    const set = options.set === undefined ? undefined : store.sets.findOrCreate(setName, 0, setName.length);
    const exists = store.find(digest, 0, this.#entry);
    const entry = exists ? this.#entry : undefined;
    return store.put(
      {
        digest,
        digestAt: 0,
        lastUpdateMs: store.nextLastUpdateMs(entry, set),
        generation: exists ? nextGeneration(this.#entry.generation) : 1,
        voidTime: options.ttlS === undefined ? 0 : Math.floor(store.nowMs() / 1000) + options.ttlS,
        set,
        key: undefined,
        table: this.#table,
        origin: options.origin ?? "client",
      },
      this.#entry,
      exists,
    );
  }

  /** The bytes of a record's blob; undefined when the record is not live. */
  get(number: number): Uint8Array | undefined {
    const { store } = this;
    const entry = this.#entry;
    if (!store.find(testDigest(number), 0, entry) || !store.isLive(entry, store.nowMs())) return undefined;
    if (store.load(entry, { wake: () => {} }) !== LOADED.HERE) {
      throw new Error("A test store answers at once");
    }
    this.#table.reset(store.flat.bytes, store.flat.bytes);
    store.flat.loadBins(this.#table);
    const at = this.#table.valueAt[0];
    return this.#table.valueBuffer(0).slice(at, at + this.#table.valueSize[0]);
  }

  /** Whether a digest has an entry, live or not. */
  has(number: number): boolean {
    return this.store.find(testDigest(number), 0, this.#entry);
  }

  /** Removes a record; false when there is none. */
  remove(number: number): boolean {
    const { store } = this;
    const digest = testDigest(number);
    if (!store.find(digest, 0, this.#entry)) return false;
    if (store.space.keepsOldCopies) {
      return store.bury(digest, 0, this.#entry, { origin: "client" }) === ResultCode.OK;
    }
    store.remove(digest, 0, this.#entry, "client");
    return true;
  }
}
