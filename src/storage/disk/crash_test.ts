import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { crashMatrix, crashName, crashSettings, cutPower } from "./crash_matrix_testing.ts";
import { TestRandom, TestStore } from "../testing.ts";
import { settle } from "./testing.ts";
import { findLives } from "./block_scan.ts";
import { plantBug, type PlantedBug } from "../../base/mod.ts";
import { CrashHistory, type CrashOptions } from "./crash_testing.ts";

/** Seeds per kind of history; more with `CRASH_SEEDS` in the environment. */
const SEED_COUNT = Number(process.env.CRASH_SEEDS ?? 1);
const FIRST_SEED = Number(process.env.CRASH_FIRST ?? 1);
const LIVES = 4;
/** Writes and syncs within which the power goes. */
const CRASH_WITHIN = 1500;

/** Of the writes and syncs of histories of all combinations one of so many is cut; `tools/cuts` cuts at each. */
const CUT_PERIOD = 150;

/** So many records that the index has several pages. */
const MANY = { kind: "device", keyCount: 600, valueSizeMax: 12_000, checkpoints: "always" } as const;

const kinds: Omit<CrashOptions, "seed">[] = [
  { kind: "device", commit: true },
  { kind: "device", commit: false },
  { kind: "memory", commit: true },
  { kind: "memory", commit: false },
  { kind: "device", commit: true, fileCount: 3 },
  { kind: "device", commit: true, checkpoints: "never" },
  { ...MANY, commit: true },
  { ...MANY, commit: false },
  { ...MANY, commit: true, fileCount: 2 },
];

/** What a run says with a planted bug; empty when it notices nothing. */
async function complaintWith(bug: PlantedBug, run: () => Promise<unknown>): Promise<string> {
  plantBug(bug);
  try {
    await run();
    return "";
  } catch (error) {
    return (error as Error).message;
  } finally {
    plantBug(undefined);
  }
}

describe("a store on a disk whose power is cut", () => {
  for (const options of kinds) {
    it(`has what was safe, or something later, and nothing else: ${crashName(options)}`, async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
        const history = new CrashHistory({ ...options, seed });
        await history.open();
        for (let life = 0; life < LIVES; life++) {
          const within = 20 + (seed * 7919 + life * 104729) % CRASH_WITHIN;
          history.disk.crashAt = history.disk.operationCount + within;
          await history.run(4000);
          if (life % 3 === 2 && !history.disk.isDown) await history.restart();
          else await history.crash();
        }
        assert(history.crashCount > 0);
      }
    });
  }

  it("has what was safe in every combination of engine, commit, compression and encryption", async () => {
    let cutCount = 0;
    for (let seed = 0; seed < crashMatrix.length * SEED_COUNT; seed++) {
      cutCount += (await cutPower(FIRST_SEED * crashMatrix.length + seed, { every: CUT_PERIOD })).cutCount;
    }
    assert(cutCount > crashMatrix.length * 5);
  });

  it("has what was safe when the power goes at each of the first writes", async () => {
    for (let operation = 1; operation <= 40; operation++) {
      const history = new CrashHistory({
        seed: operation,
        kind: "device",
        commit: operation % 2 === 0,
        ...(operation % 3 === 0 ? { encryption: "aes-256" as const } : {}),
        ...(operation % 4 === 0 ? { compression: "lz4" as const } : {}),
        keyCount: 4,
        valueSizeMax: 6000,
      });
      history.disk.crashAt = operation + 5;
      await history.open();
      await history.run(300);
      await history.crash();
      await history.run(20);
      await history.restart();
    }
  });

  it("has what was safe when the power goes at each write and sync of a start", async () => {
    for (const commit of [true, false]) {
      const history = new CrashHistory({ ...MANY, seed: 3, commit, valueSizeMax: 2000 });
      await history.open();
      await history.run(800);
      for (let operation = 1; await history.crashWhileStarting(operation); operation++) {
        await history.crash();
        await history.run(operation % 3 === 0 ? 50 : 0);
      }
      await history.check();
    }
  });

  it("has what was safe when the power goes at each write and sync around a checkpoint", async () => {
    let checkpointCount = 0;
    for (let operation = 1; operation <= 60; operation++) {
      const history = new CrashHistory({
        ...MANY,
        seed: operation,
        commit: operation % 2 === 0,
        keyCount: 200,
        valueSizeMax: 2000,
      });
      await history.open();
      await history.run(150);
      history.disk.crashAt = history.disk.operationCount + operation;
      await history.run(150);
      await history.crash();
      await history.run(20);
      await history.restart();
      checkpointCount += history.checkpointCount;
    }
    assert(checkpointCount > 60, `${checkpointCount} checkpoints`);
  });

  it("takes nothing from a shadow that its device did not have when the power went before", async () => {
    // In this history a block of which the shadow had more is used again, and torn.
    assert(crashSettings(39).shadows);
    assert((await cutPower(39, { every: 10, changes: { rots: false } })).cutCount > 0);
  });

  it("loses nothing that rots on one of a device and its shadow, when the power goes in a start", async () => {
    // Without word of the run before, the start after the cut would fill the shadow from the damaged device.
    assert(crashSettings(700_032).rots);
    assert((await cutPower(700_032, { every: 8 })).cutCount > 0);
  });

  it("finds what defragmentation moved when its old block is used again, and the block's first unit is torn", async () => {
    // In this history the header of the new life is what did not arrive: the block looks as it was at the checkpoint.
    const { checkpoints, commit, kind } = crashSettings(65);
    assert(kind === "device" && !commit && checkpoints === "at stops");
    const { starts } = await cutPower(65, { every: 4 });
    assert(starts.replay > 0);
  });

  it("has no later unit of a block's life without the first one, however many are written at once", async () => {
    const history = new CrashHistory({ seed: 1, kind: "device", commit: false });
    await history.open();
    const { store, clock, disk } = history;
    const { blocks } = store.disk!;
    const torn: string[] = [];
    let cutCount = 0;
    disk.onOperation = (cut) => {
      const bytes = cut(new TestRandom(++cutCount)).content("/data/0.dat");
      for (let block = 0; block < blocks.count; block++) {
        const at = blocks.deviceOffset(block);
        const life = findLives(bytes.slice(at, at + blocks.blockSizeBytes), blocks.place(block)).at(-1);
        if (life !== undefined && life.units[0].offsetBytes > 0) torn.push(`block ${block} at ${cutCount}`);
      }
    };
    const records = new TestStore({ store, clock });
    for (let round = 0; round < 4; round++) {
      for (let number = 0; number < 40; number++) records.put(number, { sizeBytes: 60_000 });
      await settle(clock, store.disk!.flush());
    }
    assert(cutCount > 40, `${cutCount} cuts`);
    assertEquals(torn, []);
  });

  it("notices when a start trusts a checkpoint that is stale", async () => {
    const complaint = await complaintWith("staleCheckpointTrusted", async () => {
      const history = new CrashHistory({ ...MANY, seed: 1, commit: true });
      await history.open();
      await history.run(1500);
      await history.crash();
    });
    // An entry that leads to a place used anew gives another version, or none that can be read.
    assert(/not one of|can be read/.test(complaint), `The model would not see anything: ${complaint}`);
  });

  it("notices when a block is used again before what replaced its records is safe", async () => {
    assert(/not one of/.test(await complaintWith("freedDeadBlock", () => cutPower(1))));
  });

  it("notices when replies do not wait for the flush", async () => {
    assert(/not one of/.test(await complaintWith("ackBeforeFlush", () => cutPower(1))));
  });

  it("notices when a copy is damaged that should be safe", async () => {
    const history = new CrashHistory({ seed: 5, kind: "device", commit: true, checkpoints: "never" });
    await history.open();
    await history.run(100);
    const content = history.disk.content("/data/0.dat");
    content.fill(0x55, 1024 * 1024 + 4096, 2 * 1024 * 1024);
    let complaint = "";
    await history.restart().catch((error: Error) => complaint = error.message);
    assert(complaint.includes("not one of"), "The model would not see anything");
  });
});
