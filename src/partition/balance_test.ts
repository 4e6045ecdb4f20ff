import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT, ResultCode } from "../base/mod.ts";
import { CAPABILITY, Exchange, type ExchangeOwn, type ExchangeResult } from "../cluster/mod.ts";
import { type NodeId, partitionVersionText, REBALANCE_FLAG } from "../wire/mod.ts";
import { computeBalance, EMIGRATION_FLAG, nodeAt, PlaceSets } from "./balance.ts";
import { balanceInput } from "./balance_input.ts";
import { NO_PLACEMENT, type PlacementMember } from "./racks.ts";
import { PartitionTable, ROLE } from "./table.ts";
import { balance, testMember, testNode } from "./testing.ts";
import { VersionTable } from "./version.ts";

const KEY = 0x4a1bc3de0912;
const PARTITION = 17;

/** Members whose copy of one partition has the given version, by place in the row; "" is none. */
function membersWith(versions: readonly string[]): PlacementMember[] {
  const plain = versions.map((_, index) => testMember(index + 1));
  const row = balance(plain, { self: plain[0].node });
  const places = versions.map((_, place) => nodeAt(row, PARTITION, place));
  return plain.map((member) => {
    const table = new VersionTable();
    const text = versions[places.indexOf(member.node)];
    if (text !== "") table.set(PARTITION, parse(text));
    return { ...member, versions: table };
  });
}

/** "KEY.FAMILY.FLAGS" with a short key: 7.0.mp-, 7.U.-se. */
function parse(text: string) {
  const [key, family, flags] = text.split(".");
  return {
    clusterKey: parseInt(key, 16),
    family: family === "U" ? 15 : parseInt(family, 16),
    isRevived: false,
    isMaster: flags[0] === "m",
    isSubset: flags[1] === "s",
    isEvade: flags[2] === "e",
  };
}

/** What becomes of one partition, by place: new version, immigrations, and emigrations as "place flags". */
function decide(
  versions: readonly string[],
  options: { replicationFactor?: number; allOurs?: boolean } = {},
) {
  const members = membersWith(versions);
  const any = balance(members, { self: members[0].node, ...options });
  const count = versions.length;
  const inSet = (set: PlaceSets) =>
    Array.from({ length: count }, (_, place) => place).filter((place) => set.has(PARTITION, place));
  const nodes = Array.from({ length: count }, (_, place) => {
    const own = balance(members, { self: nodeAt(any, PARTITION, place), clusterKey: KEY, ...options });
    const version = own.versions.get(PARTITION);
    const sent: string[] = [];
    for (let index = 0; index < own.emigrations.length; index++) {
      if (own.emigrations.partitions[index] !== PARTITION) continue;
      const to = own.nodes[own.emigrations.receivers[index]];
      const toPlace = versions.findIndex((_, other) => nodeAt(own, PARTITION, other) === to);
      sent.push(`>${toPlace}:${own.emigrations.flags[index]}`);
    }
    const text = version === undefined
      ? "none"
      : partitionVersionText(version).replace(KEY.toString(16), "k");
    return [text, own.immigrationCounts[PARTITION], ...sent].join(" ");
  });
  return {
    working: any.workingPlace[PARTITION],
    duplicates: inSet(any.duplicates),
    immigrators: inSet(any.immigrators),
    witnesses: inSet(any.witnesses),
    nodes: nodes.map((text) => text.replace("00000000000", "")),
    hasCutoff: any.hasCutoff[PARTITION] === 1,
  };
}

const { ACTING_MASTER, LEAD, CONTINGENT } = EMIGRATION_FLAG;
const ACTING = ACTING_MASTER | LEAD;

describe("computeBalance()", () => {
  it("settles a partition whose replicas have everything, and drops other copies", () => {
    const decided = decide(["7.0.mp-", "7.0.-p-", "7.0.-p-"]);
    assertEquals(decided.nodes, ["k.0.mp- 0", "k.0.-p- 0", "none 0"]);
    assertEquals([decided.working, decided.immigrators, decided.hasCutoff], [0, [], false]);
  });

  it("lets an earlier place with the same data serve at once", () => {
    const decided = decide(["7.0.-p-", "7.0.mp-", ""]);
    assertEquals([decided.working, decided.immigrators], [0, []]);
    assertEquals(decide(["", "7.0.-p-", "7.0.mp-"]).working, 1);
  });

  it("does not take another family, or a unique one, for the same data", () => {
    assertEquals(decide(["7.1.-p-", "7.0.mp-", ""]).working, 1);
    assertEquals(decide(["7.U.-p-", "7.U.mp-", ""]).working, 1);
    assertEquals(decide(["6.0.-p-", "7.0.mp-", ""]).working, 1);
  });

  it("prefers master, then full, subset, evading and evading subset copies", () => {
    const order = ["7.0.mse", "7.1.-p-", "7.2.-s-", "7.3.-pe", "7.4.-se"];
    for (let count = order.length; count > 1; count--) {
      const versions = order.slice(order.length - count).reverse();
      assertEquals(decide(versions).working, count - 1, versions.join(" "));
    }
  });

  it("moves a partition from its working master to the final master and on to its prole", () => {
    const decided = decide(["", "", "7.0.mp-"]);
    assertEquals(decided.nodes, [
      `k.0.-se 1 >1:${CONTINGENT}`,
      "k.0.-se 1",
      `k.0.mp- 0 >0:${ACTING}`,
    ]);
    assertEquals([decided.immigrators, decided.witnesses, decided.duplicates], [[0, 1], [1, 2], []]);
  });

  it("fills a prole at once when the final master has everything", () => {
    const decided = decide(["7.0.mp-", "7.0.-s-", ""]);
    assertEquals(decided.nodes, ["k.0.mp- 0 >1:0", "k.0.-s- 1", "none 0"]);
  });

  it("merges copies of both sides of a split at the final master, then sends them to all replicas", () => {
    const decided = decide(["7.0.mp-", "8.0.mp-", "8.0.-p-"]);
    assertEquals(decided.nodes, [
      `k.0.mp- 1 >1:${CONTINGENT | LEAD}`,
      `k.1.-p- 1 >0:${LEAD}`,
      "k.1.-s- 0",
    ]);
    assertEquals([decided.duplicates, decided.immigrators, decided.hasCutoff], [[1], [0, 1], true]);
  });

  it("keeps a copy unique when stock members might number its family otherwise", () => {
    const decided = decide(["7.0.mp-", "8.0.mp-", "8.0.-p-"], { allOurs: false });
    assertEquals(decided.nodes.slice(1), [
      `k.U.-p- 1 >0:${LEAD}`,
      "8.0.-p- 0",
    ]);
  });

  it("does not let a complete copy become the subset of an incomplete final master", () => {
    // The final master's copy is an old part of place 1's. Were place 1 to count as its subset, nobody would merge it.
    const decided = decide(["7.0.-s-", "7.0.-p-", "8.0.mp-"]);
    assertEquals(decided.working, 2);
    assertEquals(decided.nodes, [
      `k.0.-pe 2 >1:${CONTINGENT | LEAD}`,
      `k.2.-p- 1 >0:${LEAD}`,
      `k.1.mp- 0 >0:${ACTING}`,
    ]);
    // Should place 2 die before it has sent everything, place 1 serves: what it has is complete.
    assertEquals(decide(["a.0.-pe", "a.2.-p-", ""]).working, 1);
  });

  it("counts a subset as duplicate only without a full copy of its family", () => {
    assertEquals(decide(["7.0.mp-", "7.0.-s-", "8.0.-s-"]).duplicates, [2]);
    assertEquals(decide(["7.0.ms-", "7.0.-s-", "7.0.-s-"]).duplicates, [1, 2]);
  });

  it("computes the same from members in any order", () => {
    const members = membersWith(["7.0.mp-", "8.0.mp-", "8.0.-p-", "9.0.-s-"]);
    const self = members[1].node;
    const expected = balance(members, { self });
    assertEquals(balance(members.toReversed(), { self }), expected);
    assertEquals(balance([members[2], members[0], members[3], members[1]], { self }), expected);
  });

  it("makes a quiesced node a subset that others replace, when it has data", () => {
    const members = [1, 2, 3].map((number) => testMember(number));
    const [first] = members;
    const fresh = balance(members, { self: first.node });
    const withData = members.map((member) => {
      const { versions } = balance(members, { self: member.node });
      return { ...member, versions, isQuiesced: member === first };
    });
    const quiesced = balance(withData, { self: first.node, clusterKey: KEY });
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      assert(quiesced.selfPlace[partition] === 2);
      assertEquals(quiesced.workingPlace[partition] === 2, false);
      if (fresh.selfPlace[partition] > 1) assert(!quiesced.versions.exists(partition));
      else assert(quiesced.versions.get(partition)!.isSubset);
    }
    assertEquals(quiesced.emigrations.length, 0);
  });
});

describe("PlaceSets", () => {
  it("holds places beyond 32", () => {
    const sets = new PlaceSets(100);
    for (const place of [0, 31, 32, 99]) sets.add(5, place);
    sets.remove(5, 31);
    assertEquals([0, 31, 32, 99].map((place) => sets.has(5, place)), [true, false, true, true]);
    assertEquals([sets.size(4), sets.size(5), sets.size(6)], [0, 3, 0]);
  });
});

describe("PartitionTable", () => {
  it("claims columns for proles that are still being filled, and gives them up one by one", () => {
    const members = membersWith(["7.0.mp-", "", ""]);
    const any = balance(members, { self: members[0].node });
    const tableOf = (place: number) => {
      const table = new PartitionTable();
      table.apply(balance(members, { self: nodeAt(any, PARTITION, place) }));
      return table;
    };
    const [master, prole, other] = [0, 1, 2].map(tableOf);
    const claims = (table: PartitionTable, column: number) =>
      (table.bitmap(column)[PARTITION >> 3] & (0x80 >> (PARTITION & 7))) !== 0;
    assertEquals([0, 1, 2].map((column) => claims(master, column)), [true, true, false]);
    assertEquals([claims(prole, 0), claims(prole, 1), claims(other, 1)], [false, false, false]);
    assertEquals([master, prole, other].map((table) => table.role(PARTITION)), [
      ROLE.MASTER,
      ROLE.PROLE,
      ROLE.NONE,
    ]);
    const [masterId, proleId] = [0, 1].map((place) => nodeAt(any, PARTITION, place));
    assertEquals(other.workingMaster(PARTITION), masterId);
    assertEquals(master.otherReplicas(PARTITION), [proleId]);
    assert(prole.expectsFrom(PARTITION, masterId) && !prole.expectsFrom(PARTITION, proleId));
    const admits = () => [master, prole, other].map((table) => table.admitQuery(PARTITION, false));
    assertEquals(admits(), [ResultCode.OK, ResultCode.UNAVAILABLE, ResultCode.UNAVAILABLE]);
    const before = [master.generation, prole.generation];
    prole.beginImmigration(PARTITION);
    master.endEmigration(PARTITION, proleId);
    prole.endImmigration(PARTITION, masterId);
    assertEquals([claims(master, 1), claims(prole, 1)], [false, true]);
    assertEquals([master.generation, prole.generation], [before[0] + 1, before[1] + 1]);
    assertEquals([prole.isComplete(PARTITION), prole.expectsFrom(PARTITION, masterId)], [true, false]);
    assertEquals(admits(), [ResultCode.OK, ResultCode.OK, ResultCode.UNAVAILABLE]);
  });

  it("answers no query for a partition of which others have records that the master lacks, but a relaxed one", () => {
    const members = membersWith(["7.0.mp-", "8.0.mp-"]);
    const table = new PartitionTable();
    const any = balance(members, { self: members[0].node });
    table.apply(balance(members, { self: nodeAt(any, PARTITION, any.workingPlace[PARTITION]) }));
    assertEquals(table.duplicates(PARTITION).length, 1);
    assertEquals([table.admit(PARTITION), table.admitQuery(PARTITION, true)], [ResultCode.OK, ResultCode.OK]);
    assertEquals(table.admitQuery(PARTITION, false), ResultCode.UNAVAILABLE);
  });

  it("serves nobody after block(), and no copy claims to be complete", () => {
    const member = testMember(1);
    const table = new PartitionTable();
    table.apply(balance([member], { self: member.node }));
    assertEquals([table.admit(5), table.generation, table.effectiveReplicationFactor], [ResultCode.OK, 0, 1]);
    table.block();
    assertEquals([table.admit(5), table.generation], [ResultCode.UNAVAILABLE, 1]);
    assertEquals(table.bitmap(0).some((byte) => byte !== 0), false);
    assertEquals([table.versions.get(5)!.isSubset, table.versions.get(5)!.isMaster], [true, false]);
  });

  it("is the same for a node that is alone in its cluster as after assignAll()", () => {
    const member = testMember(1);
    const [alone, applied] = [new PartitionTable(), new PartitionTable()];
    alone.assignAll();
    applied.apply(balance([member], { self: member.node }));
    for (const column of [0, 1]) assertEquals(applied.bitmap(column), alone.bitmap(column));
    assertEquals([applied.clusterSize, applied.generation], [alone.clusterSize, alone.generation]);
    assertEquals([applied.mayHaveOtherCopies(1), alone.mayHaveOtherCopies(1)], [false, false]);
  });

  it("mayHaveOtherCopies() stays true when a node is alone after it was in a cluster", () => {
    const members = [testMember(2), testMember(1)];
    const [{ node: self }] = members;
    const table = new PartitionTable();
    table.apply(balance([members[0]], { self }));
    assertEquals(table.mayHaveOtherCopies(1), false);
    table.apply(balance(members, { self }));
    table.apply(balance([members[0]], { self }));
    assertEquals([table.clusterSize, table.mayHaveOtherCopies(1)], [1, true], "the other one may be cut off");
    table.block();
    table.assignAll();
    assertEquals(table.mayHaveOtherCopies(1), true);
  });
});

/** Exchanges what some nodes tell, without losses. */
function exchangeOf(owns: ReadonlyMap<NodeId, ExchangeOwn>): ExchangeResult {
  const settings = { heartbeatIntervalMs: 150, quantumMs: 1810 };
  const succession = [...owns.keys()].sort().reverse();
  const nodes = new Map(succession.map((self) => [self, new Exchange({ self, settings })]));
  let result: ExchangeResult | undefined;
  const feed = (node: NodeId, event: Parameters<Exchange["step"]>[0]) => {
    for (const effect of nodes.get(node)!.step(event, 0)) {
      if (effect.kind === "commit") result = effect.result;
      if (effect.kind !== "send") continue;
      for (const to of effect.to) feed(to, { kind: "message", from: node, message: effect.message });
    }
  };
  for (const [node, own] of owns) feed(node, { kind: "cluster-changed", clusterKey: KEY, succession, own });
  return result!;
}

describe("balanceInput()", () => {
  const own = (
    number: number,
    changes: Partial<ExchangeOwn> = {},
  ): [NodeId, ExchangeOwn] => [testNode(number), {
    namespaces: [{
      name: "test",
      versions: [],
      replicationFactor: 2,
      rackId: 1 + number % 2,
      rebalanceFlags: REBALANCE_FLAG.UNIFORM,
    }],
    capabilities: CAPABILITY.PLACEMENT | CAPABILITY.HOST_SPREAD,
    incarnation: testNode(number),
    host: `host${number}`,
    ...changes,
  }];

  it("takes racks and uniform balance from what members exchanged", () => {
    const result = exchangeOf(new Map([own(1), own(2), own(3), own(4)]));
    const input = balanceInput(result, { namespace: "test", self: testNode(2) });
    assertEquals(input.features, { placement: true, hostSpread: true, sharedHosts: false });
    const { placement } = computeBalance(input);
    assertEquals([placement.isUniform, placement.isRackAware, placement.replicaCount], [true, true, 2]);
  });

  it("follows Community rules beside a stock member, over the nodes that have the namespace", () => {
    const stock = { capabilities: undefined, incarnation: undefined, host: undefined };
    const result = exchangeOf(new Map([own(1), own(2, stock), own(3, { namespaces: [] }), own(4)]));
    const input = balanceInput(result, { namespace: "test", self: testNode(1) });
    assertEquals([input.features, input.allOurs], [NO_PLACEMENT, false]);
    assertEquals(computeBalance(input).nodes, [testNode(4), testNode(2), testNode(1)]);
  });
});
