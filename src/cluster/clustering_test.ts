import { assert, assertEquals, assertThrows } from "@std/assert";
import { Clustering } from "./clustering.ts";
import {
  ClusteringLab,
  DEFAULT_CLUSTERING_SETTINGS,
  type LabNode,
  labNodeId,
  TestRandom,
} from "./clustering_testing.ts";
import {
  CLUSTERING_PROTOCOL_VERSION,
  type ClusteringBody,
  type ClusteringEffect,
  type ClusteringMessage,
} from "./clustering_types.ts";
import { clusteringFromWire, clusteringToWire } from "./clustering_wire.ts";
import { hlcTime, HybridClock } from "./hlc.ts";

const WALL_MS = 1_762_304_000_000;

/** A laboratory with one cluster of nodes 1, 2 and 3, and a quiet network. */
function clusterOfThree(): ClusteringLab {
  const lab = new ClusteringLab(1);
  for (const n of [1, 2, 3]) lab.start(n);
  lab.run(4000);
  assertEquals(lab.show()[0], "1: member of k1 [3 2 1]");
  return lab;
}

/** Gives a node a message that was sent some time ago; returns the kinds of what it sends, and counts. */
function tell(lab: ClusteringLab, to: LabNode, from: number, body: ClusteringBody, options: {
  ageMs?: number;
  protocolVersion?: number;
} = {}): string[] {
  const seen: string[] = [];
  const { observe } = lab;
  lab.observe = (_, effect: ClusteringEffect) => {
    if (effect.kind === "send") seen.push(effect.message.kind);
    if (effect.kind === "count") seen.push(effect.statistic);
  };
  const message: ClusteringMessage = {
    ...body,
    protocolVersion: options.protocolVersion ?? CLUSTERING_PROTOCOL_VERSION,
    timestamp: hlcTime(WALL_MS + lab.nowMs - (options.ageMs ?? 1), 0),
  };
  lab.step(to, { kind: "message", from: labNodeId(from), message });
  lab.observe = observe;
  return seen;
}

Deno.test("Clustering forms a cluster of one at the first tick when the node can't meet others", () => {
  const clustering = new Clustering({
    self: labNodeId(9),
    clock: new HybridClock(() => WALL_MS),
    random: new TestRandom(1),
    settings: { ...DEFAULT_CLUSTERING_SETTINGS, standalone: true },
    nowMs: 50,
  });
  const effects = clustering.step({ kind: "tick" }, 50).map(({ kind }) => kind);
  assert(effects.includes("cluster-changed") && !effects.includes("send"), effects.join());
  const { role, clusterKey, isSynced } = clustering.view;
  assertEquals([role, isSynced], ["principal", true]);
  assert(clusterKey > 0 && clusterKey < 2 ** 48);
  assertThrows(() => clustering.step({ kind: "tick" }, 49));
});

Deno.test("Clustering forms one cluster of three within 2.5 s when the nodes arrive within 300 ms", () => {
  let latestMs = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const lab = new ClusteringLab(seed);
    const random = new TestRandom(seed);
    lab.conditions.delayMaxMs = 3;
    const order = seed % 2 === 0 ? [1, 2, 3] : [3, 1, 2];
    for (const n of order) {
      lab.start(n, { phaseMs: random.below(150) });
      if (n !== order[2]) lab.run(random.below(75));
    }
    while (!lab.alive.every(({ published }) => published?.succession.length === 3)) {
      lab.run(10);
      assert(lab.nowMs <= 2500, `seed ${seed}: no cluster after ${lab.nowMs} ms\n${lab.show().join("\n")}`);
    }
    latestMs = Math.max(latestMs, lab.nowMs);
    assertEquals(lab.counts.get("rounds_started"), 1, `seed ${seed}: rounds`);
  }
  assert(latestMs < 2000, `latest after ${latestMs} ms`);
});

Deno.test("Clustering queues a join request when it is fresh, and refuses it where it can't be granted", () => {
  const lab = clusterOfThree();
  const [member, principal] = [lab.node(2), lab.node(3)];
  const request: ClusteringBody = { kind: "join-request" };
  assertEquals(tell(lab, member, 8, request), ["joins_rejected", "join-reject"]);
  assertEquals(tell(lab, principal, 8, request, { ageMs: 400 }), ["joins_stale"]);
  assertEquals(tell(lab, principal, 8, request), ["joins_queued"]);
  assertEquals(tell(lab, principal, 8, request), []);
  lab.step(principal, { kind: "duplicate-id", duplicate: true });
  assertEquals(tell(lab, principal, 8, request), ["joins_rejected", "join-reject"]);
});

Deno.test("Clustering ignores messages of another protocol version", () => {
  const lab = clusterOfThree();
  const answer = tell(lab, lab.node(3), 8, { kind: "join-request" }, { protocolVersion: 1 });
  assertEquals(answer, ["messages_other_version"]);
});

Deno.test("Clustering listens to its own principal alone when it is a member, and to everybody as an orphan", () => {
  const lab = clusterOfThree();
  const prepare: ClusteringBody = { kind: "prepare", sequenceNumber: hlcTime(WALL_MS + lab.nowMs, 7) };
  assertEquals(tell(lab, lab.node(2), 1, prepare), []);
  assertEquals(tell(lab, lab.node(2), 3, prepare), ["promise"]);
  const orphan = new ClusteringLab(1).start(1);
  assertEquals(tell(lab, orphan, 2, prepare), ["promise"]);
});

Deno.test("Clustering applies nothing that it has not accepted, that is without it, or that contradicts its cluster", () => {
  const lab = clusterOfThree();
  const member = lab.node(2);
  const { clusterKey, succession } = member.clustering.view;
  const sequenceNumber = hlcTime(WALL_MS + lab.nowMs, 7);
  const learn = { kind: "learn", sequenceNumber, clusterKey: 77, succession } as const;
  assertEquals(tell(lab, member, 3, learn), []);
  assertEquals(tell(lab, member, 3, { ...learn, clusterKey, succession: succession.slice(1) }), [
    "learns_conflicting",
  ]);
  assertEquals(tell(lab, member, 3, { kind: "accept", sequenceNumber }), ["accepted"]);
  assertEquals(tell(lab, member, 3, { ...learn, succession: [labNodeId(3)] }), []);
  assertEquals(tell(lab, member, 1, learn), []);
  assertEquals(member.clustering.view.clusterKey, clusterKey);
  assertEquals(tell(lab, member, 3, learn), ["change-applied", "change-applied"]);
  assertEquals(member.clustering.view.clusterKey, 77);
});

Deno.test("Clustering follows a move of its own principal with the present key, and no other", () => {
  const lab = clusterOfThree();
  const member = lab.node(2);
  const { clusterKey } = member.clustering.view;
  const move = { kind: "merge-move", clusterKey, principal: labNodeId(1) } as const;
  assertEquals(tell(lab, member, 1, move), []);
  assertEquals(tell(lab, member, 3, { ...move, clusterKey: 5 }), []);
  assertEquals(tell(lab, member, 3, move), ["orphaned", "joins_requested", "join-request"]);
  assertEquals([member.clustering.view.role, member.clustering.view.joinTarget], ["orphan", labNodeId(1)]);
});

Deno.test("Clustering does not leave its cluster because of a pulse from before the change", () => {
  const lab = clusterOfThree();
  const member = lab.node(2);
  const payload = { ...lab.node(3).payload, clusterKey: 0, succession: [], sequenceNumber: 0n };
  lab.step(member, { kind: "pulse", node: labNodeId(3), payload, sendTime: hlcTime(WALL_MS, 0) });
  assertEquals(member.clustering.view.role, "member");
  const sendTime = hlcTime(WALL_MS + lab.nowMs, 0);
  lab.step(member, { kind: "pulse", node: labNodeId(3), payload, sendTime });
  assertEquals(member.clustering.view.role, "orphan");
});

Deno.test("Clustering acts on a confirmed death within two heartbeats, whoever died", () => {
  for (const victim of [1, 3]) {
    const lab = clusterOfThree();
    lab.pulseOnChange = true;
    const startMs = lab.nowMs;
    lab.crash(victim, true);
    while (!lab.alive.every(({ published }) => published?.succession.length === 2)) lab.run(1);
    assert(lab.nowMs - startMs <= 345, `node ${victim}: ${lab.nowMs - startMs} ms`);
  }
});

Deno.test("Clustering waits for a member that stands still when the principal dies, as long as it is heard", () => {
  // A death that nobody confirms is noticed after the node timeout.
  const cases = [[true, 0, 600], [true, 0, 1000], [false, 1400, 800]] as const;
  for (const [confirmed, afterMs, sleepMs] of cases) {
    const lab = clusterOfThree();
    lab.pulseOnChange = true;
    lab.crash(3, confirmed);
    lab.run(afterMs);
    lab.sleep(1, sleepMs);
    while (lab.node(2).published?.succession[0] !== labNodeId(2)) lab.run(1);
    const { succession } = lab.node(2).published!;
    assertEquals(succession, [2, 1].map(labNodeId), `confirmed ${confirmed}, slept ${sleepMs} ms`);
  }
});

Deno.test("Clustering goes on without a member that stands still longer than the node timeout", () => {
  const lab = clusterOfThree();
  lab.pulseOnChange = true;
  const startMs = lab.nowMs;
  lab.crash(3, true);
  lab.sleep(1, 10_000);
  while (lab.node(2).published?.succession[0] !== labNodeId(2)) lab.run(1);
  assertEquals(lab.node(2).published?.succession, [labNodeId(2)]);
  assert(lab.nowMs - startMs < 4000, `${lab.nowMs - startMs} ms`);
});

Deno.test("Clustering counts a death from the loss of the connections, and a hop from the confirmation at least", () => {
  for (const [confirmedMs, atMostMs] of [[10, 345], [120, 345], [200, 400]] as const) {
    for (const victim of [1, 3]) {
      const lab = clusterOfThree();
      lab.pulseOnChange = true;
      const startMs = lab.nowMs;
      lab.crash(victim, confirmedMs);
      while (!lab.alive.every(({ published }) => published?.succession.length === 2)) lab.run(1);
      const tookMs = lab.nowMs - startMs;
      assert(tookMs >= 310 && tookMs >= confirmedMs + 155, `node ${victim}: ${tookMs} ms`);
      assert(tookMs <= atMostMs, `node ${victim}, confirmed after ${confirmedMs} ms: ${tookMs} ms`);
    }
  }
});

Deno.test("clusteringToWire() and clusteringFromWire() are each other's inverse", () => {
  const common = { protocolVersion: CLUSTERING_PROTOCOL_VERSION, timestamp: hlcTime(WALL_MS, 3) };
  const sequenceNumber = hlcTime(WALL_MS, 1);
  const bodies: ClusteringBody[] = [
    { kind: "join-request" },
    { kind: "merge-move", clusterKey: 5, principal: labNodeId(3) },
    { kind: "promise", sequenceNumber },
    { kind: "learn", sequenceNumber, clusterKey: 5, succession: [labNodeId(3)] },
  ];
  for (const body of bodies) {
    const wire = clusteringToWire({ ...body, ...common });
    assertEquals(clusteringToWire(clusteringFromWire(wire)), wire);
    assertEquals(wire.timestamp, "019a518100000003");
  }
});
