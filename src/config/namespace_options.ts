/**
 * Options of the `namespace` contexts, apart from storage.
 *
 * @module
 */
import {
  bool,
  defineNames,
  defineOptions,
  GIB,
  int,
  list,
  MIB,
  ms,
  oneOf,
  type OptionTable,
  percent,
  seconds,
  size,
  SIZE_MAX,
} from "./option.ts";

/** Settings of one namespace that stand directly in its block. */
export interface NamespaceOptions {
  /** Rack holding all masters. */
  activeRack: number;
  /** Accept TTLs although nsup is off. */
  allowTtlWithoutNsup: boolean;
  /** False ignores writes that would shorten a TTL (since 8.1). */
  applyTtlReductions: boolean;
  /** Revive dead partitions at start. */
  autoRevive: boolean;
  /** Records/s limit of background queries. */
  backgroundQueryMaxRps: number;
  /** Which of two copies wins when partitions merge. */
  conflictResolutionPolicy: "generation" | "last-update-time";
  /** Compare times on writes (active-active). */
  conflictResolveWrites: boolean;
  /** A read renews the time to live when less than this share of it is left; 0 = never. */
  defaultReadTouchTtlPct: number;
  /** Time to live of a record whose writer asks for the default; 0 = for ever; needs nsup-period. */
  defaultTtl: number;
  /** Do not evict during cold start. */
  disableColdStartEviction: boolean;
  /** Refuse transactional writes. */
  disableMrtWrites: boolean;
  /** Writes skip duplicate resolution. */
  disableWriteDupRes: boolean;
  /** Refuse deletes without tombstone. */
  disallowExpunge: boolean;
  /** Refuse writes of records without a set. */
  disallowNullSetname: boolean;
  /** Histograms of the phases of batch rows. */
  enableBenchmarksBatchSub: boolean;
  /** Histograms of the phases of background operations. */
  enableBenchmarksOpsSub: boolean;
  /** Histograms of the phases of reads. */
  enableBenchmarksRead: boolean;
  /** Histograms of the phases of UDF calls. */
  enableBenchmarksUdf: boolean;
  /** Histograms of the phases of background UDF calls. */
  enableBenchmarksUdfSub: boolean;
  /** Histograms of the phases of writes. */
  enableBenchmarksWrite: boolean;
  /** Histogram of proxied requests. */
  enableHistProxy: boolean;
  /** Resolution of the eviction histogram. */
  evictHistBuckets: number;
  /** Evict when index memory exceeds this share of indexes-memory-budget. */
  evictIndexesMemoryPct: number;
  /** Share of the records, in tenths of a percent, that one round of eviction removes. */
  evictTenthsPct: number;
  /** Stock debugging aid: treat every query as long. */
  forceLongQueries: boolean;
  /** Do not apply migrate-fill-delay to this namespace. */
  ignoreMigrateFillDelay: boolean;
  /** Primary index allocation unit; power of two. */
  indexStageSize: number;
  /** Index memory limit; exceeding it stops writes; 0 = none. */
  indexesMemoryBudget: number;
  /** Run short queries on service threads. */
  inlineShortQueries: boolean;
  /** Largest record accepted, bytes (error 13 above it). */
  maxRecordSize: number;
  /** Order of this namespace in migrations, lower first. */
  migrateOrder: number;
  /** Time after which a migrating record is sent again. */
  migrateRetransmitMs: number;
  /** Skip records that cannot be read during migration. */
  migrateSkipUnreadable: boolean;
  /** Pause between two migrated records. */
  migrateSleep: number;
  /** Time limit of a multi-record transaction. */
  mrtDuration: number;
  /** Period of object-size and ttl histograms, 0 = off. */
  nsupHistPeriod: number;
  /** Expiry and eviction period, 0 = off. */
  nsupPeriod: number;
  /** Stock: expiry threads; a node here is one event loop. */
  nsupThreads: number;
  /** Sub-trees per partition, power of two. */
  partitionTreeSprigs: number;
  /** Spread partitions evenly over the nodes. */
  preferUniformBalance: boolean;
  /** Rack of this node. */
  rackId: number;
  /** How many copies a read asks, whatever the client wants. */
  readConsistencyLevelOverride: "all" | "off" | "one";
  /** Refuse client writes. */
  rejectNonXdrWrites: boolean;
  /** Refuse XDR writes. */
  rejectXdrWrites: boolean;
  /** Copies of each record; never more than there are nodes. */
  replicationFactor: number;
  /** Secondary index allocation unit; power of two. */
  sindexStageSize: number;
  /** Stock: threads per query; a node here is one event loop. */
  singleQueryThreads: number;
  /** Stop writes when the machine uses more than this share of its memory; 0 = off. */
  stopWritesSysMemoryPct: number;
  /** Linearizable mode. */
  strongConsistency: boolean;
  /** Allow deletes without tombstone in linearizable mode. */
  strongConsistencyAllowExpunge: boolean;
  /** Age below which a tombstone stays. */
  tombRaiderEligibleAge: number;
  /** Time between two sweeps that remove tombstones. */
  tombRaiderPeriod: number;
  /** Stock: threads of the tombstone sweep. */
  tombRaiderUnmarkThreads: number;
  /** Requests that may wait for one busy record; more get KEY_BUSY; 0 = no limit. */
  transactionPendingLimit: number;
  /** Stock: truncate threads; a node here is one event loop. */
  truncateThreads: number;
  /** How many copies a write waits for, whatever the client asks. */
  writeCommitLevelOverride: "all" | "master" | "off";
  /** Life of bin tombstones. */
  xdrBinTombstoneTtl: number;
  /** XDR tombstone sweep. */
  xdrTombRaiderPeriod: number;
  /** XDR tombstone sweep threads. */
  xdrTombRaiderThreads: number;
}

/** Rows of the `namespace` context. */
export const namespaceOptions: OptionTable = defineOptions<NamespaceOptions>({
  activeRack: int(0, {
    dynamic: true,
    range: [0, 1_000_000],
    doc: "rack holding all masters",
  }),
  allowTtlWithoutNsup: bool(false, { dynamic: true, doc: "accept TTLs although nsup is off" }),
  applyTtlReductions: bool(true, {
    dynamic: true,
    doc: "false ignores writes that would shorten a TTL (since 8.1)",
  }),
  autoRevive: bool(false, { status: "unsupported", doc: "revive dead partitions at start" }),
  backgroundQueryMaxRps: int(10000, {
    dynamic: true,
    range: [1, 1_000_000],
    doc: "records/s limit of background queries",
  }),
  conflictResolutionPolicy: oneOf(["generation", "last-update-time"], "generation", {
    dynamic: true,
    doc: "which of two copies wins when partitions merge",
  }),
  conflictResolveWrites: bool(false, {
    status: "unsupported",
    dynamic: true,
    doc: "compare times on writes (active-active)",
  }),
  defaultReadTouchTtlPct: percent(0, {
    dynamic: true,
    doc: "a read renews the time to live when less than this share of it is left; 0 = never",
  }),
  defaultTtl: seconds(0, {
    dynamic: true,
    range: [0, 315_360_000],
    doc: "time to live of a record whose writer asks for the default; 0 = for ever; needs nsup-period",
  }),
  disableColdStartEviction: bool(false, { status: "accepted", doc: "do not evict during cold start" }),
  disableMrtWrites: bool(false, { status: "unsupported", dynamic: true, doc: "refuse transactional writes" }),
  disableWriteDupRes: bool(false, {
    dynamic: true,
    doc: "writes skip duplicate resolution",
  }),
  disallowExpunge: bool(false, {
    status: "unsupported",
    dynamic: true,
    doc: "refuse deletes without tombstone",
  }),
  disallowNullSetname: bool(false, { dynamic: true, doc: "refuse writes of records without a set" }),
  enableBenchmarksBatchSub: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of batch rows",
  }),
  enableBenchmarksOpsSub: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of background operations",
  }),
  enableBenchmarksRead: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of reads",
  }),
  enableBenchmarksUdf: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of UDF calls",
  }),
  enableBenchmarksUdfSub: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of background UDF calls",
  }),
  enableBenchmarksWrite: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "histograms of the phases of writes",
  }),
  enableHistProxy: bool(false, { dynamic: true, doc: "histogram of proxied requests" }),
  evictHistBuckets: int(10000, {
    dynamic: true,
    range: [100, 10_000_000],
    doc: "resolution of the eviction histogram",
  }),
  evictIndexesMemoryPct: percent(0, {
    dynamic: true,
    doc: "evict when index memory exceeds this share of indexes-memory-budget",
  }),
  evictTenthsPct: int(5, {
    dynamic: true,
    doc: "share of the records, in tenths of a percent, that one round of eviction removes",
  }),
  forceLongQueries: bool(false, {
    dynamic: true,
    doc: "stock debugging aid: treat every query as long",
  }),
  ignoreMigrateFillDelay: bool(false, {
    dynamic: true,
    doc: "do not apply migrate-fill-delay to this namespace",
  }),
  indexStageSize: size(GIB, {
    status: "accepted",
    quiet: true,
    range: [128 * MIB, 16 * GIB],
    powerOfTwo: true,
    doc: "primary index allocation unit; power of two",
  }),
  indexesMemoryBudget: size(0, {
    dynamic: true,
    doc: "index memory limit; exceeding it stops writes; 0 = none",
  }),
  inlineShortQueries: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "run short queries on service threads",
  }),
  maxRecordSize: size(MIB, {
    dynamic: true,
    range: [64, 8 * MIB],
    doc: "largest record accepted, bytes (error 13 above it)",
  }),
  migrateOrder: int(5, {
    dynamic: true,
    range: [1, 10],
    doc: "order of this namespace in migrations, lower first",
  }),
  migrateRetransmitMs: ms(5000, {
    dynamic: true,
    doc: "time after which a migrating record is sent again",
  }),
  migrateSkipUnreadable: bool(false, {
    dynamic: true,
    doc: "skip records that cannot be read during migration",
  }),
  migrateSleep: int(1, {
    dynamic: true,
    doc: "pause after each migrated record, in microseconds; pauses below a millisecond add up",
  }),
  mrtDuration: seconds(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 120],
    special: [0],
    doc: "time limit of a multi-record transaction",
  }),
  nsupHistPeriod: seconds(3600, { dynamic: true, doc: "period of object-size and ttl histograms, 0 = off" }),
  nsupPeriod: seconds(0, { dynamic: true, doc: "expiry and eviction period, 0 = off" }),
  nsupThreads: int(1, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "stock: expiry threads; a node here is one event loop",
  }),
  partitionTreeSprigs: int(256, {
    range: [256, 256 * MIB],
    powerOfTwo: true,
    doc: "sub-trees per partition, power of two",
  }),
  preferUniformBalance: bool(false, {
    dynamic: true,
    doc: "spread partitions evenly over the nodes",
  }),
  rackId: int(0, { dynamic: true, range: [0, 1_000_000], doc: "rack of this node" }),
  readConsistencyLevelOverride: oneOf(["all", "off", "one"], "off", {
    dynamic: true,
    doc: "how many copies a read asks, whatever the client wants",
  }),
  rejectNonXdrWrites: bool(false, { dynamic: true, doc: "refuse client writes" }),
  rejectXdrWrites: bool(false, { dynamic: true, doc: "refuse XDR writes" }),
  replicationFactor: int(2, {
    dynamic: true,
    range: [1, 256],
    doc: "copies of each record; never more than there are nodes",
  }),
  sindexStageSize: size(GIB, {
    status: "accepted",
    quiet: true,
    range: [128 * MIB, 4 * GIB],
    powerOfTwo: true,
    doc: "secondary index allocation unit; power of two",
  }),
  singleQueryThreads: int(4, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "stock: threads per query; a node here is one event loop",
  }),
  stopWritesSysMemoryPct: percent(90, {
    dynamic: true,
    doc: "stop writes when the machine uses more than this share of its memory; 0 = off",
  }),
  strongConsistency: bool(false, { status: "unsupported", doc: "linearizable mode" }),
  strongConsistencyAllowExpunge: bool(false, {
    status: "unsupported",
    dynamic: true,
    doc: "allow deletes without tombstone in linearizable mode",
  }),
  tombRaiderEligibleAge: seconds(86400, { dynamic: true, doc: "age below which a tombstone stays" }),
  tombRaiderPeriod: seconds(86400, { dynamic: true, doc: "time between two sweeps that remove tombstones" }),
  tombRaiderUnmarkThreads: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [0, 128],
    doc: "stock: threads of the tombstone sweep",
  }),
  transactionPendingLimit: int(20, {
    dynamic: true,
    doc: "requests that may wait for one busy record; more get KEY_BUSY; 0 = no limit",
  }),
  truncateThreads: int(4, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 128],
    doc: "stock: truncate threads; a node here is one event loop",
  }),
  writeCommitLevelOverride: oneOf(["all", "master", "off"], "off", {
    dynamic: true,
    doc: "how many copies a write waits for, whatever the client asks",
  }),
  xdrBinTombstoneTtl: seconds(86400, {
    status: "unsupported",
    dynamic: true,
    range: [0, 315_360_000],
    doc: "life of bin tombstones",
  }),
  xdrTombRaiderPeriod: seconds(120, { status: "unsupported", dynamic: true, doc: "XDR tombstone sweep" }),
  xdrTombRaiderThreads: int(1, {
    status: "unsupported",
    dynamic: true,
    range: [1, 128],
    doc: "XDR tombstone sweep threads",
  }),
});

/** Settings of one set. */
export interface SetSettings {
  /** As in the namespace; 0 = as the namespace, -1 = never. */
  defaultReadTouchTtlPct: number;
  /** Time to live of records of this set; 0 = as the namespace, -1 = for ever. */
  defaultTtl: number;
  /** Protect from eviction; expiry still applies. */
  disableEviction: boolean;
  /** Index of the records of this set, for scans of small sets. */
  enableIndex: boolean;
  /** Refuse new records when the set has this many; 0 = no limit. */
  stopWritesCount: number;
  /** Refuse writes when the records of the set take this much; 0 = no limit. */
  stopWritesSize: number;
}

/** Rows of `namespace.set`. */
export const setOptions: OptionTable = defineOptions<SetSettings>({
  defaultReadTouchTtlPct: percent(0, {
    dynamic: true,
    range: [-1, 100],
    doc: "as in the namespace; 0 = as the namespace, -1 = never",
  }),
  defaultTtl: seconds(0, {
    dynamic: true,
    range: [-1, 315_360_000],
    doc: "time to live of records of this set; 0 = as the namespace, -1 = for ever",
  }),
  disableEviction: bool(false, { dynamic: true, doc: "protect from eviction; expiry still applies" }),
  enableIndex: bool(false, {
    dynamic: true,
    doc: "index of the records of this set, for scans of small sets",
  }),
  stopWritesCount: int(0, {
    dynamic: true,
    doc: "refuse new records when the set has this many; 0 = no limit",
  }),
  stopWritesSize: size(0, {
    dynamic: true,
    doc: "refuse writes when the records of the set take this much; 0 = no limit",
  }),
});

/** How regions are covered by cells. */
export interface Geo2dsphereWithinSettings {
  /** Reject invalid GeoJSON regions. */
  strict: boolean;
  /** Smallest S2 level. */
  minLevel: number;
  /** Largest S2 level. */
  maxLevel: number;
  /** Cells per covering. */
  maxCells: number;
  /** Level step. */
  levelMod: number;
  /** Radius for circles. */
  earthRadiusMeters: number;
}

/** Rows of `namespace.geo2dsphere-within`. */
export const geo2dsphereWithinOptions: OptionTable = defineOptions<Geo2dsphereWithinSettings>({
  strict: bool(true, { doc: "compare what the cells find with the shape itself" }),
  minLevel: int(1, { dynamic: true, range: [0, 30], doc: "smallest S2 level" }),
  maxLevel: int(20, { dynamic: true, range: [0, 30], doc: "largest S2 level" }),
  maxCells: int(12, { dynamic: true, range: [1, 256], doc: "cells per covering" }),
  levelMod: int(1, { range: [1, 3], doc: "level step" }),
  earthRadiusMeters: int(6_371_000, { doc: "radius for circles" }),
});

/** Rows of `namespace.index-type`. */
export const indexTypeOptions: OptionTable = defineNames({
  evictMountsPct: percent(0, {
    status: "unsupported",
    dynamic: true,
    doc: "evict above this share of the budget",
  }),
  mounts: list({ name: "mount", status: "unsupported", doc: "mount point" }),
  mountsBudget: size(0, {
    status: "unsupported",
    dynamic: true,
    range: [4 * GIB, SIZE_MAX],
    special: [0],
    doc: "space limit",
  }),
});

/** Rows of `namespace.sindex-type`. */
export const sindexTypeOptions: OptionTable = defineNames({
  evictMountsPct: percent(0, {
    status: "unsupported",
    dynamic: true,
    doc: "evict above this share of the budget",
  }),
  mounts: list({ name: "mount", status: "unsupported", doc: "mount point" }),
  mountsBudget: size(0, {
    status: "unsupported",
    dynamic: true,
    range: [GIB, SIZE_MAX],
    special: [0],
    doc: "space limit",
  }),
});
