import { assertEquals } from "@std/assert";
import { computeBalance } from "./balance.ts";
import { PartitionTable } from "./table.ts";
import { NO_PLACEMENT } from "./racks.ts";
import { VersionTable } from "./version.ts";
import { VersionPages } from "./version_pages.ts";

Deno.test("PartitionTable keeps versions and isolates them at the next start", () => {
  const kept: { versions?: VersionTable; partitions: (number | undefined)[] } = { partitions: [] };
  const keeper = {
    load: () => kept.versions,
    save: (versions: VersionTable, partition: number | undefined) => {
      kept.versions = new VersionTable(versions);
      kept.partitions.push(partition);
    },
  };
  const self = "00000000000000a1";
  const table = new PartitionTable(keeper);
  table.apply(computeBalance({
    succession: [self],
    self,
    clusterKey: 7,
    members: [{
      node: self,
      rackId: 0,
      host: "h",
      isQuiesced: false,
      prefersUniform: false,
      activeRack: 0,
      versions: table.versions,
    }],
    replicationFactor: 2,
    features: NO_PLACEMENT,
    allOurs: true,
  }));
  assertEquals(kept.partitions, [undefined]);
  assertEquals(table.versions.get(5), {
    clusterKey: 7,
    family: 0,
    isRevived: false,
    isMaster: true,
    isSubset: false,
    isEvade: false,
  });
  const again = new PartitionTable(keeper).versions.get(5)!;
  assertEquals([again.clusterKey, again.isMaster, again.isSubset], [7, false, true]);
});

Deno.test("VersionPages keeps what changed and gives it back", () => {
  const values = new Map<number, Uint8Array>();
  let setCount = 0;
  const pages = {
    get: (partition: number) => values.get(partition),
    set: (partition: number, bytes: Uint8Array | undefined) => {
      setCount++;
      if (bytes === undefined) values.delete(partition);
      else values.set(partition, bytes.slice());
    },
  };
  const keeper = new VersionPages(pages);
  assertEquals(keeper.load(), undefined);
  const versions = new VersionTable();
  versions.setWords(3, 0x1234_5678, 0x2000_0001);
  versions.setWords(9, 5, 0);
  keeper.save(versions, undefined);
  keeper.save(versions, undefined);
  assertEquals(setCount, 2);
  assertEquals(new VersionPages(pages).load(), versions);
  versions.set(9, undefined);
  keeper.save(versions, 9);
  assertEquals([setCount, values.size], [3, 1]);
  // What is no version is none.
  values.set(4, new Uint8Array(3));
  assertEquals(keeper.load(), versions);
});
