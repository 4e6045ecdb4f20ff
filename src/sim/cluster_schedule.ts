/**
 * Makes the schedule of a run from its seed, and makes failing schedules smaller.
 *
 * @module
 */
import { makeWishes } from "./cluster_placement.ts";
import {
  CLUSTER_PHASES,
  type ClusterFault,
  type ClusterPhase,
  type ClusterSchedule,
  type ClusterShape,
  type Epoch,
  type PlannedFault,
} from "./cluster_types.ts";
import { SeededRandom } from "./seeded_random.ts";

/** Faults that are planned for a run at least: ten must strike, and some would take too much. */
const FAULT_COUNT_MIN = 14;

const EPOCH_COUNT_MIN = 4;
const EPOCH_COUNT_MAX = 6;

/** Clients go on for so long after the last fault: some calls must be seen from beginning to end in calm times. */
const CALM_WORK_MS = 700;

/** A block of a device is full after some seconds of writes with this. */
const FILLER_SIZE_BYTES = 12_000;

/** Pauses of migrations after each record: while they last there are copies that differ. */
const MIGRATE_SLEEPS_US = [5000, 30_000, 100_000];

/** Turns of nodes that are busy, in some runs. */
const BUSY_CHANCE = 0.15;
const TURNS_MAX_US = [1000, 5000];

/** Share of the requests that are for a few records: those are written again and again while something happens to them. */
const HOT_SHARE = 0.35;

/** Work of all epochs together; quiet times come on top. */
const WORK_MS = 72_000;

/** Steps of all clients together, so that there are more operations than a run must have. */
const STEPS_PER_SECOND = 66;

/** Faults that leave the network whole and the data safe, with how often each is planned. */
const SAFE_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow", 1],
  ["stall", 1],
  ["clog", 1],
  ["reset", 1],
  ["cut-bytes", 1],
  ["stick", 1],
  ["blink", 1],
  ["freeze", 1],
  ["sleep", 1.5],
  ["kill", 1.5],
  ["vanish", 1],
  ["lonely", 1.5],
  ["stop", 1.5],
  ["jump", 1],
  ["drift", 1],
  ["recluster", 1],
  ["quiesce", 1],
  ["client-cut", 1],
  ["skew", 1],
  ["truncate", 1],
];

/** More faults of an epoch in which the network may split. */
const SPLIT_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["isolate", 3],
  ["halves", 3],
  ["partial", 3],
  ["one-way", 3],
];

/** Faults of disks: with files; and where every acknowledged write is synced. */
const DISK_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow-disk", 7],
  ["vanish", 2],
  ["bad-reads", 14],
  ["bad-writes", 6],
  ["rot", 16],
  ["corrupt", 14],
];
/** Where nodes have two devices, one of which may die. */
const TWO_DEVICE_FAULTS: readonly (readonly [ClusterFault, number])[] = [["dead-disk", 34]];
/** So that some records are neither read nor written while their device is dying. */
const TWO_DEVICE_KEYS_FACTOR = 2;
/** The same in an epoch in which any number of nodes may fail: damage to all copies of a record is not repaired. */
const SPLIT_DISK_FAULTS: readonly (readonly [ClusterFault, number])[] = [
  ["slow-disk", 7],
  ["vanish", 2],
  ["bad-writes", 7],
];
const COMMIT_FAULTS: readonly (readonly [ClusterFault, number])[] = [["blackout", 24]];

/** Faults that may always strike: ten must, and of those that are planned some would take too much. */
const MORE_FAULTS: readonly ClusterFault[] = ["reset", "clog", "cut-bytes", "slow", "stall"];
const MORE_FAULT_COUNT = 10;
const MORE_FAULTS_WITHIN_MS = 1000;

/** Faults that cost a copy of what a node has: in a safe epoch there must be another one. */
const COSTLY_FAULTS: ReadonlySet<ClusterFault> = new Set([
  "lonely",
  "kill",
  "vanish",
  "stop",
  "sleep",
  "bad-reads",
  "dead-disk",
  "rot",
  "corrupt",
]);

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
  "re-rack": [0, 0],
  "slow-disk": [500, 6000],
  "bad-reads": [200, 9000],
  "bad-writes": [200, 14_000],
  "dead-disk": [5000, 14_000],
  "rot": [0, 0],
  "corrupt": [200, 4000],
  "blackout": [0, 0],
};

/**
 * Heartbeat intervals in milliseconds and timeouts in intervals, with how often each pair is planned. Brief faults stay below
 * the shortest node timeout.
 */
const SETTINGS: readonly (readonly [readonly [number, number], number])[] = [
  [[150, 10], 5],
  [[100, 15], 1],
  [[250, 6], 8],
  [[250, 10], 2],
];

/**
 * How often a cluster has the fewest nodes, one more, and so on. Each node talks to each other one, so that seven nodes
 * take three times the work of three; most of what can go wrong needs three or four.
 */
const NODE_COUNT_WEIGHTS: readonly number[] = [6, 4, 3, 2, 1];

/** How often clients ask for news, in milliseconds: not more often than others do, and some more rarely. */
const TEND_INTERVALS_MS: readonly number[] = [1000, 2000, 3000];

/** Phases that faults wait for, with how often each is planned: more often when it does not always come. */
const SAFE_PHASES: readonly (readonly [ClusterPhase, number])[] = [
  ["paxos", 1],
  ["exchange", 1.3],
  ["migration", 0.7],
  ["hand-off", 2.6],
  ["duplicate resolution", 1.6],
  ["replica write", 1],
];
const SPLIT_PHASES: readonly (readonly [ClusterPhase, number])[] = [
  ["paxos", 1],
  ["exchange", 1.3],
  ["migration", 0.7],
  ["hand-off", 2.3],
  ["duplicate resolution", 2.4],
  ["replica write", 1],
];

/** Of so many faults one waits for nothing. */
const WITHOUT_PHASE_EVERY = 12;

/**
 * Which pair of a fault and a phase comes next: steps of the golden ratio through the list of all pairs. However the list
 * differs between epochs, and whichever seeds are run, all of its places are met evenly.
 */
const GOLDEN_RATIO = 0.6180339887498949;
const FAULTS_PER_SEED = 24;

/** Faults of an epoch come in this share of it, at the latest: then there is time to wait for a phase. */
const LATEST_SHARE = 0.5;
/** Where the power goes everywhere it does so in this share of that time. */
const BLACKOUT_SHARE = 0.3;

/**
 * Partitions of a run, with how likely each number is. Nearly all work of a change of the cluster is the same for each
 * partition, and some dozens of records are in few of them: most runs are of a small model, one in a hundred of the full
 * number.
 */
const PARTITION_COUNTS: readonly (readonly [number, number])[] = [
  [64, 50],
  [128, 40],
  [256, 7],
  [1024, 2],
  [4096, 1],
];

/** The schedule that a seed means. */
export function makeSchedule(seed: number, nodeCounts: { min: number; max: number }): ClusterSchedule {
  const random = new SeededRandom(seed).fork("schedule");
  const shape = makeShape(random, nodeCounts);
  const epochCount = random.between(EPOCH_COUNT_MIN, EPOCH_COUNT_MAX);
  const durationMs = Math.round(WORK_MS / epochCount);
  const epochs: Epoch[] = [];
  let faultCount = 0;
  for (let at = 0; at < epochCount; at++) {
    const kind = random.chance(0.55) ? "safe" : "split";
    const least = at === epochCount - 1 ? Math.max(2, FAULT_COUNT_MIN - faultCount) : 2;
    const count = random.between(least, least + 3);
    const first = seed * FAULTS_PER_SEED + faultCount;
    const faults = makeFaults(random, { kind, durationMs, shape, count, first });
    if (at < shape.spareCount) {
      faults.push(planFault(random, { kind: "join", durationMs, phase: CLUSTER_PHASES[seed % 6] }));
    }
    if (kind === "safe") faults.push(...makeLastFaults(random.fork(`last ${at}`), durationMs));
    faultCount += faults.length;
    const more = shape.wishes === undefined ? [] : planChangedWishes(random.fork(`wishes ${at}`), durationMs);
    epochs.push({ kind, durationMs, faults: [...faults, ...more] });
  }
  return { seed, shape, epochs, moreFaults: planMoreFaults(random.fork("more")) };
}

/** Operators change their wishes in half of the epochs, once or twice. */
function planChangedWishes(random: SeededRandom, durationMs: number): PlannedFault[] {
  return Array.from(
    { length: random.pick([0, 0, 1, 2]) },
    () => planFault(random, { kind: "re-rack", durationMs, phase: random.pick(CLUSTER_PHASES) }),
  );
}

function planMoreFaults(random: SeededRandom): PlannedFault[] {
  const durationMs = MORE_FAULTS_WITHIN_MS;
  return Array.from(
    { length: MORE_FAULT_COUNT },
    () => planFault(random, { kind: random.pick(MORE_FAULTS), durationMs }),
  );
}

function makeShape(random: SeededRandom, { min, max }: { min: number; max: number }): ClusterShape {
  const nodeCount = pickNodeCount(random.fork("nodes"), min, max);
  const [heartbeatIntervalMs, heartbeatTimeoutCount] = pickLikely(random.fork("heartbeat"), SETTINGS);
  const loopsPerClient = random.between(2, 3);
  const clientCount = random.between(2, 3);
  const shape: ClusterShape = {
    nodeCount,
    spareCount: nodeCount < max && random.chance(0.7) ? 1 : 0,
    replicationFactor: random.pick([1, 2, 2, 2, 2, 3, 3]),
    heartbeatIntervalMs,
    heartbeatTimeoutCount,
    conflictPolicy: random.chance(0.6) ? "generation" : "last-update-time",
    stockLikeNode: random.chance(0.16) ? random.below(nodeCount) : -1,
    ...(random.fork("stock").chance(0.5) ? { stockTellsNothing: true } : {}),
    ...makeStorage(random),
    truncatedKeyCount: 6,
    hasIndex: random.fork("index").chance(0.25),
    ...(random.fork("clock").chance(0.4)
      ? { clockStepMs: random.fork("step").pick([50, 250, 1000, 1000]) }
      : {}),
    ...(random.fork("retry").chance(0.6) ? { transactionRetryMs: 60 } : {}),
    ...(random.fork("sleep").chance(0.5)
      ? { migrateSleepUs: random.fork("pause").pick(MIGRATE_SLEEPS_US) }
      : {}),
    ...(random.fork("busy").chance(BUSY_CHANCE) ? { turnMaxUs: random.fork("turn").pick(TURNS_MAX_US) } : {}),
    ...(random.fork("hot").chance(0.75) ? { hotShare: HOT_SHARE } : {}),
    aimsAtPhases: true,
    strikesInPhases: true,
    leavesBehind: true,
    isPatient: true,
    replacesDisks: true,
    calmWorkMs: CALM_WORK_MS,
    partitionCount: pickLikely(random.fork("partitions"), PARTITION_COUNTS),
    keyCount: random.pick([20, 40, 80]),
    clientCount,
    tendIntervalMs: random.fork("tend").pick(TEND_INTERVALS_MS),
    loopsPerClient,
    // So many steps per second, whatever the number of loops.
    thinkMaxMs: Math.round((2000 * clientCount * loopsPerClient) / STEPS_PER_SECOND),
    timeoutMs: random.pick([300, 1000]),
  };
  const wishes = makeWishes(random.fork("wishes"), nodeCount + shape.spareCount);
  return {
    ...shape,
    ...(shape.hasTwoDevices ? { keyCount: shape.keyCount * TWO_DEVICE_KEYS_FACTOR } : {}),
    ...(wishes === undefined ? {} : { wishes }),
  };
}

/** Nearly half have files; most of those keep records there alone, and most of those sync before they answer. */
function makeStorage(
  random: SeededRandom,
): Pick<
  ClusterShape,
  "hasFiles" | "isOnDevice" | "commits" | "hasTwoDevices" | "readsDevices" | "fillerBytes"
> {
  const hasFiles = random.chance(0.55);
  const own = random.fork("storage");
  const isOnDevice = hasFiles && own.chance(0.8);
  const commits = isOnDevice && own.chance(0.65);
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

function pickNodeCount(random: SeededRandom, min: number, max: number): number {
  const weights = Array.from({ length: max - min + 1 }, (_, more) => NODE_COUNT_WEIGHTS[more] ?? 1);
  return min + random.pickWeighted(weights);
}

function pickLikely<T>(random: SeededRandom, choices: readonly (readonly [T, number])[]): T {
  return choices[random.pickWeighted(choices.map(([, weight]) => weight))][0];
}

function makeFaults(
  random: SeededRandom,
  { kind, durationMs, shape, count, first }: {
    kind: Epoch["kind"];
    durationMs: number;
    shape: ClusterShape;
    count: number;
    /** Number of the first one among those of all seeds. */
    first: number;
  },
): PlannedFault[] {
  const choices = [
    ...SAFE_FAULTS,
    ...(kind === "split" ? SPLIT_FAULTS : []),
    ...(shape.isOnDevice ? kind === "safe" ? DISK_FAULTS : SPLIT_DISK_FAULTS : []),
    ...(shape.hasTwoDevices && kind === "safe" ? TWO_DEVICE_FAULTS : []),
    ...(shape.commits && kind === "safe" ? COMMIT_FAULTS : []),
  ].filter(([fault]) => kind === "split" || shape.replicationFactor > 1 || !COSTLY_FAULTS.has(fault));
  const phases = kind === "safe" ? SAFE_PHASES : SPLIT_PHASES;
  const faults: PlannedFault[] = [];
  for (let at = 0; at < count; at++) {
    const place = ((first + at) * GOLDEN_RATIO) % 1;
    const chosen = chooseAt(choices, place);
    const waits = (first + at) % WITHOUT_PHASE_EVERY !== 0;
    faults.push(planFault(random, {
      kind: chosen.choice,
      durationMs,
      ...(waits ? { phase: chooseAt(phases, chosen.rest).choice } : {}),
    }));
  }
  return blackOutFirst(faults, durationMs).sort((left, right) => left.atMs - right.atMs);
}

/** The power goes everywhere only while nothing has failed: what costs copies comes later in such an epoch. */
function blackOutFirst(faults: readonly PlannedFault[], durationMs: number): PlannedFault[] {
  if (!faults.some(({ kind }) => kind === "blackout")) return [...faults];
  return faults.map((fault) => {
    const { kind, atMs } = fault;
    if (kind === "blackout") return { ...fault, atMs: Math.round(atMs * BLACKOUT_SHARE) };
    if (!COSTLY_FAULTS.has(kind) && kind !== "quiesce") return fault;
    return { ...fault, atMs: Math.round(durationMs * LATEST_SHARE + atMs * BLACKOUT_SHARE) };
  });
}

/**
 * The choice at a place, from 0 to 1, when each takes as much room as its weight says.
 *
 * @returns the place within that room, too
 */
function chooseAt<T>(choices: readonly (readonly [T, number])[], place: number): { choice: T; rest: number } {
  let left = place * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    if (left < weight) return { choice, rest: left / weight };
    left -= weight;
  }
  return { choice: choices[choices.length - 1][0], rest: 0 };
}

function planFault(
  random: SeededRandom,
  { kind, durationMs, phase }: { kind: ClusterFault; durationMs: number; phase?: ClusterPhase },
): PlannedFault {
  const [shortest, longest] = DURATIONS[kind];
  return {
    atMs: random.below(Math.round(durationMs * LATEST_SHARE)),
    kind,
    node: random.below(64),
    other: random.below(64),
    durationMs: random.between(shortest, longest),
    amount: random.below(1000),
    ...(phase === undefined ? {} : { phase }),
  };
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
  const { epochs, moreFaults = [] } = schedule;
  if (moreFaults.length > 0) yield { ...schedule, moreFaults: [] };
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
