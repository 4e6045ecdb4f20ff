/**
 * A node in the place of b1 of the recorded stock cluster, from the moment before b3 joins for the first time: it has the
 * copies that b1 had, hears what b2 and b3 said, and must come to the same clusters, copies and migrations.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { defaultSettings } from "../../config/mod.ts";
import { VersionTable } from "../../partition/mod.ts";
import { createCompute } from "../../platform/mod.ts";
import { SIM_WALL_START_MS, type SimMachine, SimWorld } from "../../sim/mod.ts";
import type { PartitionVersionGroup } from "../../wire/mod.ts";
import { encodePartitionVersions } from "../../wire/mod.ts";
import { type AerieNode, createNode } from "../node.ts";
import {
  FABRIC_PORT,
  HEARTBEAT_PORT,
  recordedLives,
  RecordedPeer,
  RECORDING_WALL_MS,
  REPLACED_NODE,
} from "./stock_peers_testing.ts";

/** Time of the recording at which the node starts. */
const ORIGIN_MS = 12_000;
const END_MS = 42_500;

interface Round {
  key: string;
  nodes: string[];
  /** What b1 told of its copies. */
  has: PartitionVersionGroup[];
  /** Partitions that b1 sent, ascending. */
  moved: number[];
}

/** The rounds of `testdata/balance/stock.txt`, as far as b1 is concerned. */
function recordedRounds(): Round[] {
  const text = Deno.readTextFileSync(new URL("../../../testdata/balance/stock.txt", import.meta.url));
  const rounds: Round[] = [];
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.split(" ");
    const round = rounds.at(-1)!;
    if (word === "round") rounds.push({ key: rest[0]!, nodes: rest.slice(1), has: [], moved: [] });
    else if (word === "has" && rest[0] === REPLACED_NODE) {
      round.has.push({ version: parseVersion(rest[1]!), partitions: Uint16Array.from(setOf(rest[2]!)) });
    } else if (word === "moved" && rest[0] === REPLACED_NODE) round.moved.push(...setOf(rest[2]!));
  }
  for (const { moved } of rounds) moved.sort((left, right) => left - right);
  return rounds;
}

function setOf(hex: string): number[] {
  return [...hex].flatMap((digit, at) => {
    const bits = parseInt(digit, 16);
    return [0, 1, 2, 3].filter((bit) => (bits & (8 >> bit)) !== 0).map((bit) => at * 4 + bit);
  });
}

function parseVersion(text: string): PartitionVersionGroup["version"] {
  const [key, family, flags] = text.split(".");
  return {
    clusterKey: parseInt(key!, 16),
    family: family === "U" ? 15 : parseInt(family!, 16),
    isMaster: flags![0] === "m",
    isSubset: flags![1] === "s",
    isRevived: flags![2] === "r",
    isEvade: flags![2] === "e",
  };
}

async function startReplacement(
  machine: SimMachine,
  has: readonly PartitionVersionGroup[],
): Promise<AerieNode> {
  const { simulation } = machine.world;
  const endpoint = (port: number) => ({ addresses: ["127.0.0.1"], port });
  const node = await simulation.runUntilSettled(createNode({
    settings: defaultSettings({
      service: { nodeId: REPLACED_NODE, clusterName: "anchors" },
      network: {
        service: endpoint(31520),
        fabric: endpoint(FABRIC_PORT),
        heartbeat: {
          ...endpoint(HEARTBEAT_PORT),
          meshSeedAddressPorts: [`127.0.0.1 ${HEARTBEAT_PORT + 1000}`],
        },
      },
      namespaces: [{ name: "test", replicationFactor: 2 }],
    }),
    ports: machine.start("b1").ports,
    onFailure: (error) => simulation.fail(error),
  }));
  await simulation.runUntilSettled(node.start());
  const { versions } = node.namespaces[0]!.partitions;
  const kept = VersionTable.fromGroups(has);
  versions.low.set(kept.low);
  versions.high.set(kept.high);
  return node;
}

Deno.test("a node in the place of a recorded stock node forms its clusters and makes its migrations", async () => {
  const world = new SimWorld({
    seed: 1,
    settle: () => new Promise<void>((resolve) => setImmediate(resolve)),
    compute: createCompute(),
  });
  const { simulation } = world;
  const machine = world.addMachine("host", ["127.0.0.1"]);
  machine.wall.offsetMs = RECORDING_WALL_MS + ORIGIN_MS - SIM_WALL_START_MS;
  const rounds = recordedRounds().slice(1);
  const lives = recordedLives(ORIGIN_MS);
  const peers: RecordedPeer[] = [];
  const balances: { key: string; nodes: readonly string[]; sends: number[] }[] = [];
  let node: AerieNode | undefined;
  for (const life of lives) {
    await simulation.runFor(Math.max(0, life.fromMs - ORIGIN_MS - simulation.nowUs / 1000));
    if (node === undefined) {
      node = await startReplacement(machine, rounds[0]!.has);
      const { partitions } = node.namespaces[0]!;
      node.cluster.addListener({
        onBalanced: ({ clusterKey, succession }) => {
          const { emigrations } = partitions.balance!;
          balances.push({
            key: clusterKey.toString(16),
            nodes: succession,
            sends: [...emigrations.partitions.subarray(0, emigrations.length)],
          });
        },
      });
    }
    const peer = new RecordedPeer(machine, life, ORIGIN_MS);
    peers.push(peer);
    await peer.start(simulation);
  }
  await simulation.runFor(END_MS - ORIGIN_MS - simulation.nowUs / 1000);
  assertEquals(peers.flatMap(({ faults }) => faults), []);
  assertEquals(
    balances.map(({ key, nodes }) => ({ key, nodes })),
    rounds.map(({ key, nodes }) => ({ key, nodes })),
  );
  for (const [at, { has, moved, key }] of rounds.entries()) {
    assertEquals(balances[at]!.sends, moved, `emigrations of round ${key}`);
    const told = peers.flatMap(({ exchanged }) => exchanged)
      .filter(({ clusterKey }) => clusterKey.toString(16) === key);
    assert(told.length > 0);
    for (const { namespaces } of told) {
      assertEquals(
        encodePartitionVersions(namespaces[0]!.versions),
        encodePartitionVersions(VersionTable.fromGroups(has).toGroups()),
        `copies before round ${key}`,
      );
    }
    const started = new Set(
      peers.flatMap(({ started }) => started).filter((text) => text.startsWith(`${key} `)),
    );
    assertEquals(started.size, moved.length, `migrations begun in round ${key}`);
  }
});
