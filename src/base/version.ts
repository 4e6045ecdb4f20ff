/**
 * What this program is, and what it says it is to clients.
 *
 * @module
 */

/** Version of aerie itself. */
export const AERIE_VERSION = "0.1.0";
/** The stock release whose protocol and behaviour are spoken; clients choose their commands by it. */
export const SERVER_BUILD = "8.1.2.0";
/** Edition that is announced. */
export const SERVER_EDITION = "Aerospike Community Edition";
/** Compatibility id of that release's peer protocol. */
export const COMPATIBILITY_ID = 15;
/** Feature words of that release's Community edition. */
export const SERVER_FEATURES: readonly string[] = [
  "batch-any",
  "batch-index",
  "blob-bits",
  "cdt-index",
  "cdt-list",
  "cdt-map",
  "cluster-stable",
  "float",
  "geo",
  "sindex-exists",
  "peers",
  "pipelining",
  "pquery",
  "pscans",
  "query-show",
  "relaxed-sc",
  "replicas",
  "replicas-all",
  "replicas-master",
  "replicas-max",
  "truncate-namespace",
  "udf",
];
