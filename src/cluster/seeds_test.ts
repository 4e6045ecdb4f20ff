import { assertEquals } from "@std/assert";
import { HEARTBEAT_SEED_ADDRESS_COUNT_MAX, HEARTBEAT_SEED_COUNT_MAX } from "../base/mod.ts";
import { DEFAULT_HEARTBEAT_SETTINGS } from "./heartbeat_testing.ts";
import { deriveHeartbeatTimes } from "./heartbeat_timing.ts";
import { SeedList, type SeedView, targetAnswered, targetFailed } from "./seeds.ts";

const TIMES = deriveHeartbeatTimes(DEFAULT_HEARTBEAT_SETTINGS);
const ALONE: SeedView = { isActive: () => false, publishers: () => new Map(), isOwn: () => false };

function seed(host: string, port = 3002, tls = false) {
  return { host, port, tls };
}

Deno.test("add() refuses what is there already, and what can't be dialled", () => {
  const seeds = new SeedList();
  assertEquals(seeds.add(seed("a.example"), 0), undefined);
  assertEquals(seeds.add(seed("A.example"), 0), 'Cannot add seed "A.example:3002": it is a seed already');
  assertEquals(seeds.add(seed("a.example", 3002, true), 0), undefined);
  assertEquals(
    seeds.add(seed("10.0.0.1", 0), 0),
    'Cannot add seed "10.0.0.1:0": port 0 is outside 1 to 65535',
  );
  assertEquals(seeds.add(seed("", 3002), 0), 'Cannot add seed ":3002": the host is empty');
});

Deno.test("add() refuses one more than the limit", () => {
  const seeds = new SeedList();
  for (let port = 1; port <= HEARTBEAT_SEED_COUNT_MAX; port++) {
    assertEquals(seeds.add(seed("a", port), 0), undefined);
  }
  assertEquals(seeds.add(seed("b"), 0)?.includes("remove some with tip-clear"), true);
});

Deno.test("tend() looks a name up once at a time, soon again without an answer, later with one", () => {
  const seeds = new SeedList();
  seeds.add(seed("a"), 0);
  assertEquals(seeds.tend(0, ALONE).resolve, ["a"]);
  assertEquals(seeds.tend(99_000, ALONE).resolve, []);
  seeds.resolved("a", [], { nowMs: 100_000, times: TIMES });
  assertEquals(seeds.tend(101_499, ALONE).resolve, []);
  assertEquals(seeds.tend(101_500, ALONE).resolve, ["a"]);
  seeds.resolved("a", ["10.0.0.1"], { nowMs: 102_000, times: TIMES });
  assertEquals(seeds.tend(161_999, ALONE).resolve, []);
  assertEquals(seeds.tend(162_000, ALONE).resolve, ["a"]);
});

Deno.test("resolved() takes a bounded number of addresses and keeps what it knows of them", () => {
  const seeds = new SeedList();
  seeds.add(seed("a"), 0);
  seeds.tend(0, ALONE);
  const many = Array.from({ length: 100 }, (_, at) => `10.0.0.${at}`);
  seeds.resolved("a", many, { nowMs: 0, times: TIMES });
  const [first] = seeds.all[0]!.targets;
  assertEquals(seeds.all[0]!.targets.length, HEARTBEAT_SEED_ADDRESS_COUNT_MAX);
  seeds.tend(60_000, ALONE);
  seeds.resolved("a", ["10.0.0.200", "10.0.0.0", "10.0.0.0"], { nowMs: 60_000, times: TIMES });
  assertEquals(seeds.all[0]!.targets.length, 2);
  assertEquals(seeds.all[0]!.targets[1] === first, true);
});

Deno.test("tend() dials what leads to nobody, and no longer what a connected node publishes", () => {
  const seeds = new SeedList();
  seeds.add(seed("10.0.0.1"), 0);
  const dials = (view: SeedView) => seeds.tend(0, view).dial.length;
  const publishers = () => new Map([["10.0.0.1:3002", "node"]]);
  assertEquals(dials(ALONE), 1);
  assertEquals(dials({ ...ALONE, publishers, isActive: () => true }), 0);
  assertEquals(seeds.all[0]!.targets[0]!.state, "active");
  assertEquals(dials({ ...ALONE, publishers }), 0);
  assertEquals(seeds.all[0]!.targets[0]!.state, "inactive");
  assertEquals(dials(ALONE), 1);
});

Deno.test("tend() dials again when the node that answered is no longer connected", () => {
  const seeds = new SeedList();
  seeds.add(seed("10.0.0.1"), 0);
  const [target] = seeds.tend(0, ALONE).dial;
  targetAnswered(target!, "node");
  assertEquals(seeds.tend(0, { ...ALONE, isActive: () => true }).dial, []);
  assertEquals(seeds.tend(0, ALONE).dial, [target]);
});

Deno.test("targetFailed() makes a pending target inactive, and no other", () => {
  const seeds = new SeedList();
  seeds.add(seed("10.0.0.1"), 0);
  const [target] = seeds.tend(0, ALONE).dial;
  target!.state = "pending";
  assertEquals(seeds.tend(0, ALONE).dial, []);
  targetFailed(target!);
  assertEquals(target!.state, "inactive");
  target!.state = "active";
  targetFailed(target!);
  assertEquals(target!.state, "active");
});

Deno.test("tend() removes an address of this node, and keeps a name", () => {
  const seeds = new SeedList();
  seeds.add(seed("10.0.0.1"), 0);
  seeds.add(seed("a"), 0);
  const isOwn = () => true;
  assertEquals(seeds.tend(0, { ...ALONE, isOwn }).removed.length, 1);
  seeds.resolved("a", ["10.0.0.1"], { nowMs: 0, times: TIMES });
  const work = seeds.tend(1, { ...ALONE, isOwn });
  assertEquals([work.removed.length, work.dial.length, seeds.all.length], [0, 0, 1]);
  assertEquals(seeds.all[0]!.targets[0]!.state, "self");
});

Deno.test("remove() takes a seed away with TLS and without", () => {
  const seeds = new SeedList();
  seeds.add(seed("a"), 0);
  seeds.add(seed("a", 3002, true), 0);
  assertEquals(seeds.remove({ host: "a", port: 3002 }), true);
  assertEquals(seeds.remove({ host: "a", port: 3002 }), false);
  assertEquals(seeds.all, []);
});

Deno.test("tend() dials again when the node that published a seed's address publishes another", () => {
  const seeds = new SeedList();
  seeds.add(seed("10.0.0.1"), 0);
  const isActive = () => true;
  const publishers = () => new Map([["10.0.0.1:3002", "node"]]);
  assertEquals(seeds.tend(0, { ...ALONE, isActive, publishers }).dial.length, 0);
  assertEquals(seeds.tend(0, { ...ALONE, isActive }).dial.length, 1);
});
