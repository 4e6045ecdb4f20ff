import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { fromHex, ResultCode, SCRATCH_SIZE_MAX, toHex } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { encodeCall, type TestParameter, TestValue } from "../call_testing.ts";
import { BITS_OP } from "./call.ts";
import { type ModelCall, modelModify, modelRead } from "./model_testing.ts";
import { modifyBits } from "./modify.ts";
import { readBits } from "./read.ts";

function blob(hex: string): TestValue {
  return new TestValue(PARTICLE.BLOB, fromHex(hex));
}

/** A buffer parameter with the type byte of a blob. */
function buffer(bytes: Uint8Array): Uint8Array {
  return new Uint8Array([PARTICLE.BLOB, ...bytes]);
}

function parametersOf(call: ModelCall): TestParameter {
  const { op, offset, size, shift, value, flags, subflags, wanted } = call;
  if (op === BITS_OP.RESIZE) return [op, size, flags, subflags];
  if (op === BITS_OP.INSERT) return [op, offset, buffer(call.buffer), flags];
  if (op === BITS_OP.REMOVE || op === BITS_OP.NOT) return [op, offset, size, flags];
  if (op <= BITS_OP.AND) return [op, offset, size, buffer(call.buffer), flags];
  if (op <= BITS_OP.RSHIFT) return [op, offset, size, shift, flags];
  if (op <= BITS_OP.SUBTRACT) return [op, offset, size, value, flags, subflags];
  if (op === BITS_OP.SET_INT) return [op, offset, size, value, flags];
  if (op === BITS_OP.LSCAN || op === BITS_OP.RSCAN) return [op, offset, size, wanted];
  return op === BITS_OP.GET_INT ? [op, offset, size, subflags & 1] : [op, offset, size];
}

/** Well-formed calls, with offsets and sizes around the ends of a blob of up to 20 bytes. */
function calls(ops: readonly number[]): fc.Arbitrary<ModelCall> {
  return fc.constantFrom(...ops).chain((op) => {
    const inBytes = op <= BITS_OP.REMOVE;
    const limit = inBytes ? 24 : 168;
    const isInteger = (op >= BITS_OP.ADD && op <= BITS_OP.SET_INT) || op === BITS_OP.GET_INT;
    const flags = op <= BITS_OP.INSERT ? [0, 1, 2, 4, 5, 6] : isInteger ? [0, 2, 4, 6] : [0, 2, 4, 8, 12, 14];
    const subflags = op === BITS_OP.RESIZE ? [0, 1, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5];
    return fc.record({
      op: fc.constant(op),
      offset: fc.integer({ min: -limit, max: limit }),
      size: fc.integer({ min: op === BITS_OP.RESIZE ? 0 : 1, max: isInteger ? 64 : limit }),
      buffer: fc.uint8Array({
        minLength: op === BITS_OP.INSERT ? 1 : 21,
        maxLength: op === BITS_OP.INSERT ? 6 : 22,
      }),
      shift: fc.integer({ min: 0, max: 180 }),
      value: fc.oneof(fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }), fc.bigInt(-300n, 300n)),
      wanted: fc.boolean(),
      flags: fc.constantFrom(...flags),
      subflags: fc.constantFrom(...subflags),
    });
  });
}

const MODIFYING = Array.from({ length: BITS_OP.SET_INT + 1 }, (_, op) => op);
const READING = [BITS_OP.GET, BITS_OP.COUNT, BITS_OP.LSCAN, BITS_OP.RSCAN, BITS_OP.GET_INT];

describe("modifyBits()", () => {
  it("gives the stock server's bytes for the calls of the reference", () => {
    const cases: [TestParameter, string][] = [
      [[0, 8], "0102030405000000"],
      [[0, 8, 0, 1], "0000000102030405"],
      [[0, 2], "0102"],
      [[0, 2, 0, 1], "0405"],
      [[1, 1, fromHex("04ffc7")], "01ffc702030405"],
      [[1, 8, fromHex("04ff")], "0102030405000000ff"],
      [[1, -1, fromHex("04ff")], "01020304ff05"],
      [[2, 1, 2], "010405"],
      [[2, 4, 5, 8], "01020304"],
      [[2, -2, 1], "01020305"],
      [[3, 13, 3, fromHex("04e0")], "0107030405"],
      [[4, 17, 6, fromHex("04a8")], "0102570405"],
      [[5, 17, 6, fromHex("04ac")], "0102550405"],
      [[6, 23, 9, fromHex("043c80")], "0102020005"],
      [[7, 25, 6], "0102037a05"],
      [[8, 32, 8, 3], "0102030428"],
      [[9, 0, 9, 1], "0082030405"],
      [[10, 24, 16, 128], "0102030485"],
      [[11, 24, 16, 128], "0102030385"],
      [[12, 1, 8, 127], "3f82030405"],
    ];
    for (const [call, after] of cases) {
      const value = blob("0102030405");
      assertEquals(value.run(modifyBits, call), ResultCode.OK);
      assertEquals(toHex(value.value()!), after, JSON.stringify(call));
    }
  });

  it("does what a blob of booleans does, call after call, on copies and in place", () => {
    const property = fc.property(
      fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }),
      fc.array(calls(MODIFYING), { minLength: 1, maxLength: 5 }),
      (start, list) => {
        const value = new TestValue(PARTICLE.BLOB, start);
        let expected: Uint8Array | undefined = start;
        for (const call of list) {
          const outcome = modelModify(call, expected);
          assertEquals(value.run(modifyBits, parametersOf(call)), outcome.code);
          if (outcome.code === ResultCode.OK) expected = outcome.blob;
          assertEquals(value.value(), expected);
        }
      },
    );
    fc.assert(property, { numRuns: 3000 });
  });

  it("leaves the stored bytes as they were, and the bytes around a value that it changes in place", () => {
    const value = blob("ffffffff");
    const stored = value.edit.old.bytes;
    const before = stored.slice();
    value.edit.out.append(fromHex("a5"));
    for (const after of ["e00001ff", "ffffffff"]) {
      assertEquals(value.run(modifyBits, [7, 3, 20]), ResultCode.OK);
      assertEquals(toHex(value.value()!), after);
    }
    assertEquals(stored, before);
    assertEquals(toHex(value.edit.out.view()), "a5ffffffff");
  });

  it("saturates, wraps or refuses when an integer overflows", () => {
    const cases: [number, TestParameter, number, string][] = [
      [0xff, [10, 0, 8, 1], ResultCode.OP_NOT_APPLICABLE, "ff"],
      [0xff, [10, 0, 8, 1, 4], ResultCode.OK, "ff"],
      [0xfe, [10, 0, 8, 100, 0, 2], ResultCode.OK, "ff"],
      [0xff, [10, 0, 8, 2, 0, 4], ResultCode.OK, "01"],
      [0x01, [11, 0, 8, 2], ResultCode.OP_NOT_APPLICABLE, "01"],
      [0x01, [11, 0, 8, 2, 0, 2], ResultCode.OK, "00"],
      [0x7f, [10, 0, 8, 1, 0, 1], ResultCode.OP_NOT_APPLICABLE, "7f"],
      [0x7f, [10, 0, 8, 1, 0, 3], ResultCode.OK, "7f"],
      [0x80, [11, 0, 8, 1, 0, 3], ResultCode.OK, "80"],
      // Twice the most negative integer is 0: not seen as an overflow.
      [0x80, [10, 0, 8, 0x80, 0, 1], ResultCode.OK, "00"],
    ];
    for (const [before, call, code, after] of cases) {
      const value = new TestValue(PARTICLE.BLOB, new Uint8Array([before]));
      assertEquals(value.run(modifyBits, call), code, JSON.stringify(call));
      assertEquals(toHex(value.value()!), after, JSON.stringify(call));
    }
  });

  it("refuses malformed calls before it looks at the bin", () => {
    const bad: TestParameter[] = [
      [],
      [null],
      [13],
      [-1],
      [255, [16, 0], [7, 0, 8]],
      [0],
      [0, -1],
      [0, 2 ** 27 + 1],
      [0, 1, 8],
      [0, 1, 0, 6],
      [0, 1, 0, 8],
      [0, 1, 0, 0, 0],
      [1, 0, fromHex("04")],
      [1, 0, 5],
      [1, 2 ** 27 + 1, fromHex("04ff")],
      [2, 0, 0],
      [2, 0, 1, 1],
      [3, 0, 0, fromHex("04ff")],
      [3, 0, 9, fromHex("04ff")],
      [7, 2 ** 30 + 1, 1],
      [8, 0, 8, -1],
      [8, 0, 8, 2 ** 30 + 1],
      [10, 0, 65, 1],
      [10, 0, 0, 1],
      [10, 0, 8, 1, 8],
      [10, 0, 8, 1, 0, 6],
      [10, 0, 8, true],
      [50, 0, 8],
    ];
    for (const call of bad) {
      const value = new TestValue(PARTICLE.STRING, fromHex("0102"));
      assertEquals(value.run(modifyBits, call), ResultCode.PARAMETER, JSON.stringify(call));
    }
    assertEquals(blob("01").run(modifyBits, new Uint8Array()), ResultCode.PARAMETER);
  });

  it("refuses another type, a bin that is there, a bin that is not there", () => {
    assertEquals(
      new TestValue(PARTICLE.STRING, fromHex("01")).run(modifyBits, [7, 0, 8]),
      ResultCode.INCOMPATIBLE_TYPE,
    );
    assertEquals(blob("01").run(modifyBits, [0, 2, 1]), ResultCode.BIN_EXISTS);
    assertEquals(new TestValue(PARTICLE.BLOB).run(modifyBits, [7, 0, 8]), ResultCode.BIN_NOT_FOUND);
    assertEquals(new TestValue(PARTICLE.BLOB).run(modifyBits, [0, 2, 2]), ResultCode.BIN_NOT_FOUND);
    const missing = new TestValue(PARTICLE.BLOB);
    assertEquals(missing.run(modifyBits, [0, 0]), ResultCode.OK);
    assertEquals(missing.value(), undefined);
  });

  it("refuses a value beyond the limit before it makes room for it", () => {
    const value = blob("01");
    const room = value.edit.out.bytes.length;
    const limit = { sizeMaxBytes: 1000 };
    assertEquals(value.run(modifyBits, [0, 1001], limit), ResultCode.RECORD_TOO_BIG);
    assertEquals(value.run(modifyBits, [0, 2 ** 27 - 1], limit), ResultCode.RECORD_TOO_BIG);
    assertEquals(value.run(modifyBits, [0, 2 ** 27], limit), ResultCode.PARAMETER);
    assertEquals(value.run(modifyBits, [1, 1000, fromHex("04ff")], limit), ResultCode.RECORD_TOO_BIG);
    assertEquals(value.edit.out.bytes.length, room);
    value.edit.out.length = SCRATCH_SIZE_MAX;
    assertEquals(value.run(modifyBits, [0, 1000], limit), ResultCode.RECORD_TOO_BIG);
    value.edit.out.length = 0;
    assertEquals(value.run(modifyBits, [0, 1000], limit), ResultCode.OK);
  });

  it("changes what it built itself in place, so that many calls need little room", () => {
    const value = blob("00".repeat(100));
    for (let call = 0; call < 1000; call++) assertEquals(value.run(modifyBits, [7, call % 800, 1]), 0);
    for (let call = 0; call < 100; call++) assertEquals(value.run(modifyBits, [0, 50 + (call % 50)]), 0);
    assert(value.edit.out.length <= 100, "values pile up");
  });
});

describe("readBits()", () => {
  it("answers the calls of the reference as the stock server does", () => {
    const value = blob("0102030405");
    const cases: [TestParameter, bigint | string][] = [
      [[50, 9, 5], "00"],
      [[50, 39, 1], "80"],
      [[51, 0, 40], 7n],
      [[52, 24, 8, true], 5n],
      [[53, 32, 8, true], 7n],
      [[54, 8, 16], 515n],
    ];
    for (const [call, answer] of cases) {
      assertEquals(value.run(readBits, call), ResultCode.OK);
      const got = value.answer();
      assertEquals(got instanceof Uint8Array ? toHex(got) : got, answer, JSON.stringify(call));
    }
    const other = blob("ff00ff");
    assertEquals(other.run(readBits, [50, 4, 9]), ResultCode.OK);
    assertEquals(other.answer(), fromHex("f000"));
  });

  it("answers what a blob of booleans answers", () => {
    const property = fc.property(fc.uint8Array({ maxLength: 20 }), calls(READING), (start, call) => {
      const value = new TestValue(PARTICLE.BLOB, start);
      const outcome = modelRead(call, start);
      assertEquals(value.run(readBits, parametersOf(call)), outcome.code);
      assertEquals(value.answer(), outcome.answer);
      assertEquals(value.value(), start);
    });
    fc.assert(property, { numRuns: 3000 });
  });

  it("refuses malformed calls and other types, and has no answer without a bin", () => {
    const bad: TestParameter[] = [[], [49], [55], [50, 0], [50, 0, 1, 0], [52, 0, 8, 1], [54, 0, 8, 2], [
      54,
      0,
      65,
    ]];
    for (const call of bad) assertEquals(blob("01").run(readBits, call), ResultCode.PARAMETER);
    assertEquals(new TestValue(PARTICLE.HLL, fromHex("01")).run(readBits, [51, 0, 8]), 12);
    const missing = new TestValue(PARTICLE.BLOB);
    assertEquals(missing.run(readBits, [99]), ResultCode.OK);
    assertEquals(missing.answer(), undefined);
  });
});

describe("bit calls", () => {
  it("end with a result code, whatever bytes they consist of", () => {
    const seeds = [[3, 13, 3, fromHex("04e0"), 0], [10, 24, 16, 128, 0, 1], [1, 3, fromHex("04ffc7"), 0], [
      52,
      3,
      9,
      true,
    ]];
    const mutated = fc.tuple(fc.constantFrom(...seeds), fc.nat(20), fc.nat(255), fc.nat(20)).map(
      ([seed, at, byte, cut]) => {
        const bytes = encodeCall(seed);
        bytes[at % bytes.length] = byte;
        return bytes.subarray(0, bytes.length - (cut % 4 === 0 ? cut % bytes.length : 0));
      },
    );
    const property = fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 30 })), (call) => {
      for (const operation of [modifyBits, readBits]) {
        const value = blob("0102030405");
        const code = value.run(operation, call, { sizeMaxBytes: 4096 });
        assert([0, 4, 6, 12, 13, 17, 26].includes(code), `result ${code}`);
        if (code !== 0) assertEquals(toHex(value.value()!), "0102030405");
      }
    });
    fc.assert(property, { numRuns: 3000 });
  });
});
