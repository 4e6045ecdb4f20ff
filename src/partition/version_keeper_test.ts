import { assertEquals } from "@std/assert";
import { computeBalance } from "./balance.ts";
import { PartitionTable } from "./table.ts";
import { NO_PLACEMENT } from "./racks.ts";
import { VersionTable } from "./version.ts";

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
