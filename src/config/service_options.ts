/**
 * Options of the `service` context.
 *
 * @module
 */
import {
  bool,
  defineOptions,
  int,
  KIB,
  list,
  MIB,
  ms,
  oneOf,
  type OptionTable,
  seconds,
  size,
  SIZE_MAX,
  text,
} from "./option.ts";

/** Settings of the whole node. */
export interface ServiceSettings {
  /** Publish IPv6 addresses to peers and clients. */
  advertiseIpv6: boolean;
  /** Pin threads to CPUs, NUMA nodes or NIC queues; service-threads must then be a multiple of the CPU count. */
  autoPin: "none" | "cpu" | "numa" | "adq";
  /** Stock: threads building batch responses; a node here is one event loop. */
  batchIndexThreads: number;
  /** Response buffers (128 KiB) allowed per batch thread queue before 152. */
  batchMaxBuffersPerQueue: number;
  /** Largest batch, 0 = no limit; 151 above it. */
  batchMaxRequests: number;
  /** Pooled free response buffers. */
  batchMaxUnusedBuffers: number;
  /** Use container memory limits when computing free memory (since 8.1.2). */
  cgroupMemTracking: boolean;
  /** Name checked by peers and clients. */
  clusterName: string;
  /** Keep as many copies as replication-factor says even where nodes share a machine; all nodes must say so. */
  copiesOnOneHost: boolean;
  /** Stock: allocation accounting. */
  debugAllocations: boolean;
  /** Refuse all UDF calls. */
  disableUdfExecution: boolean;
  /** Fabric histograms. */
  enableBenchmarksFabric: boolean;
  /** Outlier detection. */
  enableHealthCheck: boolean;
  /** Histogram of info command times. */
  enableHistInfo: boolean;
  /** Refuse to start if any best-practice check fails. */
  enforceBestPractices: boolean;
  /** Stock: licence key; none is needed here. */
  featureKeyFiles: string[];
  /** Run-as group. */
  group: string;
  /** Stock: allocator debugging. */
  indentAllocations: boolean;
  /** Longest allowed info command. */
  infoMaxMs: number;
  /** Stock: info threads; a node here is one event loop. */
  infoThreads: number;
  /** Keep the capability needed to read device health. */
  keepCapsSsdHealth: boolean;
  /** Log in local time. */
  logLocalTime: boolean;
  /** Milliseconds in log times. */
  logMillis: boolean;
  /** Rotated log files that are kept, besides the present one. */
  logRotateKeep: number;
  /** A log file of this size is put aside; 0 leaves that to others. */
  logRotateSize: number;
  /** Histograms in microseconds. */
  microsecondHistograms: boolean;
  /** Delay for transfers that only refill copies. */
  migrateFillDelay: number;
  /** Concurrent incoming migrations. */
  migrateMaxNumIncoming: number;
  /** Concurrent outgoing migrations. */
  migrateThreads: number;
  /** Smallest cluster allowed. */
  minClusterSize: number;
  /** Explicit node id, hex; none derives it from the hardware address and the service port. */
  nodeId: string;
  /** Interface used to derive the id. */
  nodeIdInterface: string;
  /** Group-writable files. */
  osGroupPerms: boolean;
  /** Pid file path, ignored by --fgdaemon. */
  pidfile: string;
  /** Stock: allocator debugging. */
  poisonAllocations: boolean;
  /** Close idle client connections, 0 = never. */
  protoFdIdleMs: number;
  /** Client connection limit. */
  protoFdMax: number;
  /** Stock: allocator debugging. */
  quarantineAllocations: number;
  /** Finished query jobs kept for query-show. */
  queryMaxDone: number;
  /** Threads over all queries. */
  queryThreadsLimit: number;
  /** Stock: leave the terminal; here the node stays in the foreground. */
  runAsDaemon: boolean;
  /** Secret agent host, port, tls-name. */
  secretsAddressPort: string;
  /** TLS block for the secret agent. */
  secretsTlsContext: string;
  /** Secret agent unix socket. */
  secretsUdsPath: string;
  /** Stock: transaction threads; a node here is one event loop. */
  serviceThreads: number;
  /** Threads populating secondary indexes. */
  sindexBuilderThreads: number;
  /** Secondary index garbage sweep period. */
  sindexGcPeriod: number;
  /** Always quiesced (tie-breaker node). */
  stayQuiesced: boolean;
  /** Period of the statistics log lines. */
  tickerInterval: number;
  /** Re-read certificates, 0 = never. */
  tlsRefreshPeriod: number;
  /** Time limit of a request that brings none. */
  transactionMaxMs: number;
  /** First retransmit of replica writes and duplicate resolution. */
  transactionRetryMs: number;
  /** Run-as user. */
  user: string;
  /** CA file for Vault. */
  vaultCa: string;
  /** Vault namespace. */
  vaultNamespace: string;
  /** Secret path. */
  vaultPath: string;
  /** Token file. */
  vaultTokenFile: string;
  /** Vault URL. */
  vaultUrl: string;
  /** Folder of what the node keeps: node id, cluster metadata, UDF modules. */
  workDirectory: string;
}

/** Rows of the `service` context. */
export const serviceOptions: OptionTable = defineOptions<ServiceSettings>({
  advertiseIpv6: bool(false, { dynamic: true, doc: "publish IPv6 addresses to peers and clients" }),
  autoPin: oneOf(["none", "cpu", "numa", "adq"], "none", {
    status: "accepted",
    doc:
      "pin threads to CPUs, NUMA nodes or NIC queues; service-threads must then be a multiple of the CPU count",
  }),
  batchIndexThreads: int(1, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 256],
    doc: "stock: threads building batch responses; a node here is one event loop",
  }),
  batchMaxBuffersPerQueue: int(255, {
    status: "accepted",
    dynamic: true,
    doc: "response buffers (128 KiB) allowed per batch thread queue before 152",
  }),
  batchMaxRequests: int(0, { dynamic: true, doc: "largest batch, 0 = no limit; 151 above it" }),
  batchMaxUnusedBuffers: int(256, { status: "accepted", dynamic: true, doc: "pooled free response buffers" }),
  cgroupMemTracking: bool(false, {
    status: "accepted",
    dynamic: true,
    doc: "use container memory limits when computing free memory (since 8.1.2)",
  }),
  clusterName: text("", { dynamic: true, doc: "name checked by peers and clients" }),
  copiesOnOneHost: bool(false, {
    dynamic: true,
    doc:
      "keep as many copies as replication-factor says even where nodes share a machine; all nodes must say so",
  }),
  debugAllocations: bool(false, { status: "accepted", doc: "stock: allocation accounting" }),
  disableUdfExecution: bool(false, { doc: "refuse all UDF calls" }),
  enableBenchmarksFabric: bool(false, { status: "accepted", dynamic: true, doc: "fabric histograms" }),
  enableHealthCheck: bool(false, {
    dynamic: true,
    doc: "look for devices and peers that are slower than others; see health-outliers",
  }),
  enableHistInfo: bool(false, { dynamic: true, doc: "histogram of info command times" }),
  enforceBestPractices: bool(false, {
    status: "accepted",
    doc: "refuse to start if any best-practice check fails",
  }),
  featureKeyFiles: list({
    name: "feature-key-file",
    status: "accepted",
    quiet: true,
    doc: "stock: licence key; none is needed here",
  }),
  group: text("", { status: "accepted", quiet: true, doc: "run-as group" }),
  indentAllocations: bool(false, { status: "accepted", doc: "stock: allocator debugging" }),
  infoMaxMs: ms(10000, { dynamic: true, range: [500, 10000], doc: "longest allowed info command" }),
  infoThreads: int(16, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    doc: "stock: info threads; a node here is one event loop",
  }),
  keepCapsSsdHealth: bool(false, {
    status: "accepted",
    doc: "keep the capability needed to read device health",
  }),
  logLocalTime: bool(false, { doc: "log in local time" }),
  logMillis: bool(false, { doc: "milliseconds in log times" }),
  logRotateKeep: int(4, {
    range: [1, 100],
    doc: "log files put aside that are kept, each at most log-rotate-size",
  }),
  logRotateSize: size(100 * MIB, {
    range: [64 * KIB, SIZE_MAX],
    special: [0],
    doc: "a log file of this size is put aside as FILE.1; 0: never, SIGHUP opens it anew",
  }),
  microsecondHistograms: bool(false, { dynamic: true, doc: "histograms in microseconds" }),
  migrateFillDelay: seconds(0, {
    dynamic: true,
    doc: "delay for transfers that only refill copies",
  }),
  migrateMaxNumIncoming: int(4, {
    dynamic: true,
    range: [0, 256],
    doc: "concurrent incoming migrations",
  }),
  migrateThreads: int(1, {
    dynamic: true,
    range: [0, 100],
    doc: "concurrent outgoing migrations",
  }),
  minClusterSize: int(1, {
    dynamic: true,
    range: [0, 256],
    doc: "smallest cluster allowed",
  }),
  nodeId: text("", {
    doc: "explicit node id, hex; none derives it from the hardware address and the service port",
  }),
  nodeIdInterface: text("", { doc: "interface used to derive the id" }),
  osGroupPerms: bool(false, { status: "accepted", doc: "group-writable files" }),
  pidfile: text("", { doc: "pid file path, ignored by --fgdaemon" }),
  poisonAllocations: bool(false, { status: "accepted", doc: "stock: allocator debugging" }),
  protoFdIdleMs: ms(0, { dynamic: true, doc: "close idle client connections, 0 = never" }),
  protoFdMax: int(15000, { dynamic: true, doc: "client connection limit" }),
  quarantineAllocations: int(0, {
    status: "accepted",
    range: [0, 100_000_000],
    doc: "stock: allocator debugging",
  }),
  queryMaxDone: int(100, {
    dynamic: true,
    range: [0, 10000],
    doc: "finished query jobs kept for query-show",
  }),
  queryThreadsLimit: int(128, { dynamic: true, range: [1, KIB], doc: "threads over all queries" }),
  runAsDaemon: bool(true, {
    status: "accepted",
    quiet: true,
    doc: "stock: leave the terminal; here the node stays in the foreground",
  }),
  secretsAddressPort: text("", {
    status: "unsupported",
    wordsMax: 3,
    doc: "secret agent host, port, tls-name",
  }),
  secretsTlsContext: text("", { status: "unsupported", doc: "TLS block for the secret agent" }),
  secretsUdsPath: text("", { status: "unsupported", doc: "secret agent unix socket" }),
  serviceThreads: int(1, {
    status: "accepted",
    dynamic: true,
    quiet: true,
    range: [1, 4 * KIB],
    doc: "stock: transaction threads; a node here is one event loop",
  }),
  sindexBuilderThreads: int(4, {
    status: "accepted",
    dynamic: true,
    range: [1, 32],
    doc: "threads populating secondary indexes",
  }),
  sindexGcPeriod: seconds(10, {
    status: "accepted",
    dynamic: true,
    doc: "secondary index garbage sweep period",
  }),
  stayQuiesced: bool(false, { doc: "always quiesced (tie-breaker node)" }),
  tickerInterval: seconds(10, { dynamic: true, doc: "period of the statistics log lines" }),
  tlsRefreshPeriod: seconds(60, {
    status: "unsupported",
    dynamic: true,
    doc: "re-read certificates, 0 = never",
  }),
  transactionMaxMs: ms(1000, { dynamic: true, doc: "time limit of a request that brings none" }),
  transactionRetryMs: ms(1002, {
    dynamic: true,
    doc: "first retransmit of replica writes and duplicate resolution",
  }),
  user: text("", { status: "accepted", quiet: true, doc: "run-as user" }),
  vaultCa: text("", { status: "unsupported", doc: "CA file for Vault" }),
  vaultNamespace: text("", { status: "unsupported", doc: "Vault namespace" }),
  vaultPath: text("", { status: "unsupported", doc: "secret path" }),
  vaultTokenFile: text("", { status: "unsupported", dynamic: true, doc: "token file" }),
  vaultUrl: text("", { status: "unsupported", doc: "Vault URL" }),
  workDirectory: text(".aerie", {
    doc: "folder of what the node keeps: node id, cluster metadata, UDF modules",
  }),
});
