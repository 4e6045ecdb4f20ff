import { assertEquals } from "@std/assert";
import { encodePartitionVersions, partitionVersionText, readPartitionVersions } from "../wire/mod.ts";
import { VERSION_BIT, versionHigh, versionLow, VersionTable } from "./version.ts";

const KEY = 0x4a1bc3de0912;

Deno.test("VersionTable gives back what an exchange told, in the order of the partitions", () => {
  const table = new VersionTable();
  table.setWords(7, versionLow(KEY), versionHigh(KEY, { family: 0, bits: VERSION_BIT.MASTER }));
  table.setWords(9, versionLow(KEY), versionHigh(KEY, { family: 15, bits: VERSION_BIT.SUBSET }));
  table.setWords(4095, versionLow(KEY), versionHigh(KEY, { family: 0, bits: VERSION_BIT.MASTER }));
  assertEquals(partitionVersionText(table.get(7)!), "4a1bc3de0912.0.mp-");
  assertEquals(partitionVersionText(table.get(9)!), "4a1bc3de0912.U.-s-");
  assertEquals(table.get(8), undefined);
  const groups = table.toGroups();
  assertEquals(groups.map(({ partitions }) => [...partitions]), [[7, 4095], [9]]);
  const read = VersionTable.fromGroups(readPartitionVersions(encodePartitionVersions(groups))!);
  assertEquals(read, table);
});

Deno.test("VersionTable.isolate() leaves no master and no full copy", () => {
  const table = new VersionTable();
  table.setWords(7, versionLow(KEY), versionHigh(KEY, { family: 2, bits: VERSION_BIT.MASTER }));
  table.setWords(8, versionLow(KEY), versionHigh(KEY, { family: 0, bits: VERSION_BIT.EVADE }));
  table.isolate();
  assertEquals(partitionVersionText(table.get(7)!), "4a1bc3de0912.2.-s-");
  assertEquals(partitionVersionText(table.get(8)!), "4a1bc3de0912.0.-se");
  assertEquals(table.exists(9), false);
});

Deno.test("VersionTable.set() removes a copy when told so", () => {
  const table = new VersionTable();
  table.setWords(7, versionLow(KEY), versionHigh(KEY, { family: 2, bits: 0 }));
  const copy = new VersionTable(table);
  table.set(7, undefined);
  assertEquals([table.exists(7), copy.exists(7)], [false, true]);
});
