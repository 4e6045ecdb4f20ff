import { assertEquals } from "@std/assert";
import { deriveIntervals } from "./clustering_intervals.ts";
import { faultWaitMs, type QuantumFault, QuantumSchedule } from "./clustering_quantum.ts";
import { DEFAULT_CLUSTERING_SETTINGS } from "./clustering_testing.ts";

const INTERVALS = deriveIntervals(DEFAULT_CLUSTERING_SETTINGS);

Deno.test("deriveIntervals() gives the documented times for the default settings", () => {
  const { quantumMs, joinTimeoutMs, joinRetransmitMs, joinBlackoutMs, joinStaleMs } = INTERVALS;
  assertEquals([quantumMs, joinTimeoutMs, joinRetransmitMs, joinBlackoutMs, joinStaleMs], [
    1810,
    4525,
    75,
    300,
    305,
  ]);
  const { proposalTimeoutMs, paxosRetransmitMs, staleGuardMs, moveRefusalMs } = INTERVALS;
  assertEquals([proposalTimeoutMs, paxosRetransmitMs, staleGuardMs, moveRefusalMs], [905, 100, 310, 1810]);
});

Deno.test("deriveIntervals() keeps the quantum between 8 latencies and 5 s or two heartbeats", () => {
  const cases: [number, number, number, number][] = [
    [150, 3000, 5, 3310],
    [250, 10_000, 5, 5000],
    [10_000, 100_000, 5, 20_000],
    [250, 5000, 1000, 8000],
  ];
  for (const [heartbeatIntervalMs, nodeTimeoutMs, latencyMaxMs, quantumMs] of cases) {
    const settings = { ...DEFAULT_CLUSTERING_SETTINGS, heartbeatIntervalMs, nodeTimeoutMs, latencyMaxMs };
    assertEquals(deriveIntervals(settings).quantumMs, quantumMs);
  }
});

Deno.test("faultWaitMs() gives the documented waits for the default settings", () => {
  const cases: [QuantumFault, number, number][] = [
    ["arrived", 0, 1215],
    ["arrived", 400, 1415],
    ["arrived", 5000, 1810],
    ["departed", 0, 1810],
    ["principal departed", 0, 1810],
    ["adjacency changed", 100, 155],
    ["join accepted", 0, 230],
    ["join accepted", 200, 430],
    ["join accepted", 9000, 1810],
    ["merge candidate seen", 0, 1810],
    ["member became orphan", 0, 1810],
    ["confirmed death", 50, 310],
    ["slept", 0, 310],
  ];
  for (const [fault, spreadMs, waitMs] of cases) {
    assertEquals(faultWaitMs(fault, INTERVALS, spreadMs), waitMs, `${fault}, spread ${spreadMs}`);
  }
});

Deno.test("QuantumSchedule runs each quantum when there is no fault, and waits for the latest fault when there are", () => {
  const schedule = new QuantumSchedule(1000, false);
  assertEquals(schedule.dueMs(INTERVALS), 2810);
  schedule.note("join accepted", 2000);
  assertEquals(schedule.dueMs(INTERVALS), 2230);
  schedule.note("join accepted", 2100);
  assertEquals(schedule.dueMs(INTERVALS), 2330);
  schedule.note("adjacency changed", 2300);
  assertEquals(schedule.dueMs(INTERVALS), 2455);
  schedule.finish(2460, false);
  assertEquals([schedule.faults.length, schedule.dueMs(INTERVALS)], [0, 4270]);
});

Deno.test("QuantumSchedule is spaced by half a quantum after a change, and not after a decision that changed nothing", () => {
  const schedule = new QuantumSchedule(0, false);
  schedule.finish(5000, false);
  schedule.note("confirmed death", 5010);
  assertEquals(schedule.dueMs(INTERVALS), 5320);
  schedule.finish(5320, true);
  schedule.note("confirmed death", 5400);
  assertEquals(schedule.dueMs(INTERVALS), 5320 + 905);
});

Deno.test("QuantumSchedule does not let a confirmed death wait for what comes after it", () => {
  const schedule = new QuantumSchedule(0, false);
  schedule.finish(5000, false);
  schedule.note("confirmed death", 5010);
  schedule.note("arrived", 5200);
  schedule.note("join accepted", 5200);
  schedule.note("member became orphan", 5250);
  assertEquals(schedule.dueMs(INTERVALS), 5320);
  schedule.finish(5320, true);
  schedule.note("arrived", 5400);
  assertEquals(schedule.dueMs(INTERVALS) > 6000, true);
});

Deno.test("QuantumSchedule counts the wait for a silent node from the time at which it was last heard", () => {
  const schedule = new QuantumSchedule(0, false);
  schedule.finish(5000, false);
  schedule.note("departed", 4600);
  assertEquals(schedule.dueMs(INTERVALS), 6410);
});

Deno.test("QuantumSchedule does not wait longer than three quanta whatever is noted", () => {
  const schedule = new QuantumSchedule(0, false);
  schedule.note("merge candidate seen", 5000);
  assertEquals(schedule.dueMs(INTERVALS), 3 * 1810);
});

Deno.test("QuantumSchedule postpones twice, until the change has been seen by all", () => {
  const schedule = new QuantumSchedule(0, false);
  schedule.postpone(1800);
  assertEquals([schedule.dueMs(INTERVALS), schedule.postponable], [1955, true]);
  schedule.postpone(1900);
  assertEquals([schedule.dueMs(INTERVALS), schedule.postponable], [2055, false]);
  schedule.finish(2055, false);
  assertEquals(schedule.postponable, true);
});

Deno.test("QuantumSchedule runs at once when the node can't meet others", () => {
  const schedule = new QuantumSchedule(0, true);
  assertEquals(schedule.dueMs(INTERVALS), 0);
  schedule.finish(0, true);
  assertEquals(schedule.dueMs(INTERVALS), 1810);
});
