import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { open } from "./mod.ts";
import { assert } from "./src/base/mod.ts";
import { createPlatform } from "./src/platform/mod.ts";
import type { Clock } from "./src/port/mod.ts";

const KEY = { namespace: "test", set: "demo", key: "k1" };
const SETTINGS = {
  service: { nodeId: "A1" },
  namespaces: [{ name: "test", storage: { dataSize: 16 * 2 ** 20 } }],
};

describe("open()", () => {
  it("serves puts and gets without a socket", async () => {
    const database = await open({ settings: SETTINGS });
    await database.client.put(KEY, { a: 1, s: "hi" });
    assertEquals((await database.client.get(KEY))?.bins, { a: 1, s: "hi" });
    assertEquals(database.listeners, []);
    await database.close();
  });

  it("rejects calls after close", async () => {
    const database = await open({ settings: SETTINGS });
    await database.close();
    await assertRejects(() => database.client.get(KEY));
  });

  it("closes the node and rejects calls when an assertion fails, and the program lives", async () => {
    const failures: unknown[] = [];
    const ports = await createPlatform({ log: { enabled: () => false, write() {} } });
    const { clock } = ports;
    let isBroken = false;
    const brokenClock: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs() {
        assert(!isBroken, "the clock is broken");
        return clock.wallMs();
      },
      after: (delayMs, fn) => clock.after(delayMs, fn),
      nextTurn: (fn) => clock.nextTurn(fn),
      afterEvents: (fn) => clock.afterEvents(fn),
    };
    const database = await open({
      settings: SETTINGS,
      ports: { ...ports, clock: brokenClock },
      onFailure: (error) => failures.push(error),
    });
    isBroken = true;
    await assertRejects(() => database.client.put(KEY, { a: 1 }, { totalTimeoutMs: 2000 }));
    assertEquals(failures.length, 1);
    await database.close();
  });
});
