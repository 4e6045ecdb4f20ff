/**
 * A heartbeat in the place of node b1 of the recorded stock cluster: it is fed what b2 and b3 said, and hears whom the
 * stock b1 heard, at the same times.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { fromHex } from "../base/mod.ts";
import { decodeHeartbeat, type HeartbeatMessage, isPeerFault, PeerReader } from "../wire/mod.ts";
import { Heartbeat } from "./heartbeat.ts";
import { DEFAULT_HEARTBEAT_SETTINGS, listText, ORPHAN_PAYLOAD } from "./heartbeat_testing.ts";
import type { HeartbeatEvent } from "./heartbeat_types.ts";
import { HybridClock } from "./hlc.ts";
import type { NodeId } from "./node_id.ts";

const RECORDING = new URL("../../testdata/captures/stock-cluster.jsonl.gz", import.meta.url);
const SELF = "00000000000000b1";
/** When the recording began, by the clock of its pulses. */
const WALL_MS = 0x01a1fb2f7d87;
/** Both notice a silence at their own next look, at most an interval apart. */
const SLACK_MS = 160;

interface Recorded {
  readonly atMs: number;
  readonly message: HeartbeatMessage;
}

function recordedHeartbeats(): Recorded[] {
  const found: Recorded[] = [];
  const reader = new PeerReader();
  for (const line of gunzipSync(readFileSync(RECORDING)).toString().split("\n")) {
    if (!line.includes('"heartbeat"')) continue;
    const { t, hex } = JSON.parse(line);
    const bytes = fromHex(hex);
    assert(reader.open(bytes, 0, bytes.length));
    // Three nodes have short pulses: none is compressed.
    const message = decodeHeartbeat(reader, () => undefined);
    assert(!isPeerFault(message));
    found.push({ atMs: t * 1000, message });
  }
  return found;
}

Deno.test("Heartbeat hears whom the recorded stock node heard, when it is fed the same", () => {
  let nowMs = 0;
  const heartbeat = new Heartbeat({
    identity: { node: SELF, incarnation: "0000000000000001", capabilities: 0 },
    clock: new HybridClock(() => WALL_MS + nowMs),
    settings: { ...DEFAULT_HEARTBEAT_SETTINGS, clusterName: "anchors" },
    seeds: [],
    endpoints: [{ address: "127.0.0.1", port: 8827, capabilities: 0 }],
    fabricEndpoints: [{ address: "127.0.0.1", port: 8571, capabilities: 0 }],
    payload: ORPHAN_PAYLOAD,
    nodeCountMax: 8,
    now: { monotonicMs: 0, wallMs: WALL_MS },
  });
  const story: string[] = [];
  const changedMs: number[] = [];
  const open = new Map<NodeId, number>();
  let nextConnection = 1;
  const step = (event: HeartbeatEvent) => {
    for (const effect of heartbeat.step(event, { monotonicMs: nowMs, wallMs: WALL_MS + nowMs })) {
      if (effect.kind === "close") {
        for (const [node, id] of open) if (id === effect.connection) open.delete(node);
      }
      if (effect.kind !== "heartbeat") continue;
      for (const { kind, node } of effect.changes) {
        if (kind !== "adjacency") changedMs.push(nowMs);
        if (kind !== "adjacency") story.push(`${kind} ${node.slice(-2)}`);
      }
    }
  };
  const listen = ({ source }: HeartbeatMessage) => {
    if (open.has(source)) return open.get(source)!;
    open.set(source, nextConnection);
    step({ kind: "opened", connection: nextConnection, remote: source });
    return nextConnection++;
  };
  const compared: { atMs: number; stock: string; ours: string }[] = [];
  for (const { atMs, message } of recordedHeartbeats()) {
    while (heartbeat.dueMs <= atMs) {
      nowMs = Math.max(nowMs, heartbeat.dueMs);
      step({ kind: "tick" });
    }
    nowMs = atMs;
    if (message.source !== SELF) step({ kind: "message", connection: listen(message), message });
    else if (message.kind === "pulse") {
      const stock = listText([...message.adjacency!].sort());
      compared.push({ atMs, stock, ours: listText(heartbeat.adjacent) });
    }
  }
  assertEquals(story, ["arrived b2", "arrived b3", "departed b3", "arrived b3", "departed b2"]);
  const isSettled = (atMs: number) => changedMs.every((ms) => Math.abs(ms - atMs) > SLACK_MS);
  const settled = compared.filter(({ atMs }) => isSettled(atMs));
  assert(settled.length > 250, `only ${settled.length} pulses to compare with`);
  for (const { atMs, stock, ours } of settled) assertEquals(ours, stock, `at ${atMs} ms`);
  assertEquals(Object.values(heartbeat.statistics.dropped).reduce((sum, count) => sum + count), 0);
});
