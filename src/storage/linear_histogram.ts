/**
 * Histograms with buckets of equal width. One that adapts doubles the width of its buckets, and joins pairs of them,
 * when a value lies beyond its end: one pass over values of unknown range is enough.
 *
 * @module
 */

/** Counts values in buckets of equal width. */
export class LinearHistogram {
  /** Values per bucket. */
  readonly buckets: Uint32Array;
  /** Range of one bucket. */
  bucketWidth: number;
  /** Values counted. */
  total = 0;
  readonly #adapts: boolean;

  /**
   * @param bucketCount at least 2
   * @param options `bucketWidth`: at first; `adapts`: widen instead of counting large values in the last bucket
   */
  constructor(bucketCount: number, options: { bucketWidth: number; adapts: boolean }) {
    this.buckets = new Uint32Array(bucketCount);
    this.bucketWidth = options.bucketWidth;
    this.#adapts = options.adapts;
  }

  /** Counts a value; negative ones count as 0. */
  add(value: number): void {
    const last = this.buckets.length - 1;
    let bucket = Math.max(0, Math.floor(value / this.bucketWidth));
    while (this.#adapts && bucket > last) {
      this.#widen();
      bucket = Math.floor(value / this.bucketWidth);
    }
    this.buckets[Math.min(last, bucket)]++;
    this.total++;
  }

  /** As the info command shows it. */
  text(units: string): string {
    const { buckets, bucketWidth } = this;
    const histWidth = bucketWidth * buckets.length;
    return `units=${units}:hist-width=${histWidth}:bucket-width=${bucketWidth}:buckets=${buckets.join(",")}`;
  }

  #widen(): void {
    const { buckets } = this;
    const count = buckets.length;
    for (let bucket = 0; bucket < count; bucket++) {
      const left = 2 * bucket;
      buckets[bucket] = (left < count ? buckets[left] : 0) + (left + 1 < count ? buckets[left + 1] : 0);
    }
    this.bucketWidth *= 2;
  }
}
