/**
 * A run of one node without a disk: some clients, a few records, faults, and at the end the question whether everything
 * that the clients were told can be true.
 *
 * Phases: start; work under faults until enough operations were done; quiet, in which the node must serve every record
 * again; check of the node's own counts and of each record's history.
 *
 * @module
 */
import { createDigester } from "../base/mod.ts";
import { type AerieClient, connect } from "../client/mod.ts";
import { defaultSettings, type Settings } from "../config/mod.ts";
import { type AerieNode, createNode } from "../node/mod.ts";
import type { Clock, Compute, Network } from "../port/mod.ts";
import { PendingDevice, type RecordDevice } from "../storage/mod.ts";
import { chooseFaults, type Fault, FaultPlan } from "./faults.ts";
import { History } from "./history.ts";
import { checkHistory } from "./linearizability.ts";
import { entryText, RecordModel } from "./record_model.ts";
import type { SeededRandom } from "./seeded_random.ts";
import { EventKind } from "./simulation.ts";
import { WORKLOAD_NAMESPACE, workloadKeys, WorkloadLoop, type WorkloadOptions } from "./workload.ts";
import { type SimMachine, type SimProcess, SimWorld } from "./world.ts";

/** What a run is told. */
export interface OneNodeOptions {
  /** Decides everything. */
  seed: number;
  /** Operations after which the work ends. */
  operationCount: number;
  /** Pure computations. */
  compute: Compute;
  /** Lets promises go on; see `SimulationOptions`. */
  settle: () => Promise<void>;
  /** Kinds of faults; the seed chooses when absent. */
  faults?: readonly Fault[];
  /** Puts a network with a bug under the clients, to see that it is found. */
  plant?: (network: Network) => Network;
  /**
   * Hears of promises that nobody handles while the run lasts.
   *
   * @returns ends it
   */
  watchRejections?: (fail: (error: unknown) => void) => () => void;
}

/** What became of a run. */
export interface OneNodeReport {
  /** Its seed. */
  seed: number;
  /** Equal for equal runs. */
  hash: string;
  /** Operations done. */
  operationCount: number;
  /** Operations that ended without a certain answer. */
  troubleCount: number;
  /** Writes that were refused for want of memory. */
  refusalCount: number;
  /** Events of the simulation. */
  eventCount: number;
  /** Virtual time that passed, in milliseconds. */
  virtualMs: number;
  /** Faults that happened. */
  faults: ReadonlyMap<Fault, number>;
  /** Records whose history had too many possibilities. */
  unknownCount: number;
  /** What went wrong; undefined when nothing did. */
  failure: string | undefined;
  /** Last log lines of the node, when something went wrong. */
  log: readonly string[];
}

const SERVICE_PORT = 3000;
const CLIENT_MACHINE_COUNT = 2;
const LOOPS_PER_CLIENT = 3;

/** A run that has not done its work in this time hangs. */
const WORK_MAX_MS = 3_600_000;
/** Time in which calls under way must have ended. */
const FINISH_MAX_MS = 30_000;
/** After this much peace the node must serve again: it looks at the machine's memory every 10 s. */
const QUIET_MS = 12_000;
/** A call may end this much later than its policy says: timers are late. */
const LATE_MAX_MS = 25;
/** Events between two looks at the node's counts. */
const CHECK_EVERY_EVENTS = 256;
/** Lines of a record's history that a report shows. */
const REPORT_ENTRY_COUNT = 25;

/** Runs one seed. */
export async function runOneNode(options: OneNodeOptions): Promise<OneNodeReport> {
  // Loading the hash function takes real time, which must not happen within the run.
  await createDigester();
  const run = new OneNodeRun(options);
  const stopWatching = options.watchRejections?.((error) => run.fail(error));
  let failure: string | undefined;
  try {
    await run.run();
  } catch (error) {
    failure = error instanceof Error ? error.stack ?? error.message : String(error);
  }
  stopWatching?.();
  return run.report(failure);
}

class OneNodeRun {
  readonly #options: OneNodeOptions;
  readonly #world: SimWorld;
  readonly #random: SeededRandom;
  readonly #workload: WorkloadOptions;
  readonly #server: Server;
  readonly #history: History;
  readonly #clients: SimMachine[] = [];
  readonly #loops: WorkloadLoop[] = [];
  readonly #plan: FaultPlan;
  readonly #faults: readonly Fault[];
  #working = true;
  #workingCount = 0;
  #unknownCount = 0;

  constructor(options: OneNodeOptions) {
    this.#options = options;
    this.#world = new SimWorld(options);
    this.#random = this.#world.simulation.random.fork("run");
    this.#workload = {
      keyCount: this.#random.between(4, 8),
      thinkMaxMs: this.#random.pick([5, 20, 60]),
      timeoutMs: this.#random.pick([100, 300, 1000]),
    };
    const machine = this.#world.addMachine("server");
    this.#history = new History(this.#world.simulation, machine.wall);
    this.#server = new Server(machine, this.#history, workloadKeys(this.#workload), options);
    for (let index = 0; index < CLIENT_MACHINE_COUNT; index++) {
      this.#clients.push(this.#world.addMachine(`client${index}`));
    }
    this.#faults = options.faults ?? chooseFaults(this.#random);
    const targets = {
      world: this.#world,
      server: machine,
      clients: this.#clients,
      history: this.#history,
      expectedUs: options.operationCount * this.#workload.thinkMaxMs * 500 /
        (CLIENT_MACHINE_COUNT * LOOPS_PER_CLIENT),
      freeze: (durationUs: number) => this.#server.freeze(durationUs),
      kill: (downUs: number) => this.#server.kill(downUs),
      stop: (downUs: number) => this.#server.stop(downUs),
    };
    this.#plan = new FaultPlan(targets, this.#faults, this.#random.fork("faults"));
  }

  async run(): Promise<void> {
    const { simulation } = this.#world;
    simulation.afterEvent = () => this.#checkSometimes();
    this.#server.start();
    for (const machine of this.#clients) this.#startClient(machine.start(machine.name));
    this.#plan.start();
    const { operationCount } = this.#options;
    await simulation.runWhile(() =>
      this.#history.count < operationCount && simulation.nowUs < WORK_MAX_MS * 1000
    );
    if (this.#history.count < operationCount) {
      throw new Error(`Only ${this.#history.count} operations were done in ${WORK_MAX_MS} ms`);
    }
    await this.#finish();
    await this.#beQuiet();
    this.#check();
  }

  fail(error: unknown): void {
    this.#world.simulation.fail(error);
  }

  report(failure: string | undefined): OneNodeReport {
    const { simulation } = this.#world;
    return {
      seed: this.#options.seed,
      hash: simulation.hash.toString(),
      operationCount: this.#history.count,
      troubleCount: this.#loops.reduce((sum, { troubleCount }) => sum + troubleCount, 0),
      refusalCount: this.#loops.reduce((sum, { refusalCount }) => sum + refusalCount, 0),
      eventCount: simulation.eventCount,
      virtualMs: simulation.nowUs / 1000,
      faults: this.#plan.counts,
      unknownCount: this.#unknownCount,
      failure,
      log: failure === undefined ? [] : this.#server.log,
    };
  }

  #startClient(process: SimProcess): void {
    this.#workingCount += LOOPS_PER_CLIENT;
    this.#openClient(process).then((client) => {
      for (let index = 0; index < LOOPS_PER_CLIENT; index++) {
        const name = `${process.machine.name.slice(-1)}${"abcdefgh"[index]}`;
        const random = this.#random.fork(`loop ${name}`);
        const loop = new WorkloadLoop({
          name,
          client,
          history: this.#history,
          random,
          options: this.#workload,
          endsLeft: () => this.#world.network.endsLeftBy(process),
        });
        this.#loops.push(loop);
        this.#drive(loop, process.ports.clock, random).catch((error) => this.#world.simulation.fail(error));
      }
    }, (error) => this.#world.simulation.fail(error));
  }

  /** First contact may fail as long as faults happen. */
  async #openClient(process: SimProcess): Promise<AerieClient> {
    const network = this.#options.plant?.(process.ports.network) ?? process.ports.network;
    const ports = { ...process.ports, network };
    for (;;) {
      try {
        return await connect({ hosts: [`server:${SERVICE_PORT}`], ports, tendIntervalMs: 1000 });
      } catch (error) {
        if (!this.#working) throw error;
        await new Promise<void>((resolve) => ports.clock.after(100, resolve));
      }
    }
  }

  async #drive(loop: WorkloadLoop, clock: Clock, random: SeededRandom): Promise<void> {
    const limitMs = this.#workload.timeoutMs * 3 + LATE_MAX_MS;
    while (this.#working) {
      await new Promise<void>((resolve) => clock.after(random.unit() * this.#workload.thinkMaxMs, resolve));
      const startMs = clock.monotonicMs();
      await loop.step();
      const spentMs = clock.monotonicMs() - startMs;
      if (spentMs > limitMs) throw new Error(`A call took ${spentMs} ms, its policy allows ${limitMs} ms`);
    }
    this.#workingCount--;
  }

  /** Faults end, the node comes back, calls under way end. */
  async #finish(): Promise<void> {
    const { simulation } = this.#world;
    this.#working = false;
    this.#plan.end();
    const limitUs = simulation.nowUs + FINISH_MAX_MS * 1000;
    await simulation.runWhile(() => this.#workingCount > 0 && simulation.nowUs < limitUs);
    if (this.#workingCount > 0) {
      throw new Error(`Calls have not ended ${FINISH_MAX_MS} ms after the last fault`);
    }
  }

  /** In peace every client can read and write every record. */
  async #beQuiet(): Promise<void> {
    const { simulation } = this.#world;
    await simulation.runFor(QUIET_MS);
    if (this.#server.node?.state !== "ready") throw new Error("The node is not back after the last fault");
    for (const loop of this.#loops) {
      const errors = await simulation.runUntilSettled(loop.useAll());
      if (errors.length > 0) throw new Error(`After all faults: ${String(errors[0])}`);
    }
    const troubleCount = this.#loops.reduce((sum, loop) => sum + loop.troubleCount, 0);
    if (this.#faults.length === 0 && troubleCount > 0) {
      const { lastTrouble } = this.#loops.find((loop) => loop.troubleCount > 0)!;
      throw new Error(`${troubleCount} operations failed although nothing went wrong: ${lastTrouble}`);
    }
  }

  #checkSometimes(): void {
    if (this.#world.simulation.eventCount % CHECK_EVERY_EVENTS === 0) this.#server.check();
  }

  #check(): void {
    this.#server.check();
    this.#server.checkIdle();
    const model = new RecordModel(this.#history);
    for (const key of this.#history.keys) {
      const entries = this.#history.entriesOf(key);
      const { result, entry, states } = checkHistory(entries, model);
      if (result === "unknown") this.#unknownCount++;
      if (result !== "violated") continue;
      const before = entries.filter((other) => other.invokedTick < entry!.returnedTick);
      before.sort((left, right) => left.returnedTick - right.returnedTick);
      const lines = before.slice(-REPORT_ENTRY_COUNT).map(entryText);
      throw new Error(
        `No order explains what clients were told about ${key}.\n${lines.join("\n")}\n` +
          `Can't be explained: ${entryText(entry!)}\nPossible before it: ${states!.join(" | ")}`,
      );
    }
  }
}

/** The node's machine: starts, kills and stops its process. */
class Server {
  /** The node that runs now. */
  node: AerieNode | undefined;
  readonly #machine: SimMachine;
  readonly #history: History;
  readonly #keys: readonly string[];
  readonly #options: OneNodeOptions;
  readonly #pendingDevice: boolean;
  #process: SimProcess | undefined;

  constructor(machine: SimMachine, history: History, keys: readonly string[], options: OneNodeOptions) {
    this.#machine = machine;
    this.#history = history;
    this.#keys = keys;
    this.#options = options;
    this.#pendingDevice = machine.world.simulation.random.fork("device").chance(0.5);
  }

  /** Last lines of the log of the present process. */
  get log(): readonly string[] {
    return this.#process?.log.lines.slice(-50) ?? [];
  }

  /** Starts a node. */
  start(): void {
    const process = this.#machine.start("node");
    this.#process = process;
    this.#open(process).catch((error) => this.#machine.world.simulation.fail(error));
  }

  /** Lets the process stand still. */
  freeze(durationUs: number): void {
    this.#process?.freeze(durationUs);
  }

  /** Ends it at once, and starts it again after some time. */
  kill(downUs: number): void {
    if (this.#process === undefined) return;
    this.#process.kill();
    this.#down(downUs);
  }

  /** Ends it in order, and starts it again after some time. */
  stop(downUs: number): void {
    const { node } = this;
    const process = this.#process;
    if (node?.state !== "ready" || process === undefined) return;
    node.stop().then(() => {
      process.kill();
      this.#down(downUs);
    }, (error) => this.#machine.world.simulation.fail(error));
  }

  /** What must hold at any moment. */
  check(): void {
    for (const { store, inFlight } of this.node?.namespaces ?? []) {
      const { index, tombstoneCount, objectCount, sets } = store;
      const { nonExpirable } = store.counts;
      let inSets = 0;
      for (const set of sets) inSets += set.objects;
      expect(objectCount >= 0 && tombstoneCount >= 0, `${objectCount} objects, ${tombstoneCount} tombstones`);
      expect(objectCount <= this.#keys.length, `${objectCount} objects, but only ${this.#keys.length} keys`);
      expect(inSets === objectCount, `${inSets} objects in sets, ${objectCount} in all`);
      expect(nonExpirable <= objectCount, `${nonExpirable} objects of ${objectCount} never expire`);
      const inPartitions = index.partitionEntryCounts.reduce((sum, count) => sum + count, 0);
      expect(
        inPartitions === index.entryCount,
        `${inPartitions} entries in partitions, ${index.entryCount} in all`,
      );
      expect(inFlight.heldCount <= this.#keys.length, `${inFlight.heldCount} records are held`);
    }
  }

  /** What must hold when no request runs. */
  checkIdle(): void {
    const { node } = this;
    if (node === undefined) return;
    for (const { inFlight } of node.namespaces) {
      expect(inFlight.heldCount === 0, `${inFlight.heldCount} records are held`);
    }
    for (const session of node.listeners.sessions) expect(session.isIdle, "a session is busy");
  }

  #down(downUs: number): void {
    this.node = undefined;
    this.#process = undefined;
    this.#history.wipe(this.#keys);
    this.#machine.world.simulation.schedule(downUs, EventKind.FAULT, undefined, () => this.start());
  }

  async #open(process: SimProcess): Promise<void> {
    const node = await createNode({
      settings: nodeSettings(),
      ports: process.ports,
      wrapDevice: (device, clock) => this.#wrap(device, clock),
      onFailure: (error) => this.#machine.world.simulation.fail(error),
    });
    await node.start();
    if (process.alive) this.node = node;
  }

  #wrap(device: RecordDevice, clock: Clock): RecordDevice {
    return this.#pendingDevice ? new PendingDevice(device, clock, 0.2) : device;
  }
}

function expect(condition: boolean, found: string): void {
  if (!condition) throw new Error(`An invariant of the node does not hold: ${found}`);
}

function nodeSettings(): Settings {
  return defaultSettings({
    network: { service: { addresses: ["any"], port: SERVICE_PORT } },
    namespaces: [{
      name: WORKLOAD_NAMESPACE,
      // Few sprigs, so that a scan of few records is short.
      partitionTreeSprigs: 16,
      nsupPeriod: 1,
      allowTtlWithoutNsup: true,
    }],
  });
}
