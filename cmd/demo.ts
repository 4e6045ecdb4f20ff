/**
 * `aerie demo`: a cluster on loopback with a workload, to watch it while nodes die, freeze and come.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import { decodeBase64 } from "../src/base/mod.ts";
import { type AerieClient, connect } from "../src/client/mod.ts";
import { type DemoAnswer, demoLine, type DemoNode, demoScreen, type DemoView } from "./demo_screen.ts";
import { LocalCluster, type LocalNode } from "./local_cluster.ts";
import { print, printError } from "./terminal.ts";
import { Workload } from "./workload.ts";

/** A digit chooses a node. */
const NODE_COUNT_MAX = 9;

const HELP = `aerie demo: a cluster on this machine's loopback, under load, to be disturbed

  aerie demo [--nodes 3] [--seconds N]

Keys: 1-9 choose a node, k kill it, f freeze it, h heal it (start it again, or let it go on), a add a node, q quit.
Every record has two copies. All processes and files are gone at the end.

Flags
  --nodes N      how many nodes at first, 1 to ${NODE_COUNT_MAX}; default 3
  --seconds N    end after this time; without a terminal a line each second instead of a screen

Exit codes: 0 fine, 1 the cluster could not be started or acknowledged writes were lost, 2 wrong usage`;

const LOOK_INTERVAL_MS = 500;
const FORM_LIMIT_MS = 20_000;
const LINE_INTERVAL_MS = 1000;
const SAMPLE_COUNT = 2000;
/** So many requests at a time fill the sample data. */
const SAMPLE_BATCH_COUNT = 100;
const EVENT_COUNT_MAX = 50;
const CTRL_C = "\x03";

interface DemoOptions {
  nodeCount: number;
  seconds: number;
}

/** Runs the verb; resolves to the exit code. */
export async function runDemo(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    print(HELP);
    return 0;
  }
  const options = parseOptions(args);
  if (typeof options === "string") {
    printError(`aerie demo: ${options}\n\n${HELP}`);
    return 2;
  }
  print(`starting ${options.nodeCount} nodes ...`);
  // Until the nodes run, a signal ends the program; the folder is removed even then.
  const early = (["SIGINT", "SIGTERM"] as const).map((name) => {
    const end = () => process.exit(1);
    process.on(name, end);
    return () => void process.off(name, end);
  });
  let cluster: LocalCluster | undefined;
  try {
    cluster = await LocalCluster.start(options.nodeCount);
    const tookMs = await cluster.untilOne(FORM_LIMIT_MS);
    print(`one cluster ${Math.round(tookMs)} ms after the nodes were ready`);
  } catch (error) {
    await cluster?.close();
    printError(`aerie demo: ${(error as Error).message}`);
    return 1;
  } finally {
    for (const stop of early) stop();
  }
  try {
    return await new Demo(cluster, options).run();
  } finally {
    await cluster.close();
  }
}

function parseOptions(args: readonly string[]): DemoOptions | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: ["nodes", "seconds"],
    unknown: (word) => void unknown.push(word),
  });
  if (unknown.length > 0) return `unknown argument "${unknown[0]}"`;
  const nodeCount = Number(parsed["nodes"] ?? 3);
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > NODE_COUNT_MAX) {
    return `--nodes takes a number from 1 to ${NODE_COUNT_MAX}, not "${parsed["nodes"]}"`;
  }
  const seconds = parsed["seconds"] === undefined ? Infinity : Number(parsed["seconds"]);
  if (!(seconds > 0)) return `--seconds takes a number above 0, not "${parsed["seconds"]}"`;
  return { nodeCount, seconds };
}

/** The cluster, its workload and what is shown of both. */
class Demo {
  readonly #cluster: LocalCluster;
  readonly #options: DemoOptions;
  readonly #isScreen = process.stdout.isTTY === true;
  readonly #events: string[] = [];
  readonly #startMs: number;
  #client!: AerieClient;
  #workload!: Workload;
  #chosen = 1;
  #doneBefore: { atMs: number; count: number };
  #perSecond = 0;
  #end: () => void = () => {};

  constructor(cluster: LocalCluster, options: DemoOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#startMs = cluster.ports.clock.monotonicMs();
    this.#doneBefore = { atMs: this.#startMs, count: 0 };
  }

  async run(): Promise<number> {
    const { ports, hosts } = this.#cluster;
    const ended = new Promise<void>((resolve) => this.#end = resolve);
    const signals = (["SIGINT", "SIGTERM"] as const).map((name) => ports.host.onSignal(name, this.#end));
    const stopInput = this.#readKeys();
    this.#client = await connect({ hosts, ports, tendIntervalMs: 250, connectTimeoutMs: 500 });
    this.#workload = new Workload({ client: this.#client, clock: ports.clock });
    try {
      await this.#fill();
      this.#workload.start();
      await Promise.race([ended, this.#show()]);
    } finally {
      stopInput();
      for (const stop of signals) stop();
    }
    await this.#workload.stop();
    this.#client.close();
    const { reads, writes, errorCount, lostCount } = this.#workload.counts;
    print(
      `${reads} reads and ${writes} writes succeeded, ${errorCount} requests failed, ` +
        `${lostCount} acknowledged writes were lost`,
    );
    return lostCount === 0 ? 0 : 1;
  }

  /** Sample data, so that there is something to move. */
  async #fill(): Promise<void> {
    for (let at = 0; at < SAMPLE_COUNT; at += SAMPLE_BATCH_COUNT) {
      const keys = Array.from({ length: SAMPLE_BATCH_COUNT }, (_, offset) => at + offset);
      await Promise.allSettled(
        keys.map((number) =>
          this.#client.put({ namespace: "test", set: "birds", key: number }, {
            name: `bird ${number}`,
            wings: 2,
          })
        ),
      );
    }
    this.#note(`${SAMPLE_COUNT} birds are in the cluster`);
  }

  /** Shows until the time is over. */
  async #show(): Promise<void> {
    const { clock } = this.#cluster.ports;
    const untilMs = this.#startMs + this.#options.seconds * 1000;
    const intervalMs = this.#isScreen ? LOOK_INTERVAL_MS : LINE_INTERVAL_MS;
    while (clock.monotonicMs() < untilMs) {
      const view = await this.#look();
      if (this.#isScreen) print(`\x1b[H\x1b[2J${demoScreen(view)}`);
      else print(demoLine(view));
      const pauseMs = Math.min(intervalMs, Math.max(0, untilMs - clock.monotonicMs()));
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    }
  }

  async #look(): Promise<DemoView> {
    const nodes = await Promise.all(this.#cluster.nodes.map(async (node): Promise<DemoNode> => ({
      number: node.index + 1,
      id: node.id,
      state: node.state,
      says: node.state === "up" ? await this.#ask(node) : undefined,
    })));
    const { counts } = this.#workload;
    const nowMs = this.#cluster.ports.clock.monotonicMs();
    const done = { atMs: nowMs, count: counts.reads + counts.writes };
    const elapsedS = Math.max(0.001, (nowMs - this.#doneBefore.atMs) / 1000);
    this.#perSecond = Math.round((done.count - this.#doneBefore.count) / elapsedS);
    this.#doneBefore = done;
    const { length } = this.#events;
    if (length > EVENT_COUNT_MAX) this.#events.splice(0, length - EVENT_COUNT_MAX);
    return { nodes, chosen: this.#chosen, counts, perSecond: this.#perSecond, nowMs, events: this.#events };
  }

  async #ask(node: LocalNode): Promise<DemoAnswer | undefined> {
    const says = await node.membership();
    if (says === undefined) return undefined;
    try {
      const [replicas] = await node.ask(["replicas"]);
      const [masters, copies] = countPartitions(replicas);
      return { ...says, masters, copies };
    } catch {
      return undefined;
    }
  }

  /** Keys of a terminal, or bytes of a pipe. */
  #readKeys(): () => void {
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode(true);
    const onData = (bytes: Uint8Array) => {
      for (const key of new TextDecoder().decode(bytes)) void this.#onKey(key);
    };
    stdin.on("data", onData);
    stdin.on("error", () => {});
    stdin.resume();
    return () => {
      stdin.off("data", onData);
      stdin.pause();
      if (stdin.isTTY) stdin.setRawMode(false);
    };
  }

  async #onKey(key: string): Promise<void> {
    const node = this.#cluster.nodes[this.#chosen - 1];
    switch (key) {
      case "q":
      case CTRL_C:
        return this.#end();
      case "k":
        this.#note(`node ${node.id} is killed`);
        return await node.kill();
      case "f":
        this.#note(`node ${node.id} is frozen`);
        return node.freeze();
      case "h":
        return await this.#heal(node);
      case "a":
        return await this.#add();
      default:
        if (/^[1-9]$/.test(key) && Number(key) <= this.#cluster.nodes.length) this.#chosen = Number(key);
    }
  }

  async #heal(node: LocalNode): Promise<void> {
    if (node.state === "frozen") {
      this.#note(`node ${node.id} goes on`);
      return node.thaw();
    }
    if (node.state !== "down") return;
    this.#note(`node ${node.id} is started again, empty`);
    await this.#attempt(node.start());
  }

  async #add(): Promise<void> {
    if (this.#cluster.nodes.length >= NODE_COUNT_MAX) {
      return this.#note(`there are ${NODE_COUNT_MAX} nodes; that is all that the demo adds`);
    }
    this.#note("a node is added");
    await this.#attempt(this.#cluster.add());
  }

  async #attempt(start: Promise<unknown>): Promise<void> {
    try {
      await start;
    } catch (error) {
      this.#note((error as Error).message.split("\n")[0]);
    }
  }

  #note(text: string): void {
    const atS = (this.#cluster.ports.clock.monotonicMs() - this.#startMs) / 1000;
    this.#events.push(`${atS.toFixed(1).padStart(7)} s  ${text}`);
    if (!this.#isScreen) print(text);
  }
}

/** Masters and other copies that a node claims, from its bitmaps. */
function countPartitions(replicas: string): [masters: number, copies: number] {
  // NAMESPACE:REGIME,COUNT,MASTERS,COPIES,...
  const bitmaps = replicas.slice(replicas.indexOf(":") + 1).split(";")[0].split(",").slice(2);
  const counts = bitmaps.map((text) =>
    (decodeBase64(text) ?? new Uint8Array()).reduce((sum, byte) => sum + bitCount(byte), 0)
  );
  return [counts[0] ?? 0, counts.slice(1).reduce((sum, count) => sum + count, 0)];
}

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
