/**
 * Latencies of the last slice: every `ticker-interval` the histograms are compared with their state at the interval's
 * start. Source: wire-protocol reference, section 9.11; server-operations reference, section 8.
 *
 * @module
 */

import { type Histogram, HISTOGRAM_BUCKET_COUNT } from "../base/mod.ts";
import type { Clock } from "../port/mod.ts";
import type { Namespace } from "../transaction/mod.ts";

/** Percentages that a line has: slower than 2^0 to 2^16 units. */
export const LATENCY_THRESHOLD_COUNT = 17;

/** One histogram under the name that clients ask for. */
export interface NamedHistogram {
  /** For example `{test}-read`. */
  name: string;
  /** Namespace, undefined for the node's own. */
  namespace?: string;
  /** For example `read`. */
  operation: string;
  /** What is counted; undefined where nothing is measured. */
  histogram: Histogram | undefined;
}

/** What happened in one slice. */
export interface LatencySlice {
  /** Operations. */
  count: number;
  /** Operations per second. */
  perSecond: number;
  /** Operations that took at least 2^index units. */
  slowerCounts: readonly number[];
}

/** Operations of a namespace that `latencies:` tells of without being asked, with their histograms. */
const SHOWN_OPERATIONS = [
  ["read", "read"],
  ["write", "write"],
  ["udf", "udf"],
  ["batch-sub-read", "batchSubRead"],
  ["batch-sub-write", "batchSubWrite"],
  ["batch-sub-udf", "batchSubUdf"],
  ["pi-query", "piQuery"],
  ["si-query", "siQuery"],
] as const;

/** Stages that `{ns}-benchmarks-…` stands for, per kind of request; they are not measured yet. */
const BENCHMARK_STAGES: Readonly<Record<string, readonly string[]>> = {
  "benchmarks-read": words("read", "start restart dup-res repl-ping local response"),
  "benchmarks-write": words("write", "start restart dup-res master repl-write response"),
  "benchmarks-udf": words("udf", "start restart dup-res master repl-write response"),
  "benchmarks-batch-sub": words(
    "batch-sub",
    "prestart start restart dup-res repl-ping read-local write-master udf-master repl-write response",
  ),
  "benchmarks-udf-sub": words("udf-sub", "start restart dup-res master repl-write response"),
  "benchmarks-ops-sub": words("ops-sub", "start restart dup-res master repl-write response"),
};

/** Operations that are told of on request only, and are not measured. */
const QUIET_OPERATIONS = ["read-touch", "re-repl", "writes-per-mrt"];
const QUIET_NODE_NAMES = ["benchmarks-fabric"];

function words(prefix: string, suffixes: string): string[] {
  return suffixes.split(" ").map((suffix) => `${prefix}-${suffix}`);
}

/** What the reporter follows. */
export interface LatencySources {
  /** Namespaces in their order. */
  namespaces: readonly Namespace[];
  /** Latency of batches. */
  batchIndex: Histogram;
  /** Latency of info commands. */
  info: Histogram;
}

/** Cuts histograms into slices. */
export class LatencyReporter {
  readonly #sources: LatencySources;
  readonly #clock: Clock;
  readonly #before = new Map<Histogram, { buckets: Float64Array; total: number }>();
  readonly #slices = new Map<Histogram, LatencySlice>();
  #sliceStartMs: number;

  /** @param sources what is followed */
  constructor(sources: LatencySources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    this.#sliceStartMs = clock.monotonicMs();
  }

  /** What `latencies:` tells of without a name, in its order. */
  shown(): NamedHistogram[] {
    const { namespaces, batchIndex } = this.#sources;
    return [
      { name: "batch-index", operation: "batch-index", histogram: batchIndex },
      ...namespaces.flatMap((namespace) =>
        SHOWN_OPERATIONS.map(([operation, field]) =>
          named(namespace, operation, namespace.stats.histograms[field])
        )
      ),
    ];
  }

  /** The histograms that a name stands for; none when nobody knows the name. */
  find(name: string): NamedHistogram[] {
    const found = this.shown().filter((one) => one.name === name);
    if (found.length > 0) return found;
    if (name === "info") return [{ name, operation: name, histogram: this.#sources.info }];
    if (QUIET_NODE_NAMES.includes(name)) return [{ name, operation: name, histogram: undefined }];
    const [, namespaceName, operation] = /^\{([^}]*)\}-(.*)$/.exec(name) ?? [];
    const namespace = this.#sources.namespaces.find((one) => one.settings.name === namespaceName);
    if (namespace === undefined) return [];
    if (operation === "proxy") return [named(namespace, operation, namespace.stats.histograms.proxy)];
    if (QUIET_OPERATIONS.includes(operation)) return [named(namespace, operation, undefined)];
    return (BENCHMARK_STAGES[operation] ?? []).map((stage) => named(namespace, stage, undefined));
  }

  /** Ends the present slice and begins the next. */
  endSlice(): void {
    const nowMs = this.#clock.monotonicMs();
    const seconds = (nowMs - this.#sliceStartMs) / 1000;
    this.#sliceStartMs = nowMs;
    if (seconds <= 0) return;
    const { info, namespaces } = this.#sources;
    const quiet = [info, ...namespaces.map(({ stats }) => stats.histograms.proxy)];
    for (const { histogram } of [...this.shown(), ...quiet.map((histogram) => ({ histogram }))]) {
      if (histogram !== undefined && histogram.total > 0) this.#endSliceOf(histogram, seconds);
    }
  }

  /** The last slice of a histogram; undefined until a slice has ended with a first value in it. */
  slice(histogram: Histogram | undefined): LatencySlice | undefined {
    return histogram === undefined ? undefined : this.#slices.get(histogram);
  }

  #endSliceOf(histogram: Histogram, seconds: number): void {
    let before = this.#before.get(histogram);
    if (before === undefined) {
      before = { buckets: new Float64Array(HISTOGRAM_BUCKET_COUNT), total: 0 };
      this.#before.set(histogram, before);
    }
    const count = histogram.total - before.total;
    const slowerCounts: number[] = [];
    let slower = 0;
    for (let bucket = HISTOGRAM_BUCKET_COUNT - 1; bucket > 0; bucket--) {
      slower += histogram.buckets[bucket] - before.buckets[bucket];
      if (bucket <= LATENCY_THRESHOLD_COUNT) slowerCounts[bucket - 1] = slower;
    }
    this.#slices.set(histogram, { count, perSecond: count / seconds, slowerCounts });
    before.buckets.set(histogram.buckets);
    before.total = histogram.total;
  }
}

function named(namespace: Namespace, operation: string, histogram: Histogram | undefined): NamedHistogram {
  const { name } = namespace.settings;
  return { name: `{${name}}-${operation}`, namespace: name, operation, histogram };
}

/**
 * A slice as `latencies:` prints it.
 *
 * @param slice undefined prints the name alone
 * @param unit `msec` or `usec`
 */
export function latencyText(name: string, slice: LatencySlice | undefined, unit: string): string {
  if (slice === undefined) return `${name}:`;
  const shares = slice.slowerCounts.map((count) =>
    (slice.count === 0 ? 0 : 100 * count / slice.count).toFixed(2)
  );
  return `${name}:${unit},${slice.perSecond.toFixed(1)},${shares.join(",")}`;
}
