import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, CorruptionError, fromHex, toHex, utf8, utf8Decode } from "../base/mod.ts";
import { BinTable, SOURCE } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { encodeFlat, type FlatMeta, FlatRecord, UNIT_SIZE_BYTES } from "./flat.ts";

const DIGEST = new Uint8Array(20).map((_, at) => at + 1);

/** One bin of a test record: numbers as two words, everything else as bytes. */
interface Bin {
  name: string;
  type: number;
  value: Uint8Array | { high: number; low: number };
}

function tableOf(bins: readonly Bin[]): BinTable {
  const request = new ByteBuffer();
  const places = bins.map((bin) => {
    const nameAt = request.length;
    request.append(utf8(bin.name));
    const valueAt = request.length;
    if (bin.value instanceof Uint8Array) request.append(bin.value);
    return { nameAt, valueAt };
  });
  const table = new BinTable();
  table.reset(new Uint8Array(0), request.bytes);
  bins.forEach((bin, index) => {
    const { nameAt, valueAt } = places[index];
    const row = table.add(SOURCE.REQUEST, nameAt, valueAt - nameAt);
    if (bin.value instanceof Uint8Array) {
      table.setRange(row, bin.type, SOURCE.REQUEST, valueAt, bin.value.length);
    } else {
      table.setNumber(row, bin.type, bin.value.high, bin.value.low);
    }
  });
  return table;
}

function binsOf(table: BinTable): Bin[] {
  const bins: Bin[] = [];
  for (let row = 0; row < table.rowCount; row++) {
    const nameAt = table.nameAt[row];
    const name = utf8Decode(table.nameBuffer(row).subarray(nameAt, nameAt + table.nameSize[row]));
    const type = table.type[row];
    const at = table.valueAt[row];
    const isNumber = type === PARTICLE.INTEGER || type === PARTICLE.FLOAT || type === PARTICLE.BOOL;
    bins.push({
      name,
      type,
      value: isNumber
        ? { high: table.high[row], low: table.low[row] }
        : table.valueBuffer(row).slice(at, at + table.valueSize[row]),
    });
  }
  return bins;
}

const META: FlatMeta = {
  generation: 1,
  lastUpdateMs: 1,
  voidTime: 0,
  set: new Uint8Array(0),
  key: undefined,
};

function roundTrip(bins: readonly Bin[], meta: FlatMeta): { bins: Bin[]; record: FlatRecord } {
  const out = new ByteBuffer(64);
  // Something in front, so that offsets matter; stale bytes behind, so that padding does.
  out.append(new Uint8Array(7).fill(0xee));
  out.reserve(100);
  out.bytes.fill(0xee, out.length);
  const units = encodeFlat(out, DIGEST, 0, meta, tableOf(bins));
  assertEquals(out.length, 7 + units * UNIT_SIZE_BYTES);
  const record = new FlatRecord();
  record.open(out.bytes, 7);
  assertEquals(record.sizeUnits, units);
  const table = new BinTable();
  table.reset(record.bytes, new Uint8Array(0));
  record.loadBins(table);
  return { bins: binsOf(table), record };
}

const word = fc.oneof(
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  fc.constantFrom(0, 1, -1, 255, 256, 65535, 65536),
);
const bytes = fc.uint8Array({ maxLength: 40 });
const value = fc.oneof(
  fc.record({ type: fc.constant(PARTICLE.INTEGER), value: fc.record({ high: word, low: word }) }),
  fc.record({ type: fc.constant(PARTICLE.FLOAT), value: fc.record({ high: word, low: word }) }),
  fc.record({
    type: fc.constant(PARTICLE.BOOL),
    value: fc.constantFrom({ high: 0, low: 0 }, { high: 0, low: 1 }),
  }),
  fc.record({
    type: fc.constantFrom(
      PARTICLE.STRING,
      PARTICLE.BLOB,
      PARTICLE.JAVA_BLOB,
      PARTICLE.PYTHON_BLOB,
      PARTICLE.HLL,
      PARTICLE.GEOJSON,
    ),
    value: bytes,
  }),
  fc.record({
    type: fc.constant(PARTICLE.LIST),
    value: fc.constantFrom("90", "93010203", "92c7000105", "dc0001c0", "dd00000001c70011").map(fromHex),
  }),
  fc.record({
    type: fc.constant(PARTICLE.MAP),
    value: fc.constantFrom("80", "810102", "82c70001c00102", "de0001c70003c0", "df0000000101c0").map(fromHex),
  }),
);
const bin = fc.tuple(fc.string({ minLength: 1, maxLength: 5 }), value).map(([name, given]) => ({
  name,
  ...given,
}));

describe("encodeFlat()", () => {
  it("gives back every bin and header value when any record is read again", () => {
    const meta = fc.record({
      generation: fc.integer({ min: 1, max: 65535 }),
      lastUpdateMs: fc.integer({ min: 1, max: 2 ** 40 - 1 }),
      voidTime: fc.integer({ min: 0, max: 2 ** 31 }),
      set: fc.uint8Array({ maxLength: 63 }),
      key: fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }), { nil: undefined }),
    });
    fc.assert(fc.property(fc.array(bin, { maxLength: 40 }), meta, (bins, header) => {
      const read = roundTrip(bins, header);
      assertEquals(read.bins, bins);
      const { record } = read;
      assertEquals(record.generation, header.generation);
      assertEquals(record.lastUpdateMs, header.lastUpdateMs);
      assertEquals(record.voidTime, header.voidTime);
      assertEquals(record.key(), header.key);
      assertEquals(record.setSize, header.set.length);
      if (record.setAt >= 0) {
        assertEquals(record.bytes.slice(record.setAt, record.setAt + record.setSize), header.set);
      }
      assertEquals(toHex(record.bytes, record.digestAt, record.digestAt + 20), toHex(DIGEST));
    }));
  });

  it("writes sizes and counts of more than 7 bits when a record is large", () => {
    const bins = Array.from({ length: 20_000 }, (_, index) => ({
      name: `b${index}`,
      type: PARTICLE.INTEGER,
      value: { high: 0, low: index },
    }));
    const { bins: read, record } = roundTrip(bins, { ...META, key: new Uint8Array(100_000).fill(3) });
    assertEquals(record.binCount, 20_000);
    assertEquals(record.key()!.length, 100_000);
    assertEquals(read, bins);
  });

  it("makes a header without bins when the table is empty: a tombstone", () => {
    const { record, bins } = roundTrip([], { ...META, set: utf8("s") });
    assertEquals([record.binCount, bins.length, record.sizeUnits], [0, 0, 3]);
  });
});

describe("FlatRecord", () => {
  it("open() throws CorruptionError when there is no record", () => {
    assertThrows(() => new FlatRecord().open(new Uint8Array(64), 16), CorruptionError);
  });

  it("loadBins() skips the metadata of bins when another node has written it", () => {
    const out = new ByteBuffer(128);
    encodeFlat(
      out,
      DIGEST,
      0,
      META,
      tableOf([{ name: "a", type: PARTICLE.BLOB, value: new Uint8Array(16) }]),
    );
    // Bin "a" with metadata: flags 0x80 | LUT | source, 5 + 1 bytes; then the integer 7.
    const bin = fromHex("0161" + "83" + "0102030405" + "09" + "01" + "01" + "07");
    out.bytes.set(bin, 36);
    const record = new FlatRecord();
    record.open(out.bytes, 0);
    const table = new BinTable();
    table.reset(out.bytes, out.bytes);
    record.loadBins(table);
    assertEquals(binsOf(table), [{ name: "a", type: PARTICLE.INTEGER, value: { high: 0, low: 7 } }]);
  });
});

/** Bits of the second word that stock nodes set and this node leaves 0: the tree id. */
const TREE_ID_MASK = 0xfc;

describe("flat records of stock nodes", () => {
  it("are written byte for byte as they were read", async () => {
    const text = await Deno.readTextFile(
      new URL("../../testdata/captures/flat_records.txt", import.meta.url),
    );
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert(lines.length > 20);
    for (const line of lines) {
      const stock = fromHex(line);
      const units = Math.ceil(stock.length / UNIT_SIZE_BYTES);
      const padded = new Uint8Array(units * UNIT_SIZE_BYTES);
      padded.set(stock);
      const record = new FlatRecord();
      record.open(padded, 0);
      const table = new BinTable();
      table.reset(padded, padded);
      record.loadBins(table);
      const out = new ByteBuffer(64);
      encodeFlat(out, padded, record.digestAt, {
        generation: record.generation,
        lastUpdateMs: record.lastUpdateMs,
        voidTime: record.voidTime,
        set: record.setAt < 0 ? new Uint8Array(0) : padded.slice(record.setAt, record.setAt + record.setSize),
        key: record.key(),
      }, table);
      padded[7] &= ~TREE_ID_MASK;
      assertEquals(toHex(out.view()), toHex(padded));
    }
  });
});
