import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SilenceWatch } from "./silence_watch.ts";

const TIMES = { intervalMs: 150, nodeTimeoutMs: 1500 };

/** Looks each 75 ms up to a time, and gives what the last look found. */
function lookUntil(watch: SilenceWatch, span: { fromMs: number; toMs: number }): string {
  let found: string[] = [];
  for (let nowMs = span.fromMs; nowMs <= span.toMs; nowMs += 75) {
    found = watch.silent(["1", "2"], { ...TIMES, nowMs });
  }
  return found.join();
}

describe("SilenceWatch", () => {
  it("names who was not heard for half the node timeout, and nobody once it is heard again", () => {
    const heard = new Map([["1", 1e9], ["2", 300]]);
    const watch = new SilenceWatch((node) => heard.get(node), 0);
    assertEquals(lookUntil(watch, { fromMs: 0, toMs: 1050 }), "");
    assertEquals(lookUntil(watch, { fromMs: 1051, toMs: 1130 }), "2");
    heard.set("2", 1130);
    assertEquals(lookUntil(watch, { fromMs: 1140, toMs: 1300 }), "");
  });

  it("names at once whom the heartbeat has given up", () => {
    const watch = new SilenceWatch((node) => node === "1" ? 0 : undefined, 0);
    assertEquals(watch.silent(["1", "2"], { ...TIMES, nowMs: 10 }), ["2"]);
  });

  it("counts the silence of others from its own wake", () => {
    const watch = new SilenceWatch(() => 0, 0);
    assertEquals(watch.silent(["1"], { ...TIMES, nowMs: 5000 }), []);
    assertEquals(lookUntil(watch, { fromMs: 5075, toMs: 5740 }), "");
    assertEquals(lookUntil(watch, { fromMs: 5751, toMs: 5800 }), "1,2");
  });
});
