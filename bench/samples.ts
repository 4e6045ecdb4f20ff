/**
 * Measuring and counting: nanoseconds per call, percentiles of latencies, medians.
 *
 * @module
 */

/** Buckets per power of two of a {@linkcode LatencyHistogram}: values are kept to within 3 %. */
const BUCKETS_PER_POWER = 32;
const POWER_COUNT = 40;

/** Counts latencies in nanoseconds, to within 3 %. */
export class LatencyHistogram {
  /** Latencies counted. */
  count = 0;
  readonly #buckets = new Uint32Array(BUCKETS_PER_POWER * POWER_COUNT);

  /** Counts one latency. */
  add(ns: number): void {
    const exact = Math.max(1, ns);
    const bucket = Math.floor(Math.log2(exact) * BUCKETS_PER_POWER);
    this.#buckets[Math.min(bucket, this.#buckets.length - 1)]++;
    this.count++;
  }

  /** The latency that a share of all (0 to 1) does not exceed, in nanoseconds; 0 when nothing was counted. */
  percentile(share: number): number {
    let left = Math.ceil(this.count * share);
    if (left === 0) return 0;
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      left -= this.#buckets[bucket];
      if (left <= 0) return 2 ** ((bucket + 1) / BUCKETS_PER_POWER);
    }
    return 2 ** POWER_COUNT;
  }
}

/** The middle of some numbers; of the two in the middle the lower. NaN when there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? NaN;
}

/** How long to measure one thing. */
export interface MeasureOptions {
  /** Milliseconds per sample, after a warm-up of the same length. */
  sampleMs: number;
  /** Samples. */
  sampleCount: number;
}

/** Nanoseconds per call. */
export interface Measured {
  /** The middle sample. */
  medianNs: number;
  /** The fastest sample. */
  leastNs: number;
}

/**
 * Measures a piece of work.
 *
 * @param run does the work `times` times
 */
export function measure(run: (times: number) => void, options: MeasureOptions): Measured {
  let times = 1;
  for (let tookMs = 0; tookMs < options.sampleMs;) {
    const startMs = performance.now();
    run(times);
    tookMs = performance.now() - startMs;
    if (tookMs < options.sampleMs) times *= tookMs < options.sampleMs / 10 ? 8 : 2;
  }
  const samples: number[] = [];
  for (let count = 0; count < options.sampleCount; count++) {
    const startMs = performance.now();
    run(times);
    samples.push((performance.now() - startMs) * 1e6 / times);
  }
  return { medianNs: median(samples), leastNs: Math.min(...samples) };
}
