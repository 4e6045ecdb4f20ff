/**
 * The macro benchmark: aerie, a bare echo server on the same runtime and, where it is installed, Redis, each in its own
 * process, loaded by others over loopback, in turns, so that whatever else the machine does hits all alike.
 *
 * @module
 */

import type { LoadResult } from "./load.ts";
import { Loader } from "./loader.ts";
import { type ServerProcess, startAerie, startEcho, startRedis } from "./processes.ts";
import { median } from "./samples.ts";
import { echoReplySizes, type Workload } from "./workloads.ts";

/** What to run. */
export interface MacroOptions {
  /** Workloads, one after the other. */
  workloads: readonly Workload[];
  /** Numbers of connections. */
  connectionCounts: readonly number[];
  /** Turns of each server. */
  roundCount: number;
  /** Measuring time of each turn. */
  runMs: number;
  /** Time before it that does not count. */
  warmUpMs: number;
  /** Records that requests are spread over. */
  recordCount: number;
  /** Processes that generate load. */
  loaderCount: number;
  /** Runs instead of the sources. */
  executable?: string;
}

/** One server under one load, the middle of its turns. */
export interface MacroFigures {
  /** Requests answered per second. */
  opsPerS: number;
  /** Latency in microseconds. */
  p50Us: number;
  /** See {@linkcode MacroFigures.p50Us}. */
  p99Us: number;
  /** See {@linkcode MacroFigures.p50Us}. */
  p999Us: number;
  /** CPU of the server per request in microseconds; undefined where the system does not tell. */
  cpuUsPerOp: number | undefined;
}

/** All servers under one load. */
export interface MacroResult {
  /** Name of the workload. */
  workload: string;
  /** Connections in all. */
  connectionCount: number;
  /** By name of the server: aerie, echo, redis. */
  servers: Record<string, MacroFigures>;
}

/** Runs everything; `onResult` hears of each line as soon as it is known. */
export async function runMacro(
  options: MacroOptions,
  onResult: (result: MacroResult) => void,
): Promise<MacroResult[]> {
  const results: MacroResult[] = [];
  for (const workload of options.workloads) {
    const servers = await startServers(workload, options);
    try {
      for (const connectionCount of options.connectionCounts) {
        const result = await runTurns(servers, { workload, connectionCount, options });
        results.push(result);
        onResult(result);
      }
    } finally {
      for (const server of servers) await server.stop();
    }
  }
  return results;
}

async function startServers(workload: Workload, options: MacroOptions): Promise<ServerProcess[]> {
  const servers = [await startAerie(options.executable)];
  servers.push(await startEcho(await echoReplySizes(workload.value)));
  const redis = await startRedis();
  if (redis !== undefined) servers.push(redis);
  return servers;
}

interface Turns {
  workload: Workload;
  connectionCount: number;
  options: MacroOptions;
}

/** Loads each server in turn, A B C A B C. */
async function runTurns(servers: readonly ServerProcess[], turns: Turns): Promise<MacroResult> {
  const samples = new Map<string, MacroFigures[]>(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < turns.options.roundCount; round++) {
    for (const server of servers) samples.get(server.name)!.push(await runTurn(server, turns));
  }
  const figures = [...samples].map(([name, values]) => [name, middle(values)] as const);
  return {
    workload: turns.workload.name,
    connectionCount: turns.connectionCount,
    servers: Object.fromEntries(figures),
  };
}

async function runTurn(
  server: ServerProcess,
  { workload, connectionCount, options }: Turns,
): Promise<MacroFigures> {
  const loaderCount = Math.min(options.loaderCount, connectionCount);
  const loaders: Loader[] = [];
  try {
    for (let index = 0; index < loaderCount; index++) {
      const share = Math.floor((connectionCount + index) / loaderCount);
      const { warmUpMs, runMs, recordCount } = options;
      const { protocol, port, pid } = server;
      const fill = index === 0;
      const task = { workload, connectionCount: share, recordCount, fill, warmUpMs, runMs };
      loaders.push(await Loader.start({ ...task, server: { protocol, port, pid } }));
    }
    return joinLoads(await Promise.all(loaders.map((loader) => loader.run())), 1);
  } finally {
    for (const loader of loaders) await loader.stop();
  }
}

/**
 * Figures of load generators that ran at the same time. The slowest one's percentiles stand for all.
 *
 * @param serverCount 1 when all load the same server, else each has one of its own
 */
export function joinLoads(results: readonly LoadResult[], serverCount: number): MacroFigures {
  const opsPerS = results.reduce((sum, one) => sum + one.opsPerS, 0);
  const cpu = results.slice(0, serverCount).map(({ serverCpuUsPerS }) => serverCpuUsPerS);
  return {
    opsPerS,
    p50Us: Math.max(...results.map((one) => one.p50Us)),
    p99Us: Math.max(...results.map((one) => one.p99Us)),
    p999Us: Math.max(...results.map((one) => one.p999Us)),
    cpuUsPerOp: cpu.includes(undefined) ? undefined : cpu.reduce((sum, one) => sum! + one!, 0)! / opsPerS,
  };
}

/** The middle of several turns, each figure for itself. */
export function middle(values: readonly MacroFigures[]): MacroFigures {
  const of = (pick: (one: MacroFigures) => number) => median(values.map(pick));
  const cpu = values.flatMap(({ cpuUsPerOp }) => cpuUsPerOp ?? []);
  return {
    opsPerS: of((one) => one.opsPerS),
    p50Us: of((one) => one.p50Us),
    p99Us: of((one) => one.p99Us),
    p999Us: of((one) => one.p999Us),
    cpuUsPerOp: cpu.length === 0 ? undefined : median(cpu),
  };
}
