import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EntryRef } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { type TestRequestShape, writeInteger } from "./testing.ts";

const LATE_MS = 500;
const DELETE: TestRequestShape = { record: 1, info2: INFO2.WRITE | INFO2.DELETE };

function put(value: number): TestRequestShape {
  return { record: 1, info2: INFO2.WRITE, ops: [writeInteger("a", value)] };
}

/** A record was deleted and made anew; a first drop of it, with an id of its own, is still on its way. */
function recreated(): { it: TestCluster; master: TestPeer; prole: TestPeer } {
  const it = new TestCluster();
  const master = it.master(1);
  const [prole] = it.proles(1);
  it.form(2, { allOurs: false });
  it.run(master, put(5));
  it.fate = ({ kind }) => kind === "write" ? { delayMs: LATE_MS } : undefined;
  const request = it.start(master, DELETE);
  it.fate = () => undefined;
  it.form(3, { allOurs: false });
  it.clock.advance(10);
  assertEquals([request.reply?.code, prole.version(1)], [0, undefined]);
  it.run(master, put(6));
  return { it, master, prole };
}

describe("drops without a version", () => {
  it("remove nothing that their sender has written since", () => {
    const { it, master, prole } = recreated();
    it.clock.advance(2 * LATE_MS);
    assert(prole.flat(1) !== undefined);
    assertEquals(prole.flat(1), master.flat(1));
  });

  it("are not undone by a write that their sender sent before them", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.form(2, { allOurs: false });
    it.fate = ({ kind }) => kind === "write" ? { delayMs: LATE_MS } : undefined;
    const request = it.start(master, put(5));
    it.fate = () => undefined;
    it.form(3, { allOurs: false });
    it.clock.advance(10);
    assertEquals(request.reply?.code, 0);
    assertEquals(it.run(master, DELETE).code, 0);
    it.clock.advance(2 * LATE_MS);
    assertEquals(prole.version(1), undefined);
  });

  it("are followed by the record, where they have removed what was written since", () => {
    const { it, master, prole } = recreated();
    // A stock node knows no order.
    prole.peers.order.forget(master.node);
    it.clock.advance(LATE_MS - 20);
    while (prole.flat(1) !== undefined) it.clock.step();
    it.clock.advance(500);
    assertEquals(prole.flat(1), master.flat(1));
  });

  it("are sent by the master alone, which hears of deletes that only another replica knows", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 4 });
    const master = it.master(1);
    const all = [0, 1, 2, 3];
    const rest = all.filter((number) => number !== master.number);
    const next = it.proles(1)[0];
    const [knows, stock] = rest.filter((number) => number !== next.number);
    it.form(2, { stock: [stock] });
    it.run(master, put(5));
    it.fate = ({ from, to }) => from === master.number && to !== knows ? "drop" : undefined;
    it.start(master, DELETE);
    it.clock.advance(10);
    assertEquals(
      it.peers.map((peer) => peer.version(1)?.isTombstone),
      all.map((number) => number === master.number || number === knows),
    );
    it.fate = ({ from }) => from === master.number ? "drop" : undefined;
    it.takeSent();
    it.form(3, { members: rest, stock: [stock] });
    assertEquals(it.master(1, next.number), next);
    it.clock.advance(2000);
    assertEquals([next.version(1)?.isTombstone, it.peers[stock].version(1)], [true, undefined]);
    const told = it.takeSent().filter((line) =>
      line.endsWith(`>${stock} write`) && !line.startsWith(`${master.number}>`)
    );
    assertEquals([...new Set(told)], [`${next.number}>${stock} write`]);
  });

  it("remove nothing that the master itself has written in this cluster", () => {
    const { it, master, prole } = recreated();
    const before = master.flat(1);
    const message = prole.peers.rwMessage(prole.test.namespace, 8, prole.peers.nextId());
    message.digest.set(before!.slice(8, 28));
    prole.peers.sendRw(master.node, message);
    it.clock.advance(10);
    assertEquals(master.flat(1), before);
  });

  it("make way for a version that is told: an older tombstone takes it over", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    const stock = it.peers.findIndex((peer) => peer !== master && peer !== prole);
    it.form(2, { stock: [stock] });
    it.run(master, put(5));
    it.run(master, DELETE);
    const first = prole.version(1)!;
    it.fate = ({ kind }) => kind === "write" ? { delayMs: LATE_MS } : undefined;
    const request = it.start(master, put(6));
    it.clock.advance(2 * LATE_MS);
    assertEquals(request.reply?.code, 0);
    it.fate = () => undefined;
    // The prole has missed that write, as far as it knows.
    const store = prole.test.namespace.store;
    const entry = new EntryRef();
    assert(store.find(testDigest(1), 0, entry));
    store.bury(testDigest(1), 0, entry, { origin: "replica", version: first });
    it.run(master, DELETE);
    assertEquals(prole.version(1), master.version(1));
  });
});
