import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, fromHex } from "../../base/mod.ts";
import { PARTICLE } from "../../wire/mod.ts";
import { key, list, map, value } from "./arbitrary_testing.ts";
import { LIST_OPERATIONS } from "./list_ops.ts";
import { MAP_OPERATIONS } from "./map_ops.ts";
import { callOf, encode, ListModel, MapModel, run, type Value } from "./model_testing.ts";
import { CdtMachine, runCdt } from "./mod.ts";
import { appendStoredBin } from "./normalize.ts";

const CODES = [...Object.keys(LIST_OPERATIONS), ...Object.keys(MAP_OPERATIONS)].map(Number);
const param = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map((number): Value => BigInt(number)),
  fc.constantFrom<Value>(2n ** 64n - 1n, -(2n ** 63n), 2n ** 31n, 0x1000dn, 0x10007n),
  value,
  key,
);
const operation = fc.tuple(
  fc.constantFrom(...CODES, 14, 41, 63, 71, 111, 254, 255),
  fc.array(param, { maxLength: 5 }),
);
const context = fc.array(fc.tuple(fc.nat({ max: 0x2ff }).map((bits): Value => BigInt(bits)), param), {
  maxLength: 4,
});

/** Calls that mean something, plain, in a context or by path. */
const call = fc.oneof(
  operation.map(([code, params]) => callOf(code, params)),
  fc.tuple(context, operation).map(([steps, [code, params]]) =>
    callOf(255, [new ListModel(steps.flat()), new ListModel([BigInt(code), ...params])])
  ),
  fc.tuple(context, fc.nat({ max: 0x1f })).map(([steps, flags]) =>
    callOf(254, [new ListModel(steps.flat()), BigInt(flags)])
  ),
);

/** Changes of single bytes, a cut, and bytes put in. */
const damage: fc.Arbitrary<Damage> = fc.record({
  flips: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
  cut: fc.option(fc.nat(), { nil: undefined, freq: 3 }),
  added: fc.option(fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 6 })), { nil: undefined, freq: 3 }),
});

interface Damage {
  flips: [at: number, byte: number][];
  cut: number | undefined;
  added: [at: number, bytes: Uint8Array] | undefined;
}

function damaged(bytes: Uint8Array, how: Damage): Uint8Array {
  let all = [...bytes];
  for (const [at, byte] of how.flips) if (all.length > 0) all[at % all.length] = byte;
  if (how.cut !== undefined) all = all.slice(0, how.cut % (all.length + 1));
  if (how.added !== undefined) all.splice(how.added[0] % (all.length + 1), 0, ...how.added[1]);
  return new Uint8Array(all);
}

const CODES_OF_REFUSALS = [1, 4, 12, 13, 16, 23, 24, 26];

describe("a hostile call", () => {
  it("gets a result code, and what it stores is a good container", () => {
    const input = fc.tuple(fc.oneof(list, map), call, damage, fc.boolean());
    fc.assert(
      fc.property(input, ([container, bytes, how, mayModify]) => {
        const isMap = container instanceof MapModel;
        const got = run(encode(container), damaged(bytes, how), { mayModify, isMap });
        if (got.code !== 0) {
          assert(CODES_OF_REFUSALS.includes(got.code), `code ${got.code}`);
          return;
        }
        const after = fromHex(got.after);
        const out = new ByteBuffer();
        assertEquals(appendStoredBin({ bytes: after, at: 0, end: after.length }, isMap, out), after.length);
        assertEquals(out.toBytes(), after);
      }),
      { numRuns: 20_000 },
    );
  });

  it("ends on a damaged container, too", () => {
    const input = fc.tuple(fc.oneof(list, map), call, damage, fc.boolean());
    const machine = new CdtMachine();
    fc.assert(
      fc.property(input, ([container, bytes, how, mayModify]) => {
        const stored = damaged(encode(container), how);
        const type = container instanceof MapModel ? PARTICLE.MAP : PARTICLE.LIST;
        const target = { type, bytes: stored, at: 0, end: stored.length };
        const code = runCdt(
          machine,
          target,
          { bytes, at: 0, end: bytes.length, mayModify },
          new ByteBuffer(),
        );
        assert(code === 0 || CODES_OF_REFUSALS.includes(code), `code ${code}`);
      }),
      { numRuns: 20_000 },
    );
  });

  it("costs no more than what there is when it promises much", () => {
    const one = encode(new ListModel([1n]));
    const cases: [code: number, call: string][] = [
      [4, "ddffffffff01"],
      [4, "9201ddffffffff"],
      [4, "9201dfffffffff"],
      [4, "9201dbffffffff03"],
      [13, "9303ce7fffffff01"],
      [13, "9303cf7fffffffffffffff01"],
      [26, "9303d3800000000000000001"],
      [13, "9309ce7fffffff01"],
      [13, "920cce7fffffff"],
      [26, "93ccff92cc90ce7fffffff9109"],
      [26, "93ccff92cc90ce7fffffff920109"],
    ];
    for (const [code, hex] of cases) {
      const got = run(one, fromHex(hex), { mayModify: true });
      assertEquals(got.code, code, hex);
    }
  });

  it("can't make a sorted list repeat itself without end", () => {
    const values = new ListModel(Array.from({ length: 3000 }, () => 1n), true);
    const asked = new ListModel(Array.from({ length: 3000 }, () => 1n));
    assertEquals(run(encode(values), callOf(23, [7n, asked]), { mayModify: false }).code, 4);
    assertEquals(
      run(encode(values), callOf(23, [5n, new ListModel([1n, 1n])]), { mayModify: false }).code,
      0,
    );
  });

  it("is bounded in time on deeply nested sorted lists and long contexts", () => {
    let nested: Value = new ListModel(Array.from({ length: 2000 }, () => 1n), true);
    for (let depth = 0; depth < 200; depth++) nested = new ListModel([nested], true);
    const steps = Array.from({ length: 200 }, (): Value[] => [0x11n, 0n]).flat();
    const inner = new ListModel([1n, 5n]);
    const bytes = encode(nested);
    const got = run(bytes, callOf(255, [new ListModel(steps), inner]), { mayModify: true });
    assertEquals(got.code, 0);
    const tooMany = new ListModel([...steps, ...steps, ...steps]);
    assertEquals(run(bytes, callOf(255, [tooMany, inner]), { mayModify: true }).code, 4);
  });
});
