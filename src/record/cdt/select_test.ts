import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { count, key, list, map, place, value } from "./arbitrary_testing.ts";
import { callOf, encode, ListModel, type MapModel, run, type Value } from "./model_testing.ts";
import { selectModel, type Selector } from "./select_model_testing.ts";

/** Codes of one selector: get and remove, in lists and maps; 0 where there is none (list code 0 is no selector). */
interface Codes {
  list?: [get: number, remove: number];
  map?: [get: number, remove: number];
}

const integer = (number: number): Value => BigInt(number);
const optional = (number: number | undefined): Value[] => number === undefined ? [] : [BigInt(number)];

/** A selector with its codes and parameters. */
type Case = [Codes, Selector, Value[]];

/** Values that tests ask for: often one that is there. */
function known(container: fc.Arbitrary<ListModel | MapModel>): fc.Arbitrary<[ListModel | MapModel, Value[]]> {
  return container.chain((chosen) => {
    const there = chosen instanceof ListModel
      ? chosen.items
      : chosen.entries.flatMap(([first, second]) => [first, second]);
    const asked = there.length === 0 ? value : fc.oneof(fc.constantFrom(...there), value, key);
    return fc.tuple(fc.constant(chosen), fc.array(asked, { minLength: 4, maxLength: 4 }));
  });
}

function casesOf(values: Value[], first: number, limit: number | undefined): Case[] {
  const [one, two] = values;
  const withLimit = limit === undefined ? {} : { count: limit };
  return [
    [{ list: [19, 32], map: [98, 77] }, { by: "index", first, single: true }, [integer(first)]],
    [{ list: [20, 33], map: [99, 78] }, { by: "value", value: one, single: true }, [one]],
    [{ list: [21, 34], map: [100, 79] }, { by: "rank", first, single: true }, [integer(first)]],
    [{ list: [22, 35], map: [102, 82] }, { by: "value", value: one }, [one]],
    [{ list: [23, 36], map: [108, 83] }, { by: "value list", values }, [new ListModel(values)]],
    [{ list: [24, 37], map: [104, 85] }, { by: "index", first, ...withLimit }, [
      integer(first),
      ...optional(limit),
    ]],
    [{ list: [25, 38], map: [105, 86] }, { by: "interval", begin: one, end: two }, [one, two]],
    [{ list: [25, 38], map: [105, 86] }, { by: "interval", begin: one }, [one]],
    [{ list: [26, 39], map: [106, 87] }, { by: "rank", first, ...withLimit }, [
      integer(first),
      ...optional(limit),
    ]],
    [{ list: [27, 40], map: [110, 89] }, { by: "relative rank", value: one, first, ...withLimit }, [
      one,
      integer(first),
      ...optional(limit),
    ]],
    [{ map: [97, 76] }, { by: "key", key: one, single: true }, [one]],
    [{ map: [107, 81] }, { by: "key list", values }, [new ListModel(values)]],
    [{ map: [103, 84] }, { by: "key interval", begin: one, end: two }, [one, two]],
    [{ map: [103, 84] }, { by: "key interval", begin: one }, [one]],
    [{ map: [109, 88] }, { by: "relative index", value: one, first, ...withLimit }, [
      one,
      integer(first),
      ...optional(limit),
    ]],
  ];
}

const TYPES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18];

function checkAll(container: fc.Arbitrary<ListModel | MapModel>, numRuns: number): void {
  const input = fc.tuple(known(container), place, count, fc.boolean());
  fc.assert(
    fc.property(input, ([[chosen, values], first, limit, wide]) => {
      const bytes = encode(chosen);
      for (const [codes, selector, params] of casesOf(values, first, limit)) {
        const pair = chosen instanceof ListModel ? codes.list : codes.map;
        for (const [place, code] of (pair ?? []).entries()) {
          for (const type of TYPES) {
            for (const inverted of [false, true]) {
              const returns = BigInt(type + (inverted ? 0x10000 : 0));
              const call = callOf(code, [returns, ...params], wide);
              const got = run(bytes, call, { mayModify: place === 1 });
              const expected = selectModel(chosen, selector, { type, inverted, removes: place === 1 });
              assertEquals(got, expected, `code ${code}, type ${type}, inverted ${inverted}`);
            }
          }
        }
      }
    }),
    { numRuns },
  );
}

describe("get and remove", () => {
  it("choose, answer and remove as plain code does, in any list", () => checkAll(list, 150));
  it("choose, answer and remove as plain code does, in any map", () => checkAll(map, 150));
});
