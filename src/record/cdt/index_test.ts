import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, toHex } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { list, map, place, value } from "./arbitrary_testing.ts";
import { appendReindexed, isSoundIndex } from "./foreign_index.ts";
import { FLAG, isMapLead, isPersisted, makeHead, readHead } from "./head.ts";
import { CdtMachine, findInContext, runCdt } from "./mod.ts";
import { callOf, encode, ListModel, MapModel, plain, type Value, withIndex } from "./model_testing.ts";
import { appendStoredBin } from "./normalize.ts";

const machine = new CdtMachine();

/** Runs a call on a stored container. */
function runOn(stored: Uint8Array, code: number, params: Value[], mayModify = true) {
  const call = callOf(code, params);
  const out = new ByteBuffer();
  const isMap = isMapLead(stored[0]);
  const target = {
    type: isMap ? PARTICLE.MAP : PARTICLE.LIST,
    bytes: stored,
    at: 0,
    end: stored.length,
  };
  const result = runCdt(machine, target, { bytes: call, at: 0, end: call.length, mayModify }, out);
  return {
    code: result,
    after: machine.isChanged ? out.bytes.slice(machine.newAt, machine.newAt + machine.newSize) : stored,
    integer: machine.result.low,
  };
}

function dataRange(stored: Uint8Array): { at: number; size: number; contentAt: number } {
  const head = makeHead();
  readHead(stored, 0, head);
  return { at: head.dataAt, size: head.dataSize, contentAt: head.contentAt };
}

const numbers = (count: number) => Array.from({ length: count }, (_, at): Value => BigInt(at * 3));
const mapOf = (count: number, flags: number) =>
  new MapModel(numbers(count).map((key, at): [Value, Value] => [key, BigInt((at * 7) % count)]), flags);

/** Damages the content of all entries but some. */
function withDamage(stored: Uint8Array, kept: readonly number[], count: number): Uint8Array {
  const { contentAt } = dataRange(stored);
  const damaged = stored.slice();
  const entrySize = (stored.length - contentAt) / count;
  damaged.fill(0xc1, contentAt);
  for (const index of kept) {
    const at = contentAt + index * entrySize;
    damaged.set(stored.subarray(at, at + entrySize), at);
  }
  return damaged;
}

/** Indexes that a binary search for a place among `count` entries looks at, and that place. */
function searched(count: number, place: number): number[] {
  const looked = [place];
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    looked.push(middle);
    if (middle < place) low = middle + 1;
    else high = middle;
  }
  return looked;
}

describe("a persisted index", () => {
  // All keys and values are of the same size: from 0x100 to 0xffff.
  const COUNT = 1000;
  const wide = (at: number) => BigInt(0x100 + at * 3);
  const entries = Array.from({ length: COUNT }, (_, at): [Value, Value] => [wide(at), wide(COUNT - 1 - at)]);

  it("finds a key, an element and a rank by looking at log2(n) entries alone", () => {
    const keyed = withDamage(
      withIndex(encode(new MapModel(entries, 1))),
      searched(COUNT, 700),
      COUNT,
    );
    assertEquals(runOn(keyed, 97, [7n, wide(700)], false), {
      code: 0,
      after: keyed,
      integer: Number(wide(299)),
    });
    assertEquals(runOn(keyed, 97, [7n, wide(5)], false).code, 4);
    const sorted = withIndex(encode(new ListModel(entries.map(([key]) => key), true)));
    const damagedList = withDamage(sorted, searched(COUNT, 333), COUNT);
    assertEquals(runOn(damagedList, 20, [1n, wide(333)], false).integer, 333);
    assertEquals(runOn(damagedList, 19, [7n, 333n], false).integer, Number(wide(333)));
    const byValue = withIndex(encode(new MapModel(entries, 3)));
    const damagedMap = withDamage(byValue, searched(COUNT, 800).map((rank) => COUNT - 1 - rank), COUNT);
    assertEquals(runOn(damagedMap, 99, [1n, wide(800)], false).integer, COUNT - 1 - 800);
    assertEquals(runOn(damagedMap, 100, [7n, 800n], false).integer, Number(wide(800)));
  });

  it("is carried on by an edit that does not look at the other entries", () => {
    const looked = searched(COUNT, 700);
    const stored = withIndex(encode(new MapModel(entries, 1)));
    const put = runOn(withDamage(stored, looked, COUNT), 67, [wide(700), 5n]);
    assertEquals(put.code, 0);
    const expected = entries.map(([key, value], at): [Value, Value] => [key, at === 700 ? 5n : value]);
    const whole = withIndex(encode(new MapModel(expected, 1)));
    const { at, contentAt } = dataRange(whole);
    assertEquals(toHex(put.after, at, contentAt), toHex(whole, at, contentAt));
    const list = withIndex(encode(new ListModel(entries.map(([key]) => key))));
    const appended = runOn(withDamage(list, [999], COUNT), 1, [7n]);
    assertEquals(appended.code, 0);
    const longer = withIndex(encode(new ListModel([...entries.map(([key]) => key), 7n])));
    assertEquals(
      toHex(appended.after, 0, dataRange(longer).contentAt),
      toHex(longer, 0, dataRange(longer).contentAt),
    );
  });

  it("is kept through every kind of edit, and through all widths of offsets", () => {
    for (const [count, flags] of [[3, 0], [20, 1], [200, 3], [5000, 3], [30_000, 1]] as const) {
      let stored = withIndex(encode(mapOf(count, flags)));
      const steps: [code: number, params: Value[]][] = [
        [67, [1n, "x"]],
        [67, [-5n, "a long text, so that the offsets behind it need more room than they had: ".repeat(9)]],
        [73, [3n, 5n]],
        [76, [0n, 0n]],
        [77, [0n, -1n]],
        [68, [new MapModel([[2n, 2n], [300n, 1n], [90_001n, null]])]],
        [79, [0n, 0n]],
        [87, [0n, 1n, 1n]],
        [84, [0n, 3n, 10n]],
        [255, [new ListModel([0x62n, "new"]), new ListModel([1n, 1n])]],
        [255, [new ListModel([0x22n, "new"]), new ListModel([1n, "again"])]],
      ];
      for (const [code, params] of steps) {
        const { code: result, after } = runOn(stored, code, params);
        assertEquals(result, 0, `code ${code}`);
        assert(isPersisted(after, 0, after.length), `code ${code}`);
        plain(after);
        stored = after;
      }
    }
  });

  it("comes and goes with SET_TYPE, and by the flags of what creates a container", () => {
    const unordered = encode(new ListModel([3n, 1n]));
    const sorted = runOn(unordered, 0, [0x11n]);
    assertEquals(toHex(sorted.after), toHex(withIndex(encode(new ListModel([1n, 3n], true)))));
    assertEquals(toHex(runOn(sorted.after, 0, [1n]).after), toHex(encode(new ListModel([1n, 3n], true))));
    const byKey = runOn(encode(mapOf(5, 0)), 64, [0x13n]);
    assertEquals(toHex(byKey.after), toHex(withIndex(encode(mapOf(5, 3)))));
    const out = new ByteBuffer();
    const missing = { type: PARTICLE.NULL, bytes: new Uint8Array(0), at: 0, end: 0 };
    const cases: [call: Uint8Array, expected: Uint8Array][] = [
      [callOf(1, [5n, 0x11n]), withIndex(encode(new ListModel([5n], true)))],
      [callOf(1, [5n, 0x10n]), withIndex(encode(new ListModel([5n])))],
      [callOf(67, [5n, 6n, 0x13n]), withIndex(encode(new MapModel([[5n, 6n]], 3)))],
      [
        callOf(255, [new ListModel([0x1a2n, "k"]), new ListModel([1n, 5n, 0x11n])]),
        withIndex(encode(new MapModel([["k", new ListModel([5n], true)]], 1))),
      ],
    ];
    for (const [bytes, expected] of cases) {
      assertEquals(runCdt(machine, missing, { bytes, at: 0, end: bytes.length, mayModify: true }, out), 0);
      assertEquals(toHex(out.bytes, machine.newAt, machine.newAt + machine.newSize), toHex(expected));
    }
  });

  it("is not made when it would be larger than a record", () => {
    const count = 3_000_000;
    const sent = new Uint8Array(8 + count).fill(0xc0);
    sent.set([0xdd, 0, (count + 1) >> 16, (count + 1) >> 8 & 0xff, (count + 1) & 0xff, 0xc7, 0, 0x10]);
    const out = new ByteBuffer();
    assertEquals(appendStoredBin({ bytes: sent, at: 0, end: sent.length }, false, out), 5 + count);
    assert(!isPersisted(out.bytes, 0, out.length));
    assert(out.bytes.length <= 16 * 2 ** 20, `${out.bytes.length} bytes of room`);
  });

  it("is made anew when a client sends one, whatever it is", () => {
    const good = withIndex(encode(mapOf(40, 3)));
    const { at, size } = dataRange(good);
    for (const change of [() => 0xff, () => 0, (byte: number) => byte ^ 1]) {
      const sent = good.slice();
      for (let index = at; index < at + size; index++) sent[index] = change(sent[index]);
      const out = new ByteBuffer();
      const sizeBytes = appendStoredBin({ bytes: sent, at: 0, end: sent.length }, true, out);
      assertEquals(toHex(out.bytes, out.length - sizeBytes, out.length), toHex(good));
    }
  });
});

/** Other bytes in an index. */
const wrong = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 });

describe("a wrong index", () => {
  const container = fc.oneof(list, map);
  const calls = (params: { first: number; one: Value; two: Value }): [boolean, number, Value[]][] => {
    const [index, one, two] = [BigInt(params.first), params.one, params.two];
    return [
      ...[1, 3, 9, 12].map((code): [boolean, number, Value[]] => [
        false,
        code,
        code === 1 ? [one] : code === 12 ? [index] : [index, one],
      ]),
      [false, 13, [0n]],
      [false, 2, [new ListModel([one, two])]],
      ...[17, 18, 5, 7].map((code): [boolean, number, Value[]] => [false, code, [index]]),
      ...[19, 21, 24, 26, 37, 39].map((code): [boolean, number, Value[]] => [false, code, [7n, index]]),
      ...[20, 22, 25, 38].map((code): [boolean, number, Value[]] => [false, code, [7n, one]]),
      [false, 255, [new ListModel([0n, index]), new ListModel([1n, one])]],
      [true, 67, [two, one]],
      [true, 68, [new MapModel([[1n, one], ["a", two]])]],
      [true, 73, [1n]],
      ...[97, 99, 102, 103, 105, 76, 84, 86].map((
        code,
      ): [boolean, number, Value[]] => [true, code, [7n, one]]),
      ...[98, 100, 104, 106, 85, 87].map((code): [boolean, number, Value[]] => [true, code, [7n, index]]),
      [true, 110, [7n, one, index]],
      [true, 255, [new ListModel([2n, two]), new ListModel([1n, one])]],
      [true, 255, [new ListModel([1n, index]), new ListModel([67n, one, two])]],
    ];
  };

  it("ends every call with an answer that lies in the record, and what it stores can be read", () => {
    const codes = [0, 1, 4, 12, 23, 24, 26];
    const input = fc.record({ container, wrong, first: place, one: value, two: value });
    fc.assert(
      fc.property(input, ({ container, wrong, ...params }) => {
        const stored = withIndex(encode(container));
        const { at, size } = dataRange(stored);
        if (size === 0) return;
        for (const [offset, byte] of wrong) stored[at + offset % size] = byte;
        // Bytes behind the record belong to another one.
        const room = new Uint8Array(stored.length + 40).fill(0xa3);
        room.set(stored);
        const isMap = container instanceof MapModel;
        for (const [forMap, code, given] of calls(params)) {
          if (forMap !== isMap) continue;
          const call = callOf(code, given);
          const target = {
            type: isMap ? PARTICLE.MAP : PARTICLE.LIST,
            bytes: room,
            at: 0,
            end: stored.length,
          };
          for (const mayModify of [false, true]) {
            const out = new ByteBuffer();
            const result = runCdt(
              machine,
              target,
              { bytes: call, at: 0, end: call.length, mayModify },
              out,
            );
            assert(codes.includes(result), `code ${code}: ${result}`);
            if (result === 0 && machine.isChanged) {
              const { newAt, newSize } = machine;
              runOn(out.bytes.slice(newAt, newAt + newSize), isMap ? 106 : 26, [7n, 0n], false);
            }
            const { bytes, at, sizeBytes, type } = machine.result;
            if (result !== 0 || type <= PARTICLE.FLOAT || type === PARTICLE.BOOL) continue;
            assert(bytes !== room || at + sizeBytes <= stored.length, `code ${code} answers other bytes`);
          }
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("makes no difference to a call that meets it", () => {
    const good = withIndex(encode(mapOf(500, 3)));
    const { at, size } = dataRange(good);
    for (const fill of [0x00, 0x01, 0x7f, 0xff]) {
      const stored = good.slice();
      stored.fill(fill, at, at + size);
      assertEquals(runOn(stored, 97, [1n, 600n], false).integer, 200);
      assertEquals(runOn(stored, 97, [3n, 600n], false).integer, (200 * 7) % 500);
      assertEquals(toHex(runOn(stored, 67, [600n, -1n]).after), toHex(runOn(good, 67, [600n, -1n]).after));
    }
  });

  it("makes no difference to a search by context", () => {
    const inner = new ListModel([5n]);
    const stored = withIndex(encode(new MapModel([["a", 1n], ["b", inner], ["c", 2n]], 1)));
    const { at, size } = dataRange(stored);
    const context = encode(new ListModel([0x22n, "b"]));
    for (const fill of [0, 0xff]) {
      const target = { type: PARTICLE.MAP, bytes: stored, at: 0, end: stored.length };
      const found = findInContext(machine, target, context);
      assertEquals(toHex(stored, found!.at, found!.end), toHex(encode(inner)));
      stored.fill(fill, at, at + size);
    }
  });
});

describe("appendReindexed()", () => {
  it("gives an index from elsewhere the form of this node, and isSoundIndex() tells when that is needed", () => {
    fc.assert(
      fc.property(fc.oneof(list, map), fc.uint8Array({ maxLength: 50 }), (container, data) => {
        const own = withIndex(encode(container));
        const range = { bytes: own, at: 0, end: own.length };
        assert(isSoundIndex(range));
        const { contentAt } = dataRange(own);
        const isMap = container instanceof MapModel;
        const count = (isMap ? container.entries.length : container.items.length) + 1;
        const flags = (isMap ? container.flags : container.ordered ? 1 : 0) | FLAG.PERSIST_INDEX;
        // Another node's: no sign of this form, and any data.
        const foreign = new Uint8Array([
          ...[isMap ? 0xde : 0xdc, count >> 8, count & 0xff],
          ...[0xc7, data.length, flags, ...data],
          ...(isMap ? [0xc0] : []),
          ...own.subarray(contentAt),
        ]);
        const other = { bytes: foreign, at: 0, end: foreign.length };
        assertEquals(isSoundIndex(other), false);
        const out = new ByteBuffer();
        appendReindexed(other, out);
        assertEquals(toHex(out.view()), toHex(own));
      }),
    );
  });
});
