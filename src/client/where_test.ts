import { assertEquals, assertThrows } from "@std/assert";
import { ByteBuffer, toHex, utf8 } from "../base/mod.ts";
import { RequestWriter } from "../wire/mod.ts";
import { GeoJson } from "./value.ts";
import { type Where, writeWhere } from "./where.ts";

/** The fields of a condition, without the message's header. */
function fields(where: Where): string {
  const writer = new RequestWriter(new ByteBuffer(64));
  writer.begin({ info1: 0, info2: 0, info3: 0 });
  const start = writer.buffer.length;
  writeWhere(writer, where);
  return toHex(writer.buffer.view().subarray(start)).toLowerCase();
}

// Expected bytes: wire-protocol reference, section 13.10.

Deno.test("writeWhere() writes the captured bytes of a range of integers", () => {
  assertEquals(
    fields({ bin: "b", between: [1, 100] }),
    "0000001d160101620100000008" + "0000000000000001" + "00000008" + "0000000000000064",
  );
});

Deno.test("writeWhere() writes the captured bytes of an equal text", () => {
  assertEquals(fields({ bin: "s", equals: "hi" }), "000000111601017303" + "000000026869".repeat(2));
});

Deno.test("writeWhere() names collection, context and index in fields of their own", () => {
  const plain = fields({ bin: "l", equals: 5 });
  assertEquals(fields({ bin: "l", equals: 5, collection: "list" }), plain + "000000021a01");
  assertEquals(
    fields({ bin: "l", equals: 5, context: [{ type: 0x22, value: "k" }] }),
    plain + "000000061792" + "22" + "a2036b",
  );
  assertEquals(fields({ bin: "l", equals: 5, index: "i" }), "000000021569" + plain);
});

Deno.test("writeWhere() sends a place twice, as its text", () => {
  const text = '{"type":"Point","coordinates":[1,2]}';
  const hex = toHex(utf8(text)).toLowerCase();
  const size = text.length.toString(16).padStart(8, "0");
  const body = `160101${"67"}17${size}${hex}${size}${hex}`;
  assertEquals(
    fields({ bin: "g", geo: new GeoJson(text) }),
    (body.length / 2).toString(16).padStart(8, "0") + body,
  );
});

Deno.test("writeWhere() refuses what no index answers", () => {
  assertThrows(() => fields({ bin: "b" }), TypeError, "exactly one");
  assertThrows(() => fields({ bin: "b", equals: 1, between: [1, 2] }), TypeError, "exactly one");
  assertThrows(() => fields({ bin: "b", equals: 1.5 }), TypeError, "integer");
  assertThrows(() => fields({ bin: "b", between: [2, 1] }), RangeError, "empty");
  assertThrows(() => fields({ bin: "0123456789abcdef", equals: 1 }), RangeError, "15 bytes");
});
