import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createCompute } from "../platform/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { Strikes, type StrikeTargets } from "./cluster_strikes.ts";
import type { PlannedFault } from "./cluster_types.ts";
import { EventKind } from "./simulation.ts";
import { type SimProcess, SimWorld } from "./world.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
const compute = createCompute();
const FREEZE: PlannedFault = { atMs: 100, kind: "freeze", node: 0, other: 0, durationMs: 200, amount: 0 };

const LEAVES_BEHIND: PlannedFault = { ...FREEZE, atMs: 0, phase: "duplicate resolution" };
const KILL: PlannedFault = { ...FREEZE, atMs: 500, kind: "kill", node: 1 };

/** One node that does nothing, and an epoch of one fault. */
function makeStrikes(fault: PlannedFault) {
  const world = new SimWorld({ seed: 1, settle, compute });
  const process: SimProcess = world.addMachine("a").start("a");
  const member = {
    isUp: true,
    machine: process.machine,
    process,
    freeze: (durationMs: number) => process.freeze(durationMs * 1000),
  } as unknown as ClusterMember;
  const troubleMs: number[] = [];
  const strikes = new Strikes({
    world,
    members: { up: [member], all: [member] },
    clients: [],
    counters: { note: () => {} },
    rotten: new Set<ClusterMember>(),
    noteTrouble: () => void troubleMs.push(world.simulation.nowUs / 1000),
  } as unknown as StrikeTargets, { kind: "safe", durationMs: 1000, faults: [fault] });
  return { world, process, strikes, troubleMs };
}

/** Three nodes of one cluster that looks whole, and an epoch; the first node is left behind 400 ms after its start. */
function makeLeftBehind(faults: readonly PlannedFault[] = [LEAVES_BEHIND], kind: "safe" | "split" = "safe") {
  const world = new SimWorld({ seed: 1, settle, compute });
  const all = ["a", "b", "c"].map((self) => ({
    isUp: true,
    isWanted: true,
    machine: world.addMachine(self),
    partitions: {},
    store: {},
    die: () => void died.push(self),
    node: {
      cluster: { self, clusterKey: 1, committed: { succession: ["c", "b", "a"], members: [] }, own: {} },
      namespaces: [{ settings: { migrateSleep: 0 } }],
    },
  }));
  const died: string[] = [];
  const nothing = () => {};
  const strikes = new Strikes({
    world,
    members: { up: all, all, start: () => {} },
    clients: [],
    replicationFactor: 2,
    rotten: new Set<ClusterMember>(),
    leavesBehind: true,
    strikesInPhases: true,
    nodeTimeoutMs: 1000,
    counters: { note: nothing },
    isWhole: () => true,
    noteDiskFault: nothing,
    noteTrouble: nothing,
    holdDoubts: nothing,
    noteLeftBehind: nothing,
    truncate: nothing,
  } as unknown as StrikeTargets, { kind, durationMs: 9000, faults });
  return { world, all, strikes, died };
}

describe("Strikes", () => {
  it("isStriking is true until a node that was left behind is in the others' cluster again", async () => {
    const { world: { simulation }, all, strikes } = makeLeftBehind();
    const [away, ...others] = all;
    strikes.start();
    await simulation.runFor(1000);
    strikes.end();
    await simulation.runFor(100);
    assertEquals(strikes.isStriking, true, "the others have not gone on");
    for (const { node } of others) {
      node.cluster = { ...node.cluster, clusterKey: 2, committed: { succession: ["c", "b"], members: [] } };
    }
    await simulation.runFor(100);
    assertEquals(strikes.isStriking, true, "it is on its own");
    away.node.cluster.clusterKey = 2;
    await simulation.runFor(100);
    assertEquals(strikes.isStriking, false);
  });

  it("kills no node while another one is being left behind, though nobody misses that one yet", async () => {
    const { world: { simulation }, all, strikes, died } = makeLeftBehind([LEAVES_BEHIND, KILL]);
    strikes.start();
    await simulation.runFor(3000);
    assertEquals(died, []);
    for (const { node } of all.slice(1)) {
      node.cluster = { ...node.cluster, clusterKey: 2, committed: { succession: ["c", "b"], members: [] } };
    }
    all[0].node.cluster.clusterKey = 2;
    await simulation.runFor(1000);
    assertEquals(died, ["b"]);
  });

  it("kills no node while another one can't read a device, though that one has not met it yet", async () => {
    for (const kind of ["dead-disk", "bad-reads"] as const) {
      const reads: PlannedFault = { ...FREEZE, kind, durationMs: 1800, amount: 4 };
      const { world: { simulation }, strikes, died } = makeLeftBehind([reads, KILL]);
      strikes.start();
      await simulation.runFor(1800);
      assertEquals(died, [], kind);
      await simulation.runFor(1000);
      assertEquals(died, ["b"], kind);
    }
  });

  it("lets no lonely node die when a split ends: what there was then is compared with what remains", async () => {
    for (const kind of ["split", "safe"] as const) {
      const lonely: PlannedFault = { ...FREEZE, kind: "lonely", durationMs: 3000 };
      const { world: { simulation }, all: [alone], strikes, died } = makeLeftBehind([lonely], kind);
      strikes.start();
      await simulation.runFor(1000);
      assertEquals(alone.isWanted, false);
      strikes.end();
      assertEquals(died, kind === "split" ? [] : ["a"]);
      assertEquals(alone.isWanted, kind === "split");
    }
  });

  it("notes trouble when a node that stood still goes on, before the node does anything", async () => {
    const { world, process, strikes, troubleMs } = makeStrikes(FREEZE);
    const { simulation } = world;
    const seen: number[][] = [];
    strikes.start();
    simulation.schedule(150_000, EventKind.TIMER, process, () => void seen.push([...troubleMs]));
    await simulation.runFor(1000);
    assertEquals(seen, [[100, 300]]);
  });
});
