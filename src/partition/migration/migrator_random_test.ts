/**
 * Random histories of three to five nodes: writes and deletes go on while nodes join, leave, die and come back, with a
 * network that loses, repeats and reorders. At the end all copies are equal, every acknowledged write is there, and
 * nothing that was deleted has come back. Other tests let the network split, and both sides write.
 *
 * `SEEDS=500 deno test -A …` runs more, `SEED=17` one, `PLANT=doneBeforeAcks` plants a bug first.
 */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import process from "node:process";
import { plantBug, type PlantedBug } from "../../base/mod.ts";
import { CAPABILITY } from "../../cluster/mod.ts";
import { compareVersions } from "../../storage/mod.ts";
import { TestRandom } from "../../storage/testing.ts";
import { numbersIn, partitionOf, TestCluster, type TestClusterOptions, type TestMember } from "./testing.ts";

const PARTITIONS = [0, 7, 100, 1000, 2048, 3000, 4000, 4095];
const COUNT = 80;
const ALL_CAPABILITIES = CAPABILITY.DELTA_MIGRATION | CAPABILITY.LINEAGE;

if (process.env.PLANT !== undefined) plantBug(process.env.PLANT as PlantedBug);
const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const seedCount = Number(process.env.SEEDS ?? 12);
const seeds = only === undefined ? Array.from({ length: seedCount }, (_, index) => index + 1) : [only];

interface Acked {
  lastUpdateMs: number;
  isTombstone: boolean;
}

/** Writes at random and remembers what was acknowledged. */
class Workload {
  readonly acked = new Map<number, Acked>();
  writeCount = 0;
  ackCount = 0;

  constructor(
    readonly cluster: TestCluster,
    readonly random: TestRandom,
    readonly numbers: readonly number[],
  ) {}

  step(members?: readonly TestMember[]): void {
    const number = this.numbers[this.random.below(this.numbers.length)];
    const remove = this.random.below(4) === 0;
    const written = this.cluster.write(number, {
      remove,
      sizeBytes: 1 + this.random.below(40),
      ...(members === undefined ? {} : { members }),
      onAcked: () => this.#note(number, { lastUpdateMs: version!.lastUpdateMs, isTombstone: remove }),
    });
    const version = written;
    if (written !== undefined) this.writeCount++;
  }

  #note(number: number, acked: Acked): void {
    this.ackCount++;
    const known = this.acked.get(number);
    if (known === undefined || known.lastUpdateMs < acked.lastUpdateMs) this.acked.set(number, acked);
  }

  /** What was acknowledged and is not there any more, or came back. */
  losses(members: readonly TestMember[]): string[] {
    const lost: string[] = [];
    for (const [number, acked] of this.acked) {
      const version = this.cluster.master(partitionOf(number), members)?.version(number);
      if (version === undefined && acked.isTombstone) continue;
      if (version === undefined || version.lastUpdateMs < acked.lastUpdateMs) {
        lost.push(
          `record ${number}: acknowledged ${JSON.stringify(acked)}, found ${JSON.stringify(version)}`,
        );
      }
    }
    return lost;
  }
}

function makeCluster(
  seed: number,
  options: TestClusterOptions = {},
): { cluster: TestCluster; random: TestRandom } {
  const random = new TestRandom(seed * 31);
  const isBad = random.below(3) > 0;
  const cluster = new TestCluster({
    seed,
    count: 3 + random.below(3),
    partitions: PARTITIONS,
    network: {
      delayMinMs: 0.05,
      delayMaxMs: [0.3, 3, 20][random.below(3)],
      lossRate: isBad ? 0.05 : 0,
      repeatRate: isBad ? 0.1 : 0,
    },
    namespace: {
      migrateRetransmitMs: 200,
      conflictResolutionPolicy: random.below(2) === 0 ? "generation" : "last-update-time",
    },
    capabilities: random.below(4) === 0 ? 0 : ALL_CAPABILITIES,
    ...options,
  });
  return { cluster, random };
}

function run(cluster: TestCluster, forMs: number, step: () => void): void {
  const endMs = cluster.clock.monotonicMs() + forMs;
  while (cluster.clock.monotonicMs() < endMs) {
    step();
    cluster.clock.advance(1);
  }
}

/** Nodes come and go, at most one at a time is without what it had. */
function churn(seed: number): void {
  const { cluster, random } = makeCluster(seed);
  const numbers = numbersIn(PARTITIONS, COUNT);
  const workload = new Workload(cluster, random, numbers);
  let members = cluster.members.slice(0, 2 + random.below(cluster.members.length - 1));
  cluster.form(members);
  run(cluster, 100, () => workload.step());
  cluster.settle(members);
  for (let round = 0; round < 5; round++) {
    const outside = cluster.members.filter((member) => !members.includes(member));
    const leaves = members.length > 2 && (outside.length === 0 || random.below(2) === 0);
    if (leaves) {
      // Only once everybody has everything, a node may go without taking something along.
      cluster.settle(members);
      const gone = members[random.below(members.length)];
      members = members.filter((member) => member !== gone);
      gone.kill();
      run(cluster, random.below(50), () => workload.step(members));
    } else {
      const newcomer = outside[random.below(outside.length)];
      if (!newcomer.isUp) newcomer.start({ keepData: random.below(2) === 0 });
      members = [...members, newcomer];
    }
    cluster.form(members, random.below(2) === 0 ? 30 : 0);
    run(cluster, random.below(300), () => workload.step(members));
  }
  cluster.settle(members);
  assertEquals(cluster.faults(members, numbers), []);
  assertEquals(workload.losses(members), []);
  assert(workload.ackCount > workload.writeCount / 2, "most writes were acknowledged");
}

/** The network splits, both sides go on, and are one cluster again. */
function splitAndMerge(seed: number): void {
  const { cluster, random } = makeCluster(seed, { count: 4 });
  const numbers = numbersIn(PARTITIONS, COUNT);
  const workload = new Workload(cluster, random, numbers);
  cluster.form();
  run(cluster, 150, () => workload.step());
  cluster.settle();
  const sides = [cluster.members.slice(0, 2), cluster.members.slice(2)];
  for (const side of sides) cluster.form(side);
  for (const member of cluster.members) member.clock.offsetMs = random.below(200) - 100;
  run(cluster, 200, () => workload.step(sides[random.below(2)]));
  for (const side of sides) cluster.settle(side);
  const policy = cluster.members[0].it.store.settings.conflictResolutionPolicy;
  const expected = new Map(numbers.map((number) => {
    const [one, other] = sides.map((side) => cluster.master(partitionOf(number), side)?.version(number));
    if (one === undefined || other === undefined) return [number, one ?? other];
    const order = compareVersions(one, other, policy);
    // Of two with equal versions the larger bytes win, which only the copies can tell.
    return [number, order === 0 ? "either" : order > 0 ? one : other];
  }));
  cluster.form(cluster.members, random.below(2) === 0 ? 30 : 0);
  if (random.below(2) === 0) {
    // Merged once more before the first merge has ended.
    cluster.clock.advance(random.below(40));
    cluster.form(cluster.members, 10);
  }
  cluster.settle();
  assertEquals(cluster.faults(cluster.members, numbers), []);
  for (const number of numbers) {
    const found = cluster.master(partitionOf(number))?.version(number);
    if (expected.get(number) === "either") continue;
    assertEquals(found, expected.get(number), `record ${number} by policy ${policy}`);
  }
}

/**
 * A node is left behind while the others go on and then split in two; all meet again one after the other, the cluster
 * changing before merges have ended. Each record is the best of what the two sides had.
 */
function leaveBehindSplitAndMerge(seed: number): void {
  const { cluster, random } = makeCluster(seed, { count: 5, capabilities: ALL_CAPABILITIES });
  const numbers = numbersIn(PARTITIONS, COUNT);
  const workload = new Workload(cluster, random, numbers);
  cluster.form();
  run(cluster, 150, () => workload.step());
  cluster.settle();
  const behind = cluster.members[random.below(5)];
  const others = cluster.members.filter((member) => member !== behind);
  cluster.form(others);
  run(cluster, 150, () => workload.step(others));
  cluster.settle(others);
  const sides = [others.slice(0, 2), others.slice(2)];
  for (const side of sides) cluster.form(side);
  for (const member of cluster.members) member.clock.offsetMs = random.below(200) - 100;
  run(cluster, 200, () => workload.step(sides[random.below(2)]));
  for (const side of sides) cluster.settle(side);
  const policy = cluster.members[0].it.store.settings.conflictResolutionPolicy;
  const bests = new Map(numbers.map((number) => {
    const versions = sides.flatMap((side) =>
      cluster.master(partitionOf(number), side)?.version(number) ?? []
    );
    return [number, versions.sort((one, other) => compareVersions(other, one, policy))[0]];
  }));
  let members = sides[random.below(2)];
  for (const joining of [[behind], others].toSorted(() => random.below(3) - 1)) {
    members = [...new Set([...members, ...joining])];
    cluster.form(members, random.below(2) === 0 ? 30 : 0);
    if (random.below(3) > 0) cluster.clock.advance(random.below(60));
    else cluster.settle(members);
    if (random.below(2) === 0) cluster.form(members, 10);
  }
  cluster.settle();
  assertEquals(cluster.faults(cluster.members, numbers), []);
  for (const [number, best] of bests) {
    const found = cluster.master(partitionOf(number))?.version(number);
    if (best === undefined) continue;
    assert(
      found !== undefined && compareVersions(found, best, policy) === 0,
      `record ${number} by ${policy}: ${JSON.stringify({ found, best })}`,
    );
  }
}

describe("migrations", () => {
  for (const seed of seeds) {
    it(`merge what was left behind and what a split parted, seed ${seed}`, () =>
      leaveBehindSplitAndMerge(seed));
  }
  for (const seed of seeds) it(`lose nothing while nodes come and go, seed ${seed}`, () => churn(seed));
  for (const seed of seeds) it(`merge what a split parted, seed ${seed}`, () => splitAndMerge(seed));
});
