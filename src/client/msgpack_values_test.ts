import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteBuffer, fromHex, MSGPACK_DEPTH_MAX, toHex, WireError } from "../base/mod.ts";
import { decodeMsgpack, encodeMsgpack } from "./msgpack_values.ts";
import { appendParticle, decodeParticle } from "./particle.ts";
import { Double, GeoJson, Hll, INFINITE, TypedBlob, type Value, WILDCARD } from "./value.ts";

const decodeHex = (hex: string): Value => {
  const bytes = fromHex(hex);
  return decodeMsgpack(bytes, 0, bytes.length);
};

/** Values that come back as they went. */
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
  fc.double(),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }),
  fc.string().map((text) => new GeoJson(text)),
  fc.uint8Array().map((bytes) => new Hll(bytes)),
  fc.uint8Array().map((bytes) => new TypedBlob(9, bytes)),
);
const nested: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("value")),
    fc.array(fc.tuple(fc.string(), tie("value"))).map((entries) => new Map(entries)),
  ),
})).value;

Deno.test("encodeMsgpack() gives the captured bytes", () => {
  const list = [1, "a", 2.5, null, true, new Uint8Array([9])];
  assertEquals(toHex(encodeMsgpack(list)), "9601a20361cb4004000000000000c0c3a20409");
  assertEquals(toHex(encodeMsgpack([255, [16, 0], [1, 1]])), "93ccff921000920101");
  assertEquals(toHex(encodeMsgpack([1, ["x"], 8, 255, 0])), "950191a2037808ccff00");
  assertEquals(toHex(encodeMsgpack([WILDCARD, INFINITE])), "92d4ff00d4ff01");
});

Deno.test("encodeMsgpack() takes the smallest form of each integer", () => {
  const forms: [number | bigint, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65535, "cdffff"],
    [65536, "ce00010000"],
    [4294967295, "ceffffffff"],
    [4294967296, "cf0000000100000000"],
    [2n ** 63n - 1n, "cf7fffffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32768, "d18000"],
    [-32769, "d2ffff7fff"],
    [-2147483648, "d280000000"],
    [-2147483649, "d3ffffffff7fffffff"],
    [-(2n ** 63n), "d38000000000000000"],
  ];
  for (const [value, hex] of forms) {
    assertEquals(toHex(encodeMsgpack(value)), hex);
    assertEquals(decodeHex(hex), value);
  }
});

Deno.test("decodeMsgpack() returns what encodeMsgpack() was given", () => {
  fc.assert(fc.property(nested, (value) => {
    const bytes = encodeMsgpack(value);
    assertEquals(decodeMsgpack(bytes, 0, bytes.length), value);
  }));
});

Deno.test("decodeParticle() returns what appendParticle() was given", () => {
  fc.assert(fc.property(nested, (value) => {
    const out = new ByteBuffer(16);
    const type = appendParticle(out, value);
    assertEquals(decodeParticle(type, out.bytes, { at: 0, end: out.length }), value);
  }));
});

Deno.test("decodeMsgpack() throws WireError when the value is cut at any byte", () => {
  fc.assert(fc.property(nested, (value) => {
    const bytes = encodeMsgpack(value);
    for (let end = 0; end < bytes.length; end += Math.max(1, bytes.length >> 5)) {
      assertThrows(() => decodeMsgpack(bytes, 0, end), WireError);
    }
  }));
});

Deno.test("decodeMsgpack() returns a value or throws WireError for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
      try {
        decodeMsgpack(bytes, 0, bytes.length);
      } catch (error) {
        assert(error instanceof WireError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("decodeMsgpack() skips ordering markers at the front only", () => {
  assertEquals(decodeHex("82c70001c0a2036b01"), new Map([["k", 1]]));
  assertEquals(decodeHex("93c700010102"), [1, 2]);
  assertThrows(() => decodeHex("9301c7000102"), WireError, "ordering marker");
  assertThrows(() => decodeHex("c70001"), WireError, "ordering marker");
});

Deno.test("decodeMsgpack() refuses counts that can't be true before it allocates", () => {
  assertThrows(() => decodeHex("ddffffffff01"), WireError, "4294967295");
  assertThrows(() => decodeHex("dfffffffff01"), WireError);
});

Deno.test("lists nested too deeply are refused both ways", () => {
  let value: Value = 1;
  for (let depth = 0; depth < MSGPACK_DEPTH_MAX; depth++) value = [value];
  const bytes = encodeMsgpack(value);
  assertEquals(decodeMsgpack(bytes, 0, bytes.length), value);
  assertThrows(() => encodeMsgpack([value]), RangeError, "nested deeper");
  const deeper = new Uint8Array([0x91, ...bytes]);
  assertThrows(() => decodeMsgpack(deeper, 0, deeper.length), WireError, "nests deeper");
  const circle: Value[] = [];
  circle.push(circle);
  assertThrows(() => encodeMsgpack(circle), RangeError);
});

Deno.test("values that can't be stored are refused with their kind", () => {
  const out = new ByteBuffer(16);
  assertThrows(() => appendParticle(out, undefined as unknown as Value), TypeError, "undefined");
  assertThrows(() => appendParticle(out, new Date() as unknown as Value), TypeError, "Date");
  assertThrows(() => appendParticle(out, [() => 1] as unknown as Value), TypeError, "function");
  assertThrows(() => appendParticle(out, 2n ** 63n), RangeError, "64 bits");
  assertThrows(() => encodeMsgpack([-(2n ** 63n) - 1n]), RangeError, "64 bits");
});

Deno.test("numbers keep their kind", () => {
  const kind = (value: Value) => appendParticle(new ByteBuffer(16), value);
  assertEquals([1, 1n, new Double(1), 1.5, -0, 2 ** 53, NaN].map(kind), [1, 1, 2, 2, 2, 2, 2]);
});

Deno.test("decodeParticle() refuses sizes that don't fit the type", () => {
  for (const [type, size] of [[1, 7], [2, 9], [17, 2], [23, 2]] as const) {
    const bytes = new Uint8Array(size).fill(1);
    if (type === 23) {
      assertEquals(decodeParticle(type, new Uint8Array([0, 0, 0]), { at: 0, end: 3 }), new GeoJson(""));
    }
    assertThrows(
      () =>
        decodeParticle(type, type === 23 ? new Uint8Array([0, 0, 1]) : bytes, {
          at: 0,
          end: type === 23 ? 3 : size,
        }),
      WireError,
    );
  }
});

Deno.test("text keeps a leading byte order mark", () => {
  const text = "\ufeffa";
  const bytes = encodeMsgpack([text]);
  assertEquals(decodeMsgpack(bytes, 0, bytes.length), [text]);
});
