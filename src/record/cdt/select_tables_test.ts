import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { callOf, encode, Float, ListModel, MapModel, run, type Value } from "./model_testing.ts";

/**
 * Answers that a stock server gave, one row per operation: `code parameters | INDEX | REVINDEX | RANK | REVRANK | COUNT |
 * VALUE | ranges 9 to 12 | EXISTS`, for maps with KEY before VALUE and without EXISTS. `E` is OP_NOT_APPLICABLE, `-` no
 * value. Source: data type reference, sections 2.6 and 3.5.
 */
const UNORDERED_LIST = `
19 1          | 1 | 3 | 0 | 4 | 1 | 1 | [1,1] | [3,1] | E | E | T
20 3          | 0 | 4 | 2 | 2 | 1 | 3 | E | E | [2,1] | [2,1] | T
20 77         | -1 | -1 | -1 | -1 | 0 | - | E | E | [5,0] | [0,0] | F
21 1          | 3 | 1 | 1 | 3 | 1 | 2 | E | E | [1,1] | [3,1] | T
21 -1         | 4 | 0 | 4 | 0 | 1 | 9 | E | E | [4,1] | [0,1] | T
19 9          | E | E | E | E | E | E | E | E | E | E | E
21 9          | E | E | E | E | E | E | E | E | E | E | E
22 3          | [0,2] | [4,2] | [2,3] | [1,2] | 2 | [3,3] | E | E | [2,2] | [1,2] | T
22 77         | [] | [] | [] | [] | 0 | [] | E | E | [5,0] | [0,0] | F
23 [3,1,77]   | [0,1,2] | [4,3,2] | [2,3,0] | [2,1,4] | 3 | [3,1,3] | E | E | E | E | T
24 1 2        | [1,2] | [2,3] | [0,2] | [4,2] | 2 | [1,3] | [1,2] | [2,2] | E | E | T
24 9 2        | [] | [] | [] | [] | 0 | [] | [5,0] | [5,0] | [5,0] | [5,0] | F
25 2 4        | [0,2,3] | [4,2,1] | [1,2,3] | [1,2,3] | 3 | [3,3,2] | E | E | [1,3] | [1,3] | T
25 2          | [0,2,3,4] | [4,2,1,0] | [1,2,3,4] | [0,1,2,3] | 4 | [3,3,2,9] | E | E | [1,4] | [0,4] | T
25 4 2        | [] | [] | [] | [] | 0 | [] | E | E | [4,0] | [1,0] | F
26 1 2        | [0,3] | [4,1] | [1,2] | [2,3] | 2 | [3,2] | E | E | [1,2] | [2,2] | T
26 9 2        | [] | [] | [] | [] | 0 | [] | [5,0] | [5,0] | [5,0] | [5,0] | F
27 3 -1       | [0,2,3,4] | [4,2,1,0] | [1,2,3,4] | [0,1,2,3] | 4 | [2,3,3,9] | E | E | [1,4] | [0,4] | T
27 3 0 1      | [0] | [4] | [2] | [2] | 1 | [3] | E | E | [2,1] | [2,1] | T
27 2 -1 2     | [1,3] | [3,1] | [0,1] | [3,4] | 2 | [2,1] | E | E | [0,2] | [3,2] | T`;

const ORDERED_LIST = `
19 1          | 1 | 3 | 1 | 3 | 1 | 2 | [1,1] | [3,1] | [1,1] | [3,1] | T
21 1          | 1 | 3 | 1 | 3 | 1 | 2 | [1,1] | [3,1] | [1,1] | [3,1] | T
20 3          | 2 | 2 | 2 | 2 | 1 | 3 | [2,1] | [2,1] | [2,1] | [2,1] | T
20 77         | -1 | -1 | -1 | -1 | 0 | - | [0,0] | [0,0] | [0,0] | [0,0] | F
22 3          | [2,3] | [1,2] | [2,3] | [1,2] | 2 | [3,3] | [2,2] | [1,2] | [2,2] | [1,2] | T
22 77         | [] | [] | [] | [] | 0 | [] | [5,0] | [5,0] | [5,0] | [5,0] | F
23 [3,1,77]   | [2,3,0] | [1,2,4] | [2,3,0] | [1,2,4] | 3 | [3,3,1] | E | E | E | E | T
24 1 2        | [1,2] | [2,3] | [1,2] | [2,3] | 2 | [2,3] | [1,2] | [2,2] | [1,2] | [2,2] | T
26 1 2        | [1,2] | [2,3] | [1,2] | [2,3] | 2 | [2,3] | [1,2] | [2,2] | [1,2] | [2,2] | T
25 2 4        | [1,2,3] | [1,2,3] | [1,2,3] | [1,2,3] | 3 | [2,3,3] | [1,3] | [1,3] | [1,3] | [1,3] | T
25 4 2        | [] | [] | [] | [] | 0 | [] | [4,0] | [1,0] | [4,0] | [1,0] | F
27 3 -1       | [1,2,3,4] | [0,1,2,3] | [1,2,3,4] | [0,1,2,3] | 4 | [2,3,3,9] | [1,4] | [0,4] | [1,4] | [0,4] | T`;

/** Keys are written as their numbers, 1 for the first; `K` marks rows that depend on the map's order. */
const MAPS = `
97 2          | 1 | 3 | 2 | 2 | 1 | 2 | 3 | [1,1] | [3,1] | E | E
97 26         | -1 | -1 | -1 | -1 | 0 | - | - | [-1,0] | [-1,0] | E | E
98 1          | 1 | 3 | 2 | 2 | 1 | 2 | 3 | [1,1] | [3,1] | E | E
98 9          | E | E | E | E | E | E | E | E | E | E | E
100 9         | E | E | E | E | E | E | E | E | E | E | E
99 3          | 1 | 3 | 2 | 2 | 1 | 2 | 3 | E | E | [2,1] | [2,1]
99 77         | -1 | -1 | -1 | -1 | 0 | - | - | E | E | [5,0] | [5,0]
100 1         | 2 | 2 | 1 | 3 | 1 | 3 | 2 | E | E | [1,1] | [3,1]
102 3         | [1,3] | [3,1] | [2,3] | [1,2] | 2 | [2,4] | [3,3] | E | E | [2,2] | [1,2]
102 77        | [] | [] | [] | [] | 0 | [] | [] | E | E | [5,0] | [5,0]
103 2 4       | [1,2] | [2,3] | [2,1] | [2,3] | 2 | [2,3] | [3,2] | [1,2] | [2,2] | E | E
103 2         | [1,2,3,4] | [0,1,2,3] | [2,1,3,4] | [2,3,1,0] | 4 | [2,3,4,5] | [3,2,3,9] | [1,4] | [0,4] | E | E
103 24 26     | [] | [] | [] | [] | 0 | [] | [] | [5,0] | K0 | E | E
103 4 2       | [] | [] | [] | [] | 0 | [] | [] | [3,0] | K2 | E | E
104 1 2       | [1,2] | [2,3] | [2,1] | [2,3] | 2 | [2,3] | [3,2] | [1,2] | [2,2] | E | E
104 9 2       | [] | [] | [] | [] | 0 | [] | [] | [5,0] | [5,0] | E | E
105 2 4       | [1,2,3] | [3,2,1] | [1,2,3] | [1,2,3] | 3 | [2,3,4] | [3,2,3] | E | E | [1,3] | [1,3]
105 4 2       | [] | [] | [] | [] | 0 | [] | [] | E | E | [4,0] | [4,0]
106 1 2       | [2,1] | [2,3] | [1,2] | [2,3] | 2 | [3,2] | [2,3] | E | E | [1,2] | [2,2]
106 2 3       | [1,3,4] | [3,1,0] | [2,3,4] | [0,1,2] | 3 | [2,4,5] | [3,3,9] | E | E | [2,3] | [0,3]
106 9 2       | [] | [] | [] | [] | 0 | [] | [] | E | E | [5,0] | [5,0]
107 [4,1,26]  | [3,0] | [1,4] | E | E | 2 | [1,4] | [1,3] | E | E | E | E
108 [3,1,77]  | [0,1,3] | [4,3,1] | [2,3,0] | [2,1,4] | 3 | [1,2,4] | [1,3,3] | E | E | E | E
109 2 -1      | [0,1,2,3,4] | [0,1,2,3,4] | [0,2,1,3,4] | [4,2,3,1,0] | 5 | [1,2,3,4,5] | [1,3,2,3,9] | [0,5] | [0,5] | E | E
109 2 0 1     | [1] | [3] | [2] | [2] | 1 | [2] | [3] | [1,1] | [3,1] | E | E
109 2.5 0 2   | [2,3] | [1,2] | [1,3] | [3,1] | 2 | [3,4] | [2,3] | [2,2] | [1,2] | E | E
110 3 -1      | [2,1,3,4] | [2,3,1,0] | [1,2,3,4] | [0,1,2,3] | 4 | [3,2,4,5] | [2,3,3,9] | E | E | [1,4] | [0,4]
110 3 0 1     | [1] | [3] | [2] | [2] | 1 | [2] | [3] | E | E | [2,1] | [2,1]`;

/** Keys a, b, c, ...; 2.5 stands for one between b and c. */
function keyText(text: string): string {
  return text === "2.5" ? "bb" : String.fromCharCode(96 + Number(text));
}

function valueOf(text: string, isKey: boolean): Value {
  if (text.startsWith("[")) {
    const items = text.slice(1, -1).split(",").filter((item) => item !== "");
    return new ListModel(items.map((item) => valueOf(item, isKey)));
  }
  return isKey ? keyText(text) : BigInt(text);
}

/** The particle that a cell stands for, as `run` prints it. */
function cellText(cell: string, isKey: boolean): string {
  if (cell === "-") return "";
  if (cell === "T" || cell === "F") return `17:${cell === "T" ? "01" : "00"}`;
  const value = valueOf(cell, isKey);
  // A get of one element of a list is how a value becomes a particle; a list is one already.
  return run(encode(new ListModel([value])), callOf(17, [0n]), { mayModify: false }).answer;
}

const LIST_TYPES = [1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13];
const MAP_TYPES = [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12];
/** Codes whose first parameter, after the return type, is a key or are keys. */
const KEY_CODES = [97, 103, 107, 109];

function check(table: string, container: ListModel | MapModel): void {
  const isMap = container instanceof MapModel;
  const isKeyOrdered = isMap && container.flags !== 0;
  for (const line of table.trim().split("\n")) {
    const [call, ...cells] = line.split("|").map((cell) => cell.trim());
    const [code, ...params] = call.split(/\s+/);
    const takesKey = KEY_CODES.includes(Number(code));
    const values = params.map((param, index) =>
      valueOf(param, takesKey && (index === 0 || Number(code) === 103))
    );
    const types = isMap ? MAP_TYPES : LIST_TYPES;
    types.forEach((type, index) => {
      const got = run(encode(container), callOf(Number(code), [BigInt(type), ...values]), {
        mayModify: false,
      });
      let cell = cells[index];
      if (cell.startsWith("K")) cell = isKeyOrdered ? cells[index - 1] : `[${cell.slice(1)},0]`;
      const expected = cell === "E" ? [26, ""] : [0, cellText(cell, type === 6)];
      assertEquals([got.code, got.answer], expected, `${call}, type ${type}`);
    });
  }
}

const integers = (...numbers: number[]) => numbers.map((number): Value => BigInt(number));

describe("answers of a stock server", () => {
  it("are given for an unordered list", () => check(UNORDERED_LIST, new ListModel(integers(3, 1, 3, 2, 9))));
  it("are given for an ordered list", () =>
    check(ORDERED_LIST, new ListModel(integers(1, 2, 3, 3, 9), true)));
  for (const flags of [0, 1, 3]) {
    it(`are given for a map with flags ${flags}`, () => {
      const values = integers(1, 3, 2, 3, 9);
      check(MAPS, new MapModel(values.map((value, index) => [keyText(`${index + 1}`), value]), flags));
    });
  }

  it("are given for the complement", () => {
    const list = encode(new ListModel(integers(3, 1, 3, 2, 9)));
    const cases: [code: number, type: number, params: Value[], expected: string][] = [
      [24, 1, integers(1, 2), "[0,3,4]"],
      [24, 2, integers(1, 2), "[4,0,1]"],
      [26, 3, integers(1, 2), "[0,3,4]"],
      [26, 4, integers(1, 2), "[4,0,1]"],
      [25, 7, integers(2, 4), "[1,9]"],
      [24, 5, integers(1, 2), "3"],
      [22, 2, integers(3), "[3,1,0]"],
      [23, 7, [new ListModel([])], "[3,1,3,2,9]"],
    ];
    for (const [code, type, params, expected] of cases) {
      const got = run(list, callOf(code, [BigInt(type + 0x10000), ...params]), { mayModify: false });
      assertEquals([got.code, got.answer], [0, cellText(expected, false)], `code ${code}, type ${type}`);
    }
  });
});

describe("values", () => {
  it("sort as in a stock server", () => {
    const ascending: Value[] = [
      null,
      false,
      true,
      true,
      -5n,
      -1n,
      3n,
      5n,
      2n ** 64n - 1n,
      "",
      "a",
      "aa",
      "b",
      new ListModel([]),
      new ListModel([1n]),
      new ListModel([1n, 2n]),
      new ListModel([2n]),
      new MapModel([]),
      new MapModel([[1n, 2n]]),
      new MapModel([[5n, 1n]]),
      new MapModel([[1n, 2n], [3n, 4n]]),
      new Uint8Array([]),
      new Uint8Array([0x78]),
      new Float(-1.5),
      new Float(1.5),
    ];
    const shuffled = ascending.map((_, index) => ascending[(index * 7) % ascending.length]);
    const sorted = run(encode(new ListModel(shuffled)), callOf(13, []), { mayModify: true });
    assertEquals(
      sorted.after,
      run(encode(new ListModel(ascending)), callOf(13, []), { mayModify: true }).after,
    );
    const ordered = run(encode(new ListModel(shuffled)), callOf(0, [1n]), { mayModify: true });
    assertEquals(
      ordered.after,
      run(encode(new ListModel(ascending)), callOf(0, [1n]), { mayModify: true }).after,
    );
    const got = run(encode(new ListModel(ascending)), callOf(13, []), { mayModify: true }).after;
    assertEquals(
      got,
      [...encode(new ListModel(ascending))].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    );
  });
});
