import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode } from "../base/mod.ts";
import { checkHistory } from "./linearizability.ts";
import {
  ABSENT,
  type Action,
  type Entry,
  type Outcome,
  RecordModel,
  type RecordState,
  type WallHistory,
} from "./record_model.ts";
import { SeededRandom } from "./mod.ts";

const still: WallHistory = { lowestS: () => 1000, highestS: () => 1000, wentBack: false };

function entry(ticks: [number, number], action: Action, outcome: Outcome): Entry {
  return { client: "c", key: "k", action, invokedTick: ticks[0], returnedTick: ticks[1], outcome };
}

function put(ticks: [number, number], value: number, outcome: Outcome = { code: 0 }): Entry {
  return entry(ticks, { type: "write", steps: [{ type: "put", bin: "a", value }] }, outcome);
}

function get(ticks: [number, number], value: number | undefined): Entry {
  const outcome = value === undefined ? { code: ResultCode.NOT_FOUND } : { code: 0, bins: { a: value } };
  return entry(ticks, { type: "get" }, outcome);
}

function verdict(entries: Entry[], wall = still): string {
  return checkHistory(entries, new RecordModel(wall)).result;
}

/** A wall clock whose second is the tick. */
const ticking: WallHistory = { lowestS: (from) => from, highestS: (_from, to) => to, wentBack: false };

describe("checkHistory", () => {
  it("checkHistory() accepts operations one after the other", () => {
    assertEquals(verdict([put([1, 2], 5), get([3, 4], 5), put([5, 6], 6), get([7, 8], 6)]), "linearizable");
  });

  it("checkHistory() accepts either order when operations overlap", () => {
    for (const value of [5, 6]) {
      assertEquals(verdict([put([1, 5], 5), put([2, 6], 6), get([7, 8], value)]), "linearizable");
    }
  });

  it("checkHistory() refuses a stale read", () => {
    assertEquals(verdict([put([1, 2], 5), put([3, 4], 6), get([5, 6], 5)]), "violated");
  });

  it("checkHistory() refuses a lost update", () => {
    assertEquals(verdict([put([1, 2], 5), get([3, 4], undefined)]), "violated");
  });

  it("checkHistory() refuses reads that go back in time", () => {
    const write = put([1, 10], 6);
    assertEquals(verdict([put([-2, -1], 5), write, get([2, 3], 6), get([4, 5], 5)]), "violated");
    assertEquals(verdict([put([-2, -1], 5), write, get([2, 3], 5), get([4, 5], 6)]), "linearizable");
  });

  it("checkHistory() accepts a write in doubt applied late, or never, but not after its end or twice", () => {
    const doubt = put([3, 20], 6, { code: undefined });
    const first = put([1, 2], 5);
    assertEquals(verdict([first, doubt, get([5, 6], 5), get([7, 8], 6), get([9, 10], 6)]), "linearizable");
    assertEquals(verdict([first, doubt, get([5, 6], 5), get([21, 22], 5)]), "linearizable");
    assertEquals(verdict([first, doubt, get([21, 22], 5), get([23, 24], 6)]), "violated");
    const again = put([11, 12], 7);
    assertEquals(verdict([first, doubt, get([5, 6], 6), again, get([13, 14], 6)]), "violated");
  });

  it("checkHistory() uses generations", () => {
    const first = put([1, 2], 5, { code: 0, generation: 1 });
    assertEquals(verdict([first, put([3, 4], 6, { code: 0, generation: 2 })]), "linearizable");
    assertEquals(verdict([first, put([3, 4], 6, { code: 0, generation: 3 })]), "violated");
    assertEquals(verdict([first, put([3, 4], 6, { code: 0, generation: 1 })]), "violated");
  });

  it("checkHistory() knows policies", () => {
    const create = (ticks: [number, number], code: number) =>
      entry(ticks, { type: "write", steps: [{ type: "put", bin: "a", value: 1 }], exists: "create-only" }, {
        code,
      });
    assertEquals(verdict([create([1, 2], 0), create([3, 4], ResultCode.RECORD_EXISTS)]), "linearizable");
    assertEquals(verdict([create([1, 2], 0), create([3, 4], 0)]), "violated");
    assertEquals(verdict([create([1, 2], ResultCode.RECORD_EXISTS)]), "violated");
    const expecting = (generation: number, code: number) =>
      entry([5, 6], { type: "write", steps: [{ type: "put", bin: "a", value: 1 }], generation }, { code });
    assertEquals(verdict([put([1, 2], 5), expecting(1, 0)]), "linearizable");
    assertEquals(verdict([put([1, 2], 5), expecting(2, 0)]), "violated");
    assertEquals(verdict([put([1, 2], 5), expecting(2, ResultCode.GENERATION)]), "linearizable");
  });

  it("checkHistory() accepts a refusal for want of memory, which changes nothing", () => {
    const refused = put([3, 4], 6, { code: ResultCode.OUT_OF_SPACE });
    assertEquals(verdict([put([1, 2], 5), refused, get([5, 6], 5)]), "linearizable");
    assertEquals(verdict([put([1, 2], 5), refused, get([5, 6], 6)]), "violated");
  });

  it("checkHistory() lets records expire not before their time and not long after", () => {
    const write = entry([10, 11], { type: "write", steps: [{ type: "put", bin: "a", value: 5 }], ttlS: 20 }, {
      code: 0,
    });
    assertEquals(verdict([write, get([20, 21], 5)], ticking), "linearizable");
    assertEquals(verdict([write, get([20, 21], undefined)], ticking), "violated");
    assertEquals(verdict([write, get([30, 31], 5)], ticking), "linearizable");
    assertEquals(verdict([write, get([30, 31], undefined)], ticking), "linearizable");
    assertEquals(verdict([write, get([40, 41], undefined)], ticking), "linearizable");
    assertEquals(verdict([write, get([40, 41], 5)], ticking), "violated");
  });

  it("checkHistory() knows that a node's death empties records without a disk", () => {
    const wipe = entry([5, 5], { type: "wipe" }, { code: 0 });
    assertEquals(verdict([put([1, 2], 5), wipe, get([6, 7], undefined)]), "linearizable");
    assertEquals(verdict([put([1, 2], 5), wipe, get([6, 7], 5)]), "violated");
  });

  it("checkHistory() says unknown when too much is in doubt", () => {
    const entries = Array.from({ length: 40 }, (_, at) => put([at, 1000 + at], at, { code: undefined }));
    assertEquals(verdict([...entries, get([500, 501], 3)]), "unknown");
  });
});

/** A bug to plant into a simulated record. */
type Bug = "none" | "lost update" | "stale read" | "applied twice" | "refused but applied";

const BUG_CHANCE = 0.02;

const STALE_BY_WRITES = 4;

/** A history of some clients on one record that has a bug or none. */
function makeHistory(random: SeededRandom, bug: Bug): { entries: Entry[]; struck: boolean } {
  const model = new RecordModel(still);
  const entries: Entry[] = [];
  let state: RecordState = ABSENT;
  const past: RecordState[] = [ABSENT];
  let struck = false;
  let tick = 0;
  const running: { entry: Entry; applied: boolean }[] = [];
  const strike = () => {
    if (!random.chance(BUG_CHANCE)) return false;
    struck = true;
    return true;
  };
  const apply = (one: { entry: Entry; applied: boolean }) => {
    one.applied = true;
    const { entry } = one;
    const wanted = { ...entry, outcome: { code: undefined } };
    if (entry.action.type === "get") {
      // Among concurrent writes the state just before is often a right answer; some writes ago is not.
      const older = past[Math.max(0, past.length - STALE_BY_WRITES)];
      const seen = bug === "stale read" && older.text !== state.text && strike() ? older : state;
      entry.outcome = seen.generation === 0
        ? { code: 2 }
        : { code: 0, bins: seen.bins, generation: seen.generation };
      return;
    }
    const [next] = model.successors(state, wanted);
    entry.outcome = entry.action.type === "delete"
      ? { code: state.generation === 0 ? 2 : 0 }
      : { code: 0, generation: next.generation };
    if (bug === "lost update" && next.text !== state.text && strike()) return;
    if (bug === "refused but applied" && strike()) entry.outcome = { code: ResultCode.OUT_OF_SPACE };
    past.push(state);
    state = next;
    if (bug === "applied twice" && entry.action.type === "write" && strike()) {
      [state] = model.successors(state, wanted);
    }
  };
  for (let count = 0; count < 150;) {
    tick++;
    const fate = random.below(3);
    if (fate === 0 && running.length < 5) {
      count++;
      const fresh = entry([tick, Infinity], chooseAction(random, count), { code: undefined });
      entries.push(fresh);
      running.push({ entry: fresh, applied: false });
    } else if (running.length > 0) {
      const one = random.pick(running);
      if (!one.applied) apply(one);
      else {
        one.entry.returnedTick = tick;
        running.splice(running.indexOf(one), 1);
        if (random.chance(0.05) && one.entry.action.type !== "get") {
          one.entry.outcome = { code: undefined };
          one.entry.returnedTick = tick + 30;
        }
      }
    }
  }
  for (const { entry } of running) {
    entry.outcome = { code: undefined };
    entry.returnedTick = tick + 40;
  }
  for (const one of entries) one.returnedTick += one.returnedTick % 1 === 0 ? 0.5 : 0;
  return {
    entries: entries.filter((one) => !(one.action.type === "get" && one.outcome.code === undefined)),
    struck,
  };
}

function chooseAction(random: SeededRandom, count: number): Action {
  switch (random.below(5)) {
    case 0:
    case 1:
      return { type: "get" };
    case 2:
      return { type: "delete" };
    case 3:
      return { type: "write", steps: [{ type: "append", bin: "s", text: `${count},` }] };
    default:
      return { type: "write", steps: [{ type: "put", bin: "a", value: count }] };
  }
}

describe("planted bugs", () => {
  it("checkHistory() accepts every history of a record without a bug", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { entries } = makeHistory(new SeededRandom(seed), "none");
      const found = checkHistory(entries, new RecordModel(still));
      assertEquals(found.result, "linearizable", `seed ${seed}: ${JSON.stringify(found)}`);
    }
  });

  for (const bug of ["lost update", "stale read", "applied twice", "refused but applied"] as const) {
    it(`checkHistory() finds nearly every history with the bug "${bug}"`, () => {
      let struckCount = 0;
      let foundCount = 0;
      for (let seed = 0; seed < 200; seed++) {
        const { entries, struck } = makeHistory(new SeededRandom(seed), bug);
        if (!struck) continue;
        struckCount++;
        if (checkHistory(entries, new RecordModel(still)).result === "violated") foundCount++;
      }
      assert(struckCount > 50, `planted ${struckCount} times`);
      assert(foundCount >= struckCount * 0.8, `found ${foundCount} of ${struckCount}`);
    });
  }
});
