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
  type OptionsOf,
  type OptionSpec,
  type OptionTable,
  type OptionValue,
  percent,
  size,
  text,
  TIB,
} from "./option.ts";

/** Smallest and largest device: smaller than the stock server's 128 MiB, for small machines. */
const DEVICE_SIZE_RANGE: readonly [number, number] = [16 * MIB, 2 * TIB];

/** Settings of the storage engine that keeps records in memory, with devices or files behind it if there are any. */
export interface MemoryStorageOptions {
  /** Flush each write first. */
  commitToDevice: boolean;
  /** Record compression. */
  compression: "none" | "lz4" | "snappy" | "zstd";
  /** Lz4 trade-off. */
  compressionAcceleration: number;
  /** Zstd level (9 when 0). */
  compressionLevel: number;
  /** Memory for records; a hard limit. Not used with devices or files, whose size it is then. */
  dataSize: number;
  /** Blocks less full than this are defragmented. */
  defragLwmPct: number;
  /** Defrag only when the queue is longer. */
  defragQueueMin: number;
  /** Microseconds between defrag reads of flush-size. */
  defragSleep: number;
  /** Wait at start until this percent is free. */
  defragStartupMinimum: number;
  /** Raw devices. */
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
  /** File paths. */
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

/** Settings of the storage engine that keeps records on devices. */
export interface DeviceStorageOptions extends Omit<MemoryStorageOptions, "dataSize"> {
  /** Prole writes enter the post-write cache. */
  cacheReplicaWrites: boolean;
  /** Ignore stored data at start. */
  coldStartEmpty: boolean;
  /** Bytes per hour that index checkpoints may write, 0 for none. */
  indexCheckpointBytesPerHour: number;
  /** Recently written blocks kept in memory. */
  postWriteCache: number;
  /** Use the system's page cache for reads. */
  readPageCache: boolean;
  /** One device at a time. */
  serializeTombRaider: boolean;
  /** Build secondary indexes by device scan. */
  sindexStartupDeviceScan: boolean;
}

/** Rows that both engines have. */
const sharedRows: OptionsOf<Omit<MemoryStorageOptions, "dataSize">> = {
  commitToDevice: bool(false, { doc: "replies wait until what they tell of is synced" }),
  compression: oneOf(["none", "lz4", "snappy", "zstd"], "none", {
    dynamic: true,
    doc:
      "how records are compressed on devices and in files, when that makes them smaller; older ones stay as they are",
  }),
  compressionAcceleration: int(0, {
    dynamic: true,
    range: [1, 65537],
    special: [0],
    doc: "lz4: the higher, the faster and the larger (1 when 0)",
  }),
  compressionLevel: int(0, {
    dynamic: true,
    range: [1, 9],
    special: [0],
    doc: "zstd level (9 when 0)",
  }),
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
    wordsMax: 2,
    doc: "raw device; a second path is its shadow, which gets the same content",
  }),
  directFiles: bool(false, { status: "accepted", doc: "O_DIRECT for files" }),
  disableOdsync: bool(false, {
    doc: "no sync after flushes; after a power cut more may be lost, see docs/format/device.md",
  }),
  enableBenchmarksStorage: bool(false, { status: "accepted", dynamic: true, doc: "device histograms" }),
  encryption: oneOf(["aes-128", "aes-256"], "aes-128", {
    doc: "cipher of new devices and files; used with encryption-key-file",
  }),
  encryptionKeyFile: text("", {
    secret: true,
    doc: "key of 16 bytes or more, a path, env:NAME or env-b64:NAME; makes new devices and files encrypted",
  }),
  encryptionOldKeyFile: text("", {
    secret: true,
    doc:
      "the key before, for one start: devices that it opens are opened by encryption-key-file from then on",
  }),
  evictUsedPct: percent(0, { dynamic: true, doc: "evict above this used percent, 0 = off" }),
  files: list({
    name: "file",
    wordsMax: 2,
    doc: "file path, made when it is missing; a second path is its shadow, which gets the same content",
  }),
  filesize: size(0, {
    range: DEVICE_SIZE_RANGE,
    special: [0],
    doc: "size of each file",
  }),
  flushMaxMs: ms(1000, {
    dynamic: true,
    range: [0, 1000],
    doc: "what was written is flushed after this time at the latest; 0: only full units",
  }),
  flushSize: size(MIB, {
    dynamic: true,
    range: [4 * KIB, 8 * MIB],
    powerOfTwo: true,
    doc: "write unit, power of two",
  }),
  maxWriteCache: size(64 * MIB, {
    dynamic: true,
    doc: "bytes waiting to be written before 18",
  }),
  stopWritesAvailPct: percent(5, { dynamic: true, doc: "stop writes below this contiguous free percent" }),
  stopWritesUsedPct: percent(70, { dynamic: true, doc: "stop writes at this used percent" }),
  tombRaiderSleep: int(1000, {
    dynamic: true,
    unit: "µs",
    doc: "microseconds between reads",
  }),
};

/** Rows of `namespace.storage-engine memory`. */
export const memoryStorageOptions: OptionTable = defineOptions<MemoryStorageOptions>(inOrder({
  ...sharedRows,
  dataSize: size(GIB, {
    range: [16 * MIB, 256 * TIB],
    doc: "memory for records; a hard limit. With files or devices their size counts instead",
  }),
}));

/** Rows of `namespace.storage-engine device`. */
export const deviceStorageOptions: OptionTable = defineOptions<DeviceStorageOptions>(inOrder({
  ...sharedRows,
  cacheReplicaWrites: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "prole writes enter the post-write cache",
  }),
  coldStartEmpty: bool(false, { doc: "ignore stored data at start" }),
  indexCheckpointBytesPerHour: size(256 * MIB, {
    dynamic: true,
    range: [MIB, TIB],
    special: [0],
    doc:
      "bytes per hour that checkpoints of the primary index may write, which make starts fast; 0: no checkpoints",
  }),
  postWriteCache: size(256 * MIB, {
    dynamic: true,
    doc: "recently written blocks kept in memory",
  }),
  readPageCache: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "use the OS page cache for reads",
  }),
  serializeTombRaider: bool(false, { status: "accepted", doc: "one device at a time" }),
  sindexStartupDeviceScan: bool(false, { status: "accepted", doc: "build sindexes by device scan" }),
}));

/** Rows of `namespace.storage-engine pmem`. */
export const pmemStorageOptions: OptionTable = defineNames(unsupported(sharedRows, ["devices", "flushSize"]));

/** Rows in get-config's order, which is the alphabet's. */
function inOrder<T>(rows: OptionsOf<T>): OptionsOf<T> {
  const sorted = Object.entries(rows).sort(([left], [right]) => left < right ? -1 : 1);
  return Object.fromEntries(sorted) as OptionsOf<T>;
}

/** Rows of an engine that aerie does not have. */
function unsupported(rows: object, without: readonly string[]): Record<string, OptionSpec<OptionValue>> {
  const kept = Object.entries<OptionSpec<OptionValue>>(rows as Record<string, OptionSpec<OptionValue>>)
    .filter(([field]) => !without.includes(field));
  return Object.fromEntries(kept.map(([field, spec]) => [field, { ...spec, status: "unsupported" }]));
}
