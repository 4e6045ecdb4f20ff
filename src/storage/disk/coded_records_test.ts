import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readFile } from "node:fs/promises";
import { inflateSync } from "node:zlib";
import { ConfigError, toHex, utf8 } from "../../base/mod.ts";
import type { SettingsOverrides } from "../../config/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { decodeHeader, encodeHeader } from "./layout.ts";
import { DiskDefragmentationTask } from "./disk_defragmentation.ts";
import { loadStore, openStore } from "./open_store.ts";
import { CrashDisk, settle, turn } from "./testing.ts";

type Storage = NonNullable<NonNullable<SettingsOverrides["namespaces"]>[number]["storage"]>;

const MIB = 1024 * 1024;
const PATH = "/data/a.dat";
const KEY = utf8("a key of more than sixteen bytes");
const OTHER_KEY = utf8("another key, of some more bytes");
const compute = createCompute();

/** A store on one file, opened with any settings. */
class CodedStore {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly disk: CrashDisk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  environment: Record<string, string> = {};
  #starts = 0;

  constructor() {
    this.disk.place("/keys/a", KEY);
    this.disk.place("/keys/b", OTHER_KEY);
    this.disk.place("/keys/short", utf8("short"));
  }

  async open(storage: Storage): Promise<void> {
    const { clock, log, disk } = this;
    const settings = testSettings({
      maxRecordSize: 100_000,
      storage: { kind: "device", files: [PATH], filesize: 16 * MIB, postWriteCache: 0, ...storage },
    });
    const store = await settle(
      clock,
      openStore({
        settings,
        clock,
        random: new TestRandom(7 + this.#starts++),
        disk,
        compute,
        host: { environment: (name) => this.environment[name] },
        log,
        cluster: "c",
        onFailure: (error) => {
          throw error;
        },
      }),
    );
    await settle(clock, loadStore(store, { clock, log, compute }));
    this.it = new TestStore({ store, clock });
  }

  async close(): Promise<void> {
    await settle(this.clock, this.it.store.close());
  }

  async restart(storage: Storage): Promise<void> {
    await this.close();
    await this.open(storage);
  }

  async get(number: number): Promise<Uint8Array | string> {
    const entry = new EntryRef();
    const { store } = this.it;
    for (let tries = 0; tries < 200; tries++) {
      if (!store.find(testDigest(number), 0, entry) || !store.isLive(entry, store.nowMs())) return "none";
      const loaded = store.load(entry, { wake: () => {} });
      if (loaded === LOADED.FAILED) return "failed";
      if (loaded === LOADED.HERE) return this.it.get(number)!;
      await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  /** Checks records with numbers up to `count`: of `10 + 30 n` bytes that are all `n`. */
  async check(count: number): Promise<void> {
    for (let number = 0; number < count; number++) {
      const value = await this.get(number);
      assert(value instanceof Uint8Array, `record ${number} is ${value}`);
      assertEquals([value.length, value[0], value.at(-1)], [10 + number * 30, number & 0xff, number & 0xff]);
    }
  }

  fill(count: number): void {
    for (let number = 0; number < count; number++) {
      this.it.put(number, { sizeBytes: 10 + number * 30, set: "s" });
    }
  }

  header(): NonNullable<ReturnType<typeof decodeHeader>> {
    const content = this.disk.content(PATH);
    const copies = [0, 4096].map((at) => decodeHeader(content.subarray(at, at + 4096)));
    return copies.sort((a, b) => (b?.sequence ?? 0) - (a?.sequence ?? 0))[0]!;
  }
}

const ENCRYPTED: Storage = { encryption: "aes-256", encryptionKeyFile: "/keys/a" };

describe("a store with compression", () => {
  for (const kind of ["device", "memory"] as const) {
    for (const compression of ["lz4", "snappy", "zstd"] as const) {
      it(`has its records after a restart: ${kind}, ${compression}`, async () => {
        const test = new CodedStore();
        await test.open({ kind, compression });
        test.fill(200);
        await test.check(200);
        const { usedBytes } = test.it.store.space;
        assert(usedBytes < 200 * 250, `${usedBytes} bytes for 600 kB`);
        assert(test.it.store.disk!.compression.ratio < 0.7);
        await test.restart({ kind });
        await test.check(200);
        assertEquals(test.it.store.space.usedBytes, usedBytes);
        await test.close();
      });
    }
  }

  it("takes a change of the setting for new records, and reads the others all the same", async () => {
    const test = new CodedStore();
    await test.open({});
    test.fill(100);
    const { storage } = test.it.store.settings;
    storage.compression = "lz4";
    const plain = test.it.store.space.usedBytes;
    for (let number = 100; number < 150; number++) test.it.put(number, { sizeBytes: 10 + number * 30 });
    // No record is compressed before the header says that there may be some.
    assert(test.it.store.space.usedBytes - plain > 50 * 3000);
    assertEquals(test.header().readableBy, 1);
    await settle(test.clock, test.it.store.disk!.upgrade.settle());
    assertEquals(test.header().readableBy, 2);
    const before = test.it.store.space.usedBytes;
    for (let number = 150; number < 200; number++) test.it.put(number, { sizeBytes: 10 + number * 30 });
    assert(test.it.store.space.usedBytes - before < 50 * 200);
    storage.compression = "none";
    for (let number = 200; number < 250; number++) test.it.put(number, { sizeBytes: 10 + number * 30 });
    assert(test.it.store.space.usedBytes - before > 50 * 6000);
    await test.check(250);
    await test.restart({});
    await test.check(250);
    await test.close();
  });

  it("tells subscribers of expanded records, those of a start included", async () => {
    const test = new CodedStore();
    await test.open({ compression: "lz4", kind: "memory" });
    const sizes: [number | undefined, number | undefined][] = [];
    test.it.store.changes.subscribe((change) => sizes.push([change.old?.length, change.new?.length]));
    test.it.put(1, { sizeBytes: 1000 });
    test.it.put(1, { sizeBytes: 2000 });
    assertEquals(sizes.map(([old, now]) => [(old ?? 0) >= 1000, now! >= 1000]), [[false, true], [
      true,
      true,
    ]]);
    await test.close();
  });

  it("raises the format version before the first compressed record, and not earlier", async () => {
    const test = new CodedStore();
    await test.open({});
    test.fill(10);
    await test.restart({});
    assertEquals(test.header().readableBy, 1);
    await test.restart({ compression: "zstd" });
    assertEquals([test.header().version, test.header().readableBy], [3, 2]);
    await test.close();
  });

  it("refuses to start with zstd where there is none", async () => {
    const settings = testSettings({
      storage: { kind: "device", files: [PATH], filesize: 16 * MIB, compression: "zstd" },
    });
    await assertRejects(
      () =>
        openStore({
          settings,
          clock: new TestClock(),
          random: new TestRandom(1),
          disk: new CrashDisk(new TestRandom(1)),
          compute: { ...compute, hasZstd: () => false },
          host: { environment: () => undefined },
          log: new TestLog(),
          cluster: "",
          onFailure: () => {},
        }),
      ConfigError,
      "use lz4",
    );
  });
});

describe("a store with encryption", () => {
  for (const kind of ["device", "memory"] as const) {
    for (const encryption of ["aes-128", "aes-256"] as const) {
      it(`has its records after a restart: ${kind}, ${encryption}`, async () => {
        const test = new CodedStore();
        const storage: Storage = { kind, encryption, encryptionKeyFile: "/keys/a" };
        await test.open(storage);
        test.fill(200);
        await test.check(200);
        await test.restart(storage);
        await test.check(200);
        for (let number = 0; number < 200; number += 2) test.it.put(number, { sizeBytes: 10 + number * 30 });
        await test.restart({ ...storage, compression: "lz4" });
        await test.check(200);
        await test.close();
        assertEquals(test.log.lines.filter((line) => line.startsWith("critical")), []);
      });
    }
  }

  it("leaves neither values, names nor digests on the device", async () => {
    const marks = [utf8("secret-set"), new Uint8Array(24).fill(77), testDigest(77).subarray(0, 12)];
    for (const storage of [ENCRYPTED, {}]) {
      const found = new CodedStore();
      await found.open(storage);
      for (let number = 70; number < 80; number++) {
        found.it.put(number, { sizeBytes: 500, set: "secret-set" });
      }
      await found.close();
      const text = toHex(found.disk.content(PATH).subarray(MIB, 2 * MIB));
      assertEquals(marks.map((mark) => text.includes(toHex(mark))), marks.map(() => storage !== ENCRYPTED));
    }
  });

  it("never uses a stretch of a key stream twice", async () => {
    // What two records of the same bytes have in common is gone only when their key streams differ.
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    const places = new Map<string, number>();
    const pieceAt = (content: Uint8Array, at: number) => toHex(content.subarray(at, at + 16));
    const nothing = "0".repeat(32);
    let againCount = 0;
    for (let life = 0; life < 4; life++) {
      for (let number = 0; number < 40; number++) test.it.put(number, { sizeBytes: 3000 });
      await test.close();
      const content = test.disk.content(PATH);
      for (let at = MIB; at < 4 * MIB; at += 16) {
        const piece = pieceAt(content, at);
        // Headers of units are in the clear.
        if (piece === nothing || at % 4096 < 48) continue;
        if ((places.get(piece) ?? at) !== at) againCount++;
        places.set(piece, at);
      }
      await test.open(ENCRYPTED);
    }
    await test.close();
    assertEquals(againCount, 0);
    assert(places.size > 4 * 40 * 180, "The blocks' places were used again, by other lives");
  });

  it("moves records by defragmentation, from the device and from memory", async () => {
    for (const kind of ["device", "memory"] as const) {
      const test = new CodedStore();
      await test.open({ ...ENCRYPTED, kind });
      test.fill(200);
      await test.restart({ ...ENCRYPTED, kind });
      for (let round = 0; round < 3; round++) {
        for (let number = 0; number < 150; number++) test.it.put(number, { sizeBytes: 10 + number * 30 });
      }
      test.it.store.space.setLowWater(99);
      const task = new DiskDefragmentationTask(test.it.store);
      for (let step = 0; step < 2000 && task.isNeeded; step++) {
        task.step(test.clock, test.clock.monotonicMs());
        await turn(test.clock);
        if (step % 50 === 0) test.clock.advance(10);
      }
      assert(test.it.store.space.defragmentedBlocks > 0);
      await test.check(200);
      await test.restart({ ...ENCRYPTED, kind });
      await test.check(200);
      await test.close();
      assertEquals(test.log.lines.filter((line) => line.startsWith("critical")), []);
    }
  });

  it("tells of damage, with the checksum of what is on the device", async () => {
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    test.fill(50);
    const entry = new EntryRef();
    await test.restart(ENCRYPTED);
    assert(test.it.store.find(testDigest(30), 0, entry));
    test.disk.content(PATH)[MIB + entry.location * 4 + 100] ^= 1;
    assertEquals(await test.get(30), "failed");
    assertMatch(test.log.lines.join("\n"), /Corrupt data on "\/data\/a.dat"/);
    await test.restart(ENCRYPTED);
    assertEquals(await test.get(30), "failed", "the index knows of it");
    await test.restart({ ...ENCRYPTED, indexCheckpointBytesPerHour: 0 });
    assertEquals(await test.get(30), "none");
    assertEquals(test.it.store.objectCount, 49);
    await test.close();
  });
});

describe("the index checkpoint of a store with encryption", () => {
  const fill = (test: CodedStore) => {
    for (let number = 0; number < 300; number++) {
      test.it.put(number, { sizeBytes: 10 + number * 30, set: "hidden-set" });
    }
  };
  const kindOf = (test: CodedStore) => test.it.store.start?.kind;

  it("starts a store fast, and has neither digests nor set names in the clear", async () => {
    for (const storage of [ENCRYPTED, {}]) {
      const test = new CodedStore();
      await test.open(storage);
      fill(test);
      await test.restart(storage);
      assertEquals(kindOf(test), "fast");
      await test.check(300);
      for (let number = 0; number < 300; number += 3) test.it.put(number, { sizeBytes: 10 + number * 30 });
      await test.restart(storage);
      assertEquals(kindOf(test), "fast");
      await test.check(300);
      await test.close();
      const text = toHex(test.disk.content(`${PATH}.index`)) + toHex(test.disk.content(`${PATH}.index-map`));
      // An entry has its digest in words, whose bytes stand in the machine's order.
      const part = testDigest(77).subarray(8, 12);
      const hasDigest = text.includes(toHex(part)) || text.includes(toHex(part.slice().reverse()));
      assertEquals([text.includes(toHex(utf8("hidden-set"))), hasDigest], [
        storage !== ENCRYPTED,
        storage !== ENCRYPTED,
      ]);
    }
  });

  it("is not taken when a byte of it is another, or it is another device's", async () => {
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    fill(test);
    await test.close();
    const map = test.disk.content(`${PATH}.index-map`);
    map[map.length >> 1] ^= 1;
    await test.open(ENCRYPTED);
    assertEquals(kindOf(test), "cold");
    assert(
      test.log.lines.some((line) => line.includes("not encrypted by the key of these devices, or damaged")),
    );
    await test.check(300);
    await test.close();
    test.disk.content(`${PATH}.index`)[4096 + 99] ^= 1;
    await test.open(ENCRYPTED);
    assertEquals(kindOf(test), "cold");
    await test.check(300);
    await test.close();
  });
});

describe("keys", () => {
  const refused = (test: CodedStore, storage: Storage, words: string) =>
    assertRejects(() => test.open(storage), ConfigError, words);

  it("are asked for: a wrong key, none, or one for a plain file is refused in plain words", async () => {
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    test.fill(20);
    await test.close();
    await refused(test, {}, "there is no key; set encryption-key-file");
    await refused(test, { ...ENCRYPTED, encryptionKeyFile: "/keys/b" }, "does not open it");
    await refused(test, { ...ENCRYPTED, encryption: "aes-128" }, "set encryption aes-256");
    await refused(
      test,
      { ...ENCRYPTED, encryptionKeyFile: "/keys/b", encryptionOldKeyFile: "/keys/b" },
      "neither the key",
    );
    await test.open(ENCRYPTED);
    await test.check(20);
    await test.close();

    const plain = new CodedStore();
    await plain.open({});
    await plain.close();
    await refused(plain, ENCRYPTED, "was made without encryption");
  });

  it("are changed by a start with both, and only the new one opens the device then", async () => {
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    test.fill(20);
    const rotated = { ...ENCRYPTED, encryptionKeyFile: "/keys/b" };
    await test.restart({ ...rotated, encryptionOldKeyFile: "/keys/a" });
    await test.check(20);
    assert(test.log.lines.some((line) => line.includes("encryption-old-key-file is not needed any more")));
    await test.close();
    await refused(test, ENCRYPTED, "does not open it");
    await test.open(rotated);
    await test.check(20);
    await test.restart({ ...rotated, encryptionOldKeyFile: "/keys/a" });
    await test.close();
    // Neither copy of the header is opened by the old key: take away the newer one.
    const content = test.disk.content(PATH);
    const { sequence } = test.header();
    content.fill(0, (sequence % 2) * 4096, (sequence % 2) * 4096 + 4096);
    await refused(test, ENCRYPTED, "does not open it");
  });

  it("come from files and from the environment", async () => {
    const test = new CodedStore();
    await test.open(ENCRYPTED);
    test.fill(5);
    test.environment = {
      KEY: "a key of more than sixteen bytes",
      KEY64: "YSBrZXkgb2YgbW9yZSB0aGFuIHNpeHRlZW4gYnl0ZXM=\n",
    };
    for (const encryptionKeyFile of ["file:/keys/a", "env:KEY", "env-b64:KEY64"]) {
      await test.restart({ ...ENCRYPTED, encryptionKeyFile });
      await test.check(5);
    }
    await test.close();
    const cases: [string, string][] = [
      ["env:NONE", '"NONE" is not set'],
      ["env-b64:KEY", "not in base64"],
      ["/keys/none", "can't be read"],
      ["/keys/short", "has 5 bytes"],
      ["secrets:a:b", "use a file"],
      ["vault:a", "use a file"],
    ];
    for (const [encryptionKeyFile, words] of cases) {
      await refused(test, { ...ENCRYPTED, encryptionKeyFile }, words);
    }
    await refused(test, { encryptionOldKeyFile: "/keys/a" }, "without encryption-key-file");
  });

  it("are of each device its own", async () => {
    const test = new CodedStore();
    await test.open({ ...ENCRYPTED, files: [PATH, "/data/b.dat"] });
    test.fill(20);
    await test.close();
    const fields = [PATH, "/data/b.dat"].map((path) => toHex(test.disk.content(path).subarray(176, 208)));
    assert(fields[0] !== fields[1]);
    // The tag covers the device id: a key field does not open another device.
    const header = test.header();
    const other = decodeHeader(test.disk.content("/data/b.dat").subarray(0, 4096)) ??
      decodeHeader(test.disk.content("/data/b.dat").subarray(4096, 8192))!;
    for (const sequence of [1000, 1001]) {
      const changed = encodeHeader({ ...other, sequence, keyField: header.keyField });
      test.disk.content("/data/b.dat").set(changed, (sequence % 2) * 4096);
    }
    await refused(test, { ...ENCRYPTED, files: [PATH, "/data/b.dat"] }, "does not open it");
  });
});

describe("a data file of format version 1", () => {
  it("opens with all its records, and stays of version 1", async () => {
    const packed = await readFile(new URL("../../../testdata/storage/format_1.dat.zlib", import.meta.url));
    const test = new CodedStore();
    test.disk.place(PATH, new Uint8Array(inflateSync(packed)));
    const before = test.header();
    assertEquals([before.version, before.readableBy], [1, 1]);
    await test.open({});
    const { store } = test.it;
    assertEquals([store.objectCount, store.tombstoneCount], [48, 2]);
    for (let number = 0; number < 50; number++) {
      const value = await test.get(number);
      if (number === 40 || number === 41) {
        assertEquals(value, "none");
        continue;
      }
      const sizeBytes = number < 10 ? 20 : number === 42 ? 5 : 10 + number * 7;
      assertEquals(value, new Uint8Array(sizeBytes).fill(number), `record ${number}`);
    }
    assertEquals(store.partitionMeta.get(7), Uint8Array.of(1, 2, 3));
    assertEquals([store.sets.byName("s")?.objects, store.sets.byName("t")?.objects], [24, 24]);
    test.it.put(100, { sizeBytes: 100 });
    await test.close();
    assertEquals([test.header().version, test.header().readableBy], [1, 1]);
    assertStringIncludes(test.header().cluster, "golden");
  });
});
