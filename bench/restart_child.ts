/**
 * One life of a store on a file, in a process of its own: `restart_child.ts LIFE FOLDER RECORDS`. Prints one line of JSON.
 *
 * @module
 */

import process from "node:process";
import { CITRUSLEAF_EPOCH_S, DIGEST_SIZE_BYTES, writeU32 } from "../src/base/mod.ts";
import { defaultSettings } from "../src/config/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { Ports } from "../src/port/mod.ts";
import { BinTable } from "../src/record/mod.ts";
import {
  Checkpoint,
  EntryRef,
  LOADED,
  loadStore,
  type NamespaceStore,
  NamespaceSupervisor,
  nextGeneration,
  openStore,
} from "../src/storage/mod.ts";
import { PARTICLE } from "../src/wire/mod.ts";
import { print } from "../tools/print.ts";

const MIB = 1024 * 1024;
/** Bytes of each record's value. */
const VALUE_SIZE_BYTES = 100;
/** Bytes that a record takes in a block, with room for defragmentation, rounded up. */
const ROOM_PER_RECORD_BYTES = 340;
/** Records that are read back after a start. */
const PROBE_COUNT = 2000;
/** Steady load: writes per turn, and pause between turns. */
const LOAD_PER_TURN = 20;
const LOAD_PAUSE_MS = 10;
const LOAD_MS = 20_000;
const PUTS_PER_TURN = 2000;

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

const digest = new Uint8Array(DIGEST_SIZE_BYTES);

function setDigest(number: number): void {
  for (let word = 0; word < 5; word++) writeU32(digest, word * 4, mix(number + word * 0x9e3779b9));
}

/** A store, and short ways to use it. */
class Life {
  readonly store: NamespaceStore;
  readonly ports: Ports;
  readonly #table = new BinTable();
  readonly #entry = new EntryRef();
  readonly #request = new Uint8Array(1 + VALUE_SIZE_BYTES).fill(0x61);

  constructor(store: NamespaceStore, ports: Ports) {
    this.store = store;
    this.ports = ports;
  }

  /** Puts a record; false when it must be tried again later. */
  put(number: number): boolean {
    const { store } = this;
    setDigest(number);
    const exists = store.find(digest, 0, this.#entry);
    this.#table.reset(this.#request, this.#request);
    this.#table.setFromRequest(this.#table.add(1, 0, 1), PARTICLE.BLOB, 1, VALUE_SIZE_BYTES);
    const result = store.put(
      {
        digest,
        digestAt: 0,
        lastUpdateMs: Math.floor(this.ports.clock.wallMs()) - CITRUSLEAF_EPOCH_S * 1000,
        generation: exists ? nextGeneration(this.#entry.generation) : 1,
        voidTime: 0,
        set: undefined,
        key: undefined,
        table: this.#table,
        origin: "client",
      },
      this.#entry,
      exists,
    );
    if (result !== 0 && result !== 18) throw new Error(`A put is answered with ${result}`);
    return result === 0;
  }

  async putAll(count: number): Promise<void> {
    for (let number = 0; number < count;) {
      const end = Math.min(count, number + PUTS_PER_TURN);
      while (number < end && this.put(number)) number++;
      await turn();
    }
  }

  /** Reads a record back from the device. */
  async get(number: number): Promise<void> {
    for (;;) {
      setDigest(number);
      if (!this.store.find(digest, 0, this.#entry)) throw new Error(`Record ${number} is missing`);
      const loaded = await new Promise<number>((resolve) => {
        const answer = this.store.load(this.#entry, { wake: () => resolve(LOADED.PENDING) });
        if (answer !== LOADED.PENDING) resolve(answer);
      });
      if (loaded === LOADED.FAILED) throw new Error(`Record ${number} can't be read`);
      if (loaded === LOADED.HERE) return;
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

async function open(folder: string, recordCount: number, cold: boolean): Promise<Life> {
  const ports = await createPlatform();
  const blocksBytes = Math.ceil(recordCount * ROOM_PER_RECORD_BYTES / MIB) * MIB;
  const settings = defaultSettings({
    namespaces: [{
      name: "test",
      storage: {
        kind: "device",
        files: [`${folder}/test.dat`],
        filesize: Math.max(64 * MIB, blocksBytes),
        postWriteCache: 0,
        stopWritesUsedPct: 0,
        stopWritesAvailPct: 0,
        ...(cold ? { indexCheckpointBytesPerHour: 0 } : {}),
      },
    }],
  }).namespaces[0];
  const onFailure = (error: unknown) => {
    throw error;
  };
  const store = await openStore({ ...ports, settings, cluster: "", onFailure });
  return new Life(store, ports);
}

/** Most memory that the process had, in bytes; undefined where the system does not tell. */
async function peakBytes(): Promise<number | undefined> {
  const text = await Deno.readTextFile("/proc/self/status").catch(() => "");
  const match = /^VmHWM:\s*(\d+) kB/m.exec(text);
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** What the same file gives when it is read in order, in MB per second, with two reads under way. */
async function rawReadRate(life: Life): Promise<number> {
  const { blocks } = life.store.disk!;
  const { file } = blocks.devices[0];
  const startMs = performance.now();
  let countBytes = 0;
  let next = 0;
  const read = async () => {
    const bytes = new Uint8Array(MIB);
    while (next < blocks.count) {
      const block = next++;
      if (blocks.sequence[block] > 0) countBytes += await file.read(blocks.deviceOffset(block), bytes);
    }
  };
  await Promise.all([read(), read()]);
  return countBytes / 1e3 / (performance.now() - startMs);
}

async function start(life: Life, recordCount: number): Promise<Record<string, unknown>> {
  const { store, ports } = life;
  const cpuBefore = process.cpuUsage();
  await loadStore(store, ports);
  const { user, system } = process.cpuUsage(cpuBefore);
  const peak = await peakBytes();
  for (let count = 0; count < PROBE_COUNT; count++) await life.get(mix(count) % recordCount);
  const { blocks } = store.disk!;
  const readBytes = blocks.sequence.filter((sequence) => sequence > 0).length * blocks.blockSizeBytes;
  return { ...store.start, cpuMs: (user + system) / 1000, peakBytes: peak, readBytes };
}

/** Overwrites records at a steady rate while checkpoints run. */
async function underLoad(life: Life, recordCount: number): Promise<Record<string, unknown>> {
  const { store, ports } = life;
  const { path } = store.checkpoint!;
  // The next checkpoint follows as soon as the budget allows: a minute's pause is too long to wait for.
  const checkpoint = new Checkpoint({ ...ports, store, path, files: ports.disk, periodMinMs: 100 });
  store.checkpoint = checkpoint;
  await loadStore(store, ports);
  const before = checkpoint.writtenBytes;
  let sliceMaxMs = 0;
  const step = checkpoint.step.bind(checkpoint);
  checkpoint.step = (clock) => {
    const startMs = performance.now();
    const pauseMs = step(clock);
    sliceMaxMs = Math.max(sliceMaxMs, performance.now() - startMs);
    return pauseMs;
  };
  const supervisor = new NamespaceSupervisor({ store, ...ports });
  supervisor.start();
  const startMs = performance.now();
  let putCount = 0;
  while (performance.now() - startMs < LOAD_MS) {
    for (let count = 0; count < LOAD_PER_TURN; count++) if (life.put(mix(putCount) % recordCount)) putCount++;
    await new Promise((resolve) => setTimeout(resolve, LOAD_PAUSE_MS));
  }
  const tookMs = performance.now() - startMs;
  supervisor.stop();
  return {
    putsPerS: Math.round(putCount * 1000 / tookMs),
    bytesPerHour: Math.round((checkpoint.writtenBytes - before) * 3_600_000 / tookMs),
    sliceMaxMs,
    dirtyBytes: checkpoint.dirtyPageCount * checkpoint.pageSizeBytes,
  };
}

async function main([life, folder, records]: string[]): Promise<Record<string, unknown>> {
  const recordCount = Number(records);
  const it = await open(folder, recordCount, life === "cold");
  switch (life) {
    case "fill": {
      await loadStore(it.store, it.ports);
      await it.putAll(recordCount);
      const startMs = performance.now();
      await it.store.close();
      return { stopMs: performance.now() - startMs };
    }
    case "start":
    case "cold": {
      const report = await start(it, recordCount);
      const rawMbPerS = life === "cold" ? await rawReadRate(it) : undefined;
      const startMs = performance.now();
      await it.store.close();
      return { ...report, rawMbPerS, stopMs: performance.now() - startMs };
    }
    case "crash":
      await start(it, recordCount);
      await it.putAll(Math.ceil(recordCount / 20));
      await it.store.disk!.flush();
      return {};
    case "load": {
      const report = await underLoad(it, recordCount);
      await it.store.close();
      return report;
    }
  }
  throw new Error(`There is no life "${life}"`);
}

print(JSON.stringify(await main(Deno.args)));
Deno.exit(0);
