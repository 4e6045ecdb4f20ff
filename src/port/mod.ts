/**
 * Interfaces to everything that is not deterministic: time, randomness, network, disk, host, heavy computation, logs.
 * Two implementations of each exist: `platform/` for Deno and Node, `sim/` for the simulator. No code here.
 *
 * @module
 */
import type { Clock } from "./clock.ts";
import type { Compute } from "./compute.ts";
import type { Disk } from "./disk.ts";
import type { Host } from "./host.ts";
import type { Log } from "./log.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";

export type * from "./clock.ts";
export type * from "./compute.ts";
export type * from "./disk.ts";
export type * from "./host.ts";
export type * from "./log.ts";
export type * from "./network.ts";
export type * from "./random.ts";
export type * from "./record_change.ts";

/** All ports of one node. */
export interface Ports {
  /** Time and timers. */
  clock: Clock;
  /** Randomness. */
  random: Random;
  /** TCP. */
  network: Network;
  /** Files. */
  disk: Disk;
  /** Machine and process. */
  host: Host;
  /** Compression and checksums. */
  compute: Compute;
  /** Log lines. */
  log: Log;
}
