import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ConfigError, ResultCode } from "../../base/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { DeviceInspection } from "./inspection.ts";
import { loadStore, openStore } from "./open_store.ts";
import { CrashDisk, settle, testPorts, turn } from "./testing.ts";

const compute = createCompute();
const MIB = 1024 * 1024;
const FIRST = "/a/a.dat";
const SHADOW = "/b/a.dat";
const BOTH = `${FIRST} ${SHADOW}`;
const SIZE_BYTES = 16 * MIB;
/** Ways in which what was not synced is kept, lost or torn at each cut. */
const CUTS_PER_OPERATION = 2;
/** Of so many cuts one is followed by a second one, in the start after it. */
const SECOND_CUT_EVERY = 13;

let runCount = 0;

/** A store on a disk, with records of which it is known what must be there. */
class Machine {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly disk: CrashDisk;
  it!: TestStore;

  constructor(disk = new CrashDisk(new TestRandom(1))) {
    this.disk = disk;
  }

  async open(file = BOTH): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      maxRecordSize: 100_000,
      storage: {
        kind: "device",
        files: [file],
        filesize: SIZE_BYTES,
        postWriteCache: 0,
        indexCheckpointBytesPerHour: 0,
      },
    });
    const onFailure = (error: unknown) => {
      throw error;
    };
    const options = { ...testPorts, compute, settings, clock, disk, log, cluster: "c", onFailure };
    const store = await settle(clock, openStore({ ...options, random: new TestRandom(++runCount) }));
    await settle(clock, loadStore(store, { clock, log, compute }));
    this.it = new TestStore({ store, clock });
  }

  async close(): Promise<void> {
    await settle(this.clock, this.it.store.close());
  }

  /** Records with these numbers, and a partition page that says how many there are. */
  put(from: number, to: number): void {
    this.it.store.disk!.pages.set(7, Uint8Array.of(to));
    for (let number = from; number < to; number++) {
      assertEquals(this.it.put(number, { sizeBytes: 1000 }), ResultCode.OK);
    }
  }

  /** Reads all records, those that were removed not. */
  async assertHas(count: number, what: string): Promise<void> {
    const { store } = this.it;
    assertEquals(store.objectCount, count, what);
    assertEquals(store.disk!.pages.get(7), Uint8Array.of(count), what);
    const entry = new EntryRef();
    for (let number = 0; number < count; number++) {
      for (let tries = 0;; tries++) {
        assert(tries < 200 && store.find(testDigest(number), 0, entry), `${what}: record ${number}`);
        const loaded = store.load(entry, { wake: () => {} });
        if (loaded === LOADED.HERE) break;
        assertEquals(loaded, LOADED.PENDING, `${what}: record ${number}`);
        await turn(this.clock);
      }
    }
  }

  /** All moments in which the power may go while `act` runs. */
  async cutsDuring(act: () => Promise<void>): Promise<CrashDisk[]> {
    const cuts: CrashDisk[] = [];
    this.disk.onOperation = (cut) => {
      for (let time = 0; time < CUTS_PER_OPERATION; time++) cuts.push(cut(new TestRandom(cuts.length)));
    };
    await act();
    this.disk.onOperation = undefined;
    return cuts;
  }
}

/** A pair of which one side lacks something: it is new, or was away for a run. */
async function lackingPair(lacking: string, how: "new" | "away"): Promise<Machine> {
  const other = lacking === FIRST ? SHADOW : FIRST;
  const machine = new Machine();
  await machine.open();
  machine.put(0, 40);
  await machine.close();
  await machine.open(how === "new" ? BOTH : other);
  machine.put(20, 60);
  await machine.close();
  if (how === "new") machine.disk.place(lacking, new Uint8Array(SIZE_BYTES));
  return machine;
}

/** After a power cut: the source alone has all, the other side alone has all or is refused, both have all and are alike. */
async function checkCut(disk: CrashDisk, lacking: string, what: string): Promise<void> {
  const copy = () => disk.copy(new TestRandom(3));
  const source = new Machine(copy());
  await source.open(lacking === FIRST ? SHADOW : FIRST);
  await source.assertHas(60, `${what}, source alone`);
  const both = new Machine(copy());
  await both.open();
  await both.assertHas(60, `${what}, both`);
  await both.close();
  assertEquals(both.disk.content(FIRST), both.disk.content(SHADOW), what);
}

describe("a start that fills one of a device and its shadow from the other", () => {
  for (const lacking of [FIRST, SHADOW]) {
    for (const how of ["new", "away"] as const) {
      it(`loses nothing when the power goes at any write: ${lacking} is ${how}`, async () => {
        const machine = await lackingPair(lacking, how);
        const cuts = await machine.cutsDuring(() => machine.open());
        assert(cuts.length >= 8 * CUTS_PER_OPERATION, `${cuts.length} cuts`);
        for (const [number, disk] of cuts.entries()) {
          const what = `cut ${number} of ${cuts.length}`;
          await checkCut(disk, lacking, what);
          if (number % SECOND_CUT_EVERY !== 0) continue;
          const again = new Machine(disk);
          const second = await again.cutsDuring(() => again.open());
          for (const [place, one] of second.entries()) {
            if (place % SECOND_CUT_EVERY === 0) await checkCut(one, lacking, `${what}, then ${place}`);
          }
        }
      });
    }
  }

  it("is refused with one side that was being filled alone, and goes on with both", async () => {
    for (const lacking of [FIRST, SHADOW]) {
      const machine = await lackingPair(lacking, "new");
      const cuts = await machine.cutsDuring(() => machine.open());
      let refusedCount = 0;
      for (const disk of cuts) {
        const alone = new Machine(disk.copy(new TestRandom(3)));
        const error: Error | undefined = await alone.open(lacking).then(() => undefined, (error) => error);
        if (error !== undefined) {
          assertStringIncludes(error.message, `"${lacking}" was being filled from`);
          refusedCount++;
          const file = await alone.disk.open(lacking);
          const inspected = await DeviceInspection.open(file, { path: lacking, compute }).then(
            ({ headFaults }) => headFaults.map(({ found }) => found).join(),
            ({ message }: Error) => message,
          );
          assertStringIncludes(inspected, "was being filled from");
        } else if (alone.it.store.objectCount > 0) await alone.assertHas(60, "filled");
        const headers = alone.disk.content(lacking).subarray(0, 8192);
        assert(error !== undefined || headers.some((byte) => byte !== 0));
      }
      assert(refusedCount > cuts.length / 3, `${refusedCount} of ${cuts.length}`);
    }
  });

  it("is refused when the other side has not what is missing", async () => {
    const machine = await lackingPair(FIRST, "new");
    const cuts = await machine.cutsDuring(() => machine.open());
    const disk = cuts[cuts.length >> 2];
    disk.place(SHADOW, new Uint8Array(SIZE_BYTES));
    const before = disk.content(FIRST).slice();
    const error = await assertRejects(() => new Machine(disk).open(), ConfigError);
    assertStringIncludes(error.message, `"${FIRST}" was being filled from "${SHADOW}"`);
    assertEquals(disk.content(FIRST), before);
  });

  it("overwrites nothing that is not ours, and nothing that can't be read", async () => {
    for (const path of [FIRST, SHADOW]) {
      const machine = await lackingPair(path, "new");
      const foreign = new Uint8Array(SIZE_BYTES).fill(0x42, 0, 3 * MIB);
      machine.disk.place(path, foreign);
      const error = await assertRejects(() => machine.open(), ConfigError);
      assertStringIncludes(error.message, `"${path}" holds something that is not aerie's`);
      assertEquals(machine.disk.content(path), foreign);
    }
    for (const path of [FIRST, SHADOW]) {
      const machine = await lackingPair(path === FIRST ? SHADOW : FIRST, "away");
      const before = [FIRST, SHADOW].map((each) => machine.disk.content(each).slice());
      machine.disk.faultyPath = path;
      machine.disk.readError = "EIO";
      const error = await assertRejects(() => machine.open(), Error);
      assertStringIncludes(error.message, `"${path}" can't be read, and nothing is overwritten on a guess`);
      assertEquals([FIRST, SHADOW].map((each) => machine.disk.content(each)), before);
    }
  });

  it("leaves a shadow whole that lacks no more than the last header", async () => {
    const machine = new Machine();
    await machine.open();
    machine.put(0, 60);
    await machine.close();
    const cuts = await machine.cutsDuring(() => machine.open());
    for (const disk of cuts) {
      const again = new Machine(disk);
      for (const later of await again.cutsDuring(() => again.open())) {
        for (const path of [FIRST, SHADOW]) {
          const alone = new Machine(later.copy(new TestRandom(3)));
          await alone.open(path);
          await alone.assertHas(60, path);
        }
      }
    }
  });

  for (const isStopped of [true, false]) {
    const before = isStopped ? "a stop" : "the power was gone";
    it(`overwrites nothing that is whole on one of the two alone, whenever the power goes after ${before}`, async () => {
      const machine = new Machine();
      await machine.open();
      machine.put(0, 60);
      if (isStopped) await machine.close();
      else await settle(machine.clock, machine.it.store.disk!.flush());
      for (const [path, atBytes] of [[FIRST, 0], [FIRST, 8192], [SHADOW, 32_768]] as const) {
        machine.disk.rot(path, { offset: MIB + atBytes, sizeBytes: 512 }, (bytes) => void bytes.fill(0));
      }
      const cuts = await machine.cutsDuring(async () => {
        await machine.open();
        await machine.close();
      });
      assert(cuts.length >= 12 * CUTS_PER_OPERATION, `${cuts.length} cuts`);
      for (const [number, disk] of cuts.entries()) {
        const again = new Machine(disk);
        await again.open();
        await again.assertHas(60, `cut ${number} of ${cuts.length}`);
      }
    });
  }

  it("is refused when each of the two was used without the other one", async () => {
    const machine = new Machine();
    await machine.open();
    machine.put(0, 20);
    await machine.close();
    for (const path of [FIRST, SHADOW]) {
      await machine.open(path);
      machine.put(20, path === FIRST ? 30 : 40);
      await machine.close();
    }
    const before = [FIRST, SHADOW].map((path) => machine.disk.content(path).slice());
    await assertRejects(() => machine.open(), ConfigError, "were each used without the other one");
    assertEquals([FIRST, SHADOW].map((path) => machine.disk.content(path)), before);
  });
});
