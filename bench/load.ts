/**
 * The load generator: a process that keeps one request under way on each of its connections, and reports how many were
 * answered, how long each took, and how much CPU the server used meanwhile.
 *
 * `load.ts JSON` connects, stores all records if told to, prints "ready", waits for a line on standard input, runs, and
 * prints a {@linkcode LoadResult} as JSON.
 *
 * @module
 */

import { createPlatform } from "../src/platform/mod.ts";
import type { Connection } from "../src/port/mod.ts";
import { cpuTimeUs, type ServerProcess } from "./processes.ts";
import { LatencyHistogram } from "./samples.ts";
import {
  aerieReplySizes,
  aerieRequests,
  redisReplySizes,
  redisRequests,
  type ReplySizes,
  type Requests,
  type Workload,
} from "./workloads.ts";

/** What a load generator is told. */
export interface LoadTask {
  /** Whom to load. */
  server: Pick<ServerProcess, "protocol" | "port" | "pid">;
  /** What to ask for. */
  workload: Workload;
  /** Connections, each with one request under way. */
  connectionCount: number;
  /** Records that requests are spread over. */
  recordCount: number;
  /** Only these of them, by number; all when absent. */
  records?: readonly number[];
  /** Pause of each connection after a reply, in milliseconds; none when absent. */
  pauseMs?: number;
  /** Store all records first. */
  fill: boolean;
  /** Run so long before measuring. */
  warmUpMs: number;
  /** Measure so long. */
  runMs: number;
}

/** What a load generator found. */
export interface LoadResult {
  /** Requests answered per second. */
  opsPerS: number;
  /** Latencies in microseconds. */
  p50Us: number;
  /** See {@linkcode LoadResult.p50Us}. */
  p99Us: number;
  /** See {@linkcode LoadResult.p50Us}. */
  p999Us: number;
  /** CPU time that the server used per second, in microseconds; undefined where the system does not tell. */
  serverCpuUsPerS: number | undefined;
}

const CONNECT_TIMEOUT_MS = 5000;
/** Offset of the result code in one of aerie's replies. */
const RESULT_CODE_AT = 13;
const REDIS_ERROR = "-".charCodeAt(0);

class Load {
  readonly #task: LoadTask;
  readonly #requests: Requests;
  readonly #sizes: ReplySizes;
  #histogram = new LatencyHistogram();
  #filled = 0;
  #state: "fill" | "run" | "stop" = "stop";
  #running = 0;
  #onIdle = () => {};
  #random = 0x9e3779b9;

  constructor(task: LoadTask, requests: Requests, sizes: ReplySizes) {
    this.#task = task;
    this.#requests = requests;
    this.#sizes = sizes;
  }

  /** Stores every record once. */
  fill(connections: readonly Connection[]): Promise<void> {
    this.#state = "fill";
    return this.#start(connections);
  }

  /** Runs until the time is over and the last replies have come. */
  async run(connections: readonly Connection[]): Promise<LoadResult> {
    this.#state = "run";
    const idle = this.#start(connections);
    await delay(this.#task.warmUpMs);
    this.#histogram = new LatencyHistogram();
    const { pid } = this.#task.server;
    const cpuBefore = cpuTimeUs(pid);
    const startMs = performance.now();
    await delay(this.#task.runMs);
    const tookS = (performance.now() - startMs) / 1000;
    const cpuAfter = cpuTimeUs(pid);
    const histogram = this.#histogram;
    this.#histogram = new LatencyHistogram();
    this.#state = "stop";
    await idle;
    return {
      opsPerS: histogram.count / tookS,
      p50Us: histogram.percentile(0.5) / 1000,
      p99Us: histogram.percentile(0.99) / 1000,
      p999Us: histogram.percentile(0.999) / 1000,
      serverCpuUsPerS: cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : (cpuAfter - cpuBefore) / tookS,
    };
  }

  #start(connections: readonly Connection[]): Promise<void> {
    const idle = new Promise<void>((resolve) => this.#onIdle = resolve);
    this.#running = connections.length;
    for (const connection of connections) this.#drive(connection);
    return idle;
  }

  /** Sends the next request as soon as the reply to the last is whole. */
  #drive(connection: Connection): void {
    let missingBytes = 0;
    let isFirst = true;
    let sentMs = 0;
    const { pauseMs = 0 } = this.#task;
    const send = () => {
      const isRead = this.#state === "run" && this.#next() < this.#task.workload.readShare;
      const request = this.#choose(isRead);
      if (request === undefined) {
        if (--this.#running === 0) this.#onIdle();
        return;
      }
      missingBytes = isRead ? this.#sizes.readBytes : this.#sizes.writeBytes;
      isFirst = true;
      sentMs = performance.now();
      connection.write(request);
    };
    connection.handler = {
      onData: (bytes) => {
        if (isFirst) this.#check(bytes);
        isFirst = false;
        missingBytes -= bytes.length;
        if (missingBytes > 0) return;
        this.#histogram.add((performance.now() - sentMs) * 1e6);
        if (pauseMs > 0 && this.#state === "run") setTimeout(send, pauseMs);
        else send();
      },
      onWritten() {},
      onClose(reason, error) {
        if (reason !== "local") {
          throw new Error(`The server closed a connection: ${error?.message ?? reason}`);
        }
      },
    };
    send();
  }

  #choose(isRead: boolean): Uint8Array | undefined {
    const { reads, writes } = this.#requests;
    if (this.#state === "fill") return writes[this.#filled++];
    if (this.#state === "stop") return undefined;
    const record = Math.floor(this.#next() * writes.length);
    return isRead ? reads[record] : writes[record];
  }

  #check(bytes: Uint8Array): void {
    const { protocol } = this.#task.server;
    const isGood = protocol === "redis" ? bytes[0] !== REDIS_ERROR : (bytes[RESULT_CODE_AT] ?? 0) === 0;
    if (!isGood) throw new Error(`The ${protocol} server answered with an error`);
  }

  /** A number from 0 to 1, by xorshift. */
  #next(): number {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return (random >>> 0) / 0x1_0000_0000;
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function runTask(task: LoadTask): Promise<void> {
  const { server, workload, recordCount } = task;
  const isRedis = server.protocol === "redis";
  const all = isRedis
    ? redisRequests(workload.value, recordCount)
    : await aerieRequests(workload.value, recordCount);
  const requests = task.records === undefined ? all : {
    reads: task.records.map((record) => all.reads[record]),
    writes: task.records.map((record) => all.writes[record]),
  };
  const load = new Load(task, requests, (isRedis ? redisReplySizes : aerieReplySizes)(workload.value));
  const { network } = await createPlatform();
  const connections: Connection[] = [];
  for (let count = 0; count < task.connectionCount; count++) {
    connections.push(
      await network.connect({ host: "127.0.0.1", port: server.port, timeoutMs: CONNECT_TIMEOUT_MS }),
    );
  }
  if (task.fill) await load.fill(connections);
  write("ready\n");
  await Deno.stdin.read(new Uint8Array(16));
  write(JSON.stringify(await load.run(connections)));
  Deno.exit(0);
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) await runTask(JSON.parse(Deno.args[0]));
