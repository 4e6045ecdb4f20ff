/**
 * Stories of the heartbeat as text: `testdata/cluster/heartbeat/*.txt` hold commands and, below `----`, all that the
 * nodes do but their pulses. `GOLDEN=write deno test -A src/cluster` writes them anew; a change is reviewed like code.
 * Host 1 has address 10.0.0.1, and the id of its node is 1, and so on.
 *
 * | command | meaning |
 * | ------- | ------- |
 * | `node 1 seeds 1 2` | starts a node; its seeds are addresses of hosts, or names |
 * | `node 1 … id=2 cluster=x multicast interval=300 timeout=3 publish=192.0.2.1 skew=5000 fabric=3101 stock` | and otherwise |
 * | `run 2000` | virtual ms, with transcript |
 * | `skip 2000` | virtual ms, without |
 * | `show` | whom the nodes hear, their connections and seeds |
 * | `kill 3`, `crash 3` | ends a process; takes a whole host away |
 * | `freeze 3 5000` | a process does nothing for some ms |
 * | `cut 1>2`, `cut 1-2`, `heal` | network |
 * | `name all 1 2 3` | what the name service answers |
 * | `alias 192.0.2.1 3` | another address that leads to a host |
 * | `tip 1 2`, `tip-clear 1 2` | gives node 1 host 2 as a seed, takes it away |
 * | `set 1 interval=300`, `reset 1` | changes settings |
 * | `fabric 1 3201` | node 1 has a new fabric port |
 * | `cluster 7 1 2 3` | nodes say that they are the cluster with key 7 |
 * | `forget 1 3` | tells node 1 that the process of node 3 has ended |
 * | `logs on` | log lines are part of the transcript |
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  HeartbeatLab,
  LAB_PORT,
  labAddress,
  labId,
  labSeed,
  type LabStart,
  listText,
} from "./heartbeat_testing.ts";
import type { HeartbeatSettings } from "./heartbeat_timing.ts";
import { nodeIdForLog } from "./node_id.ts";
import type { SeedAddress } from "./seeds.ts";
import { seedText } from "./seeds.ts";

const FOLDER = new URL("../../testdata/cluster/heartbeat/", import.meta.url);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function seedOf(word: string): SeedAddress {
  return /^\d+$/.test(word) ? labSeed(Number(word)) : { host: word, port: LAB_PORT, tls: false };
}

function settingsOf(words: readonly string[]): Partial<HeartbeatSettings> {
  const settings: Partial<Mutable<HeartbeatSettings>> = {};
  for (const word of words) {
    const [key, value] = word.split("=");
    if (key === "cluster") settings.clusterName = value!;
    if (key === "interval") settings.intervalMs = Number(value);
    if (key === "timeout") settings.timeoutIntervalCount = Number(value);
    if (key === "mtu") settings.mtuBytes = Number(value);
    if (key === "protocol") settings.protocol = value as "v3" | "none";
    if (key === "multicast") settings.mode = "multicast";
  }
  return settings;
}

function startOf(words: readonly string[]): LabStart {
  const at = words.indexOf("seeds");
  const plain = words.filter((word, index) =>
    at >= 0 && index > at && !word.includes("=") && !["multicast", "stock"].includes(word)
  );
  const start: Mutable<LabStart> = { seeds: plain.map(seedOf), settings: settingsOf(words) };
  for (const word of words) {
    const [key, value] = word.split("=");
    if (key === "id") start.id = Number(value);
    if (key === "publish") start.publish = value!;
    if (key === "skew") start.skewMs = Number(value);
    if (key === "fabric") start.fabricPort = Number(value);
    if (key === "stock") start.stock = true;
  }
  return start;
}

function show(lab: HeartbeatLab): string[] {
  return lab.running.map(({ n, id, heartbeat }) => {
    const links = lab.connections(n).map(({ to, direction }) => `${direction} ${to}`).join(", ");
    const seeds = heartbeat.seeds.map(({ address, targets }) => {
      const states = targets.map(({ state, node }) =>
        node === undefined ? state : `${state} ${nodeIdForLog(node)}`
      );
      return `; seed ${seedText(address)} ${states.length === 0 ? "unresolved" : states.join(", ")}`;
    });
    const name = nodeIdForLog(id) === String(n) ? `${n}` : `${n} (id ${nodeIdForLog(id)})`;
    const twice = heartbeat.duplicates.length === 0 ? "" : `; used twice: ${listText(heartbeat.duplicates)}`;
    const flags = `${twice}${heartbeat.isFenced ? "; fenced" : ""}`;
    return `${name}: hears ${listText(heartbeat.adjacent)}; connections ${links || "none"}${
      seeds.join("")
    }${flags}`;
  });
}

/** Runs one command; returns what the nodes did. */
function runCommand(lab: HeartbeatLab, command: string): string[] {
  const lines: string[] = [];
  lab.trace = (n, text) => void lines.push(`${String(lab.nowMs).padStart(6)}  ${n}  ${text}`);
  const [name, ...words] = command.split(" ") as [string, ...string[]];
  const numbers = words.map(Number);
  switch (name) {
    case "node":
      lab.start(numbers[0]!, startOf(words.slice(1)));
      break;
    case "run":
    case "skip":
      lab.run(numbers[0]!);
      if (name === "skip") lines.length = 0;
      break;
    case "show":
      return show(lab);
    case "kill":
    case "crash":
      lab.stop(numbers[0]!, name);
      break;
    case "freeze":
      lab.freeze(numbers[0]!, numbers[1]!);
      break;
    case "cut": {
      const [from, to] = words[0]!.split(/[>-]/).map(Number) as [number, number];
      lab.cut(from, to);
      if (words[0]!.includes("-")) lab.cut(to, from);
      break;
    }
    case "heal":
      lab.heal();
      break;
    case "name":
      lab.names.set(words[0]!, numbers.slice(1));
      break;
    case "alias":
      lab.aliases.set(words[0]!, numbers[1]!);
      break;
    case "logs":
      lab.tracesLogs = words[0] === "on";
      break;
    case "cluster":
      lab.cluster(numbers[0]!, numbers.slice(1));
      break;
    default:
      stepCommand(lab, name, words);
  }
  return lines;
}

/** Commands that are one event of one node. */
function stepCommand(lab: HeartbeatLab, name: string, words: readonly string[]): void {
  const host = lab.host(Number(words[0]));
  switch (name) {
    case "tip":
      return lab.step(host, { kind: "tip", seed: seedOf(words[1]!) });
    case "tip-clear":
      return lab.step(host, { kind: "tip-clear", seeds: words.slice(1).map(seedOf) });
    case "set":
      host.settings = { ...host.settings, ...settingsOf(words) };
      return lab.step(host, { kind: "settings", settings: host.settings });
    case "reset":
      return lab.step(host, { kind: "reset" });
    case "fabric": {
      const endpoint = { address: labAddress(host.n), port: Number(words[1]), capabilities: 0 };
      return lab.step(host, { kind: "fabric-endpoints", endpoints: [endpoint] });
    }
    case "forget":
      return lab.step(host, { kind: "forget", node: labId(Number(words[1])) });
    default:
      throw new TypeError(`Unknown command "${name}"`);
  }
}

/** Runs a story; returns it with what really happened. */
function retell(text: string): string {
  const lab = new HeartbeatLab(1);
  const told: string[] = [];
  for (const block of text.trimEnd().split(/\n\n+/)) {
    const lines = block.split("\n");
    const end = lines.indexOf("----");
    const commands = (end < 0 ? lines : lines.slice(0, end)).filter((line) => line !== "");
    const done: string[] = [];
    for (const command of commands) if (!command.startsWith("#")) done.push(...runCommand(lab, command));
    const isProse = commands.every((line) => line.startsWith("#"));
    told.push([...commands, ...(isProse ? [] : ["----", ...done])].join("\n"));
  }
  return told.join("\n\n") + "\n";
}

for (const entry of [...Deno.readDirSync(FOLDER)].filter(({ name }) => name.endsWith(".txt"))) {
  Deno.test(`Heartbeat tells the story ${entry.name}`, async () => {
    const path = new URL(entry.name, FOLDER);
    const text = await Deno.readTextFile(path);
    const told = retell(text);
    if (Deno.env.get("GOLDEN") === "write") await Deno.writeTextFile(path, told);
    else assertEquals(told, text);
  });
}
