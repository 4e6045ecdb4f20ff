/**
 * The balance of a recorded cluster of three stock nodes, through its changes of membership. What the nodes exchanged
 * and which partitions they then moved is in `testdata/balance/stock.txt`:
 *
 * - `round KEY NODE...`: a cluster was formed; the nodes, largest id first
 * - `has NODE VERSION SET`: partitions of which the node told this version
 * - `moved FROM TO SET`: partitions whose migration was begun and accepted
 * - `told FROM TO SET`: partitions whose migrations FROM declared ended to TO
 *
 * A SET is 4,096 bits in hexadecimal digits, the first digit holds partitions 0 to 3.
 * Rewrite it from the recording with: GOLDEN=write deno test -A src/partition/balance_recording_test.ts
 */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { PARTITION_COUNT } from "../base/mod.ts";
import {
  decodePeerBytes,
  encodePartitionVersions,
  isPeerFault,
  type NodeId,
  partitionVersionText,
} from "../wire/mod.ts";
import { type Balance, computeBalance, nodeAt } from "./balance.ts";
import { NO_PLACEMENT } from "./racks.ts";
import { RowHashes } from "./row.ts";
import { VersionTable } from "./version.ts";

const GOLDEN = new URL("../../testdata/balance/stock.txt", import.meta.url);
const RECORDING = new URL("../../testdata/captures/stock-cluster.jsonl.gz", import.meta.url);
const HEARTBEAT_TYPE = 5;

type PartitionSet = Set<number>;

/** Sets by two words, for example sender and receiver. */
type SetsByPair = Map<string, PartitionSet>;

interface Round {
  readonly key: number;
  readonly nodes: NodeId[];
  readonly versions: Map<NodeId, VersionTable>;
  readonly moved: SetsByPair;
  readonly told: SetsByPair;
}

function addTo(sets: SetsByPair, pair: string, partition: number): void {
  const set = sets.get(pair);
  if (set === undefined) sets.set(pair, new Set([partition]));
  else set.add(partition);
}

function setToHex(partitions: Iterable<number>): string {
  const digits = new Uint8Array(PARTITION_COUNT / 4);
  for (const partition of partitions) digits[partition >> 2] |= 8 >> (partition & 3);
  return Array.from(digits, (digit) => digit.toString(16)).join("");
}

function hexToSet(hex: string): PartitionSet {
  const set: PartitionSet = new Set();
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    if ((parseInt(hex[partition >> 2], 16) & (8 >> (partition & 3))) !== 0) set.add(partition);
  }
  return set;
}

async function readLines(url: URL): Promise<string[]> {
  const file = await Deno.open(url);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  return text.split("\n").filter((line) => line !== "");
}

const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));

/** Rounds of the recording, with the emigrations that were accepted. */
async function extractRounds(): Promise<Round[]> {
  const rounds = new Map<number, Round>();
  const dialers = new Map<number, NodeId>();
  const offered = new Map<string, { clusterKey: number; partition: number }>();
  for (const line of await readLines(RECORDING)) {
    const record = JSON.parse(line);
    if (record.type === HEARTBEAT_TYPE) continue;
    const message = decodePeerBytes(fromHex(record.hex), () => undefined);
    assert(!isPeerFault(message));
    if (message.type === "handshake") dialers.set(record.conn, message.source);
    const listener = (record.to ?? record.from).replace("n", "b").padStart(16, "0");
    const dialer = dialers.get(record.conn)!;
    const [from, to] = record.dir === "to-listener" ? [dialer, listener] : [listener, dialer];
    if (message.type === "exchange" && message.kind === "data") {
      const key = message.clusterKey;
      if (!rounds.has(key)) {
        rounds.set(key, { key, nodes: [], versions: new Map(), moved: new Map(), told: new Map() });
      }
      rounds.get(key)!.versions.set(from, VersionTable.fromGroups(message.namespaces[0].versions));
    } else if (message.type === "migrate") {
      if (message.kind === "start") {
        offered.set(`${from} ${message.emigrationId}`, message);
      } else if (message.kind === "start-ok") {
        const { clusterKey, partition } = offered.get(`${to} ${message.emigrationId}`)!;
        addTo(rounds.get(clusterKey)!.moved, `${to} ${from}`, partition);
      } else if (message.kind === "all-done") {
        addTo(rounds.get(message.clusterKey)!.told, `${from} ${to}`, message.partition);
      }
    }
  }
  for (const round of rounds.values()) round.nodes.push(...[...round.versions.keys()].sort().reverse());
  return [...rounds.values()];
}

function roundToText(round: Round): string {
  const lines = [`round ${round.key.toString(16)} ${round.nodes.join(" ")}`];
  for (const node of round.nodes) {
    for (const { version, partitions } of round.versions.get(node)!.toGroups()) {
      lines.push(`has ${node} ${partitionVersionText(version)} ${setToHex(partitions)}`);
    }
  }
  for (const [pair, set] of [...round.moved].sort()) lines.push(`moved ${pair} ${setToHex(set)}`);
  for (const [pair, set] of [...round.told].sort()) lines.push(`told ${pair} ${setToHex(set)}`);
  return lines.join("\n") + "\n";
}

function parseVersion(text: string) {
  const [key, family, flags] = text.split(".");
  return {
    clusterKey: parseInt(key, 16),
    family: family === "U" ? 15 : parseInt(family, 16),
    isRevived: flags[2] === "r",
    isMaster: flags[0] === "m",
    isSubset: flags[1] === "s",
    isEvade: flags[2] === "e",
  };
}

function parseRounds(text: string): Round[] {
  const rounds: Round[] = [];
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.split(" ");
    const round = rounds.at(-1)!;
    if (word === "round") {
      const [key, ...nodes] = rest;
      const versions = new Map(nodes.map((node) => [node, new VersionTable()]));
      rounds.push({ key: parseInt(key, 16), nodes, versions, moved: new Map(), told: new Map() });
    } else if (word === "has") {
      const version = parseVersion(rest[1]);
      for (const partition of hexToSet(rest[2])) round.versions.get(rest[0])!.set(partition, version);
    } else if (word === "moved") round.moved.set(`${rest[0]} ${rest[1]}`, hexToSet(rest[2]));
    else if (word === "told") round.told.set(`${rest[0]} ${rest[1]}`, hexToSet(rest[2]));
  }
  return rounds;
}

async function readRounds(): Promise<Round[]> {
  if (Deno.env.get("GOLDEN") === "write") {
    await Deno.writeTextFile(GOLDEN, (await extractRounds()).map(roundToText).join(""));
  }
  return parseRounds(await Deno.readTextFile(GOLDEN));
}

const rounds = await readRounds();
const hashes = new RowHashes();

function balanceOf(round: Round, self: NodeId): Balance {
  const members = round.nodes.map((node) => ({
    node,
    versions: round.versions.get(node)!,
    rackId: 0,
    host: node,
    isQuiesced: false,
    prefersUniform: false,
    activeRack: 0,
  }));
  const { key: clusterKey, nodes: succession } = round;
  return computeBalance({
    succession,
    self,
    clusterKey,
    members,
    replicationFactor: 2,
    features: NO_PLACEMENT,
    allOurs: false,
    hashes,
  });
}

/** Versions of a node when all migrations of a balance have ended. */
function finalVersions(balance: Balance): VersionTable {
  const versions = new VersionTable();
  const { clusterKey, placement, selfPlace } = balance;
  const flags = { isRevived: false, isSubset: false, isEvade: false };
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const place = selfPlace[partition];
    if (place >= placement.replicaCount) continue;
    versions.set(partition, { clusterKey, family: 0, isMaster: place === 0, ...flags });
  }
  return versions;
}

describe("computeBalance() on the recorded stock cluster", () => {
  it("finds five changes of the cluster", () => {
    assertEquals(rounds.map(({ nodes }) => nodes.map((node) => node.slice(-2)).join(" ")), [
      "b2 b1",
      "b3 b2 b1",
      "b2 b1",
      "b3 b2 b1",
      "b3 b1",
    ]);
  });

  for (const [at, round] of rounds.entries()) {
    const name = `round ${at + 1}`;

    it(`sends what the stock nodes sent in ${name}`, () => {
      const moved: SetsByPair = new Map();
      for (const self of round.nodes) {
        const { emigrations, nodes } = balanceOf(round, self);
        for (let index = 0; index < emigrations.length; index++) {
          addTo(moved, `${self} ${nodes[emigrations.receivers[index]]}`, emigrations.partitions[index]);
        }
      }
      assertEquals([...moved.keys()].sort(), [...round.moved.keys()].sort());
      for (const [pair, set] of moved) assertEquals(setToHex(set), setToHex(round.moved.get(pair)!), pair);
    });

    it(`expects as many transfers as are sent in ${name}`, () => {
      const balances = round.nodes.map((self) => balanceOf(round, self));
      const sent = balances.reduce((sum, { emigrations }) => sum + emigrations.length, 0);
      assertEquals(balances.reduce((sum, { immigrationCount }) => sum + immigrationCount, 0), sent);
    });

    it(`tells the end to whom the stock nodes told it in ${name}`, () => {
      const told: SetsByPair = new Map();
      for (const self of round.nodes) {
        const balance = balanceOf(round, self);
        let count = 0;
        for (let partition = 0; partition < PARTITION_COUNT; partition++) {
          if (balance.selfPlace[partition] !== 0) continue;
          for (let place = 1; place < balance.nodes.length; place++) {
            if (!balance.witnesses.has(partition, place)) continue;
            addTo(told, `${self} ${nodeAt(balance, partition, place)}`, partition);
            count++;
          }
        }
        assertEquals(count, balance.signalCount);
      }
      assertEquals([...told.keys()].sort(), [...round.told.keys()].sort());
      for (const [pair, set] of told) assertEquals(setToHex(set), setToHex(round.told.get(pair)!), pair);
    });

    const next = rounds[at + 1];
    if (next === undefined) continue;
    it(`ends with the versions that the stock nodes had after ${name}`, () => {
      const stayed = round.nodes.filter((node) => next.versions.get(node)?.toGroups().length);
      assert(stayed.length > 0);
      for (const node of stayed) {
        assertEquals(
          encodePartitionVersions(finalVersions(balanceOf(round, node)).toGroups()),
          encodePartitionVersions(next.versions.get(node)!.toGroups()),
          node,
        );
      }
    });
  }

  it("gives a node that is alone all partitions at once, as the stock node had them", () => {
    const [first] = rounds;
    const self = first.nodes[1];
    const key = first.versions.get(self)!.get(0)!.clusterKey;
    const alone: Round = {
      ...first,
      key,
      nodes: [self],
      versions: new Map([[self, new VersionTable()]]),
    };
    const balance = balanceOf(alone, self);
    assertEquals(balance.freshCount, PARTITION_COUNT);
    assertEquals(balance.emigrations.length + balance.immigrationCount + balance.signalCount, 0);
    assertEquals(balance.placement.replicaCount, 1);
    assertEquals(balance.versions, first.versions.get(self));
  });
});
