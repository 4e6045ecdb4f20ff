import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteBuffer, utf8, utf8Decode } from "../../src/base/mod.ts";
import { PARTICLE } from "../../src/wire/mod.ts";
import { type AsbBin, type AsbItem, type AsbRecord, AsbWriter, BYTES_TOKENS } from "./asb.ts";
import { AsbFormatError, AsbReader } from "./asb_reader.ts";

/** The sample of the format's public description. */
const SAMPLE = `Version 3.1
# namespace test
# first-file
* i test test-set int-index N 1 int-bin N
* i test test-set string-index N 1 string-bin S
* u L test.lua 27 -- just an empty Lua file


+ n test
+ d q+LsiGs1gD9duJDbzQSXytajtCY=
+ s test-set
+ g 1
+ t 0
+ b 2
- I int-bin 12345
- S string-bin 5 abcde
`;

function readAll(bytes: Uint8Array, pieceSize = bytes.length): AsbItem[] {
  const reader = new AsbReader();
  const items: AsbItem[] = [];
  for (let at = 0; at < bytes.length; at += pieceSize) {
    reader.push(bytes.subarray(at, at + pieceSize));
    for (let item = reader.next(); item !== undefined; item = reader.next()) items.push(item);
  }
  reader.end();
  return items;
}

function writeAll(items: readonly AsbItem[], isCompact: boolean): Uint8Array {
  const out = new ByteBuffer(64);
  const writer = new AsbWriter(out, { isCompact });
  const name = items.find((item) => item.kind === "namespace")?.name ?? "test";
  writer.begin(name, {
    isFirst: items.some(({ kind }) => kind === "first-file"),
    hasExpressions: items.some((item) => item.kind === "index" && item.expression !== undefined),
  });
  for (const item of items) {
    if (item.kind === "index") writer.index(item);
    else if (item.kind === "module") writer.module(item);
    else if (item.kind === "record") assertEquals(writer.record(item), []);
  }
  return out.toBytes();
}

Deno.test("AsbReader reads the published sample, cut anywhere, and AsbWriter writes it again", () => {
  const bytes = utf8(SAMPLE);
  const items = readAll(bytes);
  assertEquals(items.map(({ kind }) => kind), [
    "namespace",
    "first-file",
    "index",
    "index",
    "module",
    "record",
  ]);
  assertEquals((items[5] as AsbRecord).bins.map(({ name, type }) => [name, type]), [
    ["int-bin", PARTICLE.INTEGER],
    ["string-bin", PARTICLE.STRING],
  ]);
  for (const pieceSize of [1, 2, 3, 7, 100]) assertEquals(readAll(bytes, pieceSize), items);
  assertEquals(utf8Decode(writeAll(items, false)), SAMPLE);
});

Deno.test("AsbReader reads what AsbWriter wrote", () => {
  const name = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0"));
  const bin: fc.Arbitrary<AsbBin> = fc.oneof(
    fc.record({
      name,
      type: fc.constantFrom(...BYTES_TOKENS.keys(), PARTICLE.STRING, PARTICLE.GEOJSON),
      bytes: fc.uint8Array({ maxLength: 40 }),
    }),
    fc.record({
      name,
      type: fc.constant(PARTICLE.INTEGER as number),
      bytes: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    }),
    fc.tuple(name, fc.double({ noNaN: true })).map(([name, value]) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value);
      return { name, type: PARTICLE.FLOAT as number, bytes };
    }),
    fc.record({
      name,
      type: fc.constant(PARTICLE.BOOL as number),
      bytes: fc.constantFrom(Uint8Array.of(0), Uint8Array.of(1)),
    }),
    fc.record({ name, type: fc.constant(PARTICLE.NULL as number), bytes: fc.constant(new Uint8Array(0)) }),
  );
  const record: fc.Arbitrary<AsbItem> = fc.record({
    kind: fc.constant("record" as const),
    namespace: name,
    set: fc.oneof(fc.constant(""), name),
    digest: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    key: fc.oneof(
      fc.constant(undefined),
      fc.string(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }),
      fc.uint8Array(),
      fc.double({ noNaN: true }).map((float) => ({ float })),
    ),
    generation: fc.integer({ min: 1, max: 65535 }),
    voidTime: fc.integer({ min: 0, max: 0xffff_ffff }),
    bins: fc.array(bin, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 4 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 60 }),
      (records, isCompact, size) => {
        const items: AsbItem[] = [{ kind: "namespace", name: "a b\\c\nd" }, ...records];
        assertEquals(readAll(writeAll(items, isCompact), size), items);
      },
    ),
  );
});

Deno.test("AsbReader and AsbWriter know version 3.2 with indexes over expressions", () => {
  const text = "Version 3.2\n# namespace test\n# first-file\n* i test all ix_ctx N 1 om N lCKiA2MiogN6\n" +
    "* e test all ix_exp N 1 null N kxSTUQKhaQE=\n";
  const items = readAll(utf8(text));
  assertEquals(items[3], {
    kind: "index",
    namespace: "test",
    set: "all",
    name: "ix_exp",
    type: "N",
    bin: "",
    dataType: "N",
    context: undefined,
    expression: "kxSTUQKhaQE=",
  });
  assertEquals(utf8Decode(writeAll(items, false)), text);
});

Deno.test("AsbReader reads floats without digits as each of the field's tools writes them", () => {
  for (
    const [word, value] of [["+Inf", Infinity], ["-Inf", -Infinity], ["inf", Infinity], ["NaN", NaN]] as const
  ) {
    const record = readAll(utf8(SAMPLE.replace("I int-bin 12345", `D float-bin ${word}`)))[5] as AsbRecord;
    assertEquals(new DataView(record.bins[0]!.bytes.buffer).getFloat64(0), value, word);
  }
});

Deno.test("AsbReader refuses damaged files with the place", () => {
  const bad: [string, string][] = [
    ["Version 2.0\n", "no backup of version 3.1"],
    ["Version 3.3\n", "no backup of version 3.1 or 3.2"],
    ["hello", "no backup of version 3.1"],
    ["Version 3.2\n# namespace test\n* e test all ix N 1 null N\n", "secondary index is malformed"],
    [SAMPLE.replace("+ g 1", "+ g x"), "no number"],
    [SAMPLE.replace("q+LsiGs1gD9duJDbzQSXytajtCY=", "q+Ls"), "20 bytes"],
    [SAMPLE.replace("- I int-bin 12345", "- I int-bin 99999999999999999999"), "64-bit"],
    [SAMPLE.replace("- S", "- W"), "no type of a bin"],
    [SAMPLE.slice(0, -3), "ends in the middle"],
    [SAMPLE.replace("+ b 2", "+ b 3"), "ends in the middle"],
  ];
  for (const [text, complaint] of bad) assertThrows(() => readAll(utf8(text)), AsbFormatError, complaint);
});

Deno.test("AsbReader returns or throws AsbFormatError for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(SAMPLE.length), (noise, at) => {
    const bytes = utf8(SAMPLE);
    bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), at);
    try {
      readAll(bytes);
    } catch (error) {
      if (!(error instanceof AsbFormatError)) throw error;
    }
  }));
});
