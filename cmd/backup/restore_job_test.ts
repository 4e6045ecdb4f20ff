import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AerieClient, BatchRow } from "../../src/client/mod.ts";
import type { Clock } from "../../src/port/mod.ts";
import type { AsbRecord } from "./asb.ts";
import { RestoreJob } from "./restore_job.ts";

/** A clock that moves on when somebody waits. */
function clockOfWaits(): Clock {
  let nowMs = 0;
  return {
    monotonicMs: () => nowMs,
    wallMs: () => Date.UTC(2026, 0, 1) + nowMs,
    after(delayMs, fn) {
      nowMs += delayMs;
      queueMicrotask(fn);
      return { cancel() {} };
    },
    nextTurn: queueMicrotask,
    afterEvents: queueMicrotask,
  };
}

function clientOf(take: (rows: readonly BatchRow[]) => void): AerieClient {
  return {
    infoAll: () => Promise.resolve(new Map([["A", "master_objects=0"]])),
    batch: (rows: readonly BatchRow[]) => {
      take(rows);
      return Promise.resolve(rows.map(({ key }) => ({ key, resultCode: 0 })));
    },
  } as unknown as AerieClient;
}

const policy = {
  mode: "newer",
  namespace: undefined,
  sets: new Set<string>(),
  extraTtlS: 0,
  hasRecords: true,
  hasIndexes: true,
  hasModules: true,
  ignoresErrors: false,
} as const;

function recordOf(number: number): AsbRecord {
  const digest = new Uint8Array(20);
  new DataView(digest.buffer).setUint32(0, number);
  return {
    kind: "record",
    namespace: "test",
    set: "",
    digest,
    key: undefined,
    generation: 1,
    voidTime: 0,
    bins: [],
  };
}

Deno.test("RestoreJob.take() keeps to the limit of records per second", async () => {
  for (const recordsPerSecond of [0, 500]) {
    const clock = clockOfWaits();
    const sentMs: number[] = [];
    const client = clientOf(() => void sentMs.push(clock.monotonicMs()));
    const job = await RestoreJob.create({ client, policy, clock, workerCount: 4, recordsPerSecond });
    for (let number = 0; number < 1000; number++) await job.take(recordOf(number));
    await job.finish();
    assertEquals(job.counts.written, 1000);
    const tookMs = sentMs.at(-1)!;
    if (recordsPerSecond === 0) assertEquals(tookMs, 0);
    // The last batch is sent when those before it have had their time.
    else assert(tookMs > 1700 && tookMs <= 2000, `${tookMs} ms for 1000 records at 500 per second`);
  }
});

Deno.test("RestoreJob.take() says which namespaces there are when a record's is missing", async () => {
  const client = {
    infoAll: () => Promise.resolve(new Map([["A", "type=unknown"]])),
    info: () => Promise.resolve("users;orders"),
  } as unknown as AerieClient;
  const job = await RestoreJob.create({
    client,
    policy,
    clock: clockOfWaits(),
    workerCount: 4,
    recordsPerSecond: 0,
  });
  await assertRejects(
    () => job.take(recordOf(1)),
    Error,
    'the cluster has no namespace "test"; it has users, orders',
  );
});

Deno.test("RestoreJob registers no module before it knows that the namespace is there", async () => {
  const asked: string[] = [];
  const client = {
    infoAll: () => Promise.resolve(new Map([["A", "type=unknown"]])),
    info: (command: string) => {
      asked.push(command);
      return Promise.resolve("users;orders");
    },
    batch: () => Promise.reject(new Error("nothing is written")),
  } as unknown as AerieClient;
  const module = { kind: "module", name: "a.lua", content: new Uint8Array(4) } as const;
  const index = {
    kind: "index",
    namespace: "test",
    set: "",
    name: "i",
    type: "N",
    bin: "b",
    dataType: "N",
    context: undefined,
    expression: undefined,
  } as const;
  const orders = [
    [{ kind: "namespace", name: "test" }, module],
    [module, index],
    [module, recordOf(1)],
  ] as const;
  for (const items of orders) {
    const clock = clockOfWaits();
    const job = await RestoreJob.create({ client, policy, clock, workerCount: 4, recordsPerSecond: 0 });
    const take = async () => {
      for (const item of items) await job.take(item);
      await job.finish();
    };
    await assertRejects(take, Error, 'the cluster has no namespace "test"');
    assertEquals([job.counts.modules, asked.filter((command) => command.startsWith("udf-put"))], [0, []]);
  }
});
