/**
 * A cluster of node processes on this machine, for `aerie demo` and the system tests: ports that are free, a folder of
 * its own, nodes that can be killed, frozen, restarted and added. All of it is gone after `close`, and the nodes end
 * with this process, however that ends.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { parseInfoAnswers, requestInfoText } from "../src/client/mod.ts";
import {
  createLog,
  createPlatform,
  ownCommand,
  type RunningProcess,
  startProcess,
} from "../src/platform/mod.ts";
import type { Ports } from "../src/port/mod.ts";

/** What a cluster is made of; all of it has defaults. */
export interface LocalClusterOptions {
  /** The words before the verb; this executable when absent. */
  command?: readonly string[];
  /** The same, of one node, asked at each of its starts; `command` when absent. */
  commandOf?: (node: { index: number; folder: string }) => readonly string[];
  /** Called once for each node, before its first start. */
  beforeStart?: (node: { index: number; folder: string }) => Promise<void>;
  /** Copies of each record; 2 when absent. */
  replicationFactor?: number;
  /** Memory for the data of each node; `64M` when absent. */
  dataSize?: string;
  /** Records are kept in a file of each node instead of in memory. */
  isOnDisk?: boolean;
  /** Address and ports of a node; loopback with free ports when absent. */
  place?: (index: number) => LocalNodePlace;
  /** Further flags of every node. */
  flags?: (node: { index: number; folder: string }) => readonly string[];
  /** Told of every line that a node prints. */
  onLine?: (node: LocalNode, line: string) => void;
}

/** What a node is doing. */
export type LocalNodeState = "starting" | "up" | "frozen" | "down";

/** Ports of a node. */
export interface LocalNodePorts {
  service: number;
  fabric: number;
  heartbeat: number;
}

/** What a node says of its cluster. */
export interface Membership {
  /** Members. */
  size: number;
  /** Key; `0` in none. */
  key: string;
  /** Id of the principal. */
  principal: string;
  /** Partitions that move to or from the node yet. */
  migrations: number;
  /** Copies that records have. */
  replicationFactor: number;
  /** Records on the node, other copies included. */
  objects: number;
}

/** A value of a `name=value;...` answer; empty when it is not there. */
export function valueOf(text: string, name: string): string {
  const at = `;${text}`.indexOf(`;${name}=`);
  return at < 0 ? "" : text.slice(at + name.length + 1).split(";")[0];
}

/** Where a node runs. */
export interface LocalNodePlace {
  /** Address that it listens on. */
  host: string;
  /** Ports. */
  ports: LocalNodePorts;
  /** Words before its command, for example to enter a network namespace. */
  prefix: readonly string[];
}

const HOST = "127.0.0.1";
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const ASK_LIMIT_MS = 1000;
const POLL_MS = 25;
/** A pause between two rounds of questions is longer than the round by this factor at least. */
const POLL_PAUSE_FACTOR = 4;
/** Below the ports that systems choose by themselves. */
const PORT_FIRST = 10_240;
const PORT_LAST = 31_999;
const PORT_ATTEMPT_COUNT_MAX = 1000;
/** Id of the first node; others follow. */
const NODE_ID_FIRST = 0xa1;
/** How much of a node's output is kept for messages. */
const LINE_COUNT_MAX = 500;

/** One node of the cluster. */
export class LocalNode {
  /** From 0. */
  readonly index: number;
  /** Node id, as tools print it. */
  readonly id: string;
  /** Where it runs. */
  readonly place: LocalNodePlace;
  /** Its newest lines. */
  readonly lines: string[] = [];
  /** What it is doing. */
  state: LocalNodeState = "down";
  /** Monotonic time of its last ready line. */
  readyMs = 0;
  readonly #cluster: LocalCluster;
  #process: RunningProcess | undefined;

  /** Made by {@linkcode LocalCluster}. */
  constructor(cluster: LocalCluster, index: number, place: LocalNodePlace) {
    this.#cluster = cluster;
    this.index = index;
    this.place = place;
    this.id = (NODE_ID_FIRST + index).toString(16).toUpperCase();
  }

  /** `host:port` for clients. */
  get address(): string {
    return `${this.place.host}:${this.place.ports.service}`;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Starts it and waits until it is ready.
   *
   * @throws {Error} with its last lines when it ends before, or takes longer than 30 s
   */
  async start(): Promise<void> {
    const { clock } = this.#cluster.ports;
    this.state = "starting";
    const ready = Promise.withResolvers<void>();
    const child = this.#process = await startProcess(this.#cluster.commandOf(this), {
      cwd: this.#cluster.folder,
      onLine: (line) => {
        this.#keep(line);
        if (/^ready in \d/.test(line)) ready.resolve();
      },
    });
    const timer = clock.after(START_LIMIT_MS, () => ready.reject(this.#failure("was not ready in time")));
    void child.ended.then(() => {
      if (this.#process === child) {
        this.#process = undefined;
        this.state = "down";
      }
      ready.reject(this.#failure("ended before it was ready"));
    });
    try {
      await ready.promise;
    } catch (error) {
      child.signal("SIGKILL");
      throw error;
    } finally {
      timer.cancel();
    }
    this.readyMs = clock.monotonicMs();
    if (this.#process === child) this.state = "up";
  }

  #keep(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINE_COUNT_MAX) this.lines.shift();
    this.#cluster.onLine(this, line);
  }

  #failure(what: string): Error {
    return new Error(`Node ${this.id} ${what}:\n${this.lines.slice(-20).join("\n")}`);
  }

  /**
   * Asks it info commands.
   *
   * @returns the answers in the order of the commands
   * @throws {Error} when it does not answer in time
   */
  async ask(commands: readonly string[], timeoutMs: number = ASK_LIMIT_MS): Promise<string[]> {
    const { network, clock } = this.#cluster.ports;
    const address = { host: this.place.host, port: this.place.ports.service };
    const reply = await requestInfoText({ network, clock }, commands, { address, timeoutMs });
    return parseInfoAnswers(reply).map(({ value }) => value);
  }

  /** What it says of its cluster; undefined when it does not answer. */
  async membership(): Promise<Membership | undefined> {
    try {
      const [statistics, namespace] = await this.ask(["statistics", "namespace/test"]);
      return {
        size: Number(valueOf(statistics, "cluster_size")),
        key: valueOf(statistics, "cluster_key"),
        principal: valueOf(statistics, "cluster_principal"),
        migrations: Number(valueOf(namespace, "migrate_tx_partitions_remaining")) +
          Number(valueOf(namespace, "migrate_rx_partitions_remaining")),
        replicationFactor: Number(valueOf(namespace, "effective_replication_factor")),
        objects: Number(valueOf(namespace, "objects")),
      };
    } catch {
      return undefined;
    }
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    child?.signal("SIGKILL");
    await child?.ended;
  }

  /** Lets it stand still. */
  freeze(): void {
    if (this.state !== "up") return;
    this.#process?.signal("SIGSTOP");
    this.state = "frozen";
  }

  /** Lets it go on. */
  thaw(): void {
    if (this.state !== "frozen") return;
    this.#process?.signal("SIGCONT");
    this.state = "up";
  }

  /** Asks it to stop and waits for it; ends it when it takes longer than 10 s. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.thaw();
    child.signal("SIGTERM");
    const timer = this.#cluster.ports.clock.after(STOP_LIMIT_MS, () => child.signal("SIGKILL"));
    await child.ended;
    timer.cancel();
  }
}

/** See the head of the file. */
export class LocalCluster {
  /** All nodes that were ever added, in order. */
  readonly nodes: LocalNode[] = [];
  /** Where the nodes keep their files. */
  readonly folder: string;
  /** This process's ports. */
  readonly ports: Ports;
  readonly #options: LocalClusterOptions;
  readonly #onExit: () => void;

  private constructor(options: LocalClusterOptions, folder: string, ports: Ports) {
    this.#options = options;
    this.folder = folder;
    this.ports = ports;
    this.#onExit = () => rmSync(folder, { recursive: true, force: true });
    // Also when the program ends without `close`; the nodes see the end of their input and stop.
    process.once("exit", this.#onExit);
  }

  /** A cluster without nodes. */
  static async create(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const ports = await createPlatform({ log: createLog({ sinks: [] }) });
    const folder = await mkdtemp(`${tmpdir()}/aerie-cluster-`);
    return new LocalCluster(options, folder, ports);
  }

  /** A cluster of so many nodes, started at the same time; resolves when all are ready to serve, alone or together. */
  static async start(count: number, options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const cluster = await LocalCluster.create(options);
    try {
      await cluster.addAll(count);
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Adds a node and starts it. */
  async add(): Promise<LocalNode> {
    const node = await this.#addStopped();
    await node.start();
    return node;
  }

  /** Adds nodes and starts them at the same time. */
  async addAll(count: number): Promise<void> {
    const added: LocalNode[] = [];
    for (let index = 0; index < count; index++) added.push(await this.#addStopped());
    await Promise.all(added.map((node) => node.start()));
  }

  /** Nodes that run and are not frozen. */
  get running(): LocalNode[] {
    return this.nodes.filter(({ state }) => state === "up");
  }

  /**
   * Waits until nodes are one cluster of nobody else.
   *
   * @param limitMs longest wait
   * @param options `nodes`: all that run when absent; `settled`: until nothing has to be moved any more, too
   * @returns milliseconds that it took
   * @throws {Error} with what each node says when it takes longer
   */
  async untilOne(
    limitMs: number,
    options: { nodes?: readonly LocalNode[]; settled?: boolean } = {},
  ): Promise<number> {
    const { clock } = this.ports;
    const startMs = clock.monotonicMs();
    for (;;) {
      const nodes = options.nodes ?? this.running;
      const askedMs = clock.monotonicMs();
      const says = await Promise.all(nodes.map((node) => node.membership()));
      const isOne = says.every((one) =>
        one !== undefined && one.size === nodes.length && one.key !== "0" && one.key === says[0]!.key &&
        (one.migrations === 0 || options.settled !== true)
      );
      const tookMs = clock.monotonicMs() - startMs;
      if (isOne) return tookMs;
      if (tookMs > limitMs) {
        const texts = nodes.map(({ id }, at) => `${id}: ${JSON.stringify(says[at] ?? "no answer")}`);
        throw new Error(
          `The nodes are not one ${options.settled ? "settled " : ""}cluster after ${limitMs} ms:\n${
            texts.join("\n")
          }`,
        );
      }
      // Many nodes on a small machine must not be kept from forming a cluster by being asked whether they have.
      const pauseMs = Math.max(POLL_MS, POLL_PAUSE_FACTOR * (clock.monotonicMs() - askedMs));
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    }
  }

  /** Addresses of all nodes, for a client. */
  get hosts(): string[] {
    return this.nodes.map(({ address }) => address);
  }

  /** Ends all processes and removes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await rm(this.folder, { recursive: true, force: true });
    process.off("exit", this.#onExit);
  }

  /** A line of a node. */
  onLine(node: LocalNode, line: string): void {
    this.#options.onLine?.(node, line);
  }

  /** How a node is started now. */
  commandOf(node: LocalNode): string[] {
    const { replicationFactor = 2, flags, commandOf } = this.#options;
    const folder = this.folderOf(node);
    const command = commandOf?.({ index: node.index, folder }) ?? this.#options.command ?? ownCommand();
    const { host, ports, prefix } = node.place;
    const others = this.nodes.filter((one) => one !== node);
    const seeds = others.map(({ place }) => `${place.host} ${place.ports.heartbeat}`);
    const settings: Record<string, string> = {
      "service.node-id": node.id,
      "service.work-directory": folder,
      "service.copies-on-one-host": "true",
      "network.service.address": host,
      "network.service.port": String(ports.service),
      "network.fabric.address": host,
      "network.fabric.port": String(ports.fabric),
      "network.heartbeat.address": host,
      "network.heartbeat.port": String(ports.heartbeat),
      ...(seeds.length === 0 ? {} : { "network.heartbeat.mesh-seed-address-port": seeds.join(",") }),
      "network.info.port": "off",
      "network.http.port": "off",
      "namespace.test.replication-factor": String(replicationFactor),
    };
    return [
      ...prefix,
      ...command,
      "serve",
      "--supervised",
      "--quiet",
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      ...this.#storageFlags(folder),
      ...(flags?.({ index: node.index, folder }) ?? []),
    ];
  }

  /** Where a node keeps its files. */
  folderOf(node: LocalNode): string {
    return `${this.folder}/node-${node.index}`;
  }

  #storageFlags(folder: string): string[] {
    const { isOnDisk, dataSize = "64M" } = this.#options;
    if (!isOnDisk) return ["--data-size", dataSize];
    const engine = "--namespace.test.storage-engine";
    return [engine, "device", `${engine}.file`, `${folder}/test.dat`, `${engine}.filesize`, dataSize];
  }

  async #addStopped(): Promise<LocalNode> {
    const index = this.nodes.length;
    const taken = this.nodes.flatMap(({ place }) => Object.values(place.ports));
    const place = this.#options.place?.(index) ?? await freePlace(this.ports, new Set(taken));
    const node = new LocalNode(this, index, place);
    this.nodes.push(node);
    const folder = this.folderOf(node);
    await mkdir(folder, { recursive: true });
    await this.#options.beforeStart?.({ index, folder });
    return node;
  }
}

/**
 * Loopback, with ports that nobody listens on at the moment. Not those that the system would choose: it chooses from the
 * same ones for outgoing connections, of which other nodes make many.
 *
 * @param taken ports of other nodes
 */
async function freePlace({ network, random }: Ports, taken: ReadonlySet<number>): Promise<LocalNodePlace> {
  const found: number[] = [];
  for (let attempt = 0; found.length < 3; attempt++) {
    if (attempt === PORT_ATTEMPT_COUNT_MAX) {
      throw new Error(`No free ports from ${PORT_FIRST} to ${PORT_LAST}`);
    }
    const port = PORT_FIRST + random.u32() % (PORT_LAST - PORT_FIRST + 1);
    if (taken.has(port) || found.includes(port)) continue;
    try {
      (await network.listen({ host: HOST, port }, (one) => one.close())).close();
      found.push(port);
    } catch {
      // Somebody has it.
    }
  }
  const [service, fabric, heartbeat] = found;
  return { host: HOST, ports: { service, fabric, heartbeat }, prefix: [] };
}
