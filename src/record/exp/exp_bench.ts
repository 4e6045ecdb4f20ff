/**
 * What a filter costs per record, without the scan around it: 1,000 evaluations over a record with five bins per
 * iteration. `true` is the cost of asking at all.
 *
 * @module
 */

import { bin, compiled, encodeTerm, Float, Name, quote, scopeOf, type Term, TestMap } from "./testing.ts";
import { compileExpression } from "./program.ts";

const EVALUATION_COUNT = 1000;

const scope = scopeOf({
  i: 5,
  f: new Float(2.5),
  s: "the quick brown fox jumps over the lazy dog",
  l: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  m: new TestMap([["a", 1], ["b", 2], ["c", 3]]),
});
const I: Term = bin(2, "i");
const both: Term = [16, [3, I, 3], [5, bin(7, "f"), new Float(9)], [1, bin(3, "s"), "no"]];

const filters: [string, Term][] = [
  ["true", true],
  ["integer bin > 3", [3, I, 3]],
  ["(i + 2) * 3 mod 7 = 0", [1, [26, [22, [20, I, 2], 3], 7], 0]],
  ["i / 3 > 2^53", [3, [23, I, 3], 2n ** 53n]],
  ["three comparisons", both],
  ["string bin = text", [1, bin(3, "s"), "the quick brown fox jumps over the lazy cat"]],
  ["regular expression over 43 bytes", [7, 1, new Name("fox.*(cat|dog)$"), bin(3, "s")]],
  ["i in a list of 10", [9, I, quote(10, 11, 12, 13, 14, 15, 16, 17, 18, 19)]],
  ["list size > 3", [3, [127, 2, 0, [16], bin(4, "l")], 3]],
  ["map value by key = 2", [1, [127, 2, 0, [97, 7, "b"], bin(5, "m")], 2]],
  ["metadata: last update", [3, [66], 5]],
];

for (const [name, term] of filters) {
  const program = compiled(term);
  Deno.bench(`${EVALUATION_COUNT} records: ${name}`, { group: "evaluate" }, () => {
    for (let count = 0; count < EVALUATION_COUNT; count++) program.testBins(scope);
  });
}

const bytes = encodeTerm(both);
Deno.bench("compile three comparisons", { group: "compile" }, () => {
  compileExpression(bytes);
});
Deno.bench("find three comparisons compiled", { group: "compile" }, () => {
  scope.programs.get(bytes, 0, bytes.length);
});
