import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Host, MemoryUse } from "../port/mod.ts";
import { NamespaceSupervisor } from "./supervisor.ts";
import { TestLog, testSettings, TestStore } from "./testing.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** A store under supervision on a clock that is moved by hand. */
class Supervised extends TestStore {
  readonly log = new TestLog();
  readonly memory: MemoryUse = {
    residentBytes: 0,
    heapUsedBytes: 0,
    heapTotalBytes: 0,
    externalBytes: 0,
    systemTotalBytes: 8 * GIB,
    systemFreeBytes: 6 * GIB,
  };
  readonly supervisor: NamespaceSupervisor;
  mayRaid = true;

  /** @param agreeEviction what asks the other nodes; absent when there are none */
  constructor(
    options: Parameters<typeof testSettings>[0] = {},
    agreeEviction?: (voidTime: number) => void,
  ) {
    super({ settings: testSettings(options) });
    const host = { memory: () => this.memory } as Host;
    this.supervisor = new NamespaceSupervisor({
      store: this.store,
      clock: this.clock,
      host,
      log: this.log,
      mayRaidTombstones: () => this.mayRaid,
      ...(agreeEviction === undefined ? {} : { agreeEviction }),
    });
    this.supervisor.start();
    // Each reading of the clock takes 0.1 ms: a slice of 1 ms ends after ten of them.
    this.clock.readCostMs = 0.1;
  }

  /** Lines of the log that contain a text. */
  lines(text: string): string[] {
    return this.log.lines.filter((line) => line.includes(text));
  }
}

describe("expiry", () => {
  it("removes records each nsup-period when their void-time has passed, and nothing else", () => {
    const it = new Supervised({ nsupPeriod: 10 });
    const { store } = it;
    for (let number = 0; number < 3000; number++) {
      if (number % 3 === 0) it.put(number, { ttlS: 5 });
      else if (number % 3 === 1) it.put(number, { ttlS: 500 });
      else it.put(number);
    }
    const origins = new Map<string, number>();
    store.changes.subscribe((change) => {
      assertEquals(change.new, undefined);
      assert(change.old !== undefined);
      origins.set(change.origin, (origins.get(change.origin) ?? 0) + 1);
    });
    it.clock.advance(9000);
    assertEquals(it.get(0), undefined);
    assertEquals(store.objectCount, 3000);
    it.clock.advance(5000);
    assertEquals(store.objectCount, 2000);
    assertEquals([...origins], [["expiry", 1000]]);
    for (let number = 0; number < 3000; number++) assertEquals(it.has(number), number % 3 !== 0);
    assertEquals(store.supervision.expiredObjects, 1000);
    assertEquals(store.supervision.nsupCycleDeletedPct.toFixed(2), "33.33");
    assert(store.supervision.nsupCycleMs > 0);
    assertEquals(store.counts.nonExpirable, 1000);
    assertEquals(it.lines("nsup-done: non-expirable 1000 expired 1000 evicted 0").length, 1);
  });

  it("works in slices while clients write, overwrite and remove between them", () => {
    const it = new Supervised({ nsupPeriod: 5 });
    for (let number = 0; number < 5000; number++) it.put(number, { ttlS: number % 2 === 0 ? 2 : 1000 });
    it.clock.advance(4500);
    it.supervisor.startCycle();
    let slices = 0;
    while (it.store.supervision.nsupCycleCount === 0) {
      assert(it.clock.step(), "the cycle ends");
      slices++;
      // A client brings some expired records back, removes others, and adds new ones.
      it.put(slices * 2, { ttlS: 1000 });
      it.remove(4000 + slices);
      it.put(10_000 + slices);
    }
    assert(slices > 10, `${slices} slices`);
    for (let number = 1; number <= slices; number++) {
      assert(it.get(number * 2) !== undefined, `record ${number * 2} is live`);
      assert(it.get(10_000 + number) !== undefined);
    }
    let count = 0;
    it.store.index.forEach(0, undefined, () => true);
    for (let number = 0; number < 10_000 + slices + 1; number++) if (it.has(number)) count++;
    assertEquals(count, it.store.objectCount);
  });

  it("leaves records that other nodes may lack, tombstones too, until they don't", () => {
    const it = new Supervised({ nsupPeriod: 1, tombRaiderPeriod: 1, tombRaiderEligibleAge: 1 });
    it.put(1, { ttlS: 1 });
    it.put(2, { tombstone: true });
    let isUnsettled = true;
    it.store.isUnsettled = () => isUnsettled;
    it.clock.advance(10_000);
    assertEquals([it.has(1), it.has(2)], [true, true]);
    isUnsettled = false;
    it.clock.advance(10_000);
    assertEquals([it.has(1), it.has(2)], [false, false]);
  });

  it("follows nsup-period when it changes, and rests when it is 0", () => {
    const it = new Supervised({ nsupPeriod: 0 });
    it.put(1, { ttlS: 1 });
    it.clock.advance(100_000);
    assertEquals(it.store.supervision.nsupCycleCount, 0);
    assertEquals(it.has(1), true);
    it.store.settings.nsupPeriod = 3;
    it.clock.advance(2500);
    assertEquals(it.has(1), false);
    it.supervisor.stop();
    it.clock.advance(100_000);
    assertEquals(it.clock.pendingCount, 0);
  });
});

describe("truncation", () => {
  it("hides records at once, removes them in the background and tells when it is done", () => {
    const it = new Supervised({ nsupPeriod: 0 });
    const { store } = it;
    for (let number = 0; number < 2000; number++) {
      it.put(number, number % 2 === 0 ? { set: "a" } : { set: "b" });
    }
    const set = store.sets.byName("a")!;
    it.clock.advance(10);
    store.truncate(set, store.nowMs());
    assertEquals([set.truncating, store.truncating], [true, false]);
    assertEquals(it.get(0), undefined);
    assert(it.get(1) !== undefined);
    assertEquals(store.objectCount, 2000);
    // A record that is written after the mark lives, even within the same millisecond.
    it.put(2, { set: "a" });
    assert(it.get(2) !== undefined);
    it.clock.advance(5000);
    assertEquals([store.objectCount, set.objects, set.truncating], [1001, 1, false]);
    assertEquals(store.supervision.truncatedObjects, 999);
    assert(it.get(2) !== undefined);
  });

  it("takes another walk when a mark is set during one", () => {
    const it = new Supervised({ nsupPeriod: 0 });
    const { store } = it;
    for (let number = 0; number < 4000; number++) it.put(number, { set: number % 2 === 0 ? "a" : "b" });
    it.clock.advance(10);
    store.truncate(store.sets.byName("a"), store.nowMs());
    for (let slice = 0; slice < 8; slice++) it.clock.step();
    assert(store.objectCount > 2000 && store.objectCount < 4000, `${store.objectCount}`);
    store.truncate(undefined, store.nowMs());
    assertEquals(store.truncating, true);
    it.clock.advance(5000);
    assertEquals([store.objectCount, store.truncating], [0, false]);
  });

  it("undoTruncate() brings back what is not removed yet; a mark never moves back", () => {
    const it = new Supervised({ nsupPeriod: 0 });
    const { store } = it;
    it.put(1);
    it.clock.advance(100);
    const mark = store.nowMs();
    store.truncate(undefined, mark);
    store.truncate(undefined, mark - 50_000);
    assertEquals(store.truncateLutMs, mark);
    assertEquals(it.get(1), undefined);
    store.undoTruncate(undefined);
    assert(it.get(1) !== undefined);
    it.clock.advance(5000);
    assertEquals(store.objectCount, 1);
  });
});

describe("eviction", () => {
  const SMALL = { nsupPeriod: 10, evictTenthsPct: 50, storage: { dataSize: 16 * MIB, evictUsedPct: 10 } };

  /** Records with lives of 1,000 to 11,000 s, enough to be above the mark. */
  function fill(it: Supervised, set?: string): void {
    for (let number = 0; number < 10_000; number++) {
      it.put(number, { ttlS: 1000 + number, sizeBytes: 200, ...(set === undefined ? {} : { set }) });
    }
  }

  it("removes a share of the records that are nearest to their end when the mark is exceeded", () => {
    const it = new Supervised(SMALL);
    fill(it);
    it.put(20_000);
    it.clock.advance(14_000);
    const { supervision } = it.store;
    assertEquals(supervision.hwmBreached, true);
    // 5 % of 10,000, less what the bucket width of 2 s rounds away.
    assert(
      supervision.evictedObjects > 480 && supervision.evictedObjects <= 500,
      `${supervision.evictedObjects}`,
    );
    const { evictedObjects } = supervision;
    for (let number = 0; number < 10_000; number++) assertEquals(it.has(number), number >= evictedObjects);
    assertEquals(it.has(20_000), true);
    assertEquals(it.lines("data use is above evict-used-pct (10): evicting").length, 1);
    assert(supervision.evictVoidTime > 0 && supervision.evictTtlS > 1400);
    it.clock.advance(10_000);
    assert(supervision.evictedObjects > evictedObjects + 400);
    assertEquals(supervision.smdEvictVoidTime, supervision.evictVoidTime);
    supervision.agreeEviction(0);
    assertEquals([supervision.evictVoidTime, supervision.evictTtlS], [0, 0]);
  });

  it("removes nothing before the nodes have agreed how deep it goes", () => {
    const wanted: number[] = [];
    const it = new Supervised(SMALL, (voidTime) => void wanted.push(voidTime));
    fill(it);
    it.clock.advance(14_000);
    const { supervision } = it.store;
    assertEquals([wanted.length, supervision.hwmBreached, supervision.evictedObjects], [1, true, 0]);
    supervision.agreeEviction(wanted[0]);
    it.clock.advance(2000);
    assert(
      supervision.evictedObjects > 480 && supervision.evictedObjects <= 500,
      `${supervision.evictedObjects}`,
    );
    assertEquals(supervision.evictVoidTime, wanted[0]);
  });

  it("follows what other nodes have agreed on, below the mark too, within a second or two", () => {
    const it = new Supervised({ nsupPeriod: 60 });
    const bornS = Math.floor(it.store.nowMs() / 1000);
    for (let number = 0; number < 100; number++) it.put(number, { ttlS: 1000 + number });
    it.put(200);
    it.clock.advance(1500);
    const { supervision } = it.store;
    supervision.agreeEviction(bornS + 1030);
    it.clock.advance(2000);
    const left = Array.from({ length: 100 }, (_, number) => it.has(number));
    const evictedCount = left.indexOf(true);
    assert(Math.abs(evictedCount - 30) <= 2, `${evictedCount} are gone`);
    assertEquals(left.lastIndexOf(false), evictedCount - 1);
    assertEquals([it.has(200), supervision.evictedObjects], [true, evictedCount]);
    assertEquals(supervision.evictVoidTime, bornS + 1030);
    supervision.agreeEviction(bornS);
    it.clock.advance(2000);
    assertEquals([supervision.evictVoidTime, supervision.evictedObjects], [bornS, evictedCount]);
  });

  it("spares protected sets, and says what stands in the way", () => {
    const it = new Supervised(SMALL);
    it.store.settings.sets.set("kept", {
      defaultReadTouchTtlPct: 0,
      defaultTtl: 0,
      disableEviction: true,
      enableIndex: false,
      stopWritesCount: 0,
      stopWritesSize: 0,
    });
    fill(it, "kept");
    it.clock.advance(15_000);
    assertEquals(it.store.supervision.evictedObjects, 0);
    assertEquals(it.lines("no record has a void-time and is in a set that may be evicted").length, 1);
  });

  it("refuses when the first bucket alone is more than the share", () => {
    const it = new Supervised(SMALL);
    for (let number = 0; number < 10_000; number++) it.put(number, { ttlS: 5000, sizeBytes: 200 });
    it.clock.advance(15_000);
    assertEquals(it.store.supervision.evictedObjects, 0);
    assertEquals(it.lines("10000 of 10000 records share the shortest life").length, 1);
  });

  it("does nothing below the mark", () => {
    const it = new Supervised({ ...SMALL, storage: { dataSize: 16 * MIB, evictUsedPct: 60 } });
    fill(it);
    it.clock.advance(15_000);
    assertEquals([it.store.supervision.evictedObjects, it.store.supervision.hwmBreached], [0, false]);
  });
});

describe("stop-writes", () => {
  it("stops and starts client writes with the use of data-size, and tells why", () => {
    const it = new Supervised({ storage: { dataSize: 16 * MIB, stopWritesUsedPct: 40 } });
    let number = 0;
    while (it.store.dataUsedPct < 41) it.put(number++, { sizeBytes: 60_000 });
    it.clock.advance(1500);
    assertEquals(it.store.stopWrites, true);
    assertEquals(
      it.lines("client writes are stopped: 41 % of data-size is used, as much as stop-writes-used-pct")
        .length,
      1,
    );
    for (let other = 0; other < 40; other++) it.remove(other);
    it.clock.advance(1500);
    assertEquals(it.store.stopWrites, false);
    assertEquals(it.lines("accepted again").length, 1);
  });

  it("stops when the machine's memory is short", () => {
    const it = new Supervised();
    it.memory.systemFreeBytes = GIB / 2;
    it.clock.advance(11_000);
    assertEquals(it.store.stopWrites, true);
    assertStringIncludes(it.store.supervision.stopWritesReason, "93.8 % of its memory");
    it.memory.systemFreeBytes = 4 * GIB;
    it.clock.advance(11_000);
    assertEquals([it.store.stopWrites, it.store.supervision.stopWritesReason], [false, ""]);
  });

  it("stops when the index is larger than its budget", () => {
    const it = new Supervised({ indexesMemoryBudget: 640 });
    for (let number = 0; number < 11; number++) it.put(number);
    it.clock.advance(1500);
    assertStringIncludes(it.store.supervision.stopWritesReason, "indexes take 704 bytes");
  });

  it("leaves a namespace of two blocks alone when it is nearly empty", () => {
    const it = new Supervised({ storage: { dataSize: 16 * MIB } });
    for (let number = 0; number < 9; number++) it.put(number, { sizeBytes: MIB - 200 });
    it.clock.advance(1500);
    // Both blocks are in use now: the stock server's measure would be 0.
    assertEquals([it.store.arena.freeBlockCount, it.store.stopWrites], [0, false]);
    assertEquals(it.store.dataAvailPct, 43);
  });
});

describe("defragmentation", () => {
  it("gives memory back after removals, while clients change records, and all records survive", () => {
    const it = new Supervised({ storage: { dataSize: 128 * MIB, defragSleep: 0 } });
    const { arena } = it.store;
    for (let number = 0; number < 120_000; number++) it.put(number, { sizeBytes: 500 });
    const before = arena.mappedBlockCount;
    for (let number = 0; number < 120_000; number++) if (number % 5 !== 0) it.remove(number);
    let changes = 0;
    while (arena.sparseBlockCount > 0 && changes < 5000) {
      assert(it.clock.step());
      changes++;
      it.put(changes * 5, { sizeBytes: 100 + changes % 900 });
      it.remove(60_000 + changes * 5);
    }
    it.clock.advance(10_000);
    assert(arena.mappedBlockCount <= before / 2, `${arena.mappedBlockCount} of ${before} blocks`);
    assert(arena.defragmentedBlocks >= 3);
    for (let number = 0; number < 120_000; number += 5) {
      const value = it.get(number);
      assertEquals(value === undefined, number > 60_000 && number <= 60_000 + changes * 5);
      if (value !== undefined) assert(value.every((byte) => byte === (number & 0xff)));
    }
  });

  it("waits until the queue is longer than defrag-queue-min, and follows a new low-water mark", () => {
    const it = new Supervised({ storage: { dataSize: 256 * MIB, defragLwmPct: 1, defragQueueMin: 3 } });
    const { arena, settings } = it.store;
    for (let number = 0; number < 60_000; number++) it.put(number, { sizeBytes: 900 });
    for (let number = 0; number < 60_000; number++) if (number % 4 !== 0) it.remove(number);
    it.clock.advance(3000);
    assertEquals(arena.defragmentedBlocks, 0);
    settings.storage.defragLwmPct = 50;
    it.clock.advance(2000);
    assert(arena.defragmentedBlocks > 0);
    assertEquals(arena.sparseBlockCount, 3);
    settings.storage.defragQueueMin = 0;
    it.clock.advance(5000);
    assertEquals(arena.sparseBlockCount, 0);
  });

  it("makes room for larger records when small ones have taken every block", () => {
    const it = new Supervised({ storage: { dataSize: 64 * MIB, stopWritesUsedPct: 0 } });
    let count = 0;
    while (it.store.arena.freeBlockCount > 0) it.put(count++, { sizeBytes: 300 });
    for (let number = 0; number < count; number += 3) it.remove(number);
    it.clock.advance(20_000);
    let added = 0;
    while (added < 10_000 && it.put(1_000_000 + added, { sizeBytes: 700 }) === 0) added++;
    assertEquals(added, 10_000);
  });
});

describe("tomb raider", () => {
  it("removes tombstones only when they are old enough and no migration runs", () => {
    const it = new Supervised({ tombRaiderPeriod: 100, tombRaiderEligibleAge: 250, nsupHistPeriod: 0 });
    const { store } = it;
    for (let number = 0; number < 100; number++) {
      it.put(number, { set: "s" });
      it.put(number, { tombstone: true, set: "s" });
    }
    it.put(200);
    assertEquals([store.tombstoneCount, store.objectCount], [100, 1]);
    it.clock.advance(205_000);
    assertEquals(store.tombstoneCount, 100);
    it.mayRaid = false;
    it.clock.advance(100_000);
    assertEquals(store.tombstoneCount, 100);
    it.mayRaid = true;
    it.clock.advance(100_000);
    assertEquals([store.tombstoneCount, store.objectCount], [0, 1]);
    assertEquals([store.supervision.raidedTombstones, store.sets.byName("s")!.tombstones], [100, 0]);
    assertEquals(it.has(1), false);
  });
});

describe("histograms", () => {
  it("show lives and sizes per namespace and set after a collection", () => {
    const it = new Supervised({ nsupHistPeriod: 3600, nsupPeriod: 0 });
    const { histograms, sets } = it.store;
    it.clock.advance(3_595_000);
    for (let number = 0; number < 100; number++) {
      it.put(number, { ttlS: 100 + 10 * number, sizeBytes: 10, set: "a" });
    }
    for (let number = 100; number < 110; number++) it.put(number, { sizeBytes: 3000 });
    assertEquals(histograms.text("object-size", 0), "units=bytes:");
    it.clock.advance(10_000);
    const ttl = histograms.text("ttl", 0);
    assertStringIncludes(ttl, "units=seconds:hist-width=1600:bucket-width=16:buckets=0,0,0,0,0,");
    assertEquals(ttl.split(",").length, 100);
    assertEquals(histograms.text("object-size", 0), "units=bytes:[64-128)=100:[2048-4096)=10");
    assertEquals(histograms.text("object-size", sets.byName("a")!.id), "units=bytes:[64-128)=100");
    assertStringIncludes(
      histograms.text("object-size-linear", 0),
      "units=bytes:hist-width=1048576:bucket-width=1024:buckets=100,0,10,0,",
    );
    assertEquals(histograms.text("nothing", 0), "ERROR:4:unknown hist name");
  });

  it("are collected when they are first asked for", () => {
    const it = new Supervised({ nsupHistPeriod: 0 });
    for (let number = 0; number < 100; number++) it.put(number, { ttlS: 1000 + 60 * number });
    it.clock.advance(5000);
    assertEquals(it.store.histograms.text("ttl", 0), "hist-unavailable");
    it.clock.advance(5000);
    // 6,940 s need buckets of 128 s: 1, 2, 4 … are tried.
    assertStringIncludes(it.store.histograms.text("ttl", 0), "hist-width=12800:bucket-width=128:buckets=0,");
  });
});
