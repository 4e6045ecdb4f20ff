/**
 * Memory of many small records, and how long background work holds the event loop.
 *
 * `deno run -A --v8-flags=--expose-gc bench/memory.ts [--records 1000000] [--rounds 3]`
 *
 * Records of one integer bin go straight into a store. Bytes per record are growth of the resident set and what index and
 * blocks account for, both divided by the records; first fresh, then after `rounds` times as many random overwrites.
 * Then a background load of small writes runs while the supervisor walks all records (expiry), empties blocks after most
 * records were removed (defragmentation) and truncates the rest. A stall is the time between two turns of the event
 * loop beyond the load's own work; on a busy machine it includes the time for which the process did not run, so compare
 * with the load alone. A slice is one piece of background work, measured by itself.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { CITRUSLEAF_EPOCH_S, DIGEST_SIZE_BYTES, writeU32 } from "../src/base/mod.ts";
import { defaultSettings } from "../src/config/mod.ts";
import { print } from "../tools/print.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { Clock } from "../src/port/mod.ts";
import { BinTable, SOURCE } from "../src/record/mod.ts";
import {
  BLOCK_SIZE_BYTES,
  EntryRef,
  NamespaceStore,
  NamespaceSupervisor,
  nextGeneration,
} from "../src/storage/mod.ts";
import { PARTICLE } from "../src/wire/mod.ts";

const MIB = 1024 * 1024;
/** Bytes of an index entry and of a flat record with one integer bin, and what may come on top. */
const TARGET_BYTES = (64 + 48) * 1.15;
const HEAP_GROWTH_MAX_MIB = 50;
/** Writes of the background load per turn. */
const LOAD_PER_TURN = 20;

const arguments_ = parseArgs(Deno.args, { string: ["records", "rounds"] });
const recordCount = Number(arguments_.records ?? 1_000_000);
const roundCount = Number(arguments_.rounds ?? 3);
if (!(recordCount >= 1) || !(roundCount >= 0)) {
  print("usage: bench/memory.ts [--records N] [--rounds N]; both are numbers, records at least 1");
  Deno.exit(2);
}

const collectGarbage = (globalThis as { gc?: () => void }).gc;
const digest = new Uint8Array(DIGEST_SIZE_BYTES);

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Puts the digest of record number `number` into `digest`. */
function setDigest(number: number): void {
  for (let word = 0; word < 5; word++) writeU32(digest, word * 4, mix(number + word * 0x9e3779b9));
}

/** Writes one integer bin, as a transaction does once it has decoded its request. */
class Writer {
  readonly #store: NamespaceStore;
  readonly #table = new BinTable();
  readonly #entry = new EntryRef();
  readonly #name = new Uint8Array([0x61]);

  constructor(store: NamespaceStore) {
    this.#store = store;
  }

  put(number: number, value: number, voidTime = 0): void {
    const store = this.#store;
    const entry = this.#entry;
    setDigest(number);
    const exists = store.find(digest, 0, entry);
    this.#table.reset(this.#name, this.#name);
    this.#table.setNumber(this.#table.add(SOURCE.REQUEST, 0, 1), PARTICLE.INTEGER, 0, value);
    const result = store.put(
      {
        digest,
        digestAt: 0,
        lastUpdateMs: store.nextLastUpdateMs(exists ? entry : undefined, undefined),
        generation: exists ? nextGeneration(entry.generation) : 1,
        voidTime,
        set: undefined,
        key: undefined,
        table: this.#table,
        origin: "client",
      },
      entry,
      exists,
    );
    if (result !== 0) throw new Error(`put of record ${number} answered ${result}`);
  }

  remove(number: number): void {
    setDigest(number);
    if (this.#store.find(digest, 0, this.#entry)) this.#store.remove(digest, 0, this.#entry, "client");
  }
}

interface MemoryRow {
  phase: string;
  records: number;
  residentPerRecord: number;
  accountedPerRecord: number;
  heapGrowthMib: number;
  microsecondsEach: number;
}

interface StallRow {
  phase: string;
  seconds: number;
  turns: number;
  stallP999Ms: number;
  stallMaxMs: number;
  over5MsPerSecond: number;
  slices: number;
  sliceP99Ms: number;
  sliceMaxMs: number;
}

function memoryNow(): { resident: number; heap: number } {
  collectGarbage?.();
  collectGarbage?.();
  const { rss, heapUsed } = Deno.memoryUsage();
  return { resident: rss, heap: heapUsed };
}

/** Lets other events happen now and then during a long loop, as a server would. */
async function inTurns(clock: Clock, count: number, work: (index: number) => void): Promise<number> {
  const startMs = performance.now();
  for (let index = 0; index < count;) {
    const end = Math.min(count, index + 10_000);
    while (index < end) work(index++);
    await new Promise<void>((resolve) => clock.nextTurn(resolve));
  }
  return (performance.now() - startMs) * 1000 / Math.max(1, count);
}

/** Value below which a share of the sorted values lies, 0 when there are none. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Durations of the slices of background work in the present phase. */
const slices: number[] = [];

/** A clock that measures what runs in its turns. */
function measured(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, fn) => clock.after(delayMs, fn),
    afterEvents: (fn) => clock.afterEvents(fn),
    nextTurn: (fn) =>
      clock.nextTurn(() => {
        const startMs = performance.now();
        fn();
        slices.push(performance.now() - startMs);
      }),
  };
}

/** Runs the load turn after turn until `isDone`; how long turns were apart. */
function loadUntil(clock: Clock, phase: string, load: () => void, isDone: () => boolean): Promise<StallRow> {
  const gaps: number[] = [];
  slices.length = 0;
  const startMs = performance.now();
  return new Promise((resolve) => {
    let endMs = performance.now();
    const turn = () => {
      gaps.push(performance.now() - endMs);
      if (isDone()) {
        const seconds = (performance.now() - startMs) / 1000;
        gaps.sort((a, b) => a - b);
        slices.sort((a, b) => a - b);
        resolve({
          phase,
          seconds,
          turns: gaps.length,
          stallP999Ms: quantile(gaps, 0.999),
          stallMaxMs: quantile(gaps, 1),
          over5MsPerSecond: gaps.filter((gap) => gap > 5).length / seconds,
          slices: slices.length,
          sliceP99Ms: quantile(slices, 0.99),
          sliceMaxMs: quantile(slices, 1),
        });
        return;
      }
      load();
      endMs = performance.now();
      clock.nextTurn(turn);
    };
    clock.nextTurn(turn);
  });
}

function printTable(rows: readonly object[], digits: number): void {
  const names = Object.keys(rows[0]);
  const cells = rows.map((row) =>
    Object.values(row).map((value) =>
      typeof value === "number" && !Number.isInteger(value) ? value.toFixed(digits) : String(value)
    )
  );
  const widths = names.map((name, column) =>
    Math.max(name.length, ...cells.map((row) => row[column].length))
  );
  for (const row of [names, ...cells]) {
    print(
      row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join(
        "  ",
      ),
    );
  }
}

const { clock, random, host, log } = await createPlatform();
const settings = defaultSettings().namespaces[0];
// Twice the records' own size: what defragmentation has to keep below.
settings.storage.dataSize = Math.max(64 * MIB, recordCount * 48 * 2);
settings.nsupPeriod = 0;
settings.stopWritesSysMemoryPct = 0;
const before = memoryNow();
const store = new NamespaceStore({ settings, clock, random });
const writer = new Writer(store);
const supervisor = new NamespaceSupervisor({ store, clock: measured(clock), host, log });
supervisor.start();

const empty = memoryNow();
const memoryRows: MemoryRow[] = [];
function noteMemory(phase: string, microsecondsEach: number): void {
  const now = memoryNow();
  const records = store.objectCount;
  const accounted = store.index.handleCount * 64 + store.arena.mappedBlockCount * BLOCK_SIZE_BYTES;
  memoryRows.push({
    phase,
    records,
    residentPerRecord: (now.resident - empty.resident) / records,
    accountedPerRecord: accounted / records,
    heapGrowthMib: (now.heap - before.heap) / MIB,
    microsecondsEach,
  });
}

const voidTime = Math.floor(Date.now() / 1000) - CITRUSLEAF_EPOCH_S + 1_000_000;
noteMemory("fresh", await inTurns(clock, recordCount, (index) => writer.put(index, index & 0x7fff_ffff)));
if (roundCount > 0) {
  const overwrites = Math.floor(recordCount * roundCount);
  noteMemory(
    `after ${overwrites} overwrites`,
    await inTurns(clock, overwrites, (index) => writer.put(mix(index) % recordCount, index & 0x7fff_ffff)),
  );
}

const stallRows: StallRow[] = [];
let loaded = 0;
const load = () => {
  for (let count = 0; count < LOAD_PER_TURN; count++) {
    writer.put(mix(loaded++) % recordCount, loaded, voidTime);
  }
};
const untilMs = (ms: number) => {
  const endMs = performance.now() + ms;
  return () => performance.now() >= endMs;
};
stallRows.push(await loadUntil(clock, "load alone", load, untilMs(3000)));

const cycles = store.supervision.nsupCycleCount;
supervisor.startCycle();
stallRows.push(
  await loadUntil(clock, "expiry walk", load, () => store.supervision.nsupCycleCount > cycles),
);

// Every block falls below the low-water mark: most of the records go, and the load goes on with those that stay.
await inTurns(clock, recordCount, (index) => {
  if (index % 5 !== 0) writer.remove(index);
});
const loadRest = () => {
  for (let count = 0; count < LOAD_PER_TURN; count++) {
    writer.put(Math.floor(mix(loaded++) % recordCount / 5) * 5, loaded);
  }
};
stallRows.push(
  await loadUntil(clock, "defragmentation", loadRest, () => store.arena.sparseBlockCount === 0),
);
noteMemory("after removal of 80 %", 0);

store.truncate(undefined, store.nowMs());
stallRows.push(await loadUntil(clock, "truncation", loadRest, () => !store.truncating));
supervisor.stop();

print(
  `${recordCount} records of one integer bin; data-size ${Math.round(settings.storage.dataSize / MIB)} MiB`,
);
print(`an empty store takes ${((empty.resident - before.resident) / MIB).toFixed(1)} MiB`);
if (collectGarbage === undefined) {
  print("without --v8-flags=--expose-gc the heap's growth includes garbage");
}
print("");
printTable(memoryRows, 1);
print("");
printTable(stallRows, 2);
print("");
const held = memoryRows.filter((row) => row.phase !== "after removal of 80 %");
const worst = Math.max(...held.map((row) => row.accountedPerRecord));
const heap = Math.max(...memoryRows.map((row) => row.heapGrowthMib));
print(
  `bytes per record: ${worst.toFixed(1)}, target ${TARGET_BYTES.toFixed(1)}; ` +
    `heap growth: ${heap.toFixed(1)} MiB, target ${HEAP_GROWTH_MAX_MIB}`,
);
Deno.exit(worst <= TARGET_BYTES && heap < HEAP_GROWTH_MAX_MIB ? 0 : 1);
