import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { canMeet } from "./cluster_phases.ts";
import { makeSchedule } from "./cluster_schedule.ts";
import { CLUSTER_FAULTS, CLUSTER_PHASES } from "./cluster_types.ts";

const NODE_COUNTS = { min: 3, max: 7 };
const SEED_COUNT = 1000;
const PAIR_COUNT_MIN = 20;
const FAULT_COUNT_MIN = 10;

describe("makeSchedule()", () => {
  it("gives the same schedule for the same seed, and at least ten faults", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const schedule = makeSchedule(seed, NODE_COUNTS);
      assertEquals(schedule, makeSchedule(seed, NODE_COUNTS));
      const faultCount = schedule.epochs.reduce((sum, { faults }) => sum + faults.length, 0);
      assert(faultCount >= FAULT_COUNT_MIN, `seed ${seed} has ${faultCount} faults`);
      assertEquals(schedule.moreFaults?.length, FAULT_COUNT_MIN);
    }
  });

  it("aims each kind of fault at each phase many times when many seeds are run, from whichever", () => {
    for (const first of [1, 70_000]) {
      const counts = new Map<string, number>();
      for (let seed = first; seed < first + SEED_COUNT; seed++) {
        for (const { faults } of makeSchedule(seed, NODE_COUNTS).epochs) {
          for (const { kind, phase } of faults) {
            const pair = `${kind} × ${phase}`;
            counts.set(pair, (counts.get(pair) ?? 0) + 1);
          }
        }
      }
      for (const fault of CLUSTER_FAULTS) {
        for (const phase of CLUSTER_PHASES) {
          if (!canMeet(fault, phase)) continue;
          const count = counts.get(`${fault} × ${phase}`) ?? 0;
          assert(
            count >= PAIR_COUNT_MIN,
            `${fault} × ${phase}: ${count} of ${SEED_COUNT} seeds from ${first}`,
          );
        }
      }
    }
  });
});
