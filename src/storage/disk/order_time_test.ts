import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { FLAT_GENERATION_AT, FlatRecord, setFlatLastUpdate } from "../flat.ts";
import { measureFlat } from "../flat_check.ts";
import { removeLeftOver, REPLACED, type Replaced, replaceRecord } from "../replace.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { DiskDefragmentationTask } from "./disk_defragmentation.ts";
import { decodeHeader } from "./layout.ts";
import { loadStore, openStore } from "./open_store.ts";
import { orderTime, RecordCompression } from "./record_compression.ts";
import { CrashDisk, settle, testPorts, turn } from "./testing.ts";

const MIB = 1024 * 1024;
const PATH = "/data/a.dat";
const NOBODY = { wake: () => {} };
const LUT = 500_000_000_000;

/** A store on one file whose power may go. */
class RestartedStore {
  readonly clock = new TestClock();
  disk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  #starts = 0;

  async open(): Promise<void> {
    const { clock, disk } = this;
    const log = new TestLog();
    const settings = testSettings({
      storage: { kind: "device", files: [PATH], filesize: 16 * MIB, commitToDevice: true },
    });
    const ports = { clock, log, disk, random: new TestRandom(7 + this.#starts++), ...testPorts };
    const onFailure = (error: unknown) => {
      throw error;
    };
    const store = await settle(clock, openStore({ settings, ...ports, cluster: "c", onFailure }));
    await settle(clock, loadStore(store, ports));
    this.it = new TestStore({ store, clock });
  }

  /** All that was stored is synced, then the power goes. */
  async cutPower(): Promise<void> {
    await settle(this.clock, this.it.store.disk!.flush());
    this.disk = this.disk.restarted();
    await this.open();
  }

  take(copy: Uint8Array, rule: "policy" | "replica" | "successor" = "policy"): Replaced {
    const options = { rule, origin: "migration", waiter: NOBODY } as const;
    return replaceRecord(this.it.store, { bytes: copy, at: 0, end: copy.length }, options);
  }

  /** Stores a copy, as soon as the format of the device allows it. */
  async takeSoon(copy: Uint8Array, rule?: "policy" | "replica" | "successor"): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const taken = this.take(copy, rule);
      if (taken === REPLACED.APPLIED) return;
      assertEquals(taken, REPLACED.OUT_OF_SPACE);
      await turn(this.clock);
    }
    throw new Error("The format is raised");
  }

  /** Generation and bytes of record 1, as its readers get them. */
  async read(): Promise<[number, Uint8Array]> {
    const { store } = this.it;
    const entry = new EntryRef();
    for (let tries = 0; tries < 100; tries++) {
      assert(store.find(testDigest(1), 0, entry));
      if (store.load(entry, NOBODY) === LOADED.HERE) {
        const { bytes, at, sizeUnits } = store.flat;
        return [entry.generation, bytes.slice(at, at + measureFlat(bytes, at, at + sizeUnits * 16))];
      }
      await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  get readableBy(): number {
    return [
      decodeHeader(this.disk.content(PATH).subarray(0, 4096)),
      decodeHeader(this.disk.content(PATH).subarray(4096, 8192)),
    ]
      .filter((header) => header !== undefined).sort((a, b) => b.sequence - a.sequence)[0].readableBy;
  }
}

/** A flat record under number 1. */
function copyOf({ generation, lutMs, isTombstone = false }: {
  generation: number;
  lutMs: number;
  isTombstone?: boolean;
}): Uint8Array {
  const source = new TestStore();
  source.put(1, { sizeBytes: 40, tombstone: isTombstone });
  const entry = new EntryRef();
  assert(source.store.find(testDigest(1), 0, entry) && source.store.load(entry, NOBODY) === LOADED.HERE);
  const { bytes, at, sizeUnits } = source.store.flat;
  const copy = bytes.slice(at, at + measureFlat(bytes, at, at + sizeUnits * 16));
  copy[FLAT_GENERATION_AT] = generation;
  setFlatLastUpdate(copy, 0, lutMs);
  return copy;
}

const LOSER = copyOf({ generation: 23, lutMs: LUT + 5000 });
const WINNER = copyOf({ generation: 24, lutMs: LUT });

describe("a record that took the place of a later copy", () => {
  it("is found again after a power cut, byte for byte", async () => {
    const test = new RestartedStore();
    await test.open();
    assertEquals(test.take(LOSER), REPLACED.APPLIED);
    await test.takeSoon(WINNER);
    assertEquals(await test.read(), [24, WINNER]);
    await test.cutPower();
    assertEquals(await test.read(), [24, WINNER]);
    await test.cutPower();
    assertEquals(await test.read(), [24, WINNER]);
  });

  it("is found again when it is a tombstone, or has one's place", async () => {
    for (
      const [before, after] of [[LOSER, { generation: 24, lutMs: LUT, isTombstone: true }], [
        copyOf({ generation: 23, lutMs: LUT + 5000, isTombstone: true }),
        { generation: 24, lutMs: LUT },
      ]] as const
    ) {
      const test = new RestartedStore();
      await test.open();
      test.take(before);
      const copy = copyOf(after);
      await test.takeSoon(copy, "successor");
      await test.cutPower();
      assertEquals(await test.read(), [24, copy]);
    }
  });

  it("is found again when it was moved", async () => {
    const test = new RestartedStore();
    await test.open();
    test.take(LOSER);
    await test.takeSoon(WINNER);
    const { it, clock } = test;
    for (let number = 2; number < 20; number++) it.put(number, { sizeBytes: 500_000 });
    for (let number = 2; number < 20; number++) it.put(number, { sizeBytes: 20 });
    await settle(clock, it.store.disk!.flush());
    const task = new DiskDefragmentationTask(it.store);
    for (let count = 0; task.isNeeded && count < 2000; count++) {
      task.step(clock, Infinity);
      await turn(clock);
    }
    assert(it.store.disk!.defragmentedBlocks > 0);
    await test.cutPower();
    assertEquals(await test.read(), [24, WINNER]);
  });

  it("gives way to what is written later, and to what overrules it", async () => {
    const test = new RestartedStore();
    await test.open();
    test.take(LOSER);
    await test.takeSoon(WINNER);
    const third = copyOf({ generation: 30, lutMs: LUT - 1000 });
    await test.takeSoon(third);
    await test.cutPower();
    assertEquals(await test.read(), [30, third]);
    test.it.put(1, { sizeBytes: 8 });
    const [generation, bytes] = await test.read();
    assertEquals(generation, 31);
    const record = new FlatRecord();
    record.open(bytes, 0);
    assert(record.lastUpdateMs > LUT + 5000);
    await test.cutPower();
    assertEquals(await test.read(), [31, bytes]);
  });

  it("is found again when only its bytes are greater", async () => {
    const test = new RestartedStore();
    await test.open();
    const loser = copyOf({ generation: 5, lutMs: LUT });
    const winner = loser.slice();
    winner[winner.length - 1]++;
    test.take(loser);
    await test.takeSoon(winner);
    await test.cutPower();
    assertEquals(await test.read(), [5, winner]);
    await test.cutPower();
    assertEquals(await test.read(), [5, winner]);
  });

  it("waits until programs that don't know of it are kept from reading the device", async () => {
    const test = new RestartedStore();
    await test.open();
    test.take(LOSER);
    assertEquals([test.take(WINNER), test.readableBy], [REPLACED.OUT_OF_SPACE, 1]);
    await settle(test.clock, test.it.store.disk!.upgrade.settle());
    assertEquals([test.take(WINNER), test.readableBy], [REPLACED.APPLIED, 3]);
    await test.cutPower();
    assertEquals(test.take(copyOf({ generation: 60, lutMs: LUT - 1000 })), REPLACED.APPLIED);
  });

  it("leaves a tombstone when it is truncated, as the later copy may not be", async () => {
    const test = new RestartedStore();
    await test.open();
    test.take(LOSER);
    await test.takeSoon(WINNER);
    const { store } = test.it;
    store.truncateLutMs = LUT + 1000;
    const entry = new EntryRef();
    assert(store.find(testDigest(1), 0, entry));
    store.expunge(testDigest(1), 0, entry, { origin: "truncate" });
    await test.cutPower();
    assert(test.it.store.find(testDigest(1), 0, entry));
    assertEquals([entry.isTombstone, entry.lastUpdateMs > LUT + 5000], [true, true]);
  });
});

describe("a tombstone of an expired record", () => {
  it("gives way to the copy of one that has everything, as the record would", async () => {
    const test = new RestartedStore();
    await test.open();
    const { it: store, clock } = test;
    store.put(1);
    store.put(1, { ttlS: 1 });
    store.store.beginWriteEpoch();
    clock.advance(3000);
    const entry = new EntryRef();
    assert(store.store.find(testDigest(1), 0, entry));
    store.store.expunge(testDigest(1), 0, entry, { origin: "expiry" });
    assertEquals([store.has(1), store.get(1)], [true, undefined]);
    const copy = copyOf({ generation: 2, lutMs: LUT - 1_000_000_000 });
    await test.takeSoon(copy, "successor");
    assertEquals(await test.read(), [2, copy]);
  });
});

describe("removeLeftOver()", () => {
  it("leaves nothing that a start would find, and no tombstone of what ends by itself", async () => {
    const test = new RestartedStore();
    await test.open();
    const { it: store } = test;
    store.put(1);
    store.put(2, { ttlS: 1000 });
    store.put(3);
    store.remove(3);
    const entry = new EntryRef();
    for (const number of [1, 2, 3]) {
      assert(store.store.find(testDigest(number), 0, entry));
      assert(removeLeftOver(store.store, testDigest(number), 0, entry));
    }
    assertEquals([1, 2, 3].map((number) => store.has(number)), [true, false, true]);
    assertEquals(store.store.tombstoneCount, 2);
    await test.cutPower();
    assertEquals([1, 3].map((number) => test.it.get(number)), [undefined, undefined]);
  });
});

describe("removeLeftOver() of a truncated record", () => {
  it("leaves no tombstone: a start passes over what the mark covers", async () => {
    const test = new RestartedStore();
    await test.open();
    const { it: store } = test;
    store.put(1);
    store.store.truncateLutMs = store.store.nowMs();
    const entry = new EntryRef();
    assert(store.store.find(testDigest(1), 0, entry));
    assert(removeLeftOver(store.store, testDigest(1), 0, entry));
    assertEquals(store.store.find(testDigest(1), 0, entry), false);
  });
});

describe("RecordCompression.addOrder()", () => {
  it("is undone by expand(), for records of any size and kind", () => {
    const compression = new RecordCompression(
      { compression: "none", compressionLevel: 0, compressionAcceleration: 0 },
      testPorts.compute,
    );
    for (let sizeBytes = 0; sizeBytes < 200; sizeBytes += 3) {
      const source = new TestStore();
      source.put(1, { sizeBytes, tombstone: sizeBytes === 0, ttlS: sizeBytes });
      const entry = new EntryRef();
      assert(source.store.find(testDigest(1), 0, entry) && source.store.load(entry, NOBODY) === LOADED.HERE);
      const { bytes, at, sizeUnits } = source.store.flat;
      const plain = bytes.slice(at, at + sizeUnits * 16);
      const units = compression.addOrder(plain, sizeUnits, LUT + sizeBytes);
      const coded = compression.bytes.slice(0, units * 16);
      const record = new FlatRecord();
      record.open(coded, 0);
      assertEquals([record.sizeUnits, orderTime(record)], [units, LUT + sizeBytes]);
      assertEquals(compression.expand(coded, 0), plain);
    }
  });
});
