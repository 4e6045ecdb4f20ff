/**
 * The clients of a simulated cluster: machines with real clients on them, each with some loops that work on the records.
 *
 * @module
 */
import { type AerieClient, connect } from "../client/mod.ts";
import { ResultCode } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import { digestKey } from "./cluster_copies.ts";
import type { ClusterShape } from "./cluster_types.ts";
import type { EpochHistory } from "./cluster_history.ts";
import type { Recorder } from "./history.ts";
import type { Outcome } from "./record_model.ts";
import type { SeededRandom } from "./seeded_random.ts";
import {
  mayBeTruncated,
  TRUNCATED_SET,
  WORKLOAD_INDEX,
  WORKLOAD_NAMESPACE,
  WORKLOAD_SET,
  workloadKey,
  workloadKeys,
  WorkloadLoop,
  type WorkloadOptions,
} from "./workload.ts";
import { modelBins } from "./workload_requests.ts";
import type { SimMachine, SimProcess, SimWorld } from "./world.ts";

/** A call may end this much later than its policy says: timers are late. */
const LATE_MAX_MS = 25;

/** Readings at the end of an epoch; the client may have to fetch the partition map first. */
const READ_POLICY = {
  totalTimeoutMs: 3000,
  maxRetries: 30,
  sleepBetweenRetriesMs: 100,
  replica: "master",
} as const;

/** What a client does after an event is mostly done after so many turns of promises; the rest comes with the next event. */
const CLIENT_TURN_COUNT = 8;

/** How often clients ask for news when the schedule does not say it. */
const TEND_INTERVAL_MS = 1000;

/** Times that a record may vanish by one truncation. */
const TRUNCATION_COUNT_MAX = 2;

/** All clients of a run. */
export class ClusterClients {
  /** Where they run. */
  readonly machines: readonly SimMachine[];
  /** Names of the records. */
  readonly keys: readonly string[];
  /** Names of records by digest. */
  readonly names = new Map<string, string>();
  /** Where what happens is taken down; changes with each epoch. */
  recorder: EpochHistory;
  /** The loops work, or rest. */
  isWorking = false;
  /** They rest although they would work. */
  isPaused = false;
  /** Operations that ended without a certain answer. */
  readonly #loops: WorkloadLoop[] = [];
  readonly #world: SimWorld;
  readonly #shape: ClusterShape;
  readonly #hosts: readonly string[];
  readonly #random: SeededRandom;
  readonly #options: WorkloadOptions;
  #reader: AerieClient | undefined;
  #busyCount = 0;

  constructor(parts: {
    world: SimWorld;
    shape: ClusterShape;
    hosts: readonly string[];
    random: SeededRandom;
    recorder: EpochHistory;
  }) {
    const { world, shape } = parts;
    this.#world = world;
    this.#shape = shape;
    this.#hosts = parts.hosts;
    this.#random = parts.random;
    this.recorder = parts.recorder;
    this.#options = {
      keyCount: shape.keyCount,
      thinkMaxMs: shape.thinkMaxMs,
      timeoutMs: shape.timeoutMs,
      expiringKeyCount: Math.floor(shape.keyCount / (shape.hotShare ? 5 : 8)),
      truncatedKeyCount: shape.truncatedKeyCount ?? 0,
      fillerBytes: shape.fillerBytes ?? 0,
      hotShare: shape.hotShare ?? 0,
      replicas: ["sequence", "sequence", "master", "any"],
    };
    this.keys = workloadKeys(this.#options);
    this.machines = Array.from(
      { length: shape.clientCount },
      (_, index) => world.addMachine(`client${index}`),
    );
  }

  /** Operations that ended with an error or in doubt. */
  get troubleCount(): number {
    return this.#loops.reduce((sum, { troubleCount }) => sum + troubleCount, 0);
  }

  /** Operations that ended; each row of a batch is one, a whole scan is one. */
  get doneCount(): number {
    return this.#loops.reduce((sum, { doneCount }) => sum + doneCount, 0);
  }

  /** The last error that a client got, for reports. */
  get lastTrouble(): string {
    return this.#loops.map(({ lastTrouble }) => lastTrouble).find((text) => text !== "") ?? "none";
  }

  /** Calls that are under way. */
  get busyCount(): number {
    return this.#busyCount;
  }

  /** Connects all clients; they begin to work when `isWorking` is set. */
  async start(): Promise<void> {
    for (const machine of this.machines) await this.#startClient(machine.start(machine.name));
    const client = this.#reader!;
    for (const key of this.keys) this.names.set(digestKey(client.digest(workloadKey(key)).digest), key);
  }

  async #startClient(process: SimProcess): Promise<void> {
    process.promiseTurnCount = CLIENT_TURN_COUNT;
    const client = await this.#connect(process);
    this.#reader ??= client;
    for (let index = 0; index < this.#shape.loopsPerClient; index++) {
      const name = `${process.machine.name.slice(-1)}${"abcdefgh"[index]}`;
      const random = this.#random.fork(`loop ${name}`);
      const history = this.#forward();
      const endsLeft = () => this.#world.network.endsLeftBy(process);
      const loop = new WorkloadLoop({ name, client, history, random, options: this.#options, endsLeft });
      this.#loops.push(loop);
      this.#drive(loop, process.ports.clock, random).catch((error) => this.#world.simulation.fail(error));
    }
  }

  /** The recorder of the present epoch. */
  #forward(): Recorder {
    const recorder = () => this.recorder;
    return {
      get memoryWasShort() {
        return recorder().disksFailed;
      },
      get disksFailed() {
        return recorder().disksFailed;
      },
      call: (client, key, action) => this.recorder.call(client, key, action),
      answer: (entry, outcome) => this.recorder.answer(entry, outcome),
      doubt: (entry, ends) => this.recorder.doubt(entry, ends),
    };
  }

  async #connect({ ports }: SimProcess): Promise<AerieClient> {
    for (;;) {
      try {
        return await connect({
          hosts: this.#hosts,
          ports,
          tendIntervalMs: this.#shape.tendIntervalMs ?? TEND_INTERVAL_MS,
        });
      } catch {
        await sleep(ports.clock, 100);
      }
    }
  }

  async #drive(loop: WorkloadLoop, clock: Clock, random: SeededRandom): Promise<void> {
    const limitMs = this.#options.timeoutMs * 3 + LATE_MAX_MS;
    for (;;) {
      await sleep(clock, random.unit() * this.#options.thinkMaxMs);
      if (!this.isWorking || this.isPaused) continue;
      this.#busyCount++;
      const startMs = clock.monotonicMs();
      await loop.step();
      const spentMs = clock.monotonicMs() - startMs;
      this.#busyCount--;
      if (spentMs > limitMs) throw new Error(`A call took ${spentMs} ms, its policy allows ${limitMs} ms`);
    }
  }

  /**
   * Truncates the set that is there for it. Each of its records may be removed at any moment from now on, by each node
   * as it hears of it, until the epoch is over; until the end of the next one when nobody confirms it.
   */
  async truncate(): Promise<void> {
    const ends: (() => void)[] = [];
    for (const key of this.keys) {
      if (!mayBeTruncated(key)) continue;
      // A node that has not heard of it yet may make the record anew, too early.
      for (let time = 0; time < TRUNCATION_COUNT_MAX; time++) ends.push(this.recorder.mayVanish(key));
    }
    try {
      await this.#reader?.truncate({ namespace: WORKLOAD_NAMESPACE, set: TRUNCATED_SET });
      for (const end of ends) end();
    } catch {
      // Whether it was heard is not known; what is checked holds in both cases.
    }
  }

  /** Asks one node for an index on an integer bin; the cluster tells the others. */
  async createIndex(): Promise<void> {
    const set = WORKLOAD_SET;
    const command = `sindex-create:namespace=${WORKLOAD_NAMESPACE};set=${set};` +
      `indexname=${WORKLOAD_INDEX};bin=n;type=numeric`;
    const answer = await this.#reader!.info(command, { timeoutMs: READ_POLICY.totalTimeoutMs });
    if (!answer.toLowerCase().startsWith("ok")) throw new Error(`The index was refused: ${answer}`);
  }

  /**
   * Reads every record, in a whole and quiet cluster.
   *
   * @throws {Error} when one can't be read
   */
  async readAll(): Promise<Map<string, Outcome>> {
    const outcomes = new Map<string, Outcome>();
    for (const key of this.keys) {
      const record = await this.#reader!.get(workloadKey(key), {
        policy: READ_POLICY,
      });
      outcomes.set(
        key,
        record === undefined
          ? { code: ResultCode.NOT_FOUND }
          : { code: ResultCode.OK, generation: record.generation, bins: modelBins(record.bins) },
      );
    }
    return outcomes;
  }
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
