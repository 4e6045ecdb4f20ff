import { assert, assertEquals } from "@std/assert";
import { evictToClique, isClique } from "./clique.ts";
import { labNodeId, TestRandom } from "./clustering_testing.ts";

/** Everybody hears everybody but for the missing pairs, "listener<speaker" or "a-b" for both ways. */
function hearsAllBut(missing: string) {
  const gone = new Set(
    missing.split(" ").flatMap((text) => {
      const [a, b] = text.split(/[-<]/).map((digit) => labNodeId(Number(digit)));
      return text.includes("-") ? [`${a}${b}`, `${b}${a}`] : [`${a}${b}`];
    }),
  );
  return (listener: string, speaker: string) => !gone.has(`${listener}${speaker}`);
}

/**
 * ```
 * nodes    self   missing links       kept
 * ```
 */
const CASES: [string, number, string, string][] = [
  ["1 2 3 4", 4, "", "4 3 2 1"],
  ["1 2 3", 3, "1-2", "3 2"],
  ["1 2 3", 3, "1<2", "3 2"],
  ["1 2 3", 1, "1-3", "2 1"],
  ["1 2 3", 2, "1-3", "3 2"],
  ["1 2 3 4 5", 5, "3-1 3-2", "5 4 2 1"],
  ["1 2 3 4 5", 5, "4-1 4-2 4-3", "5 3 2 1"],
  ["1 2 3 4 5", 1, "4-2 5-3", "5 4 1"],
  ["1 2 3", 2, "2-1 2-3", "2"],
];

Deno.test("evictToClique() leaves out as few as its rule allows, and never itself", () => {
  for (const [nodes, self, missing, kept] of CASES) {
    const ids = nodes.split(" ").map((digit) => labNodeId(Number(digit)));
    const found = evictToClique(ids, labNodeId(self), hearsAllBut(missing));
    const name = `${nodes}, self ${self}, missing ${missing}`;
    assertEquals(found.kept.map((id) => parseInt(id, 16)).join(" "), kept, name);
    assertEquals([...found.kept, ...found.evicted].sort(), ids, name);
  }
});

Deno.test("evictToClique() answers a clique with itself, the same for every order of the candidates", () => {
  const random = new TestRandom(1);
  for (let round = 0; round < 500; round++) {
    const ids = Array.from({ length: 1 + random.below(8) }, (_, at) => labNodeId(at + 1));
    const gone = new Set<string>();
    for (const a of ids) for (const b of ids) if (a !== b && random.chance(0.2)) gone.add(a + b);
    const hears = (listener: string, speaker: string) => !gone.has(listener + speaker);
    const self = random.pick(ids);
    const { kept } = evictToClique(ids, self, hears);
    assert(isClique(kept, hears) && kept.includes(self));
    assertEquals(evictToClique(ids.toReversed(), self, hears).kept, kept);
  }
});
