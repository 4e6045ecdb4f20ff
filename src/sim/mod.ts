/**
 * The simulator: all ports on virtual time, so that whole clusters run in one process, reproducible from a seed. Knows
 * machines, processes, networks and disks; what runs on them is real node and client code. Read `simulation.ts`,
 * `world.ts` and `connection.ts` first.
 *
 * @module
 */
export { SIM_WALL_START_MS, SimClock, type WallClock } from "./clock.ts";
export { SimConnection } from "./connection.ts";
export { type DiskConditions, SimDisk } from "./disk.ts";
export { EventHash } from "./event_hash.ts";
export { SimHost, type SimHostOptions } from "./host.ts";
export { SIM_LOG_LINE_COUNT_MAX, SimLog } from "./log.ts";
export { calmConditions, type NetworkConditions, SimNetwork } from "./network.ts";
export { SeededRandom } from "./seeded_random.ts";
export {
  EventKind,
  type EventOwner,
  SIM_EVENT_COUNT_MAX,
  SimEvent,
  Simulation,
  type SimulationOptions,
} from "./simulation.ts";
export { SimMachine, SimProcess, SimWorld, type SimWorldOptions } from "./world.ts";
export { type OneNodeOptions, type OneNodeReport, runOneNode } from "./one_node.ts";
export { runBench, type RunnerOptions, type RunnerParts, runSeeds } from "./runner.ts";
export {
  type ClusterRunnerOptions,
  plantedBugs,
  runClusterBench,
  runClusterSeeds,
  runClusterTimings,
} from "./cluster_runner.ts";
