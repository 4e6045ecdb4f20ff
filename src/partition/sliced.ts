/**
 * Calculations over all partitions that are done in slices, so that requests are served between them.
 *
 * @module
 */

/** A calculation that can be left and taken up again: it yields each time that it has done a fraction of a millisecond. */
export type Sliced<Result> = Generator<void, Result, void>;

/** Partitions between two yields. */
export const SLICED_PARTITION_COUNT = 64;

/** Does a calculation to its end. */
export function runWhole<Result>(calculation: Sliced<Result>): Result {
  for (;;) {
    const { done, value } = calculation.next();
    if (done === true) return value;
  }
}
