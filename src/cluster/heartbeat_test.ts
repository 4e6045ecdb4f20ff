import { assert, assertEquals } from "@std/assert";
import {
  HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX,
  HEARTBEAT_MESSAGES_PER_INTERVAL_MAX,
  HEARTBEAT_PROMPT_PULSES_PER_INTERVAL_MAX,
} from "../base/mod.ts";
import { type HeartbeatMessage, type HeartbeatPulse, U64_ZERO } from "../wire/mod.ts";
import { Heartbeat } from "./heartbeat.ts";
import {
  DEFAULT_HEARTBEAT_SETTINGS,
  labAddress,
  labId,
  labSeed,
  ORPHAN_PAYLOAD,
} from "./heartbeat_testing.ts";
import type { DropReason, HeartbeatEffect, HeartbeatEvent, HeartbeatOptions } from "./heartbeat_types.ts";
import { hlcTime, hlcToText, HybridClock } from "./hlc.ts";

const WALL_MS = 1_762_304_000_000;

/** Node 1 alone, driven by hand. */
class Bench {
  nowMs = 0;
  readonly heartbeat: Heartbeat;

  constructor(options: Partial<HeartbeatOptions> = {}) {
    this.heartbeat = new Heartbeat({
      identity: { node: labId(1), incarnation: labId(77), capabilities: 0 },
      clock: new HybridClock(() => WALL_MS + this.nowMs),
      settings: DEFAULT_HEARTBEAT_SETTINGS,
      seeds: [],
      endpoints: [{ address: labAddress(1), port: 3002, capabilities: 0 }],
      fabricEndpoints: [{ address: labAddress(1), port: 3001, capabilities: 0 }],
      payload: ORPHAN_PAYLOAD,
      nodeCountMax: 256,
      now: { monotonicMs: 0, wallMs: WALL_MS },
      ...options,
    });
    this.step({ kind: "tick" });
  }

  step(event: HeartbeatEvent): HeartbeatEffect[] {
    return this.heartbeat.step(event, { monotonicMs: this.nowMs, wallMs: WALL_MS + this.nowMs });
  }

  /** Ticks as the heartbeat wants it. */
  wait(forMs: number): HeartbeatEffect[] {
    const effects: HeartbeatEffect[] = [];
    const untilMs = this.nowMs + forMs;
    while (this.heartbeat.dueMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.heartbeat.dueMs);
      effects.push(...this.step({ kind: "tick" }));
    }
    this.nowMs = untilMs;
    return effects;
  }

  open(connection: number): HeartbeatEffect[] {
    return this.step({ kind: "opened", connection, remote: `remote ${connection}` });
  }

  pulse(n: number, changes: Partial<HeartbeatPulse> = {}, connection = n): HeartbeatEffect[] {
    return this.step({ kind: "message", connection, message: this.message(n, changes) });
  }

  message(n: number, changes: Partial<HeartbeatPulse> = {}): HeartbeatPulse {
    return {
      type: "heartbeat",
      kind: "pulse",
      source: labId(n),
      timestamp: hlcToText(hlcTime(WALL_MS + this.nowMs, n)),
      endpoints: [{ address: labAddress(n), port: 3002, capabilities: 0 }],
      clusterName: "lab",
      fabricEndpoints: [{ address: labAddress(n), port: 3001, capabilities: 0 }],
      adjacency: [],
      physicalTimeMs: WALL_MS + this.nowMs,
      ...changes,
    };
  }

  dropped(): string {
    return Object.entries(this.heartbeat.statistics.dropped).filter(([, count]) => count > 0)
      .map(([reason, count]) => `${reason} ${count}`).join(", ");
  }
}

function sent(effects: readonly HeartbeatEffect[], kind: HeartbeatMessage["kind"]): HeartbeatMessage[] {
  return effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === kind ? [effect.message] : []
  );
}

const CHECKS: { name: string; changes: Partial<HeartbeatPulse>; reason: DropReason }[] = [
  { name: "without a source", changes: { source: U64_ZERO }, reason: "malformed" },
  { name: "without endpoints", changes: { endpoints: [] }, reason: "no endpoints" },
  { name: "of another cluster", changes: { clusterName: "other" }, reason: "cluster name" },
  { name: "of another node than before", changes: { source: labId(3) }, reason: "other node" },
  {
    name: "sent before the last",
    changes: { timestamp: hlcToText(hlcTime(WALL_MS - 9, 0)) },
    reason: "delayed",
  },
];

for (const { name, changes, reason } of CHECKS) {
  Deno.test(`step() drops a pulse ${name}`, () => {
    const bench = new Bench();
    bench.open(2);
    bench.pulse(2);
    const before = bench.heartbeat.statistics.heartbeat_received_foreign;
    bench.pulse(2, changes);
    assertEquals(bench.dropped(), `${reason} 1`);
    assertEquals(bench.heartbeat.statistics.heartbeat_received_foreign, before);
    assertEquals(bench.heartbeat.adjacent, [labId(2)]);
  });
}

Deno.test("step() drops bytes that are no message and goes on", () => {
  const bench = new Bench();
  bench.open(2);
  const effects = bench.step({ kind: "malformed", connection: 2, fault: "body is cut short" });
  assert(effects.some((effect) => effect.kind === "log" && effect.text.includes("body is cut short")));
  bench.pulse(2);
  assertEquals(bench.heartbeat.adjacent, [labId(2)]);
});

Deno.test("step() takes no more nodes than the largest cluster has", () => {
  const bench = new Bench({ nodeCountMax: 3 });
  for (const n of [2, 3, 4]) bench.open(n);
  for (const n of [2, 3, 4]) bench.pulse(n);
  assertEquals(bench.heartbeat.adjacent, [labId(2), labId(3)]);
  assertEquals(bench.dropped(), "full 1");
});

Deno.test("step() lets a node that speaks displace one that is only talked about", () => {
  const bench = new Bench({ nodeCountMax: 4 });
  bench.open(2);
  bench.pulse(2, { adjacency: [labId(90), labId(91), labId(92)] });
  assertEquals(bench.heartbeat.peers.length, 3);
  bench.open(3);
  bench.pulse(3);
  assertEquals(bench.heartbeat.adjacent, [labId(2), labId(3)]);
});

Deno.test("step() does not listen to a flood, and does again in the next interval", () => {
  const bench = new Bench();
  bench.open(2);
  for (let at = 0; at < HEARTBEAT_MESSAGES_PER_INTERVAL_MAX + 7; at++) {
    bench.pulse(2, { timestamp: hlcToText(hlcTime(WALL_MS, at)) });
  }
  assertEquals(bench.dropped(), "flooded 7");
  bench.wait(150);
  bench.pulse(2);
  assertEquals(
    bench.heartbeat.statistics.heartbeat_received_foreign,
    HEARTBEAT_MESSAGES_PER_INTERVAL_MAX + 1,
  );
});

Deno.test("step() answers a bounded number of info requests per interval", () => {
  const bench = new Bench();
  for (const n of [2, 3]) bench.open(n);
  for (const n of [2, 3]) bench.pulse(n);
  const { clusterName: _, ...common } = bench.message(2);
  const message = {
    ...common,
    kind: "info-request",
    nodes: [labId(3), labId(3), labId(9), labId(1)],
  } as const;
  let replies: HeartbeatMessage[] = [];
  for (let at = 0; at < HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX + 3; at++) {
    replies = replies.concat(sent(bench.step({ kind: "message", connection: 2, message }), "info-reply"));
  }
  assertEquals(replies.length, HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX);
  const [reply] = replies;
  assertEquals(reply!.kind === "info-reply" && reply.nodes.map(({ node }) => node), [labId(3), labId(1)]);
});

Deno.test("step() sends news at once, but not without limit", () => {
  const bench = new Bench();
  bench.open(2);
  bench.pulse(2);
  bench.wait(150);
  bench.pulse(2);
  let count = 0;
  for (let key = 1; key <= 20; key++) {
    const payload = { ...ORPHAN_PAYLOAD, clusterKey: key, succession: [labId(1)] };
    count += sent(bench.step({ kind: "payload", payload }), "pulse").length;
  }
  assertEquals(count, HEARTBEAT_PROMPT_PULSES_PER_INTERVAL_MAX);
  const [last] = sent(bench.wait(150), "pulse");
  assertEquals(last!.kind === "pulse" && last.clustering!.clusterKey, 20);
});

Deno.test("step() drops a connection and a seed that lead to this very process", () => {
  const bench = new Bench({ seeds: [{ host: "192.0.2.1", port: 3002, tls: false }] });
  bench.step({ kind: "opened", connection: 5, attempt: 1, remote: "192.0.2.1:3002" });
  bench.step({ kind: "opened", connection: 6, remote: "10.0.0.1:40000" });
  const effects = bench.pulse(1, { incarnation: labId(77) }, 5);
  assert(effects.some((effect) => effect.kind === "close" && effect.connection === 5));
  assertEquals(bench.heartbeat.seeds, []);
  assertEquals(bench.heartbeat.statistics.heartbeat_received_self, 1);
  assertEquals(bench.heartbeat.isDuplicate, false);
});

Deno.test("step() does not dial a seed that this node publishes", () => {
  const bench = new Bench({ seeds: [labSeed(1)] });
  assertEquals(bench.heartbeat.seeds, []);
  assertEquals(bench.wait(1000).some((effect) => effect.kind === "connect"), false);
});

Deno.test("step() gives up a connect that nobody answers, and tries the peer's next address", () => {
  const bench = new Bench({ seeds: [labSeed(2)] });
  const effects = bench.wait(1400);
  const kinds = effects.filter(({ kind }) => kind === "connect" || kind === "abandon").map(({ kind }) =>
    kind
  );
  assertEquals(kinds, ["abandon", "connect", "abandon", "connect"]);
  const late = bench.step({ kind: "opened", connection: 9, attempt: 1, remote: "10.0.0.2:3002" });
  assert(late.some((effect) => effect.kind === "close" && effect.connection === 9));
});

Deno.test("step() filters endpoints that it can't dial", () => {
  const bench = new Bench();
  bench.open(2);
  const endpoints = [
    { address: "2001:db8::1", port: 3002, capabilities: 0 },
    { address: "10.0.0.8", port: 3012, capabilities: 1 },
    { address: "10.0.0.9", port: 3002, capabilities: 0 },
  ];
  bench.pulse(2, { endpoints });
  const dialled = bench.step({ kind: "closed", connection: 2 }).flatMap((effect) =>
    effect.kind === "connect" ? [effect.endpoint.address] : []
  );
  assertEquals(dialled, ["10.0.0.9"]);
});

Deno.test("step() says when a peer's process has certainly gone: lost, then refused, once", () => {
  const bench = new Bench();
  bench.open(2);
  bench.pulse(2);
  const links = (effects: readonly HeartbeatEffect[]) =>
    effects.flatMap((effect) => effect.kind === "peer-link" ? [effect.link] : []);
  const attemptOf = (effects: readonly HeartbeatEffect[]) =>
    effects.flatMap((effect) => effect.kind === "connect" ? [effect.attempt] : [])[0]!;
  const lost = bench.step({ kind: "closed", connection: 2 });
  assertEquals(links(lost), ["lost"]);
  const refused = bench.step({ kind: "connect-failed", attempt: attemptOf(lost), failure: "refused" });
  assertEquals(links(refused), ["refused"]);
  const again = attemptOf(bench.wait(300));
  assertEquals(links(bench.step({ kind: "connect-failed", attempt: again, failure: "refused" })), []);
});

Deno.test("step() does not take a timeout for a refusal", () => {
  const bench = new Bench();
  bench.open(2);
  bench.pulse(2);
  const effects = bench.step({ kind: "closed", connection: 2 });
  const dial = effects.find((effect) => effect.kind === "connect")!;
  const failed = bench.step({ kind: "connect-failed", attempt: dial.attempt, failure: "timeout" });
  assertEquals(failed.filter(({ kind }) => kind === "peer-link"), []);
});

/** Cluster 7 of nodes 1 to 3, in which node 1 has slept. */
function slept(sleepMs: number): Bench {
  const succession = [labId(3), labId(2), labId(1)];
  const bench = new Bench();
  bench.step({ kind: "payload", payload: { ...ORPHAN_PAYLOAD, clusterKey: 7, succession } });
  for (const n of [2, 3]) bench.open(n);
  for (const n of [2, 3]) bench.pulse(n);
  bench.nowMs += sleepMs;
  return bench;
}

function clusterOf(key: number): Partial<HeartbeatPulse> {
  return {
    clustering: {
      protocolVersion: ORPHAN_PAYLOAD.protocolVersion,
      clusterKey: key,
      sequenceNumber: U64_ZERO,
      preferredPrincipal: U64_ZERO,
      succession: [labId(3), labId(2), labId(1)],
    },
  };
}

Deno.test("step() reads before it expires anybody", () => {
  const bench = slept(10_000);
  const woken = bench.step({ kind: "tick" });
  assert(woken.some(({ kind }) => kind === "drain"));
  assertEquals(woken.some(({ kind }) => kind === "heartbeat"), false);
  bench.pulse(2);
  bench.step({ kind: "drained" });
  assertEquals(bench.heartbeat.adjacent, [labId(2), labId(3)]);
  const later = bench.wait(300).flatMap((effect) => effect.kind === "heartbeat" ? effect.changes : []);
  assertEquals(later.map(({ kind, node }) => `${kind} ${node}`), [`departed ${labId(3)}`]);
});

Deno.test("step() goes on after an interval when nobody says that all is read", () => {
  const bench = slept(10_000);
  bench.step({ kind: "tick" });
  bench.wait(600);
  assertEquals(bench.heartbeat.adjacent, []);
});

const FENCES: {
  name: string;
  sleepMs: number;
  pulses: { sentMs: number; key: number }[];
  raised: boolean;
}[] = [
  { name: "a short sleep", sleepMs: 1500, pulses: [], raised: false },
  { name: "nobody", sleepMs: 1501, pulses: [], raised: true },
  { name: "what was sent before the wake", sleepMs: 5000, pulses: [{ sentMs: -1, key: 7 }], raised: true },
  { name: "a majority of the same cluster", sleepMs: 5000, pulses: [{ sentMs: 50, key: 7 }], raised: false },
  { name: "another cluster", sleepMs: 5000, pulses: [{ sentMs: 50, key: 8 }], raised: true },
  {
    name: "another cluster after the same",
    sleepMs: 5000,
    pulses: [{ sentMs: 50, key: 0 }, { sentMs: 60, key: 8 }],
    raised: true,
  },
];

for (const { name, sleepMs, pulses, raised } of FENCES) {
  Deno.test(`step() ${raised ? "keeps" : "has"} the fence ${raised ? "up" : "down"} after ${name}`, () => {
    const bench = slept(sleepMs);
    const wokeMs = bench.nowMs;
    bench.step({ kind: "tick" });
    bench.step({ kind: "drained" });
    bench.nowMs += 100;
    for (const { sentMs, key } of pulses) {
      const timestamp = hlcToText(hlcTime(WALL_MS + wokeMs + sentMs, 0));
      bench.pulse(2, { ...clusterOf(key), timestamp });
    }
    assertEquals(bench.heartbeat.isFenced, raised);
  });
}

Deno.test("step() lowers the fence for a cluster that this node was taken into after the wake", () => {
  const bench = slept(5000);
  bench.step({ kind: "tick" });
  bench.step({ kind: "drained" });
  bench.nowMs += 100;
  bench.pulse(2, clusterOf(8));
  const succession = [labId(2), labId(1)];
  bench.step({ kind: "payload", payload: { ...ORPHAN_PAYLOAD, clusterKey: 8, succession } });
  assertEquals(bench.heartbeat.isFenced, true);
  bench.nowMs += 100;
  bench.pulse(2, clusterOf(8));
  assertEquals(bench.heartbeat.isFenced, false);
});

Deno.test("step() never fences a lone node for longer than it takes to see that it is alone", () => {
  const bench = new Bench();
  bench.step({ kind: "payload", payload: { ...ORPHAN_PAYLOAD, clusterKey: 7, succession: [labId(1)] } });
  bench.nowMs += 60_000;
  bench.step({ kind: "tick" });
  bench.step({ kind: "drained" });
  assertEquals(bench.heartbeat.isFenced, false);
});

Deno.test("step() warns when pulses no longer fit into a datagram", () => {
  const settings = { ...DEFAULT_HEARTBEAT_SETTINGS, mode: "multicast", mtuBytes: 200 } as const;
  const bench = new Bench({ settings, endpoints: [] });
  const texts: string[] = [];
  for (let n = 2; n < 12; n++) {
    const effects = bench.step({ kind: "message", message: bench.message(n) });
    for (const effect of [...effects, ...bench.wait(150)]) if (effect.kind === "log") texts.push(effect.text);
  }
  const breaches = texts.filter((text) => text.startsWith("mtu breach"));
  assertEquals(breaches.length, 1);
  assert(breaches[0]!.startsWith("mtu breach: pulses of 7 nodes need more than one datagram of 200 bytes"));
});

Deno.test("dueMs is never left behind by a tick", () => {
  const bench = new Bench({ seeds: [labSeed(2), { host: "name", port: 1, tls: false }] });
  for (let at = 0; at < 500; at++) {
    const dueMs = bench.heartbeat.dueMs;
    bench.nowMs = Math.max(bench.nowMs, dueMs);
    bench.step({ kind: "tick" });
    assert(bench.heartbeat.dueMs > bench.nowMs, `due at ${bench.heartbeat.dueMs}, now ${bench.nowMs}`);
  }
});

Deno.test("Heartbeat sends when other nodes do, by the wall clock, and never much later than an interval", () => {
  for (const startMs of [17, 74, 101, 149]) {
    const bench = new Bench({ settings: { ...DEFAULT_HEARTBEAT_SETTINGS, mode: "multicast" } });
    bench.nowMs = startMs;
    const sentMs: number[] = [];
    while (sentMs.length < 25) {
      bench.nowMs = bench.heartbeat.dueMs;
      const effects = bench.step({ kind: "tick" });
      if (effects.some(({ kind }) => kind === "broadcast")) sentMs.push(bench.nowMs);
    }
    const spacings = sentMs.slice(1).map((atMs, at) => atMs - sentMs[at]!);
    assert(Math.min(...spacings) >= 145 && Math.max(...spacings) <= 155, spacings.join());
    const late = (WALL_MS + sentMs.at(-1)!) % 150;
    assert(late < 0.01 || late > 149.99, `${late} ms`);
  }
});
