import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, fromHex, toHex } from "../base/mod.ts";
import { isMsgpackList, isMsgpackMap, msgpackSkip } from "./msgpack.ts";

/** Values of every type, each with all that belongs to it. */
const VALUES = [
  "00",
  "7f",
  "e0",
  "ff",
  "c0",
  "c2",
  "c3",
  "80",
  "90",
  "a0",
  "a3616263",
  "bf" + "61".repeat(31),
  "c400",
  "c40301ffc1",
  "c50002c1c1",
  "c600000001c1",
  "c70001",
  "c7020105c1",
  "c8000101aa",
  "c90000000101bb",
  "ca00000000",
  "cb0000000000000000",
  "cc80",
  "cd8000",
  "ce80000000",
  "cf8000000000000000",
  "d080",
  "d18000",
  "d280000000",
  "d38000000000000000",
  "d40001",
  "d5000102",
  "d60001020304",
  "d7000102030405060708",
  "d800" + "0f".repeat(16),
  "d90161",
  "da000161",
  "db0000000161",
  "93010203",
  "dc000201c0",
  "dd0000000191c0",
  "8201029303040580",
  "de00010101",
  "df000000010180",
  "92c7000105",
  "82c70003c001c0",
].map(fromHex);

function skip(bytes: Uint8Array, at = 0, count = 1): number {
  return msgpackSkip(bytes, at, { end: bytes.length, count });
}

describe("msgpackSkip()", () => {
  it("finds the end of a value of every type, and refuses it cut anywhere", () => {
    for (const value of VALUES) {
      assertEquals(skip(value), value.length, toHex(value));
      assertEquals(skip(new Uint8Array([...value, 0xc1, 0])), value.length);
      assertEquals(skip(new Uint8Array([7, ...value]), 1), value.length + 1);
      for (let end = 0; end < value.length; end++) {
        assertEquals(skip(value.slice(0, end)), -1, `${toHex(value)} cut at ${end}`);
        assertEquals(msgpackSkip(value, 0, { end }), -1);
      }
    }
  });

  it("skips as many values as are asked for", () => {
    const bytes = new Uint8Array(VALUES.flatMap((value) => [...value]));
    assertEquals(skip(bytes, 0, VALUES.length), bytes.length);
    assertEquals(skip(bytes, 0, VALUES.length + 1), -1);
    assertEquals(skip(bytes, 3, 0), 3);
  });

  it("finds the end of any nested value", () => {
    const { tree } = fc.letrec<{ tree: number[] }>((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(...VALUES.slice(0, 38)).map((value) => [...value]),
        fc.array(tie("tree"), { maxLength: 15 }).map((items) => [0x90 | items.length, ...items.flat()]),
        fc.array(fc.tuple(tie("tree"), tie("tree")), { maxLength: 15 })
          .map((pairs) => [0x80 | pairs.length, ...pairs.flat(2)]),
        fc.array(tie("tree"), { maxLength: 20 }).map((items) => [0xdc, 0, items.length, ...items.flat()]),
      ),
    }));
    fc.assert(fc.property(tree, (value) => {
      const bytes = new Uint8Array(value);
      assertEquals(skip(bytes), bytes.length);
      assertEquals(skip(bytes.slice(0, -1)), -1);
    }));
  });

  it("refuses counts that promise more than there is, without walking them", () => {
    for (
      const hex of [
        "ddffffffff",
        "dfffffffff",
        "dcffff",
        "deffff",
        "c6ffffffff",
        "dbffffffff",
        "c9ffffffff00",
        "c1",
        "",
      ]
    ) {
      assertEquals(skip(fromHex(hex)), -1, hex);
    }
    const counts = new ByteBuffer();
    for (let index = 0; index < 200_000; index++) counts.append(fromHex("ddffffffff"));
    assertEquals(skip(counts.toBytes()), -1);
  });

  it("follows any depth without recursion", () => {
    const deep = new Uint8Array(1_000_001).fill(0x91);
    deep[1_000_000] = 0xc0;
    assertEquals(skip(deep), deep.length);
    assertEquals(skip(deep.slice(0, -1)), -1);
  });

  it("never reads beyond the end when the bytes are random", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const end = skip(bytes);
        assert(end === -1 || (end > 0 && end <= bytes.length));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("isMsgpackList(), isMsgpackMap()", () => {
  it("tell the types of containers apart", () => {
    const types = (is: (type: number) => boolean) =>
      Array.from({ length: 256 }, (_, type) => type).filter(is).map((type) => type.toString(16)).join(" ");
    assertEquals(types(isMsgpackList), "90 91 92 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f dc dd");
    assertEquals(types(isMsgpackMap), "80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f de df");
  });
});
