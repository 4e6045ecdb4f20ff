import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LINEAGE_FILTER_SIZE_BYTES, LINEAGE_ID_COUNT_MAX, PARTITION_COUNT } from "../base/mod.ts";
import {
  ANYTHING_FORGOTTEN,
  type CopyLineage,
  encodeLineages,
  type NodeId,
  NOTHING_FORGOTTEN,
  readLineages,
} from "../wire/mod.ts";
import { type Balance, nodeAt } from "./balance.ts";
import {
  covers,
  decidesByTime,
  FRESH_LINEAGE,
  lineageAfter,
  lineageAmong,
  lineageContaining,
  lineageId,
  lineageOfMerge,
  LineageTable,
  MERGE_RULE,
  type MergingCopy,
  UNKNOWN_LINEAGE,
} from "./lineage.ts";
import { PartitionTable, ROLE } from "./table.ts";
import { balance, testMember } from "./testing.ts";
import { VERSION_BIT, versionHigh, versionLow, VersionTable } from "./version.ts";

const { MASTER, SUBSET } = VERSION_BIT;

function copyOf(
  key: number,
  lineage: CopyLineage,
  options: { bits?: number; family?: number } = {},
): MergingCopy {
  const { bits = 0, family = 0 } = options;
  return { low: versionLow(key), high: versionHigh(key, { family, bits }), lineage };
}

/** A copy that went on from another one in a new cluster. */
function next(copy: MergingCopy, key: number, bits = 0): MergingCopy {
  return copyOf(key, lineageAfter(copy), { bits });
}

function idOf({ low, high }: MergingCopy): number {
  return lineageId(low, high);
}

describe("covers()", () => {
  const first = copyOf(1, FRESH_LINEAGE);

  it("is true of a complete copy and of what it was before", () => {
    const later = next(next(first, 2), 3);
    assert(covers(later, first));
    assert(!covers(first, later));
  });

  it("is false of the sides of a split", () => {
    assert(!covers(next(first, 2), next(first, 3)));
  });

  it("is false of an incomplete copy, and of one that went on from an incomplete one", () => {
    const incomplete = next(first, 2, SUBSET);
    assert(!covers(incomplete, first));
    const served = next(incomplete, 3);
    assert(!covers(served, incomplete) && !covers(served, first));
  });

  it("is true of what was merged, once the merge has ended", () => {
    const sides = [next(first, 2), next(first, 3)];
    const merged = copyOf(4, lineageOfMerge(sides, []));
    for (const side of sides) assert(covers(merged, side));
    assert(covers(next(merged, 5), sides[1]));
  });

  it("is false of a unique family, which several copies have", () => {
    const unique = copyOf(2, FRESH_LINEAGE, { family: 15 });
    assert(!covers(copyOf(3, { ...FRESH_LINEAGE, contained: [idOf(unique)] }), unique));
  });
});

describe("decidesByTime()", () => {
  const first = copyOf(1, FRESH_LINEAGE);
  const [one, other] = [next(first, 2), next(first, 3)];

  it("is false of complete copies that went different ways", () => {
    assert(!decidesByTime([one, other]));
    assert(!decidesByTime([one, other, next(first, 4)]));
  });

  it("is true once one pair of the copies is in doubt", () => {
    assert(decidesByTime([one, other, next(first, 4, SUBSET)]));
    assert(decidesByTime([one, other, next(next(one, 7, SUBSET), 8)]));
    assert(decidesByTime([one, copyOf(9, UNKNOWN_LINEAGE)]));
    assert(decidesByTime([next(first, 4, SUBSET), next(first, 4, SUBSET)]));
  });

  it("stays as it was while a merge has not ended, whatever becomes of the copies", () => {
    const begun = [one, other].map((copy, family) =>
      copyOf(
        5,
        lineageAmong(lineageAfter(copy), {
          ids: [family === 0 ? lineageId(5, 1 << 16) : 5],
          isByTime: false,
        }),
        {
          family,
          bits: family === 1 ? SUBSET : 0,
        },
      )
    );
    assert(!decidesByTime(begun));
    const byTime = [one, other].map((copy, family) =>
      copyOf(
        5,
        lineageAmong(lineageAfter(copy), { ids: [family === 0 ? lineageId(5, 1 << 16) : 5], isByTime: true }),
        {
          family,
        },
      )
    );
    assert(decidesByTime(byTime));
  });

  it("is false of copies whose merge by policy a split has ended, though what they were together is forgotten", () => {
    const cut = UNKNOWN_LINEAGE;
    const begun = (family: number) => {
      const copy = copyOf(2 + family, cut);
      const ids = [idOf(copyOf(3 - family, cut)), lineageId(5, (1 - family) << 16)];
      return copyOf(5, lineageAmong(lineageAfter(copy), { ids, isByTime: false }), { family });
    };
    const [left, right] = [begun(0), begun(1)];
    assert(decidesByTime([copyOf(2, cut), copyOf(3, cut)]));
    assert(!decidesByTime([next(left, 6), next(right, 7)]));
    assert(!decidesByTime([next(next(left, 6), 8), right]));
    assert(decidesByTime([next(left, 6, SUBSET), next(right, 7)]));
  });

  it("knows copies of a long history by what they were together", () => {
    let common = first;
    for (let key = 10; key < 100; key++) common = next(common, key);
    assertEquals(common.lineage.contained.length, LINEAGE_ID_COUNT_MAX);
    assert(common.lineage.forgotten.length > 0);
    assert(!decidesByTime([next(common, 200), next(common, 201)]));
    let [left, right] = [next(common, 200), next(common, 300)];
    for (let key = 1; key < 40; key++) [left, right] = [next(left, 200 + key), next(right, 300 + key)];
    assert(decidesByTime([left, common]), "what one of them was is forgotten");
    assert(decidesByTime([left, next(common, 400, SUBSET)]));
    assert(!decidesByTime([left, right]), "neither can be what the other was");
    assert(!decidesByTime([left, copyOf(500, FRESH_LINEAGE)]));
    assert(decidesByTime([left, copyOf(500, UNKNOWN_LINEAGE)]));
  });

  it("takes few lineages for forgotten ones after a long history", () => {
    let copy = first;
    for (let key = 10; key < 342; key++) copy = next(copy, key * 0x1_2345_6789);
    let doubtCount = 0;
    for (let key = 1000; key < 2000; key++) {
      if (decidesByTime([copy, copyOf(key * 0x1_2345_6789, FRESH_LINEAGE)])) doubtCount++;
    }
    assert(doubtCount < 120, `${doubtCount} of 1000 are in doubt`);
    for (let key = 10; key < 300; key++) {
      assert(
        decidesByTime([copy, copyOf(key * 0x1_2345_6789, FRESH_LINEAGE)]),
        `lineage ${key} is forgotten`,
      );
    }
  });

  it("remembers what each of several merged copies has forgotten", () => {
    let [left, right] = [first, copyOf(2, FRESH_LINEAGE)];
    for (let key = 0; key < 50; key++) [left, right] = [next(left, 100 + key), next(right, 200 + key)];
    const merged = copyOf(9, lineageOfMerge([left, right], []));
    const contained = copyOf(9, lineageContaining(next(left, 8).lineage, next(right, 8).lineage));
    for (const old of [first, copyOf(2, FRESH_LINEAGE)]) {
      assert(decidesByTime([merged, old]));
      assert(decidesByTime([contained, old]));
    }
  });
});

describe("lineages in an exchange", () => {
  it("are read as they were written", () => {
    const table = new LineageTable();
    const versions = new VersionTable();
    const lineage = {
      contained: [0xf_ffff_ffff_ffff, 2],
      kindred: [3],
      rivals: [4, 5],
      forgotten: new Uint8Array(LINEAGE_FILTER_SIZE_BYTES).fill(1, 7, 9),
    };
    for (const partition of [0, 7, PARTITION_COUNT - 1]) {
      versions.setWords(partition, 1, 0);
      table.set(partition, { ...lineage });
    }
    versions.setWords(8, 1, 0);
    table.set(8, FRESH_LINEAGE);
    table.set(9, lineage);
    versions.setWords(10, 1, 0);
    table.set(10, { ...UNKNOWN_LINEAGE, kindred: [6] });
    const groups = readLineages(encodeLineages(table.toGroups(versions)))!;
    assertEquals(groups.map(({ partitions }) => [...partitions]), [[0, 7, PARTITION_COUNT - 1], [8], [10]]);
    const read = LineageTable.fromGroups(groups);
    assertEquals([read.get(7), read.get(8), read.get(9)], [lineage, FRESH_LINEAGE, UNKNOWN_LINEAGE]);
    assertEquals(read.get(10), { ...UNKNOWN_LINEAGE, kindred: [6] });
  });

  it("are refused when they are cut, too long, or name what can't be", () => {
    const table = new LineageTable();
    const versions = new VersionTable();
    versions.setWords(3, 1, 0);
    const lineage = { contained: [1, 2], kindred: [3], rivals: [] };
    const filters = [
      NOTHING_FORGOTTEN,
      ANYTHING_FORGOTTEN,
      new Uint8Array(LINEAGE_FILTER_SIZE_BYTES).fill(3),
    ];
    let blob: Uint8Array = new Uint8Array();
    for (const forgotten of filters) {
      table.set(3, { ...lineage, forgotten });
      blob = encodeLineages(table.toGroups(versions));
      assertEquals(readLineages(blob)?.length, 1);
      for (let size = 0; size < blob.length; size++) {
        assertEquals(readLineages(blob.subarray(0, size)), undefined);
      }
      assertEquals(readLineages(new Uint8Array([...blob, 0])), undefined);
    }
    for (const [at, value] of [[5, LINEAGE_ID_COUNT_MAX + 1], [15, 0x10], [blob.length - 1, 0x10], [1, 1]]) {
      const changed = blob.slice();
      changed[at] = value;
      assertEquals(readLineages(changed), undefined, `byte ${at}`);
    }
  });
});

describe("a balance with lineages", () => {
  const PARTITION = 77;

  interface TestNode {
    readonly number: number;
    readonly node: NodeId;
    readonly table: PartitionTable;
  }

  function makeNodes(count: number): TestNode[] {
    return Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      node: testMember(index + 1).node,
      table: new PartitionTable(),
    }));
  }

  /** Lets some nodes be a cluster; transfers do not run. */
  function form(nodes: readonly TestNode[], clusterKey: number): Balance {
    const members = nodes.map(({ number, table }) =>
      testMember(number, { versions: new VersionTable(table.versions) })
    );
    const lineages = new Map(nodes.map(({ node, table }) => [
      node,
      LineageTable.fromGroups(table.lineages.toGroups(table.versions)),
    ]));
    const balances = nodes.map(({ node }) => balance(members, { self: node, clusterKey, lineages }));
    nodes.forEach(({ table }, index) => table.apply(balances[index]));
    for (const { mergeRules } of balances) {
      assertEquals(
        mergeRules[PARTITION] & MERGE_RULE.BY_TIME,
        balances[0].mergeRules[PARTITION] & MERGE_RULE.BY_TIME,
      );
    }
    return balances[0];
  }

  it("merges nothing with a copy of a node that slept", () => {
    const nodes = makeNodes(2);
    form(nodes, 1);
    form(nodes.slice(0, 1), 2);
    const { duplicates, mergeRules } = form(nodes, 3);
    assertEquals([duplicates.size(PARTITION), mergeRules[PARTITION]], [0, 0]);
    assertEquals(nodes[0].table.workingMaster(PARTITION), nodes[0].node);
    assertEquals(nodes[1].table.versions.high[PARTITION] & SUBSET, SUBSET);
    assertEquals(nodes.map(({ table }) => table.isProvisional(PARTITION)), [false, true]);
  });

  it("merges the sides of a split by policy", () => {
    const nodes = makeNodes(2);
    form(nodes, 1);
    for (const [index, node] of nodes.entries()) form([node], 2 + index);
    const { duplicates, mergeRules } = form(nodes, 4);
    assertEquals([duplicates.size(PARTITION), mergeRules[PARTITION]], [1, MERGE_RULE.MERGES]);
  });

  it("merges three copies by one rule, when one of them is only in doubt with another", () => {
    const nodes = makeNodes(3);
    form(nodes, 1);
    for (const { table } of nodes) {
      table.versions.setWords(PARTITION, 1, nodes[0].table === table ? MASTER : 0);
    }
    for (const [index, node] of nodes.entries()) form([node], 2 + index);
    assertEquals(form(nodes, 5).mergeRules[PARTITION] & MERGE_RULE.BY_TIME, 0);
    const again = makeNodes(3);
    form(again, 1);
    for (const { table } of again) {
      table.versions.setWords(PARTITION, 1, again[0].table === table ? MASTER : 0);
    }
    for (const [index, node] of again.entries()) form([node], 2 + index);
    again[2].table.versions.isolate();
    const { duplicates, mergeRules } = form(again, 5);
    assertEquals([duplicates.size(PARTITION), mergeRules[PARTITION] & MERGE_RULE.BY_TIME], [
      2,
      MERGE_RULE.BY_TIME,
    ]);
  });

  it("goes on with a rule when the cluster changes before the merge has ended", () => {
    const nodes = makeNodes(3);
    form(nodes, 1);
    for (const { table } of nodes) {
      table.versions.setWords(PARTITION, 1, nodes[0].table === table ? MASTER : 0);
    }
    for (const [index, node] of nodes.entries()) form([node], 2 + index);
    assertEquals(form(nodes, 5).mergeRules[PARTITION] & MERGE_RULE.BY_TIME, 0);
    for (const { table } of nodes) table.versions.isolate();
    assertEquals(form(nodes, 6).mergeRules[PARTITION] & MERGE_RULE.BY_TIME, 0);
  });

  it("goes on by time when one of the nodes was started anew before the merge has ended", () => {
    const nodes = makeNodes(2);
    form(nodes, 1);
    for (const [index, node] of nodes.entries()) form([node], 2 + index);
    assertEquals(form(nodes, 4).mergeRules[PARTITION], MERGE_RULE.MERGES);
    const [first, second] = nodes;
    const kept = new VersionTable(second.table.versions);
    const restarted = { ...second, table: new PartitionTable({ load: () => kept, save: () => {} }) };
    const byTime = MERGE_RULE.MERGES | MERGE_RULE.BY_TIME;
    assertEquals(form([first, restarted], 5).mergeRules[PARTITION], byTime);
    assertEquals(form([first, restarted], 6).mergeRules[PARTITION], byTime);
  });

  it("merges nothing with what a handed-off copy had, when the cluster changes before the answer", () => {
    const nodes = makeNodes(4);
    const whole = form(nodes, 1);
    const [final, acting, kin, other] = [0, 1, 2, 3].map((place) =>
      nodes.find(({ node }) => node === nodeAt(whole, PARTITION, place))!
    );
    for (const { table } of nodes) table.versions.setWords(PARTITION, 1, table === final.table ? MASTER : 0);
    form([final], 2);
    final.table.versions.setWords(PARTITION, 2, 0);
    form([acting, kin], 3);
    form([other], 4);
    form([final, acting, kin], 5);
    assertEquals(acting.table.role(PARTITION), ROLE.MASTER);
    acting.table.beginHandOff(PARTITION);
    acting.table.commitHandOff(PARTITION);
    const { duplicates, mergeRules } = form(nodes, 6);
    assertEquals([duplicates.size(PARTITION), mergeRules[PARTITION] & MERGE_RULE.BY_TIME], [1, 0]);
    assertEquals(kin.table.versions.high[PARTITION] & SUBSET, SUBSET);
    assertEquals(kin.table.versions.low[PARTITION], 6);
  });

  it("isProvisional() ends at nodes without a copy, and isSettledElsewhere() begins when a copy is given up", () => {
    const nodes = makeNodes(4);
    form(nodes, 1);
    for (const [index, { table }] of nodes.entries()) {
      table.versions.setWords(PARTITION, index === 3 ? 0 : 1, 0);
    }
    for (const [index, node] of nodes.slice(0, 3).entries()) form([node], 2 + index);
    const { duplicates } = form(nodes, 6);
    assertEquals(duplicates.size(PARTITION) > 0, true);
    const holder = nodes.find(({ table }) =>
      !table.isReplica(PARTITION) && table.versions.exists(PARTITION)
    )!;
    const others = nodes.filter(({ table }) => !table.versions.exists(PARTITION));
    for (const { table } of others) assert(!table.isProvisional(PARTITION));
    assert(holder.table.isProvisional(PARTITION) && !holder.table.isSettledElsewhere(PARTITION));
    holder.table.endEmigration(PARTITION, holder.table.finalMaster(PARTITION)!);
    assertEquals(holder.table.allDone(PARTITION), "drop");
    assert(!holder.table.isProvisional(PARTITION) && holder.table.isSettledElsewhere(PARTITION));
  });
});
