/**
 * Options of the `xdr` contexts. Source: clustering reference, section 16.
 *
 * @module
 */
import {
  bool,
  COUNT_MAX,
  defineNames,
  int,
  list,
  ms,
  oneOf,
  type OptionTable,
  seconds,
  text,
} from "./option.ts";

const status = "unsupported";

/** Rows of the `xdr` context. */
export const xdrOptions: OptionTable = defineNames({
  srcId: int(0, { status, dynamic: true, range: [0, 255], doc: "number of this site, for convergence" }),
});

/** Rows of `xdr.dc NAME`. */
export const xdrDcOptions: OptionTable = defineNames({
  authMode: oneOf(["none", "internal", "external", "external-insecure", "pki"], "none", {
    status,
    dynamic: true,
    doc: "how to log in to the destination",
  }),
  authPasswordFile: text("", { status, dynamic: true, secret: true, doc: "source of the password" }),
  authUser: text("", { status, dynamic: true, doc: "user at the destination" }),
  connector: bool(false, { status, dynamic: true, doc: "the destination is a connector" }),
  maxRecoveriesInterleaved: int(0, {
    status,
    dynamic: true,
    doc: "partitions recovered at once; 0 = no limit",
  }),
  nodeAddressPorts: list({ name: "node-address-port", status, dynamic: true, wordsMax: 3, doc: "seed node" }),
  periodMs: ms(100, { status, dynamic: true, range: [5, 1000], doc: "period of the destination's worker" }),
  recoveryThreads: int(1, { status, dynamic: true, range: [1, 32], doc: "recovery threads" }),
  tlsName: text("", { status, dynamic: true, doc: "name of the tls block to use" }),
  useAlternateAccessAddress: bool(false, {
    status,
    dynamic: true,
    doc: "ask the destination for its alternate addresses",
  }),
});

/** Rows of `xdr.dc.namespace NAME`. */
export const xdrNamespaceOptions: OptionTable = defineNames({
  binPolicy: oneOf(
    ["all", "no-bins", "only-changed", "changed-and-specified", "changed-or-specified"],
    "all",
    { status, dynamic: true, doc: "which bins travel" },
  ),
  compressionLevel: int(1, { status, dynamic: true, range: [1, 9], doc: "compression level" }),
  compressionThreshold: int(128, {
    status,
    dynamic: true,
    range: [128, COUNT_MAX],
    unit: "bytes",
    doc: "smallest message that is compressed",
  }),
  delayMs: ms(0, { status, dynamic: true, range: [0, 5000], doc: "artificial delay" }),
  enableCompression: bool(false, { status, dynamic: true, doc: "compress messages" }),
  forward: bool(false, { status, dynamic: true, doc: "ship writes that arrived by shipping" }),
  hotKeyMs: ms(100, {
    status,
    dynamic: true,
    range: [0, 5000],
    doc: "shortest time between two shipments of a key",
  }),
  ignoreBins: list({ name: "ignore-bin", status, dynamic: true, doc: "bin that stays" }),
  ignoreExpunges: bool(false, { status, dynamic: true, doc: "do not ship deletes without tombstone" }),
  ignoreSets: list({ name: "ignore-set", status, dynamic: true, doc: "set that stays" }),
  maxThroughput: int(100_000, { status, dynamic: true, doc: "records per second" }),
  remoteNamespace: text("", {
    status,
    dynamic: true,
    doc: "namespace at the destination; none = the same name",
  }),
  scReplicationWaitMs: ms(100, {
    status,
    dynamic: true,
    range: [5, 1000],
    doc: "wait for replication before reading, in linearizable mode",
  }),
  shipBinLuts: bool(false, { status, dynamic: true, doc: "send times per bin, for convergence" }),
  shipBins: list({ name: "ship-bin", status, dynamic: true, doc: "bin that travels" }),
  shipNsupDeletes: bool(false, { status, dynamic: true, doc: "ship expirations and evictions" }),
  shipOnlySpecifiedSets: bool(false, { status, dynamic: true, doc: "only the sets of ship-set travel" }),
  shipSets: list({ name: "ship-set", status, dynamic: true, doc: "set that travels" }),
  shipVersionsInterval: seconds(60, {
    status,
    dynamic: true,
    range: [1, 3600],
    doc: "interval of ship-versions-policy interval",
  }),
  shipVersionsPolicy: oneOf(["latest", "all", "interval"], "latest", {
    status,
    dynamic: true,
    doc: "which versions of a record travel",
  }),
  transactionQueueLimit: int(16384, {
    status,
    dynamic: true,
    range: [1024, 1_048_576],
    powerOfTwo: true,
    doc: "entries of the queue of one partition",
  }),
  writePolicy: oneOf(["auto", "update", "replace"], "auto", {
    status,
    dynamic: true,
    doc: "how records are written at the destination",
  }),
});
