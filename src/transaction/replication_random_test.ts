/**
 * Random writes, deletes and re-creations, while messages are lost, late, doubled and in any order. When all have arrived
 * and all repairs have ended, all replicas have what the master has, and that is what clients were told.
 * `SEEDS=500` runs more.
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ResultCode, toHex } from "../base/mod.ts";
import { TestRandom } from "../storage/testing.ts";
import { INFO2 } from "../wire/mod.ts";
import { TestCluster, type TestPeer } from "./peer_testing.ts";
import { writeInteger } from "./testing.ts";

const SEED_COUNT = Number(Deno.env.get("SEEDS") ?? 20);
const RECORD_COUNT = 3;
const STEP_COUNT = 60;
const LATE_MAX_MS = 3000;

/** The record's bytes at a node; undefined when there is none, or a tombstone. */
function stateOf(peer: TestPeer, record: number): string | undefined {
  if (peer.version(record)?.isTombstone !== false) return undefined;
  return toHex(peer.flat(record)!);
}

/** Nobody, a member of ours that tells no capabilities, or one that does as stock nodes do. */
type Guest = "nobody" | "no capabilities" | "stock";

function run(seed: number, guest: Guest): void {
  const random = new TestRandom(seed);
  const it = new TestCluster({ replicationFactor: 3 });
  const number = random.below(3);
  const stock = guest === "nobody" ? [] : [number];
  let clusterKey = 2;
  it.form(clusterKey, { stock });
  const { peers } = it.peers[number];
  if (guest === "stock") {
    // A stock node knows no order, and does what it is told as often as it is told.
    peers.order.takeDrop = peers.order.takeRecord = () => true;
    peers.order.forget = () => {};
  }
  it.fate = () => {
    const roll = random.below(10);
    if (roll === 0) return "drop";
    if (roll === 1) return "twice";
    return roll < 5 ? { delayMs: random.below(LATE_MAX_MS) } : undefined;
  };
  const possible = Array.from({ length: RECORD_COUNT }, () => new Set<string | undefined>([undefined]));
  for (let step = 0; step < STEP_COUNT; step++) {
    const record = random.below(RECORD_COUNT);
    const master = it.master(record);
    const isDelete = random.below(2) === 0;
    if (random.below(15) === 0) it.form(++clusterKey, { stock });
    const reply = isDelete
      ? it.run(master, { record, info2: INFO2.WRITE | INFO2.DELETE })
      : it.run(master, { record, info2: INFO2.WRITE, ops: [writeInteger("a", step)] });
    const state = stateOf(master, record);
    if (reply.code === ResultCode.OK) possible[record].clear();
    possible[record].add(state);
    it.clock.advance(random.below(200));
  }
  it.clock.advance(LATE_MAX_MS);
  it.fate = () => undefined;
  it.clock.advance(60_000);
  for (let record = 0; record < RECORD_COUNT; record++) {
    const states = it.peers.map((peer) => stateOf(peer, record));
    for (const state of states) assertEquals(state, states[0], `seed ${seed}, record ${record}`);
    assert(possible[record].has(states[0]), `seed ${seed}, record ${record}: ${states[0]}`);
  }
  for (const { peers } of it.peers) assertEquals(peers.unconfirmedCount, 0);
}

describe("replicas, by chance", () => {
  for (const guest of ["nobody", "no capabilities", "stock"] as const) {
    it(`are alike in the end, with a guest: ${guest}`, () => {
      for (let seed = 1; seed <= SEED_COUNT; seed++) run(seed, guest);
    });
  }
});
