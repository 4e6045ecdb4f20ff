/**
 * Test doubles for this folder's tests: a clock that is moved by hand, and a network whose servers are functions.
 *
 * @module
 */

import type {
  Clock,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Network,
  Random,
  Timer,
} from "../port/mod.ts";

interface Event {
  atMs: number;
  order: number;
  fn: () => void;
}

/** A clock that stands still until {@linkcode ManualClock.until} moves it from event to event. */
export class ManualClock implements Clock {
  #nowMs = 1000;
  #order = 0;
  #events: Event[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    // Citrusleaf second 500,000,000: the moment at which the reference's examples were recorded.
    return (1_262_304_000 + 500_000_000) * 1000 + this.#nowMs - 1000;
  }

  after(delayMs: number, fn: () => void): Timer {
    const event: Event = { atMs: this.#nowMs + delayMs, order: this.#order++, fn };
    this.#events.push(event);
    return { cancel: () => void (this.#events = this.#events.filter((other) => other !== event)) };
  }

  nextTurn(fn: () => void): void {
    this.after(0, fn);
  }

  afterEvents(fn: () => void): void {
    this.after(0, fn);
  }

  /** Moves the clock from event to event until the promise is settled. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let settled = false;
    const mark = () => void (settled = true);
    promise.then(mark, mark);
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await flush();
      if (settled) return await promise;
      const event = this.#next();
      if (event === undefined) continue;
      if (event.atMs > endMs) throw new Error(`Not settled after ${limitMs} ms of virtual time`);
      this.#fire(event);
    }
  }

  /** Lets so much time pass. */
  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      await flush();
      const event = this.#next();
      if (event === undefined || event.atMs > endMs) break;
      this.#fire(event);
    }
    this.#nowMs = endMs;
  }

  #next(): Event | undefined {
    let next: Event | undefined;
    for (const event of this.#events) {
      if (
        next === undefined || event.atMs < next.atMs || (event.atMs === next.atMs && event.order < next.order)
      ) {
        next = event;
      }
    }
    return next;
  }

  #fire(event: Event): void {
    this.#events = this.#events.filter((other) => other !== event);
    this.#nowMs = Math.max(this.#nowMs, event.atMs);
    event.fn();
  }
}

/** Lets everything run that waits for promises. */
function flush(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** The server's end of a connection. */
export interface ServerEnd {
  /** Number of the connection, from 1. */
  readonly id: number;
  /** Sends bytes to the client. */
  reply(bytes: Uint8Array): void;
  /** Closes the connection behind what was replied so far. */
  hangUp(): void;
  /** Whether the client has paused reading. */
  readonly paused: boolean;
}

/** What a scripted server does with a request frame. */
export type Serve = (request: Uint8Array, end: ServerEnd) => void;

/** A network of scripted servers by `host:port`. */
export class ScriptedNetwork implements Network {
  /** Servers; an address without one refuses. */
  readonly servers: Map<string, Serve> = new Map();
  /** Addresses that never answer a connect. */
  readonly silent: Set<string> = new Set();
  /** Open connections by address. */
  readonly connections: Map<string, Set<ScriptedConnection>> = new Map();
  /** Connects so far by address. */
  readonly connectCounts: Map<string, number> = new Map();
  /** Replies are cut into pieces of this size. */
  pieceSizeBytes = Infinity;
  readonly #clock: ManualClock;
  #lastId = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  listen(): never {
    throw new Error("the scripted network has no listeners");
  }

  connect(options: ConnectOptions): Promise<Connection> {
    const address = `${options.host}:${options.port}`;
    this.connectCounts.set(address, (this.connectCounts.get(address) ?? 0) + 1);
    return new Promise((resolve, reject) => {
      if (this.silent.has(address)) {
        this.#clock.after(options.timeoutMs, () => reject(new Error(`connect to ${address} timed out`)));
        return;
      }
      this.#clock.after(0, () => {
        if (!this.servers.has(address)) {
          reject(new Error(`connect to ${address} was refused`));
          return;
        }
        const connection = new ScriptedConnection(this, this.#clock, { address, id: ++this.#lastId });
        const all = this.connections.get(address) ?? new Set();
        this.connections.set(address, all.add(connection));
        resolve(connection);
      });
    });
  }

  /** Stops a server: its connections break and new ones are refused. */
  kill(address: string): void {
    this.servers.delete(address);
    for (const connection of this.connections.get(address) ?? []) connection.breakOff();
  }
}

/** A connection to a scripted server. */
export class ScriptedConnection implements Connection, ServerEnd {
  handler!: ConnectionHandler;
  readonly local = { host: "127.0.0.1", port: 1 };
  readonly remote: { host: string; port: number };
  readonly id: number;
  paused = false;
  #open = true;
  readonly #network: ScriptedNetwork;
  readonly #clock: ManualClock;
  readonly #address: string;

  constructor(network: ScriptedNetwork, clock: ManualClock, place: { address: string; id: number }) {
    this.#network = network;
    this.#clock = clock;
    this.#address = place.address;
    this.id = place.id;
    const colon = place.address.lastIndexOf(":");
    this.remote = { host: place.address.slice(0, colon), port: Number(place.address.slice(colon + 1)) };
  }

  write(bytes: Uint8Array): void {
    const request = bytes.slice();
    this.#later(() => this.handler.onWritten());
    this.#later(() => this.#network.servers.get(this.#address)?.(request, this));
  }

  reply(bytes: Uint8Array): void {
    const size = this.#network.pieceSizeBytes;
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.slice(at, Math.min(bytes.length, at + size));
      this.#later(() => {
        this.handler.onData(piece);
        // The bytes were only lent: whoever kept them sees garbage.
        piece.fill(0xee);
      });
    }
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.#end("local");
  }

  hangUp(): void {
    this.#later(() => this.breakOff());
  }

  /** Ends the connection from the server's side at once. */
  breakOff(): void {
    this.#end("peer");
  }

  #end(reason: "local" | "peer"): void {
    if (!this.#open) return;
    this.#open = false;
    this.#network.connections.get(this.#address)?.delete(this);
    this.#clock.after(0, () => this.handler.onClose(reason));
  }

  #later(fn: () => void): void {
    this.#clock.after(0, () => {
      if (this.#open) fn();
    });
  }
}

/** The same numbers every time. */
export class CountingRandom implements Random {
  #next = 0;

  u32(): number {
    return this.#next++;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) bytes[at] = this.#next++;
  }
}

/** Info answers of a scripted node. */
export type InfoAnswers = Record<string, string | (() => string)>;

/**
 * Makes a server that answers info requests from a table and hands record messages on.
 *
 * @param answers values by command; an unknown one gets the server's error
 */
export function serveInfo(answers: InfoAnswers, serveRecord: Serve = () => {}): Serve {
  const decoder = new TextDecoder();
  return (request, end) => {
    if (request[1] !== 1) return serveRecord(request, end);
    const commands = decoder.decode(request.subarray(8)).split("\n").filter((line) => line !== "");
    end.reply(infoFrame(
      commands.map((command) => {
        const answer = answers[command] ?? "ERROR:4:unrecognized command";
        return `${command}\t${typeof answer === "string" ? answer : answer()}\n`;
      }).join(""),
    ));
  };
}

/** An info frame with some text. */
export function infoFrame(text: string): Uint8Array {
  const body = new TextEncoder().encode(text);
  const frame = new Uint8Array(8 + body.length);
  frame[0] = 2;
  frame[1] = 1;
  new DataView(frame.buffer).setUint32(4, body.length);
  frame.set(body, 8);
  return frame;
}

/** The bitmap of a node that owns every partition. */
export const ALL_PARTITIONS = "/".repeat(682) + "8=";
/** The bitmap of a node that owns none. */
export const NO_PARTITIONS = "A".repeat(683) + "=";

/** Info answers of a node that is alone and owns all of the namespace `test`. */
export function aloneAnswers(name = "BB9"): InfoAnswers {
  return {
    "node": name,
    "build": "8.1.2.0",
    "peers-generation": "0",
    "partition-generation": "1",
    "peers-clear-std": "0,3000,[]",
    "replicas": `test:0,1,${ALL_PARTITIONS}`,
  };
}
