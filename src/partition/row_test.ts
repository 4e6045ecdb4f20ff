import { assertEquals } from "@std/assert";
import { PARTITION_COUNT } from "../base/mod.ts";
import { computeRows, hashNode, hashPartition, RowHashes } from "./row.ts";

const A = "0bb9020011ac4202";
const B = "0bb9030011ac4202";
const C = "0bb9040011ac4202";

const hex = ({ low, high }: { low: number; high: number }) =>
  high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");

function rowText(rows: ReturnType<typeof computeRows>, partition: number, name: (node: string) => string) {
  const count = rows.nodes.length;
  return Array.from(
    rows.order.subarray(partition * count, (partition + 1) * count),
    (index) => name(rows.nodes[index]),
  ).join(" ");
}

function columnCounts(rows: ReturnType<typeof computeRows>, column: number) {
  const counts = rows.nodes.map(() => 0);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    counts[rows.order[partition * rows.nodes.length + column]]++;
  }
  return Object.fromEntries(rows.nodes.map((node, index) => [node, counts[index]]));
}

Deno.test("hashNode() and hashPartition() give the published hashes", () => {
  assertEquals(hex(hashPartition(0)), "4d25767f9dce13f5");
  assertEquals(hex(hashPartition(4095)), "f8c5d964520477cb");
  assertEquals(hex(hashNode(A)), "5b9d0038b91dd6e8");
  assertEquals(hex(hashNode(B)), "64ac7138be5c77c7");
  assertEquals(hex(hashNode(C)), "93689638d9cd48a6");
  const [low, high] = new RowHashes().of(A);
  assertEquals(hex({ low, high }), "663df4141411ed65");
});

Deno.test("computeRows() gives the published rows of three nodes", () => {
  const rows = computeRows([C, B, A]);
  const name = (node: string) => ({ [A]: "A", [B]: "B", [C]: "C" })[node]!;
  const expected: Record<number, string> = {
    0: "B C A",
    1: "B A C",
    2: "C A B",
    3: "C A B",
    4: "A B C",
    5: "B A C",
    6: "C B A",
    7: "A C B",
    8: "B A C",
    9: "B C A",
    10: "C B A",
    11: "C B A",
    100: "A B C",
    1000: "B A C",
    2047: "A C B",
    2048: "A B C",
    4094: "C A B",
    4095: "A B C",
  };
  for (const [partition, row] of Object.entries(expected)) {
    assertEquals(rowText(rows, Number(partition), name), row, `partition ${partition}`);
  }
  assertEquals(columnCounts(rows, 0), { [A]: 1344, [B]: 1377, [C]: 1375 });
  assertEquals(columnCounts(rows, 1), { [A]: 1408, [B]: 1317, [C]: 1371 });
});

Deno.test("computeRows() gives the published rows of five nodes", () => {
  const ids = ["a5", "a4", "a3", "a2", "a1"].map((id) => id.padStart(16, "0"));
  const rows = computeRows(ids);
  const expected: Record<number, string> = {
    0: "3 1 2 5 4",
    1: "3 4 2 1 5",
    2: "1 5 4 3 2",
    3: "4 2 1 3 5",
    4: "3 2 4 1 5",
    5: "3 4 5 2 1",
    10: "2 4 1 5 3",
    4095: "2 3 4 1 5",
  };
  for (const [partition, row] of Object.entries(expected)) {
    assertEquals(rowText(rows, Number(partition), (node) => node.slice(-1)), row, `partition ${partition}`);
  }
  assertEquals(Object.values(columnCounts(rows, 0)), [802, 832, 835, 826, 801]);
});

Deno.test("computeRows() keeps the order of the others when nodes are absent, also beyond 8 nodes", () => {
  const ids = Array.from({ length: 12 }, (_, index) => (0xf00 - index).toString(16).padStart(16, "0"));
  const all = computeRows(ids);
  const some = computeRows(ids, { nodes: ids.filter((_, index) => index % 3 !== 1) });
  const few = computeRows(ids.slice(4, 11));
  for (let partition = 0; partition < PARTITION_COUNT; partition += 7) {
    const row = rowText(all, partition, (node) => node).split(" ");
    assertEquals(
      rowText(some, partition, (node) => node),
      row.filter((node) => some.nodes.includes(node)).join(" "),
    );
    assertEquals(
      rowText(few, partition, (node) => node),
      row.filter((node) => few.nodes.includes(node)).join(" "),
    );
  }
});
