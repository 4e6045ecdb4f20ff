/**
 * The servers that are compared, each in a process of its own, and what the system says about a process.
 *
 * @module
 */

import { freePorts, type NodeProcessOptions, startNode } from "../tools/node_process.ts";

/** A server that runs. */
export interface ServerProcess {
  /** Name in the report. */
  name: string;
  /** What its requests look like. */
  protocol: "aerie" | "echo" | "redis";
  /** Port on loopback. */
  port: number;
  /** Process id. */
  pid: number;
  /** Stops it and waits until it has gone. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;
const RETRY_MS = 10;

/** Path of a file of the benchmark. */
export function benchFile(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/**
 * Starts an aerie node.
 *
 * @param executable what to run instead of the sources
 * @param options its storage, in memory unless given
 */
export async function startAerie(
  executable?: string,
  options: NodeProcessOptions = {},
): Promise<ServerProcess> {
  const node = await startNode({
    ...options,
    ...(executable === undefined ? {} : { command: [executable] }),
  });
  return { name: "aerie", protocol: "aerie", port: node.port, pid: node.pid, stop: () => node.stop() };
}

/**
 * Starts the bare echo server.
 *
 * @param replySizes bytes of the reply by bytes of the request
 */
export async function startEcho(replySizes: ReadonlyMap<number, number>): Promise<ServerProcess> {
  const [port] = freePorts(1);
  const sizes = JSON.stringify([...replySizes]);
  const args = ["run", "-A", "--no-check", benchFile("echo_server.ts"), String(port), sizes];
  return await startChild("echo", Deno.execPath(), { args, port });
}

/** Starts Redis without persistence; undefined when it is not installed. */
export async function startRedis(): Promise<ServerProcess | undefined> {
  const [port] = freePorts(1);
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  try {
    return await startChild("redis", "redis-server", { args, port });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function startChild(
  protocol: "echo" | "redis",
  program: string,
  options: { args: string[]; port: number },
): Promise<ServerProcess> {
  const { args, port } = options;
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "inherit" }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  try {
    await untilListening(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { name: protocol, protocol, port, pid: child.pid, stop };
}

async function untilListening(port: number): Promise<void> {
  const until = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < until) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  throw new Error(`Nothing listens on port ${port} within ${START_TIMEOUT_MS} ms`);
}

/** Length of the unit in which the system counts CPU time, in microseconds: USER_HZ is 100 on all of Linux. */
const CPU_TICK_US = 10_000;

/** CPU that a process has used, in microseconds, to 10 ms; undefined where there is no `/proc`. */
export function cpuTimeUs(pid: number): number | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The second field is a name in parentheses and may hold anything; user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * CPU_TICK_US;
  } catch {
    return undefined;
  }
}

/** Resident memory of a process in bytes; undefined where there is no `/proc`. */
export function residentBytes(pid: number): number | undefined {
  try {
    const match = /^VmRSS:\s*(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return match === null ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined;
  }
}

/** Bytes that a process has handed to disks; undefined where the system does not tell. */
export function writtenBytes(pid: number): number | undefined {
  try {
    const match = /^write_bytes: (\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/io`));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}
