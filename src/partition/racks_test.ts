import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT } from "../base/mod.ts";
import type { Placement, PlacementMember } from "./racks.ts";
import { countCopies, countMoved, holders, place, settled, testMember, testNode } from "./testing.ts";

const many = (count: number, changes: (number: number) => Partial<PlacementMember> = () => ({})) =>
  Array.from({ length: count }, (_, index) => testMember(index + 1, changes(index + 1)));

/** The smallest and the largest value. */
function range(counts: Map<string, number>): [number, number] {
  return [Math.min(...counts.values()), Math.max(...counts.values())];
}

/** How many partitions have copies in so many different groups. */
function countGroups(placement: Placement, groupOf: (node: string) => unknown): Record<number, number> {
  const result: Record<number, number> = {};
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const groups = new Set(holders(placement, partition).map(groupOf)).size;
    result[groups] = (result[groups] ?? 0) + 1;
  }
  return result;
}

const groupBy = (members: readonly PlacementMember[], property: "rackId" | "host") => {
  const groups = new Map(members.map((member) => [member.node, member[property]]));
  return (node: string) => groups.get(node);
};

describe("placeCopies()", () => {
  it("leaves rows as they are when nobody wants anything", () => {
    const members = many(5);
    const plain = place(members, {
      features: { placement: false, hostSpread: false, sharedHosts: false },
    });
    assertEquals(place(members).rows, plain.rows);
    assertEquals(plain.replicaCount, 2);
    const wishing = many(
      5,
      (n) => ({ rackId: n % 2, isQuiesced: n === 1, prefersUniform: true, host: "one" }),
    );
    const ignored = place(wishing, { features: { placement: false, hostSpread: false, sharedHosts: false } });
    assertEquals(ignored.rows, plain.rows);
    assertEquals([ignored.isUniform, ignored.isRackAware, ignored.activeCount], [false, false, 5]);
  });

  for (const prefersUniform of [false, true]) {
    const name = prefersUniform ? "with" : "without";
    it(`puts copies into different racks ${name} uniform balance`, () => {
      const members = many(7, (n) => ({ rackId: 1 + n % 3, prefersUniform }));
      const inRack = groupBy(members, "rackId");
      assertEquals(countGroups(place(members), inRack), { 2: PARTITION_COUNT });
      assertEquals(countGroups(place(members, { replicationFactor: 3 }), inRack), { 3: PARTITION_COUNT });
      const five = place(members, { replicationFactor: 5 });
      assertEquals(countGroups(five, inRack), { 3: PARTITION_COUNT });
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        const perRack = Map.groupBy(holders(five, partition), inRack);
        assert([...perRack.values()].every((nodes) => nodes.length <= 2), "spread evenly");
      }
    });

    it(`puts copies onto different hosts ${name} uniform balance`, () => {
      const members = many(6, (n) => ({ host: `host${n % 3}`, prefersUniform }));
      const onHost = groupBy(members, "host");
      assertEquals(countGroups(place(members), onHost), { 2: PARTITION_COUNT });
      assertEquals(countGroups(place(members, { replicationFactor: 3 }), onHost), { 3: PARTITION_COUNT });
    });

    it(`puts all masters into the active rack ${name} uniform balance`, () => {
      const members = many(6, (n) => ({ rackId: 1 + n % 2, activeRack: 2, prefersUniform }));
      const placement = place(members);
      assertEquals(placement.activeRack, 2);
      const masters = countCopies(placement, 0);
      for (const member of members) assertEquals(masters.get(member.node)! > 0, member.rackId === 2);
      if (!prefersUniform) return;
      assertEquals([...masters.values()].filter((count) => count > 0).sort(), [1365, 1365, 1366]);
    });
  }

  it("makes no more copies than there are hosts unless that is allowed", () => {
    const members = many(4, (n) => ({ host: `host${n % 2}` }));
    const capped = place(members, { replicationFactor: 3 });
    assertEquals(capped.replicaCount, 2);
    assert(capped.warnings[0].includes("2 hosts"));
    assert(capped.warnings[0].includes("copies-on-one-host"), "says what lifts it");
    const lifted = place(members, {
      replicationFactor: 3,
      features: { placement: true, hostSpread: true, sharedHosts: true },
    });
    assertEquals(lifted.replicaCount, 3);
    assertEquals(countGroups(lifted, groupBy(members, "host")), { 2: PARTITION_COUNT });
  });

  it("gives nothing to quiesced nodes, keeps the order of the others, and counts active nodes alone", () => {
    const members = many(4, (n) => ({ isQuiesced: n === 2 || n === 3 }));
    const placement = place(members, { replicationFactor: 3 });
    assertEquals([placement.replicaCount, placement.activeCount], [2, 2]);
    assertEquals([...countCopies(placement).values()].sort(), [0, 0, PARTITION_COUNT, PARTITION_COUNT]);
    const without = place(members.filter(({ isQuiesced }) => !isQuiesced), { replicationFactor: 3 });
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      assertEquals(holders(placement, partition), holders(without, partition));
    }
  });

  it("ignores quiesced nodes when there are no others", () => {
    const members = many(3, () => ({ isQuiesced: true }));
    assertEquals(place(members).activeCount, 3);
    assertEquals(place(members).rows, place(many(3)).rows);
  });

  it("ignores an active rack that members don't agree on, that is absent or that can't hold all masters", () => {
    const racks = (n: number) => ({ rackId: n, activeRack: 1 });
    const differing = place(many(2, (n) => ({ rackId: n, activeRack: n })));
    assertEquals(differing.activeRack, 0);
    assert(differing.warnings[0].includes("set the same on all nodes"));
    assert(place(many(3, racks)).warnings[0].includes("3 racks and 2 copies"));
    assert(place(many(2, () => ({ rackId: 5, activeRack: 1 }))).warnings[0].includes("no active node"));
    assertEquals(place(many(2, racks)).activeRack, 1);
  });

  it("uses uniform balance only when every node asks for it", () => {
    assertEquals(place(many(3, (n) => ({ prefersUniform: n !== 2 }))).isUniform, false);
    assertEquals(place(many(3, () => ({ prefersUniform: true }))).isUniform, true);
  });
});

describe("makeUniform()", () => {
  const uniform = (n: number, racks = 1): Partial<PlacementMember> => ({
    rackId: racks === 1 ? 0 : 1 + n % racks,
    prefersUniform: true,
  });

  for (
    const [count, replicationFactor, racks] of [[2, 1, 1], [3, 2, 1], [5, 3, 1], [8, 2, 1], [6, 3, 3], [
      9,
      2,
      3,
    ]]
  ) {
    it(`gives even shares to ${count} nodes in ${racks} racks with ${replicationFactor} copies`, () => {
      const placement = place(many(count, (n) => uniform(n, racks)), { replicationFactor });
      const [least, most] = range(countCopies(placement));
      assert(most - least <= 1, `copies ${least} to ${most}`);
      for (let column = 0; column < replicationFactor; column++) {
        const [low, high] = range(countCopies(placement, column));
        assert(high - low <= 2, `column ${column}: ${low} to ${high}`);
      }
    });
  }

  it("makes masters differ by at most one also when racks are uneven", () => {
    const placement = place(many(7, (n) => uniform(n, 2)));
    const [least, most] = range(countCopies(placement, 0));
    assert(most - least <= 1, `masters ${least} to ${most}`);
    for (const rack of [1, 2]) {
      const copies = many(7, (n) => uniform(n, 2)).filter(({ rackId }) => rackId === rack)
        .map(({ node }) => countCopies(placement).get(node)!);
      assert(Math.max(...copies) - Math.min(...copies) <= 1, `rack ${rack}: ${copies}`);
    }
  });

  it("finds the same placement again when its data is in place", () => {
    for (const [count, racks] of [[4, 1], [7, 3], [8, 2]]) {
      const members = many(count, (n) => uniform(n, racks));
      const first = place(members);
      assertEquals(countMoved(first, place(settled(members, first))), 0);
    }
  });

  it("moves little more than must move when a node joins or leaves", () => {
    for (const [count, replicationFactor] of [[3, 2], [4, 2], [5, 3], [8, 2], [12, 2], [24, 2]]) {
      const members = many(count, uniform);
      const before = place(members, { replicationFactor });
      const joined = [...settled(members, before), testMember(count + 1, uniform(count + 1))];
      const after = place(joined, { replicationFactor });
      const needed = countCopies(after).get(testNode(count + 1))!;
      const moved = countMoved(before, after);
      assert(moved <= needed * 1.15, `${count} nodes: a join moved ${moved}, needed ${needed}`);
      const left = settled(members, after);
      const again = place(left, { replicationFactor });
      const back = countMoved(after, again);
      assert(back <= needed * 1.15, `${count} nodes: a departure moved ${back}, needed ${needed}`);
    }
  });

  it("computes the same from members in any order", () => {
    const members = many(6, (n) => ({ ...uniform(n, 2), activeRack: 1, host: `h${n >> 1}` }));
    const expected = place(members);
    for (const turn of [1, 2, 3]) {
      const turned = [...members.slice(turn), ...members.slice(0, turn)].reverse();
      assertEquals(place(turned), expected);
    }
  });
});
