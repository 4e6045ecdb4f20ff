import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ClusterMember } from "./cluster_members.ts";
import type { PlannedFault } from "./cluster_types.ts";
import { PhaseWaits } from "./cluster_waits.ts";
import { Simulation } from "./simulation.ts";

const FAULT: PlannedFault = { atMs: 0, kind: "kill", node: 0, other: 0, durationMs: 0, amount: 0 };

/** A node of which only the writes that wait for replicas are looked at. */
function makeMember() {
  const peers = { isWriting: false, isResolving: false };
  return { peers, member: { isUp: true, node: { peers } } as unknown as ClusterMember };
}

function makeWaits(
  mayStrike: () => boolean = () => true,
  phase: { isDone?: () => boolean; isComing?: () => boolean } = {},
) {
  const simulation = new Simulation({ seed: 1, settle: () => Promise.resolve() });
  const seen: string[] = [];
  const note = (what: string) => void seen.push(`${what} at ${simulation.nowUs / 1000}`);
  const waits = new PhaseWaits({
    simulation,
    strikeIn: () => {
      note(mayStrike() ? "strikes" : "is put off");
      return mayStrike();
    },
    strikeAnyway: () => note("strikes anyway"),
    provoke: () => {
      note("provokes");
      return phase.isDone?.() ?? true;
    },
    isComing: () => phase.isComing?.() ?? false,
  });
  waits.add(FAULT, "replica write");
  return { simulation, seen, waits };
}

describe("PhaseWaits", () => {
  it("strikes a node in the event after which its phase is seen, once", async () => {
    const { simulation, seen, waits } = makeWaits();
    const { member, peers } = makeMember();
    waits.look(member);
    await simulation.runFor(100);
    peers.isWriting = true;
    waits.look(member);
    await simulation.runFor(1);
    waits.look(member);
    await simulation.runFor(20_000);
    assertEquals(seen, ["strikes at 100"]);
  });

  it("waits on when the phase is over before the strike, or when the strike is put off", async () => {
    let mayStrike = false;
    const { simulation, seen, waits } = makeWaits(() => mayStrike);
    const { member, peers } = makeMember();
    peers.isWriting = true;
    waits.look(member);
    peers.isWriting = false;
    await simulation.runFor(10);
    peers.isWriting = true;
    waits.look(member);
    await simulation.runFor(10);
    mayStrike = true;
    waits.look(member);
    await simulation.runFor(10);
    assertEquals(seen, ["is put off at 10", "strikes at 20"]);
  });

  it("brings the phase on again and again, and strikes anyway in the end", async () => {
    const { simulation, seen } = makeWaits();
    await simulation.runFor(20_000);
    assertEquals(seen, [
      "provokes at 400",
      "provokes at 2600",
      "provokes at 4800",
      "provokes at 7000",
      "strikes anyway at 7500",
    ]);
  });

  it("tries again soon what could not be done", async () => {
    let leftCount = 2;
    const { simulation, seen } = makeWaits(undefined, { isDone: () => leftCount-- <= 0 });
    await simulation.runFor(3000);
    assertEquals(seen, ["provokes at 400", "provokes at 700", "provokes at 1000"]);
  });

  it("waits longer for a phase that is on its way, but not for ever", async () => {
    for (const [comesForMs, strikesAtMs] of [[8000, 8500], [Infinity, 11_500]]) {
      const { simulation, seen } = makeWaits(undefined, {
        isComing: () => simulation.nowUs / 1000 < comesForMs,
      });
      await simulation.runFor(20_000);
      assertEquals(seen.at(-1), `strikes anyway at ${strikesAtMs}`);
    }
  });
});
