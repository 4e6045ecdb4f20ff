import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { fromHex, toHex } from "../../base/mod.ts";
import { list, map, scalar } from "./arbitrary_testing.ts";
import { callOf, compare, encode, ListModel, MapModel, run, type Value } from "./model_testing.ts";

/** A context's steps, outermost first. */
type Steps = [type: number, value: Value][];

const APPEND = [1n, 9n];

function inContext(steps: Steps, inner: Value[], wide = false): Uint8Array {
  const context = steps.flatMap(([type, value]): Value[] => [BigInt(type), value]);
  return callOf(255, [new ListModel(context), new ListModel(inner)], wide);
}

function modify(before: Value | undefined, steps: Steps, inner: Value[]): [code: number, after: string] {
  const isMap = before instanceof MapModel;
  const bytes = before === undefined ? undefined : encode(before);
  const { after, code } = run(bytes, inContext(steps, inner), { mayModify: true, isMap });
  return [code, after];
}

const hex = (value: Value) => toHex(encode(value));
const plain = (...items: Value[]) => new ListModel(items);
const ordered = (...items: Value[]) => new ListModel(items, true);

describe("a call with a context", () => {
  it("creates what the stock server creates", () => {
    const put: Value[] = [67n, "q", 1n];
    const cases: [before: Value | undefined, steps: Steps, inner: Value[], after: Value][] = [
      [
        undefined,
        [[0xa2, "a"], [0xa2, "b"]],
        put,
        new MapModel([["a", new MapModel([["b", new MapModel([["q", 1n]])]], 1)]], 1),
      ],
      [
        new MapModel([["z", 1n]]),
        [[0xa2, "a"], [0x90, 2n]],
        APPEND,
        new MapModel([["a", plain(null, null, plain(9n))], ["z", 1n]]),
      ],
      [new MapModel([["a", 1n]]), [[0x62, "n"]], APPEND, new MapModel([["a", 1n], ["n", plain(9n)]])],
      [undefined, [[0xd0, 0n]], APPEND, ordered(plain(9n))],
      [
        new MapModel([]),
        [[0x62, "zz"]],
        [67n, "a", 1n, 1n],
        new MapModel([["zz", new MapModel([["a", 1n]], 1)]]),
      ],
      [
        undefined,
        [[0xe2, "a"], [0x22, "b"], [0x10, 0n]],
        APPEND,
        new MapModel([["a", new MapModel([["b", plain(plain(9n))]])]], 3),
      ],
      [plain(1n), [[0x90, 3n]], APPEND, plain(1n, null, null, plain(9n))],
      [plain(1n), [[0x50, 1n]], APPEND, plain(1n, plain(9n))],
      [ordered(1n, plain(10n)), [[0xd0, 7n]], APPEND, ordered(1n, plain(9n), plain(10n))],
      [plain(), [[0x50, -1n]], APPEND, plain(plain(9n))],
    ];
    for (const [before, steps, inner, after] of cases) {
      assertEquals(
        modify(before, steps, inner),
        [0, hex(after)],
        JSON.stringify(steps, (_, value) => `${value}`),
      );
    }
  });

  it("sorts the sorted lists around what it changes", () => {
    const lists = ordered(plain(1n), plain(2n));
    assertEquals(modify(lists, [[0x10, 0n]], [9n, 0n, 5n]), [0, hex(ordered(plain(2n), plain(5n)))]);
    assertEquals(modify(lists, [[0x13, plain(1n)]], APPEND), [0, hex(ordered(plain(1n, 9n), plain(2n)))]);
    const deep = new MapModel([["k", ordered(plain(ordered(1n, 3n)), plain(ordered(2n)))]]);
    const steps: Steps = [[0x22, "k"], [0x11, 0n], [0x10, 0n]];
    const after = new MapModel([["k", ordered(plain(ordered(2n)), plain(ordered(3n)))]]);
    assertEquals(modify(deep, steps, [7n, 0n]), [0, hex(after)]);
  });

  it("is refused with the stock server's code", () => {
    const target = new MapModel([["l", plain(1n, plain(2n))], ["s", 5n]]);
    const cases: [code: number, before: Value | undefined, call: string | Uint8Array][] = [
      [4, target, "93ccff9092 01 09"],
      [4, target, "93ccff91229201 09"],
      [4, target, "92ccff9222a2036c"],
      [4, target, "94ccff9222a2036c92010901"],
      [4, target, "93ccff92c3019201 09"],
      [4, target, "93ccff9222a2036c91c0"],
      [4, target, inContext([[0x22, "l"]], [255n, plain(0x10n, 0n), plain(1n, 2n)])],
      [26, undefined, inContext([[0x22, "l"]], APPEND)],
      [26, target, inContext([[0x04, true]], APPEND)],
      [26, target, inContext([[0x32, "l"]], APPEND)],
      [26, target, inContext([[0x82, "n"]], APPEND)],
      [26, target, inContext([[0x12, "l"]], APPEND)],
      [26, target, inContext([[0x10, 0n]], APPEND)],
      [26, target, inContext([[0x22, "s"], [0x10, 0n]], APPEND)],
      [26, target, inContext([[0x22, "none"]], APPEND)],
      [26, target, inContext([[0x22, "l"], [0x10, 7n]], APPEND)],
      [26, target, inContext([[0x22, "l"], [0x10, "a"]], APPEND)],
      [26, target, inContext([[0x22, "l"], [0x51, 7n]], APPEND)],
      [26, target, inContext([[0x22, "l"], [0x50, 7n]], APPEND)],
      [26, target, inContext([[0x62, "n"], [0x11, 0n]], APPEND)],
      [12, target, inContext([[0x22, "s"]], APPEND)],
      [12, target, inContext([[0x22, "l"]], [67n, 1n, 1n])],
    ];
    for (const [code, before, call] of cases) {
      const bytes = typeof call === "string" ? fromHex(call.replaceAll(" ", "")) : call;
      const isMap = before instanceof MapModel;
      const stored = before === undefined ? undefined : encode(before);
      const got = run(stored, bytes, { mayModify: true, isMap });
      assertEquals([got.code, got.after], [code, before === undefined ? "" : hex(before)], toHex(bytes));
    }
  });

  it("creates nothing when the call changes nothing", () => {
    assertEquals(modify(undefined, [[0x62, "a"]], [11n]), [0, ""]);
    const before = new MapModel([["z", 1n]]);
    assertEquals(modify(before, [[0x62, "a"]], [76n, 0n, "q"]), [0, hex(before)]);
  });
});

/** Ways to name the element at an index of a container. */
function stepsTo(container: ListModel | MapModel, index: number, bare: boolean): Steps {
  const isList = container instanceof ListModel;
  const values = isList ? container.items : container.entries.map(([, value]) => value);
  const bits = bare ? 0 : isList ? 0x10 : 0x20;
  const rank = values.filter((value, other) => {
    const order = compare(value, values[index]);
    return order < 0 || (order === 0 && other < index);
  }).length;
  const isFirst = values.findIndex((value) => compare(value, values[index]) === 0) === index;
  const steps: Steps = [
    [bits, BigInt(index)],
    [bits, BigInt(index - values.length)],
    [bits | 1, BigInt(rank)],
    [bits | 1, BigInt(rank - values.length)],
  ];
  if (isFirst) steps.push([bits | 3, values[index]]);
  if (!isList) steps.push([bits | 2, container.entries[index][0]]);
  return steps;
}

describe("a context of any kind of steps", () => {
  it("leads to the same element, and puts back what changes there", () => {
    const input = fc.record({
      outer: fc.oneof(list, map),
      inner: fc.oneof(list, map),
      at: fc.nat(),
      element: scalar,
      bare: fc.boolean(),
      wide: fc.boolean(),
    });
    fc.assert(
      fc.property(input, ({ outer, inner, at, element, bare, wide }) => {
        const container = outer instanceof ListModel
          ? new ListModel([...outer.items, inner].sort(outer.ordered ? compare : () => 0), outer.ordered)
          : new MapModel([...outer.entries.filter(([key]) => key !== "zz"), ["zz", inner]], outer.flags);
        const values = container instanceof ListModel
          ? container.items
          : container.entries.map(([, value]) => value);
        const index = values.indexOf(inner);
        const whole = plain(0n, container);
        const call: Value[] = inner instanceof ListModel ? [1n, element] : [67n, "new", element];
        const isMap = inner instanceof MapModel;
        const changed = run(encode(inner), callOf(Number(call[0]), call.slice(1)), {
          mayModify: true,
          isMap,
        });
        const steps = stepsTo(container, index, bare);
        const [type, value] = steps[at % steps.length];
        const got = run(encode(whole), inContext([[0x10, 1n], [type, value]], call, wide), {
          mayModify: true,
        });
        assertEquals([got.code, got.answer], [changed.code, changed.answer]);
        // Bytes of the inner container are found where they were, or, in a sorted list, where they belong now.
        const others = values.filter((other) => other !== inner).map(hex);
        if (container instanceof ListModel && container.ordered) {
          assertEquals(got.after.length, hex(whole).length - hex(inner).length + changed.after.length);
          const sorted = run(fromHex(got.after), callOf(255, [plain(0x10n, 1n), plain(13n, 2n)]), {
            mayModify: true,
          });
          assertEquals(sorted.code, 0);
        } else {
          const expected = hex(whole).replace(
            [...values.slice(0, index).map(hex)].join("") + hex(inner),
            [...values.slice(0, index).map(hex)].join("") + changed.after,
          );
          if (container instanceof ListModel) assertEquals(got.after, expected);
        }
        for (const other of others) assertEquals(got.after.includes(other), true);
        // Reading through the same path by index finds what was stored, unless a sorted list has moved it.
        if (!(container instanceof ListModel && container.ordered)) {
          const read = inContext([[0x10, 1n], [0, BigInt(index)]], isMap ? [96n] : [16n]);
          const size = run(fromHex(got.after), read, { mayModify: false });
          assertEquals(
            size.answer,
            run(fromHex(changed.after), callOf(isMap ? 96 : 16, []), { mayModify: false, isMap }).answer,
          );
        }
      }),
      { numRuns: 600 },
    );
  });
});
