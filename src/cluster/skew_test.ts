import { assertEquals } from "@std/assert";
import { DEFAULT_HEARTBEAT_SETTINGS } from "./heartbeat_testing.ts";
import { deriveHeartbeatTimes } from "./heartbeat_timing.ts";
import { skewConsequence, skewLimits, SkewMonitor } from "./skew.ts";

const QUANTUM_MS = 1810;
const BY = {
  times: deriveHeartbeatTimes(DEFAULT_HEARTBEAT_SETTINGS),
  windowCount: 10,
  quantumMs: QUANTUM_MS,
};
const NOW = { nowMs: 0, quantumMs: QUANTUM_MS };

/** A monitor of node "a" that has heard each node once, with these deltas. */
function monitorOf(deltas: Record<string, number>): SkewMonitor {
  const monitor = new SkewMonitor("a");
  for (const [node, delta] of Object.entries(deltas)) sample(monitor, node, delta);
  return monitor;
}

function sample(monitor: SkewMonitor, node: string, deltaMs: number, hybridAheadMs = 0): void {
  const hybridMs = 1_000_000 + hybridAheadMs;
  monitor.sample(node, { hybridMs, physicalMs: hybridMs - deltaMs, ownHybridMs: 1_000_000 }, BY);
}

const TABLE: { deltas: Record<string, number>; members?: string; skewMs: number; outliers: string }[] = [
  { deltas: { a: 0 }, skewMs: 0, outliers: "" },
  { deltas: { a: 0, b: 300 }, skewMs: 300, outliers: "" },
  { deltas: { a: 0, b: 5000 }, skewMs: 5000, outliers: "" },
  { deltas: { a: 0, b: 0, c: 5000 }, skewMs: 5000, outliers: "c" },
  { deltas: { a: 0, b: 100, c: 200, d: 300, e: 9000 }, skewMs: 9000, outliers: "e" },
  { deltas: { a: 0, b: 100, c: 200, d: 300, e: 1700 }, skewMs: 1700, outliers: "" },
  { deltas: { a: 0, b: 100, c: 5000 }, members: "ab", skewMs: 100, outliers: "" },
  { deltas: { a: 7, b: 100 }, members: "", skewMs: 0, outliers: "" },
];

for (const { deltas, members, skewMs, outliers } of TABLE) {
  const list = [...(members ?? Object.keys(deltas).join(""))];
  Deno.test(`calculate() finds ${skewMs} ms for ${JSON.stringify(deltas)} of [${list}]`, () => {
    const skew = monitorOf(deltas).calculate(list, NOW);
    assertEquals(skew, { skewMs, outliers: [...outliers] });
  });
}

Deno.test("sample() keeps the largest of the last ten", () => {
  const monitor = monitorOf({ a: 0, b: 900 });
  for (let at = 0; at < 9; at++) sample(monitor, "b", 100);
  assertEquals(monitor.calculate(["a", "b"], NOW).skewMs, 900);
  sample(monitor, "b", 100);
  assertEquals(monitor.calculate(["a", "b"], NOW).skewMs, 100);
});

Deno.test("sample() replaces five samples of a node whose hybrid clock is far off, and then believes it", () => {
  const monitor = monitorOf({ a: 10 });
  for (let at = 0; at < 5; at++) sample(monitor, "b", 8000, -5000);
  assertEquals(monitor.calculate(["a", "b"], NOW).skewMs, 0);
  sample(monitor, "b", 8000, -5000);
  assertEquals(monitor.calculate(["a", "b"], NOW).skewMs, 7990);
});

Deno.test("isDue() waits for half a quantum, at most two seconds", () => {
  const monitor = monitorOf({ a: 0 });
  assertEquals(monitor.isDue(0, QUANTUM_MS), true);
  monitor.calculate(["a"], { nowMs: 1000, quantumMs: QUANTUM_MS });
  assertEquals([monitor.isDue(1904, QUANTUM_MS), monitor.isDue(1905, QUANTUM_MS)], [false, true]);
  assertEquals([monitor.isDue(2999, 10_000), monitor.isDue(3000, 10_000)], [false, true]);
});

Deno.test("skewConsequence() follows the kind of namespace", () => {
  const at = (strongConsistency: boolean, nsupPeriodS: number, skewMs: number) =>
    skewConsequence(skewMs, skewLimits({ strongConsistency, nsupPeriodS }, QUANTUM_MS));
  assertEquals([at(false, 0, 1e9), at(false, 120, 30_000)], ["none", "none"]);
  assertEquals([at(false, 120, 30_001), at(false, 120, 40_001)], ["warn", "stop-writes"]);
  assertEquals([at(true, 0, 15_000), at(true, 0, 15_001), at(true, 0, 20_001)], [
    "none",
    "warn",
    "stop-writes",
  ]);
  assertEquals(skewLimits({ strongConsistency: true, nsupPeriodS: 0 }, 2 * QUANTUM_MS).stopMs, 40_000);
});
