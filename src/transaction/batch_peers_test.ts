import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BATCH_DEFERRED_COUNT_MAX, ByteBuffer, ResultCode } from "../base/mod.ts";
import { INFO2, INFO3, PROTO_HEADER_SIZE, RecordRequest, ReplyWriter } from "../wire/mod.ts";
import { BatchJob } from "./batch.ts";
import { BATCH_FLAGS, encodeBatch, READ_ALL, type TestRow } from "./batch_testing.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { decodeReplies, integerHex, writeInteger } from "./testing.ts";

/** A batch at one node of a cluster. */
class Running {
  isDone = false;
  readonly #out = new ByteBuffer();
  readonly #job: BatchJob;
  readonly #it: TestCluster;

  constructor(it: TestCluster, peer: TestPeer, rows: readonly TestRow[], flags = BATCH_FLAGS) {
    this.#it = it;
    const request = new RecordRequest();
    const bytes = encodeBatch(rows, flags);
    assert(request.decode(bytes, PROTO_HEADER_SIZE, bytes.length));
    this.#job = new BatchJob(request, {
      reply: new ReplyWriter(this.#out),
      waiter: { wake: () => this.pump() },
      namespaces: [peer.test.namespace],
      stats: { initiated: 0, completed: 0, failed: 0 },
      rowCountMax: 0,
    });
    this.pump();
  }

  pump(): void {
    if (this.isDone) return;
    let step;
    do step = this.#job.step(this.#it.clock, Infinity); while (step === "more");
    this.isDone = step === "done";
  }

  /** Rows that were answered so far, in the order of their replies. */
  get replies(): ReturnType<typeof decodeReplies> {
    return decodeReplies(this.#out.toBytes());
  }

  end(): ReturnType<typeof decodeReplies> {
    while (!this.isDone) assert(this.#it.clock.step(), "the batch ends");
    const { replies } = this;
    assertEquals(replies.pop()!.info3, INFO3.LAST);
    return replies;
  }
}

function write(record: number): TestRow {
  return { record, info2: INFO2.WRITE, ops: [writeInteger("a", record)] };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

describe("BatchJob in a cluster", () => {
  it("answers every row with its index, wherever it was served", () => {
    const it = new TestCluster({ nodeCount: 4 });
    const written = new Running(it, it.peers[0], numbers(40).map(write)).end();
    assertEquals(written.map(({ rowIndex }) => rowIndex).sort((a, b) => a - b), numbers(40));
    assert(written.every(({ code, generation }) => code === 0 && generation === 1));
    const read = new Running(it, it.peers[1], numbers(40).map((record) => ({ record, ...READ_ALL }))).end();
    for (const { rowIndex, ops } of read) assertEquals(ops, [`1:1:a=${integerHex(rowIndex)}`]);
    assertEquals(read.length, 40);
    assert(it.peers[0].test.namespace.peerStats.batchSubProxy.complete > 5);
  });

  it("goes on with the rows after one that waits for its replicas", () => {
    const it = new TestCluster();
    const [slow, quick] = numbers(100).filter((record) => it.master(record) === it.peers[0]);
    it.fate = ({ kind }) => kind === "write-ack" ? { delayMs: 100 } : undefined;
    const running = new Running(it, it.peers[0], [write(slow), { record: quick, ...READ_ALL }]);
    assertEquals(running.replies.map(({ rowIndex, code }) => [rowIndex, code]), [[1, ResultCode.NOT_FOUND]]);
    assertEquals(running.end().length, 2);
  });

  it("runs rows of one record one after the other", () => {
    const it = new TestCluster();
    const record = numbers(100).find((number) => it.master(number) === it.peers[0])!;
    const replies = new Running(it, it.peers[0], [write(record), write(record), write(record)]).end();
    assertEquals(replies.map(({ rowIndex, generation }) => [rowIndex, generation]), [[0, 1], [1, 2], [2, 3]]);
  });

  it("lets a limited number of rows wait at a time", () => {
    const it = new TestCluster({ nodeCount: 2 });
    it.fate = ({ kind }) => kind === "write-ack" || kind === "proxy-answer" ? { delayMs: 100 } : undefined;
    const count = BATCH_DEFERRED_COUNT_MAX + 50;
    const running = new Running(it, it.peers[0], numbers(count).map(write));
    const started = it.sent.filter(({ from, kind }) => from === 0 && (kind === "write" || kind === "proxy"));
    assertEquals(started.length, BATCH_DEFERRED_COUNT_MAX);
    assertEquals(running.end().length, count);
  });

  it("answers TIMEOUT for a row whose replica is silent, and the others as ever", () => {
    const it = new TestCluster();
    const own = numbers(100).filter((record) => it.master(record) === it.peers[0]).slice(0, 3);
    let isFirst = true;
    it.fate = ({ kind }) => kind === "write" && isFirst ? (isFirst = false, "drop") : undefined;
    const replies = new Running(it, it.peers[0], own.map(write)).end();
    const codes = Object.fromEntries(replies.map(({ rowIndex, code }) => [rowIndex, code]));
    assertEquals(codes, { 0: ResultCode.TIMEOUT, 1: 0, 2: 0 });
  });

  it("ends a row that waits for its record longer than its time, and goes on", () => {
    const it = new TestCluster();
    const [held, other] = numbers(100).filter((record) => it.master(record) === it.peers[0]);
    it.fate = ({ kind }) => kind === "write" ? "drop" : undefined;
    const { namespace } = it.peers[0].test;
    namespace.service.transactionMaxMs = 5000;
    it.start(it.peers[0], write(held));
    namespace.service.transactionMaxMs = 1000;
    const running = new Running(it, it.peers[0], [write(held), { record: other, ...READ_ALL }]);
    it.clock.advance(900);
    assertEquals(running.replies.length, 0);
    const replies = running.end();
    assertEquals(replies.map(({ rowIndex, code }) => [rowIndex, code]), [
      [0, ResultCode.TIMEOUT],
      [1, ResultCode.NOT_FOUND],
    ]);
  });
});
