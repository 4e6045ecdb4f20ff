import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { fromHex, toHex } from "../base/mod.ts";
import { type AerieClient, connect, NO_ANSWER, ops, ServerError } from "./mod.ts";
import {
  aloneAnswers,
  CountingRandom,
  ManualClock,
  ScriptedNetwork,
  serveInfo,
  type ServerEnd,
} from "./testing.ts";

/** Requests and replies of the wire-protocol reference, sections 13.7 and 13.11. */
const READ_REQUEST =
  "020300000000006f1608000000000000000000000000000003e8000100000000005529000000020d00000000b747f5854d0b33259928d0cfab7fad81d6abfbf60a0300000000000000020000000000050074657374000000050164656d6f00000001a933ee0e8f82c106697150d15e504f08b2b2e01d01";
const READ_REPLY =
  "0203000000000059160000000000000000030000000000000000000000020000000d010100016100000000000000060000000701030001736869160000000000000000010000000000000001000000010000000d01020001624004000000000000";
const LAST = "020300000000001616000001000000000000000000000000000000000000";
const ADDRESS = "127.0.0.1:3000";

const keyOf = (key: string) => ({ namespace: "test", set: "demo", key });

/** A frame with messages `[result code, row index]` without operations; `last` closes the batch with its code. */
function rowsFrame(rows: [code: number, index: number][], last?: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  const messages = rows.map(([code, index]) =>
    `16000000${"00"}${hex(code, 2)}${"00000000"}${"00000000"}${hex(index, 8)}00000000`
  );
  if (last !== undefined) messages.push(`1600000100${hex(last, 2)}${"0".repeat(32)}`);
  const body = messages.join("");
  return `0203${hex(body.length / 2, 12)}${body}`;
}

async function withClient(
  serve: (request: string, end: ServerEnd) => string | undefined,
  run: (client: AerieClient, clock: ManualClock, network: ScriptedNetwork) => Promise<void>,
): Promise<string[]> {
  const clock = new ManualClock();
  const network = new ScriptedNetwork(clock);
  const requests: string[] = [];
  network.servers.set(
    ADDRESS,
    serveInfo(aloneAnswers(), (request, end) => {
      requests.push(toHex(request));
      const reply = serve(toHex(request), end);
      if (reply !== undefined) end.reply(fromHex(reply));
    }),
  );
  const ports = { network, clock, random: new CountingRandom() };
  const client = await clock.until(connect({ hosts: [ADDRESS], ports }));
  await run(client, clock, network);
  client.close();
  return requests;
}

Deno.test("getMany() sends the captured bytes and reads replies cut anywhere", async () => {
  for (let size = 1; size < READ_REPLY.length / 2; size += 7) {
    const requests = await withClient(() => READ_REPLY + LAST, async (client, clock, network) => {
      network.pieceSizeBytes = size;
      assertEquals(await clock.until(client.getMany([keyOf("k1"), keyOf("k2")])), [
        { bins: { a: 6, s: "hi" }, generation: 3, ttlS: -1 },
        { bins: { b: 2.5 }, generation: 1, ttlS: -1 },
      ]);
    });
    assertEquals(requests, [READ_REQUEST]);
  }
});

Deno.test("getMany() sends every row's key when the policy says so", async () => {
  const requests = await withClient(() => READ_REPLY + LAST, async (client, clock) => {
    await clock.until(client.getMany([keyOf("k1"), keyOf("k2")], { policy: { sendKey: true } }));
  });
  for (const key of ["6b31", "6b32"]) {
    assertEquals(requests[0].includes(`000000040203${key}`), true, requests[0]);
  }
});

Deno.test("batch() encodes writes, deletes and reads as captured", async () => {
  const replies = [rowsFrame([[0, 0], [2, 1], [0, 2], [0, 3]], 0)];
  const requests = await withClient(() => replies.shift(), async (client, clock) => {
    const results = await clock.until(client.batch([
      { type: "operate", key: keyOf("k1"), operations: [ops.put("z", 9)] },
      { type: "delete", key: keyOf("nope") },
      { type: "get", key: keyOf("k2") },
      { type: "exists", key: keyOf("k1") },
    ]));
    assertEquals(results.map((row) => [row.resultCode, row.inDoubt, row.error]), [
      [0, false, undefined],
      [2, false, undefined],
      [0, false, undefined],
      [0, false, undefined],
    ]);
  });
  const fields = "000000050074657374000000050164656d6f";
  const rows = "000000040d" +
    `00000000b747f5854d0b33259928d0cfab7fad81d6abfbf60e00810000000000000000020001${fields}0000000d020100017a0000000000000009` +
    `0000000142c75a81cc143e3a685ea00fd84525a504a24a270e00830000000000000000020000${fields}` +
    `00000002a933ee0e8f82c106697150d15e504f08b2b2e01d0a0300000000000000020000${fields}` +
    `00000003b747f5854d0b33259928d0cfab7fad81d6abfbf60a2100000000000000020000${fields}`;
  assertEquals(requests[0].slice(70), rows);
});

Deno.test("batch() asks only unanswered rows again when the connection breaks", async () => {
  let count = 0;
  const requests = await withClient((_request, end) => {
    if (++count === 2) return rowsFrame([[2, 0]], 0);
    end.reply(fromHex(rowsFrame([[0, 0]])));
    end.reply(fromHex("0203"));
    end.hangUp();
    return undefined;
  }, async (client, clock) => {
    const records = await clock.until(client.getMany([keyOf("k1"), keyOf("k2")]));
    assertEquals(records.map((record) => record !== undefined), [true, false]);
  });
  assertEquals(requests.length, 2);
  // One row, with index 0 and the digest of k2.
  assertEquals(requests[1].slice(70, 70 + 58), "000000010d00000000a933ee0e8f82c106697150d15e504f08b2b2e01d");
});

Deno.test("batch() marks unanswered writes as in doubt and doesn't retry them", async () => {
  const requests = await withClient((_request, end) => void end.hangUp(), async (client, clock) => {
    const results = await clock.until(client.batch([
      { type: "put", key: keyOf("k1"), bins: { a: 1 } },
      { type: "get", key: keyOf("k2") },
    ]));
    assertEquals(results.map((row) => [row.resultCode, row.inDoubt, row.error?.name]), [
      [NO_ANSWER, true, "ConnectionError"],
      [NO_ANSWER, false, "ConnectionError"],
    ]);
  });
  assertEquals(requests.length, 1);
});

Deno.test("batch() reports a refusal of the whole batch on every row", async () => {
  await withClient(() => rowsFrame([], 151), async (client, clock) => {
    const results = await clock.until(client.batch([{ type: "put", key: keyOf("k1"), bins: { a: 1 } }]));
    assertEquals(results.map((row) => [row.inDoubt, (row.error as ServerError).resultCode]), [[false, 151]]);
    await assertRejects(() => clock.until(client.getMany([keyOf("k1")])), ServerError, "BATCH_MAX_REQUESTS");
  });
});

Deno.test("batch() breaks off when the server answers a row twice or one that was not sent", async () => {
  for (const frame of [rowsFrame([[0, 0], [0, 0]], 0), rowsFrame([[0, 5]], 0)]) {
    await withClient(() => frame, async (client, clock) => {
      const rows = [{ type: "get", key: keyOf("k1") }, { type: "get", key: keyOf("k2") }] as const;
      const results = await clock.until(client.batch(rows, { maxRetries: 0 }));
      assertEquals(results[1].resultCode, NO_ANSWER);
    });
  }
});

Deno.test("scan() refuses a range of partitions that doesn't exist", async () => {
  await withClient(() => undefined, async (client) => {
    await Promise.resolve();
    assertThrows(
      () => client.scan({ namespace: "test", partitions: { first: 4000, count: 97 } }),
      RangeError,
    );
  });
});
