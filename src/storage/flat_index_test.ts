import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ByteBuffer, fromHex, toHex, utf8 } from "../base/mod.ts";
import { appendReindexed, BinTable, SOURCE } from "../record/mod.ts";
import { PARTICLE } from "../wire/mod.ts";
import { EntryRef } from "./entry.ts";
import { encodeFlat, FlatRecord } from "./flat.ts";
import { measureFlat } from "./flat_check.ts";
import { withoutIndexes, withSoundIndexes } from "./flat_index.ts";
import { REPLACED, replaceRecord } from "./replace.ts";
import { testDigest, TestStore } from "./testing.ts";

/** A list and a map without index, with flags as stored. */
const LIST = fromHex("94c70001010203");
const MAP = fromHex("83c70003c001050203");
const META = { generation: 1, lastUpdateMs: 500_000_000_000, voidTime: 0, set: utf8("s"), key: undefined };

function indexed(container: Uint8Array): Uint8Array {
  const out = new ByteBuffer();
  appendReindexed({ bytes: container, at: 0, end: container.length }, out);
  return out.toBytes();
}

/** A flat record without padding of an integer, a list, a map and a text. */
function flatOf(list: Uint8Array, map: Uint8Array): Uint8Array {
  const request = new ByteBuffer();
  const table = new BinTable();
  const values: [type: number, value: Uint8Array][] = [
    [PARTICLE.LIST, list],
    [PARTICLE.MAP, map],
    [PARTICLE.STRING, utf8("dc0010c70010")],
  ];
  request.append(utf8("abcd"));
  const places = values.map(([, value]) => {
    request.append(value);
    return request.length - value.length;
  });
  table.reset(new Uint8Array(0), request.bytes);
  table.setNumber(table.add(SOURCE.REQUEST, 0, 1), PARTICLE.INTEGER, 0, 77);
  values.forEach(([type, value], at) => {
    table.setRange(table.add(SOURCE.REQUEST, at + 1, 1), type, SOURCE.REQUEST, places[at], value.length);
  });
  const out = new ByteBuffer();
  encodeFlat(out, testDigest(1), 0, META, table);
  return out.bytes.slice(0, measureFlat(out.bytes, 0, out.length));
}

const OWN = flatOf(indexed(LIST), indexed(MAP));
const PLAIN = flatOf(LIST, MAP);

describe("withoutIndexes()", () => {
  it("gives the record as it would be stored without the flag, and its size", () => {
    assertEquals(toHex(withoutIndexes(OWN)), toHex(PLAIN));
    assertEquals(measureFlat(withoutIndexes(OWN), 0, PLAIN.length), PLAIN.length);
    assertEquals(withoutIndexes(PLAIN), PLAIN);
  });
});

describe("withSoundIndexes()", () => {
  it("keeps a record whose indexes can be right, and replaces every other index", () => {
    assertEquals(withSoundIndexes(OWN, 0, OWN.length), undefined);
    // Offsets of the second and the third element: outside, equal, descending; too few; too many; a stock node's.
    const wrong = ["02910109", "02910101", "02910201", "019101", "0391010203", "02110102"];
    for (const [count, data] of wrong.entries()) {
      const list = new Uint8Array([0x94, 0xc7, ...fromHex(data), ...LIST.subarray(4)]);
      const sent = flatOf(list, indexed(MAP));
      assertEquals(toHex(withSoundIndexes(sent, 0, sent.length)!), toHex(OWN), `case ${count}`);
    }
  });
});

describe("replaceRecord()", () => {
  it("stores a record from another node with indexes of this node's form", () => {
    const foreign = fromHex("83c70613000000000000c001050203");
    const sent = flatOf(indexed(LIST), foreign);
    const it = new TestStore();
    const outcome = replaceRecord(it.store, { bytes: sent, at: 0, end: sent.length }, {
      rule: "replica",
      origin: "replica",
      waiter: { wake: () => {} },
    });
    assertEquals(outcome, REPLACED.APPLIED);
    const entry = new EntryRef();
    assert(it.store.find(testDigest(1), 0, entry));
    it.store.load(entry, { wake: () => {} });
    const { bytes, at } = it.store.flat;
    const stored = bytes.slice(at, at + OWN.length);
    stored[7] = OWN[7];
    assertEquals(toHex(stored), toHex(OWN));
  });
});

describe("FlatRecord.forEachRange()", () => {
  it("visits the bins whose values are bytes", () => {
    const record = new FlatRecord();
    record.open(PLAIN, 0);
    const seen: string[] = [];
    record.forEachRange((type, at, end) => seen.push(`${type} ${toHex(PLAIN, at, end)}`));
    assertEquals(seen, [
      `${PARTICLE.LIST} ${toHex(LIST)}`,
      `${PARTICLE.MAP} ${toHex(MAP)}`,
      `${PARTICLE.STRING} ${toHex(utf8("dc0010c70010"))}`,
    ]);
  });
});
