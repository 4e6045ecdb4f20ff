import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { ConfigError, ResultCode } from "../../base/mod.ts";
import type { SettingsOverrides } from "../../config/mod.ts";
import { createCompute, createPlatform } from "../../platform/mod.ts";
import type { Disk } from "../../port/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { stopWritesReason } from "../stop_writes.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { encodeHeader } from "./layout.ts";
import { DISK_BLOCK } from "./blocks.ts";
import { openDevices } from "./device_file.ts";
import { loadStore, openStore } from "./open_store.ts";
import { PartitionPages } from "./partition_pages.ts";
import { CrashDisk, settle, turn } from "./testing.ts";

type Namespace = Omit<NonNullable<SettingsOverrides["namespaces"]>[number], "name">;

const MIB = 1024 * 1024;
const compute = createCompute();

/** A store on one file of a disk of the test. */
class DiskTest {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  disk: Disk & { readError?: string; writeError?: string; readCount?: number };
  it!: TestStore;
  failure: unknown;
  environment: Record<string, string> = {};
  readonly #options: Namespace;
  readonly #path: string;

  constructor(options: Namespace = {}, disk?: Disk, path = "/data/a.dat") {
    this.#options = options;
    this.#path = path;
    this.disk = disk ?? new CrashDisk(new TestRandom(1));
  }

  async open(storage: Namespace["storage"] = {}): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      ...this.#options,
      maxRecordSize: 100_000,
      storage: {
        kind: "device",
        files: [this.#path],
        filesize: 16 * MIB,
        postWriteCache: 0,
        ...this.#options.storage,
        ...storage,
      },
    });
    const store = await this.settle(openStore({
      settings,
      clock,
      random: new TestRandom(7),
      disk,
      host: { environment: (name) => this.environment[name] },
      log,
      compute,
      cluster: "c",
      onFailure: (error) => this.failure = error,
    }));
    await this.settle(loadStore(store, { clock, log, compute }));
    this.it = new TestStore({ store, clock });
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return settle(this.clock, promise);
  }

  async close(): Promise<void> {
    await this.settle(this.it.store.close());
  }

  async restart(storage: Namespace["storage"] = {}): Promise<void> {
    await this.close();
    await this.open(storage);
  }

  /** First byte and size of a record's blob; a text when there is none, or it can't be read. */
  async get(number: number): Promise<[number, number] | "none" | "failed"> {
    const entry = new EntryRef();
    const { store } = this.it;
    for (let tries = 0; tries < 200; tries++) {
      if (!store.find(testDigest(number), 0, entry) || !store.isLive(entry, store.nowMs())) return "none";
      const loaded = store.load(entry, { wake: () => {} });
      if (loaded === LOADED.FAILED) return "failed";
      if (loaded === LOADED.HERE) {
        const blob = this.it.get(number)!;
        return [blob[0], blob.length];
      }
      await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  get crashDisk(): CrashDisk {
    return this.disk as CrashDisk;
  }
}

describe("a store on a device", () => {
  it("has its records after a restart, read from the file, in engines of both kinds", async () => {
    for (const kind of ["device", "memory"] as const) {
      const test = new DiskTest({ storage: { kind } });
      await test.open();
      for (let number = 0; number < 300; number++) {
        assertEquals(
          test.it.put(number, { sizeBytes: 10 + number * 7, set: number % 2 === 0 ? "s" : "t" }),
          0,
        );
      }
      await test.restart();
      const readsBefore = test.crashDisk.readCount;
      for (let number = 0; number < 300; number++) {
        assertEquals(await test.get(number), [number & 0xff, 10 + number * 7]);
      }
      const { store } = test.it;
      assertEquals([store.objectCount, store.sets.byName("s")?.objects], [300, 150]);
      assertEquals(test.crashDisk.readCount - readsBefore, kind === "device" ? 300 : 0);
      await test.close();
      assertEquals(test.failure, undefined);
    }
  });

  it("expunge() keeps a tombstone when another node says once more that the record is gone", async () => {
    const test = new DiskTest();
    await test.open();
    const { it } = test;
    const entry = new EntryRef();
    const digest = testDigest(1);
    it.put(1);
    assert(it.store.find(digest, 0, entry));
    const beforeMs = entry.lastUpdateMs;
    test.clock.advance(5);
    assertEquals(
      it.store.expunge(digest, 0, entry, { origin: "replica" }),
      true,
      "a tombstone takes the record's place",
    );
    assert(it.store.find(digest, 0, entry));
    const { generation, lastUpdateMs } = entry;
    assertEquals(lastUpdateMs, beforeMs + 1, "the other node's clock may be behind");
    test.clock.advance(5);
    assertEquals(it.store.expunge(digest, 0, entry, { origin: "replica" }), false);
    assert(it.store.find(digest, 0, entry), "an older copy elsewhere would come back");
    assert(entry.isTombstone);
    assertEquals([entry.generation, entry.lastUpdateMs], [generation, lastUpdateMs]);
    await test.close();
  });

  it("answers a damaged record with an error, and says file, offset, expected and found", async () => {
    const test = new DiskTest();
    await test.open();
    test.it.put(1, { sizeBytes: 500 });
    test.it.put(2, { sizeBytes: 500 });
    await test.restart();
    const entry = new EntryRef();
    test.it.store.find(testDigest(1), 0, entry);
    const offset = MIB + entry.location * 4;
    test.crashDisk.content("/data/a.dat")[offset + 100] ^= 1;
    assertEquals([await test.get(1), await test.get(2)], ["failed", [2, 500]]);
    const line = test.log.lines.find((text) => text.includes("Corrupt data"))!;
    assertMatch(
      line,
      /"\/data\/a\.dat" at byte \d+: found bytes with checksum [0-9a-f]{8}, expected a record of \d+ bytes/,
    );
    assertStringIncludes(line, `at byte ${offset}:`);
    assertEquals(test.it.store.disk!.reports.corruptCount, 1);
    // Writing it again mends it.
    assertEquals(test.it.put(1, { sizeBytes: 20 }), ResultCode.OK);
    assertEquals(await test.get(1), [1, 20]);
    await test.close();
  });

  it("finds at a start what is behind damage: in the same unit, and behind a unit's header", async () => {
    for (const damage of ["magic", "size", "unit"]) {
      const test = new DiskTest({ storage: { indexCheckpointBytesPerHour: 0 } });
      await test.open();
      for (let number = 0; number < 60; number++) {
        test.it.put(number, { sizeBytes: 100 + number });
        if (number === 29) await test.settle(test.it.store.disk!.flush());
      }
      const entry = new EntryRef();
      test.it.store.find(testDigest(10), 0, entry);
      const offset = MIB + entry.location * 4;
      await test.close();
      const bytes = test.crashDisk.content("/data/a.dat");
      if (damage === "magic") bytes.fill(0x5a, offset, offset + 20);
      else if (damage === "size") bytes[offset + 4] ^= 2;
      else bytes.fill(0x5a, MIB, MIB + 48);
      await test.open();
      const expected = damage === "unit" ? 60 : 59;
      assertEquals(test.it.store.objectCount, expected, damage);
      for (let number = 0; number < 60; number++) {
        const isLost = damage !== "unit" && number === 10;
        assertEquals(await test.get(number), isLost ? "none" : [number, 100 + number]);
      }
      assertEquals(test.it.store.disk!.reports.corruptCount, 1);
      await test.close();
    }
  });

  it("answers with an error when a read fails, and reads again later", async () => {
    const test = new DiskTest();
    await test.open();
    test.it.put(1);
    await test.restart();
    test.disk.readError = "EIO";
    assertEquals(await test.get(1), "failed");
    assertEquals(test.it.store.disk!.reports.readErrors[0], 1);
    test.disk.readError = "";
    test.clock.advance(2000);
    assertEquals(await test.get(1), [1, 8]);
    await test.close();
  });

  it("keeps what could not be written, stops client writes, and goes on when there is room again", async () => {
    const test = new DiskTest();
    await test.open();
    test.it.put(1, { sizeBytes: 100 });
    test.disk.writeError = "ENOSPC";
    const { store } = test.it;
    store.disk!.sealAll();
    for (let count = 0; count < 50; count++) await turn(test.clock);
    assertStringIncludes(stopWritesReason(store, 0)!, "ENOSPC");
    assert(test.log.lines.some((line) => line.startsWith("critical drv_ssd") && line.includes("ENOSPC")));
    assertEquals(await test.get(1), [1, 100]);
    test.disk.writeError = "";
    test.clock.advance(1500);
    await test.settle(store.disk!.flush());
    assertEquals(stopWritesReason(store, 0), undefined);
    await test.restart();
    assertEquals(await test.get(1), [1, 100]);
    await test.close();
  });

  it("answers device overload when more waits than max-write-cache", async () => {
    const test = new DiskTest({ storage: { maxWriteCache: 100_000, flushSize: 4096 } });
    await test.open();
    test.disk.writeError = "EIO";
    let resultCode: number = ResultCode.OK;
    for (let number = 0; resultCode === ResultCode.OK && number < 100; number++) {
      resultCode = test.it.put(number, { sizeBytes: 5000 });
    }
    assertEquals(resultCode, ResultCode.DEVICE_OVERLOAD);
    assertEquals(test.it.put(999, { origin: "replica" }), ResultCode.OK);
    test.disk.writeError = "";
    test.clock.advance(1500);
    await test.settle(test.it.store.disk!.flush());
    assertEquals(test.it.put(1000), ResultCode.OK);
    await test.close();
  });

  it("syncs what was written while a failed round waited, though nothing is written after it", async () => {
    const test = new DiskTest({ storage: { commitToDevice: true } });
    await test.open();
    const { store } = test.it;
    test.disk.writeError = "EIO";
    test.it.put(1);
    const holds = [...store.takeHolds()];
    for (let count = 0; count < 20; count++) await turn(test.clock);
    assert(stopWritesReason(store, 0) !== undefined);
    test.it.put(2);
    holds.push(...store.takeHolds());
    store.disk!.sealAll();
    test.disk.writeError = "";
    test.clock.advance(1500);
    for (let count = 0; count < 50; count++) await turn(test.clock);
    assertEquals(holds.map(({ isDurable }) => isDurable), [true, true]);
    await test.close();
  });

  it("answers out of space when no block is free, and writes again when records are gone", async () => {
    const test = new DiskTest();
    await test.open();
    let count = 0;
    while (test.it.put(count, { sizeBytes: 90_000 }) === ResultCode.OK) {
      count++;
      await turn(test.clock);
      await turn(test.clock);
    }
    assert(count > 100);
    await test.settle(test.it.store.disk!.flush());
    for (let number = 0; number < 60; number++) test.it.remove(number);
    await test.settle(test.it.store.disk!.flush());
    assertEquals(test.it.put(count, { sizeBytes: 90_000 }), ResultCode.OK);
    await test.close();
  });

  it("leaves a block that can't be read at the start alone", async () => {
    const test = new DiskTest({ storage: { indexCheckpointBytesPerHour: 0 } });
    await test.open();
    test.it.put(1);
    await test.close();
    const { disk } = test;
    const open = disk.open.bind(disk);
    disk.open = async (path, options) => {
      const file = await open(path, options);
      const read = file.read.bind(file);
      file.read = (offset, target) =>
        offset === MIB ? Promise.reject(new Error("bad sector")) : read(offset, target);
      return file;
    };
    await test.open();
    const { blocks, reports } = test.it.store.disk!;
    assertEquals([blocks.state[0], reports.readErrors[0], await test.get(1)], [DISK_BLOCK.BAD, 1, "none"]);
    test.it.put(2);
    await test.close();
  });

  it("keeps bytes per partition, and passes over the records of a tree that was dropped", async () => {
    const test = new DiskTest();
    await test.open();
    test.it.put(1);
    test.it.put(2);
    const { store } = test.it;
    const partition = new DataView(testDigest(1).buffer).getUint16(0, true) & 0xfff;
    store.partitionMeta.set(77, Uint8Array.of(1, 2, 3));
    store.partitionMeta.set(78, new Uint8Array(64).fill(9));
    store.dropTree(partition);
    await test.restart();
    const { partitionMeta } = test.it.store;
    assertEquals([partitionMeta.get(77), partitionMeta.get(78)?.length, partitionMeta.get(79)], [
      Uint8Array.of(1, 2, 3),
      64,
      undefined,
    ]);
    assertEquals([await test.get(1), await test.get(2)], ["none", [2, 8]]);
    test.it.put(1);
    partitionMeta.set(77, undefined);
    await test.restart();
    assertEquals([await test.get(1), test.it.store.partitionMeta.get(77)], [[1, 8], undefined]);
    await test.close();
  });

  it("starts empty with cold-start-empty, and stays so", async () => {
    const test = new DiskTest();
    await test.open();
    test.it.put(1);
    await test.restart({ coldStartEmpty: true });
    assertEquals(await test.get(1), "none");
    test.it.put(2);
    await test.restart();
    assertEquals([await test.get(1), await test.get(2)], ["none", [2, 8]]);
    await test.close();
  });

  it("afterSync() tells once everything is synced", async () => {
    const test = new DiskTest();
    await test.open();
    const { store } = test.it;
    let told = 0;
    const waiter = { onDurable: () => told++ };
    assertEquals(store.afterSync(waiter), false);
    test.it.put(1);
    assertEquals(store.afterSync(waiter), true);
    assertEquals(told, 0);
    for (let count = 0; count < 20; count++) await turn(test.clock);
    assertEquals([told, store.afterSync(waiter)], [1, false]);
    await test.close();
  });
});

describe("openDevices()", () => {
  const options = (disk: Disk) => ({
    namespace: "test",
    cluster: "",
    files: ["/a"],
    devices: [],
    filesizeBytes: 16 * MIB,
    recordSizeMaxBytes: MIB,
    disk,
    compute: createCompute(),
    random: new TestRandom(3),
    log: new TestLog(),
  });
  const openFiles = (disk: Disk, changes = {}) =>
    openDevices({ ...options(disk), ...changes }, new PartitionPages());

  it("refuses what belongs to something else", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    const [device] = await openFiles(disk);
    await assertRejects(
      () => openFiles(disk, { namespace: "other" }),
      ConfigError,
      'belongs to namespace "test"',
    );
    await assertRejects(() => openFiles(disk, { files: ["/a", "/a"] }), ConfigError, "given twice");
    await assertRejects(() => openFiles(disk, { files: [], devices: ["/none"] }), Error, "ENOENT");
    await openFiles(disk, { files: ["/b"], random: new TestRandom(4) });
    await assertRejects(() => openFiles(disk, { files: ["/a", "/b"] }), ConfigError, "not made together");
    disk.content("/a").set(encodeHeader({ ...device.header, version: 9, readableBy: 9, sequence: 100 }), 0);
    await assertRejects(() => openFiles(disk), ConfigError, "format version 9");
    disk.content("/a").set(encodeHeader({ ...device.header, version: 9, readableBy: 1, sequence: 100 }), 0);
    await openFiles(disk);
    disk.content("/a").fill(7, 0, 8192);
    await assertRejects(() => openFiles(disk), ConfigError, "left alone");
  });

  it("refuses a new device that has too few blocks for the largest record", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    const large = { recordSizeMaxBytes: 8 * MIB };
    await assertRejects(() => openFiles(disk, large), ConfigError, "it needs 34603008. Make it larger");
    await openFiles(disk, { ...large, filesizeBytes: 33 * MIB });
  });

  it("takes the other copy of a header when one is torn, and a file whose first header was cut short", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    const [{ header }] = await openFiles(disk);
    disk.content("/a").fill(0, 0, 4096).fill(0x77, 4096 + 600, 8192);
    const [again] = await openFiles(disk);
    assert(again.isNew);
    await openFiles(disk);
    disk.content("/a").fill(0x77, 600, 4096);
    const [third] = await openFiles(disk);
    assert(!third.isNew);
    assertEquals(header.blockSizeBytes, 2 * MIB);
  });

  it("forgets what it knew of partitions when a device is missing, not when one was added", async () => {
    const disk = new CrashDisk(new TestRandom(1));
    const both = { files: ["/a", "/b"] };
    const devices = await openFiles(disk, both);
    const pages = new PartitionPages();
    pages.set(5, Uint8Array.of(1));
    pages.takeDirty();
    for (const { file, header } of devices) {
      const { offsetBytes, bytes } = pages.encode(0, header.deviceId);
      await file.write(offsetBytes, bytes);
    }
    const whole = new PartitionPages();
    await openDevices({ ...options(disk), ...both }, whole);
    assertEquals(whole.get(5), Uint8Array.of(1));
    const more = new PartitionPages();
    await openDevices({ ...options(disk), files: ["/a", "/b", "/c"] }, more);
    assertEquals(more.get(5), Uint8Array.of(1), "nothing is missing when a device is added");
    assertEquals(more.isDirty, true);
    const partial = new PartitionPages();
    await openDevices({ ...options(disk), files: ["/a", "/b", "/d"] }, partial);
    assertEquals(partial.get(5), undefined, "a new device in the place of another lacks its records");
    const fewer = new PartitionPages();
    await openDevices(options(disk), fewer);
    assertEquals(fewer.get(5), undefined);
  });
});

describe("a store in a file of this machine", () => {
  let folder = "";
  beforeEach(async () => void (folder = await mkdtemp(`${tmpdir()}/aerie-device-`)));
  afterEach(() => rm(folder, { recursive: true }));

  it("has its records after a restart, and tells of damage", async () => {
    const path = `${folder}/new/test.dat`;
    const options = { storage: { indexCheckpointBytesPerHour: 0 } };
    const test = new DiskTest(options, (await createPlatform()).disk, path);
    const ready = async <T>(promise: Promise<T>): Promise<T> => {
      let isSettled = false;
      promise.finally(() => isSettled = true).catch(() => {});
      while (!isSettled) {
        test.clock.step(0);
        await new Promise((resolve) => setTimeout(resolve));
      }
      return await promise;
    };
    test.settle = ready;
    await test.open();
    for (let number = 0; number < 500; number++) test.it.put(number, { sizeBytes: 1000 });
    await test.restart();
    const entry = new EntryRef();
    assert(test.it.store.find(testDigest(3), 0, entry));
    const at = MIB + entry.location * 4 + 60;
    await test.close();
    const file = await openFile(path, "r+");
    await file.write(Uint8Array.of(0xff, 0xfe), 0, 2, at);
    await file.close();
    await test.open();
    assertEquals([test.it.store.objectCount, test.it.has(3)], [499, false]);
    assert(test.log.lines.some((line) => line.includes("Corrupt data") && line.includes(path)));
    await test.close();
  });
});
