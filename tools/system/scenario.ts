/**
 * What a scenario of the system tests is, and how it says what it measured.
 *
 * @module
 */

/** Limits in time are reported, not asserted: the machine may be busy with other things. */
export interface Scenario {
  /** What happens in it, in a few words. */
  name: string;
  /** Rejects when something is wrong; throws {@linkcode Skipped} when it can't be run here. */
  run(report: Report): Promise<void>;
}

/** Takes figures of a scenario. */
export interface Report {
  /** Notes a figure, for example `one cluster`, `812 ms`. */
  note(what: string, figure: string): void;
}

/** A scenario that this machine does not allow. */
export class Skipped extends Error {}

/** Milliseconds as people read them. */
export function msText(durationMs: number): string {
  return `${Math.round(durationMs)} ms`;
}

/** Middle of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Waits; scenarios use it to let load run, never instead of a condition. */
export function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/**
 * Waits for a condition.
 *
 * @throws {Error} with `describe`'s words when it does not hold in time
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  options: { limitMs: number; describe: () => string },
): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    if (await holds()) return performance.now() - startMs;
    if (performance.now() - startMs > options.limitMs) {
      throw new Error(`waited ${options.limitMs} ms in vain: ${options.describe()}`);
    }
    await pause(20);
  }
}
