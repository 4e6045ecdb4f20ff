/**
 * Names of earlier releases, and what replaced them. Source: server-operations reference, section 3.
 *
 * @module
 */

const replacements: readonly (readonly [names: string, instead: string])[] = [
  ["allow-inline-transactions transaction-queues transaction-threads-per-queue", "use service-threads"],
  ["object-size-hist-period", "use nsup-hist-period in the namespace"],
  ["respond-client-on-master-completion", "use write-commit-level-override in the namespace"],
  ["transaction-repeatable-read", "use read-consistency-level-override in the namespace"],
  ["scan-max-done", "use query-max-done"],
  ["scan-threads-limit scan-threads query-threads", "use query-threads-limit"],
  ["background-scan-max-rps", "use background-query-max-rps"],
  ["single-scan-threads", "use single-query-threads"],
  ["memory-size", "use data-size in storage-engine memory, and indexes-memory-budget"],
  ["high-water-memory-pct", "use evict-indexes-memory-pct, and evict-used-pct in storage-engine"],
  ["stop-writes-pct", "use stop-writes-sys-memory-pct, and stop-writes-used-pct in storage-engine"],
  ["high-water-disk-pct", "use evict-used-pct in storage-engine"],
  ["evict-sys-memory-pct", "use evict-indexes-memory-pct, and evict-used-pct in storage-engine"],
  ["disable-nsup", "use nsup-period 0 in the namespace"],
  ["single-bin data-in-index", "remove it: records with one bin need no setting"],
  ["mounts-high-water-pct", "use evict-mounts-pct"],
  ["mounts-size-limit", "use mounts-budget"],
  ["data-in-memory", "use storage-engine memory"],
  ["disable-odirect", "use read-page-cache"],
  ["fsync-max-sec", "use flush-max-ms"],
  ["max-used-pct", "use stop-writes-used-pct"],
  ["min-avail-pct", "use stop-writes-avail-pct"],
  ["write-block-size", "use flush-size, and max-record-size in the namespace"],
  ["post-write-queue", "use post-write-cache"],
  ["enable-security enable-ldap", "open the block security, or security's ldap, instead"],
  ["external-address", "use access-address"],
  ["mcast-ttl", "use multicast-ttl"],
  ["set-disable-eviction", "use disable-eviction"],
  ["set-stop-writes-count", "use stop-writes-count"],
  ["allow-xdr-writes", "use reject-xdr-writes"],
  ["allow-nonxdr-writes", "use reject-non-xdr-writes"],
  ["hist-track-back hist-track-slice hist-track-thresholds", "remove it: latencies need no setting"],
  ["paxos-single-replica-limit", "remove it: it has no successor"],
  ["partition-tree-locks", "use partition-tree-sprigs"],
  ["interface-address network-interface-name", "use address"],
  ["salt-allocations", "remove it: it has no successor"],
  ["xdr-remote-datacenter enable-xdr sets-enable-xdr set-enable-xdr", "use the xdr block with dc blocks"],
];

/** Names that are obsolete in one context although another context still knows them. */
const perContext: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "service": {
    "nsup-period": "use nsup-period in the namespace",
    "transaction-pending-limit": "use transaction-pending-limit in the namespace",
  },
  "security": { "syslog": "use a syslog sink in logging" },
};

/** Obsolete names of any context with the text that says what to do. */
export const obsoleteNames: ReadonlyMap<string, string> = new Map(
  replacements.flatMap(([names, instead]) => names.split(" ").map((name) => [name, instead] as const)),
);

/**
 * What to do instead of an obsolete name.
 *
 * @param name as written
 * @param context path of the context, for example `service`
 * @returns text, or undefined when the name was never one
 */
export function obsoleteAdvice(name: string, context: string): string | undefined {
  return perContext[context]?.[name] ?? obsoleteNames.get(name);
}
