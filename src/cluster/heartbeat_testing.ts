/**
 * A small laboratory for tests of the heartbeat: nodes on virtual time, hosts with one address each, connections that
 * keep their order, a network that delays and cuts, and a name service. A seed decides everything.
 *
 * @module
 */

import type { HeartbeatMessage, PeerEndpoint } from "../wire/mod.ts";
import { CLUSTERING_PROTOCOL_VERSION, type ClusteringPayload } from "./clustering_types.ts";
import { TestRandom } from "./clustering_testing.ts";
import { Heartbeat } from "./heartbeat.ts";
import { endpointText } from "./heartbeat_endpoints.ts";
import type { HeartbeatSettings } from "./heartbeat_timing.ts";
import type { ConnectionId, HeartbeatEffect, HeartbeatEvent } from "./heartbeat_types.ts";
import { HLC_ZERO, hlcTime, HybridClock } from "./hlc.ts";
import { NO_NODE, type NodeId, nodeIdForLog, toSuccession } from "./node_id.ts";
import type { SeedAddress } from "./seeds.ts";

/** The stock server's defaults. */
export const DEFAULT_HEARTBEAT_SETTINGS: HeartbeatSettings = {
  mode: "mesh",
  protocol: "v3",
  clusterName: "lab",
  intervalMs: 150,
  timeoutIntervalCount: 10,
  connectTimeoutMs: 500,
  mtuBytes: 1500,
  latencyMaxMs: 5,
  ipv6: false,
  tls: false,
};

/** A node that belongs to no cluster. */
export const ORPHAN_PAYLOAD: ClusteringPayload = {
  protocolVersion: CLUSTERING_PROTOCOL_VERSION,
  clusterKey: 0,
  sequenceNumber: HLC_ZERO,
  preferredPrincipal: NO_NODE,
  succession: [],
};

/** Port of every heartbeat in the laboratory. */
export const LAB_PORT = 3002;

const WALL_START_MS = 1_762_304_000_000;
const RESOLVE_MS = 5;

/** How a node is started. */
export interface LabStart {
  readonly seeds?: readonly SeedAddress[];
  readonly settings?: Partial<HeartbeatSettings>;
  /** Another id than the host's number. */
  readonly id?: number;
  /** Another address than the host's own is told to the others. */
  readonly publish?: string;
  /** The wall clock is ahead of true time by so much. */
  readonly skewMs?: number;
  readonly nodeCountMax?: number;
  readonly fabricPort?: number;
  /** Sends no capability word and no incarnation. */
  readonly stock?: boolean;
}

/** A host and the node on it. */
export interface LabHost {
  readonly n: number;
  readonly address: string;
  id: NodeId;
  heartbeat: Heartbeat;
  settings: HeartbeatSettings;
  payload: ClusteringPayload;
  skewMs: number;
  /** `up`: the process runs; `down`: the host refuses; `dead`: the host is silent. */
  state: "up" | "down" | "dead";
  /** Counts starts; what was meant for an earlier one is void. */
  life: number;
  isFrozen: boolean;
  inbox: HeartbeatEvent[];
  /** When it last told of nodes, by id; for checks. */
  readonly heard: Map<NodeId, number>;
  tickMs: number;
  isStock: boolean;
}

interface Link {
  readonly ends: readonly [LabEnd, LabEnd];
}

interface LabEnd {
  readonly host: LabHost;
  readonly life: number;
  readonly id: ConnectionId;
  readonly direction: "in" | "out";
  isOpen: boolean;
  /** Nothing arrives at this end earlier. */
  notBeforeMs: number;
  /** Waits for a cut to heal. */
  stalled: HeartbeatMessage[];
}

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** The address of host `n`. */
export function labAddress(n: number): string {
  return `10.0.0.${n}`;
}

/** The seed that leads to host `n`. */
export function labSeed(n: number): SeedAddress {
  return { host: labAddress(n), port: LAB_PORT, tls: false };
}

/** The id of node number `n`. */
export function labId(n: number): NodeId {
  return n.toString(16).padStart(16, "0");
}

/** See the head of the file. */
export class HeartbeatLab {
  nowMs = 0;
  readonly random: TestRandom;
  readonly hosts = new Map<number, LabHost>();
  delayMinMs = 1;
  delayMaxMs = 1;
  /** Directed pairs of hosts between which nothing passes, as "1>2". */
  readonly cuts = new Set<string>();
  /** Names and the hosts behind them. */
  readonly names = new Map<string, number[]>();
  /** Addresses that lead to a host besides its own, as "address" -> host. */
  readonly aliases = new Map<string, number>();
  trace: (n: number, text: string) => void = () => {};
  observe: (host: LabHost, effect: HeartbeatEffect) => void = () => {};
  /** Whether log lines are part of the trace. */
  tracesLogs = false;
  readonly #links = new Set<Link>();
  readonly #linkOf = new Map<ConnectionId, Link>();
  readonly #queue: Scheduled[] = [];
  #order = 0;
  #nextConnection: ConnectionId = 1;

  constructor(seed: number) {
    this.random = new TestRandom(seed);
  }

  /** Hosts whose node runs. */
  get running(): LabHost[] {
    return [...this.hosts.values()].filter((host) => host.state === "up");
  }

  host(n: number): LabHost {
    const host = this.hosts.get(n);
    if (host === undefined) throw new RangeError(`There is no host ${n}`);
    return host;
  }

  /** Starts the node of host `n`, for the first time or again. */
  start(n: number, start: LabStart = {}): LabHost {
    const life = (this.hosts.get(n)?.life ?? 0) + 1;
    const settings = { ...DEFAULT_HEARTBEAT_SETTINGS, ...start.settings };
    const id = labId(start.id ?? n);
    const skewMs = start.skewMs ?? 0;
    const clock = new HybridClock(() => WALL_START_MS + Math.floor(this.nowMs) + skewMs);
    const published = start.publish ?? labAddress(n);
    const heartbeat = new Heartbeat({
      identity: { node: id, incarnation: labId(this.random.u32()), capabilities: 1 },
      clock,
      settings,
      seeds: start.seeds ?? [],
      endpoints: settings.mode === "mesh" ? [{ address: published, port: LAB_PORT, capabilities: 0 }] : [],
      fabricEndpoints: [{ address: published, port: start.fabricPort ?? 3001, capabilities: 0 }],
      payload: ORPHAN_PAYLOAD,
      nodeCountMax: start.nodeCountMax ?? 256,
      now: { monotonicMs: this.nowMs, wallMs: WALL_START_MS + this.nowMs + skewMs },
    });
    const host: LabHost = {
      n,
      address: labAddress(n),
      id,
      heartbeat,
      settings,
      payload: ORPHAN_PAYLOAD,
      skewMs,
      state: "up",
      life,
      isFrozen: false,
      inbox: [],
      heard: new Map(),
      tickMs: Infinity,
      isStock: start.stock ?? false,
    };
    this.hosts.set(n, host);
    this.trace(n, "starts");
    this.step(host, { kind: "tick" });
    return host;
  }

  /** Ends a process: `kill` resets its connections, `crash` takes the host away. */
  stop(n: number, how: "kill" | "crash"): void {
    const host = this.host(n);
    host.state = how === "kill" ? "down" : "dead";
    host.life++;
    for (const link of this.#links) {
      for (const [at, end] of link.ends.entries()) {
        if (end.host !== host || !end.isOpen) continue;
        end.isOpen = false;
        if (how === "kill") this.#tellClosed(link.ends[1 - at]!, end);
      }
    }
    this.trace(n, how === "kill" ? "is killed" : "crashes");
  }

  /** A process does nothing for a while; its sockets fill. */
  freeze(n: number, forMs: number): void {
    const host = this.host(n);
    const { life } = host;
    host.isFrozen = true;
    this.trace(n, "is frozen");
    this.#schedule(forMs, () => {
      if (host.life !== life) return;
      host.isFrozen = false;
      this.trace(n, "wakes");
      this.step(host, { kind: "tick" });
    });
  }

  /** Nothing passes from one host to the other; connects fail in both directions. */
  cut(from: number, to: number): void {
    this.cuts.add(`${from}>${to}`);
  }

  /** All links pass again; what waited in connections arrives. */
  heal(): void {
    this.cuts.clear();
    for (const link of this.#links) {
      for (const end of link.ends) for (const message of end.stalled.splice(0)) this.#deliver(end, message);
    }
  }

  /** Sets what the pulses of some nodes say: that they are one cluster. */
  cluster(key: number, members: readonly number[]): void {
    const succession = toSuccession(members.map((n) => this.host(n).id));
    const sequenceNumber = hlcTime(WALL_START_MS + Math.floor(this.nowMs), key);
    const payload = { ...ORPHAN_PAYLOAD, clusterKey: key, sequenceNumber, succession };
    for (const n of members) {
      this.host(n).payload = payload;
      this.step(this.host(n), { kind: "payload", payload });
    }
  }

  /** Lets virtual time pass. */
  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Lets virtual time pass until something holds. @returns how long it took; undefined when it never did */
  runUntil(holds: () => boolean, limitMs: number): number | undefined {
    const startMs = this.nowMs;
    for (const untilMs = startMs + limitMs; !holds();) {
      const next = this.#next(untilMs);
      if (next === undefined) return undefined;
      this.nowMs = next.atMs;
      next.run();
    }
    return this.nowMs - startMs;
  }

  /** Gives a node an event, and does what it asks for. */
  step(host: LabHost, event: HeartbeatEvent): void {
    const wallMs = WALL_START_MS + this.nowMs + host.skewMs;
    const effects = host.heartbeat.step(event, { monotonicMs: this.nowMs, wallMs });
    for (const effect of effects) {
      this.observe(host, effect);
      this.#perform(host, effect);
    }
    this.#setTimer(host);
  }

  /** Open connections of a host, by what they lead to. */
  connections(n: number): { readonly to: number; readonly direction: "in" | "out" }[] {
    const found = [];
    for (const { ends } of this.#links) {
      for (const [at, end] of ends.entries()) {
        if (end.host.n === n && end.isOpen) {
          found.push({ to: ends[1 - at]!.host.n, direction: end.direction });
        }
      }
    }
    return found.sort((a, b) => a.to - b.to);
  }

  #next(untilMs: number): Scheduled | undefined {
    const first = this.#queue.at(-1);
    return first === undefined || first.atMs > untilMs ? undefined : this.#queue.pop();
  }

  #schedule(delayMs: number, run: () => void): void {
    const item = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.atMs <= item.atMs) at--;
    this.#queue.splice(at, 0, item);
  }

  #setTimer(host: LabHost): void {
    const dueMs = Math.max(host.heartbeat.dueMs, this.nowMs);
    if (dueMs >= host.tickMs) return;
    host.tickMs = dueMs;
    const { life } = host;
    this.#schedule(dueMs - this.nowMs, () => {
      if (host.life !== life || host.state !== "up" || host.tickMs !== dueMs) return;
      host.tickMs = Infinity;
      if (!host.isFrozen) this.step(host, { kind: "tick" });
    });
  }

  #delayMs(): number {
    return this.delayMinMs + this.random.below(this.delayMaxMs - this.delayMinMs + 1);
  }

  #isCut(from: LabHost, to: LabHost): boolean {
    return this.cuts.has(`${from.n}>${to.n}`);
  }

  #perform(host: LabHost, effect: HeartbeatEffect): void {
    switch (effect.kind) {
      case "connect":
        this.trace(host.n, `dials ${endpointText(effect.endpoint)}`);
        return this.#connect(host, effect);
      case "close":
        return this.#closeEnd(host, effect.connection, effect.reason);
      case "send":
        for (const id of effect.connections) this.#send(host, id, effect.message);
        return;
      case "broadcast":
        for (const other of this.running) {
          if (this.#isCut(host, other)) continue;
          const { life } = other;
          this.#schedule(
            this.#delayMs(),
            () => this.#arrive(other, life, { kind: "message", message: effect.message }),
          );
        }
        return;
      case "resolve": {
        this.trace(host.n, `looks up ${effect.name}`);
        const { life } = host;
        const addresses = (this.names.get(effect.name) ?? []).map(labAddress);
        this.#schedule(
          RESOLVE_MS,
          () => this.#arrive(host, life, { kind: "resolved", name: effect.name, addresses }),
        );
        return;
      }
      case "drain": {
        for (const event of host.inbox.splice(0)) this.step(host, event);
        return this.step(host, { kind: "drained" });
      }
      default:
        this.#note(host, effect);
    }
  }

  /** Writes what a node tells its upper layers into the trace. */
  #note(host: LabHost, effect: HeartbeatEffect): void {
    switch (effect.kind) {
      case "heartbeat":
        for (const change of effect.changes) {
          const node = nodeIdForLog(change.node);
          if (change.kind === "arrived") this.trace(host.n, `hears ${node}`);
          else if (change.kind === "adjacency") {
            this.trace(host.n, `learns that ${node} hears ${listText(change.adjacency)}`);
          } else {
            const backMs = this.nowMs - change.atMs;
            const since = backMs === 0 ? "" : ` (for ${backMs} ms)`;
            this.trace(host.n, `no longer hears ${node}${since}`);
          }
          if (change.kind === "arrived") host.heard.set(change.node, this.nowMs);
          if (change.kind === "departed") host.heard.delete(change.node);
        }
        return;
      case "peer-link":
        return this.trace(host.n, `link with ${nodeIdForLog(effect.node)}: ${effect.link}`);
      case "fabric-endpoints":
        return this.trace(
          host.n,
          `fabric of ${nodeIdForLog(effect.node)} is at ${effect.endpoints.map(endpointText).join(", ")}`,
        );
      case "duplicate-id":
        return this.trace(host.n, effect.duplicate ? "has a double" : "has no double any more");
      case "fence":
        return this.trace(
          host.n,
          effect.raised ? `fences itself: slept ${effect.sleptMs} ms` : "serves again",
        );
      case "skew":
        return this.trace(host.n, `skew ${effect.skewMs} ms, outliers ${listText(effect.outliers)}`);
      case "tip-answer":
        return this.trace(host.n, `answers ${effect.error ?? "ok"}`);
      case "log":
        if (this.tracesLogs && effect.level !== "debug") {
          this.trace(host.n, `${effect.level}: ${effect.text}`);
        }
    }
  }

  #arrive(host: LabHost, life: number, event: HeartbeatEvent): void {
    if (host.life !== life || host.state !== "up") return;
    if (host.isFrozen) host.inbox.push(event);
    else this.step(host, event);
  }

  #listener({ address }: PeerEndpoint): LabHost | undefined {
    const n = this.aliases.get(address);
    return [...this.hosts.values()].find((host) => host.n === n || host.address === address);
  }

  #connect(from: LabHost, effect: Extract<HeartbeatEffect, { kind: "connect" }>): void {
    const { life } = from;
    const { attempt } = effect;
    const fail = (afterMs: number, failure: "refused" | "timeout") =>
      this.#schedule(afterMs, () => this.#arrive(from, life, { kind: "connect-failed", attempt, failure }));
    const to = this.#listener(effect.endpoint);
    const isCut = to !== undefined && (this.#isCut(from, to) || this.#isCut(to, from));
    if (to === undefined || to.state === "dead" || isCut) return fail(effect.timeoutMs, "timeout");
    const delayMs = this.#delayMs();
    if (to.state === "down") return fail(2 * delayMs, "refused");
    this.#schedule(delayMs, () => {
      if (to.state !== "up") return fail(delayMs, "refused");
      const outId = this.#nextConnection++;
      const ends = [
        this.#makeEnd(from, life, { id: outId, direction: "out" }),
        this.#makeEnd(to, to.life, { id: this.#nextConnection++, direction: "in" }),
      ] as const;
      this.#addLink({ ends });
      ends[0].notBeforeMs = this.nowMs + delayMs;
      const remote = endpointText(effect.endpoint);
      this.#schedule(
        delayMs,
        () => this.#arrive(from, life, { kind: "opened", connection: outId, attempt, remote }),
      );
      this.#arrive(to, to.life, { kind: "opened", connection: ends[1].id, remote: from.address });
    });
  }

  /** Remembers a link, and forgets those that are closed at both ends. */
  #addLink(link: Link): void {
    for (const old of this.#links) {
      if (old.ends.some((end) => end.isOpen)) continue;
      this.#links.delete(old);
      for (const { id } of old.ends) this.#linkOf.delete(id);
    }
    this.#links.add(link);
    for (const { id } of link.ends) this.#linkOf.set(id, link);
  }

  #makeEnd(host: LabHost, life: number, of: Pick<LabEnd, "id" | "direction">): LabEnd {
    return { host, life, ...of, isOpen: true, notBeforeMs: 0, stalled: [] };
  }

  #ends(host: LabHost, id: ConnectionId): { readonly own: LabEnd; readonly other: LabEnd } | undefined {
    const ends = this.#linkOf.get(id)?.ends;
    if (ends === undefined) return undefined;
    const [own, other] = ends[0].id === id ? ends : [ends[1], ends[0]];
    return own.host === host ? { own, other } : undefined;
  }

  #send(host: LabHost, id: ConnectionId, message: HeartbeatMessage): void {
    const ends = this.#ends(host, id);
    if (ends === undefined || !ends.own.isOpen) return;
    const { other } = ends;
    if (message.kind !== "pulse") {
      const nodes = message.kind === "info-request" ? message.nodes : message.nodes.map(({ node }) => node);
      this.trace(host.n, `-> ${other.host.n}: ${message.kind} ${listText(nodes)}`);
    }
    const sent = host.isStock ? withoutExtras(message) : message;
    if (this.#isCut(host, other.host)) other.stalled.push(sent);
    else this.#deliver(other, sent);
  }

  #deliver(end: LabEnd, message: HeartbeatMessage): void {
    this.#inOrder(end, () => {
      if (end.isOpen) this.#arrive(end.host, end.life, { kind: "message", connection: end.id, message });
    });
  }

  /** What one end does reaches the other in the same order. */
  #inOrder(end: LabEnd, run: () => void): void {
    end.notBeforeMs = Math.max(end.notBeforeMs, this.nowMs + this.#delayMs());
    this.#schedule(end.notBeforeMs - this.nowMs, run);
  }

  #closeEnd(host: LabHost, id: ConnectionId, reason: string): void {
    const ends = this.#ends(host, id);
    if (ends === undefined || !ends.own.isOpen) return;
    ends.own.isOpen = false;
    this.trace(
      host.n,
      `closes its connection ${ends.own.direction === "in" ? "from" : "to"} ${ends.other.host.n}: ${reason}`,
    );
    this.#tellClosed(ends.other, ends.own);
  }

  #tellClosed(end: LabEnd, by: LabEnd): void {
    if (!end.isOpen || this.#isCut(by.host, end.host)) return;
    this.#inOrder(end, () => {
      if (!end.isOpen) return;
      end.isOpen = false;
      this.#arrive(end.host, end.life, { kind: "closed", connection: end.id });
    });
  }
}

function withoutExtras(message: HeartbeatMessage): HeartbeatMessage {
  if (message.kind !== "pulse") return message;
  const { capabilities: _, incarnation: __, ...stock } = message;
  return stock;
}

/** Ids as a transcript writes them. */
export function listText(nodes: readonly NodeId[]): string {
  return nodes.length === 0 ? "nobody" : nodes.map(nodeIdForLog).join(" ");
}
