import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode } from "../base/mod.ts";
import { relocate } from "../storage/mod.ts";
import { TestRandom } from "../storage/testing.ts";
import { INFO1, INFO2, OP, PARTICLE } from "../wire/mod.ts";
import { integerHex, TestNamespace, type TestRequest, writeInteger } from "./testing.ts";

const ADD_ONE = [OP.INCR, "a", PARTICLE.INTEGER, integerHex(1)] as const;
const ADD = { record: 1, info2: INFO2.WRITE, ops: [ADD_ONE] };

describe("transactions on a device that answers pending", () => {
  it("give the same answers as on one that answers at once", () => {
    const random = new TestRandom(5);
    const here = new TestNamespace();
    const pending = new TestNamespace({ pending: true });
    for (let step = 0; step < 3000; step++) {
      const record = random.below(20);
      const dice = random.below(6);
      const shape = dice < 2
        ? { record, info1: INFO1.READ | INFO1.GET_ALL }
        : dice < 4
        ? { ...ADD, record, ops: [ADD_ONE, writeInteger(`b${random.below(30)}`, step)] }
        : dice < 5
        ? { ...ADD, record, info1: INFO1.READ, ops: [ADD_ONE, [OP.READ, "a"] as const] }
        : { record, info2: INFO2.WRITE | INFO2.DELETE };
      assertEquals(pending.run(shape), here.run(shape));
    }
    assert(pending.device!.pendingCount > 1000);
    assertEquals(pending.namespace.inFlight.heldCount, 0);
  });

  it("queue writes of one record behind the suspended one, and lose none", () => {
    const ns = new TestNamespace({ pending: true });
    ns.write(1, [writeInteger("a", 0)]);
    const requests: TestRequest[] = [];
    for (let count = 0; count < 15; count++) requests.push(ns.start(ADD));
    assertEquals(requests.map((request) => request.reply), requests.map(() => undefined));
    assertEquals(ns.namespace.inFlight.heldCount, 1);
    // Writes of other records pass, reads see the state before.
    assertEquals(ns.write(2, [writeInteger("a", 7)]).code, ResultCode.OK);
    while (ns.clock.step());
    assertEquals(requests.map((request) => request.reply?.generation), requests.map((_, index) => index + 2));
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(15)}`]);
    assertEquals(ns.namespace.inFlight.heldCount, 0);
  });

  it("answer KEY_BUSY when more writes wait than transaction-pending-limit allows", () => {
    const ns = new TestNamespace({ pending: true, settings: { transactionPendingLimit: 3 } });
    ns.write(1, [writeInteger("a", 0)]);
    const requests = Array.from({ length: 6 }, () => ns.start(ADD));
    assertEquals(requests.map((request) => request.reply?.code), [
      undefined,
      undefined,
      undefined,
      undefined,
      ResultCode.KEY_BUSY,
      ResultCode.KEY_BUSY,
    ]);
    while (ns.clock.step());
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(4)}`]);
    assertEquals(ns.namespace.stats.failKeyBusy, 2);
    assertEquals(ns.log.lines.filter((line) => line.includes("raise transaction-pending-limit")).length, 1);
  });

  it("let any number of writes wait when transaction-pending-limit is 0", () => {
    const ns = new TestNamespace({ pending: true, settings: { transactionPendingLimit: 0 } });
    ns.write(1, [writeInteger("a", 0)]);
    for (let count = 0; count < 50; count++) ns.start(ADD);
    while (ns.clock.step());
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(50)}`]);
  });

  it("give the record back when a resumed write is refused", () => {
    const ns = new TestNamespace({ pending: true });
    ns.write(1, [writeInteger("a", 0)]);
    const stopped = ns.start(ADD);
    ns.namespace.store.stopWrites = true;
    while (ns.clock.step());
    assertEquals(stopped.reply?.code, ResultCode.OUT_OF_SPACE);
    ns.namespace.store.stopWrites = false;
    assertEquals(ns.namespace.inFlight.heldCount, 0);
    assertEquals(ns.run(ADD).code, ResultCode.OK);
  });

  it("go on when their owner is forgotten while others wait behind it", () => {
    const ns = new TestNamespace({ pending: true });
    ns.write(1, [writeInteger("a", 0)]);
    const [first, second, third] = [ns.start(ADD), ns.start(ADD), ns.start(ADD)];
    ns.namespace.inFlight.abandon(first);
    ns.namespace.inFlight.abandon(second);
    first.wake = () => {};
    second.wake = () => {};
    while (ns.clock.step());
    assertEquals([third.reply?.code, ns.namespace.inFlight.heldCount], [ResultCode.OK, 0]);
    assertEquals(ns.read(1).ops, [`1:1:a=${integerHex(1)}`]);
  });

  it("start again from the digest when the record moved, went or expired meanwhile", () => {
    const ns = new TestNamespace({ pending: true });
    const { store } = ns.namespace;
    ns.write(1, [writeInteger("a", 5)], { recordTtl: 1000 });
    const moved = ns.start(ADD);
    // As defragmentation does.
    store.find(new Uint8Array(20), 0, ns.namespace.entry);
    ns.records.has(1);
    const read = ns.start({ record: 1, info1: INFO1.READ | INFO1.GET_ALL });
    assert(store.find(digestOf(ns), 0, ns.namespace.entry));
    const before = ns.namespace.entry.location;
    assert(relocate(store, before));
    while (ns.clock.step());
    assertEquals(moved.reply?.generation, 2);
    assertEquals(read.reply?.code, ResultCode.OK);

    const gone = ns.start({ record: 1, info1: INFO1.READ | INFO1.GET_ALL });
    const added = ns.start(ADD);
    ns.records.remove(1);
    while (ns.clock.step());
    assertEquals(gone.reply?.code, ResultCode.NOT_FOUND);
    assertEquals([added.reply?.code, added.reply?.generation], [ResultCode.OK, 1]);

    ns.write(1, [writeInteger("a", 5)], { recordTtl: 1 });
    ns.clock.advance(900);
    const late = ns.start({ record: 1, info1: INFO1.READ | INFO1.GET_ALL });
    const touched = ns.start(ADD);
    ns.clock.advance(2000);
    assertEquals(late.reply?.code, ResultCode.OK);
    assertEquals(touched.reply?.code, ResultCode.OK);
  });
});

/** Digest of record 1. */
function digestOf(ns: TestNamespace): Uint8Array {
  const digest = new Uint8Array(20);
  ns.read(1);
  ns.namespace.entry.copyDigest(digest, 0);
  return digest;
}
