import { assertEquals } from "@std/assert";
import type { Clock } from "../port/mod.ts";
import { HeartbeatDrain } from "./heartbeat_drain.ts";

Deno.test("HeartbeatDrain takes no turn for the end that was due before anything could arrive", () => {
  const turns: (() => void)[] = [];
  const clock = { nextTurn: (fn: () => void) => void turns.push(fn) } as unknown as Clock;
  let receivedBytes = 0;
  let drainedCount = 0;
  const drain = new HeartbeatDrain({
    clock,
    receivedBytes: () => receivedBytes,
    hasUnread: () => false,
    onDrained: () => void drainedCount++,
  });
  drain.start();
  turns.shift()!();
  assertEquals(drainedCount, 0, "no socket was looked at yet");
  receivedBytes += 100;
  turns.shift()!();
  assertEquals(drainedCount, 0, "something has arrived");
  turns.shift()!();
  assertEquals([drainedCount, turns.length], [1, 0]);
});
