import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MIGRATE_UNACKED_COUNT_MAX, writeU32LE } from "../../base/mod.ts";
import { testDigest } from "../../storage/testing.ts";
import { contentHash, META_SIZE_BYTES, MetaTable } from "./meta.ts";
import { InsertWindow } from "./window.ts";

describe("MetaTable", () => {
  it("finds each of many records, and none else", () => {
    const table = new MetaTable();
    const count = 5000;
    for (let number = 0; number < count; number += 500) {
      const batch = new Uint8Array(500 * META_SIZE_BYTES);
      for (let index = 0; index < 500; index++) {
        batch.set(testDigest(number + index), index * META_SIZE_BYTES);
        writeU32LE(batch, index * META_SIZE_BYTES + 28, number + index);
      }
      table.add(batch);
      table.add(batch);
    }
    assertEquals(table.count, count);
    for (let number = 0; number < count; number++) {
      const at = table.find(testDigest(number), 0);
      assertEquals(at, number * META_SIZE_BYTES);
      if (number % 3 === 0) table.match(at);
    }
    assertEquals(table.find(testDigest(count), 0), -1);
    assert(table.isMatched(3 * META_SIZE_BYTES) && !table.isMatched(4 * META_SIZE_BYTES));
  });
});

describe("contentHash()", () => {
  it("tells contents apart, and not how they are kept", () => {
    const record = Uint8Array.from({ length: 64 }, (_, index) => index < 50 ? index * 7 + 1 : 0);
    const hash = contentHash(record, 0, 50);
    assertEquals(contentHash(record, 0, 64), hash, "padding");
    const kept = record.slice();
    kept[4] ^= 0x01;
    kept[7] ^= 0x08;
    assertEquals(contentHash(kept, 0, 50), hash, "size and tree id");
    for (let at = 0; at < 50; at++) {
      if (at >= 4 && at < 8) continue;
      const changed = record.slice();
      changed[at] ^= 0x10;
      assert(contentHash(changed, 0, 50) !== hash, `byte ${at}`);
    }
  });
});

describe("InsertWindow", () => {
  it("numbers from 0, takes answers in any order, and is full at its limit", () => {
    const window = new InsertWindow();
    for (let id = 0; id < MIGRATE_UNACKED_COUNT_MAX; id++) {
      assertEquals(window.isFull, false);
      assertEquals(window.add(testDigest(id), { sizeBytes: 10, nowMs: id, isRemoval: id % 2 === 1 }), id);
    }
    assert(window.isFull);
    assert(window.settle(1) && !window.settle(1));
    assert(window.isFull, "the oldest still waits");
    assert(window.settle(0));
    assertEquals(window.isFull, false);
    assertEquals(window.unackedCount, MIGRATE_UNACKED_COUNT_MAX - 2);
    assertEquals(window.unackedBytes, (MIGRATE_UNACKED_COUNT_MAX - 2) * 10);
    assertEquals([...window.sentBefore(5)], [2, 3, 4, 5]);
    assertEquals(window.name(1000).subarray(0, 20), testDigest(1000));
    assert(window.isRemoval(1001) && !window.isRemoval(1000));
    window.resent(2, 99_999);
    assertEquals([...window.sentBefore(4)], [3, 4]);
    assertEquals(window.settle(MIGRATE_UNACKED_COUNT_MAX), false);
  });
});
