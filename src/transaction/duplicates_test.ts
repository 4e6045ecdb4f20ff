import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { partitionId, plantBug, ResultCode } from "../base/mod.ts";
import { MERGE_RULE } from "../partition/mod.ts";
import { OVERLOADED, replaceRecord } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { INFO1, INFO2 } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { integerHex, type TestRequestShape, writeInteger } from "./testing.ts";

function put(record: number, value: number, name = "a"): TestRequestShape {
  return { record, info2: INFO2.WRITE, ops: [writeInteger(name, value)] };
}

function get(record: number, info1 = 0): TestRequestShape {
  return { record, info1: INFO1.READ | INFO1.GET_ALL | info1 };
}

const RECORD = 1;

/** Two nodes that were clusters of their own, with different copies of the record, have just met. */
function merged(changes: { settings?: ConstructorParameters<typeof TestCluster>[0] } = {}): {
  it: TestCluster;
  master: TestPeer;
  other: TestPeer;
} {
  const it = new TestCluster({ nodeCount: 2, ...changes.settings });
  for (const { number } of it.peers) it.form(10 + number, { members: [number] });
  const ahead = it.merge(99, { dryRun: true, record: RECORD });
  const [master, other] = ahead.master === 0 ? it.peers : [...it.peers].reverse();
  // The master has one write, the other two.
  it.run(master, put(RECORD, 1));
  it.clock.advance(10);
  it.run(other, put(RECORD, 2));
  it.run(other, put(RECORD, 3));
  it.merge(99, { dryRun: false, record: RECORD });
  it.takeSent();
  return { it, master, other };
}

afterEach(() => plantBug(undefined));

describe("DuplicateResolution", () => {
  it("takes the better copy before a write", () => {
    const { it, master } = merged();
    assertEquals(it.run(master, put(RECORD, 7, "b")).generation, 3);
    assertEquals(it.run(master, get(RECORD)).ops, [
      `1:1:a=${integerHex(3)}`,
      `1:1:b=${integerHex(7)}`,
    ]);
    assertEquals(master.test.namespace.peerStats.dupResAsk, 1);
  });

  it("asks no more for a record that was written since the clusters met", () => {
    const { it, master } = merged();
    it.run(master, put(RECORD, 7));
    it.takeSent();
    it.run(master, put(RECORD, 8));
    assertEquals(it.takeSent().filter((line) => line.endsWith("dup")), []);
  });

  it("writes without the better copy when writes don't resolve duplicates", () => {
    for (const way of ["option", "bug"]) {
      const { it, master } = merged();
      if (way === "option") master.test.namespace.settings.disableWriteDupRes = true;
      else plantBug("noDupRes");
      assertEquals(it.run(master, put(RECORD, 7)).generation, 2, way);
    }
  });

  it("lets reads see the better copy when they ask for all", () => {
    const { it, master } = merged();
    assertEquals(it.run(master, get(RECORD)).ops, [`1:1:a=${integerHex(1)}`]);
    assertEquals(it.run(master, get(RECORD, INFO1.READ_MODE_AP_ALL)).ops, [`1:1:a=${integerHex(3)}`]);
  });

  it("lets all reads see the better copy when no copy is complete, unless an option says one", () => {
    for (const option of ["off", "one"] as const) {
      const { it } = merged();
      for (const { test } of it.peers) {
        test.namespace.partitions.loseData();
        test.namespace.settings.readConsistencyLevelOverride = option;
      }
      const { master: first } = it.merge(100, { dryRun: true, record: RECORD });
      const [master, other] = first === 0 ? it.peers : [...it.peers].reverse();
      it.form(20, { members: [other.number] });
      it.run(other, put(RECORD, 9));
      for (const { test } of it.peers) test.namespace.partitions.loseData();
      it.merge(101, { dryRun: false, record: RECORD });
      const seen = it.run(master, get(RECORD)).ops;
      assertEquals(seen.includes(`1:1:a=${integerHex(9)}`), option === "off", `${option}: ${seen}`);
    }
  });

  it("suspends the write while a duplicate is silent; its answer under another key is none", () => {
    const { it, master, other } = merged();
    it.fate = ({ kind }) => kind === "dup-ack" ? { delayMs: 40 } : undefined;
    const request = it.start(master, put(RECORD, 7));
    it.clock.advance(20);
    it.fate = ({ kind }) => kind === "dup-ack" ? "drop" : undefined;
    it.merge(100, { dryRun: false, record: RECORD });
    it.clock.advance(100);
    assertEquals(request.reply, undefined);
    assertEquals(master.version(RECORD)?.generation, 1);
    it.fate = () => undefined;
    assertEquals(other.version(RECORD)?.generation, 2);
    it.merge(101, { dryRun: false, record: RECORD });
    it.clock.advance(50);
    assertEquals(request.reply?.generation, 3);
  });

  it("takes nothing that comes after the partition was handed off; the transaction starts again", () => {
    const { it, master, other } = merged();
    it.fate = ({ kind }) => kind === "dup-ack" ? { delayMs: 40 } : undefined;
    it.start(master, put(RECORD, 7));
    it.clock.advance(20);
    const { partitions } = master.test.namespace;
    const partition = partitionId(testDigest(RECORD));
    partitions.beginHandOff(partition);
    partitions.commitHandOff(partition);
    it.takeSent();
    it.clock.advance(100);
    assertEquals([master.version(RECORD)?.generation, other.version(RECORD)?.generation], [1, 2]);
    assertEquals(it.takeSent().filter((line) => line.endsWith("dup")), []);
  });

  it("is asked again when a question is lost", () => {
    const { it, master } = merged();
    master.test.namespace.service.transactionRetryMs = 50;
    let lost = 1;
    it.fate = ({ kind }) => kind === "dup" && lost-- > 0 ? "drop" : undefined;
    assertEquals(it.run(master, put(RECORD, 7)).generation, 3);
  });

  it("leaves nothing of what a superseded copy has alone", () => {
    const it = new TestCluster({ nodeCount: 2 });
    for (const { number } of it.peers) it.form(10 + number, { members: [number] });
    const ahead = it.merge(99, { dryRun: true, record: RECORD });
    const master = it.peers[ahead.master === 0 ? 0 : 1];
    it.run(master, put(RECORD, 1));
    it.clock.advance(10);
    it.merge(99, { dryRun: false, record: RECORD });
    const { balance } = master.test.namespace.partitions;
    balance!.mergeRules[partitionId(testDigest(RECORD))] |= MERGE_RULE.SUPERSEDED;
    assertEquals(it.run(master, get(RECORD)).code, ResultCode.NOT_FOUND);
    assertEquals(it.run(master, put(RECORD, 7)).generation, 1);
    assertEquals(it.run(master, get(RECORD)).ops, [`1:1:a=${integerHex(7)}`]);
  });

  it("asks as if the master had nothing when a truncation covers what it has", () => {
    for (const knows of [true, false]) {
      const it = new TestCluster({ nodeCount: 2 });
      for (const { number } of it.peers) it.form(10 + number, { members: [number] });
      const ahead = it.merge(99, { dryRun: true, record: RECORD });
      const [master, other] = ahead.master === 0 ? it.peers : [...it.peers].reverse();
      for (let value = 0; value < 5; value++) it.run(master, put(RECORD, value));
      it.clock.advance(10);
      it.run(other, put(RECORD, 9));
      const markMs = other.version(RECORD)!.lastUpdateMs - 1;
      if (knows) { for (const { test } of it.peers) test.namespace.store.truncateLutMs = markMs; }
      it.merge(99, { dryRun: false, record: RECORD });
      const seen = it.run(master, get(RECORD, INFO1.READ_MODE_AP_ALL)).ops;
      assertEquals(seen, [`1:1:a=${integerHex(knows ? 9 : 4)}`]);
    }
  });

  it("asks again when the better copy can't be stored for the moment", () => {
    const { it, master } = merged();
    const { space } = master.test.namespace.store;
    const append = space.append;
    let refusedCount = 0;
    space.append = (...args) => ++refusedCount <= 2 ? OVERLOADED : append.apply(space, args);
    const request = it.start(master, put(RECORD, 7));
    it.clock.advance(10);
    assertEquals([refusedCount, request.reply], [1, undefined]);
    it.clock.advance(100);
    assertEquals(request.reply?.generation, 3);
  });

  it("resolves a record that only the other has", () => {
    const { it, master, other } = merged();
    const record = Array.from({ length: 200 }, (_, number) => 4100 + number).find((number) =>
      it.master(number) === master
    )!;
    it.form(20, { members: [other.number] });
    it.run(other, put(record, 1));
    it.merge(102, { dryRun: false, record });
    assertEquals(it.run(master, get(record, INFO1.READ_MODE_AP_ALL)).code, ResultCode.OK);
  });

  it("is refused when too many requests wait for the record", () => {
    const { it, master } = merged();
    master.test.namespace.settings.transactionPendingLimit = 1;
    it.fate = ({ kind }) => kind === "dup-ack" ? "drop" : undefined;
    const requests = [1, 2, 3].map((value) => it.start(master, put(RECORD, value)));
    assertEquals(requests[2].reply?.code, ResultCode.KEY_BUSY);
  });

  it("keeps the copy here when that bug is planted", () => {
    plantBug("dupResMergesWrongly");
    const { it, master } = merged();
    assertEquals(it.run(master, put(RECORD, 7)).generation, 2);
  });
});

describe("ReplicaRepairs", () => {
  it("takes no newer copy that has lost a merge by policy from a replica that has not got the result yet", () => {
    const it = new TestCluster({ nodeCount: 2 });
    for (const { number } of it.peers) it.form(10 + number, { members: [number] });
    const ahead = it.merge(99, { dryRun: true, record: RECORD });
    const [master, other] = ahead.master === 0 ? it.peers : [...it.peers].reverse();
    for (const value of [1, 2, 3]) it.run(master, put(RECORD, value));
    it.clock.advance(10);
    it.run(other, put(RECORD, 4));
    it.merge(99, { dryRun: false, record: RECORD });
    const { namespace } = master.test;
    const digest = testDigest(RECORD);
    namespace.partitions.isProvisional = () => false;
    master.peers.repairs.add({ namespace, digest, partition: partitionId(digest) }, [other.node]);
    it.clock.advance(5000);
    assertEquals([master.version(RECORD)?.generation, other.version(RECORD)?.generation], [3, 1]);
    const bytes = master.flat(RECORD)!;
    const { store } = other.test.namespace;
    const range = { bytes, at: 0, end: bytes.length };
    replaceRecord(store, range, { rule: "successor", origin: "migration", waiter: { wake: () => {} } });
    assertEquals(master.peers.repairs.count, 1);
    it.clock.advance(16_000);
    assertEquals([master.peers.repairs.count, other.version(RECORD)?.generation], [0, 3]);
  });
});
