import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { plantBug, ResultCode } from "../base/mod.ts";
import type { DurableWaiter, FlushUnit } from "../storage/mod.ts";
import { INFO1, INFO2, OP } from "../wire/mod.ts";
import { TestCluster } from "./peer_testing.ts";
import { integerHex, type TestRequestShape, writeInteger } from "./testing.ts";

function put(record: number, value: number): TestRequestShape {
  return { record, info2: INFO2.WRITE, ops: [writeInteger("a", value)] };
}

function get(record: number, info1 = 0): TestRequestShape {
  return { record, info1: INFO1.READ | INFO1.GET_ALL | info1 };
}

function increment(record: number): TestRequestShape {
  return { record, info2: INFO2.WRITE, ops: [[OP.INCR, "a", 1, integerHex(1)]] };
}

afterEach(() => plantBug(undefined));

describe("ProxySender", () => {
  it("brings the serving node's answer to writes and reads at any node", () => {
    const it = new TestCluster({ nodeCount: 4 });
    const [other] = it.others(1);
    assertEquals(it.run(other, put(1, 5)), { code: 0, generation: 1, voidTime: 0, ops: [] });
    assertEquals(it.run(other, get(1)).ops, [`1:1:a=${integerHex(5)}`]);
    assertEquals(it.run(other, get(2)).code, ResultCode.NOT_FOUND);
    assertEquals(other.flat(1), undefined);
    assertEquals(other.test.namespace.peerStats.clientProxy, { complete: 3, error: 0, timeout: 0 });
  });

  it("sends a prole's writes to the master, and serves its reads of level one there", () => {
    const it = new TestCluster();
    const [prole] = it.proles(1);
    it.run(prole, put(1, 5));
    it.takeSent();
    assertEquals(it.run(prole, get(1)).ops.length, 1);
    assertEquals(it.takeSent(), []);
    assertEquals(it.run(prole, get(1, INFO1.READ_MODE_AP_ALL)).ops.length, 1);
    assertEquals(it.takeSent().length, 2);
  });

  it("runs a request once when its message comes twice", () => {
    const it = new TestCluster({ nodeCount: 4 });
    it.fate = ({ kind }) => kind === "proxy" ? "twice" : undefined;
    const [other] = it.others(1);
    it.run(other, increment(1));
    it.clock.advance(50);
    assertEquals(it.run(other, get(1)).ops, [`1:1:a=${integerHex(1)}`]);
  });

  it("does not run a returned request whose message comes again when its node serves", () => {
    const it = new TestCluster({ nodeCount: 3 });
    const master = it.master(1);
    const [other] = it.others(1);
    // Two copies of the first question: one is returned, the other comes when the record is served there.
    master.test.namespace.partitions.block();
    it.fate = ({ kind }) => kind === "proxy" ? "twice" : undefined;
    const request = it.start(other, increment(1));
    it.clock.advance(1);
    it.form(2);
    it.clock.advance(300);
    assertEquals(request.reply?.code, 0);
    assertEquals(it.run(master, get(1)).ops, [`1:1:a=${integerHex(1)}`]);
  });

  it("runs a request twice when that bug is planted", () => {
    plantBug("proxyRunsTwice");
    const it = new TestCluster({ nodeCount: 4 });
    const [other] = it.others(1);
    it.run(other, increment(1));
    it.clock.advance(50);
    assertEquals(it.run(other, get(1)).ops, [`1:1:a=${integerHex(2)}`]);
  });

  it("asks again for a read whose question or answer was lost, and takes an answer that comes late", () => {
    const it = new TestCluster({ nodeCount: 4 });
    const [other] = it.others(1);
    it.run(other, put(1, 5));
    for (const lost of ["proxy", "proxy-answer"]) {
      let lossCount = 1;
      it.fate = ({ kind }) => kind === lost && lossCount-- > 0 ? "drop" : undefined;
      it.takeSent();
      const read = it.start(other, get(1));
      it.clock.advance(300);
      assertEquals(read.reply?.ops, [`1:1:a=${integerHex(5)}`], lost);
      assertEquals(it.takeSent().filter((line) => / proxy\b(?!-)/.test(line)).length, 2, lost);
      assertEquals(other.peers.proxies.count, 0);
    }
    it.fate = ({ kind }) => kind === "proxy-answer" ? { delayMs: 250 } : undefined;
    const slow = it.start(other, get(1));
    it.clock.advance(300);
    assertEquals(slow.reply?.code, 0, "the answer to the first question is as good");
  });

  it("counts times of proxied requests with enable-hist-proxy", () => {
    const it = new TestCluster({ nodeCount: 4 });
    const [other] = it.others(1);
    const { settings, stats } = other.test.namespace;
    it.run(other, put(1, 5));
    assertEquals(stats.histograms.proxy.total, 0);
    settings.enableHistProxy = true;
    it.run(other, put(1, 5));
    assertEquals(stats.histograms.proxy.total, 1);
  });

  it("answers TIMEOUT to a write when no answer comes, and never asks again", () => {
    const it = new TestCluster({ nodeCount: 4 });
    it.fate = ({ kind }) => kind === "proxy-answer" ? "drop" : undefined;
    const [other] = it.others(1);
    assertEquals(it.run(other, put(1, 5)).code, ResultCode.TIMEOUT);
    assertEquals(it.sent.filter(({ kind }) => kind === "proxy").length, 1);
    assertEquals(other.test.namespace.peerStats.clientProxy.timeout, 1);
    assertEquals(other.peers.proxies.count, 0);
  });

  it("follows a return to the node that serves", () => {
    const it = new TestCluster({ nodeCount: 4, replicationFactor: 1 });
    const record = Array.from({ length: 200 }, (_, number) => number).find((number) =>
      it.master(number).number === 0
    )!;
    // Node 0 has left for all but node 3, which still takes it for the master.
    it.form(2, { members: [0, 1, 2, 3], lagging: [3] });
    it.form(3, { members: [1, 2, 3], lagging: [3] });
    const { partitions } = it.peers[0].test.namespace;
    partitions.apply(it.balanceOf(0, 3, [0, 1, 2, 3], [1, 2, 3]));
    assertEquals(it.run(it.peers[3], put(record, 5)).code, 0);
    const kinds = it.takeSent().map((line) => line.split(" ")[1]);
    assertEquals(kinds.slice(0, 4), ["proxy", "proxy-return", "proxy", "proxy-answer"]);
  });

  it("waits while nobody serves, and runs the request here once this node does", () => {
    const it = new TestCluster({ nodeCount: 3 });
    const master = it.master(1);
    const [other] = it.others(1);
    master.isFenced = true;
    const request = it.start(other, put(1, 5));
    it.clock.advance(300);
    assertEquals(request.reply, undefined);
    master.isFenced = false;
    it.clock.advance(200);
    assertEquals(request.reply?.code, 0);
  });

  it("is answered once the serving node has synced what it wrote, whoever answers somebody meanwhile", () => {
    const it = new TestCluster({ nodeCount: 3 });
    const { store } = it.master(1).test.namespace;
    const [other] = it.others(1);
    const waiters: DurableWaiter[] = [];
    const holds = [{ wait: (waiter: DurableWaiter) => waiters.push(waiter) > 0 } as FlushUnit];
    Object.defineProperty(store, "hasHolds", { get: () => holds.length > 0 });
    store.takeHolds = () => holds.splice(0);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 50 } : undefined;
    const request = it.start(other, put(1, 5));
    it.clock.advance(20);
    store.takeHolds();
    it.clock.advance(100);
    assertEquals([request.reply, waiters.length], [undefined, 1]);
    waiters[0].onDurable();
    it.clock.advance(10);
    assertEquals(request.reply?.code, 0);
  });

  it("takes back what waited for its record at a node that slept meanwhile", () => {
    const it = new TestCluster({ nodeCount: 3 });
    const master = it.master(1);
    const [other] = it.others(1);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 100 } : undefined;
    it.start(master, put(1, 5));
    const request = it.start(other, put(1, 6));
    it.clock.advance(50);
    master.isFenced = true;
    it.clock.advance(300);
    assertEquals(it.run(master, get(1)).ops, [`1:1:a=${integerHex(5)}`]);
    assertEquals([request.reply, master.peers.proxied.count], [undefined, 0]);
    it.fate = () => undefined;
    master.isFenced = false;
    it.clock.advance(500);
    assertEquals(request.reply?.code, 0);
  });

  it("answers a write whose node has left with TIMEOUT, and asks the new master for a read", () => {
    const { it, master, write, read } = askMasterThatIsCutOff();
    it.form(2, { members: [0, 1, 2, 3].filter((number) => number !== master.number) });
    assertEquals(write.reply?.code, ResultCode.TIMEOUT);
    it.clock.advance(300);
    assertEquals(read.reply?.ops, [`1:1:a=${integerHex(5)}`]);
  });

  it("does so when the node is back in the new cluster, as another process", () => {
    const { it, master, other, write, read } = askMasterThatIsCutOff();
    other.peers.onDeparted(master.node);
    it.fate = () => undefined;
    const late = it.start(other, get(1));
    it.form(2);
    assertEquals(write.reply?.code, ResultCode.TIMEOUT);
    it.clock.advance(300);
    for (const { reply } of [read, late]) assertEquals(reply?.ops, [`1:1:a=${integerHex(5)}`]);
  });

  it("answers UNAVAILABLE when the node is in no cluster", () => {
    const it = new TestCluster();
    const [other] = it.others(1);
    other.test.namespace.partitions.block();
    assertEquals(it.run(other, put(1, 5)).code, ResultCode.UNAVAILABLE);
  });

  it("defers the answer until the serving node's replicas have confirmed", () => {
    const it = new TestCluster({ nodeCount: 4 });
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    const [other] = it.others(1);
    const request = it.start(other, put(1, 5));
    it.clock.advance(900);
    assertEquals(request.reply, undefined);
    it.clock.advance(900);
    assertEquals(request.reply?.code, ResultCode.TIMEOUT);
    assert(it.master(1).flat(1) !== undefined);
  });
});

/** A write and a read that a node has sent on to a master that hears nothing of them; record 1 is 5. */
function askMasterThatIsCutOff() {
  const it = new TestCluster({ nodeCount: 4, replicationFactor: 2 });
  const master = it.master(1);
  const [other] = it.others(1);
  it.run(master, put(1, 5));
  it.fate = ({ to }) => to === master.number ? "drop" : undefined;
  const write = it.start(other, put(1, 6));
  const read = it.start(other, get(1));
  it.clock.advance(5);
  return { it, master, other, write, read };
}
