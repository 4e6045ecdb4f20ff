import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromHex, readU16LE, toHex, writeU16, writeU32 } from "../base/mod.ts";
import { type AerieClient, connect, type ScanRecord, type ScanRequest, ServerError } from "./mod.ts";
import {
  ALL_PARTITIONS,
  aloneAnswers,
  CountingRandom,
  ManualClock,
  NO_PARTITIONS,
  ScriptedNetwork,
  serveInfo,
  type ServerEnd,
} from "./testing.ts";

/** Request and reply of the wire-protocol reference, section 13.9. */
const RECORD =
  "020300000000005a160000000000000000010000000000000000000400010000000500746573740000001504a933ee0e8f82c106697150d15e504f08b2b2e01d000000050164656d6f0000000402036b320000000d01020001624004000000000000";
const LAST = "020300000000001616000001000000000000000000000000000000000000";

async function collect(client: AerieClient, request: ScanRequest): Promise<ScanRecord[]> {
  const records: ScanRecord[] = [];
  for await (const record of client.scan(request)) records.push(record);
  return records;
}

/** Record `number` of a partition: the digest begins with the partition, then the number. */
function digestOf(partition: number, number: number): Uint8Array {
  const digest = new Uint8Array(20);
  digest[0] = partition;
  digest[1] = partition >>> 8;
  writeU16(digest, 2, number);
  return digest;
}

function recordFrame(digest: Uint8Array): Uint8Array {
  const frame = fromHex(
    `0203000000000034${"16" + "00".repeat(21)}${"0000000500"}74657374${"0000001504"}${"00".repeat(20)}`,
  );
  writeU32(frame, 4, frame.length - 8);
  writeU16(frame, 8 + 18, 2);
  frame.set(digest, frame.length - 20);
  return frame;
}

interface ScanAsk {
  partitions: number[];
  after: Uint8Array[];
  recordCountMax: number;
}

/** Reads the partition fields of a scan request. */
function parseAsk(request: Uint8Array): ScanAsk {
  const ask: ScanAsk = { partitions: [], after: [], recordCountMax: 0 };
  const view = new DataView(request.buffer, request.byteOffset);
  let at = 30;
  for (let count = view.getUint16(26); count > 0; count--) {
    const size = view.getUint32(at);
    const payload = request.subarray(at + 5, at + 4 + size);
    if (request[at + 4] === 11) {
      for (let i = 0; i < payload.length; i += 2) ask.partitions.push(readU16LE(payload, i));
    }
    if (request[at + 4] === 12) {
      for (let i = 0; i < payload.length; i += 20) ask.after.push(payload.slice(i, i + 20));
    }
    if (request[at + 4] === 13) ask.recordCountMax = view.getUint32(at + 9);
    at += 4 + size;
  }
  return ask;
}

type ServeScan = (ask: ScanAsk, end: ServerEnd) => void;

/** Nodes A1 and B2 own the lower and the upper half of the partitions. */
async function twoHalves(serveA: ServeScan, serveB: ServeScan) {
  const clock = new ManualClock();
  const network = new ScriptedNetwork(clock);
  const half = (lower: boolean) => {
    const bytes = new Uint8Array(512).fill(255, lower ? 0 : 256, lower ? 256 : 512);
    return btoa(String.fromCharCode(...bytes));
  };
  const node = (place: { name: string; other: string; lower: boolean }, serve: ServeScan) => {
    const answers = aloneAnswers(place.name);
    answers["peers-clear-std"] = `0,3000,[[${place.other},,[${place.other.toLowerCase()}]]]`;
    answers["replicas"] = `test:0,2,${half(place.lower)},${half(!place.lower)}`;
    network.servers.set(
      `${place.name.toLowerCase()}:3000`,
      serveInfo(answers, (request, end) => serve(parseAsk(request), end)),
    );
    return answers;
  };
  const a = node({ name: "A1", other: "B2", lower: true }, serveA);
  const b = node({ name: "B2", other: "A1", lower: false }, serveB);
  const ports = { network, clock, random: new CountingRandom() };
  const client = await clock.until(connect({ hosts: ["a1"], ports }));
  return { clock, network, client, a, b };
}

/** Answers with `perPartition` records of each partition, going on behind the digests that are given. */
function serveAll(perPartition: number): ServeScan {
  return (ask, end) => {
    let left = ask.recordCountMax || Infinity;
    const from = new Map<number, number>(ask.partitions.map((partition) => [partition, 0]));
    for (const digest of ask.after) from.set(readU16LE(digest, 0) & 4095, (digest[2] << 8 | digest[3]) + 1);
    for (const [partition, first] of from) {
      for (let number = first; number < perPartition && left-- > 0; number++) {
        end.reply(recordFrame(digestOf(partition, number)));
      }
    }
    end.reply(fromHex(LAST));
  };
}

Deno.test("scan() sends the captured bytes and reads the captured records cut anywhere", async () => {
  for (const size of [1, 7, 50, 1000]) {
    const clock = new ManualClock();
    const network = new ScriptedNetwork(clock);
    const requests: string[] = [];
    network.servers.set(
      "127.0.0.1:3000",
      serveInfo(aloneAnswers(), (request, end) => {
        requests.push(toHex(request));
        end.reply(fromHex(RECORD + LAST));
      }),
    );
    const ports = {
      network,
      clock,
      random: { u32: () => 0, fill: (b: Uint8Array) => b.set(fromHex("1b88296fd55b3694")) },
    };
    const client = await clock.until(connect({ hosts: ["127.0.0.1"], ports }));
    network.pieceSizeBytes = size;
    const records = await clock.until(
      collect(client, { namespace: "test", set: "demo", partitions: { first: 937, count: 1 } }),
    );
    assertEquals(
      requests,
      [
        "020300000000004516010004000000000000ffffffff0000000000050000000000050074657374000000050164656d6f00000005090000753000000009071b88296fd55b3694000000030ba903",
      ].map((hex) => hex.replace("007530", "007530")),
    );
    assertEquals(records, [{
      bins: { b: 2.5 },
      generation: 1,
      ttlS: -1,
      namespace: "test",
      set: "demo",
      digest: fromHex("a933ee0e8f82c106697150d15e504f08b2b2e01d"),
      key: "k2",
      keyType: 3,
      voidTime: 0,
    }]);
    client.close();
  }
});

Deno.test("scan() asks each node for its own partitions", async () => {
  const asked: number[][] = [];
  const serve: ServeScan = (ask, end) => {
    asked.push([ask.partitions[0], ask.partitions.length]);
    serveAll(1)(ask, end);
  };
  const { clock, client } = await twoHalves(serve, serve);
  const records = await clock.until(collect(client, { namespace: "test", bins: "none" }));
  assertEquals(asked.sort(), [[0, 2048], [2048, 2048]]);
  assertEquals(new Set(records.map((record) => toHex(record.digest))).size, 4096);
  client.close();
});

Deno.test("scan() goes on behind the last digest at the next replica when a node is lost", async () => {
  const asks: ScanAsk[] = [];
  let killed = false;
  const { clock, network, client, a } = await twoHalves(
    (ask, end) => {
      asks.push(ask);
      serveAll(3)(ask, end);
    },
    (ask, end) => {
      // Two records of the first partition, then the node dies.
      if (killed) return;
      killed = true;
      end.reply(recordFrame(digestOf(ask.partitions[0], 0)));
      end.reply(recordFrame(digestOf(ask.partitions[0], 1)));
      network.servers.delete("b2:3000");
      end.hangUp();
    },
  );
  a["peers-clear-std"] = "1,3000,[]";
  const records = await clock.until(
    collect(client, { namespace: "test", partitions: { first: 2046, count: 4 } }),
  );
  assertEquals(records.length, 12);
  assertEquals(new Set(records.map((record) => toHex(record.digest))).size, 12);
  const last = asks.at(-1) as ScanAsk;
  assertEquals(last.after, [digestOf(2048, 1)]);
  assertEquals(last.partitions, [2049]);
  client.close();
});

Deno.test("scan() asks again for partitions that answer 11", async () => {
  let count = 0;
  const serve: ServeScan = (ask, end) => {
    if (++count > 1) return serveAll(1)(ask, end);
    const message = fromHex(`0203000000000016${"16000004000b"}${"00".repeat(16)}`);
    writeU32(message, 8 + 6, ask.partitions[0]);
    end.reply(message);
    serveAll(1)({ ...ask, partitions: ask.partitions.slice(1) }, end);
  };
  const { clock, client } = await twoHalves(serve, serve);
  const records = await clock.until(
    collect(client, { namespace: "test", partitions: { first: 0, count: 3 } }),
  );
  assertEquals(records.map((record) => record.digest[0]), [1, 2, 0]);
  client.close();
});

Deno.test("scan() returns exactly maxRecords when there are enough", async () => {
  const { clock, client } = await twoHalves(serveAll(2), serveAll(2));
  for (const maxRecords of [1, 7, 100]) {
    const partitions = { first: 2000, count: 100 };
    const records = await clock.until(
      collect(client, { namespace: "test", partitions, policy: { maxRecords } }),
    );
    assertEquals(records.length, maxRecords);
  }
  const few = await clock.until(
    collect(client, { namespace: "test", partitions: { first: 0, count: 2 }, policy: { maxRecords: 9 } }),
  );
  assertEquals(few.length, 4);
  client.close();
});

Deno.test("scan() rejects with the server's code when it is final", async () => {
  const refuse: ServeScan = (_ask, end) =>
    end.reply(fromHex(`0203000000000016${"160000000014"}${"00".repeat(16)}`));
  const { clock, client } = await twoHalves(refuse, refuse);
  const error = await assertRejects(() => clock.until(collect(client, { namespace: "test" })), ServerError);
  assertEquals(error.resultCode, 20);
  client.close();
});

Deno.test("scan() gives up after its retries when a partition stays unavailable", async () => {
  const unavailable: ServeScan = (ask, end) => {
    const message = fromHex(`0203000000000016${"16000004000b"}${"00".repeat(16)}`);
    writeU32(message, 8 + 6, ask.partitions[0]);
    end.reply(message);
    end.reply(fromHex(LAST));
  };
  const { clock, client } = await twoHalves(unavailable, unavailable);
  const request = { namespace: "test", partitions: { first: 5, count: 1 }, policy: { maxRetries: 2 } };
  const error = await assertRejects(() => clock.until(collect(client, request)), ServerError);
  assertEquals(error.resultCode, 11);
  client.close();
});

Deno.test("scan() pauses the connection while its reader is slow, and closes it when the reader leaves", async () => {
  let end: ServerEnd | undefined;
  const { clock, network, client } = await twoHalves((ask, serverEnd) => {
    end = serverEnd;
    for (let number = 0; number < 1500; number++) {
      serverEnd.reply(recordFrame(digestOf(ask.partitions[0], number)));
    }
  }, serveAll(0));
  const records = client.scan({ namespace: "test", partitions: { first: 0, count: 1 } });
  await clock.until(records.next());
  await clock.pass(1);
  assert(end?.paused);
  const before = network.connections.get("a1:3000")?.size as number;
  await clock.until(records.return());
  assertEquals(network.connections.get("a1:3000")?.size, before - 1);
  assertEquals(NO_PARTITIONS.length, ALL_PARTITIONS.length);
  client.close();
});

Deno.test("scan() with a condition goes on behind the last value and digest", async () => {
  const value = "0500000000000000";
  const record = recordFrame(digestOf(7, 1));
  const withValue = new Uint8Array(record.length + 13);
  withValue.set(record);
  withValue.set(fromHex(`000000090f${value}`), record.length);
  writeU32(withValue, 4, withValue.length - 8);
  writeU16(withValue, 8 + 18, 3);
  const clock = new ManualClock();
  const network = new ScriptedNetwork(clock);
  const requests: string[] = [];
  network.servers.set(
    "a1:3000",
    serveInfo(aloneAnswers(), (request, end) => {
      requests.push(toHex(request).toLowerCase());
      if (requests.length === 1) {
        end.reply(withValue);
        const unavailable = fromHex(`0203000000000016${"16000004000b"}${"00".repeat(16)}`);
        writeU32(unavailable, 8 + 6, 7);
        end.reply(unavailable);
      }
      end.reply(fromHex(LAST));
    }),
  );
  const ports = { network, clock, random: new CountingRandom() };
  const client = await clock.until(connect({ hosts: ["a1"], ports }));
  const records = await clock.until(collect(client, {
    namespace: "test",
    where: { bin: "b", between: [1, 9] },
    partitions: { first: 7, count: 1 },
  }));
  assertEquals([records.length, requests.length], [1, 2]);
  assert(requests[1].includes(`000000150c${toHex(digestOf(7, 1)).toLowerCase()}`), requests[1]);
  assert(requests[1].includes(`000000090f${value}`), requests[1]);
  client.close();
});
