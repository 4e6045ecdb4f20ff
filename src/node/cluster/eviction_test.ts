/** Whole nodes: they agree how deep evictions go. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createDigester } from "../../base/mod.ts";
import { connect } from "../../client/mod.ts";
import { startThree } from "./testing.ts";

const RECORD_COUNT = 200;

describe("eviction in a cluster", () => {
  it("goes as deep on all nodes when the mark of one is exceeded, and a reset ends it for all", async () => {
    await createDigester();
    const { world, members } = await startThree(31, undefined, (settings) => {
      const namespace = settings.namespaces[0]!;
      namespace.nsupPeriod = 5;
      namespace.evictTenthsPct = 200;
      namespace.storage.dataSize = 16 * 2 ** 20;
    });
    const { simulation } = world;
    await simulation.runFor(3000);
    const { ports } = world.addMachine("c1").start("c1");
    const hosts = ["m1:3000", "m2:3000", "m3:3000"];
    const client = await simulation.runUntilSettled(connect({ hosts, ports, tendIntervalMs: 200 }));
    const blob = new Uint8Array(8000);
    for (let number = 0; number < RECORD_COUNT; number++) {
      const key = { namespace: "test", set: "short", key: number };
      await simulation.runUntilSettled(client.put(key, { blob }, { ttlS: 1000 + number * 10 }));
    }
    const { settings } = members[0]!.node.namespaces[0]!;
    settings.storage.evictUsedPct = 1;
    const supervisions = members.map(({ node }) => node.namespaces[0]!.store.supervision);
    await simulation.runFor(12_000);
    assert(supervisions[0]!.hwmBreached && !supervisions[1]!.hwmBreached);
    settings.storage.evictUsedPct = 0;
    await simulation.runFor(3000);
    const depth = supervisions[0]!.smdEvictVoidTime;
    assert(depth > 0);
    for (const supervision of supervisions) {
      assertEquals([supervision.smdEvictVoidTime, supervision.evictVoidTime], [depth, depth]);
      assert(supervision.evictedObjects > 0);
    }
    const left = members.map(({ node }) => node.namespaces[0]!.store.objectCount);
    assertEquals(left.reduce((sum, count) => sum + count, 0) % 2, 0, `${left}`);
    const answer = await simulation.runUntilSettled(client.info("eviction-reset:namespace=test"));
    assertEquals(answer, "ok");
    await simulation.runFor(1000);
    for (const supervision of supervisions) {
      assertEquals([supervision.smdEvictVoidTime, supervision.evictVoidTime], [0, 0]);
    }
  });
});
