import { assertEquals } from "@std/assert";
import { loadGeometry } from "../geo/mod.ts";
import { bin, compiled, evaluate, Name, scopeOf, type Term } from "./testing.ts";

const NEAR = '{"type":"Point","coordinates":[0.1,0.1]}';
const FAR = '{"type":"Point","coordinates":[50,50]}';
const CIRCLE = '{"type":"AeroCircle","coordinates":[[0,0],50000]}';

function geo(text: string): Name {
  return new Name(`\x17${text}`);
}

Deno.test("geo comparison is true when one side is a region that contains the other, a point", async () => {
  await loadGeometry();
  const scope = scopeOf({ l: [geo(NEAR), geo(FAR), geo("{}")] });
  const cases: [Term, Term, boolean][] = [
    [geo(NEAR), geo(CIRCLE), true],
    [geo(CIRCLE), geo(NEAR), true],
    [geo(FAR), geo(CIRCLE), false],
    [geo(NEAR), geo(NEAR), false],
    [geo(CIRCLE), geo(CIRCLE), false],
  ];
  for (const [left, right, expected] of cases) assertEquals(evaluate([8, left, right], scope), expected);
  const item = (index: number): Term => [127, 8, 0, [17, index], bin(4, "l")];
  assertEquals(evaluate([8, item(0), geo(CIRCLE)], scope), true);
  assertEquals(evaluate([8, item(1), geo(CIRCLE)], scope), false);
  assertEquals(
    evaluate([8, item(2), geo(CIRCLE)], scope),
    "unknown",
    "no GeoJSON that the database understands",
  );
  assertEquals(evaluate([8, bin(8, "none"), geo(CIRCLE)], scope), "unknown");
});

Deno.test("ExpProgram.usesGeometry tells whether GeoJSON is dealt with anywhere", () => {
  const select = (
    type: number,
  ): Term => [127, 4, 0, [254, [4, true], 1, [1, [122, type, 1], 5]], bin(4, "l")];
  const cases: [Term, boolean][] = [
    [[1, bin(2, "i"), 7], false],
    [bin(8, "g"), true],
    [[123, true, geo(NEAR), [0]], true],
    [[127, 8, 0, [17, 0], bin(4, "l")], true],
    [select(8), true],
    [select(2), false],
  ];
  for (const [term, expected] of cases) assertEquals(compiled(term).usesGeometry, expected);
});
