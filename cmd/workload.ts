/**
 * A workload that knows what it was promised: each worker writes rising numbers to keys of its own, deletes them now and
 * then, and reads them back, so that a read shows whether an acknowledged write was lost, or something came back that
 * was superseded or deleted.
 *
 * @module
 */

import {
  type AerieClient,
  ClientError,
  resultCodeName,
  ServerError,
  TimeoutError,
} from "../src/client/mod.ts";
import type { Clock } from "../src/port/mod.ts";

/** How to work. */
export interface WorkloadOptions {
  /** The client. */
  client: AerieClient;
  /** Time. */
  clock: Clock;
  /** Requests at the same time; 16 when absent. */
  workerCount?: number;
  /** Keys of each worker; 256 when absent. */
  keysPerWorker?: number;
  /** Pause of each worker after a request, in milliseconds; 1 when absent. */
  pauseMs?: number;
}

/** What came of it. */
export interface WorkloadCounts {
  /** Reads that were answered. */
  reads: number;
  /** Writes that were acknowledged. */
  writes: number;
  /** Requests that failed, by what was said. */
  errors: Map<string, number>;
  /** Failed requests. */
  errorCount: number;
  /** Monotonic time of the last failed request's end; 0 when there was none. */
  lastErrorMs: number;
  /** Reads that lacked an acknowledged write which another copy had: they may, while copies are being merged. */
  staleCount: number;
  /** Reads that lacked an acknowledged write although all copies were asked, each as a sentence; the first ones. */
  lost: string[];
  /** How many such reads there were. */
  lostCount: number;
}

/** What is known of one key. */
interface Expected {
  /** Last number that was given out. */
  sent: number;
  /** What the key holds by the last acknowledged write: a number, or 0 for no record. */
  acked: number;
  /** What it may hold instead: writes since then whose outcome is unknown. */
  maybe: number[];
}

/** One write of a key out of so many deletes it. */
const DELETE_EACH = 5;
const NAMESPACE = "test";
const SET = "workload";
/** Sentences about lost writes that are kept. */
const LOST_KEPT_MAX = 20;
const TIMEOUT_MS = 1000;

/** See the head of the file. */
export class Workload {
  /** What came of it so far. */
  readonly counts: WorkloadCounts = {
    reads: 0,
    writes: 0,
    errors: new Map(),
    errorCount: 0,
    lastErrorMs: 0,
    staleCount: 0,
    lost: [],
    lostCount: 0,
  };
  readonly #options: Required<WorkloadOptions>;
  readonly #expected: Expected[][];
  #isRunning = false;
  #workers: Promise<void>[] = [];

  /** Does nothing yet. */
  constructor(options: WorkloadOptions) {
    this.#options = { workerCount: 16, keysPerWorker: 256, pauseMs: 1, ...options };
    const { workerCount, keysPerWorker } = this.#options;
    this.#expected = Array.from(
      { length: workerCount },
      () => Array.from({ length: keysPerWorker }, () => ({ sent: 0, acked: 0, maybe: [] })),
    );
  }

  /** Begins. */
  start(): void {
    this.#isRunning = true;
    this.#workers = this.#expected.map((_, worker) => this.#work(worker));
  }

  /** Ends; resolves when no request is under way. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#workers);
  }

  /**
   * Reads every key that was written.
   *
   * @returns reads that failed; what they found is in the counts
   */
  async verify(): Promise<number> {
    const before = this.counts.errorCount;
    await Promise.all(this.#expected.map(async (keys, worker) => {
      for (let at = 0; at < keys.length; at++) if (keys[at].sent > 0) await this.#read(worker, at);
    }));
    return this.counts.errorCount - before;
  }

  async #work(worker: number): Promise<void> {
    const { keysPerWorker, pauseMs, clock } = this.#options;
    for (let turn = 0; this.#isRunning; turn++) {
      // Each key is written, and read some writes later.
      if (turn % 2 === 0) await this.#write(worker, (turn / 2) % keysPerWorker);
      else await this.#read(worker, ((turn - 1) / 2 + keysPerWorker - (turn % 7)) % keysPerWorker);
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    }
  }

  async #write(worker: number, at: number): Promise<void> {
    const { client } = this.#options;
    const key = this.#expected[worker][at];
    const number = ++key.sent;
    const isDelete = (number + at) % DELETE_EACH === 0;
    const policy = { totalTimeoutMs: TIMEOUT_MS };
    const after = isDelete ? 0 : number;
    key.maybe.push(after);
    try {
      if (isDelete) await client.delete(keyOf(worker, at), policy);
      else await client.put(keyOf(worker, at), { number, worker }, policy);
      key.acked = after;
      key.maybe = [];
      this.counts.writes++;
    } catch (error) {
      if (error instanceof ClientError && !error.inDoubt) key.maybe.pop();
      this.#failed(isDelete ? "delete" : "write", error);
    }
  }

  async #read(worker: number, at: number): Promise<void> {
    const { counts } = this;
    const key = this.#expected[worker][at];
    try {
      const isThere = (found: number) => found === key.acked || key.maybe.includes(found);
      if (!isThere(await this.#numberOf(worker, at, false))) {
        const found = await this.#numberOf(worker, at, true);
        if (isThere(found)) counts.staleCount++;
        else this.#lost(`key ${worker}/${at} has ${found}, not ${[key.acked, ...key.maybe].join(" or ")}`);
      }
      counts.reads++;
    } catch (error) {
      this.#failed("read", error);
    }
  }

  /** The stored number; 0 when there is no record. */
  async #numberOf(worker: number, at: number, readModeAll: boolean): Promise<number> {
    const policy = { totalTimeoutMs: TIMEOUT_MS, readModeAll };
    const record = await this.#options.client.get(keyOf(worker, at), { policy });
    return record === undefined ? 0 : Number(record.bins.number);
  }

  #lost(text: string): void {
    this.counts.lostCount++;
    if (this.counts.lost.length < LOST_KEPT_MAX) this.counts.lost.push(text);
  }

  #failed(what: string, error: unknown): void {
    const { counts } = this;
    counts.errorCount++;
    counts.lastErrorMs = this.#options.clock.monotonicMs();
    const name = `${what}: ${describe(error)}`;
    counts.errors.set(name, (counts.errors.get(name) ?? 0) + 1);
  }
}

function keyOf(worker: number, at: number) {
  return { namespace: NAMESPACE, set: SET, key: `${worker}/${at}` };
}

/** What went wrong, without what differs from one request to the next. */
function describe(error: unknown): string {
  if (error instanceof ServerError) return `${error.resultCode} ${resultCodeName(error.resultCode)}`;
  if (error instanceof TimeoutError) return "no answer in time";
  if (error instanceof ClientError) return "no connection";
  throw error;
}
