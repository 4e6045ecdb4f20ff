/**
 * Ports on Deno and on Node: the real clock, randomness, sockets, files, machine, computations and log. Which runtime
 * it is shows at run time. Under Deno a node in memory loads no `node:` module: what it needs while it starts and
 * serves goes through Deno's own interface, the rest through `node:` modules at their first use (`builtin.ts`). Knows
 * nothing of nodes, records or protocols. Read `deno_network.ts` and `deno_turn.ts` first.
 *
 * @module
 */
import type { Log, Network, Ports } from "../port/mod.ts";
import { isDeno } from "./builtin.ts";
import { createClock } from "./clock.ts";
import { createCompute } from "./compute.ts";
import { createDenoNetwork } from "./deno_network.ts";
import { createDenoTurn } from "./deno_turn.ts";
import { createDisk } from "./disk.ts";
import { createHost } from "./host.ts";
import { createLog } from "./log.ts";
import { createRandom } from "./random.ts";

export { createCompute } from "./compute.ts";
export { attempt } from "./disk_error.ts";
export { createLog, type LogFormat, type LogOptions, type LogSinkOptions } from "./log.ts";
export {
  DENO_FLAGS,
  onInputEnd,
  ownCommand,
  type ProcessEnd,
  type ProcessSignal,
  type RunningProcess,
  startProcess,
  type StartProcessOptions,
  usableCpuCount,
} from "./process.ts";

/** What {@linkcode createPlatform} may be told. */
export interface PlatformOptions {
  /** The log; by default all contexts at level info on standard error. */
  log?: Log;
}

async function createNetwork(nextTurn: (fn: () => void) => void): Promise<Network> {
  if (isDeno) return createDenoNetwork(nextTurn);
  return (await import("./node_network.ts")).createNodeNetwork();
}

/** A log for an embedded node: its lines go where the host program's LogTape configuration sends category `aerie`. */
export async function createHostLog(): Promise<Log> {
  return (await import("./host_log.ts")).createHostLog();
}

/** Ports on this machine, for Deno or for Node 20 and later. */
export async function createPlatform(options: PlatformOptions = {}): Promise<Ports> {
  const immediately = (fn: () => void) => void setImmediate(fn);
  const nextTurn = isDeno ? createDenoTurn() : immediately;
  // Deno settles the reads of all sockets that are ready before it runs what they lead to: a microtask comes after those.
  const afterEvents = isDeno ? queueMicrotask : immediately;
  return {
    clock: createClock({ nextTurn, afterEvents }),
    random: createRandom(),
    network: await createNetwork(nextTurn),
    disk: createDisk(),
    host: createHost(),
    compute: createCompute(),
    log: options.log ?? createLog({ sinks: [{ levels: { any: "info" } }] }),
  };
}
