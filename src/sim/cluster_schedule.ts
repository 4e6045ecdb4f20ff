/**
 * Makes the schedule of a run from its seed, and makes failing schedules smaller.
 *
 * @module
 */
import type {
  ClusterFault,
  ClusterPhase,
  ClusterSchedule,
  ClusterShape,
  Epoch,
  PlannedFault,
} from "./cluster_types.ts";
import { SeededRandom } from "./seeded_random.ts";

/** Faults of a run at least. */
const FAULT_COUNT_MIN = 10;

const EPOCH_COUNT_MIN = 4;
const EPOCH_COUNT_MAX = 6;

/** Clients go on for so long after the last fault: some calls must be seen from beginning to end in calm times. */
const CALM_WORK_MS = 700;

/** A block of a device is full after some seconds of writes with this. */
const FILLER_SIZE_BYTES = 12_000;

/** Work of all epochs together; quiet times come on top. */
const WORK_MS = 72_000;

/** Steps of all clients together, so that there are more operations than a run must have. */
const STEPS_PER_SECOND = 66;

/** Faults that leave the network whole and the data safe, with how likely each is. */
const SAFE_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow", 2],
  ["stall", 2],
  ["clog", 2],
  ["reset", 3],
  ["cut-bytes", 1],
  ["stick", 3],
  ["blink", 2],
  ["freeze", 2],
  ["sleep", 2],
  ["kill", 5],
  ["vanish", 2],
  ["lonely", 2],
  ["stop", 2],
  ["join", 2],
  ["jump", 1],
  ["drift", 1],
  ["recluster", 3],
  ["quiesce", 2],
  ["client-cut", 1],
  ["skew", 1],
  ["truncate", 2],
];

/** Faults of an epoch in which the network may split. */
const SPLIT_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["isolate", 4],
  ["halves", 5],
  ["partial", 3],
  ["one-way", 3],
  ["slow", 1],
  ["clog", 1],
  ["reset", 1],
  ["stick", 2],
  ["sleep", 2],
  ["kill", 2],
  ["jump", 1],
  ["recluster", 1],
  ["blink", 1],
  ["client-cut", 1],
  ["skew", 1],
  ["truncate", 2],
];

/** Faults of disks: with files; and where every acknowledged write is synced. */
const DISK_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow-disk", 4],
  ["vanish", 6],
  ["bad-reads", 4],
  ["bad-writes", 4],
  ["rot", 3],
  ["corrupt", 3],
];
/** The same in an epoch in which any number of nodes may fail: damage to all copies of a record is not repaired. */
const SPLIT_DISK_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow-disk", 4],
  ["vanish", 6],
  ["bad-writes", 4],
];
const COMMIT_FAULTS: readonly (readonly [ClusterFault, number])[] = [["blackout", 8]];

/** Bounds of the duration of each kind, in milliseconds. */
const DURATIONS: Readonly<Record<ClusterFault, readonly [number, number]>> = {
  "slow": [500, 6000],
  "stall": [200, 800],
  "clog": [500, 5000],
  "reset": [0, 0],
  "cut-bytes": [500, 4000],
  "stick": [50, 2000],
  "blink": [50, 700],
  "isolate": [1000, 9000],
  "halves": [1500, 9000],
  "partial": [1000, 9000],
  "one-way": [1000, 9000],
  "freeze": [20, 900],
  "sleep": [1600, 6000],
  "kill": [20, 6000],
  "vanish": [50, 6000],
  "lonely": [200, 900],
  "stop": [50, 5000],
  "join": [2000, 9000],
  "jump": [0, 0],
  "drift": [0, 0],
  "recluster": [0, 0],
  "quiesce": [2000, 6000],
  "client-cut": [200, 3000],
  "skew": [0, 0],
  "truncate": [0, 0],
  "slow-disk": [500, 6000],
  "bad-reads": [200, 9000],
  "bad-writes": [200, 14_000],
  "rot": [0, 0],
  "corrupt": [200, 4000],
  "blackout": [0, 0],
};

/** Shortest node timeout that a shape may have: brief faults must stay below it. */
const SETTINGS: readonly (readonly [number, number])[] = [[150, 10], [150, 10], [150, 10], [100, 15], [
  250,
  10,
]];

/** Faults that wait for a phase, and how likely each is: those that are rare by themselves more than others. */
const PHASE_CHANCE = 0.75;
const PHASES: readonly (readonly [ClusterPhase, number])[] = [
  ["paxos", 3],
  ["exchange", 4],
  ["migration", 2],
  ["hand-off", 4],
  ["duplicate resolution", 4],
  ["replica write", 2],
];

/**
 * Partitions of a run, with how likely each number is. Nearly all work of a change of the cluster is the same for each
 * partition, and some dozens of records are in few of them: most runs are of a small model, some of the full number.
 */
const PARTITION_COUNTS: readonly (readonly [number, number])[] = [[128, 6], [256, 8], [1024, 1], [4096, 1]];

/** The schedule that a seed means. */
export function makeSchedule(seed: number, nodeCounts: { min: number; max: number }): ClusterSchedule {
  const random = new SeededRandom(seed).fork("schedule");
  const shape = makeShape(random, nodeCounts);
  const epochCount = random.between(EPOCH_COUNT_MIN, EPOCH_COUNT_MAX);
  const durationMs = Math.round(WORK_MS / epochCount);
  const epochs: Epoch[] = [];
  let faultCount = 0;
  for (let at = 0; at < epochCount; at++) {
    const kind = random.chance(0.6) ? "safe" : "split";
    const least = at === epochCount - 1 ? Math.max(2, FAULT_COUNT_MIN - faultCount) : 2;
    const faults = makeFaults(random, { kind, durationMs, shape, count: random.between(least, least + 5) });
    if (kind === "safe") faults.push(...makeLastFaults(random.fork(`last ${at}`), durationMs));
    faultCount += faults.length;
    epochs.push({ kind, durationMs, faults });
  }
  return { seed, shape, epochs };
}

function makeShape(random: SeededRandom, { min, max }: { min: number; max: number }): ClusterShape {
  const nodeCount = random.between(min, max);
  const [heartbeatIntervalMs, heartbeatTimeoutCount] = random.pick(SETTINGS);
  const loopsPerClient = random.between(2, 3);
  const clientCount = random.between(2, 3);
  return {
    nodeCount,
    spareCount: nodeCount < max ? random.between(0, 1) : 0,
    replicationFactor: random.pick([1, 2, 2, 2, 2, 3, 3]),
    heartbeatIntervalMs,
    heartbeatTimeoutCount,
    conflictPolicy: random.chance(0.6) ? "generation" : "last-update-time",
    stockLikeNode: random.chance(0.12) ? random.below(nodeCount) : -1,
    ...makeStorage(random),
    truncatedKeyCount: 6,
    hasIndex: random.fork("index").chance(0.25),
    ...(random.fork("clock").chance(0.3) ? { clockStepMs: random.fork("step").pick([50, 250, 1000]) } : {}),
    ...(random.fork("retry").chance(0.6) ? { transactionRetryMs: 60 } : {}),
    ...(random.fork("sleep").chance(0.3)
      ? { migrateSleepUs: random.fork("pause").pick([5000, 30_000]) }
      : {}),
    aimsAtPhases: true,
    calmWorkMs: CALM_WORK_MS,
    partitionCount: pickLikely(random.fork("partitions"), PARTITION_COUNTS),
    keyCount: random.pick([20, 40, 80]),
    clientCount,
    loopsPerClient,
    // So many steps per second, whatever the number of loops.
    thinkMaxMs: Math.round((2000 * clientCount * loopsPerClient) / STEPS_PER_SECOND),
    timeoutMs: random.pick([300, 1000]),
  };
}

/** A third has files; of those half keep records there alone, and half of those sync before they answer. */
function makeStorage(
  random: SeededRandom,
): Pick<
  ClusterShape,
  "hasFiles" | "isOnDevice" | "commits" | "hasTwoDevices" | "readsDevices" | "fillerBytes"
> {
  const hasFiles = random.chance(0.36);
  const own = random.fork("storage");
  const isOnDevice = hasFiles && own.chance(0.6);
  const commits = isOnDevice && own.chance(0.6);
  if (!isOnDevice) return { hasFiles, isOnDevice, commits };
  const hasTwoDevices = own.chance(0.5);
  const readsDevices = own.chance(0.7);
  return {
    hasFiles,
    isOnDevice,
    commits,
    hasTwoDevices,
    readsDevices,
    ...(readsDevices ? { fillerBytes: FILLER_SIZE_BYTES } : {}),
  };
}

function pickLikely<T>(random: SeededRandom, choices: readonly (readonly [T, number])[]): T {
  return choices[random.pickWeighted(choices.map(([, weight]) => weight))][0];
}

function makeFaults(
  random: SeededRandom,
  { kind, durationMs, shape, count }: {
    kind: Epoch["kind"];
    durationMs: number;
    shape: ClusterShape;
    count: number;
  },
): PlannedFault[] {
  const choices = [
    ...(kind === "safe" ? SAFE_FAULTS : SPLIT_FAULTS),
    ...(shape.isOnDevice ? kind === "safe" ? DISK_FAULTS : SPLIT_DISK_FAULTS : []),
    ...(shape.commits && kind === "safe" ? COMMIT_FAULTS : []),
  ];
  const weights = choices.map(([, weight]) => weight);
  const faults: PlannedFault[] = [];
  for (let at = 0; at < count; at++) {
    const [fault] = choices[random.pickWeighted(weights)];
    const [shortest, longest] = DURATIONS[fault];
    const planned: PlannedFault = {
      atMs: random.below(Math.round(durationMs * 0.9)),
      kind: fault,
      node: random.below(64),
      other: random.below(64),
      durationMs: random.between(shortest, longest),
      amount: random.below(1000),
    };
    faults.push(random.chance(PHASE_CHANCE) ? { ...planned, phase: pickLikely(random, PHASES) } : planned);
  }
  return faults.sort((left, right) => left.atMs - right.atMs);
}

/** In half of the epochs messages are under way, and lost, when the last fault ends: what was lost must be asked for again. */
function makeLastFaults(random: SeededRandom, durationMs: number): PlannedFault[] {
  if (!random.chance(0.5)) return [];
  const fromEndMs = random.between(100, 500);
  return [{
    atMs: durationMs - fromEndMs,
    kind: "stick",
    node: random.below(64),
    other: random.below(64),
    durationMs: fromEndMs * 2,
    amount: random.below(1000),
  }];
}

/** Schedules that are a little smaller than a given one, the smallest first. */
export function* smallerSchedules(schedule: ClusterSchedule): Generator<ClusterSchedule> {
  const { epochs } = schedule;
  for (let at = epochs.length - 1; at >= 0 && epochs.length > 1; at--) {
    yield { ...schedule, epochs: epochs.filter((_, index) => index !== at) };
  }
  for (let at = epochs.length - 1; at >= 0; at--) {
    const { faults } = epochs[at];
    if (faults.length > 2) {
      const half = faults.length >> 1;
      yield withFaults(schedule, at, faults.slice(0, half));
      yield withFaults(schedule, at, faults.slice(half));
    }
    for (let index = faults.length - 1; index >= 0; index--) {
      yield withFaults(schedule, at, faults.filter((_, other) => other !== index));
    }
  }
  for (let at = 0; at < epochs.length; at++) {
    const durationMs = Math.round(epochs[at].durationMs / 2);
    if (durationMs < 500 || epochs[at].faults.some(({ atMs }) => atMs >= durationMs)) continue;
    yield {
      ...schedule,
      epochs: epochs.map((epoch, index) => index === at ? { ...epoch, durationMs } : epoch),
    };
  }
}

function withFaults(
  schedule: ClusterSchedule,
  epochIndex: number,
  faults: readonly PlannedFault[],
): ClusterSchedule {
  return {
    ...schedule,
    epochs: schedule.epochs.map((epoch, index) => index === epochIndex ? { ...epoch, faults } : epoch),
  };
}

/** A schedule as a person reads it. */
export function scheduleText({ seed, shape, epochs }: ClusterSchedule): string {
  const lines = [`seed ${seed}, ${JSON.stringify(shape)}`];
  epochs.forEach(({ kind, durationMs, faults }, at) => {
    lines.push(`  epoch ${at}: ${kind}, ${durationMs} ms`);
    for (const { atMs, kind, node, other, durationMs, amount, phase } of faults) {
      const when = phase === undefined ? "" : `, during ${phase}`;
      lines.push(
        `    ${atMs} ms ${kind} node ${node} other ${other} for ${durationMs} ms (${amount})${when}`,
      );
    }
  });
  return lines.join("\n");
}
