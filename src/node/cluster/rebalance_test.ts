import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT, SLICE_MAX_MS } from "../../base/mod.ts";
import { CAPABILITY, type ExchangeResult } from "../../cluster/mod.ts";
import { balanceInput, computeBalance, PartitionTable } from "../../partition/mod.ts";
import { TestClock, TestLog } from "../../storage/testing.ts";
import type { Namespace } from "../../transaction/mod.ts";
import { REBALANCE_FLAG } from "../../wire/mod.ts";
import { Rebalancer } from "./rebalance.ts";

const NODES = ["00000000000000a3", "00000000000000a2", "00000000000000a1"];
const SELF = NODES[1]!;
const NAMES = ["one", "two"];
const capabilities = CAPABILITY.PLACEMENT | CAPABILITY.LINEAGE;

/** What some nodes agreed on: uniform balance, so that all kinds of slices are there. */
function resultOf(clusterKey: number, succession: readonly string[]): ExchangeResult {
  const namespace = (name: string) => ({
    name,
    versions: [],
    lineages: [],
    replicationFactor: 2,
    rackId: 0,
    activeRack: 0,
    rebalanceFlags: REBALANCE_FLAG.UNIFORM,
  });
  return {
    clusterKey,
    succession,
    principal: succession[0]!,
    members: succession.map((node) => ({
      node,
      compatibilityId: 15,
      capabilities,
      incarnation: node,
      host: undefined,
      truncations: [],
      namespaces: new Map(NAMES.map((name) => [name, namespace(name)])),
    })),
    compatibilityIdMin: 15,
    compatibilityIdMax: 15,
    capabilities,
    allOurs: true,
  };
}

function bench() {
  const clock = new TestClock();
  const tables = NAMES.map(() => new PartitionTable());
  for (const table of tables) table.assignAll();
  const followed: number[] = [];
  const namespaces = NAMES.map((name, at) => ({
    settings: { name },
    partitions: tables[at],
    store: { beginWriteEpoch() {} },
  })) as unknown as Namespace[];
  const rebalancer = new Rebalancer({
    self: SELF,
    clock,
    log: new TestLog(),
    namespaces,
    onFollowed: ({ clusterKey }) => {
      assertEquals(keysOf(tables), [clusterKey, clusterKey], "all tables follow before anybody hears of it");
      followed.push(clusterKey);
    },
  });
  return { clock, tables, followed, rebalancer };
}

/** Cluster keys that the tables follow; 0 for a node on its own, which serves everything. */
function keysOf(tables: readonly PartitionTable[]): number[] {
  return tables.map(({ balance }) => balance?.clusterKey ?? 0);
}

describe("Rebalancer", () => {
  it("serves by the old tables until all of the new ones are worked out, in slices, and then changes all at once", () => {
    const { clock, tables, followed, rebalancer } = bench();
    clock.readCostMs = 0.3;
    rebalancer.begin(resultOf(7, NODES));
    let turns = 0;
    while (rebalancer.isWorking) {
      assertEquals(keysOf(tables), [0, 0], "no table follows before the others");
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        assertEquals(tables[turns % 2]!.admit(partition), 0);
      }
      const beforeMs = clock.monotonicMs();
      assert(clock.step(), "the work goes on by itself");
      assert(clock.monotonicMs() - beforeMs < SLICE_MAX_MS + 1, "a turn takes about a slice");
      turns++;
    }
    assert(turns > 20, `${turns} turns`);
    assertEquals(followed, [7]);
    for (const [at, namespace] of NAMES.entries()) {
      const whole = computeBalance(balanceInput(resultOf(7, NODES), { namespace, self: SELF }));
      assertEquals(tables[at]!.balance!.placement.rows.order, whole.placement.rows.order);
      assertEquals(tables[at]!.versions, whole.versions);
    }
  });

  it("finishes at once what must not wait, and does nothing afterwards", () => {
    const { clock, tables, followed, rebalancer } = bench();
    rebalancer.begin(resultOf(7, NODES));
    clock.step();
    rebalancer.finish();
    assertEquals([keysOf(tables), followed, rebalancer.isWorking], [[7, 7], [7], false]);
    clock.advance(100);
    rebalancer.finish();
    assertEquals(followed, [7]);
  });

  it("follows each of two exchanges in their order when the second comes before the first is worked out", () => {
    const { clock, tables, followed, rebalancer } = bench();
    rebalancer.begin(resultOf(7, NODES));
    rebalancer.begin(resultOf(8, NODES.slice(1)));
    assertEquals(followed, [7]);
    clock.advance(100);
    assertEquals([keysOf(tables), followed], [[8, 8], [7, 8]]);
  });

  it("follows nothing any more once it is stopped", () => {
    const { clock, tables, followed, rebalancer } = bench();
    rebalancer.begin(resultOf(7, NODES));
    clock.step();
    rebalancer.stop();
    clock.advance(100);
    assertEquals([keysOf(tables), followed], [[0, 0], []]);
  });
});
