/**
 * The log's ticker: what the node is doing, a few lines every `ticker-interval`; the end of each interval is also the
 * end of a latency slice. Source: server-operations reference, section 7.4.
 *
 * @module
 */

import type { Timer } from "../port/mod.ts";
import type { Namespace } from "../transaction/mod.ts";
import type { AerieNode } from "./node.ts";
import type { ConnectionStats } from "./node_stats.ts";
import { nodeStatistics, type Statistic } from "./statistics.ts";
import { namespaceStatistics } from "./statistics_namespace.ts";

/** Writes the lines, from `start` until `stop`. */
export class Ticker {
  readonly #node: AerieNode;
  #timer: Timer | undefined;

  /** @param node whose state is written */
  constructor(node: AerieNode) {
    this.#node = node;
  }

  /** The first lines come after one interval. */
  start(): void {
    const { ports, settings, latencies, cpu, cluster, health } = this.#node;
    this.#timer = ports.clock.after(settings.service.tickerInterval * 1000, () => {
      latencies.endSlice();
      cpu.sample();
      health.sample();
      cluster.rates.sample(cluster.fabric.statistics, ports.clock.monotonicMs());
      if (ports.log.enabled("info", "info")) {
        for (const line of tickerLines(this.#node)) ports.log.write("info", "info", line);
      }
      this.start();
    });
  }

  /** No line comes after this. */
  stop(): void {
    this.#timer?.cancel();
  }
}

/** Values of statistics by name. */
class Values {
  readonly #values: ReadonlyMap<string, Statistic[1]>;

  constructor(statistics: readonly Statistic[]) {
    this.#values = new Map(statistics);
  }

  get(name: string): Statistic[1] {
    return this.#values.get(name) ?? 0;
  }

  /** The values of names with a common prefix, joined by commas. */
  list(prefix: string, names: string): string {
    return names.split(" ").map((name) => this.get(prefix + name)).join(",");
  }

  /** Any of them is not 0. */
  any(prefix: string, names: string): boolean {
    return names.split(" ").some((name) => this.get(prefix + name) !== 0);
  }
}

/** The lines of the present moment. */
export function tickerLines(node: AerieNode): string[] {
  return [...nodeLines(node), ...node.namespaces.flatMap((namespace) => namespaceLines(node, namespace))];
}

function nodeLines(node: AerieNode): string[] {
  const { settings, stats, identity, cluster } = node;
  const values = new Values(nodeStatistics(node));
  const lines = [
    `NODE-ID ${identity.id.toLowerCase()} CLUSTER-SIZE ${cluster.size} ` +
    `CLUSTER-NAME ${settings.service.clusterName || "null"}`,
    `   cluster-clock: skew-ms ${values.get("cluster_clock_skew_ms")}`,
    `   system: total-cpu-pct ${values.get("system_total_cpu_pct")} ` +
    `user-cpu-pct ${values.get("system_user_cpu_pct")} kernel-cpu-pct ${
      values.get("system_kernel_cpu_pct")
    } ` +
    `free-mem-kbytes ${values.get("system_free_mem_kbytes")} free-mem-pct ${
      values.get("system_free_mem_pct")
    } ` +
    `thp-mem-kbytes ${values.get("system_thp_mem_kbytes")}`,
    `   process: cpu-pct ${values.get("process_cpu_pct")} ` +
    `threads (${values.list("threads_", "joinable detached pool_total pool_active")}) ` +
    `heap-kbytes (${values.list("heap_", "allocated_kbytes active_kbytes mapped_kbytes")}) ` +
    `heap-efficiency-pct ${values.get("heap_efficiency_pct")}`,
    `   in-progress: info-q ${values.get("info_queue")} rw-hash ${values.get("rw_in_progress")} ` +
    `proxy-hash ${values.get("proxy_in_progress")} tree-gc-q ${values.get("tree_gc_queue")} ` +
    `long-queries ${values.get("long_queries_active")}`,
    `   fds: proto (${connections(stats.client)}) heartbeat (${
      values.list("heartbeat_", "connections connections_opened connections_closed")
    }) fabric (${values.list("fabric_", "connections connections_opened connections_closed")}) admin (${
      connections(stats.admin)
    })`,
    `   heartbeat-received: self ${values.get("heartbeat_received_self")} ` +
    `foreign ${values.get("heartbeat_received_foreign")}`,
    `   fabric-bytes-per-second: bulk (${values.list("fabric_bulk_", "send_rate recv_rate")}) ` +
    `ctrl (${values.list("fabric_ctrl_", "send_rate recv_rate")}) ` +
    `meta (${values.list("fabric_meta_", "send_rate recv_rate")}) ` +
    `rw (${values.list("fabric_rw_", "send_rate recv_rate")})`,
  ];
  if (values.any("", "demarshal_error early_tsvc_client_error")) {
    lines.push(
      `   early-fail: demarshal ${values.get("demarshal_error")} ` +
        `tsvc-client ${values.get("early_tsvc_client_error")} tsvc-from-proxy 0 tsvc-from-proxy-batch-sub 0`,
    );
  }
  if (values.any("batch_index_", "complete error timeout")) {
    lines.push(
      `   batch-index: batches (${values.list("batch_index_", "complete error timeout")}) ` +
        `delays ${values.get("batch_index_delay")}`,
    );
  }
  return lines;
}

function connections({ opened, closed }: ConnectionStats): string {
  return `${opened - closed},${opened},${closed}`;
}

/** Groups of counters in a line about one origin of requests: label, prefix after the origin's, names. */
const REQUEST_GROUPS = [
  ["tsvc", "tsvc_", "error timeout"],
  ["proxy", "proxy_", "complete error timeout"],
  ["read", "read_", "success error timeout not_found filtered_out"],
  ["write", "write_", "success error timeout filtered_out"],
  ["delete", "delete_", "success error timeout not_found filtered_out"],
  ["udf", "udf_", "complete error timeout filtered_out"],
  ["lang", "lang_", "read_success write_success delete_success error"],
] as const;

const QUERY_GROUPS = [
  ["short-basic", "short_basic_", "complete error timeout"],
  ["long-basic", "long_basic_", "complete error abort"],
  ["aggr", "aggr_", "complete error abort"],
  ["udf-bg", "udf_bg_", "complete error abort"],
  ["ops-bg", "ops_bg_", "complete error abort"],
] as const;

type Groups = readonly (readonly [label: string, prefix: string, names: string])[];

function namespaceLines(node: AerieNode, namespace: Namespace): string[] {
  const values = new Values(namespaceStatistics(node, namespace));
  const label = `{${namespace.settings.name}}`;
  const lines = [
    `${label} objects: all ${values.get("objects")} master ${values.get("master_objects")} ` +
    `prole ${values.get("prole_objects")} non-replica ${values.get("non_replica_objects")}`,
  ];
  if (values.get("tombstones") !== 0) {
    lines.push(
      `${label} tombstones: all ${values.get("tombstones")} xdr 0 master ${
        values.get("master_tombstones")
      } ` +
        `prole ${values.get("prole_tombstones")} non-replica ${values.get("non_replica_tombstones")}`,
    );
  }
  lines.push(
    `${label} migrations: ${migrationProgress(node, namespace)}`,
    `${label} index-usage: used-bytes ${values.get("index_used_bytes")}`,
    `${label} data-usage: used-bytes ${values.get("data_used_bytes")} avail-pct ${
      values.get("data_avail_pct")
    }`,
  );
  const request = (title: string, prefix: string) =>
    groupLine(`${label} ${title}:`, values, prefix, REQUEST_GROUPS);
  const query = (title: string, prefix: string) =>
    groupLine(`${label} ${title}:`, values, prefix, QUERY_GROUPS);
  lines.push(...request("client", "client_"), ...request("batch-sub", "batch_sub_"));
  lines.push(...query("pi-query", "pi_query_"), ...query("si-query", "si_query_"));
  return [...lines, ...errorLines(label, values)];
}

/** How far migrations are: transfers to others, from others, and signals. */
function migrationProgress({ migrator }: AerieNode, { settings }: Namespace): string {
  const counts = migrator.statistics(settings.name)!;
  if (counts.remaining === 0) return "complete";
  const { txRemaining, rxRemaining, signalsRemaining, txActive, rxActive, signalsActive } = counts;
  return `remaining (${txRemaining},${rxRemaining},${signalsRemaining}) ` +
    `active (${txActive},${rxActive},${signalsActive}) complete-pct ${counts.completePct.toFixed(2)}`;
}

/** One line with all groups; none when all counters are 0. */
function groupLine(title: string, values: Values, prefix: string, groups: Groups): string[] {
  if (!groups.some(([, group, names]) => values.any(prefix + group, names))) return [];
  const parts = groups.map(([label, group, names]) => `${label} (${values.list(prefix + group, names)})`);
  return [`${title} ${parts.join(" ")}`];
}

function errorLines(label: string, values: Values): string[] {
  const lines: string[] = [];
  if (values.any("read_touch_", "success error skip")) {
    lines.push(
      `${label} read-touch: all-triggers (${values.list("read_touch_", "success error timeout skip")})`,
    );
  }
  if (values.any("", "fail_key_busy fail_generation fail_record_too_big deleted_last_bin")) {
    lines.push(
      `${label} special-errors: key-busy ${values.get("fail_key_busy")} ` +
        `generation ${values.get("fail_generation")} record-too-big ${values.get("fail_record_too_big")} ` +
        `deleted-last-bin ${values.get("deleted_last_bin")}`,
    );
  }
  return lines;
}
