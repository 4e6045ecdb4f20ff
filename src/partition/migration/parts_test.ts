import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, MIGRATE_UNACKED_COUNT_MAX, writeU32LE } from "../../base/mod.ts";
import type { ExchangeMember } from "../../cluster/mod.ts";
import {
  decodePeerBytes,
  encodeMigrate,
  isPeerFault,
  MIGRATE_ANCESTOR_MERGED,
  type MigratePartition,
  PEER_ANCESTORS_FIELD,
  PEER_MESSAGE,
  PeerWriter,
} from "../../wire/mod.ts";
import { testDigest } from "../../storage/testing.ts";
import { testInflate } from "../../wire/peer_testing.ts";
import { balance, inOrder, testMember, testNode } from "../testing.ts";
import { VERSION_BIT, versionHigh, versionLow, VersionTable } from "../version.ts";
import { Lineage } from "./lineage.ts";
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

describe("Lineage", () => {
  const PARTITION = 9;
  const [self, other] = [testNode(2), testNode(1)];

  /** A version under a cluster key. */
  function versions(key: number, bits: number, family = 0): VersionTable {
    const table = new VersionTable();
    table.setWords(PARTITION, versionLow(key), versionHigh(key, { family, bits }));
    return table;
  }

  /** Follows a balance of two nodes with these versions. */
  function follow(lineage: Lineage, key: number, told: { self: VersionTable; other: VersionTable }): void {
    const members = inOrder([
      testMember(2, { versions: told.self }),
      testMember(1, { versions: told.other }),
    ]);
    const exchanged = members.map(({ node, versions }): ExchangeMember => ({
      node,
      compatibilityId: 15,
      capabilities: 1,
      incarnation: undefined,
      host: undefined,
      namespaces: new Map([["test", { name: "test", versions: versions.toGroups() }]]),
    }));
    lineage.begin("test", { members: exchanged, balance: balance(members, { self, clusterKey: key }) });
  }

  const { MASTER, SUBSET } = VERSION_BIT;

  it("knows the sides of a split from a copy and what it once was", () => {
    const lineage = new Lineage(self);
    follow(lineage, 2, { self: versions(1, MASTER), other: versions(1, 0) });
    follow(lineage, 3, { self: versions(2, MASTER), other: new VersionTable() });
    // The other one slept, and comes with the complete copy of the first cluster.
    follow(lineage, 4, { self: versions(3, MASTER), other: versions(1, MASTER) });
    assertEquals(lineage.chain(PARTITION), [3, 2, 1]);
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [] }), "ancestor");
    // Here it served in a cluster of its own.
    follow(lineage, 5, { self: versions(4, MASTER), other: versions(99, MASTER) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [99, 1] }), "divergent");
    // A copy that may be incomplete counts as one that was away.
    follow(lineage, 6, { self: versions(5, MASTER), other: versions(77, SUBSET) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [] }), "ancestor");
  });

  it("knows what was merged, on both ends", () => {
    const lineage = new Lineage(self);
    // Not flagged as the master's, so that this node is the working master whatever the row.
    follow(lineage, 2, { self: versions(1, MASTER), other: versions(50, 0) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [50, 40] }), "divergent");
    lineage.merge(PARTITION, [50, 40]);
    // The other one never heard that its transfer had ended.
    follow(lineage, 3, { self: versions(2, MASTER), other: versions(50, 0) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [50, 40] }), "predecessor");
    const merged = new Lineage(self);
    follow(merged, 3, { self: versions(50, MASTER), other: versions(2, MASTER) });
    const chain = [2, 1, 50 + MIGRATE_ANCESTOR_MERGED];
    assertEquals(merged.relation(PARTITION, { node: other, chain }), "successor");
  });

  it("tells families of one cluster apart", () => {
    const lineage = new Lineage(self);
    follow(lineage, 8, { self: versions(7, MASTER, 0), other: versions(7, 0, 1) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [7] }), "divergent");
    follow(lineage, 9, { self: versions(8, MASTER, 0), other: versions(8, SUBSET, 0) });
    assertEquals(lineage.relation(PARTITION, { node: other, chain: [8] }), "ancestor");
  });
});

describe("start of a migration", () => {
  const start: MigratePartition = {
    type: "migrate",
    kind: "start",
    emigrationId: 5,
    namespace: "test",
    partition: 7,
    clusterKey: 0xabc,
    features: 1,
    recordCount: 3,
    ancestors: [0xabb, 0xffff_ffff_ffff, 4 + MIGRATE_ANCESTOR_MERGED],
  };

  it("carries where the copy comes from", () => {
    const out = new ByteBuffer();
    encodeMigrate(start, out);
    assertEquals(decodePeerBytes(out.toBytes(), testInflate), start);
  });

  it("is refused with ancestors that can't be", () => {
    for (const bytes of [new Uint8Array(7), new Uint8Array(17 * 8), new Uint8Array(8).fill(0xff)]) {
      const out = new ByteBuffer();
      const writer = new PeerWriter(out);
      writer.begin(PEER_MESSAGE.MIGRATE);
      for (const [id, value] of [[0, 3], [2, 5], [4, 7]]) writer.u32(id, value);
      writer.u64(8, 0xabc);
      writer.buffer(3, new Uint8Array([0x74]));
      writer.buffer(PEER_ANCESTORS_FIELD, bytes);
      writer.end();
      assert(isPeerFault(decodePeerBytes(out.toBytes(), testInflate)));
    }
  });
});
