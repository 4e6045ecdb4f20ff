import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SEQUENCE_STEP_OF_STARTS } from "./layout.ts";
import { type BlockBeginning, findTornBlocks } from "./torn_ends.ts";

const DAY = SEQUENCE_STEP_OF_STARTS;

/** Blocks of a run, numbered from `first`. */
function run(first: number, sequence: number, count: number, flags = 0): BlockBeginning[] {
  return Array.from({ length: count }, (_, at) => ({ block: first + at, sequence: sequence + at, flags }));
}

function torn(beginnings: readonly BlockBeginning[], isStoppedInOrder: boolean): number[] {
  return [...findTornBlocks(beginnings, isStoppedInOrder)].sort((a, b) => a - b);
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

describe("findTornBlocks()", () => {
  it("gives the newest blocks of each run, but of the last one only when it did not end in order", () => {
    const blocks = [...run(0, DAY, 40), ...run(40, 2 * DAY + 40, 30)];
    assertEquals(torn(blocks, true), range(24, 40));
    assertEquals(torn(blocks, false), [...range(24, 40), ...range(54, 70)]);
    assertEquals(torn([], false), []);
  });

  it("counts blocks that defragmentation fills by themselves: they are open for longer", () => {
    const blocks = [...run(0, DAY, 2, 1), ...run(2, DAY + 2, 40)];
    assertEquals(torn(blocks, false), [0, 1, ...range(26, 42)]);
  });
});
