/**
 * What a scan of many records does to the latency of gets, on one node: gets alone, gets while a scan runs, and the
 * scan alone, in turns.
 *
 * @module
 */

import type { LoadResult } from "./load.ts";
import { Loader } from "./loader.ts";
import { startAerie } from "./processes.ts";
import { median } from "./samples.ts";
import { Scanner } from "./scan_client.ts";
import { WORKLOADS } from "./workloads.ts";

/** How large and how long. */
export interface InterferenceOptions {
  /** Records of the node. */
  recordCount: number;
  /** Connections that get. */
  connectionCount: number;
  /** Rounds of the three. */
  roundCount: number;
  /** Measuring time of each of a round's three parts. */
  runMs: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** Gets of one part. */
export interface GetFigures {
  /** Gets per second. */
  opsPerS: number;
  /** Latencies in microseconds. */
  p50Us: number;
  /** See {@linkcode GetFigures.p50Us}. */
  p99Us: number;
  /** See {@linkcode GetFigures.p50Us}. */
  p999Us: number;
}

/** What was found. */
export interface InterferenceResult {
  /** Gets without a scan. */
  alone: GetFigures;
  /** Gets while a scan runs. */
  withScan: GetFigures;
  /** Records that the scan beside the gets returned per second. */
  scannedPerS: number;
  /** Records that the scan alone returned per second. */
  scannedAlonePerS: number;
}

/** Milliseconds by which a scan may raise the 99th percentile. Source: the project's goals for queries. */
export const INTERFERENCE_TARGET_MS = 2;

/** Runs the rounds. */
export async function measureInterference(options: InterferenceOptions): Promise<InterferenceResult> {
  const { recordCount, roundCount, runMs } = options;
  const server = await startAerie(options.executable);
  let scanner: Scanner | undefined;
  try {
    const alone: LoadResult[] = [];
    const withScan: LoadResult[] = [];
    const rates: number[] = [];
    const aloneRates: number[] = [];
    for (let round = 0; round < roundCount; round++) {
      alone.push(await withLoader(server, { ...options, fill: round === 0 }, (loader) => loader.run()));
      const running = scanner ??= await Scanner.start(server.port);
      await withLoader(server, { ...options, fill: false }, async (loader) => {
        rates.push(
          await scanRate(running, recordCount, async () => void withScan.push(await loader.run())),
        );
      });
      aloneRates.push(await scanRate(running, recordCount, () => delay(runMs)));
    }
    return {
      alone: middle(alone),
      withScan: middle(withScan),
      scannedPerS: median(rates),
      scannedAlonePerS: median(aloneRates),
    };
  } finally {
    await scanner?.close();
    await server.stop();
  }
}

/** Starts a load generator, lets it be used once it is ready, and ends it. */
async function withLoader<T>(
  server: { port: number; pid: number },
  { connectionCount, recordCount, runMs, fill }: InterferenceOptions & { fill: boolean },
  use: (loader: Loader) => Promise<T>,
): Promise<T> {
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
    return await use(loader);
  } finally {
    await loader.stop();
  }
}

/** Scans while something else runs; records per second. */
async function scanRate(
  scanner: Scanner,
  recordCount: number,
  meanwhile: () => Promise<void>,
): Promise<number> {
  await scanner.go();
  const startMs = performance.now();
  await meanwhile();
  const receivedBytes = await scanner.stop();
  return receivedBytes / scanner.scanBytes * recordCount / ((performance.now() - startMs) / 1000);
}

function middle(results: readonly LoadResult[]): GetFigures {
  return {
    opsPerS: median(results.map(({ opsPerS }) => opsPerS)),
    p50Us: median(results.map(({ p50Us }) => p50Us)),
    p99Us: median(results.map(({ p99Us }) => p99Us)),
    p999Us: median(results.map(({ p999Us }) => p999Us)),
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
