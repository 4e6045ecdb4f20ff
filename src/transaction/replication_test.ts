import { assert, assertEquals, assertGreater } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { partitionId, plantBug, ResultCode } from "../base/mod.ts";
import { EntryRef } from "../storage/mod.ts";
import { testDigest } from "../storage/testing.ts";
import { INFO2, INFO3 } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { type TestRequestShape, writeInteger } from "./testing.ts";

function put(record: number, value: number, rest: Partial<TestRequestShape> = {}): TestRequestShape {
  return { ...rest, record, info2: INFO2.WRITE, ops: [writeInteger("a", value)] };
}

function isEqual(peers: readonly TestPeer[], record: number): void {
  const first = peers[0].flat(record);
  assert(first !== undefined);
  for (const peer of peers) assertEquals(peer.flat(record), first);
}

function isUnsettled({ test }: TestPeer, record: number): boolean | undefined {
  const { store } = test.namespace;
  const entry = new EntryRef();
  assert(store.find(testDigest(record), 0, entry));
  return store.isUnsettled?.(entry, "expiry");
}

afterEach(() => plantBug(undefined));

describe("ReplicaWrite", () => {
  it("has the same bytes on all replicas when the client is answered", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 3 });
    for (let record = 0; record < 30; record++) {
      const master = it.master(record);
      assertEquals(it.run(master, put(record, record)).code, 0);
      isEqual([master, ...it.proles(record)], record);
      for (const other of it.others(record)) assertEquals(other.flat(record), undefined);
    }
  });

  it("answers only when the last replica has confirmed", () => {
    const it = new TestCluster({ nodeCount: 3, replicationFactor: 3 });
    const master = it.master(1);
    const [, slow] = it.proles(1);
    it.fate = ({ from, kind }) => kind === "write-ack" && from === slow.number ? { delayMs: 300 } : undefined;
    const request = it.start(master, put(1, 5));
    it.clock.advance(200);
    assertEquals(request.reply, undefined);
    it.clock.advance(200);
    assertEquals(request.reply?.code, 0);
  });

  it("answers before its replicas when that bug is planted", () => {
    plantBug("ackBeforeReplica");
    const it = new TestCluster();
    assertEquals(it.start(it.master(1), put(1, 5)).reply?.code, 0);
  });

  it("asks again with growing waits when messages are lost", () => {
    const it = new TestCluster();
    let lost = 2;
    it.fate = ({ kind }) => kind === "write" && lost-- > 0 ? "drop" : undefined;
    it.peers.forEach(({ test }) => (test.namespace.service.transactionRetryMs = 100));
    const master = it.master(1);
    assertEquals(it.run(master, put(1, 5)).code, 0);
    assertEquals(it.sent.filter(({ kind }) => kind === "write").length, 3);
    isEqual([master, ...it.proles(1)], 1);
    assertEquals(master.test.namespace.peerStats.replWriteRetransmits[1], 2);
  });

  it("answers TIMEOUT when a replica stays silent, and mends it later", () => {
    const it = new TestCluster();
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    const master = it.master(1);
    assertEquals(it.run(master, put(1, 5)).code, ResultCode.TIMEOUT);
    assertEquals(master.peers.repairs.count, 1);
    assertEquals(it.proles(1)[0].flat(1), undefined);
    it.fate = () => undefined;
    it.clock.advance(2000);
    assertEquals(master.peers.repairs.count, 0);
    isEqual([master, ...it.proles(1)], 1);
  });

  it("keeps what expires until each replica has it: nothing older may live on there", () => {
    const it = new TestCluster({ replicationFactor: 3 });
    const master = it.master(1);
    const [reached, missed] = it.proles(1);
    it.run(master, put(1, 5));
    it.fate = ({ to, kind }) => kind === "write" && to === missed.number ? "drop" : undefined;
    assertEquals(it.run(master, put(1, 6, { recordTtl: 1 })).code, ResultCode.TIMEOUT);
    it.clock.advance(5000);
    assertEquals([master, reached, missed].map((peer) => isUnsettled(peer, 1)), [true, true, true]);
    it.fate = () => undefined;
    it.clock.advance(20_000);
    isEqual([master, reached, missed], 1);
    assertEquals([master, reached, missed].map((peer) => isUnsettled(peer, 1)), [false, false, false]);
  });

  it("keeps what expires while copies are merged, of which one may be older and live on", () => {
    const it = new TestCluster();
    const master = it.master(1);
    it.run(master, put(1, 5));
    assertEquals(isUnsettled(master, 1), false);
    master.test.namespace.partitions.isMerging = () => true;
    assertEquals(isUnsettled(master, 1), true);
  });

  it("takes an answer to a repair for what that has sent, not for what was written since", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    assertEquals(it.run(master, put(1, 5)).code, ResultCode.TIMEOUT);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 1100 } : undefined;
    it.takeSent();
    while (!it.takeSent().some((line) => line.endsWith("write-ack"))) it.clock.step();
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    assertEquals(it.run(master, put(1, 6)).code, ResultCode.TIMEOUT);
    it.clock.advance(1000);
    it.fate = () => undefined;
    it.clock.advance(60_000);
    isEqual([master, prole], 1);
  });

  it("mends the replicas of the present cluster, whoever was asked in the last", () => {
    const it = new TestCluster({ nodeCount: 3 });
    const master = it.master(1);
    const [asked] = it.proles(1);
    const [other] = it.others(1);
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    assertEquals(it.run(master, put(1, 5)).code, ResultCode.TIMEOUT);
    it.fate = () => undefined;
    it.form(2, { members: [master.number, other.number] });
    it.clock.advance(2000);
    isEqual([master, other], 1);
    assertEquals(asked.flat(1), undefined);
    assertEquals(master.peers.repairs.count, 0);
  });

  it("is sent on by a replica that has it when its master died before the others had it", () => {
    const it = new TestCluster({ nodeCount: 3, replicationFactor: 3 });
    const master = it.master(1);
    const [reached, missed] = it.proles(1);
    it.run(master, put(1, 5));
    it.fate = ({ to, kind }) => kind === "write" && to === missed.number ? "drop" : undefined;
    it.start(master, put(1, 6));
    it.clock.advance(5);
    assertEquals([reached.version(1)?.generation, missed.version(1)?.generation], [2, 1]);
    it.fate = ({ from, to }) => from === master.number || to === master.number ? "drop" : undefined;
    it.form(2, { members: [reached.number, missed.number] });
    it.clock.advance(2000);
    isEqual([reached, missed], 1);
    assertEquals(missed.version(1)?.generation, 2);
  });

  it("is sent on by a replica that has it when its master is a member still, and no replica any more", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 3 });
    const master = it.master(1);
    const [has, lacks] = it.proles(1);
    it.fate = ({ kind, to }) => kind === "write" && to === lacks.number ? "drop" : undefined;
    assertEquals(it.run(master, put(1, 5)).code, ResultCode.TIMEOUT);
    it.fate = ({ from }) => from === master.number ? "drop" : undefined;
    it.form(2, { quiesced: master.number });
    it.clock.advance(2000);
    isEqual([has, lacks], 1);
  });

  it("never takes a refusal for done", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    prole.test.namespace.partitions.block();
    const request = it.start(master, put(1, 5));
    it.clock.advance(500);
    assertEquals(request.reply, undefined);
    assertGreater(it.sent.filter(({ result }) => result === ResultCode.CLUSTER_KEY_MISMATCH).length, 2);
    it.clock.advance(1000);
    assertEquals(request.reply?.code, ResultCode.TIMEOUT);
  });

  it("takes a refusal for done when that bug is planted", () => {
    plantBug("refusalCountsAsDone");
    const it = new TestCluster();
    it.proles(1)[0].test.namespace.partitions.block();
    assertEquals(it.run(it.master(1), put(1, 5)).code, 0);
  });

  it("asks everybody anew after a change of the cluster, and takes no answer from before", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 50 } : undefined;
    const request = it.start(master, put(1, 5));
    it.clock.advance(10);
    it.fate = ({ kind }) => kind === "write" ? { delayMs: 200 } : undefined;
    it.form(2);
    it.clock.advance(100);
    assertEquals(request.reply, undefined, "the answer under key 1 came");
    it.clock.advance(200);
    assertEquals(request.reply?.code, 0);
    isEqual([master, prole], 1);
  });

  it("counts as written in the cluster in which its replicas take it, on all of them", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.run(master, put(2, 5));
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    const request = it.start(master, put(1, 5));
    it.clock.advance(10);
    it.fate = () => undefined;
    it.form(2);
    it.clock.advance(50);
    assertEquals(request.reply?.code, 0);
    assertEquals([master, prole].map((peer) => peer.isOfPresent(1)), [true, true]);
    // One that was over before belongs to the last cluster.
    assertEquals(it.master(2).isOfPresent(2), false);
  });

  it("is not mended while copies are merged, which would let it win by time", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    it.run(master, put(1, 5));
    it.fate = () => undefined;
    assertEquals(master.peers.repairs.count, 1);
    const { partitions } = master.test.namespace;
    const isProvisional = partitions.isProvisional;
    partitions.isProvisional = () => true;
    it.clock.advance(5000);
    assertEquals([master.peers.repairs.count, prole.flat(1)], [1, undefined]);
    partitions.isProvisional = isProvisional;
    it.clock.advance(5000);
    assertEquals(master.peers.repairs.count, 0);
    isEqual([master, prole], 1);
  });

  it("is refused by a replica that is in another cluster, until both are in the same", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.form(2, { lagging: [prole.number] });
    const request = it.start(master, put(1, 5));
    it.clock.advance(300);
    assertEquals(request.reply, undefined);
    assertEquals(prole.flat(1), undefined);
    it.form(2, { lagging: [master.number] });
    it.clock.advance(600);
    assertEquals(request.reply?.code, 0);
    isEqual([master, prole], 1);
  });

  it("is refused by a replica that is in another cluster also when a member is a stock node", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    const [stock] = it.others(1);
    it.form(2, { stock: [stock.number] });
    it.form(3, { stock: [stock.number], lagging: [master.number] });
    const request = it.start(master, put(1, 5));
    it.clock.advance(300);
    assertEquals([request.reply, prole.flat(1)], [undefined, undefined]);
  });

  it("of a stock master is refused by a replica in whose cluster that is no member", () => {
    const it = new TestCluster();
    const [master, prole] = [it.master(1), it.proles(1)[0]];
    const members = it.peers.filter((peer) => peer !== master).map(({ number }) => number);
    it.form(2, { stock: [master.number] });
    it.form(3, { members });
    const request = it.start(master, put(1, 5));
    it.clock.advance(300);
    assertEquals([request.reply, prole.flat(1)], [undefined, undefined]);
  });

  it("answers TIMEOUT at once when somebody else serves the partition now", () => {
    const it = new TestCluster({ nodeCount: 3, replicationFactor: 2 });
    const master = it.master(1);
    it.fate = ({ kind }) => kind === "write-ack" ? "drop" : undefined;
    const request = it.start(master, put(1, 5));
    it.clock.advance(5);
    master.test.namespace.partitions.block();
    master.peers.onBalanced({ clusterKey: 2, succession: [], capabilities: 0, members: [] });
    assertEquals(request.reply?.code, ResultCode.TIMEOUT);
  });

  it("is in doubt when the node loses its cluster before all have confirmed", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 3 });
    const master = it.master(1);
    const [fast, slow] = it.proles(1);
    it.fate = ({ from, kind }) =>
      kind === "write-ack" ? (from === slow.number ? "drop" : { delayMs: 20 }) : undefined;
    const request = it.start(master, put(1, 5));
    it.clock.advance(5);
    master.test.namespace.partitions.block();
    it.clock.advance(50);
    assertEquals(request.reply, undefined, `node ${fast.number} alone has confirmed`);
    it.clock.advance(1500);
    assertEquals(request.reply?.code, ResultCode.TIMEOUT);
    assertEquals(master.peers.repairs.count, 1);
  });

  it("takes no confirmation of what it had sent before it was raised", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 3 });
    const master = it.master(1);
    const [newer, other] = it.proles(1);
    const { store } = newer.test.namespace;
    store.lastUpdateFloorMs = store.nowMs() + 5000;
    newer.test.records.put(1, { sizeBytes: 4 });
    let isFirst = true;
    it.fate = ({ from, to, kind }) => {
      if (kind === "write-ack" && from === other.number && isFirst) {
        return (isFirst = false, { delayMs: 100 });
      }
      return kind === "write" && to === other.number && !isFirst ? "drop" : undefined;
    };
    const request = it.start(master, put(1, 5));
    it.clock.advance(500);
    assertEquals(request.reply, undefined);
  });

  it("is raised above a newer copy that a replica has", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    const aheadMs = 5000;
    const { store } = prole.test.namespace;
    store.lastUpdateFloorMs = store.nowMs() + aheadMs;
    prole.test.records.put(1, { sizeBytes: 4 });
    store.lastUpdateFloorMs = 0;
    const before = prole.version(1)!;
    assertEquals(it.run(master, put(1, 5)).code, 0);
    isEqual([master, prole], 1);
    assertEquals(master.version(1)!.lastUpdateMs, before.lastUpdateMs + 1);
  });

  it("carries tombstones, and a re-creation continues their generation", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.run(master, put(1, 5));
    assertEquals(it.run(master, { record: 1, info2: INFO2.WRITE | INFO2.DELETE }).code, 0);
    assertEquals(prole.version(1)?.isTombstone, true);
    assertEquals(prole.version(1)?.generation, 2);
    it.run(master, put(1, 6));
    assertEquals(prole.version(1)?.generation, 3);
    isEqual([master, prole], 1);
  });

  it("tells stock replicas to drop a record, by its digest alone", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.form(2, { allOurs: false });
    it.run(master, put(1, 5));
    assertEquals(it.run(master, { record: 1, info2: INFO2.WRITE | INFO2.DELETE }).code, 0);
    assertEquals(prole.version(1), undefined);
  });

  it("does not remove what was written since when a drop comes twice", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    it.form(2, { allOurs: false });
    it.run(master, put(1, 5));
    let isFirst = true;
    it.fate = ({ kind }) => kind === "write" && isFirst ? "twice" : undefined;
    it.run(master, { record: 1, info2: INFO2.WRITE | INFO2.DELETE });
    isFirst = false;
    it.run(master, put(1, 6));
    it.clock.advance(10);
    isEqual([master, prole], 1);
  });

  it("drops no record that is newer than what was removed, when a stock node is a member", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const [prole] = it.proles(1);
    const [stock] = it.others(1);
    it.form(2, { stock: [stock.number] });
    it.run(master, put(1, 5));
    const { store } = prole.test.namespace;
    store.lastUpdateFloorMs = store.nowMs() + 5000;
    prole.test.records.put(1, { sizeBytes: 4 });
    store.lastUpdateFloorMs = 0;
    const before = prole.version(1)!;
    const reply = it.run(master, { record: 1, info2: INFO2.WRITE | INFO2.DELETE });
    // The master hears of the newer copy and deletes that too.
    assertEquals([reply.code, prole.version(1)], [0, master.version(1)]);
    // An older write that comes late does not bring it back.
    assert(master.version(1)!.isTombstone && master.version(1)!.lastUpdateMs > before.lastUpdateMs);
  });

  it("answers at once with commit level master, and waits all the same when the queue is long", () => {
    const it = new TestCluster();
    const master = it.master(1);
    assertEquals(it.start(master, put(1, 5, { info3: INFO3.COMMIT_MASTER })).reply?.code, 0);
    it.clock.advance(10);
    isEqual([master, ...it.proles(1)], 1);
    assertEquals(it.sent.filter(({ kind }) => kind === "write-ack").length, 0);
    it.isOverloaded = true;
    assertEquals(it.start(master, put(1, 6, { info3: INFO3.COMMIT_MASTER })).reply, undefined);
  });

  it("holds the record: later writes of it wait their turn, and too many are refused", () => {
    const it = new TestCluster({ settings: { transactionPendingLimit: 2 } });
    const master = it.master(1);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 50 } : undefined;
    const requests = [1, 2, 3, 4].map((value) => it.start(master, put(1, value)));
    assertEquals(requests[3].reply?.code, ResultCode.KEY_BUSY);
    it.clock.advance(60);
    assertEquals(requests.slice(0, 3).map(({ reply }) => reply?.code), [0, undefined, undefined]);
    it.clock.advance(200);
    assertEquals(requests.slice(0, 3).map(({ reply }) => reply?.generation), [1, 2, 3]);
  });

  it("tells when a partition's writes have ended", () => {
    const it = new TestCluster();
    const master = it.master(1);
    const { namespace } = master.test;
    const partition = partitionId(testDigest(1));
    let ended = 0;
    it.start(master, put(1, 5));
    master.peers.whenWritesEnded({ namespace, partition: (partition + 1) % 4096 }, () => ended++);
    assertEquals(ended, 1);
    master.peers.whenWritesEnded({ namespace, partition }, () => ended++);
    assertEquals(ended, 1);
    it.clock.advance(10);
    assertEquals(ended, 2);
  });

  it("works when every record's bytes must be waited for", () => {
    const it = new TestCluster({ pending: true });
    const master = it.master(1);
    for (let value = 1; value < 6; value++) assertEquals(it.run(master, put(1, value)).generation, value);
    it.clock.advance(50);
    assertEquals(it.proles(1)[0].version(1)?.generation, 5);
  });
});
