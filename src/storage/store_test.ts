import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fromHex, PARTITION_COUNT, partitionId, ResultCode, toHex, utf8 } from "../base/mod.ts";
import { EntryRef } from "./entry.ts";
import { FlatRecord, flatSizeUnits, UNIT_SIZE_BYTES } from "./flat.ts";
import { SetTable } from "./sets.ts";
import { relocate } from "./defragmentation.ts";
import { nextGeneration } from "./record_write.ts";
import { testDigest, TestRandom, testSettings, TestStore } from "./testing.ts";

interface Expected {
  sizeUnits: number;
  set: string | undefined;
  expires: boolean;
  tombstone: boolean;
}

/** Compares every count of a store with what its records come to. */
function checkCounts(it: TestStore, expected: ReadonlyMap<number, Expected>): void {
  const { store } = it;
  const records = [...expected];
  const live = records.filter(([, record]) => !record.tombstone);
  assertEquals(store.objectCount, live.length);
  assertEquals(store.tombstoneCount, records.length - live.length);
  assertEquals(store.counts.nonExpirable, live.filter(([, record]) => !record.expires).length);
  assertEquals(store.arena.usedUnits, records.reduce((sum, [, record]) => sum + record.sizeUnits, 0));
  const tombstones = new Uint32Array(PARTITION_COUNT);
  for (const [number, record] of records) if (record.tombstone) tombstones[partitionId(testDigest(number))]++;
  assertEquals(store.counts.partitionTombstones, tombstones);
  for (const set of store.sets) {
    const own = records.filter(([, record]) => record.set === set.name);
    assertEquals(set.objects, own.filter(([, record]) => !record.tombstone).length);
    assertEquals(set.tombstones, own.filter(([, record]) => record.tombstone).length);
    assertEquals(
      set.dataUsedBytes,
      own.reduce((sum, [, record]) => sum + record.sizeUnits * UNIT_SIZE_BYTES, 0),
    );
  }
}

describe("NamespaceStore", () => {
  it("counts records, tombstones, sets and bytes right in a random run, and publishes every change", () => {
    const it = new TestStore();
    const random = new TestRandom(12);
    const expected = new Map<number, Expected>();
    const published = new Map<string, string>();
    it.store.changes.subscribe(({ digest, digestAt, old, new: after }) => {
      const key = toHex(digest, digestAt, digestAt + 20);
      assertEquals(old === undefined ? undefined : toHex(old), published.get(key));
      if (after === undefined) published.delete(key);
      else published.set(key, toHex(after));
    });
    for (let step = 0; step < 4000; step++) {
      const number = random.below(200);
      if (random.below(4) === 0) {
        assertEquals(it.remove(number), expected.delete(number));
        continue;
      }
      const before = expected.get(number);
      const set = before === undefined ? [undefined, "a", "b"][random.below(3)] : before.set;
      const expires = random.below(2) === 0;
      const tombstone = random.below(6) === 0;
      const options = {
        sizeBytes: random.below(300),
        ...(set === undefined ? {} : { set }),
        ...(expires ? { ttlS: 100 } : {}),
        tombstone,
      };
      assertEquals(it.put(number, options), ResultCode.OK);
      const bytes = fromHex(published.get(toHex(testDigest(number)))!);
      expected.set(number, {
        sizeUnits: flatSizeUnits(bytes, 0),
        set,
        expires: expires && !tombstone,
        tombstone,
      });
      assertEquals(it.get(number)?.length, tombstone ? undefined : options.sizeBytes);
      if (step % 500 === 0) checkCounts(it, expected);
    }
    checkCounts(it, expected);
    assertEquals(published.size, expected.size);
    for (const number of [...expected.keys()]) it.remove(number);
    checkCounts(it, new Map());
  });

  it("put() changes nothing when the record is too big or there is no room", () => {
    const it = new TestStore({
      settings: testSettings({ maxRecordSize: 1024, storage: { dataSize: 16 * 1024 * 1024 } }),
    });
    it.put(1, { sizeBytes: 900, set: "s" });
    assertEquals(it.put(1, { sizeBytes: 1100, set: "s" }), ResultCode.RECORD_TOO_BIG);
    assertEquals(it.put(2, { sizeBytes: 1100 }), ResultCode.RECORD_TOO_BIG);
    assertEquals([it.get(1)?.length, it.has(2), it.store.objectCount], [900, false, 1]);
    let number = 10;
    while (it.put(number, { sizeBytes: 900 }) === ResultCode.OK) number++;
    assertEquals(it.put(1, { sizeBytes: 900, set: "s" }), ResultCode.OUT_OF_SPACE);
    assertEquals([it.get(1)?.length, it.has(number), it.store.objectCount], [900, false, number - 9]);
  });

  it("isLive() goes by void-time and truncation marks of set and namespace", () => {
    const it = new TestStore();
    const { store } = it;
    it.put(1, { ttlS: 10 });
    it.put(2, { set: "a" });
    it.put(3);
    it.clock.advance(9_999);
    assert(it.get(1) !== undefined);
    it.clock.advance(1_002);
    assertEquals([it.get(1), it.has(1)], [undefined, true]);
    store.truncate(store.sets.byName("a")!, store.nowMs());
    assertEquals(it.get(2), undefined);
    assert(it.get(3) !== undefined);
    store.truncate(undefined, store.nowMs());
    assertEquals(it.get(3), undefined);
    it.put(3);
    it.put(2, { set: "a" });
    assert(it.get(2) !== undefined && it.get(3) !== undefined);
  });

  it("relocate() moves a record's bytes and its entry", () => {
    const it = new TestStore();
    const { store } = it;
    it.put(1, { sizeBytes: 100, set: "a", ttlS: 50 });
    const entry = new EntryRef();
    assert(store.find(testDigest(1), 0, entry));
    const { location, lastUpdateMs, generation, voidTime, setId } = entry;
    const { usedUnits } = store.arena;
    assert(relocate(store, location));
    assert(store.find(testDigest(1), 0, entry));
    assert(entry.location !== location);
    assertEquals([entry.lastUpdateMs, entry.generation, entry.voidTime, entry.setId], [
      lastUpdateMs,
      generation,
      voidTime,
      setId,
    ]);
    assertEquals([store.arena.usedUnits, it.get(1)?.length], [usedUnits, 100]);
    const record = new FlatRecord();
    record.open(store.arena.block(entry.location), store.arena.offset(entry.location));
    assertEquals([record.generation, record.lastUpdateMs, record.voidTime], [
      generation,
      lastUpdateMs,
      voidTime,
    ]);
  });
});

describe("nextGeneration()", () => {
  it("skips 0, which means no record", () => {
    assertEquals([nextGeneration(0), nextGeneration(1), nextGeneration(65534), nextGeneration(65535)], [
      1,
      2,
      65535,
      1,
    ]);
  });
});

describe("SetTable", () => {
  it("gives ids from 1 to 4095 and refuses more", () => {
    const sets = new SetTable();
    for (let number = 1; number <= 4095; number++) {
      const name = utf8(`s${number}`);
      assertEquals(sets.findOrCreate(name, 0, name.length)?.id, number);
    }
    const more = utf8("one too many");
    assertEquals(sets.findOrCreate(more, 0, more.length), undefined);
    const known = utf8("..s77..");
    assertEquals(sets.findOrCreate(known, 2, 3)?.id, 77);
    assertEquals([...sets].length, 4095);
  });

  it("tells names apart that are not text", () => {
    const sets = new SetTable();
    const first = sets.findOrCreate(new Uint8Array([0xff]), 0, 1);
    assertEquals([first?.id, first?.name], [1, "\ufffd"]);
    // The same text from other bytes: refused, rather than mixed up.
    assertEquals(sets.findOrCreate(new Uint8Array([0xfe]), 0, 1), undefined);
    assertEquals(sets.find(new Uint8Array([0xfe]), 0, 1), undefined);
    assertEquals(sets.find(new Uint8Array([0xff]), 0, 1)?.id, 1);
  });
});
