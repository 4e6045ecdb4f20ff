import { assert } from "@std/assert";
import { fromHex } from "../../base/mod.ts";
import fc from "fast-check";
import { compileExpression } from "./program.ts";
import { scopeOf, TestMap } from "./testing.ts";
import { ExpValue } from "./value.ts";

/** Expressions of recorded clients. */
const RECORDED = [
  "935102a6696e7456616c",
  "9303935102a16903",
  "9314935102a1690a",
  "947da178935102a1699316927ca17802",
  "957b9301935103a173a403616263a403796573a3036e6f",
  "957f02009110935104a16c",
  "957f0200931705927e920102935104a16c",
  "957f0440920105935104a16c",
  "957f0200936107a20361935105a16d",
  "9407 02 a45e412e2a 935103a173".replaceAll(" ", ""),
  "93109311c3c29212c2",
  "957f020193330008935106a162",
  "9309 02 92 65 935105a16d".replaceAll(" ", ""),
  "957f040095ccff921001 9110 935104a16c c0".replaceAll(" ", ""),
].map(fromHex);

const scope = scopeOf({
  i: 5,
  s: "abc",
  l: [1, 2, [3]],
  m: new TestMap([["a", 1]]),
  b: Uint8Array.of(1, 2, 3),
}, { setName: Uint8Array.of(0x61), nowMs: 5 });

Deno.test("compileExpression() and its programs never throw, whatever the bytes are", () => {
  const out = new ExpValue();
  let compiledCount = 0;
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.constantFrom(...RECORDED), fc.array(change, { maxLength: 4 }), (bytes, changes) => {
      const mutated = bytes.slice();
      for (const [at, value] of changes) mutated[at % mutated.length] = value;
      const program = compileExpression(mutated);
      if (typeof program === "number") return;
      compiledCount++;
      program.run(scope, out);
      program.testFacts(scope);
      program.testBins(scope);
    }),
    { numRuns: 20_000 },
  );
  assert(compiledCount > 1000, `Only ${compiledCount} mutations compiled`);
});

Deno.test("compileExpression() takes any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      compileExpression(bytes);
    }),
    { numRuns: 5000 },
  );
});
