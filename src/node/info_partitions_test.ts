import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT, utf8 } from "../base/mod.ts";
import { parseInfoLine } from "../wire/mod.ts";
import { startThree } from "./cluster/testing.ts";
import { partitionCommands } from "./info_partitions.ts";
import { InfoContext } from "./info_row.ts";
import type { Session } from "./session.ts";

describe("partition-info", () => {
  it("gives each partition's place as a number: 0, 1, or -1 where the node has no copy", async () => {
    const { world, members } = await startThree(1);
    await world.simulation.runFor(2500);
    const counts = new Map<string, number>();
    for (const { node } of members) {
      const command = parseInfoLine(utf8("partition-info"));
      const context = new InfoContext({ node, session: {} as Session, command });
      const [header, ...rows] = (partitionCommands[0]!.answer(context) as string).split(";");
      const column = header!.split(":").indexOf("replica");
      for (const row of rows) {
        const place = row.split(":")[column]!;
        counts.set(place, (counts.get(place) ?? 0) + 1);
      }
    }
    assertEquals(Object.fromEntries(counts), {
      "0": PARTITION_COUNT,
      "1": PARTITION_COUNT,
      "-1": PARTITION_COUNT,
    });
  });
});
