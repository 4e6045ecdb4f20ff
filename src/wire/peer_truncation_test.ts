import { assert, assertEquals } from "@std/assert";
import { ByteBuffer, EXCHANGE_TRUNCATION_COUNT_MAX } from "../base/mod.ts";
import type { ExchangeData } from "./peer_exchange.ts";
import { decodePeerBytes, encodePeerMessage } from "./peer_message.ts";
import { isPeerFault, PEER_FIELD, PEER_TRUNCATIONS_FIELD } from "./peer_envelope.ts";
import { type TruncationItem, truncationsToTell } from "./peer_truncation.ts";

function item(key: string, timestampMs: number, value: string | null = "5"): TruncationItem {
  return { key, value, generation: 1, timestampMs };
}

Deno.test("truncationsToTell() keeps what was set last when there are too many", () => {
  const items = Array.from(
    { length: EXCHANGE_TRUNCATION_COUNT_MAX * 2 },
    (_, at) => item(`n|${at}`, at % 700),
  );
  const told = truncationsToTell(items);
  assertEquals(told.length, EXCHANGE_TRUNCATION_COUNT_MAX);
  assertEquals(new Set(told).size, told.length);
  const oldest = Math.min(...told.map(({ timestampMs }) => timestampMs));
  const untold = items.filter((one) => !told.includes(one));
  assert(untold.every(({ timestampMs }) => timestampMs <= oldest));
  assertEquals(truncationsToTell(items.slice(0, 9)), items.slice(0, 9));
});

Deno.test("truncationsToTell() leaves out what is no truncation", () => {
  const good = [item("n", 1), item("n|set", 1, null), item("n|set", 1, "999999999999999")];
  const bad = [item("", 1), item("k".repeat(256), 1), item("n", 1, "0"), item("n", 1, "x"), item("n", 1, "")];
  assertEquals(truncationsToTell([...bad, ...good]), good);
});

Deno.test("decodePeerBytes() refuses truncations that no node writes", () => {
  const message: ExchangeData = { type: "exchange", kind: "data", clusterKey: 7, namespaces: [] };
  const head = [1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
  const cases = [
    { blob: [...head, 5, 0, 0, 0, 0, 0, 0, 0, 0x6e], isGood: true },
    { blob: [...head, 5, 0, 0, 0, 0, 0, 0, 0], isGood: false },
    { blob: [...head, 5, 0, 0, 0, 0, 0, 0, 0xff, 0x6e], isGood: false },
    { blob: [], isGood: false },
  ];
  for (const { blob, isGood } of cases) {
    const list = Uint8Array.of(0x91, 0xc4, blob.length, ...blob);
    const out = new ByteBuffer();
    const field = { id: PEER_TRUNCATIONS_FIELD, type: PEER_FIELD.MSGPACK, bytes: list };
    encodePeerMessage({ ...message, unknown: [field] }, out);
    const read = decodePeerBytes(out.toBytes(), () => undefined);
    assertEquals(!isPeerFault(read), isGood);
    if (isGood) assertEquals((read as ExchangeData).truncations, [item("n", 9)]);
  }
});
