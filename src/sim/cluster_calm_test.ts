import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CalmWatch } from "./cluster_calm.ts";

function makeWatch() {
  const time = { us: 0 };
  return { time, watch: new CalmWatch(() => time.us) };
}

describe("CalmWatch", () => {
  it("calmMs counts from the first look that finds calm, because trouble may have lasted until it", () => {
    const { time, watch } = makeWatch();
    watch.look(false);
    time.us = 240_000;
    assertEquals(watch.calmMs, 0);
    time.us = 250_000;
    watch.look(true);
    time.us = 400_000;
    assertEquals(watch.calmMs, 150);
    watch.look(true);
    time.us = 500_000;
    assertEquals(watch.calmMs, 250);
  });

  it("calmMs counts from the end of what a fault leaves behind", () => {
    const { time, watch } = makeWatch();
    watch.look(true);
    time.us = 100_000;
    watch.noteTrouble(50);
    assertEquals(watch.calmMs, -50);
    watch.noteTrouble();
    time.us = 200_000;
    assertEquals(watch.calmMs, 50);
  });
});
