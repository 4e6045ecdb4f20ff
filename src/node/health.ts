/**
 * What `health-stats` shows and `health-outliers` judges: how fast each local device reads, how fast each peer confirms
 * replica writes, and how often peers come and go, over the last 30 intervals of the ticker. Needs `enable-health-check`.
 * Source: server-operations reference, section 9.7; how outliers are found is ours.
 *
 * An outlier is slow when it needs three times the median of the others, and 5 ms at least. One alone is never an outlier:
 * there is nothing to compare it with. A peer that arrives more than ten times stands out by itself.
 *
 * @module
 */

import { type NodeId, nodeIdForLog } from "../cluster/mod.ts";
import type { ServiceSettings } from "../config/mod.ts";
import type { Namespace } from "../transaction/mod.ts";

/** Intervals that are looked at. */
const INTERVAL_COUNT = 30;
/** How much slower than the median of the others is too slow. */
const SLOW_FACTOR = 3;
/** What is faster than this is never too slow, in microseconds. */
const SLOW_MIN_US = 5000;
/** Arrivals of a peer in the intervals that are too many. */
const ARRIVAL_COUNT_MAX = 10;

/** A sum that grows, and what it is of. */
interface Counter {
  stat: "device_read_latency" | "replication_latency" | "node_arrivals";
  namespace: string;
  device: string;
  node: string;
  /** Microseconds, or events. */
  sum: number;
  count: number;
}

/** What a {@linkcode HealthMonitor} looks at. */
export interface HealthOptions {
  /** Whether it looks. */
  readonly settings: Pick<ServiceSettings, "enableHealthCheck">;
  /** Namespaces with their devices and replica writes. */
  readonly namespaces: readonly Pick<Namespace, "settings" | "store" | "peerStats">[];
}

/** See the head of the file. */
export class HealthMonitor {
  readonly #options: HealthOptions;
  readonly #arrivals = new Map<NodeId, number>();
  /** Counters at the end of each interval, the oldest first. */
  #samples: Map<string, Counter>[] = [];

  /** @param options what is looked at */
  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** A node is heard, or no longer. */
  onAdjacent(node: NodeId, isAdjacent: boolean): void {
    if (isAdjacent) this.#arrivals.set(node, (this.#arrivals.get(node) ?? 0) + 1);
  }

  /** An interval is over. */
  sample(): void {
    if (!this.#options.settings.enableHealthCheck) {
      this.#samples = [];
      return;
    }
    this.#samples.push(this.#counters());
    if (this.#samples.length > INTERVAL_COUNT) this.#samples.shift();
  }

  /** The answer to `health-stats`. */
  statsText(): string {
    return this.#values().map(({ stat, value, device, node, namespace }) =>
      `stat=${stat}:value=${value}` + (device === "" ? "" : `:device=${device}`) +
      (node === "" ? "" : `:node=${node}`) + (namespace === "" ? "" : `:namespace=${namespace}`)
    ).join(";");
  }

  /** The answer to `health-outliers`. */
  outliersText(): string {
    const values = this.#values();
    return values.flatMap((one) => {
      const confidencePct = one.stat === "node_arrivals"
        ? arrivalConfidence(one.value)
        : slowness(one, values);
      if (confidencePct === 0) return [];
      const namespace = one.namespace === "" ? "" : `namespace=${one.namespace}:`;
      return [`id=${one.device || one.node}:${namespace}confidence_pct=${confidencePct}:reason=${one.stat}`];
    }).join(";");
  }

  #values(): (Counter & { value: number })[] {
    if (!this.#options.settings.enableHealthCheck) return [];
    const before = this.#samples[0];
    return [...this.#counters()].flatMap(([name, now]) => {
      const then = before?.get(name);
      const count = now.count - (then?.count ?? 0);
      if (count === 0) return [];
      const sum = now.sum - (then?.sum ?? 0);
      return [{ ...now, value: now.stat === "node_arrivals" ? count : Math.round(sum / count) }];
    });
  }

  #counters(): Map<string, Counter> {
    const counters = new Map<string, Counter>();
    const add = (counter: Counter) =>
      counters.set(`${counter.stat} ${counter.namespace} ${counter.device} ${counter.node}`, counter);
    for (const { settings: { name: namespace }, store: { disk }, peerStats } of this.#options.namespaces) {
      for (const [device, { path }] of (disk?.blocks.devices ?? []).entries()) {
        const { sumMs, count } = disk!.reader.times[device];
        add({ stat: "device_read_latency", namespace, device: path, node: "", sum: sumMs * 1000, count });
      }
      for (const [node, { sumMs, count }] of peerStats.replicaTimes) {
        const id = nodeIdForLog(node);
        add({ stat: "replication_latency", namespace, device: "", node: id, sum: sumMs * 1000, count });
      }
    }
    for (const [node, count] of this.#arrivals) {
      add({ stat: "node_arrivals", namespace: "", device: "", node: nodeIdForLog(node), sum: 0, count });
    }
    return counters;
  }
}

function arrivalConfidence(count: number): number {
  return count > ARRIVAL_COUNT_MAX ? Math.round(100 * (1 - ARRIVAL_COUNT_MAX / count)) : 0;
}

/** How sure it is that one is too slow, in percent; 0 when it is not. */
function slowness(one: Counter & { value: number }, all: readonly (Counter & { value: number })[]): number {
  const isSame = (other: Counter) =>
    other.stat === one.stat && (one.stat === "device_read_latency" || other.namespace === one.namespace);
  const others = all.filter((other) => other !== one && isSame(other)).map(({ value }) => value).sort((
    a,
    b,
  ) => a - b);
  if (others.length === 0) return 0;
  const median = others[Math.floor((others.length - 1) / 2)];
  if (one.value < SLOW_MIN_US || one.value < SLOW_FACTOR * median) return 0;
  return Math.min(99, Math.round(100 * (1 - median / one.value)));
}
