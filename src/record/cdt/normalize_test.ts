import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, fromHex, MSGPACK_DEPTH_MAX, toHex } from "../../base/mod.ts";
import { list, map } from "./arbitrary_testing.ts";
import { callOf, encode, ListModel, MapModel, plain, run, type Value } from "./model_testing.ts";
import { appendStoredBin } from "./normalize.ts";

/** What is stored of a bin that lies between other bytes, as clients see it; "refused" when there is none. */
function stored(value: Uint8Array, isMap: boolean): string {
  const bytes = new Uint8Array(value.length + 6).fill(0x01);
  bytes.set(value, 3);
  const out = new ByteBuffer(16);
  out.appendU8(0xee);
  const size = appendStoredBin({ bytes, at: 3, end: 3 + value.length }, isMap, out);
  if (size < 0) {
    assertEquals(out.length, 1);
    return "refused";
  }
  assertEquals(out.length, size + 1);
  return toHex(plain(out.bytes.slice(1, out.length)));
}

const nested = (depth: number) => new Uint8Array([...new Uint8Array(depth).fill(0x91), 0x01]);

describe("appendStoredBin()", () => {
  it("stores lists and maps as the stock server does", () => {
    const cases: [sent: string, expected: string][] = [
      ["91cd0005", "9105"],
      ["91d30000000000000005", "9105"],
      ["91d005", "9105"],
      ["dd0000000105", "9105"],
      ["91d3fffffffffffffffb", "91fb"],
      ["91d2ffffff7f", "91d1ff7f"],
      ["91cfffffffffffffffff", "91cfffffffffffffffff"],
      ["91c4020361", "91a20361"],
      ["91d9020361", "91a20361"],
      ["91ca3f800000", "91ca3f800000"],
      ["93c700010102", "93c700010102"],
      ["92c7001101", "92c7000101"],
      ["92c700ff01", "92c7000101"],
      ["92c7000001", "9101"],
      ["92c7000201", "9101"],
      ["92c7001001", "9101"],
      ["92c70301aabbcc01", "92c7000101"],
      ["92d4010001", "92d4010001"],
      ["9201d40100", "9201d40100"],
      ["82c70013c00101", "82c70003c00101"],
      ["82c70002c00101", "82c70002c00101"],
      ["82c70008c00101", "810101"],
      ["82c70010c00101", "810101"],
      ["82c70001050101", "82c70001c00101"],
      ["8202010102", "8201020201"],
      ["9182020101 02", "918201020201"],
      ["91c7001101", "refused"],
    ];
    for (const [sent, expected] of cases) {
      const bytes = fromHex(sent.replaceAll(" ", ""));
      assertEquals(stored(bytes, (bytes[0] & 0xf0) === 0x80), expected, sent);
    }
  });

  it("refuses what the stock server refuses", () => {
    const lists = [
      "",
      "91",
      "9101 01",
      "91c1",
      "810101",
      "01",
      "91d4ff00",
      "91d4ff01",
      "91c701ff00",
      "93c700010201",
    ];
    const maps = [
      "",
      "8101",
      "9101",
      "8201010102",
      "82020101020101",
      "83c70001c002010101",
      "81c001",
      "81c301",
      "81cb3ff000000000000001",
      "819001",
      "818001",
      "81a2177b01",
      "81a2120001",
      "81a001",
      "81d4010001",
      "8101d4ff00",
      "81d4ff0001",
    ];
    for (const sent of lists) assertEquals(stored(fromHex(sent.replaceAll(" ", "")), false), "refused", sent);
    for (const sent of maps) assertEquals(stored(fromHex(sent), true), "refused", sent);
  });

  it("brings what is written in long forms to the short ones", () => {
    fc.assert(fc.property(fc.oneof(list, map), (container) => {
      const expected = toHex(encode(container));
      assertEquals(stored(encode(container, "shuffled"), container instanceof MapModel), expected);
      assertEquals(stored(encode(container), container instanceof MapModel), expected);
    }));
  });

  it("follows nesting up to the limit and refuses it beyond", () => {
    assertEquals(stored(nested(MSGPACK_DEPTH_MAX), false), toHex(nested(MSGPACK_DEPTH_MAX)));
    assertEquals(stored(nested(MSGPACK_DEPTH_MAX + 1), false), "refused");
    assertEquals(stored(nested(2_000_000), false), "refused");
  });
});

describe("comparison with a wildcard", () => {
  it("ends as equal where the wildcard is met", () => {
    const wildcard = "d4ff00";
    const cases: [pattern: string, matches: Value[], others: Value[]][] = [
      [`9201${wildcard}`, [new ListModel([1n, 2n]), new ListModel([1n, 2n, 3n])], [
        new ListModel([1n]),
        new ListModel([2n, 1n]),
      ]],
      [`91${wildcard}`, [new ListModel([2n]), new ListModel([1n, 6n])], [new ListModel([])]],
      [
        `929201${wildcard}05`,
        [new ListModel([new ListModel([1n, 2n]), 5n]), new ListModel([new ListModel([1n, 2n]), 6n])],
        [new ListModel([new ListModel([1n]), 5n]), new ListModel([new ListModel([2n]), 5n])],
      ],
      [`81a20361${wildcard}`, [new MapModel([["a", 7n]])], [
        new MapModel([["a", 2n], ["b", 3n]]),
        new MapModel([["b", 1n]]),
      ]],
      [wildcard, [null, 5n, "x", new ListModel([])], []],
    ];
    for (const [pattern, matches, others] of cases) {
      const call = new Uint8Array([0x93, 22, 1, ...fromHex(pattern)]);
      const bytes = encode(new ListModel([...matches, ...others]));
      const expected = matches.map((_, index) => BigInt(index));
      assertEquals(
        run(bytes, call, { mayModify: false }).answer,
        `20:${toHex(encode(new ListModel(expected)))}`,
        pattern,
      );
    }
  });

  it("finds all lists with a beginning between nil and infinity", () => {
    const lists = [
      new ListModel([1n]),
      new ListModel([1n, null]),
      new ListModel([1n, "z"]),
      new ListModel([2n]),
    ];
    const call = new Uint8Array([0x94, 25, 5, 0x92, 1, 0xc0, 0x92, 1, 0xd4, 0xff, 1]);
    assertEquals(run(encode(new ListModel(lists)), call, { mayModify: false }).answer, "1:0000000000000002");
  });

  it("is not stored", () => {
    for (const params of ["9201d4ff00", "930100d4ff01", "920291d4ff00", "92019201d4ff00"]) {
      assertEquals(run(encode(new ListModel([1n])), fromHex(params), { mayModify: true }).code, 4, params);
    }
    assertEquals(run(encode(new MapModel([])), fromHex("9343a20361d4ff00"), { mayModify: true }).code, 4);
    assertEquals(run(encode(new MapModel([])), fromHex("9343d4ff0001"), { mayModify: true }).code, 4);
    assertEquals(run(encode(new ListModel([])), callOf(1, [1n]), { mayModify: true }).code, 0);
  });
});
