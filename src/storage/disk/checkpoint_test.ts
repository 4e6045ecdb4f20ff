import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { utf8 } from "../../base/mod.ts";
import type { SettingsOverrides } from "../../config/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { LOADED } from "../device.ts";
import { EntryRef } from "../entry.ts";
import type { NamespaceStore } from "../store.ts";
import { TestClock, testDigest, TestLog, TestRandom, testSettings, TestStore } from "../testing.ts";
import { FrameTable } from "./checkpoint_frames.ts";
import { loadStore, openStore } from "./open_store.ts";
import { CrashDisk, settle, turn } from "./testing.ts";

type Namespace = Omit<NonNullable<SettingsOverrides["namespaces"]>[number], "name">;

const MIB = 1024 * 1024;
const DATA = "/data/a.dat";
const PAGES = `${DATA}.index`;
const MAP = `${DATA}.index-map`;
const compute = createCompute();

/** A store on one file, and what it says. */
class CheckpointTest {
  readonly clock = new TestClock();
  log = new TestLog();
  disk = new CrashDisk(new TestRandom(1));
  it!: TestStore;
  readonly #random: TestRandom;
  readonly #options: Namespace;

  constructor(options: Namespace = {}, seed = 7) {
    this.#options = options;
    this.#random = new TestRandom(seed);
  }

  get store(): NamespaceStore {
    return this.it.store;
  }

  async open(
    { options = {}, before = () => {} }: { options?: Namespace; before?: (store: NamespaceStore) => void } =
      {},
  ): Promise<void> {
    const { clock, disk } = this;
    const log = this.log = new TestLog();
    const settings = testSettings({
      partitionTreeSprigs: 16,
      ...this.#options,
      ...options,
      storage: {
        kind: "device",
        files: [DATA],
        filesize: 16 * MIB,
        postWriteCache: 0,
        ...this.#options.storage,
        ...options.storage,
      },
    });
    const ports = { clock, log, compute, disk, random: this.#random, host: { environment: () => undefined } };
    const onFailure = (error: unknown) => {
      throw error;
    };
    const store = await settle(clock, openStore({ settings, ...ports, cluster: "c", onFailure }));
    before(store);
    await settle(clock, loadStore(store, ports));
    this.it = new TestStore({ store, clock });
  }

  async close(): Promise<void> {
    await settle(this.clock, this.store.close());
  }

  async restart(how: Parameters<CheckpointTest["open"]>[0] = {}): Promise<void> {
    await this.close();
    await this.open(how);
  }

  /** Content of a file of the disk. */
  copy(path: string): Uint8Array {
    return this.disk.content(path).slice();
  }

  async replace(path: string, content: Uint8Array): Promise<void> {
    await this.disk.replaceFile(path, content);
  }

  /** First byte of a record's blob; a text when there is none, or it can't be read. */
  async get(number: number): Promise<number | "none" | "failed"> {
    const entry = new EntryRef();
    const { store } = this;
    for (let tries = 0; tries < 200; tries++) {
      if (!store.find(testDigest(number), 0, entry) || !store.isLive(entry, store.nowMs())) return "none";
      const loaded = store.load(entry, { wake: () => {} });
      if (loaded === LOADED.FAILED) return "failed";
      if (loaded === LOADED.HERE) return this.it.get(number)![0];
      await turn(this.clock);
    }
    throw new Error("A read ends");
  }

  async assertHas(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) assertEquals(await this.get(number), number & 0xff, `record ${number}`);
  }

  /** Everything that is counted. */
  get counts(): unknown {
    const { store } = this;
    const { blocks } = store.disk!;
    return {
      entries: store.index.entryCount,
      partitions: [...store.index.partitionEntryCounts],
      tombstones: store.tombstoneCount,
      partitionTombstones: [...store.counts.partitionTombstones],
      nonExpirable: store.counts.nonExpirable,
      sets: [...store.sets].map(({ name, objects, tombstones, dataUsedBytes }) => [
        name,
        objects,
        tombstones,
        dataUsedBytes,
      ]),
      used: blocks.usedBytesTotal,
      perBlock: [...blocks.usedBytes],
    };
  }

  /** Runs the checkpoint's task until it has completed one more. */
  async checkpoint(): Promise<void> {
    const checkpoint = this.store.checkpoint!;
    const { completedCount } = checkpoint;
    for (let count = 0; checkpoint.completedCount === completedCount; count++) {
      assert(count < 100_000, "A checkpoint is completed");
      const pauseMs = checkpoint.step(this.clock);
      assert(pauseMs !== undefined, "Checkpoints are made");
      this.clock.advance(pauseMs);
      await turn(this.clock);
    }
  }

  async crash(how: Parameters<CheckpointTest["open"]>[0] = {}): Promise<void> {
    this.disk = this.disk.restarted();
    await this.open(how);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** 400 records and 50 tombstones. */
async function filled(options: Namespace = {}, seed = 7): Promise<CheckpointTest> {
  const test = new CheckpointTest(options, seed);
  await test.open();
  for (const number of range(0, 450)) {
    test.it.put(number, {
      sizeBytes: 300,
      ...(number % 3 === 0 ? {} : { set: number % 3 === 1 ? "s" : "t" }),
    });
  }
  for (const number of range(400, 450)) test.it.remove(number);
  return test;
}

describe("a start from an index checkpoint", () => {
  it("has records and counts after a stop in order, and reads nothing of the blocks", async () => {
    const test = await filled();
    const entry = new EntryRef();
    for (const number of range(500, 550)) {
      test.it.put(number);
      assert(test.store.find(testDigest(number), 0, entry));
      test.store.remove(testDigest(number), 0, entry, "eviction");
    }
    await settle(test.clock, test.store.disk!.flush());
    const before = test.counts;
    await test.close();
    test.disk.readBytes = 0;
    await test.open();
    assertEquals(test.store.start?.kind, "fast");
    assert(test.disk.readBytes < MIB, `${test.disk.readBytes} bytes were read`);
    assertEquals(test.counts, before);
    await test.assertHas(range(0, 400));
    assertEquals([await test.get(420), await test.get(520)], ["none", "none"]);
    assert(
      test.log.lines.some((line) =>
        line.includes("fast start done: 400 records and 50 tombstones from the index checkpoint")
      ),
      test.log.lines.join("\n"),
    );
    await test.close();
  });

  it("brings back nothing that evictions had removed, after a crash or without a checkpoint", async () => {
    for (const bytesPerHour of [0, 1024 * MIB]) {
      const test = new CheckpointTest({ storage: { indexCheckpointBytesPerHour: bytesPerHour } });
      await test.open();
      const entry = new EntryRef();
      const depth = Math.floor(test.store.nowMs() / 1000) + 1029;
      for (const number of range(0, 100)) test.it.put(number, { ttlS: 1000 + number });
      for (const number of range(100, 150)) test.it.put(number);
      await settle(test.clock, test.store.disk!.flush());
      if (bytesPerHour > 0) await test.checkpoint();
      for (const number of range(0, 30)) {
        assert(test.store.find(testDigest(number), 0, entry));
        test.store.remove(testDigest(number), 0, entry, "eviction");
      }
      await test.crash({ before: ({ supervision }) => supervision.agreeEviction(depth) });
      assertEquals(test.store.start?.kind, bytesPerHour > 0 ? "replay" : "cold");
      for (const number of range(0, 30)) assertEquals(await test.get(number), "none", `record ${number}`);
      await test.assertHas(range(30, 150));
      assertEquals([test.store.supervision.evictVoidTime, test.store.objectCount], [depth, 120]);
      assert(test.log.lines.some((line) => line.includes("30 evicted")), test.log.lines.join("\n"));
      await test.close();
    }
  });

  it("goes on from there: what is written afterwards is in the next one", async () => {
    const test = await filled();
    await test.restart();
    for (const number of range(1000, 1300)) test.it.put(number, { sizeBytes: 300 });
    for (const number of range(0, 100)) test.it.remove(number);
    await settle(test.clock, test.store.disk!.flush());
    const before = test.counts;
    await test.restart();
    assertEquals([test.store.start?.kind, test.counts], ["fast", before]);
    await test.assertHas([...range(100, 400), ...range(1000, 1300)]);
    test.it.put(5000);
    await test.restart();
    await test.assertHas([5000]);
    await test.close();
  });

  it("replays after a crash what came after the mark", async () => {
    const test = await filled({ storage: { commitToDevice: true } });
    await test.checkpoint();
    for (const number of range(1000, 1100)) test.it.put(number, { sizeBytes: 300 });
    for (const number of range(0, 50)) test.it.remove(number);
    await settle(test.clock, test.store.disk!.flush());
    const before = test.counts;
    await test.crash();
    assertEquals([test.store.start?.kind, test.counts], ["replay", before]);
    assert(test.store.start!.copyCount < 1000);
    await test.assertHas([...range(50, 400), ...range(1000, 1100)]);
    assertEquals(await test.get(10), "none");
    await test.crash();
    assertEquals(
      [test.store.start?.kind, test.counts],
      ["replay", before],
      "without a new checkpoint in between",
    );
    await test.close();
  });

  it("reads everything when any part of the map is damaged, and says so", async () => {
    const test = await filled();
    await test.close();
    const map = test.copy(MAP);
    for (let at = 0; at < map.length; at += 1 + Math.floor(at / 4)) {
      const damaged = map.slice();
      damaged[at] ^= 0x10;
      await test.replace(MAP, damaged);
      await test.open();
      assertEquals([test.store.start?.kind, test.store.objectCount], ["cold", 400], `byte ${at}`);
      assert(test.log.lines.some((line) => line.includes(`checkpoint "${PAGES}" is not used: it is`)));
      await test.close();
    }
    await test.replace(MAP, map.subarray(0, 100));
    await test.open();
    assertEquals([test.store.start?.kind, test.store.objectCount], ["cold", 400]);
    await test.close();
  });

  it("reads everything when a page is damaged, or pages are missing", async () => {
    const test = await filled();
    await test.close();
    const [map, pages] = [test.copy(MAP), test.copy(PAGES)];
    const damaged = pages.slice();
    damaged[5000] ^= 1;
    for (const content of [damaged, pages.subarray(0, 5000), new Uint8Array(0)]) {
      await test.open();
      await test.close();
      await test.replace(PAGES, content);
      await test.open();
      assertEquals([test.store.start?.kind, test.store.objectCount], ["cold", 400]);
      assert(test.log.lines.some((line) => line.includes("is not used: ") && line.includes("page")));
      await test.assertHas(range(0, 400));
      await test.restart();
      assertEquals(test.store.start?.kind, "fast", "the next one is good");
      await test.close();
    }
    assert(map.length > 0);
  });

  it("does not believe a checkpoint from before the last run, nor one of devices that were put back", async () => {
    const test = await filled();
    await test.close();
    const old = { map: test.copy(MAP), pages: test.copy(PAGES), data: test.copy(DATA) };
    await test.open();
    for (const number of range(0, 100)) test.it.remove(number);
    test.it.put(7000);
    await test.close();
    const [map, pages] = [test.copy(MAP), test.copy(PAGES)];
    await test.replace(MAP, old.map);
    await test.replace(PAGES, old.pages);
    await test.open();
    assertEquals(test.store.start?.kind, "cold");
    assert(test.log.lines.some((line) => line.includes("it was made by run")));
    await test.assertHas([7000]);
    await test.close();
    await test.replace(DATA, old.data);
    await test.replace(MAP, map);
    await test.replace(PAGES, pages);
    await test.open();
    assertEquals([test.store.start?.kind, await test.get(7000)], ["cold", "none"]);
    await test.assertHas(range(0, 400));
    await test.close();
  });

  it("does not believe a checkpoint of other devices", async () => {
    const test = await filled();
    await test.close();
    const [map, pages] = [test.copy(MAP), test.copy(PAGES)];
    const other = await filled({}, 8);
    await other.close();
    await other.replace(MAP, map);
    await other.replace(PAGES, pages);
    await other.open();
    assertEquals([other.store.start?.kind, other.store.objectCount], ["cold", 400]);
    await other.close();
  });

  it("replays when the devices don't say that they were stopped in order", async () => {
    const test = await filled();
    const { checkpoint, disk } = test.store;
    await settle(test.clock, disk!.flush());
    await settle(test.clock, checkpoint!.finish());
    await test.crash();
    assertEquals([test.store.start?.kind, test.store.objectCount], ["replay", 400]);
    await test.assertHas(range(0, 400));
    await test.close();
  });

  it("builds the trees anew when their number has changed", async () => {
    const test = await filled();
    await settle(test.clock, test.store.disk!.flush());
    const before = test.counts;
    await test.restart({ options: { partitionTreeSprigs: 64 } });
    assertEquals([test.store.start?.kind, test.counts], ["fast", before]);
    await test.assertHas(range(0, 400));
    await test.close();
  });

  it("gives sets their records although they have other ids now", async () => {
    const test = await filled();
    await test.restart({
      before: (store) => {
        for (const name of ["z", "t"]) store.sets.findOrCreate(utf8(name), 0, 1);
      },
    });
    const objects = [...test.store.sets].map(({ id, name, objects }) => [id, name, objects]);
    assertEquals(objects, [[1, "z", 0], [2, "t", 133], [3, "s", 133]]);
    const entry = new EntryRef();
    assert(test.store.find(testDigest(1), 0, entry));
    assertEquals(entry.setId, 3);
    assertEquals(test.store.start?.kind, "fast");
    await test.restart();
    assert(test.store.find(testDigest(1), 0, entry));
    assertEquals(test.store.sets.byId(entry.setId)?.name, "s", "the pages were written with the new ids");
    await test.close();
  });

  it("passes over the records of a tree that was dropped", async () => {
    for (const how of ["stop", "crash"]) {
      const test = await filled();
      await test.checkpoint();
      const partition = test.store.index.partitionEntryCounts.findIndex((count) => count > 0);
      const count = test.store.index.partitionEntryCounts[partition];
      test.store.dropTree(partition);
      await settle(test.clock, test.store.disk!.flush());
      if (how === "stop") await test.restart();
      else await test.crash();
      assertEquals(test.store.start?.kind, how === "stop" ? "fast" : "replay");
      assertEquals(test.store.index.partitionEntryCounts[partition], 0);
      assertEquals(test.store.index.entryCount, 450 - count);
      await test.close();
    }
  });

  it("serves no record that is not the one of its entry, and reads everything at the next start", async () => {
    const test = await filled();
    await test.restart();
    const [entry, other] = [new EntryRef(), new EntryRef()];
    assert(test.store.find(testDigest(1), 0, entry) && test.store.find(testDigest(2), 0, other));
    const { location, sizeUnits } = entry;
    entry.setLocation(other.location, other.sizeUnits);
    assertEquals(await test.get(1), "failed");
    assertEquals(await test.get(2), 2);
    await turn(test.clock);
    const text = test.log.lines.join("\n");
    assertStringIncludes(text, "Restart the node");
    assertStringIncludes(text, `expected record`);
    assert(!test.disk.paths.includes(MAP));
    assertEquals(test.store.checkpoint!.step(test.clock), undefined);
    entry.setLocation(location, sizeUnits);
    await test.restart();
    assertEquals(test.store.start?.kind, "cold");
    await test.assertHas(range(0, 400));
    await test.close();
  });
});

describe("index checkpoints", () => {
  it("write no more than they may", async () => {
    const test = new CheckpointTest({ storage: { indexCheckpointBytesPerHour: MIB } });
    await test.open();
    const checkpoint = test.store.checkpoint!;
    for (let minute = 0, number = 0; minute < 60; minute++) {
      for (let count = 0; count < 400; count++) test.it.put(number++, { sizeBytes: 20 });
      const endMs = test.clock.monotonicMs() + 60_000;
      while (test.clock.monotonicMs() < endMs) {
        test.clock.advance(Math.min(checkpoint.step(test.clock)!, endMs - test.clock.monotonicMs()));
        await turn(test.clock);
      }
    }
    assert(checkpoint.writtenBytes < 1.2 * MIB, `${checkpoint.writtenBytes}`);
    assert(checkpoint.writtenBytes > 0.8 * MIB, `${checkpoint.writtenBytes}`);
    assert(checkpoint.completedCount > 3);
    await test.close();
  });

  it("write again only what has changed, and nothing when nothing has", async () => {
    const test = await filled();
    await test.checkpoint();
    const checkpoint = test.store.checkpoint!;
    const first = checkpoint.writtenBytes;
    test.it.put(1, { sizeBytes: 300 });
    await test.checkpoint();
    const second = checkpoint.writtenBytes - first;
    assert(second < first / 2, `${first}, then ${second}`);
    for (let count = 0; count < 300; count++) {
      test.clock.advance(checkpoint.step(test.clock)!);
      await turn(test.clock);
    }
    assertEquals(checkpoint.writtenBytes - first, second);
    await test.close();
  });

  it("say once that they can't be written, and go on when they can", async () => {
    const test = await filled();
    await settle(test.clock, test.store.disk!.flush());
    const checkpoint = test.store.checkpoint!;
    test.disk.writeError = "ENOSPC";
    for (let count = 0; count < 2000; count++) {
      test.clock.advance(Math.min(1000, checkpoint.step(test.clock)!));
      await turn(test.clock);
    }
    const complaints = () => test.log.lines.filter((line) => line.includes("checkpoint can't be written"));
    assertEquals([checkpoint.completedCount, complaints().length], [0, 1]);
    test.disk.writeError = "";
    await test.checkpoint();
    assert(test.log.lines.some((line) => line.includes("is written again")));
    await test.crash();
    assertEquals([test.store.start?.kind, test.store.objectCount], ["replay", 400]);
    await test.close();
  });

  it("are not made when they may write nothing, nor of records in memory", async () => {
    for (const storage of [{ indexCheckpointBytesPerHour: 0 }, { kind: "memory" as const }]) {
      const test = await filled({ storage });
      await test.restart();
      assertEquals([test.store.start?.kind, test.store.objectCount], ["cold", 400]);
      await test.close();
      assertEquals(test.disk.paths, [DATA]);
    }
  });
});

describe("FrameTable", () => {
  it("uses a frame again only when no checkpoint that may be valid has it", () => {
    const frames = new FrameTable();
    assertEquals([frames.place(0, 1), frames.place(1, 1)], [0, 1]);
    frames.hold();
    frames.release();
    frames.rewind();
    assertEquals(frames.place(0, 2), 2, "frame 0 is in the checkpoint");
    frames.hold();
    frames.rewind();
    assertEquals(frames.place(0, 3), 3, "frames 0 and 2 may be in the valid one");
    frames.hold();
    frames.release();
    frames.rewind();
    assertEquals([frames.place(1, 4), frames.place(2, 4)], [0, 2]);
    assertEquals([frames.frameOf(0), frames.frameOf(1), frames.frameOf(2), frames.frameOf(3)], [3, 0, 2, -1]);
  });
});
