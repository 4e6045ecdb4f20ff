/**
 * Options of the storage engines.
 *
 * @module
 */
import {
  bool,
  defineNames,
  defineOptions,
  GIB,
  int,
  KIB,
  list,
  MIB,
  ms,
  oneOf,
  type OptionTable,
  percent,
  size,
  text,
  TIB,
} from "./option.ts";

/** Remark about devices and files behind the memory. */
const NO_BACKING = "is not supported yet: records are kept in memory only; give data-size instead";

/** Settings of the storage engine that keeps records in memory. */
export interface MemoryStorageOptions {
  /** Flush each write first. */
  commitToDevice: boolean;
  /** Record compression. */
  compression: "none" | "lz4" | "snappy" | "zstd";
  /** Lz4 trade-off. */
  compressionAcceleration: number;
  /** Zstd level (9 when 0). */
  compressionLevel: number;
  /** Memory for records; a hard limit. */
  dataSize: number;
  /** Blocks less full than this are defragmented. */
  defragLwmPct: number;
  /** Defrag only when the queue is longer. */
  defragQueueMin: number;
  /** Microseconds between defrag reads of flush-size. */
  defragSleep: number;
  /** Wait at start until this percent is free. */
  defragStartupMinimum: number;
  /** Raw device, optional shadow device. */
  devices: string[];
  /** O_DIRECT for files. */
  directFiles: boolean;
  /** No O_DSYNC. */
  disableOdsync: boolean;
  /** Device histograms. */
  enableBenchmarksStorage: boolean;
  /** Cipher. */
  encryption: "aes-128" | "aes-256";
  /** Key source; enables encryption. */
  encryptionKeyFile: string;
  /** Previous key for rotation. */
  encryptionOldKeyFile: string;
  /** Evict above this used percent, 0 = off. */
  evictUsedPct: number;
  /** File path, optional shadow file. */
  files: string[];
  /** Size of each file. */
  filesize: number;
  /** Partial block flush after this idle time. */
  flushMaxMs: number;
  /** Write unit, power of two. */
  flushSize: number;
  /** Bytes waiting to be written before 18. */
  maxWriteCache: number;
  /** Stop writes below this contiguous free percent. */
  stopWritesAvailPct: number;
  /** Stop writes at this used percent. */
  stopWritesUsedPct: number;
  /** Microseconds between reads. */
  tombRaiderSleep: number;
}

/** Rows of `namespace.storage-engine memory`. */
export const memoryStorageOptions: OptionTable = defineOptions<MemoryStorageOptions>({
  commitToDevice: bool(false, { status: "unsupported", doc: "flush each write first" }),
  compression: oneOf(["none", "lz4", "snappy", "zstd"], "none", {
    status: "unsupported",
    dynamic: true,
    doc: "record compression",
  }),
  compressionAcceleration: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 65537],
    special: [0],
    doc: "lz4 trade-off",
  }),
  compressionLevel: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 9],
    special: [0],
    doc: "zstd level (9 when 0)",
  }),
  dataSize: size(GIB, { range: [16 * MIB, 256 * TIB], doc: "memory for records; a hard limit" }),
  defragLwmPct: percent(50, {
    dynamic: true,
    range: [1, 99],
    doc: "blocks less full than this are defragmented",
  }),
  defragQueueMin: int(0, { dynamic: true, doc: "defrag only when the queue is longer" }),
  defragSleep: int(1000, {
    dynamic: true,
    unit: "µs",
    doc: "microseconds between defrag reads of flush-size",
  }),
  defragStartupMinimum: int(0, {
    status: "accepted",
    range: [0, 99],
    doc: "wait at start until this percent is free",
  }),
  devices: list({
    name: "device",
    status: "unsupported",
    instead: NO_BACKING,
    wordsMax: 2,
    doc: "raw device, optional shadow device",
  }),
  directFiles: bool(false, { status: "accepted", doc: "O_DIRECT for files" }),
  disableOdsync: bool(false, { status: "accepted", doc: "no O_DSYNC" }),
  enableBenchmarksStorage: bool(false, { status: "accepted", dynamic: true, doc: "device histograms" }),
  encryption: oneOf(["aes-128", "aes-256"], "aes-128", { status: "unsupported", doc: "cipher" }),
  encryptionKeyFile: text("", { secret: true, status: "unsupported", doc: "key source; enables encryption" }),
  encryptionOldKeyFile: text("", { secret: true, status: "unsupported", doc: "previous key for rotation" }),
  evictUsedPct: percent(0, { dynamic: true, doc: "evict above this used percent, 0 = off" }),
  files: list({
    name: "file",
    status: "unsupported",
    instead: NO_BACKING,
    wordsMax: 2,
    doc: "file path, optional shadow file",
  }),
  filesize: size(0, {
    status: "unsupported",
    instead: NO_BACKING,
    range: [128 * MIB, 2 * TIB],
    special: [0],
    doc: "size of each file",
  }),
  flushMaxMs: ms(1000, {
    status: "accepted",
    dynamic: true,
    range: [0, 1000],
    doc: "partial block flush after this idle time",
  }),
  flushSize: size(MIB, {
    status: "accepted",
    dynamic: true,
    range: [4 * KIB, 8 * MIB],
    powerOfTwo: true,
    doc: "write unit, power of two",
  }),
  maxWriteCache: size(64 * MIB, {
    status: "accepted",
    dynamic: true,
    doc: "bytes waiting to be written before 18",
  }),
  stopWritesAvailPct: percent(5, { dynamic: true, doc: "stop writes below this contiguous free percent" }),
  stopWritesUsedPct: percent(70, { dynamic: true, doc: "stop writes at this used percent" }),
  tombRaiderSleep: int(1000, {
    status: "unsupported",
    dynamic: true,
    unit: "µs",
    doc: "microseconds between reads",
  }),
});

/** Rows of `namespace.storage-engine device`. */
export const deviceStorageOptions: OptionTable = defineNames({
  cacheReplicaWrites: bool(false, {
    status: "unsupported",
    dynamic: true,
    doc: "prole writes enter the post-write cache",
  }),
  coldStartEmpty: bool(false, { status: "unsupported", doc: "ignore stored data at start" }),
  commitToDevice: bool(false, { status: "unsupported", doc: "flush each write first" }),
  compression: oneOf(["none", "lz4", "snappy", "zstd"], "none", {
    status: "unsupported",
    dynamic: true,
    doc: "record compression",
  }),
  compressionAcceleration: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 65537],
    special: [0],
    doc: "lz4 trade-off",
  }),
  compressionLevel: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 9],
    special: [0],
    doc: "zstd level (9 when 0)",
  }),
  defragLwmPct: percent(50, {
    status: "unsupported",
    dynamic: true,
    range: [1, 99],
    doc: "blocks less full than this are defragmented",
  }),
  defragQueueMin: int(0, {
    status: "unsupported",
    dynamic: true,
    doc: "defrag only when the queue is longer",
  }),
  defragSleep: int(1000, {
    status: "unsupported",
    dynamic: true,
    unit: "µs",
    doc: "microseconds between defrag reads of flush-size",
  }),
  defragStartupMinimum: int(0, {
    status: "unsupported",
    range: [0, 99],
    doc: "wait at start until this percent is free",
  }),
  devices: list({
    name: "device",
    status: "unsupported",
    wordsMax: 2,
    doc: "raw device, optional shadow device",
  }),
  directFiles: bool(false, { status: "unsupported", doc: "O_DIRECT for files" }),
  disableOdsync: bool(false, { status: "unsupported", doc: "no O_DSYNC" }),
  enableBenchmarksStorage: bool(false, { status: "unsupported", dynamic: true, doc: "device histograms" }),
  encryption: oneOf(["aes-128", "aes-256"], "aes-128", { status: "unsupported", doc: "cipher" }),
  encryptionKeyFile: text("", { secret: true, status: "unsupported", doc: "key source; enables encryption" }),
  encryptionOldKeyFile: text("", { secret: true, status: "unsupported", doc: "previous key for rotation" }),
  evictUsedPct: percent(0, {
    status: "unsupported",
    dynamic: true,
    doc: "evict above this used percent, 0 = off",
  }),
  files: list({ name: "file", status: "unsupported", wordsMax: 2, doc: "file path, optional shadow file" }),
  filesize: size(0, {
    status: "unsupported",
    range: [128 * MIB, 2 * TIB],
    special: [0],
    doc: "size of each file",
  }),
  flushMaxMs: ms(1000, {
    status: "unsupported",
    dynamic: true,
    range: [0, 1000],
    doc: "partial block flush after this idle time",
  }),
  flushSize: size(MIB, {
    status: "unsupported",
    dynamic: true,
    range: [4 * KIB, 8 * MIB],
    powerOfTwo: true,
    doc: "write unit, power of two",
  }),
  maxWriteCache: size(64 * MIB, {
    status: "unsupported",
    dynamic: true,
    doc: "bytes waiting to be written before 18",
  }),
  postWriteCache: size(256 * MIB, {
    status: "unsupported",
    dynamic: true,
    doc: "recently written blocks kept in memory",
  }),
  readPageCache: bool(false, {
    status: "unsupported",
    dynamic: true,
    doc: "use the OS page cache for reads",
  }),
  serializeTombRaider: bool(false, { status: "unsupported", doc: "one device at a time" }),
  sindexStartupDeviceScan: bool(false, { status: "unsupported", doc: "build sindexes by device scan" }),
  stopWritesAvailPct: percent(5, {
    status: "unsupported",
    dynamic: true,
    doc: "stop writes below this contiguous free percent",
  }),
  stopWritesUsedPct: percent(70, {
    status: "unsupported",
    dynamic: true,
    doc: "stop writes at this used percent",
  }),
  tombRaiderSleep: int(1000, {
    status: "unsupported",
    dynamic: true,
    unit: "µs",
    doc: "microseconds between reads",
  }),
});

/** Rows of `namespace.storage-engine pmem`. */
export const pmemStorageOptions: OptionTable = defineNames({
  commitToDevice: bool(false, { status: "unsupported", doc: "flush each write first" }),
  compression: oneOf(["none", "lz4", "snappy", "zstd"], "none", {
    status: "unsupported",
    dynamic: true,
    doc: "record compression",
  }),
  compressionAcceleration: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 65537],
    special: [0],
    doc: "lz4 trade-off",
  }),
  compressionLevel: int(0, {
    status: "unsupported",
    dynamic: true,
    range: [1, 9],
    special: [0],
    doc: "zstd level (9 when 0)",
  }),
  defragLwmPct: percent(50, {
    status: "unsupported",
    dynamic: true,
    range: [1, 99],
    doc: "blocks less full than this are defragmented",
  }),
  defragQueueMin: int(0, {
    status: "unsupported",
    dynamic: true,
    doc: "defrag only when the queue is longer",
  }),
  defragSleep: int(1000, {
    status: "unsupported",
    dynamic: true,
    unit: "µs",
    doc: "microseconds between defrag reads of flush-size",
  }),
  defragStartupMinimum: int(0, {
    status: "unsupported",
    range: [0, 99],
    doc: "wait at start until this percent is free",
  }),
  directFiles: bool(false, { status: "unsupported", doc: "O_DIRECT for files" }),
  disableOdsync: bool(false, { status: "unsupported", doc: "no O_DSYNC" }),
  enableBenchmarksStorage: bool(false, { status: "unsupported", dynamic: true, doc: "device histograms" }),
  encryption: oneOf(["aes-128", "aes-256"], "aes-128", { status: "unsupported", doc: "cipher" }),
  encryptionKeyFile: text("", { secret: true, status: "unsupported", doc: "key source; enables encryption" }),
  encryptionOldKeyFile: text("", { secret: true, status: "unsupported", doc: "previous key for rotation" }),
  evictUsedPct: percent(0, {
    status: "unsupported",
    dynamic: true,
    doc: "evict above this used percent, 0 = off",
  }),
  files: list({ name: "file", status: "unsupported", wordsMax: 2, doc: "file path, optional shadow file" }),
  filesize: size(0, {
    status: "unsupported",
    range: [128 * MIB, 2 * TIB],
    special: [0],
    doc: "size of each file",
  }),
  flushMaxMs: ms(1000, {
    status: "unsupported",
    dynamic: true,
    range: [0, 1000],
    doc: "partial block flush after this idle time",
  }),
  maxWriteCache: size(64 * MIB, {
    status: "unsupported",
    dynamic: true,
    doc: "bytes waiting to be written before 18",
  }),
  stopWritesAvailPct: percent(5, {
    status: "unsupported",
    dynamic: true,
    doc: "stop writes below this contiguous free percent",
  }),
  stopWritesUsedPct: percent(70, {
    status: "unsupported",
    dynamic: true,
    doc: "stop writes at this used percent",
  }),
  tombRaiderSleep: int(1000, {
    status: "unsupported",
    dynamic: true,
    unit: "µs",
    doc: "microseconds between reads",
  }),
});
