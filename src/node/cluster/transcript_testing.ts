/**
 * Whole nodes on virtual time that tell what they do, one line per message or change that a person wants to follow.
 * Messages that come by the hundred are counted: one line where the first of them left.
 *
 * @module
 */

import { PARTITION_COUNT } from "../../base/mod.ts";
import { type AerieClient, connect } from "../../client/mod.ts";
import { type NodeId, nodeIdForLog } from "../../cluster/mod.ts";
import type { Log } from "../../port/mod.ts";
import type { SimMachine, SimWorld } from "../../sim/mod.ts";
import {
  decodePeerBytes,
  isPeerFault,
  type PeerFault,
  type PeerMessage,
  RW_OPERATION,
} from "../../wire/mod.ts";
import { testInflate } from "../../wire/peer_testing.ts";
import { makeWorld, type Member, prepareMember } from "./testing.ts";

/** Log lines of these contexts are told, in parentheses. */
const TOLD_CONTEXTS: ReadonlySet<string> = new Set(["clustering", "exchange"]);

/** Messages that are counted. */
const COUNTED: ReadonlySet<string> = new Set(["migrate", "rw", "proxy", "info", "smd"]);

/** Rows of the partition table that `show` prints. */
const SHOWN_ROW_COUNT = 4;

/** Nothing moved for so long: longer than the nodes wait before they decide anything. */
const QUIET_MS = 3000;
const SETTLE_STEP_MS = 10;

/** Each scene begins at a full second. */
const SCENE_STEP_MS = 1000;

/** Every message takes a millisecond, so that a reader sees which answers which. */
const LATENCY_US = 1000;

const RW_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(RW_OPERATION).map(([name, number]) => [number, name.toLowerCase().replaceAll("_", "-")]),
);

/** Said by another line already. */
const REPEATED_LOG = /^all members applied/;

/** A line of the transcript; what is counted grows while the story goes on. */
interface Line {
  readonly atMs: number;
  readonly by: string;
  /** Without the receivers of a message. */
  readonly text: string;
  /** Receivers of a message. */
  readonly to: string[];
  /** How often it was said; only of equal messages one after the other. */
  times: number;
  /** By kind, of counted messages. */
  readonly counts?: Map<string, number>;
  /** Time of the last one. */
  untilMs: number;
}

/** See the head of the file. */
export class NodeLab {
  readonly world: SimWorld;
  readonly #machines = new Map<string, SimMachine>();
  readonly #members = new Map<string, Member>();
  readonly #clients = new Map<string, AerieClient>();
  readonly #names = new Map<number, string>();
  readonly #rounds = new Map<string, number>();
  readonly #seeds: readonly string[];
  #lines: Line[] = [];
  #sceneMs = 0;
  /** What each node said last; when it says so again, that line grows. */
  readonly #lastOf = new Map<string, Line>();
  /** Counted messages whose line still grows, by sender, receiver and type. */
  readonly #open = new Map<string, Line>();

  /** @param names one letter or digit per machine; node `3` has id `A3` and runs on machine `m3` */
  constructor(seed: number, names: readonly string[]) {
    this.world = makeWorld(seed, { latencyMinUs: LATENCY_US, latencyMaxUs: LATENCY_US });
    this.#seeds = names.map((name) => `m${name}`);
    for (const name of names) this.#machines.set(name, this.world.addMachine(`m${name}`));
  }

  /** Starts a node; it knows all machines as seeds. */
  async start(name: string): Promise<void> {
    const machine = this.#machines.get(name)!;
    const member = await prepareMember(machine, {
      id: `A${name}`,
      seeds: this.#seeds.filter((seed) => seed !== machine.name),
      wrapPorts: (ports) => ({ ...ports, log: this.#listeningLog(name, ports.log) }),
    });
    this.#members.set(name, member);
    this.#say(name, "STARTS");
    this.#listen(name, member);
    await this.world.simulation.runUntilSettled(member.node.start());
  }

  /** Ends a node in order: clients first, then its sockets. */
  async stop(name: string): Promise<void> {
    const { node, process } = this.#member(name);
    this.#say(name, "STOPS");
    await this.world.simulation.runUntilSettled(node.stop());
    process.kill();
    this.#forget(name);
  }

  /** Ends a process at once. */
  kill(name: string): void {
    this.#member(name).process.kill();
    this.#forget(name);
  }

  /** Lets nobody hear a node any more, as when its machine loses power. */
  vanish(name: string): void {
    this.#machines.get(name)!.cutPower();
    this.#forget(name);
  }

  #forget(name: string): void {
    this.#members.delete(name);
    this.#clients.delete(name);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new TypeError(`Node ${name} does not run`);
    return member;
  }

  /** Cuts the network: only machines of one group reach each other. */
  split(groups: readonly (readonly string[])[]): void {
    const groupOf = (name: string) => groups.findIndex((group) => group.includes(name));
    this.#eachPair((left, right) => {
      if (groupOf(left) !== groupOf(right)) {
        this.world.network.block(this.#machines.get(left)!, this.#machines.get(right)!);
      }
    });
  }

  /** All machines reach each other again. */
  heal(): void {
    this.#eachPair((left, right) => {
      this.world.network.unblock(this.#machines.get(left)!, this.#machines.get(right)!);
    });
  }

  #eachPair(act: (left: string, right: string) => void): void {
    const names = [...this.#machines.keys()];
    for (const [at, left] of names.entries()) for (const right of names.slice(at + 1)) act(left, right);
  }

  /** Has a node put off its duties with the next change of the cluster. */
  quiesce(name: string): void {
    this.#member(name).node.cluster.own.isQuiescePending = true;
  }

  /** Forms the cluster anew, as the info command does. */
  recluster(name: string): string {
    return this.#member(name).node.cluster.recluster();
  }

  /** Writes records by a node: key n has value `text`. */
  async put(name: string, keys: readonly number[], text: string): Promise<string> {
    const client = await this.#client(name);
    const { simulation } = this.world;
    for (const key of keys) await simulation.runUntilSettled(client.put(keyOf(key), { a: text }));
    return `${keys.length} written by ${name}`;
  }

  /** Reads records by a node and counts the values. */
  async get(name: string, keys: readonly number[]): Promise<string> {
    const client = await this.#client(name);
    const found = new Map<string, number>();
    for (const key of keys) {
      const record = await this.world.simulation.runUntilSettled(client.get(keyOf(key)));
      const value = record === undefined || record === null ? "nothing" : String(record.bins.a);
      found.set(value, (found.get(value) ?? 0) + 1);
    }
    return `${name} reads ${[...found].map(([value, count]) => `${value} ×${count}`).join(", ")}`;
  }

  async #client(name: string): Promise<AerieClient> {
    let client = this.#clients.get(name);
    if (client === undefined) {
      const { node, process } = this.#member(name);
      const ports = { ...process.ports, network: node.inProcessNetwork() };
      client = await this.world.simulation.runUntilSettled(connect({ hosts: ["127.0.0.1:3000"], ports }));
      this.#clients.set(name, client);
    }
    return client;
  }

  /** Lets time pass. */
  async run(durationMs: number): Promise<void> {
    await this.world.simulation.runFor(durationMs);
  }

  /** Lets time pass until all who hear each other are one cluster and nothing has moved for a while. */
  async settle(limitMs: number): Promise<void> {
    const startMs = this.#nowMs;
    const isBusy = () =>
      [...this.#members.values()].some(({ node: { cluster, migrator } }) =>
        !cluster.hasIntegrity || migrator.isMigrating
      );
    for (let busyMs = startMs; this.#nowMs - busyMs < QUIET_MS;) {
      if (this.#nowMs - startMs > limitMs) throw new Error(`the nodes are not settled after ${limitMs} ms`);
      await this.world.simulation.runFor(SETTLE_STEP_MS);
      if (isBusy()) busyMs = this.#nowMs;
    }
  }

  /**
   * Times are told from here on, and what comes before the next full second is not: so little changes in one scene changes
   * nothing in the next.
   */
  async beginScene(): Promise<void> {
    await this.run(SCENE_STEP_MS - this.#nowMs % SCENE_STEP_MS);
    this.take();
    this.#sceneMs = this.#nowMs;
  }

  /** What was told since the last call. */
  take(): string[] {
    const lines = this.#lines.map((line) => textOf(line, this.#sceneMs));
    this.#lines = [];
    this.#lastOf.clear();
    this.#open.clear();
    return lines;
  }

  /** State of all nodes, and some rows of their partition tables. */
  show(): string[] {
    const members = [...this.#members].sort(([left], [right]) => left.localeCompare(right));
    const tables = new Map<string, { names: string[]; rows: string[] }>();
    for (const [name, member] of members) {
      const rows = rowsOf(member);
      const table = tables.get(rows.join());
      if (table === undefined) tables.set(rows.join(), { names: [name], rows });
      else table.names.push(name);
    }
    return [
      ...members.map(([name, member]) => `${name}: ${this.#stateOf(member)}`),
      ...[...tables.values()].flatMap(({ names, rows }) => [
        `all ${rows.length} rows of the partition table are the same on ${
          names.join(" ")
        }; the first of them:`,
        ...rows.slice(0, SHOWN_ROW_COUNT),
      ]),
    ];
  }

  #stateOf({ node: { cluster, namespaces: [{ partitions, store }] } }: Member): string {
    const { role, clusterKey, succession } = cluster.clustering;
    const what = role === "orphan" ? "orphan" : `${role} of ${this.#cluster(clusterKey, succession)}`;
    return `${what}, ${this.#shares(partitions)}, ${store.objectCount} records`;
  }

  #shares(partitions: Member["node"]["namespaces"][number]["partitions"]): string {
    let [masters, replicas, waits, sends] = [0, 0, 0, 0];
    for (let partition = 0; partition < PARTITION_COUNT; partition++) {
      if (partitions.admit(partition) === 0) masters++;
      if (partitions.isReplica(partition)) replicas++;
      waits += partitions.pendingImmigrations(partition);
      sends += partitions.pendingEmigrations(partition);
    }
    const moves = waits + sends === 0 ? "" : `, waits for ${waits} transfers and makes ${sends}`;
    return `serves ${masters}, keeps ${replicas}${moves}`;
  }

  #cluster(key: number, succession: readonly NodeId[]): string {
    return `${this.#key(key)} [${succession.map(shortId).join(" ")}]`;
  }

  /** Keys are random, so each is called by a number. */
  #key(key: number): string {
    let name = this.#names.get(key);
    if (name === undefined) this.#names.set(key, name = `k${this.#names.size + 1}`);
    return name;
  }

  #round(sequenceNumber: string): string {
    let number = this.#rounds.get(sequenceNumber);
    if (number === undefined) this.#rounds.set(sequenceNumber, number = this.#rounds.size + 1);
    return `#${number}`;
  }

  // What nodes tell.

  get #nowMs(): number {
    return this.world.simulation.nowUs / 1000;
  }

  #say(by: string, text: string): void {
    const line = { atMs: this.#nowMs, by, text, to: [], times: 1, untilMs: this.#nowMs };
    this.#lines.push(line);
    this.#lastOf.set(by, line);
  }

  #listeningLog(name: string, log: Log): Log {
    return {
      enabled: (level, context) => log.enabled(level, context),
      write: (level, context, message) => {
        log.write(level, context, message);
        const isTold = TOLD_CONTEXTS.has(context) && log.enabled(level, context) &&
          !REPEATED_LOG.test(message);
        if (isTold) this.#say(name, `(${this.#withKeyNames(message)})`);
      },
    };
  }

  /** Log lines have keys in hexadecimal. */
  #withKeyNames(text: string): string {
    return text.replace(/\b[0-9a-fA-F]{9,12}\b/g, (key) => this.#key(parseInt(key, 16)));
  }

  #listen(name: string, { node }: Member): void {
    const { cluster, namespaces: [{ partitions }] } = node;
    const send = cluster.fabric.send.bind(cluster.fabric);
    cluster.fabric.send = (target, message) => {
      const result = send(target, message);
      this.#sent(name, shortId(target.node), message instanceof Uint8Array ? decode(message) : message);
      return result;
    };
    cluster.addListener({
      onAdjacent: (other, isAdjacent) =>
        this.#say(name, `${isAdjacent ? "hears" : "no longer hears"} ${shortId(other)}`),
      onPause: () => {
        this.#closeCounts(name);
        const { role, clusterKey, succession } = cluster.clustering;
        if (role !== "orphan") this.#say(name, `CLUSTER CHANGED to ${this.#cluster(clusterKey, succession)}`);
      },
      onOrphaned: () => this.#say(name, "ORPHANED: serves by its old table"),
      onBlocked: () => this.#say(name, "BLOCKED: serves nobody"),
      onBalanced: ({ clusterKey }) =>
        this.#say(name, `BALANCED ${this.#key(clusterKey)}: ${this.#shares(partitions)}`),
    });
  }

  #sent(by: string, to: string, message: PeerMessage | PeerFault): void {
    if (isPeerFault(message)) throw new Error(message.fault);
    if (COUNTED.has(message.type)) return this.#count(by, to, message);
    const text = this.#describe(message);
    const last = this.#lastOf.get(by);
    if (last === undefined || last.text !== text || last.to.length === 0) {
      this.#say(by, text);
      this.#lastOf.get(by)!.to.push(to);
    } else if (!last.to.includes(to)) last.to.push(to);
    else if (last.to[0] === to) {
      last.times++;
      last.untilMs = this.#nowMs;
    }
  }

  #describe(message: PeerMessage): string {
    if (message.type === "evidence") {
      const question = message.asks ? ", what do you see?" : "";
      return `${shortId(message.suspect)} is ${message.evidence}${question}`;
    }
    const words = ["kind" in message ? `${message.kind}` : message.type];
    if (message.type === "exchange") words.unshift("exchange");
    if ("sequenceNumber" in message) words.push(this.#round(message.sequenceNumber as string));
    if ("succession" in message) words.push(this.#cluster(message.clusterKey, message.succession));
    else if ("clusterKey" in message) words.push(this.#key(message.clusterKey as number));
    if ("principal" in message) words.push(`to ${shortId(message.principal as NodeId)}`);
    return words.join(" ");
  }

  #count(by: string, to: string, message: PeerMessage): void {
    const id = `${by} ${to} ${message.type}`;
    let line = this.#open.get(id);
    if (line === undefined) {
      const counts = new Map<string, number>();
      line = { atMs: this.#nowMs, by, text: message.type, to: [to], times: 1, untilMs: 0, counts };
      this.#open.set(id, line);
      this.#lines.push(line);
    }
    const kind = message.type === "rw"
      ? RW_NAMES.get(message.operation)!
      : "kind" in message
      ? String(message.kind)
      : "";
    line.counts!.set(kind, (line.counts!.get(kind) ?? 0) + 1);
    line.untilMs = this.#nowMs;
  }

  /** What a node sends from now on belongs to another cluster. */
  #closeCounts(by: string): void {
    for (const [id, line] of this.#open) if (line.by === by) this.#open.delete(id);
  }
}

function textOf({ atMs, by, text, to, times, counts, untilMs }: Line, fromMs: number): string {
  const head = `${(atMs - fromMs).toFixed(0).padStart(6)}  ${by}  `;
  if (to.length === 0) return head + text;
  const end = untilMs - atMs < 1 ? "" : `, until ${(untilMs - fromMs).toFixed(0)}`;
  const receivers = `-> ${to.join(" ")}: `;
  if (counts === undefined) return `${head}${receivers}${text}${times > 1 ? ` ×${times}` : ""}${end}`;
  const kinds = [...counts].sort(([left], [right]) => left < right ? -1 : 1)
    .map(([kind, count]) => count === 1 ? kind : `${kind} ×${count}`).join(", ");
  return `${head}${receivers}${text}: ${kinds}${end}`;
}

function decode(bytes: Uint8Array): PeerMessage | PeerFault {
  return decodePeerBytes(bytes, testInflate);
}

/** Rows as a node knows them: the replicas in order. */
function rowsOf({ node: { namespaces: [{ partitions }], cluster } }: Member): string[] {
  const rows: string[] = [];
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const { balance, effectiveReplicationFactor } = partitions;
    if (balance === undefined) rows.push(`  partition ${partition}: ${shortId(cluster.self)}`);
    else {
      const { nodes, placement: { rows: { order } } } = balance;
      const from = partition * nodes.length;
      const row = [...order.subarray(from, from + effectiveReplicationFactor)];
      rows.push(`  partition ${partition}: ${row.map((index) => shortId(nodes[index])).join(" ")}`);
    }
  }
  return rows;
}

function keyOf(number: number) {
  return { namespace: "test", set: "story", key: `k${number}` };
}

/** `3` of node A3. */
function shortId(node: NodeId): string {
  return nodeIdForLog(node).replace(/^a/i, "");
}
