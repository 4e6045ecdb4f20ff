/**
 * Machines with processes on them, joined by a network, on one virtual time. A machine keeps its disk and its wall
 * clock; a process has the ports, and loses its timers, sockets and promises when it is killed.
 *
 * @module
 */
import type { Compute, HostSignal, LogLevel, MemoryUse, Ports } from "../port/mod.ts";
import { SimClock, type WallClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { defaultMemory, SimHost } from "./host.ts";
import { SimLog } from "./log.ts";
import { calmConditions, type NetworkConditions, SimNetwork } from "./network.ts";
import { EventKind, type EventOwner, Simulation, type SimulationOptions } from "./simulation.ts";

/** What {@linkcode SimWorld} is made of. */
export interface SimWorldOptions extends SimulationOptions {
  /** Computations; they are pure, so the platform's serve. */
  compute: Compute;
  /** How the network behaves at first; calm by default. */
  conditions?: Partial<NetworkConditions>;
  /** Least severe log level that is kept; info by default. */
  logLevel?: LogLevel;
}

/** A process on a simulated machine. */
export class SimProcess implements EventOwner {
  readonly id: number;
  /** Where it runs. */
  readonly machine: SimMachine;
  /** Its ports. */
  readonly ports: Ports;
  /** Its log. */
  readonly log: SimLog;
  frozenUntilUs = 0;
  /** Set to make the simulation faster; see {@linkcode EventOwner}. */
  promiseTurnCount: number | undefined = undefined;
  /** Set to make its event loop a busy one; see {@linkcode EventOwner}. */
  turnMaxUs: number | undefined = undefined;
  #host: SimHost;
  #alive = true;

  /** Made by {@linkcode SimMachine.start}. */
  constructor(machine: SimMachine, name: string, id: number) {
    const { world } = machine;
    const { simulation } = world;
    this.machine = machine;
    this.id = id;
    this.log = new SimLog(simulation, name, world.logLevel);
    this.#host = new SimHost({
      addresses: machine.addresses,
      hostname: machine.name,
      pid: id,
      lookUp: (name) => world.lookUp(name),
      memory: machine.memory,
      later: (fn) => void simulation.schedule(simulation.random.between(50, 500), EventKind.HOST, this, fn),
    });
    this.ports = {
      clock: new SimClock(simulation, this, machine.wall),
      random: simulation.random.fork(`process ${id} ${name}`),
      network: world.network.portFor(this),
      disk: machine.disk.portFor(this),
      host: this.#host,
      compute: world.compute,
      log: this.log,
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Ends it at once, as `kill -9` does: its sockets close, its timers and promises never fire. */
  kill(): void {
    this.#die((network) => network.closeAll(this));
  }

  /** Lets it stand still, as a debugger, a busy machine or SIGSTOP does; what arrives meanwhile waits. */
  freeze(durationUs: number): void {
    this.frozenUntilUs = Math.max(this.frozenUntilUs, this.machine.world.simulation.nowUs + durationUs);
  }

  /** Ends it as a power cut does: its peers hear nothing. */
  vanish(): void {
    this.#die((network) => network.loseAll(this));
  }

  #die(endConnections: (network: SimNetwork) => void): void {
    if (!this.#alive) return;
    this.#alive = false;
    endConnections(this.machine.world.network);
    this.machine.disk.forgetProcess(this);
  }

  /** Lets a signal arrive in an event of its own. */
  signal(signal: HostSignal): void {
    this.machine.world.simulation.schedule(1, EventKind.SIGNAL, this, () => void this.#host.raise(signal));
  }
}

/** A machine: addresses, disk, wall clock, memory. */
export class SimMachine {
  /** Where it stands. */
  readonly world: SimWorld;
  /** Its name, which other machines can resolve. */
  readonly name: string;
  /** Its numeric addresses. */
  readonly addresses: readonly string[];
  /** Its files, which outlive processes. */
  readonly disk: SimDisk;
  /** Its wall clock; let it jump by changing the offset. */
  readonly wall: WallClock = { offsetMs: 0 };
  /** What its processes learn about memory; change it to feign pressure. */
  readonly memory: MemoryUse = defaultMemory();
  /** False after a power cut: nothing reaches it. */
  powered = true;
  readonly #processes = new Set<SimProcess>();

  /** Made by {@linkcode SimWorld.addMachine}. */
  constructor(world: SimWorld, name: string, addresses: readonly string[]) {
    this.world = world;
    this.name = name;
    this.addresses = addresses;
    this.disk = new SimDisk(world.simulation, name);
  }

  /** Starts a process; the caller then runs a program on its ports. */
  start(name: string): SimProcess {
    this.powered = true;
    this.world.network.retryAll(this);
    for (const process of this.#processes) if (!process.alive) this.#processes.delete(process);
    const process = new SimProcess(this, name, this.world.nextProcessId());
    this.#processes.add(process);
    return process;
  }

  /** Cuts the power: all processes die without a word to their peers, unsynced writes may be lost or torn. */
  cutPower(): void {
    this.powered = false;
    for (const process of this.#processes) process.vanish();
    this.disk.losePower();
  }
}

/** Everything in one simulation. */
export class SimWorld {
  /** Virtual time. */
  readonly simulation: Simulation;
  /** What joins the machines. */
  readonly network: SimNetwork;
  /** Computations. */
  readonly compute: Compute;
  /** Least severe log level that is kept. */
  readonly logLevel: LogLevel;
  readonly #machines = new Map<string, SimMachine>();
  #processCount = 0;

  /** See {@linkcode SimWorldOptions}. */
  constructor(options: SimWorldOptions) {
    this.simulation = new Simulation(options);
    this.network = new SimNetwork(this.simulation, { ...calmConditions(), ...options.conditions });
    this.compute = options.compute;
    this.logLevel = options.logLevel ?? "info";
  }

  /** Adds a machine with one address: 10.0.0.1, 10.0.0.2 and so on unless others are given. */
  addMachine(name: string, addresses?: readonly string[]): SimMachine {
    const machine = new SimMachine(this, name, addresses ?? [`10.0.0.${this.#machines.size + 1}`]);
    this.#machines.set(name, machine);
    this.network.addMachine(machine);
    return machine;
  }

  /** Numeric addresses of a name or of a numeric address; undefined when nobody has that name. */
  lookUp(name: string): readonly string[] | undefined {
    if (/^[0-9.]+$/.test(name) || name.includes(":")) return [name];
    if (name === "localhost") return ["127.0.0.1"];
    return this.#machines.get(name)?.addresses;
  }

  /** A number that no process of this world has had. */
  nextProcessId(): number {
    return ++this.#processCount;
  }
}
