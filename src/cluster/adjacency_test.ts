import { assertEquals } from "@std/assert";
import type { HeartbeatPulse } from "../wire/mod.ts";
import { Adjacency, type PulseOutcome } from "./adjacency.ts";
import { DEFAULT_HEARTBEAT_SETTINGS, labId } from "./heartbeat_testing.ts";
import { deriveHeartbeatTimes } from "./heartbeat_timing.ts";
import { hlcFromText, hlcTime, hlcToText } from "./hlc.ts";

const TIMES = deriveHeartbeatTimes(DEFAULT_HEARTBEAT_SETTINGS);
const WALL_MS = 1_762_304_000_000;

interface Given {
  n?: number;
  sentMs: number;
  nowMs?: number;
  adjacency?: number[];
  fabricPort?: number;
  incarnation?: string;
}

function take(adjacency: Adjacency, given: Given): PulseOutcome {
  const nowMs = given.nowMs ?? given.sentMs + 2;
  const pulse: HeartbeatPulse = {
    type: "heartbeat",
    kind: "pulse",
    source: labId(given.n ?? 5),
    timestamp: hlcToText(hlcTime(WALL_MS + given.sentMs, 0)),
    clusterName: "",
    adjacency: (given.adjacency ?? []).map(labId),
    fabricEndpoints: [{ address: "10.0.0.5", port: given.fabricPort ?? 3001, capabilities: 0 }],
    ...(given.incarnation === undefined ? {} : { incarnation: given.incarnation }),
  };
  const sendTime = hlcFromText(pulse.timestamp);
  const receiveTime = hlcTime(WALL_MS + nowMs, 1);
  return adjacency.pulse(pulse, { nowMs, sendTime, receiveTime, times: TIMES, payload: undefined });
}

/** The kinds of changes, or why there are none. */
function kinds(outcome: PulseOutcome): string {
  return outcome.result === "accepted"
    ? outcome.changes.map(({ kind }) => kind).join(" ") || "nothing"
    : outcome.result;
}

Deno.test("pulse() tells of an arrival once, and of changed lists whatever their order", () => {
  const adjacency = new Adjacency(8);
  assertEquals(kinds(take(adjacency, { sentMs: 0, adjacency: [1, 2] })), "arrived");
  assertEquals(kinds(take(adjacency, { sentMs: 150, adjacency: [2, 1] })), "nothing");
  assertEquals(kinds(take(adjacency, { sentMs: 300, adjacency: [1, 2, 5] })), "nothing");
  assertEquals(kinds(take(adjacency, { sentMs: 450, adjacency: [1] })), "adjacency");
});

Deno.test("pulse() ignores what was sent before the last one, and does not refresh by a repetition", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 1000 });
  assertEquals(kinds(take(adjacency, { sentMs: 900, nowMs: 1100 })), "delayed");
  assertEquals(kinds(take(adjacency, { sentMs: 1000, nowMs: 2000 })), "repeated");
  assertEquals(adjacency.get(labId(5))!.receivedMs, 1002);
});

Deno.test("pulse() takes no more nodes than there is room for, but goes on hearing those it has", () => {
  const adjacency = new Adjacency(2);
  take(adjacency, { n: 1, sentMs: 0 });
  take(adjacency, { n: 2, sentMs: 0 });
  assertEquals(kinds(take(adjacency, { n: 3, sentMs: 0 })), "full");
  assertEquals(kinds(take(adjacency, { n: 2, sentMs: 150 })), "nothing");
  assertEquals(adjacency.ids(), [labId(1), labId(2)]);
});

Deno.test("pulse() averages latencies with a weight of 0.65 for the newest", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0, nowMs: 10 });
  take(adjacency, { sentMs: 150, nowMs: 170 });
  assertEquals(adjacency.get(labId(5))!.latencyMs, 0.65 * 20 + 0.35 * 10);
});

Deno.test("expire() removes a node after the node timeout, and dates its departure back", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 98 });
  assertEquals(adjacency.expiryMs, 1600);
  assertEquals(adjacency.expire(1599, TIMES), []);
  assertEquals(adjacency.expire(1650, TIMES), [{ kind: "departed", node: labId(5), atMs: 150 }]);
  assertEquals(adjacency.expiryMs, Infinity);
});

Deno.test("mismatch() removes a node at the third in a row, and a good pulse starts the count anew", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0 });
  const count = () => adjacency.mismatch(labId(5), 500).length;
  assertEquals([count(), count()], [0, 0]);
  take(adjacency, { sentMs: 150 });
  assertEquals([count(), count(), count(), count()], [0, 0, 1, 0]);
});

Deno.test("pulse() puts a stock node with changing fabric endpoints on probation for five equal pulses", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0 });
  assertEquals(kinds(take(adjacency, { sentMs: 150, fabricPort: 4001 })), "departed");
  assertEquals(adjacency.ids(), []);
  for (let at = 1; at < 5; at++) {
    assertEquals(kinds(take(adjacency, { sentMs: 150 + at * 150, fabricPort: 4001 })), "nothing");
  }
  assertEquals(kinds(take(adjacency, { sentMs: 900, fabricPort: 4001 })), "arrived");
});

Deno.test("expire() tells nothing of a node on probation", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0 });
  take(adjacency, { sentMs: 150, fabricPort: 4001 });
  assertEquals(adjacency.expire(5000, TIMES), []);
  assertEquals(adjacency.get(labId(5)), undefined);
});

Deno.test("pulse() takes a new incarnation for a departure and an arrival, a second one soon after for a double", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0, incarnation: labId(1) });
  assertEquals(kinds(take(adjacency, { sentMs: 150, incarnation: labId(2) })), "departed arrived");
  assertEquals(kinds(take(adjacency, { sentMs: 300, incarnation: labId(1) })), "departed");
  assertEquals(kinds(take(adjacency, { sentMs: 450, incarnation: labId(2) })), "nothing");
  assertEquals(adjacency.ids(), []);
});

Deno.test("pulse() lets a known process move its fabric", () => {
  const adjacency = new Adjacency(8);
  take(adjacency, { sentMs: 0, incarnation: labId(1) });
  const outcome = take(adjacency, { sentMs: 150, incarnation: labId(1), fabricPort: 4001 });
  assertEquals(kinds(outcome), "nothing");
  assertEquals(outcome.result === "accepted" && outcome.fabricChanged, true);
});
