/**
 * The nodes of a simulated cluster: each has a machine, on which its process starts, dies, sleeps and starts again.
 *
 * @module
 */
import type { ExchangeResult } from "../cluster/mod.ts";
import { defaultSettings, type Settings } from "../config/mod.ts";
import { type AerieNode, createNode } from "../node/mod.ts";
import type { PartitionTable } from "../partition/mod.ts";
import type { NamespaceStore } from "../storage/mod.ts";
import { EARLIER_WITHOUT, placementSettings } from "./cluster_placement.ts";
import type { ClusterShape } from "./cluster_types.ts";
import { WORKLOAD_NAMESPACE } from "./workload.ts";
import type { SimMachine, SimProcess, SimWorld } from "./world.ts";

/** Port on which nodes serve clients. */
export const CLUSTER_SERVICE_PORT = 3000;
/** Port on which nodes talk to each other, but for heartbeats. */
export const CLUSTER_FABRIC_PORT = 3001;
const HEARTBEAT_PORT = 3002;

/** Statistics in the log say nothing that a report needs. */
const TICKER_INTERVAL_S = 3600;

/** Where a node keeps its records, when it does. */
export const DATA_FOLDER = "/data/";
/** The file there. */
export const DATA_FILE = "/data/test.dat";
/** A second one, for some. */
export const SECOND_DATA_FILE = "/data/test2.dat";
/** Largest record where blocks are as small as can be, so that some are full and used again within a run. */
const RECORD_SIZE_SMALL_BYTES = 128 * 1024;
const FILE_SIZE_BYTES = 16 * 1024 * 1024;

/** Tombstones on devices go as soon as no node can be away any more. */
const RAID_PERIOD_S = 3;
const RAID_AGE_S = 45;

/** Nodes hardly use promises. */
const NODE_TURN_COUNT = 1;

/** Memory for records of each node. */
const DATA_SIZE_BYTES = 64 * 1024 * 1024;

/** How a node differs from others: most look a little like a stock one. */
export interface NodeTraits {
  /** It can do nothing that a stock node can't. */
  readonly isStockLike: boolean;
  /** It does not say what it is, either. */
  readonly tellsNothing: boolean;
  /** Bits of the capability word that it lacks in any case. */
  readonly withheld: number;
  /** See `EventOwner`. */
  readonly turnMaxUs: number | undefined;
}

/** A time in which a process stood still. */
export interface Sleep {
  readonly fromUs: number;
  readonly untilUs: number;
  /** The cluster that its tables followed. */
  readonly committed: ExchangeResult | undefined;
}

/** One node of the cluster, running or not. */
export class ClusterMember {
  readonly index: number;
  /** Node id as configured. */
  readonly id: string;
  readonly machine: SimMachine;
  /** The process that runs; undefined while none does. */
  process: SimProcess | undefined;
  /** The node in it, as soon as it has started. */
  node: AerieNode | undefined;
  /** Whether it is meant to run: false before it joins, while it is about to end, and until the next start. */
  isWanted = false;
  /** Nobody hears it, clients neither; see `cluster_left_behind.ts`. */
  isCutOff = false;
  /** Times that it was started. */
  startCount = 0;
  /** When its last process ended, in microseconds; -1 when none has. */
  endedUs = -1;
  /** The last time that its process stood still. */
  sleep: Sleep | undefined;
  /** Logs of its processes, the last one last. */
  readonly #logs: (readonly string[])[] = [];

  constructor(index: number, machine: SimMachine) {
    this.index = index;
    this.id = `A${index + 1}`;
    this.machine = machine;
  }

  /** Whether a process runs and its node has started. */
  get isUp(): boolean {
    return this.node !== undefined && this.process?.alive === true;
  }

  /** Table of the workload's namespace. */
  get partitions(): PartitionTable {
    return this.node!.namespaces[0].partitions;
  }

  /** Records of the workload's namespace. */
  get store(): NamespaceStore {
    return this.node!.namespaces[0].store;
  }

  /** Last lines of the logs. */
  log(lineCount: number): string[] {
    return this.#logs.flat().slice(-lineCount);
  }

  /** Starts a process with an empty node; does nothing when one runs. */
  start(settings: Settings, options: NodeTraits): void {
    if (this.process?.alive === true) return;
    const process = this.machine.start(this.id);
    process.promiseTurnCount = NODE_TURN_COUNT;
    process.turnMaxUs = options.turnMaxUs;
    this.process = process;
    this.#logs.push(process.log.lines);
    this.node = undefined;
    this.sleep = undefined;
    this.isWanted = true;
    this.startCount++;
    const { simulation } = this.machine.world;
    this.#open(process, settings, options).then((node) => {
      if (process.alive && this.process === process) this.node = node;
    }).catch((error) => {
      if (process.alive) simulation.fail(error);
    });
  }

  async #open(
    process: SimProcess,
    settings: Settings,
    { isStockLike, tellsNothing, withheld }: NodeTraits,
  ): Promise<AerieNode> {
    const node = await createNode({
      settings,
      ports: process.ports,
      onFailure: (error) => this.machine.world.simulation.fail(error),
    });
    node.cluster.own.withheldCapabilities = isStockLike ? -1 : withheld;
    node.cluster.own.tellsNoCapabilities = isStockLike && tellsNothing;
    await node.start();
    return node;
  }

  /** Ends the process at once; `silently` as a power cut does. */
  die(silently: boolean): void {
    const { process } = this;
    this.process = undefined;
    this.node = undefined;
    this.endedUs = this.machine.world.simulation.nowUs;
    this.isWanted = false;
    if (silently) this.machine.cutPower();
    else process?.kill();
  }

  /** Ends the process in order; calls back when it is gone. */
  stop(onStopped: () => void): void {
    const { node, process } = this;
    this.isWanted = false;
    if (node === undefined || process === undefined) {
      this.die(false);
      onStopped();
      return;
    }
    const end = () => {
      if (this.process === process) {
        this.die(false);
        onStopped();
      }
    };
    node.stop().then(end, (error) => this.machine.world.simulation.fail(error));
  }

  /** Lets the process stand still. */
  freeze(durationMs: number): void {
    const { process } = this;
    if (process === undefined) return;
    const { nowUs } = this.machine.world.simulation;
    const since = this.isFrozen ? this.sleep : undefined;
    process.freeze(durationMs * 1000);
    const { fromUs, committed } = since ?? { fromUs: nowUs, committed: this.node?.cluster.committed };
    this.sleep = { fromUs, untilUs: process.frozenUntilUs, committed };
  }

  /** Whether the process stands still now. */
  get isFrozen(): boolean {
    const { process } = this;
    return process !== undefined && process.frozenUntilUs > this.machine.world.simulation.nowUs;
  }
}

/** All nodes of a run. */
export class ClusterMembers {
  /** In the order of their ids. */
  readonly all: readonly ClusterMember[];
  readonly #shape: ClusterShape;
  readonly #byProcess = new Map<number, ClusterMember>();

  constructor(world: SimWorld, shape: ClusterShape) {
    this.#shape = shape;
    const members: ClusterMember[] = [];
    for (let index = 0; index < shape.nodeCount + shape.spareCount; index++) {
      members.push(new ClusterMember(index, world.addMachine(`node${index + 1}`)));
    }
    this.all = members;
  }

  /** Those that run. */
  get up(): ClusterMember[] {
    return this.all.filter((member) => member.isUp);
  }

  /** Host names for clients. */
  get hosts(): string[] {
    return this.all.slice(0, this.#shape.nodeCount).map(({ machine }) =>
      `${machine.name}:${CLUSTER_SERVICE_PORT}`
    );
  }

  /** The member whose process has this number. */
  ofProcess(processId: number): ClusterMember | undefined {
    return this.#byProcess.get(processId);
  }

  /** Starts a member that does not run. */
  start(member: ClusterMember): void {
    if (member.process?.alive === true) return;
    const { stockLikeNode, stockTellsNothing = false, wishes, turnMaxUs } = this.#shape;
    const isStockLike = member.index === stockLikeNode;
    const isEarlier = member.index === wishes?.earlierNode && !(wishes.isUpgraded && member.startCount > 0);
    const withheld = isEarlier ? EARLIER_WITHOUT : 0;
    const traits = { isStockLike, tellsNothing: stockTellsNothing, withheld, turnMaxUs };
    member.start(this.#settings(member), traits);
    this.#byProcess.set(member.process!.id, member);
  }

  #settings({ index, id }: ClusterMember): Settings {
    const {
      nodeCount,
      heartbeatIntervalMs,
      heartbeatTimeoutCount,
      replicationFactor,
      conflictPolicy,
      hasFiles,
      isOnDevice = false,
      commits = false,
      hasTwoDevices = false,
      readsDevices = false,
      transactionRetryMs,
      migrateSleepUs,
      wishes,
    } = this.#shape;
    const files = {
      files: hasTwoDevices ? [DATA_FILE, SECOND_DATA_FILE] : [DATA_FILE],
      filesize: FILE_SIZE_BYTES,
    };
    const cache = readsDevices ? { postWriteCache: 0 } : {};
    const seeds = this.all.slice(0, nodeCount).filter((other) => other.index !== index);
    return defaultSettings({
      service: {
        nodeId: id,
        tickerInterval: TICKER_INTERVAL_S,
        ...(transactionRetryMs === undefined ? {} : { transactionRetryMs }),
      },
      network: {
        service: { addresses: ["any"], port: CLUSTER_SERVICE_PORT },
        fabric: { addresses: ["any"], port: CLUSTER_FABRIC_PORT },
        heartbeat: {
          addresses: ["any"],
          port: HEARTBEAT_PORT,
          interval: heartbeatIntervalMs,
          timeout: heartbeatTimeoutCount,
          meshSeedAddressPorts: seeds.map(({ machine }) => `${machine.name} ${HEARTBEAT_PORT}`),
        },
      },
      namespaces: [{
        name: WORKLOAD_NAMESPACE,
        replicationFactor,
        ...(wishes === undefined ? {} : placementSettings(wishes, index)),
        conflictResolutionPolicy: conflictPolicy,
        // Few sprigs, so that a walk over few records is short.
        partitionTreeSprigs: 16,
        nsupPeriod: 1,
        ...(readsDevices ? { maxRecordSize: RECORD_SIZE_SMALL_BYTES } : {}),
        ...(migrateSleepUs === undefined ? {} : { migrateSleep: migrateSleepUs }),
        allowTtlWithoutNsup: true,
        ...(isOnDevice ? { tombRaiderPeriod: RAID_PERIOD_S, tombRaiderEligibleAge: RAID_AGE_S } : {}),
        storage: isOnDevice
          ? { kind: "device", ...files, ...cache, commitToDevice: commits }
          : { kind: "memory", dataSize: DATA_SIZE_BYTES, ...(hasFiles ? files : {}) },
      }],
    });
  }
}
