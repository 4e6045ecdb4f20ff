/**
 * What a scan of many records does to the latency of gets: rounds without and with a scan in turns, on one node.
 *
 * @module
 */

import { type AerieClient, connect } from "../src/client/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { LoadResult } from "./load.ts";
import { Loader } from "./loader.ts";
import { startAerie } from "./processes.ts";
import { NAMESPACE, SET } from "./requests.ts";
import { median } from "./samples.ts";
import { WORKLOADS } from "./workloads.ts";

/** How large and how long. */
export interface InterferenceOptions {
  /** Records of the node. */
  recordCount: number;
  /** Connections that get. */
  connectionCount: number;
  /** Pairs of rounds. */
  roundCount: number;
  /** Measuring time of a round. */
  runMs: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** What was found. */
export interface InterferenceResult {
  /** 99th percentile of gets in microseconds, without a scan. */
  p99Us: number;
  /** The same while a scan runs. */
  p99WithScanUs: number;
  /** Records that the scans returned per second. */
  scannedPerS: number;
}

/** Milliseconds by which a scan may raise the 99th percentile. Source: the project's goals for queries. */
export const INTERFERENCE_TARGET_MS = 2;

/** Runs the rounds. */
export async function measureInterference(options: InterferenceOptions): Promise<InterferenceResult> {
  const server = await startAerie(options.executable);
  try {
    const client = await connect({ hosts: [`127.0.0.1:${server.port}`], ports: await createPlatform() });
    const quiet: LoadResult[] = [];
    const scanned: LoadResult[] = [];
    const rates: number[] = [];
    for (let round = 0; round < options.roundCount; round++) {
      quiet.push(await load(server, options, round === 0));
      const scan = new EndlessScan(client);
      scanned.push(await load(server, options, false));
      rates.push(await scan.stop());
    }
    client.close();
    return {
      p99Us: median(quiet.map(({ p99Us }) => p99Us)),
      p99WithScanUs: median(scanned.map(({ p99Us }) => p99Us)),
      scannedPerS: median(rates),
    };
  } finally {
    await server.stop();
  }
}

async function load(
  server: { port: number; pid: number },
  { connectionCount, recordCount, runMs }: InterferenceOptions,
  fill: boolean,
): Promise<LoadResult> {
  const { port, pid } = server;
  const loader = await Loader.start({
    server: { protocol: "aerie", port, pid },
    workload: WORKLOADS[0],
    connectionCount,
    recordCount,
    fill,
    warmUpMs: runMs / 4,
    runMs,
  });
  try {
    return await loader.run();
  } finally {
    await loader.stop();
  }
}

/** Scans the set again and again until it is stopped. */
class EndlessScan {
  #isStopped = false;
  #count = 0;
  readonly #startMs = performance.now();
  readonly #done: Promise<void>;

  constructor(client: AerieClient) {
    this.#done = this.#run(client);
  }

  /** Ends it; records per second. */
  async stop(): Promise<number> {
    this.#isStopped = true;
    const tookS = (performance.now() - this.#startMs) / 1000;
    await this.#done;
    return this.#count / tookS;
  }

  async #run(client: AerieClient): Promise<void> {
    while (!this.#isStopped) {
      for await (const _ of client.scan({ namespace: NAMESPACE, set: SET })) {
        this.#count++;
        if (this.#isStopped) break;
      }
    }
  }
}
