import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ConfigError, ResultCode } from "../../base/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import type { Host } from "../../port/mod.ts";
import { LOADED, type Loaded } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { NamespaceSupervisor } from "../supervisor.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { decodeHeader } from "./layout.ts";
import { loadStore, openStore } from "./open_store.ts";
import { splitShadow } from "./shadow_file.ts";
import { CrashDisk, settle, testPorts, turn } from "./testing.ts";
import { DiskTombRaid } from "./tomb_scan.ts";

const compute = createCompute();
const MIB = 1024 * 1024;
const host = {
  memory: () => ({ systemTotalBytes: 8192 * MIB, systemFreeBytes: 6144 * MIB }),
} as unknown as Host;
const FIRST = "/a/a.dat";
const SHADOW = "/b/a.dat";

class Shadowed {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly disk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  #seed = 0;
  readonly #kind: "device" | "memory";

  constructor(kind: "device" | "memory" = "device") {
    this.#kind = kind;
  }

  async open(file = `${FIRST} ${SHADOW}`): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      maxRecordSize: 100_000,
      tombRaiderEligibleAge: 0,
      storage: {
        kind: this.#kind,
        files: [file],
        filesize: 16 * MIB,
        postWriteCache: 0,
        indexCheckpointBytesPerHour: 0,
      },
    });
    const onFailure = (error: unknown) => {
      throw error;
    };
    const store = await settle(
      clock,
      openStore({
        ...testPorts,
        compute,
        settings,
        clock,
        random: new TestRandom(++this.#seed),
        disk,
        log,
        cluster: "c",
        onFailure,
      }),
    );
    await settle(clock, loadStore(store, { clock, log, compute }));
    this.it = new TestStore({ store, clock });
  }

  async close(): Promise<void> {
    await settle(this.clock, this.it.store.close());
  }

  put(from: number, to: number): void {
    for (let number = from; number < to; number++) {
      assertEquals(this.it.put(number, { sizeBytes: 1000 }), ResultCode.OK);
    }
  }
}

/** Reads records 0 up to, not including, `count`. */
async function assertHas(test: Shadowed, count: number): Promise<void> {
  const { store } = test.it;
  const entry = new EntryRef();
  for (let number = 0; number < count; number++) {
    let loaded: Loaded = LOADED.PENDING;
    for (let tries = 0; tries < 200 && loaded === LOADED.PENDING; tries++) {
      assert(store.find(testDigest(number), 0, entry), `record ${number} is missing`);
      loaded = store.load(entry, { wake: () => {} });
      if (loaded === LOADED.PENDING) await turn(test.clock);
    }
    assertEquals(loaded, LOADED.HERE, `record ${number} can be read`);
    assertEquals(test.it.get(number)?.length, 1000);
  }
}

/** Turns over a bit in most of the records of the first block. */
function damageRecords(bytes: Uint8Array): void {
  for (let at = MIB + 300; at < MIB + 80_000; at += 1000) bytes[at] ^= 4;
}

/** The highest sequence of the sound copies of a header. */
function headerSequence(bytes: Uint8Array): number {
  const headers = [0, 4096].map((at) => decodeHeader(bytes.subarray(at, at + 4096)));
  return Math.max(...headers.map((header) => header?.sequence ?? -1));
}

describe("splitShadow()", () => {
  it("takes two paths apart, and leaves a path with blanks alone", () => {
    assertEquals(splitShadow("/dev/sda /dev/sdb"), { path: "/dev/sda", shadow: "/dev/sdb" });
    assertEquals(splitShadow("/my data/a.dat"), { path: "/my data/a.dat", shadow: undefined });
    assertEquals(splitShadow("/a.dat"), { path: "/a.dat", shadow: undefined });
  });
});

describe("a file with a shadow", () => {
  it("has the same content on both, and its records when the first one is lost, and when the shadow is", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await test.close();
    assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
    for (const path of [FIRST, SHADOW]) {
      test.disk.content(path).fill(0);
      await test.open();
      assertEquals(test.it.store.objectCount, 100);
      test.put(0, 100);
      await test.close();
      assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
      const other = path === FIRST ? SHADOW : FIRST;
      assertStringIncludes(test.log.lines.join("\n"), `"${path}" is filled from "${other}"`);
    }
  });

  it("takes the one that was in use last when the other was away for a run", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 50);
    await test.close();
    await test.open(FIRST);
    test.put(50, 100);
    await test.close();
    await test.open();
    assertEquals(test.it.store.objectCount, 100);
    await test.close();
    assertEquals(test.disk.content(FIRST), test.disk.content(SHADOW));
  });

  it("is refused when the shadow holds another device", async () => {
    const test = new Shadowed();
    for (const file of [FIRST, SHADOW]) {
      await test.open(file);
      test.put(0, 1);
      await test.close();
    }
    const before = test.disk.content(SHADOW).slice();
    await assertRejects(() => test.open(), ConfigError, `"${SHADOW}" is no shadow of "${FIRST}"`);
    assertEquals(test.disk.content(SHADOW), before);
  });

  it("has no newer header on the shadow, in whatever moment the power goes", async () => {
    const test = new Shadowed();
    await test.open();
    const cuts: CrashDisk[] = [];
    test.disk.onOperation = (cut) => {
      for (let seed = 0; seed < 8; seed++) cuts.push(cut(new TestRandom(cuts.length)));
    };
    await test.close();
    await test.open();
    assert(cuts.length > 40);
    for (const disk of cuts) {
      const [own, other] = [FIRST, SHADOW].map((path) => headerSequence(disk.content(path)));
      assert(own >= other, `${own} is not older than ${other}`);
    }
    await test.close();
  });

  it("is read from the shadow when the first one can't be read", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await test.close();
    await test.open();
    test.disk.faultyPath = FIRST;
    test.disk.readError = "EIO";
    const { blocks } = test.it.store.disk!;
    const bytes = new Uint8Array(4096);
    assertEquals(await settle(test.clock, blocks.devices[0].file.read(MIB, bytes)), 4096);
    assertEquals(bytes, test.disk.content(SHADOW).subarray(MIB, MIB + 4096));
    await test.close();
  });

  for (const kind of ["device", "memory"] as const) {
    it(`has damage on the first mended from the shadow, while it runs and at a start: ${kind}`, async () => {
      const test = new Shadowed(kind);
      await test.open();
      test.put(0, 100);
      await test.close();
      damageRecords(test.disk.content(FIRST));
      await test.open();
      assertEquals(test.it.store.objectCount, 100);
      await assertHas(test, 100);
      assert(test.it.store.disk!.reports.mendedCount > 0);
      // The supervisor has what was damaged stored anew, on both.
      const supervisor = new NamespaceSupervisor({
        store: test.it.store,
        clock: test.clock,
        log: test.log,
        host,
      });
      supervisor.start();
      for (let count = 0; count < 2000; count++) {
        await turn(test.clock);
        test.clock.advance(5);
      }
      supervisor.stop();
      assertEquals(test.it.store.disk!.damage.blocks.size, 0);
      await test.close();
      test.disk.content(SHADOW).fill(0);
      await test.open();
      await assertHas(test, 100);
      if (kind === "device") {
        damageRecords(test.disk.content(FIRST));
        await assertHas(test, 100);
      }
      await test.close();
    });
  }

  it("keeps the tombstone of a record whose older copy is damaged on the first and whole on the shadow", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await settle(test.clock, test.it.store.disk!.flush());
    damageRecords(test.disk.content(FIRST));
    for (let number = 0; number < 100; number++) test.it.remove(number);
    test.clock.advance(2000);
    const raid = new DiskTombRaid(test.it.store, () => true);
    for (let count = 0; raid.step(test.clock, test.clock.monotonicMs() + 1) !== undefined; count++) {
      assert(count < 10_000, "A raid ends");
      if (!await turn(test.clock)) test.clock.step();
    }
    assertEquals([test.it.store.supervision.raidedTombstones, test.it.store.tombstoneCount], [0, 100]);
    await test.close();
  });

  for (const lacking of [FIRST, SHADOW]) {
    it(`has what the power left on one of the two on both after a start: not on ${lacking}`, async () => {
      const test = new Shadowed();
      await test.open();
      test.put(0, 50);
      await settle(test.clock, test.it.store.disk!.flush());
      const before = test.disk.content(lacking).slice(MIB, 3 * MIB);
      test.put(50, 100);
      await settle(test.clock, test.it.store.disk!.flush());
      test.disk.content(lacking).set(before, MIB);
      await test.open();
      await assertHas(test, 100);
      assertEquals(test.disk.content(FIRST).slice(MIB), test.disk.content(SHADOW).slice(MIB));
      await test.close();
    });
  }

  it("has records on both that were damaged on one of them each, in one unit", async () => {
    const test = new Shadowed();
    await test.open();
    test.put(0, 100);
    await settle(test.clock, test.it.store.disk!.flush());
    const before = test.disk.content(FIRST).slice(MIB);
    test.disk.content(FIRST)[MIB + 300] ^= 4;
    test.disk.content(SHADOW)[MIB + 50_300] ^= 4;
    await test.open();
    await assertHas(test, 100);
    for (const path of [FIRST, SHADOW]) assertEquals(test.disk.content(path).slice(MIB), before);
    await test.close();
  });
});
