/**
 * What operators wish of where copies go, in a quarter of the runs: racks, an active rack, uniform balance, equal on all
 * nodes or not, sometimes beside a node of a release that knows nothing of it. Whatever they wish, all nodes compute the
 * same rows (`cluster_invariants.ts`); and what all of them wish and can do is so once the cluster is whole.
 *
 * @module
 */
import { PARTITION_COUNT } from "../base/mod.ts";
import { CAPABILITY, type ExchangeResult } from "../cluster/mod.ts";
import type { NamespaceSettings } from "../config/mod.ts";
import type { Balance } from "../partition/mod.ts";
import { type ExchangeNamespace, REBALANCE_FLAG } from "../wire/mod.ts";
import type { ClusterMember } from "./cluster_members.ts";
import type { PlacementWishes, PlannedFault } from "./cluster_types.ts";
import type { SeededRandom } from "./seeded_random.ts";
import { WORKLOAD_NAMESPACE } from "./workload.ts";

/** Share of the runs in which operators wish something. */
const WISHES_CHANCE = 0.25;
const RACK_COUNTS = [0, 2, 2, 2, 3, 3, 4];
/** Racks that a fault chooses among; the first of them is none. */
const FAULT_RACK_COUNT = 4;

/** What an earlier release can't do: all that bears on where copies go. */
export const EARLIER_WITHOUT: number = CAPABILITY.PLACEMENT | CAPABILITY.HOST_SPREAD;

/** Wishes for a run; undefined for none. */
export function makeWishes(random: SeededRandom, nodeCount: number): PlacementWishes | undefined {
  if (!random.chance(WISHES_CHANCE)) return undefined;
  const rackCount = random.pick(RACK_COUNTS);
  const isEven = random.chance(0.6);
  const rackIds = Array.from(
    { length: nodeCount },
    (_, at) => rackCount === 0 ? 0 : isEven ? 1 + at % rackCount : random.between(1, rackCount),
  );
  const uniformChance = random.pick([0, 0.8, 1, 1, 1]);
  const prefersUniform = rackIds.map(() => random.chance(uniformChance));
  const active = random.chance(0.4) ? random.between(1, Math.max(1, rackCount)) : 0;
  const isAgreed = random.chance(0.8);
  const activeRacks = rackIds.map(() => isAgreed || random.chance(0.7) ? active : 0);
  const earlierNode = random.chance(0.35) ? random.below(nodeCount) : -1;
  return { rackIds, prefersUniform, activeRacks, earlierNode, isUpgraded: random.chance(0.5) };
}

/** Settings of a node that it wishes with. */
export function placementSettings(
  { rackIds, prefersUniform, activeRacks }: PlacementWishes,
  index: number,
): Pick<NamespaceSettings, "rackId" | "preferUniformBalance" | "activeRack"> {
  return {
    rackId: rackIds[index],
    preferUniformBalance: prefersUniform[index],
    activeRack: activeRacks[index],
  };
}

function settingsOf({ node }: ClusterMember): NamespaceSettings {
  return node!.namespaces[0].settings;
}

/** An operator changes what a node wishes, or all of them; it holds until the node starts again. */
export function changeWishes(
  { amount, other }: PlannedFault,
  member: ClusterMember,
  up: readonly ClusterMember[],
): void {
  const own = settingsOf(member);
  switch (amount % 5) {
    case 0:
    case 1:
      own.rackId = (own.rackId + 1 + other % (FAULT_RACK_COUNT - 1)) % FAULT_RACK_COUNT;
      return;
    case 2:
      own.preferUniformBalance = !own.preferUniformBalance;
      return;
    case 3:
      for (const one of up) settingsOf(one).preferUniformBalance = other % 3 !== 0;
      return;
    default:
      for (const one of up) settingsOf(one).activeRack = other % FAULT_RACK_COUNT;
  }
}

/** Whether the present balance was made before a node's wishes were as they are now. */
export function isMisplaced(member: ClusterMember): boolean {
  const { committed, self } = member.node!.cluster;
  const told = committed?.members.find(({ node }) => node === self)?.namespaces.get(WORKLOAD_NAMESPACE);
  if (told === undefined) return false;
  const { rackId, activeRack, preferUniformBalance } = settingsOf(member);
  return rackId !== (told.rackId ?? 0) || activeRack !== (told.activeRack ?? 0) ||
    preferUniformBalance !== isUniform(told);
}

function isUniform({ rebalanceFlags = 0 }: ExchangeNamespace): boolean {
  return (rebalanceFlags & REBALANCE_FLAG.UNIFORM) !== 0;
}

/**
 * A whole and quiet cluster, none of whose nodes is quiesced: copies are where nodes wish them, as they have told each
 * other, or nobody's wish counts when not all nodes can do it.
 *
 * @throws {Error} that says what is not as it should be
 */
export function checkPlacement(members: readonly ClusterMember[]): void {
  const [{ partitions: { balance }, node }] = members;
  const { committed } = node!.cluster;
  if (balance === undefined || committed === undefined) return;
  const { isRackAware, isUniform, activeRack } = balance.placement;
  if ((committed.capabilities & CAPABILITY.PLACEMENT) !== 0) return checkWishes(balance, committed);
  if (isRackAware || isUniform || activeRack !== 0) {
    throw new Error("Copies are placed by racks or evenly, though a node of the cluster can't do that");
  }
}

function checkWishes({ nodes, placement }: Balance, { members }: ExchangeResult): void {
  const told = nodes.map((id) =>
    members.find(({ node }) => node === id)!.namespaces.get(WORKLOAD_NAMESPACE)!
  );
  const racks = told.map(({ rackId }) => rackId ?? 0);
  const rackCount = new Set(racks).size;
  const { replicaCount, rows: { order } } = placement;
  const wished = told[0].activeRack ?? 0;
  const hasActive = wished !== 0 && racks.includes(wished) && rackCount <= replicaCount &&
    told.every(({ activeRack = 0 }) => activeRack === wished);
  const copies = nodes.map(() => 0);
  const masters = nodes.map(() => 0);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const base = partition * nodes.length;
    const holders = order.subarray(base, base + replicaCount);
    const inRacks = new Set(Array.from(holders, (holder) => racks[holder])).size;
    expect(
      inRacks === Math.min(rackCount, replicaCount),
      `the ${replicaCount} copies of partition ${partition} are in ${inRacks} of ${rackCount} racks`,
    );
    expect(
      !hasActive || racks[holders[0]] === wished,
      `the master of partition ${partition} is not in rack ${wished}, which all nodes wish`,
    );
    masters[holders[0]]++;
    for (const holder of holders) copies[holder]++;
  }
  const sizes = new Set(racks.map((rack) => racks.filter((other) => other === rack).length));
  // Small racks hold more, and masters are even in the active rack alone.
  if (sizes.size > 1 || hasActive || !told.every(isUniform)) return;
  expect(isEven(copies), `all nodes wish an even balance and have ${copies.join(", ")} copies`);
  expect(isEven(masters), `all nodes wish an even balance and are masters of ${masters.join(", ")}`);
}

function isEven(loads: readonly number[]): boolean {
  return Math.max(...loads) - Math.min(...loads) <= 1;
}

function expect(condition: boolean, found: string): void {
  if (!condition) throw new Error(`Copies are not where they should be: ${found}`);
}
