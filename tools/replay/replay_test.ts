import { assertEquals, assertGreater, assertGreaterOrEqual, assertLess } from "@std/assert";
import { frameType } from "./message.ts";
import { CLIENT_SUITE_RECORDING, type Exchange, readRecording } from "./recording.ts";
import { replay, type ReplayResult } from "./replay.ts";
import { printableReport } from "./report.ts";
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

Deno.test("ScopeTracker judges a record unknown after a background job changed it", async () => {
  const exchanges = await readRecording(CLIENT_SUITE_RECORDING);
  const tracker = new ScopeTracker(exchanges);
  const judgements = new Map(exchanges.map((exchange) => [exchange.seq, tracker.judge(exchange)]));
  assertEquals(judgements.get(21)?.inScope, true);
  assertEquals(judgements.get(22)?.inScope, true);
  assertEquals(judgements.get(4441)?.reason, "background query");
  const unknown = [...judgements.values()].filter((entry) =>
    !entry.inScope && entry.reason === "record changed by an earlier one"
  );
  assertGreater(unknown.length, 0);
  assertLess(unknown.length, 200);
});
