/**
 * The network between simulated machines: who listens where, how long bytes take, which machines can't reach each
 * other. Bytes of one connection stay in order; everything else may overtake everything else.
 *
 * @module
 */
import type { Address, Connection, ConnectOptions, Listener, ListenOptions, Network } from "../port/mod.ts";
import { SimConnection } from "./connection.ts";
import { SimMulticast } from "./multicast.ts";
import type { SimMachine, SimProcess } from "./world.ts";
import { EventKind, type Simulation } from "./simulation.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** How the network behaves; all may be changed during a run. */
export interface NetworkConditions {
  /** Shortest way between two machines. */
  latencyMinUs: number;
  /** Longest way on a good day. */
  latencyMaxUs: number;
  /** Probability that a piece takes much longer. */
  slowChance: number;
  /** Longest such delay. */
  slowMaxUs: number;
  /** Probability that a write or a read is cut at an arbitrary place. */
  cutChance: number;
  /** Probability that a connection breaks when a piece is sent. */
  resetChance: number;
  /** Bytes per second of each connection; 0 for no limit. */
  bandwidthBytesPerSecond: number;
  /** Probability that a datagram is lost; another such share comes twice. */
  datagramLossChance: number;
  /** Bytes that one direction of a connection holds before the sender waits. */
  windowSizeBytes: number;
}

/** A fast network without faults. */
export function calmConditions(): NetworkConditions {
  return {
    latencyMinUs: 40,
    latencyMaxUs: 120,
    slowChance: 0,
    slowMaxUs: 0,
    cutChance: 0,
    resetChance: 0,
    bandwidthBytesPerSecond: 0,
    datagramLossChance: 0,
    windowSizeBytes: 256 * 1024,
  };
}

/** First port that the system chooses by itself. */
const EPHEMERAL_PORT_FIRST = 32768;

/** Pieces are parts of bigger pieces of memory, unless they are big themselves. */
const SLAB_SIZE_BYTES = 256 * 1024;
const SLAB_PIECE_MAX_BYTES = 8 * 1024;

/** After a link works again, what waited is sent again within this time. */
const RETRANSMIT_MAX_US = 200_000;

class SimListener implements Listener {
  readonly address: Address;
  readonly process: SimProcess;
  readonly onConnection: (connection: Connection) => void;
  readonly #close: () => void;

  constructor(
    address: Address,
    process: SimProcess,
    onConnection: (connection: Connection) => void,
    close: () => void,
  ) {
    this.address = address;
    this.process = process;
    this.onConnection = onConnection;
    this.#close = close;
  }

  close(): void {
    this.#close();
  }
}

/** The way from one machine to another. */
export interface Link {
  readonly to: SimMachine;
  blocked: boolean;
  extraLatencyUs: number;
  waiting: (() => void)[];
}

/** All machines' network. */
export class SimNetwork {
  /** How it behaves now. */
  readonly conditions: NetworkConditions;
  /** Its own stream of randomness. */
  readonly random: SeededRandom;
  /** Virtual time. */
  readonly simulation: Simulation;

  readonly #machinesByAddress = new Map<string, SimMachine>();
  readonly #listeners = new Map<string, SimListener>();
  readonly #connections = new Set<SimConnection>();
  readonly #links = new Map<SimMachine, Map<SimMachine, Link>>();
  readonly #multicast: SimMulticast;
  #nextPort = EPHEMERAL_PORT_FIRST;
  #slab = new Uint8Array(0);
  #slabUsed = 0;

  /** @param conditions how it behaves at first */
  constructor(simulation: Simulation, conditions: NetworkConditions) {
    this.simulation = simulation;
    this.conditions = conditions;
    this.random = simulation.random.fork("network");
    this.#multicast = new SimMulticast(this);
  }

  /** Connections of which one end at least is not finished. */
  get connections(): ReadonlySet<SimConnection> {
    return this.#connections;
  }

  /** Makes a machine reachable. */
  addMachine(machine: SimMachine): void {
    for (const address of machine.addresses) this.#machinesByAddress.set(address, machine);
  }

  /** Time that a piece needs between two machines. */
  latencyUs(from: SimMachine, to: SimMachine): number {
    return this.linkLatencyUs(this.link(from, to));
  }

  /** The same for a way that is known. */
  linkLatencyUs(link: Link): number {
    const { latencyMinUs, latencyMaxUs, slowChance, slowMaxUs } = this.conditions;
    const base = this.random.between(latencyMinUs, latencyMaxUs);
    const slow = this.random.chance(slowChance) ? this.random.below(slowMaxUs + 1) : 0;
    return base + slow + link.extraLatencyUs;
  }

  /** Cuts two machines off from each other: nothing arrives, nothing is refused. */
  block(left: SimMachine, right: SimMachine): void {
    this.blockWay(left, right);
    this.blockWay(right, left);
  }

  /** Lets nothing pass from one machine to another; the other direction works. */
  blockWay(from: SimMachine, to: SimMachine): void {
    this.link(from, to).blocked = true;
  }

  /** Lets them reach each other again; what was sent meanwhile arrives late. */
  unblock(left: SimMachine, right: SimMachine): void {
    for (const link of [this.link(left, right), this.link(right, left)]) {
      link.blocked = false;
      this.#retry(link);
    }
  }

  /** Sends again what waited for a machine that has its power back. */
  retryAll(machine: SimMachine): void {
    for (const row of this.#links.values()) {
      const link = row.get(machine);
      if (link !== undefined) this.#retry(link);
    }
  }

  /** Slows everything between two machines down by so many microseconds; 0 ends it. */
  clog(left: SimMachine, right: SimMachine, extraLatencyUs: number): void {
    this.link(left, right).extraLatencyUs = extraLatencyUs;
    this.link(right, left).extraLatencyUs = extraLatencyUs;
  }

  /**
   * Lets something pass from one machine to the other after the time that it takes; while they are cut off it waits.
   *
   * @param arrive happens at the other machine
   */
  carry(from: SimMachine, to: SimMachine, delayUs: number, kind: EventKind, arrive: () => void): void {
    this.carryOver(this.link(from, to), delayUs, kind, arrive);
  }

  /** The same over a way that is known. */
  carryOver(link: Link, delayUs: number, kind: EventKind, arrive: () => void): void {
    const pass = () => {
      if (link.blocked || !link.to.powered) link.waiting.push(pass);
      else arrive();
    };
    this.simulation.schedule(delayUs, kind, undefined, pass);
  }

  /** Bytes of their own for a piece on its way; what is in them is not said. */
  newPiece(sizeBytes: number): Uint8Array {
    if (sizeBytes > SLAB_PIECE_MAX_BYTES) return new Uint8Array(sizeBytes);
    if (this.#slabUsed + sizeBytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_SIZE_BYTES);
      this.#slabUsed = 0;
    }
    const start = this.#slabUsed;
    this.#slabUsed += sizeBytes;
    return this.#slab.subarray(start, this.#slabUsed);
  }

  /** A copy of bytes, for their way. */
  copyPiece(bytes: Uint8Array): Uint8Array {
    const piece = this.newPiece(bytes.length);
    piece.set(bytes);
    return piece;
  }

  /** Whether something that was sent now would be lost on the way. */
  isCut(from: SimMachine, to: SimMachine): boolean {
    return this.link(from, to).blocked || !to.powered;
  }

  /** Breaks a connection: both ends get an error, bytes under way are lost. */
  reset(connection: SimConnection): void {
    connection.breakNow("ECONNRESET");
    connection.peer.breakNow("ECONNRESET");
  }

  /** Other ends, not finished yet, of connections that a process has closed or lost. */
  endsLeftBy(process: SimProcess): SimConnection[] {
    const ends: SimConnection[] = [];
    for (const connection of this.#connections) {
      if (connection.process === process && connection.closed && !connection.peer.finished) {
        ends.push(connection.peer);
      }
    }
    return ends;
  }

  /** Forgets a connection of which both ends are finished. */
  forget(connection: SimConnection): void {
    this.#connections.delete(connection);
  }

  /** Closes everything that a process had open, as its kernel does when it dies. */
  closeAll(process: SimProcess): void {
    this.#multicast.leaveAll(process);
    for (const [key, listener] of this.#listeners) {
      if (listener.process === process) this.#listeners.delete(key);
    }
    for (const connection of this.#connections) if (connection.process === process) connection.abandon();
  }

  /** Forgets everything that a process had open, without a word to its peers. */
  loseAll(process: SimProcess): void {
    for (const connection of this.#connections) if (connection.process === process) connection.vanish();
    this.closeAll(process);
  }

  /** The network as one process uses it. */
  portFor(process: SimProcess): Network {
    return {
      listen: (options, onConnection) => this.#listen(process, options, onConnection),
      connect: (options) => this.#connect(process, options),
      multicast: (options, onDatagram) => this.#multicast.join(process, options, onDatagram),
    };
  }

  /** The way from one machine to another, one and the same for the whole run. */
  link(from: SimMachine, to: SimMachine): Link {
    let row = this.#links.get(from);
    if (row === undefined) this.#links.set(from, row = new Map<SimMachine, Link>());
    let link = row.get(to);
    if (link === undefined) row.set(to, link = { to, blocked: false, extraLatencyUs: 0, waiting: [] });
    return link;
  }

  #retry(link: Link): void {
    const { waiting } = link;
    link.waiting = [];
    for (const retry of waiting) {
      this.simulation.schedule(this.random.below(RETRANSMIT_MAX_US), EventKind.NETWORK, undefined, retry);
    }
  }

  #listen(
    process: SimProcess,
    { host, port }: ListenOptions,
    onConnection: (connection: Connection) => void,
  ): Promise<Listener> {
    return new Promise((resolve, reject) => {
      this.simulation.schedule(this.random.between(1, 50), EventKind.NETWORK, process, () => {
        try {
          resolve(this.#bind(process, host, port, onConnection));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #bind(
    process: SimProcess,
    host: string,
    port: number,
    onConnection: (connection: Connection) => void,
  ): Listener {
    const { machine } = process;
    const numeric = host === "localhost" ? "127.0.0.1" : host;
    if (!isAny(numeric) && !isLoopback(numeric) && !machine.addresses.includes(numeric)) {
      throw networkError(
        "listen on",
        host,
        port,
        "EADDRNOTAVAIL",
        "no interface of this machine has that address",
      );
    }
    const bound = port === 0 ? this.#choosePort() : port;
    const key = listenerKey(machine, numeric, bound);
    if (this.#listeners.has(key) || this.#listeners.has(listenerKey(machine, "0.0.0.0", bound))) {
      throw networkError("listen on", host, port, "EADDRINUSE", "the address is in use");
    }
    const listener = new SimListener({ host: numeric, port: bound }, process, onConnection, () => {
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
    });
    this.#listeners.set(key, listener);
    return listener;
  }

  #choosePort(): number {
    if (this.#nextPort > 65535) this.#nextPort = EPHEMERAL_PORT_FIRST;
    return this.#nextPort++;
  }

  #connect(process: SimProcess, { host, port, timeoutMs }: ConnectOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const attempt = new Attempt(host, port, resolve, reject);
      this.simulation.schedule(timeoutMs * 1000, EventKind.CONNECT, process, () => {
        attempt.fail("ETIMEDOUT", `no answer within ${timeoutMs} ms`);
      });
      const target = this.#find(process.machine, host);
      if (target === undefined) {
        this.simulation.schedule(100, EventKind.CONNECT, process, () => {
          attempt.fail("ENOTFOUND", "the name can't be resolved");
        });
        return;
      }
      const delayUs = this.latencyUs(process.machine, target.machine);
      this.carry(process.machine, target.machine, delayUs, EventKind.CONNECT, () => {
        this.#arriveSyn(process, target, attempt);
      });
    });
  }

  #find(from: SimMachine, host: string): { machine: SimMachine; address: string } | undefined {
    const [address] = from.world.lookUp(host) ?? [];
    if (address === undefined) return undefined;
    const machine = isLoopback(address) ? from : this.#machinesByAddress.get(address);
    return machine === undefined ? undefined : { machine, address };
  }

  #arriveSyn(process: SimProcess, target: { machine: SimMachine; address: string }, attempt: Attempt): void {
    const { machine, address } = target;
    const listener = this.#listeners.get(listenerKey(machine, address, attempt.port)) ??
      this.#listeners.get(listenerKey(machine, "0.0.0.0", attempt.port));
    const backUs = this.latencyUs(machine, process.machine);
    if (listener === undefined) {
      this.carry(machine, process.machine, backUs, EventKind.CONNECT, () => {
        this.#answer(process, () => {
          attempt.fail("ECONNREFUSED", "connection refused: nothing listens there");
        });
      });
      return;
    }
    const remote = { host: address, port: attempt.port };
    const local = {
      host: isLoopback(address) ? address : process.machine.addresses[0],
      port: this.#choosePort(),
    };
    const near = new SimConnection(this, process, local, remote);
    const far = new SimConnection(this, listener.process, remote, local);
    near.peer = far;
    far.peer = near;
    this.#connections.add(near);
    this.#connections.add(far);
    this.simulation.schedule(this.random.between(1, 30), EventKind.ACCEPT, listener.process, () => {
      if (!far.closed) listener.onConnection(far);
    });
    this.carry(machine, process.machine, backUs, EventKind.CONNECT, () => {
      this.#answer(process, () => {
        if (near.closed) attempt.fail("ECONNRESET", "the peer reset the connection");
        else if (!process.alive || !attempt.succeed(near)) near.abandon();
      });
    });
  }

  /** A process learns what became of its connect; one that stands still does so when it goes on. */
  #answer(process: SimProcess, tell: () => void): void {
    const { simulation } = this;
    if (process.frozenUntilUs <= simulation.nowUs) tell();
    else simulation.schedule(0, EventKind.CONNECT, process, tell);
  }
}

/** One call of `connect`, which ends once. */
class Attempt {
  readonly port: number;
  readonly #host: string;
  readonly #resolve: (connection: Connection) => void;
  readonly #reject: (error: Error) => void;
  #ended = false;

  constructor(host: string, port: number, resolve: (c: Connection) => void, reject: (e: Error) => void) {
    this.#host = host;
    this.port = port;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** False when it was too late. */
  succeed(connection: Connection): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#resolve(connection);
    return true;
  }

  fail(code: string, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reject(networkError("connect to", this.#host, this.port, code, reason));
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function isAny(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}

function listenerKey(machine: SimMachine, address: string, port: number): string {
  return `${machine.name} ${isAny(address) ? "0.0.0.0" : address} ${port}`;
}

function networkError(verb: string, host: string, port: number, code: string, reason: string): Error {
  return Object.assign(new Error(`Cannot ${verb} ${host}:${port}: ${reason} (${code})`), { code });
}
