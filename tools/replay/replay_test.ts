import { assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { frameType } from "./message.ts";
import { maskQueryShow } from "./query_show.ts";
import { CLIENT_SUITE_RECORDING, type Exchange, readRecording } from "./recording.ts";
import { replay, type ReplayResult } from "./replay.ts";
import { faultsOf, printableReport } from "./report.ts";
import { ScopeTracker } from "./scope.ts";
import { type Damage, serveRecording, voidTimeNowS } from "./stub_server.ts";

async function replayAgainstStub(exchanges: readonly Exchange[], damage?: Damage): Promise<ReplayResult> {
  const tracker = new ScopeTracker(exchanges);
  const shiftS = (seq: number) => voidTimeNowS() - tracker.recordedTimeS(seq);
  const stub = serveRecording(exchanges, { shiftS, ...(damage ? { damage } : {}) });
  try {
    return await replay(exchanges, { host: "127.0.0.1", port: stub.port, timeoutMs: 1000 });
  } finally {
    stub.close();
  }
}

const isRecordMessage = (exchange: Exchange) => frameType(exchange.request) === 3;

Deno.test("replay() finds every answer equal when the server answers from the recording", async () => {
  const exchanges = await readRecording(CLIENT_SUITE_RECORDING);
  const result = await replayAgainstStub(exchanges);
  assertEquals(result.sentCount, 4532);
  assertGreaterOrEqual(result.inScopeCount, 3000);
  assertEquals(result.differences, [], printableReport(result));
});

Deno.test("replay() finds a difference when a bit of an answer is flipped", async () => {
  const exchanges = (await readRecording(CLIENT_SUITE_RECORDING)).slice(0, 1000);
  for (const offset of [9, 13, 17]) {
    const result = await replayAgainstStub(exchanges, (exchange, frames) => {
      const first = frames[0].slice();
      if (isRecordMessage(exchange)) first[offset] ^= 1;
      return [first, ...frames.slice(1)];
    });
    assertGreater(result.differences.length, 100, `offset ${offset}`);
  }
});

Deno.test("replay() reports no answer when the server drops the connection", async () => {
  const exchanges = (await readRecording(CLIENT_SUITE_RECORDING)).slice(0, 60);
  const result = await replayAgainstStub(exchanges, (exchange, frames) => {
    if (exchange.seq === 50) throw new Error("drop");
    return frames;
  });
  assertEquals(result.differences.map((entry) => [entry.seq, entry.kind]), [[50, "no answer"]]);
});

Deno.test("ScopeTracker compares background jobs, what they changed, and how they stand", async () => {
  const exchanges = await readRecording(CLIENT_SUITE_RECORDING);
  const tracker = new ScopeTracker(exchanges);
  const judgements = exchanges.map((exchange) => tracker.judge(exchange));
  assertEquals(judgements.filter(({ inScope }) => !inScope).map(({ reason }) => reason), []);
});

Deno.test("replay() waits until a job is done where the recorded client saw it done", async () => {
  const exchanges = await readRecording(CLIENT_SUITE_RECORDING);
  const [active, done] = exchanges.filter(({ seq }) => seq === 3778 || seq === 3780);
  let askedCount = 0;
  const stub = serveRecording([active, active, active, done], {
    shiftS: () => 0,
    damage: (_, frames) => {
      askedCount++;
      return frames;
    },
  });
  try {
    const result = await replay([done], { host: "127.0.0.1", port: stub.port, timeoutMs: 1000 });
    assertEquals([askedCount, result.equalCount], [4, 1]);
  } finally {
    stub.close();
  }
});

Deno.test("maskQueryShow() keeps what a job is, and its counters once it is done", () => {
  const line =
    "trid=1:rps=10000:status=done(ok):run-time=7:recs-succeeded=18:from=127.0.0.1+4:job-type=basic";
  assertEquals(
    maskQueryShow(line, true),
    "trid=1:rps=10000:status=done(ok):run-time=*:recs-succeeded=18:from=*:job-type=basic",
  );
  assertEquals(
    maskQueryShow(line, false),
    "trid=1:rps=10000:status=*:run-time=*:recs-succeeded=*:from=*:job-type=basic",
  );
});

Deno.test("faultsOf() names what is not documented, and what is too much", () => {
  const differences = [1, 2].map((seq) => ({ seq, kind: "bytes", request: "", expected: "", got: "" }));
  const result = {
    sentCount: 40,
    inScopeCount: 11,
    equalCount: 9,
    differences,
    outOfScope: new Map([["x", 29]]),
  };
  assertEquals(faultsOf(result, [{ kind: "bytes", seqs: [1], reason: "" }]), [
    "1 answers differ and are not among the exceptions in COMPAT.md: #2",
    "31 answers differ or can't be compared, at most 30 may",
  ]);
});
