/**
 * Latency and size histograms: 64 buckets, powers of two. Bucket 0 counts values below 1, bucket n values in
 * [2^(n-1), 2^n). Source: server-operations reference, section 8.
 *
 * @module
 */

/** Number of buckets of every histogram. */
export const HISTOGRAM_BUCKET_COUNT = 64;

/** Counts values by magnitude. */
export class Histogram {
  /** Counts per bucket since the start. */
  readonly buckets: Float64Array = new Float64Array(HISTOGRAM_BUCKET_COUNT);
  /** Values counted since the start. */
  total = 0;

  /** Counts one value; negative values (a clock that stepped back) count as 0. */
  add(value: number): void {
    this.buckets[bucketOf(value)]++;
    this.total++;
  }

  /** How many values were at least 2^exponent. */
  countAtLeast(exponent: number): number {
    let count = 0;
    for (let bucket = exponent + 1; bucket < HISTOGRAM_BUCKET_COUNT; bucket++) count += this.buckets[bucket];
    return count;
  }
}

function bucketOf(value: number): number {
  if (!(value >= 1)) return 0;
  if (value < 0x8000_0000) return 32 - Math.clz32(value);
  return Math.min(HISTOGRAM_BUCKET_COUNT - 1, Math.floor(Math.log2(value)) + 1);
}
