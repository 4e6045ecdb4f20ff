import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, fromHex, ResultCode, writeU32 } from "../base/mod.ts";
import {
  BATCH_FLAG,
  INFO1,
  INFO2,
  INFO3,
  OP,
  PARTICLE,
  PROTO_HEADER_SIZE,
  RecordRequest,
  ReplyWriter,
} from "../wire/mod.ts";
import { BatchJob, type BatchStats } from "./batch.ts";
import { BATCH_FLAGS, encodeBatch, READ_ALL, type TestRow } from "./batch_testing.ts";
import { decodeReplies, integerHex, TestNamespace, type TestOp, writeInteger } from "./testing.ts";

interface Outcome {
  rows: { code: number; rowIndex: number; ops: string[] }[];
  overall: number;
  frameCount: number;
  slices: number;
  stats: BatchStats;
}

function runBatch(
  ns: TestNamespace,
  bytes: Uint8Array,
  options: { deadlineMs?: number; rowCountMax?: number } = {},
): Outcome {
  const request = new RecordRequest();
  assert(request.decode(bytes, PROTO_HEADER_SIZE, bytes.length));
  const out = new ByteBuffer();
  const stats = { initiated: 0, completed: 0, failed: 0 };
  let isDone = false;
  let slices = 0;
  // As a session does: the bytes that were waited for are here until `wake` returns.
  const pump = () => {
    for (;; slices++) {
      assert(slices < 100_000, "a batch ends");
      const step = job.step(ns.clock, options.deadlineMs ?? Infinity);
      isDone = step === "done";
      if (step !== "more") return;
    }
  };
  const job = new BatchJob(request, {
    reply: new ReplyWriter(out),
    waiter: { wake: pump },
    namespaces: [ns.namespace],
    stats,
    rowCountMax: options.rowCountMax ?? 0,
  });
  pump();
  while (!isDone) assert(ns.clock.step(), "the waiter is woken");
  const replies = decodeReplies(out.toBytes());
  const trailer = replies.pop()!;
  assertEquals([trailer.info3, trailer.ops.length], [INFO3.LAST, 0]);
  return {
    rows: replies.map(({ code, rowIndex, ops }) => ({ code, rowIndex, ops })),
    overall: trailer.code,
    frameCount: frameSizes(out.toBytes()).length,
    slices,
    stats,
  };
}

/** Body sizes of the frames; none may be empty. */
function frameSizes(bytes: Uint8Array): number[] {
  const sizes: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = (bytes[at + 5] << 16) | (bytes[at + 6] << 8) | bytes[at + 7];
    assert(size > 0, "a frame has a message");
    sizes.push(size);
    at += PROTO_HEADER_SIZE + size;
  }
  return sizes;
}

describe("BatchJob", () => {
  it("answers reads, writes and deletes row by row, in order", () => {
    const ns = new TestNamespace();
    ns.write(1, [writeInteger("a", 1)]);
    const outcome = runBatch(
      ns,
      encodeBatch([
        { record: 1, ...READ_ALL },
        { record: 2, repeat: true },
        { record: 2, info2: INFO2.WRITE | INFO2.RESPOND_ALL_OPS, ops: [writeInteger("b", 2)] },
        { record: 2, info1: INFO1.READ, ops: [[OP.READ, "b"], [OP.READ, "c"]] },
        { record: 1, info2: INFO2.WRITE | INFO2.DELETE },
        { record: 1, info1: INFO1.READ | INFO1.GET_NO_BINS },
      ]),
    );
    assertEquals(outcome.rows, [
      { code: 0, rowIndex: 0, ops: [`1:1:a=${integerHex(1)}`] },
      { code: ResultCode.NOT_FOUND, rowIndex: 1, ops: [] },
      { code: 0, rowIndex: 2, ops: ["2:0:b="] },
      { code: 0, rowIndex: 3, ops: [`1:1:b=${integerHex(2)}`] },
      { code: 0, rowIndex: 4, ops: [] },
      { code: ResultCode.NOT_FOUND, rowIndex: 5, ops: [] },
    ]);
    assertEquals([outcome.overall, outcome.stats], [0, { initiated: 1, completed: 1, failed: 0 }]);
  });

  it("stops at the first error unless all are wanted, with or without that row", () => {
    const bad: TestRow = { record: 1, info2: INFO2.WRITE | INFO2.CREATE_ONLY, ops: [writeInteger("a", 1)] };
    const rows: TestRow[] = [{ record: 9, ...READ_ALL }, bad, { record: 1, ...READ_ALL }];
    const run = (flags: number, given = rows) => {
      const ns = new TestNamespace();
      ns.write(1, [writeInteger("a", 1)]);
      const { rows: answered, overall } = runBatch(ns, encodeBatch(given, flags));
      return [overall, ...answered.map((row) => row.code)];
    };
    assertEquals(run(BATCH_FLAG.RESPOND_ALL), [0, 2, 5, 0]);
    assertEquals(run(BATCH_FLAG.REPORT_ROW), [5, 2, 5]);
    assertEquals(run(0), [5, 2]);
    // Nothing is left of the frame when the very first row fails unreported.
    assertEquals(run(0, [bad, { record: 1, ...READ_ALL }]), [5]);
  });

  it("ends with PARAMETER when a row is malformed, names an unknown namespace or repeats what it can't", () => {
    const ns = new TestNamespace();
    const read: TestRow = { record: 1, ...READ_ALL };
    const cases: [string, Uint8Array, number][] = [
      ["repeat in the first row", encodeBatch([{ record: 1, repeat: true }]), 0],
      ["repeat after a user key", encodeBatch([{ ...read, key: "0361" }, { record: 2, repeat: true }]), 1],
      ["unknown namespace", encodeBatch([read, { ...read, namespace: "none" }, read]), 1],
      ["more rows announced", encodeBatch([read, read], BATCH_FLAGS, 5), 2],
      ["very many rows announced", encodeBatch([read], BATCH_FLAGS, 0xffff_ffff), 1],
    ];
    for (const [what, bytes, answered] of cases) {
      const outcome = runBatch(ns, bytes);
      assertEquals([outcome.overall, outcome.rows.length], [ResultCode.PARAMETER, answered], what);
    }
    assertEquals(runBatch(ns, encodeBatch([])).overall, ResultCode.PARAMETER);
    const limited = runBatch(ns, encodeBatch([read, read, read]), { rowCountMax: 2 });
    assertEquals([limited.overall, limited.rows.length], [ResultCode.BATCH_MAX_REQUESTS, 0]);
    assertEquals(runBatch(ns, encodeBatch([read, read]), { rowCountMax: 2 }).overall, 0);
  });

  it("is refused as a whole when its filter is no good", () => {
    const ns = new TestNamespace();
    const rows: TestRow[] = [{ record: 1, ...READ_ALL }];
    // eq(1, "x"): what is compared must be of one type.
    const outcome = runBatch(ns, encodeBatch(rows, BATCH_FLAGS, 1, fromHex("930101a20378")));
    assertEquals([outcome.overall, outcome.rows.length], [ResultCode.PARAMETER, 0]);
    const good = runBatch(ns, encodeBatch(rows, BATCH_FLAGS, 1, fromHex("93010101")));
    assertEquals([good.overall, good.rows.length], [0, 1]);
  });

  it("never fails worse than with PARAMETER when its bytes are cut or changed anywhere", () => {
    const ns = new TestNamespace();
    const good = encodeBatch([
      { record: 1, ...READ_ALL },
      { record: 2, repeat: true },
      { record: 2, info2: INFO2.WRITE, ops: [writeInteger("b", 2), [OP.APPEND, "s", PARTICLE.STRING, "61"]] },
    ]);
    const fieldAt = PROTO_HEADER_SIZE + 22;
    for (let cut = fieldAt + 5; cut < good.length; cut++) {
      const bytes = good.slice(0, cut);
      writeU32(bytes, fieldAt, cut - fieldAt - 4);
      runBatch(ns, bytes);
    }
    for (let at = fieldAt + 5; at < good.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = good.slice();
        bytes[at] = value;
        runBatch(ns, bytes);
      }
    }
  });

  it("cuts its replies into frames and its work into slices", () => {
    const ns = new TestNamespace();
    const big: TestOp = [OP.WRITE, "b", PARTICLE.BLOB, "00".repeat(10_000)];
    for (let record = 0; record < 100; record++) ns.write(record, [big]);
    const rows = Array.from({ length: 100 }, (_, record): TestRow => ({ record, ...READ_ALL }));
    const outcome = runBatch(ns, encodeBatch(rows));
    assertEquals(outcome.rows.map((row) => row.rowIndex), rows.map((_, index) => index));
    assert(outcome.frameCount >= 8 && outcome.frameCount <= 12, `${outcome.frameCount} frames`);
    const sliced = runBatch(ns, encodeBatch(rows), { deadlineMs: -1 });
    assert(sliced.slices > 6 && sliced.rows.length === 100, `${sliced.slices} slices`);
  });

  it("gives the same answers when every row is suspended first", () => {
    const ns = new TestNamespace({ pending: true });
    for (let record = 0; record < 30; record++) ns.write(record, [writeInteger("a", record)]);
    const rows = Array.from(
      { length: 60 },
      (_, index): TestRow =>
        index % 2 === 0
          ? { record: index / 2, ...READ_ALL }
          : { record: 7, info2: INFO2.WRITE, ops: [[OP.INCR, "a", PARTICLE.INTEGER, integerHex(1)]] },
    );
    const outcome = runBatch(ns, encodeBatch(rows));
    assertEquals(outcome.rows.map((row) => [row.rowIndex, row.code]), rows.map((_, index) => [index, 0]));
    assert(ns.device!.pendingCount > 30);
    assertEquals(ns.read(7).ops, [`1:1:a=${integerHex(37)}`]);
    assertEquals(ns.namespace.inFlight.heldCount, 0);
  });
});
