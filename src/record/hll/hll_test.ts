import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { fromHex, ResultCode, toHex, utf8 } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { encodeCall, type TestParameter, TestValue } from "../call_testing.ts";
import { modelHash, ModelHll } from "./model_testing.ts";
import { Murmur3 } from "./hash.ts";
import { isHll } from "./layout.ts";
import { modifyHll } from "./modify.ts";
import { readHll } from "./read.ts";

function text(value: string): Uint8Array {
  return new Uint8Array([PARTICLE.STRING, ...utf8(value)]);
}

function sketch(bytes?: Uint8Array): TestValue {
  return new TestValue(PARTICLE.HLL, bytes);
}

/** Strings "k…" from one number up to another. */
function keys(from: number, to: number): Uint8Array[] {
  return Array.from({ length: to - from }, (_, index) => text(`k${from + index}`));
}

function sketchOf(elements: readonly TestParameter[], indexBits: number, minhashBits: number): TestValue {
  const value = sketch();
  assertEquals(value.run(modifyHll, [1, elements, indexBits, minhashBits]), ResultCode.OK);
  return value;
}

/** A sketch as a parameter. */
function parameter(value: Uint8Array): Uint8Array {
  return new Uint8Array([PARTICLE.HLL, ...value]);
}

/** The answer of a reading call that must succeed. */
function ask(value: TestValue, call: TestParameter): bigint | number | Uint8Array | undefined {
  assertEquals(value.run(readHll, call), ResultCode.OK);
  return value.answer();
}

const BITS: readonly (readonly [number, number])[] = [[4, 0], [4, 4], [5, 31], [6, 32], [4, 51], [8, 10], [
  7,
  26,
]];

describe("Murmur3", () => {
  it("gives the hashes of the reference", () => {
    const cases: [string, string, string][] = [
      ["01", "7ace5c908374fe16", "778867e4430e6785"],
      ["a20361", "8d15ae180c40a275", "0e22c7dd0fe0da88"],
      ["cb3ff8000000000000", "930947b00dc1962f", "1d00a0f3d08e2090"],
      ["cd012c", "91810df1abfc2849", "ad57e2b8dd4ab747"],
    ];
    const murmur = new Murmur3();
    const hex = ({ high, low }: { high: number; low: number }) =>
      toHex(
        new Uint8Array(new BigUint64Array([(BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)]).buffer)
          .reverse(),
      );
    for (const [bytes, first, second] of cases) {
      murmur.hash(fromHex(bytes), 0, bytes.length / 2);
      assertEquals([hex(murmur.first), hex(murmur.second)], [first, second]);
    }
  });

  it("agrees with bigints on inputs of every length", () => {
    const murmur = new Murmur3();
    const property = fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      murmur.hash(bytes, 0, bytes.length);
      const words = [murmur.first, murmur.second].map(({ high, low }) =>
        (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
      );
      assertEquals(words, modelHash(bytes));
    });
    fc.assert(property, { numRuns: 1000 });
  });
});

describe("modifyHll()", () => {
  it("gives the stock server's bytes", () => {
    const one = sketchOf([1], 4, 0);
    assertEquals(one.answer(), 1n);
    assertEquals(toHex(one.value()!), "0004000000000000000000000000000040000000000000");
    const value = sketch();
    assertEquals(value.run(modifyHll, [0, 4, 0, 0]), ResultCode.OK);
    assertEquals(value.run(modifyHll, fromHex("950192" + "01a20361" + "ffff00")), ResultCode.OK);
    assertEquals(value.answer(), 2n);
    assertEquals(toHex(value.value()!), "0004000000000000000000000000004040000000000000");
  });

  it("keeps the registers that an array of bigints keeps", () => {
    const element = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ minLength: 30, maxLength: 40 }));
    const batches = fc.array(fc.array(element, { minLength: 1, maxLength: 30 }), {
      minLength: 1,
      maxLength: 4,
    });
    const property = fc.property(fc.constantFrom(...BITS), batches, ([indexBits, minhashBits], lists) => {
      const model = new ModelHll(indexBits, minhashBits);
      const value = sketch();
      for (const list of lists) {
        const elements = list.map(text);
        const encoded = elements.map((bytes) => encodeCall(bytes)).map(withShortHeader);
        assertEquals(value.run(modifyHll, [1, elements, indexBits, minhashBits]), ResultCode.OK);
        assertEquals(value.answer(), BigInt(model.add(encoded)));
        assertEquals(value.value(), model.toBytes());
        assertEquals(ask(value, [56, elements]), 1n);
        const others = keys(0, 3);
        const mayContain = model.mayContain(others.map((bytes) => encodeCall(bytes)));
        assertEquals(ask(value, [56, others]), mayContain ? 1n : 0n);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("hashes the shortest form of an element, however it was sent", () => {
    const forms: [string, string[]][] = [
      ["05", [
        "cc05",
        "cd0005",
        "ce00000005",
        "cf0000000000000005",
        "d005",
        "d10005",
        "d3" + "00".repeat(7) + "05",
      ]],
      ["cc80", ["cd0080", "d10080", "d200000080"]],
      ["cd0100", ["ce00000100"]],
      ["ce00010000", ["cf0000000000010000", "d30000000000010000"]],
      ["ff", ["d0ff", "d1ffff", "d2ffffffff", "d3" + "ff".repeat(8)]],
      ["d0df", ["d1ffdf"]],
      ["d1ff7f", ["d2ffffff7f"]],
      ["d2ffff7fff", ["d3ffffffffffff7fff"]],
      ["d3ffffffff7fffffff", []],
      ["cfffffffffffffffff", []],
      ["cf8000000000000000", []],
      ["a20361", ["d9020361", "da00020361", "db000000020361", "c4020361", "c500020361"]],
      ["d92003" + "61".repeat(31), ["da002003" + "61".repeat(31), "c42003" + "61".repeat(31)]],
    ];
    for (const [shortest, others] of forms) {
      const model = new ModelHll(8, 20);
      model.add([fromHex(shortest)]);
      for (const form of [shortest, ...others]) {
        const value = sketch();
        assertEquals(value.run(modifyHll, fromHex("9401" + "91" + form + "0814")), ResultCode.OK, form);
        assertEquals(toHex(value.value()!), toHex(model.toBytes()), form);
      }
    }
  });

  it("unites and folds as arrays of bigints do", () => {
    const property = fc.property(
      fc.constantFrom(...BITS),
      fc.array(fc.constantFrom(...BITS), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      ([indexBits, minhashBits], others, allowsFold) => {
        const make = (from: number, [i, m]: readonly [number, number]) => {
          const elements = keys(from, from + 40);
          const model = new ModelHll(i, m);
          model.add(elements.map((bytes) => encodeCall(bytes)));
          return { model, value: sketchOf(elements, i, m) };
        };
        const bin = make(0, [indexBits, minhashBits]);
        const given = others.map((bits, index) => make(20 * (index + 1), bits));
        const list = given.map(({ value }) => parameter(value.value()!));
        const models = given.map(({ model }) => model);
        const [i, m] = ModelHll.template(models);
        const all = [...models, bin.model];
        const expected = allowsFold
          ? ModelHll.union(all, ...ModelHll.template(all))
          : indexBits > i || (minhashBits !== 0 && minhashBits !== m)
          ? undefined
          : ModelHll.union(all, indexBits, minhashBits);
        const code = bin.value.run(modifyHll, [2, list, allowsFold ? 8 : 0]);
        assertEquals(code, expected === undefined ? ResultCode.OP_NOT_APPLICABLE : ResultCode.OK);
        if (expected !== undefined) assertEquals(bin.value.value(), expected.toBytes());
        const created = sketch();
        assertEquals(created.run(modifyHll, [2, list]), ResultCode.OK);
        assertEquals(created.value(), ModelHll.union(models, i, m).toBytes());
        const whole = make(0, [8, 0]);
        assertEquals(whole.value.run(modifyHll, [4, i]), ResultCode.OK);
        assertEquals(whole.value.value(), ModelHll.union([whole.model], i, 0).toBytes());
      },
    );
    fc.assert(property, { numRuns: 150 });
  });

  it("caches a count when told to, and forgets it when a register changes", () => {
    const value = sketchOf(keys(0, 100), 8, 4);
    assertEquals(value.run(modifyHll, [3]), ResultCode.OK);
    assertEquals(value.answer(), 101n);
    assertEquals(toHex(value.value()!.subarray(3, 11)), "6500000000000000");
    assertEquals(value.run(modifyHll, [1, keys(0, 100)]), ResultCode.OK);
    assertEquals(value.value()![3], 0x65);
    assertEquals(value.run(modifyHll, [1, keys(100, 200)]), ResultCode.OK);
    assertEquals(value.value()![3], 0);
    assert(Number(ask(value, [50])) > 101);
  });

  it("believes a cached count of 64 bits", () => {
    const cached = sketch(fromHex("000400" + "efcdab8967452301" + "00".repeat(12)));
    assertEquals(ask(cached, [50]), 0x0123456789abcdefn);
    assertEquals(cached.run(modifyHll, [3]), ResultCode.OK);
    assertEquals(cached.answer(), 0x0123456789abcdefn);
  });

  it("refuses malformed calls", () => {
    const good = parameter(sketchOf([1], 4, 0).value()!);
    const bad: TestParameter[] = [
      [],
      [5],
      [-1],
      [50],
      [0, 3],
      [0, 17],
      [0, 8, 3],
      [0, 8, 52],
      [0, 16, 49],
      [0, 8, 4, 8],
      [0, 8, 4, 3],
      [0, 8, 4, 0, 0],
      [1],
      [1, []],
      [1, 5],
      [1, [[1]], 8],
      [1, [1], 8, 0, 2],
      [2, []],
      [2, [good.subarray(0, 20)]],
      [2, [5]],
      [2, [good], 3],
      [2, [good], 16],
      [3, 1],
      [4],
      [4, -1],
      [4, 3],
    ];
    for (const call of bad) {
      assertEquals(sketch().run(modifyHll, call), ResultCode.PARAMETER, JSON.stringify(call));
    }
    for (const element of ["80", "90", "d4ff00", "c1", "a203", "cd00"]) {
      assertEquals(
        sketch().run(modifyHll, fromHex("930191" + element + "08")),
        ResultCode.PARAMETER,
        element,
      );
    }
  });

  it("heeds flags, and refuses what does not fit", () => {
    const bin = () => sketchOf([1], 8, 4);
    const cases: [TestValue, TestParameter, number][] = [
      [bin(), [0, 8, 0, 1], ResultCode.BIN_EXISTS],
      [bin(), [0, 8, 0, 5], ResultCode.OK],
      [sketch(), [0, 8, 0, 2], ResultCode.BIN_NOT_FOUND],
      [sketch(), [0, 8, 0, 6], ResultCode.OK],
      [sketch(), [0], ResultCode.OP_NOT_APPLICABLE],
      [sketch(), [1, [1]], ResultCode.OP_NOT_APPLICABLE],
      [sketchOf([1], 4, 51), [0, 16], ResultCode.OP_NOT_APPLICABLE],
      [sketch(), [3], ResultCode.BIN_NOT_FOUND],
      [sketch(), [4, 4], ResultCode.BIN_NOT_FOUND],
      [bin(), [4, 4], ResultCode.OP_NOT_APPLICABLE],
      [sketchOf([1], 8, 0), [4, 9], ResultCode.OP_NOT_APPLICABLE],
      [new TestValue(PARTICLE.BLOB, fromHex("00")), [0, 8], ResultCode.INCOMPATIBLE_TYPE],
    ];
    for (const [value, call, code] of cases) {
      assertEquals(value.run(modifyHll, call), code, JSON.stringify(call));
    }
    assertEquals(bin().run(modifyHll, [0, 16, 48], { sizeMaxBytes: 1000 }), ResultCode.RECORD_TOO_BIG);
    const same = bin();
    assertEquals(same.run(modifyHll, [0]), ResultCode.OK);
    assertEquals(toHex(same.value()!.subarray(0, 3)), "000804");
  });
});

describe("readHll()", () => {
  it("gives the stock server's counts, unions, intersections and similarities", () => {
    const a = sketchOf(keys(0, 100), 8, 4);
    const b = sketchOf(keys(50, 150), 8, 4);
    const c = sketchOf(keys(90, 200), 8, 4);
    const d = sketchOf(keys(50, 150), 10, 0);
    const e = sketchOf(keys(50, 150), 8, 10);
    assertEquals([a, b, c, d, e].map((value) => ask(value, [50])), [101n, 102n, 111n, 97n, 102n]);
    const cases: [TestValue, TestValue[], bigint, bigint, number][] = [
      [a, [b], 158n, 52n, 0.32615966692662823],
      [a, [b, c], 208n, 13n, 0.06338028169014084],
      [a, [d], 158n, 40n, 0.25316455696202533],
      [a, [e], 158n, 45n, 0.2848101265822785],
      [d, [b], 102n, 97n, 0.9509803921568627],
      [d, [b, c], 146n, 59n, 0.4041095890410959],
    ];
    for (const [bin, others, union, intersection, similarity] of cases) {
      const list = others.map((value) => parameter(value.value()!));
      assertEquals(ask(bin, [52, list]), union);
      assertEquals(ask(bin, [53, list]), intersection);
      assertEquals(ask(bin, [54, list]), similarity);
    }
    const three = [b, c, d].map((value) => parameter(value.value()!));
    assertEquals(ask(a, [52, three]), 208n);
    assertEquals(a.run(readHll, [53, three]), ResultCode.PARAMETER);
    assertEquals(a.run(readHll, [54, three]), ResultCode.PARAMETER);
    const wide = [b, c, b].map((value) => parameter(value.value()!));
    assertEquals(e.run(readHll, [54, wide]), ResultCode.OP_NOT_APPLICABLE);
    assertEquals(a.run(readHll, [54, wide]), ResultCode.OK);
    const many = Array.from({ length: 20_000 }, (_, index) => text(`user${index}`));
    assertEquals(ask(sketchOf(many, 14, 0), [50]), 20126n);
  });

  it("estimates as the model does, and says what it is and what the union is", () => {
    const property = fc.property(
      fc.constantFrom(...BITS),
      fc.nat(400),
      fc.nat(300),
      ([i, m], count, from) => {
        const [left, right] = [keys(0, count + 1), keys(from, from + 50)];
        const [value, other] = [sketchOf(left, i, m), sketchOf(right, 6, m)];
        const models = [new ModelHll(i, m), new ModelHll(6, m)];
        models[0].add(left.map((bytes) => encodeCall(bytes)));
        models[1].add(right.map((bytes) => encodeCall(bytes)));
        const union = ModelHll.union(models, Math.min(i, 6), m);
        const isNear = (got: unknown, estimate: number) => Math.abs(Number(got) - estimate) <= 0.500001;
        assert(isNear(ask(value, [50]), models[0].count()));
        assert(isNear(ask(value, [52, [parameter(other.value()!)]]), union.count()));
        assertEquals(ask(value, [51, parameter(other.value()!)]), union.toBytes());
        assertEquals(ask(value, [55]), new Uint8Array([0x92, i, m]));
      },
    );
    fc.assert(property, { numRuns: 150 });
  });

  it("gives NaN for the similarity of empty sketches, and 0 when one is empty", () => {
    const empty = sketch();
    assertEquals(empty.run(modifyHll, [0, 8, 4]), ResultCode.OK);
    const list = [parameter(empty.value()!)];
    assertEquals(ask(empty, [54, list]), NaN);
    assertEquals(ask(empty, [53, list]), 0n);
    assertEquals(ask(sketchOf([1], 8, 4), [54, list]), 0);
    assertEquals(ask(empty, [50]), 0n);
  });

  it("refuses malformed calls and other types, and has no answer without a bin", () => {
    const value = sketchOf([1], 8, 4);
    const bad: TestParameter[] = [[], [0], [49], [57], [50, 1], [51], [51, []], [52, [1]], [54, 5], [55, 0], [
      56,
    ], [56, []]];
    for (const call of bad) {
      assertEquals(value.run(readHll, call), ResultCode.PARAMETER, JSON.stringify(call));
    }
    assertEquals(new TestValue(PARTICLE.BLOB, fromHex("00")).run(readHll, [50]), 12);
    assertEquals(ask(sketch(), [99]), undefined);
  });
});

describe("HyperLogLog calls", () => {
  it("end with a result code and leave a sketch, whatever bytes they consist of", () => {
    const start = sketchOf(keys(0, 5), 4, 4).value()!;
    const seeds: TestParameter[] = [
      [0, 8, 4, 0],
      [1, [1, text("a"), true, null], 8, 0, 0],
      [2, [parameter(start)], 8],
      [53, [parameter(start), parameter(start)]],
      [54, parameter(start)],
      [56, [1, text("abc")]],
    ];
    const mutated = fc.tuple(fc.constantFrom(...seeds), fc.nat(60), fc.nat(255), fc.nat(60)).map(
      ([seed, at, byte, cut]) => {
        const bytes = encodeCall(seed);
        bytes[at % bytes.length] = byte;
        return bytes.subarray(0, bytes.length - (cut % 4 === 0 ? cut % bytes.length : 0));
      },
    );
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 30 })), (call) => {
      for (const operation of [modifyHll, readHll]) {
        const value = sketch(start);
        const code = value.run(operation, call, { sizeMaxBytes: 4096 });
        assert([0, 4, 6, 12, 13, 17, 26].includes(code), `result ${code}`);
        const after = value.value()!;
        assert(isHll(after, 0, after.length));
        if (code !== 0) assertEquals(after, start);
      }
    });
    fc.assert(property, { numRuns: 3000 });
  });
});

/** A string with the shortest header, as it is hashed. */
function withShortHeader(encoded: Uint8Array): Uint8Array {
  if (encoded[0] !== 0xda) return encoded;
  return new Uint8Array([0xd9, encoded[2], ...encoded.subarray(3)]);
}
