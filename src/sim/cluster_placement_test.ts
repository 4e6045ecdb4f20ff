import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT } from "../base/mod.ts";
import { CAPABILITY } from "../cluster/mod.ts";
import { changeWishes, checkPlacement, isMisplaced, makeWishes } from "./cluster_placement.ts";
import type { ClusterMember } from "./cluster_members.ts";
import type { PlannedFault } from "./cluster_types.ts";
import { SeededRandom } from "./seeded_random.ts";

const IDS = ["d", "c", "b", "a"];
const FAULT: PlannedFault = { atMs: 0, kind: "re-rack", node: 0, other: 0, durationMs: 0, amount: 0 };
const UNIFORM = 1;

interface Wished {
  readonly racks: readonly number[];
  readonly activeRack?: number;
  readonly isUniform?: boolean;
  readonly capabilities?: number;
}

/** Four nodes of one cluster; `rowOf` says in which order they have a partition, the first two of them copies. */
function fakeMembers(
  { racks, activeRack = 0, isUniform = false, capabilities = CAPABILITY.PLACEMENT }: Wished,
  rowOf: (partition: number) => readonly number[],
): ClusterMember[] {
  const members = IDS.map((node, at) => ({
    node,
    namespaces: new Map([["test", {
      rackId: racks[at],
      activeRack,
      rebalanceFlags: isUniform ? UNIFORM : 0,
    }]]),
  }));
  const order = Uint8Array.from(Array.from({ length: PARTITION_COUNT }, (_, at) => rowOf(at)).flat());
  const placement = {
    rows: { nodes: IDS, order },
    replicaCount: 2,
    isRackAware: new Set(racks).size > 1,
    isUniform,
    activeRack,
  };
  return IDS.map((self, at) => ({
    id: self,
    partitions: { balance: { nodes: IDS, placement } },
    node: {
      cluster: { self, committed: { members, capabilities } },
      namespaces: [{ settings: { rackId: racks[at], activeRack, preferUniformBalance: isUniform } }],
    },
  })) as unknown as ClusterMember[];
}

/** Each node is master of a quarter, and the next one has the other copy. */
const EVEN = (partition: number) => [0, 1, 2, 3].map((at) => (partition + at) % 4);

describe("checkPlacement()", () => {
  it("accepts copies in two racks that are even", () => {
    checkPlacement(fakeMembers({ racks: [1, 2, 1, 2], isUniform: true }, EVEN));
  });

  it("throws when two copies are in one rack although there are two", () => {
    const members = fakeMembers({ racks: [1, 2, 2, 1] }, EVEN);
    assertThrows(() => checkPlacement(members), Error, "copies of partition 1 are in 1 of 2 racks");
  });

  it("throws when a master is not in the rack that all wish", () => {
    const members = fakeMembers({ racks: [1, 2, 1, 2], activeRack: 2 }, EVEN);
    assertThrows(() => checkPlacement(members), Error, "the master of partition 0 is not in rack 2");
  });

  it("throws when copies or masters are uneven although all wish it", () => {
    const copies = fakeMembers({ racks: [0, 0, 0, 0], isUniform: true }, () => [0, 1, 2, 3]);
    assertThrows(() => checkPlacement(copies), Error, "copies");
    const masters = fakeMembers(
      { racks: [0, 0, 0, 0], isUniform: true },
      (partition) => partition % 2 === 0 ? [0, 1, 2, 3] : [2, 3, 0, 1],
    );
    assertThrows(() => checkPlacement(masters), Error, "masters");
  });

  it("throws when wishes count although a node can't do it", () => {
    const members = fakeMembers({ racks: [1, 2, 1, 2], capabilities: 0 }, EVEN);
    assertThrows(() => checkPlacement(members), Error, "though a node of the cluster can't do that");
  });
});

describe("changeWishes()", () => {
  it("leaves nodes misplaced until they have told it", () => {
    for (let amount = 0; amount < 5; amount++) {
      const members = fakeMembers({ racks: [1, 2, 1, 2] }, EVEN);
      assert(!members.some(isMisplaced));
      changeWishes({ ...FAULT, amount, other: 1 }, members[0], members);
      assert(isMisplaced(members[0]), `amount ${amount}`);
    }
  });
});

describe("makeWishes()", () => {
  it("has wishes of all kinds in a quarter of the runs", () => {
    const all = Array.from({ length: 1000 }, (_, seed) => makeWishes(new SeededRandom(seed), 5)).filter((
      one,
    ) => one !== undefined);
    assert(all.length > 200 && all.length < 300, `${all.length} of 1000 runs`);
    const isMixed = (values: readonly unknown[]) => new Set(values).size > 1;
    assert(all.some(({ rackIds }) => isMixed(rackIds)));
    assert(all.some(({ prefersUniform }) => isMixed(prefersUniform)));
    assert(all.some(({ activeRacks }) => isMixed(activeRacks)));
    assert(all.some(({ earlierNode, isUpgraded }) => earlierNode >= 0 && isUpgraded));
    assertEquals(makeWishes(new SeededRandom(1), 5), makeWishes(new SeededRandom(1), 5));
  });
});
