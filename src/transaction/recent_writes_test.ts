import { assertEquals } from "@std/assert";
import { RECENT_WRITE_COUNT_MAX, writeU32 } from "../base/mod.ts";
import type { Namespace } from "./context.ts";
import { RecentWrites } from "./recent_writes.ts";

Deno.test("RecentWrites keeps the last writes with digest, sender and time, through growth and around the ring", () => {
  const namespace = {} as Namespace;
  const recent = new RecentWrites();
  const digest = new Uint8Array(20);
  const count = RECENT_WRITE_COUNT_MAX + 1000;
  const seen = (sinceMs: number, sender: string) => {
    const numbers: number[] = [];
    recent.forEach(sinceMs, {
      isGone: (node) => node === sender,
      visit: (record) => {
        assertEquals([record.namespace, record.partition], [namespace, 0]);
        numbers.push(new DataView(record.digest.buffer, record.digest.byteOffset).getUint32(16));
      },
    });
    return numbers.sort((left, right) => left - right);
  };
  for (let number = 0; number < count; number++) {
    writeU32(digest, 16, number);
    recent.add({ from: number % 2 === 0 ? "a" : "b", namespace, digest, nowMs: number });
    if (number === 299) assertEquals(seen(290, "a"), [290, 292, 294, 296, 298]);
  }
  const even = seen(0, "a");
  assertEquals([even.length, even[0], even.at(-1)], [RECENT_WRITE_COUNT_MAX / 2, 1000, count - 2]);
  assertEquals(seen(count - 3, "b"), [count - 3, count - 1].filter((number) => number % 2 === 1));
});
