import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { partitionId, ResultCode } from "../base/mod.ts";
import { EntryRef, LOADED, replaceRecord } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { type TestRequestShape, writeInteger } from "./testing.ts";

const RECORD = 1;

const NOBODY = { wake: () => {} };

function put(value: number): TestRequestShape {
  return { record: RECORD, info2: INFO2.WRITE, ops: [writeInteger("a", value)] };
}

/** The replica has missed the last write of the record. */
function behind(): { it: TestCluster; master: TestPeer; prole: TestPeer; other: TestPeer } {
  const it = new TestCluster();
  const master = it.master(RECORD);
  const [prole] = it.proles(RECORD);
  const [other] = it.others(RECORD);
  it.run(master, put(5));
  it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
  it.run(master, put(6));
  return { it, master, prole, other };
}

/** Lets a node find out that it can't read the record. */
function mend({ test: { namespace: { store } } }: TestPeer): void {
  const entry = new EntryRef();
  assert(store.find(testDigest(RECORD), 0, entry));
  assertEquals(store.mender!.mend(entry, NOBODY), LOADED.PENDING);
}

describe("RecordMender", () => {
  it("makes a tombstone that can't be read anew from its entry, and asks nobody", () => {
    const it = new TestCluster();
    const master = it.master(RECORD);
    it.run(master, { record: RECORD, set: "s", info2: INFO2.WRITE, ops: [writeInteger("a", 5)] });
    const gone = it.run(master, { record: RECORD, set: "s", info2: INFO2.WRITE | INFO2.DELETE });
    assertEquals(gone.code, ResultCode.OK);
    it.takeSent();
    const { store } = master.test.namespace;
    const entry = new EntryRef();
    assert(store.find(testDigest(RECORD), 0, entry));
    const { location, generation, lastUpdateMs } = entry;
    assertEquals(store.mender!.mend(entry, undefined), LOADED.HERE);
    assertNotEquals(entry.location, location);
    assertEquals([entry.isTombstone, entry.generation, entry.lastUpdateMs], [true, generation, lastUpdateMs]);
    assertEquals(master.flat(RECORD), it.proles(RECORD)[0].flat(RECORD));
    assertEquals(it.takeSent(), []);
  });

  it("mends nothing that is left of a copy that was given up, tombstone or not", () => {
    for (const isDeleted of [true, false]) {
      const it = new TestCluster();
      const [other] = it.others(RECORD);
      const { store, partitions } = other.test.namespace;
      const master = it.master(RECORD);
      it.run(master, { record: RECORD, info2: INFO2.WRITE, ops: [writeInteger("a", 5)] });
      if (isDeleted) it.run(master, { record: RECORD, info2: INFO2.WRITE | INFO2.DELETE });
      const flat = master.flat(RECORD)!;
      const range = { bytes: flat, at: 0, end: flat.length };
      replaceRecord(store, range, { rule: "replica", origin: "replica", waiter: NOBODY });
      partitions.versions.setWords(partitionId(testDigest(RECORD)), 0, 0);
      const entry = new EntryRef();
      assert(store.find(testDigest(RECORD), 0, entry));
      const { location } = entry;
      it.takeSent();
      assertEquals(store.mender!.mend(entry, NOBODY), LOADED.FAILED);
      assertEquals([entry.location, it.takeSent()], [location, []]);
    }
  });

  it("takes the version that was lost from a node that is no replica any more", () => {
    const { it, master, prole, other } = behind();
    const flat = master.flat(RECORD)!;
    const range = { bytes: flat, at: 0, end: flat.length };
    replaceRecord(other.test.namespace.store, range, { rule: "replica", origin: "replica", waiter: NOBODY });
    mend(master);
    it.clock.advance(100);
    assertEquals([master.version(RECORD)?.generation, prole.version(RECORD)?.generation], [2, 1]);
  });

  it("takes an older version only when all members have answered that they have none newer", () => {
    const { it, master, other } = behind();
    it.fate = ({ from, kind }) =>
      kind === "write" || (kind === "dup-ack" && from === other.number) ? "drop" : undefined;
    mend(master);
    it.clock.advance(1000);
    assertEquals(master.version(RECORD)?.generation, 2, "what nobody could give stays lost for now");
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    it.clock.advance(6000);
    mend(master);
    it.clock.advance(100);
    assertEquals(master.version(RECORD)?.generation, 1);
  });

  it("lets a record that is lost everywhere and whose time is over be missed by its replicas", () => {
    for (const isExpired of [true, false]) {
      const it = new TestCluster();
      const master = it.master(RECORD);
      it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
      it.run(master, put(5));
      it.clock.advance(3000);
      assertEquals(master.peers.repairs.count, 1);
      const { store } = master.test.namespace;
      store.loadHere = () => LOADED.FAILED;
      store.isExpired = () => isExpired;
      it.clock.advance(30_000);
      assertEquals(master.peers.repairs.count, isExpired ? 0 : 1);
    }
  });

  it("does not take a record for lost that a member did not answer for", () => {
    const it = new TestCluster();
    const master = it.master(RECORD);
    const [other] = it.others(RECORD);
    it.fate = ({ from, kind }) =>
      kind === "write" || (kind === "dup-ack" && from === other.number) ? "drop" : undefined;
    it.run(master, put(5));
    it.clock.advance(3000);
    const { store } = master.test.namespace;
    store.loadHere = () => LOADED.FAILED;
    store.isExpired = () => true;
    it.clock.advance(30_000);
    assertEquals(master.peers.repairs.count, 1);
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    it.clock.advance(30_000);
    assertEquals(master.peers.repairs.count, 0);
  });
});
