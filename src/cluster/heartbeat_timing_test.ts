import { assertEquals } from "@std/assert";
import { DEFAULT_HEARTBEAT_SETTINGS } from "./heartbeat_testing.ts";
import {
  deriveHeartbeatTimes,
  type HeartbeatTimes,
  multicastNodeCountMax,
  phaseShiftMs,
} from "./heartbeat_timing.ts";

const TABLE: { interval: number; timeout: number; times: Partial<HeartbeatTimes> }[] = [
  {
    interval: 150,
    timeout: 10,
    times: {
      nodeTimeoutMs: 1500,
      pulseIntervalMs: 150,
      idleMs: 450,
      idleCheckMs: 225,
      tendMs: 150,
      connectMs: 500,
      endpointUnknownMs: 1500,
      forgetMs: 15_000,
      resolveRetryMs: 1500,
      resolveRefreshMs: 60_000,
      duplicateGraceMs: 450,
      changeWindowCount: 5,
      duplicateIdMs: 750,
      compressionThresholdBytes: 900,
      sleepMs: 300,
    },
  },
  {
    interval: 50,
    timeout: 3,
    times: { nodeTimeoutMs: 150, idleMs: 100, changeWindowCount: 3, sleepMs: 100 },
  },
  { interval: 250, timeout: 40, times: { nodeTimeoutMs: 10_000, idleMs: 3250, changeWindowCount: 20 } },
];

for (const { interval, timeout, times } of TABLE) {
  Deno.test(`deriveHeartbeatTimes() follows the formulas at ${interval} ms × ${timeout}`, () => {
    const settings = {
      ...DEFAULT_HEARTBEAT_SETTINGS,
      intervalMs: interval,
      timeoutIntervalCount: timeout,
    };
    const derived = deriveHeartbeatTimes(settings);
    for (const [name, value] of Object.entries(times)) {
      assertEquals(derived[name as keyof HeartbeatTimes], value, name);
    }
  });
}

Deno.test("multicastNodeCountMax() grows with the MTU and shrinks with the name", () => {
  const pulse = { nameSizeBytes: 0, endpointsSizeBytes: 9 };
  assertEquals(multicastNodeCountMax(1500, pulse), 142);
  assertEquals(multicastNodeCountMax(9000, pulse) > 900, true);
  assertEquals(multicastNodeCountMax(1500, { ...pulse, nameSizeBytes: 63 }), 138);
  assertEquals(multicastNodeCountMax(68, pulse), 1);
});

Deno.test("phaseShiftMs() moves a pulse to a multiple of the interval, the shorter way and a little at a time", () => {
  const shifts = [3000, 3001, 3004, 3020, 3074, 3076, 3148].map((wallMs) => phaseShiftMs(wallMs, 150));
  assertEquals(shifts, [-0, -1, -4, -5, -5, 5, 2]);
});
