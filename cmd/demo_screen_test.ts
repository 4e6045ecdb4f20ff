import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { demoLine, demoScreen, type DemoView } from "./demo_screen.ts";

const says = {
  size: 2,
  key: "C0FFEE",
  principal: "A2",
  migrations: 12,
  replicationFactor: 2,
  objects: 345,
  masters: 2048,
  copies: 1024,
};

const view: DemoView = {
  nodes: [
    { number: 1, id: "A1", state: "up", says: { ...says, migrations: 0 } },
    { number: 2, id: "A2", state: "up", says },
    { number: 3, id: "A3", state: "frozen", says: undefined },
    { number: 4, id: "A4", state: "up", says: undefined },
  ],
  chosen: 3,
  counts: {
    reads: 10,
    writes: 9,
    errors: new Map([["read: no answer in time", 3]]),
    errorCount: 3,
    lastErrorMs: 8500,
    staleCount: 2,
    lost: ["key 1/2 has 0, 1 was acknowledged, 1 sent"],
    lostCount: 1,
  },
  perSecond: 1000,
  nowMs: 10_000,
  events: ["    1.0 s  node A3 is frozen"],
};

describe("demoScreen()", () => {
  it("shows members, partitions, migrations, errors and what happened", () => {
    assertEquals(demoScreen(view).split("\n").map((line) => line.trimEnd()), [
      "aerie demo",
      "",
      "     node  state   members  cluster  partitions: # master, = copy  to move  records",
      "  1  A1    up            2  C0FFEE   ############======                  0      345",
      "  2  A2 *  up            2  C0FFEE   ############======                 12      345",
      "> 3  A3    frozen        -  -                                            -        -",
      "  4  A4    silent        -  -                                            -        -",
      "",
      "workload: 1000 requests/s, 10 reads, 9 writes, 3 errors, the last 1.5 s ago, 2 stale reads, 1 acknowledged writes lost",
      "       3 read: no answer in time",
      "  LOST key 1/2 has 0, 1 was acknowledged, 1 sent",
      "",
      "    1.0 s  node A3 is frozen",
      "",
      "keys: 1-9 choose a node   k kill   f freeze   h heal (restart, or let go on)   a add a node   q quit",
    ]);
  });
});

describe("demoLine()", () => {
  it("says the same in one line", () => {
    assertEquals(
      demoLine(view),
      "A1 up of 2, 2048+1024 partitions, 0 to move | A2 up of 2, 2048+1024 partitions, 12 to move | " +
        "A3 frozen | A4 silent | workload: 1000 requests/s, 10 reads, 9 writes, 3 errors, " +
        "the last 1.5 s ago, 2 stale reads, 1 acknowledged writes lost",
    );
  });
});
