/**
 * Networks of three to eight nodes on virtual time, decided by a seed: they form a mesh from one seed, lose and find
 * nodes and links, sleep, and are one mesh with one connection per pair again in bounded time.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { HeartbeatLab, LAB_PORT, labId, labSeed } from "./heartbeat_testing.ts";
import type { SeedAddress } from "./seeds.ts";

/** `SEEDS=2000` runs more. */
const SEED_COUNT = Number(Deno.env.get("SEEDS") ?? 60);
const INTERVAL_MS = 150;
const NODE_TIMEOUT_MS = 1500;
const DELAY_MS_MAX = 20;
/** From the last start to everybody hearing everybody: dial, hear, ask, dial, hear. */
const FORM_MS_MAX = 6 * INTERVAL_MS;
/** A connect that was under way when the way was blocked, and the next dial. */
const REDIAL_MS_MAX = 500 + 2 * INTERVAL_MS;

function isFullMesh(lab: HeartbeatLab): boolean {
  const count = lab.running.length - 1;
  return lab.running.every(({ heartbeat }) => heartbeat.adjacent.length === count);
}

/** Every pair has exactly one connection, and both ends agree on its direction. */
function findOddPair(lab: HeartbeatLab): string | undefined {
  for (const a of lab.running) {
    for (const b of lab.running) {
      if (a.n >= b.n) continue;
      const here = lab.connections(a.n).filter(({ to }) => to === b.n).map(({ direction }) => direction);
      const there = lab.connections(b.n).filter(({ to }) => to === a.n).map(({ direction }) => direction);
      if (here.length !== 1 || there.length !== 1 || here[0] === there[0]) {
        return `${a.n}: ${here.join(" ")}; ${b.n}: ${there.join(" ")}`;
      }
    }
  }
  return undefined;
}

function settles(lab: HeartbeatLab, limitMs: number, story: string): void {
  const tookMs = lab.runUntil(() => isFullMesh(lab), limitMs);
  assert(tookMs !== undefined, `${story}: no full mesh within ${limitMs} ms`);
  // Connections without a message end when they are idle: once, and once for what was dialled meanwhile.
  lab.run(1500);
  assert(isFullMesh(lab), `${story}: the mesh did not last`);
  assertEquals(findOddPair(lab), undefined, `${story}: not one connection per pair`);
}

function seedsFor(lab: HeartbeatLab, n: number): SeedAddress[] {
  const byName = { host: "everybody", port: LAB_PORT, tls: false };
  if (lab.names.size > 0) return [byName];
  return n === 1 && lab.random.chance(0.5) ? [] : [labSeed(1)];
}

/** Starts all nodes within a moment. */
function form(seed: number): HeartbeatLab {
  const lab = new HeartbeatLab(seed);
  const count = 3 + lab.random.below(6);
  lab.delayMaxMs = 1 + lab.random.below(DELAY_MS_MAX);
  const all = Array.from({ length: count }, (_, at) => at + 1);
  if (lab.random.chance(0.3)) lab.names.set("everybody", all);
  for (const n of all) {
    const stock = lab.random.chance(0.2);
    const skewMs = lab.random.below(2000) - 1000;
    lab.start(n, { seeds: seedsFor(lab, n), stock, skewMs });
    lab.run(lab.random.below(100));
  }
  settles(lab, FORM_MS_MAX, "start");
  return lab;
}

for (let seed = 1; seed <= SEED_COUNT; seed++) {
  Deno.test(`Heartbeat keeps one mesh when nodes and links fail, seed ${seed}`, () => {
    const lab = form(seed);
    for (let round = 0; round < 4; round++) {
      const victim = lab.random.pick(lab.running);
      switch (lab.random.below(4)) {
        case 0:
          dieAndReturn(lab, victim.n, "kill");
          break;
        case 1:
          dieAndReturn(lab, victim.n, "crash");
          break;
        case 2:
          cutAndHeal(lab);
          break;
        default:
          sleepAndWake(lab, victim.n);
      }
    }
  });
}

function dieAndReturn(lab: HeartbeatLab, n: number, how: "kill" | "crash"): void {
  const diedMs = lab.nowMs;
  const { id } = lab.host(n);
  lab.stop(n, how);
  const survivors = lab.running;
  const departures = new Map<number, { seenMs: number; atMs: number }>();
  lab.observe = (host, effect) => {
    if (effect.kind !== "heartbeat") return;
    for (const change of effect.changes) {
      assert(change.kind !== "departed" || change.node === id, `${host.n} loses ${change.node} as well`);
      if (change.kind === "departed") departures.set(host.n, { seenMs: lab.nowMs, atMs: change.atMs });
    }
  };
  lab.run(NODE_TIMEOUT_MS + INTERVAL_MS);
  lab.observe = () => {};
  for (const { n: survivor } of survivors) {
    const { seenMs, atMs } = departures.get(survivor) ?? { seenMs: Infinity, atMs: Infinity };
    const afterMs = seenMs - diedMs;
    const earliestMs = NODE_TIMEOUT_MS - INTERVAL_MS - DELAY_MS_MAX;
    assert(
      afterMs >= earliestMs && afterMs <= NODE_TIMEOUT_MS + DELAY_MS_MAX,
      `${survivor} misses ${n} after ${afterMs} ms`,
    );
    assertEquals(atMs, seenMs - NODE_TIMEOUT_MS);
  }
  lab.start(n, { seeds: seedsFor(lab, n) });
  settles(lab, REDIAL_MS_MAX + FORM_MS_MAX, `${n} returns after ${how}`);
}

function cutAndHeal(lab: HeartbeatLab): void {
  const [a, b] = lab.random.chance(0.5) ? [1, 2] : [2, lab.running.length];
  lab.cut(a, b);
  lab.cut(b, a);
  lab.run(NODE_TIMEOUT_MS + INTERVAL_MS);
  const count = lab.running.length - 1;
  for (const { n, heartbeat } of lab.running) {
    const isEnd = n === a || n === b;
    assertEquals(heartbeat.adjacent.length, isEnd ? count - 1 : count, `cut ${a}-${b}, seen by ${n}`);
    if (isEnd) continue;
    const [seenA, seenB] = [heartbeat.node(labId(a))!, heartbeat.node(labId(b))!];
    assert(!seenA.adjacency.includes(labId(b)) && !seenB.adjacency.includes(labId(a)));
  }
  lab.heal();
  settles(lab, REDIAL_MS_MAX + FORM_MS_MAX, `cut ${a}-${b} heals`);
}

function sleepAndWake(lab: HeartbeatLab, n: number): void {
  const sleepMs = 200 + lab.random.below(5000);
  let fences = 0;
  lab.observe = (host, effect) => {
    if (host.n === n && effect.kind === "fence" && effect.raised) fences++;
    if (host.n !== n || effect.kind !== "heartbeat") return;
    const lost = effect.changes.find((change) => change.kind === "departed");
    // The others were well all the time: what they sent meanwhile is read before anybody expires.
    assertEquals(lost, undefined, `${n} expires a node that is well after ${sleepMs} ms of sleep`);
  };
  lab.freeze(n, sleepMs);
  lab.run(sleepMs + 1);
  assertEquals(fences, sleepMs + INTERVAL_MS < NODE_TIMEOUT_MS ? 0 : fences);
  if (sleepMs > NODE_TIMEOUT_MS) assertEquals(fences, 1);
  settles(lab, REDIAL_MS_MAX + FORM_MS_MAX, `${n} sleeps ${sleepMs} ms`);
  lab.observe = () => {};
}
