import { setImmediate } from "node:timers";
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CITRUSLEAF_EPOCH_S } from "../base/mod.ts";
import { createCompute } from "../platform/mod.ts";
import { SIM_WALL_START_MS } from "./clock.ts";
import { checkPolicy, compareCopies, type RecordCopy } from "./cluster_copies.ts";
import { ClusterInvariants } from "./cluster_invariants.ts";
import type { ClusterMember } from "./cluster_members.ts";
import { SimWorld } from "./mod.ts";

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A node as the invariants see it. */
function fakeMember(index: number, parts: { clusterKey: number; masterOf: number[]; succession?: string[] }) {
  const fake = {
    index,
    id: `A${index}`,
    startCount: 1,
    isUp: true,
    isFrozen: false,
    masterOf: new Set(parts.masterOf),
    partitions: {
      generation: 0,
      effectiveReplicationFactor: 2,
      balance: undefined,
      pendingImmigrations: () => 0,
      pendingEmigrations: () => 0,
      workingMaster: () => undefined,
      endImmigration: (partition: number) => {
        fake.masterOf.add(partition);
        fake.partitions.generation++;
      },
      admit: (partition: number) => fake.masterOf.has(partition) ? 0 : 11,
    },
    node: {
      cluster: {
        self: `a${index + 1}`,
        clusterKey: parts.clusterKey,
        committed: { clusterKey: parts.clusterKey, succession: parts.succession ?? ["a2", "a1"] },
      },
    },
  };
  return fake;
}

function look(...fakes: ReturnType<typeof fakeMember>[]): void {
  const members = fakes as unknown as ClusterMember[];
  const invariants = new ClusterInvariants(members);
  for (const member of members) invariants.look(member);
}

describe("ClusterInvariants", () => {
  it("look() accepts a master per partition, and another one in another cluster", () => {
    look(
      fakeMember(0, { clusterKey: 7, masterOf: [1, 2] }),
      fakeMember(1, { clusterKey: 7, masterOf: [3] }),
      fakeMember(2, { clusterKey: 8, masterOf: [1, 2, 3] }),
    );
  });

  it("look() throws when two nodes accept writes of a partition in one cluster", () => {
    const fakes = [
      fakeMember(0, { clusterKey: 7, masterOf: [1] }),
      fakeMember(1, { clusterKey: 7, masterOf: [1] }),
    ];
    assertThrows(() => look(...fakes), Error, "accept writes of partition 1");
  });

  it("look() sees a second master that comes later", () => {
    const [first, second] = [
      fakeMember(0, { clusterKey: 7, masterOf: [1] }),
      fakeMember(1, { clusterKey: 7, masterOf: [] }),
    ];
    const members = [first, second] as unknown as ClusterMember[];
    const invariants = new ClusterInvariants(members);
    for (const member of members) invariants.look(member);
    invariants.look(members[1]);
    second.partitions.endImmigration(1);
    assertThrows(() => invariants.look(members[1]), Error, "accept writes of partition 1");
  });

  it("look() throws when members of a cluster have different lists", () => {
    const fakes = [
      fakeMember(0, { clusterKey: 7, masterOf: [] }),
      fakeMember(1, { clusterKey: 7, masterOf: [], succession: ["a2"] }),
    ];
    assertThrows(() => look(...fakes), Error, "a2 a1");
  });
});

describe("checkPolicy", () => {
  const world = new SimWorld({ seed: 1, settle, compute: createCompute() });
  const RAID_AGE_S = 45;
  const store = { settings: { tombRaiderEligibleAge: RAID_AGE_S }, space: { keepsOldCopies: true } };
  const member = { id: "A1", machine: world.addMachine("m"), store } as unknown as ClusterMember;
  const copy = (generation: number, lastUpdateMs: number, byte = 0): RecordCopy => ({
    member,
    generation,
    lastUpdateMs,
    voidTime: 0,
    isTombstone: false,
    isCovered: false,
    bytes: Uint8Array.of(byte),
  });
  const check = (
    before: RecordCopy[],
    after: RecordCopy | undefined,
    policy: "generation" | "last-update-time",
    { name = "k1", ...more }: Partial<Parameters<typeof checkPolicy>[1]> & { name?: string } = {},
  ) =>
    checkPolicy(
      { before: new Map([["d", before]]), after: new Map(after === undefined ? [] : [["d", [after]]]) },
      { policy, members: [member], names: new Map([["d", name]]), inDoubt: () => false, ...more },
    );

  it("wants the copy with the highest generation, or the latest one, and none that is neither", () => {
    const [high, late] = [copy(5, 10), copy(3, 20)];
    check([high, late], high, "generation");
    check([high, late], late, "last-update-time");
    check([high, late], late, "generation");
    assertThrows(
      () => check([high, late, copy(1, 1)], copy(1, 1), "generation"),
      Error,
      "k1 is not what the policy",
    );
    assertThrows(() => check([high, late], high, "last-update-time"), Error, "k1 is not what the policy");
    assertThrows(() => check([high, late], undefined, "generation"), Error, "it is gone");
  });

  it("lets tombstones go when they are old enough to be forgotten, and nothing else", () => {
    const nowMs = SIM_WALL_START_MS - CITRUSLEAF_EPOCH_S * 1000;
    const aged = (ageS: number, isTombstone = true) => ({ ...copy(4, nowMs - ageS * 1000), isTombstone });
    check([aged(RAID_AGE_S), aged(90)], undefined, "generation");
    for (const kept of [[aged(20)], [aged(90, false)], [aged(20), aged(90)]]) {
      assertThrows(() => check(kept, undefined, "last-update-time"), Error, "it is gone");
    }
  });

  it("lets go what one node alone has, in doubt, where the others' copies are truncated", () => {
    const [alone, truncated] = [copy(1, 20), copy(9, 10)];
    const after = (before: RecordCopy[], inDoubt: boolean) =>
      check(before, undefined, "last-update-time", {
        inDoubt: () => inDoubt,
        isTruncated: (_name, { lastUpdateMs }) => lastUpdateMs <= 10,
      });
    after([alone, truncated], true);
    assertThrows(() => after([alone, truncated], false), Error, "it is gone");
    assertThrows(() => after([alone], true), Error, "it is gone");
    assertThrows(() => after([alone, copy(1, 20), truncated], true), Error, "it is gone");
  });

  it("wants a copy that another one covered to be better than the others, if it stays", () => {
    const [high, late] = [copy(9, 10), copy(3, 20)];
    const covered = (generation: number, lastUpdateMs: number) => ({
      ...copy(generation, lastUpdateMs),
      isCovered: true,
    });
    for (const stale of [covered(10, 1), covered(1, 30)]) {
      check([high, late, stale], stale, "generation");
      check([high, late, stale], high, "generation");
      check([high, late, stale], late, "generation");
      check([stale], undefined, "generation");
    }
    const worse = covered(8, 15);
    assertThrows(() => check([high, late, worse], worse, "generation"), Error, "k1 is not what the policy");
  });

  it("lets a tombstone of what may have expired count for nothing beside what has not", () => {
    const [over, record, worse] = [{ ...copy(3, 30), isTombstone: true }, copy(2, 20), copy(1, 10)];
    check([over, record, worse], record, "generation", { name: "t1" });
    for (const [name, found] of [["k1", record], ["t1", worse]] as const) {
      assertThrows(() => check([over, record, worse], found, "generation", { name }), Error, "is not what");
    }
  });

  it("takes a copy that won in steps by one rule each, when there were steps", () => {
    const [high, late, between] = [copy(5, 10), copy(1, 30), copy(3, 20)];
    const copies = [high, late, between];
    assertThrows(() => check(copies, between, "generation"), Error, "k1 is not what the policy");
    check(copies, between, "generation", { hadBothRules: () => true });
    const third = copy(2, 15);
    assertThrows(() => check([between, third], third, "generation", { hadBothRules: () => true }));
    check([...copies, third], third, "generation", { hadBothRules: () => true });
    const worse = copy(1, 5);
    assertThrows(
      () => check([...copies, worse], worse, "generation", { hadBothRules: () => true }),
      Error,
      "k1 is not what the policy",
    );
  });

  it("compareCopies() breaks ties by the bytes", () => {
    const copies = [copy(1, 1, 3), copy(1, 1, 9), copy(1, 1, 5)].sort(compareCopies("generation"));
    assertEquals(copies.map(({ bytes }) => bytes[0]), [9, 5, 3]);
  });
});
