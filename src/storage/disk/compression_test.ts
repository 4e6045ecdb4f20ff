import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../base/mod.ts";
import { ByteBuffer } from "../../base/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { BinTable } from "../../record/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { encodeFlat, FLAT_FLAG, FLAT_FLAGS_AT, FlatRecord } from "../flat.ts";
import { testDigest, TestRandom } from "../testing.ts";
import { lz4Compress, lz4Expand, lz4SizeMax } from "./lz4.ts";
import { type CompressionSettings, isCompressed, RecordCompression } from "./record_compression.ts";
import { snappyCompress, snappyExpand, snappySizeMax } from "./snappy.ts";

interface Codec {
  name: string;
  compress(source: Uint8Array): Uint8Array;
  expand(packed: Uint8Array, out: Uint8Array): boolean;
}

const codecs: Codec[] = [
  ...[1, 8].map((acceleration) => ({
    name: `lz4, acceleration ${acceleration}`,
    compress(source: Uint8Array) {
      const out = new Uint8Array(lz4SizeMax(source.length));
      return out.slice(0, lz4Compress({ bytes: source, start: 0, end: source.length }, out, acceleration));
    },
    expand: lz4Expand,
  })),
  {
    name: "snappy",
    compress(source) {
      const out = new Uint8Array(snappySizeMax(source.length));
      return out.slice(0, snappyCompress({ bytes: source, start: 0, end: source.length }, out));
    },
    expand: snappyExpand,
  },
];

/** Bytes with repetitions: near and far, short and long, overlapping what they repeat. */
function repetitive(random: TestRandom, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes;) {
    if (at > 8 && random.below(3) === 0) {
      const distance = 1 + random.below(at);
      for (let left = 4 + random.below(200); left > 0 && at < sizeBytes; left--, at++) {
        bytes[at] = bytes[at - distance];
      }
    } else bytes[at++] = random.u32();
  }
  return bytes;
}

for (const { name, compress, expand } of codecs) {
  describe(name, () => {
    const check = (source: Uint8Array) => {
      const out = new Uint8Array(source.length);
      assert(expand(compress(source), out), `${source.length} bytes`);
      assertEquals(toHex(out), toHex(source));
    };

    it("expands to what was compressed, of any size and content", () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check));
      const random = new TestRandom(1);
      for (let size = 0; size < 400; size++) check(repetitive(random, size));
      for (const size of [65_535, 65_536, 65_537, 200_001]) {
        check(repetitive(random, size));
        check(new Uint8Array(size));
      }
      assert(compress(new Uint8Array(100_000)).length < 5000);
    });

    it("refuses what is cut short or has another size, and stays within its bounds whatever it gets", () => {
      const random = new TestRandom(2);
      const source = repetitive(random, 1000);
      const packed = compress(source);
      for (let size = 0; size < packed.length; size++) {
        assert(!expand(packed.subarray(0, size), new Uint8Array(1000)), `cut at ${size}`);
      }
      for (const size of [0, 999, 1001]) assert(!expand(packed, new Uint8Array(size)));
      for (let count = 0; count < 5000; count++) {
        const damaged = packed.slice();
        damaged[random.below(damaged.length)] = random.u32();
        damaged[random.below(Math.min(8, damaged.length))] = random.u32();
        expand(damaged, new Uint8Array(1000));
      }
    });
  });
}

describe("lz4 and snappy", () => {
  // Made by other implementations: lz4js 0.2.0 and snappyjs 0.7.0.
  const text = utf8("a record, a bin, a particle; a record, a bin, a particle; and so on and on and on");
  const theirs: [string, typeof lz4Expand, string][] = [
    [
      "lz4",
      lz4Expand,
      "f00061207265636f72642c20612062696e0700af7061727469636c653b201d000bc16e6420736f206f6e20616e640700506e64206f6e",
    ],
    [
      "snappy",
      snappyExpand,
      "513861207265636f72642c20612062696e0107247061727469636c653b20761d00546e6420736f206f6e20616e64206f6e20616e64206f6e",
    ],
  ];
  for (const [name, expand, hex] of theirs) {
    it(`${name} expands what another implementation made`, () => {
      const out = new Uint8Array(text.length);
      assert(expand(fromHex(hex), out));
      assertEquals(out, text);
    });
  }
});

describe("RecordCompression", () => {
  const settings: CompressionSettings = {
    compression: "none",
    compressionLevel: 0,
    compressionAcceleration: 0,
  };
  const compute = createCompute();

  function record(value: Uint8Array, isTombstone = false): { bytes: Uint8Array; units: number } {
    const request = new Uint8Array(1 + value.length);
    request.set(utf8("b"));
    request.set(value, 1);
    const table = new BinTable();
    table.reset(request, request);
    if (!isTombstone) table.setFromRequest(table.add(1, 0, 1), PARTICLE.BLOB, 1, value.length);
    const out = new ByteBuffer(64);
    const units = encodeFlat(out, testDigest(1), 0, {
      generation: 3,
      lastUpdateMs: 500_000_000_123,
      voidTime: 600_000_000,
      set: utf8("users"),
      key: Uint8Array.of(PARTICLE.STRING, 1, 2, 3),
      treeId: 5,
    }, table);
    return { bytes: out.bytes.slice(0, units * 16), units };
  }

  for (const compression of ["lz4", "snappy", "zstd"] as const) {
    it(`stores a record by ${compression} when that is smaller, and gives back the very bytes`, () => {
      const it = new RecordCompression({ ...settings, compression }, compute);
      for (const sizeBytes of [200, 5000, 200_000]) {
        const { bytes, units } = record(new Uint8Array(sizeBytes).fill(7));
        const stored = it.compress(bytes, units);
        assert(stored < units / 2);
        assert(isCompressed(it.bytes, 0));
        const padded = new Uint8Array(3 + stored * 16);
        padded.set(it.bytes.subarray(0, stored * 16), 3);
        assertEquals(toHex(it.expand(padded, 3)!), toHex(bytes));
        const head = new FlatRecord();
        head.open(padded, 3);
        const { generation, voidTime, setSize, keySize, treeId, binCount, sizeUnits } = head;
        assertEquals([generation, voidTime, setSize, keySize, treeId, binCount, sizeUnits], [
          3,
          600_000_000,
          5,
          4,
          5,
          1,
          stored,
        ]);
      }
    });
  }

  it("leaves a record as it is when it does not get smaller, is small, or is a tombstone", () => {
    const it = new RecordCompression({ ...settings, compression: "lz4" }, compute);
    const noise = new Uint8Array(5000);
    new TestRandom(3).fill(noise);
    for (const { bytes, units } of [record(noise), record(new Uint8Array(20)), record(noise, true)]) {
      assertEquals(it.compress(bytes, units), units);
      assertEquals(it.bytes, bytes);
    }
  });

  it("ratio is the stored size by the full size of late records", () => {
    const changing = { ...settings };
    const it = new RecordCompression(changing, compute);
    assertEquals(it.ratio, 1);
    changing.compression = "lz4";
    const { bytes, units } = record(new Uint8Array(16_000));
    for (let count = 0; count < 3000; count++) it.compress(bytes, units);
    assert(it.ratio < 0.05, `${it.ratio}`);
  });

  it("expand() refuses bins that are damaged, that are too large, or whose method it does not know", () => {
    const it = new RecordCompression({ ...settings, compression: "zstd" }, compute);
    const { bytes, units } = record(new Uint8Array(5000));
    const stored = it.compress(bytes, units);
    const good = it.bytes.slice(0, stored * 16);
    const head = new FlatRecord();
    head.open(good, 0);
    const bodyAt = head.binsAt;
    const changed = (offset: number, ...values: number[]) => {
      const copy = good.slice();
      copy.set(values, bodyAt + offset);
      return copy;
    };
    assert(it.expand(good, 0) !== undefined);
    for (
      const bad of [
        changed(0, 9),
        changed(1, 0xff, 0xff, 0xff, 0x7f),
        changed(1, 0xf8),
        changed(5, 0xff, 0xff),
        changed(9, 0, 0, 0, 0),
      ]
    ) assertEquals(it.expand(bad, 0), undefined);
    const noBody = good.slice(0, 48);
    noBody[FLAT_FLAGS_AT] = 2;
    noBody[FLAT_FLAGS_AT + 1] = 0;
    noBody[FLAT_FLAGS_AT + 2] = (FLAT_FLAG.COMPRESSED | FLAT_FLAG.BINS) >>> 16;
    it.expand(noBody, 0);
  });

  it("expand() makes no room for more than the largest record, whatever a record says", () => {
    let askedBytes = 0;
    const it = new RecordCompression({ ...settings, compression: "zstd" }, {
      ...compute,
      zstdExpand: (_, sizeBytes) => void (askedBytes = sizeBytes),
    });
    const { bytes, units } = record(new Uint8Array(5000));
    it.compress(bytes, units);
    const head = new FlatRecord();
    head.open(it.bytes, 0);
    for (const sizeMib of [8, 64]) {
      const copy = it.bytes.slice();
      const bodySize = sizeMib * 1024 * 1024 + 16 - head.binsAt % 16;
      new DataView(copy.buffer).setUint32(head.binsAt + 1, bodySize, true);
      assertEquals(it.expand(copy, 0), undefined);
      assertEquals(askedBytes, 0);
    }
  });

  it("does without zstd where the platform has none, and leaves records as they are", () => {
    const it = new RecordCompression({ ...settings, compression: "zstd" }, {
      ...compute,
      hasZstd: () => false,
    });
    assertEquals(it.isOn, false);
  });
});
