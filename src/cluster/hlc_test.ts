import { assert, assertEquals } from "@std/assert";
import {
  HLC_JUMP_WARNING_MS,
  hlcCounter,
  hlcFromText,
  hlcOrder,
  hlcPhysicalMs,
  hlcTime,
  hlcToText,
  HybridClock,
} from "./hlc.ts";

const WALL_MS = 1_762_304_000_000;

Deno.test("HybridClock.now() takes the wall clock when it is ahead, and counts when it stands or goes back", () => {
  let wallMs = WALL_MS;
  const clock = new HybridClock(() => wallMs);
  assertEquals(clock.now(), hlcTime(WALL_MS, 0));
  assertEquals(clock.now(), hlcTime(WALL_MS, 1));
  wallMs -= 1000;
  assertEquals(clock.now(), hlcTime(WALL_MS, 2));
  wallMs += 1001;
  assertEquals(clock.now(), hlcTime(WALL_MS + 1, 0));
});

Deno.test("HybridClock.receive() is larger than the send time and than all local times", () => {
  const clock = new HybridClock(() => WALL_MS);
  const cases: [string, bigint, bigint][] = [
    ["sender behind", hlcTime(WALL_MS - 5, 9), hlcTime(WALL_MS, 0)],
    ["same millisecond, sender's counter larger", hlcTime(WALL_MS, 7), hlcTime(WALL_MS, 8)],
    ["same millisecond, own counter larger", hlcTime(WALL_MS, 2), hlcTime(WALL_MS, 9)],
    ["sender ahead", hlcTime(WALL_MS + 40, 3), hlcTime(WALL_MS + 40, 4)],
    ["own clock ahead of all", hlcTime(WALL_MS + 20, 3), hlcTime(WALL_MS + 40, 5)],
  ];
  for (const [name, sent, expected] of cases) assertEquals(clock.receive(sent), expected, name);
});

Deno.test("HybridClock advances the milliseconds when the counter is full", () => {
  const clock = new HybridClock(() => WALL_MS);
  assertEquals(clock.receive(hlcTime(WALL_MS, 0xffff)), hlcTime(WALL_MS + 1, 0));
});

Deno.test("HybridClock reports a jump when a sender is far ahead", () => {
  const jumps: number[] = [];
  const clock = new HybridClock(() => WALL_MS, (jumpMs) => void jumps.push(jumpMs));
  clock.receive(hlcTime(WALL_MS + HLC_JUMP_WARNING_MS, 0));
  assertEquals(jumps, []);
  clock.receive(hlcTime(WALL_MS + 60_000, 0));
  assertEquals(jumps, [60_000 - HLC_JUMP_WARNING_MS]);
});

Deno.test("hlcOrder() says indeterminate within the latency", () => {
  const local = hlcTime(WALL_MS, 5);
  for (
    const [distanceMs, order] of [[-6, "before"], [-5, "indeterminate"], [0, "indeterminate"], [
      5,
      "indeterminate",
    ], [
      6,
      "after",
    ]] as const
  ) {
    assertEquals(hlcOrder(hlcTime(WALL_MS + distanceMs, 0), local, 5), order, `${distanceMs} ms`);
  }
});

Deno.test("hlcToText() sorts like the time and hlcFromText() reads it back", () => {
  const times = [hlcTime(1, 0), hlcTime(WALL_MS, 0), hlcTime(WALL_MS, 1), hlcTime(WALL_MS + 1, 0)];
  const texts = times.map(hlcToText);
  assertEquals(texts.toSorted(), texts);
  assertEquals(texts.map(hlcFromText), times);
  assert(texts.every((text) => text.length === 16));
  assertEquals([hlcPhysicalMs(times[2]), hlcCounter(times[2])], [WALL_MS, 1]);
});
