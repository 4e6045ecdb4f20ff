import { setImmediate } from "node:timers";
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import { checkSafe, checkSplit, ClusterWall, EpochHistory, stateOf } from "./cluster_history.ts";
import { SimWorld } from "./mod.ts";
import { ABSENT, type Action, type Entry, makeState, type Outcome } from "./record_model.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const { simulation } = new SimWorld({ seed: 1, settle, compute: createCompute() });

const put = (value: string): Action => ({ type: "write", steps: [{ type: "put", bin: "a", value }] });
const append = (text: string): Action => ({ type: "write", steps: [{ type: "append", bin: "s", text }] });
const state = (generation: number, a: string) =>
  makeState({ generation, bins: { a }, voidMinS: 0, voidMaxS: 0, sinceTick: 0 });

/** Operations one after the other; those with `returned` end later, or never when it is Infinity. */
function history(
  ...rows: readonly { action: Action; outcome: Outcome; returned?: number }[]
): Entry[] {
  return rows.map(({ action, outcome, returned }, at) => ({
    client: "c",
    key: "k",
    action,
    outcome,
    invokedTick: at * 2,
    returnedTick: returned ?? at * 2 + 1,
  }));
}

const ok = (generation: number, a: string): Outcome => ({ code: 0, generation, bins: { a } });
const written: Outcome = { code: 0 };
const inDoubt: Outcome = { code: undefined };
const get: Action = { type: "get" };

function safe(entries: readonly Entry[], initial = ABSENT, hadSleeper = false) {
  const counts = { unknown: 0, stale: 0 };
  checkSafe(
    { key: "k", entries, initial, hadSleeper, mayLoseTombstones: false },
    new ClusterWall(simulation),
    counts,
  );
  return counts;
}

describe("checkSafe", () => {
  it("accepts a history that a single record explains", () => {
    const counts = safe(
      history({ action: put("2"), outcome: written }, { action: get, outcome: ok(4, "2") }),
      state(3, "1"),
    );
    assertEquals(counts, { unknown: 0, stale: 0 });
  });

  it("throws when an acknowledged write is lost", () => {
    const entries = history(
      { action: put("1"), outcome: written },
      { action: put("2"), outcome: written },
      { action: get, outcome: ok(1, "1") },
    );
    assertThrows(() => safe(entries), Error, "No order explains");
  });

  it("throws when a deleted record returns", () => {
    const entries = history({ action: { type: "delete" }, outcome: written }, {
      action: get,
      outcome: ok(3, "1"),
    });
    assertThrows(() => safe(entries, state(3, "1")), Error, "No order explains");
  });

  it("throws when a write happened twice", () => {
    const add: Action = { type: "write", steps: [{ type: "add", bin: "n", by: 1 }] };
    const entries = history({ action: add, outcome: written }, {
      action: get,
      outcome: { code: 0, generation: 2, bins: { n: 2 } },
    });
    assertThrows(() => safe(entries), Error, "No order explains");
  });

  it("throws when a read gives what was superseded before it was asked", () => {
    const entries = history(
      { action: put("2"), outcome: written },
      { action: get, outcome: ok(3, "1") },
      { action: get, outcome: ok(4, "2") },
    );
    assertThrows(() => safe(entries, state(3, "1")), Error, "No order explains");
  });

  it("takes a write in doubt as done or not done", () => {
    for (const final of [ok(3, "1"), ok(4, "2")]) {
      safe(
        history({ action: put("2"), outcome: inDoubt, returned: 2.5 }, { action: get, outcome: final }),
        state(3, "1"),
      );
    }
  });

  it("lets readers see a write in doubt or not, but wants all acknowledged ones", () => {
    const dirty = history(
      { action: put("2"), outcome: inDoubt, returned: 4.5 },
      { action: get, outcome: ok(4, "2") },
      { action: get, outcome: ok(3, "1") },
    );
    assertEquals(safe(dirty, state(3, "1")).stale, 0);
    const lost = history(
      { action: put("2"), outcome: inDoubt, returned: 9.5 },
      { action: put("3"), outcome: written },
      { action: put("4"), outcome: written },
      { action: get, outcome: ok(4, "3") },
    );
    assertThrows(() => safe(lost, state(3, "1")), Error, "No order explains");
  });

  it("lets readers see old copies of a node that slept, but no writer lose anything", () => {
    const rows = [
      { action: put("2"), outcome: written },
      { action: get, outcome: ok(3, "1") },
    ];
    const stale = history(...rows, { action: get, outcome: ok(4, "2") });
    assertEquals(safe(stale, state(3, "1"), true).stale, 1);
    assertThrows(() => safe(history(...rows), state(3, "1"), true), Error, "No order explains");
  });
});

describe("EpochHistory.mayBeBuried()", () => {
  /** A write in doubt of a record that was not there; a merge may have removed it; then another write has that generation. */
  function historyWith(removedGeneration: number | undefined, generation: number) {
    const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
    const all = new EpochHistory(world.simulation, new ClusterWall(world.simulation));
    all.doubt(all.call("c", "k", put("1")), []);
    if (removedGeneration !== undefined) all.mayBeBuried("k", removedGeneration);
    all.answer(all.call("c", "k", append("2")), { code: 0, generation });
    return all;
  }

  it("lets the next write go on with the tombstone's generation, or without it", () => {
    for (const generation of [1, 2, 3]) safe(historyWith(2, generation).entriesOf("k"));
  });

  it("allows no other generation, and none without a removal", () => {
    const fails = (entries: readonly Entry[]) =>
      assertThrows(() => safe(entries), Error, "No order explains");
    fails(historyWith(undefined, 3).entriesOf("k"));
    fails(historyWith(2, 5).entriesOf("k"));
  });

  it("allows no removal of what was acknowledged", () => {
    const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
    const all = new EpochHistory(world.simulation, new ClusterWall(world.simulation));
    all.answer(all.call("c", "k", put("1")), written);
    all.mayBeBuried("k", 2);
    all.answer(all.call("c", "k", get), { code: 2 });
    assertThrows(() => safe(all.entriesOf("k")), Error, "No order explains");
  });

  it("is no write in doubt", () => {
    const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
    const all = new EpochHistory(world.simulation, new ClusterWall(world.simulation));
    all.mayBeBuried("k", 2);
    assertEquals(all.isInDoubt("k"), false);
  });
});

describe("EpochHistory.goOnFrom()", () => {
  it("lets what was given up shortly before take effect within three seconds", async () => {
    const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
    const wall = new ClusterWall(world.simulation);
    const last = new EpochHistory(world.simulation, wall);
    last.doubt(last.call("c", "old", put("1")), []);
    await world.simulation.runFor(3001);
    last.doubt(last.call("c", "new", put("2")), []);
    last.end();
    const next = new EpochHistory(world.simulation, wall);
    next.goOnFrom(last);
    assertEquals([next.isInDoubt("old"), next.isInDoubt("new")], [false, true]);
    assertEquals([next.entriesOf("new")[0].returnedTick, next.count], [Infinity, 0]);
    await world.simulation.runFor(3001);
    assertEquals(next.entriesOf("new")[0].returnedTick < Infinity, true);
  });

  it("lets what nobody has read yet take effect later", async () => {
    const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
    const wall = new ClusterWall(world.simulation);
    const last = new EpochHistory(world.simulation, wall);
    const whenRead: (() => void)[] = [];
    last.doubt(last.call("c", "k", put("1")), [{ whenFinished: (fn) => void whenRead.push(fn) }]);
    last.end();
    const next = new EpochHistory(world.simulation, wall);
    next.goOnFrom(last);
    const [entry] = next.entriesOf("k");
    await world.simulation.runFor(10_000);
    assertEquals(entry.returnedTick, Infinity);
    for (const read of whenRead) read();
    await world.simulation.runFor(3001);
    assertEquals(entry.returnedTick < Infinity, true);
  });
});

describe("EpochHistory.mayVanish()", () => {
  it("lets a record go in the next epoch too, unless the truncation was confirmed", () => {
    const wall = new ClusterWall(simulation);
    for (const isConfirmed of [false, true]) {
      const last = new EpochHistory(simulation, wall);
      const end = last.mayVanish("c1");
      if (isConfirmed) end();
      last.end();
      const next = new EpochHistory(simulation, wall);
      next.goOnFrom(last);
      const types = next.entriesOf("c1").map(({ action }) => action.type);
      assertEquals(types, isConfirmed ? [] : ["wipe"]);
    }
  });
});

describe("checkSplit", () => {
  const split = (
    entries: readonly Entry[],
    initial = state(3, "1"),
    last = state(4, "2"),
    mayBeLost = false,
  ) => checkSplit({ key: "k", entries, initial, last, mayBeLost });

  it("accepts what was there before and what was written since, of either side", () => {
    const entries = history({ action: put("2"), outcome: written }, { action: put("3"), outcome: written });
    split(entries);
    split(entries, state(3, "1"), state(3, "1"));
  });

  it("throws when a record holds what was superseded before the split", () => {
    assertThrows(
      () => split(history({ action: put("3"), outcome: written })),
      Error,
      "superseded before the split",
    );
    assertThrows(() => split(history({ action: append("x,"), outcome: written })), Error, "superseded");
  });

  it("throws when a record is there that was absent and nobody wrote", () => {
    assertThrows(
      () => split(history({ action: { type: "delete" }, outcome: written }), ABSENT),
      Error,
      "nobody wrote",
    );
  });

  it("throws when a record is gone that nobody deleted", () => {
    assertThrows(
      () => split(history({ action: put("2"), outcome: written }), state(3, "1"), ABSENT),
      Error,
      "nobody deleted",
    );
    split(history({ action: { type: "delete" }, outcome: inDoubt }), state(3, "1"), ABSENT);
  });

  it("lets records with a TTL go", () => {
    const initial = stateOf(ok(1, "1"), "t1");
    checkSplit({ key: "t1", entries: [], initial, last: ABSENT, mayBeLost: false });
  });

  it("lets records go when as many nodes died as there are copies", () => {
    split(history({ action: put("2"), outcome: written }), state(3, "1"), ABSENT, true);
  });
});
